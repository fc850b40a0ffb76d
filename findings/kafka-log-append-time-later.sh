#!/usr/bin/env bash
# kafka-log-append-time-later - a topic that gets LogAppendTime later keeps its old times, and they rule.
#
# What: message.timestamp.type is changed on a topic with a record. The change is accepted; the record
#   keeps its producer's time and its type, beside new ones with the broker's. A search for the new
#   one's time finds the old one.
# Where: Kafka 4.2.2.
# Why: what counts on times that never go back, deadlines and searches by time, can't trust such a topic.
# So: `orderlog topics apply` sets it when the topic is made, and a role refuses a topic with CreateTime.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kafka-log-append-time-later \
    'with LogAppendTime, each record of the topic has a time of the broker, none is after now'
kafka_start

cat >"$TEMP/Show.java" <<'JAVA'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

class Show {
    public static void main(String[] args) throws Exception {
        Map<String, Object> at = Map.of("bootstrap.servers", args[0]);
        var log = new TopicPartition("log", 0);
        long begin = System.currentTimeMillis(), future = begin + 1_800_000; // within the hour that is allowed
        try (var admin = Admin.create(at);
                var producer = new KafkaProducer<>(at, new StringSerializer(), new StringSerializer());
                var consumer = new KafkaConsumer<>(at, new StringDeserializer(), new StringDeserializer())) {
            admin.createTopics(List.of(new NewTopic("log", 1, (short) 1))).all().get();
            producer.send(new ProducerRecord<>("log", 0, future, null, "before")).get();
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "log"),
                List.of(new AlterConfigOp(new ConfigEntry("message.timestamp.type", "LogAppendTime"),
                    AlterConfigOp.OpType.SET)))).all().get();
            // The setting reaches the log a moment after it is answered.
            int count = 1;
            for (boolean told = false; !told; count++)
                told = producer.send(new ProducerRecord<>("log", 0, future, null, "after")).get().timestamp() != future;
            consumer.assign(List.of(log));
            consumer.seekToBeginning(List.of(log));
            var records = new ArrayList<ConsumerRecord<String, String>>();
            while (records.size() < count)
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            var first = records.get(0);
            var last = records.get(count - 1);
            long found = consumer.offsetsForTimes(Map.of(log, last.timestamp())).get(log).offset();
            System.out.println(first.timestampType() + "," + (first.timestamp() == future ? "future" : "now") + " "
                + last.timestampType() + "," + (last.timestamp() == future ? "future" : "now") + " "
                + (found == 0 ? "first" : found == last.offset() ? "second" : "other"));
        }
    }
}
JAVA
java_run "$TEMP/Show.java" "$BROKER" >"$TEMP/java" 2>"$TEMP/java.log"
read -r first last found <"$TEMP/java"
told="the record of before has $first, the one of after $last; a search by the latter's time finds the $found"
[[ $first == CreateTime,future && $last == LogAppendTime,now && $found == 'first' ]] || changed "$told"
seen "$told"
