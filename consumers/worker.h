/*
 * consumers/worker.h - the role that applies commands: one process, a loop per context.
 *
 * Commands and steps in, events and steps out, in Kafka transactions; the states come from the
 * projection's rows and what is ahead of them on the log. Flow: loop.h; decisions: core.h.
 */
#ifndef CONSUMERS_WORKER_H
#define CONSUMERS_WORKER_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

/* Runs until SIGTERM or SIGINT, drains and leaves the group. OL_UNREACHABLE: Kafka or PostgreSQL
 * can't be reached at the start (later it waits). OL_CONFLICT: the slot is another process's.
 * OL_USAGE: a context that does not exist. */
enum ol_class worker_run(const struct ol_options *options, struct ol_error *reterr);

#endif
