/* Stops and continues the broker: run it alone, with ORDERLOG_KAFKA_PID. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/contract/test_kafka.h"

TestSuite(kafka_taint, .fini = test_clean, .timeout = 120);

static pid_t broker(void)
{
    const char *pid = getenv("ORDERLOG_KAFKA_PID");
    if (!pid)
        cr_skip_test("ORDERLOG_KAFKA_PID is not set");
    return (pid_t)atol(pid);
}

static struct ol_kafka_settings hasty_settings(void)
{
    struct ol_kafka_settings settings = test_settings();
    settings.socket_timeout_ms = 1000;
    return settings;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static struct ol_producer *open_producer(const struct ol_kafka_settings *settings)
{
    struct ol_producer *producer;
    MUST(ol_producer_open(settings, test_name("taint"), &producer, reterr));
    return producer;
}

static void write_one(struct ol_producer *producer, const char *topic, const char *value)
{
    struct ol_record record = test_record(ol_producer_topic(producer, topic), 0, value);
    MUST(ol_producer_begin(producer, reterr));
    MUST(ol_producer_produce(producer, &record, 1, reterr));
}

static void await_high(const char *topic, int64_t wanted)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_admin *admin;
    int64_t low, high = 0, until = test_now_ms() + WAIT_MS;
    MUST(ol_admin_open(&settings, &admin, reterr));
    while (high < wanted) {
        cr_assert_lt(test_now_ms(), until);
        MUST(ol_admin_watermarks(admin, topic, 0, WAIT_MS, &low, &high, reterr));
    }
    cr_assert(ol_admin_close(admin));
}

/* Whatever the commit said: taint, and after renew the log has each record at most once. */
static void check_after(struct ol_producer *producer, const char *topic)
{
    fprintf(stderr, "tainted: %s\n", ol_producer_taint_reason(producer));
    cr_assert(ol_producer_tainted(producer));
    MUST(ol_producer_renew(producer, reterr));
    cr_assert_not(ol_producer_tainted(producer));
    write_one(producer, topic, "after");
    MUST(ol_producer_commit(producer, NULL, reterr));
    cr_assert(ol_producer_close(producer));
}

static void stop_for(long ms)
{
    cr_assert_eq(kill(broker(), SIGSTOP), 0);
    pause_ms(ms);
    cr_assert_eq(kill(broker(), SIGCONT), 0);
}

Test(kafka_taint, by_a_stopped_broker_between_produce_and_commit)
{
    broker();
    struct ol_kafka_settings settings = hasty_settings();
    const char *topic = test_topic("endtxn", 1);
    struct ol_producer *producer = open_producer(&settings);
    write_one(producer, topic, "first");
    await_high(topic, 1);
    struct ol_offset place = {topic, 0, 1};
    struct ol_consumer *consumer;
    struct ol_consumer_options options = {test_name("group"), "slot-1", &topic, 1, 1};
    MUST(ol_consumer_open(&settings, &options, &consumer, reterr));
    cr_assert_eq(test_event(consumer), OL_CONSUMER_ASSIGNED);

    /* The commit runs into the silence; the answer comes, but late. */
    cr_assert_eq(kill(broker(), SIGSTOP), 0);
    MUST(ol_producer_commit_start(producer, &place, 1, ol_consumer_assignment(consumer)->group,
                                  reterr));
    pause_ms(2500);
    cr_assert_not(ol_producer_commit_done(producer));
    cr_assert(ol_producer_tainted(producer));
    cr_assert_eq(kill(broker(), SIGCONT), 0);
    struct ol_error error = {.class = OL_OK, .text = ""};
    enum ol_class class = ol_producer_commit_wait(producer, NULL, &error);
    fprintf(stderr, "commit after 2.5 s of silence: %s %s\n", ol_class_name(class), error.text);
    check_after(producer, topic);
    cr_assert(ol_consumer_abandon(consumer, WAIT_MS));

    struct ol_message messages[8];
    size_t count = test_read_all(topic, 1, OL_READ_COMMITTED, messages, 8);
    cr_assert_eq(count, class ? 1u : 2u, "%zu records, commit said %s", count,
                 ol_class_name(class));
}

Test(kafka_taint, by_a_stopped_broker_while_producing)
{
    broker();
    struct ol_kafka_settings settings = hasty_settings();
    const char *topic = test_topic("produce", 1);
    struct ol_producer *producer = open_producer(&settings);
    write_one(producer, topic, "warm");
    MUST(ol_producer_commit(producer, NULL, reterr));
    cr_assert_not(ol_producer_tainted(producer));
    write_one(producer, topic, "first");
    stop_for(2500);
    struct ol_error error = {.class = OL_OK, .text = ""};
    enum ol_class class = ol_producer_commit(producer, NULL, &error);
    fprintf(stderr, "commit after 2.5 s of silence: %s %s\n", ol_class_name(class), error.text);
    check_after(producer, topic);
}

Test(kafka_taint, not_by_a_silence_shorter_than_the_timeout)
{
    broker();
    struct ol_kafka_settings settings = hasty_settings();
    settings.socket_timeout_ms = 5000;
    const char *topic = test_topic("short", 1);
    struct ol_producer *producer = open_producer(&settings);
    write_one(producer, topic, "first");
    await_high(topic, 1);
    cr_assert_eq(kill(broker(), SIGSTOP), 0);
    pause_ms(200);
    cr_assert_eq(kill(broker(), SIGCONT), 0);
    MUST(ol_producer_commit(producer, NULL, reterr));
    cr_assert_not(ol_producer_tainted(producer), "%s", ol_producer_taint_reason(producer));
    cr_assert(ol_producer_close(producer));
}

Test(kafka_taint, fails_in_bounded_time_when_the_silence_lasts)
{
    broker();
    struct ol_kafka_settings settings = hasty_settings();
    settings.message_timeout_ms = 2000;
    settings.transaction_timeout_ms = 3000;
    const char *topic = test_topic("bounded", 1);
    struct ol_producer *producer = open_producer(&settings);
    write_one(producer, topic, "first");
    await_high(topic, 1);
    cr_assert_eq(kill(broker(), SIGSTOP), 0);
    int64_t start = test_now_ms();
    struct ol_error error;
    enum ol_class class = ol_producer_commit(producer, NULL, &error);
    int64_t commit_ms = test_now_ms() - start;
    start = test_now_ms();
    bool closed = ol_producer_close(producer);
    int64_t close_ms = test_now_ms() - start;
    cr_assert_eq(kill(broker(), SIGCONT), 0);
    fprintf(stderr, "commit gave up after %lld ms: %s: %s; close took %lld ms\n",
            (long long)commit_ms, ol_class_name(class), error.text, (long long)close_ms);
    cr_assert_neq(class, OL_OK);
    cr_assert_lt(commit_ms, 9000);
    cr_assert(closed);
    cr_assert_lt(close_ms, 5000);
}
