/* The checkers. They see each record as it becomes readable, each commit at the transaction
 * coordinator, and each in the database, at constant cost each. They fold the log themselves, by
 * tables of their own, and trust no core's account. P1 to P17 are those of docs/reliability.md. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "tests/sim/causes.h"
#include "tests/sim/codec.h"
#include "tests/sim/money.h"
#include "tests/sim/table.h"

/* A command id, by its number: what was published under it, and what became of it. */
struct commanded {
    struct text aggregate;
    int32_t copies, outcomes, again;
    uint64_t digest; /* of the body that came first */
    bool published;
};

/* One events partition. */
struct account_book {
    bool has_receipt;
    struct receipt receipt;
    int64_t outcomes;      /* since the last receipt */
    int64_t last_cause[3]; /* place after the last, counted through all bundles */
    int64_t *digests;      /* after each offset */
    uint64_t digest;
    int64_t capacity;
    int64_t last_event; /* offset of the last event; -1 */
};

struct checks {
    struct table tables[CONTEXT_COUNT];
    struct account_book books[CONTEXT_COUNT][SIM_PARTITIONS_MAX];
    struct commanded *commands;
    int64_t command_count, command_capacity;
    int64_t commands_open, orders_open;
    int64_t bad_steps, dead_letters;
    int64_t received, on_hand, reserved;
    struct money money;
    struct causes causes;
};

static const struct text nothing;

void checks_begin(void)
{
    struct checks *checks = memset(sim_alloc(sizeof *checks), 0, sizeof *checks);
    world->checks = checks;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < SIM_PARTITIONS_MAX; j++)
            checks->books[i][j].last_event = -1;
}

void checks_end(void)
{
    for (int i = 0; i < CONTEXT_COUNT; i++)
        table_release(&world->checks->tables[i]);
    free(world->checks->commands);
    causes_release(&world->checks->causes);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < SIM_PARTITIONS_MAX; j++)
            free(world->checks->books[i][j].digests);
}

/* ---- P1, P2: commands ---- */

static struct commanded *commanded(struct text id)
{
    struct checks *checks = world->checks;
    int64_t number = 0;
    for (uint32_t i = 1; i < id.bytes; i++)
        number = 10 * number + (id.data[i] - '0');
    if (number >= checks->command_capacity) {
        int64_t capacity = checks->command_capacity ? 2 * checks->command_capacity : 1024;
        while (capacity <= number)
            capacity *= 2;
        checks->commands = realloc(checks->commands, (size_t)capacity * sizeof *checks->commands);
        domain_assert(checks->commands);
        memset(checks->commands + checks->command_capacity, 0,
               (size_t)(capacity - checks->command_capacity) * sizeof *checks->commands);
        checks->command_capacity = capacity;
    }
    if (number >= checks->command_count)
        checks->command_count = number + 1;
    return &checks->commands[number];
}

void check_published(const struct command *command, bool first)
{
    struct commanded *of = commanded(command->metadata.command_id);
    of->aggregate = command_aggregate(command);
    (void)first;
    if (!of->copies)
        world->checks->commands_open++;
    of->copies++;
    of->published = true;
}

static void note_outcome(const struct event_message *event, struct text aggregate)
{
    struct commanded *of = commanded(event->metadata.command_id);
    if (!of->published)
        sim_fail(aggregate, "P2: an outcome of a command that nobody published");
    bool again =
        event->body == EVENT_BODY_REPEATED ||
        (event->body == EVENT_BODY_REJECTED && event->rejected.code == REFUSED_COMMAND_ID_REUSED);
    if (again)
        count(COUNT_REPEATED);
    if (again && !of->outcomes)
        sim_fail(aggregate, "P2: command %.*s repeated before its first outcome",
                 (int)event->metadata.command_id.bytes, event->metadata.command_id.data);
    bool reused = event->body == EVENT_BODY_REJECTED;
    if (!again)
        of->digest = event->body_digest;
    else if (reused != (event->body_digest != of->digest))
        sim_fail(aggregate, "P2: command %.*s came again with %s body and was taken for %s",
                 (int)event->metadata.command_id.bytes, event->metadata.command_id.data,
                 reused ? "its" : "another", reused ? "another" : "the same");
    of->again += again;
    of->outcomes += !again;
    if (!again)
        world->checks->commands_open--;
    if (of->outcomes > 1)
        sim_fail(aggregate, "P2: command %.*s has two outcomes",
                 (int)event->metadata.command_id.bytes, event->metadata.command_id.data);
    if (of->outcomes + of->again > of->copies)
        sim_fail(aggregate, "P2: command %.*s has more outcomes than copies",
                 (int)event->metadata.command_id.bytes, event->metadata.command_id.data);
}

