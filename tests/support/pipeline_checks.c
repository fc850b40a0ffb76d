#include "tests/support/pipeline_checks.h"

#include "domain/assert.h"
#include "lib/ol_hash.h"
#include "proto/codec.h"
#include "tests/support/pipeline_message.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- small helpers ---- */

static const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *wrong(const char *format, ...)
{
    static char sentence[1024];
    char anew[sizeof sentence]; /* an argument may be the sentence before */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(anew, sizeof anew, format, arguments);
    va_end(arguments);
    return strcpy(sentence, anew);
}

#define TEXT_ARGS(text) (int)(text).bytes, (text).bytes ? (text).data : ""

static enum stream stream_of(enum cause_source source)
{
    return source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS;
}

/* An event in its place; arena: the caller's. */
static struct event_message decode_event(const struct broker_slot *slot, enum context context,
                                         struct ol_arena *arena)
{
    struct event_message event;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    if (codec_decode_event(context, wire, arena, &event, &error))
        domain_assert_failed(error.text, __FILE__, __LINE__);
    return event;
}

/* False: it can't be read. */
static bool decode_command(const struct broker_slot *slot, enum context context,
                           struct ol_arena *arena, struct command *ret_command)
{
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    return slot->value && codec_decode_command(context, wire, arena, ret_command, &error) == OL_OK;
}

/* Every committed record of a partition, in turn. */
#define FOR_RECORDS(offset, log)                                                                   \
    for (int64_t offset = broker_next(log, 0, (int64_t)(log)->count);                              \
         offset < (int64_t)(log)->count;                                                           \
         offset = broker_next(log, offset + 1, (int64_t)(log)->count))

/* ---- owners and projections ---- */

static const char *check_overlay(const struct projection *truth, const struct owner *owner)
{
    struct overlay *overlay = core_overlay(owner->core);
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (!(owner->owned >> state->key.partition & 1) || !overlay_has(overlay, &state->key))
            continue;
        if (!projection_same(overlay_get(overlay, &state->key), &state->state))
            return wrong("%s partition %d: state %zu (kind %d, %.*s) is not what the log says",
                         context_name(truth->context), state->key.partition, i, state->key.kind,
                         TEXT_ARGS(state->key.id));
    }
    return NULL;
}

static const char *check_deadlines(const struct projection *truth, const struct owner *owner)
{
    const struct deadlines *deadlines = core_deadlines(owner->core);
    const struct deadline *first = deadlines_first(deadlines);
    size_t open = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (state->key.kind != ENTITY_ORDER || !(owner->owned >> state->key.partition & 1) ||
            !order_is_open(&state->state.order))
            continue;
        open++;
        if (first && text_equal(first->order_id, state->key.id) &&
            first->deadline_us != state->state.order.deadline_us)
            return wrong("order %.*s: another deadline is held", TEXT_ARGS(state->key.id));
    }
    if (deadlines_count(deadlines) != open)
        return wrong("%zu orders are open, %zu deadlines held", open, deadlines_count(deadlines));
    return NULL;
}

const char *check_owned(const struct pipeline *pipeline, const struct owner *owner)
{
    const struct projection *truth = &pipeline->truth[owner->settings.context];
    const char *fault = check_overlay(truth, owner);
    return fault ? fault : check_deadlines(truth, owner);
}

const char *check_projection(const struct pipeline *pipeline, const struct projection *projection)
{
    const struct projection *truth = &pipeline->truth[projection->context];
    if (truth->count != projection->count)
        return wrong("%s: %zu states are projected, the log has %zu",
                     context_name(projection->context), projection->count, truth->count);
    for (size_t i = 0; i < truth->count; i++) {
        const struct entity *state = projection_find(projection, &truth->states[i].key);
        if (!state || !projection_same(state, &truth->states[i].state))
            return wrong("%s: the projected state of %.*s is not what the log says",
                         context_name(projection->context), TEXT_ARGS(truth->states[i].key.id));
    }
    return NULL;
}

/* ---- receipts ---- */

/* What the records between two receipts became, by the records themselves. */
struct span {
    int64_t next[2]; /* of commands, of steps */
    int64_t inputs, decided, refused, repeated;
};

