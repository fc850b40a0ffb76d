/*
 * lib/program/ol_lives.h - a crash-only loop: life after life, each from scratch.
 *
 *     live -> close --asked to stop--> OL_OK
 *      ^        |  \--a close hangs, or the slot is another's--> the failure
 *      |        v
 *     wait <- restart
 *
 * There is no other repair: whatever a life can't be sure of ends it, all that it had opened is
 * closed, and the next one reads again what is so. Between two lives is a wait, so that a server
 * that is away is not run down. One thread.
 */
#ifndef OL_LIVES_H
#define OL_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ol_error.h"

#define OL_LIVES_BACK_OFF_MIN_MS 100
#define OL_LIVES_BACK_OFF_MAX_MS 5000

/* What a loop does of its own; `loop` is the caller's. */
struct ol_lives {
    const char *role, *context; /* for the log */
    int64_t slot;
    /* Opens what it needs and goes on until ol_run_stopping(): then OL_OK. Else a failure. */
    enum ol_class (*live)(void *loop, struct ol_error *reterr);
    /* Closes all that the life has opened, and forgets what it knew. for_good: others may have our
     * place at once; else the next life comes back to it. False: a close hangs. */
    bool (*close)(void *loop, bool for_good);
    /* Another life will come, after this failure: tells who looks on. True: the last one got
     * something done, so that there is no need to wait for longer each time. */
    bool (*restart)(void *loop, enum ol_class class, const char *error);
};

/* Runs the loop until the process is asked to stop: OL_OK, even where a close hangs then. OL_FATAL:
 * one hangs before, and the process should end. OL_CONFLICT: another process has the slot. So it is
 * when a life ends so twice in a minute: once may be our own old life. */
enum ol_class ol_lives_run(const struct ol_lives *lives, void *loop, struct ol_error *reterr);

#endif
