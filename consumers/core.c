#include "consumers/core.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "domain/protected.h"
#include "lib/ol_hash.h"

#include <stdio.h>
#include <stdlib.h>

/* Of an order's id, in the ids that are derived from it. */
#define ID_STEM_BYTES_MAX 100

/* Inputs that one partition's open batch has taken so far. */
struct core_partition {
    bool owned, touched;
    uint32_t inputs;
    struct receipt last; /* of the batch before, or of the take-over */
    struct receipt open;
    int64_t recorded_at_us; /* of its last input */
};

/* One input on its way through: what every handler needs. */
struct turn {
    struct core *core;
    const struct core_input *input;
    const struct metadata *metadata; /* the input's */
    const struct core_sink *sink;
    struct ol_arena *arena;
    int32_t index; /* of the next event of this input */
};

/* What a context does with its inputs: one row each. */
struct context_rules {
    bool (*command)(struct turn *turn, const struct command *command);
    bool (*step)(struct turn *turn, const struct step_message *step);
};

struct core {
    struct core_settings settings;
    struct overlay *overlay;
    struct deadlines *deadlines;
    struct core_partition partitions[PARTITIONS_MAX];
    /* Scratch of one decision: too large for the stack of a deep call. */
    struct order_events order_events;
    struct checkout_steps checkout_steps;
    struct stock_decision stock_decision;
    const struct product *products[ORDER_LINES_MAX];
};

static bool orders_command(struct turn *turn, const struct command *command);
static bool orders_step(struct turn *turn, const struct step_message *step);
static bool inventory_command(struct turn *turn, const struct command *command);
static bool inventory_step(struct turn *turn, const struct step_message *step);
static bool payments_command(struct turn *turn, const struct command *command);
static bool payments_step(struct turn *turn, const struct step_message *step);

static const struct context_rules context_rules[CONTEXT_COUNT] = {
    [CONTEXT_ORDERS] = {orders_command, orders_step},
    [CONTEXT_INVENTORY] = {inventory_command, inventory_step},
    [CONTEXT_PAYMENTS] = {payments_command, payments_step},
};

static const struct text no_text;

/* ---- life ---- */

struct core *core_new(const struct core_settings *settings)
{
    domain_assert(settings->partitions >= 1 && settings->partitions <= PARTITIONS_MAX);
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->settings = *settings;
    core->overlay = overlay_new(settings->partitions, settings->overlay);
    core->deadlines = deadlines_new();
    if (!core->overlay || !core->deadlines) {
        core_free(core);
        return NULL;
    }
    return core;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    overlay_free(core->overlay);
    deadlines_free(core->deadlines);
    free(core);
}

void core_clear(struct core *core)
{
    if (PROTECTED(states_dropped))
        overlay_clear(core->overlay);
    deadlines_clear(core->deadlines);
    memset(core->partitions, 0, sizeof core->partitions);
}

struct overlay *core_overlay(struct core *core)
{
    return core->overlay;
}

const struct deadlines *core_deadlines(const struct core *core)
{
    return core->deadlines;
}

/* ---- take-over ---- */

static struct core_partition *owned_partition(struct core *core, int32_t partition)
{
    domain_assert(partition >= 0 && partition < core->settings.partitions);
    domain_assert(core->partitions[partition].owned);
    return &core->partitions[partition];
}

/* The next batch begins where the last one ended. */
static void receipt_open(struct core_partition *partition)
{
    partition->touched = false;
    partition->inputs = 0;
    partition->open = (struct receipt){
        .commands_first = partition->last.commands_next,
        .commands_next = partition->last.commands_next,
        .steps_first = partition->last.steps_next,
        .steps_next = partition->last.steps_next,
    };
}

void core_partition_begin(struct core *core, int32_t partition, const struct receipt *receipt)
{
    domain_assert(partition >= 0 && partition < core->settings.partitions);
    domain_assert(!core->partitions[partition].owned);
    static const struct receipt unknown = {
        .commands_first = -1, .commands_next = -1, .steps_first = -1, .steps_next = -1};
    core->partitions[partition] =
        (struct core_partition){.owned = true, .last = receipt ? *receipt : unknown};
    receipt_open(&core->partitions[partition]);
}

void core_partition_bootstrap(struct core *core, int32_t partition, int64_t commands_next,
                              int64_t steps_next)
{
    struct core_partition *own = owned_partition(core, partition);
    domain_assert(own->last.commands_next < 0);
    domain_assert(commands_next >= 0 && steps_next >= 0);
    own->last = (struct receipt){.commands_first = commands_next,
                                 .commands_next = commands_next,
                                 .steps_first = steps_next,
                                 .steps_next = steps_next};
    receipt_open(own);
}