static int64_t count_records(const struct broker_partition *log, int64_t from, int64_t end)
{
    int64_t count = 0;
    for (int64_t at = broker_next(log, from, end); at < end; at = broker_next(log, at + 1, end))
        count++;
    return count;
}

static const char *check_receipt(const struct pipeline *pipeline, enum context context,
                                 int32_t partition, const struct receipt *receipt,
                                 struct span *span)
{
    const struct broker *broker = pipeline->broker;
    if (receipt->commands_first != span->next[0] || receipt->steps_first != span->next[1])
        return wrong("%s partition %d: a receipt begins at %lld, %lld and not at %lld, %lld",
                     context_name(context), partition, (long long)receipt->commands_first,
                     (long long)receipt->steps_first, (long long)span->next[0],
                     (long long)span->next[1]);
    int64_t inputs = count_records(broker_partition(broker, context, STREAM_COMMANDS, partition),
                                   receipt->commands_first, receipt->commands_next) +
                     count_records(broker_partition(broker, context, STREAM_STEPS, partition),
                                   receipt->steps_first, receipt->steps_next);
    int64_t counted = (int64_t)receipt->decided + receipt->refused + receipt->repeated +
                      receipt->ignored + receipt->passed_on + receipt->dead_lettered;
    if (inputs != counted || inputs == 0)
        return wrong("%s partition %d: a receipt spans %lld inputs and counts %lld",
                     context_name(context), partition, (long long)inputs, (long long)counted);
    if (receipt->decided != span->decided || receipt->refused != span->refused ||
        receipt->repeated != span->repeated)
        return wrong("%s partition %d: a receipt counts %d decided, %d refused, %d repeated; its "
                     "transaction holds %lld, %lld, %lld",
                     context_name(context), partition, receipt->decided, receipt->refused,
                     receipt->repeated, (long long)span->decided, (long long)span->refused,
                     (long long)span->repeated);
    *span = (struct span){.next = {receipt->commands_next, receipt->steps_next}};
    return NULL;
}

static const char *check_partition_receipts(const struct pipeline *pipeline, enum context context,
                                            int32_t partition, struct ol_arena *arena)
{
    const struct broker_partition *log =
        broker_partition(pipeline->broker, context, STREAM_EVENTS, partition);
    const int64_t *committed = pipeline->broker->committed[context][partition];
    struct span span = {.next = {0, 0}};
    const char *fault = NULL;
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(arena);
        struct event_message event = decode_event(&log->slots[offset], context, arena);
        span.decided += event.body == EVENT_BODY_DOMAIN && event.cause_index == 0;
        span.refused += event.body == EVENT_BODY_REJECTED;
        span.repeated += event.body == EVENT_BODY_REPEATED;
        if (event.body == EVENT_BODY_RECEIPT)
            fault = check_receipt(pipeline, context, partition, &event.receipt, &span);
        if (fault)
            return fault;
    }
    if (span.decided || span.refused || span.repeated)
        return wrong("%s partition %d: the log ends without a receipt", context_name(context),
                     partition);
    for (int i = 0; i < 2; i++)
        if (committed[i] != span.next[i] && (committed[i] >= 0 || span.next[i] > 0))
            return wrong("%s partition %d: receipts end at %lld, committed is %lld",
                         context_name(context), partition, (long long)span.next[i],
                         (long long)committed[i]);
    return NULL;
}

