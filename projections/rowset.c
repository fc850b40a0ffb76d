#include "projections/rowset.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"

#define ROWSET_ROWS_MIN 64

static uint64_t key_hash(struct text id, struct text second)
{
    return ol_hash_pair(id.data, id.bytes, second.data, second.bytes);
}

static uint64_t key_prefix(struct text id)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, id.bytes ? id.data : "", id.bytes < 8 ? id.bytes : 8);
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return __builtin_bswap64(number);
}

void rowset_release(struct rowset *set)
{
    free(set->rows);
    ol_index_release(&set->index);
    *set = (struct rowset){0};
}

void rowset_clear(struct rowset *set)
{
    ol_index_clear(&set->index);
    set->count = 0;
    set->sorted = false;
}

struct keyed_row *rowset_find(const struct rowset *set, struct text id, struct text second)
{
    assert(!set->sorted);
    uint64_t hash = key_hash(id, second);
    for (struct ol_index_walk walk = ol_index_walk(&set->index, hash); ol_index_next(&walk);) {
        struct keyed_row *row = set->rows[walk.number];
        if (text_equal(row->id, id) && text_equal(row->second, second))
            return row;
    }
    return NULL;
}

struct keyed_row *rowset_add(struct rowset *set, struct ol_arena *arena, size_t row_bytes,
                             struct text id, struct text second)
{
    assert(!set->sorted);
    if (!OL_GROW(set->rows, set->capacity, set->count + 1, ROWSET_ROWS_MIN))
        return NULL;
    struct keyed_row *row = ol_arena_zalloc(arena, row_bytes + id.bytes + second.bytes);
    if (!row || !ol_index_put(&set->index, key_hash(id, second), (uint32_t)set->count))
        return NULL;
    char *key = (char *)row + row_bytes;
    memcpy(key, id.bytes ? id.data : "", id.bytes);
    memcpy(key + id.bytes, second.bytes ? second.data : "", second.bytes);
    row->prefix = key_prefix(id);
    row->id = (struct text){key, id.bytes};
    row->second = (struct text){key + id.bytes, second.bytes};
    set->rows[set->count++] = row;
    return row;
}

static int compare_texts(struct text a, struct text b)
{
    uint32_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order =
        memcmp(a.data, b.data, bytes); /* of rows, whose texts have an address even if empty */
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_rows(const void *left, const void *right)
{
    const struct keyed_row *a = *(struct keyed_row *const *)left,
                           *b = *(struct keyed_row *const *)right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    int order = compare_texts(a->id, b->id);
    return order ? order : compare_texts(a->second, b->second);
}

void rowset_sort(struct rowset *set)
{
    if (set->count)
        qsort(set->rows, set->count, sizeof(void *), compare_rows);
    set->sorted = true;
}
