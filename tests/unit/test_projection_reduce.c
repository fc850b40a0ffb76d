#include <criterion/criterion.h>
#include <stdio.h>

#include "projections/reduce.h"

/* One batch of one context on partition 3, from offset 100 on; now is second 50. */
static struct row_batch batch;
static int64_t next_offset;

#define PARTITION 3
#define NOW_US    INT64_C(50000000)

static void start(enum context context)
{
    row_batch_init(&batch, context);
    row_batch_start(&batch, PARTITION, &(struct load_progress){.next_offset = 100});
    next_offset = 100;
}

static void done(void)
{
    row_batch_release(&batch);
}

static enum ol_class apply(struct event_message event, struct ol_error *reterr)
{
    event.context = batch.context;
    if (event.body == EVENT_BODY_NONE)
        event.body = EVENT_BODY_DOMAIN;
    if (event.recorded_at_us == 0)
        event.recorded_at_us = NOW_US;
    return row_batch_apply(&batch, &event, PARTITION, next_offset++, reterr);
}

static void given(struct event_message event)
{
    struct ol_error error = {0};
    cr_assert_eq(apply(event, &error), OL_OK, "%s", error.text);
}

/* The event is refused for this reason, and nothing has changed. */
static void poison(struct event_message event, const char *words)
{
    struct ol_error error = {0};
    size_t rows = row_batch_row_count(&batch), events = batch.event_count;
    cr_assert_eq(apply(event, &error), OL_POISON, "%s", error.text);
    cr_assert(strstr(error.text, words), "%s", error.text);
    cr_assert_eq(row_batch_row_count(&batch), rows);
    cr_assert_eq(batch.event_count, events);
    next_offset--;
}

/* The batch is spoilt, for this reason. */
static void fatal(struct event_message event, const char *words)
{
    struct ol_error error = {0};
    cr_assert_eq(apply(event, &error), OL_FATAL, "%s", error.text);
    cr_assert(strstr(error.text, words), "%s", error.text);
}

static struct keyed_row *row_of(const struct rowset *set, const char *id, struct text second)
{
    struct keyed_row *row = rowset_find(set, text_of(id), second);
    cr_assert_not_null(row, "%s", id);
    return row;
}

/* What a command's event carries. */
#define BY_COMMAND(id)                                                                             \
    .metadata = {.command_id = TEXT(id), .occurred_at_us = TIME_NONE},                             \
    .cause_source = CAUSE_COMMANDS, .body_digest = 77
#define BY_STEP .metadata = {.command_id = TEXT("o-1/1/0")}, .cause_source = CAUSE_STEPS

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

/* ---- inventory ---- */

static struct event_message stock_event(enum inventory_event_kind kind, const char *order,
                                        const struct stock_line *lines, size_t count)
{
    return (struct event_message){BY_STEP, .inventory = {.kind = kind,
                                                         .order_id = text_of(order),
                                                         .partition = PARTITION,
                                                         .lines = lines,
                                                         .line_count = count}};
}

static struct product_change *product_change(const char *sku)
{
    return (struct product_change *)row_of(&batch.aggregates, sku, (struct text){0});
}

static struct reservation_change *reservation_change(const char *order)
{
    return (struct reservation_change *)row_of(&batch.claims, order, reservation_key(PARTITION));
}

static struct event_message product_event(enum inventory_event_kind kind, int64_t version,
                                          int64_t quantity)
{
    return (struct event_message){
        BY_COMMAND("p/1"),
        .inventory = {.kind = kind,
                      .version = version,
                      .sku = TEXT("A"),
                      .quantity = quantity,
                      .details = {.name = TEXT("Tea"), .currency = TEXT("USD")}}};
}

