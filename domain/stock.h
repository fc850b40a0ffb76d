/*
 * domain/stock.h - groups of lines, reserved and released together.
 *
 * A reservation is what one order holds on one inventory partition. All lines of a group are judged
 * together, all or none. Pure.
 */
#ifndef DOMAIN_STOCK_H
#define DOMAIN_STOCK_H

#include "domain/orders.h"
#include "domain/product.h"

enum reservation_status {
    RESERVATION_IS_NOTHING = 0,
    RESERVATION_IS_HELD,
    RESERVATION_IS_REFUSED,
    RESERVATION_IS_RELEASED, /* also: released before it was ever held */
    RESERVATION_STATUS_COUNT
};

/* lines are owned by whoever holds the state; they never change once they are set. */
struct reservation {
    enum reservation_status status;
    const struct stock_line *lines; /* of a held reservation, in the step's order */
    size_t line_count;
};

/* One event, and room for its lines. */
struct stock_decision {
    bool decided; /* false: the step has nothing to say any more (doubled, late) */
    struct inventory_event event;
    struct stock_line lines[ORDER_LINES_MAX];
};

/*
 * Judges STOCK_RESERVE: STOCK_RESERVED, or STOCK_REFUSED with SKU_TWICE, PRODUCT_UNKNOWN,
 * CURRENCY_MISMATCH, STOCK_SHORT (the first line that fails, in that order of checks per line) or
 * RESERVATION_EXISTS (it was released before it came). A group that is held or refused already
 * gives decided = false. products[i] is the state of line i's SKU (version 0 where unknown), the
 * same object for the same SKU.
 */
void stock_decide_reserve(const struct reservation *state, const struct product *const *products,
                          const struct inventory_step *step, struct stock_decision *ret_decision);

/*
 * Judges STOCK_RELEASE: STOCK_RELEASED with the held lines, or with none where nothing is held.
 * products[i] is the state of held line i's SKU. Released already: again STOCK_RELEASED is not
 * recorded, decided = false (the caller still replies).
 */
void stock_decide_release(const struct reservation *state, const struct product *const *products,
                          const struct inventory_step *step, struct stock_decision *ret_decision);

/* Folds STOCK_RESERVED, STOCK_REFUSED, STOCK_RELEASED into the reservation. STOCK_RESERVED makes
 * state->lines point into the event. The products are folded by product_apply_line(). */
void reservation_apply(struct reservation *state, const struct inventory_event *event);

/* The reply to a step: from the event it led to, or, where it led to none, from the reservation as
 * it stands. */
struct order_step stock_reply(const struct reservation *state, const struct inventory_step *step,
                              const struct inventory_event *event);

/* "HELD", "REFUSED", "RELEASED"; "" for none. */
const char *reservation_status_name(enum reservation_status status);
enum reservation_status reservation_status_by_name(struct text name);

#endif
