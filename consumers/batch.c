#include "consumers/batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "consumers/dead_letter.h"
#include "domain/assert.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_hash.h"
#include "lib/base/ol_id.h"
#include "lib/guard/protected.h"
#include "proto/codec.h"

#define TRACE_HEADER "traceparent"

/* Stop taking inputs here. The rest of the arena is for one more message, and for the keys, states
 * and events of those taken: a line of 40 bytes may need some 300. Without that reserve a batch of
 * many lines would run out of memory, and again at every retry. */
#define BATCH_DECODED_BYTES (BATCH_ARENA_BYTES / 16)
_Static_assert(BATCH_DECODED_BYTES + CODEC_ARENA_BYTES <= BATCH_ARENA_BYTES * 3 / 4,
               "room is left");

bool batch_init(struct batch *batch, enum context context, struct batch_limits limits,
                const struct batch_topics *topics)
{
    *batch = (struct batch){
        .context = context, .limits = limits, .topics = topics, .misfit.partition = -1};
    ol_arena_init(&batch->arena, BATCH_BLOCK_BYTES, BATCH_ARENA_BYTES);
    batch->messages = calloc(limits.inputs, sizeof *batch->messages);
    batch->inputs = calloc(limits.inputs + BUNDLE_STEPS_MAX - 1, sizeof *batch->inputs);
    if (batch->messages && batch->inputs)
        return true;
    batch_release(batch);
    return false;
}

void batch_release(struct batch *batch)
{
    if (batch->messages)
        ol_messages_release(batch->messages, batch->message_count);
    ol_arena_release(&batch->arena);
    free(batch->messages);
    free(batch->inputs);
    free(batch->records);
    *batch = (struct batch){0};
}

void batch_clear(struct batch *batch)
{
    ol_messages_release(batch->messages, batch->message_count);
    ol_arena_clear(&batch->arena);
    memset(batch->bundles, 0, sizeof batch->bundles);
    batch->message_count = batch->count = batch->decided = batch->input_bytes = 0;
    batch->record_count = batch->output_bytes = batch->offset_count = 0;
    batch->events = batch->steps = 0;
    batch->dead_steps = 0;
    batch->total = (struct receipt){0};
    batch->closes_gap = false;
    batch->misfit = (struct batch_misfit){.partition = -1};
}

bool batch_full(const struct batch *batch)
{
    return batch->count >= batch->limits.inputs || batch->input_bytes >= BATCH_INPUT_BYTES ||
           (batch->count > 0 && batch->arena.used_bytes >= BATCH_DECODED_BYTES) ||
           batch->output_bytes >= batch->limits.output_bytes;
}

bool batch_empty(const struct batch *batch)
{
    return batch->decided == 0 && batch->record_count == 0 && batch->steps == 0 &&
           !batch->closes_gap;
}

/* ---- inputs ---- */

/* What a codec has left of an input: if that is poison, a reason. False: the arena is spent. */
static bool settle(struct batch *batch, enum ol_class class, const struct ol_error *error,
                   struct core_input *input)
{
    if (class != OL_POISON)
        return !class;
    input->kind = INPUT_UNREADABLE;
    input->reason = ol_arena_copy(&batch->arena, error->text, strlen(error->text));
    return input->reason;
}

/* A header that is not a W3C trace context is ignored. Steps carry theirs in their metadata: the
 * library allocates to look for a header, even in a record without one, and that was a twentieth
 * of a worker's time. */
static void set_trace(struct core_input *input, const struct ol_message *message)
{
    struct ol_header header;
    if (input->kind == INPUT_COMMAND && ol_message_header_named(message, TRACE_HEADER, &header) &&
        ol_id_clean(header.value, header.value_bytes))
        input->command.metadata.traceparent =
            (struct text){header.value, (uint32_t)header.value_bytes};
}

/* "o.orders.commands.v1/3/17", a header's value. */
#define PASSED_ON_BYTES (TOPIC_NAME_BYTES_MAX + 40)

/* What the command takes of the topic once it has that header too. */
static size_t passed_on_bytes(const struct core_input *input, const struct ol_message *message)
{
    const struct ol_record record = {.key_bytes = command_aggregate(&input->command).bytes,
                                     .value_bytes = message->value_bytes};
    const struct ol_header mark = {.name = PASSED_ON_HEADER, .value_bytes = PASSED_ON_BYTES};
    size_t bytes = ol_record_bytes(&record) + ol_headers_bytes(&mark, 1);
    struct ol_header header;
    for (size_t i = 0; ol_message_header(message, i, &header); i++)
        bytes += ol_headers_bytes(&header, 1);
    return bytes;
}

