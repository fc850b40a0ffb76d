#include "lib/kafka/ol_kafka_producer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"
#include "lib/kafka/ol_kafka_internal.h"
#include "lib/kafka/ol_offsets.h"
#include "lib/kafka/ol_taint.h"

/*
 * One transactional producer. Three things make it longer than its calls:
 *
 *   a thread     the library's calls block, and a commit may take as long as a broker's change of
 *                leader. Each runs on the handle's own thread with a bound; the owner waits for
 *                that, or, for a commit, goes on and looks at a descriptor
 *   a failure    ends the transaction and taints the handle, whatever it was: what the broker has
 *                done is not known here, and the log alone can tell
 *   taint        a request that went unanswered may still arrive, and under the old protocol it is
 *                taken for the next transaction's. So a handle that may have such a one is made
 *                anew, which raises its epoch and fences all it has ever sent
 *
 * A call that does not come back in its time leaves the handle stuck: the library still has our
 * memory, so that nothing is freed, and the process should end.
 */

/* What a call may take on top of the timeout that the library was given, before we call it
 * stuck. */
#define SLACK_MS   5000
#define DESTROY_MS 5000

/* ---- taint: late requests ---- */

/* Of one rd_kafka_t; lives as long. Written by its threads. */
struct taint {
    struct ol_taint seen; /* under the lock */
    atomic_bool tainted;  /* = seen.tainted, for readers; the reason is written before */
    pthread_mutex_t lock;
};

/* Gives the lock back. The flag is for readers that have no lock: it comes after the reason. */
static void taint_publish(struct taint *taint)
{
    if (taint->seen.tainted)
        atomic_store(&taint->tainted, true);
    pthread_mutex_unlock(&taint->lock);
}

static void taint_set(struct taint *taint, const char *words, const char *more)
{
    pthread_mutex_lock(&taint->lock);
    ol_taint_set(&taint->seen, "%s%s", words, more);
    taint_publish(taint);
}

