#include "domain/order.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "domain/currency.h"
#include "domain/machines.h"
#include "domain/money.h"
#include "lib/guard/protected.h"

/* ---- tables ---- */

/* What a cancel is answered. Neither `cancels` nor a code: a status that nobody has thought of. */
static const struct {
    bool cancels;
    enum refusal_code code;
} cancel_rules[ORDER_STATUS_COUNT] = {
    [ORDER_IS_NOTHING] = {.code = REFUSED_ORDER_UNKNOWN},
    [ORDER_IS_PLACED] = {.cancels = true},
    [ORDER_IS_RESERVED] = {.cancels = true},
    [ORDER_IS_CONFIRMED] = {.code = REFUSED_ORDER_IS_CONFIRMED},
    [ORDER_IS_REJECTED] = {.code = REFUSED_ORDER_IS_REJECTED},
    [ORDER_IS_CANCELLED] = {.code = REFUSED_NOTHING_TO_DO},
};

/* clang-format off */

/* While a saga runs, at least one group is asked and has not refused. So a cancel, or a declined
 * payment, always has something to undo. */
const struct order_status_cell order_status_cells[ORDER_STATUS_COUNT][ORDER_EVENT_KIND_COUNT] = {
    [ORDER_IS_NOTHING] = {
        [ORDER_PLACED] = {ORDER_IS_PLACED, 0},
    },
    [ORDER_IS_PLACED] = {
        [ORDER_STOCK_RESERVED] = {ORDER_IS_PLACED, ORDER_IS_RESERVED},
        [ORDER_REJECTED] = {ORDER_IS_REJECTED, ORDER_IS_REJECTED},
        [ORDER_CANCELLED] = {ORDER_IS_CANCELLED, 0},
    },
    [ORDER_IS_RESERVED] = {
        [ORDER_PAYMENT_OVERDUE] = {0, ORDER_IS_RESERVED},
        [ORDER_CONFIRMED] = {0, ORDER_IS_CONFIRMED},
        [ORDER_REJECTED] = {ORDER_IS_REJECTED, 0},
        [ORDER_CANCELLED] = {ORDER_IS_CANCELLED, 0},
    },
    [ORDER_IS_REJECTED] = {
        [ORDER_STOCK_RELEASED] = {ORDER_IS_REJECTED, ORDER_IS_REJECTED},
        [ORDER_UNDO_OVERDUE] = {ORDER_IS_REJECTED, 0},
    },
    [ORDER_IS_CANCELLED] = {
        [ORDER_STOCK_RELEASED] = {ORDER_IS_CANCELLED, ORDER_IS_CANCELLED},
        [ORDER_PAYMENT_VOIDED] = {ORDER_IS_CANCELLED, ORDER_IS_CANCELLED},
        [ORDER_PAYMENT_REVERSED] = {ORDER_IS_CANCELLED, ORDER_IS_CANCELLED},
        [ORDER_UNDO_OVERDUE] = {ORDER_IS_CANCELLED, 0},
    },
};

