#include "cli/records.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/ol_utf8.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "verify/headers.h"

bool record_topic(const char *prefix, const char *topic, enum context *ret_context,
                  enum stream *ret_stream)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = 0; stream < STREAM_COUNT; stream++) {
            struct topic_name name = topic_name(prefix, (enum context)context, (enum stream)stream);
            if (strcmp(name.text, topic) != 0)
                continue;
            *ret_context = (enum context)context;
            *ret_stream = (enum stream)stream;
            return true;
        }
    return false;
}

/* A dead letter was on its way through the commands or the steps of its context. */
static enum stream stream_of(enum stream stream, const struct ol_message *message)
{
    char topic[TOPIC_NAME_BYTES_MAX];
    if (stream != STREAM_DEAD_LETTERS)
        return stream;
    headers_text(message, HEADERS_CONNECT "topic", topic, sizeof topic);
    return strstr(topic, ".steps.") ? STREAM_STEPS : STREAM_COMMANDS;
}

/* ---- bundles ---- */

static struct record_part part_of(enum context context, const struct ol_message *message,
                                  struct bytes wire, int32_t place, struct ol_arena *arena)
{
    struct record_part part = {*message, place};
    struct step_message step;
    struct ol_error error;
    part.message.value = wire.data;
    part.message.value_bytes = wire.size;
    if (codec_decode_step(context, wire, arena, &step, &error))
        return part;
    struct text aggregate = step_aggregate(&step);
    part.message.key = aggregate.data;
    part.message.key_bytes = aggregate.bytes;
    return part;
}

struct record_part *record_parts(enum context context, enum stream stream,
                                 const struct ol_message *message, struct ol_arena *arena,
                                 size_t *ret_count)
{
    struct bytes wire = {message->value, message->value_bytes};
    struct step_bundle bundle;
    struct ol_error error;
    bool steps = stream == STREAM_STEPS && message->value &&
                 codec_decode_bundle(wire, arena, &bundle, &error) == OL_OK;
    *ret_count = steps ? bundle.count : 1;
    struct record_part *parts = ol_arena_alloc(arena, *ret_count * sizeof *parts);
    if (!parts)
        return NULL;
    parts[0] = (struct record_part){*message, RECORD_WHOLE};
    for (size_t i = 0; i < *ret_count && steps; i++)
        parts[i] = part_of(context, message, bundle.steps[i], (int32_t)i, arena);
    return parts;
}

/* What its type and its JSON are read from: of a dead letter that is a bundle of one, the step. */
static struct bytes read_as(enum stream stream, const struct ol_message *message)
{
    struct bytes wire = {message->value, message->value_bytes};
    struct step_bundle bundle;
    struct ol_error error;
    struct ol_arena arena;
    if (stream != STREAM_DEAD_LETTERS || stream_of(stream, message) != STREAM_STEPS)
        return wire;
    ol_arena_init(&arena, BUNDLE_STEPS_MAX * sizeof wire, 0);
    if (!codec_decode_bundle(wire, &arena, &bundle, &error) && bundle.count == 1)
        wire = bundle.steps[0];
    ol_arena_release(&arena);
    return wire;
}

/* ---- what it is ---- */

/* For people the cause stands in a step, said or not. What is no step stays as it is. */
static struct bytes with_cause(enum context context, struct bytes wire, struct ol_arena *arena)
{
    struct step_message step;
    struct ol_error error;
    struct bytes whole;
    if (codec_decode_step(context, wire, arena, &step, &error) ||
        !codec_encode_step_in_full(&step, arena, &whole))
        return wire;
    return whole;
}

const char *record_type(enum context context, enum stream stream, const struct ol_message *message,
                        struct ol_arena *arena)
{
    union {
        struct command command;
        struct step_message step;
        struct event_message event;
    } body;
    struct bytes wire = read_as(stream, message);
    struct ol_error error;
    if (!message->value)
        return "";
    switch (stream_of(stream, message)) {
    case STREAM_COMMANDS:
        return codec_decode_command(context, wire, arena, &body.command, &error)
                   ? ""
                   : command_kind_name(&body.command);
    case STREAM_STEPS:
        return codec_decode_step(context, wire, arena, &body.step, &error)
                   ? ""
                   : step_kind_name(&body.step);
    default:
        return codec_decode_event(context, wire, arena, &body.event, &error)
                   ? ""
                   : event_kind_name(&body.event);
    }
}

