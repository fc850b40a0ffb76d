/* What lib/ol_kafka_producer.h, _consumer.h, _inbox.h, _reader.h and _admin.h promise, over the
 * model of the broker. Requests and answers travel apart: an answer may be lost after the effect, a
 * request may linger and arrive behind its own retry, as librdkafka's do. Whether a producer is
 * tainted, production's own lib/ol_taint.c says. */
#include "tests/sim/sim.h"

#include "consumers/loop.h"
#include "lib/ol_kafka_admin.h"
#include "lib/ol_kafka_consumer.h"
#include "lib/ol_kafka_producer.h"
#include "lib/ol_kafka_reader.h"
#include "lib/ol_offsets.h"
#include "lib/ol_protected.h"
#include "lib/ol_taint.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_TIMEOUT_US (5 * SEC)
#define TXN_JOB_US        (20 * SEC)
#define LINGER_US         (5 * MS)

static bool is_dead(void)
{
    const struct actor *actor = sim_actor();
    return actor && actor->dead;
}

static enum ol_class fail_dead(struct ol_error *reterr)
{
    return ol_fail(reterr, OL_FATAL, "the process is dead");
}

/* ---- requests of a producer ---- */

struct produced {
    struct part *part;
    int32_t sequence;
    struct slot *records;
    size_t count;
};

struct request {
    enum ol_taint_request kind;
    bool init;
    struct ol_producer *producer;
    int32_t writer, epoch;
    uint32_t txn; /* the one that is meant, for counting */
    uint64_t (*parts)[STREAM_COUNT];
    const struct produced *produced;
    size_t produced_count;
    const struct ol_offset *offsets;
    size_t offset_count;
    struct member_id member;
    struct group *group;
    bool aborts; /* OL_TAINT_END */
    struct fiber *owner;
    enum broker_answer answer;
    int32_t ret_epoch;
    bool answered, abandoned;
};

struct ol_producer {
    struct actor *actor;
    int32_t writer, epoch;
    uint32_t txn;
    struct ol_taint taint;
    bool in_transaction, started, done, closing;
    bool sent, sending, cut,
        offsets_sent; /* before the commit; cut: what is under way is dropped */
    enum broker_answer sent_answer;
    int64_t linger_until;
    struct fiber *fiber;
    struct group *group;
    uint64_t parts[CONTEXT_COUNT][STREAM_COUNT];
    struct produced *produced;
    size_t produced_count;
    struct ol_offset *offsets;
    size_t offset_count;
    struct member_id member;
    int32_t sequences[CONTEXT_COUNT][STREAM_COUNT][SIM_PARTITIONS_MAX];
    struct ol_error result;
};

static enum broker_answer effect(struct request *request)
{
    enum broker_answer answer = BROKER_OK;
    if (request->init)
        return broker_init_writer(request->writer, &request->ret_epoch);
    switch (request->kind) {
    case OL_TAINT_ADD_PARTITIONS:
        answer = broker_add_partitions(request->writer, request->epoch, request->parts);
        break;
    case OL_TAINT_PRODUCE:
        for (size_t i = 0; i < request->produced_count && !answer; i++) {
            const struct produced *produced = &request->produced[i];
            answer = broker_produce(request->writer, request->epoch, produced->part,
                                    produced->sequence, produced->records, produced->count);
        }
        break;
    case OL_TAINT_ADD_OFFSETS: answer = broker_add_offsets(request->writer, request->epoch); break;
    case OL_TAINT_OFFSETS:
        answer = group_offsets(request->group, request->writer, request->epoch, request->member,
                               request->offsets, request->offset_count);
        break;
    case OL_TAINT_END:
        answer = broker_end(request->writer, request->epoch, !request->aborts);
        break;
    case OL_TAINT_REQUESTS: abort();
    }
    return answer;
}

static void note_late(const struct request *request)
{
    if (!request->abandoned || request->init || !request->txn ||
        world->writers[request->writer].txn == request->txn)
        return;
    count(request->kind == OL_TAINT_END       ? COUNT_LATE_END
          : request->kind == OL_TAINT_OFFSETS ? COUNT_LATE_OFFSETS
                                              : COUNT_LATE_PRODUCE);
    sim_say("late request %d of writer %d: it meant transaction %u, there is %u", request->kind,
            request->writer, request->txn, world->writers[request->writer].txn);
}

static void reply(void *self, uint64_t argument)
{
    (void)argument;
    struct request *request = self;
    if (request->abandoned)
        return;
    request->answered = true;
    sim_wake(request->owner);
}

