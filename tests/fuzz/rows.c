#include "tests/fuzz/rows.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static const struct text no_text;

void rows_clear(struct rows *rows)
{
    if (!rows->arena.block_bytes)
        ol_arena_init(&rows->arena, 1 << 15, 0);
    ol_arena_clear(&rows->arena);
    rowset_clear(&rows->aggregates);
    rowset_clear(&rows->claims);
    rowset_clear(&rows->commands);
}

/* A copy of `row` under its own key, which must be new. */
static void insert(struct rows *rows, struct rowset *set, const struct keyed_row *row,
                   size_t row_bytes)
{
    fuzz_check(!rowset_find(set, row->id, row->second));
    struct keyed_row *added = rowset_add(set, &rows->arena, row_bytes, row->id, row->second);
    fuzz_check(added);
    memcpy(added + 1, row + 1, row_bytes - sizeof *row);
}

static struct keyed_row *find(const struct rowset *set, const struct keyed_row *row)
{
    return rowset_find(set, row->id, row->second);
}

/* ---- orders ---- */

static void merge_order(struct rows *rows, const struct order_change *change)
{
    struct order_change *order = (struct order_change *)find(&rows->aggregates, &change->row);
    if (change->row.mode == ROW_INSERT) {
        insert(rows, &rows->aggregates, &change->row, sizeof *change);
        order = (struct order_change *)find(&rows->aggregates, &change->row);
        return;
    }
    fuzz_check(order && order->version == change->version_before);
    order->version = change->version;
    order->event_offset = change->event_offset;
    order->status = change->status;
    order->saga_state = change->saga_state;
    order->payment = change->payment;
    order->groups_reserved |= change->groups_reserved;
    order->groups_refused |= change->groups_refused;
    order->groups_released |= change->groups_released;
    if (change->reason)
        order->reason = change->reason;
    if (change->reason_sku.bytes)
        order->reason_sku = change->reason_sku;
    if (change->deadline_us != TIME_NONE)
        order->deadline_us = change->deadline_us;
    if (change->settled_us != TIME_NONE)
        order->settled_us = change->settled_us;
}

/* ---- inventory ---- */

static void merge_product(struct rows *rows, const struct product_change *change)
{
    struct product_change *product = (struct product_change *)find(&rows->aggregates, &change->row);
    if (change->row.mode == ROW_INSERT) {
        insert(rows, &rows->aggregates, &change->row, sizeof *change);
        return;
    }
    fuzz_check(product && product->version == change->version_before);
    product->version = change->version;
    product->event_offset = change->event_offset;
    product->on_hand += change->on_hand;
    product->reserved += change->reserved;
    if (change->listing_changed)
        product->listed = change->listed;
    if (change->details_changed) {
        product->details = change->details;
        product->details_hash = change->details_hash;
    }
}

static void merge_reservation(struct rows *rows, const struct reservation_change *change)
{
    struct reservation_change *held =
        (struct reservation_change *)find(&rows->claims, &change->row);
    if (change->row.mode == ROW_INSERT || (change->row.mode == ROW_UPSERT && !held)) {
        insert(rows, &rows->claims, &change->row, sizeof *change);
        return;
    }
    fuzz_check(held);
    held->event_offset = change->event_offset;
    held->status = change->status;
    if (change->released_us != TIME_NONE)
        held->released_us = change->released_us;
    if (change->reason)
        held->reason = change->reason;
    if (change->reason_sku.bytes)
        held->reason_sku = change->reason_sku;
    if (change->row.mode == ROW_UPDATE && change->released.lines)
        held->released = change->released;
}

/* ---- payments ---- */

static void merge_account(struct rows *rows, const struct account_change *change)
{
    struct account_change *account = (struct account_change *)find(&rows->aggregates, &change->row);
    if (change->row.mode == ROW_INSERT) {
        insert(rows, &rows->aggregates, &change->row, sizeof *change);
        return;
    }
    fuzz_check(account && account->version == change->version_before);
    account->version = change->version;
    account->event_offset = change->event_offset;
    account->balance_minor += change->balance_minor;
    account->held_minor += change->held_minor;
    account->spent_minor += change->spent_minor;
}

