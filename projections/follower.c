#include "projections/follower.h"

#include <inttypes.h>
#include <stdio.h>

#include "domain/assert.h"
#include "lib/guard/protected.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_lives.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "proto/codec.h"

/*
 * A life: connect, join, then pass after pass of serve(), which decides what to do next; all below
 * it does what it is told. What holds between the parts:
 *
 *   two batches, two threads   one is filled here while the other is written there; this thread
 *                              touches what is written only after its outcome
 *   progress is in the rows    it is compared and set with each batch, so that one whose outcome is
 *                              not known is neither lost nor written twice: the next life asks
 *   order within a partition   a batch is submitted only after the one before has ended well
 *   the last event is known    its digest goes with the rows, for whoever goes on from them
 */

#define IDLE_WAIT_MS     500
#define FULL_WAIT_MS     100
#define CLOSE_MS         5000
#define ABANDON_MS       20000 /* librdkafka keeps an offset commit 10 s without a coordinator */
#define INBOX_EVENTS_MAX 64    /* of one partition before the next one is asked */
#define BATCH_BYTES_MAX  (128u << 20)
#define LINGER_MAX_US    INT64_C(1000000)
#define LINGER_QUIET_US  INT64_C(250000) /* no event for so long: wait no more */
#define LINGER_WRITES    4               /* from one batch to the next, in times a write takes */
#define ISOLATE_US       (30 * INT64_C(1000000))
#define COMPARE_EVERY_US INT64_C(1000000)

static const char *status_name(enum follower_status status)
{
    static const char *const names[FOLLOWER_STATUS_COUNT] = {
        [FOLLOWER_IS_STARTING] = "starting", [FOLLOWER_IS_JOINING] = "joining the group",
        [FOLLOWER_IS_RUNNING] = "running",   [FOLLOWER_IS_RESTARTING] = "restarting",
        [FOLLOWER_IS_STOPPED] = "stopped",
    };
    return names[status];
}

static void set_status(struct follower *follower, enum follower_status status, const char *error)
{
    pthread_mutex_lock(&follower->mutex);
    snprintf(follower->error, sizeof follower->error, "%s", error);
    pthread_mutex_unlock(&follower->mutex);
    atomic_store(&follower->status, (int)status);
}

/* ---- life ---- */

enum ol_class follower_init(struct follower *follower, const struct ol_options *options,
                            enum context context, struct ol_error *reterr)
{
    const char *name = context_name(context);
    char client[64];
    *follower = (struct follower){
        .options = options,
        .context = context,
        .partitions = (int32_t)options->partitions,
        .batch_events = (size_t)options->projector_batch_events,
        .topic = topic_name(options->topic_prefix, context, STREAM_EVENTS),
        .group = projector_group_name(options->topic_prefix),
        .alone = -1,
        .events = ol_metric(OL_METRIC_PROJECTED_EVENTS, name),
        .rows = ol_metric(OL_METRIC_PROJECTED_ROWS, name),
        .committed = ol_metric(OL_METRIC_PG_TRANSACTIONS, "projector", "committed"),
        .rolled_back = ol_metric(OL_METRIC_PG_TRANSACTIONS, "projector", "rolled_back"),
        .transaction_time = ol_metric(OL_METRIC_PG_TRANSACTION_TIME, "projector"),
    };
    pthread_mutex_init(&follower->mutex, NULL);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        atomic_store(&follower->followed[i].position, -1);
        atomic_store(&follower->followed[i].pending_ms, -1);
    }
    row_batch_init(&follower->batches[0], context);
    row_batch_init(&follower->batches[1], context);
    follower->filling = &follower->batches[0];
    ol_arena_init(&follower->scratch, 1u << 20, 0);
    snprintf(client, sizeof client, "orderlog-projector-%s-%" PRId64, name, options->slot);
    return ol_kafka_connection_init(&follower->kafka, options, client, reterr);
}

void follower_release(struct follower *follower)
{
    row_batch_release(&follower->batches[0]);
    row_batch_release(&follower->batches[1]);
    ol_arena_release(&follower->scratch);
    ol_kafka_connection_release(&follower->kafka);
    pthread_mutex_destroy(&follower->mutex);
}

