#include "test_projection_history.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_hash.h"

#define START_US     INT64_C(1700000000000000) /* 2023-11-14 */
#define COMMAND_KEPT 512                       /* ids that a later command may use again */
#define POOR         2 /* of the customers; some of their payments are declined */

/* Sierra Leone's leone of 1964, out of use since 2024: what was in it is read as it ever was. */
#define OWN_CURRENCY TEXT("SLL")

struct inputs {
    struct core_input *inputs;
    size_t count, capacity, taken;
    int64_t next_offset;
};

struct kept {
    struct text id;
    struct command command;
};

struct history_world {
    struct rng rng;
    struct ol_arena arena; /* everything that stays */
    struct core *cores[CONTEXT_COUNT];
    struct inputs inputs[CONTEXT_COUNT][2][PARTITIONS_MAX]; /* commands, steps */
    int64_t now_us;
    struct history *history;
    enum context sinking;
    int64_t order_next;
    size_t command_count;
    struct kept kept[COMMAND_KEPT];
};

static void *must(void *memory)
{
    if (!memory) {
        fputs("history: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static struct text keep(struct history_world *world, const char *string)
{
    size_t bytes = strlen(string);
    return (struct text){must(ol_arena_copy(&world->arena, string, bytes)), (uint32_t)bytes};
}

static __attribute__((format(printf, 2, 3))) struct text name(struct history_world *world,
                                                              const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return keep(world, text);
}

/* ---- inputs ---- */

static void push(struct history_world *world, enum context context, struct core_input input)
{
    struct inputs *queue = &world->inputs[context][input.kind == INPUT_STEP][input.partition];
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? 2 * queue->capacity : 64;
        queue->inputs = must(realloc(queue->inputs, queue->capacity * sizeof *queue->inputs));
    }
    input.offset = queue->next_offset++;
    input.source = input.kind == INPUT_STEP ? CAUSE_STEPS : CAUSE_COMMANDS;
    queue->inputs[queue->count++] = input;
}

static void submit(struct history_world *world, struct command command)
{
    int32_t partitions = world->history->settings.partitions;
    struct bytes wire;
    must(codec_encode_command(&command, &world->arena, &wire) ? world : NULL);
    struct core_input input = {.kind = INPUT_COMMAND};
    struct ol_error error;
    /* Decoding fills in the digest of the body. */
    if (codec_decode_command(command.context, wire, &world->arena, &input.command, &error)) {
        fprintf(stderr, "history: %s\n", error.text);
        abort();
    }
    input.partition = partition_of(command_aggregate(&input.command), partitions);
    push(world, command.context, input);
    struct kept *kept = &world->kept[world->command_count++ % COMMAND_KEPT];
    kept->command = input.command;
}

static bool sink_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    struct history_world *world = self;
    struct record_list *list = &world->history->events[world->sinking][partition];
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->records = must(realloc(list->records, list->capacity * sizeof *list->records));
    }
    struct record *record = &list->records[list->count++];
    *record = (struct record){.offset = list->next_offset++};
    if (event->body == EVENT_BODY_RECEIPT)
        list->next_offset++; /* the transaction's marker */
    if (key.bytes)
        record->key =
            (struct bytes){must(ol_arena_copy(&world->arena, key.data, key.bytes)), key.bytes};
    if (event->body == EVENT_BODY_DOMAIN && event->context == CONTEXT_ORDERS)
        world->history->line_count += event->order.line_count;
    world->history->event_count++;
    return codec_encode_event(event, &world->arena, &record->value);
}

static bool sink_step(void *self, int32_t partition, const struct step_message *step)
{
    struct history_world *world = self;
    struct core_input input = {.kind = INPUT_STEP, .partition = partition};
    struct bytes wire;
    struct ol_error error;
    if (!codec_encode_step(step, &world->arena, &wire) ||
        codec_decode_step(step->context, wire, &world->arena, &input.step, &error))
        return false;
    push(world, step->context, input);
    return true;
}

