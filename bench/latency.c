/*
 * bench/latency.c - how long an order takes from its intended moment to its rows, under open load.
 *
 *   bench_latency [OPTION...] FROM-PREFIX SKIP COUNT RATE orderlog|chain
 *                                                  options as `orderlog projector --help`
 *
 *   load the orders' commands of FROM-PREFIX but the first SKIP, by offset over all partitions
 *     -> publisher (main thread): command i is due at start + i / RATE, whatever came back by then
 *     -> events thread: the orders' events, read committed, as they become visible
 *     -> rows thread: asks for the projector's progress again and again; what lies below is a row
 *   -> percentiles
 *
 * Open-loop: a command that could not be sent in time counts from when it should have been sent, so
 * that a stall is seen by all that it kept waiting. An order is 'accepted' with its first event and
 * 'ended' with the first that says how it ends. A row is visible when the progress that is written
 * in its transaction is: at most one question later than it was (the mean time of a question is
 * printed). What the chain of relays writes is told apart by its first byte (chain.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#include "bench/chain.h"
#include "domain/assert.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_int.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/kafka/ol_kafka_publisher.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_log.h"
#include "proto/codec.h"

#define OPTION_GROUPS  (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_TOPICS | OL_FOR_PROJECTOR | OL_FOR_PRINT)
#define RATE_MAX       1000000
#define ORDERS_MAX     100000000
#define PATIENCE_US    (60 * INT64_C(1000000)) /* after the last command, until the last row */
#define FLUSH_MS       30000
#define WATERMARK_MS   10000
#define POLL_MS        20
#define EVENTS_AT_ONCE 256

enum moment { MOMENT_ACCEPTED, MOMENT_ENDED, MOMENT_COUNT };

/* One command, and what became of it. Times are monotonic, 0: not yet. */
struct order {
    UT_hash_handle hh;
    char *key, *value;
    size_t key_bytes, value_bytes;
    int32_t partition;
    int64_t offset; /* in the topic that it was loaded from */
    int64_t due_us, sent_us;
    int64_t event_us[MOMENT_COUNT]; /* the events thread's */
    int64_t row_us[MOMENT_COUNT];   /* the rows thread's, under the lock */
};

/* An event whose row is awaited. */
struct awaited {
    int64_t offset;
    struct order *order;
    enum moment moment;
};

struct waiting {
    struct awaited *events;
    size_t count, first, capacity;
};

struct bench {
    const struct ol_options *options;
    struct ol_kafka_connection kafka;
    struct topic_name commands, events;
    bool is_chain;
    int64_t rate;
    struct order *orders; /* all that were loaded */
    size_t order_count, order_capacity;
    struct order *first, *by_key; /* those that are sent */
    size_t count;
    struct ol_reader *reader;
    struct ol_pg *db;
    pthread_mutex_t lock; /* of waiting, row_us and rows_left */
    struct waiting waiting[PARTITIONS_MAX];
    size_t rows_left;
    int64_t questions, asking_us;
    _Atomic bool is_over;
    enum ol_class class;
    struct ol_error error;
};

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

static void fail_all(struct bench *bench, enum ol_class class, const struct ol_error *error)
{
    pthread_mutex_lock(&bench->lock);
    if (!bench->class) {
        bench->class = class;
        bench->error = *error;
    }
    pthread_mutex_unlock(&bench->lock);
    atomic_store(&bench->is_over, true);
}

/* ---- the commands ---- */

static enum ol_class keep_order(struct bench *bench, const struct ol_message *message,
                                struct ol_error *reterr)
{
    if (!OL_GROW(bench->orders, bench->order_capacity, bench->order_count + 1, 4096))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    struct order *order = &bench->orders[bench->order_count];
    *order = (struct order){.key = malloc(message->key_bytes),
                            .value = malloc(message->value_bytes),
                            .key_bytes = message->key_bytes,
                            .value_bytes = message->value_bytes,
                            .partition = message->partition,
                            .offset = message->offset};
    if (!order->key || !order->value)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    memcpy(order->key, message->key, message->key_bytes);
    memcpy(order->value, message->value, message->value_bytes);
    bench->order_count++;
    return OL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct order *left = a, *right = b;
    int difference = (left->offset > right->offset) - (left->offset < right->offset);
    return difference ? difference : left->partition - right->partition;
}

