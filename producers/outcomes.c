#include "producers/outcomes.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domain/assert.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"
#include "proto/codec.h"

#define MESSAGES_MAX       512
#define ARENA_BLOCK_BYTES  (64 * 1024)
#define ARENA_BUDGET_BYTES (16 * 1024 * 1024)
#define EXPECTED_FIRST     16
#define RETRY_MS           100

/* A command whose outcome has not come. */
struct expected {
    int64_t offset; /* of the command; -1: answered */
    char *settle;   /* owned; NULL: not wanted */
    void *opaque;
};

/* An order whose end has not come; a node of the tree. */
struct settling {
    char *order_id;
    void *opaque;
};

/* One partition of one context. expected[first..first+count) rises by offset. */
struct lane {
    enum context context;
    int32_t partition;
    int64_t position; /* of the events topic: the next one to read */
    int64_t taken;    /* commands before this offset have been read by a worker */
    int64_t open;     /* of the commands topic: an open transaction from here on; -1: not known */
    struct expected *expected;
    size_t first, count, capacity;
};

struct outcomes {
    struct ol_reader *reader;
    outcomes_handler *handler;
    void *handler_context;
    struct topic_name topics[CONTEXT_COUNT]; /* of events */
    struct topic_name commands[CONTEXT_COUNT];
    struct lane *lanes;
    size_t lane_count;
    size_t lane_of_row[CONTEXT_COUNT * PARTITIONS_MAX]; /* row of the reader -> lane */
    bool wanted[CONTEXT_COUNT], assigned[CONTEXT_COUNT];
    void *settling; /* tree by order id */
    size_t settling_count, expected_count;
    struct ol_arena arena; /* one event */
};

/* ---- open and close ---- */

/* A partition that was made or moved a moment ago has no leader yet: tried again until the time is
 * up. */
static enum ol_class note_end(struct outcomes *outcomes, struct lane *lane, int timeout_ms,
                              struct ol_error *reterr)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    int64_t until_us = ol_clock_monotonic_us() + (int64_t)timeout_ms * 1000, low;
    for (;;) {
        enum ol_class class =
            ol_reader_watermarks(outcomes->reader, outcomes->topics[lane->context].text,
                                 lane->partition, timeout_ms, &low, &lane->position, reterr);
        if (class != OL_RETRY || ol_clock_monotonic_us() >= until_us)
            return class;
        nanosleep(&pause, NULL);
    }
}

static enum ol_class make_lanes(struct outcomes *outcomes, const int32_t partitions[CONTEXT_COUNT],
                                int timeout_ms, struct ol_error *reterr)
{
    size_t total = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        total += (size_t)partitions[i];
    outcomes->lanes = calloc(total + 1, sizeof *outcomes->lanes);
    if (!outcomes->lanes)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int32_t p = 0; p < partitions[i]; p++) {
            struct lane *lane = &outcomes->lanes[outcomes->lane_count++];
            *lane = (struct lane){.context = (enum context)i, .partition = p, .open = -1};
            enum ol_class class = note_end(outcomes, lane, timeout_ms, reterr);
            if (class)
                return class;
        }
    return OL_OK;
}

enum ol_class outcomes_open(const struct ol_kafka_settings *kafka, const char *prefix,
                            const int32_t partitions[CONTEXT_COUNT], int timeout_ms,
                            outcomes_handler *handler, void *handler_context,
                            struct outcomes **ret_outcomes, struct ol_error *reterr)
{
    OL_AUTO(outcomes) struct outcomes *outcomes = calloc(1, sizeof *outcomes);
    if (!outcomes)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    outcomes->handler = handler;
    outcomes->handler_context = handler_context;
    ol_arena_init(&outcomes->arena, ARENA_BLOCK_BYTES, ARENA_BUDGET_BYTES);
    size_t total = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        outcomes->topics[i] = topic_name(prefix, (enum context)i, STREAM_EVENTS);
        outcomes->commands[i] = topic_name(prefix, (enum context)i, STREAM_COMMANDS);
        total += (size_t)partitions[i];
    }
    enum ol_class class =
        ol_reader_open(kafka, OL_READ_COMMITTED, total + 1, &outcomes->reader, reterr);
    if (!class)
        class = make_lanes(outcomes, partitions, timeout_ms, reterr);
    if (class)
        return class;
    *ret_outcomes = OL_STEAL(outcomes);
    return OL_OK;
}

static void settling_free(void *node)
{
    struct settling *settling = node;
    free(settling->order_id);
    free(settling);
}

