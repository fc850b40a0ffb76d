/*
 * tests/unit/test_batch_bundles.c - steps in and out of a batch, by the bundle.
 */
#include "consumers/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/support/pipeline_message.h"

#define PARTITIONS 4

enum { TO_DEAD_LETTERS = 1, TO_STEPS };

static const struct batch_topics topics = {
    .commands = -2,
    .events = -3,
    .dead_letters = TO_DEAD_LETTERS,
    .steps = {TO_STEPS, TO_STEPS + 1, TO_STEPS + 2},
    .input_names = {"o.inventory.commands.v1", "o.inventory.steps.v1"},
};

static const struct batch_limits limits = {.inputs = 20, .output_bytes = 1 << 20};
static struct batch batch;
static struct core_sink sink;
static struct ol_arena arena; /* of what the tests make */

static void set_up(void)
{
    ol_arena_init(&arena, 65536, 0);
    cr_assert(batch_init(&batch, CONTEXT_INVENTORY, limits, &topics));
    sink = batch_sink(&batch);
}

static void tear_down(void)
{
    batch_release(&batch);
    ol_arena_release(&arena);
    cr_assert_eq(pipeline_messages_alive(), 0u);
}

TestSuite(bundles_in, .init = set_up, .fini = tear_down);
TestSuite(bundles_out, .init = set_up, .fini = tear_down);

/* ---- steps, by number ---- */

static struct step_message release_of(int number, int32_t partition)
{
    char *order = ol_arena_alloc(&arena, 16), *id = ol_arena_alloc(&arena, 16);
    snprintf(order, 16, "o%d", number);
    snprintf(id, 16, "o%d/2/1", number);
    return (struct step_message){
        .context = CONTEXT_INVENTORY,
        .metadata = {.command_id = text_of(id), .occurred_at_us = TIME_NONE},
        .asker = {2, 1},
        .inventory = {.kind = STOCK_RELEASE, .order_id = text_of(order), .partition = partition}};
}

static struct bytes step_of(int number, int32_t partition)
{
    struct step_message step = release_of(number, partition);
    struct bytes wire;
    cr_assert(codec_encode_step(&step, &arena, &wire));
    return wire;
}

static int number_of(const struct step_message *step)
{
    const struct text *order_id = &step->inventory.order_id; /* without an end */
    int number = 0;
    for (uint32_t i = 1; i < order_id->bytes; i++)
        number = 10 * number + order_id->data[i] - '0';
    return number;
}

static struct bytes bundle_of(int32_t partition, const struct bytes *steps, size_t count)
{
    struct bytes wire;
    cr_assert(codec_encode_bundle(&(struct step_bundle){partition, steps, count}, &arena, &wire));
    return wire;
}

/* Steps 0, 1, ... in one record. */
static struct bytes bundle_of_many(int32_t partition, size_t count)
{
    struct bytes *steps = ol_arena_alloc(&arena, count * sizeof *steps);
    for (size_t i = 0; i < count; i++)
        steps[i] = step_of((int)i, partition);
    return bundle_of(partition, steps, count);
}

static struct ol_message marked_message(struct bytes wire, int32_t partition,
                                        const struct ol_header *headers, size_t header_count)
{
    static int64_t offset = 70;
    const struct ol_message source = {.topic = "o.inventory.steps.v1",
                                      .partition = partition,
                                      .offset = offset++,
                                      .timestamp_ms = 5000,
                                      .value = wire.data,
                                      .value_bytes = wire.size};
    return pipeline_message(&source, headers, header_count);
}

static struct ol_message message_of(struct bytes wire, int32_t partition)
{
    return marked_message(wire, partition, NULL, 0);
}

static bool take(struct bytes wire, int32_t partition)
{
    struct ol_message message = message_of(wire, partition);
    bool taken = batch_take(&batch, &message, CAUSE_STEPS, PARTITIONS);
    if (!taken)
        ol_message_release(&message);
    return taken;
}

