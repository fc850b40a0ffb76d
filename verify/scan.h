/*
 * verify/scan.h - the committed records of some partitions, each from one offset to another.
 */
#ifndef VERIFY_SCAN_H
#define VERIFY_SCAN_H

#include "lib/program/ol_progress.h"
#include "verify/session.h"

struct scan_range {
    const char *topic;
    int32_t partition;
    int64_t from, until; /* from below 0: the beginning; until: not included */
    int64_t reached;     /* out: below `until` where the log ends before */
};

/* The message is the scan's and goes when this returns. False ends the scan early (OL_OK). */
typedef bool scan_function(void *context, size_t range, const struct ol_message *message);

/* Reads until every range has reached its `until` or its end; within a partition in order. progress
 * may be NULL. OL_VIOLATED: an offset is out of range, the log was cut; OL_RETRY: nothing came for
 * the session's timeout. */
enum ol_class scan_run(struct session *session, struct scan_range *ranges, size_t count,
                       scan_function *each, void *context, struct ol_progress *progress,
                       struct ol_error *reterr);

/* The same without an end: goes on until `each` says no or ol_run_stopping(). `idle` is called when
 * nothing more is there for the moment; it may end it too. */
enum ol_class scan_follow(struct session *session, struct scan_range *ranges, size_t count,
                          scan_function *each, bool (*idle)(void *context), void *context,
                          struct ol_error *reterr);

#endif
