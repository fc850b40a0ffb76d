/*
 * bench/chain.c - the hops of an order without any logic, for latency: what the transport takes.
 *
 *   bench_chain [OPTION...]          options as `orderlog worker --help`; SIGTERM ends it
 *
 *   commands -> orders (first event, step) -> inventory (event, step) -> orders (event, step)
 *            -> payments (event, step) -> orders (last event)
 *
 * Three relays, one for each context: a member of a group on its commands and steps, a
 * transactional producer, offsets in the transaction; a transaction takes what is there. Three
 * projectors: a reader of the context's events, a row for each by UNNEST, the progress in the same
 * transaction. Settings of librdkafka and PostgreSQL as orderlog has them. All begin at the topics'
 * beginning: for new topics and a new database. "ready" on standard output once all read.
 */
#include "bench/chain.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_log.h"

#define OPTION_GROUPS (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_TOPICS | OL_FOR_WORKER | OL_FOR_PROJECTOR)
#define IDLE_MS       100
#define CLOSE_MS      5000
#define BATCH_INPUTS  1000
#define RECORDS_MAX   (2 * BATCH_INPUTS)

static _Atomic bool is_over;

struct chain {
    const struct ol_options *options;
    struct topic_name topics[CONTEXT_COUNT][3]; /* by enum stream */
    pthread_mutex_t lock;
    int ready;
    enum ol_class class; /* the first failure */
    struct ol_error error;
};

struct relay {
    struct chain *chain;
    enum context context;
    struct ol_kafka_connection kafka;
    struct ol_consumer *consumer;
    struct ol_producer *producer;
    int32_t events, steps[CONTEXT_COUNT]; /* topics, as the producer numbers them */
    int64_t next[2][PARTITIONS_MAX];      /* of commands and steps */
    struct ol_message messages[BATCH_INPUTS];
    size_t count;
    struct ol_record records[RECORDS_MAX];
    size_t record_count;
    struct ol_arena arena; /* their values */
};

struct projector {
    struct chain *chain;
    enum context context;
    struct ol_kafka_connection kafka;
    struct ol_reader *reader;
    struct ol_pg *db;
    struct ol_pg_array keys, hops, partitions, nexts;
};

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

static void end_all(struct chain *chain, enum ol_class class, const struct ol_error *error)
{
    pthread_mutex_lock(&chain->lock);
    if (class && !chain->class) {
        chain->class = class;
        chain->error = *error;
    }
    pthread_mutex_unlock(&chain->lock);
    if (class)
        atomic_store(&is_over, true);
}

static void note_ready(struct chain *chain)
{
    pthread_mutex_lock(&chain->lock);
    if (++chain->ready == 2 * CONTEXT_COUNT) {
        puts("ready");
        fflush(stdout);
    }
    pthread_mutex_unlock(&chain->lock);
}

/* ---- a relay ---- */

/* hop: which comes next; 0: a command, of which orders has the first. Where the step goes. */
static const struct {
    enum context context;
    char event;
    bool has_step;
    enum context to;
} hops[] = {
    {CONTEXT_ORDERS, CHAIN_FIRST, true, CONTEXT_INVENTORY},
    {CONTEXT_INVENTORY, CHAIN_MIDDLE, true, CONTEXT_ORDERS},
    {CONTEXT_ORDERS, CHAIN_MIDDLE, true, CONTEXT_PAYMENTS},
    {CONTEXT_PAYMENTS, CHAIN_MIDDLE, true, CONTEXT_ORDERS},
    {CONTEXT_ORDERS, CHAIN_LAST, false, CONTEXT_ORDERS},
};

