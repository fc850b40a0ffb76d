/*
 * lib/base/ol_index.h - numbers found by a hash: where in the caller's array a key stands.
 *
 *     for (struct ol_index_walk walk = ol_index_walk(&set->index, hash); ol_index_next(&walk);)
 *         if (same_key(&set->rows[walk.number], key))
 *             return &set->rows[walk.number];
 *
 * Open addressing, at most half full. A slot keeps 32 bits of the hash, so that few others are
 * compared and growing needs no keys: the caller compares, and the keys stay its own. Nothing is
 * taken out but all at once. One thread. Pure but for malloc. Zero-initialise.
 */
#ifndef OL_INDEX_H
#define OL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ol_index_slot {
    uint32_t hash;   /* its lower half, which says the place, too: 2^32 slots are the most */
    uint32_t number; /* + 1; 0: free */
};

struct ol_index {
    struct ol_index_slot *slots;
    size_t slot_count, count; /* a power of two, or 0; numbers in it */
};

void ol_index_release(struct ol_index *index);

/* Keeps the memory. */
void ol_index_clear(struct ol_index *index);

/* Room for `count` in all, so that putting so many does not fail. False: no memory, and all is as
 * before. */
bool ol_index_reserve(struct ol_index *index, size_t count);

/* One more number under its key's hash; the same key must not be there. False as above. */
bool ol_index_put(struct ol_index *index, uint64_t hash, uint32_t number);

/* The numbers that were put under a hash like this one. */
struct ol_index_walk {
    const struct ol_index *index;
    size_t at; /* the next slot to look at */
    uint32_t hash, number;
};

static inline struct ol_index_walk ol_index_walk(const struct ol_index *index, uint64_t hash)
{
    return (struct ol_index_walk){.index = index, .at = (uint32_t)hash, .hash = (uint32_t)hash};
}

/* The next of them, in ->number. False: there is none any more. */
static inline bool ol_index_next(struct ol_index_walk *walk)
{
    const struct ol_index *index = walk->index;
    if (index->count == 0)
        return false;
    for (;;) {
        const struct ol_index_slot *slot = &index->slots[walk->at++ & (index->slot_count - 1)];
        if (slot->number == 0)
            return false;
        if (slot->hash == walk->hash) {
            walk->number = slot->number - 1;
            return true;
        }
    }
}

#endif