Test(reduce_inventory, sums_what_several_groups_take, .fini = done)
{
    const struct stock_line first[] = {{TEXT("A"), 2, 8}, {TEXT("B"), 1, 3}};
    const struct stock_line second[] = {{TEXT("A"), 5, 9}};
    const struct stock_line back[] = {{TEXT("A"), 2, 10}, {TEXT("B"), 1, 4}};
    start(CONTEXT_INVENTORY);
    given(stock_event(STOCK_RESERVED, "o-1", first, 2));
    given(stock_event(STOCK_RESERVED, "o-2", second, 1));
    given(stock_event(STOCK_RELEASED, "o-1", back, 2));
    cr_assert_eq(product_change("A")->row.mode, ROW_UPDATE);
    cr_assert_eq(product_change("A")->version_before, 7);
    cr_assert_eq(product_change("A")->version, 10);
    cr_assert_eq(product_change("A")->reserved, 5);
    cr_assert_eq(product_change("B")->reserved, 0);
    cr_assert_eq(reservation_change("o-2")->row.mode, ROW_INSERT);
    cr_assert_eq(reservation_change("o-1")->row.mode, ROW_INSERT);
    cr_assert_eq(reservation_change("o-1")->status, RESERVATION_IS_RELEASED);
    cr_assert_eq(reservation_change("o-1")->held.lines[0].version, 8);
    cr_assert_eq(reservation_change("o-1")->released.lines[0].version, 10);
    cr_assert_eq(reservation_change("o-1")->released_us, NOW_US);
}

Test(reduce_inventory, leaves_all_lines_when_one_can_not_follow, .fini = done)
{
    const struct stock_line first[] = {{TEXT("A"), 2, 8}};
    const struct stock_line gap[] = {{TEXT("C"), 1, 3}, {TEXT("A"), 1, 10}};
    start(CONTEXT_INVENTORY);
    given(stock_event(STOCK_RESERVED, "o-1", first, 1));
    poison(stock_event(STOCK_RESERVED, "o-2", gap, 2), "version 10 of product A follows version 8");
    poison(stock_event(STOCK_RESERVED, "o-1", first, 1), "judged already");
    poison(stock_event(STOCK_RESERVED, "o-3", NULL, 0), "0 lines");
    struct event_message elsewhere = stock_event(STOCK_RESERVED, "o-3", gap, 1);
    elsewhere.inventory.partition = 1;
    poison(elsewhere, "partition 1");
}

Test(reduce_inventory, refuses_what_is_no_event, .fini = done)
{
    const struct stock_line line[] = {{TEXT("A"), 2, 8}}, nameless[] = {{TEXT(""), 2, 8}},
                            empty[] = {{TEXT("A"), 0, 8}};
    struct event_message without = product_event(STOCK_INCREASED, 2, 5);
    start(CONTEXT_INVENTORY);
    without.inventory.sku = TEXT("");
    poison(without, "without SKU");
    poison(product_event(STOCK_INCREASED, 2, -1), "units below 0");
    poison(product_event(STOCK_INCREASED, 0, 5), "begins with another event");
    poison(product_event(INVENTORY_EVENT_NONE, 2, 5), "no kind");
    poison(product_event(INVENTORY_EVENT_KIND_COUNT, 2, 5), "no kind");
    poison(stock_event(STOCK_RESERVED, "", line, 1), "without an order id");
    poison(stock_event(STOCK_RESERVED, "o-1", line, ORDER_LINES_MAX + 1), "257 lines");
    poison(stock_event(STOCK_RESERVED, "o-1", nameless, 1), "a line without SKU");
    poison(stock_event(STOCK_RELEASED, "o-1", empty, 1), "without units");
    struct event_message refused = stock_event(STOCK_REFUSED, "o-1", NULL, 0);
    poison(refused, "without a code");
    refused.inventory.code = REFUSED_STOCK_SHORT;
    refused.inventory.lines = line;
    refused.inventory.line_count = 1;
    poison(refused, "a group of 1 lines");
}

Test(reduce_inventory, stops_where_units_do_not_fit, .fini = done)
{
    const struct stock_line most[] = {{TEXT("A"), INT64_MAX, 8}}, more[] = {{TEXT("A"), 1, 9}};
    struct event_message second = product_event(STOCK_INCREASED, 6, 1);
    second.metadata.command_id = TEXT("p/2");
    start(CONTEXT_INVENTORY);
    given(product_event(STOCK_INCREASED, 5, INT64_MAX));
    fatal(second, "the units of A do not fit");
    done();
    start(CONTEXT_INVENTORY);
    given(stock_event(STOCK_RESERVED, "o-1", most, 1));
    fatal(stock_event(STOCK_RESERVED, "o-2", more, 1), "the units of A do not fit");
}

