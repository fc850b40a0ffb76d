#include "consumers/core_internal.h"

#include <stdio.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "lib/guard/protected.h"

/* Of an order's id, in the ids that are derived from it. */
#define ID_STEM_BYTES_MAX 100

/* Protection offset_plus_one. */
int64_t input_next_offset(const struct core_input *input)
{
    return input->offset + 1;
}

void input_run_count(struct input_run *run, enum receipt_count count)
{
    run->core->partitions[run->input->partition].open.counts[count]++;
}

/* ---- ids ---- */

/* "<first><separator><number>...": a derived id, in the arena. */
static struct text id_printf(struct ol_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct text id_printf(struct ol_arena *arena, const char *format, ...)
{
    char id[2 * ID_BYTES_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(id, sizeof id, format, arguments);
    va_end(arguments);
    domain_assert(bytes > 0 && (size_t)bytes < sizeof id);
    return (struct text){ol_arena_copy(arena, id, (size_t)bytes), (uint32_t)bytes};
}

/* How much of a text fits into `bytes_max`, cut between characters. */
static int cut(struct text text, uint32_t bytes_max)
{
    uint32_t bytes = text.bytes < bytes_max ? text.bytes : bytes_max;
    while (bytes > 0 && bytes < text.bytes && (text.data[bytes] & 0xc0) == 0x80)
        bytes--;
    return (int)bytes;
}

/* Derived ids have at most 128 bytes too. An order's id that leaves no room for
 * "/<version>/<number>/r" is shortened, and a digest keeps it distinct. */
struct text id_stem(struct ol_arena *arena, struct text order_id)
{
    if (order_id.bytes <= ID_STEM_BYTES_MAX)
        return order_id;
    return id_printf(arena, "%.*s~%016llx", cut(order_id, ID_STEM_BYTES_MAX - 17), order_id.data,
                     (unsigned long long)ol_hash(order_id.data, order_id.bytes));
}

static size_t put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + first, sizeof digits - first);
    return sizeof digits - first;
}

/* Protection derived_ids: a step decided twice gets the same id. One for each step, so without the
 * cost of a format. */
struct text id_of_step(struct ol_arena *arena, struct text stem, int64_t version, size_t number)
{
    char id[ID_BYTES_MAX + 2 * 21];
    domain_assert(stem.bytes <= ID_BYTES_MAX && version >= 0);
    memcpy(id, stem.data, stem.bytes);
    size_t bytes = stem.bytes;
    id[bytes++] = '/';
    bytes += put_number(id + bytes, (uint64_t)version);
    id[bytes++] = '/';
    bytes += put_number(id + bytes, number);
    return (struct text){ol_arena_copy(arena, id, bytes), (uint32_t)bytes};
}

struct text id_of_timeout(struct ol_arena *arena, struct text order_id, int64_t deadline_us)
{
    struct text stem = id_stem(arena, order_id);
    if (!stem.data)
        return stem;
    struct text id =
        id_printf(arena, "%.*s/t/%lld", (int)stem.bytes, stem.data, (long long)deadline_us);
    domain_assert(id.bytes <= ID_BYTES_MAX);
    return id;
}

/* "<id>/r". A step without an id is poison to the codec. */
static struct text id_of_reply(struct ol_arena *arena, struct text asked)
{
    char *id = ol_arena_alloc(arena, asked.bytes + 2);
    if (!id)
        return (struct text){0};
    memcpy(id, asked.data, asked.bytes);
    memcpy(id + asked.bytes, "/r", 2);
    return (struct text){id, asked.bytes + 2};
}

/* ---- records ---- */

/* Who began the chain: a command begins its own. */
static struct text correlation_of(const struct metadata *metadata)
{
    return metadata->correlation_id.bytes ? metadata->correlation_id : metadata->command_id;
}

