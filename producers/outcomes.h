/*
 * producers/outcomes.h - what became of the commands that were just published.
 *
 *   open (notes where the events topics end) -> publish elsewhere -> expect(place) ...
 *        -> poll ... (the handler is called) -> give_up -> close
 *
 * An event names the record that caused it: topic, partition, offset. So an outcome is found by the
 * place in the command's receipt, and the same command published twice has two outcomes, its
 * events and a repeat. Reads committed events only, from the noted ends, and only of the contexts
 * that something is expected of. Contract: every command has one outcome, on its own partition.
 * Call expect before the poll that could read the outcome: flush the publisher, expect, poll.
 * Threads: one owner; the handler is called on its thread, in poll and give_up.
 */
#ifndef PRODUCERS_OUTCOMES_H
#define PRODUCERS_OUTCOMES_H

#include "domain/message.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka_reader.h"

struct outcomes;

enum outcome_kind {
    OUTCOME_IS_ACCEPTED = 1, /* place: its first event */
    OUTCOME_IS_REJECTED,     /* code, message */
    OUTCOME_IS_REPEATED,     /* first, code: what became of it the first time */
    OUTCOME_IS_PUT_ASIDE,    /* a worker took it and answered nothing here: a dead letter */
    OUTCOME_IS_OVERDUE,      /* nothing came until give_up; taken: a worker has read it */
};

/* Texts are valid during the call. */
struct outcome {
    enum outcome_kind kind;
    enum command_outcome first; /* REPEATED */
    enum refusal_code code;     /* REJECTED, REPEATED; settled: why it is not confirmed */
    struct text message;        /* REJECTED */
    const char *event;          /* "OrderPlaced", ...; "" where there is none */
    struct ol_offset place;     /* of that event; offset -1 where there is none */
    bool taken;                 /* OVERDUE */
    struct ol_offset open; /* OVERDUE: the open transaction that it lies behind; offset -1: none */
    bool settled;          /* the second call for a placed order; status says how it ended */
    bool last;             /* no more calls for this opaque */
    enum order_status status; /* of the order after the event */
    void *opaque;             /* as given to expect */
};

typedef void outcomes_handler(void *context, const struct outcome *outcome);

/* Notes the ends of the events topics of every context with partitions[context] above 0.
 * OL_NOT_FOUND: there is no such topic. Strings and settings outlive the outcomes. */
enum ol_class outcomes_open(const struct ol_kafka_settings *kafka, const char *prefix,
                            const int32_t partitions[CONTEXT_COUNT], int timeout_ms,
                            outcomes_handler *handler, void *handler_context,
                            struct outcomes **ret_outcomes, struct ol_error *reterr);
void outcomes_close(struct outcomes *outcomes);
static inline void outcomes_auto(struct outcomes **outcomes)
{
    outcomes_close(*outcomes);
}

/* Waits for the outcome of the command that was acknowledged at this place of the context's
 * commands topic; places of one partition come in rising order. settle: an order id, copied; the
 * handler is called once more when that order is confirmed, rejected or cancelled. Empty: it is
 * not. OL_VIOLATED: the place is not after the one before (the topic was made again). OL_FATAL:
 * out of memory. */
enum ol_class outcomes_expect(struct outcomes *outcomes, enum context context, int32_t partition,
                              int64_t offset, struct text settle, void *opaque,
                              struct ol_error *reterr);

/* How many calls of the handler are still to come. */
size_t outcomes_pending(const struct outcomes *outcomes);

/* Reads what is there, waiting up to timeout_ms for the first event. */
enum ol_class outcomes_poll(struct outcomes *outcomes, int timeout_ms, struct ol_error *reterr);

/* Asks the broker, per partition, whether what no worker has read lies behind an open transaction,
 * so that give_up can tell. What can't be asked is not told. */
void outcomes_find_open(struct outcomes *outcomes, int timeout_ms);

/* Reports everything still expected as OVERDUE. */
void outcomes_give_up(struct outcomes *outcomes);

/* What give_up would report of the command with this opaque; false: it has its outcome. */
bool outcomes_overdue(const struct outcomes *outcomes, const void *opaque,
                      struct outcome *ret_outcome);

/* OVERDUE as a sentence: what it waits for. */
void outcome_tell_overdue(const struct outcome *outcome, const char *brokers, struct ol_text *text);

#endif
