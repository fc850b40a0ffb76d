/*
 * The batch's rows -> COPY, and the arrays of updates: each value as tables.def says.
 *
 * This is where the projector's own time goes: for each table one function straight through its
 * columns, made by including tables.def; no memory but the buffers'.
 */
#include "projections/writer_internal.h"

static const struct rowset *rows_of(const struct row_batch *batch, enum table_rows rows)
{
    switch (rows) {
    case ROWS_AGGREGATES: return &batch->aggregates;
    case ROWS_CLAIMS: return &batch->claims;
    default: return &batch->commands;
    }
}

/* The row number i. The arena has the rows in another order than their keys, so that each comes
 * from far away: the one that is wanted soon is fetched meanwhile. */
static const struct keyed_row *row_at(const struct rowset *rows, size_t i)
{
    if (i + 8 < rows->count)
        __builtin_prefetch(&rows->rows[i + 8]->mode);
    return rows->rows[i];
}

/* ---- values ---- */

#define WORD_BYTES_MAX 60 /* of the domain's names, and of every value but texts and lines */

/* Room for a field of the change, whatever form it takes. */
static inline size_t value_room(const void *value)
{
    (void)value;
    return 4 + WORD_BYTES_MAX;
}

static inline size_t text_room(const struct text *text)
{
    return 4 + text->bytes;
}

/* One array of the lines, or their versions as text. */
static size_t bought_room(const struct bought_lines *bought)
{
    size_t room = OL_PG_ARRAY_FIELD_BYTES + bought->count * 12;
    for (size_t i = 0; i < bought->count; i++)
        room += bought->lines[i].sku.bytes;
    return room;
}

static size_t held_room(const struct held_lines *held)
{
    size_t room = OL_PG_ARRAY_FIELD_BYTES + held->count * 20;
    for (size_t i = 0; i < held->count; i++)
        room += held->lines[i].sku.bytes;
    return room;
}

#define ROOM(field)                                                                                \
    _Generic((field), struct text                                                                  \
             : text_room, struct bought_lines                                                      \
             : bought_room, struct held_lines                                                      \
             : held_room, default                                                                  \
             : value_room)(&(field))

/* NULL where there is no word. */
static unsigned char *write_word(unsigned char *at, const char *word)
{
    size_t bytes = word ? strlen(word) : 0;
    assert(bytes <= WORD_BYTES_MAX);
    return bytes ? ol_pg_write_bytes(at, word, bytes) : ol_pg_write_null(at);
}

/* '{7,12}'. A version has at most 19 digits. */
static unsigned char *write_versions(unsigned char *at, const struct held_lines *held)
{
    unsigned char *end = at + 4;
    for (size_t i = 0; i < held->count; i++) {
        char digits[20], *digit = digits + sizeof digits;
        *end++ = i ? ',' : '{';
        for (int64_t left = held->lines[i].version; left; left /= 10)
            *--digit = (char)('0' + left % 10);
        end = mempcpy(end, digit, (size_t)(digits + sizeof digits - digit));
    }
    *end++ = '}';
    ol_pg_store32(at, (uint32_t)(end - at - 4));
    return end;
}

/*
 * STORE(store, kind, ...) makes write_<STORE>(): a field of the change, in the form that tables.def
 * calls so -> its value at `at`, which has the room. Returns the value's end. Where a form has a
 * NULL, COPY writes it, and an update leaves what the row has. kind: of the columns that can have
 * it; words and currencies are texts.
 */
#define STORE(store, kind, type, written)                                                          \
    enum { store##_kind = COLUMN_##kind };                                                         \
    static inline unsigned char *write_##store(unsigned char *at, const __typeof__(type) *value,   \
                                               bool nullable)                                      \
    {                                                                                              \
        (void)nullable;                                                                            \
        return written;                                                                            \
    }
#define STORE_OR_NULL(store, kind, type, is_null, written)                                         \
    STORE(store, kind, type, (is_null) ? ol_pg_write_null(at) : written)

STORE_OR_NULL(TEXT, TEXT, struct text, value->bytes == 0 && nullable,
              ol_pg_write_bytes(at, value->data, value->bytes))
