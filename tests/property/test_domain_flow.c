/*
 * tests/property/test_domain_flow.c - random histories of whole shops, from a printed seed.
 *
 *   command -> orders ----steps----> inventory, payments
 *                 ^-----replies-----------'
 *
 * Orders, inventory and payments are wired by a pump that knows nothing of them. Half of the worlds
 * are as Kafka has it (each partition in order, everything once); the others deliver steps in any
 * order, late and more than once. Whatever the domain emits is folded, so what apply would assert
 * against stops the test. At rest the books must balance.
 */
#include "domain/account.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain/checkout.h"
#include "domain/stock.h"
#include "tests/support/rng.h"

#define WORLDS        800
#define ORDERS        240
#define PRODUCTS_MAX  24
#define CUSTOMERS_MAX 12
#define LINES_MAX     6
#define MAIL_MAX      20000
#define DEADLINE_US   4000
#define STEP_US       60 /* from one delivery to the next, on average */

struct mail {
    enum step_target target;
    int32_t partition; /* of the target's steps topic */
    union {
        struct order_step order;
        struct inventory_step inventory;
        struct payment_step payment;
    };
};

struct booked_order {
    char id[24];
    struct order state;
    struct order_line lines[LINES_MAX]; /* as placed */
    struct stock_line asked[LINES_MAX]; /* of the reserve steps, group by group */
    struct stock_line held[LINES_MAX];  /* of the reservations, at the same places */
    size_t line_count;
    struct reservation groups[PARTITIONS_MAX];
    struct payment payment;
    int32_t customer;
};

struct shelf {
    char sku[24];
    struct product state;
    uint64_t in, out; /* units that came in and went out, modulo 2^64 */
};

struct purse {
    char id[24];
    struct account state;
};

struct counts {
    uint64_t orders, confirmed, rejected, cancelled, stuck, steps, silent, refusals;
    uint64_t charged, captured, reversed, rest_reversed;
};

struct world {
    struct rng rng;
    bool chaos; /* steps in any order, and doubled */
    int32_t partitions;
    int64_t now_us;
    struct booked_order orders[ORDERS];
    size_t placed;
    struct shelf shelves[PRODUCTS_MAX];
    size_t product_count;
    struct purse purses[CUSTOMERS_MAX];
    size_t customer_count;
    struct mail mail[MAIL_MAX];
    size_t mail_count;
    int64_t ledger[LEDGER_ACCOUNT_COUNT];
    struct counts *counts;
    /* Too large for a stack frame in a loop. */
    struct order_events events;
    struct checkout_steps steps;
    struct stock_decision decision;
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return rng_below(&world->rng, bound);
}

/* Ids are a letter and a number. */
static size_t number_of(struct text id)
{
    cr_assert_geq(id.bytes, 2u);
    return (size_t)atoi(id.data + 1);
}

static struct order_facts facts_of(const struct world *world)
{
    return (struct order_facts){world->now_us, DEADLINE_US, world->partitions, PAYMENT_ROW_CHARGE};
}

/* ---- the pump ---- */

static void post(struct world *world, const struct mail *mail)
{
    cr_assert_lt(world->mail_count, (size_t)MAIL_MAX);
    world->mail[world->mail_count++] = *mail;
}

/* The first of the queue that mail `index` is in, where order counts. */
static size_t first_of_queue(const struct world *world, size_t index)
{
    const struct mail *wanted = &world->mail[index];
    for (size_t i = 0; i < index; i++)
        if (world->mail[i].target == wanted->target &&
            world->mail[i].partition == wanted->partition)
            return i;
    return index;
}

static struct mail take(struct world *world)
{
    size_t index = below(world, world->mail_count);
    if (!world->chaos)
        index = first_of_queue(world, index);
    struct mail mail = world->mail[index];
    if (world->chaos && rng_chance(&world->rng, 15))
        return mail; /* it stays, and comes again */
    world->mail_count--;
    memmove(world->mail + index, world->mail + index + 1,
            (world->mail_count - index) * sizeof *world->mail);
    return mail;
}

static void reply(struct world *world, const struct order_step *step)
{
    if (step->kind == ORDER_STEP_NONE)
        return;
    struct mail mail = {.target = STEP_TO_ORDERS, .order = *step};
    mail.partition = partition_of(step->order_id, world->partitions);
    post(world, &mail);
}

/* ---- orders ---- */

