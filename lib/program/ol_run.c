#include "lib/program/ol_run.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"

static const int caught_signals[] = {SIGTERM, SIGINT, SIGALRM, SIGPIPE};
#define CAUGHT_SIGNALS (sizeof caught_signals / sizeof caught_signals[0])

/* What the handlers use is lock-free atomics and calls of signal-safety(7) only. */
static struct {
    atomic_bool stopping, drained;
    atomic_int signals;
    int wake_fd;
    timer_t drain_timer;
    int64_t drain_ms;
    struct sigaction previous[CAUGHT_SIGNALS];
    bool active;
} life = {.wake_fd = -1};

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "a signal handler sets these");

static void ask_to_stop(void)
{
    if (atomic_exchange(&life.stopping, true))
        return;
    struct itimerspec bound = {.it_value = {.tv_sec = (time_t)(life.drain_ms / 1000),
                                            .tv_nsec = life.drain_ms % 1000 * 1000000}};
    timer_settime(life.drain_timer, 0, &bound, NULL);
    ssize_t written = write(life.wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* 8 bytes into a new eventfd: it cannot be full */
}

static void on_stop_signal(int signal_number)
{
    int saved_errno = errno;
    if (atomic_fetch_add(&life.signals, 1) > 0)
        _exit(128 + signal_number);
    ask_to_stop();
    errno = saved_errno;
}

static void on_drain_timer(int signal_number)
{
    (void)signal_number;
    static const char late[] = "orderlog: closing took longer than --drain-ms, leaving anyway\n";
    ssize_t written = write(STDERR_FILENO, late, sizeof late - 1);
    (void)written;
    _exit(life.drained ? 0 : 1);
}

static void catch_signals(void)
{
    for (size_t i = 0; i < CAUGHT_SIGNALS; i++) {
        struct sigaction action = {.sa_flags = SA_RESTART};
        sigfillset(&action.sa_mask);
        if (caught_signals[i] == SIGPIPE)
            action.sa_handler = SIG_IGN;
        else
            action.sa_handler = caught_signals[i] == SIGALRM ? on_drain_timer : on_stop_signal;
        int failed = sigaction(caught_signals[i], &action, &life.previous[i]);
        assert(!failed);
    }
}

enum ol_class ol_run_init(int64_t drain_ms, struct ol_error *reterr)
{
    assert(!life.active && drain_ms > 0);
    enum ol_class class = ol_kill_point_init(reterr);
    if (class)
        return class;

    life.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (life.wake_fd < 0)
        return ol_fail(reterr, OL_FATAL, "no eventfd: %s", strerror(errno));
    if (timer_create(CLOCK_MONOTONIC, NULL, &life.drain_timer) != 0) {
        close(life.wake_fd);
        life.wake_fd = -1;
        return ol_fail(reterr, OL_FATAL, "no timer: %s", strerror(errno));
    }
    life.stopping = life.drained = false;
    life.signals = 0;
    life.drain_ms = drain_ms;
    life.active = true;
    catch_signals();
    return OL_OK;
}

void ol_run_release(void)
{
    if (!life.active)
        return;
    timer_delete(life.drain_timer);
    for (size_t i = 0; i < CAUGHT_SIGNALS; i++)
        sigaction(caught_signals[i], &life.previous[i], NULL);
    close(life.wake_fd);
    life.wake_fd = -1;
    life.active = false;
}

bool ol_run_stopping(void)
{
    return atomic_load_explicit(&life.stopping, memory_order_relaxed);
}

int ol_run_fd(void)
{
    return life.wake_fd;
}

void ol_run_stop(void)
{
    assert(life.active);
    ask_to_stop();
}

bool ol_run_sleep(int64_t wait_ms)
{
    assert(life.active && wait_ms >= 0);
    int64_t until_us = ol_clock_monotonic_us() + wait_ms * 1000;
    while (!ol_run_stopping()) {
        int64_t left_ms = (until_us - ol_clock_monotonic_us() + 999) / 1000;
        if (left_ms <= 0)
            break;
        struct pollfd wake = {.fd = life.wake_fd, .events = POLLIN};
        poll(&wake, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
    }
    return ol_run_stopping();
}

void ol_run_drained(void)
{
    life.drained = true;
}

static void *run_thread(void *argument)
{
    struct ol_run_thread *thread = argument;
    thread->class = thread->run(thread->context, &thread->error);
    if (thread->class)
        ol_run_stop(); /* a loop that failed for good takes the others along */
    return NULL;
}

enum ol_class ol_run_thread_start(struct ol_run_thread *thread,
                                  enum ol_class (*run)(void *context, struct ol_error *reterr),
                                  void *context, struct ol_error *reterr)
{
    assert(!thread->started);
    thread->run = run;
    thread->context = context;
    int failed = pthread_create(&thread->thread, NULL, run_thread, thread);
    if (failed)
        return ol_fail(reterr, OL_FATAL, "no thread to be had: %s", strerror(failed));
    thread->started = true;
    return OL_OK;
}

enum ol_class ol_run_threads_join(struct ol_run_thread *threads, size_t count, enum ol_class class,
                                  struct ol_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        struct ol_run_thread *thread = &threads[i];
        if (!thread->started)
            continue;
        pthread_join(thread->thread, NULL);
        thread->started = false;
        if (!class && thread->class)
            class = ol_fail(reterr, thread->class, "%s", thread->error.text);
    }
    return class;
}

bool ol_kill_point_armed_;
static char kill_point_name[64];
static atomic_long kill_point_left;

enum ol_class ol_kill_point_init(struct ol_error *reterr)
{
    const char *setting = getenv("ORDERLOG_KILL_POINT");
    ol_kill_point_armed_ = false;
    if (!setting || !*setting)
        return OL_OK;

    const char *colon = strrchr(setting, ':');
    size_t name_bytes = colon ? (size_t)(colon - setting) : 0;
    char *end = NULL;
    long passes = colon ? strtol(colon + 1, &end, 10) : 0;
    if (name_bytes == 0 || name_bytes >= sizeof kill_point_name || passes < 1 || *end)
        return ol_fail(reterr, OL_USAGE, "ORDERLOG_KILL_POINT=%s is not name:count", setting);

    memcpy(kill_point_name, setting, name_bytes);
    kill_point_name[name_bytes] = '\0';
    kill_point_left = passes;
    ol_kill_point_armed_ = true;
    return OL_OK;
}

void ol_kill_point_pass(const char *name)
{
    if (strcmp(name, kill_point_name) == 0 && atomic_fetch_sub(&kill_point_left, 1) == 1)
        raise(SIGKILL);
}
