#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_hash.h"
#include "verify/verify_internal.h"

static const struct text no_text;

static struct text text_at(const struct ol_pg_rows *rows, int row, int column)
{
    struct ol_pg_text text = ol_pg_text(rows, row, column);
    return (struct text){text.data, (uint32_t)text.bytes};
}

static bool is(const struct ol_pg_rows *rows, int row, int column, const char *name)
{
    return text_equal(text_at(rows, row, column), text_of(name));
}

/* Rows may say anything: sums wrap instead of trapping, and then differ. */
static void add(int64_t *sum, int64_t value)
{
    *sum = (int64_t)((uint64_t)*sum + (uint64_t)value);
}

static int64_t negative(int64_t value)
{
    return (int64_t) - (uint64_t)value;
}

/* ---- orders ---- */

static void total_add(struct verify_total *total, struct text id, struct text customer,
                      struct text currency, int64_t amount_minor)
{
    uint64_t digest =
        ol_hash(id.data, id.bytes) * 0x9e3779b97f4a7c15u ^ ol_hash(customer.data, customer.bytes);
    digest = digest * 0x9e3779b97f4a7c15u ^ ol_hash(currency.data, currency.bytes);
    total->digest += (digest ^ digest >> 29) * ((uint64_t)amount_minor * 2 + 1);
    total->amount_minor += (uint64_t)amount_minor;
    total->count++;
}

/* Walks two arrays of a row: SKUs and their units. */
typedef void line_function(struct verify *verify, struct text sku, int64_t quantity);

static void each_line(struct verify *verify, const struct ol_pg_rows *rows, int row, int skus_at,
                      int quantities_at, line_function *function)
{
    struct ol_pg_elements skus = ol_pg_elements(rows, row, skus_at);
    struct ol_pg_elements quantities = ol_pg_elements(rows, row, quantities_at);
    struct ol_pg_text sku;
    int64_t quantity;
    while (ol_pg_next_text(&skus, &sku) && ol_pg_next_int64(&quantities, &quantity))
        if (sku.bytes)
            function(verify, (struct text){sku.data, (uint32_t)sku.bytes}, quantity);
}

static void demand(struct verify *verify, struct text sku, int64_t quantity)
{
    struct fold_entity *entity = fold_get(&verify->demands, ENTITY_PRODUCT, 0, sku, no_text);
    if (entity)
        add(&((struct fold_product *)fold_state(entity))->held, quantity);
}

static void sum_order(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    int64_t total_minor = ol_pg_int64(rows, row, orders_total_minor_at);
    if (verify_left_as(verify, text_at(rows, row, orders_order_id_at)) == ORDER_IS_CONFIRMED)
        return; /* never captured */
    if (is(rows, row, orders_status_at, "CONFIRMED") && total_minor > 0)
        total_add(&verify->confirmed, text_at(rows, row, orders_order_id_at),
                  text_at(rows, row, orders_customer_id_at), text_at(rows, row, orders_currency_at),
                  total_minor);
}

static void sum_basket(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    const struct fold_entity *entity = fold_find(
        &verify->fold, ENTITY_ORDER, text_at(rows, row, order_baskets_order_id_at), no_text);
    if (entity && ((const struct order *)entity->state)->status == ORDER_IS_CONFIRMED)
        each_line(verify, rows, row, order_baskets_skus_at, order_baskets_quantities_at, demand);
}

/* ---- stock ---- */

static struct fold_product *product_of(struct verify *verify, struct text sku)
{
    struct fold_entity *entity = fold_find(&verify->fold, ENTITY_PRODUCT, sku, no_text);
    return entity ? fold_state(entity) : NULL;
}

static void hold(struct verify *verify, struct text sku, int64_t quantity)
{
    struct fold_product *product = product_of(verify, sku);
    if (product)
        add(&product->held, quantity);
}

static void sum_product_command(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    struct fold_product *product = product_of(verify, text_at(rows, row, product_commands_sku_at));
    int64_t quantity = ol_pg_int64(rows, row, product_commands_quantity_at);
    if (product && is(rows, row, product_commands_kind_at, "INCREASE"))
        add(&product->moved, quantity);
    else if (product && is(rows, row, product_commands_kind_at, "DECREASE"))
        add(&product->moved, negative(quantity));
}