/* ---- in ---- */

Test(bundles_in, a_record_is_as_many_inputs_as_it_has_steps)
{
    cr_assert(take(bundle_of_many(2, 3), 2));
    cr_assert(take(bundle_of_many(2, 1), 2));
    cr_assert_eq(batch.count, 4u);
    cr_assert_eq(batch.message_count, 2u);
    for (size_t i = 0; i < 3; i++) {
        const struct core_input *input = &batch.inputs[i];
        cr_expect_eq(input->kind, INPUT_STEP);
        cr_expect_eq(input->source, CAUSE_STEPS);
        cr_expect_eq(input->offset, batch.inputs[0].offset);
        cr_expect_eq(input->place, (int32_t)i);
        cr_expect_eq(input->at_us, 5000000);
        cr_expect_eq(number_of(&input->step), (int)i);
        cr_expect_not(input->misplaced);
    }
    cr_assert_eq(batch.inputs[3].offset, batch.inputs[0].offset + 1);
    cr_assert_eq(batch.inputs[3].place, 0);
}

/* A transaction commits offsets, not places in them. */
Test(bundles_in, a_bundle_is_taken_whole_beyond_the_limit)
{
    for (size_t i = 1; i < limits.inputs; i++)
        cr_assert(take(bundle_of_many(2, 1), 2));
    cr_assert_not(batch_full(&batch));
    cr_assert(take(bundle_of_many(2, BUNDLE_STEPS_MAX), 2));
    cr_assert_eq(batch.count, limits.inputs - 1 + BUNDLE_STEPS_MAX);
    cr_assert_eq(number_of(&batch.inputs[batch.count - 1].step), BUNDLE_STEPS_MAX - 1);
    cr_assert(batch_full(&batch));
}

Test(bundles_in, all_or_none_of_it_when_the_arena_is_spent)
{
    struct ol_message message = message_of(bundle_of_many(2, 5), 2);
    bool taken = false;
    for (size_t more = 0; !taken; more += 16) {
        batch.arena.budget_bytes = batch.arena.used_bytes + more;
        taken = batch_take(&batch, &message, CAUSE_STEPS, PARTITIONS);
        cr_assert_eq(batch.count, taken ? 5u : 0u);
        cr_assert_eq(batch.message_count, (size_t)taken);
        cr_assert_lt(more, 4096u);
    }
}

Test(bundles_in, a_step_that_can_not_be_read_takes_no_other_along)
{
    struct bytes steps[] = {step_of(0, 2), {(const uint8_t *)"\xff", 1}, step_of(2, 2), {NULL, 0}};
    cr_assert(take(bundle_of(2, steps, 4), 2));
    cr_assert_eq(batch.count, 4u);
    static const enum input_kind kinds[] = {INPUT_STEP, INPUT_UNREADABLE, INPUT_STEP,
                                            INPUT_UNREADABLE};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(batch.inputs[i].kind, kinds[i], "place %zu", i);
        cr_expect_eq(batch.inputs[i].place, (int32_t)i);
        cr_expect(kinds[i] == INPUT_STEP || strlen(batch.inputs[i].reason) > 5);
    }
    cr_assert_eq(number_of(&batch.inputs[2].step), 2);
}

Test(bundles_in, a_frame_that_can_not_be_read_is_one_input)
{
    cr_assert(take((struct bytes){(const uint8_t *)"\x12\x05xx", 4}, 2));
    cr_assert(take((struct bytes){NULL, 0}, 2));
    cr_assert_eq(batch.count, 2u);
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(batch.inputs[i].kind, INPUT_UNREADABLE);
        cr_expect_null(batch.inputs[i].step_wire);
    }
}

Test(bundles_in, a_bundle_of_another_partition_is_misplaced)
{
    cr_assert(take(bundle_of_many(2, 2), 3));
    cr_assert(batch.inputs[0].misplaced);
    cr_assert(batch.inputs[1].misplaced);
}

