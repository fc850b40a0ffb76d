/*
 * domain/inventory.h - the messages of the inventory context, as plain structs.
 *
 * All text and lines belong to whoever made the message (a batch's arena); a message is read, never
 * kept. Wire form and meaning of each field: proto/orderlog/inventory/v1.
 */
#ifndef DOMAIN_INVENTORY_H
#define DOMAIN_INVENTORY_H

#include <stddef.h>

#include "domain/refusal.h"
#include "domain/text.h"

/* Units of one product. version: the product's after the event; 0 in steps. */
struct stock_line {
    struct text sku;
    int64_t quantity, version;
};

struct product_details {
    struct text name, category, brand;
    int64_t price_minor;
    struct text currency;
};

/* ---- commands ---- */

enum inventory_command_kind {
    INVENTORY_COMMAND_NONE = 0,
#define COMMAND_INVENTORY(kind, name, member) kind,
#include "domain/messages.def"
    INVENTORY_COMMAND_KIND_COUNT
};

struct inventory_command {
    enum inventory_command_kind kind;
    struct text sku;
    struct product_details details; /* ADD, MODIFY */
    int64_t quantity;               /* INCREASE, DECREASE; COUNT: all on hand */
    struct text reason;             /* INCREASE, DECREASE, COUNT */
};

/* ---- steps ---- */

enum inventory_step_kind {
    INVENTORY_STEP_NONE = 0,
#define STEP_INVENTORY(kind, name, member) kind,
#include "domain/messages.def"
    INVENTORY_STEP_KIND_COUNT
};

struct inventory_step {
    enum inventory_step_kind kind;
    struct text order_id;
    int32_t partition;
    struct text currency;           /* RESERVE */
    const struct stock_line *lines; /* RESERVE */
    size_t line_count;              /* RESERVE */
};

/* ---- events ---- */

enum inventory_event_kind {
    INVENTORY_EVENT_NONE = 0,
#define EVENT_INVENTORY(kind, name, member) kind,
#include "domain/messages.def"
    INVENTORY_EVENT_KIND_COUNT
};

struct inventory_event {
    enum inventory_event_kind kind;
    int64_t version;                /* PRODUCT_*, STOCK_INCREASED, STOCK_DECREASED; else 0 */
    struct text sku;                /* PRODUCT_*, STOCK_INCREASED, STOCK_DECREASED, STOCK_REFUSED */
    struct product_details details; /* PRODUCT_ADDED, PRODUCT_MODIFIED */
    int64_t quantity;               /* STOCK_INCREASED, STOCK_DECREASED */
    struct text reason;             /* STOCK_INCREASED, STOCK_DECREASED */
    struct text order_id;           /* STOCK_RESERVED, STOCK_REFUSED, STOCK_RELEASED */
    int32_t partition;              /* STOCK_RESERVED, STOCK_REFUSED, STOCK_RELEASED */
    const struct stock_line *lines; /* STOCK_RESERVED, STOCK_RELEASED, each with its version */
    size_t line_count;
    enum refusal_code code; /* STOCK_REFUSED */
};

#endif
