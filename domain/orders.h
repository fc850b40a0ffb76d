/*
 * domain/orders.h - the messages of the orders context, as plain structs.
 *
 * All text and lines belong to whoever made the message (a batch's arena); a message is read, never
 * kept. Wire form and meaning of each field: proto/orderlog/orders/v1. The codec fills them.
 */
#ifndef DOMAIN_ORDERS_H
#define DOMAIN_ORDERS_H

#include <stddef.h>

#include "domain/refusal.h"
#include "domain/text.h"

#define ORDER_LINES_MAX 256

struct order_line {
    struct text sku;
    int64_t quantity, amount_minor;
    int32_t partition; /* of the SKU, in events; unset in commands */
};

/* ---- commands ---- */

enum order_command_kind {
    ORDER_COMMAND_NONE = 0,
#define COMMAND_ORDERS(kind, name, member) kind,
#include "domain/messages.def"
    ORDER_COMMAND_KIND_COUNT
};

struct order_command {
    enum order_command_kind kind;
    struct text order_id;
    /* ORDER_PLACE */
    struct text customer_id, currency;
    const struct order_line *lines;
    size_t line_count;
};

/* ---- steps: what the saga is told ---- */

enum order_step_kind {
    ORDER_STEP_NONE = 0,
#define STEP_ORDERS(kind, name, member) kind,
#include "domain/messages.def"
    ORDER_STEP_KIND_COUNT
};

struct order_step {
    enum order_step_kind kind;
    struct text order_id;
    uint64_t groups;        /* STOCK_RESERVED_REPLY, STOCK_RELEASED_REPLY: bit p is partition p's */
    int32_t partition;      /* STOCK_REFUSED_REPLY: the group */
    enum refusal_code code; /* STOCK_REFUSED_REPLY, PAYMENT_DECLINED_REPLY */
    struct text sku;        /* STOCK_REFUSED_REPLY */
    int64_t deadline_us;    /* TIMEOUT: the deadline that is meant */
};

/* ---- events ---- */

enum order_status {
    ORDER_IS_NOTHING = 0,
    ORDER_IS_PLACED,
    ORDER_IS_RESERVED,
    ORDER_IS_CONFIRMED,
    ORDER_IS_REJECTED,
    ORDER_IS_CANCELLED,
    ORDER_STATUS_COUNT
};

enum saga_state {
    SAGA_IS_NOTHING = 0,
    SAGA_IS_RUNNING,
    SAGA_IS_UNDOING,
    SAGA_IS_DONE,
    SAGA_IS_UNDONE,
    SAGA_IS_STUCK,
    SAGA_STATE_COUNT
};

/* How an order is paid: the row of the saga's table that it runs on, from its first event to its
 * end. */
enum payment_row {
    PAYMENT_ROW_NONE = 0,
    PAYMENT_ROW_CHARGE,    /* charged; undone by a reversal */
    PAYMENT_ROW_AUTHORISE, /* authorised, and captured once confirmed; undone by a void */
    PAYMENT_ROW_COUNT
};

/* Where an order's payment stands, as the order knows it. */
enum order_payment {
    ORDER_PAYMENT_NONE = 0,   /* not asked (yet) */
    ORDER_PAYMENT_ASKED,      /* no answer yet */
    ORDER_PAYMENT_AUTHORISED, /* held; capture asked, nobody waits for it */
    ORDER_PAYMENT_DECLINED,
    ORDER_PAYMENT_ASKED_BACK,
    ORDER_PAYMENT_GIVEN_BACK,
    ORDER_PAYMENT_CHARGED,
    ORDER_PAYMENT_AWAITED, /* a charge without an answer, past the order's deadline */
    ORDER_PAYMENT_COUNT
};

enum order_event_kind {
    ORDER_EVENT_NONE = 0,
#define EVENT_ORDERS(kind, name, member) kind,
#include "domain/messages.def"
    ORDER_EVENT_KIND_COUNT
};

struct order_event {
    enum order_event_kind kind;
    struct text order_id;
    int64_t version;                /* of the order after this event: 1, 2, 3, ... */
    enum order_status status;       /* after this event */
    enum saga_state saga_state;     /* after this event */
    enum order_payment payment;     /* after this event */
    struct text customer_id;        /* PLACED */
    struct text currency;           /* PLACED */
    const struct order_line *lines; /* PLACED: with partitions */
    size_t line_count;              /* PLACED */
    int64_t total_minor;            /* PLACED */
    enum payment_row payment_row;   /* PLACED */
    int64_t deadline_us;            /* PLACED, REJECTED, CANCELLED, PAYMENT_OVERDUE */
    uint64_t groups;                /* STOCK_RESERVED, STOCK_RELEASED: bit p is partition p's */
    int32_t partition;              /* REJECTED: group or -1 */
    enum refusal_code code;         /* REJECTED, CANCELLED */
    struct text sku;                /* REJECTED */
};

/* "PLACED" and so on, as the contract prints them; "" for none. */
const char *order_status_name(enum order_status status);
enum order_status order_status_by_name(struct text name);

/* "running" and so on, as the contract prints them; "" for none. */
const char *saga_state_name(enum saga_state state);
enum saga_state saga_state_by_name(struct text name);

#endif
