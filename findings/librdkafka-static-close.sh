#!/usr/bin/env bash
# librdkafka-static-close - a static member that is closed keeps its partitions until its session ends.
#
# What: a member with group.instance.id is closed in peace; the other member of the group gets its partition
#   only when session.timeout.ms has passed. If it unsubscribes first, the other one has it at once.
# Where: librdkafka 2.0.2 (Debian 12), Kafka 4.2.2, session.timeout.ms=6000.
# Why: a worker that is taken away for good leaves its partitions without anybody for a whole session,
#   45 s by default.
# So: a worker unsubscribes, serves the revocation, then closes: lib/kafka/ol_kafka_consumer.c.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-static-close \
    'whichever way a member is closed, the other one has its partition within a second or two'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <time.h>

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int partitions(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *list;
    if (rd_kafka_assignment(consumer, &list))
        return 0;
    int count = list->cnt;
    rd_kafka_topic_partition_list_destroy(list);
    return count;
}

static void serve(rd_kafka_t *consumer)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 50);
    if (message)
        rd_kafka_message_destroy(message);
}

static void close_after(rd_kafka_t *consumer, int unsubscribe)
{
    if (unsubscribe) {
        rd_kafka_unsubscribe(consumer);
        while (partitions(consumer))
            serve(consumer);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

/* Seconds from the one member's close until the other has both partitions. */
static double show(const char *broker, const char *group, int unsubscribe)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, "log", RD_KAFKA_PARTITION_UA);
    rd_kafka_t *members[2];
    for (int i = 0; i < 2; i++) {
        members[i] = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", broker, "group.id", group,
                            "group.instance.id", i ? "second" : "first", "session.timeout.ms", "6000",
                            "heartbeat.interval.ms", "500");
        rd_kafka_subscribe(members[i], topics);
    }
    double until = now() + 40;
    while (partitions(members[0]) != 1 || partitions(members[1]) != 1) {
        serve(members[0]);
        serve(members[1]);
        if (now() > until)
            fail("join", "the two members did not get one partition each");
    }
    double from = now();
    close_after(members[0], unsubscribe);
    while (partitions(members[1]) != 2) {
        serve(members[1]);
        if (now() > from + 40)
            fail("leave", "the other member did not get both partitions");
    }
    double seconds = now() - from;
    close_after(members[1], 1);
    rd_kafka_topic_partition_list_destroy(topics);
    return seconds;
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1]);
    make_topic(producer, "log", 2);
    double plain = show(argv[1], "closed", 0), left = show(argv[1], "left", 1);
    printf("%.1f %.1f\n", plain, left);
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r plain left <"$TEMP/c"
told="the other member waits $plain s after a close, $left s after unsubscribe and close"
# Nearly the whole session, less the last heartbeat's age; and well below it.
awk -v plain="$plain" -v left="$left" 'BEGIN { exit !(plain > 4.5 && left < 4) }' || changed "$told"
seen "$told"
