#include "test_projection_db.h"

#include "domain/checkout.h"
#include "domain/topic.h"
#include "lib/ol_hash.h"
#include "projections/load_statements.h"
#include "projections/load.h"
#include "projections/query.h"
#include "projections/write_thread.h"
#include "projections/writer.h"
#include "test_projection_history.h"

/* One context's events on their way into one database. */
struct play {
    struct history *history;
    enum context context;
    struct ol_pg *db;
    struct writer *writer;
    struct projection projection;
    struct ol_arena scratch;
    struct load_progress progress[PARTITIONS_MAX];
    size_t at[PARTITIONS_MAX];
};

static const char *topic_of(enum context context)
{
    static struct topic_name topics[CONTEXT_COUNT];
    topics[context] = topic_name("orderlog", context, STREAM_EVENTS);
    return topics[context].text;
}

static void play_init(struct play *play, const struct own_database *own, struct history *history,
                      enum context context)
{
    *play = (struct play){.history = history, .context = context, .db = own_database_open(own)};
    play->writer = writer_new(play->db, context, topic_of(context));
    projection_init(&play->projection, context);
    ol_arena_init(&play->scratch, 1 << 20, 0);
    pg_ok(writer_begin(play->writer, history->settings.partitions, play->progress, reterr));
    for (int32_t i = 0; i < history->settings.partitions; i++) {
        const struct record_list *list = &history->events[context][i];
        while (play->at[i] < list->count &&
               list->records[play->at[i]].offset < play->progress[i].next_offset)
            play->at[i]++;
    }
}

static void play_auto(struct play *play)
{
    projection_release(&play->projection);
    ol_arena_release(&play->scratch);
    writer_free(play->writer);
    ol_pg_free(play->db);
}

/* Up to `count` events, each of a random partition. */
static void play_fill(struct play *play, struct rng *rng, size_t count)
{
    int32_t partitions = play->history->settings.partitions;
    const struct record *last[PARTITIONS_MAX] = {0};
    projection_clear(&play->projection);
    for (int32_t i = 0; i < partitions; i++)
        projection_start(&play->projection, i, &play->progress[i]);
    size_t missed = 0;
    while (play->projection.event_count < count && missed < 64) {
        int32_t partition = (int32_t)rng_below(rng, (uint64_t)partitions);
        const struct record_list *list = &play->history->events[play->context][partition];
        if (play->at[partition] == list->count) {
            missed++;
            continue;
        }
        const struct record *record = &list->records[play->at[partition]++];
        struct event_message event;
        ol_arena_clear(&play->scratch);
        pg_ok(codec_decode_event(play->context, record->value, &play->scratch, &event, reterr));
        pg_ok(projection_apply(&play->projection, &event, partition, record->offset, reterr));
        last[partition] = record;
    }
    for (int32_t i = 0; i < partitions; i++)
        if (last[i])
            play->projection.partitions[i].now.last_digest = ol_hash_record(
                last[i]->key.data, last[i]->key.size, last[i]->value.data, last[i]->value.size);
    projection_seal(&play->projection);
}

static enum ol_class play_write(struct play *play, uint64_t *ret_lost, struct ol_error *reterr)
{
    enum ol_class class = writer_write(play->writer, &play->projection, ret_lost, reterr);
    if (class)
        return class;
    for (int32_t i = 0; i < play->history->settings.partitions; i++)
        play->progress[i] = play->projection.partitions[i].now;
    return OL_OK;
}

static bool play_step(struct play *play, struct rng *rng, size_t batch_max)
{
    uint64_t lost;
    play_fill(play, rng, 1 + rng_below(rng, batch_max));
    if (play->projection.event_count == 0)
        return false;
    pg_ok(play_write(play, &lost, reterr));
    return true;
}

static void play_all(const struct own_database *own, struct history *history, struct rng *rng,
                     size_t batch_max)
{
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        OL_AUTO(play) struct play play;
        play_init(&play, own, history, context);
        while (play_step(&play, rng, batch_max))
            ;
    }
}

