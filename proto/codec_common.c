/*
 * proto/codec_common.c - the three envelopes, which look the same in every context.
 *
 *   Command: 1 metadata, 2... body
 *   Step, in a bundle (codec_bundle.c): 1 metadata, without a cause that follows from the rest,
 *          2 asking_version, 3 asking_number, 10... body
 *   Event: 1 metadata, 2 recorded_at, 3 cause, 4 version, 5 body_digest,
 *          (orders: 6 status, 7 saga_state, 8 payment,) 10... body
 */
#include "proto/codec.h"

#include <assert.h>

#include "lib/base/ol_hash.h"
#include "lib/guard/protected.h"
#include "proto/codec_tables.h"

#define SCRATCH_BYTES 4096

/* The union of bodies is where every one of them begins. */
#define BODY(message)          ((void *)&(message)->order)
#define BODY_OF_CONST(message) ((const void *)&(message)->order)

/* ---- tables ---- */

static const struct wire_field metadata_fields[] = {
    FIELD_KEY_OR_NONE(1, struct metadata, command_id), /* a receipt has none */
    FIELD_REFERENCE(2, struct metadata, correlation_id),
    FIELD_REFERENCE(3, struct metadata, causation_id),
    FIELD_TEXT(4, struct metadata, actor, ID_BYTES_MAX),
    FIELD_TIME_OR_NONE(5, struct metadata, "occurred_at", occurred_at_us),
    FIELD_INT64(6, struct metadata, expected_version),
    FIELD_TEXT(7, struct metadata, traceparent, ID_BYTES_MAX),
};
const struct wire_message codec_metadata =
    WIRE_MESSAGE_OF("Metadata", struct metadata, metadata_fields);

static const struct wire_field cause_fields[] = {
    FIELD_ENUM(1, struct event_message, "source", cause_source, CAUSE_NONE, CAUSE_STEPS),
    WIRE_FIELD_(2, WIRE_VARINT, WIRE_INT64, "offset", struct event_message, cause_offset, .min = 0),
    WIRE_FIELD_(3, WIRE_VARINT, WIRE_INT32, "place", struct event_message, cause_place, .min = 0,
                .limit = BUNDLE_STEPS_MAX - 1),
    WIRE_FIELD_(4, WIRE_VARINT, WIRE_INT32, "index", struct event_message, cause_index, .min = 0,
                .limit = UINT16_MAX),
    WIRE_FIELD_(5, WIRE_VARINT, WIRE_INT64, "asking_version", struct event_message, asker.version,
                .min = 0),
    WIRE_FIELD_(6, WIRE_VARINT, WIRE_INT32, "asking_number", struct event_message, asker.number,
                .min = 0, .limit = UINT16_MAX),
};
const struct wire_message codec_cause =
    WIRE_MESSAGE_OF("Cause", struct event_message, cause_fields);

typedef __typeof__(((struct event_message *)0)->rejected) rejected_body;
typedef __typeof__(((struct event_message *)0)->repeated) repeated_body;

static const struct wire_field rejected_fields[] = {
    FIELD_KEY(1, rejected_body, aggregate_id),
    FIELD_CODE(2, rejected_body, code),
    FIELD_TEXT(3, rejected_body, message, WIRE_NO_LIMIT),
};
static const struct wire_message command_rejected =
    WIRE_MESSAGE_OF("CommandRejected", rejected_body, rejected_fields);

static const struct wire_field repeated_fields[] = {
    FIELD_KEY(1, repeated_body, aggregate_id),
    FIELD_ENUM(2, repeated_body, "outcome", outcome, OUTCOME_ACCEPTED, OUTCOME_REJECTED),
    FIELD_CODE_OR_NONE(3, repeated_body, code),
};
static const struct wire_message command_repeated =
    WIRE_MESSAGE_OF("CommandRepeated", repeated_body, repeated_fields);

#define COUNT(number, name, count)                                                                 \
    WIRE_FIELD_(number, WIRE_VARINT, WIRE_INT32, name, struct receipt, counts[count],              \
                .min = WIRE_ANY)

