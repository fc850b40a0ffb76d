#include "lib/kafka/ol_kafka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_internal.h"

#define PRODUCERS (OL_KIND_PRODUCER | OL_KIND_PUBLISHER)
#define READERS   (OL_KIND_CONSUMER | OL_KIND_READER)
#define ALL       (PRODUCERS | READERS | OL_KIND_ADMIN)

#define ASK_AGAIN_MS 50

/* What every handle of a kind is made with. See docs/exactly-once.md and docs/traps.md. */
static const struct {
    unsigned kinds;
    const char *name, *value;
} fixed[] = {
    {ALL, "socket.nagle.disable", "true"},
    {ALL, "socket.keepalive.enable", "true"},
    {ALL, "reconnect.backoff.ms", "50"},
    {ALL, "reconnect.backoff.max.ms", "1000"},
    {ALL, "retry.backoff.ms", "5"},
    {ALL, "log.connection.close", "false"},
    /* A member whose question for metadata met a broker on its way down asks again only then. */
    {ALL, "topic.metadata.refresh.interval.ms", "5000"},
    {PRODUCERS, "enable.idempotence", "true"},
    {PRODUCERS, "acks", "all"},
    {PRODUCERS, "compression.type", "lz4"},
    {PRODUCERS, "queue.buffering.max.messages", "1000000"},
    {OL_KIND_PRODUCER, "message.max.bytes", "67108864"}, /* topics say how much they take */
    {PRODUCERS | READERS, "topic.metadata.propagation.max.ms", "5000"},
    {READERS | OL_KIND_ADMIN, "enable.auto.commit", "false"},
    {READERS | OL_KIND_ADMIN, "enable.auto.offset.store", "false"},
    {READERS | OL_KIND_ADMIN, "auto.offset.reset", "error"},
    {READERS | OL_KIND_ADMIN, "allow.auto.create.topics", "false"},
    {READERS, "enable.partition.eof", "true"},
    {READERS, "check.crcs", "true"},
    {READERS, "fetch.error.backoff.ms", "100"},
    {OL_KIND_CONSUMER, "isolation.level", "read_committed"},
    {OL_KIND_CONSUMER, "partition.assignment.strategy", "range"},
    {OL_KIND_ADMIN, "isolation.level", "read_uncommitted"},
};

/* What the rest of the settings is made of; `-X` may not touch it, the pipeline's promises would
 * go. */
static const char *const ours[] = {
    "acks",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
};

/* Code of librdkafka or of a broker -> what the caller's loop does. Others are OL_FATAL. */
static const struct {
    rd_kafka_resp_err_t code;
    enum ol_class class;
} class_rows[] = {
    /* servers come and go */
    {RD_KAFKA_RESP_ERR__TRANSPORT, OL_RETRY},
    {RD_KAFKA_RESP_ERR__RESOLVE, OL_RETRY},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, OL_RETRY},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, OL_RETRY},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, OL_RETRY},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, OL_RETRY},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, OL_RETRY},
    {RD_KAFKA_RESP_ERR__RETRY, OL_RETRY},
    {RD_KAFKA_RESP_ERR__IN_PROGRESS, OL_RETRY},
    {RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS, OL_RETRY},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, OL_RETRY},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, OL_RETRY},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, OL_RETRY},
    {RD_KAFKA_RESP_ERR__NODE_UPDATE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, OL_RETRY},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, OL_RETRY},
    {RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, OL_RETRY},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, OL_RETRY},
    {RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, OL_RETRY},
    {RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, OL_RETRY},
    {RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, OL_RETRY},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, OL_RETRY},
    {RD_KAFKA_RESP_ERR_NOT_CONTROLLER, OL_RETRY},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, OL_RETRY},
    {RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, OL_RETRY},
    /* this life is over, the next one may work: start from scratch */
    {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, OL_RETRY},
    {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, OL_RETRY},
    {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, OL_RETRY},
    {RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, OL_RETRY},
    {RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, OL_RETRY},
    {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, OL_RETRY},
    {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, OL_RETRY},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, OL_RETRY},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, OL_RETRY},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, OL_RETRY},
    {RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, OL_RETRY},
    {RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED, OL_RETRY},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, OL_RETRY},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, OL_RETRY},
    {RD_KAFKA_RESP_ERR__STATE, OL_RETRY},
    /* somebody else has our name */
    {RD_KAFKA_RESP_ERR__FENCED, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP, OL_CONFLICT},
    {RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC, OL_CONFLICT},
    /* this record can never be written */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, OL_POISON},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, OL_POISON},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, OL_POISON},
    /* names and arguments */
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, OL_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, OL_NOT_FOUND},
    {RD_KAFKA_RESP_ERR__UNKNOWN_GROUP, OL_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, OL_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, OL_NOT_FOUND},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, OL_USAGE},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, OL_USAGE},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, OL_USAGE},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, OL_USAGE},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, OL_USAGE},
    /* the log is not what it was */
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, OL_VIOLATED},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, OL_VIOLATED},
    {RD_KAFKA_RESP_ERR__BAD_MSG, OL_VIOLATED},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, OL_VIOLATED},
};