/* Whether the row is there can be told from the event; or not, and then both are well. */
Test(reduce_inventory, knows_whether_a_reservation_has_a_row, .fini = done)
{
    const struct stock_line back[] = {{TEXT("A"), 2, 10}};
    start(CONTEXT_INVENTORY);
    struct event_message refused = stock_event(STOCK_REFUSED, "new", NULL, 0);
    refused.inventory.code = REFUSED_STOCK_SHORT;
    refused.inventory.sku = TEXT("A");
    given(refused);
    refused.inventory.order_id = TEXT("released before");
    refused.inventory.code = REFUSED_RESERVATION_EXISTS;
    given(refused);
    given(stock_event(STOCK_RELEASED, "held", back, 1));
    given(stock_event(STOCK_RELEASED, "refused or nothing", NULL, 0));
    cr_assert_eq(reservation_change("new")->row.mode, ROW_INSERT);
    cr_assert_eq(reservation_change("released before")->row.mode, ROW_UPDATE);
    cr_assert_eq(reservation_change("held")->row.mode, ROW_UPDATE);
    cr_assert_eq(reservation_change("refused or nothing")->row.mode, ROW_UPSERT);
}

Test(reduce_inventory, follows_a_product_from_its_first_event, .fini = done)
{
    start(CONTEXT_INVENTORY);
    struct event_message more = product_event(STOCK_INCREASED, 2, 30);
    more.metadata.command_id = TEXT("p/2");
    more.inventory.reason = TEXT("delivery");
    poison(product_event(STOCK_INCREASED, 1, 5), "begins with another event");
    given(product_event(PRODUCT_ADDED, 1, 0));
    given(more);
    cr_assert_eq(product_change("A")->row.mode, ROW_INSERT);
    cr_assert_eq(product_change("A")->on_hand, 30);
    cr_assert_eq(product_change("A")->version, 2);
    cr_assert(product_change("A")->listed);
    cr_assert(text_equal(product_change("A")->origin.command_id, TEXT("p/1")));
    const struct command_change *command =
        (struct command_change *)row_of(&batch.commands, "A", TEXT("p/2"));
    cr_assert_eq(batch.commands.count, 1);
    cr_assert_str_eq(command->kind, "INCREASE");
    cr_assert_eq(command->moved, 30);
    cr_assert(text_equal(command->subject, TEXT("delivery")));
}

Test(reduce_inventory, adds_a_deleted_product_again_as_a_change, .fini = done)
{
    start(CONTEXT_INVENTORY);
    given(product_event(PRODUCT_ADDED, 5, 0));
    cr_assert_eq(product_change("A")->row.mode, ROW_UPDATE);
    cr_assert(product_change("A")->listing_changed && product_change("A")->listed);
    cr_assert(product_change("A")->details_changed);
    cr_assert_eq(batch.commands.count, 1);
}

/* ---- payments ---- */

static struct event_message payment_event(enum payment_event_kind kind, int64_t version,
                                          int64_t amount_minor)
{
    return (struct event_message){BY_STEP, .payment = {.kind = kind,
                                                       .version = version,
                                                       .customer_id = TEXT("c-1"),
                                                       .currency = TEXT("USD"),
                                                       .payment_id = TEXT("o-1"),
                                                       .amount_minor = amount_minor}};
}

static struct event_message reversed(int64_t version, int64_t amount_minor, int64_t charged_minor)
{
    struct event_message event = payment_event(PAYMENT_REVERSED, version, amount_minor);
    event.payment.charged_minor = charged_minor;
    return event;
}

static struct account_change *account_change(void)
{
    return (struct account_change *)row_of(&batch.aggregates, "c-1", (struct text){0});
}

static struct payment_change *payment_change(void)
{
    return (struct payment_change *)row_of(&batch.claims, "o-1", TEXT("c-1"));
}

Test(reduce_payments, moves_money_between_wallet_and_held, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_AUTHORISED, 5, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 70);
    given(payment_event(PAYMENT_CAPTURED, 6, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 0);
    cr_assert_eq(account_change()->version_before, 4);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CAPTURED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->authorised_version, 5);
    cr_assert_eq(payment_change()->captured_version, 6);
}

