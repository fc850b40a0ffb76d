/*
 * lib/kafka/ol_kafka_consumer.h - a static member of a consumer group, partition by partition.
 *
 *   open -> wait -> poll: ASSIGNED -> (caller finds its positions) -> assign(positions)
 *        -> wait, poll, peek/take of the inboxes it prefers ... -> poll: REVOKED -> finish, abort
 *        -> unassign -> ...                                          LOST: abort
 *        -> leave (for good) | abandon (the slot comes back)
 *
 * Each assigned partition has an inbox of its own, so the caller chooses whose record comes next:
 * one topic before the other, or merged by broker time over the heads. Nothing is paused or sought,
 * ever (2.0.2 loses or repeats records there). Offsets within an inbox rise strictly (asserted).
 * The caller decides where to start; nothing is read from what the group has committed, and nothing
 * is committed but by ol_producer_commit_start() or ol_consumer_note_offsets().
 * Threads: one owner; ol_consumer_wake() from any.
 */
#ifndef OL_KAFKA_CONSUMER_H
#define OL_KAFKA_CONSUMER_H

#include "lib/kafka/ol_inbox.h"
#include "lib/kafka/ol_kafka.h"

struct ol_consumer;

/* The group's generation and member as of one assignment: what fences a commit. */
struct ol_group;

struct ol_consumer_options {
    const char *group;
    const char *instance;      /* group.instance.id: mandatory, one per slot */
    const char *const *topics; /* subscribed to; their order is topic_index */
    size_t topic_count;
    size_t partition_count; /* of all topics together: shares the fetch budget out */
};

enum ol_consumer_event {
    OL_CONSUMER_NOTHING = 0,
    OL_CONSUMER_ASSIGNED, /* ol_consumer_assignment() says what; answer with _assign */
    OL_CONSUMER_REVOKED,  /* still ours until _unassign: commit or abort first, then answer */
    OL_CONSUMER_LOST,     /* others may own them already: abort, answer with _unassign */
};

/* What the group gave us, valid until _unassign has returned. count may be 0. */
struct ol_assignment {
    uint64_t serial;                /* 1, 2, 3 ... within this handle */
    const struct ol_offset *places; /* sorted by topic_index, partition; offset -1 */
    size_t count;
    const struct ol_group *group; /* taken in the assign callback; commits use this one */
};

/* Joins in the background: the first event comes by poll. OL_USAGE as ol_kafka_check(). */
enum ol_class ol_consumer_open(const struct ol_kafka_settings *settings,
                               const struct ol_consumer_options *options,
                               struct ol_consumer **ret_consumer, struct ol_error *reterr);

/* Serves the group: call at least every few hundred ms while the handle lives, take-over included.
 * One event a call. A REVOKED may come although its ASSIGNED never did: both fell between two
 * polls, and only the later one is reported. OL_CONFLICT: the slot is taken by another process
 * (fenced instance id), or membership is gone. OL_RETRY: worth a log line (brokers away); the
 * library goes on by itself. OL_FATAL: close and open again. */
enum ol_class ol_consumer_poll(struct ol_consumer *consumer, enum ol_consumer_event *ret_event,
                               struct ol_error *reterr);

/* Sleeps until an event or a record is there (an inbox with `ignored` set does not count), until
 * `fd` (-1: none) is readable, ol_consumer_wake() was called, or timeout_ms (-1: no end) passed.
 * True: something is there. Misses nothing that arrives between a poll and the wait. */
bool ol_consumer_wait(struct ol_consumer *consumer, int fd, int timeout_ms);
void ol_consumer_wake(struct ol_consumer *consumer);

/* The assignment that is current, or NULL. */
const struct ol_assignment *ol_consumer_assignment(const struct ol_consumer *consumer);

/* Are the same partition numbers assigned for every topic? (Equal counts and the range assignor
 * promise it; a caller that relies on it asks.) */
bool ol_consumer_assignment_is_aligned(const struct ol_consumer *consumer);

/* Starts reading: one position (>= 0) for each place of the assignment, in its order. */
enum ol_class ol_consumer_assign(struct ol_consumer *consumer, const struct ol_offset *positions,
                                 size_t count, struct ol_error *reterr);

/* Gives the partitions back; all inboxes, untaken messages and the assignment are gone. Messages
 * that were taken stay valid. Right answer also to an ASSIGNED that will not be worked on. */
enum ol_class ol_consumer_unassign(struct ol_consumer *consumer, struct ol_error *reterr);

/* The inboxes of what was assigned, in the assignment's order: see ol_inbox.h for peek and
 * take. 0 before assign and after unassign. */
size_t ol_consumer_inboxes(struct ol_consumer *consumer, struct ol_inbox **ret_inboxes);

/* The group's committed offsets of `places`, stable ones only (waits out pending transactions).
 * Fills in the offsets; -1: none committed. OL_RETRY: not within timeout_ms. */
enum ol_class ol_consumer_committed(struct ol_consumer *consumer, struct ol_offset *places,
                                    size_t count, int timeout_ms, struct ol_error *reterr);

/* Commits positions to the group without waiting for the answer: information for Kafka's tools,
 * nothing rests on it. Failures are counted, not reported. */
void ol_consumer_note_offsets(struct ol_consumer *consumer, const struct ol_offset *positions,
                              size_t count);

/* Leaves the group for good, so that the others get the partitions at once, and frees the handle.
 * The caller has finished its transaction. False: not clean within timeout_ms; the handle is
 * abandoned to its thread, exit soon. Takes NULL. */
bool ol_consumer_leave(struct ol_consumer *consumer, int timeout_ms);

/* Frees the handle without a word to the group: the slot keeps its partitions until it is back or
 * the session times out. False and NULL as above. */
bool ol_consumer_abandon(struct ol_consumer *consumer, int timeout_ms);

/* A copy that outlives the assignment; free it. NULL: no memory. */
struct ol_group *ol_group_copy(const struct ol_group *group);
void ol_group_free(struct ol_group *group);

#endif