STORE(CURRENCY, TEXT, struct currency, ol_pg_write_bytes(at, value->code, 3))
STORE(BOOL, BOOL, bool, ol_pg_write_bool(at, *value))
STORE(INT16, INT2, int32_t, ol_pg_write_int16(at, (int16_t)*value))
STORE(INT32, INT4, int32_t, ol_pg_write_int32(at, *value))
STORE(INT64, INT8, int64_t, ol_pg_write_int64(at, *value))
STORE(UINT64, INT8, uint64_t, ol_pg_write_int64(at, (int64_t)*value))
STORE_OR_NULL(TIME, TIME, int64_t, *value == TIME_NONE, ol_pg_write_us(at, *value))
STORE_OR_NULL(VERSION, INT8, int64_t, *value == 0, ol_pg_write_int64(at, *value))
STORE_OR_NULL(AMOUNT, INT8, int64_t, *value < 0, ol_pg_write_int64(at, *value))
STORE(WORD, TEXT, const char *, write_word(at, *value))
STORE(ORDER_STATUS, TEXT, enum order_status, write_word(at, order_status_name(*value)))
STORE(SAGA_STATE, TEXT, enum saga_state, write_word(at, saga_state_name(*value)))
STORE(REFUSAL, TEXT, enum refusal_code, write_word(at, refusal_name(*value)))
STORE(RESERVATION_STATUS, TEXT, enum reservation_status,
      write_word(at, reservation_status_name(*value)))
STORE(PAYMENT_STATUS, TEXT, enum payment_status, write_word(at, payment_status_name(*value)))
/* Accepted if there is a word. */
STORE(OUTCOME, TEXT, const char *,
      write_word(at, command_outcome_name(*value ? OUTCOME_ACCEPTED : OUTCOME_REJECTED)))
/* Their numbers. */
STORE(ORDER_PAYMENT, INT2, enum order_payment, ol_pg_write_int16(at, (int16_t)*value))
STORE(PAYMENT_ROW, INT2, enum payment_row, ol_pg_write_int16(at, (int16_t)*value))
/* As text: arrays of arrays can't be parameters. */
STORE_OR_NULL(VERSIONS_TEXT, TEXT, struct held_lines, !value->lines, write_versions(at, value))

#define ELEMENT(kind) (kind == COLUMN_TEXTS ? OL_PG_TEXT : OL_PG_INT8)

