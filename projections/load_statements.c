#include "projections/load_statements.h"

#include <pthread.h>

#include "lib/base/ol_text.h"

#define SQL_BYTES   2048
#define COLUMNS_MAX 24

_Static_assert((int)orders_command_id_loaded == LOAD_COMMAND_ID &&
                   (int)products_command_id_loaded == LOAD_COMMAND_ID &&
                   (int)accounts_command_id_loaded == LOAD_COMMAND_ID &&
                   (int)orders_command_digest_loaded == LOAD_COMMAND_DIGEST &&
                   (int)products_command_digest_loaded == LOAD_COMMAND_DIGEST &&
                   (int)accounts_command_digest_loaded == LOAD_COMMAND_DIGEST,
               "aggregates begin alike");
_Static_assert((int)order_loaded_count <= COLUMNS_MAX, "room for the largest");

/* ---- what comes back ------------------------------------------------------------------------- */

struct loaded {
    enum table table;
    int column;
};

#define LOADED(table, column) {TABLE_##table, table##_##column##_at},
static const struct loaded order_loaded[] = {LOAD_ORDER(LOADED)};
static const struct loaded product_loaded[] = {LOAD_PRODUCT(LOADED)};
static const struct loaded account_loaded[] = {LOAD_ACCOUNT(LOADED)};
static const struct loaded reservation_loaded[] = {LOAD_RESERVATION(LOADED)};
static const struct loaded payment_loaded[] = {LOAD_PAYMENT(LOADED)};
static const struct loaded order_command_loaded[] = {LOAD_COMMAND(LOADED, order_commands)};
static const struct loaded product_command_loaded[] = {LOAD_COMMAND(LOADED, product_commands)};
static const struct loaded account_command_loaded[] = {LOAD_COMMAND(LOADED, account_commands)};

/* ---- statements ------------------------------------------------------------------------------ */

#define COLUMNS(list) .columns = list, .count = sizeof list / sizeof *list

/* The keys as rows k, and each table's row of one key under the table's own name. */
static const struct load_source {
    const char *name, *from;
    const struct loaded *columns;
    size_t count;
} sources[CONTEXT_COUNT][LOAD_QUERY_COUNT] = {
    [CONTEXT_ORDERS][LOAD_AGGREGATES] =
        {"load/orders",
         "unnest($1::text[]) WITH ORDINALITY k (id, n), LATERAL "
         "(SELECT * FROM orderlog.orders WHERE order_id = k.id COLLATE \"C\" LIMIT 1) orders",
         COLUMNS(order_loaded)},
    [CONTEXT_ORDERS][LOAD_COMMANDS] =
        {"load/order_commands",
         "unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.order_commands WHERE order_id = k.id COLLATE \"C\" "
         "AND command_id = k.command COLLATE \"C\" LIMIT 1) order_commands",
         COLUMNS(order_command_loaded)},
    [CONTEXT_INVENTORY][LOAD_AGGREGATES] =
        {"load/products",
         "unnest($1::text[]) WITH ORDINALITY k (id, n), "
         "LATERAL (SELECT * FROM orderlog.products WHERE sku = k.id COLLATE \"C\" LIMIT 1) "
         "products, "
         "LATERAL (SELECT * FROM orderlog.stock WHERE sku = k.id COLLATE \"C\" LIMIT 1) stock",
         COLUMNS(product_loaded)},
    [CONTEXT_INVENTORY][LOAD_COMMANDS] =
        {"load/product_commands",
         "unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.product_commands WHERE sku = k.id COLLATE \"C\" "
         "AND command_id = k.command COLLATE \"C\" LIMIT 1) product_commands",
         COLUMNS(product_command_loaded)},
    [CONTEXT_INVENTORY][LOAD_CLAIMS] =
        {"load/reservations",
         "unnest($1::text[], $2::int2[]) WITH ORDINALITY k (id, partition, n), "
         "LATERAL (SELECT * FROM orderlog.reservations WHERE order_id = k.id COLLATE \"C\" "
         "AND partition = k.partition LIMIT 1) reservations",
         COLUMNS(reservation_loaded)},
    [CONTEXT_PAYMENTS][LOAD_AGGREGATES] =
        {"load/accounts",
         "unnest($1::text[]) WITH ORDINALITY k (id, n), LATERAL "
         "(SELECT * FROM orderlog.accounts WHERE customer_id = k.id COLLATE \"C\" LIMIT 1) "
         "accounts",
         COLUMNS(account_loaded)},
    [CONTEXT_PAYMENTS][LOAD_COMMANDS] =
        {"load/account_commands",
         "unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.account_commands WHERE customer_id = k.id "
         "COLLATE \"C\" AND command_id = k.command COLLATE \"C\" LIMIT 1) account_commands",
         COLUMNS(account_command_loaded)},
    [CONTEXT_PAYMENTS][LOAD_CLAIMS] =
        {"load/payments",
         "unnest($1::text[], $2::text[]) WITH ORDINALITY k (customer, id, n), "
         "LATERAL (SELECT * FROM orderlog.payments WHERE payment_id = k.id COLLATE \"C\" "
         "AND customer_id = k.customer COLLATE \"C\" LIMIT 1) payments",
         COLUMNS(payment_loaded)},
};

