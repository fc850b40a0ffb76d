/*
 * domain/product.h - one product: its place in the list and its stock.
 *
 * command -> product_decide() -> event -> product_apply() -> state. Groups of lines are reserved
 * and released over several products at once: stock.h. Pure.
 *
 *   on hand = what is on the shelf, reserved units included; available = on hand - reserved.
 *   0 <= reserved <= on hand, always.
 */
#ifndef DOMAIN_PRODUCT_H
#define DOMAIN_PRODUCT_H

#include "domain/inventory.h"

/* All plain values: a copy is a copy. */
struct product {
    int64_t version; /* 0: never heard of */
    bool listed;     /* false after PRODUCT_DELETED */
    struct currency currency;
    int64_t on_hand, reserved;
    uint64_t details_hash; /* FNV-1a over all details: shows when a modify changes nothing */
};

/* Judges one command; now_us: its broker time. Either refuses, or accepts and fills *ret_event
 * (texts are the command's). */
struct refusal product_decide(const struct product *state, const struct inventory_command *command,
                              int64_t now_us, struct inventory_event *ret_event);

/* Folds PRODUCT_* and STOCK_INCREASED/DECREASED. Cannot refuse; asserts the version. */
void product_apply(struct product *state, const struct inventory_event *event);

/* Folds one line of STOCK_RESERVED (sign +1) or STOCK_RELEASED (sign -1). */
void product_apply_line(struct product *state, enum inventory_event_kind kind,
                        const struct stock_line *line);

/* FNV-1a 64 over all fields of the details. */
uint64_t product_details_hash(const struct product_details *details);

#endif
