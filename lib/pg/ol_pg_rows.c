#include <stdio.h>
#include <string.h>

#include "lib/pg/ol_pg_internal.h"

void ol_pg_rows_release(struct ol_pg_rows *rows)
{
    PQclear(rows->result);
    *rows = (struct ol_pg_rows){0};
}

/* ---- checks at arrival ---- */

enum ol_class ol_pg_check_columns(const char *name, const struct pg_result *result,
                                  const struct ol_pg_column *columns, struct ol_error *reterr)
{
    int count = PQnfields(result), expected = 0;
    while (columns[expected].name)
        expected++;
    for (int i = 0; i < count && i < expected; i++) {
        const char *is = PQfname(result, i);
        unsigned type = PQftype(result, i);
        if (strcmp(is, columns[i].name) || type != (unsigned)columns[i].type)
            return ol_fail(reterr, OL_FATAL,
                           "%s: column %d is %s %s (type OID %u), expected %s %s; does the schema "
                           "fit this program? (orderlog migrate status)",
                           name, i + 1, is, ol_pg_type_name(type), type, columns[i].name,
                           ol_pg_type_name(columns[i].type));
    }
    if (count != expected)
        return ol_fail(reterr, OL_FATAL,
                       "%s: %d columns, expected %d; does the schema fit this program? "
                       "(orderlog migrate status)",
                       name, count, expected);
    return OL_OK;
}

enum ol_class ol_pg_check_nulls(const char *name, const struct pg_result *result,
                                const struct ol_pg_column *columns, struct ol_error *reterr)
{
    int row_count = PQntuples(result);
    for (int column = 0; columns[column].name; column++)
        for (int row = 0; columns[column].null == OL_PG_NOT_NULL && row < row_count; row++)
            if (PQgetisnull(result, row, column))
                return ol_fail(reterr, OL_FATAL, "%s: column %s is NULL in row %d", name,
                               columns[column].name, row + 1);
    return OL_OK;
}

/* ---- columns ---- */

/* The bytes of a field of that type (0: any), or NULL. */
static const char *field(const struct ol_pg_rows *rows, int row, int column, enum ol_pg_type type)
{
    assert(row >= 0 && row < rows->count && column >= 0 && column < PQnfields(rows->result));
    if (type)
        assert(rows->statement && rows->statement->columns &&
               rows->statement->columns[column].type == type);
    return PQgetisnull(rows->result, row, column) ? NULL : PQgetvalue(rows->result, row, column);
}

bool ol_pg_is_null(const struct ol_pg_rows *rows, int row, int column)
{
    return !field(rows, row, column, 0);
}

int64_t ol_pg_int64(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, OL_PG_INT8);
    return at ? (int64_t)ol_pg_fetch64(at) : 0;
}

int32_t ol_pg_int32(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, OL_PG_INT4);
    return at ? (int32_t)ol_pg_fetch32(at) : 0;
}

int16_t ol_pg_int16(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, OL_PG_INT2);
    return at ? (int16_t)ol_pg_fetch16(at) : 0;
}

bool ol_pg_bool(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, OL_PG_BOOL);
    return at && *at;
}

int64_t ol_pg_us(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, OL_PG_TIMESTAMPTZ);
    return at ? ol_pg_us_from_wire((int64_t)ol_pg_fetch64(at)) : 0;
}

static struct ol_pg_text slice(const struct ol_pg_rows *rows, int row, int column, const char *at)
{
    if (!at)
        return (struct ol_pg_text){0};
    int bytes = PQgetlength(rows->result, row, column);
    return (struct ol_pg_text){.data = at, .bytes = (size_t)bytes};
}

struct ol_pg_text ol_pg_text(const struct ol_pg_rows *rows, int row, int column)
{
    const char *at = field(rows, row, column, 0);
    enum ol_pg_type type = rows->statement->columns[column].type;
    assert(type == OL_PG_TEXT || type == OL_PG_BPCHAR);
    return slice(rows, row, column, at);
}

/* ---- arrays ---- */

#define DIMENSIONS_MAX 6 /* PostgreSQL's MAXDIM; more than one are read in storage order */

struct ol_pg_elements ol_pg_elements(const struct ol_pg_rows *rows, int row, int column)
{
    enum ol_pg_type type = rows->statement->columns[column].type;
    struct ol_pg_elements elements = {.type = ol_pg_element_type(type)};
    assert(elements.type);
    const unsigned char *at = (const unsigned char *)field(rows, row, column, type);
    if (!at)
        return elements;
    elements.end = at + PQgetlength(rows->result, row, column);
    assert(elements.end - at >= OL_PG_EMPTY_ARRAY_BYTES);
    uint32_t dimensions = ol_pg_fetch32(at);
    assert(dimensions <= DIMENSIONS_MAX && ol_pg_fetch32(at + 8) == (uint32_t)elements.type);
    at += OL_PG_EMPTY_ARRAY_BYTES;
    assert(elements.end - at >= 8 * (ptrdiff_t)dimensions);
    int64_t count = dimensions ? 1 : 0;
    for (uint32_t i = 0; i < dimensions; i++, at += 8)
        count *= (int32_t)ol_pg_fetch32(at);
    assert(count >= 0 && count <= (elements.end - at) / 4); /* each has a length field */
    elements.at = at;
    elements.left = (int32_t)count;
    return elements;
}

/* Steps to the next element, of `bytes` (-1: any); its bytes, or NULL for a NULL. */
static const unsigned char *step(struct ol_pg_elements *elements, int bytes, int *ret_bytes)
{
    assert(elements->end - elements->at >= 4);
    int32_t length = (int32_t)ol_pg_fetch32(elements->at);
    const unsigned char *at = elements->at + 4;
    elements->left--;
    elements->is_null = length < 0;
    if (length < 0) {
        elements->at = at;
        return NULL;
    }
    assert(length <= elements->end - at && (bytes < 0 || length == bytes));
    elements->at = at + length;
    if (ret_bytes)
        *ret_bytes = length;
    return at;
}

bool ol_pg_next_int64(struct ol_pg_elements *elements, int64_t *ret_value)
{
    assert(elements->type == OL_PG_INT8);
    if (elements->left == 0)
        return false;
    const unsigned char *at = step(elements, 8, NULL);
    *ret_value = at ? (int64_t)ol_pg_fetch64(at) : 0;
    return true;
}

bool ol_pg_next_text(struct ol_pg_elements *elements, struct ol_pg_text *ret_value)
{
    assert(elements->type == OL_PG_TEXT);
    if (elements->left == 0)
        return false;
    int bytes = 0;
    const unsigned char *at = step(elements, -1, &bytes);
    *ret_value = (struct ol_pg_text){.data = (const char *)at, .bytes = (size_t)bytes};
    return true;
}

/* ---- text results ---- */

const char *ol_pg_string(const struct ol_pg_rows *rows, int row, int column)
{
    assert(!rows->statement);
    const char *at = field(rows, row, column, 0);
    return at ? at : "";
}

int ol_pg_column_count(const struct ol_pg_rows *rows)
{
    return PQnfields(rows->result);
}
