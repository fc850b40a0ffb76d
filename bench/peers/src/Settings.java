package peers;

/** What all peers are set to: the fastest that was found (README.md), and what bench/run says. */
final class Settings {
    private Settings() { }

    static final String BROKERS = System.getenv("ORDERLOG_KAFKA_BROKERS");
    /** Of each topic; a bit mask has one bit for each. */
    static final int PARTITIONS = Integer.parseInt(System.getenv("ORDERLOG_PARTITIONS"));
    static final int THREADS =
        Math.min(PARTITIONS, Runtime.getRuntime().availableProcessors());

    static final int COMMIT_MS = 200;
    static final String COMPRESSION = "lz4";
    static final int LINGER_MS = 100;
    static final int BATCH_BYTES = 131072;
    static final long BUFFER_BYTES = 134217728L;
    static final int POLL_RECORDS = 5000;
    static final int FETCH_WAIT_MS = 50;
    static final int PARTITION_FETCH_BYTES = 4194304;
    /** Of Streams' stores, where the peer has one. */
    static final long CACHE_BYTES = 268435456L;

    /** The projector's: events of a transaction, and how long it waits for so many. */
    static final int PROJECTED_EVENTS = 50000;
    static final int PROJECTED_WAIT_MS = 300;

    /** Debezium's sink: its tasks, records of a poll and of a batch. */
    static final int SINK_TASKS = 2;
    static final int SINK_POLL_RECORDS = 20000;
    static final int SINK_BATCH_RECORDS = 2000;
    static final int SINK_FETCH_BYTES = 262144;
}
