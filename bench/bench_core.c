/*
 * bench/bench_core.c - what one core of the machine decides when nothing has to be waited for.
 *
 *   bench_core [OPTION...] FROM-FILE        options as `orderlog worker --help`
 *
 * A recorded run's commands and steps lie in memory, as librdkafka handed them over. For each
 * context, on one thread, in the worker's own batches (the receipts in its event log say which
 * inputs each had): decode, say which states are missing, decide, encode, give the messages back.
 * What came before the measured part is run too, for the states, but not timed. States that are not
 * there are put as absent: what PostgreSQL and Kafka would take is not in the figures. Time is this
 * thread's CPU time. A run whose receipts do not say the same as the recorded ones fails.
 */
#include "bench/recording.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consumers/batch.h"
#include "domain/assert.h"
#include "lib/base/ol_grow.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_options.h"
#include "proto/codec.h"

#define PLENTY        (SIZE_MAX / 4)
#define OPTION_GROUPS (OL_FOR_KAFKA | OL_FOR_TOPICS | OL_FOR_WORKER | OL_FOR_PRINT)

/* A transaction's share of one partition, by its receipt. */
struct taken {
    struct receipt receipt;
    int64_t at_ms, offset; /* of the receipt */
    int32_t partition;
};

struct inputs {
    struct ol_message *messages;
    size_t count, capacity, next;
};

/* Nanoseconds of this thread. */
enum stage { STAGE_DECODE, STAGE_LOAD, STAGE_DECIDE, STAGE_END, STAGE_COUNT };
static const char *const stage_names[STAGE_COUNT] = {"decode", "missing", "decide, encode", "end"};

struct bench {
    struct recording *recording;
    enum context context;
    const struct ol_options *options;
    struct ol_reader *reader;                /* the messages are its */
    struct inputs inputs[2][PARTITIONS_MAX]; /* commands, steps */
    struct taken *taken;
    size_t taken_count, taken_capacity;
    struct core *core;
    struct batch batch;
    struct batch_topics topics;
    int64_t ns[STAGE_COUNT];
    uint64_t input_count, events, steps, output_bytes, batches;
    struct receipt recorded, decided; /* sums over the measured part */
};

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

static int64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- the recording ---- */

static enum ol_class keep_input(struct bench *bench, const struct recorded_place *place,
                                struct ol_message *message, struct ol_error *reterr)
{
    struct inputs *inputs = &bench->inputs[place->stream == STREAM_STEPS][place->partition];
    if (!OL_GROW(inputs->messages, inputs->capacity, inputs->count + 1, 4096))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    inputs->messages[inputs->count++] = *message;
    return OL_OK;
}

/* Of the events only the receipts are wanted: the records without a key. */
static enum ol_class keep_receipt(struct bench *bench, const struct recorded_place *place,
                                  const struct ol_message *message, struct ol_error *reterr)
{
    if (message->key)
        return OL_OK;
    struct ol_arena arena;
    struct event_message event;
    struct bytes wire = {message->value, message->value_bytes};
    ol_arena_init(&arena, 1024, 0);
    enum ol_class class = codec_decode_event(place->context, wire, &arena, &event, reterr);
    ol_arena_release(&arena);
    if (class || event.body != EVENT_BODY_RECEIPT)
        return class ? class : ol_fail(reterr, OL_VIOLATED, "an event without a key");
    if (!OL_GROW(bench->taken, bench->taken_capacity, bench->taken_count + 1, 4096))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    bench->taken[bench->taken_count++] = (struct taken){.receipt = event.receipt,
                                                        .at_ms = message->timestamp_ms,
                                                        .offset = message->offset,
                                                        .partition = message->partition};
    return OL_OK;
}

static enum ol_class keep(void *self, struct recorded_place *place, struct ol_message *message,
                          struct ol_error *reterr)
{
    if (place->stream != STREAM_EVENTS)
        return keep_input(self, place, message, reterr);
    enum ol_class class = keep_receipt(self, place, message, reterr);
    ol_message_release(message);
    return class;
}

