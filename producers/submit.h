/*
 * producers/submit.h - `orderlog submit [FILE|-] [--wait] [--settled]`.
 *
 * line -> JSON -> command -> publisher -> receipt [-> outcome [-> the order's end]] -> one row of
 * stdout. A line is the protobuf JSON mapping of one Command; the name of the oneof gives the
 * context. A row is printed as soon as it is known, so rows are not in the order of the lines; each
 * has its line's number.
 * A line that is not a command ends the reading (with --keep-going it is reported and skipped);
 * what was published before it stays published, is flushed, waited for and printed.
 * OL_OK: every line was published, and with --wait every command was accepted (now, or the first
 * time, when this was a repeat), and with --settled every order placed is confirmed.
 */
#ifndef PRODUCERS_SUBMIT_H
#define PRODUCERS_SUBMIT_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

enum ol_class submit_run(const struct ol_options *options, struct ol_error *reterr);

#endif
