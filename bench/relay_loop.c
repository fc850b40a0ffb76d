/*
 * bench/relay_loop.c - one context's loop of the relay, built like consumers/loop.c: what is
 * different stands in relay.c.
 */
#include "bench/relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"

#define BATCH_INPUT_BYTES (4 * 1024 * 1024) /* as consumers/batch.h */
#define MERGE_RUN_MAX     64                /* as consumers/inputs.c */
#define IDLE_WAIT_MS      500
#define SILENT_US         (60 * INT64_C(1000000))
#define CLOSE_MS          5000

/* ---- what to write ---- */

static void add_cursor(struct loop *loop, const struct recorded_output *output, const char *topic,
                       int32_t partition, int32_t by_partition)
{
    if (output->count == 0)
        return;
    struct cursor *cursor = &loop->cursors[loop->cursor_count++];
    *cursor =
        (struct cursor){.output = output, .partition = partition, .by_partition = by_partition};
    for (int i = 0; i < 2; i++) /* the same number at both */
        cursor->topic = ol_producer_topic(loop->producers[i], topic);
}

static void make_cursors(struct loop *loop)
{
    struct topic_name events = relay_topic(loop->relay, loop->context, STREAM_EVENTS);
    for (int32_t p = 0; p < loop->relay->recording.partitions; p++)
        add_cursor(loop, &loop->lane->events[p], events.text, p, p);
    for (int target = 0; target < CONTEXT_COUNT; target++) {
        struct topic_name steps = relay_topic(loop->relay, (enum context)target, STREAM_STEPS);
        for (int32_t p = 0; p < loop->relay->recording.partitions; p++)
            add_cursor(loop, &loop->lane->steps[target][p], steps.text, p, -1);
    }
}

static bool add_record(struct relay_batch *batch, const struct cursor *cursor,
                       const struct record *record)
{
    if (!OL_GROW(batch->records, batch->record_capacity, batch->record_count + 1, 4096))
        return false;
    batch->records[batch->record_count++] = (struct ol_record){.topic = cursor->topic,
                                                               .partition = cursor->partition,
                                                               .key = record->key,
                                                               .key_bytes = record->key_bytes,
                                                               .value = record->value,
                                                               .value_bytes = record->value_bytes};
    batch->output_bytes += record->key_bytes + record->value_bytes;
    return true;
}

/* What is due after one more input of a partition. */
static bool answer(struct loop *loop, int32_t partition)
{
    uint64_t of_partition = ++loop->taken[partition], of_all = ++loop->taken_count;
    for (size_t i = 0; i < loop->cursor_count; i++) {
        struct cursor *cursor = &loop->cursors[i];
        bool all = cursor->by_partition < 0;
        if (!all && cursor->by_partition != partition)
            continue;
        uint64_t inputs = all ? loop->lane->input_count : loop->lane->inputs[partition];
        domain_assert((all ? of_all : of_partition) <= inputs); /* nobody else writes now */
        uint64_t due = (all ? of_all : of_partition) * cursor->output->count / inputs;
        for (; cursor->next < due; cursor->next++)
            if (!add_record(loop->building, cursor, &cursor->output->records[cursor->next]))
                return false;
    }
    return true;
}

/* ---- a batch, as consumers/batch.c ---- */

static bool relay_batch_full(const struct loop *loop, const struct relay_batch *batch)
{
    const struct ol_options *options = loop->relay->options;
    return batch->count >= (size_t)options->batch_inputs ||
           batch->input_bytes >= BATCH_INPUT_BYTES ||
           batch->output_bytes >= (size_t)options->batch_output_bytes;
}

static void relay_batch_clear(struct relay_batch *batch)
{
    ol_messages_release(batch->messages, batch->count);
    batch->count = batch->emitted = batch->input_bytes = 0;
    batch->record_count = batch->output_bytes = 0;
}

/* False: the batch is full, or the measured part of the inbox is over. */
static bool take_one(struct loop *loop, struct ol_inbox *inbox)
{
    struct relay_batch *batch = loop->building;
    struct ol_message *message = &batch->messages[batch->count];
    if (relay_batch_full(loop, batch) || !ol_inbox_take(inbox, message))
        return false;
    batch->input_bytes += message->key_bytes + message->value_bytes;
    batch->count++;
    return true;
}

