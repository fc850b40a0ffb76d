/* tests/fuzz/fuzz_bundle.c - any bytes as the value of a steps record.
 *
 * Poison, or a frame whose steps are read each by itself: then it encodes, and decodes to the same.
 * Whatever a step holds, the others are what they are alone. */
#include <string.h>

#include "domain/partition.h"
#include "proto/codec.h"
#include "tests/fuzz/fuzz.h"

static struct ol_arena arena;

static bool same_bytes(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void check_frame(const struct step_bundle *bundle)
{
    struct step_bundle again;
    struct ol_error error;
    struct bytes wire;
    size_t bytes = BUNDLE_FRAME_BYTES;
    fuzz_check(codec_encode_bundle(bundle, &arena, &wire));
    fuzz_check(codec_decode_bundle(wire, &arena, &again, &error) == OL_OK);
    fuzz_check(again.partition == bundle->partition && again.count == bundle->count);
    for (size_t i = 0; i < bundle->count; i++) {
        fuzz_check(same_bytes(again.steps[i], bundle->steps[i]));
        bytes += codec_bundled_bytes(bundle->steps[i].size);
    }
    fuzz_check(wire.size <= bytes && wire.size + BUNDLE_FRAME_BYTES >= bytes);
}

/* A step is put aside as a bundle of one, and is the same step there. */
static void check_alone(const struct step_bundle *bundle, size_t place)
{
    const struct step_bundle alone = {bundle->partition, &bundle->steps[place], 1};
    struct step_bundle again;
    struct ol_error error;
    struct bytes wire;
    fuzz_check(codec_encode_bundle(&alone, &arena, &wire));
    fuzz_check(codec_decode_bundle(wire, &arena, &again, &error) == OL_OK);
    fuzz_check(again.count == 1 && same_bytes(again.steps[0], bundle->steps[place]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct step_bundle bundle;
    struct ol_error error = {0};
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1, 0);
    ol_arena_clear(&arena);
    enum ol_class class = codec_decode_bundle((struct bytes){data, size}, &arena, &bundle, &error);
    fuzz_check(class == OL_OK || (class == OL_POISON && error.class == class && error.text[0]));
    if (class)
        return 0;
    fuzz_check(bundle.partition >= 0 && bundle.partition < PARTITIONS_MAX);
    fuzz_check(bundle.count > 0 && bundle.count <= BUNDLE_STEPS_MAX);
    check_frame(&bundle);
    for (size_t i = 0; i < bundle.count; i++) {
        check_alone(&bundle, i);
        for (int context = 0; context < CONTEXT_COUNT; context++) {
            struct step_message step;
            class =
                codec_decode_step((enum context)context, bundle.steps[i], &arena, &step, &error);
            fuzz_check(class == OL_OK || class == OL_POISON);
        }
    }
    return 0;
}
