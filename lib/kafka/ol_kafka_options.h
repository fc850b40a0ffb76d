/*
 * lib/kafka/ol_kafka_options.h - the options of a command, as the settings of its Kafka handles.
 *
 * init -> any handle, any number -> release, after the last handle is closed.
 */
#ifndef OL_KAFKA_OPTIONS_H
#define OL_KAFKA_OPTIONS_H

#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka.h"
#include "lib/program/ol_options.h"

struct ol_kafka_connection {
    struct ol_kafka_settings settings;
    struct ol_arena arena; /* the texts of `settings` */
};

/* Brokers, timeouts and -X properties; librdkafka's own lines go to the log at level debug.
 * client_id is copied; the options must outlive the connection.
 * OL_USAGE: librdkafka does not take a -X. */
enum ol_class ol_kafka_connection_init(struct ol_kafka_connection *ret_connection,
                                       const struct ol_options *options, const char *client_id,
                                       struct ol_error *reterr);
void ol_kafka_connection_release(struct ol_kafka_connection *connection);
static inline void ol_kafka_connection_auto(struct ol_kafka_connection *connection)
{
    ol_kafka_connection_release(connection);
}

#endif