static struct made {
    struct ol_pg_statement statement;
    struct ol_pg_column columns[COLUMNS_MAX];
    char sql[SQL_BYTES];
} all[CONTEXT_COUNT][LOAD_QUERY_COUNT];

static void make_statement(const struct load_source *source, struct made *made)
{
    struct ol_text sql = ol_text_in(made->sql, sizeof made->sql);
    assert(source->count + 2 <= COLUMNS_MAX);
    ol_text_add(&sql, "SELECT k.n");
    made->columns[LOAD_ORDINAL] = (struct ol_pg_column){"n", OL_PG_INT8, OL_PG_NOT_NULL};
    for (size_t i = 0; i < source->count; i++) {
        const struct table_shape *shape = &tables[source->columns[i].table];
        const struct table_column *column = &shape->columns[source->columns[i].column];
        ol_text_addf(&sql, ", %s.%s", shape->name, column->name);
        made->columns[1 + i] =
            (struct ol_pg_column){column->name, column_type(column->kind), column->null};
    }
    ol_text_addf(&sql, " FROM %s", source->from);
    assert(!sql.failed);
    made->statement = (struct ol_pg_statement){source->name, made->sql, made->columns};
}

static void make_all(void)
{
    for (size_t i = 0; i < CONTEXT_COUNT; i++)
        for (size_t k = 0; k < LOAD_QUERY_COUNT; k++)
            if (sources[i][k].name)
                make_statement(&sources[i][k], &all[i][k]);
}

const struct ol_pg_statement *load_statement(enum context context, enum load_query query)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_all);
    return sources[context][query].name ? &all[context][query].statement : NULL;
}

static const struct ol_pg_column deadline_columns[] = {
    {"order_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"deadline", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_column setting_columns[] = {
    {"set_config", OL_PG_TEXT, OL_PG_NULLABLE}, {"set_config", OL_PG_TEXT, OL_PG_NULLABLE},
    {"set_config", OL_PG_TEXT, OL_PG_NULLABLE}, {"set_config", OL_PG_TEXT, OL_PG_NULLABLE},
    {"set_config", OL_PG_TEXT, OL_PG_NULLABLE}, {0},
};

/* Keys are looked up one by one in the primary key's index, whatever the statistics say: a plan
 * made while a table was small would scan it when it is large. The settings keep the planner from
 * the scan, the LIMIT in each LATERAL from driving the join by the table (docs/traps.md). */
const struct ol_pg_statement load_settings = {
    "load/settings",
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), "
    "set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)",
    setting_columns};

const struct ol_pg_statement load_deadline_statement = {
    "load/deadlines",
    "SELECT order_id, deadline FROM orderlog.orders "
    "WHERE partition = $1 AND saga_state IN ('running', 'undoing')",
    deadline_columns};
