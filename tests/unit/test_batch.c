/*
 * tests/unit/test_batch.c - messages in, records out, and what lives as long as the batch.
 * What it does with bundles of steps: test_batch_bundles.c.
 */
#include "consumers/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_hash.h"
#include "proto/codec.h"
#include "tests/support/pipeline_message.h"

#define PARTITIONS 4
#define TRACE      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

enum { TO_COMMANDS = 10, TO_EVENTS, TO_DEAD_LETTERS, TO_STEPS };

static const struct batch_topics topics = {
    .commands = TO_COMMANDS,
    .events = TO_EVENTS,
    .dead_letters = TO_DEAD_LETTERS,
    .steps = {TO_STEPS, TO_STEPS + 1, TO_STEPS + 2},
    .input_names = {"o.orders.commands.v1", "o.orders.steps.v1"},
};

static const struct batch_limits limits = {.inputs = 20, .output_bytes = 1 << 20};
static struct batch batch;
static struct ol_arena arena; /* of what the tests make */

static void set_up(void)
{
    ol_arena_init(&arena, 65536, 0);
    cr_assert(batch_init(&batch, CONTEXT_ORDERS, limits, &topics));
}

static void tear_down(void)
{
    batch_release(&batch);
    ol_arena_release(&arena);
    cr_assert_eq(pipeline_messages_alive(), 0u);
}

TestSuite(batch_take, .init = set_up, .fini = tear_down);
TestSuite(batch_sink, .init = set_up, .fini = tear_down);
TestSuite(batch_full, .init = set_up, .fini = tear_down);
TestSuite(batch_empty, .init = set_up, .fini = tear_down);
TestSuite(batch_clear, .init = set_up, .fini = tear_down);

/* ---- messages ---- */

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        name, value, sizeof value - 1                                                              \
    }
static const struct ol_header traced[] = {HEADER("own", "1"), HEADER("traceparent", TRACE)};
static const struct ol_header passed[] = {HEADER(PASSED_ON_HEADER, "x/1/2")};

static struct ol_message message_of(struct bytes wire, int32_t partition,
                                    const struct ol_header *headers, size_t header_count)
{
    static int64_t offset;
    struct ol_message source = {.topic = "o.orders.commands.v1",
                                .partition = partition,
                                .offset = offset++,
                                .timestamp_ms = 5000,
                                .key = "key",
                                .key_bytes = 3,
                                .value = wire.data,
                                .value_bytes = wire.size};
    return pipeline_message(&source, headers, header_count);
}

static struct bytes cancel_of(const char *order_id)
{
    struct command command = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("c-1"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_CANCEL, .order_id = text_of(order_id)},
    };
    struct bytes wire;
    cr_assert(codec_encode_command(&command, &arena, &wire));
    return wire;
}

static int32_t home_of(const char *order_id)
{
    return partition_of(text_of(order_id), PARTITIONS);
}

static struct bytes reply_of(const char *order_id)
{
    struct step_message step = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("o/1/1/r"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_PAYMENT_VOIDED_REPLY, .order_id = text_of(order_id)},
    };
    struct bytes wire, bundle;
    cr_assert(codec_encode_step(&step, &arena, &wire));
    cr_assert(
        codec_encode_bundle(&(struct step_bundle){home_of(order_id), &wire, 1}, &arena, &bundle));
    return bundle;
}

/* Takes a cancel of order "o" on its own partition. */
static const struct core_input *take(const struct ol_header *headers, size_t header_count)
{
    struct ol_message message = message_of(cancel_of("o"), home_of("o"), headers, header_count);
    cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
    return &batch.inputs[batch.count - 1];
}

/* ---- inputs ---- */

Test(batch_take, decodes_commands_and_steps)
{
    const struct core_input *command = take(NULL, 0);
    cr_assert_eq(command->kind, INPUT_COMMAND);
    cr_assert_eq(command->source, CAUSE_COMMANDS);
    cr_assert_eq(command->partition, home_of("o"));
    cr_assert_eq(command->at_us, 5000000);
    cr_assert_eq(command->record, &batch.messages[0]);
    cr_assert_not(command->passed_on);
    cr_assert(text_equal(command->command.order.order_id, TEXT("o")));

    struct ol_message message = message_of(reply_of("n"), home_of("n"), NULL, 0);
    cr_assert(batch_take(&batch, &message, CAUSE_STEPS, PARTITIONS));
    const struct core_input *step = &batch.inputs[1];
    cr_assert_eq(step->kind, INPUT_STEP);
    cr_assert_eq(step->source, CAUSE_STEPS);
    cr_assert(text_equal(step->step.order.order_id, TEXT("n")));
    cr_assert_eq(step->offset, message.offset);
}

