/*
 * lib/base/ol_arena.h - memory that is given back all at once.
 *
 * init -> alloc, alloc, alloc -> clear (kept for the next batch) -> release.
 * One owner, one thread. A batch has one arena, emptied after its commit.
 */
#ifndef OL_ARENA_H
#define OL_ARENA_H

#include <stddef.h>

struct ol_arena_block;

struct ol_arena {
    struct ol_arena_block *first, *current;
    size_t block_bytes;  /* size of an ordinary block */
    size_t budget_bytes; /* most that may be handed out between two clears */
    size_t used_bytes;   /* handed out since the last clear */
};

/* No memory is taken until the first alloc. budget_bytes 0 means no limit. */
void ol_arena_init(struct ol_arena *arena, size_t block_bytes, size_t budget_bytes);
void ol_arena_release(struct ol_arena *arena);

/* Makes all that was handed out invalid; keeps the ordinary blocks for reuse. */
void ol_arena_clear(struct ol_arena *arena);

/* `bytes` of uninitialised memory, aligned to 16, valid until clear or release.
 * NULL: the budget is spent or the machine is out of memory. */
void *ol_arena_alloc(struct ol_arena *arena, size_t bytes);

/* The same, zeroed. */
void *ol_arena_zalloc(struct ol_arena *arena, size_t bytes);

/* A copy with a NUL after it. NULL as for ol_arena_alloc. */
char *ol_arena_copy(struct ol_arena *arena, const void *data, size_t bytes);

#endif
