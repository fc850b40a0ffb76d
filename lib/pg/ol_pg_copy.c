#include "lib/pg/ol_pg_copy.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_text.h"
#include "lib/pg/ol_pg_internal.h"

#define SIGNATURE_BYTES 11
#define HEADER_BYTES    (SIGNATURE_BYTES + 4 + 4) /* signature, flags, length of the extension */

static void add_columns(struct ol_text *text, const struct ol_pg_column *columns)
{
    for (size_t i = 0; columns[i].name; i++)
        ol_text_addf(text, "%s%s", i ? ", " : "", columns[i].name);
}

/* Types can't be seen once COPY runs: a text of eight bytes would do for a bigint. */
static enum ol_class check_table(struct ol_pg *db, const struct ol_pg_copy_target *target,
                                 struct ol_error *reterr)
{
    struct ol_pg_known *known = ol_pg_know(db, target->name);
    if (!known)
        return ol_fail(reterr, OL_FATAL, "%s: more than %d statements on one connection",
                       target->name, OL_PG_PREPARED_MAX);
    if (known->columns_checked)
        return OL_OK;
    OL_AUTO(ol_text) struct ol_text sql = {0};
    ol_text_add(&sql, "SELECT ");
    add_columns(&sql, target->columns);
    ol_text_addf(&sql, " FROM %s LIMIT 0", target->table);
    if (!ol_text_string(&sql))
        return ol_fail(reterr, OL_FATAL, "%s: out of memory", target->name);

    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_select(db, target->name, ol_text_string(&sql), NULL, &rows, reterr);
    if (class == OL_OK)
        class = ol_pg_check_columns(target->name, rows.result, target->columns, reterr);
    if (class == OL_OK)
        known->columns_checked = true;
    return class;
}

static enum ol_class start_copy(struct ol_pg *db, const struct ol_pg_copy_target *target,
                                struct ol_error *reterr)
{
    OL_AUTO(ol_text) struct ol_text sql = {0};
    ol_text_addf(&sql, "COPY %s (", target->table);
    add_columns(&sql, target->columns);
    ol_text_add(&sql, ") FROM STDIN (FORMAT BINARY)");
    if (!ol_text_string(&sql))
        return ol_fail(reterr, OL_FATAL, "%s: out of memory", target->name);
    if (!PQsendQuery(db->conn, ol_text_string(&sql)))
        return ol_pg_lost(db, target->name, reterr);

    int64_t deadline_us = ol_pg_deadline_us(db, 0);
    OL_AUTO(ol_pg_result) struct pg_result *result = NULL, *behind = NULL;
    enum ol_class class = ol_pg_next_result(db, target->name, deadline_us, &result, reterr);
    if (class != OL_OK || PQresultStatus(result) == PGRES_COPY_IN)
        return class;
    class = ol_pg_fail_result(db, target->name, result, reterr);
    (void)ol_pg_next_result(db, target->name, deadline_us, &behind, NULL);
    return class;
}

static void put_header(struct ol_pg_buffer *buffer)
{
    unsigned char *at = ol_pg_buffer_take(buffer, HEADER_BYTES);
    if (!at)
        return;
    memcpy(at, "PGCOPY\n\377\r\n\0", SIGNATURE_BYTES);
    memset(at + SIGNATURE_BYTES, 0, HEADER_BYTES - SIGNATURE_BYTES);
}

enum ol_class ol_pg_copy_begin(struct ol_pg_copy *copy, struct ol_pg *db,
                               const struct ol_pg_copy_target *target, struct ol_error *reterr)
{
    assert(!copy->db);
    enum ol_class class = ol_pg_ready(db, target->name, reterr);
    if (class != OL_OK)
        return class;
    class = check_table(db, target, reterr);
    if (class != OL_OK)
        return class;
    class = start_copy(db, target, reterr);
    if (class != OL_OK)
        return class;
    *copy = (struct ol_pg_copy){.db = db, .target = target, .buffer = copy->buffer};
    while (target->columns[copy->column_count].name)
        copy->column_count++;
    db->copying = copy;
    ol_pg_buffer_clear(&copy->buffer);
    put_header(&copy->buffer);
    return OL_OK;
}

/* The connection of this COPY is still the one it began on. */
static enum ol_class still_there(struct ol_pg_copy *copy, struct ol_error *reterr)
{
    if (copy->db->copying == copy)
        return OL_OK;
    return ol_fail(reterr, OL_RETRY, "%s: the connection to PostgreSQL at %s is lost",
                   copy->target->name, copy->db->where);
}

