/*
 * lib/base/ol_clock.h - the two clocks, and times as text.
 *
 * Time is int64 microseconds. `at_us` counts from 1970-01-01T00:00:00Z, without leap seconds;
 * a monotonic reading counts from an unknown moment and is good for differences only.
 * Text is RFC 3339. No locale, no TZ, no allocation; safe from any thread.
 */
#ifndef OL_CLOCK_H
#define OL_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define OL_CLOCK_MIN_US (-62135596800000000LL) /* 0001-01-01T00:00:00Z */
#define OL_CLOCK_MAX_US 253402300799999999LL   /* 9999-12-31T23:59:59.999999Z */

#define OL_CLOCK_TEXT_BYTES 28 /* "9999-12-31T23:59:59.999999Z" and its NUL */

int64_t ol_clock_monotonic_us(void);
int64_t ol_clock_wall_us(void);

static inline int64_t ol_clock_monotonic_ms(void)
{
    return ol_clock_monotonic_us() / 1000;
}

/* For waits that end by the monotonic clock: a condition that goes by it, and the moment in so many
 * ms as pthread_cond_timedwait() takes it. */
void ol_clock_cond_init(pthread_cond_t *cond);
struct timespec ol_clock_in(int64_t wait_ms);

/* RFC 3339: 2017-10-02T10:56:33Z, fraction of 1 to 9 digits, Z or +hh:mm; `T` may be a space.
 * Also `2017-10-02 10:56:33`, which is read as UTC (the imported data has no zone); with a `T`
 * the zone must be there. Digits below a microsecond are cut off. All of `size_bytes` must be
 * used. false: not a time, a day that does not exist, a leap second, or a UTC time outside the
 * years 1 to 9999; *ret_at_us is then untouched. */
bool ol_clock_parse(const char *text, size_t size_bytes, int64_t *ret_at_us);

/* UTC with Z and a fraction of 0, 3 or 6 digits, the shortest that is exact (protobuf's JSON
 * mapping does the same). Returns the length; 0 and "" when at_us is outside the bounds. */
size_t ol_clock_format(int64_t at_us, char ret_text[OL_CLOCK_TEXT_BYTES]);

#endif
