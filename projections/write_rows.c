/*
 * The batch's rows -> COPY, and the arrays of updates: each value as its table_field says.
 *
 * This is where the projector's own time goes: one switch a value, no memory but the buffers'.
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

/* ---- values ---- */

#define AT(type) (*(const __typeof__(type) *)value)

#define WORD_BYTES_MAX     60 /* of the domain's names */
#define VERSIONS_BYTES_MAX (ORDER_LINES_MAX * 20 + 2)

static const void *pointer_at(const void *value)
{
    const void *pointer;
    memcpy(&pointer, value, sizeof pointer);
    return pointer;
}

/* The count behind a pointer to lines. */
static size_t count_at(const void *value)
{
    return *(const size_t *)((const char *)value + sizeof(void *));
}

/* Each writes one field, its length and its bytes, and returns its end. */
static inline unsigned char *write_null(unsigned char *at)
{
    ol_pg_store32(at, UINT32_MAX);
    return at + 4;
}

static inline unsigned char *write_int64(unsigned char *at, int64_t value)
{
    ol_pg_store32(at, 8);
    ol_pg_store64(at + 4, (uint64_t)value);
    return at + 12;
}

static inline unsigned char *write_int32(unsigned char *at, int32_t value)
{
    ol_pg_store32(at, 4);
    ol_pg_store32(at + 4, (uint32_t)value);
    return at + 8;
}

static inline unsigned char *write_int16(unsigned char *at, int16_t value)
{
    ol_pg_store32(at, 2);
    ol_pg_store16(at + 4, (uint16_t)value);
    return at + 6;
}

static inline unsigned char *write_bool(unsigned char *at, bool value)
{
    ol_pg_store32(at, 1);
    at[4] = value;
    return at + 5;
}

static inline unsigned char *write_bytes(unsigned char *at, const char *data, size_t bytes)
{
    ol_pg_store32(at, (uint32_t)bytes);
    if (bytes)
        memcpy(at + 4, data, bytes);
    return at + 4 + bytes;
}

/* NULL where there is no word. */
static unsigned char *write_word(unsigned char *at, const char *word)
{
    size_t bytes = word ? strlen(word) : 0;
    assert(bytes <= WORD_BYTES_MAX);
    return bytes ? write_bytes(at, word, bytes) : write_null(at);
}

/* '{7,12}' or NULL. A version has at most 19 digits. */
static unsigned char *write_versions(unsigned char *at, const struct stock_line *lines,
                                     size_t count)
{
    unsigned char *end = at + 4;
    if (!lines)
        return write_null(at);
    assert(count <= ORDER_LINES_MAX);
    for (size_t i = 0; i < count; i++) {
        char digits[20], *digit = digits + sizeof digits;
        *end++ = i ? ',' : '{';
        for (int64_t left = lines[i].version; left; left /= 10)
            *--digit = (char)('0' + left % 10);
        end = mempcpy(end, digit, (size_t)(digits + sizeof digits - digit));
    }
    *end++ = '}';
    ol_pg_store32(at, (uint32_t)(end - at - 4));
    return end;
}

/* What the map makes of a payment that was not asked for; an order of nothing has none. */
static int16_t new_payment(const struct order_change *order)
{
    return order->total_minor > 0 ? (int16_t)(order->payment & 7) : ORDER_PAYMENT_NONE;
}

/* More than the field takes, whatever its value. */
static inline size_t field_room(const struct table_field *field, const struct keyed_row *change)
{
    const void *value = (const char *)change + field->offset;
    if (field->store == STORE_TEXT)
        return 4 + AT(struct text).bytes;
    return 4 + (field->store == STORE_VERSIONS_TEXT ? VERSIONS_BYTES_MAX : WORD_BYTES_MAX);
}

