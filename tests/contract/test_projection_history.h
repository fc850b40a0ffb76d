/*
 * tests/contract/test_projection_history.h - events as the workers would write them, without a
 * broker.
 *
 * Random commands go through the workers' own core, context by context, until nothing is under way.
 * What comes out are the three events topics, encoded, receipts included. The same settings give
 * the same records.
 */
#ifndef TEST_PROJECTION_HISTORY_H
#define TEST_PROJECTION_HISTORY_H

#include "consumers/core.h"
#include "proto/codec.h"
#include "tests/support/rng.h"

struct record {
    struct bytes key, value;
    int64_t offset;
};

struct record_list {
    struct record *records;
    size_t count, capacity;
    int64_t next_offset;
};

struct history_settings {
    uint64_t seed;
    int32_t partitions;
    int64_t orders, customers, products;
    int64_t lines_max;    /* an order has 1 to so many lines */
    int64_t stock, funds; /* of each product and wallet at the start */
    unsigned odd_percent; /* of commands that are repeats, conflicts, cancels, nonsense ... */
    size_t batch_max;     /* inputs of one transaction */
    bool steady;          /* batches are full and contexts take turns; else both are random */
};

struct history {
    struct history_settings settings;
    struct record_list events[CONTEXT_COUNT][PARTITIONS_MAX];
    size_t event_count, line_count;
    struct history_world *world;
};

/* Aborts when memory runs out. */
struct history *history_new(const struct history_settings *settings);
void history_free(struct history *history);

/* What a test compares with: the states that the workers ended with. NULL: never met. */
const struct entity *history_state(struct history *history, enum context context,
                                   const struct entity_key *key);

#endif
