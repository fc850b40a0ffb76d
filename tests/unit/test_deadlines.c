/*
 * tests/unit/test_deadlines.c - the earliest deadline first, whatever is set, replaced or removed.
 */
#include "consumers/deadlines.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/rng.h"

static struct deadlines *deadlines;

static void set_up(void)
{
    deadlines = deadlines_new();
    cr_assert(deadlines);
}

static void tear_down(void)
{
    deadlines_free(deadlines);
}

TestSuite(deadlines_first, .init = set_up, .fini = tear_down);
TestSuite(deadlines_set, .init = set_up, .fini = tear_down);
TestSuite(deadlines_remove, .init = set_up, .fini = tear_down);
TestSuite(deadlines_put_off_first, .init = set_up, .fini = tear_down);
TestSuite(deadlines_clear, .init = set_up, .fini = tear_down);

static void set(const char *order_id, int64_t deadline_us)
{
    cr_assert(deadlines_set(deadlines, text_of(order_id), 1, deadline_us));
}

/* The first order's id, taken out; "" when there is none. */
static const char *take(void)
{
    static char id[32];
    const struct deadline *first = deadlines_first(deadlines);
    if (!first)
        return "";
    snprintf(id, sizeof id, "%.*s", (int)first->order_id.bytes, first->order_id.data);
    deadlines_remove(deadlines, text_of(id));
    return id;
}

Test(deadlines_first, is_the_earliest)
{
    cr_assert_null(deadlines_first(deadlines));
    set("c", 30);
    set("a", 10);
    set("d", 40);
    set("b", 20);
    cr_assert_eq(deadlines_first(deadlines)->due_us, 10);
    cr_assert_eq(deadlines_first(deadlines)->deadline_us, 10);
    cr_assert_eq(deadlines_first(deadlines)->partition, 1);
    for (const char *expected = "abcd"; *expected; expected++)
        cr_assert_eq(*take(), *expected);
    cr_assert_eq(deadlines_count(deadlines), 0u);
}

Test(deadlines_set, owns_the_id)
{
    char id[] = "order-1";
    set(id, 5);
    memset(id, 'x', sizeof id - 1);
    cr_assert_str_eq(take(), "order-1");
}

Test(deadlines_set, replaces_what_the_order_had)
{
    set("a", 10);
    set("b", 20);
    set("a", 30);
    cr_assert_eq(deadlines_count(deadlines), 2u);
    cr_assert_str_eq(take(), "b");
    set("a", 5);
    set("b", 7);
    cr_assert_str_eq(take(), "a");
}

Test(deadlines_set, to_the_same_deadline_keeps_it_put_off)
{
    set("a", 10);
    set("b", 20);
    deadlines_put_off_first(deadlines, 25);
    set("a", 10);
    cr_assert_str_eq(take(), "b");
    cr_assert_eq(deadlines_first(deadlines)->due_us, 25);
    set("a", 11);
    cr_assert_eq(deadlines_first(deadlines)->due_us, 11, "another deadline is due at its own time");
}

Test(deadlines_set, takes_any_time)
{
    static const int64_t times[] = {INT64_MAX, 0, INT64_MIN, -1, INT64_MAX - 1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        set(id, times[i]);
        set(id, times[i]);
    }
    cr_assert_eq(deadlines_count(deadlines), 5u);
    for (const char *expected = "cdbea"; *expected; expected++)
        cr_assert_eq(*take(), *expected);
}

Test(deadlines_remove, takes_one_out_wherever_it_is)
{
    char ids[] = "abcdefgh";
    for (size_t gone = 0; gone < 8; gone++) {
        for (size_t i = 0; i < 8; i++)
            set((char[]){ids[i], '\0'}, (int64_t)(i * 5 % 8)); /* 0 5 2 7 4 1 6 3 */
        deadlines_remove(deadlines, (struct text){&ids[gone], 1});
        deadlines_remove(deadlines, (struct text){&ids[gone], 1});
        for (const char *expected = "afchebgd"; *expected; expected++)
            if (*expected != ids[gone])
                cr_assert_eq(*take(), *expected, "without %c", ids[gone]);
        cr_assert_eq(deadlines_count(deadlines), 0u);
    }
}

