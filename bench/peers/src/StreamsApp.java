package peers;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import peers.pb.P.AccountRow;
import peers.pb.P.Entry;
import peers.pb.P.InvEvent;
import peers.pb.P.InvMsg;
import peers.pb.P.Line;
import peers.pb.P.OrderEvent;
import peers.pb.P.OrderLineRow;
import peers.pb.P.OrderRow;
import peers.pb.P.OrderState;
import peers.pb.P.OrdersMsg;
import peers.pb.P.PayEvent;
import peers.pb.P.PayMsg;
import peers.pb.P.PlaceOrder;
import peers.pb.P.StockRow;

/**
 * Processors in Kafka Streams: Processor API, exactly_once_v2, in-memory stores with changelogs.
 * With `rows` it also writes row upserts for Debezium's sink, and its stores have a cache, which
 * saves stock rows; without, the cache costs more than it saves.
 *
 * StreamsApp PORT STATE_FOLDER rows|events; commands: start PREFIX | pause | resume | stop.
 */
public final class StreamsApp {
    private static final long LOOK_NS = 1_000_000_000L;

    private final Path folder;
    private final boolean writesRows;
    private KafkaStreams streams;
    private String prefix;
    private List<Metric> sent = List.of();
    private List<Metric> resent = List.of();
    private long lookedNs;

    private StreamsApp(Path folder, boolean writesRows) {
        this.folder = folder;
        this.writesRows = writesRows;
    }

    public static void main(String[] words) throws Exception {
        StreamsApp app = new StreamsApp(Path.of(words[1]), words[2].equals("rows"));
        Control.serve(Integer.parseInt(words[0]), Map.of(
            "start", w -> app.start(w[0]),
            "pause", w -> app.streams.pause(),
            "resume", w -> app.streams.resume(),
            "stop", w -> app.streams.close()), app::counters);
    }

    private void start(String topicPrefix) throws InterruptedException {
        prefix = topicPrefix;
        Logic.resetCounters();
        lookedNs = 0;
        streams = new KafkaStreams(topology(), config());
        streams.cleanUp();
        streams.setUncaughtExceptionHandler(e -> {
            Control.fatal(e);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (streams.state() != KafkaStreams.State.RUNNING) {
            Thread.sleep(10);
        }
    }

    // ---- counters ----

    private Map<String, Long> counters() {
        Map<String, Long> counters = Logic.counters();
        counters.put("given", writesRows ? givenRows() : Logic.events());
        return counters;
    }

    /** Rows that went out; nobody else counts changelogs. The list is made anew each second. */
    private long givenRows() {
        long now = System.nanoTime();
        if (streams == null) {
            return 0;
        }
        if (lookedNs == 0 || now - lookedNs > LOOK_NS) {
            sent = producerMetrics("record-send-total");
            resent = producerMetrics("record-retry-total");
            lookedNs = now;
        }
        return sum(sent) - sum(resent);
    }

    private List<Metric> producerMetrics(String name) {
        List<Metric> found = new ArrayList<>();
        streams.metrics().forEach((key, metric) -> {
            String topic = key.tags().get("topic");
            if (key.group().equals("producer-topic-metrics") && key.name().equals(name)
                    && topic != null && RowConverter.isRowTopic(topic)) {
                found.add(metric);
            }
        });
        return found;
    }

    private static long sum(List<Metric> metrics) {
        return metrics.stream().mapToLong(m -> ((Number) m.metricValue()).longValue()).sum();
    }

    // ---- topology ----

    private record Table<V>(KeyValueStore<Long, V> store) implements Logic.Table<V> {
        @Override public V get(long key) {
            return store.get(key);
        }

        @Override public void put(long key, V value) {
            store.put(key, value);
        }

        @Override public void delete(long key) {
            store.put(key, null);
        }
    }

    /** Forwards to named sinks with the context of one processor. */
    private static final class Forward implements Logic.Out {
        private final ProcessorContext<Object, Object> context;
        private final String replies;
        private long timestamp;

        Forward(ProcessorContext<Object, Object> context, String replies) {
            this.context = context;
            this.replies = replies;
        }

        private void to(String sink, Object key, Object value) {
            context.forward(new Record<>(key, value, timestamp), sink);
        }

        @Override public void reply(long orderId, OrdersMsg message) {
            to(replies, orderId, message);
        }

        @Override public void inventory(long orderId, InvMsg message) {
            to("inventory-out", orderId, message);
        }

        @Override public void payment(long customer, PayMsg message) {
            to("payments-out", customer, message);
        }

        @Override public void orderEvent(long orderId, OrderEvent event) {
            to("orders-events", orderId, event);
        }

        @Override public void invEvent(long key, InvEvent event) {
            to("inventory-events", key, event);
        }

        @Override public void payEvent(long customer, PayEvent event) {
            to("payments-events", customer, event);
        }

        @Override public void rows(OrderRow row, List<Line> lines) {
            long id = row.getOrderId();
            int number = 0;
            to("rows-orders", Logic.key(id), row);
            for (Line line : lines) {
                number++;
                to("rows-order_lines", RowConverter.lineKey(id, number), OrderLineRow.newBuilder()
                    .setOrderId(id).setLineNo(number).setSku(line.getSku()).setQty(line.getQty())
                    .setAmountCents(line.getAmountCents()).build());
            }
        }

        @Override public void ledgerRow(Entry entry) {
            to("rows-ledger_entries", RowConverter.entryKey(entry.getCustomer(), entry.getSeq()),
                entry);
        }
    }

    private static <I> ProcessorSupplier<Long, I, Object, Object> processor(String replies,
            Function<ProcessorContext<Object, Object>, BiConsumer<I, Logic.Out>> make) {
        return () -> new Processor<>() {
            private Forward out;
            private BiConsumer<I, Logic.Out> rules;

            @Override public void init(ProcessorContext<Object, Object> context) {
                out = new Forward(context, replies);
                rules = make.apply(context);
            }

            @Override public void process(Record<Long, I> record) {
                out.timestamp = record.timestamp();
                rules.accept(record.value(), out);
            }
        };
    }

    private static <T extends Message> Serde<T> serde(Parser<T> parser) {
        return Serdes.serdeFrom((topic, message) -> message == null ? null : message.toByteArray(),
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : parser.parseFrom(bytes);
                } catch (InvalidProtocolBufferException e) {
                    throw new SerializationException(topic, e);
                }
            });
    }

