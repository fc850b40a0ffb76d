/*
 * lib/kafka/ol_taint.h - may a request of a transactional producer still be under way that could
 * end, or write into, a later transaction of its?
 *
 *   sent(request) -> answered(request, error) ...                    tainted: renew before the next
 *
 * Pure: a wrapper says what it sees on the wire, in order. librdkafka 2.0.2 speaks the old
 * transaction protocol, where requests carry the producer's epoch and not the transaction they are
 * of: why, and what it prevents, is in docs/exactly-once.md. One user at a time.
 */
#ifndef OL_TAINT_H
#define OL_TAINT_H

#include <stdbool.h>
#include <stdint.h>

/* The requests that change a transaction at its coordinators or in the logs. */
enum ol_taint_request {
    OL_TAINT_PRODUCE,
    OL_TAINT_ADD_PARTITIONS,
    OL_TAINT_ADD_OFFSETS,
    OL_TAINT_OFFSETS,
    OL_TAINT_END,
    OL_TAINT_REQUESTS
};

#define OL_TAINT_REASON_BYTES 160

/* Zeroed: clean. */
struct ol_taint {
    bool tainted;
    bool unanswered[OL_TAINT_REQUESTS];
    char reason[OL_TAINT_REASON_BYTES];
};

/* -1: a request of Kafka's protocol that does not matter here. */
int ol_taint_request_of(int16_t api_key);

/* A request goes out. One of a kind that is sent alone, while its predecessor has no answer, is a
 * retry: the first may still arrive. `peer` is for the reason. */
void ol_taint_sent(struct ol_taint *taint, enum ol_taint_request request, const char *peer);

/* Its answer came (error NULL, whatever the answer says: a refusal too is an answer, and then the
 * request had no effect), or it timed out or lost its connection (error says how). */
void ol_taint_answered(struct ol_taint *taint, enum ol_taint_request request, const char *error,
                       const char *peer);

/* For a reason that no request shows: a failed call, an abort. The first reason stays. */
void ol_taint_set(struct ol_taint *taint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
