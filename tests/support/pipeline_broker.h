/*
 * tests/support/pipeline_broker.h - the topics of the three contexts, in memory.
 *
 *   publish (anybody), commit or abort (a transaction) -> append -> read committed
 *
 * As a broker keeps them: a record's place is its offset; the end of a transaction takes a place in
 * every partition that it wrote to; aborted records stay, and readers pass over them. Time is the
 * broker's own. It also keeps what the worker groups have committed, fences who is of an older
 * generation, and remembers in which order each partition's inputs were decided.
 */
#ifndef SUPPORT_PIPELINE_BROKER_H
#define SUPPORT_PIPELINE_BROKER_H

#include "consumers/core.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/kafka/ol_kafka_producer.h"

enum broker_slot_kind {
    SLOT_RECORD = 0, /* committed, or from outside */
    SLOT_ABORTED,
    SLOT_MARKER,
};

#define WRITER_OUTSIDE (-1)

/* One offset of a partition. Whatever it points to lives as long as the broker. */
struct broker_slot {
    enum broker_slot_kind kind;
    int writer; /* the context whose transaction it was, or WRITER_OUTSIDE */
    int64_t at_ms;
    const void *key, *value; /* NULL: none */
    size_t key_bytes, value_bytes;
    const struct ol_header *headers;
    size_t header_count;
};

struct broker_partition {
    struct broker_slot *slots;
    size_t count, capacity;
};

/* An input in the order in which it was decided. */
struct broker_input {
    enum cause_source source;
    int64_t offset;
    int32_t place;
};

struct broker_decided {
    struct broker_input *inputs;
    size_t count, capacity;
};

struct broker {
    int32_t partitions;
    int64_t now_us;
    struct ol_arena arena;
    struct broker_partition topics[CONTEXT_COUNT][STREAM_COUNT][PARTITIONS_MAX];
    int64_t committed[CONTEXT_COUNT][PARTITIONS_MAX][2]; /* of commands and steps; -1: none */
    struct broker_decided decided[CONTEXT_COUNT][PARTITIONS_MAX];
    uint32_t generation[CONTEXT_COUNT]; /* of the worker groups */
    uint64_t transactions, aborts;
};

void broker_init(struct broker *broker, int32_t partitions, int64_t now_us);
void broker_release(struct broker *broker);

/* Topics have numbers, so that a record can name them. */
static inline int32_t broker_topic(enum context context, enum stream stream)
{
    return (int32_t)context * STREAM_COUNT + (int32_t)stream;
}

/* "orderlog.orders.commands.v1": lives for ever. */
const char *broker_topic_name(enum context context, enum stream stream);

static inline const struct broker_partition *broker_partition(const struct broker *broker,
                                                              enum context context,
                                                              enum stream stream, int32_t partition)
{
    return &broker->topics[context][stream][partition];
}

/* Appends a record of anybody's to a commands topic; returns its offset. */
int64_t broker_publish(struct broker *broker, const struct ol_record *record);

/* What a transaction of a worker brings along. */
struct broker_transaction {
    enum context context;
    uint32_t generation; /* of the assignment that its inputs were read with */
    const struct ol_record *records;
    size_t record_count;
    const struct core_offset *offsets;
    size_t offset_count;
    const struct core_input *inputs; /* in the order decided */
    size_t input_count;
};

/* All of it, or, where the generation is not the group's any more, false: then it is aborted. */
bool broker_commit(struct broker *broker, const struct broker_transaction *transaction);

/* The first `written` of its records, and the end of a transaction that never was. */
void broker_abort(struct broker *broker, const struct broker_transaction *transaction,
                  size_t written);

/* The first offset at or behind `from` that holds a record, below `end`; `end` where none does. */
int64_t broker_next(const struct broker_partition *partition, int64_t from, int64_t end);

#endif
