/*
 * lib/pg/ol_pg_wire.h - PostgreSQL's binary format, written into one growing buffer.
 *
 * A field of COPY and an element of an array look the same on the wire, so one set of
 * writers serves both:
 *
 *     int32 length (-1: NULL) | that many bytes, big-endian
 *
 * A one-dimensional array:
 *
 *     int32 dimensions = 1 | int32 has NULLs | int32 element OID | int32 count | int32 first = 1
 *     | the elements                          (empty: dimensions = 0, ends after the OID)
 *
 * Pure: no connection, no libpq. One thread. A buffer that ran out of memory, or that would
 * pass OL_PG_VALUE_MAX_BYTES, remembers it in `failed`: the writers then do nothing, and
 * whoever sends the buffer refuses it. So callers need no check after each write.
 */
#ifndef OL_PG_WIRE_H
#define OL_PG_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The types we speak; the numbers are PostgreSQL's own OIDs (pg_type.dat), the same for ever. */
enum ol_pg_type {
    OL_PG_BOOL = 16,
    OL_PG_BYTEA = 17,
    OL_PG_INT8 = 20,
    OL_PG_INT2 = 21,
    OL_PG_INT4 = 23,
    OL_PG_TEXT = 25,
    OL_PG_BPCHAR = 1042, /* char(n) */
    OL_PG_TIMESTAMPTZ = 1184,
    OL_PG_BOOL_ARRAY = 1000,
    OL_PG_INT2_ARRAY = 1005,
    OL_PG_INT4_ARRAY = 1007,
    OL_PG_TEXT_ARRAY = 1009,
    OL_PG_INT8_ARRAY = 1016,
    OL_PG_TIMESTAMPTZ_ARRAY = 1185,
};

/* PostgreSQL takes no field of 1 GiB; half of it leaves room for the message around it. */
#define OL_PG_VALUE_MAX_BYTES (512u << 20)

/* Bytes of text, not NUL-terminated. data NULL stands for SQL's NULL. */
struct ol_pg_text {
    const char *data;
    size_t bytes;
};

struct ol_pg_buffer {
    unsigned char *data;
    size_t used_bytes, capacity_bytes;
    bool failed;
};

/* "bigint", "text[]", ... as a person writes it; "OID" for what is not in the enum. */
const char *ol_pg_type_name(unsigned type);

/* The type of an array's elements; 0 when `type` is no array. */
enum ol_pg_type ol_pg_element_type(enum ol_pg_type type);

/* Makes room for at least `bytes` more (doubles). False and `failed`: no memory, or too large. */
bool ol_pg_buffer_grow(struct ol_pg_buffer *buffer, size_t bytes);

/* Forgets the contents and a failure, keeps the memory. */
static inline void ol_pg_buffer_clear(struct ol_pg_buffer *buffer)
{
    buffer->used_bytes = 0;
    buffer->failed = false;
}

void ol_pg_buffer_release(struct ol_pg_buffer *buffer);

/* The next `bytes` of the buffer, to be filled now; NULL after a failure. */
static inline unsigned char *ol_pg_buffer_take(struct ol_pg_buffer *buffer, size_t bytes)
{
    if (__builtin_expect(buffer->capacity_bytes - buffer->used_bytes < bytes, 0) &&
        !ol_pg_buffer_grow(buffer, bytes))
        return NULL;
    unsigned char *at = buffer->data + buffer->used_bytes;
    buffer->used_bytes += bytes;
    return at;
}

/* Room for at least `bytes`, none of it used yet; NULL after a failure. */
static inline unsigned char *ol_pg_buffer_room(struct ol_pg_buffer *buffer, size_t bytes)
{
    if (__builtin_expect(buffer->capacity_bytes - buffer->used_bytes < bytes, 0) &&
        !ol_pg_buffer_grow(buffer, bytes))
        return NULL;
    return buffer->data + buffer->used_bytes;
}

