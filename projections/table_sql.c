#include "projections/table_sql.h"

#include <pthread.h>
#include <stdio.h>

#include "lib/base/ol_text.h"

#define SQL_BYTES 4096

/*
 * What an update makes of a column: `@` stands for its name, `t` is the row, `u` the change. In an
 * upsert the change is called `excluded`. SEND_<CHANGE> in write_rows.c sends the value; where it
 * does so in another form than the column has, array says in which.
 */
static const struct change_rule {
    const char *set; /* NULL: nothing */
    enum ol_pg_type array;
} rules[CHANGE_KIND_COUNT] = {
    [CHANGE_SET] = {.set = "u.@"},
    [CHANGE_NEXT] = {.set = "u.@"},
    [CHANGE_ADD] = {.set = "t.@ + u.@"},
    [CHANGE_BITS] = {.set = "t.@ | u.@"},
    [CHANGE_KEEP] = {.set = "coalesce(u.@, t.@)"},
    [CHANGE_VERSIONS] = {"coalesce(u.@::bigint[], t.@)", OL_PG_TEXT_ARRAY},
    [CHANGE_REFUNDED] = {.set = "CASE WHEN u.refunded_minor > 0 "
                                "AND t.refunded_minor + u.refunded_minor = t.amount_minor "
                                "AND u.@ IS DISTINCT FROM 'REVERSED' "
                                "THEN 'REFUNDED' ELSE coalesce(u.@, t.@) END"},
};

static struct made {
    struct table_sql sql;
    struct ol_pg_column columns[TABLE_COLUMNS_MAX + 1];
    char copy_name[40], update_name[40], upsert_name[40], count_name[40], table[40];
    char update[SQL_BYTES], upsert[SQL_BYTES], count[SQL_BYTES];
} all[TABLE_COUNT];

/* ---- pieces ---- */

/* The rule's words for one column, the change under the name `change`. */
static void add_rule(struct ol_text *sql, const char *rule, const char *column, const char *change)
{
    for (const char *at = rule; *at; at++) {
        bool is_change = at[0] == 'u' && at[1] == '.' && (at == rule || at[-1] < 'a');
        if (*at == '@')
            ol_text_add(sql, column);
        else if (is_change)
            ol_text_add(sql, change);
        else
            ol_text_add_char(sql, *at);
    }
}

/* Adds ", " before all but the first. */
static void add_comma(struct ol_text *sql, bool *first)
{
    ol_text_add(sql, *first ? "" : ", ");
    *first = false;
}

static bool is_array(const struct table_column *column)
{
    return column->kind == COLUMN_TEXTS || column->kind == COLUMN_INTS;
}

/* Whether updates and upserts send the column. */
static bool is_sent(const struct table_column *column)
{
    return column_is_key(column) || column->change == CHANGE_ONCE || rules[column->change].set;
}

/* What a parameter is that has one such value a row; char(n) travels as text. */
static enum ol_pg_type array_of(enum ol_pg_type type)
{
    switch (type) {
    case OL_PG_BOOL: return OL_PG_BOOL_ARRAY;
    case OL_PG_INT2: return OL_PG_INT2_ARRAY;
    case OL_PG_INT4: return OL_PG_INT4_ARRAY;
    case OL_PG_INT8: return OL_PG_INT8_ARRAY;
    case OL_PG_TIMESTAMPTZ: return OL_PG_TIMESTAMPTZ_ARRAY;
    default: return OL_PG_TEXT_ARRAY;
    }
}

static enum ol_pg_type sent_type(const struct table_column *column)
{
    enum ol_pg_type array = rules[column->change].array;
    return array ? array : array_of(column_type(column->kind));
}

/* unnest($1::text[], ...) AS u (order_id, ...) */
static void add_unnest(struct ol_text *sql, const struct table_shape *shape)
{
    bool first = true;
    int number = 0;
    ol_text_add(sql, "unnest(");
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (!is_sent(column))
            continue;
        add_comma(sql, &first);
        ol_text_addf(sql, "$%d::%s", ++number, ol_pg_type_name(sent_type(column)));
        if (column->change == CHANGE_NEXT)
            ol_text_addf(sql, ", $%d::bigint[]", ++number);
    }
    ol_text_add(sql, ") AS u (");
    first = true;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (!is_sent(column))
            continue;
        add_comma(sql, &first);
        ol_text_add(sql, column->name);
        if (column->change == CHANGE_NEXT)
            ol_text_addf(sql, ", %s_before", column->name);
    }
    ol_text_add_char(sql, ')');
}

static void add_sets(struct ol_text *sql, const struct table_shape *shape, const char *change)
{
    bool first = true;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (!rules[column->change].set)
            continue;
        add_comma(sql, &first);
        ol_text_addf(sql, "%s = ", column->name);
        add_rule(sql, rules[column->change].set, column->name, change);
    }
}

/* The column equals the change's `name`. Texts bytewise, as the keys' indexes are sorted. */
static void add_match(struct ol_text *sql, const struct table_column *column, const char *name)
{
    ol_text_addf(sql, "t.%s = u.%s%s", column->name, name,
                 column->kind == COLUMN_TEXT ? " COLLATE \"C\"" : "");
}

static void add_where(struct ol_text *sql, const struct table_shape *shape)
{
    const char *word = " WHERE ";
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (!column_is_key(column) && column->change != CHANGE_NEXT)
            continue;
        ol_text_add(sql, word);
        word = " AND ";
        if (column->change == CHANGE_NEXT)
            ol_text_addf(sql, "t.%s = u.%s_before", column->name, column->name);
        else
            add_match(sql, column, column->name);
    }
}

/* ---- statements ---- */

