/*
 * tests/fuzz/history.h - bytes as the life of one context's worker: decode -> decide -> encode.
 *
 * Each byte chooses: a command or a step from small sets of ids, amounts and kinds (so that they
 * meet), raw bytes as a message, the input before once more, the end of a batch, the clock. Every
 * input goes over the wire before the core sees it, and so does what comes out; what the core
 * writes must decode to what it was. Timeouts that it proposes come back as steps.
 */
#ifndef FUZZ_HISTORY_H
#define FUZZ_HISTORY_H

#include "consumers/core.h"
#include "proto/codec.h"
#include "tests/fuzz/fuzz.h"

#define HISTORY_INPUTS_MAX 32
#define HISTORY_EVENTS_MAX 1024
#define HISTORY_START_US   INT64_C(1700000000000000)

struct history_event {
    struct event_message event; /* decoded from its bytes */
    int32_t partition;
    int64_t offset; /* in its partition, with gaps where a transaction ended */
};

struct history {
    enum context context;
    int32_t partitions;
    struct core *core;
    struct ol_arena arena;
    struct history_event events[HISTORY_EVENTS_MAX];
    size_t event_count;
};

/* Takes the whole input. The last batch is closed, so that every event is under a receipt. */
void history_run(struct history *history, struct fuzz_input *input);

/* An empty core, which the next call with the same arguments takes back: making one costs more than
 * most histories. */
struct core *history_core(enum context context, int32_t partitions, bool second);

/* Every key that the events name is put as absent; for whoever folds them anew. */
void history_put_absent(struct core *core, const struct history *history);

#endif
