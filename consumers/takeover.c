#include "consumers/loop.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/guard/protected.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"
#include "proto/codec.h"

/*
 * Taking over a partition, in this order (docs/exactly-once.md says why each):
 *
 *   producers are open (so our own old transactions have ended)
 *   1 committed offsets of commands and steps, stable ones
 *   2 the events partition's high watermark H
 *   3 the projection's progress X, its last event with its digest, its last receipt
 *   4 read that last event again: another digest, or a log that ends before X: halt
 *   5 read X..H, load the rows of what it names, fold what is newer
 *   6 receipts equal committed offsets
 *   7 commands and steps begin no later than where the receipts end: start
 */

#define CHUNK_MESSAGES       2000
#define CHUNK_ARENA_BYTES    (512 * 1024 * 1024)
#define READ_WAIT_MS         100
#define TELL_EVERY_US        (10 * INT64_C(1000000))
#define FULL_WAIT_MS         50
#define WATERMARK_TIMEOUT_MS 10000

/* What is known of one partition. */
struct takeover_partition {
    int32_t partition;
    int64_t committed[2];                  /* of commands and steps; -1: none */
    int64_t first_event;                   /* low watermark of the events partition */
    int64_t events_end;                    /* its high watermark, H */
    int64_t first_input[2], inputs_end[2]; /* watermarks of commands and steps */
    struct load_progress progress;
    bool digest_checked;
    bool halted;
};

struct takeover {
    struct loop *loop;
    struct takeover_partition partitions[PARTITIONS_MAX];
    size_t count;
    struct ol_arena arena; /* of a chunk */
};

static void halt(struct takeover *takeover, struct takeover_partition *own, const char *reason)
{
    own->halted = true;
    loop_halt(takeover->loop, own->partition, takeover->loop->topics[STREAM_EVENTS].text, reason);
}

static const char *input_topic(const struct takeover *takeover, int source)
{
    return takeover->loop->topics[source == 0 ? STREAM_COMMANDS : STREAM_STEPS].text;
}

static struct takeover_partition *own_partition(struct takeover *takeover, int32_t partition)
{
    for (size_t i = 0; i < takeover->count; i++)
        if (takeover->partitions[i].partition == partition)
            return &takeover->partitions[i];
    domain_assert(!"the partition is being taken over");
    return NULL;
}

/* 1: the assignment names each partition twice, for commands and for steps. */
static enum ol_class ask_committed(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    const struct ol_assignment *assignment = ol_consumer_assignment(loop->consumer);
    struct ol_offset places[2 * PARTITIONS_MAX];
    domain_assert(assignment->count <= 2 * PARTITIONS_MAX);
    for (size_t i = 0; i < assignment->count; i++)
        places[i] = assignment->places[i];

    enum ol_class class = ol_consumer_committed(loop->consumer, places, assignment->count,
                                                (int)loop->options->timeout_ms, reterr);
    if (class)
        return class;
    /* Sorted by topic: the first half are the commands, the second the steps of the same. */
    takeover->count = assignment->count / 2;
    for (size_t i = 0; i < takeover->count; i++)
        takeover->partitions[i] = (struct takeover_partition){
            .partition = places[i].partition,
            .committed = {places[i].offset, places[takeover->count + i].offset},
        };
    return OL_OK;
}

