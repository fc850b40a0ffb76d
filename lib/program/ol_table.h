/*
 * lib/program/ol_table.h - rows for people (aligned columns) or for programs (a JSON object a
 * line).
 *
 * init -> { add a cell for each column } per row -> print -> clear or release.
 * Nothing is written before print, so that columns can be as wide as their widest cell. Text that a
 * terminal would act on (ol_text_add_shown) is shown as U+FFFD. One thread.
 */
#ifndef OL_TABLE_H
#define OL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/ol_text.h"
#include "lib/pg/ol_pg.h"

enum ol_table_kind {
    OL_TABLE_TEXT,   /* left aligned; a JSON string */
    OL_TABLE_NUMBER, /* right aligned; a JSON string, as 64-bit integers are everywhere */
    OL_TABLE_SMALL,  /* the same, but small enough for every reader: a JSON number */
    OL_TABLE_BOOL,   /* yes or no; a JSON boolean */
};

/* A row of a command's table of columns. */
struct ol_table_column {
    const char *name; /* snake_case; the JSON member, and the heading in capitals */
    enum ol_table_kind kind;
};

struct ol_table {
    const struct ol_table_column *columns;
    size_t column_count;
    bool json;
    struct ol_text texts; /* every cell, NUL after it */
    struct ol_table_cell *cells;
    size_t cell_count, cell_capacity;
    bool failed; /* no memory */
};

void ol_table_init(struct ol_table *table, const struct ol_table_column *columns,
                   size_t column_count, bool json);
void ol_table_clear(struct ol_table *table);
void ol_table_release(struct ol_table *table);
static inline void ol_table_auto(struct ol_table *table)
{
    ol_table_release(table);
}

/* The next cell, in the order of the columns. Null is "-" in text. */
void ol_table_null(struct ol_table *table);
void ol_table_text(struct ol_table *table, const char *text); /* NULL: null */
void ol_table_bytes(struct ol_table *table, const char *text,
                    size_t bytes); /* empty: NULL will do */
void ol_table_int(struct ol_table *table, int64_t value);
void ol_table_addf(struct ol_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ol_table_time(struct ol_table *table, int64_t at_us); /* RFC 3339; null outside its bounds */

/* All rows of a result as PostgreSQL prints them (ol_pg_select); as many columns as the table. */
void ol_table_rows(struct ol_table *table, const struct ol_pg_rows *rows);

size_t ol_table_row_count(const struct ol_table *table);

/* Writes all rows, in text with a heading; nothing for no rows. OL_FATAL: no memory. */
enum ol_class ol_table_print(const struct ol_table *table, FILE *out, struct ol_error *reterr);

/* One row as lines "name  value", for people. */
enum ol_class ol_table_print_record(const struct ol_table *table, FILE *out,
                                    struct ol_error *reterr);

/* All rows as a JSON array, or one as an object; a table that failed marks the text failed. */
void ol_table_add_json(const struct ol_table *table, struct ol_text *text);
void ol_table_add_json_row(const struct ol_table *table, size_t row, struct ol_text *text);

#endif
