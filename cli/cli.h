/*
 * cli/cli.h - the commands of operators and analysts, one function each for main.c's table.
 *
 * Each reads servers and prints rows; only migrate and topics write. Rows go to stdout as aligned
 * text or, with --json, as one object a line; all else goes to stderr. No rows is no failure.
 * Besides what is said below: OL_UNREACHABLE when a server can't be reached, OL_NOT_FOUND when
 * there is no schema or are no topics yet, OL_USAGE when a word is off.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

/* The schema. up: OL_CONFLICT while somebody else migrates. */
enum ol_class migrate_up_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class migrate_status_run(const struct ol_options *options, struct ol_error *reterr);

/* The topics. OL_CONFLICT: one is not as it should be (nothing is made then). */
enum ol_class topics_plan_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class topics_apply_run(const struct ol_options *options, struct ol_error *reterr);

/* Inputs that were gone before a worker took them. OL_CONFLICT: steps are among them, and nobody
 * has said that what waits for them may stay as it is. */
enum ol_class topics_acknowledge_gap_run(const struct ol_options *options, struct ol_error *reterr);

/* How far each group is behind the end of each of its partitions. */
enum ol_class lag_run(const struct ol_options *options, struct ol_error *reterr);

/* OL_NOT_FOUND: nobody has seen the command id; there is no such order. */
enum ol_class command_show_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class order_show_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class saga_list_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class saga_show_run(const struct ol_options *options, struct ol_error *reterr);

/* Dead letters by cause, and one by one. */
enum ol_class dlq_list_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class dlq_show_run(const struct ol_options *options, struct ol_error *reterr);

/* Decoded records; --follow goes on until SIGINT. */
enum ol_class events_tail_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class events_export_run(const struct ol_options *options, struct ol_error *reterr);

enum ol_class limits_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class currencies_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class config_show_run(const struct ol_options *options, struct ol_error *reterr);

#endif