/* What was written into that room ends here. */
static inline void ol_pg_buffer_end(struct ol_pg_buffer *buffer, const unsigned char *end)
{
    buffer->used_bytes = (size_t)(end - buffer->data);
    assert(buffer->used_bytes <= buffer->capacity_bytes);
}

/* ---- big-endian, one store each ---- */

static inline void ol_pg_store16(unsigned char *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
}

static inline void ol_pg_store32(unsigned char *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}

static inline void ol_pg_store64(unsigned char *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

static inline uint16_t ol_pg_fetch16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t ol_pg_fetch32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t ol_pg_fetch64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

/* ---- timestamptz: PostgreSQL counts microseconds from 2000-01-01 UTC, we from 1970 ---- */

#define OL_PG_EPOCH_US INT64_C(946684800000000)

/* Both ways INT64_MIN and INT64_MAX are -infinity and infinity; what can't be held saturates. */
static inline int64_t ol_pg_us_to_wire(int64_t unix_us)
{
    if (unix_us == INT64_MAX)
        return INT64_MAX;
    return unix_us < INT64_MIN + OL_PG_EPOCH_US ? INT64_MIN : unix_us - OL_PG_EPOCH_US;
}

static inline int64_t ol_pg_us_from_wire(int64_t wire_us)
{
    if (wire_us == INT64_MIN)
        return INT64_MIN;
    return wire_us > INT64_MAX - OL_PG_EPOCH_US ? INT64_MAX : wire_us + OL_PG_EPOCH_US;
}

/* ---- one field or element: length, then bytes; into room that the caller made; its end ---- */

static inline unsigned char *ol_pg_write_null(unsigned char *at)
{
    ol_pg_store32(at, UINT32_MAX);
    return at + 4;
}

static inline bool ol_pg_wrote_null(const unsigned char *at)
{
    return ol_pg_fetch32(at) == UINT32_MAX;
}

static inline unsigned char *ol_pg_write_bool(unsigned char *at, bool value)
{
    ol_pg_store32(at, 1);
    at[4] = value;
    return at + 5;
}

static inline unsigned char *ol_pg_write_int16(unsigned char *at, int16_t value)
{
    ol_pg_store32(at, 2);
    ol_pg_store16(at + 4, (uint16_t)value);
    return at + 6;
}

static inline unsigned char *ol_pg_write_int32(unsigned char *at, int32_t value)
{
    ol_pg_store32(at, 4);
    ol_pg_store32(at + 4, (uint32_t)value);
    return at + 8;
}

static inline unsigned char *ol_pg_write_int64(unsigned char *at, int64_t value)
{
    ol_pg_store32(at, 8);
    ol_pg_store64(at + 4, (uint64_t)value);
    return at + 12;
}

static inline unsigned char *ol_pg_write_us(unsigned char *at, int64_t unix_us)
{
    return ol_pg_write_int64(at, ol_pg_us_to_wire(unix_us));
}

/* Text, bytea, char(n): 4 + bytes. data NULL with bytes 0 is the empty text, not NULL. */
static inline unsigned char *ol_pg_write_bytes(unsigned char *at, const void *data, size_t bytes)
{
    ol_pg_store32(at, (uint32_t)bytes);
    if (bytes)
        memcpy(at + 4, data, bytes);
    return at + 4 + bytes;
}

/* ---- the head of an array ---- */

#define OL_PG_ARRAY_HEAD_BYTES  20
#define OL_PG_EMPTY_ARRAY_BYTES 12

/* Writes the head at `at`; returns how many of its 20 bytes count (12 when there is no element). */
static inline size_t ol_pg_store_array_head(unsigned char *at, enum ol_pg_type element,
                                            int32_t count, bool has_null)
{
    ol_pg_store32(at, count > 0);
    ol_pg_store32(at + 4, has_null);
    ol_pg_store32(at + 8, element);
    if (count == 0)
        return OL_PG_EMPTY_ARRAY_BYTES;
    ol_pg_store32(at + 12, (uint32_t)count);
    ol_pg_store32(at + 16, 1);
    return OL_PG_ARRAY_HEAD_BYTES;
}

/* What stands before the first element of a field that is an array. */
#define OL_PG_ARRAY_FIELD_BYTES (4 + OL_PG_ARRAY_HEAD_BYTES)

/* Length and head of a field at `at`, whose elements, none of them NULL, stand behind them up to
 * `end`. Returns the field's end. */
static inline unsigned char *ol_pg_write_array(unsigned char *at, unsigned char *end,
                                               enum ol_pg_type element, size_t count)
{
    size_t head = ol_pg_store_array_head(at + 4, element, (int32_t)count, false);
    if (count == 0)
        end = at + 4 + head;
    ol_pg_store32(at, (uint32_t)(end - at - 4));
    return end;
}

/*
 * An array that grows element by element, for UNNEST: one per column, appended row by row, then
 * bound with ol_pg_param_array(). init -> append ... -> bind and send -> clear -> append ...
 */
struct ol_pg_array {
    struct ol_pg_buffer buffer; /* head and elements */
    enum ol_pg_type type;       /* OL_PG_..._ARRAY */
    int32_t count;
    bool has_null;
};

/* `type` is one of OL_PG_..._ARRAY. Takes memory at the first append only. */
void ol_pg_array_init(struct ol_pg_array *array, enum ol_pg_type type);
void ol_pg_array_clear(struct ol_pg_array *array);
void ol_pg_array_release(struct ol_pg_array *array);

/* Completes the head; *ret_bytes is the value's size. The bytes live until the next append, clear
 * or release. NULL: the array has failed (memory, or larger than OL_PG_VALUE_MAX_BYTES). */
const void *ol_pg_array_value(struct ol_pg_array *array, size_t *ret_bytes);

/* For a caller that writes an element itself, of the array's type: room for at least `bytes` (NULL:
 * no memory), to be written now, then where the element began and ends. */
static inline unsigned char *ol_pg_array_room(struct ol_pg_array *array, size_t bytes)
{
    if (__builtin_expect(array->buffer.used_bytes == 0, 0))
        (void)ol_pg_buffer_take(&array->buffer, OL_PG_ARRAY_HEAD_BYTES);
    array->count++;
    return ol_pg_buffer_room(&array->buffer, bytes);
}

static inline void ol_pg_array_end(struct ol_pg_array *array, const unsigned char *at,
                                   const unsigned char *end)
{
    array->has_null |= ol_pg_wrote_null(at);
    ol_pg_buffer_end(&array->buffer, end);
}

static inline void ol_pg_array_int64(struct ol_pg_array *array, int64_t value)
{
    assert(array->type == OL_PG_INT8_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 12);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_int64(at, value));
}