static void arrive(void *self, uint64_t argument)
{
    (void)argument;
    struct request *request = self;
    if (!broker_is_up())
        return;
    note_late(request);
    request->answer = effect(request);
    if ((request->kind == OL_TAINT_ADD_PARTITIONS || request->kind == OL_TAINT_ADD_OFFSETS) &&
        !request->init && !request->answer)
        request->producer->txn = world->writers[request->writer].txn;
    sim_trace((uint64_t)request->kind << 8 | (uint64_t)request->answer);
    if (sim_has(FAULT_LOST_ANSWER) && sim_chance((uint64_t)world->knobs.lost_ppm)) {
        count(COUNT_ANSWERS_LOST);
        return;
    }
    sim_at(world->now_us + sim_delay(world->knobs.latency_us), reply, request, 0);
}

static int64_t request_delay(void)
{
    if (sim_has(FAULT_DELAY) && sim_chance((uint64_t)world->knobs.delay_ppm))
        switch (sim_below(4)) {
        case 0: return sim_delay(SEC);
        case 1: return sim_delay(8 * SEC);
        default: /* just behind its own retry, when the next transaction is open */
            return SOCKET_TIMEOUT_US + (int64_t)sim_below(60 * (uint64_t)world->knobs.latency_us);
        }
    return sim_delay(world->knobs.latency_us);
}

static const char *const nobody = "broker";

/* One request until it is answered: a copy after each timeout, the first may still arrive. */
static enum broker_answer call(struct ol_producer *producer, const struct request *wanted,
                               int64_t until_us)
{
    int64_t back_off_us = 5 * MS;
    while (!is_dead() && !producer->cut && world->now_us < until_us) {
        struct request *request = sim_alloc(sizeof *request);
        *request = *wanted;
        request->producer = producer;
        request->writer = producer->writer;
        request->epoch = producer->epoch;
        request->txn = producer->txn;
        request->owner = world->current;
        if (!request->init)
            ol_taint_sent(&producer->taint, request->kind, nobody);
        sim_at(world->now_us + request_delay(), arrive, request, 0);
        int64_t timeout_us = world->now_us + SOCKET_TIMEOUT_US;
        while (!request->answered && world->now_us < timeout_us && !is_dead() && !producer->cut)
            sim_block(timeout_us);
        if (!request->answered) {
            request->abandoned = true;
            if (!request->init)
                ol_taint_answered(&producer->taint, request->kind, "timed out", nobody);
            continue;
        }
        if (!request->init)
            ol_taint_answered(&producer->taint, request->kind, NULL, nobody);
        if (request->answer == BROKER_CONCURRENT) {
            sim_sleep(back_off_us);
            back_off_us = back_off_us < 50 * MS ? 2 * back_off_us : back_off_us;
            continue;
        }
        if (request->init)
            producer->epoch = request->ret_epoch;
        return request->answer;
    }
    return BROKER_SILENT;
}

static enum ol_class fail_answer(enum broker_answer answer, struct ol_error *reterr,
                                 const char *what)
{
    switch (answer) {
    case BROKER_OK: return OL_OK;
    case BROKER_FENCED: return ol_fail(reterr, OL_CONFLICT, "%s: fenced", what);
    case BROKER_INVALID: return ol_fail(reterr, OL_RETRY, "%s: not in this state", what);
    default: return ol_fail(reterr, OL_RETRY, "%s: no answer", what);
    }
}

/* ---- a producer ---- */

static enum ol_class init_producer(struct ol_producer *producer, struct ol_error *reterr)
{
    const struct request request = {.init = true};
    producer->taint = (struct ol_taint){0};
    producer->txn = 0;
    memset(producer->sequences, 0, sizeof producer->sequences);
    return fail_answer(call(producer, &request, world->now_us + 10 * SEC), reterr, "init");
}

static enum broker_answer produce_all(struct ol_producer *producer, int64_t until_us)
{
    bool split = sim_has(FAULT_SPLIT) && sim_chance(300000);
    struct request request = {.kind = OL_TAINT_PRODUCE,
                              .produced = producer->produced,
                              .produced_count = producer->produced_count};
    if (!split)
        return producer->produced_count ? call(producer, &request, until_us) : BROKER_OK;
    enum broker_answer answer = BROKER_OK;
    request.produced_count = 1;
    for (size_t i = 0; i < producer->produced_count && !answer; i++) {
        request.produced = &producer->produced[i];
        answer = call(producer, &request, until_us);
    }
    return answer;
}

/* The library sends what it was given after a moment, whether a commit was asked for or not. */
static void send_records(struct ol_producer *producer)
{
    int64_t until_us = world->now_us + TXN_JOB_US;
    const struct request request = {.kind = OL_TAINT_ADD_PARTITIONS, .parts = producer->parts};
    producer->sending = producer->sent = true;
    enum broker_answer answer = call(producer, &request, until_us);
    if (!answer)
        answer = produce_all(producer, until_us);
    producer->sent_answer = answer;
    producer->sending = false;
}

static enum broker_answer send_offsets(struct ol_producer *producer, int64_t until_us)
{
    struct request request = {.kind = OL_TAINT_ADD_OFFSETS};
    enum broker_answer answer = call(producer, &request, until_us);
    request = (struct request){.kind = OL_TAINT_OFFSETS,
                               .offsets = producer->offsets,
                               .offset_count = producer->offset_count,
                               .member = producer->member,
                               .group = producer->group};
    producer->offsets_sent = true;
    return answer ? answer : call(producer, &request, until_us);
}