bool core_deadline(struct core *core, int32_t partition, struct text order_id, int64_t deadline_us)
{
    domain_assert(core->settings.context == CONTEXT_ORDERS);
    return deadlines_set(core->deadlines, order_id, partition, deadline_us);
}

const struct receipt *core_receipt(const struct core *core, int32_t partition)
{
    domain_assert(core->partitions[partition].owned);
    return &core->partitions[partition].last;
}

/* A growing array in an arena: what it outgrows stays behind until the arena is cleared. */
static bool keys_add(struct ol_arena *arena, struct entity_key **keys, size_t *count,
                     size_t *capacity, const struct entity_key *key)
{
    if (*count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 256;
        struct entity_key *grown = ol_arena_alloc(arena, larger * sizeof *grown);
        if (!grown)
            return false;
        if (*count)
            memcpy(grown, *keys, *count * sizeof *grown);
        *keys = grown;
        *capacity = larger;
    }
    (*keys)[(*count)++] = *key;
    return true;
}

/* Adds those of the named keys that are not in the overlay; `named` is in another order then. */
static bool keys_add_lacking(const struct core *core, struct ol_arena *arena,
                             struct entity_key *named, size_t named_count, struct entity_key **keys,
                             size_t *count, size_t *capacity)
{
    size_t lacking_count = overlay_lacking(core->overlay, named, named_count);
    for (size_t i = 0; i < lacking_count; i++)
        if (!keys_add(arena, keys, count, capacity, &named[i]))
            return false;
    return true;
}

bool core_lacks_for_event(struct core *core, const struct event_message *event, int32_t partition,
                          struct ol_arena *arena, struct entity_key **keys, size_t *count,
                          size_t *capacity)
{
    struct entity_key named[EVENT_ENTITIES_MAX];
    size_t named_count = event_entities(event, partition, named, EVENT_ENTITIES_MAX);
    return keys_add_lacking(core, arena, named, named_count, keys, count, capacity);
}

/* An order's deadline follows its state: there while the saga is open. */
static bool follow_deadline(struct core *core, const struct order *order, struct text order_id,
                            int32_t partition)
{
    if (order_is_open(order))
        return deadlines_set(core->deadlines, order_id, partition, order->deadline_us);
    deadlines_remove(core->deadlines, order_id);
    return true;
}

static struct entity *get(struct core *core, enum entity_kind kind, int32_t partition,
                          struct text id, struct text second)
{
    struct entity_key key = {.kind = kind, .partition = partition, .id = id, .second = second};
    struct entity *entity = overlay_get(core->overlay, &key);
    domain_assert(entity);
    return entity;
}

static enum ol_class replay_receipt(struct core *core, const struct receipt *receipt,
                                    int32_t number, int64_t offset, struct ol_error *reterr)
{
    struct core_partition *partition = owned_partition(core, number);
    /* The projection may have been ahead of where the reading began. */
    if (receipt->commands_next <= partition->last.commands_next &&
        receipt->steps_next <= partition->last.steps_next && PROTECTED(replay_known))
        return OL_OK;
    bool known = partition->last.commands_next >= 0;
    if (known && (receipt->commands_first != partition->last.commands_next ||
                  receipt->steps_first != partition->last.steps_next))
        return ol_fail(reterr, OL_VIOLATED,
                       "the receipt at offset %lld of %s events partition %d does not follow the "
                       "one before (commands %lld after %lld, steps %lld after %lld): a "
                       "transaction is missing or doubled",
                       (long long)offset, context_name(core->settings.context), number,
                       (long long)receipt->commands_first, (long long)partition->last.commands_next,
                       (long long)receipt->steps_first, (long long)partition->last.steps_next);
    partition->last = *receipt;
    receipt_open(partition);
    if (!overlay_batch_close(core->overlay, number, receipt))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    return OL_OK;
}

