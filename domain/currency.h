/*
 * domain/currency.h - the codes of ISO 4217: how many digits, and whether new things may have them.
 *
 * Pure. The table: currency.def. A rule is asked once, when something new begins, with the broker's
 * time of the command: so a decision made again is the same. What has begun keeps its currency
 * for ever: no fold, no step and no reader asks a rule.
 */
#ifndef DOMAIN_CURRENCY_H
#define DOMAIN_CURRENCY_H

#include <stddef.h>

#include "domain/refusal.h"

enum currency_kind {
    CURRENCY_IS_NOTHING = 0,
    CURRENCY_IS_MONEY,
    CURRENCY_IS_FUND,
    CURRENCY_IS_UNIT, /* metals, units of account, tests */
    CURRENCY_KIND_COUNT
};

#define CURRENCY_NO_DIGITS  (-1)
#define CURRENCY_DIGITS_MAX 4

/* A row of currency.def. from_us: INT64_MIN, it was always there; until_us: INT64_MAX, no end is
 * known. Both are the start of a day. */
struct currency_row {
    struct currency currency;
    int32_t digits; /* 0 to CURRENCY_DIGITS_MAX, or CURRENCY_NO_DIGITS */
    enum currency_kind kind;
    int64_t from_us, until_us;
};

/* All rows, sorted by code. */
const struct currency_row *currency_rows(size_t *ret_count);

/* NULL: the table has no such code. */
const struct currency_row *currency_find(struct text code);

/* Digits behind the point of amounts in this currency, whatever became of it;
 * CURRENCY_NO_DIGITS also for a code that is not in the table. */
int32_t currency_digits(struct text code);

/*
 * Whether an order, product or wallet that begins at `at_us` may have this currency. From the most
 * basic: CURRENCY_INVALID (its form), CURRENCY_UNKNOWN (no such code, or not yet),
 * CURRENCY_RETIRED, CURRENCY_NOT_MONEY; else ACCEPTED. The refusal's subject is the code.
 */
struct refusal currency_check_new(struct text code, int64_t at_us);

/* Whether a command that names the currency of what is there has a code's form: else
 * CURRENCY_INVALID. */
struct refusal currency_check_form(struct text code);

/* "money", "fund", "unit". */
const char *currency_kind_name(enum currency_kind kind);

#endif
