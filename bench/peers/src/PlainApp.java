package peers;

import com.google.protobuf.MessageLite;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import peers.pb.P.Entry;
import peers.pb.P.InvEvent;
import peers.pb.P.InvMsg;
import peers.pb.P.Line;
import peers.pb.P.OrderEvent;
import peers.pb.P.OrderRow;
import peers.pb.P.OrdersMsg;
import peers.pb.P.PayEvent;
import peers.pb.P.PayMsg;

/**
 * Processors as a plain loop: a consumer and a transactional producer for each thread, states in
 * HashMaps, no changelog. States come back by applying a partition's input again up to its
 * committed offset with the outputs thrown away: the rules are deterministic.
 *
 * PlainApp PORT; commands: start PREFIX | pause | resume | stop.
 */
public final class PlainApp {
    private PlainApp() { }

    private static final List<Worker> WORKERS = new ArrayList<>();

    public static void main(String[] words) throws Exception {
        Control.serve(Integer.parseInt(words[0]), Map.of(
            "start", w -> start(w[0]),
            "pause", w -> pause(true),
            "resume", w -> pause(false),
            "stop", w -> stop()), PlainApp::counters);
    }

    private static Map<String, Long> counters() {
        Map<String, Long> counters = Logic.counters();
        counters.put("given", Logic.events());
        return counters;
    }

    private static void start(String prefix) throws InterruptedException {
        Logic.resetCounters();
        for (int i = 0; i < Settings.THREADS; i++) {
            WORKERS.add(new Worker(i, prefix));
        }
        WORKERS.forEach(Thread::start);
        for (Worker worker : WORKERS) {
            worker.ready.await();
        }
    }

    private static void pause(boolean wanted) throws InterruptedException {
        for (Worker worker : WORKERS) {
            worker.pause = wanted;
        }
        for (Worker worker : WORKERS) {
            while (wanted && !worker.idle) {
                Thread.sleep(1);
            }
        }
    }

    private static void stop() throws InterruptedException {
        for (Worker worker : WORKERS) {
            worker.stop = true;
        }
        for (Worker worker : WORKERS) {
            worker.join();
        }
        WORKERS.clear();
    }

    private record Table<V>(HashMap<Long, V> rows) implements Logic.Table<V> {
        @Override public V get(long key) {
            return rows.get(key);
        }

        @Override public void put(long key, V value) {
            rows.put(key, value);
        }

        @Override public void delete(long key) {
            rows.remove(key);
        }
    }

    private static final class Send implements Logic.Out {
        private final KafkaProducer<byte[], byte[]> producer;
        private final String orders;
        private final String inventory;
        private final String payments;
        private final String ordersEvents;
        private final String inventoryEvents;
        private final String paymentsEvents;
        private boolean mute;

        Send(KafkaProducer<byte[], byte[]> producer, String prefix) {
            this.producer = producer;
            orders = prefix + "orders";
            inventory = prefix + "inventory";
            payments = prefix + "payments";
            ordersEvents = prefix + "orders-events";
            inventoryEvents = prefix + "inventory-events";
            paymentsEvents = prefix + "payments-events";
        }

        private void to(String topic, int part, long key, MessageLite message) {
            if (!mute) {
                producer.send(new ProducerRecord<>(topic, part, Logic.key(key),
                    message.toByteArray()));
            }
        }

        @Override public void reply(long orderId, OrdersMsg message) {
            to(orders, Logic.partitionOf(orderId), orderId, message);
        }

        @Override public void inventory(long orderId, InvMsg message) {
            to(inventory, message.getPart(), orderId, message);
        }

        @Override public void payment(long customer, PayMsg message) {
            to(payments, Logic.partitionOf(customer), customer, message);
        }

        @Override public void orderEvent(long orderId, OrderEvent event) {
            to(ordersEvents, Logic.partitionOf(orderId), orderId, event);
        }

        @Override public void invEvent(long key, InvEvent event) {
            to(inventoryEvents, event.getPart(), key, event);
        }

        @Override public void payEvent(long customer, PayEvent event) {
            to(paymentsEvents, Logic.partitionOf(customer), customer, event);
        }

        @Override public void rows(OrderRow row, List<Line> lines) {
            throw new IllegalStateException("this peer has no row topics");
        }

        @Override public void ledgerRow(Entry entry) {
            throw new IllegalStateException("this peer has no row topics");
        }
    }

    private interface Handler {
        void on(byte[] value, Logic.Out out) throws Exception;
    }

    private static final class Worker extends Thread {
        private final int index;
        private final String prefix;
        private final String group;
        private final Map<TopicPartition, Handler> handlers = new HashMap<>();
        private final CountDownLatch ready = new CountDownLatch(1);
        private volatile boolean pause;
        /** Paused, and nothing is open. */
        private volatile boolean idle;
        private volatile boolean stop;

        Worker(int index, String prefix) {
            super("plain-" + index);
            this.index = index;
            this.prefix = prefix;
            this.group = prefix + "plain";
        }

