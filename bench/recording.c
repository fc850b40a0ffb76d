#include "bench/recording.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_grow.h"
#include "proto/codec.h"

#define BLOCK_BYTES   (4u << 20)
#define CHUNK         2000
#define WAIT_MS       200
#define WATERMARKS_MS 10000
#define SILENT_WAITS  150 /* of WAIT_MS: the end does not come */

/* ---- places ---- */

static void name_places(struct recording *recording, const char *topic_prefix)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = 0; stream < RECORDED_STREAMS; stream++) {
            recording->topics[context][stream] =
                topic_name(topic_prefix, (enum context)context, (enum stream)stream);
            for (int32_t partition = 0; partition < recording->partitions; partition++)
                recording->places[recording->place_count++] =
                    (struct recorded_place){.context = (enum context)context,
                                            .stream = (enum stream)stream,
                                            .partition = partition,
                                            .from = -1};
        }
}

static const char *place_topic(const struct recording *recording,
                               const struct recorded_place *place)
{
    return recording->topics[place->context][place->stream].text;
}

struct recorded_place *recording_place(struct recording *recording, enum context context,
                                       enum stream stream, int32_t partition)
{
    for (size_t i = 0; i < recording->place_count; i++) {
        struct recorded_place *place = &recording->places[i];
        if (place->context == context && place->stream == stream && place->partition == partition)
            return place;
    }
    return NULL;
}

static enum ol_class read_from(struct recording *recording, const char *from_file,
                               struct ol_error *reterr)
{
    char topic[TOPIC_NAME_BYTES_MAX];
    int32_t partition;
    int64_t offset;
    FILE *file = fopen(from_file, "re");
    if (!file)
        return ol_fail(reterr, OL_NOT_FOUND, "%s can't be read", from_file);
    while (fscanf(file, "%127s %" SCNd32 " %" SCNd64, topic, &partition, &offset) == 3)
        for (size_t i = 0; i < recording->place_count; i++) {
            struct recorded_place *place = &recording->places[i];
            if (place->partition == partition && !strcmp(place_topic(recording, place), topic))
                place->from = offset;
        }
    fclose(file);
    for (size_t i = 0; i < recording->place_count; i++)
        if (recording->places[i].from < 0)
            return ol_fail(reterr, OL_USAGE, "%s has no line for %s partition %" PRId32, from_file,
                           place_topic(recording, &recording->places[i]),
                           recording->places[i].partition);
    return OL_OK;
}

enum ol_class recording_init(struct recording *recording, const char *topic_prefix,
                             int32_t partitions, const char *from_file, struct ol_error *reterr)
{
    *recording = (struct recording){.partitions = partitions};
    ol_arena_init(&recording->arena, BLOCK_BYTES, 0);
    name_places(recording, topic_prefix);
    return read_from(recording, from_file, reterr);
}

void recording_release(struct recording *recording)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t partition = 0; partition < recording->partitions; partition++) {
            struct lane *lane = &recording->lanes[context];
            free(lane->events[partition].records);
            for (int target = 0; target < CONTEXT_COUNT; target++)
                free(lane->steps[target][partition].records);
        }
    ol_arena_release(&recording->arena);
}

/* ---- reading ---- */

static enum ol_class find_ends(struct recording *recording, struct ol_reader *reader,
                               struct recorded_place *const *places, size_t count, bool whole,
                               struct ol_offset *ret_positions, struct ol_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        struct recorded_place *place = places[i];
        const char *topic = place_topic(recording, place);
        int64_t low;
        enum ol_class class = ol_reader_watermarks(reader, topic, place->partition, WATERMARKS_MS,
                                                   &low, &place->to, reterr);
        if (class)
            return class;
        if (place->from > place->to)
            return ol_fail(reterr, OL_USAGE, "%s partition %" PRId32 " ends before %" PRId64, topic,
                           place->partition, place->from);
        ret_positions[i] = (struct ol_offset){topic, place->partition, whole ? low : place->from};
    }
    return OL_OK;
}

static bool is_read(const struct ol_reader *reader, struct recorded_place *const *places,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ol_reader_position(reader, i) < places[i]->to)
            return false;
    return true;
}

enum ol_class recording_read(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct recorded_place *const *places, size_t count, bool whole,
                             enum ol_class (*take)(void *self, struct recorded_place *place,
                                                   struct ol_message *message,
                                                   struct ol_error *reterr),
                             void *self, struct ol_reader **ret_reader, struct ol_error *reterr)
{
    struct ol_offset positions[RECORDED_PLACES];
    struct ol_message messages[CHUNK];
    struct ol_reader *reader = NULL;
    enum ol_class class = ol_reader_open(kafka, OL_READ_COMMITTED, count, &reader, reterr);
    if (ret_reader)
        *ret_reader = reader;
    if (class)
        return class;
    class = find_ends(recording, reader, places, count, whole, positions, reterr);
    if (!class)
        class = ol_reader_assign(reader, positions, count, reterr);
    for (int silent = 0; !class && !is_read(reader, places, count);) {
        size_t got = 0;
        class = ol_reader_poll(reader, WAIT_MS, messages, CHUNK, &got, reterr);
        silent = got ? 0 : silent + 1;
        if (!class && silent > SILENT_WAITS)
            class = ol_fail(reterr, OL_UNREACHABLE, "the topics' ends do not come");
        for (size_t i = 0; i < got; i++) {
            struct recorded_place *place = places[messages[i].topic_index];
            if (class || messages[i].offset >= place->to)
                ol_message_release(&messages[i]);
            else
                class = take(self, place, &messages[i], reterr);
        }
    }
    if (!ret_reader)
        ol_reader_close(reader);
    return class;
}

