/*
 * tests/support/pipeline_owner.h - a worker of one context, without its threads, sockets and clock.
 *
 *   take over -> fill -> start commit -> finish commit, two batches in turn   crash: from scratch
 *
 * The worker's own core, overlay, batches and codec, driven as consumers/loop.c, loading.c and
 * takeover.c drive them: the same order of calls, policy of inputs and rules of restarting. In
 * place of Kafka a broker in memory, in place of the database a projection that lags. What must
 * hold between them is asserted here: receipts chain and equal the committed offsets, whatever
 * happened before.
 */
#ifndef SUPPORT_PIPELINE_OWNER_H
#define SUPPORT_PIPELINE_OWNER_H

#include "consumers/batch.h"
#include "tests/support/pipeline_broker.h"
#include "tests/support/pipeline_projection.h"

struct owner_settings {
    enum context context;
    int64_t order_deadline_us;
    struct overlay_limits overlay;
    size_t batch_inputs;        /* most; each batch has a limit of its own up to it */
    int64_t clock_skew_us;      /* of its clock to the broker's */
    unsigned projection_moves;  /* percent of loads before which the projection goes on */
    unsigned projection_losses; /* per mille of loads before which it goes back */
};

/* What is fetched of one partition of commands or steps. */
struct owner_inbox {
    enum cause_source source;
    int32_t partition;
    int64_t position; /* the next offset that is wanted */
    int64_t fetched;  /* what lies at or behind it has not arrived yet */
};

struct owner_counts {
    uint64_t takeovers, batches, inputs, timeouts, fenced, went_back, outrun, full, evictions;
};

struct owner {
    struct owner_settings settings;
    struct broker *broker;
    struct projection *projection;
    struct rng *rng;
    struct core *core;
    struct batch_topics topics;
    struct batch batches[2];
    struct batch *building, *committing; /* committing: closed; NULL while no commit is under way */
    bool running;
    uint64_t assigned, owned; /* partitions: by the group, and taken over */
    uint32_t generation;      /* of the assignment taken over */
    struct owner_inbox inboxes[2 * PARTITIONS_MAX];
    size_t inbox_count, next_inbox;
    int64_t projected[PARTITIONS_MAX];  /* the highest progress seen: it never goes back */
    int64_t events_end[PARTITIONS_MAX]; /* of the log, as far as we know it: what is committed */
    struct owner_counts counts;
};

void owner_init(struct owner *owner, const struct owner_settings *settings, struct broker *broker,
                struct projection *projection, struct rng *rng);
void owner_release(struct owner *owner);

/* The group gave it these partitions, as bits; it learns of it at its next take-over. */
void owner_assign(struct owner *owner, uint64_t partitions);

/* One small move: takes over, or fills the batch and perhaps starts or finishes a commit. False:
 * there was nothing to do. */
bool owner_move(struct owner *owner);

/* Forgets everything. The batch that was being committed: never written, written in part and
 * aborted, or committed without the owner's knowing. */
enum owner_crash { CRASH_UNWRITTEN, CRASH_ABORTED, CRASH_COMMITTED, CRASH_KIND_COUNT };
void owner_crash(struct owner *owner, enum owner_crash how);

/* Runs, and has neither a batch nor inputs. */
bool owner_is_idle(const struct owner *owner);

/* Runs, and nothing in its overlay is speculation. */
bool owner_is_between_batches(const struct owner *owner);

/* The record at `offset`, as a consumer gets it. The caller releases it. */
struct ol_message owner_message(const struct broker *broker, enum context context,
                                enum cause_source source, int32_t partition, int64_t offset);

/* The topic numbers of `context`'s batches. */
struct batch_topics owner_topics(enum context context);

#endif