Test(batch_take, reads_the_trace_from_a_commands_header_if_it_is_one)
{
    static const char long_one[129] = "0";
    const struct {
        const char *header;
        size_t bytes;
        const char *then;
    } rows[] = {
        {TRACE, sizeof TRACE - 1, TRACE},
        {long_one, 1, "0"},
        {long_one, 129, ""},
        {"", 0, ""},
        {"00\n01", 5, ""},
        {"\xff", 1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ol_header header = {"traceparent", rows[i].header, rows[i].bytes};
        const struct core_input *input = take(&header, 1);
        cr_expect(text_equal(input->command.metadata.traceparent, text_of(rows[i].then)), "row %zu",
                  i);
    }
    cr_expect(text_equal(take(NULL, 0)->command.metadata.traceparent, TEXT("")));
}

Test(batch_take, what_can_not_be_read_is_an_input_with_a_reason)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    const struct {
        struct bytes wire;
        enum cause_source source;
    } rows[] = {
        {{garbage, 3}, CAUSE_COMMANDS},  {{garbage, 3}, CAUSE_STEPS},
        {{NULL, 0}, CAUSE_COMMANDS},     {{garbage, 0}, CAUSE_COMMANDS},
        {reply_of("o"), CAUSE_COMMANDS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_message message = message_of(rows[i].wire, 1, NULL, 0);
        cr_assert(batch_take(&batch, &message, rows[i].source, PARTITIONS), "row %zu", i);
        const struct core_input *input = &batch.inputs[i];
        cr_assert_eq(input->kind, INPUT_UNREADABLE, "row %zu", i);
        cr_assert_eq(input->source, rows[i].source, "row %zu", i);
        cr_assert_gt(strlen(input->reason), 5u, "row %zu", i);
        cr_assert_eq(input->offset, message.offset);
    }
}

Test(batch_take, sees_the_mark_of_a_command_on_the_wrong_partition)
{
    int32_t home = home_of("o"), wrong = (home + 1) % PARTITIONS;
    const struct {
        int32_t partition;
        size_t header_count;
        bool passed_on;
    } rows[] = {
        {wrong, 1, true},
        {wrong, 0, false},
        {home, 1, false}, /* it has arrived: the mark decides nothing */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_message message =
            message_of(cancel_of("o"), rows[i].partition, passed, rows[i].header_count);
        cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
        cr_assert_eq(batch.inputs[i].passed_on, rows[i].passed_on, "row %zu", i);
    }
}

Test(batch_take, leaves_the_message_with_the_caller_when_the_arena_is_spent)
{
    take(NULL, 0);
    struct ol_message message = message_of(cancel_of("o"), home_of("o"), NULL, 0);
    size_t used = batch.arena.used_bytes, taken = 0;
    size_t before = batch.input_bytes;
    for (size_t more = 0; !taken; more += 16) {
        batch.arena.budget_bytes = used + more;
        taken = batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS);
        cr_assert_eq(batch.count, 1 + taken);
        cr_assert_eq(batch.input_bytes > before, taken);
        used = batch.arena.used_bytes;
        cr_assert_lt(more, 4096u);
    }
    cr_assert(text_equal(batch.inputs[1].command.order.order_id, TEXT("o")));

    /* A reason needs room too. */
    struct ol_message bad = message_of((struct bytes){(const uint8_t *)"\xff", 1}, 0, NULL, 0);
    batch.arena.budget_bytes = batch.arena.used_bytes + 16;
    cr_assert_not(batch_take(&batch, &bad, CAUSE_COMMANDS, PARTITIONS));
    cr_assert_eq(batch.count, 2u);
    ol_message_release(&bad);
}

/* ---- records ---- */

static const struct event_message cancelled = {
    .context = CONTEXT_ORDERS,
    .metadata = {.command_id = TEXT("c-1"), .occurred_at_us = TIME_NONE},
    .recorded_at_us = 5000000,
    .cause_source = CAUSE_COMMANDS,
    .body = EVENT_BODY_REJECTED,
    .rejected = {.aggregate_id = TEXT("o"),
                 .message = TEXT("o: no"),
                 .code = REFUSED_ORDER_UNKNOWN},
};

