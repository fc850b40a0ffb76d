/*
 * lib/kafka/ol_kafka_publisher.h - an idempotent producer without transactions: commands in.
 *
 *   open -> publish ... -> (receipts come back in poll, publish and flush) -> flush -> close
 *
 * Each record gets exactly one receipt. A failed receipt does not prove that the record is not in
 * the log: publish again with the same command id.
 * Threads: one owner; receipts are called on its thread, inside publish, poll and flush.
 */
#ifndef OL_KAFKA_PUBLISHER_H
#define OL_KAFKA_PUBLISHER_H

#include "lib/kafka/ol_kafka_producer.h"

struct ol_publisher_handle;

/* Where one record went. class OL_OK: `place` holds. Otherwise `text` (static) says why. */
struct ol_receipt {
    enum ol_class class;
    const char *text;
    struct ol_offset place;
    void *opaque; /* the record's */
};

typedef void ol_receipt_handler(void *context, const struct ol_receipt *receipt);

/* `handler` may be NULL: then nobody learns of failures. Nobody is asked yet: use ol_kafka_ping()
 * first to learn of an unreachable broker. */
enum ol_class ol_publisher_open(const struct ol_kafka_settings *settings,
                                ol_receipt_handler *handler, void *context,
                                struct ol_publisher_handle **ret_publisher,
                                struct ol_error *reterr);

/* Unsent records get failed receipts. Bounded (5 s); false: librdkafka hangs. Takes NULL. */
bool ol_publisher_close(struct ol_publisher_handle *publisher);

/* As ol_producer_topic(). */
int32_t ol_publisher_topic(struct ol_publisher_handle *publisher, const char *name);

/* Queues one record; key, value and headers are copied. Waits (serving receipts) while the queue of
 * settings->send_budget_bytes is full, at most message_timeout_ms: then OL_RETRY.
 * OL_POISON: larger than the library takes. On failure there is no receipt. */
enum ol_class ol_publisher_publish(struct ol_publisher_handle *publisher,
                                   const struct ol_record *record, struct ol_error *reterr);

/* Serves receipts, waiting up to timeout_ms for the first. Returns how many. */
size_t ol_publisher_poll(struct ol_publisher_handle *publisher, int timeout_ms);

/* Waits until every record has its receipt. OL_RETRY: not within timeout_ms, the text says how many
 * are left. OL_OK does not say that all succeeded: the receipts do. */
enum ol_class ol_publisher_flush(struct ol_publisher_handle *publisher, int timeout_ms,
                                 struct ol_error *reterr);

size_t ol_publisher_pending(const struct ol_publisher_handle *publisher);

#endif