static struct history *odd_history(uint64_t seed, int64_t orders)
{
    return history_new(&(struct history_settings){.seed = seed,
                                                  .partitions = 3,
                                                  .orders = orders,
                                                  .customers = 12,
                                                  .products = 60,
                                                  .lines_max = 6,
                                                  .stock = 80,
                                                  .funds = 200000,
                                                  .odd_percent = 35,
                                                  .batch_max = 20});
}

/* ---- rows are what the events add up to ------------------------------------------------------ */

static void same_order(const struct order *row, const struct order *state)
{
    cr_assert_eq(row->version, state->version);
    cr_assert_eq(row->status, state->status);
    cr_assert_eq(row->saga_state, state->saga_state);
    cr_assert_eq(row->payment, state->payment);
    cr_assert_eq(row->groups_asked, state->groups_asked);
    cr_assert_eq(row->groups_reserved, state->groups_reserved);
    cr_assert_eq(row->groups_refused, state->groups_refused);
    cr_assert_eq(row->groups_released, state->groups_released);
    cr_assert_eq(row->total_minor, state->total_minor);
    cr_assert_eq(row->deadline_us, state->deadline_us);
    cr_assert_str_eq(row->currency.code, state->currency.code);
    cr_assert(text_equal(row->customer_id, state->customer_id));
}

static void same_reservation(const struct reservation *row, const struct reservation *state)
{
    cr_assert_eq(row->status, state->status);
    cr_assert_eq(row->line_count, state->line_count);
    for (size_t i = 0; i < row->line_count; i++) {
        cr_assert(text_equal(row->lines[i].sku, state->lines[i].sku));
        cr_assert_eq(row->lines[i].quantity, state->lines[i].quantity);
        cr_assert_eq(row->lines[i].version, state->lines[i].version);
    }
}

static void same_entity(const struct entity *row, const struct entity *state)
{
    cr_assert_eq(row->kind, state->kind);
    switch (row->kind) {
    case ENTITY_ORDER: same_order(&row->order, &state->order); break;
    case ENTITY_RESERVATION: same_reservation(&row->reservation, &state->reservation); break;
    case ENTITY_PRODUCT:
        cr_assert_eq(row->product.version, state->product.version);
        cr_assert_eq(row->product.listed, state->product.listed);
        cr_assert_str_eq(row->product.currency.code, state->product.currency.code);
        cr_assert_eq(row->product.on_hand, state->product.on_hand);
        cr_assert_eq(row->product.reserved, state->product.reserved);
        cr_assert_eq(row->product.details_hash, state->product.details_hash);
        break;
    case ENTITY_ACCOUNT:
        cr_assert_eq(row->account.version, state->account.version);
        cr_assert_str_eq(row->account.currency.code, state->account.currency.code);
        cr_assert_eq(row->account.balance_minor, state->account.balance_minor);
        cr_assert_eq(row->account.held_minor, state->account.held_minor);
        break;
    case ENTITY_PAYMENT:
        cr_assert_eq(row->payment.status, state->payment.status);
        cr_assert_eq(row->payment.amount_minor, state->payment.amount_minor);
        cr_assert_eq(row->payment.refunded_minor, state->payment.refunded_minor);
        break;
    case ENTITY_COMMAND:
        cr_assert_eq(row->command.outcome, state->command.outcome);
        cr_assert_eq(row->command.code, state->command.code);
        cr_assert_eq(row->command.body_digest, state->command.body_digest);
        break;
    default: cr_assert_fail("an entity of kind %d", row->kind);
    }
}

/* What one event is about, loaded and compared with the workers' last states. Some keys come several
 * times in one load: that must not matter. */
struct comparison {
    struct history *history;
    enum context context;
    struct load *load;
    struct ol_arena arena;
    struct entity_key keys[4096];
    size_t count, compared;
};

static void compare(struct comparison *comparison)
{
    static struct entity entities[4096];
    struct load_progress progress[PARTITIONS_MAX];
    struct ol_arena *arena = &comparison->arena;
    pg_ok(load_send(comparison->load, comparison->keys, comparison->count, reterr));
    pg_ok(load_receive(comparison->load, 10000, arena, entities, progress, reterr));
    for (size_t i = 0; i < comparison->count; i++) {
        const struct entity *state =
            history_state(comparison->history, comparison->context, &comparison->keys[i]);
        cr_assert_not_null(state, "%.*s", (int)comparison->keys[i].id.bytes,
                           comparison->keys[i].id.data);
        same_entity(&entities[i], state);
    }
    comparison->compared += comparison->count;
    comparison->count = 0;
    ol_arena_clear(arena);
}

