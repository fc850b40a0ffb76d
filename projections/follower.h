/*
 * projections/follower.h - one context's projector loop: its events topic -> the rows.
 *
 *   connect -> join the group -> assigned: progress from PostgreSQL, check the last event
 *           -> { read, decode, reduce | write the batch before } ... -> leave
 *          ^---------------- anything unexpected: from scratch -----------------'
 *
 * Two threads: the owner reads events and reduces them; meanwhile a second writes the batch before.
 * A batch is closed when it is full, or when the writer is free and waiting on would not make it
 * much larger: at 10 events a second a millisecond is waited, at 10,000 a second a whole one, and
 * nothing at all once no event has come for a moment. So a quiet system is prompt and a busy one
 * writes each row less often.
 *
 * An event that can't be applied halts its partition (halt), for people to look at; the others go
 * on. Where only the database can tell, batches are filled partition by partition and halved until
 * the event is found.
 * A follower belongs to one thread; status and positions may be read from any.
 */
#ifndef PROJECTIONS_FOLLOWER_H
#define PROJECTIONS_FOLLOWER_H

#include <pthread.h>
#include <stdatomic.h>

#include "domain/topic.h"
#include "lib/http/ol_http.h"
#include "lib/http/ol_metrics.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_options.h"
#include "projections/write_thread.h"

enum follower_status {
    FOLLOWER_IS_STARTING = 0,
    FOLLOWER_IS_JOINING, /* waiting for the group's assignment */
    FOLLOWER_IS_RUNNING,
    FOLLOWER_IS_RESTARTING, /* after a failure */
    FOLLOWER_IS_STOPPED,
    FOLLOWER_STATUS_COUNT
};

/* One partition of the topic. */
struct follower_partition {
    bool owned;
    bool unchecked;                /* the last event projected was not yet compared with the log */
    struct load_progress progress; /* after the batch that is being filled */
    struct ol_message last;        /* the last event in that batch: for its digest */
    int64_t noted;                 /* position committed to the group */
    bool halted;
    int64_t halted_at; /* offset */
    char why[OL_ERROR_TEXT_BYTES];
    struct ol_series *halted_gauge;
    /* For other threads: where the rows are, and the broker's time of the oldest event that was
     * read and is in no row yet; -1: not owned, none. */
    _Atomic int64_t position, pending_ms;
    int64_t filling_ms; /* the same of the batch that is being filled */
};

struct follower {
    const struct ol_options *options;
    enum context context;
    int32_t partitions;
    size_t batch_events;
    struct topic_name topic, group;

    struct ol_kafka_connection kafka;
    struct ol_consumer *consumer;
    struct ol_pg *db;
    struct writer *writer;
    struct write_thread *thread;
    struct row_batch batches[2], *filling; /* the other one is the writer's */
    struct ol_arena scratch;               /* one decoded event */
    struct follower_partition followed[PARTITIONS_MAX];

    int64_t last_event_us, submitted_us; /* monotonic: the last event read, the last batch closed */
    int64_t compared_us;                 /* ... the rows' progress compared with what was written */
    int64_t write_us;                    /* the last batch's transaction took so long */
    size_t next_inbox;
    bool did_commit; /* in this life */

    /* Looking for an event that the database refuses. */
    bool isolating;
    int32_t alone; /* the partition that fills the batch; -1: none yet */
    size_t isolate_events;
    int64_t isolate_until_us;

    struct ol_series *events, *rows, *committed, *rolled_back, *transaction_time;

    pthread_mutex_t mutex; /* over `why` and `error`, for other threads */
    _Atomic int status;
    char error[OL_ERROR_TEXT_BYTES]; /* why it is restarting */
};

enum ol_class follower_init(struct follower *follower, const struct ol_options *options,
                            enum context context, struct ol_error *reterr);
void follower_release(struct follower *follower);

/* Runs until the process is asked to stop. OL_CONFLICT: another process has the slot. */
enum ol_class follower_run(struct follower *follower, struct ol_error *reterr);

/* Why it is not ready, for /readyz. Any thread. */
void follower_reasons(struct follower *follower, struct ol_http_reasons *reasons);

#endif
