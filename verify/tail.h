/*
 * verify/tail.h - what lies between a position and the end of its partition.
 *
 * A position is the last record + 1, but after the last record there may be markers and aborted
 * records, which take offsets too: high watermark minus position is then above 0 with nothing left
 * to do. Only a reader that comes to the end without meeting a record knows. So: watermarks first,
 * and where they differ, one read_committed reader looks for the next record.
 */
#ifndef VERIFY_TAIL_H
#define VERIFY_TAIL_H

#include "verify/session.h"

/* A position, and what was found after it. */
struct tail {
    const char *topic;
    int32_t partition;
    int64_t position;  /* in: the next offset wanted; below 0: none, so from the beginning */
    int64_t low, high; /* watermarks, the high one with what is not committed yet */
    int64_t stable;    /* end for readers of committed records; high where it was not looked for */
    int64_t next;      /* offset of the next committed record; -1: there is none */
    int64_t next_ms;   /* the broker's time of that record */
};

/* Fills all but topic, partition and position. OL_RETRY: the broker was too slow. */
enum ol_class tail_read(struct session *session, struct tail *tails, size_t count,
                        struct ol_error *reterr);

/* Records not yet read, at most: markers between them count. 0 when there is nothing to read. */
int64_t tail_lag(const struct tail *tail);

/* All that can be taken is, and an open transaction lies behind it, from `stable` on. */
bool tail_is_held(const struct tail *tail);

/* Nothing to read, and no open transaction that may still bring something. */
bool tail_is_drained(const struct tail *tail);

#endif
