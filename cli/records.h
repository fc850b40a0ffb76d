/*
 * cli/records.h - a record of any of the topics, for people and programs.
 *
 * kcat's JSON envelope {topic, partition, offset, tstype, ts, headers, key, payload}, followed by
 * `type` and `decoded`. Values are protobuf, so payload is base64, and payload_encoding says so;
 * a key that is not UTF-8 is base64 as well (key_encoding). A record of steps is shown step by
 * step, each with its `place`, as if it lay there alone with the key of its aggregate.
 */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka.h"

/* Which of our topics it is; false: none. */
bool record_topic(const char *prefix, const char *topic, enum context *ret_context,
                  enum stream *ret_stream);

/* What is shown of a record. */
struct record_part {
    struct ol_message message; /* points into the record's and the arena; not to be released */
    int32_t place;             /* of a step; RECORD_WHOLE: it is the record itself */
};

#define RECORD_WHOLE (-1)

/* The steps of a bundle, or the record itself: one part at least. NULL: the arena is spent. */
struct record_part *record_parts(enum context context, enum stream stream,
                                 const struct ol_message *message, struct ol_arena *arena,
                                 size_t *ret_count);

/* "OrderPlaced", "ReserveStock", ...; "" where it does not decode. A dead letter is read as what
 * its own headers say it was, a bundle of one as its step. The arena is used up to
 * CODEC_ARENA_BYTES and not cleared. */
const char *record_type(enum context context, enum stream stream, const struct ol_message *message,
                        struct ol_arena *arena);

/* The value as JSON, "null" where it does not decode. A step has its causation_id, also where its
 * bytes leave it away. */
void record_add_decoded(struct ol_text *text, enum context context, enum stream stream,
                        const struct ol_message *message);

/* The envelope on one line, with its line end. */
void record_add_json(struct ol_text *text, enum context context, enum stream stream,
                     const struct record_part *part, const char *type);

void record_add_base64(struct ol_text *text, const void *data, size_t bytes);

#endif
