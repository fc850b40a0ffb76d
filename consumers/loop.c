#include "consumers/loop.h"

#include <stdio.h>

#include "domain/assert.h"
#include "lib/guard/protected.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_lives.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

/*
 * A life: open producers, join, then pass after pass of serve(), which decides what to do next; all
 * below it does what it is told. What holds between the parts:
 *
 *   one transaction at a time    batch n+1 is decided on top of batch n, so it begins only once n
 *                                is known to be in the log
 *   decided is not written       until its commit has succeeded, a batch may vanish with this life;
 *                                only the messages that it was made from are for ever
 *   inputs move by transactions  an offset is committed with what follows from it, never before
 *   the group is never left      every wait below serves it: a member that is late to answer stops
 *   waiting                      all others
 */

#define IDLE_WAIT_MS        500
#define HELD_WAIT_MS        ((int)(ADMISSION_HELD_US / 1000)) /* commands wait, and wake nobody */
#define CLOSE_MS            5000
#define LEAVE_ASK_MS        1000           /* is the broker there, for a last commit? */
#define PROJECTION_STALE_US INT64_C(50000) /* ask again when memory is short */
#define OVERLAY_WAIT_MS     10
#define TIMEOUTS_EVERY_US   INT64_C(100000)
#define TIMEOUTS_MAX        500
#define PUBLISH_EVERY_US    INT64_C(500000)

/* The name that PostgreSQL and Kafka see, different for each context and slot. */
#define CLIENT_ID "orderlog-%s-%lld"

const char *loop_status_name(enum loop_status status)
{
    static const char *const names[LOOP_STATUS_COUNT] = {
        [LOOP_IS_STARTING] = "starting",
        [LOOP_IS_JOINING] = "joining the group",
        [LOOP_IS_TAKING_OVER] = "taking over",
        [LOOP_IS_RUNNING] = "running",
        [LOOP_IS_WAITING] = "waiting for the database",
        [LOOP_IS_RESTARTING] = "restarting",
        [LOOP_IS_STOPPED] = "stopped",
    };
    return names[status];
}

static void set_status(struct loop *loop, enum loop_status status)
{
    atomic_store(&loop->status, (int)status);
}

/* ---- life ---- */

static void metrics_init(struct loop_metrics *metrics, const char *context)
{
    *metrics = (struct loop_metrics){
        .commands_in = ol_metric(OL_METRIC_INPUTS, context, "command"),
        .steps_in = ol_metric(OL_METRIC_INPUTS, context, "step"),
        .decided = ol_metric(OL_METRIC_COMMANDS, context, "command", "decided"),
        .refused = ol_metric(OL_METRIC_COMMANDS, context, "command", "refused"),
        .repeated = ol_metric(OL_METRIC_COMMANDS, context, "command", "repeated"),
        .steps_decided = ol_metric(OL_METRIC_COMMANDS, context, "step", "decided"),
        .steps_ignored = ol_metric(OL_METRIC_COMMANDS, context, "step", "ignored"),
        .passed_on = ol_metric(OL_METRIC_PASSED_ON, context),
        .dead_lettered = ol_metric(OL_METRIC_DEAD_LETTERS, context, "command"),
        .steps_dead_lettered = ol_metric(OL_METRIC_DEAD_LETTERS, context, "step"),
        .events = ol_metric(OL_METRIC_EVENTS, context),
        .steps = ol_metric(OL_METRIC_STEPS, context),
        .committed = ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, context, "committed"),
        .aborted = ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, context, "aborted"),
        .commit_time = ol_metric(OL_METRIC_KAFKA_TRANSACTION_TIME, context),
        .renewed = ol_metric(OL_METRIC_KAFKA_PRODUCERS_RENEWED, context),
        .takeovers = ol_metric(OL_METRIC_TAKEOVERS, context),
        .overlay_entries = ol_metric(OL_METRIC_OVERLAY_ENTRIES, context),
        .overlay_bytes = ol_metric(OL_METRIC_OVERLAY_BYTES, context),
        .overlay_wait = ol_metric(OL_METRIC_OVERLAY_WAIT, context),
        .commands_held = ol_metric(OL_METRIC_COMMANDS_HELD, context),
    };
}

