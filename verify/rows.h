/*
 * verify/rows.h - a row of the projection as cells: one 64-bit number a column.
 *
 * What the log says and what a table holds become cells in the same way, so that comparing is a
 * loop and a row takes little memory. Integers and times are themselves, names are pointers to the
 * domain's constants, other texts and arrays are digests (XXH3-64).
 */
#ifndef VERIFY_ROWS_H
#define VERIFY_ROWS_H

#include "domain/entity.h"
#include "lib/pg/ol_pg.h"
#include "projections/tables.h"
#include "verify/findings.h"

#define ROW_NULL INT64_MIN

/* struct row_orders { int64_t partition, payment, ...; } and so on: every column but the keys. */
#define TABLE(table_context, table, entity, change, rows) struct row_##table {
#define KEY(table, column, kind, store, field, role)
#define COLUMN(table, column, kind, null, store, field, change) int64_t column;
#define GENERATED(table, column, kind, null)                    int64_t column;
#define END(table)                                                                                 \
    }                                                                                              \
    ;
#include "projections/tables.def"

/* How a table is read: a cursor over all of its columns, in their order. */
struct row_query {
    enum check check;
    int keys[2]; /* the columns that find the entity: id, second */
    size_t key_count;
    struct ol_pg_statement declare, fetch;
};

const struct row_query *row_query(enum table table);

#define ROW_FETCH 5000 /* rows in one answer */

static inline int64_t cell_name(const char *name)
{
    return *name ? (int64_t)(intptr_t)name : ROW_NULL;
}

static inline int64_t cell_time(int64_t at_us)
{
    return at_us == TIME_NONE ? ROW_NULL : ol_pg_us_from_wire(ol_pg_us_to_wire(at_us));
}

int64_t cell_text(struct text text); /* never ROW_NULL */
static inline int64_t cell_text_or_null(struct text text)
{
    return text.bytes ? cell_text(text) : ROW_NULL;
}
int64_t cell_currency(struct text currency);

/* Digests of arrays, element by element. */
int64_t cell_skus(const struct stock_line *lines, size_t count);
int64_t cell_quantities(const struct stock_line *lines, size_t count);
int64_t cell_versions(const struct stock_line *lines, size_t count);
int64_t cell_order_skus(const struct order_line *lines, size_t count);
int64_t cell_order_quantities(const struct order_line *lines, size_t count);
int64_t cell_order_amounts(const struct order_line *lines, size_t count);

/* Whether a cell is what the row's column holds. `column` is its number in the result. */
bool cell_equals(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind,
                 int64_t cell);

/* The row's value and the log's, for people: "17, the log says 18". */
void cell_explain(const struct ol_pg_rows *rows, int row, int column, enum column_kind kind,
                  int64_t cell, char *buffer, size_t buffer_bytes);

#endif
