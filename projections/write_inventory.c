#include "projections/writer_internal.h"

/* ---- statements ---- */

static const struct ol_pg_statement stock_update = {
    .name = "stock/update",
    .sql = "UPDATE orderlog.stock s SET on_hand = s.on_hand + u.on_hand, "
           "reserved = s.reserved + u.reserved, version = u.version, "
           "event_offset = u.event_offset "
           "FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) "
           "AS u (sku, version_before, version, event_offset, on_hand, reserved) "
           "WHERE s.sku = u.sku COLLATE \"C\" AND s.version = u.version_before",
};

static const enum ol_pg_type stock_types[] = {OL_PG_TEXT_ARRAY,
                                              OL_PG_INT8_ARRAY,
                                              OL_PG_INT8_ARRAY,
                                              OL_PG_INT8_ARRAY,
                                              OL_PG_INT8_ARRAY,
                                              OL_PG_INT8_ARRAY,
                                              0};

static const struct ol_pg_statement products_update = {
    .name = "products/update",
    .sql = "UPDATE orderlog.products p SET listed = coalesce(u.listed, p.listed), "
           "price_minor = coalesce(u.price_minor, p.price_minor), "
           "details_hash = coalesce(u.details_hash, p.details_hash), "
           "currency = coalesce(u.currency, p.currency), name = coalesce(u.name, p.name), "
           "category = coalesce(u.category, p.category), brand = coalesce(u.brand, p.brand) "
           "FROM unnest($1::text[], $2::bool[], $3::int8[], $4::int8[], $5::text[], $6::text[], "
           "$7::text[], $8::text[]) AS u (sku, listed, price_minor, details_hash, currency, name, "
           "category, brand) WHERE p.sku = u.sku COLLATE \"C\"",
};

static const enum ol_pg_type products_types[] = {
    OL_PG_TEXT_ARRAY, OL_PG_BOOL_ARRAY, OL_PG_INT8_ARRAY,
    OL_PG_INT8_ARRAY, OL_PG_TEXT_ARRAY, OL_PG_TEXT_ARRAY,
    OL_PG_TEXT_ARRAY, OL_PG_TEXT_ARRAY, 0};

/* Versions come as PostgreSQL writes an array: '{7,12}'. */
#define RESERVATION_COLUMNS                                                                        \
    "unnest($1::text[], $2::int2[], $3::int8[], $4::timestamptz[], $5::timestamptz[], "            \
    "$6::text[], "                                                                                 \
    "$7::text[], $8::text[], $9::text[]) AS u (order_id, partition, event_offset, recorded_at, "   \
    "released_at, status, reason, reason_sku, released_versions)"

static const struct ol_pg_statement reservations_update = {
    .name = "reservations/update",
    .sql = "UPDATE orderlog.reservations r SET event_offset = u.event_offset, "
           "released_at = coalesce(u.released_at, r.released_at), status = u.status, "
           "reason = coalesce(u.reason, r.reason), "
           "reason_sku = coalesce(u.reason_sku, r.reason_sku), released_versions = "
           "coalesce(u.released_versions::bigint[], r.released_versions) FROM " RESERVATION_COLUMNS
           " WHERE r.order_id = u.order_id COLLATE \"C\" AND r.partition = u.partition",
};

static const struct ol_pg_statement reservations_upsert = {
    .name = "reservations/upsert",
    .sql = "INSERT INTO orderlog.reservations AS r (order_id, partition, event_offset, "
           "recorded_at, released_at, status, reason, reason_sku, skus, quantities, versions, "
           "released_versions) SELECT order_id, partition, event_offset, recorded_at, released_at, "
           "status, reason, reason_sku, '{}', '{}', '{}', released_versions::bigint[] "
           "FROM " RESERVATION_COLUMNS " ON CONFLICT (order_id, partition) DO UPDATE SET "
           "event_offset = excluded.event_offset, "
           "released_at = coalesce(excluded.released_at, r.released_at), "
           "status = excluded.status, reason = coalesce(excluded.reason, r.reason), "
           "reason_sku = coalesce(excluded.reason_sku, r.reason_sku)",
};

static const enum ol_pg_type reservations_types[] = {
    OL_PG_TEXT_ARRAY,        OL_PG_INT2_ARRAY,
    OL_PG_INT8_ARRAY,        OL_PG_TIMESTAMPTZ_ARRAY,
    OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_TEXT_ARRAY,
    OL_PG_TEXT_ARRAY,        OL_PG_TEXT_ARRAY,
    OL_PG_TEXT_ARRAY,        0};

