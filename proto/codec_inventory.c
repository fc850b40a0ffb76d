/*
 * proto/codec_inventory.c - the messages of orderlog.inventory.v1, as tables.
 */
#include "proto/codec_tables.h"

#include "domain/partition.h"

_Static_assert(offsetof(struct inventory_command, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct inventory_step, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct inventory_event, kind) == 0, "the kind comes first");

#define GROUP(number, structure) FIELD_INT32(number, structure, partition, 0, PARTITIONS_MAX - 1)

static const struct wire_field product_details_fields[] = {
    FIELD_TEXT(1, struct product_details, name, DETAIL_BYTES_MAX),
    FIELD_TEXT(2, struct product_details, category, DETAIL_BYTES_MAX),
    FIELD_TEXT(3, struct product_details, brand, DETAIL_BYTES_MAX),
    FIELD_INT64(4, struct product_details, price_minor),
    FIELD_ID(5, struct product_details, currency),
};
static const struct wire_message product_details =
    WIRE_MESSAGE_OF("ProductDetails", struct product_details, product_details_fields);

static const struct wire_field stock_line_fields[] = {
    FIELD_KEY(1, struct stock_line, sku),
    FIELD_INT64_MIN(2, struct stock_line, quantity, 1),
    FIELD_INT64_MIN(3, struct stock_line, version, 0),
};
static const struct wire_message stock_line =
    WIRE_MESSAGE_OF("StockLine", struct stock_line, stock_line_fields);

/* ---- commands ---- */

#define COMMAND_OF_PRODUCT FIELD_KEY(1, struct inventory_command, sku)
#define COMMAND_OF_DETAILS                                                                         \
    COMMAND_OF_PRODUCT, FIELD_MESSAGE(2, struct inventory_command, details, &product_details)
#define COMMAND_OF_UNITS                                                                           \
    COMMAND_OF_PRODUCT, FIELD_INT64(2, struct inventory_command, quantity),                        \
        FIELD_TEXT(3, struct inventory_command, reason, REASON_BYTES_MAX)

static const struct wire_field add_product[] = {COMMAND_OF_DETAILS};
static const struct wire_field modify_product[] = {COMMAND_OF_DETAILS};
static const struct wire_field delete_product[] = {COMMAND_OF_PRODUCT};
static const struct wire_field increase_stock[] = {COMMAND_OF_UNITS};
static const struct wire_field decrease_stock[] = {COMMAND_OF_UNITS};
static const struct wire_field count_stock[] = {COMMAND_OF_UNITS};

static const struct wire_body commands[] = {
#define COMMAND_INVENTORY(kind, name, member)                                                      \
    CODEC_BODY(CODEC_COMMANDS_FIRST, kind, name, member, struct inventory_command)
#include "domain/messages.def"
};

/* ---- steps ---- */

#define STEP_OF_GROUP FIELD_KEY(1, struct inventory_step, order_id), GROUP(2, struct inventory_step)

static const struct wire_field reserve_stock[] = {
    STEP_OF_GROUP,
    FIELD_KEY(3, struct inventory_step, currency),
    FIELD_LINES(4, struct inventory_step, lines, line_count, &stock_line),
};
static const struct wire_field release_stock[] = {STEP_OF_GROUP};

static const struct wire_body steps[] = {
#define STEP_INVENTORY(kind, name, member)                                                         \
    CODEC_BODY(CODEC_STEPS_FIRST, kind, name, member, struct inventory_step)
#include "domain/messages.def"
};

/* ---- events ---- */

#define EVENT_OF_PRODUCT FIELD_KEY(1, struct inventory_event, sku)
#define EVENT_OF_DETAILS                                                                           \
    EVENT_OF_PRODUCT, FIELD_MESSAGE(2, struct inventory_event, details, &product_details)
#define EVENT_OF_UNITS                                                                             \
    EVENT_OF_PRODUCT, FIELD_INT64_MIN(2, struct inventory_event, quantity, 1),                     \
        FIELD_TEXT(3, struct inventory_event, reason, REASON_BYTES_MAX)
#define EVENT_OF_GROUP                                                                             \
    FIELD_KEY(1, struct inventory_event, order_id), GROUP(2, struct inventory_event)

static const struct wire_field product_added[] = {EVENT_OF_DETAILS};
static const struct wire_field product_modified[] = {EVENT_OF_DETAILS};
static const struct wire_field product_deleted[] = {EVENT_OF_PRODUCT};
static const struct wire_field stock_increased[] = {EVENT_OF_UNITS};
static const struct wire_field stock_decreased[] = {EVENT_OF_UNITS};
static const struct wire_field stock_reserved[] = {
    EVENT_OF_GROUP,
    FIELD_LINES(3, struct inventory_event, lines, line_count, &stock_line),
};
static const struct wire_field stock_refused[] = {
    EVENT_OF_GROUP,
    FIELD_CODE(3, struct inventory_event, code),
    FIELD_REFERENCE(4, struct inventory_event, sku),
};
static const struct wire_field stock_released[] = {
    EVENT_OF_GROUP,
    FIELD_LINES_OR_NONE(3, struct inventory_event, lines, line_count, &stock_line),
};

static const struct wire_body events[] = {
#define EVENT_INVENTORY(kind, name, member)                                                        \
    CODEC_BODY(CODEC_EVENTS_FIRST, kind, name, member, struct inventory_event)
#include "domain/messages.def"
};

const struct codec_context codec_inventory = {
    .package = "orderlog.inventory.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