const struct saga_state_cell saga_state_cells[SAGA_STATE_COUNT][ORDER_EVENT_KIND_COUNT] = {
    [SAGA_IS_NOTHING] = {
        [ORDER_PLACED] = {SAGA_IS_RUNNING, 0},
    },
    [SAGA_IS_RUNNING] = {
        [ORDER_STOCK_RESERVED] = {SAGA_IS_RUNNING, SAGA_IS_RUNNING},
        [ORDER_PAYMENT_OVERDUE] = {0, SAGA_IS_RUNNING},
        [ORDER_CONFIRMED] = {0, SAGA_IS_DONE},
        [ORDER_REJECTED] = {SAGA_IS_UNDOING, SAGA_IS_UNDONE},
        [ORDER_CANCELLED] = {SAGA_IS_UNDOING, 0},
    },
    [SAGA_IS_UNDOING] = {
        [ORDER_STOCK_RELEASED] = {SAGA_IS_UNDOING, SAGA_IS_UNDONE},
        [ORDER_PAYMENT_VOIDED] = {SAGA_IS_UNDOING, SAGA_IS_UNDONE},
        [ORDER_PAYMENT_REVERSED] = {SAGA_IS_UNDOING, SAGA_IS_UNDONE},
        [ORDER_UNDO_OVERDUE] = {SAGA_IS_STUCK, 0},
    },
    [SAGA_IS_STUCK] = {
        [ORDER_STOCK_RELEASED] = {SAGA_IS_STUCK, SAGA_IS_UNDONE},
        [ORDER_PAYMENT_VOIDED] = {SAGA_IS_STUCK, SAGA_IS_UNDONE},
        [ORDER_PAYMENT_REVERSED] = {SAGA_IS_STUCK, SAGA_IS_UNDONE},
    },
};
/* clang-format on */

#define LATE     ORDER_RULE_IGNORE
#define RESERVED ORDER_RULE_RECORD_RESERVED
#define REFUSED  ORDER_RULE_REJECT_STOCK
#define RELEASED ORDER_RULE_RECORD_RELEASED
#define CONFIRM  ORDER_RULE_CONFIRM
#define DECLINED ORDER_RULE_REJECT_PAYMENT
#define VOIDED   ORDER_RULE_RECORD_VOIDED
#define REVERSED ORDER_RULE_RECORD_REVERSED
#define EXPIRE   ORDER_RULE_EXPIRE
#define OVERDUE  ORDER_RULE_OVERDUE

/* clang-format off */
const enum order_rule order_rules[SAGA_STATE_COUNT][ORDER_STEP_KIND_COUNT] = {
    /* reply:               stock                         payment
     *                      reserved  refused   released  authorised declined voided timeout
     *                      charged   reversed */
    [SAGA_IS_NOTHING] = {0, LATE,     LATE,     LATE,     LATE,     LATE,     LATE,    LATE,
                            LATE,     LATE},
    [SAGA_IS_RUNNING] = {0, RESERVED, REFUSED,  LATE,     CONFIRM,  DECLINED, LATE,    EXPIRE,
                            CONFIRM,  LATE},
    [SAGA_IS_UNDOING] = {0, LATE,     LATE,     RELEASED, LATE,     LATE,     VOIDED,  OVERDUE,
                            LATE,     REVERSED},
    [SAGA_IS_DONE] =    {0, LATE,     LATE,     LATE,     LATE,     LATE,     LATE,    LATE,
                            LATE,     LATE},
    [SAGA_IS_UNDONE] =  {0, LATE,     LATE,     LATE,     LATE,     LATE,     LATE,    LATE,
                            LATE,     LATE},
    [SAGA_IS_STUCK] =   {0, LATE,     LATE,     RELEASED, LATE,     LATE,     VOIDED,  LATE,
                            LATE,     REVERSED},
};
/* clang-format on */
#undef LATE
#undef RESERVED
#undef REFUSED
#undef RELEASED
#undef CONFIRM
#undef DECLINED
#undef VOIDED
#undef REVERSED
#undef EXPIRE
#undef OVERDUE

/* What a rule works on. `next` is a copy of the state into which each event is folded as it is
 * emitted. */
struct judging {
    struct order next;
    const struct order_facts *facts;
    struct text order_id;
    struct order_events *events;
};

typedef void order_judge(struct judging *judging, const struct order_step *step);
static order_judge record_reserved, reject_stock, confirm, reject_payment, expire, record_released,
    record_voided, record_reversed, overdue;

