#include "tests/sim/causes.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"

#define SLOTS_MIN 1024 /* a power of two; at most half are taken */

struct causes_slot {
    uint64_t key, cause; /* hashes; cause 0: free */
};

/* That of the key, or a free one. */
static struct causes_slot *find(const struct causes *causes, uint64_t key)
{
    size_t mask = causes->slot_count - 1, at = key;
    while (causes->slots[at & mask].cause && causes->slots[at & mask].key != key)
        at++;
    return &causes->slots[at & mask];
}

static void grow(struct causes *causes)
{
    struct causes before = *causes;
    causes->slot_count = before.slot_count ? 2 * before.slot_count : SLOTS_MIN;
    causes->slots = calloc(causes->slot_count, sizeof *causes->slots);
    domain_assert(causes->slots);
    for (size_t i = 0; i < before.slot_count; i++)
        if (before.slots[i].cause)
            *find(causes, before.slots[i].key) = before.slots[i];
    free(before.slots);
}

bool causes_agree(struct causes *causes, struct text order, int64_t version, struct text cause)
{
    if (2 * causes->count >= causes->slot_count)
        grow(causes);
    uint64_t hash = ol_hash(cause.data, cause.bytes) | 1;
    uint64_t key = ol_hash(order.data, order.bytes) + (uint64_t)version * 0x9e3779b97f4a7c15;
    struct causes_slot *slot = find(causes, key);
    causes->count += !slot->cause;
    if (!slot->cause)
        *slot = (struct causes_slot){key, hash};
    return slot->cause == hash;
}

void causes_release(struct causes *causes)
{
    free(causes->slots);
    *causes = (struct causes){0};
}
