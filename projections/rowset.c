#include "projections/rowset.h"

#include <assert.h>
#include <stdlib.h>

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
    free(set->slots);
    *set = (struct rowset){0};
}

void rowset_clear(struct rowset *set)
{
    if (set->count)
        memset(set->slots, 0, set->slot_count * sizeof *set->slots);
    set->count = 0;
    set->sorted = false;
}

struct keyed_row *rowset_find(const struct rowset *set, struct text id, struct text second)
{
    assert(!set->sorted);
    if (set->count == 0)
        return NULL;
    uint64_t hash = key_hash(id, second);
    size_t mask = set->slot_count - 1, slot = hash & mask;
    for (; set->slots[slot]; slot = (slot + 1) & mask) {
        struct keyed_row *row = set->rows[set->slots[slot] - 1];
        if (row->hash == hash && text_equal(row->id, id) && text_equal(row->second, second))
            return row;
    }
    return NULL;
}

static void slot_fill(struct rowset *set, size_t index)
{
    size_t mask = set->slot_count - 1, slot = set->rows[index]->hash & mask;
    while (set->slots[slot])
        slot = (slot + 1) & mask;
    set->slots[slot] = (uint32_t)index + 1;
}

static bool grow(struct rowset *set)
{
    if (set->count < set->capacity)
        return true;
    size_t capacity = set->capacity ? 2 * set->capacity : ROWSET_ROWS_MIN;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    struct keyed_row **rows = slots ? realloc(set->rows, capacity * sizeof(void *)) : NULL;
    if (!rows) {
        free(slots);
        return false;
    }
    free(set->slots);
    set->rows = rows;
    set->capacity = capacity;
    set->slots = slots;
    set->slot_count = 2 * capacity;
    for (size_t i = 0; i < set->count; i++)
        slot_fill(set, i);
    return true;
}

struct keyed_row *rowset_add(struct rowset *set, struct ol_arena *arena, size_t row_bytes,
                             struct text id, struct text second)
{
    assert(!set->sorted);
    if (!grow(set))
        return NULL;
    struct keyed_row *row = ol_arena_zalloc(arena, row_bytes + id.bytes + second.bytes);
    if (!row)
        return NULL;
    char *key = (char *)row + row_bytes;
    memcpy(key, id.bytes ? id.data : "", id.bytes);
    memcpy(key + id.bytes, second.bytes ? second.data : "", second.bytes);
    row->hash = key_hash(id, second);
    row->prefix = key_prefix(id);
    row->id = (struct text){key, id.bytes};
    row->second = (struct text){key + id.bytes, second.bytes};
    set->rows[set->count] = row;
    slot_fill(set, set->count++);
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
