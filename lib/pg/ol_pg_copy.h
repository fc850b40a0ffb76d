/*
 * lib/pg/ol_pg_copy.h - many rows into one table: COPY ... FROM STDIN (FORMAT BINARY).
 *
 *     begin -> { row, its fields, row_end } ... -> end        (rows are there)
 *                                              -> abort      (none is)
 *
 * Fields go straight into one buffer, big-endian, in the order of target->columns; a chunk leaves
 * through libpq whenever the buffer passes OL_PG_COPY_CHUNK_BYTES. All rows or none: what the
 * server refuses, it says at the end, with the row's number; PostgreSQL 15 can't skip a bad row.
 * Not possible between queue and receive. One thread.
 */
#ifndef OL_PG_COPY_H
#define OL_PG_COPY_H

#include "lib/pg/ol_pg.h"

#define OL_PG_COPY_CHUNK_BYTES (128u << 10)

/* A row of a caller's table; static as statements are. */
struct ol_pg_copy_target {
    const char *name;                   /* "orders/copy", for errors */
    const char *table;                  /* "orderlog.orders"; a name, never input */
    const struct ol_pg_column *columns; /* ends with {0} */
};

/* Zero-initialise once, use for many COPYs (the buffer is kept), release at the end. */
struct ol_pg_copy {
    struct ol_pg *db; /* NULL: no COPY is under way */
    const struct ol_pg_copy_target *target;
    struct ol_pg_buffer buffer;
    size_t column_count; /* of the target */
    int64_t row_count;   /* rows ended so far */
};

/* The first time on a connection the table's columns are compared with the target's (needs SELECT):
 * another name or type is OL_FATAL and names it. Failures as ol_pg_exec. */
enum ol_class ol_pg_copy_begin(struct ol_pg_copy *copy, struct ol_pg *db,
                               const struct ol_pg_copy_target *target, struct ol_error *reterr);

/* Sends the trailer and waits for the verdict; the server's row count must be ours (else OL_FATAL).
 * After any outcome no COPY is under way. On failure an open transaction is aborted. */
enum ol_class ol_pg_copy_end(struct ol_pg_copy *copy, int64_t *ret_rows, struct ol_error *reterr);

/* Gives up; the server drops all rows and says `why` in its log. OL_OK when it has agreed, and when
 * nothing was under way. An open transaction is aborted. */
enum ol_class ol_pg_copy_abort(struct ol_pg_copy *copy, const char *why, struct ol_error *reterr);

/* Aborts what is under way, frees the buffer. */
void ol_pg_copy_release(struct ol_pg_copy *copy);

/* Writes the buffer to the server, waiting if it must; row_end calls it. */
enum ol_class ol_pg_copy_flush(struct ol_pg_copy *copy, struct ol_error *reterr);

/* ---- one row ---- */

/* Room for the row's fields, `bytes` of them at most; NULL: no memory, or more than PostgreSQL
 * takes. Then the fields, one behind the other (ol_pg_write_...), as target->columns has them:
 * types, number and NULLs are the caller's business. */
static inline unsigned char *ol_pg_copy_row(struct ol_pg_copy *copy, size_t bytes)
{
    assert(copy->db);
    copy->buffer.failed |= bytes > OL_PG_VALUE_MAX_BYTES;
    if (__builtin_expect(copy->buffer.failed, 0))
        return NULL;
    unsigned char *at = ol_pg_buffer_room(&copy->buffer, 2 + bytes);
    if (!at)
        return NULL;
    ol_pg_store16(at, (uint16_t)copy->column_count);
    return at + 2;
}

/* `end`: of the last field; NULL where there was no room. Failures: connection (OL_RETRY), memory
 * (OL_FATAL); then abort or release. */
static inline enum ol_class ol_pg_copy_row_end(struct ol_pg_copy *copy, const unsigned char *end,
                                               struct ol_error *reterr)
{
    if (end)
        ol_pg_buffer_end(&copy->buffer, end);
    copy->row_count++;
    if (__builtin_expect(copy->buffer.used_bytes < OL_PG_COPY_CHUNK_BYTES, 1))
        return OL_OK;
    return ol_pg_copy_flush(copy, reterr);
}

/* ---- OL_AUTO ---- */

/* OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0}; */
static inline void ol_pg_copy_auto(struct ol_pg_copy *copy)
{
    ol_pg_copy_release(copy);
}

#endif
