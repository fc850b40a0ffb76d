/*
 * lib/kafka/ol_inbox.h - the records of one partition that wait to be taken, oldest first.
 *
 * source -> ol_inbox_refill() -> slots -> ol_inbox_peek(), ol_inbox_take() -> caller.
 * A refill takes a few; the rest waits at the source. That is librdkafka's queue of the partition,
 * under settings->fetch_budget_bytes (ol_kafka_inbox.c), or the simulator's log. Made by
 * ol_consumer_assign() and ol_reader_assign().
 */
#ifndef OL_INBOX_H
#define OL_INBOX_H

#include "lib/kafka/ol_kafka.h"

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
    void *queue, *voice;   /* the source's */
    size_t refill_bytes;   /* the source's: mean size at the last refill */
    uint32_t head, count;
    struct ol_message slots[OL_INBOX_SLOTS];
};

/* The oldest record, without taking it; NULL: none fetched yet (then look at ->error). The pointer
 * is valid until the next call on this inbox. */
const struct ol_message *ol_inbox_peek(struct ol_inbox *inbox);

/* Takes what peek showed; the caller releases it. False: empty. */
bool ol_inbox_take(struct ol_inbox *inbox, struct ol_message *ret_message);

/* Was everything up to the end of the partition taken, as far as is known? The end is the last
 * stable offset for read_committed handles. Trailing markers are passed: position counts them. */
bool ol_inbox_at_end(const struct ol_inbox *inbox);

/* Takes from all inboxes that are not ignored, up to `max` messages, some from each, starting with
 * *next. The error of a partition that has nothing left comes as the class, with what was read in
 * *ret_count. */
enum ol_class ol_inboxes_take(struct ol_inbox *inboxes, size_t count, size_t *next,
                              struct ol_message *messages, size_t max, size_t *ret_count,
                              struct ol_error *reterr);

/* Has one that is not ignored a record, an error, or something at its source that may become
 * one? */
bool ol_inboxes_have_news(const struct ol_inbox *inboxes, size_t count);

/* ---- for the source ---- */

/* An empty inbox whose next record is at `position` (ol_reader_assign() has special ones). The
 * memory may hold anything; `topic` lives as long as the inbox. */
void ol_inbox_clear(struct ol_inbox *inbox, const char *topic, int32_t topic_index,
                    int32_t partition, int64_t position);

/* The next slot, during a refill: the source fills in time, key, value and handle. Offsets rise. */
struct ol_message *ol_inbox_keep(struct ol_inbox *inbox, int64_t offset);

/* The source's: keeps what is there for an inbox that is empty, up to all its slots, and notes
 * ->end and ->error. Does not wait. */
void ol_inbox_refill(struct ol_inbox *inbox);

/* The source's: would a refill find anything? */
bool ol_inbox_has_more(const struct ol_inbox *inbox);

#endif