void outcomes_close(struct outcomes *outcomes)
{
    if (!outcomes)
        return;
    ol_reader_close(outcomes->reader);
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        struct lane *lane = &outcomes->lanes[i];
        for (size_t j = 0; j < lane->count; j++)
            free(lane->expected[lane->first + j].settle);
        free(lane->expected);
    }
    tdestroy(outcomes->settling, settling_free);
    free(outcomes->lanes);
    ol_arena_release(&outcomes->arena);
    free(outcomes);
}

/* ---- what is expected ---- */

static struct lane *lane_of(struct outcomes *outcomes, enum context context, int32_t partition)
{
    for (size_t i = 0; i < outcomes->lane_count; i++)
        if (outcomes->lanes[i].context == context && outcomes->lanes[i].partition == partition)
            return &outcomes->lanes[i];
    return NULL;
}

/* Room for one more at the end: moves what is left to the front, or takes more memory. */
static bool lane_make_room(struct lane *lane)
{
    if (lane->first + lane->count < lane->capacity)
        return true;
    size_t wanted = lane->count * 2 > lane->capacity ? lane->capacity + 1 : 1;
    if (!OL_GROW(lane->expected, lane->capacity, wanted, EXPECTED_FIRST))
        return false;
    memmove(lane->expected, lane->expected + lane->first, lane->count * sizeof *lane->expected);
    lane->first = 0;
    return true;
}

