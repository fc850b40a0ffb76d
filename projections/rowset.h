/*
 * projections/rowset.h - the rows of one table that a batch changes, found by key.
 *
 * find, add ... -> sort -> rows[0 .. count) in the order of the primary key -> clear.
 * A row is a struct of the caller's that begins with `struct keyed_row`. Rows and their keys live
 * in the caller's arena; clear the set when the arena is cleared. One thread. Pure but for memory.
 */
#ifndef PROJECTIONS_ROWSET_H
#define PROJECTIONS_ROWSET_H

#include "domain/text.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_index.h"

enum row_mode {
    ROW_INSERT = 1, /* the batch makes the row */
    ROW_UPDATE,     /* the row is there */
    ROW_UPSERT,     /* the events do not say whether it is */
};

struct keyed_row {
    uint64_t prefix; /* the id's first bytes as a number: decides most comparisons */
    struct text id, second;
    enum row_mode mode; /* the owner's */
};

struct rowset {
    struct keyed_row **rows; /* in the order of adding, until sort */
    size_t count, capacity;
    struct ol_index index; /* by key: the place in rows */
    bool sorted;
};

void rowset_release(struct rowset *set);
void rowset_clear(struct rowset *set); /* keeps the memory */

/* The row of this key, or NULL. Not after sort. */
struct keyed_row *rowset_find(const struct rowset *set, struct text id, struct text second);

/* A zeroed row of row_bytes with a copy of the key, which must be new. NULL: no memory; the set is
 * as before. Not after sort. */
struct keyed_row *rowset_add(struct rowset *set, struct ol_arena *arena, size_t row_bytes,
                             struct text id, struct text second);

/* Bytewise by id, then second: as the C collation sorts. */
void rowset_sort(struct rowset *set);

#endif