/* ---- P4, P10: inputs ---- */

static struct text aggregate_of(const struct event_message *event)
{
    switch (event->body) {
    case EVENT_BODY_REJECTED: return event->rejected.aggregate_id;
    case EVENT_BODY_REPEATED: return event->repeated.aggregate_id;
    case EVENT_BODY_DOMAIN: break;
    default: return nothing;
    }
    if (event->context == CONTEXT_INVENTORY)
        return event->inventory.order_id.bytes ? event->inventory.order_id : event->inventory.sku;
    return event->context == CONTEXT_ORDERS ? event->order.order_id : event->payment.customer_id;
}

static struct part *inputs_of(enum context context, enum cause_source source, int32_t partition)
{
    return &world->parts[context][source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS]
                        [partition];
}

/* The event names who asked, as its step does; only timeouts are asked for by nobody. */
static void check_asker(const struct part *inputs, const struct event_message *event)
{
    const struct slot *slot = part_slot(inputs, event->cause_offset);
    struct asker asker = {0};
    bool is_asked = event->cause_source == CAUSE_STEPS;
    if (is_asked) {
        struct step_message step;
        struct ol_arena arena;
        struct ol_error error;
        ol_arena_init(&arena, 4096, 0);
        struct step_bundle bundle = sim_bundle_in(slot, &arena);
        if (event->cause_place < 0 || (size_t)event->cause_place >= bundle.count)
            sim_fail(aggregate_of(event), "P10: an event of a place that its bundle does not have");
        if (sim_decode_step(inputs->context, bundle.steps[event->cause_place], &arena, &step,
                            &error))
            sim_fail(nothing, "the cause of an event can't be read");
        asker = step.asker;
        is_asked = step.context != CONTEXT_ORDERS || step.order.kind != ORDER_TIMEOUT;
        ol_arena_release(&arena);
    }
    if (event->asker.version != asker.version || event->asker.number != asker.number)
        sim_fail(aggregate_of(event), "P10: an event names another asker than its step");
    if ((asker.version > 0) != is_asked || (asker.number > 0) != is_asked)
        sim_fail(aggregate_of(event), "P10: a step that does not say who asked");
}

static void check_cause(const struct part *part, const struct event_message *event)
{
    struct account_book *book = &world->checks->books[part->context][part->number];
    struct text aggregate = aggregate_of(event);
    struct part *inputs = inputs_of(part->context, event->cause_source, part->number);
    if (event->cause_offset < 0 || event->cause_offset >= inputs->stable)
        sim_fail(aggregate, "P10: an event of an input that nobody could read");
    if (!broker_committed(part_slot(inputs, event->cause_offset)))
        sim_fail(aggregate, "P10: an event of an aborted input");
    check_asker(inputs, event);
    int64_t place = event->cause_offset * BUNDLE_STEPS_MAX + event->cause_place;
    int64_t *last = &book->last_cause[event->cause_source];
    if (event->cause_index > 0 ? place != *last - 1 : place < *last)
        sim_fail(aggregate, "P4: input %lld, %d of %s was decided twice or out of order",
                 (long long)event->cause_offset, event->cause_place,
                 event->cause_source == CAUSE_COMMANDS ? "commands" : "steps");
    if (event->cause_index > 0)
        return;
    *last = place + 1;
    book->outcomes++;
    if (event->cause_source == CAUSE_COMMANDS)
        note_outcome(event, aggregate);
}

