#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/contract/test_kafka.h"

TestSuite(kafka_consumer, .fini = test_clean, .timeout = 180);

enum { PARTITIONS = 4 };

static struct ol_consumer *join(const char *group, const char *instance, const char *const *topics,
                                size_t topic_count)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_consumer_options options = {group, instance, topics, topic_count,
                                          topic_count * PARTITIONS};
    struct ol_consumer *consumer;
    MUST(ol_consumer_open(&settings, &options, &consumer, reterr));
    return consumer;
}

/* Answers the current assignment: everything from `offset`. */
static void start_from(struct ol_consumer *consumer, int64_t offset)
{
    const struct ol_assignment *assignment = ol_consumer_assignment(consumer);
    struct ol_offset positions[16];
    for (size_t i = 0; i < assignment->count; i++) {
        positions[i] = assignment->places[i];
        positions[i].offset = offset;
    }
    MUST(ol_consumer_assign(consumer, positions, assignment->count, reterr));
}

static void await_assigned(struct ol_consumer *consumer, size_t count)
{
    cr_assert_eq(test_event(consumer), OL_CONSUMER_ASSIGNED);
    cr_assert_eq(ol_consumer_assignment(consumer)->count, count, "%zu partitions",
                 ol_consumer_assignment(consumer)->count);
}

/* Serves both until both have an assignment of `count`, as in a running pair of workers. */
static void settle_pair(struct ol_consumer *first, struct ol_consumer *second, size_t count)
{
    struct ol_consumer *pair[] = {first, second};
    int64_t until = test_now_ms() + WAIT_MS;
    for (;;) {
        size_t right = 0;
        for (size_t i = 0; i < 2; i++) {
            enum ol_consumer_event event;
            MUST(ol_consumer_poll(pair[i], &event, reterr));
            if (event == OL_CONSUMER_REVOKED || event == OL_CONSUMER_LOST)
                MUST(ol_consumer_unassign(pair[i], reterr));
            if (event == OL_CONSUMER_ASSIGNED)
                start_from(pair[i], 0);
            const struct ol_assignment *assignment = ol_consumer_assignment(pair[i]);
            right += assignment && assignment->count == count;
        }
        if (right == 2)
            return;
        cr_assert_lt(test_now_ms(), until, "the group does not settle");
        ol_consumer_wait(first, -1, 20);
    }
}

static void must_be_written(void *context, const struct ol_receipt *receipt)
{
    (void)context;
    cr_assert_eq(receipt->class, OL_OK, "%s", receipt->text);
}

static struct ol_publisher_handle *open_publisher(const char *const *topics, size_t topic_count)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_publisher_handle *publisher;
    MUST(ol_publisher_open(&settings, must_be_written, NULL, &publisher, reterr));
    for (size_t i = 0; i < topic_count; i++)
        cr_assert_eq(ol_publisher_topic(publisher, topics[i]), (int32_t)i);
    return publisher;
}

/* Values count up over all partitions of a topic: message n goes to partition n mod PARTITIONS. */
static void publish(struct ol_publisher_handle *publisher, int32_t topic, size_t first,
                    size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        char value[64];
        snprintf(value, sizeof value, "%zu and something to carry along", i);
        struct ol_record record = test_record(topic, (int32_t)(i % PARTITIONS), value);
        MUST(ol_publisher_publish(publisher, &record, reterr));
    }
    MUST(ol_publisher_flush(publisher, WAIT_MS, reterr));
}

static size_t number_of(const struct ol_message *message)
{
    char text[32];
    snprintf(text, sizeof text, "%.*s", 20, (const char *)message->value);
    return strtoul(text, NULL, 10);
}

/* One topic's next expected number per partition: nothing lost, doubled or out of order. */
struct tally {
    size_t next[2][PARTITIONS];
    size_t count[2];
};

static void tally_init(struct tally *tally)
{
    *tally = (struct tally){.count = {0, 0}};
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < PARTITIONS; p++)
            tally->next[t][p] = p;
}

