/*
 * tests/unit/test_domain_order.c - sessions of one order: what comes, and what it leads to.
 *
 *   place p0=60 p3=40   a basket with a line on inventory partition 0 and one on 3, of these
 *                       amounts
 *   reserved 3          a step: the group of partition 3 answered (3 5: both); so refused, released
 *   timeout             the deadline that is meant, at its own time; `timeout early`: one
 *                       microsecond before; `timeout stale`: another deadline
 *
 * Outcome: the events with status and saga state, then the steps that follow from each in brackets;
 * "no CODE" for a refusal, "-" for a step that has nothing to say any more.
 */
#include "domain/checkout.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain/message.h"

#define START_US 1000000
#define AFTER_US 500

struct row {
    const char *when, *then;
};

struct session {
    struct order state;
    struct order_facts facts;
    struct order_line lines[ORDER_LINES_MAX];
    char skus[ORDER_LINES_MAX][32];
    size_t line_count, used;
    char said[2048];
};

static struct session session_begin(void)
{
    return (struct session){.facts = {START_US, AFTER_US, 4, PAYMENT_ROW_AUTHORISE}};
}

__attribute__((format(printf, 2, 3))) static void say(struct session *session, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    session->used += (size_t)vsnprintf(session->said + session->used,
                                       sizeof session->said - session->used, format, arguments);
    va_end(arguments);
    cr_assert_lt(session->used, sizeof session->said);
}

/* A SKU of its own that lives on this partition. */
static struct text sku_on(struct session *session, int32_t partition)
{
    char *sku = session->skus[session->line_count];
    for (int i = 0;; i++) {
        snprintf(sku, sizeof session->skus[0], "s%zu-%d", session->line_count, i);
        if (partition_of(text_of(sku), session->facts.partitions) == partition)
            return text_of(sku);
    }
}

static void read_basket(struct session *session, const char *words)
{
    session->line_count = 0;
    for (const char *word = words; (word = strchr(word, 'p')); word++) {
        struct order_line *line = &session->lines[session->line_count];
        char *rest;
        int32_t partition = (int32_t)strtol(word + 1, &rest, 10);
        *line = (struct order_line){.sku = sku_on(session, partition), .quantity = 1};
        line->amount_minor = strtoll(rest + 1, NULL, 10);
        session->line_count++;
    }
}

static void say_steps(struct session *session, const struct order_event *event)
{
    struct checkout_steps steps;
    checkout_react(&session->state, event, &steps);
    for (size_t i = 0; i < steps.count; i++) {
        const struct step *step = &steps.steps[i];
        struct step_message message = {
            .context = step->target == STEP_TO_INVENTORY ? CONTEXT_INVENTORY : CONTEXT_PAYMENTS};
        if (step->target == STEP_TO_INVENTORY)
            message.inventory = step->inventory;
        else
            message.payment = step->payment;
        say(session, "%s%s", i ? " " : " [", step_kind_name(&message));
        if (step->partition >= 0)
            say(session, " %d", step->partition);
    }
    say(session, "%s", steps.count ? "]" : "");
}

static void say_events(struct session *session, const struct order_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct order_event *event = &events->events[i];
        struct event_message message = {
            .context = CONTEXT_ORDERS, .body = EVENT_BODY_DOMAIN, .order = *event};
        order_apply(&session->state, event);
        say(session, "%s%s %s/%s", i ? " " : "", event_kind_name(&message),
            order_status_name(event->status), saga_state_name(event->saga_state));
        if (event->code)
            say(session, " %s", refusal_name(event->code));
        say_steps(session, event);
    }
}

static void do_command(struct session *session, const struct order_command *command)
{
    struct order_events events;
    struct order before = session->state;
    struct refusal refusal =
        order_decide_command(&session->state, command, &session->facts, &events);
    if (refusal.code) {
        say(session, "no %s", refusal_name(refusal.code));
        cr_assert_eq(events.count, 0u);
        cr_assert_eq(memcmp(&before, &session->state, sizeof before), 0);
        return;
    }
    cr_assert_geq(events.count, 1u);
    say_events(session, &events);
}

