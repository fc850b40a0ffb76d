#!/usr/bin/env bash
# kafka-share-shows-aborted - a share group hands out records that were taken back; no client can help it.
#
# What: a share consumer gets aborted records too. Its isolation is a setting of the group, which an
#   administrator makes; the client refuses isolation.level. librdkafka's consumers hide them by default.
# Where: Kafka and kafka-clients 4.2.2.
# Why: whoever reads our events through a share group acts upon events that never happened.
# So: nothing of ours is read by a share group; docs/traps.md says it for those who would.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kafka-share-shows-aborted \
    'a share consumer gets the 3 committed records and not the 3 aborted, or can be told so by its settings'
kafka_start

cat >"$TEMP/Show.java" <<'JAVA'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.serialization.*;

class Show {
    static String broker;

    static void set(Admin admin, String group, String name, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group),
            List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    static Map<String, Object> settings(String group) {
        return new HashMap<>(Map.of("bootstrap.servers", broker, "group.id", group));
    }

    /** The values that a new group gets, up to and with the last one, "end". */
    static int read(String group) {
        int count = 0;
        try (var consumer = new KafkaShareConsumer<>(settings(group), new StringDeserializer(),
                new StringDeserializer())) {
            consumer.subscribe(List.of("log"));
            for (long until = System.nanoTime() + 60_000_000_000L; System.nanoTime() < until;)
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    if (record.value().equals("end"))
                        return count;
                    count++;
                }
        }
        throw new IllegalStateException("the end did not come");
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        try (var admin = Admin.create(Map.of("bootstrap.servers", (Object) broker));
                var producer = new KafkaProducer<>(Map.of("bootstrap.servers", broker, "transactional.id", "t"),
                    new StringSerializer(), new StringSerializer())) {
            admin.createTopics(List.of(new NewTopic("log", 1, (short) 1))).all().get();
            producer.initTransactions();
            for (String value : List.of("committed", "aborted", "end")) {
                producer.beginTransaction();
                for (int i = 0; i < (value.equals("end") ? 1 : 3); i++)
                    producer.send(new ProducerRecord<>("log", value));
                producer.flush();
                if (value.equals("aborted"))
                    producer.abortTransaction();
                else
                    producer.commitTransaction();
            }
            for (String group : List.of("plain", "told"))
                set(admin, group, "share.auto.offset.reset", "earliest");
            set(admin, "told", "share.isolation.level", "read_committed");
        }
        String refused = "accepted";
        var settings = settings("plain");
        settings.put("isolation.level", "read_committed");
        try {
            new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer()).close();
        } catch (ConfigException e) {
            refused = "refused";
        }
        System.out.println(read("plain") + " " + refused + " " + read("told"));
    }
}
JAVA
java_run "$TEMP/Show.java" "$BROKER" >"$TEMP/java" 2>"$TEMP/java.log"
read -r plain refused told_group <"$TEMP/java"
told="a share group gets $plain records, isolation.level in the client is $refused, "
told+="a group with share.isolation.level=read_committed gets $told_group"
[[ $plain == 6 && $refused == refused && $told_group == 3 ]] || changed "$told"
seen "$told"
