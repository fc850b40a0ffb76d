#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "domain/checkout.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_table.h"
#include "verify/session.h"

#define SAGA_SELECT                                                                                \
    "SELECT order_id, status, saga_state, payment, groups_asked, groups_reserved, "                \
    "groups_refused, "                                                                             \
    "groups_released, total_minor, version, recorded_at, deadline, settled_at, reason, "           \
    "reason_sku, "                                                                                 \
    "customer_id FROM orderlog.orders "

#define SAGA_COLUMNS                                                                               \
    (const struct ol_pg_column[])                                                                  \
    {                                                                                              \
        {"order_id", OL_PG_TEXT, OL_PG_NOT_NULL}, {"status", OL_PG_TEXT, OL_PG_NOT_NULL},          \
            {"saga_state", OL_PG_TEXT, OL_PG_NOT_NULL}, {"payment", OL_PG_INT2, OL_PG_NOT_NULL},   \
            {"groups_asked", OL_PG_INT8, OL_PG_NOT_NULL},                                          \
            {"groups_reserved", OL_PG_INT8, OL_PG_NOT_NULL},                                       \
            {"groups_refused", OL_PG_INT8, OL_PG_NOT_NULL},                                        \
            {"groups_released", OL_PG_INT8, OL_PG_NOT_NULL},                                       \
            {"total_minor", OL_PG_INT8, OL_PG_NOT_NULL}, {"version", OL_PG_INT8, OL_PG_NOT_NULL},  \
            {"recorded_at", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},                                    \
            {"deadline", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},                                       \
            {"settled_at", OL_PG_TIMESTAMPTZ, OL_PG_NULLABLE},                                     \
            {"reason", OL_PG_TEXT, OL_PG_NULLABLE}, {"reason_sku", OL_PG_TEXT, OL_PG_NULLABLE},    \
            {"customer_id", OL_PG_TEXT, OL_PG_NOT_NULL},                                           \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

enum {
    SAGA_ORDER_ID,
    SAGA_STATUS,
    SAGA_STATE,
    SAGA_PAYMENT,
    SAGA_ASKED,
    SAGA_RESERVED,
    SAGA_REFUSED,
    SAGA_RELEASED,
    SAGA_TOTAL,
    SAGA_VERSION,
    SAGA_RECORDED_AT,
    SAGA_DEADLINE,
    SAGA_SETTLED_AT,
    SAGA_REASON,
    SAGA_REASON_SKU,
    SAGA_CUSTOMER_ID,
};

static const struct ol_pg_statement open_statement = {
    .name = "saga/open",
    .sql = SAGA_SELECT "WHERE saga_state IN ('running', 'undoing', 'stuck') ORDER BY recorded_at",
    .columns = SAGA_COLUMNS,
};

static const struct ol_pg_statement stuck_statement = {
    .name = "saga/stuck",
    .sql = SAGA_SELECT "WHERE saga_state = 'stuck' "
                       "AND saga_state IN ('running', 'undoing', 'stuck') ORDER BY recorded_at",
    .columns = SAGA_COLUMNS,
};

static const struct ol_pg_statement one_statement = {
    .name = "saga/one",
    .sql = SAGA_SELECT "WHERE order_id = $1 COLLATE \"C\"",
    .columns = SAGA_COLUMNS,
};

static struct text text_at(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

/* As much of the state as the saga's words need. */
static struct order order_at(const struct ol_pg_rows *rows, int row)
{
    return (struct order){
        .version = ol_pg_int64(rows, row, SAGA_VERSION),
        .status = order_status_by_name(text_at(rows, row, SAGA_STATUS)),
        .saga_state = saga_state_by_name(text_at(rows, row, SAGA_STATE)),
        .payment = (enum order_payment)ol_pg_int16(rows, row, SAGA_PAYMENT),
        .groups_asked = (uint64_t)ol_pg_int64(rows, row, SAGA_ASKED),
        .groups_reserved = (uint64_t)ol_pg_int64(rows, row, SAGA_RESERVED),
        .groups_refused = (uint64_t)ol_pg_int64(rows, row, SAGA_REFUSED),
        .groups_released = (uint64_t)ol_pg_int64(rows, row, SAGA_RELEASED),
        .total_minor = ol_pg_int64(rows, row, SAGA_TOTAL),
    };
}

static const char *step_of(const struct order *order)
{
    switch (order->saga_state) {
    case SAGA_IS_RUNNING:
        return order_groups_unanswered(order) ? checkout_parts[0].name : checkout_parts[1].name;
    case SAGA_IS_UNDOING:
    case SAGA_IS_STUCK: return "undo";
    default: return NULL;
    }
}

/* ---- values ---- */

static void add_nullable(struct ol_table *table, const struct ol_pg_rows *rows, int row, int column)
{
    if (ol_pg_is_null(rows, row, column)) {
        ol_table_null(table);
        return;
    }
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    ol_table_bytes(table, text.data, text.bytes);
}

static void add_waits(struct ol_table *table, const struct order *order)
{
    char words[300];
    size_t bytes = checkout_waits_for(order, words, sizeof words);
    ol_table_text(table, bytes ? words : NULL);
}

static void add_age(struct ol_table *table, const struct ol_pg_rows *rows, int row)
{
    int64_t end_us = ol_pg_is_null(rows, row, SAGA_SETTLED_AT)
                         ? ol_clock_wall_us()
                         : ol_pg_us(rows, row, SAGA_SETTLED_AT);
    int64_t age_us = end_us - ol_pg_us(rows, row, SAGA_RECORDED_AT);
    ol_table_addf(table, "%.1f", age_us > 0 ? (double)age_us / 1e6 : 0.0);
}

/* A saga that runs or undoes is looked at again at its deadline; a stuck one waits for answers. */
static void add_next(struct ol_table *table, const struct ol_pg_rows *rows, int row,
                     const struct order *order)
{
    if (order_is_open(order))
        ol_table_time(table, ol_pg_us(rows, row, SAGA_DEADLINE));
    else
        ol_table_null(table);
}

/* "0, 2, 3" */
static void add_groups(struct ol_table *table, uint64_t groups)
{
    char words[300] = "";
    size_t used = 0;
    for (; groups && used < sizeof words; groups &= groups - 1)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%d", used ? ", " : "",
                                 __builtin_ctzll(groups));
    ol_table_text(table, used ? words : NULL);
}

/* ---- list ---- */

static const struct ol_table_column list_columns[] = {
    {"order_id", OL_TABLE_TEXT},   {"saga_state", OL_TABLE_TEXT},   {"status", OL_TABLE_TEXT},
    {"step", OL_TABLE_TEXT},       {"age_seconds", OL_TABLE_SMALL}, {"waits_for", OL_TABLE_TEXT},
    {"last_error", OL_TABLE_TEXT}, {"next_attempt", OL_TABLE_TEXT},
};

enum ol_class saga_list_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_PG, reterr);
    if (class)
        return class;
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, list_columns, sizeof list_columns / sizeof *list_columns, options->json);
    class = ol_pg_exec(session.db, options->stuck ? &stuck_statement : &open_statement, NULL, &rows,
                       reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        struct order order = order_at(&rows, row);
        add_nullable(&table, &rows, row, SAGA_ORDER_ID);
        add_nullable(&table, &rows, row, SAGA_STATE);
        add_nullable(&table, &rows, row, SAGA_STATUS);
        ol_table_text(&table, step_of(&order));
        add_age(&table, &rows, row);
        add_waits(&table, &order);
        add_nullable(&table, &rows, row, SAGA_REASON);
        add_next(&table, &rows, row, &order);
    }
    if (class)
        return class;
    if (rows.count == 0)
        fprintf(stderr, options->stuck ? "no stuck sagas\n" : "no open sagas\n");
    return ol_table_print(&table, stdout, reterr);
}

