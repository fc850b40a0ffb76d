/* tests/unit/test_joints_submit.c - what submit asserts of receipts and outcomes. */
#include "producers/submit.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "tests/support/fault.h"

static struct submit submit;
static struct item item;

static void is_acknowledged_twice(void)
{
    const struct ol_receipt receipt = {.class = OL_OK, .opaque = &item};
    item.place.offset = 7;
    on_receipt(&submit, &receipt);
}

static void is_answered_before_it_is_acknowledged(void)
{
    const struct outcome outcome = {.kind = OUTCOME_IS_ACCEPTED, .last = true, .opaque = &item};
    item.place = nowhere;
    on_outcome(&submit, &outcome);
}

Test(joints_submit, are_watched)
{
    static const struct fault faults[] = {
        FAULT(is_acknowledged_twice, "item->place.offset < 0"),
        FAULT(is_answered_before_it_is_acknowledged, "item->place.offset >= 0"),
    };
    FAULTS_TRIP(faults);
}