static bool is_above(size_t bytes, const struct batch_topic *topic)
{
    return topic->bytes_max && bytes > topic->bytes_max;
}

/* Few commands are on the wrong partition. */
static void look_where_it_lies(const struct batch *batch, struct core_input *input,
                               const struct ol_message *message, int32_t partitions)
{
    struct ol_header header;
    if (input->kind != INPUT_COMMAND ||
        partition_of(command_aggregate(&input->command), partitions) == input->partition)
        return;
    input->passed_on = ol_message_header_named(message, PASSED_ON_HEADER, &header);
    input->fills_topic = is_above(passed_on_bytes(input, message), &batch->topics->commands_are);
}

/* False: the arena is spent. */
static bool look_what_follows(struct batch *batch, struct core_input *input,
                              const struct ol_message *message)
{
    const struct batch_topic *least = &batch->topics->least;
    if (input->kind != INPUT_COMMAND)
        return true;
    size_t lines = batch->context == CONTEXT_ORDERS ? input->command.order.line_count : 0;
    size_t bytes = message->value_bytes + BATCH_GROWTH_BYTES + lines * BATCH_GROWTH_LINE_BYTES;
    char text[DEAD_LETTER_REASON_BYTES];
    if (!is_above(bytes, least))
        return true;
    snprintf(text, sizeof text,
             "what may become of the command has up to %zu bytes, and topic %s takes %zu "
             "(max.message.bytes)",
             bytes, least->name, least->bytes_max);
    input->outgrows = ol_arena_copy(&batch->arena, text, strlen(text));
    return input->outgrows != NULL;
}

static bool take_nothing(struct batch *batch, struct core_input *input)
{
    struct ol_error error;
    return settle(batch, ol_fail(&error, OL_POISON, "the record has no value"), &error, input);
}

static bool take_command(struct batch *batch, const struct ol_message *message, int32_t partitions,
                         struct core_input *input)
{
    struct bytes wire = {message->value, message->value_bytes};
    struct ol_error error;
    input->kind = INPUT_COMMAND;
    enum ol_class class =
        codec_decode_command(batch->context, wire, &batch->arena, &input->command, &error);
    if (!settle(batch, class, &error, input))
        return false;
    set_trace(input, message);
    look_where_it_lies(batch, input, message, partitions);
    return look_what_follows(batch, input, message);
}

/* A transaction commits offsets, not places in them: a bundle is taken whole, beyond the limit. */
static size_t steps_to_take(const struct batch *batch, const struct step_bundle *bundle)
{
    size_t room = batch->limits.inputs - batch->count;
    if (PROTECTED(bundle_whole) && room < bundle->count)
        room = bundle->count;
    return room < bundle->count ? room : bundle->count;
}

/* Each step by itself: what one holds is no other's fault. *ret_count: inputs made. */
static bool take_bundle(struct batch *batch, const struct ol_message *message,
                        struct core_input *inputs, size_t *ret_count)
{
    struct bytes wire = {message->value, message->value_bytes};
    const struct core_input whole = inputs[0];
    struct ol_header header;
    struct step_bundle bundle;
    struct ol_error error;
    enum ol_class class = codec_decode_bundle(wire, &batch->arena, &bundle, &error);
    size_t count = class ? 0 : steps_to_take(batch, &bundle);
    for (size_t i = 0; i < count && !class; i++) {
        struct core_input *input = &inputs[i];
        *input = whole;
        input->kind = INPUT_STEP;
        input->place = (int32_t)i;
        input->misplaced = bundle.partition != message->partition;
        input->redriven = ol_message_header(message, 0, &header); /* workers write none */
        input->step_wire = bundle.steps[i].data;
        input->step_bytes = bundle.steps[i].size;
        class =
            codec_decode_step(batch->context, bundle.steps[i], &batch->arena, &input->step, &error);
        if (PROTECTED(poison_alone) && class == OL_POISON)
            class = settle(batch, class, &error, input) ? OL_OK : OL_RETRY;
    }
    *ret_count = class ? 1 : count;
    if (class)
        inputs[0] = whole;
    return !class || settle(batch, class, &error, inputs);
}

