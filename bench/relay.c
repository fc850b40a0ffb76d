/*
 * bench/relay.c - what the transport alone takes: a recorded run's messages again, without logic.
 *
 *   bench_relay [OPTION...] SCRATCH-PREFIX FROM-FILE       options as `orderlog worker --help`
 *
 *   load the recording -> make scratch topics -> warm the producers up -> three loops consume,
 *   produce, commit -> count what is in the scratch topics -> delete them
 *
 * One loop for each context, built like consumers/loop.c: a static group member on the real commands
 * and steps topics from where the measured part begins, two transactional producers in turn, the
 * same limits of a batch, the next one filled while the last one commits, offsets in the
 * transaction. After i of N inputs, floor(i E / N) of the E messages are out that the run wrote to a
 * partition (events: counted by input partition; steps: over the context), the same bytes with the
 * same keys, to a topic with the same settings. Nothing is decoded, looked up or encoded: the
 * codec is used while loading only, to see which context wrote a step.
 *
 * This favours the relay: all inputs, replies too, are there from the start, so its batches are full
 * where a worker's wait for another context; and what it writes lies ready in memory.
 *
 * Time runs from the first loop's assignment to the last commit. Peak memory holds the recording.
 */
#include "bench/recording.h"
#include "domain/assert.h"
#include "lib/ol_clock.h"
#include "lib/ol_kafka_admin.h"
#include "lib/ol_kafka_consumer.h"
#include "lib/ol_kafka_options.h"
#include "lib/ol_kafka_producer.h"
#include "lib/ol_log.h"
#include "lib/ol_options.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BATCH_INPUT_BYTES (4 * 1024 * 1024) /* as consumers/batch.h */
#define MERGE_RUN_MAX     64                /* as consumers/loop.c */
#define IDLE_WAIT_MS      500
#define SILENT_US         (60 * INT64_C(1000000))
#define ADMIN_MS          30000
#define CLOSE_MS          5000
#define OPTION_GROUPS     (OL_FOR_KAFKA | OL_FOR_TOPICS | OL_FOR_WORKER | OL_FOR_PRINT)

/* How far one recorded output has been written. */
struct cursor {
    const struct recorded_output *output;
    int32_t topic, partition;
    int32_t by_partition; /* of the inputs that drive it; -1: all of the context */
    size_t next;
};

struct batch {
    struct ol_message *messages;
    size_t count, emitted, input_bytes; /* messages taken; of them answered */
    struct ol_record *records;
    size_t record_count, record_capacity, output_bytes;
};

struct relay;

/* One context's loop; of its thread alone until that is joined. */
struct loop {
    struct relay *relay;
    enum context context;
    const struct lane *lane;
    struct ol_kafka_connection kafka;
    struct ol_producer *producers[2];
    struct ol_consumer *consumer;
    struct batch batches[2], *building, *flying;
    int building_with, flying_with;
    uint32_t next_inbox;
    uint64_t taken[PARTITIONS_MAX], taken_count;
    int64_t next[2][PARTITIONS_MAX]; /* offsets of commands and steps */
    struct cursor cursors[PARTITIONS_MAX * (1 + CONTEXT_COUNT)];
    size_t cursor_count;
    int64_t from_us, to_us, moved_us;
    uint64_t transactions, messages, bytes;
    enum ol_class class;
    struct ol_error error;
};

struct relay {
    const struct ol_options *options;
    const char *scratch_prefix;
    struct recording recording, scratch; /* scratch: the same places, of the scratch topics */
    struct recorded_place *written[RECORDED_PLACES]; /* of scratch: steps and events */
    size_t written_count;
    struct loop loops[CONTEXT_COUNT];
    pthread_barrier_t warm, go; /* of the loops and of who starts them */
    /* The clock of all: set by whoever begins first and ends last. */
    pthread_mutex_t lock;
    int running;
    int64_t from_us, to_us;
    struct rusage use_from, use_to;
    _Atomic bool failed;
    uint64_t markers_recorded, markers;
};

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

