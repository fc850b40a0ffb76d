#include "verify/fold.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"
#include "lib/base/ol_index.h"
#include "verify/catch.h"

#define BLOCK_BYTES    (1 << 20)
#define ENTITIES_FIRST (1 << 12)

#define CELLS(type) (sizeof(type) / sizeof(int64_t))
#define STATE(type) ((sizeof(type) + sizeof(int64_t) - 1) / sizeof(int64_t))

const struct fold_sizes fold_sizes[ENTITY_KIND_COUNT] = {
    [ENTITY_ORDER] = {STATE(struct order),
                      CELLS(struct row_orders) + CELLS(struct row_order_baskets)},
    [ENTITY_PRODUCT] = {STATE(struct fold_product),
                        CELLS(struct row_products) + CELLS(struct row_stock)},
    [ENTITY_RESERVATION] = {STATE(struct reservation), CELLS(struct row_reservations)},
    [ENTITY_ACCOUNT] = {STATE(struct fold_account), CELLS(struct row_accounts)},
    [ENTITY_PAYMENT] = {STATE(struct payment), CELLS(struct row_payments)},
    [ENTITY_COMMAND] = {0, CELLS(struct fold_command)},
};

/* The three tables of commands begin with the same columns, and end with what was moved. */
_Static_assert(sizeof(struct row_product_commands) == sizeof(struct fold_command), "all columns");
_Static_assert(sizeof(struct row_account_commands) == sizeof(struct fold_command), "all columns");
_Static_assert(sizeof(struct row_order_commands) == offsetof(struct fold_command, moved),
               "but two");
_Static_assert(offsetof(struct row_product_commands, version) ==
                   offsetof(struct fold_command, version),
               "in the same order");
_Static_assert(offsetof(struct row_account_commands, amount_minor) ==
                   offsetof(struct fold_command, moved),
               "in the same order");
_Static_assert(sizeof(struct fold_entity) % sizeof(int64_t) == 0, "the state is aligned");

/* ---- life ---- */

void fold_init(struct fold *fold, enum context context, const char *topic, int32_t partitions,
               struct findings *findings)
{
    *fold = (struct fold){
        .context = context, .partitions = partitions, .topic = topic, .findings = findings};
    ol_arena_init(&fold->arena, BLOCK_BYTES, 0);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        struct fold_partition *log = &fold->logs[i];
        log->last_offset = -1;
        log->last_recorded_us = TIME_NONE;
        for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++)
            log->last_cause[source].offset = log->first_open[source] = log->last_open[source] = -1;
    }
}

void fold_release(struct fold *fold)
{
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        free(fold->logs[i].causes);
    free(fold->entities);
    free(fold->ledgers);
    ol_index_release(&fold->index);
    ol_arena_release(&fold->arena);
    fold->entities = NULL;
    fold->ledgers = NULL;
    fold->entity_count = fold->entity_capacity = 0;
}

/* ---- entities ---- */

static uint64_t hash_of(enum entity_kind kind, struct text id, struct text second)
{
    uint64_t hash = ol_hash(id.data, id.bytes) + kind * 0x9e3779b97f4a7c15u;
    return second.bytes ? hash ^ (ol_hash(second.data, second.bytes) * 0xff51afd7ed558ccdu) : hash;
}

static struct fold_entity *entity_of(const struct fold *fold, uint64_t hash, enum entity_kind kind,
                                     struct text id, struct text second)
{
    for (struct ol_index_walk walk = ol_index_walk(&fold->index, hash); ol_index_next(&walk);) {
        struct fold_entity *entity = fold->entities[walk.number];
        if (entity->kind == kind && text_equal(fold_id(entity), id) &&
            text_equal(fold_second(entity), second))
            return entity;
    }
    return NULL;
}

struct fold_entity *fold_find(const struct fold *fold, enum entity_kind kind, struct text id,
                              struct text second)
{
    return entity_of(fold, hash_of(kind, id, second), kind, id, second);
}

static struct fold_entity *entity_new(struct fold *fold, enum entity_kind kind, int32_t partition,
                                      struct text id, struct text second)
{
    const struct fold_sizes *sizes = &fold_sizes[kind];
    size_t cells = sizes->state_cells + sizes->row_cells;
    struct fold_entity *entity = ol_arena_alloc(
        &fold->arena, sizeof *entity + cells * sizeof(int64_t) + id.bytes + second.bytes);
    if (!entity)
        return NULL;
    *entity = (struct fold_entity){.id_bytes = id.bytes,
                                   .second_bytes = second.bytes,
                                   .partition = (int16_t)partition,
                                   .kind = (uint8_t)kind};
    memset(entity->state, 0, sizes->state_cells * sizeof(int64_t));
    for (size_t i = 0; i < sizes->row_cells; i++)
        fold_cells(entity)[i] = ROW_NULL;
    char *texts = (char *)(entity->state + cells);
    memcpy(texts, id.data, id.bytes);
    if (second.bytes)
        memcpy(texts + id.bytes, second.data, second.bytes);
    return entity;
}

