#include "projections/tables.h"

#include "projections/reduce.h"

/* The C type of each store, and of the struct that makes a table's rows. */
typedef struct text TEXT_type;
typedef struct currency CURRENCY_type;
typedef bool BOOL_type;
typedef int32_t INT16_type, INT32_type;
typedef int64_t INT64_type, TIME_type, VERSION_type, AMOUNT_type;
typedef uint64_t UINT64_type;
typedef const char *WORD_type, *OUTCOME_type;
typedef enum order_status ORDER_STATUS_type;
typedef enum saga_state SAGA_STATE_type;
typedef enum refusal_code REFUSAL_type;
typedef enum reservation_status RESERVATION_STATUS_type;
typedef enum payment_status PAYMENT_STATUS_type;
typedef payment_map ORDER_PAYMENT_type;
typedef const struct order_line *ORDER_SKUS_type, *ORDER_QUANTITIES_type, *ORDER_AMOUNTS_type;
typedef const struct stock_line *STOCK_SKUS_type, *STOCK_QUANTITIES_type, *STOCK_VERSIONS_type;

#define TABLE(context, table, entity, change, rows) typedef struct change table##_change;
#define COLUMN(table, column, kind, null, store, field, change)                                    \
    _Static_assert(                                                                                \
        __builtin_types_compatible_p(__typeof__(((table##_change *)0)->field), store##_type),      \
        #table "." #column ": " #field " is not stored so");
#define END(table)
#include "projections/tables.def"

/* Two values lie side by side, so that a column needs one offset. */
#define SIDE_BY_SIDE(type, first, second)                                                          \
    _Static_assert(offsetof(struct type, first) + sizeof(((struct type *)0)->first) ==             \
                       offsetof(struct type, second),                                              \
                   #second " lies behind " #first)
SIDE_BY_SIDE(order_change, version_before, version);
SIDE_BY_SIDE(product_change, version_before, version);
SIDE_BY_SIDE(account_change, version_before, version);
SIDE_BY_SIDE(order_change, lines, line_count);
SIDE_BY_SIDE(reservation_change, lines, line_count);
SIDE_BY_SIDE(reservation_change, released, released_count);

#define TABLE(context, table, entity, change, rows)                                                \
    static const struct table_column table##_columns[] = {
#define KEY(table, column, kind_, store_, field, role_)                                            \
    {.name = #column,                                                                              \
     .kind = COLUMN_##kind_,                                                                       \
     .null = OL_PG_NOT_NULL,                                                                       \
     .role = COLUMN_IS_##role_,                                                                    \
     .store = STORE_##store_,                                                                      \
     .offset = offsetof(table##_change, field)},
#define COLUMN(table, column, kind_, null_, store_, field, change_)                                \
    {.name = #column,                                                                              \
     .kind = COLUMN_##kind_,                                                                       \
     .null = OL_PG_##null_,                                                                        \
     .store = STORE_##store_,                                                                      \
     .change = CHANGE_##change_,                                                                   \
     .offset = offsetof(table##_change, field)},
#define FLAGGED(table, column, kind_, null_, store_, field, flag_)                                 \
    {.name = #column,                                                                              \
     .kind = COLUMN_##kind_,                                                                       \
     .null = OL_PG_##null_,                                                                        \
     .store = STORE_##store_,                                                                      \
     .change = CHANGE_KEEP,                                                                        \
     .offset = offsetof(table##_change, field),                                                    \
     .flag = offsetof(table##_change, flag_)},
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
