#include "consumers/core_internal.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "lib/guard/protected.h"

static void orders_missing_for_step(struct missing *missing, const struct core_input *input);
static bool orders_command(struct input_run *run, const struct command *command);
static bool orders_step(struct input_run *run, const struct step_message *step);
static void inventory_missing_for_step(struct missing *missing, const struct core_input *input);
static bool inventory_command(struct input_run *run, const struct command *command);
static bool inventory_step(struct input_run *run, const struct step_message *step);
static void payments_missing_for_command(struct missing *missing, const struct core_input *input);
static void payments_missing_for_step(struct missing *missing, const struct core_input *input);
static bool payments_command(struct input_run *run, const struct command *command);
static bool payments_step(struct input_run *run, const struct step_message *step);

const struct context_rules context_rules[CONTEXT_COUNT] = {
    [CONTEXT_ORDERS] = {ENTITY_ORDER, NULL, orders_missing_for_step, orders_command, orders_step},
    [CONTEXT_INVENTORY] = {ENTITY_PRODUCT, NULL, inventory_missing_for_step, inventory_command,
                           inventory_step},
    [CONTEXT_PAYMENTS] = {ENTITY_ACCOUNT, payments_missing_for_command, payments_missing_for_step,
                          payments_command, payments_step},
};

/* ---- orders ---- */

static void orders_missing_for_step(struct missing *missing, const struct core_input *input)
{
    missing_add(missing, ENTITY_ORDER, input->partition, input->step.order.order_id, no_text);
}

static struct order_facts order_facts(const struct input_run *run, struct text order_id)
{
    return (struct order_facts){
        .now_us = run->input->at_us,
        .deadline_after_us = run->core->settings.order_deadline_us,
        .partitions = run->core->settings.partitions,
        .payment_row = order_payment_row(order_id),
    };
}

/* What the saga asks next, each with an id derived from the event: order / version / number. */
static bool orders_react(struct input_run *run, const struct order *state,
                         const struct order_event *event)
{
    struct checkout_steps *steps = &run->core->checkout_steps;
    checkout_react(state, event, steps);
    struct text stem = id_stem(run->arena, event->order_id);
    if (!stem.data)
        return false;
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *asked = &steps->steps[i];
        struct step_message step = {.asker = {event->version, (int32_t)i + 1}};
        if (asked->target == STEP_TO_INVENTORY) {
            step.context = CONTEXT_INVENTORY;
            step.inventory = asked->inventory;
        } else {
            domain_assert(asked->target == STEP_TO_PAYMENTS);
            step.context = CONTEXT_PAYMENTS;
            step.payment = asked->payment;
        }
        struct text id = id_of_step(run->arena, stem, event->version, i + 1);
        domain_assert(id.bytes + 2 <= ID_BYTES_MAX); /* "/r" behind it */
        if (!input_run_send_step(run, asked->partition, asked->key, &step, id))
            return false;
    }
    return true;
}

static bool orders_emit(struct input_run *run, struct text order_id)
{
    const struct order_events *decided = &run->core->order_events;
    int32_t partition = run->input->partition;
    for (size_t i = 0; i < decided->count; i++) {
        struct event_message event = input_run_begin_event(run, EVENT_BODY_DOMAIN);
        event.order = decided->events[i];
        if (!input_run_emit(run, order_id, &event))
            return false;
        const struct entity *order =
            core_get(run->core, ENTITY_ORDER, partition, order_id, no_text);
        if (!orders_react(run, &order->order, &event.order))
            return false;
    }
    const struct entity *order = core_get(run->core, ENTITY_ORDER, partition, order_id, no_text);
    input_run_count(run, RECEIPT_DECIDED);
    return core_follow_deadline(run->core, &order->order, order_id, partition);
}

static bool orders_command(struct input_run *run, const struct command *command)
{
    struct text order_id = command->order.order_id;
    struct order_facts facts = order_facts(run, order_id);
    const struct entity *order =
        core_get(run->core, ENTITY_ORDER, run->input->partition, order_id, no_text);
    struct refusal refusal =
        order_decide_command(&order->order, &command->order, &facts, &run->core->order_events);
    if (refusal.code != ACCEPTED)
        return input_run_reject(run, command, &refusal);
    return orders_emit(run, order_id);
}

static bool orders_step(struct input_run *run, const struct step_message *step)
{
    struct text order_id = step->order.order_id;
    struct order_facts facts = order_facts(run, order_id);
    const struct entity *order =
        core_get(run->core, ENTITY_ORDER, run->input->partition, order_id, no_text);
    order_decide_step(&order->order, &step->order, &facts, &run->core->order_events);
    if (run->core->order_events.count > 0)
        return orders_emit(run, order_id);
    input_run_count(run, RECEIPT_IGNORED);
    return true;
}

/* ---- inventory ---- */

/* A reserve is new by construction: its own reservation is not looked up. One that is published
 * again may have been undone meanwhile, and acts no second time. */
static void inventory_missing_for_step(struct missing *missing, const struct core_input *input)
{
    const struct inventory_step *step = &input->step.inventory;
    if (step->kind == STOCK_RESERVE) {
        for (size_t i = 0; i < step->line_count; i++)
            missing_add(missing, ENTITY_PRODUCT, input->partition, step->lines[i].sku, no_text);
        if (PROTECTED(redriven) && input->redriven)
            missing_add(missing, ENTITY_RESERVATION, input->partition, step->order_id, no_text);
        return;
    }
    struct entity_key key = {
        .kind = ENTITY_RESERVATION, .partition = input->partition, .id = step->order_id};
    const struct entity *entity = overlay_get(missing->core->overlay, &key);
    if (!entity) {
        missing_add(missing, ENTITY_RESERVATION, input->partition, step->order_id, no_text);
        return;
    }
    for (size_t i = 0; i < entity->reservation.line_count; i++)
        missing_add(missing, ENTITY_PRODUCT, input->partition, entity->reservation.lines[i].sku,
                    no_text);
}

