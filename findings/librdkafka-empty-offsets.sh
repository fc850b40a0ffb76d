#!/usr/bin/env bash
# librdkafka-empty-offsets - who sends no offsets with a transaction is not checked for being a member.
#
# What: send_offsets_to_transaction() with the group metadata of a consumer that has left its group is
#   refused. With an empty list of offsets it is accepted, and the transaction commits.
# Where: librdkafka 2.0.2 (Debian 12), Kafka 4.2.2.
# Why: sending offsets is what keeps a worker that lost its partitions from writing. A batch that has
#   nothing to commit, say one made of timers only, would go past that.
# So: ol_producer_send_offsets() refuses an empty list; docs/exactly-once.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-empty-offsets 'both are refused: the consumer is no member any more'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

/* The name of the error that a transaction with so many offsets meets, and whether it commits. */
static void show(rd_kafka_t *producer, const rd_kafka_consumer_group_metadata_t *member, int offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    if (offsets)
        rd_kafka_topic_partition_list_add(list, "log", 0)->offset = 1;
    SURE(rd_kafka_begin_transaction(producer));
    put(producer, "log", 0, "written by who is no member");
    rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(producer, list, member, WAIT_MS);
    printf("%s,", error ? rd_kafka_error_name(error) : "accepted");
    if (error) {
        rd_kafka_error_destroy(error);
        SURE(rd_kafka_abort_transaction(producer, WAIT_MS));
        printf("aborted ");
    } else {
        SURE(rd_kafka_commit_transaction(producer, WAIT_MS));
        printf("committed ");
    }
    rd_kafka_topic_partition_list_destroy(list);
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "transactional.id", "t");
    make_topic(producer, "log", 1);
    SURE(rd_kafka_init_transactions(producer, WAIT_MS));
    transact(producer, "log", 1, 1);

    rd_kafka_t *consumer = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", argv[1], "group.id", "g",
                                  "auto.offset.reset", "earliest");
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, "log", RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
    if (!message || message->err)
        fail("read", message ? rd_kafka_message_errstr(message) : "nothing came");
    rd_kafka_message_destroy(message);
    rd_kafka_consumer_group_metadata_t *member = rd_kafka_consumer_group_metadata(consumer);
    rd_kafka_consumer_close(consumer); /* leaves the group */

    show(producer, member, 1);
    show(producer, member, 0);
    puts("");
    rd_kafka_consumer_group_metadata_destroy(member);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r one none <"$TEMP/c"
told="after leaving, one offset: $one; an empty list: $none"
[[ $one == *,aborted && $none == accepted,committed ]] || changed "$told"
seen "$told"