static void name_topics(struct loop *loop)
{
    const char *prefix = loop->options->topic_prefix;
    for (int i = 0; i < STREAM_COUNT; i++)
        loop->topics[i] = topic_name(prefix, loop->context, (enum stream)i);
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        loop->step_topics[i] = topic_name(prefix, (enum context)i, STREAM_STEPS);
        loop->event_topics[i] = topic_name(prefix, (enum context)i, STREAM_EVENTS);
    }
    loop->group = worker_group_name(prefix, loop->context);
    loop->numbers.input_names[0] = loop->topics[STREAM_COMMANDS].text;
    loop->numbers.input_names[1] = loop->topics[STREAM_STEPS].text;
}

enum ol_class loop_init(struct loop *loop, const struct ol_options *options, enum context context,
                        struct ol_admin *admin, struct ol_error *reterr)
{
    loop->options = options;
    loop->context = context;
    loop->partitions = (int32_t)options->partitions;
    loop->admin = admin;
    name_topics(loop);
    metrics_init(&loop->metrics, context_name(context));

    const struct core_settings settings = {
        .context = context,
        .partitions = loop->partitions,
        .order_deadline_us = options->order_deadline_ms * 1000,
        .overlay = {.bytes = (size_t)options->overlay_bytes,
                    .bytes_max = (size_t)options->overlay_bytes_max},
    };
    const struct batch_limits limits = {.inputs = (size_t)options->batch_inputs,
                                        .output_bytes = (size_t)options->batch_output_bytes};
    char client[64];
    snprintf(client, sizeof client, CLIENT_ID, context_name(context), (long long)options->slot);
    if (settings.overlay.bytes > settings.overlay.bytes_max)
        return ol_fail(reterr, OL_USAGE, "overlay-bytes must not be above overlay-bytes-max");
    enum ol_class class = ol_kafka_connection_init(&loop->kafka, options, client, reterr);
    if (class)
        return class;
    loop->kafka.settings.fetch_budget_bytes /= CONTEXT_COUNT; /* as if one process ran all */
    loop->core = core_new(&settings);
    bool batches = batch_init(&loop->batches[0], context, limits, &loop->numbers) &&
                   batch_init(&loop->batches[1], context, limits, &loop->numbers);
    return loop->core && batches ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
}

void loop_release(struct loop *loop)
{
    for (int i = 0; i < 2; i++)
        if (loop->batches[i].messages)
            batch_release(&loop->batches[i]);
    core_free(loop->core);
    ol_kafka_connection_release(&loop->kafka);
    *loop = (struct loop){0};
}

static enum ol_class open_database(struct loop *loop, struct ol_error *reterr)
{
    char name[64];
    snprintf(name, sizeof name, CLIENT_ID, context_name(loop->context),
             (long long)loop->options->slot);
    const struct ol_pg_options options = {.dsn = loop->options->pg_dsn,
                                          .application_name = name,
                                          .read_only = true,
                                          .primary = true,
                                          .pooled = ol_options_pooled(loop->options)};
    enum ol_class class = ol_pg_open(&options, &loop->db, reterr);
    if (class)
        return class;
    loop->load =
        load_new(loop->db, loop->context, loop->topics[STREAM_EVENTS].text, loop->partitions);
    return loop->load ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
}

