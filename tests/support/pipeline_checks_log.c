#include "tests/support/pipeline_checks_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "proto/codec.h"
#include "tests/support/pipeline_message.h"

/* ---- reading the log ---- */

const char *wrong(const char *format, ...)
{
    static char sentence[1024];
    char anew[sizeof sentence]; /* an argument may be the sentence before */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(anew, sizeof anew, format, arguments);
    va_end(arguments);
    return strcpy(sentence, anew);
}

enum stream stream_of(enum cause_source source)
{
    return source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS;
}

struct event_message decode_event(const struct broker_slot *slot, enum context context,
                                  struct ol_arena *arena)
{
    struct event_message event;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    if (codec_decode_event(context, wire, arena, &event, &error))
        domain_assert_failed(error.text, __FILE__, __LINE__);
    return event;
}

bool decode_command(const struct broker_slot *slot, enum context context, struct ol_arena *arena,
                    struct command *ret_command)
{
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    return slot->value && codec_decode_command(context, wire, arena, ret_command, &error) == OL_OK;
}

struct step_bundle decode_bundle(const struct broker_slot *slot, struct ol_arena *arena)
{
    struct step_bundle bundle;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    if (codec_decode_bundle(wire, arena, &bundle, &error))
        domain_assert_failed(error.text, __FILE__, __LINE__);
    return bundle;
}

int64_t count_records(const struct broker_partition *log, int64_t from, int64_t end)
{
    int64_t count = 0;
    for (int64_t at = broker_next(log, from, end); at < end; at = broker_next(log, at + 1, end))
        count++;
    return count;
}

bool same_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

/* The first fault of all partitions of all contexts, or NULL. */
static const char *check_each(const struct pipeline *pipeline,
                              const char *(*check)(const struct pipeline *, enum context, int32_t,
                                                   struct ol_arena *))
{
    struct ol_arena arena;
    const char *fault = NULL;
    ol_arena_init(&arena, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT && !fault; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++)
            fault = check(pipeline, (enum context)context, i, &arena);
    ol_arena_release(&arena);
    return fault;
}

/* ---- receipts ---- */

/* Steps of committed records from `from` to before `end`. */
static int64_t count_steps(const struct broker_partition *log, int64_t from, int64_t end)
{
    struct ol_arena arena;
    int64_t count = 0;
    ol_arena_init(&arena, 1 << 14, 0);
    for (int64_t at = broker_next(log, from, end); at < end; at = broker_next(log, at + 1, end)) {
        ol_arena_clear(&arena);
        count += (int64_t)decode_bundle(&log->slots[at], &arena).count;
    }
    ol_arena_release(&arena);
    return count;
}

/* What the records between two receipts became, by the records themselves. */
struct span {
    int64_t next[2]; /* of commands, of steps */
    int64_t inputs, decided, refused, repeated;
};

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
                     count_steps(broker_partition(broker, context, STREAM_STEPS, partition),
                                 receipt->steps_first, receipt->steps_next);
    int64_t counted = receipt_inputs(receipt);
    if (inputs != counted || inputs == 0)
        return wrong("%s partition %d: a receipt spans %lld inputs and counts %lld",
                     context_name(context), partition, (long long)inputs, (long long)counted);
    if (receipt->counts[RECEIPT_DECIDED] != span->decided ||
        receipt->counts[RECEIPT_REFUSED] != span->refused ||
        receipt->counts[RECEIPT_REPEATED] != span->repeated)
        return wrong("%s partition %d: a receipt counts %d decided, %d refused, %d repeated; its "
                     "transaction holds %lld, %lld, %lld",
                     context_name(context), partition, receipt->counts[RECEIPT_DECIDED],
                     receipt->counts[RECEIPT_REFUSED], receipt->counts[RECEIPT_REPEATED],
                     (long long)span->decided, (long long)span->refused, (long long)span->repeated);
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
    return check_each(pipeline, check_partition_receipts);
}

/* ---- outcomes ---- */

/* What became of one input. */
struct outcome {
    uint32_t events; /* of it; their indexes are 0, 1, ... */
    uint32_t dead_letters, passed_on;
    enum event_body body; /* of the first event */
    enum refusal_code code;
};

/* The outcomes of one partition's inputs, by offset; a step's by its place too. */
struct outcomes {
    struct outcome *of[CAUSE_STEPS + 1];
    size_t count[CAUSE_STEPS + 1];
};

/* Steps have room for a full bundle at each offset. */
static size_t places_of(enum cause_source source)
{
    return source == CAUSE_STEPS ? BUNDLE_STEPS_MAX : 1;
}

