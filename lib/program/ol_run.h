/*
 * lib/program/ol_run.h - the life of a role: started, asked to stop, drained, gone.
 *
 * init -> loops look at ol_run_stopping() or poll ol_run_fd() -> SIGTERM or SIGINT -> each loop
 * finishes its batch -> ol_run_drained() -> close, release, exit 0.
 * The first signal asks; a second exits at once. From the first on a timer runs: when the drain
 * takes longer than its bound (a librdkafka close can hang), the process exits without waiting.
 * Signals belong to the process, so there is one life cycle in it; any thread may look at it.
 */
#ifndef OL_RUN_H
#define OL_RUN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/ol_error.h"

/* Takes SIGTERM, SIGINT and SIGALRM, ignores SIGPIPE, reads ORDERLOG_KILL_POINT.
 * drain_ms: most time between the first signal and the exit, above 0.
 * OL_USAGE: a kill point that is not name:count. OL_FATAL: no descriptor or timer to be had. */
enum ol_class ol_run_init(int64_t drain_ms, struct ol_error *reterr);

/* Gives the signals back; for tests and for commands that go on after their loop. */
void ol_run_release(void);

/* true from the first signal or ol_run_stop() on. Cheap enough for the inside of a loop. */
bool ol_run_stopping(void);

/* Readable from then on and never drained: any number of threads may poll it. */
int ol_run_fd(void);

/* As the first signal does, from inside: a loop that failed for good takes the others along.
 * Starts the drain timer. */
void ol_run_stop(void);

/* Sleeps up to wait_ms, less when asked to stop. Returns ol_run_stopping(). */
bool ol_run_sleep(int64_t wait_ms);

/* Says that all work is committed and only closing is left: if that hangs, the timer's exit is
 * then 0 instead of 1. */
void ol_run_drained(void);

/* One of a role's loops, in a thread of its own. Zero-initialise. */
struct ol_run_thread {
    enum ol_class (*run)(void *context, struct ol_error *reterr);
    void *context;
    pthread_t thread;
    bool started;
    enum ol_class class; /* what run() came to, and why */
    struct ol_error error;
};

/* Runs run(context) until it returns; when that is a failure, calls ol_run_stop(). `thread` stays
 * where it is until it was joined. OL_FATAL: no thread to be had. */
enum ol_class ol_run_thread_start(struct ol_run_thread *thread,
                                  enum ol_class (*run)(void *context, struct ol_error *reterr),
                                  void *context, struct ol_error *reterr);

/* Waits for those that were started. Returns the role's failure: the one before them (`class`, with
 * *reterr filled), else that of the first thread that has one. */
enum ol_class ol_run_threads_join(struct ol_run_thread *threads, size_t count, enum ol_class class,
                                  struct ol_error *reterr);

/*
 * Kill points: ORDERLOG_KILL_POINT=name:n raises SIGKILL at the n-th pass of
 * ol_kill_point("name"), counted over all threads. Compiled in always, so that what is tested is
 * what runs; unset, a pass is one predicted branch.
 */
extern bool ol_kill_point_armed_;
void ol_kill_point_pass(const char *name);

static inline void ol_kill_point(const char *name)
{
    if (__builtin_expect(ol_kill_point_armed_, false))
        ol_kill_point_pass(name);
}

/* Reads ORDERLOG_KILL_POINT; ol_run_init() does it for roles. OL_USAGE: not name:count. */
enum ol_class ol_kill_point_init(struct ol_error *reterr);

#endif