/* Workers write no headers; a dead letter has some, and keeps them when it is published again. */
Test(bundles_in, a_record_with_a_header_is_redriven)
{
    static const struct ol_header mark = {"any", "", 0};
    struct bytes wire = bundle_of_many(2, 2);
    struct ol_message marked = marked_message(wire, 2, &mark, 1);
    cr_assert(batch_take(&batch, &marked, CAUSE_STEPS, PARTITIONS));
    cr_assert(take(wire, 2));
    static const bool redriven[] = {true, true, false, false};
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(batch.inputs[i].redriven, redriven[i], "input %zu", i);
}

/* ---- dead letters ---- */

static struct text header_of(const struct ol_record *record, const char *name)
{
    for (size_t i = 0; i < record->header_count; i++)
        if (strcmp(record->headers[i].name, name) == 0)
            return (struct text){record->headers[i].value,
                                 (uint32_t)record->headers[i].value_bytes};
    return (struct text){0};
}

Test(bundles_in, a_dead_step_is_a_bundle_of_one_that_says_where_it_was)
{
    struct bytes steps[] = {step_of(0, 2), {(const uint8_t *)"\xff", 1}, step_of(2, 2)};
    char offset[24];
    cr_assert(take(bundle_of(2, steps, 3), 2));
    const struct core_input *input = &batch.inputs[1];
    cr_assert(sink.dead_letter(sink.self, input, "UNREADABLE", input->reason));
    const struct ol_record *record = &batch.records[0];
    struct bytes alone = bundle_of(2, &steps[1], 1);
    snprintf(offset, sizeof offset, "%lld", (long long)input->offset);
    cr_assert_eq(record->topic, TO_DEAD_LETTERS);
    cr_assert_eq(record->partition, 2);
    cr_assert_null(record->key);
    cr_assert_eq(record->value_bytes, alone.size);
    cr_assert_arr_eq(record->value, alone.data, alone.size);
    cr_assert(text_equal(header_of(record, "__connect.errors.offset"), text_of(offset)));
    cr_assert(text_equal(header_of(record, "orderlog-original-place"), TEXT("1")));
    cr_assert_eq(batch.dead_steps, 1);
}

/* What it says of its partition is kept: redriven there it is misplaced no more. */
Test(bundles_in, a_misplaced_step_stays_with_what_its_bundle_says)
{
    struct bytes step = step_of(0, 2);
    struct bytes wire = bundle_of(2, &step, 1);
    cr_assert(take(wire, 3));
    cr_assert(sink.dead_letter(sink.self, &batch.inputs[0], "STEP_MISPLACED", "elsewhere"));
    cr_assert_eq(batch.records[0].partition, 3);
    cr_assert_arr_eq(batch.records[0].value, wire.data, wire.size);
}

Test(bundles_in, a_dead_frame_is_the_record_byte_for_byte)
{
    cr_assert(take((struct bytes){(const uint8_t *)"\x12\x05xx", 4}, 2));
    cr_assert(sink.dead_letter(sink.self, &batch.inputs[0], "UNREADABLE", "r"));
    const struct ol_record *record = &batch.records[0];
    cr_assert_eq(record->value_bytes, 4u);
    cr_assert_arr_eq(record->value, "\x12\x05xx", 4);
    cr_assert_eq(header_of(record, "orderlog-original-place").bytes, 0u);
}

Test(bundles_in, nothing_is_put_aside_when_the_arena_is_spent)
{
    bool added = false;
    cr_assert(take(bundle_of_many(2, 1), 2));
    for (size_t more = 0; !added; more += 16) {
        batch.arena.budget_bytes = batch.arena.used_bytes + more;
        added = sink.dead_letter(sink.self, &batch.inputs[0], "C", "r");
        cr_assert_eq(batch.record_count, (size_t)added);
        cr_assert_lt(more, 4096u);
    }
}

/* ---- out ---- */

