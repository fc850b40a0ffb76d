/*
 * tests/unit/test_core_bundles.c - steps of one bundle: their places, equal answers made one, and
 * those that somebody has published again.
 *
 * How a session is written down: core_session.h.
 */
#include "domain/partition.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "tests/unit/core_session.h"

TestSuite(core_place, .fini = tear_down);
TestSuite(core_answer, .fini = tear_down);
TestSuite(core_redriven, .fini = tear_down);

/* ---- places ---- */

/* The next steps of a record are at its offset, behind the first. */
static struct core_input place_of(struct core_input first, int32_t place)
{
    first.place = place;
    return first;
}

Test(core_place, an_event_names_the_place_of_its_step)
{
    begin(CONTEXT_INVENTORY);
    struct core_input first = read_input("release o/2/1 o", 0);
    struct core_input second = place_of(first, 1), third = place_of(first, 2);
    second.step.inventory.order_id = TEXT("p");
    third.step.inventory.order_id = TEXT("q");
    run_input(&first);
    cr_assert_eq(last_event()->cause_place, 0);
    run_input(&second);
    run_input(&third);
    cr_assert_eq(last_event()->cause_offset, first.offset);
    cr_assert_eq(last_event()->cause_place, 2);
    cr_assert_eq(last_event()->cause_index, 0);
    said();
    close_batch();
    cr_assert_eq(last_event()->receipt.steps_next, first.offset + 1, "receipts chain by offset");
    cr_assert_eq(last_event()->receipt.counts[RECEIPT_DECIDED], 3, "and count steps");
}

Test(core_place, asserts_that_no_place_is_left_out, .signal = SIGABRT)
{
    begin(CONTEXT_INVENTORY);
    struct core_input first = read_input("release o/2/1 o", 0), third = place_of(first, 2);
    run_input(&first);
    run_input(&third);
}

Test(core_place, asserts_that_places_belong_to_one_record, .signal = SIGABRT)
{
    begin(CONTEXT_INVENTORY);
    struct core_input first = read_input("release o/2/1 o", 0), other = place_of(first, 1);
    other.offset++;
    run_input(&first);
    run_input(&other);
}

Test(core_place, a_step_of_a_misplaced_bundle_is_put_aside)
{
    begin(CONTEXT_INVENTORY);
    struct core_input input = read_input("release o/2/1 o", 0);
    input.misplaced = true;
    run_input(&input);
    cr_assert_str_eq(said(), "dead STEP_MISPLACED");
}

/* ---- equal answers ---- */

/* Runs them all, and only then answers. */
static void run_together(const char *const *lines, const int32_t *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct core_input input = read_input(lines[i], partitions[i]);
        load_missing(&input, 1);
        cr_assert(core_run(session.core, &input, &session.arena, &session.sink));
    }
    cr_assert(core_answer(session.core, &session.sink));
}

/* One step for all groups of an order that answer the same, with the first one's id and asker. */
Test(core_answer, equal_answers_to_an_order_are_one)
{
    static const char *const lines[] = {"release o/2/1 o", "release p/2/1 p", "release o/2/2 o",
                                        "release o/2/3 o"};
    static const int32_t partitions[] = {3, 0, 1, 2};
    begin_with(CONTEXT_INVENTORY, 4);
    run_together(lines, partitions, 4);
    char expected[200];
    snprintf(expected, sizeof expected,
             "StockReleased StockReleased StockReleased StockReleased "
             "[StockReleasedReply o/2/1/r orders/%d] [StockReleasedReply p/2/1/r orders/%d]",
             partition_of(TEXT("o"), 4), partition_of(TEXT("p"), 4));
    cr_assert_str_eq(said(), expected);
    cr_assert_eq(session.steps[0].order.groups, 0xeu);
    cr_assert_eq(session.steps[1].order.groups, 1u);
    cr_assert(core_answer(session.core, &session.sink));
    cr_assert_str_eq(said(), "", "sent once");
}

