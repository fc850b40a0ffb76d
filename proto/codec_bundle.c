/*
 * proto/codec_bundle.c - the frame of a steps record, the same in every context.
 *
 *   StepBundle: 1 partition, 2... a Step each
 */
#include "proto/codec.h"

#include <assert.h>

#include "domain/partition.h"
#include "proto/wire.h"

#define PARTITION_NUMBER 1
#define STEPS_NUMBER     2

/* ---- decoding ---- */

static bool read_partition(struct wire_reader *reader, struct wire_span *span,
                           int32_t *ret_partition)
{
    const uint8_t *at = span->at;
    uint64_t value;
    if (!wire_read_varint(reader, span, "partition", &value))
        return false;
    if (value >= PARTITIONS_MAX)
        return wire_poison(reader, "partition", at, "a number out of its range");
    *ret_partition = (int32_t)value;
    return true;
}

static bool read_step(struct wire_reader *reader, struct wire_span *span, struct bytes *steps,
                      size_t *count)
{
    struct wire_span bytes;
    if (!wire_read_bytes(reader, span, "steps", &bytes))
        return false;
    if (*count == BUNDLE_STEPS_MAX)
        return wire_poison(reader, "steps", bytes.at, "more than a bundle holds");
    steps[(*count)++] = (struct bytes){bytes.at, (size_t)(bytes.end - bytes.at)};
    return true;
}

static bool read_field(struct wire_reader *reader, struct wire_span *span, int32_t *partition,
                       struct bytes *steps, size_t *count)
{
    const uint8_t *tag_at = span->at;
    uint32_t tag;
    if (!wire_next_tag(reader, span, &tag))
        return false;
    switch (tag) {
    case PARTITION_NUMBER << 3 | WIRE_VARINT: return read_partition(reader, span, partition);
    case STEPS_NUMBER << 3 | WIRE_BYTES: return read_step(reader, span, steps, count);
    default: break;
    }
    if (tag >> 3 == PARTITION_NUMBER || tag >> 3 == STEPS_NUMBER)
        return wire_poison(reader, NULL, tag_at, "a field of another kind");
    return wire_skip(reader, span, tag);
}

static bool read_bundle(struct wire_reader *reader, struct bytes wire, int32_t *ret_partition,
                        struct bytes *ret_steps, size_t *ret_count)
{
    struct wire_span span = {wire.data, wire.data + wire.size};
    reader->start = span.at;
    if (wire.size > BUNDLE_BYTES_MAX)
        return wire_poison(reader, NULL, wire.data + BUNDLE_BYTES_MAX, "more than a bundle holds");
    while (span.at < span.end)
        if (!read_field(reader, &span, ret_partition, ret_steps, ret_count))
            return false;
    return *ret_count > 0 || wire_poison(reader, "steps", span.end, "missing");
}

enum ol_class codec_decode_bundle(struct bytes wire, struct ol_arena *arena,
                                  struct step_bundle *ret_bundle, struct ol_error *reterr)
{
    struct wire_reader reader = {.strict = true, .reterr = reterr};
    struct bytes steps[BUNDLE_STEPS_MAX];
    int32_t partition = 0;
    size_t count = 0;
    if (!read_bundle(&reader, wire, &partition, steps, &count))
        return OL_POISON;
    struct bytes *kept = ol_arena_alloc(arena, count * sizeof *kept);
    if (!kept)
        return ol_fail(reterr, OL_RETRY, "the arena's budget of %zu bytes is spent",
                       arena->budget_bytes);
    memcpy(kept, steps, count * sizeof *kept);
    *ret_bundle = (struct step_bundle){partition, kept, count};
    return OL_OK;
}

/* ---- encoding ---- */

size_t codec_bundled_bytes(size_t step_bytes)
{
    size_t prefix_bytes = 2; /* the tag, and a length of up to seven bits */
    for (size_t size = step_bytes; size >= 0x80; size >>= 7)
        prefix_bytes++;
    return prefix_bytes + step_bytes;
}

/* A step without any byte is a dead letter's: its length is written all the same. */
static void put_step(struct wire_writer *writer, struct bytes step)
{
    if (step.size)
        wire_put_bytes(writer, STEPS_NUMBER, (const char *)step.data, step.size);
    else
        wire_put_prefix(writer, STEPS_NUMBER, writer->used);
}

bool codec_encode_bundle(const struct step_bundle *bundle, struct ol_arena *arena,
                         struct bytes *ret_wire)
{
    assert(bundle->partition >= 0 && bundle->partition < PARTITIONS_MAX);
    assert(bundle->count > 0 && bundle->count <= BUNDLE_STEPS_MAX);
    size_t room = BUNDLE_FRAME_BYTES;
    for (size_t i = 0; i < bundle->count; i++)
        room += codec_bundled_bytes(bundle->steps[i].size);
    uint8_t *wire = ol_arena_alloc(arena, room);
    if (!wire)
        return false;
    struct wire_writer writer = {.end = wire + room, .size = room};
    for (size_t i = bundle->count; i-- > 0;)
        put_step(&writer, bundle->steps[i]);
    wire_put_int(&writer, PARTITION_NUMBER, bundle->partition);
    assert(writer.used <= room);
    *ret_wire = (struct bytes){writer.end - writer.used, writer.used};
    return true;
}
