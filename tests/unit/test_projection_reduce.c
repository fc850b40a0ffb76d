/* tests/unit/test_projection_reduce.c - rows of orders, commands and receipts, and the batch. */
#include <criterion/criterion.h>

#include "tests/unit/reduce_session.h"

/* ---- orders ---- */

static const struct order_line two_groups[] = {{TEXT("A"), 2, 300, 0}, {TEXT("B"), 1, 50, 5}};
static const struct order_line free_line[] = {{TEXT("A"), 1, 0, 0}};

static struct event_message placed(const char *order)
{
    return (struct event_message){BY_COMMAND("basket/1"),
                                  .order = {.kind = ORDER_PLACED,
                                            .order_id = text_of(order),
                                            .version = 1,
                                            .status = ORDER_IS_PLACED,
                                            .saga_state = SAGA_IS_RUNNING,
                                            .customer_id = TEXT("c-1"),
                                            .currency = TEXT("USD"),
                                            .lines = two_groups,
                                            .line_count = 2,
                                            .total_minor = 350,
                                            .payment_row = PAYMENT_ROW_CHARGE,
                                            .deadline_us = NOW_US + 900}};
}

static struct event_message order_event(int64_t version, enum order_event_kind kind,
                                        enum order_status status, enum saga_state saga,
                                        int32_t partition)
{
    return (struct event_message){BY_STEP, .order = {.kind = kind,
                                                     .order_id = TEXT("o-1"),
                                                     .version = version,
                                                     .status = status,
                                                     .saga_state = saga,
                                                     .groups = UINT64_C(1) << (partition & 63),
                                                     .partition = partition}};
}

static struct order_change *order_change(const char *id)
{
    return (struct order_change *)row_of(&batch.aggregates, id, (struct text){0});
}

/* The same, with the payment that the order has after it. */
static struct event_message paying(struct event_message event, enum order_payment payment)
{
    event.order.payment = payment;
    return event;
}

#define RESERVED(version, partition, status)                                                       \
    order_event(version, ORDER_STOCK_RESERVED, status, SAGA_IS_RUNNING, partition)

Test(reduce_orders, makes_one_row_of_all_that_one_batch_says, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(placed("o-1"));
    given(RESERVED(2, 0, ORDER_IS_PLACED));
    given(RESERVED(3, 5, ORDER_IS_RESERVED));
    given(paying(order_event(4, ORDER_CONFIRMED, ORDER_IS_CONFIRMED, SAGA_IS_DONE, 0),
                 ORDER_PAYMENT_AUTHORISED));
    const struct order_change *order = order_change("o-1");
    cr_assert_eq(batch.aggregates.count, 1);
    cr_assert_eq(batch.commands.count, 0, "its command lives in its row");
    cr_assert_eq(order->row.mode, ROW_INSERT);
    cr_assert_eq(order->version, 4);
    cr_assert_eq(order->event_offset, 103);
    cr_assert_eq(order->partition, PARTITION);
    cr_assert_eq(order->status, ORDER_IS_CONFIRMED);
    cr_assert_eq(order->saga_state, SAGA_IS_DONE);
    cr_assert_eq(order->settled_us, NOW_US);
    cr_assert_eq(order->groups_asked, 0x21);
    cr_assert_eq(order->payment_row, PAYMENT_ROW_CHARGE);
    cr_assert_eq(order->groups_reserved, 0x21);
    cr_assert_eq(order->payment, ORDER_PAYMENT_AUTHORISED);
    cr_assert_eq(order->placed_us, NOW_US, "the publisher said nothing");
    cr_assert(text_equal(order->origin.command_id, TEXT("basket/1")));
    cr_assert_eq(order->origin.digest, 77);
    cr_assert_eq(order->basket.count, 2);
    cr_assert(text_equal(order->basket.lines[1].sku, TEXT("B")));
}