Test(deadlines_put_off_first, comes_again_later)
{
    set("a", 10);
    set("b", 20);
    set("c", 30);
    deadlines_put_off_first(deadlines, 25);
    cr_assert_eq(deadlines_first(deadlines)->due_us, 20);
    cr_assert_str_eq(take(), "b");
    const struct deadline *first = deadlines_first(deadlines);
    cr_assert_eq(first->due_us, 25);
    cr_assert_eq(first->deadline_us, 10, "the deadline that is meant stays");
    cr_assert_str_eq(take(), "a");
}

Test(deadlines_put_off_first, asserts_that_it_is_not_brought_forward, .signal = SIGABRT)
{
    set("a", 10);
    deadlines_put_off_first(deadlines, 9);
}

Test(deadlines_clear, leaves_nothing_and_serves_again)
{
    for (int i = 0; i < 3000; i++) {
        char id[16];
        snprintf(id, sizeof id, "o-%d", i);
        set(id, 3000 - i);
    }
    deadlines_clear(deadlines);
    cr_assert_eq(deadlines_count(deadlines), 0u);
    cr_assert_null(deadlines_first(deadlines));
    set("a", 1);
    cr_assert_str_eq(take(), "a");
}

/* ---- against a naive model ---- */

#define ORDERS 400
#define MOVES  200000

struct naive {
    bool there;
    int64_t due_us, deadline_us;
};

static struct text id_of(char *buffer, size_t order)
{
    int bytes = sprintf(buffer, "order-%zu", order);
    return (struct text){buffer, (uint32_t)bytes};
}

/* Ids have no NUL behind them. */
static size_t number_of(struct text id)
{
    size_t number = 0;
    for (uint32_t i = 6; i < id.bytes; i++)
        number = 10 * number + (size_t)(id.data[i] - '0');
    return number;
}

/* The earliest due of all; ties are anybody's. */
static int64_t naive_first(const struct naive *naive, size_t *ret_count)
{
    int64_t due_us = INT64_MAX;
    *ret_count = 0;
    for (size_t i = 0; i < ORDERS; i++) {
        if (!naive[i].there)
            continue;
        ++*ret_count;
        due_us = naive[i].due_us < due_us ? naive[i].due_us : due_us;
    }
    return due_us;
}

Test(deadlines_first, is_what_a_plain_array_says)
{
    static struct naive naive[ORDERS];
    struct rng rng = rng_from(rng_seed("deadlines"));
    for (size_t move = 0; move < MOVES; move++) {
        char buffer[32];
        size_t order = rng_below(&rng, ORDERS);
        struct text id = id_of(buffer, order);
        const struct deadline *first = deadlines_first(deadlines);
        switch (rng_below(&rng, 5)) {
        case 0:
            deadlines_remove(deadlines, id);
            naive[order].there = false;
            break;
        case 1:
            if (!first)
                break;
            order = number_of(first->order_id);
            naive[order].due_us += (int64_t)rng_below(&rng, 500);
            deadlines_put_off_first(deadlines, naive[order].due_us);
            break;
        default: {
            int64_t deadline_us = rng_between(&rng, -50, 1000);
            cr_assert(deadlines_set(deadlines, id, 0, deadline_us));
            if (!naive[order].there || naive[order].deadline_us != deadline_us)
                naive[order] = (struct naive){true, deadline_us, deadline_us};
        }
        }
        if (move % 16 && move < MOVES - 1000)
            continue;
        size_t count;
        int64_t due_us = naive_first(naive, &count);
        first = deadlines_first(deadlines);
        cr_assert_eq(deadlines_count(deadlines), count);
        cr_assert_eq(first != NULL, count > 0);
        if (!first)
            continue;
        order = number_of(first->order_id);
        cr_assert_eq(first->due_us, due_us);
        cr_assert_eq(naive[order].due_us, due_us);
        cr_assert_eq(first->deadline_us, naive[order].deadline_us);
    }
}
