#include "consumers/deadlines.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"

/* Without this, uthash ends the process when memory is out. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct node {
    UT_hash_handle hh;
    struct deadline deadline;
    size_t heap_index;
    char id[];
};

struct deadlines {
    struct node *table;
    struct node **heap;
    size_t count, capacity;
};

struct deadlines *deadlines_new(void)
{
    return calloc(1, sizeof(struct deadlines));
}

void deadlines_clear(struct deadlines *deadlines)
{
    struct node *node, *next;
    HASH_ITER(hh, deadlines->table, node, next)
    {
        HASH_DEL(deadlines->table, node);
        free(node);
    }
    deadlines->count = 0;
}

void deadlines_free(struct deadlines *deadlines)
{
    if (!deadlines)
        return;
    deadlines_clear(deadlines);
    free(deadlines->heap);
    free(deadlines);
}

static bool earlier(const struct node *a, const struct node *b)
{
    return a->deadline.due_us < b->deadline.due_us;
}

static void put_at(struct deadlines *deadlines, struct node *node, size_t at)
{
    deadlines->heap[at] = node;
    node->heap_index = at;
}

static void sift_up(struct deadlines *deadlines, struct node *node)
{
    size_t at = node->heap_index;
    while (at > 0 && earlier(node, deadlines->heap[(at - 1) / 2])) {
        put_at(deadlines, deadlines->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    put_at(deadlines, node, at);
}

static void sift_down(struct deadlines *deadlines, struct node *node)
{
    size_t at = node->heap_index;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= deadlines->count)
            break;
        if (child + 1 < deadlines->count &&
            earlier(deadlines->heap[child + 1], deadlines->heap[child]))
            child++;
        if (!earlier(deadlines->heap[child], node))
            break;
        put_at(deadlines, deadlines->heap[child], at);
        at = child;
    }
    put_at(deadlines, node, at);
}

static struct node *find(const struct deadlines *deadlines, struct text order_id)
{
    struct node *node;
    HASH_FIND_BYHASHVALUE(hh, deadlines->table, order_id.data, order_id.bytes,
                          (unsigned)ol_hash(order_id.data, order_id.bytes), node);
    return node;
}

static struct node *add(struct deadlines *deadlines, struct text order_id)
{
    if (!OL_GROW(deadlines->heap, deadlines->capacity, deadlines->count + 1, 1024))
        return NULL;
    struct node *node = malloc(sizeof *node + order_id.bytes);
    if (!node)
        return NULL;
    memcpy(node->id, order_id.data, order_id.bytes);
    node->deadline = (struct deadline){.due_us = INT64_MAX, .order_id = {node->id, order_id.bytes}};
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, deadlines->table, node->id, order_id.bytes,
                                (unsigned)ol_hash(node->id, order_id.bytes), node);
    if (!node->hh.tbl) {
        free(node);
        return NULL;
    }
    put_at(deadlines, node, deadlines->count++);
    return node;
}

bool deadlines_set(struct deadlines *deadlines, struct text order_id, int32_t partition,
                   int64_t deadline_us)
{
    domain_assert(order_id.bytes > 0);
    struct node *node = find(deadlines, order_id);
    if (!node && !(node = add(deadlines, order_id)))
        return false;
    if (node->deadline.deadline_us == deadline_us && node->deadline.due_us != INT64_MAX)
        return true;
    node->deadline.deadline_us = node->deadline.due_us = deadline_us;
    node->deadline.partition = partition;
    sift_up(deadlines, node);
    sift_down(deadlines, node);
    return true;
}

void deadlines_remove(struct deadlines *deadlines, struct text order_id)
{
    struct node *node = find(deadlines, order_id);
    if (!node)
        return;
    HASH_DEL(deadlines->table, node);
    struct node *last = deadlines->heap[--deadlines->count];
    if (last != node) {
        put_at(deadlines, last, node->heap_index);
        sift_up(deadlines, last);
        sift_down(deadlines, last);
    }
    free(node);
}

const struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count ? &deadlines->heap[0]->deadline : NULL;
}

void deadlines_put_off_first(struct deadlines *deadlines, int64_t due_us)
{
    domain_assert(deadlines->count > 0);
    domain_assert(due_us >= deadlines->heap[0]->deadline.due_us);
    deadlines->heap[0]->deadline.due_us = due_us;
    sift_down(deadlines, deadlines->heap[0]);
}

size_t deadlines_count(const struct deadlines *deadlines)
{
    return deadlines->count;
}
