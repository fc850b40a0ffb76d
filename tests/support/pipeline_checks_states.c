#include "tests/support/pipeline_checks_internal.h"

#include <stdlib.h>

#include "domain/assert.h"

/* ---- owners and projections ---- */

static const char *check_overlay(const struct projection *truth, const struct owner *owner)
{
    struct overlay *overlay = core_overlay(owner->core);
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (!(owner->owned >> state->key.partition & 1) || !overlay_has(overlay, &state->key))
            continue;
        if (!projection_same(overlay_get(overlay, &state->key), &state->state))
            return wrong("%s partition %d: state %zu (kind %d, %.*s) is not what the log says",
                         context_name(truth->context), state->key.partition, i, state->key.kind,
                         TEXT_ARGS(state->key.id));
    }
    return NULL;
}

static const char *check_deadlines(const struct projection *truth, const struct owner *owner)
{
    const struct deadlines *deadlines = core_deadlines(owner->core);
    const struct deadline *first = deadlines_first(deadlines);
    size_t open = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (state->key.kind != ENTITY_ORDER || !(owner->owned >> state->key.partition & 1) ||
            !order_is_open(&state->state.order))
            continue;
        open++;
        if (first && text_equal(first->order_id, state->key.id) &&
            first->deadline_us != state->state.order.deadline_us)
            return wrong("order %.*s: another deadline is held", TEXT_ARGS(state->key.id));
    }
    if (deadlines_count(deadlines) != open)
        return wrong("%zu orders are open, %zu deadlines held", open, deadlines_count(deadlines));
    return NULL;
}

const char *check_owned(const struct pipeline *pipeline, const struct owner *owner)
{
    const struct projection *truth = &pipeline->truth[owner->settings.context];
    const char *fault = check_overlay(truth, owner);
    return fault ? fault : check_deadlines(truth, owner);
}

const char *check_projection(const struct pipeline *pipeline, const struct projection *projection)
{
    const struct projection *truth = &pipeline->truth[projection->context];
    if (truth->count != projection->count)
        return wrong("%s: %zu states are projected, the log has %zu",
                     context_name(projection->context), projection->count, truth->count);
    for (size_t i = 0; i < truth->count; i++) {
        const struct entity *state = projection_find(projection, &truth->states[i].key);
        if (!state || !projection_same(state, &truth->states[i].state))
            return wrong("%s: the projected state of %.*s is not what the log says",
                         context_name(projection->context), TEXT_ARGS(truth->states[i].key.id));
    }
    return NULL;
}

/* ---- at rest ---- */

const char *check_ended(const struct pipeline *pipeline)
{
    const struct broker *broker = pipeline->broker;
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < broker->partitions; i++)
            for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++) {
                const struct broker_partition *log = broker_partition(
                    broker, (enum context)context, stream_of((enum cause_source)source), i);
                int64_t next = broker->committed[context][i][source - CAUSE_COMMANDS];
                int64_t end = (int64_t)log->count;
                if (broker_next(log, next < 0 ? 0 : next, end) < end)
                    return wrong("%s partition %d has inputs that nobody took",
                                 context_name((enum context)context), i);
            }
    const struct projection *orders = &pipeline->truth[CONTEXT_ORDERS];
    for (size_t i = 0; i < orders->count; i++) {
        const struct projected *state = &orders->states[i];
        if (state->key.kind != ENTITY_ORDER)
            continue;
        enum saga_state saga = state->state.order.saga_state;
        if (saga != SAGA_IS_DONE && saga != SAGA_IS_UNDONE)
            return wrong("order %.*s has not come to an end: %s", TEXT_ARGS(state->key.id),
                         saga_state_name(saga));
    }
    return NULL;
}

/* ---- the books ---- */

/* One product, as the accepted commands tell: what came in, less what went out, and what confirmed
 * orders hold. Sums are modulo 2^64. */
struct shelf {
    struct text sku;
    uint64_t on_hand, reserved;
};

struct books {
    const struct pipeline *pipeline;
    struct pipeline_totals *totals;
    struct ol_arena arena;   /* of the books */
    struct ol_arena scratch; /* of one message */
    struct shelf *shelves;
    size_t shelf_count, shelf_capacity;
    uint64_t external, paid, refunded;
};

static struct shelf *shelf_of(struct books *books, struct text sku)
{
    for (size_t i = 0; i < books->shelf_count; i++)
        if (text_equal(books->shelves[i].sku, sku))
            return &books->shelves[i];
    if (books->shelf_count == books->shelf_capacity) {
        books->shelf_capacity = books->shelf_capacity ? 2 * books->shelf_capacity : 64;
        books->shelves = realloc(books->shelves, books->shelf_capacity * sizeof *books->shelves);
        domain_assert(books->shelves);
    }
    struct shelf *shelf = &books->shelves[books->shelf_count++];
    *shelf = (struct shelf){{ol_arena_copy(&books->arena, sku.data, sku.bytes), sku.bytes}, 0, 0};
    return shelf;
}