bool batch_take(struct batch *batch, struct ol_message *message, enum cause_source source,
                int32_t partitions)
{
    domain_assert(batch->count < batch->limits.inputs);
    struct core_input *inputs = &batch->inputs[batch->count];
    struct ol_message *kept = &batch->messages[batch->message_count];
    size_t count = 1;
    *inputs = (struct core_input){
        .source = source,
        .partition = message->partition,
        .offset = message->offset,
        .at_us = message->timestamp_ms * 1000,
        .record = kept,
    };
    bool taken = !message->value            ? take_nothing(batch, inputs)
                 : source == CAUSE_COMMANDS ? take_command(batch, message, partitions, inputs)
                                            : take_bundle(batch, message, inputs, &count);
    if (!taken)
        return false;
    *kept = *message;
    batch->message_count++;
    batch->input_bytes += message->value_bytes + message->key_bytes;
    batch->count += count;
    return true;
}

/* ---- records ---- */

static const struct batch_topic *topic_of(const struct batch_topics *topics, int32_t number)
{
    if (number == topics->commands)
        return &topics->commands_are;
    if (number == topics->events)
        return &topics->events_are;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        if (number == topics->steps[i])
            return &topics->steps_are[i];
    domain_assert(number == topics->dead_letters);
    return &topics->dead_letters_are;
}

static bool is_misfit(struct batch *batch, const struct ol_record *record,
                      const struct batch_topic *topic)
{
    size_t bytes = ol_record_bytes(record);
    if (!is_above(bytes, topic))
        return false;
    batch->misfit = (struct batch_misfit){record->partition, topic->name, bytes, topic->bytes_max};
    return true;
}

static bool add_record(struct batch *batch, const struct ol_record *record)
{
    if (is_misfit(batch, record, topic_of(batch->topics, record->topic)))
        return false;
    if (!OL_GROW(batch->records, batch->record_capacity, batch->record_count + 1, 4096))
        return false;
    batch->records[batch->record_count++] = *record;
    batch->output_bytes += record->value_bytes + record->key_bytes;
    return true;
}

/* With the trace as a header, where tools look for it. */
static bool add_traced(struct batch *batch, struct ol_record *record, struct text trace)
{
    if (trace.bytes) {
        struct ol_header *header = ol_arena_alloc(&batch->arena, sizeof *header);
        if (!header)
            return false;
        *header = (struct ol_header){TRACE_HEADER, trace.data, trace.bytes};
        record->headers = header;
        record->header_count = 1;
    }
    return add_record(batch, record);
}

/* A key may belong to the core's states, which change while the batch waits. */
static bool set_key(struct batch *batch, struct ol_record *record, struct text key)
{
    if (key.bytes == 0)
        return true;
    record->key = ol_arena_copy(&batch->arena, key.data, key.bytes);
    record->key_bytes = key.bytes;
    return record->key != NULL;
}

static bool sink_event(void *self, int32_t partition, struct text key,
                       const struct event_message *event)
{
    struct batch *batch = self;
    struct ol_record record = {.topic = batch->topics->events, .partition = partition};
    struct bytes wire;
    if (!codec_encode_event(event, &batch->arena, &wire) || !set_key(batch, &record, key))
        return false;
    record.value = wire.data;
    record.value_bytes = wire.size;
    batch->events++;
    if (event->body == EVENT_BODY_RECEIPT)
        batch->receipts[partition] =
            ol_hash_record(record.key, record.key_bytes, record.value, record.value_bytes);
    return add_traced(batch, &record, event->metadata.traceparent);
}

/* ---- bundles ---- */

static bool close_bundle(struct batch *batch, enum context context, int32_t partition)
{
    struct batch_bundle *open = &batch->bundles[context][partition];
    const struct step_bundle bundle = {partition, open->steps, open->count};
    struct ol_record record = {.topic = batch->topics->steps[context], .partition = partition};
    struct bytes wire;
    if (open->count == 0)
        return true;
    if (!codec_encode_bundle(&bundle, &batch->arena, &wire))
        return false;
    record.value = wire.data;
    record.value_bytes = wire.size;
    batch->output_bytes -= open->bytes; /* as a record they count anew */
    open->count = open->bytes = 0;
    return add_record(batch, &record);
}

bool batch_close(struct batch *batch)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < PARTITIONS_MAX; i++)
            if (!close_bundle(batch, (enum context)context, i))
                return false;
    return true;
}

/* One more step of so many bytes would make it more than a record may be. */
static bool is_full(const struct batch_bundle *open, size_t bytes, const struct batch_topic *topic)
{
    const struct ol_record record = {.value_bytes = open->bytes + bytes};
    return open->count == BUNDLE_STEPS_MAX || record.value_bytes > BUNDLE_BYTES_MAX ||
           is_above(ol_record_bytes(&record), topic);
}