/* One value of the change, which is not an array, into its room. Returns its end. */
__attribute__((always_inline)) static inline unsigned char *write_value(
    unsigned char *at, const struct table_field *field, const struct keyed_row *change)
{
    const void *value = (const char *)change + field->offset;
    switch (field->store) {
    case STORE_TEXT:
        if (AT(struct text).bytes == 0 && field->nullable)
            return write_null(at);
        return write_bytes(at, AT(struct text).data, AT(struct text).bytes);
    case STORE_CURRENCY: return write_bytes(at, AT(struct currency).code, 3);
    case STORE_BOOL: return write_bool(at, AT(bool));
    case STORE_INT16: return write_int16(at, (int16_t)AT(int32_t));
    case STORE_INT32: return write_int32(at, AT(int32_t));
    case STORE_INT64: return write_int64(at, AT(int64_t));
    case STORE_UINT64: return write_int64(at, (int64_t)AT(uint64_t));
    case STORE_TIME:
        return AT(int64_t) == TIME_NONE ? write_null(at)
                                        : write_int64(at, ol_pg_us_to_wire(AT(int64_t)));
    case STORE_VERSION: return AT(int64_t) ? write_int64(at, AT(int64_t)) : write_null(at);
    case STORE_AMOUNT: return AT(int64_t) < 0 ? write_null(at) : write_int64(at, AT(int64_t));
    case STORE_WORD: return write_word(at, AT(const char *));
    case STORE_ORDER_STATUS: return write_word(at, order_status_name(AT(enum order_status)));
    case STORE_SAGA_STATE: return write_word(at, saga_state_name(AT(enum saga_state)));
    case STORE_REFUSAL: return write_word(at, refusal_name(AT(enum refusal_code)));
    case STORE_RESERVATION_STATUS:
        return write_word(at, reservation_status_name(AT(enum reservation_status)));
    case STORE_PAYMENT_STATUS: return write_word(at, payment_status_name(AT(enum payment_status)));
    case STORE_OUTCOME:
        return write_word(
            at, command_outcome_name(AT(const char *) ? OUTCOME_ACCEPTED : OUTCOME_REJECTED));
    case STORE_ORDER_PAYMENT:
        return write_int16(at, new_payment((const struct order_change *)change));
    case STORE_PAYMENT_MAP: return write_int32(at, (int32_t)AT(payment_map));
    case STORE_VERSIONS_TEXT: return write_versions(at, pointer_at(value), count_at(value));
    default: assert(!"an array is no value"); return at;
    }
}

static inline bool is_null(const unsigned char *field)
{
    return ol_pg_fetch32(field) == UINT32_MAX;
}

/* ---- new rows ---- */

#define PUT_TEXTS(lines, count)                                                                    \
    do {                                                                                           \
        ol_pg_put_array_begin(copy, OL_PG_TEXT_ARRAY);                                             \
        for (size_t i = 0; i < (count); i++)                                                       \
            ol_pg_element_text(copy, (lines)[i].sku.data, (lines)[i].sku.bytes);                   \
        ol_pg_put_array_end(copy);                                                                 \
    } while (0)

#define PUT_INTS(lines, count, member)                                                             \
    do {                                                                                           \
        ol_pg_put_array_begin(copy, OL_PG_INT8_ARRAY);                                             \
        for (size_t i = 0; i < (count); i++)                                                       \
            ol_pg_element_int64(copy, (lines)[i].member);                                          \
        ol_pg_put_array_end(copy);                                                                 \
    } while (0)

static void put_array(struct ol_pg_copy *copy, const struct table_field *field,
                      const struct keyed_row *change)
{
    const void *value = (const char *)change + field->offset;
    const struct order_line *bought = pointer_at(value);
    const struct stock_line *held = pointer_at(value);
    size_t count = count_at(value);
    if (!held && field->nullable) {
        ol_pg_put_null(copy);
        return;
    }
    switch (field->store) {
    case STORE_ORDER_SKUS: PUT_TEXTS(bought, count); return;
    case STORE_ORDER_QUANTITIES: PUT_INTS(bought, count, quantity); return;
    case STORE_ORDER_AMOUNTS: PUT_INTS(bought, count, amount_minor); return;
    case STORE_STOCK_SKUS: PUT_TEXTS(held, count); return;
    case STORE_STOCK_QUANTITIES: PUT_INTS(held, count, quantity); return;
    case STORE_STOCK_VERSIONS: PUT_INTS(held, count, version); return;
    default: assert(!"an array of lines");
    }
}

