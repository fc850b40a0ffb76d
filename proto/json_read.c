/*
 * proto/json_read.c - JSON -> wire bytes -> a command, by the descriptors.
 *
 * The wire form is written backwards (wire.h), so objects are read from their last field to their
 * first.
 */
#include "proto/json.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_int.h"
#include "proto/codec_tables.h"
#include "proto/descriptors.h"
#include "proto/json_numbers.h"
#include "proto/wire.h"

#define PATH_BYTES 160
#define NAME_BYTES 64

/* Where the walk is, and what it found wrong. */
struct walk {
    struct wire_writer writer;
    char path[PATH_BYTES];
    size_t path_bytes;
    struct ol_error *reterr;
};

static bool put_object(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                       const json_t *object);

static void json_auto(json_t **json)
{
    json_decref(*json);
}

/* ---- names and paths ---- */

static void camel_name(const char *name, char ret_camel[NAME_BYTES])
{
    size_t used = 0;
    for (; *name && used + 1 < NAME_BYTES; name++) {
        char c = *name;
        if (c == '_' && name[1]) {
            c = *++name;
            if (c >= 'a' && c <= 'z')
                c = (char)(c - 'a' + 'A');
        }
        ret_camel[used++] = c;
    }
    ret_camel[used] = '\0';
}

static bool has_name(const ProtobufCFieldDescriptor *field, const char *key)
{
    char camel[NAME_BYTES];
    camel_name(field->name, camel);
    return strcmp(key, camel) == 0 || strcmp(key, field->name) == 0;
}

static size_t path_grow(struct walk *walk, int written)
{
    size_t before = walk->path_bytes;
    size_t room = PATH_BYTES - before;
    walk->path_bytes = (size_t)written < room ? before + (size_t)written : PATH_BYTES - 1;
    return before;
}

/* Both return what path_leave() wants. */
static size_t path_enter(struct walk *walk, const char *name)
{
    return path_grow(walk, snprintf(walk->path + walk->path_bytes, PATH_BYTES - walk->path_bytes,
                                    "%s%s", walk->path_bytes ? "." : "", name));
}

static size_t path_enter_element(struct walk *walk, size_t index)
{
    return path_grow(walk, snprintf(walk->path + walk->path_bytes, PATH_BYTES - walk->path_bytes,
                                    "[%zu]", index));
}

static void path_leave(struct walk *walk, size_t before)
{
    walk->path_bytes = before;
    walk->path[before] = '\0';
}

static bool fault(const struct walk *walk, const char *what)
{
    ol_fail(walk->reterr, OL_POISON, "%s%s%s", walk->path, walk->path_bytes ? ": " : "", what);
    return false;
}

/* ---- the name that was meant ---- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES];
    size_t b_size = strlen(b);
    if (b_size >= NAME_BYTES || strlen(a) >= NAME_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];
            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): j <= b_size */
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_size];
}

struct nearest {
    char name[NAME_BYTES];
    size_t distance; /* SIZE_MAX: nothing comes near */
};

static void consider(struct nearest *nearest, const ProtobufCMessageDescriptor *descriptor,
                     const char *key)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char camel[NAME_BYTES];
        camel_name(descriptor->fields[i].name, camel);
        size_t far = distance(key, camel);
        if (far < nearest->distance && far <= 1 + strlen(camel) / 3) {
            nearest->distance = far;
            memcpy(nearest->name, camel, sizeof camel);
        }
    }
}

static bool unknown_name(struct walk *walk, const char *key, const struct nearest *nearest)
{
    path_enter(walk, key);
    if (nearest->distance == SIZE_MAX)
        return fault(walk, "no such field");
    char what[NAME_BYTES + 40];
    snprintf(what, sizeof what, "no such field; did you mean %s?", nearest->name);
    return fault(walk, what);
}

/* ---- values ---- */

static bool put_string(struct walk *walk, uint32_t number, const json_t *value)
{
    if (!json_is_string(value))
        return fault(walk, "must be a string");
    wire_put_bytes(&walk->writer, number, json_string_value(value), json_string_length(value));
    return true;
}

