#include "domain/checkout.h"

#include "domain/assert.h"
#include "domain/machines.h"

/* ---- tables: the saga ---- */

enum {
    PART_STOCK,
    PART_CHARGE,
    PART_HOLD,
};

/* clang-format off */
const struct checkout_part checkout_parts[CHECKOUT_PART_COUNT] = {
    [PART_STOCK] = {
        .name = "stock",
        .target = STEP_TO_INVENTORY,
        .ask = STOCK_RESERVE,
        .undo = STOCK_RELEASE,
        .done = ORDER_STOCK_RESERVED_REPLY,
        .failed = ORDER_STOCK_REFUSED_REPLY,
        .undone = ORDER_STOCK_RELEASED_REPLY,
    },
    [PART_CHARGE] = {
        .name = "payment",
        .row = PAYMENT_ROW_CHARGE,
        .target = STEP_TO_PAYMENTS,
        .ask = PAYMENT_CHARGE,
        .undo = PAYMENT_REVERSE,
        .done = ORDER_PAYMENT_CHARGED_REPLY,
        .failed = ORDER_PAYMENT_DECLINED_REPLY,
        .undone = ORDER_PAYMENT_REVERSED_REPLY,
    },
    [PART_HOLD] = {
        .name = "payment",
        .row = PAYMENT_ROW_AUTHORISE,
        .target = STEP_TO_PAYMENTS,
        .ask = PAYMENT_AUTHORISE,
        .undo = PAYMENT_VOID,
        .complete = PAYMENT_CAPTURE,
        .done = ORDER_PAYMENT_AUTHORISED_REPLY,
        .failed = ORDER_PAYMENT_DECLINED_REPLY,
        .undone = ORDER_PAYMENT_VOIDED_REPLY,
    },
};
/* clang-format on */

/* In the order in which the steps of one event are sent. */
/* clang-format off */
const struct checkout_move checkout_moves[CHECKOUT_MOVE_COUNT] = {
    {ORDER_PLACED, PART_STOCK, CHECKOUT_ASK,
        "every group is asked to reserve its lines"},
    {ORDER_STOCK_RESERVED, PART_CHARGE, CHECKOUT_ASK,
        "the last group has its stock: the total is to become revenue"},
    {ORDER_STOCK_RESERVED, PART_HOLD, CHECKOUT_ASK,
        "the last group has its stock: the total is to be held"},
    {ORDER_CONFIRMED, PART_HOLD, CHECKOUT_COMPLETE,
        "what is held becomes revenue; nobody waits for the answer"},
    {ORDER_REJECTED, PART_STOCK, CHECKOUT_UNDO,
        "every group that holds or may yet hold stock releases it"},
    {ORDER_REJECTED, PART_CHARGE, CHECKOUT_UNDO,
        "never due: a payment is asked after all stock, and a declined one needs no undo"},
    {ORDER_REJECTED, PART_HOLD, CHECKOUT_UNDO,
        "never due: a payment is asked after all stock, and a declined one needs no undo"},
    {ORDER_CANCELLED, PART_STOCK, CHECKOUT_UNDO,
        "every group that holds or may yet hold stock releases it"},
    {ORDER_CANCELLED, PART_CHARGE, CHECKOUT_UNDO,
        "a payment that was asked is reversed, whether it is charged by then or not"},
    {ORDER_CANCELLED, PART_HOLD, CHECKOUT_UNDO,
        "a payment that was asked is voided, whether it is held by then or not"},
};
/* clang-format on */

_Static_assert(sizeof checkout_moves / sizeof *checkout_moves == CHECKOUT_MOVE_COUNT, "all");

/* One walk over the moves. */
struct reaction {
    const struct order *state;
    const struct order_event *event;
    struct checkout_steps *steps;
    size_t lines_used;
};

/* What the walker need not know of a part: who is due for an action (one bit for each group; bit 0
 * for a part without groups), how the step is filled in, and how people say it. */