struct fold_entity *fold_get(struct fold *fold, enum entity_kind kind, int32_t partition,
                             struct text id, struct text second)
{
    uint64_t hash = hash_of(kind, id, second);
    struct fold_entity *entity = entity_of(fold, hash, kind, id, second);
    if (entity)
        return entity;
    entity = entity_new(fold, kind, partition, id, second);
    if (!entity ||
        !OL_GROW(fold->entities, fold->entity_capacity, fold->entity_count + 1, ENTITIES_FIRST) ||
        !ol_index_put(&fold->index, hash, (uint32_t)fold->entity_count)) {
        fold->failed = true;
        return NULL;
    }
    fold->entities[fold->entity_count++] = entity;
    return entity;
}

struct fold_entity *fold_each(const struct fold *fold, size_t *cursor)
{
    return *cursor < fold->entity_count ? fold->entities[(*cursor)++] : NULL;
}

void fold_name(const struct fold_entity *entity, char *buffer, size_t buffer_bytes)
{
    struct text id = fold_id(entity), second = fold_second(entity);
    if (entity->kind == ENTITY_RESERVATION)
        snprintf(buffer, buffer_bytes, "%.*s [%d]", (int)id.bytes, id.data, entity->partition);
    else
        snprintf(buffer, buffer_bytes, "%.*s%s%.*s", (int)id.bytes, id.data,
                 second.bytes ? " / " : "", (int)second.bytes, second.data);
}

/* ---- findings ---- */

void fold_wrong(struct fold_input *input, enum check check, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!input->where[0])
        snprintf(input->where, sizeof input->where, "%s[%d]@%" PRId64, input->fold->topic,
                 input->partition, input->offset);
    findings_add(input->fold->findings, check, input->where, "%s: %s",
                 event_kind_name(input->event), what);
}

struct guarded {
    fold_apply *apply;
    void *state;
    const void *event;
};

static void run_guarded(void *argument)
{
    struct guarded *guarded = argument;
    guarded->apply(guarded->state, guarded->event);
}

bool fold_guard(struct fold_input *input, struct fold_entity *entity, fold_apply *apply,
                const void *event)
{
    struct guarded guarded = {apply, fold_state(entity), event};
    const char *condition = "";
    if (catch_run(run_guarded, &guarded, &condition))
        return true;
    char name[300];
    fold_name(entity, name, sizeof name);
    entity->broken = true;
    fold_wrong(input, CHECK_EVENTS, "it does not fit the state of %s: %s", name, condition);
    return false;
}

bool fold_check_version(struct fold_input *input, struct fold_entity *entity, int64_t before,
                        int64_t version)
{
    findings_look(input->fold->findings, CHECK_VERSIONS);
    if (version == before + 1)
        return true;
    char name[300];
    fold_name(entity, name, sizeof name);
    entity->broken = true;
    fold_wrong(input, CHECK_VERSIONS, "version %" PRId64 " of %s follows version %" PRId64, version,
               name, before);
    return false;
}

void fold_check_partition(struct fold_input *input, struct text key)
{
    int32_t partition = partition_of(key, input->fold->partitions);
    if (partition != input->partition)
        fold_wrong(input, CHECK_EVENTS, "%.*s belongs on partition %d", (int)key.bytes, key.data,
                   partition);
}

/* ---- commands ---- */

bool fold_is_first_outcome(const struct fold_input *input)
{
    return input->event->cause_source == CAUSE_COMMANDS && input->event->cause_index == 0;
}

static enum entity_kind aggregate_kind(enum context context)
{
    static const enum entity_kind kinds[CONTEXT_COUNT] = {ENTITY_ORDER, ENTITY_PRODUCT,
                                                          ENTITY_ACCOUNT};
    return kinds[context];
}

/* The cells that an aggregate keeps of the command that made it. */
struct origin {
    int64_t *command_id, *duplicates, *conflicts;
};