/* clang-format off */
static const struct {
    order_judge *judge;
    enum order_event_kind event, other;
    const char *sentence;
} rules[ORDER_RULE_COUNT] = {
    [ORDER_RULE_IGNORE] = {NULL, ORDER_EVENT_NONE, ORDER_EVENT_NONE,
        "the step comes twice or late: nothing changes"},
    [ORDER_RULE_RECORD_RESERVED] = {record_reserved, ORDER_STOCK_RESERVED, ORDER_EVENT_NONE,
        "groups that have not answered yet have their stock; after the last one the payment is "
        "asked, or an order of total 0 is confirmed"},
    [ORDER_RULE_REJECT_STOCK] = {reject_stock, ORDER_REJECTED, ORDER_EVENT_NONE,
        "a group that has not answered yet refuses: the order is rejected, the others released"},
    [ORDER_RULE_CONFIRM] = {confirm, ORDER_CONFIRMED, ORDER_EVENT_NONE,
        "the payment that was asked is charged, or held: the order is confirmed; the capture of "
        "what is held is asked"},
    [ORDER_RULE_REJECT_PAYMENT] = {reject_payment, ORDER_REJECTED, ORDER_EVENT_NONE,
        "the payment that was asked is declined: the order is rejected, all groups are released"},
    [ORDER_RULE_EXPIRE] = {expire, ORDER_CANCELLED, ORDER_PAYMENT_OVERDUE,
        "the saga's deadline has come: the order is cancelled, all that was asked is undone; but a "
        "charge that has not answered is waited for once more, as long"},
    [ORDER_RULE_RECORD_RELEASED] = {record_released, ORDER_STOCK_RELEASED, ORDER_EVENT_NONE,
        "groups that had to be released are released; the last undo ends the saga"},
    [ORDER_RULE_RECORD_VOIDED] = {record_voided, ORDER_PAYMENT_VOIDED, ORDER_EVENT_NONE,
        "the payment that had to be voided is voided; the last undo ends the saga"},
    [ORDER_RULE_RECORD_REVERSED] = {record_reversed, ORDER_PAYMENT_REVERSED, ORDER_EVENT_NONE,
        "the payment that had to be reversed is reversed; the last undo ends the saga"},
    [ORDER_RULE_OVERDUE] = {overdue, ORDER_UNDO_OVERDUE, ORDER_EVENT_NONE,
        "the undo's deadline has come: the saga is stuck until the missing answers arrive"},
};
/* clang-format on */

/* ---- small helpers ---- */

static struct refusal check_place(const struct order_command *command, int64_t now_us,
                                  int64_t *ret_total_minor, uint32_t *ret_hashes);
static void place(struct judging *judging, const struct order_command *command, int64_t total_minor,
                  const uint32_t *hashes);
static void cancel(struct judging *judging, enum refusal_code code);
static void fold(struct order *state, const struct order_event *event);

static struct judging judging_begin(const struct order *state, const struct order_facts *facts,
                                    struct text order_id, struct order_events *ret_events)
{
    domain_assert(facts->partitions >= 1);
    domain_assert(facts->partitions <= PARTITIONS_MAX);
    domain_assert(facts->deadline_after_us >= 0);
    domain_assert(facts->payment_row > PAYMENT_ROW_NONE && facts->payment_row < PAYMENT_ROW_COUNT);
    ret_events->count = 0;
    return (struct judging){
        .next = *state, .facts = facts, .order_id = order_id, .events = ret_events};
}

static uint64_t group_bit(int32_t partition)
{
    return (uint32_t)partition < PARTITIONS_MAX ? UINT64_C(1) << partition : 0;
}

/* Now, plus the time that a saga may run or undo. A deadline past the end of time never comes. */
static int64_t deadline_from(const struct order_facts *facts)
{
    int64_t deadline_us;
    if (__builtin_add_overflow(facts->now_us, facts->deadline_after_us, &deadline_us))
        return INT64_MAX;
    return deadline_us;
}

/* Appends an event, with the version, status, saga state and payment that the order has after
 * it. */