struct ol_kafka_settings ol_kafka_defaults(const char *brokers, const char *client_id)
{
    return (struct ol_kafka_settings){
        .brokers = brokers,
        .client_id = client_id,
        .transaction_timeout_ms = 10000,
        .message_timeout_ms = 8000,
        .socket_timeout_ms = 5000,
        .session_timeout_ms = 6000,
        .poll_timeout_ms = 60000,
        .fetch_wait_ms = 50,
        .linger_us = 5000,
        .fetch_budget_bytes = 16 << 20,
        .send_budget_bytes = 32 << 20,
        .batch_bytes = 1000000,
    };
}

const char *ol_kafka_version(void)
{
    return rd_kafka_version_str();
}

/* ---- errors ---- */

enum ol_class ol_kafka_class(rd_kafka_resp_err_t code)
{
    if (!code)
        return OL_OK;
    for (size_t i = 0; i < sizeof class_rows / sizeof *class_rows; i++)
        if (class_rows[i].code == code)
            return class_rows[i].class;
    return OL_FATAL;
}

enum ol_class ol_kafka_fail(struct ol_error *reterr, rd_kafka_resp_err_t code, const char *words,
                            const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return ol_fail(reterr, ol_kafka_class(code), "%s: %s (%s)", what,
                   words && *words ? words : rd_kafka_err2str(code), rd_kafka_err2name(code));
}

enum ol_class ol_kafka_fail_error(rd_kafka_t *rk, rd_kafka_error_t *error, struct ol_error *reterr,
                                  const char *what)
{
    char words[512];
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    snprintf(words, sizeof words, "%s", rd_kafka_error_string(error));
    /* The object may carry _FATAL or a follow-up; the handle knows the first cause. */
    if (rd_kafka_error_is_fatal(error)) {
        rd_kafka_resp_err_t cause = rd_kafka_fatal_error(rk, words, sizeof words);
        if (cause)
            code = cause;
    }
    rd_kafka_error_destroy(error);
    return ol_kafka_fail(reterr, code, words, "%s", what);
}

void ol_kafka_last_words(struct ol_kafka_voice *voice, char *text, size_t bytes)
{
    pthread_mutex_lock(&voice->lock);
    snprintf(text, bytes, "%s", voice->last_error);
    pthread_mutex_unlock(&voice->lock);
}

enum ol_class ol_kafka_fail_reach(const struct ol_kafka_settings *settings,
                                  struct ol_kafka_voice *voice, rd_kafka_resp_err_t code,
                                  struct ol_error *reterr, const char *what)
{
    bool away = code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE;
    if (!away)
        return ol_kafka_fail(reterr, code, NULL, "%s", what);
    char words[256];
    ol_kafka_last_words(voice, words, sizeof words);
    return ol_fail(reterr, OL_UNREACHABLE, "Kafka at %s does not answer%s%s", settings->brokers,
                   *words ? ": " : "", words);
}

/* ---- configuration ---- */

/* The value is not repeated: it may be a secret, under a misspelt name. */
static bool conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                     enum ol_class class, struct ol_error *reterr)
{
    char words[256];
    if (rd_kafka_conf_set(conf, name, value, words, sizeof words) == RD_KAFKA_CONF_OK)
        return true;
    ol_fail(reterr, class, "Kafka setting %s: %s", name, words);
    return false;
}

static bool conf_set_number(rd_kafka_conf_t *conf, const char *name, long long value,
                            struct ol_error *reterr)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    return conf_set(conf, name, text, OL_USAGE, reterr);
}

