/*
 * tests/sim/money.h - P5 and P7's memory: where the money is, as events and states of wallets tell
 * it.
 *
 * paid in = wallets + held + revenue, spent = revenue, none below zero, after every event; at rest
 * nothing is held, and payments are the totals of confirmed orders.
 */
#ifndef SIM_MONEY_H
#define SIM_MONEY_H

#include "domain/account.h"

/* Sums over everything: they may be near the end of 64 bits. */
struct money {
    uint64_t paid_in, wallets, held, spent, revenue;
    uint64_t confirmed, paid; /* orders' totals; payments that were taken and not undone */
};

void money_moved(struct money *money, const struct payment_event *event);
void money_confirmed(struct money *money, int64_t total_minor);
/* A wallet is now `after`. */
void money_in_wallet(struct money *money, struct text customer, const struct account *before,
                     const struct account *after);

void money_check(const struct money *money);
void money_check_rest(const struct money *money);

#endif