/* The producers first: opening them ends whatever our last life left open. */
static enum ol_class open_producers(struct loop *loop, struct ol_error *reterr)
{
    for (int i = 0; i < 2; i++) {
        char id[TOPIC_NAME_BYTES_MAX + 32];
        snprintf(id, sizeof id, "%s.%s.%lld.%c", loop->options->topic_prefix,
                 context_name(loop->context), (long long)loop->options->slot, "ab"[i]);
        enum ol_class class =
            ol_producer_open(&loop->kafka.settings, id, &loop->producers[i], reterr);
        if (class)
            return class;
        struct ol_producer *producer = loop->producers[i];
        loop->numbers.commands = ol_producer_topic(producer, loop->topics[STREAM_COMMANDS].text);
        loop->numbers.events = ol_producer_topic(producer, loop->topics[STREAM_EVENTS].text);
        loop->numbers.dead_letters =
            ol_producer_topic(producer, loop->topics[STREAM_DEAD_LETTERS].text);
        for (int j = 0; j < CONTEXT_COUNT; j++)
            loop->numbers.steps[j] = ol_producer_topic(producer, loop->step_topics[j].text);
    }
    return OL_OK;
}

static enum ol_class open_consumer(struct loop *loop, struct ol_error *reterr)
{
    char instance[64];
    snprintf(instance, sizeof instance, "%s-%lld", context_name(loop->context),
             (long long)loop->options->slot);
    const char *topics[] = {loop->topics[STREAM_COMMANDS].text, loop->topics[STREAM_STEPS].text};
    const struct ol_consumer_options options = {
        .group = loop->group.text,
        .instance = instance,
        .topics = topics,
        .topic_count = 2,
        .partition_count = (size_t)(2 * loop->partitions),
    };
    enum ol_class class = ol_reader_open(&loop->kafka.settings, OL_READ_COMMITTED,
                                         (size_t)loop->partitions, &loop->reader, reterr);
    return class ? class
                 : ol_consumer_open(&loop->kafka.settings, &options, &loop->consumer, reterr);
}

/* Nothing is taken, decided or on its way. What the messages say is still in their topics. */
static void drop_batches(struct loop *loop)
{
    for (int i = 0; i < 2; i++)
        batch_clear(&loop->batches[i]);
    ol_message_release(&loop->held);
    loop->building = &loop->batches[0];
    loop->committing = NULL;
    loop->news = OL_CONSUMER_NOTHING;
    loop->interrupted = false;
    loop->deciding = false;
    loop->admission = (struct admission){0};
    loop->held_back_us = 0;
}

void loop_disown(struct loop *loop)
{
    core_clear(loop->core);
    loop->owned = loop->halted = 0;
    atomic_store(&loop->halted_now, 0);
    atomic_store(&loop->owned_now, 0);
    for (int32_t i = 0; i < loop->partitions; i++)
        ol_series_hide(ol_metrics_partition(OL_METRIC_PARTITION_HALTED,
                                            loop->topics[STREAM_COMMANDS].text, i));
}

void loop_halt(struct loop *loop, int32_t partition, const char *topic, const char *reason)
{
    domain_assert(partition >= 0 && partition < loop->partitions);
    loop->halted |= UINT64_C(1) << partition;
    atomic_store(&loop->halted_now, loop->halted);
    ol_series_set(ol_metrics_partition(OL_METRIC_PARTITION_HALTED,
                                       loop->topics[STREAM_COMMANDS].text, partition),
                  1);
    ol_log(OL_LOG_ERROR, "worker", "partition halted",
           ol_kv("context", context_name(loop->context)), ol_kv("topic", topic),
           ol_kv("partition", partition), ol_kv("reason", reason));
}

/* All that a life has opened. for_good: the group learns that we leave; else the slot comes back
 * and finds its partitions. False: a close hangs; the process should end. */
static bool close_life(void *argument, bool for_good)
{
    struct loop *loop = argument;
    bool clean = ol_reader_close(loop->reader);
    for (int i = 0; i < 2; i++) {
        clean &= ol_producer_close(loop->producers[i]);
        loop->producers[i] = NULL;
    }
    /* After the producers: a commit that hung may still be reading what was produced. Before the
     * consumer: its handle can't be closed while its messages are held. */
    if (clean)
        drop_batches(loop);
    clean &= for_good ? ol_consumer_leave(loop->consumer, CLOSE_MS)
                      : ol_consumer_abandon(loop->consumer, CLOSE_MS);
    loop->consumer = NULL;
    loop->reader = NULL;
    load_free(loop->load);
    ol_pg_free(loop->db);
    loop->load = NULL;
    loop->db = NULL;
    loop_disown(loop);
    return clean;
}

