/*
 * lib/kafka/ol_kafka.h - what every Kafka handle of orderlog has in common.
 *
 * settings -> ol_kafka_ping() -> ol_producer, ol_publisher, ol_consumer, ol_reader, ol_admin.
 * The five handles each have a header of their own (ol_kafka_producer.h ...); together they are the
 * one wrapper of librdkafka (2.0.2). Nothing here knows a topic's name or a message's meaning.
 * Failures come back as ol_error; librdkafka's own log lines go to settings->log or nowhere.
 * Threads: a handle belongs to one thread at a time unless its header says otherwise.
 * Surprises of the library: docs/traps.md.
 */
#ifndef OL_KAFKA_H
#define OL_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/ol_error.h"
#include "lib/base/ol_text.h"

/* Most that one start-up call waits for a server, unless its prototype says otherwise. */
#define OL_KAFKA_STARTUP_MS 10000

/* Where the librdkafka's log lines go; `level` is syslog's. Called from any thread. */
typedef void ol_kafka_log(void *opaque, int level, const char *text);

/* One per role, filled by ol_kafka_defaults() and then by the options. Strings are the caller's
 * and must outlive every handle opened with these settings. */
struct ol_kafka_settings {
    const char *brokers;        /* "host:port,host:port" */
    const char *client_id;      /* e.g. "orderlog-orders-0": a prefix, the handle's kind is added */
    const char *const *extra;   /* `-X name=value` in order, laid over all that follows */
    size_t extra_count;         /* */
    int transaction_timeout_ms; /* broker aborts an idle transaction after this: 10,000 */
    int message_timeout_ms; /* a message not acknowledged by then fails; < transaction's: 8,000 */
    int socket_timeout_ms;  /* an unanswered request fails, and taints: 5,000 */
    int session_timeout_ms; /* a silent group member loses its partitions: 6,000 */
    int poll_timeout_ms;    /* a member that does not poll leaves the group: 60,000 */
    int fetch_wait_ms;      /* broker holds an empty fetch this long: 50 */
    int linger_us;          /* a batch waits this long for more, unless flushed: 5,000 */
    size_t fetch_budget_bytes; /* prefetched payload over all partitions of a handle: 16 MiB */
    size_t send_budget_bytes;  /* queued payload of a producer: 32 MiB */
    size_t
        batch_bytes; /* most in one batch, as one topic takes it; one record may be larger: 1 MB */
    ol_kafka_log *log; /* NULL: quiet */
    void *log_opaque;
};

/* The table above, with `brokers` and `client_id`. */
struct ol_kafka_settings ol_kafka_defaults(const char *brokers, const char *client_id);

/* Are all `extra` known to librdkafka, with values it takes? OL_USAGE carries its words. */
enum ol_class ol_kafka_check(const struct ol_kafka_settings *settings, struct ol_error *reterr);

/* Does a broker answer within `timeout_ms`? OL_UNREACHABLE names the brokers and the last cause. */
enum ol_class ol_kafka_ping(const struct ol_kafka_settings *settings, int timeout_ms,
                            struct ol_error *reterr);

/* "2.0.2", for the log's first line. */
const char *ol_kafka_version(void);

/* A place in a topic. As a position: the offset of the next record wanted. `topic` is the caller's.
 * In answers, offset < 0 means there is none. */
struct ol_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

/* Adds "TOPIC partition N from offset O on: an open transaction (whose, tells:
 * kafka-transactions.sh ...)": where readers of committed records come no further. */
void ol_kafka_tell_open(struct ol_text *text, const char *brokers, const struct ol_offset *place);

/* One header of a message; value NULL is Kafka's null. */
struct ol_header {
    const char *name;
    const void *value;
    size_t value_bytes;
};

/*
 * A record that was read. Everything it points to belongs to librdkafka and is valid until
 * ol_message_release(). A message may hold the whole fetch it came in: keep batches, not archives.
 */
struct ol_message {
    const char *topic;   /* the handle's copy of the name: lives as long as the handle */
    int32_t topic_index; /* in the list the handle was opened or assigned with */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* the broker's (LogAppendTime); -1: none */
    const void *key;      /* NULL: no key */
    const void *value;    /* NULL: no value */
    size_t key_bytes;
    size_t value_bytes;
    void *handle; /* librdkafka's message */
};

/* NULLs the handle; takes one that is NULL already. Any thread. */
void ol_message_release(struct ol_message *message);
void ol_messages_release(struct ol_message *messages, size_t count);

/* ol_hash_record() of it: what projection_progress knows the last event by. Pure. */
uint64_t ol_message_digest(const struct ol_message *message);

/* Header number `index` (in the order sent), or false: there are no more. Valid as the message.
 * Parses the headers at the first call, so ask only where headers matter. */
bool ol_message_header(const struct ol_message *message, size_t index,
                       struct ol_header *ret_header);

/* The last header of that name, as Kafka's clients do; false: none. */
bool ol_message_header_named(const struct ol_message *message, const char *name,
                             struct ol_header *ret_header);

#endif
