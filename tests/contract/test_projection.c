/*
 * tests/contract/test_projection.c - rows are what the workers' events add up to, for any split
 * into batches, and the views conserve money and stock.
 */
#include "test_projection_play.h"

Test(batch, adds_up_to_what_the_workers_decided)
{
    OWN_DATABASE(own, true);
    uint64_t seed = rng_seed("projection");
    struct rng rng = rng_from(seed);
    struct history *history = play_history(seed, 1500);
    play_all(&own, history, &rng, 300);
    for (enum context context = 0; context < CONTEXT_COUNT; context++)
        cr_assert_gt(play_compare(&own, history, context), 500);

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
        "SELECT count(*) FROM orderlog.payments WHERE status = 'CHARGED' AND refunded_minor > 0",
        "SELECT count(*) FROM orderlog.payments WHERE reversed_version IS NOT NULL",
        "SELECT count(*) FROM orderlog.orders WHERE payment_row = 1",
        "SELECT count(*) FROM orderlog.orders WHERE payment_row = 2",
        "SELECT count(*) FROM orderlog.commands WHERE duplicates > 0",
        "SELECT count(*) FROM orderlog.commands WHERE conflicts > 0",
        "SELECT count(*) FROM orderlog.commands WHERE outcome = 'REJECTED'",
        "SELECT count(*) FROM orderlog.products WHERE NOT listed",
    };
    for (size_t i = 0; i < sizeof met / sizeof *met; i++)
        cr_expect_str_neq(pg_value(own.db, met[i]), "0", "%s", met[i]);
    history_free(history);
}

Test(batch, gives_the_same_rows_for_any_split_into_batches)
{
    OWN_DATABASE(own, true);
    static const size_t batches[] = {1000000, 2000, 97, 11};
    char first[1024], other[1024];
    uint64_t seed = rng_seed("projection_split");
    struct rng rng = rng_from(seed);
    struct history *history = play_history(seed, 250);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        play_forget(own.db);
        play_all(&own, history, &rng, batches[i]);
        play_digest(own.db, i ? other : first);
        if (i)
            cr_assert_str_eq(other, first, "batches of %zu:\n%s%s", batches[i], first, other);
    }
    history_free(history);
}

Test(batch, conserves_money_and_stock)
{
    OWN_DATABASE(own, true);
    uint64_t seed = rng_seed("projection_views");
    struct rng rng = rng_from(seed);
    struct history *history = play_history(seed, 400);
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
        "AND (coalesce(p.captured_version, p.charged_version) IS NULL "
        "OR p.reversed_at IS NOT NULL OR p.amount_minor <> o.total_minor)",
        "SELECT payment_id FROM orderlog.payments p JOIN orderlog.orders o USING (order_id) "
        "WHERE o.status <> 'CONFIRMED' AND p.charged_version IS NOT NULL AND p.reversed_at IS NULL",
        "SELECT customer_id FROM orderlog.accounts a WHERE spent_minor <> (SELECT "
        "coalesce(sum(credit_minor - debit_minor), 0) FROM orderlog.ledger_entries l "
        "WHERE l.customer_id = a.customer_id AND account = 'revenue')",
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
