/*
 * consumers/overlay.h - the states that one context's loop holds ahead of the projection.
 *
 * put (from a load or a take-over) -> get -> apply events -> projected -> evict.
 *
 * The owner of a partition is its only writer, so what is here is the truth until the partition
 * goes. An entry may leave once the projection has caught up with its last event. Receipts say,
 * batch by batch, how far that is: every apply marks the entry with its partition's open batch,
 * overlay_batch_close() ends that batch with its receipt, and overlay_projected() says up to which
 * receipt the projection has come.
 *
 * Memory is counted. Eviction begins at the front of a queue, with the oldest entry; an entry used
 * since eviction last reached it moves to the back of the queue instead (a second chance, for which
 * a use writes to its own entry only). It stops at the first entry that the projection has not
 * caught up with. Products, accounts and open orders have a queue of their own and leave only once
 * they take seven eighths of the soft limit: the others have ended and are not asked for again, so
 * they go first.
 * Pure but for malloc. One thread.
 */
#ifndef CONSUMERS_OVERLAY_H
#define CONSUMERS_OVERLAY_H

#include <stddef.h>

#include "domain/entity.h"

struct overlay;

struct overlay_limits {
    size_t bytes;     /* evict above this (soft) */
    size_t bytes_max; /* full above this: the loop waits for the projection */
};

struct overlay_stats {
    size_t entries, bytes;
    uint64_t hits, misses, evictions;
};

/* partition_count: 1 to PARTITIONS_MAX. NULL: out of memory. */
struct overlay *overlay_new(int32_t partition_count, struct overlay_limits limits);
void overlay_free(struct overlay *overlay);

/* Forgets everything: a new assignment begins. */
void overlay_clear(struct overlay *overlay);

/* The state of `key`, or NULL when it is not here (which says nothing about the projection). Only
 * entity_bytes() of it are there: copy it with entity_copy(). Valid until the next put, apply or
 * evict of this overlay. Counts as use. */
struct entity *overlay_get(struct overlay *overlay, const struct entity_key *key);

/* Is it here? Does not count as use. */
bool overlay_has(const struct overlay *overlay, const struct entity_key *key);

/* Moves those of the keys that are not here to the front, in their order, and returns how many
 * they are. Many at once cost less than one by one: their cache misses overlap. Does not count as
 * use. */
size_t overlay_missing(const struct overlay *overlay, struct entity_key *keys, size_t count);

/*
 * Puts a loaded state (absent ones too: knowing that there is nothing is knowledge). base_offset:
 * the projection's next_offset of the key's partition in the snapshot it was loaded from; events
 * below it are in the state already. Texts and lines are copied. Asserts that it is not here yet.
 * NULL: out of memory.
 */
struct entity *overlay_put(struct overlay *overlay, const struct entity_key *key,
                           const struct entity *state, int64_t base_offset);

/* For a state that is known to be new by construction: an absent one, put if it is not here. */
struct entity *overlay_get_or_absent(struct overlay *overlay, const struct entity_key *key);

/*
 * Folds an event of `partition` into every entity that it changes, all of which must be here
 * (asserted). offset: where the event lies; an entity whose base_offset is above it has folded it
 * already. OVERLAY_NOW for an event that is just being made. False: out of memory.
 */
#define OVERLAY_NOW INT64_MAX
bool overlay_apply(struct overlay *overlay, const struct event_message *event, int32_t partition,
                   int64_t offset);

/* Ends a batch of the partition: once the projection has reached this receipt, it holds all that
 * was applied since the last one. False: out of memory. */
bool overlay_batch_close(struct overlay *overlay, int32_t partition, const struct receipt *receipt);

/* The projection has reached this receipt of the partition (NULL: none yet). */
void overlay_projected(struct overlay *overlay, int32_t partition, const struct receipt *receipt);

/* Evicts down to the soft limit as far as the projection allows. */
void overlay_evict(struct overlay *overlay);

/* True above bytes_max while the projection has not reached a closed batch: nothing more should be
 * taken until it has. Open batches alone are no reason to wait: only their end frees their
 * entries. */
bool overlay_full(const struct overlay *overlay);

struct overlay_stats overlay_stats(const struct overlay *overlay);

#endif