static void run_commit(struct ol_producer *producer)
{
    int64_t until_us = world->now_us + TXN_JOB_US;
    if (producer->produced_count && !producer->sent)
        send_records(producer);
    enum broker_answer answer = producer->sent_answer;
    if (!answer && producer->offset_count && !producer->offsets_sent)
        answer = send_offsets(producer, until_us);
    uint32_t txn = producer->txn;
    const struct request request = {.kind = OL_TAINT_END};
    if (!answer && (producer->produced_count || producer->offset_count))
        answer = call(producer, &request, until_us);
    if (answer && txn && world->txns[txn].committed)
        count(COUNT_COMMIT_UNKNOWN);
    producer->result.class = OL_OK;
    if (fail_answer(answer, &producer->result, "commit"))
        ol_taint_set(&producer->taint, "commit failed");
}

static void producer_main(void *argument)
{
    struct ol_producer *producer = argument;
    while (!producer->closing && !is_dead()) {
        bool unsent = producer->in_transaction && producer->produced_count && !producer->sent;
        if (producer->started && !producer->done) {
            run_commit(producer);
            producer->done = true;
            sim_wake(producer->actor->fiber);
        } else if (unsent && world->now_us >= producer->linger_until) {
            send_records(producer);
            sim_wake(producer->actor->fiber);
        } else {
            sim_block(unsent ? producer->linger_until : SIM_NEVER);
        }
    }
}

enum ol_class ol_producer_open(const struct ol_kafka_settings *settings,
                               const char *transactional_id, struct ol_producer **ret_producer,
                               struct ol_error *reterr)
{
    (void)settings;
    struct ol_producer *producer = memset(sim_alloc(sizeof *producer), 0, sizeof *producer);
    size_t bytes = strlen(transactional_id);
    enum context context = sim_actor()->context;
    assert(transactional_id[bytes - 1] == 'a' || transactional_id[bytes - 1] == 'b');
    producer->actor = sim_actor();
    producer->writer = ((int32_t)context * SIM_WORKERS_MAX + producer->actor->slot) * 2 +
                       (transactional_id[bytes - 1] - 'a');
    producer->group = &world->groups[0][context];
    if (is_dead())
        return fail_dead(reterr);
    enum ol_class class = init_producer(producer, reterr);
    if (class)
        return class;
    producer->fiber = sim_fiber(producer_main, producer, producer->actor);
    producer->fiber->blocked = true;
    *ret_producer = producer;
    return OL_OK;
}

/* Waits for a started commit; what else is under way is dropped, and may still arrive. */
static void settle(struct ol_producer *producer)
{
    while (producer->started && !producer->done && !is_dead())
        sim_block(SIM_NEVER);
    producer->in_transaction = false;
    while (producer->sending && !is_dead()) {
        producer->cut = true;
        sim_wake(producer->fiber);
        sim_block(SIM_NEVER);
    }
    producer->cut = false;
}

bool ol_producer_close(struct ol_producer *producer)
{
    if (!producer)
        return true;
    settle(producer);
    producer->closing = true;
    sim_wake(producer->fiber);
    return true;
}

enum ol_class ol_producer_renew(struct ol_producer *producer, struct ol_error *reterr)
{
    settle(producer);
    if (is_dead())
        return fail_dead(reterr);
    count(COUNT_TAINTED);
    producer->started = false;
    return init_producer(producer, reterr);
}

int32_t ol_producer_topic(struct ol_producer *producer, const char *name)
{
    (void)producer;
    const struct part *part = broker_part(name, 0);
    return (int32_t)part->context * STREAM_COUNT + (int32_t)part->stream;
}

enum ol_class ol_producer_begin(struct ol_producer *producer, struct ol_error *reterr)
{
    if (is_dead())
        return fail_dead(reterr);
    assert(!producer->in_transaction && !producer->started && !producer->taint.tainted);
    producer->in_transaction = true;
    producer->txn = 0;
    producer->sent = producer->offsets_sent = false;
    producer->sent_answer = BROKER_OK;
    producer->produced_count = producer->offset_count = 0;
    memset(producer->parts, 0, sizeof producer->parts);
    return OL_OK;
}

static const struct ol_header *keep_headers(const struct ol_record *record)
{
    struct ol_header *headers = sim_alloc((record->header_count + 1) * sizeof *headers);
    for (size_t i = 0; i < record->header_count; i++)
        headers[i] = (struct ol_header){
            sim_copy(record->headers[i].name, strlen(record->headers[i].name) + 1),
            sim_copy(record->headers[i].value, record->headers[i].value_bytes),
            record->headers[i].value_bytes};
    return headers;
}