static bool origin_of(const struct fold *fold, struct text aggregate, struct text command,
                      struct origin *ret_origin)
{
    static const struct text no_text;
    struct fold_entity *entity = fold_find(fold, aggregate_kind(fold->context), aggregate, no_text);
    if (!entity)
        return false;
    struct origin origin;
    if (fold->context == CONTEXT_ORDERS) {
        struct row_orders *row = (struct row_orders *)fold_cells(entity);
        origin = (struct origin){&row->command_id, &row->duplicates, &row->conflicts};
    } else if (fold->context == CONTEXT_INVENTORY) {
        struct row_products *row = (struct row_products *)fold_cells(entity);
        origin = (struct origin){&row->command_id, &row->duplicates, &row->conflicts};
    } else {
        struct row_accounts *row = (struct row_accounts *)fold_cells(entity);
        origin = (struct origin){&row->command_id, &row->duplicates, &row->conflicts};
    }
    *ret_origin = origin;
    return *origin.command_id != ROW_NULL && *origin.command_id == cell_text(command);
}

void fold_check_origin(struct fold_input *input, struct text aggregate)
{
    struct text command = input->event->metadata.command_id;
    findings_look(input->fold->findings, CHECK_OUTCOMES);
    if (!fold_is_first_outcome(input))
        fold_wrong(input, CHECK_OUTCOMES, "%.*s was made without a command", (int)aggregate.bytes,
                   aggregate.data);
    if (fold_find(input->fold, ENTITY_COMMAND, aggregate, command))
        fold_wrong(input, CHECK_OUTCOMES, "command %.*s of %.*s has an outcome already",
                   (int)command.bytes, command.data, (int)aggregate.bytes, aggregate.data);
}

struct fold_command *fold_add_outcome(struct fold_input *input, struct text aggregate)
{
    const struct event_message *event = input->event;
    const char *kind = command_row_kind(event);
    struct text command = event->metadata.command_id;
    struct origin origin;
    findings_look(input->fold->findings, CHECK_OUTCOMES);
    if (event->body == EVENT_BODY_DOMAIN && !*kind)
        fold_wrong(input, CHECK_EVENTS, "a command can't be its cause");
    if (origin_of(input->fold, aggregate, command, &origin) ||
        fold_find(input->fold, ENTITY_COMMAND, aggregate, command))
        fold_wrong(input, CHECK_OUTCOMES, "command %.*s of %.*s has an outcome already",
                   (int)command.bytes, command.data, (int)aggregate.bytes, aggregate.data);
    struct fold_entity *entity =
        fold_get(input->fold, ENTITY_COMMAND, input->partition, aggregate, command);
    if (!entity)
        return NULL;
    struct fold_command *row = (struct fold_command *)fold_cells(entity);
    *row = (struct fold_command){
        .partition = input->partition,
        .body_digest = (int64_t)event->body_digest,
        .event_offset = input->offset,
        .recorded_at = cell_time(event->recorded_at_us),
        .outcome = cell_name(command_outcome_name(*kind ? OUTCOME_ACCEPTED : OUTCOME_REJECTED)),
        .code = ROW_NULL,
        .message = ROW_NULL,
        .kind = cell_name(kind),
        .version = ROW_NULL,
        .moved = ROW_NULL,
        .subject = ROW_NULL,
    };
    return row;
}

static bool rejected_event(struct fold_input *input)
{
    const struct event_message *event = input->event;
    fold_check_partition(input, event->rejected.aggregate_id);
    struct fold_command *row = fold_add_outcome(input, event->rejected.aggregate_id);
    if (!row)
        return false;
    row->code = cell_name(refusal_name(event->rejected.code));
    row->message = cell_text_or_null(event->rejected.message);
    return true;
}

/* A command that came again: counted in the row of its first outcome, which it must repeat. */
static void repeated_event(struct fold_input *input, struct text aggregate, bool is_conflict)
{
    const struct event_message *event = input->event;
    struct text command = event->metadata.command_id;
    struct origin origin;
    int64_t outcome = cell_name(command_outcome_name(OUTCOME_ACCEPTED)), code = ROW_NULL;
    findings_look(input->fold->findings, CHECK_OUTCOMES);
    fold_check_partition(input, aggregate);
    if (!origin_of(input->fold, aggregate, command, &origin)) {
        struct fold_entity *entity = fold_find(input->fold, ENTITY_COMMAND, aggregate, command);
        if (!entity) {
            fold_wrong(input, CHECK_OUTCOMES, "command %.*s of %.*s came again, but has no outcome",
                       (int)command.bytes, command.data, (int)aggregate.bytes, aggregate.data);
            return;
        }
        struct fold_command *row = (struct fold_command *)fold_cells(entity);
        origin = (struct origin){NULL, &row->duplicates, &row->conflicts};
        outcome = row->outcome;
        code = row->code;
    }
    ++*(is_conflict ? origin.conflicts : origin.duplicates);
    if (!is_conflict && (outcome != cell_name(command_outcome_name(event->repeated.outcome)) ||
                         code != cell_name(refusal_name(event->repeated.code))))
        fold_wrong(input, CHECK_OUTCOMES,
                   "command %.*s of %.*s got another answer than the first time",
                   (int)command.bytes, command.data, (int)aggregate.bytes, aggregate.data);
}

