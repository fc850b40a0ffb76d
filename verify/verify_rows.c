#include <stdio.h>

#include "lib/program/ol_progress.h"
#include "verify/verify_internal.h"

static struct text text_at(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

/* What the row's key columns name in the fold; NULL: nothing. */
static struct fold_entity *entity_of(const struct fold *fold, const struct row_shape *shape,
                                     const struct ol_pg_rows *rows, int row)
{
    struct text second = {0};
    int16_t partition;
    if (shape->entity == ENTITY_RESERVATION) {
        partition = ol_pg_int16(rows, row, 1);
        second = fold_partition_key(&partition);
    } else if (shape->key_count > 1) {
        second = text_at(rows, row, 1);
    }
    return fold_find(fold, shape->entity, text_at(rows, row, 0), second);
}

static void name_row(const struct row_shape *shape, const struct ol_pg_rows *rows, int row,
                     char *buffer, size_t buffer_bytes)
{
    struct text id = text_at(rows, row, 0), second = {0};
    if (shape->entity == ENTITY_RESERVATION)
        snprintf(buffer, buffer_bytes, "%s/%.*s [%d]", shape->name, (int)id.bytes, id.data,
                 ol_pg_int16(rows, row, 1));
    else if (shape->key_count > 1)
        second = text_at(rows, row, 1);
    if (shape->entity != ENTITY_RESERVATION)
        snprintf(buffer, buffer_bytes, "%s/%.*s%s%.*s", shape->name, (int)id.bytes, id.data,
                 second.bytes ? " / " : "", (int)second.bytes, second.data);
}

static void column_differs(struct verify *verify, const struct row_shape *shape,
                           const struct ol_pg_rows *rows, int row, int column, int64_t cell)
{
    char where[400], what[300];
    name_row(shape, rows, row, where, sizeof where);
    cell_explain(rows, row, column, shape->columns[column].kind, cell, what, sizeof what);
    findings_add(&verify->findings, shape->check, where, "%s is %s", shape->columns[column].name,
                 what);
}

static void compare_row(struct verify *verify, enum row_table table, const struct ol_pg_rows *rows,
                        int row)
{
    const struct row_shape *shape = &row_shapes[table];
    struct fold_entity *entity = entity_of(&verify->fold, shape, rows, row);
    findings_look(&verify->findings, shape->check);
    if (!entity) {
        char where[400];
        name_row(shape, rows, row, where, sizeof where);
        findings_add(&verify->findings, shape->check, where, "the log knows nothing of it");
        return;
    }
    entity->met |= fold_met_bit(table);
    if (entity->broken)
        return;
    const int64_t *cells = fold_row(entity, table);
    for (int column = (int)shape->key_count; shape->columns[column].name; column++, cells++)
        if (!cell_equals(rows, row, column, shape->columns[column].kind, *cells))
            column_differs(verify, shape, rows, row, column, *cells);
}

static enum ol_class compare_table(struct verify *verify, enum row_table table,
                                   struct ol_progress *progress, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    const struct row_shape *shape = &row_shapes[table];
    struct ol_pg *db = verify->session->db;
    enum ol_class class = ol_pg_exec(db, &shape->declare, NULL, NULL, reterr);
    do {
        if (!class)
            class = ol_pg_exec(db, &shape->fetch, NULL, &rows, reterr);
        for (int row = 0; row < rows.count && !class; row++) {
            compare_row(verify, table, &rows, row);
            verify_sum_row(verify, table, &rows, row);
        }
        ol_progress_add(progress, rows.count);
    } while (!class && rows.count > 0);
    return class;
}

/* What the log knows and no row was about. */
static void find_missing(struct verify *verify, enum row_table table)
{
    const struct row_shape *shape = &row_shapes[table];
    struct fold_entity *entity;
    for (size_t cursor = 0; (entity = fold_each(&verify->fold, &cursor));) {
        if (entity->kind != shape->entity || entity->broken || entity->met & fold_met_bit(table))
            continue;
        char name[300], where[400];
        fold_name(entity, name, sizeof name);
        snprintf(where, sizeof where, "%s/%s", shape->name, name);
        findings_add(&verify->findings, shape->check, where, "the row is missing");
    }
}

enum ol_class verify_rows(struct verify *verify, enum context context, struct ol_error *reterr)
{
    struct ol_progress progress;
    char name[40];
    enum ol_class class = OL_OK;
    snprintf(name, sizeof name, "%s rows", context_name(context));
    ol_progress_init(&progress, name, 0);
    for (int table = 0; table < ROW_TABLE_COUNT && !class; table++) {
        if (row_shapes[table].context != context)
            continue;
        class = compare_table(verify, (enum row_table)table, &progress, reterr);
        if (!class)
            find_missing(verify, (enum row_table)table);
    }
    if (!class)
        ol_progress_finish(&progress);
    return class;
}