/* ---- deciding ---- */

/* A release names a reservation, and only that names its products: two rounds at most. */
static enum ol_class load_missing(struct loop *loop, struct ol_error *reterr)
{
    struct batch *batch = loop->building;
    for (;;) {
        struct entity_key *keys;
        size_t count;
        if (!core_missing(loop->core, batch->inputs + batch->decided, batch->count - batch->decided,
                          &batch->arena, &keys, &count))
            return ol_fail(reterr, OL_FATAL, "out of memory");
        if (count == 0)
            return OL_OK;
        enum ol_class class = loop_load(loop, keys, count, &batch->arena, NULL, reterr);
        if (class)
            return class;
    }
}

/* A record that its topic does not take ends this life once; in the next one its partition
 * halts. */
static enum ol_class fail_batch(struct loop *loop, const struct core_input *input,
                                struct ol_error *reterr)
{
    bool misfit =
        input ? loop_note_misfit(loop, input->partition, input->source, input->offset, reterr)
              : loop_note_misfit(loop, -1, (enum cause_source)0, 0, reterr);
    return misfit ? OL_VIOLATED : ol_fail(reterr, OL_FATAL, "out of memory for a batch");
}

static enum ol_class decide(struct loop *loop, struct ol_error *reterr)
{
    struct batch *batch = loop->building;
    domain_assert(batch != loop->committing); /* its records are the producer's */
    if (batch->decided == batch->count)
        return OL_OK;
    /* All states at once: a round trip for each input would cost more than the input. */
    enum ol_class class = load_missing(loop, reterr);
    if (class)
        return class;
    const struct core_sink sink = batch_sink(batch);
    for (; batch->decided < batch->count; batch->decided++) {
        const struct core_input *input = &batch->inputs[batch->decided];
        if (!core_run(loop->core, input, &batch->arena, &sink))
            return fail_batch(loop, input, reterr);
    }
    return OL_OK;
}

/* Partitions with no step left to read: only there does a deadline prove that no answer has
 * come. */
static uint64_t caught_up(struct loop *loop)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    uint64_t partitions = 0;
    for (size_t i = 0; i < count; i++)
        if (loop_source_of(&inboxes[i]) == CAUSE_STEPS && !inboxes[i].ignored &&
            ol_inbox_at_end(&inboxes[i]))
            partitions |= UINT64_C(1) << inboxes[i].partition;
    return partitions;
}

static enum ol_class propose_timeouts(struct loop *loop, struct ol_error *reterr)
{
    int64_t now_us = ol_clock_monotonic_us();
    if (loop->context != CONTEXT_ORDERS || now_us - loop->timeouts_asked_us < TIMEOUTS_EVERY_US)
        return OL_OK;
    loop->timeouts_asked_us = now_us;
    struct batch *batch = loop->building;
    const struct core_sink sink = batch_sink(batch);
    size_t proposed;
    if (!core_propose_timeouts(loop->core, ol_clock_wall_us(), caught_up(loop), TIMEOUTS_MAX,
                               &batch->arena, &sink, &proposed))
        return fail_batch(loop, NULL, reterr);
    return OL_OK;
}

/* Makes room for more states; if there is none, asks the projection how far it is. *ret_full:
 * nothing may be decided now. */
static enum ol_class make_room(struct loop *loop, bool *ret_full, struct ol_error *reterr)
{
    struct overlay *overlay = core_overlay(loop->core);
    overlay_evict(overlay);
    struct overlay_stats stats = overlay_stats(overlay);
    bool tight = stats.bytes > (size_t)loop->options->overlay_bytes;
    enum ol_class class = OL_OK;
    if (tight && ol_clock_monotonic_us() - loop->projection_asked_us > PROJECTION_STALE_US) {
        class = loop_load(loop, NULL, 0, &loop->building->arena, NULL, reterr);
        overlay_evict(overlay);
    }
    *ret_full = overlay_full(overlay);
    return class;
}