static void emit(struct judging *judging, struct order_event *event)
{
    struct order_events *events = judging->events;
    domain_assert(events->count < ORDER_EVENTS_MAX);
    event->order_id = judging->order_id;
    event->version = judging->next.version + 1;
    fold(&judging->next, event);
    event->status = judging->next.status;
    event->saga_state = judging->next.saga_state;
    event->payment = judging->next.payment;
    events->events[events->count++] = *event;
}

/* ---- exported ---- */

struct refusal order_decide_command(const struct order *state, const struct order_command *command,
                                    const struct order_facts *facts,
                                    struct order_events *ret_events)
{
    struct judging judging = judging_begin(state, facts, command->order_id, ret_events);
    struct refusal refusal = check_id(command->order_id);
    if (refusal.code)
        return refusal;

    if (command->kind == ORDER_CANCEL) {
        refusal = refused(order_cancel_rule(state->status), command->order_id);
        if (refusal.code)
            return refusal;
        cancel(&judging, REFUSED_CANCELLED_BY_CUSTOMER);
    } else {
        domain_assert(command->kind == ORDER_PLACE);
        int64_t total_minor;
        uint32_t hashes[ORDER_LINES_MAX];
        refusal = check_place(command, facts->now_us, &total_minor, hashes);
        if (refusal.code)
            return refusal;
        if (state->version != 0)
            return refused(REFUSED_ORDER_EXISTS, command->order_id);
        place(&judging, command, total_minor, hashes);
    }
    domain_assert(ret_events->count >= 1);
    return accepted();
}

void order_decide_step(const struct order *state, const struct order_step *step,
                       const struct order_facts *facts, struct order_events *ret_events)
{
    domain_assert(step->kind > ORDER_STEP_NONE && step->kind < ORDER_STEP_KIND_COUNT);
    domain_assert(state->saga_state < SAGA_STATE_COUNT);
    struct judging judging = judging_begin(state, facts, step->order_id, ret_events);
    enum order_rule rule = order_rules[state->saga_state][step->kind];
    domain_assert(rule != ORDER_RULE_ILLEGAL);
    if (rule == ORDER_RULE_IGNORE)
        return;
    domain_assert(rules[rule].judge != NULL);
    rules[rule].judge(&judging, step);
    domain_assert(ret_events->count == 0 || ret_events->events[0].kind == rules[rule].event ||
                  ret_events->events[0].kind == rules[rule].other);
}

void order_apply(struct order *state, const struct order_event *event)
{
    domain_assert(event->version == state->version + 1);
    fold(state, event);
    domain_assert(event->status == state->status);
    domain_assert(event->saga_state == state->saga_state);
    domain_assert(event->payment == state->payment);
}

bool order_awaits_payment(const struct order *state)
{
    return state->payment == ORDER_PAYMENT_ASKED || state->payment == ORDER_PAYMENT_AWAITED;
}

bool order_is_open(const struct order *state)
{
    return state->saga_state == SAGA_IS_RUNNING || state->saga_state == SAGA_IS_UNDOING;
}

enum refusal_code order_cancel_rule(enum order_status status)
{
    domain_assert(status < ORDER_STATUS_COUNT);
    domain_assert(cancel_rules[status].cancels == (cancel_rules[status].code == ACCEPTED));
    return cancel_rules[status].code;
}

enum order_event_kind order_rule_event(enum order_rule rule)
{
    domain_assert(rule > ORDER_RULE_ILLEGAL && rule < ORDER_RULE_COUNT);
    return rules[rule].event;
}

enum order_event_kind order_rule_other_event(enum order_rule rule)
{
    domain_assert(rule > ORDER_RULE_ILLEGAL && rule < ORDER_RULE_COUNT);
    return rules[rule].other;
}

const char *order_rule_sentence(enum order_rule rule)
{
    domain_assert(rule > ORDER_RULE_ILLEGAL && rule < ORDER_RULE_COUNT);
    return rules[rule].sentence;
}

/* ---- placing ---- */

