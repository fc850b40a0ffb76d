/*
 * lib/kafka/ol_kafka_producer.h - one transactional producer, and whether its next transaction is
 * safe.
 *
 *   open -> begin -> produce ... -> commit(offsets, group) -> [tainted? renew] -> begin ...
 *                                \> abort -> renew
 *
 * Crash-only: after any failure but OL_USAGE the transaction is over for this process; the caller
 * drops what it decided, and opens (or renews) from scratch. A failed commit does not mean 'not
 * committed': only the log tells.
 * Every call that could hang in librdkafka runs on the handle's own thread under a deadline. Past
 * it the handle is stuck: OL_FATAL for ever, its memory and what was produced stay untouchable, and
 * the process should exit.
 * Threads: one caller at a time; ol_producer_tainted() from any.
 * Why taint: docs/exactly-once.md.
 */
#ifndef OL_KAFKA_PRODUCER_H
#define OL_KAFKA_PRODUCER_H

#include "lib/kafka/ol_kafka.h"

struct ol_producer;
struct ol_group; /* ol_kafka_consumer.h */

/* One record to write. The caller always names the partition. */
struct ol_record {
    int32_t topic; /* from ol_producer_topic() or ol_publisher_topic() */
    int32_t partition;
    const void *key;   /* NULL: none. Copied */
    const void *value; /* NULL: none. Not copied, see the call */
    size_t key_bytes;
    size_t value_bytes;
    const struct ol_header *headers; /* copied */
    size_t header_count;
    void *opaque; /* publisher: comes back with the receipt */
};

/* What a record takes of its topic's max.message.bytes, alone in its batch and uncompressed, at most;
 * and what headers take of that. */
size_t ol_record_bytes(const struct ol_record *record);
size_t ol_headers_bytes(const struct ol_header *headers, size_t count);

/* Counters since open, for metrics; survive renew. */
struct ol_producer_stats {
    uint64_t begun, committed, aborted, failed; /* transactions */
    uint64_t taints, renewals;
    uint64_t commit_us; /* sum over the committed, offsets included */
};

/* Makes the producer and takes the transactional id over: whoever had it before is fenced, and its
 * open transaction is resolved. Bounded by OL_KAFKA_STARTUP_MS and the time an old transaction
 * takes to end. OL_UNREACHABLE: nobody answered. OL_RETRY: the coordinator was not ready in time. */
enum ol_class ol_producer_open(const struct ol_kafka_settings *settings,
                               const char *transactional_id, struct ol_producer **ret_producer,
                               struct ol_error *reterr);

/* Destroys without commit: an open transaction dies by the next open of the id, or by its timeout.
 * Takes NULL. Bounded (5 s); false: librdkafka hangs, memory is kept, exit soon. */
bool ol_producer_close(struct ol_producer *producer);

/* Destroy and open with the same id: the epoch rises, and nothing of the old life can reach the
 * coordinator any more. Topic numbers stay valid. Fails as open does; the handle then can only be
 * renewed again or closed. An open transaction is lost, as in close. */
enum ol_class ol_producer_renew(struct ol_producer *producer, struct ol_error *reterr);

/* A number for `name`, the same at every call. -1: no memory. The topic is not looked up. */
int32_t ol_producer_topic(struct ol_producer *producer, const char *name);

/* Opens a transaction (asks nobody). Asserts that none is open, and that the producer is not
 * tainted: renew first. */
enum ol_class ol_producer_begin(struct ol_producer *producer, struct ol_error *reterr);

/* Queues `count` records in the order given. Values are read later: they must stay as they are
 * until commit, abort, renew or close has returned (and did not say stuck).
 * OL_RETRY: the local queue (settings->send_budget_bytes) stayed full for message_timeout_ms.
 * OL_POISON: larger than the library takes. Either way abort: some of the records may be queued. */
enum ol_class ol_producer_produce(struct ol_producer *producer, const struct ol_record *records,
                                  size_t count, struct ol_error *reterr);

/* Adds the positions to the transaction, fenced by the assignment that `group` was taken from.
 * OL_USAGE, loudly: count 0 or a negative offset, which the library would pass over in silence. */
enum ol_class ol_producer_send_offsets(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t count,
                                       const struct ol_group *group, struct ol_error *reterr);

/* Waits for every record's acknowledgement, then commits. OL_OK: all of it is in the log, at its
 * end on every partition. *ret_us (may be NULL): how long. OL_CONFLICT: fenced. */
enum ol_class ol_producer_commit(struct ol_producer *producer, uint64_t *ret_us,
                                 struct ol_error *reterr);

/* send_offsets and commit, on the handle's thread; returns at once. Offsets are copied; `group`
 * must live until the wait below. Nothing else may be called on the handle in between but
 * _fd, _done, _tainted and _wait. OL_USAGE as in send_offsets. */
enum ol_class ol_producer_commit_start(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t count,
                                       const struct ol_group *group, struct ol_error *reterr);

/* Readable once the started commit is over; for poll() and ol_consumer_wait(). Never read it. */
int ol_producer_fd(const struct ol_producer *producer);
bool ol_producer_commit_done(const struct ol_producer *producer);

/* The outcome of the started commit, waiting for it as ol_producer_commit() does. */
enum ol_class ol_producer_commit_wait(struct ol_producer *producer, uint64_t *ret_us,
                                      struct ol_error *reterr);

/* Ends the transaction without effect. Whether or not this fails, call renew before the next
 * begin. */
enum ol_class ol_producer_abort(struct ol_producer *producer, struct ol_error *reterr);

/* May a request of this producer still be under way that could end a later transaction? True after
 * a transport error or timeout on Produce, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit or
 * EndTxn, after a second EndTxn or TxnOffsetCommit sent before the first was answered, after an
 * abort or any failure, and after ol_producer_taint(). Only renew clears it. */
bool ol_producer_tainted(const struct ol_producer *producer);

/* The caller's own reason (e.g. a commit that took far too long). */
void ol_producer_taint(struct ol_producer *producer, const char *reason);

/* Why it is tainted, "" if it is not. Valid until renew. */
const char *ol_producer_taint_reason(const struct ol_producer *producer);

struct ol_producer_stats ol_producer_stats(const struct ol_producer *producer);

#endif