static size_t compare_context(const struct own_database *own, struct history *history,
                              enum context context)
{
    static struct comparison comparison;
    OL_AUTO(ol_pg) struct ol_pg *db = own_database_open(own);
    int32_t partitions = history->settings.partitions;
    comparison = (struct comparison){.history = history, .context = context};
    comparison.load = load_new(db, context, topic_of(context), partitions);
    ol_arena_init(&comparison.arena, 1 << 20, 0);
    for (int32_t partition = 0; partition < partitions; partition++) {
        const struct record_list *list = &history->events[context][partition];
        for (size_t i = 0; i < list->count; i++) {
            struct event_message event;
            struct entity_key *keys = comparison.keys + comparison.count;
            pg_ok(codec_decode_event(context, list->records[i].value, &comparison.arena, &event,
                                     reterr));
            comparison.count += event_entities(&event, partition, keys, EVENT_ENTITIES_MAX);
            if (comparison.count + EVENT_ENTITIES_MAX > 4096)
                compare(&comparison);
        }
    }
    compare(&comparison);
    load_free(comparison.load);
    ol_arena_release(&comparison.arena);
    return comparison.compared;
}

Test(projection, adds_up_to_what_the_workers_decided)
{
    OWN_DATABASE(own, true);
    uint64_t seed = rng_seed("projection");
    struct rng rng = rng_from(seed);
    struct history *history = odd_history(seed, 1500);
    play_all(&own, history, &rng, 300);
    for (enum context context = 0; context < CONTEXT_COUNT; context++)
        cr_assert_gt(compare_context(&own, history, context), 500);

    /* The history is worth something only if it has been everywhere. */
    static const char *const met[] = {
        "SELECT count(*) FROM orderlog.orders WHERE status = 'CONFIRMED'",
        "SELECT count(*) FROM orderlog.orders WHERE status = 'REJECTED' AND reason_sku IS NULL",
        "SELECT count(*) FROM orderlog.orders WHERE status = 'REJECTED' AND reason_sku IS NOT NULL",
        "SELECT count(*) FROM orderlog.orders WHERE status = 'CANCELLED'",
        "SELECT count(*) FROM orderlog.orders WHERE total_minor = 0 AND status = 'CONFIRMED'",
        "SELECT count(*) FROM orderlog.reservations WHERE status = 'RELEASED' AND skus <> '{}'",
        "SELECT count(*) FROM orderlog.reservations WHERE status = 'REFUSED'",
        "SELECT count(*) FROM orderlog.payments WHERE status = 'DECLINED'",
        "SELECT count(*) FROM orderlog.payments WHERE status = 'REFUNDED'",
        "SELECT count(*) FROM orderlog.payments WHERE status = 'CAPTURED' AND refunded_minor > 0",
        "SELECT count(*) FROM orderlog.commands WHERE duplicates > 0",
        "SELECT count(*) FROM orderlog.commands WHERE conflicts > 0",
        "SELECT count(*) FROM orderlog.commands WHERE outcome = 'REJECTED'",
        "SELECT count(*) FROM orderlog.products WHERE NOT listed",
    };
    for (size_t i = 0; i < sizeof met / sizeof *met; i++)
        cr_expect_str_neq(pg_value(own.db, met[i]), "0", "%s", met[i]);
    history_free(history);
}

/* ---- any split into batches ------------------------------------------------------------------ */

