#include "proto/wire.h"

#include <assert.h>
#include <stdio.h>

#include "domain/message.h"
#include "lib/base/ol_unseen.h"
#include "lib/base/ol_utf8.h"

static bool wire_decode(struct wire_reader *reader, const struct wire_message *message,
                        struct wire_span span, void *target);
static void wire_encode(struct wire_writer *writer, const struct wire_message *message,
                        const void *source);

#define VARINT_BYTES_MAX 10
#define FIELD_NUMBER_MAX 0x1fffffff

/* The years 1 to 9999, as protobuf's Timestamp has them. */
#define SECONDS_MIN (-62135596800LL)
#define SECONDS_MAX 253402300799LL

/* A claim keeps two days from both ends: in another zone those times are in the year 0 or 10000,
 * which many a reader of the rows can't hold. */
#define CLAIM_MARGIN (2 * 86400)

/* ---- faults ---- */

/* The tables' longest path fits: tests/unit/test_codec_tables.c. */
static void path_text(const struct wire_reader *reader, const char *name, char *ret_path)
{
    size_t used = 0;
    ret_path[0] = '\0';
    for (int i = 0; i <= reader->depth; i++) {
        const char *part = i < reader->depth ? reader->path[i].name : name;
        if (!part)
            continue;
        used += (size_t)snprintf(ret_path + used, WIRE_PATH_BYTES - used, "%s%s", used ? "." : "",
                                 part);
        assert(used < WIRE_PATH_BYTES);
        if (i < reader->depth && reader->path[i].index >= 0)
            used += (size_t)snprintf(ret_path + used, WIRE_PATH_BYTES - used, "[%lld]",
                                     (long long)reader->path[i].index);
        assert(used < WIRE_PATH_BYTES);
    }
}

bool wire_poison(struct wire_reader *reader, const char *name, const uint8_t *at, const char *what)
{
    char path[WIRE_PATH_BYTES];
    path_text(reader, name, path);
    const char *colon = path[0] ? ": " : "";
    if (reader->draft)
        ol_fail(reader->reterr, OL_POISON, "%s%s%s", path, colon, what);
    else
        ol_fail(reader->reterr, OL_POISON, "%s%s%s, at byte %zu", path, colon, what,
                (size_t)(at - reader->start));
    return false;
}

/* The first fault that is to be refused is the one that is told. */
static void refuse(struct wire_reader *reader, const char *name, enum refusal_code code)
{
    if (reader->fault != ACCEPTED)
        return;
    reader->fault = code;
    path_text(reader, name, reader->fault_path);
    for (int i = 0; i < reader->depth; i++)
        if (reader->path[i].index >= 0)
            reader->fault_line = (int32_t)reader->path[i].index + 1;
}

/* A fault of a text: poison, or refused. False: poison. */
static bool text_fault(struct wire_reader *reader, const struct wire_field *field,
                       const uint8_t *at, enum refusal_code code, const char *what)
{
    if (reader->strict || (field->flags & WIRE_KEY))
        return wire_poison(reader, field->name, at, what);
    refuse(reader, field->name, code);
    return true;
}

/* ---- bytes ---- */

/* What get_varint() leaves: the first byte has the high bit set, or there is none. */
static bool get_long_varint(struct wire_reader *reader, struct wire_span *span, uint64_t *ret_value)
{
    const uint8_t *at = span->at;
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && at < span->end; i++, at++) {
        value |= (uint64_t)(*at & 0x7f) << (7 * i);
        if (*at < 0x80) {
            if (*at == 0 || (i == 9 && *at > 1))
                reader->canonical = false;
            *ret_value = value;
            span->at = at + 1;
            return true;
        }
    }
    return false;
}

/* Most are of one byte. */
static inline bool get_varint(struct wire_reader *reader, struct wire_span *span,
                              uint64_t *ret_value)
{
    if (span->at < span->end && *span->at < 0x80) {
        *ret_value = *span->at++;
        return true;
    }
    return get_long_varint(reader, span, ret_value);
}

static inline bool get_bytes(struct wire_reader *reader, struct wire_span *span,
                             struct wire_span *ret_span)
{
    uint64_t size;
    if (!get_varint(reader, span, &size) || size > (uint64_t)(span->end - span->at))
        return false;
    *ret_span = (struct wire_span){span->at, span->at + size};
    span->at += size;
    return true;
}