static const struct entity *truth_of(const struct books *books, enum context context,
                                     enum entity_kind kind, struct text home, struct text second)
{
    int32_t partition = partition_of(home, books->pipeline->broker->partitions);
    struct entity_key key = {kind, partition, home, second};
    return projection_find(&books->pipeline->truth[context], &key);
}

/* A confirmed order's lines are reserved, and its total is captured or charged. */
static const char *book_order(struct books *books, const struct order_command *place)
{
    static const struct text nothing;
    const struct entity *order =
        truth_of(books, CONTEXT_ORDERS, ENTITY_ORDER, place->order_id, nothing);
    if (!order)
        return wrong("order %.*s was accepted and is nowhere", TEXT_ARGS(place->order_id));
    books->totals->orders++;
    books->totals->confirmed += order->order.status == ORDER_IS_CONFIRMED;
    books->totals->rejected += order->order.status == ORDER_IS_REJECTED;
    books->totals->cancelled += order->order.status == ORDER_IS_CANCELLED;
    if (order->order.status != ORDER_IS_CONFIRMED)
        return NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < place->line_count; i++) {
        shelf_of(books, place->lines[i].sku)->reserved += (uint64_t)place->lines[i].quantity;
        total += (uint64_t)place->lines[i].amount_minor;
    }
    books->paid += total;
    const struct entity *payment =
        truth_of(books, CONTEXT_PAYMENTS, ENTITY_PAYMENT, place->customer_id, place->order_id);
    bool paid = payment && (payment->payment.status == PAYMENT_IS_CAPTURED ||
                            payment->payment.status == PAYMENT_IS_CHARGED ||
                            payment->payment.status == PAYMENT_IS_REFUNDED);
    if (paid != (total > 0) || (paid && (uint64_t)payment->payment.amount_minor != total))
        return wrong("order %.*s is confirmed and not paid for", TEXT_ARGS(place->order_id));
    return NULL;
}

static const char *book_command(struct books *books, const struct command *command)
{
    const struct inventory_command *stock = &command->inventory;
    const struct payment_command *payment = &command->payment;
    switch (command->context) {
    case CONTEXT_ORDERS:
        return command->order.kind == ORDER_PLACE ? book_order(books, &command->order) : NULL;
    case CONTEXT_INVENTORY:
        if (stock->kind == STOCK_INCREASE)
            shelf_of(books, stock->sku)->on_hand += (uint64_t)stock->quantity;
        else if (stock->kind == STOCK_DECREASE)
            shelf_of(books, stock->sku)->on_hand -= (uint64_t)stock->quantity;
        else if (stock->kind == STOCK_COUNT)
            shelf_of(books, stock->sku)->on_hand = (uint64_t)stock->quantity;
        return NULL;
    case CONTEXT_PAYMENTS:
        if (payment->kind == FUNDS_DEPOSIT)
            books->external += (uint64_t)payment->amount_minor;
        else if (payment->kind == FUNDS_WITHDRAW)
            books->external -= (uint64_t)payment->amount_minor;
        else if (payment->kind == PAYMENT_REFUND)
            books->refunded += (uint64_t)payment->amount_minor;
        return NULL;
    case CONTEXT_COUNT: break;
    }
    return "a command has a context";
}

static void count_event(struct pipeline_totals *totals, const struct event_message *event)
{
    totals->events++;
    totals->refused += event->body == EVENT_BODY_REJECTED;
    totals->retired += event->body == EVENT_BODY_REJECTED &&
                       event->rejected.code == REFUSED_CURRENCY_RETIRED &&
                       strncmp(event->rejected.message.data, "STD", 3) == 0;
    totals->repeated += event->body == EVENT_BODY_REPEATED;
    totals->reused +=
        event->body == EVENT_BODY_REJECTED && event->rejected.code == REFUSED_COMMAND_ID_REUSED;
    if (event->context != CONTEXT_ORDERS || event->body != EVENT_BODY_DOMAIN)
        return;
    totals->expired +=
        event->order.kind == ORDER_CANCELLED && event->order.code == REFUSED_DEADLINE_PASSED;
    totals->stuck += event->order.kind == ORDER_UNDO_OVERDUE;
}