static void sum_reservation(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    if (!is(rows, row, reservations_status_at, "HELD"))
        return;
    each_line(verify, rows, row, reservations_skus_at, reservations_quantities_at, hold);
    enum order_status left = verify_left_as(verify, text_at(rows, row, reservations_order_id_at));
    if (left && left != ORDER_IS_CONFIRMED) /* never released */
        each_line(verify, rows, row, reservations_skus_at, reservations_quantities_at, demand);
}

/* ---- money ---- */

static struct fold_account *account_of(struct verify *verify, struct text customer)
{
    struct fold_entity *entity = fold_find(&verify->fold, ENTITY_ACCOUNT, customer, no_text);
    return entity ? fold_state(entity) : NULL;
}

static void sum_account_command(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    struct fold_account *account =
        account_of(verify, text_at(rows, row, account_commands_customer_id_at));
    int64_t amount_minor = ol_pg_int64(rows, row, account_commands_amount_minor_at);
    if (!account || ol_pg_is_null(rows, row, account_commands_kind_at))
        return;
    if (is(rows, row, account_commands_kind_at, "WITHDRAW"))
        amount_minor = negative(amount_minor);
    add(&account->balance_moved, amount_minor); /* DEPOSIT, WITHDRAW, REFUND */
    if (is(rows, row, account_commands_kind_at, "REFUND"))
        add(&account->spent_moved, negative(amount_minor));
}

static void move(int64_t *from, int64_t *to, int64_t amount_minor)
{
    add(from, negative(amount_minor));
    add(to, amount_minor);
}

/* wallet -> held -> revenue, or back */
static void sum_hold(struct verify *verify, const struct ol_pg_rows *rows, int row,
                     struct fold_account *account)
{
    int64_t amount_minor = ol_pg_int64(rows, row, payments_amount_minor_at);
    bool captured = !ol_pg_is_null(rows, row, payments_captured_version_at);
    bool voided = !ol_pg_is_null(rows, row, payments_voided_version_at);
    if (voided || ol_pg_is_null(rows, row, payments_authorised_version_at))
        return;
    move(&account->balance_moved, captured ? &account->spent_moved : &account->held_moved,
         amount_minor);
    if (!captured && verify_left_as(verify, text_at(rows, row, payments_payment_id_at)))
        add(&account->left_held, amount_minor);
}

/* wallet -> revenue, and back what was not refunded */
static void sum_charge(const struct ol_pg_rows *rows, int row, struct fold_account *account)
{
    int64_t amount_minor = ol_pg_int64(rows, row, payments_amount_minor_at);
    if (!ol_pg_is_null(rows, row, payments_charged_version_at))
        move(&account->balance_moved, &account->spent_moved, amount_minor);
    add(&amount_minor, negative(ol_pg_int64(rows, row, payments_refunded_minor_at)));
    if (!ol_pg_is_null(rows, row, payments_reversed_version_at))
        move(&account->spent_moved, &account->balance_moved, amount_minor);
}

static void sum_payment(struct verify *verify, const struct ol_pg_rows *rows, int row)
{
    struct text customer = text_at(rows, row, payments_customer_id_at);
    struct fold_account *account = account_of(verify, customer);
    bool captured = !ol_pg_is_null(rows, row, payments_captured_version_at);
    bool charged = !ol_pg_is_null(rows, row, payments_charged_version_at) &&
                   ol_pg_is_null(rows, row, payments_reversed_at_at);
    if (captured || charged)
        total_add(&verify->paid, text_at(rows, row, payments_payment_id_at), customer,
                  account ? (struct text){account->account.currency.code, 3} : no_text,
                  ol_pg_int64(rows, row, payments_amount_minor_at));
    if (!account)
        return;
    sum_hold(verify, rows, row, account);
    sum_charge(rows, row, account);
}

