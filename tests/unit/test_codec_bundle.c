/*
 * tests/unit/test_codec_bundle.c - the frame of a steps record: what it holds, and what breaks it.
 */
#include "proto/codec.h"

#include <criterion/criterion.h>

#include "domain/partition.h"
#include "orderlog/inventory/v1/step.pb-c.h"
#include "orderlog/orders/v1/step.pb-c.h"
#include "orderlog/payments/v1/step.pb-c.h"
#include "tests/unit/codec_fixture.h"
#include "tests/unit/codec_samples.h"

TestSuite(codec_bundle, .init = set_up, .fini = tear_down);

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static struct step_bundle decoded(struct bytes wire)
{
    struct step_bundle bundle;
    cr_assert_eq(codec_decode_bundle(wire, &arena, &bundle, &error), OL_OK, "%s", error.text);
    return bundle;
}

static struct bytes encoded(int32_t partition, const struct bytes *steps, size_t count)
{
    struct bytes wire;
    cr_assert(codec_encode_bundle(&(struct step_bundle){partition, steps, count}, &arena, &wire));
    return wire;
}

/* These bytes lie on topics: they mean this for ever. */
Test(codec_bundle, has_the_bytes_that_it_had)
{
    static const struct bytes steps[] = {BYTES("one"), BYTES(""), BYTES("three")};
    static const char golden[] = "\x08\x07\x12\x03one\x12\x00\x12\x05three";
    struct bytes wire = encoded(7, steps, 3);
    cr_assert_eq(wire.size, sizeof golden - 1);
    cr_assert_arr_eq(wire.data, golden, wire.size);
    struct step_bundle bundle = decoded(wire);
    cr_assert_eq(bundle.partition, 7);
    cr_assert_eq(bundle.count, 3u);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(bundle.steps[i].size, steps[i].size);
        cr_assert_arr_eq(bundle.steps[i].data, steps[i].data, steps[i].size);
    }
    cr_assert_eq(decoded(encoded(0, steps, 1)).partition, 0);
}

static const ProtobufCMessageDescriptor *const descriptors[CONTEXT_COUNT] = {
    &orderlog__orders__v1__step_bundle__descriptor,
    &orderlog__inventory__v1__step_bundle__descriptor,
    &orderlog__payments__v1__step_bundle__descriptor,
};

/* Any reader of protobuf reads the bundles of every context, and would write the same bytes. */
Test(codec_bundle, is_what_the_schema_says)
{
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        struct bytes steps[BUNDLE_STEPS_MAX];
        size_t count = 0;
        for (size_t i = 0; i < sample_count; i++)
            if (samples[i].stream == STREAM_STEPS && (int)samples[i].step.context == context)
                cr_assert(sample_encode(&samples[i], &arena, &steps[count++]));
        struct bytes wire = encoded(PARTITIONS_MAX - 1, steps, count);
        ProtobufCMessage *message =
            protobuf_c_message_unpack(descriptors[context], NULL, wire.size, wire.data);
        cr_assert(message);
        uint8_t *packed = ol_arena_alloc(&arena, wire.size);
        cr_assert_eq(protobuf_c_message_get_packed_size(message), wire.size);
        protobuf_c_message_pack(message, packed);
        cr_assert_arr_eq(packed, wire.data, wire.size);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

Test(codec_bundle, tells_what_a_step_takes)
{
    static uint8_t data[20000];
    static const size_t sizes[] = {1, 127, 128, 16383, 16384, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes step = {data, sizes[i]};
        cr_expect_eq(codec_bundled_bytes(sizes[i]) + BUNDLE_FRAME_BYTES, encoded(1, &step, 1).size);
    }
}

Test(codec_bundle, whose_frame_is_broken_is_poison)
{
    static const struct {
        struct bytes wire;
        const char *reason;
    } rows[] = {
        {BYTES(""), "steps: missing"},
        {BYTES("\x08\x01"), "steps: missing"},
        {BYTES("\x08\x01\x12\x05"
               "four"),
         "steps: longer than the message"},
        {BYTES("\x08\x40\x12\x01x"), "partition: a number out of its range"},
        {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x01x"), "partition: a number out"},
        {BYTES("\x0a\x01x"), "a field of another kind"},
        {BYTES("\x10\x01"), "a field of another kind"},
        {BYTES("\x12"), "steps: longer than the message"},
        {BYTES("\xff\xff\xff"), "no field begins here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct step_bundle bundle;
        cr_expect_eq(codec_decode_bundle(rows[i].wire, &arena, &bundle, &error), OL_POISON,
                     "row %zu", i);
        cr_expect(strstr(error.text, rows[i].reason), "row %zu: %s", i, error.text);
    }
}

Test(codec_bundle, steps_over_fields_that_it_does_not_know)
{
    static const struct bytes wire = BYTES("\x18\x05\x12\x01x\x22\x02yz");
    cr_assert_eq(decoded(wire).count, 1u);
}

Test(codec_bundle, holds_so_many_steps_and_no_more)
{
    struct bytes steps[BUNDLE_STEPS_MAX];
    struct step_bundle bundle;
    for (size_t i = 0; i < BUNDLE_STEPS_MAX; i++)
        steps[i] = (struct bytes)BYTES("x");
    struct bytes wire = encoded(1, steps, BUNDLE_STEPS_MAX);
    cr_assert_eq(decoded(wire).count, (size_t)BUNDLE_STEPS_MAX);
    uint8_t *more = ol_arena_alloc(&arena, wire.size + 3);
    memcpy(more, wire.data, wire.size);
    memcpy(more + wire.size, "\x12\x01x", 3);
    cr_assert_eq(codec_decode_bundle((struct bytes){more, wire.size + 3}, &arena, &bundle, &error),
                 OL_POISON);
    cr_assert(strstr(error.text, "more than a bundle holds"), "%s", error.text);
}

Test(codec_bundle, holds_so_many_bytes_and_no_more)
{
    static uint8_t data[BUNDLE_BYTES_MAX];
    struct step_bundle bundle;
    struct bytes step = {data, BUNDLE_BYTES_MAX - 6};
    struct bytes wire = encoded(1, &step, 1);
    cr_assert_eq(wire.size, (size_t)BUNDLE_BYTES_MAX);
    cr_assert_eq(decoded(wire).count, 1u);
    step.size++;
    cr_assert_eq(codec_decode_bundle(encoded(1, &step, 1), &arena, &bundle, &error), OL_POISON);
}

Test(codec_bundle, waits_for_an_arena_with_room)
{
    static const struct bytes steps[] = {BYTES("one"), BYTES("two")};
    struct bytes wire = encoded(1, steps, 2), again;
    struct step_bundle bundle = {1, steps, 2}, read;
    arena.budget_bytes = arena.used_bytes;
    cr_expect_eq(codec_decode_bundle(wire, &arena, &read, &error), OL_RETRY);
    cr_expect_not(codec_encode_bundle(&bundle, &arena, &again));
}