static bool sink_pass_on(void *self, int32_t partition, const struct core_input *input)
{
    (void)self;
    (void)partition;
    (void)input;
    return false;
}

static bool sink_dead_letter(void *self, const struct core_input *input, const char *code,
                             const char *reason)
{
    (void)self;
    (void)input;
    (void)code;
    (void)reason;
    return false;
}

/* ---- deciding ---- */

static size_t waiting(const struct history_world *world, enum context context)
{
    size_t count = 0;
    for (size_t kind = 0; kind < 2; kind++)
        for (int32_t i = 0; i < world->history->settings.partitions; i++)
            count += world->inputs[context][kind][i].count - world->inputs[context][kind][i].taken;
    return count;
}

/* Steps first, as the orders worker does; partition by partition in turns. */
static size_t take(struct history_world *world, enum context context, struct core_input *batch,
                   size_t max)
{
    size_t count = 0;
    for (size_t kind = 2; kind-- > 0;) {
        bool any = true;
        while (any && count < max) {
            any = false;
            for (int32_t i = 0; i < world->history->settings.partitions && count < max; i++) {
                struct inputs *queue = &world->inputs[context][kind][i];
                if (queue->taken == queue->count)
                    continue;
                any = true;
                batch[count] = queue->inputs[queue->taken++];
                batch[count++].at_us = world->now_us;
            }
        }
    }
    return count;
}

/* Nothing is in any projection here: what the core lacks does not exist. */
static void supply(struct history_world *world, enum context context,
                   const struct core_input *batch, size_t count, struct ol_arena *arena)
{
    for (;;) {
        struct entity_key *keys;
        size_t key_count;
        must(core_missing(world->cores[context], batch, count, arena, &keys, &key_count) ? arena
                                                                                         : NULL);
        if (key_count == 0)
            return;
        for (size_t i = 0; i < key_count; i++) {
            struct entity absent = {.kind = keys[i].kind};
            must(core_put(world->cores[context], &keys[i], &absent, 0) ? arena : NULL);
        }
    }
}

static void run_batch(struct history_world *world, enum context context, size_t max)
{
    const struct core_sink sink = {world, sink_event, sink_step, sink_pass_on, sink_dead_letter};
    struct ol_arena arena;
    ol_arena_init(&arena, 1 << 20, 0);
    struct core_input *batch = must(malloc(max * sizeof *batch));
    struct core *core = world->cores[context];
    world->sinking = context;
    world->now_us += 1000;
    size_t count = take(world, context, batch, max), proposed = 0;
    supply(world, context, batch, count, &arena);
    for (size_t i = 0; i < count; i++)
        must(core_run(core, &batch[i], &arena, &sink) ? core : NULL);
    if (context == CONTEXT_ORDERS)
        must(core_propose_timeouts(core, world->now_us, ~UINT64_C(0), 16, &arena, &sink, &proposed)
                 ? core
                 : NULL);
    struct core_offset offsets[PARTITIONS_MAX];
    struct receipt total;
    size_t offset_count;
    must(core_answer(core, &sink) && core_close(core, &sink, offsets, &offset_count, &total)
             ? core
             : NULL);
    free(batch);
    ol_arena_release(&arena);
}

static void run_until_quiet(struct history_world *world)
{
    const struct history_settings *settings = &world->history->settings;
    for (;;) {
        size_t busy = 0;
        for (enum context context = 0; context < CONTEXT_COUNT; context++) {
            size_t count = waiting(world, context);
            busy += count;
            if (count == 0 || (!settings->steady && rng_chance(&world->rng, 50)))
                continue;
            size_t max = settings->steady ? settings->batch_max
                                          : 1 + rng_below(&world->rng, settings->batch_max);
            run_batch(world, context, max);
        }
        if (busy == 0)
            return;
    }
}