static bool conf_set_fixed(rd_kafka_conf_t *conf, enum ol_kafka_kind kind, struct ol_error *reterr)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if ((fixed[i].kinds & kind) &&
            !conf_set(conf, fixed[i].name, fixed[i].value, OL_FATAL, reterr))
            return false;
    return true;
}

static const char *kind_name(enum ol_kafka_kind kind)
{
    switch (kind) {
    case OL_KIND_PRODUCER: return "producer";
    case OL_KIND_PUBLISHER: return "publisher";
    case OL_KIND_CONSUMER: return "consumer";
    case OL_KIND_READER: return "reader";
    case OL_KIND_ADMIN: return "admin";
    }
    return "";
}

static bool conf_set_all(rd_kafka_conf_t *conf, const struct ol_kafka_settings *settings,
                         enum ol_kafka_kind kind, struct ol_error *reterr)
{
    char client[128];
    snprintf(client, sizeof client, "%.96s-%s", settings->client_id, kind_name(kind));
    return conf_set(conf, "bootstrap.servers", settings->brokers, OL_USAGE, reterr) &&
           conf_set(conf, "client.id", client, OL_USAGE, reterr) &&
           conf_set_number(conf, "socket.timeout.ms", settings->socket_timeout_ms, reterr) &&
           conf_set_number(conf, "socket.connection.setup.timeout.ms", settings->socket_timeout_ms,
                           reterr);
}

static bool conf_set_producers(rd_kafka_conf_t *conf, const struct ol_kafka_settings *settings,
                               enum ol_kafka_kind kind, struct ol_error *reterr)
{
    char linger[32];
    snprintf(linger, sizeof linger, "%d.%03d", settings->linger_us / 1000,
             settings->linger_us % 1000);
    return conf_set(conf, "linger.ms", linger, OL_USAGE, reterr) &&
           conf_set_number(conf, "message.timeout.ms", settings->message_timeout_ms, reterr) &&
           conf_set_number(conf, "queue.buffering.max.kbytes",
                           (long long)(settings->send_budget_bytes >> 10), reterr) &&
           conf_set_number(conf, "batch.size", (long long)settings->batch_bytes, reterr) &&
           (kind != OL_KIND_PRODUCER || conf_set_number(conf, "transaction.timeout.ms",
                                                        settings->transaction_timeout_ms, reterr));
}

static bool conf_set_consumer(rd_kafka_conf_t *conf, const struct ol_kafka_settings *settings,
                              struct ol_error *reterr)
{
    return conf_set_number(conf, "session.timeout.ms", settings->session_timeout_ms, reterr) &&
           conf_set_number(conf, "heartbeat.interval.ms", settings->session_timeout_ms / 6,
                           reterr) &&
           conf_set_number(conf, "max.poll.interval.ms", settings->poll_timeout_ms, reterr);
}

static bool is_ours(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strlen(ours[i]) == bytes && !memcmp(ours[i], name, bytes))
            return true;
    return false;
}

static bool conf_set_extra(rd_kafka_conf_t *conf, const char *extra, struct ol_error *reterr)
{
    const char *equals = strchr(extra, '=');
    char name[128];
    if (!equals || equals == extra || (size_t)(equals - extra) >= sizeof name) {
        ol_fail(reterr, OL_USAGE, "-X: write name=value");
        return false;
    }
    size_t bytes = (size_t)(equals - extra);
    memcpy(name, extra, bytes);
    name[bytes] = '\0';
    if (is_ours(name, bytes)) {
        ol_fail(reterr, OL_USAGE, "-X %s: exactly-once rests on this setting, it is not free",
                name);
        return false;
    }
    if (conf_set(conf, name, equals + 1, OL_USAGE, reterr))
        return true;
    ol_fail_in(reterr, "-X");
    return false;
}

