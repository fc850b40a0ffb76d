/*
 * tests/unit/test_ol_lives.c - lives as rows: how each ends, and how long is waited for the next.
 *
 * The clock and the life cycle are played: the linker puts the functions below in their places.
 */
#include "lib/program/ol_lives.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "lib/program/ol_log.h"

#define MINUTE_MS (60 * INT64_C(1000))

/* One life. The last row of a test ends it. */
struct life {
    enum ol_class class;
    bool did_something;
    int64_t lasts_ms;
    bool hangs, stopping; /* its close; asked to stop meanwhile */
    int64_t waited_ms;    /* after it; 0: it is the last one */
};

static struct {
    const struct life *rows;
    size_t count, begun, closed, restarted, waited;
    int64_t now_us;
    bool stopping, for_good, stopped_asleep;
} played;

int64_t __wrap_ol_clock_monotonic_us(void);
int64_t __wrap_ol_clock_monotonic_us(void)
{
    return 1 + played.now_us;
}

bool __wrap_ol_run_stopping(void);
bool __wrap_ol_run_stopping(void)
{
    return played.stopping;
}

bool __wrap_ol_run_sleep(int64_t wait_ms);
bool __wrap_ol_run_sleep(int64_t wait_ms)
{
    cr_expect_eq(wait_ms, played.rows[played.waited].waited_ms, "life %zu: %lld ms", played.waited,
                 (long long)wait_ms);
    played.waited++;
    played.now_us += wait_ms * 1000;
    return played.stopped_asleep;
}

static const struct life *row(void)
{
    return &played.rows[played.begun - 1];
}

static enum ol_class live(void *loop, struct ol_error *reterr)
{
    cr_assert_eq(loop, &played);
    cr_assert_lt(played.begun, played.count, "one life too many");
    played.begun++;
    played.now_us += row()->lasts_ms * 1000;
    played.stopping = row()->stopping;
    return row()->class ? ol_fail(reterr, row()->class, "life %zu", played.begun) : OL_OK;
}

static bool close_life(void *loop, bool for_good)
{
    cr_assert_eq(loop, &played);
    played.for_good = for_good;
    cr_assert_eq(++played.closed, played.begun, "each is closed once");
    return !row()->hangs;
}

static bool restart(void *loop, enum ol_class class, const char *error)
{
    cr_assert_eq(loop, &played);
    cr_assert_eq(class, row()->class);
    cr_assert(*error);
    played.restarted++;
    return row()->did_something;
}

static const struct ol_lives lives = {.role = "worker",
                                      .context = "orders",
                                      .slot = 3,
                                      .live = live,
                                      .close = close_life,
                                      .restart = restart};

static enum ol_class play(const struct life *rows, size_t count, struct ol_error *reterr)
{
    played.rows = rows;
    played.count = count;
    return ol_lives_run(&lives, &played, reterr);
}

#define PLAY(rows, reterr) play(rows, sizeof(rows) / sizeof *(rows), reterr)

Test(ol_lives, wait_twice_as_long_each_time_up_to_a_bound)
{
    static const struct life rows[] = {
        {.class = OL_RETRY, .waited_ms = 100},  {.class = OL_RETRY, .waited_ms = 200},
        {.class = OL_RETRY, .waited_ms = 400},  {.class = OL_RETRY, .waited_ms = 800},
        {.class = OL_RETRY, .waited_ms = 1600}, {.class = OL_RETRY, .waited_ms = 3200},
        {.class = OL_RETRY, .waited_ms = 5000}, {.class = OL_RETRY, .waited_ms = 5000},
        {.class = OL_OK, .stopping = true},
    };
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_OK);
    cr_assert_eq(played.restarted, 8);
}

Test(ol_lives, begin_with_the_least_again_after_one_that_did_something_or_lasted)
{
    static const struct life rows[] = {
        {.class = OL_RETRY, .waited_ms = 100},
        {.class = OL_RETRY, .waited_ms = 200},
        {.class = OL_RETRY, .did_something = true, .waited_ms = 100},
        {.class = OL_RETRY, .waited_ms = 200},
        {.class = OL_RETRY, .lasts_ms = MINUTE_MS, .waited_ms = 100},
        {.class = OL_OK, .stopping = true},
    };
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_OK);
}

Test(ol_lives, give_the_slot_up_when_fenced_twice_in_a_minute)
{
    static const struct life rows[] = {
        {.class = OL_CONFLICT, .waited_ms = 100},
        {.class = OL_RETRY, .waited_ms = 200},
        {.class = OL_CONFLICT, .lasts_ms = MINUTE_MS, .waited_ms = 100},
        {.class = OL_CONFLICT},
    };
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_CONFLICT);
    cr_assert_str_eq(error.text, "slot 3 is taken by another process: life 4");
    cr_assert_not(played.for_good);
}

Test(ol_lives, leave_for_good_when_asked_to_stop)
{
    static const struct life rows[] = {{.class = OL_OK, .stopping = true}};
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_OK);
    cr_assert(played.for_good);
}

Test(ol_lives, keep_the_place_when_they_fail_while_stopping)
{
    static const struct life rows[] = {{.class = OL_RETRY, .stopping = true, .hangs = true}};
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_OK);
    cr_assert_not(played.for_good);
    cr_assert_eq(played.restarted, 0);
}

Test(ol_lives, end_with_the_process_where_a_close_hangs)
{
    static const struct life rows[] = {{.class = OL_CONFLICT, .hangs = true}};
    struct ol_error error = {0};
    cr_assert_eq(PLAY(rows, &error), OL_FATAL);
    cr_assert_str_eq(error.text, "a Kafka handle hangs while closing");
}

Test(ol_lives, end_while_waiting_for_the_next)
{
    static const struct life rows[] = {{.class = OL_RETRY, .waited_ms = 100}};
    struct ol_error error = {0};
    played.stopped_asleep = true;
    cr_assert_eq(PLAY(rows, &error), OL_OK);
}

/* A loop that ends by itself would stand still without a word. */
Test(ol_lives, never_end_well_unasked, .signal = SIGABRT)
{
    static const struct life rows[] = {{.class = OL_OK}};
    struct ol_error error = {0};
    PLAY(rows, &error);
}