enum ol_class outcomes_expect(struct outcomes *outcomes, enum context context, int32_t partition,
                              int64_t offset, struct text settle, void *opaque,
                              struct ol_error *reterr)
{
    struct lane *lane = lane_of(outcomes, context, partition);
    if (!lane || (lane->count && lane->expected[lane->first + lane->count - 1].offset >= offset))
        return ol_fail(reterr, OL_VIOLATED,
                       "the commands of %s at partition %d, offset %lld are not "
                       "behind the ones before: was the topic made anew?",
                       context_name(context), partition, (long long)offset);
    char *copy = settle.bytes ? strndup(settle.data, settle.bytes) : NULL;
    if ((settle.bytes && !copy) || !lane_make_room(lane)) {
        free(copy);
        return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    lane->expected[lane->first + lane->count++] =
        (struct expected){.offset = offset, .settle = copy, .opaque = opaque};
    outcomes->expected_count++;
    outcomes->wanted[context] = true;
    return OL_OK;
}

size_t outcomes_pending(const struct outcomes *outcomes)
{
    return outcomes->expected_count + outcomes->settling_count;
}

/* The command at this offset, still unanswered; NULL: it is not ours. */
static struct expected *lane_find(const struct lane *lane, int64_t offset)
{
    size_t low = lane->first, high = lane->first + lane->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lane->expected[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < lane->first + lane->count && lane->expected[low].offset == offset &&
                 lane->expected[low].opaque != lane;
    return found ? &lane->expected[low] : NULL;
}

/* Answered: what is answered at the front goes. `opaque` pointing at the lane marks an answered
 * one, so that offsets stay sorted. */
static void lane_answered(struct lane *lane, struct expected *expected)
{
    domain_assert(expected >= lane->expected + lane->first &&
                  expected < lane->expected + lane->first + lane->count);
    domain_assert(expected->opaque != lane); /* one outcome each */
    free(expected->settle);
    expected->settle = NULL;
    expected->opaque = lane;
    while (lane->count && lane->expected[lane->first].opaque == lane) {
        lane->first++;
        lane->count--;
    }
}

/* ---- orders that are not settled yet ---- */

static int by_order_id(const void *left, const void *right)
{
    return strcmp(((const struct settling *)left)->order_id,
                  ((const struct settling *)right)->order_id);
}

/* Takes over the id. False: no memory, or the order is waited for already; the id is freed. */
static bool settling_add(struct outcomes *outcomes, char *order_id, void *opaque)
{
    struct settling *node = malloc(sizeof *node);
    if (!node) {
        free(order_id);
        return false;
    }
    *node = (struct settling){order_id, opaque};
    struct settling **place = tsearch(node, &outcomes->settling, by_order_id);
    if (!place || *place != node) {
        settling_free(node);
        return false;
    }
    outcomes->settling_count++;
    return true;
}

static bool is_settled(enum order_status status)
{
    return status == ORDER_IS_CONFIRMED || status == ORDER_IS_REJECTED ||
           status == ORDER_IS_CANCELLED;
}

/* An order's event: the end of one that is waited for? */
static void settle(struct outcomes *outcomes, const struct event_message *event,
                   struct ol_offset place)
{
    if (outcomes->settling_count == 0 || event->context != CONTEXT_ORDERS ||
        event->body != EVENT_BODY_DOMAIN || !is_settled(event->order.status))
        return;
    char *order_id =
        ol_arena_copy(&outcomes->arena, event->order.order_id.data, event->order.order_id.bytes);
    const struct settling wanted = {.order_id = order_id};
    struct settling **found = order_id ? tfind(&wanted, &outcomes->settling, by_order_id) : NULL;
    if (!found)
        return;
    struct settling *node = *found;
    tdelete(node, &outcomes->settling, by_order_id);
    outcomes->settling_count--;
    struct outcome outcome = {
        .kind = OUTCOME_IS_ACCEPTED,
        .code = event->order.code,
        .event = event_kind_name(event),
        .place = place,
        .settled = true,
        .last = true,
        .status = event->order.status,
        .opaque = node->opaque,
    };
    settling_free(node);
    outcomes->handler(outcomes->handler_context, &outcome);
}

/* ---- reading ---- */

static struct outcome outcome_of(const struct event_message *event, struct ol_offset place)
{
    struct outcome outcome = {.event = event_kind_name(event), .place = place, .last = true};
    if (event->body == EVENT_BODY_REJECTED) {
        outcome.kind = OUTCOME_IS_REJECTED;
        outcome.code = event->rejected.code;
        outcome.message = event->rejected.message;
    } else if (event->body == EVENT_BODY_REPEATED) {
        outcome.kind = OUTCOME_IS_REPEATED;
        outcome.first = event->repeated.outcome;
        outcome.code = event->repeated.code;
    } else {
        outcome.kind = OUTCOME_IS_ACCEPTED;
        if (event->context == CONTEXT_ORDERS)
            outcome.status = event->order.status;
    }
    return outcome;
}

/* The first event that a command caused is its outcome. */
static void answer(struct outcomes *outcomes, struct lane *lane, const struct event_message *event,
                   struct ol_offset place)
{
    if (event->cause_source != CAUSE_COMMANDS)
        return;
    struct expected *expected = lane_find(lane, event->cause_offset);
    if (!expected)
        return;
    struct outcome outcome = outcome_of(event, place);
    domain_assert(outcomes->expected_count > 0);
    outcome.opaque = expected->opaque;
    char *settle_id = OL_STEAL(expected->settle);
    lane_answered(lane, expected);
    outcomes->expected_count--;
    if (settle_id && outcome.kind == OUTCOME_IS_ACCEPTED && !is_settled(outcome.status))
        outcome.last = !settling_add(outcomes, settle_id, outcome.opaque);
    else
        free(settle_id);
    outcomes->handler(outcomes->handler_context, &outcome);
}

static enum ol_class read_event(struct outcomes *outcomes, const struct ol_message *message,
                                struct ol_error *reterr)
{
    struct lane *lane = &outcomes->lanes[outcomes->lane_of_row[message->topic_index]];
    struct event_message event;
    domain_assert(outcomes->assigned[lane->context]); /* the reader's rows are those of assign() */
    ol_arena_clear(&outcomes->arena);
    enum ol_class class =
        codec_decode_event(lane->context, (struct bytes){message->value, message->value_bytes},
                           &outcomes->arena, &event, reterr);
    if (class)
        return ol_fail_in(reterr, "%s[%d]@%lld", outcomes->topics[lane->context].text,
                          lane->partition, (long long)message->offset);
    struct ol_offset place = {outcomes->topics[lane->context].text, lane->partition,
                              message->offset};
    lane->position = message->offset + 1;
    if (event.body == EVENT_BODY_RECEIPT && event.receipt.commands_next > lane->taken)
        lane->taken = event.receipt.commands_next;
    answer(outcomes, lane, &event, place);
    settle(outcomes, &event, place);
    return OL_OK;
}

/* Reads the contexts that something is expected of, from where each was left. */
static enum ol_class assign(struct outcomes *outcomes, struct ol_error *reterr)
{
    if (memcmp(outcomes->wanted, outcomes->assigned, sizeof outcomes->wanted) == 0)
        return OL_OK;
    struct ol_offset positions[CONTEXT_COUNT * PARTITIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        const struct lane *lane = &outcomes->lanes[i];
        if (!outcomes->wanted[lane->context])
            continue;
        outcomes->lane_of_row[count] = i;
        positions[count++] = (struct ol_offset){outcomes->topics[lane->context].text,
                                                lane->partition, lane->position};
    }
    enum ol_class class = ol_reader_assign(outcomes->reader, positions, count, reterr);
    if (!class)
        memcpy(outcomes->assigned, outcomes->wanted, sizeof outcomes->wanted);
    return class;
}

/* All events up to the end are read, so a whole transaction is: what it took and did not answer
 * it has put aside. */
static void sweep(struct outcomes *outcomes)
{
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        struct lane *lane = &outcomes->lanes[i];
        while (lane->count && lane->expected[lane->first].offset < lane->taken) {
            struct outcome outcome = {.kind = OUTCOME_IS_PUT_ASIDE,
                                      .event = "",
                                      .place.offset = -1,
                                      .last = true,
                                      .opaque = lane->expected[lane->first].opaque};
            lane_answered(lane, &lane->expected[lane->first]);
            outcomes->expected_count--;
            outcomes->handler(outcomes->handler_context, &outcome);
        }
    }
}

enum ol_class outcomes_poll(struct outcomes *outcomes, int timeout_ms, struct ol_error *reterr)
{
    if (outcomes_pending(outcomes) == 0)
        return OL_OK;
    enum ol_class class = assign(outcomes, reterr);
    if (class)
        return class;
    struct ol_message messages[MESSAGES_MAX];
    size_t count = 0;
    class = ol_reader_poll(outcomes->reader, timeout_ms, messages, MESSAGES_MAX, &count, reterr);
    for (size_t i = 0; i < count && !class; i++)
        class = read_event(outcomes, &messages[i], reterr);
    ol_messages_release(messages, count);
    if (!class && ol_reader_at_end(outcomes->reader))
        sweep(outcomes);
    return class;
}

/* ---- giving up ---- */

/* The reader's end is the last stable offset: what is acknowledged behind it waits for a
 * transaction. */
void outcomes_find_open(struct outcomes *outcomes, int timeout_ms)
{
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        struct lane *lane = &outcomes->lanes[i];
        struct ol_error error;
        int64_t stable;
        if (lane->count == 0 || lane->expected[lane->first + lane->count - 1].offset < lane->taken)
            continue;
        if (ol_reader_watermarks(outcomes->reader, outcomes->commands[lane->context].text,
                                 lane->partition, timeout_ms, NULL, &stable, &error))
            return;
        lane->open = stable;
    }
}