static const struct wire_field receipt_fields[] = {
    FIELD_INT64(1, struct receipt, commands_first),
    FIELD_INT64(2, struct receipt, commands_next),
    FIELD_INT64(3, struct receipt, steps_first),
    FIELD_INT64(4, struct receipt, steps_next),
    COUNT(5, "decided", RECEIPT_DECIDED),
    COUNT(6, "refused", RECEIPT_REFUSED),
    COUNT(7, "repeated", RECEIPT_REPEATED),
    COUNT(8, "ignored", RECEIPT_IGNORED),
    COUNT(9, "passed_on", RECEIPT_PASSED_ON),
    COUNT(10, "dead_lettered", RECEIPT_DEAD_LETTERED),
};
static const struct wire_message receipt =
    WIRE_MESSAGE_OF("Receipt", struct receipt, receipt_fields);

static const struct wire_body common_events[] = {
    [EVENT_BODY_REJECTED] = {30, "command_rejected", &command_rejected},
    [EVENT_BODY_REPEATED] = {31, "command_repeated", &command_repeated},
    [EVENT_BODY_RECEIPT] = {32, "receipt", &receipt},
};
const struct codec_bodies codec_common_events = CODEC_BODIES(common_events);

const struct codec_context *const codec_contexts[CONTEXT_COUNT] = {
    [CONTEXT_ORDERS] = &codec_orders,
    [CONTEXT_INVENTORY] = &codec_inventory,
    [CONTEXT_PAYMENTS] = &codec_payments,
};

/* ---- decoding ---- */

/* What every envelope's walk keeps about the oneof. */
struct body {
    const struct wire_body *row; /* NULL: none yet */
    uint32_t kind;
    struct wire_span bytes; /* its tag, length and content, as last seen */
    bool canonical;
};

/* The row of `number`; rows stand in number order after the empty ones. */
static const struct wire_body *find_body(const struct codec_bodies *bodies, uint32_t number)
{
    for (uint32_t i = 1; i < bodies->count; i++)
        if (bodies->rows[i].number == number)
            return &bodies->rows[i];
    return NULL;
}

/* The last member of a oneof wins; the same member again is merged. */
static bool read_body(struct wire_reader *reader, struct wire_span *span, const uint8_t *tag_at,
                      const struct wire_body *row, void *target, struct body *body)
{
    bool again = body->row == row;
    if (!again)
        wire_clear(row->message, target);
    reader->canonical = true;
    if (!wire_read_message(reader, span, row->name, row->message, target))
        return false;
    body->canonical = reader->canonical && !again;
    body->row = row;
    body->bytes = (struct wire_span){tag_at, span->at};
    return true;
}

/* Who asked for a step: one of the two fields. */
static bool read_asker(struct wire_reader *reader, struct wire_span *span, const uint8_t *tag_at,
                       uint32_t tag, struct asker *asker)
{
    bool is_version = tag >> 3 == 2;
    const char *name = is_version ? "asking_version" : "asking_number";
    uint64_t value;
    if ((tag & 7) != WIRE_VARINT)
        return wire_poison(reader, name, tag_at, "a field of another kind");
    if (!wire_read_varint(reader, span, name, &value))
        return false;
    if (value > (is_version ? (uint64_t)INT64_MAX : UINT16_MAX))
        return wire_poison(reader, name, tag_at, "a number out of its range");
    if (is_version)
        asker->version = (int64_t)value;
    else
        asker->number = (int32_t)value;
    return true;
}

/* One field of a Command or Step; only a step has an asker. */
static bool read_input_field(struct wire_reader *reader, struct wire_span *span,
                             const struct codec_bodies *bodies, struct metadata *metadata,
                             struct asker *asker, void *target, struct body *body)
{
    const uint8_t *tag_at = span->at;
    uint32_t tag;
    if (!wire_next_tag(reader, span, &tag))
        return false;
    if (tag == (1 << 3 | WIRE_BYTES))
        return wire_read_message(reader, span, "metadata", &codec_metadata, metadata);
    if (asker && (tag >> 3 == 2 || tag >> 3 == 3))
        return read_asker(reader, span, tag_at, tag, asker);
    const struct wire_body *row = find_body(bodies, tag >> 3);
    if (!row && tag >> 3 != 1)
        return wire_skip(reader, span, tag);
    if ((tag & 7) != WIRE_BYTES)
        return wire_poison(reader, row ? row->name : "metadata", tag_at, "a field of another kind");
    if (!read_body(reader, span, tag_at, row, target, body))
        return false;
    body->kind = (uint32_t)(row - bodies->rows);
    memcpy(target, &body->kind, sizeof body->kind);
    return true;
}

