/* tests/unit/test_projection_reduce_inventory.c - rows of products and reservations. */
#include <criterion/criterion.h>

#include "tests/unit/reduce_session.h"

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
