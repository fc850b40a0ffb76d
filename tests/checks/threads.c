/*
 * tests/checks/threads.c - many threads at once over what says that it may be: for ThreadSanitizer.
 *
 * Log, metrics, the HTTP responder and its scraper, and on each thread a codec, JSON and a worker's
 * core of its own, between which nothing may be shared. A program without a test framework:
 * Criterion's arena lies where ThreadSanitizer keeps its shadow.
 */
#include "consumers/core.h"
#include "lib/ol_clock.h"
#include "lib/ol_http.h"
#include "lib/ol_log.h"
#include "lib/ol_metrics.h"
#include "proto/json.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

static bool drop_step(void *self, int32_t partition, struct text key,
                      const struct step_message *step)
{
    struct ol_arena *arena = self;
    struct bytes wire;
    (void)partition;
    (void)key;
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
    must(core_lacks(core, &input, 1, arena, &keys, &count), "lacks");
    for (size_t i = 0; i < count; i++) {
        struct entity absent = {.kind = keys[i].kind};
        must(core_put(core, &keys[i], &absent, 0), "put");
    }
    must(core_run(core, &input, arena, &sink), "run");
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
    pthread_t threads[THREADS + 1];
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
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    ol_http_stop(http);
    int64_t counted = ol_series_value(ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "all", "committed"));
    must(counted == THREADS * ROUNDS, "a transaction was not counted");
    must(scrapes > 0, "nothing was scraped");
    printf("%d threads, %d rounds each, %zu scrapes\n", THREADS, ROUNDS, scrapes);
    return 0;
}