typedef uint64_t part_due(const struct order *state, enum checkout_action action);
typedef void part_fill(struct reaction *reaction, int kind, int32_t group, struct step *ret_step);
static part_due stock_due, payment_due;
static part_fill stock_fill, payment_fill;
static uint64_t part_groups_due(const struct order *state, size_t part,
                                enum checkout_action action);

/* clang-format off */
static const struct {
    part_due *due;
    part_fill *fill;
    bool grouped;
    const char *done, *undone;
} part_rules[CHECKOUT_PART_COUNT] = {
    [PART_STOCK] = {stock_due, stock_fill, true, "reserved", "released"},
    [PART_CHARGE] = {payment_due, payment_fill, false, "charged", "reversed"},
    [PART_HOLD] = {payment_due, payment_fill, false, "authorised", "voided"},
};
/* clang-format on */

/* ---- the walker ---- */

static int part_step_kind(const struct checkout_part *part, enum checkout_action action)
{
    switch (action) {
    case CHECKOUT_ASK: return part->ask;
    case CHECKOUT_UNDO: return part->undo;
    case CHECKOUT_COMPLETE: return part->complete;
    case CHECKOUT_ACTION_NONE:
    case CHECKOUT_ACTION_COUNT: break;
    }
    domain_assert(!"a move has an action");
    return 0;
}

/* None, where the order is paid in another way. */
static uint64_t part_groups_due(const struct order *state, size_t part, enum checkout_action action)
{
    enum payment_row row = checkout_parts[part].row;
    domain_assert(state->payment_row > PAYMENT_ROW_NONE && state->payment_row < PAYMENT_ROW_COUNT);
    return row && row != state->payment_row ? 0 : part_rules[part].due(state, action);
}

/* Sends the move's step to each group that is due for it, in rising order. */
static void make_move(struct reaction *reaction, const struct checkout_move *move)
{
    domain_assert(move->part < CHECKOUT_PART_COUNT);
    const struct checkout_part *part = &checkout_parts[move->part];
    struct checkout_steps *steps = reaction->steps;
    int kind = part_step_kind(part, move->action);
    domain_assert(kind != 0);
    uint64_t due = part_groups_due(reaction->state, move->part, move->action);
    for (; due; due &= due - 1) {
        domain_assert(steps->count < CHECKOUT_STEPS_MAX);
        struct step *step = &steps->steps[steps->count++];
        *step = (struct step){.target = part->target};
        part_rules[move->part].fill(reaction, kind, __builtin_ctzll(due), step);
    }
}

void checkout_react(const struct order *state, const struct order_event *event,
                    struct checkout_steps *ret_steps)
{
    domain_assert(event->kind > ORDER_EVENT_NONE && event->kind < ORDER_EVENT_KIND_COUNT);
    domain_assert(event->version == state->version);
    domain_assert(event->status == state->status);
    struct reaction reaction = {.state = state, .event = event, .steps = ret_steps};
    ret_steps->count = 0;
    for (size_t i = 0; i < CHECKOUT_MOVE_COUNT; i++)
        if (checkout_moves[i].event == event->kind)
            make_move(&reaction, &checkout_moves[i]);
}

/* ---- stock: one step per inventory partition ---- */

static uint64_t stock_due(const struct order *state, enum checkout_action action)
{
    domain_assert(action == CHECKOUT_ASK || action == CHECKOUT_UNDO);
    return action == CHECKOUT_ASK ? order_groups_unanswered(state) : order_groups_to_release(state);
}

/* The group's lines, side by side, in basket order. */
static size_t copy_group_lines(struct reaction *reaction, int32_t group)
{
    const struct order_event *event = reaction->event;
    size_t first = reaction->lines_used;
    for (size_t i = 0; i < event->line_count; i++) {
        const struct order_line *line = &event->lines[i];
        if (line->partition != group)
            continue;
        domain_assert(reaction->lines_used < ORDER_LINES_MAX);
        reaction->steps->lines[reaction->lines_used++] =
            (struct stock_line){.sku = line->sku, .quantity = line->quantity};
    }
    return reaction->lines_used - first;
}