static enum ol_class read_orders(struct bench *bench, const char *topic, struct ol_reader *reader,
                                 struct ol_error *reterr)
{
    size_t partitions = (size_t)bench->options->partitions;
    struct ol_offset places[PARTITIONS_MAX];
    struct ol_message messages[EVENTS_AT_ONCE];
    for (size_t i = 0; i < partitions; i++)
        places[i] = (struct ol_offset){topic, (int32_t)i, OL_BEGINNING};
    enum ol_class class = ol_reader_assign(reader, places, partitions, reterr);
    while (!class && !ol_reader_at_end(reader)) {
        size_t count = 0;
        class = ol_reader_poll(reader, POLL_MS, messages, EVENTS_AT_ONCE, &count, reterr);
        for (size_t i = 0; i < count && !class; i++)
            class = keep_order(bench, &messages[i], reterr);
        ol_messages_release(messages, count);
    }
    return class;
}

static enum ol_class load_orders(struct bench *bench, const char *from_prefix, size_t skip,
                                 size_t wanted, struct ol_error *reterr)
{
    struct topic_name topic = topic_name(from_prefix, CONTEXT_ORDERS, STREAM_COMMANDS);
    struct ol_reader *reader = NULL;
    enum ol_class class = ol_reader_open(&bench->kafka.settings, OL_READ_COMMITTED,
                                         (size_t)bench->options->partitions, &reader, reterr);
    if (!class)
        class = read_orders(bench, topic.text, reader, reterr);
    ol_reader_close(reader);
    if (!class && bench->order_count < skip + wanted)
        class = ol_fail(reterr, OL_NOT_FOUND, "%s holds %zu commands, %zu are needed", topic.text,
                        bench->order_count, skip + wanted);
    if (class)
        return class;
    qsort(bench->orders, bench->order_count, sizeof *bench->orders, by_offset);
    bench->first = bench->orders + skip;
    bench->count = wanted;
    for (size_t i = 0; i < wanted; i++) {
        struct order *order = &bench->first[i];
        HASH_ADD_KEYPTR(hh, bench->by_key, order->key, order->key_bytes, order);
    }
    bench->rows_left = MOMENT_COUNT * wanted;
    return OL_OK;
}

/* ---- the events thread ---- */

static enum ol_class moment_of(const struct bench *bench, const struct ol_message *message,
                               enum moment *ret_moment, bool *ret_tells, struct ol_error *reterr)
{
    const char *value = message->value;
    if (bench->is_chain) {
        *ret_tells = message->value_bytes > 0;
        *ret_moment = *ret_tells && value[0] == CHAIN_LAST ? MOMENT_ENDED : MOMENT_ACCEPTED;
        return OL_OK;
    }
    struct ol_arena arena;
    struct event_message event;
    struct bytes wire = {message->value, message->value_bytes};
    ol_arena_init(&arena, 4096, 0);
    enum ol_class class = codec_decode_event(CONTEXT_ORDERS, wire, &arena, &event, reterr);
    *ret_tells = !class && event.body == EVENT_BODY_DOMAIN;
    if (*ret_tells)
        *ret_moment = event.order.status == ORDER_IS_CONFIRMED ||
                              event.order.status == ORDER_IS_REJECTED ||
                              event.order.status == ORDER_IS_CANCELLED
                          ? MOMENT_ENDED
                          : MOMENT_ACCEPTED;
    ol_arena_release(&arena);
    return class;
}

static bool await_row(struct waiting *waiting, struct awaited awaited)
{
    if (!OL_GROW(waiting->events, waiting->capacity, waiting->count + 1, 4096))
        return false;
    waiting->events[waiting->count++] = awaited;
    return true;
}