/* ---- what to write --------------------------------------------------------------------------- */

static struct topic_name scratch_topic(const struct relay *relay, enum context context,
                                       enum stream stream)
{
    return topic_name(relay->scratch_prefix, context, stream);
}

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
    struct topic_name events = scratch_topic(loop->relay, loop->context, STREAM_EVENTS);
    for (int32_t p = 0; p < loop->relay->recording.partitions; p++)
        add_cursor(loop, &loop->lane->events[p], events.text, p, p);
    for (int target = 0; target < CONTEXT_COUNT; target++) {
        struct topic_name steps = scratch_topic(loop->relay, (enum context)target, STREAM_STEPS);
        for (int32_t p = 0; p < loop->relay->recording.partitions; p++)
            add_cursor(loop, &loop->lane->steps[target][p], steps.text, p, -1);
    }
}

static bool add_record(struct batch *batch, const struct cursor *cursor,
                       const struct record *record)
{
    if (batch->record_count == batch->record_capacity) {
        size_t capacity = batch->record_capacity ? 2 * batch->record_capacity : 4096;
        struct ol_record *records = realloc(batch->records, capacity * sizeof *records);
        if (!records)
            return false;
        batch->records = records;
        batch->record_capacity = capacity;
    }
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

/* ---- a batch, as consumers/batch.c ----------------------------------------------------------- */

static bool batch_full(const struct loop *loop, const struct batch *batch)
{
    const struct ol_options *options = loop->relay->options;
    return batch->count >= (size_t)options->batch_inputs ||
           batch->input_bytes >= BATCH_INPUT_BYTES ||
           batch->output_bytes >= (size_t)options->batch_output_bytes;
}

static void batch_clear(struct batch *batch)
{
    ol_messages_release(batch->messages, batch->count);
    batch->count = batch->emitted = batch->input_bytes = 0;
    batch->record_count = batch->output_bytes = 0;
}

/* False: the batch is full, or the measured part of the inbox is over. */
static bool take_one(struct loop *loop, struct ol_inbox *inbox)
{
    struct batch *batch = loop->building;
    struct ol_message *message = &batch->messages[batch->count];
    if (batch_full(loop, batch) || !ol_inbox_take(inbox, message))
        return false;
    batch->input_bytes += message->key_bytes + message->value_bytes;
    batch->count++;
    return true;
}

static bool take_in_turns(struct loop *loop, struct ol_inbox *inboxes, size_t count,
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
            if (batch_full(loop, loop->building)) {
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
        if (batch_full(loop, loop->building))
            return;
    }
}

static enum ol_class fill(struct loop *loop, struct ol_error *reterr)
{
    struct batch *batch = loop->building;
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    if (batch_full(loop, batch))
        return OL_OK;
    for (size_t i = 0; i < count; i++)
        if (inboxes[i].error.class)
            return ol_fail(reterr, OL_FATAL, "%s partition %d: %s", inboxes[i].topic,
                           inboxes[i].partition, inboxes[i].error.text);
    if (loop->context == CONTEXT_ORDERS)
        (void)(take_in_turns(loop, inboxes, count, STREAM_STEPS) &&
               take_in_turns(loop, inboxes, count, STREAM_COMMANDS));
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

/* ---- committing, as consumers/loop.c --------------------------------------------------------- */

static size_t offsets_of(const struct loop *loop, const struct batch *batch,
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

static enum ol_class send_off(struct loop *loop, struct ol_error *reterr)
{
    struct batch *batch = loop->building;
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
    loop->flying = batch;
    loop->flying_with = loop->building_with;
    loop->building = batch == &loop->batches[0] ? &loop->batches[1] : &loop->batches[0];
    loop->building_with = 1 - loop->building_with;
    return OL_OK;
}

static enum ol_class land(struct loop *loop, struct ol_error *reterr)
{
    if (!loop->flying)
        return OL_OK;
    enum ol_class class = ol_producer_commit_wait(loop->producers[loop->flying_with], NULL, reterr);
    if (class)
        return class;
    loop->transactions++;
    loop->messages += loop->flying->record_count;
    loop->bytes += loop->flying->output_bytes;
    loop->moved_us = ol_clock_monotonic_us();
    batch_clear(loop->flying);
    loop->flying = NULL;
    return OL_OK;
}

static void wait_for_work(struct loop *loop)
{
    int fd = loop->flying ? ol_producer_fd(loop->producers[loop->flying_with]) : -1;
    ol_consumer_wait(loop->consumer, fd, IDLE_WAIT_MS);
}

static enum ol_class turn(struct loop *loop, struct ol_error *reterr)
{
    size_t before = loop->building->count;
    enum ol_class class = fill(loop, reterr);
    if (class)
        return class;
    bool moved = loop->building->count > before;
    if (loop->flying) {
        bool no_room = batch_full(loop, loop->building);
        if (ol_producer_commit_done(loop->producers[loop->flying_with]) || no_room)
            return land(loop, reterr);
        if (!moved && loop->building->count > 0)
            return land(loop, reterr);
        if (!moved)
            wait_for_work(loop);
        return OL_OK;
    }
    if (loop->building->count > 0)
        return send_off(loop, reterr);
    if (!moved)
        wait_for_work(loop);
    return OL_OK;
}

/* ---- a loop's life --------------------------------------------------------------------------- */

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
    return loop->taken_count == loop->lane->input_count && !loop->flying &&
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
            class = turn(loop, reterr);
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
        batch_clear(&loop->batches[i]);
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

static enum ol_class run_loops(struct relay *relay, struct ol_error *reterr)
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

/* ---- scratch topics -------------------------------------------------------------------------- */

/* What `orderlog topics` sets: taken over from the real topic. */
static const char *const copied_settings[] = {
    "message.timestamp.type", "cleanup.policy",
    "retention.ms",           "retention.bytes",
    "min.insync.replicas",    "max.message.bytes",
    "compression.type",       "unclean.leader.election.enable",
};
#define COPIED (sizeof copied_settings / sizeof copied_settings[0])

static enum ol_class make_topic(struct relay *relay, struct ol_admin *admin, enum context context,
                                enum stream stream, struct ol_error *reterr)
{
    const char *real = relay->recording.topics[context][stream].text;
    struct topic_name name = scratch_topic(relay, context, stream);
    struct ol_topic_state state = {.name = real};
    struct ol_setting settings[COPIED];
    struct ol_arena arena;
    for (size_t i = 0; i < COPIED; i++)
        settings[i] = (struct ol_setting){.name = copied_settings[i]};
    ol_arena_init(&arena, 4096, 0);
    enum ol_class class = ol_admin_describe_topics(admin, &state, 1, ADMIN_MS, reterr);
    if (!class)
        class = ol_admin_topic_settings(admin, real, settings, COPIED, ADMIN_MS, &arena, reterr);
    struct ol_topic_plan plan = {.name = name.text,
                                 .partition_count = state.partition_count,
                                 .replication_factor = state.replication_factor,
                                 .settings = settings,
                                 .setting_count = COPIED};
    if (!class)
        class = ol_admin_create_topics(admin, &plan, 1, ADMIN_MS, reterr);
    ol_arena_release(&arena);
    return class;
}

static enum ol_class make_topics(struct relay *relay, struct ol_admin *admin,
                                 struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (int i = 0; i < CONTEXT_COUNT && !class; i++) {
        class = make_topic(relay, admin, (enum context)i, STREAM_STEPS, reterr);
        if (!class)
            class = make_topic(relay, admin, (enum context)i, STREAM_EVENTS, reterr);
    }
    return class;
}

static void delete_topics(struct relay *relay, struct ol_admin *admin)
{
    struct ol_error ignored;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int stream = STREAM_STEPS; stream <= STREAM_EVENTS; stream++) {
            struct topic_name name = scratch_topic(relay, (enum context)i, (enum stream)stream);
            const char *names[] = {name.text};
            ol_admin_delete_topics(admin, names, 1, ADMIN_MS, &ignored);
        }
}

/* ---- was it the same? ------------------------------------------------------------------------ */

static enum ol_class count_message(void *self, struct recorded_place *place,
                                   struct ol_message *message, struct ol_error *reterr)
{
    (void)self, (void)reterr;
    place->records++;
    place->bytes += message->key_bytes + message->value_bytes;
    ol_message_release(message);
    return OL_OK;
}

/* The scratch topics' places: steps and events; there are no commands. */
static void name_scratch(struct relay *relay)
{
    struct recording *scratch = &relay->scratch;
    memcpy(scratch->places, relay->recording.places, sizeof scratch->places);
    scratch->partitions = relay->recording.partitions;
    scratch->place_count = relay->recording.place_count;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int stream = 0; stream < RECORDED_STREAMS; stream++)
            scratch->topics[i][stream] = scratch_topic(relay, (enum context)i, (enum stream)stream);
    for (size_t i = 0; i < scratch->place_count; i++) {
        struct recorded_place *place = &scratch->places[i];
        place->from = 0;
        place->records = place->bytes = 0;
        if (place->stream != STREAM_COMMANDS)
            relay->written[relay->written_count++] = place;
    }
}

/* Committed records and bytes of every scratch partition are those of the recording. */
static enum ol_class check_scratch(struct relay *relay, const struct ol_kafka_settings *kafka,
                                   struct ol_error *reterr)
{
    enum ol_class class =
        recording_read(&relay->scratch, kafka, relay->written, relay->written_count, false,
                       count_message, NULL, NULL, reterr);
    for (size_t i = 0; i < relay->written_count && !class; i++) {
        const struct recorded_place *made = relay->written[i];
        const struct recorded_place *real =
            recording_place(&relay->recording, made->context, made->stream, made->partition);
        if (real->records != made->records || real->bytes != made->bytes)
            return ol_fail(reterr, OL_VIOLATED,
                           "%s partition %" PRId32 " holds %" PRIu64 " records, not %" PRIu64,
                           relay->scratch.topics[made->context][made->stream].text, made->partition,
                           made->records, real->records);
        relay->markers_recorded += (uint64_t)(real->to - real->from) - real->records;
        relay->markers += (uint64_t)(made->to - made->from) - made->records;
    }
    return class;
}

/* ---- what came out --------------------------------------------------------------------------- */

static double cpu_seconds(const struct rusage *from, const struct rusage *to)
{
    return (double)(to->ru_utime.tv_sec - from->ru_utime.tv_sec + to->ru_stime.tv_sec -
                    from->ru_stime.tv_sec) +
           (double)(to->ru_utime.tv_usec - from->ru_utime.tv_usec + to->ru_stime.tv_usec -
                    from->ru_stime.tv_usec) /
               1e6;
}

static void print_text(const struct relay *relay)
{
    double seconds = (double)(relay->to_us - relay->from_us) / 1e6;
    uint64_t inputs = 0, messages = 0, transactions = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        const struct loop *loop = &relay->loops[i];
        inputs += loop->taken_count;
        messages += loop->messages;
        transactions += loop->transactions;
        printf("%-10s %8.3f s  %9" PRIu64 " inputs  %9" PRIu64 " messages  %6" PRIu64
               " transactions\n",
               context_name(loop->context), (double)(loop->to_us - loop->from_us) / 1e6,
               loop->taken_count, loop->messages, loop->transactions);
    }
    printf("%-10s %8.3f s  %9.0f inputs/s  %9.0f messages/s  %6" PRIu64 " transactions, %" PRIu64
           " markers (recorded: %" PRIu64 ")\n",
           "all", seconds, (double)inputs / seconds, (double)messages / seconds, transactions,
           relay->markers, relay->markers_recorded);
    printf("CPU %.2f s, peak memory %ld MiB with the recording of %zu MiB\n",
           cpu_seconds(&relay->use_from, &relay->use_to), relay->use_to.ru_maxrss / 1024,
           relay->recording.arena.used_bytes >> 20);
}

