#include "projections/load_statements.h"

/* ---- what comes back ---- */

static const struct ol_pg_column order_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"command_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"command_digest", OL_PG_INT8, OL_PG_NOT_NULL},
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
    {0},
};

static const struct ol_pg_column product_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"command_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"command_digest", OL_PG_INT8, OL_PG_NOT_NULL},
    {"version", OL_PG_INT8, OL_PG_NOT_NULL},
    {"listed", OL_PG_BOOL, OL_PG_NOT_NULL},
    {"currency", OL_PG_BPCHAR, OL_PG_NOT_NULL},
    {"on_hand", OL_PG_INT8, OL_PG_NOT_NULL},
    {"reserved", OL_PG_INT8, OL_PG_NOT_NULL},
    {"details_hash", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_column account_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"command_id", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"command_digest", OL_PG_INT8, OL_PG_NOT_NULL},
    {"version", OL_PG_INT8, OL_PG_NOT_NULL},
    {"currency", OL_PG_BPCHAR, OL_PG_NOT_NULL},
    {"balance_minor", OL_PG_INT8, OL_PG_NOT_NULL},
    {"held_minor", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_column command_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"outcome", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"code", OL_PG_TEXT, OL_PG_NULLABLE},
    {"body_digest", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_column reservation_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"status", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"skus", OL_PG_TEXT_ARRAY, OL_PG_NOT_NULL},
    {"quantities", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
    {"versions", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_column payment_columns[] = {
    {"n", OL_PG_INT8, OL_PG_NOT_NULL},
    {"status", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"amount_minor", OL_PG_INT8, OL_PG_NOT_NULL},
    {"refunded_minor", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};

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

/* ---- statements ---- */

const struct ol_pg_statement load_statements[CONTEXT_COUNT][LOAD_QUERY_COUNT] = {
    [CONTEXT_ORDERS][LOAD_AGGREGATES] =
        {"load/orders",
         "SELECT k.n, o.command_id, o.command_digest, o.version, o.status, o.saga_state, "
         "o.payment, o.groups_asked, o.groups_reserved, o.groups_refused, o.groups_released, "
         "o.total_minor, o.deadline, o.currency, o.customer_id "
         "FROM unnest($1::text[]) WITH ORDINALITY k (id, n), LATERAL "
         "(SELECT * FROM orderlog.orders WHERE order_id = k.id COLLATE \"C\" LIMIT 1) o",
         order_columns},
    [CONTEXT_ORDERS][LOAD_COMMANDS] =
        {"load/order_commands",
         "SELECT k.n, c.outcome, c.code, c.body_digest "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.order_commands WHERE order_id = k.id COLLATE \"C\" "
         "AND command_id = k.command COLLATE \"C\" LIMIT 1) c",
         command_columns},
    [CONTEXT_INVENTORY][LOAD_AGGREGATES] =
        {"load/products",
         "SELECT k.n, p.command_id, p.command_digest, s.version, p.listed, p.currency, "
         "s.on_hand, s.reserved, p.details_hash "
         "FROM unnest($1::text[]) WITH ORDINALITY k (id, n), "
         "LATERAL (SELECT * FROM orderlog.products WHERE sku = k.id COLLATE \"C\" LIMIT 1) p, "
         "LATERAL (SELECT * FROM orderlog.stock WHERE sku = k.id COLLATE \"C\" LIMIT 1) s",
         product_columns},
    [CONTEXT_INVENTORY][LOAD_COMMANDS] =
        {"load/product_commands",
         "SELECT k.n, c.outcome, c.code, c.body_digest "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.product_commands WHERE sku = k.id COLLATE \"C\" "
         "AND command_id = k.command COLLATE \"C\" LIMIT 1) c",
         command_columns},
    [CONTEXT_INVENTORY][LOAD_CLAIMS] =
        {"load/reservations",
         "SELECT k.n, r.status, r.skus, r.quantities, r.versions "
         "FROM unnest($1::text[], $2::int2[]) WITH ORDINALITY k (id, partition, n), "
         "LATERAL (SELECT * FROM orderlog.reservations WHERE order_id = k.id COLLATE \"C\" "
         "AND partition = k.partition LIMIT 1) r",
         reservation_columns},
    [CONTEXT_PAYMENTS][LOAD_AGGREGATES] =
        {"load/accounts",
         "SELECT k.n, a.command_id, a.command_digest, a.version, a.currency, a.balance_minor, "
         "a.held_minor FROM unnest($1::text[]) WITH ORDINALITY k (id, n), LATERAL "
         "(SELECT * FROM orderlog.accounts WHERE customer_id = k.id COLLATE \"C\" LIMIT 1) a",
         account_columns},
    [CONTEXT_PAYMENTS][LOAD_COMMANDS] =
        {"load/account_commands",
         "SELECT k.n, c.outcome, c.code, c.body_digest "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (id, command, n), "
         "LATERAL (SELECT * FROM orderlog.account_commands WHERE customer_id = k.id COLLATE \"C\" "
         "AND command_id = k.command COLLATE \"C\" LIMIT 1) c",
         command_columns},
    [CONTEXT_PAYMENTS][LOAD_CLAIMS] =
        {"load/payments",
         "SELECT k.n, p.status, p.amount_minor, p.refunded_minor "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (customer, id, n), "
         "LATERAL (SELECT * FROM orderlog.payments WHERE payment_id = k.id COLLATE \"C\" "
         "AND customer_id = k.customer COLLATE \"C\" LIMIT 1) p",
         payment_columns},
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
