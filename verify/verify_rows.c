#include <stdio.h>

#include "lib/program/ol_progress.h"
#include "verify/verify_internal.h"

static struct text text_at(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

/* What the row's key columns name in the fold; NULL: nothing. */
static struct fold_entity *entity_of(const struct fold *fold, enum table table,
                                     const struct ol_pg_rows *rows, int row)
{
    const struct row_query *query = row_query(table);
    enum entity_kind kind = tables[table].entity;
    struct text second = {0};
    int16_t partition;
    if (kind == ENTITY_RESERVATION) {
        partition = ol_pg_int16(rows, row, query->keys[1]);
        second = fold_partition_key(&partition);
    } else if (query->key_count > 1) {
        second = text_at(rows, row, query->keys[1]);
    }
    return fold_find(fold, kind, text_at(rows, row, query->keys[0]), second);
}

static void name_row(enum table table, const struct ol_pg_rows *rows, int row, char *buffer,
                     size_t buffer_bytes)
{
    const struct row_query *query = row_query(table);
    const char *name = tables[table].name;
    struct text id = text_at(rows, row, query->keys[0]), second = {0};
    bool is_reservation = tables[table].entity == ENTITY_RESERVATION;
    if (is_reservation)
        snprintf(buffer, buffer_bytes, "%s/%.*s [%d]", name, (int)id.bytes, id.data,
                 ol_pg_int16(rows, row, query->keys[1]));
    else if (query->key_count > 1)
        second = text_at(rows, row, query->keys[1]);
    if (!is_reservation)
        snprintf(buffer, buffer_bytes, "%s/%.*s%s%.*s", name, (int)id.bytes, id.data,
                 second.bytes ? " / " : "", (int)second.bytes, second.data);
}

static void column_differs(struct verify *verify, enum table table, const struct ol_pg_rows *rows,
                           int row, int number, int64_t cell)
{
    const struct table_column *column = &tables[table].columns[number];
    char where[400], what[300];
    name_row(table, rows, row, where, sizeof where);
    cell_explain(rows, row, number, column->kind, cell, what, sizeof what);
    findings_add(&verify->findings, row_query(table)->check, where, "%s is %s", column->name, what);
}

static void compare_row(struct verify *verify, enum table table, const struct ol_pg_rows *rows,
                        int row)
{
    const struct table_shape *shape = &tables[table];
    enum check check = row_query(table)->check;
    struct fold_entity *entity = entity_of(&verify->fold, table, rows, row);
    findings_look(&verify->findings, check);
    if (!entity) {
        char where[400];
        name_row(table, rows, row, where, sizeof where);
        findings_add(&verify->findings, check, where, "the log knows nothing of it");
        return;
    }
    entity->met |= fold_met_bit(table);
    if (entity->broken)
        return;
    const int64_t *cell = fold_row(entity, table);
    for (int i = 0; i < (int)shape->column_count; i++) {
        const struct table_column *column = &shape->columns[i];
        if (column_is_key(column))
            continue;
        if (!cell_equals(rows, row, i, column->kind, *cell))
            column_differs(verify, table, rows, row, i, *cell);
        cell++;
    }
}

static enum ol_class compare_table(struct verify *verify, enum table table,
                                   struct ol_progress *progress, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    const struct row_query *query = row_query(table);
    struct ol_pg *db = verify->session->db;
    enum ol_class class = ol_pg_exec(db, &query->declare, NULL, NULL, reterr);
    do {
        if (!class)
            class = ol_pg_exec(db, &query->fetch, NULL, &rows, reterr);
        for (int row = 0; row < rows.count && !class; row++) {
            compare_row(verify, table, &rows, row);
            verify_sum_row(verify, table, &rows, row);
        }
        ol_progress_add(progress, rows.count);
    } while (!class && rows.count > 0);
    return class;
}

/* What the log knows and no row was about. */
static void find_missing(struct verify *verify, enum table table)
{
    const struct table_shape *shape = &tables[table];
    struct fold_entity *entity;
    for (size_t cursor = 0; (entity = fold_each(&verify->fold, &cursor));) {
        if (entity->kind != shape->entity || entity->broken || entity->met & fold_met_bit(table))
            continue;
        char name[300], where[400];
        fold_name(entity, name, sizeof name);
        snprintf(where, sizeof where, "%s/%s", shape->name, name);
        findings_add(&verify->findings, row_query(table)->check, where, "the row is missing");
    }
}

enum ol_class verify_rows(struct verify *verify, enum context context, struct ol_error *reterr)
{
    struct ol_progress progress;
    char name[40];
    enum ol_class class = OL_OK;
    snprintf(name, sizeof name, "%s rows", context_name(context));
    ol_progress_init(&progress, name, 0);
    for (int table = 0; table < TABLE_COUNT && !class; table++) {
        if (tables[table].context != context)
            continue;
        class = compare_table(verify, (enum table)table, &progress, reterr);
        if (!class)
            find_missing(verify, (enum table)table);
    }
    if (!class)
        ol_progress_finish(&progress);
    return class;
}
