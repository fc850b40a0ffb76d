/*
 * consumers/admission.h - how many commands may begin while orders are on their way.
 *
 * A worker that takes commands as fast as they come, while the answers to its asks are still being
 * made, has ever more orders open: each of their states is kept or loaded back, and each of their
 * rows is written several times, since an order then takes longer than a batch of the projector.
 * So with enough orders open commands wait for answers. Never for long: answers may fail to come,
 * because another context stands still, and commands are no part of that. Pure. One thread.
 */
#ifndef CONSUMERS_ADMISSION_H
#define CONSUMERS_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

/* Nothing is taken for so long at most, then so many commands are. */
#define ADMISSION_HELD_US INT64_C(250000)
#define ADMISSION_TRICKLE ((size_t)1000)

struct admission {
    int64_t held_since_us; /* 0: commands are not held back */
};

/* How many commands may be taken at `now_us` (above 0, never falling) with `open` orders open and
 * at most `open_max` wanted. 0: they are held back. */
size_t admission_room(struct admission *admission, size_t open, size_t open_max, int64_t now_us);

#endif