static void expect_header(const struct ol_record *record, const char *name, const char *value)
{
    for (size_t i = 0; i < record->header_count; i++) {
        const struct ol_header *header = &record->headers[i];
        if (strcmp(header->name, name) != 0)
            continue;
        cr_assert_eq(header->value_bytes, strlen(value), "%s", name);
        cr_assert_arr_eq(header->value, value, strlen(value), "%s", name);
        return;
    }
    cr_assert_fail("no header %s", name);
}

Test(batch_sink, encodes_events_and_owns_their_keys)
{
    const struct core_sink sink = batch_sink(&batch);
    char key[] = "o";
    cr_assert(sink.event(sink.self, 3, (struct text){key, 1}, &cancelled));
    cr_assert(sink.event(sink.self, 1, (struct text){NULL, 0},
                         &(struct event_message){.context = CONTEXT_ORDERS,
                                                 .metadata.occurred_at_us = TIME_NONE,
                                                 .recorded_at_us = 5,
                                                 .body = EVENT_BODY_RECEIPT}));
    *key = 'x';
    cr_assert_eq(batch.record_count, 2u);
    cr_assert_eq(batch.events, 2u);
    const struct ol_record *event = &batch.records[0];
    cr_assert_eq(event->topic, TO_EVENTS);
    cr_assert_eq(event->partition, 3);
    cr_assert_eq(event->key_bytes, 1u);
    cr_assert_arr_eq(event->key, "o", 1);
    cr_assert_eq(event->header_count, 0u);
    cr_assert_null(batch.records[1].key);

    struct event_message back;
    struct ol_error error;
    cr_assert_eq(codec_decode_event(CONTEXT_ORDERS,
                                    (struct bytes){event->value, event->value_bytes}, &arena, &back,
                                    &error),
                 OL_OK);
    cr_assert_eq(back.rejected.code, REFUSED_ORDER_UNKNOWN);
    size_t bytes = 0;
    for (size_t i = 0; i < 2; i++)
        bytes += batch.records[i].value_bytes + batch.records[i].key_bytes;
    cr_assert_eq(batch.output_bytes, bytes);
}

Test(batch_sink, carries_the_trace_on_in_body_and_header)
{
    const struct core_sink sink = batch_sink(&batch);
    struct event_message event = cancelled;
    event.metadata.traceparent = TEXT(TRACE);
    cr_assert(sink.event(sink.self, 3, TEXT("o"), &event));
    cr_assert(sink.event(sink.self, 3, TEXT("o"), &cancelled));
    cr_assert_eq(batch.records[0].header_count, 1u);
    expect_header(&batch.records[0], "traceparent", TRACE);
    cr_assert_eq(batch.records[1].header_count, 0u);
}

Test(batch_sink, passes_a_command_on_as_it_came_with_a_mark)
{
    const struct core_sink sink = batch_sink(&batch);
    const struct core_input *input = take(traced, 2);
    char from[64];
    snprintf(from, sizeof from, "o.orders.commands.v1/%d/%lld", input->partition,
             (long long)input->offset);
    cr_assert(sink.pass_on(sink.self, 3, input));
    const struct ol_record *record = &batch.records[0];
    cr_assert_eq(record->topic, TO_COMMANDS);
    cr_assert_eq(record->partition, 3);
    cr_assert_eq(record->key_bytes, 1u, "keyed by the body's id");
    cr_assert_arr_eq(record->key, "o", 1);
    cr_assert_eq(record->value_bytes, cancel_of("o").size);
    cr_assert_arr_eq(record->value, cancel_of("o").data, record->value_bytes);
    cr_assert_eq(record->header_count, 3u);
    expect_header(record, "own", "1");
    expect_header(record, "traceparent", TRACE);
    expect_header(record, PASSED_ON_HEADER, from);
}