Test(core_answer, other_answers_stay_apart)
{
    static const char *const lines[] = {"release o/2/1 o", "reserve o/1/2 o s:1",
                                        "release o/2/3 o"};
    static const int32_t partitions[] = {0, 1, 2};
    begin_with(CONTEXT_INVENTORY, 4);
    run_together(lines, partitions, 3);
    cr_assert_eq(session.step_count, 2u);
    cr_assert_eq(session.steps[0].order.kind, ORDER_STOCK_REFUSED_REPLY);
    cr_assert_eq(session.steps[0].order.partition, 1);
    cr_assert_eq(session.steps[1].order.groups, 5u);
    said();
}

static size_t answers;

static bool count_answer(void *self, int32_t partition, const struct step_message *step)
{
    (void)self;
    (void)partition;
    cr_assert_eq(step->order.groups, 1u);
    answers++;
    return true;
}

Test(core_answer, of_many_orders)
{
    const struct core_sink counting = {.step = count_answer};
    begin(CONTEXT_INVENTORY);
    for (int i = 0; i < 2000; i++) {
        char line[64];
        snprintf(line, sizeof line, "release o%d/2/1 o%d", i % 1000, i % 1000);
        struct core_input input = read_input(line, 0);
        load_missing(&input, 1);
        cr_assert(core_run(session.core, &input, &session.arena, &session.sink));
        session.used = 0;
    }
    cr_assert_eq(session.step_count, 0u);
    cr_assert(core_answer(session.core, &counting));
    cr_assert_eq(answers, 1000u);
}

Test(core_answer, fails_when_the_sink_does)
{
    begin(CONTEXT_INVENTORY);
    struct core_input input = read_input("release o/2/1 o", 0);
    load_missing(&input, 1);
    cr_assert(core_run(session.core, &input, &session.arena, &session.sink));
    session.full = true;
    cr_assert_not(core_answer(session.core, &session.sink));
}

/* What a dropped batch would have answered is forgotten with it. */
Test(core_answer, is_forgotten_by_a_core_that_is_cleared)
{
    begin(CONTEXT_INVENTORY);
    struct core_input input = read_input("release o/2/1 o", 0);
    load_missing(&input, 1);
    cr_assert(core_run(session.core, &input, &session.arena, &session.sink));
    said();
    core_clear(session.core);
    cr_assert(core_answer(session.core, &session.sink));
    cr_assert_str_eq(said(), "");
}

Test(core_answer, asserts_that_all_is_answered, .signal = SIGABRT)
{
    begin(CONTEXT_INVENTORY);
    struct core_input input = read_input("release o/2/1 o", 0);
    load_missing(&input, 1);
    cr_assert(core_run(session.core, &input, &session.arena, &session.sink));
    close_batch();
}

/* ---- published again ---- */

static bool names_kind(const struct core_input *input, enum entity_kind kind)
{
    struct entity_key *keys;
    size_t count;
    bool named = false;
    cr_assert(core_missing(session.core, input, 1, &session.arena, &keys, &count));
    for (size_t i = 0; i < count; i++)
        named |= keys[i].kind == kind;
    return named;
}

/* What is new by construction the first time is not so when it is published again. */
Test(core_redriven, looks_up_what_a_redriven_step_may_have_done)
{
    begin(CONTEXT_INVENTORY);
    struct core_input reserve = read_input("reserve o/1/1 o s:1", 0);
    cr_assert_not(names_kind(&reserve, ENTITY_RESERVATION));
    reserve.redriven = true;
    cr_assert(names_kind(&reserve, ENTITY_RESERVATION));
    cr_assert(names_kind(&reserve, ENTITY_PRODUCT));

    begin(CONTEXT_PAYMENTS);
    struct core_input authorise = read_input("authorise o/2/1 o anna 5", 0);
    cr_assert_not(names_kind(&authorise, ENTITY_PAYMENT));
    authorise.redriven = true;
    cr_assert(names_kind(&authorise, ENTITY_PAYMENT));
}