/* Only what could change a transaction counts. The library calls this on its own threads. */
static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int socket, const char *broker,
                                           int32_t broker_id, int16_t key, int16_t version,
                                           int32_t correlation, size_t size, void *opaque)
{
    (void)rk, (void)socket, (void)broker_id, (void)version, (void)correlation, (void)size;
    struct taint *taint = opaque;
    int request = ol_taint_request_of(key);
    if (request < 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_lock(&taint->lock);
    ol_taint_sent(&taint->seen, (enum ol_taint_request)request, broker);
    taint_publish(taint);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Timeouts and lost connections come here too, with `code`. The library calls it twice for one
 * answer (broker thread, then main thread) and without a correlation id, so no counting here; the
 * second call still precedes whatever the library sends because of the answer. */
static rd_kafka_resp_err_t on_response_received(rd_kafka_t *rk, int socket, const char *broker,
                                                int32_t broker_id, int16_t key, int16_t version,
                                                int32_t correlation, size_t size, int64_t rtt_us,
                                                rd_kafka_resp_err_t code, void *opaque)
{
    (void)rk, (void)socket, (void)broker_id, (void)version, (void)correlation, (void)size;
    (void)rtt_us;
    struct taint *taint = opaque;
    int request = ol_taint_request_of(key);
    /* What is destroyed is fenced by whoever comes next. */
    if (request < 0 || code == RD_KAFKA_RESP_ERR__DESTROY)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_lock(&taint->lock);
    ol_taint_answered(&taint->seen, (enum ol_taint_request)request,
                      code ? rd_kafka_err2str(code) : NULL, broker);
    taint_publish(taint);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Added while the handle is made, so that the first request is seen, too. */
static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *words, size_t words_bytes)
{
    (void)conf, (void)words, (void)words_bytes;
    rd_kafka_resp_err_t code =
        rd_kafka_interceptor_add_on_request_sent(rk, "orderlog", on_request_sent, opaque);
    return code ? code
                : rd_kafka_interceptor_add_on_response_received(rk, "orderlog",
                                                                on_response_received, opaque);
}

static struct taint *taint_new(void)
{
    struct taint *taint = calloc(1, sizeof *taint);
    if (taint)
        pthread_mutex_init(&taint->lock, NULL);
    return taint;
}

static void taint_free(struct taint *taint)
{
    if (!taint)
        return;
    pthread_mutex_destroy(&taint->lock);
    free(taint);
}

/* ---- the handle and its thread ---- */

enum job {
    JOB_NONE,
    JOB_INIT,
    JOB_BEGIN,
    JOB_OFFSETS,
    JOB_COMMIT,
    JOB_OFFSETS_AND_COMMIT,
    JOB_ABORT,
    JOB_EXIT,
};

struct producer_topic {
    char *name;
    rd_kafka_topic_t *handle; /* NULL: made at the next use */
};

struct ol_producer {
    struct ol_kafka_settings settings;
    char *id;
    rd_kafka_t *rk; /* NULL: a renew failed */
    struct ol_kafka_voice *voice;
    struct taint *taint;
    struct producer_topic *topics;
    size_t topic_count, topic_capacity;
    bool in_transaction, started, stuck;

    /* The thread: one job at a time, handed over under the lock. */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum job job;
    bool done;
    rd_kafka_topic_partition_list_t *offsets;
    const rd_kafka_consumer_group_metadata_t *group;
    int64_t started_us;
    uint64_t took_us;
    struct ol_error result;
    int fd; /* readable: the started commit is over */
};

static rd_kafka_error_t *call_library(struct ol_producer *producer, enum job job, int timeout_ms)
{
    switch (job) {
    case JOB_INIT: return rd_kafka_init_transactions(producer->rk, timeout_ms);
    case JOB_BEGIN: return rd_kafka_begin_transaction(producer->rk);
    case JOB_OFFSETS:
        return rd_kafka_send_offsets_to_transaction(producer->rk, producer->offsets,
                                                    producer->group, timeout_ms);
    case JOB_COMMIT: return rd_kafka_commit_transaction(producer->rk, timeout_ms);
    case JOB_ABORT: return rd_kafka_abort_transaction(producer->rk, timeout_ms);
    default: abort();
    }
}

static const char *job_name(enum job job)
{
    switch (job) {
    case JOB_INIT: return "init transactions";
    case JOB_BEGIN: return "begin";
    case JOB_OFFSETS: return "send offsets";
    case JOB_COMMIT:
    case JOB_OFFSETS_AND_COMMIT: return "commit";
    case JOB_ABORT: return "abort";
    default: return "";
    }
}

/* How long the library may work on it. Finite also for commit, against the library's advice: what
 * it warns of (a state that no longer fits) ends with the renewal that follows any failure. */
static int job_timeout_ms(const struct ol_producer *producer, enum job job)
{
    switch (job) {
    case JOB_INIT: return OL_KAFKA_STARTUP_MS;
    case JOB_ABORT: return producer->settings.socket_timeout_ms;
    case JOB_OFFSETS_AND_COMMIT: return 2 * producer->settings.transaction_timeout_ms;
    default: return producer->settings.transaction_timeout_ms;
    }
}

/* Order of the tests: fatal, requires abort, retriable. Only the last is worth the same call with
 * the same arguments; it resumes where the call before stopped. */
static enum ol_class run_call(struct ol_producer *producer, enum job job)
{
    int64_t until = ol_clock_monotonic_ms() + job_timeout_ms(producer, job);
    for (;;) {
        rd_kafka_error_t *error = call_library(producer, job, ol_kafka_left_ms(until));
        if (!error)
            return OL_OK;
        bool again = !rd_kafka_error_is_fatal(error) && !rd_kafka_error_txn_requires_abort(error) &&
                     rd_kafka_error_is_retriable(error) && ol_clock_monotonic_ms() < until;
        if (!again)
            return ol_kafka_fail_error(producer->rk, error, &producer->result, job_name(job));
        rd_kafka_error_destroy(error);
    }
}

static void run_job(struct ol_producer *producer, enum job job)
{
    producer->result.class = OL_OK;
    /* Offsets and commit are one job: between the two there is nothing to decide, and the owner is
     * woken once. */
    if (job != JOB_OFFSETS_AND_COMMIT)
        run_call(producer, job);
    else if (!run_call(producer, JOB_OFFSETS))
        run_call(producer, JOB_COMMIT);
    producer->took_us = (uint64_t)(ol_clock_monotonic_us() - producer->started_us);
}

static void *producer_main(void *argument)
{
    struct ol_producer *producer = argument;
    pthread_mutex_lock(&producer->lock);
    for (;;) {
        while (!producer->job)
            pthread_cond_wait(&producer->changed, &producer->lock);
        enum job job = producer->job;
        pthread_mutex_unlock(&producer->lock);
        if (job == JOB_EXIT)
            return NULL;
        run_job(producer, job); /* unlocked: who asks whether it is done must not wait */
        pthread_mutex_lock(&producer->lock);
        producer->job = JOB_NONE;
        producer->done = true;
        uint64_t one = 1;
        if (producer->started && write(producer->fd, &one, sizeof one) < 0)
            assert(errno == EAGAIN);
        pthread_cond_broadcast(&producer->changed);
    }
}

static void hand_over(struct ol_producer *producer, enum job job)
{
    pthread_mutex_lock(&producer->lock);
    assert(!producer->job);
    producer->job = job;
    producer->done = false;
    producer->started_us = ol_clock_monotonic_us();
    pthread_cond_broadcast(&producer->changed);
    pthread_mutex_unlock(&producer->lock);
}

/* False: the deadline has passed with the job not done. It is not taken back: the library is still
 * in it. */
static bool await_job(struct ol_producer *producer, int timeout_ms)
{
    struct timespec until = ol_clock_in(timeout_ms + 1000);
    pthread_mutex_lock(&producer->lock);
    while (!producer->done &&
           pthread_cond_timedwait(&producer->changed, &producer->lock, &until) != ETIMEDOUT)
        ;
    bool done = producer->done;
    pthread_mutex_unlock(&producer->lock);
    return done;
}

static enum ol_class fail_stuck(struct ol_producer *producer, struct ol_error *reterr,
                                const char *what)
{
    producer->stuck = true;
    return ol_fail(reterr, OL_FATAL,
                   "%s of %s hangs inside librdkafka: its outcome is unknown, exit", what,
                   producer->id);
}

static enum ol_class finish(struct ol_producer *producer, enum job job, struct ol_error *reterr)
{
    if (!await_job(producer, job_timeout_ms(producer, job) + SLACK_MS))
        return fail_stuck(producer, reterr, job_name(job));
    if (!producer->result.class)
        return OL_OK;
    /* Whatever failed: the broker may yet get what it was about. */
    if (producer->taint)
        taint_set(producer->taint, job_name(job), " failed");
    return ol_fail(reterr, producer->result.class, "%s: %s", producer->id, producer->result.text);
}

static enum ol_class run(struct ol_producer *producer, enum job job, struct ol_error *reterr)
{
    if (producer->stuck)
        return fail_stuck(producer, reterr, job_name(job));
    hand_over(producer, job);
    return finish(producer, job, reterr);
}

/* ---- life ---- */

static enum ol_class connect_library(struct ol_producer *producer, struct ol_error *reterr)
{
    struct ol_kafka_value id = {"transactional.id", producer->id};
    rd_kafka_conf_t *conf = ol_kafka_conf(&producer->settings, OL_KIND_PRODUCER, &id, 1, reterr);
    if (!conf)
        return reterr->class;
    producer->taint = taint_new();
    if (!producer->taint) {
        rd_kafka_conf_destroy(conf);
        return ol_fail(reterr, OL_FATAL, "no memory for the producer %s", producer->id);
    }
    rd_kafka_conf_interceptor_add_on_new(conf, "orderlog", on_new, producer->taint);
    producer->rk =
        ol_kafka_new(&producer->settings, OL_KIND_PRODUCER, conf, &producer->voice, reterr);
    if (!producer->rk) {
        taint_free(producer->taint);
        producer->taint = NULL;
        return reterr->class;
    }
    return OL_OK;
}

/* Makes the topics known before the first record needs them: a record of a topic that is not known
 * yet waits for metadata inside the library, and the commit with it. */
static bool open_topic(struct ol_producer *producer, struct producer_topic *topic)
{
    if (!topic->handle)
        topic->handle = rd_kafka_topic_new(producer->rk, topic->name, NULL);
    return topic->handle != NULL;
}

static void close_topics(struct ol_producer *producer)
{
    for (size_t i = 0; i < producer->topic_count; i++) {
        if (producer->topics[i].handle)
            rd_kafka_topic_destroy(producer->topics[i].handle);
        producer->topics[i].handle = NULL;
    }
}

/* False: stuck. What the library may still touch, the taint among it, is then left to it. */
static bool disconnect_library(struct ol_producer *producer)
{
    if (!producer->rk)
        return true;
    close_topics(producer);
    struct taint *taint = producer->taint;
    if (!ol_kafka_destroy(producer->rk, producer->voice, 0, DESTROY_MS)) {
        producer->stuck = true;
        return false;
    }
    taint_free(taint);
    producer->rk = NULL;
    producer->voice = NULL;
    producer->taint = NULL;
    return true;
}

/* Timeouts at the start have another class: nobody is there. */
static enum ol_class init_transactions(struct ol_producer *producer, struct ol_error *reterr)
{
    struct ol_error error;
    enum ol_class class = run(producer, JOB_INIT, &error);
    if (!class)
        return OL_OK;
    char words[256] = "";
    if (!producer->stuck) {
        rd_kafka_poll(producer->rk, 0);
        ol_kafka_last_words(producer->voice, words, sizeof words);
    }
    if (class == OL_RETRY && *words)
        return ol_fail(reterr, OL_UNREACHABLE, "Kafka at %s does not answer: %s",
                       producer->settings.brokers, words);
    return ol_fail(reterr, class, "%s", error.text);
}

static enum ol_class start_thread(struct ol_producer *producer, struct ol_error *reterr)
{
    pthread_mutex_init(&producer->lock, NULL);
    ol_clock_cond_init(&producer->changed);
    int code = pthread_create(&producer->thread, NULL, producer_main, producer);
    if (!code)
        return OL_OK;
    pthread_mutex_destroy(&producer->lock);
    pthread_cond_destroy(&producer->changed);
    return ol_fail(reterr, OL_FATAL, "no thread for the producer %s: %s", producer->id,
                   strerror(code));
}

static void producer_free(struct ol_producer *producer)
{
    for (size_t i = 0; i < producer->topic_count; i++)
        free(producer->topics[i].name);
    free(producer->topics);
    if (producer->offsets)
        rd_kafka_topic_partition_list_destroy(producer->offsets);
    if (producer->fd >= 0)
        close(producer->fd);
    free(producer->id);
    free(producer);
}

enum ol_class ol_producer_open(const struct ol_kafka_settings *settings,
                               const char *transactional_id, struct ol_producer **ret_producer,
                               struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    struct ol_producer *producer = calloc(1, sizeof *producer);
    if (!producer)
        return ol_fail(reterr, OL_FATAL, "no memory for the producer %s", transactional_id);
    producer->settings = *settings;
    producer->id = strdup(transactional_id);
    producer->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!producer->id || producer->fd < 0) {
        producer_free(producer);
        return ol_fail(reterr, OL_FATAL, "no memory or file for the producer %s", transactional_id);
    }
    if (start_thread(producer, reterr)) {
        producer_free(producer);
        return OL_FATAL;
    }
    enum ol_class class = connect_library(producer, reterr);
    if (!class)
        class = init_transactions(producer, reterr);
    if (class) {
        ol_producer_close(producer);
        return class;
    }
    *ret_producer = producer;
    return OL_OK;
}

static void stop_thread(struct ol_producer *producer)
{
    hand_over(producer, JOB_EXIT);
    pthread_join(producer->thread, NULL);
    pthread_mutex_destroy(&producer->lock);
    pthread_cond_destroy(&producer->changed);
}

/* A started commit that nobody waited for: the library must be out of it before destroy. */
static void finish_started(struct ol_producer *producer)
{
    struct ol_error ignored;
    if (producer->started)
        ol_producer_commit_wait(producer, NULL, &ignored);
}

bool ol_producer_close(struct ol_producer *producer)
{
    if (!producer)
        return true;
    finish_started(producer);
    if (producer->stuck || !disconnect_library(producer))
        return false;
    stop_thread(producer);
    producer_free(producer);
    return true;
}

enum ol_class ol_producer_renew(struct ol_producer *producer, struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    finish_started(producer);
    if (producer->stuck || !disconnect_library(producer))
        return fail_stuck(producer, reterr, "close");
    producer->in_transaction = false;
    enum ol_class class = connect_library(producer, reterr);
    if (class)
        return class;
    /* Their numbers stay: records that are encoded already have them. */
    for (size_t i = 0; i < producer->topic_count; i++)
        open_topic(producer, &producer->topics[i]);
    class = init_transactions(producer, reterr);
    if (class)
        taint_set(producer->taint, "renew failed", "");
    return class;
}

int32_t ol_producer_topic(struct ol_producer *producer, const char *name)
{
    for (size_t i = 0; i < producer->topic_count; i++)
        if (!strcmp(producer->topics[i].name, name))
            return (int32_t)i;
    if (!OL_GROW(producer->topics, producer->topic_capacity, producer->topic_count + 1, 8))
        return -1;
    struct producer_topic topic = {.name = strdup(name)};
    if (!topic.name)
        return -1;
    if (producer->rk && !producer->stuck)
        open_topic(producer, &topic);
    producer->topics[producer->topic_count] = topic;
    return (int32_t)producer->topic_count++;
}

/* ---- a transaction ---- */

enum ol_class ol_producer_begin(struct ol_producer *producer, struct ol_error *reterr)
{
    assert(!producer->in_transaction && !producer->started);
    /* A late request of the last transaction would be taken for this one's: renew first. */
    assert(producer->stuck || !ol_producer_tainted(producer));
    if (!producer->stuck)
        rd_kafka_poll(producer->rk, 0); /* empties the queue of errors */
    enum ol_class class = run(producer, JOB_BEGIN, reterr);
    if (class)
        return class;
    producer->in_transaction = true;
    return OL_OK;
}

static rd_kafka_headers_t *make_headers(const struct ol_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
    for (size_t i = 0; headers && i < record->header_count; i++) {
        const struct ol_header *header = &record->headers[i];
        rd_kafka_header_add(headers, header->name, -1, header->value, (ssize_t)header->value_bytes);
    }
    return headers;
}

static rd_kafka_resp_err_t produce_with_headers(rd_kafka_t *rk, rd_kafka_topic_t *topic, int flags,
                                                const struct ol_record *record)
{
    rd_kafka_headers_t *headers = make_headers(record);
    if (!headers)
        return RD_KAFKA_RESP_ERR__FAIL;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
        RD_KAFKA_V_MSGFLAGS(flags), RD_KAFKA_V_KEY(record->key, record->key_bytes),
        RD_KAFKA_V_VALUE((void *)record->value, record->value_bytes), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(record->opaque), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

enum ol_class ol_kafka_produce_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, int flags,
                                   const struct ol_record *record, struct ol_error *reterr)
{
    assert(record->partition >= 0);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (record->header_count)
        code = produce_with_headers(rk, topic, flags, record);
    else if (rd_kafka_produce(topic, record->partition, flags, (void *)record->value,
                              record->value_bytes, record->key, record->key_bytes, record->opaque))
        code = rd_kafka_last_error();
    if (!code)
        return OL_OK;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return OL_RETRY; /* the caller waits for room; no text yet */
    ol_kafka_fail(reterr, code, NULL, "produce to %s [%d], %zu bytes", rd_kafka_topic_name(topic),
                  record->partition, record->value_bytes);
    return reterr->class;
}

/* The queue drains by itself; there is nothing to be called back for, so look again every 1 ms. */
static enum ol_class wait_for_room(struct ol_producer *producer, rd_kafka_topic_t *topic,
                                   const struct ol_record *record, struct ol_error *reterr)
{
    int64_t until = ol_clock_monotonic_ms() + producer->settings.message_timeout_ms;
    do {
        rd_kafka_flush(producer->rk, 1);
        reterr->class = OL_OK;
        enum ol_class class = ol_kafka_produce_one(producer->rk, topic, 0, record, reterr);
        if (class != OL_RETRY || reterr->class)
            return class;
    } while (ol_clock_monotonic_ms() < until);
    return ol_fail(reterr, OL_RETRY, "%s: the queue of %zu KiB stayed full for %d ms", producer->id,
                   producer->settings.send_budget_bytes >> 10,
                   producer->settings.message_timeout_ms);
}

static enum ol_class produce(struct ol_producer *producer, const struct ol_record *record,
                             struct ol_error *reterr)
{
    assert(record->topic >= 0 && (size_t)record->topic < producer->topic_count);
    struct producer_topic *topic = &producer->topics[record->topic];
    if (!open_topic(producer, topic))
        return ol_kafka_fail(reterr, rd_kafka_last_error(), NULL, "topic %s", topic->name);
    reterr->class = OL_OK;
    enum ol_class class = ol_kafka_produce_one(producer->rk, topic->handle, 0, record, reterr);
    if (class == OL_RETRY && !reterr->class)
        class = wait_for_room(producer, topic->handle, record, reterr);
    return class;
}

enum ol_class ol_producer_produce(struct ol_producer *producer, const struct ol_record *records,
                                  size_t count, struct ol_error *reterr)
{
    struct ol_error error;
    assert(producer->in_transaction && !producer->started);
    if (producer->stuck)
        return fail_stuck(producer, reterr, "produce");
    for (size_t i = 0; i < count; i++) {
        if (produce(producer, &records[i], &error)) {
            taint_set(producer->taint, "produce failed", "");
            return ol_fail(reterr, error.class, "%s: %s", producer->id, error.text);
        }
    }
    return OL_OK;
}

/* Copied, since the job reads them on another thread after the caller has gone on. The group is the
 * assignment's that the messages came by; a fresh one would let a member commit that has lost
 * them. */
static enum ol_class keep_offsets(struct ol_producer *producer, const struct ol_offset *offsets,
                                  size_t count, const struct ol_group *group,
                                  struct ol_error *reterr)
{
    enum ol_class class = ol_offsets_check(producer->id, offsets, count, reterr);
    if (class)
        return class;
    if (producer->offsets)
        rd_kafka_topic_partition_list_destroy(producer->offsets);
    producer->offsets = ol_kafka_list(offsets, count);
    producer->group = ol_group_metadata(group);
    return OL_OK;
}

enum ol_class ol_producer_send_offsets(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t count,
                                       const struct ol_group *group, struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    if (producer->stuck)
        return fail_stuck(producer, reterr, "send offsets");
    enum ol_class class = keep_offsets(producer, offsets, count, group, reterr);
    return class ? class : run(producer, JOB_OFFSETS, reterr);
}

static enum ol_class note_commit(struct ol_producer *producer, enum ol_class class,
                                 uint64_t *ret_us)
{
    producer->in_transaction = false;
    if (class == OL_OK && ret_us)
        *ret_us = producer->took_us;
    return class;
}

enum ol_class ol_producer_commit(struct ol_producer *producer, uint64_t *ret_us,
                                 struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    return note_commit(producer, run(producer, JOB_COMMIT, reterr), ret_us);
}

enum ol_class ol_producer_commit_start(struct ol_producer *producer,
                                       const struct ol_offset *offsets, size_t count,
                                       const struct ol_group *group, struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    if (producer->stuck)
        return fail_stuck(producer, reterr, "commit");
    enum ol_class class = keep_offsets(producer, offsets, count, group, reterr);
    if (class)
        return class;
    producer->started = true;
    hand_over(producer, JOB_OFFSETS_AND_COMMIT);
    return OL_OK;
}

int ol_producer_fd(const struct ol_producer *producer)
{
    return producer->fd;
}

bool ol_producer_commit_done(const struct ol_producer *producer)
{
    struct ol_producer *mine = (struct ol_producer *)producer;
    pthread_mutex_lock(&mine->lock);
    bool done = mine->done;
    pthread_mutex_unlock(&mine->lock);
    return done;
}

enum ol_class ol_producer_commit_wait(struct ol_producer *producer, uint64_t *ret_us,
                                      struct ol_error *reterr)
{
    assert(producer->in_transaction && producer->started);
    enum ol_class class = finish(producer, JOB_OFFSETS_AND_COMMIT, reterr);
    /* Emptied, or the next commit would seem to be over before it has begun. */
    uint64_t count;
    if (!producer->stuck && read(producer->fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN);
    producer->started = false;
    return note_commit(producer, class, ret_us);
}

enum ol_class ol_producer_abort(struct ol_producer *producer, struct ol_error *reterr)
{
    assert(producer->in_transaction && !producer->started);
    producer->in_transaction = false;
    if (producer->stuck)
        return fail_stuck(producer, reterr, "abort");
    taint_set(producer->taint, "aborted", "");
    return run(producer, JOB_ABORT, reterr);
}

/* ---- taint, seen from outside ---- */

bool ol_producer_tainted(const struct ol_producer *producer)
{
    return producer->stuck || !producer->taint || atomic_load(&producer->taint->tainted);
}

const char *ol_producer_taint_reason(const struct ol_producer *producer)
{
    if (!producer->taint)
        return "not connected";
    /* Written once, before the flag. */
    return atomic_load(&producer->taint->tainted) ? producer->taint->seen.reason : "";
}