void verify_sum_row(struct verify *verify, enum table table, const struct ol_pg_rows *rows, int row)
{
    switch (table) {
    case TABLE_orders: sum_order(verify, rows, row); return;
    case TABLE_order_baskets: sum_basket(verify, rows, row); return;
    case TABLE_product_commands: sum_product_command(verify, rows, row); return;
    case TABLE_reservations: sum_reservation(verify, rows, row); return;
    case TABLE_account_commands: sum_account_command(verify, rows, row); return;
    case TABLE_payments: sum_payment(verify, rows, row); return;
    default: return;
    }
}

/* ---- conservation ---- */

static void conserve_product(struct verify *verify, struct fold_entity *entity)
{
    const struct fold_product *state = fold_state(entity);
    const struct product *product = &state->product;
    struct text sku = fold_id(entity);
    char where[200];
    snprintf(where, sizeof where, "stock/%.*s", (int)sku.bytes, sku.data);
    findings_look(&verify->findings, CHECK_STOCK);
    if (product->on_hand != state->moved)
        findings_add(&verify->findings, CHECK_STOCK, where,
                     "on hand is %" PRId64 ", increased - decreased %" PRId64, product->on_hand,
                     state->moved);
    if (product->reserved != state->held)
        findings_add(&verify->findings, CHECK_STOCK, where,
                     "reserved is %" PRId64 ", held reservations have %" PRId64, product->reserved,
                     state->held);
    if (product->reserved < 0 || product->reserved > product->on_hand)
        findings_add(&verify->findings, CHECK_STOCK, where,
                     "reserved is %" PRId64 " of %" PRId64 " on hand", product->reserved,
                     product->on_hand);
}

/* Confirmed orders keep what they have reserved; nobody else has any once all is settled. */
static void check_reserved(struct verify *verify, struct fold_entity *entity)
{
    const struct fold_product *state = fold_state(entity);
    struct text sku = fold_id(entity);
    struct fold_entity *demand = fold_find(&verify->demands, ENTITY_PRODUCT, sku, no_text);
    int64_t demanded = demand ? ((struct fold_product *)fold_state(demand))->held : 0;
    char where[200];
    snprintf(where, sizeof where, "stock/%.*s", (int)sku.bytes, sku.data);
    findings_look(&verify->findings, CHECK_RESERVED);
    if (demand)
        demand->met = 1;
    if (demanded != state->product.reserved)
        findings_add(&verify->findings, CHECK_RESERVED, where,
                     "reserved is %" PRId64 ", confirmed orders have %" PRId64,
                     state->product.reserved, demanded);
}

/* external = -(paid in - paid out), so external + wallet + held + revenue = 0 for one wallet says
 * that balance, held and spent follow from what moved. */
static void conserve_account(struct verify *verify, struct fold_entity *entity)
{
    const struct fold_account *state = fold_state(entity);
    const struct account *account = &state->account;
    struct text customer = fold_id(entity);
    char where[200];
    snprintf(where, sizeof where, "accounts/%.*s", (int)customer.bytes, customer.data);
    findings_look(&verify->findings, CHECK_MONEY);
    if (account->balance_minor != state->balance_moved)
        findings_add(&verify->findings, CHECK_MONEY, where,
                     "balance is %" PRId64 ", what moved adds up to %" PRId64,
                     account->balance_minor, state->balance_moved);
    if (account->held_minor != state->held_moved)
        findings_add(&verify->findings, CHECK_MONEY, where,
                     "held is %" PRId64 ", open payments have %" PRId64, account->held_minor,
                     state->held_moved);
    if (account->spent_minor != state->spent_moved)
        findings_add(&verify->findings, CHECK_MONEY, where,
                     "spent is %" PRId64 ", what was paid less what came back adds up to %" PRId64,
                     account->spent_minor, state->spent_moved);
    if (account->balance_minor < 0 || account->held_minor < 0 || account->spent_minor < 0)
        findings_add(&verify->findings, CHECK_MONEY, where,
                     "balance %" PRId64 ", held %" PRId64 ", spent %" PRId64 ": below 0",
                     account->balance_minor, account->held_minor, account->spent_minor);
    if (!verify->settled)
        return;
    findings_look(&verify->findings, CHECK_HELD);
    if (account->held_minor != state->left_held)
        findings_add(&verify->findings, CHECK_HELD, where, "%" PRId64 " are held",
                     account->held_minor - state->left_held);
}

