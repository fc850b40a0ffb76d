/*
 * tests/unit/core_session.h - a core, what it is told and what it says, as words. Its verbs are
 * short, so that a test reads as a session.
 *
 *   orders     place ID ORDER CUSTOMER SKU:QUANTITY:AMOUNT ...    cancel ID ORDER
 *              reserved|refused|released ORDER GROUP    authorised|declined|voided ORDER
 *              timeout ORDER DEADLINE
 *   inventory  add ID SKU    increase ID SKU QUANTITY
 *              reserve STEP ORDER SKU:QUANTITY ...    release STEP ORDER
 *   payments   open ID CUSTOMER    deposit ID CUSTOMER AMOUNT    refund ID CUSTOMER PAYMENT AMOUNT
 *              authorise|capture|void STEP ORDER CUSTOMER AMOUNT
 *   any        unreadable
 *
 * Outcome: events by name, "no CODE" and "again CODE|ACCEPTED" for refusals and repeats, steps with
 * their id and where they go in brackets, "pass PARTITION", "dead CODE"; "-" for nothing.
 */
#ifndef UNIT_CORE_SESSION_H
#define UNIT_CORE_SESSION_H

#include "consumers/core.h"

#define STATES_MAX  32
#define KEPT_MAX    16
#define START_US    INT64_C(1000000)
#define DEADLINE_US INT64_C(60000000)

struct state {
    struct entity_key key;
    struct entity entity;
};

/* A core, and the projection behind it: a list of states; what is not in it is absent. */
struct session {
    struct core *core;
    struct core_settings settings;
    struct ol_arena arena;
    struct ol_arena wire; /* what has been over the wire outlives the session */
    struct state states[STATES_MAX];
    size_t state_count;
    int64_t next_offset; /* of the projection, on every partition */
    int64_t offsets[PARTITIONS_MAX][2];
    int64_t now_us;
    char said[8192];
    size_t used;
    bool full; /* the sink takes nothing more */
    /* What the sink was given last. */
    struct event_message events[KEPT_MAX];
    struct step_message steps[KEPT_MAX];
    size_t event_count, step_count;
    /* What the last batch came to. */
    struct core_offset closed[PARTITIONS_MAX];
    struct receipt total;
    struct core_sink sink;
};

extern struct session session;

/* A new core whose partitions begin at 0; what was before is gone. */
void begin(enum context context); /* one partition */
void begin_with(enum context context, int32_t partitions);
void tear_down(void);

/* An input, in the next offset of its partition. */
struct core_input read_input(const char *line, int32_t partition);

/* A row of the projection. */
void know(struct entity_key key, struct entity entity);

/* Puts what the projection has under these keys. */
void load(const struct entity_key *keys, size_t count);

/* Loads all that the inputs need; returns in how many rounds. */
size_t load_missing(const struct core_input *inputs, size_t count);

/* The keys of the states that the inputs need and that are missing, as words. */
const char *missing_of(const struct core_input *inputs, size_t count);

/* Loads and decides. run(): on partition 0. */
void run_input(const struct core_input *input);
void run_on(const char *line, int32_t partition);
void run(const char *line);

/* Ends the batch; how many offsets there are. */
size_t close_batch(void);

/* What has been said since the last time. */
const char *said(void);
const struct event_message *last_event(void);
const struct step_message *last_step(void);

/* when: an input on partition 0; then: what is said. */
struct row {
    const char *when, *then;
};

void walk(const struct row *rows, size_t count);

#define WALK(...)                                                                                  \
    do {                                                                                           \
        static const struct row rows_[] = {__VA_ARGS__};                                           \
        walk(rows_, sizeof rows_ / sizeof *rows_);                                                 \
    } while (0)

#endif
