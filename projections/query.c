#include "projections/query.h"

#include <assert.h>

/* ---- rows as text ---------------------------------------------------------------------------- */

static const struct {
    const char *name, *sql;
} queries[QUERY_COUNT] = {
    [QUERY_ORDER] =
        {"query/order",
         "SELECT order_id, customer_id, status, reason, reason_sku, saga_state, currency, "
         "total_minor, placed_at, recorded_at, deadline, settled_at, version, partition, "
         "event_offset, command_id FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\""},
    [QUERY_ORDER_LINES] = {"query/order_lines",
                           "SELECT line_no, sku, quantity, amount_minor FROM orderlog.order_lines "
                           "WHERE order_id = $1 COLLATE \"C\" ORDER BY line_no"},
    [QUERY_ORDER_GROUPS] =
        {"query/order_groups",
         "SELECT partition, status, reason, reason_sku, skus, quantities, recorded_at, released_at "
         "FROM orderlog.reservations WHERE order_id = $1 COLLATE \"C\" ORDER BY partition"},
    [QUERY_ORDER_PAYMENT] =
        {"query/order_payment",
         "SELECT payment_id, customer_id, status, reason, amount_minor, refunded_minor, "
         "recorded_at, captured_at, voided_at FROM orderlog.payments "
         "WHERE payment_id = $1 COLLATE \"C\""},
    [QUERY_ORDER_COMMANDS] =
        {"query/order_commands",
         "SELECT command_id, outcome, code, message, duplicates, conflicts, recorded_at "
         "FROM orderlog.commands WHERE context = 'orders' AND aggregate_id = $1 COLLATE \"C\" "
         "ORDER BY recorded_at, command_id COLLATE \"C\""},
    [QUERY_ORDER_HISTORY] =
        {"query/order_history",
         "SELECT at, context, what FROM ("
         "SELECT recorded_at AS at, 'orders' AS context, 'placed' AS what, 0 AS place "
         "FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\" "
         "UNION ALL SELECT settled_at, 'orders', lower(status) || ', saga ' || saga_state, 9 "
         "FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\" AND settled_at IS NOT NULL "
         "UNION ALL SELECT recorded_at, 'orders', lower(outcome) || ' ' || coalesce(lower(kind), "
         "'command') || coalesce(': ' || code, ''), 8 FROM orderlog.order_commands "
         "WHERE order_id = $1 COLLATE \"C\" "
         "UNION ALL SELECT recorded_at, 'inventory', 'group ' || partition || CASE WHEN skus = "
         "'{}' "
         "THEN coalesce(' refused: ' || reason, ' asked back') ELSE ' reserved' END, 1 "
         "FROM orderlog.reservations WHERE order_id = $1 COLLATE \"C\" "
         "UNION ALL SELECT released_at, 'inventory', 'group ' || partition || ' released', 7 "
         "FROM orderlog.reservations WHERE order_id = $1 COLLATE \"C\" AND released_at IS NOT NULL "
         "UNION ALL SELECT recorded_at, 'payments', CASE WHEN authorised_version IS NOT NULL "
         "THEN 'authorised' ELSE coalesce('declined: ' || reason, 'asked back') END, 2 "
         "FROM orderlog.payments WHERE payment_id = $1 COLLATE \"C\" "
         "UNION ALL SELECT captured_at, 'payments', 'captured', 10 FROM orderlog.payments "
         "WHERE payment_id = $1 COLLATE \"C\" AND captured_at IS NOT NULL "
         "UNION ALL SELECT voided_at, 'payments', 'voided', 7 FROM orderlog.payments "
         "WHERE payment_id = $1 COLLATE \"C\" AND voided_at IS NOT NULL "
         ") e ORDER BY at, place, what"},
    [QUERY_COMMAND] =
        {"query/command",
         "SELECT c.context, c.aggregate_id, c.command_id, c.outcome, c.code, c.message, "
         "c.duplicates, c.conflicts, c.recorded_at, o.status AS order_status, "
         "o.reason AS order_reason FROM orderlog.commands c LEFT JOIN orderlog.orders o "
         "ON c.context = 'orders' AND o.order_id = c.aggregate_id "
         "WHERE c.command_id = $1 COLLATE \"C\" ORDER BY c.context, c.aggregate_id COLLATE \"C\""},
    [QUERY_COMMAND_OF_ORDER] =
        {"query/command_of_order",
         "SELECT command_id FROM orderlog.orders WHERE order_id = $1 COLLATE \"C\""},
};

enum ol_class query_rows(struct ol_pg *db, enum query query, const char *id,
                         struct ol_pg_rows *ret_rows, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    assert(query < QUERY_COUNT);
    ol_pg_param_text(&params, id, strlen(id));
    return ol_pg_select(db, queries[query].name, queries[query].sql, &params, ret_rows, reterr);
}

/* ---- sagas ----------------------------------------------------------------------------------- */

#define SAGA_SELECT                                                                                \
    "SELECT order_id, partition, recorded_at, reason, version, status, saga_state, payment, "      \
    "groups_asked, groups_reserved, groups_refused, groups_released, total_minor, deadline, "      \
    "currency, customer_id FROM orderlog.orders "

