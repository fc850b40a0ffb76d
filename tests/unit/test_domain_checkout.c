#include "domain/checkout.h"

#include <criterion/criterion.h>

#define PLN TEXT("PLN")

/* Lines of three groups, interleaved. */
static const struct order_line lines[] = {
    {TEXT("a"), 1, 10, 5}, {TEXT("b"), 2, 20, 0}, {TEXT("c"), 3, 30, 5},
    {TEXT("d"), 4, 40, 9}, {TEXT("e"), 5, 50, 0},
};
#define LINE_COUNT (sizeof lines / sizeof *lines)

static const struct order_event placed = {.kind = ORDER_PLACED,
                                          .order_id = TEXT("o"),
                                          .version = 1,
                                          .status = ORDER_IS_PLACED,
                                          .saga_state = SAGA_IS_RUNNING,
                                          .customer_id = TEXT("c"),
                                          .currency = TEXT("PLN"),
                                          .lines = lines,
                                          .line_count = LINE_COUNT,
                                          .total_minor = 150,
                                          .payment_row = PAYMENT_ROW_AUTHORISE};

static struct order placed_order(void)
{
    struct order state = {0};
    order_apply(&state, &placed);
    return state;
}

/* Feeds one step and gives the last event's steps. */
static void feed(struct order *state, enum order_step_kind kind, int32_t partition,
                 struct checkout_steps *ret_steps)
{
    static struct order_events events;
    struct order_step step = {.kind = kind,
                              .order_id = TEXT("o"),
                              .groups = UINT64_C(1) << partition,
                              .partition = partition,
                              .code = REFUSED_STOCK_SHORT,
                              .sku = TEXT("s")};
    struct order_facts facts = {0, 0, 10, PAYMENT_ROW_CHARGE};
    if (kind == ORDER_TIMEOUT)
        step.deadline_us = state->deadline_us;
    order_decide_step(state, &step, &facts, &events);
    cr_assert_geq(events.count, 1u);
    for (size_t i = 0; i < events.count; i++) {
        order_apply(state, &events.events[i]);
        checkout_react(state, &events.events[i], ret_steps);
    }
}

Test(checkout_react, asks_each_group_with_its_lines_in_basket_order)
{
    static const struct {
        int32_t partition;
        size_t count;
        const char *skus[2];
        int64_t quantities[2];
    } wanted[] = {{0, 2, {"b", "e"}, {2, 5}}, {5, 2, {"a", "c"}, {1, 3}}, {9, 1, {"d"}, {4}}};
    struct order state = placed_order();
    struct checkout_steps steps;
    checkout_react(&state, &placed, &steps);
    cr_assert_eq(steps.count, 3u);
    const struct stock_line *next = steps.lines;
    for (size_t i = 0; i < steps.count; i++) {
        const struct step *step = &steps.steps[i];
        cr_assert_eq(step->target, STEP_TO_INVENTORY);
        cr_assert_eq(step->partition, wanted[i].partition);
        cr_assert(text_equal(step->key, TEXT("o")));
        cr_assert_eq(step->inventory.kind, STOCK_RESERVE);
        cr_assert_eq(step->inventory.partition, wanted[i].partition);
        cr_assert(text_equal(step->inventory.order_id, TEXT("o")));
        cr_assert(text_equal(step->inventory.currency, PLN));
        cr_assert_eq(step->inventory.lines, next, "lines lie group by group");
        cr_assert_eq(step->inventory.line_count, wanted[i].count);
        for (size_t k = 0; k < wanted[i].count; k++) {
            cr_assert(text_equal(next[k].sku, text_of(wanted[i].skus[k])));
            cr_assert_eq(next[k].quantity, wanted[i].quantities[k]);
            cr_assert_eq(next[k].version, 0);
        }
        next += wanted[i].count;
    }
}

Test(checkout_react, has_room_for_a_group_on_every_partition)
{
    static struct order_line many[ORDER_LINES_MAX];
    for (size_t i = 0; i < ORDER_LINES_MAX; i++)
        many[i] = (struct order_line){TEXT("s"), 1, 1, (int32_t)(i % PARTITIONS_MAX)};
    struct order_event event = placed;
    event.lines = many;
    event.line_count = ORDER_LINES_MAX;
    struct order state = {0};
    struct checkout_steps steps;
    order_apply(&state, &event);
    checkout_react(&state, &event, &steps);
    cr_assert_eq(steps.count, (size_t)PARTITIONS_MAX);
    for (size_t i = 0; i < steps.count; i++) {
        cr_assert_eq(steps.steps[i].partition, (int32_t)i);
        cr_assert_eq(steps.steps[i].inventory.line_count, 4u);
    }
}

