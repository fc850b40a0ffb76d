#include "tests/fuzz/envelope.h"

#include <string.h>

#include "proto/descriptors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/codec_random.h"

struct envelope {
    union {
        struct command command;
        struct step_message step;
        struct event_message event;
    };
};

static struct ol_arena arena, foreign_arena;

static enum ol_class decode(enum context context, enum stream stream, struct bytes wire,
                            struct envelope *ret_envelope)
{
    struct ol_error error = {0};
    enum ol_class class = OL_FATAL;
    if (stream == STREAM_COMMANDS)
        class = codec_decode_command(context, wire, &arena, &ret_envelope->command, &error);
    else if (stream == STREAM_STEPS)
        class = codec_decode_step(context, wire, &arena, &ret_envelope->step, &error);
    else
        class = codec_decode_event(context, wire, &arena, &ret_envelope->event, &error);
    fuzz_check(class == OL_OK || (class == OL_POISON && error.class == class && error.text[0]));
    return class;
}

static struct bytes encode(enum stream stream, const struct envelope *envelope)
{
    struct bytes wire = {0};
    bool good = stream == STREAM_COMMANDS ? codec_encode_command(&envelope->command, &arena, &wire)
                : stream == STREAM_STEPS  ? codec_encode_step(&envelope->step, &arena, &wire)
                                          : codec_encode_event(&envelope->event, &arena, &wire);
    fuzz_check(good);
    return wire;
}

static bool same(enum stream stream, const struct envelope *a, const struct envelope *b)
{
    if (stream == STREAM_COMMANDS)
        return same_command(&a->command, &b->command);
    if (stream == STREAM_STEPS)
        return same_step(&a->step, &b->step);
    return same_event(&a->event, &b->event);
}

/* ---- protobuf-c, as the other reader ---- */

static void *foreign_alloc(void *self, size_t bytes)
{
    return ol_arena_alloc(self, bytes);
}

static void foreign_free(void *self, void *memory)
{
    (void)self;
    (void)memory;
}

static ProtobufCAllocator allocator = {foreign_alloc, foreign_free, &foreign_arena};

/* What protobuf-c reads, as it writes it. False: it takes no such bytes. */
static bool foreign_copy(const ProtobufCMessageDescriptor *descriptor, struct bytes wire,
                         struct bytes *ret_copy)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &allocator, wire.size, wire.data);
    if (!message)
        return false;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = ol_arena_alloc(&foreign_arena, size + 1);
    fuzz_check(data && protobuf_c_message_pack(message, data) == size);
    *ret_copy = (struct bytes){data, size};
    return true;
}

static bool next_varint(struct fuzz_input *input, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned shift = 0; shift < 64 && fuzz_left(input); shift += 7) {
        uint8_t byte = fuzz_byte(input);
        *ret_value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Does a message, or a message in it, come in two pieces? protobuf-c 1.4.1 loses numbers of the
 * first one then, where protoc and we merge; of such bytes it is no judge. */
static bool comes_in_pieces(const ProtobufCMessageDescriptor *descriptor, struct fuzz_input input)
{
    uint64_t seen = 0;
    while (fuzz_left(&input)) {
        uint64_t tag, size = 0;
        if (!next_varint(&input, &tag))
            return false;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        unsigned kind = tag & 7;
        if (kind == WIRE_VARINT && !next_varint(&input, &size))
            return false;
        if (kind == WIRE_BYTES && !next_varint(&input, &size))
            return false;
        size = kind == WIRE_64BIT ? 8 : kind == WIRE_32BIT ? 4 : kind == WIRE_BYTES ? size : 0;
        if (size > fuzz_left(&input))
            return false;
        struct fuzz_input inner = {input.at, input.at + size};
        input.at += size;
        if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE || kind != WIRE_BYTES)
            continue;
        uint64_t bit = UINT64_C(1) << (field->id & 63);
        if (field->label != PROTOBUF_C_LABEL_REPEATED && (seen & bit))
            return true;
        seen |= bit;
        if (comes_in_pieces(field->descriptor, inner))
            return true;
    }
    return false;
}