Test(reduce_orders, makes_a_difference_of_what_came_after_an_older_batch, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(RESERVED(3, 5, ORDER_IS_RESERVED));
    given(paying(order_event(4, ORDER_CONFIRMED, ORDER_IS_CONFIRMED, SAGA_IS_DONE, 0),
                 ORDER_PAYMENT_AUTHORISED));
    const struct order_change *order = order_change("o-1");
    cr_assert_eq(order->row.mode, ROW_UPDATE);
    cr_assert_eq(order->version_before, 2);
    cr_assert_eq(order->version, 4);
    cr_assert_eq(order->groups_reserved, 1 << 5);
    cr_assert_eq(order->deadline_us, TIME_NONE, "unchanged");
    cr_assert_eq(order->payment, ORDER_PAYMENT_AUTHORISED);
}

Test(reduce_orders, move_the_deadline_where_a_charge_is_waited_for, .fini = done)
{
    start(CONTEXT_ORDERS);
    struct event_message overdue =
        order_event(3, ORDER_PAYMENT_OVERDUE, ORDER_IS_RESERVED, SAGA_IS_RUNNING, 0);
    overdue.order.deadline_us = NOW_US + 8;
    given(paying(overdue, ORDER_PAYMENT_AWAITED));
    cr_assert_eq(order_change("o-1")->deadline_us, NOW_US + 8);
    cr_assert_eq(order_change("o-1")->payment, ORDER_PAYMENT_AWAITED);
    given(paying(order_event(4, ORDER_CONFIRMED, ORDER_IS_CONFIRMED, SAGA_IS_DONE, 0),
                 ORDER_PAYMENT_CHARGED));
    cr_assert_eq(order_change("o-1")->deadline_us, NOW_US + 8);
}

/* The row, which the batch does not see, need not be asked what it was before. */
Test(reduce_orders, takes_the_payment_that_the_last_event_says, .fini = done)
{
    start(CONTEXT_ORDERS);
    struct event_message cancelled =
        order_event(3, ORDER_CANCELLED, ORDER_IS_CANCELLED, SAGA_IS_UNDOING, 0);
    cancelled.order.code = REFUSED_CANCELLED_BY_CUSTOMER;
    cancelled.order.deadline_us = NOW_US + 7;
    given(paying(cancelled, ORDER_PAYMENT_ASKED_BACK));
    const struct order_change *order = order_change("o-1");
    cr_assert_eq(order->payment, ORDER_PAYMENT_ASKED_BACK);
    cr_assert_eq(order->reason, REFUSED_CANCELLED_BY_CUSTOMER);
    cr_assert_eq(order->deadline_us, NOW_US + 7);
    given(paying(order_event(4, ORDER_PAYMENT_VOIDED, ORDER_IS_CANCELLED, SAGA_IS_UNDOING, 0),
                 ORDER_PAYMENT_GIVEN_BACK));
    given(paying(order_event(5, ORDER_STOCK_RELEASED, ORDER_IS_CANCELLED, SAGA_IS_UNDONE, 5),
                 ORDER_PAYMENT_GIVEN_BACK));
    cr_assert_eq(order->payment, ORDER_PAYMENT_GIVEN_BACK);
    cr_assert_eq(order->groups_released, 1 << 5);
    cr_assert_eq(order->settled_us, NOW_US);
}

Test(reduce_orders, tells_a_refusal_by_stock_from_one_by_payment, .fini = done)
{
    start(CONTEXT_ORDERS);
    struct event_message rejected =
        order_event(2, ORDER_REJECTED, ORDER_IS_REJECTED, SAGA_IS_UNDOING, 5);
    rejected.order.code = REFUSED_STOCK_SHORT;
    rejected.order.sku = TEXT("B");
    given(rejected);
    cr_assert_eq(order_change("o-1")->groups_refused, 1 << 5);
    cr_assert(text_equal(order_change("o-1")->reason_sku, TEXT("B")));
    rejected.order.order_id = TEXT("o-2");
    rejected.order.partition = -1;
    rejected.order.code = REFUSED_FUNDS_SHORT;
    given(rejected);
    cr_assert_eq(order_change("o-2")->groups_refused, 0);
}

