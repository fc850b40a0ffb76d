/*
 * bench/relay.c - what the transport alone takes: a recorded run's messages again, without logic.
 *
 *   bench_relay [OPTION...] SCRATCH-PREFIX FROM-FILE       options as `orderlog worker --help`
 *
 *   load the recording -> make scratch topics -> warm the producers up -> three loops consume,
 *   produce, commit -> count what is in the scratch topics -> delete them
 *
 * One loop for each context, built like consumers/loop.c: a static group member on the real
 * commands and steps topics from where the measured part begins, two transactional producers in
 * turn, the same limits of a batch, the next one filled while the last one commits, offsets in the
 * transaction. After i of N inputs, floor(i E / N) of the E messages are out that the run wrote to
 * a partition (events: counted by input partition; steps: over the context), the same bytes with
 * the same keys, to a topic with the same settings. Nothing is decoded, looked up or encoded: the
 * codec is used while loading only, to see which context wrote a step.
 *
 * This favours the relay: all inputs, replies too, are there from the start, so its batches are
 * full where a worker's wait for another context; and what it writes lies ready in memory.
 *
 * Time runs from the first loop's assignment to the last commit. Peak memory holds the recording.
 */
#include "bench/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/program/ol_log.h"

#define ADMIN_MS      30000
#define OPTION_GROUPS (OL_FOR_KAFKA | OL_FOR_TOPICS | OL_FOR_WORKER | OL_FOR_PRINT)

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

/* ---- scratch topics ---- */

struct topic_name relay_topic(const struct relay *relay, enum context context, enum stream stream)
{
    return topic_name(relay->scratch_prefix, context, stream);
}

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
    struct topic_name name = relay_topic(relay, context, stream);
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
            struct topic_name name = relay_topic(relay, (enum context)i, (enum stream)stream);
            const char *names[] = {name.text};
            ol_admin_delete_topics(admin, names, 1, ADMIN_MS, &ignored);
        }
}

/* ---- was it the same? ---- */

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
            scratch->topics[i][stream] = relay_topic(relay, (enum context)i, (enum stream)stream);
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

/* ---- what came out ---- */

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

/* ---- all of it ---- */

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
        class = relay_run(relay, reterr);
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
