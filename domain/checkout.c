#include "domain/checkout.h"

#include "domain/assert.h"
#include "domain/machines.h"

/* ---- tables: the saga ---- */

enum {
    ROW_STOCK,
    ROW_PAYMENT,
};

/* clang-format off */
const struct checkout_row checkout_rows[CHECKOUT_ROW_COUNT] = {
    [ROW_STOCK] = {
        .name = "stock",
        .target = STEP_TO_INVENTORY,
        .ask = STOCK_RESERVE,
        .undo = STOCK_RELEASE,
        .done = ORDER_STOCK_RESERVED_REPLY,
        .failed = ORDER_STOCK_REFUSED_REPLY,
        .undone = ORDER_STOCK_RELEASED_REPLY,
    },
    [ROW_PAYMENT] = {
        .name = "payment",
        .target = STEP_TO_PAYMENTS,
        .ask = PAYMENT_AUTHORISE,
        .undo = PAYMENT_VOID,
        .settle = PAYMENT_CAPTURE,
        .done = ORDER_PAYMENT_AUTHORISED_REPLY,
        .failed = ORDER_PAYMENT_DECLINED_REPLY,
        .undone = ORDER_PAYMENT_VOIDED_REPLY,
    },
};
/* clang-format on */

/* In the order in which the steps of one event are sent. */
/* clang-format off */
const struct checkout_turn checkout_turns[CHECKOUT_TURN_COUNT] = {
    {ORDER_PLACED, ROW_STOCK, CHECKOUT_ASK},
    {ORDER_STOCK_RESERVED, ROW_PAYMENT, CHECKOUT_ASK},
    {ORDER_CONFIRMED, ROW_PAYMENT, CHECKOUT_SETTLE},
    {ORDER_REJECTED, ROW_STOCK, CHECKOUT_UNDO},
    {ORDER_REJECTED, ROW_PAYMENT, CHECKOUT_UNDO},
    {ORDER_CANCELLED, ROW_STOCK, CHECKOUT_UNDO},
    {ORDER_CANCELLED, ROW_PAYMENT, CHECKOUT_UNDO},
};
/* clang-format on */

/* One walk over the turns. */
struct reaction {
    const struct order *state;
    const struct order_event *event;
    struct checkout_steps *steps;
    size_t lines_used;
};

/* What a row is made of, so that the walker need not know: who is due for a move (one bit each; a
 * row without groups has bit 0 only), how the step is filled in, and how people say it. */
typedef uint64_t part_due(const struct order *state, enum checkout_move move);
typedef void part_fill(struct reaction *reaction, int kind, int32_t group, struct step *ret_step);
static part_due stock_due, payment_due;
static part_fill stock_fill, payment_fill;

/* clang-format off */
static const struct {
    part_due *due;
    part_fill *fill;
    bool grouped;
    const char *done, *undone;
} parts[CHECKOUT_ROW_COUNT] = {
    [ROW_STOCK] = {stock_due, stock_fill, true, "reserved", "released"},
    [ROW_PAYMENT] = {payment_due, payment_fill, false, "authorised", "voided"},
};
/* clang-format on */

/* ---- the walker ---- */

static int row_kind(const struct checkout_row *row, enum checkout_move move)
{
    switch (move) {
    case CHECKOUT_ASK: return row->ask;
    case CHECKOUT_UNDO: return row->undo;
    case CHECKOUT_SETTLE: return row->settle;
    case CHECKOUT_MOVE_NONE:
    case CHECKOUT_MOVE_COUNT: break;
    }
    domain_assert(!"a turn has a move");
    return 0;
}

/* Sends the move's step to each group that it is due for, in rising order. */
static void take_turn(struct reaction *reaction, const struct checkout_turn *turn)
{
    domain_assert(turn->row < CHECKOUT_ROW_COUNT);
    const struct checkout_row *row = &checkout_rows[turn->row];
    struct checkout_steps *steps = reaction->steps;
    int kind = row_kind(row, turn->move);
    domain_assert(kind != 0);
    uint64_t due = parts[turn->row].due(reaction->state, turn->move);
    for (; due; due &= due - 1) {
        domain_assert(steps->count < CHECKOUT_STEPS_MAX);
        struct step *step = &steps->steps[steps->count++];
        *step = (struct step){.target = row->target};
        parts[turn->row].fill(reaction, kind, __builtin_ctzll(due), step);
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
    for (size_t i = 0; i < CHECKOUT_TURN_COUNT; i++)
        if (checkout_turns[i].event == event->kind)
            take_turn(&reaction, &checkout_turns[i]);
}

/* ---- stock: one step per inventory partition ---- */

static uint64_t stock_due(const struct order *state, enum checkout_move move)
{
    domain_assert(move == CHECKOUT_ASK || move == CHECKOUT_UNDO);
    return move == CHECKOUT_ASK ? order_groups_unanswered(state) : order_groups_to_release(state);
}

/* Takes the group's lines over, side by side, in basket order. */
static size_t take_lines(struct reaction *reaction, int32_t group)
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
    ret_step->inventory.line_count = take_lines(reaction, group);
    domain_assert(ret_step->inventory.line_count >= 1);
}

/* ---- payment: one step for the whole order ---- */

static uint64_t payment_due(const struct order *state, enum checkout_move move)
{
    static const enum order_payment due_at[CHECKOUT_MOVE_COUNT] = {
        [CHECKOUT_ASK] = ORDER_PAYMENT_ASKED,
        [CHECKOUT_UNDO] = ORDER_PAYMENT_VOID_ASKED,
        [CHECKOUT_SETTLE] = ORDER_PAYMENT_AUTHORISED,
    };
    domain_assert(move < CHECKOUT_MOVE_COUNT);
    domain_assert(due_at[move] != ORDER_PAYMENT_NONE);
    return state->payment == due_at[move];
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
    if (kind != PAYMENT_AUTHORISE)
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
static void put_row(struct words *words, size_t row, uint64_t due, bool undo)
{
    domain_assert(due != 0);
    put(words, words->length ? " and " : "");
    put(words, checkout_rows[row].name);
    if (parts[row].grouped)
        put(words, due & (due - 1) ? " groups " : " group ");
    for (; parts[row].grouped && due; due &= due - 1) {
        put_group(words, __builtin_ctzll(due));
        put(words, due & (due - 1) ? ", " : "");
    }
    put(words, " ");
    put(words, undo ? parts[row].undone : parts[row].done);
}

size_t checkout_waits_for(const struct order *state, char *buffer, size_t buffer_bytes)
{
    domain_assert(buffer_bytes >= 1);
    struct words words = {.buffer = buffer, .size = buffer_bytes};
    buffer[0] = '\0';
    bool undo = state->saga_state == SAGA_IS_UNDOING || state->saga_state == SAGA_IS_STUCK;
    if (!undo && state->saga_state != SAGA_IS_RUNNING)
        return 0;
    for (size_t row = 0; row < CHECKOUT_ROW_COUNT; row++) {
        uint64_t due = parts[row].due(state, undo ? CHECKOUT_UNDO : CHECKOUT_ASK);
        if (due)
            put_row(&words, row, due, undo);
    }
    return words.length;
}
