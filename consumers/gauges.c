#include "consumers/gauges.h"

#include "lib/base/ol_clock.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

#include <pthread.h>
#include <stdlib.h>

#define EVERY_MS     5000
#define TIMEOUT_MS   3000
#define HELD_US      (INT64_C(10) * 1000000) /* a transaction open for longer is somebody's to look at */
#define STREAMS      3                       /* commands, steps, events */
#define STATEMENT_MS 5000 /* a database that stands still must not hold the end of a role up */

/* The last stable offset of a partition while it stands still below the high watermark. */
struct hold {
    int64_t offset, since_us;  /* since_us 0: it does not */
    _Atomic int64_t long_held; /* the offset, once that is HELD_US ago; -1: no */
};

struct gauges {
    pthread_t thread;
    struct loop *loops[CONTEXT_COUNT];
    size_t count;
    const struct ol_options *options;
    const char *brokers;
    struct ol_admin *admin;
    struct ol_reader *reader; /* read_committed: its end is the last stable offset */
    struct ol_pg *db;
    _Atomic bool kafka_away, postgres_away; /* when last asked */
    struct hold holds[CONTEXT_COUNT][STREAMS][PARTITIONS_MAX];
};

static const struct ol_pg_column saga_columns[] = {
    {"open", OL_PG_INT8, OL_PG_NOT_NULL}, {"oldest_us", OL_PG_INT8, OL_PG_NOT_NULL}, {0}};
static const struct ol_pg_statement saga_age = {
    .name = "saga/age",
    .sql = "SELECT count(*) AS open,"
           " coalesce(extract(epoch FROM now() - min(recorded_at)) * 1000000, 0)::bigint"
           " AS oldest_us FROM orderlog.orders"
           " WHERE saga_state IN ('running', 'undoing', 'stuck')",
    .columns = saga_columns,
};

static void hide_partition(const char *topic, int32_t partition)
{
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_RECORDS, topic, partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_TIME, topic, partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, topic, partition));
}

/* Records up to the last stable offset that are not taken, and the age of the oldest. Position and
 * end are read at different moments: what was taken in between does not count as lag. */
static void set_lag(struct loop *loop, int source, const char *topic, int32_t partition,
                    int64_t stable_end)
{
    int64_t position = atomic_load(&loop->positions[source][partition]);
    int64_t since_ms = atomic_load(&loop->waiting_since_ms[source][partition]);
    int64_t lag = stable_end > position && since_ms ? stable_end - position : 0;
    int64_t age_us = lag ? ol_clock_wall_us() - since_ms * 1000 : 0;
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_RECORDS, topic, partition), lag);
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_TIME, topic, partition),
                  age_us > 0 ? age_us : 0);
}

/* False: the broker does not say. */
static bool ends(struct gauges *gauges, const char *topic, int32_t partition, int64_t *ret_stable,
                 int64_t *ret_high)
{
    struct ol_error error;
    return !ol_admin_ends(gauges->admin, gauges->reader, topic, partition, TIMEOUT_MS, ret_stable,
                          ret_high, &error);
}

static const enum stream streams[STREAMS] = {STREAM_COMMANDS, STREAM_STEPS, STREAM_EVENTS};

static void forget_hold(struct hold *hold)
{
    hold->since_us = 0;
    atomic_store(&hold->long_held, -1);
}

/* Transactions come and go all the time: one that stays holds back whatever is acknowledged behind. */
static void note_hold(struct gauges *gauges, struct hold *hold, const char *topic,
                      int32_t partition, int64_t stable, int64_t high)
{
    int64_t now_us = ol_clock_monotonic_us();
    if (stable >= high || hold->offset != stable || !hold->since_us) {
        forget_hold(hold);
        hold->offset = stable;
        hold->since_us = stable < high ? now_us : 0;
        return;
    }
    if (now_us - hold->since_us < HELD_US || atomic_load(&hold->long_held) >= 0)
        return;
    const struct ol_offset place = {topic, partition, stable};
    OL_AUTO(ol_text) struct ol_text text = {0};
    ol_kafka_tell_open(&text, gauges->brokers, &place);
    ol_log(OL_LOG_WARN, "worker", "records are held back", ol_kv("topic", topic),
           ol_kv("partition", partition), ol_kv("offset", stable),
           ol_kv("reason", ol_text_string(&text)));
    atomic_store(&hold->long_held, stable);
}

/* False: the broker does not answer. */
static bool look_at_partition(struct gauges *gauges, struct loop *loop, int32_t partition)
{
    for (int i = 0; i < STREAMS; i++) {
        const char *topic = loop->topics[streams[i]].text;
        int64_t stable, high;
        if (ol_run_stopping())
            return true;
        if (!ends(gauges, topic, partition, &stable, &high))
            return false;
        ol_series_set(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, topic, partition),
                      high > stable ? high - stable : 0);
        note_hold(gauges, &gauges->holds[loop->context][i][partition], topic, partition, stable,
                  high);
        if (streams[i] != STREAM_EVENTS) /* the projector's */
            set_lag(loop, i, topic, partition, stable);
    }
    return true;
}

