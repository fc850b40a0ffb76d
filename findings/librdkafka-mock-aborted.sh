#!/usr/bin/env bash
# librdkafka-mock-aborted - the mock broker takes transactions, and shows what they took back.
#
# What: a producer aborts against librdkafka's own mock broker; a read_committed consumer of the same
#   library still gets the records. The real broker hides them.
# Where: librdkafka 2.0.2 (Debian 12), its test.mock.num.brokers, against Kafka 4.2.2.
# Why: a test of "an abort leaves nothing" over the mock would fail for a program that is right, and one
#   that counts records would bless a program that is wrong.
# So: what tests see of transactions they see on a real broker: tests/contract, tests/system.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-mock-aborted \
    'a read_committed consumer gets none of 3 aborted records, of the mock as of the real broker'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <librdkafka/rdkafka_mock.h>

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *host = CLIENT(RD_KAFKA_PRODUCER, "client.id", "host of the mock");
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(host, 1);
    const char *const broker = strcmp(argv[1], "mock") ? argv[1] : rd_kafka_mock_cluster_bootstraps(mock);

    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", broker, "transactional.id", "t");
    if (broker == argv[1])
        make_topic(producer, "log", 1);
    else
        rd_kafka_mock_topic_create(mock, "log", 1, 1);
    SURE(rd_kafka_init_transactions(producer, WAIT_MS));
    transact(producer, "log", 3, 0);
    rd_kafka_t *consumer = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", broker, "group.id", "g",
                                  "isolation.level", "read_committed", "enable.partition.eof", "true");
    int64_t last, end;
    assign(consumer, "log", 0);
    printf("%d\n", read_to_end(consumer, &last, &end));
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/real" 2>"$TEMP/real.log"
step "$TEMP/show" mock >"$TEMP/mock" 2>"$TEMP/mock.log"
told="of 3 aborted records the real broker shows $(<"$TEMP/real"), the mock $(<"$TEMP/mock")"
[[ $(<"$TEMP/real") == 0 && $(<"$TEMP/mock") == 3 ]] || changed "$told"
seen "$told"
