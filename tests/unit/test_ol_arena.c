#include "lib/base/ol_arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(ol_arena_alloc, aligns_to_sixteen)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 256, 0);
    for (size_t bytes = 0; bytes < 40; bytes++)
        cr_assert((uintptr_t)ol_arena_alloc(&arena, bytes) % 16 == 0);
    ol_arena_release(&arena);
}

Test(ol_arena_alloc, serves_more_than_a_block)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 64, 0);
    char *large = ol_arena_alloc(&arena, 10000);
    cr_assert(large);
    memset(large, 1, 10000);
    cr_assert(ol_arena_alloc(&arena, 64));
    ol_arena_release(&arena);
}

Test(ol_arena_alloc, refuses_above_the_budget_and_works_again_after_clear)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 64, 128);
    cr_assert(ol_arena_alloc(&arena, 128));
    cr_assert(!ol_arena_alloc(&arena, 1));
    ol_arena_clear(&arena);
    cr_assert(ol_arena_alloc(&arena, 1));
    ol_arena_release(&arena);
}

Test(ol_arena_alloc, refuses_sizes_that_wrap_around)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 64, 0);
    cr_assert(!ol_arena_alloc(&arena, SIZE_MAX));
    cr_assert(!ol_arena_copy(&arena, "", SIZE_MAX));
    ol_arena_release(&arena);
}

Test(ol_arena_clear, keeps_ordinary_blocks_and_loses_no_memory)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 64, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++)
            memset(ol_arena_zalloc(&arena, 48), 1, 48);
        ol_arena_alloc(&arena, 1000);
        ol_arena_clear(&arena);
        cr_assert_eq(arena.used_bytes, 0);
    }
    ol_arena_release(&arena);
}

/* Else each large one leaves blocks behind, and the next round takes new ones. */
Test(ol_arena_alloc, goes_on_in_the_same_block_after_a_large_one)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 256, 0);
    unsigned char *first[40];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            unsigned char *small = ol_arena_alloc(&arena, 64);
            if (round == 0)
                first[i] = small;
            cr_assert_eq(small, first[i], "round %d, %d", round, i);
            cr_assert(ol_arena_alloc(&arena, 5000));
        }
        ol_arena_clear(&arena);
    }
    ol_arena_release(&arena);
}

Test(ol_arena_copy, puts_a_nul_behind)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 64, 0);
    cr_assert_str_eq(ol_arena_copy(&arena, "order/1234", 5), "order");
    cr_assert_str_eq(ol_arena_copy(&arena, NULL, 0), "");
    ol_arena_release(&arena);
}
