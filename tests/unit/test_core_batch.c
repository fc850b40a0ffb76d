/*
 * tests/unit/test_core_batch.c - what a core says beyond single inputs: the receipts that end a
 * batch, timeouts when deadlines have passed, and the states of who takes over.
 *
 * How a session is written down: core_session.h.
 */
#include "domain/partition.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/core_session.h"

TestSuite(core_close, .fini = tear_down);
TestSuite(core_close_gap, .fini = tear_down);
TestSuite(core_propose_timeouts, .fini = tear_down);
TestSuite(core_replay, .fini = tear_down);

/* ---- receipts ---- */

/* Of four partitions, where these two orders live. */
#define A partition_of(TEXT("a"), 4)
#define C partition_of(TEXT("c"), 4)

Test(core_close, a_receipt_says_from_where_to_where_and_what_became_of_it)
{
    begin(CONTEXT_ORDERS);
    session.offsets[0][0] = 3; /* 0 to 2: markers */
    run("place p o anna s:1:5");
    run("place p o anna s:1:5");
    run("cancel c x");
    run("reserved o 0");
    run("reserved o 0");
    run("unreadable");
    cr_assert_eq(close_batch(), 1u);
    const struct event_message *event = last_event();
    cr_assert_eq(event->body, EVENT_BODY_RECEIPT);
    cr_assert_eq(event->metadata.command_id.bytes, 0u);
    cr_assert_eq(event->recorded_at_us, START_US);
    struct receipt expected = {0,
                               7,
                               0,
                               2,
                               .counts[RECEIPT_DECIDED] = 2,
                               .counts[RECEIPT_REFUSED] = 1,
                               .counts[RECEIPT_REPEATED] = 1,
                               .counts[RECEIPT_IGNORED] = 1,
                               .counts[RECEIPT_DEAD_LETTERED] = 1};
    cr_assert_eq(memcmp(&event->receipt, &expected, sizeof expected), 0);
    cr_assert_eq(memcmp(core_receipt(session.core, 0), &expected, sizeof expected), 0);
    cr_assert_eq(session.closed[0].partition, 0);
    cr_assert_eq(session.closed[0].commands_next, 7);
    cr_assert_eq(session.closed[0].steps_next, 2);
    cr_assert_eq(session.total.counts[RECEIPT_DECIDED], 2);
    cr_assert_eq(session.total.counts[RECEIPT_DEAD_LETTERED], 1);
}

Test(core_close, receipts_chain)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    close_batch();
    session.offsets[0][0] += 5; /* markers between */
    run("cancel c o");
    run("released o 0");
    close_batch();
    struct receipt expected = {1, 7, 0, 1, .counts[RECEIPT_DECIDED] = 2};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
    run("released o 0");
    close_batch();
    expected = (struct receipt){7, 7, 1, 2, .counts[RECEIPT_IGNORED] = 1};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
}

/* ---- gaps behind the last input ---- */

Test(core_close_gap, a_receipt_takes_the_offsets_over_and_counts_nothing)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    close_batch();
    cr_assert_not(core_close_gap(session.core, 0, 1, 0, 77), "there is none");
    cr_assert_eq(close_batch(), 0u);
    cr_assert(core_close_gap(session.core, 0, 2, 3, 77));
    cr_assert_eq(close_batch(), 1u);
    struct receipt expected = {1, 2, 0, 3, .counts[RECEIPT_DECIDED] = 0};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
    cr_assert_eq(last_event()->recorded_at_us, START_US, "of the last input");
    cr_assert_eq(session.closed[0].commands_next, 2);
    cr_assert_eq(session.closed[0].steps_next, 3);
    cr_assert_eq(session.total.counts[RECEIPT_DECIDED] + session.total.counts[RECEIPT_IGNORED] +
                     session.total.counts[RECEIPT_REFUSED],
                 0);
    cr_assert_not(core_close_gap(session.core, 0, 2, 3, 77), "it is closed");
    cr_assert_eq(close_batch(), 0u);
}

Test(core_close_gap, of_one_source_leaves_the_other_as_it_is)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    cr_assert(core_close_gap(session.core, 0, CORE_NO_GAP, 3, 77), "in a batch that has inputs");
    close_batch();
    struct receipt expected = {0, 1, 0, 3, .counts[RECEIPT_DECIDED] = 1};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
    cr_assert_not(core_close_gap(session.core, 0, CORE_NO_GAP, CORE_NO_GAP, 77));
    cr_assert(core_close_gap(session.core, 0, 2, CORE_NO_GAP, 77));
    close_batch();
    expected = (struct receipt){1, 2, 3, 3, .counts[RECEIPT_DECIDED] = 0};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
}

