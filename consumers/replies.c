#include "consumers/replies.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"
#include "lib/guard/protected.h"

#define ITEMS_FIRST 128

void replies_release(struct replies *replies)
{
    free(replies->items);
    ol_index_release(&replies->index);
    *replies = (struct replies){0};
}

void replies_clear(struct replies *replies)
{
    replies->count = 0;
    ol_index_clear(&replies->index);
}

bool replies_may_wait(const struct order_step *answer)
{
    return answer->kind == ORDER_STOCK_RESERVED_REPLY || answer->kind == ORDER_STOCK_RELEASED_REPLY;
}

bool replies_add(struct replies *replies, const struct step_message *reply)
{
    const struct order_step *answer = &reply->order;
    domain_assert(replies_may_wait(answer) && answer->groups);
    uint64_t hash = ol_hash(answer->order_id.data, answer->order_id.bytes) + answer->kind;
    for (struct ol_index_walk walk = ol_index_walk(&replies->index, hash); ol_index_next(&walk);) {
        struct order_step *other = &replies->items[walk.number].order;
        if (other->kind != answer->kind || !text_equal(other->order_id, answer->order_id))
            continue;
        if (PROTECTED(groups_merged) && answer->groups)
            other->groups |= answer->groups;
        return true;
    }
    if (!OL_GROW(replies->items, replies->capacity, replies->count + 1, ITEMS_FIRST) ||
        !ol_index_put(&replies->index, hash, (uint32_t)replies->count))
        return false;
    replies->items[replies->count++] = *reply;
    return true;
}
