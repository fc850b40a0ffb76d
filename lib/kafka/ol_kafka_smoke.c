/*
 * lib/kafka/ol_kafka_smoke.c - does the cluster keep the promises that exactly-once rests on?
 *
 * One scratch partition, a script of transactions over it; each step that can break has its own
 * sentence. Offsets: 0 kept, 1 marker, 2 dropped, 3 marker, then what the fenced producer and its
 * successor leave.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/kafka/ol_kafka_internal.h"

#define STEP_MS 10000

struct smoke {
    const struct ol_kafka_settings *settings;
    const char *topic;
    struct ol_admin *admin;
    struct ol_reader *reader; /* read_committed */
    struct ol_producer *producer, *successor;
    struct ol_error *reterr;
};

static enum ol_class broken(struct smoke *smoke, const char *promise)
{
    return ol_fail(smoke->reterr, OL_VIOLATED, "Kafka at %s: %s", smoke->settings->brokers,
                   promise);
}

static enum ol_class write_one(struct smoke *smoke, struct ol_producer *producer, const char *text)
{
    struct ol_record record = {
        .topic = ol_producer_topic(producer, smoke->topic),
        .key = "k",
        .value = text,
        .key_bytes = 1,
        .value_bytes = strlen(text),
    };
    enum ol_class class = ol_producer_begin(producer, smoke->reterr);
    return class ? class : ol_producer_produce(producer, &record, 1, smoke->reterr);
}

/* Waits until the end of the log, open transactions included, is `high`. */
static enum ol_class await_high(struct smoke *smoke, int64_t high)
{
    int64_t until = ol_clock_monotonic_ms() + STEP_MS;
    for (;;) {
        int64_t now_high;
        enum ol_class class = ol_admin_watermarks(smoke->admin, smoke->topic, 0, STEP_MS, NULL,
                                                  &now_high, smoke->reterr);
        if (class || now_high >= high)
            return class;
        if (ol_clock_monotonic_ms() > until)
            return broken(smoke, "a record of an open transaction does not reach the log");
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static enum ol_class make_topic(struct smoke *smoke, int replication_factor)
{
    const struct ol_setting settings[] = {{"message.timestamp.type", "LogAppendTime"}};
    const struct ol_topic_plan plan = {smoke->topic, 1, replication_factor, settings, 1};
    enum ol_class class =
        ol_admin_delete_topics(smoke->admin, &smoke->topic, 1, STEP_MS, smoke->reterr);
    return class ? class : ol_admin_create_topics(smoke->admin, &plan, 1, STEP_MS, smoke->reterr);
}

static enum ol_class check_commit(struct smoke *smoke)
{
    enum ol_class class = write_one(smoke, smoke->producer, "kept");
    return class ? class : ol_producer_commit(smoke->producer, NULL, smoke->reterr);
}

static enum ol_class check_abort(struct smoke *smoke)
{
    int64_t stable;
    enum ol_class class = write_one(smoke, smoke->producer, "dropped");
    if (!class)
        class = await_high(smoke, 3);
    if (!class)
        class = ol_reader_watermarks(smoke->reader, smoke->topic, 0, STEP_MS, NULL, &stable,
                                     smoke->reterr);
    if (class)
        return class;
    if (stable != 2)
        return broken(smoke, "the last stable offset passes an open transaction");
    return ol_producer_abort(smoke->producer, smoke->reterr);
}

static enum ol_class check_fence(struct smoke *smoke, const char *id)
{
    enum ol_class class = ol_producer_renew(smoke->producer, smoke->reterr);
    if (!class)
        class = write_one(smoke, smoke->producer, "fenced");
    if (!class)
        class = await_high(smoke, 5);
    if (!class)
        class = ol_producer_open(smoke->settings, id, &smoke->successor, smoke->reterr);
    if (class)
        return class;
    if (!ol_producer_commit(smoke->producer, NULL, smoke->reterr))
        return broken(smoke, "a producer commits after another has taken its transactional id");
    class = write_one(smoke, smoke->successor, "last");
    return class ? class : ol_producer_commit(smoke->successor, NULL, smoke->reterr);
}

static bool is_value(const struct ol_message *message, const char *text)
{
    return message->value_bytes == strlen(text) && !memcmp(message->value, text, strlen(text));
}

static enum ol_class check_read(struct smoke *smoke)
{
    const struct ol_offset start = {smoke->topic, 0, 0};
    struct ol_message messages[8];
    size_t count = 0;
    int64_t until = ol_clock_monotonic_ms() + STEP_MS;
    enum ol_class class = ol_reader_assign(smoke->reader, &start, 1, smoke->reterr);
    while (!class && !ol_reader_at_end(smoke->reader) && count < 8 &&
           ol_clock_monotonic_ms() < until) {
        size_t got;
        class =
            ol_reader_poll(smoke->reader, 100, messages + count, 8 - count, &got, smoke->reterr);
        count += got;
    }
    bool right = count == 2 && is_value(&messages[0], "kept") && is_value(&messages[1], "last");
    bool stamped = count && messages[0].timestamp_ms > 0;
    ol_messages_release(messages, count);
    if (class)
        return class;
    if (!right)
        return broken(smoke, "read_committed does not show exactly what was committed");
    return stamped ? OL_OK : broken(smoke, "records have no time");
}

static enum ol_class check_settings(struct smoke *smoke)
{
    struct ol_arena arena;
    struct ol_setting stamp = {"message.timestamp.type", NULL};
    ol_arena_init(&arena, 4096, 0);
    enum ol_class class = ol_admin_topic_settings(smoke->admin, smoke->topic, &stamp, 1, STEP_MS,
                                                  &arena, smoke->reterr);
    bool right = !class && stamp.value && !strcmp(stamp.value, "LogAppendTime");
    ol_arena_release(&arena);
    if (class)
        return class;
    return right ? OL_OK : broken(smoke, "a topic made with LogAppendTime does not have it");
}

static enum ol_class run(struct smoke *smoke, int replication_factor)
{
    char id[300];
    snprintf(id, sizeof id, "%.250s.smoke", smoke->topic);
    enum ol_class class = ol_admin_open(smoke->settings, &smoke->admin, smoke->reterr);
    if (!class)
        class = make_topic(smoke, replication_factor);
    if (!class)
        class =
            ol_reader_open(smoke->settings, OL_READ_COMMITTED, 1, &smoke->reader, smoke->reterr);
    if (!class)
        class = ol_producer_open(smoke->settings, id, &smoke->producer, smoke->reterr);
    if (!class)
        class = check_commit(smoke);
    if (!class)
        class = check_abort(smoke);
    if (!class)
        class = check_fence(smoke, id);
    if (!class)
        class = check_read(smoke);
    return class ? class : check_settings(smoke);
}

enum ol_class ol_kafka_smoke(const struct ol_kafka_settings *settings, const char *scratch_topic,
                             int replication_factor, struct ol_error *reterr)
{
    struct ol_error unwanted, ignored;
    struct smoke smoke = {
        .settings = settings,
        .topic = scratch_topic,
        .reterr = reterr ? reterr : &unwanted,
    };
    enum ol_class class = run(&smoke, replication_factor);
    ol_producer_close(smoke.producer);
    ol_producer_close(smoke.successor);
    ol_reader_close(smoke.reader);
    if (smoke.admin)
        ol_admin_delete_topics(smoke.admin, &scratch_topic, 1, STEP_MS, &ignored);
    ol_admin_close(smoke.admin);
    return class;
}
