#include "domain/step_id.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct step_message step_to(enum context context, struct text order, int64_t version,
                                   int32_t number)
{
    struct step_message step = {.context = context,
                                .metadata.correlation_id = TEXT("basket/7"),
                                .asker = {version, number}};
    switch (context) {
    case CONTEXT_ORDERS: step.order.order_id = order; break;
    case CONTEXT_INVENTORY: step.inventory.order_id = order; break;
    default: step.payment.payment_id = order; step.payment.customer_id = TEXT("anna");
    }
    return step;
}

static struct text following(const struct step_message *step, char buffer[ID_BYTES_MAX])
{
    return (struct text){buffer, step_id_following(step, buffer)};
}

Test(step_id, follows_from_order_asker_and_context)
{
    static const struct {
        enum context context;
        const char *order;
        int64_t version;
        int32_t number;
        const char *id, *cause; /* "": none */
    } rows[] = {
        {CONTEXT_INVENTORY, "o", 1, 1, "o/1/1", "basket/7"},
        {CONTEXT_INVENTORY, "o/1", 10, 64, "o/1/10/64", "basket/7"},
        {CONTEXT_PAYMENTS, "ø", 2, 9, "ø/2/9", "basket/7"},
        {CONTEXT_ORDERS, "o", 1, 100, "o/1/100/r", "o/1/100"},
        {CONTEXT_ORDERS, "o", INT64_MAX, 65535, "o/9223372036854775807/65535/r",
         "o/9223372036854775807/65535"},
        {CONTEXT_ORDERS, "o", 0, 0, "", ""},
        {CONTEXT_INVENTORY, "o", 0, 1, "", ""},
        {CONTEXT_PAYMENTS, "o", 1, 0, "", ""},
        {CONTEXT_ORDERS, "o", -1, 1, "", ""},
        {CONTEXT_ORDERS, "o", 1, -1, "", ""},
        {CONTEXT_ORDERS, "o", 1, 65536, "", ""},
        {CONTEXT_ORDERS, "", 1, 1, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buffer[ID_BYTES_MAX];
        struct step_message step =
            step_to(rows[i].context, text_of(rows[i].order), rows[i].version, rows[i].number);
        struct text id = following(&step, buffer);
        cr_expect(text_equal(id, text_of(rows[i].id)), "row %zu: %.*s", i, (int)id.bytes, id.data);
        if (id.bytes)
            cr_expect(text_equal(step_id_following_cause(&step, id), text_of(rows[i].cause)),
                      "row %zu", i);
    }
}

Test(step_id, has_room_behind_the_longest_stem_and_follows_from_no_longer_one)
{
    char order[STEP_ID_STEM_BYTES_MAX + 1], buffer[ID_BYTES_MAX];
    memset(order, 'o', sizeof order);
    struct text longest = {order, STEP_ID_STEM_BYTES_MAX}, longer = {order, sizeof order};
    struct step_message step = step_to(CONTEXT_ORDERS, longest, INT64_MAX, 65535);
    cr_expect_eq(step_id_following(&step, buffer), (uint32_t)ID_BYTES_MAX);
    step = step_to(CONTEXT_ORDERS, longer, 1, 1);
    cr_expect_eq(step_id_following(&step, buffer), 0u);
}

Test(step_id, stops_at_a_stem_without_a_byte, .signal = SIGABRT)
{
    char buffer[ID_BYTES_MAX];
    step_id_write(TEXT(""), (struct asker){1, 1}, buffer);
}

Test(step_id, stops_at_a_number_that_no_step_has, .signal = SIGABRT)
{
    char buffer[ID_BYTES_MAX];
    step_id_write(TEXT("o"), (struct asker){1, 65536}, buffer);
}