static struct ol_record *add_record(struct relay *relay, int32_t topic, int32_t partition,
                                    char kind, size_t hop, char home, const char *key,
                                    size_t key_bytes)
{
    char *value = ol_arena_alloc(&relay->arena, CHAIN_VALUE_BYTES);
    if (!value || key_bytes > CHAIN_VALUE_BYTES - CHAIN_HEAD_BYTES)
        return NULL;
    memset(value, '.', CHAIN_VALUE_BYTES);
    value[0] = kind;
    value[1] = (char)('1' + hop);
    value[2] = home;
    memcpy(value + CHAIN_HEAD_BYTES, key, key_bytes);
    struct ol_record *record = &relay->records[relay->record_count++];
    *record = (struct ol_record){.topic = topic,
                                 .partition = partition,
                                 .key = value + CHAIN_HEAD_BYTES,
                                 .key_bytes = key_bytes,
                                 .value = value,
                                 .value_bytes = CHAIN_VALUE_BYTES};
    return record;
}

/* One input: an event where it was read, and the next hop's step. */
static enum ol_class answer(struct relay *relay, const struct ol_message *message,
                            struct ol_error *reterr)
{
    const char *value = message->value;
    bool is_command = message->topic_index == STREAM_COMMANDS;
    size_t hop = is_command ? 0 : (size_t)(value[1] - '0');
    char home = is_command ? (char)('0' + message->partition) : value[2];
    int32_t partitions = (int32_t)relay->chain->options->partitions;
    const char *key = message->key;
    if (is_command && relay->context != CONTEXT_ORDERS)
        return OL_OK;
    domain_assert(hop < sizeof hops / sizeof *hops && hops[hop].context == relay->context);
    if (!add_record(relay, relay->events, message->partition, hops[hop].event, hop, home, key,
                    message->key_bytes))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    if (!hops[hop].has_step)
        return OL_OK;
    enum context to = hops[hop].to;
    int32_t partition = to == CONTEXT_ORDERS ? home - '0' : (home - '0' + (int32_t)to) % partitions;
    return add_record(relay, relay->steps[to], partition, CHAIN_MIDDLE, hop, home, key,
                      message->key_bytes)
               ? OL_OK
               : ol_fail(reterr, OL_FATAL, "out of memory");
}

static enum ol_class commit_batch(struct relay *relay, struct ol_error *reterr)
{
    struct ol_offset offsets[2 * PARTITIONS_MAX];
    size_t count = 0;
    bool touched[2][PARTITIONS_MAX] = {0};
    for (size_t i = 0; i < relay->count; i++)
        touched[relay->messages[i].topic_index][relay->messages[i].partition] = true;
    for (int stream = STREAM_COMMANDS; stream <= STREAM_STEPS; stream++)
        for (int32_t p = 0; p < (int32_t)relay->chain->options->partitions; p++)
            if (touched[stream][p])
                offsets[count++] = (struct ol_offset){
                    relay->chain->topics[relay->context][stream].text, p, relay->next[stream][p]};
    enum ol_class class = ol_producer_begin(relay->producer, reterr);
    if (!class && relay->record_count)
        class = ol_producer_produce(relay->producer, relay->records, relay->record_count, reterr);
    if (!class)
        class = ol_producer_send_offsets(relay->producer, offsets, count,
                                         ol_consumer_assignment(relay->consumer)->group, reterr);
    return class ? class : ol_producer_commit(relay->producer, NULL, reterr);
}

/* What is there, in one transaction. */
static enum ol_class pass_on(struct relay *relay, struct ol_error *reterr)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(relay->consumer, &inboxes), next = 0;
    enum ol_class class = ol_inboxes_take(inboxes, count, &next, relay->messages, BATCH_INPUTS,
                                          &relay->count, reterr);
    for (size_t i = 0; i < relay->count && !class; i++) {
        const struct ol_message *message = &relay->messages[i];
        relay->next[message->topic_index][message->partition] = message->offset + 1;
        class = answer(relay, message, reterr);
    }
    if (!class && relay->count)
        class = commit_batch(relay, reterr);
    else if (!class)
        ol_consumer_wait(relay->consumer, -1, IDLE_MS);
    ol_messages_release(relay->messages, relay->count);
    relay->count = relay->record_count = 0;
    ol_arena_clear(&relay->arena);
    return class;
}

