/*
 * tests/unit/test_domain_machines.c - walks every state that an order can be in.
 *
 * Breadth first from 'no order', every input that could ever come at each state (three groups asked
 * at most, a fourth never): orders of total 0 and 100, paid in each way. What the tables allow must
 * be met, what they leave empty must not.
 */
#include "domain/machines.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define STATES_MAX 20000
#define GROUPS     4 /* group 3 is never asked */

/* ---- the walk ---- */

struct visit {
    struct order states[STATES_MAX];
    size_t count;
    bool status_met[ORDER_STATUS_COUNT][SAGA_STATE_COUNT];
    bool payment_met[ORDER_PAYMENT_COUNT];
    bool rule_fired[ORDER_RULE_COUNT], rule_fired_other[ORDER_RULE_COUNT];
    bool rule_silent[SAGA_STATE_COUNT][ORDER_STEP_KIND_COUNT];
    bool rule_spoke[SAGA_STATE_COUNT][ORDER_STEP_KIND_COUNT];
    bool status_cell[ORDER_STATUS_COUNT][ORDER_EVENT_KIND_COUNT][ORDER_STATUS_COUNT];
    bool saga_cell[SAGA_STATE_COUNT][ORDER_EVENT_KIND_COUNT][SAGA_STATE_COUNT];
    bool move_made[CHECKOUT_MOVE_COUNT];
};

static struct visit *visit;
static struct order_facts facts = {1000, 100, GROUPS, PAYMENT_ROW_CHARGE};

static bool same(const struct order *a, const struct order *b)
{
    return a->version == b->version && a->status == b->status && a->saga_state == b->saga_state &&
           a->payment == b->payment && a->payment_row == b->payment_row &&
           a->groups_asked == b->groups_asked && a->groups_reserved == b->groups_reserved &&
           a->groups_refused == b->groups_refused && a->groups_released == b->groups_released &&
           a->total_minor == b->total_minor && a->deadline_us == b->deadline_us;
}

static void remember(const struct order *state)
{
    visit->status_met[state->status][state->saga_state] = true;
    visit->payment_met[state->payment] = true;
    for (size_t i = visit->count; i-- > 0;)
        if (same(&visit->states[i], state))
            return;
    cr_assert_lt(visit->count, (size_t)STATES_MAX);
    visit->states[visit->count++] = *state;
}

static void note_turns(const struct order *state, const struct order_event *event)
{
    static struct checkout_steps steps;
    checkout_react(state, event, &steps);
    for (size_t i = 0; i < CHECKOUT_MOVE_COUNT; i++) {
        const struct checkout_part *part = &checkout_parts[checkout_moves[i].part];
        int kind = checkout_moves[i].action == CHECKOUT_ASK    ? part->ask
                   : checkout_moves[i].action == CHECKOUT_UNDO ? part->undo
                                                               : part->complete;
        for (size_t k = 0; k < steps.count && checkout_moves[i].event == event->kind; k++)
            if (steps.steps[k].target == part->target &&
                (part->target == STEP_TO_INVENTORY ? (int)steps.steps[k].inventory.kind
                                                   : (int)steps.steps[k].payment.kind) == kind)
                visit->move_made[i] = true;
    }
}

static void follow(const struct order *from, const struct order_events *events)
{
    struct order state = *from;
    for (size_t i = 0; i < events->count; i++) {
        const struct order_event *event = &events->events[i];
        struct order before = state;
        order_apply(&state, event);
        visit->status_cell[before.status][event->kind][state.status] = true;
        visit->saga_cell[before.saga_state][event->kind][state.saga_state] = true;
        note_turns(&state, event);
    }
    if (events->count)
        remember(&state);
}

static void try_step(const struct order *state, struct order_step step)
{
    static struct order_events events;
    step.order_id = TEXT("o");
    step.code = REFUSED_STOCK_SHORT;
    order_decide_step(state, &step, &facts, &events);
    enum order_rule rule = order_rules[state->saga_state][step.kind];
    cr_assert_neq(rule, ORDER_RULE_ILLEGAL);
    if (rule == ORDER_RULE_IGNORE)
        cr_assert_eq(events.count, 0u);
    if (events.count) {
        bool other = events.events[0].kind == order_rule_other_event(rule);
        cr_assert(other || events.events[0].kind == order_rule_event(rule));
        visit->rule_fired[rule] |= !other;
        visit->rule_fired_other[rule] |= other;
        visit->rule_spoke[state->saga_state][step.kind] = true;
    } else {
        visit->rule_silent[state->saga_state][step.kind] = true;
    }
    follow(state, &events);
}