Test(batch_sink, a_dead_letter_is_the_record_byte_for_byte)
{
    static const uint8_t garbage[] = {0x00, 0xff, 0x0a};
    const struct core_sink sink = batch_sink(&batch);
    struct ol_message message = message_of((struct bytes){garbage, 3}, 2, traced, 2);
    cr_assert(batch_take(&batch, &message, CAUSE_STEPS, PARTITIONS));
    const struct core_input *input = &batch.inputs[0];
    cr_assert(sink.dead_letter(sink.self, input, "UNREADABLE", input->reason));
    const struct ol_record *record = &batch.records[0];
    cr_assert_eq(record->topic, TO_DEAD_LETTERS);
    cr_assert_eq(record->partition, 2);
    cr_assert_eq(record->key_bytes, 3u);
    cr_assert_arr_eq(record->key, "key", 3);
    cr_assert_eq(record->value_bytes, 3u);
    cr_assert_arr_eq(record->value, garbage, 3);
    expect_header(record, "own", "1");
    expect_header(record, "traceparent", TRACE);
    expect_header(record, "__connect.errors.topic", "o.orders.steps.v1");
    expect_header(record, "__connect.errors.partition", "2");
    expect_header(record, "__connect.errors.exception.class.name", "UNREADABLE");
    expect_header(record, "__connect.errors.exception.message", input->reason);
}

Test(batch_sink, a_dead_letter_of_nothing_is_nothing)
{
    const struct core_sink sink = batch_sink(&batch);
    struct ol_message source = {.partition = 1, .timestamp_ms = 1};
    struct ol_message message = pipeline_message(&source, NULL, 0);
    cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
    cr_assert(sink.dead_letter(sink.self, &batch.inputs[0], "UNREADABLE", batch.inputs[0].reason));
    cr_assert_null(batch.records[0].key);
    cr_assert_null(batch.records[0].value);
}

Test(batch_sink, adds_nothing_when_the_arena_is_spent)
{
    const struct core_sink sink = batch_sink(&batch);
    const struct core_input *input = take(traced, 2);
    for (int kind = 0; kind < 3; kind++) {
        bool added = false;
        batch.arena.budget_bytes = batch.arena.used_bytes;
        for (size_t i = 0; !added; i++) {
            size_t before = batch.record_count;
            added = kind == 0   ? sink.event(sink.self, 0, TEXT("o"), &cancelled)
                    : kind == 1 ? sink.pass_on(sink.self, 3, input)
                                : sink.dead_letter(sink.self, input, "C", "r");
            cr_assert_eq(batch.record_count, before + added);
            cr_assert(i > 0 || !added, "kind %d", kind);
            batch.arena.budget_bytes = batch.arena.used_bytes + 16 * i;
        }
    }
}

Test(batch_sink, takes_thousands_of_records)
{
    const struct core_sink sink = batch_sink(&batch);
    for (int i = 0; i < 10000; i++)
        cr_assert(sink.event(sink.self, i % PARTITIONS, TEXT("o"), &cancelled));
    cr_assert_eq(batch.record_count, 10000u);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(batch.records[i].partition, i % PARTITIONS);
}

/* ---- what topics take ---- */

static struct batch_topics small_topics(void)
{
    struct batch_topics small = topics;
    small.commands_are = (struct batch_topic){"commands", 300};
    small.events_are = (struct batch_topic){"events", 300};
    small.dead_letters_are = (struct batch_topic){"dlq", 300};
    return small;
}

