#include "cli/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/ol_clock.h"
#include "lib/ol_hash.h"

/* ---- shapes ---- */

#define TABLE(table, context, entity) static const struct row_column table##_columns[] = {
#define KEY(table, column, kind)      {#column, ROW_##kind},
#define COLUMN(table, column, kind)   {#column, ROW_##kind},
#define END(table)                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }                                                                                              \
    }                                                                                              \
    ;
#include "cli/rows.def"

/* What PostgreSQL must answer with; every column may be null but the keys. */
#define PG_INT2     OL_PG_INT2
#define PG_INT4     OL_PG_INT4
#define PG_INT8     OL_PG_INT8
#define PG_BOOL     OL_PG_BOOL
#define PG_TIME     OL_PG_TIMESTAMPTZ
#define PG_NAME     OL_PG_TEXT
#define PG_CURRENCY OL_PG_BPCHAR
#define PG_TEXT     OL_PG_TEXT
#define PG_TEXTS    OL_PG_TEXT_ARRAY
#define PG_INTS     OL_PG_INT8_ARRAY

#define TABLE(table, context, entity) static const struct ol_pg_column table##_pg[] = {
#define KEY(table, column, kind)      {#column, PG_##kind, OL_PG_NOT_NULL},
#define COLUMN(table, column, kind)   {#column, PG_##kind, OL_PG_NULLABLE},
#define END(table)                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }                                                                                              \
    }                                                                                              \
    ;
#include "cli/rows.def"

enum {
#define TABLE(table, context, entity) table##_keys = 0
#define KEY(table, column, kind)      +1
#define COLUMN(table, column, kind)
#define END(table)                    ,
#include "cli/rows.def"
};

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

#define TABLE(table_, context_, entity_)                                                           \
    [ROW_TABLE_##table_] = {                                                                       \
        .name = #table_,                                                                           \
        .context = CONTEXT_##context_,                                                             \
        .entity = ENTITY_##entity_,                                                                \
        .check = CHECK_ROWS_##table_,                                                              \
        .columns = table_##_columns,                                                               \
        .key_count = table_##_keys,                                                                \
        .fetch = {.name = "verify/" #table_,                                                       \
                  .sql = "FETCH " TEXT_OF(ROW_FETCH) " FROM verify_" #table_,                      \
                  .columns = table_##_pg},                                                         \
        .declare = {.name = "verify/" #table_ "/declare",                                          \
                    .sql = "DECLARE verify_" #table_ " NO SCROLL CURSOR FOR SELECT "
#define KEY(table, column, kind)    #column ", "
#define COLUMN(table, column, kind) #column ", "
#define END(table)                  "1 FROM orderlog." #table}},

const struct row_shape row_shapes[ROW_TABLE_COUNT] = {
/* The last column, 1, only ends the list. */
#include "cli/rows.def"
};
