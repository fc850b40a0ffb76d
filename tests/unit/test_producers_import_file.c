#include "producers/import_file.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ol_unseen.h"

static char path[] = "/tmp/orderlog-import-XXXXXX";
static struct import_file *file;
static struct ol_error error;
static struct command commands[IMPORT_COMMANDS_MAX];
static size_t count;

static void release(void)
{
    import_file_close(file);
    file = NULL;
    unlink(path);
}

static enum ol_class open_text(enum import_kind kind, const char *text)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return import_file_open(kind, path, &file, &error);
}

static enum ol_class next(void)
{
    return import_file_next(file, commands, &count, &error);
}

static bool is(struct text text, const char *expected)
{
    return text_equal(text, text_of(expected));
}

/* What is left of a file: "ok" n times, then the error behind the file's name, or "end". */
static const char *story(void)
{
    static char text[2048];
    size_t used = 0;
    enum ol_class class = next();
    for (; class == OL_OK && count; class = next())
        used += (size_t)snprintf(text + used, sizeof text - used, "ok ");
    snprintf(text + used, sizeof text - used, "%s",
             class ? error.text + (strncmp(error.text, path, strlen(path)) ? 0 : strlen(path))
                   : "end");
    return text;
}

TestSuite(import_products, .fini = release);
TestSuite(import_accounts, .fini = release);
TestSuite(import_baskets, .fini = release);

#define PRODUCTS "sku,name,category,brand,price_minor,currency,stock\n"
#define ACCOUNTS "customer_id,currency,funds_minor\n"
#define BASKETS  "basket_id,customer_id,placed_at,line_no,sku,quantity,amount_minor,currency\n"

Test(import_products, makes_a_product_and_its_stock)
{
    cr_assert_eq(open_text(IMPORT_PRODUCTS, PRODUCTS "s1,\"Tea, green\",food,ACME,1250,BRL,7\n"),
                 OL_OK);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(commands[0].context, CONTEXT_INVENTORY);
    cr_assert(is(commands[0].metadata.command_id, "product/s1"));
    cr_assert_eq(commands[0].inventory.kind, PRODUCT_ADD);
    cr_assert(is(commands[0].inventory.sku, "s1"));
    cr_assert(is(commands[0].inventory.details.name, "Tea, green"));
    cr_assert(is(commands[0].inventory.details.category, "food"));
    cr_assert(is(commands[0].inventory.details.brand, "ACME"));
    cr_assert(is(commands[0].inventory.details.currency, "BRL"));
    cr_assert_eq(commands[0].inventory.details.price_minor, 1250);
    cr_assert(is(commands[1].metadata.command_id, "stock/s1"));
    cr_assert_eq(commands[1].inventory.kind, STOCK_INCREASE);
    cr_assert(is(commands[1].inventory.sku, "s1"));
    cr_assert_eq(commands[1].inventory.quantity, 7);
    cr_assert_eq(commands[1].metadata.occurred_at_us, TIME_NONE);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(import_file_rows(file), 1);
}

Test(import_products, makes_no_stock_of_none_and_leaves_a_wrong_one_to_the_pipeline)
{
    cr_assert_eq(open_text(IMPORT_PRODUCTS, PRODUCTS "s1,,,,0,BRL,0\ns2,,,,-5,xx,-3\n"), OL_OK);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(commands[0].inventory.details.price_minor, -5);
    cr_assert_eq(commands[1].inventory.quantity, -3);
}

