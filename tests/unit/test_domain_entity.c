/*
 * tests/unit/test_domain_entity.c - which states there are, and which of them an event changes.
 */
#include "domain/entity.h"

#include <criterion/criterion.h>

#include "domain/topic.h"

Test(entity, is_absent_until_something_made_it)
{
    const struct {
        struct entity entity;
        bool absent;
    } rows[] = {
        {{.kind = ENTITY_ORDER}, true},
        {{.kind = ENTITY_ORDER, .order.version = 1}, false},
        {{.kind = ENTITY_PRODUCT}, true},
        {{.kind = ENTITY_PRODUCT, .product.version = 1}, false},
        {{.kind = ENTITY_RESERVATION}, true},
        {{.kind = ENTITY_RESERVATION, .reservation.status = RESERVATION_IS_RELEASED}, false},
        {{.kind = ENTITY_ACCOUNT}, true},
        {{.kind = ENTITY_ACCOUNT, .account.version = 1}, false},
        {{.kind = ENTITY_PAYMENT}, true},
        {{.kind = ENTITY_PAYMENT, .payment.status = PAYMENT_IS_DECLINED}, false},
        {{.kind = ENTITY_COMMAND}, true},
        {{.kind = ENTITY_COMMAND, .command.outcome = OUTCOME_REJECTED}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(entity_is_absent(&rows[i].entity), rows[i].absent, "row %zu", i);
}

/* The kinds that an event names, in order, and that they are as many without room for them. */
static void expect_kinds(struct event_message event, size_t count, const enum entity_kind *kinds)
{
    struct entity_key keys[EVENT_ENTITIES_MAX];
    cr_assert_eq(event_entities(&event, 3, keys, EVENT_ENTITIES_MAX), count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(keys[i].kind, kinds[i], "key %zu", i);
        cr_expect_eq(keys[i].partition, 3);
    }
    cr_expect_eq(event_entities(&event, 3, NULL, 0), count);
}

#define EXPECT_KINDS(event, ...)                                                                   \
    do {                                                                                           \
        const enum entity_kind kinds_[] = {__VA_ARGS__};                                           \
        expect_kinds(event, sizeof kinds_ / sizeof *kinds_, kinds_);                               \
    } while (0)

static struct event_message event_of(enum context context, enum event_body body,
                                     enum cause_source source, int32_t index)
{
    return (struct event_message){.context = context,
                                  .metadata = {.command_id = TEXT("k-1")},
                                  .body = body,
                                  .cause_source = source,
                                  .cause_index = index};
}

static const struct stock_line lines[] = {{TEXT("s-1"), 1, 1}, {TEXT("s-2"), 1, 1}};

Test(event_entities, are_the_aggregate_its_parts_and_the_commands_record)
{
    struct event_message event = event_of(CONTEXT_ORDERS, EVENT_BODY_DOMAIN, CAUSE_COMMANDS, 0);
    event.order = (struct order_event){.kind = ORDER_PLACED, .order_id = TEXT("o-1")};
    EXPECT_KINDS(event, ENTITY_COMMAND, ENTITY_ORDER);
    event.cause_index = 1; /* the command's second event settles nothing more */
    EXPECT_KINDS(event, ENTITY_ORDER);

    event = event_of(CONTEXT_INVENTORY, EVENT_BODY_DOMAIN, CAUSE_COMMANDS, 0);
    event.inventory = (struct inventory_event){.kind = PRODUCT_ADDED, .sku = TEXT("s-1")};
    EXPECT_KINDS(event, ENTITY_COMMAND, ENTITY_PRODUCT);

    event = event_of(CONTEXT_INVENTORY, EVENT_BODY_DOMAIN, CAUSE_STEPS, 0);
    event.inventory = (struct inventory_event){
        .kind = STOCK_RESERVED, .order_id = TEXT("o-1"), .lines = lines, .line_count = 2};
    EXPECT_KINDS(event, ENTITY_PRODUCT, ENTITY_PRODUCT, ENTITY_RESERVATION);
    event.inventory.kind = STOCK_REFUSED;
    EXPECT_KINDS(event, ENTITY_RESERVATION);

    event = event_of(CONTEXT_PAYMENTS, EVENT_BODY_DOMAIN, CAUSE_COMMANDS, 0);
    event.payment = (struct payment_event){.kind = FUNDS_DEPOSITED, .customer_id = TEXT("c-1")};
    EXPECT_KINDS(event, ENTITY_COMMAND, ENTITY_ACCOUNT);
    event.payment.kind = PAYMENT_DECLINED;
    event.payment.payment_id = TEXT("o-1");
    event.cause_source = CAUSE_STEPS;
    EXPECT_KINDS(event, ENTITY_PAYMENT);
}

Test(event_entities, of_refusals_are_the_commands_record_unless_its_id_was_used_before)
{
    struct event_message event = event_of(CONTEXT_ORDERS, EVENT_BODY_REJECTED, CAUSE_COMMANDS, 0);
    event.rejected.aggregate_id = TEXT("o-1");
    event.rejected.code = REFUSED_ORDER_EMPTY_BASKET;
    EXPECT_KINDS(event, ENTITY_COMMAND);
    event.rejected.code = REFUSED_COMMAND_ID_REUSED;
    expect_kinds(event, 0, NULL);
    event = event_of(CONTEXT_ORDERS, EVENT_BODY_REPEATED, CAUSE_COMMANDS, 0);
    expect_kinds(event, 0, NULL);
}

Test(entity_apply, takes_the_line_of_its_own_product)
{
    struct event_message event = event_of(CONTEXT_INVENTORY, EVENT_BODY_DOMAIN, CAUSE_STEPS, 0);
    const struct stock_line held[] = {{TEXT("s-1"), 2, 8}, {TEXT("s-2"), 3, 5}};
    event.inventory = (struct inventory_event){
        .kind = STOCK_RESERVED, .order_id = TEXT("o-1"), .lines = held, .line_count = 2};
    const struct entity_key key = {.kind = ENTITY_PRODUCT, .id = TEXT("s-2")};
    struct entity product = {.kind = ENTITY_PRODUCT,
                             .product = {.version = 4, .on_hand = 9, .listed = true}};
    entity_apply(&product, &key, &event);
    cr_expect_eq(product.product.reserved, 3);
    cr_expect_eq(product.product.version, 5);
}

Test(topic, names_have_prefix_context_stream_and_version)
{
    cr_expect_str_eq(topic_name("orderlog", CONTEXT_ORDERS, STREAM_COMMANDS).text,
                     "orderlog.orders.commands.v1");
    cr_expect_str_eq(topic_name("x", CONTEXT_PAYMENTS, STREAM_DEAD_LETTERS).text,
                     "x.payments.dlq.v1");
    cr_expect_str_eq(worker_group_name("x", CONTEXT_INVENTORY).text, "x.inventory.worker");
    cr_expect_str_eq(projector_group_name("orderlog").text, "orderlog.projector");
}