static void tally_take(struct tally *tally, struct ol_message *message)
{
    size_t *next = &tally->next[message->topic_index][message->partition];
    cr_assert_eq(number_of(message), *next, "%s [%d]: %zu for %zu", message->topic,
                 message->partition, number_of(message), *next);
    *next += PARTITIONS;
    tally->count[message->topic_index]++;
    ol_message_release(message);
}

/* Takes from the first topic while it has anything, else from the second. */
static size_t take_by_priority(struct ol_consumer *consumer, struct tally *tally)
{
    struct ol_inbox *inboxes;
    struct ol_message message;
    size_t taken = 0, count = ol_consumer_inboxes(consumer, &inboxes);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(inboxes[i].error.class, OL_OK, "%s", inboxes[i].error.text);
        while (ol_inbox_take(&inboxes[i], &message)) {
            tally_take(tally, &message);
            taken++;
        }
        if (taken && i == PARTITIONS - 1)
            break; /* look at the steps again first */
    }
    return taken;
}

Test(kafka_consumer, reads_the_partition_it_likes_and_loses_nothing)
{
    enum { EACH = 100000 };
    const char *topics[] = {test_topic("steps", PARTITIONS), test_topic("commands", PARTITIONS)};
    struct ol_publisher_handle *publisher = open_publisher(topics, 2);
    int64_t start = test_now_ms();
    publish(publisher, 0, 0, EACH);
    publish(publisher, 1, 0, EACH);
    fprintf(stderr, "published %d in %lld ms\n", 2 * EACH, (long long)(test_now_ms() - start));

    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 2);
    await_assigned(consumer, 2 * PARTITIONS);
    cr_assert(ol_consumer_assignment_is_aligned(consumer));
    cr_assert_str_eq(ol_consumer_assignment(consumer)->places[PARTITIONS].topic, topics[1]);
    start_from(consumer, 0);

    struct tally tally;
    tally_init(&tally);
    start = test_now_ms();
    size_t waits = 0;
    while (tally.count[0] + tally.count[1] < 2 * EACH) {
        enum ol_consumer_event event;
        MUST(ol_consumer_poll(consumer, &event, reterr));
        cr_assert_eq(event, OL_CONSUMER_NOTHING);
        if (take_by_priority(consumer, &tally))
            continue;
        waits++;
        cr_assert(ol_consumer_wait(consumer, -1, WAIT_MS), "%zu + %zu", tally.count[0],
                  tally.count[1]);
    }
    int64_t took_ms = test_now_ms() - start;
    fprintf(stderr, "read %d in %lld ms, %.0f/s, %zu waits\n", 2 * EACH, (long long)took_ms,
            2.0 * EACH * 1000 / (double)(took_ms + 1), waits);
    cr_assert_eq(tally.count[0], EACH);
    cr_assert(ol_publisher_close(publisher));
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
}

Test(kafka_consumer, holds_one_topic_back_while_it_reads_the_other)
{
    const char *topics[] = {test_topic("steps", PARTITIONS), test_topic("commands", PARTITIONS)};
    struct ol_publisher_handle *publisher = open_publisher(topics, 2);
    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 2);
    await_assigned(consumer, 2 * PARTITIONS);
    start_from(consumer, 0);
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(consumer, &inboxes);
    for (size_t i = PARTITIONS; i < count; i++)
        inboxes[i].ignored = true;

    /* Commands are there, but nobody wants to hear of them. */
    publish(publisher, 1, 0, 1000);
    struct ol_message messages[2000];
    size_t got = 0;
    for (int64_t until = test_now_ms() + WAIT_MS; !ol_inbox_peek(&inboxes[PARTITIONS]);)
        cr_assert_lt(test_now_ms(), until);
    for (int i = 0; i < 20 && ol_consumer_wait(consumer, -1, 100); i++) {
        MUST(test_take(consumer, messages, 2000, &got, reterr));
        cr_assert_eq(got, 0);
    }
    /* A step comes through at once. */
    publish(publisher, 0, 0, 4);
    for (size_t seen = 0; seen < 4; seen += got) {
        cr_assert(ol_consumer_wait(consumer, -1, WAIT_MS));
        MUST(test_take(consumer, messages, 2000, &got, reterr));
        for (size_t i = 0; i < got; i++)
            cr_assert_eq(messages[i].topic_index, 0);
        ol_messages_release(messages, got);
    }
    for (size_t i = PARTITIONS; i < count; i++)
        inboxes[i].ignored = false;
    struct tally tally;
    tally_init(&tally);
    while (tally.count[1] < 1000) {
        cr_assert(ol_consumer_wait(consumer, -1, WAIT_MS));
        MUST(test_take(consumer, messages, 2000, &got, reterr));
        for (size_t i = 0; i < got; i++)
            tally_take(&tally, &messages[i]);
    }
    cr_assert(ol_publisher_close(publisher));
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
}