/* As they were committed; one partition's receipts by offset. */
static int taken_order(const void *left, const void *right)
{
    const struct taken *a = left, *b = right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static enum ol_class load(struct bench *bench, const struct ol_kafka_settings *kafka,
                          struct ol_error *reterr)
{
    struct recorded_place *places[RECORDED_PLACES];
    size_t count = 0;
    for (size_t i = 0; i < bench->recording->place_count; i++)
        if (bench->recording->places[i].context == bench->context)
            places[count++] = &bench->recording->places[i];
    enum ol_class class = recording_read(bench->recording, kafka, places, count, true, keep, bench,
                                         &bench->reader, reterr);
    if (!class)
        qsort(bench->taken, bench->taken_count, sizeof *bench->taken, taken_order);
    return class;
}

/* ---- a batch ---- */

static bool is_measured(const struct bench *bench, const struct taken *taken)
{
    return taken->offset >=
           recording_place(bench->recording, bench->context, STREAM_EVENTS, taken->partition)->from;
}

static enum ol_class take_until(struct bench *bench, enum cause_source source, int32_t partition,
                                int64_t next_offset, struct ol_error *reterr)
{
    struct inputs *inputs = &bench->inputs[source == CAUSE_STEPS][partition];
    for (; inputs->next < inputs->count; inputs->next++) {
        struct ol_message *message = &inputs->messages[inputs->next];
        if (message->offset >= next_offset)
            break;
        if (!batch_take(&bench->batch, message, source, bench->recording->partitions))
            return ol_fail(reterr, OL_FATAL, "out of memory for a batch");
    }
    return OL_OK;
}

static enum ol_class decode(struct bench *bench, const struct taken *taken, size_t count,
                            struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < count && !class; i++) {
        class =
            take_until(bench, CAUSE_STEPS, taken[i].partition, taken[i].receipt.steps_next, reterr);
        if (!class)
            class = take_until(bench, CAUSE_COMMANDS, taken[i].partition,
                               taken[i].receipt.commands_next, reterr);
    }
    return class;
}

/* What PostgreSQL would say of all that this bench has not seen: there is no such thing. */
static enum ol_class put_missing(struct bench *bench, struct ol_error *reterr)
{
    struct batch *batch = &bench->batch;
    for (;;) {
        struct entity_key *keys;
        size_t count;
        if (!core_missing(bench->core, batch->inputs, batch->count, &batch->arena, &keys, &count))
            return ol_fail(reterr, OL_FATAL, "out of memory");
        if (count == 0)
            return OL_OK;
        for (size_t i = 0; i < count; i++) {
            struct entity absent = {.kind = keys[i].kind};
            if (!core_put(bench->core, &keys[i], &absent, 0))
                return ol_fail(reterr, OL_FATAL, "out of memory");
        }
    }
}

static enum ol_class decide(struct bench *bench, struct ol_error *reterr)
{
    struct batch *batch = &bench->batch;
    const struct core_sink sink = batch_sink(batch);
    for (; batch->decided < batch->count; batch->decided++) {
        const struct core_input *input = &batch->inputs[batch->decided];
        if (!core_run(bench->core, input, &batch->arena, &sink))
            return ol_fail(reterr, OL_FATAL, "out of memory for a batch");
    }
    if (!core_answer(bench->core, &sink) ||
        !core_close(bench->core, &sink, batch->offsets, &batch->offset_count, &batch->total) ||
        !batch_close(batch))
        return ol_fail(reterr, OL_FATAL, "out of memory for a batch");
    return OL_OK;
}

static void add_receipt(struct receipt *sum, const struct receipt *receipt)
{
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        sum->counts[i] += receipt->counts[i];
}

