#include "verify/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_hash.h"

/* ---- shapes ---- */

#define TABLE(table, context, entity) static const struct row_column table##_columns[] = {
#define KEY(table, column, kind)      {#column, ROW_##kind},
#define COLUMN(table, column, kind)   {#column, ROW_##kind},
#define END(table)                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }                                                                                              \
    }                                                                                              \
    ;
#include "verify/rows.def"

/* What PostgreSQL must answer with; every column may be null but the keys. */
#define PG_INT2     OL_PG_INT2
#define PG_INT4     OL_PG_INT4
#define PG_INT8     OL_PG_INT8
#define PG_BOOL     OL_PG_BOOL
#define PG_TIME     OL_PG_TIMESTAMPTZ
#define PG_NAME     OL_PG_TEXT
#define PG_CURRENCY OL_PG_BPCHAR
#define PG_TEXT     OL_PG_TEXT
#define PG_TEXTS    OL_PG_TEXT_ARRAY
#define PG_INTS     OL_PG_INT8_ARRAY

#define TABLE(table, context, entity) static const struct ol_pg_column table##_pg[] = {
#define KEY(table, column, kind)      {#column, PG_##kind, OL_PG_NOT_NULL},
#define COLUMN(table, column, kind)   {#column, PG_##kind, OL_PG_NULLABLE},
#define END(table)                                                                                 \
    {"ends", OL_PG_INT4, OL_PG_NOT_NULL},                                                          \
    {                                                                                              \
        0                                                                                          \
    }                                                                                              \
    }                                                                                              \
    ;
#include "verify/rows.def"

enum {
#define TABLE(table, context, entity) table##_keys = 0
#define KEY(table, column, kind)      +1
#define COLUMN(table, column, kind)
#define END(table) ,
#include "verify/rows.def"
};

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

/* clang-format off */
#define TABLE(table_, context_, entity_)                                                           \
    [ROW_TABLE_##table_] = {                                                                       \
        .name = #table_,                                                                           \
        .context = CONTEXT_##context_,                                                             \
        .entity = ENTITY_##entity_,                                                                \
        .check = CHECK_ROWS_##table_,                                                              \
        .columns = table_##_columns,                                                               \
        .key_count = table_##_keys,                                                                \
        .fetch = {.name = "verify/" #table_,                                                       \
                  .sql = "FETCH " TEXT_OF(ROW_FETCH) " FROM verify_" #table_,                      \
                  .columns = table_##_pg},                                                         \
        .declare = {.name = "verify/" #table_ "/declare",                                          \
                    .sql = "DECLARE verify_" #table_ " NO SCROLL CURSOR FOR SELECT "
#define KEY(table, column, kind)    #column ", "
#define COLUMN(table, column, kind) #column ", "
#define END(table)                  "1 AS ends FROM orderlog." #table}},
/* clang-format on */

/* Column `ends` only ends the list. */
const struct row_shape row_shapes[ROW_TABLE_COUNT] = {
#include "verify/rows.def"
};

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
static int64_t row_cell(const struct ol_pg_rows *rows, int row, int column, enum row_kind kind)
{
    switch (kind) {
    case ROW_INT2: return ol_pg_int16(rows, row, column);
    case ROW_INT4: return ol_pg_int32(rows, row, column);
    case ROW_INT8: return ol_pg_int64(rows, row, column);
    case ROW_BOOL: return ol_pg_bool(rows, row, column);
    case ROW_TIME: return ol_pg_us(rows, row, column);
    case ROW_CURRENCY: return cell_currency(row_text(rows, row, column));
    case ROW_NAME:
    case ROW_TEXT: return cell_text(row_text(rows, row, column));
    case ROW_TEXTS: return texts_cell(ol_pg_elements(rows, row, column));
    case ROW_INTS: return ints_cell(ol_pg_elements(rows, row, column));
    }
    return ROW_NULL;
}

static const char *name_of(int64_t cell)
{
    return (const char *)(intptr_t)cell;
}

bool cell_equals(const struct ol_pg_rows *rows, int row, int column, enum row_kind kind,
                 int64_t cell)
{
    if (ol_pg_is_null(rows, row, column) || cell == ROW_NULL)
        return ol_pg_is_null(rows, row, column) && cell == ROW_NULL;
    if (kind == ROW_NAME)
        return text_equal(row_text(rows, row, column), text_of(name_of(cell)));
    return row_cell(rows, row, column, kind) == cell;
}

/* ---- in words ---- */

static void say_cell(enum row_kind kind, int64_t cell, struct ol_text *text)
{
    char time[OL_CLOCK_TEXT_BYTES];
    if (cell == ROW_NULL) {
        ol_text_add(text, "nothing");
        return;
    }
    switch (kind) {
    case ROW_TIME:
        ol_text_add(text, ol_clock_format(cell, time) ? time : "a time out of range");
        return;
    case ROW_NAME: ol_text_add(text, name_of(cell)); return;
    case ROW_BOOL: ol_text_add(text, cell ? "true" : "false"); return;
    case ROW_CURRENCY:
        ol_text_addf(text, "%c%c%c", (char)(cell >> 16), (char)(cell >> 8), (char)cell);
        return;
    case ROW_TEXT:
    case ROW_TEXTS:
    case ROW_INTS: ol_text_add(text, "something else"); return;
    default: ol_text_addf(text, "%" PRId64, cell);
    }
}

static void say_row(const struct ol_pg_rows *rows, int row, int column, enum row_kind kind,
                    struct ol_text *text)
{
    struct text value;
    if (ol_pg_is_null(rows, row, column)) {
        ol_text_add(text, "nothing");
        return;
    }
    switch (kind) {
    case ROW_NAME:
    case ROW_CURRENCY:
    case ROW_TEXT:
        value = row_text(rows, row, column);
        ol_text_addf(text, "'%.*s'", (int)value.bytes, value.data);
        return;
    case ROW_TEXTS:
    case ROW_INTS:
        ol_text_addf(text, "%d elements", ol_pg_elements(rows, row, column).left);
        return;
    default: say_cell(kind, row_cell(rows, row, column, kind), text);
    }
}

void cell_explain(const struct ol_pg_rows *rows, int row, int column, enum row_kind kind,
                  int64_t cell, char *buffer, size_t buffer_bytes)
{
    struct ol_text text = ol_text_in(buffer, buffer_bytes);
    say_row(rows, row, column, kind, &text);
    ol_text_add(&text, ", the log says ");
    say_cell(kind, cell, &text);
}
