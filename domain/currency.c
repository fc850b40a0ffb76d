#include "domain/currency.h"

#include "domain/check.h"
#include "domain/name.h"
#include "lib/guard/protected.h"

/* ---- tables ---- */

/* Days since 1970-01-01. The year begins in March here, so that a leap day is its last. */
#define YEAR(y, m)   ((y) - ((m) <= 2))
#define MONTH(m)     (((m) + 9) % 12)
#define DAYS(y, d)   (365 * (y) + (y) / 4 - (y) / 100 + (y) / 400 + (d)-719469)
#define DAY_US       (INT64_C(86400) * 1000 * 1000)
#define DAY(y, m, d) (DAYS(YEAR(y, m), (153 * MONTH(m) + 2) / 5 + (d)) * DAY_US)
#define EVER         INT64_MIN
#define OPEN         INT64_MAX
#define NO_DIGITS    CURRENCY_NO_DIGITS

static const struct currency_row rows[] = {
#define CURRENCY(code, digits, kind, from, until)                                                  \
    {{#code}, digits, CURRENCY_IS_##kind, from, until},
#include "domain/currency.def"
#undef CURRENCY
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

static const char *const kind_names[CURRENCY_KIND_COUNT] = {
    [CURRENCY_IS_NOTHING] = "",
    [CURRENCY_IS_MONEY] = "money",
    [CURRENCY_IS_FUND] = "fund",
    [CURRENCY_IS_UNIT] = "unit",
};

/* ---- exported ---- */

const struct currency_row *currency_rows(size_t *ret_count)
{
    *ret_count = ROW_COUNT;
    return rows;
}

const struct currency_row *currency_find(struct text code)
{
    size_t first = 0, end = ROW_COUNT;
    if (code.bytes != 3)
        return NULL;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = memcmp(code.data, rows[middle].currency.code, 3);
        if (order == 0)
            return &rows[middle];
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return NULL;
}

int32_t currency_digits(struct text code)
{
    const struct currency_row *row = currency_find(code);
    return row ? row->digits : CURRENCY_NO_DIGITS;
}

struct refusal currency_check_form(struct text code)
{
    return currency_valid(code) ? accepted() : refused(REFUSED_CURRENCY_INVALID, code);
}

struct refusal currency_check_new(struct text code, int64_t at_us)
{
    if (!currency_valid(code))
        return currency_check_form(code);
    const struct currency_row *row = currency_find(code);
    if (!row || at_us < row->from_us)
        return refused(REFUSED_CURRENCY_UNKNOWN, code);
    if (PROTECTED(retired_refused) && at_us >= row->until_us)
        return refused(REFUSED_CURRENCY_RETIRED, code);
    if (row->kind != CURRENCY_IS_MONEY)
        return refused(REFUSED_CURRENCY_NOT_MONEY, code);
    return accepted();
}

const char *currency_kind_name(enum currency_kind kind)
{
    return name_at(kind_names, CURRENCY_KIND_COUNT, kind);
}
