/*
 * projections/writer_internal.h - what the writer's files share: counted sets.
 *
 * A set is one UPDATE or upsert over unnest($1, $2, ...): begin -> its arrays -> row by row -> queue.
 * Its statement must hit as many rows as it has.
 */
#ifndef PROJECTIONS_WRITER_INTERNAL_H
#define PROJECTIONS_WRITER_INTERNAL_H

#include "projections/table_sql.h"
#include "projections/writer.h"

#define SETS_MAX 6 /* statements of one context's batch */

struct set {
    const struct ol_pg_statement *statement;
    struct ol_pg_array arrays[OL_PG_PARAMS_MAX];
    size_t array_count;
    bool with_next; /* each row is hit by this statement or by the next one's */
};

struct writer {
    struct ol_pg *db;
    enum context context;
    char *topic;
    struct ol_pg_copy copy;
    struct set sets[SETS_MAX], progress;
    size_t set_count;
};

/* The batch's next set, without arrays; then its arrays, emptied. */
struct set *writer_set(struct writer *writer, const struct ol_pg_statement *statement);
void writer_set_array(struct set *set, enum ol_pg_type type);

/* Rows that the batch made. */
enum ol_class write_new_rows(struct writer *writer, const struct row_batch *batch,
                             struct ol_error *reterr);

/* The sets of what it changed. */
void fill_sets(struct writer *writer, const struct row_batch *batch);

#endif
