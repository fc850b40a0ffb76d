/*
 * tests/contract/test_projection_writer.c - one batch, one transaction: the fence against another
 * projector, rows that are not what the events build on, and the second thread.
 */
#include "test_projection_play.h"

#include "projections/write_thread.h"

/* ---- the fence ---- */

Test(writer, refuses_a_batch_that_was_written_already)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(3, 30);
    struct rng rng = rng_from(3);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    play_fill(&play, &rng, 60);
    uint64_t lost = 0;
    char before[1024], after[1024];
    pg_ok(writer_write(play.writer, &play.batch, &lost, reterr));
    play_digest(own.db, before);
    pg_fails(writer_write(play.writer, &play.batch, &lost, reterr), OL_CONFLICT, "somebody else");
    cr_assert_neq(lost, 0);
    cr_assert_not(ol_pg_in_transaction(play.db));
    play_digest(own.db, after);
    cr_assert_str_eq(before, after);
    history_free(history);
}

/* Both have read the same progress; one of them is late, as after a pause. */
Test(writer, lets_one_of_two_projectors_advance)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(4, 60);
    struct rng rng = rng_from(4);
    uint64_t lost = 0;
    OL_AUTO(play) struct play one, other;
    play_init(&one, &own, history, CONTEXT_INVENTORY);
    play_init(&other, &own, history, CONTEXT_INVENTORY);
    play_fill(&one, &rng, 80);
    play_fill(&other, &rng, 40);
    pg_ok(play_write(&one, &lost, reterr));
    pg_fails(play_write(&other, &lost, reterr), OL_CONFLICT, "somebody else");

    /* The loser reads the progress anew and can go on from there. */
    play_auto(&other);
    play_init(&other, &own, history, CONTEXT_INVENTORY);
    while (play_step(&other, &rng, 100))
        ;
    cr_assert_gt(play_compare(&own, history, CONTEXT_INVENTORY), 50);
    history_free(history);
}

Test(writer, names_only_the_partitions_that_are_lost)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(5, 60);
    struct rng rng = rng_from(5);
    uint64_t lost = 0;
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    pg_script(own.db, "UPDATE orderlog.projection_progress SET next_offset = 7 "
                      "WHERE topic = 'orderlog.orders.events.v1' AND partition = 1");
    play_fill(&play, &rng, 60);
    pg_fails(writer_write(play.writer, &play.batch, &lost, reterr), OL_CONFLICT, "1 partition");
    cr_assert_eq(lost, 1 << 1);
    cr_assert_str_eq(pg_value(own.db, "SELECT count(*) FROM orderlog.orders"), "0");
    history_free(history);
}

Test(writer, does_not_write_over_rows_of_a_later_program)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(6, 20);
    struct rng rng = rng_from(6);
    uint64_t lost = 0;
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    pg_script(own.db, "UPDATE orderlog.projection_progress SET projector_version = 99");
    play_fill(&play, &rng, 20);
    pg_fails(writer_write(play.writer, &play.batch, &lost, reterr), OL_CONFLICT, "");
    pg_fails(writer_begin(play.writer, 3, play.progress, reterr), OL_CONFLICT, "later program");
    history_free(history);
}

Test(writer, refuses_rows_that_are_not_what_the_events_build_on)
{
    static const struct {
        enum context context;
        const char *damage, *words;
    } cases[] = {
        {CONTEXT_ORDERS, "UPDATE orderlog.orders SET version = version + 1", "orders/update"},
        {CONTEXT_ORDERS, "DELETE FROM orderlog.orders", "orders/update"},
        {CONTEXT_INVENTORY, "UPDATE orderlog.stock SET version = version - 1", "stock/update"},
        {CONTEXT_INVENTORY, "UPDATE orderlog.stock SET reserved = 0, on_hand = 0", "stock"},
        {CONTEXT_PAYMENTS, "UPDATE orderlog.accounts SET balance_minor = 0", "accounts"},
    };
    OWN_DATABASE(own, true);
    struct history *history = play_history(8, 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        play_forget(own.db);
        struct rng rng = rng_from(8 + i);
        struct ol_error failure = {0};
        enum ol_class class = OL_OK;
        uint64_t lost;
        OL_AUTO(play) struct play play;
        play_init(&play, &own, history, cases[i].context);
        play_fill(&play, &rng, 120);
        pg_ok(play_write(&play, &lost, reterr));
        pg_script(own.db, cases[i].damage);
        for (int j = 0; j < 10 && !class; j++) {
            play_fill(&play, &rng, 50);
            class = play_write(&play, &lost, &failure);
        }
        cr_assert_eq(class, OL_VIOLATED, "%s: %s", cases[i].damage, failure.text);
        cr_assert(strstr(failure.text, cases[i].words), "%s", failure.text);
        cr_assert_not(ol_pg_in_transaction(play.db));
    }
    history_free(history);
}