/* Bytes that we wrote: read and written by the other they are the same. */
static void check_canonical(const ProtobufCMessageDescriptor *descriptor, struct bytes wire)
{
    struct bytes copy;
    fuzz_check(foreign_copy(descriptor, wire, &copy));
    fuzz_check(copy.size == wire.size && memcmp(copy.data, wire.data, wire.size) == 0);
}

static bool is_refused(enum stream stream, const struct envelope *envelope)
{
    return stream == STREAM_COMMANDS && envelope->command.refused.code != ACCEPTED;
}

/* For protoc --decode, which is the judge. */
static void print_hex(const char *whose, struct bytes wire)
{
    fprintf(stderr, "%s: ", whose);
    for (size_t i = 0; i < wire.size; i++)
        fprintf(stderr, "%02x", wire.data[i]);
    fputc('\n', stderr);
}

/* Bytes of whomever: what the other understood decodes to what we understood. */
static void check_understood(const ProtobufCMessageDescriptor *descriptor, enum stream stream,
                             enum context context, struct bytes wire, const struct envelope *ours)
{
    struct bytes copy;
    struct envelope theirs;
    if (comes_in_pieces(descriptor, (struct fuzz_input){wire.data, wire.data + wire.size}) ||
        !foreign_copy(descriptor, wire, &copy))
        return;
    fuzz_check(decode(context, stream, copy, &theirs) == OL_OK);
    if (!same(stream, ours, &theirs)) {
        print_hex("ours", encode(stream, ours));
        print_hex("theirs", encode(stream, &theirs));
    }
    fuzz_check(same(stream, ours, &theirs));
}

/* ---- the check ---- */

/* With its cause it is the same step, of as many bytes or more. A cause that ends in a blank may
 * follow from an id, and may not be said. */
static void check_in_full(enum context context, const struct envelope *first, struct bytes wire)
{
    struct envelope again;
    struct bytes whole;
    fuzz_check(codec_encode_step_in_full(&first->step, &arena, &whole) && whole.size >= wire.size);
    struct text cause = first->step.metadata.causation_id;
    if (cause.bytes && cause.data[cause.bytes - 1] == ' ')
        return;
    fuzz_check(decode(context, STREAM_STEPS, whole, &again) == OL_OK);
    fuzz_check(same_step(&first->step, &again.step));
}

static void check_whole(enum stream stream, enum context context, const struct envelope *first)
{
    struct envelope again;
    struct bytes wire = encode(stream, first);
    fuzz_check(decode(context, stream, wire, &again) == OL_OK);
    fuzz_check(!is_refused(stream, &again));
    fuzz_check(same(stream, first, &again));
    if (stream == STREAM_COMMANDS && !is_refused(stream, first))
        fuzz_check(first->command.body_digest == again.command.body_digest);
    struct bytes rewritten = encode(stream, &again);
    fuzz_check(rewritten.size == wire.size && memcmp(rewritten.data, wire.data, wire.size) == 0);
    check_canonical(envelope_descriptor(context, stream), wire);
    if (stream == STREAM_STEPS)
        check_in_full(context, first, wire);
}

void envelope_check(enum stream stream, const uint8_t *data, size_t size)
{
    if (!arena.block_bytes) {
        ol_arena_init(&arena, 1 << 16, CODEC_ARENA_BYTES);
        ol_arena_init(&foreign_arena, 1 << 16, 0);
    }
    if (size == 0)
        return;
    ol_arena_clear(&arena);
    ol_arena_clear(&foreign_arena);
    enum context context = data[0] % CONTEXT_COUNT;
    /* All that is decoded must live in the arena: the bytes go. */
    uint8_t *copy = malloc(size);
    fuzz_check(copy);
    memcpy(copy, data + 1, size - 1);
    struct envelope envelope;
    enum ol_class class = decode(context, stream, (struct bytes){copy, size - 1}, &envelope);
    free(copy);
    if (class)
        return;
    if (!is_refused(stream, &envelope))
        check_understood(envelope_descriptor(context, stream), stream, context,
                         (struct bytes){data + 1, size - 1}, &envelope);
    check_whole(stream, context, &envelope);
}
