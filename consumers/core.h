/*
 * consumers/core.h - what one context's worker decides, without any I/O.
 *
 *   partition_begin, missing_for_event / replay ...     take-over: states follow the log to its end
 *   missing -> (load) -> put -> run, run, run -> answer -> close   a batch: inputs in, records out
 *
 * Decoded inputs and the states they name go in; records to produce go to a sink, one by one, and
 * offsets to commit come out. The same core runs in production, tests and simulation. Whatever it
 * has decided is speculative until the batch is committed; a caller that does not know whether it
 * was drops the whole core (clear) and takes over again. Pure but for malloc; one thread.
 */
#ifndef CONSUMERS_CORE_H
#define CONSUMERS_CORE_H

#include "consumers/deadlines.h"
#include "consumers/overlay.h"
#include "domain/checkout.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"

enum input_kind {
    INPUT_NONE = 0,
    INPUT_COMMAND,
    INPUT_STEP,
    INPUT_UNREADABLE, /* for the dead letters */
};

/* A record of a commands topic, or a step of one of a steps topic. Everything lives as long as the
 * batch. A record's inputs are run all in one batch, in the order of their places. */
struct core_input {
    enum input_kind kind;
    enum cause_source source;
    int32_t partition;
    int64_t offset;
    int32_t place;         /* of a step in its bundle; else 0 */
    int64_t at_us;         /* the broker's time: 'now' */
    bool redriven;         /* a step that may have been here before: published again, later */
    bool misplaced;        /* the bundle says that it belongs on another partition */
    bool passed_on;        /* carries the header of a command that was passed on once */
    bool fills_topic;      /* with the header of one that is passed on its topic does not take it */
    const void *record;    /* the shell's own: what pass_on and dead_letter need */
    const void *step_wire; /* of a step in its bundle: the shell's own; NULL: the record's */
    size_t step_bytes;
    const char *reason;   /* UNREADABLE: a sentence */
    const char *outgrows; /* a sentence, if a topic does not take what may follow; NULL: all fits */
    union {
        struct command command;
        struct step_message step;
    };
};

/* Where records go. Each returns false when memory or the budget is spent: the batch is lost then.
 * Messages are read before the call returns. `key` of a receipt is empty: no key. Steps to one
 * partition of a context stay in the order of the calls. */
struct core_sink {
    void *self;
    bool (*event)(void *self, int32_t partition, struct text key,
                  const struct event_message *event);
    bool (*step)(void *self, int32_t partition, const struct step_message *step);
    bool (*pass_on)(void *self, int32_t partition, const struct core_input *input);
    bool (*dead_letter)(void *self, const struct core_input *input, const char *code,
                        const char *reason);
};

struct core_settings {
    enum context context;
    int32_t partitions; /* 1 to PARTITIONS_MAX */
    int64_t order_deadline_us;
    struct overlay_limits overlay;
};

/* Where a partition's inputs go on, to be committed with the batch. */
struct core_offset {
    int32_t partition;
    int64_t commands_next, steps_next;
};

struct core;

/* NULL: out of memory. */
struct core *core_new(const struct core_settings *settings);
void core_free(struct core *core);

/* Forgets all states, deadlines and partitions. */
void core_clear(struct core *core);

struct overlay *core_overlay(struct core *core);
const struct deadlines *core_deadlines(const struct core *core);

/* ---- take-over ---- */

/* The partition is ours from here. `receipt` is the last one that the projection knows. NULL: it
 * knows none; then the first one that is replayed is accepted as it is. */
void core_partition_begin(struct core *core, int32_t partition, const struct receipt *receipt);

/* Inputs begin here: for a partition whose log holds no receipt at all. */
void core_partition_bootstrap(struct core *core, int32_t partition, int64_t commands_next,
                              int64_t steps_next);

/* The time that the last event of the partition says, which the projection knows. */
void core_partition_recorded(struct core *core, int32_t partition, int64_t recorded_at_us);

/* An open saga that the projection knows; replay then folds newer events on top. */
bool core_deadline(struct core *core, int32_t partition, struct text order_id, int64_t deadline_us);

/* Appends the keys that replay will need and that are not here yet; a key may be named twice. */
bool core_missing_for_event(struct core *core, const struct event_message *event, int32_t partition,
                            struct ol_arena *arena, struct entity_key **keys, size_t *count,
                            size_t *capacity);

/* Sorts the keys and drops repeated ones; returns how many are left. */
size_t core_keys_unique(struct entity_key *keys, size_t count);

/* Folds an event read back from the log. OL_VIOLATED: its receipt does not chain. */
enum ol_class core_replay(struct core *core, const struct event_message *event, int32_t partition,
                          int64_t offset, struct ol_error *reterr);

/* The last receipt of the partition, as begun, replayed or closed; offsets -1 while unknown. */
const struct receipt *core_receipt(const struct core *core, int32_t partition);

/* ---- a batch ---- */

/*
 * Which states the inputs need that are not here, each once, sorted. Ask again after a put: a
 * release names a reservation, and only that names its products. count 0: go on. False: out of
 * memory. The keys live in the arena, their texts in the inputs.
 */
bool core_missing(struct core *core, const struct core_input *inputs, size_t count,
                  struct ol_arena *arena, struct entity_key **ret_keys, size_t *ret_count);

/* Takes what was loaded in. False: out of memory. */
bool core_put(struct core *core, const struct entity_key *key, const struct entity *state,
              int64_t base_offset);

/* Decides one input; all that core_missing() named must be here. Ids it makes live in the arena;
 * arena and input live until core_answer(). False: the sink, the arena or malloc had nothing
 * left. */
bool core_run(struct core *core, const struct core_input *input, struct ol_arena *arena,
              const struct core_sink *sink);

/* Proposes the timeout of sagas that are due by `now_us`, at most `max`, only on partitions whose
 * bit is set in `partitions`. *ret_count of them were proposed. */
bool core_propose_timeouts(struct core *core, int64_t now_us, uint64_t partitions, size_t max,
                           struct ol_arena *arena, const struct core_sink *sink, size_t *ret_count);

/*
 * The partition's inputs are read up to here, and between its last input and here there is nothing
 * for us: markers, aborted records. CORE_NO_GAP: not known of this source. The batch takes the
 * offsets over with a receipt that counts nothing and repeats the time of the last event; `now_us`
 * where there is none. False: there is no such gap.
 */
#define CORE_NO_GAP INT64_C(-1)
bool core_close_gap(struct core *core, int32_t partition, int64_t commands_next, int64_t steps_next,
                    int64_t now_us);

/* Sends the answers that were still waiting for equal ones: after the last input, before the close.
 * False: the sink had nothing left. */
bool core_answer(struct core *core, const struct core_sink *sink);

/* Ends the batch: a receipt for each partition that had inputs or a gap, and where to go on for
 * each that had inputs, a gap or timeouts. ret_offsets has room for PARTITIONS_MAX. *ret_total sums
 * the receipts' counts, for metrics. */
bool core_close(struct core *core, const struct core_sink *sink, struct core_offset *ret_offsets,
                size_t *ret_count, struct receipt *ret_total);

/* The header that marks a command passed on, and the waits of a timeout. */
#define PASSED_ON_HEADER    "orderlog-passed-from"
#define TIMEOUT_PROPOSAL_US (5 * INT64_C(1000000)) /* until it is proposed again */
#define TIMEOUT_RETRY_US    INT64_C(200000)        /* until a busy partition is looked at again */

#endif