/* When each partition had its last input. */
static void note_inputs(struct loop *loop, size_t before)
{
    const struct batch *batch = loop->building;
    if (batch->count == before)
        return;
    int64_t now_us = ol_clock_monotonic_us();
    for (size_t i = before; i < batch->count; i++) {
        const struct core_input *input = &batch->inputs[i];
        loop->last_input_us[input->source == CAUSE_STEPS][input->partition] = now_us;
    }
}

/* Takes the inputs that are there and fit, and decides them. */
static enum ol_class fill(struct loop *loop, bool *ret_full, struct ol_error *reterr)
{
    enum ol_class class = make_room(loop, ret_full, reterr);
    if (class || *ret_full || batch_full(loop->building))
        return class;
    size_t before = loop->building->count;
    class = loop_take_inputs(loop, reterr);
    note_inputs(loop, before);
    if (!class)
        class = decide(loop, reterr);
    return class ? class : propose_timeouts(loop, reterr);
}

/* ---- committing ---- */

static enum ol_class start_commit(struct loop *loop, struct ol_error *reterr)
{
    struct batch *batch = loop->building;
    struct ol_producer *producer = loop->producers[loop->building_with];
    const struct core_sink sink = batch_sink(batch);
    domain_assert(batch->decided == batch->count); /* what is taken and not decided would be lost */
    domain_assert(!loop->committing); /* it would be built on what may yet be aborted */
    if (!core_answer(loop->core, &sink) ||
        !core_close(loop->core, &sink, batch->offsets, &batch->offset_count, &batch->total) ||
        !batch_close(batch))
        return fail_batch(loop, NULL, reterr);

    /* Both inputs' offsets, always: they are what fences an owner that has lost its partitions. */
    struct ol_offset offsets[2 * PARTITIONS_MAX];
    for (size_t i = 0; i < batch->offset_count; i++) {
        const struct core_offset *next = &batch->offsets[i];
        offsets[2 * i] = (struct ol_offset){loop->topics[STREAM_COMMANDS].text, next->partition,
                                            next->commands_next};
        offsets[2 * i + 1] =
            (struct ol_offset){loop->topics[STREAM_STEPS].text, next->partition, next->steps_next};
    }
    enum ol_class class = ol_producer_begin(producer, reterr);
    ol_kill_point("worker_begun");
    if (!class)
        class = ol_producer_produce(producer, batch->records, batch->record_count, reterr);
    ol_kill_point("worker_produced");
    if (!class)
        class = ol_producer_commit_start(producer, offsets, 2 * batch->offset_count,
                                         ol_consumer_assignment(loop->consumer)->group, reterr);
    ol_kill_point("worker_committing");
    if (class)
        return class;
    /* The other pair of batch and producer goes on with what comes: the library works on this one's
     * records, and its handle is closed to all but the wait. */
    loop->committing = batch;
    loop->committing_with = loop->building_with;
    loop->committing_since_us = ol_clock_monotonic_us();
    loop->building = batch == &loop->batches[0] ? &loop->batches[1] : &loop->batches[0];
    loop->building_with = 1 - loop->building_with;
    return OL_OK;
}

/* A receipt counts commands and steps together. Only commands are refused, repeated or passed on,
 * and only steps are ignored, so what was put aside of each tells what was decided of each. */
