/* What lib/kafka/ol_kafka_producer.h promises, over the model of the broker. Requests and answers
 * travel apart: an answer may be lost after the effect, a request may linger and arrive behind its
 * own retry, as librdkafka's do. Whether a producer is tainted, production's own ol_taint.c
 * says. */
#include "tests/sim/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loop.h"
#include "lib/guard/protected.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/kafka/ol_offsets.h"
#include "lib/kafka/ol_taint.h"

#define SOCKET_TIMEOUT_US (5 * SEC)
#define TXN_JOB_US        (20 * SEC)
#define LINGER_US         (5 * MS)

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
    while (!client_is_dead() && !producer->cut && world->now_us < until_us) {
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
        while (!request->answered && world->now_us < timeout_us && !client_is_dead() &&
               !producer->cut)
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
    while (!producer->closing && !client_is_dead()) {
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
    if (client_is_dead())
        return client_fail_dead(reterr);
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
    while (producer->started && !producer->done && !client_is_dead())
        sim_block(SIM_NEVER);
    producer->in_transaction = false;
    while (producer->sending && !client_is_dead()) {
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
    if (client_is_dead())
        return client_fail_dead(reterr);
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
    if (client_is_dead())
        return client_fail_dead(reterr);
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
    if (client_is_dead())
        return client_fail_dead(reterr);
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

struct ol_group *ol_group_copy(const struct ol_group *group)
{
    return memcpy(sim_alloc(sizeof *group), group, sizeof *group);
}

void ol_group_free(struct ol_group *group)
{
    (void)group;
}

static enum ol_class keep_offsets(struct ol_producer *producer, const struct ol_offset *offsets,
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
    bool named = group && PROTECTED(assignment_metadata);
    producer->member = named ? group->member : (struct member_id){.generation = -1};
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
    counters[COUNT_COMMANDS_HELD] += actor->loop->held_back_us != 0;
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
    if (client_is_dead())
        return client_fail_dead(reterr);
    enum ol_class class = keep_offsets(producer, offsets, offset_count, group, reterr);
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
    enum ol_class class = keep_offsets(producer, offsets, offset_count, group, reterr);
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

int ol_producer_fd(const struct ol_producer *producer)
{
    (void)producer;
    return -1;
}

bool ol_producer_commit_done(const struct ol_producer *producer)
{
    return producer->done || client_is_dead();
}

enum ol_class ol_producer_commit_wait(struct ol_producer *producer, uint64_t *ret_us,
                                      struct ol_error *reterr)
{
    (void)ret_us;
    settle(producer);
    if (client_is_dead())
        return client_fail_dead(reterr);
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