const char *check_receipts(const struct pipeline *pipeline)
{
    struct ol_arena arena;
    const char *fault = NULL;
    ol_arena_init(&arena, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
            fault = check_partition_receipts(pipeline, (enum context)context, i, &arena);
    ol_arena_release(&arena);
    return fault;
}

/* ---- outcomes ---- */

/* What became of one input. */
struct outcome {
    uint32_t events; /* of it; their indexes are 0, 1, ... */
    uint32_t dead_letters, passed_on;
    enum event_body body; /* of the first event */
    enum refusal_code code;
};

/* The outcomes of one partition's inputs, by offset. */
struct outcomes {
    struct outcome *of[CAUSE_STEPS + 1];
    size_t count[CAUSE_STEPS + 1];
};

static struct outcome *outcome_of(struct outcomes *outcomes, enum cause_source source,
                                  int64_t offset)
{
    if (source == CAUSE_NONE || offset < 0 || (size_t)offset >= outcomes->count[source])
        return NULL;
    return &outcomes->of[source][offset];
}

static const char *note_events(const struct broker_partition *log, enum context context,
                               struct outcomes *outcomes, struct ol_arena *arena)
{
    int64_t last[CAUSE_STEPS + 1] = {-1, -1, -1};
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(arena);
        struct event_message event = decode_event(&log->slots[offset], context, arena);
        if (event.body == EVENT_BODY_RECEIPT)
            continue;
        struct outcome *outcome = outcome_of(outcomes, event.cause_source, event.cause_offset);
        if (!outcome || event.cause_offset < last[event.cause_source])
            return wrong("%s event at %lld: its cause is behind one that was decided before",
                         context_name(context), (long long)offset);
        last[event.cause_source] = event.cause_offset;
        if (event.cause_index != (int32_t)outcome->events ||
            (outcome->events && outcome->body != EVENT_BODY_DOMAIN))
            return wrong("%s event at %lld: its input had another outcome before",
                         context_name(context), (long long)offset);
        if (outcome->events++ == 0) {
            outcome->body = event.body;
            outcome->code = event.body == EVENT_BODY_REJECTED   ? event.rejected.code
                            : event.body == EVENT_BODY_REPEATED ? event.repeated.code
                                                                : ACCEPTED;
        }
    }
    return NULL;
}

static struct ol_header header_of(const struct broker_slot *slot, const char *name)
{
    struct ol_header found = {.name = NULL};
    for (size_t i = 0; i < slot->header_count; i++)
        if (strcmp(slot->headers[i].name, name) == 0)
            found = slot->headers[i];
    return found;
}

static bool header_is(const struct broker_slot *slot, const char *name, const char *value)
{
    struct ol_header header = header_of(slot, name);
    return header.name && header.value_bytes == strlen(value) &&
           memcmp(header.value, value, header.value_bytes) == 0;
}

static bool same_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

/* All that a record had is still there: key and value byte for byte, and its own headers. */
static bool is_kept(const struct broker_slot *record, const struct broker_slot *copy, bool with_key)
{
    if (!same_bytes(record->value, record->value_bytes, copy->value, copy->value_bytes) ||
        (record->value == NULL) != (copy->value == NULL))
        return false;
    if (with_key && !same_bytes(record->key, record->key_bytes, copy->key, copy->key_bytes))
        return false;
    for (size_t i = 0; i < record->header_count; i++) {
        struct ol_header header = header_of(copy, record->headers[i].name);
        bool replaced = strcmp(record->headers[i].name, PASSED_ON_HEADER) == 0;
        if (!header.name ||
            (!replaced && !same_bytes(header.value, header.value_bytes, record->headers[i].value,
                                      record->headers[i].value_bytes)))
            return false;
    }
    return true;
}

/* A dead letter names its record, and is it. */
static const char *note_dead_letters(const struct broker *broker, enum context context,
                                     int32_t partition, struct outcomes *outcomes)
{
    const struct broker_partition *log =
        broker_partition(broker, context, STREAM_DEAD_LETTERS, partition);
    FOR_RECORDS(offset, log)
    {
        const struct broker_slot *slot = &log->slots[offset];
        enum cause_source source =
            header_is(slot, "__connect.errors.topic", broker_topic_name(context, STREAM_STEPS))
                ? CAUSE_STEPS
                : CAUSE_COMMANDS;
        struct ol_header at = header_of(slot, "__connect.errors.offset");
        int64_t from = at.name ? strtoll(at.value, NULL, 10) : -1;
        struct outcome *outcome = outcome_of(outcomes, source, from);
        if (!outcome)
            return wrong("%s dead letter %d/%lld: its record is not there", context_name(context),
                         partition, (long long)offset);
        const struct broker_slot *record =
            &broker_partition(broker, context, stream_of(source), partition)->slots[from];
        if (!is_kept(record, slot, true))
            return wrong("%s dead letter %d/%lld is not its record byte for byte",
                         context_name(context), partition, (long long)offset);
        outcome->dead_letters++;
    }
    return NULL;
}