Test(reduce_orders, keeps_the_command_of_a_cancel_beside_the_order, .fini = done)
{
    start(CONTEXT_ORDERS);
    struct event_message cancelled =
        order_event(2, ORDER_CANCELLED, ORDER_IS_CANCELLED, SAGA_IS_UNDOING, 0);
    cancelled.cause_source = CAUSE_COMMANDS;
    cancelled.metadata.command_id = TEXT("cancel-1");
    cancelled.order.code = REFUSED_CANCELLED_BY_CUSTOMER;
    given(placed("o-1"));
    given(cancelled);
    const struct command_change *command =
        (struct command_change *)row_of(&batch.commands, "o-1", TEXT("cancel-1"));
    cr_assert_str_eq(command->kind, "CANCEL");
    cr_assert_eq(command->version, 2);
    cr_assert_eq(command->code, ACCEPTED);
    poison(order_event(4, ORDER_CONFIRMED, ORDER_IS_CONFIRMED, SAGA_IS_DONE, 0), "version 4");
}

Test(reduce_orders, refuses_what_can_not_follow, .fini = done)
{
    start(CONTEXT_ORDERS);
    struct event_message gap = RESERVED(3, 0, ORDER_IS_PLACED), without = placed("o-2");
    poison(RESERVED(1, 0, ORDER_IS_PLACED), "begins with another event");
    given(placed("o-1"));
    poison(gap, "version 3 of order o-1 follows version 1");
    poison(placed("o-1"), "version 1 of order o-1 follows version 1");
    struct event_message of_none = RESERVED(2, 0, ORDER_IS_PLACED);
    of_none.order.groups = 0;
    poison(of_none, "about no group");
    poison(order_event(2, ORDER_REJECTED, ORDER_IS_REJECTED, SAGA_IS_UNDOING, 64), "partition 64");
    poison(RESERVED(2, 0, ORDER_STATUS_COUNT), "no status");
    poison(order_event(2, ORDER_UNDO_OVERDUE, ORDER_IS_PLACED, SAGA_STATE_COUNT, 0), "no status");
    poison(paying(RESERVED(2, 0, ORDER_IS_PLACED), ORDER_PAYMENT_COUNT), "no state");
    poison(order_event(2, ORDER_EVENT_NONE, ORDER_IS_PLACED, SAGA_IS_RUNNING, 0), "no kind");
    poison(order_event(2, ORDER_EVENT_KIND_COUNT, ORDER_IS_PLACED, SAGA_IS_RUNNING, 0), "no kind");
    poison(placed(""), "without an order id");
    struct event_message unpaid = placed("o-3");
    unpaid.order.payment_row = PAYMENT_ROW_NONE;
    poison(unpaid, "paid in no way");
    unpaid.order.payment_row = PAYMENT_ROW_COUNT;
    poison(unpaid, "paid in no way");
    struct event_message reserved = RESERVED(2, 0, ORDER_IS_PLACED);
    reserved.cause_source = CAUSE_COMMANDS;
    poison(reserved, "a command can't be its cause");
    without.cause_source = CAUSE_STEPS;
    poison(without, "no command is its cause");
    without = placed("o-2");
    without.cause_index = 1;
    poison(without, "no command is its cause");
    without = placed("o-2");
    without.order.line_count = 0;
    poison(without, "0 lines");
    without.order.line_count = ORDER_LINES_MAX + 1;
    poison(without, "257 lines");
    without = placed("o-2");
    without.order.lines = (struct order_line[]){{TEXT("A"), 2, 300, 64}, {TEXT("B"), 1, 50, 5}};
    poison(without, "partition 64");
    without = placed("o-2");
    without.recorded_at_us = TIME_NONE;
    poison(without, "when it was recorded");
}

/* ---- commands ---- */

static struct event_message rejected(const char *aggregate, const char *id, enum refusal_code code)
{
    return (struct event_message){
        .metadata = {.command_id = text_of(id)},
        .cause_source = CAUSE_COMMANDS,
        .body_digest = 5,
        .body = EVENT_BODY_REJECTED,
        .rejected = {.aggregate_id = text_of(aggregate), .message = TEXT("no"), .code = code}};
}