static void print_json(const struct relay *relay)
{
    uint64_t inputs = 0, messages = 0, bytes = 0, transactions = 0;
    printf("{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"cpu_s\":%.3f,\"peak_kb\":%ld,"
           "\"recording_kb\":%zu,\"markers\":%" PRIu64 ",\"markers_recorded\":%" PRIu64,
           relay->from_us, relay->to_us, cpu_seconds(&relay->use_from, &relay->use_to),
           relay->use_to.ru_maxrss, relay->recording.arena.used_bytes >> 10, relay->markers,
           relay->markers_recorded);
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        const struct loop *loop = &relay->loops[i];
        inputs += loop->taken_count;
        messages += loop->messages;
        bytes += loop->bytes;
        transactions += loop->transactions;
        printf(",\"%s\":{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"inputs\":%" PRIu64
               ",\"messages\":%" PRIu64 ",\"transactions\":%" PRIu64 "}",
               context_name(loop->context), loop->from_us, loop->to_us, loop->taken_count,
               loop->messages, loop->transactions);
    }
    printf(",\"inputs\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"transactions\":%" PRIu64 "}\n",
           inputs, messages, bytes, transactions);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum ol_class relay_with(struct relay *relay, const struct ol_kafka_settings *kafka,
                                struct ol_error *reterr)
{
    struct ol_admin *admin;
    enum ol_class class = recording_load(&relay->recording, kafka, reterr);
    if (class)
        return class;
    class = ol_admin_open(kafka, &admin, reterr);
    if (class)
        return class;
    name_scratch(relay);
    class = make_topics(relay, admin, reterr);
    if (!class)
        class = run_loops(relay, reterr);
    if (!class)
        class = check_scratch(relay, kafka, reterr);
    delete_topics(relay, admin);
    ol_admin_close(admin);
    return class;
}