Test(kafka_consumer, misses_no_wake_up)
{
    enum { ROUNDS = 1500 };
    const char *topics[] = {test_topic("steps", PARTITIONS), test_topic("commands", PARTITIONS)};
    struct ol_publisher_handle *publisher = open_publisher(topics, 2);
    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 2);
    await_assigned(consumer, 2 * PARTITIONS);
    start_from(consumer, 0);
    struct tally tally;
    tally_init(&tally);
    int64_t worst_ms = 0, start = test_now_ms();
    for (size_t i = 0; i < ROUNDS; i++) {
        int32_t topic = (int32_t)(i & 1);
        size_t number = tally.count[topic], before = tally.count[0] + tally.count[1];
        publish(publisher, topic, number, 1);
        int64_t sent = test_now_ms();
        while (tally.count[0] + tally.count[1] == before) {
            cr_assert(ol_consumer_wait(consumer, -1, 10000), "nothing came in round %zu", i);
            take_by_priority(consumer, &tally);
        }
        worst_ms = worst_ms > test_now_ms() - sent ? worst_ms : test_now_ms() - sent;
    }
    fprintf(stderr, "%d round trips, mean %.2f ms, worst wait after the ack %lld ms\n", ROUNDS,
            (double)(test_now_ms() - start) / ROUNDS, (long long)worst_ms);
    cr_assert_lt(worst_ms, 5000);
    cr_assert(ol_publisher_close(publisher));
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
}

Test(kafka_consumer, wakes_for_a_file_and_for_a_call)
{
    const char *topics[] = {test_topic("wake", PARTITIONS)};
    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 1);
    await_assigned(consumer, PARTITIONS);
    start_from(consumer, 0);
    int pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    cr_assert_eq(write(pipes[1], "x", 1), 1);
    for (int64_t start = test_now_ms(); ol_consumer_wait(consumer, -1, 300);) {
        struct ol_message message; /* ends of partitions */
        size_t got;
        MUST(test_take(consumer, &message, 1, &got, reterr));
        cr_assert_lt(test_now_ms() - start, WAIT_MS);
    }
    int64_t start = test_now_ms();
    ol_consumer_wait(consumer, pipes[0], 5000);
    cr_assert_lt(test_now_ms() - start, 1000);
    start = test_now_ms();
    ol_consumer_wake(consumer);
    ol_consumer_wait(consumer, -1, 5000); /* a wake before the wait counts */
    cr_assert_lt(test_now_ms() - start, 1000);
    cr_assert(ol_consumer_abandon(consumer, WAIT_MS));
}

