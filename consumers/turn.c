#include "consumers/core_internal.h"

#include "domain/assert.h"
#include "lib/base/ol_hash.h"

#include <stdio.h>

/* Of an order's id, in the ids that are derived from it. */
#define ID_STEM_BYTES_MAX 100

struct receipt *turn_receipt(struct turn *turn)
{
    return &turn->core->partitions[turn->input->partition].open;
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

/* Derived ids may have 128 bytes too, so that an order's id which leaves no room for
 * "/<version>/<number>/r" is shortened, and told apart by its digest. */
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

/* One for each step, so without the cost of a format. */
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

struct event_message turn_begin_event(struct turn *turn, enum event_body body)
{
    const struct core_input *input = turn->input;
    struct event_message event = {
        .context = turn->core->settings.context,
        .metadata = *turn->metadata,
        .recorded_at_us = input->at_us,
        .cause_source = input->source,
        .cause_offset = input->offset,
        .cause_index = turn->index++,
        .body = body,
        .body_digest = input->kind == INPUT_COMMAND ? input->command.body_digest : 0,
    };
    event.metadata.causation_id = no_text; /* command_id is the cause */
    return event;
}

bool turn_emit(struct turn *turn, struct text key, const struct event_message *event)
{
    int32_t partition = turn->input->partition;
    return overlay_apply(turn->core->overlay, event, partition, OVERLAY_NOW) &&
           turn->sink->event(turn->sink->self, partition, key, event);
}

bool turn_decided(struct turn *turn, struct text key, const struct event_message *event)
{
    turn_receipt(turn)->decided++;
    return turn_emit(turn, key, event);
}

bool turn_send_step(struct turn *turn, int32_t partition, struct text key,
                    struct step_message *step, struct text id)
{
    step->metadata = (struct metadata){
        .command_id = id,
        .correlation_id = correlation_of(turn->metadata),
        .causation_id = turn->metadata->command_id,
        .occurred_at_us = TIME_NONE,
        .traceparent = turn->metadata->traceparent,
    };
    if (partition < 0)
        partition = partition_of(key, turn->core->settings.partitions);
    return id.data && turn->sink->step(turn->sink->self, partition, key, step);
}

bool turn_reply(struct turn *turn, const struct order_step *answer)
{
    if (answer->kind == ORDER_STEP_NONE)
        return true;
    struct step_message step = {.context = CONTEXT_ORDERS, .order = *answer};
    return turn_send_step(turn, -1, answer->order_id, &step,
                          id_of_reply(turn->arena, turn->metadata->command_id));
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

bool turn_reject(struct turn *turn, const struct command *command, const struct refusal *refusal)
{
    struct event_message event = turn_begin_event(turn, EVENT_BODY_REJECTED);
    event.rejected.aggregate_id = command_aggregate(command);
    event.rejected.code = refusal->code;
    event.rejected.message = refusal_message(turn->arena, refusal);
    turn_receipt(turn)->refused++;
    return event.rejected.message.data && turn_emit(turn, event.rejected.aggregate_id, &event);
}

bool turn_repeat(struct turn *turn, const struct command *command,
                 const struct command_record *first)
{
    struct event_message event = turn_begin_event(turn, EVENT_BODY_REPEATED);
    event.repeated.aggregate_id = command_aggregate(command);
    event.repeated.outcome = first->outcome;
    event.repeated.code = first->code;
    turn_receipt(turn)->repeated++;
    return turn_emit(turn, event.repeated.aggregate_id, &event);
}
