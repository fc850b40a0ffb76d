/*
 * tests/checks/threads.c - many threads at once over what says that it may be: for ThreadSanitizer.
 *
 * Log, metrics, the HTTP responder and its scraper, and on each thread a codec, JSON and a worker's
 * core of its own, between which nothing may be shared; and a projector that fills one batch while
 * its write thread has the other. A program without a test framework: Criterion's arena lies where
 * ThreadSanitizer keeps its shadow.
 */
#include "consumers/core.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"
#include "lib/http/ol_http.h"
#include "lib/http/ol_metrics.h"
#include "lib/program/ol_log.h"
#include "projections/write_thread.h"
#include "proto/json.h"

#define THREADS 4
#define ROUNDS  400

static struct ol_http *http;

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "threads: %s\n", what);
        abort();
    }
}

/* ---- one worker a thread ---- */

static bool drop_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    struct ol_arena *arena = self;
    struct bytes wire;
    (void)partition;
    (void)key;
    return codec_encode_event(event, arena, &wire);
}

static bool drop_step(void *self, int32_t partition, const struct step_message *step)
{
    struct ol_arena *arena = self;
    struct bytes wire;
    (void)partition;
    return codec_encode_step(step, arena, &wire);
}

static struct command read_command(struct ol_arena *arena, int round)
{
    char json[256];
    struct command command;
    struct ol_error error;
    size_t column;
    int bytes =
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"commandId\":\"k-%d\"},\"placeOrder\":{\"orderId\":\"o-%d\","
                 "\"customerId\":\"c\",\"currency\":\"PLN\",\"lines\":[{\"sku\":\"s\","
                 "\"quantity\":\"1\",\"amountMinor\":\"5\"}]}}",
                 round, round % 50);
    must(json_decode_command(json, (size_t)bytes, arena, &command, &column, &error) == OL_OK,
         error.text);
    return command;
}

static void decide(struct core *core, struct ol_arena *arena, int round)
{
    const struct core_sink sink = {arena, drop_event, drop_step, NULL, NULL};
    struct core_input input = {.kind = INPUT_COMMAND,
                               .source = CAUSE_COMMANDS,
                               .offset = round,
                               .at_us = ol_clock_wall_us(),
                               .command = read_command(arena, round)};
    struct entity_key *keys;
    struct core_offset offset;
    struct receipt total;
    size_t count;
    must(core_missing(core, &input, 1, arena, &keys, &count), "missing");
    for (size_t i = 0; i < count; i++) {
        struct entity absent = {.kind = keys[i].kind};
        must(core_put(core, &keys[i], &absent, 0), "put");
    }
    must(core_run(core, &input, arena, &sink), "run");
    must(core_answer(core, &sink), "answer");
    must(core_close(core, &sink, &offset, &count, &total), "close");
}

static void *work(void *self)
{
    const char *name = self;
    const struct core_settings settings = {.context = CONTEXT_ORDERS,
                                           .partitions = 1,
                                           .order_deadline_us = 1,
                                           .overlay = {1 << 16, 1 << 24}};
    struct core *core = core_new(&settings);
    struct ol_arena arena;
    must(core, "memory");
    ol_arena_init(&arena, 4096, 0);
    core_partition_begin(core, 0, NULL);
    core_partition_bootstrap(core, 0, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        ol_arena_clear(&arena);
        decide(core, &arena, round);
        ol_series_add(ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, name, "committed"), 1);
        ol_series_add(ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "all", "committed"), 1);
        ol_log(OL_LOG_INFO, "threads", "round", ol_kv("round", round), ol_kv("name", name));
    }
    ol_arena_release(&arena);
    core_free(core);
    return NULL;
}

/* ---- a projector and its write thread ---- */

#define EVENTS_PER_BATCH 6
#define LOST_EACH        7 /* so many batches, one is somebody else's */

/* Without guards of their own: the write thread's until the outcome is taken, the owner's then. */
static struct {
    size_t batches, events, rows;
} written;
static atomic_size_t done_count;

/* In place of the one that knows PostgreSQL: reads all that a batch has. */
enum ol_class writer_write(struct writer *writer, struct row_batch *batch, uint64_t *ret_lost,
                           struct ol_error *reterr)
{
    (void)writer;
    written.batches++;
    written.events += batch->event_count;
    must(batch->counts.sorted, "a batch that is not sealed");
    for (size_t i = 0; i < batch->counts.count; i++) {
        const struct command_count *row = (const struct command_count *)batch->counts.rows[i];
        written.rows += text_equal(row->row.id, TEXT("o")) && row->duplicates == 1;
    }
    if (written.batches % LOST_EACH)
        return OL_OK;
    *ret_lost = written.batches;
    return ol_fail(reterr, OL_CONFLICT, "lost");
}