/* Inputs, and those among them that can't be read. */
struct taken {
    int64_t inputs, bad;
};

static void take_record(const struct part *part, const struct slot *slot, struct taken *taken)
{
    struct ol_arena arena;
    if (part->stream != STREAM_STEPS) {
        taken->inputs++;
        return;
    }
    ol_arena_init(&arena, 4096, 0);
    struct step_bundle bundle = sim_bundle_in(slot, &arena);
    for (size_t i = 0; i < bundle.count; i++)
        taken->bad += bundle.steps[i].size == BAD_STEP_BYTES;
    taken->inputs += (int64_t)bundle.count;
    ol_arena_release(&arena);
}

/* What lies there that a worker takes. */
static void take_between(struct part *part, int64_t first, int64_t next, struct taken *taken)
{
    if (next > part->stable)
        sim_fail(nothing, "P4: a receipt beyond what could be read");
    for (int64_t i = first; i < next; i++)
        if (i >= part->acknowledged && broker_committed(part_slot(part, i))) /* else lost */
            take_record(part, part_slot(part, i), taken);
}

static void check_receipt(const struct part *part, const struct receipt *receipt)
{
    struct account_book *book = &world->checks->books[part->context][part->number];
    const struct receipt *last = &book->receipt;
    if (receipt->commands_first != last->commands_next || receipt->steps_first != last->steps_next)
        sim_fail(nothing,
                 "P4: receipts of %s partition %d do not chain: commands from %lld after %lld, "
                 "steps from %lld after %lld",
                 context_name(part->context), part->number, (long long)receipt->commands_first,
                 (long long)last->commands_next, (long long)receipt->steps_first,
                 (long long)last->steps_next);
    struct taken taken = {0};
    take_between(inputs_of(part->context, CAUSE_COMMANDS, part->number), receipt->commands_first,
                 receipt->commands_next, &taken);
    take_between(inputs_of(part->context, CAUSE_STEPS, part->number), receipt->steps_first,
                 receipt->steps_next, &taken);
    int64_t told = receipt_inputs(receipt);
    int32_t outcomes = receipt->counts[RECEIPT_DECIDED] + receipt->counts[RECEIPT_REFUSED] +
                       receipt->counts[RECEIPT_REPEATED];
    if (taken.inputs != told)
        sim_fail(nothing, "P4: %lld inputs between the receipts' offsets, %lld told",
                 (long long)taken.inputs, (long long)told);
    if (taken.bad != receipt->counts[RECEIPT_DEAD_LETTERED])
        sim_fail(nothing, "P4: %lld steps that can't be read, %d put aside", (long long)taken.bad,
                 receipt->counts[RECEIPT_DEAD_LETTERED]);
    if (book->outcomes != outcomes)
        sim_fail(nothing, "P4: a receipt of %d outcomes behind %lld", outcomes,
                 (long long)book->outcomes);
    if (!told)
        count(COUNT_GAPS);
    counters[COUNT_PASSED_ON] += (uint64_t)receipt->counts[RECEIPT_PASSED_ON];
    book->receipt = *receipt;
    book->has_receipt = true;
    book->outcomes = 0;
}

/* ---- P3, P5, P6, P7: the fold ---- */

/* By the broker's time of the cause, whenever and by whom it was decided. */
static void check_currency(const struct event_message *event)
{
    bool ended = world->knobs.retires && event->recorded_at_us >= SIM_RETIRED_US;
    bool refused =
        event->body == EVENT_BODY_REJECTED && event->rejected.code == REFUSED_CURRENCY_RETIRED;
    bool begins =
        event->body == EVENT_BODY_DOMAIN &&
        ((event->context == CONTEXT_ORDERS && event->order.kind == ORDER_PLACED) ||
         (event->context == CONTEXT_INVENTORY && event->inventory.kind == PRODUCT_ADDED) ||
         (event->context == CONTEXT_PAYMENTS && event->payment.kind == ACCOUNT_OPENED));
    if (ended && begins)
        sim_fail(nothing, "something new began in a currency that is out of use");
    if (!ended && refused)
        sim_fail(nothing, "a currency that is in use was refused");
    counters[COUNT_RETIRED] += refused;
    counters[COUNT_RETIRED_CONFIRMED] += ended && event->body == EVENT_BODY_DOMAIN &&
                                         event->context == CONTEXT_ORDERS &&
                                         event->order.kind == ORDER_CONFIRMED;
}