static void keep_record(struct slot *slot, const struct ol_record *record)
{
    *slot = (struct slot){.kind = SLOT_RECORD,
                          .key = sim_copy(record->key, record->key_bytes),
                          .value = sim_copy(record->value, record->value_bytes),
                          .key_bytes = (uint32_t)record->key_bytes,
                          .value_bytes = (uint32_t)record->value_bytes,
                          .header_count = (uint32_t)record->header_count};
    if (record->header_count)
        slot->headers = keep_headers(record);
}

/* Sorted by partition, each in the order given: as the library batches them. */
enum ol_class ol_producer_produce(struct ol_producer *producer, const struct ol_record *records,
                                  size_t record_count, struct ol_error *reterr)
{
    if (is_dead())
        return fail_dead(reterr);
    assert(producer->in_transaction && !producer->produced_count);
    uint32_t counts[CONTEXT_COUNT * STREAM_COUNT][SIM_PARTITIONS_MAX] = {0};
    int8_t rows[CONTEXT_COUNT * STREAM_COUNT][SIM_PARTITIONS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < record_count; i++)
        used += counts[records[i].topic][records[i].partition]++ == 0;
    producer->produced = sim_alloc((used + 1) * sizeof *producer->produced);
    producer->produced_count = 0;
    for (int topic = 0; topic < CONTEXT_COUNT * STREAM_COUNT; topic++)
        for (int32_t i = 0; i < world->knobs.partitions; i++) {
            if (!counts[topic][i])
                continue;
            int context = topic / STREAM_COUNT, stream = topic % STREAM_COUNT;
            rows[topic][i] = (int8_t)producer->produced_count;
            producer->parts[context][stream] |= UINT64_C(1) << i;
            producer->produced[producer->produced_count++] =
                (struct produced){.part = &world->parts[context][stream][i],
                                  .sequence = producer->sequences[context][stream][i],
                                  .records = sim_alloc(counts[topic][i] * sizeof(struct slot))};
            producer->sequences[context][stream][i] += (int32_t)counts[topic][i];
        }
    for (size_t i = 0; i < record_count; i++) {
        struct produced *produced =
            &producer->produced[rows[records[i].topic][records[i].partition]];
        keep_record(&produced->records[produced->count++], &records[i]);
    }
    producer->linger_until = world->now_us + LINGER_US;
    sim_wake(producer->fiber);
    return OL_OK;
}

struct ol_group {
    struct member_id member;
};

struct ol_group *ol_group_copy(const struct ol_group *group)
{
    return memcpy(sim_alloc(sizeof *group), group, sizeof *group);
}

void ol_group_free(struct ol_group *group)
{
    (void)group;
}

static enum ol_class take_offsets(struct ol_producer *producer, const struct ol_offset *offsets,
                                  size_t offset_count, const struct ol_group *group,
                                  struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    enum ol_class class = ol_offsets_check("producer", offsets, offset_count, reterr);
    if (class)
        return class;
    producer->offsets = sim_alloc((offset_count + 1) * sizeof *offsets);
    for (size_t i = 0; i < offset_count; i++) {
        const struct part *part = broker_part(offsets[i].topic, 0);
        producer->offsets[i] = offsets[i];
        producer->offsets[i].topic = broker_topic(part->context, part->stream);
    }
    producer->offset_count = offset_count;
    producer->member = group ? group->member : (struct member_id){.generation = -1};
    return OL_OK;
}

static void count_commit(const struct ol_producer *producer)
{
    struct actor *actor = producer->actor;
    if (!producer->parts[actor->context][STREAM_EVENTS])
        count(COUNT_TIMEOUTS_ALONE);
    uint64_t evictions = overlay_stats(core_overlay(actor->loop->core)).evictions;
    counters[COUNT_EVICTIONS] += evictions - actor->evictions;
    actor->evictions = evictions;
}

static void start_commit(struct ol_producer *producer)
{
    producer->started = true;
    producer->done = false;
    sim_wake(producer->fiber);
}

enum ol_class ol_producer_commit_start(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t offset_count,
                                       const struct ol_group *group, struct ol_error *reterr)
{
    if (is_dead())
        return fail_dead(reterr);
    enum ol_class class = take_offsets(producer, offsets, offset_count, group, reterr);
    if (class)
        return class;
    if (producer->actor->loop)
        count_commit(producer);
    start_commit(producer);
    return OL_OK;
}

enum ol_class ol_producer_send_offsets(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t offset_count,
                                       const struct ol_group *group, struct ol_error *reterr)
{
    enum ol_class class = take_offsets(producer, offsets, offset_count, group, reterr);
    if (class)
        return class;
    class = fail_answer(send_offsets(producer, world->now_us + TXN_JOB_US), reterr, "offsets");
    if (class)
        ol_taint_set(&producer->taint, "offsets failed");
    return class;
}

enum ol_class ol_producer_commit(struct ol_producer *producer, uint64_t *ret_us,
                                 struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    start_commit(producer);
    return ol_producer_commit_wait(producer, ret_us, reterr);
}

