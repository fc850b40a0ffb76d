/*
 * projections/query.h - what people ask about orders, commands and sagas.
 *
 * Rows as text for printing (ol_pg_string, ol_pg_column_name), and open sagas as states, so that
 * checkout_waits_for() can say what they wait for. One statement each: a moment's truth within a
 * context; contexts may be a moment apart.
 */
#ifndef PROJECTIONS_QUERY_H
#define PROJECTIONS_QUERY_H

#include "domain/order.h"
#include "lib/base/ol_arena.h"
#include "lib/pg/ol_pg.h"

/* Each takes one id. */
enum query {
    QUERY_ORDER = 0,        /* by order id: the order's columns, but its groups; 0 or 1 row */
    QUERY_ORDER_LINES,      /* by order id: line_no, sku, quantity, amount_minor */
    QUERY_ORDER_GROUPS,     /* by order id: what each inventory partition holds */
    QUERY_ORDER_PAYMENT,    /* by order id: the payment; 0 or 1 row */
    QUERY_ORDER_COMMANDS,   /* by order id: the commands that named it, oldest first */
    QUERY_ORDER_HISTORY,    /* by order id: at, context, what; oldest first */
    QUERY_COMMAND,          /* by command id: one row for each aggregate that saw it, all contexts;
                               scans, as no index on command ids is kept */
    QUERY_COMMAND_OF_ORDER, /* by order id: the command that placed it */
    QUERY_COUNT
};

enum ol_class query_rows(struct ol_pg *db, enum query query, const char *id,
                         struct ol_pg_rows *ret_rows, struct ol_error *reterr);

/* An order with a saga, and what the row says besides. Texts live in the arena. */
struct query_saga {
    struct text order_id, reason; /* reason: empty while it runs */
    struct order order;
    int64_t recorded_us; /* when the order was placed, by the broker's clock */
    int32_t partition;
};

/* Open sagas (running, undoing, stuck), or only the stuck; the oldest first, at most `limit`. */
enum ol_class query_sagas(struct ol_pg *db, bool stuck_only, int64_t limit, struct ol_arena *arena,
                          struct query_saga **ret_sagas, size_t *ret_count,
                          struct ol_error *reterr);

/* The saga of one order, open or ended. OL_NOT_FOUND: there is no such order. */
enum ol_class query_saga(struct ol_pg *db, const char *order_id, struct ol_arena *arena,
                         struct query_saga *ret_saga, struct ol_error *reterr);

#endif