static void check_order(const struct event_message *event, const struct order *before)
{
    const struct order_event *order = &event->order;
    struct checks *checks = world->checks;
    bool by_deadline = order->kind == ORDER_UNDO_OVERDUE || order->kind == ORDER_PAYMENT_OVERDUE ||
                       (order->kind == ORDER_CANCELLED && order->code == REFUSED_DEADLINE_PASSED);
    if (by_deadline && event->recorded_at_us < before->deadline_us)
        sim_fail(order->order_id, "a deadline fired %lld us before it was due",
                 (long long)(before->deadline_us - event->recorded_at_us));
    if (by_deadline && order->kind == ORDER_CANCELLED && before->payment == ORDER_PAYMENT_ASKED &&
        before->payment_row == PAYMENT_ROW_CHARGE)
        sim_fail(order->order_id, "the deadline beat a charge that may have come first");
    checks->orders_open += order->kind == ORDER_PLACED;
    checks->orders_open -= order->saga_state == SAGA_IS_DONE || order->saga_state == SAGA_IS_UNDONE;
    switch (order->kind) {
    case ORDER_CONFIRMED:
        count(COUNT_CONFIRMED);
        if (before->payment == ORDER_PAYMENT_AWAITED)
            count(COUNT_AWAITED_CONFIRMED);
        money_confirmed(&checks->money, before->total_minor);
        break;
    case ORDER_PAYMENT_OVERDUE: count(COUNT_AWAITED); break;
    case ORDER_REJECTED:
        count(order->partition < 0 ? COUNT_REJECTED_FUNDS : COUNT_REJECTED_STOCK);
        break;
    case ORDER_CANCELLED:
        count(by_deadline ? COUNT_EXPIRED : COUNT_CANCELLED);
        if (order_groups_unanswered(before))
            count(COUNT_UNANSWERED_UNDONE);
        break;
    case ORDER_UNDO_OVERDUE: count(COUNT_OVERDUE); break;
    default: break;
    }
}

static void check_sums(const struct event_message *event)
{
    struct checks *checks = world->checks;
    const struct inventory_event *stock = &event->inventory;
    if (event->context == CONTEXT_PAYMENTS)
        money_moved(&checks->money, &event->payment);
    if (event->context != CONTEXT_INVENTORY)
        return;
    int64_t sign = stock->kind == STOCK_DECREASED ? -1 : 1;
    if (stock->kind == STOCK_INCREASED || stock->kind == STOCK_DECREASED)
        checks->received += sign * stock->quantity;
    if (stock->kind == PRODUCT_MODIFIED || stock->kind == PRODUCT_DELETED)
        count(COUNT_PRODUCTS_CHANGED);
}

/* The states that an event changes: no unit and no cent below zero, none from nowhere. */
static void check_state(const struct entity_key *key, const struct entity *before,
                        const struct entity *after)
{
    struct checks *checks = world->checks;
    if (key->kind == ENTITY_PRODUCT) {
        const struct product *product = &after->product;
        if (product->reserved < 0 || product->reserved > product->on_hand)
            sim_fail(key->id, "P6: %lld reserved of %lld on hand", (long long)product->reserved,
                     (long long)product->on_hand);
        checks->on_hand += product->on_hand - before->product.on_hand;
        checks->reserved += product->reserved - before->product.reserved;
    } else if (key->kind == ENTITY_ACCOUNT) {
        money_in_wallet(&checks->money, key->id, &before->account, &after->account);
    }
}