static void stock_fill(struct reaction *reaction, int kind, int32_t group, struct step *ret_step)
{
    const struct order_event *event = reaction->event;
    ret_step->key = event->order_id;
    ret_step->partition = group;
    ret_step->inventory = (struct inventory_step){
        .kind = (enum inventory_step_kind)kind, .order_id = event->order_id, .partition = group};
    if (kind != STOCK_RESERVE)
        return;
    domain_assert(event->kind == ORDER_PLACED);
    ret_step->inventory.currency = event->currency;
    ret_step->inventory.lines = reaction->steps->lines + reaction->lines_used;
    ret_step->inventory.line_count = copy_group_lines(reaction, group);
    domain_assert(ret_step->inventory.line_count >= 1);
}

/* ---- payment: one step for the whole order ---- */

static uint64_t payment_due(const struct order *state, enum checkout_action action)
{
    switch (action) {
    case CHECKOUT_ASK: return order_awaits_payment(state);
    case CHECKOUT_UNDO: return state->payment == ORDER_PAYMENT_ASKED_BACK;
    case CHECKOUT_COMPLETE: return state->payment == ORDER_PAYMENT_AUTHORISED;
    case CHECKOUT_ACTION_NONE:
    case CHECKOUT_ACTION_COUNT: break;
    }
    domain_assert(!"a move has an action");
    return 0;
}

static void payment_fill(struct reaction *reaction, int kind, int32_t group, struct step *ret_step)
{
    const struct order *state = reaction->state;
    domain_assert(group == 0);
    domain_assert(state->total_minor > 0);
    ret_step->key = state->customer_id;
    ret_step->partition = -1;
    ret_step->payment = (struct payment_step){.kind = (enum payment_step_kind)kind,
                                              .payment_id = reaction->event->order_id,
                                              .customer_id = state->customer_id};
    if (kind != PAYMENT_CHARGE && kind != PAYMENT_AUTHORISE)
        return;
    ret_step->payment.amount_minor = state->total_minor;
    ret_step->payment.currency = (struct text){state->currency.code, 3};
}

/* ---- what a saga waits for, in words ---- */

struct words {
    char *buffer;
    size_t size, length;
};

/* What does not fit is left out. */
static void put(struct words *words, const char *string)
{
    domain_assert(words->length < words->size);
    for (; *string && words->length + 1 < words->size; string++)
        words->buffer[words->length++] = *string;
    words->buffer[words->length] = '\0';
}

static void put_group(struct words *words, int group)
{
    domain_assert(group >= 0 && group < PARTITIONS_MAX);
    char digits[3] = {(char)('0' + group / 10), (char)('0' + group % 10), '\0'};
    put(words, group < 10 ? digits + 1 : digits);
}

/* "stock groups 1, 3 reserved", "payment voided". */
static void put_part(struct words *words, size_t part, uint64_t due, bool undo)
{
    domain_assert(due != 0);
    put(words, words->length ? " and " : "");
    put(words, checkout_parts[part].name);
    if (part_rules[part].grouped)
        put(words, due & (due - 1) ? " groups " : " group ");
    for (; part_rules[part].grouped && due; due &= due - 1) {
        put_group(words, __builtin_ctzll(due));
        put(words, due & (due - 1) ? ", " : "");
    }
    put(words, " ");
    put(words, undo ? part_rules[part].undone : part_rules[part].done);
}

size_t checkout_waits_for(const struct order *state, char *buffer, size_t buffer_bytes)
{
    domain_assert(buffer_bytes >= 1);
    struct words words = {.buffer = buffer, .size = buffer_bytes};
    buffer[0] = '\0';
    bool undo = state->saga_state == SAGA_IS_UNDOING || state->saga_state == SAGA_IS_STUCK;
    if (!undo && state->saga_state != SAGA_IS_RUNNING)
        return 0;
    for (size_t part = 0; part < CHECKOUT_PART_COUNT; part++) {
        uint64_t due = part_groups_due(state, part, undo ? CHECKOUT_UNDO : CHECKOUT_ASK);
        if (due)
            put_part(&words, part, due, undo);
    }
    return words.length;
}
