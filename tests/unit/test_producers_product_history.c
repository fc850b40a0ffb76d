#include "producers/product_history.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct product_history *history;
static struct ol_arena arena;
static struct ol_error error;
static struct command commands[2];
static size_t count;

static void set_up(void)
{
    history = product_history_new();
    ol_arena_init(&arena, 4096, 0);
}

static void tear_down(void)
{
    product_history_free(history);
    ol_arena_release(&arena);
}

TestSuite(product_history, .init = set_up, .fini = tear_down);

/* As import_file makes a row. */
static enum ol_class row(const char *sku, int64_t price, int64_t stock)
{
    commands[0] = commands[1] = (struct command){.context = CONTEXT_INVENTORY};
    commands[0].metadata.command_id = TEXT("product/x");
    commands[1].metadata.command_id = TEXT("stock/x");
    commands[0].inventory =
        (struct inventory_command){.kind = PRODUCT_ADD,
                                   .sku = text_of(sku),
                                   .details = {.price_minor = price, .currency = TEXT("BRL")}};
    commands[1].inventory = (struct inventory_command){
        .kind = STOCK_INCREASE, .sku = text_of(sku), .quantity = stock, .reason = TEXT("import")};
    count = stock ? 2 : 1;
    return product_history_rewrite(history, commands, &count, &arena, &error);
}

/* The product decides as it does; what it did is on the log. */
static void decided(const struct command *command, struct inventory_event event)
{
    struct event_message message = {.context = CONTEXT_INVENTORY,
                                    .metadata = command->metadata,
                                    .cause_source = CAUSE_COMMANDS,
                                    .body = EVENT_BODY_DOMAIN,
                                    .inventory = event};
    message.inventory.sku = command->inventory.sku;
    cr_assert(product_history_event(history, &message));
}

static void decide_all(int64_t on_hand)
{
    for (size_t i = 0; i < count; i++) {
        const struct inventory_command *asked = &commands[i].inventory;
        int64_t more = asked->quantity - (asked->kind == STOCK_COUNT ? on_hand : 0);
        if (asked->kind == PRODUCT_ADD || asked->kind == PRODUCT_MODIFY)
            decided(&commands[i],
                    (struct inventory_event){.kind = asked->kind == PRODUCT_ADD ? PRODUCT_ADDED
                                                                                : PRODUCT_MODIFIED,
                                             .details = asked->details});
        else
            decided(&commands[i],
                    (struct inventory_event){.kind = more > 0 ? STOCK_INCREASED : STOCK_DECREASED,
                                             .quantity = more > 0 ? more : -more});
    }
}

static bool id_ends(size_t i, const char *prefix, const char *end)
{
    struct text id = commands[i].metadata.command_id;
    size_t bytes = strlen(end);
    return strncmp(id.data, prefix, strlen(prefix)) == 0 && id.bytes > bytes &&
           memcmp(id.data + id.bytes - bytes, end, bytes) == 0;
}

Test(product_history, leaves_a_new_product_as_it_is)
{
    cr_assert_eq(row("s1", 100, 5), OL_OK);
    cr_expect_eq(count, 2u);
    cr_expect_eq(commands[0].inventory.kind, PRODUCT_ADD);
    cr_expect(text_equal(commands[1].metadata.command_id, TEXT("stock/x")));
}

Test(product_history, asks_for_nothing_where_nothing_differs)
{
    row("s1", 100, 5);
    decide_all(0);
    cr_assert_eq(row("s1", 100, 5), OL_OK);
    cr_expect_eq(count, 0u);
}

Test(product_history, asks_for_what_differs_and_counts_the_stock)
{
    row("s1", 100, 5);
    decide_all(0);
    cr_assert_eq(row("s1", 120, 5), OL_OK);
    cr_assert_eq(count, 1u);
    cr_expect_eq(commands[0].inventory.kind, PRODUCT_MODIFY);
    cr_expect_eq(commands[0].inventory.details.price_minor, 120);
    cr_expect(id_ends(0, "details/s1/", "/1"));
    cr_assert_eq(row("s1", 100, 0), OL_OK);
    cr_assert_eq(count, 1u);
    cr_expect_eq(commands[0].inventory.kind, STOCK_COUNT);
    cr_expect_eq(commands[0].inventory.quantity, 0);
    cr_expect(id_ends(0, "count/s1/", "/1"));
}

