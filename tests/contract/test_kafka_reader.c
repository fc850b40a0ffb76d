#include <stdio.h>
#include <string.h>

#include "tests/contract/test_kafka.h"

TestSuite(kafka_reader, .fini = test_clean, .timeout = 120);
TestSuite(kafka_admin, .fini = test_clean, .timeout = 120);
TestSuite(kafka_publisher, .fini = test_clean, .timeout = 120);

static void write_one(struct ol_producer *producer, const char *topic, int32_t partition)
{
    struct ol_record record = test_record(ol_producer_topic(producer, topic), partition, "x");
    MUST(ol_producer_begin(producer, reterr));
    MUST(ol_producer_produce(producer, &record, 1, reterr));
}

static int64_t high_of(struct ol_reader *reader, const char *topic)
{
    int64_t low, high;
    MUST(ol_reader_watermarks(reader, topic, 0, WAIT_MS, &low, &high, reterr));
    cr_assert_eq(low, 0);
    return high;
}

/* The broker answers INVALID_TXN_STATE to an abort that overtakes the transaction's first
 * partition: there is nothing to abort then. Either way the producer is tainted and the caller
 * renews it. */
static void abort_transaction(struct ol_producer *producer)
{
    struct ol_error error = {0};
    enum ol_class class = ol_producer_abort(producer, &error);
    cr_assert(class == OL_OK || strstr(error.text, "INVALID_TXN_STATE"), "%s", error.text);
}

Test(kafka_reader, tells_the_last_stable_offset_from_the_high_watermark)
{
    struct ol_kafka_settings settings = test_settings();
    const char *topic = test_topic("watermarks", 1);
    struct ol_producer *producer;
    struct ol_reader *stable, *all;
    MUST(ol_producer_open(&settings, test_name("watermarks"), &producer, reterr));
    MUST(ol_reader_open(&settings, OL_READ_COMMITTED, 1, &stable, reterr));
    MUST(ol_reader_open(&settings, OL_READ_UNCOMMITTED, 1, &all, reterr));

    write_one(producer, topic, 0);
    MUST(ol_producer_commit(producer, NULL, reterr));
    /* The answer of commit comes before the marker is written: wait for it. */
    for (int64_t until = test_now_ms() + WAIT_MS; high_of(stable, topic) < 2;)
        cr_assert_lt(test_now_ms(), until);

    write_one(producer, topic, 0);
    for (int64_t until = test_now_ms() + WAIT_MS; high_of(all, topic) < 3;)
        cr_assert_lt(test_now_ms(), until);
    cr_assert_eq(high_of(stable, topic), 2);

    struct ol_admin *admin;
    int64_t low, high, stable_end;
    MUST(ol_admin_open(&settings, &admin, reterr));
    MUST(ol_admin_watermarks(admin, topic, 0, WAIT_MS, &low, &high, reterr));
    cr_assert_eq(high, 3);
    MUST(ol_admin_ends(admin, stable, topic, 0, WAIT_MS, &stable_end, &high, reterr));
    cr_assert_eq(stable_end, 2);
    cr_assert_eq(high, 3);
    cr_assert(ol_admin_close(admin));
    cr_assert(ol_producer_close(producer));
    cr_assert(ol_reader_close(stable));
    cr_assert(ol_reader_close(all));
}