        @Override public void run() {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer();
                    KafkaProducer<byte[], byte[]> producer = producer()) {
                Send out = new Send(producer, prefix);
                producer.initTransactions();
                assign(consumer);
                replay(consumer, out);
                ready.countDown();
                loop(consumer, producer, out);
            } catch (Throwable e) {
                Control.fatal(e);
            }
        }

        private KafkaConsumer<byte[], byte[]> consumer() {
            return new KafkaConsumer<>(Map.of(
                "bootstrap.servers", Settings.BROKERS,
                "group.id", group,
                "isolation.level", "read_committed",
                "enable.auto.commit", false,
                "auto.offset.reset", "earliest",
                "max.poll.records", Settings.POLL_RECORDS,
                "fetch.max.wait.ms", Settings.FETCH_WAIT_MS,
                "max.partition.fetch.bytes", Settings.PARTITION_FETCH_BYTES),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        private KafkaProducer<byte[], byte[]> producer() {
            return new KafkaProducer<>(Map.of(
                "bootstrap.servers", Settings.BROKERS,
                "transactional.id", group + "-" + index,
                "compression.type", Settings.COMPRESSION,
                "linger.ms", Settings.LINGER_MS,
                "batch.size", Settings.BATCH_BYTES,
                "buffer.memory", Settings.BUFFER_BYTES),
                new ByteArraySerializer(), new ByteArraySerializer());
        }

        private void assign(KafkaConsumer<byte[], byte[]> consumer) {
            for (int i = index; i < Settings.PARTITIONS; i += Settings.THREADS) {
                Logic.Orders orders = new Logic.Orders(new Table<>(new HashMap<>(1 << 17)),
                    new Table<>(new HashMap<>()), false);
                Logic.Inventory inventory =
                    new Logic.Inventory(new Table<>(new HashMap<>(1 << 16)));
                Logic.Wallet wallet = new Logic.Wallet(new Table<>(new HashMap<>()), false);
                handlers.put(new TopicPartition(prefix + "orders", i),
                    (value, out) -> orders.on(OrdersMsg.parseFrom(value), out));
                handlers.put(new TopicPartition(prefix + "inventory", i),
                    (value, out) -> inventory.on(InvMsg.parseFrom(value), out));
                handlers.put(new TopicPartition(prefix + "payments", i),
                    (value, out) -> wallet.on(PayMsg.parseFrom(value), out));
            }
            consumer.assign(handlers.keySet());
        }

        private void loop(KafkaConsumer<byte[], byte[]> consumer,
                KafkaProducer<byte[], byte[]> producer, Send out) throws Exception {
            ConsumerGroupMetadata metadata = consumer.groupMetadata();
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            boolean open = false;
            boolean paused = false;
            long began = 0;
            while (!stop || open) {
                if (pause != paused) {
                    paused = pause;
                    if (paused) {
                        consumer.pause(consumer.assignment());
                    } else {
                        consumer.resume(consumer.assignment());
                    }
                }
                idle = paused && !open;
                ConsumerRecords<byte[], byte[]> records =
                    consumer.poll(Duration.ofMillis(open ? 5 : 50));
                if (!records.isEmpty() && !open) {
                    producer.beginTransaction();
                    open = true;
                    began = System.currentTimeMillis();
                }
                for (TopicPartition partition : records.partitions()) {
                    Handler handler = handlers.get(partition);
                    for (ConsumerRecord<byte[], byte[]> record : records.records(partition)) {
                        handler.on(record.value(), out);
                    }
                    next.put(partition, new OffsetAndMetadata(consumer.position(partition)));
                }
                if (open && (stop || System.currentTimeMillis() - began >= Settings.COMMIT_MS)) {
                    producer.sendOffsetsToTransaction(next, metadata);
                    producer.commitTransaction();
                    next.clear();
                    open = false;
                }
            }
        }

        /** Applies everything below the committed offsets again, silently. */
        private void replay(KafkaConsumer<byte[], byte[]> consumer, Send out) throws Exception {
            Map<TopicPartition, Long> upTo = new HashMap<>();
            consumer.committed(handlers.keySet()).forEach((partition, offset) -> {
                if (offset != null && offset.offset() > 0) {
                    upTo.put(partition, offset.offset());
                }
            });
            consumer.seekToBeginning(consumer.assignment());
            if (upTo.isEmpty()) {
                return;
            }
            out.mute = true;
            consumer.pause(handlers.keySet().stream()
                .filter(partition -> !upTo.containsKey(partition)).toList());
            while (!upTo.isEmpty()) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(50));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    TopicPartition partition =
                        new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < upTo.getOrDefault(partition, 0L)) {
                        handlers.get(partition).on(record.value(), out);
                    }
                }
                for (TopicPartition partition : List.copyOf(upTo.keySet())) {
                    if (consumer.position(partition) >= upTo.get(partition)) {
                        consumer.seek(partition, upTo.remove(partition));
                        consumer.pause(List.of(partition));
                    }
                }
            }
            out.mute = false;
            Logic.resetCounters();
            consumer.resume(consumer.assignment());
        }
    }
}