/* The values in one piece, then the arrays. */
static void put_row(struct ol_pg_copy *copy, const struct table_sql *sql,
                    const struct keyed_row *change)
{
    size_t count = sql->value_count, room = count * (4 + WORD_BYTES_MAX);
    for (size_t i = 0; i < sql->text_count; i++)
        room += ((const struct text *)((const char *)change + sql->texts[i]))->bytes;
    ol_pg_copy_row(copy);
    unsigned char *at = ol_pg_put_room(copy, room);
    if (!at)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct table_field *field = &sql->copied[i];
        unsigned char *end = write_value(at, field, change);
        assert(field->nullable || !is_null(at));
        at = end;
    }
    ol_pg_put_fields(copy, count, at);
    for (size_t i = count; i < sql->copied_count; i++)
        put_array(copy, &sql->copied[i], change);
}

static enum ol_class copy_table(struct writer *writer, const struct table_sql *sql,
                                const struct rowset *rows, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    bool begun = false;
    for (size_t i = 0; i < rows->count && !class; i++) {
        if (rows->rows[i]->mode != ROW_INSERT)
            continue;
        if (!begun)
            class = ol_pg_copy_begin(&writer->copy, writer->db, &sql->copy, reterr);
        if (class)
            return class;
        begun = true;
        put_row(&writer->copy, sql, rows->rows[i]);
        class = ol_pg_copy_row_end(&writer->copy, reterr);
    }
    return class || !begun ? class : ol_pg_copy_end(&writer->copy, NULL, reterr);
}

enum ol_class write_new_rows(struct writer *writer, const struct row_batch *batch,
                             struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < TABLE_COUNT && !class; i++)
        if (tables[i].context == writer->context)
            class = copy_table(writer, table_sql((enum table)i), rows_of(batch, tables[i].rows),
                               reterr);
    return class;
}

/* ---- changes ---- */

static bool is_flagged(const struct keyed_row *change, uint16_t flag)
{
    return *(const bool *)((const char *)change + flag);
}

/* Nothing of this table is changed: another table of the same change has it all. */
static bool is_unchanged(const struct table_sql *sql, const struct keyed_row *change)
{
    for (size_t i = 0; i < sql->flag_count; i++)
        if (is_flagged(change, sql->flags[i]))
            return false;
    return sql->flag_count > 0;
}

static void add_row(struct set *set, const struct table_sql *sql, const struct keyed_row *change)
{
    for (size_t i = 0; i < sql->sent_count; i++) {
        const struct table_field *field = &sql->sent[i];
        struct ol_pg_array *array = &set->arrays[i];
        unsigned char *at = ol_pg_array_room(array, field_room(field, change));
        if (!at)
            continue; /* the array has failed, and says so when it is bound */
        bool is_set = !field->flag || is_flagged(change, field->flag);
        unsigned char *end = is_set ? write_value(at, field, change) : write_null(at);
        ol_pg_array_field(array, end, is_null(at));
    }
}

static struct set *begin_set(struct writer *writer, const struct ol_pg_statement *statement,
                             const struct table_sql *sql)
{
    if (!statement->sql)
        return NULL;
    struct set *set = writer_set(writer, statement);
    for (size_t i = 0; i < sql->sent_count; i++)
        writer_set_array(set, sql->sent[i].type);
    return set;
}

/* The sets of one table: its changes by their modes. */
struct filling {
    const struct table_sql *sql;
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
                (struct filling){.sql = sql,
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
        const struct keyed_row *change = changes->rows[i];
        if (change->mode == ROW_INSERT)
            continue;
        for (size_t k = 0; k < count; k++) {
            const struct filling *filling = &fillings[k];
            if (!is_unchanged(filling->sql, change))
                add_row(change->mode == ROW_UPDATE ? filling->update : filling->upsert,
                        filling->sql, change);
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