/* A digest over all rows of all tables. */
static void digest(struct ol_pg *db, char ret_digest[1024])
{
    size_t used = 0;
#define TABLE(context, table)                                                                      \
    used += (size_t)snprintf(ret_digest + used, 1024 - used, #table " %s\n",                       \
                             pg_value(db, "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) " \
                                          "FROM orderlog." #table " t"));
#define COLUMN(table, column, type, null)
#define END(table)
#include "projections/tables.def"
    snprintf(ret_digest + used, 1024 - used, "progress %s\n",
             pg_value(db, "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) "
                          "FROM orderlog.projection_progress t"));
}

static void forget_all(struct ol_pg *db)
{
    pg_script(db, "TRUNCATE orderlog.projection_progress, "
#define TABLE(context, table) "orderlog." #table ", "
#define COLUMN(table, column, type, null)
#define END(table)
#include "projections/tables.def"
                  "orderlog.installation");
}

Test(projection, gives_the_same_rows_for_any_split_into_batches)
{
    OWN_DATABASE(own, true);
    static const size_t batches[] = {1000000, 2000, 97, 11};
    char first[1024], other[1024];
    uint64_t seed = rng_seed("projection_split");
    struct rng rng = rng_from(seed);
    struct history *history = odd_history(seed, 250);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        forget_all(own.db);
        play_all(&own, history, &rng, batches[i]);
        digest(own.db, i ? other : first);
        if (i)
            cr_assert_str_eq(other, first, "batches of %zu:\n%s%s", batches[i], first, other);
    }
    history_free(history);
}

/* ---- views ----------------------------------------------------------------------------------- */

Test(projection, conserves_money_and_stock)
{
    OWN_DATABASE(own, true);
    uint64_t seed = rng_seed("projection_views");
    struct rng rng = rng_from(seed);
    struct history *history = odd_history(seed, 400);
    play_all(&own, history, &rng, 500);
    static const char *const faults[] = {
        /* The legs of one event sum to zero, and a wallet's versions have no gap. */
        "SELECT customer_id FROM orderlog.ledger_entries GROUP BY customer_id, version "
        "HAVING sum(debit_minor) <> sum(credit_minor) OR count(*) <> 2",
        "SELECT customer_id FROM (SELECT customer_id, count(DISTINCT version) AS n, "
        "max(version) AS v FROM orderlog.ledger_entries GROUP BY customer_id) e "
        "JOIN orderlog.accounts a USING (customer_id) WHERE n + 1 <> a.version OR v <> a.version",
        "SELECT customer_id FROM orderlog.accounts a LEFT JOIN (SELECT customer_id, "
        "sum(credit_minor - debit_minor) FILTER (WHERE account = 'wallet') AS wallet, "
        "sum(credit_minor - debit_minor) FILTER (WHERE account = 'held') AS held "
        "FROM orderlog.ledger_entries GROUP BY customer_id) e USING (customer_id) "
        "WHERE balance_minor <> coalesce(wallet, 0) OR held_minor <> coalesce(held, 0)",
        /* A product's stock is the sum of its movements. */
        "SELECT sku FROM orderlog.stock s LEFT JOIN (SELECT sku, "
        "sum(CASE kind WHEN 'INCREASE' THEN quantity WHEN 'DECREASE' THEN -quantity ELSE 0 END) "
        "AS on_hand, sum(CASE kind WHEN 'RESERVE' THEN quantity WHEN 'RELEASE' THEN -quantity "
        "ELSE 0 END) AS reserved FROM orderlog.stock_movements GROUP BY sku) m USING (sku) "
        "WHERE s.on_hand <> coalesce(m.on_hand, 0) OR s.reserved <> coalesce(m.reserved, 0)",
        "SELECT sku FROM orderlog.stock_movements GROUP BY sku, version HAVING count(*) > 1",
        /* Once settled. */
        "SELECT sku FROM orderlog.stock s LEFT JOIN (SELECT sku, sum(quantity) AS units "
        "FROM orderlog.order_lines JOIN orderlog.orders USING (order_id) "
        "WHERE status = 'CONFIRMED' GROUP BY sku) l USING (sku) WHERE reserved <> coalesce(units, "
        "0)",
        "SELECT customer_id FROM orderlog.accounts WHERE held_minor <> 0",
        "SELECT order_id FROM orderlog.orders o WHERE total_minor <> (SELECT sum(amount_minor) "
        "FROM orderlog.order_lines l WHERE l.order_id = o.order_id)",
        "SELECT order_id FROM orderlog.orders WHERE settled_at IS NULL",
        "SELECT o.order_id FROM orderlog.orders o LEFT JOIN orderlog.payments p USING (order_id) "
        "WHERE o.status = 'CONFIRMED' AND o.total_minor > 0 "
        "AND (p.captured_version IS NULL OR p.amount_minor <> o.total_minor)",
        /* One outcome for each command. */
        "SELECT command_id FROM orderlog.commands GROUP BY context, aggregate_id, command_id "
        "HAVING count(*) > 1",
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
        pg_ok(ol_pg_select(own.db, "test/fault", faults[i], NULL, &rows, reterr));
        cr_expect_eq(rows.count, 0, "%s: %s", faults[i], ol_pg_string(&rows, 0, 0));
    }
    cr_expect_str_eq(pg_value(own.db, "SELECT sum(amount_minor) = (SELECT sum(total_minor) FROM "
                                      "orderlog.orders WHERE status = 'CONFIRMED') "
                                      "FROM analytics.sales_by_day"),
                     "t");
    cr_expect_str_eq(pg_value(own.db, "SELECT sum(amount_minor) = (SELECT sum(total_minor) FROM "
                                      "orderlog.orders WHERE status = 'CONFIRMED') "
                                      "FROM analytics.sales_by_product"),
                     "t");
    history_free(history);
}

/* ---- the fence ------------------------------------------------------------------------------- */

Test(writer, refuses_a_batch_that_was_written_already)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(3, 30);
    struct rng rng = rng_from(3);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    play_fill(&play, &rng, 60);
    uint64_t lost = 0;
    char before[1024], after[1024];
    pg_ok(writer_write(play.writer, &play.projection, &lost, reterr));
    digest(own.db, before);
    pg_fails(writer_write(play.writer, &play.projection, &lost, reterr), OL_CONFLICT,
             "somebody else");
    cr_assert_neq(lost, 0);
    cr_assert_not(ol_pg_in_transaction(play.db));
    digest(own.db, after);
    cr_assert_str_eq(before, after);
    history_free(history);
}

