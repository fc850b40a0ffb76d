#include "projections/role_gauges.h"

#include "lib/base/ol_clock.h"
#include "lib/http/ol_metrics.h"

#define TIMEOUT_MS   3000
#define STATEMENT_MS 5000 /* a database that stands still must not hold the end of a role up */

static const struct ol_pg_statement sagas_open = {
    .name = "sagas/open",
    .sql = "SELECT count(*) AS open,"
           " coalesce(extract(epoch FROM now() - min(recorded_at)) * 1000000, 0)::bigint"
           " AS oldest_us FROM orderlog.orders"
           " WHERE saga_state IN ('running', 'undoing', 'stuck')",
    .columns = (const struct ol_pg_column[]){{"open", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"oldest_us", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {0}},
};

enum ol_class role_gauges_open(struct role_gauges *gauges, const struct ol_options *options,
                               const char *application, struct ol_admin *admin,
                               const struct ol_kafka_settings *kafka, struct ol_error *reterr)
{
    gauges->options = options;
    gauges->application = application;
    gauges->admin = admin;
    return ol_reader_open(kafka, OL_READ_COMMITTED, 1, &gauges->reader, reterr);
}

void role_gauges_close(struct role_gauges *gauges)
{
    ol_reader_close(gauges->reader);
    ol_pg_free(gauges->db);
}

/* ---- Kafka ---- */

static bool ends(struct role_gauges *gauges, const char *topic, int32_t partition,
                 int64_t *ret_stable, int64_t *ret_high)
{
    struct ol_error error;
    return !ol_admin_ends(gauges->admin, gauges->reader, topic, partition, TIMEOUT_MS, ret_stable,
                          ret_high, &error);
}

bool role_gauges_kafka_answers(struct role_gauges *gauges, const char *topic)
{
    int64_t stable, high;
    return ends(gauges, topic, 0, &stable, &high);
}

void role_gauges_note_kafka(struct role_gauges *gauges, bool answers)
{
    atomic_store(&gauges->kafka_away, !answers);
}

bool role_gauges_ends(struct role_gauges *gauges, const struct role_partition *of,
                      int64_t *ret_stable, int64_t *ret_high)
{
    if (!ends(gauges, of->topic, of->partition, ret_stable, ret_high))
        return false;
    ol_series_set(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, of->topic, of->partition),
                  *ret_high > *ret_stable ? *ret_high - *ret_stable : 0);
    return true;
}

static struct ol_lag *lag_of(struct role_gauges *gauges, const struct role_partition *of)
{
    return &gauges->lags[of->context][of->stream][of->partition];
}

void role_gauges_show_lag(struct role_gauges *gauges, const struct role_partition *of,
                          int64_t position, int64_t stable_end, int64_t oldest_ms)
{
    struct ol_lag_shown shown = ol_lag_look(lag_of(gauges, of), position, stable_end, oldest_ms,
                                            ol_clock_monotonic_us(), ol_clock_wall_us());
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_RECORDS, of->topic, of->partition),
                  shown.records);
    ol_series_set(ol_metrics_partition(OL_METRIC_LAG_TIME, of->topic, of->partition), shown.age_us);
}

void role_gauges_hide(struct role_gauges *gauges, const struct role_partition *of)
{
    *lag_of(gauges, of) = (struct ol_lag){0};
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_RECORDS, of->topic, of->partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_LAG_TIME, of->topic, of->partition));
    ol_series_hide(ol_metrics_partition(OL_METRIC_STABLE_OFFSET_LAG, of->topic, of->partition));
}

/* ---- the database ---- */

static enum ol_class read_sagas(struct role_gauges *gauges, struct ol_error *reterr)
{
    const struct ol_pg_options options = {.dsn = gauges->options->pg_dsn,
                                          .application_name = gauges->application,
                                          .statement_timeout_ms = STATEMENT_MS,
                                          .read_only = true,
                                          .primary = true,
                                          .pooled = ol_options_pooled(gauges->options)};
    enum ol_class class = OL_OK;
    if (!gauges->db)
        class = ol_pg_open(&options, &gauges->db, reterr);
    else if (!ol_pg_usable(gauges->db))
        class = ol_pg_reconnect(gauges->db, reterr);
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    if (!class)
        class = ol_pg_exec(gauges->db, &sagas_open, NULL, &rows, reterr);
    if (class)
        return class;
    ol_series_set(ol_metric(OL_METRIC_SAGAS_OPEN), ol_pg_int64(&rows, 0, 0));
    int64_t age_us = ol_pg_int64(&rows, 0, 1); /* times of the broker: another clock */
    ol_series_set(ol_metric(OL_METRIC_SAGA_OLDEST_AGE), age_us > 0 ? age_us : 0);
    return OL_OK;
}

void role_gauges_show_sagas(struct role_gauges *gauges)
{
    struct ol_error error;
    bool answers = read_sagas(gauges, &error) == OL_OK;
    atomic_store(&gauges->postgres_away, !answers);
    if (answers)
        return;
    ol_series_hide(ol_metric(OL_METRIC_SAGAS_OPEN));
    ol_series_hide(ol_metric(OL_METRIC_SAGA_OLDEST_AGE));
}

void role_gauges_reasons(struct role_gauges *gauges, struct ol_http_reasons *reasons)
{
    if (atomic_load(&gauges->kafka_away))
        ol_http_reason(reasons, "Kafka does not answer");
    if (atomic_load(&gauges->postgres_away))
        ol_http_reason(reasons, "PostgreSQL does not answer");
}
