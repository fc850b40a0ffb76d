#include "lib/program/ol_run.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"

/* Runs `body` in a child and returns its wait status: these functions end processes. */
static int in_child(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(77);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

static bool is_readable(int fd)
{
    struct pollfd place = {.fd = fd, .events = POLLIN};
    return poll(&place, 1, 0) == 1;
}

static void stop_on(int signal_number)
{
    cr_assert_eq(ol_run_init(60000, NULL), OL_OK);
    cr_assert_not(ol_run_stopping());
    cr_assert_not(is_readable(ol_run_fd()));
    raise(signal_number);
    cr_assert(ol_run_stopping());
    cr_assert(is_readable(ol_run_fd()));
    cr_assert(is_readable(ol_run_fd()), "it stays readable for the next loop");
    ol_run_release();
}

Test(ol_run_init, turns_sigterm_into_a_flag_and_a_descriptor)
{
    stop_on(SIGTERM);
}

Test(ol_run_init, turns_sigint_into_the_same)
{
    stop_on(SIGINT);
}

Test(ol_run_init, survives_a_reader_that_went_away)
{
    int ends[2];
    cr_assert_eq(ol_run_init(60000, NULL), OL_OK);
    cr_assert_eq(pipe(ends), 0);
    close(ends[0]);
    cr_assert_eq(write(ends[1], "x", 1), -1);
    close(ends[1]);
    ol_run_release();
}

static void signal_twice(void)
{
    ol_run_init(60000, NULL);
    raise(SIGTERM);
    raise(SIGINT);
}

Test(ol_run_init, exits_at_once_on_a_second_signal)
{
    int status = in_child(signal_twice);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 128 + SIGINT);
}

static void stop_then_signal(void)
{
    ol_run_init(60000, NULL);
    ol_run_stop();
    raise(SIGTERM);
}

Test(ol_run_stop, does_not_count_as_a_first_signal)
{
    cr_assert_eq(WEXITSTATUS(in_child(stop_then_signal)), 77);
}

static void hang_while_closing(void)
{
    ol_run_init(100, NULL);
    raise(SIGTERM);
    for (;;)
        pause();
}

Test(ol_run_init, leaves_when_draining_takes_too_long, .timeout = 10)
{
    int status = in_child(hang_while_closing);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 1);
}

static void hang_when_drained(void)
{
    ol_run_init(100, NULL);
    ol_run_stop();
    ol_run_drained();
    for (;;)
        pause();
}

Test(ol_run_drained, makes_a_late_close_a_good_exit, .timeout = 10)
{
    int status = in_child(hang_when_drained);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
}

static void *stop_soon(void *unused)
{
    usleep(50000);
    kill(getpid(), SIGTERM);
    return unused;
}

/* A loop that runs until it is asked to stop, or fails at once with its context's class. */
static enum ol_class loop(void *context, struct ol_error *reterr)
{
    enum ol_class class = *(enum ol_class *)context;
    while (!class && !ol_run_sleep(60000))
        ;
    return class ? ol_fail(reterr, class, "failed: %s", ol_class_name(class)) : OL_OK;
}

static enum ol_class join(const enum ol_class *classes, size_t count, enum ol_class before,
                          struct ol_error *reterr)
{
    struct ol_run_thread threads[4] = {0};
    cr_assert_eq(ol_run_init(60000, NULL), OL_OK);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(ol_run_thread_start(&threads[i], loop, (void *)&classes[i], reterr), OL_OK);
    if (before)
        ol_run_stop();
    enum ol_class class = ol_run_threads_join(threads, 4, before, reterr);
    cr_assert(ol_run_stopping());
    ol_run_release();
    return class;
}

Test(ol_run_thread, takes_the_others_along_when_it_fails, .timeout = 10)
{
    struct ol_error error = {0};
    const enum ol_class classes[] = {OL_OK, OL_CONFLICT, OL_OK};
    cr_assert_eq(join(classes, 3, OL_OK, &error), OL_CONFLICT);
    cr_assert_eq(error.class, OL_CONFLICT);
    cr_assert_str_eq(error.text, "failed: conflict");
}

Test(ol_run_thread, the_first_failure_is_the_roles, .timeout = 10)
{
    struct ol_error error = {0};
    const enum ol_class classes[] = {OL_VIOLATED, OL_CONFLICT};
    cr_assert_eq(join(classes, 2, OL_OK, &error), OL_VIOLATED);
    ol_fail(&error, OL_USAGE, "before");
    cr_assert_eq(join(classes, 2, OL_USAGE, &error), OL_USAGE);
    cr_assert_str_eq(error.text, "before");
    const enum ol_class none[] = {OL_OK, OL_OK};
    cr_assert_eq(join(none, 0, OL_FATAL, &error), OL_FATAL);
}

Test(ol_run_sleep, ends_when_asked_to_stop, .timeout = 10)
{
    pthread_t thread;
    cr_assert_eq(ol_run_init(60000, NULL), OL_OK);
    pthread_create(&thread, NULL, stop_soon, NULL);
    cr_assert(ol_run_sleep(60000));
    pthread_join(thread, NULL);
    ol_run_release();
}

Test(ol_run_sleep, sleeps_its_time_otherwise)
{
    cr_assert_eq(ol_run_init(60000, NULL), OL_OK);
    int64_t before_us = ol_clock_monotonic_us();
    cr_assert_not(ol_run_sleep(30));
    cr_assert_geq(ol_clock_monotonic_us() - before_us, 30000);
    cr_assert_not(ol_run_sleep(0));
    ol_run_release();
}

static void pass_three_times(void)
{
    setenv("ORDERLOG_KILL_POINT", "after_commit:3", 1);
    ol_kill_point_init(NULL);
    ol_kill_point("after_commit");
    ol_kill_point("before_commit");
    ol_kill_point("after_commit");
    ol_kill_point("before_commit");
    if (write(STDERR_FILENO, "", 0) == 0)
        ol_kill_point("after_commit");
}

static void pass_twice(void)
{
    setenv("ORDERLOG_KILL_POINT", "after_commit:3", 1);
    ol_kill_point_init(NULL);
    ol_kill_point("after_commit");
    ol_kill_point("after_commit");
}

Test(ol_kill_point, kills_at_the_nth_pass)
{
    int status = in_child(pass_three_times);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(WTERMSIG(status), SIGKILL);
}

Test(ol_kill_point, lets_earlier_passes_through)
{
    int status = in_child(pass_twice);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 77);
}

Test(ol_kill_point_init, refuses_what_is_not_name_and_count)
{
    static const char *const rows[] = {"x", "x:", ":1", "x:0", "x:-1", "x:1y", ":"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_error error;
        setenv("ORDERLOG_KILL_POINT", rows[i], 1);
        cr_expect_eq(ol_kill_point_init(&error), OL_USAGE, "%s", rows[i]);
        cr_expect_eq(ol_run_init(1000, &error), OL_USAGE);
    }
    setenv("ORDERLOG_KILL_POINT", "", 1);
    cr_expect_eq(ol_kill_point_init(NULL), OL_OK);
    cr_expect_not(ol_kill_point_armed_);
}
