/*
 * domain/order.h - one customer's order, from basket to confirmation.
 *
 * command or step -> order_decide_*() -> events -> order_apply() -> state.
 * What to ask of stock and payment next: checkout.h.
 * Pure: no clock, no allocation, no I/O; time arrives in the facts.
 */
#ifndef DOMAIN_ORDER_H
#define DOMAIN_ORDER_H

#include "domain/orders.h"
#include "domain/partition.h"

/*
 * The state a decider needs: groups, totals and ids, not lines. A group is the lines that live on
 * one inventory partition; bit p of a mask is the group of partition p.
 * customer_id is owned by whoever holds the state (it never changes after ORDER_PLACED).
 */
struct order {
    int64_t version; /* 0: there is no such order */
    enum order_status status;
    enum saga_state saga_state;
    enum order_payment payment;
    enum payment_row payment_row;
    uint64_t groups_asked, groups_reserved, groups_refused, groups_released;
    int64_t total_minor;
    int64_t deadline_us; /* of the running or undoing saga; stale once it has ended */
    struct currency currency;
    struct text customer_id;
};

/* What a decision may know beside state and input. */
struct order_facts {
    int64_t now_us;               /* the input's broker time */
    int64_t deadline_after_us;    /* how long a saga may run, and may undo */
    int32_t partitions;           /* 1 to PARTITIONS_MAX */
    enum payment_row payment_row; /* of an order that is placed */
};

#define ORDER_EVENTS_MAX 2

struct order_events {
    size_t count; /* 0: refused (commands), or nothing to say any more (steps) */
    struct order_event events[ORDER_EVENTS_MAX];
    /* Room for ORDER_PLACED's lines with their partitions; events[0].lines points here. */
    struct order_line lines[ORDER_LINES_MAX];
};

/*
 * Judges one command. state: version 0 where the order does not exist. Either refuses (the result's
 * code, ret_events->count 0) or accepts (ACCEPTED, count 1 or more); never neither.
 * The events' texts are the command's.
 */
struct refusal order_decide_command(const struct order *state, const struct order_command *command,
                                    const struct order_facts *facts,
                                    struct order_events *ret_events);

/*
 * Judges one step. A step is never refused: one that has nothing to say any more (doubled, late,
 * not due) gives count 0 and changes nothing.
 */
void order_decide_step(const struct order *state, const struct order_step *step,
                       const struct order_facts *facts, struct order_events *ret_events);

/*
 * Folds one event. Cannot refuse; asserts that version = state->version + 1 and that status,
 * saga state and payment come out as the event says. ORDER_PLACED makes state->customer_id point
 * into the event: whoever keeps the state copies it.
 */
void order_apply(struct order *state, const struct order_event *event);

/* The row that a new order runs on. */
enum payment_row order_payment_row(struct text order_id);

/* True while the deadline matters: the saga runs or undoes. */
bool order_is_open(const struct order *state);

/* True while the payment was asked and has not answered, and nobody has asked it back. */
bool order_awaits_payment(const struct order *state);

/* Groups that were asked and have not answered while the saga ran. */
uint64_t order_groups_unanswered(const struct order *state);

/* Groups that an undo must (still) release: asked, answered or not, but for those that refused. */
uint64_t order_groups_to_release(const struct order *state);

/* The cancel table: what CancelOrder is answered in each status; ACCEPTED where it cancels. */
enum refusal_code order_cancel_rule(enum order_status status);

#endif
