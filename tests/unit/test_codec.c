/*
 * tests/unit/test_codec.c - what is encoded comes back, and is what protobuf would have written.
 */
#include "lib/base/ol_hash.h"

#include <criterion/criterion.h>

#include "proto/descriptors.h"
#include "proto/json.h"
#include "tests/unit/codec_random.h"

#define ROUNDS 200

static struct ol_arena arena;
static struct ol_error error;
static struct rng rng;

static void set_up(void)
{
    ol_arena_init(&arena, 65536, 0);
    rng = rng_from(rng_seed("codec"));
}

static void tear_down(void)
{
    ol_arena_release(&arena);
}

TestSuite(codec, .init = set_up, .fini = tear_down);

/* protobuf-c reads the bytes, and packs what it has read to the same bytes. */
static void expect_canonical(enum context context, enum stream stream, struct bytes wire)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(envelope_descriptor(context, stream), NULL, wire.size, wire.data);
    cr_assert(message);
    size_t size = protobuf_c_message_get_packed_size(message);
    cr_assert_eq(size, wire.size);
    uint8_t *packed = ol_arena_alloc(&arena, size + 1);
    protobuf_c_message_pack(message, packed);
    cr_assert_arr_eq(packed, wire.data, size);
    protobuf_c_message_free_unpacked(message, NULL);
}

/* JSON and back gives the same bytes. */
static void expect_json(enum context context, enum stream stream, struct bytes wire)
{
    OL_AUTO(ol_text) struct ol_text json = {0};
    struct bytes back;
    size_t column = 0;
    cr_assert_eq(json_from_wire(context, stream, wire, &json, &error), OL_OK, "%s", error.text);
    cr_assert_eq(
        json_to_wire(context, stream, json.bytes, json.size_bytes, &arena, &back, &column, &error),
        OL_OK, "%s: %s", error.text, json.bytes);
    cr_assert_eq(back.size, wire.size, "%s", json.bytes);
    cr_assert_arr_eq(back.data, wire.data, wire.size, "%s", json.bytes);
}

static void check_command(enum context context, uint32_t kind)
{
    struct command before = random_command(&rng, &arena, context, kind), after;
    struct bytes wire, again;
    cr_assert(codec_encode_command(&before, &arena, &wire));
    cr_assert_eq(codec_decode_command(context, wire, &arena, &after, &error), OL_OK, "%s",
                 error.text);
    cr_expect_eq(after.refused.code, ACCEPTED);
    cr_expect_neq(after.body_digest, 0u);
    cr_assert(same_command(&before, &after));
    cr_assert(codec_encode_command(&after, &arena, &again));
    cr_assert_eq(again.size, wire.size);
    cr_assert_arr_eq(again.data, wire.data, wire.size);
    expect_canonical(context, STREAM_COMMANDS, wire);
    expect_json(context, STREAM_COMMANDS, wire);
}

static void check_step(enum context context, uint32_t kind)
{
    struct step_message before = random_step(&rng, &arena, context, kind), after;
    struct bytes wire;
    cr_assert(codec_encode_step(&before, &arena, &wire));
    cr_assert_eq(codec_decode_step(context, wire, &arena, &after, &error), OL_OK, "%s", error.text);
    cr_assert(same_step(&before, &after));
    expect_canonical(context, STREAM_STEPS, wire);
    expect_json(context, STREAM_STEPS, wire);
}

static void check_event(enum context context, enum event_body body, uint32_t kind)
{
    struct event_message before = random_event(&rng, &arena, context, body, kind), after;
    struct bytes wire;
    cr_assert(codec_encode_event(&before, &arena, &wire));
    cr_assert_eq(codec_decode_event(context, wire, &arena, &after, &error), OL_OK, "%s",
                 error.text);
    cr_assert(same_event(&before, &after));
    expect_canonical(context, STREAM_EVENTS, wire);
    expect_json(context, STREAM_EVENTS, wire);
}

Test(codec, brings_back_every_command)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CONTEXT_COUNT; i++)
            for (uint32_t kind = 1; kind < codec_contexts[i]->commands.count; kind++) {
                ol_arena_clear(&arena);
                check_command((enum context)i, kind);
            }
}