/* ---- causes and receipts ---- */

static bool cause_add(struct fold_partition *log, int64_t offset, uint64_t digest)
{
    if (!OL_GROW(log->causes, log->cause_capacity, log->cause_count + 1, 1024))
        return false;
    log->causes[log->cause_count++] = (struct fold_cause){offset, digest};
    return true;
}

static struct text event_aggregate(const struct event_message *event)
{
    if (event->body == EVENT_BODY_REJECTED)
        return event->rejected.aggregate_id;
    if (event->body == EVENT_BODY_REPEATED)
        return event->repeated.aggregate_id;
    switch (event->context) {
    case CONTEXT_ORDERS: return event->order.order_id;
    case CONTEXT_INVENTORY: return event->inventory.sku;
    default: return event->payment.customer_id;
    }
}

uint64_t fold_command_digest(struct text aggregate, struct text command)
{
    return ol_hash(aggregate.data, aggregate.bytes) * 0x9e3779b97f4a7c15u ^
           ol_hash(command.data, command.bytes);
}

/* What a step caused names the event of its order that asked, which came before; only a timeout,
 * which is an order's, was asked for by nobody. */
static void check_asker(struct fold_input *input)
{
    const struct event_message *event = input->event;
    const struct asker *asker = &event->asker;
    bool is_order = event->context == CONTEXT_ORDERS, by_step = event->cause_source == CAUSE_STEPS;
    bool is_nobody = asker->version == 0 && asker->number == 0;
    bool is_event = asker->version > 0 && asker->number > 0;
    bool came_before = !is_order || asker->version < event->order.version;
    if (!(is_nobody && (!by_step || is_order)) && !(is_event && by_step && came_before))
        fold_wrong(input, CHECK_CAUSES,
                   "version %" PRId64 " of the order can't have asked, step %d", asker->version,
                   asker->number);
}

/* Rising offsets, and places of a bundle; the events of one input are numbered from 0. */
static bool check_cause(struct fold_input *input, struct fold_partition *log)
{
    const struct event_message *event = input->event;
    enum cause_source source = event->cause_source;
    struct fold_place *last = &log->last_cause[source];
    const struct fold_place place = {event->cause_offset, event->cause_place, event->cause_index};
    bool next_place = place.offset == last->offset && place.place > last->place;
    bool next = (place.offset > last->offset || next_place) && place.index == 0;
    bool more = place.offset == last->offset && place.place == last->place &&
                place.index == last->index + 1;
    bool is_place = source == CAUSE_STEPS || place.place == 0;
    findings_look(input->fold->findings, CHECK_CAUSES);
    check_asker(input);
    if ((!next && !more) || !is_place)
        fold_wrong(input, CHECK_CAUSES,
                   "its cause is %s offset %" PRId64 " place %d number %d, after offset %" PRId64
                   " place %d number %d",
                   source == CAUSE_COMMANDS ? "commands" : "steps", place.offset, place.place,
                   place.index, last->offset, last->place, last->index);
    *last = place;
    if (event->cause_index != 0)
        return true;
    log->open.counts[RECEIPT_DECIDED] += event->body == EVENT_BODY_DOMAIN;
    log->open.counts[RECEIPT_REFUSED] += event->body == EVENT_BODY_REJECTED;
    log->open.counts[RECEIPT_REPEATED] += event->body == EVENT_BODY_REPEATED;
    if (log->first_open[source] < 0)
        log->first_open[source] = event->cause_offset;
    log->last_open[source] = event->cause_offset;
    return source != CAUSE_COMMANDS ||
           cause_add(log, event->cause_offset,
                     fold_command_digest(event_aggregate(event), event->metadata.command_id));
}

