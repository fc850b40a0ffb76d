#include "test_projection_db.h"

#include <dirent.h>

#include "domain/currency.h"
#include "projections/schema.h"
#include "projections/tables.h"

/* Every row is a fault; the first is shown. */
static void expect_none(struct ol_pg *db, const char *what, const char *sql)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_select(db, "test/none", sql, NULL, &rows, reterr));
    cr_assert_eq(rows.count, 0, "%s: %s", what, ol_pg_string(&rows, 0, 0));
}

Test(migrations, give_every_table_view_and_column_a_comment)
{
    OWN_DATABASE(own, true);
    expect_none(
        own.db, "no comment",
        "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname IN ('orderlog', 'analytics') AND relkind IN ('r', 'v', 'p', 'm') "
        "AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''");
    expect_none(own.db, "no comment",
                "SELECT a.attrelid::regclass || '.' || attname FROM pg_attribute a "
                "JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname IN ('orderlog', 'analytics') AND relkind IN ('r', 'v', 'p', 'm') "
                "AND attnum > 0 AND NOT attisdropped "
                "AND coalesce(col_description(attrelid, attnum), '') = ''");
    expect_none(own.db, "no comment",
                "SELECT nspname FROM pg_namespace WHERE nspname IN ('orderlog', 'analytics') "
                "AND coalesce(obj_description(oid, 'pg_namespace'), '') = ''");
}

static bool is_true(const struct ol_pg_rows *rows, int row, int column)
{
    return strcmp(ol_pg_string(rows, row, column), "t") == 0;
}

Test(migrations, make_the_tables_that_the_program_writes)
{
    OWN_DATABASE(own, true);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct table_shape *shape = &tables[i];
        char sql[512];
        snprintf(sql, sizeof sql,
                 "SELECT attname, atttypid::bigint, attnotnull, attgenerated <> '', "
                 "coalesce(attnum = ANY (conkey), false) FROM pg_attribute "
                 "JOIN pg_constraint ON conrelid = attrelid AND contype = 'p' "
                 "WHERE attrelid = 'orderlog.%s'::regclass AND attnum > 0 AND NOT attisdropped "
                 "ORDER BY attnum",
                 shape->name);
        OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
        pg_ok(ol_pg_select(own.db, "test/columns", sql, NULL, &rows, reterr));
        for (int k = 0; k < (int)shape->column_count; k++) {
            const struct table_column *column = &shape->columns[k];
            cr_assert(k < rows.count, "%s.%s", shape->name, column->name);
            cr_assert_str_eq(ol_pg_string(&rows, k, 0), column->name, "%s", shape->name);
            cr_assert_eq(strtol(ol_pg_string(&rows, k, 1), NULL, 10),
                         (long)column_type(column->kind), "%s.%s", shape->name, column->name);
            cr_assert_eq(is_true(&rows, k, 2), column->null == OL_PG_NOT_NULL, "%s.%s", shape->name,
                         column->name);
            cr_assert_eq(is_true(&rows, k, 3), column->role == COLUMN_IS_GENERATED, "%s.%s",
                         shape->name, column->name);
            cr_assert_eq(is_true(&rows, k, 4), column->role == COLUMN_IS_PRIMARY, "%s.%s",
                         shape->name, column->name);
        }
        cr_assert_eq((int)shape->column_count, rows.count, "%s has more columns than tables.def",
                     shape->name);
    }
    expect_none(own.db, "not in tables.def",
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname = 'orderlog' AND relkind = 'r' AND relname NOT IN ("
#define TABLE(context, table, ...) "'" #table "', "
#define COLUMN(...)
#define END(table)
#include "projections/tables.def"
                "'projection_progress', 'installation', 'acknowledged_gaps', 'schema_migrations', "
                "'schema_migration_sums')");
}

