#include "projections/projector.h"

#include <stdlib.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "projections/follower.h"
#include "projections/installation.h"

#define GAUGES_EVERY_MS 1000
#define WATERMARK_MS    2000
#define SAGAS_EVERY     10 /* rounds of gauges */
#define STATEMENT_MS    5000

/* What the gauges show, asked by the main thread. */
struct projector_gauges {
    struct ol_pg *db;
    struct ol_reader *reader; /* read_committed: its end is the last stable offset */
    int round;
    int64_t behind_since_us[CONTEXT_COUNT][PARTITIONS_MAX]; /* monotonic; 0: not behind */
    uint64_t shown[CONTEXT_COUNT]; /* partitions with a lag on display, as bits */
    _Atomic bool kafka_away, postgres_away;
};

struct projector {
    const struct ol_options *options;
    struct installation installation;
    struct ol_http *http;
    struct projector_gauges gauges;
    struct follower followers[CONTEXT_COUNT];
    size_t count;                                    /* of them, initialised */
    struct ol_run_thread threads[CONTEXT_COUNT + 1]; /* the last watches the slot */
};

/* ---- gauges ---------------------------------------------------------------------------------- */

static const struct ol_pg_statement open_sagas = {
    .name = "sagas/open",
    .sql = "SELECT count(*) AS sagas, min(recorded_at) AS oldest FROM orderlog.orders "
           "WHERE saga_state IN ('running', 'undoing', 'stuck')",
    .columns = (const struct ol_pg_column[]){{"sagas", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"oldest", OL_PG_TIMESTAMPTZ, OL_PG_NULLABLE},
                                             {0}},
};

static enum ol_class show_sagas(struct projector *projector, struct ol_error *reterr)
{
    struct projector_gauges *gauges = &projector->gauges;
    const struct ol_pg_options options = {.dsn = projector->options->pg_dsn,
                                          .application_name = "orderlog-projector-gauges",
                                          .statement_timeout_ms = STATEMENT_MS,
                                          .read_only = true,
                                          .primary = true,
                                          .pooled = ol_options_pooled(projector->options)};
    enum ol_class class = OL_OK;
    if (!gauges->db)
        class = ol_pg_open(&options, &gauges->db, reterr);
    else if (!ol_pg_usable(gauges->db))
        class = ol_pg_reconnect(gauges->db, reterr);
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    if (!class)
        class = ol_pg_exec(gauges->db, &open_sagas, NULL, &rows, reterr);
    if (class) {
        ol_series_hide(ol_metric(OL_METRIC_SAGAS_OPEN));
        ol_series_hide(ol_metric(OL_METRIC_SAGA_OLDEST_AGE));
        return class;
    }
    int64_t age_us = ol_pg_is_null(&rows, 0, 1) ? 0 : ol_clock_wall_us() - ol_pg_us(&rows, 0, 1);
    ol_series_set(ol_metric(OL_METRIC_SAGAS_OPEN), ol_pg_int64(&rows, 0, 0));
    ol_series_set(ol_metric(OL_METRIC_SAGA_OLDEST_AGE), age_us > 0 ? age_us : 0);
    return OL_OK;
}

static void hide_lag(struct projector *projector, enum context context, int32_t partition)
{
    const char *topic = projector->followers[context].topic.text;
    uint64_t bit = UINT64_C(1) << partition;
    if (!(projector->gauges.shown[context] & bit))
        return;
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_RECORDS, topic, partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_TIME, topic, partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, topic, partition));
    projector->gauges.shown[context] &= ~bit;
}

/* Records between the rows and the end of the partition, and the age of the oldest of them: by the
 * broker's clock where it was read already, else by how long we have lagged. */
static void show_lag(struct projector *projector, enum context context, int32_t partition,
                     int64_t high, int64_t position)
{
    const struct follower *follower = &projector->followers[context];
    int64_t *behind_since_us = &projector->gauges.behind_since_us[context][partition];
    int64_t pending_ms = atomic_load(&follower->followed[partition].pending_ms);
    int64_t now_us = ol_clock_monotonic_us(), lag = high > position ? high - position : 0,
            age_us = 0;
    if (lag == 0)
        *behind_since_us = 0;
    else if (*behind_since_us == 0)
        *behind_since_us = now_us;
    if (lag > 0)
        age_us =
            pending_ms >= 0 ? ol_clock_wall_us() - 1000 * pending_ms : now_us - *behind_since_us;
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_RECORDS, follower->topic.text, partition),
                  lag);
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_TIME, follower->topic.text, partition),
                  age_us > 0 ? age_us : 0);
    projector->gauges.shown[context] |= UINT64_C(1) << partition;
}

