#include "tests/unit/codec_samples.h"

#include <stdio.h>
#include <stdlib.h>

#define META(id, cause)                                                                            \
    {                                                                                              \
        .command_id = TEXT(id), .correlation_id = TEXT("chain-1"), .causation_id = TEXT(cause),    \
        .actor = TEXT("Zoë"), .occurred_at_us = 1506941793123456, .expected_version = 42           \
    }

#define COMMAND(name_, context_, ...)                                                              \
    {                                                                                              \
        .name = name_, .stream = STREAM_COMMANDS, .command = {                                     \
            .context = context_,                                                                   \
            .metadata = META("command-3", "cause-2"),                                              \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define STEP(name_, context_, metadata_, ...)                                                      \
    {                                                                                              \
        .name = name_, .stream = STREAM_STEPS, .step = {                                           \
            .context = context_,                                                                   \
            .metadata = metadata_,                                                                 \
            .asker = {5000000004, 65},                                                             \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
/* Their causes follow: a timeout's doesn't. */
#define QUESTION "order-4/5000000004/65"
#define REPLIED  META(QUESTION "/r", QUESTION)

#define ASK(name, context, ...) STEP(name, context, META(QUESTION, "chain-1"), __VA_ARGS__)
#define REPLY(name, ...)        STEP(name, CONTEXT_ORDERS, REPLIED, __VA_ARGS__)
#define EVENT_(name_, context_, body_, ...)                                                        \
    {                                                                                              \
        .name = name_, .stream = STREAM_EVENTS, .event = {                                         \
            .context = context_,                                                                   \
            .metadata = META("command-3", "cause-2"),                                              \
            .recorded_at_us = 1700000000123000,                                                    \
            .cause_source = CAUSE_STEPS,                                                           \
            .cause_offset = 5000000000,                                                            \
            .cause_place = 7,                                                                      \
            .cause_index = 1,                                                                      \
            .asker = {5000000005, 64},                                                             \
            .body_digest = UINT64_C(0xfedcba9876543210),                                           \
            .body = body_,                                                                         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define EVENT(name, context, ...) EVENT_(name, context, EVENT_BODY_DOMAIN, __VA_ARGS__)

#define ORDER    .order_id = TEXT("order-4")
#define CUSTOMER .customer_id = TEXT("customer-5")
#define EUR      .currency = TEXT("EUR")
#define SKU      .sku = TEXT("sku-6")
#define PAYMENT  .payment_id = TEXT("order-4")
#define DEADLINE .deadline_us = 1700000900123000
#define DETAILS                                                                                    \
    .details = {.name = TEXT("Kaffee, gemahlen"),                                                  \
                .category = TEXT("食品"),                                                          \
                .brand = TEXT("Röster & Co"),                                                      \
                .price_minor = 1299,                                                               \
                .currency = TEXT("EUR")}
#define STATE(version_, status_, saga_, payment_)                                                  \
    .version = version_, .status = status_, .saga_state = saga_, .payment = ORDER_PAYMENT_##payment_

static const struct order_line lines[] = {
    {TEXT("sku-6"), 3, 3897, 2},
    {TEXT("sku-7"), 1, 0, 0},
};
static const struct stock_line stock_lines[] = {
    {TEXT("sku-6"), 3, 17},
    {TEXT("sku-8"), 5000000001, 18},
};
static const struct stock_line step_lines[] = {
    {TEXT("sku-6"), 3, 0},
    {TEXT("sku-8"), 5000000001, 0},
};

#define REJECTED(context_)                                                                         \
    EVENT_("CommandRejected", context_, EVENT_BODY_REJECTED,                                       \
           .rejected = {.aggregate_id = TEXT("aggregate-9"),                                       \
                        .code = REFUSED_SKU_TWICE,                                                 \
                        .message = TEXT("a SKU may stand in one line only")})
#define REPEATED(context_)                                                                         \
    EVENT_("CommandRepeated", context_, EVENT_BODY_REPEATED,                                       \
           .repeated = {.aggregate_id = TEXT("aggregate-9"),                                       \
                        .outcome = OUTCOME_REJECTED,                                               \
                        .code = REFUSED_FUNDS_SHORT})
#define RECEIPT(context_)                                                                          \
    {                                                                                              \
        .name = "Receipt", .stream = STREAM_EVENTS, .event = {                                     \
            .context = context_,                                                                   \
            .metadata = {.occurred_at_us = TIME_NONE},                                             \
            .recorded_at_us = TIME_NONE,                                                           \
            .body = EVENT_BODY_RECEIPT,                                                            \
            .receipt = {.commands_first = 100,                                                     \
                        .commands_next = 5000000002,                                               \
                        .steps_first = 300,                                                        \
                        .steps_next = 400,                                                         \
                        .counts[RECEIPT_DECIDED] = 1,                                              \
                        .counts[RECEIPT_REFUSED] = 2,                                              \
                        .counts[RECEIPT_REPEATED] = 3,                                             \
                        .counts[RECEIPT_IGNORED] = 4,                                              \
                        .counts[RECEIPT_PASSED_ON] = 5,                                            \
                        .counts[RECEIPT_DEAD_LETTERED] = 6}                                        \
        }                                                                                          \
    }
#define COMMON(context) REJECTED(context), REPEATED(context), RECEIPT(context)

const struct sample samples[] = {
    /* orders */
    COMMAND("PlaceOrder", CONTEXT_ORDERS,
            .order = {.kind = ORDER_PLACE, ORDER, CUSTOMER, EUR, .lines = lines, .line_count = 2}),
    COMMAND("CancelOrder", CONTEXT_ORDERS, .order = {.kind = ORDER_CANCEL, ORDER}),
    REPLY("StockReservedReply",
          .order = {.kind = ORDER_STOCK_RESERVED_REPLY, ORDER, .groups = 0x8000000000000028}),
    REPLY("StockRefusedReply", .order = {.kind = ORDER_STOCK_REFUSED_REPLY,
                                         ORDER,
                                         .partition = 63,
                                         .code = REFUSED_STOCK_SHORT,
                                         SKU}),
    REPLY("StockReleasedReply", .order = {.kind = ORDER_STOCK_RELEASED_REPLY, ORDER, .groups = 6}),
    REPLY("PaymentAuthorisedReply", .order = {.kind = ORDER_PAYMENT_AUTHORISED_REPLY, ORDER}),
    REPLY("PaymentDeclinedReply",
          .order = {.kind = ORDER_PAYMENT_DECLINED_REPLY, ORDER, .code = REFUSED_FUNDS_SHORT}),
    REPLY("PaymentVoidedReply", .order = {.kind = ORDER_PAYMENT_VOIDED_REPLY, ORDER}),
    STEP("OrderTimeout", CONTEXT_ORDERS, META("order-4/1/0/r", "cause-2"),
         .order = {.kind = ORDER_TIMEOUT, ORDER, DEADLINE}),
    REPLY("PaymentChargedReply", .order = {.kind = ORDER_PAYMENT_CHARGED_REPLY, ORDER}),
    REPLY("PaymentReversedReply", .order = {.kind = ORDER_PAYMENT_REVERSED_REPLY, ORDER}),
    EVENT("OrderPlaced", CONTEXT_ORDERS,
          .order = {.kind = ORDER_PLACED,
                    ORDER,
                    STATE(1, ORDER_IS_PLACED, SAGA_IS_RUNNING, NONE),
                    CUSTOMER,
                    EUR,
                    .lines = lines,
                    .line_count = 2,
                    .total_minor = 3897,
                    .payment_row = PAYMENT_ROW_CHARGE,
                    DEADLINE}),
    EVENT("OrderStockReserved", CONTEXT_ORDERS,
          .order = {.kind = ORDER_STOCK_RESERVED,
                    ORDER,
                    STATE(2, ORDER_IS_RESERVED, SAGA_IS_RUNNING, ASKED),
                    .groups = 0x28}),
    EVENT("OrderConfirmed", CONTEXT_ORDERS,
          .order = {.kind = ORDER_CONFIRMED,
                    ORDER,
                    STATE(3, ORDER_IS_CONFIRMED, SAGA_IS_DONE, AUTHORISED)}),
    EVENT("OrderRejected", CONTEXT_ORDERS,
          .order = {.kind = ORDER_REJECTED,
                    ORDER,
                    STATE(4, ORDER_IS_REJECTED, SAGA_IS_UNDOING, DECLINED),
                    .code = REFUSED_STOCK_SHORT,
                    SKU,
                    .partition = -1,
                    DEADLINE}),
    EVENT("OrderCancelled", CONTEXT_ORDERS,
          .order = {.kind = ORDER_CANCELLED,
                    ORDER,
                    STATE(5, ORDER_IS_CANCELLED, SAGA_IS_UNDOING, ASKED_BACK),
                    .code = REFUSED_CANCELLED_BY_CUSTOMER,
                    DEADLINE}),
    EVENT("OrderStockReleased", CONTEXT_ORDERS,
          .order = {.kind = ORDER_STOCK_RELEASED,
                    ORDER,
                    STATE(6, ORDER_IS_CANCELLED, SAGA_IS_UNDONE, ASKED_BACK),
                    .groups = 0x8000000000000001}),
    EVENT("OrderPaymentVoided", CONTEXT_ORDERS,
          .order = {.kind = ORDER_PAYMENT_VOIDED,
                    ORDER,
                    STATE(7, ORDER_IS_CANCELLED, SAGA_IS_UNDONE, GIVEN_BACK)}),
    EVENT("OrderUndoOverdue", CONTEXT_ORDERS,
          .order = {.kind = ORDER_UNDO_OVERDUE,
                    ORDER,
                    STATE(8, ORDER_IS_REJECTED, SAGA_IS_STUCK, NONE)}),
    EVENT("OrderPaymentReversed", CONTEXT_ORDERS,
          .order = {.kind = ORDER_PAYMENT_REVERSED,
                    ORDER,
                    STATE(7, ORDER_IS_CANCELLED, SAGA_IS_UNDONE, GIVEN_BACK)}),
    EVENT("OrderPaymentOverdue", CONTEXT_ORDERS,
          .order = {.kind = ORDER_PAYMENT_OVERDUE,
                    ORDER,
                    STATE(3, ORDER_IS_RESERVED, SAGA_IS_RUNNING, AWAITED),
                    DEADLINE}),
    COMMON(CONTEXT_ORDERS),

    /* inventory */
    COMMAND("AddProduct", CONTEXT_INVENTORY, .inventory = {.kind = PRODUCT_ADD, SKU, DETAILS}),
    COMMAND("ModifyProduct", CONTEXT_INVENTORY,
            .inventory = {.kind = PRODUCT_MODIFY, SKU, DETAILS}),
    COMMAND("DeleteProduct", CONTEXT_INVENTORY, .inventory = {.kind = PRODUCT_DELETE, SKU}),
    COMMAND(
        "IncreaseStock", CONTEXT_INVENTORY,
        .inventory = {.kind = STOCK_INCREASE, SKU, .quantity = 100, .reason = TEXT("delivery")}),
    COMMAND("DecreaseStock", CONTEXT_INVENTORY,
            .inventory = {.kind = STOCK_DECREASE, SKU, .quantity = 2, .reason = TEXT("broken")}),
    COMMAND("CountStock", CONTEXT_INVENTORY,
            .inventory = {.kind = STOCK_COUNT, SKU, .quantity = 70, .reason = TEXT("stocktaking")}),
    ASK("ReserveStock", CONTEXT_INVENTORY,
        .inventory = {.kind = STOCK_RESERVE,
                      ORDER,
                      .partition = 3,
                      EUR,
                      .lines = step_lines,
                      .line_count = 2}),
    ASK("ReleaseStock", CONTEXT_INVENTORY,
        .inventory = {.kind = STOCK_RELEASE, ORDER, .partition = 3},
        .metadata.traceparent = TEXT("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    EVENT("ProductAdded", CONTEXT_INVENTORY,
          .inventory = {.kind = PRODUCT_ADDED, .version = 11, SKU, DETAILS}),
    EVENT("ProductModified", CONTEXT_INVENTORY,
          .inventory = {.kind = PRODUCT_MODIFIED, .version = 12, SKU, DETAILS}),
    EVENT("ProductDeleted", CONTEXT_INVENTORY,
          .inventory = {.kind = PRODUCT_DELETED, .version = 13, SKU}),
    EVENT("StockIncreased", CONTEXT_INVENTORY,
          .inventory = {.kind = STOCK_INCREASED,
                        .version = 14,
                        SKU,
                        .quantity = 100,
                        .reason = TEXT("delivery")}),
    EVENT(
        "StockDecreased", CONTEXT_INVENTORY,
        .inventory =
            {.kind = STOCK_DECREASED, .version = 15, SKU, .quantity = 2, .reason = TEXT("broken")}),
    EVENT(
        "StockReserved", CONTEXT_INVENTORY,
        .inventory =
            {.kind = STOCK_RESERVED, ORDER, .partition = 3, .lines = stock_lines, .line_count = 2}),
    EVENT("StockRefused", CONTEXT_INVENTORY,
          .inventory =
              {.kind = STOCK_REFUSED, ORDER, .partition = 3, .code = REFUSED_PRODUCT_UNKNOWN, SKU}),
    EVENT(
        "StockReleased", CONTEXT_INVENTORY,
        .inventory =
            {.kind = STOCK_RELEASED, ORDER, .partition = 3, .lines = stock_lines, .line_count = 2}),
    COMMON(CONTEXT_INVENTORY),

    /* payments */
    COMMAND("OpenAccount", CONTEXT_PAYMENTS, .payment = {.kind = ACCOUNT_OPEN, CUSTOMER, EUR}),
    COMMAND("DepositFunds", CONTEXT_PAYMENTS,
            .payment = {.kind = FUNDS_DEPOSIT, CUSTOMER, .amount_minor = 5000000003, EUR}),
    COMMAND("WithdrawFunds", CONTEXT_PAYMENTS,
            .payment = {.kind = FUNDS_WITHDRAW, CUSTOMER, .amount_minor = 700, EUR}),
    COMMAND("RefundPayment", CONTEXT_PAYMENTS,
            .payment = {.kind = PAYMENT_REFUND, CUSTOMER, PAYMENT, .amount_minor = 800}),
    ASK("AuthorisePayment", CONTEXT_PAYMENTS,
        .payment = {.kind = PAYMENT_AUTHORISE, PAYMENT, CUSTOMER, .amount_minor = 3897, EUR}),
    ASK("CapturePayment", CONTEXT_PAYMENTS,
        .payment = {.kind = PAYMENT_CAPTURE, PAYMENT, CUSTOMER}),
    ASK("VoidPayment", CONTEXT_PAYMENTS, .payment = {.kind = PAYMENT_VOID, PAYMENT, CUSTOMER}),
    ASK("ChargePayment", CONTEXT_PAYMENTS,
        .payment = {.kind = PAYMENT_CHARGE, PAYMENT, CUSTOMER, .amount_minor = 3897, EUR}),
    ASK("ReverseCharge", CONTEXT_PAYMENTS, .payment = {.kind = PAYMENT_REVERSE, PAYMENT, CUSTOMER}),
    EVENT("AccountOpened", CONTEXT_PAYMENTS,
          .payment = {.kind = ACCOUNT_OPENED, .version = 1, CUSTOMER, EUR}),
    EVENT("FundsDeposited", CONTEXT_PAYMENTS,
          .payment = {.kind = FUNDS_DEPOSITED, .version = 2, CUSTOMER, .amount_minor = 5000000003}),
    EVENT("FundsWithdrawn", CONTEXT_PAYMENTS,
          .payment = {.kind = FUNDS_WITHDRAWN, .version = 3, CUSTOMER, .amount_minor = 700}),
    EVENT("PaymentAuthorised", CONTEXT_PAYMENTS,
          .payment =
              {.kind = PAYMENT_AUTHORISED, .version = 4, PAYMENT, CUSTOMER, .amount_minor = 3897}),
    EVENT("PaymentDeclined", CONTEXT_PAYMENTS,
          .payment = {.kind = PAYMENT_DECLINED,
                      PAYMENT,
                      CUSTOMER,
                      .amount_minor = 3897,
                      .code = REFUSED_FUNDS_SHORT}),
    EVENT("PaymentCaptured", CONTEXT_PAYMENTS,
          .payment =
              {.kind = PAYMENT_CAPTURED, .version = 5, PAYMENT, CUSTOMER, .amount_minor = 3897}),
    EVENT(
        "PaymentVoided", CONTEXT_PAYMENTS,
        .payment = {.kind = PAYMENT_VOIDED, .version = 6, PAYMENT, CUSTOMER, .amount_minor = 3897}),
    EVENT("PaymentRefunded", CONTEXT_PAYMENTS,
          .payment =
              {.kind = PAYMENT_REFUNDED, .version = 7, PAYMENT, CUSTOMER, .amount_minor = 800}),
    EVENT("PaymentCharged", CONTEXT_PAYMENTS,
          .payment =
              {.kind = PAYMENT_CHARGED, .version = 8, PAYMENT, CUSTOMER, .amount_minor = 3897}),
    EVENT("PaymentReversed", CONTEXT_PAYMENTS,
          .payment = {.kind = PAYMENT_REVERSED,
                      .version = 9,
                      PAYMENT,
                      CUSTOMER,
                      .amount_minor = 3097,
                      .charged_minor = 3897}),
    COMMON(CONTEXT_PAYMENTS)};

const size_t sample_count = sizeof samples / sizeof samples[0];

enum context sample_context(const struct sample *sample)
{
    switch (sample->stream) {
    case STREAM_COMMANDS: return sample->command.context;
    case STREAM_STEPS: return sample->step.context;
    default: return sample->event.context;
    }
}

const struct sample *sample_named(const char *name, enum context context)
{
    for (size_t i = 0; i < sample_count; i++)
        if (strcmp(samples[i].name, name) == 0 && sample_context(&samples[i]) == context)
            return &samples[i];
    fprintf(stderr, "no sample %s\n", name);
    abort();
}

bool sample_encode(const struct sample *sample, struct ol_arena *arena, struct bytes *ret_wire)
{
    switch (sample->stream) {
    case STREAM_COMMANDS: return codec_encode_command(&sample->command, arena, ret_wire);
    case STREAM_STEPS: return codec_encode_step(&sample->step, arena, ret_wire);
    default: return codec_encode_event(&sample->event, arena, ret_wire);
    }
}

enum ol_class sample_decode(enum context context, enum stream stream, struct bytes wire,
                            struct ol_arena *arena, struct sample *ret_sample,
                            struct ol_error *reterr)
{
    switch (stream) {
    case STREAM_COMMANDS:
        return codec_decode_command(context, wire, arena, &ret_sample->command, reterr);
    case STREAM_STEPS: return codec_decode_step(context, wire, arena, &ret_sample->step, reterr);
    default: return codec_decode_event(context, wire, arena, &ret_sample->event, reterr);
    }
}

enum ol_class sample_decode_again(const struct sample *sample, struct bytes wire,
                                  struct ol_arena *arena, struct sample *ret_sample,
                                  struct ol_error *reterr)
{
    ret_sample->stream = sample->stream;
    return sample_decode(sample_context(sample), sample->stream, wire, arena, ret_sample, reterr);
}

struct sample sample_copy(const struct sample *sample, struct ol_arena *arena)
{
    struct sample copy;
    struct bytes wire;
    struct ol_error error = {.text = "it does not encode"};
    if (!sample_encode(sample, arena, &wire) ||
        sample_decode_again(sample, wire, arena, &copy, &error)) {
        fprintf(stderr, "%s: %s\n", sample->name, error.text);
        abort();
    }
    copy.name = sample->name;
    return copy;
}
