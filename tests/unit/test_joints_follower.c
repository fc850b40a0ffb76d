/*
 * tests/unit/test_joints_follower.c - what the projector's loop asserts where its parts meet: each
 * with a fault that trips it.
 */
#include "projections/follower.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "tests/support/fault.h"

static struct follower follower;
static struct row_batch *written;    /* what the writer has */
static struct write_outcome outcome; /* what it says */

struct row_batch *__wrap_write_thread_batch(const struct write_thread *thread);
struct row_batch *__wrap_write_thread_batch(const struct write_thread *thread)
{
    (void)thread;
    return written;
}

bool __wrap_write_thread_outcome(struct write_thread *thread, int wait_ms,
                                 struct write_outcome *ret_outcome);
bool __wrap_write_thread_outcome(struct write_thread *thread, int wait_ms,
                                 struct write_outcome *ret_outcome)
{
    (void)thread, (void)wait_ms;
    *ret_outcome = outcome;
    return true;
}

/* Partition 1 is followed, and its event 7 is in the batch. */
static void set_up(void)
{
    follower.partitions = 2;
    follower.filling = &follower.batches[0];
    follower.filling->event_count = 1;
    follower.filling->partitions[1] =
        (struct row_batch_partition){.started = true, .touched = true, .now.last_offset = 7};
    follower.followed[1].owned = true;
    follower.followed[1].last.offset = 7;
}

TestSuite(joints_follower, .init = set_up);

static struct ol_error error;
static char somewhere; /* an address that is not NULL */

static void life_begins_with_a_connection(void)
{
    follower.db = (struct ol_pg *)&somewhere;
    live(&follower, &error);
}

static void life_begins_with_a_thread(void)
{
    follower.thread = (struct write_thread *)&somewhere;
    live(&follower, &error);
}

static void life_begins_with_events(void)
{
    live(&follower, &error);
}

static void submits_nothing(void)
{
    follower.filling->event_count = 0;
    submit(&follower);
}

static void submits_while_another_is_written(void)
{
    written = &follower.batches[1];
    submit(&follower);
}

static void submits_another_s_partition(void)
{
    follower.followed[1].owned = false;
    submit(&follower);
}

static void keeps_the_digest_of_another_event(void)
{
    follower.followed[1].last.offset = 6;
    submit(&follower);
}

static void counts_what_is_being_filled(void)
{
    count_batch(&follower, follower.filling, &outcome);
}

static void looks_for_an_event_where_none_is(void)
{
    isolate(&follower, &follower.batches[1], "a planted fault");
}

static void hears_of_a_failure_without_a_class(void)
{
    written = &follower.batches[1];
    outcome.class = OL_FATAL;
    finish_batch(&follower, 0, &error);
}

static void reduce(void)
{
    struct ol_message message = {.offset = 8};
    reduce_record(&follower, 1, &message, &error);
}

static void reduces_another_s_event(void)
{
    follower.followed[1].owned = false;
    reduce();
}

static void reduces_before_the_last_event_is_checked(void)
{
    follower.followed[1].unchecked = true;
    reduce();
}

static void reduces_after_a_halt(void)
{
    follower.followed[1].halted = true;
    reduce();
}

static void takes_partitions_with_events_in_hand(void)
{
    begin_partitions(&follower, &error);
}

static void takes_partitions_while_a_batch_is_written(void)
{
    follower.filling->event_count = 0;
    written = &follower.batches[1];
    begin_partitions(&follower, &error);
}

Test(joints_follower, are_watched)
{
    static const struct fault faults[] = {
        FAULT(life_begins_with_a_connection, "!follower->db"),
        FAULT(life_begins_with_a_thread, "!follower->thread"),
        FAULT(life_begins_with_events, "follower->filling->event_count == 0"),
        FAULT(submits_nothing, "batch->event_count > 0"),
        FAULT(submits_while_another_is_written, "!write_thread_batch(follower->thread)"),
        FAULT(submits_another_s_partition, "followed->owned"),
        FAULT(keeps_the_digest_of_another_event, "followed->last.offset == state->now.last_offset"),
        FAULT(counts_what_is_being_filled, "batch != follower->filling"),
        FAULT(looks_for_an_event_where_none_is, "batch->event_count > 0"),
        FAULT(hears_of_a_failure_without_a_class, "outcome.error.class == outcome.class"),
        FAULT(reduces_another_s_event, "followed->owned"),
        FAULT(reduces_before_the_last_event_is_checked, "!followed->unchecked"),
        FAULT(reduces_after_a_halt, "!followed->halted"),
        FAULT(takes_partitions_with_events_in_hand, "follower->filling->event_count == 0"),
        FAULT(takes_partitions_while_a_batch_is_written, "!write_thread_batch(follower->thread)"),
    };
    FAULTS_TRIP(faults);
}
