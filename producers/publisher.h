/*
 * producers/publisher.h - commands onto their topics: who asks, which partition, how large.
 *
 *   open -> complete -> publish ... -> (receipts come in publish, poll, flush) -> flush -> close
 *
 * A command goes to <prefix>.<context>.commands.v1, key: its aggregate's id, partition: Kafka's
 * murmur2 of the key over the partitions that the topic has. The producer is idempotent, without
 * transactions; what was acknowledged is in the log once, in the order published per partition.
 * Threads: one owner; receipts are called on its thread.
 * Wire form: proto/orderlog; limits: orderlog limits. What a worker refuses is not checked here, so
 * that the refusal is on the log too.
 */
#ifndef PRODUCERS_PUBLISHER_H
#define PRODUCERS_PUBLISHER_H

#include "domain/message.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka_publisher.h"
#include "lib/program/ol_options.h"

/* Strings are the caller's and outlive the publisher. */
struct publisher_settings {
    const struct ol_kafka_settings *kafka;
    const char *prefix;          /* of the topics; 1 to TOPIC_PREFIX_BYTES_MAX */
    int32_t partitions;          /* that every topic must have; 0: as many as it has */
    const char *actor;           /* for commands that name none; "" or NULL: none */
    const char *traceparent;     /* header of every record; "" or NULL: none */
    ol_receipt_handler *handler; /* one receipt for each record published; NULL: only counted */
    void *handler_context;
};

/* From the options of a command, still without a handler. The partitions count as said only if the
 * user said them. */
struct publisher_settings publisher_settings_of(const struct ol_options *options,
                                                const struct ol_kafka_settings *kafka);

struct publisher;

/* Asks the brokers for the three commands topics. OL_UNREACHABLE: no broker answers within
 * timeout_ms. OL_USAGE: a topic has not settings->partitions partitions, or the prefix is too
 * long. A missing topic is reported by publish. */
enum ol_class publisher_open(const struct publisher_settings *settings, int timeout_ms,
                             struct publisher **ret_publisher, struct ol_error *reterr);

/* Records not yet acknowledged get failed receipts: flush first. Bounded. Takes NULL. */
void publisher_close(struct publisher *publisher);
static inline void publisher_auto(struct publisher **publisher)
{
    publisher_close(*publisher);
}

/* Fills what the publisher of a command may leave out: a new UUIDv7 for its id, the settings'
 * actor, now for its time. Texts are the arena's and the settings'. OL_FATAL: the arena is
 * spent. */
enum ol_class publisher_complete(const struct publisher *publisher, struct command *command,
                                 struct ol_arena *arena, struct ol_error *reterr);

/* OL_POISON: the command's id or its aggregate's is not clean, so that its only answer would be a
 * dead letter. */
enum ol_class publisher_check(const struct command *command, struct ol_error *reterr);

/* Queues one complete command; all is copied. `opaque` comes back with its receipt. Waits while the
 * queue is full. OL_POISON: as publisher_check(), or it is larger than a message may
 * be. OL_NOT_FOUND: there is no such topic. OL_RETRY: no broker took anything for the message
 * timeout. On failure there is no receipt. */
enum ol_class publisher_publish(struct publisher *publisher, const struct command *command,
                                void *opaque, struct ol_error *reterr);

/* The same for a command that is encoded already; `key` is the aggregate's id; the caller
 * has checked it. traceparent: as in the settings, for this record. */
enum ol_class publisher_publish_encoded(struct publisher *publisher, enum context context,
                                        struct text key, const void *value, size_t value_bytes,
                                        const char *traceparent, void *opaque,
                                        struct ol_error *reterr);

/* As ol_publisher_poll() and ol_publisher_flush(). */
size_t publisher_poll(struct publisher *publisher, int timeout_ms);
enum ol_class publisher_flush(struct publisher *publisher, int timeout_ms, struct ol_error *reterr);

/* Records without their receipt. */
size_t publisher_pending(const struct publisher *publisher);

/* How many partitions the context's commands topic has; 0: there is no such topic. */
int32_t publisher_partitions(const struct publisher *publisher, enum context context);

/* A failure's class as the user sees it: what the library has tried for all the time it had is a
 * broker that can't be reached. */
enum ol_class publisher_class(enum ol_class class);

#endif
