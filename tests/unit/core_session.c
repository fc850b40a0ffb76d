#include "tests/unit/core_session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"

#define WORDS_MAX (ORDER_LINES_MAX + 8)

struct session session;

/* ---- what goes out, as words ---- */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (session.used)
        session.said[session.used++] = ' ';
    session.used += (size_t)vsnprintf(session.said + session.used,
                                      sizeof session.said - session.used, format, arguments);
    va_end(arguments);
    cr_assert_lt(session.used, sizeof session.said);
}

static bool sink_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    (void)self;
    cr_assert_lt(partition, session.settings.partitions);
    cr_assert_eq(key.bytes == 0, event->body == EVENT_BODY_RECEIPT);
    if (session.full)
        return false;
    session.events[session.event_count++ % KEPT_MAX] = *event;
    if (event->body == EVENT_BODY_REJECTED)
        say("no %s", refusal_name(event->rejected.code));
    else if (event->body == EVENT_BODY_REPEATED)
        say("again %s", event->repeated.outcome == OUTCOME_ACCEPTED
                            ? "ACCEPTED"
                            : refusal_name(event->repeated.code));
    else
        say("%s", event_kind_name(event));
    return true;
}

static bool sink_step(void *self, int32_t partition, const struct step_message *step)
{
    (void)self;
    if (session.full)
        return false;
    session.steps[session.step_count++ % KEPT_MAX] = *step;
    say("[%s %.*s %s/%d]", step_kind_name(step), (int)step->metadata.command_id.bytes,
        step->metadata.command_id.data, context_name(step->context), partition);
    return true;
}

static bool sink_pass_on(void *self, int32_t partition, const struct core_input *input)
{
    (void)self;
    cr_assert_neq(input->partition, partition);
    say("pass %d", partition);
    return !session.full;
}

static bool sink_dead_letter(void *self, const struct core_input *input, const char *code,
                             const char *reason)
{
    (void)self;
    (void)input;
    cr_assert_gt(strlen(reason), 0u);
    say("dead %s", code);
    return !session.full;
}

/* ---- a session ---- */

void begin_with(enum context context, int32_t partitions)
{
    core_free(session.core);
    ol_arena_release(&session.arena);
    struct ol_arena wire = session.wire;
    session = (struct session){
        .wire = wire,
        .settings = {.context = context,
                     .partitions = partitions,
                     .order_deadline_us = DEADLINE_US,
                     .overlay = {1 << 24, 1 << 24}},
        .now_us = START_US,
        .sink = {NULL, sink_event, sink_step, sink_pass_on, sink_dead_letter},
    };
    ol_arena_init(&session.arena, 65536, 0);
    if (!wire.block_bytes)
        ol_arena_init(&session.wire, 65536, 0);
    session.core = core_new(&session.settings);
    cr_assert(session.core);
    for (int32_t i = 0; i < partitions; i++) {
        core_partition_begin(session.core, i, NULL);
        core_partition_bootstrap(session.core, i, 0, 0);
    }
}

void begin(enum context context)
{
    begin_with(context, 1);
}

void tear_down(void)
{
    core_free(session.core);
    ol_arena_release(&session.arena);
    ol_arena_release(&session.wire);
    session = (struct session){0};
}

/* ---- what comes in, from words ---- */

struct words {
    const char *at[WORDS_MAX];
    size_t count;
};

static struct words split(const char *line)
{
    struct words words = {.count = 0};
    char *copy = ol_arena_copy(&session.arena, line, strlen(line));
    for (char *word; (word = strsep(&copy, " "));) {
        cr_assert_lt(words.count, (size_t)WORDS_MAX);
        words.at[words.count++] = word;
    }
    return words;
}

static int64_t number(const char *word)
{
    return word ? strtoll(word, NULL, 10) : 0;
}

/* "SKU:QUANTITY:AMOUNT" */
static void read_order_lines(const struct words *words, size_t first, struct order_command *place)
{
    struct order_line *lines =
        ol_arena_zalloc(&session.arena, (words->count - first + 1) * sizeof *lines);
    for (size_t i = first; i < words->count; i++) {
        char *rest = strchr(words->at[i], ':');
        struct order_line *line = &lines[place->line_count++];
        line->sku = (struct text){words->at[i], (uint32_t)(rest - words->at[i])};
        line->quantity = strtoll(rest + 1, &rest, 10);
        line->amount_minor = strtoll(rest + 1, NULL, 10);
    }
    place->lines = lines;
}