enum ol_class core_replay(struct core *core, const struct event_message *event, int32_t partition,
                          int64_t offset, struct ol_error *reterr)
{
    if (event->body == EVENT_BODY_RECEIPT)
        return replay_receipt(core, &event->receipt, partition, offset, reterr);
    if (!overlay_apply(core->overlay, event, partition, offset))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    if (core->settings.context == CONTEXT_ORDERS && event->body == EVENT_BODY_DOMAIN) {
        struct text order_id = event->order.order_id;
        const struct entity *order = get(core, ENTITY_ORDER, partition, order_id, no_text);
        if (!follow_deadline(core, &order->order, order_id, partition))
            return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    return OL_OK;
}

/* ---- which states an input needs ---- */

#define NAMED_AT_ONCE 64

struct lacking {
    struct core *core;
    struct ol_arena *arena;
    struct entity_key *keys;
    size_t count, capacity;
    struct entity_key named[NAMED_AT_ONCE]; /* not looked up yet */
    size_t named_count;
    bool failed;
};

/* Looks up what was named. */
static void look_up_named(struct lacking *lacking)
{
    if (!keys_add_lacking(lacking->core, lacking->arena, lacking->named, lacking->named_count,
                          &lacking->keys, &lacking->count, &lacking->capacity))
        lacking->failed = true;
    lacking->named_count = 0;
}

static void lack(struct lacking *lacking, enum entity_kind kind, int32_t partition, struct text id,
                 struct text second)
{
    lacking->named[lacking->named_count++] =
        (struct entity_key){.kind = kind, .partition = partition, .id = id, .second = second};
    if (lacking->named_count == NAMED_AT_ONCE)
        look_up_named(lacking);
}

static enum entity_kind aggregate_kind(enum context context)
{
    static const enum entity_kind kinds[CONTEXT_COUNT] = {
        [CONTEXT_ORDERS] = ENTITY_ORDER,
        [CONTEXT_INVENTORY] = ENTITY_PRODUCT,
        [CONTEXT_PAYMENTS] = ENTITY_ACCOUNT,
    };
    return kinds[context];
}

/* A payment id that is no id (the decision refuses it) is not looked up. */
static bool names_payment(const struct command *command)
{
    return command->context == CONTEXT_PAYMENTS && command->payment.kind == PAYMENT_REFUND &&
           id_is_clean(command->payment.payment_id);
}

static void lack_for_command(struct lacking *lacking, const struct core_input *input)
{
    const struct command *command = &input->command;
    struct text aggregate = command_aggregate(command);
    if (partition_of(aggregate, lacking->core->settings.partitions) != input->partition)
        return; /* will be passed on */
    lack(lacking, ENTITY_COMMAND, input->partition, aggregate, command->metadata.command_id);
    if (command->refused.code != ACCEPTED)
        return;
    lack(lacking, aggregate_kind(command->context), input->partition, aggregate, no_text);
    if (names_payment(command))
        lack(lacking, ENTITY_PAYMENT, input->partition, aggregate, command->payment.payment_id);
}

/* A reserve is new by construction: its own reservation is not looked up. */
static void lack_for_inventory_step(struct lacking *lacking, const struct core_input *input)
{
    const struct inventory_step *step = &input->step.inventory;
    if (step->kind == STOCK_RESERVE) {
        for (size_t i = 0; i < step->line_count; i++)
            lack(lacking, ENTITY_PRODUCT, input->partition, step->lines[i].sku, no_text);
        return;
    }
    struct entity_key key = {
        .kind = ENTITY_RESERVATION, .partition = input->partition, .id = step->order_id};
    const struct entity *entity = overlay_get(lacking->core->overlay, &key);
    if (!entity) {
        lack(lacking, ENTITY_RESERVATION, input->partition, step->order_id, no_text);
        return;
    }
    for (size_t i = 0; i < entity->reservation.line_count; i++)
        lack(lacking, ENTITY_PRODUCT, input->partition, entity->reservation.lines[i].sku, no_text);
}

/* So is an authorisation: its own payment is not looked up. */
static void lack_for_payment_step(struct lacking *lacking, const struct core_input *input)
{
    const struct payment_step *step = &input->step.payment;
    lack(lacking, ENTITY_ACCOUNT, input->partition, step->customer_id, no_text);
    if (step->kind != PAYMENT_AUTHORISE)
        lack(lacking, ENTITY_PAYMENT, input->partition, step->customer_id, step->payment_id);
}

static bool step_is_misplaced(const struct core *core, const struct core_input *input)
{
    if (input->step.context == CONTEXT_INVENTORY)
        return input->step.inventory.partition != input->partition;
    return partition_of(step_aggregate(&input->step), core->settings.partitions) !=
           input->partition;
}

static void lack_for_step(struct lacking *lacking, const struct core_input *input)
{
    if (step_is_misplaced(lacking->core, input))
        return;
    switch (input->step.context) {
    case CONTEXT_ORDERS:
        lack(lacking, ENTITY_ORDER, input->partition, input->step.order.order_id, no_text);
        break;
    case CONTEXT_INVENTORY: lack_for_inventory_step(lacking, input); break;
    case CONTEXT_PAYMENTS: lack_for_payment_step(lacking, input); break;
    case CONTEXT_COUNT: domain_assert(!"a step has a context");
    }
}

static int text_order(struct text a, struct text b)
{
    uint32_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int key_order(const void *left, const void *right)
{
    const struct entity_key *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = text_order(a->id, b->id);
    if (order == 0)
        order = text_order(a->second, b->second);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

size_t core_keys_unique(struct entity_key *keys, size_t count)
{
    if (count < 2)
        return count;
    qsort(keys, count, sizeof *keys, key_order);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (key_order(&keys[kept - 1], &keys[i]) != 0)
            keys[kept++] = keys[i];
    return kept;
}

bool core_lacks(struct core *core, const struct core_input *inputs, size_t count,
                struct ol_arena *arena, struct entity_key **ret_keys, size_t *ret_count)
{
    struct lacking lacking = {.core = core, .arena = arena};
    for (size_t i = 0; i < count; i++) {
        if (inputs[i].kind == INPUT_COMMAND)
            lack_for_command(&lacking, &inputs[i]);
        else if (inputs[i].kind == INPUT_STEP)
            lack_for_step(&lacking, &inputs[i]);
    }
    look_up_named(&lacking);
    *ret_keys = lacking.keys;
    *ret_count = core_keys_unique(lacking.keys, lacking.count);
    return !lacking.failed;
}

bool core_put(struct core *core, const struct entity_key *key, const struct entity *state,
              int64_t base_offset)
{
    return overlay_put(core->overlay, key, state, base_offset) != NULL;
}

/* ---- records ---- */

static struct receipt *open_receipt(struct turn *turn)
{
    return &turn->core->partitions[turn->input->partition].open;
}

/* Who began the chain: a command begins its own. */
static struct text correlation_of(const struct metadata *metadata)
{
    return metadata->correlation_id.bytes ? metadata->correlation_id : metadata->command_id;
}

/* The parts of an event that follow from its input. */
static struct event_message event_begin(struct turn *turn, enum event_body body)
{
    const struct core_input *input = turn->input;
    struct event_message event = {
        .context = turn->core->settings.context,
        .metadata = *turn->metadata,
        .recorded_at_us = input->at_us,
        .cause_source = input->source,
        .cause_offset = input->offset,
        .cause_index = turn->index++,
        .body = body,
        .body_digest = input->kind == INPUT_COMMAND ? input->command.body_digest : 0,
    };
    event.metadata.causation_id = no_text; /* command_id is the cause */
    return event;
}

static bool emit(struct turn *turn, struct text key, const struct event_message *event)
{
    int32_t partition = turn->input->partition;
    return overlay_apply(turn->core->overlay, event, partition, OVERLAY_NOW) &&
           turn->sink->event(turn->sink->self, partition, key, event);
}

/* "<first><separator><number>...": a derived id, in the arena. */
static struct text id_printf(struct ol_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct text id_printf(struct ol_arena *arena, const char *format, ...)
{
    char id[2 * ID_BYTES_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(id, sizeof id, format, arguments);
    va_end(arguments);
    domain_assert(bytes > 0 && (size_t)bytes < sizeof id);
    return (struct text){ol_arena_copy(arena, id, (size_t)bytes), (uint32_t)bytes};
}

static size_t put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + first, sizeof digits - first);
    return sizeof digits - first;
}

/* "<stem>/<version>/<number>". One for each step, so without the cost of a format. */
static struct text step_id(struct ol_arena *arena, struct text stem, int64_t version, size_t number)
{
    char id[ID_BYTES_MAX + 2 * 21];
    domain_assert(stem.bytes <= ID_BYTES_MAX && version >= 0);
    memcpy(id, stem.data, stem.bytes);
    size_t bytes = stem.bytes;
    id[bytes++] = '/';
    bytes += put_number(id + bytes, (uint64_t)version);
    id[bytes++] = '/';
    bytes += put_number(id + bytes, number);
    return (struct text){ol_arena_copy(arena, id, bytes), (uint32_t)bytes};
}

/* "<id>/r". A step without an id is poison to the codec. */
static struct text reply_id(struct ol_arena *arena, struct text asked)
{
    char *id = ol_arena_alloc(arena, asked.bytes + 2);
    if (!id)
        return (struct text){0};
    memcpy(id, asked.data, asked.bytes);
    memcpy(id + asked.bytes, "/r", 2);
    return (struct text){id, asked.bytes + 2};
}

/* How much of a text fits into `bytes_max`, cut between characters. */
static int cut(struct text text, uint32_t bytes_max)
{
    uint32_t bytes = text.bytes < bytes_max ? text.bytes : bytes_max;
    while (bytes > 0 && bytes < text.bytes && (text.data[bytes] & 0xc0) == 0x80)
        bytes--;
    return (int)bytes;
}

/* What ids derived from an order begin with. They may have 128 bytes too, so that an order's id
 * which leaves no room for "/<version>/<number>/r" is shortened, and told apart by its digest. */
static struct text id_stem(struct ol_arena *arena, struct text order_id)
{
    if (order_id.bytes <= ID_STEM_BYTES_MAX)
        return order_id;
    return id_printf(arena, "%.*s~%016llx", cut(order_id, ID_STEM_BYTES_MAX - 17), order_id.data,
                     (unsigned long long)ol_hash(order_id.data, order_id.bytes));
}

static bool send_step(struct turn *turn, int32_t partition, struct text key,
                      struct step_message *step, struct text id)
{
    step->metadata = (struct metadata){
        .command_id = id,
        .correlation_id = correlation_of(turn->metadata),
        .causation_id = turn->metadata->command_id,
        .occurred_at_us = TIME_NONE,
    };
    if (partition < 0)
        partition = partition_of(key, turn->core->settings.partitions);
    return id.data && turn->sink->step(turn->sink->self, partition, key, step);
}

/* An answer to the step that is being handled, for the order's saga. */
static bool reply(struct turn *turn, const struct order_step *answer)
{
    if (answer->kind == ORDER_STEP_NONE)
        return true;
    struct step_message step = {.context = CONTEXT_ORDERS, .order = *answer};
    return send_step(turn, -1, answer->order_id, &step,
                     reply_id(turn->arena, turn->metadata->command_id));
}

/* "line 3 (SKU-1): a quantity must be 1 or more" */
static struct text refusal_message(struct ol_arena *arena, const struct refusal *refusal)
{
    const char *sentence = refusal_sentence(refusal->code);
    const char *subject = refusal->subject.data;
    int bytes = cut(refusal->subject, ID_BYTES_MAX); /* a bad id may be of any length */
    const char *more = (uint32_t)bytes < refusal->subject.bytes ? "..." : "";
    if (refusal->line && bytes)
        return id_printf(arena, "line %d (%.*s%s): %s", refusal->line, bytes, subject, more,
                         sentence);
    if (refusal->line)
        return id_printf(arena, "line %d: %s", refusal->line, sentence);
    if (bytes)
        return id_printf(arena, "%.*s%s: %s", bytes, subject, more, sentence);
    return text_of(sentence);
}

static bool reject(struct turn *turn, const struct command *command, const struct refusal *refusal)
{
    struct event_message event = event_begin(turn, EVENT_BODY_REJECTED);
    event.rejected.aggregate_id = command_aggregate(command);
    event.rejected.code = refusal->code;
    event.rejected.message = refusal_message(turn->arena, refusal);
    open_receipt(turn)->refused++;
    return event.rejected.message.data && emit(turn, event.rejected.aggregate_id, &event);
}

static bool repeat(struct turn *turn, const struct command *command,
                   const struct command_record *first)
{
    struct event_message event = event_begin(turn, EVENT_BODY_REPEATED);
    event.repeated.aggregate_id = command_aggregate(command);
    event.repeated.outcome = first->outcome;
    event.repeated.code = first->code;
    open_receipt(turn)->repeated++;
    return emit(turn, event.repeated.aggregate_id, &event);
}

/* ---- orders ---- */

static struct order_facts order_facts(const struct turn *turn)
{
    return (struct order_facts){
        .now_us = turn->input->at_us,
        .deadline_after_us = turn->core->settings.order_deadline_us,
        .partitions = turn->core->settings.partitions,
    };
}

/* What the saga asks next, each with an id derived from the event: order / version / number. */
static bool orders_react(struct turn *turn, const struct order *state,
                         const struct order_event *event)
{
    struct checkout_steps *steps = &turn->core->checkout_steps;
    checkout_react(state, event, steps);
    struct text stem = id_stem(turn->arena, event->order_id);
    if (!stem.data)
        return false;
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *asked = &steps->steps[i];
        struct step_message step = {0};
        if (asked->target == STEP_TO_INVENTORY) {
            step.context = CONTEXT_INVENTORY;
            step.inventory = asked->inventory;
        } else {
            domain_assert(asked->target == STEP_TO_PAYMENTS);
            step.context = CONTEXT_PAYMENTS;
            step.payment = asked->payment;
        }
        static int64_t made; /* what ids that are not derived would be */
        int64_t version = PROTECTED(derived_ids) ? event->version : ++made;
        struct text id = step_id(turn->arena, stem, version, i + 1);
        domain_assert(id.bytes + 2 <= ID_BYTES_MAX); /* "/r" behind it */
        if (!send_step(turn, asked->partition, asked->key, &step, id))
            return false;
    }
    return true;
}

static bool orders_emit(struct turn *turn, struct text order_id)
{
    const struct order_events *decided = &turn->core->order_events;
    int32_t partition = turn->input->partition;
    for (size_t i = 0; i < decided->count; i++) {
        struct event_message event = event_begin(turn, EVENT_BODY_DOMAIN);
        event.order = decided->events[i];
        if (!emit(turn, order_id, &event))
            return false;
        const struct entity *order = get(turn->core, ENTITY_ORDER, partition, order_id, no_text);
        if (!orders_react(turn, &order->order, &event.order))
            return false;
    }
    const struct entity *order = get(turn->core, ENTITY_ORDER, partition, order_id, no_text);
    open_receipt(turn)->decided++;
    return follow_deadline(turn->core, &order->order, order_id, partition);
}

static bool orders_command(struct turn *turn, const struct command *command)
{
    struct text order_id = command->order.order_id;
    struct order_facts facts = order_facts(turn);
    const struct entity *order =
        get(turn->core, ENTITY_ORDER, turn->input->partition, order_id, no_text);
    struct refusal refusal =
        order_decide_command(&order->order, &command->order, &facts, &turn->core->order_events);
    if (refusal.code != ACCEPTED)
        return reject(turn, command, &refusal);
    return orders_emit(turn, order_id);
}

static bool orders_step(struct turn *turn, const struct step_message *step)
{
    struct text order_id = step->order.order_id;
    struct order_facts facts = order_facts(turn);
    const struct entity *order =
        get(turn->core, ENTITY_ORDER, turn->input->partition, order_id, no_text);
    order_decide_step(&order->order, &step->order, &facts, &turn->core->order_events);
    if (turn->core->order_events.count > 0)
        return orders_emit(turn, order_id);
    open_receipt(turn)->ignored++;
    return true;
}

/* ---- inventory ---- */

static bool inventory_command(struct turn *turn, const struct command *command)
{
    struct text sku = command->inventory.sku;
    const struct entity *product =
        get(turn->core, ENTITY_PRODUCT, turn->input->partition, sku, no_text);
    struct inventory_event decided;
    struct refusal refusal = product_decide(&product->product, &command->inventory, &decided);
    if (refusal.code != ACCEPTED)
        return reject(turn, command, &refusal);

    struct event_message event = event_begin(turn, EVENT_BODY_DOMAIN);
    event.inventory = decided;
    open_receipt(turn)->decided++;
    return emit(turn, sku, &event);
}

/* The states of a group's products, in the order of its lines. */
static const struct product *const *group_products(struct turn *turn,
                                                   const struct stock_line *lines, size_t count)
{
    domain_assert(count <= ORDER_LINES_MAX);
    for (size_t i = 0; i < count; i++)
        turn->core->products[i] =
            &get(turn->core, ENTITY_PRODUCT, turn->input->partition, lines[i].sku, no_text)
                 ->product;
    return turn->core->products;
}

static bool inventory_step(struct turn *turn, const struct step_message *step)
{
    const struct inventory_step *asked = &step->inventory;
    struct stock_decision *decision = &turn->core->stock_decision;
    struct entity_key key = {
        .kind = ENTITY_RESERVATION, .partition = turn->input->partition, .id = asked->order_id};
    const struct entity *entity = overlay_get_or_absent(turn->core->overlay, &key);
    if (!entity)
        return false;
    const struct reservation *reservation = &entity->reservation;

    if (asked->kind == STOCK_RESERVE)
        stock_decide_reserve(reservation, group_products(turn, asked->lines, asked->line_count),
                             asked, decision);
    else
        stock_decide_release(reservation,
                             group_products(turn, reservation->lines, reservation->line_count),
                             asked, decision);

    if (decision->decided) {
        struct event_message event = event_begin(turn, EVENT_BODY_DOMAIN);
        event.inventory = decision->event;
        open_receipt(turn)->decided++;
        if (!emit(turn, asked->order_id, &event))
            return false;
    } else {
        open_receipt(turn)->ignored++;
    }
    struct order_step answer =
        stock_reply(reservation, asked, decision->decided ? &decision->event : NULL);
    return reply(turn, &answer);
}

/* ---- payments ---- */

static bool payments_command(struct turn *turn, const struct command *command)
{
    const struct payment_command *asked = &command->payment;
    int32_t partition = turn->input->partition;
    const struct entity *account =
        get(turn->core, ENTITY_ACCOUNT, partition, asked->customer_id, no_text);
    const struct entity *payment = NULL;
    if (names_payment(command))
        payment = get(turn->core, ENTITY_PAYMENT, partition, asked->customer_id, asked->payment_id);

    struct payment_event decided;
    struct refusal refusal = account_decide_command(
        &account->account, payment ? &payment->payment : NULL, asked, &decided);
    if (refusal.code != ACCEPTED)
        return reject(turn, command, &refusal);

    struct event_message event = event_begin(turn, EVENT_BODY_DOMAIN);
    event.payment = decided;
    open_receipt(turn)->decided++;
    return emit(turn, asked->customer_id, &event);
}

static bool payments_step(struct turn *turn, const struct step_message *step)
{
    const struct payment_step *asked = &step->payment;
    int32_t partition = turn->input->partition;
    const struct entity *account =
        get(turn->core, ENTITY_ACCOUNT, partition, asked->customer_id, no_text);
    struct entity_key key = {.kind = ENTITY_PAYMENT,
                             .partition = partition,
                             .id = asked->customer_id,
                             .second = asked->payment_id};
    const struct entity *payment = overlay_get_or_absent(turn->core->overlay, &key);
    if (!payment)
        return false;

    struct event_message event = {0};
    struct payment_event decided;
    bool has_event = account_decide_step(&account->account, &payment->payment, asked, &decided);
    if (has_event) {
        event = event_begin(turn, EVENT_BODY_DOMAIN);
        event.payment = decided;
        open_receipt(turn)->decided++;
        if (!emit(turn, asked->customer_id, &event))
            return false;
    } else {
        open_receipt(turn)->ignored++;
    }
    struct order_step answer =
        payment_reply(&payment->payment, asked, has_event ? &event.payment : NULL);
    return reply(turn, &answer);
}

/* ---- a batch ---- */

/* A command on the wrong partition is passed on once; wrong again it is a dead letter. */
static bool pass_on(struct turn *turn, int32_t partition)
{
    if (turn->input->passed_on) {
        open_receipt(turn)->dead_lettered++;
        return turn->sink->dead_letter(turn->sink->self, turn->input, "MISROUTED_TWICE",
                                       "the command was passed on once and is on the wrong "
                                       "partition again; was the partition count changed?");
    }
    if (turn->input->command.refused.code == REFUSED_MESSAGE_TOO_LARGE) {
        open_receipt(turn)->dead_lettered++; /* with one header more it may fit no topic */
        return turn->sink->dead_letter(turn->sink->self, turn->input, "MISROUTED_TOO_LARGE",
                                       "the command is on the wrong partition and larger than a "
                                       "message may be");
    }
    open_receipt(turn)->passed_on++;
    return turn->sink->pass_on(turn->sink->self, partition, turn->input);
}

static bool run_command(struct turn *turn)
{
    const struct command *command = &turn->input->command;
    struct core *core = turn->core;
    struct text aggregate = command_aggregate(command);
    int32_t partition = partition_of(aggregate, core->settings.partitions);
    if (partition != turn->input->partition && PROTECTED(routing))
        return pass_on(turn, partition);

    const struct command_record *first =
        &get(core, ENTITY_COMMAND, partition, aggregate, command->metadata.command_id)->command;
    bool seen = first->outcome != OUTCOME_NONE && PROTECTED(dedupe);
    bool same = first->body_digest == command->body_digest || !PROTECTED(id_reuse);
    if (seen && same)
        return repeat(turn, command, first);
    if (seen)
        return reject(turn, command, &(struct refusal){.code = REFUSED_COMMAND_ID_REUSED});
    if (command->refused.code != ACCEPTED)
        return reject(turn, command, &command->refused);
    return context_rules[core->settings.context].command(turn, command);
}

static bool run_step(struct turn *turn)
{
    if (step_is_misplaced(turn->core, turn->input)) {
        open_receipt(turn)->dead_lettered++;
        return turn->sink->dead_letter(turn->sink->self, turn->input, "STEP_MISPLACED",
                                       "the step does not belong on this partition; only workers "
                                       "may write to the steps topic");
    }
    return context_rules[turn->core->settings.context].step(turn, &turn->input->step);
}

/* Takes the input's offset over into the open receipt. */
static void take(struct core *core, const struct core_input *input)
{
    struct core_partition *partition = owned_partition(core, input->partition);
    int64_t *next = input->source == CAUSE_COMMANDS ? &partition->open.commands_next
                                                    : &partition->open.steps_next;
    domain_assert(input->source == CAUSE_COMMANDS || input->source == CAUSE_STEPS);
    domain_assert(input->offset >= *next);
    *next = PROTECTED(offset_plus_one) ? input->offset + 1 : input->offset;
    partition->touched = true;
    partition->inputs++;
    partition->recorded_at_us = input->at_us;
}

bool core_run(struct core *core, const struct core_input *input, struct ol_arena *arena,
              const struct core_sink *sink)
{
    static const struct metadata no_metadata = {.occurred_at_us = TIME_NONE};
    struct turn turn = {
        .core = core, .input = input, .metadata = &no_metadata, .sink = sink, .arena = arena};
    take(core, input);
    switch (input->kind) {
    case INPUT_COMMAND:
        domain_assert(input->command.context == core->settings.context);
        turn.metadata = &input->command.metadata;
        return run_command(&turn);
    case INPUT_STEP:
        domain_assert(input->step.context == core->settings.context);
        turn.metadata = &input->step.metadata;
        return run_step(&turn);
    case INPUT_UNREADABLE:
        open_receipt(&turn)->dead_lettered++;
        return sink->dead_letter(sink->self, input, "UNREADABLE", input->reason);
    case INPUT_NONE: break;
    }
    domain_assert(!"an input has a kind");
    return false;
}

static bool propose_timeout(const struct deadline *deadline, struct ol_arena *arena,
                            const struct core_sink *sink)
{
    struct text stem = id_stem(arena, deadline->order_id);
    if (!stem.data)
        return false;
    struct text id = id_printf(arena, "%.*s/t/%lld", (int)stem.bytes, stem.data,
                               (long long)deadline->deadline_us);
    domain_assert(id.bytes <= ID_BYTES_MAX);
    const struct step_message step = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = id, .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_TIMEOUT,
                  .order_id = deadline->order_id,
                  .deadline_us = deadline->deadline_us},
    };
    return id.data && sink->step(sink->self, deadline->partition, deadline->order_id, &step);
}