/* Position known: the partition is owned. */
static enum ol_class show_partition(struct projector *projector, enum context context,
                                    int32_t partition, int64_t position, struct ol_error *reterr)
{
    const char *topic = projector->followers[context].topic.text;
    int64_t stable, high;
    enum ol_class class = ol_admin_ends(projector->installation.admin, projector->gauges.reader,
                                        topic, partition, WATERMARK_MS, &stable, &high, reterr);
    if (class)
        return class;
    ol_series_set(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, topic, partition),
                  high > stable ? high - stable : 0);
    show_lag(projector, context, partition, high, position);
    return OL_OK;
}

static enum ol_class show_lags(struct projector *projector, struct ol_error *reterr)
{
    int64_t high;
    /* Kafka is asked even where no partition is ours: its absence may be why. */
    enum ol_class class =
        ol_admin_watermarks(projector->installation.admin, projector->followers[0].topic.text, 0,
                            WATERMARK_MS, NULL, &high, reterr);
    for (int context = 0; context < CONTEXT_COUNT && !class; context++) {
        const struct follower *follower = &projector->followers[context];
        for (int32_t i = 0; i < follower->partitions && !class; i++) {
            int64_t position = atomic_load(&follower->followed[i].position);
            if (position < 0)
                hide_lag(projector, (enum context)context, i);
            else
                class = show_partition(projector, (enum context)context, i, position, reterr);
        }
    }
    return class;
}

static void show_gauges(struct projector *projector)
{
    struct ol_error error = {0};
    struct projector_gauges *gauges = &projector->gauges;
    atomic_store(&gauges->kafka_away, show_lags(projector, &error) != OL_OK);
    if (gauges->round++ % SAGAS_EVERY == 0)
        atomic_store(&gauges->postgres_away, show_sagas(projector, &error) != OL_OK);
}

/* ---- the role -------------------------------------------------------------------------------- */

static void ready(void *context, struct ol_http_reasons *reasons)
{
    struct projector *projector = context;
    if (atomic_load(&projector->gauges.kafka_away))
        ol_http_reason(reasons, "Kafka does not answer");
    if (atomic_load(&projector->gauges.postgres_away))
        ol_http_reason(reasons, "PostgreSQL does not answer");
    for (size_t i = 0; i < CONTEXT_COUNT; i++)
        follower_reasons(&projector->followers[i], reasons);
}

static enum ol_class follow(void *follower, struct ol_error *reterr)
{
    return follower_run(follower, reterr);
}

static enum ol_class start_threads(struct projector *projector, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < CONTEXT_COUNT && !class; i++) {
        projector->count = i + 1;
        class =
            follower_init(&projector->followers[i], projector->options, (enum context)i, reterr);
    }
    for (size_t i = 0; i < CONTEXT_COUNT && !class; i++)
        class =
            ol_run_thread_start(&projector->threads[i], follow, &projector->followers[i], reterr);
    if (!class)
        class = ol_run_thread_start(&projector->threads[CONTEXT_COUNT], ol_slot_watch,
                                    projector->installation.slot, reterr);
    return class;
}

static enum ol_class project(struct projector *projector, struct ol_error *reterr)
{
    const struct ol_http_settings http = {
        .port = (uint16_t)projector->options->metrics_port, .ready = ready, .context = projector};
    enum ol_class class =
        installation_init(&projector->installation, "projector", projector->options, reterr);
    if (!class)
        class = ol_reader_open(&projector->installation.kafka.settings, OL_READ_COMMITTED, 1,
                               &projector->gauges.reader, reterr);
    if (!class)
        class = start_threads(projector, reterr);
    if (!class)
        class = ol_http_start(&projector->http, &http, reterr);
    if (class) {
        ol_run_stop();
        return ol_run_threads_join(projector->threads, CONTEXT_COUNT + 1, class, reterr);
    }
    ol_log(OL_LOG_INFO, "projector", "started", ol_kv("slot", projector->options->slot),
           ol_kv("metrics_port", ol_http_port(projector->http)),
           ol_kv("librdkafka", ol_kafka_version()));
    while (!ol_run_sleep(GAUGES_EVERY_MS))
        show_gauges(projector);
    return ol_run_threads_join(projector->threads, CONTEXT_COUNT + 1, OL_OK, reterr);
}

enum ol_class projector_run(const struct ol_options *options, struct ol_error *reterr)
{
    struct projector *projector = calloc(1, sizeof *projector);
    if (!projector)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    projector->options = options;
    enum ol_class class = ol_run_init(options->drain_ms, reterr);
    if (!class) {
        class = project(projector, reterr);
        ol_http_stop(projector->http);
        if (!class)
            ol_run_drained();
        for (size_t i = 0; i < projector->count; i++)
            follower_release(&projector->followers[i]);
        ol_pg_free(projector->gauges.db);
        ol_reader_close(projector->gauges.reader);
        installation_release(&projector->installation);
        ol_run_release();
        ol_log(OL_LOG_INFO, "projector", "stopped", ol_kv("class", ol_class_name(class)));
    }
    free(projector);
    return class;
}