Test(core_close_gap, says_the_time_of_what_was_taken_over)
{
    begin(CONTEXT_ORDERS);
    core_clear(session.core);
    core_partition_begin(session.core, 0,
                         &(struct receipt){4, 5, 6, 7, .counts[RECEIPT_DECIDED] = 1});
    core_partition_recorded(session.core, 0, 4242);
    cr_assert(core_close_gap(session.core, 0, 6, 7, 77));
    close_batch();
    cr_assert_eq(last_event()->recorded_at_us, 4242);
    cr_assert_eq(last_event()->receipt.commands_first, 5);
}

Test(core_close_gap, without_any_event_it_says_when_it_was_closed)
{
    begin(CONTEXT_ORDERS);
    cr_assert(core_close_gap(session.core, 0, 0, 2, 77));
    close_batch();
    cr_assert_eq(last_event()->recorded_at_us, 77);
}

Test(core_close_gap, what_is_replayed_tells_the_time_too)
{
    static const struct event_message receipt = {
        .context = CONTEXT_ORDERS,
        .recorded_at_us = 99,
        .body = EVENT_BODY_RECEIPT,
        .receipt = {0, 1, 0, 0, .counts[RECEIPT_IGNORED] = 1}};
    struct ol_error error;
    begin(CONTEXT_ORDERS);
    cr_assert_eq(core_replay(session.core, &receipt, 0, 5, &error), OL_OK);
    cr_assert(core_close_gap(session.core, 0, 2, 0, 77));
    close_batch();
    cr_assert_eq(last_event()->recorded_at_us, 99);
}

Test(core_close, is_for_partitions_that_had_inputs)
{
    begin_with(CONTEXT_ORDERS, 4);
    cr_assert_neq(A, C);
    cr_assert_eq(close_batch(), 0u);
    cr_assert_eq(session.event_count, 0u);
    run_on("cancel c a", A);
    run_on("cancel c c", C);
    run_on("cancel d c", C);
    cr_assert_eq(close_batch(), 2u);
    cr_assert_eq(session.event_count, 5u);
    cr_assert_eq(core_receipt(session.core, A)->commands_next, 1);
    cr_assert_eq(core_receipt(session.core, C)->commands_next, 2);
    cr_assert_eq(session.total.counts[RECEIPT_REFUSED], 3);
    cr_assert_eq(close_batch(), 0u);
}

Test(core_close, is_for_partitions_that_are_owned)
{
    begin_with(CONTEXT_ORDERS, 4);
    core_clear(session.core);
    core_partition_begin(session.core, C, NULL);
    core_partition_bootstrap(session.core, C, 0, 0);
    run_on("cancel c c", C);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.closed[0].partition, C);
    cr_assert_eq(session.total.counts[RECEIPT_REFUSED], 1);
}

Test(core_close, a_passed_on_command_counts_where_it_was_taken)
{
    int32_t wrong = (partition_of(TEXT("o"), 4) + 1) % 4;
    begin_with(CONTEXT_ORDERS, 4);
    run_on("cancel c o", wrong);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.closed[0].partition, wrong);
    cr_assert_eq(session.total.counts[RECEIPT_PASSED_ON], 1);
}

/* ---- timeouts ---- */

static size_t propose(int64_t now_us, uint64_t partitions, size_t max)
{
    size_t count;
    cr_assert(core_propose_timeouts(session.core, now_us, partitions, max, &session.arena,
                                    &session.sink, &count));
    return count;
}

#define DUE_US (START_US + DEADLINE_US)

Test(core_propose_timeouts, proposes_what_is_due_and_puts_it_off)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    said();
    cr_assert_eq(propose(DUE_US - 1, 1, 10), 0u);
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
    cr_assert_str_eq(said(), "[OrderTimeout o/t/61000000 orders/0]");
    cr_assert_eq(last_step()->order.deadline_us, DUE_US);
    cr_assert_eq(propose(DUE_US + TIMEOUT_PROPOSAL_US - 1, 1, 10), 0u);
    cr_assert_eq(propose(DUE_US + TIMEOUT_PROPOSAL_US, 1, 10), 1u, "should it have got lost");
}

