#include "domain/money.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "domain/currency.h"
#include "tests/support/rng.h"

static const char *print(int64_t amount_minor, int32_t digits)
{
    static char buffer[AMOUNT_TEXT_BYTES];
    return amount_print(amount_minor, digits, buffer);
}

static const struct {
    int64_t amount_minor;
    int32_t digits;
    const char *text;
} amounts[] = {
    {0, 0, "0"},
    {0, 2, "0.00"},
    {7, 0, "7"},
    {-7, 0, "-7"},
    {5, 2, "0.05"},
    {-5, 2, "-0.05"},
    {1234, 2, "12.34"},
    {1234, 3, "1.234"},
    {1234, 4, "0.1234"},
    {-123400, 4, "-12.3400"},
    {100, 0, "100"},
    {INT64_MAX, 0, "9223372036854775807"},
    {INT64_MIN, 0, "-9223372036854775808"},
    {INT64_MAX, 2, "92233720368547758.07"},
    {INT64_MIN, 4, "-922337203685477.5808"},
};

Test(amount_print, puts_the_point_where_the_currency_has_it)
{
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++)
        cr_assert_str_eq(print(amounts[i].amount_minor, amounts[i].digits), amounts[i].text);
}

Test(amount_print, needs_digits, .signal = SIGABRT)
{
    print(1, CURRENCY_NO_DIGITS);
}

Test(amount_print, knows_no_fifth_digit, .signal = SIGABRT)
{
    print(1, CURRENCY_DIGITS_MAX + 1);
}

static enum amount_read parse(const char *text, int32_t digits, int64_t *ret_minor)
{
    *ret_minor = 42;
    return amount_parse(text_of(text), digits, ret_minor);
}

Test(amount_parse, reads_what_amount_print_wrote)
{
    int64_t minor;
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        cr_assert_eq(parse(amounts[i].text, amounts[i].digits, &minor), AMOUNT_READ, "%s",
                     amounts[i].text);
        cr_assert_eq(minor, amounts[i].amount_minor, "%s", amounts[i].text);
    }
}

/* Of any amount, in each number of digits that a currency has. */
Test(amount_parse, reads_any_amount_back)
{
    struct rng rng = rng_from(rng_seed("amount_parse"));
    for (int i = 0; i < 100000; i++) {
        int64_t amount_minor = (int64_t)rng_next(&rng) >> rng_below(&rng, 64), minor;
        int32_t digits = (int32_t)rng_below(&rng, CURRENCY_DIGITS_MAX + 1);
        const char *text = print(amount_minor, digits);
        cr_assert_eq(parse(text, digits, &minor), AMOUNT_READ, "%s", text);
        cr_assert_eq(minor, amount_minor, "%s", text);
        if (digits > 0)
            cr_assert_eq(parse(text, digits - 1, &minor), AMOUNT_TOO_EXACT, "%s", text);
    }
}

Test(amount_parse, says_what_is_wrong)
{
    static const struct {
        const char *text;
        int32_t digits;
        enum amount_read answer;
        int64_t minor;
    } cases[] = {
        {"12", 2, AMOUNT_READ, 1200},
        {"12.3", 2, AMOUNT_READ, 1230},
        {"-0", 2, AMOUNT_READ, 0},
        {"007.10", 2, AMOUNT_READ, 710},
        {"1.005", 3, AMOUNT_READ, 1005},
        {"1.005", 2, AMOUNT_TOO_EXACT, 42},
        {"1.500", 2, AMOUNT_TOO_EXACT, 42},
        {"100.0", 0, AMOUNT_TOO_EXACT, 42},
        {"", 2, AMOUNT_UNREADABLE, 42},
        {"-", 2, AMOUNT_UNREADABLE, 42},
        {".5", 2, AMOUNT_UNREADABLE, 42},
        {"5.", 2, AMOUNT_UNREADABLE, 42},
        {"5.", 0, AMOUNT_UNREADABLE, 42},
        {"1,5", 2, AMOUNT_UNREADABLE, 42},
        {"1.2.3", 2, AMOUNT_UNREADABLE, 42},
        {"+1", 2, AMOUNT_UNREADABLE, 42},
        {"1 ", 2, AMOUNT_UNREADABLE, 42},
        {"1e2", 2, AMOUNT_UNREADABLE, 42},
        {"--1", 2, AMOUNT_UNREADABLE, 42},
        {"9223372036854775808", 0, AMOUNT_TOO_LARGE, 42},
        {"-9223372036854775809", 0, AMOUNT_TOO_LARGE, 42},
        {"92233720368547758.08", 2, AMOUNT_TOO_LARGE, 42},
        {"92233720368547759", 2, AMOUNT_TOO_LARGE, 42},
        {"922337203685477581", 2, AMOUNT_TOO_LARGE, 42},
        {"99999999999999999999999", 0, AMOUNT_TOO_LARGE, 42},
    };
    int64_t minor;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(parse(cases[i].text, cases[i].digits, &minor), cases[i].answer, "'%s'",
                     cases[i].text);
        cr_assert_eq(minor, cases[i].minor, "'%s'", cases[i].text);
    }
}
