#include "tests/fuzz/envelope.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/codec_random.h"

#define MADE_ANEW_PERCENT 10

static uint32_t kinds_of(enum context context, enum stream stream)
{
    const struct codec_context *tables = codec_contexts[context];
    return stream == STREAM_COMMANDS ? tables->commands.count
           : stream == STREAM_STEPS  ? tables->steps.count
                                     : tables->events.count;
}

static struct bytes make(struct rng *rng, struct ol_arena *arena, enum context context,
                         enum stream stream)
{
    uint32_t kind = 1 + (uint32_t)rng_below(rng, kinds_of(context, stream) - 1);
    struct bytes wire = {0};
    bool good;
    if (stream == STREAM_COMMANDS) {
        struct command command = random_command(rng, arena, context, kind);
        good = codec_encode_command(&command, arena, &wire);
    } else if (stream == STREAM_STEPS) {
        struct step_message step = random_step(rng, arena, context, kind);
        good = codec_encode_step(&step, arena, &wire);
    } else {
        enum event_body body =
            rng_chance(rng, 70) ? EVENT_BODY_DOMAIN : EVENT_BODY_REJECTED + rng_below(rng, 3);
        struct event_message event = random_event(rng, arena, context, body, kind);
        good = codec_encode_event(&event, arena, &wire);
    }
    fuzz_check(good);
    return wire;
}

size_t envelope_mutate(enum stream stream, uint8_t *data, size_t size, size_t size_max,
                       unsigned seed)
{
    static struct ol_arena arena;
    struct rng rng = rng_from(seed + 1);
    if (!rng_chance(&rng, MADE_ANEW_PERCENT))
        return LLVMFuzzerMutate(data, size, size_max);
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    ol_arena_clear(&arena);
    enum context context = rng_below(&rng, CONTEXT_COUNT);
    struct bytes wire = make(&rng, &arena, context, stream);
    if (wire.size + 1 > size_max)
        return LLVMFuzzerMutate(data, size, size_max);
    data[0] = (uint8_t)context;
    memcpy(data + 1, wire.data, wire.size);
    return wire.size + 1;
}