/* What has not arrived by then is ended by the next init. */
enum ol_class ol_producer_abort(struct ol_producer *producer, struct ol_error *reterr)
{
    const struct request request = {.kind = OL_TAINT_END, .aborts = true};
    settle(producer);
    ol_taint_set(&producer->taint, "aborted");
    if (!producer->txn)
        return OL_OK;
    return fail_answer(call(producer, &request, world->now_us + TXN_JOB_US), reterr, "abort");
}

void ol_producer_taint(struct ol_producer *producer, const char *reason)
{
    ol_taint_set(&producer->taint, "%s", reason);
}

int ol_producer_fd(const struct ol_producer *producer)
{
    (void)producer;
    return -1;
}

bool ol_producer_commit_done(const struct ol_producer *producer)
{
    return producer->done || is_dead();
}

enum ol_class ol_producer_commit_wait(struct ol_producer *producer, uint64_t *ret_us,
                                      struct ol_error *reterr)
{
    (void)ret_us;
    settle(producer);
    if (is_dead())
        return fail_dead(reterr);
    producer->in_transaction = producer->started = false;
    if (producer->result.class)
        return ol_fail(reterr, producer->result.class, "%s", producer->result.text);
    return OL_OK;
}

bool ol_producer_tainted(const struct ol_producer *producer)
{
    return producer->taint.tainted;
}

const char *ol_producer_taint_reason(const struct ol_producer *producer)
{
    return producer->taint.reason;
}

/* ---- messages ---- */

void ol_message_release(struct ol_message *message)
{
    message->handle = NULL;
}

void ol_messages_release(struct ol_message *messages, size_t message_count)
{
    for (size_t i = 0; i < message_count; i++)
        ol_message_release(&messages[i]);
}

bool ol_message_header(const struct ol_message *message, size_t index, struct ol_header *ret_header)
{
    const struct slot *slot = message->handle;
    if (index >= slot->header_count)
        return false;
    *ret_header = slot->headers[index];
    return true;
}

bool ol_message_header_named(const struct ol_message *message, const char *name,
                             struct ol_header *ret_header)
{
    const struct slot *slot = message->handle;
    for (uint32_t i = slot->header_count; i-- > 0;)
        if (strcmp(slot->headers[i].name, name) == 0) {
            *ret_header = slot->headers[i];
            return true;
        }
    return false;
}

/* ---- inboxes ---- */

static void inbox_init(struct ol_inbox *inbox, struct part *part, int32_t topic_index,
                       int64_t position)
{
    memset(inbox, 0, offsetof(struct ol_inbox, slots)); /* slots: as they are filled */
    inbox->topic = broker_topic(part->context, part->stream);
    inbox->topic_index = topic_index;
    inbox->partition = part->number;
    inbox->position = position;
    inbox->end = inbox->last = -1;
    inbox->queue = part;
    if (position > part->count)
        ol_fail(&inbox->error, OL_VIOLATED, "offset %lld is out of range", (long long)position);
}

static void wake_actor(void *self, uint64_t argument)
{
    (void)argument;
    struct actor *actor = self;
    if (actor->running && !actor->dead)
        sim_wake(actor->fiber);
}

static void wait_for_records(struct ol_inbox *inbox, struct part *part)
{
    struct actor *actor = sim_actor();
    part->readers |= UINT64_C(1) << actor->number;
    (void)inbox;
}

static void refill(struct ol_inbox *inbox)
{
    struct part *part = inbox->queue;
    bool committed = OL_PROTECTED(read_committed);
    int64_t end = committed ? part->stable : part->count;
    inbox->head = 0;
    if (is_dead() || inbox->error.class)
        return;
    if (!broker_is_up()) {
        wait_for_records(inbox, part);
        return;
    }
    if (inbox->position < end && sim_has(FAULT_FETCH) && sim_chance(20000)) {
        sim_at(world->now_us + sim_delay(sim_chance(100000) ? SEC : 20 * MS), wake_actor,
               sim_actor(), 0);
        inbox->end = -1;
        return;
    }
    while (inbox->position < end && inbox->count < OL_INBOX_SLOTS) {
        const struct slot *slot = part_slot(part, inbox->position);
        if (slot->kind == SLOT_RECORD && (broker_committed(slot) || !committed)) {
            inbox->last = inbox->position;
            inbox->slots[inbox->count++] = (struct ol_message){
                .topic = inbox->topic,
                .topic_index = inbox->topic_index,
                .partition = inbox->partition,
                .offset = inbox->position,
                .timestamp_ms = slot->at_us / 1000,
                .key = slot->key,
                .value = slot->value,
                .key_bytes = slot->key_bytes,
                .value_bytes = slot->value_bytes,
                .handle = (void *)(uintptr_t)slot,
            };
        } else if (slot->kind == SLOT_RECORD) {
            count(COUNT_ABORTED_RECORDS);
        }
        inbox->position++;
    }
    inbox->end = inbox->position >= end ? end : -1;
    inbox->refill_bytes = (size_t)inbox->position; /* behind the slots */
    if (inbox->count)
        inbox->position = inbox->slots[0].offset;
    else
        wait_for_records(inbox, part);
}