static void count_batch(struct loop *loop, const struct batch *batch)
{
    const struct loop_metrics *metrics = &loop->metrics;
    const int32_t *counts = batch->total.counts;
    int64_t commands = 0, steps;
    for (size_t i = 0; i < batch->decided; i++)
        commands += batch->inputs[i].source == CAUSE_COMMANDS;
    steps = (int64_t)batch->decided - commands;
    int64_t steps_decided = steps - counts[RECEIPT_IGNORED] - batch->dead_steps;
    domain_assert(0 <= steps_decided && steps_decided <= counts[RECEIPT_DECIDED]);
    ol_series_add(metrics->commands_in, commands);
    ol_series_add(metrics->steps_in, steps);
    ol_series_add(metrics->decided, counts[RECEIPT_DECIDED] - steps_decided);
    ol_series_add(metrics->steps_decided, steps_decided);
    ol_series_add(metrics->steps_ignored, counts[RECEIPT_IGNORED]);
    ol_series_add(metrics->refused, counts[RECEIPT_REFUSED]);
    ol_series_add(metrics->repeated, counts[RECEIPT_REPEATED]);
    ol_series_add(metrics->passed_on, counts[RECEIPT_PASSED_ON]);
    ol_series_add(metrics->dead_lettered, counts[RECEIPT_DEAD_LETTERED] - batch->dead_steps);
    ol_series_add(metrics->steps_dead_lettered, batch->dead_steps);
    ol_series_add(metrics->events, batch->events);
    ol_series_add(metrics->steps, batch->steps);
    struct overlay_stats stats = overlay_stats(core_overlay(loop->core));
    ol_series_set(metrics->overlay_entries, (int64_t)stats.entries);
    ol_series_set(metrics->overlay_bytes, (int64_t)stats.bytes);
}

/*
 * Before the other producer's next transaction: until the epoch is bumped, late copies of this
 * one's requests could still open a transaction of their own and put the group's offsets where they
 * were.
 */
static enum ol_class renew_if_tainted(struct loop *loop, struct ol_producer *producer,
                                      struct ol_error *reterr)
{
    if (!ol_producer_tainted(producer))
        return OL_OK;
    ol_log(OL_LOG_WARN, "worker", "producer made anew",
           ol_kv("context", context_name(loop->context)),
           ol_kv("reason", ol_producer_taint_reason(producer)));
    ol_series_add(loop->metrics.renewed, 1);
    return ol_producer_renew(producer, reterr);
}

/* A batch of timeouts only writes no receipt: the last one stays what it was. */
static void note_receipts(struct loop *loop, const struct batch *batch)
{
    for (size_t i = 0; i < batch->offset_count; i++) {
        const struct core_offset *next = &batch->offsets[i];
        struct loop_receipt *last = &loop->receipts[next->partition];
        domain_assert(next->commands_next >= last->commands_next &&
                      next->steps_next >= last->steps_next); /* receipts chain */
        if (last->commands_next != next->commands_next || last->steps_next != next->steps_next)
            *last = (struct loop_receipt){next->commands_next, next->steps_next,
                                          batch->receipts[next->partition]};
    }
}

enum ol_class loop_finish_commit(struct loop *loop, struct ol_error *reterr)
{
    if (!loop->committing)
        return OL_OK;
    domain_assert(loop->committing != loop->building &&
                  loop->committing_with != loop->building_with);
    enum ol_class class =
        ol_producer_commit_wait(loop->producers[loop->committing_with], NULL, reterr);
    if (PROTECTED(from_scratch) && class) {
        ol_series_add(loop->metrics.aborted, 1);
        return class; /* the batch stays as it is until the producers are closed */
    }
    ol_kill_point("worker_committed");
    loop->did_commit = true;
    ol_series_add(loop->metrics.committed, 1);
    ol_series_observe(loop->metrics.commit_time,
                      ol_clock_monotonic_us() - loop->committing_since_us);
    count_batch(loop, loop->committing);
    note_receipts(loop, loop->committing);
    batch_clear(loop->committing);
    loop->committing = NULL;
    return renew_if_tainted(loop, loop->producers[loop->committing_with], reterr);
}

/* ---- the group ---- */

/* What is decided but not begun is forgotten: the next owner decides it. */
static enum ol_class give_up_partitions(struct loop *loop, struct ol_error *reterr)
{
    enum ol_class class = loop_finish_commit(loop, reterr);
    if (class)
        return class;
    drop_batches(loop);
    loop_disown(loop);
    set_status(loop, LOOP_IS_JOINING);
    ol_log(OL_LOG_INFO, "worker", "partitions given up",
           ol_kv("context", context_name(loop->context)));
    return ol_consumer_unassign(loop->consumer, reterr);
}

