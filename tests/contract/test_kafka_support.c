#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ol_arena.h"
#include "tests/contract/test_kafka.h"

static char names[64][128];
static const char *topics[64];
static size_t name_count, topic_count;
static struct ol_arena texts;

static void log_line(void *opaque, int level, const char *text)
{
    (void)opaque;
    if (getenv("TEST_KAFKA_LOG"))
        fprintf(stderr, "%%%d %s\n", level, text);
}

struct ol_kafka_settings test_settings(void)
{
    const char *brokers = getenv("ORDERLOG_KAFKA_BROKERS");
    if (!brokers)
        cr_skip_test("ORDERLOG_KAFKA_BROKERS is not set");
    struct ol_kafka_settings settings = ol_kafka_defaults(brokers, "test");
    settings.log = log_line;
    return settings;
}

const char *test_name(const char *label)
{
    cr_assert_lt(name_count, sizeof names / sizeof *names);
    char *name = names[name_count];
    snprintf(name, sizeof names[0], "test-%s-%d-%lld-%zu", label, (int)getpid(),
             (long long)time(NULL), name_count);
    name_count++;
    return name;
}

const char *test_topic(const char *label, int partition_count)
{
    struct ol_kafka_settings settings = test_settings();
    const struct ol_setting values[] = {
        {"message.timestamp.type", "LogAppendTime"},
        {"retention.ms", "-1"},
    };
    struct ol_topic_plan plan = {test_name(label), partition_count, 1, values, 2};
    struct ol_admin *admin;
    MUST(ol_admin_open(&settings, &admin, reterr));
    MUST(ol_admin_create_topics(admin, &plan, 1, WAIT_MS, reterr));
    cr_assert(ol_admin_close(admin));
    topics[topic_count++] = plan.name;
    return plan.name;
}

void test_clean(void)
{
    ol_arena_release(&texts);
    if (!topic_count)
        return;
    struct ol_kafka_settings settings = test_settings();
    struct ol_admin *admin;
    MUST(ol_admin_open(&settings, &admin, reterr));
    MUST(ol_admin_delete_topics(admin, topics, topic_count, WAIT_MS, reterr));
    cr_assert(ol_admin_close(admin));
    topic_count = 0;
}

uint64_t test_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t test_now_ms(void)
{
    return (int64_t)(test_now_us() / 1000);
}

size_t test_read_all(const char *topic, int partition_count, enum ol_isolation isolation,
                     struct ol_message *messages, size_t max)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_offset starts[64];
    struct ol_reader *reader;
    size_t count = 0;
    if (!texts.block_bytes)
        ol_arena_init(&texts, 4096, 0);
    for (int i = 0; i < partition_count; i++)
        starts[i] = (struct ol_offset){topic, i, 0};
    MUST(ol_reader_open(&settings, isolation, (size_t)partition_count, &reader, reterr));
    MUST(ol_reader_assign(reader, starts, (size_t)partition_count, reterr));
    int64_t until = test_now_ms() + WAIT_MS;
    while (!ol_reader_at_end(reader)) {
        size_t got;
        cr_assert_lt(test_now_ms(), until);
        MUST(ol_reader_poll(reader, 500, messages + count, max - count, &got, reterr));
        count += got;
    }
    /* The bytes go with the reader: keep what tests compare. */
    for (size_t i = 0; i < count; i++) {
        messages[i].topic = topic;
        messages[i].key = ol_arena_copy(&texts, messages[i].key, messages[i].key_bytes);
        messages[i].value = ol_arena_copy(&texts, messages[i].value, messages[i].value_bytes);
        ol_message_release(&messages[i]);
    }
    cr_assert(ol_reader_close(reader));
    return count;
}

struct ol_record test_record(int32_t topic, int32_t partition, const char *value)
{
    return (struct ol_record){
        .topic = topic,
        .partition = partition,
        .key = "key",
        .key_bytes = 3,
        .value = value,
        .value_bytes = strlen(value),
    };
}

enum ol_consumer_event test_event(struct ol_consumer *consumer)
{
    int64_t until = test_now_ms() + WAIT_MS;
    for (;;) {
        enum ol_consumer_event event;
        MUST(ol_consumer_poll(consumer, &event, reterr));
        if (event)
            return event;
        cr_assert_lt(test_now_ms(), until, "no rebalance came");
        ol_consumer_wait(consumer, -1, (int)(until - test_now_ms()));
    }
}

enum ol_class test_take(struct ol_consumer *consumer, struct ol_message *messages, size_t max,
                        size_t *ret_count, struct ol_error *reterr)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(consumer, &inboxes), turn = 0;
    return ol_inboxes_take(inboxes, count, &turn, messages, max, ret_count, reterr);
}
