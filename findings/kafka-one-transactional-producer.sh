#!/usr/bin/env bash
# kafka-one-transactional-producer - one producer is slower than two in turn, which never overlap.
#
# What: the same small transactions in the same order, each begun after the last one's commit has returned.
#   A commit returns before its markers are written; the same producer's next transaction meets that,
#   is told CONCURRENT_TRANSACTIONS and backs off. Another producer does not.
# Where: librdkafka 2.0.2 (Debian 12), Kafka 4.2.2.
# Why: a worker's throughput, several times over, without any work done at the same time.
# So: two in turn: consumers/loop.c, docs/exactly-once.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kafka-one-transactional-producer \
    'the same transactions one after another take as long with one producer as with two in turn'
debian librdkafka-dev 2.0.2-1
kafka_start
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <time.h>

enum { TRANSACTIONS = 60 };

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    (void)argc;
    rd_kafka_t *producers[2];
    for (int i = 0; i < 2; i++) {
        producers[i] = CLIENT(RD_KAFKA_PRODUCER, "bootstrap.servers", argv[1], "transactional.id",
                              i ? "second" : "first", "linger.ms", "0", "debug", "eos");
        if (i == 0)
            make_topic(producers[0], "log", 1);
        SURE(rd_kafka_init_transactions(producers[i], WAIT_MS));
    }
    double ms[3];
    for (int count = 1; count <= 2; count++) {
        for (int i = 0; i < 6; i++) /* warm, and the last one's markers are not the first one's matter */
            transact(producers[i % count], "log", 1, 1);
        fprintf(stderr, "measured: %d\n", count);
        double from = now();
        for (int i = 0; i < TRANSACTIONS; i++)
            transact(producers[i % count], "log", 1, 1);
        ms[count] = (now() - from) * 1000 / TRANSACTIONS;
    }
    printf("%.1f %.1f\n", ms[1], ms[2]);
    for (int i = 0; i < 2; i++)
        rd_kafka_destroy(producers[i]);
}
C
step "$TEMP/show" "$BROKER" >"$TEMP/c" 2>"$TEMP/c.log"
read -r one two <"$TEMP/c"
# What the coordinator refused for now, of 60 transactions; the library logs each answer.
refused() {
    awk -v count="$1" '
        /^measured: / { now = $2 }
        now == count && /another concurrent operation/ { n++ }
        END { print n + 0 }
    ' "$TEMP/c.log"
}
alone=$(refused 1)
in_turn=$(refused 2)
told="of 60 transactions $alone meet the last one's markers with one producer ($one ms each), "
told+="$in_turn with two in turn ($two ms)"
((alone >= 40 && 4 * in_turn <= alone)) || changed "$told"
seen "$told"