Test(reduce_payments, leave_the_wallet_alone_where_nothing_moves, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    struct event_message declined = payment_event(PAYMENT_DECLINED, 0, 70);
    declined.payment.code = REFUSED_FUNDS_SHORT;
    given(declined);
    given(payment_event(PAYMENT_VOIDED, 0, 0));
    cr_assert_eq(batch.aggregates.count, 0);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_VOIDED);
    cr_assert_eq(payment_change()->amount_minor, 0);
    cr_assert_eq(payment_change()->voided_version, 0);
    poison(payment_event(PAYMENT_VOIDED, 3, 0), "moves nothing");
}

Test(reduce_payments, leave_a_voided_payment_as_it_is_when_it_is_asked_for_again, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_AUTHORISED, 3, 70));
    given(payment_event(PAYMENT_VOIDED, 4, 70));
    struct event_message declined = payment_event(PAYMENT_DECLINED, 0, 9);
    declined.payment.code = REFUSED_PAYMENT_EXISTS;
    given(declined);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_VOIDED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->voided_version, 4);
}

Test(reduce_payments, move_money_between_wallet_and_revenue, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_CHARGED, 5, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 0);
    cr_assert_eq(account_change()->spent_minor, 70);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CHARGED);
    cr_assert_eq(payment_change()->charged_version, 5);
    given(payment_event(PAYMENT_REFUNDED, 6, 30));
    given(reversed(7, 40, 70));
    cr_assert_eq(account_change()->balance_minor, 0);
    cr_assert_eq(account_change()->spent_minor, 0);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->refunded_minor, 30);
    cr_assert_eq(payment_change()->reversed_version, 7);
    cr_assert_neq(payment_change()->reversed_us, TIME_NONE);
}

Test(reduce_payments, know_a_payment_that_was_refunded_whole, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_CHARGED, 5, 70));
    given(payment_event(PAYMENT_REFUNDED, 6, 30));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CHARGED);
    given(payment_event(PAYMENT_REFUNDED, 7, 40));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REFUNDED);
    given(reversed(0, 0, 70));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
}

Test(reduce_payments, close_a_charge_of_which_nothing_is_left, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_REFUNDED, 6, 70));
    given(reversed(0, 0, 70));
    cr_assert_eq(payment_change()->row.mode, ROW_UPDATE);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->reversed_version, 0);
    poison(reversed(7, 71, 70), "more comes back than was charged");
}