/* ---- show ---- */

static const struct ol_table_column show_columns[] = {
    {"order_id", OL_TABLE_TEXT},
    {"customer_id", OL_TABLE_TEXT},
    {"saga_state", OL_TABLE_TEXT},
    {"status", OL_TABLE_TEXT},
    {"step", OL_TABLE_TEXT},
    {"waits_for", OL_TABLE_TEXT},
    {"age_seconds", OL_TABLE_SMALL},
    {"recorded_at", OL_TABLE_TEXT},
    {"deadline", OL_TABLE_TEXT},
    {"next_attempt", OL_TABLE_TEXT},
    {"settled_at", OL_TABLE_TEXT},
    {"last_error", OL_TABLE_TEXT},
    {"last_error_sku", OL_TABLE_TEXT},
    {"groups_asked", OL_TABLE_TEXT},
    {"groups_reserved", OL_TABLE_TEXT},
    {"groups_refused", OL_TABLE_TEXT},
    {"groups_released", OL_TABLE_TEXT},
    {"payment", OL_TABLE_TEXT},
    {"version", OL_TABLE_NUMBER},
};

static void add_show_row(struct ol_table *table, const struct ol_pg_rows *rows)
{
    static const char *const payments[ORDER_PAYMENT_COUNT] = {
        [ORDER_PAYMENT_NONE] = "not asked",        [ORDER_PAYMENT_ASKED] = "asked",
        [ORDER_PAYMENT_AUTHORISED] = "authorised", [ORDER_PAYMENT_DECLINED] = "declined",
        [ORDER_PAYMENT_VOID_ASKED] = "asked back", [ORDER_PAYMENT_GIVEN_BACK] = "given back",
    };
    struct order order = order_at(rows, 0);
    add_nullable(table, rows, 0, SAGA_ORDER_ID);
    add_nullable(table, rows, 0, SAGA_CUSTOMER_ID);
    add_nullable(table, rows, 0, SAGA_STATE);
    add_nullable(table, rows, 0, SAGA_STATUS);
    ol_table_text(table, step_of(&order));
    add_waits(table, &order);
    add_age(table, rows, 0);
    ol_table_time(table, ol_pg_us(rows, 0, SAGA_RECORDED_AT));
    ol_table_time(table, ol_pg_us(rows, 0, SAGA_DEADLINE));
    add_next(table, rows, 0, &order);
    ol_table_time(table, ol_pg_is_null(rows, 0, SAGA_SETTLED_AT)
                             ? TIME_NONE
                             : ol_pg_us(rows, 0, SAGA_SETTLED_AT));
    add_nullable(table, rows, 0, SAGA_REASON);
    add_nullable(table, rows, 0, SAGA_REASON_SKU);
    add_groups(table, order.groups_asked);
    add_groups(table, order.groups_reserved);
    add_groups(table, order.groups_refused);
    add_groups(table, order.groups_released);
    ol_table_text(table, order.payment < ORDER_PAYMENT_COUNT ? payments[order.payment] : NULL);
    ol_table_int(table, order.version);
}

enum ol_class saga_show_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_ID | SESSION_PG, reterr);
    if (class)
        return class;
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    OL_AUTO(ol_table) struct ol_table table;
    struct ol_pg_params params = {0};
    const char *id = options->arguments[0];
    ol_pg_param_text(&params, id, strlen(id));
    ol_table_init(&table, show_columns, sizeof show_columns / sizeof *show_columns, options->json);
    class = ol_pg_exec(session.db, &one_statement, &params, &rows, reterr);
    if (class)
        return class;
    if (rows.count == 0)
        return ol_fail(reterr, OL_NOT_FOUND, "there is no order with the id '%s'", id);
    add_show_row(&table, &rows);
    return options->json ? ol_table_print(&table, stdout, reterr)
                         : ol_table_print_record(&table, stdout, reterr);
}
