package peers;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.postgresql.PGConnection;
import peers.pb.P.Entry;
import peers.pb.P.InvEvent;
import peers.pb.P.Line;
import peers.pb.P.OrderEvent;
import peers.pb.P.OrderPlaced;
import peers.pb.P.PayEvent;
import peers.pb.P.Status;
import peers.pb.P.StockLevel;
import peers.pb.P.StockMoved;

/**
 * Projects the three topics of events: read_committed, large batches, UNNEST upserts, offsets in
 * the same transaction. Each thread has its own partitions and connection, and their rows never
 * meet: an order's come from one partition, a product's from one, a customer's from one.
 *
 * Projector PORT; commands: start PREFIX JDBC_URL USER PASSWORD | stop.
 */
public final class Projector {
    private Projector() { }

    private static final List<Worker> WORKERS = new ArrayList<>();
    /** Events whose rows are committed. */
    private static final LongAdder TAKEN = new LongAdder();

    public static void main(String[] words) throws Exception {
        Control.serve(Integer.parseInt(words[0]), Map.of(
            "start", Projector::start,
            "stop", w -> stop()), () -> Map.of("taken", TAKEN.sum()));
    }

    private static void start(String[] words) {
        TAKEN.reset();
        for (int i = 0; i < Settings.THREADS; i++) {
            WORKERS.add(new Worker(i, words[0], words));
        }
        WORKERS.forEach(Thread::start);
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

    /** A statement and its columns, which grow. */
    private static final class Columns {
        private final PGConnection arrays;
        private final PreparedStatement statement;
        private final long[][] columns;
        private int count;

        /** sql: with %s where the columns are, as parameters. */
        Columns(Connection db, int width, String sql) throws SQLException {
            String parameters = "?::int8[]" + ",?::int8[]".repeat(width - 1);
            statement = db.prepareStatement(String.format(sql, parameters));
            arrays = db.unwrap(PGConnection.class); // takes long[]: sent as a binary array
            columns = new long[width][4096];
        }

        void add(long... values) {
            if (count == columns[0].length) {
                for (int i = 0; i < columns.length; i++) {
                    columns[i] = Arrays.copyOf(columns[i], count * 2);
                }
            }
            for (int i = 0; i < values.length; i++) {
                columns[i][count] = values[i];
            }
            count++;
        }

        void run() throws SQLException {
            if (count == 0) {
                return;
            }
            for (int i = 0; i < columns.length; i++) {
                statement.setArray(i + 1,
                    arrays.createArrayOf("int8", (Object) Arrays.copyOf(columns[i], count)));
            }
            statement.executeUpdate();
            count = 0;
        }
    }

    /** What a batch has to say to the tables. */
    private static final class Batch {
        private final Columns orders;
        private final Columns closed;
        private final Columns lines;
        private final Columns stock;
        private final Columns accounts;
        private final Columns ledger;
        private final Map<Long, Integer> placed = new HashMap<>();
        private final Map<Long, StockLevel> levels = new HashMap<>();
        private final Map<Long, Entry> entries = new HashMap<>();

        Batch(Connection db) throws SQLException {
            orders = new Columns(db, 6, "insert into orders select * from unnest(%s)"
                + " on conflict (order_id) do update set status = excluded.status");
            closed = new Columns(db, 2, "update orders o set status = u.s"
                + " from unnest(%s) as u(id, s) where o.order_id = u.id");
            lines = new Columns(db, 5, "insert into order_lines select * from unnest(%s)"
                + " on conflict do nothing");
            stock = new Columns(db, 4, "insert into stock select * from unnest(%s)"
                + " on conflict (sku) do update set on_hand = excluded.on_hand,"
                + " reserved = excluded.reserved, version = excluded.version");
            accounts = new Columns(db, 3, "insert into accounts select * from unnest(%s)"
                + " on conflict (customer_id) do update set"
                + " balance_cents = excluded.balance_cents, version = excluded.version");
            ledger = new Columns(db, 6, "insert into ledger_entries select * from unnest(%s)"
                + " on conflict do nothing");
        }

        void order(OrderEvent event) {
            long id = event.getOrderId();
            if (event.hasPlaced()) {
                OrderPlaced order = event.getPlaced();
                int count = order.getLinesCount();
                placed.put(id, orders.count);
                orders.add(id, order.getCustomer(), Status.PLACED_VALUE, order.getTotalCents(),
                    count, event.getTimeMs());
                for (int i = 0; i < count; i++) {
                    Line line = order.getLines(i);
                    lines.add(id, i + 1, line.getSku(), line.getQty(), line.getAmountCents());
                }
                return;
            }
            int status = event.getClosed().getStatusValue();
            Integer row = placed.get(id); // placed and closed in one batch: one upsert
            if (row != null) {
                orders.columns[2][row] = status;
            } else {
                closed.add(id, status);
            }
        }

        void inventory(InvEvent event) {
            StockMoved moved = switch (event.getECase()) {
                case STOCKED -> event.getStocked();
                case RESERVED -> event.getReserved();
                case RELEASED -> event.getReleased();
                default -> StockMoved.getDefaultInstance();
            };
            for (StockLevel level : moved.getLevelsList()) {
                levels.put(level.getSku(), level);
            }
        }

        void payment(PayEvent event) {
            if (event.hasDeclined()) {
                return;
            }
            Entry entry = event.hasFunded() ? event.getFunded() : event.getAuthorised();
            entries.put(entry.getCustomer(), entry);
            ledger.add(entry.getCustomer(), entry.getSeq(), entry.getOrderId(),
                entry.getAmountCents(), entry.getBalanceCents(), entry.getTimeMs());
        }

        void write() throws SQLException {
            placed.clear();
            for (StockLevel level : levels.values()) {
                stock.add(level.getSku(), level.getOnHand(), level.getReserved(),
                    level.getVersion());
            }
            levels.clear();
            for (Entry entry : entries.values()) {
                accounts.add(entry.getCustomer(), entry.getBalanceCents(), entry.getSeq());
            }
            entries.clear();
            for (Columns columns : List.of(orders, closed, lines, stock, accounts, ledger)) {
                columns.run();
            }
        }
    }

    private static final class Worker extends Thread {
        private final int index;
        private final String prefix;
        private final String[] words;
        private volatile boolean stop;

        Worker(int index, String prefix, String[] words) {
            super("projector-" + index);
            this.index = index;
            this.prefix = prefix;
            this.words = words;
        }

        @Override public void run() {
            try (Connection db = DriverManager.getConnection(
                        words[1] + "?prepareThreshold=1", words[2], words[3]);
                    KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                db.setAutoCommit(false);
                assign(consumer, db);
                loop(consumer, db);
            } catch (Throwable e) {
                Control.fatal(e);
            }
        }

        private static KafkaConsumer<byte[], byte[]> consumer() {
            return new KafkaConsumer<>(Map.of(
                "bootstrap.servers", Settings.BROKERS,
                "isolation.level", "read_committed",
                "enable.auto.commit", false,
                "auto.offset.reset", "earliest",
                "max.poll.records", Settings.PROJECTED_EVENTS,
                "fetch.min.bytes", 65536,
                "fetch.max.wait.ms", Settings.FETCH_WAIT_MS,
                "max.partition.fetch.bytes", Settings.PARTITION_FETCH_BYTES),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        private void assign(KafkaConsumer<byte[], byte[]> consumer, Connection db)
                throws SQLException {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : List.of("orders-events", "inventory-events", "payments-events")) {
                for (int i = index; i < Settings.PARTITIONS; i += Settings.THREADS) {
                    partitions.add(new TopicPartition(prefix + topic, i));
                }
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            try (ResultSet rows = db.createStatement().executeQuery(
                    "select topic, part, next from projection_offsets")) {
                while (rows.next()) {
                    TopicPartition partition =
                        new TopicPartition(rows.getString(1), rows.getInt(2));
                    if (partitions.contains(partition)) {
                        consumer.seek(partition, rows.getLong(3));
                    }
                }
            }
            db.commit();
        }

        private void loop(KafkaConsumer<byte[], byte[]> consumer, Connection db)
                throws Exception {
            Batch batch = new Batch(db);
            Map<TopicPartition, Long> next = new HashMap<>();
            while (!stop) {
                int events = gather(consumer, batch, next);
                if (events == 0) {
                    continue;
                }
                batch.write();
                try (PreparedStatement offsets = db.prepareStatement(
                        "insert into projection_offsets values (?,?,?)"
                        + " on conflict (topic, part) do update set next = excluded.next")) {
                    for (Map.Entry<TopicPartition, Long> entry : next.entrySet()) {
                        offsets.setString(1, entry.getKey().topic());
                        offsets.setInt(2, entry.getKey().partition());
                        offsets.setLong(3, entry.getValue());
                        offsets.addBatch();
                    }
                    offsets.executeBatch();
                }
                db.commit();
                next.clear();
                TAKEN.add(events);
            }
        }

        /** Events until there are enough, or the first has waited long enough. */
        private int gather(KafkaConsumer<byte[], byte[]> consumer, Batch batch,
                Map<TopicPartition, Long> next) throws Exception {
            int events = 0;
            long until = Long.MAX_VALUE;
            while (!stop && events < Settings.PROJECTED_EVENTS
                    && System.currentTimeMillis() < until) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(50));
                if (!records.isEmpty() && until == Long.MAX_VALUE) {
                    until = System.currentTimeMillis() + Settings.PROJECTED_WAIT_MS;
                }
                for (TopicPartition partition : records.partitions()) {
                    char context = partition.topic().charAt(prefix.length());
                    for (ConsumerRecord<byte[], byte[]> record : records.records(partition)) {
                        switch (context) {
                            case 'o' -> batch.order(OrderEvent.parseFrom(record.value()));
                            case 'i' -> batch.inventory(InvEvent.parseFrom(record.value()));
                            default -> batch.payment(PayEvent.parseFrom(record.value()));
                        }
                    }
                    next.put(partition, consumer.position(partition));
                }
                events += records.count();
            }
            return events;
        }
    }
}