static bool read_input(struct wire_reader *reader, struct wire_span span,
                       const struct codec_bodies *bodies, struct metadata *metadata,
                       struct asker *asker, void *target, struct body *body)
{
    metadata->occurred_at_us = TIME_NONE;
    while (span.at < span.end)
        if (!read_input_field(reader, &span, bodies, metadata, asker, target, body))
            return false;
    if (!body->row)
        return wire_poison(reader, "body", span.end, "missing");
    if (metadata->command_id.bytes == 0 && !reader->draft)
        return wire_poison(reader, "metadata.command_id", span.end, "missing");
    return true;
}

/* The class of a walk that ended early. */
static enum ol_class stopped(const struct wire_reader *reader)
{
    if (!reader->spent)
        return OL_POISON;
    return ol_fail(reader->reterr, OL_RETRY, "the arena's budget of %zu bytes is spent",
                   reader->arena->budget_bytes);
}

/* Results live in the arena: so do the bytes that their texts point into. */
static bool own_bytes(struct wire_reader *reader, struct bytes wire, struct wire_span *ret_span)
{
    uint8_t *copy = ol_arena_alloc(reader->arena, wire.size ? wire.size : 1);
    if (!copy) {
        reader->spent = true;
        return false;
    }
    if (wire.size)
        memcpy(copy, wire.data, wire.size);
    *ret_span = (struct wire_span){copy, copy + wire.size};
    return true;
}

static bool own_text(struct wire_reader *reader, struct text *text)
{
    if (text->bytes == 0)
        return true;
    text->data = ol_arena_copy(reader->arena, text->data, text->bytes);
    reader->spent = !text->data;
    return text->data;
}

static uint64_t digest_of(const void *data, size_t size)
{
    uint64_t digest = ol_hash(data, size);
    return digest ? digest : 1;
}

/* ---- encoding, the common end ---- */

typedef void write_function(struct wire_writer *writer, const void *message);

/* Most messages fit the scratch; of one that does not, the first run has told the size. */
static bool encode(write_function *write, const void *message, struct ol_arena *arena,
                   struct bytes *ret_wire)
{
    uint8_t scratch[SCRATCH_BYTES];
    struct wire_writer writer = {.end = scratch + sizeof scratch, .size = sizeof scratch};
    write(&writer, message);
    size_t size = writer.used;
    assert(size > 0); /* a body is written even if empty */
    uint8_t *wire = ol_arena_alloc(arena, size);
    if (!wire)
        return false;
    if (size <= sizeof scratch) {
        memcpy(wire, writer.end - size, size);
    } else {
        writer = (struct wire_writer){.end = wire + size, .size = size};
        write(&writer, message);
        assert(writer.used == size);
    }
    *ret_wire = (struct bytes){wire, size};
    return true;
}

static const struct wire_body *body_row(const struct codec_bodies *bodies, const void *body)
{
    uint32_t kind;
    memcpy(&kind, body, sizeof kind);
    assert(kind > 0 && kind < bodies->count);
    return &bodies->rows[kind];
}

static void write_command_body(struct wire_writer *writer, const void *message)
{
    const struct command *command = message;
    const struct wire_body *row =
        body_row(&codec_contexts[command->context]->commands, BODY_OF_CONST(command));
    wire_put_message(writer, row->number, row->message, BODY_OF_CONST(command), true);
}

/* ---- commands ---- */

static bool digest_canonical(const struct command *command, struct wire_reader *reader,
                             uint64_t *ret_digest)
{
    struct bytes body;
    if (!encode(write_command_body, command, reader->arena, &body)) {
        reader->spent = true;
        return false;
    }
    *ret_digest = digest_of(body.data, body.size);
    return true;
}

/* A command that is refused here keeps its kind, its key and its clean metadata. The digest is that
 * of its bytes as they came, so that the same bytes again are the same command. */
static bool refuse(struct wire_reader *reader, const struct body *body, struct command *command)
{
    size_t key_offset = body->row->message->fields[0].offset;
    struct text key;
    memcpy(&key, (char *)BODY(command) + key_offset, sizeof key);
    wire_clear(body->row->message, BODY(command));
    memcpy(BODY(command), &body->kind, sizeof body->kind);

    command->body_digest = digest_of(body->bytes.at, (size_t)(body->bytes.end - body->bytes.at));
    command->refused.code = reader->ids_only ? REFUSED_MESSAGE_TOO_LARGE : reader->fault;
    if (!reader->ids_only) {
        struct text path = text_of(reader->fault_path);
        if (!own_text(reader, &path))
            return false;
        command->refused.line = reader->fault_line;
        command->refused.subject = path;
    } else if (!own_text(reader, &key) || !own_text(reader, &command->metadata.command_id) ||
               !own_text(reader, &command->metadata.correlation_id) ||
               !own_text(reader, &command->metadata.causation_id) ||
               !own_text(reader, &command->metadata.actor) ||
               !own_text(reader, &command->metadata.traceparent)) {
        return false;
    }
    memcpy((char *)BODY(command) + key_offset, &key, sizeof key);
    return true;
}