static enum ol_class begin_reading(struct relay *relay, struct ol_error *reterr)
{
    const struct ol_assignment *assignment = ol_consumer_assignment(relay->consumer);
    struct ol_offset positions[2 * PARTITIONS_MAX];
    if (assignment->count != 2 * (size_t)relay->chain->options->partitions)
        return ol_fail(reterr, OL_CONFLICT, "somebody else is in the chain's group");
    for (size_t i = 0; i < assignment->count; i++) {
        positions[i] = assignment->places[i];
        positions[i].offset = 0;
    }
    enum ol_class class = ol_consumer_assign(relay->consumer, positions, assignment->count, reterr);
    if (!class)
        note_ready(relay->chain);
    return class;
}

static enum ol_class serve(struct relay *relay, struct ol_error *reterr)
{
    bool reading = false;
    while (!atomic_load(&is_over)) {
        enum ol_consumer_event event;
        enum ol_class class = ol_consumer_poll(relay->consumer, &event, reterr);
        if (class == OL_RETRY)
            class = OL_OK;
        if (!class && event == OL_CONSUMER_ASSIGNED && !reading) {
            class = begin_reading(relay, reterr);
            reading = true;
        } else if (!class && event != OL_CONSUMER_NOTHING) {
            class = ol_fail(reterr, OL_CONFLICT, "the group was rebalanced in the middle");
        } else if (!class && reading) {
            class = pass_on(relay, reterr);
        } else if (!class) {
            ol_consumer_wait(relay->consumer, -1, IDLE_MS);
        }
        if (class)
            return class;
    }
    return OL_OK;
}

static enum ol_class open_relay(struct relay *relay, struct ol_error *reterr)
{
    struct chain *chain = relay->chain;
    const char *name = context_name(relay->context);
    char id[TOPIC_NAME_BYTES_MAX + 32];
    snprintf(id, sizeof id, "%s.%s.chain", chain->options->topic_prefix, name);
    enum ol_class class =
        ol_kafka_connection_init(&relay->kafka, chain->options, "bench-chain", reterr);
    if (class)
        return class;
    ol_arena_init(&relay->arena, 64 * 1024, 0);
    class = ol_producer_open(&relay->kafka.settings, id, &relay->producer, reterr);
    if (class)
        return class;
    relay->events =
        ol_producer_topic(relay->producer, chain->topics[relay->context][STREAM_EVENTS].text);
    for (int to = 0; to < CONTEXT_COUNT; to++)
        relay->steps[to] = ol_producer_topic(relay->producer, chain->topics[to][STREAM_STEPS].text);
    const char *topics[] = {chain->topics[relay->context][STREAM_COMMANDS].text,
                            chain->topics[relay->context][STREAM_STEPS].text};
    const struct ol_consumer_options options = {
        .group = id,
        .instance = name,
        .topics = topics,
        .topic_count = 2,
        .partition_count = 2 * (size_t)chain->options->partitions,
    };
    return ol_consumer_open(&relay->kafka.settings, &options, &relay->consumer, reterr);
}

static void *run_relay(void *argument)
{
    struct relay *relay = argument;
    struct ol_error error = {0};
    enum ol_class class = open_relay(relay, &error);
    if (!class)
        class = serve(relay, &error);
    end_all(relay->chain, class, &error);
    ol_consumer_leave(relay->consumer, CLOSE_MS);
    ol_producer_close(relay->producer);
    ol_arena_release(&relay->arena);
    ol_kafka_connection_release(&relay->kafka);
    return NULL;
}

/* ---- a projector ---- */

static const char make_table[] =
    "CREATE TABLE IF NOT EXISTS orderlog.chain_rows ("
    "    context smallint, key text COLLATE \"C\", hop smallint, PRIMARY KEY (context, key, hop))";
