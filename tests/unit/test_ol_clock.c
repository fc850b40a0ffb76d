#include "lib/base/ol_clock.h"

#include <criterion/criterion.h>
#include <string.h>

static bool parse(const char *text, int64_t *ret_at_us)
{
    return ol_clock_parse(text, strlen(text), ret_at_us);
}

Test(ol_clock_parse, reads_rfc_3339)
{
    static const struct {
        const char *text;
        int64_t at_us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00", 0},
        {"1970-01-01 00:00:00.5", 500000},
        {"1970-01-01T02:30:00+02:30", 0},
        {"1969-12-31T23:00:00-01:00", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2017-10-02T10:56:33Z", 1506941793000000},
        {"2017-10-02 10:56:33", 1506941793000000},
        {"2017-10-02 10:56:33Z", 1506941793000000},
        {"2017-10-02 12:56:33.000001+02:00", 1506941793000001},
        {"2000-02-29T00:00:00Z", 951782400000000},
        {"1970-01-01T00:00:00.123456789Z", 123456}, /* cut, not rounded */
        {"0001-01-01T00:00:00Z", OL_CLOCK_MIN_US},
        {"9999-12-31T23:59:59.999999Z", OL_CLOCK_MAX_US},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at_us = 42;
        cr_expect(parse(rows[i].text, &at_us), "%s", rows[i].text);
        cr_expect_eq(at_us, rows[i].at_us, "%s", rows[i].text);
    }
}

Test(ol_clock_parse, refuses_what_is_not_a_time)
{
    static const char *const rows[] = {
        "",
        "now",
        "2017-10-02",
        "2017-10-02T10:56:33",   /* a T wants its zone */
        "2017-10-02T10:56:33 Z", /* space before the zone */
        "2017-10-02T10:56:33.Z", /* no digit behind the point */
        "2017-10-02T10:56:33,5Z",
        "2017-10-02T10:56:33.1234567890Z",
        "2017-10-02T10:56Z",
        "2017-10-02T24:00:00Z",
        "2017-10-02T23:60:00Z",
        "2016-12-31T23:59:60Z", /* leap second */
        "2017-10-02T10:56:33+2:00",
        "2017-10-02T10:56:33+0200",
        "2017-10-02T10:56:33+24:00",
        "2017-10-02T10:56:33Zx",
        " 2017-10-02T10:56:33Z",
        "17-10-02T10:56:33Z",
        "2017-13-02T10:56:33Z",
        "2017-00-02T10:56:33Z",
        "2017-04-31T10:56:33Z",
        "2017-02-29T10:56:33Z",
        "1900-02-29T10:56:33Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01", /* before the first year in UTC */
        "9999-12-31T23:59:59-00:01", /* behind the last */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at_us = 42;
        cr_expect_not(parse(rows[i], &at_us), "%s", rows[i]);
        cr_expect_eq(at_us, 42);
    }
}

Test(ol_clock_parse, uses_the_size_not_a_nul)
{
    int64_t at_us;
    cr_assert(ol_clock_parse("1970-01-01T00:00:01Z and more", 20, &at_us));
    cr_assert_eq(at_us, 1000000);
    cr_assert_not(ol_clock_parse("1970-01-01T00:00:01\0", 20, &at_us));
}

Test(ol_clock_format, writes_the_shortest_exact_fraction)
{
    static const struct {
        int64_t at_us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {500000, "1970-01-01T00:00:00.500Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {OL_CLOCK_MIN_US, "0001-01-01T00:00:00Z"},
        {OL_CLOCK_MAX_US, "9999-12-31T23:59:59.999999Z"},
        {OL_CLOCK_MIN_US - 1, ""},
        {OL_CLOCK_MAX_US + 1, ""},
        {INT64_MIN, ""},
        {INT64_MAX, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[OL_CLOCK_TEXT_BYTES];
        cr_expect_eq(ol_clock_format(rows[i].at_us, text), strlen(rows[i].text));
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(ol_clock_format, is_undone_by_parse_on_every_day)
{
    const int64_t day_us = 86400000000, odd_us = 45296789012;
    char text[OL_CLOCK_TEXT_BYTES], before[OL_CLOCK_TEXT_BYTES] = "";
    for (int64_t at_us = OL_CLOCK_MIN_US + odd_us; at_us < OL_CLOCK_MAX_US; at_us += day_us) {
        int64_t again_us = 42;
        ol_clock_format(at_us, text);
        if (!parse(text, &again_us) || again_us != at_us || strcmp(before, text) >= 0)
            cr_assert_fail("%s", text);
        strcpy(before, text);
    }
}

Test(ol_clock_wall_us, is_in_this_century)
{
    cr_assert_gt(ol_clock_wall_us(), 1700000000000000);
    cr_assert_lt(ol_clock_wall_us(), 4102444800000000);
}

Test(ol_clock_monotonic_us, does_not_go_back)
{
    int64_t before_us = ol_clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now_us = ol_clock_monotonic_us();
        cr_assert_geq(now_us, before_us);
        before_us = now_us;
    }
}