Test(kafka_consumer, shares_partitions_with_a_second_member)
{
    const char *topics[] = {test_topic("steps", PARTITIONS), test_topic("commands", PARTITIONS)};
    const char *group = test_name("group");
    struct ol_consumer *first = join(group, "slot-1", topics, 2);
    await_assigned(first, 2 * PARTITIONS);
    cr_assert_eq(ol_consumer_assignment(first)->serial, 1);
    start_from(first, 0);

    struct ol_consumer *second = join(group, "slot-2", topics, 2);
    cr_assert_eq(test_event(first), OL_CONSUMER_REVOKED);
    MUST(ol_consumer_unassign(first, reterr));
    cr_assert_null(ol_consumer_assignment(first));
    settle_pair(first, second, PARTITIONS);
    cr_assert(ol_consumer_assignment_is_aligned(first));
    cr_assert(ol_consumer_assignment_is_aligned(second));
    cr_assert_eq(ol_consumer_assignment(first)->serial, 2);

    /* A slow take-over hides no rebalance: not answered yet, and still told of the next. */
    int64_t start = test_now_ms();
    cr_assert(ol_consumer_leave(second, WAIT_MS));
    cr_assert_eq(test_event(first), OL_CONSUMER_REVOKED);
    MUST(ol_consumer_unassign(first, reterr));
    await_assigned(first, 2 * PARTITIONS);
    fprintf(stderr, "after leave: all back after %lld ms\n", (long long)(test_now_ms() - start));
    cr_assert_lt(test_now_ms() - start, 5000);
    second = join(group, "slot-2", topics, 2);
    cr_assert_eq(test_event(first), OL_CONSUMER_REVOKED);
    MUST(ol_consumer_unassign(first, reterr));
    settle_pair(first, second, PARTITIONS);
    cr_assert(ol_consumer_leave(second, WAIT_MS));
    cr_assert(ol_consumer_leave(first, WAIT_MS));
}

Test(kafka_consumer, keeps_the_slot_when_abandoned)
{
    const char *topics[] = {test_topic("slot", PARTITIONS)};
    const char *group = test_name("group");
    struct ol_consumer *first = join(group, "slot-1", topics, 1);
    struct ol_consumer *second = join(group, "slot-2", topics, 1);
    settle_pair(first, second, PARTITIONS / 2);

    /* Back within the session: nobody else notices. */
    int64_t start = test_now_ms();
    cr_assert(ol_consumer_abandon(second, WAIT_MS));
    fprintf(stderr, "abandon took %lld ms\n", (long long)(test_now_ms() - start));
    second = join(group, "slot-2", topics, 1);
    await_assigned(second, PARTITIONS / 2);
    fprintf(stderr, "back in the slot after %lld ms\n", (long long)(test_now_ms() - start));
    enum ol_consumer_event event;
    MUST(ol_consumer_poll(first, &event, reterr));
    cr_assert_eq(event, OL_CONSUMER_NOTHING);

    /* Not back: the others get the partitions when the session is over. */
    start = test_now_ms();
    cr_assert(ol_consumer_abandon(second, WAIT_MS));
    cr_assert_eq(test_event(first), OL_CONSUMER_REVOKED);
    MUST(ol_consumer_unassign(first, reterr));
    await_assigned(first, PARTITIONS);
    fprintf(stderr, "abandoned: all back after %lld ms\n", (long long)(test_now_ms() - start));
    cr_assert_gt(test_now_ms() - start, 3000);
    cr_assert(ol_consumer_leave(first, WAIT_MS));
}

Test(kafka_consumer, is_fenced_when_another_takes_its_slot)
{
    const char *topics[] = {test_topic("fence", PARTITIONS)};
    const char *group = test_name("group");
    struct ol_consumer *first = join(group, "slot-1", topics, 1);
    await_assigned(first, PARTITIONS);
    start_from(first, 0);
    struct ol_consumer *second = join(group, "slot-1", topics, 1);
    await_assigned(second, PARTITIONS);
    struct ol_error error = {.class = OL_OK};
    int64_t until = test_now_ms() + WAIT_MS;
    while (error.class != OL_CONFLICT) {
        enum ol_consumer_event event;
        cr_assert_lt(test_now_ms(), until);
        ol_consumer_poll(first, &event, &error);
        ol_consumer_wait(first, -1, 100);
    }
    fprintf(stderr, "slot taken: %s\n", error.text);
    cr_assert(ol_consumer_abandon(first, WAIT_MS));
    cr_assert(ol_consumer_leave(second, WAIT_MS));
}