bool core_propose_timeouts(struct core *core, int64_t now_us, uint64_t partitions, size_t max,
                           struct ol_arena *arena, const struct core_sink *sink, size_t *ret_count)
{
    *ret_count = 0;
    for (size_t looked_at = 0; looked_at < max; looked_at++) {
        const struct deadline *first = deadlines_first(core->deadlines);
        if (!first || first->due_us > now_us)
            break;
        bool caught_up = partitions >> first->partition & 1;
        if (caught_up) {
            if (!propose_timeout(first, arena, sink))
                return false;
            if (PROTECTED(empty_offsets))
                owned_partition(core, first->partition)->touched = true;
            (*ret_count)++;
        }
        deadlines_put_off_first(core->deadlines,
                                now_us + (caught_up ? TIMEOUT_PROPOSAL_US : TIMEOUT_RETRY_US));
    }
    return true;
}

static void receipt_add(struct receipt *total, const struct receipt *receipt)
{
    total->decided += receipt->decided;
    total->refused += receipt->refused;
    total->repeated += receipt->repeated;
    total->ignored += receipt->ignored;
    total->passed_on += receipt->passed_on;
    total->dead_lettered += receipt->dead_lettered;
}

static bool write_receipt(struct core *core, int32_t number, const struct core_sink *sink)
{
    struct core_partition *partition = &core->partitions[number];
    struct event_message event = {
        .context = core->settings.context,
        .metadata = {.occurred_at_us = TIME_NONE},
        .recorded_at_us = partition->recorded_at_us,
        .body = EVENT_BODY_RECEIPT,
        .receipt = partition->open,
    };
    partition->last = partition->open;
    return overlay_batch_close(core->overlay, number, &partition->open) &&
           sink->event(sink->self, number, no_text, &event);
}

bool core_close(struct core *core, const struct core_sink *sink, struct core_offset *ret_offsets,
                size_t *ret_count, struct receipt *ret_total)
{
    *ret_count = 0;
    *ret_total = (struct receipt){0};
    for (int32_t i = 0; i < core->settings.partitions; i++) {
        struct core_partition *partition = &core->partitions[i];
        if (!partition->owned || !partition->touched)
            continue;
        if (partition->inputs) {
            receipt_add(ret_total, &partition->open);
            if (!write_receipt(core, i, sink))
                return false;
        }
        ret_offsets[(*ret_count)++] =
            (struct core_offset){i, partition->last.commands_next, partition->last.steps_next};
        receipt_open(partition);
    }
    return true;
}
