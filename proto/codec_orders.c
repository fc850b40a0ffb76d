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
#define DEADLINE(number, structure) FIELD_TIME(number, structure, "deadline", deadline_us)

/* ---- commands ---- */

static const struct wire_field order_line_fields[] = {
    FIELD_ID(1, struct order_line, sku),
    FIELD_INT64(2, struct order_line, quantity),
    FIELD_INT64(3, struct order_line, amount_minor),
};
static const struct wire_message order_line =
    WIRE_MESSAGE_OF("OrderLine", struct order_line, order_line_fields);

static const struct wire_field place_order[] = {
    FIELD_KEY(1, struct order_command, order_id),
    FIELD_ID(2, struct order_command, customer_id),
    FIELD_ID(3, struct order_command, currency),
    FIELD_LINES_OR_NONE(4, struct order_command, lines, line_count, &order_line),
};
static const struct wire_field cancel_order[] = {
    FIELD_KEY(1, struct order_command, order_id),
};

static const struct wire_body commands[] = {
#define COMMAND_ORDERS(kind, name, member)                                                         \
    CODEC_BODY(CODEC_COMMANDS_FIRST, kind, name, member, struct order_command)
#include "domain/messages.def"
};

/* ---- steps ---- */

#define STEP_OF_ORDER  FIELD_KEY(1, struct order_step, order_id)
#define STEP_OF_GROUPS STEP_OF_ORDER, FIELD_BITS(2, struct order_step, groups)

static const struct wire_field stock_reserved_reply[] = {STEP_OF_GROUPS};
static const struct wire_field stock_refused_reply[] = {
    STEP_OF_ORDER,
    GROUP(2, struct order_step),
    FIELD_CODE(3, struct order_step, code),
    FIELD_REFERENCE(4, struct order_step, sku),
};
static const struct wire_field stock_released_reply[] = {STEP_OF_GROUPS};
static const struct wire_field payment_authorised_reply[] = {STEP_OF_ORDER};
static const struct wire_field payment_declined_reply[] = {
    STEP_OF_ORDER,
    FIELD_CODE(2, struct order_step, code),
};
static const struct wire_field payment_voided_reply[] = {STEP_OF_ORDER};
static const struct wire_field order_timeout[] = {STEP_OF_ORDER, DEADLINE(2, struct order_step)};
static const struct wire_field payment_charged_reply[] = {STEP_OF_ORDER};
static const struct wire_field payment_reversed_reply[] = {STEP_OF_ORDER};

static const struct wire_body steps[] = {
#define STEP_ORDERS(kind, name, member)                                                            \
    CODEC_BODY(CODEC_STEPS_FIRST, kind, name, member, struct order_step)
#include "domain/messages.def"
};

/* ---- events ---- */

static const struct wire_field placed_line_fields[] = {
    FIELD_KEY(1, struct order_line, sku),
    FIELD_INT64_MIN(2, struct order_line, quantity, 1),
    FIELD_INT64_MIN(3, struct order_line, amount_minor, 0),
    GROUP(4, struct order_line),
};
static const struct wire_message placed_line =
    WIRE_MESSAGE_OF("PlacedLine", struct order_line, placed_line_fields);

#define EVENT_OF_ORDER  FIELD_KEY(1, struct order_event, order_id)
#define EVENT_OF_GROUPS EVENT_OF_ORDER, FIELD_BITS(2, struct order_event, groups)

static const struct wire_field order_placed[] = {
    EVENT_OF_ORDER,
    FIELD_KEY(2, struct order_event, customer_id),
    FIELD_KEY(3, struct order_event, currency),
    FIELD_LINES(4, struct order_event, lines, line_count, &placed_line),
    FIELD_INT64_MIN(5, struct order_event, total_minor, 0),
    DEADLINE(6, struct order_event),
    FIELD_ENUM(7, struct order_event, "payment_row", payment_row, PAYMENT_ROW_CHARGE,
               PAYMENT_ROW_COUNT - 1),
};
static const struct wire_field order_stock_reserved[] = {EVENT_OF_GROUPS};
static const struct wire_field order_confirmed[] = {EVENT_OF_ORDER};
static const struct wire_field order_rejected[] = {
    EVENT_OF_ORDER,
    FIELD_CODE(2, struct order_event, code),
    FIELD_REFERENCE(3, struct order_event, sku),
    GROUP_OR_NONE(4, struct order_event),
    DEADLINE(5, struct order_event),
};
static const struct wire_field order_cancelled[] = {
    EVENT_OF_ORDER,
    FIELD_CODE(2, struct order_event, code),
    DEADLINE(3, struct order_event),
};
static const struct wire_field order_stock_released[] = {EVENT_OF_GROUPS};
static const struct wire_field order_payment_voided[] = {EVENT_OF_ORDER};
static const struct wire_field order_undo_overdue[] = {EVENT_OF_ORDER};
static const struct wire_field order_payment_reversed[] = {EVENT_OF_ORDER};
static const struct wire_field order_payment_overdue[] = {EVENT_OF_ORDER,
                                                          DEADLINE(2, struct order_event)};

static const struct wire_body events[] = {
#define EVENT_ORDERS(kind, name, member)                                                           \
    CODEC_BODY(CODEC_EVENTS_FIRST, kind, name, member, struct order_event)
#include "domain/messages.def"
};

const struct codec_context codec_orders = {
    .package = "orderlog.orders.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
