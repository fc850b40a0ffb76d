#include "lib/base/ol_arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ol_arena_block {
    struct ol_arena_block *next;
    size_t size_bytes, used_bytes;
    _Alignas(16) unsigned char data[];
};

void ol_arena_init(struct ol_arena *arena, size_t block_bytes, size_t budget_bytes)
{
    *arena = (struct ol_arena){.block_bytes = block_bytes, .budget_bytes = budget_bytes};
}

void ol_arena_release(struct ol_arena *arena)
{
    for (struct ol_arena_block *block = arena->first; block;) {
        struct ol_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->first = arena->current = NULL;
    arena->used_bytes = 0;
}

/* Blocks larger than the ordinary size served one large request: they go back to the system. */
void ol_arena_clear(struct ol_arena *arena)
{
    struct ol_arena_block **link = &arena->first;
    while (*link) {
        struct ol_arena_block *block = *link;
        block->used_bytes = 0;
        if (block->size_bytes > arena->block_bytes) {
            *link = block->next;
            free(block);
        } else {
            link = &block->next;
        }
    }
    arena->current = arena->first;
    arena->used_bytes = 0;
}

static struct ol_arena_block *block_new(struct ol_arena *arena, size_t bytes)
{
    size_t size = bytes > arena->block_bytes ? bytes : arena->block_bytes;
    struct ol_arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct ol_arena_block){.size_bytes = size};
    if (arena->current) {
        block->next = arena->current->next;
        arena->current->next = block;
    } else {
        arena->first = block;
    }
    return block;
}

void *ol_arena_alloc(struct ol_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - 15)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (arena->budget_bytes &&
        (bytes > arena->budget_bytes || arena->used_bytes > arena->budget_bytes - bytes))
        return NULL;

    /* What is larger than a block gets one of its own, and small ones go on where they were:
     * looking for a place for it among the ordinary blocks would leave those behind, batch after
     * batch. */
    bool large = bytes > arena->block_bytes;
    struct ol_arena_block *block = large ? NULL : arena->current;
    while (block && block->size_bytes - block->used_bytes < bytes && block->next) {
        block = block->next;
        arena->current = block;
    }
    if (!block || block->size_bytes - block->used_bytes < bytes) {
        block = block_new(arena, bytes);
        if (!block)
            return NULL;
        if (!large || !arena->current)
            arena->current = block;
    }
    void *memory = block->data + block->used_bytes;
    block->used_bytes += bytes;
    arena->used_bytes += bytes;
    return memory;
}

void *ol_arena_zalloc(struct ol_arena *arena, size_t bytes)
{
    void *memory = ol_arena_alloc(arena, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

char *ol_arena_copy(struct ol_arena *arena, const void *data, size_t bytes)
{
    char *copy = bytes < SIZE_MAX ? ol_arena_alloc(arena, bytes + 1) : NULL;
    if (!copy)
        return NULL;
    if (bytes)
        memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    return copy;
}