Test(batch_take, headers_count_where_a_command_would_be_passed_on)
{
    static const char filler[1000];
    int32_t home = home_of("o"), wrong = (home + 1) % PARTITIONS;
    struct batch_topics small = topics;
    small.commands_are = (struct batch_topic){"commands", 1200};
    batch.topics = &small;
    const struct {
        int32_t partition;
        size_t filler_bytes;
        bool fills;
    } rows[] = {{wrong, 0, false}, {home, 1000, false}, {wrong, 1000, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ol_header header = {"filler", filler, rows[i].filler_bytes};
        struct ol_message message = message_of(cancel_of("o"), rows[i].partition, &header, 1);
        cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
        cr_assert_eq(batch.inputs[i].fills_topic, rows[i].fills, "row %zu", i);
    }
}

Test(batch_take, tells_what_would_outgrow_the_smallest_topic)
{
    struct batch_topics small = topics;
    batch.topics = &small;
    small.least = (struct batch_topic){"o.orders.events.v1", BATCH_GROWTH_BYTES + 1};
    const struct core_input *input = take(NULL, 0);
    cr_assert(strstr(input->outgrows, "o.orders.events.v1"), "%s", input->outgrows);
    small.least.bytes_max = BATCH_GROWTH_BYTES + 1000;
    cr_assert_null(take(NULL, 0)->outgrows);
}

Test(batch_sink, fails_at_a_record_that_its_topic_does_not_take)
{
    static const char filler[1000];
    const struct ol_header large = {"filler", filler, sizeof filler};
    const struct batch_topics small = small_topics();
    const struct core_sink sink = batch_sink(&batch);
    batch.topics = &small;
    struct ol_message message = message_of(cancel_of("o"), home_of("o"), &large, 1);
    cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
    cr_assert(sink.event(sink.self, 0, TEXT("o"), &cancelled));
    cr_assert_eq(batch.misfit.partition, -1);
    cr_assert_not(sink.dead_letter(sink.self, &batch.inputs[0], "C", "r"));
    cr_assert_eq(batch.misfit.partition, home_of("o"));
    cr_assert_str_eq(batch.misfit.topic, "dlq");
    cr_assert_gt(batch.misfit.bytes, 1300u);
    cr_assert_eq(batch.misfit.bytes_max, 300u);
    batch_clear(&batch);
    cr_assert_eq(batch.misfit.partition, -1);
}

Test(batch_empty, is_not_so_with_a_gap_to_close)
{
    cr_assert(batch_empty(&batch));
    batch.closes_gap = true;
    cr_assert_not(batch_empty(&batch));
    batch_clear(&batch);
    cr_assert(batch_empty(&batch));
}

/* The largest order and what becomes of it: no more than BATCH_GROWTH_BYTES are added. */
Test(batch_sink, what_follows_from_a_command_is_within_its_bound)
{
    enum { LINES = ORDER_LINES_MAX };
    static char skus[LINES][4], id[ID_BYTES_MAX];
    static struct order_line lines[LINES];
    static struct stock_line stock[LINES];
    memset(id, 'i', sizeof id);
    const struct text long_id = {id, sizeof id};
    for (int i = 0; i < LINES; i++) {
        int bytes = snprintf(skus[i], sizeof skus[i], "%x", (unsigned)i);
        lines[i] = (struct order_line){
            .sku = {skus[i], (uint32_t)bytes}, .quantity = 1, .amount_minor = 0, .partition = 63};
        stock[i] = (struct stock_line){.sku = lines[i].sku, .quantity = 1, .version = INT64_MAX};
    }
    const struct metadata metadata = {.command_id = long_id,
                                      .correlation_id = long_id,
                                      .causation_id = long_id,
                                      .actor = long_id,
                                      .traceparent = long_id,
                                      .occurred_at_us = INT64_C(1700000000000000)};
    const struct command command = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("p"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_PLACE,
                  .order_id = long_id,
                  .customer_id = TEXT("a"),
                  .currency = TEXT("USD"),
                  .lines = lines,
                  .line_count = LINES}};
    struct bytes wire;
    cr_assert(codec_encode_command(&command, &arena, &wire));
    const struct event_message placed = {.context = CONTEXT_ORDERS,
                                         .metadata = metadata,
                                         .recorded_at_us = INT64_C(1700000000000000),
                                         .cause_source = CAUSE_COMMANDS,
                                         .cause_offset = INT64_MAX,
                                         .body = EVENT_BODY_DOMAIN,
                                         .body_digest = UINT64_MAX,
                                         .order = {.kind = ORDER_PLACED,
                                                   .order_id = long_id,
                                                   .customer_id = TEXT("a"),
                                                   .currency = TEXT("USD"),
                                                   .lines = lines,
                                                   .line_count = LINES,
                                                   .version = INT64_MAX,
                                                   .status = ORDER_IS_PLACED,
                                                   .saga_state = SAGA_IS_RUNNING,
                                                   .payment = ORDER_PAYMENT_ASKED,
                                                   .total_minor = INT64_MAX,
                                                   .deadline_us = INT64_C(1700000000000000)}};
    struct event_message reserved = {.context = CONTEXT_INVENTORY,
                                     .metadata = metadata,
                                     .recorded_at_us = INT64_C(1700000000000000),
                                     .cause_source = CAUSE_STEPS,
                                     .cause_offset = INT64_MAX,
                                     .asker = {INT64_MAX, UINT16_MAX},
                                     .body = EVENT_BODY_DOMAIN,
                                     .inventory = {.kind = STOCK_RESERVED,
                                                   .order_id = long_id,
                                                   .partition = 63,
                                                   .lines = stock,
                                                   .line_count = LINES}};
    const struct core_sink sink = batch_sink(&batch);
    cr_assert(sink.event(sink.self, 0, long_id, &placed));
    cr_assert(sink.event(sink.self, 0, long_id, &reserved));
    for (size_t i = 0; i < batch.record_count; i++)
        cr_assert_leq(ol_record_bytes(&batch.records[i]),
                      wire.size + BATCH_GROWTH_BYTES + LINES * BATCH_GROWTH_LINE_BYTES,
                      "record %zu: %zu of %zu", i, ol_record_bytes(&batch.records[i]), wire.size);
}