static void wake(void *context)
{
    struct follower *follower = context;
    ol_consumer_wake(follower->consumer);
}

static enum ol_class open_database(struct follower *follower, struct ol_error *reterr)
{
    char name[64];
    snprintf(name, sizeof name, "orderlog-projector-%s-%" PRId64, context_name(follower->context),
             follower->options->slot);
    const struct ol_pg_options options = {
        .dsn = follower->options->pg_dsn,
        .application_name = name,
        .primary = true,
        .pooled = ol_options_pooled(follower->options),
        .synchronous_commit_off = strcmp(follower->options->projector_commit_sync, "off") == 0};
    enum ol_class class = ol_pg_open(&options, &follower->db, reterr);
    if (class)
        return class;
    follower->writer = writer_new(follower->db, follower->context, follower->topic.text);
    return follower->writer ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
}

static enum ol_class open_consumer(struct follower *follower, struct ol_error *reterr)
{
    char instance[64];
    snprintf(instance, sizeof instance, "projector-%" PRId64 "-%s", follower->options->slot,
             context_name(follower->context));
    const char *topics[] = {follower->topic.text};
    const struct ol_consumer_options options = {
        .group = follower->group.text,
        .instance = instance,
        .topics = topics,
        .topic_count = 1,
        .partition_count = (size_t)follower->partitions,
    };
    enum ol_class class =
        ol_consumer_open(&follower->kafka.settings, &options, &follower->consumer, reterr);
    if (class)
        return class;
    follower->thread = write_thread_start(follower->writer, wake, follower);
    return follower->thread ? OL_OK : ol_fail(reterr, OL_FATAL, "no thread to be had");
}

/* Forgets the events that were not submitted. */
static void drop_filling(struct follower *follower)
{
    row_batch_clear(follower->filling);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        ol_message_release(&follower->followed[i].last);
}

static void disown(struct follower *follower)
{
    drop_filling(follower);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        struct follower_partition *followed = &follower->followed[i];
        followed->owned = false;
        atomic_store(&followed->position, -1);
        atomic_store(&followed->pending_ms, -1);
        if (followed->halted_gauge)
            ol_series_hide(followed->halted_gauge);
    }
}

/* All that a life has opened. for_good: the group learns that we leave. False: a close hangs; the
 * process should end. */
static bool close_life(void *argument, bool for_good)
{
    struct follower *follower = argument;
    write_thread_stop(follower->thread);
    disown(follower);
    /* Before the consumer: its handle can't be closed while its messages are held. */
    row_batch_clear(&follower->batches[0]);
    row_batch_clear(&follower->batches[1]);
    bool clean = for_good ? ol_consumer_leave(follower->consumer, CLOSE_MS)
                          : ol_consumer_abandon(follower->consumer, ABANDON_MS);
    writer_free(follower->writer);
    ol_pg_free(follower->db);
    follower->thread = NULL;
    follower->consumer = NULL;
    follower->writer = NULL;
    follower->db = NULL;
    return clean;
}

/* ---- halting ---- */

static void ignore_halted(struct follower *follower)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(follower->consumer, &inboxes);
    for (size_t i = 0; i < count; i++)
        inboxes[i].ignored = follower->followed[inboxes[i].partition].halted;
}

/* The partition stops before `offset` until a person has looked and restarted the process. */
static void halt(struct follower *follower, int32_t partition, int64_t offset, const char *why)
{
    struct follower_partition *followed = &follower->followed[partition];
    ol_log(OL_LOG_ERROR, "projector", "partition halted", ol_kv("topic", follower->topic.text),
           ol_kv("partition", partition), ol_kv("offset", offset), ol_kv("reason", why));
    pthread_mutex_lock(&follower->mutex);
    followed->halted = true;
    followed->halted_at = offset;
    snprintf(followed->why, sizeof followed->why, "%s", why);
    pthread_mutex_unlock(&follower->mutex);
    followed->halted_gauge =
        ol_metrics_partition(OL_METRIC_PARTITION_HALTED, follower->topic.text, partition);
    ol_series_set(followed->halted_gauge, 1);
    ignore_halted(follower);
}