/* Steps outlive the reaction: their lines move to the order. */
static void post_steps(struct world *world, struct booked_order *order)
{
    const struct checkout_steps *steps = &world->steps;
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->steps[i];
        struct mail mail = {.target = step->target, .partition = step->partition};
        if (step->target == STEP_TO_INVENTORY) {
            mail.inventory = step->inventory;
            if (step->inventory.lines) {
                size_t first = (size_t)(step->inventory.lines - steps->lines);
                memcpy(order->asked + first, step->inventory.lines,
                       step->inventory.line_count * sizeof *order->asked);
                mail.inventory.lines = order->asked + first;
            }
        } else {
            mail.payment = step->payment;
            mail.payment.currency = step->payment.currency.bytes ? TEXT("PLN") : (struct text){0};
            mail.partition = partition_of(step->key, world->partitions);
        }
        post(world, &mail);
    }
}

static void fold_order(struct world *world, struct booked_order *order)
{
    for (size_t i = 0; i < world->events.count; i++) {
        struct order_event *event = &world->events.events[i];
        if (event->kind == ORDER_PLACED) {
            memcpy(order->lines, event->lines, event->line_count * sizeof *order->lines);
            order->line_count = event->line_count;
        }
        order_apply(&order->state, event);
        world->counts->stuck += event->kind == ORDER_UNDO_OVERDUE;
        checkout_react(&order->state, event, &world->steps);
        post_steps(world, order);
    }
}

static void give_order(struct world *world, struct booked_order *order,
                       const struct order_command *command)
{
    struct order_facts facts = facts_of(world);
    struct order before = order->state;
    if (rng_chance(&world->rng, 50))
        facts.payment_row = PAYMENT_ROW_AUTHORISE;
    enum refusal_code code =
        order_decide_command(&order->state, command, &facts, &world->events).code;
    cr_assert_eq(code == ACCEPTED, world->events.count > 0);
    world->counts->refusals += code != ACCEPTED;
    fold_order(world, order);
    if (code)
        cr_assert_eq(memcmp(&before, &order->state, sizeof before), 0);
}

/* One of the last orders, or of those to come. */
static struct booked_order *lately(struct world *world)
{
    size_t first = world->placed > 30 ? world->placed - 30 : 0;
    return &world->orders[(first + below(world, 32)) % ORDERS];
}

static int64_t random_amount(struct world *world)
{
    if (rng_chance(&world->rng, 1))
        return INT64_MAX - (int64_t)below(world, 3);
    return rng_chance(&world->rng, 10) ? 0 : rng_between(&world->rng, 1, 500);
}

/* A basket of products that may not exist, or stand there twice. */
static void place(struct world *world)
{
    struct order_line lines[LINES_MAX];
    size_t number = world->placed;
    if (number == ORDERS || rng_chance(&world->rng, 5))
        number = below(world, world->placed + (number < ORDERS));
    struct booked_order *order = &world->orders[number];
    struct purse *purse = &world->purses[below(world, world->customer_count)];
    struct order_command command = {
        ORDER_PLACE, text_of(order->id),         text_of(purse->id), TEXT("PLN"),
        lines,       1 + below(world, LINES_MAX)};
    bool free_of_charge = rng_chance(&world->rng, 10);
    for (size_t i = 0; i < command.line_count; i++) {
        struct shelf *shelf = &world->shelves[below(world, world->product_count)];
        lines[i] = (struct order_line){.sku = text_of(shelf->sku),
                                       .quantity = rng_between(&world->rng, 1, 4),
                                       .amount_minor = free_of_charge ? 0 : random_amount(world)};
    }
    give_order(world, order, &command);
    world->placed += number == world->placed && order->state.version > 0;
}

static void cancel(struct world *world)
{
    struct booked_order *order = lately(world);
    struct order_command command = {.kind = ORDER_CANCEL, .order_id = text_of(order->id)};
    give_order(world, order, &command);
}

static void tell_order(struct world *world, const struct order_step *step)
{
    struct booked_order *order = &world->orders[number_of(step->order_id)];
    struct order_facts facts = facts_of(world);
    struct order before = order->state;
    order_decide_step(&order->state, step, &facts, &world->events);
    world->counts->silent += world->events.count == 0;
    fold_order(world, order);
    if (world->events.count == 0)
        cr_assert_eq(memcmp(&before, &order->state, sizeof before), 0);
}

/* Anybody may propose a timeout at any time, of any deadline. */
static void propose_timeout(struct world *world)
{
    struct booked_order *order = lately(world);
    struct order_step step = {.kind = ORDER_TIMEOUT, .order_id = text_of(order->id)};
    step.deadline_us = order->state.deadline_us - (int64_t)rng_chance(&world->rng, 10);
    reply(world, &step);
}

/* ---- inventory ---- */