/* Numbers that hold no fraction, and strings of digits. */
static bool read_integer(struct walk *walk, const json_t *value, int64_t min, int64_t max,
                         int64_t *ret_number)
{
    if (json_is_integer(value)) {
        *ret_number = json_integer_value(value);
        if (*ret_number >= min && *ret_number <= max)
            return true;
        return fault(walk, "out of range");
    }
    if (json_is_real(value)) /* json_numbers() has made integers of all that are */
        return fault(walk, fabs(json_real_value(value)) < JSON_NUMBER_BEYOND
                               ? "must be a whole number"
                               : "out of range");
    if (!json_is_string(value))
        return fault(walk, "must be a whole number, or a string of digits");
    switch (
        ol_int_parse(json_string_value(value), json_string_length(value), min, max, ret_number)) {
    case OL_INT_OK: return true;
    case OL_INT_OUTSIDE: return fault(walk, "out of range");
    case OL_INT_BAD: break;
    }
    return fault(walk, "must be a whole number, or a string of digits");
}

/* Digests: unsigned, so above what an int64 holds too. */
static bool put_fixed64(struct walk *walk, uint32_t number, const json_t *value)
{
    int64_t small = 0;
    uint64_t digest = 0;
    if (!json_is_string(value)) {
        if (!read_integer(walk, value, 0, INT64_MAX, &small))
            return false;
        wire_put_fixed64(&walk->writer, number, (uint64_t)small);
        return true;
    }
    const char *digit = json_string_value(value);
    if (!*digit)
        return fault(walk, "must be a string of digits");
    for (; *digit; digit++)
        if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(digest, 10u, &digest) ||
            __builtin_add_overflow(digest, (uint64_t)(*digit - '0'), &digest))
            return fault(walk, "must be a string of digits within 64 bits");
    wire_put_fixed64(&walk->writer, number, digest);
    return true;
}

static bool put_enum(struct walk *walk, const ProtobufCFieldDescriptor *field, const json_t *value)
{
    const ProtobufCEnumDescriptor *descriptor = field->descriptor;
    int64_t number = 0;
    if (json_is_string(value)) {
        const ProtobufCEnumValue *known =
            protobuf_c_enum_descriptor_get_value_by_name(descriptor, json_string_value(value));
        if (!known)
            return fault(walk, "no such value");
        number = known->value;
    } else if (!read_integer(walk, value, INT32_MIN, INT32_MAX, &number)) {
        return false;
    }
    wire_put_int(&walk->writer, field->id, number);
    return true;
}

static bool put_timestamp(struct walk *walk, uint32_t number, const json_t *value)
{
    int64_t at_us;
    if (!json_is_string(value) ||
        !ol_clock_parse(json_string_value(value), json_string_length(value), &at_us))
        return fault(walk, "must be a time such as \"2017-10-02T10:56:33Z\"");
    wire_put_time(&walk->writer, number, at_us);
    return true;
}

static bool put_message(struct walk *walk, const ProtobufCFieldDescriptor *field,
                        const json_t *value)
{
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    if (strcmp(descriptor->name, "google.protobuf.Timestamp") == 0)
        return put_timestamp(walk, field->id, value);
    size_t before = walk->writer.used;
    if (!put_object(walk, descriptor, value))
        return false;
    wire_put_prefix(&walk->writer, field->id, before);
    return true;
}

/* Of an amount with a point, the unit is what is wrong. */
static bool bad_integer(const struct walk *walk, const ProtobufCFieldDescriptor *field,
                        const json_t *value)
{
    static const char suffix[] = "_minor";
    size_t bytes = strlen(field->name), end = sizeof suffix - 1;
    bool is_amount = bytes > end && strcmp(field->name + bytes - end, suffix) == 0;
    bool has_point = json_is_string(value)
                         ? strchr(json_string_value(value), '.') != NULL
                         : json_is_real(value) && fabs(json_real_value(value)) < JSON_NUMBER_BEYOND;
    if (is_amount && has_point)
        fault(walk, "must be whole minor units, as many digits as the currency has: 1234 for 12.34 "
                    "USD, 1234 for 1.234 KWD, 1234 for 1234 JPY");
    return false;
}

