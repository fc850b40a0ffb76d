/*
 * domain/money.h - amounts in minor units, and counts of units, checked for overflow.
 *
 * Pure. An amount is an int64_t of minor units beside a currency; a sum that does not fit is
 * refused, never wrapped. How many digits of it stand behind the point: currency.h.
 */
#ifndef DOMAIN_MONEY_H
#define DOMAIN_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/text.h"

/* *sum = a + b. False, and *sum is unspecified, when the result does not fit. */
static inline bool amount_add(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

#define AMOUNT_TEXT_BYTES 24 /* a sign, 19 digits, a point, NUL */

/* "12.34", "-0.05", "7" for people: 1234 and -5 with two digits, 7 with none. digits: 0 to
 * CURRENCY_DIGITS_MAX. Returns `buffer`. */
const char *amount_print(int64_t amount_minor, int32_t digits, char buffer[AMOUNT_TEXT_BYTES]);

enum amount_read {
    AMOUNT_READ = 0,
    AMOUNT_UNREADABLE, /* not an optional minus, digits, and maybe a point and digits */
    AMOUNT_TOO_EXACT,  /* more digits behind the point than the currency has, zeros too */
    AMOUNT_TOO_LARGE,  /* the minor units do not fit in 64 bits */
};

/* What amount_print() wrote, and "12" or "12.3" with fewer digits than there could be. *ret_minor
 * is untouched unless the answer is AMOUNT_READ. */
enum amount_read amount_parse(struct text text, int32_t digits, int64_t *ret_minor);

#endif