/* What is counted and changed by a list must be there once. */
Test(import_products, a_list_with_a_sku_twice_is_refused_before_its_first_row)
{
    static const struct {
        const char *rows, *error;
    } cases[] = {
        {"s1,,,,1,BRL,1\ns2,,,,1,BRL,1\ns1,,,,2,BRL,1\n",
         ":4:1: sku: \"s1\" is on line 2 too; which of the rows counts?"},
        {"s1,,,,1,BRL,1\ns1,,,,1,BRL,1\n",
         ":3:1: sku: \"s1\" is on line 2 too; which of the rows counts?"},
        {"s1,,,,1,BRL,1\ns2,,,,one,BRL,1\n", ":3:7: price_minor: 'one' is not a whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, PRODUCTS "%s", cases[i].rows);
        cr_assert_eq(open_text(IMPORT_PRODUCTS, text), OL_OK);
        cr_expect_eq(import_file_check(file, 0, &error), OL_POISON, "case %zu", i);
        cr_expect_str_eq(error.text + strlen(path), cases[i].error);
        release();
    }
}

Test(import_products, a_list_that_was_checked_begins_again)
{
    cr_assert_eq(open_text(IMPORT_PRODUCTS, "\xef\xbb\xbf" PRODUCTS "s1,,,,1,BRL,1\ns2,,,,1,BRL,0\n"
                                            "s1,,,,1,BRL,1\n"),
                 OL_OK);
    cr_assert_eq(import_file_check(file, 2, &error), OL_OK, "%s", error.text);
    cr_assert_eq(import_file_rows(file), 0);
    cr_assert(next() == OL_OK && count == 2 && is(commands[0].inventory.sku, "s1"));
    cr_assert_eq(import_file_line(file), 2);
    cr_assert_str_eq(story(), "ok ok end");
}

Test(import_products, a_pipe_is_not_checked)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    static const char text[] = PRODUCTS "s1,,,,1,BRL,1\n";
    cr_assert_eq(write(ends[1], text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(ends[1]);
    cr_assert_eq(import_file_open(IMPORT_PRODUCTS, "-", &file, &error), OL_OK);
    cr_assert_eq(import_file_check(file, 0, &error), OL_USAGE);
    cr_assert_str_eq(error.text, "stdin is no file; this list is read twice, so write it to one");
}

/* What was wrong, where, and what to write. */
Test(import_products, an_amount_with_a_point_is_refused_by_the_digits_of_its_currency)
{
    static const struct {
        enum import_kind kind;
        const char *text, *error;
    } cases[] = {
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,12.34,USD,1\n",
         ":2:7: price_minor: '12.34' is not in minor units; USD has 2 digits behind the point, so "
         "write 1234"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,1.005,KWD,1\n",
         ":2:7: price_minor: '1.005' is not in minor units; KWD has 3 digits behind the point, so "
         "write 1005"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,1.005,USD,1\n",
         ":2:7: price_minor: '1.005' is more exact than USD, which has 2 digits behind the point; "
         "round it, and write whole minor units"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,100.0,JPY,1\n",
         ":2:7: price_minor: '100.0' is more exact than JPY, which has 0 digits behind the point; "
         "round it, and write whole minor units"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,1.2.3,USD,1\n",
         ":2:7: price_minor: '1.2.3' is not a whole number"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,99999999999999999999.0,USD,1\n",
         ":2:7: price_minor: '99999999999999999999.0' is not a whole number"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,1.5,usd,1\n",
         ":2:7: price_minor: '1.5' is not a whole number"},
        {IMPORT_PRODUCTS, PRODUCTS "s1,,,,1.5,XAU,1\n",
         ":2:7: price_minor: '1.5' is not a whole number"},
        {IMPORT_ACCOUNTS, ACCOUNTS "c1,USD,5.5\n",
         ":2:8: funds_minor: '5.5' is not in minor units; USD has 2 digits behind the point, so "
         "write 550"},
        {IMPORT_BASKETS, BASKETS "b1,c1,2017-10-02T10:56:33Z,1,s1,2,-0.5,EUR\n",
         ":2:35: amount_minor: '-0.5' is not in minor units; EUR has 2 digits behind the point, so "
         "write -50"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(open_text(cases[i].kind, cases[i].text), OL_OK);
        cr_expect_str_eq(story(), cases[i].error, "case %zu", i);
        release();
    }
}

Test(import_accounts, makes_a_wallet_and_its_funds)
{
    cr_assert_eq(open_text(IMPORT_ACCOUNTS, ACCOUNTS "c1,BRL,500\nc2,BRL,0\n"), OL_OK);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(commands[0].context, CONTEXT_PAYMENTS);
    cr_assert(is(commands[0].metadata.command_id, "account/c1"));
    cr_assert_eq(commands[0].payment.kind, ACCOUNT_OPEN);
    cr_assert(is(commands[0].payment.customer_id, "c1"));
    cr_assert(is(commands[0].payment.currency, "BRL"));
    cr_assert(is(commands[1].metadata.command_id, "funds/c1"));
    cr_assert_eq(commands[1].payment.kind, FUNDS_DEPOSIT);
    cr_assert_eq(commands[1].payment.amount_minor, 500);
    cr_assert(is(commands[1].payment.currency, "BRL"));
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 1);
}

Test(import_baskets, groups_the_lines_of_a_basket)
{
    cr_assert_eq(open_text(IMPORT_BASKETS, BASKETS "b1,c1,2017-10-02T10:56:33Z,1,s1,2,300,BRL\n"
                                                   "b1,c1,2017-10-02T10:56:33Z,3,s2,1,0,BRL\n"
                                                   "b2,c2,2017-10-02 10:56:33,1,s1,1,150,BRL\n"),
                 OL_OK);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 1);
    const struct command *place = &commands[0];
    cr_assert_eq(place->context, CONTEXT_ORDERS);
    cr_assert(is(place->metadata.command_id, "basket/b1"));
    cr_assert_eq(place->metadata.occurred_at_us, INT64_C(1506941793000000));
    cr_assert_eq(place->order.kind, ORDER_PLACE);
    cr_assert(is(place->order.order_id, "b1"));
    cr_assert(is(place->order.customer_id, "c1"));
    cr_assert(is(place->order.currency, "BRL"));
    cr_assert_eq(place->order.line_count, 2);
    cr_assert(is(place->order.lines[0].sku, "s1"));
    cr_assert_eq(place->order.lines[0].quantity, 2);
    cr_assert_eq(place->order.lines[0].amount_minor, 300);
    cr_assert(is(place->order.lines[1].sku, "s2"));
    cr_assert_eq(import_file_line(file), 2);
    cr_assert_eq(next(), OL_OK);
    cr_assert(is(commands[0].order.order_id, "b2"));
    cr_assert_eq(commands[0].order.line_count, 1);
    cr_assert_eq(commands[0].metadata.occurred_at_us, INT64_C(1506941793000000));
    cr_assert_eq(import_file_line(file), 4);
    cr_assert_eq(import_file_rows(file), 3);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(count, 0);
}