static struct refusal refused_line(enum refusal_code code, size_t index, struct text sku)
{
    return (struct refusal){.code = code, .line = (int32_t)index + 1, .subject = sku};
}

static struct refusal check_lines(const struct order_command *command)
{
    if (command->line_count == 0)
        return refused(REFUSED_ORDER_EMPTY_BASKET, command->order_id);
    if (command->line_count > ORDER_LINES_MAX)
        return refused(REFUSED_ORDER_TOO_MANY_LINES, command->order_id);
    for (size_t i = 0; i < command->line_count; i++) {
        const struct order_line *line = &command->lines[i];
        if (line->quantity < 1)
            return refused_line(REFUSED_QUANTITY_NOT_POSITIVE, i, line->sku);
        if (line->amount_minor < 0)
            return refused_line(REFUSED_AMOUNT_NEGATIVE, i, line->sku);
        if (!id_is_clean(line->sku))
            return refused_line(REFUSED_ID_INVALID, i, line->sku);
    }
    return accepted();
}

#define SKU_SLOTS_MAX (2 * ORDER_LINES_MAX)

/* Refuses a SKU that an earlier line has: an open-addressing table, half full at most. Fills
 * hashes[i] with line i's partition_hash(). */
static struct refusal check_skus_once(const struct order_command *command, uint32_t *ret_hashes)
{
    uint16_t slots[SKU_SLOTS_MAX]; /* 1-based line, 0: free */
    uint32_t size = 4;
    while (size < 2 * command->line_count)
        size *= 2;
    domain_assert(size <= SKU_SLOTS_MAX);
    memset(slots, 0, size * sizeof *slots);

    for (size_t i = 0; i < command->line_count; i++) {
        struct text sku = command->lines[i].sku;
        uint32_t hash = ret_hashes[i] = partition_hash(sku);
        uint32_t slot = hash & (size - 1);
        for (; slots[slot]; slot = (slot + 1) & (size - 1)) {
            size_t other = slots[slot] - 1u;
            if (ret_hashes[other] == hash && text_equal(command->lines[other].sku, sku))
                return refused_line(REFUSED_SKU_TWICE, i, sku);
        }
        slots[slot] = (uint16_t)(i + 1);
    }
    return accepted();
}

static struct refusal check_total(const struct order_command *command, int64_t *ret_total_minor)
{
    int64_t total_minor = 0;
    for (size_t i = 0; i < command->line_count; i++) {
        const struct order_line *line = &command->lines[i];
        if (!amount_add(total_minor, line->amount_minor, &total_minor))
            return refused_line(REFUSED_AMOUNT_OVERFLOW, i, line->sku);
    }
    domain_assert(total_minor >= 0);
    *ret_total_minor = total_minor;
    return accepted();
}

/* From the most basic to the most specific. */
static struct refusal check_place(const struct order_command *command, int64_t now_us,
                                  int64_t *ret_total_minor, uint32_t *ret_hashes)
{
    struct refusal refusal = check_id(command->customer_id);
    if (!refusal.code)
        refusal = currency_check_new(command->currency, now_us);
    if (!refusal.code)
        refusal = check_lines(command);
    if (!refusal.code)
        refusal = check_skus_once(command, ret_hashes);
    if (!refusal.code)
        refusal = check_total(command, ret_total_minor);
    return refusal;
}

static void place(struct judging *judging, const struct order_command *command, int64_t total_minor,
                  const uint32_t *hashes)
{
    domain_assert(judging->next.version == 0);
    domain_assert(command->line_count >= 1 && command->line_count <= ORDER_LINES_MAX);
    struct order_line *lines = judging->events->lines;
    for (size_t i = 0; i < command->line_count; i++) {
        lines[i] = command->lines[i];
        lines[i].partition = partition_of_hash(hashes[i], judging->facts->partitions);
    }
    emit(judging, &(struct order_event){
                      .kind = ORDER_PLACED,
                      .customer_id = command->customer_id,
                      .currency = command->currency,
                      .lines = lines,
                      .line_count = command->line_count,
                      .total_minor = total_minor,
                      .payment_row = judging->facts->payment_row,
                      .deadline_us = deadline_from(judging->facts),
                  });
}

