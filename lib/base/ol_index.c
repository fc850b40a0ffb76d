#include "lib/base/ol_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256

void ol_index_release(struct ol_index *index)
{
    free(index->slots);
    *index = (struct ol_index){0};
}

void ol_index_clear(struct ol_index *index)
{
    if (index->count)
        memset(index->slots, 0, index->slot_count * sizeof *index->slots);
    index->count = 0;
}

/* Half of the slots stay free, so that every walk ends, and soon. */
static void fill_slot(struct ol_index *index, struct ol_index_slot filled)
{
    size_t mask = index->slot_count - 1, at = filled.hash & mask;
    assert(2 * index->count < index->slot_count);
    while (index->slots[at].number)
        at = (at + 1) & mask;
    index->slots[at] = filled;
    index->count++;
}

bool ol_index_reserve(struct ol_index *index, size_t count)
{
    struct ol_index grown = {.slot_count = index->slot_count ? index->slot_count : SLOTS_MIN};
    while (grown.slot_count < 2 * count)
        grown.slot_count *= 2;
    if (grown.slot_count == index->slot_count)
        return true;
    grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < index->slot_count; i++)
        if (index->slots[i].number)
            fill_slot(&grown, index->slots[i]);
    free(index->slots);
    *index = grown;
    return true;
}

bool ol_index_put(struct ol_index *index, uint64_t hash, uint32_t number)
{
    assert(number < UINT32_MAX);
    if (!ol_index_reserve(index, index->count + 1))
        return false;
    fill_slot(index, (struct ol_index_slot){(uint32_t)hash, number + 1});
    return true;
}
