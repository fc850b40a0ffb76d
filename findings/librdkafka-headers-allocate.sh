#!/usr/bin/env bash
# librdkafka-headers-allocate - asking a record without headers for its headers allocates.
#
# What: rd_kafka_message_headers() of a record that has none makes a buffer for them, finds nothing, frees
#   it and answers "none" (once for each record). Counted by a malloc() of our own, in the thread that asks.
# Where: librdkafka 2.0.2 (Debian 12), over its own mock broker.
# Why: looking for `traceparent` in each record was a twentieth of a worker's time.
# So: a header is looked for in commands only; steps have it in their metadata:
#   consumers/batch.c.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin librdkafka-headers-allocate 'the answer "none" costs no memory'
debian librdkafka-dev 2.0.2-1
kafka_header

compile show -lrdkafka <<'C'
#include "setup.h"

#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
static _Thread_local int counting;
static _Thread_local size_t calls, bytes;

void *malloc(size_t size)
{
    calls += counting;
    bytes += counting ? size : 0;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls += counting;
    bytes += counting ? count * size : 0;
    return __libc_calloc(count, size);
}

int main(void)
{
    rd_kafka_t *producer = CLIENT(RD_KAFKA_PRODUCER, "test.mock.num.brokers", "1");
    put(producer, "log", 0, "no header");
    if (rd_kafka_flush(producer, WAIT_MS))
        fail("flush", "a record is left");
    const struct rd_kafka_metadata *metadata; /* where the mock listens */
    if (rd_kafka_metadata(producer, 1, NULL, &metadata, WAIT_MS))
        fail("metadata", "no answer");
    char broker[300];
    snprintf(broker, sizeof broker, "%s:%d", metadata->brokers[0].host, metadata->brokers[0].port);
    rd_kafka_metadata_destroy(metadata);

    rd_kafka_t *consumer = CLIENT(RD_KAFKA_CONSUMER, "bootstrap.servers", broker, "group.id", "g");
    assign(consumer, "log", 0);
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
    if (!message || message->err)
        fail("read", message ? rd_kafka_message_errstr(message) : "nothing came");
    rd_kafka_headers_t *headers = NULL;
    counting = 1;
    rd_kafka_resp_err_t error = rd_kafka_message_headers(message, &headers);
    counting = 0;
    printf("%s %zu %zu\n", rd_kafka_err2name(error), calls, bytes);
    rd_kafka_message_destroy(message);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
}
C
step "$TEMP/show" >"$TEMP/c" 2>"$TEMP/c.log"
read -r answer calls bytes <"$TEMP/c"
told="answers $answer after $calls allocations of $bytes bytes together"
[[ $answer == _NOENT && $calls -gt 0 ]] || changed "$told"
seen "$told"