static void do_step(struct session *session, const struct order_step *step)
{
    struct order_events events;
    order_decide_step(&session->state, step, &session->facts, &events);
    if (events.count == 0)
        say(session, "-");
    say_events(session, &events);
}

static void do_timeout(struct session *session, const char *words)
{
    struct order_step step = {.kind = ORDER_TIMEOUT, .order_id = TEXT("order-1")};
    step.deadline_us = session->state.deadline_us;
    session->facts.now_us = step.deadline_us;
    if (strstr(words, "early"))
        session->facts.now_us--;
    if (strstr(words, "stale"))
        step.deadline_us--;
    do_step(session, &step);
}

static const struct {
    const char *word;
    enum order_step_kind kind;
    enum refusal_code code;
} replies[] = {
    {"reserved", ORDER_STOCK_RESERVED_REPLY, ACCEPTED},
    {"refused", ORDER_STOCK_REFUSED_REPLY, REFUSED_STOCK_SHORT},
    {"released", ORDER_STOCK_RELEASED_REPLY, ACCEPTED},
    {"authorised", ORDER_PAYMENT_AUTHORISED_REPLY, ACCEPTED},
    {"declined", ORDER_PAYMENT_DECLINED_REPLY, REFUSED_FUNDS_SHORT},
    {"voided", ORDER_PAYMENT_VOIDED_REPLY, ACCEPTED},
    {"charged", ORDER_PAYMENT_CHARGED_REPLY, ACCEPTED},
    {"reversed", ORDER_PAYMENT_REVERSED_REPLY, ACCEPTED},
};

/* " 3 5": the groups of partitions 3 and 5. */
static uint64_t groups_of(const char *words)
{
    uint64_t groups = 0;
    char *rest;
    for (long partition = strtol(words, &rest, 10); rest != words;
         words = rest, partition = strtol(words, &rest, 10))
        groups |= partition >= 0 && partition < 64 ? UINT64_C(1) << partition : 0;
    return groups;
}

static void do_reply(struct session *session, const char *words)
{
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        size_t bytes = strlen(replies[i].word);
        if (strncmp(words, replies[i].word, bytes) != 0)
            continue;
        struct order_step step = {.kind = replies[i].kind,
                                  .order_id = TEXT("order-1"),
                                  .groups = groups_of(words + bytes),
                                  .partition = atoi(words + bytes),
                                  .code = replies[i].code,
                                  .sku = TEXT("s")};
        do_step(session, &step);
        return;
    }
    cr_assert_fail("what is '%s'?", words);
}

static void play_row(struct session *session, const struct row *row)
{
    struct order_command command = {.order_id = TEXT("order-1"), .customer_id = TEXT("customer-1")};
    session->used = 0;
    session->said[0] = '\0';
    bool charges = strncmp(row->when, "charge ", 7) == 0;
    if (charges || strncmp(row->when, "place", 5) == 0) {
        session->facts.payment_row = charges ? PAYMENT_ROW_CHARGE : PAYMENT_ROW_AUTHORISE;
        read_basket(session, strchr(row->when, ' '));
        command.kind = ORDER_PLACE;
        command.currency = TEXT("PLN");
        command.lines = session->lines;
        command.line_count = session->line_count;
        do_command(session, &command);
    } else if (strcmp(row->when, "cancel") == 0) {
        command.kind = ORDER_CANCEL;
        do_command(session, &command);
    } else if (strncmp(row->when, "timeout", 7) == 0) {
        do_timeout(session, row->when);
    } else {
        do_reply(session, row->when);
    }
    cr_assert_str_eq(session->said, row->then, "%s\n  is:  %s\n  not: %s", row->when, session->said,
                     row->then);
}

static void play(const struct row *rows, size_t count)
{
    struct session session = session_begin();
    for (size_t i = 0; i < count; i++)
        play_row(&session, &rows[i]);
}
#define PLAY(...)                                                                                  \
    do {                                                                                           \
        static const struct row rows[] = {__VA_ARGS__};                                            \
        play(rows, sizeof rows / sizeof *rows);                                                    \
    } while (0)

/* clang-format off */

