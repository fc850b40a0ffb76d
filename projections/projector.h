/*
 * projections/projector.h - the role that keeps the rows: one process, a loop per context.
 *
 * Events in, rows out. Where it goes on stands in PostgreSQL, beside the rows; the group's offsets
 * are for Kafka's tools. Flow: follower.h; what an event does to the rows: reduce.h; SQL: writer.h.
 */
#ifndef PROJECTIONS_PROJECTOR_H
#define PROJECTIONS_PROJECTOR_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

/* Runs until SIGTERM or SIGINT, writes the events in hand, and leaves the groups. OL_UNREACHABLE:
 * Kafka or PostgreSQL can't be reached at the start (later it waits). OL_CONFLICT: the slot is
 * another process's. OL_VIOLATED: not the installation that the rows are of. */
enum ol_class projector_run(const struct ol_options *options, struct ol_error *reterr);

#endif