static const struct ol_pg_statement commands_count = {
    .name = "product_commands/count",
    .sql = "UPDATE orderlog.product_commands c SET duplicates = c.duplicates + u.duplicates, "
           "conflicts = c.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (sku, command_id, duplicates, conflicts) "
           "WHERE c.sku = u.sku COLLATE \"C\" AND c.command_id = u.command_id COLLATE \"C\"",
};

static const struct ol_pg_statement products_count = {
    .name = "products/count",
    .sql = "UPDATE orderlog.products p SET duplicates = p.duplicates + u.duplicates, "
           "conflicts = p.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (sku, command_id, duplicates, conflicts) "
           "WHERE p.sku = u.sku COLLATE \"C\" AND p.command_id = u.command_id COLLATE \"C\"",
};

/* ---- new rows ---- */

static bool product_is_new(const struct keyed_row *row)
{
    return ((const struct product_change *)row)->mode == ROW_INSERT;
}

static void put_product(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct product_change *product = (const struct product_change *)row;
    put_text(copy, product->row.id);
    ol_pg_put_int16(copy, (int16_t)product->partition);
    ol_pg_put_bool(copy, product->listed);
    ol_pg_put_int32(copy, product->origin.duplicates);
    ol_pg_put_int32(copy, product->origin.conflicts);
    ol_pg_put_int64(copy, product->details.price_minor);
    ol_pg_put_int64(copy, (int64_t)product->details_hash);
    ol_pg_put_int64(copy, (int64_t)product->origin.digest);
    ol_pg_put_us(copy, product->origin.recorded_us);
    ol_pg_put_bpchar(copy, product->details.currency.data, product->details.currency.bytes);
    put_text(copy, product->details.name);
    put_text(copy, product->details.category);
    put_text(copy, product->details.brand);
    put_text(copy, product->origin.command_id);
}

static void put_stock(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct product_change *product = (const struct product_change *)row;
    put_text(copy, product->row.id);
    ol_pg_put_int16(copy, (int16_t)product->partition);
    ol_pg_put_int64(copy, product->on_hand);
    ol_pg_put_int64(copy, product->reserved);
    ol_pg_put_int64(copy, product->version);
    ol_pg_put_int64(copy, product->event_offset);
}

static bool reservation_is_new(const struct keyed_row *row)
{
    return ((const struct reservation_change *)row)->mode == ROW_INSERT;
}

static void put_versions(struct ol_pg_copy *copy, const struct stock_line *lines, size_t count)
{
    ol_pg_put_array_begin(copy, OL_PG_INT8_ARRAY);
    for (size_t i = 0; i < count; i++)
        ol_pg_element_int64(copy, lines[i].version);
    ol_pg_put_array_end(copy);
}

static void put_reservation(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct reservation_change *change = (const struct reservation_change *)row;
    put_text(copy, change->row.id);
    ol_pg_put_int16(copy, (int16_t)change->partition);
    ol_pg_put_int64(copy, change->event_offset);
    ol_pg_put_us(copy, change->recorded_us);
    put_us_or_null(copy, change->released_us);
    put_name(copy, reservation_status_name(change->status));
    put_name(copy, refusal_name(change->reason));
    put_text_or_null(copy, change->reason_sku.data, change->reason_sku.bytes);
    ol_pg_put_array_begin(copy, OL_PG_TEXT_ARRAY);
    for (size_t i = 0; i < change->line_count; i++)
        ol_pg_element_text(copy, change->lines[i].sku.data, change->lines[i].sku.bytes);
    ol_pg_put_array_end(copy);
    ol_pg_put_array_begin(copy, OL_PG_INT8_ARRAY);
    for (size_t i = 0; i < change->line_count; i++)
        ol_pg_element_int64(copy, change->lines[i].quantity);
    ol_pg_put_array_end(copy);
    put_versions(copy, change->lines, change->line_count);
    if (change->released)
        put_versions(copy, change->released, change->released_count);
    else
        ol_pg_put_null(copy);
}

