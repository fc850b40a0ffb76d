#include "tests/support/pipeline_broker.h"

#include <stdlib.h>

#include "domain/assert.h"

void broker_init(struct broker *broker, int32_t partitions, int64_t now_us)
{
    *broker = (struct broker){.partitions = partitions, .now_us = now_us};
    ol_arena_init(&broker->arena, 1 << 20, 0);
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < partitions; i++)
            broker->committed[context][i][0] = broker->committed[context][i][1] = -1;
}

void broker_release(struct broker *broker)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int32_t i = 0; i < broker->partitions; i++) {
            for (int stream = 0; stream < STREAM_COUNT; stream++)
                free(broker->topics[context][stream][i].slots);
            free(broker->decided[context][i].inputs);
        }
    ol_arena_release(&broker->arena);
}

const char *broker_topic_name(enum context context, enum stream stream)
{
    static struct topic_name names[CONTEXT_COUNT][STREAM_COUNT];
    if (!names[context][stream].text[0])
        names[context][stream] = topic_name("orderlog", context, stream);
    return names[context][stream].text;
}

/* ---- appending ---- */

static void *grow(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 64;
    array = realloc(array, *capacity * size);
    domain_assert(array);
    return array;
}

static void *keep(struct broker *broker, const void *data, size_t bytes)
{
    if (!data)
        return NULL;
    void *copy = ol_arena_copy(&broker->arena, data, bytes);
    domain_assert(copy);
    return copy;
}

static const struct ol_header *keep_headers(struct broker *broker, const struct ol_record *record)
{
    struct ol_header *headers =
        ol_arena_alloc(&broker->arena, (record->header_count + 1) * sizeof *headers);
    domain_assert(headers);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct ol_header *header = &record->headers[i];
        headers[i] = (struct ol_header){keep(broker, header->name, strlen(header->name)),
                                        keep(broker, header->value, header->value_bytes),
                                        header->value_bytes};
    }
    return headers;
}

static struct broker_partition *partition_of_topic(struct broker *broker, int32_t topic,
                                                   int32_t partition)
{
    domain_assert(topic >= 0 && topic < CONTEXT_COUNT * STREAM_COUNT);
    domain_assert(partition >= 0 && partition < broker->partitions);
    return &broker->topics[topic / STREAM_COUNT][topic % STREAM_COUNT][partition];
}

static int64_t append(struct broker *broker, struct broker_partition *partition,
                      const struct broker_slot *slot)
{
    partition->slots =
        grow(partition->slots, &partition->capacity, partition->count, sizeof *partition->slots);
    partition->slots[partition->count] = *slot;
    partition->slots[partition->count].at_ms = broker->now_us / 1000;
    return (int64_t)partition->count++;
}

static int64_t append_record(struct broker *broker, const struct ol_record *record, int writer,
                             enum broker_slot_kind kind)
{
    struct broker_slot slot = {
        .kind = kind,
        .writer = writer,
        .key = keep(broker, record->key, record->key_bytes),
        .value = keep(broker, record->value, record->value_bytes),
        .key_bytes = record->key_bytes,
        .value_bytes = record->value_bytes,
        .headers = keep_headers(broker, record),
        .header_count = record->header_count,
    };
    return append(broker, partition_of_topic(broker, record->topic, record->partition), &slot);
}

int64_t broker_publish(struct broker *broker, const struct ol_record *record)
{
    domain_assert(record->topic % STREAM_COUNT == STREAM_COMMANDS);
    return append_record(broker, record, WRITER_OUTSIDE, SLOT_RECORD);
}

/* A marker in each partition that was written to. */
static void end_transaction(struct broker *broker, const struct broker_transaction *transaction,
                            size_t written)
{
    const struct broker_slot marker = {.kind = SLOT_MARKER, .writer = (int)transaction->context};
    uint64_t marked[CONTEXT_COUNT * STREAM_COUNT] = {0};
    for (size_t i = 0; i < written; i++) {
        const struct ol_record *record = &transaction->records[i];
        uint64_t bit = UINT64_C(1) << record->partition;
        if (!(marked[record->topic] & bit))
            append(broker, partition_of_topic(broker, record->topic, record->partition), &marker);
        marked[record->topic] |= bit;
    }
}

void broker_abort(struct broker *broker, const struct broker_transaction *transaction,
                  size_t written)
{
    domain_assert(written <= transaction->record_count);
    for (size_t i = 0; i < written; i++)
        append_record(broker, &transaction->records[i], (int)transaction->context, SLOT_ABORTED);
    end_transaction(broker, transaction, written);
    broker->aborts++;
}

static void note_decided(struct broker *broker, enum context context,
                         const struct core_input *input)
{
    struct broker_decided *decided = &broker->decided[context][input->partition];
    decided->inputs =
        grow(decided->inputs, &decided->capacity, decided->count, sizeof *decided->inputs);
    decided->inputs[decided->count++] =
        (struct broker_input){input->source, input->offset, input->place};
}

bool broker_commit(struct broker *broker, const struct broker_transaction *transaction)
{
    enum context context = transaction->context;
    domain_assert(transaction->offset_count > 0); /* else nothing would fence */
    if (transaction->generation != broker->generation[context]) {
        broker_abort(broker, transaction, transaction->record_count);
        return false;
    }
    for (size_t i = 0; i < transaction->record_count; i++)
        append_record(broker, &transaction->records[i], (int)context, SLOT_RECORD);
    end_transaction(broker, transaction, transaction->record_count);
    for (size_t i = 0; i < transaction->offset_count; i++) {
        const struct core_offset *offset = &transaction->offsets[i];
        int64_t *committed = broker->committed[context][offset->partition];
        domain_assert(offset->commands_next >= committed[0]);
        domain_assert(offset->steps_next >= committed[1]);
        committed[0] = offset->commands_next;
        committed[1] = offset->steps_next;
    }
    for (size_t i = 0; i < transaction->input_count; i++)
        note_decided(broker, context, &transaction->inputs[i]);
    broker->transactions++;
    return true;
}

int64_t broker_next(const struct broker_partition *partition, int64_t from, int64_t end)
{
    domain_assert(end <= (int64_t)partition->count);
    while (from < end && partition->slots[from].kind != SLOT_RECORD)
        from++;
    return from < end ? from : end;
}