static bool decode_command(struct wire_reader *reader, struct bytes wire, struct command *command)
{
    struct body body = {0};
    struct wire_span span = {wire.data, wire.data + wire.size};
    if (!reader->ids_only && !own_bytes(reader, wire, &span))
        return false;
    reader->start = span.at;
    if (!read_input(reader, span, &codec_contexts[command->context]->commands, &command->metadata,
                    NULL, BODY(command), &body))
        return false;
    if (reader->fault || reader->ids_only)
        return refuse(reader, &body, command);
    if (!body.canonical)
        return digest_canonical(command, reader, &command->body_digest);
    command->body_digest = digest_of(body.bytes.at, (size_t)(body.bytes.end - body.bytes.at));
    return true;
}

static enum ol_class decode(enum context context, struct bytes wire, bool draft,
                            struct ol_arena *arena, struct command *ret_command,
                            struct ol_error *reterr)
{
    struct wire_reader reader = {.arena = arena,
                                 .ids_only = wire.size > MESSAGE_BYTES_MAX,
                                 .draft = draft,
                                 .reterr = reterr};
    struct command command = {.context = context};
    if (!decode_command(&reader, wire, &command))
        return stopped(&reader);
    *ret_command = command;
    return OL_OK;
}

enum ol_class codec_decode_command(enum context context, struct bytes wire, struct ol_arena *arena,
                                   struct command *ret_command, struct ol_error *reterr)
{
    return decode(context, wire, false, arena, ret_command, reterr);
}

enum ol_class codec_decode_draft(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct command *ret_command, struct ol_error *reterr)
{
    return decode(context, wire, true, arena, ret_command, reterr);
}

static void write_command(struct wire_writer *writer, const void *message)
{
    const struct command *command = message;
    write_command_body(writer, command);
    wire_put_message(writer, 1, &codec_metadata, &command->metadata, false);
}

bool codec_encode_command(const struct command *command, struct ol_arena *arena,
                          struct bytes *ret_wire)
{
    return encode(write_command, command, arena, ret_wire);
}

/* ---- steps ---- */

/* What caused a step, unless it says another: an answer's question, whose id it carries on; else
 * what began the chain, which is the step itself where nothing is told. May be none. */
static struct text following_cause(const struct step_message *step)
{
    const struct metadata *metadata = &step->metadata;
    struct text id = metadata->command_id;
    if (step->context != CONTEXT_ORDERS || step->asker.version == 0)
        return metadata->correlation_id.bytes ? metadata->correlation_id : id;
    bool carries_on = id.bytes > 2 && memcmp(id.data + id.bytes - 2, "/r", 2) == 0;
    return carries_on ? (struct text){id.data, id.bytes - 2} : (struct text){0};
}

enum ol_class codec_decode_step(enum context context, struct bytes wire, struct ol_arena *arena,
                                struct step_message *ret_step, struct ol_error *reterr)
{
    struct wire_reader reader = {.arena = arena, .strict = true, .reterr = reterr};
    struct step_message step = {.context = context};
    struct body body = {0};
    struct wire_span span;
    if (!own_bytes(&reader, wire, &span))
        return stopped(&reader);
    reader.start = span.at;
    if (!read_input(&reader, span, &codec_contexts[context]->steps, &step.metadata, &step.asker,
                    BODY(&step), &body))
        return stopped(&reader);
    if (step.metadata.causation_id.bytes == 0)
        step.metadata.causation_id = following_cause(&step);
    *ret_step = step;
    return OL_OK;
}

static void write_step_with(struct wire_writer *writer, const struct step_message *step,
                            const struct metadata *metadata)
{
    const struct wire_body *row =
        body_row(&codec_contexts[step->context]->steps, BODY_OF_CONST(step));
    wire_put_message(writer, row->number, row->message, BODY_OF_CONST(step), true);
    wire_put_int(writer, 3, step->asker.number);
    wire_put_int(writer, 2, step->asker.version);
    wire_put_message(writer, 1, &codec_metadata, metadata, false);
}

