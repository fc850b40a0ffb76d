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

/*
 * How a change (reduce.h) has the value. Where it says NULL, COPY writes NULL, and an update leaves
 * what the row has.
 */
enum column_store {
    STORE_TEXT = 1, /* struct text; empty is NULL where the column may be NULL */
    STORE_CURRENCY, /* struct currency */
    STORE_BOOL,
    STORE_INT16, /* int32_t; the column has two bytes */
    STORE_INT32,
    STORE_INT64,
    STORE_UINT64,
    STORE_TIME,    /* int64_t, us; TIME_NONE is NULL */
    STORE_VERSION, /* int64_t; 0 is NULL */
    STORE_AMOUNT,  /* int64_t; below 0 is NULL */
    /* Words; none is NULL. */
    STORE_WORD, /* const char * */
    STORE_ORDER_STATUS,
    STORE_SAGA_STATE,
    STORE_REFUSAL,
    STORE_RESERVATION_STATUS,
    STORE_PAYMENT_STATUS,
    STORE_OUTCOME, /* const char *: accepted if there is one */
    /* A map of payment states: of a new order what the map makes of "not asked"; for an update the
     * map itself. */
    STORE_ORDER_PAYMENT,
    STORE_PAYMENT_MAP,
    STORE_VERSIONS_TEXT, /* of lines, as text, '{7,12}': arrays of arrays can't be parameters */
    /* An array of one member of the lines; the pointer to these, and their count behind it. */
    STORE_ORDER_SKUS,
    STORE_ORDER_QUANTITIES,
    STORE_ORDER_AMOUNTS,
    STORE_STOCK_SKUS,
    STORE_STOCK_QUANTITIES,
    STORE_STOCK_VERSIONS,
    STORE_COUNT
};

/* What an update makes of the column (t: the row, u: the change); see rules[] in table_sql.c. */
enum column_change {
    CHANGE_NEVER = 0, /* written with the new row, never again */
    CHANGE_ONCE,      /* the same, also where an upsert makes the row */
    CHANGE_SET,
    CHANGE_NEXT, /* set, if the row has the version before (which the change has before it) */
    CHANGE_ADD,
    CHANGE_BITS,
    CHANGE_KEEP, /* set unless NULL */
    CHANGE_VERSIONS,
    CHANGE_PAYMENT,
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
    /* The rest is the projector's. */
    enum column_store store;
    enum column_change change;
    uint16_t offset; /* of the value, in the change */
    uint16_t flag;   /* of the bool that says that it is changed; 0: none */
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