Test(codec, brings_back_every_step)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CONTEXT_COUNT; i++)
            for (uint32_t kind = 1; kind < codec_contexts[i]->steps.count; kind++) {
                ol_arena_clear(&arena);
                check_step((enum context)i, kind);
            }
}

Test(codec, brings_back_every_event)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CONTEXT_COUNT; i++) {
            for (uint32_t kind = 1; kind < codec_contexts[i]->events.count; kind++) {
                ol_arena_clear(&arena);
                check_event((enum context)i, EVENT_BODY_DOMAIN, kind);
            }
            for (int body = EVENT_BODY_REJECTED; body <= EVENT_BODY_RECEIPT; body++) {
                ol_arena_clear(&arena);
                check_event((enum context)i, (enum event_body)body, 0);
            }
        }
}

/* ---- large ones ---- */

static struct command order_of(size_t lines)
{
    struct order_line *line = ol_arena_zalloc(&arena, lines * sizeof *line);
    for (size_t i = 0; i < lines; i++)
        line[i] = (struct order_line){TEXT("sku"), (int64_t)i + 1, 1, 0};
    return (struct command){
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = TEXT("c"), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_PLACE, .order_id = TEXT("o"), .lines = line, .line_count = lines}};
}

Test(codec, decodes_more_lines_than_an_order_may_have)
{
    struct command before = order_of(20000), after;
    struct bytes wire;
    cr_assert(codec_encode_command(&before, &arena, &wire));
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, wire, &arena, &after, &error), OL_OK);
    cr_expect_eq(after.refused.code, ACCEPTED);
    cr_assert(same_command(&before, &after));
}

/* The domain refuses it, with the line that has it. */
Test(codec, decodes_an_id_of_any_length)
{
    enum { BYTES = 70000 };
    struct command before = order_of(2), after;
    struct bytes wire;
    char *sku = ol_arena_alloc(&arena, BYTES);
    memset(sku, 'x', BYTES);
    ((struct order_line *)before.order.lines)[1].sku = (struct text){sku, BYTES};
    cr_assert(codec_encode_command(&before, &arena, &wire));
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, wire, &arena, &after, &error), OL_OK);
    cr_expect_eq(after.refused.code, ACCEPTED);
    cr_assert(same_command(&before, &after));
}

Test(codec, refuses_what_is_larger_than_a_message_and_keeps_its_ids)
{
    struct command before = order_of(30000), after;
    before.metadata.correlation_id = TEXT("chain");
    struct bytes wire;
    cr_assert(codec_encode_command(&before, &arena, &wire));
    cr_assert_gt(wire.size, MESSAGE_BYTES_MAX);
    size_t used = arena.used_bytes;
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, wire, &arena, &after, &error), OL_OK);
    cr_expect_lt(arena.used_bytes - used, 1024u);
    cr_expect_eq(after.refused.code, REFUSED_MESSAGE_TOO_LARGE);
    cr_expect(text_equal(after.metadata.command_id, TEXT("c")));
    cr_expect(text_equal(after.metadata.correlation_id, TEXT("chain")));
    cr_expect(text_equal(after.order.order_id, TEXT("o")));
    cr_expect_eq(after.order.kind, ORDER_PLACE);
    cr_expect_eq(after.order.line_count, 0u);
    cr_expect_neq(after.body_digest, 0u);
    cr_expect(after.metadata.command_id.data < (const char *)wire.data ||
              after.metadata.command_id.data >= (const char *)wire.data + wire.size);
}

Test(codec, puts_aside_what_is_larger_than_a_message_and_has_no_id)
{
    struct command before = order_of(30000), after;
    struct bytes wire;
    before.order.order_id = TEXT("");
    cr_assert(codec_encode_command(&before, &arena, &wire));
    cr_expect_eq(codec_decode_command(CONTEXT_ORDERS, wire, &arena, &after, &error), OL_POISON);
}

/* ---- memory ---- */

/* metadata { command_id: "c" } */
#define META                                                                                       \
    "\x0a\x03\x0a\x01"                                                                             \
    "c"

