/* Which input comes next: from the consumer's inboxes into the batch being built, and a halt where
 * one can't be read. */
#include "consumers/loop.h"

#include <stdio.h>

#include "lib/base/ol_clock.h"
#include "lib/guard/protected.h"

#define MERGE_RUN_MAX 64 /* inputs of one inbox in turn: the last record's may be more */

/* A message that found no room waits in `held`: nothing is taken before it. */
static bool take_message(struct loop *loop, struct ol_message *message, enum cause_source source)
{
    if (batch_take(loop->building, message, source, loop->partitions))
        return true;
    loop->held = *message;
    loop->held_source = source;
    return false;
}

/* From one inbox, until there are `max` inputs more. False: the batch has no more room. */
static bool take_from(struct loop *loop, struct ol_inbox *inbox, size_t max)
{
    struct ol_message message;
    size_t before = loop->building->count;
    while (loop->building->count - before < max) {
        if (batch_full(loop->building))
            return false;
        if (!ol_inbox_take(inbox, &message))
            return true;
        if (!take_message(loop, &message, loop_source_of(inbox)))
            return false;
    }
    return true;
}

/* A few messages from each inbox of a source, round by round, so that no partition starves, until
 * there are `max` inputs more. False: the batch has no more room. */
static bool take_round_robin(struct loop *loop, struct ol_inbox *inboxes, size_t count,
                             enum cause_source source, size_t max)
{
    size_t before = loop->building->count;
    bool taken = true;
    while (taken) {
        taken = false;
        for (size_t i = 0; i < count; i++) {
            struct ol_inbox *inbox = &inboxes[(loop->next_inbox + i) % count];
            size_t left = max - (loop->building->count - before);
            if (inbox->ignored || loop_source_of(inbox) != source || !ol_inbox_peek(inbox))
                continue;
            if (!take_from(loop, inbox, left < MERGE_RUN_MAX ? left : MERGE_RUN_MAX)) {
                loop->next_inbox += (uint32_t)i + 1;
                return false;
            }
            if (loop->building->count - before >= max)
                return true;
            taken = true;
        }
    }
    return true;
}

/* Commands that are held back wake nobody. */
static void hold_commands(struct loop *loop, struct ol_inbox *inboxes, size_t count, bool hold,
                          int64_t now_us)
{
    bool wait = false;
    for (size_t i = 0; i < count; i++) {
        struct ol_inbox *inbox = &inboxes[i];
        if (loop_source_of(inbox) != CAUSE_COMMANDS || loop->halted >> inbox->partition & 1)
            continue;
        inbox->ignored = hold;
        wait |= hold && ol_inbox_peek(inbox);
    }
    if (loop->held_back_us)
        ol_series_add(loop->metrics.commands_held, now_us - loop->held_back_us);
    loop->held_back_us = wait ? now_us : 0;
}

/* Steps first: they end what is open. Commands begin orders, as many as may be open. */
static void take_steps_first(struct loop *loop, struct ol_inbox *inboxes, size_t count)
{
    if (!take_round_robin(loop, inboxes, count, CAUSE_STEPS, SIZE_MAX))
        return;
    int64_t now_us = ol_clock_monotonic_us();
    size_t open = deadlines_count(core_deadlines(loop->core));
    size_t room =
        admission_room(&loop->admission, open, (size_t)loop->options->orders_open_max, now_us);
    hold_commands(loop, inboxes, count, room == 0, now_us);
    if (room > 0)
        take_round_robin(loop, inboxes, count, CAUSE_COMMANDS, room);
}

/* The inbox whose oldest message is the oldest of all, by the broker's time; NULL: none has any. */
static struct ol_inbox *oldest_inbox(struct ol_inbox *inboxes, size_t count, int64_t *ret_next_ms)
{
    struct ol_inbox *oldest = NULL;
    int64_t oldest_ms = INT64_MAX, next_ms = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct ol_message *head = inboxes[i].ignored ? NULL : ol_inbox_peek(&inboxes[i]);
        if (!head)
            continue;
        if (head->timestamp_ms < oldest_ms) {
            next_ms = oldest_ms;
            oldest_ms = head->timestamp_ms;
            oldest = &inboxes[i];
        } else if (head->timestamp_ms < next_ms) {
            next_ms = head->timestamp_ms;
        }
    }
    *ret_next_ms = next_ms;
    return oldest;
}