static struct step_bundle sent(size_t record)
{
    struct step_bundle bundle;
    struct ol_error error;
    struct bytes wire = {batch.records[record].value, batch.records[record].value_bytes};
    cr_assert_eq(codec_decode_bundle(wire, &arena, &bundle, &error), OL_OK, "%s", error.text);
    cr_assert_eq(bundle.partition, batch.records[record].partition);
    return bundle;
}

static int sent_number(const struct step_bundle *bundle, size_t place)
{
    struct step_message step;
    struct ol_error error;
    cr_assert_eq(codec_decode_step(CONTEXT_INVENTORY, bundle->steps[place], &arena, &step, &error),
                 OL_OK);
    return number_of(&step);
}

static bool send(int number, int32_t partition)
{
    struct step_message step = release_of(number, partition);
    return sink.step(sink.self, partition, &step);
}

Test(bundles_out, what_goes_to_one_partition_is_one_record)
{
    for (int i = 0; i < 6; i++)
        cr_assert(send(i, i % 2));
    cr_assert_eq(batch.record_count, 0u, "open until the close");
    cr_assert_not(batch_empty(&batch), "there is something to commit all the same");
    cr_assert_eq(batch.steps, 6u);
    cr_assert(batch_close(&batch));
    cr_assert_eq(batch.record_count, 2u);
    for (size_t i = 0; i < 2; i++) {
        struct step_bundle bundle = sent(i);
        cr_assert_eq(batch.records[i].topic, TO_STEPS + CONTEXT_INVENTORY);
        cr_assert_eq(batch.records[i].partition, (int32_t)i);
        cr_assert_null(batch.records[i].key);
        cr_assert_eq(batch.records[i].header_count, 0u);
        cr_assert_eq(bundle.count, 3u);
        for (size_t k = 0; k < 3; k++)
            cr_assert_eq(sent_number(&bundle, k), (int)(2 * k + i));
    }
    cr_assert(batch_close(&batch));
    cr_assert_eq(batch.record_count, 2u, "closed once");
}

Test(bundles_out, contexts_have_bundles_of_their_own)
{
    struct step_message reply = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("o/1/1/r"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_PAYMENT_VOIDED_REPLY, .order_id = TEXT("o")}};
    cr_assert(send(0, 1));
    cr_assert(sink.step(sink.self, 1, &reply));
    cr_assert(batch_close(&batch));
    cr_assert_eq(batch.record_count, 2u);
    cr_assert_eq(batch.records[0].topic, TO_STEPS + CONTEXT_ORDERS);
    cr_assert_eq(batch.records[1].topic, TO_STEPS + CONTEXT_INVENTORY);
}

/* More is another record, in the order of sending. */
Test(bundles_out, a_bundle_has_so_many_steps_and_no_more)
{
    enum { STEPS = 2 * BUNDLE_STEPS_MAX + 3 };
    for (int i = 0; i < STEPS; i++)
        cr_assert(send(i, 1));
    cr_assert(batch_close(&batch));
    cr_assert_eq(batch.record_count, 3u);
    int next = 0;
    for (size_t i = 0; i < 3; i++) {
        struct step_bundle bundle = sent(i);
        cr_assert_eq(bundle.count, i < 2 ? (size_t)BUNDLE_STEPS_MAX : 3u);
        for (size_t k = 0; k < bundle.count; k++)
            cr_assert_eq(sent_number(&bundle, k), next++);
    }
}

static struct step_message large_step(size_t lines, int number)
{
    static char skus[ORDER_LINES_MAX][ID_BYTES_MAX + 1];
    static struct stock_line stock[ORDER_LINES_MAX];
    struct step_message step = release_of(number, 1);
    for (size_t i = 0; i < ORDER_LINES_MAX; i++) {
        snprintf(skus[i], sizeof skus[i], "%0*zu", ID_BYTES_MAX, i);
        stock[i] = (struct stock_line){.sku = text_of(skus[i]), .quantity = INT64_MAX};
    }
    step.inventory = (struct inventory_step){.kind = STOCK_RESERVE,
                                             .order_id = step.inventory.order_id,
                                             .partition = 1,
                                             .currency = TEXT("EUR"),
                                             .lines = stock,
                                             .line_count = lines};
    return step;
}

