/*
 * lib/program/ol_lives.h - the lives of a crash-only loop: may another begin, and when?
 *
 *   { begin -> the life -> slot_is_taken? -> wait back_off_ms } ...
 *
 * Asks nothing but the monotonic clock. One thread.
 */
#ifndef OL_LIVES_H
#define OL_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ol_error.h"

#define OL_LIVES_BACK_OFF_MIN_MS 100
#define OL_LIVES_BACK_OFF_MAX_MS 5000

/* Zero-initialise. */
struct ol_lives {
    int64_t began_us;
    int64_t fenced_us;   /* when one last ended in OL_CONFLICT; 0: none has */
    int64_t back_off_ms; /* before the next but one; 0: there was none yet */
};

void ol_lives_begin(struct ol_lives *lives);

/* A life ended in `class`: does another process have our slot? So it is when that is OL_CONFLICT
 * twice in a minute: once may be our own old life. */
bool ol_lives_slot_is_taken(struct ol_lives *lives, enum ol_class class);

/* How long to wait before the next life: twice as long each time, from the least on again after a
 * life that got something done, or lasted. */
int64_t ol_lives_back_off_ms(struct ol_lives *lives, bool did_something);

#endif
