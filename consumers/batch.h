/*
 * consumers/batch.h - one transaction's inputs, and the records that they became.
 *
 *   take messages -> decode -> (core_run through the sink: records) -> close -> produce -> clear.
 *
 * A commands record is one input, a steps record as many as its bundle has steps: all of them or
 * none are taken. What the inputs say to one partition of a steps topic is collected in a bundle,
 * which becomes a record when it is full, and at the close.
 * Owns the messages and one arena: everything that inputs and records point to lives until clear,
 * which comes after the transaction's end. One thread.
 */
#ifndef CONSUMERS_BATCH_H
#define CONSUMERS_BATCH_H

#include "consumers/core.h"
#include "domain/topic.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "proto/codec.h"

/* Room for one batch's decoded inputs and encoded records beyond what it is meant to hold: the
 * largest message still fits after the last small one. */
#define BATCH_ARENA_BYTES (64 * 1024 * 1024)
#define BATCH_INPUT_BYTES (4 * 1024 * 1024) /* no more is taken above this */
#define BATCH_BLOCK_BYTES (256 * 1024)

/* What may become of a command is larger than that by so much at most: ids, and what each of an
 * order's lines gets in an event. */
#define BATCH_GROWTH_BYTES      2048
#define BATCH_GROWTH_LINE_BYTES 24 /* more for each line of an order */

/* A topic, and what it takes of a record (ol_record_bytes()); 0: anything. */
struct batch_topic {
    const char *name;
    size_t bytes_max;
};

/* Numbers of the producer's topics, the same for both producers of a loop. */
struct batch_topics {
    int32_t commands, events, dead_letters;
    int32_t steps[CONTEXT_COUNT];
    const char *input_names[2]; /* of the commands and the steps topic, for headers */
    struct batch_topic commands_are, events_are, dead_letters_are, steps_are[CONTEXT_COUNT];
    /* Of all topics that a command leads to records on, of an order's other contexts' too: the one
     * that takes least. */
    struct batch_topic least;
};

/* A record that its topic does not take, because of which the batch failed. */
struct batch_misfit {
    int32_t partition; /* of the record; -1: there is none */
    const char *topic;
    size_t bytes, bytes_max;
};

/* What the batch says to one partition and no record holds yet. */
struct batch_bundle {
    struct bytes *steps; /* in the arena */
    size_t count, capacity;
    size_t bytes; /* of the record that they would be */
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
    size_t message_count;
    size_t count, decided; /* inputs taken; of them run through the core */
    size_t input_bytes;
    struct ol_record *records;
    size_t record_count, record_capacity, output_bytes;
    struct batch_bundle bundles[CONTEXT_COUNT][PARTITIONS_MAX];
    uint32_t events, steps; /* sent: steps in open bundles too */
    int32_t dead_steps;     /* inputs from the steps topic that were put aside */
    struct core_offset offsets[PARTITIONS_MAX];
    size_t offset_count;
    uint64_t receipts[PARTITIONS_MAX]; /* digests (ol_hash_record) of those that were written */
    struct receipt total;
    bool closes_gap; /* of a partition: something to commit, even without records yet */
    struct batch_misfit misfit;
};

/* False: out of memory. */
bool batch_init(struct batch *batch, enum context context, struct batch_limits limits,
                const struct batch_topics *topics);
void batch_release(struct batch *batch);

/* Gives the messages back and forgets the rest. */
void batch_clear(struct batch *batch);

/* Nothing more should be taken: a limit is reached. */
bool batch_full(const struct batch *batch);

/* Nothing to commit: neither inputs nor timeouts, in a record or not, nor a gap. */
bool batch_empty(const struct batch *batch);

/* Adds a message (the batch owns it from here) and decodes it into the next inputs, up to
 * BUNDLE_STEPS_MAX - 1 above the limit; a command gets the trace of its header. source: the topic
 * it is from; partitions: how many there are. Never fails because of what the message holds: what
 * can't be read becomes INPUT_UNREADABLE, and of a bundle only that. False: the arena is spent, the
 * message was not taken. */
bool batch_take(struct batch *batch, struct ol_message *message, enum cause_source source,
                int32_t partitions);

/* The sink that turns the core's messages into records; valid as long as the batch. It fails, with
 * a misfit, at one that its topic does not take. */
struct core_sink batch_sink(struct batch *batch);

/* Makes records of the bundles that are open, after core_close(). False: out of memory. */
bool batch_close(struct batch *batch);

#endif
