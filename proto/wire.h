/*
 * proto/wire.h - protobuf's wire format, driven by tables: bytes <-> plain structs in one walk.
 *
 *   wire bytes --wire_read_message()--> struct --wire_put_message()--> wire bytes
 *
 * A message is a row of fields, each with its tag, its place in the domain's struct and what it may
 * hold. The tables stand in codec_<context>.c; tests/unit/test_codec_tables.c holds them against
 * the descriptors that protoc-c generates from the .proto files.
 *
 * Why not protobuf_c_message_unpack(): it checks no UTF-8, ends a text at its first NUL, takes up
 * to 50 bytes of memory per byte that it reads, and is followed by a second copy into the domain's
 * structs. bench/bench_codec.c has the figures.
 *
 * Depth is bounded by the tables (an envelope, its body, a line), never by the input. Private to
 * proto/. Pure but for the arena.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "domain/refusal.h"
#include "domain/text.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"

/* ---- tables ---- */

enum wire_encoding {
    WIRE_VARINT = 0,
    WIRE_64BIT = 1,
    WIRE_BYTES = 2,
    WIRE_32BIT = 5,
};

enum wire_type {
    WIRE_TYPE_NONE = 0,
    WIRE_TEXT,    /* struct text */
    WIRE_CODE,    /* enum refusal_code, as its name; absent: ACCEPTED */
    WIRE_INT64,   /* int64_t, at least `min` */
    WIRE_INT32,   /* int32_t, `min` to `limit` */
    WIRE_ENUM,    /* an enum, `min` to `limit` */
    WIRE_TIME,    /* int64_t microseconds <-> Timestamp; TIME_NONE: absent */
    WIRE_MESSAGE, /* a struct in place; all defaults: absent */
    WIRE_LINES,   /* repeated: a pointer to structs in the arena, and a count */
};

enum wire_flags {
    /* What a text must be beside valid UTF-8 without NUL. */
    WIRE_CLEAN = 1, /* everything in it is seen (ol_unseen.h); steps and events: no controls */
    WIRE_KEY = 2,   /* a fault is poison, even in a command; 1 byte or more */
    /* Its default is no value that it may hold: a message without it is poison. */
    WIRE_REQUIRED = 4,
};

#define WIRE_NO_LIMIT UINT16_MAX
#define WIRE_ANY      INT8_MIN

struct wire_field {
    const char *name; /* as in the .proto file */
    uint8_t tag;      /* number and encoding; numbers above 15 belong to envelopes */
    uint8_t type;     /* enum wire_type */
    uint8_t flags;    /* enum wire_flags */
    int8_t min;       /* numbers; WIRE_ANY: all values */
    uint16_t limit;   /* texts: most bytes; ENUM and INT32 (with a min): largest value */
    uint16_t offset, count_offset;
    const struct wire_message *message; /* MESSAGE, LINES */
};

struct wire_message {
    const char *name; /* "PlaceOrder" */
    const struct wire_field *fields;
    uint16_t field_count;
    uint16_t size; /* bytes of the struct */
};

/* One member of an envelope's oneof. Arrays of them are indexed by kind; row 0 is empty. */
struct wire_body {
    uint32_t number;  /* the field's number in the envelope */
    const char *name; /* "place_order" */
    const struct wire_message *message;
};

#define WIRE_IS_(type_, structure, member)                                                         \
    (0 * sizeof(char[1 - 2 * !__builtin_types_compatible_p(__typeof__(((structure *)0)->member),   \
                                                           type_)]))
#define WIRE_FIELD_(number, encoding, type_, name_, structure, member, ...)                        \
    {                                                                                              \
        .name = name_, .tag = (number) << 3 | (encoding), .type = type_,                           \
        .offset = offsetof(structure, member), __VA_ARGS__                                         \
    }

/* Where a number must be above 0, 0 is no value. */
#define WIRE_ABOVE_(min) ((min) > 0 ? WIRE_REQUIRED : 0)

/* What may be left out says so: _OR_NONE, or its default is a value. */

/* Texts. KEY: must be clean and not empty, wherever it comes from. REFERENCE: clean, may be empty.
 * ID: the domain judges it. */
