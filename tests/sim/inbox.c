/* What lib/ol_kafka_inbox.h and the messages of lib/ol_kafka.h promise, over the model of the broker.
 * A message's handle is its slot in the log. */
#include "tests/sim/client.h"

#include "lib/ol_protected.h"

#include <stddef.h>
#include <string.h>

/* ---- messages ---- */

void ol_message_release(struct ol_message *message)
{
    message->handle = NULL;
}

void ol_messages_release(struct ol_message *messages, size_t message_count)
{
    for (size_t i = 0; i < message_count; i++)
        ol_message_release(&messages[i]);
}

bool ol_message_header(const struct ol_message *message, size_t index, struct ol_header *ret_header)
{
    const struct slot *slot = message->handle;
    if (index >= slot->header_count)
        return false;
    *ret_header = slot->headers[index];
    return true;
}

bool ol_message_header_named(const struct ol_message *message, const char *name,
                             struct ol_header *ret_header)
{
    const struct slot *slot = message->handle;
    for (uint32_t i = slot->header_count; i-- > 0;)
        if (strcmp(slot->headers[i].name, name) == 0) {
            *ret_header = slot->headers[i];
            return true;
        }
    return false;
}

/* ---- inboxes ---- */

void inbox_init(struct ol_inbox *inbox, struct part *part, int32_t topic_index, int64_t position)
{
    memset(inbox, 0, offsetof(struct ol_inbox, slots)); /* slots: as they are filled */
    inbox->topic = broker_topic(part->context, part->stream);
    inbox->topic_index = topic_index;
    inbox->partition = part->number;
    inbox->position = position;
    inbox->end = inbox->last = -1;
    inbox->queue = part;
    if (position > part->count)
        ol_fail(&inbox->error, OL_VIOLATED, "offset %lld is out of range", (long long)position);
}

static void wake_actor(void *self, uint64_t argument)
{
    (void)argument;
    struct actor *actor = self;
    if (actor->running && !actor->dead)
        sim_wake(actor->fiber);
}

void inbox_await(const struct ol_inbox *inbox)
{
    struct part *part = inbox->queue;
    part->readers |= UINT64_C(1) << sim_actor()->number;
}

static void refill(struct ol_inbox *inbox)
{
    struct part *part = inbox->queue;
    bool committed = OL_PROTECTED(read_committed);
    int64_t end = committed ? part->stable : part->count;
    inbox->head = 0;
    if (client_is_dead() || inbox->error.class)
        return;
    if (!broker_is_up()) {
        inbox_await(inbox);
        return;
    }
    if (inbox->position < end && sim_has(FAULT_FETCH) && sim_chance(20000)) {
        sim_at(world->now_us + sim_delay(sim_chance(100000) ? SEC : 20 * MS), wake_actor,
               sim_actor(), 0);
        inbox->end = -1;
        return;
    }
    while (inbox->position < end && inbox->count < OL_INBOX_SLOTS) {
        const struct slot *slot = part_slot(part, inbox->position);
        if (slot->kind == SLOT_RECORD && (broker_committed(slot) || !committed)) {
            inbox->last = inbox->position;
            inbox->slots[inbox->count++] = (struct ol_message){
                .topic = inbox->topic,
                .topic_index = inbox->topic_index,
                .partition = inbox->partition,
                .offset = inbox->position,
                .timestamp_ms = slot->at_us / 1000,
                .key = slot->key,
                .value = slot->value,
                .key_bytes = slot->key_bytes,
                .value_bytes = slot->value_bytes,
                .handle = (void *)(uintptr_t)slot,
            };
        } else if (slot->kind == SLOT_RECORD) {
            count(COUNT_ABORTED_RECORDS);
        }
        inbox->position++;
    }
    inbox->end = inbox->position >= end ? end : -1;
    inbox->refill_bytes = (size_t)inbox->position; /* behind the slots */
    if (inbox->count)
        inbox->position = inbox->slots[0].offset;
    else
        inbox_await(inbox);
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
    inbox->position =
        inbox->count ? inbox->slots[inbox->head].offset : (int64_t)inbox->refill_bytes;
    return true;
}

bool ol_inbox_at_end(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return !inbox->count && inbox->end >= 0 && inbox->position >= inbox->end &&
           inbox->position >= part->stable;
}

bool inbox_has_records(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return inbox->count || inbox->error.class || (inbox->position < part->stable && broker_is_up());
}
