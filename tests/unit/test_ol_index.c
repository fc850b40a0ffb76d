#include "lib/base/ol_index.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct ol_index numbers;

/* How often the number is found under the hash. */
static int times(uint64_t hash, uint32_t number)
{
    int found = 0;
    for (struct ol_index_walk walk = ol_index_walk(&numbers, hash); ol_index_next(&walk);)
        found += walk.number == number;
    return found;
}

/* A few hashes for many numbers, all ending on one slot. */
static uint64_t crowded(uint32_t number)
{
    return (uint64_t)(number % 7) << 20 | 5;
}

Test(ol_index, is_empty_before_the_first)
{
    cr_assert_eq(times(0, 0), 0);
    ol_index_clear(&numbers);
    ol_index_release(&numbers);
}

Test(ol_index, finds_each_number_once_however_it_has_grown)
{
    for (uint32_t i = 0; i < 5000; i++)
        cr_assert(ol_index_put(&numbers, i % 2 ? crowded(i) : i * UINT64_C(0x9e3779b97f4a7c15), i));
    for (uint32_t i = 0; i < 5000; i++) {
        uint64_t hash = i % 2 ? crowded(i) : i * UINT64_C(0x9e3779b97f4a7c15);
        cr_assert_eq(times(hash, i), 1, "%u", i);
    }
    cr_assert_eq(times(crowded(1), 2), 0, "under another hash");
    cr_assert_geq(numbers.slot_count, 2 * numbers.count);
    ol_index_release(&numbers);
}

Test(ol_index, is_cleared_with_its_memory_kept)
{
    cr_assert(ol_index_put(&numbers, 1, 2));
    size_t slots = numbers.slot_count;
    ol_index_clear(&numbers);
    cr_assert_eq(times(1, 2), 0);
    cr_assert_eq(numbers.slot_count, slots);
    cr_assert(ol_index_put(&numbers, 1, 3));
    cr_assert_eq(times(1, 3), 1);
    ol_index_release(&numbers);
}

Test(ol_index, has_the_room_that_was_reserved)
{
    cr_assert(ol_index_reserve(&numbers, 1000));
    const struct ol_index_slot *slots = numbers.slots;
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(ol_index_put(&numbers, i, i));
    cr_assert_eq(numbers.slots, slots);
    ol_index_release(&numbers);
}

/* A number that reads as a free slot would never be found again. */
Test(ol_index, takes_no_number_without_a_place, .signal = SIGABRT)
{
    ol_index_put(&numbers, 1, UINT32_MAX);
}

/* A table that is full would be walked for ever. */
Test(ol_index, is_never_more_than_half_full, .signal = SIGABRT)
{
    cr_assert(ol_index_put(&numbers, 1, 1));
    numbers.count = SIZE_MAX / 2; /* so many that twice as many are none, and it would not grow */
    ol_index_put(&numbers, 2, 2);
}