static void append(struct bytes *wire, const void *data, size_t size)
{
    memcpy((uint8_t *)wire->data + wire->size, data, size);
    wire->size += size;
}

static struct bytes bytes_of(uint8_t *buffer, const char *head, size_t head_bytes,
                             const char *piece, size_t piece_bytes, size_t *ret_pieces)
{
    struct bytes wire = {buffer, 0};
    append(&wire, head, head_bytes);
    for (*ret_pieces = 0; MESSAGE_BYTES_MAX - wire.size >= piece_bytes; ++*ret_pieces)
        append(&wire, piece, piece_bytes);
    return wire;
}
#define BYTES_OF(buffer, head, piece, ret_pieces)                                                  \
    bytes_of(buffer, head, sizeof head - 1, piece, sizeof piece - 1, ret_pieces)

/* 256 KiB of what takes most memory for its bytes. */
Test(codec, needs_no_more_memory_than_it_says)
{
    uint8_t *buffer = malloc(MESSAGE_BYTES_MAX);
    struct command command;
    struct ol_arena small;
    size_t pieces;
    ol_arena_init(&small, 65536, CODEC_ARENA_BYTES);

    /* One body of 262,130 bytes: an id, and empty lines, which are two bytes each, up to its
     * end. */
    struct bytes wire = BYTES_OF(buffer,
                                 META "\x12\xf1\xff\x0f\x0a\x01"
                                      "o",
                                 "\x22\x00", &pieces);
    wire.size = 5 + 4 + 262129;
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, wire, &small, &command, &error), OL_OK, "%s",
                 error.text);
    cr_expect_eq(command.order.line_count, (262129u - 3) / 2);

    /* As many bodies as there is room for, with one line each: one body in pieces. */
    wire = BYTES_OF(buffer,
                    META "\x12\x03\x0a\x01"
                         "o",
                    "\x12\x05\x0a\x01"
                    "o\x22\x00",
                    &pieces);
    ol_arena_clear(&small);
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, wire, &small, &command, &error), OL_OK, "%s",
                 error.text);
    cr_expect_eq(command.order.line_count, pieces);
    ol_arena_release(&small);
    free(buffer);
}

/* Every budget up to the one that is enough: a clean answer, and nothing written. */
Test(codec, says_when_the_budget_is_spent)
{
    struct command before = order_of(40);
    struct bytes wire, again;
    cr_assert(codec_encode_command(&before, &arena, &wire));
    bool decoded = false, encoded = false;
    for (size_t budget = 16; budget < 64 * 1024; budget += 16) {
        struct ol_arena small;
        struct command after = {.context = CONTEXT_COUNT};
        ol_arena_init(&small, 1024, budget);
        enum ol_class class = codec_decode_command(CONTEXT_ORDERS, wire, &small, &after, &error);
        cr_assert(class == OL_RETRY || class == OL_OK);
        cr_assert_eq(after.context, class == OL_OK ? CONTEXT_ORDERS : CONTEXT_COUNT);
        cr_assert(class == OL_OK || !decoded, "less was enough");
        decoded = class == OL_OK;
        ol_arena_clear(&small);
        encoded = codec_encode_command(&before, &small, &again);
        ol_arena_release(&small);
    }
    cr_expect(decoded && encoded);
}

Test(codec, leaves_the_wire_bytes_to_the_caller)
{
    struct command before = order_of(3), after;
    struct bytes wire;
    cr_assert(codec_encode_command(&before, &arena, &wire));
    uint8_t *gone = malloc(wire.size);
    memcpy(gone, wire.data, wire.size);
    cr_assert_eq(codec_decode_command(CONTEXT_ORDERS, (struct bytes){gone, wire.size}, &arena,
                                      &after, &error),
                 OL_OK);
    memset(gone, 0xff, wire.size);
    free(gone);
    cr_expect(same_command(&before, &after));
}

/* ---- digests ---- */

static uint64_t digest(enum context context, const char *wire, size_t size)
{
    struct command command;
    cr_assert_eq(codec_decode_command(context, (struct bytes){(const uint8_t *)wire, size}, &arena,
                                      &command, &error),
                 OL_OK, "%s", error.text);
    return command.body_digest;
}
#define DIGEST(wire) digest(CONTEXT_ORDERS, wire, sizeof wire - 1)

