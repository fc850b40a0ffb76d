/* tests/unit/test_joints_import.c - what import asserts of receipts and outcomes. */
#include "producers/import.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "tests/support/fault.h"

static struct ol_error error;
static struct import import = {.published = 3, .acknowledged = 3};

static void is_acknowledged_twice(void)
{
    const struct ol_receipt receipt = {.class = OL_OK};
    count_receipt(&import, &receipt);
}

static void misses_an_outcome(void)
{
    import.outcomes = (struct outcomes *)&error; /* somebody waits */
    import.tally.accepted = 2;
    judge(&import, &error);
}

Test(joints_import, are_watched)
{
    static const struct fault faults[] = {
        FAULT(is_acknowledged_twice, "import->acknowledged < import->published"),
        FAULT(misses_an_outcome, "tally_sum(&import->tally) == import->acknowledged"),
    };
    FAULTS_TRIP(faults);
}
