#include "verify/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_hash.h"
#include "lib/base/ol_text.h"

/* ---- queries ---- */

#define SQL_BYTES 1024

static const enum check checks[TABLE_COUNT] = {
#define TABLE(context, table, entity, change, rows) [TABLE_##table] = CHECK_ROWS_##table,
#define COLUMN(table, column, kind, null, store, field, change)
#define END(table)
#include "projections/tables.def"
};

static struct made {
    struct row_query query;
    struct ol_pg_column columns[TABLE_COLUMNS_MAX + 1];
    char declare_name[48], fetch_name[40], declare[SQL_BYTES], fetch[80];
} all[TABLE_COUNT];

/* Every column may be null but the keys: that it is not is a finding. */
static void make_query(const struct table_shape *shape, struct made *made)
{
    struct row_query *query = &made->query;
    struct ol_text sql = ol_text_in(made->declare, sizeof made->declare);
    ol_text_addf(&sql, "DECLARE verify_%s NO SCROLL CURSOR FOR SELECT ", shape->name);
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        bool is_key = column_is_key(column);
        ol_text_addf(&sql, "%s%s", i ? ", " : "", column->name);
        made->columns[i] = (struct ol_pg_column){column->name, column_type(column->kind),
                                                 is_key ? OL_PG_NOT_NULL : OL_PG_NULLABLE};
        if (is_key)
            query->keys[query->key_count++] = (int)i;
    }
    ol_text_addf(&sql, " FROM orderlog.%s", shape->name);
    assert(!sql.failed);
    snprintf(made->declare_name, sizeof made->declare_name, "verify/%s/declare", shape->name);
    snprintf(made->fetch_name, sizeof made->fetch_name, "verify/%s", shape->name);
    snprintf(made->fetch, sizeof made->fetch, "FETCH %d FROM verify_%s", ROW_FETCH, shape->name);
    query->declare = (struct ol_pg_statement){.name = made->declare_name, .sql = made->declare};
    query->fetch = (struct ol_pg_statement){made->fetch_name, made->fetch, made->columns};
}

const struct row_query *row_query(enum table table)
{
    struct made *made = &all[table];
    if (!made->query.fetch.sql) {
        made->query.check = checks[table];
        make_query(&tables[table], made);
    }
    return &made->query;
}

/* ---- digests ---- */

#define SEED 0x9e3779b97f4a7c15u

/* Order matters, and so does where one element ends. */
static uint64_t digest_add(uint64_t digest, uint64_t value)
{
    digest ^= value + SEED + (digest << 6) + (digest >> 2);
    return digest * 0xff51afd7ed558ccdu;
}

static int64_t digest_end(uint64_t digest)
{
    digest ^= digest >> 33;
    return digest == (uint64_t)ROW_NULL ? 0 : (int64_t)digest;
}

static uint64_t text_digest(const void *data, size_t bytes)
{
    return bytes ? ol_hash(data, bytes) : 1;
}

int64_t cell_text(struct text text)
{
    return digest_end(text_digest(text.data, text.bytes));
}

int64_t cell_currency(struct text currency)
{
    int64_t cell = 0;
    for (uint32_t i = 0; i < currency.bytes; i++)
        cell = cell << 8 | (unsigned char)currency.data[i];
    return cell;
}

#define DIGEST_OF(name, type, value)                                                               \
    int64_t name(const type *lines, size_t count)                                                  \
    {                                                                                              \
        uint64_t digest = SEED;                                                                    \
        for (size_t i = 0; i < count; i++)                                                         \
            digest = digest_add(digest, value);                                                    \
        return digest_end(digest);                                                                 \
    }

DIGEST_OF(cell_skus, struct stock_line, text_digest(lines[i].sku.data, lines[i].sku.bytes))
DIGEST_OF(cell_quantities, struct stock_line, (uint64_t)lines[i].quantity)
DIGEST_OF(cell_versions, struct stock_line, (uint64_t)lines[i].version)
DIGEST_OF(cell_order_skus, struct order_line, text_digest(lines[i].sku.data, lines[i].sku.bytes))
DIGEST_OF(cell_order_quantities, struct order_line, (uint64_t)lines[i].quantity)
DIGEST_OF(cell_order_amounts, struct order_line, (uint64_t)lines[i].amount_minor)