static void count_done(void *context)
{
    atomic_fetch_add((atomic_size_t *)context, 1);
}

static void fill(struct row_batch *batch)
{
    row_batch_clear(batch);
    row_batch_start(batch, 0, &(struct load_progress){.last_offset = -1});
    for (int i = 0; i < EVENTS_PER_BATCH; i++) {
        char id[8];
        struct ol_error error;
        struct event_message event = {.context = CONTEXT_ORDERS,
                                      .recorded_at_us = 1,
                                      .cause_source = CAUSE_COMMANDS,
                                      .body = EVENT_BODY_REPEATED,
                                      .repeated.aggregate_id = TEXT("o")};
        event.metadata.command_id = (struct text){id, (uint32_t)snprintf(id, sizeof id, "k-%d", i)};
        must(row_batch_apply(batch, &event, 0, i, &error) == OL_OK, "apply");
    }
}

/* Takes the outcome of batch number `number`: now by looking, now by waiting. */
static void take_outcome(struct write_thread *thread, size_t number)
{
    struct write_outcome outcome = {0};
    bool lost = number % LOST_EACH == 0;
    while (!write_thread_outcome(thread, number % 2 ? 1000 : 0, &outcome))
        must(write_thread_batch(thread), "the batch is gone before its outcome");
    must(!write_thread_batch(thread), "the outcome is taken, and the batch is there");
    must(written.batches == number, "another batch was written");
    must(outcome.class == (lost ? OL_CONFLICT : OL_OK), "another class");
    must(outcome.lost == (lost ? number : 0), "other partitions lost");
}

static void *project(void *self)
{
    static struct row_batch batches[2];
    struct write_thread *thread = write_thread_start(NULL, count_done, self);
    struct write_outcome outcome;
    must(thread, "a write thread");
    for (size_t i = 0; i < 2; i++)
        row_batch_init(&batches[i], CONTEXT_ORDERS);
    must(!write_thread_outcome(thread, 0, &outcome), "an outcome of nothing");
    for (size_t number = 1; number <= ROUNDS; number++) {
        struct row_batch *batch = &batches[number % 2];
        fill(batch); /* while the other is being written */
        if (number > 1)
            take_outcome(thread, number - 1);
        write_thread_submit(thread, batch);
    }
    write_thread_stop(thread); /* with the last one under way */
    for (size_t i = 0; i < 2; i++)
        row_batch_release(&batches[i]);
    must(written.batches == ROUNDS, "a batch was not written");
    must(written.events == (size_t)ROUNDS * EVENTS_PER_BATCH, "an event was not written");
    must(written.rows == written.events, "a row was not written");
    return NULL;
}

/* ---- scraping meanwhile ---- */

static bool scrape(void)
{
    char answer[4096];
    const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ol_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1;
    ssize_t got = good ? read(fd, answer, sizeof answer) : -1;
    while (got > 0 && read(fd, answer + 1, sizeof answer - 1) > 0)
        ;
    if (fd >= 0)
        close(fd);
    return got > 0 && answer[0] == 'H';
}

static void *scrape_often(void *self)
{
    size_t *scrapes = self;
    for (int i = 0; i < 50; i++)
        *scrapes += scrape();
    return NULL;
}

int main(void)
{
    static char names[THREADS][8];
    pthread_t threads[THREADS + 2];
    struct ol_error error;
    size_t scrapes = 0;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ol_log_init("info", "logfmt");
    ol_log_to(nowhere);
    must(ol_http_start(&http, &(struct ol_http_settings){0}, &error) == OL_OK, error.text);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        must(pthread_create(&threads[i], NULL, work, names[i]) == 0, "a thread");
    }
    must(pthread_create(&threads[THREADS], NULL, scrape_often, &scrapes) == 0, "a thread");
    must(pthread_create(&threads[THREADS + 1], NULL, project, &done_count) == 0, "a thread");
    for (int i = 0; i < THREADS + 2; i++)
        pthread_join(threads[i], NULL);
    ol_http_stop(http);
    int64_t counted = ol_series_value(ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "all", "committed"));
    must(counted == THREADS * ROUNDS, "a transaction was not counted");
    must(scrapes > 0, "nothing was scraped");
    must(done_count == ROUNDS, "a batch's end was not told");
    printf("%d threads, %d rounds each, %zu scrapes\n", THREADS, ROUNDS, scrapes);
    return 0;
}