static void try_steps(const struct order *state)
{
    for (int kind = 1; kind < ORDER_STEP_KIND_COUNT; kind++)
        for (int32_t group = -1; group <= GROUPS; group++)
            for (uint64_t groups = 0; groups < UINT64_C(2) << GROUPS; groups++)
                try_step(state, (struct order_step){.kind = (enum order_step_kind)kind,
                                                    .groups = groups,
                                                    .partition = group,
                                                    .deadline_us = state->deadline_us});
    try_step(state, (struct order_step){.kind = ORDER_TIMEOUT, .deadline_us = INT64_MAX});
}

/* Baskets of 1 to 3 groups, paid and free; then a cancel. */
static void try_commands(const struct order *state)
{
    static struct order_events events;
    static const struct text skus[] = {TEXT("0"), TEXT("4"), TEXT("5")}; /* groups 0, 1, 2 */
    struct order_command command = {.kind = ORDER_CANCEL, .order_id = TEXT("o")};
    enum refusal_code code = order_decide_command(state, &command, &facts, &events).code;
    cr_assert_eq(code, order_cancel_rule(state->status));
    cr_assert_eq(events.count, code ? 0u : 1u);
    follow(state, &events);

    struct order_line lines[3];
    command = (struct order_command){ORDER_PLACE, TEXT("o"), TEXT("c"), TEXT("PLN"), lines, 0};
    for (size_t i = 0; i < 12; i++) {
        command.line_count = 1 + i / 4;
        facts.payment_row = i & 2 ? PAYMENT_ROW_AUTHORISE : PAYMENT_ROW_CHARGE;
        for (size_t k = 0; k < command.line_count; k++)
            lines[k] = (struct order_line){skus[k], 1, (int64_t)(i % 2) * 100, 0};
        code = order_decide_command(state, &command, &facts, &events).code;
        cr_assert_eq(code, state->version ? REFUSED_ORDER_EXISTS : ACCEPTED);
        follow(state, &events);
    }
}

static void walk(void)
{
    cr_assert_eq(partition_of(TEXT("0"), GROUPS), 0);
    cr_assert_eq(partition_of(TEXT("4"), GROUPS), 1);
    cr_assert_eq(partition_of(TEXT("5"), GROUPS), 2);
    visit = calloc(1, sizeof *visit);
    cr_assert_not_null(visit);
    remember(&(struct order){0});
    for (size_t i = 0; i < visit->count; i++) {
        struct order state = visit->states[i];
        /* A due deadline is one that has come: facts.now_us is past it in half of the walk. */
        try_commands(&state);
        try_steps(&state);
        state.deadline_us = facts.now_us;
        try_steps(&state);
    }
}

static void done(void)
{
    free(visit);
}

static bool has_words(const char *sentence)
{
    return sentence && *sentence && sentence[strlen(sentence) - 1] != '.';
}

TestSuite(order_machine, .init = walk, .fini = done);

Test(order_machine, has_no_cell_that_nobody_thought_of)
{
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
        for (int kind = 1; kind < ORDER_STEP_KIND_COUNT; kind++)
            cr_assert_neq(order_rules[saga][kind], ORDER_RULE_ILLEGAL, "%d %d", saga, kind);
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
        cr_assert_eq(order_rules[saga][ORDER_STEP_NONE], ORDER_RULE_ILLEGAL);
}

Test(order_machine, says_every_rule_in_words)
{
    for (int rule = ORDER_RULE_IGNORE; rule < ORDER_RULE_COUNT; rule++)
        cr_assert(has_words(order_rule_sentence((enum order_rule)rule)), "rule %d", rule);
    for (size_t i = 0; i < CHECKOUT_MOVE_COUNT; i++)
        cr_assert(has_words(checkout_moves[i].sentence), "move %zu", i);
}

Test(order_machine, reaches_every_state)
{
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        bool met = false;
        for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
            met |= visit->status_met[status][saga];
        cr_assert(met, "status %s", order_status_name((enum order_status)status));
    }
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++) {
        bool met = false;
        for (int status = 0; status < ORDER_STATUS_COUNT; status++)
            met |= visit->status_met[status][saga];
        cr_assert(met, "saga %s", saga_state_name((enum saga_state)saga));
    }
    for (int payment = 0; payment < ORDER_PAYMENT_COUNT; payment++)
        cr_assert(visit->payment_met[payment], "payment %d", payment);
}

