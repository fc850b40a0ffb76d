/*
 * tests/contract/test_projection_load.c - rows read back as the states of a worker, and the plans
 * by which they are found.
 */
#include "test_projection_play.h"

#include "projections/load_statements.h"

/* ---- loading ---- */

Test(load, finds_nothing_where_there_is_nothing)
{
    OWN_DATABASE(own, true);
    struct load *load = load_new(own.db, CONTEXT_PAYMENTS, play_topic(CONTEXT_PAYMENTS), 2);
    const struct entity_key keys[] = {
        {ENTITY_ACCOUNT, 0, TEXT("c-1"), {0}},
        {ENTITY_PAYMENT, 0, TEXT("c-1"), TEXT("o-1")},
        {ENTITY_COMMAND, 0, TEXT("c-1"), TEXT("open/c-1")},
    };
    struct entity entities[3];
    struct load_progress progress[2];
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    pg_ok(load_send(load, keys, 3, reterr));
    pg_ok(load_receive(load, 5000, &arena, entities, progress, reterr));
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(entities[i].kind, keys[i].kind);
        cr_assert(entity_is_absent(&entities[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(progress[i].next_offset, 0);
        cr_assert_eq(progress[i].last_offset, -1);
        cr_assert_eq(progress[i].last_recorded_us, TIME_NONE);
        cr_assert_not(progress[i].has_receipt);
    }
    pg_ok(load_send(load, NULL, 0, reterr));
    pg_ok(load_receive(load, 5000, &arena, NULL, progress, reterr));
    ol_arena_release(&arena);
    load_free(load);
}

Test(load, reports_progress_and_the_last_receipt)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(11, 50);
    struct rng rng = rng_from(11);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    while (play_step(&play, &rng, 70))
        ;
    struct load *load = load_new(own.db, CONTEXT_ORDERS, play_topic(CONTEXT_ORDERS), 3);
    struct load_progress progress[3];
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    pg_ok(load_send(load, NULL, 0, reterr));
    pg_ok(load_receive(load, 5000, &arena, NULL, progress, reterr));
    for (size_t i = 0; i < 3; i++) {
        const struct load_progress *now = &play.progress[i];
        const struct record_list *list = &history->events[CONTEXT_ORDERS][i];
        cr_assert_eq(progress[i].last_offset, list->records[list->count - 1].offset);
        cr_assert_eq(progress[i].next_offset, now->next_offset);
        cr_assert_eq(progress[i].last_digest, now->last_digest);
        cr_assert_eq(progress[i].last_recorded_us, now->last_recorded_us);
        cr_assert(progress[i].has_receipt);
        cr_assert_eq(memcmp(&progress[i].receipt, &now->receipt, sizeof now->receipt), 0);
    }
    ol_arena_release(&arena);
    load_free(load);
    history_free(history);
}

Test(load, lists_the_open_deadlines_of_a_partition)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(12, 300);
    struct rng rng = rng_from(12);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    for (int i = 0; i < 6; i++)
        play_step(&play, &rng, 60);
    struct load *load = load_new(own.db, CONTEXT_ORDERS, play_topic(CONTEXT_ORDERS), 3);
    struct ol_arena arena;
    size_t sum = 0;
    ol_arena_init(&arena, 4096, 0);
    for (int32_t partition = 0; partition < 3; partition++) {
        struct load_deadline *deadlines;
        struct load_progress progress[3];
        size_t count;
        pg_ok(load_deadlines(load, partition, &arena, &deadlines, &count, progress, reterr));
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(partition_of(deadlines[i].order_id, 3), partition);
        sum += count;
    }
    char expected[32];
    snprintf(expected, sizeof expected, "%zu", sum);
    cr_assert_str_eq(pg_value(own.db, "SELECT count(*) FROM orderlog.orders "
                                      "WHERE saga_state IN ('running', 'undoing')"),
                     expected);
    cr_assert_gt(sum, 0);
    ol_arena_release(&arena);
    load_free(load);
    history_free(history);
}