void record_add_decoded(struct ol_text *text, enum context context, enum stream stream,
                        const struct ol_message *message)
{
    struct bytes wire = read_as(stream, message);
    struct ol_error error;
    struct ol_arena arena;
    ol_arena_init(&arena, BUNDLE_BYTES_MAX, 0);
    stream = stream_of(stream, message);
    if (stream == STREAM_STEPS)
        wire = with_cause(context, wire, &arena);
    if (!message->value || json_from_wire(context, stream, wire, text, &error))
        ol_text_add(text, "null");
    ol_arena_release(&arena);
}

void record_add_base64(struct ol_text *text, const void *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        unsigned group = (unsigned)at[i] << 16 | (left > 1 ? (unsigned)at[i + 1] << 8 : 0) |
                         (left > 2 ? at[i + 2] : 0);
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63],
                        digits[group & 63]};
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        ol_text_add_bytes(text, four, 4);
    }
}

/* A JSON string; what is not UTF-8 as base64, then true. */
static bool add_string(struct ol_text *text, const void *data, size_t bytes)
{
    if (ol_utf8_check(data ? data : "", bytes, NULL) != OL_UTF8_BAD) {
        ol_text_add_json_bytes(text, data ? data : "", bytes);
        return false;
    }
    ol_text_add_char(text, '"');
    record_add_base64(text, data, bytes);
    ol_text_add_char(text, '"');
    return true;
}

/* kcat's flat list: name, value, name, value. */
static void add_headers(struct ol_text *text, const struct ol_message *message)
{
    struct ol_header header;
    ol_text_add(text, ",\"headers\":[");
    for (size_t i = 0; ol_message_header(message, i, &header); i++) {
        ol_text_add(text, i ? "," : "");
        ol_text_add_json(text, header.name);
        ol_text_add_char(text, ',');
        if (header.value)
            ol_text_add_json_bytes(text, header.value, header.value_bytes);
        else
            ol_text_add(text, "null");
    }
    ol_text_add_char(text, ']');
}

static void add_payload(struct ol_text *text, const struct ol_message *message)
{
    if (!message->value) {
        ol_text_add(text, ",\"payload\":null");
        return;
    }
    ol_text_add(text, ",\"payload\":\"");
    record_add_base64(text, message->value, message->value_bytes);
    ol_text_add(text, "\",\"payload_encoding\":\"base64\"");
}

void record_add_json(struct ol_text *text, enum context context, enum stream stream,
                     const struct record_part *part, const char *type)
{
    const struct ol_message *message = &part->message;
    ol_text_add(text, "{\"topic\":");
    ol_text_add_json(text, message->topic);
    ol_text_addf(text, ",\"partition\":%d,\"offset\":%" PRId64, message->partition,
                 message->offset);
    if (part->place != RECORD_WHOLE)
        ol_text_addf(text, ",\"place\":%d", part->place);
    ol_text_addf(text, ",\"tstype\":\"%s\",\"ts\":%" PRId64,
                 message->timestamp_ms < 0 ? "unknown" : "logappend", message->timestamp_ms);
    add_headers(text, message);
    ol_text_add(text, ",\"key\":");
    if (!message->key)
        ol_text_add(text, "null");
    else if (add_string(text, message->key, message->key_bytes))
        ol_text_add(text, ",\"key_encoding\":\"base64\"");
    add_payload(text, message);
    ol_text_add(text, ",\"type\":");
    ol_text_add_json(text, *type ? type : NULL);
    ol_text_add(text, ",\"decoded\":");
    record_add_decoded(text, context, stream, message);
    ol_text_add(text, "}\n");
}