Test(kafka_reader, passes_trailing_markers_with_its_position)
{
    struct ol_kafka_settings settings = test_settings();
    const char *topic = test_topic("markers", 2);
    struct ol_producer *producer;
    MUST(ol_producer_open(&settings, test_name("markers"), &producer, reterr));
    write_one(producer, topic, 0); /* 0, marker 1 */
    MUST(ol_producer_commit(producer, NULL, reterr));
    struct ol_reader *reader;
    MUST(ol_reader_open(&settings, OL_READ_UNCOMMITTED, 1, &reader, reterr));
    write_one(producer, topic, 0); /* 2, abort marker 3 */
    for (int64_t until = test_now_ms() + WAIT_MS; high_of(reader, topic) < 3;)
        cr_assert_lt(test_now_ms(), until);
    abort_transaction(producer);
    cr_assert(ol_producer_close(producer));
    cr_assert(ol_reader_close(reader));

    struct ol_message messages[8];
    const struct ol_offset starts[] = {{topic, 0, 0}, {topic, 1, 0}};
    size_t count = 0, got;
    MUST(ol_reader_open(&settings, OL_READ_COMMITTED, 2, &reader, reterr));
    MUST(ol_reader_assign(reader, starts, 2, reterr));
    cr_assert_not(ol_reader_at_end(reader));
    for (int64_t until = test_now_ms() + WAIT_MS; ol_reader_position(reader, 0) < 4;) {
        cr_assert_lt(test_now_ms(), until, "position %lld",
                     (long long)ol_reader_position(reader, 0));
        MUST(ol_reader_poll(reader, 500, messages + count, 8 - count, &got, reterr));
        count += got;
    }
    cr_assert_eq(count, 1);
    cr_assert_eq(ol_reader_position(reader, 0), 4);
    ol_messages_release(messages, count);

    /* Again, from elsewhere. */
    const struct ol_offset again[] = {{topic, 0, 1}};
    MUST(ol_reader_assign(reader, again, 1, reterr));
    while (!ol_reader_at_end(reader)) {
        MUST(ol_reader_poll(reader, 500, messages, 8, &got, reterr));
        cr_assert_eq(got, 0);
    }
    cr_assert_eq(ol_reader_position(reader, 0), 4);
    const struct ol_offset end[] = {{topic, 0, OL_END}};
    MUST(ol_reader_assign(reader, end, 1, reterr));
    while (!ol_reader_at_end(reader))
        MUST(ol_reader_poll(reader, 500, messages, 8, &got, reterr));
    cr_assert_eq(ol_reader_position(reader, 0), 4);
    cr_assert(ol_reader_close(reader));
}

static enum ol_class read_error(const char *topic, int32_t partition, int64_t offset)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_reader *reader;
    struct ol_offset start = {topic, partition, offset};
    struct ol_error error = {.class = OL_OK, .text = ""};
    MUST(ol_reader_open(&settings, OL_READ_COMMITTED, 1, &reader, reterr));
    MUST(ol_reader_assign(reader, &start, 1, reterr));
    enum ol_class class = OL_OK;
    for (int64_t until = test_now_ms() + WAIT_MS; !class && test_now_ms() < until;) {
        struct ol_message message;
        size_t got;
        class = ol_reader_poll(reader, 500, &message, 1, &got, &error);
        cr_assert_eq(got, 0);
    }
    fprintf(stderr, "%s: %s\n", ol_class_name(class), error.text);
    cr_assert(ol_reader_close(reader));
    return class;
}

Test(kafka_reader, says_what_can_not_be_read)
{
    const char *topic = test_topic("errors", 1);
    cr_assert_eq(read_error(topic, 0, 100), OL_VIOLATED);
    cr_assert_eq(read_error(topic, 5, 0), OL_NOT_FOUND);
    cr_assert_eq(read_error(test_name("missing"), 0, 0), OL_NOT_FOUND);
}

Test(kafka_admin, makes_describes_and_deletes_topics)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_admin *admin;
    struct ol_arena arena;
    const struct ol_setting wanted[] = {
        {"message.timestamp.type", "LogAppendTime"},
        {"retention.ms", "-1"},
        {"cleanup.policy", "delete"},
        {"min.insync.replicas", "1"},
        {"max.message.bytes", "300000"},
    };
    struct ol_topic_plan plan = {test_name("admin"), 3, 1, wanted, 5};
    struct ol_topic_state states[] = {{.name = plan.name}, {.name = "never-made"}};
    ol_arena_init(&arena, 4096, 0);
    MUST(ol_admin_open(&settings, &admin, reterr));
    MUST(ol_admin_create_topics(admin, &plan, 1, WAIT_MS, reterr));
    MUST(ol_admin_create_topics(admin, &plan, 1, WAIT_MS, reterr)); /* no failure */
    MUST(ol_admin_describe_topics(admin, states, 2, WAIT_MS, reterr));
    cr_assert_eq(states[0].partition_count, 3);
    cr_assert_eq(states[0].replication_factor, 1);
    cr_assert_eq(states[1].partition_count, 0);

    struct ol_setting found[] = {
        {.name = "max.message.bytes"}, {.name = "message.timestamp.type"}, {.name = "no.such"}};
    MUST(ol_admin_topic_settings(admin, plan.name, found, 3, WAIT_MS, &arena, reterr));
    cr_assert_str_eq(found[0].value, "300000");
    cr_assert_str_eq(found[1].value, "LogAppendTime");
    cr_assert_null(found[2].value);

    struct ol_error error;
    const struct ol_setting bad[] = {{"no.such.setting", "1"}};
    struct ol_topic_plan bad_plan = {test_name("bad"), 1, 1, bad, 1};
    cr_assert_eq(ol_admin_create_topics(admin, &bad_plan, 1, WAIT_MS, &error), OL_USAGE, "%s",
                 error.text);
    fprintf(stderr, "%s\n", error.text);

    const char *id;
    MUST(ol_admin_cluster_id(admin, WAIT_MS, &arena, &id, reterr));
    cr_assert_gt(strlen(id), 10);
    MUST(ol_admin_delete_topics(admin, &plan.name, 1, WAIT_MS, reterr));
    MUST(ol_admin_delete_topics(admin, &plan.name, 1, WAIT_MS, reterr)); /* no failure */
    MUST(ol_admin_describe_topics(admin, states, 1, WAIT_MS, reterr));
    cr_assert_eq(states[0].partition_count, 0);
    ol_arena_release(&arena);
    cr_assert(ol_admin_close(admin));
}

