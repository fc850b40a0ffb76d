#include "lib/base/ol_int.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *text;
    int64_t min, max;
    enum ol_int fault;
    int64_t value;
} rows[] = {
    {"0", 0, 9, OL_INT_OK, 0},
    {"-0", 0, 9, OL_INT_OK, 0},
    {"007", 0, 9, OL_INT_OK, 7},
    {"-5", -5, 5, OL_INT_OK, -5},
    {"9223372036854775807", INT64_MIN, INT64_MAX, OL_INT_OK, INT64_MAX},
    {"-9223372036854775808", INT64_MIN, INT64_MAX, OL_INT_OK, INT64_MIN},
    {"9223372036854775808", INT64_MIN, INT64_MAX, OL_INT_OUTSIDE, 0},
    {"-9223372036854775809", INT64_MIN, INT64_MAX, OL_INT_OUTSIDE, 0},
    {"99999999999999999999999", INT64_MIN, INT64_MAX, OL_INT_OUTSIDE, 0},
    {"10", 0, 9, OL_INT_OUTSIDE, 0},
    {"-1", 0, 9, OL_INT_OUTSIDE, 0},
    {"", 0, 9, OL_INT_BAD, 0},
    {"-", -9, 9, OL_INT_BAD, 0},
    {"+1", 0, 9, OL_INT_BAD, 0},
    {" 1", 0, 9, OL_INT_BAD, 0},
    {"1 ", 0, 9, OL_INT_BAD, 0},
    {"1.0", 0, 9, OL_INT_BAD, 0},
    {"0x1", 0, 9, OL_INT_BAD, 0},
    {"99999999999999999999999x", 0, 9, OL_INT_BAD, 0},
};

Test(ol_int_parse, takes_integers_within_bounds_and_nothing_else)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 42;
        enum ol_int fault =
            ol_int_parse(rows[i].text, strlen(rows[i].text), rows[i].min, rows[i].max, &value);
        cr_expect_eq(fault, rows[i].fault, "'%s'", rows[i].text);
        cr_expect_eq(value, rows[i].fault ? 42 : rows[i].value, "'%s'", rows[i].text);
    }
}
