#include "lib/base/ol_unseen.h"

#include <criterion/criterion.h>
#include <string.h>

Test(ol_unseen_kind, takes_its_ranges_from_a_table_that_rises)
{
    static const uint32_t ends[][2] = {
#define UNSEEN(first, last, kind) {first, last},
#include "lib/base/ol_unseen.def"
#undef UNSEEN
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        cr_expect_leq(ends[i][0], ends[i][1]);
        cr_expect(i == 0 || ends[i - 1][1] < ends[i][0], "row %zu", i);
        cr_expect_neq(ol_unseen_kind(ends[i][0]), OL_SEEN, "row %zu", i);
        cr_expect_neq(ol_unseen_kind(ends[i][1]), OL_SEEN, "row %zu", i);
        bool joined = i + 1 < sizeof ends / sizeof ends[0] && ends[i + 1][0] == ends[i][1] + 1;
        cr_expect(joined || ol_unseen_kind(ends[i][1] + 1) == OL_SEEN, "row %zu", i);
    }
    cr_expect_eq(ol_unseen_kind(' '), OL_SEEN);
    cr_expect_eq(ol_unseen_kind(0x10FFFF), OL_SEEN);
}

Test(ol_unseen_find, says_what_and_where)
{
    static const struct {
        const char *text;
        enum ol_unseen found;
        size_t position;
    } rows[] = {
        {"", OL_SEEN, 99},
        {"a b c", OL_SEEN, 99},
        {"a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8D\x85", OL_SEEN, 99},
        {"a\x1b", OL_UNSEEN_CONTROL, 1},
        {"ab\xC2\x85", OL_UNSEEN_CONTROL, 2},
        {"\xC3\xA9\xE2\x80\xAE", OL_UNSEEN_LAYOUT, 2},
        {"\xE2\x82\xAC\xC2\xA0", OL_UNSEEN_BLANK, 3},
        {"\xF0\x9F\x8D\x85\xEF\xB8\x8F", OL_UNSEEN_HIDDEN, 4},
        {"\xF3\xA0\x81\x81", OL_UNSEEN_HIDDEN, 0},
        {" a", OL_UNSEEN_EDGE, 0},
        {"a ", OL_UNSEEN_EDGE, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t position = 99;
        cr_expect_eq(ol_unseen_find(rows[i].text, strlen(rows[i].text), &position), rows[i].found,
                     "row %zu", i);
        cr_expect_eq(position, rows[i].position, "row %zu", i);
    }
}

Test(ol_unseen_find, reads_nothing_beyond_the_end)
{
    char cut[] = {'a', (char)0xE2, (char)0x80};
    cr_expect_eq(ol_unseen_find(cut, sizeof cut, NULL), OL_UNSEEN_CONTROL); /* 0x80 by itself */
    cr_expect_eq(ol_unseen_find(cut, 2, NULL), OL_SEEN);
}
