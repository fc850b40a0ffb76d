#include "domain/account.h"

#include <criterion/criterion.h>

#include "domain/message.h"
#include "domain/stock.h"

Test(refusal_name, comes_back_by_name)
{
    cr_assert_str_eq(refusal_name(ACCEPTED), "");
    cr_assert_str_eq(refusal_sentence(ACCEPTED), "");
    cr_assert_str_eq(refusal_name(REFUSED_SKU_TWICE), "SKU_TWICE");
    for (int code = 1; code < REFUSAL_CODE_COUNT; code++) {
        const char *name = refusal_name((enum refusal_code)code);
        cr_assert_eq((int)refusal_by_name(text_of(name)), code, "%s", name);
    }
    cr_assert_eq(refusal_by_name(TEXT("SKU_THRICE")), ACCEPTED);
    cr_assert_eq(refusal_by_name((struct text){0}), ACCEPTED);
}

Test(refusal_sentence, is_one_sentence_without_a_full_stop)
{
    for (int code = 1; code < REFUSAL_CODE_COUNT; code++) {
        const char *sentence = refusal_sentence((enum refusal_code)code);
        cr_assert_gt(strlen(sentence), 10u);
        cr_assert_neq(sentence[strlen(sentence) - 1], '.');
    }
}

#define CHECK_NAMES(count, name, by_name)                                                          \
    for (int i = 1; i < (count); i++) {                                                            \
        cr_assert_str_neq(name(i), "");                                                            \
        cr_assert_eq((int)by_name(text_of(name(i))), i, "%s", name(i));                            \
    }                                                                                              \
    cr_assert_str_eq(name(0), "");                                                                 \
    cr_assert_str_eq(name(count), "");                                                             \
    cr_assert_eq((int)by_name(TEXT("nonsense")), 0)

Test(names, come_back_by_name)
{
    CHECK_NAMES(ORDER_STATUS_COUNT, order_status_name, order_status_by_name);
    CHECK_NAMES(SAGA_STATE_COUNT, saga_state_name, saga_state_by_name);
    CHECK_NAMES(RESERVATION_STATUS_COUNT, reservation_status_name, reservation_status_by_name);
    CHECK_NAMES(PAYMENT_STATUS_COUNT, payment_status_name, payment_status_by_name);
    CHECK_NAMES(OUTCOME_REJECTED + 1, command_outcome_name, command_outcome_by_name);
}

Test(names, are_the_contracts)
{
    cr_assert_str_eq(order_status_name(ORDER_IS_CONFIRMED), "CONFIRMED");
    cr_assert_str_eq(saga_state_name(SAGA_IS_UNDOING), "undoing");
    cr_assert_str_eq(context_name(CONTEXT_INVENTORY), "inventory");
    cr_assert_str_eq(ledger_account_name(LEDGER_REVENUE), "revenue");
    cr_assert_str_eq(ledger_account_name(LEDGER_NOTHING), "");
}

Test(kind_names, are_there_for_every_message)
{
    static const int commands[] = {ORDER_COMMAND_KIND_COUNT, INVENTORY_COMMAND_KIND_COUNT,
                                   PAYMENT_COMMAND_KIND_COUNT};
    static const int steps[] = {ORDER_STEP_KIND_COUNT, INVENTORY_STEP_KIND_COUNT,
                                PAYMENT_STEP_KIND_COUNT};
    static const int events[] = {ORDER_EVENT_KIND_COUNT, INVENTORY_EVENT_KIND_COUNT,
                                 PAYMENT_EVENT_KIND_COUNT};
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        struct command command = {.context = (enum context)context};
        struct step_message step = {.context = (enum context)context};
        struct event_message event = {.context = (enum context)context, .body = EVENT_BODY_DOMAIN};
        cr_assert_str_eq(command_kind_name(&command), "");
        cr_assert_str_eq(step_kind_name(&step), "");
        cr_assert_str_eq(event_kind_name(&event), "");
        for (int kind = 1; kind < commands[context]; kind++) {
            command.order.kind = (enum order_command_kind)kind; /* kind is first in each struct */
            cr_assert_str_neq(command_kind_name(&command), "", "command %d/%d", context, kind);
        }
        for (int kind = 1; kind < steps[context]; kind++) {
            step.order.kind = (enum order_step_kind)kind;
            cr_assert_str_neq(step_kind_name(&step), "", "step %d/%d", context, kind);
        }
        for (int kind = 1; kind < events[context]; kind++) {
            event.order.kind = (enum order_event_kind)kind;
            cr_assert_str_neq(event_kind_name(&event), "", "event %d/%d", context, kind);
        }
    }
}

