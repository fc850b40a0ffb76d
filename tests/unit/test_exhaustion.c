/*
 * tests/unit/test_exhaustion.c - memory runs out at every place where it can: told, and nothing
 * leaks.
 *
 * Arenas have blocks of one request each here, so that each request is an allocation. What a spent
 * budget does to the codec is in test_codec_faults.c.
 */
#include "consumers/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "domain/partition.h"
#include "projections/writer_internal.h"
#include "proto/json.h"
#include "tests/support/exhaustion.h"
#include "tests/support/pipeline_message.h"
#include "tests/unit/codec_samples.h"

#define START_US INT64_C(1700000000000000)

#define COUNT(array) (sizeof array / sizeof *array)

/* ---- codec ---- */

struct coding {
    const struct sample *sample;
    struct bytes wire;
};

static bool encode_and_decode(void *self)
{
    const struct coding *coding = self;
    struct ol_arena arena;
    struct sample decoded, before;
    struct ol_error error;
    struct bytes wire;
    ol_arena_init(&arena, 1, 0);
    memset(&decoded, 7, sizeof decoded);
    before = decoded;
    bool encoded = sample_encode(coding->sample, &arena, &wire);
    enum ol_class class = OL_RETRY;
    if (encoded) {
        class = sample_decode(sample_context(coding->sample), coding->sample->stream, coding->wire,
                              &arena, &decoded, &error);
        cr_assert(class == OL_OK || class == OL_RETRY, "%s: %s", coding->sample->name, error.text);
    }
    if (class)
        cr_assert_arr_eq(&decoded, &before, sizeof before, "%s", coding->sample->name);
    ol_arena_release(&arena);
    return class == OL_OK;
}

Test(exhaustion, codec)
{
    struct ol_arena arena;
    size_t failed = 0;
    ol_arena_init(&arena, 4096, 0);
    for (size_t i = 0; i < sample_count; i++) {
        struct coding coding = {.sample = &samples[i]};
        cr_assert(sample_encode(coding.sample, &arena, &coding.wire));
        failed += exhaust(encode_and_decode, &coding);
    }
    cr_expect_geq(failed, 2 * sample_count);
    ol_arena_release(&arena);
}

static size_t exhaust_decoding(const struct sample *sample, struct bytes wire)
{
    struct coding coding = {sample, wire};
    return exhaust(encode_and_decode, &coding);
}

/* What a refusal keeps is copied too, and a body in another form is encoded for its digest. */
Test(exhaustion, codec_of_commands_that_are_refused_or_not_canonical)
{
    enum { LINES = 30000 };
    static const uint8_t pieces[] = "\x0a\x03\x0a\x01"
                                    "c\x12\x03\x0a\x01"
                                    "o\x12\x03\x0a\x01"
                                    "o";
    static struct order_line lines[LINES];
    struct sample sample = {.name = "PlaceOrder",
                            .stream = STREAM_COMMANDS,
                            .command = {.context = CONTEXT_ORDERS,
                                        .metadata = {.command_id = TEXT("c"),
                                                     .correlation_id = TEXT("chain"),
                                                     .causation_id = TEXT("cause"),
                                                     .actor = TEXT("anna"),
                                                     .occurred_at_us = TIME_NONE,
                                                     .traceparent = TEXT("00-1")},
                                        .order = {ORDER_PLACE, .order_id = TEXT("o")}}};
    struct ol_arena arena;
    struct bytes wire;
    ol_arena_init(&arena, 1 << 20, 0);
    const size_t encodings = 1, copies = 1;
    cr_expect_eq(exhaust_decoding(&sample, (struct bytes){pieces, sizeof pieces - 1}),
                 encodings + copies + 1, "the body once more");

    sample.command.metadata.actor = TEXT("\xff");
    cr_assert(sample_encode(&sample, &arena, &wire));
    cr_expect_eq(exhaust_decoding(&sample, wire), encodings + copies + 1, "the fault's path");

    sample.command.metadata.actor = TEXT("anna");
    for (size_t i = 0; i < LINES; i++)
        lines[i] = (struct order_line){TEXT("sku"), 1, 1, 0};
    sample.command.order.lines = lines;
    sample.command.order.line_count = LINES;
    cr_assert(sample_encode(&sample, &arena, &wire));
    cr_assert_gt(wire.size, MESSAGE_BYTES_MAX);
    cr_expect_eq(exhaust_decoding(&sample, wire), encodings + 6, "the ids, actor and trace");
    ol_arena_release(&arena);
}