static bool take_round_robin(struct loop *loop, struct ol_inbox *inboxes, size_t count,
                             int32_t topic_index)
{
    for (bool taken = true; taken;) {
        taken = false;
        for (size_t i = 0; i < count; i++) {
            struct ol_inbox *inbox = &inboxes[(loop->next_inbox + i) % count];
            if (inbox->topic_index != topic_index)
                continue;
            for (int run = 0; run < MERGE_RUN_MAX && take_one(loop, inbox); run++)
                taken = true;
            if (relay_batch_full(loop, loop->building)) {
                loop->next_inbox += (uint32_t)i + 1;
                return false;
            }
        }
    }
    return true;
}

static struct ol_inbox *oldest_inbox(struct ol_inbox *inboxes, size_t count, int64_t *ret_next_ms)
{
    struct ol_inbox *oldest = NULL;
    int64_t oldest_ms = INT64_MAX, next_ms = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct ol_message *head = ol_inbox_peek(&inboxes[i]);
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

static void take_by_time(struct loop *loop, struct ol_inbox *inboxes, size_t count)
{
    int64_t until_ms;
    for (struct ol_inbox *inbox; (inbox = oldest_inbox(inboxes, count, &until_ms));) {
        const struct ol_message *head;
        for (size_t run = 0; (head = ol_inbox_peek(inbox)) &&
                             (run == 0 || head->timestamp_ms <= until_ms) && run < MERGE_RUN_MAX;
             run++)
            if (!take_one(loop, inbox))
                return;
        if (relay_batch_full(loop, loop->building))
            return;
    }
}

static enum ol_class fill(struct loop *loop, struct ol_error *reterr)
{
    struct relay_batch *batch = loop->building;
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    if (relay_batch_full(loop, batch))
        return OL_OK;
    for (size_t i = 0; i < count; i++)
        if (inboxes[i].error.class)
            return ol_fail(reterr, OL_FATAL, "%s partition %d: %s", inboxes[i].topic,
                           inboxes[i].partition, inboxes[i].error.text);
    if (loop->context == CONTEXT_ORDERS)
        (void)(take_round_robin(loop, inboxes, count, STREAM_STEPS) &&
               take_round_robin(loop, inboxes, count, STREAM_COMMANDS));
    else
        take_by_time(loop, inboxes, count);
    for (; batch->emitted < batch->count; batch->emitted++) {
        const struct ol_message *message = &batch->messages[batch->emitted];
        loop->next[message->topic_index][message->partition] = message->offset + 1;
        if (!answer(loop, message->partition))
            return ol_fail(reterr, OL_FATAL, "out of memory for a batch");
    }
    return OL_OK;
}

/* ---- committing, as consumers/loop.c ---- */

static size_t offsets_of(const struct loop *loop, const struct relay_batch *batch,
                         struct ol_offset *ret_offsets)
{
    const struct recording *recording = &loop->relay->recording;
    uint64_t touched = 0;
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        touched |= UINT64_C(1) << batch->messages[i].partition;
    for (int32_t p = 0; p < recording->partitions; p++)
        for (int stream = STREAM_COMMANDS; stream <= STREAM_STEPS && touched >> p & 1; stream++)
            ret_offsets[count++] = (struct ol_offset){recording->topics[loop->context][stream].text,
                                                      p, loop->next[stream][p]};
    return count;
}

static enum ol_class start_commit(struct loop *loop, struct ol_error *reterr)
{
    struct relay_batch *batch = loop->building;
    struct ol_producer *producer = loop->producers[loop->building_with];
    struct ol_offset offsets[2 * PARTITIONS_MAX];
    size_t offset_count = offsets_of(loop, batch, offsets);
    enum ol_class class = OL_OK;
    if (ol_producer_tainted(producer))
        class = ol_producer_renew(producer, reterr);
    if (!class)
        class = ol_producer_begin(producer, reterr);
    if (!class)
        class = ol_producer_produce(producer, batch->records, batch->record_count, reterr);
    if (!class)
        class = ol_producer_commit_start(producer, offsets, offset_count,
                                         ol_consumer_assignment(loop->consumer)->group, reterr);
    if (class)
        return class;
    loop->committing = batch;
    loop->committing_with = loop->building_with;
    loop->building = batch == &loop->batches[0] ? &loop->batches[1] : &loop->batches[0];
    loop->building_with = 1 - loop->building_with;
    return OL_OK;
}

static enum ol_class finish_commit(struct loop *loop, struct ol_error *reterr)
{
    if (!loop->committing)
        return OL_OK;
    enum ol_class class =
        ol_producer_commit_wait(loop->producers[loop->committing_with], NULL, reterr);
    if (class)
        return class;
    loop->transactions++;
    loop->messages += loop->committing->record_count;
    loop->bytes += loop->committing->output_bytes;
    loop->moved_us = ol_clock_monotonic_us();
    relay_batch_clear(loop->committing);
    loop->committing = NULL;
    return OL_OK;
}

static void wait_for_work(struct loop *loop)
{
    int fd = loop->committing ? ol_producer_fd(loop->producers[loop->committing_with]) : -1;
    ol_consumer_wait(loop->consumer, fd, IDLE_WAIT_MS);
}

static enum ol_class fill_and_commit(struct loop *loop, struct ol_error *reterr)
{
    size_t before = loop->building->count;
    enum ol_class class = fill(loop, reterr);
    if (class)
        return class;
    bool moved = loop->building->count > before;
    if (loop->committing) {
        bool no_room = relay_batch_full(loop, loop->building);
        if (ol_producer_commit_done(loop->producers[loop->committing_with]) || no_room)
            return finish_commit(loop, reterr);
        if (!moved && loop->building->count > 0)
            return finish_commit(loop, reterr);
        if (!moved)
            wait_for_work(loop);
        return OL_OK;
    }
    if (loop->building->count > 0)
        return start_commit(loop, reterr);
    if (!moved)
        wait_for_work(loop);
    return OL_OK;
}

/* ---- a loop's life ---- */

static void clock_begins(struct loop *loop)
{
    struct relay *relay = loop->relay;
    pthread_mutex_lock(&relay->lock);
    loop->from_us = loop->moved_us = ol_clock_monotonic_us();
    if (!relay->from_us) {
        relay->from_us = loop->from_us;
        getrusage(RUSAGE_SELF, &relay->use_from);
    }
    pthread_mutex_unlock(&relay->lock);
}

static void clock_ends(struct loop *loop)
{
    struct relay *relay = loop->relay;
    pthread_mutex_lock(&relay->lock);
    loop->to_us = ol_clock_monotonic_us();
    if (--relay->running == 0) {
        relay->to_us = loop->to_us;
        getrusage(RUSAGE_SELF, &relay->use_to);
    }
    pthread_mutex_unlock(&relay->lock);
}

static enum ol_class start_reading(struct loop *loop, struct ol_error *reterr)
{
    struct recording *recording = &loop->relay->recording;
    const struct ol_assignment *assignment = ol_consumer_assignment(loop->consumer);
    struct ol_offset positions[2 * PARTITIONS_MAX];
    if (assignment->count != 2 * (size_t)recording->partitions)
        return ol_fail(reterr, OL_CONFLICT, "somebody else is in the relay's group");
    for (size_t i = 0; i < assignment->count; i++) {
        enum stream stream = i < (size_t)recording->partitions ? STREAM_COMMANDS : STREAM_STEPS;
        positions[i] = assignment->places[i];
        positions[i].offset =
            recording_place(recording, loop->context, stream, positions[i].partition)->from;
        loop->next[stream][positions[i].partition] = positions[i].offset;
    }
    clock_begins(loop);
    return ol_consumer_assign(loop->consumer, positions, assignment->count, reterr);
}

static bool is_done(const struct loop *loop)
{
    return loop->taken_count == loop->lane->input_count && !loop->committing &&
           loop->building->count == 0;
}

static enum ol_class serve(struct loop *loop, struct ol_error *reterr)
{
    bool reading = false;
    while (!reading || !is_done(loop)) {
        enum ol_consumer_event event;
        enum ol_class class = ol_consumer_poll(loop->consumer, &event, reterr);
        if (class == OL_RETRY)
            class = OL_OK;
        if (!class && event == OL_CONSUMER_ASSIGNED && !reading) {
            class = start_reading(loop, reterr);
            reading = true;
        } else if (!class && event != OL_CONSUMER_NOTHING) {
            class = ol_fail(reterr, OL_CONFLICT, "the group was rebalanced in the middle");
        } else if (!class && reading) {
            class = fill_and_commit(loop, reterr);
        } else if (!class) {
            wait_for_work(loop);
        }
        if (!class && (atomic_load(&loop->relay->failed) ||
                       (reading && ol_clock_monotonic_us() - loop->moved_us > SILENT_US)))
            class = ol_fail(reterr, OL_RETRY, "nothing has moved for too long");
        if (class)
            return class;
    }
    return OL_OK;
}

/* One record to each partition: a new topic's first transaction must not be in the figures. */
static enum ol_class warm_up(struct loop *loop, struct ol_producer *producer,
                             struct ol_error *reterr)
{
    struct ol_record records[sizeof loop->cursors / sizeof loop->cursors[0]];
    for (size_t i = 0; i < loop->cursor_count; i++)
        records[i] = (struct ol_record){.topic = loop->cursors[i].topic,
                                        .partition = loop->cursors[i].partition,
                                        .value = "warm",
                                        .value_bytes = 4};
    enum ol_class class = ol_producer_begin(producer, reterr);
    if (!class)
        class = ol_producer_produce(producer, records, loop->cursor_count, reterr);
    return class ? class : ol_producer_commit(producer, NULL, reterr);
}

static enum ol_class open_producers(struct loop *loop, struct ol_error *reterr)
{
    struct relay *relay = loop->relay;
    char id[TOPIC_NAME_BYTES_MAX + 32];
    enum ol_class class = OL_OK;
    for (int i = 0; i < 2; i++) {
        size_t inputs = (size_t)relay->options->batch_inputs;
        snprintf(id, sizeof id, "%s.%s.0.%c", relay->scratch_prefix, context_name(loop->context),
                 "ab"[i]);
        class = ol_producer_open(&loop->kafka.settings, id, &loop->producers[i], reterr);
        if (class)
            return class;
        loop->batches[i].messages = calloc(inputs, sizeof *loop->batches[i].messages);
        if (!loop->batches[i].messages)
            return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    loop->building = &loop->batches[0];
    make_cursors(loop);
    for (int i = 0; i < 2 && !class; i++)
        class = warm_up(loop, loop->producers[i], reterr);
    return class;
}

static enum ol_class open_consumer(struct loop *loop, struct ol_error *reterr)
{
    struct relay *relay = loop->relay;
    const char *name = context_name(loop->context);
    char group[TOPIC_NAME_BYTES_MAX + 32];
    snprintf(group, sizeof group, "%s.%s.relay", relay->scratch_prefix, name);
    const char *topics[] = {relay->recording.topics[loop->context][STREAM_COMMANDS].text,
                            relay->recording.topics[loop->context][STREAM_STEPS].text};
    const struct ol_consumer_options options = {
        .group = group,
        .instance = name,
        .topics = topics,
        .topic_count = 2,
        .partition_count = (size_t)(2 * relay->recording.partitions),
    };
    return ol_consumer_open(&loop->kafka.settings, &options, &loop->consumer, reterr);
}

static void close_loop(struct loop *loop)
{
    ol_consumer_leave(loop->consumer, CLOSE_MS);
    for (int i = 0; i < 2; i++) {
        ol_producer_close(loop->producers[i]);
        relay_batch_clear(&loop->batches[i]);
        free(loop->batches[i].messages);
        free(loop->batches[i].records);
    }
}

static void *run_loop(void *argument)
{
    struct loop *loop = argument;
    loop->class = open_producers(loop, &loop->error);
    pthread_barrier_wait(&loop->relay->warm);
    pthread_barrier_wait(&loop->relay->go);
    if (!loop->class)
        loop->class = open_consumer(loop, &loop->error);
    if (!loop->class)
        loop->class = serve(loop, &loop->error);
    if (loop->class)
        atomic_store(&loop->relay->failed, true);
    clock_ends(loop);
    close_loop(loop);
    return NULL;
}

enum ol_class relay_run(struct relay *relay, struct ol_error *reterr)
{
    pthread_t threads[CONTEXT_COUNT];
    enum ol_class class = OL_OK;
    relay->running = CONTEXT_COUNT;
    pthread_barrier_init(&relay->warm, NULL, CONTEXT_COUNT + 1);
    pthread_barrier_init(&relay->go, NULL, CONTEXT_COUNT + 1);
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        char client[64];
        relay->loops[i] = (struct loop){
            .relay = relay, .context = (enum context)i, .lane = &relay->recording.lanes[i]};
        snprintf(client, sizeof client, "bench-relay-%s", context_name((enum context)i));
        class = ol_kafka_connection_init(&relay->loops[i].kafka, relay->options, client, reterr);
        if (class)
            return class;
    }
    for (int i = 0; i < CONTEXT_COUNT; i++)
        if (pthread_create(&threads[i], NULL, run_loop, &relay->loops[i]) != 0)
            return ol_fail(reterr, OL_FATAL, "no thread to be had");
    pthread_barrier_wait(&relay->warm);
    class = recording_mark(&relay->scratch, &relay->loops[0].kafka.settings, relay->written,
                           relay->written_count, reterr);
    if (class)
        atomic_store(&relay->failed, true);
    pthread_barrier_wait(&relay->go);
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        struct loop *loop = &relay->loops[i];
        pthread_join(threads[i], NULL);
        if (loop->class && (!class || class == OL_RETRY))
            class = ol_fail(reterr, loop->class, "%s: %s", context_name(loop->context),
                            loop->error.text);
        ol_kafka_connection_release(&loop->kafka);
    }
    return class;
}