Test(order, is_reserved_paid_and_confirmed)
{
    PLAY({"place p0=60 p3=40", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 3]"},
         {"reserved 3", "OrderStockReserved PLACED/running"},
         {"reserved 0", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"authorised", "OrderConfirmed CONFIRMED/done [CapturePayment]"});
}

Test(order, is_reserved_charged_and_confirmed)
{
    PLAY({"charge p0=60 p3=40", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 3]"},
         {"charged", "-"},
         {"reserved 3", "OrderStockReserved PLACED/running"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"charged", "OrderConfirmed CONFIRMED/done"},
         {"charged", "-"},
         {"reversed", "-"},
         {"cancel", "no ORDER_IS_CONFIRMED"});
}

Test(order, declined_by_the_charge_releases_all_groups)
{
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"declined", "OrderRejected REJECTED/undoing FUNDS_SHORT [ReleaseStock 0]"},
         {"charged", "-"},
         {"reversed", "-"},
         {"released 0", "OrderStockReleased REJECTED/undone"});
}

Test(order, cancelled_while_a_charge_is_in_flight_asks_it_back)
{
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 ReverseCharge]"},
         {"charged", "-"},
         {"declined", "-"},
         {"released 0", "OrderStockReleased CANCELLED/undoing"},
         {"reversed", "OrderPaymentReversed CANCELLED/undone"},
         {"reversed", "-"});
}

/* The charge may have come in time: its answer is waited for as long again, and once. */
Test(order, past_its_deadline_waits_for_a_charge_that_is_in_flight)
{
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"timeout early", "-"},
         {"timeout", "OrderPaymentOverdue RESERVED/running"},
         {"timeout stale", "-"},
         {"charged", "OrderConfirmed CONFIRMED/done"},
         {"timeout", "-"});
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"timeout", "OrderPaymentOverdue RESERVED/running"},
         {"declined", "OrderRejected REJECTED/undoing FUNDS_SHORT [ReleaseStock 0]"});
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"timeout", "OrderPaymentOverdue RESERVED/running"},
         {"timeout early", "-"},
         {"timeout", "OrderCancelled CANCELLED/undoing DEADLINE_PASSED"
                     " [ReleaseStock 0 ReverseCharge]"},
         {"charged", "-"},
         {"timeout", "OrderUndoOverdue CANCELLED/stuck"},
         {"reversed", "OrderPaymentReversed CANCELLED/stuck"},
         {"released 0", "OrderStockReleased CANCELLED/undone"});
}

Test(order, awaiting_a_charge_past_its_deadline_may_be_cancelled)
{
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"timeout", "OrderPaymentOverdue RESERVED/running"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 ReverseCharge]"});
}

