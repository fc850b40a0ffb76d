/*
 * producers/connection.h - the options of a command, as the settings of its Kafka handles.
 *
 * init -> publisher_open(), outcomes_open() -> ... -> release, after the handles. Threads: one.
 */
#ifndef PRODUCERS_CONNECTION_H
#define PRODUCERS_CONNECTION_H

#include "lib/ol_arena.h"
#include "lib/ol_kafka.h"
#include "lib/ol_options.h"
#include "producers/publisher.h"

struct connection {
    struct ol_kafka_settings kafka;
    struct ol_arena arena; /* the texts of `kafka` */
};

/* OL_USAGE: librdkafka does not take a -X. The options outlive the connection. */
enum ol_class connection_init(struct connection *ret_connection, const struct ol_options *options,
                              struct ol_error *reterr);
void connection_release(struct connection *connection);
static inline void connection_auto(struct connection *connection)
{
    connection_release(connection);
}

/* Publisher settings from the options; without a handler yet. */
struct publisher_settings connection_publisher_settings(const struct connection *connection,
                                                        const struct ol_options *options);

/* A class for the user: what the library would try again is, after all its time, a broker that
 * can't be reached. */
enum ol_class connection_class(enum ol_class class);

#endif