/* Both have read the same progress; one of them is late, as after a pause. */
Test(writer, lets_one_of_two_projectors_advance)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(4, 60);
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
    cr_assert_gt(compare_context(&own, history, CONTEXT_INVENTORY), 50);
    history_free(history);
}

Test(writer, names_only_the_partitions_that_are_lost)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(5, 60);
    struct rng rng = rng_from(5);
    uint64_t lost = 0;
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    pg_script(own.db, "UPDATE orderlog.projection_progress SET next_offset = 7 "
                      "WHERE topic = 'orderlog.orders.events.v1' AND partition = 1");
    play_fill(&play, &rng, 60);
    pg_fails(writer_write(play.writer, &play.projection, &lost, reterr), OL_CONFLICT,
             "1 partition");
    cr_assert_eq(lost, 1 << 1);
    cr_assert_str_eq(pg_value(own.db, "SELECT count(*) FROM orderlog.orders"), "0");
    history_free(history);
}

Test(writer, does_not_write_over_rows_of_a_later_program)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(6, 20);
    struct rng rng = rng_from(6);
    uint64_t lost = 0;
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    pg_script(own.db, "UPDATE orderlog.projection_progress SET projector_version = 99");
    play_fill(&play, &rng, 20);
    pg_fails(writer_write(play.writer, &play.projection, &lost, reterr), OL_CONFLICT, "");
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
    struct history *history = odd_history(8, 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forget_all(own.db);
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
    struct history *history = odd_history(9, 60);
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

/* ---- the second thread ----------------------------------------------------------------------- */

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
    struct history *history = odd_history(16, 150);
    struct rng rng = rng_from(16);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_PAYMENTS);
    int calls = 0, batches = 0;
    struct write_thread *thread = write_thread_start(play.writer, count_call, &calls);
    struct projection other, *written = &other;
    struct write_outcome outcome;
    projection_init(&other, CONTEXT_PAYMENTS);
    for (;; batches++) {
        play_fill(&play, &rng, 40); /* on progress that the thread may still be writing */
        if (write_thread_batch(thread)) {
            cr_assert_eq(write_thread_batch(thread), written);
            wait_for(thread, &outcome);
            cr_assert_eq(outcome.class, OL_OK, "%s", outcome.error.text);
        }
        cr_assert_not(write_thread_outcome(thread, 0, &outcome), "an outcome is told once");
        if (play.projection.event_count == 0)
            break;
        for (int32_t i = 0; i < history->settings.partitions; i++)
            play.progress[i] = play.projection.partitions[i].now;
        struct projection empty = *written;
        *written = play.projection;
        play.projection = empty;
        projection_clear(&play.projection);
        write_thread_submit(thread, written);
    }
    write_thread_stop(thread);
    cr_assert_eq(calls, batches);
    cr_assert_gt(batches, 5);
    cr_assert_gt(compare_context(&own, history, CONTEXT_PAYMENTS), 100);
    projection_release(&other);
    history_free(history);
}

