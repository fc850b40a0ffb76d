/* The statements that write a table follow from its columns. */
#include "projections/table_sql.h"

#include <criterion/criterion.h>

Test(table_sql, updates_what_changes_where_the_version_fits)
{
    cr_assert_str_eq(
        table_sql(TABLE_orders)->update.sql,
        "UPDATE orderlog.orders t SET payment = u.payment, version = u.version, "
        "event_offset = u.event_offset, groups_reserved = t.groups_reserved | "
        "u.groups_reserved, groups_refused = t.groups_refused | u.groups_refused, "
        "groups_released = t.groups_released | u.groups_released, deadline = "
        "coalesce(u.deadline, t.deadline), settled_at = coalesce(u.settled_at, "
        "t.settled_at), status = u.status, saga_state = u.saga_state, reason = "
        "coalesce(u.reason, t.reason), reason_sku = coalesce(u.reason_sku, "
        "t.reason_sku) FROM unnest($1::text[], $2::smallint[], $3::bigint[], "
        "$4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], "
        "$9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], "
        "$14::text[]) AS u (order_id, payment, version, version_before, event_offset, "
        "groups_reserved, groups_refused, groups_released, deadline, settled_at, "
        "status, saga_state, reason, reason_sku) WHERE t.order_id = u.order_id COLLATE "
        "\"C\" AND t.version = u.version_before");
    cr_assert_str_eq(table_sql(TABLE_orders)->update.name, "orders/update");
}

Test(table_sql, makes_or_changes_the_row_where_nobody_knows_which)
{
    cr_assert_str_eq(
        table_sql(TABLE_reservations)->upsert.sql,
        "INSERT INTO orderlog.reservations AS t (order_id, partition, event_offset, "
        "recorded_at, released_at, status, reason, reason_sku, skus, quantities, "
        "versions, released_versions) SELECT order_id, partition, event_offset, "
        "recorded_at, released_at, status, reason, reason_sku, '{}', '{}', '{}', "
        "released_versions::bigint[] FROM unnest($1::text[], $2::smallint[], "
        "$3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], "
        "$8::text[], $9::text[]) AS u (order_id, partition, event_offset, recorded_at, "
        "released_at, status, reason, reason_sku, released_versions) ON CONFLICT "
        "(order_id, partition) DO UPDATE SET event_offset = excluded.event_offset, "
        "released_at = coalesce(excluded.released_at, t.released_at), status = "
        "excluded.status, reason = coalesce(excluded.reason, t.reason), reason_sku = "
        "coalesce(excluded.reason_sku, t.reason_sku), released_versions = "
        "coalesce(excluded.released_versions::bigint[], t.released_versions)");
    cr_assert_str_eq(table_sql(TABLE_reservations)->upsert.name, "reservations/upsert");
}

Test(table_sql, counts_repeats_where_the_command_is)
{
    cr_assert_str_eq(
        table_sql(TABLE_accounts)->count.sql,
        "UPDATE orderlog.accounts t SET duplicates = t.duplicates + u.duplicates, "
        "conflicts = t.conflicts + u.conflicts FROM unnest($1::text[], $2::text[], "
        "$3::integer[], $4::integer[]) AS u (id, command, duplicates, conflicts) WHERE "
        "t.customer_id = u.id COLLATE \"C\" AND t.command_id = u.command COLLATE \"C\"");
    cr_assert_str_eq(table_sql(TABLE_account_commands)->count.name, "account_commands/count");
}

Test(table_sql, has_no_statement_for_what_never_changes)
{
    cr_assert_null(table_sql(TABLE_order_baskets)->update.sql);
    cr_assert_null(table_sql(TABLE_order_baskets)->count.sql);
    cr_assert_null(table_sql(TABLE_orders)->upsert.sql);
    cr_assert_null(table_sql(TABLE_stock)->count.sql);
}

Test(table_sql, copies_every_column_that_is_not_generated)
{
    for (enum table table = 0; table < TABLE_COUNT; table++) {
        const struct ol_pg_column *copied = table_sql(table)->copy.columns;
        for (size_t i = 0; i < tables[table].column_count; i++) {
            const struct table_column *column = &tables[table].columns[i];
            if (column->role == COLUMN_IS_GENERATED)
                continue;
            cr_assert_str_eq(copied->name, column->name, "%s", tables[table].name);
            cr_assert_eq(copied->type, column_type(column->kind), "%s", column->name);
            copied++;
        }
        cr_assert_null(copied->name, "%s", tables[table].name);
    }
}