static bool print_and_read(void *self)
{
    const struct coding *coding = self;
    enum context context = sample_context(coding->sample);
    enum stream stream = coding->sample->stream;
    struct ol_arena arena;
    OL_AUTO(ol_text) struct ol_text text = {0};
    struct ol_error error;
    struct bytes wire;
    struct command command;
    size_t column;
    ol_arena_init(&arena, 1, 0);
    enum ol_class class = json_from_wire(context, stream, coding->wire, &text, &error);
    const char *json = ol_text_string(&text);
    cr_assert(class == OL_OK || class == OL_RETRY, "%s: %s", coding->sample->name, error.text);
    if (!class && !json)
        class = OL_RETRY;
    if (!class)
        class = json_to_wire(context, stream, json, strlen(json), &arena, &wire, &column, &error);
    if (!class && stream == STREAM_COMMANDS)
        class = json_decode_command(json, strlen(json), &arena, &command, &column, &error);
    cr_assert(class == OL_OK || class == OL_RETRY, "%s: %d %s", coding->sample->name, class,
              error.text);
    ol_arena_release(&arena);
    return class == OL_OK;
}

Test(exhaustion, json, .timeout = 60)
{
    struct ol_arena arena;
    size_t failed = 0;
    ol_arena_init(&arena, 4096, 0);
    for (size_t i = 0; i < sample_count; i++) {
        struct coding coding = {.sample = &samples[i]};
        cr_assert(sample_encode(coding.sample, &arena, &coding.wire));
        failed += exhaust(print_and_read, &coding);
    }
    cr_expect_gt(failed, 10 * sample_count);
    ol_arena_release(&arena);
}

/* ---- worker ---- */

#define ORDER .order_id = TEXT("o-1")
#define SHORT .order_id = TEXT("o-3")
/* 120 bytes: the ids of its steps begin with a stem */
#define DOZEN  "orders-id-12"
#define LONG   .order_id = TEXT(DOZEN DOZEN DOZEN DOZEN DOZEN DOZEN DOZEN DOZEN DOZEN DOZEN)
#define WALLET .customer_id = TEXT("c-1")
#define PLN    .currency = TEXT("PLN")

static const struct order_line basket[] = {{TEXT("s-1"), 2, 200, 0}, {TEXT("s-2"), 1, 50, 0}};
static const struct stock_line group[] = {{TEXT("s-1"), 2, 0}, {TEXT("s-2"), 1, 0}};

/* What comes in: `command` or `step`; the other's kind is 0. */
struct given {
    bool is_step;
    struct command command;
    struct step_message step;
};