static bool conf_fill(rd_kafka_conf_t *conf, const struct ol_kafka_settings *settings,
                      enum ol_kafka_kind kind, const struct ol_kafka_value *values,
                      size_t value_count, struct ol_error *reterr)
{
    if (!settings->brokers || !*settings->brokers) {
        ol_fail(reterr, OL_USAGE, "no Kafka brokers given");
        return false;
    }
    if (!conf_set_fixed(conf, kind, reterr) || !conf_set_all(conf, settings, kind, reterr))
        return false;
    if ((kind & PRODUCERS) && !conf_set_producers(conf, settings, kind, reterr))
        return false;
    if ((kind & READERS) &&
        !conf_set_number(conf, "fetch.wait.max.ms", settings->fetch_wait_ms, reterr))
        return false;
    if (kind == OL_KIND_CONSUMER && !conf_set_consumer(conf, settings, reterr))
        return false;
    for (size_t i = 0; i < value_count; i++)
        if (!conf_set(conf, values[i].name, values[i].text, OL_FATAL, reterr))
            return false;
    for (size_t i = 0; i < settings->extra_count; i++)
        if (!conf_set_extra(conf, settings->extra[i], reterr))
            return false;
    return true;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct ol_kafka_voice *voice = rd_kafka_opaque(rk);
    if (!voice || !voice->log)
        return;
    char line[512];
    snprintf(line, sizeof line, "%s: %s", facility, text);
    voice->log(voice->log_opaque, level, line);
}

static void on_error(rd_kafka_t *rk, int code, const char *words, void *opaque)
{
    (void)rk;
    struct ol_kafka_voice *voice = opaque;
    if (voice->reading && ol_kafka_class(code) != OL_RETRY && !voice->reading->error.class)
        ol_kafka_fail(&voice->reading->error, code, words, "read");
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return; /* says less than the lines before it */
    pthread_mutex_lock(&voice->lock);
    snprintf(voice->last_error, sizeof voice->last_error, "%s", words);
    pthread_mutex_unlock(&voice->lock);
}

rd_kafka_conf_t *ol_kafka_conf(const struct ol_kafka_settings *settings, enum ol_kafka_kind kind,
                               const struct ol_kafka_value *values, size_t value_count,
                               struct ol_error *reterr)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf_fill(conf, settings, kind, values, value_count, reterr)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

enum ol_class ol_kafka_check(const struct ol_kafka_settings *settings, struct ol_error *reterr)
{
    static const enum ol_kafka_kind kinds[] = {OL_KIND_PRODUCER, OL_KIND_CONSUMER};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct ol_error error;
        rd_kafka_conf_t *conf = ol_kafka_conf(settings, kinds[i], NULL, 0, &error);
        if (!conf)
            return ol_fail(reterr, error.class, "%s", error.text);
        rd_kafka_conf_destroy(conf);
    }
    return OL_OK;
}

#define FETCH_BYTES_MIN ((size_t)64 << 10)
#define FETCH_BYTES_MAX ((size_t)1 << 20)
#define FETCH_PART      8 /* of the share */

void ol_kafka_share(const struct ol_kafka_settings *settings, size_t partition_count,
                    struct ol_kafka_shares *shares, struct ol_kafka_value *ret_values)
{
    /* A partition is fetched on while less than `queued` is in its queue, so one fetch may come on
     * top. With all of a broker's partitions above it the library looks again only after a second
     * (docs/traps.md). A fetch counts packed, a queue unpacked: small fetches, so that a reader
     * that takes what comes is not put to sleep. */
    size_t share = settings->fetch_budget_bytes / (partition_count ? partition_count : 1);
    size_t fetch = share / FETCH_PART < FETCH_BYTES_MAX ? share / FETCH_PART : FETCH_BYTES_MAX;
    if (fetch < FETCH_BYTES_MIN)
        fetch = FETCH_BYTES_MIN;
    size_t queued = share > FETCH_PART * fetch ? share - fetch : (FETCH_PART - 1) * fetch;
    snprintf(shares->queued_kbytes, sizeof shares->queued_kbytes, "%zu", queued >> 10);
    snprintf(shares->fetch_bytes, sizeof shares->fetch_bytes, "%zu", fetch);
    ret_values[0] = (struct ol_kafka_value){"queued.max.messages.kbytes", shares->queued_kbytes};
    ret_values[1] = (struct ol_kafka_value){"fetch.message.max.bytes", shares->fetch_bytes};
}

/* ---- handles ---- */

static void voice_free(struct ol_kafka_voice *voice)
{
    if (!voice)
        return;
    pthread_mutex_destroy(&voice->lock);
    free(voice);
}