/* Records of a halted partition wake nobody. */
static void ignore_halted(struct loop *loop)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    for (size_t i = 0; i < count; i++)
        inboxes[i].ignored = loop->halted >> inboxes[i].partition & 1;
}

/* Takes over, or gives up. Commits of a lost assignment are fenced, so that there is nothing to
 * save of it: this life ends. */
static enum ol_class answer_group(struct loop *loop, enum ol_consumer_event event,
                                  struct ol_error *reterr)
{
    enum ol_class class;
    loop->news = OL_CONSUMER_NOTHING;
    switch (event) {
    case OL_CONSUMER_ASSIGNED:
        set_status(loop, LOOP_IS_TAKING_OVER);
        class = take_over(loop, reterr);
        if (class && loop->interrupted && loop->news == OL_CONSUMER_NOTHING)
            loop->news = OL_CONSUMER_ASSIGNED; /* still to be answered */
        if (class)
            return class;
        ignore_halted(loop);
        loop->deciding = true;
        set_status(loop, LOOP_IS_RUNNING);
        return OL_OK;
    case OL_CONSUMER_REVOKED: return give_up_partitions(loop, reterr);
    case OL_CONSUMER_LOST: return ol_fail(reterr, OL_RETRY, "the group gave our partitions away");
    case OL_CONSUMER_NOTHING: break;
    }
    return OL_OK;
}

/* ---- the loop ---- */

/* Sleeps until there is something to do. */
static void wait_for_work(struct loop *loop, bool full)
{
    if (full) {
        int64_t began_us = ol_clock_monotonic_us();
        ol_run_sleep(OVERLAY_WAIT_MS);
        ol_series_add(loop->metrics.overlay_wait, ol_clock_monotonic_us() - began_us);
        return;
    }
    int fd =
        loop->committing ? ol_producer_fd(loop->producers[loop->committing_with]) : ol_run_fd();
    ol_consumer_wait(loop->consumer, fd, loop->held_back_us ? HELD_WAIT_MS : IDLE_WAIT_MS);
}

/* Positions for the gauges. */
static void publish_positions(struct loop *loop)
{
    int64_t now_us = ol_clock_monotonic_us();
    if (now_us - loop->published_us < PUBLISH_EVERY_US)
        return;
    loop->published_us = now_us;
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    for (size_t i = 0; i < count; i++) {
        const struct ol_message *head = ol_inbox_peek(&inboxes[i]);
        int source = inboxes[i].topic_index, partition = inboxes[i].partition;
        atomic_store(&loop->positions[source][partition], inboxes[i].position);
        atomic_store(&loop->waiting_since_ms[source][partition], head ? head->timestamp_ms : 0);
    }
    atomic_store(&loop->owned_now, loop->owned);
}

/* What is taken and not committed is the next owner's; its offsets are no gap. A broker that is
 * away is not waited for. */
static enum ol_class close_gaps_and_leave(struct loop *loop, struct ol_error *reterr)
{
    int64_t end;
    if (!loop->deciding || loop->news != OL_CONSUMER_NOTHING || loop->held.handle ||
        loop->building->count > 0 || !batch_empty(loop->building))
        return OL_OK;
    domain_assert(!loop->committing);
    loop_close_gaps(loop, true);
    if (batch_empty(loop->building) ||
        ol_admin_watermarks(loop->admin, loop->topics[STREAM_EVENTS].text, 0, LEAVE_ASK_MS, NULL,
                            &end, reterr))
        return OL_OK;
    enum ol_class class = start_commit(loop, reterr);
    return class ? class : loop_finish_commit(loop, reterr);
}

/* Is nothing left to do but to wait for the commit under way? While it runs the next batch is
 * filled; but once that has something and nothing more comes, what comes meanwhile is taken in one
 * go after the commit, so that a busy loop wakes once a transaction and not once a fetch. */