static bool put_value(struct walk *walk, const ProtobufCFieldDescriptor *field, const json_t *value)
{
    int64_t number = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: return put_string(walk, field->id, value);
    case PROTOBUF_C_TYPE_FIXED64: return put_fixed64(walk, field->id, value);
    case PROTOBUF_C_TYPE_ENUM: return put_enum(walk, field, value);
    case PROTOBUF_C_TYPE_MESSAGE: return put_message(walk, field, value);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_INT32: {
        bool wide = field->type == PROTOBUF_C_TYPE_INT64;
        if (!read_integer(walk, value, wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX,
                          &number))
            return bad_integer(walk, field, value);
        wire_put_int(&walk->writer, field->id, number);
        return true;
    }
    default: /* the schema uses no other; a test says so */
        assert(!"a type that JSON does not know");
        return false;
    }
}

static bool put_array(struct walk *walk, const ProtobufCFieldDescriptor *field, const json_t *array)
{
    if (!json_is_array(array))
        return fault(walk, "must be an array");
    for (size_t i = json_array_size(array); i-- > 0;) {
        size_t before = path_enter_element(walk, i);
        if (!put_value(walk, field, json_array_get(array, i)))
            return false;
        path_leave(walk, before);
    }
    return true;
}

/* ---- objects ---- */

/* Every key names a field, and no field is named by two keys (lowerCamelCase and its own). */
static bool check_keys(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                       const json_t *object)
{
    const char *key;
    json_t *value;
    uint64_t seen = 0;
    assert(descriptor->n_fields <= 64);
    json_object_foreach((json_t *)object, key, value)
    {
        unsigned i = 0;
        while (i < descriptor->n_fields && !has_name(&descriptor->fields[i], key))
            i++;
        if (i == descriptor->n_fields) {
            struct nearest nearest = {.distance = SIZE_MAX};
            consider(&nearest, descriptor, key);
            return unknown_name(walk, key, &nearest);
        }
        if (seen & UINT64_C(1) << i) {
            path_enter(walk, key);
            return fault(walk, "given twice");
        }
        seen |= UINT64_C(1) << i;
    }
    return true;
}

static const json_t *value_of(const json_t *object, const ProtobufCFieldDescriptor *field)
{
    char camel[NAME_BYTES];
    camel_name(field->name, camel);
    const json_t *value = json_object_get(object, camel);
    if (!value)
        value = json_object_get(object, field->name);
    return json_is_null(value) ? NULL : value;
}

static bool put_object(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                       const json_t *object)
{
    bool has_body = false;
    if (!json_is_object(object))
        return fault(walk, "must be an object");
    if (!check_keys(walk, descriptor, object))
        return false;
    for (unsigned i = descriptor->n_fields; i-- > 0;) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const json_t *value = value_of(object, field);
        if (!value)
            continue;
        char camel[NAME_BYTES];
        camel_name(field->name, camel);
        size_t before = path_enter(walk, camel);
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            if (has_body)
                return fault(walk, "only one of these may be given");
            has_body = true;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED ? !put_array(walk, field, value)
                                                      : !put_value(walk, field, value))
            return false;
        path_leave(walk, before);
    }
    return true;
}

/* ---- messages ---- */

static enum ol_class budget_spent(const struct ol_arena *arena, struct ol_error *reterr)
{
    return ol_fail(reterr, OL_RETRY, "the arena's budget of %zu bytes is spent",
                   arena->budget_bytes);
}

/* Without memory for a longer text jansson 2.14 leaves characters out of it and goes on: "10:56"
 * becomes "10:6". So it is not to be believed once an allocation has failed. */
static _Thread_local bool memory_failed;

static void *watched_malloc(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory)
        memory_failed = true;
    return memory;
}

__attribute__((constructor)) static void watch_memory(void)
{
    json_set_alloc_funcs(watched_malloc, free);
}

/* Where it is broken is told by the text as it came, so that the column is the user's. */
static enum ol_class parse(const char *json, size_t bytes, struct ol_arena *arena,
                           json_t **ret_root, size_t *ret_column, struct ol_error *reterr)
{
    json_error_t error;
    const char *exact;
    size_t exact_bytes;
    if (!json_numbers(json, bytes, arena, &exact, &exact_bytes))
        return budget_spent(arena, reterr);
    memory_failed = false;
    *ret_root = json_loadb(exact, exact_bytes, JSON_REJECT_DUPLICATES, &error);
    if (!*ret_root && exact != json)
        json_decref(json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error));
    if (memory_failed)
        return ol_fail(reterr, OL_RETRY, "out of memory"); /* the caller lets go of the root */
    if (*ret_root)
        return OL_OK;
    if (error.column > 0)
        *ret_column = (size_t)error.column;
    if (json_error_code(&error) == json_error_null_character)
        return ol_fail(reterr, OL_POISON, "%s", refusal_sentence(REFUSED_TEXT_HAS_NUL));
    return ol_fail(reterr, OL_POISON, "not JSON: %s", error.text);
}

