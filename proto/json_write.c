/*
 * proto/json_write.c - wire bytes -> JSON, by the descriptors.
 */
#include "proto/json.h"

#include <assert.h>
#include <inttypes.h>

#include "lib/base/ol_clock.h"
#include "proto/descriptors.h"
#include "proto/wire.h"

#define FIELDS_MAX 32

/* Where a message's fields lie: of each the first and the last value. */
struct found {
    struct wire_span first[FIELDS_MAX], last[FIELDS_MAX];
};

static bool add_message(struct wire_reader *reader, const ProtobufCMessageDescriptor *descriptor,
                        struct wire_span span, struct ol_text *text);

static bool is_timestamp(const ProtobufCMessageDescriptor *descriptor)
{
    return strcmp(descriptor->name, "google.protobuf.Timestamp") == 0;
}

/* ---- finding the fields ---- */

static enum wire_encoding encoding_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED64: return WIRE_64BIT;
    default: return WIRE_VARINT;
    }
}

/* Of a oneof only the last member counts. */
static void forget_rivals(const ProtobufCMessageDescriptor *descriptor, unsigned index,
                          struct found *found)
{
    const ProtobufCFieldDescriptor *fields = descriptor->fields;
    if (!(fields[index].flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (i != index && (fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
            fields[i].quantifier_offset == fields[index].quantifier_offset)
            found->last[i].at = NULL;
}

/* Steps over one value, of whatever encoding; *ret_value spans it (without its length). */
static bool step_over(struct wire_reader *reader, struct wire_span *span, uint32_t tag,
                      struct wire_span *ret_value)
{
    if ((tag & 7) == WIRE_BYTES)
        return wire_read_bytes(reader, span, NULL, ret_value);
    ret_value->at = span->at;
    if (!wire_skip(reader, span, tag))
        return false;
    ret_value->end = span->at;
    return true;
}

static int index_of(const ProtobufCMessageDescriptor *descriptor, uint32_t number)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].id == number)
            return (int)i;
    return -1;
}

static bool find_fields(struct wire_reader *reader, const ProtobufCMessageDescriptor *descriptor,
                        struct wire_span span, struct found *ret_found)
{
    while (span.at < span.end) {
        const uint8_t *tag_at = span.at;
        uint32_t tag;
        struct wire_span value;
        if (!wire_next_tag(reader, &span, &tag))
            return false;
        int index = index_of(descriptor, tag >> 3);
        if (index >= 0 && (tag & 7) != encoding_of(&descriptor->fields[index]))
            return wire_poison(reader, descriptor->fields[index].name, tag_at,
                               "a field of another kind");
        if (!step_over(reader, &span, tag, &value))
            return false;
        if (index < 0)
            continue;
        if (!ret_found->first[index].at)
            ret_found->first[index] = (struct wire_span){tag_at, span.end};
        ret_found->last[index] = value;
        forget_rivals(descriptor, (unsigned)index, ret_found);
    }
    return true;
}

/* ---- values ---- */

static uint64_t number_in(struct wire_reader *reader, enum wire_encoding encoding,
                          struct wire_span value)
{
    uint64_t number = 0;
    if (encoding == WIRE_64BIT)
        (void)wire_read_fixed64(reader, &value, NULL, &number);
    else
        (void)wire_read_varint(reader, &value, NULL, &number);
    return number;
}

static void add_name(struct ol_text *text, const char *name)
{
    ol_text_add_char(text, '"');
    for (; *name; name++) {
        char c = *name;
        if (c == '_' && name[1]) {
            c = *++name;
            if (c >= 'a' && c <= 'z')
                c = (char)(c - 'a' + 'A');
        }
        ol_text_add_char(text, c);
    }
    ol_text_add(text, "\":");
}

static void add_enum(struct ol_text *text, const ProtobufCEnumDescriptor *descriptor, int32_t value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);
    if (known)
        ol_text_add_json(text, known->name);
    else
        ol_text_add_int(text, value);
}

/* 0, 3, 6 or 9 digits of fraction, the fewest that are exact. */
static void add_time(struct ol_text *text, int64_t seconds, int32_t nanos)
{
    char time[OL_CLOCK_TEXT_BYTES];
    bool in_range = seconds >= OL_CLOCK_MIN_US / 1000000 && seconds <= OL_CLOCK_MAX_US / 1000000;
    size_t size = in_range ? ol_clock_format(seconds * 1000000, time) : 0;
    if (size == 0 || nanos < 0 || nanos > 999999999) {
        ol_text_addf(text, "{\"seconds\":\"%" PRId64 "\",\"nanos\":%" PRId32 "}", seconds, nanos);
        return;
    }
    ol_text_addf(text, "\"%.*s", (int)size - 1, time);
    if (nanos % 1000)
        ol_text_addf(text, ".%09" PRId32, nanos);
    else if (nanos % 1000000)
        ol_text_addf(text, ".%06" PRId32, nanos / 1000);
    else if (nanos)
        ol_text_addf(text, ".%03" PRId32, nanos / 1000000);
    ol_text_add(text, "Z\"");
}