enum ol_class write_inventory(struct writer *writer, const struct row_batch *batch,
                              struct ol_error *reterr)
{
    enum ol_class class = writer_copy_rows(writer, TABLE_products, &batch->aggregates,
                                           product_is_new, put_product, reterr);
    if (!class)
        class = writer_copy_rows(writer, TABLE_stock, &batch->aggregates, product_is_new, put_stock,
                                 reterr);
    if (!class)
        class = writer_copy_rows(writer, TABLE_reservations, &batch->claims, reservation_is_new,
                                 put_reservation, reterr);
    if (!class)
        class = writer_copy_commands(writer, TABLE_product_commands, batch, reterr);
    return class;
}

/* ---- changes ---- */

static void add_stock(struct set *set, const struct product_change *product)
{
    struct ol_pg_array *array = set->arrays;
    array_text(array++, product->row.id);
    ol_pg_array_int64(array++, product->version_before);
    ol_pg_array_int64(array++, product->version);
    ol_pg_array_int64(array++, product->event_offset);
    ol_pg_array_int64(array++, product->on_hand);
    ol_pg_array_int64(array++, product->reserved);
}

/* A text that may be empty and still is a change. */
static void add_detail(struct ol_pg_array *array, bool changed, struct text text)
{
    if (changed)
        array_text(array, text);
    else
        ol_pg_array_null(array);
}

static void add_product(struct set *set, const struct product_change *product)
{
    struct ol_pg_array *array = set->arrays;
    bool changed = product->details_changed;
    array_text(array++, product->row.id);
    if (product->listing_changed)
        ol_pg_array_bool(array++, product->listed);
    else
        ol_pg_array_null(array++);
    if (changed) {
        ol_pg_array_int64(array++, product->details.price_minor);
        ol_pg_array_int64(array++, (int64_t)product->details_hash);
    } else {
        ol_pg_array_null(array++);
        ol_pg_array_null(array++);
    }
    add_detail(array++, changed, product->details.currency);
    add_detail(array++, changed, product->details.name);
    add_detail(array++, changed, product->details.category);
    add_detail(array++, changed, product->details.brand);
}

/* '{7,12}' or NULL. A version has at most 19 digits. */
static void add_versions(struct ol_pg_array *array, const struct reservation_change *change)
{
    char text[ORDER_LINES_MAX * 20 + 2], *at = text;
    if (!change->released) {
        ol_pg_array_null(array);
        return;
    }
    for (size_t i = 0; i < change->released_count; i++) {
        char digits[20], *digit = digits + sizeof digits;
        *at++ = i ? ',' : '{';
        for (int64_t left = change->released[i].version; left; left /= 10)
            *--digit = (char)('0' + left % 10);
        at = mempcpy(at, digit, (size_t)(digits + sizeof digits - digit));
    }
    *at++ = '}';
    ol_pg_array_text(array, text, (size_t)(at - text));
}

static void add_reservation(struct set *set, const struct reservation_change *change)
{
    struct ol_pg_array *array = set->arrays;
    array_text(array++, change->row.id);
    ol_pg_array_int16(array++, (int16_t)change->partition);
    ol_pg_array_int64(array++, change->event_offset);
    ol_pg_array_us(array++, change->recorded_us);
    array_us_or_null(array++, change->released_us);
    array_name(array++, reservation_status_name(change->status));
    array_name(array++, refusal_name(change->reason));
    array_text_or_null(array++, change->reason_sku);
    add_versions(array++, change);
}

void sets_inventory(struct writer *writer, const struct row_batch *batch)
{
    struct set *stock = writer_set(writer, 0, &stock_update, stock_types);
    struct set *products = writer_set(writer, 1, &products_update, products_types);
    for (size_t i = 0; i < batch->aggregates.count; i++) {
        const struct product_change *product =
            (const struct product_change *)batch->aggregates.rows[i];
        if (product->mode == ROW_INSERT)
            continue;
        add_stock(stock, product);
        if (product->details_changed || product->listing_changed)
            add_product(products, product);
    }

    struct set *updates = writer_set(writer, 2, &reservations_update, reservations_types);
    struct set *upserts = writer_set(writer, 3, &reservations_upsert, reservations_types);
    for (size_t i = 0; i < batch->claims.count; i++) {
        const struct reservation_change *change =
            (const struct reservation_change *)batch->claims.rows[i];
        if (change->mode != ROW_INSERT)
            add_reservation(change->mode == ROW_UPDATE ? updates : upserts, change);
    }
    writer_count_sets(writer, 4, batch, &commands_count, &products_count);
}
