/*
 * consumers/deadlines.h - when the open sagas of the owned partitions are due.
 *
 * A binary heap with an index by order, so that a saga that ends takes its entry along and the size
 * stays the number of open sagas. Pure but for malloc. One thread.
 */
#ifndef CONSUMERS_DEADLINES_H
#define CONSUMERS_DEADLINES_H

#include <stddef.h>

#include "domain/text.h"

struct deadlines;

struct deadline {
    int64_t due_us;      /* when to propose the timeout (next); by the owner's own clock */
    int64_t deadline_us; /* the saga's deadline that is meant */
    int32_t partition;
    struct text order_id; /* owned by the heap */
};

struct deadlines *deadlines_new(void);
void deadlines_free(struct deadlines *deadlines);
void deadlines_clear(struct deadlines *deadlines);

/* Sets the order's deadline, in place of the one it had. False: out of memory. */
bool deadlines_set(struct deadlines *deadlines, struct text order_id, int32_t partition,
                   int64_t deadline_us);

/* Nothing happens where there is none. */
void deadlines_remove(struct deadlines *deadlines, struct text order_id);

/* The earliest, or NULL. Valid until the next change. */
const struct deadline *deadlines_first(const struct deadlines *deadlines);

/* Puts the earliest off: it was proposed, and is proposed again at due_us if that got lost. */
void deadlines_put_off_first(struct deadlines *deadlines, int64_t due_us);

size_t deadlines_count(const struct deadlines *deadlines);

#endif