enum ol_class ol_pg_copy_flush(struct ol_pg_copy *copy, struct ol_error *reterr)
{
    assert(copy->db);
    struct ol_pg_buffer *buffer = &copy->buffer;
    enum ol_class class = still_there(copy, reterr);
    if (class != OL_OK)
        return class;
    if (buffer->failed)
        return ol_fail(reterr, OL_FATAL, "%s: row %lld is too large, or memory ran out",
                       copy->target->name, (long long)copy->row_count);
    if (PQputCopyData(copy->db->conn, (const char *)buffer->data, (int)buffer->used_bytes) != 1)
        return ol_pg_lost(copy->db, copy->target->name, reterr);
    ol_pg_buffer_clear(buffer);
    return ol_pg_drain_output(copy->db, copy->target->name, ol_pg_deadline_us(copy->db, 0), reterr);
}

/* Waits for the verdict on a COPY that was ended or given up. */
static enum ol_class verdict(struct ol_pg_copy *copy, int64_t *ret_rows, struct ol_error *reterr)
{
    struct ol_pg *db = copy->db;
    const char *name = copy->target->name;
    int64_t deadline_us = ol_pg_deadline_us(db, 0);
    OL_AUTO(ol_pg_result) struct pg_result *result = NULL, *behind = NULL;
    enum ol_class class = ol_pg_next_result(db, name, deadline_us, &result, reterr);
    if (class != OL_OK)
        return class;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        class = ol_pg_fail_result(db, name, result, reterr);
    else
        *ret_rows = strtoll(PQcmdTuples(result), NULL, 10);
    enum ol_class end =
        ol_pg_next_result(db, name, deadline_us, &behind, class == OL_OK ? reterr : NULL);
    return class != OL_OK ? class : end;
}

static void finish(struct ol_pg_copy *copy)
{
    if (copy->db->copying == copy)
        copy->db->copying = NULL;
    copy->db = NULL;
}

static enum ol_class end_copy(struct ol_pg_copy *copy, int64_t *ret_rows, struct ol_error *reterr)
{
    unsigned char *trailer = ol_pg_buffer_take(&copy->buffer, 2);
    if (trailer)
        ol_pg_store16(trailer, UINT16_MAX);
    enum ol_class class = ol_pg_copy_flush(copy, reterr);
    if (class != OL_OK)
        return class;
    if (PQputCopyEnd(copy->db->conn, NULL) != 1)
        return ol_pg_lost(copy->db, copy->target->name, reterr);
    int64_t rows = 0;
    class = verdict(copy, &rows, reterr);
    if (class != OL_OK)
        return class;
    if (rows != copy->row_count)
        return ol_fail(reterr, OL_FATAL, "%s: sent %lld rows, the server took %lld",
                       copy->target->name, (long long)copy->row_count, (long long)rows);
    if (ret_rows)
        *ret_rows = rows;
    return OL_OK;
}

enum ol_class ol_pg_copy_end(struct ol_pg_copy *copy, int64_t *ret_rows, struct ol_error *reterr)
{
    assert(copy->db);
    enum ol_class class = end_copy(copy, ret_rows, reterr);
    if (copy->buffer.failed)
        (void)ol_pg_copy_abort(copy, "a row could not be built", NULL);
    else
        finish(copy);
    return class;
}

enum ol_class ol_pg_copy_abort(struct ol_pg_copy *copy, const char *why, struct ol_error *reterr)
{
    if (!copy->db)
        return OL_OK;
    struct ol_error refused;
    int64_t rows = 0;
    enum ol_class class = still_there(copy, reterr);
    if (class == OL_OK && PQputCopyEnd(copy->db->conn, why) != 1)
        class = ol_pg_lost(copy->db, copy->target->name, reterr);
    else if (class == OL_OK && verdict(copy, &rows, &refused) == OL_OK)
        class = ol_fail(reterr, OL_FATAL, "%s: the server kept the rows of an aborted COPY",
                        copy->target->name);
    else if (class == OL_OK && !ol_pg_usable(copy->db))
        class = ol_fail(reterr, refused.class, "%s", refused.text);
    finish(copy);
    return class;
}

void ol_pg_copy_release(struct ol_pg_copy *copy)
{
    (void)ol_pg_copy_abort(copy, "given up", NULL);
    ol_pg_buffer_release(&copy->buffer);
}