static enum ol_class run(struct relay *relay, const struct ol_options *options,
                         struct ol_error *reterr)
{
    struct ol_kafka_connection kafka;
    relay->options = options;
    relay->scratch_prefix = options->arguments[0];
    pthread_mutex_init(&relay->lock, NULL);
    enum ol_class class = ol_kafka_connection_init(&kafka, options, "bench-relay", reterr);
    if (class)
        return class;
    class = recording_init(&relay->recording, options->topic_prefix, (int32_t)options->partitions,
                           options->arguments[1], reterr);
    if (!class)
        class = relay_with(relay, &kafka.settings, reterr);
    if (!class && options->json)
        print_json(relay);
    else if (!class)
        print_text(relay);
    recording_release(&relay->recording);
    ol_kafka_connection_release(&kafka);
    return class;
}

int main(int argc, char **argv)
{
    static struct relay relay;
    struct ol_options options;
    struct ol_error error = {0};
    enum ol_class class =
        ol_options_init(&options, "bench_relay", OPTION_GROUPS, argc - 1, argv + 1, &error);
    if (!class) {
        ol_log_init(options.log_level, options.log_format);
        class = options.argument_count == 2
                    ? run(&relay, &options, &error)
                    : ol_fail(&error, OL_USAGE, "it is bench_relay SCRATCH-PREFIX FROM-FILE");
        ol_options_release(&options);
    }
    if (class)
        fprintf(stderr, "bench_relay: %s\n", error.text);
    return ol_exit_code(class);
}
