#include "tests/sim/money.h"

#include "tests/sim/sim.h"

static const struct text nothing;

void money_moved(struct money *money, const struct payment_event *event)
{
    uint64_t amount = (uint64_t)event->amount_minor;
    switch (event->kind) {
    case FUNDS_DEPOSITED: money->paid_in += amount; break;
    case FUNDS_WITHDRAWN:
        count(COUNT_WITHDRAWN);
        money->paid_in -= amount;
        break;
    case PAYMENT_CHARGED:
    case PAYMENT_CAPTURED:
        count(event->kind == PAYMENT_CHARGED ? COUNT_CHARGED : COUNT_CAPTURED);
        money->revenue += amount;
        money->paid += amount;
        break;
    case PAYMENT_VOIDED: counters[COUNT_VOIDED] += amount > 0; break;
    case PAYMENT_REFUNDED:
        count(COUNT_REFUNDED);
        money->revenue -= amount;
        break;
    case PAYMENT_REVERSED:
        count(COUNT_REVERSED);
        counters[COUNT_REST_REVERSED] += amount && event->amount_minor < event->charged_minor;
        counters[COUNT_NOTHING_REVERSED] += !amount && event->charged_minor > 0;
        money->revenue -= amount;
        money->paid -= (uint64_t)event->charged_minor;
        break;
    default: break;
    }
}

void money_confirmed(struct money *money, int64_t total_minor)
{
    money->confirmed += (uint64_t)total_minor;
}

void money_in_wallet(struct money *money, struct text customer, const struct account *before,
                     const struct account *after)
{
    if (after->balance_minor < 0 || after->held_minor < 0 || after->spent_minor < 0)
        sim_fail(customer, "P5: a wallet below zero");
    money->wallets += (uint64_t)(after->balance_minor - before->balance_minor);
    money->held += (uint64_t)(after->held_minor - before->held_minor);
    money->spent += (uint64_t)(after->spent_minor - before->spent_minor);
}

void money_check(const struct money *money)
{
    if (money->paid_in != money->wallets + money->held + money->revenue ||
        money->spent != money->revenue)
        sim_fail(nothing, "P5: money came from nowhere or is gone");
}

void money_check_rest(const struct money *money)
{
    if (money->held)
        sim_fail(nothing, "P7: %lld held at rest", (long long)money->held);
    if (money->paid != money->confirmed)
        sim_fail(nothing, "P7: payments of %llu, confirmed orders of %llu",
                 (unsigned long long)money->paid, (unsigned long long)money->confirmed);
}
