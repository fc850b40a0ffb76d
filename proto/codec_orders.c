/*
 * proto/codec_orders.c - the messages of orderlog.orders.v1, as tables.
 */
#include "proto/codec_tables.h"

#include "domain/partition.h"

_Static_assert(offsetof(struct order_command, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct order_step, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct order_event, kind) == 0, "the kind comes first");

#define GROUP(number, structure) FIELD_INT32(number, structure, partition, 0, PARTITIONS_MAX - 1)
#define GROUP_OR_NONE(number, structure)                                                           \
    FIELD_INT32(number, structure, partition, -1, PARTITIONS_MAX - 1)

/* ---- commands ---- */

static const struct wire_field order_line_fields[] = {
    FIELD_ID(1, struct order_line, sku),
    FIELD_INT64(2, struct order_line, quantity),
    FIELD_INT64(3, struct order_line, amount_minor),
};
static const struct wire_message order_line =
    WIRE_MESSAGE_OF("OrderLine", struct order_line, order_line_fields);

static const struct wire_field place_order_fields[] = {
    FIELD_KEY(1, struct order_command, order_id),
    FIELD_ID(2, struct order_command, customer_id),
    FIELD_ID(3, struct order_command, currency),
    FIELD_LINES(4, struct order_command, lines, line_count, &order_line),
};
static const struct wire_message place_order =
    WIRE_MESSAGE_OF("PlaceOrder", struct order_command, place_order_fields, .required = 1);

static const struct wire_field cancel_order_fields[] = {
    FIELD_KEY(1, struct order_command, order_id),
};
static const struct wire_message cancel_order =
    WIRE_MESSAGE_OF("CancelOrder", struct order_command, cancel_order_fields, .required = 1);

static const struct wire_body commands[] = {
    [ORDER_PLACE] = {2, "place_order", &place_order},
    [ORDER_CANCEL] = {3, "cancel_order", &cancel_order},
};

/* ---- steps ---- */

static const struct wire_field step_group_fields[] = {
    FIELD_KEY(1, struct order_step, order_id),
    GROUP(2, struct order_step),
};
static const struct wire_message stock_reserved_reply =
    WIRE_MESSAGE_OF("StockReservedReply", struct order_step, step_group_fields, .required = 1);
static const struct wire_message stock_released_reply =
    WIRE_MESSAGE_OF("StockReleasedReply", struct order_step, step_group_fields, .required = 1);

static const struct wire_field stock_refused_reply_fields[] = {
    FIELD_KEY(1, struct order_step, order_id),
    GROUP(2, struct order_step),
    FIELD_CODE(3, struct order_step, code),
    FIELD_REFERENCE(4, struct order_step, sku),
};
static const struct wire_message stock_refused_reply = WIRE_MESSAGE_OF(
    "StockRefusedReply", struct order_step, stock_refused_reply_fields, .required = 1 | 4);

static const struct wire_field step_order_fields[] = {
    FIELD_KEY(1, struct order_step, order_id),
};
static const struct wire_message payment_authorised_reply =
    WIRE_MESSAGE_OF("PaymentAuthorisedReply", struct order_step, step_order_fields, .required = 1);
static const struct wire_message payment_voided_reply =
    WIRE_MESSAGE_OF("PaymentVoidedReply", struct order_step, step_order_fields, .required = 1);

static const struct wire_field payment_declined_reply_fields[] = {
    FIELD_KEY(1, struct order_step, order_id),
    FIELD_CODE(2, struct order_step, code),
};
static const struct wire_message payment_declined_reply = WIRE_MESSAGE_OF(
    "PaymentDeclinedReply", struct order_step, payment_declined_reply_fields, .required = 1 | 2);

static const struct wire_field order_timeout_fields[] = {
    FIELD_KEY(1, struct order_step, order_id),
    FIELD_TIME(2, struct order_step, "deadline", deadline_us),
};
static const struct wire_message order_timeout =
    WIRE_MESSAGE_OF("OrderTimeout", struct order_step, order_timeout_fields, .required = 1 | 2);

static const struct wire_body steps[] = {
    [ORDER_STOCK_RESERVED_REPLY] = {2, "stock_reserved_reply", &stock_reserved_reply},
    [ORDER_STOCK_REFUSED_REPLY] = {3, "stock_refused_reply", &stock_refused_reply},
    [ORDER_STOCK_RELEASED_REPLY] = {4, "stock_released_reply", &stock_released_reply},
    [ORDER_PAYMENT_AUTHORISED_REPLY] = {5, "payment_authorised_reply", &payment_authorised_reply},
    [ORDER_PAYMENT_DECLINED_REPLY] = {6, "payment_declined_reply", &payment_declined_reply},
    [ORDER_PAYMENT_VOIDED_REPLY] = {7, "payment_voided_reply", &payment_voided_reply},
    [ORDER_TIMEOUT] = {8, "order_timeout", &order_timeout},
};
_Static_assert(sizeof steps / sizeof steps[0] == ORDER_STEP_KIND_COUNT, "a row for each kind");