/* Commands that were passed on from this partition to any. */
static const char *note_passed_on(const struct broker *broker, enum context context,
                                  int32_t partition, struct outcomes *outcomes)
{
    for (int32_t to = 0; to < broker->partitions; to++) {
        const struct broker_partition *log = broker_partition(broker, context, STREAM_COMMANDS, to);
        FOR_RECORDS(offset, log)
        {
            const struct broker_slot *slot = &log->slots[offset];
            struct ol_header from = header_of(slot, PASSED_ON_HEADER);
            if (slot->writer == WRITER_OUTSIDE)
                continue;
            const char *place = from.name ? strchr(from.value, '/') : NULL;
            if (!place || strtol(place + 1, NULL, 10) != partition)
                continue;
            int64_t at = strtoll(strrchr(place, '/') + 1, NULL, 10);
            struct outcome *outcome = outcome_of(outcomes, CAUSE_COMMANDS, at);
            if (!outcome || to == partition ||
                !is_kept(&broker_partition(broker, context, STREAM_COMMANDS, partition)->slots[at],
                         slot, false))
                return wrong("%s command %d/%lld was passed on from nowhere", context_name(context),
                             to, (long long)offset);
            outcome->passed_on++;
        }
    }
    return NULL;
}

/* By command id: the first outcome, found by a plain walk over the partition's commands in the order
 * in which they were decided (which is that of their offsets). */
struct first {
    uint64_t key, digest;
    enum refusal_code code; /* ACCEPTED: accepted */
};

static struct first *find_first(struct first *firsts, size_t mask, uint64_t key)
{
    size_t at = key & mask;
    while (firsts[at].key && firsts[at].key != key)
        at = (at + 1) & mask;
    return &firsts[at];
}

static uint64_t command_key(const struct command *command)
{
    struct text aggregate = command_aggregate(command);
    uint64_t key = ol_hash(aggregate.data, aggregate.bytes) * 31;
    key += ol_hash(command->metadata.command_id.data, command->metadata.command_id.bytes);
    return key ? key : 1;
}

static const char *check_command_id(const struct command *command, const struct outcome *outcome,
                                    struct first *first)
{
    bool repeated = outcome->body == EVENT_BODY_REPEATED;
    bool reused = !repeated && outcome->code == REFUSED_COMMAND_ID_REUSED;
    if (!first->key) {
        *first = (struct first){command_key(command), command->body_digest, outcome->code};
        return reused || repeated ? "the first of a command id is told to be a repeat" : NULL;
    }
    if (first->digest == command->body_digest ? !repeated : !reused)
        return "a command id had a second outcome of its own";
    if (repeated && outcome->code != first->code)
        return "a repeat was told another outcome than the first";
    return NULL;
}

static const char *check_command(const struct pipeline *pipeline, const struct broker_slot *slot,
                                 enum context context, int32_t partition,
                                 const struct outcome *outcome, struct first *firsts, size_t mask,
                                 struct ol_arena *arena)
{
    struct command command;
    bool readable = decode_command(slot, context, arena, &command);
    bool home = readable && partition_of(command_aggregate(&command),
                                         pipeline->broker->partitions) == partition;
    bool once = header_of(slot, PASSED_ON_HEADER).name != NULL;
    uint32_t dead = !readable || (!home && once);
    uint32_t passed = readable && !home && !once;
    if (outcome->dead_letters != dead || outcome->passed_on != passed ||
        (outcome->events > 0) != home)
        return wrong("it has %u events, %u dead letters and was passed on %u times",
                     outcome->events, outcome->dead_letters, outcome->passed_on);
    if (!home)
        return NULL;
    if (command.refused.code && outcome->body == EVENT_BODY_DOMAIN)
        return "it has a fault and was accepted";
    return check_command_id(&command, outcome, find_first(firsts, mask, command_key(&command)));
}