/* ---- commands ---- */

static struct text sku_of(struct history_world *world, int64_t number)
{
    return name(world, "%" PRId64, 25671 + number * 181);
}

static struct text customer_of(struct history_world *world, int64_t number)
{
    return name(world, "%" PRId64, 1 + number);
}

static struct metadata metadata_of(struct history_world *world, struct text id)
{
    return (struct metadata){
        .command_id = id,
        .actor = TEXT("import"),
        .occurred_at_us = rng_chance(&world->rng, 95) ? world->now_us - 86400000000 : TIME_NONE};
}

/* The same for all, or some have none and some have twice as much. */
static int64_t opening(struct history_world *world, int64_t usual)
{
    if (!world->history->settings.odd_percent)
        return usual;
    return rng_chance(&world->rng, 15) ? 0
                                       : 1 + (int64_t)rng_below(&world->rng, 2 * (uint64_t)usual);
}

static void add_product(struct history_world *world, int64_t number)
{
    struct text sku = sku_of(world, number);
    struct command add = {
        .context = CONTEXT_INVENTORY,
        .metadata = metadata_of(world, name(world, "product/%.*s", (int)sku.bytes, sku.data)),
        .inventory = {.kind = PRODUCT_ADD,
                      .sku = sku,
                      .details = {.name =
                                      name(world, "YOGURT NOT MULTI-PACKS %lld", (long long)number),
                                  .category = TEXT("YOGURT"),
                                  .brand = TEXT("National"),
                                  .price_minor = 100 + number % 900,
                                  .currency = OWN_CURRENCY}},
    };
    struct command increase = {
        .context = CONTEXT_INVENTORY,
        .metadata = metadata_of(world, name(world, "product/%.*s/stock", (int)sku.bytes, sku.data)),
        .inventory = {.kind = STOCK_INCREASE,
                      .sku = sku,
                      .quantity = opening(world, world->history->settings.stock),
                      .reason = TEXT("opening stock")},
    };
    submit(world, add);
    if (increase.inventory.quantity)
        submit(world, increase);
}

/* On sale, and off it again before anybody could buy it. */
static void withdraw_product(struct history_world *world, int64_t number)
{
    struct text sku = sku_of(world, number);
    struct command command = {
        .context = CONTEXT_INVENTORY,
        .metadata = metadata_of(world, name(world, "withdrawn/%.*s", (int)sku.bytes, sku.data)),
        .inventory = {.kind = PRODUCT_ADD,
                      .sku = sku,
                      .details = {.name = TEXT("SEASONAL"),
                                  .category = TEXT("GIFTS"),
                                  .brand = TEXT("Private"),
                                  .price_minor = 100,
                                  .currency = OWN_CURRENCY}},
    };
    submit(world, command);
    command.metadata =
        metadata_of(world, name(world, "withdrawn/%.*s/end", (int)sku.bytes, sku.data));
    command.inventory = (struct inventory_command){.kind = PRODUCT_DELETE, .sku = sku};
    submit(world, command);
}

static void open_account(struct history_world *world, int64_t number)
{
    struct text customer = customer_of(world, number);
    bool is_poor = world->history->settings.odd_percent && number < POOR;
    struct command open = {
        .context = CONTEXT_PAYMENTS,
        .metadata =
            metadata_of(world, name(world, "account/%.*s", (int)customer.bytes, customer.data)),
        .payment = {.kind = ACCOUNT_OPEN, .customer_id = customer, .currency = OWN_CURRENCY},
    };
    struct command deposit = {
        .context = CONTEXT_PAYMENTS,
        .metadata = metadata_of(
            world, name(world, "account/%.*s/funds", (int)customer.bytes, customer.data)),
        .payment = {.kind = FUNDS_DEPOSIT,
                    .customer_id = customer,
                    .amount_minor = is_poor ? 1 : opening(world, world->history->settings.funds),
                    .currency = OWN_CURRENCY},
    };
    submit(world, open);
    if (deposit.payment.amount_minor)
        submit(world, deposit);
}

