#include "consumers/replies.h"

#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "lib/guard/protected.h"

#define SLOTS_MIN 256 /* a power of two; at most half are taken */

void replies_release(struct replies *replies)
{
    free(replies->items);
    free(replies->slots);
    *replies = (struct replies){0};
}

void replies_clear(struct replies *replies)
{
    replies->count = 0;
    if (replies->slots)
        memset(replies->slots, 0, replies->slot_count * sizeof *replies->slots);
}

bool replies_may_wait(const struct order_step *answer)
{
    return answer->kind == ORDER_STOCK_RESERVED_REPLY || answer->kind == ORDER_STOCK_RELEASED_REPLY;
}

/* The slot of the equal one, or a free one. */
static uint32_t *find(const struct replies *replies, const struct order_step *answer)
{
    size_t mask = replies->slot_count - 1;
    size_t at = (size_t)ol_hash(answer->order_id.data, answer->order_id.bytes) + answer->kind;
    for (;; at++) {
        uint32_t *slot = &replies->slots[at & mask];
        const struct order_step *other = *slot ? &replies->items[*slot - 1].order : NULL;
        if (!other ||
            (other->kind == answer->kind && text_equal(other->order_id, answer->order_id)))
            return slot;
    }
}

static bool grow(struct replies *replies)
{
    size_t slot_count = replies->slot_count ? 2 * replies->slot_count : SLOTS_MIN;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    struct step_message *items = realloc(replies->items, slot_count / 2 * sizeof *items);
    if (items)
        replies->items = items;
    if (!slots || !items) {
        free(slots);
        return false;
    }
    free(replies->slots);
    replies->slots = slots;
    replies->slot_count = slot_count;
    replies->capacity = slot_count / 2;
    for (size_t i = 0; i < replies->count; i++)
        *find(replies, &items[i].order) = (uint32_t)i + 1;
    return true;
}

bool replies_add(struct replies *replies, const struct step_message *reply)
{
    domain_assert(replies_may_wait(&reply->order) && reply->order.groups);
    if (replies->count == replies->capacity && !grow(replies))
        return false;
    uint32_t *slot = find(replies, &reply->order);
    if (PROTECTED(groups_merged) && *slot)
        replies->items[*slot - 1].order.groups |= reply->order.groups;
    if (*slot)
        return true;
    replies->items[replies->count++] = *reply;
    *slot = (uint32_t)replies->count;
    return true;
}
