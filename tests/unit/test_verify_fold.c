/* The fold that verify compares with: what it lets pass, and what it must notice. */
#include "domain/assert.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "verify/catch.h"
#include "verify/fold.h"

/* As main.c has it. */
void domain_assert_failed(const char *condition, const char *file, int line)
{
    (void)file;
    (void)line;
    catch_assertion(condition);
    abort();
}

static struct findings findings;
static struct fold fold;
static int64_t offset;

static void begin(enum context context)
{
    findings = (struct findings){0};
    offset = 0;
    fold_init(&fold, context, "events", 1, &findings);
}

static void end(void)
{
    fold_release(&fold);
    findings_release(&findings);
}

/* An event of the command at `cause_offset`. */
static struct event_message event_of(enum context context, const char *command,
                                     int64_t cause_offset)
{
    return (struct event_message){
        .context = context,
        .metadata = {.command_id = text_of(command), .occurred_at_us = TIME_NONE},
        .recorded_at_us = 1000,
        .cause_source = CAUSE_COMMANDS,
        .cause_offset = cause_offset,
        .body_digest = 7,
        .body = EVENT_BODY_DOMAIN,
    };
}

static void take(const char *key, const struct event_message *event)
{
    cr_assert(fold_event(&fold, 0, offset++, text_of(key), 1, event));
}

static void expect(enum check check, int64_t wrong)
{
    cr_assert_eq(findings.checks[check].wrong, wrong, "check %d has %lld findings, the first: %s",
                 check, (long long)findings.checks[check].wrong,
                 findings.checks[check].kept[0].what ? findings.checks[check].kept[0].what : "-");
}

static void expect_only(enum check check, int64_t wrong)
{
    expect(check, wrong);
    cr_assert_eq(findings_wrong(&findings), wrong);
}

/* ---- stock ---- */

static struct event_message added(const char *sku, int64_t cause_offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY, "add", cause_offset);
    event.inventory = (struct inventory_event){
        .kind = PRODUCT_ADDED,
        .version = 1,
        .sku = text_of(sku),
        .details = {.name = TEXT("Apple"), .price_minor = 10, .currency = TEXT("USD")}};
    return event;
}

static struct event_message increased(const char *sku, const char *command, int64_t version,
                                      int64_t quantity, int64_t cause_offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY, command, cause_offset);
    event.inventory = (struct inventory_event){
        .kind = STOCK_INCREASED, .version = version, .sku = text_of(sku), .quantity = quantity};
    return event;
}

static struct event_message group(enum inventory_event_kind kind, const struct stock_line *lines,
                                  size_t count, int64_t cause_offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY, "o/1/1", cause_offset);
    event.cause_source = CAUSE_STEPS;
    event.asker = (struct asker){1, 1};
    event.body_digest = 0;
    event.inventory = (struct inventory_event){
        .kind = kind, .order_id = TEXT("o"), .lines = lines, .line_count = count};
    return event;
}

Test(fold_event, keeps_what_the_rows_must_say)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), second = increased("A", "more", 2, 5, 1);
    struct stock_line line = {TEXT("A"), 3, 3};
    struct event_message reserved = group(STOCK_RESERVED, &line, 1, 0);
    take("A", &first);
    take("A", &second);
    take("o", &reserved);
    struct fold_entity *entity = fold_find(&fold, ENTITY_PRODUCT, TEXT("A"), (struct text){0});
    cr_assert(entity);
    const struct row_stock *stock = (struct row_stock *)fold_row(entity, TABLE_stock);
    cr_assert_eq(stock->on_hand, 5);
    cr_assert_eq(stock->reserved, 3);
    cr_assert_eq(stock->version, 3);
    cr_assert_eq(stock->event_offset, 2);
    const struct row_products *product = (struct row_products *)fold_row(entity, TABLE_products);
    cr_assert_eq(product->listed, 1);
    cr_assert_eq(product->currency, cell_currency(TEXT("USD")));
    cr_assert_eq(product->command_id, cell_text(TEXT("add")));
    struct fold_entity *command = fold_find(&fold, ENTITY_COMMAND, TEXT("A"), TEXT("more"));
    cr_assert(command);
    cr_assert_eq(((struct fold_command *)fold_cells(command))->moved, 5);
    expect_only(CHECK_EVENTS, 0);
    end();
}

Test(fold_event, notices_a_gap_in_the_versions_once)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), late = increased("A", "x", 3, 5, 1),
                         later = increased("A", "y", 4, 5, 2);
    take("A", &first);
    take("A", &late);
    take("A", &later);
    expect_only(CHECK_VERSIONS, 1);
    end();
}

