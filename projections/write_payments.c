#include "projections/writer_internal.h"

/* ---- statements ---- */

static const struct ol_pg_statement accounts_update = {
    .name = "accounts/update",
    .sql = "UPDATE orderlog.accounts a SET balance_minor = a.balance_minor + u.balance_minor, "
           "held_minor = a.held_minor + u.held_minor, version = u.version, "
           "event_offset = u.event_offset "
           "FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) "
           "AS u (customer_id, version_before, version, event_offset, balance_minor, held_minor) "
           "WHERE a.customer_id = u.customer_id COLLATE \"C\" AND a.version = u.version_before",
};

static const enum ol_pg_type accounts_types[] = {OL_PG_TEXT_ARRAY,
                                                 OL_PG_INT8_ARRAY,
                                                 OL_PG_INT8_ARRAY,
                                                 OL_PG_INT8_ARRAY,
                                                 OL_PG_INT8_ARRAY,
                                                 OL_PG_INT8_ARRAY,
                                                 0};

#define PAYMENT_COLUMNS                                                                            \
    "unnest($1::text[], $2::text[], $3::int2[], $4::int8[], $5::int8[], $6::int8[], "              \
    "$7::timestamptz[], $8::int8[], $9::timestamptz[], $10::int8[], $11::timestamptz[], "          \
    "$12::text[], $13::text[]) AS u (payment_id, customer_id, partition, amount_minor, "           \
    "refunded_minor, event_offset, recorded_at, captured_version, captured_at, voided_version, "   \
    "voided_at, status, reason)"

static const struct ol_pg_statement payments_update = {
    .name = "payments/update",
    .sql = "UPDATE orderlog.payments p SET "
           "amount_minor = coalesce(u.amount_minor, p.amount_minor), "
           "refunded_minor = p.refunded_minor + u.refunded_minor, event_offset = u.event_offset, "
           "captured_version = coalesce(u.captured_version, p.captured_version), "
           "captured_at = coalesce(u.captured_at, p.captured_at), "
           "voided_version = coalesce(u.voided_version, p.voided_version), "
           "voided_at = coalesce(u.voided_at, p.voided_at), "
           "status = CASE WHEN u.refunded_minor > 0 "
           "AND p.refunded_minor + u.refunded_minor = p.amount_minor THEN 'REFUNDED' "
           "ELSE coalesce(u.status, p.status) END, reason = coalesce(u.reason, p.reason) "
           "FROM " PAYMENT_COLUMNS " WHERE p.payment_id = u.payment_id COLLATE \"C\" "
           "AND p.customer_id = u.customer_id COLLATE \"C\"",
};

/* For what was voided with nothing held: no row yet, or a declined payment's. */
static const struct ol_pg_statement payments_upsert = {
    .name = "payments/upsert",
    .sql = "INSERT INTO orderlog.payments AS p (payment_id, customer_id, partition, amount_minor, "
           "refunded_minor, event_offset, recorded_at, voided_at, status, reason) "
           "SELECT payment_id, customer_id, partition, amount_minor, refunded_minor, event_offset, "
           "recorded_at, voided_at, status, reason FROM " PAYMENT_COLUMNS
           " ON CONFLICT (payment_id) DO UPDATE SET amount_minor = excluded.amount_minor, "
           "event_offset = excluded.event_offset, "
           "voided_at = coalesce(excluded.voided_at, p.voided_at), status = excluded.status, "
           "reason = coalesce(excluded.reason, p.reason) "
           "WHERE p.customer_id = excluded.customer_id",
};

static const enum ol_pg_type payments_types[] = {OL_PG_TEXT_ARRAY,        OL_PG_TEXT_ARRAY,
                                                 OL_PG_INT2_ARRAY,        OL_PG_INT8_ARRAY,
                                                 OL_PG_INT8_ARRAY,        OL_PG_INT8_ARRAY,
                                                 OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_INT8_ARRAY,
                                                 OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_INT8_ARRAY,
                                                 OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_TEXT_ARRAY,
                                                 OL_PG_TEXT_ARRAY,        0};

static const struct ol_pg_statement commands_count = {
    .name = "account_commands/count",
    .sql = "UPDATE orderlog.account_commands c SET duplicates = c.duplicates + u.duplicates, "
           "conflicts = c.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (customer_id, command_id, duplicates, conflicts) "
           "WHERE c.customer_id = u.customer_id COLLATE \"C\" "
           "AND c.command_id = u.command_id COLLATE \"C\"",
};

static const struct ol_pg_statement accounts_count = {
    .name = "accounts/count",
    .sql = "UPDATE orderlog.accounts a SET duplicates = a.duplicates + u.duplicates, "
           "conflicts = a.conflicts + u.conflicts "
           "FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[]) "
           "AS u (customer_id, command_id, duplicates, conflicts) "
           "WHERE a.customer_id = u.customer_id COLLATE \"C\" "
           "AND a.command_id = u.command_id COLLATE \"C\"",
};

/* ---- new rows ---- */