static const struct ol_pg_statement add_rows = {
    "chain/rows",
    "INSERT INTO orderlog.chain_rows SELECT $1, key, hop FROM unnest($2, $3) AS new (key, hop)",
    NULL,
};
static const struct ol_pg_statement set_progress = {
    "chain/progress",
    "INSERT INTO orderlog.projection_progress AS old (topic, partition, projector_version,"
    " next_offset) SELECT $1, partition, 0, next FROM unnest($2, $3) AS new (partition, next)"
    " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
    NULL,
};

static enum ol_class write_rows(struct projector *projector, const bool touched[],
                                const int64_t nexts[], struct ol_error *reterr)
{
    const char *topic = projector->chain->topics[projector->context][STREAM_EVENTS].text;
    struct ol_pg_params rows = {0}, progress = {0};
    ol_pg_array_clear(&projector->partitions);
    ol_pg_array_clear(&projector->nexts);
    for (int32_t p = 0; p < (int32_t)projector->chain->options->partitions; p++)
        if (touched[p]) {
            ol_pg_array_int16(&projector->partitions, (int16_t)p);
            ol_pg_array_int64(&projector->nexts, nexts[p]);
        }
    ol_pg_param_int16(&rows, (int16_t)projector->context);
    ol_pg_param_array(&rows, &projector->keys);
    ol_pg_param_array(&rows, &projector->hops);
    ol_pg_param_text(&progress, topic, strlen(topic));
    ol_pg_param_array(&progress, &projector->partitions);
    ol_pg_param_array(&progress, &projector->nexts);
    enum ol_class class = ol_pg_queue(projector->db, &ol_pg_stmt_begin, NULL, reterr);
    if (!class)
        class = ol_pg_queue(projector->db, &add_rows, &rows, reterr);
    if (!class)
        class = ol_pg_queue(projector->db, &set_progress, &progress, reterr);
    if (!class)
        class = ol_pg_queue(projector->db, &ol_pg_stmt_commit, NULL, reterr);
    return class ? class
                 : ol_pg_receive(projector->db, NULL, ol_pg_queued(projector->db), 0, reterr);
}

static enum ol_class project(struct projector *projector, struct ol_error *reterr)
{
    struct ol_message messages[BATCH_INPUTS];
    bool touched[PARTITIONS_MAX] = {0};
    int64_t nexts[PARTITIONS_MAX];
    size_t count = 0;
    enum ol_class class =
        ol_reader_poll(projector->reader, IDLE_MS, messages, BATCH_INPUTS, &count, reterr);
    ol_pg_array_clear(&projector->keys);
    ol_pg_array_clear(&projector->hops);
    for (size_t i = 0; i < count; i++) {
        ol_pg_array_text(&projector->keys, messages[i].key, messages[i].key_bytes);
        ol_pg_array_int16(&projector->hops, ((const char *)messages[i].value)[1] - '0');
        touched[messages[i].partition] = true;
        nexts[messages[i].partition] = messages[i].offset + 1;
    }
    if (!class && count)
        class = write_rows(projector, touched, nexts, reterr);
    ol_messages_release(messages, count);
    return class;
}

