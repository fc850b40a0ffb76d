/*
 * tests/unit/test_admission.c - commands wait for answers, but never for long.
 */
#include "consumers/admission.h"

#include <criterion/criterion.h>

#define START_US INT64_C(1700000000000000)

Test(admission_room, lets_as_many_in_as_are_wanted)
{
    struct admission admission = {0};
    cr_expect_eq(admission_room(&admission, 0, 100, START_US), 100);
    cr_expect_eq(admission_room(&admission, 99, 100, START_US + 1), 1);
}

Test(admission_room, holds_back_while_too_many_are_open)
{
    struct admission admission = {0};
    cr_expect_eq(admission_room(&admission, 100, 100, START_US), 0);
    cr_expect_eq(admission_room(&admission, 5000, 100, START_US + ADMISSION_HELD_US - 1), 0);
    cr_expect_eq(admission_room(&admission, 40, 100, START_US + ADMISSION_HELD_US - 1), 60);
}

Test(admission_room, lets_some_in_where_no_answer_comes)
{
    struct admission admission = {0};
    size_t taken = 0;
    for (int64_t us = 0; us <= 4 * ADMISSION_HELD_US; us += 1000)
        taken += admission_room(&admission, 100 + taken, 100, START_US + us);
    cr_expect_eq(taken, 4 * ADMISSION_TRICKLE);
}

Test(admission_room, counts_each_wait_from_its_own_beginning)
{
    struct admission admission = {0};
    cr_expect_eq(admission_room(&admission, 100, 100, START_US), 0);
    cr_expect_eq(admission_room(&admission, 99, 100, START_US + ADMISSION_HELD_US), 1);
    cr_expect_eq(admission_room(&admission, 100, 100, START_US + ADMISSION_HELD_US + 1), 0,
                 "the wait before this one is over");
}