static const struct ol_pg_column saga_columns[] = {
    {"order_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
    {"recorded_at", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
    {"reason", OL_PG_TEXT, OL_PG_NULLABLE},
    {"version", OL_PG_INT8, OL_PG_NOT_NULL},
    {"status", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"saga_state", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"payment", OL_PG_INT2, OL_PG_NOT_NULL},
    {"groups_asked", OL_PG_INT8, OL_PG_NOT_NULL},
    {"groups_reserved", OL_PG_INT8, OL_PG_NOT_NULL},
    {"groups_refused", OL_PG_INT8, OL_PG_NOT_NULL},
    {"groups_released", OL_PG_INT8, OL_PG_NOT_NULL},
    {"total_minor", OL_PG_INT8, OL_PG_NOT_NULL},
    {"deadline", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
    {"currency", OL_PG_BPCHAR, OL_PG_NOT_NULL},
    {"customer_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {0}};

static const struct ol_pg_statement sagas_open = {
    .name = "query/sagas",
    .sql = SAGA_SELECT "WHERE saga_state IN ('running', 'undoing', 'stuck') "
                       "AND (saga_state = 'stuck' OR NOT $1) ORDER BY recorded_at, order_id "
                       "LIMIT $2",
    .columns = saga_columns,
};

static const struct ol_pg_statement saga_of_order = {
    .name = "query/saga",
    .sql = SAGA_SELECT "WHERE order_id = $1 COLLATE \"C\"",
    .columns = saga_columns,
};

static struct text copied(struct ol_arena *arena, struct ol_pg_text text, bool *ok)
{
    const char *copy = ol_arena_copy(arena, text.data ? text.data : "", text.bytes);
    *ok = *ok && copy;
    return (struct text){copy, (uint32_t)text.bytes};
}

static struct text as_text(struct ol_pg_text text)
{
    return (struct text){text.data, (uint32_t)text.bytes};
}

static bool read_saga(const struct ol_pg_rows *rows, int row, struct ol_arena *arena,
                      struct query_saga *ret_saga)
{
    bool ok = true;
    int column = 0;
    struct order *order = &ret_saga->order;
    *ret_saga = (struct query_saga){0};
    ret_saga->order_id = copied(arena, ol_pg_text(rows, row, column++), &ok);
    ret_saga->partition = ol_pg_int16(rows, row, column++);
    ret_saga->recorded_us = ol_pg_us(rows, row, column++);
    ret_saga->reason = copied(arena, ol_pg_text(rows, row, column++), &ok);
    order->version = ol_pg_int64(rows, row, column++);
    order->status = order_status_by_name(as_text(ol_pg_text(rows, row, column++)));
    order->saga_state = saga_state_by_name(as_text(ol_pg_text(rows, row, column++)));
    order->payment = (enum order_payment)ol_pg_int16(rows, row, column++);
    order->groups_asked = (uint64_t)ol_pg_int64(rows, row, column++);
    order->groups_reserved = (uint64_t)ol_pg_int64(rows, row, column++);
    order->groups_refused = (uint64_t)ol_pg_int64(rows, row, column++);
    order->groups_released = (uint64_t)ol_pg_int64(rows, row, column++);
    order->total_minor = ol_pg_int64(rows, row, column++);
    order->deadline_us = ol_pg_us(rows, row, column++);
    order->currency = currency_of(as_text(ol_pg_text(rows, row, column++)));
    order->customer_id = copied(arena, ol_pg_text(rows, row, column), &ok);
    return ok;
}

enum ol_class query_sagas(struct ol_pg *db, bool stuck_only, int64_t limit, struct ol_arena *arena,
                          struct query_saga **ret_sagas, size_t *ret_count, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    ol_pg_param_bool(&params, stuck_only);
    ol_pg_param_int64(&params, limit);
    enum ol_class class = ol_pg_exec(db, &sagas_open, &params, &rows, reterr);
    if (class)
        return class;
    struct query_saga *sagas = ol_arena_zalloc(arena, (size_t)rows.count * sizeof *sagas);
    bool ok = sagas != NULL;
    for (int row = 0; row < rows.count && ok; row++)
        ok = read_saga(&rows, row, arena, &sagas[row]);
    if (!ok)
        return ol_fail(reterr, OL_FATAL, "%s: no memory", sagas_open.name);
    *ret_sagas = sagas;
    *ret_count = (size_t)rows.count;
    return OL_OK;
}

enum ol_class query_saga(struct ol_pg *db, const char *order_id, struct ol_arena *arena,
                         struct query_saga *ret_saga, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    ol_pg_param_text(&params, order_id, strlen(order_id));
    enum ol_class class = ol_pg_exec(db, &saga_of_order, &params, &rows, reterr);
    if (class)
        return class;
    if (rows.count == 0)
        return ol_fail(reterr, OL_NOT_FOUND, "there is no order '%s'", order_id);
    if (!read_saga(&rows, 0, arena, ret_saga))
        return ol_fail(reterr, OL_FATAL, "%s: no memory", saga_of_order.name);
    return OL_OK;
}
