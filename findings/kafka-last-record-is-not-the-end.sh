#!/usr/bin/env bash
# kafka-last-record-is-not-the-end - who has read all, and says so by the last record, is not at the end.
#
# What: a transaction ends with a marker, which has an offset and is no record. The last record's offset
#   + 1, which every example commits, stays before it; an aborted transaction widens the gap by all it
#   has. The library's own position, which no record tells, goes on to the end.
# Where: librdkafka 2.0.2 (Debian 12), Kafka 4.2.2.
# Why: "last record + 1 = end" never comes true, so who waits for it waits for ever, and a lag made of
#   such offsets never becomes 0.
# So: a position counts the end-of-partition events too, lib/kafka/ol_inbox.h; docs/exactly-once.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kafka-last-record-is-not-the-end \
    'after all records are read, the offset of the last + 1 is the end of the partition'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

static int64_t position(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "log", 0);
    rd_kafka_resp_err_t error = rd_kafka_position(consumer, list);
    if (error)
        fail("position", rd_kafka_err2str(error));
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "transactional.id", "t");
    make_topic(producer, "log", 1);
    SURE(rd_kafka_init_transactions(producer, WAIT_MS));
    for (int commit = 1; commit >= 0; commit--) {
        int64_t last, low, end, high;
        transact(producer, "log", 3, commit);
        rd_kafka_t *consumer = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", argv[1], "group.id", "g",
                                      "isolation.level", "read_committed", "enable.partition.eof", "true");
        rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(consumer, "log", 0, &low, &high, WAIT_MS);
        if (error)
            fail("watermarks", rd_kafka_err2str(error));
        assign(consumer, "log", 0);
        do /* the end of what was stable may come first */
            read_to_end(consumer, &last, &end);
        while (end < high);
        printf("%d,%d,%d%c", (int)last + 1, (int)position(consumer), (int)high, commit ? ' ' : '\n');
        rd_kafka_destroy(consumer);
    }
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r committed aborted <"$TEMP/c"
told="last record + 1, position, end: $committed after a commit, $aborted after an abort"
[[ $committed == 3,4,4 && $aborted == 3,8,8 ]] || changed "$told"
seen "$told"
