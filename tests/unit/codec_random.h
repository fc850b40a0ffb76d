/*
 * tests/unit/codec_random.h - random messages of every kind, and whether two are the same.
 *
 * Driven by the codec's own tables; test_codec_tables.c and the golden files hold those against the
 * schema. Texts and lines live in the arena.
 */
#ifndef UNIT_CODEC_RANDOM_H
#define UNIT_CODEC_RANDOM_H

#include "proto/codec.h"
#include "proto/codec_tables.h"
#include "tests/support/rng.h"

/* kind: of the context, 1 to its count - 1. */
struct command random_command(struct rng *rng, struct ol_arena *arena, enum context context,
                              uint32_t kind);
struct step_message random_step(struct rng *rng, struct ol_arena *arena, enum context context,
                                uint32_t kind);

/* body EVENT_BODY_DOMAIN: with `kind`; for the others kind does not matter. */
struct event_message random_event(struct rng *rng, struct ol_arena *arena, enum context context,
                                  enum event_body body, uint32_t kind);

/* All that the tables know of a and b is equal. */
bool same_fields(const struct wire_message *message, const void *a, const void *b);
bool same_command(const struct command *a, const struct command *b);
bool same_step(const struct step_message *a, const struct step_message *b);
bool same_event(const struct event_message *a, const struct event_message *b);

#endif
