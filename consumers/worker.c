#include "consumers/worker.h"

#include "consumers/gauges.h"
#include "consumers/loop.h"
#include "lib/http/ol_http.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "projections/installation.h"

#include <stdlib.h>

struct worker {
    const struct ol_options *options;
    struct installation installation;
    struct ol_http *http;
    struct gauges *gauges;
    struct loop loops[CONTEXT_COUNT];
    struct ol_run_thread threads[CONTEXT_COUNT + 1]; /* the last watches the slot */
    size_t count;                                    /* of loops */
};

static enum ol_class context_by_name(const char *name, enum context *ret_context,
                                     struct ol_error *reterr)
{
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        if (strcmp(name, context_name((enum context)i)) == 0) {
            *ret_context = (enum context)i;
            return OL_OK;
        }
    }
    return ol_fail(reterr, OL_USAGE,
                   "--context: there is no context '%s'; take orders, inventory, payments", name);
}

static enum ol_class init_loops(struct worker *worker, struct ol_error *reterr)
{
    const struct ol_option_list *names = &worker->options->context;
    if (names->count > CONTEXT_COUNT)
        return ol_fail(reterr, OL_USAGE, "--context: a context is named twice");
    for (size_t i = 0; i < names->count; i++) {
        enum context context = CONTEXT_ORDERS;
        enum ol_class class = context_by_name(names->items[i], &context, reterr);
        if (class)
            return class;
        for (size_t j = 0; j < i; j++)
            if (worker->loops[j].context == context)
                return ol_fail(reterr, OL_USAGE, "--context: '%s' is named twice", names->items[i]);
        worker->count = i + 1;
        class = loop_init(&worker->loops[i], worker->options, context, worker->installation.admin,
                          reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

static enum ol_class run_loop(void *loop, struct ol_error *reterr)
{
    return loop_run(loop, reterr);
}

static void ready(void *context, struct ol_http_reasons *reasons)
{
    struct worker *worker = context;
    gauges_reasons(worker->gauges, reasons);
    for (size_t i = 0; i < worker->count; i++) {
        struct loop *loop = &worker->loops[i];
        const char *name = context_name(loop->context);
        int status = atomic_load(&loop->status);
        if (status != LOOP_IS_RUNNING)
            ol_http_reason(reasons, "%s is %s", name, loop_status_name((enum loop_status)status));
        uint64_t halted = atomic_load(&loop->halted_now);
        for (int32_t p = 0; p < loop->partitions; p++)
            if (halted >> p & 1)
                ol_http_reason(reasons, "%s partition %d is halted", name, p);
    }
}

static enum ol_class start_threads(struct worker *worker, struct ol_error *reterr)
{
    for (size_t i = 0; i < worker->count; i++) {
        enum ol_class class =
            ol_run_thread_start(&worker->threads[i], run_loop, &worker->loops[i], reterr);
        if (class)
            return class;
    }
    return ol_run_thread_start(&worker->threads[CONTEXT_COUNT], ol_slot_watch,
                               worker->installation.slot, reterr);
}

static enum ol_class start_gauges(struct worker *worker, struct ol_error *reterr)
{
    struct loop *loops[CONTEXT_COUNT];
    for (size_t i = 0; i < worker->count; i++)
        loops[i] = &worker->loops[i];
    return gauges_start(&worker->gauges, loops, worker->count, worker->options,
                        worker->installation.admin, &worker->installation.kafka.settings, reterr);
}

static enum ol_class work(struct worker *worker, struct ol_error *reterr)
{
    enum ol_class class =
        installation_init(&worker->installation, "worker", worker->options, reterr);
    if (!class)
        class = init_loops(worker, reterr);
    const struct ol_http_settings http = {
        .port = (uint16_t)worker->options->metrics_port, .ready = ready, .context = worker};
    if (!class)
        class = start_gauges(worker, reterr);
    if (!class)
        class = ol_http_start(&worker->http, &http, reterr);
    if (class) {
        ol_run_stop(); /* the gauges */
        return class;
    }
    ol_log(OL_LOG_INFO, "worker", "started", ol_kv("slot", worker->options->slot),
           ol_kv("metrics_port", ol_http_port(worker->http)),
           ol_kv("librdkafka", ol_kafka_version()));
    class = start_threads(worker, reterr);
    if (class)
        ol_run_stop();
    return ol_run_threads_join(worker->threads, CONTEXT_COUNT + 1, class, reterr);
}

enum ol_class worker_run(const struct ol_options *options, struct ol_error *reterr)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    worker->options = options;
    enum ol_class class = ol_run_init(options->drain_ms, reterr);
    if (!class) {
        class = work(worker, reterr);
        ol_http_stop(worker->http);
        gauges_stop(worker->gauges);
        if (!class)
            ol_run_drained();
        for (size_t i = 0; i < worker->count; i++)
            loop_release(&worker->loops[i]);
        installation_release(&worker->installation);
        ol_run_release();
        ol_log(OL_LOG_INFO, "worker", "stopped", ol_kv("class", ol_class_name(class)));
    }
    free(worker);
    return class;
}