/* ---- rules, one for each enum order_rule ---- */

static void cancel(struct judging *judging, enum refusal_code code)
{
    emit(judging, &(struct order_event){.kind = ORDER_CANCELLED,
                                        .code = code,
                                        .deadline_us = deadline_from(judging->facts)});
}

/* The last group leads on to the payment; an order of total 0 needs none. */
static void record_reserved(struct judging *judging, const struct order_step *step)
{
    uint64_t groups = step->groups & order_groups_unanswered(&judging->next);
    if (!groups)
        return;
    emit(judging, &(struct order_event){.kind = ORDER_STOCK_RESERVED, .groups = groups});
    if (judging->next.status == ORDER_IS_RESERVED && judging->next.total_minor == 0)
        emit(judging, &(struct order_event){.kind = ORDER_CONFIRMED});
}

static void reject_stock(struct judging *judging, const struct order_step *step)
{
    if (!(group_bit(step->partition) & order_groups_unanswered(&judging->next)))
        return;
    domain_assert(step->code != ACCEPTED);
    emit(judging, &(struct order_event){.kind = ORDER_REJECTED,
                                        .partition = step->partition,
                                        .code = step->code,
                                        .sku = step->sku,
                                        .deadline_us = deadline_from(judging->facts)});
}

/* The saga's part that the order is paid by: answers to another one say nothing of it. */
static const struct checkout_part *payment_part(const struct order *state)
{
    size_t part = 0;
    while (checkout_parts[part].row != state->payment_row) {
        part++;
        domain_assert(part < CHECKOUT_PART_COUNT); /* each row has a part */
    }
    return &checkout_parts[part];
}

static void confirm(struct judging *judging, const struct order_step *step)
{
    const struct order *order = &judging->next;
    if (order_awaits_payment(order) && step->kind == payment_part(order)->done)
        emit(judging, &(struct order_event){.kind = ORDER_CONFIRMED});
}

static void reject_payment(struct judging *judging, const struct order_step *step)
{
    if (!order_awaits_payment(&judging->next))
        return;
    domain_assert(step->code != ACCEPTED);
    emit(judging, &(struct order_event){.kind = ORDER_REJECTED,
                                        .partition = -1,
                                        .code = step->code,
                                        .deadline_us = deadline_from(judging->facts)});
}

/* A timeout counts only if it means this deadline and its own broker time has reached it. */
static bool timeout_is_due(const struct judging *judging, const struct order_step *step)
{
    domain_assert(step->kind == ORDER_TIMEOUT);
    domain_assert(order_is_open(&judging->next));
    if (PROTECTED(deadline_meant) && step->deadline_us != judging->next.deadline_us)
        return false;
    if (PROTECTED(broker_time) && judging->facts->now_us < step->deadline_us)
        return false;
    return true;
}

/* A charge is all that is missing: what came in time and was answered late is no reason to cancel.
 * So its answer is waited for, once. */
static void expire(struct judging *judging, const struct order_step *step)
{
    const struct order *order = &judging->next;
    if (!timeout_is_due(judging, step))
        return;
    if (PROTECTED(charge_awaited) && order->payment_row == PAYMENT_ROW_CHARGE &&
        order->payment == ORDER_PAYMENT_ASKED)
        emit(judging, &(struct order_event){.kind = ORDER_PAYMENT_OVERDUE,
                                            .deadline_us = deadline_from(judging->facts)});
    else
        cancel(judging, REFUSED_DEADLINE_PASSED);
}

