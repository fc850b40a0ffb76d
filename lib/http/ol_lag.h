/*
 * lib/http/ol_lag.h - how far a position lags behind the end of its partition, as metrics say it.
 *
 * Records: up to the last stable offset. What lies behind an open transaction can't be read by
 * anybody, and is another metric's.
 * Age: by the broker's time of the oldest record that waits, where it was read already. Else it is
 * not known; then it is how long the position has not passed an end that was seen. An end that
 * moves on with the position ahead of each old one is a busy partition, not a late one.
 * Pure; one value for each partition, zero-initialised.
 */
#ifndef OL_LAG_H
#define OL_LAG_H

#include <stdint.h>

struct ol_lag {
    int64_t end;      /* was seen, and not passed yet */
    int64_t since_us; /* monotonic */
};

struct ol_lag_shown {
    int64_t records, age_us;
};

/* One look. Ask for the end first, so that what is taken meanwhile does not count. oldest_ms: the
 * broker's time of the oldest record that waits; 0 or below: none was read. */
struct ol_lag_shown ol_lag_look(struct ol_lag *lag, int64_t position, int64_t stable_end,
                                int64_t oldest_ms, int64_t monotonic_us, int64_t wall_us);

#endif