struct receipts {
    size_t count, right;
    int64_t last;
};

static void on_receipt(void *context, const struct ol_receipt *receipt)
{
    struct receipts *receipts = context;
    receipts->count++;
    receipts->right += receipt->class == OL_OK && receipt->opaque == receipts;
    receipts->last = receipt->place.offset;
}

Test(kafka_publisher, gives_one_receipt_each_and_times_find_them)
{
    enum { COUNT = 50000 };
    struct ol_kafka_settings settings = test_settings();
    settings.send_budget_bytes = 1 << 20; /* full again and again */
    const char *topic = test_topic("publish", 1);
    struct ol_publisher_handle *publisher;
    struct receipts receipts = {.count = 0};
    MUST(ol_publisher_open(&settings, on_receipt, &receipts, &publisher, reterr));
    char value[200];
    memset(value, 'v', sizeof value);
    struct ol_record record = {
        .topic = ol_publisher_topic(publisher, topic),
        .key = "k",
        .key_bytes = 1,
        .value = value,
        .value_bytes = sizeof value,
        .opaque = &receipts,
    };
    for (size_t i = 0; i < COUNT; i++)
        MUST(ol_publisher_publish(publisher, &record, reterr));
    MUST(ol_publisher_flush(publisher, WAIT_MS, reterr));
    cr_assert_eq(receipts.right, COUNT);
    cr_assert_eq(receipts.last, COUNT - 1);
    cr_assert_eq(ol_publisher_pending(publisher), 0);

    struct ol_error error;
    static char huge[2000000];
    record.value = huge;
    record.value_bytes = sizeof huge;
    cr_assert_eq(ol_publisher_publish(publisher, &record, &error), OL_POISON, "%s", error.text);
    cr_assert(ol_publisher_close(publisher));
    cr_assert_eq(receipts.count, COUNT);

    struct ol_admin *admin;
    struct ol_offset place = {topic, 0, 1000};
    MUST(ol_admin_open(&settings, &admin, reterr));
    MUST(ol_admin_offsets_for_times(admin, &place, 1, WAIT_MS, reterr));
    cr_assert_eq(place.offset, 0);
    place.offset = INT64_C(9000000000000);
    MUST(ol_admin_offsets_for_times(admin, &place, 1, WAIT_MS, reterr));
    cr_assert_eq(place.offset, -1);
    cr_assert(ol_admin_close(admin));
}

Test(kafka_publisher, fails_its_receipts_when_the_broker_is_away)
{
    struct ol_kafka_settings settings = ol_kafka_defaults("127.0.0.1:1", "test");
    settings.message_timeout_ms = 500;
    struct ol_publisher_handle *publisher;
    struct receipts receipts = {.count = 0};
    struct ol_error error;
    MUST(ol_publisher_open(&settings, on_receipt, &receipts, &publisher, reterr));
    struct ol_record record = test_record(ol_publisher_topic(publisher, "t"), 0, "x");
    MUST(ol_publisher_publish(publisher, &record, reterr));
    cr_assert_eq(ol_publisher_flush(publisher, 50, &error), OL_RETRY);
    fprintf(stderr, "flush: %s\n", error.text);
    MUST(ol_publisher_flush(publisher, WAIT_MS, reterr));
    cr_assert_eq(receipts.count, 1);
    cr_assert_eq(receipts.right, 0);
    MUST(ol_publisher_publish(publisher, &record, reterr));
    cr_assert(ol_publisher_close(publisher));
    cr_assert_eq(receipts.count, 2);
}

Test(kafka_admin, smoke_finds_all_promises_kept)
{
    struct ol_kafka_settings settings = test_settings();
    int64_t start = test_now_ms();
    MUST(ol_kafka_smoke(&settings, test_name("smoke"), 1, reterr));
    fprintf(stderr, "smoke took %lld ms\n", (long long)(test_now_ms() - start));
}