static void record_released(struct judging *judging, const struct order_step *step)
{
    uint64_t groups = step->groups & order_groups_to_release(&judging->next);
    if (groups)
        emit(judging, &(struct order_event){.kind = ORDER_STOCK_RELEASED, .groups = groups});
}

static void record_given_back(struct judging *judging, const struct order_step *step,
                              enum order_event_kind kind)
{
    const struct order *order = &judging->next;
    if (order->payment == ORDER_PAYMENT_ASKED_BACK && step->kind == payment_part(order)->undone)
        emit(judging, &(struct order_event){.kind = kind});
}

static void record_voided(struct judging *judging, const struct order_step *step)
{
    record_given_back(judging, step, ORDER_PAYMENT_VOIDED);
}

static void record_reversed(struct judging *judging, const struct order_step *step)
{
    record_given_back(judging, step, ORDER_PAYMENT_REVERSED);
}

static void overdue(struct judging *judging, const struct order_step *step)
{
    if (timeout_is_due(judging, step))
        emit(judging, &(struct order_event){.kind = ORDER_UNDO_OVERDUE});
}

/* ---- folding ---- */

static void apply_placed(struct order *state, const struct order_event *event)
{
    domain_assert(state->version == 0);
    domain_assert(event->line_count >= 1 && event->line_count <= ORDER_LINES_MAX);
    domain_assert(event->total_minor >= 0);
    domain_assert(event->payment_row > PAYMENT_ROW_NONE && event->payment_row < PAYMENT_ROW_COUNT);
    *state = (struct order){
        .total_minor = event->total_minor,
        .payment_row = event->payment_row,
        .deadline_us = event->deadline_us,
        .currency = currency_of(event->currency),
        .customer_id = event->customer_id,
    };
    for (size_t i = 0; i < event->line_count; i++) {
        uint64_t bit = group_bit(event->lines[i].partition);
        domain_assert(bit != 0);
        state->groups_asked |= bit;
    }
}

static void apply_reserved(struct order *state, const struct order_event *event)
{
    domain_assert(event->groups && !(event->groups & ~order_groups_unanswered(state)));
    state->groups_reserved |= event->groups;
    if (order_groups_unanswered(state) == 0 && state->total_minor > 0)
        state->payment = ORDER_PAYMENT_ASKED;
}

static void apply_confirmed(struct order *state)
{
    bool paid = state->total_minor > 0;
    domain_assert(order_groups_unanswered(state) == 0);
    domain_assert(paid ? order_awaits_payment(state) : state->payment == ORDER_PAYMENT_NONE);
    if (paid)
        state->payment = state->payment_row == PAYMENT_ROW_CHARGE ? ORDER_PAYMENT_CHARGED
                                                                  : ORDER_PAYMENT_AUTHORISED;
}

/* Refused by one group, or by the payment. */
static void apply_rejected(struct order *state, const struct order_event *event)
{
    domain_assert(event->code != ACCEPTED);
    if (event->partition < 0) {
        domain_assert(order_awaits_payment(state));
        state->payment = ORDER_PAYMENT_DECLINED;
    } else {
        uint64_t bit = group_bit(event->partition);
        domain_assert(bit & order_groups_unanswered(state));
        domain_assert(state->payment == ORDER_PAYMENT_NONE);
        state->groups_refused |= bit;
    }
    state->deadline_us = event->deadline_us;
}

static void apply_cancelled(struct order *state, const struct order_event *event)
{
    domain_assert(event->code == REFUSED_CANCELLED_BY_CUSTOMER ||
                  event->code == REFUSED_DEADLINE_PASSED);
    domain_assert(order_groups_to_release(state) != 0);
    if (order_awaits_payment(state))
        state->payment = ORDER_PAYMENT_ASKED_BACK;
    state->deadline_us = event->deadline_us;
}

static void apply_released(struct order *state, const struct order_event *event)
{
    domain_assert(event->groups && !(event->groups & ~order_groups_to_release(state)));
    state->groups_released |= event->groups;
}

