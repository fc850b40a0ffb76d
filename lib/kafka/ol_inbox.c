#include "lib/kafka/ol_inbox.h"

#include <assert.h>
#include <string.h>

/* ---- one inbox ---- */

static void settle(struct ol_inbox *inbox)
{
    if (inbox->count)
        inbox->position = inbox->slots[inbox->head].offset;
    else if (inbox->end > inbox->position)
        inbox->position = inbox->end;
}

static void refill(struct ol_inbox *inbox)
{
    inbox->head = 0;
    ol_inbox_refill(inbox);
    settle(inbox);
}

const struct ol_message *ol_inbox_peek(struct ol_inbox *inbox)
{
    if (!inbox->count)
        refill(inbox);
    return inbox->count ? &inbox->slots[inbox->head] : NULL;
}

bool ol_inbox_take(struct ol_inbox *inbox, struct ol_message *ret_message)
{
    if (!ol_inbox_peek(inbox))
        return false;
    *ret_message = inbox->slots[inbox->head++];
    inbox->count--;
    inbox->position = ret_message->offset + 1;
    settle(inbox);
    return true;
}

static size_t take_many(struct ol_inbox *inbox, struct ol_message *ret_messages, size_t max)
{
    size_t taken = 0;
    while (taken < max && ol_inbox_take(inbox, &ret_messages[taken]))
        taken++;
    return taken;
}

bool ol_inbox_at_end(const struct ol_inbox *inbox)
{
    return !inbox->count && inbox->end >= 0 && inbox->position >= inbox->end &&
           !ol_inbox_has_more(inbox);
}

static bool has_news(const struct ol_inbox *inbox)
{
    return inbox->count || inbox->error.class || ol_inbox_has_more(inbox);
}

/* ---- all of them ---- */

enum ol_class ol_inboxes_take(struct ol_inbox *inboxes, size_t count, size_t *next,
                              struct ol_message *messages, size_t max, size_t *ret_count,
                              struct ol_error *reterr)
{
    size_t taken = 0;
    bool more = true;
    while (more && taken < max) {
        more = false;
        for (size_t i = 0; i < count && taken < max; i++) {
            struct ol_inbox *inbox = &inboxes[(*next + i) % count];
            size_t room = max - taken < OL_INBOX_SLOTS ? max - taken : OL_INBOX_SLOTS;
            if (inbox->ignored)
                continue;
            size_t got = take_many(inbox, &messages[taken], room);
            taken += got;
            more |= got > 0;
        }
        *next = count ? (*next + 1) % count : 0;
    }
    *ret_count = taken;
    for (size_t i = 0; i < count; i++)
        if (inboxes[i].error.class && !inboxes[i].count)
            return ol_fail(reterr, inboxes[i].error.class, "%s", inboxes[i].error.text);
    return OL_OK;
}

bool ol_inboxes_have_news(const struct ol_inbox *inboxes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!inboxes[i].ignored && has_news(&inboxes[i]))
            return true;
    return false;
}

/* ---- for the source ---- */

void ol_inbox_clear(struct ol_inbox *inbox, const char *topic, int32_t topic_index,
                    int32_t partition, int64_t position)
{
    memset(inbox, 0, offsetof(struct ol_inbox, slots)); /* slots: as they are filled */
    inbox->topic = topic;
    inbox->topic_index = topic_index;
    inbox->partition = partition;
    inbox->position = position;
    inbox->end = inbox->last = -1;
}

struct ol_message *ol_inbox_keep(struct ol_inbox *inbox, int64_t offset)
{
    assert(offset > inbox->last);
    assert(offset >= inbox->position || inbox->position < 0);
    assert(inbox->count < OL_INBOX_SLOTS);
    inbox->last = offset;
    if (offset >= inbox->end)
        inbox->end = -1; /* the end has moved on; a new event will say where to */
    struct ol_message *message = &inbox->slots[inbox->count++];
    message->topic = inbox->topic;
    message->topic_index = inbox->topic_index;
    message->partition = inbox->partition;
    message->offset = offset;
    return message;
}