/* 0 says that no command is the cause. The id was searched for: XXH3-64 of this body is 0. */
Test(codec, digests_no_command_to_0)
{
#define BODY                                                                                       \
    "\x1a\x7e\x0a\x7c"                                                                             \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaapkeacalgcjcmpiomanjfiflamnjpmclf"                                 \
    "hdjbococonjfnapichifgddhiiolblclaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    cr_assert_eq(ol_hash(BODY, sizeof BODY - 1), 0u);
    cr_expect_eq(DIGEST(META BODY), 1u);
#undef BODY
}

Test(codec, digests_the_body_and_not_how_it_was_written)
{
    uint64_t plain = DIGEST(META "\x12\x0a\x0a\x01"
                                 "o\x12\x01"
                                 "k\x22\x02\x10\x05");
    /* body before metadata; another command id; fields turned round; the body in two pieces; an
     * unknown field; a default written out; a long varint; a currency given, then taken back */
    cr_expect_eq(plain, DIGEST("\x12\x0a\x0a\x01"
                               "o\x12\x01"
                               "k\x22\x02\x10\x05" META));
    cr_expect_eq(plain, DIGEST("\x0a\x03\x0a\x01"
                               "d\x12\x0a\x0a\x01"
                               "o\x12\x01"
                               "k\x22\x02\x10\x05"));
    cr_expect_eq(plain, DIGEST(META "\x12\x0a\x22\x02\x10\x05\x12\x01"
                                    "k\x0a\x01"
                                    "o"));
    cr_expect_eq(plain, DIGEST(META "\x12\x03\x0a\x01"
                                    "o\x12\x0a\x0a\x01"
                                    "o\x12\x01"
                                    "k\x22\x02\x10\x05"));
    cr_expect_eq(plain, DIGEST(META "\x12\x0c\x0a\x01"
                                    "o\x12\x01"
                                    "k\x22\x02\x10\x05\x48\x07"));
    cr_expect_eq(plain, DIGEST(META "\x12\x0c\x0a\x01"
                                    "o\x12\x01"
                                    "k\x22\x04\x0a\x00\x10\x05"));
    cr_expect_eq(plain, DIGEST(META "\x12\x0b\x0a\x01"
                                    "o\x12\x01"
                                    "k\x22\x03\x10\x85\x00"));
    cr_expect_eq(plain, DIGEST(META "\x12\x0f\x0a\x01"
                                    "o\x12\x01"
                                    "k\x1a\x01"
                                    "E\x1a\x00\x22\x02\x10\x05"));
    cr_expect_eq(plain,
                 DIGEST(META "\x1a\x03\x0a\x01"
                             "o\x12\x0a\x0a\x01"
                             "o\x12\x01"
                             "k\x22\x02\x10\x05"),
                 "the last member of the oneof counts");

    cr_expect_neq(plain, DIGEST(META "\x12\x0a\x0a\x01"
                                     "o\x12\x01"
                                     "k\x22\x02\x10\x06"));
    cr_expect_neq(plain, DIGEST(META "\x12\x0a\x0a\x01"
                                     "p\x12\x01"
                                     "k\x22\x02\x10\x05"));
    cr_expect_neq(plain, DIGEST(META "\x12\x0e\x0a\x01"
                                     "o\x12\x01"
                                     "k\x22\x02\x10\x05\x22\x02\x10\x05"));
    /* a message that holds nothing, and none */
#define INVENTORY(wire) digest(CONTEXT_INVENTORY, wire, sizeof wire - 1)
    cr_expect_eq(INVENTORY(META "\x12\x03\x0a\x01"
                                "s"),
                 INVENTORY(META "\x12\x05\x0a\x01"
                                "s\x12\x00"));
    /* the same content, another command */
    cr_expect_neq(DIGEST(META "\x12\x03\x0a\x01"
                              "o"),
                  DIGEST(META "\x1a\x03\x0a\x01"
                              "o"));
}