rd_kafka_t *ol_kafka_new(const struct ol_kafka_settings *settings, enum ol_kafka_kind kind,
                         rd_kafka_conf_t *conf, struct ol_kafka_voice **ret_voice,
                         struct ol_error *reterr)
{
    struct ol_kafka_voice *voice = calloc(1, sizeof *voice);
    if (!voice) {
        rd_kafka_conf_destroy(conf);
        ol_fail(reterr, OL_FATAL, "no memory for a Kafka %s", kind_name(kind));
        return NULL;
    }
    voice->log = settings->log;
    voice->log_opaque = settings->log_opaque;
    pthread_mutex_init(&voice->lock, NULL);
    rd_kafka_conf_set_opaque(conf, voice);

    char words[256];
    rd_kafka_type_t type = kind & PRODUCERS ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
    rd_kafka_t *rk = rd_kafka_new(type, conf, words, sizeof words);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        voice_free(voice);
        ol_fail(reterr, settings->extra_count ? OL_USAGE : OL_FATAL, "Kafka %s: %s",
                kind_name(kind), words);
        return NULL;
    }
    *ret_voice = voice;
    return rk;
}

struct destruction {
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
    int flags;
};

static void destroy_work(void *argument)
{
    struct destruction *destruction = argument;
    rd_kafka_destroy_flags(destruction->rk, destruction->flags);
    voice_free(destruction->voice);
    free(destruction);
}

bool ol_kafka_destroy(rd_kafka_t *rk, struct ol_kafka_voice *voice, int flags, int timeout_ms)
{
    if (!rk)
        return true;
    struct destruction *destruction = malloc(sizeof *destruction);
    if (!destruction)
        return false;
    *destruction = (struct destruction){rk, voice, flags};
    return ol_kafka_bounded(destroy_work, destruction, timeout_ms);
}

/* Shared by the caller and the thread; the last one to leave frees it. */
struct bounded {
    void (*work)(void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned;
};

static void bounded_free(struct bounded *bounded)
{
    pthread_mutex_destroy(&bounded->lock);
    pthread_cond_destroy(&bounded->changed);
    free(bounded);
}

static void *bounded_main(void *argument)
{
    struct bounded *bounded = argument;
    bounded->work(bounded->argument);
    pthread_mutex_lock(&bounded->lock);
    bounded->done = true;
    bool last = bounded->abandoned;
    pthread_cond_signal(&bounded->changed);
    pthread_mutex_unlock(&bounded->lock);
    if (last)
        bounded_free(bounded);
    return NULL;
}

static bool bounded_wait(struct bounded *bounded, int timeout_ms)
{
    struct timespec until = ol_clock_in(timeout_ms);
    pthread_mutex_lock(&bounded->lock);
    while (!bounded->done &&
           pthread_cond_timedwait(&bounded->changed, &bounded->lock, &until) != ETIMEDOUT)
        ;
    bool done = bounded->done;
    bounded->abandoned = !done;
    pthread_mutex_unlock(&bounded->lock);
    return done;
}

bool ol_kafka_bounded(void (*work)(void *argument), void *argument, int timeout_ms)
{
    struct bounded *bounded = calloc(1, sizeof *bounded);
    if (!bounded)
        return false;
    bounded->work = work;
    bounded->argument = argument;
    pthread_mutex_init(&bounded->lock, NULL);
    ol_clock_cond_init(&bounded->changed);

    pthread_t thread;
    if (pthread_create(&thread, NULL, bounded_main, bounded)) {
        bounded_free(bounded);
        return false;
    }
    if (!bounded_wait(bounded, timeout_ms)) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    bounded_free(bounded);
    return true;
}

enum ol_class ol_kafka_ping(const struct ol_kafka_settings *settings, int timeout_ms,
                            struct ol_error *reterr)
{
    rd_kafka_conf_t *conf = ol_kafka_conf(settings, OL_KIND_ADMIN, NULL, 0, reterr);
    if (!conf)
        return reterr ? reterr->class : OL_USAGE;
    struct ol_kafka_voice *voice;
    rd_kafka_t *rk = ol_kafka_new(settings, OL_KIND_ADMIN, conf, &voice, reterr);
    if (!rk)
        return reterr ? reterr->class : OL_USAGE;

    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, NULL, &metadata, timeout_ms);
    rd_kafka_poll(rk, 0); /* the errors' texts come this way */
    enum ol_class class = OL_OK;
    if (code)
        class = ol_kafka_fail_reach(settings, voice, code, reterr, "Kafka metadata");
    else
        rd_kafka_metadata_destroy(metadata);
    ol_kafka_destroy(rk, voice, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, 2000);
    return class;
}