static void update_payment(struct payment_change *payment, const struct payment_change *change)
{
    int64_t refunded_minor = payment->refunded_minor + change->refunded_minor;
    if (change->refunded_minor > 0 && refunded_minor == payment->amount_minor &&
        change->status != PAYMENT_IS_REVERSED)
        payment->status = PAYMENT_IS_REFUNDED;
    else if (change->status)
        payment->status = change->status;
    payment->refunded_minor = refunded_minor;
    if (change->captured_version)
        payment->captured_version = change->captured_version;
    if (change->captured_us != TIME_NONE)
        payment->captured_us = change->captured_us;
    if (change->voided_version)
        payment->voided_version = change->voided_version;
    if (change->reversed_version)
        payment->reversed_version = change->reversed_version;
}

static void merge_payment(struct rows *rows, const struct payment_change *change)
{
    struct payment_change *payment = (struct payment_change *)find(&rows->claims, &change->row);
    if (change->row.mode == ROW_INSERT || (change->row.mode == ROW_UPSERT && !payment)) {
        insert(rows, &rows->claims, &change->row, sizeof *change);
        payment = (struct payment_change *)find(&rows->claims, &change->row);
        if (change->row.mode == ROW_INSERT && change->refunded_minor > 0 &&
            change->refunded_minor == change->amount_minor && change->status != PAYMENT_IS_REVERSED)
            payment->status = PAYMENT_IS_REFUNDED;
        return;
    }
    fuzz_check(payment);
    if (change->row.mode == ROW_UPDATE)
        update_payment(payment, change);
    else
        payment->status = change->status;
    if (change->amount_minor >= 0)
        payment->amount_minor = change->amount_minor;
    if (change->voided_us != TIME_NONE)
        payment->voided_us = change->voided_us;
    if (change->reversed_us != TIME_NONE)
        payment->reversed_us = change->reversed_us;
    if (change->reason)
        payment->reason = change->reason;
    payment->event_offset = change->event_offset;
}

/* ---- commands ---- */

static struct row_origin *origin_of(struct keyed_row *aggregate, enum context context)
{
    if (context == CONTEXT_ORDERS)
        return &((struct order_change *)aggregate)->origin;
    if (context == CONTEXT_INVENTORY)
        return &((struct product_change *)aggregate)->origin;
    return &((struct account_change *)aggregate)->origin;
}

/* The command's own row, else the one of the aggregate that it made. */
static void merge_count(struct rows *rows, const struct command_count *count, enum context context)
{
    struct command_change *command = (struct command_change *)find(&rows->commands, &count->row);
    struct keyed_row *aggregate = rowset_find(&rows->aggregates, count->row.id, no_text);
    fuzz_check(command || aggregate);
    struct row_origin *origin = command ? &command->origin : origin_of(aggregate, context);
    fuzz_check(text_equal(origin->command_id, count->row.second));
    origin->duplicates += count->duplicates;
    origin->conflicts += count->conflicts;
}

void rows_merge(struct rows *rows, const struct row_batch *batch)
{
    enum context context = batch->context;
    for (size_t i = 0; i < batch->aggregates.count; i++) {
        const struct keyed_row *row = batch->aggregates.rows[i];
        if (context == CONTEXT_ORDERS)
            merge_order(rows, (const struct order_change *)row);
        else if (context == CONTEXT_INVENTORY)
            merge_product(rows, (const struct product_change *)row);
        else
            merge_account(rows, (const struct account_change *)row);
    }
    for (size_t i = 0; i < batch->claims.count; i++) {
        if (context == CONTEXT_INVENTORY)
            merge_reservation(rows, (const struct reservation_change *)batch->claims.rows[i]);
        else
            merge_payment(rows, (const struct payment_change *)batch->claims.rows[i]);
    }
    for (size_t i = 0; i < batch->commands.count; i++)
        insert(rows, &rows->commands, batch->commands.rows[i], sizeof(struct command_change));
    for (size_t i = 0; i < batch->counts.count; i++)
        merge_count(rows, (const struct command_count *)batch->counts.rows[i], context);
}

/* ---- comparing ---- */

#define SAME(member)      fuzz_check(a->member == b->member)
#define SAME_TEXT(member) fuzz_check(text_equal(a->member, b->member))

static void compare_origins(const struct row_origin *a, const struct row_origin *b)
{
    SAME(digest);
    SAME(duplicates);
    SAME(conflicts);
    SAME(recorded_us);
    SAME_TEXT(command_id);
}

