#include "lib/pg/ol_pg_wire.h"

#include <stdlib.h>

#include "lib/base/ol_grow.h"

#define FIRST_CAPACITY_BYTES 256

static const struct {
    enum ol_pg_type type;
    const char *name;
    enum ol_pg_type element;
} types[] = {
    {OL_PG_BOOL, "boolean", 0},
    {OL_PG_BYTEA, "bytea", 0},
    {OL_PG_INT8, "bigint", 0},
    {OL_PG_INT2, "smallint", 0},
    {OL_PG_INT4, "integer", 0},
    {OL_PG_TEXT, "text", 0},
    {OL_PG_BPCHAR, "char(n)", 0},
    {OL_PG_TIMESTAMPTZ, "timestamptz", 0},
    {OL_PG_BOOL_ARRAY, "boolean[]", OL_PG_BOOL},
    {OL_PG_INT2_ARRAY, "smallint[]", OL_PG_INT2},
    {OL_PG_INT4_ARRAY, "integer[]", OL_PG_INT4},
    {OL_PG_TEXT_ARRAY, "text[]", OL_PG_TEXT},
    {OL_PG_INT8_ARRAY, "bigint[]", OL_PG_INT8},
    {OL_PG_TIMESTAMPTZ_ARRAY, "timestamptz[]", OL_PG_TIMESTAMPTZ},
};

#define TYPE_COUNT (sizeof types / sizeof types[0])

const char *ol_pg_type_name(unsigned type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if ((unsigned)types[i].type == type)
            return types[i].name;
    return "another type";
}

enum ol_pg_type ol_pg_element_type(enum ol_pg_type type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (types[i].type == type)
            return types[i].element;
    return 0;
}

bool ol_pg_buffer_grow(struct ol_pg_buffer *buffer, size_t bytes)
{
    bool too_much = bytes > 2 * (size_t)OL_PG_VALUE_MAX_BYTES ||
                    buffer->used_bytes + bytes > 2 * (size_t)OL_PG_VALUE_MAX_BYTES;
    if (buffer->failed || too_much ||
        !OL_GROW(buffer->data, buffer->capacity_bytes, buffer->used_bytes + bytes,
                 FIRST_CAPACITY_BYTES))
        buffer->failed = true;
    return !buffer->failed;
}

void ol_pg_buffer_release(struct ol_pg_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct ol_pg_buffer){0};
}

void ol_pg_array_init(struct ol_pg_array *array, enum ol_pg_type type)
{
    assert(ol_pg_element_type(type));
    *array = (struct ol_pg_array){.type = type};
}

void ol_pg_array_clear(struct ol_pg_array *array)
{
    ol_pg_buffer_clear(&array->buffer);
    array->count = 0;
    array->has_null = false;
}

void ol_pg_array_release(struct ol_pg_array *array)
{
    ol_pg_buffer_release(&array->buffer);
    ol_pg_array_clear(array);
}

const void *ol_pg_array_value(struct ol_pg_array *array, size_t *ret_bytes)
{
    struct ol_pg_buffer *buffer = &array->buffer;
    if (buffer->used_bytes == 0)
        (void)ol_pg_buffer_take(buffer, OL_PG_ARRAY_HEAD_BYTES);
    if (buffer->failed || buffer->used_bytes > OL_PG_VALUE_MAX_BYTES)
        return NULL;
    size_t head = ol_pg_store_array_head(buffer->data, ol_pg_element_type(array->type),
                                         array->count, array->has_null);
    *ret_bytes = array->count == 0 ? head : buffer->used_bytes;
    return buffer->data;
}