static bool account_is_new(const struct keyed_row *row)
{
    return ((const struct account_change *)row)->mode == ROW_INSERT;
}

static void put_account(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct account_change *account = (const struct account_change *)row;
    put_text(copy, account->row.id);
    ol_pg_put_int16(copy, (int16_t)account->partition);
    ol_pg_put_int32(copy, account->origin.duplicates);
    ol_pg_put_int32(copy, account->origin.conflicts);
    ol_pg_put_int64(copy, account->balance_minor);
    ol_pg_put_int64(copy, account->held_minor);
    ol_pg_put_int64(copy, account->version);
    ol_pg_put_int64(copy, account->event_offset);
    ol_pg_put_int64(copy, (int64_t)account->origin.digest);
    ol_pg_put_us(copy, account->origin.recorded_us);
    ol_pg_put_bpchar(copy, account->currency.code, 3);
    put_text(copy, account->origin.command_id);
}

static bool payment_is_new(const struct keyed_row *row)
{
    return ((const struct payment_change *)row)->mode == ROW_INSERT;
}

static void put_payment(struct ol_pg_copy *copy, const struct keyed_row *row)
{
    const struct payment_change *payment = (const struct payment_change *)row;
    bool in_full = payment->refunded_minor > 0 && payment->refunded_minor == payment->amount_minor;
    put_text(copy, payment->row.id);
    ol_pg_put_int16(copy, (int16_t)payment->partition);
    ol_pg_put_int64(copy, payment->amount_minor);
    ol_pg_put_int64(copy, payment->refunded_minor);
    ol_pg_put_int64(copy, payment->event_offset);
    ol_pg_put_us(copy, payment->recorded_us);
    put_version(copy, payment->authorised_version);
    put_version(copy, payment->captured_version);
    put_us_or_null(copy, payment->captured_us);
    put_version(copy, payment->voided_version);
    put_us_or_null(copy, payment->voided_us);
    put_text(copy, payment->customer_id);
    put_name(copy, payment_status_name(in_full ? PAYMENT_IS_REFUNDED : payment->status));
    put_name(copy, refusal_name(payment->reason));
}

enum ol_class write_payments(struct writer *writer, const struct row_batch *batch,
                             struct ol_error *reterr)
{
    enum ol_class class = writer_copy_rows(writer, TABLE_accounts, &batch->aggregates,
                                           account_is_new, put_account, reterr);
    if (!class)
        class = writer_copy_rows(writer, TABLE_payments, &batch->claims, payment_is_new,
                                 put_payment, reterr);
    if (!class)
        class = writer_copy_commands(writer, TABLE_account_commands, batch, reterr);
    return class;
}

/* ---- changes ---- */

static void add_account(struct set *set, const struct account_change *account)
{
    struct ol_pg_array *array = set->arrays;
    array_text(array++, account->row.id);
    ol_pg_array_int64(array++, account->version_before);
    ol_pg_array_int64(array++, account->version);
    ol_pg_array_int64(array++, account->event_offset);
    ol_pg_array_int64(array++, account->balance_minor);
    ol_pg_array_int64(array++, account->held_minor);
}

static void add_payment(struct set *set, const struct payment_change *payment)
{
    struct ol_pg_array *array = set->arrays;
    array_text(array++, payment->row.id);
    array_text(array++, payment->customer_id);
    ol_pg_array_int16(array++, (int16_t)payment->partition);
    if (payment->amount_minor >= 0)
        ol_pg_array_int64(array++, payment->amount_minor);
    else
        ol_pg_array_null(array++);
    ol_pg_array_int64(array++, payment->refunded_minor);
    ol_pg_array_int64(array++, payment->event_offset);
    ol_pg_array_us(array++, payment->recorded_us);
    array_version(array++, payment->captured_version);
    array_us_or_null(array++, payment->captured_us);
    array_version(array++, payment->voided_version);
    array_us_or_null(array++, payment->voided_us);
    array_name(array++, payment_status_name(payment->status));
    array_name(array++, refusal_name(payment->reason));
}

void sets_payments(struct writer *writer, const struct row_batch *batch)
{
    struct set *accounts = writer_set(writer, 0, &accounts_update, accounts_types);
    for (size_t i = 0; i < batch->aggregates.count; i++) {
        const struct account_change *account =
            (const struct account_change *)batch->aggregates.rows[i];
        if (account->mode == ROW_UPDATE)
            add_account(accounts, account);
    }
    struct set *updates = writer_set(writer, 1, &payments_update, payments_types);
    struct set *upserts = writer_set(writer, 2, &payments_upsert, payments_types);
    for (size_t i = 0; i < batch->claims.count; i++) {
        const struct payment_change *payment = (const struct payment_change *)batch->claims.rows[i];
        if (payment->mode != ROW_INSERT)
            add_payment(payment->mode == ROW_UPDATE ? updates : upserts, payment);
    }
    writer_count_sets(writer, 3, batch, &commands_count, &accounts_count);
}
