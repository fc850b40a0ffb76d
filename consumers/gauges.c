#include "consumers/gauges.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/ol_clock.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "projections/role_gauges.h"

#define EVERY_MS 5000
#define HELD_US  (INT64_C(10) * 1000000) /* open for longer: somebody's to look at */
#define STREAMS  3                       /* commands, steps, events */

/* The last stable offset of a partition while it stands still below the high watermark. */
struct hold {
    int64_t offset, since_us;  /* since_us 0: it does not */
    _Atomic int64_t long_held; /* the offset, once that is HELD_US ago; -1: no */
};

struct gauges {
    pthread_t thread;
    struct loop *loops[CONTEXT_COUNT];
    size_t count;
    const char *brokers;
    struct role_gauges shown;
    struct hold holds[CONTEXT_COUNT][STREAMS][PARTITIONS_MAX];
};

static const enum stream streams[STREAMS] = {STREAM_COMMANDS, STREAM_STEPS, STREAM_EVENTS};

static void forget_hold(struct hold *hold)
{
    hold->since_us = 0;
    atomic_store(&hold->long_held, -1);
}

/* Transactions come and go all the time: one that stays holds back whatever is acknowledged
 * behind. */
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

static struct role_partition shown_partition(const struct loop *loop, int stream, int32_t partition)
{
    return (struct role_partition){loop->context, streams[stream], partition,
                                   loop->topics[streams[stream]].text};
}

/* False: the broker does not answer. */
static bool look_at_partition(struct gauges *gauges, struct loop *loop, int32_t partition)
{
    for (int i = 0; i < STREAMS; i++) {
        const struct role_partition of = shown_partition(loop, i, partition);
        int64_t stable, high;
        if (ol_run_stopping())
            return true;
        if (!role_gauges_ends(&gauges->shown, &of, &stable, &high))
            return false;
        note_hold(gauges, &gauges->holds[loop->context][i][partition], of.topic, partition, stable,
                  high);
        if (of.stream != STREAM_EVENTS) /* the projector's */
            role_gauges_show_lag(&gauges->shown, &of, atomic_load(&loop->positions[i][partition]),
                                 stable, atomic_load(&loop->waiting_since_ms[i][partition]));
    }
    return true;
}

/* Once the broker has not answered, it is not asked again in this round. */
static void look_at_kafka(struct gauges *gauges)
{
    bool answers =
        role_gauges_kafka_answers(&gauges->shown, gauges->loops[0]->topics[STREAM_EVENTS].text);
    for (size_t i = 0; i < gauges->count; i++) {
        struct loop *loop = gauges->loops[i];
        uint64_t owned = atomic_load(&loop->owned_now);
        for (int32_t p = 0; p < loop->partitions; p++) {
            if (owned >> p & 1)
                answers = answers && look_at_partition(gauges, loop, p);
            else
                for (int j = 0; j < STREAMS; j++) {
                    const struct role_partition of = shown_partition(loop, j, p);
                    role_gauges_hide(&gauges->shown, &of);
                    forget_hold(&gauges->holds[loop->context][j][p]);
                }
        }
    }
    role_gauges_note_kafka(&gauges->shown, answers);
}

static void *watch(void *argument)
{
    struct gauges *gauges = argument;
    while (!ol_run_sleep(EVERY_MS)) {
        look_at_kafka(gauges);
        role_gauges_show_sagas(&gauges->shown);
    }
    return NULL;
}

void gauges_reasons(struct gauges *gauges, struct ol_http_reasons *reasons)
{
    role_gauges_reasons(&gauges->shown, reasons);
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
    gauges->brokers = kafka->brokers;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAMS; j++)
            for (int32_t p = 0; p < PARTITIONS_MAX; p++)
                forget_hold(&gauges->holds[i][j][p]);
    for (size_t i = 0; i < count; i++)
        gauges->loops[i] = loops[i];
    enum ol_class class =
        role_gauges_open(&gauges->shown, options, "orderlog-gauges", admin, kafka, reterr);
    if (!class && pthread_create(&gauges->thread, NULL, watch, gauges) != 0)
        class = ol_fail(reterr, OL_FATAL, "no thread to be had");
    if (class) {
        role_gauges_close(&gauges->shown);
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
    role_gauges_close(&gauges->shown);
    free(gauges);
}