static void conserve(struct verify *verify)
{
    struct fold_entity *entity;
    for (size_t cursor = 0; (entity = fold_each(&verify->fold, &cursor));) {
        if (entity->broken)
            continue;
        if (entity->kind == ENTITY_PRODUCT)
            conserve_product(verify, entity);
        if (entity->kind == ENTITY_PRODUCT && verify->settled)
            check_reserved(verify, entity);
        if (entity->kind == ENTITY_ACCOUNT)
            conserve_account(verify, entity);
    }
}

static void find_unmet_demands(struct verify *verify)
{
    struct fold_entity *entity;
    for (size_t cursor = 0; (entity = fold_each(&verify->demands, &cursor));) {
        struct text sku = fold_id(entity);
        if (!entity->met)
            findings_add(&verify->findings, CHECK_RESERVED, "stock",
                         "confirmed orders have %.*s, of "
                         "which there is no stock",
                         (int)sku.bytes, sku.data);
    }
}

/* ---- the views ---- */

#define MODULO "18446744073709551616" /* 2^64: sums of many wallets need not fit */

static const char ledger_sql[] =
    "SELECT account || '/' || coalesce(currency, ''), mod(sum(debit_minor), " MODULO "), "
    "mod(sum(credit_minor), " MODULO "), currency "
    "FROM orderlog.ledger_entries GROUP BY account, currency";

static const char movements_sql[] = "SELECT kind, count(*), mod(sum(quantity), " MODULO
                                    ") FROM orderlog.stock_movements GROUP BY kind";

/* A view's two numbers for one name, and those of the log. */
static void compare_sums(struct verify *verify, const char *view, const char *name,
                         const uint64_t row[2], const uint64_t log[2])
{
    char where[100];
    snprintf(where, sizeof where, "%s/%s", view, name);
    findings_look(&verify->findings, CHECK_VIEWS);
    if (row[0] != log[0] || row[1] != log[1])
        findings_add(&verify->findings, CHECK_VIEWS, where,
                     "sums are %" PRIu64 " and %" PRIu64 ", the log says %" PRIu64 " and %" PRIu64,
                     row[0], row[1], log[0], log[1]);
}

/* The two numbers of the row that begins with `name`; 0 and 0 where there is none. */
static void find_sums(const struct ol_pg_rows *rows, const char *name, uint64_t ret_sums[2])
{
    ret_sums[0] = ret_sums[1] = 0;
    for (int row = 0; row < rows->count; row++)
        for (int i = 0; i < 2 && strcmp(ol_pg_string(rows, row, 0), name) == 0; i++)
            ret_sums[i] = strtoull(ol_pg_string(rows, row, i + 1), NULL, 10);
}

/* One currency's accounts, whose legs sum to zero. */
static void compare_currency(struct verify *verify, const struct ol_pg_rows *rows,
                             const struct fold_ledger *ledger)
{
    uint64_t debits = 0, credits = 0;
    for (int account = LEDGER_EXTERNAL; account < LEDGER_ACCOUNT_COUNT; account++) {
        char name[32];
        uint64_t sums[2];
        const uint64_t log[2] = {ledger->debit[account], ledger->credit[account]};
        snprintf(name, sizeof name, "%s/%s", ledger_account_name((enum ledger_account)account),
                 ledger->currency.code);
        find_sums(rows, name, sums);
        compare_sums(verify, "ledger_entries", name, sums, log);
        debits += sums[0];
        credits += sums[1];
    }
    if (debits != credits)
        findings_add(&verify->findings, CHECK_MONEY, "ledger_entries",
                     "the legs in %s do not sum to zero: %" PRIu64 " leave, %" PRIu64 " enter",
                     ledger->currency.code, debits, credits);
}

/* Currencies of the rows, also those that the log does not have. */
static enum ol_class compare_ledger(struct verify *verify, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class =
        ol_pg_select(verify->session->db, "verify/ledger", ledger_sql, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++)
        if (!fold_ledger(&verify->fold, currency_of(text_of(ol_pg_string(&rows, row, 3)))))
            class = ol_fail(reterr, OL_FATAL, "no memory to fold");
    for (size_t i = 0; i < verify->fold.ledger_count && !class; i++)
        compare_currency(verify, &rows, &verify->fold.ledgers[i]);
    return class;
}