static const char *check_commands(const struct pipeline *pipeline, enum context context,
                                  int32_t partition, struct outcomes *outcomes,
                                  struct ol_arena *arena)
{
    const struct broker_partition *log =
        broker_partition(pipeline->broker, context, STREAM_COMMANDS, partition);
    int64_t taken = pipeline->broker->committed[context][partition][0];
    size_t size = 16;
    while (size < 2 * log->count)
        size *= 2;
    struct first *firsts = calloc(size, sizeof *firsts);
    const char *fault = firsts ? NULL : "out of memory";
    for (int64_t at = broker_next(log, 0, (int64_t)log->count); at < taken && !fault;
         at = broker_next(log, at + 1, (int64_t)log->count)) {
        ol_arena_clear(arena);
        fault = check_command(pipeline, &log->slots[at], context, partition,
                              &outcomes->of[CAUSE_COMMANDS][at], firsts, size - 1, arena);
        if (fault)
            fault = wrong("%s command %d/%lld: %s", context_name(context), partition, (long long)at,
                          fault);
    }
    free(firsts);
    return fault;
}

static const char *check_partition_outcomes(const struct pipeline *pipeline, enum context context,
                                            int32_t partition, struct ol_arena *arena)
{
    const struct broker *broker = pipeline->broker;
    struct outcomes outcomes = {.of = {NULL}};
    for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++) {
        outcomes.count[source] =
            broker_partition(broker, context, stream_of((enum cause_source)source), partition)
                ->count;
        outcomes.of[source] = calloc(outcomes.count[source] + 1, sizeof(struct outcome));
        domain_assert(outcomes.of[source]);
    }
    const char *fault = note_events(broker_partition(broker, context, STREAM_EVENTS, partition),
                                    context, &outcomes, arena);
    if (!fault)
        fault = note_dead_letters(broker, context, partition, &outcomes);
    if (!fault)
        fault = note_passed_on(broker, context, partition, &outcomes);
    if (!fault)
        fault = check_commands(pipeline, context, partition, &outcomes, arena);
    free(outcomes.of[CAUSE_COMMANDS]);
    free(outcomes.of[CAUSE_STEPS]);
    return fault;
}

