#include "tests/support/pipeline_checks_internal.h"

#include "domain/assert.h"
#include "lib/base/ol_hash.h"

/* One partition's inputs through a core of its own. */
struct rerun {
    const struct pipeline *pipeline;
    enum context context;
    int32_t partition;
    struct core *core;
    struct core *empty; /* misses every state: names what an input may change */
    struct batch_topics topics;
    struct batch batch;
    int64_t next_event; /* in the events partition */
    uint64_t written;   /* digest of what else was written, in any order */
};

#define RERUN_STATES_MAX (ORDER_LINES_MAX + 8)

/* A record of a partition, whatever its place there. */
static uint64_t digest_of(int32_t topic, int32_t partition, const struct ol_record *record)
{
    uint64_t digest =
        ol_hash_record(record->key, record->key_bytes, record->value, record->value_bytes);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct ol_header *header = &record->headers[i];
        digest = digest * 31 + ol_hash_record(header->name, strlen(header->name), header->value,
                                              header->value_bytes);
    }
    uint64_t parts[] = {digest, (uint64_t)topic, (uint64_t)partition};
    return ol_hash(parts, sizeof parts);
}

/* Which answers a batch made one is the batch's: here each group's stands for itself. Who asked,
 * and the id that follows, are the first one's. */
static uint64_t digest_groups(int32_t partition, const struct order_step *step)
{
    uint64_t digest = 0;
    for (uint64_t groups = step->groups; groups; groups &= groups - 1) {
        uint64_t parts[] = {ol_hash(step->order_id.data, step->order_id.bytes),
                            (uint64_t)step->kind, groups & -groups, (uint64_t)partition};
        digest += ol_hash(parts, sizeof parts);
    }
    return digest;
}

/* Each step by itself, wherever its bundle began: what a batch took decides that. */
static uint64_t digest_steps(int32_t topic, int32_t partition, struct bytes wire)
{
    struct ol_arena arena;
    struct step_bundle bundle;
    struct step_message step;
    struct ol_error error;
    uint64_t digest = 0;
    enum context context = (enum context)(topic / STREAM_COUNT);
    ol_arena_init(&arena, 4096, 0);
    domain_assert(!codec_decode_bundle(wire, &arena, &bundle, &error));
    for (size_t i = 0; i < bundle.count; i++) {
        domain_assert(!codec_decode_step(context, bundle.steps[i], &arena, &step, &error));
        if (context == CONTEXT_ORDERS && step.order.groups)
            digest += digest_groups(partition, &step.order);
        else
            digest += digest_of(topic, partition,
                                &(struct ol_record){.value = bundle.steps[i].data,
                                                    .value_bytes = bundle.steps[i].size});
    }
    ol_arena_release(&arena);
    return digest;
}

static uint64_t digest_written_record(int32_t topic, int32_t partition,
                                      const struct ol_record *record)
{
    if (topic % STREAM_COUNT != STREAM_STEPS)
        return digest_of(topic, partition, record);
    return digest_steps(topic, partition, (struct bytes){record->value, record->value_bytes});
}

static bool slot_is(const struct broker_slot *slot, const struct ol_record *record)
{
    if (!same_bytes(slot->key, slot->key_bytes, record->key, record->key_bytes) ||
        !same_bytes(slot->value, slot->value_bytes, record->value, record->value_bytes) ||
        slot->header_count != record->header_count)
        return false;
    for (size_t i = 0; i < slot->header_count; i++)
        if (strcmp(slot->headers[i].name, record->headers[i].name) != 0 ||
            !same_bytes(slot->headers[i].value, slot->headers[i].value_bytes,
                        record->headers[i].value, record->headers[i].value_bytes))
            return false;
    return true;
}

/* The next event of the log that is no receipt; its end where there is none. */
static int64_t next_event(const struct rerun *rerun, const struct broker_partition *log,
                          struct ol_arena *arena)
{
    int64_t end = (int64_t)log->count, at = rerun->next_event;
    for (;; at++) {
        at = broker_next(log, at, end);
        if (at == end ||
            decode_event(&log->slots[at], rerun->context, arena).body != EVENT_BODY_RECEIPT)
            return at;
    }
}

static const char *compare_records(struct rerun *rerun)
{
    const struct broker_partition *log =
        broker_partition(rerun->pipeline->broker, rerun->context, STREAM_EVENTS, rerun->partition);
    for (size_t i = 0; i < rerun->batch.record_count; i++) {
        const struct ol_record *record = &rerun->batch.records[i];
        if (record->topic != rerun->topics.events) {
            rerun->written += digest_written_record(record->topic, record->partition, record);
            continue;
        }
        int64_t at = next_event(rerun, log, &rerun->batch.arena);
        if (at == (int64_t)log->count || !slot_is(&log->slots[at], record))
            return wrong("%s events partition %d offset %lld: decided anew it is another event",
                         context_name(rerun->context), rerun->partition, (long long)at);
        rerun->next_event = at + 1;
    }
    return NULL;
}

/* The states that an input names, as they are: absent where they are not here. */
static size_t name_states(struct rerun *rerun, const struct core_input *input,
                          struct entity_key **ret_keys, struct entity *ret_states)
{
    struct ol_arena *arena = &rerun->batch.arena;
    struct overlay *overlay = core_overlay(rerun->core);
    size_t count;
    domain_assert(core_missing(rerun->empty, input, 1, arena, ret_keys, &count));
    domain_assert(count <= RERUN_STATES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct entity *state = overlay_get(overlay, &(*ret_keys)[i]);
        ret_states[i] = (struct entity){.kind = (*ret_keys)[i].kind};
        if (state)
            entity_copy(&ret_states[i], state);
    }
    return count;
}

