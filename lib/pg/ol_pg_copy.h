/*
 * lib/pg/ol_pg_copy.h - many rows into one table: COPY ... FROM STDIN (FORMAT BINARY).
 *
 *     begin -> { row, put, put, ..., row_end } ... -> end        (rows are there)
 *                                                  -> abort      (none is)
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
    size_t column_count, column; /* of the target; next one of the row */
    int64_t row_count;           /* rows ended so far */
    bool array_open, array_has_null;
    int32_t array_count;
    size_t array_at; /* where the open array's length field stands */
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

/* ---- one row --------------------------------------------------------------------------------- */

static inline void ol_pg_copy_row(struct ol_pg_copy *copy)
{
    assert(copy->db && copy->column == 0);
    unsigned char *at = ol_pg_buffer_take(&copy->buffer, 2);
    if (at)
        ol_pg_store16(at, (uint16_t)copy->column_count);
}

/* Asserts that every column was put. Failures: connection (OL_RETRY), memory (OL_FATAL); then
 * abort or release. */
static inline enum ol_class ol_pg_copy_row_end(struct ol_pg_copy *copy, struct ol_error *reterr)
{
    assert(copy->column == copy->column_count && !copy->array_open);
    copy->column = 0;
    copy->row_count++;
    if (__builtin_expect(copy->buffer.used_bytes < OL_PG_COPY_CHUNK_BYTES, 1))
        return OL_OK;
    return ol_pg_copy_flush(copy, reterr);
}

/* Each put asserts that the next column has its type. */
static inline void ol_pg_copy_next_(struct ol_pg_copy *copy, enum ol_pg_type type)
{
    assert(copy->column < copy->column_count && !copy->array_open);
    assert(copy->target->columns[copy->column].type == type);
    copy->column++;
}

/*
 * For a caller that walks target->columns itself: room for at least `bytes` (NULL: no memory), then
 * `columns` fields, written one behind the other, the last one's end. Types and NULLs are its own
 * business.
 */
static inline unsigned char *ol_pg_put_room(struct ol_pg_copy *copy, size_t bytes)
{
    return ol_pg_buffer_room(&copy->buffer, bytes);
}

static inline void ol_pg_put_fields(struct ol_pg_copy *copy, size_t columns,
                                    const unsigned char *end)
{
    assert(copy->column + columns <= copy->column_count && !copy->array_open);
    copy->column += columns;
    ol_pg_buffer_end(&copy->buffer, end);
}

static inline void ol_pg_put_int64(struct ol_pg_copy *copy, int64_t value)
{
    ol_pg_copy_next_(copy, OL_PG_INT8);
    ol_pg_write_int64(&copy->buffer, value);
}

static inline void ol_pg_put_int32(struct ol_pg_copy *copy, int32_t value)
{
    ol_pg_copy_next_(copy, OL_PG_INT4);
    ol_pg_write_int32(&copy->buffer, value);
}

static inline void ol_pg_put_int16(struct ol_pg_copy *copy, int16_t value)
{
    ol_pg_copy_next_(copy, OL_PG_INT2);
    ol_pg_write_int16(&copy->buffer, value);
}

static inline void ol_pg_put_bool(struct ol_pg_copy *copy, bool value)
{
    ol_pg_copy_next_(copy, OL_PG_BOOL);
    ol_pg_write_bool(&copy->buffer, value);
}

static inline void ol_pg_put_us(struct ol_pg_copy *copy, int64_t unix_us)
{
    ol_pg_copy_next_(copy, OL_PG_TIMESTAMPTZ);
    ol_pg_write_us(&copy->buffer, unix_us);
}

static inline void ol_pg_put_text(struct ol_pg_copy *copy, const char *text, size_t bytes)
{
    ol_pg_copy_next_(copy, OL_PG_TEXT);
    ol_pg_write_bytes(&copy->buffer, text, bytes);
}

static inline void ol_pg_put_bytea(struct ol_pg_copy *copy, const void *data, size_t bytes)
{
    ol_pg_copy_next_(copy, OL_PG_BYTEA);
    ol_pg_write_bytes(&copy->buffer, data, bytes);
}