static bool add_timestamp(struct wire_reader *reader, const ProtobufCMessageDescriptor *descriptor,
                          struct wire_span span, struct ol_text *text)
{
    struct found found = {0};
    if (!find_fields(reader, descriptor, span, &found))
        return false;
    uint64_t seconds = found.last[0].at ? number_in(reader, WIRE_VARINT, found.last[0]) : 0;
    uint64_t nanos = found.last[1].at ? number_in(reader, WIRE_VARINT, found.last[1]) : 0;
    add_time(text, (int64_t)seconds, (int32_t)(uint32_t)nanos);
    return true;
}

/* True where the mapping leaves the field out: a default without presence. */
static bool is_default(struct wire_reader *reader, const ProtobufCFieldDescriptor *field,
                       struct wire_span value)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return false;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return value.at == value.end;
    return number_in(reader, encoding_of(field), value) == 0;
}

static bool add_value(struct wire_reader *reader, const ProtobufCFieldDescriptor *field,
                      struct wire_span value, struct ol_text *text)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        ol_text_add_json_bytes(text, value.at, (size_t)(value.end - value.at));
        return true;
    case PROTOBUF_C_TYPE_INT64:
        ol_text_add_json_int(text, (int64_t)number_in(reader, WIRE_VARINT, value));
        return true;
    case PROTOBUF_C_TYPE_FIXED64:
        ol_text_addf(text, "\"%" PRIu64 "\"", number_in(reader, WIRE_64BIT, value));
        return true;
    case PROTOBUF_C_TYPE_INT32:
        ol_text_add_int(text, (int32_t)(uint32_t)number_in(reader, WIRE_VARINT, value));
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(text, field->descriptor, (int32_t)(uint32_t)number_in(reader, WIRE_VARINT, value));
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        assert(reader->depth < WIRE_DEPTH_MAX);
        reader->path[reader->depth].name = field->name;
        reader->path[reader->depth++].index = -1;
        if (is_timestamp(field->descriptor) ? !add_timestamp(reader, field->descriptor, value, text)
                                            : !add_message(reader, field->descriptor, value, text))
            return false;
        reader->depth--;
        return true;
    default: /* the schema uses no other; a test says so */
        assert(!"a type that JSON does not know");
        return false;
    }
}

static bool add_repeated(struct wire_reader *reader, const ProtobufCFieldDescriptor *field,
                         struct wire_span span, struct ol_text *text)
{
    bool first = true;
    ol_text_add_char(text, '[');
    while (span.at < span.end) {
        uint32_t tag;
        struct wire_span value;
        if (!wire_next_tag(reader, &span, &tag) || !step_over(reader, &span, tag, &value))
            return false;
        if (tag >> 3 != field->id)
            continue;
        if (!first)
            ol_text_add_char(text, ',');
        first = false;
        if (!add_value(reader, field, value, text))
            return false;
    }
    ol_text_add_char(text, ']');
    return true;
}

static bool add_message(struct wire_reader *reader, const ProtobufCMessageDescriptor *descriptor,
                        struct wire_span span, struct ol_text *text)
{
    struct found found = {0};
    bool first = true;
    assert(descriptor->n_fields <= FIELDS_MAX);
    if (!find_fields(reader, descriptor, span, &found))
        return false;
    ol_text_add_char(text, '{');
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        if (!found.last[i].at || (!repeated && is_default(reader, field, found.last[i])))
            continue;
        if (!first)
            ol_text_add_char(text, ',');
        first = false;
        add_name(text, field->name);
        if (repeated ? !add_repeated(reader, field, found.first[i], text)
                     : !add_value(reader, field, found.last[i], text))
            return false;
    }
    ol_text_add_char(text, '}');
    return true;
}

enum ol_class json_from_wire(enum context context, enum stream stream, struct bytes wire,
                             struct ol_text *text, struct ol_error *reterr)
{
    struct wire_reader reader = {.start = wire.data, .reterr = reterr};
    size_t before = text->size_bytes;
    if (add_message(&reader, envelope_descriptor(context, stream),
                    (struct wire_span){wire.data, wire.data + wire.size}, text))
        return OL_OK;
    text->size_bytes = before;
    if (text->bytes)
        text->bytes[before] = '\0';
    return OL_POISON;
}