Test(order, past_its_deadline_waits_for_no_stock)
{
    PLAY({"charge p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"reserved 0", "OrderStockReserved PLACED/running"},
         {"timeout", "OrderCancelled CANCELLED/undoing DEADLINE_PASSED"
                     " [ReleaseStock 0 ReleaseStock 1]"});
}

Test(order, takes_no_answer_of_another_row_of_the_saga)
{
    PLAY({"charge p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [ChargePayment]"},
         {"authorised", "-"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 ReverseCharge]"},
         {"voided", "-"});
    PLAY({"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"charged", "-"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 VoidPayment]"},
         {"reversed", "-"});
}

Test(order, of_total_0_needs_no_payment)
{
    PLAY({"place p1=0 p2=0", "OrderPlaced PLACED/running [ReserveStock 1 ReserveStock 2]"},
         {"reserved 1", "OrderStockReserved PLACED/running"},
         {"reserved 2", "OrderStockReserved RESERVED/running OrderConfirmed CONFIRMED/done"},
         {"authorised", "-"});
}

Test(order, refused_by_its_only_group_has_nothing_to_undo)
{
    PLAY({"place p2=5 p2=6", "OrderPlaced PLACED/running [ReserveStock 2]"},
         {"refused 2", "OrderRejected REJECTED/undone STOCK_SHORT"},
         {"refused 2", "-"},
         {"timeout", "-"});
}

Test(order, refused_by_one_group_releases_the_others_answered_or_not)
{
    PLAY({"place p0=1 p1=1 p3=1",
          "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1 ReserveStock 3]"},
         {"reserved 3", "OrderStockReserved PLACED/running"},
         {"refused 1", "OrderRejected REJECTED/undoing STOCK_SHORT"
                       " [ReleaseStock 0 ReleaseStock 3]"},
         {"refused 0", "-"},
         {"reserved 0", "-"},
         {"released 1", "-"},
         {"released 0", "OrderStockReleased REJECTED/undoing"},
         {"released 0", "-"},
         {"released 3", "OrderStockReleased REJECTED/undone"},
         {"released 3", "-"});
}

Test(order, declined_by_payment_releases_all_groups)
{
    PLAY({"place p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"reserved 0", "OrderStockReserved PLACED/running"},
         {"reserved 1", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"declined", "OrderRejected REJECTED/undoing FUNDS_SHORT [ReleaseStock 0 ReleaseStock 1]"},
         {"authorised", "-"},
         {"voided", "-"},
         {"released 1", "OrderStockReleased REJECTED/undoing"},
         {"released 0", "OrderStockReleased REJECTED/undone"});
}

Test(order, cancelled_while_placed_releases_all_groups)
{
    PLAY({"place p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"reserved 1", "OrderStockReserved PLACED/running"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 ReleaseStock 1]"},
         {"reserved 0", "-"},
         {"released 0", "OrderStockReleased CANCELLED/undoing"},
         {"released 1", "OrderStockReleased CANCELLED/undone"},
         {"cancel", "no NOTHING_TO_DO"});
}

Test(order, cancelled_while_reserved_voids_the_payment_too)
{
    PLAY({"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 VoidPayment]"},
         {"authorised", "-"},
         {"declined", "-"},
         {"released 0", "OrderStockReleased CANCELLED/undoing"},
         {"voided", "OrderPaymentVoided CANCELLED/undone"},
         {"voided", "-"});
}

Test(order, ends_undone_whichever_answer_is_last)
{
    PLAY({"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"reserved 0", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                    " [ReleaseStock 0 VoidPayment]"},
         {"voided", "OrderPaymentVoided CANCELLED/undoing"},
         {"released 0", "OrderStockReleased CANCELLED/undone"});
}

Test(order, expires_at_its_deadline_and_not_before)
{
    PLAY({"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"timeout early", "-"},
         {"timeout stale", "-"},
         {"timeout", "OrderCancelled CANCELLED/undoing DEADLINE_PASSED [ReleaseStock 0]"},
         {"timeout early", "-"},
         {"timeout stale", "-"},
         {"timeout", "OrderUndoOverdue CANCELLED/stuck"},
         {"timeout", "-"},
         {"cancel", "no NOTHING_TO_DO"},
         {"reserved 0", "-"},
         {"released 0", "OrderStockReleased CANCELLED/undone"});
}

/* The undo's time counts from the rejection or cancel, wherever the first deadline was. */
Test(order, that_undoes_has_a_new_deadline)
{
    static const struct row ways[][5] = {
        {{"place p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"refused 1", "OrderRejected REJECTED/undoing STOCK_SHORT [ReleaseStock 0]"},
         {"timeout early", "-"},
         {"timeout", "OrderUndoOverdue REJECTED/stuck"},
         {"released 0", "OrderStockReleased REJECTED/undone"}},
        {{"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER [ReleaseStock 0]"},
         {"timeout early", "-"},
         {"timeout", "OrderUndoOverdue CANCELLED/stuck"},
         {"released 0", "OrderStockReleased CANCELLED/undone"}},
    };
    for (size_t way = 0; way < 2; way++) {
        struct session session = session_begin();
        for (size_t i = 0; i < 5; i++) {
            session.facts.now_us = START_US + 100 * (int64_t)i;
            play_row(&session, &ways[way][i]);
            if (i >= 1)
                cr_assert_eq(session.state.deadline_us, START_US + 100 + AFTER_US);
        }
    }
}

Test(order, stuck_with_a_payment_ends_with_late_answers)
{
    PLAY({"place p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"reserved 0", "OrderStockReserved PLACED/running"},
         {"reserved 1", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"timeout", "OrderCancelled CANCELLED/undoing DEADLINE_PASSED"
                     " [ReleaseStock 0 ReleaseStock 1 VoidPayment]"},
         {"released 1", "OrderStockReleased CANCELLED/undoing"},
         {"timeout", "OrderUndoOverdue CANCELLED/stuck"},
         {"voided", "OrderPaymentVoided CANCELLED/stuck"},
         {"released 0", "OrderStockReleased CANCELLED/undone"});
}

/* One event for all that had not answered yet. */
Test(order, takes_several_groups_in_one_reply)
{
    PLAY({"place p0=1 p1=1 p2=1 p3=1",
          "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1 ReserveStock 2 "
          "ReserveStock 3]"},
         {"reserved 0 2", "OrderStockReserved PLACED/running"},
         {"reserved 0 2", "-"},
         {"reserved 1 2 9", "OrderStockReserved PLACED/running"},
         {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER [ReleaseStock 0 "
                    "ReleaseStock 1 ReleaseStock 2 ReleaseStock 3]"},
         {"released 0 1 2", "OrderStockReleased CANCELLED/undoing"},
         {"released 1 2 3", "OrderStockReleased CANCELLED/undone"},
         {"released 3", "-"});
}

Test(order, has_nothing_to_say_to_doubled_late_and_foreign_replies)
{
    PLAY({"reserved 0", "-"},
         {"timeout", "-"},
         {"voided", "-"},
         {"place p0=1 p1=1", "OrderPlaced PLACED/running [ReserveStock 0 ReserveStock 1]"},
         {"authorised", "-"},
         {"declined", "-"},
         {"released 0", "-"},
         {"voided", "-"},
         {"reserved 2", "-"},
         {"reserved 63", "-"},
         {"reserved 64", "-"},
         {"reserved -1", "-"},
         {"refused 2", "-"},
         {"reserved 0", "OrderStockReserved PLACED/running"},
         {"reserved 0", "-"},
         {"refused 0", "-"},
         {"reserved 1", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
         {"refused 1", "-"},
         {"authorised", "OrderConfirmed CONFIRMED/done [CapturePayment]"},
         {"authorised", "-"},
         {"declined", "-"},
         {"timeout", "-"});
}

/* Each status, by the shortest way there; then the cancel. */
Test(order_cancel_rule, answers_in_every_status)
{
    static const struct {
        enum order_status status;
        struct row rows[5];
    } ways[] = {
        {ORDER_IS_NOTHING, {{"cancel", "no ORDER_UNKNOWN"}}},
        {ORDER_IS_PLACED,
         {{"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
          {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER [ReleaseStock 0]"}}},
        {ORDER_IS_RESERVED,
         {{"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
          {"reserved 0", "OrderStockReserved RESERVED/running [AuthorisePayment]"},
          {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER"
                     " [ReleaseStock 0 VoidPayment]"}}},
        {ORDER_IS_CONFIRMED,
         {{"place p0=0", "OrderPlaced PLACED/running [ReserveStock 0]"},
          {"reserved 0", "OrderStockReserved RESERVED/running OrderConfirmed CONFIRMED/done"},
          {"cancel", "no ORDER_IS_CONFIRMED"}}},
        {ORDER_IS_REJECTED,
         {{"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
          {"refused 0", "OrderRejected REJECTED/undone STOCK_SHORT"},
          {"cancel", "no ORDER_IS_REJECTED"}}},
        {ORDER_IS_CANCELLED,
         {{"place p0=1", "OrderPlaced PLACED/running [ReserveStock 0]"},
          {"cancel", "OrderCancelled CANCELLED/undoing CANCELLED_BY_CUSTOMER [ReleaseStock 0]"},
          {"cancel", "no NOTHING_TO_DO"},
          {"released 0", "OrderStockReleased CANCELLED/undone"},
          {"cancel", "no NOTHING_TO_DO"}}},
    };
    for (size_t i = 0; i < ORDER_STATUS_COUNT; i++) {
        size_t count = 0;
        cr_assert_eq(ways[i].status, i);
        while (count < 5 && ways[i].rows[count].when)
            count++;
        play(ways[i].rows, count);
    }
}

/* ---- placing ---- */

static const struct order_line two[] = {{TEXT("a"), 2, 100, 0}, {TEXT("b"), 1, 50, 0}};
static const struct order_line bad_quantity[] = {{TEXT("a"), 1, 1, 0}, {TEXT("b"), 0, -1, 0}};
static const struct order_line bad_amount[] = {{TEXT("a"), 1, -1, 0}, {TEXT(""), 0, 1, 0}};
static const struct order_line bad_sku[] = {{TEXT("a\n"), 1, 1, 0}, {TEXT("a\n"), 1, 1, 0}};
static const struct order_line twice[] = {
    {TEXT("a"), 1, INT64_MAX, 0}, {TEXT("b"), 1, 1, 0}, {TEXT("a"), 1, 1, 0}};
static const struct order_line too_much[] = {{TEXT("a"), INT64_MAX, INT64_MAX, 0},
                                             {TEXT("b"), INT64_MAX, 1, 0}};
static const struct order_line at_most[] = {{TEXT("a"), INT64_MAX, INT64_MAX, 0},
                                            {TEXT("b"), INT64_MAX, 0, 0}};
static struct order_line none[1];

#define LINES(array) (array), sizeof(array) / sizeof *(array)

#define O_C_PLN TEXT("o"), TEXT("c"), TEXT("PLN")

static const struct {
    const char *claim;
    struct text order_id, customer_id, currency;
    const struct order_line *lines;
    size_t line_count;
    int64_t version;
    enum refusal_code code;
    int32_t line;
    const char *subject;
} baskets[] = {
    {"accepted", O_C_PLN, LINES(two), 0, ACCEPTED, 0, ""},
    {"accepted at the limits", O_C_PLN, LINES(at_most), 0, ACCEPTED, 0, ""},
    {"no order id", TEXT(""), TEXT("c"), TEXT("PLN"), LINES(two), 0, REFUSED_ID_INVALID, 0, ""},
    {"no customer", TEXT("o"), TEXT(""), TEXT("pln"), LINES(two), 0, REFUSED_ID_INVALID, 0, ""},
    {"tab in a customer", TEXT("o"), TEXT("c\t"), TEXT("PLN"), LINES(two), 0,
     REFUSED_ID_INVALID, 0, "c\t"},
    {"small letters", TEXT("o"), TEXT("c"), TEXT("pln"), none, 0, 0,
     REFUSED_CURRENCY_INVALID, 0, "pln"},
    {"no such currency", TEXT("o"), TEXT("c"), TEXT("ABC"), none, 0, 0,
     REFUSED_CURRENCY_UNKNOWN, 0, "ABC"},
    {"a metal", TEXT("o"), TEXT("c"), TEXT("XAU"), none, 0, 7,
     REFUSED_CURRENCY_NOT_MONEY, 0, "XAU"},
    {"no lines", O_C_PLN, none, 0, 0, REFUSED_ORDER_EMPTY_BASKET, 0, "o"},
    {"257 lines", O_C_PLN, none, 257, 0, REFUSED_ORDER_TOO_MANY_LINES, 0, "o"},
    {"quantity 0", O_C_PLN, LINES(bad_quantity), 0, REFUSED_QUANTITY_NOT_POSITIVE, 2, "b"},
    {"amount -1", O_C_PLN, LINES(bad_amount), 0, REFUSED_AMOUNT_NEGATIVE, 1, "a"},
    {"newline in a sku", O_C_PLN, LINES(bad_sku), 0, REFUSED_ID_INVALID, 1, "a\n"},
    {"a sku twice", O_C_PLN, LINES(twice), 0, REFUSED_SKU_TWICE, 3, "a"},
    {"sum too large", O_C_PLN, LINES(too_much), 0, REFUSED_AMOUNT_OVERFLOW, 2, "b"},
    {"placed before", O_C_PLN, LINES(two), 7, REFUSED_ORDER_EXISTS, 0, "o"},
    {"basic first", O_C_PLN, LINES(twice), 7, REFUSED_SKU_TWICE, 3, "a"},
};

/* clang-format on */

Test(order_decide_command, judges_baskets_from_the_most_basic_fault)
{
    for (size_t i = 0; i < sizeof baskets / sizeof *baskets; i++) {
        struct order_command command = {.kind = ORDER_PLACE,
                                        .order_id = baskets[i].order_id,
                                        .customer_id = baskets[i].customer_id,
                                        .currency = baskets[i].currency,
                                        .lines = baskets[i].lines,
                                        .line_count = baskets[i].line_count};
        struct order state = {.version = baskets[i].version};
        struct order_facts facts = {START_US, AFTER_US, 4, PAYMENT_ROW_CHARGE};
        struct order_events events;
        struct refusal refusal = order_decide_command(&state, &command, &facts, &events);
        cr_assert_eq(refusal.code, baskets[i].code, "%s: %s", baskets[i].claim,
                     refusal_name(refusal.code));
        cr_assert_eq(refusal.line, baskets[i].line, "%s", baskets[i].claim);
        cr_assert_eq(events.count, refusal.code ? 0u : 1u, "%s", baskets[i].claim);
        if (refusal.code)
            cr_assert(text_equal(refusal.subject, text_of(baskets[i].subject)), "%s",
                      baskets[i].claim);
    }
}

/* The lev was money up to the end of January 2026, by the broker's time of the command. */
Test(order_decide_command, judges_the_currency_by_the_time_of_the_command)
{
    const int64_t end_us = INT64_C(1769904000000000);
    for (int64_t late_us = -1; late_us <= 0; late_us++) {
        struct order_command command = {.kind = ORDER_PLACE,
                                        .order_id = TEXT("o"),
                                        .customer_id = TEXT("c"),
                                        .currency = TEXT("BGN"),
                                        .lines = two,
                                        .line_count = 2};
        struct order_facts facts = {end_us + late_us, AFTER_US, 4, PAYMENT_ROW_CHARGE};
        struct order_events events;
        struct refusal refusal =
            order_decide_command(&(struct order){0}, &command, &facts, &events);
        cr_assert_eq(refusal.code, late_us < 0 ? ACCEPTED : REFUSED_CURRENCY_RETIRED);
    }
}

Test(order_decide_command, records_partitions_total_payment_and_deadline)
{
    struct order_command command = {ORDER_PLACE, TEXT("o"), TEXT("c"), TEXT("PLN"), LINES(two)};
    struct order_facts facts = {START_US, AFTER_US, 64, PAYMENT_ROW_AUTHORISE};
    struct order state = {0};
    struct order_events events;
    order_decide_command(&state, &command, &facts, &events);
    const struct order_event *event = &events.events[0];
    cr_assert_eq(event->version, 1);
    cr_assert_eq(event->total_minor, 150);
    cr_assert_eq(event->payment_row, PAYMENT_ROW_AUTHORISE);
    cr_assert_eq(event->deadline_us, START_US + AFTER_US);
    cr_assert_eq(event->line_count, 2u);
    cr_assert_eq(event->lines, events.lines);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(text_equal(event->lines[i].sku, two[i].sku));
        cr_assert_eq(event->lines[i].quantity, two[i].quantity);
        cr_assert_eq(event->lines[i].amount_minor, two[i].amount_minor);
        cr_assert_eq(event->lines[i].partition, partition_of(two[i].sku, 64));
    }
    order_apply(&state, event);
    cr_assert_eq(state.groups_asked, UINT64_C(1) << partition_of(TEXT("a"), 64) |
                                         UINT64_C(1) << partition_of(TEXT("b"), 64));
    cr_assert(text_equal(state.customer_id, TEXT("c")));
    cr_assert(currency_is(state.currency, TEXT("PLN")));
    cr_assert_eq(state.payment_row, PAYMENT_ROW_AUTHORISE);
    cr_assert(order_is_open(&state));
}

Test(order_payment_row, is_the_charge_for_every_order)
{
    cr_assert_eq(order_payment_row(TEXT("o")), PAYMENT_ROW_CHARGE);
}

Test(order_decide_command, gives_a_deadline_past_the_end_of_time_the_end_of_time)
{
    struct order_command command = {ORDER_PLACE, TEXT("o"), TEXT("c"), TEXT("PLN"), LINES(two)};
    struct order_facts facts = {INT64_MAX - 5, 6, 1, PAYMENT_ROW_CHARGE};
    struct order_events events;
    order_decide_command(&(struct order){0}, &command, &facts, &events);
    cr_assert_eq(events.events[0].deadline_us, INT64_MAX);
}

/* 256 SKUs of 128 bytes that differ in the last ones only; then the last is the first again. */
Test(order_decide_command, finds_a_sku_twice_among_256_long_ones)
{
    static char skus[ORDER_LINES_MAX][ID_BYTES_MAX];
    static struct order_line lines[ORDER_LINES_MAX];
    static struct order_events events;
    for (size_t i = 0; i < ORDER_LINES_MAX; i++) {
        memset(skus[i], 'x', ID_BYTES_MAX);
        skus[i][ID_BYTES_MAX - 1] = (char)('a' + i % 16);
        skus[i][ID_BYTES_MAX - 2] = (char)('a' + i / 16);
        lines[i] = (struct order_line){{skus[i], ID_BYTES_MAX}, 1, 1, 0};
    }
    struct order_command command = {ORDER_PLACE, TEXT("o"), TEXT("c"), TEXT("PLN"), LINES(lines)};
    struct order_facts facts = {START_US, AFTER_US, 8, PAYMENT_ROW_CHARGE};
    struct order state = {0};
    cr_assert_eq(order_decide_command(&state, &command, &facts, &events).code, ACCEPTED);
    for (size_t first = 0; first < ORDER_LINES_MAX - 1; first++) {
        lines[ORDER_LINES_MAX - 1].sku = lines[first].sku;
        struct refusal refusal = order_decide_command(&state, &command, &facts, &events);
        cr_assert_eq(refusal.code, REFUSED_SKU_TWICE);
        cr_assert_eq(refusal.line, ORDER_LINES_MAX);
    }
}

Test(order_decide_command, tells_skus_of_the_same_hash_apart)
{
    static const struct order_line lines[] = {{TEXT("sku-aaaa"), 1, 1, 0},
                                              {TEXT("-ke74tzc"), 1, 1, 0}};
    struct order_command command = {ORDER_PLACE, TEXT("o"), TEXT("c"), TEXT("PLN"), LINES(lines)};
    struct order_facts facts = {START_US, AFTER_US, 8, PAYMENT_ROW_CHARGE};
    struct order_events events;
    cr_assert_eq(partition_hash(lines[0].sku), partition_hash(lines[1].sku));
    cr_assert_eq(order_decide_command(&(struct order){0}, &command, &facts, &events).code,
                 ACCEPTED);
}

/* ---- folding ---- */

static const struct order_event placed = {.kind = ORDER_PLACED,
                                          .order_id = TEXT("o"),
                                          .version = 1,
                                          .status = ORDER_IS_PLACED,
                                          .saga_state = SAGA_IS_RUNNING,
                                          .customer_id = TEXT("c"),
                                          .currency = TEXT("PLN"),
                                          .lines = two,
                                          .line_count = 2,
                                          .total_minor = 150,
                                          .payment_row = PAYMENT_ROW_CHARGE};

Test(order_apply, stops_at_a_gap_in_the_versions, .signal = SIGABRT)
{
    struct order_event event = placed;
    event.version = 2;
    order_apply(&(struct order){0}, &event);
}

Test(order_apply, stops_at_a_status_that_does_not_come_out, .signal = SIGABRT)
{
    struct order_event event = placed;
    event.status = ORDER_IS_RESERVED;
    order_apply(&(struct order){0}, &event);
}

Test(order_apply, stops_at_an_event_that_can_not_follow, .signal = SIGABRT)
{
    struct order state = {0};
    order_apply(&state, &placed);
    struct order_event event = {.kind = ORDER_CONFIRMED,
                                .version = 2,
                                .status = ORDER_IS_CONFIRMED,
                                .saga_state = SAGA_IS_DONE};
    order_apply(&state, &event);
}

Test(order_apply, stops_at_a_group_that_was_not_asked, .signal = SIGABRT)
{
    struct order state = {0};
    order_apply(&state, &placed);
    struct order_event event = {.kind = ORDER_STOCK_RESERVED,
                                .version = 2,
                                .status = ORDER_IS_PLACED,
                                .saga_state = SAGA_IS_RUNNING,
                                .groups = UINT64_C(1) << 9};
    order_apply(&state, &event);
}