void follower_reasons(struct follower *follower, struct ol_http_reasons *reasons)
{
    enum follower_status status = (enum follower_status)atomic_load(&follower->status);
    pthread_mutex_lock(&follower->mutex);
    if (status != FOLLOWER_IS_RUNNING || follower->error[0])
        ol_http_reason(reasons, "%s is %s%s%s", context_name(follower->context),
                       status_name(status), follower->error[0] ? ": " : "", follower->error);
    for (int32_t i = 0; i < follower->partitions; i++)
        if (follower->followed[i].halted && atomic_load(&follower->followed[i].position) >= 0)
            ol_http_reason(reasons, "%s/%d is halted at offset %" PRId64 ": %s",
                           follower->topic.text, i, follower->followed[i].halted_at,
                           follower->followed[i].why);
    pthread_mutex_unlock(&follower->mutex);
}

/* ---- filling the batch ---- */

static bool is_full(const struct follower *follower)
{
    const struct row_batch *filling = follower->filling;
    size_t most = follower->isolating ? follower->isolate_events : follower->batch_events;
    return filling->event_count >= most || filling->arena.used_bytes >= BATCH_BYTES_MAX;
}

/* The log must still hold the last event that was projected, byte for byte. */
static void check_last(struct follower *follower, int32_t partition,
                       const struct ol_message *message)
{
    struct follower_partition *followed = &follower->followed[partition];
    const struct load_progress *progress = &followed->progress;
    char why[256];
    followed->unchecked = false;
    bool same = message->offset == progress->last_offset &&
                ol_message_digest(message) == progress->last_digest;
    bool exchanged = PROTECTED(projector_digest) && !same;
    if (!exchanged)
        return;
    snprintf(why, sizeof why,
             "the log is not the one that was projected: at offset %" PRId64 " it holds %s",
             progress->last_offset,
             message->offset == progress->last_offset ? "another event" : "nothing");
    halt(follower, partition, progress->last_offset, why);
}

/* Decodes and reduces one event. Poison halts its partition and is no failure of ours. */
static enum ol_class reduce_record(struct follower *follower, int32_t partition,
                                   struct ol_message *message, struct ol_error *reterr)
{
    struct row_batch *filling = follower->filling;
    struct follower_partition *followed = &follower->followed[partition];
    struct event_message event;
    struct ol_error error = {0};
    domain_assert(followed->owned && !followed->unchecked && !followed->halted);
    const struct bytes wire = {message->value, message->value_bytes};
    if (!filling->partitions[partition].started) {
        row_batch_start(filling, partition, &followed->progress);
        followed->filling_ms = message->timestamp_ms;
    }
    ol_arena_clear(&follower->scratch);
    enum ol_class class =
        codec_decode_event(follower->context, wire, &follower->scratch, &event, &error);
    if (!class) {
        class = row_batch_apply(filling, &event, partition, message->offset, &error);
        if (class)
            ol_fail_in(&error, "%s", event_kind_name(&event));
    }
    if (class == OL_POISON) {
        halt(follower, partition, message->offset, error.text);
        ol_message_release(message);
        return OL_OK;
    }
    if (class) {
        if (reterr)
            *reterr = error;
        ol_message_release(message);
        return class;
    }
    ol_message_release(&followed->last);
    followed->last = *message;
    if (atomic_load(&followed->pending_ms) < 0)
        atomic_store(&followed->pending_ms, message->timestamp_ms);
    return OL_OK;
}