#define WIRE_TEXT_(number, structure, member, limit_, flags_)                                      \
    WIRE_FIELD_(number, WIRE_BYTES, WIRE_TEXT, #member, structure, member,                         \
                .limit = limit_ + WIRE_IS_(struct text, structure, member), .flags = flags_)
#define FIELD_KEY(number, structure, member)                                                       \
    WIRE_TEXT_(number, structure, member, ID_BYTES_MAX, WIRE_CLEAN | WIRE_KEY | WIRE_REQUIRED)
#define FIELD_KEY_OR_NONE(number, structure, member)                                               \
    WIRE_TEXT_(number, structure, member, ID_BYTES_MAX, WIRE_CLEAN | WIRE_KEY)
#define FIELD_REFERENCE(number, structure, member)                                                 \
    WIRE_TEXT_(number, structure, member, ID_BYTES_MAX, WIRE_CLEAN)
#define FIELD_ID(number, structure, member) WIRE_TEXT_(number, structure, member, WIRE_NO_LIMIT, 0)
#define FIELD_TEXT(number, structure, member, limit_)                                              \
    WIRE_TEXT_(number, structure, member, limit_, 0)
#define WIRE_CODE_(number, structure, member, flags_)                                              \
    WIRE_FIELD_(number, WIRE_BYTES, WIRE_CODE, #member, structure, member,                         \
                .limit = WIRE_IS_(enum refusal_code, structure, member), .flags = flags_)
#define FIELD_CODE(number, structure, code) WIRE_CODE_(number, structure, code, WIRE_REQUIRED)

#define FIELD_CODE_OR_NONE(number, structure, member) WIRE_CODE_(number, structure, member, 0)

/* Numbers. */
#define FIELD_INT64_MIN(number, structure, member, min_)                                           \
    WIRE_FIELD_(number, WIRE_VARINT, WIRE_INT64, #member, structure, member, .min = min_,          \
                .limit = WIRE_IS_(int64_t, structure, member), .flags = WIRE_ABOVE_(min_))
#define FIELD_INT64(number, structure, member) FIELD_INT64_MIN(number, structure, member, WIRE_ANY)
/* A set of partitions, which is not empty. */
#define FIELD_BITS(number, structure, member)                                                      \
    WIRE_FIELD_(number, WIRE_VARINT, WIRE_INT64, #member, structure, member, .min = WIRE_ANY,      \
                .limit = WIRE_IS_(uint64_t, structure, member), .flags = WIRE_REQUIRED)
#define FIELD_INT32(number, structure, member, min_, limit_)                                       \
    WIRE_FIELD_(number, WIRE_VARINT, WIRE_INT32, #member, structure, member, .min = min_,          \
                .limit = limit_ + WIRE_IS_(int32_t, structure, member))
#define FIELD_ENUM(number, structure, name_, member, first, last)                                  \
    WIRE_FIELD_(number, WIRE_VARINT, WIRE_ENUM, name_, structure, member, .min = first,            \
                .limit = last, .flags = WIRE_ABOVE_(first))
#define WIRE_TIME_(number, structure, name_, member, flags_)                                       \
    WIRE_FIELD_(number, WIRE_BYTES, WIRE_TIME, name_, structure, member,                           \
                .limit = WIRE_IS_(int64_t, structure, member), .flags = flags_)
#define FIELD_TIME(number, structure, name, member)                                                \
    WIRE_TIME_(number, structure, name, member, WIRE_REQUIRED)
#define FIELD_TIME_OR_NONE(number, structure, name, member)                                        \
    WIRE_TIME_(number, structure, name, member, 0)

