/*
 * tests/contract/test_projection_bench.c - how much PostgreSQL and we ourselves work for a year of
 * orders.
 *
 *   bench [orders] [batch events] [seed]     into the database of ORDERLOG_PG_DSN (migrated)
 *
 * Events in memory -> decode -> reduce -> write, context by context, without Kafka. The server's
 * CPU is that of all its processes, read from /proc (ORDERLOG_PG_PID: the postmaster), so the
 * server must run on this machine and do nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <dirent.h>

#include "domain/topic.h"
#include "lib/base/ol_clock.h"
#include "projections/writer.h"
#include "test_projection_history.h"

static const char *dsn;

/* utime + stime of a process, and of its children that have ended, in ticks. */
static bool ticks_of(int pid, int *ret_parent, int64_t *ret_own, int64_t *ret_children)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool ok = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    char *rest = ok ? strrchr(line, ')') : NULL;
    long long user, system, child_user, child_system;
    if (!rest || sscanf(rest + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld",
                        ret_parent, &user, &system, &child_user, &child_system) != 5)
        return false;
    *ret_own = user + system;
    *ret_children = child_user + child_system;
    return true;
}

static double server_seconds(void)
{
    const char *text = getenv("ORDERLOG_PG_PID");
    if (!text)
        return 0;
    int postmaster = atoi(text), parent;
    int64_t own, children, sum = 0;
    if (ticks_of(postmaster, &parent, &own, &children))
        sum = own + children;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(proc));)
        if (atoi(entry->d_name) > 0 && ticks_of(atoi(entry->d_name), &parent, &own, &children) &&
            parent == postmaster)
            sum += own;
    closedir(proc);
    return (double)sum / (double)sysconf(_SC_CLK_TCK);
}

static double own_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void must_be_ok(enum ol_class class, const struct ol_error *error)
{
    if (!class)
        return;
    fprintf(stderr, "%s: %s\n", ol_class_name(class), error->text);
    exit(1);
}

struct run {
    struct history *history;
    enum context context;
    struct row_batch batch;
    struct writer *writer;
    struct ol_arena scratch;
    struct load_progress progress[PARTITIONS_MAX];
    size_t at[PARTITIONS_MAX], rows, batches;
    double apply_seconds, write_seconds;
};

/* Takes up to `max` events, partitions in turns. False: none is left. */
static bool fill(struct run *run, size_t max)
{
    struct ol_error error;
    bool any = true;
    for (int32_t i = 0; i < run->history->settings.partitions; i++)
        row_batch_start(&run->batch, i, &run->progress[i]);
    while (any && run->batch.event_count < max) {
        any = false;
        for (int32_t i = 0; i < run->history->settings.partitions; i++) {
            const struct record_list *list = &run->history->events[run->context][i];
            if (run->at[i] == list->count)
                continue;
            const struct record *record = &list->records[run->at[i]++];
            struct event_message event;
            any = true;
            ol_arena_clear(&run->scratch);
            must_be_ok(
                codec_decode_event(run->context, record->value, &run->scratch, &event, &error),
                &error);
            must_be_ok(row_batch_apply(&run->batch, &event, i, record->offset, &error), &error);
        }
    }
    row_batch_seal(&run->batch);
    return run->batch.event_count > 0;
}

static void run_context(struct history *history, enum context context, size_t batch_max)
{
    struct ol_error error;
    struct ol_pg *db = NULL;
    struct ol_pg_options options = {.dsn = dsn, .synchronous_commit_off = true};
    must_be_ok(ol_pg_open(&options, &db, &error), &error);
    struct topic_name topic = topic_name("orderlog", context, STREAM_EVENTS);
    struct run run = {.history = history, .context = context};
    run.writer = writer_new(db, context, topic.text);
    row_batch_init(&run.batch, context);
    ol_arena_init(&run.scratch, 1 << 20, 0);
    must_be_ok(writer_begin(run.writer, history->settings.partitions, run.progress, &error),
               &error);

    size_t events = 0;
    double own = own_seconds(), server = server_seconds();
    int64_t begun_us = ol_clock_monotonic_us();
    for (;;) {
        int64_t at_us = ol_clock_monotonic_us();
        bool any = fill(&run, batch_max);
        int64_t filled_us = ol_clock_monotonic_us();
        if (!any)
            break;
        uint64_t lost;
        must_be_ok(writer_write(run.writer, &run.batch, &lost, &error), &error);
        run.apply_seconds += (double)(filled_us - at_us) / 1e6;
        run.write_seconds += (double)(ol_clock_monotonic_us() - filled_us) / 1e6;
        run.rows += row_batch_row_count(&run.batch);
        run.batches++;
        events += run.batch.event_count;
        for (int32_t i = 0; i < history->settings.partitions; i++)
            run.progress[i] = run.batch.partitions[i].now;
        row_batch_clear(&run.batch);
    }
    double seconds = (double)(ol_clock_monotonic_us() - begun_us) / 1e6;
    printf(
        "%-10s %8zu events %8zu rows %5zu batches %6.2f s wall (apply %.2f, write %.2f)  own CPU "
        "%.2f s  server CPU %.2f s  %.0f events/s %.0f rows/s\n",
        context_name(context), events, run.rows, run.batches, seconds, run.apply_seconds,
        run.write_seconds, own_seconds() - own, server_seconds() - server, (double)events / seconds,
        (double)run.rows / seconds);
    fflush(stdout);
    row_batch_release(&run.batch);
    ol_arena_release(&run.scratch);
    writer_free(run.writer);
    ol_pg_free(db);
}

int main(int argc, char **argv)
{
    dsn = getenv("ORDERLOG_PG_DSN");
    if (!dsn)
        return 77;
    struct history_settings settings = {.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 7,
                                        .partitions = 4,
                                        .orders = argc > 1 ? atoll(argv[1]) : 155518,
                                        .customers = 2469,
                                        .products = 92331,
                                        .lines_max = 160,
                                        .stock = 1000000,
                                        .funds = 1000000000000,
                                        .batch_max = 1000,
                                        .steady = true};
    size_t batch_max = argc > 2 ? (size_t)atoll(argv[2]) : 20000;
    if (settings.orders < 10000)
        settings.products = settings.orders;
    double begun = own_seconds();
    struct history *history = history_new(&settings);
    printf("made %zu events, %zu lines in %.1f s\n", history->event_count, history->line_count,
           own_seconds() - begun);
    double server = server_seconds();
    for (enum context context = 0; context < CONTEXT_COUNT; context++)
        run_context(history, context, batch_max);
    printf("server CPU %.2f s in all\n", server_seconds() - server);
    history_free(history);
    return 0;
}