static enum ol_class fill_from(struct follower *follower, struct ol_inbox *inbox, size_t max,
                               size_t *ret_count, struct ol_error *reterr)
{
    struct ol_message message;
    struct follower_partition *followed = &follower->followed[inbox->partition];
    for (*ret_count = 0; *ret_count < max && !followed->halted && !is_full(follower);) {
        if (!ol_inbox_take(inbox, &message))
            break;
        ++*ret_count;
        if (followed->unchecked) {
            check_last(follower, inbox->partition, &message);
            ol_message_release(&message);
            continue;
        }
        enum ol_class class = reduce_record(follower, inbox->partition, &message, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

/* Errors of a partition, and a log that ends before the last event that was projected. */
static void look_at_inbox(struct follower *follower, const struct ol_inbox *inbox)
{
    struct follower_partition *followed = &follower->followed[inbox->partition];
    if (followed->halted)
        return;
    if (inbox->error.class != OL_OK) {
        halt(follower, inbox->partition, inbox->position, inbox->error.text);
    } else if (followed->unchecked && inbox->last < 0 && ol_inbox_at_end(inbox)) {
        halt(follower, inbox->partition, followed->progress.last_offset,
             "the log ends before the last event that was projected");
    }
}

/* Who may fill the batch: all, or, while an event is looked for, one partition alone. */
static bool may_fill(struct follower *follower, const struct ol_inbox *inbox)
{
    if (inbox->ignored)
        return false;
    if (!follower->isolating || follower->alone == inbox->partition)
        return true;
    if (follower->alone >= 0 || follower->filling->event_count > 0)
        return false;
    follower->alone = inbox->partition;
    return true;
}

/* Reads all inboxes, round robin, until the batch is full. *ret_moved: at least one event came. */
static enum ol_class fill_batch(struct follower *follower, bool *ret_moved, struct ol_error *reterr)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(follower->consumer, &inboxes), added;
    bool any = true;
    *ret_moved = false;
    while (any && !is_full(follower)) {
        any = false;
        for (size_t i = 0; i < count && !is_full(follower); i++) {
            struct ol_inbox *inbox = &inboxes[(follower->next_inbox + i) % count];
            if (!ol_inbox_peek(inbox))
                look_at_inbox(follower, inbox);
            else if (may_fill(follower, inbox)) {
                enum ol_class class = fill_from(follower, inbox, INBOX_EVENTS_MAX, &added, reterr);
                if (class)
                    return class;
                any |= added > 0;
            }
        }
        *ret_moved |= any;
    }
    follower->next_inbox++;
    if (*ret_moved)
        follower->last_event_us = ol_clock_monotonic_us();
    if (follower->filling->event_count == 0)
        follower->alone = -1;
    return OL_OK;
}

/* ---- writing ---- */

/* How long the batch may still be kept open, in us; 0: close it. Large batches write a row that
 * changes several times once, which is what a busy database needs; where writes are quick it is not
 * busy, and a row is not kept waiting for longer than a few of them. */
static int64_t linger_us(const struct follower *follower)
{
    int64_t now_us = ol_clock_monotonic_us();
    int64_t wanted = follower->write_us * LINGER_WRITES;
    int64_t linger = wanted < LINGER_MAX_US ? wanted : LINGER_MAX_US;
    int64_t open = follower->submitted_us + linger - now_us;
    int64_t quiet = follower->last_event_us + LINGER_QUIET_US - now_us;
    int64_t left = open < quiet ? open : quiet;
    return is_full(follower) || ol_run_stopping() || left < 0 ? 0 : left;
}

/* Hands the batch to the writer. From here on this thread counts it as written: should it not be,
 * this life is over. */
static void submit(struct follower *follower)
{
    struct row_batch *batch = follower->filling;
    domain_assert(batch->event_count > 0 && !write_thread_batch(follower->thread));
    for (int32_t i = 0; i < follower->partitions; i++) {
        struct row_batch_partition *state = &batch->partitions[i];
        struct follower_partition *followed = &follower->followed[i];
        if (!state->touched)
            continue;
        domain_assert(followed->owned && followed->last.offset == state->now.last_offset);
        state->now.last_digest = ol_message_digest(&followed->last);
        ol_message_release(&followed->last);
        followed->progress = state->now;
    }
    follower->submitted_us = ol_clock_monotonic_us();
    write_thread_submit(follower->thread, batch);
    follower->filling =
        batch == &follower->batches[0] ? &follower->batches[1] : &follower->batches[0];
    follower->alone = -1;
}

/* Tells the group and the gauges how far the rows are. */
static void note_positions(struct follower *follower)
{
    struct ol_offset offsets[PARTITIONS_MAX];
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(follower->consumer, &inboxes), changed = 0;
    bool idle = follower->filling->event_count == 0 && !write_thread_batch(follower->thread);
    for (size_t i = 0; i < count; i++) {
        struct ol_inbox *inbox = &inboxes[i];
        struct follower_partition *followed = &follower->followed[inbox->partition];
        int64_t position = atomic_load(&followed->position);
        /* At the end there may be markers after the last event. */
        if (idle && !followed->halted && !followed->unchecked && ol_inbox_at_end(inbox) &&
            inbox->position > position)
            position = inbox->position;
        atomic_store(&followed->position, position);
        if (position <= followed->noted)
            continue;
        followed->noted = position;
        offsets[changed++] = (struct ol_offset){follower->topic.text, inbox->partition, position};
    }
    if (changed)
        ol_consumer_note_offsets(follower->consumer, offsets, changed);
}

static void count_batch(struct follower *follower, const struct row_batch *batch,
                        const struct write_outcome *outcome)
{
    domain_assert(batch != follower->filling); /* its rows would be cleared with the other's */
    follower->did_commit = true;
    follower->write_us = outcome->duration_us;
    ol_series_add(follower->committed, 1);
    ol_series_observe(follower->transaction_time, outcome->duration_us);
    ol_series_add(follower->events, (int64_t)batch->event_count);
    ol_series_add(follower->rows, (int64_t)row_batch_row_count(batch));
    for (int32_t i = 0; i < follower->partitions; i++) {
        struct follower_partition *followed = &follower->followed[i];
        if (!batch->partitions[i].touched)
            continue;
        atomic_store(&followed->position, batch->partitions[i].now.next_offset);
        atomic_store(&followed->pending_ms,
                     follower->filling->partitions[i].touched ? followed->filling_ms : -1);
    }
}

/* The database refused a batch: look for the event by itself, or halt where it is found. */
static void isolate(struct follower *follower, const struct row_batch *batch, const char *why)
{
    int64_t now_us = ol_clock_monotonic_us();
    domain_assert(batch->event_count > 0);
    if (batch->event_count > 1) {
        follower->isolate_events = batch->event_count / 2;
        follower->isolating = true;
        follower->isolate_until_us = now_us + ISOLATE_US;
        return;
    }
    follower->isolating = false;
    for (int32_t i = 0; i < follower->partitions; i++)
        if (batch->partitions[i].touched)
            halt(follower, i, batch->partitions[i].now.last_offset, why);
}

/* Handles the outcome of the batch under way; waits for it up to wait_ms. Any failure ends this
 * life: after a lost connection a COMMIT's outcome is open, and only the rows tell. */
static enum ol_class finish_batch(struct follower *follower, int wait_ms, struct ol_error *reterr)
{
    struct row_batch *batch = write_thread_batch(follower->thread);
    struct write_outcome outcome;
    if (!batch || !write_thread_outcome(follower->thread, wait_ms, &outcome))
        return OL_OK;
    domain_assert(outcome.class == OL_OK || outcome.error.class == outcome.class);
    if (outcome.class) {
        ol_series_add(follower->rolled_back, 1);
        if (outcome.class == OL_VIOLATED)
            isolate(follower, batch, outcome.error.text);
        *reterr = outcome.error;
        /* A partition's old owner wrote its last batch meanwhile: read the progress again. */
        if (outcome.class == OL_CONFLICT)
            reterr->class = OL_RETRY;
        return reterr->class;
    }
    count_batch(follower, batch, &outcome);
    row_batch_clear(batch);
    if (follower->isolating && ol_clock_monotonic_us() > follower->isolate_until_us)
        follower->isolating = false;
    note_positions(follower);
    return OL_OK;
}

/* Waits until nothing is under way. */
static enum ol_class finish_batches(struct follower *follower, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    while (!class && write_thread_batch(follower->thread))
        class = finish_batch(follower, FULL_WAIT_MS, reterr);
    return class;
}

/* ---- the group ---- */

/* Where each partition goes on stands in PostgreSQL. Reading begins one event earlier, to
 * compare. */
static enum ol_class begin_partitions(struct follower *follower, struct ol_error *reterr)
{
    domain_assert(follower->filling->event_count == 0 && !write_thread_batch(follower->thread));
    struct load_progress progress[PARTITIONS_MAX];
    struct ol_offset positions[PARTITIONS_MAX];
    const struct ol_assignment *assignment = ol_consumer_assignment(follower->consumer);
    enum ol_class class = writer_begin(follower->writer, follower->partitions, progress, reterr);
    if (class)
        return class;
    for (size_t i = 0; i < assignment->count; i++) {
        int32_t partition = assignment->places[i].partition;
        if (partition >= follower->partitions)
            return ol_fail(reterr, OL_VIOLATED, "%s has a partition %d", follower->topic.text,
                           partition);
        struct follower_partition *followed = &follower->followed[partition];
        followed->owned = true;
        followed->progress = progress[partition];
        followed->unchecked = followed->progress.last_offset >= 0;
        followed->noted = -1;
        atomic_store(&followed->position, followed->progress.next_offset);
        positions[i] = assignment->places[i];
        positions[i].offset =
            followed->unchecked ? followed->progress.last_offset : followed->progress.next_offset;
        if (followed->halted && followed->halted_gauge)
            ol_series_set(followed->halted_gauge, 1);
        ol_log(OL_LOG_INFO, "projector", "partition followed", ol_kv("topic", follower->topic.text),
               ol_kv("partition", partition), ol_kv("offset", followed->progress.next_offset));
    }
    class = ol_consumer_assign(follower->consumer, positions, assignment->count, reterr);
    if (!class)
        ignore_halted(follower);
    return class;
}

/* What is written ends first, so that its progress is in the rows before another owner, or we as
 * the new one, read on from there. What is only filled is read again. */
static enum ol_class answer_group(struct follower *follower, enum ol_consumer_event event,
                                  struct ol_error *reterr)
{
    if (event == OL_CONSUMER_LOST)
        return ol_fail(reterr, OL_RETRY, "the group gave our partitions away");
    enum ol_class class = finish_batches(follower, reterr);
    if (class)
        return class;
    disown(follower);
    if (event == OL_CONSUMER_ASSIGNED) {
        class = begin_partitions(follower, reterr);
        if (!class)
            set_status(follower, FOLLOWER_IS_RUNNING, "");
        return class;
    }
    set_status(follower, FOLLOWER_IS_JOINING, "");
    return ol_consumer_unassign(follower->consumer, reterr);
}

/* ---- the loop ---- */

static void wait_for_work(struct follower *follower)
{
    int wait_ms = IDLE_WAIT_MS;
    if (follower->filling->event_count > 0 && !write_thread_batch(follower->thread))
        wait_ms = (int)(linger_us(follower) / 1000) + 1;
    ol_consumer_wait(follower->consumer, ol_run_fd(), wait_ms);
}

/* With nothing to write nobody would notice that the database lost its last commits in a crash
 * (with synchronous_commit off) or went to an older server: the rows would lag until the next event
 * of each partition. */
static enum ol_class compare_progress(struct follower *follower, struct ol_error *reterr)
{
    struct load_progress progress[PARTITIONS_MAX];
    int64_t now_us = ol_clock_monotonic_us();
    bool due = PROTECTED(progress_compared) && now_us - follower->compared_us >= COMPARE_EVERY_US &&
               !write_thread_batch(follower->thread);
    if (!due)
        return OL_OK;
    follower->compared_us = now_us;
    enum ol_class class = writer_progress(follower->writer, follower->partitions, progress, reterr);
    for (int32_t i = 0; i < follower->partitions && !class; i++) {
        const struct follower_partition *followed = &follower->followed[i];
        if (followed->owned && !followed->halted &&
            progress[i].next_offset != followed->progress.next_offset)
            class = ol_fail(
                reterr, OL_RETRY,
                "the rows of %s partition %d are at offset %" PRId64 ", we left them at %" PRId64,
                follower->topic.text, i, progress[i].next_offset, followed->progress.next_offset);
    }
    return class;
}

/* Writes the events in hand before the loop ends. */
static enum ol_class drain(struct follower *follower, struct ol_error *reterr)
{
    enum ol_class class = finish_batches(follower, reterr);
    if (!class && follower->filling->event_count > 0) {
        submit(follower);
        class = finish_batches(follower, reterr);
    }
    return class;
}

/* The broker by itself is no reason to begin again: the library goes on, and so do the rows. */
static enum ol_class poll_group(struct follower *follower, enum ol_consumer_event *ret_event,
                                struct ol_error *reterr)
{
    enum ol_class class = ol_consumer_poll(follower->consumer, ret_event, reterr);
    if (class != OL_RETRY)
        return class;
    ol_log(OL_LOG_WARN, "projector", "the broker is away",
           ol_kv("context", context_name(follower->context)), ol_kv("error", reterr->text));
    return OL_OK;
}

/*
 * From joining to leaving; returns when stopping, or on failure. Each pass looks at the batch that
 * is written, fills the other one, and sleeps where nothing came. What it sleeps for, in
 * finish_batch() and wait_for_work():
 *
 *   a full batch             the writer, and nothing else: there is no room for more
 *   an open batch            an event, the writer's end, or the moment to close it
 *   nothing in hand          an event, or the group's news
 */
static enum ol_class serve(struct follower *follower, struct ol_error *reterr)
{
    while (!ol_run_stopping()) {
        enum ol_consumer_event event;
        bool moved;
        enum ol_class class = poll_group(follower, &event, reterr);
        if (!class && event != OL_CONSUMER_NOTHING) {
            /* First, since others wait for the answer: it ends what is written, and drops the
             * rest. */
            class = answer_group(follower, event, reterr);
            if (class)
                return class;
            continue;
        }
        if (!class)
            class = finish_batch(follower, is_full(follower) ? FULL_WAIT_MS : 0, reterr);
        if (!class)
            class = fill_batch(follower, &moved, reterr);
        if (class)
            return class;
        bool holds = follower->filling->event_count > 0;
        bool writing = write_thread_batch(follower->thread);
        /* One write at a time, in the log's order; and no sooner than it pays to. */
        if (holds && !writing && linger_us(follower) == 0) {
            submit(follower);
            continue;
        }
        /* Only who has nothing to write must ask whether the rows are still what they were. */
        if (!holds && !moved) {
            note_positions(follower);
            class = compare_progress(follower, reterr);
            if (class)
                return class;
        }
        if (!moved && !is_full(follower))
            wait_for_work(follower);
    }
    /* What was read is written: the next owner would else have to read it again. */
    return drain(follower, reterr);
}

static enum ol_class live(void *argument, struct ol_error *reterr)
{
    struct follower *follower = argument;
    domain_assert(!follower->consumer && !follower->db && !follower->writer && !follower->thread);
    domain_assert(follower->filling->event_count == 0); /* from scratch */
    follower->did_commit = false;
    enum ol_class class = open_database(follower, reterr);
    if (!class)
        class = open_consumer(follower, reterr);
    if (class)
        return class;
    set_status(follower, FOLLOWER_IS_JOINING, "");
    follower->submitted_us = ol_clock_monotonic_us();
    follower->write_us = 0;
    return serve(follower, reterr);
}

static bool restart(void *argument, enum ol_class class, const char *error)
{
    struct follower *follower = argument;
    set_status(follower, FOLLOWER_IS_RESTARTING, error);
    ol_series_add(
        ol_metric(OL_METRIC_RESTARTS, context_name(follower->context), ol_class_name(class)), 1);
    /* A batch that was refused brings us nearer to the event that is looked for. */
    return follower->did_commit || class == OL_VIOLATED;
}

enum ol_class follower_run(struct follower *follower, struct ol_error *reterr)
{
    const struct ol_lives lives = {.role = "projector",
                                   .context = context_name(follower->context),
                                   .slot = follower->options->slot,
                                   .live = live,
                                   .close = close_life,
                                   .restart = restart};
    enum ol_class class = ol_lives_run(&lives, follower, reterr);
    set_status(follower, FOLLOWER_IS_STOPPED, "");
    return class;
}
