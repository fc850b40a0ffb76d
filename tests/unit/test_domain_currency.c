#include "domain/currency.h"

#include <criterion/criterion.h>

#define DAY_US INT64_C(86400000000)

/* 2026-12-01 */
#define NOW_US (20788 * DAY_US)

static const struct currency_row *row(const char *code)
{
    return currency_find(text_of(code));
}

static enum refusal_code judge(const char *code, int64_t at_us)
{
    struct refusal refusal = currency_check_new(text_of(code), at_us);
    if (refusal.code)
        cr_assert(text_equal(refusal.subject, text_of(code)));
    return refusal.code;
}

Test(currency_rows, are_sorted_and_whole)
{
    size_t count, on_the_list = 0;
    const struct currency_row *rows = currency_rows(&count);
    for (size_t i = 0; i < count; i++) {
        struct text code = {rows[i].currency.code, 3};
        cr_assert(currency_valid(code), "row %zu", i);
        cr_assert(i == 0 || strcmp(rows[i - 1].currency.code, rows[i].currency.code) < 0, "%s",
                  rows[i].currency.code);
        cr_assert_eq(currency_find(code), &rows[i]);
        cr_assert_eq(currency_digits(code), rows[i].digits);
        cr_assert(rows[i].digits >= CURRENCY_NO_DIGITS && rows[i].digits <= CURRENCY_DIGITS_MAX);
        cr_assert(rows[i].from_us < rows[i].until_us, "%s", rows[i].currency.code);
        cr_assert(rows[i].from_us == INT64_MIN || rows[i].from_us % DAY_US == 0);
        cr_assert(rows[i].until_us == INT64_MAX || rows[i].until_us % DAY_US == 0);
        on_the_list += rows[i].until_us == INT64_MAX;
        if (rows[i].until_us == INT64_MAX && rows[i].kind == CURRENCY_IS_MONEY)
            cr_assert_geq(rows[i].digits, 0, "%s", rows[i].currency.code);
    }
    cr_assert_eq(on_the_list, 178, "list one of 2026-01-01 has 178 codes, the table %zu",
                 on_the_list);
}

/* Those of list one that have other digits than two, and no others. */
Test(currency_rows, have_the_digits_of_iso_4217)
{
    static const struct {
        int32_t digits;
        const char *codes;
    } lists[] = {
        {0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"},
        {3, "BHD IQD JOD KWD LYD OMR TND"},
        {4, "CLF UYW"},
        {CURRENCY_NO_DIGITS, "XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"},
    };
    size_t count;
    const struct currency_row *rows = currency_rows(&count);
    for (size_t i = 0; i < count; i++) {
        int32_t digits = 2;
        for (size_t j = 0; j < sizeof lists / sizeof *lists; j++)
            if (strstr(lists[j].codes, rows[i].currency.code))
                digits = lists[j].digits;
        if (rows[i].until_us == INT64_MAX)
            cr_assert_eq(rows[i].digits, digits, "%s", rows[i].currency.code);
    }
}

Test(currency_rows, begin_and_end_at_the_start_of_a_day)
{
    cr_assert_eq(row("HRK")->until_us, 19372 * DAY_US); /* 2023-01-15 */
    cr_assert_eq(row("SLL")->until_us, 19723 * DAY_US); /* 2024-01-01 */
    cr_assert_eq(row("BGN")->until_us, 20485 * DAY_US); /* 2026-02-01 */
    cr_assert_eq(row("XCG")->from_us, 20178 * DAY_US);  /* 2025-03-31 */
    cr_assert_eq(row("BYN")->from_us, 16983 * DAY_US);  /* 2016-07-01 */
    cr_assert_eq(row("BEC")->until_us, 7395 * DAY_US);  /* 1990-04-01 */
    cr_assert_eq(row("EUR")->from_us, INT64_MIN);
}

Test(currency_find, knows_no_other_code)
{
    static const char *const codes[] = {"", "EU", "EURO", "AAA", "eur", "ZZZ", "BTC"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        cr_assert_null(row(codes[i]), "%s", codes[i]);
        cr_assert_eq(currency_digits(text_of(codes[i])), CURRENCY_NO_DIGITS);
    }
}

Test(currency_check_new, refuses_from_the_most_basic_on)
{
    static const struct {
        const char *code;
        int64_t at_us;
        enum refusal_code answer;
    } cases[] = {
        {"EUR", NOW_US, ACCEPTED},
        {"EUR", INT64_MIN, ACCEPTED},
        {"JPY", INT64_MAX - 1, ACCEPTED},
        {"KWD", NOW_US, ACCEPTED},
        {"eur", NOW_US, REFUSED_CURRENCY_INVALID},
        {"", NOW_US, REFUSED_CURRENCY_INVALID},
        {"EURO", NOW_US, REFUSED_CURRENCY_INVALID},
        {"ABC", NOW_US, REFUSED_CURRENCY_UNKNOWN},
        {"DEM", NOW_US, REFUSED_CURRENCY_RETIRED},
        {"HRK", 19372 * DAY_US - 1, ACCEPTED},
        {"HRK", 19372 * DAY_US, REFUSED_CURRENCY_RETIRED},
        {"XCG", 20178 * DAY_US - 1, REFUSED_CURRENCY_UNKNOWN},
        {"XCG", 20178 * DAY_US, ACCEPTED},
        {"XFU", NOW_US, REFUSED_CURRENCY_RETIRED}, /* a fund too, once */
        {"XFU", 0, REFUSED_CURRENCY_NOT_MONEY},
        {"XAU", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
        {"XXX", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
        {"XTS", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
        {"XDR", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
        {"XAD", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
        {"UYW", NOW_US, REFUSED_CURRENCY_NOT_MONEY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(judge(cases[i].code, cases[i].at_us), cases[i].answer, "case %zu, %s: %s", i,
                     cases[i].code, refusal_name(judge(cases[i].code, cases[i].at_us)));
}

Test(currency_check_new, refuses_every_fund)
{
    static const char *const funds[] = {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI"};
    for (size_t i = 0; i < sizeof funds / sizeof *funds; i++) {
        cr_assert_eq(row(funds[i])->kind, CURRENCY_IS_FUND, "%s", funds[i]);
        cr_assert_eq(judge(funds[i], NOW_US), REFUSED_CURRENCY_NOT_MONEY, "%s", funds[i]);
    }
    cr_assert_str_eq(currency_kind_name(CURRENCY_IS_FUND), "fund");
}

Test(currency_check_form, asks_for_no_more_than_three_capital_letters)
{
    cr_assert_eq(currency_check_form(TEXT("ABC")).code, ACCEPTED);
    cr_assert_eq(currency_check_form(TEXT("HRK")).code, ACCEPTED);
    cr_assert_eq(currency_check_form(TEXT("zl")).code, REFUSED_CURRENCY_INVALID);
}
