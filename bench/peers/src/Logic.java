package peers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.common.utils.Utils;
import peers.pb.P.AccountRow;
import peers.pb.P.AuthorisePayment;
import peers.pb.P.Deposit;
import peers.pb.P.Entry;
import peers.pb.P.InvEvent;
import peers.pb.P.InvMsg;
import peers.pb.P.Item;
import peers.pb.P.Line;
import peers.pb.P.OrderClosed;
import peers.pb.P.OrderEvent;
import peers.pb.P.OrderPlaced;
import peers.pb.P.OrderRow;
import peers.pb.P.OrderState;
import peers.pb.P.OrdersMsg;
import peers.pb.P.PayDeclined;
import peers.pb.P.PayEvent;
import peers.pb.P.PayMsg;
import peers.pb.P.PaymentReply;
import peers.pb.P.PlaceOrder;
import peers.pb.P.ReleaseStock;
import peers.pb.P.ReserveStock;
import peers.pb.P.SetStock;
import peers.pb.P.Status;
import peers.pb.P.StockLevel;
import peers.pb.P.StockMoved;
import peers.pb.P.StockRefused;
import peers.pb.P.StockReply;
import peers.pb.P.StockRow;

/** The rules, the same for all peers: three processors, each with its own state and outputs. */
final class Logic {
    private Logic() { }

    /** What a processor writes. The partition of `inventory` and its events is in the message. */
    interface Out {
        void reply(long orderId, OrdersMsg message);

        void inventory(long orderId, InvMsg message);

        void payment(long customer, PayMsg message);

        void orderEvent(long orderId, OrderEvent event);

        void invEvent(long key, InvEvent event);

        void payEvent(long customer, PayEvent event);

        /** Rows, only for a sink that can't take them out of events. */
        void rows(OrderRow row, List<Line> lines);

        void ledgerRow(Entry entry);
    }

    interface Table<V> {
        V get(long key);

        void put(long key, V value);

        void delete(long key);
    }

    // ---- counters ----

    private static final LongAdder COMMANDS = new LongAdder();
    private static final LongAdder MESSAGES = new LongAdder();
    private static final LongAdder EVENTS = new LongAdder();
    private static final LongAdder CONFIRMED = new LongAdder();
    private static final LongAdder REJECTED = new LongAdder();
    private static final LongAdder CANCELLED = new LongAdder();

    static void resetCounters() {
        for (LongAdder adder : List.of(COMMANDS, MESSAGES, EVENTS, CONFIRMED, REJECTED,
                CANCELLED)) {
            adder.reset();
        }
    }

    static long events() {
        return EVENTS.sum();
    }

    static Map<String, Long> counters() {
        Map<String, Long> counters = new HashMap<>();
        counters.put("commands", COMMANDS.sum());
        counters.put("messages", MESSAGES.sum());
        counters.put("events", EVENTS.sum());
        counters.put("closed", CONFIRMED.sum() + REJECTED.sum() + CANCELLED.sum());
        return counters;
    }

    // ---- keys ----

    /** Eight bytes, the highest first. */
    static byte[] key(long value) {
        byte[] bytes = new byte[8];
        for (int i = 7; i >= 0; i--) {
            bytes[i] = (byte) value;
            value >>>= 8;
        }
        return bytes;
    }

    static int partitionOf(long key) {
        return Utils.toPositive(Utils.murmur2(key(key))) % Settings.PARTITIONS;
    }

    // ---- orders ----

    static final class Orders {
        private final Table<OrderState> states;
        /** Kept only while a release, or a row, may need them. */
        private final Table<PlaceOrder> placed;
        private final boolean writesRows;

        Orders(Table<OrderState> states, Table<PlaceOrder> placed, boolean writesRows) {
            this.states = states;
            this.placed = placed;
            this.writesRows = writesRows;
        }