static struct event_message repeated(const char *aggregate, const char *id)
{
    return (struct event_message){.metadata = {.command_id = text_of(id)},
                                  .cause_source = CAUSE_COMMANDS,
                                  .body = EVENT_BODY_REPEATED,
                                  .repeated = {.aggregate_id = text_of(aggregate)}};
}

Test(reduce_commands, counts_repeats_where_the_command_is, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(placed("o-1"));
    given(rejected("o-1", "place-2", REFUSED_ORDER_EXISTS));
    given(repeated("o-1", "basket/1"));
    given(repeated("o-1", "basket/1"));
    given(rejected("o-1", "basket/1", REFUSED_COMMAND_ID_REUSED));
    given(repeated("o-1", "place-2"));
    given(repeated("o-1", "older"));
    given(rejected("o-7", "older", REFUSED_COMMAND_ID_REUSED));
    cr_assert_eq(order_change("o-1")->origin.duplicates, 2);
    cr_assert_eq(order_change("o-1")->origin.conflicts, 1);
    const struct command_change *command =
        (struct command_change *)row_of(&batch.commands, "o-1", TEXT("place-2"));
    cr_assert_eq(batch.commands.count, 1);
    cr_assert_eq(command->code, REFUSED_ORDER_EXISTS);
    cr_assert_null(command->kind);
    cr_assert_eq(command->origin.duplicates, 1);
    const struct command_count *count =
        (struct command_count *)row_of(&batch.counts, "o-1", TEXT("older"));
    cr_assert_eq(count->duplicates, 1);
    cr_assert_eq(count->conflicts, 0);
    count = (struct command_count *)row_of(&batch.counts, "o-7", TEXT("older"));
    cr_assert_eq(count->conflicts, 1);
}

Test(reduce_commands, refuse_a_second_outcome, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(placed("o-1"));
    given(rejected("o-1", "x", REFUSED_ORDER_EXISTS));
    poison(rejected("o-1", "x", REFUSED_ORDER_EXISTS), "an outcome already");
    poison(rejected("o-1", "basket/1", REFUSED_ORDER_EXISTS), "an outcome already");
    poison(rejected("o-1", "y", ACCEPTED), "without a code");
    poison(rejected("o-1", "", REFUSED_ORDER_EXISTS), "the command has no id");
    given(rejected("o-2", "x", REFUSED_ORDER_UNKNOWN));
}

Test(reduce_commands, count_no_further_than_a_row_can, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(repeated("o-1", "older"));
    struct command_count *count =
        (struct command_count *)row_of(&batch.counts, "o-1", TEXT("older"));
    count->duplicates = INT32_MAX - 1;
    given(repeated("o-1", "older"));
    given(repeated("o-1", "older"));
    cr_assert_eq(count->duplicates, INT32_MAX);
}

/* ---- receipts and offsets ---- */

static struct event_message receipt(int64_t commands_first, int64_t commands_next,
                                    int64_t steps_first, int64_t steps_next)
{
    return (struct event_message){
        .body = EVENT_BODY_RECEIPT,
        .receipt = {commands_first, commands_next, steps_first, steps_next, {4, 1, 2, 0, 0, 0}}};
}

Test(reduce_receipts, chain_without_a_gap, .fini = done)
{
    start(CONTEXT_ORDERS);
    poison(receipt(-1, 15, 7, 7), "commands go from -1 to 15");
    given(receipt(10, 15, 7, 7));
    poison(receipt(16, 17, 7, 8), "commands begin at 16");
    poison(receipt(15, 17, 6, 8), "steps begin at 6");
    poison(receipt(15, 14, 7, 8), "from 15 to 14");
    given(receipt(15, 15, 7, 9));
    const struct row_batch_partition *state = &batch.partitions[PARTITION];
    cr_assert(state->now.has_receipt);
    cr_assert_eq(state->now.receipt.steps_next, 9);
    cr_assert_eq(state->totals[RECEIPT_DECIDED], 8);
    cr_assert_eq(state->totals[RECEIPT_REPEATED], 4);
    cr_assert_eq(state->now.next_offset, 102);
    cr_assert_eq(state->now.last_offset, 101);
    cr_assert_eq(state->before.next_offset, 100);
}

