#!/usr/bin/env bash
# librdkafka-join-waits-for-refresh - a member whose questions for metadata are lost for a second joins with the next refresh.
#
# What: a consumer subscribes, and for one second its connection ends under each request for the topics'
#   metadata, as while a broker goes down and comes back. From then on all is answered; but the member does
#   not join before topic.metadata.refresh.interval.ms has passed, and says nothing meanwhile.
# Where: librdkafka 2.0.2 (Debian 12), Kafka 4.2.2, retry.backoff.ms=5, the interval 20 s here.
# Why: the interval is 5 minutes by default: a worker that began to join as its broker was restarted stood still
#   for as long, and so did its partitions.
# So: the interval is 5 s in every handle: lib/kafka/ol_kafka.c, tests/system/test_joining.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-join-waits-for-refresh 'the member joins as soon as the broker answers again'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <sys/socket.h>
#include <time.h>

#define TOPIC    "a-topic-with-a-name-that-makes-its-request-longer-than-one-for-brokers"
#define METADATA 3

static int cuts;          /* that were made */
static double cut_seconds; /* for how long, from the first one on */
static double first_cut;

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static rd_kafka_resp_err_t sent(rd_kafka_t *rk, int socket, const char *broker, int32_t id, int16_t key,
                                int16_t version, int32_t number, size_t bytes, void *opaque)
{
    (void)rk, (void)broker, (void)id, (void)version, (void)number, (void)opaque;
    if (key != METADATA || bytes < sizeof TOPIC)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!first_cut)
        first_cut = now();
    if (now() < first_cut + cut_seconds) {
        cuts++;
        shutdown(socket, SHUT_RDWR);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t made(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *words, size_t bytes)
{
    (void)conf, (void)words, (void)bytes;
    return rd_kafka_interceptor_add_on_request_sent(rk, "show", sent, opaque);
}

/* Seconds until the member has its partition. */
static double show(const char *broker, const char *group, double seconds)
{
    char why[256];
    const char *values[] = {"bootstrap.servers", broker, "group.id", group, "retry.backoff.ms", "5",
                            "reconnect.backoff.ms", "50", "topic.metadata.refresh.interval.ms", "20000"};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof values / sizeof *values; i += 2)
        if (rd_kafka_conf_set(conf, values[i], values[i + 1], why, sizeof why))
            fail(values[i], why);
    rd_kafka_conf_interceptor_add_on_new(conf, "show", made, NULL);
    cuts = 0;
    first_cut = 0;
    cut_seconds = seconds;
    rd_kafka_t *member = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!member)
        fail("rd_kafka_new", why);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1), *list;
    rd_kafka_topic_partition_list_add(topics, TOPIC, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(member, topics);
    double from = now();
    for (int partitions = 0; !partitions;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(member, 50);
        if (message)
            rd_kafka_message_destroy(message);
        if (rd_kafka_assignment(member, &list))
            fail("assignment", "no answer");
        partitions = list->cnt;
        rd_kafka_topic_partition_list_destroy(list);
        if (now() > from + 60)
            fail("join", "the member did not get its partition");
    }
    double took = now() - from;
    if ((cuts > 0) != (seconds > 0))
        fail("cut", "the requests did not come");
    rd_kafka_consumer_close(member);
    rd_kafka_destroy(member);
    rd_kafka_topic_partition_list_destroy(topics);
    return took;
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1]);
    make_topic(producer, TOPIC, 1);
    double whole = show(argv[1], "whole", 0), cut = show(argv[1], "cut", 1);
    printf("%.1f %.1f\n", whole, cut);
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r whole cut <"$TEMP/c"
told="joined after $whole s; after a second of lost requests, after $cut s"
awk -v whole="$whole" -v cut="$cut" 'BEGIN { exit !(whole < 15 && cut > 15) }' || changed "$told"
seen "$told"