/* char(n): exactly n characters, padded by the caller (a currency has three). */
static inline void ol_pg_put_bpchar(struct ol_pg_copy *copy, const char *text, size_t bytes)
{
    ol_pg_copy_next_(copy, OL_PG_BPCHAR);
    ol_pg_write_bytes(&copy->buffer, text, bytes);
}

/* Only where the column is OL_PG_NULLABLE. */
static inline void ol_pg_put_null(struct ol_pg_copy *copy)
{
    assert(copy->column < copy->column_count && !copy->array_open);
    assert(copy->target->columns[copy->column].null == OL_PG_NULLABLE);
    copy->column++;
    ol_pg_write_null(&copy->buffer);
}

/* ---- arrays: in one go, when the values lie in a row ----------------------------------------- */

void ol_pg_put_int64s(struct ol_pg_copy *copy, const int64_t *values, size_t count);
void ol_pg_put_int16s(struct ol_pg_copy *copy, const int16_t *values, size_t count);
void ol_pg_put_texts(struct ol_pg_copy *copy, const struct ol_pg_text *values, size_t count);

/* ---- arrays: array_begin -> element ... -> array_end ----------------------------------------- */

/* `type`: OL_PG_..._ARRAY of the next column. */
static inline void ol_pg_put_array_begin(struct ol_pg_copy *copy, enum ol_pg_type type)
{
    ol_pg_copy_next_(copy, type);
    copy->array_open = true;
    copy->array_at = copy->buffer.used_bytes;
    copy->array_count = 0;
    copy->array_has_null = false;
    (void)ol_pg_buffer_take(&copy->buffer, 4 + OL_PG_ARRAY_HEAD_BYTES);
}

static inline void ol_pg_copy_element_(struct ol_pg_copy *copy, enum ol_pg_type type)
{
    assert(copy->array_open && copy->target->columns[copy->column - 1].type == type);
    copy->array_count++;
}

static inline void ol_pg_element_int64(struct ol_pg_copy *copy, int64_t value)
{
    ol_pg_copy_element_(copy, OL_PG_INT8_ARRAY);
    ol_pg_write_int64(&copy->buffer, value);
}

static inline void ol_pg_element_int32(struct ol_pg_copy *copy, int32_t value)
{
    ol_pg_copy_element_(copy, OL_PG_INT4_ARRAY);
    ol_pg_write_int32(&copy->buffer, value);
}

static inline void ol_pg_element_int16(struct ol_pg_copy *copy, int16_t value)
{
    ol_pg_copy_element_(copy, OL_PG_INT2_ARRAY);
    ol_pg_write_int16(&copy->buffer, value);
}

static inline void ol_pg_element_bool(struct ol_pg_copy *copy, bool value)
{
    ol_pg_copy_element_(copy, OL_PG_BOOL_ARRAY);
    ol_pg_write_bool(&copy->buffer, value);
}

static inline void ol_pg_element_us(struct ol_pg_copy *copy, int64_t unix_us)
{
    ol_pg_copy_element_(copy, OL_PG_TIMESTAMPTZ_ARRAY);
    ol_pg_write_us(&copy->buffer, unix_us);
}

static inline void ol_pg_element_text(struct ol_pg_copy *copy, const char *text, size_t bytes)
{
    ol_pg_copy_element_(copy, OL_PG_TEXT_ARRAY);
    ol_pg_write_bytes(&copy->buffer, text, bytes);
}

static inline void ol_pg_element_null(struct ol_pg_copy *copy)
{
    ol_pg_copy_element_(copy, copy->target->columns[copy->column - 1].type);
    copy->array_has_null = true;
    ol_pg_write_null(&copy->buffer);
}

/* Fills in length and head. */
void ol_pg_put_array_end(struct ol_pg_copy *copy);

/* ---- OL_AUTO --------------------------------------------------------------------------------- */

/* OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0}; */
static inline void ol_pg_copy_auto(struct ol_pg_copy *copy)
{
    ol_pg_copy_release(copy);
}

#endif