const struct ol_message *ol_inbox_peek(struct ol_inbox *inbox)
{
    if (!inbox->count)
        refill(inbox);
    return inbox->count ? &inbox->slots[inbox->head] : NULL;
}

bool ol_inbox_take(struct ol_inbox *inbox, struct ol_message *ret_message)
{
    if (!ol_inbox_peek(inbox))
        return false;
    *ret_message = inbox->slots[inbox->head++];
    inbox->count--;
    inbox->position =
        inbox->count ? inbox->slots[inbox->head].offset : (int64_t)inbox->refill_bytes;
    return true;
}

bool ol_inbox_at_end(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return !inbox->count && inbox->end >= 0 && inbox->position >= inbox->end &&
           inbox->position >= part->stable;
}

static bool has_records(const struct ol_inbox *inbox)
{
    const struct part *part = inbox->queue;
    return inbox->count || inbox->error.class || (inbox->position < part->stable && broker_is_up());
}

/* ---- a member of a group ---- */

struct ol_consumer {
    struct actor *actor;
    struct group *group;
    int32_t slot;
    enum stream streams[2];
    size_t stream_count;
    bool closed, joining, expelled, fenced, is_assigned;
    int64_t expelled_until;
    struct member_id member; /* as the group says */
    uint64_t parts;
    enum ol_consumer_event event;
    uint64_t event_serial;
    struct ol_assignment assignment;
    struct ol_group taken; /* in the assign callback */
    struct ol_offset places[2 * SIM_PARTITIONS_MAX];
    struct ol_inbox *inboxes;
    size_t inbox_count;
};

int32_t client_slot(const struct ol_consumer *client)
{
    return client->slot;
}

uint32_t client_member(const struct ol_consumer *client)
{
    return client->member.id;
}

bool client_is_heard(const struct ol_consumer *client)
{
    const struct actor *actor = client->actor;
    return !client->closed && actor->running && !actor->dead &&
           actor->paused_until <= world->now_us;
}

static void join_arrives(void *self, uint64_t argument)
{
    (void)argument;
    struct ol_consumer *client = self;
    if (!broker_is_up()) {
        sim_at(world->broker_down_until + sim_delay(200 * MS), join_arrives, client, 0);
        return;
    }
    client->joining = false;
    if (client_is_heard(client))
        group_join(client->group, client, client->member.id);
    else if (!client->closed && client->actor->running && !client->actor->dead) {
        client->joining = true;
        sim_at(client->actor->paused_until + MS, join_arrives, client, 0);
    }
}

static void join(struct ol_consumer *client)
{
    if (client->joining || client->closed)
        return;
    client->joining = true;
    sim_at(world->now_us + sim_delay(world->knobs.latency_us), join_arrives, client, 0);
}

static void tell(struct ol_consumer *client, enum ol_consumer_event event)
{
    client->event = event;
    sim_wake(client->actor->fiber);
}

/* The answer to a join is on its way; a later one overtakes it. */
static void assigned_arrives(void *self, uint64_t generation)
{
    struct ol_consumer *client = self;
    if (client->closed || client->member.generation != (int32_t)generation || client->expelled ||
        client->is_assigned)
        return;
    client->is_assigned = true;
    client->taken.member = client->member;
    client->assignment = (struct ol_assignment){
        .serial = client->assignment.serial + 1, .places = client->places, .group = &client->taken};
    for (size_t i = 0; i < client->stream_count; i++)
        for (uint64_t bits = client->parts; bits; bits &= bits - 1)
            client->places[client->assignment.count++] =
                (struct ol_offset){broker_topic(client->group->context, client->streams[i]),
                                   __builtin_ctzll(bits), -1};
    tell(client, OL_CONSUMER_ASSIGNED);
}

void client_assigned(struct ol_consumer *client, struct member_id member, uint64_t parts)
{
    client->member = member;
    client->parts = parts;
    sim_at(world->now_us + sim_delay(world->knobs.latency_us), assigned_arrives, client,
           (uint64_t)member.generation);
}

void client_rebalance(struct ol_consumer *client)
{
    if (client->is_assigned && client->event != OL_CONSUMER_REVOKED)
        tell(client, OL_CONSUMER_REVOKED);
    else if (!client->is_assigned)
        join(client);
}

void client_lost(struct ol_consumer *client, bool fenced)
{
    client->fenced |= fenced;
    client->expelled = true;
    client->expelled_until = 0;
}

static void drop_inboxes(struct ol_consumer *client)
{
    free(client->inboxes);
    client->inboxes = NULL;
    client->inbox_count = 0;
}

