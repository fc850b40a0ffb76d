/*
 * domain/checkout.h - the saga of an order: reserve stock, take money, confirm; or undo.
 *
 * One part for each thing that is asked for (checkout_parts): ask, undo, done, failed. Groups of a
 * part are asked and undone together. A group that was asked has to be undone, whether it has
 * answered or not. The undo is known before the ask is sent. An order is paid in one of several
 * ways, each a part of its own: its first event says which. Pure.
 */
#ifndef DOMAIN_CHECKOUT_H
#define DOMAIN_CHECKOUT_H

#include "domain/inventory.h"
#include "domain/order.h"
#include "domain/payments.h"

enum step_target {
    STEP_TO_NOBODY = 0,
    STEP_TO_ORDERS,
    STEP_TO_INVENTORY,
    STEP_TO_PAYMENTS,
};

/* A step that is to be sent. The key says for whom; the partition is explicit for inventory (the
 * group's) and -1 where it follows from the key. */
struct step {
    enum step_target target;
    struct text key;
    int32_t partition;
    union {
        struct order_step order;
        struct inventory_step inventory;
        struct payment_step payment;
    };
};

#define CHECKOUT_STEPS_MAX (PARTITIONS_MAX + 1)

struct checkout_steps {
    size_t count;
    struct step steps[CHECKOUT_STEPS_MAX];
    /* Room for the lines of reserve steps, group by group. */
    struct stock_line lines[ORDER_LINES_MAX];
};

/* One part of the saga, for docs, tests and `saga show`. */
struct checkout_part {
    const char *name;                  /* "stock", "payment" */
    enum payment_row row;              /* of orders that are paid so; NONE: of all */
    enum step_target target;           /* who is asked */
    int ask, undo, complete;           /* step kinds of the target; 0: none */
    enum order_step_kind done, failed; /* the replies to ask */
    enum order_step_kind undone;       /* the reply to undo */
};

#define CHECKOUT_PART_COUNT 3
extern const struct checkout_part checkout_parts[CHECKOUT_PART_COUNT];

/* What to send because of `event`, which `state` has already folded. Fills *ret_steps (count 0 to
 * CHECKOUT_STEPS_MAX); texts are the event's and the state's. Their order is fixed, so that an id
 * derived from a step's number is the same at every replay. */
void checkout_react(const struct order *state, const struct order_event *event,
                    struct checkout_steps *ret_steps);

/* What an open saga waits for, as a sentence part such as "stock group 3 reserved" or "payment
 * charged"; written to `buffer`, always terminated. Returns the length. */
size_t checkout_waits_for(const struct order *state, char *buffer, size_t buffer_bytes);

#endif