Test(core_propose_timeouts, writes_offsets_and_no_receipt)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    close_batch();
    size_t events = session.event_count;
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.event_count, events);
    cr_assert_eq(session.closed[0].commands_next, 1);
    cr_assert_eq(session.closed[0].steps_next, 0);
    cr_assert_eq(session.total.counts[RECEIPT_DECIDED], 0);
    cr_assert_eq(close_batch(), 0u);
}

Test(core_propose_timeouts, only_where_all_steps_are_taken)
{
    begin_with(CONTEXT_ORDERS, 4);
    run_on("place p a anna s:1:5", A);
    run_on("place p c anna s:1:5", C);
    cr_assert_eq(propose(DUE_US, UINT64_C(1) << C, 10), 1u);
    cr_assert(text_equal(last_step()->order.order_id, TEXT("c")));
    cr_assert_eq(propose(DUE_US, UINT64_C(1) << A, 10), 0u, "a busy partition waits a while");
    cr_assert_eq(propose(DUE_US + TIMEOUT_RETRY_US, UINT64_C(1) << A, 10), 1u);
    cr_assert(text_equal(last_step()->order.order_id, TEXT("a")));
}

Test(core_propose_timeouts, at_most_so_many_at_once)
{
    begin(CONTEXT_ORDERS);
    for (int i = 0; i < 10; i++) {
        char line[64];
        snprintf(line, sizeof line, "place p o-%d anna s:1:5", i);
        run(line);
    }
    cr_assert_eq(propose(DUE_US, 1, 4), 4u);
    cr_assert_eq(propose(DUE_US, 1, 4), 4u);
    cr_assert_eq(propose(DUE_US, 1, 4), 2u);
    cr_assert_eq(propose(DUE_US, 1, 4), 0u);
}

Test(core_propose_timeouts, fails_when_the_sink_does_and_proposes_again)
{
    size_t count;
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    session.full = true;
    cr_assert_not(
        core_propose_timeouts(session.core, DUE_US, 1, 10, &session.arena, &session.sink, &count));
    cr_assert_eq(count, 0u);
    session.full = false;
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
}

Test(core_propose_timeouts, follows_the_saga)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    run("timeout o 61000000");
    cr_assert_eq(deadlines_first(core_deadlines(session.core))->deadline_us, DUE_US,
                 "not due yet by the broker's time");
    said();
    session.now_us = DUE_US;
    run("timeout o 61000000");
    cr_assert_str_eq(said(), "OrderCancelled [ReleaseStock o/2/1 inventory/0]");
    cr_assert_eq(deadlines_first(core_deadlines(session.core))->deadline_us, DUE_US + DEADLINE_US,
                 "the undo has a deadline of its own");
    run("released o 0");
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 0u);
}

/* ---- taking over ---- */

/* ends: where it takes commands from and to, then steps. */
static enum ol_class replay_receipt(const int64_t ends[4], struct ol_error *reterr)
{
    struct event_message event = {.context = session.settings.context,
                                  .body = EVENT_BODY_RECEIPT,
                                  .receipt = {.commands_first = ends[0],
                                              .commands_next = ends[1],
                                              .steps_first = ends[2],
                                              .steps_next = ends[3]}};
    return core_replay(session.core, &event, 0, 0, reterr);
}

Test(core_replay, receipts_must_chain)
{
    static const struct receipt projected = {3, 5, 2, 2, .counts[RECEIPT_DECIDED] = 2};
    static const struct {
        const struct receipt *known;
        int64_t receipt[4];
        enum ol_class class;
    } rows[] = {
        {&projected, {5, 9, 2, 4}, OL_OK},
        {&projected, {4, 9, 2, 4}, OL_VIOLATED},
        {&projected, {6, 9, 2, 4}, OL_VIOLATED},
        {&projected, {5, 9, 1, 4}, OL_VIOLATED},
        {&projected, {3, 5, 2, 2}, OL_OK}, /* known already */
        {NULL, {7, 9, 8, 10}, OL_OK},      /* the first counts whatever it says */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_error error = {0};
        begin(CONTEXT_ORDERS);
        core_clear(session.core);
        core_partition_begin(session.core, 0, rows[i].known);
        cr_assert_eq(core_receipt(session.core, 0)->commands_next, rows[i].known ? 5 : -1);
        cr_assert_eq(replay_receipt(rows[i].receipt, &error), rows[i].class, "row %zu", i);
        int64_t next = rows[i].class == OL_OK ? rows[i].receipt[1] : 5;
        cr_assert_eq(core_receipt(session.core, 0)->commands_next, next, "row %zu", i);
        if (rows[i].class)
            cr_assert(strstr(error.text, "missing or doubled"), "%s", error.text);
    }
}

