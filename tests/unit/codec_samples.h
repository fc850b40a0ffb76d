/*
 * tests/unit/codec_samples.h - one message of each kind, every field set and no two values alike.
 *
 * The golden files under golden/ hold their bytes, for ever. A new kind is a new row and a new line
 * there; a new field changes its message's row and adds a line, and the old line must still decode.
 */
#ifndef UNIT_CODEC_SAMPLES_H
#define UNIT_CODEC_SAMPLES_H

#include "domain/topic.h"
#include "proto/codec.h"

struct sample {
    const char *name; /* the body's message */
    enum stream stream;
    union {
        struct command command;
        struct step_message step;
        struct event_message event;
    };
};

extern const struct sample samples[];
extern const size_t sample_count;

enum context sample_context(const struct sample *sample);

/* Aborts where there is none. */
const struct sample *sample_named(const char *name, enum context context);

bool sample_encode(const struct sample *sample, struct ol_arena *arena, struct bytes *ret_wire);
enum ol_class sample_decode(enum context context, enum stream stream, struct bytes wire,
                            struct ol_arena *arena, struct sample *ret_sample,
                            struct ol_error *reterr);

/* As a message of the sample's stream and context. */
enum ol_class sample_decode_again(const struct sample *sample, struct bytes wire,
                                  struct ol_arena *arena, struct sample *ret_sample,
                                  struct ol_error *reterr);

/* A copy whose lines may be written to: decoded from its own bytes. Aborts where that fails. */
struct sample sample_copy(const struct sample *sample, struct ol_arena *arena);

#endif