Test(import_baskets, leaves_what_is_readable_and_wrong_to_the_pipeline)
{
    cr_assert_eq(open_text(IMPORT_BASKETS, BASKETS "b1,c1,2017-10-02T10:56:33Z,1,s1,0,-1,brl\n"
                                                   "b1,c1,2017-10-02T10:56:33Z,2,s1,-9,0,brl\n"
                                                   "b2,,2017-10-02T10:56:33Z,1,,1,1,\n"),
                 OL_OK);
    cr_assert_str_eq(story(), "ok ok end");
}

Test(import_baskets, holds_many_lines)
{
    static char text[200 * 1000];
    size_t used = (size_t)snprintf(text, sizeof text, BASKETS);
    for (int i = 1; i <= 3000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "b1,c1,2017-10-02T10:56:33Z,%d,sku-%d,1,1,BRL\n", i, i);
    cr_assert_eq(open_text(IMPORT_BASKETS, text), OL_OK);
    cr_assert_eq(next(), OL_OK);
    cr_assert_eq(commands[0].order.line_count, 3000);
    cr_assert(is(commands[0].order.lines[0].sku, "sku-1"));
    cr_assert(is(commands[0].order.lines[2999].sku, "sku-3000"));
}

Test(import_baskets, remembers_many_baskets)
{
    static char text[400 * 1000];
    size_t used = (size_t)snprintf(text, sizeof text, BASKETS);
    for (int i = 0; i < 5000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "b%d,c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n", i);
    snprintf(text + used, sizeof text - used, "b17,c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n");
    cr_assert_eq(open_text(IMPORT_BASKETS, text), OL_OK);
    for (int i = 0; i < 5000; i++)
        cr_assert(next() == OL_OK && count == 1, "%d: %s", i, error.text);
    cr_assert_eq(next(), OL_POISON);
    cr_assert_str_eq(
        error.text + strlen(path),
        ":5002:1: basket_id: the basket \"b17\" came further up: all lines of a basket "
        "must be together");
    cr_assert(import_file_split(file));
}

#define B(rest) "b1,c1,2017-10-02T10:56:33Z," rest "\n"

