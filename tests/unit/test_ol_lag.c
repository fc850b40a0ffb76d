#include "lib/http/ol_lag.h"

#include <criterion/criterion.h>

#define SECOND_US INT64_C(1000000)
#define WALL_US   INT64_C(1700000000000000)

/* One look a second, and what it shows. */
struct look {
    int64_t position, end, oldest_s; /* the oldest waits for so long by the broker's clock; -1: */
    int64_t records, age_s;          /* ... none was read */
};

static void look(const struct look *looks, size_t count)
{
    struct ol_lag lag = {0};
    for (size_t i = 0; i < count; i++) {
        const struct look *row = &looks[i];
        int64_t now_us = SECOND_US * (int64_t)i;
        int64_t oldest_ms =
            row->oldest_s < 0 ? 0 : (WALL_US + now_us - row->oldest_s * SECOND_US) / 1000;
        struct ol_lag_shown shown =
            ol_lag_look(&lag, row->position, row->end, oldest_ms, now_us, WALL_US + now_us);
        cr_expect_eq(shown.records, row->records, "look %zu", i);
        cr_expect_eq(shown.age_us, row->age_s * SECOND_US, "look %zu: %lld us", i,
                     (long long)shown.age_us);
    }
}

#define LOOK(looks) look(looks, sizeof(looks) / sizeof *(looks))

Test(ol_lag, is_nothing_at_the_end)
{
    static const struct look looks[] = {{0, 0, -1, 0, 0}, {7, 7, 3, 0, 0}, {9, 7, -1, 0, 0}};
    LOOK(looks);
}

Test(ol_lag, is_as_old_as_the_oldest_that_was_read)
{
    static const struct look looks[] = {{2, 7, 30, 5, 30}, {3, 7, 28, 4, 28}, {3, 9, 29, 6, 29}};
    LOOK(looks);
}

/* A clock behind the broker's must not show a time to come. */
Test(ol_lag, is_never_younger_than_now)
{
    struct ol_lag lag = {0};
    struct ol_lag_shown shown = ol_lag_look(&lag, 0, 1, WALL_US / 1000 + 5000, 0, WALL_US);
    cr_expect_eq(shown.age_us, 0);
}

Test(ol_lag, grows_while_nothing_is_taken_though_nothing_was_read)
{
    static const struct look looks[] = {
        {2, 2, -1, 0, 0}, {2, 5, -1, 3, 0}, {2, 5, -1, 3, 1}, {3, 9, -1, 6, 2}, {5, 9, -1, 4, 0},
    };
    LOOK(looks);
}

/* Each look meets it a little behind, and never far. */
Test(ol_lag, stays_small_where_the_work_keeps_up)
{
    static const struct look looks[] = {
        {10, 12, -1, 2, 0}, {19, 22, -1, 3, 0}, {31, 32, -1, 1, 0}, {40, 42, -1, 2, 0}};
    LOOK(looks);
}
