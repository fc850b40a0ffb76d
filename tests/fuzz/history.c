#include "tests/fuzz/history.h"

#include <string.h>

#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_hash.h"
#include "tests/unit/codec_random.h"

#define DEADLINE_US INT64_C(60000000)
#define MAILBOX_MAX 32

/* What one run needs beside the history. */
struct run {
    struct history *history;
    struct fuzz_input *input;
    int64_t now_us;
    int64_t inputs_next[4][2], events_next[4];
    struct core_input last;
    struct step_message mailbox[MAILBOX_MAX]; /* timeouts that were proposed */
    int32_t mailbox_partitions[MAILBOX_MAX];
    size_t mailbox_count;
    struct core_sink sink;
};

/* ---- choices ---- */

#define CHOOSE(run, words) text_of(words[fuzz_below((run)->input, sizeof words / sizeof *words)])

static const char *const orders[] = {"o-0", "o-1", "o-2", "o-3"};
static const char *const skus[] = {"s-0", "s-1", "s-2", "s-3", "s-4", "s-5", "s-6", "s-7"};
static const char *const customers[] = {"c-0", "c-1", "c-2"};
static const char *const commands[] = {"k-0", "k-1", "k-2", "k-3", "k-4", "k-5", "k-6", "k-7"};
static const char *const currencies[] = {"PLN", "PLN", "PLN", "PLN", "EUR", "DEM", "XAU", "zł"};

static int64_t choose_number(struct run *run)
{
    static const int64_t numbers[] = {1,   2,   3,    5,         10,        100,
                                      250, 999, 1000, 100000000, INT32_MAX, INT64_MAX / 256,
                                      0,   -1,  7,    INT64_MAX};
    unsigned choice = fuzz_byte(run->input);
    if (choice < 250)
        return numbers[choice % 16];
    return (int64_t)fuzz_number(run->input, 8);
}

static enum refusal_code choose_code(struct run *run)
{
    return fuzz_below(run->input, REFUSAL_CODE_COUNT);
}

/* ---- messages ---- */

static struct metadata choose_metadata(struct run *run)
{
    unsigned choice = fuzz_byte(run->input);
    return (struct metadata){
        .command_id = text_of(commands[choice % 8]),
        .correlation_id = choice & 8 ? TEXT("chain") : (struct text){0},
        .actor = choice & 16 ? TEXT("somebody") : (struct text){0},
        .occurred_at_us = choice & 32 ? HISTORY_START_US : TIME_NONE,
        .expected_version = choice & 64 ? 1 : 0,
    };
}

static void choose_order_lines(struct run *run, struct order_command *place)
{
    size_t count = fuzz_below(run->input, 5);
    struct order_line *lines = ol_arena_zalloc(&run->history->arena, (count + 1) * sizeof *lines);
    for (size_t i = 0; i < count; i++)
        lines[i] =
            (struct order_line){CHOOSE(run, skus), choose_number(run), choose_number(run), 0};
    place->lines = lines;
    place->line_count = count;
}

static struct command choose_command(struct run *run)
{
    struct command command = {.context = run->history->context, .metadata = choose_metadata(run)};
    struct text currency = CHOOSE(run, currencies);
    if (command.context == CONTEXT_ORDERS) {
        command.order.kind = ORDER_PLACE + fuzz_below(run->input, 2);
        command.order.order_id = CHOOSE(run, orders);
        if (command.order.kind == ORDER_PLACE) {
            command.order.customer_id = CHOOSE(run, customers);
            command.order.currency = currency;
            choose_order_lines(run, &command.order);
        }
    } else if (command.context == CONTEXT_INVENTORY) {
        command.inventory = (struct inventory_command){
            .kind = PRODUCT_ADD + fuzz_below(run->input, STOCK_COUNT),
            .sku = CHOOSE(run, skus),
            .details = {.name = TEXT("Kawa"), .currency = currency},
        };
        command.inventory.quantity = choose_number(run);
        command.inventory.details.price_minor = command.inventory.quantity;
    } else {
        command.payment = (struct payment_command){
            .kind = ACCOUNT_OPEN + fuzz_below(run->input, PAYMENT_REFUND),
            .customer_id = CHOOSE(run, customers),
            .currency = currency,
            .amount_minor = choose_number(run),
        };
        command.payment.payment_id = CHOOSE(run, orders);
    }
    return command;
}

