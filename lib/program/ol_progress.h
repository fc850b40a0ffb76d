/*
 * lib/program/ol_progress.h - how far a long job is, on stderr.
 *
 *   baskets  41 %  64,512 of 155,518  9,871/s  9 s left
 *
 * init -> add, add, add -> finish. On a terminal one line is redrawn ten times a second; else a
 * plain line is written every few seconds, so that a log stays short. One thread.
 */
#ifndef OL_PROGRESS_H
#define OL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ol_progress {
    const char *name;    /* borrowed */
    int64_t total, done; /* total 0: unknown, then no percent and no time left */
    int64_t started_us;  /* monotonic, like all times here */
    int64_t drawn_us, looked_us;
    int64_t skip, skipped; /* adds between two looks at the clock */
    double rate;           /* a second, smoothed over the last few */
    int64_t rate_us, rate_done;
    int fd;
    bool terminal, color;
};

/* `name` in a word or two; `total` in the same unit as ol_progress_add, 0 if unknown.
 * Colours on a terminal unless NO_COLOR is set (and not empty). */
void ol_progress_init(struct ol_progress *progress, const char *name, int64_t total);

/* `count` more are done. Cheap: looks at the clock only now and then. */
void ol_progress_add(struct ol_progress *progress, int64_t count);

/* What is done by now, for jobs that ask a server how far it is. */
void ol_progress_set(struct ol_progress *progress, int64_t done);

/* The last line: what was done, in what time, at what rate overall. */
void ol_progress_finish(struct ol_progress *progress);

#endif
