/*
 * projections/write_thread.h - a thread that writes one batch while the next one is being filled.
 *
 *   start -> { submit(batch) -> ... idle? -> outcome } ... -> stop
 *
 * One batch at a time: submit asserts that the thread is idle. Between submit and idle the batch
 * and the connection are the thread's. Owner's calls come from one thread; `done` is called from
 * here.
 */
#ifndef PROJECTIONS_WRITE_THREAD_H
#define PROJECTIONS_WRITE_THREAD_H

#include "projections/writer.h"

struct write_thread;

/* What became of a batch. */
struct write_outcome {
    enum ol_class class; /* as writer_write() */
    struct ol_error error;
    uint64_t lost;
    int64_t duration_us;
};

/* `done` is called after each batch, on the thread. Borrows the writer. NULL: no memory, no
 * thread. */
struct write_thread *write_thread_start(struct writer *writer, void (*done)(void *context),
                                        void *context);

/* Waits for a batch under way, then ends. Takes NULL. */
void write_thread_stop(struct write_thread *thread);

void write_thread_submit(struct write_thread *thread, struct row_batch *batch);

/* The batch under way, or one whose outcome was not asked for yet; NULL: the thread is free. */
struct row_batch *write_thread_batch(const struct write_thread *thread);

/* True and the outcome, once, when the batch is written or has failed; waits up to wait_ms. */
bool write_thread_outcome(struct write_thread *thread, int wait_ms,
                          struct write_outcome *ret_outcome);

#endif
