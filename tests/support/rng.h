/*
 * tests/support/rng.h - random numbers that a printed seed brings back.
 *
 * xorshift64*. ORDERLOG_TEST_SEED replays a run. Not for secrets.
 */
#ifndef SUPPORT_RNG_H
#define SUPPORT_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

/* ORDERLOG_TEST_SEED, or one of the clock's; printed to stderr with the test's name. */
uint64_t rng_seed(const char *test);

struct rng rng_from(uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* 0 to bound - 1; bound: 1 or more. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* low to high, both included. */
int64_t rng_between(struct rng *rng, int64_t low, int64_t high);

/* True in `percent` of 100 cases. */
bool rng_chance(struct rng *rng, unsigned percent);

#endif
