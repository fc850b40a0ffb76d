#!/usr/bin/env bash
# librdkafka-isolation-default - two clients of one broker, both with no settings, read different logs.
#
# What: librdkafka's isolation.level is read_committed when nobody sets it, the Java consumer's is
#   read_uncommitted. The broker's own documentation is about the Java one.
# Where: librdkafka 2.0.2 (Debian 12), kafka-clients 4.2.2.
# Why: a tool beside us that is written in Java shows records of transactions that were taken back;
#   ours never do, and only because of a default.
# So: lib/kafka/ol_kafka.c sets it by name for each kind of handle.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-isolation-default \
    'without settings every client sees the same 6 records: 3 committed, 3 aborted'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "transactional.id", "t");
    make_topic(producer, "log", 1);
    SURE(rd_kafka_init_transactions(producer, WAIT_MS));
    transact(producer, "log", 3, 1);
    transact(producer, "log", 3, 0);

    rd_kafka_t *consumer = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", argv[1], "group.id", "g",
                                  "enable.partition.eof", "true");
    int64_t last, end;
    assign(consumer, "log", 0);
    printf("%d\n", read_to_end(consumer, &last, &end));
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
}
C
cat >"$TEMP/Show.java" <<'JAVA'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

class Show {
    public static void main(String[] args) {
        var log = List.of(new TopicPartition("log", 0));
        try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", args[0]),
                new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(log);
            consumer.seekToBeginning(log);
            long end = consumer.endOffsets(log).get(log.get(0));
            int count = 0;
            while (consumer.position(log.get(0)) < end)
                count += consumer.poll(Duration.ofMillis(200)).count();
            System.out.println(count);
        }
    }
}
JAVA
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
java_run "$TEMP/Show.java" "$BROKER" >"$TEMP/java" 2>"$TEMP/java.log"
told="librdkafka reads $(<"$TEMP/c") of 6 records, the Java consumer $(<"$TEMP/java")"
[[ $(<"$TEMP/c") == 3 && $(<"$TEMP/java") == 6 ]] || changed "$told"
seen "$told"