static const struct product **products_of(struct world *world, const struct stock_line *lines,
                                          size_t count)
{
    static const struct product *products[LINES_MAX];
    cr_assert_leq(count, (size_t)LINES_MAX);
    for (size_t i = 0; i < count; i++)
        products[i] = &world->shelves[number_of(lines[i].sku)].state;
    return products;
}

/* Events outlive the decision: their lines move to the order. */
static void fold_stock(struct world *world, struct booked_order *order,
                       struct reservation *reservation, const struct inventory_step *step)
{
    struct inventory_event event = world->decision.event;
    for (size_t i = 0; i < event.line_count; i++)
        product_apply_line(&world->shelves[number_of(event.lines[i].sku)].state, event.kind,
                           &event.lines[i]);
    if (event.kind == STOCK_RESERVED) {
        struct stock_line *held = order->held + (step->lines - order->asked);
        memcpy(held, event.lines, event.line_count * sizeof *held);
        event.lines = held;
    }
    reservation_apply(reservation, &event);
}

static void tell_stock(struct world *world, const struct inventory_step *step)
{
    struct booked_order *order = &world->orders[number_of(step->order_id)];
    struct reservation *reservation = &order->groups[step->partition];
    struct stock_decision *decision = &world->decision;
    if (step->kind == STOCK_RESERVE)
        stock_decide_reserve(reservation, products_of(world, step->lines, step->line_count), step,
                             decision);
    else
        stock_decide_release(reservation,
                             products_of(world, reservation->lines, reservation->line_count), step,
                             decision);
    world->counts->silent += !decision->decided;
    if (!world->chaos)
        cr_assert(!decision->decided || decision->event.code != REFUSED_RESERVATION_EXISTS);
    struct order_step answer =
        stock_reply(reservation, step, decision->decided ? &decision->event : NULL);
    if (decision->decided)
        fold_stock(world, order, reservation, step);
    reply(world, &answer);
}

static void tend_shelf(struct world *world)
{
    static const enum inventory_command_kind kinds[] = {
        STOCK_INCREASE, STOCK_INCREASE, STOCK_INCREASE, STOCK_INCREASE, STOCK_DECREASE,
        PRODUCT_ADD,    PRODUCT_ADD,    PRODUCT_MODIFY, PRODUCT_DELETE, STOCK_COUNT,
    };
    struct shelf *shelf = &world->shelves[below(world, world->product_count)];
    struct inventory_command command = {.kind = kinds[below(world, sizeof kinds / sizeof *kinds)],
                                        .sku = text_of(shelf->sku)};
    command.details.price_minor = (int64_t)below(world, 3);
    command.details.currency = rng_chance(&world->rng, 95) ? TEXT("PLN") : TEXT("EUR");
    command.quantity = rng_chance(&world->rng, 1) ? INT64_MAX : (int64_t)below(world, 60);
    if (command.kind == STOCK_DECREASE && rng_chance(&world->rng, 50))
        command.quantity = shelf->state.on_hand - shelf->state.reserved;
    struct inventory_event event;
    if (product_decide(&shelf->state, &command, world->now_us, &event).code) {
        world->counts->refusals++;
        return;
    }
    product_apply(&shelf->state, &event);
    shelf->in += event.kind == STOCK_INCREASED ? (uint64_t)event.quantity : 0;
    shelf->out += event.kind == STOCK_DECREASED ? (uint64_t)event.quantity : 0;
}

/* ---- payments ---- */

static void fold_payment(struct world *world, struct purse *purse, struct payment *payment,
                         const struct payment_event *event)
{
    enum ledger_account debit, credit;
    account_apply(&purse->state, event);
    if (event->payment_id.bytes)
        payment_apply(payment, event);
    if (account_legs(event, &debit, &credit)) {
        world->ledger[debit] -= event->amount_minor;
        world->ledger[credit] += event->amount_minor;
    }
}

static void tell_payments(struct world *world, const struct payment_step *step)
{
    struct purse *purse = &world->purses[number_of(step->customer_id)];
    struct payment *payment = &world->orders[number_of(step->payment_id)].payment;
    struct payment_event event;
    bool decided = account_decide_step(&purse->state, payment, step, &event);
    world->counts->silent += !decided;
    if (!world->chaos)
        cr_assert(!decided || event.code != REFUSED_PAYMENT_EXISTS);
    struct order_step answer = payment_reply(payment, step, decided ? &event : NULL);
    if (decided)
        fold_payment(world, purse, payment, &event);
    reply(world, &answer);
}

static void give_purse(struct world *world, struct purse *purse, struct booked_order *order,
                       const struct payment_command *command)
{
    struct payment_event event;
    if (account_decide_command(&purse->state, &order->payment, command, world->now_us, &event).code)
        world->counts->refusals++;
    else
        fold_payment(world, purse, &order->payment, &event);
}

