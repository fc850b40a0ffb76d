#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_hash.h"
#include "projections/rowset.h"

static struct ol_arena arena;
static struct rowset set;

static void begin(void)
{
    ol_arena_init(&arena, 1 << 16, 0);
}

static void end(void)
{
    rowset_release(&set);
    ol_arena_release(&arena);
}

static struct text none;

Test(rowset, finds_what_was_added_and_nothing_else, .init = begin, .fini = end)
{
    cr_assert_null(rowset_find(&set, TEXT("a"), none));
    struct keyed_row *row = rowset_add(&set, &arena, sizeof *row, TEXT("a"), TEXT("b"));
    cr_assert_eq(rowset_find(&set, TEXT("a"), TEXT("b")), row);
    cr_assert_null(rowset_find(&set, TEXT("a"), none));
    cr_assert_null(rowset_find(&set, TEXT("b"), TEXT("a")));
    cr_assert_null(rowset_find(&set, TEXT("ab"), none));
}

/* Found by search: XXH3-64 gives both the same digest. */
Test(rowset, tells_keys_of_one_hash_apart, .init = begin, .fini = end)
{
    const struct text a = TEXT("cholmiialjnllfge"), b = TEXT("dokkifjljjidbobh");
    cr_assert_eq(ol_hash(a.data, a.bytes), ol_hash(b.data, b.bytes));
    struct keyed_row *first = rowset_add(&set, &arena, sizeof *first, a, none);
    cr_assert_null(rowset_find(&set, b, none));
    struct keyed_row *second = rowset_add(&set, &arena, sizeof *second, b, none);
    cr_assert_eq(rowset_find(&set, a, none), first);
    cr_assert_eq(rowset_find(&set, b, none), second);

    first = rowset_add(&set, &arena, sizeof *first, TEXT("o-1"), a);
    cr_assert_null(rowset_find(&set, TEXT("o-1"), b));
    second = rowset_add(&set, &arena, sizeof *second, TEXT("o-1"), b);
    cr_assert_eq(rowset_find(&set, TEXT("o-1"), a), first);
    cr_assert_eq(rowset_find(&set, TEXT("o-1"), b), second);
}

Test(rowset, keeps_a_copy_of_the_key, .init = begin, .fini = end)
{
    char id[] = "order-1";
    struct keyed_row *row = rowset_add(&set, &arena, sizeof *row, text_of(id), none);
    id[0] = 'X';
    cr_assert_eq(rowset_find(&set, TEXT("order-1"), none), row);
}

Test(rowset, grows_and_is_used_again, .init = begin, .fini = end)
{
    char id[32];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(id, sizeof id, "%d", i * 7);
            cr_assert_null(rowset_find(&set, text_of(id), none));
            cr_assert_not_null(
                rowset_add(&set, &arena, sizeof(struct keyed_row), text_of(id), none));
        }
        cr_assert_eq(set.count, 5000);
        cr_assert_not_null(rowset_find(&set, TEXT("7"), none));
        cr_assert_null(rowset_find(&set, TEXT("8"), none));
        rowset_clear(&set);
        ol_arena_clear(&arena);
    }
}

/* As the C collation does: bytes, then length; the second key settles the rest. */
Test(rowset, sorts_bytewise, .init = begin, .fini = end)
{
    static const struct {
        const char *id, *second;
    } sorted[] = {{"", ""},          {"1", ""},         {"10", ""},    {"10000000", ""},
                  {"100000000", ""}, {"100000001", ""}, {"2", "a"},    {"2", "b"},
                  {"A", ""},         {"a", ""},         {"a\x7f", ""}, {"a\xc3\xa9", ""},
                  {"\xc3\xa9", ""}};
    size_t count = sizeof sorted / sizeof *sorted;
    for (size_t i = 0; i < count; i++) {
        size_t j = (i * 5 + 3) % count;
        rowset_add(&set, &arena, sizeof(struct keyed_row), text_of(sorted[j].id),
                   text_of(sorted[j].second));
    }
    rowset_sort(&set);
    for (size_t i = 0; i < count; i++) {
        cr_assert(text_equal(set.rows[i]->id, text_of(sorted[i].id)), "%zu", i);
        cr_assert(text_equal(set.rows[i]->second, text_of(sorted[i].second)), "%zu", i);
    }
}
