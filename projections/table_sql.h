/*
 * projections/table_sql.h - the statements that write a table, made of its columns.
 *
 *   tables.def -> tables[] -> table_sql(): COPY target | UPDATE | upsert | count
 *
 * Made once a process, at the first call, and never freed: a connection keeps names and texts.
 * Parameters are arrays, one for each field of `sent`. Any thread. Internal to projections/.
 */
#ifndef PROJECTIONS_TABLE_SQL_H
#define PROJECTIONS_TABLE_SQL_H

#include "lib/pg/ol_pg_copy.h"
#include "projections/tables.h"

/* How one value goes from a change to the wire. */
struct table_field {
    enum ol_pg_type type; /* of the column; in `sent`, of the array */
    enum column_store store;
    uint16_t offset, flag; /* as of the column */
    bool nullable;
};

struct table_sql {
    const struct table_shape *shape;
    struct ol_pg_copy_target copy;
    struct table_field copied[TABLE_COLUMNS_MAX]; /* single values first, then arrays */
    size_t copied_count, value_count;
    uint16_t texts[TABLE_COLUMNS_MAX]; /* where among the values the change has a struct text */
    size_t text_count;
    struct table_field sent[TABLE_COLUMNS_MAX];
    size_t sent_count; /* 0: the table is never updated */
    uint16_t flags[TABLE_COLUMNS_MAX];
    size_t flag_count; /* not 0: a change without any of these flags is no update */
    /* sql NULL: there is none. */
    struct ol_pg_statement update, upsert;
    struct ol_pg_statement count; /* $1, $2: id and command; $3, $4: duplicates, conflicts */
};

const struct table_sql *table_sql(enum table table);

#endif