struct event_message input_run_begin_event(struct input_run *run, enum event_body body)
{
    const struct core_input *input = run->input;
    struct event_message event = {
        .context = run->core->settings.context,
        .metadata = *run->metadata,
        .recorded_at_us = input->at_us,
        .cause_source = input->source,
        .cause_offset = input->offset,
        .cause_index = run->index++,
        .body = body,
        .body_digest = input->kind == INPUT_COMMAND ? input->command.body_digest : 0,
    };
    event.metadata.causation_id = no_text; /* command_id is the cause */
    if (PROTECTED(place_told) && input->kind == INPUT_STEP)
        event.cause_place = input->place;
    if (PROTECTED(asker_told) && input->kind == INPUT_STEP)
        event.asker = input->step.asker;
    return event;
}

bool input_run_emit(struct input_run *run, struct text key, const struct event_message *event)
{
    int32_t partition = run->input->partition;
    return overlay_apply(run->core->overlay, event, partition, OVERLAY_NOW) &&
           run->sink->event(run->sink->self, partition, key, event);
}

bool input_run_decided(struct input_run *run, struct text key, const struct event_message *event)
{
    input_run_count(run, RECEIPT_DECIDED);
    return input_run_emit(run, key, event);
}

static struct metadata step_metadata(const struct input_run *run, struct text id)
{
    return (struct metadata){
        .command_id = id,
        .correlation_id = correlation_of(run->metadata),
        .causation_id = run->metadata->command_id,
        .occurred_at_us = TIME_NONE,
        .traceparent = run->metadata->traceparent,
    };
}

bool input_run_send_step(struct input_run *run, int32_t partition, struct text key,
                         struct step_message *step, struct text id)
{
    step->metadata = step_metadata(run, id);
    if (partition < 0)
        partition = partition_of(key, run->core->settings.partitions);
    return id.data && run->sink->step(run->sink->self, partition, step);
}

bool input_run_reply(struct input_run *run, const struct order_step *answer)
{
    if (answer->kind == ORDER_STEP_NONE)
        return true;
    struct text id = id_of_reply(run->arena, run->metadata->command_id);
    struct step_message step = {
        .context = CONTEXT_ORDERS, .asker = run->input->step.asker, .order = *answer};
    if (!replies_may_wait(answer))
        return input_run_send_step(run, -1, answer->order_id, &step, id);
    step.metadata = step_metadata(run, id);
    return id.data && replies_add(&run->core->replies, &step);
}

/* "line 3 (SKU-1): a quantity must be 1 or more" */
static struct text refusal_message(struct ol_arena *arena, const struct refusal *refusal)
{
    const char *sentence = refusal_sentence(refusal->code);
    const char *subject = refusal->subject.data;
    int bytes = cut(refusal->subject, ID_BYTES_MAX); /* a bad id may be of any length */
    const char *more = (uint32_t)bytes < refusal->subject.bytes ? "..." : "";
    if (refusal->line && bytes)
        return id_printf(arena, "line %d (%.*s%s): %s", refusal->line, bytes, subject, more,
                         sentence);
    if (refusal->line)
        return id_printf(arena, "line %d: %s", refusal->line, sentence);
    if (bytes)
        return id_printf(arena, "%.*s%s: %s", bytes, subject, more, sentence);
    return text_of(sentence);
}

bool input_run_reject(struct input_run *run, const struct command *command,
                      const struct refusal *refusal)
{
    struct event_message event = input_run_begin_event(run, EVENT_BODY_REJECTED);
    event.rejected.aggregate_id = command_aggregate(command);
    event.rejected.code = refusal->code;
    event.rejected.message = refusal_message(run->arena, refusal);
    input_run_count(run, RECEIPT_REFUSED);
    return event.rejected.message.data && input_run_emit(run, event.rejected.aggregate_id, &event);
}

bool input_run_repeat(struct input_run *run, const struct command *command,
                      const struct command_record *first)
{
    struct event_message event = input_run_begin_event(run, EVENT_BODY_REPEATED);
    event.repeated.aggregate_id = command_aggregate(command);
    event.repeated.outcome = first->outcome;
    event.repeated.code = first->code;
    input_run_count(run, RECEIPT_REPEATED);
    return input_run_emit(run, event.repeated.aggregate_id, &event);
}