/* One member of the lines as an array, NULL where none are said and the column may be NULL. */
#define STORE_LINES(store, kind, type, written)                                                    \
    enum { store##_kind = COLUMN_##kind };                                                         \
    static unsigned char *write_##store(unsigned char *at, const struct type *value,               \
                                        bool nullable)                                             \
    {                                                                                              \
        unsigned char *end = at + OL_PG_ARRAY_FIELD_BYTES;                                         \
        if (!value->lines && nullable)                                                             \
            return ol_pg_write_null(at);                                                           \
        for (size_t i = 0; i < value->count; i++) {                                                \
            const __typeof__(*value->lines) *line = &value->lines[i];                              \
            end = written;                                                                         \
        }                                                                                          \
        return ol_pg_write_array(at, end, ELEMENT(COLUMN_##kind), value->count);                   \
    }

STORE_LINES(BASKET_SKUS, TEXTS, bought_lines,
            ol_pg_write_bytes(end, line->sku.data, line->sku.bytes))
STORE_LINES(BASKET_QUANTITIES, INTS, bought_lines, ol_pg_write_int64(end, line->quantity))
STORE_LINES(BASKET_AMOUNTS, INTS, bought_lines, ol_pg_write_int64(end, line->amount_minor))
STORE_LINES(HELD_SKUS, TEXTS, held_lines, ol_pg_write_bytes(end, line->sku.data, line->sku.bytes))
STORE_LINES(HELD_QUANTITIES, INTS, held_lines, ol_pg_write_int64(end, line->quantity))
STORE_LINES(HELD_VERSIONS, INTS, held_lines, ol_pg_write_int64(end, line->version))

/* ---- tables: one function each, straight through its columns ---- */

#define BEGIN(change_)    const struct change_ *change = (const void *)row
#define FORM(kind)        (kind == COLUMN_NAME || kind == COLUMN_CURRENCY ? COLUMN_TEXT : kind)
#define IS_NULLABLE(null) (OL_PG_##null == OL_PG_NULLABLE)

/* Room for a new row. */
#define TABLE(context, table, entity, change_, rows)                                               \
    static size_t table##_room(const struct keyed_row *row)                                        \
    {                                                                                              \
        BEGIN(change_);                                                                            \
        size_t room = 0;
#define COLUMN(table, column, kind, null, store, field, change_) room += ROOM(change->field);
#define END(table)                                                                                 \
    return room;                                                                                   \
    }
#include "projections/tables.def"

/* The fields of a new row, in the order of COPY. */
#define TABLE(context, table, entity, change_, rows)                                               \
    static unsigned char *table##_copy(unsigned char *at, const struct keyed_row *row)             \
    {                                                                                              \
        BEGIN(change_);                                                                            \
        unsigned char *end;
#define COLUMN(table, column, kind, null, store, field, change_)                                   \
    end = write_##store(at, &change->field, IS_NULLABLE(null));                                    \
    assert(IS_NULLABLE(null) || !ol_pg_wrote_null(at));                                            \
    at = end;                                                                                      \
    _Static_assert(FORM(COLUMN_##kind) == (int)store##_kind, #table "." #column);
#define END(table)                                                                                 \
    return at;                                                                                     \
    }
#include "projections/tables.def"

/* Whether the change changes anything in the table: another one may have it all. */
#define TABLE(context, table, entity, change_, rows)                                               \
    static bool table##_is_changed(const struct keyed_row *row)                                    \
    {                                                                                              \
        BEGIN(change_);                                                                            \
        bool has_flags = false, is_set = false;
#define COLUMN(table, column, kind, null, store, field, change_)
#define FLAGGED(table, column, kind, null, store, field, flag)                                     \
    has_flags = true;                                                                              \
    is_set |= change->flag;
#define END(table)                                                                                 \
    (void)change;                                                                                  \
    return is_set || !has_flags;                                                                   \
    }
#include "projections/tables.def"

/* What an update sends, an array each: SEND_<CHANGE>, beside rules[] in table_sql.c. An array
 * without room has failed, and says so when it is bound. */
#define SEND_IF(is_set, store, field, null)                                                        \
    {                                                                                              \
        unsigned char *at = ol_pg_array_room(array, ROOM(change->field));                          \
        if (at)                                                                                    \
            ol_pg_array_end(array, at,                                                             \
                            is_set ? write_##store(at, &change->field, IS_NULLABLE(null))          \
                                   : ol_pg_write_null(at));                                        \
        array++;                                                                                   \
    }
#define SEND(store, field, null) SEND_IF(true, store, field, null)
#define SEND_NEVER(store, field, null)
#define SEND_COUNT(store, field, null)
#define SEND_ORIGIN(store, field, null)
#define SEND_ONCE     SEND
#define SEND_SET      SEND
#define SEND_ADD      SEND
#define SEND_BITS     SEND
#define SEND_KEEP     SEND
#define SEND_REFUNDED SEND
#define SEND_NEXT(store, field, null)                                                              \
    SEND(store, field, null)                                                                       \
    SEND(store, field##_before, null)
#define SEND_VERSIONS(store, field, null) SEND(VERSIONS_TEXT, field, null)

#define TABLE(context, table, entity, change_, rows)                                               \
    static void table##_send(struct set *set, const struct keyed_row *row)                         \
    {                                                                                              \
        BEGIN(change_);                                                                            \
        struct ol_pg_array *array = set->arrays;
#define KEY(table, column, kind, store, field, key)              SEND(store, field, NOT_NULL)
#define COLUMN(table, column, kind, null, store, field, change_) SEND_##change_(store, field, null)
#define FLAGGED(table, column, kind, null, store, field, flag)                                     \
    SEND_IF(change->flag, store, field, null)
#define END(table)                                                                                 \
    assert(array == set->arrays + set->array_count);                                               \
    }
#include "projections/tables.def"

static const struct {
    size_t (*room)(const struct keyed_row *row);
    unsigned char *(*copy)(unsigned char *at, const struct keyed_row *row);
    bool (*is_changed)(const struct keyed_row *row);
    void (*send)(struct set *set, const struct keyed_row *row);
} writers[TABLE_COUNT] = {
#define TABLE(context, table, entity, change_, rows)                                               \
    [TABLE_##table] = {table##_room, table##_copy, table##_is_changed, table##_send},
#define COLUMN(table, column, kind, null, store, field, change_)
#define END(table)
#include "projections/tables.def"
};

/* ---- new rows ---- */

static enum ol_class copy_table(struct writer *writer, enum table table, const struct rowset *rows,
                                struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    struct ol_pg_copy *copy = &writer->copy;
    bool begun = false;
    for (size_t i = 0; i < rows->count && !class; i++) {
        const struct keyed_row *row = row_at(rows, i);
        if (row->mode != ROW_INSERT)
            continue;
        if (!begun)
            class = ol_pg_copy_begin(copy, writer->db, &table_sql(table)->copy, reterr);
        if (class)
            return class;
        begun = true;
        unsigned char *at = ol_pg_copy_row(copy, writers[table].room(row));
        class = ol_pg_copy_row_end(copy, at ? writers[table].copy(at, row) : NULL, reterr);
    }
    return class || !begun ? class : ol_pg_copy_end(copy, NULL, reterr);
}

enum ol_class write_new_rows(struct writer *writer, const struct row_batch *batch,
                             struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < TABLE_COUNT && !class; i++)
        if (tables[i].context == writer->context)
            class = copy_table(writer, (enum table)i, rows_of(batch, tables[i].rows), reterr);
    return class;
}

/* ---- changes ---- */

static struct set *begin_set(struct writer *writer, const struct ol_pg_statement *statement,
                             const struct table_sql *sql)
{
    if (!statement->sql)
        return NULL;
    struct set *set = writer_set(writer, statement);
    for (size_t i = 0; i < sql->sent_count; i++)
        writer_set_array(set, sql->sent[i]);
    return set;
}

/* The sets of one table: its changes by their modes. */
struct filling {
    enum table table;
    struct set *update, *upsert;
};

static size_t begin_fillings(struct writer *writer, enum table_rows rows,
                             struct filling ret_fillings[TABLE_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct table_sql *sql = table_sql((enum table)i);
        if (tables[i].context == writer->context && tables[i].rows == rows && sql->sent_count)
            ret_fillings[count++] =
                (struct filling){.table = (enum table)i,
                                 .update = begin_set(writer, &sql->update, sql),
                                 .upsert = begin_set(writer, &sql->upsert, sql)};
    }
    return count;
}

/* One walk over the rows for all tables that they change. */
static void fill_changes(struct writer *writer, const struct row_batch *batch, enum table_rows rows)
{
    struct filling fillings[TABLE_COUNT];
    const struct rowset *changes = rows_of(batch, rows);
    size_t count = begin_fillings(writer, rows, fillings);
    for (size_t i = 0; i < changes->count && count; i++) {
        const struct keyed_row *change = row_at(changes, i);
        if (change->mode == ROW_INSERT)
            continue;
        for (size_t k = 0; k < count; k++) {
            const struct filling *filling = &fillings[k];
            if (writers[filling->table].is_changed(change))
                writers[filling->table].send(
                    change->mode == ROW_UPDATE ? filling->update : filling->upsert, change);
        }
    }
}

/* Repeats of commands: each is counted by the row of the command, or else by the aggregate's. */
static void fill_counts(struct writer *writer, const struct row_batch *batch,
                        const struct table_sql *sql, bool with_next)
{
    static const enum ol_pg_type types[] = {OL_PG_TEXT_ARRAY, OL_PG_TEXT_ARRAY, OL_PG_INT4_ARRAY,
                                            OL_PG_INT4_ARRAY};
    struct set *set = writer_set(writer, &sql->count);
    set->with_next = with_next;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        writer_set_array(set, types[i]);
    for (size_t i = 0; i < batch->counts.count; i++) {
        const struct command_count *count = (const struct command_count *)batch->counts.rows[i];
        ol_pg_array_text(&set->arrays[0], count->row.id.data, count->row.id.bytes);
        ol_pg_array_text(&set->arrays[1], count->row.second.data, count->row.second.bytes);
        ol_pg_array_int32(&set->arrays[2], count->duplicates);
        ol_pg_array_int32(&set->arrays[3], count->conflicts);
    }
}

void fill_sets(struct writer *writer, const struct row_batch *batch)
{
    const struct table_sql *commands = NULL, *aggregates = NULL;
    writer->set_count = 0;
    fill_changes(writer, batch, ROWS_AGGREGATES);
    fill_changes(writer, batch, ROWS_CLAIMS);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct table_sql *sql = table_sql((enum table)i);
        if (tables[i].context == writer->context && sql->count.sql)
            *(tables[i].rows == ROWS_COMMANDS ? &commands : &aggregates) = sql;
    }
    assert(commands && aggregates);
    fill_counts(writer, batch, commands, true);
    fill_counts(writer, batch, aggregates, false);
}
