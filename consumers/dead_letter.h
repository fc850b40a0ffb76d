/*
 * consumers/dead_letter.h - the headers that explain a record that was put aside.
 *
 * A dead letter keeps key, value and headers byte for byte (a step out of a bundle: as a bundle of
 * one); on top come Kafka Connect's text headers, so that the tools people have can read where it
 * came from and why. If it was put aside before, those headers are replaced. Pure but for the
 * arena.
 */
#ifndef CONSUMERS_DEAD_LETTER_H
#define CONSUMERS_DEAD_LETTER_H

#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka.h"

#define DEAD_LETTER_REASON_BYTES 512
#define DEAD_LETTER_WHOLE        (-1) /* a place: the whole record is put aside */

/* The message's own headers, except those named like one of `more`, then `more`; names and values
 * are copied. False: the arena is spent. */
bool dead_letter_headers(const struct ol_message *message, const struct ol_header *more,
                         size_t more_count, struct ol_arena *arena, struct ol_header **ret_headers,
                         size_t *ret_count);

/* The same with __connect.errors.topic, .partition, .offset, .stage, .exception.class.name (the
 * code) and .exception.message (the reason, cut at DEAD_LETTER_REASON_BYTES), the record's original
 * time in ms, and the place in it of a step that is put aside alone. */
bool dead_letter_explain(const struct ol_message *message, const char *topic, int32_t place,
                         const char *code, const char *reason, struct ol_arena *arena,
                         struct ol_header **ret_headers, size_t *ret_count);

#endif
