/* tests/unit/test_joints_lag.c - what `lag` asserts of its list of positions. */
#include "cli/lag.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "tests/support/fault.h"

static struct ol_error error;
static struct lag lag;

static void lists_more_positions_than_there_are(void)
{
    lag.partitions = 1;
    lag.count = POSITIONS_MAX;
    add_positions(&lag, "group", "topic");
}

static void reads_one_group_for_another(void)
{
    lag.partitions = 1;
    lag.groups[0] = worker_group_name("orderlog", CONTEXT_ORDERS);
    add_positions(&lag, "another", "topic");
    read_worker_positions(&lag, &error);
}

Test(joints_lag, are_watched)
{
    static const struct fault faults[] = {
        FAULT(lists_more_positions_than_there_are, "<= POSITIONS_MAX"),
        FAULT(reads_one_group_for_another, "strcmp(lag->positions"),
    };
    FAULTS_TRIP(faults);
}
