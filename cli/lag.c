#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_run.h"
#include "lib/program/ol_table.h"
#include "proto/codec.h"
#include "verify/scan.h"
#include "verify/tail.h"

#define SAMPLE_MS     400 /* between two looks at the positions, for the rate */
#define WATCH_MS      1000
#define INTERRUPT_MS  2000 /* from Ctrl-C to the exit */
#define POSITIONS_MAX (CONTEXT_COUNT * 3 * PARTITIONS_MAX)
#define BUNDLES_MAX   1000 /* of one partition, that are read to count their steps */
#define ARENA_BYTES   (16 * 1024)

/* How far a group is in a partition. */
struct lag_position {
    const char *group;
    const char *owner; /* NULL: nobody's */
    int64_t before;    /* the position at the sample before; -1: none */
    int64_t steps;     /* in the bundles that it is behind; -1: no bundles, or too many to look */
};

struct lag {
    struct session session;
    int32_t partitions;
    struct topic_name groups[CONTEXT_COUNT + 1]; /* the last is the projector's */
    struct ol_group_handle *handles[CONTEXT_COUNT];
    struct topic_name topics[CONTEXT_COUNT][STREAM_COUNT];
    struct ol_arena arena; /* owners of one look */
    struct ol_arena frame; /* of one bundle */
    struct tail tails[POSITIONS_MAX];
    struct lag_position positions[POSITIONS_MAX];
    size_t count;
    int64_t at_us, before_us; /* monotonic, of this sample and the one before; 0: none */
};

static const struct ol_table_column columns[] = {
    {"group", OL_TABLE_TEXT},         {"topic", OL_TABLE_TEXT},
    {"partition", OL_TABLE_SMALL},    {"position", OL_TABLE_NUMBER},
    {"end", OL_TABLE_NUMBER},         {"lag_records", OL_TABLE_NUMBER},
    {"lag_steps", OL_TABLE_NUMBER},   {"lag_seconds", OL_TABLE_SMALL},
    {"rate", OL_TABLE_SMALL},         {"drain_seconds", OL_TABLE_SMALL},
    {"uncommitted", OL_TABLE_NUMBER}, {"owner", OL_TABLE_TEXT},
};

/* ---- the list ---- */

static void add_positions(struct lag *lag, const char *group, const char *topic)
{
    assert(lag->count + (size_t)lag->partitions <= POSITIONS_MAX);
    for (int32_t partition = 0; partition < lag->partitions; partition++) {
        lag->positions[lag->count] =
            (struct lag_position){.group = group, .before = -1, .steps = -1};
        lag->tails[lag->count++] =
            (struct tail){.topic = topic, .partition = partition, .position = -1};
    }
}

static void list_positions(struct lag *lag)
{
    const char *prefix = lag->session.options->topic_prefix;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        lag->groups[i] = worker_group_name(prefix, (enum context)i);
        for (int j = 0; j < STREAM_COUNT; j++)
            lag->topics[i][j] = topic_name(prefix, (enum context)i, (enum stream)j);
        add_positions(lag, lag->groups[i].text, lag->topics[i][STREAM_COMMANDS].text);
        add_positions(lag, lag->groups[i].text, lag->topics[i][STREAM_STEPS].text);
    }
    lag->groups[CONTEXT_COUNT] = projector_group_name(prefix);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        add_positions(lag, lag->groups[CONTEXT_COUNT].text, lag->topics[i][STREAM_EVENTS].text);
}

/* ---- positions ---- */

static enum ol_class read_worker_positions(struct lag *lag, struct ol_error *reterr)
{
    struct ol_offset offsets[2 * PARTITIONS_MAX];
    size_t each = 2 * (size_t)lag->partitions;
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        struct tail *tails = &lag->tails[(size_t)context * each];
        /* The list's order: a group's positions stand together. */
        assert(strcmp(lag->positions[(size_t)context * each].group, lag->groups[context].text) ==
               0);
        for (size_t i = 0; i < each; i++)
            offsets[i] = (struct ol_offset){tails[i].topic, tails[i].partition, -1};
        enum ol_class class = ol_admin_group_offsets(lag->session.admin, lag->groups[context].text,
                                                     &lag->handles[context], offsets, each,
                                                     lag->session.timeout_ms, reterr);
        if (class)
            return class;
        for (size_t i = 0; i < each; i++)
            tails[i].position = offsets[i].offset;
    }
    return OL_OK;
}