Test(kafka_consumer, commits_offsets_in_the_transaction_and_only_with_its_assignment)
{
    struct ol_kafka_settings settings = test_settings();
    const char *topics[] = {test_topic("input", PARTITIONS)};
    const char *output = test_topic("output", 1), *group = test_name("group");
    struct ol_consumer *consumer = join(group, "slot-1", topics, 1);
    await_assigned(consumer, PARTITIONS);
    start_from(consumer, 0);
    const struct ol_assignment *assignment = ol_consumer_assignment(consumer);
    struct ol_group *old = ol_group_copy(assignment->group);
    struct ol_producer *producer;
    MUST(ol_producer_open(&settings, test_name("offsets"), &producer, reterr));
    struct ol_record record = test_record(ol_producer_topic(producer, output), 0, "x");

    struct ol_offset places[] = {{topics[0], 1, 5}, {topics[0], 2, 7}};
    struct ol_offset asked[] = {{topics[0], 2, 0}, {topics[0], 1, 0}, {topics[0], 3, 0}};
    MUST(ol_producer_begin(producer, reterr));
    MUST(ol_producer_produce(producer, &record, 1, reterr));
    MUST(ol_producer_send_offsets(producer, places, 2, assignment->group, reterr));
    /* Pending offsets are neither the old nor the new: wait. */
    struct ol_error error;
    int64_t start = test_now_ms();
    enum ol_class class = ol_consumer_committed(consumer, asked, 3, 700, &error);
    fprintf(stderr, "pending: %s after %lld ms: %s\n", ol_class_name(class),
            (long long)(test_now_ms() - start), error.text);
    cr_assert_eq(class, OL_RETRY);
    MUST(ol_producer_commit(producer, NULL, reterr));
    MUST(ol_consumer_committed(consumer, asked, 3, WAIT_MS, reterr));
    cr_assert_eq(asked[0].offset, 7);
    cr_assert_eq(asked[1].offset, 5);
    cr_assert_eq(asked[2].offset, -1);

    /* In the background, with a file to wait for. */
    places[0].offset = 15;
    MUST(ol_producer_begin(producer, reterr));
    MUST(ol_producer_produce(producer, &record, 1, reterr));
    MUST(ol_producer_commit_start(producer, places, 2, assignment->group, reterr));
    struct pollfd file = {.fd = ol_producer_fd(producer), .events = POLLIN};
    cr_assert_eq(poll(&file, 1, WAIT_MS), 1);
    cr_assert(ol_producer_commit_done(producer));
    uint64_t took_us;
    MUST(ol_producer_commit_wait(producer, &took_us, reterr));
    fprintf(stderr, "offsets and commit took %llu us\n", (unsigned long long)took_us);
    cr_assert_eq(poll(&file, 1, 0), 0);
    cr_assert_not(ol_producer_tainted(producer), "%s", ol_producer_taint_reason(producer));
    MUST(ol_consumer_committed(consumer, asked, 3, WAIT_MS, reterr));
    cr_assert_eq(asked[1].offset, 15);

    /* A generation later the old metadata opens no door. */
    struct ol_consumer *second = join(group, "slot-2", topics, 1);
    settle_pair(consumer, second, PARTITIONS / 2);
    places[0].offset = 25;
    MUST(ol_producer_begin(producer, reterr));
    MUST(ol_producer_produce(producer, &record, 1, reterr));
    MUST(ol_producer_commit_start(producer, places, 2, old, reterr));
    class = ol_producer_commit_wait(producer, NULL, &error);
    fprintf(stderr, "old generation: %s: %s\n", ol_class_name(class), error.text);
    cr_assert_neq(class, OL_OK);
    cr_assert(ol_producer_tainted(producer));
    MUST(ol_producer_renew(producer, reterr));
    MUST(ol_consumer_committed(consumer, asked, 3, WAIT_MS, reterr));
    cr_assert_eq(asked[1].offset, 15);
    ol_group_free(old);
    cr_assert(ol_producer_close(producer));
    cr_assert(ol_consumer_leave(second, WAIT_MS));
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
    struct ol_message messages[8];
    cr_assert_eq(test_read_all(output, 1, OL_READ_COMMITTED, messages, 8), 2);
}