/* 2 */
static enum ol_class ask_watermarks(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    for (size_t i = 0; i < takeover->count; i++) {
        struct takeover_partition *own = &takeover->partitions[i];
        enum ol_class class =
            ol_admin_watermarks(loop->admin, loop->topics[STREAM_EVENTS].text, own->partition,
                                WATERMARK_TIMEOUT_MS, &own->first_event, &own->events_end, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

/* The log looks cut, but the partition may have another owner by now: while we slept or waited for
 * the database, that owner went on, and our first answers are old. OL_RETRY: it has. */
static enum ol_class confirm(struct takeover *takeover, const struct takeover_partition *own,
                             struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct ol_offset places[2];
    for (int i = 0; i < 2; i++)
        places[i] = (struct ol_offset){
            .topic = loop->topics[i == 0 ? STREAM_COMMANDS : STREAM_STEPS].text,
            .partition = own->partition,
            .offset = -1,
        };
    int64_t low, high;
    enum ol_class class =
        ol_consumer_committed(loop->consumer, places, 2, (int)loop->options->timeout_ms, reterr);
    if (!class)
        class = ol_admin_watermarks(loop->admin, loop->topics[STREAM_EVENTS].text, own->partition,
                                    WATERMARK_TIMEOUT_MS, &low, &high, reterr);
    if (class)
        return class;
    bool moved = places[0].offset != own->committed[0] || places[1].offset != own->committed[1] ||
                 high != own->events_end;
    if (PROTECTED(halt_confirmed) && moved)
        return ol_fail(reterr, OL_RETRY, "partition %d has another owner, who went on meanwhile",
                       own->partition);
    return OL_OK;
}

/* The rows are ahead of H: they are of another log, or another owner has written since. */
static enum ol_class check_end(struct takeover *takeover, struct takeover_partition *own,
                               const struct load_progress *progress, struct ol_error *reterr)
{
    bool ahead = PROTECTED(log_end_checked) && progress->next_offset > own->events_end;
    if (own->halted || !ahead)
        return OL_OK;
    enum ol_class class = confirm(takeover, own, reterr);
    if (class)
        return class;
    halt(takeover, own,
         "the projection is ahead of the event log: the log was cut, the topic was made "
         "anew, or this is another cluster; see docs/runbook.md");
    return OL_OK;
}

static enum ol_class load_open_sagas(struct loop *loop, void *argument, struct ol_error *reterr)
{
    struct takeover *takeover = argument;
    for (size_t i = 0; i < takeover->count; i++) {
        int32_t partition = takeover->partitions[i].partition;
        struct load_deadline *deadlines;
        struct load_progress progress[PARTITIONS_MAX];
        size_t count;
        enum ol_class class = load_deadlines(loop->load, partition, &takeover->arena, &deadlines,
                                             &count, progress, reterr);
        if (!class &&
            progress[partition].next_offset < takeover->partitions[i].progress.next_offset)
            class = ol_fail(reterr, OL_VIOLATED,
                            "the projection of %s partition %d went back meanwhile",
                            loop->topics[STREAM_EVENTS].text, partition);
        if (class)
            return class;
        for (size_t j = 0; j < count; j++)
            if (!core_deadline(loop->core, partition, deadlines[j].order_id,
                               deadlines[j].deadline_us))
                return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    return OL_OK;
}

/* 3: what the projection knows, and what it knows of open sagas (replay comes on top). */
static enum ol_class ask_projection(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct load_progress progress[PARTITIONS_MAX];
    enum ol_class class = loop_load(loop, NULL, 0, &takeover->arena, progress, reterr);
    for (size_t i = 0; i < takeover->count && !class; i++) {
        struct takeover_partition *own = &takeover->partitions[i];
        own->progress = progress[own->partition];
        /* A log always ends with a receipt: until newer events are read, this digest is a
         * receipt's. */
        loop->receipts[own->partition] = (struct loop_receipt){-1, -1, own->progress.last_digest};
    }
    if (!class && loop->context == CONTEXT_ORDERS)
        class = loop_with_database(loop, load_open_sagas, takeover, reterr);
    if (class)
        return class;

    for (size_t i = 0; i < takeover->count; i++) {
        struct takeover_partition *own = &takeover->partitions[i];
        core_partition_begin(loop->core, own->partition,
                             own->progress.has_receipt ? &own->progress.receipt : NULL);
        core_partition_recorded(loop->core, own->partition, own->progress.last_recorded_us);
        class = check_end(takeover, own, &own->progress, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

/* 4 and 5 begin at the last event that was projected, so that one reading serves both. */
static enum ol_class start_reading(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct ol_offset positions[PARTITIONS_MAX];
    for (size_t i = 0; i < takeover->count; i++) {
        struct takeover_partition *own = &takeover->partitions[i];
        bool from_last = own->progress.last_offset >= 0 && !own->halted;
        own->digest_checked = !from_last;
        positions[i] = (struct ol_offset){
            .topic = loop->topics[STREAM_EVENTS].text,
            .partition = own->partition,
            .offset = own->halted ? own->events_end
                      : from_last ? own->progress.last_offset
                                  : own->first_event,
        };
    }
    return ol_reader_assign(loop->reader, positions, takeover->count, reterr);
}

/* The first message read of a partition must be the one that the projection saw last. */
static bool is_last_projected(struct takeover *takeover, struct takeover_partition *own,
                              const struct ol_message *message)
{
    if (own->digest_checked)
        return false;
    own->digest_checked = true;
    bool same = message->offset == own->progress.last_offset &&
                ol_message_digest(message) == own->progress.last_digest;
    if (PROTECTED(digest_checked) && !same) {
        halt(takeover, own,
             "the last event that the projection saw is not in the log any more, or another is in "
             "its place; see docs/runbook.md");
        return true;
    }
    return message->offset < own->progress.next_offset;
}

/* A chunk's events, decoded; NULL where a message is not to be folded. */
static enum ol_class decode_chunk(struct takeover *takeover, const struct ol_message *messages,
                                  size_t count, struct event_message **ret_events,
                                  struct ol_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        const struct ol_message *message = &messages[i];
        struct takeover_partition *own = own_partition(takeover, message->partition);
        ret_events[i] = NULL;
        if (own->halted || is_last_projected(takeover, own, message) || own->halted)
            continue;
        struct event_message *event = ol_arena_zalloc(&takeover->arena, sizeof *event);
        if (!event)
            return ol_fail(reterr, OL_FATAL, "out of memory");
        struct bytes wire = {message->value, message->value_bytes};
        enum ol_class class =
            codec_decode_event(takeover->loop->context, wire, &takeover->arena, event, reterr);
        if (class == OL_POISON) {
            ol_fail_in(reterr, "%s partition %d offset %lld", message->topic, message->partition,
                       (long long)message->offset);
            halt(takeover, own, reterr->text);
            continue;
        }
        if (class)
            return class;
        if (event->body == EVENT_BODY_RECEIPT)
            takeover->loop->receipts[message->partition].digest = ol_message_digest(message);
        ret_events[i] = event;
    }
    return OL_OK;
}

static enum ol_class load_for_chunk(struct takeover *takeover, const struct ol_message *messages,
                                    struct event_message *const *events, size_t count,
                                    struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct entity_key *keys = NULL;
    size_t key_count = 0, capacity = 0;
    for (size_t i = 0; i < count; i++)
        if (events[i] && !core_missing_for_event(loop->core, events[i], messages[i].partition,
                                                 &takeover->arena, &keys, &key_count, &capacity))
            return ol_fail(reterr, OL_FATAL, "out of memory");
    key_count = core_keys_unique(keys, key_count);
    if (!key_count)
        return OL_OK;
    struct load_progress progress[PARTITIONS_MAX];
    enum ol_class class = loop_load(loop, keys, key_count, &takeover->arena, progress, reterr);
    for (size_t i = 0; i < takeover->count && !class; i++) {
        struct takeover_partition *own = &takeover->partitions[i];
        class = check_end(takeover, own, &progress[own->partition], reterr);
    }
    return class;
}

static enum ol_class fold_chunk(struct takeover *takeover, const struct ol_message *messages,
                                size_t count, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct event_message *events[CHUNK_MESSAGES] = {0};
    ol_arena_clear(&takeover->arena);
    enum ol_class class = decode_chunk(takeover, messages, count, events, reterr);
    if (!class)
        class = load_for_chunk(takeover, messages, events, count, reterr);
    for (size_t i = 0; i < count && !class; i++) {
        struct takeover_partition *own = own_partition(takeover, messages[i].partition);
        if (!events[i] || own->halted)
            continue;
        class =
            core_replay(loop->core, events[i], messages[i].partition, messages[i].offset, reterr);
        if (class == OL_VIOLATED) {
            halt(takeover, own, reterr->text);
            class = OL_OK;
        }
    }
    return class;
}

static bool is_read(struct takeover *takeover)
{
    for (size_t i = 0; i < takeover->count; i++) {
        const struct takeover_partition *own = &takeover->partitions[i];
        if (!own->halted && ol_reader_position(takeover->loop->reader, i) < own->events_end)
            return false;
    }
    return true;
}

/* Fails when something else has to be done first: stop, or answer the group. */
static enum ol_class look_up(struct loop *loop, uint64_t serial, struct ol_error *reterr)
{
    enum ol_consumer_event news;
    enum ol_class class = loop_poll(loop, &news, reterr);
    if (class)
        return class;
    const struct ol_assignment *assignment = ol_consumer_assignment(loop->consumer);
    if (ol_run_stopping() || !assignment || assignment->serial != serial ||
        news != OL_CONSUMER_NOTHING) {
        loop->interrupted = true;
        return ol_fail(reterr, OL_RETRY, "the assignment changed during the take-over");
    }
    return OL_OK;
}

/* The states ahead of the projection must fit; if they don't, it has to catch up first. */
static enum ol_class wait_for_room(struct takeover *takeover, uint64_t serial,
                                   struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    for (;;) {
        overlay_evict(core_overlay(loop->core));
        if (!overlay_full(core_overlay(loop->core)))
            return OL_OK;
        ol_run_sleep(FULL_WAIT_MS);
        enum ol_class class = look_up(loop, serial, reterr);
        if (!class)
            class = loop_load(loop, NULL, 0, &takeover->arena, NULL, reterr);
        if (class)
            return class;
    }
}

/* A transaction that nobody ends holds back the last stable offset, and us: tell an operator. */
static void tell_waiting(struct takeover *takeover, int64_t *told_us)
{
    struct loop *loop = takeover->loop;
    int64_t now_us = ol_clock_monotonic_us();
    if (now_us - *told_us < TELL_EVERY_US)
        return;
    *told_us = now_us;
    for (size_t i = 0; i < takeover->count; i++) {
        const struct takeover_partition *own = &takeover->partitions[i];
        int64_t position = ol_reader_position(loop->reader, i);
        if (!own->halted && position < own->events_end)
            ol_log(OL_LOG_WARN, "worker", "take-over waits for the event log's stable end",
                   ol_kv("topic", loop->topics[STREAM_EVENTS].text),
                   ol_kv("partition", own->partition), ol_kv("position", position),
                   ol_kv("high_watermark", own->events_end));
    }
}

/* A damaged batch, or an offset that the log does not have: only that partition stops. OL_OK: it
 * has stopped, and the others can be read on. */
static enum ol_class halt_unreadable(struct takeover *takeover, enum ol_class class)
{
    if (class != OL_VIOLATED && class != OL_POISON && class != OL_FATAL)
        return class;
    struct ol_inbox *inboxes;
    size_t count = ol_reader_inboxes(takeover->loop->reader, &inboxes);
    for (size_t i = 0; i < count; i++) {
        struct ol_inbox *inbox = &inboxes[i];
        if (!inbox->error.class || inbox->ignored)
            continue;
        struct takeover_partition *own = own_partition(takeover, inbox->partition);
        if (!own->halted) {
            char reason[sizeof inbox->error.text + 64];
            snprintf(reason, sizeof reason, "the event log can't be read: %s; see docs/runbook.md",
                     inbox->error.text);
            halt(takeover, own, reason);
        }
        inbox->ignored = true;
        inbox->error = (struct ol_error){0};
        class = OL_OK;
    }
    return class;
}

/* 5. Read committed: it waits for transactions that are still open, until they end or time out. */
static enum ol_class replay(struct takeover *takeover, uint64_t serial, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    enum ol_class class = start_reading(takeover, reterr);
    int64_t told_us = ol_clock_monotonic_us();
    while (!class && !is_read(takeover)) {
        tell_waiting(takeover, &told_us);
        struct ol_message messages[CHUNK_MESSAGES];
        size_t count = 0;
        class =
            ol_reader_poll(loop->reader, READ_WAIT_MS, messages, CHUNK_MESSAGES, &count, reterr);
        class = halt_unreadable(takeover, class);
        if (!class && count)
            class = fold_chunk(takeover, messages, count, reterr);
        ol_messages_release(messages, count);
        if (!class)
            class = look_up(loop, serial, reterr);
        if (!class)
            class = wait_for_room(takeover, serial, reterr);
    }
    struct ol_error ignored;
    ol_reader_assign(loop->reader, NULL, 0, &ignored);
    return class;
}

/* A log without any receipt is a new one: nothing was taken yet. The log may still not be
 * empty: a worker that died during its first transaction leaves an aborted one. */
static void bootstrap(struct takeover *takeover, struct takeover_partition *own)
{
    if (own->first_event > 0 || own->committed[0] >= 0 || own->committed[1] >= 0)
        halt(takeover, own,
             "the group has offsets or the log a beginning, but there is no receipt: the events "
             "topic was cut or made anew; see docs/runbook.md");
    else
        core_partition_bootstrap(takeover->loop->core, own->partition, 0, 0);
}

/* 6. The group's offsets may be missing (they expire in an idle group): the receipts know. */
static enum ol_class check_receipt(struct takeover *takeover, struct takeover_partition *own,
                                   struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    const struct receipt *receipt = core_receipt(loop->core, own->partition);
    if (!own->digest_checked) {
        halt(takeover, own,
             "the last event that the projection saw is not in the log any more; "
             "see docs/runbook.md");
        return OL_OK;
    }
    if (receipt->commands_next < 0) {
        bootstrap(takeover, own);
        return OL_OK;
    }
    const int64_t next[2] = {receipt->commands_next, receipt->steps_next};
    loop->receipts[own->partition].commands_next = next[0];
    loop->receipts[own->partition].steps_next = next[1];
    for (int i = 0; i < 2; i++) {
        if (own->committed[i] < 0) {
            ol_log(OL_LOG_WARN, "worker", "offset missing in the group, taken from the receipts",
                   ol_kv("topic", input_topic(takeover, i)), ol_kv("partition", own->partition),
                   ol_kv("offset", next[i]));
        } else if (PROTECTED(receipts_checked) && own->committed[i] != next[i]) {
            enum ol_class class = confirm(takeover, own, reterr);
            if (class)
                return class;
            ol_fail(reterr, OL_VIOLATED,
                    "the group has committed offset %lld of %s partition %d, the receipts in the "
                    "event log end at %lld: a transaction was lost or doubled; see "
                    "docs/runbook.md",
                    (long long)own->committed[i], input_topic(takeover, i), own->partition,
                    (long long)next[i]);
            halt(takeover, own, reterr->text);
            return OL_OK;
        }
    }
    return OL_OK;
}

static enum ol_class ask_inputs(struct takeover *takeover, struct ol_error *reterr)
{
    for (size_t i = 0; i < takeover->count; i++)
        for (int j = 0; j < 2; j++) {
            struct takeover_partition *own = &takeover->partitions[i];
            enum ol_class class = ol_admin_watermarks(
                takeover->loop->admin, input_topic(takeover, j), own->partition,
                WATERMARK_TIMEOUT_MS, &own->first_input[j], &own->inputs_end[j], reterr);
            if (class)
                return class;
        }
    return OL_OK;
}

struct gap_call {
    const char *topic;
    int32_t partition;
    int64_t from, to;
    bool acknowledged;
};

static enum ol_class ask_gap(struct loop *loop, void *argument, struct ol_error *reterr)
{
    struct gap_call *call = argument;
    return load_gap(loop->load, call->topic, call->partition, call->from, call->to,
                    &call->acknowledged, reterr);
}

/* Somebody has looked at the loss and wants the partition to go on. The next receipt takes the gap
 * along. */
static enum ol_class is_acknowledged(struct takeover *takeover,
                                     const struct takeover_partition *own, int source, int64_t next,
                                     bool *ret_is, struct ol_error *reterr)
{
    struct gap_call call = {.topic = input_topic(takeover, source),
                            .partition = own->partition,
                            .from = next,
                            .to = own->first_input[source]};
    enum ol_class class = loop_with_database(takeover->loop, ask_gap, &call, reterr);
    *ret_is = call.acknowledged;
    if (!class && call.acknowledged)
        ol_log(OL_LOG_WARN, "worker", "goes on behind an acknowledged gap",
               ol_kv("topic", call.topic), ol_kv("partition", call.partition),
               ol_kv("from", call.from), ol_kv("to", call.to));
    return class;
}

/* 7. What lay between the last receipt and the beginning is gone: inputs that nobody has taken, or
 * only what a killed worker left there. Nothing tells. */
static enum ol_class check_inputs(struct takeover *takeover, struct takeover_partition *own,
                                  struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    const struct receipt *receipt = core_receipt(loop->core, own->partition);
    const int64_t next[2] = {receipt->commands_next, receipt->steps_next};
    for (int i = 0; i < 2 && !own->halted; i++) {
        bool unread = PROTECTED(unread_halts) && next[i] < own->first_input[i];
        bool acknowledged = false;
        if (!unread && next[i] <= own->inputs_end[i])
            continue;
        enum ol_class class = confirm(takeover, own, reterr);
        if (!class && unread)
            class = is_acknowledged(takeover, own, i, next[i], &acknowledged, reterr);
        if (class)
            return class;
        if (acknowledged)
            continue;
        if (unread)
            ol_fail(reterr, OL_VIOLATED,
                    "%s partition %d begins at offset %lld, but it is taken to %lld only: a "
                    "retention or somebody's DeleteRecords took what lay between unread; see "
                    "docs/runbook.md",
                    input_topic(takeover, i), own->partition, (long long)own->first_input[i],
                    (long long)next[i]);
        else
            ol_fail(reterr, OL_VIOLATED,
                    "%s partition %d ends at offset %lld, but it is taken to %lld: the log was "
                    "cut, or the topic was made anew; see docs/runbook.md",
                    input_topic(takeover, i), own->partition, (long long)own->inputs_end[i],
                    (long long)next[i]);
        halt(takeover, own, reterr->text);
    }
    return OL_OK;
}

/* What follows from the next input fits no topic: we have tried once. */
static void check_obstacle(struct takeover *takeover, struct takeover_partition *own)
{
    struct loop *loop = takeover->loop;
    struct loop_obstacle *obstacle = &loop->obstacles[own->partition];
    const struct receipt *receipt = core_receipt(loop->core, own->partition);
    if (!obstacle->source)
        return;
    int64_t next =
        obstacle->source == CAUSE_COMMANDS ? receipt->commands_next : receipt->steps_next;
    if (next > obstacle->offset)
        obstacle->source = (enum cause_source)0; /* another owner got past it */
    else
        halt(takeover, own, obstacle->reason);
}

static enum ol_class check(struct takeover *takeover, struct takeover_partition *own,
                           struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    if (!own->halted)
        class = check_receipt(takeover, own, reterr);
    if (!class && !own->halted)
        class = check_inputs(takeover, own, reterr);
    if (!class && !own->halted)
        check_obstacle(takeover, own);
    return class;
}

static int64_t larger(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* Reading starts at the receipts' ends; a halted partition's inputs are not read. */
static enum ol_class start(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    struct ol_offset positions[2 * PARTITIONS_MAX];
    for (size_t i = 0; i < takeover->count; i++) {
        const struct takeover_partition *own = &takeover->partitions[i];
        const struct receipt *receipt = core_receipt(loop->core, own->partition);
        const int64_t next[2] = {receipt->commands_next, receipt->steps_next};
        for (size_t j = 0; j < 2; j++) {
            positions[j * takeover->count + i] = (struct ol_offset){
                .topic = input_topic(takeover, (int)j),
                .partition = own->partition,
                .offset = own->halted ? own->inputs_end[j] : larger(next[j], own->first_input[j]),
            };
            loop->last_input_us[j][own->partition] = INT64_MIN / 2; /* none yet */
        }
    }
    return ol_consumer_assign(loop->consumer, positions, 2 * takeover->count, reterr);
}

static enum ol_class take_over_with(struct takeover *takeover, struct ol_error *reterr)
{
    struct loop *loop = takeover->loop;
    uint64_t serial = ol_consumer_assignment(loop->consumer)->serial;
    enum ol_class class = ask_committed(takeover, reterr);
    if (!class)
        class = ask_watermarks(takeover, reterr);
    if (!class)
        class = ask_projection(takeover, reterr);
    if (!class)
        class = replay(takeover, serial, reterr);
    if (!class)
        class = ask_inputs(takeover, reterr);
    for (size_t i = 0; i < takeover->count && !class; i++)
        class = check(takeover, &takeover->partitions[i], reterr);
    return class ? class : start(takeover, reterr);
}

enum ol_class take_over(struct loop *loop, struct ol_error *reterr)
{
    const struct ol_assignment *assignment = ol_consumer_assignment(loop->consumer);
    domain_assert(assignment);
    if (!ol_consumer_assignment_is_aligned(loop->consumer))
        return ol_fail(reterr, OL_FATAL,
                       "the group gave other partitions of %s than of %s: do they have the same "
                       "number of partitions? Nothing is decided",
                       loop->topics[STREAM_COMMANDS].text, loop->topics[STREAM_STEPS].text);

    int64_t began_us = ol_clock_monotonic_us();
    struct takeover *takeover = calloc(1, sizeof *takeover);
    if (!takeover)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    takeover->loop = loop;
    ol_arena_init(&takeover->arena, 256 * 1024, CHUNK_ARENA_BYTES);
    loop_disown(loop); /* a take-over before this one may have been interrupted */
    loop->deciding = false;
    memset(loop->projected, 0, sizeof loop->projected);
    for (size_t i = 0; i < assignment->count; i++)
        loop->owned |= UINT64_C(1) << assignment->places[i].partition;

    enum ol_class class = take_over_with(takeover, reterr);
    if (!class) {
        ol_series_add(loop->metrics.takeovers, (int64_t)takeover->count);
        ol_log(OL_LOG_INFO, "worker", "partitions taken over",
               ol_kv("context", context_name(loop->context)), ol_kv("count", takeover->count),
               ol_kv("states", overlay_stats(core_overlay(loop->core)).entries),
               ol_kv("took_ms", (ol_clock_monotonic_us() - began_us) / 1000));
    }
    ol_arena_release(&takeover->arena);
    free(takeover);
    return class;
}
