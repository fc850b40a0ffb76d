/*
 * domain/machines.h - the state machines as tables, for their deciders, for docs and for tests.
 *
 * docs/machines.md is printed from here. An empty cell is zero and zero is illegal: a state or kind
 * that somebody adds without thought stops the process before it writes. Pure.
 */
#ifndef DOMAIN_MACHINES_H
#define DOMAIN_MACHINES_H

#include "domain/account.h"
#include "domain/checkout.h"
#include "domain/stock.h"

/* ---- the order: events move its status and its saga ---- */

/* Where an event leads: `more` while something is still missing after it (a group's answer, a
 * group's or the payment's undo), `last` when nothing is. 0: can't happen. */
struct order_status_cell {
    enum order_status more, last;
};

struct saga_state_cell {
    enum saga_state more, last;
};

extern const struct order_status_cell order_status_cells[ORDER_STATUS_COUNT]
                                                        [ORDER_EVENT_KIND_COUNT];
extern const struct saga_state_cell saga_state_cells[SAGA_STATE_COUNT][ORDER_EVENT_KIND_COUNT];

/* ---- the order: what a step is good for, by the saga's state ---- */

enum order_rule {
    ORDER_RULE_ILLEGAL = 0,
    ORDER_RULE_IGNORE,          /* late or doubled: nothing to say any more */
    ORDER_RULE_RECORD_RESERVED, /* if the group has not answered yet */
    ORDER_RULE_REJECT_STOCK,    /* if the group has not answered yet */
    ORDER_RULE_CONFIRM,         /* if the payment is asked, in the order's row of the saga */
    ORDER_RULE_REJECT_PAYMENT,  /* if the payment is asked */
    ORDER_RULE_EXPIRE,          /* if the deadline is meant and due */
    ORDER_RULE_RECORD_RELEASED, /* if the group is to be released still */
    ORDER_RULE_RECORD_VOIDED,   /* if the void is asked */
    ORDER_RULE_RECORD_REVERSED, /* if the reversal is asked */
    ORDER_RULE_OVERDUE,         /* if the deadline is meant and due */
    ORDER_RULE_COUNT
};

extern const enum order_rule order_rules[SAGA_STATE_COUNT][ORDER_STEP_KIND_COUNT];

/* The event that a rule leads to; ORDER_EVENT_NONE for IGNORE. */
enum order_event_kind order_rule_event(enum order_rule rule);

/* The other event that it may lead to; ORDER_EVENT_NONE: there is none. */
enum order_event_kind order_rule_other_event(enum order_rule rule);

/* What a rule does and why, in one sentence without a full stop, as all sentences here. */
const char *order_rule_sentence(enum order_rule rule);

/* ---- the saga: what is done with which part on which event of the order ---- */

enum checkout_action {
    CHECKOUT_ACTION_NONE = 0,
    CHECKOUT_ASK,
    CHECKOUT_UNDO,
    CHECKOUT_COMPLETE,
    CHECKOUT_ACTION_COUNT
};

struct checkout_move {
    enum order_event_kind event;
    size_t part; /* of checkout_parts */
    enum checkout_action action;
    const char *sentence;
};

#define CHECKOUT_MOVE_COUNT 10
extern const struct checkout_move checkout_moves[CHECKOUT_MOVE_COUNT];

/* ---- a reservation and a payment: the event that a step leads to ---- */

/* What a step leads to: `yes`, or `no` where it may be refused (0: it can't be). Both 0 is
 * illegal, except with nothing_to_say: a step that comes twice or late leads to no event. */
struct stock_cell {
    const char *sentence;
    bool nothing_to_say;
    enum inventory_event_kind yes, no;
};

struct payment_cell {
    const char *sentence;
    bool nothing_to_say;
    enum payment_event_kind yes, no;
};

extern const struct stock_cell stock_cells[RESERVATION_STATUS_COUNT][INVENTORY_STEP_KIND_COUNT];
extern const struct payment_cell payment_cells[PAYMENT_STATUS_COUNT][PAYMENT_STEP_KIND_COUNT];

/* ---- a product and a wallet: what an accepted command does ---- */

const char *product_rule_sentence(enum inventory_command_kind kind);
const char *account_rule_sentence(enum payment_command_kind kind);

#endif