static bool add_step(struct batch *batch, struct batch_bundle *open, struct bytes step)
{
    if (open->count == open->capacity) {
        size_t capacity = open->capacity ? 2 * open->capacity : 16;
        struct bytes *steps = ol_arena_alloc(&batch->arena, capacity * sizeof *steps);
        if (!steps)
            return false;
        if (open->count)
            memcpy(steps, open->steps, open->count * sizeof *steps);
        open->steps = steps;
        open->capacity = capacity;
    }
    size_t bytes = codec_bundled_bytes(step.size) + (open->count ? 0 : BUNDLE_FRAME_BYTES);
    open->steps[open->count++] = step;
    open->bytes += bytes;
    batch->output_bytes += bytes;
    batch->steps++;
    return true;
}

static bool sink_step(void *self, int32_t partition, const struct step_message *step)
{
    struct batch *batch = self;
    const struct batch_topic *topic = &batch->topics->steps_are[step->context];
    struct batch_bundle *open = &batch->bundles[step->context][partition];
    struct bytes wire;
    if (!codec_encode_step(step, &batch->arena, &wire))
        return false;
    size_t bytes = codec_bundled_bytes(wire.size);
    const struct ol_record alone = {.partition = partition,
                                    .value_bytes = BUNDLE_FRAME_BYTES + bytes};
    domain_assert(alone.value_bytes <= BUNDLE_BYTES_MAX); /* 256 lines take 37 KB at most */
    if (is_misfit(batch, &alone, topic))
        return false;
    if (is_full(open, bytes, topic) && !close_bundle(batch, step->context, partition))
        return false;
    return add_step(batch, open, wire);
}

/* ---- what is passed on or put aside ---- */

static bool sink_pass_on(void *self, int32_t partition, const struct core_input *input)
{
    struct batch *batch = self;
    const struct ol_message *message = input->record;
    char from[PASSED_ON_BYTES];
    snprintf(from, sizeof from, "%s/%d/%lld", batch->topics->input_names[0], message->partition,
             (long long)message->offset);

    struct ol_record record = {.topic = batch->topics->commands, .partition = partition};
    record.value = message->value;
    record.value_bytes = message->value_bytes;
    struct ol_header *headers;
    size_t count;
    const struct ol_header mark = {PASSED_ON_HEADER, from, strlen(from)};
    if (!set_key(batch, &record, command_aggregate(&input->command)) ||
        !dead_letter_headers(message, &mark, 1, &batch->arena, &headers, &count))
        return false;
    record.headers = headers;
    record.header_count = count;
    return add_record(batch, &record);
}

/* All of the record, or a bundle of the one step. */
static bool dead_value(struct batch *batch, const struct core_input *input,
                       const struct ol_message *message, struct bytes *ret_value)
{
    struct bytes step = {input->step_wire, input->step_bytes};
    struct step_bundle bundle;
    struct ol_error error;
    *ret_value = (struct bytes){message->value, message->value_bytes};
    if (!input->step_wire)
        return true;
    if (codec_decode_bundle(*ret_value, &batch->arena, &bundle, &error))
        return false;
    bundle = (struct step_bundle){bundle.partition, &step, 1};
    return codec_encode_bundle(&bundle, &batch->arena, ret_value);
}

static bool sink_dead_letter(void *self, const struct core_input *input, const char *code,
                             const char *reason)
{
    struct batch *batch = self;
    const struct ol_message *message = input->record;
    const char *topic = batch->topics->input_names[input->source == CAUSE_STEPS];
    int32_t place = input->step_wire ? input->place : DEAD_LETTER_WHOLE;
    struct bytes value;
    struct ol_header *headers;
    size_t count;
    if (!dead_value(batch, input, message, &value) ||
        !dead_letter_explain(message, topic, place, code, reason, &batch->arena, &headers, &count))
        return false;
    const struct ol_record record = {
        .topic = batch->topics->dead_letters,
        .partition = message->partition,
        .key = message->key,
        .key_bytes = message->key_bytes,
        .value = value.data,
        .value_bytes = value.size,
        .headers = headers,
        .header_count = count,
    };
    batch->dead_steps += input->source == CAUSE_STEPS;
    return add_record(batch, &record);
}

struct core_sink batch_sink(struct batch *batch)
{
    return (struct core_sink){
        .self = batch,
        .event = sink_event,
        .step = sink_step,
        .pass_on = sink_pass_on,
        .dead_letter = sink_dead_letter,
    };
}