static int64_t texts_cell(struct ol_pg_elements elements)
{
    uint64_t digest = SEED;
    struct ol_pg_text text;
    while (ol_pg_next_text(&elements, &text))
        digest = digest_add(digest, text_digest(text.data, text.bytes));
    return digest_end(digest);
}

static int64_t ints_cell(struct ol_pg_elements elements)
{
    uint64_t digest = SEED;
    int64_t value;
    while (ol_pg_next_int64(&elements, &value))
        digest = digest_add(digest, (uint64_t)value);
    return digest_end(digest);
}

/* ---- comparing ---- */

static struct text row_text(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

/* The row's column as a cell; names have none. */
static int64_t row_cell(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind)
{
    switch (kind) {
    case COLUMN_INT2: return ol_pg_int16(rows, row, column);
    case COLUMN_INT4: return ol_pg_int32(rows, row, column);
    case COLUMN_INT8: return ol_pg_int64(rows, row, column);
    case COLUMN_BOOL: return ol_pg_bool(rows, row, column);
    case COLUMN_TIME: return ol_pg_us(rows, row, column);
    case COLUMN_CURRENCY: return cell_currency(row_text(rows, row, column));
    case COLUMN_NAME:
    case COLUMN_TEXT: return cell_text(row_text(rows, row, column));
    case COLUMN_TEXTS: return texts_cell(ol_pg_elements(rows, row, column));
    case COLUMN_INTS: return ints_cell(ol_pg_elements(rows, row, column));
    case COLUMN_KIND_COUNT: break;
    }
    return ROW_NULL;
}

static const char *name_of(int64_t cell)
{
    return (const char *)(intptr_t)cell;
}

bool cell_equals(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind,
                 int64_t cell)
{
    if (ol_pg_is_null(rows, row, column) || cell == ROW_NULL)
        return ol_pg_is_null(rows, row, column) && cell == ROW_NULL;
    if (kind == COLUMN_NAME)
        return text_equal(row_text(rows, row, column), text_of(name_of(cell)));
    return row_cell(rows, row, column, kind) == cell;
}

/* ---- in words ---- */

static void say_cell(enum column_kind kind, int64_t cell, struct ol_text *text)
{
    char time[OL_CLOCK_TEXT_BYTES];
    if (cell == ROW_NULL) {
        ol_text_add(text, "nothing");
        return;
    }
    switch (kind) {
    case COLUMN_TIME:
        ol_text_add(text, ol_clock_format(cell, time) ? time : "a time out of range");
        return;
    case COLUMN_NAME: ol_text_add(text, name_of(cell)); return;
    case COLUMN_BOOL: ol_text_add(text, cell ? "true" : "false"); return;
    case COLUMN_CURRENCY:
        ol_text_addf(text, "%c%c%c", (char)(cell >> 16), (char)(cell >> 8), (char)cell);
        return;
    case COLUMN_TEXT:
    case COLUMN_TEXTS:
    case COLUMN_INTS: ol_text_add(text, "something else"); return;
    default: ol_text_addf(text, "%" PRId64, cell);
    }
}

static void say_row(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind,
                    struct ol_text *text)
{
    struct text value;
    if (ol_pg_is_null(rows, row, column)) {
        ol_text_add(text, "nothing");
        return;
    }
    switch (kind) {
    case COLUMN_NAME:
    case COLUMN_CURRENCY:
    case COLUMN_TEXT:
        value = row_text(rows, row, column);
        ol_text_addf(text, "'%.*s'", (int)value.bytes, value.data);
        return;
    case COLUMN_TEXTS:
    case COLUMN_INTS:
        ol_text_addf(text, "%d elements", ol_pg_elements(rows, row, column).left);
        return;
    default: say_cell(kind, row_cell(rows, row, column, kind), text);
    }
}

void cell_explain(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind,
                  int64_t cell, char *buffer, size_t buffer_bytes)
{
    struct ol_text text = ol_text_in(buffer, buffer_bytes);
    say_row(rows, row, column, kind, &text);
    ol_text_add(&text, ", the log says ");
    say_cell(kind, cell, &text);
}