        void on(OrdersMsg message, Out out) {
            MESSAGES.increment();
            switch (message.getMCase()) {
                case PLACE -> place(message.getPlace(), out);
                case STOCK -> stock(message.getStock(), out);
                case PAY -> pay(message.getPay(), out);
                default -> throw new IllegalArgumentException("empty orders message");
            }
        }

        private void place(PlaceOrder command, Out out) {
            COMMANDS.increment();
            long id = command.getOrderId();
            if (states.get(id) != null) {
                return; // a repeated command
            }
            long total = 0;
            Groups groups = new Groups(id, command.getTimeMs());
            int count = command.getLinesCount();
            for (int i = 0; i < count; i++) {
                Line line = command.getLines(i);
                total += line.getAmountCents();
                groups.add(line);
            }
            states.put(id, OrderState.newBuilder().setCustomer(command.getCustomer())
                .setTotalCents(total).setStatus(Status.PLACED).setPending(groups.mask).build());
            placed.put(id, command);
            out.orderEvent(id, OrderEvent.newBuilder().setOrderId(id)
                .setTimeMs(command.getTimeMs())
                .setPlaced(OrderPlaced.newBuilder().setCustomer(command.getCustomer())
                    .setTotalCents(total).addAllLines(command.getLinesList())).build());
            EVENTS.increment();
            if (writesRows) {
                out.rows(row(id, command, total, Status.PLACED), command.getLinesList());
            }
            groups.send(out, false, groups.mask);
        }

        private void stock(StockReply reply, Out out) {
            long id = reply.getOrderId();
            OrderState state = states.get(id);
            int bit = 1 << reply.getPart();
            if (state == null || (state.getPending() & bit) == 0) {
                return;
            }
            OrderState.Builder next = state.toBuilder().setPending(state.getPending() & ~bit);
            if (reply.getOk()) {
                next.setReserved(state.getReserved() | bit);
            } else {
                next.setRefused(true);
            }
            if (next.getPending() == 0 && next.getRefused()) {
                close(id, next, Status.REJECTED, reply.getTimeMs(), out);
            } else if (next.getPending() == 0) {
                next.setStatus(Status.RESERVED);
                out.payment(state.getCustomer(), PayMsg.newBuilder()
                    .setAuth(AuthorisePayment.newBuilder().setOrderId(id)
                        .setCustomer(state.getCustomer()).setAmountCents(state.getTotalCents())
                        .setTimeMs(reply.getTimeMs())).build());
            }
            states.put(id, next.build());
        }

        private void pay(PaymentReply reply, Out out) {
            long id = reply.getOrderId();
            OrderState state = states.get(id);
            if (state == null || state.getStatus() != Status.RESERVED) {
                return;
            }
            OrderState.Builder next = state.toBuilder();
            close(id, next, reply.getOk() ? Status.CONFIRMED : Status.CANCELLED,
                reply.getTimeMs(), out);
            states.put(id, next.build());
        }

        private void close(long id, OrderState.Builder state, Status status, long time, Out out) {
            boolean releases = status != Status.CONFIRMED && state.getReserved() != 0;
            PlaceOrder command = writesRows || releases ? placed.get(id) : null;
            state.setStatus(status);
            if (releases) {
                Groups groups = new Groups(id, time);
                for (Line line : command.getLinesList()) {
                    groups.add(line);
                }
                groups.send(out, true, state.getReserved());
            }
            placed.delete(id);
            out.orderEvent(id, OrderEvent.newBuilder().setOrderId(id).setTimeMs(time)
                .setClosed(OrderClosed.newBuilder().setStatus(status)).build());
            EVENTS.increment();
            if (writesRows) {
                out.rows(row(id, command, state.getTotalCents(), status), List.of());
            }
            (status == Status.CONFIRMED ? CONFIRMED
                : status == Status.REJECTED ? REJECTED : CANCELLED).increment();
        }