bool wire_next_tag(struct wire_reader *reader, struct wire_span *span, uint32_t *ret_tag)
{
    const uint8_t *at = span->at;
    uint64_t tag;
    if (!get_varint(reader, span, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return wire_poison(reader, NULL, at, "no field begins here");
    *ret_tag = (uint32_t)tag;
    return true;
}

bool wire_skip(struct wire_reader *reader, struct wire_span *span, uint32_t tag)
{
    const uint8_t *at = span->at;
    struct wire_span bytes;
    uint64_t value;
    bool good = false;
    reader->canonical = false;
    switch (tag & 7) {
    case WIRE_VARINT: good = get_varint(reader, span, &value); break;
    case WIRE_BYTES: good = get_bytes(reader, span, &bytes); break;
    case WIRE_64BIT:
    case WIRE_32BIT: {
        ptrdiff_t size = (tag & 7) == WIRE_64BIT ? 8 : 4;
        good = span->end - span->at >= size;
        if (good)
            span->at += size;
        break;
    }
    default: break;
    }
    if (!good)
        return wire_poison(reader, NULL, at, "a field of an unknown kind or cut off");
    return true;
}

static inline bool read_varint(struct wire_reader *reader, struct wire_span *span, const char *name,
                               uint64_t *ret_value)
{
    const uint8_t *at = span->at;
    if (!get_varint(reader, span, ret_value))
        return wire_poison(reader, name, at, "a number is cut off or too long");
    return true;
}

bool wire_read_varint(struct wire_reader *reader, struct wire_span *span, const char *name,
                      uint64_t *ret_value)
{
    return read_varint(reader, span, name, ret_value);
}

bool wire_read_fixed64(struct wire_reader *reader, struct wire_span *span, const char *name,
                       uint64_t *ret_value)
{
    if (span->end - span->at < 8)
        return wire_poison(reader, name, span->at, "a number is cut off");
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)span->at[i] << (8 * i);
    span->at += 8;
    *ret_value = value;
    return true;
}

static inline bool read_bytes(struct wire_reader *reader, struct wire_span *span, const char *name,
                              struct wire_span *ret_span)
{
    const uint8_t *at = span->at;
    if (!get_bytes(reader, span, ret_span))
        return wire_poison(reader, name, at, "longer than the message");
    return true;
}

bool wire_read_bytes(struct wire_reader *reader, struct wire_span *span, const char *name,
                     struct wire_span *ret_span)
{
    return read_bytes(reader, span, name, ret_span);
}

/* ---- times ---- */

static bool decode_time(struct wire_reader *reader, struct wire_span span, int64_t *ret_seconds,
                        int64_t *ret_nanos)
{
    uint32_t last = 0;
    while (span.at < span.end) {
        uint32_t tag;
        uint64_t value;
        if (!wire_next_tag(reader, &span, &tag))
            return false;
        if (tag != (1 << 3 | WIRE_VARINT) && tag != (2 << 3 | WIRE_VARINT)) {
            if (tag >> 3 == 1 || tag >> 3 == 2)
                return wire_poison(reader, NULL, span.at, "a field of another kind");
            if (!wire_skip(reader, &span, tag))
                return false;
            continue;
        }
        if (!read_varint(reader, &span, NULL, &value))
            return false;
        if (tag <= last || value == 0)
            reader->canonical = false;
        last = tag;
        if (tag >> 3 == 1)
            *ret_seconds = (int64_t)value;
        else
            *ret_nanos = (int32_t)(uint32_t)value;
    }
    return true;
}

/* An invalid time (years 1 to 9999, nanoseconds below a second) is refused in a command, as is one
 * at the ends of the calendar, and poison in a step or an event. What is below a microsecond is cut
 * off. */
bool wire_read_time(struct wire_reader *reader, struct wire_span *span, const char *name,
                    int64_t *at_us)
{
    const uint8_t *at = span->at;
    struct wire_span bytes;
    int64_t seconds = 0, nanos = 0;
    if (*at_us != TIME_NONE) { /* in pieces: protobuf merges them */
        seconds = *at_us / 1000000 - (*at_us % 1000000 < 0);
        nanos = (*at_us - seconds * 1000000) * 1000;
        reader->canonical = false;
    }
    if (!read_bytes(reader, span, name, &bytes) || !decode_time(reader, bytes, &seconds, &nanos))
        return false;
    int64_t margin = reader->strict ? 0 : CLAIM_MARGIN;
    bool good = seconds >= SECONDS_MIN + margin && seconds <= SECONDS_MAX - margin && nanos >= 0 &&
                nanos < 1000000000;
    if (!good && reader->strict)
        return wire_poison(reader, name, at, "not a time within the years 1 to 9999");
    if (!good)
        refuse(reader, name, REFUSED_TIME_INVALID);
    *at_us = good ? seconds * 1000000 + nanos / 1000 : TIME_NONE;
    if (!good || nanos % 1000)
        reader->canonical = false;
    return true;
}

/* ---- texts ---- */

#define EACH_BYTE(value) (0x0101010101010101u * (uint64_t)(value))

/* True in the high bit of some byte unless all eight are 0x20 to 0x7e. */
static inline uint64_t not_plain(uint64_t word)
{
    return (word | (word + EACH_BYTE(1)) | ((word - EACH_BYTE(0x20)) & ~word)) & EACH_BYTE(0x80);
}

/* Printable ASCII throughout: what nearly every id is, and clean but for blanks at its ends. */
static inline bool text_is_plain(const uint8_t *data, size_t size)
{
    uint64_t word, bad = 0;
    if (size >= 8) {
        size_t at = 0;
        for (; at + 8 <= size; at += 8) {
            memcpy(&word, data + at, 8);
            bad |= not_plain(word);
        }
        memcpy(&word, data + size - 8, 8);
        return !(bad | not_plain(word));
    }
    for (size_t i = 0; i < size; i++)
        bad |= data[i] < 0x20 || data[i] > 0x7e;
    return !bad;
}

/* What makes an id unclean; NULL: nothing does. Steps and events are ours, and their ids were clean
 * when they were written: a log keeps what an older rule let pass, which is all but controls. */
static const char *unclean(const struct wire_reader *reader, const uint8_t *data, size_t size,
                           size_t *ret_position)
{
    static const char *const what[] = {
        [OL_SEEN] = NULL,
        [OL_UNSEEN_CONTROL] = "an id holds a control character",
        [OL_UNSEEN_LAYOUT] = "an id holds a control of lines or direction",
        [OL_UNSEEN_BLANK] = "an id holds a blank that is not the plain space",
        [OL_UNSEEN_HIDDEN] = "an id holds a hidden character",
        [OL_UNSEEN_EDGE] = "an id begins or ends with a blank",
    };
    const char *text = (const char *)data;
    size_t from = 0, at = 0;
    enum ol_unseen found;
    while ((found = ol_unseen_find(text + from, size - from, &at)) != OL_SEEN) {
        *ret_position = from + at;
        if (!reader->strict || found == OL_UNSEEN_CONTROL)
            return what[found];
        from += at + ol_utf8_length(text + from + at, size - from - at);
    }
    return NULL;
}

static bool read_text(struct wire_reader *reader, const struct wire_field *field,
                      struct wire_span bytes, struct text *ret_text)
{
    size_t size = (size_t)(bytes.end - bytes.at);
    size_t position = 0;
    *ret_text = (struct text){(const char *)bytes.at, (uint32_t)size};
    if (size == 0) {
        reader->canonical = false;
        *ret_text = (struct text){0};
        if (field->flags & WIRE_KEY)
            return wire_poison(reader, field->name, bytes.at, "an id is empty");
        return true;
    }
    bool long_one = size > field->limit && field->limit != WIRE_NO_LIMIT;
    bool edged = bytes.at[0] == ' ' || bytes.end[-1] == ' ';
    if (!long_one && text_is_plain(bytes.at, size) && !(edged && field->flags & WIRE_CLEAN))
        return true;

    enum refusal_code code = ACCEPTED;
    const char *what = NULL;
    switch (ol_utf8_check((const char *)bytes.at, size, &position)) {
    case OL_UTF8_BAD: code = REFUSED_TEXT_NOT_UTF8, what = "a text is not valid UTF-8"; break;
    case OL_UTF8_HAS_NUL: code = REFUSED_TEXT_HAS_NUL, what = "a text holds a NUL byte"; break;
    case OL_UTF8_OK: {
        const char *fault =
            field->flags & WIRE_CLEAN ? unclean(reader, bytes.at, size, &position) : NULL;
        if (long_one) {
            code = REFUSED_TEXT_TOO_LONG, what = "a text is longer than its field allows";
            position = field->limit;
        } else if (fault) {
            code = REFUSED_ID_INVALID, what = fault;
        }
        break;
    }
    }
    if (code == ACCEPTED)
        return true;
    *ret_text = (struct text){0};
    return text_fault(reader, field, bytes.at + position, code, what);
}

static bool read_code(struct wire_reader *reader, const struct wire_field *field,
                      struct wire_span bytes, enum refusal_code *ret_code)
{
    struct text name = {(const char *)bytes.at, (uint32_t)(bytes.end - bytes.at)};
    enum refusal_code code = refusal_by_name(name);
    if (code == ACCEPTED)
        return wire_poison(reader, field->name, bytes.at, "an unknown code");
    *ret_code = code;
    return true;
}

/* ---- lines ---- */

/* How many times `tag` comes from here on: room for that many is made at once. */
static size_t count_fields(struct wire_span span, uint8_t tag)
{
    struct wire_reader scratch = {.start = span.at};
    struct wire_span bytes;
    size_t count = 0;
    while (span.at < span.end) {
        uint32_t next;
        if (*span.at == tag && span.end - span.at > 1 && span.at[1] < 0x80 &&
            span.at[1] <= span.end - span.at - 2) { /* nearly always */
            span.at += 2 + span.at[1];
            count++;
            continue;
        }
        if (!wire_next_tag(&scratch, &span, &next))
            break;
        count += next == tag;
        if (next == tag ? !get_bytes(&scratch, &span, &bytes) : !wire_skip(&scratch, &span, next))
            break;
    }
    return count;
}

/* Doubles at least, so that a body in a thousand pieces does not cost a thousand copies. */
static bool lines_grow(struct wire_reader *reader, const struct wire_field *field,
                       struct wire_span rest, void **lines, size_t count)
{
    size_t room = count + 1 + count_fields(rest, field->tag);
    if (count && room < 2 * count)
        room = 2 * count;
    void *more = ol_arena_alloc(reader->arena, room * field->message->size);
    if (!more) {
        reader->spent = true;
        return false;
    }
    if (count)
        memcpy(more, *lines, count * field->message->size);
    *lines = more;
    reader->lines_room = room;
    return true;
}

static bool read_line(struct wire_reader *reader, const struct wire_field *field,
                      struct wire_span bytes, struct wire_span rest, char *target)
{
    void **lines = (void **)(target + field->offset);
    size_t *count = (size_t *)(target + field->count_offset);
    if (reader->ids_only)
        return true;
    if (reader->strict && *count == ORDER_LINES_MAX)
        return wire_poison(reader, field->name, bytes.at, "more lines than an order has");
    if (*count == 0)
        reader->lines_room = 0;
    if (*count == reader->lines_room && !lines_grow(reader, field, rest, lines, *count))
        return false;
    void *line = (char *)*lines + *count * field->message->size;
    wire_clear(field->message, line);
    reader->path[reader->depth].name = field->name;
    reader->path[reader->depth++].index = (int64_t)*count;
    if (!wire_decode(reader, field->message, bytes, line))
        return false;
    reader->depth--;
    ++*count;
    return true;
}

/* ---- decoding ---- */

void wire_clear(const struct wire_message *message, void *target)
{
    memset(target, 0, message->size);
    for (unsigned i = 0; i < message->field_count; i++)
        if (message->fields[i].type == WIRE_TIME)
            *(int64_t *)((char *)target + message->fields[i].offset) = TIME_NONE;
}

bool wire_read_message(struct wire_reader *reader, struct wire_span *span, const char *name,
                       const struct wire_message *message, void *target)
{
    struct wire_span bytes;
    assert(reader->depth < WIRE_DEPTH_MAX);
    if (!read_bytes(reader, span, name, &bytes))
        return false;
    reader->path[reader->depth].name = name;
    reader->path[reader->depth++].index = -1;
    if (!wire_decode(reader, message, bytes, target))
        return false;
    reader->depth--;
    return true;
}

static bool read_number(struct wire_reader *reader, const struct wire_field *field,
                        struct wire_span *span, char *target)
{
    const uint8_t *at = span->at;
    uint64_t value;
    if (!read_varint(reader, span, field->name, &value))
        return false;
    if (value == 0)
        reader->canonical = false;
    if (field->type == WIRE_INT64) {
        int64_t number = (int64_t)value;
        bool empty = number == 0 && field->flags & WIRE_REQUIRED;
        if (empty || (field->min != WIRE_ANY && number < field->min))
            return wire_poison(reader, field->name, at, "a number out of its range");
        memcpy(target + field->offset, &number, sizeof number);
        return true;
    }
    int32_t number = (int32_t)(uint32_t)value;
    if ((uint64_t)(int64_t)number != value)
        reader->canonical = false;
    if (field->min != WIRE_ANY && (number < field->min || number > field->limit))
        return wire_poison(reader, field->name, at, "a number out of its range");
    memcpy(target + field->offset, &number, sizeof number);
    return true;
}

static bool read_field(struct wire_reader *reader, const struct wire_field *field,
                       struct wire_span *span, char *target)
{
    struct wire_span bytes;
    switch ((enum wire_type)field->type) {
    case WIRE_INT64:
    case WIRE_INT32:
    case WIRE_ENUM: return read_number(reader, field, span, target);
    case WIRE_TIME:
        return wire_read_time(reader, span, field->name, (int64_t *)(target + field->offset));
    case WIRE_MESSAGE: {
        const uint8_t *at = span->at;
        if (!wire_read_message(reader, span, field->name, field->message, target + field->offset))
            return false;
        if (span->at - at == 1) /* only its length, 0 */
            reader->canonical = false;
        return true;
    }
    case WIRE_TEXT:
        return read_bytes(reader, span, field->name, &bytes) &&
               read_text(reader, field, bytes, (struct text *)(target + field->offset));
    case WIRE_CODE:
        return read_bytes(reader, span, field->name, &bytes) &&
               read_code(reader, field, bytes, (enum refusal_code *)(target + field->offset));
    case WIRE_LINES:
        return read_bytes(reader, span, field->name, &bytes) &&
               read_line(reader, field, bytes, *span, target);
    case WIRE_TYPE_NONE: break;
    }
    assert(!"a field has a type");
    return false;
}

static const struct wire_field *find_field(const struct wire_message *message, uint32_t tag)
{
    for (unsigned i = 0; i < message->field_count; i++)
        if (message->fields[i].tag >> 3 == tag >> 3)
            return &message->fields[i];
    return NULL;
}

/* seen: bit i for fields[i]. */
static bool has_required(struct wire_reader *reader, const struct wire_message *message,
                         uint32_t seen, const uint8_t *start)
{
    for (unsigned i = 0; i < message->field_count; i++)
        if (message->fields[i].flags & WIRE_REQUIRED && !(seen >> i & 1))
            return wire_poison(reader, message->fields[i].name, start, "missing");
    return true;
}

/*
 * The fields in `span` over *target, a struct that `message` describes, in which absent fields keep
 * their value (so a message that comes in pieces is merged, as protobuf wants it). Texts point into
 * the bytes. False: poison (reterr is filled) or spent.
 */
static bool wire_decode(struct wire_reader *reader, const struct wire_message *message,
                        struct wire_span span, void *target)
{
    const struct wire_field *field = message->fields;
    const struct wire_field *past = message->fields + message->field_count;
    const uint8_t *start = span.at;
    uint32_t seen = 0, last = 0;
    while (span.at < span.end) {
        uint32_t tag;
        if (*span.at < 0x80 && *span.at >= 8)
            tag = *span.at++;
        else if (!wire_next_tag(reader, &span, &tag))
            return false;

        /* In number order the next field is at or near the cursor. */
        while (field < past && field->tag < tag)
            field++;
        if (field == past || field->tag != tag) {
            field = find_field(message, tag);
            if (field && field->tag != tag)
                return wire_poison(reader, field->name, span.at, "a field of another kind");
            if (!field) {
                if (!wire_skip(reader, &span, tag))
                    return false;
                field = message->fields;
                continue;
            }
        }
        if (tag < last || (tag == last && field->type != WIRE_LINES))
            reader->canonical = false;
        last = tag;
        seen |= 1u << (field - message->fields);
        if (!read_field(reader, field, &span, target))
            return false;
    }
    return seen + 1 == 1u << message->field_count || has_required(reader, message, seen, start);
}

/* ---- encoding ---- */

static inline uint8_t *reserve(struct wire_writer *writer, size_t bytes)
{
    writer->used += bytes;
    return writer->used <= writer->size ? writer->end - writer->used : NULL;
}

static inline void put_byte(struct wire_writer *writer, uint8_t byte)
{
    uint8_t *at = reserve(writer, 1);
    if (at)
        *at = byte;
}

static void put_long_varint(struct wire_writer *writer, uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value);
    unsigned size = (bits + 6) / 7;
    uint8_t *at = reserve(writer, size);
    if (!at)
        return;
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at = (uint8_t)value;
}

