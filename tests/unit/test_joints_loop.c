/*
 * tests/unit/test_joints_loop.c - what the worker's loop asserts where its parts meet: each with a
 * fault that trips it.
 */
#include "consumers/loop.c" /* NOLINT(bugprone-suspicious-include) */

#include <criterion/criterion.h>

#include "tests/support/fault.h"

#define PARTITIONS 4

static struct loop loop;

enum ol_class __wrap_ol_consumer_poll(struct ol_consumer *consumer,
                                      enum ol_consumer_event *ret_event, struct ol_error *reterr);
enum ol_class __wrap_ol_consumer_poll(struct ol_consumer *consumer,
                                      enum ol_consumer_event *ret_event, struct ol_error *reterr)
{
    (void)consumer, (void)reterr;
    *ret_event = OL_CONSUMER_NOTHING;
    return OL_OK;
}

bool __wrap_ol_run_sleep(int64_t wait_ms);
bool __wrap_ol_run_sleep(int64_t wait_ms)
{
    (void)wait_ms;
    return false;
}

bool __wrap_ol_run_stopping(void);
bool __wrap_ol_run_stopping(void)
{
    return false;
}

bool __wrap_ol_pg_usable(const struct ol_pg *db);
bool __wrap_ol_pg_usable(const struct ol_pg *db)
{
    (void)db;
    return true;
}

enum ol_class __wrap_ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                                struct ol_error *reterr);
enum ol_class __wrap_ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                                struct ol_error *reterr)
{
    (void)options, (void)ret_db, (void)reterr;
    return OL_UNREACHABLE;
}

/* As drop_batches() leaves it. */
static void set_up(void)
{
    loop.partitions = PARTITIONS;
    loop.building = &loop.batches[0];
    loop.committing_with = 1;
}

TestSuite(joints_loop, .init = set_up);

static struct ol_error error;
static char somewhere; /* an address that is not NULL */

static void life_begins_with_a_connection(void)
{
    loop.db = (struct ol_pg *)&somewhere;
    live(&loop, &error);
}

static void life_begins_with_a_reader(void)
{
    loop.reader = (struct ol_reader *)&somewhere;
    live(&loop, &error);
}

static void life_begins_with_a_producer(void)
{
    loop.producers[1] = (struct ol_producer *)&somewhere;
    live(&loop, &error);
}

static void life_begins_with_partitions(void)
{
    loop.owned = 1;
    live(&loop, &error);
}

static void decides_before_the_take_over(void)
{
    loop.owned = 1;
    serve(&loop, &error);
}

static void decides_into_the_batch_that_is_committed(void)
{
    loop.committing = loop.building;
    decide(&loop, &error);
}

static void begins_while_another_commits(void)
{
    loop.committing = &loop.batches[1];
    start_commit(&loop, &error);
}

static void commits_what_is_not_decided(void)
{
    loop.building->count = 1;
    start_commit(&loop, &error);
}

static void finishes_the_batch_that_is_built(void)
{
    loop.committing = loop.building;
    loop_finish_commit(&loop, &error);
}

static void finishes_with_the_producer_of_the_next(void)
{
    loop.committing = &loop.batches[1];
    loop.committing_with = loop.building_with;
    loop_finish_commit(&loop, &error);
}

static void receipt_goes_back(int64_t commands_next, int64_t steps_next)
{
    static struct core_offset offsets[1];
    struct batch *batch = &loop.batches[1];
    loop.receipts[2] = (struct loop_receipt){10, 20, 0};
    offsets[0] = (struct core_offset){2, commands_next, steps_next};
    memcpy(batch->offsets, offsets, sizeof offsets);
    batch->offset_count = 1;
    note_receipts(&loop, batch);
}

static void receipt_goes_back_in_commands(void)
{
    receipt_goes_back(9, 20);
}

static void receipt_goes_back_in_steps(void)
{
    receipt_goes_back(10, 19);
}

static void more_steps_than_decided(void)
{
    struct batch *batch = &loop.batches[1];
    struct core_input inputs[1] = {{.source = CAUSE_STEPS}};
    batch->inputs = inputs;
    batch->count = batch->decided = 1; /* and no receipt counts it */
    count_batch(&loop, batch);
}

static void halts_a_partition_that_is_none(void)
{
    loop_halt(&loop, PARTITIONS, "orders", "a planted fault");
}

static void leaves_while_a_commit_is_under_way(void)
{
    loop.deciding = true;
    loop.committing = &loop.batches[1];
    close_gaps_and_leave(&loop, &error);
}

Test(joints_loop, are_watched)
{
    static const struct fault faults[] = {
        FAULT(life_begins_with_a_connection, "!loop->db"),
        FAULT(life_begins_with_a_reader, "!loop->reader"),
        FAULT(life_begins_with_a_producer, "!loop->producers[1]"),
        FAULT(life_begins_with_partitions, "!loop->owned"),
        FAULT(decides_before_the_take_over, "loop->deciding"),
        FAULT(decides_into_the_batch_that_is_committed, "batch != loop->committing"),
        FAULT(begins_while_another_commits, "!loop->committing"),
        FAULT(commits_what_is_not_decided, "batch->decided == batch->count"),
        FAULT(finishes_the_batch_that_is_built, "loop->committing != loop->building"),
        FAULT(finishes_with_the_producer_of_the_next, "committing_with != loop->building_with"),
        FAULT(receipt_goes_back_in_commands, "next->commands_next >= last->commands_next"),
        FAULT(receipt_goes_back_in_steps, "next->steps_next >= last->steps_next"),
        FAULT(more_steps_than_decided, "steps_decided <= counts[RECEIPT_DECIDED]"),
        FAULT(halts_a_partition_that_is_none, "partition < loop->partitions"),
        FAULT(leaves_while_a_commit_is_under_way, "!loop->committing"),
    };
    FAULTS_TRIP(faults);
}