static const char *book_partition(struct books *books, enum context context, int32_t partition)
{
    const struct broker *broker = books->pipeline->broker;
    const struct broker_partition *log =
        broker_partition(broker, context, STREAM_EVENTS, partition);
    const struct broker_partition *commands =
        broker_partition(broker, context, STREAM_COMMANDS, partition);
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(&books->scratch);
        struct event_message event = decode_event(&log->slots[offset], context, &books->scratch);
        count_event(books->totals, &event);
        if (event.body != EVENT_BODY_DOMAIN || event.cause_source != CAUSE_COMMANDS ||
            event.cause_index != 0)
            continue;
        struct command command;
        if (!decode_command(&commands->slots[event.cause_offset], context, &books->scratch,
                            &command))
            return wrong("%s event %d/%lld: its command can't be read", context_name(context),
                         partition, (long long)offset);
        const char *fault = book_command(books, &command);
        if (fault)
            return fault;
    }
    FOR_RECORDS(offset, commands)
    {
        bool outside = commands->slots[offset].writer == WRITER_OUTSIDE;
        books->totals->commands += outside;
        books->totals->passed_on += !outside;
    }
    const struct broker_partition *dead =
        broker_partition(broker, context, STREAM_DEAD_LETTERS, partition);
    books->totals->dead_letters += (uint64_t)count_records(dead, 0, (int64_t)dead->count);
    return NULL;
}

static const char *compare_shelves(struct books *books)
{
    const struct projection *truth = &books->pipeline->truth[CONTEXT_INVENTORY];
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (state->key.kind != ENTITY_PRODUCT)
            continue;
        const struct shelf *shelf = shelf_of(books, state->key.id);
        const struct product *product = &state->state.product;
        if ((uint64_t)product->on_hand != shelf->on_hand ||
            (uint64_t)product->reserved != shelf->reserved || product->reserved < 0 ||
            product->reserved > product->on_hand)
            return wrong("product %.*s: %lld on hand and %lld reserved, by the books %llu and %llu",
                         TEXT_ARGS(state->key.id), (long long)product->on_hand,
                         (long long)product->reserved, (unsigned long long)shelf->on_hand,
                         (unsigned long long)shelf->reserved);
    }
    return NULL;
}

static const char *compare_wallets(struct books *books)
{
    const struct projection *truth = &books->pipeline->truth[CONTEXT_PAYMENTS];
    uint64_t wallets = 0, spent = 0, refunded = 0, reversed = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        const struct account *account = &state->state.account;
        const struct payment *payment = &state->state.payment;
        if (state->key.kind == ENTITY_PAYMENT && payment->status == PAYMENT_IS_AUTHORISED)
            return wrong("payment %.*s is still held", TEXT_ARGS(state->key.second));
        if (state->key.kind == ENTITY_PAYMENT)
            refunded += (uint64_t)payment->refunded_minor;
        if (state->key.kind == ENTITY_PAYMENT && payment->status == PAYMENT_IS_REVERSED)
            reversed += (uint64_t)payment->refunded_minor;
        if (state->key.kind != ENTITY_ACCOUNT)
            continue;
        if (account->held_minor != 0 || account->balance_minor < 0)
            return wrong("wallet %.*s: %lld, of it %lld held", TEXT_ARGS(state->key.id),
                         (long long)account->balance_minor, (long long)account->held_minor);
        wallets += (uint64_t)account->balance_minor;
        spent += (uint64_t)account->spent_minor;
    }
    if (refunded != books->refunded)
        return wrong("payments were refunded %llu, by the books %llu", (unsigned long long)refunded,
                     (unsigned long long)books->refunded);
    uint64_t kept = books->paid - (refunded - reversed); /* refunds of confirmed orders */
    if (spent != kept)
        return wrong("wallets have spent %llu, by the books %llu", (unsigned long long)spent,
                     (unsigned long long)kept);
    if (wallets + kept != books->external)
        return wrong("wallets hold %llu, orders paid %llu, refunds %llu; paid in was %llu",
                     (unsigned long long)wallets, (unsigned long long)books->paid,
                     (unsigned long long)books->refunded, (unsigned long long)books->external);
    return NULL;
}

const char *check_books(const struct pipeline *pipeline, struct pipeline_totals *totals)
{
    struct books books = {.pipeline = pipeline, .totals = totals};
    const char *fault = NULL;
    ol_arena_init(&books.arena, 1 << 16, 0);
    ol_arena_init(&books.scratch, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
            fault = book_partition(&books, (enum context)context, i);
    if (!fault)
        fault = compare_shelves(&books);
    if (!fault)
        fault = compare_wallets(&books);
    ol_arena_release(&books.arena);
    ol_arena_release(&books.scratch);
    free(books.shelves);
    return fault;
}
