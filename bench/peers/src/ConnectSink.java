package peers;

import io.debezium.connector.jdbc.JdbcSinkConnector;
import io.debezium.sink.DebeziumSinkRecord;
import io.debezium.sink.naming.CollectionNamingStrategy;
import java.lang.management.ManagementFactory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.apache.kafka.connect.cli.ConnectStandalone;
import org.apache.kafka.connect.runtime.standalone.StandaloneHerder;
import org.apache.kafka.connect.util.FutureCallback;

/**
 * Kafka Connect, standalone, with Debezium's JDBC sink: UNNEST upserts and reduction buffer, from
 * row topics and the changelogs of stock and accounts. At least once. What is counted is what was
 * written: Connect counts a batch when put() has returned, and Debezium's commits before it does.
 *
 * ConnectSink PORT REST_PORT OFFSETS_FILE; commands: start PREFIX JDBC_URL USER PASSWORD | stop.
 */
public final class ConnectSink {
    private static final long PATIENCE_S = 60;

    private final MBeanServer beans = ManagementFactory.getPlatformMBeanServer();
    private final StandaloneHerder herder;
    private String name;

    private ConnectSink(StandaloneHerder herder) {
        this.herder = herder;
    }

    public static void main(String[] words) throws Exception {
        ConnectSink sink = new ConnectSink(
            new ConnectStandalone(words).startConnect(worker(words[1], words[2])).herder());
        Control.serve(Integer.parseInt(words[0]), Map.of(
            "start", sink::start,
            "stop", w -> sink.stop()), () -> Map.of("taken", sink.taken()));
    }

    private static Map<String, String> worker(String port, String offsets) {
        return texts(Map.of(
            "bootstrap.servers", Settings.BROKERS,
            "listeners", "http://127.0.0.1:" + port,
            "key.converter", RowConverter.class.getName(),
            "value.converter", RowConverter.class.getName(),
            "offset.storage.file.filename", offsets,
            "plugin.discovery", "service_load",
            "consumer.isolation.level", "read_committed",
            "consumer.max.poll.records", Settings.SINK_POLL_RECORDS), Map.of(
            "consumer.auto.offset.reset", "earliest",
            "consumer.max.partition.fetch.bytes", Settings.PARTITION_FETCH_BYTES,
            "consumer.fetch.min.bytes", Settings.SINK_FETCH_BYTES,
            "consumer.fetch.max.wait.ms", 100,
            "consumer.metadata.max.age.ms", 5000));
    }

    private static Map<String, String> texts(Map<String, Object> some, Map<String, Object> more) {
        Map<String, String> texts = new HashMap<>();
        some.forEach((key, value) -> texts.put(key, value.toString()));
        more.forEach((key, value) -> texts.put(key, value.toString()));
        return texts;
    }

    private void start(String[] words) throws Exception {
        String prefix = words[0];
        String topics = List.of("rows-orders", "rows-order_lines", "rows-ledger_entries",
                "app-stock-changelog", "app-account-changelog").stream()
            .map(prefix::concat).collect(Collectors.joining(","));
        name = "sink-" + prefix;
        Map<String, String> config = texts(Map.of(
            "name", name,
            "connector.class", JdbcSinkConnector.class.getName(),
            "tasks.max", Settings.SINK_TASKS,
            "topics", topics,
            "connection.url", words[1] + "?reWriteBatchedInserts=true",
            "connection.username", words[2],
            "connection.password", words[3],
            "collection.naming.strategy", Tables.class.getName()), Map.of(
            "insert.mode", "upsert",
            "delete.enabled", false,
            "primary.key.mode", "record_key",
            "schema.evolution", "none",
            "batch.size", Settings.SINK_BATCH_RECORDS,
            "use.reduction.buffer", true,
            "dialect.postgres.unnest.insert.enabled", true));
        FutureCallback<StandaloneHerder.Created<?>> done = new FutureCallback<>();
        herder.putConnectorConfig(name, config, false,
            (error, made) -> done.onCompletion(error, made));
        done.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    private void stop() throws Exception {
        FutureCallback<StandaloneHerder.Created<?>> done = new FutureCallback<>();
        herder.deleteConnectorConfig(name, (error, gone) -> done.onCompletion(error, gone));
        done.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    private long taken() {
        long sum = 0;
        if (name == null) {
            return 0;
        }
        for (int task = 0; task < Settings.SINK_TASKS; task++) {
            try {
                ObjectName bean = new ObjectName(
                    "kafka.connect:type=sink-task-metrics,connector=" + name + ",task=" + task);
                sum += ((Number) beans.getAttribute(bean, "sink-record-send-total")).longValue();
            } catch (JMException e) {
                continue; // not started yet
            }
        }
        return sum;
    }

    /** Debezium's name for the table of a topic. */
    public static final class Tables implements CollectionNamingStrategy {
        @Override public String resolveCollectionName(DebeziumSinkRecord row, String format) {
            return RowConverter.table(row.topicName());
        }
    }
}