/* Commands and steps as they came, as far as they are fetched. */
static void take_by_time(struct loop *loop, struct ol_inbox *inboxes, size_t count)
{
    int64_t until_ms;
    for (struct ol_inbox *inbox; (inbox = oldest_inbox(inboxes, count, &until_ms));) {
        const struct ol_message *head;
        size_t before = loop->building->count, run = 0;
        while ((head = ol_inbox_peek(inbox)) && (run == 0 || head->timestamp_ms <= until_ms) &&
               run < MERGE_RUN_MAX) {
            if (!take_from(loop, inbox, 1))
                return;
            run = loop->building->count - before;
        }
        if (batch_full(loop->building))
            return;
    }
}

/* What is gone may have been read by the next owner: we slept, and the group has not told us yet.
 * Its offsets do. */
static enum ol_class confirm_owned(struct loop *loop, int32_t partition, struct ol_error *reterr)
{
    struct ol_offset places[2] = {{loop->topics[STREAM_COMMANDS].text, partition, -1},
                                  {loop->topics[STREAM_STEPS].text, partition, -1}};
    enum ol_class class = loop_finish_commit(loop, reterr);
    if (!class)
        class = ol_consumer_committed(loop->consumer, places, 2, (int)loop->options->timeout_ms,
                                      reterr);
    if (class)
        return class;
    const struct loop_receipt *last = &loop->receipts[partition];
    if (places[0].offset > last->commands_next || places[1].offset > last->steps_next)
        return ol_fail(reterr, OL_RETRY, "partition %d has another owner, who went on meanwhile",
                       partition);
    return OL_OK;
}

/* What is next is gone or damaged; what was read before stays where it is. */
static enum ol_class halt_unreadable(struct loop *loop, const struct ol_inbox *broken,
                                     struct ol_error *reterr)
{
    char reason[sizeof broken->error.text + 128];
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    enum ol_class class = confirm_owned(loop, broken->partition, reterr);
    if (class)
        return class;
    snprintf(reason, sizeof reason,
             "%s partition %d can't be read from offset %lld on: %s; see docs/runbook.md",
             broken->topic, broken->partition, (long long)broken->position, broken->error.text);
    loop_halt(loop, broken->partition, broken->topic, reason);
    for (size_t i = 0; i < count; i++)
        inboxes[i].ignored |= inboxes[i].partition == broken->partition;
    return OL_OK;
}

/* A record can't be read: its partition halts, once all before it are taken. Anything else that an
 * inbox says ends this life. */
static enum ol_class look_at_errors(struct loop *loop, struct ol_error *reterr)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    for (size_t i = 0; i < count; i++) {
        const struct ol_inbox *inbox = &inboxes[i];
        if (inbox->error.class == OL_OK || inbox->ignored)
            continue;
        bool halts = PROTECTED(unread_halts) && inbox->error.class == OL_VIOLATED;
        if (!halts)
            return ol_fail(reterr, OL_FATAL, "%s partition %d: %s", inbox->topic, inbox->partition,
                           inbox->error.text);
        enum ol_class class = inbox->count ? OL_OK : halt_unreadable(loop, inbox, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

enum ol_class loop_take_inputs(struct loop *loop, struct ol_error *reterr)
{
    if (loop->held.handle) {
        struct ol_message message = loop->held;
        loop->held = (struct ol_message){0};
        if (!take_message(loop, &message, loop->held_source))
            return batch_empty(loop->building)
                       ? ol_fail(reterr, OL_FATAL, "one message needs more than a batch's memory")
                       : OL_OK;
    }
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    enum ol_class class = look_at_errors(loop, reterr);
    if (class)
        return class;
    if (loop->context == CONTEXT_ORDERS)
        take_steps_first(loop, inboxes, count);
    else
        take_by_time(loop, inboxes, count);
    return OL_OK;
}