Test(checkout_react, asks_payments_by_the_customer_for_the_total)
{
    struct order state = placed_order();
    struct checkout_steps steps;
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 0, &steps);
    cr_assert_eq(steps.count, 0u);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 9, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 5, &steps);
    cr_assert_eq(steps.count, 1u);
    cr_assert_eq(steps.steps[0].target, STEP_TO_PAYMENTS);
    cr_assert_eq(steps.steps[0].partition, -1);
    cr_assert(text_equal(steps.steps[0].key, TEXT("c")));
    const struct payment_step *payment = &steps.steps[0].payment;
    cr_assert_eq(payment->kind, PAYMENT_AUTHORISE);
    cr_assert(text_equal(payment->payment_id, TEXT("o")));
    cr_assert(text_equal(payment->customer_id, TEXT("c")));
    cr_assert_eq(payment->amount_minor, 150);
    cr_assert(text_equal(payment->currency, PLN));

    feed(&state, ORDER_PAYMENT_AUTHORISED_REPLY, 0, &steps);
    cr_assert_eq(steps.count, 1u);
    cr_assert_eq(steps.steps[0].payment.kind, PAYMENT_CAPTURE);
    cr_assert(text_equal(steps.steps[0].key, TEXT("c")));
}

static struct order charged_order(void)
{
    struct order_event event = placed;
    struct order state = {0};
    event.payment_row = PAYMENT_ROW_CHARGE;
    order_apply(&state, &event);
    return state;
}

Test(checkout_react, charges_the_customer_the_total_and_asks_nothing_more)
{
    struct order state = charged_order();
    struct checkout_steps steps;
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 0, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 9, &steps);
    cr_assert_eq(steps.count, 0u);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 5, &steps);
    cr_assert_eq(steps.count, 1u);
    cr_assert_eq(steps.steps[0].target, STEP_TO_PAYMENTS);
    cr_assert(text_equal(steps.steps[0].key, TEXT("c")));
    const struct payment_step *payment = &steps.steps[0].payment;
    cr_assert_eq(payment->kind, PAYMENT_CHARGE);
    cr_assert(text_equal(payment->payment_id, TEXT("o")));
    cr_assert(text_equal(payment->customer_id, TEXT("c")));
    cr_assert_eq(payment->amount_minor, 150);
    cr_assert(text_equal(payment->currency, PLN));
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_eq(steps.count, 0u, "a charge that is waited for is not asked again");
    feed(&state, ORDER_PAYMENT_CHARGED_REPLY, 0, &steps);
    cr_assert_eq(steps.count, 0u);
}

Test(checkout_react, undoes_in_rising_order_and_the_payment_last)
{
    struct order state = placed_order();
    struct checkout_steps steps;
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 5, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 0, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 9, &steps);
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_eq(steps.count, 4u);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(steps.steps[i].inventory.kind, STOCK_RELEASE);
        cr_assert_eq(steps.steps[i].inventory.line_count, 0u);
        cr_assert_eq(steps.steps[i].partition, lines[i == 0 ? 1 : i == 1 ? 0 : 3].partition);
    }
    cr_assert_eq(steps.steps[3].payment.kind, PAYMENT_VOID);
    cr_assert(text_equal(steps.steps[3].key, TEXT("c")));
}

/* ---- in words ---- */

static const char *waits_for(const struct order *state)
{
    static char words[256];
    cr_assert_eq(checkout_waits_for(state, words, sizeof words), strlen(words));
    return words;
}

Test(checkout_waits_for, says_what_is_missing)
{
    struct order state = {0};
    struct checkout_steps steps;
    cr_assert_str_eq(waits_for(&state), "");
    state = placed_order();
    cr_assert_str_eq(waits_for(&state), "stock groups 0, 5, 9 reserved");
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 5, &steps);
    cr_assert_str_eq(waits_for(&state), "stock groups 0, 9 reserved");
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "stock group 9 reserved");
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 9, &steps);
    cr_assert_str_eq(waits_for(&state), "payment authorised");
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "stock groups 0, 5, 9 released and payment voided");
    feed(&state, ORDER_STOCK_RELEASED_REPLY, 0, &steps);
    feed(&state, ORDER_STOCK_RELEASED_REPLY, 9, &steps);
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "stock group 5 released and payment voided");
    feed(&state, ORDER_STOCK_RELEASED_REPLY, 5, &steps);
    cr_assert_str_eq(waits_for(&state), "payment voided");
    feed(&state, ORDER_PAYMENT_VOIDED_REPLY, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "");
}

Test(checkout_waits_for, says_that_a_charge_is_missing)
{
    struct order state = charged_order();
    struct checkout_steps steps;
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 5, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 0, &steps);
    feed(&state, ORDER_STOCK_RESERVED_REPLY, 9, &steps);
    cr_assert_str_eq(waits_for(&state), "payment charged");
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "payment charged");
    feed(&state, ORDER_TIMEOUT, 0, &steps);
    cr_assert_str_eq(waits_for(&state), "stock groups 0, 5, 9 released and payment reversed");
}

Test(checkout_waits_for, writes_groups_of_one_and_two_digits)
{
    struct order state = placed_order();
    state.groups_asked = UINT64_C(1) << 9 | UINT64_C(1) << 10 | UINT64_C(1) << 63;
    cr_assert_str_eq(waits_for(&state), "stock groups 9, 10, 63 reserved");
}

Test(checkout_waits_for, leaves_out_what_does_not_fit)
{
    struct order state = placed_order();
    char words[16] = "###############";
    cr_assert_eq(checkout_waits_for(&state, words, 12), 11u);
    cr_assert_str_eq(words, "stock group");
    cr_assert_eq(words[12], '#');
    cr_assert_eq(checkout_waits_for(&state, words, 1), 0u);
    cr_assert_str_eq(words, "");
}