static struct command read_command(const struct words *words)
{
    static const struct {
        const char *word;
        enum context context;
        int kind;
    } rows[] = {
        {"place", CONTEXT_ORDERS, ORDER_PLACE},
        {"cancel", CONTEXT_ORDERS, ORDER_CANCEL},
        {"add", CONTEXT_INVENTORY, PRODUCT_ADD},
        {"increase", CONTEXT_INVENTORY, STOCK_INCREASE},
        {"open", CONTEXT_PAYMENTS, ACCOUNT_OPEN},
        {"deposit", CONTEXT_PAYMENTS, FUNDS_DEPOSIT},
        {"refund", CONTEXT_PAYMENTS, PAYMENT_REFUND},
    };
    struct command command = {.context = CONTEXT_COUNT};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].word, words->at[0]) != 0)
            continue;
        struct text aggregate = text_of(words->at[2]);
        command.context = rows[i].context;
        command.metadata =
            (struct metadata){.command_id = text_of(words->at[1]), .occurred_at_us = TIME_NONE};
        if (command.context == CONTEXT_ORDERS) {
            command.order.kind = (enum order_command_kind)rows[i].kind;
            command.order.order_id = aggregate;
        } else if (command.context == CONTEXT_INVENTORY) {
            command.inventory.kind = (enum inventory_command_kind)rows[i].kind;
            command.inventory.sku = aggregate;
            command.inventory.details.currency = TEXT("PLN");
            command.inventory.quantity = number(words->at[3]);
        } else {
            command.payment.kind = (enum payment_command_kind)rows[i].kind;
            command.payment.customer_id = aggregate;
            command.payment.currency = TEXT("PLN");
            command.payment.amount_minor = number(words->at[words->count - 1]);
            command.payment.payment_id = text_of(words->at[3]);
        }
    }
    if (command.context == CONTEXT_ORDERS && command.order.kind == ORDER_PLACE) {
        command.order.customer_id = text_of(words->at[3]);
        command.order.currency = TEXT("PLN");
        read_order_lines(words, 4, &command.order);
    }
    for (size_t i = 2; i < words->count; i++)
        command.body_digest =
            command.body_digest * 31 + ol_hash(words->at[i], strlen(words->at[i]));
    return command;
}

static struct order_step read_order_step(const struct words *words, int kind)
{
    struct order_step step = {.kind = (enum order_step_kind)kind,
                              .order_id = text_of(words->at[1])};
    step.partition = (int32_t)number(words->at[2]);
    if (kind == ORDER_STOCK_RESERVED_REPLY || kind == ORDER_STOCK_RELEASED_REPLY)
        step.groups = UINT64_C(1) << step.partition;
    if (kind == ORDER_STOCK_REFUSED_REPLY || kind == ORDER_PAYMENT_DECLINED_REPLY)
        step.code = REFUSED_STOCK_SHORT;
    if (kind == ORDER_TIMEOUT)
        step.deadline_us = number(words->at[2]);
    return step;
}

static struct inventory_step read_inventory_step(const struct words *words, int kind)
{
    struct inventory_step step = {.kind = (enum inventory_step_kind)kind,
                                  .order_id = text_of(words->at[2]),
                                  .currency = TEXT("PLN")};
    struct stock_line *lines = ol_arena_zalloc(&session.arena, words->count * sizeof *lines);
    for (size_t i = 3; i < words->count; i++) {
        const char *rest = strchr(words->at[i], ':');
        lines[step.line_count++] = (struct stock_line){
            .sku = {words->at[i], (uint32_t)(rest - words->at[i])}, .quantity = number(rest + 1)};
    }
    step.lines = lines;
    return step;
}

static struct step_message read_step(const struct words *words)
{
    static const struct {
        const char *word;
        enum context context;
        int kind;
    } rows[] = {
        {"reserved", CONTEXT_ORDERS, ORDER_STOCK_RESERVED_REPLY},
        {"refused", CONTEXT_ORDERS, ORDER_STOCK_REFUSED_REPLY},
        {"released", CONTEXT_ORDERS, ORDER_STOCK_RELEASED_REPLY},
        {"authorised", CONTEXT_ORDERS, ORDER_PAYMENT_AUTHORISED_REPLY},
        {"declined", CONTEXT_ORDERS, ORDER_PAYMENT_DECLINED_REPLY},
        {"voided", CONTEXT_ORDERS, ORDER_PAYMENT_VOIDED_REPLY},
        {"timeout", CONTEXT_ORDERS, ORDER_TIMEOUT},
        {"charged", CONTEXT_ORDERS, ORDER_PAYMENT_CHARGED_REPLY},
        {"reversed", CONTEXT_ORDERS, ORDER_PAYMENT_REVERSED_REPLY},
        {"reserve", CONTEXT_INVENTORY, STOCK_RESERVE},
        {"release", CONTEXT_INVENTORY, STOCK_RELEASE},
        {"authorise", CONTEXT_PAYMENTS, PAYMENT_AUTHORISE},
        {"capture", CONTEXT_PAYMENTS, PAYMENT_CAPTURE},
        {"void", CONTEXT_PAYMENTS, PAYMENT_VOID},
        {"charge", CONTEXT_PAYMENTS, PAYMENT_CHARGE},
        {"reverse", CONTEXT_PAYMENTS, PAYMENT_REVERSE},
    };
    struct step_message step = {.context = CONTEXT_COUNT};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].word, words->at[0]) != 0)
            continue;
        step.context = rows[i].context;
        step.metadata = (struct metadata){.command_id = text_of(words->at[1]),
                                          .correlation_id = TEXT("corr"),
                                          .causation_id = TEXT("cause"),
                                          .occurred_at_us = TIME_NONE};
        if (step.context == CONTEXT_ORDERS)
            step.order = read_order_step(words, rows[i].kind);
        else if (step.context == CONTEXT_INVENTORY)
            step.inventory = read_inventory_step(words, rows[i].kind);
        else
            step.payment =
                (struct payment_step){(enum payment_step_kind)rows[i].kind, text_of(words->at[2]),
                                      text_of(words->at[3]), number(words->at[4]), TEXT("PLN")};
    }
    return step;
}

