/*
 * consumers/loop.h - one context's worker loop: the shell around the core.
 *
 *   open producers A, B -> join the group -> take over -> batches, by A and B alternately -> leave
 *                 ^------------- anything unexpected: from scratch --------------'
 *
 * Batch n+1 is read, loaded and decided while batch n commits; its producer begins only after that
 * commit has returned, so that nothing is ever built on what could still be aborted.
 * Crash-only: an abort, an unknown outcome, a fence, a lost assignment or an unexpected error
 * drops all state. A loop belongs to one thread; the status may be read from any.
 * The reasons: docs/exactly-once.md.
 */
#ifndef CONSUMERS_LOOP_H
#define CONSUMERS_LOOP_H

#include <stdatomic.h>

#include "consumers/admission.h"
#include "consumers/batch.h"
#include "lib/http/ol_metrics.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "projections/load.h"

enum loop_status {
    LOOP_IS_STARTING = 0,
    LOOP_IS_JOINING,     /* waiting for the group's assignment */
    LOOP_IS_TAKING_OVER, /* bringing the states up to the log's end */
    LOOP_IS_RUNNING,
    LOOP_IS_WAITING,    /* for the projection or the database */
    LOOP_IS_RESTARTING, /* after a failure */
    LOOP_IS_STOPPED,
    LOOP_STATUS_COUNT
};

/* The series that a loop updates: looked up once. */
struct loop_metrics {
    struct ol_series *commands_in, *steps_in;
    struct ol_series *decided, *refused, *repeated, *passed_on, *dead_lettered; /* commands */
    struct ol_series *steps_decided, *steps_ignored, *steps_dead_lettered;
    struct ol_series *events, *steps;
    struct ol_series *committed, *aborted, *commit_time, *renewed;
    struct ol_series *takeovers, *overlay_entries, *overlay_bytes, *overlay_wait, *commands_held;
};

/* The last receipt of a partition that is in the log for certain: the one that we took over with,
 * or the one of our last transaction whose commit has succeeded. Offsets -1: there is none yet. */
struct loop_receipt {
    int64_t commands_next, steps_next;
    uint64_t digest; /* ol_hash_record() of it, as projection_progress has it */
};

/* An input that our partition can't get past: what follows from it fits no topic. */
struct loop_obstacle {
    enum cause_source source; /* 0: none */
    int64_t offset;
    char reason[400];
};

struct loop {
    const struct ol_options *options;
    enum context context;
    int32_t partitions;

    struct ol_kafka_connection kafka;
    struct ol_admin *admin; /* the process's, shared */
    struct ol_producer *producers[2];
    struct ol_consumer *consumer;
    struct ol_reader *reader;
    struct ol_pg *db;
    struct load *load;
    struct core *core;

    struct topic_name topics[STREAM_COUNT], group;
    struct topic_name step_topics[CONTEXT_COUNT], event_topics[CONTEXT_COUNT];
    struct batch_topics numbers;
    struct batch batches[2];
    struct batch *building, *committing; /* committing: NULL while no commit is under way */
    int building_with, committing_with;  /* producers of the two */
    int64_t committing_since_us;

    struct ol_message held; /* taken from an inbox, but there was no room; handle NULL: none */
    enum cause_source held_source;
    enum ol_consumer_event news; /* of the group, not answered yet */
    bool deciding;               /* taken over: nobody but us may write our partitions' events */
    bool interrupted;            /* a wait was given up because we stop or the group has news */
    bool did_commit;             /* in this life */
    uint64_t owned, halted;      /* partitions, as bits */
    int64_t projected[PARTITIONS_MAX]; /* the highest progress seen: it never goes back */
    struct loop_receipt receipts[PARTITIONS_MAX];
    struct loop_obstacle obstacles[PARTITIONS_MAX]; /* as long as the process */
    int64_t last_input_us[2][PARTITIONS_MAX];       /* by source: commands, steps */
    int64_t projection_asked_us, timeouts_asked_us, gaps_asked_us;
    struct admission admission;
    int64_t held_back_us; /* since when waiting commands are held back, or were counted so; 0: no */
    uint32_t next_inbox;  /* where the next round over the inboxes begins */