static void tend_purse(struct world *world)
{
    static const enum payment_command_kind kinds[] = {
        FUNDS_DEPOSIT, FUNDS_DEPOSIT, FUNDS_WITHDRAW, PAYMENT_REFUND, ACCOUNT_OPEN,
    };
    struct booked_order *order = &world->orders[below(world, ORDERS)];
    struct purse *purse = order->state.version
                              ? &world->purses[number_of(order->state.customer_id)]
                              : &world->purses[below(world, world->customer_count)];
    struct payment_command command = {kinds[below(world, sizeof kinds / sizeof *kinds)],
                                      text_of(purse->id), TEXT("PLN"),
                                      rng_between(&world->rng, 0, 20000), text_of(order->id)};
    if (command.kind == PAYMENT_REFUND && rng_chance(&world->rng, 50))
        command.amount_minor = order->payment.amount_minor - order->payment.refunded_minor;
    give_purse(world, purse, order, &command);
}

/* Some of what an order paid, or all; rather of one that has paid and does not know yet, which may
 * still ask for it back. */
static void refund(struct world *world)
{
    struct booked_order *order = lately(world);
    for (int i = 0; i < 20; i++) {
        bool knows = order->payment.status != PAYMENT_IS_CHARGED ||
                     order->state.payment == ORDER_PAYMENT_CHARGED;
        if (!knows)
            break;
        order = lately(world);
    }
    if (order->state.version == 0)
        return;
    struct purse *purse = &world->purses[number_of(order->state.customer_id)];
    int64_t left_minor = order->payment.amount_minor - order->payment.refunded_minor;
    struct payment_command command = {
        PAYMENT_REFUND, text_of(purse->id), {0}, left_minor, text_of(order->id)};
    if (rng_chance(&world->rng, 50))
        command.amount_minor = rng_between(&world->rng, 0, left_minor);
    give_purse(world, purse, order, &command);
}

/* ---- a world's life ---- */

static void deliver(struct world *world)
{
    struct mail mail = take(world);
    world->counts->steps++;
    world->now_us += (int64_t)below(world, 2 * STEP_US);
    switch (mail.target) {
    case STEP_TO_ORDERS: tell_order(world, &mail.order); break;
    case STEP_TO_INVENTORY: tell_stock(world, &mail.inventory); break;
    case STEP_TO_PAYMENTS: tell_payments(world, &mail.payment); break;
    case STEP_TO_NOBODY: cr_assert_fail("a step for nobody");
    }
}

static void begin(struct world *world, uint64_t seed, struct counts *counts)
{
    *world = (struct world){.rng = rng_from(seed), .counts = counts, .now_us = 1000000};
    world->chaos = rng_chance(&world->rng, 50);
    world->partitions = rng_chance(&world->rng, 10) ? 64 : 1 + (int32_t)below(world, 8);
    world->product_count = 1 + below(world, PRODUCTS_MAX);
    world->customer_count = 1 + below(world, CUSTOMERS_MAX);
    for (size_t i = 0; i < ORDERS; i++)
        snprintf(world->orders[i].id, sizeof world->orders[i].id, "o%zu", i);
    for (size_t i = 0; i < world->product_count; i++)
        snprintf(world->shelves[i].sku, sizeof world->shelves[i].sku, "s%zu", i);
    for (size_t i = 0; i < world->customer_count; i++)
        snprintf(world->purses[i].id, sizeof world->purses[i].id, "c%zu", i);
    for (size_t i = 0; i < 4 * world->product_count; i++)
        tend_shelf(world);
    for (size_t i = 0; i < 4 * world->customer_count; i++)
        tend_purse(world);
}

static void live(struct world *world)
{
    unsigned pace = 4 + (unsigned)below(world, 20); /* how eagerly steps are delivered */
    while (world->placed < ORDERS) {
        unsigned die = (unsigned)below(world, 20 + 4 * pace);
        if (die < 10)
            place(world);
        else if (die < 12)
            cancel(world);
        else if (die < 14)
            propose_timeout(world);
        else if (die < 17)
            tend_shelf(world);
        else if (die < 20)
            die & 1 ? refund(world) : tend_purse(world);
        else if (world->mail_count)
            deliver(world);
    }
    while (world->mail_count)
        deliver(world);
}

/* ---- at rest ---- */