Test(order_machine, fires_every_rule_from_every_cell_that_names_it)
{
    for (int rule = ORDER_RULE_IGNORE + 1; rule < ORDER_RULE_COUNT; rule++)
        cr_assert(visit->rule_fired[rule], "rule %d", rule);
    for (int rule = ORDER_RULE_IGNORE; rule < ORDER_RULE_COUNT; rule++)
        cr_assert_eq(visit->rule_fired_other[rule],
                     order_rule_other_event((enum order_rule)rule) != ORDER_EVENT_NONE, "rule %d",
                     rule);
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
        for (int kind = 1; kind < ORDER_STEP_KIND_COUNT; kind++) {
            bool rule = order_rules[saga][kind] != ORDER_RULE_IGNORE;
            cr_assert_eq(visit->rule_spoke[saga][kind], rule, "%d %d", saga, kind);
            cr_assert(visit->rule_silent[saga][kind], "%d %d: nothing says no", saga, kind);
        }
}

Test(order_machine, uses_every_cell_and_no_empty_one)
{
    for (int from = 0; from < ORDER_STATUS_COUNT; from++)
        for (int event = 1; event < ORDER_EVENT_KIND_COUNT; event++)
            for (int to = 1; to < ORDER_STATUS_COUNT; to++) {
                const struct order_status_cell *cell = &order_status_cells[from][event];
                cr_assert_eq(visit->status_cell[from][event][to],
                             (int)cell->more == to || (int)cell->last == to,
                             "status %d event %d to %d", from, event, to);
            }
    for (int from = 0; from < SAGA_STATE_COUNT; from++)
        for (int event = 1; event < ORDER_EVENT_KIND_COUNT; event++)
            for (int to = 1; to < SAGA_STATE_COUNT; to++) {
                const struct saga_state_cell *cell = &saga_state_cells[from][event];
                cr_assert_eq(visit->saga_cell[from][event][to],
                             (int)cell->more == to || (int)cell->last == to,
                             "saga %d event %d to %d", from, event, to);
            }
}

/* No payment is asked back when an order is rejected: that move stands for completeness. */
Test(order_machine, makes_every_move_of_the_saga)
{
    for (size_t i = 0; i < CHECKOUT_MOVE_COUNT; i++) {
        bool never = checkout_moves[i].event == ORDER_REJECTED && checkout_moves[i].part > 0;
        cr_assert_eq(visit->move_made[i], !never, "move %zu", i);
    }
}

Test(order_machine, says_what_every_open_saga_waits_for)
{
    char words[256];
    for (size_t i = 0; i < visit->count; i++) {
        const struct order *state = &visit->states[i];
        bool ended = state->saga_state == SAGA_IS_DONE || state->saga_state == SAGA_IS_UNDONE;
        size_t bytes = checkout_waits_for(state, words, sizeof words);
        cr_assert_eq(bytes > 0, state->version > 0 && !ended);
    }
    cr_assert_gt(visit->count, 100u);
}

/* In every state that waits, each awaited answer leads on; so no saga can be left waiting. */
Test(order_machine, goes_on_with_every_answer_that_it_waits_for)
{
    static struct order_events events;
    for (size_t i = 0; i < visit->count; i++) {
        const struct order *state = &visit->states[i];
        bool running = state->saga_state == SAGA_IS_RUNNING;
        bool undoing = state->saga_state == SAGA_IS_UNDOING || state->saga_state == SAGA_IS_STUCK;
        uint64_t groups = running   ? order_groups_unanswered(state)
                          : undoing ? order_groups_to_release(state)
                                    : 0;
        for (; groups; groups &= groups - 1) {
            struct order_step step = {.groups = groups & -groups};
            step.kind = running ? checkout_parts[0].done : checkout_parts[0].undone;
            order_decide_step(state, &step, &facts, &events);
            cr_assert_geq(events.count, 1u);
        }
        if (order_awaits_payment(state) || state->payment == ORDER_PAYMENT_ASKED_BACK) {
            const struct checkout_part *part =
                &checkout_parts[state->payment_row == checkout_parts[1].row ? 1 : 2];
            struct order_step step = {.kind = running ? part->done : part->undone};
            order_decide_step(state, &step, &facts, &events);
            cr_assert_geq(events.count, 1u);
        }
    }
}