Test(import_baskets, names_the_place_of_a_fault)
{
    static const struct {
        const char *text, *story;
    } rows[] = {
        {BASKETS, "end"},
        {BASKETS B("1,s,1,1,BRL") "b1,c2,2017-10-02T10:56:33Z,2,s,1,1,BRL\n",
         ":3:4: customer_id: \"c2\" differs from \"c1\" in the basket's first line; all lines of a "
         "basket share it"},
        {BASKETS B("1,s,1,1,BRL") "b1,c1,2017-10-03T10:56:33Z,2,s,1,1,BRL\n",
         ":3:7: placed_at: \"2017-10-03T10:56:33Z\" differs from \"2017-10-02T10:56:33Z\" in the "
         "basket's first line; all lines of a basket share it"},
        {BASKETS B("1,s,1,1,BRL") B("2,s,1,1,EUR"),
         ":3:36: currency: \"EUR\" differs from \"BRL\" in the basket's first line; all lines of a "
         "basket share it"},
        {BASKETS B("2,s,1,1,BRL") B("2,s,1,1,BRL"),
         ":3:28: line_no: 2 after 2; within a basket the numbers rise"},
        {BASKETS B("1,s,1,1,BRL") "b2,c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n" B("2,s,1,1,BRL"),
         "ok ok :4:1: basket_id: the basket \"b1\" came further up: all lines of a basket must be "
         "together"},
        {BASKETS B("1,s,1,1,BRL") "b2,c1,yesterday,1,s,1,1,BRL\n",
         "ok :3:7: placed_at: \"yesterday\" is no time such as 2017-10-02T10:56:33Z"},
        {BASKETS ",c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n",
         ":2:1: basket_id: an id must be 1 to 121 bytes of " OL_UNSEEN_RULE "; this has 0"},
        {BASKETS "\"b\n1\",c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n",
         ":2:1: basket_id: an id must be 1 to 121 bytes of " OL_UNSEEN_RULE "; this has 3"},
        {BASKETS "b1 ,c1,2017-10-02T10:56:33Z,1,s,1,1,BRL\n",
         ":2:1: basket_id: an id must be 1 to 121 bytes of " OL_UNSEEN_RULE "; this has 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(open_text(IMPORT_BASKETS, rows[i].text), OL_OK);
        cr_expect_str_eq(story(), rows[i].story, "row %zu: %s", i, story());
        release();
    }
}

/* The sentences are the CSV reader's: only the places are held here. */
Test(import_baskets, names_the_place_of_what_is_no_number_or_no_csv)
{
    static const struct {
        const char *text, *place;
    } rows[] = {
        {BASKETS B("1,s,1.5,1,BRL"), ":2:32: quantity: "},
        {BASKETS B("1,s,1,,BRL"), ":2:34: amount_minor: "},
        {BASKETS B("x,s,1,1,BRL"), ":2:28: line_no: "},
        {BASKETS B("1,s,9223372036854775808,1,BRL"), ":2:32: quantity: "},
        {BASKETS B("1,s,1,1,BRL") "b2,c1\n", ":3:"},
        {BASKETS B("1,s\xff,1,1,BRL"), ":2:30: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(open_text(IMPORT_BASKETS, rows[i].text), OL_OK);
        const char *told = story();
        cr_expect_eq(strncmp(told, rows[i].place, strlen(rows[i].place)), 0, "row %zu: %s", i,
                     told);
        release();
    }
}

Test(import_baskets, refuses_another_header)
{
    cr_assert_eq(open_text(IMPORT_BASKETS, "basket_id,customer_id\n"), OL_POISON);
}

Test(import_products, holds_ids_to_their_length)
{
    char text[512], sku[122];
    memset(sku, 'x', sizeof sku);
    sku[121] = 0; /* with "product/" before it 129 bytes */
    snprintf(text, sizeof text, PRODUCTS "%s,,,,0,BRL,0\n%s,,,,0,BRL,0\n", sku + 1, sku);
    cr_assert_eq(open_text(IMPORT_PRODUCTS, text), OL_OK);
    cr_assert_str_eq(story(), "ok :3:1: sku: an id must be 1 to 120 bytes of " OL_UNSEEN_RULE
                              "; this has 121");
}
