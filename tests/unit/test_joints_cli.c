/*
 * tests/unit/test_joints_cli.c - what the commands of operators assert where their parts meet: each
 * with a fault that trips it.
 */
#include "cli/history.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "cli/topics.c"  /* NOLINT(bugprone-suspicious-include) */
#include "verify/scan.c" /* NOLINT(bugprone-suspicious-include) */
#include "tests/support/fault.h"

static void wants_more_settings_than_there_is_room_for(void)
{
    struct topic_wanted wanted = {.setting_count = TOPICS_SETTINGS_MAX};
    want(&wanted, true, "retention.ms", "%d", 1);
}

static void wants_a_value_that_is_cut(void)
{
    struct topic_wanted wanted = {0};
    want(&wanted, true, "retention.ms", "%s", "1234567890123456789012345");
}

static void wants_nothing(void)
{
    struct topic_wanted wanted = {0};
    want(&wanted, true, "retention.ms", "%s", "");
}

static void goes_on_reading_after_a_failure(void)
{
    struct reading reading = {.failed = true};
    const struct ol_message message = {0};
    read_record(&reading, 0, &message);
}

static void meets_a_record_of_no_range(void)
{
    struct scan scan = {.count = 1};
    const struct ol_message message = {.topic_index = 1};
    pass_message(&scan, &message);
}

Test(joints_cli, are_watched)
{
    static const struct fault faults[] = {
        FAULT(wants_more_settings_than_there_is_room_for, "setting_count < TOPICS_SETTINGS_MAX"),
        FAULT(wants_a_value_that_is_cut, "(size_t)bytes < sizeof setting->value"),
        FAULT(wants_nothing, "bytes > 0"),
        FAULT(goes_on_reading_after_a_failure, "!reading->failed"),
        FAULT(meets_a_record_of_no_range, "range < scan->count"),
    };
    FAULTS_TRIP(faults);
}
