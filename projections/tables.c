#include "projections/tables.h"

/* clang-format off */
#define TABLE(context, table) static const struct ol_pg_column table##_columns[] = {
#define COLUMN(table, column, type, null) {#column, OL_PG_##type, OL_PG_##null},
#define END(table) {0}};
#include "projections/tables.def"
/* clang-format on */

const struct table_row tables[TABLE_COUNT] = {
#define TABLE(context, table)                                                                      \
    [TABLE_##table] = {CONTEXT_##context, {#table "/copy", "orderlog." #table, table##_columns}},
#define COLUMN(table, column, type, null)
#define END(table)
#include "projections/tables.def"
};
