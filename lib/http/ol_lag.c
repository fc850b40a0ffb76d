#include "lib/http/ol_lag.h"

struct ol_lag_shown ol_lag_look(struct ol_lag *lag, int64_t position, int64_t stable_end,
                                int64_t oldest_ms, int64_t monotonic_us, int64_t wall_us)
{
    if (position >= stable_end) {
        *lag = (struct ol_lag){0};
        return (struct ol_lag_shown){0};
    }
    if (position >= lag->end)
        *lag = (struct ol_lag){stable_end, monotonic_us};
    int64_t age_us = oldest_ms > 0 ? wall_us - oldest_ms * 1000 : monotonic_us - lag->since_us;
    return (struct ol_lag_shown){stable_end - position, age_us > 0 ? age_us : 0};
}