/* ---- small things ---- */

int ol_kafka_left_ms(int64_t until_ms)
{
    int64_t left_ms = until_ms - ol_clock_monotonic_ms();
    return left_ms > 1 ? (int)left_ms : 1;
}

bool ol_kafka_ask_again(int64_t until_ms)
{
    if (ol_clock_monotonic_ms() >= until_ms)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_MS * 1000000L}, NULL);
    return true;
}

rd_kafka_topic_partition_list_t *ol_kafka_list(const struct ol_offset *places, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    if (!list)
        return NULL;
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, places[i].topic, places[i].partition)->offset =
            places[i].offset;
    return list;
}

enum ol_class ol_kafka_list_read(const rd_kafka_topic_partition_list_t *list,
                                 struct ol_offset *places, size_t count, const char *what,
                                 struct ol_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)list, places[i].topic, places[i].partition);
        if (!row)
            return ol_fail(reterr, OL_FATAL, "%s: no answer for %s [%d]", what, places[i].topic,
                           places[i].partition);
        if (row->err)
            return ol_kafka_fail(reterr, row->err, NULL, "%s of %s [%d]", what, places[i].topic,
                                 places[i].partition);
        places[i].offset = row->offset < 0 ? -1 : row->offset;
    }
    return OL_OK;
}

/* RD_KAFKA_OFFSET_BEGINNING or _END as a number. Not rd_kafka_query_watermark_offsets(): where the
 * broker is away that one waits beyond its timeout (librdkafka 2.0.2, docs/traps.md). */
static rd_kafka_resp_err_t ask_end(rd_kafka_t *rk, const char *topic, int32_t partition,
                                   int64_t which, int timeout_ms, int64_t *ret_offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_add(list, topic, partition);
    place->offset = which;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    if (!code)
        code = place->err;
    *ret_offset = place->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

enum ol_class ol_kafka_watermarks(rd_kafka_t *rk, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr)
{
    int64_t low = -1, high = -1, until = ol_clock_monotonic_ms() + timeout_ms;
    rd_kafka_resp_err_t code;
    bool leader_comes;
    do {
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (ret_low)
            code = ask_end(rk, topic, partition, RD_KAFKA_OFFSET_BEGINNING, ol_kafka_left_ms(until),
                           &low);
        if (!code)
            code =
                ask_end(rk, topic, partition, RD_KAFKA_OFFSET_END, ol_kafka_left_ms(until), &high);
        leader_comes = code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
                       code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    } while (leader_comes && ol_kafka_ask_again(until));
    if (code)
        return ol_kafka_fail(reterr, code, NULL, "watermarks of %s [%d]", topic, partition);
    if (ret_low)
        *ret_low = low;
    *ret_high = high;
    return OL_OK;
}

void ol_kafka_tell_open(struct ol_text *text, const char *brokers, const struct ol_offset *place)
{
    ol_text_addf(text,
                 "%s partition %d from offset %lld on: an open transaction (whose, tells: "
                 "kafka-transactions.sh --bootstrap-server %s describe-producers --topic %s "
                 "--partition %d)",
                 place->topic, place->partition, (long long)place->offset, brokers, place->topic,
                 place->partition);
}

/* ---- messages ---- */

void ol_message_release(struct ol_message *message)
{
    if (message->handle)
        rd_kafka_message_destroy(message->handle);
    message->handle = NULL;
}

void ol_messages_release(struct ol_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ol_message_release(&messages[i]);
}

bool ol_message_header(const struct ol_message *message, size_t index, struct ol_header *ret_header)
{
    rd_kafka_headers_t *headers;
    struct ol_header header;
    if (rd_kafka_message_headers(message->handle, &headers) ||
        rd_kafka_header_get_all(headers, index, &header.name, &header.value, &header.value_bytes))
        return false;
    *ret_header = header;
    return true;
}

bool ol_message_header_named(const struct ol_message *message, const char *name,
                             struct ol_header *ret_header)
{
    rd_kafka_headers_t *headers;
    struct ol_header header = {.name = name};
    if (rd_kafka_message_headers(message->handle, &headers) ||
        rd_kafka_header_get_last(headers, name, &header.value, &header.value_bytes))
        return false;
    *ret_header = header;
    return true;
}
