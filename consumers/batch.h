/*
 * consumers/batch.h - one transaction's inputs, and the records that they became.
 *
 * take messages -> decode -> (core_run through the sink: records) -> produce -> clear.
 * Owns the messages and one arena: everything that inputs and records point to lives until clear,
 * which comes after the transaction's end. One thread.
 */
#ifndef CONSUMERS_BATCH_H
#define CONSUMERS_BATCH_H

#include "consumers/core.h"
#include "domain/topic.h"
#include "lib/kafka/ol_kafka_producer.h"

/* Room for one batch's decoded inputs and encoded records beyond what it is meant to hold: the
 * largest message still fits after the last small one. */
#define BATCH_ARENA_BYTES (64 * 1024 * 1024)
#define BATCH_INPUT_BYTES (4 * 1024 * 1024) /* no more is taken above this */
#define BATCH_BLOCK_BYTES (256 * 1024)

/* Numbers of the producer's topics, the same for both producers of a loop. */
struct batch_topics {
    int32_t commands, events, dead_letters;
    int32_t steps[CONTEXT_COUNT];
    const char *input_names[2]; /* of the commands and the steps topic, for headers */
};

struct batch_limits {
    size_t inputs, output_bytes;
};

struct batch {
    enum context context;
    struct batch_limits limits;
    const struct batch_topics *topics;
    struct ol_arena arena;
    struct ol_message *messages;
    struct core_input *inputs;
    size_t count, decided; /* messages taken; of them run through the core */
    size_t input_bytes;
    struct ol_record *records;
    size_t record_count, record_capacity, output_bytes;
    uint32_t events, steps; /* among the records */
    int32_t dead_steps;     /* inputs from the steps topic that were put aside */
    struct core_offset offsets[PARTITIONS_MAX];
    size_t offset_count;
    uint64_t receipts[PARTITIONS_MAX]; /* digests (ol_hash_record) of those that were written */
    struct receipt total;
};

/* False: out of memory. */
bool batch_init(struct batch *batch, enum context context, struct batch_limits limits,
                const struct batch_topics *topics);
void batch_release(struct batch *batch);

/* Gives the messages back and forgets the rest. */
void batch_clear(struct batch *batch);

/* Nothing more should be taken: a limit is reached. */
bool batch_full(const struct batch *batch);

/* Nothing to commit: neither inputs nor timeouts. */
bool batch_empty(const struct batch *batch);

/* Adds a message (the batch owns it from here) and decodes it into the next input; a command gets
 * the trace of its header. source: the topic it is from; partitions: how many there are. Never
 * fails because of what the message holds: what can't be read becomes INPUT_UNREADABLE. False: the
 * arena is spent, the message was not taken. */
bool batch_take(struct batch *batch, struct ol_message *message, enum cause_source source,
                int32_t partitions);

/* The sink that turns the core's messages into records; valid as long as the batch. */
struct core_sink batch_sink(struct batch *batch);

#endif
