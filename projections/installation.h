/*
 * projections/installation.h - what must never change under a running installation.
 *
 * Partitions, topic prefix and Kafka's cluster id stand in one row, written when the topics are
 * made; every start compares: with another number of partitions, another cluster or another prefix
 * the rows and the log would not be about the same.
 */
#ifndef PROJECTIONS_INSTALLATION_H
#define PROJECTIONS_INSTALLATION_H

#include "lib/ol_error.h"
#include "lib/ol_kafka_admin.h"
#include "lib/ol_options.h"
#include "lib/ol_pg.h"

/* For the start of a role: --partitions, --topic-prefix and the cluster against the row, over a
 * connection of its own. OL_VIOLATED: they differ. OL_NOT_FOUND: there is no row (or no schema) yet,
 * the text says what to run. Others as ol_pg_open and ol_admin_cluster_id. */
enum ol_class installation_check(const struct ol_options *options, struct ol_admin *admin,
                                 struct ol_error *reterr);

/* For the start of a role: every topic is there, each with --partitions partitions; equal numbers are
 * what puts an aggregate's commands, steps and events together. OL_NOT_FOUND, OL_VIOLATED: the text
 * names the topic. */
enum ol_class installation_check_topics(const struct ol_options *options, struct ol_admin *admin,
                                        struct ol_error *reterr);

/* installation_check over `db`. */
enum ol_class installation_compare(const struct ol_options *options, struct ol_admin *admin,
                                   struct ol_pg *db, struct ol_error *reterr);

/* Writes the row where there is none, then compares. */
enum ol_class installation_record(const struct ol_options *options, struct ol_admin *admin,
                                  struct ol_pg *db, struct ol_error *reterr);

#endif