static enum ol_class note_event(struct bench *bench, const struct ol_message *message,
                                int64_t now_us, struct ol_error *reterr)
{
    struct order *order = NULL;
    enum moment moment = MOMENT_ACCEPTED;
    bool tells = false;
    if (message->key)
        HASH_FIND(hh, bench->by_key, message->key, message->key_bytes, order);
    enum ol_class class = order ? moment_of(bench, message, &moment, &tells, reterr) : OL_OK;
    if (class || !tells || order->event_us[moment])
        return class;
    order->event_us[moment] = now_us;
    pthread_mutex_lock(&bench->lock);
    bool kept = await_row(&bench->waiting[message->partition],
                          (struct awaited){message->offset, order, moment});
    pthread_mutex_unlock(&bench->lock);
    return kept ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
}

static void *watch_events(void *argument)
{
    struct bench *bench = argument;
    struct ol_message messages[EVENTS_AT_ONCE];
    struct ol_error error = {0};
    enum ol_class class = OL_OK;
    while (!class && !atomic_load(&bench->is_over)) {
        size_t count = 0;
        class = ol_reader_poll(bench->reader, POLL_MS, messages, EVENTS_AT_ONCE, &count, &error);
        int64_t now_us = ol_clock_monotonic_us();
        for (size_t i = 0; i < count && !class; i++)
            class = note_event(bench, &messages[i], now_us, &error);
        ol_messages_release(messages, count);
    }
    if (class)
        fail_all(bench, class, &error);
    return NULL;
}

/* From where each partition ends now. */
static enum ol_class open_events(struct bench *bench, struct ol_error *reterr)
{
    size_t partitions = (size_t)bench->options->partitions;
    struct ol_offset places[PARTITIONS_MAX];
    enum ol_class class = ol_reader_open(&bench->kafka.settings, OL_READ_COMMITTED, partitions,
                                         &bench->reader, reterr);
    for (size_t i = 0; i < partitions && !class; i++) {
        places[i] = (struct ol_offset){bench->events.text, (int32_t)i, 0};
        class = ol_reader_watermarks(bench->reader, bench->events.text, (int32_t)i, WATERMARK_MS,
                                     NULL, &places[i].offset, reterr);
    }
    return class ? class : ol_reader_assign(bench->reader, places, partitions, reterr);
}

/* ---- the rows thread ---- */