/* The broker is asked even where no partition is ours: its absence may be why. Once it has not
 * answered, it is not asked again in this round. */
static void look_at_kafka(struct gauges *gauges)
{
    int64_t stable, high;
    bool answers = ends(gauges, gauges->loops[0]->topics[STREAM_EVENTS].text, 0, &stable, &high);
    for (size_t i = 0; i < gauges->count; i++) {
        struct loop *loop = gauges->loops[i];
        uint64_t owned = atomic_load(&loop->owned_now);
        for (int32_t p = 0; p < loop->partitions; p++) {
            if (owned >> p & 1)
                answers = answers && look_at_partition(gauges, loop, p);
            else
                for (int j = 0; j < STREAMS; j++) {
                    hide_partition(loop->topics[streams[j]].text, p);
                    forget_hold(&gauges->holds[loop->context][j][p]);
                }
        }
    }
    atomic_store(&gauges->kafka_away, !answers);
}

/* False: the database does not answer. */
static bool read_sagas(struct gauges *gauges)
{
    struct ol_error error;
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    const struct ol_pg_options options = {.dsn = gauges->options->pg_dsn,
                                          .application_name = "orderlog-gauges",
                                          .statement_timeout_ms = STATEMENT_MS,
                                          .read_only = true,
                                          .primary = true,
                                          .pooled = ol_options_pooled(gauges->options)};
    if (!gauges->db && ol_pg_open(&options, &gauges->db, &error))
        return false;
    if (!ol_pg_usable(gauges->db) && ol_pg_reconnect(gauges->db, &error))
        return false;
    if (ol_pg_exec(gauges->db, &saga_age, NULL, &rows, &error) || rows.count != 1)
        return false;
    ol_series_set(ol_metric(OL_METRIC_SAGAS_OPEN), ol_pg_int64(&rows, 0, 0));
    ol_series_set(ol_metric(OL_METRIC_SAGA_OLDEST_AGE), ol_pg_int64(&rows, 0, 1));
    return true;
}

static void look_at_sagas(struct gauges *gauges)
{
    bool answers = read_sagas(gauges);
    atomic_store(&gauges->postgres_away, !answers);
    if (!answers) {
        ol_series_hide(ol_metric(OL_METRIC_SAGAS_OPEN));
        ol_series_hide(ol_metric(OL_METRIC_SAGA_OLDEST_AGE));
    }
}

static void *watch(void *argument)
{
    struct gauges *gauges = argument;
    while (!ol_run_sleep(EVERY_MS)) {
        look_at_kafka(gauges);
        look_at_sagas(gauges);
    }
    return NULL;
}

void gauges_reasons(struct gauges *gauges, struct ol_http_reasons *reasons)
{
    if (atomic_load(&gauges->kafka_away))
        ol_http_reason(reasons, "Kafka does not answer");
    if (atomic_load(&gauges->postgres_away))
        ol_http_reason(reasons, "PostgreSQL does not answer");
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAMS; j++)
            for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
                int64_t offset = atomic_load(&gauges->holds[i][j][p].long_held);
                if (offset >= 0)
                    ol_http_reason(reasons,
                                   "%s %s partition %d is held back from offset %lld on by an open "
                                   "transaction",
                                   context_name((enum context)i), stream_name(streams[j]), p,
                                   (long long)offset);
            }
}

enum ol_class gauges_start(struct gauges **ret_gauges, struct loop *const *loops, size_t count,
                           const struct ol_options *options, struct ol_admin *admin,
                           const struct ol_kafka_settings *kafka, struct ol_error *reterr)
{
    struct gauges *gauges = calloc(1, sizeof *gauges);
    if (!gauges)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    gauges->count = count;
    gauges->options = options;
    gauges->admin = admin;
    gauges->brokers = kafka->brokers;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAMS; j++)
            for (int32_t p = 0; p < PARTITIONS_MAX; p++)
                forget_hold(&gauges->holds[i][j][p]);
    for (size_t i = 0; i < count; i++)
        gauges->loops[i] = loops[i];
    enum ol_class class = ol_reader_open(kafka, OL_READ_COMMITTED, 1, &gauges->reader, reterr);
    if (!class && pthread_create(&gauges->thread, NULL, watch, gauges) != 0)
        class = ol_fail(reterr, OL_FATAL, "no thread to be had");
    if (class) {
        ol_reader_close(gauges->reader);
        free(gauges);
        return class;
    }
    *ret_gauges = gauges;
    return OL_OK;
}

void gauges_stop(struct gauges *gauges)
{
    if (!gauges)
        return;
    pthread_join(gauges->thread, NULL);
    ol_reader_close(gauges->reader);
    ol_pg_free(gauges->db);
    free(gauges);
}
