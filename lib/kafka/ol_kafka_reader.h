/*
 * lib/kafka/ol_kafka_reader.h - reads given partitions from given offsets, outside any group.
 *
 *   open -> assign(positions) -> poll ... until ol_reader_at_end() or a position is passed -> close
 *
 * For take-over, verify, tail, export and tests. Order holds within a partition.
 * Threads: one owner.
 */
#ifndef OL_KAFKA_READER_H
#define OL_KAFKA_READER_H

#include "lib/kafka/ol_inbox.h"
#include "lib/kafka/ol_kafka.h"

struct ol_reader;

enum ol_isolation {
    OL_READ_COMMITTED,   /* up to the last stable offset, without aborted records */
    OL_READ_UNCOMMITTED, /* up to the high watermark, aborted records too: for watermarks */
};

/* `partition_count`: most partitions read at once, shares the fetch budget out. */
enum ol_class ol_reader_open(const struct ol_kafka_settings *settings, enum ol_isolation isolation,
                             size_t partition_count, struct ol_reader **ret_reader,
                             struct ol_error *reterr);

/* Bounded (5 s); false: librdkafka hangs, exit soon. Takes NULL. */
bool ol_reader_close(struct ol_reader *reader);

/* Reads these from now on, and only these; count 0 stops all. Offsets >= 0, or OL_BEGINNING and
 * OL_END. Untaken messages of before are dropped; taken ones stay valid. topic_index of a message
 * is its row in `positions`. */
#define OL_BEGINNING INT64_C(-2)
#define OL_END       INT64_C(-1)
enum ol_class ol_reader_assign(struct ol_reader *reader, const struct ol_offset *positions,
                               size_t count, struct ol_error *reterr);

/* Up to `max` messages of all partitions, waiting up to timeout_ms for the first message, end of a
 * partition or error. OL_OK with 0: time passed or only an end was reached. OL_VIOLATED: an offset
 * is out of range (the log was cut); OL_NOT_FOUND: no such partition. */
enum ol_class ol_reader_poll(struct ol_reader *reader, int timeout_ms, struct ol_message *messages,
                             size_t max, size_t *ret_count, struct ol_error *reterr);

/* The inboxes, in the order of assign: their positions and ends, and the messages of each. */
size_t ol_reader_inboxes(const struct ol_reader *reader, struct ol_inbox **ret_inboxes);

/* The next offset of row `index`: last message + 1 or the end-of-partition offset if larger. */
int64_t ol_reader_position(const struct ol_reader *reader, size_t index);

/* Have all partitions been read to their end at least once, and nothing come since? */
bool ol_reader_at_end(const struct ol_reader *reader);

/* First offset and end as this handle sees it: read_uncommitted gives the high watermark,
 * read_committed the last stable offset. Asks the broker (never a cache); ret_low NULL: the first
 * offset is not asked. */
enum ol_class ol_reader_watermarks(struct ol_reader *reader, const char *topic, int32_t partition,
                                   int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                   struct ol_error *reterr);

#endif
