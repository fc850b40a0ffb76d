/*
 * tests/sim/run.h - a seed's life, between its files.
 *
 * sim.c (options, seeds) -> world_run() -> knobs.c, actors.c, faults.c -> verdict -> failure.c
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "tests/sim/sim.h"

/* ---- knobs.c ---- */

void knobs_draw(struct knobs *knobs, uint64_t seed, int32_t orders);

/* ---- actors.c ---- */

int32_t actor_place(enum context context, bool projector, int32_t slot);
/* `self`, not NULL: although somebody is there. */
void actor_start(void *self, uint64_t place);
void actor_kill(struct actor *actor);
/* One of those that run, or NULL. */
struct actor *actors_any(void);
/* Buries, now and then, those who ended, or died inside a port. */
void actors_look_after(void *self, uint64_t argument);
bool actors_work(void);
void actors_tell(void);

/* ---- faults.c ---- */

void faults_begin(void *self, uint64_t argument);
void faults_heal(void *self, uint64_t argument);

/* ---- world.c ---- */

/* Of the world that ran last. */
struct world_outcome {
    uint64_t trace, events;
    int64_t virtual_us;
};
extern struct world_outcome world_last;

struct knobs knobs_of(uint64_t seed, int32_t orders);
/* False: a promise is broken; world->failure says which. */
bool world_run(const struct knobs *knobs, bool timeline);

/* ---- failure.c ---- */

/* `sabotage`: the protection that is removed; NULL: none. */
void failure_tell(const struct knobs *knobs, bool shrinks, const char *binary,
                  const char *sabotage);

#endif
