/* The small ports: clocks, life cycle, log, metrics, connections. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/http/ol_http.h"
#include "lib/http/ol_metrics.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

/* ---- clocks: an actor's own goes wrong and jumps ---- */

int64_t ol_clock_monotonic_us(void)
{
    const struct actor *actor = sim_actor();
    int64_t now_us = world->now_us + SEC; /* 0 is 'never' to some */
    return actor ? now_us + now_us / 1000000 * actor->drift_ppm : now_us;
}

int64_t ol_clock_wall_us(void)
{
    const struct actor *actor = sim_actor();
    return world->wall_us + ol_clock_monotonic_us() - SEC + (actor ? actor->wall_offset_us : 0);
}

/* ---- life ---- */

bool ol_kill_point_armed_ = true;

bool ol_run_stopping(void)
{
    const struct actor *actor = sim_actor();
    return actor->dead || actor->stop;
}

int ol_run_fd(void)
{
    return -1;
}

bool ol_run_sleep(int64_t wait_ms)
{
    sim_sleep(wait_ms * MS);
    return ol_run_stopping();
}

void ol_kill_point_pass(const char *name)
{
    struct actor *actor = sim_actor();
    if (actor->dead || !sim_has(FAULT_CRASH_AT) || !sim_chance(1500))
        return;
    count(COUNT_CRASHES_AT);
    sim_say("actor %d killed at %s", actor->number, name);
    actor->dead = true;
}

/* ---- log: what a loop tells is what the timeline shows ---- */

int ol_log_threshold_ = OL_LOG_WARN;

#define FIELD(make, member, which, type)                                                           \
    struct ol_log_field make(const char *key, type value)                                          \
    {                                                                                              \
        return (struct ol_log_field){.key = key, .kind = which, .member = value};                  \
    }
FIELD(ol_kv_text, text, OL_LOG_TEXT, const char *)
FIELD(ol_kv_int, integer, OL_LOG_INT, int64_t)
FIELD(ol_kv_unsigned, natural, OL_LOG_UNSIGNED, uint64_t)
FIELD(ol_kv_real, real, OL_LOG_REAL, double)
FIELD(ol_kv_bool, boolean, OL_LOG_BOOL, bool)

static const struct ol_log_field *field(const struct ol_log_field fields[], const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static void note_restart(const struct ol_log_field fields[])
{
    const char *error = field(fields, "error")->text;
    count(COUNT_SCRATCH);
    if (strstr(error, "went back"))
        count(COUNT_WENT_BACK);
    if (strstr(error, "another owner"))
        count(COUNT_OUTRUN);
    if (strcmp(field(fields, "class")->text, "usage") == 0)
        sim_fail((struct text){0}, "a loop did what its own port refuses: %s", error);
}

void ol_log_write(enum ol_log_level level, const char *component, const char *message,
                  const struct ol_log_field fields[])
{
    const struct actor *actor = sim_actor();
    (void)level, (void)component;
    if (actor->dead)
        return;
    if (tracing) {
        const struct ol_log_field *error = field(fields, "error"), *why = field(fields, "reason");
        sim_say("actor %d (%s %s %d): %s%s%s", actor->number, context_name(actor->context),
                actor->projector ? "projector" : "worker", actor->slot, message,
                error || why ? ": " : "",
                error ? error->text
                : why ? why->text
                      : "");
    }
    if (strcmp(message, "starting from scratch") == 0)
        note_restart(fields);
    else if (strcmp(message, "partition halted") == 0)
        check_halted(actor, field(fields, "partition")->integer, field(fields, "reason")->text);
}

/* ---- metrics: nobody looks ---- */

struct ol_series {
    int nothing;
};
static struct ol_series no_series;

struct ol_series *ol_metrics_series(enum ol_metric metric, const char *const values[])
{
    (void)values;
    if (metric == OL_METRIC_TAKEOVERS)
        count(COUNT_TAKEOVERS); /* looked up once a life */
    return &no_series;
}

struct ol_series *ol_metrics_partition(enum ol_metric metric, const char *topic, int32_t partition)
{
    (void)metric, (void)topic, (void)partition;
    return &no_series;
}

void ol_series_add(struct ol_series *series, int64_t value)
{
    (void)series, (void)value;
}

void ol_series_set(struct ol_series *series, int64_t value)
{
    (void)series, (void)value;
}

void ol_series_observe(struct ol_series *series, int64_t value)
{
    (void)series, (void)value;
}

void ol_series_hide(struct ol_series *series)
{
    (void)series;
}

/* ---- connections ---- */

enum ol_class ol_kafka_connection_init(struct ol_kafka_connection *ret_connection,
                                       const struct ol_options *options, const char *client_id,
                                       struct ol_error *reterr)
{
    (void)options, (void)client_id, (void)reterr;
    memset(ret_connection, 0, sizeof *ret_connection);
    return OL_OK;
}

void ol_kafka_connection_release(struct ol_kafka_connection *connection)
{
    (void)connection;
}

/* ---- readiness: nobody asks ---- */

void ol_http_reason(struct ol_http_reasons *reasons, const char *format, ...)
{
    (void)reasons, (void)format;
}
