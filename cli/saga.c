#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "domain/checkout.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"
#include "lib/program/ol_table.h"
#include "projections/tables.h"
#include "verify/session.h"

/* What is read of an order, by the names of its columns: SAGA_order_id, ... */
#define SAGA_LIST(X)                                                                               \
    X(order_id)                                                                                    \
    X(customer_id)                                                                                 \
    X(status)                                                                                      \
    X(saga_state)                                                                                  \
    X(payment)                                                                                     \
    X(payment_row)                                                                                 \
    X(groups_asked)                                                                                \
    X(groups_reserved)                                                                             \
    X(groups_refused)                                                                              \
    X(groups_released)                                                                             \
    X(total_minor)                                                                                 \
    X(version)                                                                                     \
    X(recorded_at)                                                                                 \
    X(deadline)                                                                                    \
    X(settled_at)                                                                                  \
    X(reason)                                                                                      \
    X(reason_sku)

#define SAGA_NUMBER(column) SAGA_##column,
enum { SAGA_LIST(SAGA_NUMBER) SAGA_COUNT };

#define SAGA_COLUMN(column) orders_##column##_at,
static const int saga_columns[SAGA_COUNT] = {SAGA_LIST(SAGA_COLUMN)};

#define SAGA_OPEN  "saga_state IN ('running', 'undoing', 'stuck')" /* as the index has it */
#define SAGA_ANY   SAGA_OPEN " ORDER BY recorded_at"
#define SAGA_STUCK "saga_state = 'stuck' AND " SAGA_ANY
#define SAGA_ONE   "order_id = $1 COLLATE \"C\""

/* The query, made of the list above: once in a process, whose connection keeps it. */
static const struct ol_pg_statement *saga_statement(const char *where)
{
    static struct ol_pg_column columns[SAGA_COUNT + 1];
    static char buffer[1024];
    static struct ol_pg_statement statement = {"sagas", buffer, columns};
    struct ol_text sql = ol_text_in(buffer, sizeof buffer);
    for (size_t i = 0; i < SAGA_COUNT; i++) {
        const struct table_column *column = &tables[TABLE_orders].columns[saga_columns[i]];
        columns[i] = (struct ol_pg_column){column->name, column_type(column->kind), column->null};
        ol_text_addf(&sql, "%s%s", i ? ", " : "SELECT ", column->name);
    }
    ol_text_addf(&sql, " FROM orderlog.orders WHERE %s", where);
    assert(!sql.failed);
    return &statement;
}

static struct text text_at(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

/* As much of the state as the saga's words need. */
static struct order order_at(const struct ol_pg_rows *rows, int row)
{
    return (struct order){
        .version = ol_pg_int64(rows, row, SAGA_version),
        .status = order_status_by_name(text_at(rows, row, SAGA_status)),
        .saga_state = saga_state_by_name(text_at(rows, row, SAGA_saga_state)),
        .payment = (enum order_payment)ol_pg_int16(rows, row, SAGA_payment),
        .payment_row = (enum payment_row)ol_pg_int16(rows, row, SAGA_payment_row),
        .groups_asked = (uint64_t)ol_pg_int64(rows, row, SAGA_groups_asked),
        .groups_reserved = (uint64_t)ol_pg_int64(rows, row, SAGA_groups_reserved),
        .groups_refused = (uint64_t)ol_pg_int64(rows, row, SAGA_groups_refused),
        .groups_released = (uint64_t)ol_pg_int64(rows, row, SAGA_groups_released),
        .total_minor = ol_pg_int64(rows, row, SAGA_total_minor),
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
    int64_t end_us = ol_pg_is_null(rows, row, SAGA_settled_at)
                         ? ol_clock_wall_us()
                         : ol_pg_us(rows, row, SAGA_settled_at);
    int64_t age_us = end_us - ol_pg_us(rows, row, SAGA_recorded_at);
    ol_table_addf(table, "%.1f", age_us > 0 ? (double)age_us / 1e6 : 0.0);
}

/* A saga that runs or undoes is looked at again at its deadline; a stuck one waits for answers. */
static void add_next(struct ol_table *table, const struct ol_pg_rows *rows, int row,
                     const struct order *order)
{
    if (order_is_open(order))
        ol_table_time(table, ol_pg_us(rows, row, SAGA_deadline));
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
    class = ol_pg_exec(session.db, saga_statement(options->stuck ? SAGA_STUCK : SAGA_ANY), NULL,
                       &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        struct order order = order_at(&rows, row);
        add_nullable(&table, &rows, row, SAGA_order_id);
        add_nullable(&table, &rows, row, SAGA_saga_state);
        add_nullable(&table, &rows, row, SAGA_status);
        ol_table_text(&table, step_of(&order));
        add_age(&table, &rows, row);
        add_waits(&table, &order);
        add_nullable(&table, &rows, row, SAGA_reason);
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
        [ORDER_PAYMENT_ASKED_BACK] = "asked back", [ORDER_PAYMENT_GIVEN_BACK] = "given back",
        [ORDER_PAYMENT_CHARGED] = "charged",       [ORDER_PAYMENT_AWAITED] = "overdue",
    };
    struct order order = order_at(rows, 0);
    add_nullable(table, rows, 0, SAGA_order_id);
    add_nullable(table, rows, 0, SAGA_customer_id);
    add_nullable(table, rows, 0, SAGA_saga_state);
    add_nullable(table, rows, 0, SAGA_status);
    ol_table_text(table, step_of(&order));
    add_waits(table, &order);
    add_age(table, rows, 0);
    ol_table_time(table, ol_pg_us(rows, 0, SAGA_recorded_at));
    ol_table_time(table, ol_pg_us(rows, 0, SAGA_deadline));
    add_next(table, rows, 0, &order);
    ol_table_time(table, ol_pg_is_null(rows, 0, SAGA_settled_at)
                             ? TIME_NONE
                             : ol_pg_us(rows, 0, SAGA_settled_at));
    add_nullable(table, rows, 0, SAGA_reason);
    add_nullable(table, rows, 0, SAGA_reason_sku);
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
    class = ol_pg_exec(session.db, saga_statement(SAGA_ONE), &params, &rows, reterr);
    if (class)
        return class;
    if (rows.count == 0)
        return ol_fail(reterr, OL_NOT_FOUND, "there is no order with the id '%s'", id);
    add_show_row(&table, &rows);
    return options->json ? ol_table_print(&table, stdout, reterr)
                         : ol_table_print_record(&table, stdout, reterr);
}
