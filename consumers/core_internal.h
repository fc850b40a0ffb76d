/*
 * consumers/core_internal.h - what the core's files share.
 *
 *   core.c          the same for all contexts: partitions, receipts, replay, the way in
 *   core_missing.c  which states the inputs need that are not here
 *   contexts.c      which of them a context needs, and what it decides: one row each
 *   input_run.c     what one input leaves: events, steps, its mark in the receipt, derived ids
 *   replies.c       answers that wait for the end of the batch
 *
 * Whatever returns false had no memory or budget left: the batch is lost then.
 */
#ifndef CONSUMERS_CORE_INTERNAL_H
#define CONSUMERS_CORE_INTERNAL_H

#include "consumers/core.h"
#include "consumers/replies.h"

#define NAMED_AT_ONCE 64 /* keys that are looked up together */

/* A step: the record that it came in, and where in it. */
struct core_place {
    int64_t offset;
    int32_t number;
};

/* What one partition's open batch has taken so far. */
struct core_partition {
    bool owned, touched, has_gap; /* has_gap: it is closed by this batch */
    uint32_t inputs;
    struct receipt last; /* of the batch before, or of the take-over */
    struct receipt open;
    struct core_place place; /* of its last step */
    int64_t recorded_at_us;  /* of its last input or event; TIME_NONE: none is known */
};

struct core {
    struct core_settings settings;
    struct overlay *overlay;
    struct deadlines *deadlines;
    struct core_partition partitions[PARTITIONS_MAX];
    struct replies replies; /* of the open batch */
    /* Scratch of one decision: too large for the stack of a deep call. */
    struct order_events order_events;
    struct checkout_steps checkout_steps;
    struct stock_decision stock_decision;
    const struct product *products[ORDER_LINES_MAX];
};

/* The states found missing so far, while the inputs are gone through. */
struct missing {
    struct core *core;
    struct ol_arena *arena;
    struct entity_key *keys;
    size_t count, capacity;
    struct entity_key named[NAMED_AT_ONCE]; /* not looked up yet */
    size_t named_count;
    bool failed;
};

/* One input on its way through core_run(): what every handler needs. */
struct input_run {
    struct core *core;
    const struct core_input *input;
    const struct metadata *metadata; /* the input's */
    const struct core_sink *sink;
    struct ol_arena *arena;
    int32_t index; /* of the next event of this input */
};

/* What a context does with its inputs: one row each. Its functions are called only for inputs on
 * the right partition; the command's record and its aggregate are looked up for every context. */
struct context_rules {
    enum entity_kind aggregate; /* of its commands */
    void (*missing_for_command)(struct missing *missing,
                                const struct core_input *input); /* or NULL */
    void (*missing_for_step)(struct missing *missing, const struct core_input *input);
    bool (*command)(struct input_run *run, const struct command *command);
    bool (*step)(struct input_run *run, const struct step_message *step);
};

extern const struct context_rules context_rules[CONTEXT_COUNT];

static const struct text no_text;

/* ---- states ---- */

/* One that core_missing() has named: it is here. */
struct entity *core_get(struct core *core, enum entity_kind kind, int32_t partition, struct text id,
                        struct text second);

/* Names a state that an input needs; it is kept if it is not here. */
void missing_add(struct missing *missing, enum entity_kind kind, int32_t partition, struct text id,
                 struct text second);

/* An order's deadline follows its state: there while the saga is open. */
bool core_follow_deadline(struct core *core, const struct order *order, struct text order_id,
                          int32_t partition);

/* The step is on the wrong partition for its aggregate. */
bool core_step_is_misplaced(const struct core *core, const struct core_input *input);

/* ---- what one input leaves ---- */

/* Where the partition goes on after this input. */
int64_t input_next_offset(const struct core_input *input);

/* What became of the input, for the open receipt of its partition. */
void input_run_count(struct input_run *run, enum receipt_count count);

/* The parts of an event that follow from its input. */
struct event_message input_run_begin_event(struct input_run *run, enum event_body body);

/* Folds the event and writes it. */
bool input_run_emit(struct input_run *run, struct text key, const struct event_message *event);

/* The same for an input whose only event this is; the receipt counts it as decided. */
bool input_run_decided(struct input_run *run, struct text key, const struct event_message *event);

/* partition -1: the key's. An id without data is out of memory. Fills the step's metadata. */
bool input_run_send_step(struct input_run *run, int32_t partition, struct text key,
                         struct step_message *step, struct text id);

/* An answer to the step that is being handled, for the order's saga; it echoes who asked. It may
 * wait for others of the batch that are equal to it. ORDER_STEP_NONE: no answer. */
bool input_run_reply(struct input_run *run, const struct order_step *answer);

/* Answers a command with a refusal, or with the outcome that it had before. */
bool input_run_reject(struct input_run *run, const struct command *command,
                      const struct refusal *refusal);
bool input_run_repeat(struct input_run *run, const struct command *command,
                      const struct command_record *first);

/* ---- ids derived from an order's, in the arena; without data: out of memory ---- */

/* What they begin with: the order's id, or as much of it as leaves room, and a digest. */
struct text id_stem(struct ol_arena *arena, struct text order_id);

/* "<stem>/<version>/<number>" */
struct text id_of_step(struct ol_arena *arena, struct text stem, int64_t version, size_t number);

/* "<stem>/t/<deadline>" */
struct text id_of_timeout(struct ol_arena *arena, struct text order_id, int64_t deadline_us);

#endif