const char *check_outcomes(const struct pipeline *pipeline)
{
    struct ol_arena arena;
    const char *fault = NULL;
    ol_arena_init(&arena, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
            fault = check_partition_outcomes(pipeline, (enum context)context, i, &arena);
    ol_arena_release(&arena);
    return fault;
}

/* ---- keys ---- */

/* The id that a command or step is about, and the partition where it belongs. */
static void home_of(const struct broker *broker, enum context context, enum stream stream,
                    const struct broker_slot *slot, struct ol_arena *arena, struct text *ret_id,
                    int32_t *ret_partition)
{
    struct bytes wire = {slot->value, slot->value_bytes};
    struct ol_error error;
    struct command command;
    struct step_message step;
    *ret_partition = -1;
    if (stream == STREAM_COMMANDS) {
        domain_assert(decode_command(slot, context, arena, &command));
        *ret_id = command_aggregate(&command);
    } else {
        if (codec_decode_step(context, wire, arena, &step, &error))
            domain_assert_failed(error.text, __FILE__, __LINE__);
        *ret_id = step_aggregate(&step);
        if (context == CONTEXT_INVENTORY)
            *ret_partition = step.inventory.partition;
    }
    if (*ret_partition < 0)
        *ret_partition = partition_of(*ret_id, broker->partitions);
}

static const char *check_partition_keys(const struct broker *broker, enum context context,
                                        enum stream stream, int32_t partition,
                                        struct ol_arena *arena)
{
    const struct broker_partition *log = broker_partition(broker, context, stream, partition);
    FOR_RECORDS(offset, log)
    {
        const struct broker_slot *slot = &log->slots[offset];
        struct text id;
        int32_t home;
        if (slot->writer == WRITER_OUTSIDE)
            continue;
        ol_arena_clear(arena);
        home_of(broker, context, stream, slot, arena, &id, &home);
        if (home != partition || !same_bytes(slot->key, slot->key_bytes, id.data, id.bytes))
            return wrong("%s %s %d/%lld has another key or place than its id %.*s",
                         context_name(context), stream_name(stream), partition, (long long)offset,
                         TEXT_ARGS(id));
    }
    return NULL;
}

const char *check_keys(const struct pipeline *pipeline)
{
    struct ol_arena arena;
    const char *fault = NULL;
    ol_arena_init(&arena, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = STREAM_COMMANDS; stream <= STREAM_STEPS; stream++)
            for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
                fault = check_partition_keys(pipeline->broker, (enum context)context,
                                             (enum stream)stream, i, &arena);
    ol_arena_release(&arena);
    return fault;
}

/* ---- decided anew ---- */

/* One partition's inputs through a core of its own. */
struct rerun {
    const struct pipeline *pipeline;
    enum context context;
    int32_t partition;
    struct core *core;
    struct core *empty; /* lacks everything: names what an input may change */
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
            rerun->written += digest_of(record->topic, record->partition, record);
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
    domain_assert(core_lacks(rerun->empty, input, 1, arena, ret_keys, &count));
    domain_assert(count <= RERUN_STATES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct entity *state = overlay_get(overlay, &(*ret_keys)[i]);
        ret_states[i] = state ? *state : (struct entity){.kind = (*ret_keys)[i].kind};
    }
    return count;
}

static void put_lacking(struct rerun *rerun, const struct core_input *input)
{
    struct entity_key *keys;
    size_t count;
    for (;;) {
        domain_assert(core_lacks(rerun->core, input, 1, &rerun->batch.arena, &keys, &count));
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
    const struct core_input *input = &batch->inputs[0];
    struct entity before[RERUN_STATES_MAX], after[RERUN_STATES_MAX];
    struct entity_key *keys;
    put_lacking(rerun, input);
    size_t count = name_states(rerun, input, &keys, before);
    batch_current(batch, input);
    domain_assert(core_run(rerun->core, input, &batch->arena, &sink));
    batch_current(batch, NULL);
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
                    written += digest_of(topic, i, &record);
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

/* ---- at rest ---- */

const char *check_ended(const struct pipeline *pipeline)
{
    const struct broker *broker = pipeline->broker;
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < broker->partitions; i++)
            for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++) {
                const struct broker_partition *log = broker_partition(
                    broker, (enum context)context, stream_of((enum cause_source)source), i);
                int64_t next = broker->committed[context][i][source - CAUSE_COMMANDS];
                int64_t end = (int64_t)log->count;
                if (broker_next(log, next < 0 ? 0 : next, end) < end)
                    return wrong("%s partition %d has inputs that nobody took",
                                 context_name((enum context)context), i);
            }
    const struct projection *orders = &pipeline->truth[CONTEXT_ORDERS];
    for (size_t i = 0; i < orders->count; i++) {
        const struct projected *state = &orders->states[i];
        if (state->key.kind != ENTITY_ORDER)
            continue;
        enum saga_state saga = state->state.order.saga_state;
        if (saga != SAGA_IS_DONE && saga != SAGA_IS_UNDONE)
            return wrong("order %.*s has not come to an end: %s", TEXT_ARGS(state->key.id),
                         saga_state_name(saga));
    }
    return NULL;
}

/* ---- the books ---- */

/* One product, as the accepted commands tell: what came in, less what went out, and what confirmed
 * orders hold. Sums are modulo 2^64. */
struct shelf {
    struct text sku;
    uint64_t on_hand, reserved;
};

struct books {
    const struct pipeline *pipeline;
    struct pipeline_totals *totals;
    struct ol_arena arena;   /* of the books */
    struct ol_arena scratch; /* of one message */
    struct shelf *shelves;
    size_t shelf_count, shelf_capacity;
    uint64_t external, captured, refunded;
};

static struct shelf *shelf_of(struct books *books, struct text sku)
{
    for (size_t i = 0; i < books->shelf_count; i++)
        if (text_equal(books->shelves[i].sku, sku))
            return &books->shelves[i];
    if (books->shelf_count == books->shelf_capacity) {
        books->shelf_capacity = books->shelf_capacity ? 2 * books->shelf_capacity : 64;
        books->shelves = realloc(books->shelves, books->shelf_capacity * sizeof *books->shelves);
        domain_assert(books->shelves);
    }
    struct shelf *shelf = &books->shelves[books->shelf_count++];
    *shelf = (struct shelf){{ol_arena_copy(&books->arena, sku.data, sku.bytes), sku.bytes}, 0, 0};
    return shelf;
}

static const struct entity *truth_of(const struct books *books, enum context context,
                                     enum entity_kind kind, struct text home, struct text second)
{
    int32_t partition = partition_of(home, books->pipeline->broker->partitions);
    struct entity_key key = {kind, partition, home, second};
    return projection_find(&books->pipeline->truth[context], &key);
}

/* A confirmed order's lines are reserved, and its total is captured. */
static const char *book_order(struct books *books, const struct order_command *place)
{
    static const struct text nothing;
    const struct entity *order =
        truth_of(books, CONTEXT_ORDERS, ENTITY_ORDER, place->order_id, nothing);
    if (!order)
        return wrong("order %.*s was accepted and is nowhere", TEXT_ARGS(place->order_id));
    books->totals->orders++;
    books->totals->confirmed += order->order.status == ORDER_IS_CONFIRMED;
    books->totals->rejected += order->order.status == ORDER_IS_REJECTED;
    books->totals->cancelled += order->order.status == ORDER_IS_CANCELLED;
    if (order->order.status != ORDER_IS_CONFIRMED)
        return NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < place->line_count; i++) {
        shelf_of(books, place->lines[i].sku)->reserved += (uint64_t)place->lines[i].quantity;
        total += (uint64_t)place->lines[i].amount_minor;
    }
    books->captured += total;
    const struct entity *payment =
        truth_of(books, CONTEXT_PAYMENTS, ENTITY_PAYMENT, place->customer_id, place->order_id);
    bool paid = payment && (payment->payment.status == PAYMENT_IS_CAPTURED ||
                            payment->payment.status == PAYMENT_IS_REFUNDED);
    if (paid != (total > 0) || (paid && (uint64_t)payment->payment.amount_minor != total))
        return wrong("order %.*s is confirmed and not paid for", TEXT_ARGS(place->order_id));
    return NULL;
}

