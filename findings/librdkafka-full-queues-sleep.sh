#!/usr/bin/env bash
# librdkafka-full-queues-sleep - a consumer whose queues are full for a moment fetches again only after a second.
#
# What: a reader that takes each record at once reads a log that lies there. With a small
#   queued.max.messages.kbytes there is a pause of about a second after each fetch that fills the queue: the
#   thread that fetches looks at the queues when an answer has come, and then sleeps for a second, however
#   soon they are emptied. A fetch's size is what is sent, packed; the queue's is what it becomes unpacked,
#   so one fetch of a tenth of the queue's limit fills it.
# Where: librdkafka 2.0.2 (Debian 12; 2.2 has fetch.queue.backoff.ms for it), Kafka 4.2.2, lz4.
# Why: a projector that was behind read 40,000 events, did nothing for a second, and so on.
# So: a fetch is an eighth of what is prefetched of a partition: lib/kafka/ol_kafka.c.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-full-queues-sleep 'a queue that was emptied is filled again at once'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <time.h>

#define TOPIC   "log"
#define RECORDS 40000

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

/* Reads all; returns the pauses above half a second between two records. */
static int show(const char *broker, const char *kbytes, double *ret_seconds)
{
    rd_kafka_t *consumer =
        CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", broker, "group.id", "g",
               "fetch.message.max.bytes", "100000", "queued.max.messages.kbytes", kbytes,
               "enable.auto.commit", "false");
    int pauses = 0;
    assign(consumer, TOPIC, 0);
    double first = 0, last = 0;
    for (int count = 0; count < RECORDS;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
        if (!message || message->err)
            fail("read", message ? rd_kafka_message_errstr(message) : "nothing came");
        rd_kafka_message_destroy(message);
        double at = now();
        if (count++ == 0)
            first = at;
        else
            pauses += at > last + 0.5;
        last = at;
    }
    *ret_seconds = last - first;
    rd_kafka_destroy(consumer);
    return pauses;
}

int main(int argc, char **argv)
{
    (void)argc;
    char value[1001];
    double small, large;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "compression.type", "lz4",
                                  "linger.ms", "50", "queue.buffering.max.messages", "100000");
    make_topic(producer, TOPIC, 1);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(value, sizeof value, "%-900d%0100d", i, i * 7919);
        put(producer, TOPIC, 0, value);
    }
    if (rd_kafka_flush(producer, WAIT_MS))
        fail("flush", "records are left");
    int without = show(argv[1], "65536", &large), with = show(argv[1], "1000", &small);
    printf("%d %.1f %d %.1f\n", without, large, with, small);
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r without large with small <"$TEMP/c"
told="40 MB read in $large s with $without pauses; with 1 MB for the queue in $small s with $with"
((without == 0 && with >= 3)) || changed "$told"
seen "$told"