static void fold(struct part *part, const struct event_message *event)
{
    struct account_book *book = &world->checks->books[part->context][part->number];
    struct entity_key keys[EVENT_ENTITIES_MAX];
    size_t key_count = event_entities(event, part->number, keys, EVENT_ENTITIES_MAX);
    for (size_t i = 0; i < key_count; i++) {
        struct table_row *row = table_row(&world->checks->tables[part->context], &keys[i]);
        struct entity before;
        entity_copy(&before, &row->entity);
        if (keys[i].kind == ENTITY_ORDER)
            check_order(event, &before.order);
        world->folding = keys[i].id;
        entity_apply(&row->entity, &keys[i], event);
        if (keys[i].kind == ENTITY_ORDER && before.order.version == 0)
            row->entity.order.customer_id = sim_text(row->entity.order.customer_id);
        if (keys[i].kind == ENTITY_RESERVATION &&
            row->entity.reservation.lines != before.reservation.lines) {
            struct reservation *reservation = &row->entity.reservation;
            struct stock_line *lines =
                sim_copy(reservation->lines, reservation->line_count * sizeof *lines);
            for (size_t j = 0; j < reservation->line_count; j++)
                lines[j].sku = sim_text(lines[j].sku);
            reservation->lines = lines;
        }
        check_state(&keys[i], &before, &row->entity);
        book->digest -= row->digest;
        row->digest = table_digest(row);
        book->digest += row->digest;
    }
    world->folding = nothing;
    if (event->body == EVENT_BODY_DOMAIN)
        check_sums(event);
    check_currency(event);
    counters[COUNT_AMOUNT_OVERFLOW] +=
        event->body == EVENT_BODY_REJECTED && event->rejected.code == REFUSED_AMOUNT_OVERFLOW;
    const struct checks *checks = world->checks;
    if (checks->on_hand != checks->received)
        sim_fail(nothing, "P6: %lld units on hand, %lld received", (long long)checks->on_hand,
                 (long long)checks->received);
    money_check(&checks->money);
}

/* ---- as records become readable ---- */

static void keep_digest(struct account_book *book, int64_t offset)
{
    if (offset >= book->capacity) {
        book->capacity = book->capacity ? 2 * book->capacity : 256;
        book->digests = realloc(book->digests, (size_t)book->capacity * sizeof *book->digests);
        domain_assert(book->digests);
    }
    book->digests[offset] = (int64_t)book->digest;
}

/* What an order's event is the outcome of caused the questions that follow from it. */
static void check_asked_because(struct text order, int64_t version, struct text cause)
{
    if (!causes_agree(&world->checks->causes, order, version, cause))
        sim_fail(order, "P10: version %lld is told to be caused by %.*s, and by another input",
                 (long long)version, (int)cause.bytes, cause.data);
}

static void check_event(struct part *part, int64_t offset)
{
    struct account_book *book = &world->checks->books[part->context][part->number];
    const struct slot *slot = part_slot(part, offset);
    struct event_message event;
    struct ol_arena arena;
    struct ol_error error;
    ol_arena_init(&arena, 4096, 0);
    struct bytes wire = {slot->value, slot->value_bytes};
    if (sim_decode_event(part->context, wire, &arena, &event, &error))
        sim_fail(nothing, "an event that can't be read: %s", error.text);
    sim_trace((uint64_t)event.body << 16 | (uint64_t)offset);
    book->last_event = offset;
    if (event.body == EVENT_BODY_RECEIPT) {
        check_receipt(part, &event.receipt);
    } else {
        check_cause(part, &event);
        if (part->context == CONTEXT_ORDERS && event.body == EVENT_BODY_DOMAIN)
            check_asked_because(event.order.order_id, event.order.version,
                                event.metadata.command_id);
        fold(part, &event);
    }
    ol_arena_release(&arena);
}

/* Ids of follow-ups are derived from the event that asked, which each step names: a reserve's is
 * its order's first. */