/* As real baskets are: half have 5 lines at most, a few have dozens, the mean is near 9. */
static size_t line_count(struct history_world *world)
{
    double normal = -6;
    for (int i = 0; i < 12; i++)
        normal += (double)rng_below(&world->rng, 1 << 20) / (1 << 20);
    double count = exp(1.6 + 1.15 * normal), most = (double)world->history->settings.lines_max;
    return (size_t)(count < 1 ? 1 : count > most ? most : count);
}

/* A hundredth of the products makes four tenths of the lines, and they are not neighbours. */
static int64_t pick_product(struct history_world *world)
{
    int64_t products = world->history->settings.products;
    double u = (double)rng_below(&world->rng, 1 << 30) / (1 << 30);
    return (int64_t)((double)products * u * u * u * u * u) * 7919 % products;
}

static void place_order(struct history_world *world)
{
    const struct history_settings *settings = &world->history->settings;
    static struct order_line lines[ORDER_LINES_MAX];
    size_t count = line_count(world), kept = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t number = pick_product(world);
        if (settings->odd_percent && rng_chance(&world->rng, 1))
            number += settings->products; /* unknown */
        struct text sku = sku_of(world, number);
        bool twice = false;
        for (size_t j = 0; j < kept; j++)
            twice |= text_equal(lines[j].sku, sku);
        if (!twice)
            lines[kept++] = (struct order_line){
                .sku = sku,
                .quantity = 1 + (int64_t)rng_below(&world->rng, 3),
                .amount_minor = settings->odd_percent && rng_chance(&world->rng, 10)
                                    ? 0
                                    : (int64_t)rng_below(&world->rng, 2000)};
    }
    if (settings->odd_percent && rng_chance(&world->rng, 5))
        for (size_t i = 0; i < kept; i++)
            lines[i].amount_minor = 0;
    long long number = 27601281299 + 1 + world->order_next++ * 3;
    struct text order = name(world, "%lld", number);
    bool odd = settings->odd_percent && rng_chance(&world->rng, 3);
    submit(world, (struct command){
                      .context = CONTEXT_ORDERS,
                      .metadata = metadata_of(world, name(world, "basket/%lld", number)),
                      .order = {.kind = ORDER_PLACE,
                                .order_id = order,
                                .customer_id = customer_of(
                                    world, (int64_t)rng_below(&world->rng,
                                                              (uint64_t)settings->customers + odd)),
                                .currency = odd ? TEXT("EUR") : OWN_CURRENCY,
                                .lines = lines,
                                .line_count = kept},
                  });
}

/* In the domain's place: orders on all rows of the saga. */
enum payment_row order_payment_row(struct text order_id)
{
    return partition_hash(order_id) >> 8 & 1 ? PAYMENT_ROW_CHARGE : PAYMENT_ROW_AUTHORISE;
}

static struct text order_name(struct history_world *world, int64_t number)
{
    return name(world, "%lld", 27601281300LL + 3 * (long long)number);
}

static const struct entity *state_of(struct history_world *world, enum context context,
                                     enum entity_kind kind, struct text id)
{
    struct entity_key key = {
        .kind = kind, .partition = partition_of(id, world->history->settings.partitions), .id = id};
    return history_state(world->history, context, &key);
}

/* The order before `number` of which that is so; where none of many is so, any. */
static struct text order_before(struct history_world *world, int64_t number,
                                bool (*is_so)(const struct order *order))
{
    for (int64_t last = number - 100; number > 0 && number > last; number--) {
        struct text id = order_name(world, number - 1);
        const struct entity *state = state_of(world, CONTEXT_ORDERS, ENTITY_ORDER, id);
        if (state && is_so(&state->order))
            return id;
    }
    return order_name(world, number);
}