/* Only a negative number takes more room on the wire (10 bytes) than in JSON. */
static enum ol_class write_wire(enum context context, enum stream stream, const json_t *root,
                                size_t bytes, struct ol_arena *arena, struct bytes *ret_wire,
                                struct ol_error *reterr)
{
    size_t room = 2 * bytes + 16;
    uint8_t *buffer = ol_arena_alloc(arena, room);
    if (!buffer)
        return budget_spent(arena, reterr);
    struct walk walk = {.writer = {.end = buffer + room, .size = room}, .reterr = reterr};
    if (!put_object(&walk, envelope_descriptor(context, stream), root))
        return OL_POISON;
    assert(walk.writer.used <= room);
    *ret_wire = (struct bytes){walk.writer.end - walk.writer.used, walk.writer.used};
    return OL_OK;
}

enum ol_class json_to_wire(enum context context, enum stream stream, const char *json, size_t bytes,
                           struct ol_arena *arena, struct bytes *ret_wire, size_t *ret_column,
                           struct ol_error *reterr)
{
    OL_AUTO(json) json_t *root = NULL;
    enum ol_class class = parse(json, bytes, arena, &root, ret_column, reterr);
    if (class)
        return class;
    return write_wire(context, stream, root, bytes, arena, ret_wire, reterr);
}

/* ---- commands ---- */

/* How many contexts have a Command whose oneof has a member of one of the object's names; the last
 * of them is *ret_context. */
static int find_context(const json_t *root, enum context *ret_context)
{
    int found = 0;
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        const ProtobufCMessageDescriptor *descriptor =
            envelope_descriptor((enum context)context, STREAM_COMMANDS);
        for (unsigned i = 0; i < descriptor->n_fields; i++)
            if ((descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
                value_of(root, &descriptor->fields[i])) {
                *ret_context = (enum context)context;
                found++;
                break;
            }
    }
    return found;
}

/* Neither placeOrder nor any other: says what the unknown name may have been. */
static enum ol_class no_command(const json_t *root, struct ol_error *reterr)
{
    struct walk walk = {.reterr = reterr};
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return ol_fail(reterr, OL_POISON, "must be an object");
    json_object_foreach((json_t *)root, key, value)
    {
        struct nearest nearest = {.distance = SIZE_MAX};
        if (strcmp(key, "metadata") == 0 || json_is_null(value))
            continue;
        for (int context = 0; context < CONTEXT_COUNT; context++)
            consider(&nearest, envelope_descriptor((enum context)context, STREAM_COMMANDS), key);
        unknown_name(&walk, key, &nearest);
        return OL_POISON;
    }
    return ol_fail(reterr, OL_POISON,
                   "names no command, such as placeOrder, addProduct or "
                   "depositFunds");
}

enum ol_class json_decode_command(const char *json, size_t bytes, struct ol_arena *arena,
                                  struct command *ret_command, size_t *ret_column,
                                  struct ol_error *reterr)
{
    OL_AUTO(json) json_t *root = NULL;
    enum context context = CONTEXT_ORDERS;
    struct bytes wire = {0};
    struct command command = {0};
    enum ol_class class = parse(json, bytes, arena, &root, ret_column, reterr);
    if (class)
        return class;
    int found = find_context(root, &context);
    if (found == 0)
        return no_command(root, reterr);
    if (found > 1)
        return ol_fail(reterr, OL_POISON, "more than one command in one object");
    class = write_wire(context, STREAM_COMMANDS, root, bytes, arena, &wire, reterr);
    if (!class)
        class = codec_decode_draft(context, wire, arena, &command, reterr);
    if (class)
        return class;
    if (command.refused.code != ACCEPTED)
        return ol_fail(reterr, OL_POISON, "%.*s%s%s", (int)command.refused.subject.bytes,
                       command.refused.subject.bytes ? command.refused.subject.data : "",
                       command.refused.subject.bytes ? ": " : "",
                       refusal_sentence(command.refused.code));
    *ret_command = command;
    return OL_OK;
}