static void check_derived(const struct part *part, const struct step_message *step)
{
    struct text order = sim_order_of(step), id = step->metadata.command_id;
    char derived[2 * ID_BYTES_MAX];
    int bytes = snprintf(derived, sizeof derived, "%.*s/%lld/%d%s", (int)order.bytes, order.data,
                         (long long)step->asker.version, step->asker.number,
                         part->context == CONTEXT_ORDERS ? "/r" : "");
    bool is_reserve = part->context == CONTEXT_INVENTORY && step->inventory.kind == STOCK_RESERVE;
    if (!text_equal(id, (struct text){derived, (uint32_t)bytes}) ||
        (is_reserve && step->asker.version != 1))
        sim_fail(order, "the id %.*s does not follow from its event", (int)id.bytes, id.data);
    struct text cause = step->metadata.causation_id;
    if (part->context != CONTEXT_ORDERS)
        check_asked_because(order, step->asker.version, cause);
    else if (!text_equal(cause, (struct text){derived, (uint32_t)bytes - 2}))
        sim_fail(order, "P10: the answer %.*s has another cause than its question: %.*s",
                 (int)id.bytes, id.data, (int)cause.bytes, cause.data);
}

/* An ask that comes again where its undo is done already: the rare state that must not act. */
static bool is_undone(const struct part *part, const struct step_message *step)
{
    const struct entity_key reservation = {
        ENTITY_RESERVATION, part->number, step->inventory.order_id, {0}};
    const struct entity_key payment = {ENTITY_PAYMENT, part->number, step->payment.customer_id,
                                       step->payment.payment_id};
    bool is_reserve = part->context == CONTEXT_INVENTORY && step->inventory.kind == STOCK_RESERVE;
    bool is_hold = part->context == CONTEXT_PAYMENTS && step->payment.kind == PAYMENT_AUTHORISE;
    if (!is_reserve && !is_hold)
        return false;
    const struct table_row *row =
        table_find(&world->checks->tables[part->context], is_reserve ? &reservation : &payment);
    return row && (is_reserve ? row->entity.reservation.status == RESERVATION_IS_RELEASED
                              : row->entity.payment.status == PAYMENT_IS_VOIDED);
}

static void check_step(const struct part *part, const struct slot *slot, struct bytes wire,
                       struct ol_arena *arena)
{
    struct step_message step;
    struct ol_error error;
    if (sim_decode_step(part->context, wire, arena, &step, &error))
        sim_fail(nothing, "a step that can't be read: %s", error.text);
    bool is_timeout = part->context == CONTEXT_ORDERS && step.order.kind == ORDER_TIMEOUT;
    if (slot->header_count && is_undone(part, &step))
        count(COUNT_REDRIVEN_UNDONE);
    if (!is_timeout)
        check_derived(part, &step);
    if (is_timeout) {
        const struct entity_key key = {ENTITY_ORDER, part->number, step.order.order_id, {0}};
        const struct table_row *row = table_find(&world->checks->tables[CONTEXT_ORDERS], &key);
        if (slot->at_us < step.order.deadline_us)
            count(COUNT_EARLY_TIMEOUT);
        if (row && row->entity.order.deadline_us != step.order.deadline_us)
            count(COUNT_STALE_TIMEOUT);
    }
}

/* A step is put aside alone. */
static void check_dead_letter(const struct slot *slot)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    struct step_bundle bundle = sim_bundle_in(slot, &arena);
    if (bundle.count != 1 || bundle.steps[0].size != BAD_STEP_BYTES)
        sim_fail(nothing, "P4: a dead letter of %zu steps, or of a good one", bundle.count);
    count(COUNT_BAD_STEPS);
    world->checks->dead_letters++;
    ol_arena_release(&arena);
}

static void check_bundle(const struct part *part, const struct slot *slot)
{
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    struct step_bundle bundle = sim_bundle_in(slot, &arena);
    if (bundle.partition != part->number)
        sim_fail(nothing, "a bundle for %d lies on partition %d", bundle.partition, part->number);
    count(bundle.count > 1 ? COUNT_BUNDLES : COUNT_SINGLE_STEPS);
    for (size_t i = 0; i < bundle.count; i++)
        if (slot->txn || bundle.steps[i].size != BAD_STEP_BYTES)
            check_step(part, slot, bundle.steps[i], &arena);
        else
            world->checks->bad_steps++;
    ol_arena_release(&arena);
}