/* The largest step there can be fits, and what is sent comes to its limit and not above it. */
Test(bundles_out, a_bundle_has_so_many_bytes_and_no_more)
{
    size_t steps = 0;
    for (int i = 0; i < 20; i++) {
        struct step_message step = large_step(i % 2 ? 10 : ORDER_LINES_MAX, i);
        cr_assert(sink.step(sink.self, 1, &step));
    }
    cr_assert(batch_close(&batch));
    cr_assert_gt(batch.record_count, 5u);
    for (size_t i = 0; i < batch.record_count; i++) {
        cr_assert_leq(batch.records[i].value_bytes, (size_t)BUNDLE_BYTES_MAX);
        steps += sent(i).count;
    }
    cr_assert_eq(steps, 20u);
}

Test(bundles_out, the_budget_sees_what_is_open)
{
    size_t bytes = 0;
    batch.limits.output_bytes = 300;
    while (!batch_full(&batch))
        cr_assert(send((int)batch.steps, 1));
    cr_assert_geq(batch.output_bytes, 300u);
    cr_assert_eq(batch.record_count, 0u);
    cr_assert(send(99, 2));
    cr_assert(batch_close(&batch));
    for (size_t i = 0; i < batch.record_count; i++)
        bytes += batch.records[i].value_bytes;
    cr_assert_eq(batch.output_bytes, bytes);
}

Test(bundles_out, a_topic_that_takes_less_gets_smaller_bundles)
{
    struct batch_topics small = topics;
    small.steps_are[CONTEXT_INVENTORY] = (struct batch_topic){"steps", 300};
    batch.topics = &small;
    for (int i = 0; i < 50; i++)
        cr_assert(send(i, 1));
    cr_assert(batch_close(&batch));
    cr_assert_gt(batch.record_count, 5u);
    for (size_t i = 0; i < batch.record_count; i++)
        cr_assert_leq(ol_record_bytes(&batch.records[i]), 300u);
}

/* It is known by the input that led to it: not at the close. */
Test(bundles_out, a_step_that_its_topic_does_not_take_fails_where_it_is_sent)
{
    struct batch_topics small = topics;
    small.steps_are[CONTEXT_INVENTORY] = (struct batch_topic){"steps", 300};
    batch.topics = &small;
    struct step_message step = large_step(3, 0);
    cr_assert(send(0, 1));
    cr_assert_not(sink.step(sink.self, 1, &step));
    cr_assert_eq(batch.misfit.partition, 1);
    cr_assert_str_eq(batch.misfit.topic, "steps");
    cr_assert_gt(batch.misfit.bytes, 300u);
    cr_assert_eq(batch.misfit.bytes_max, 300u);
}

Test(bundles_out, nothing_is_added_when_the_arena_is_spent)
{
    bool added = false;
    for (size_t more = 0; !added; more += 16) {
        batch.arena.budget_bytes = batch.arena.used_bytes + more;
        added = send(0, 1);
        cr_assert_eq(batch.steps, (uint32_t)added);
        cr_assert_lt(more, 4096u);
    }
    batch.arena.budget_bytes = batch.arena.used_bytes;
    cr_assert_not(batch_close(&batch));
}

Test(bundles_out, a_cleared_batch_has_none_open)
{
    cr_assert(send(0, 1));
    batch_clear(&batch);
    cr_assert(batch_empty(&batch));
    cr_assert(batch_close(&batch));
    cr_assert_eq(batch.record_count, 0u);
    cr_assert_eq(batch.output_bytes, 0u);
    cr_assert(send(1, 1));
    cr_assert(batch_close(&batch));
    cr_assert_eq(sent(0).count, 1u);
}