static void write_step(struct wire_writer *writer, const void *message)
{
    const struct step_message *step = message;
    struct metadata metadata = step->metadata;
    bool is_another =
        PROTECTED(cause_compared) && !text_equal(metadata.causation_id, following_cause(step));
    if (!is_another)
        metadata.causation_id = (struct text){0};
    write_step_with(writer, step, &metadata);
}

static void write_step_in_full(struct wire_writer *writer, const void *message)
{
    const struct step_message *step = message;
    write_step_with(writer, step, &step->metadata);
}

bool codec_encode_step(const struct step_message *step, struct ol_arena *arena,
                       struct bytes *ret_wire)
{
    return encode(write_step, step, arena, ret_wire);
}

bool codec_encode_step_in_full(const struct step_message *step, struct ol_arena *arena,
                               struct bytes *ret_wire)
{
    return encode(write_step_in_full, step, arena, ret_wire);
}

/* ---- events ---- */

/* What stands in an event's envelope and belongs to the aggregate's event. */
struct event_head {
    uint64_t version, status, saga_state, payment;
};

static bool read_event_body(struct wire_reader *reader, struct wire_span *span,
                            const uint8_t *tag_at, uint32_t tag, struct event_message *event,
                            struct body *body)
{
    const struct codec_bodies *domain = &codec_contexts[event->context]->events;
    const struct wire_body *row = find_body(domain, tag >> 3);
    const struct wire_body *common = row ? NULL : find_body(&codec_common_events, tag >> 3);
    if (!row && !common)
        return wire_skip(reader, span, tag);
    if ((tag & 7) != WIRE_BYTES)
        return wire_poison(reader, (row ? row : common)->name, tag_at, "a field of another kind");
    if (!read_body(reader, span, tag_at, row ? row : common, BODY(event), body))
        return false;
    if (common) {
        event->body = (enum event_body)(common - codec_common_events.rows);
        return true;
    }
    event->body = EVENT_BODY_DOMAIN;
    body->kind = (uint32_t)(row - domain->rows);
    memcpy(BODY(event), &body->kind, sizeof body->kind);
    return true;
}

static bool read_event_field(struct wire_reader *reader, struct wire_span *span,
                             struct event_message *event, struct event_head *head,
                             struct body *body)
{
    const uint8_t *tag_at = span->at;
    bool orders = event->context == CONTEXT_ORDERS;
    uint32_t tag;
    if (!wire_next_tag(reader, span, &tag))
        return false;
    switch (tag) {
    case 1 << 3 | WIRE_BYTES:
        return wire_read_message(reader, span, "metadata", &codec_metadata, &event->metadata);
    case 2 << 3 | WIRE_BYTES:
        return wire_read_time(reader, span, "recorded_at", &event->recorded_at_us);
    case 3 << 3 | WIRE_BYTES: return wire_read_message(reader, span, "cause", &codec_cause, event);
    case 4 << 3 | WIRE_VARINT: return wire_read_varint(reader, span, "version", &head->version);
    case 5 << 3 | WIRE_64BIT:
        return wire_read_fixed64(reader, span, "body_digest", &event->body_digest);
    case 6 << 3 | WIRE_VARINT:
        if (orders)
            return wire_read_varint(reader, span, "status", &head->status);
        break;
    case 7 << 3 | WIRE_VARINT:
        if (orders)
            return wire_read_varint(reader, span, "saga_state", &head->saga_state);
        break;
    case 8 << 3 | WIRE_VARINT:
        if (orders)
            return wire_read_varint(reader, span, "payment", &head->payment);
        break;
    default: break;
    }
    if (tag >> 3 <= (orders ? 8u : 5u))
        return wire_poison(reader, NULL, tag_at, "a field of another kind");
    return read_event_body(reader, span, tag_at, tag, event, body);
}

