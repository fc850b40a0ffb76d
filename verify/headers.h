/*
 * verify/headers.h - what the headers of a passed on record or a dead letter say about where it
 * was.
 *
 * Written by workers: PASSED_ON "topic/partition/offset", and Kafka Connect's __connect.errors.*.
 */
#ifndef VERIFY_HEADERS_H
#define VERIFY_HEADERS_H

#include "domain/topic.h"
#include "lib/kafka/ol_kafka.h"

#define HEADERS_PASSED_ON "orderlog-passed-from"
#define HEADERS_CONNECT   "__connect.errors."

/* The record that it was. */
struct headers_origin {
    char topic[TOPIC_NAME_BYTES_MAX];
    int32_t partition;
    int64_t offset;
};

/* False: the message has no such header, or its text is not topic/partition/offset. */
bool headers_passed_on(const struct ol_message *message, struct headers_origin *ret_origin);
bool headers_dead_letter(const struct ol_message *message, struct headers_origin *ret_origin);

/* The header `name` as text, "" where there is none; cut at the buffer's end. */
void headers_text(const struct ol_message *message, const char *name, char *buffer,
                  size_t buffer_bytes);

#endif
