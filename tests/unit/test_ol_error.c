#include "lib/base/ol_error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(ol_fail, fills_text_and_returns_the_class)
{
    struct ol_error error;
    cr_assert_eq(ol_fail(&error, OL_RETRY, "try %d again", 7), OL_RETRY);
    cr_assert_eq(error.class, OL_RETRY);
    cr_assert_str_eq(error.text, "try 7 again");
}

/* Only then are its newlines printed as such: others may be somebody's data. */
Test(ol_fail_lines, says_that_the_lines_are_ours)
{
    struct ol_error error;
    cr_assert_eq(ol_fail_lines(&error, OL_FATAL, "run this:\n  GRANT %s", "a"), OL_FATAL);
    cr_assert(error.has_lines);
    ol_fail_in(&error, "migrate");
    cr_assert(error.has_lines);
    ol_fail(&error, OL_RETRY, "once");
    cr_assert_not(error.has_lines);
    cr_assert_eq(ol_fail_lines(NULL, OL_USAGE, "nobody listens"), OL_USAGE);
}

Test(ol_fail, takes_null)
{
    cr_assert_eq(ol_fail(NULL, OL_USAGE, "nobody listens"), OL_USAGE);
}

Test(ol_fail, truncates_at_the_buffers_end)
{
    struct ol_error error;
    ol_fail(&error, OL_FATAL, "%*s", 5000, "x");
    cr_assert_eq(strlen(error.text), OL_ERROR_TEXT_BYTES - 1);
}

Test(ol_fail_in, puts_the_place_before_and_keeps_the_class)
{
    struct ol_error error;
    ol_fail(&error, OL_POISON, "not UTF-8");
    cr_assert_eq(ol_fail_in(&error, "orders.commands %d", 3), OL_POISON);
    cr_assert_str_eq(error.text, "orders.commands 3: not UTF-8");
}

Test(ol_exit_code, follows_the_contract)
{
    static const struct {
        enum ol_class class;
        int code;
    } rows[] = {{OL_OK, 0},        {OL_FATAL, 1},    {OL_USAGE, 2},
                {OL_NOT_FOUND, 3}, {OL_CONFLICT, 4}, {OL_UNREACHABLE, 5},
                {OL_VIOLATED, 6},  {OL_RETRY, 1},    {OL_POISON, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(ol_exit_code(rows[i].class), rows[i].code);
        cr_assert(ol_class_name(rows[i].class));
    }
}
