/*
 * projections/installation.h - what must never change under a running installation.
 *
 * Partitions, topic prefix and Kafka's cluster id stand in one row, written when the topics are
 * made; every start compares: with another number of partitions, another cluster or another prefix
 * the rows and the log would not be about the same.
 */
#ifndef PROJECTIONS_INSTALLATION_H
#define PROJECTIONS_INSTALLATION_H

#include "domain/topic.h"
#include "lib/base/ol_error.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_options.h"
#include "lib/program/ol_slot.h"

#define INSTALLATION_TOPICS (CONTEXT_COUNT * STREAM_COUNT)

/* All topics of an installation, by context and stream; the states point to the names. */
struct installation_topics {
    struct topic_name names[INSTALLATION_TOPICS];
    struct ol_topic_state states[INSTALLATION_TOPICS];
};

/* What a topic must be whatever the options say: roles do not start without it, and `topics` makes
 * it so. With the publishers' clocks deadlines could be moved, and compaction eats the truth. */
#define INSTALLATION_SETTINGS 2
struct installation_setting {
    const char *name, *value;
};
extern const struct installation_setting installation_settings[INSTALLATION_SETTINGS];

/* Asks the broker for them. */
enum ol_class installation_describe_topics(const char *prefix, struct ol_admin *admin,
                                           int timeout_ms, struct installation_topics *ret_topics,
                                           struct ol_error *reterr);

/* OL_NOT_FOUND: it does not, and the text says what to run. */
enum ol_class installation_topic_exists(const struct ol_topic_state *topic,
                                        struct ol_error *reterr);

/* What a role has open of its installation from start to end. */
struct installation {
    struct ol_kafka_connection kafka;
    struct ol_admin *admin;
    struct ol_slot *slot;
};

/* For the start of a role, "worker" or "projector": Kafka answers; options->slot is ours; the
 * schema is at least the one that this program needs, and a projector may write it; --partitions,
 * --topic-prefix and the cluster are those of the row, read over a connection of its own; every
 * topic is there, with --partitions partitions, the broker's times and no compaction. The memory is
 * zeroed; release it whatever this returns. OL_CONFLICT: another process has the slot. OL_VIOLATED:
 * row or topics differ. OL_NOT_FOUND: there is no row (no schema, or not all of it, no topic) yet,
 * the text says what to run. OL_UNREACHABLE: Kafka or PostgreSQL is away, or just going or coming.
 * Others as ol_kafka_connection_init, schema_compare, ol_admin_cluster_id and
 * ol_admin_describe_topics. */
enum ol_class installation_init(struct installation *installation, const char *role,
                                const struct ol_options *options, struct ol_error *reterr);
void installation_release(struct installation *installation);

/* The row alone, over `db`. */
enum ol_class installation_compare(const struct ol_options *options, struct ol_admin *admin,
                                   struct ol_pg *db, struct ol_error *reterr);

/* Writes the row where there is none, then compares. */
enum ol_class installation_record(const struct ol_options *options, struct ol_admin *admin,
                                  struct ol_pg *db, struct ol_error *reterr);

#endif
