#include "projections/writer_internal.h"

/* ---- statements ---- */

static const struct ol_pg_statement orders_update = {
    .name = "orders/update",
    .sql = "UPDATE orderlog.orders o SET version = u.version, event_offset = u.event_offset, "
           "status = u.status, saga_state = u.saga_state, "
           "payment = CASE WHEN o.total_minor > 0 THEN u.payment >> (3 * o.payment) & 7 "
           "ELSE o.payment END, "
           "groups_reserved = o.groups_reserved | u.groups_reserved, "
           "groups_refused = o.groups_refused | u.groups_refused, "
           "groups_released = o.groups_released | u.groups_released, "
           "reason = coalesce(u.reason, o.reason), "
           "reason_sku = coalesce(u.reason_sku, o.reason_sku), "
           "deadline = coalesce(u.deadline, o.deadline), "
           "settled_at = coalesce(u.settled_at, o.settled_at) "
           "FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::text[], $6::text[], "
           "$7::int4[], $8::int8[], $9::int8[], $10::int8[], $11::text[], $12::text[], "
           "$13::timestamptz[], $14::timestamptz[]) AS u (order_id, version_before, version, "
           "event_offset, status, saga_state, payment, groups_reserved, groups_refused, "
           "groups_released, reason, reason_sku, deadline, settled_at) "
           "WHERE o.order_id = u.order_id COLLATE \"C\" AND o.version = u.version_before",
};

static const enum ol_pg_type orders_types[] = {
    OL_PG_TEXT_ARRAY,        OL_PG_INT8_ARRAY,        OL_PG_INT8_ARRAY,
    OL_PG_INT8_ARRAY,        OL_PG_TEXT_ARRAY,        OL_PG_TEXT_ARRAY,
    OL_PG_INT4_ARRAY,        OL_PG_INT8_ARRAY,        OL_PG_INT8_ARRAY,
    OL_PG_INT8_ARRAY,        OL_PG_TEXT_ARRAY,        OL_PG_TEXT_ARRAY,
    OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_TIMESTAMPTZ_ARRAY, 0};

static const struct ol_pg_statement commands_count = {
    .name = "order_commands/count",
    .sql = "UPDATE orderlog.order_commands c SET duplicates = c.duplicates + u.duplicates, "
           "conflicts = c.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (order_id, command_id, duplicates, conflicts) "
           "WHERE c.order_id = u.order_id COLLATE \"C\" "
           "AND c.command_id = u.command_id COLLATE \"C\"",
};

static const struct ol_pg_statement orders_count = {
    .name = "orders/count",
    .sql = "UPDATE orderlog.orders o SET duplicates = o.duplicates + u.duplicates, "
           "conflicts = o.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (order_id, command_id, duplicates, conflicts) "
           "WHERE o.order_id = u.order_id COLLATE \"C\" "
           "AND o.command_id = u.command_id COLLATE \"C\"",
};

/* ---- new rows ---- */

static void put_basket(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct order_change *order = (const struct order_change *)row;
    put_text(copy, order->row.id);
    ol_pg_put_array_begin(copy, OL_PG_TEXT_ARRAY);
    for (size_t i = 0; i < order->line_count; i++)
        ol_pg_element_text(copy, order->lines[i].sku.data, order->lines[i].sku.bytes);
    ol_pg_put_array_end(copy);
    ol_pg_put_array_begin(copy, OL_PG_INT8_ARRAY);
    for (size_t i = 0; i < order->line_count; i++)
        ol_pg_element_int64(copy, order->lines[i].quantity);
    ol_pg_put_array_end(copy);
    ol_pg_put_array_begin(copy, OL_PG_INT8_ARRAY);
    for (size_t i = 0; i < order->line_count; i++)
        ol_pg_element_int64(copy, order->lines[i].amount_minor);
    ol_pg_put_array_end(copy);
}

static void put_order(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct order_change *order = (const struct order_change *)row;
    bool paid = order->total_minor > 0;
    put_text(copy, order->row.id);
    ol_pg_put_int16(copy, (int16_t)order->partition);
    ol_pg_put_int16(copy, paid ? (int16_t)(order->payment & 7) : ORDER_PAYMENT_NONE);
    ol_pg_put_int32(copy, order->origin.duplicates);
    ol_pg_put_int32(copy, order->origin.conflicts);
    ol_pg_put_int64(copy, order->version);
    ol_pg_put_int64(copy, order->event_offset);
    ol_pg_put_int64(copy, (int64_t)order->origin.digest);
    ol_pg_put_int64(copy, order->total_minor);
    ol_pg_put_int64(copy, (int64_t)order->groups_asked);
    ol_pg_put_int64(copy, (int64_t)order->groups_reserved);
    ol_pg_put_int64(copy, (int64_t)order->groups_refused);
    ol_pg_put_int64(copy, (int64_t)order->groups_released);
    ol_pg_put_us(copy, order->placed_us);
    ol_pg_put_us(copy, order->origin.recorded_us);
    ol_pg_put_us(copy, order->deadline_us);
    put_us_or_null(copy, order->settled_us);
    ol_pg_put_bpchar(copy, order->currency.code, 3);
    put_name(copy, order_status_name(order->status));
    put_name(copy, saga_state_name(order->saga_state));
    put_name(copy, refusal_name(order->reason));
    put_text_or_null(copy, order->reason_sku.data, order->reason_sku.bytes);
    put_text(copy, order->customer_id);
    put_text(copy, order->origin.command_id);
}

static bool is_new(const struct keyed_row *row)
{
    return ((const struct order_change *)row)->mode == ROW_INSERT;
}

enum ol_class write_orders(struct writer *writer, const struct row_batch *batch,
                           struct ol_error *reterr)
{
    enum ol_class class =
        writer_copy_rows(writer, TABLE_orders, &batch->aggregates, is_new, put_order, reterr);
    if (!class)
        class = writer_copy_rows(writer, TABLE_order_baskets, &batch->aggregates, is_new,
                                 put_basket, reterr);
    if (!class)
        class = writer_copy_commands(writer, TABLE_order_commands, batch, reterr);
    return class;
}

/* ---- changes ---- */

static void add_order(struct set *set, const struct order_change *order)
{
    struct ol_pg_array *array = set->arrays;
    array_text(array++, order->row.id);
    ol_pg_array_int64(array++, order->version_before);
    ol_pg_array_int64(array++, order->version);
    ol_pg_array_int64(array++, order->event_offset);
    array_name(array++, order_status_name(order->status));
    array_name(array++, saga_state_name(order->saga_state));
    ol_pg_array_int32(array++, (int32_t)order->payment);
    ol_pg_array_int64(array++, (int64_t)order->groups_reserved);
    ol_pg_array_int64(array++, (int64_t)order->groups_refused);
    ol_pg_array_int64(array++, (int64_t)order->groups_released);
    array_name(array++, refusal_name(order->reason));
    array_text_or_null(array++, order->reason_sku);
    array_us_or_null(array++, order->deadline_us);
    array_us_or_null(array++, order->settled_us);
}

void sets_orders(struct writer *writer, const struct row_batch *batch)
{
    struct set *set = writer_set(writer, 0, &orders_update, orders_types);
    for (size_t i = 0; i < batch->aggregates.count; i++) {
        const struct order_change *order = (const struct order_change *)batch->aggregates.rows[i];
        if (order->mode == ROW_UPDATE)
            add_order(set, order);
    }
    writer_count_sets(writer, 1, batch, &commands_count, &orders_count);
}
