#include "projections/projector.h"

#include <stdlib.h>

#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "projections/follower.h"
#include "projections/installation.h"
#include "projections/role_gauges.h"

#define GAUGES_EVERY_MS 1000
#define SAGAS_EVERY     10 /* rounds of gauges */

struct projector {
    const struct ol_options *options;
    struct installation installation;
    struct ol_http *http;
    struct role_gauges gauges; /* asked by the main thread */
    int round;
    struct follower followers[CONTEXT_COUNT];
    size_t count;                                    /* of them, initialised */
    struct ol_run_thread threads[CONTEXT_COUNT + 1]; /* the last watches the slot */
};

/* ---- gauges ---- */

/* A partition whose position is not known is not ours. False: the broker does not answer. */
static bool look_at_partition(struct projector *projector, struct follower *follower,
                              int32_t partition)
{
    const struct role_partition of = {follower->context, STREAM_EVENTS, partition,
                                      follower->topic.text};
    struct follower_partition *followed = &follower->followed[partition];
    int64_t stable, high;
    if (atomic_load(&followed->position) < 0) {
        role_gauges_hide(&projector->gauges, &of);
        return true;
    }
    if (!role_gauges_ends(&projector->gauges, &of, &stable, &high))
        return false;
    int64_t position = atomic_load(&followed->position);
    if (position >= 0)
        role_gauges_show_lag(&projector->gauges, &of, position, stable,
                             atomic_load(&followed->pending_ms));
    return true;
}

static void show_gauges(struct projector *projector)
{
    struct role_gauges *gauges = &projector->gauges;
    bool answers = role_gauges_kafka_answers(gauges, projector->followers[0].topic.text);
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < projector->followers[context].partitions && answers; i++)
            answers = look_at_partition(projector, &projector->followers[context], i);
    role_gauges_note_kafka(gauges, answers);
    if (projector->round++ % SAGAS_EVERY == 0)
        role_gauges_show_sagas(gauges);
}

/* ---- the role ---- */

static void ready(void *context, struct ol_http_reasons *reasons)
{
    struct projector *projector = context;
    role_gauges_reasons(&projector->gauges, reasons);
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
        class = role_gauges_open(&projector->gauges, projector->options,
                                 "orderlog-projector-gauges", projector->installation.admin,
                                 &projector->installation.kafka.settings, reterr);
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
        role_gauges_close(&projector->gauges);
        installation_release(&projector->installation);
        ol_run_release();
        ol_log(OL_LOG_INFO, "projector", "stopped", ol_kv("class", ol_class_name(class)));
    }
    free(projector);
    return class;
}