static void count_batch(struct bench *bench, const int64_t at_ns[STAGE_COUNT + 1],
                        const struct batch *batch)
{
    bench->input_count += batch->decided;
    bench->events += batch->events;
    bench->steps += batch->steps;
    bench->output_bytes += batch->output_bytes;
    bench->batches++;
    add_receipt(&bench->decided, &batch->total);
    for (int i = 0; i < STAGE_COUNT; i++)
        bench->ns[i] += at_ns[i + 1] - at_ns[i];
}

static enum ol_class run_batch(struct bench *bench, const struct taken *taken, size_t count,
                               struct ol_error *reterr)
{
    struct batch *batch = &bench->batch;
    struct batch seen;
    int64_t at_ns[STAGE_COUNT + 1] = {thread_ns()};
    enum ol_class class = decode(bench, taken, count, reterr);
    at_ns[1] = thread_ns();
    if (!class)
        class = put_missing(bench, reterr);
    at_ns[2] = thread_ns();
    if (!class)
        class = decide(bench, reterr);
    at_ns[3] = thread_ns();
    if (class)
        return class;
    seen = *batch;
    batch_clear(batch);
    at_ns[4] = thread_ns();
    if (!is_measured(bench, &taken[0]))
        return OL_OK;
    count_batch(bench, at_ns, &seen);
    for (size_t i = 0; i < count; i++)
        add_receipt(&bench->recorded, &taken[i].receipt);
    return OL_OK;
}

/* How many receipts make the next batch: as many as fit into its limit of inputs. At most one of
 * each partition: then it is what one transaction has taken, or less. */
static size_t next_batch(const struct bench *bench, size_t from)
{
    uint64_t partitions = 0, inputs = 0;
    size_t count = 0;
    for (size_t i = from; i < bench->taken_count; i++, count++) {
        const struct taken *taken = &bench->taken[i];
        uint64_t bit = UINT64_C(1) << taken->partition;
        inputs += (uint64_t)receipt_inputs(&taken->receipt);
        if (count && (partitions & bit || inputs > (uint64_t)bench->options->batch_inputs ||
                      is_measured(bench, taken) != is_measured(bench, &bench->taken[from])))
            break;
        partitions |= bit;
    }
    return count;
}

/* ---- all of it ---- */

static enum ol_class init(struct bench *bench, struct ol_error *reterr)
{
    const struct core_settings settings = {
        .context = bench->context,
        .partitions = bench->recording->partitions,
        .order_deadline_us = bench->options->order_deadline_ms * 1000,
        .overlay = {.bytes = PLENTY, .bytes_max = PLENTY},
    };
    /* Its last bundle may have come first: there is room for a command behind it. */
    const struct batch_limits limits = {.inputs =
                                            (size_t)bench->options->batch_inputs + BUNDLE_STEPS_MAX,
                                        .output_bytes = (size_t)bench->options->batch_output_bytes};
    bench->core = core_new(&settings);
    if (!bench->core || !batch_init(&bench->batch, bench->context, limits, &bench->topics))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    for (int32_t p = 0; p < bench->recording->partitions; p++) {
        core_partition_begin(bench->core, p, NULL);
        core_partition_bootstrap(bench->core, p, 0, 0);
    }
    return OL_OK;
}

static enum ol_class run_all(struct bench *bench, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0, count; i < bench->taken_count && !class; i += count) {
        count = next_batch(bench, i);
        class = run_batch(bench, &bench->taken[i], count, reterr);
    }
    if (!class &&
        memcmp(bench->recorded.counts, bench->decided.counts, sizeof bench->decided.counts) != 0)
        class =
            ol_fail(reterr, OL_VIOLATED, "%s: %d decided, %d refused; recorded are %d and %d",
                    context_name(bench->context), bench->decided.counts[RECEIPT_DECIDED],
                    bench->decided.counts[RECEIPT_REFUSED], bench->recorded.counts[RECEIPT_DECIDED],
                    bench->recorded.counts[RECEIPT_REFUSED]);
    return class;
}

