#include "tests/support/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t rng_seed(const char *test)
{
    const char *given = getenv("ORDERLOG_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 0)
                          : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    fprintf(stderr, "%s: ORDERLOG_TEST_SEED=%" PRIu64 "\n", test, seed);
    return seed;
}

struct rng rng_from(uint64_t seed)
{
    struct rng rng = {seed ^ UINT64_C(0x9e3779b97f4a7c15)};
    if (rng.state == 0)
        rng.state = 1;
    for (int i = 0; i < 4; i++)
        rng_next(&rng);
    return rng;
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t x = rng->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    rng->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return (rng_next(rng) >> 11) % bound;
}

int64_t rng_between(struct rng *rng, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(rng, (uint64_t)(high - low) + 1);
}

bool rng_chance(struct rng *rng, unsigned percent)
{
    return rng_below(rng, 100) < percent;
}