static struct outcome overdue(void *opaque)
{
    return (struct outcome){.kind = OUTCOME_IS_OVERDUE,
                            .event = "",
                            .place.offset = -1,
                            .open.offset = -1,
                            .last = true,
                            .opaque = opaque};
}

static struct outcome lane_overdue(const struct outcomes *outcomes, const struct lane *lane,
                                   const struct expected *expected)
{
    struct outcome outcome = overdue(expected->opaque);
    outcome.taken = expected->offset < lane->taken;
    outcome.open.topic = outcomes->commands[lane->context].text;
    outcome.open.partition = lane->partition;
    if (!outcome.taken && lane->open >= 0 && expected->offset >= lane->open)
        outcome.open.offset = lane->open;
    return outcome;
}

void outcomes_give_up(struct outcomes *outcomes)
{
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        struct lane *lane = &outcomes->lanes[i];
        while (lane->count) {
            struct expected *expected = &lane->expected[lane->first];
            struct outcome outcome = lane_overdue(outcomes, lane, expected);
            lane_answered(lane, expected);
            outcomes->expected_count--;
            outcomes->handler(outcomes->handler_context, &outcome);
        }
    }
    while (outcomes->settling_count) {
        struct settling *node = *(struct settling **)outcomes->settling;
        struct outcome outcome = overdue(node->opaque);
        outcome.taken = outcome.settled = true;
        tdelete(node, &outcomes->settling, by_order_id);
        settling_free(node);
        outcomes->settling_count--;
        outcomes->handler(outcomes->handler_context, &outcome);
    }
    domain_assert(outcomes_pending(outcomes) == 0); /* whoever waits has been told */
}

bool outcomes_overdue(const struct outcomes *outcomes, const void *opaque,
                      struct outcome *ret_outcome)
{
    for (size_t i = 0; i < outcomes->lane_count; i++) {
        const struct lane *lane = &outcomes->lanes[i];
        for (size_t j = 0; j < lane->count; j++)
            if (lane->expected[lane->first + j].opaque == opaque) {
                *ret_outcome = lane_overdue(outcomes, lane, &lane->expected[lane->first + j]);
                return true;
            }
    }
    return false;
}

void outcome_tell_overdue(const struct outcome *outcome, const char *brokers, struct ol_text *text)
{
    if (outcome->settled) {
        ol_text_add(text, "the order is still under way; look at `orderlog order show`");
    } else if (outcome->open.offset >= 0) { /* it is no worker's fault */
        ol_text_add(text, "it is acknowledged, and no worker may read it yet: ");
        ol_kafka_tell_open(text, brokers, &outcome->open);
    } else {
        ol_text_add(text, outcome->taken ? "a worker has read it, and there is no outcome yet"
                                         : "no worker has read it yet; is one running?");
    }
}
