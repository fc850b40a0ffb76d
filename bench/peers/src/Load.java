package peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import peers.pb.P.Deposit;
import peers.pb.P.InvMsg;
import peers.pb.P.Line;
import peers.pb.P.OrdersMsg;
import peers.pb.P.PayMsg;
import peers.pb.P.PlaceOrder;
import peers.pb.P.SetStock;

/**
 * Makes topics and fills them from the sample that deploy/local/convert.py wrote:
 * topics PREFIX TOPIC... | setup PREFIX SAMPLE | orders PREFIX SAMPLE COUNT | delete PREFIX.
 */
public final class Load {
    private Load() { }

    private static final String PRODUCTS = "sku,name,category,brand,price_minor,currency,stock";
    private static final String ACCOUNTS = "customer_id,currency,funds_minor";
    private static final String BASKETS =
        "basket_id,customer_id,placed_at,line_no,sku,quantity,amount_minor,currency";

    public static void main(String[] words) throws Exception {
        String prefix = words[1];
        switch (words[0]) {
            case "topics" -> topics(prefix, List.of(words).subList(2, words.length));
            case "setup" -> setup(prefix, Path.of(words[2]));
            case "orders" -> orders(prefix, Path.of(words[2]), Integer.parseInt(words[3]));
            case "delete" -> delete(prefix);
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", Settings.BROKERS));
    }

    private static void topics(String prefix, List<String> names) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(names.stream().map(name ->
                new NewTopic(prefix + name, Settings.PARTITIONS, (short) 1)).toList()).all().get();
        }
    }

    private static void delete(String prefix) throws Exception {
        try (Admin admin = admin()) {
            admin.deleteTopics(admin.listTopics().names().get().stream()
                .filter(topic -> topic.startsWith(prefix)).toList()).all().get();
        }
    }

    private static void setup(String prefix, Path sample) throws Exception {
        try (Sender sender = new Sender()) {
            each(sample.resolve("products.csv"), PRODUCTS, line -> {
                // A name may hold commas; what is read stands before and after all names.
                long sku = Long.parseLong(line.substring(0, line.indexOf(',')));
                long stock = Long.parseLong(line.substring(line.lastIndexOf(',') + 1));
                int part = Logic.partitionOf(sku);
                sender.send(prefix + "inventory", part, sku, InvMsg.newBuilder().setPart(part)
                    .setSet(SetStock.newBuilder().setSku(sku).setOnHand(stock)).build()
                    .toByteArray());
            });
            each(sample.resolve("accounts.csv"), ACCOUNTS, line -> {
                String[] fields = line.split(",");
                long customer = Long.parseLong(fields[0]);
                sender.send(prefix + "payments", Logic.partitionOf(customer), customer,
                    PayMsg.newBuilder().setDeposit(Deposit.newBuilder().setCustomer(customer)
                        .setAmountCents(Long.parseLong(fields[2]))).build().toByteArray());
            });
        }
    }

    private static void orders(String prefix, Path sample, int count) throws Exception {
        try (Sender sender = new Sender()) {
            Orders orders = new Orders(prefix + "orders", sender, count);
            each(sample.resolve("baskets.csv"), BASKETS, orders::line);
            orders.close();
            if (orders.sent != count) {
                throw new IOException("the sample has " + orders.sent + " orders, not " + count);
            }
        }
    }

    /** Gathers the lines of a basket, which stand together, and sends it as a command. */
    private static final class Orders {
        private final String topic;
        private final Sender sender;
        private final int limit;
        private PlaceOrder.Builder order = PlaceOrder.newBuilder();
        private int sent;

        Orders(String topic, Sender sender, int limit) {
            this.topic = topic;
            this.sender = sender;
            this.limit = limit;
        }

        void line(String line) throws Exception {
            String[] fields = line.split(",");
            long id = Long.parseLong(fields[0]);
            if (id != order.getOrderId()) {
                close();
                order = PlaceOrder.newBuilder().setOrderId(id)
                    .setCustomer(Long.parseLong(fields[1]))
                    .setTimeMs(Instant.parse(fields[2]).toEpochMilli());
            }
            order.addLines(Line.newBuilder().setSku(Long.parseLong(fields[4]))
                .setQty(Long.parseLong(fields[5])).setAmountCents(Long.parseLong(fields[6])));
        }

        void close() throws Exception {
            if (order.getLinesCount() == 0 || sent == limit) {
                return;
            }
            long id = order.getOrderId();
            sender.send(topic, Logic.partitionOf(id), id,
                OrdersMsg.newBuilder().setPlace(order).build().toByteArray());
            sent++;
        }
    }

    private interface Each {
        void line(String line) throws Exception;
    }

    private static void each(Path file, String head, Each each) throws Exception {
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            if (!head.equals(reader.readLine())) {
                throw new IOException(file + " does not begin with " + head);
            }
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                each.line(line);
            }
        }
    }

    /** A producer that looks at the answers. */
    private static final class Sender implements AutoCloseable {
        private final KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", Settings.BROKERS, "linger.ms", 50,
                "batch.size", 2 * Settings.BATCH_BYTES, "buffer.memory", Settings.BUFFER_BYTES,
                "compression.type", Settings.COMPRESSION),
            new ByteArraySerializer(), new ByteArraySerializer());
        private final List<Future<RecordMetadata>> answers = new ArrayList<>();

        void send(String topic, int partition, long key, byte[] value) {
            answers.add(producer.send(
                new ProducerRecord<>(topic, partition, Logic.key(key), value)));
        }

        @Override public void close() throws Exception {
            producer.flush();
            for (Future<RecordMetadata> answer : answers) {
                answer.get();
            }
            producer.close();
        }
    }
}