Test(load, can_be_used_again_after_a_failure)
{
    OWN_DATABASE(own, true);
    struct load *load = load_new(own.db, CONTEXT_ORDERS, play_topic(CONTEXT_ORDERS), 1);
    const struct entity_key key = {ENTITY_ORDER, 0, TEXT("o-1"), {0}};
    struct entity entity;
    struct load_progress progress;
    struct ol_arena arena;
    ol_arena_init(&arena, 4096, 0);
    pg_script(own.db, "ALTER TABLE orderlog.orders RENAME TO away");
    pg_ok(load_send(load, &key, 1, reterr));
    pg_fails(load_receive(load, 5000, &arena, &entity, &progress, reterr), OL_FATAL, "load/orders");
    pg_script(own.db, "ALTER TABLE orderlog.away RENAME TO orders");
    pg_ok(load_send(load, &key, 1, reterr));
    pg_ok(load_receive(load, 5000, &arena, &entity, &progress, reterr));
    cr_assert(entity_is_absent(&entity));
    ol_arena_release(&arena);
    load_free(load);
}

Test(load, looks_keys_up_in_indexes_whatever_the_statistics_say, .timeout = 120)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(13, 200);
    struct rng rng = rng_from(13);
    play_all(&own, history, &rng, 1000);
    pg_script(own.db, "ANALYZE"); /* small tables: a scan would look cheaper */
    struct load *load = load_new(own.db, CONTEXT_INVENTORY, play_topic(CONTEXT_INVENTORY), 3);
    struct entity_key keys[40];
    struct entity entities[40];
    struct load_progress progress[3];
    struct ol_arena arena;
    ol_arena_init(&arena, 1 << 16, 0);
    for (size_t i = 0; i < 40; i++)
        keys[i] = (struct entity_key){i % 2 ? ENTITY_PRODUCT : ENTITY_RESERVATION,
                                      0,
                                      i % 2 ? TEXT("25671") : TEXT("27601281303"),
                                      {0}};
    const char *scans =
        "SELECT sum(seq_scan) FROM pg_stat_user_tables "
        "WHERE relname IN ('products', 'stock', 'reservations', 'product_commands')";
    const char *others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                         "AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    /* Statistics are sent when a backend goes idle for a moment, or ends, and it ends after its
     * client has left: those who wrote the rows are gone first. */
    char before[64];
    while (strcmp(pg_value(own.db, others), "0") != 0)
        ;
    pg_script(own.db, "SELECT pg_stat_force_next_flush()");
    snprintf(before, sizeof before, "%s", pg_value(own.db, scans));
    for (int i = 0; i < 8; i++) {
        pg_ok(load_send(load, keys, 40, reterr));
        pg_ok(load_receive(load, 5000, &arena, entities, progress, reterr));
    }
    pg_script(own.db, "SELECT pg_stat_force_next_flush()");
    cr_assert_str_eq(pg_value(own.db, scans), before);
    ol_arena_release(&arena);
    load_free(load);
    history_free(history);
}

/* ---- plans ---- */

/* Each table's rows are found through an index and a condition on it. */
static void all_lookups(struct ol_pg *db, const char *explain)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    int scans = 0, lookups = 0;
    pg_ok(ol_pg_select(db, "test/explain", explain, NULL, &rows, reterr));
    for (int row = 0; row < rows.count; row++) {
        const char *line = ol_pg_string(&rows, row, 0);
        scans +=
            strstr(line, " on ") && !strstr(line, "Function Scan") && !strstr(line, "Subquery");
        lookups += strstr(line, "Index Cond") != NULL;
        cr_expect_null(strstr(line, "Join Filter"), "%s", line);
    }
    cr_expect_gt(lookups, 0);
    cr_expect_eq(scans, lookups);
}

/* A plan is kept from when it was made, and then the tables may have been empty. */
Test(batch, looks_keys_up_even_by_a_plan_made_for_empty_tables)
{
    OWN_DATABASE(own, true);
    pg_script(own.db, "BEGIN");
    pg_script(own.db, load_settings.sql);
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        for (int query = 0; query < LOAD_QUERY_COUNT; query++) {
            const struct ol_pg_statement *statement = load_statement(context, query);
            char text[2048];
            if (!statement)
                continue;
            snprintf(text, sizeof text, "PREPARE plan AS %s", statement->sql);
            pg_script(own.db, text);
            all_lookups(own.db, strstr(statement->sql, "$2") ? "EXPLAIN EXECUTE plan (NULL, NULL)"
                                                             : "EXPLAIN EXECUTE plan (NULL)");
            pg_script(own.db, "DEALLOCATE plan");
        }
    }
    pg_script(own.db, "ROLLBACK");
}