/* In the domain's place: orders on all rows of the saga. */
enum payment_row order_payment_row(struct text order_id)
{
    return partition_hash(order_id) >> 8 & 1 ? PAYMENT_ROW_CHARGE : PAYMENT_ROW_AUTHORISE;
}

static struct order_step choose_order_step(struct run *run)
{
    struct order_step step = {
        .kind = 1 + fuzz_below(run->input, ORDER_STEP_KIND_COUNT - 1),
        .order_id = CHOOSE(run, orders),
        .partition = (int32_t)fuzz_below(run->input, (unsigned)run->history->partitions),
        .code = choose_code(run),
        .sku = CHOOSE(run, skus),
        .deadline_us = HISTORY_START_US + choose_number(run) % DEADLINE_US,
    };
    step.groups = UINT64_C(1) << step.partition;
    return step;
}

static struct inventory_step choose_inventory_step(struct run *run)
{
    struct inventory_step step = {
        .kind = STOCK_RESERVE + fuzz_below(run->input, 2),
        .order_id = CHOOSE(run, orders),
        .partition = (int32_t)fuzz_below(run->input, (unsigned)run->history->partitions),
    };
    if (step.kind == STOCK_RELEASE)
        return step;
    step.currency = CHOOSE(run, currencies);
    size_t count = fuzz_below(run->input, 5);
    struct stock_line *lines = ol_arena_zalloc(&run->history->arena, (count + 1) * sizeof *lines);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct stock_line){CHOOSE(run, skus), choose_number(run), 0};
    step.lines = lines;
    step.line_count = count;
    return step;
}

static struct step_message choose_step(struct run *run)
{
    struct step_message step = {.context = run->history->context,
                                .metadata = {.command_id = TEXT("o-0/1/1"),
                                             .correlation_id = TEXT("chain"),
                                             .causation_id = TEXT("k-0"),
                                             .occurred_at_us = TIME_NONE}};
    if (step.context == CONTEXT_ORDERS) {
        step.order = choose_order_step(run);
    } else if (step.context == CONTEXT_INVENTORY) {
        step.inventory = choose_inventory_step(run);
    } else {
        step.payment =
            (struct payment_step){1 + fuzz_below(run->input, PAYMENT_STEP_KIND_COUNT - 1),
                                  CHOOSE(run, orders),
                                  CHOOSE(run, customers),
                                  0,
                                  {0}};
        if (step.payment.kind == PAYMENT_AUTHORISE || step.payment.kind == PAYMENT_CHARGE) {
            step.payment.amount_minor = choose_number(run);
            step.payment.currency = CHOOSE(run, currencies);
        }
    }
    return step;
}

/* ---- what comes out ---- */

static bool sink_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    struct run *run = self;
    struct history *history = run->history;
    struct history_event *kept = &history->events[history->event_count];
    struct ol_error error;
    struct bytes wire;
    fuzz_check(partition >= 0 && partition < history->partitions);
    fuzz_check((key.bytes == 0) == (event->body == EVENT_BODY_RECEIPT));
    if (history->event_count == HISTORY_EVENTS_MAX)
        return false;
    fuzz_check(codec_encode_event(event, &history->arena, &wire));
    enum ol_class class =
        codec_decode_event(history->context, wire, &history->arena, &kept->event, &error);
    if (class)
        fprintf(stderr, "an event of ours: %s\n", error.text);
    fuzz_check(class == OL_OK);
    fuzz_check(same_event(&kept->event, event));
    kept->partition = partition;
    kept->offset = run->events_next[partition]++;
    history->event_count++;
    return true;
}

