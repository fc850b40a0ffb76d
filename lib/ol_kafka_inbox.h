/*
 * lib/ol_kafka_inbox.h - the records of one partition that wait to be taken, oldest first.
 *
 * Filled from librdkafka's queue of that partition by peek, a few at a time; the rest waits there,
 * under settings->fetch_budget_bytes. Made by ol_consumer_assign() and ol_reader_assign().
 */
#ifndef OL_KAFKA_INBOX_H
#define OL_KAFKA_INBOX_H

#include "lib/ol_kafka.h"

#define OL_INBOX_SLOTS 64

struct ol_inbox {
    const char *topic;
    int32_t topic_index;
    int32_t partition;
    bool ignored; /* the caller's: has records, but nobody wants to be woken for them now */

    /* Below is read-only for callers. */
    int64_t position;      /* all offsets below were taken or hold nothing for us */
    int64_t end;           /* where the last end-of-partition event was seen; -1: not yet */
    int64_t last;          /* offset of the last message fetched; -1: none */
    struct ol_error error; /* .class not OL_OK: the partition has stopped, e.g. out of range */
    void *queue, *voice;
    uint32_t head, count;
    size_t refill_bytes; /* mean size at the last refill */
    struct ol_message slots[OL_INBOX_SLOTS];
};

/* The oldest record, without taking it; NULL: none fetched yet (then look at ->error). The pointer
 * is valid until the next call on this inbox. */
const struct ol_message *ol_inbox_peek(struct ol_inbox *inbox);

/* Takes what peek showed; the caller releases it. False: empty. */
bool ol_inbox_take(struct ol_inbox *inbox, struct ol_message *ret_message);

/* Takes up to `max` at once. */
size_t ol_inbox_take_many(struct ol_inbox *inbox, struct ol_message *ret_messages, size_t max);

/* Was everything up to the end of the partition taken, as far as is known? The end is the last
 * stable offset for read_committed handles. Trailing markers are passed: position counts them. */
bool ol_inbox_at_end(const struct ol_inbox *inbox);

#endif
