#include "lib/base/ol_grow.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

static int *items;
static size_t capacity;

Test(ol_grow, takes_the_first_then_doubles_and_keeps_what_is_there)
{
    static const struct {
        size_t count, capacity;
    } steps[] = {{1, 3}, {3, 3}, {4, 6}, {6, 6}, {7, 12}, {100, 100}, {5, 100}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        cr_assert(OL_GROW(items, capacity, steps[i].count, 3));
        cr_assert_eq(capacity, steps[i].capacity, "step %zu", i);
        if (i == 0)
            items[0] = 7;
        cr_assert_eq(items[0], 7);
    }
    free(items);
}

Test(ol_grow, leaves_all_as_it_was_where_there_can_be_no_memory)
{
    cr_assert(OL_GROW(items, capacity, 3, 3));
    int *before = items;
    cr_assert_not(OL_GROW(items, capacity, SIZE_MAX / 2, 3), "more bytes than there are numbers");
    cr_assert_eq(items, before);
    cr_assert_eq(capacity, 3);
    free(items);
}