static bool sink_step(void *self, int32_t partition, const struct step_message *step)
{
    struct run *run = self;
    struct ol_error error;
    struct bytes wire;
    struct step_message again;
    fuzz_check(partition >= 0 && partition < run->history->partitions);
    fuzz_check(codec_encode_step(step, &run->history->arena, &wire));
    enum ol_class class =
        codec_decode_step(step->context, wire, &run->history->arena, &again, &error);
    if (class)
        fprintf(stderr, "a step of ours: %s\n", error.text);
    fuzz_check(class == OL_OK);
    fuzz_check(same_step(&again, step));
    if (step->context == run->history->context && run->mailbox_count < MAILBOX_MAX) {
        run->mailbox_partitions[run->mailbox_count] = partition;
        run->mailbox[run->mailbox_count++] = again;
    }
    return true;
}

static bool sink_pass_on(void *self, int32_t partition, const struct core_input *input)
{
    struct run *run = self;
    fuzz_check(partition != input->partition && partition < run->history->partitions);
    return true;
}

static bool sink_dead_letter(void *self, const struct core_input *input, const char *code,
                             const char *reason)
{
    (void)self;
    (void)input;
    fuzz_check(*code && *reason);
    return true;
}

/* ---- what goes in ---- */

static void load(struct run *run, const struct core_input *input)
{
    struct entity_key *keys;
    size_t count;
    for (;;) {
        fuzz_check(core_missing(run->history->core, input, 1, &run->history->arena, &keys, &count));
        if (count == 0)
            return;
        for (size_t i = 0; i < count; i++) {
            struct entity absent = {.kind = keys[i].kind};
            fuzz_check(core_put(run->history->core, &keys[i], &absent, 0));
        }
    }
}

static void take(struct run *run, struct core_input *input)
{
    run->last = *input;
    input->offset = run->inputs_next[input->partition][input->source == CAUSE_STEPS]++;
    input->at_us = run->now_us;
    load(run, input);
    fuzz_check(core_run(run->history->core, input, &run->history->arena, &run->sink));
}

static void take_wire(struct run *run, struct bytes wire, enum cause_source source, int32_t swerve)
{
    struct history *history = run->history;
    struct core_input input = {.source = source, .passed_on = swerve == 2};
    struct ol_error error;
    enum ol_class class;
    struct text key = {0};
    if (source == CAUSE_COMMANDS) {
        input.kind = INPUT_COMMAND;
        class =
            codec_decode_command(history->context, wire, &history->arena, &input.command, &error);
        if (!class)
            key = command_aggregate(&input.command);
    } else {
        input.kind = INPUT_STEP;
        class = codec_decode_step(history->context, wire, &history->arena, &input.step, &error);
        if (!class)
            key = step_aggregate(&input.step);
    }
    fuzz_check(class == OL_OK || class == OL_POISON);
    if (class) {
        input.kind = INPUT_UNREADABLE;
        input.reason = ol_arena_copy(&history->arena, error.text, strlen(error.text));
    } else if (source == CAUSE_STEPS && history->context == CONTEXT_INVENTORY) {
        input.partition = input.step.inventory.partition;
    } else {
        input.partition = partition_of(key, history->partitions);
    }
    input.partition = (input.partition + (swerve > 0)) % history->partitions;
    take(run, &input);
}

static void take_chosen(struct run *run, bool is_command)
{
    struct bytes wire;
    int32_t swerve = fuzz_byte(run->input);
    swerve = swerve < 3 ? swerve : 0; /* seldom on the wrong partition */
    if (is_command) {
        struct command command = choose_command(run);
        fuzz_check(codec_encode_command(&command, &run->history->arena, &wire));
    } else {
        struct step_message step = choose_step(run);
        fuzz_check(codec_encode_step(&step, &run->history->arena, &wire));
    }
    take_wire(run, wire, is_command ? CAUSE_COMMANDS : CAUSE_STEPS, swerve);
}

static void take_raw(struct run *run, enum cause_source source)
{
    size_t size = fuzz_byte(run->input);
    if (size > fuzz_left(run->input))
        size = fuzz_left(run->input);
    struct bytes wire = {run->input->at, size};
    run->input->at += size;
    take_wire(run, wire, source, 0);
}