/* ---- limits ---- */

Test(batch_full, at_so_many_inputs)
{
    for (size_t i = 0; i < limits.inputs; i++) {
        cr_assert_not(batch_full(&batch));
        take(NULL, 0);
    }
    cr_assert(batch_full(&batch));
    batch_clear(&batch);
    cr_assert_not(batch_full(&batch));
}

Test(batch_full, at_so_many_bytes_in)
{
    size_t large = MESSAGE_BYTES_MAX * 7;
    struct bytes wire = {ol_arena_zalloc(&arena, large), large};
    while (!batch_full(&batch)) {
        struct ol_message message = message_of(wire, 0, NULL, 0);
        cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
    }
    cr_assert_eq(batch.count, 1 + BATCH_INPUT_BYTES / (large + 3));
    cr_assert_geq(batch.input_bytes, (size_t)BATCH_INPUT_BYTES);
}

/* 256 KiB of empty lines take the most memory: what is left must do for what is decided. */
Test(batch_full, before_the_arena_is_spent)
{
    enum { LINES = (MESSAGE_BYTES_MAX - 100) / 2 };
    struct command command = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("p-1"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_PLACE,
                  .order_id = TEXT("o"),
                  .customer_id = TEXT("anna"),
                  .lines = ol_arena_zalloc(&arena, LINES * sizeof(struct order_line)),
                  .line_count = LINES},
    };
    struct bytes wire;
    cr_assert(codec_encode_command(&command, &arena, &wire));
    cr_assert_leq(wire.size, (size_t)MESSAGE_BYTES_MAX);
    while (!batch_full(&batch)) {
        struct ol_message message = message_of(wire, home_of("o"), NULL, 0);
        cr_assert(batch_take(&batch, &message, CAUSE_COMMANDS, PARTITIONS));
        cr_assert_eq(batch.inputs[batch.count - 1].kind, INPUT_COMMAND);
    }
    cr_assert_geq(batch.count, 1u);
    cr_assert_geq(batch.arena.budget_bytes - batch.arena.used_bytes,
                  (size_t)BATCH_ARENA_BYTES * 3 / 4);
}

Test(batch_full, at_so_many_bytes_out)
{
    const struct core_sink sink = batch_sink(&batch);
    batch.limits.output_bytes = 300;
    while (!batch_full(&batch)) {
        cr_assert_lt(batch.output_bytes, 300u);
        cr_assert(sink.event(sink.self, 0, TEXT("o"), &cancelled));
    }
    cr_assert_geq(batch.output_bytes, 300u);
}

Test(batch_empty, while_nothing_was_decided_or_proposed)
{
    const struct core_sink sink = batch_sink(&batch);
    cr_assert(batch_empty(&batch));
    take(NULL, 0);
    cr_assert(batch_empty(&batch), "taken, but not decided");
    batch.decided = 1;
    cr_assert_not(batch_empty(&batch));
    batch_clear(&batch);
    cr_assert(batch_empty(&batch));
    cr_assert(sink.event(sink.self, 0, TEXT("o"), &cancelled));
    cr_assert_not(batch_empty(&batch));
}

Test(batch_clear, gives_the_messages_back_and_serves_again)
{
    const struct core_sink sink = batch_sink(&batch);
    for (int round = 0; round < 3; round++) {
        take(traced, 2);
        take(NULL, 0);
        cr_assert(sink.event(sink.self, 0, TEXT("o"), &cancelled));
        cr_assert_eq(pipeline_messages_alive(), 2u);
        batch_clear(&batch);
        cr_assert_eq(pipeline_messages_alive(), 0u);
        cr_assert_eq(batch.arena.used_bytes, 0u);
        cr_assert_eq(batch.record_count + batch.count + batch.output_bytes + batch.events, 0u);
        cr_assert(sink.event(sink.self, 0, TEXT("o"), &cancelled));
        batch_clear(&batch);
    }
}
