/* The source of inboxes (lib/kafka/ol_inbox.h), and what the messages of lib/kafka/ol_kafka.h
 * promise, over the model of the broker. A message's handle is its slot in the log. */
#include "tests/sim/client.h"

#include "lib/guard/protected.h"

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

static void check_range(struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    if (inbox->position > part->count || inbox->position < part->first)
        ol_fail(&inbox->error, OL_VIOLATED, "offset %lld is out of range",
                (long long)inbox->position);
}

void inbox_init(struct ol_inbox *inbox, struct part *part, int32_t topic_index, int64_t position)
{
    ol_inbox_clear(inbox, broker_topic(part->context, part->stream), topic_index, part->number,
                   position);
    inbox->queue = part;
    check_range(inbox);
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

void ol_inbox_refill(struct ol_inbox *inbox)
{
    struct part *part = inbox->queue;
    bool committed = PROTECTED(read_committed);
    int64_t end = committed ? part->stable : part->count;
    if (client_is_dead() || inbox->error.class)
        return;
    if (!broker_is_up()) {
        inbox_await(inbox);
        return;
    }
    check_range(inbox);
    if (inbox->error.class)
        return;
    if (inbox->position < end && sim_has(FAULT_FETCH) && sim_chance(20000)) {
        sim_at(world->now_us + sim_delay(sim_chance(100000) ? SEC : 20 * MS), wake_actor,
               sim_actor(), 0);
        inbox->end = -1;
        return;
    }
    for (; inbox->position < end && inbox->count < OL_INBOX_SLOTS; inbox->position++) {
        const struct slot *slot = part_slot(part, inbox->position);
        if (slot->kind == SLOT_RECORD && (broker_committed(slot) || !committed)) {
            struct ol_message *message = ol_inbox_keep(inbox, inbox->position);
            message->timestamp_ms = slot->at_us / 1000;
            message->key = slot->key;
            message->value = slot->value;
            message->key_bytes = slot->key_bytes;
            message->value_bytes = slot->value_bytes;
            message->handle = (void *)(uintptr_t)slot;
        } else if (slot->kind == SLOT_RECORD) {
            count(COUNT_ABORTED_RECORDS);
        }
    }
    inbox->end = inbox->position >= end ? end : -1;
    if (!inbox->count)
        inbox_await(inbox);
}

bool ol_inbox_has_more(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return inbox->position < part->stable;
}

bool inbox_has_records(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return inbox->count || inbox->error.class || (inbox->position < part->stable && broker_is_up());
}