        private static OrderRow row(long id, PlaceOrder command, long total, Status status) {
            return OrderRow.newBuilder().setOrderId(id).setCustomer(command.getCustomer())
                .setStatus(status.getNumber()).setTotalCents(total)
                .setLineCount(command.getLinesCount()).setPlacedAt(command.getTimeMs()).build();
        }
    }

    /** Lines of one order by partition of their products. */
    private static final class Groups {
        private final long id;
        private final long time;
        private final List<List<Item>> items = new ArrayList<>(Settings.PARTITIONS);
        private int mask;

        Groups(long id, long time) {
            this.id = id;
            this.time = time;
            for (int i = 0; i < Settings.PARTITIONS; i++) {
                items.add(null);
            }
        }

        void add(Line line) {
            int part = partitionOf(line.getSku());
            List<Item> group = items.get(part);
            if (group == null) {
                group = new ArrayList<>(8);
                items.set(part, group);
                mask |= 1 << part;
            }
            group.add(Item.newBuilder().setSku(line.getSku()).setQty(line.getQty()).build());
        }

        void send(Out out, boolean release, int which) {
            for (int part = 0; part < Settings.PARTITIONS; part++) {
                if ((which & (1 << part)) == 0) {
                    continue;
                }
                InvMsg.Builder message = InvMsg.newBuilder().setPart(part);
                if (release) {
                    message.setRelease(ReleaseStock.newBuilder().setOrderId(id).setPart(part)
                        .addAllItems(items.get(part)).setTimeMs(time));
                } else {
                    message.setReserve(ReserveStock.newBuilder().setOrderId(id).setPart(part)
                        .addAllItems(items.get(part)).setTimeMs(time));
                }
                out.inventory(id, message.build());
            }
        }
    }

    // ---- inventory ----

    static final class Inventory {
        private final Table<StockRow> stock;

        Inventory(Table<StockRow> stock) {
            this.stock = stock;
        }

        void on(InvMsg message, Out out) {
            MESSAGES.increment();
            switch (message.getMCase()) {
                case SET -> set(message.getSet(), message.getPart(), out);
                case RESERVE -> reserve(message.getReserve(), out);
                case RELEASE -> release(message.getRelease(), out);
                default -> throw new IllegalArgumentException("empty inventory message");
            }
            EVENTS.increment();
        }

        private void set(SetStock command, int part, Out out) {
            StockRow row = StockRow.newBuilder().setSku(command.getSku())
                .setOnHand(command.getOnHand()).setVersion(1).build();
            stock.put(command.getSku(), row);
            out.invEvent(command.getSku(), InvEvent.newBuilder().setPart(part)
                .setStocked(StockMoved.newBuilder().addLevels(level(row, command.getOnHand())))
                .build());
        }

        private static StockLevel level(StockRow row, long qty) {
            return StockLevel.newBuilder().setSku(row.getSku()).setQty(qty)
                .setOnHand(row.getOnHand()).setReserved(row.getReserved())
                .setVersion(row.getVersion()).build();
        }

        /** Adds to what is reserved, and to the event. */
        private void move(StockRow row, long qty, StockMoved.Builder moved) {
            StockRow next = row.toBuilder().setReserved(row.getReserved() + qty)
                .setVersion(row.getVersion() + 1).build();
            stock.put(next.getSku(), next);
            moved.addLevels(level(next, qty));
        }

