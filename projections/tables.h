/*
 * projections/tables.h - the projection's tables as COPY targets, one for each TABLE of tables.def.
 *
 * Static tables only. Whoever puts a row puts its columns in tables.def's order;
 * lib/pg/ol_pg_copy.h compares types at every put, and names with the database once per connection.
 */
#ifndef PROJECTIONS_TABLES_H
#define PROJECTIONS_TABLES_H

#include "domain/message.h"
#include "lib/pg/ol_pg_copy.h"

enum table {
#define TABLE(context, table) TABLE_##table,
#define COLUMN(table, column, type, null)
#define END(table)
#include "projections/tables.def"
    TABLE_COUNT
};

struct table_row {
    enum context context; /* whose events write it */
    struct ol_pg_copy_target copy;
};

extern const struct table_row tables[TABLE_COUNT];

#endif