/* Messages within messages. */
#define FIELD_MESSAGE(number, structure, member, message_)                                         \
    WIRE_FIELD_(number, WIRE_BYTES, WIRE_MESSAGE, #member, structure, member, .message = message_)
#define WIRE_LINES_(number, structure, member, count, message_, flags_)                            \
    WIRE_FIELD_(number, WIRE_BYTES, WIRE_LINES, #member, structure, member,                        \
                .count_offset = offsetof(structure, count), .message = message_, .flags = flags_)
#define FIELD_LINES(number, structure, member, count, message)                                     \
    WIRE_LINES_(number, structure, member, count, message, WIRE_REQUIRED)
#define FIELD_LINES_OR_NONE(number, structure, member, count, message)                             \
    WIRE_LINES_(number, structure, member, count, message, 0)

/* NAME: the .proto message's; `fields` is an array. */
#define WIRE_MESSAGE_OF(name_, structure, fields_)                                                 \
    {                                                                                              \
        .name = name_, .fields = fields_, .field_count = sizeof fields_ / sizeof fields_[0],       \
        .size = sizeof(structure)                                                                  \
    }

/* ---- reading ---- */

#define WIRE_DEPTH_MAX  4
#define WIRE_PATH_BYTES 128

/* State of one walk. Zero but for what its maker sets: start, arena, reterr, and the switches. */
struct wire_reader {
    const uint8_t *start;   /* of the whole message: positions are counted from here */
    struct ol_arena *arena; /* for lines */
    bool strict;            /* steps and events: every fault is poison */
    bool ids_only;          /* lines are stepped over */
    bool draft; /* a command in the making: its id may be missing, bytes have no place */

    bool spent;     /* out: the arena is */
    bool canonical; /* out: what was read is byte for byte what wire_put_message() would write */
    size_t lines_room;

    /* Where the walk is: for fault reports. */
    struct {
        const char *name;
        int64_t index; /* -1: not repeated */
    } path[WIRE_DEPTH_MAX];
    int depth;

    /* Out: the first fault that is answered with a refusal; ACCEPTED: none. */
    enum refusal_code fault;
    int32_t fault_line; /* 1-based; 0: not in a line */
    char fault_path[WIRE_PATH_BYTES];

    struct ol_error *reterr; /* out: what is poison */
};

/* A cursor over bytes. */
struct wire_span {
    const uint8_t *at, *end;
};

/* Zeroes *target; times become TIME_NONE. */
void wire_clear(const struct wire_message *message, void *target);

/* The pieces that envelopes are read with. All: false = poison, reterr filled. */
bool wire_next_tag(struct wire_reader *reader, struct wire_span *span, uint32_t *ret_tag);
bool wire_skip(struct wire_reader *reader, struct wire_span *span, uint32_t tag);
bool wire_read_varint(struct wire_reader *reader, struct wire_span *span, const char *name,
                      uint64_t *ret_value);
bool wire_read_fixed64(struct wire_reader *reader, struct wire_span *span, const char *name,
                       uint64_t *ret_value);
bool wire_read_bytes(struct wire_reader *reader, struct wire_span *span, const char *name,
                     struct wire_span *ret_span);
bool wire_read_time(struct wire_reader *reader, struct wire_span *span, const char *name,
                    int64_t *at_us);
bool wire_read_message(struct wire_reader *reader, struct wire_span *span, const char *name,
                       const struct wire_message *message, void *target);

/* Fills reterr with "path.name: what, at byte N" and returns false. name may be NULL. */
bool wire_poison(struct wire_reader *reader, const char *name, const uint8_t *at, const char *what);

/* ---- writing ---- */

/*
 * Writes backwards from the end of a buffer, so that a message's length is known when its prefix is
 * written. When the buffer is full it only counts: `used` then says how much room would have done.
 */
struct wire_writer {
    uint8_t *end;
    size_t size, used;
};

void wire_put_int(struct wire_writer *writer, uint32_t number, int64_t value);
void wire_put_fixed64(struct wire_writer *writer, uint32_t number, uint64_t value);
void wire_put_time(struct wire_writer *writer, uint32_t number, int64_t at_us);
void wire_put_bytes(struct wire_writer *writer, uint32_t number, const char *data, size_t size);
/* Tag and length of a message whose content has been written since `used_before`. */
void wire_put_prefix(struct wire_writer *writer, uint32_t number, size_t used_before);
/* even_empty: written with length 0 where all fields have their default. */
void wire_put_message(struct wire_writer *writer, uint32_t number,
                      const struct wire_message *message, const void *source, bool even_empty);

#endif
