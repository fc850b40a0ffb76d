#include "lib/program/ol_lives.h"

#include <criterion/criterion.h>

#define MINUTE_US INT64_C(60000000)

static struct ol_lives lives;

Test(ol_lives_back_off_ms, doubles_up_to_its_bound)
{
    static const int64_t waits[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        ol_lives_begin(&lives);
        cr_assert_eq(ol_lives_back_off_ms(&lives, false), waits[i]);
    }
}

Test(ol_lives_back_off_ms, begins_anew_after_a_life_that_did_something_or_lasted)
{
    ol_lives_begin(&lives);
    ol_lives_back_off_ms(&lives, false);
    cr_assert_eq(ol_lives_back_off_ms(&lives, true), 100);
    cr_assert_eq(ol_lives_back_off_ms(&lives, false), 200);
    lives.began_us -= MINUTE_US;
    cr_assert_eq(ol_lives_back_off_ms(&lives, false), 100);
}

Test(ol_lives_slot_is_taken, when_it_happens_twice_in_a_minute)
{
    cr_assert_not(ol_lives_slot_is_taken(&lives, OL_CONFLICT));
    cr_assert_not(ol_lives_slot_is_taken(&lives, OL_RETRY));
    cr_assert(ol_lives_slot_is_taken(&lives, OL_CONFLICT));
    lives.fenced_us -= MINUTE_US;
    cr_assert_not(ol_lives_slot_is_taken(&lives, OL_CONFLICT));
}
