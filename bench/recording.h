/*
 * bench/recording.h - what a measured run took and wrote, read back from its topics.
 *
 * from-file -> recording_load() -> relay, core bench -> recording_release().
 * A from-file has one line "topic partition offset" for each partition of the commands, steps and
 * events topics: where the measured part begins. Memory holds all of it; nothing here is timed.
 */
#ifndef BENCH_RECORDING_H
#define BENCH_RECORDING_H

#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"
#include "lib/kafka/ol_kafka_reader.h"

#define RECORDED_STREAMS 3 /* commands, steps, events: the first of enum stream */
#define RECORDED_PLACES  (CONTEXT_COUNT * RECORDED_STREAMS * PARTITIONS_MAX)

/* One partition of a topic, and the measured part of it. */
struct recorded_place {
    enum context context;
    enum stream stream;
    int32_t partition;
    int64_t from, to; /* offsets; to: the last stable offset */
    uint64_t records; /* between them; the others are transaction markers */
    uint64_t bytes;   /* of keys and values */
};

struct record {
    const void *key, *value; /* key NULL: none */
    uint32_t key_bytes, value_bytes;
};

/* What one context wrote into one partition, in its order. */
struct recorded_output {
    struct record *records;
    size_t count, capacity;
};

/* What one context took and wrote. */
struct lane {
    uint64_t inputs[PARTITIONS_MAX], input_count; /* commands and steps */
    struct recorded_output events[PARTITIONS_MAX];
    struct recorded_output steps[CONTEXT_COUNT][PARTITIONS_MAX];
};

struct recording {
    int32_t partitions;
    struct topic_name topics[CONTEXT_COUNT][RECORDED_STREAMS];
    struct recorded_place places[RECORDED_PLACES];
    size_t place_count;
    struct lane lanes[CONTEXT_COUNT];
    struct ol_arena arena;
};

/* Names the places and reads the from-file. Every place must be in it. */
enum ol_class recording_init(struct recording *recording, const char *topic_prefix,
                             int32_t partitions, const char *from_file, struct ol_error *reterr);
void recording_release(struct recording *recording);

/* NULL: not a place. */
struct recorded_place *recording_place(struct recording *recording, enum context context,
                                       enum stream stream, int32_t partition);

/* Reads the measured part of all places and sorts what was written by who wrote it. */
enum ol_class recording_load(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct ol_error *reterr);

/*
 * Reads the places read_committed from their `from` (or, with whole, from the beginning) to their
 * end, which it sets, and hands every message over; take() releases it or keeps it. ret_reader
 * NULL: it keeps none; else the reader is handed over, success or not, to be closed (it may be
 * NULL) once the messages are released.
 */
enum ol_class recording_read(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct recorded_place *const *places, size_t count, bool whole,
                             enum ol_class (*take)(void *self, struct recorded_place *place,
                                                   struct ol_message *message,
                                                   struct ol_error *reterr),
                             void *self, struct ol_reader **ret_reader, struct ol_error *reterr);

/* The measured part of these places begins at what is now their end. */
enum ol_class recording_mark(struct recording *recording, const struct ol_kafka_settings *kafka,
                             struct recorded_place *const *places, size_t count,
                             struct ol_error *reterr);

#endif