Test(write_thread, tells_why_a_batch_failed_and_goes_on)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(17, 30);
    struct rng rng = rng_from(17);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    int calls = 0;
    struct write_thread *thread = write_thread_start(play.writer, count_call, &calls);
    struct write_outcome outcome;
    play_fill(&play, &rng, 30);
    for (int i = 0; i < 2; i++) {
        write_thread_submit(thread, &play.projection);
        wait_for(thread, &outcome);
        cr_assert_eq(outcome.class, i ? OL_CONFLICT : OL_OK, "%s", outcome.error.text);
        cr_assert_eq(outcome.lost != 0, i == 1);
    }
    write_thread_stop(thread);
    cr_assert_eq(calls, 2);
    history_free(history);
}

/* ---- loading --------------------------------------------------------------------------------- */

Test(load, finds_nothing_where_there_is_nothing)
{
    OWN_DATABASE(own, true);
    struct load *load = load_new(own.db, CONTEXT_PAYMENTS, topic_of(CONTEXT_PAYMENTS), 2);
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
    struct history *history = odd_history(11, 50);
    struct rng rng = rng_from(11);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    while (play_step(&play, &rng, 70))
        ;
    struct load *load = load_new(own.db, CONTEXT_ORDERS, topic_of(CONTEXT_ORDERS), 3);
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
    struct history *history = odd_history(12, 300);
    struct rng rng = rng_from(12);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    for (int i = 0; i < 6; i++)
        play_step(&play, &rng, 60);
    struct load *load = load_new(own.db, CONTEXT_ORDERS, topic_of(CONTEXT_ORDERS), 3);
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
    struct load *load = load_new(own.db, CONTEXT_ORDERS, topic_of(CONTEXT_ORDERS), 1);
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

Test(load, looks_keys_up_in_indexes_whatever_the_statistics_say)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(13, 200);
    struct rng rng = rng_from(13);
    play_all(&own, history, &rng, 1000);
    pg_script(own.db, "ANALYZE"); /* small tables: a scan would look cheaper */
    struct load *load = load_new(own.db, CONTEXT_INVENTORY, topic_of(CONTEXT_INVENTORY), 3);
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
    /* Statistics are sent when a backend goes idle for a moment, or ends. */
    char before[64];
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

/* ---- queries --------------------------------------------------------------------------------- */

static int rows_of(struct ol_pg *db, enum query query, const char *id)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(query_rows(db, query, id, &rows, reterr));
    return rows.count;
}