struct core_input read_input(const char *line, int32_t partition)
{
    struct words words = split(line);
    struct core_input input = {.partition = partition, .at_us = session.now_us};
    struct command command = read_command(&words);
    struct step_message step = read_step(&words);
    if (command.context != CONTEXT_COUNT) {
        input.kind = INPUT_COMMAND;
        input.source = CAUSE_COMMANDS;
        input.command = command;
    } else if (step.context != CONTEXT_COUNT) {
        input.kind = INPUT_STEP;
        input.source = CAUSE_STEPS;
        input.step = step;
        if (step.context == CONTEXT_INVENTORY)
            input.step.inventory.partition = partition;
    } else {
        cr_assert_str_eq(line, "unreadable");
        input.kind = INPUT_UNREADABLE;
        input.source = CAUSE_COMMANDS;
        input.reason = "nothing that parses";
    }
    input.offset = session.offsets[partition][input.source == CAUSE_STEPS]++;
    return input;
}

/* ---- the shell's part: missing, load, put, run, close ---- */

void know(struct entity_key key, struct entity entity)
{
    cr_assert_lt(session.state_count, (size_t)STATES_MAX);
    entity.kind = key.kind;
    session.states[session.state_count++] = (struct state){key, entity};
}

void load(const struct entity_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct entity entity = {.kind = keys[i].kind};
        for (size_t j = 0; j < session.state_count; j++) {
            const struct entity_key *key = &session.states[j].key;
            if (key->kind == keys[i].kind && key->partition == keys[i].partition &&
                text_equal(key->id, keys[i].id) && text_equal(key->second, keys[i].second))
                entity = session.states[j].entity;
        }
        cr_assert(core_put(session.core, &keys[i], &entity, session.next_offset));
    }
}

/* Loads all that the inputs need; returns in how many rounds. */
size_t load_missing(const struct core_input *inputs, size_t count)
{
    struct entity_key *keys;
    size_t key_count, rounds = 0;
    for (;; rounds++) {
        cr_assert(core_missing(session.core, inputs, count, &session.arena, &keys, &key_count));
        if (key_count == 0)
            return rounds;
        load(keys, key_count);
    }
}

void run_input(const struct core_input *input)
{
    size_t before = session.used;
    load_missing(input, 1);
    cr_assert(core_run(session.core, input, &session.arena, &session.sink));
    cr_assert(core_answer(session.core, &session.sink));
    if (session.used == before)
        say("-");
}

void run_on(const char *line, int32_t partition)
{
    struct core_input input = read_input(line, partition);
    run_input(&input);
}

void run(const char *line)
{
    run_on(line, 0);
}

/* What has been said since the last time. */
const char *said(void)
{
    session.said[session.used] = '\0';
    session.used = 0;
    return session.said;
}

size_t close_batch(void)
{
    size_t count;
    cr_assert(core_close(session.core, &session.sink, session.closed, &count, &session.total));
    return count;
}

const struct event_message *last_event(void)
{
    cr_assert_gt(session.event_count, 0u);
    return &session.events[(session.event_count - 1) % KEPT_MAX];
}

const struct step_message *last_step(void)
{
    cr_assert_gt(session.step_count, 0u);
    return &session.steps[(session.step_count - 1) % KEPT_MAX];
}

void walk(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run(rows[i].when);
        cr_assert_str_eq(said(), rows[i].then, "row %zu: %s", i, rows[i].when);
    }
}

const char *missing_of(const struct core_input *inputs, size_t count)
{
    static const char *const kinds[] = {"",        "order",   "product", "reservation",
                                        "account", "payment", "command"};
    struct entity_key *keys;
    size_t key_count;
    cr_assert(core_missing(session.core, inputs, count, &session.arena, &keys, &key_count));
    for (size_t i = 0; i < key_count; i++) {
        say("%s %.*s", kinds[keys[i].kind], (int)keys[i].id.bytes, keys[i].id.data);
        if (keys[i].second.bytes)
            say("%.*s", (int)keys[i].second.bytes, keys[i].second.data);
    }
    return said();
}