static const char *book_command(struct books *books, const struct command *command)
{
    const struct inventory_command *stock = &command->inventory;
    const struct payment_command *payment = &command->payment;
    switch (command->context) {
    case CONTEXT_ORDERS:
        return command->order.kind == ORDER_PLACE ? book_order(books, &command->order) : NULL;
    case CONTEXT_INVENTORY:
        if (stock->kind == STOCK_INCREASE)
            shelf_of(books, stock->sku)->on_hand += (uint64_t)stock->quantity;
        else if (stock->kind == STOCK_DECREASE)
            shelf_of(books, stock->sku)->on_hand -= (uint64_t)stock->quantity;
        return NULL;
    case CONTEXT_PAYMENTS:
        if (payment->kind == FUNDS_DEPOSIT)
            books->external += (uint64_t)payment->amount_minor;
        else if (payment->kind == FUNDS_WITHDRAW)
            books->external -= (uint64_t)payment->amount_minor;
        else if (payment->kind == PAYMENT_REFUND)
            books->refunded += (uint64_t)payment->amount_minor;
        return NULL;
    case CONTEXT_COUNT: break;
    }
    return "a command has a context";
}

static void count_event(struct pipeline_totals *totals, const struct event_message *event)
{
    totals->events++;
    totals->refused += event->body == EVENT_BODY_REJECTED;
    totals->repeated += event->body == EVENT_BODY_REPEATED;
    totals->reused +=
        event->body == EVENT_BODY_REJECTED && event->rejected.code == REFUSED_COMMAND_ID_REUSED;
    if (event->context != CONTEXT_ORDERS || event->body != EVENT_BODY_DOMAIN)
        return;
    totals->expired +=
        event->order.kind == ORDER_CANCELLED && event->order.code == REFUSED_DEADLINE_PASSED;
    totals->stuck += event->order.kind == ORDER_UNDO_OVERDUE;
}

