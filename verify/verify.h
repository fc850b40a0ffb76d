/*
 * verify/verify.h - does what the tables say follow from what the log says?
 *
 * One command, for main.c's table: reads Kafka and PostgreSQL, writes nothing, prints a row for
 * each check and for what differs. How it works: README.md. One thread.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

/* Do the tables follow from the log? OL_VIOLATED: something differs. OL_RETRY: not settled in
 * time. OL_UNREACHABLE: a server can't be reached. OL_NOT_FOUND: there is no schema or are no
 * topics yet. */
enum ol_class verify_run(const struct ol_options *options, struct ol_error *reterr);

#endif