static inline void put_varint(struct wire_writer *writer, uint64_t value)
{
    if (value < 0x80)
        put_byte(writer, (uint8_t)value);
    else
        put_long_varint(writer, value);
}

static inline void put_tag(struct wire_writer *writer, uint32_t number, enum wire_encoding encoding)
{
    put_varint(writer, (uint64_t)number << 3 | encoding);
}

void wire_put_int(struct wire_writer *writer, uint32_t number, int64_t value)
{
    if (value == 0)
        return;
    put_varint(writer, (uint64_t)value);
    put_tag(writer, number, WIRE_VARINT);
}

void wire_put_fixed64(struct wire_writer *writer, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    uint8_t *at = reserve(writer, 8);
    for (unsigned i = 0; at && i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    put_tag(writer, number, WIRE_64BIT);
}

void wire_put_bytes(struct wire_writer *writer, uint32_t number, const char *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *at = reserve(writer, size);
    if (at)
        memcpy(at, data, size);
    put_varint(writer, size);
    put_tag(writer, number, WIRE_BYTES);
}

void wire_put_prefix(struct wire_writer *writer, uint32_t number, size_t used_before)
{
    put_varint(writer, writer->used - used_before);
    put_tag(writer, number, WIRE_BYTES);
}

void wire_put_time(struct wire_writer *writer, uint32_t number, int64_t at_us)
{
    if (at_us == TIME_NONE)
        return;
    int64_t seconds = at_us / 1000000 - (at_us % 1000000 < 0);
    size_t before = writer->used;
    wire_put_int(writer, 2, (at_us - seconds * 1000000) * 1000);
    wire_put_int(writer, 1, seconds);
    wire_put_prefix(writer, number, before);
}

void wire_put_message(struct wire_writer *writer, uint32_t number,
                      const struct wire_message *message, const void *source, bool even_empty)
{
    size_t before = writer->used;
    wire_encode(writer, message, source);
    if (writer->used > before || even_empty)
        wire_put_prefix(writer, number, before);
}

static void put_lines(struct wire_writer *writer, const struct wire_field *field,
                      const char *source)
{
    const char *lines;
    size_t count;
    memcpy(&lines, source + field->offset, sizeof lines);
    memcpy(&count, source + field->count_offset, sizeof count);
    while (count-- > 0)
        wire_put_message(writer, field->tag >> 3, field->message,
                         lines + count * field->message->size, true);
}

static void put_field(struct wire_writer *writer, const struct wire_field *field,
                      const char *source)
{
    const void *value = source + field->offset;
    uint32_t number = field->tag >> 3;
    switch ((enum wire_type)field->type) {
    case WIRE_TEXT: {
        const struct text *text = value;
        wire_put_bytes(writer, number, text->data, text->bytes);
        break;
    }
    case WIRE_CODE: {
        const char *name = refusal_name(*(const enum refusal_code *)value);
        wire_put_bytes(writer, number, name, strlen(name));
        break;
    }
    case WIRE_INT64: wire_put_int(writer, number, *(const int64_t *)value); break;
    case WIRE_INT32:
    case WIRE_ENUM: wire_put_int(writer, number, *(const int32_t *)value); break;
    case WIRE_TIME: wire_put_time(writer, number, *(const int64_t *)value); break;
    case WIRE_MESSAGE: wire_put_message(writer, number, field->message, value, false); break;
    case WIRE_LINES: put_lines(writer, field, source); break;
    case WIRE_TYPE_NONE: assert(!"a field has a type");
    }
}

/* Fields in number order, defaults left out (the first call writes what comes last). */
static void wire_encode(struct wire_writer *writer, const struct wire_message *message,
                        const void *source)
{
    for (unsigned i = message->field_count; i-- > 0;)
        put_field(writer, &message->fields[i], source);
}