static const char *book_partition(struct books *books, enum context context, int32_t partition)
{
    const struct broker *broker = books->pipeline->broker;
    const struct broker_partition *log =
        broker_partition(broker, context, STREAM_EVENTS, partition);
    const struct broker_partition *commands =
        broker_partition(broker, context, STREAM_COMMANDS, partition);
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(&books->scratch);
        struct event_message event = decode_event(&log->slots[offset], context, &books->scratch);
        count_event(books->totals, &event);
        if (event.body != EVENT_BODY_DOMAIN || event.cause_source != CAUSE_COMMANDS ||
            event.cause_index != 0)
            continue;
        struct command command;
        if (!decode_command(&commands->slots[event.cause_offset], context, &books->scratch,
                            &command))
            return wrong("%s event %d/%lld: its command can't be read", context_name(context),
                         partition, (long long)offset);
        const char *fault = book_command(books, &command);
        if (fault)
            return fault;
    }
    FOR_RECORDS(offset, commands)
    {
        bool outside = commands->slots[offset].writer == WRITER_OUTSIDE;
        books->totals->commands += outside;
        books->totals->passed_on += !outside;
    }
    const struct broker_partition *dead =
        broker_partition(broker, context, STREAM_DEAD_LETTERS, partition);
    books->totals->dead_letters += (uint64_t)count_records(dead, 0, (int64_t)dead->count);
    return NULL;
}

static const char *compare_shelves(struct books *books)
{
    const struct projection *truth = &books->pipeline->truth[CONTEXT_INVENTORY];
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        if (state->key.kind != ENTITY_PRODUCT)
            continue;
        const struct shelf *shelf = shelf_of(books, state->key.id);
        const struct product *product = &state->state.product;
        if ((uint64_t)product->on_hand != shelf->on_hand ||
            (uint64_t)product->reserved != shelf->reserved || product->reserved < 0 ||
            product->reserved > product->on_hand)
            return wrong("product %.*s: %lld on hand and %lld reserved, by the books %llu and %llu",
                         TEXT_ARGS(state->key.id), (long long)product->on_hand,
                         (long long)product->reserved, (unsigned long long)shelf->on_hand,
                         (unsigned long long)shelf->reserved);
    }
    return NULL;
}

static const char *compare_wallets(struct books *books)
{
    const struct projection *truth = &books->pipeline->truth[CONTEXT_PAYMENTS];
    uint64_t wallets = 0, refunded = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct projected *state = &truth->states[i];
        const struct account *account = &state->state.account;
        const struct payment *payment = &state->state.payment;
        if (state->key.kind == ENTITY_PAYMENT && payment->status == PAYMENT_IS_AUTHORISED)
            return wrong("payment %.*s is still held", TEXT_ARGS(state->key.second));
        if (state->key.kind == ENTITY_PAYMENT)
            refunded += (uint64_t)payment->refunded_minor;
        if (state->key.kind != ENTITY_ACCOUNT)
            continue;
        if (account->held_minor != 0 || account->balance_minor < 0)
            return wrong("wallet %.*s: %lld, of it %lld held", TEXT_ARGS(state->key.id),
                         (long long)account->balance_minor, (long long)account->held_minor);
        wallets += (uint64_t)account->balance_minor;
    }
    if (refunded != books->refunded)
        return wrong("payments were refunded %llu, by the books %llu", (unsigned long long)refunded,
                     (unsigned long long)books->refunded);
    if (wallets + books->captured - books->refunded != books->external)
        return wrong("wallets hold %llu, orders paid %llu, refunds %llu; paid in was %llu",
                     (unsigned long long)wallets, (unsigned long long)books->captured,
                     (unsigned long long)books->refunded, (unsigned long long)books->external);
    return NULL;
}

const char *check_books(const struct pipeline *pipeline, struct pipeline_totals *totals)
{
    struct books books = {.pipeline = pipeline, .totals = totals};
    const char *fault = NULL;
    ol_arena_init(&books.arena, 1 << 16, 0);
    ol_arena_init(&books.scratch, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
            fault = book_partition(&books, (enum context)context, i);
    if (!fault)
        fault = compare_shelves(&books);
    if (!fault)
        fault = compare_wallets(&books);
    ol_arena_release(&books.arena);
    ol_arena_release(&books.scratch);
    free(books.shelves);
    return fault;
}