void check_stable(struct part *part)
{
    if (part->stream == STREAM_EVENTS) {
        struct account_book *book = &world->checks->books[part->context][part->number];
        for (; part->checked < part->stable; part->checked++) {
            if (broker_committed(part_slot(part, part->checked)))
                check_event(part, part->checked);
            keep_digest(book, part->checked);
        }
    } else if (part->stream == STREAM_STEPS) {
        for (; part->checked < part->stable; part->checked++)
            if (broker_committed(part_slot(part, part->checked)))
                check_bundle(part, part_slot(part, part->checked));
    } else if (part->stream == STREAM_DEAD_LETTERS) {
        for (; part->checked < part->stable; part->checked++)
            if (broker_committed(part_slot(part, part->checked)))
                check_dead_letter(part_slot(part, part->checked));
    }
}

/* ---- P11: one writer ---- */

void check_transaction(const struct txn *txn)
{
    enum context context = (enum context)(txn->writer / (2 * SIM_WORKERS_MAX));
    struct group *group = &world->groups[0][context];
    bool wrote = false;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            wrote |= txn->written[i][j] != 0;
    /* One that was opened by a late copy of a request and wrote nothing does no harm. */
    if (wrote && !txn->has_offsets)
        sim_fail(nothing,
                 "P11: a transaction of %s was committed without offsets: nothing fenced it",
                 context_name(context));
    for (int32_t i = 0; i < world->knobs.partitions && txn->member.id; i++) {
        if (!(txn->offset_parts >> i & 1))
            continue;
        if (txn->member.generation < group->owner_generation[i])
            sim_fail(nothing,
                     "P11: an owner of generation %d wrote %s partition %d after one of %d",
                     txn->member.generation, context_name(context), i, group->owner_generation[i]);
        group->owner_generation[i] = txn->member.generation;
    }
}

/* ---- P8: rows = fold ---- */

void check_projected(enum context context, int32_t partition, int64_t next_offset)
{
    const struct account_book *book = &world->checks->books[context][partition];
    if (next_offset > world->parts[context][STREAM_EVENTS][partition].checked)
        sim_fail(nothing, "P8: the rows of %s partition %d are ahead of what can be read",
                 context_name(context), partition);
    uint64_t expected = next_offset ? (uint64_t)book->digests[next_offset - 1] : 0;
    if (store_digest(context, partition) != expected)
        sim_fail(nothing, "P8: the rows of %s partition %d are not the fold of its log to %lld",
                 context_name(context), partition, (long long)next_offset);
}

/* ---- P13 ---- */

void check_halted(const struct actor *actor, int64_t partition, const char *reason)
{
    if (world->halts_expected) {
        world->halted[actor->projector] = true;
        return;
    }
    sim_fail(nothing, "P13: a %s of %s halted partition %lld: %s",
             actor->projector ? "projector" : "worker", context_name(actor->context),
             (long long)partition, reason);
}

/* ---- P7, and all of them once more, at rest ---- */

static bool is_taken(enum context context, int32_t partition)
{
    const struct account_book *book = &world->checks->books[context][partition];
    const struct part *commands = inputs_of(context, CAUSE_COMMANDS, partition);
    const struct part *steps = inputs_of(context, CAUSE_STEPS, partition);
    return book->receipt.commands_next > part_last_record(commands) &&
           book->receipt.steps_next > part_last_record(steps);
}

bool check_at_rest(bool say)
{
    const struct checks *checks = world->checks;
    if (clients_made() < world->knobs.orders || checks->orders_open || checks->commands_open) {
        if (say)
            sim_fail(nothing, "P7: no rest: %lld orders open, %lld commands without outcome",
                     (long long)checks->orders_open, (long long)checks->commands_open);
        return false;
    }
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int32_t j = 0; j < world->knobs.partitions; j++) {
            const struct part *events = &world->parts[i][STREAM_EVENTS][j];
            const struct part *dead = &world->parts[i][STREAM_DEAD_LETTERS][j];
            bool whole = events->stable == events->count && dead->stable == dead->count &&
                         is_taken((enum context)i, j) && !world->groups[0][i].pending[j];
            bool projected = store_next((enum context)i, j) > checks->books[i][j].last_event;
            if (whole && projected)
                continue;
            if (say)
                sim_fail(nothing, "no rest: %s partition %d is not %s",
                         context_name((enum context)i), j, whole ? "projected" : "taken");
            return false;
        }
    return true;
}