Test(fold_event, takes_a_failed_assertion_of_the_domain_for_a_finding)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0);
    struct stock_line line = {TEXT("A"), 3, 2};
    struct event_message reserved = group(STOCK_RESERVED, &line, 1, 0); /* of nothing on hand */
    take("A", &first);
    take("o", &reserved);
    expect_only(CHECK_EVENTS, 1);
    cr_assert(strstr(findings.checks[CHECK_EVENTS].kept[0].what, "does not fit the state of A"));
    end();
}

Test(fold_event, notices_that_other_lines_are_released_than_held)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), second = increased("A", "more", 2, 5, 1);
    struct stock_line held = {TEXT("A"), 3, 3}, released = {TEXT("A"), 2, 4};
    struct event_message reserved = group(STOCK_RESERVED, &held, 1, 0);
    struct event_message given_back = group(STOCK_RELEASED, &released, 1, 1);
    take("A", &first);
    take("A", &second);
    take("o", &reserved);
    take("o", &given_back);
    expect_only(CHECK_EVENTS, 1);
    end();
}

Test(fold_event, notices_a_key_that_is_another_ones)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0);
    take("B", &first);
    expect_only(CHECK_EVENTS, 1);
    end();
}

/* ---- outcomes ---- */

Test(fold_event, notices_a_second_outcome)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), second = increased("A", "x", 2, 5, 1),
                         third = increased("A", "x", 3, 5, 2),
                         again = increased("A", "add", 4, 1, 3);
    take("A", &first);
    take("A", &second);
    take("A", &third);
    expect_only(CHECK_OUTCOMES, 1);
    take("A", &again); /* that made the product */
    expect_only(CHECK_OUTCOMES, 2);
    end();
}

static struct event_message repeated(const char *command, enum command_outcome outcome,
                                     int64_t cause_offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY, command, cause_offset);
    event.body = EVENT_BODY_REPEATED;
    event.repeated.aggregate_id = TEXT("A");
    event.repeated.outcome = outcome;
    return event;
}

Test(fold_event, counts_what_came_again)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), again = repeated("add", OUTCOME_ACCEPTED, 1),
                         other = event_of(CONTEXT_INVENTORY, "add", 2);
    other.body = EVENT_BODY_REJECTED;
    other.rejected.aggregate_id = TEXT("A");
    other.rejected.code = REFUSED_COMMAND_ID_REUSED;
    take("A", &first);
    take("A", &again);
    take("A", &other);
    struct fold_entity *entity = fold_find(&fold, ENTITY_PRODUCT, TEXT("A"), (struct text){0});
    const struct row_products *row = (struct row_products *)fold_row(entity, TABLE_products);
    cr_assert_eq(row->duplicates, 1);
    cr_assert_eq(row->conflicts, 1);
    expect_only(CHECK_OUTCOMES, 0);
    end();
}

Test(fold_event, notices_another_answer_than_the_first)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), wrong = repeated("add", OUTCOME_REJECTED, 1),
                         unknown = repeated("never", OUTCOME_ACCEPTED, 2);
    take("A", &first);
    take("A", &wrong);
    take("A", &unknown);
    expect_only(CHECK_OUTCOMES, 2);
    end();
}

/* ---- causes and receipts ---- */

Test(fold_event, notices_causes_that_do_not_rise)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 5), second = increased("A", "x", 2, 5, 5),
                         third = increased("A", "y", 3, 5, 4);
    take("A", &first);
    take("A", &second);
    take("A", &third);
    expect_only(CHECK_CAUSES, 2);
    end();
}

/* Steps are known by offset and place, and each may have several events. */
Test(fold_event, lets_causes_rise_through_the_places_of_a_bundle)
{
    static const struct {
        int64_t offset;
        int32_t place, index;
        int wrong; /* so far */
    } rows[] = {{5, 0, 0, 0}, {5, 1, 0, 0}, {5, 3, 0, 0}, {6, 2, 0, 0}, {6, 2, 1, 0},
                {6, 2, 0, 1}, {6, 1, 0, 2}, {6, 1, 1, 2}, {6, 2, 1, 3}, {5, 9, 0, 4}};
    begin(CONTEXT_INVENTORY);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct event_message event = group(STOCK_RELEASED, NULL, 0, rows[i].offset);
        char order[2] = {(char)('a' + i), '\0'};
        event.inventory.order_id = text_of(order);
        event.cause_place = rows[i].place;
        event.cause_index = rows[i].index;
        take(order, &event);
        expect(CHECK_CAUSES, rows[i].wrong);
    }
    end();
}

Test(fold_event, notices_a_place_where_there_are_no_bundles)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 5);
    first.cause_place = 1;
    take("A", &first);
    expect_only(CHECK_CAUSES, 1);
    end();
}