/* A projector that stands still inside its transaction holds its successor up for as long as the
 * server lets it, and then fails. */
Test(writer, frees_the_successor_when_it_is_paused_too_long)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(9, 60);
    struct rng rng = rng_from(9);
    uint64_t lost;
    OL_AUTO(play) struct play next;
    OL_AUTO(ol_pg)
    struct ol_pg *paused =
        pg_open_with((struct ol_pg_options){.dsn = own.dsn, .idle_in_transaction_timeout_ms = 700});
    play_init(&next, &own, history, CONTEXT_ORDERS);
    pg_ok(ol_pg_begin(paused, reterr));
    pg_script(paused, "UPDATE orderlog.projection_progress SET next_offset = next_offset");
    play_fill(&next, &rng, 50);
    pg_ok(play_write(&next, &lost, reterr));
    pg_fails(ol_pg_script(paused, "test/late", "SELECT 1", NULL, reterr), OL_RETRY, "");
    history_free(history);
}

/* ---- the second thread ---- */

static void count_call(void *context)
{
    __atomic_fetch_add((int *)context, 1, __ATOMIC_RELAXED);
}

static void wait_for(struct write_thread *thread, struct write_outcome *ret_outcome)
{
    for (int i = 0; i < 1000; i++)
        if (write_thread_outcome(thread, 50, ret_outcome))
            return;
    cr_assert_fail("the batch was never over");
}

/* One batch is filled while the other one is being written, as the follower does. */
Test(write_thread, writes_while_the_next_batch_is_filled)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(16, 300);
    struct rng rng = rng_from(16);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_PAYMENTS);
    int calls = 0, batches = 0;
    struct write_thread *thread = write_thread_start(play.writer, count_call, &calls);
    struct row_batch other, *written = &other;
    struct write_outcome outcome;
    row_batch_init(&other, CONTEXT_PAYMENTS);
    for (;; batches++) {
        play_fill(&play, &rng, 40); /* on progress that the thread may still be writing */
        if (write_thread_batch(thread)) {
            cr_assert_eq(write_thread_batch(thread), written);
            wait_for(thread, &outcome);
            cr_assert_eq(outcome.class, OL_OK, "%s", outcome.error.text);
        }
        cr_assert_not(write_thread_outcome(thread, 0, &outcome), "an outcome is told once");
        if (play.batch.event_count == 0)
            break;
        for (int32_t i = 0; i < history->settings.partitions; i++)
            play.progress[i] = play.batch.partitions[i].now;
        struct row_batch empty = *written;
        *written = play.batch;
        play.batch = empty;
        row_batch_clear(&play.batch);
        write_thread_submit(thread, written);
    }
    write_thread_stop(thread);
    cr_assert_eq(calls, batches);
    cr_assert_gt(batches, 5);
    cr_assert_gt(play_compare(&own, history, CONTEXT_PAYMENTS), 100);
    row_batch_release(&other);
    history_free(history);
}

Test(write_thread, tells_why_a_batch_failed_and_goes_on)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(17, 30);
    struct rng rng = rng_from(17);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    int calls = 0;
    struct write_thread *thread = write_thread_start(play.writer, count_call, &calls);
    struct write_outcome outcome;
    play_fill(&play, &rng, 30);
    for (int i = 0; i < 2; i++) {
        write_thread_submit(thread, &play.batch);
        wait_for(thread, &outcome);
        cr_assert_eq(outcome.class, i ? OL_CONFLICT : OL_OK, "%s", outcome.error.text);
        cr_assert_eq(outcome.lost != 0, i == 1);
    }
    write_thread_stop(thread);
    cr_assert_eq(calls, 2);
    history_free(history);
}
