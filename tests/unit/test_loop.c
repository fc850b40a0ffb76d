/*
 * tests/unit/test_loop.c - the worker's loop while the database is away.
 *
 * The consumer, the life cycle and the connection are played: the linker puts the functions below
 * in their places.
 */
#include "consumers/loop.h"

#include <criterion/criterion.h>

#include "lib/program/ol_run.h"

/* What one look at the group says. */
struct look {
    enum ol_class class;
    enum ol_consumer_event event;
};

static struct {
    const struct look *looks;
    size_t look_count, looked;
    bool stopping, stopped_asleep;
    int tries_left; /* until the database is back */
} played;

enum ol_class __wrap_ol_consumer_poll(struct ol_consumer *consumer,
                                      enum ol_consumer_event *ret_event, struct ol_error *reterr);
enum ol_class __wrap_ol_consumer_poll(struct ol_consumer *consumer,
                                      enum ol_consumer_event *ret_event, struct ol_error *reterr)
{
    (void)consumer;
    struct look look = {0};
    if (played.looked < played.look_count)
        look = played.looks[played.looked++];
    *ret_event = look.event;
    return look.class ? ol_fail(reterr, look.class, "the group says so") : OL_OK;
}

bool __wrap_ol_run_sleep(int64_t wait_ms);
bool __wrap_ol_run_sleep(int64_t wait_ms)
{
    (void)wait_ms;
    return played.stopping || played.stopped_asleep;
}

bool __wrap_ol_run_stopping(void);
bool __wrap_ol_run_stopping(void)
{
    return played.stopping;
}

bool __wrap_ol_pg_usable(const struct ol_pg *db);
bool __wrap_ol_pg_usable(const struct ol_pg *db)
{
    (void)db;
    return true;
}

enum ol_class __wrap_ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                                struct ol_error *reterr);
enum ol_class __wrap_ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                                struct ol_error *reterr)
{
    (void)options, (void)ret_db;
    return ol_fail(reterr, OL_UNREACHABLE, "nobody answers");
}

static enum ol_class ask(struct loop *loop, void *argument, struct ol_error *reterr)
{
    (void)loop, (void)argument;
    return played.tries_left-- > 0 ? ol_fail(reterr, OL_UNREACHABLE, "nobody answers") : OL_OK;
}

/* Asks a database that is away for `tries`, while the group says one look after the other, and then
 * nothing more. */
static enum ol_class wait(struct loop *loop, int tries, const struct look *looks, size_t count,
                          struct ol_error *reterr)
{
    played.tries_left = tries;
    played.looks = looks;
    played.look_count = count;
    played.looked = 0;
    return loop_with_database(loop, ask, NULL, reterr);
}

static struct loop loop;

Test(loop_with_database, asks_again_until_it_is_back)
{
    struct ol_error error;
    static const struct look looks[] = {{OL_OK, OL_CONSUMER_NOTHING},
                                        {OL_RETRY, OL_CONSUMER_NOTHING}};
    atomic_store(&loop.status, LOOP_IS_RUNNING);
    cr_assert_eq(wait(&loop, 3, looks, 2, &error), OL_OK);
    cr_assert_eq(played.tries_left, -1);
    cr_assert_not(loop.interrupted);
    cr_assert_eq(atomic_load(&loop.status), LOOP_IS_RUNNING);
}

Test(loop_with_database, gives_up_for_news_of_the_group)
{
    struct ol_error error;
    static const struct look looks[] = {{OL_OK, OL_CONSUMER_REVOKED}};
    cr_assert_eq(wait(&loop, 3, looks, 1, &error), OL_RETRY);
    cr_assert(loop.interrupted);
    cr_assert_eq(loop.news, OL_CONSUMER_REVOKED, "still to be answered");
}

Test(loop_with_database, gives_up_when_asked_to_stop)
{
    struct ol_error error;
    played.stopping = true;
    cr_assert_eq(wait(&loop, 3, NULL, 0, &error), OL_RETRY);
    cr_assert(loop.interrupted);
}

/* The library says such a thing once: who passes over it goes on with a batch that is half
 * decided. */
Test(loop_with_database, fails_when_the_group_does)
{
    struct ol_error error;
    static const struct look looks[] = {{OL_FATAL, OL_CONSUMER_NOTHING}};
    cr_assert_eq(wait(&loop, 3, looks, 1, &error), OL_FATAL);
    cr_assert_eq(error.class, OL_FATAL);
    cr_assert_str_eq(error.text, "the group says so");
    cr_assert_not(loop.interrupted);
}

Test(loop_run, shows_no_halt_of_the_life_before)
{
    struct ol_error error;
    struct ol_options options;
    cr_assert_eq(ol_options_init(&options, "worker", OL_FOR_EVERYTHING, 0, NULL, &error), OL_OK);
    cr_assert_eq(loop_init(&loop, &options, CONTEXT_ORDERS, NULL, &error), OL_OK, "%s", error.text);
    loop.halted = 2;
    atomic_store(&loop.halted_now, 2);
    played.stopped_asleep = true; /* before the second life */
    cr_assert_eq(loop_run(&loop, &error), OL_OK);
    cr_assert_eq(atomic_load(&loop.halted_now), 0);
    loop_release(&loop);
    ol_options_release(&options);
}