Test(reduce_payments, know_whether_a_payment_has_a_row, .fini = done)
{
    static const struct {
        enum payment_event_kind kind;
        int64_t version, amount_minor;
        enum refusal_code code;
        enum row_mode mode;
    } cases[] = {
        {PAYMENT_AUTHORISED, 3, 9, ACCEPTED, ROW_INSERT},
        {PAYMENT_DECLINED, 0, 9, REFUSED_FUNDS_SHORT, ROW_INSERT},
        {PAYMENT_DECLINED, 0, 9, REFUSED_PAYMENT_EXISTS, ROW_UPDATE},
        {PAYMENT_CAPTURED, 3, 9, ACCEPTED, ROW_UPDATE},
        {PAYMENT_VOIDED, 3, 9, ACCEPTED, ROW_UPDATE},
        {PAYMENT_VOIDED, 0, 0, ACCEPTED, ROW_UPSERT},
        {PAYMENT_CHARGED, 3, 9, ACCEPTED, ROW_INSERT},
        {PAYMENT_REVERSED, 0, 0, ACCEPTED, ROW_UPSERT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(CONTEXT_PAYMENTS);
        struct event_message event =
            payment_event(cases[i].kind, cases[i].version, cases[i].amount_minor);
        event.payment.code = cases[i].code;
        given(event);
        cr_assert_eq(payment_change()->row.mode, cases[i].mode, "case %zu", i);
        if (i + 1 < sizeof cases / sizeof *cases)
            done();
    }
}

Test(reduce_payments, refuse_what_can_not_follow, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    poison(payment_event(PAYMENT_AUTHORISED, 1, 5), "begins with another event");
    given(payment_event(PAYMENT_AUTHORISED, 4, 5));
    poison(payment_event(PAYMENT_CAPTURED, 6, 5), "version 6 of wallet c-1 follows version 4");
    poison(payment_event(PAYMENT_AUTHORISED, 5, 5), "asked for already");
    poison(payment_event(PAYMENT_CAPTURED, 5, -5), "below 0");
    struct event_message opened = payment_event(ACCOUNT_OPENED, 1, 0);
    opened.payment.customer_id = TEXT("c-2");
    poison(opened, "no command is its cause");
}

Test(reduce_payments, refuse_what_is_no_event, .fini = done)
{
    struct event_message without = payment_event(PAYMENT_AUTHORISED, 4, 5);
    start(CONTEXT_PAYMENTS);
    poison(payment_event(PAYMENT_EVENT_NONE, 4, 5), "no kind");
    poison(payment_event(PAYMENT_EVENT_KIND_COUNT, 4, 5), "no kind");
    poison(payment_event(PAYMENT_CAPTURED, 0, 5), "begins with another event");
    poison(payment_event(PAYMENT_DECLINED, 0, 5), "without a code");
    poison(payment_event(PAYMENT_CAPTURED, 0, 0), "a payment of nothing");
    without.payment.payment_id = TEXT("");
    poison(without, "without a payment id");
    without = payment_event(PAYMENT_AUTHORISED, 4, 5);
    without.cause_source = CAUSE_COMMANDS;
    poison(without, "a command can't be its cause");
    without.payment.customer_id = TEXT("");
    poison(without, "without a customer id");
}

Test(reduce_payments, stop_where_amounts_do_not_fit, .fini = done)
{
    static const struct {
        enum payment_event_kind kinds[4];
        const char *words;
    } cases[] = {
        {{FUNDS_DEPOSITED, FUNDS_DEPOSITED}, "the amounts of wallet c-1 do not fit"},
        {{FUNDS_WITHDRAWN, FUNDS_WITHDRAWN}, "the amounts of wallet c-1 do not fit"},
        {{PAYMENT_REFUNDED, FUNDS_WITHDRAWN, PAYMENT_CAPTURED, PAYMENT_REFUNDED},
         "the refunds of o-1 do not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t last = cases[i].kinds[3] ? 3 : 1; /* the one that is too much */
        if (i)
            done();
        start(CONTEXT_PAYMENTS);
        for (size_t k = 0; k < last; k++)
            given(payment_event(cases[i].kinds[k], 5 + (int64_t)k, INT64_MAX));
        fatal(payment_event(cases[i].kinds[last], 5 + (int64_t)last, INT64_MAX), cases[i].words);
    }
}

Test(reduce_payments, keep_what_a_command_moved_beside_the_wallet, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    struct event_message event = {BY_COMMAND("open/c-1"), .payment = {.kind = ACCOUNT_OPENED,
                                                                      .version = 1,
                                                                      .customer_id = TEXT("c-1"),
                                                                      .currency = TEXT("USD")}};
    given(event);
    event.metadata.command_id = TEXT("pay-in");
    event.payment = (struct payment_event){
        .kind = FUNDS_DEPOSITED, .version = 2, .customer_id = TEXT("c-1"), .amount_minor = 40};
    given(event);
    cr_assert_eq(account_change()->row.mode, ROW_INSERT);
    cr_assert_eq(account_change()->balance_minor, 40);
    const struct command_change *command =
        (struct command_change *)row_of(&batch.commands, "c-1", TEXT("pay-in"));
    cr_assert_str_eq(command->kind, "DEPOSIT");
    cr_assert_eq(command->moved, 40);
    event.metadata.command_id = TEXT("pay-out");
    event.payment.kind = FUNDS_WITHDRAWN;
    event.payment.version = 3;
    given(event);
    command = (struct command_change *)row_of(&batch.commands, "c-1", TEXT("pay-out"));
    cr_assert_str_eq(command->kind, "WITHDRAW");
    event.metadata.command_id = TEXT("give-back");
    event.payment.kind = PAYMENT_REFUNDED;
    event.payment.version = 4;
    event.payment.payment_id = TEXT("o-1");
    given(event);
    command = (struct command_change *)row_of(&batch.commands, "c-1", TEXT("give-back"));
    cr_assert_str_eq(command->kind, "REFUND");
    cr_assert(text_equal(command->subject, TEXT("o-1")));
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