static inline void ol_pg_array_int32(struct ol_pg_array *array, int32_t value)
{
    assert(array->type == OL_PG_INT4_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 8);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_int32(at, value));
}

static inline void ol_pg_array_int16(struct ol_pg_array *array, int16_t value)
{
    assert(array->type == OL_PG_INT2_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 6);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_int16(at, value));
}

static inline void ol_pg_array_bool(struct ol_pg_array *array, bool value)
{
    assert(array->type == OL_PG_BOOL_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 5);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_bool(at, value));
}

static inline void ol_pg_array_us(struct ol_pg_array *array, int64_t unix_us)
{
    assert(array->type == OL_PG_TIMESTAMPTZ_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 12);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_us(at, unix_us));
}

static inline void ol_pg_array_text(struct ol_pg_array *array, const char *text, size_t bytes)
{
    assert(array->type == OL_PG_TEXT_ARRAY);
    unsigned char *at = ol_pg_array_room(array, 4 + bytes);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_bytes(at, text, bytes));
}

static inline void ol_pg_array_null(struct ol_pg_array *array)
{
    unsigned char *at = ol_pg_array_room(array, 4);
    if (at)
        ol_pg_array_end(array, at, ol_pg_write_null(at));
}

static inline void ol_pg_array_auto(struct ol_pg_array *array)
{
    ol_pg_array_release(array);
}

#endif