    struct loop_metrics metrics;
    /* For other threads: what is ours, and per source and partition how far it is taken and since
     * when its oldest record waits (broker's time in ms; 0: none waits). */
    _Atomic uint64_t owned_now;
    _Atomic int64_t positions[2][PARTITIONS_MAX], waiting_since_ms[2][PARTITIONS_MAX];
    int64_t published_us;
    _Atomic int status;
    _Atomic uint64_t halted_now; /* = halted, for other threads */
};

/* Fills a zeroed loop; options and admin outlive it. */
enum ol_class loop_init(struct loop *loop, const struct ol_options *options, enum context context,
                        struct ol_admin *admin, struct ol_error *reterr);
void loop_release(struct loop *loop);

/* Until ol_run_stopping(). OL_OK: drained and left. OL_CONFLICT: another process has our slot. */
enum ol_class loop_run(struct loop *loop, struct ol_error *reterr);

/* "running" and so on. */
const char *loop_status_name(enum loop_status status);

/* ---- between the files of the loop ---- */

/* Serves the group. *ret_news is its event, reported again until it is answered. OL_RETRY is only
 * logged: the library goes on by itself. */
enum ol_class loop_poll(struct loop *loop, enum ol_consumer_event *ret_news,
                        struct ol_error *reterr);

/* Waits for the commit under way, if there is one. On failure this life is over, and the batch with
 * it. */
enum ol_class loop_finish_commit(struct loop *loop, struct ol_error *reterr);

/* Of the consumer's two topics. */
static inline enum cause_source loop_source_of(const struct ol_inbox *inbox)
{
    return inbox->topic_index == 0 ? CAUSE_COMMANDS : CAUSE_STEPS;
}

/* No partition is ours: forgets the states, and clears what other threads see of partitions. */
void loop_disown(struct loop *loop);

/* The partition stops, and says so; the others go on. */
void loop_halt(struct loop *loop, int32_t partition, const char *topic, const char *reason);

/* Asks what each topic takes of a record, before the producers are opened (limits.c). */
enum ol_class loop_ask_limits(struct loop *loop, struct ol_error *reterr);

/* The batch being built failed at a record that its topic does not take: the partition will halt at
 * this input (source 0: wherever it is) when it is taken over again. False: it did not. */
bool loop_note_misfit(struct loop *loop, int32_t partition, enum cause_source source,
                      int64_t offset, struct ol_error *reterr);

/* Takes the inputs that are there into the batch being built, as far as they fit (inputs.c). Orders
 * take steps first: a step finishes what has begun, so a backlog of commands does not pile up open
 * orders. A partition whose next record is gone or damaged is halted, and the others go on. */
enum ol_class loop_take_inputs(struct loop *loop, struct ol_error *reterr);

/* Closes gaps behind the last inputs of partitions (core_close_gap()) in the batch being built: of
 * those commands and steps partitions that were quiet for long enough, or of all. Only while
 * nothing is being committed (gaps.c). */
void loop_close_gaps(struct loop *loop, bool all);

/* Brings the states of the consumer's assignment up to the log's end and starts reading
 * (takeover.c). A partition that can't be taken over is halted, loudly, and the others go on.
 * loop->interrupted with any failure: the assignment changed meanwhile, or the loop is to stop. */
enum ol_class take_over(struct loop *loop, struct ol_error *reterr);

/* Loads the states that the keys name, puts them into the core, and tells the overlay how far the
 * projection is (loading.c). While the database is away it waits, and serves the group. It waits
 * for the commit under way if only that can show whose rows these are. count 0: only the progress.
 * ret_progress may be NULL; else it has room for PARTITIONS_MAX. loop->interrupted as above.
 * OL_VIOLATED: the database went back, or another owner wrote; take over again. */
enum ol_class loop_load(struct loop *loop, const struct entity_key *keys, size_t count,
                        struct ol_arena *arena, struct load_progress *ret_progress,
                        struct ol_error *reterr);

/* Runs `try` until it returns neither OL_RETRY nor OL_UNREACHABLE, reconnecting in between, while
 * the group is served: fails as loop_poll() does. loop->interrupted as above. */
enum ol_class loop_with_database(struct loop *loop,
                                 enum ol_class (*try)(struct loop *, void *, struct ol_error *),
                                 void *argument, struct ol_error *reterr);

#endif