static enum ol_class compare_movements(struct verify *verify, struct ol_error *reterr)
{
    static const struct {
        enum inventory_event_kind kind;
        const char *name;
    } kinds[] = {{STOCK_INCREASED, "INCREASE"},
                 {STOCK_DECREASED, "DECREASE"},
                 {STOCK_RESERVED, "RESERVE"},
                 {STOCK_RELEASED, "RELEASE"}};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class =
        ol_pg_select(verify->session->db, "verify/movements", movements_sql, NULL, &rows, reterr);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !class; i++) {
        uint64_t sums[2];
        const uint64_t log[2] = {verify->fold.movements[kinds[i].kind],
                                 verify->fold.moved_units[kinds[i].kind]};
        find_sums(&rows, kinds[i].name, sums);
        compare_sums(verify, "stock_movements", kinds[i].name, sums, log);
    }
    return class;
}

/* ---- paid = confirmed ---- */

/* Only asked when the sums differ: which orders and payments it is. */
static const char paid_sql[] =
    "SELECT coalesce(o.order_id, p.payment_id), "
    "concat_ws(' ', coalesce(o.total_minor, 0), o.currency), "
    "concat_ws(' ', coalesce(p.amount_minor, 0), p.currency) "
    "FROM (SELECT order_id, customer_id, currency, total_minor FROM orderlog.orders "
    "WHERE status = 'CONFIRMED' AND total_minor > 0) o "
    "FULL JOIN (SELECT payment_id, customer_id, currency, amount_minor FROM orderlog.payments "
    "LEFT JOIN orderlog.accounts USING (customer_id) "
    "WHERE captured_version IS NOT NULL "
    "OR (charged_version IS NOT NULL AND reversed_at IS NULL)) p "
    "ON p.payment_id = o.order_id AND p.customer_id = o.customer_id "
    "WHERE o.total_minor IS DISTINCT FROM p.amount_minor "
    "OR o.currency IS DISTINCT FROM p.currency LIMIT 1000";

static enum ol_class compare_paid(struct verify *verify, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    const struct verify_total *confirmed = &verify->confirmed, *paid = &verify->paid;
    verify->findings.checks[CHECK_CAPTURED].looked_at = confirmed->count;
    if (confirmed->digest == paid->digest && confirmed->count == paid->count &&
        confirmed->amount_minor == paid->amount_minor)
        return OL_OK;
    enum ol_class class =
        ol_pg_select(verify->session->db, "verify/paid", paid_sql, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        char where[200];
        snprintf(where, sizeof where, "orders/%s", ol_pg_string(&rows, row, 0));
        if (verify_left_as(verify, text_of(ol_pg_string(&rows, row, 0))) == ORDER_IS_CONFIRMED)
            continue;
        findings_add(&verify->findings, CHECK_CAPTURED, where, "confirmed for %s, paid %s",
                     ol_pg_string(&rows, row, 1), ol_pg_string(&rows, row, 2));
    }
    if (!class && rows.count == 0)
        findings_add(&verify->findings, CHECK_CAPTURED, "payments",
                     "the payments that were taken are not those of the confirmed orders");
    return class;
}

enum ol_class verify_sums(struct verify *verify, enum context context, struct ol_error *reterr)
{
    if (verify->fold.failed || verify->demands.failed)
        return ol_fail(reterr, OL_FATAL, "no memory to fold");
    conserve(verify);
    enum ol_class class = OL_OK;
    if (context == CONTEXT_INVENTORY && verify->settled)
        find_unmet_demands(verify);
    if (context == CONTEXT_INVENTORY)
        class = compare_movements(verify, reterr);
    if (context == CONTEXT_PAYMENTS)
        class = compare_ledger(verify, reterr);
    if (context == CONTEXT_PAYMENTS && !class && verify->settled)
        class = compare_paid(verify, reterr);
    return class;
}