static bool inventory_command(struct input_run *run, const struct command *command)
{
    struct text sku = command->inventory.sku;
    const struct entity *product =
        core_get(run->core, ENTITY_PRODUCT, run->input->partition, sku, no_text);
    struct inventory_event decided;
    struct refusal refusal =
        product_decide(&product->product, &command->inventory, run->input->at_us, &decided);
    if (refusal.code != ACCEPTED)
        return input_run_reject(run, command, &refusal);

    struct event_message event = input_run_begin_event(run, EVENT_BODY_DOMAIN);
    event.inventory = decided;
    return input_run_decided(run, sku, &event);
}

/* The states of a group's products, in the order of its lines. */
static const struct product *const *group_products(struct input_run *run,
                                                   const struct stock_line *lines, size_t count)
{
    domain_assert(count <= ORDER_LINES_MAX);
    for (size_t i = 0; i < count; i++)
        run->core->products[i] =
            &core_get(run->core, ENTITY_PRODUCT, run->input->partition, lines[i].sku, no_text)
                 ->product;
    return run->core->products;
}

static bool inventory_step(struct input_run *run, const struct step_message *step)
{
    const struct inventory_step *asked = &step->inventory;
    struct stock_decision *decision = &run->core->stock_decision;
    struct entity_key key = {
        .kind = ENTITY_RESERVATION, .partition = run->input->partition, .id = asked->order_id};
    const struct entity *entity = overlay_get_or_absent(run->core->overlay, &key);
    if (!entity)
        return false;
    const struct reservation *reservation = &entity->reservation;

    if (asked->kind == STOCK_RESERVE)
        stock_decide_reserve(reservation, group_products(run, asked->lines, asked->line_count),
                             asked, decision);
    else
        stock_decide_release(reservation,
                             group_products(run, reservation->lines, reservation->line_count),
                             asked, decision);

    if (decision->decided) {
        struct event_message event = input_run_begin_event(run, EVENT_BODY_DOMAIN);
        event.inventory = decision->event;
        if (!input_run_decided(run, asked->order_id, &event))
            return false;
    } else {
        input_run_count(run, RECEIPT_IGNORED);
    }
    struct order_step answer =
        stock_reply(reservation, asked, decision->decided ? &decision->event : NULL);
    return input_run_reply(run, &answer);
}

/* ---- payments ---- */

/* A payment id that is no id (the decision refuses it) is not looked up. */
static bool names_payment(const struct payment_command *asked)
{
    return asked->kind == PAYMENT_REFUND && id_is_clean(asked->payment_id);
}

static void payments_missing_for_command(struct missing *missing, const struct core_input *input)
{
    const struct payment_command *asked = &input->command.payment;
    if (names_payment(asked))
        missing_add(missing, ENTITY_PAYMENT, input->partition, asked->customer_id,
                    asked->payment_id);
}

/* What asks for money is new as well, unless it is published again: its own payment is not looked
 * up. */
static void payments_missing_for_step(struct missing *missing, const struct core_input *input)
{
    const struct payment_step *step = &input->step.payment;
    missing_add(missing, ENTITY_ACCOUNT, input->partition, step->customer_id, no_text);
    bool is_new = step->kind == PAYMENT_CHARGE || step->kind == PAYMENT_AUTHORISE;
    if (PROTECTED(redriven) && input->redriven)
        is_new = false;
    if (!is_new)
        missing_add(missing, ENTITY_PAYMENT, input->partition, step->customer_id, step->payment_id);
}

static bool payments_command(struct input_run *run, const struct command *command)
{
    const struct payment_command *asked = &command->payment;
    int32_t partition = run->input->partition;
    const struct entity *account =
        core_get(run->core, ENTITY_ACCOUNT, partition, asked->customer_id, no_text);
    const struct entity *payment = NULL;
    if (names_payment(asked))
        payment =
            core_get(run->core, ENTITY_PAYMENT, partition, asked->customer_id, asked->payment_id);

    struct payment_event decided;
    struct refusal refusal = account_decide_command(
        &account->account, payment ? &payment->payment : NULL, asked, run->input->at_us, &decided);
    if (refusal.code != ACCEPTED)
        return input_run_reject(run, command, &refusal);

    struct event_message event = input_run_begin_event(run, EVENT_BODY_DOMAIN);
    event.payment = decided;
    return input_run_decided(run, asked->customer_id, &event);
}

static bool payments_step(struct input_run *run, const struct step_message *step)
{
    const struct payment_step *asked = &step->payment;
    int32_t partition = run->input->partition;
    const struct entity *account =
        core_get(run->core, ENTITY_ACCOUNT, partition, asked->customer_id, no_text);
    struct entity_key key = {.kind = ENTITY_PAYMENT,
                             .partition = partition,
                             .id = asked->customer_id,
                             .second = asked->payment_id};
    const struct entity *payment = overlay_get_or_absent(run->core->overlay, &key);
    if (!payment)
        return false;

    struct event_message event = {0};
    struct payment_event decided;
    bool has_event = account_decide_step(&account->account, &payment->payment, asked, &decided);
    if (has_event) {
        event = input_run_begin_event(run, EVENT_BODY_DOMAIN);
        event.payment = decided;
        if (!input_run_decided(run, asked->customer_id, &event))
            return false;
    } else {
        input_run_count(run, RECEIPT_IGNORED);
    }
    struct order_step answer =
        payment_reply(&payment->payment, asked, has_event ? &event.payment : NULL);
    return input_run_reply(run, &answer);
}
