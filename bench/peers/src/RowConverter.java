package peers;

import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.storage.Converter;
import peers.pb.P.AccountRow;
import peers.pb.P.Entry;
import peers.pb.P.OrderLineRow;
import peers.pb.P.OrderRow;
import peers.pb.P.StockRow;

/**
 * Kafka Connect's converter for the rows: the record's key holds the primary key (integers, the
 * highest byte first), the value the other columns. No schema travels with a record: the topic says
 * which row it is.
 */
public final class RowConverter implements Converter {
    private static final Schema INT = Schema.INT32_SCHEMA;
    private static final Schema LONG = Schema.INT64_SCHEMA;

    private enum Kind {
        ORDERS("rows-orders", "orders",
            schema("order_id", LONG),
            schema("customer_id", LONG, "status", INT, "total_cents", LONG, "line_count", INT,
                "placed_at", LONG)),
        LINES("rows-order_lines", "order_lines",
            schema("order_id", LONG, "line_no", INT),
            schema("sku", LONG, "qty", LONG, "amount_cents", LONG)),
        STOCK("-stock-changelog", "stock",
            schema("sku", LONG),
            schema("on_hand", LONG, "reserved", LONG, "version", LONG)),
        ACCOUNTS("-account-changelog", "accounts",
            schema("customer_id", LONG),
            schema("balance_cents", LONG, "version", LONG)),
        LEDGER("rows-ledger_entries", "ledger_entries",
            schema("customer_id", LONG, "seq", LONG),
            schema("order_id", LONG, "amount_cents", LONG, "balance_cents", LONG, "at", LONG));

        private final String topic;
        private final String table;
        private final Schema key;
        private final Schema value;
        private final Field[] keys;
        private final Field[] values;

        Kind(String topic, String table, Schema key, Schema value) {
            this.topic = topic;
            this.table = table;
            this.key = key;
            this.value = value;
            keys = key.fields().toArray(new Field[0]);
            values = value.fields().toArray(new Field[0]);
        }

        static Kind of(String topic) {
            for (Kind kind : values()) {
                if (topic.endsWith(kind.topic)) {
                    return kind;
                }
            }
            throw new DataException("not a topic of rows: " + topic);
        }
    }

    private static Schema schema(Object... fields) {
        SchemaBuilder builder = SchemaBuilder.struct();
        for (int i = 0; i < fields.length; i += 2) {
            builder.field((String) fields[i], (Schema) fields[i + 1]);
        }
        return builder.build();
    }

    static boolean isRowTopic(String topic) {
        return List.of(Kind.values()).stream().anyMatch(kind -> topic.endsWith(kind.topic));
    }

    static String table(String topic) {
        return Kind.of(topic).table;
    }

    static byte[] lineKey(long order, int number) {
        return ByteBuffer.allocate(12).putLong(order).putInt(number).array();
    }

    static byte[] entryKey(long customer, long seq) {
        return ByteBuffer.allocate(16).putLong(customer).putLong(seq).array();
    }

    private boolean isKey;
    private String lastTopic;
    private Kind last;

    @Override public void configure(Map<String, ?> configs, boolean key) {
        isKey = key;
    }

    @Override public byte[] fromConnectData(String topic, Schema schema, Object value) {
        throw new DataException("this converter is for a sink");
    }

    @Override public SchemaAndValue toConnectData(String topic, byte[] bytes) {
        if (bytes == null) {
            return SchemaAndValue.NULL;
        }
        if (!topic.equals(lastTopic)) {
            last = Kind.of(topic);
            lastTopic = topic;
        }
        try {
            return isKey ? new SchemaAndValue(last.key, key(last, ByteBuffer.wrap(bytes)))
                : new SchemaAndValue(last.value, value(last, bytes));
        } catch (InvalidProtocolBufferException e) {
            throw new DataException("bad row on " + topic, e);
        }
    }

    private static Struct key(Kind kind, ByteBuffer bytes) {
        Struct key = new Struct(kind.key);
        for (Field field : kind.keys) {
            if (field.schema() == INT) {
                key.put(field, bytes.getInt());
            } else {
                key.put(field, bytes.getLong());
            }
        }
        return key;
    }

    private static Struct value(Kind kind, byte[] bytes) throws InvalidProtocolBufferException {
        Struct value = new Struct(kind.value);
        Field[] to = kind.values;
        switch (kind) {
            case ORDERS -> {
                OrderRow row = OrderRow.parseFrom(bytes);
                value.put(to[0], row.getCustomer()).put(to[1], row.getStatus())
                    .put(to[2], row.getTotalCents()).put(to[3], row.getLineCount())
                    .put(to[4], row.getPlacedAt());
            }
            case LINES -> {
                OrderLineRow row = OrderLineRow.parseFrom(bytes);
                value.put(to[0], row.getSku()).put(to[1], row.getQty())
                    .put(to[2], row.getAmountCents());
            }
            case STOCK -> {
                StockRow row = StockRow.parseFrom(bytes);
                value.put(to[0], row.getOnHand()).put(to[1], row.getReserved())
                    .put(to[2], row.getVersion());
            }
            case ACCOUNTS -> {
                AccountRow row = AccountRow.parseFrom(bytes);
                value.put(to[0], row.getBalanceCents()).put(to[1], row.getVersion());
            }
            case LEDGER -> {
                Entry row = Entry.parseFrom(bytes);
                value.put(to[0], row.getOrderId()).put(to[1], row.getAmountCents())
                    .put(to[2], row.getBalanceCents()).put(to[3], row.getTimeMs());
            }
        }
        return value;
    }
}