static void release(struct bench *bench)
{
    for (int i = 0; i < 2; i++)
        for (int32_t p = 0; p < bench->recording->partitions; p++) {
            struct inputs *inputs = &bench->inputs[i][p];
            for (; inputs->next < inputs->count; inputs->next++)
                ol_message_release(&inputs->messages[inputs->next]);
            free(inputs->messages);
        }
    if (bench->batch.messages)
        batch_release(&bench->batch);
    ol_reader_close(bench->reader);
    core_free(bench->core);
    free(bench->taken);
}

static double total_ns(const struct bench *bench)
{
    double sum = 0;
    for (int i = 0; i < STAGE_COUNT; i++)
        sum += (double)bench->ns[i];
    return sum;
}

static void print_text(const struct bench *bench)
{
    double inputs = bench->input_count ? (double)bench->input_count : 1;
    printf(
        "%-10s %9" PRIu64 " inputs  %9.0f a second  %6.0f ns each:", context_name(bench->context),
        bench->input_count, inputs / total_ns(bench) * 1e9, total_ns(bench) / inputs);
    for (int i = 0; i < STAGE_COUNT; i++)
        printf(" %s %.0f%s", stage_names[i], (double)bench->ns[i] / inputs,
               i + 1 < STAGE_COUNT ? "," : "");
    printf("; out %" PRIu64 " events, %" PRIu64 " steps, %.0f MB\n", bench->events, bench->steps,
           (double)bench->output_bytes / 1e6);
}

static void print_json(const struct bench *bench)
{
    printf("{\"context\":\"%s\",\"inputs\":%" PRIu64 ",\"inputs_per_s\":%.0f,\"ns\":%.1f",
           context_name(bench->context), bench->input_count,
           (double)bench->input_count / total_ns(bench) * 1e9,
           total_ns(bench) / (double)bench->input_count);
    for (int i = 0; i < STAGE_COUNT; i++)
        printf(",\"%s_ns\":%.1f", stage_names[i],
               (double)bench->ns[i] / (double)bench->input_count);
    printf(",\"events\":%" PRIu64 ",\"steps\":%" PRIu64 ",\"batches\":%" PRIu64 "}\n",
           bench->events, bench->steps, bench->batches);
}

static enum ol_class run_context(struct recording *recording, enum context context,
                                 const struct ol_options *options,
                                 const struct ol_kafka_settings *kafka, struct ol_error *reterr)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    bench->recording = recording;
    bench->context = context;
    bench->options = options;
    enum ol_class class = init(bench, reterr);
    if (!class)
        class = load(bench, kafka, reterr);
    if (!class)
        class = run_all(bench, reterr);
    if (!class && options->json)
        print_json(bench);
    else if (!class)
        print_text(bench);
    release(bench);
    free(bench);
    return class;
}

static enum ol_class run(const struct ol_options *options, struct ol_error *reterr)
{
    static struct recording recording;
    struct ol_kafka_connection kafka;
    enum ol_class class = ol_kafka_connection_init(&kafka, options, "bench-core", reterr);
    if (class)
        return class;
    class = recording_init(&recording, options->topic_prefix, (int32_t)options->partitions,
                           options->arguments[0], reterr);
    for (int i = 0; i < CONTEXT_COUNT && !class; i++)
        class = run_context(&recording, (enum context)i, options, &kafka.settings, reterr);
    recording_release(&recording);
    ol_kafka_connection_release(&kafka);
    return class;
}

int main(int argc, char **argv)
{
    struct ol_options options;
    struct ol_error error = {0};
    enum ol_class class =
        ol_options_init(&options, "bench_core", OPTION_GROUPS, argc - 1, argv + 1, &error);
    if (!class) {
        ol_log_init(options.log_level, options.log_format);
        class = options.argument_count == 1
                    ? run(&options, &error)
                    : ol_fail(&error, OL_USAGE, "it is bench_core FROM-FILE");
        ol_options_release(&options);
    }
    if (class)
        fprintf(stderr, "bench_core: %s\n", error.text);
    return ol_exit_code(class);
}