static void compare_orders(const struct order_change *a, const struct order_change *b)
{
    SAME(partition);
    SAME(version);
    SAME(event_offset);
    SAME(status);
    SAME(saga_state);
    SAME(payment);
    SAME(groups_asked);
    SAME(groups_reserved);
    SAME(groups_refused);
    SAME(groups_released);
    SAME(reason);
    SAME_TEXT(reason_sku);
    SAME(deadline_us);
    SAME(settled_us);
    SAME_TEXT(customer_id);
    SAME(total_minor);
    SAME(placed_us);
    SAME(basket.count);
    compare_origins(&a->origin, &b->origin);
}

static void compare_products(const struct product_change *a, const struct product_change *b)
{
    SAME(partition);
    SAME(version);
    SAME(event_offset);
    SAME(on_hand);
    SAME(reserved);
    SAME(listed);
    SAME(details_hash);
    SAME(details.price_minor);
    SAME_TEXT(details.name);
    SAME_TEXT(details.currency);
    compare_origins(&a->origin, &b->origin);
}

static void compare_reservations(const struct reservation_change *a,
                                 const struct reservation_change *b)
{
    SAME(partition);
    SAME(event_offset);
    SAME(recorded_us);
    SAME(released_us);
    SAME(status);
    SAME(reason);
    SAME_TEXT(reason_sku);
    SAME(held.count);
    SAME(released.count);
    for (size_t i = 0; i < a->released.count; i++)
        SAME(released.lines[i].version);
}

static void compare_accounts(const struct account_change *a, const struct account_change *b)
{
    SAME(partition);
    SAME(version);
    SAME(event_offset);
    SAME(balance_minor);
    SAME(held_minor);
    SAME(spent_minor);
    fuzz_check(memcmp(&a->currency, &b->currency, sizeof a->currency) == 0);
    compare_origins(&a->origin, &b->origin);
}

static void compare_payments(const struct payment_change *a, const struct payment_change *b)
{
    SAME(partition);
    SAME_TEXT(customer_id);
    SAME(event_offset);
    SAME(recorded_us);
    SAME(status);
    SAME(reason);
    SAME(amount_minor);
    SAME(refunded_minor);
    SAME(authorised_version);
    SAME(captured_version);
    SAME(captured_us);
    SAME(voided_version);
    SAME(voided_us);
    SAME(charged_version);
    SAME(reversed_version);
    SAME(reversed_us);
}

static void compare_commands(const struct command_change *a, const struct command_change *b)
{
    SAME(partition);
    SAME(event_offset);
    SAME(code);
    SAME_TEXT(message);
    SAME(kind);
    SAME(version);
    SAME(moved);
    SAME_TEXT(subject);
    compare_origins(&a->origin, &b->origin);
}

static void sort_alike(struct rowset *a, struct rowset *b)
{
    fuzz_check(a->count == b->count);
    rowset_sort(a);
    rowset_sort(b);
    for (size_t i = 0; i < a->count; i++)
        fuzz_check(text_equal(a->rows[i]->id, b->rows[i]->id) &&
                   text_equal(a->rows[i]->second, b->rows[i]->second));
}

void rows_compare(struct rows *a, struct rows *b, enum context context)
{
    sort_alike(&a->aggregates, &b->aggregates);
    sort_alike(&a->claims, &b->claims);
    sort_alike(&a->commands, &b->commands);
    for (size_t i = 0; i < a->aggregates.count; i++) {
        const void *left = a->aggregates.rows[i], *right = b->aggregates.rows[i];
        if (context == CONTEXT_ORDERS)
            compare_orders(left, right);
        else if (context == CONTEXT_INVENTORY)
            compare_products(left, right);
        else
            compare_accounts(left, right);
    }
    for (size_t i = 0; i < a->claims.count; i++) {
        const void *left = a->claims.rows[i], *right = b->claims.rows[i];
        if (context == CONTEXT_INVENTORY)
            compare_reservations(left, right);
        else
            compare_payments(left, right);
    }
    for (size_t i = 0; i < a->commands.count; i++)
        compare_commands((const void *)a->commands.rows[i], (const void *)b->commands.rows[i]);
}