Test(query, tells_about_one_order)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(14, 200);
    struct rng rng = rng_from(14);
    play_all(&own, history, &rng, 1000);
    char id[64], command[64];
    snprintf(id, sizeof id, "%s",
             pg_value(own.db, "SELECT order_id FROM orderlog.orders WHERE status = 'CONFIRMED' "
                              "AND total_minor > 0 ORDER BY 1"));
    snprintf(command, sizeof command, "basket/%s", id);
    cr_assert_eq(rows_of(own.db, QUERY_ORDER, id), 1);
    cr_assert_gt(rows_of(own.db, QUERY_ORDER_LINES, id), 0);
    cr_assert_gt(rows_of(own.db, QUERY_ORDER_GROUPS, id), 0);
    cr_assert_eq(rows_of(own.db, QUERY_ORDER_PAYMENT, id), 1);
    cr_assert_gt(rows_of(own.db, QUERY_ORDER_COMMANDS, id), 0);
    cr_assert_geq(rows_of(own.db, QUERY_ORDER_HISTORY, id), 5);
    cr_assert_eq(rows_of(own.db, QUERY_COMMAND, command), 1);
    cr_assert_eq(rows_of(own.db, QUERY_COMMAND_OF_ORDER, id), 1);
    for (enum query query = 0; query < QUERY_COUNT; query++)
        cr_assert_eq(rows_of(own.db, query, "no such id"), 0);
    history_free(history);
}

Test(query, lists_open_sagas_with_their_states)
{
    OWN_DATABASE(own, true);
    struct history *history = odd_history(15, 300);
    struct rng rng = rng_from(15);
    OL_AUTO(play) struct play play;
    play_init(&play, &own, history, CONTEXT_ORDERS);
    for (int i = 0; i < 6; i++)
        play_step(&play, &rng, 60);
    struct query_saga *sagas, saga;
    struct ol_arena arena;
    size_t count;
    ol_arena_init(&arena, 4096, 0);
    pg_ok(query_sagas(own.db, false, 1000, &arena, &sagas, &count, reterr));
    cr_assert_gt(count, 1);
    for (size_t i = 0; i < count; i++) {
        char waits[128];
        cr_assert_gt(checkout_waits_for(&sagas[i].order, waits, sizeof waits), 0);
        cr_assert(i == 0 || sagas[i].recorded_us >= sagas[i - 1].recorded_us);
        pg_ok(query_saga(own.db, sagas[i].order_id.data, &arena, &saga, reterr));
        same_order(&saga.order, &sagas[i].order);
    }
    pg_ok(query_sagas(own.db, false, 1, &arena, &sagas, &count, reterr));
    cr_assert_eq(count, 1);
    pg_script(own.db, "UPDATE orderlog.orders SET saga_state = 'stuck' WHERE order_id = "
                      "(SELECT min(order_id) FROM orderlog.orders)");
    pg_ok(query_sagas(own.db, true, 1000, &arena, &sagas, &count, reterr));
    cr_assert_eq(count, 1);
    pg_fails(query_saga(own.db, "no such id", &arena, &saga, reterr), OL_NOT_FOUND, "no such id");
    ol_arena_release(&arena);
    history_free(history);
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* Each table's rows are found through an index and a condition on it. */
static void all_lookups(struct ol_pg *db, const char *explain)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    int tables = 0, lookups = 0;
    pg_ok(ol_pg_select(db, "test/explain", explain, NULL, &rows, reterr));
    for (int row = 0; row < rows.count; row++) {
        const char *line = ol_pg_string(&rows, row, 0);
        tables +=
            strstr(line, " on ") && !strstr(line, "Function Scan") && !strstr(line, "Subquery");
        lookups += strstr(line, "Index Cond") != NULL;
        cr_expect_null(strstr(line, "Join Filter"), "%s", line);
    }
    cr_expect_gt(lookups, 0);
    cr_expect_eq(tables, lookups);
}

/* A plan is kept from when it was made, and then the tables may have been empty. */
Test(projection, looks_keys_up_even_by_a_plan_made_for_empty_tables)
{
    OWN_DATABASE(own, true);
    pg_script(own.db, "BEGIN");
    pg_script(own.db, load_settings.sql);
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        for (int query = 0; query < LOAD_QUERY_COUNT; query++) {
            const char *sql = load_statements[context][query].sql;
            char text[2048];
            if (!sql)
                continue;
            snprintf(text, sizeof text, "PREPARE plan AS %s", sql);
            pg_script(own.db, text);
            all_lookups(own.db, strstr(sql, "$2") ? "EXPLAIN EXECUTE plan (NULL, NULL)"
                                                  : "EXPLAIN EXECUTE plan (NULL)");
            pg_script(own.db, "DEALLOCATE plan");
        }
    }
    pg_script(own.db, "ROLLBACK");
}