static void apply_given_back(struct order *state, enum payment_row row)
{
    domain_assert(state->payment_row == row);
    domain_assert(state->payment == ORDER_PAYMENT_ASKED_BACK);
    state->payment = ORDER_PAYMENT_GIVEN_BACK;
}

static void apply_payment_overdue(struct order *state, const struct order_event *event)
{
    domain_assert(state->payment_row == PAYMENT_ROW_CHARGE);
    domain_assert(state->payment == ORDER_PAYMENT_ASKED);
    state->payment = ORDER_PAYMENT_AWAITED;
    state->deadline_us = event->deadline_us;
}

/* Masks, payment and deadline: what follows from the event alone, without the tables. */
static void apply_kind(struct order *state, const struct order_event *event)
{
    switch (event->kind) {
    case ORDER_PLACED: apply_placed(state, event); return;
    case ORDER_STOCK_RESERVED: apply_reserved(state, event); return;
    case ORDER_CONFIRMED: apply_confirmed(state); return;
    case ORDER_REJECTED: apply_rejected(state, event); return;
    case ORDER_CANCELLED: apply_cancelled(state, event); return;
    case ORDER_STOCK_RELEASED: apply_released(state, event); return;
    case ORDER_PAYMENT_VOIDED: apply_given_back(state, PAYMENT_ROW_AUTHORISE); return;
    case ORDER_UNDO_OVERDUE: return;
    case ORDER_PAYMENT_REVERSED: apply_given_back(state, PAYMENT_ROW_CHARGE); return;
    case ORDER_PAYMENT_OVERDUE: apply_payment_overdue(state, event); return;
    case ORDER_EVENT_NONE:
    case ORDER_EVENT_KIND_COUNT: break;
    }
    domain_assert(!"an event of no kind");
}

/* True while an answer is missing: of a group on the way forward, of a group or the payment on the
 * way back. */
static bool something_is_missing(const struct order *state, enum order_event_kind kind)
{
    if (kind == ORDER_PLACED || kind == ORDER_STOCK_RESERVED || kind == ORDER_PAYMENT_OVERDUE ||
        kind == ORDER_CONFIRMED)
        return order_groups_unanswered(state) != 0;
    return order_groups_to_release(state) != 0 || state->payment == ORDER_PAYMENT_ASKED_BACK;
}

static void assert_sound(const struct order *state)
{
    uint64_t answered = state->groups_reserved | state->groups_refused | state->groups_released;
    domain_assert((answered & ~state->groups_asked) == 0);
    domain_assert((state->groups_reserved & state->groups_refused) == 0);
    domain_assert((state->groups_released & state->groups_refused) == 0);
    domain_assert((state->status == ORDER_IS_CONFIRMED) == (state->saga_state == SAGA_IS_DONE));
    domain_assert((state->status == ORDER_IS_PLACED || state->status == ORDER_IS_RESERVED) ==
                  (state->saga_state == SAGA_IS_RUNNING));
}

static void fold(struct order *state, const struct order_event *event)
{
    domain_assert(event->kind > ORDER_EVENT_NONE && event->kind < ORDER_EVENT_KIND_COUNT);
    domain_assert(state->status < ORDER_STATUS_COUNT && state->saga_state < SAGA_STATE_COUNT);
    const struct order_status_cell *status = &order_status_cells[state->status][event->kind];
    const struct saga_state_cell *saga = &saga_state_cells[state->saga_state][event->kind];
    int64_t version = state->version;

    apply_kind(state, event);
    bool more = something_is_missing(state, event->kind);
    state->status = more ? status->more : status->last;
    state->saga_state = more ? saga->more : saga->last;
    state->version = version + 1;
    domain_assert(state->status != ORDER_IS_NOTHING);
    domain_assert(state->saga_state != SAGA_IS_NOTHING);
    assert_sound(state);
}
