/*
 * domain/money.h - amounts in minor units, and counts of units, checked for overflow.
 *
 * Pure. An amount is an int64_t of minor units beside a currency; a sum that does not fit is
 * refused, never wrapped.
 */
#ifndef DOMAIN_MONEY_H
#define DOMAIN_MONEY_H

#include <stdbool.h>
#include <stdint.h>

/* *sum = a + b. False, and *sum is unspecified, when the result does not fit. */
static inline bool amount_add(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

#endif