/* ---- those who answer ---- */

/* Each reply that the row waits for is produced, and does in the order's machine what the row says
 * it does. */
static void check_part(const struct checkout_part *part, const bool *produced)
{
    const enum order_rule *running = order_rules[SAGA_IS_RUNNING];
    const enum order_rule *undoing = order_rules[SAGA_IS_UNDOING];
    cr_assert(produced[part->done] && produced[part->failed] && produced[part->undone]);
    cr_assert_neq(order_rule_event(running[part->done]), ORDER_EVENT_NONE);
    cr_assert_eq(order_rule_event(running[part->failed]), ORDER_REJECTED);
    cr_assert_neq(order_rule_event(undoing[part->undone]), ORDER_EVENT_NONE);
}

Test(stock_cells, are_said_in_words)
{
    for (int status = 0; status < RESERVATION_STATUS_COUNT; status++)
        for (int kind = 1; kind < INVENTORY_STEP_KIND_COUNT; kind++)
            cr_assert(has_words(stock_cells[status][kind].sentence), "%d %d", status, kind);
}

Test(payment_cells, are_said_in_words)
{
    for (int status = 0; status < PAYMENT_STATUS_COUNT; status++)
        for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++)
            cr_assert(has_words(payment_cells[status][kind].sentence), "%d %d", status, kind);
}

Test(command_rules, are_said_in_words)
{
    for (int kind = 1; kind < INVENTORY_COMMAND_KIND_COUNT; kind++)
        cr_assert(has_words(product_rule_sentence((enum inventory_command_kind)kind)), "%d", kind);
    for (int kind = 1; kind < PAYMENT_COMMAND_KIND_COUNT; kind++)
        cr_assert(has_words(account_rule_sentence((enum payment_command_kind)kind)), "%d", kind);
}

Test(stock_cells, produce_every_reply_that_the_saga_waits_for)
{
    const struct stock_line line = {TEXT("s"), 5, 0};
    struct product enough = {.version = 1, .listed = true, .currency = {"PLN"}, .on_hand = 5};
    struct product few = {.version = 1, .listed = true, .currency = {"PLN"}, .on_hand = 4};
    bool produced[ORDER_STEP_KIND_COUNT] = {false};
    static struct stock_decision decision;
    for (int status = 0; status < RESERVATION_STATUS_COUNT; status++)
        for (int i = 0; i < 4; i++) {
            const struct product *products[] = {i & 1 ? &few : &enough};
            struct reservation state = {(enum reservation_status)status, &line, 1};
            struct inventory_step step = {
                i & 2 ? STOCK_RELEASE : STOCK_RESERVE, TEXT("o"), 0, TEXT("PLN"), &line, 1};
            if (step.kind == STOCK_RESERVE)
                stock_decide_reserve(&state, products, &step, &decision);
            else
                stock_decide_release(&state, products, &step, &decision);
            produced[stock_reply(&state, &step, decision.decided ? &decision.event : NULL).kind] =
                true;
        }
    check_part(&checkout_parts[0], produced);
    cr_assert_not(produced[ORDER_STEP_NONE], "each step of stock is answered");
}

Test(payment_cells, produce_every_reply_that_the_saga_waits_for)
{
    struct account rich = {5, {"PLN"}, 100, 100, 100}, poor = {5, {"PLN"}, 0, 100, 100};
    bool produced[ORDER_STEP_KIND_COUNT] = {false};
    for (int status = 0; status < PAYMENT_STATUS_COUNT; status++)
        for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++)
            for (int i = 0; i < 2; i++) {
                struct payment payment = {(enum payment_status)status, 50, 0};
                struct payment_step step = {(enum payment_step_kind)kind, TEXT("p"), TEXT("c"), 50,
                                            TEXT("PLN")};
                struct payment_event event;
                bool decided = account_decide_step(i ? &poor : &rich, &payment, &step, &event);
                enum order_step_kind reply =
                    payment_reply(&payment, &step, decided ? &event : NULL).kind;
                cr_assert_eq(reply == ORDER_STEP_NONE, kind == checkout_parts[2].complete);
                produced[reply] = true;
            }
    check_part(&checkout_parts[1], produced);
    check_part(&checkout_parts[2], produced);
}
