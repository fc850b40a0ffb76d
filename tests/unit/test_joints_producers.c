/*
 * tests/unit/test_joints_producers.c - what the producers' parts assert where they meet: each with
 * a fault that trips it.
 */
#include "producers/line_input.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "producers/outcomes.c"  /* NOLINT(bugprone-suspicious-include) */
#include "producers/publisher.c" /* NOLINT(bugprone-suspicious-include) */
#include "producers/product_history.h"
#include "tests/support/fault.h"

static struct ol_error error;
static char somewhere; /* an address that is not NULL */

/* ---- outcomes ---- */

static struct expected expected[4];
static struct lane lane = {.expected = expected, .first = 1, .count = 2, .capacity = 4};
static struct outcomes outcomes = {.lanes = &lane, .lane_count = 1};

static void answers_one_that_is_gone(void)
{
    lane_answered(&lane, &expected[0]);
}

static void answers_one_to_come(void)
{
    lane_answered(&lane, &expected[3]);
}

static void answers_twice(void)
{
    lane_answered(&lane, &expected[2]);
    lane_answered(&lane, &expected[2]);
}

static void answers_more_than_is_expected(void)
{
    const struct event_message event = {.cause_source = CAUSE_COMMANDS};
    answer(&outcomes, &lane, &event, (struct ol_offset){0});
}

static void reads_what_was_not_assigned(void)
{
    const struct ol_message message = {0};
    read_event(&outcomes, &message, &error);
}

static void forget(void *context, const struct outcome *outcome)
{
    (void)context, (void)outcome;
}

static void gives_up_and_leaves_some(void)
{
    outcomes.handler = forget;
    outcomes.expected_count = 3; /* and two in the lane */
    outcomes_give_up(&outcomes);
}

/* ---- lines ---- */

static void gives_a_line_beyond_what_was_read(void)
{
    const char *line;
    size_t bytes;
    struct line_input input = {.bytes = &somewhere, .end = 1, .capacity = 1};
    give(&input, 1, 1, &line, &bytes);
}

static void makes_room_after_the_end(void)
{
    struct line_input input = {.bytes = &somewhere, .start = 2, .end = 1, .capacity = 1};
    make_room(&input, &error);
}

static void reads_beyond_the_memory(void)
{
    struct line_input input = {.bytes = &somewhere, .end = 2, .capacity = 1};
    make_room(&input, &error);
}

/* ---- publishing ---- */

static void publishes_to_a_topic_that_is_not_open(void)
{
    struct publisher publisher = {.topics[CONTEXT_ORDERS] = {.number = -1, .partitions = 1}};
    publisher_publish_encoded(&publisher, CONTEXT_ORDERS, TEXT("k"), "v", 1, NULL, NULL, &error);
}

static void rewrite(enum inventory_command_kind first, enum inventory_command_kind second)
{
    struct command commands[2] = {{.inventory.kind = first}, {.inventory.kind = second}};
    size_t count = 2;
    product_history_rewrite(NULL, commands, &count, NULL, &error);
}

static void rewrites_what_is_no_row(void)
{
    rewrite(STOCK_INCREASE, STOCK_INCREASE);
}

static void rewrites_a_row_with_another_count(void)
{
    rewrite(PRODUCT_ADD, STOCK_COUNT);
}

Test(joints_producers, are_watched)
{
    static const struct fault faults[] = {
        FAULT(answers_one_that_is_gone, "expected >= lane->expected + lane->first"),
        FAULT(answers_one_to_come, "lane->first + lane->count"),
        FAULT(answers_twice, "expected->opaque != lane"),
        FAULT(answers_more_than_is_expected, "outcomes->expected_count > 0"),
        FAULT(reads_what_was_not_assigned, "outcomes->assigned[lane->context]"),
        FAULT(gives_up_and_leaves_some, "outcomes_pending(outcomes) == 0"),
        FAULT(gives_a_line_beyond_what_was_read, "line_end + skip <= input->end"),
        FAULT(makes_room_after_the_end, "input->start <= input->end"),
        FAULT(reads_beyond_the_memory, "input->end <= input->capacity"),
        FAULT(publishes_to_a_topic_that_is_not_open, "topic->number >= 0"),
        FAULT(rewrites_what_is_no_row, "commands[0].inventory.kind == PRODUCT_ADD"),
        FAULT(rewrites_a_row_with_another_count, "commands[1].inventory.kind == STOCK_INCREASE"),
    };
    FAULTS_TRIP(faults);
}
