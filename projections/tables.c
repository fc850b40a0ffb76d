#include "projections/tables.h"

#define TABLE(context, table, entity, change, rows)                                                \
    static const struct table_column table##_columns[] = {
#define KEY(table, column, kind_, store, field, role_)                                             \
    {.name = #column, .kind = COLUMN_##kind_, .null = OL_PG_NOT_NULL, .role = COLUMN_IS_##role_},
#define COLUMN(table, column, kind_, null_, store, field, change_)                                 \
    {.name = #column, .kind = COLUMN_##kind_, .null = OL_PG_##null_, .change = CHANGE_##change_},
#define GENERATED(table, column, kind_, null_)                                                     \
    {.name = #column, .kind = COLUMN_##kind_, .null = OL_PG_##null_, .role = COLUMN_IS_GENERATED},
#define END(table)                                                                                 \
    }                                                                                              \
    ;                                                                                              \
    _Static_assert((int)table##_column_count <= TABLE_COLUMNS_MAX, "room for all columns");
#include "projections/tables.def"

const struct table_shape tables[TABLE_COUNT] = {
#define TABLE(context_, table, entity_, change, rows_)                                             \
    [TABLE_##table] = {.name = #table,                                                             \
                       .context = CONTEXT_##context_,                                              \
                       .entity = ENTITY_##entity_,                                                 \
                       .rows = ROWS_##rows_,                                                       \
                       .columns = table##_columns,                                                 \
                       .column_count = table##_column_count},
#define COLUMN(table, column, kind, null, store, field, change)
#define END(table)
#include "projections/tables.def"
};

enum ol_pg_type column_type(enum column_kind kind)
{
    static const enum ol_pg_type types[COLUMN_KIND_COUNT] = {
        [COLUMN_INT2] = OL_PG_INT2,        [COLUMN_INT4] = OL_PG_INT4,
        [COLUMN_INT8] = OL_PG_INT8,        [COLUMN_BOOL] = OL_PG_BOOL,
        [COLUMN_TIME] = OL_PG_TIMESTAMPTZ, [COLUMN_NAME] = OL_PG_TEXT,
        [COLUMN_CURRENCY] = OL_PG_BPCHAR,  [COLUMN_TEXT] = OL_PG_TEXT,
        [COLUMN_TEXTS] = OL_PG_TEXT_ARRAY, [COLUMN_INTS] = OL_PG_INT8_ARRAY,
    };
    return types[kind];
}