Test(kafka_consumer, stops_loudly_at_an_offset_that_is_not_there)
{
    const char *topics[] = {test_topic("range", PARTITIONS)};
    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 1);
    await_assigned(consumer, PARTITIONS);
    start_from(consumer, 1000);
    struct ol_error error = {.class = OL_OK};
    int64_t until = test_now_ms() + WAIT_MS;
    while (!error.class) {
        struct ol_message message;
        size_t got;
        cr_assert_lt(test_now_ms(), until);
        ol_consumer_wait(consumer, -1, 500);
        if (!test_take(consumer, &message, 1, &got, &error))
            error.class = OL_OK;
        cr_assert_eq(got, 0);
    }
    fprintf(stderr, "out of range: %s: %s\n", ol_class_name(error.class), error.text);
    cr_assert_eq(error.class, OL_VIOLATED);
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
}

Test(kafka_consumer, gets_no_assignment_from_topics_that_are_not_there)
{
    const char *topics[] = {test_name("missing")};
    struct ol_consumer *consumer = join(test_name("group"), "slot-1", topics, 1);
    struct ol_error error = {.class = OL_OK};
    int64_t until = test_now_ms() + 5000;
    enum ol_consumer_event event = OL_CONSUMER_NOTHING;
    while (!error.class && !event && test_now_ms() < until) {
        if (!ol_consumer_poll(consumer, &event, &error))
            error.class = OL_OK;
        ol_consumer_wait(consumer, -1, 100);
    }
    fprintf(stderr, "missing topic: event %d, %s: %s\n", event, ol_class_name(error.class),
            error.class ? error.text : "");
    cr_assert_eq(error.class, OL_NOT_FOUND);
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));
}

Test(kafka_consumer, drops_the_handle_of_a_question_that_failed)
{
    struct ol_kafka_settings settings = test_settings();
    struct ol_offset asked = {test_topic("nobody", 1), 0, 0};
    struct ol_admin *admin;
    struct ol_group_handle *handle = NULL;
    struct ol_error error;
    settings.brokers = "127.0.0.1:1";
    MUST(ol_admin_open(&settings, &admin, reterr));
    cr_assert_eq(ol_admin_group_offsets(admin, "none", &handle, &asked, 1, 500, &error),
                 OL_UNREACHABLE, "%s", error.text);
    cr_assert_null(handle);
    cr_assert(ol_admin_close(admin));
}

Test(kafka_consumer, notes_offsets_for_the_tools)
{
    struct ol_kafka_settings settings = test_settings();
    const char *topics[] = {test_topic("note", PARTITIONS)}, *group = test_name("group");
    struct ol_consumer *consumer = join(group, "slot-1", topics, 1);
    await_assigned(consumer, PARTITIONS);
    start_from(consumer, 0);
    struct ol_offset note = {topics[0], 3, 42}, asked = {topics[0], 3, 0};
    ol_consumer_note_offsets(consumer, &note, 1);
    struct ol_admin *admin;
    struct ol_group_handle *handle = NULL;
    MUST(ol_admin_open(&settings, &admin, reterr));
    for (int64_t until = test_now_ms() + WAIT_MS; asked.offset != 42;) {
        cr_assert_lt(test_now_ms(), until);
        MUST(ol_admin_group_offsets(admin, group, &handle, &asked, 1, WAIT_MS, reterr));
    }
    struct ol_arena arena;
    struct ol_group_owner *owners;
    size_t count;
    ol_arena_init(&arena, 4096, 0);
    MUST(ol_admin_group_owners(admin, group, WAIT_MS, &arena, &owners, &count, reterr));
    cr_assert_eq(count, PARTITIONS);
    cr_assert_str_eq(owners[0].instance, "slot-1");
    cr_assert_str_eq(owners[0].topic, topics[0]);
    cr_assert(ol_consumer_leave(consumer, WAIT_MS));

    asked.offset = 0;
    const struct ol_group_handle *kept = handle;
    MUST(ol_admin_group_offsets(admin, group, &handle, &asked, 1, WAIT_MS, reterr));
    cr_assert_eq(asked.offset, 42);
    cr_assert_eq(handle, kept);
    cr_assert(ol_group_handle_close(handle));
    MUST(ol_admin_group_owners(admin, group, WAIT_MS, &arena, &owners, &count, reterr));
    cr_assert_eq(count, 0);
    ol_arena_release(&arena);
    cr_assert(ol_admin_close(admin));
}