/* Puts the head where it belongs. False: a worker would not have written it. */
static bool place_head(struct event_message *event, const struct event_head *head)
{
    if (event->body != EVENT_BODY_DOMAIN)
        return head->version == 0 && head->status == 0 && head->saga_state == 0 &&
               head->payment == 0;
    if (head->version > INT64_MAX || head->status >= ORDER_STATUS_COUNT ||
        head->saga_state >= SAGA_STATE_COUNT || head->payment >= ORDER_PAYMENT_COUNT)
        return false;
    int64_t version = (int64_t)head->version;
    switch (event->context) {
    case CONTEXT_ORDERS:
        event->order.version = version;
        event->order.status = (enum order_status)head->status;
        event->order.saga_state = (enum saga_state)head->saga_state;
        event->order.payment = (enum order_payment)head->payment;
        return version > 0 && head->status && head->saga_state;
    case CONTEXT_INVENTORY: event->inventory.version = version; return true;
    case CONTEXT_PAYMENTS: event->payment.version = version; return true;
    case CONTEXT_COUNT: break;
    }
    assert(!"an event has a context");
    return false;
}

/* Every event but a receipt is the outcome of one input. */
static bool check_event(struct wire_reader *reader, const struct event_message *event,
                        const struct body *body, const uint8_t *end)
{
    if (!body->row)
        return wire_poison(reader, "body", end, "missing");
    if (event->body == EVENT_BODY_RECEIPT)
        return true;
    if (event->metadata.command_id.bytes == 0)
        return wire_poison(reader, "metadata.command_id", end, "missing");
    if (event->recorded_at_us == TIME_NONE)
        return wire_poison(reader, "recorded_at", end, "missing");
    if (event->cause_source == CAUSE_NONE)
        return wire_poison(reader, "cause.source", end, "missing");
    return true;
}

static bool decode_event(struct wire_reader *reader, struct bytes wire, struct event_message *event)
{
    struct event_head head = {0};
    struct body body = {0};
    struct wire_span span;
    if (!own_bytes(reader, wire, &span))
        return false;
    reader->start = span.at;
    while (span.at < span.end)
        if (!read_event_field(reader, &span, event, &head, &body))
            return false;
    if (!check_event(reader, event, &body, span.end))
        return false;
    if (!place_head(event, &head))
        return wire_poison(reader, NULL, span.end,
                           "version, status, saga_state or payment do not fit the body");
    return true;
}

enum ol_class codec_decode_event(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct event_message *ret_event, struct ol_error *reterr)
{
    struct wire_reader reader = {.arena = arena, .strict = true, .reterr = reterr};
    struct event_message event = {
        .context = context,
        .metadata.occurred_at_us = TIME_NONE,
        .recorded_at_us = TIME_NONE,
    };
    if (!decode_event(&reader, wire, &event))
        return stopped(&reader);
    *ret_event = event;
    return OL_OK;
}

static struct event_head head_of(const struct event_message *event)
{
    if (event->body != EVENT_BODY_DOMAIN)
        return (struct event_head){0};
    switch (event->context) {
    case CONTEXT_ORDERS:
        return (struct event_head){(uint64_t)event->order.version, event->order.status,
                                   event->order.saga_state, event->order.payment};
    case CONTEXT_INVENTORY:
        return (struct event_head){.version = (uint64_t)event->inventory.version};
    case CONTEXT_PAYMENTS: return (struct event_head){.version = (uint64_t)event->payment.version};
    case CONTEXT_COUNT: break;
    }
    assert(!"an event has a context");
    return (struct event_head){0};
}

static void write_event(struct wire_writer *writer, const void *message)
{
    const struct event_message *event = message;
    struct event_head head = head_of(event);
    const struct wire_body *row;
    if (event->body == EVENT_BODY_DOMAIN) {
        row = body_row(&codec_contexts[event->context]->events, BODY_OF_CONST(event));
    } else {
        assert(event->body >= EVENT_BODY_REJECTED && event->body < codec_common_events.count);
        row = &codec_common_events.rows[event->body];
    }
    wire_put_message(writer, row->number, row->message, BODY_OF_CONST(event), true);
    wire_put_int(writer, 8, (int64_t)head.payment);
    wire_put_int(writer, 7, (int64_t)head.saga_state);
    wire_put_int(writer, 6, (int64_t)head.status);
    wire_put_fixed64(writer, 5, event->body_digest);
    wire_put_int(writer, 4, (int64_t)head.version);
    wire_put_message(writer, 3, &codec_cause, event, false);
    wire_put_time(writer, 2, event->recorded_at_us);
    wire_put_message(writer, 1, &codec_metadata, &event->metadata, false);
}

bool codec_encode_event(const struct event_message *event, struct ol_arena *arena,
                        struct bytes *ret_wire)
{
    return encode(write_event, event, arena, ret_wire);
}