static enum ol_class open_projector(struct projector *projector, struct ol_error *reterr)
{
    struct chain *chain = projector->chain;
    size_t partitions = (size_t)chain->options->partitions;
    struct ol_offset places[PARTITIONS_MAX];
    const struct ol_pg_options db = {.dsn = chain->options->pg_dsn,
                                     .synchronous_commit_off =
                                         strcmp(chain->options->projector_commit_sync, "off") == 0};
    ol_pg_array_init(&projector->keys, OL_PG_TEXT_ARRAY);
    ol_pg_array_init(&projector->hops, OL_PG_INT2_ARRAY);
    ol_pg_array_init(&projector->partitions, OL_PG_INT2_ARRAY);
    ol_pg_array_init(&projector->nexts, OL_PG_INT8_ARRAY);
    for (size_t p = 0; p < partitions; p++)
        places[p] = (struct ol_offset){chain->topics[projector->context][STREAM_EVENTS].text,
                                       (int32_t)p, OL_BEGINNING};
    enum ol_class class =
        ol_kafka_connection_init(&projector->kafka, chain->options, "bench-chain", reterr);
    if (!class)
        class = ol_pg_open(&db, &projector->db, reterr);
    if (!class)
        class = ol_reader_open(&projector->kafka.settings, OL_READ_COMMITTED, partitions,
                               &projector->reader, reterr);
    return class ? class : ol_reader_assign(projector->reader, places, partitions, reterr);
}

static void *run_projector(void *argument)
{
    struct projector *projector = argument;
    struct ol_error error = {0};
    enum ol_class class = open_projector(projector, &error);
    if (!class)
        note_ready(projector->chain);
    while (!class && !atomic_load(&is_over))
        class = project(projector, &error);
    end_all(projector->chain, class, &error);
    ol_reader_close(projector->reader);
    ol_pg_free(projector->db);
    ol_pg_array_release(&projector->keys);
    ol_pg_array_release(&projector->hops);
    ol_pg_array_release(&projector->partitions);
    ol_pg_array_release(&projector->nexts);
    ol_kafka_connection_release(&projector->kafka);
    return NULL;
}

/* ---- all of it ---- */

static void stop(int number)
{
    (void)number;
    atomic_store(&is_over, true);
}

static enum ol_class make_rows_table(const struct ol_options *options, struct ol_error *reterr)
{
    const struct ol_pg_options connection = {.dsn = options->pg_dsn};
    OL_AUTO(ol_pg) struct ol_pg *db = NULL;
    enum ol_class class = ol_pg_open(&connection, &db, reterr);
    return class ? class : ol_pg_script(db, "chain/table", make_table, NULL, reterr);
}

static enum ol_class run(struct chain *chain, struct ol_error *reterr)
{
    static struct relay relays[CONTEXT_COUNT];
    static struct projector projectors[CONTEXT_COUNT];
    pthread_t threads[2 * CONTEXT_COUNT];
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int stream = STREAM_COMMANDS; stream <= STREAM_EVENTS; stream++)
            chain->topics[i][stream] =
                topic_name(chain->options->topic_prefix, (enum context)i, (enum stream)stream);
    enum ol_class class = make_rows_table(chain->options, reterr);
    if (class)
        return class;
    size_t count = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        relays[i] = (struct relay){.chain = chain, .context = (enum context)i};
        projectors[i] = (struct projector){.chain = chain, .context = (enum context)i};
        if (pthread_create(&threads[count], NULL, run_relay, &relays[i]) == 0)
            count++;
        if (pthread_create(&threads[count], NULL, run_projector, &projectors[i]) == 0)
            count++;
    }
    if (count < 2 * CONTEXT_COUNT)
        atomic_store(&is_over, true);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (count < 2 * CONTEXT_COUNT)
        return ol_fail(reterr, OL_FATAL, "no thread to be had");
    return chain->class ? ol_fail(reterr, chain->class, "%s", chain->error.text) : OL_OK;
}

int main(int argc, char **argv)
{
    static struct chain chain;
    struct ol_options options;
    struct ol_error error = {0};
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    enum ol_class class =
        ol_options_init(&options, "bench_chain", OPTION_GROUPS, argc - 1, argv + 1, &error);
    if (!class) {
        ol_log_init(options.log_level, options.log_format);
        chain.options = &options;
        pthread_mutex_init(&chain.lock, NULL);
        class = run(&chain, &error);
        ol_options_release(&options);
    }
    if (class)
        fprintf(stderr, "bench_chain: %s\n", error.text);
    return ol_exit_code(class);
}