static bool awaits_charge(const struct order *order)
{
    return order_awaits_payment(order) && order->payment_row == PAYMENT_ROW_CHARGE;
}

static bool has_paid(const struct order *order)
{
    return order->payment == ORDER_PAYMENT_CHARGED || order->payment == ORDER_PAYMENT_AUTHORISED;
}

static void odd_command(struct history_world *world)
{
    const struct history_settings *settings = &world->history->settings;
    struct rng *rng = &world->rng;
    struct command command = {0};
    struct text id = name(world, "odd/%zu", world->command_count);
    int64_t product = (int64_t)rng_below(rng, (uint64_t)settings->products + 2);
    int64_t customer = (int64_t)rng_below(rng, (uint64_t)settings->customers + 1);
    struct text order = order_name(world, (int64_t)rng_below(rng, (uint64_t)world->order_next + 1));
    uint64_t choice = rng_below(rng, 15);
    if (choice < 3 && world->command_count > 8) { /* an id that was used before */
        size_t kept = world->command_count < COMMAND_KEPT ? world->command_count : COMMAND_KEPT;
        command = world->kept[rng_below(rng, kept)].command;
        if (choice == 2) { /* with another body */
            if (command.context == CONTEXT_ORDERS)
                command.order.kind = ORDER_CANCEL;
            else if (command.context == CONTEXT_INVENTORY)
                command.inventory = (struct inventory_command){.kind = PRODUCT_DELETE,
                                                               .sku = command.inventory.sku};
            else
                command.payment =
                    (struct payment_command){.kind = FUNDS_WITHDRAW,
                                             .customer_id = command.payment.customer_id,
                                             .amount_minor = 7,
                                             .currency = OWN_CURRENCY};
        }
        submit(world, command);
        return;
    }
    command.metadata = metadata_of(world, id);
    if (choice < 7) {
        command.context = CONTEXT_ORDERS;
        command.order = (struct order_command){.kind = ORDER_CANCEL, .order_id = order};
        bool at_once = rng_chance(rng, 60);
        for (int i = 0; at_once && i < 3; i++) {
            enum context context = i == 1 ? CONTEXT_INVENTORY : CONTEXT_ORDERS;
            run_batch(world, context, 1 + waiting(world, context));
        }
        if (at_once || rng_chance(rng, 50))
            command.order.order_id = order_before(world, world->order_next,
                                                  at_once ? awaits_charge : order_awaits_payment);
        if (at_once) { /* before the charge is answered, so that it has to go back */
            submit(world, command);
            run_batch(world, CONTEXT_ORDERS, 1 + waiting(world, CONTEXT_ORDERS));
            return;
        }
    } else if (choice < 10) {
        command.context = CONTEXT_INVENTORY;
        command.inventory = (struct inventory_command){
            .kind = (enum inventory_command_kind)rng_between(rng, PRODUCT_ADD, STOCK_DECREASE),
            .sku = sku_of(world, product),
            .quantity = 1 + (int64_t)rng_below(rng, 30),
            .reason = TEXT("count"),
            .details = {.name = name(world, "name %llu", (unsigned long long)rng_below(rng, 3)),
                        .category = TEXT(""),
                        .brand = TEXT("B"),
                        .price_minor = (int64_t)rng_below(rng, 3),
                        .currency = OWN_CURRENCY}};
        if (command.inventory.kind != PRODUCT_ADD && command.inventory.kind != PRODUCT_MODIFY)
            command.inventory.details = (struct product_details){0};
    } else {
        command.context = CONTEXT_PAYMENTS;
        command.payment = (struct payment_command){
            .kind = choice > 11
                        ? PAYMENT_REFUND
                        : (enum payment_command_kind)rng_between(rng, ACCOUNT_OPEN, PAYMENT_REFUND),
            .customer_id = customer_of(world, customer),
            .amount_minor = 1 + (int64_t)rng_below(rng, 3000),
            .currency = rng_chance(rng, 90) ? OWN_CURRENCY : TEXT("EUR"),
            .payment_id = order};
        if (command.payment.kind == FUNDS_DEPOSIT && customer < POOR) /* the poor stay so */
            command.payment.customer_id = customer_of(world, settings->customers);
        if (command.payment.kind == PAYMENT_REFUND) {
            /* Of a payment that is there, as a rule. */
            if (rng_chance(rng, 70))
                order = order_before(
                    world, (int64_t)rng_below(rng, (uint64_t)world->order_next + 1), has_paid);
            command.payment.payment_id = order;
            const struct entity *state = state_of(world, CONTEXT_ORDERS, ENTITY_ORDER, order);
            if (state && state->order.version) {
                command.payment.customer_id = state->order.customer_id;
                command.payment.amount_minor = rng_chance(rng, 33) && state->order.total_minor
                                                   ? state->order.total_minor
                                                   : 1 + (int64_t)rng_below(rng, 20);
            }
        }
    }
    submit(world, command);
}

