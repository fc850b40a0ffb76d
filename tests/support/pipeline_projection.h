/*
 * tests/support/pipeline_projection.h - one context's events folded into states, at their own pace.
 *
 *   advance (fold some more of a partition) -> load (states, and how far it has come)
 *
 * In place of the projector and the database: what is loaded is one snapshot, as projections/load.h
 * promises it. It may lag, come to stand in the middle of a transaction, and go back, as a database
 * does that lost its last commits. The fold is the domain's alone.
 */
#ifndef SUPPORT_PIPELINE_PROJECTION_H
#define SUPPORT_PIPELINE_PROJECTION_H

#include "projections/load.h"
#include "tests/support/pipeline_broker.h"
#include "tests/support/rng.h"

struct projected {
    struct entity_key key;
    struct entity state;
    uint64_t hash;
};

struct projection {
    const struct broker *broker;
    enum context context;
    struct ol_arena arena;   /* of keys and of what states point to */
    struct ol_arena scratch; /* of one event */
    struct projected *states;
    size_t count, capacity;
    uint32_t *slots; /* open addressing: place in states + 1; 0: free */
    size_t slot_count;
    struct load_progress progress[PARTITIONS_MAX];
    uint64_t events; /* folded so far, since the last reset */
};

void projection_init(struct projection *projection, const struct broker *broker,
                     enum context context);
void projection_release(struct projection *projection);

/* Folds up to `records` more of the partition; returns how many there were. */
size_t projection_advance(struct projection *projection, int32_t partition, size_t records);

/* To the log's end, on all partitions. */
void projection_catch_up(struct projection *projection);

/* The database lost its last commits: some partitions, by chance, go back to where they once
 * were. */
void projection_lose(struct projection *projection, struct rng *rng);

/* NULL: there is no such thing. */
const struct entity *projection_find(const struct projection *projection,
                                     const struct entity_key *key);

/* As load_receive(): absent where there is nothing; texts and lines live in the arena. */
void projection_load(const struct projection *projection, const struct entity_key *keys,
                     size_t count, struct ol_arena *arena, struct entity *ret_states);

/* Are two states the same? Texts and lines are compared, not where they lie. */
bool projection_same(const struct entity *a, const struct entity *b);

#endif
