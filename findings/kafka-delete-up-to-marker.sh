#!/usr/bin/env bash
# kafka-delete-up-to-marker - deleting only what was read makes a reader lose what comes next.
#
# What: a consumer has read all and has committed the last record + 1, which is before the transaction's
#   marker. Records are deleted up to the high watermark: nothing unread goes, but the marker does, so
#   the log now begins after the committed offset. One record more is written; the consumer comes back,
#   its offset is out of range, and auto.offset.reset, "latest" by default, puts it behind the new record.
# Where: Kafka 4.2.2, librdkafka 2.0.2 (Debian 12).
# Why: who makes room in a topic whose lag "is 1, as always" takes records from a group that never sees
#   them, and nothing is said.
# So: auto.offset.reset is "error" in lib/kafka/ol_kafka.c, and a role that meets it stops and says so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kafka-delete-up-to-marker \
    'a group that had read all gets the one record that is written after it stopped'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

static const char *const TOPICS[] = {"kept", "deleted"};

static rd_kafka_t *member(const char *broker)
{
    return CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", broker, "group.id", "g", "enable.auto.commit",
                  "false", "enable.partition.eof", "true");
}

/* As the examples do: each record's offset + 1. */
static void commit(rd_kafka_t *consumer, const char *topic, int64_t last)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = last + 1;
    rd_kafka_resp_err_t error = rd_kafka_commit(consumer, list, 0);
    if (error)
        fail("commit", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Up to the high watermark; where the log begins then. */
static int64_t delete_records(rd_kafka_t *handle, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_DeleteRecords(handle, &request, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event || rd_kafka_event_error(event))
        fail("DeleteRecords", event ? rd_kafka_event_error_string(event) : "no answer");
    int64_t begin = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event))
                        ->elems[0].offset;
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    return begin;
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "transactional.id", "t");
    for (int i = 0; i < 2; i++)
        make_topic(producer, TOPICS[i], 1);
    SURE(rd_kafka_init_transactions(producer, WAIT_MS));
    for (int i = 0; i < 2; i++) {
        int64_t last, end, begin = 0;
        transact(producer, TOPICS[i], 3, 1);
        rd_kafka_t *consumer = member(argv[1]);
        assign(consumer, TOPICS[i], 0);
        int read = read_to_end(consumer, &last, &end);
        commit(consumer, TOPICS[i], last);
        rd_kafka_destroy(consumer);
        if (i == 1)
            begin = delete_records(producer, TOPICS[i]);
        transact(producer, TOPICS[i], 1, 1);
        consumer = member(argv[1]);
        assign(consumer, TOPICS[i], RD_KAFKA_OFFSET_STORED);
        int more = read_to_end(consumer, &last, &end);
        rd_kafka_destroy(consumer);
        printf("%d,%d,%d,%d%c", read, (int)begin, more, (int)end, i ? '\n' : ' ');
    }
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r kept deleted <"$TEMP/c"
told="read at first, begin of the log, read afterwards, end: $kept as it is, $deleted when what was read is deleted"
[[ $kept == 3,0,1,6 && $deleted == 3,4,0,6 ]] || changed "$told"
seen "$told"