static void check_link(struct fold_input *input, const char *what, int64_t before_next,
                       int64_t first, int64_t next, int64_t first_open, int64_t last_open)
{
    if (before_next >= 0 && first != before_next)
        fold_wrong(input, CHECK_RECEIPTS,
                   "its %s begin at %" PRId64 ", but the one before ended at %" PRId64, what, first,
                   before_next);
    if (first < 0 || next < first)
        fold_wrong(input, CHECK_RECEIPTS, "its %s go from %" PRId64 " to %" PRId64, what, first,
                   next);
    if (first_open >= 0 && (first_open < first || last_open >= next))
        fold_wrong(input, CHECK_RECEIPTS,
                   "its %s go from %" PRId64 " to %" PRId64 ", but events name %" PRId64
                   " to %" PRId64,
                   what, first, next, first_open, last_open);
}

static void check_counts(struct fold_input *input, const struct receipt *receipt,
                         const struct receipt *open)
{
    for (int i = RECEIPT_DECIDED; i <= RECEIPT_REPEATED; i++) /* what leaves an event */
        if (receipt->counts[i] != open->counts[i])
            fold_wrong(input, CHECK_RECEIPTS, "it counts %d %s, but the events before it are %d",
                       receipt->counts[i], receipt_count_name((enum receipt_count)i),
                       open->counts[i]);
    int64_t inputs = receipt_inputs(receipt);
    int64_t commands = receipt->commands_next - receipt->commands_first;
    int64_t bundles = receipt->steps_next - receipt->steps_first;
    if (inputs > commands + bundles * BUNDLE_STEPS_MAX)
        fold_wrong(input, CHECK_RECEIPTS,
                   "it counts %" PRId64 " inputs on %" PRId64 " commands and %" PRId64
                   " bundles of steps",
                   inputs, commands, bundles);
}

static void receipt_event(struct fold_input *input, struct fold_partition *log)
{
    const struct receipt *receipt = &input->event->receipt, *last = &log->last;
    findings_look(input->fold->findings, CHECK_RECEIPTS);
    check_link(input, "commands", log->has_receipt ? last->commands_next : -1,
               receipt->commands_first, receipt->commands_next, log->first_open[CAUSE_COMMANDS],
               log->last_open[CAUSE_COMMANDS]);
    check_link(input, "steps", log->has_receipt ? last->steps_next : -1, receipt->steps_first,
               receipt->steps_next, log->first_open[CAUSE_STEPS], log->last_open[CAUSE_STEPS]);
    check_counts(input, receipt, &log->open);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        log->totals[i] += receipt->counts[i];
    log->has_receipt = true;
    log->last = *receipt;
    log->open = (struct receipt){0};
    for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++)
        log->first_open[source] = log->last_open[source] = -1;
}

/* ---- one event ---- */

static bool domain_event(struct fold_input *input)
{
    switch (input->fold->context) {
    case CONTEXT_ORDERS: return fold_order_event(input);
    case CONTEXT_INVENTORY: return fold_inventory_event(input);
    default: return fold_payment_event(input);
    }
}

static bool body_event(struct fold_input *input)
{
    const struct event_message *event = input->event;
    switch (event->body) {
    case EVENT_BODY_DOMAIN: return domain_event(input);
    case EVENT_BODY_REJECTED:
        if (event->rejected.code != REFUSED_COMMAND_ID_REUSED)
            return rejected_event(input);
        repeated_event(input, event->rejected.aggregate_id, true);
        return true;
    case EVENT_BODY_REPEATED:
        repeated_event(input, event->repeated.aggregate_id, false);
        return true;
    default: return true;
    }
}

/* Groups of an order are keyed by its id, all else by the aggregate's; receipts have no key. */
static struct text key_of(const struct event_message *event)
{
    static const struct text no_text;
    if (event->body == EVENT_BODY_RECEIPT)
        return no_text;
    if (event->body == EVENT_BODY_DOMAIN && event->context == CONTEXT_INVENTORY &&
        event->inventory.order_id.bytes)
        return event->inventory.order_id;
    return event_aggregate(event);
}

bool fold_event(struct fold *fold, int32_t partition, int64_t offset, struct text key,
                uint64_t record_digest, const struct event_message *event)
{
    struct fold_input input = {
        .fold = fold, .event = event, .partition = partition, .offset = offset};
    struct fold_partition *log = &fold->logs[partition];
    findings_look(fold->findings, CHECK_EVENTS);
    log->next_offset = offset + 1;
    log->last_offset = offset;
    log->last_digest = record_digest;
    log->last_recorded_us = event->recorded_at_us;
    if (!text_equal(key, key_of(event)))
        fold_wrong(&input, CHECK_EVENTS, "the record's key is '%.*s'", (int)key.bytes,
                   key.bytes ? key.data : "");
    if (event->body == EVENT_BODY_RECEIPT) {
        receipt_event(&input, log);
        return true;
    }
    return check_cause(&input, log) && body_event(&input) && !fold->failed;
}