static struct outcome *outcome_of(struct outcomes *outcomes, enum cause_source source,
                                  int64_t offset, int32_t place)
{
    if (source == CAUSE_NONE || offset < 0 || (size_t)offset >= outcomes->count[source] ||
        place < 0 || (size_t)place >= places_of(source))
        return NULL;
    return &outcomes->of[source][(size_t)offset * places_of(source) + (size_t)place];
}

static const char *note_events(const struct broker_partition *log, enum context context,
                               struct outcomes *outcomes, struct ol_arena *arena)
{
    const struct outcome *last[CAUSE_STEPS + 1] = {NULL};
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(arena);
        struct event_message event = decode_event(&log->slots[offset], context, arena);
        if (event.body == EVENT_BODY_RECEIPT)
            continue;
        struct outcome *outcome =
            outcome_of(outcomes, event.cause_source, event.cause_offset, event.cause_place);
        if (!outcome || outcome < last[event.cause_source])
            return wrong("%s event at %lld: its cause is behind one that was decided before",
                         context_name(context), (long long)offset);
        last[event.cause_source] = outcome;
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
        struct outcome *outcome = outcome_of(outcomes, source, from, 0);
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
            struct outcome *outcome = outcome_of(outcomes, CAUSE_COMMANDS, at, 0);
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

/* By command id: the first outcome, found by a plain walk over the partition's commands in the
 * order in which they were decided (which is that of their offsets). */
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
        outcomes.of[source] =
            calloc(outcomes.count[source] * places_of((enum cause_source)source) + 1,
                   sizeof(struct outcome));
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
    return check_each(pipeline, check_partition_outcomes);
}

/* ---- keys ---- */

static const char *check_command_keys(const struct broker *broker, enum context context,
                                      int32_t partition, struct ol_arena *arena)
{
    const struct broker_partition *log =
        broker_partition(broker, context, STREAM_COMMANDS, partition);
    FOR_RECORDS(offset, log)
    {
        const struct broker_slot *slot = &log->slots[offset];
        struct command command;
        if (slot->writer == WRITER_OUTSIDE)
            continue;
        ol_arena_clear(arena);
        domain_assert(decode_command(slot, context, arena, &command));
        struct text id = command_aggregate(&command);
        if (partition_of(id, broker->partitions) != partition ||
            !same_bytes(slot->key, slot->key_bytes, id.data, id.bytes))
            return wrong("%s command %d/%lld has another key or place than its id %.*s",
                         context_name(context), partition, (long long)offset, TEXT_ARGS(id));
    }
    return NULL;
}

static bool is_at_home(const struct broker *broker, const struct step_message *step,
                       int32_t partition)
{
    return step->context == CONTEXT_INVENTORY
               ? step->inventory.partition == partition
               : partition_of(step_aggregate(step), broker->partitions) == partition;
}

static const char *check_step_places(const struct broker *broker, enum context context,
                                     int32_t partition, struct ol_arena *arena)
{
    const struct broker_partition *log = broker_partition(broker, context, STREAM_STEPS, partition);
    FOR_RECORDS(offset, log)
    {
        ol_arena_clear(arena);
        struct step_bundle bundle = decode_bundle(&log->slots[offset], arena);
        if (bundle.partition != partition || log->slots[offset].key)
            return wrong("%s bundle %d/%lld has a key, or is for partition %d",
                         context_name(context), partition, (long long)offset, bundle.partition);
        for (size_t i = 0; i < bundle.count; i++) {
            struct step_message step;
            struct ol_error error;
            if (codec_decode_step(context, bundle.steps[i], arena, &step, &error))
                domain_assert_failed(error.text, __FILE__, __LINE__);
            if (!is_at_home(broker, &step, partition))
                return wrong("%s step %d/%lld/%zu of %.*s lies on the wrong partition",
                             context_name(context), partition, (long long)offset, i,
                             TEXT_ARGS(step_aggregate(&step)));
        }
    }
    return NULL;
}

const char *check_keys(const struct pipeline *pipeline)
{
    struct ol_arena arena;
    const char *fault = NULL;
    ol_arena_init(&arena, 1 << 16, 0);
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < pipeline->broker->partitions && !fault; i++) {
            fault = check_command_keys(pipeline->broker, (enum context)context, i, &arena);
            if (!fault)
                fault = check_step_places(pipeline->broker, (enum context)context, i, &arena);
        }
    ol_arena_release(&arena);
    return fault;
}
