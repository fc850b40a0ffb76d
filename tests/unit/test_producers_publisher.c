#include "producers/publisher.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/ol_error.h"
#include "lib/base/ol_unseen.h"

static char long_id[130];

static void fill(void)
{
    memset(long_id, 'x', sizeof long_id - 1);
}

static struct command cancel(const char *command_id, const char *order_id)
{
    return (struct command){
        .context = CONTEXT_ORDERS,
        .metadata.command_id = text_of(command_id),
        .order = {.kind = ORDER_CANCEL, .order_id = text_of(order_id)},
    };
}

Test(publisher_check, wants_clean_ids, .init = fill)
{
    const struct {
        const char *command_id, *order_id, *fault;
    } rows[] = {
        {"c", "o", NULL},
        {"ação", "日本", NULL},
        {long_id + 1, long_id + 1, NULL},
        {"", "o", "the command id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {long_id, "o", "the command id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c ", "o", "the command id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c", "o\xC2\xA0", "the order id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c\n", "o", "the command id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c", "", "the order id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c", long_id, "the order id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
        {"c", "\xff", "the order id must be 1 to 128 bytes of " OL_UNSEEN_RULE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_error error = {.class = OL_OK};
        struct command command = cancel(rows[i].command_id, rows[i].order_id);
        cr_expect_eq(publisher_check(&command, &error), rows[i].fault ? OL_POISON : OL_OK, "%zu",
                     i);
        if (rows[i].fault)
            cr_expect_str_eq(error.text, rows[i].fault, "%zu", i);
    }
}

Test(publisher_check, names_the_aggregate)
{
    struct ol_error error;
    struct command product = {.context = CONTEXT_INVENTORY, .metadata.command_id = TEXT("c")};
    struct command account = {.context = CONTEXT_PAYMENTS, .metadata.command_id = TEXT("c")};
    product.inventory.kind = PRODUCT_DELETE;
    account.payment.kind = ACCOUNT_OPEN;
    cr_expect_eq(publisher_check(&product, &error), OL_POISON);
    cr_expect_eq(strncmp(error.text, "the SKU must", 12), 0, "%s", error.text);
    cr_expect_eq(publisher_check(&account, &error), OL_POISON);
    cr_expect_eq(strncmp(error.text, "the customer id must", 20), 0, "%s", error.text);
}

Test(publisher_class, tells_a_broker_that_is_away)
{
    cr_expect_eq(publisher_class(OL_RETRY), OL_UNREACHABLE);
    cr_expect_eq(publisher_class(OL_POISON), OL_POISON);
    cr_expect_eq(publisher_class(OL_OK), OL_OK);
}