        /** The group as a whole or not at all: every line is looked at first. */
        private void reserve(ReserveStock command, Out out) {
            int count = command.getItemsCount();
            StockRow[] rows = new StockRow[count];
            Item refused = null;
            for (int i = 0; i < count && refused == null; i++) {
                Item item = command.getItems(i);
                rows[i] = stock.get(item.getSku());
                if (rows[i] == null
                        || rows[i].getOnHand() - rows[i].getReserved() < item.getQty()) {
                    refused = item;
                }
            }
            InvEvent.Builder event = InvEvent.newBuilder().setOrderId(command.getOrderId())
                .setPart(command.getPart()).setTimeMs(command.getTimeMs());
            if (refused == null) { // an order names a product once: the rows are still right
                StockMoved.Builder moved = StockMoved.newBuilder();
                for (int i = 0; i < count; i++) {
                    move(rows[i], command.getItems(i).getQty(), moved);
                }
                event.setReserved(moved);
            } else {
                event.setRefused(StockRefused.newBuilder().setSku(refused.getSku())
                    .setWanted(refused.getQty()));
            }
            out.invEvent(command.getOrderId(), event.build());
            out.reply(command.getOrderId(), OrdersMsg.newBuilder()
                .setStock(StockReply.newBuilder().setOrderId(command.getOrderId())
                    .setPart(command.getPart()).setOk(refused == null)
                    .setTimeMs(command.getTimeMs())).build());
        }

        private void release(ReleaseStock command, Out out) {
            StockMoved.Builder moved = StockMoved.newBuilder();
            for (Item item : command.getItemsList()) {
                move(stock.get(item.getSku()), -item.getQty(), moved);
            }
            out.invEvent(command.getOrderId(), InvEvent.newBuilder()
                .setOrderId(command.getOrderId()).setPart(command.getPart())
                .setTimeMs(command.getTimeMs()).setReleased(moved).build());
        }
    }

    // ---- wallet ----

    static final class Wallet {
        private final Table<AccountRow> accounts;
        private final boolean writesRows;

        Wallet(Table<AccountRow> accounts, boolean writesRows) {
            this.accounts = accounts;
            this.writesRows = writesRows;
        }

        void on(PayMsg message, Out out) {
            MESSAGES.increment();
            EVENTS.increment();
            switch (message.getMCase()) {
                case DEPOSIT -> deposit(message.getDeposit(), out);
                case AUTH -> authorise(message.getAuth(), out);
                default -> throw new IllegalArgumentException("empty payments message");
            }
        }

        private void deposit(Deposit command, Out out) {
            long customer = command.getCustomer();
            Entry entry = move(customer, accounts.get(customer), command.getAmountCents(), 0,
                command.getTimeMs(), out);
            out.payEvent(customer, PayEvent.newBuilder().setFunded(entry).build());
        }

        private void authorise(AuthorisePayment command, Out out) {
            long customer = command.getCustomer();
            AccountRow row = accounts.get(customer);
            long balance = row == null ? 0 : row.getBalanceCents();
            boolean ok = row != null && balance >= command.getAmountCents();
            PayEvent.Builder event = PayEvent.newBuilder();
            if (ok) {
                event.setAuthorised(move(customer, row, -command.getAmountCents(),
                    command.getOrderId(), command.getTimeMs(), out));
            } else {
                event.setDeclined(PayDeclined.newBuilder().setOrderId(command.getOrderId())
                    .setCustomer(customer).setAmountCents(command.getAmountCents())
                    .setBalanceCents(balance).setTimeMs(command.getTimeMs()));
            }
            out.payEvent(customer, event.build());
            out.reply(command.getOrderId(), OrdersMsg.newBuilder()
                .setPay(PaymentReply.newBuilder().setOrderId(command.getOrderId()).setOk(ok)
                    .setTimeMs(command.getTimeMs())).build());
        }

        private Entry move(long customer, AccountRow row, long amount, long order, long time,
                Out out) {
            long balance = (row == null ? 0 : row.getBalanceCents()) + amount;
            long version = (row == null ? 0 : row.getVersion()) + 1;
            accounts.put(customer, AccountRow.newBuilder().setCustomer(customer)
                .setBalanceCents(balance).setVersion(version).build());
            Entry entry = Entry.newBuilder().setCustomer(customer).setSeq(version)
                .setOrderId(order).setAmountCents(amount).setBalanceCents(balance)
                .setTimeMs(time).build();
            if (writesRows) {
                out.ledgerRow(entry);
            }
            return entry;
        }
    }
}
