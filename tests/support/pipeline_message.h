/*
 * tests/support/pipeline_message.h - records that come from no broker.
 *
 * pipeline_message() -> (whoever owns it) -> ol_message_release(). A program that links this has
 * lib/kafka/ol_kafka.h's four message functions from here and none of librdkafka. Each message is a
 * copy of its own, spoilt when it is released, so that whoever still points into it is found out.
 */
#ifndef SUPPORT_PIPELINE_MESSAGE_H
#define SUPPORT_PIPELINE_MESSAGE_H

#include "lib/kafka/ol_kafka.h"

/* The message as it would be read: all that `source` points to and the headers are copied;
 * source->handle is ignored. Aborts when out of memory. */
struct ol_message pipeline_message(const struct ol_message *source, const struct ol_header *headers,
                                   size_t header_count);

/* How many were made and not yet released. */
size_t pipeline_messages_alive(void);

#endif