Test(core_replay, the_next_batch_goes_on_where_the_log_ends)
{
    struct ol_error error;
    begin(CONTEXT_ORDERS);
    core_clear(session.core);
    core_partition_begin(session.core, 0, NULL);
    cr_assert_eq(replay_receipt((int64_t[]){0, 9, 0, 4}, &error), OL_OK);
    session.offsets[0][0] = 10;
    run("cancel c o");
    close_batch();
    cr_assert_eq(last_event()->receipt.commands_first, 9);
    cr_assert_eq(last_event()->receipt.commands_next, 11);
    cr_assert_eq(last_event()->receipt.steps_first, 4);
    cr_assert_eq(last_event()->receipt.steps_next, 4);
}

/* Decides, then takes over with another core: through the log alone. */
Test(core_replay, brings_states_and_deadlines_back)
{
    struct ol_error error;
    struct entity_key *keys = NULL;
    size_t key_count = 0, capacity = 0;
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    run("place p n anna s:1:0");
    run("reserved n 0");
    run("cancel c x");
    close_batch();
    struct event_message log[KEPT_MAX];
    size_t count = session.event_count;
    memcpy(log, session.events, sizeof log);

    core_clear(session.core);
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 0u);
    core_partition_begin(session.core, 0, NULL);
    cr_assert(core_deadline(session.core, 0, TEXT("n"), DUE_US)); /* as the projection knew it */
    for (size_t i = 0; i < count; i++)
        cr_assert(core_missing_for_event(session.core, &log[i], 0, &session.arena, &keys,
                                         &key_count, &capacity));
    key_count = core_keys_unique(keys, key_count);
    cr_assert_eq(key_count, 5u, "two orders, three commands");
    load(keys, key_count);
    for (size_t i = 0; i < count; i++)
        cr_assert(core_missing_for_event(session.core, &log[i], 0, &session.arena, &keys,
                                         &key_count, &capacity));
    cr_assert_eq(key_count, 5u, "once here, nothing is missing");
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(core_replay(session.core, &log[i], 0, (int64_t)i, &error), OL_OK);
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 1u);
    cr_assert(text_equal(deadlines_first(core_deadlines(session.core))->order_id, TEXT("o")));
    said();
    WALK({"place p o anna s:1:5", "again ACCEPTED"},
         {"reserved o 0", "OrderStockReserved [ChargePayment o/2/1 payments/0]"},
         {"cancel c x", "again ORDER_UNKNOWN"}, {"cancel c n", "no ORDER_IS_CONFIRMED"});
}

Test(core_replay, passes_over_what_the_loaded_states_have_folded)
{
    struct ol_error error;
    begin(CONTEXT_INVENTORY);
    run("add a s");
    run("increase i s 5");
    run("increase j s 2");
    struct event_message log[KEPT_MAX];
    memcpy(log, session.events, sizeof log);

    core_clear(session.core);
    core_partition_begin(session.core, 0, NULL);
    session.next_offset = 2; /* the projection has come to the second increase */
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("s"), {0}},
         (struct entity){.product = {2, true, {"PLN"}, 5, 0, 0}});
    know((struct entity_key){ENTITY_COMMAND, 0, TEXT("s"), TEXT("i")},
         (struct entity){.command = {OUTCOME_ACCEPTED, ACCEPTED, 1}});
    load((struct entity_key[]){{ENTITY_PRODUCT, 0, TEXT("s"), {0}},
                               {ENTITY_COMMAND, 0, TEXT("s"), TEXT("i")},
                               {ENTITY_COMMAND, 0, TEXT("s"), TEXT("j")}},
         3);
    for (size_t i = 1; i < 3; i++)
        cr_assert_eq(core_replay(session.core, &log[i], 0, (int64_t)i, &error), OL_OK);
    struct entity_key key = {ENTITY_PRODUCT, 0, TEXT("s"), {0}};
    cr_assert_eq(overlay_get(core_overlay(session.core), &key)->product.on_hand, 7);
    cr_assert_eq(overlay_get(core_overlay(session.core), &key)->product.version, 3);
}