bool check_gaps_closed(bool say)
{
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int32_t j = 0; j < world->knobs.partitions; j++) {
            const struct receipt *last = &world->checks->books[i][j].receipt;
            const struct part *commands = inputs_of((enum context)i, CAUSE_COMMANDS, j);
            const struct part *steps = inputs_of((enum context)i, CAUSE_STEPS, j);
            if (last->commands_next == commands->count && last->steps_next == steps->count &&
                !world->groups[0][i].pending[j])
                continue;
            if (say)
                sim_fail(nothing,
                         "P4: %s partition %d is drained to %lld and %lld, its offsets stay at "
                         "%lld and %lld",
                         context_name((enum context)i), j, (long long)commands->count,
                         (long long)steps->count, (long long)last->commands_next,
                         (long long)last->steps_next);
            return false;
        }
    return true;
}

static void check_offsets(enum context context, int32_t partition)
{
    const struct account_book *book = &world->checks->books[context][partition];
    const int64_t *committed = world->groups[0][context].committed[partition];
    int64_t commands = committed[0] < 0 ? 0 : committed[0];
    int64_t steps = committed[1] < 0 ? 0 : committed[1];
    if (commands != book->receipt.commands_next || steps != book->receipt.steps_next)
        sim_fail(nothing,
                 "P4: %s partition %d: the group is at %lld and %lld, receipts end at "
                 "%lld and %lld",
                 context_name(context), partition, (long long)commands, (long long)steps,
                 (long long)book->receipt.commands_next, (long long)book->receipt.steps_next);
}

/* Whether a row holds stock or has taken money, and for which order. */
static bool is_claim(const struct table_row *row, struct text *ret_order)
{
    enum payment_status payment = row->entity.payment.status;
    *ret_order = row->key.kind == ENTITY_PAYMENT ? row->key.second : row->key.id;
    if (row->key.kind == ENTITY_RESERVATION)
        return row->entity.reservation.status == RESERVATION_IS_HELD;
    return row->key.kind == ENTITY_PAYMENT &&
           (payment == PAYMENT_IS_CHARGED || payment == PAYMENT_IS_CAPTURED ||
            payment == PAYMENT_IS_REFUNDED);
}

static void check_claims(enum context context)
{
    const struct checks *checks = world->checks;
    for (size_t i = 0; i < checks->tables[context].count; i++) {
        struct text id;
        if (!is_claim(checks->tables[context].rows[i], &id))
            continue;
        const struct entity_key key = {
            ENTITY_ORDER, partition_of(id, world->knobs.partitions), id, {0}};
        const struct table_row *order = table_find(&checks->tables[CONTEXT_ORDERS], &key);
        if (!order || order->entity.order.status != ORDER_IS_CONFIRMED)
            sim_fail(id, "P7: a reservation or a payment of an order that is not confirmed");
    }
}

void check_rest(void)
{
    const struct checks *checks = world->checks;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int32_t j = 0; j < world->knobs.partitions; j++) {
            check_offsets((enum context)i, j);
            check_projected((enum context)i, j, store_next((enum context)i, j));
        }
    for (int64_t i = 0; i < checks->command_count; i++) {
        const struct commanded *of = &checks->commands[i];
        if (of->published && (of->outcomes != 1 || of->again != of->copies - 1))
            sim_fail(of->aggregate,
                     "P1: command k%lld, published %d times, has %d outcomes, %d again",
                     (long long)i, of->copies, of->outcomes, of->again);
    }
    if (checks->bad_steps != checks->dead_letters)
        sim_fail(nothing, "P4: %lld steps that can't be read, %lld dead letters",
                 (long long)checks->bad_steps, (long long)checks->dead_letters);
    money_check_rest(&checks->money);
    check_claims(CONTEXT_INVENTORY);
    check_claims(CONTEXT_PAYMENTS);
}