enum ol_class ol_consumer_open(const struct ol_kafka_settings *settings,
                               const struct ol_consumer_options *options,
                               struct ol_consumer **ret_consumer, struct ol_error *reterr)
{
    (void)settings;
    if (is_dead())
        return fail_dead(reterr);
    struct ol_consumer *client = memset(sim_alloc(sizeof *client), 0, sizeof *client);
    client->actor = sim_actor();
    client->group = &world->groups[client->actor->projector][client->actor->context];
    client->slot = (int32_t)strtol(strpbrk(options->instance, "0123456789"), NULL, 10);
    client->stream_count = options->topic_count;
    for (size_t i = 0; i < options->topic_count; i++)
        client->streams[i] = broker_part(options->topics[i], 0)->stream;
    join(client);
    *ret_consumer = client;
    return OL_OK;
}

/* A member that the group has dropped learns of it by its next heartbeat. */
enum ol_class ol_consumer_poll(struct ol_consumer *client, enum ol_consumer_event *ret_event,
                               struct ol_error *reterr)
{
    *ret_event = OL_CONSUMER_NOTHING;
    if (is_dead())
        return fail_dead(reterr);
    if (client->expelled && !client->expelled_until)
        client->expelled_until = world->now_us + (int64_t)sim_below(300 * MS);
    if (client->expelled && world->now_us >= client->expelled_until) {
        if (client->fenced)
            return ol_fail(reterr, OL_CONFLICT, "the slot is taken by another process");
        *ret_event = OL_CONSUMER_LOST;
        return OL_OK;
    }
    *ret_event = client->event;
    client->event = OL_CONSUMER_NOTHING;
    return OL_OK;
}

static bool has_news(const struct ol_consumer *client)
{
    if (client->event || is_dead())
        return true;
    for (size_t i = 0; i < client->inbox_count; i++) {
        if (client->inboxes[i].ignored)
            continue;
        if (has_records(&client->inboxes[i]))
            return true;
        wait_for_records(&client->inboxes[i], client->inboxes[i].queue);
    }
    return false;
}

bool ol_consumer_wait(struct ol_consumer *client, int fd, int timeout_ms)
{
    (void)fd;
    int64_t until_us = world->now_us + timeout_ms * MS;
    if (client->expelled && client->expelled_until > world->now_us &&
        client->expelled_until < until_us)
        until_us = client->expelled_until;
    /* What waits at the last look is taken in the next turn, after what a fetch takes. */
    if (has_news(client))
        until_us = world->now_us + world->knobs.latency_us / 4;
    sim_block(until_us);
    return true;
}

void ol_consumer_wake(struct ol_consumer *client)
{
    if (!client->closed)
        sim_wake(client->actor->fiber);
}

const struct ol_assignment *ol_consumer_assignment(const struct ol_consumer *client)
{
    return client->is_assigned ? &client->assignment : NULL;
}

bool ol_consumer_assignment_is_aligned(const struct ol_consumer *client)
{
    (void)client;
    return true;
}

enum ol_class ol_consumer_assign(struct ol_consumer *client, const struct ol_offset *positions,
                                 size_t position_count, struct ol_error *reterr)
{
    if (is_dead())
        return fail_dead(reterr);
    drop_inboxes(client);
    assert(position_count == client->assignment.count);
    client->inboxes = malloc((position_count + 1) * sizeof *client->inboxes);
    if (!client->inboxes)
        abort();
    for (size_t i = 0; i < position_count; i++)
        inbox_init(&client->inboxes[i], broker_part(positions[i].topic, positions[i].partition),
                   (int32_t)(i / (position_count / client->stream_count)), positions[i].offset);
    client->inbox_count = position_count;
    return OL_OK;
}

enum ol_class ol_consumer_unassign(struct ol_consumer *client, struct ol_error *reterr)
{
    (void)reterr;
    drop_inboxes(client);
    client->is_assigned = false;
    if (!is_dead())
        join(client);
    return OL_OK;
}

size_t ol_consumer_inboxes(struct ol_consumer *client, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = client->inboxes;
    return client->inbox_count;
}

static bool is_stable(const struct group *group, const struct ol_offset *places, size_t place_count)
{
    for (size_t i = 0; i < place_count; i++)
        if (group->pending[places[i].partition])
            return !OL_PROTECTED(stable_offsets);
    return true;
}

enum ol_class ol_consumer_committed(struct ol_consumer *client, struct ol_offset *places,
                                    size_t place_count, int timeout_ms, struct ol_error *reterr)
{
    int64_t until_us = world->now_us + timeout_ms * MS;
    bool waited = false;
    for (;;) {
        sim_sleep(sim_delay(world->knobs.latency_us));
        if (is_dead())
            return fail_dead(reterr);
        if (broker_is_up() && is_stable(client->group, places, place_count))
            break;
        if (world->now_us >= until_us)
            return ol_fail(reterr, OL_RETRY, "no stable offsets in time");
        if (broker_is_up() && !waited)
            count(COUNT_UNSTABLE_OFFSETS);
        waited |= broker_is_up();
        sim_sleep(100 * MS);
    }
    for (size_t i = 0; i < place_count; i++) {
        int source = broker_part(places[i].topic, 0)->stream == STREAM_COMMANDS ? 0 : 1;
        places[i].offset = client->group->committed[places[i].partition][source];
    }
    sim_sleep(sim_delay(world->knobs.latency_us));
    return OL_OK;
}