static void take_mailbox(struct run *run)
{
    struct bytes wire;
    for (size_t i = 0; i < run->mailbox_count; i++) {
        struct core_input input = {.kind = INPUT_STEP,
                                   .source = CAUSE_STEPS,
                                   .partition = run->mailbox_partitions[i],
                                   .step = run->mailbox[i]};
        fuzz_check(codec_encode_step(&input.step, &run->history->arena, &wire));
        take(run, &input);
    }
    run->mailbox_count = 0;
}

static void close_batch(struct run *run)
{
    struct core_offset offsets[PARTITIONS_MAX];
    struct receipt total;
    size_t count;
    fuzz_check(core_answer(run->history->core, &run->sink));
    fuzz_check(core_close(run->history->core, &run->sink, offsets, &count, &total));
    for (size_t i = 0; i < count; i++) {
        const int64_t *next = run->inputs_next[offsets[i].partition];
        fuzz_check(offsets[i].commands_next == next[0] && offsets[i].steps_next == next[1]);
    }
    for (int32_t i = 0; i < run->history->partitions; i++)
        run->events_next[i]++; /* the transaction's marker */
}

static void tick(struct run *run)
{
    size_t count;
    run->now_us += (int64_t)fuzz_number(run->input, 2) << 16;
    fuzz_check(core_propose_timeouts(run->history->core, run->now_us, ~UINT64_C(0), 4,
                                     &run->history->arena, &run->sink, &count));
    fuzz_check(count <= 4);
}

static void again(struct run *run)
{
    struct core_input input = run->last;
    if (input.kind)
        take(run, &input);
}

struct core *history_core(enum context context, int32_t partitions, bool second)
{
    static struct core *cores[CONTEXT_COUNT][2][2];
    struct core **core = &cores[context][partitions > 1][second];
    if (*core) {
        core_clear(*core);
        return *core;
    }
    const struct core_settings settings = {.context = context,
                                           .partitions = partitions,
                                           .order_deadline_us = DEADLINE_US,
                                           .overlay = {1 << 24, 1 << 24}};
    *core = core_new(&settings);
    fuzz_check(*core);
    return *core;
}

static void begin(struct history *history, struct fuzz_input *input)
{
    unsigned choice = fuzz_byte(input);
    history->context = choice % CONTEXT_COUNT;
    history->partitions = choice & 64 ? 4 : 1;
    history->event_count = 0;
    if (!history->arena.block_bytes)
        ol_arena_init(&history->arena, 1 << 18, 0);
    ol_arena_clear(&history->arena);
    history->core = history_core(history->context, history->partitions, false);
    for (int32_t i = 0; i < history->partitions; i++) {
        core_partition_begin(history->core, i, NULL);
        core_partition_bootstrap(history->core, i, 0, 0);
    }
}

void history_run(struct history *history, struct fuzz_input *input)
{
    begin(history, input);
    struct run run = {.history = history, .input = input, .now_us = HISTORY_START_US};
    run.sink = (struct core_sink){&run, sink_event, sink_step, sink_pass_on, sink_dead_letter};
    for (int i = 0; i < HISTORY_INPUTS_MAX && fuzz_left(input); i++) {
        unsigned choice = fuzz_byte(input);
        switch (choice % 16) {
        case 0: close_batch(&run); break;
        case 1: tick(&run); break;
        case 2: take_mailbox(&run); break;
        case 3: again(&run); break;
        case 4: take_raw(&run, CAUSE_COMMANDS); break;
        case 5: take_raw(&run, CAUSE_STEPS); break;
        default: take_chosen(&run, choice % 16 < 11); break;
        }
    }
    close_batch(&run);
}

void history_put_absent(struct core *core, const struct history *history)
{
    static struct ol_arena arena;
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    ol_arena_clear(&arena);
    struct entity_key *keys = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < history->event_count; i++)
        fuzz_check(core_missing_for_event(core, &history->events[i].event,
                                          history->events[i].partition, &arena, &keys, &count,
                                          &capacity));
    count = core_keys_unique(keys, count);
    for (size_t i = 0; i < count; i++) {
        struct entity absent = {.kind = keys[i].kind};
        fuzz_check(core_put(core, &keys[i], &absent, 0));
    }
}