static const struct ol_pg_column progress_columns[] = {
    {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
    {"next_offset", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};
static const struct ol_pg_statement progress = {
    "latency/progress",
    "SELECT partition, next_offset FROM orderlog.projection_progress WHERE topic = $1",
    progress_columns,
};

static void note_rows(struct bench *bench, int32_t partition, int64_t next_offset, int64_t now_us)
{
    struct waiting *waiting = &bench->waiting[partition];
    pthread_mutex_lock(&bench->lock);
    for (; waiting->first < waiting->count; waiting->first++) {
        const struct awaited *awaited = &waiting->events[waiting->first];
        if (awaited->offset >= next_offset)
            break;
        awaited->order->row_us[awaited->moment] = now_us;
        bench->rows_left--;
    }
    pthread_mutex_unlock(&bench->lock);
}

static void *watch_rows(void *argument)
{
    struct bench *bench = argument;
    struct ol_pg_rows rows = {0};
    struct ol_error error = {0};
    enum ol_class class = OL_OK;
    while (!class && !atomic_load(&bench->is_over)) {
        struct ol_pg_params params = {0};
        int64_t from_us = ol_clock_monotonic_us();
        ol_pg_param_text(&params, bench->events.text, strlen(bench->events.text));
        class = ol_pg_exec(bench->db, &progress, &params, &rows, &error);
        int64_t now_us = ol_clock_monotonic_us();
        for (int i = 0; i < rows.count && !class; i++)
            note_rows(bench, ol_pg_int16(&rows, i, 0), ol_pg_int64(&rows, i, 1), now_us);
        bench->questions++;
        bench->asking_us += now_us - from_us;
        /* Questions have a price too: never more than half of the time. */
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    ol_pg_rows_release(&rows);
    if (class)
        fail_all(bench, class, &error);
    return NULL;
}

/* ---- the load ---- */

static void sleep_until(int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static void count_failed(void *context, const struct ol_receipt *receipt)
{
    struct ol_error *error = context;
    if (receipt->class && !error->class)
        (void)ol_fail(error, receipt->class, "a command was not acknowledged: %s", receipt->text);
}

static enum ol_class publish_all(struct bench *bench, struct ol_error *reterr)
{
    struct ol_publisher_handle *publisher = NULL;
    struct ol_error failed = {0};
    enum ol_class class =
        ol_publisher_open(&bench->kafka.settings, count_failed, &failed, &publisher, reterr);
    if (class)
        return class;
    int32_t topic = ol_publisher_topic(publisher, bench->commands.text);
    int64_t start_us = ol_clock_monotonic_us() + 100000;
    for (size_t i = 0; i < bench->count && !class && !atomic_load(&bench->is_over); i++) {
        struct order *order = &bench->first[i];
        order->due_us = start_us + (int64_t)i * 1000000 / bench->rate;
        if (ol_clock_monotonic_us() < order->due_us)
            sleep_until(order->due_us);
        order->sent_us = ol_clock_monotonic_us();
        const struct ol_record record = {.topic = topic,
                                         .partition = order->partition,
                                         .key = order->key,
                                         .key_bytes = order->key_bytes,
                                         .value = order->value,
                                         .value_bytes = order->value_bytes};
        class = ol_publisher_publish(publisher, &record, reterr);
        ol_publisher_poll(publisher, 0);
    }
    if (!class)
        class = ol_publisher_flush(publisher, FLUSH_MS, reterr);
    if (!class && failed.class)
        class = ol_fail(reterr, failed.class, "%s", failed.text);
    ol_publisher_close(publisher);
    return class;
}

static size_t rows_left(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    size_t left = bench->rows_left;
    pthread_mutex_unlock(&bench->lock);
    return left;
}

static enum ol_class await_rows(struct bench *bench, struct ol_error *reterr)
{
    int64_t until_us = ol_clock_monotonic_us() + PATIENCE_US;
    for (size_t left; (left = rows_left(bench)) > 0 && !atomic_load(&bench->is_over);) {
        if (ol_clock_monotonic_us() > until_us)
            return ol_fail(reterr, OL_RETRY, "%zu of %zu rows have not come", left,
                           MOMENT_COUNT * bench->count);
        sleep_until(ol_clock_monotonic_us() + 10000);
    }
    return OL_OK;
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* One line of JSON for all; of each series p50, p99, p99.9 and the largest, in us. */
static void print_series(const char *name, int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    printf(",\"%s\":{\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"p999\":%" PRId64 ",\"max\":%" PRId64
           "}",
           name, values[count / 2], values[count * 99 / 100], values[count * 999 / 1000],
           values[count - 1]);
}

static enum ol_class print_figures(struct bench *bench, struct ol_error *reterr)
{
    static const char *const names[MOMENT_COUNT][2] = {
        [MOMENT_ACCEPTED] = {"accepted_event_us", "accepted_row_us"},
        [MOMENT_ENDED] = {"ended_event_us", "ended_row_us"},
    };
    size_t count = bench->count;
    int64_t *values = calloc(count, sizeof *values);
    if (!values)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    printf("{\"what\":\"%s\",\"rate\":%" PRId64 ",\"orders\":%zu,\"question_us\":%" PRId64,
           bench->is_chain ? "chain" : "orderlog", bench->rate, count,
           bench->asking_us / (bench->questions ? bench->questions : 1));
    for (size_t i = 0; i < count; i++)
        values[i] = bench->first[i].sent_us - bench->first[i].due_us;
    print_series("late_us", values, count);
    for (int moment = 0; moment < MOMENT_COUNT; moment++) {
        for (size_t i = 0; i < count; i++)
            values[i] = bench->first[i].event_us[moment] - bench->first[i].due_us;
        print_series(names[moment][0], values, count);
        for (size_t i = 0; i < count; i++)
            values[i] = bench->first[i].row_us[moment] - bench->first[i].due_us;
        print_series(names[moment][1], values, count);
    }
    printf("}\n");
    free(values);
    return OL_OK;
}

/* ---- all of it ---- */

static enum ol_class measure(struct bench *bench, struct ol_error *reterr)
{
    pthread_t events, rows;
    if (pthread_create(&events, NULL, watch_events, bench) != 0)
        return ol_fail(reterr, OL_FATAL, "no thread to be had");
    if (pthread_create(&rows, NULL, watch_rows, bench) != 0) {
        atomic_store(&bench->is_over, true);
        pthread_join(events, NULL);
        return ol_fail(reterr, OL_FATAL, "no thread to be had");
    }
    enum ol_class class = publish_all(bench, reterr);
    if (!class)
        class = await_rows(bench, reterr);
    atomic_store(&bench->is_over, true);
    pthread_join(events, NULL);
    pthread_join(rows, NULL);
    if (bench->class)
        return ol_fail(reterr, bench->class, "%s", bench->error.text);
    return class ? class : print_figures(bench, reterr);
}

static enum ol_class number(const char *word, int64_t min, int64_t max, int64_t *ret_number,
                            struct ol_error *reterr)
{
    char *end;
    errno = 0;
    long long value = strtoll(word, &end, 10);
    if (errno || *end || end == word || value < min || value > max)
        return ol_fail(reterr, OL_USAGE, "'%s' is not a number from %" PRId64 " to %" PRId64, word,
                       min, max);
    *ret_number = value;
    return OL_OK;
}

static enum ol_class run(struct bench *bench, struct ol_error *reterr)
{
    const struct ol_options *options = bench->options;
    const char *const *words = options->arguments;
    int64_t skip = 0, count = 0;
    if (options->argument_count != 5 ||
        (strcmp(words[4], "orderlog") != 0 && strcmp(words[4], "chain") != 0))
        return ol_fail(reterr, OL_USAGE,
                       "it is bench_latency FROM-PREFIX SKIP COUNT RATE orderlog|chain");
    enum ol_class class = number(words[1], 0, ORDERS_MAX, &skip, reterr);
    if (!class)
        class = number(words[2], 1, ORDERS_MAX, &count, reterr);
    if (!class)
        class = number(words[3], 1, RATE_MAX, &bench->rate, reterr);
    if (class)
        return class;
    bench->is_chain = words[4][0] == 'c';
    bench->commands = topic_name(options->topic_prefix, CONTEXT_ORDERS, STREAM_COMMANDS);
    bench->events = topic_name(options->topic_prefix, CONTEXT_ORDERS, STREAM_EVENTS);
    const struct ol_pg_options db = {.dsn = options->pg_dsn, .read_only = true};
    class = load_orders(bench, words[0], (size_t)skip, (size_t)count, reterr);
    if (!class)
        class = open_events(bench, reterr);
    if (!class)
        class = ol_pg_open(&db, &bench->db, reterr);
    if (!class)
        class = measure(bench, reterr);
    ol_reader_close(bench->reader);
    ol_pg_free(bench->db);
    return class;
}

static void release(struct bench *bench)
{
    HASH_CLEAR(hh, bench->by_key);
    for (size_t i = 0; i < bench->order_count; i++) {
        free(bench->orders[i].key);
        free(bench->orders[i].value);
    }
    free(bench->orders);
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        free(bench->waiting[i].events);
    pthread_mutex_destroy(&bench->lock);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct ol_options options;
    struct ol_error error = {0};
    enum ol_class class =
        ol_options_init(&options, "bench_latency", OPTION_GROUPS, argc - 1, argv + 1, &error);
    if (!class) {
        ol_log_init(options.log_level, options.log_format);
        bench.options = &options;
        pthread_mutex_init(&bench.lock, NULL);
        class = ol_kafka_connection_init(&bench.kafka, &options, "bench-latency", &error);
        if (!class) {
            class = run(&bench, &error);
            ol_kafka_connection_release(&bench.kafka);
        }
        release(&bench);
        ol_options_release(&options);
    }
    if (class)
        fprintf(stderr, "bench_latency: %s\n", error.text);
    return ol_exit_code(class);
}
