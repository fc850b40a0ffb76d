/*
 * projections/tables.h - the projection's tables and their columns, as data: tables.def read once.
 *
 * Who wants SQL about a table walks its columns: the projector's statements (table_sql.h), loads
 * (load_statements.c), and verify/, which comes in by this door. Static tables only.
 */
#ifndef PROJECTIONS_TABLES_H
#define PROJECTIONS_TABLES_H

#include "domain/entity.h"
#include "lib/pg/ol_pg.h"

#define TABLE_COLUMNS_MAX 32

enum table {
#define TABLE(context, table, entity, change, rows) TABLE_##table,
#define COLUMN(table, column, kind, null, store, field, change)
#define END(table)
#include "projections/tables.def"
    TABLE_COUNT
};

/* orders_order_id_at, orders_partition_at, ...: the column's number within its table. */
#define TABLE(context, table, entity, change, rows)             enum {
#define COLUMN(table, column, kind, null, store, field, change) table##_##column##_at,
#define GENERATED(table, column, kind, null)                    table##_##column##_at,
#define END(table)                                                                                 \
    table##_column_count                                                                           \
    }                                                                                              \
    ;
#include "projections/tables.def"

/* What the database holds. */
enum column_kind {
    COLUMN_INT2 = 1,
    COLUMN_INT4,
    COLUMN_INT8,
    COLUMN_BOOL,
    COLUMN_TIME,
    COLUMN_NAME,     /* a word of a fixed list */
    COLUMN_CURRENCY, /* char(3) */
    COLUMN_TEXT,
    COLUMN_TEXTS, /* arrays */
    COLUMN_INTS,
    COLUMN_KIND_COUNT
};

enum ol_pg_type column_type(enum column_kind kind);

enum column_role {
    COLUMN_IS_PLAIN = 0,
    COLUMN_IS_PRIMARY,   /* part of the primary key */
    COLUMN_IS_OWNER,     /* of the key that rows are found by, but not of the primary key */
    COLUMN_IS_GENERATED, /* by the database: nobody writes it */
};

/* What an update makes of the column (t: the row, u: the change); see rules[] in table_sql.c. */
enum column_change {
    CHANGE_NEVER = 0, /* written with the new row, never again */
    CHANGE_ONCE,      /* the same, also where an upsert makes the row */
    CHANGE_SET,
    CHANGE_NEXT, /* set, if the row has the version before (the change has it as <field>_before) */
    CHANGE_ADD,
    CHANGE_BITS,
    CHANGE_KEEP, /* set unless NULL */
    CHANGE_VERSIONS,
    CHANGE_REFUNDED,
    CHANGE_COUNT,  /* added to by the table's count, which repeats of commands are */
    CHANGE_ORIGIN, /* never; the command whose repeats the row counts */
    CHANGE_KIND_COUNT
};

struct table_column {
    const char *name;
    enum column_kind kind;
    enum ol_pg_null null;
    enum column_role role;
    enum column_change change;
};

static inline bool column_is_key(const struct table_column *column)
{
    return column->role == COLUMN_IS_PRIMARY || column->role == COLUMN_IS_OWNER;
}

/* Where a batch has a table's rows. */
enum table_rows { ROWS_AGGREGATES, ROWS_CLAIMS, ROWS_COMMANDS };

struct table_shape {
    const char *name; /* "orders" */
    enum context context;
    enum entity_kind entity;
    enum table_rows rows;
    const struct table_column *columns;
    size_t column_count;
};

extern const struct table_shape tables[TABLE_COUNT];

#endif
