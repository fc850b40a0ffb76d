/*
 * projections/table_sql.h - the statements that write a table, made of its columns.
 *
 *   tables.def -> tables[] -> table_sql(): COPY target | UPDATE | upsert | count
 *
 * Made once a process, at the first call, and never freed: a connection keeps names and texts.
 * Parameters of updates are arrays, of the types `sent`. Any thread. Internal to projections/.
 */
#ifndef PROJECTIONS_TABLE_SQL_H
#define PROJECTIONS_TABLE_SQL_H

#include "lib/pg/ol_pg_copy.h"
#include "projections/tables.h"

struct table_sql {
    struct ol_pg_copy_target copy;
    enum ol_pg_type sent[TABLE_COLUMNS_MAX];
    size_t sent_count; /* 0: the table is never updated */
    /* sql NULL: there is none. */
    struct ol_pg_statement update, upsert;
    struct ol_pg_statement count; /* $1, $2: id and command; $3, $4: duplicates, conflicts */
};

const struct table_sql *table_sql(enum table table);

#endif