/* ---- exported ---- */

static void play(struct history_world *world)
{
    const struct history_settings *settings = &world->history->settings;
    for (int64_t i = 0; i < settings->products; i++)
        add_product(world, i);
    for (int64_t i = 0; i < settings->customers; i++)
        open_account(world, i);
    if (settings->odd_percent)
        withdraw_product(world, settings->products + 2);
    run_until_quiet(world);
    while (world->order_next < settings->orders) {
        if (settings->odd_percent && rng_chance(&world->rng, settings->odd_percent))
            odd_command(world);
        else
            place_order(world);
        for (uint64_t i = settings->odd_percent ? rng_below(&world->rng, 5) : 0; i > 0; i--)
            run_batch(world, (enum context)rng_below(&world->rng, CONTEXT_COUNT),
                      1 + rng_below(&world->rng, settings->batch_max));
        if (settings->odd_percent && rng_chance(&world->rng, 2))
            world->now_us += 2000000; /* some deadlines pass */
    }
    run_until_quiet(world);
    for (int i = 0; i < 8 && settings->odd_percent; i++) { /* and all the others */
        world->now_us += 10000000;
        run_batch(world, CONTEXT_ORDERS, 1);
        run_until_quiet(world);
    }
}

struct history *history_new(const struct history_settings *settings)
{
    struct history *history = must(calloc(1, sizeof *history));
    struct history_world *world = must(calloc(1, sizeof *world));
    history->settings = *settings;
    history->world = world;
    world->history = history;
    world->rng = rng_from(settings->seed);
    world->now_us = START_US;
    ol_arena_init(&world->arena, 4 << 20, 0);
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        world->cores[context] = must(core_new(&(struct core_settings){
            .context = context,
            .partitions = settings->partitions,
            .order_deadline_us = settings->odd_percent ? 1000000 : 900000000000,
            .overlay = {.bytes = SIZE_MAX / 4, .bytes_max = SIZE_MAX / 2}}));
        for (int32_t i = 0; i < settings->partitions; i++) {
            core_partition_begin(world->cores[context], i, NULL);
            core_partition_bootstrap(world->cores[context], i, 0, 0);
        }
    }
    play(world);
    return history;
}

void history_free(struct history *history)
{
    struct history_world *world = history->world;
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        core_free(world->cores[context]);
        for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
            free(history->events[context][i].records);
            free(world->inputs[context][0][i].inputs);
            free(world->inputs[context][1][i].inputs);
        }
    }
    ol_arena_release(&world->arena);
    free(world);
    free(history);
}

const struct entity *history_state(struct history *history, enum context context,
                                   const struct entity_key *key)
{
    struct overlay *overlay = core_overlay(history->world->cores[context]);
    return overlay_has(overlay, key) ? overlay_get(overlay, key) : NULL;
}