/* ---- events ---- */

static const struct wire_field placed_line_fields[] = {
    FIELD_KEY(1, struct order_line, sku),
    FIELD_INT64_MIN(2, struct order_line, quantity, 1),
    FIELD_INT64_MIN(3, struct order_line, amount_minor, 0),
    GROUP(4, struct order_line),
};
static const struct wire_message placed_line =
    WIRE_MESSAGE_OF("PlacedLine", struct order_line, placed_line_fields, .required = 1 | 2);

static const struct wire_field order_placed_fields[] = {
    FIELD_KEY(1, struct order_event, order_id),
    FIELD_KEY(2, struct order_event, customer_id),
    FIELD_KEY(3, struct order_event, currency),
    FIELD_LINES(4, struct order_event, lines, line_count, &placed_line),
    FIELD_INT64_MIN(5, struct order_event, total_minor, 0),
    FIELD_TIME(6, struct order_event, "deadline", deadline_us),
};
static const struct wire_message order_placed = WIRE_MESSAGE_OF(
    "OrderPlaced", struct order_event, order_placed_fields, .required = 1 | 2 | 4 | 8 | 32);

static const struct wire_field event_group_fields[] = {
    FIELD_KEY(1, struct order_event, order_id),
    GROUP(2, struct order_event),
};
static const struct wire_message order_stock_reserved =
    WIRE_MESSAGE_OF("OrderStockReserved", struct order_event, event_group_fields, .required = 1);
static const struct wire_message order_stock_released =
    WIRE_MESSAGE_OF("OrderStockReleased", struct order_event, event_group_fields, .required = 1);

static const struct wire_field event_order_fields[] = {
    FIELD_KEY(1, struct order_event, order_id),
};
static const struct wire_message order_confirmed =
    WIRE_MESSAGE_OF("OrderConfirmed", struct order_event, event_order_fields, .required = 1);
static const struct wire_message order_payment_voided =
    WIRE_MESSAGE_OF("OrderPaymentVoided", struct order_event, event_order_fields, .required = 1);
static const struct wire_message order_undo_overdue =
    WIRE_MESSAGE_OF("OrderUndoOverdue", struct order_event, event_order_fields, .required = 1);

static const struct wire_field order_rejected_fields[] = {
    FIELD_KEY(1, struct order_event, order_id),
    FIELD_CODE(2, struct order_event, code),
    FIELD_REFERENCE(3, struct order_event, sku),
    GROUP_OR_NONE(4, struct order_event),
    FIELD_TIME(5, struct order_event, "deadline", deadline_us),
};
static const struct wire_message order_rejected = WIRE_MESSAGE_OF(
    "OrderRejected", struct order_event, order_rejected_fields, .required = 1 | 2 | 16);

static const struct wire_field order_cancelled_fields[] = {
    FIELD_KEY(1, struct order_event, order_id),
    FIELD_CODE(2, struct order_event, code),
    FIELD_TIME(3, struct order_event, "deadline", deadline_us),
};
static const struct wire_message order_cancelled = WIRE_MESSAGE_OF(
    "OrderCancelled", struct order_event, order_cancelled_fields, .required = 1 | 2 | 4);

static const struct wire_body events[] = {
    [ORDER_PLACED] = {10, "order_placed", &order_placed},
    [ORDER_STOCK_RESERVED] = {11, "order_stock_reserved", &order_stock_reserved},
    [ORDER_CONFIRMED] = {12, "order_confirmed", &order_confirmed},
    [ORDER_REJECTED] = {13, "order_rejected", &order_rejected},
    [ORDER_CANCELLED] = {14, "order_cancelled", &order_cancelled},
    [ORDER_STOCK_RELEASED] = {15, "order_stock_released", &order_stock_released},
    [ORDER_PAYMENT_VOIDED] = {16, "order_payment_voided", &order_payment_voided},
    [ORDER_UNDO_OVERDUE] = {17, "order_undo_overdue", &order_undo_overdue},
};
_Static_assert(sizeof events / sizeof events[0] == ORDER_EVENT_KIND_COUNT, "a row for each kind");

const struct codec_context codec_orders = {
    .package = "orderlog.orders.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