static bool commit_is_awaited(const struct loop *loop, bool moved)
{
    if (!loop->committing)
        return false;
    bool done = ol_producer_commit_done(loop->producers[loop->committing_with]);
    bool no_room = batch_full(loop->building) || loop->held.handle;
    bool ready = !moved && !batch_empty(loop->building);
    return done || no_room || ready;
}

/*
 * From joining to leaving; returns when stopping, or on failure. Each pass does one thing and looks
 * again. What it sleeps for, in wait_for_work():
 *
 *   without partitions       the group's news
 *   a commit under way       its end, or an input, whichever comes first
 *   nothing under way        an input
 *   no memory for states     the projection, which alone lets states leave
 */
static enum ol_class serve(struct loop *loop, struct ol_error *reterr)
{
    while (!ol_run_stopping()) {
        enum ol_consumer_event news;
        enum ol_class class = loop_poll(loop, &news, reterr);
        if (!class && news != OL_CONSUMER_NOTHING) {
            /* First, since others wait for the answer, and what we hold may not be ours any
             * more. */
            class = answer_group(loop, news, reterr);
        } else if (!class && !loop->owned) {
            wait_for_work(loop, false);
        } else if (!class) {
            bool full;
            size_t before = loop->building->count;
            domain_assert(loop->deciding); /* else the states are not those of the log's end */
            publish_positions(loop);
            class = fill(loop, &full, reterr);
            bool moved = loop->building->count > before;
            /* A receipt that passes a gap must follow the last one, so that one is known first. */
            if (!class && !loop->committing)
                loop_close_gaps(loop, false);
            /* What is decided is begun as soon as it may be: a batch grows while another commits,
             * and a quiet loop is prompt. */
            if (!class && commit_is_awaited(loop, moved))
                class = loop_finish_commit(loop, reterr);
            else if (!class && !loop->committing && !batch_empty(loop->building))
                class = start_commit(loop, reterr);
            else if (!class && !moved)
                wait_for_work(loop, full);
        }
        if (loop->interrupted) {
            /* A leaf gave up a wait, in whatever class: stop, or the group has news. */
            loop->interrupted = false;
            class = OL_OK;
        }
        if (class)
            return class;
    }
    /* What was begun is finished: its outcome would else be the next owner's to find out. */
    enum ol_class class = loop_finish_commit(loop, reterr);
    return class ? class : close_gaps_and_leave(loop, reterr);
}

static enum ol_class live(void *argument, struct ol_error *reterr)
{
    struct loop *loop = argument;
    domain_assert(!loop->consumer && !loop->reader && !loop->db && !loop->load); /* from scratch */
    domain_assert(!loop->producers[0] && !loop->producers[1] && !loop->owned);
    set_status(loop, LOOP_IS_STARTING);
    drop_batches(loop);
    loop->building_with = 0;
    loop->did_commit = false;
    enum ol_class class = open_database(loop, reterr);
    if (!class)
        class = loop_ask_limits(loop, reterr);
    if (!class)
        class = open_producers(loop, reterr);
    if (!class && ol_run_stopping())
        return OL_OK; /* who joins now is counted as a member until its session ends */
    if (!class)
        class = open_consumer(loop, reterr);
    if (class)
        return class;
    set_status(loop, LOOP_IS_JOINING);
    return serve(loop, reterr);
}

static bool restart(void *argument, enum ol_class class, const char *error)
{
    struct loop *loop = argument;
    (void)error; /* the log has it */
    set_status(loop, LOOP_IS_RESTARTING);
    ol_series_add(ol_metric(OL_METRIC_RESTARTS, context_name(loop->context), ol_class_name(class)),
                  1);
    return loop->did_commit;
}

enum ol_class loop_run(struct loop *loop, struct ol_error *reterr)
{
    const struct ol_lives lives = {.role = "worker",
                                   .context = context_name(loop->context),
                                   .slot = loop->options->slot,
                                   .live = live,
                                   .close = close_life,
                                   .restart = restart};
    enum ol_class class = ol_lives_run(&lives, loop, reterr);
    set_status(loop, LOOP_IS_STOPPED);
    return class;
}