/* Bytewise order of keys is what the writer sorts by. */
Test(migrations, collate_every_key_bytewise)
{
    OWN_DATABASE(own, true);
    expect_none(own.db, "not COLLATE \"C\"",
                "SELECT i.indexrelid::regclass || ' ' || a.attname FROM pg_index i "
                "JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = relnamespace "
                "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
                "WHERE nspname = 'orderlog' AND a.atttypid = 'text'::regtype "
                "AND a.attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C' "
                "AND collnamespace = 'pg_catalog'::regnamespace LIMIT 1)");
}

static const char *may(struct ol_pg *db, const char *role, const char *table, const char *what)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT has_table_privilege('%s', '%s', '%s')", role, table, what);
    return pg_value(db, sql);
}

Test(migrations, let_each_role_do_its_own_work_only)
{
    OWN_DATABASE(own, true);
    cr_assert_str_eq(may(own.db, "orderlog_projector", "orderlog.orders", "INSERT"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_projector", "orderlog.orders", "UPDATE"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_projector", "orderlog.orders", "DELETE"), "f");
    cr_assert_str_eq(may(own.db, "orderlog_worker", "orderlog.orders", "SELECT"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_worker", "orderlog.orders", "UPDATE"), "f");
    cr_assert_str_eq(may(own.db, "orderlog_analyst", "orderlog.orders", "SELECT"), "f");
    cr_assert_str_eq(may(own.db, "orderlog_analyst", "analytics.sales_by_day", "SELECT"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_owner", "orderlog.acknowledged_gaps", "INSERT"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_worker", "orderlog.acknowledged_gaps", "SELECT"), "t");
    cr_assert_str_eq(may(own.db, "orderlog_worker", "orderlog.acknowledged_gaps", "INSERT"), "f");
    expect_none(own.db, "the projector can't write",
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname = 'orderlog' AND relkind = 'r' AND relname NOT LIKE 'schema_migr%' "
                "AND relname <> 'acknowledged_gaps' AND NOT "
                "(has_table_privilege('orderlog_projector', pg_class.oid, 'INSERT') "
                "AND has_table_privilege('orderlog_projector', pg_class.oid, 'UPDATE'))");
    expect_none(own.db, "the analyst can't read",
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname = 'analytics' "
                "AND NOT has_table_privilege('orderlog_analyst', pg_class.oid, 'SELECT')");
}

Test(migrations, can_be_read_by_an_analyst_without_a_row)
{
    OWN_DATABASE(own, true);
    pg_script(own.db, "SELECT * FROM analytics.sales_by_day, analytics.sales_by_product, "
                      "analytics.sales_by_customer, analytics.order_states, "
                      "analytics.refusals_by_reason, analytics.stock_levels, "
                      "analytics.customer_balances, analytics.currencies LIMIT 1");
}

/* Each amount fits in a bigint, their sum does not. The placing command came again, otherwise. */
Test(migrations, add_up_what_outgrows_a_bigint)
{
    OWN_DATABASE(own, true);
    pg_script(
        own.db,
        "INSERT INTO orderlog.orders (order_id, partition, payment, conflicts, version, "
        "event_offset, command_digest, total_minor, groups_asked, groups_reserved, "
        "groups_refused, groups_released, placed_at, recorded_at, deadline, currency, status, "
        "saga_state, customer_id, command_id, payment_row) SELECT 'o' || i, 0, 2, 3, 1, i, 0, "
        "9223372036854775807, 1, 1, 0, 0, '2017-01-01Z', '2017-01-01Z', '2017-01-01Z', 'USD', "
        "'CONFIRMED', 'done', 'c', 'o' || i, 2 FROM generate_series(1, 2) i;"
        "INSERT INTO orderlog.order_baskets (order_id, skus, quantities, "
        "amounts) SELECT order_id, '{a}', "
        "'{9223372036854775807}', '{9223372036854775807}' FROM orderlog.orders");
    static const char *const sums[] = {
        "SELECT units FROM analytics.sales_by_day",
        "SELECT amount_minor FROM analytics.sales_by_day",
        "SELECT units FROM analytics.sales_by_product",
        "SELECT amount_minor FROM analytics.sales_by_product",
        "SELECT amount_minor FROM analytics.sales_by_customer",
        "SELECT amount_minor FROM analytics.order_states",
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        cr_expect_str_eq(pg_value(own.db, sums[i]), "18446744073709551614", "%s", sums[i]);
    cr_expect_str_eq(pg_value(own.db, "SELECT subject || ' ' || reason || ' ' || refusals "
                                      "FROM analytics.refusals_by_reason"),
                     "orders command COMMAND_ID_REUSED 6");
}

/* The table of the program, row by row. */
Test(migrations, know_the_currencies_that_the_program_knows)
{
    OWN_DATABASE(own, true);
    OL_AUTO(ol_pg_rows) struct ol_pg_rows found = {0};
    pg_ok(ol_pg_select(own.db, "test/currencies",
                       "SELECT code, coalesce(digits, -1), kind, "
                       "coalesce(extract(epoch FROM from_day)::bigint * 1000000, "
                       "-9223372036854775808), "
                       "coalesce(extract(epoch FROM until_day)::bigint * 1000000, "
                       "9223372036854775807) FROM analytics.currencies ORDER BY code COLLATE \"C\"",
                       NULL, &found, reterr));
    size_t count;
    const struct currency_row *rows = currency_rows(&count);
    cr_assert_eq((size_t)found.count, count);
    for (int i = 0; i < found.count; i++) {
        cr_assert_str_eq(ol_pg_string(&found, i, 0), rows[i].currency.code);
        cr_assert_eq(strtol(ol_pg_string(&found, i, 1), NULL, 10), rows[i].digits, "%s",
                     rows[i].currency.code);
        cr_assert_str_eq(ol_pg_string(&found, i, 2), currency_kind_name(rows[i].kind));
        cr_assert_eq(strtoll(ol_pg_string(&found, i, 3), NULL, 10), rows[i].from_us, "%s",
                     rows[i].currency.code);
        cr_assert_eq(strtoll(ol_pg_string(&found, i, 4), NULL, 10), rows[i].until_us, "%s",
                     rows[i].currency.code);
    }
}

/* Of a customer each, so that one sum over both would be of nothing. */
Test(migrations, say_the_currency_of_each_leg_of_the_ledger)
{
    OWN_DATABASE(own, true);
    pg_script(own.db,
              "INSERT INTO orderlog.accounts (customer_id, partition, balance_minor, held_minor, "
              "version, event_offset, command_digest, recorded_at, currency, command_id, "
              "spent_minor) SELECT c, 0, 5, 0, 2, 0, 0, '2026-01-01Z', c, c, 0 "
              "FROM unnest(ARRAY['JPY', 'KWD']) c;"
              "INSERT INTO orderlog.account_commands (customer_id, command_id, partition, "
              "duplicates, conflicts, event_offset, body_digest, recorded_at, outcome, kind, "
              "version, amount_minor) SELECT customer_id, 'd', 0, 0, 0, 1, 0, '2026-01-01Z', "
              "'ACCEPTED', 'DEPOSIT', 2, 5 FROM orderlog.accounts");
    cr_assert_str_eq(pg_value(own.db, "SELECT string_agg(currency || ' ' || account || ' ' || "
                                      "debit_minor || ' ' || credit_minor, ', ' ORDER BY currency, "
                                      "account) FROM orderlog.ledger_entries"),
                     "JPY external 5 0, JPY wallet 0 5, KWD external 5 0, KWD wallet 0 5");
}

/* Without a precision some readers make a floating-point number of it. */
Test(migrations, give_every_number_of_a_view_its_precision)
{
    OWN_DATABASE(own, true);
    expect_none(own.db, "numeric without precision",
                "SELECT attrelid::regclass || '.' || attname FROM pg_attribute "
                "JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname = 'analytics' AND atttypid = 'numeric'::regtype "
                "AND atttypmod <> ((38 << 16) | 0) + 4");
    cr_assert_str_eq(pg_value(own.db, "SELECT count(*) FROM information_schema.columns WHERE "
                                      "table_schema = 'analytics' AND data_type = 'numeric'"),
                     "6");
}

/* Each file's down part undoes its up part, newest first; then all can be applied again. */
Test(migrations, can_be_undone_and_done_again)
{
    OWN_DATABASE(own, true);
    static const char *const downs[] = {
        "REVOKE SELECT ON orderlog.schema_migrations FROM orderlog_projector, orderlog_worker",
        "REVOKE ALL ON ALL TABLES IN SCHEMA orderlog, analytics "
        "FROM orderlog_projector, orderlog_worker, orderlog_analyst;"
        "REVOKE ALL ON SCHEMA orderlog, analytics "
        "FROM orderlog_projector, orderlog_worker, orderlog_analyst",
        "DROP SCHEMA analytics CASCADE", "DROP SCHEMA orderlog CASCADE"};
    for (size_t i = 0; i < sizeof downs / sizeof *downs; i++)
        pg_script(own.db, downs[i]);
    int count = 0;
    pg_ok(ol_migrate_up(own.db, MIGRATIONS, 10000, NULL, NULL, &count, reterr));
    cr_assert_geq(count, 5);
}

static int is_migration(const struct dirent *entry)
{
    char version[OL_MIGRATION_VERSION_BYTES];
    return ol_migration_version(entry->d_name, version);
}

Test(schema_versions, are_those_of_the_folder)
{
    struct dirent **files = NULL;
    char version[OL_MIGRATION_VERSION_BYTES];
    size_t needed;
    const char *const *versions = schema_versions(&needed);
    int count = scandir(MIGRATIONS, &files, is_migration, alphasort);
    cr_assert_eq(count, (int)needed, "%d files, %zu versions in projections/schema.c", count,
                 needed);
    for (int i = 0; i < count; i++) {
        ol_migration_version(files[i]->d_name, version);
        cr_expect_str_eq(version, versions[i]);
        free(files[i]);
    }
    free(files);
}

Test(schema_compare, wants_all_changes_and_puts_up_with_newer_ones)
{
    OWN_DATABASE(own, false);
    pg_fails(schema_compare(own.db, true, reterr), OL_NOT_FOUND,
             "has no schema yet; run 'orderlog migrate up'");
    pg_ok(ol_migrate_up(own.db, MIGRATIONS, 10000, NULL, NULL, NULL, reterr));
    pg_ok(schema_compare(own.db, true, reterr));
    pg_script(
        own.db,
        "INSERT INTO orderlog.schema_migrations VALUES ('20250101000000')"); /* somebody's own */
    pg_ok(schema_compare(own.db, true, reterr));
    pg_script(own.db, "DELETE FROM orderlog.schema_migrations WHERE version = '20261122000003'");
    pg_fails(
        schema_compare(own.db, true, reterr), OL_NOT_FOUND,
        "has 8 of the 9 changes of the schema that this program needs, 20261122000003 is missing; "
        "run 'orderlog migrate up'");
    pg_script(
        own.db,
        "INSERT INTO orderlog.schema_migrations VALUES ('20261122000003'), ('99990101000000')");
    pg_ok(schema_compare(own.db, true, reterr));
}

/* As a login that has this role and no other. */
static enum ol_class compare_as(struct ol_pg *db, const char *role, bool writes,
                                struct ol_error *said)
{
    char sql[128];
    snprintf(sql, sizeof sql, "GRANT %s TO CURRENT_USER; SET LOCAL ROLE %s", role, role);
    pg_ok(ol_pg_begin(db, reterr));
    pg_script(db, sql);
    enum ol_class class = schema_compare(db, writes, said);
    pg_ok(ol_pg_rollback(db, reterr));
    return class;
}

Test(schema_compare, wants_the_rights_of_the_role)
{
    OWN_DATABASE(own, true);
    pg_ok(compare_as(own.db, "orderlog_worker", false, reterr));
    pg_ok(compare_as(own.db, "orderlog_projector", true, reterr));
    pg_fails(compare_as(own.db, "orderlog_worker", true, reterr), OL_FATAL,
             "the login orderlog_worker may not write");
    pg_fails(compare_as(own.db, "orderlog_analyst", true, reterr), OL_FATAL,
             "grant the login the role orderlog_projector");
}
