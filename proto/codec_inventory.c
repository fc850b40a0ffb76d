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
    WIRE_MESSAGE_OF("StockLine", struct stock_line, stock_line_fields, .required = 1 | 2);

/* ---- commands ---- */

static const struct wire_field command_details_fields[] = {
    FIELD_KEY(1, struct inventory_command, sku),
    FIELD_MESSAGE(2, struct inventory_command, details, &product_details),
};
static const struct wire_message add_product =
    WIRE_MESSAGE_OF("AddProduct", struct inventory_command, command_details_fields, .required = 1);
static const struct wire_message modify_product = WIRE_MESSAGE_OF(
    "ModifyProduct", struct inventory_command, command_details_fields, .required = 1);

static const struct wire_field delete_product_fields[] = {
    FIELD_KEY(1, struct inventory_command, sku),
};
static const struct wire_message delete_product = WIRE_MESSAGE_OF(
    "DeleteProduct", struct inventory_command, delete_product_fields, .required = 1);

static const struct wire_field command_quantity_fields[] = {
    FIELD_KEY(1, struct inventory_command, sku),
    FIELD_INT64(2, struct inventory_command, quantity),
    FIELD_TEXT(3, struct inventory_command, reason, REASON_BYTES_MAX),
};
static const struct wire_message increase_stock = WIRE_MESSAGE_OF(
    "IncreaseStock", struct inventory_command, command_quantity_fields, .required = 1);
static const struct wire_message decrease_stock = WIRE_MESSAGE_OF(
    "DecreaseStock", struct inventory_command, command_quantity_fields, .required = 1);
static const struct wire_message count_stock =
    WIRE_MESSAGE_OF("CountStock", struct inventory_command, command_quantity_fields, .required = 1);

static const struct wire_body commands[] = {
    [PRODUCT_ADD] = {2, "add_product", &add_product},
    [PRODUCT_MODIFY] = {3, "modify_product", &modify_product},
    [PRODUCT_DELETE] = {4, "delete_product", &delete_product},
    [STOCK_INCREASE] = {5, "increase_stock", &increase_stock},
    [STOCK_DECREASE] = {6, "decrease_stock", &decrease_stock},
    [STOCK_COUNT] = {7, "count_stock", &count_stock},
};

/* ---- steps ---- */

static const struct wire_field reserve_stock_fields[] = {
    FIELD_KEY(1, struct inventory_step, order_id),
    GROUP(2, struct inventory_step),
    FIELD_KEY(3, struct inventory_step, currency),
    FIELD_LINES(4, struct inventory_step, lines, line_count, &stock_line),
};
static const struct wire_message reserve_stock = WIRE_MESSAGE_OF(
    "ReserveStock", struct inventory_step, reserve_stock_fields, .required = 1 | 4 | 8);

static const struct wire_field release_stock_fields[] = {
    FIELD_KEY(1, struct inventory_step, order_id),
    GROUP(2, struct inventory_step),
};
static const struct wire_message release_stock =
    WIRE_MESSAGE_OF("ReleaseStock", struct inventory_step, release_stock_fields, .required = 1);

static const struct wire_body steps[] = {
    [STOCK_RESERVE] = {2, "reserve_stock", &reserve_stock},
    [STOCK_RELEASE] = {3, "release_stock", &release_stock},
};

/* ---- events ---- */

static const struct wire_field event_details_fields[] = {
    FIELD_KEY(1, struct inventory_event, sku),
    FIELD_MESSAGE(2, struct inventory_event, details, &product_details),
};
static const struct wire_message product_added =
    WIRE_MESSAGE_OF("ProductAdded", struct inventory_event, event_details_fields, .required = 1);
static const struct wire_message product_modified =
    WIRE_MESSAGE_OF("ProductModified", struct inventory_event, event_details_fields, .required = 1);

static const struct wire_field product_deleted_fields[] = {
    FIELD_KEY(1, struct inventory_event, sku),
};
static const struct wire_message product_deleted = WIRE_MESSAGE_OF(
    "ProductDeleted", struct inventory_event, product_deleted_fields, .required = 1);

static const struct wire_field event_quantity_fields[] = {
    FIELD_KEY(1, struct inventory_event, sku),
    FIELD_INT64_MIN(2, struct inventory_event, quantity, 1),
    FIELD_TEXT(3, struct inventory_event, reason, REASON_BYTES_MAX),
};
static const struct wire_message stock_increased = WIRE_MESSAGE_OF(
    "StockIncreased", struct inventory_event, event_quantity_fields, .required = 1 | 2);
static const struct wire_message stock_decreased = WIRE_MESSAGE_OF(
    "StockDecreased", struct inventory_event, event_quantity_fields, .required = 1 | 2);

static const struct wire_field event_lines_fields[] = {
    FIELD_KEY(1, struct inventory_event, order_id),
    GROUP(2, struct inventory_event),
    FIELD_LINES(3, struct inventory_event, lines, line_count, &stock_line),
};
static const struct wire_message stock_reserved =
    WIRE_MESSAGE_OF("StockReserved", struct inventory_event, event_lines_fields, .required = 1 | 4);
static const struct wire_message stock_released =
    WIRE_MESSAGE_OF("StockReleased", struct inventory_event, event_lines_fields, .required = 1);

static const struct wire_field stock_refused_fields[] = {
    FIELD_KEY(1, struct inventory_event, order_id),
    GROUP(2, struct inventory_event),
    FIELD_CODE(3, struct inventory_event, code),
    FIELD_REFERENCE(4, struct inventory_event, sku),
};
static const struct wire_message stock_refused = WIRE_MESSAGE_OF(
    "StockRefused", struct inventory_event, stock_refused_fields, .required = 1 | 4);

static const struct wire_body events[] = {
    [PRODUCT_ADDED] = {10, "product_added", &product_added},
    [PRODUCT_MODIFIED] = {11, "product_modified", &product_modified},
    [PRODUCT_DELETED] = {12, "product_deleted", &product_deleted},
    [STOCK_INCREASED] = {13, "stock_increased", &stock_increased},
    [STOCK_DECREASED] = {14, "stock_decreased", &stock_decreased},
    [STOCK_RESERVED] = {15, "stock_reserved", &stock_reserved},
    [STOCK_REFUSED] = {16, "stock_refused", &stock_refused},
    [STOCK_RELEASED] = {17, "stock_released", &stock_released},
};
_Static_assert(sizeof events / sizeof events[0] == INVENTORY_EVENT_KIND_COUNT,
               "a row for each kind");

const struct codec_context codec_inventory = {
    .package = "orderlog.inventory.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