static void put_missing(struct rerun *rerun, const struct core_input *input)
{
    struct entity_key *keys;
    size_t count;
    for (;;) {
        domain_assert(core_missing(rerun->core, input, 1, &rerun->batch.arena, &keys, &count));
        if (!count)
            return;
        for (size_t i = 0; i < count; i++)
            domain_assert(core_put(rerun->core, &keys[i], &(struct entity){.kind = keys[i].kind},
                                   0)); /* in the beginning there was nothing */
    }
}

static const char *run_anew(struct rerun *rerun, const struct broker_input *at)
{
    struct batch *batch = &rerun->batch;
    const struct core_sink sink = batch_sink(batch);
    struct ol_message message = owner_message(rerun->pipeline->broker, rerun->context, at->source,
                                              rerun->partition, at->offset);
    domain_assert(batch_take(batch, &message, at->source, rerun->pipeline->broker->partitions));
    const struct core_input *input = &batch->inputs[at->place];
    struct entity before[RERUN_STATES_MAX], after[RERUN_STATES_MAX];
    struct entity_key *keys;
    put_missing(rerun, input);
    size_t count = name_states(rerun, input, &keys, before);
    domain_assert(core_run(rerun->core, input, &batch->arena, &sink));
    domain_assert(core_answer(rerun->core, &sink) && batch_close(batch));
    name_states(rerun, input, &keys, after);
    for (size_t i = 0; i < count && batch->events == 0; i++)
        if (!projection_same(&before[i], &after[i]))
            return wrong("%s partition %d: input %lld has no event and changed a state",
                         context_name(rerun->context), rerun->partition, (long long)at->offset);
    return compare_records(rerun);
}

static const char *run_partition_anew(struct rerun *rerun)
{
    const struct broker_decided *decided =
        &rerun->pipeline->broker->decided[rerun->context][rerun->partition];
    const struct broker_partition *log =
        broker_partition(rerun->pipeline->broker, rerun->context, STREAM_EVENTS, rerun->partition);
    const char *fault = NULL;
    rerun->next_event = 0;
    core_partition_begin(rerun->core, rerun->partition, NULL);
    core_partition_bootstrap(rerun->core, rerun->partition, 0, 0);
    for (size_t i = 0; i < decided->count && !fault; i++) {
        fault = run_anew(rerun, &decided->inputs[i]);
        batch_clear(&rerun->batch);
    }
    if (fault || next_event(rerun, log, &rerun->batch.arena) == (int64_t)log->count)
        return fault;
    return wrong("%s events partition %d: it holds more than decided anew",
                 context_name(rerun->context), rerun->partition);
}

/* What a context's transactions wrote beside events; timeouts are nobody's decision. */
static uint64_t digest_written(const struct broker *broker, enum context writer)
{
    uint64_t written = 0;
    for (int32_t topic = 0; topic < CONTEXT_COUNT * STREAM_COUNT; topic++)
        for (int32_t i = 0; i < broker->partitions; i++) {
            enum context context = (enum context)(topic / STREAM_COUNT);
            enum stream stream = (enum stream)(topic % STREAM_COUNT);
            const struct broker_partition *log = broker_partition(broker, context, stream, i);
            bool timeouts =
                stream == STREAM_STEPS && context == CONTEXT_ORDERS && writer == CONTEXT_ORDERS;
            if (stream == STREAM_EVENTS || timeouts)
                continue;
            FOR_RECORDS(offset, log)
            {
                const struct broker_slot *slot = &log->slots[offset];
                const struct ol_record record = {.key = slot->key,
                                                 .value = slot->value,
                                                 .key_bytes = slot->key_bytes,
                                                 .value_bytes = slot->value_bytes,
                                                 .headers = slot->headers,
                                                 .header_count = slot->header_count};
                if (slot->writer == (int)writer)
                    written += digest_written_record(topic, i, &record);
            }
        }
    return written;
}

static const char *decide_anew(const struct pipeline *pipeline, enum context context)
{
    const struct core_settings settings = {.context = context,
                                           .partitions = pipeline->broker->partitions,
                                           .order_deadline_us = pipeline->order_deadline_us,
                                           .overlay = {SIZE_MAX, SIZE_MAX}};
    struct rerun rerun = {.pipeline = pipeline,
                          .context = context,
                          .core = core_new(&settings),
                          .empty = core_new(&settings),
                          .topics = owner_topics(context)};
    domain_assert(rerun.core && rerun.empty);
    domain_assert(
        batch_init(&rerun.batch, context, (struct batch_limits){1, SIZE_MAX}, &rerun.topics));
    const char *fault = NULL;
    for (rerun.partition = 0; rerun.partition < pipeline->broker->partitions && !fault;
         rerun.partition++)
        fault = run_partition_anew(&rerun);
    if (!fault && rerun.written != digest_written(pipeline->broker, context))
        fault = wrong("%s: decided anew, other steps, dead letters or commands are written",
                      context_name(context));
    batch_release(&rerun.batch);
    core_free(rerun.core);
    core_free(rerun.empty);
    return fault;
}

const char *check_decided_anew(const struct pipeline *pipeline)
{
    const char *fault = NULL;
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        fault = decide_anew(pipeline, (enum context)context);
    return fault;
}