static void make_update(struct ol_text *sql, const struct table_shape *shape)
{
    ol_text_addf(sql, "UPDATE orderlog.%s t SET ", shape->name);
    add_sets(sql, shape, "u");
    ol_text_add(sql, " FROM ");
    add_unnest(sql, shape);
    add_where(sql, shape);
}

/* A column that an upsert's new row must have and no change does: lines, of which it has none. */
static bool is_empty_array(const struct table_column *column)
{
    return !is_sent(column) && column->null == OL_PG_NOT_NULL && is_array(column);
}

static void add_inserted(struct ol_text *sql, const struct table_shape *shape, bool values)
{
    bool first = true;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        bool empty = is_empty_array(column);
        if (!empty && !is_sent(column))
            continue;
        add_comma(sql, &first);
        ol_text_add(sql, empty && values ? "'{}'" : column->name);
        if (values && !empty && rules[column->change].array)
            ol_text_addf(sql, "::%s", ol_pg_type_name(column_type(column->kind)));
    }
}

static void make_upsert(struct ol_text *sql, const struct table_shape *shape)
{
    bool first = true;
    ol_text_addf(sql, "INSERT INTO orderlog.%s AS t (", shape->name);
    add_inserted(sql, shape, false);
    ol_text_add(sql, ") SELECT ");
    add_inserted(sql, shape, true);
    ol_text_add(sql, " FROM ");
    add_unnest(sql, shape);
    ol_text_add(sql, " ON CONFLICT (");
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].role != COLUMN_IS_PRIMARY)
            continue;
        add_comma(sql, &first);
        ol_text_add(sql, shape->columns[i].name);
    }
    ol_text_add(sql, ") DO UPDATE SET ");
    add_sets(sql, shape, "excluded");
    for (size_t i = 0; i < shape->column_count; i++)
        if (shape->columns[i].role == COLUMN_IS_OWNER)
            ol_text_addf(sql, " WHERE t.%s = excluded.%s", shape->columns[i].name,
                         shape->columns[i].name);
}

static void make_count(struct ol_text *sql, const struct table_shape *shape)
{
    const char *names[2] = {"id", "command"}, *word = " WHERE ";
    bool first = true;
    size_t matched = 0;
    ol_text_addf(sql, "UPDATE orderlog.%s t SET ", shape->name);
    for (size_t i = 0; i < shape->column_count; i++) {
        const char *name = shape->columns[i].name;
        if (shape->columns[i].change != CHANGE_COUNT)
            continue;
        add_comma(sql, &first);
        ol_text_addf(sql, "%s = t.%s + u.%s", name, name, name);
    }
    ol_text_add(sql, " FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[]) "
                     "AS u (id, command, duplicates, conflicts)");
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (!column_is_key(column) && column->change != CHANGE_ORIGIN)
            continue;
        assert(matched < 2);
        ol_text_add(sql, word);
        add_match(sql, column, names[matched++]);
        word = " AND ";
    }
    assert(matched == 2);
}

/* ---- columns ---- */

/* Columns that COPY fills. */
static void make_columns(struct made *made, const struct table_shape *shape)
{
    struct ol_pg_column *to = made->columns;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (column->role != COLUMN_IS_GENERATED)
            *to++ = (struct ol_pg_column){column->name, column_type(column->kind), column->null};
    }
}

static void make_sent(struct table_sql *sql, const struct table_shape *shape)
{
    bool updated = false;
    for (size_t i = 0; i < shape->column_count; i++)
        updated |= rules[shape->columns[i].change].set != NULL;
    for (size_t i = 0; i < shape->column_count && updated; i++) {
        const struct table_column *column = &shape->columns[i];
        for (int n = is_sent(column) + (column->change == CHANGE_NEXT); n > 0; n--)
            sql->sent[sql->sent_count++] = sent_type(column);
    }
    assert(sql->sent_count <= TABLE_COLUMNS_MAX && sql->sent_count <= OL_PG_PARAMS_MAX);
}

/* ---- all of a table ---- */

static bool has_change(const struct table_shape *shape, enum column_change change)
{
    for (size_t i = 0; i < shape->column_count; i++)
        if (shape->columns[i].change == change)
            return true;
    return false;
}

static void make_statement(const struct table_shape *shape, const char *what, char *name,
                           size_t name_bytes, char *buffer,
                           void (*make)(struct ol_text *sql, const struct table_shape *shape),
                           struct ol_pg_statement *ret_statement)
{
    struct ol_text sql = ol_text_in(buffer, SQL_BYTES);
    snprintf(name, name_bytes, "%s/%s", shape->name, what);
    make(&sql, shape);
    assert(!sql.failed);
    *ret_statement = (struct ol_pg_statement){.name = name, .sql = buffer};
}

static void make_all(void)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        struct made *made = &all[i];
        const struct table_shape *shape = &tables[i];
        make_columns(made, shape);
        make_sent(&made->sql, shape);
        snprintf(made->copy_name, sizeof made->copy_name, "%s/copy", shape->name);
        snprintf(made->table, sizeof made->table, "orderlog.%s", shape->name);
        made->sql.copy = (struct ol_pg_copy_target){made->copy_name, made->table, made->columns};
        if (made->sql.sent_count)
            make_statement(shape, "update", made->update_name, sizeof made->update_name,
                           made->update, make_update, &made->sql.update);
        if (has_change(shape, CHANGE_ONCE))
            make_statement(shape, "upsert", made->upsert_name, sizeof made->upsert_name,
                           made->upsert, make_upsert, &made->sql.upsert);
        if (has_change(shape, CHANGE_COUNT))
            make_statement(shape, "count", made->count_name, sizeof made->count_name, made->count,
                           make_count, &made->sql.count);
    }
}

const struct table_sql *table_sql(enum table table)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_all);
    return &all[table].sql;
}
