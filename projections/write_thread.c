#include "projections/write_thread.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/ol_clock.h"

struct write_thread {
    pthread_t thread;
    struct writer *writer;
    void (*done)(void *context);
    void *context;
    struct row_batch *batch; /* the owner's view */

    pthread_mutex_t mutex; /* over all below */
    pthread_cond_t changed;
    struct row_batch *waiting; /* submitted, not yet begun */
    bool finished, stopping;
    struct write_outcome outcome;
};

static struct row_batch *next_batch(struct write_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    while (!thread->waiting && !thread->stopping)
        pthread_cond_wait(&thread->changed, &thread->mutex);
    struct row_batch *batch = thread->waiting;
    thread->waiting = NULL;
    pthread_mutex_unlock(&thread->mutex);
    return batch;
}

static void *write_batches(void *argument)
{
    struct write_thread *thread = argument;
    for (struct row_batch *batch; (batch = next_batch(thread));) {
        struct write_outcome outcome = {0};
        int64_t began_us = ol_clock_monotonic_us();
        row_batch_seal(batch);
        outcome.class = writer_write(thread->writer, batch, &outcome.lost, &outcome.error);
        outcome.duration_us = ol_clock_monotonic_us() - began_us;
        pthread_mutex_lock(&thread->mutex);
        thread->outcome = outcome;
        thread->finished = true;
        pthread_cond_broadcast(&thread->changed);
        pthread_mutex_unlock(&thread->mutex);
        thread->done(thread->context);
    }
    return NULL;
}

struct write_thread *write_thread_start(struct writer *writer, void (*done)(void *context),
                                        void *context)
{
    struct write_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    thread->writer = writer;
    thread->done = done;
    thread->context = context;
    ol_clock_cond_init(&thread->changed);
    pthread_mutex_init(&thread->mutex, NULL);
    if (pthread_create(&thread->thread, NULL, write_batches, thread) == 0)
        return thread;
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
    return NULL;
}

void write_thread_stop(struct write_thread *thread)
{
    if (!thread)
        return;
    pthread_mutex_lock(&thread->mutex);
    thread->stopping = true;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
    pthread_join(thread->thread, NULL);
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

void write_thread_submit(struct write_thread *thread, struct row_batch *batch)
{
    assert(!thread->batch);
    thread->batch = batch;
    pthread_mutex_lock(&thread->mutex);
    thread->waiting = batch;
    thread->finished = false;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
}

struct row_batch *write_thread_batch(const struct write_thread *thread)
{
    return thread->batch;
}

bool write_thread_outcome(struct write_thread *thread, int wait_ms,
                          struct write_outcome *ret_outcome)
{
    if (!thread->batch)
        return false;
    struct timespec until = ol_clock_in(wait_ms);
    pthread_mutex_lock(&thread->mutex);
    while (!thread->finished && wait_ms > 0)
        if (pthread_cond_timedwait(&thread->changed, &thread->mutex, &until) != 0)
            break;
    bool finished = thread->finished;
    if (finished) {
        *ret_outcome = thread->outcome;
        thread->finished = false;
        thread->batch = NULL;
    }
    pthread_mutex_unlock(&thread->mutex);
    return finished;
}