#define COMMAND(context_, id, ...)                                                                 \
    {                                                                                              \
        .command = {                                                                               \
            .context = context_,                                                                   \
            .metadata = {.command_id = TEXT(id), .occurred_at_us = TIME_NONE},                     \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define STEP(context_, ...)                                                                        \
    {                                                                                              \
        .is_step = true, .step = {                                                                 \
            .context = context_,                                                                   \
            .metadata = {.command_id = TEXT("o-1/1/1"), .occurred_at_us = TIME_NONE},              \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct given orders[] = {
    COMMAND(CONTEXT_ORDERS, "k-1",
            .order = {ORDER_PLACE, ORDER, WALLET, PLN, .lines = basket, .line_count = 2}),
    COMMAND(CONTEXT_ORDERS, "k-1", .order = {ORDER_CANCEL, ORDER}),
    STEP(CONTEXT_ORDERS, .order = {ORDER_STOCK_RESERVED_REPLY, ORDER, .groups = 1}),
    STEP(CONTEXT_ORDERS,
         .order = {ORDER_PAYMENT_DECLINED_REPLY, ORDER, .code = REFUSED_FUNDS_SHORT}),
    STEP(CONTEXT_ORDERS, .order = {ORDER_STOCK_RELEASED_REPLY, ORDER, .groups = 1}),
    COMMAND(CONTEXT_ORDERS, "k-2", .order = {ORDER_CANCEL, .order_id = TEXT("o-2")}),
    COMMAND(CONTEXT_ORDERS, "k-3",
            .order = {ORDER_PLACE, SHORT, WALLET, PLN, .lines = basket, .line_count = 2}),
    STEP(CONTEXT_ORDERS, .order = {ORDER_STOCK_REFUSED_REPLY, SHORT, .code = REFUSED_STOCK_SHORT,
                                   .sku = TEXT("s-2")}),
    COMMAND(CONTEXT_ORDERS, "k-4",
            .order = {ORDER_PLACE, LONG, WALLET, PLN, .lines = basket, .line_count = 2}),
};
static const struct given inventory[] = {
    COMMAND(CONTEXT_INVENTORY, "k-1",
            .inventory = {PRODUCT_ADD, TEXT("s-1"),
                          .details = {TEXT("Kawa"), TEXT("food"), TEXT("Astra"), 5, TEXT("PLN")}}),
    COMMAND(CONTEXT_INVENTORY, "k-2",
            .inventory = {PRODUCT_ADD, TEXT("s-2"), .details = {.name = TEXT("Tea"), PLN}}),
    COMMAND(CONTEXT_INVENTORY, "k-3", .inventory = {STOCK_INCREASE, TEXT("s-1"), .quantity = 9}),
    COMMAND(CONTEXT_INVENTORY, "k-3", .inventory = {STOCK_INCREASE, TEXT("s-1"), .quantity = 9}),
    COMMAND(CONTEXT_INVENTORY, "k-4", .inventory = {STOCK_INCREASE, TEXT("s-2"), .quantity = 9}),
    STEP(CONTEXT_INVENTORY,
         .inventory = {STOCK_RESERVE, ORDER, PLN, .lines = group, .line_count = 2}),
    STEP(CONTEXT_INVENTORY, .inventory = {STOCK_RELEASE, ORDER}),
    COMMAND(CONTEXT_INVENTORY, "k-5", .inventory = {PRODUCT_DELETE, .sku = TEXT("s-1")}),
};
static const struct given payments[] = {
    COMMAND(CONTEXT_PAYMENTS, "k-1", .payment = {ACCOUNT_OPEN, WALLET, PLN}),
    COMMAND(CONTEXT_PAYMENTS, "k-2", .payment = {FUNDS_DEPOSIT, WALLET, PLN, .amount_minor = 900}),
    STEP(CONTEXT_PAYMENTS, .payment = {PAYMENT_AUTHORISE, TEXT("o-1"), WALLET, 250, TEXT("PLN")}),
    STEP(CONTEXT_PAYMENTS, .payment = {PAYMENT_CAPTURE, TEXT("o-1"), WALLET}),
    COMMAND(CONTEXT_PAYMENTS, "k-3",
            .payment = {PAYMENT_REFUND, WALLET, .amount_minor = 50, .payment_id = TEXT("o-1")}),
    STEP(CONTEXT_PAYMENTS, .payment = {PAYMENT_VOID, TEXT("o-9"), WALLET}),
};

struct working {
    enum context context;
    const struct given *given;
    size_t given_count;
    struct bytes wires[12]; /* of the given */
};

static const struct batch_topics topics = {
    .commands = 1,
    .events = 2,
    .dead_letters = 3,
    .steps = {4, 5, 6},
    .input_names = {"o.commands.v1", "o.steps.v1"},
};

static bool take(struct batch *batch, const struct working *working, size_t index)
{
    static const struct ol_header trace[] = {{"traceparent", "00-1", 4}};
    bool is_step = working->given[index].is_step;
    const struct ol_message source = {.value = working->wires[index].data,
                                      .value_bytes = working->wires[index].size,
                                      .offset = (int64_t)index,
                                      .timestamp_ms = START_US / 1000};
    exhaust_pause();
    struct ol_message message = pipeline_message(&source, trace, is_step ? 0 : 1);
    exhaust_resume();
    if (batch_take(batch, &message, is_step ? CAUSE_STEPS : CAUSE_COMMANDS, 1))
        return true;
    ol_message_release(&message);
    return false;
}

static bool load(struct core *core, const struct core_input *input, struct ol_arena *arena)
{
    struct entity_key *keys;
    size_t count;
    do {
        if (!core_missing(core, input, 1, arena, &keys, &count))
            return false;
        for (size_t i = 0; i < count; i++) {
            struct entity absent = {.kind = keys[i].kind};
            if (!core_put(core, &keys[i], &absent, 0))
                return false;
        }
    } while (count);
    return true;
}

static bool decide(struct core *core, struct batch *batch, const struct working *working)
{
    struct core_sink sink = batch_sink(batch);
    size_t proposed;
    for (size_t i = 0; i < working->given_count; i++) {
        if (!take(batch, working, i))
            return false;
        const struct core_input *input = &batch->inputs[i];
        cr_assert_neq(input->kind, INPUT_UNREADABLE, "%s", input->reason);
        if (!load(core, input, &batch->arena) || !core_run(core, input, &batch->arena, &sink))
            return false;
    }
    return core_propose_timeouts(core, START_US + 2, 1, 9, &batch->arena, &sink, &proposed) &&
           core_answer(core, &sink) &&
           core_close(core, &sink, batch->offsets, &batch->offset_count, &batch->total) &&
           batch_close(batch);
}

static bool work(void *self)
{
    const struct working *working = self;
    const struct core_settings settings = {.context = working->context,
                                           .partitions = 1,
                                           .order_deadline_us = 1,
                                           .overlay = {1 << 20, 1 << 20}};
    const struct batch_limits limits = {COUNT(working->wires), 1 << 20};
    struct batch batch;
    if (!batch_init(&batch, working->context, limits, &topics))
        return false;
    batch.arena.block_bytes = 1;
    struct core *core = core_new(&settings);
    bool good = core != NULL;
    if (good) {
        core_partition_begin(core, 0, NULL);
        core_partition_bootstrap(core, 0, 0, 0);
        good = decide(core, &batch, working);
        core_clear(core); /* whatever it was in the middle of */
    }
    core_free(core);
    batch_release(&batch);
    cr_assert_eq(pipeline_messages_alive(), 0u);
    return good;
}

static void exhaust_worker(enum context context, const struct given *given, size_t count)
{
    struct working working = {context, given, count, {{0}}};
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    for (size_t i = 0; i < count; i++) {
        struct bytes step;
        const struct step_bundle bundle = {.steps = &step, .count = 1};
        cr_assert(given[i].is_step
                      ? codec_encode_step(&given[i].step, &arena, &step) &&
                            codec_encode_bundle(&bundle, &arena, &working.wires[i])
                      : codec_encode_command(&given[i].command, &arena, &working.wires[i]));
    }
    cr_expect_gt(exhaust(work, &working), 5 * count);
    ol_arena_release(&arena);
}

Test(exhaustion, worker_of_orders)
{
    exhaust_worker(CONTEXT_ORDERS, orders, COUNT(orders));
}

Test(exhaustion, worker_of_inventory)
{
    exhaust_worker(CONTEXT_INVENTORY, inventory, COUNT(inventory));
}

Test(exhaustion, worker_of_payments)
{
    exhaust_worker(CONTEXT_PAYMENTS, payments, COUNT(payments));
}

/* ---- growth: tables that double ---- */

static bool grow_overlay(void *self)
{
    int many = *(const int *)self;
    struct overlay *overlay = overlay_new(2, (struct overlay_limits){1 << 24, 1 << 24});
    bool good = overlay != NULL;
    for (int i = 0; good && i < many; i++) {
        char id[16];
        int bytes = snprintf(id, sizeof id, "%d", i);
        struct entity_key key = {.kind = ENTITY_ORDER, .id = {id, (uint32_t)bytes}};
        const struct receipt receipt = {.commands_next = i + 1};
        good = overlay_get_or_absent(overlay, &key) && overlay_batch_close(overlay, 1, &receipt);
        cr_assert_eq(overlay_has(overlay, &key) || !good, true);
    }
    overlay_free(overlay);
    return good;
}

/* A state whose texts come along. */
static bool put_order(void *self)
{
    const struct entity *state = self;
    const struct entity_key key = {ENTITY_ORDER, 0, TEXT("o-1"), {0}};
    struct overlay *overlay = overlay_new(1, (struct overlay_limits){1 << 24, 1 << 24});
    bool good = overlay && overlay_put(overlay, &key, state, 0);
    if (overlay) {
        cr_assert_eq(overlay_has(overlay, &key), good);
        cr_assert_eq(overlay_stats(overlay).entries, (size_t)good);
        cr_assert_eq(overlay_stats(overlay).bytes > 0, good);
    }
    overlay_free(overlay);
    return good;
}

Test(exhaustion, a_state_with_texts)
{
    struct entity order = {.kind = ENTITY_ORDER, .order = {.version = 1, WALLET}};
    cr_expect_geq(exhaust(put_order, &order), 2u, "the overlay and the text");
}

static bool grow_deadlines(void *self)
{
    int many = *(const int *)self;
    struct deadlines *deadlines = deadlines_new();
    bool good = deadlines != NULL;
    for (int i = 0; good && i < many; i++) {
        char id[16];
        int bytes = snprintf(id, sizeof id, "%d", i);
        good = deadlines_set(deadlines, (struct text){id, (uint32_t)bytes}, 0, i);
    }
    deadlines_free(deadlines);
    return good;
}

Test(exhaustion, tables_that_grow)
{
    int many = 700;
    cr_expect_gt(exhaust(grow_overlay, &many), 700u);
    cr_expect_gt(exhaust(grow_deadlines, &many), 700u);
}

/* ---- projector ---- */

struct projecting {
    enum context context;
    struct event_message events[32];
    size_t count, first; /* those before the first are in an older batch */
    struct ol_arena arena;
};

static bool keep_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    struct projecting *projecting = self;
    struct ol_error error;
    struct bytes wire;
    (void)partition;
    (void)key;
    cr_assert_lt(projecting->count, COUNT(projecting->events));
    cr_assert(codec_encode_event(event, &projecting->arena, &wire));
    cr_assert_eq(codec_decode_event(projecting->context, wire, &projecting->arena,
                                    &projecting->events[projecting->count++], &error),
                 OL_OK);
    return true;
}

static bool drop_step(void *self, int32_t partition, const struct step_message *step)
{
    (void)self;
    (void)partition;
    (void)step;
    return true;
}

static void decide_events(struct projecting *projecting, const struct given *given, size_t count)
{
    const struct core_settings settings = {.context = projecting->context,
                                           .partitions = 1,
                                           .order_deadline_us = 1,
                                           .overlay = {1 << 20, 1 << 20}};
    const struct core_sink sink = {projecting, keep_event, drop_step, NULL, NULL};
    struct core *core = core_new(&settings);
    struct core_offset offset;
    struct receipt total;
    size_t offsets;
    core_partition_begin(core, 0, NULL);
    core_partition_bootstrap(core, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        struct core_input input = {.kind = given[i].is_step ? INPUT_STEP : INPUT_COMMAND,
                                   .source = given[i].is_step ? CAUSE_STEPS : CAUSE_COMMANDS,
                                   .offset = (int64_t)i,
                                   .at_us = START_US};
        if (given[i].is_step)
            input.step = given[i].step;
        else
            input.command = given[i].command;
        input.command.body_digest += !given[i].is_step;
        cr_assert(load(core, &input, &projecting->arena));
        cr_assert(core_run(core, &input, &projecting->arena, &sink));
    }
    cr_assert(core_answer(core, &sink));
    cr_assert(core_close(core, &sink, &offset, &offsets, &total));
    core_free(core);
}

/* The rows as they would be bound; COPY's buffer is of the same kind. */
static bool bind_sets(struct row_batch *batch)
{
    struct writer *writer = writer_new(NULL, batch->context, "events");
    bool good = writer != NULL;
    if (good)
        fill_sets(writer, batch);
    for (size_t i = 0; good && i < writer->set_count; i++)
        for (size_t k = 0; k < writer->sets[i].array_count; k++) {
            size_t bytes;
            good = ol_pg_array_value(&writer->sets[i].arrays[k], &bytes) && good;
        }
    writer_free(writer);
    return good;
}

static bool project(void *self)
{
    struct projecting *projecting = self;
    struct row_batch batch;
    struct ol_error error;
    enum ol_class class = OL_OK;
    row_batch_init(&batch, projecting->context);
    batch.arena.block_bytes = 1;
    row_batch_start(&batch, 0, &(struct load_progress){.last_offset = -1});
    for (size_t i = projecting->first; i < projecting->count && !class; i++) {
        class = row_batch_apply(&batch, &projecting->events[i], 0, (int64_t)i, &error);
        cr_assert(class == OL_OK || class == OL_FATAL, "%s", error.text);
    }
    row_batch_seal(&batch);
    bool good = !class && bind_sets(&batch);
    row_batch_release(&batch);
    return good;
}

/* A worker that takes over reads the same events. */
static bool replay(void *self)
{
    const struct projecting *projecting = self;
    const struct core_settings settings = {
        .context = projecting->context, .partitions = 1, .overlay = {1 << 20, 1 << 20}};
    struct core *core = core_new(&settings);
    struct ol_arena arena;
    ol_arena_init(&arena, 1, 0);
    bool good = core != NULL;
    if (good)
        core_partition_begin(core, 0, NULL);
    for (size_t i = 0; good && i < projecting->count; i++) {
        const struct event_message *event = &projecting->events[i];
        struct entity_key *keys = NULL;
        size_t count = 0, capacity = 0;
        struct ol_error error;
        good = core_missing_for_event(core, event, 0, &arena, &keys, &count, &capacity);
        for (size_t k = 0; good && k < count; k++) {
            struct entity absent = {.kind = keys[k].kind};
            good = core_put(core, &keys[k], &absent, 0);
        }
        if (!good)
            break;
        enum ol_class class = core_replay(core, event, 0, (int64_t)i, &error);
        cr_assert(class == OL_OK || class == OL_FATAL, "%s", error.text);
        good = !class;
    }
    core_free(core);
    ol_arena_release(&arena);
    return good;
}

static void exhaust_projector(enum context context, const struct given *given, size_t count)
{
    static struct projecting projecting;
    projecting.context = context;
    ol_arena_init(&projecting.arena, 4096, 0);
    decide_events(&projecting, given, count);
    cr_assert_gt(projecting.count, count);
    cr_expect_gt(exhaust(project, &projecting), 3 * count);
    while (++projecting.first < projecting.count)
        cr_expect_gt(exhaust(project, &projecting), projecting.count - projecting.first);
    cr_expect_gt(exhaust(replay, &projecting), 2 * count);
    ol_arena_release(&projecting.arena);
}

Test(exhaustion, projector_and_take_over_of_orders, .timeout = 60)
{
    exhaust_projector(CONTEXT_ORDERS, orders, COUNT(orders));
}

Test(exhaustion, projector_and_take_over_of_inventory, .timeout = 60)
{
    exhaust_projector(CONTEXT_INVENTORY, inventory, COUNT(inventory));
}

Test(exhaustion, projector_and_take_over_of_payments, .timeout = 60)
{
    exhaust_projector(CONTEXT_PAYMENTS, payments, COUNT(payments));
}
