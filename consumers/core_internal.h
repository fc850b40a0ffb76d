/*
 * consumers/core_internal.h - what the core's files share.
 *
 *   core.c        what is the same for all contexts: partitions, receipts, replay, an input's way in
 *   core_lacks.c  which states inputs need that are not here
 *   contexts.c    which of them a context needs, and what it decides: one row each
 *   turn.c        what one input leaves: events, steps, its mark in the receipt, derived ids
 *
 * Whatever returns false had no memory or budget left: the batch is lost then.
 */
#ifndef CONSUMERS_CORE_INTERNAL_H
#define CONSUMERS_CORE_INTERNAL_H

#include "consumers/core.h"

#define NAMED_AT_ONCE 64 /* keys that are looked up together */

/* Inputs that one partition's open batch has taken so far. */
struct core_partition {
    bool owned, touched;
    uint32_t inputs;
    struct receipt last; /* of the batch before, or of the take-over */
    struct receipt open;
    int64_t recorded_at_us; /* of its last input */
};

struct core {
    struct core_settings settings;
    struct overlay *overlay;
    struct deadlines *deadlines;
    struct core_partition partitions[PARTITIONS_MAX];
    /* Scratch of one decision: too large for the stack of a deep call. */
    struct order_events order_events;
    struct checkout_steps checkout_steps;
    struct stock_decision stock_decision;
    const struct product *products[ORDER_LINES_MAX];
};

/* The states that are found lacking, while inputs are gone through. */
struct lacking {
    struct core *core;
    struct ol_arena *arena;
    struct entity_key *keys;
    size_t count, capacity;
    struct entity_key named[NAMED_AT_ONCE]; /* not looked up yet */
    size_t named_count;
    bool failed;
};

/* One input on its way through: what every handler needs. */
struct turn {
    struct core *core;
    const struct core_input *input;
    const struct metadata *metadata; /* the input's */
    const struct core_sink *sink;
    struct ol_arena *arena;
    int32_t index; /* of the next event of this input */
};

/* What a context does with its inputs: one row each. All are asked only about inputs that lie where
 * they belong; the command and its aggregate are looked up for every context. */
struct context_rules {
    enum entity_kind aggregate; /* of its commands */
    void (*lack_for_command)(struct lacking *lacking, const struct core_input *input); /* or NULL */
    void (*lack_for_step)(struct lacking *lacking, const struct core_input *input);
    bool (*command)(struct turn *turn, const struct command *command);
    bool (*step)(struct turn *turn, const struct step_message *step);
};

extern const struct context_rules context_rules[CONTEXT_COUNT];

static const struct text no_text;

/* ---- states ---- */

/* One that core_lacks() has named: it is here. */
struct entity *core_get(struct core *core, enum entity_kind kind, int32_t partition, struct text id,
                        struct text second);

/* Names a state that an input needs. */
void core_lack(struct lacking *lacking, enum entity_kind kind, int32_t partition, struct text id,
               struct text second);

/* An order's deadline follows its state: there while the saga is open. */
bool core_follow_deadline(struct core *core, const struct order *order, struct text order_id,
                          int32_t partition);

/* The step lies on a partition where its aggregate does not. */
bool core_step_is_misplaced(const struct core *core, const struct core_input *input);

/* ---- records of a turn ---- */

/* Where the input leaves its mark: the open receipt of its partition. */
struct receipt *turn_receipt(struct turn *turn);

/* The parts of an event that follow from its input. */
struct event_message turn_begin_event(struct turn *turn, enum event_body body);

/* Folds the event and writes it. */
bool turn_emit(struct turn *turn, struct text key, const struct event_message *event);

/* The same for the one event that an input comes to, which its receipt counts as decided. */
bool turn_decided(struct turn *turn, struct text key, const struct event_message *event);

/* partition -1: the key's. An id without data is out of memory. */
bool turn_send_step(struct turn *turn, int32_t partition, struct text key,
                    struct step_message *step, struct text id);

/* An answer to the step that is being handled, for the order's saga; none is fine too. */
bool turn_reply(struct turn *turn, const struct order_step *answer);

/* Answers a command with a refusal, or with the outcome that it had before. */
bool turn_reject(struct turn *turn, const struct command *command, const struct refusal *refusal);
bool turn_repeat(struct turn *turn, const struct command *command,
                 const struct command_record *first);

/* ---- ids derived from an order's, in the arena; without data: out of memory ---- */

/* What they begin with: the order's id, or as much of it as leaves room, and a digest. */
struct text id_stem(struct ol_arena *arena, struct text order_id);

/* "<stem>/<version>/<number>" */
struct text id_of_step(struct ol_arena *arena, struct text stem, int64_t version, size_t number);

/* "<stem>/t/<deadline>" */
struct text id_of_timeout(struct ol_arena *arena, struct text order_id, int64_t deadline_us);

#endif