Test(reduce_receipts, go_on_from_an_older_batch, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(receipt(10, 15, 7, 7));
    struct load_progress before = batch.partitions[PARTITION].now;
    row_batch_clear(&batch);
    row_batch_start(&batch, PARTITION, &before);
    poison(receipt(10, 15, 7, 7), "commands begin at 10");
    given(receipt(15, 16, 7, 7));
}

Test(reduce_receipts, come_with_offsets_that_rise, .fini = done)
{
    start(CONTEXT_ORDERS);
    next_offset = 99;
    poison(receipt(0, 1, 0, 0), "offset 99 came after 99");
    next_offset = 140; /* markers and aborted records take offsets too */
    given(receipt(0, 1, 0, 0));
    cr_assert_eq(batch.partitions[PARTITION].now.next_offset, 141);
}

/* ---- the batch ---- */

Test(row_batch, copies_what_it_needs, .fini = done)
{
    start(CONTEXT_ORDERS);
    char sku[] = "SKU-1", order_id[] = "o-9", customer[] = "c-9";
    struct order_line lines[] = {{text_of(sku), 1, 350, 2}};
    struct event_message event = placed(order_id);
    event.order.lines = lines;
    event.order.line_count = 1;
    event.order.customer_id = text_of(customer);
    given(event);
    memset(sku, 'x', 5);
    memset(order_id, 'x', 3);
    memset(customer, 'x', 3);
    memset(lines, 0, sizeof lines);
    const struct order_change *order = order_change("o-9");
    cr_assert(text_equal(order->basket.lines[0].sku, TEXT("SKU-1")));
    cr_assert_eq(order->basket.lines[0].amount_minor, 350);
    cr_assert(text_equal(order->customer_id, TEXT("c-9")));
}

Test(row_batch, refuses_what_has_no_body_that_is_known, .fini = done)
{
    start(CONTEXT_ORDERS);
    for (int i = 0; i < 2; i++) {
        struct ol_error error = {0};
        struct event_message event = placed("o-1");
        event.context = CONTEXT_ORDERS;
        event.recorded_at_us = NOW_US;
        event.body = i ? (enum event_body)(EVENT_BODY_RECEIPT + 1) : EVENT_BODY_NONE;
        cr_assert_eq(row_batch_apply(&batch, &event, PARTITION, 100, &error), OL_POISON);
        cr_assert(strstr(error.text, "an event of no kind"), "%s", error.text);
        cr_assert_eq(row_batch_row_count(&batch), 0);
    }
}

Test(row_batch, has_lost_the_partitions_that_did_not_move, .fini = done)
{
    const uint64_t own = UINT64_C(1) << PARTITION, other = UINT64_C(1) << 7;
    start(CONTEXT_ORDERS);
    row_batch_start(&batch, 7, &(struct load_progress){.next_offset = 9});
    cr_assert_eq(row_batch_lost(&batch, 0), 0, "nothing is written there");
    given(placed("o-1"));
    cr_assert_eq(row_batch_lost(&batch, 0), own);
    cr_assert_eq(row_batch_lost(&batch, other), own);
    cr_assert_eq(row_batch_lost(&batch, own), 0);
}

Test(row_batch, is_empty_after_clear, .fini = done)
{
    start(CONTEXT_ORDERS);
    given(placed("o-1"));
    row_batch_seal(&batch);
    cr_assert_eq(row_batch_row_count(&batch), 3, "the order, its basket, the progress");
    row_batch_clear(&batch);
    cr_assert_eq(row_batch_row_count(&batch), 0);
    cr_assert_eq(batch.event_count, 0);
    row_batch_start(&batch, PARTITION, &(struct load_progress){.next_offset = 101});
    next_offset = 101;
    struct event_message event = placed("o-1");
    event.order.lines = free_line;
    event.order.line_count = 1;
    event.order.total_minor = 0;
    given(event);
    cr_assert_eq(order_change("o-1")->total_minor, 0);
}
