/*
 * cli/table.h - rows for people (aligned columns) or for programs (a JSON object a line).
 *
 * init -> { add a cell for each column } per row -> print -> clear or release.
 * Nothing is written before print, so that columns can be as wide as their widest cell. Text that a
 * terminal would act on (control characters) is shown as U+FFFD. One thread.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "domain/text.h"
#include "lib/base/ol_text.h"
#include "lib/pg/ol_pg.h"

enum table_kind {
    TABLE_TEXT,   /* left aligned; a JSON string */
    TABLE_NUMBER, /* right aligned; a JSON string, as 64-bit integers are everywhere */
    TABLE_SMALL,  /* the same, but small enough for every reader: a JSON number */
    TABLE_BOOL,   /* yes or no; a JSON boolean */
};

/* A row of a command's table of columns. */
struct table_column {
    const char *name; /* snake_case; the JSON member, and the heading in capitals */
    enum table_kind kind;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    bool json;
    struct ol_text texts; /* every cell, NUL behind it */
    struct table_cell *cells;
    size_t cell_count, cell_capacity;
    bool failed; /* no memory */
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count,
                bool json);
void table_clear(struct table *table);
void table_release(struct table *table);
static inline void table_auto(struct table *table)
{
    table_release(table);
}

/* The next cell, in the order of the columns. Null is "-" in text. */
void table_null(struct table *table);
void table_text(struct table *table, const char *text); /* NULL: null */
void table_bytes(struct table *table, struct text text);
void table_int(struct table *table, int64_t value);
void table_bool(struct table *table, bool value);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_time(struct table *table, int64_t at_us); /* RFC 3339; null outside its bounds */

/* All rows of a result as PostgreSQL prints them (ol_pg_select); as many columns as the table. */
void table_rows(struct table *table, const struct ol_pg_rows *rows);

size_t table_row_count(const struct table *table);

/* Writes all rows, in text with a heading; nothing for no rows. OL_FATAL: no memory. */
enum ol_class table_print(const struct table *table, FILE *out, struct ol_error *reterr);

/* One row as lines "name  value", for people. */
enum ol_class table_print_record(const struct table *table, FILE *out, struct ol_error *reterr);

/* All rows as a JSON array, or one as an object; a table that failed marks the text failed. */
void table_add_json(const struct table *table, struct ol_text *text);
void table_add_json_row(const struct table *table, size_t row, struct ol_text *text);

#endif
