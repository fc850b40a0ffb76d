/*
 * tests/sim/table.h - states by key, for the store and for the checker's own fold.
 *
 * Rows live as long as the world; table_release() before it ends.
 */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "domain/entity.h"

struct table_row {
    struct entity_key key;
    uint64_t hash;
    uint64_t digest;      /* table_digest() of the state, kept by whoever changes it */
    struct entity entity; /* only entity_bytes() of it are there: assigned by entity_copy() */
};

struct table_slot {
    uint32_t place; /* in rows + 1; 0: free */
    uint32_t hash;  /* its upper half */
};

struct table {
    struct table_row **rows; /* in the order of adding */
    size_t count, capacity;
    struct table_slot *slots;
    size_t slot_count;
};

/* NULL: there is none. */
struct table_row *table_find(const struct table *table, const struct entity_key *key);
/* Adds an absent one where there is none; the key is copied. */
struct table_row *table_row(struct table *table, const struct entity_key *key);
/* Of the row's state. 0 for what is not there: knowing of nothing changes nothing. */
uint64_t table_digest(const struct table_row *row);

void table_release(struct table *table);

#endif