Test(kind_names, are_the_proto_messages)
{
    struct command command = {.context = CONTEXT_ORDERS, .order.kind = ORDER_PLACE};
    struct step_message step = {.context = CONTEXT_PAYMENTS, .payment.kind = PAYMENT_VOID};
    struct event_message event = {.context = CONTEXT_INVENTORY, .body = EVENT_BODY_REJECTED};
    cr_assert_str_eq(command_kind_name(&command), "PlaceOrder");
    cr_assert_str_eq(step_kind_name(&step), "VoidPayment");
    cr_assert_str_eq(event_kind_name(&event), "CommandRejected");
    event.body = EVENT_BODY_REPEATED;
    cr_assert_str_eq(event_kind_name(&event), "CommandRepeated");
    event.body = EVENT_BODY_RECEIPT;
    cr_assert_str_eq(event_kind_name(&event), "Receipt");
    event.body = EVENT_BODY_NONE;
    cr_assert_str_eq(event_kind_name(&event), "");
}

Test(command_row_kind, says_what_an_accepted_command_did)
{
    struct event_message event = {
        .context = CONTEXT_INVENTORY, .body = EVENT_BODY_DOMAIN, .inventory.kind = STOCK_DECREASED};
    cr_assert_str_eq(command_row_kind(&event), "DECREASE");
    event.inventory.kind = STOCK_RESERVED;
    cr_assert_str_eq(command_row_kind(&event), "", "a step's");
    event.inventory.kind = STOCK_DECREASED;
    event.body = EVENT_BODY_REJECTED;
    cr_assert_str_eq(command_row_kind(&event), "", "refused");
}

Test(command_aggregate, is_the_order_the_product_or_the_customer)
{
    struct command order = {.context = CONTEXT_ORDERS, .order.order_id = TEXT("o")};
    struct command product = {.context = CONTEXT_INVENTORY, .inventory.sku = TEXT("s")};
    struct command wallet = {.context = CONTEXT_PAYMENTS, .payment.customer_id = TEXT("c")};
    cr_assert(text_equal(command_aggregate(&order), TEXT("o")));
    cr_assert(text_equal(command_aggregate(&product), TEXT("s")));
    cr_assert(text_equal(command_aggregate(&wallet), TEXT("c")));
}

Test(step_aggregate, is_the_order_or_the_customer)
{
    struct step_message order = {.context = CONTEXT_ORDERS, .order.order_id = TEXT("o")};
    struct step_message group = {.context = CONTEXT_INVENTORY, .inventory.order_id = TEXT("g")};
    struct step_message wallet = {.context = CONTEXT_PAYMENTS,
                                  .payment.customer_id = TEXT("c"),
                                  .payment.payment_id = TEXT("p")};
    cr_assert(text_equal(step_aggregate(&order), TEXT("o")));
    cr_assert(text_equal(step_aggregate(&group), TEXT("g")));
    cr_assert(text_equal(step_aggregate(&wallet), TEXT("c")));
}

Test(receipt_inputs, are_what_it_counts_of_each_kind)
{
    struct receipt receipt = {.commands_first = 40, .steps_next = 70};
    cr_assert_eq(receipt_inputs(&receipt), 0);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        receipt.counts[i] = 1 << i;
    cr_assert_eq(receipt_inputs(&receipt), (1 << RECEIPT_COUNTS) - 1);
}