static struct event_message receipt(int64_t first, int64_t next, int32_t decided)
{
    struct event_message event = {.context = CONTEXT_INVENTORY,
                                  .metadata = {.occurred_at_us = TIME_NONE},
                                  .recorded_at_us = 1000,
                                  .body = EVENT_BODY_RECEIPT};
    event.receipt = (struct receipt){
        .commands_first = first, .commands_next = next, .counts[RECEIPT_DECIDED] = decided};
    return event;
}

Test(fold_event, notices_who_can_not_have_asked)
{
    static const struct asker wrong[] = {{0, 0}, {1, 0}, {0, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin(CONTEXT_INVENTORY);
        struct event_message released = group(STOCK_RELEASED, NULL, 0, 0);
        released.asker = wrong[i];
        take("o", &released);
        expect(CHECK_CAUSES, 1);
        end();
    }
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0);
    first.asker = (struct asker){1, 1};
    take("A", &first);
    expect_only(CHECK_CAUSES, 1);
    end();
}

Test(fold_event, lets_receipts_pass_that_chain_and_count_right)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), one = receipt(0, 1, 1),
                         second = increased("A", "x", 2, 5, 1), two = receipt(1, 4, 1);
    take("A", &first);
    take("", &one);
    take("A", &second);
    take("", &two);
    cr_assert_eq(fold.logs[0].totals[0], 2);
    cr_assert_eq(fold.logs[0].last.commands_next, 4);
    cr_assert_eq(fold.logs[0].cause_count, 2);
    expect_only(CHECK_RECEIPTS, 0);
    end();
}

Test(fold_event, notices_a_receipt_that_does_not_chain)
{
    begin(CONTEXT_INVENTORY);
    struct event_message one = receipt(0, 1, 0), two = receipt(2, 4, 0);
    take("", &one);
    take("", &two);
    expect_only(CHECK_RECEIPTS, 1);
    end();
}

Test(fold_event, notices_a_receipt_that_counts_wrong)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 0), one = receipt(0, 1, 2);
    take("A", &first);
    take("", &one);
    expect_only(CHECK_RECEIPTS, 2); /* against the events, and against the offsets */
    end();
}

Test(fold_event, lets_a_bundle_count_as_many_inputs_as_it_may_hold)
{
    begin(CONTEXT_INVENTORY);
    struct event_message one = receipt(0, 0, 0), two = receipt(0, 0, 0);
    one.receipt.steps_next = two.receipt.steps_first = 1;
    two.receipt.steps_next = 2;
    one.receipt.counts[RECEIPT_IGNORED] = BUNDLE_STEPS_MAX;
    two.receipt.counts[RECEIPT_IGNORED] = BUNDLE_STEPS_MAX + 1;
    take("", &one);
    expect_only(CHECK_RECEIPTS, 0);
    take("", &two);
    expect_only(CHECK_RECEIPTS, 1);
    end();
}

Test(fold_event, notices_a_cause_outside_of_its_receipt)
{
    begin(CONTEXT_INVENTORY);
    struct event_message first = added("A", 9), one = receipt(0, 5, 1);
    take("A", &first);
    take("", &one);
    expect_only(CHECK_RECEIPTS, 1);
    end();
}

/* ---- orders and money ---- */

Test(fold_event, notices_a_total_that_is_not_the_lines)
{
    begin(CONTEXT_ORDERS);
    struct order_line line = {TEXT("A"), 2, 20, 0};
    struct event_message placed = event_of(CONTEXT_ORDERS, "place", 0);
    placed.order = (struct order_event){.kind = ORDER_PLACED,
                                        .order_id = TEXT("o"),
                                        .version = 1,
                                        .status = ORDER_IS_PLACED,
                                        .saga_state = SAGA_IS_RUNNING,
                                        .customer_id = TEXT("c"),
                                        .currency = TEXT("USD"),
                                        .lines = &line,
                                        .line_count = 1,
                                        .total_minor = 21,
                                        .payment_row = PAYMENT_ROW_CHARGE};
    take("o", &placed);
    expect_only(CHECK_EVENTS, 1);
    const struct fold_entity *entity = fold_find(&fold, ENTITY_ORDER, TEXT("o"), (struct text){0});
    cr_assert(entity && !entity->broken);
    end();
}