    private <V extends Message> StoreBuilder<KeyValueStore<Long, V>> store(String name,
            Parser<V> parser) {
        StoreBuilder<KeyValueStore<Long, V>> builder = Stores.keyValueStoreBuilder(
            Stores.inMemoryKeyValueStore(name), Serdes.Long(), serde(parser))
            .withLoggingEnabled(Map.of());
        return writesRows ? builder.withCachingEnabled() : builder;
    }

    private static <V> Table<V> table(ProcessorContext<Object, Object> context, String name) {
        return new Table<>(context.<KeyValueStore<Long, V>>getStateStore(name));
    }

    private Topology topology() {
        Topology topology = new Topology();
        Deserializer<Long> keys = new LongDeserializer();
        topology.addSource("orders-in", keys, serde(OrdersMsg.parser()).deserializer(),
            prefix + "orders");
        topology.addProcessor("orders", StreamsApp.<OrdersMsg>processor("", context ->
            new Logic.Orders(table(context, "order"), table(context, "order-lines"),
                writesRows)::on), "orders-in");
        topology.addStateStore(store("order", OrderState.parser()), "orders");
        topology.addStateStore(store("order-lines", PlaceOrder.parser()), "orders");

        topology.addSource("inventory-in", keys, serde(InvMsg.parser()).deserializer(),
            prefix + "inventory");
        topology.addProcessor("inventory", StreamsApp.<InvMsg>processor("replies-of-inventory",
            context -> new Logic.Inventory(table(context, "stock"))::on), "inventory-in");
        topology.addStateStore(store("stock", StockRow.parser()), "inventory");

        topology.addSource("payments-in", keys, serde(PayMsg.parser()).deserializer(),
            prefix + "payments");
        topology.addProcessor("wallet", StreamsApp.<PayMsg>processor("replies-of-wallet",
            context -> new Logic.Wallet(table(context, "account"), writesRows)::on), "payments-in");
        topology.addStateStore(store("account", AccountRow.parser()), "wallet");

        addSinks(topology);
        return topology;
    }

    private void addSinks(Topology topology) {
        Serializer<Long> keys = new LongSerializer();
        sink(topology, "inventory-out", "inventory", keys,
            to(message -> ((InvMsg) message).getPart()), "orders");
        sink(topology, "payments-out", "payments", keys, null, "orders");
        sink(topology, "replies-of-inventory", "orders", keys, null, "inventory");
        sink(topology, "replies-of-wallet", "orders", keys, null, "wallet");
        sink(topology, "orders-events", "orders-events", keys, null, "orders");
        // A product's events stay in order.
        sink(topology, "inventory-events", "inventory-events", keys,
            to(event -> ((InvEvent) event).getPart()), "inventory");
        sink(topology, "payments-events", "payments-events", keys, null, "wallet");
        if (!writesRows) {
            return;
        }
        Serializer<byte[]> bytes = new ByteArraySerializer();
        sink(topology, "rows-orders", "rows-orders", bytes, null, "orders");
        // All lines of an order go to the order's partition.
        sink(topology, "rows-order_lines", "rows-order_lines", bytes,
            to(row -> Logic.partitionOf(((OrderLineRow) row).getOrderId())), "orders");
        sink(topology, "rows-ledger_entries", "rows-ledger_entries", bytes, null, "wallet");
    }

    private static StreamPartitioner<Object, Message> to(ToIntFunction<Message> partition) {
        List<Optional<Set<Integer>>> parts = new ArrayList<>();
        for (int i = 0; i < Settings.PARTITIONS; i++) {
            parts.add(Optional.of(Set.of(i)));
        }
        return (topic, key, value, count) -> parts.get(partition.applyAsInt(value));
    }

    /** partitioner null: by the key. */
    private <K> void sink(Topology topology, String name, String topic, Serializer<K> keys,
            StreamPartitioner<Object, Message> partitioner, String parent) {
        Serializer<Message> values = (t, message) -> message.toByteArray();
        if (partitioner == null) {
            topology.addSink(name, prefix + topic, keys, values, parent);
        } else {
            topology.addSink(name, prefix + topic, keys, values, partitioner, parent);
        }
    }

    private Properties config() {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Settings.BROKERS);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Settings.THREADS);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Settings.COMMIT_MS);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Settings.CACHE_BYTES);
        config.put(StreamsConfig.STATE_DIR_CONFIG, folder.toString());
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, Settings.POLL_RECORDS);
        config.put(StreamsConfig.POLL_MS_CONFIG, 20);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG),
            Settings.LINGER_MS);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG),
            Settings.BATCH_BYTES);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG),
            Settings.COMPRESSION);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG),
            Settings.BUFFER_BYTES);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG),
            Settings.POLL_RECORDS);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG),
            "earliest");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG),
            Settings.PARTITION_FETCH_BYTES);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG),
            Settings.FETCH_WAIT_MS);
        return config;
    }
}