static const struct ol_pg_statement progress_statement = {
    .name = "lag/progress",
    .sql = "SELECT topic, partition, next_offset FROM orderlog.projection_progress",
    .columns = (const struct ol_pg_column[]){{"topic", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"next_offset", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {0}},
};

static struct tail *tail_of(struct lag *lag, const char *group, const char *topic,
                            int32_t partition)
{
    for (size_t i = 0; i < lag->count; i++)
        if (lag->tails[i].partition == partition && strcmp(lag->tails[i].topic, topic) == 0 &&
            strcmp(lag->positions[i].group, group) == 0)
            return &lag->tails[i];
    return NULL;
}

/* The rows count, not what the projector commits to Kafka afterwards. */
static enum ol_class read_projector_positions(struct lag *lag, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(lag->session.db, &progress_statement, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        struct tail *tail = tail_of(lag, lag->groups[CONTEXT_COUNT].text,
                                    ol_pg_text(&rows, row, 0).data, ol_pg_int16(&rows, row, 1));
        if (tail)
            tail->position = ol_pg_int64(&rows, row, 2);
    }
    return class;
}

static enum ol_class read_owners(struct lag *lag, struct ol_error *reterr)
{
    ol_arena_clear(&lag->arena);
    for (size_t i = 0; i < lag->count; i++)
        lag->positions[i].owner = NULL;
    for (int group = 0; group <= CONTEXT_COUNT; group++) {
        struct ol_group_owner *owners;
        size_t count;
        enum ol_class class =
            ol_admin_group_owners(lag->session.admin, lag->groups[group].text,
                                  lag->session.timeout_ms, &lag->arena, &owners, &count, reterr);
        if (class)
            return class;
        for (size_t i = 0; i < count; i++) {
            struct tail *tail =
                tail_of(lag, lag->groups[group].text, owners[i].topic, owners[i].partition);
            if (tail)
                lag->positions[tail - lag->tails].owner =
                    *owners[i].instance ? owners[i].instance : owners[i].client_id;
        }
    }
    return OL_OK;
}

/* ---- steps ---- */

struct counting {
    struct lag *lag;
    size_t of[POSITIONS_MAX]; /* ranges -> positions */
};

/* A frame that can't be read is put aside as one. */
static bool count_steps(void *context, size_t range, const struct ol_message *message)
{
    struct counting *counting = context;
    struct bytes wire = {message->value, message->value_bytes};
    struct step_bundle bundle = {.count = 1};
    struct ol_error error;
    ol_arena_clear(&counting->lag->frame);
    (void)codec_decode_bundle(wire, &counting->lag->frame, &bundle, &error);
    counting->lag->positions[counting->of[range]].steps += (int64_t)bundle.count;
    return true;
}

/* A record of steps is a bundle of up to BUNDLE_STEPS_MAX: where few lie ahead they are counted. */
static enum ol_class read_steps(struct lag *lag, struct ol_error *reterr)
{
    struct scan_range ranges[CONTEXT_COUNT * PARTITIONS_MAX];
    struct counting counting = {.lag = lag};
    size_t count = 0;
    for (size_t i = 0; i < lag->count; i++) {
        const struct tail *tail = &lag->tails[i];
        int64_t records = tail_lag(tail);
        bool steps = false;
        for (int context = 0; context < CONTEXT_COUNT; context++)
            steps |= tail->topic == lag->topics[context][STREAM_STEPS].text;
        lag->positions[i].steps = steps && records <= BUNDLES_MAX ? 0 : -1;
        if (lag->positions[i].steps < 0 || records == 0)
            continue;
        counting.of[count] = i;
        ranges[count++] = (struct scan_range){.topic = tail->topic,
                                              .partition = tail->partition,
                                              .from = tail->next,
                                              .until = tail->stable};
    }
    return count ? scan_run(&lag->session, ranges, count, count_steps, &counting, NULL, reterr)
                 : OL_OK;
}

static enum ol_class sample(struct lag *lag, struct ol_error *reterr)
{
    for (size_t i = 0; i < lag->count; i++)
        lag->positions[i].before = lag->tails[i].position;
    lag->before_us = lag->at_us;
    enum ol_class class = read_worker_positions(lag, reterr);
    if (!class)
        class = read_projector_positions(lag, reterr);
    if (!class)
        class = tail_read(&lag->session, lag->tails, lag->count, reterr);
    lag->at_us = ol_clock_monotonic_us();
    return class ? class : read_owners(lag, reterr);
}

static int64_t total_lag(const struct lag *lag)
{
    int64_t total = 0;
    for (size_t i = 0; i < lag->count; i++)
        total += tail_lag(&lag->tails[i]);
    return total;
}

/* ---- rows ---- */

/* Records a second between the last two samples; below 0: not known. */
static double rate_of(const struct lag *lag, size_t index)
{
    int64_t before = lag->positions[index].before, now = lag->tails[index].position;
    if (!lag->before_us || before < 0 || now < before || lag->at_us <= lag->before_us)
        return -1;
    return (double)(now - before) * 1e6 / (double)(lag->at_us - lag->before_us);
}

static void add_seconds(struct ol_table *table, const struct tail *tail)
{
    int64_t late_us = tail->next_ms < 0 ? 0 : ol_clock_wall_us() - tail->next_ms * 1000;
    if (tail->next >= 0 && tail->next_ms < 0)
        ol_table_null(table);
    else
        ol_table_addf(table, "%.1f", late_us > 0 ? (double)late_us / 1e6 : 0.0);
}

static void add_rate(struct ol_table *table, const struct lag *lag, size_t index)
{
    double rate = rate_of(lag, index);
    int64_t behind = tail_lag(&lag->tails[index]);
    if (rate < 0)
        ol_table_null(table);
    else
        ol_table_addf(table, "%.1f", rate);
    if (behind == 0)
        ol_table_addf(table, "0.0");
    else if (rate > 0)
        ol_table_addf(table, "%.1f", (double)behind / rate);
    else
        ol_table_null(table);
}

static void add_row(struct ol_table *table, const struct lag *lag, size_t index)
{
    const struct tail *tail = &lag->tails[index];
    ol_table_text(table, lag->positions[index].group);
    ol_table_text(table, tail->topic);
    ol_table_int(table, tail->partition);
    if (tail->position < 0)
        ol_table_null(table);
    else
        ol_table_int(table, tail->position);
    ol_table_int(table, tail->high);
    ol_table_int(table, tail_lag(tail));
    if (lag->positions[index].steps < 0)
        ol_table_null(table);
    else
        ol_table_int(table, lag->positions[index].steps);
    add_seconds(table, tail);
    add_rate(table, lag, index);
    ol_table_int(table, tail->high - tail->stable);
    ol_table_text(table, lag->positions[index].owner);
}

/* What lies behind an open transaction may be somebody's acknowledged commands: that is not
 * drained. */
static void print_sum(const struct lag *lag)
{
    int64_t total = total_lag(lag);
    bool held = false;
    if (total)
        fprintf(stderr, "%" PRId64 " records behind\n", total);
    for (size_t i = 0; i < lag->count; i++) {
        const struct tail *tail = &lag->tails[i];
        const struct ol_offset place = {tail->topic, tail->partition, tail->stable};
        OL_AUTO(ol_text) struct ol_text text = {0};
        if (!tail_is_held(tail))
            continue;
        held = true;
        ol_kafka_tell_open(&text, lag->session.kafka.settings.brokers, &place);
        fprintf(stderr, "held back: %s\n", ol_text_string(&text));
    }
    if (!total && !held)
        fputs("drained\n", stderr);
}

static enum ol_class print(const struct lag *lag, struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    const struct ol_options *options = lag->session.options;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    for (size_t i = 0; i < lag->count; i++)
        add_row(&table, lag, i);
    if (options->watch && !options->json && isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    enum ol_class class = ol_table_print(&table, stdout, reterr);
    if (!class && !options->json)
        print_sum(lag);
    fflush(stdout);
    return class;
}

/* A rate needs two looks; without a lag nobody asks for one. */
static enum ol_class once(struct lag *lag, struct ol_error *reterr)
{
    enum ol_class class = sample(lag, reterr);
    if (!class && total_lag(lag) > 0) {
        usleep(SAMPLE_MS * 1000);
        class = sample(lag, reterr);
    }
    if (!class)
        class = read_steps(lag, reterr);
    return class ? class : print(lag, reterr);
}

static enum ol_class watch(struct lag *lag, struct ol_error *reterr)
{
    enum ol_class class = ol_run_init(INTERRUPT_MS, reterr);
    if (class)
        return class;
    do {
        class = sample(lag, reterr);
        if (!class)
            class = read_steps(lag, reterr);
        if (!class)
            class = print(lag, reterr);
    } while (!class && !ferror(stdout) && !ol_run_sleep(WATCH_MS));
    ol_run_drained();
    ol_run_release();
    return class;
}

enum ol_class lag_run(const struct ol_options *options, struct ol_error *reterr)
{
    struct lag *lag = calloc(1, sizeof *lag);
    if (!lag)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    ol_arena_init(&lag->arena, ARENA_BYTES, 0);
    ol_arena_init(&lag->frame, ARENA_BYTES, 0);
    enum ol_class class = session_init(&lag->session, options, SESSION_KAFKA | SESSION_PG, reterr);
    if (!class) {
        class = session_partitions(&lag->session, &lag->partitions, reterr);
        if (!class) {
            list_positions(lag);
            class = options->watch ? watch(lag, reterr) : once(lag, reterr);
        }
        for (int i = 0; i < CONTEXT_COUNT; i++)
            ol_group_handle_close(lag->handles[i]);
        session_release(&lag->session);
    }
    ol_arena_release(&lag->arena);
    ol_arena_release(&lag->frame);
    free(lag);
    return class;
}