static void check_order(struct world *world, const struct booked_order *order, int64_t *reserved,
                        int64_t *captured)
{
    const struct order *state = &order->state;
    bool confirmed = state->status == ORDER_IS_CONFIRMED;
    cr_assert(state->saga_state == SAGA_IS_DONE || state->saga_state == SAGA_IS_UNDONE, "%s ended",
              order->id);
    world->counts->orders++;
    world->counts->confirmed += confirmed;
    world->counts->rejected += state->status == ORDER_IS_REJECTED;
    world->counts->cancelled += state->status == ORDER_IS_CANCELLED;
    for (int32_t p = 0; p < world->partitions; p++) {
        bool asked = state->groups_asked >> p & 1;
        cr_assert_eq(order->groups[p].status == RESERVATION_IS_HELD, confirmed && asked);
        cr_assert(asked || order->groups[p].status == RESERVATION_IS_NOTHING);
    }
    for (size_t i = 0; confirmed && i < order->line_count; i++)
        reserved[number_of(order->lines[i].sku)] += order->lines[i].quantity;
    bool paid = confirmed && state->total_minor > 0;
    cr_assert_eq(paid, order->payment.status == PAYMENT_IS_CAPTURED ||
                           order->payment.status == PAYMENT_IS_CHARGED ||
                           order->payment.status == PAYMENT_IS_REFUNDED);
    world->counts->charged += order->payment.status == PAYMENT_IS_CHARGED;
    world->counts->captured += order->payment.status == PAYMENT_IS_CAPTURED;
    world->counts->reversed +=
        order->payment.status == PAYMENT_IS_REVERSED && order->payment.amount_minor > 0;
    world->counts->rest_reversed +=
        order->payment.status == PAYMENT_IS_REVERSED && order->payment.refunded_minor > 0;
    cr_assert_neq(order->payment.status, PAYMENT_IS_AUTHORISED);
    if (paid) {
        cr_assert_eq(order->payment.amount_minor, state->total_minor);
        *captured += state->total_minor - order->payment.refunded_minor;
    }
}

static void check_rest(struct world *world)
{
    int64_t reserved[PRODUCTS_MAX] = {0}, captured = 0, wallets = 0, spent = 0;
    for (size_t i = 0; i < ORDERS; i++)
        check_order(world, &world->orders[i], reserved, &captured);
    for (size_t i = 0; i < world->product_count; i++) {
        const struct shelf *shelf = &world->shelves[i];
        cr_assert_eq(shelf->state.reserved, reserved[i], "%s: reserved", shelf->sku);
        cr_assert_eq((uint64_t)shelf->state.on_hand, shelf->in - shelf->out, "%s: on hand",
                     shelf->sku);
    }
    for (size_t i = 0; i < world->customer_count; i++) {
        cr_assert_eq(world->purses[i].state.held_minor, 0, "%s: held", world->purses[i].id);
        wallets += world->purses[i].state.balance_minor;
        spent += world->purses[i].state.spent_minor;
    }
    cr_assert_eq(world->ledger[LEDGER_HELD], 0);
    cr_assert_eq(world->ledger[LEDGER_WALLET], wallets);
    cr_assert_eq(world->ledger[LEDGER_REVENUE], captured);
    cr_assert_eq(spent, captured);
    cr_assert_eq(world->ledger[LEDGER_EXTERNAL] + wallets + captured, 0);
}

Test(flow, conserves_stock_and_money_and_ends_every_order)
{
    struct counts counts = {0};
    struct world *world = malloc(sizeof *world);
    struct rng seeds = rng_from(rng_seed("flow"));
    cr_assert_not_null(world);
    for (size_t i = 0; i < WORLDS; i++) {
        begin(world, rng_next(&seeds), &counts);
        live(world);
        check_rest(world);
    }
    free(world);
    fprintf(stderr,
            "flow: %" PRIu64 " orders (%" PRIu64 " confirmed, %" PRIu64 " rejected, %" PRIu64
            " cancelled, %" PRIu64 " once stuck), %" PRIu64 " steps (%" PRIu64
            " with nothing to say), %" PRIu64 " refusals\n",
            counts.orders, counts.confirmed, counts.rejected, counts.cancelled, counts.stuck,
            counts.steps, counts.silent, counts.refusals);
    cr_assert_geq(counts.orders, 100000u);
    cr_assert_gt(counts.confirmed, counts.orders / 20);
    cr_assert_gt(counts.rejected, counts.orders / 20);
    cr_assert_gt(counts.cancelled, counts.orders / 20);
    cr_assert_gt(counts.stuck, 100u);
    cr_assert_gt(counts.charged, 1000u);
    cr_assert_gt(counts.captured, 1000u);
    cr_assert_gt(counts.reversed, 100u);
    cr_assert_gt(counts.rest_reversed, 10u);
}