enum ol_class recording_mark(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct recorded_place *const *places, size_t count,
                             struct ol_error *reterr)
{
    struct ol_offset positions[RECORDED_PLACES];
    struct ol_reader *reader;
    enum ol_class class = ol_reader_open(kafka, OL_READ_COMMITTED, count, &reader, reterr);
    if (class)
        return class;
    class = find_ends(recording, reader, places, count, false, positions, reterr);
    for (size_t i = 0; i < count && !class; i++)
        places[i]->from = places[i]->to;
    ol_reader_close(reader);
    return class;
}

/* ---- who wrote what ---- */

/* Steps to inventory and payments come from orders; for those to orders, the kind of the first
 * says from where: a bundle is of one transaction. */
static enum ol_class writer_of(struct recording *recording, const struct recorded_place *place,
                               const struct ol_message *message, enum context *ret_writer,
                               struct ol_error *reterr)
{
    *ret_writer = CONTEXT_ORDERS;
    if (place->context != CONTEXT_ORDERS)
        return OL_OK;
    struct ol_arena arena;
    struct step_bundle bundle;
    struct step_message step;
    struct bytes wire = {message->value, message->value_bytes};
    (void)recording;
    ol_arena_init(&arena, 4096, 0);
    enum ol_class class = codec_decode_bundle(wire, &arena, &bundle, reterr);
    if (!class)
        class = codec_decode_step(place->context, bundle.steps[0], &arena, &step, reterr);
    if (!class) {
        switch (step.order.kind) {
        case ORDER_STOCK_RESERVED_REPLY:
        case ORDER_STOCK_REFUSED_REPLY:
        case ORDER_STOCK_RELEASED_REPLY: *ret_writer = CONTEXT_INVENTORY; break;
        case ORDER_PAYMENT_AUTHORISED_REPLY:
        case ORDER_PAYMENT_DECLINED_REPLY:
        case ORDER_PAYMENT_VOIDED_REPLY:
        case ORDER_PAYMENT_CHARGED_REPLY:
        case ORDER_PAYMENT_REVERSED_REPLY: *ret_writer = CONTEXT_PAYMENTS; break;
        case ORDER_TIMEOUT:
        case ORDER_STEP_NONE:
        case ORDER_STEP_KIND_COUNT: break;
        }
    }
    ol_arena_release(&arena);
    return class;
}

static bool add_record(struct recording *recording, struct recorded_output *output,
                       const struct ol_message *message)
{
    if (!OL_GROW(output->records, output->capacity, output->count + 1, 1024))
        return false;
    struct record record = {.key_bytes = (uint32_t)message->key_bytes,
                            .value_bytes = (uint32_t)message->value_bytes};
    record.value = ol_arena_copy(&recording->arena, message->value, message->value_bytes);
    if (message->key)
        record.key = ol_arena_copy(&recording->arena, message->key, message->key_bytes);
    if (!record.value || (message->key && !record.key))
        return false;
    output->records[output->count++] = record;
    return true;
}

static enum ol_class keep(void *self, struct recorded_place *place, struct ol_message *message,
                          struct ol_error *reterr)
{
    struct recording *recording = self;
    enum context writer = place->context;
    enum ol_class class = OL_OK;
    bool kept = true;
    place->records++;
    place->bytes += message->key_bytes + message->value_bytes;
    if (place->stream == STREAM_EVENTS) {
        kept = add_record(recording, &recording->lanes[writer].events[place->partition], message);
    } else {
        recording->lanes[place->context].inputs[place->partition]++;
        recording->lanes[place->context].input_count++;
    }
    if (place->stream == STREAM_STEPS) {
        class = writer_of(recording, place, message, &writer, reterr);
        kept =
            class ||
            add_record(recording, &recording->lanes[writer].steps[place->context][place->partition],
                       message);
    }
    ol_message_release(message);
    return kept ? class : ol_fail(reterr, OL_FATAL, "out of memory for the recording");
}

enum ol_class recording_load(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct ol_error *reterr)
{
    struct recorded_place *places[RECORDED_PLACES];
    for (size_t i = 0; i < recording->place_count; i++)
        places[i] = &recording->places[i];
    return recording_read(recording, kafka, places, recording->place_count, false, keep, recording,
                          NULL, reterr);
}
