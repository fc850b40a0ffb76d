/*
 * tests/contract/test_cli_saga.c - what `orderlog saga` prints of the rows that a projector wrote.
 */
#include "test_projection_play.h"

#include <jansson.h>

#include "cli/cli.h"

/* Runs a command with --json; an array of the objects that it printed, to be freed. */
static json_t *asked(enum ol_class (*run)(const struct ol_options *, struct ol_error *),
                     const struct own_database *own, bool stuck, const char *id)
{
    struct ol_options options = {
        .pg_dsn = own->dsn, .timeout_ms = 10000, .json = true, .stuck = stuck, .arguments = &id};
    FILE *page = tmpfile();
    int stdout_copy = dup(STDOUT_FILENO);
    cr_assert(page && stdout_copy >= 0 && fflush(stdout) == 0);
    cr_assert(dup2(fileno(page), STDOUT_FILENO) >= 0);
    pg_ok(run(&options, reterr));
    cr_assert(fflush(stdout) == 0 && dup2(stdout_copy, STDOUT_FILENO) >= 0);
    close(stdout_copy);
    json_t *rows = json_array(), *row;
    rewind(page);
    while ((row = json_loadf(page, JSON_DISABLE_EOF_CHECK, NULL)))
        json_array_append_new(rows, row);
    fclose(page);
    return rows;
}

static const char *text_of_row(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    cr_assert(text, "no text %s", name);
    return text;
}

static bool is_same(const json_t *a, const json_t *b, const char *name)
{
    return json_equal(json_object_get(a, name), json_object_get(b, name));
}

Test(saga, lists_the_open_ones_and_shows_each)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(15, 300);
    struct rng rng = rng_from(15);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    for (int i = 0; i < 6; i++)
        play_step(&play, &rng, 60);
    char ids[4096] = "";
    json_t *list = asked(saga_list_run, &own, false, NULL);
    cr_assert_gt(json_array_size(list), 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *row = json_array_get(list, i);
        const char *id = text_of_row(row, "order_id");
        size_t used = strlen(ids);
        snprintf(ids + used, sizeof ids - used, "%s%s", i ? " " : "", id);
        cr_assert_gt(strlen(text_of_row(row, "waits_for")), 0);
        json_t *shown = asked(saga_show_run, &own, false, id);
        cr_assert_eq(json_array_size(shown), 1);
        static const char *const same[] = {"order_id",  "saga_state", "status",      "step",
                                           "waits_for", "last_error", "next_attempt"};
        for (size_t j = 0; j < sizeof same / sizeof *same; j++)
            cr_assert(is_same(row, json_array_get(shown, 0), same[j]), "%s of %s", same[j], id);
        json_decref(shown);
    }
    json_decref(list);
    cr_assert_str_eq(ids, pg_value(own.db, "SELECT string_agg(order_id, ' ' ORDER BY recorded_at) "
                                           "FROM orderlog.orders "
                                           "WHERE saga_state IN ('running', 'undoing')"));
    history_free(history);
}

Test(saga, lists_the_stuck_ones_alone)
{
    OWN_DATABASE(own, true);
    struct history *history = play_history(16, 100);
    struct rng rng = rng_from(16);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    play_step(&play, &rng, 60);
    json_t *list = asked(saga_list_run, &own, true, NULL);
    cr_assert_eq(json_array_size(list), 0);
    json_decref(list);
    pg_script(own.db, "UPDATE orderlog.orders SET saga_state = 'stuck' WHERE order_id = "
                      "(SELECT min(order_id) FROM orderlog.orders)");
    list = asked(saga_list_run, &own, true, NULL);
    cr_assert_eq(json_array_size(list), 1);
    cr_assert_str_eq(text_of_row(json_array_get(list, 0), "order_id"),
                     pg_value(own.db, "SELECT min(order_id) FROM orderlog.orders"));
    json_decref(list);
    history_free(history);
}

Test(saga, says_that_there_is_no_such_order)
{
    OWN_DATABASE(own, true);
    static const char *const nobody = "nobody";
    struct ol_options options = {.pg_dsn = own.dsn, .timeout_ms = 10000, .arguments = &nobody};
    pg_fails(saga_show_run(&options, reterr), OL_NOT_FOUND, "nobody");
}
