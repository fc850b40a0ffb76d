/*
 * bench/relay.h - what bench_relay's files share: the loops (relay_loop.c), and what is around them
 * (relay.c): scratch topics, the check, the figures.
 */
#ifndef BENCH_RELAY_H
#define BENCH_RELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "bench/recording.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/program/ol_options.h"

/* How far one recorded output has been written. */
struct cursor {
    const struct recorded_output *output;
    int32_t topic, partition;
    int32_t by_partition; /* of the inputs that drive it; -1: all of the context */
    size_t next;
};

struct relay_batch {
    struct ol_message *messages;
    size_t count, emitted, input_bytes; /* messages taken; of them answered */
    struct ol_record *records;
    size_t record_count, record_capacity, output_bytes;
};

struct relay;

/* One context's loop; of its thread alone until that is joined. */
struct loop {
    struct relay *relay;
    enum context context;
    const struct lane *lane;
    struct ol_kafka_connection kafka;
    struct ol_producer *producers[2];
    struct ol_consumer *consumer;
    struct relay_batch batches[2], *building, *committing;
    int building_with, committing_with;
    uint32_t next_inbox;
    uint64_t taken[PARTITIONS_MAX], taken_count;
    int64_t next[2][PARTITIONS_MAX]; /* offsets of commands and steps */
    struct cursor cursors[PARTITIONS_MAX * (1 + CONTEXT_COUNT)];
    size_t cursor_count;
    int64_t from_us, to_us, moved_us;
    uint64_t transactions, messages, bytes;
    enum ol_class class;
    struct ol_error error;
};

struct relay {
    const struct ol_options *options;
    const char *scratch_prefix;
    struct recording recording, scratch; /* scratch: the same places, of the scratch topics */
    struct recorded_place *written[RECORDED_PLACES]; /* of scratch: steps and events */
    size_t written_count;
    struct loop loops[CONTEXT_COUNT];
    pthread_barrier_t warm, go; /* of the loops and of who starts them */
    /* The clock of all: set by whoever begins first and ends last. */
    pthread_mutex_t lock;
    int running;
    int64_t from_us, to_us;
    struct rusage use_from, use_to;
    _Atomic bool failed;
    uint64_t markers_recorded, markers;
};

/* The scratch topic that stands for a real one. */
struct topic_name relay_topic(const struct relay *relay, enum context context, enum stream stream);

/* Runs all loops over the recording, to the end of its inputs; marks where the scratch topics end
 * once they are warm. The first failure of any is the relay's. */
enum ol_class relay_run(struct relay *relay, struct ol_error *reterr);

#endif