Test(product_history, numbers_the_uses_of_prices_a_b_a)
{
    struct text first;
    row("s1", 100, 5);
    decide_all(0);
    row("s1", 120, 5);
    first = commands[0].metadata.command_id;
    cr_assert_eq(row("s1", 120, 5), OL_OK); /* again, before anybody has decided */
    cr_expect(text_equal(commands[0].metadata.command_id, first));
    decide_all(5);
    row("s1", 100, 5);
    cr_expect(id_ends(0, "details/s1/", "/2"));
    decide_all(5);
    row("s1", 120, 5);
    cr_expect(id_ends(0, "details/s1/", "/3"));
    cr_expect_not(text_equal(commands[0].metadata.command_id, first));
}

Test(product_history, is_the_same_command_again_after_somebody_took_units)
{
    struct command taken = {.context = CONTEXT_INVENTORY, .metadata.command_id = TEXT("mine")};
    taken.inventory.sku = TEXT("s1");
    row("s1", 100, 5);
    decide_all(0);
    row("s1", 100, 9);
    struct text first = commands[0].metadata.command_id;
    decide_all(5);
    decided(&taken, (struct inventory_event){.kind = STOCK_DECREASED, .quantity = 2});
    cr_assert_eq(row("s1", 100, 9), OL_OK);
    cr_assert_eq(count, 1u);
    cr_expect(text_equal(commands[0].metadata.command_id, first));
}

Test(product_history, adds_a_product_anew_that_has_left_the_list)
{
    struct command gone = {.context = CONTEXT_INVENTORY, .metadata.command_id = TEXT("mine")};
    gone.inventory.sku = TEXT("s1");
    row("s1", 100, 5);
    decide_all(0);
    row("s1", 120, 0);
    decide_all(5);
    decided(&gone, (struct inventory_event){.kind = PRODUCT_DELETED});
    cr_assert_eq(row("s1", 120, 5), OL_OK);
    cr_assert_eq(count, 2u);
    cr_expect_eq(commands[0].inventory.kind, PRODUCT_ADD);
    cr_expect(id_ends(0, "details/s1/", "/2")); /* the same content, and another use */
    cr_expect_eq(commands[1].inventory.kind, STOCK_COUNT);
    cr_expect(id_ends(1, "count/s1/0000000000000005", "/2"));
}

Test(product_history, takes_commands_without_an_outcome_into_account)
{
    row("s1", 100, 5);
    for (size_t i = 0; i < 2; i++)
        cr_assert(product_history_command(history, &commands[i]));
    row("s1", 120, 5);
    cr_assert_eq(count, 1u);
    cr_assert(product_history_command(history, &commands[0]));
    cr_assert_eq(row("s1", 100, 5), OL_OK);
    cr_assert_eq(count, 1u);
    cr_expect(id_ends(0, "details/s1/", "/2"));
}

Test(product_history, knows_a_refused_use_and_no_other_s_id)
{
    struct event_message refused = {.context = CONTEXT_INVENTORY,
                                    .cause_source = CAUSE_COMMANDS,
                                    .body = EVENT_BODY_REJECTED,
                                    .rejected = {.aggregate_id = TEXT("s1")}};
    row("s1", 100, 5);
    decide_all(0);
    row("s1", 100, 2);
    struct text first = commands[0].metadata.command_id;
    refused.metadata.command_id = first; /* fewer than are reserved */
    cr_assert(product_history_event(history, &refused));
    row("s1", 100, 1);
    cr_expect(id_ends(0, "count/s1/", "/2"));
    refused.metadata.command_id = TEXT("count/s1/000000000000000g/77");
    cr_assert(product_history_event(history, &refused));
    refused.metadata.command_id = TEXT("count/s2/0000000000000001/77");
    cr_assert(product_history_event(history, &refused));
    row("s1", 100, 1);
    cr_expect(id_ends(0, "count/s1/", "/2"));
}

Test(product_history, refuses_an_id_that_would_be_too_long)
{
    char sku[121];
    memset(sku, 'x', 120);
    sku[120] = 0;
    cr_assert_eq(row(sku, 100, 5), OL_OK);
    decide_all(0);
    cr_expect_eq(row(sku, 120, 5), OL_POISON);
    cr_expect(strstr(error.text, "the SKU is too long for a change"), "%s", error.text);
}