void ol_consumer_note_offsets(struct ol_consumer *client, const struct ol_offset *positions,
                              size_t position_count)
{
    (void)client, (void)positions, (void)position_count;
}

static bool close_client(struct ol_consumer *client)
{
    drop_inboxes(client);
    client->closed = true;
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (client->group->members[i].client == client)
            client->group->members[i].client = NULL;
    return true;
}

bool ol_consumer_leave(struct ol_consumer *client, int timeout_ms)
{
    (void)timeout_ms;
    if (!client)
        return true;
    if (!is_dead())
        group_leave(client->group, client->member.id);
    return close_client(client);
}

bool ol_consumer_abandon(struct ol_consumer *client, int timeout_ms)
{
    (void)timeout_ms;
    return !client || close_client(client);
}

/* ---- a reader ---- */

struct ol_reader {
    struct ol_inbox *inboxes;
    size_t count;
};

enum ol_class ol_reader_open(const struct ol_kafka_settings *settings, enum ol_isolation isolation,
                             size_t partition_count, struct ol_reader **ret_reader,
                             struct ol_error *reterr)
{
    (void)settings, (void)isolation, (void)partition_count;
    if (is_dead())
        return fail_dead(reterr);
    *ret_reader = calloc(1, sizeof **ret_reader);
    return *ret_reader ? OL_OK : ol_fail(reterr, OL_FATAL, "no memory");
}

bool ol_reader_close(struct ol_reader *reader)
{
    if (reader)
        free(reader->inboxes);
    free(reader);
    return true;
}

enum ol_class ol_reader_assign(struct ol_reader *reader, const struct ol_offset *positions,
                               size_t position_count, struct ol_error *reterr)
{
    if (is_dead())
        return fail_dead(reterr);
    free(reader->inboxes);
    reader->inboxes = malloc((position_count + 1) * sizeof *reader->inboxes);
    if (!reader->inboxes)
        abort();
    reader->count = position_count;
    for (size_t i = 0; i < position_count; i++)
        inbox_init(&reader->inboxes[i], broker_part(positions[i].topic, positions[i].partition),
                   (int32_t)i, positions[i].offset);
    return OL_OK;
}

static size_t read_some(struct ol_reader *reader, struct ol_message *messages, size_t max)
{
    size_t taken = 0;
    for (size_t i = 0; i < reader->count; i++)
        while (taken < max && ol_inbox_take(&reader->inboxes[i], &messages[taken]))
            taken++;
    return taken;
}

enum ol_class ol_reader_poll(struct ol_reader *reader, int timeout_ms, struct ol_message *messages,
                             size_t max, size_t *ret_count, struct ol_error *reterr)
{
    int64_t until_us = world->now_us + timeout_ms * MS;
    sim_sleep(sim_delay(world->knobs.latency_us));
    *ret_count = read_some(reader, messages, max);
    if (!*ret_count && !ol_reader_at_end(reader)) {
        sim_block(until_us);
        *ret_count = read_some(reader, messages, max);
    } else if (!*ret_count) {
        sim_block(until_us);
    }
    if (is_dead())
        return fail_dead(reterr);
    if (*ret_count > 1)
        count(COUNT_REPLAYED);
    for (size_t i = 0; i < reader->count; i++)
        if (reader->inboxes[i].error.class)
            return ol_fail(reterr, OL_VIOLATED, "%s", reader->inboxes[i].error.text);
    return OL_OK;
}

size_t ol_reader_inboxes(struct ol_reader *reader, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = reader->inboxes;
    return reader->count;
}

int64_t ol_reader_position(const struct ol_reader *reader, size_t index)
{
    return reader->inboxes[index].position;
}

bool ol_reader_at_end(const struct ol_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++)
        if (!ol_inbox_at_end(&reader->inboxes[i]))
            return false;
    return true;
}

/* ---- look-ups ---- */

enum ol_class ol_admin_watermarks(struct ol_admin *admin, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr)
{
    (void)admin;
    int64_t until_us = world->now_us + timeout_ms * MS;
    do {
        sim_sleep(sim_delay(world->knobs.latency_us));
        if (is_dead())
            return fail_dead(reterr);
        if (world->now_us >= until_us)
            return ol_fail(reterr, OL_RETRY, "the broker is away");
    } while (!broker_is_up());
    const struct part *part = broker_part(topic, partition);
    *ret_low = 0;
    *ret_high = part->count;
    if (part->count > part->stable)
        count(COUNT_STABLE_BELOW_HIGH);
    return OL_OK;
}