Test(fold_event, notices_money_that_nobody_has)
{
    begin(CONTEXT_PAYMENTS);
    struct event_message opened = event_of(CONTEXT_PAYMENTS, "open", 0);
    opened.payment = (struct payment_event){
        .kind = ACCOUNT_OPENED, .version = 1, .customer_id = TEXT("c"), .currency = TEXT("USD")};
    struct event_message taken = event_of(CONTEXT_PAYMENTS, "out", 1);
    taken.payment = (struct payment_event){
        .kind = FUNDS_WITHDRAWN, .version = 2, .customer_id = TEXT("c"), .amount_minor = 5};
    take("c", &opened);
    take("c", &taken);
    expect(CHECK_EVENTS, 1);
    const struct fold_entity *entity =
        fold_find(&fold, ENTITY_ACCOUNT, TEXT("c"), (struct text){0});
    cr_assert(entity && entity->broken);
    end();
}

static void take_paid_in(const char *customer, struct text currency, int64_t amount_minor)
{
    struct event_message opened = event_of(CONTEXT_PAYMENTS, "open", offset);
    opened.payment = (struct payment_event){.kind = ACCOUNT_OPENED,
                                            .version = 1,
                                            .customer_id = text_of(customer),
                                            .currency = currency};
    take(customer, &opened);
    struct event_message paid_in = event_of(CONTEXT_PAYMENTS, "in", offset);
    paid_in.payment = (struct payment_event){.kind = FUNDS_DEPOSITED,
                                             .version = 2,
                                             .customer_id = text_of(customer),
                                             .amount_minor = amount_minor};
    take(customer, &paid_in);
}

/* Of any code: what is there is read, whatever became of its currency. */
Test(fold_event, adds_up_each_currency_by_itself)
{
    begin(CONTEXT_PAYMENTS);
    take_paid_in("a", TEXT("JPY"), 5);
    take_paid_in("b", TEXT("ABC"), 7);
    take_paid_in("c", TEXT("JPY"), 11);
    take_paid_in("d", TEXT("HRK"), INT64_MAX);
    take_paid_in("e", TEXT("HRK"), INT64_MAX);
    expect_only(CHECK_EVENTS, 0);
    static const struct {
        const char *code;
        uint64_t paid_in;
    } sums[] = {{"JPY", 16}, {"ABC", 7}, {"HRK", 2 * (uint64_t)INT64_MAX}};
    cr_assert_eq(fold.ledger_count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_str_eq(fold.ledgers[i].currency.code, sums[i].code);
        cr_assert_eq(fold.ledgers[i].debit[LEDGER_EXTERNAL], sums[i].paid_in);
        cr_assert_eq(fold.ledgers[i].credit[LEDGER_WALLET], sums[i].paid_in);
        cr_assert_eq(fold.ledgers[i].credit[LEDGER_REVENUE], 0u);
    }
    end();
}

Test(fold_event, notices_an_event_that_no_command_has)
{
    begin(CONTEXT_PAYMENTS);
    struct event_message opened = event_of(CONTEXT_PAYMENTS, "open", 0);
    opened.payment = (struct payment_event){
        .kind = ACCOUNT_OPENED, .version = 1, .customer_id = TEXT("c"), .currency = TEXT("USD")};
    struct event_message paid_in = event_of(CONTEXT_PAYMENTS, "in", 1);
    paid_in.payment = (struct payment_event){
        .kind = FUNDS_DEPOSITED, .version = 2, .customer_id = TEXT("c"), .amount_minor = 5};
    struct event_message held = event_of(CONTEXT_PAYMENTS, "hold", 2);
    held.payment = (struct payment_event){.kind = PAYMENT_AUTHORISED,
                                          .version = 3,
                                          .customer_id = TEXT("c"),
                                          .payment_id = TEXT("o"),
                                          .amount_minor = 5};
    take("c", &opened);
    take("c", &paid_in);
    expect(CHECK_EVENTS, 0);
    take("c", &held);
    expect_only(CHECK_EVENTS, 1);
    end();
}

Test(fold_event, finds_every_entity_again_however_many_there_are)
{
    char sku[16];
    begin(CONTEXT_INVENTORY);
    for (int i = 0; i < 20000; i++) {
        snprintf(sku, sizeof sku, "sku-%d", i);
        struct event_message event = added(sku, i);
        take(sku, &event);
    }
    size_t met = 0;
    for (size_t cursor = 0; fold_each(&fold, &cursor);)
        met++;
    cr_assert_eq(met, 20000);
    for (int i = 0; i < 20000; i++) {
        snprintf(sku, sizeof sku, "sku-%d", i);
        cr_assert(fold_find(&fold, ENTITY_PRODUCT, text_of(sku), (struct text){0}));
    }
    cr_assert_not(fold_find(&fold, ENTITY_PRODUCT, TEXT("sku"), (struct text){0}));
    expect_only(CHECK_EVENTS, 0);
    end();
}
