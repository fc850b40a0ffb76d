/*
 * tests/fuzz/rows.h - the projector's tables in memory: what the writer's statements would leave.
 *
 * Batches are merged as the SQL of projections/table_sql.c does it: a new row must be new, a
 * changed one must be there with the version that the change builds on. Rows point into the batches,
 * which must stay.
 */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H

#include "projections/reduce.h"

struct rows {
    struct ol_arena arena;
    struct rowset aggregates, claims, commands;
};

void rows_clear(struct rows *rows);
void rows_merge(struct rows *rows, const struct row_batch *batch);

/* Ends the program where they differ. Sorts both: nothing may be merged afterwards. */
void rows_compare(struct rows *a, struct rows *b, enum context context);

#endif
