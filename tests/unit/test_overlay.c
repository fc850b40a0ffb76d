/*
 * tests/unit/test_overlay.c - what is held ahead of the projection, and when it may go.
 */
#include "consumers/overlay.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "domain/partition.h"
#include "tests/support/rng.h"

#define PARTITIONS 4

static const struct overlay_limits roomy = {1 << 30, 1 << 30};
static const struct overlay_limits none = {0, 0}; /* evicts whatever it may */

static struct overlay *overlay;

static void tear_down(void)
{
    overlay_free(overlay);
    overlay = NULL;
}

static struct entity_key key_of(enum entity_kind kind, int32_t partition, const char *id,
                                const char *second)
{
    return (struct entity_key){kind, partition, text_of(id), text_of(second)};
}

/* Memory of a batch: what is made in it is gone after spoil(). */
struct passing {
    char text[512];
    size_t used;
    struct stock_line lines[8];
};

static struct text passing_text(struct passing *passing, const char *string)
{
    char *copy = passing->text + passing->used;
    passing->used += (size_t)sprintf(copy, "%s", string) + 1;
    cr_assert_lt(passing->used, sizeof passing->text);
    return text_of(copy);
}

static void spoil(struct passing *passing)
{
    memset(passing, 0xdb, sizeof *passing);
}

static struct entity *put_absent(enum entity_kind kind, int32_t partition, const char *id,
                                 int64_t base_offset)
{
    struct entity_key key = key_of(kind, partition, id, NULL);
    struct entity absent = {.kind = kind};
    struct entity *entity = overlay_put(overlay, &key, &absent, base_offset);
    cr_assert(entity);
    return entity;
}

/* ---- events, caused by steps so that no command record is part of them ---- */

static struct event_message event_of(enum context context)
{
    return (struct event_message){
        .context = context, .cause_source = CAUSE_STEPS, .body = EVENT_BODY_DOMAIN};
}

static bool apply_added(const char *sku, int32_t partition, int64_t offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY);
    event.inventory = (struct inventory_event){
        .kind = PRODUCT_ADDED, .version = 1, .sku = text_of(sku), .details.currency = TEXT("PLN")};
    return overlay_apply(overlay, &event, partition, offset);
}

static bool apply_increased(const char *sku, int32_t partition, int64_t version, int64_t quantity,
                            int64_t offset)
{
    struct event_message event = event_of(CONTEXT_INVENTORY);
    event.inventory = (struct inventory_event){
        .kind = STOCK_INCREASED, .version = version, .sku = text_of(sku), .quantity = quantity};
    return overlay_apply(overlay, &event, partition, offset);
}

/* A product with `quantity` units on hand, put as loaded: settled. */
static void put_product(const char *sku, int32_t partition, int64_t quantity)
{
    struct entity_key key = key_of(ENTITY_PRODUCT, partition, sku, NULL);
    struct entity state = {
        .kind = ENTITY_PRODUCT,
        .product = {.version = 1, .listed = true, .currency = {"PLN"}, .on_hand = quantity}};
    cr_assert(overlay_put(overlay, &key, &state, 0));
}

static bool has(enum entity_kind kind, int32_t partition, const char *id)
{
    struct entity_key key = key_of(kind, partition, id, NULL);
    return overlay_has(overlay, &key);
}

static struct entity *get(enum entity_kind kind, int32_t partition, const char *id)
{
    struct entity_key key = key_of(kind, partition, id, NULL);
    return overlay_get(overlay, &key);
}

/* ---- put, get ---- */

TestSuite(overlay_get, .fini = tear_down);
TestSuite(overlay_put, .fini = tear_down);
TestSuite(overlay_get_or_absent, .fini = tear_down);
TestSuite(overlay_apply, .fini = tear_down);
TestSuite(overlay_projected, .fini = tear_down);
TestSuite(overlay_evict, .fini = tear_down);
TestSuite(overlay_full, .fini = tear_down);
TestSuite(overlay_stats, .fini = tear_down);

Test(overlay_get, tells_keys_apart_by_every_part)
{
    static const struct {
        enum entity_kind kind;
        int32_t partition;
        const char *id, *second;
    } rows[] = {
        {ENTITY_COMMAND, 0, "a", "bc"},   {ENTITY_COMMAND, 0, "ab", "c"},
        {ENTITY_COMMAND, 1, "a", "bc"},   {ENTITY_PAYMENT, 0, "a", "bc"},
        {ENTITY_COMMAND, 0, "abc", NULL}, {ENTITY_PRODUCT, 0, "abc", NULL},
        {ENTITY_PRODUCT, 3, "abc", NULL}, {ENTITY_ORDER, 3, "ABC", NULL},
        {ENTITY_COMMAND, 0, "", "abc"},
    };
    const size_t count = sizeof rows / sizeof *rows;
    struct entity *put[sizeof rows / sizeof *rows];
    overlay = overlay_new(PARTITIONS, roomy);
    for (size_t i = 0; i < count; i++) {
        struct entity_key key = key_of(rows[i].kind, rows[i].partition, rows[i].id, rows[i].second);
        struct entity state = {.kind = rows[i].kind};
        cr_assert_not(overlay_has(overlay, &key), "row %zu", i);
        cr_assert_null(overlay_get(overlay, &key), "row %zu", i);
        cr_assert(put[i] = overlay_put(overlay, &key, &state, 0), "row %zu", i);
    }
    for (size_t i = 0; i < count; i++) {
        struct entity_key key = key_of(rows[i].kind, rows[i].partition, rows[i].id, rows[i].second);
        cr_assert_eq(overlay_get(overlay, &key), put[i], "row %zu", i);
    }
}

/* Of so many keys some have the same 32 bits of hash, whatever is hashed. */
Test(overlay_get, tells_many_keys_apart)
{
    enum { MANY = 300000 };
    char id[16];
    overlay = overlay_new(PARTITIONS, roomy);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        cr_assert_not(has(ENTITY_PRODUCT, 0, id), "%s", id);
        put_product(id, 0, i);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        cr_assert_eq(get(ENTITY_PRODUCT, 0, id)->product.on_hand, i, "%s", id);
    }
}

Test(overlay_get, tells_many_second_texts_apart)
{
    enum { MANY = 300000 };
    static struct entity *put[MANY];
    struct entity state = {.kind = ENTITY_COMMAND};
    char id[16];
    overlay = overlay_new(PARTITIONS, roomy);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct entity_key key = key_of(ENTITY_COMMAND, 0, "order-1", id);
        cr_assert_not(overlay_has(overlay, &key), "%s", id);
        put[i] = overlay_put(overlay, &key, &state, 0);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct entity_key key = key_of(ENTITY_COMMAND, 0, "order-1", id);
        cr_assert_eq(overlay_get(overlay, &key), put[i], "%s", id);
    }
}

Test(overlay_get, counts_what_it_finds_and_has_does_not)
{
    overlay = overlay_new(PARTITIONS, roomy);
    put_product("s", 0, 1);
    has(ENTITY_PRODUCT, 0, "s");
    has(ENTITY_PRODUCT, 0, "t");
    get(ENTITY_PRODUCT, 0, "s");
    get(ENTITY_PRODUCT, 0, "t");
    get(ENTITY_PRODUCT, 0, "t");
    struct overlay_stats stats = overlay_stats(overlay);
    cr_assert_eq(stats.hits, 1u);
    cr_assert_eq(stats.misses, 2u);
}

Test(overlay_put, takes_ids_of_128_bytes)
{
    char long_id[ID_BYTES_MAX + 1];
    memset(long_id, 'x', ID_BYTES_MAX);
    long_id[ID_BYTES_MAX] = '\0';
    overlay = overlay_new(PARTITIONS, roomy);
    struct entity_key key = key_of(ENTITY_COMMAND, 3, long_id, long_id);
    struct entity state = {.kind = ENTITY_COMMAND, .command.body_digest = 7};
    cr_assert(overlay_put(overlay, &key, &state, 0));
    cr_assert_eq(overlay_get(overlay, &key)->command.body_digest, 7u);
    key.second.bytes--;
    cr_assert_null(overlay_get(overlay, &key));
}

Test(overlay_put, owns_the_key_and_the_customer)
{
    struct passing batch = {.used = 0};
    overlay = overlay_new(PARTITIONS, roomy);
    struct entity_key key = {ENTITY_ORDER, 2, passing_text(&batch, "order-1"), {0}};
    struct entity state = {.kind = ENTITY_ORDER,
                           .order = {.version = 1, .customer_id = passing_text(&batch, "anna")}};
    cr_assert(overlay_put(overlay, &key, &state, 0));
    spoil(&batch);
    struct entity *order = get(ENTITY_ORDER, 2, "order-1");
    cr_assert(order);
    cr_assert(text_equal(order->order.customer_id, TEXT("anna")));
}

Test(overlay_put, owns_the_lines_of_a_reservation)
{
    struct passing batch = {.used = 0};
    overlay = overlay_new(PARTITIONS, roomy);
    batch.lines[0] = (struct stock_line){passing_text(&batch, "s-1"), 3, 7};
    batch.lines[1] = (struct stock_line){passing_text(&batch, "s-22"), 4, 8};
    struct entity_key key = {ENTITY_RESERVATION, 1, passing_text(&batch, "order-1"), {0}};
    struct entity state = {.kind = ENTITY_RESERVATION,
                           .reservation = {RESERVATION_IS_HELD, batch.lines, 2}};
    cr_assert(overlay_put(overlay, &key, &state, 0));
    spoil(&batch);
    const struct reservation *held = &get(ENTITY_RESERVATION, 1, "order-1")->reservation;
    cr_assert_eq(held->line_count, 2u);
    cr_assert(text_equal(held->lines[0].sku, TEXT("s-1")));
    cr_assert(text_equal(held->lines[1].sku, TEXT("s-22")));
    cr_assert_eq(held->lines[1].quantity, 4);
    cr_assert_eq(held->lines[1].version, 8);
}

Test(overlay_put, asserts_that_the_state_is_not_here, .signal = SIGABRT)
{
    overlay = overlay_new(PARTITIONS, roomy);
    put_product("s", 0, 1);
    put_product("s", 0, 1);
}

Test(overlay_get_or_absent, puts_once_and_then_gets)
{
    overlay = overlay_new(PARTITIONS, roomy);
    struct entity_key key = key_of(ENTITY_PAYMENT, 1, "anna", "order-1");
    struct entity *first = overlay_get_or_absent(overlay, &key);
    cr_assert(first);
    cr_assert(entity_is_absent(first));
    first->payment.status = PAYMENT_IS_DECLINED;
    cr_assert_eq(overlay_get_or_absent(overlay, &key), first);
    cr_assert_eq(first->payment.status, PAYMENT_IS_DECLINED);
    cr_assert_eq(overlay_stats(overlay).entries, 1u);
}

/* ---- apply ---- */

Test(overlay_apply, folds_every_entity_that_the_event_names)
{
    struct passing batch = {.used = 0};
    overlay = overlay_new(PARTITIONS, roomy);
    put_product("s-1", 2, 10);
    put_product("s-2", 2, 10);
    put_product("s-3", 2, 10);
    put_absent(ENTITY_RESERVATION, 2, "order-1", 0);
    struct event_message event = event_of(CONTEXT_INVENTORY);
    batch.lines[0] = (struct stock_line){passing_text(&batch, "s-1"), 3, 2};
    batch.lines[1] = (struct stock_line){passing_text(&batch, "s-3"), 4, 2};
    event.inventory = (struct inventory_event){.kind = STOCK_RESERVED,
                                               .order_id = passing_text(&batch, "order-1"),
                                               .partition = 2,
                                               .lines = batch.lines,
                                               .line_count = 2};
    cr_assert(overlay_apply(overlay, &event, 2, OVERLAY_NOW));
    spoil(&batch);

    cr_assert_eq(get(ENTITY_PRODUCT, 2, "s-1")->product.reserved, 3);
    cr_assert_eq(get(ENTITY_PRODUCT, 2, "s-2")->product.reserved, 0);
    cr_assert_eq(get(ENTITY_PRODUCT, 2, "s-3")->product.reserved, 4);
    const struct reservation *held = &get(ENTITY_RESERVATION, 2, "order-1")->reservation;
    cr_assert_eq(held->status, RESERVATION_IS_HELD);
    cr_assert(text_equal(held->lines[1].sku, TEXT("s-3")));
}

Test(overlay_apply, owns_what_a_new_order_points_to)
{
    struct passing batch = {.used = 0};
    struct order_line line = {passing_text(&batch, "s-1"), 1, 5, 0};
    overlay = overlay_new(PARTITIONS, roomy);
    put_absent(ENTITY_ORDER, 0, "order-1", 0);
    struct entity_key command = key_of(ENTITY_COMMAND, 0, "order-1", "place-1");
    cr_assert(overlay_put(overlay, &command, &(struct entity){.kind = ENTITY_COMMAND}, 0));
    struct event_message event = event_of(CONTEXT_ORDERS);
    event.cause_source = CAUSE_COMMANDS;
    event.body_digest = 99;
    event.metadata.command_id = passing_text(&batch, "place-1");
    event.order = (struct order_event){.kind = ORDER_PLACED,
                                       .order_id = passing_text(&batch, "order-1"),
                                       .version = 1,
                                       .status = ORDER_IS_PLACED,
                                       .saga_state = SAGA_IS_RUNNING,
                                       .customer_id = passing_text(&batch, "anna"),
                                       .currency = TEXT("PLN"),
                                       .lines = &line,
                                       .line_count = 1,
                                       .total_minor = 5,
                                       .payment_row = PAYMENT_ROW_CHARGE};
    cr_assert(overlay_apply(overlay, &event, 0, OVERLAY_NOW));
    spoil(&batch);
    cr_assert(text_equal(get(ENTITY_ORDER, 0, "order-1")->order.customer_id, TEXT("anna")));
    cr_assert_eq(overlay_get(overlay, &command)->command.outcome, OUTCOME_ACCEPTED);
    cr_assert_eq(overlay_get(overlay, &command)->command.body_digest, 99u);
}

Test(overlay_apply, passes_over_what_a_loaded_state_has_folded)
{
    overlay = overlay_new(PARTITIONS, roomy);
    put_absent(ENTITY_PRODUCT, 0, "s", 10);
    cr_assert(apply_added("s", 0, 9));
    cr_assert_eq(get(ENTITY_PRODUCT, 0, "s")->product.version, 0);
    cr_assert(apply_added("s", 0, 10));
    cr_assert_eq(get(ENTITY_PRODUCT, 0, "s")->product.version, 1);
    cr_assert(apply_increased("s", 0, 2, 5, OVERLAY_NOW));
    cr_assert_eq(get(ENTITY_PRODUCT, 0, "s")->product.on_hand, 5);
}

Test(overlay_apply, asserts_that_all_are_here, .signal = SIGABRT)
{
    overlay = overlay_new(PARTITIONS, roomy);
    apply_added("s", 0, OVERLAY_NOW);
}

Test(overlay_missing, keeps_those_that_are_not_here_in_their_order)
{
    enum { KEYS = 100 }; /* several strides, and a part of one */
    static char skus[KEYS][8];
    static struct entity_key keys[KEYS];
    overlay = overlay_new(PARTITIONS, roomy);
    for (int every = 1; every <= KEYS; every++) { /* each `every`th is not here */
        overlay_clear(overlay);
        for (int i = 0; i < KEYS; i++) {
            snprintf(skus[i], sizeof skus[i], "s-%d", i);
            keys[i] = key_of(ENTITY_PRODUCT, 0, skus[i], NULL);
            if (i % every)
                put_product(skus[i], 0, 0);
        }
        size_t count = overlay_missing(overlay, keys, KEYS);
        cr_assert_eq(count, (size_t)((KEYS - 1) / every + 1));
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(keys[i].id.data, skus[i * (size_t)every], "every %d, row %zu", every, i);
    }
    cr_assert_eq(overlay_missing(overlay, keys, 0), 0u);
}

/* ---- batches, settling, eviction ---- */

static void close_batch(int32_t partition, int64_t commands_next, int64_t steps_next)
{
    struct receipt receipt = {.commands_next = commands_next, .steps_next = steps_next};
    cr_assert(overlay_batch_close(overlay, partition, &receipt));
}

static void settle(int32_t partition, int64_t commands_next, int64_t steps_next)
{
    struct receipt receipt = {.commands_next = commands_next, .steps_next = steps_next};
    overlay_projected(overlay, partition, &receipt);
}

/* The entries that are left after an eviction, as letters: products "a", "b", ... */
static const char *left(int32_t partition)
{
    static char names[27];
    size_t count = 0;
    overlay_evict(overlay);
    for (char name[] = "a"; *name <= 'z'; ++*name)
        if (has(ENTITY_PRODUCT, partition, name))
            names[count++] = *name;
    names[count] = '\0';
    return names;
}

Test(overlay_projected, frees_a_batch_once_the_projection_has_come_to_its_receipt)
{
    /* given: a is changed in a batch up to (commands 10, steps 5), b in (10, 9), c in (12, 9) */
    static const struct {
        int64_t commands_next, steps_next;
        const char *left;
    } rows[] = {
        {0, 0, "abc"}, {9, 99, "abc"}, {99, 4, "abc"}, {10, 5, "bc"},
        {10, 8, "bc"}, {11, 9, "c"},   {12, 9, ""},
    };
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 1, 0);
    put_product("b", 1, 0);
    put_product("c", 1, 0);
    cr_assert(apply_increased("a", 1, 2, 1, OVERLAY_NOW));
    close_batch(1, 10, 5);
    cr_assert(apply_increased("b", 1, 2, 1, OVERLAY_NOW));
    close_batch(1, 10, 9);
    cr_assert(apply_increased("c", 1, 2, 1, OVERLAY_NOW));
    close_batch(1, 12, 9);
    overlay_projected(overlay, 1, NULL);
    cr_assert_str_eq(left(1), "abc");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        settle(1, rows[i].commands_next, rows[i].steps_next);
        cr_assert_str_eq(left(1), rows[i].left, "row %zu", i);
    }
}

Test(overlay_projected, is_for_one_partition_alone)
{
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    put_product("a", 1, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    cr_assert(apply_increased("a", 1, 2, 1, OVERLAY_NOW));
    close_batch(0, 5, 5);
    close_batch(1, 5, 5);
    settle(0, 5, 5);
    cr_assert_str_eq(left(0), "");
    cr_assert_str_eq(left(1), "a");
    settle(1, 5, 5);
    cr_assert_str_eq(left(1), "");
}

Test(overlay_projected, keeps_what_a_later_or_an_open_batch_changed_again)
{
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    close_batch(0, 5, 0);
    cr_assert(apply_increased("a", 0, 3, 1, OVERLAY_NOW));
    settle(0, 5, 0);
    cr_assert_str_eq(left(0), "a", "its batch is still open");
    close_batch(0, 6, 0);
    settle(0, 5, 0);
    cr_assert_str_eq(left(0), "a");
    settle(0, 6, 0);
    cr_assert_str_eq(left(0), "");
}

Test(overlay_projected, keeps_the_order_while_the_ring_turns_and_grows)
{
    enum { BATCHES = 1000 };
    int64_t closed = 0, settled = 0;
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    /* Three are closed for each that is settled, so the ring grows while its head is inside. */
    for (; closed < BATCHES; settled += closed % 3 == 0) {
        char sku[24];
        snprintf(sku, sizeof sku, "s-%lld", (long long)closed);
        put_product(sku, 0, 0);
        cr_assert(apply_increased(sku, 0, 2, 1, OVERLAY_NOW));
        closed++;
        close_batch(0, closed, closed / 2);
        settle(0, settled, settled / 2);
    }
    overlay_evict(overlay); /* all had been used: each is put behind the others, in their order */
    for (; settled <= closed; settled++) {
        settle(0, settled, settled / 2);
        overlay_evict(overlay);
        cr_assert_eq(overlay_stats(overlay).entries, (size_t)(closed - settled));
    }
}

/* What a product with this id takes. */
static size_t product_bytes(const char *sku)
{
    overlay = overlay_new(PARTITIONS, roomy);
    put_product(sku, 0, 0);
    size_t bytes = overlay_stats(overlay).bytes;
    cr_assert_gt(bytes, sizeof(struct entity));
    overlay_free(overlay);
    return bytes;
}

Test(overlay_evict, takes_the_oldest_down_to_the_soft_limit_but_those_in_use)
{
    size_t one = product_bytes("a");
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){3 * one, 1 << 30});
    for (char name[] = "a"; *name <= 'e'; ++*name)
        put_product(name, 0, 0);
    get(ENTITY_PRODUCT, 0, "a");
    has(ENTITY_PRODUCT, 0, "b"); /* no use */
    cr_assert_str_eq(left(0), "ade");
    cr_assert_eq(overlay_stats(overlay).evictions, 2u);
    cr_assert_str_eq(left(0), "ade", "nothing above the limit: nothing goes");
    put_product("f", 0, 0);
    put_product("g", 0, 0);
    cr_assert_str_eq(left(0), "afg", "a had its chance after e was put");
    put_product("h", 0, 0);
    cr_assert_str_eq(left(0), "fgh", "and was not used since");
}

Test(overlay_evict, stops_at_the_first_that_is_not_projected)
{
    overlay = overlay_new(PARTITIONS, none);
    for (char name[] = "a"; *name <= 'e'; ++*name)
        put_product(name, 0, 0);
    cr_assert(apply_increased("b", 0, 2, 1, OVERLAY_NOW));
    get(ENTITY_PRODUCT, 0, "d");
    get(ENTITY_PRODUCT, 0, "e");
    cr_assert_str_eq(left(0), "bde", "b was put back before d and e");
    close_batch(0, 1, 0);
    settle(0, 1, 0);
    cr_assert_str_eq(left(0), "");
}

static void put_payment(const char *customer, int32_t partition)
{
    put_absent(ENTITY_PAYMENT, partition, customer, 0);
}

Test(overlay_evict, takes_what_passes_before_what_lasts)
{
    size_t one = product_bytes("a");
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){8 * one, 1 << 30});
    for (char name[] = "a"; *name <= 'f'; ++*name)
        put_product(name, 0, 0);
    for (char name[] = "p"; *name <= 'z'; ++*name)
        put_payment(name, 0);
    overlay_evict(overlay);
    cr_assert_leq(overlay_stats(overlay).bytes, 8 * one);
    cr_assert_str_eq(left(0), "abcdef", "older than any payment, and none was used since");
    cr_assert(has(ENTITY_PAYMENT, 0, "z"), "the newest");
    cr_assert_not(has(ENTITY_PAYMENT, 0, "p"), "the oldest");
}

/* An order as loaded: settled. */
static void put_order(const char *id, enum saga_state saga_state)
{
    struct entity_key key = key_of(ENTITY_ORDER, 0, id, NULL);
    struct entity state = {
        .kind = ENTITY_ORDER,
        .order = {
            .version = 1, .status = ORDER_IS_PLACED, .saga_state = saga_state, .groups_asked = 1}};
    cr_assert(overlay_put(overlay, &key, &state, 0));
}

static void end_order(const char *id)
{
    struct event_message event = event_of(CONTEXT_ORDERS);
    event.order = (struct order_event){.kind = ORDER_REJECTED,
                                       .order_id = text_of(id),
                                       .version = 2,
                                       .groups = 1,
                                       .code = REFUSED_STOCK_SHORT,
                                       .status = ORDER_IS_REJECTED,
                                       .saga_state = SAGA_IS_UNDONE};
    cr_assert(overlay_apply(overlay, &event, 0, OVERLAY_NOW));
}

Test(overlay_evict, takes_orders_that_have_ended_before_open_ones)
{
    static const enum saga_state states[] = {SAGA_IS_RUNNING, SAGA_IS_UNDOING, SAGA_IS_DONE,
                                             SAGA_IS_UNDONE};
    overlay = overlay_new(PARTITIONS, roomy);
    put_order("a", SAGA_IS_DONE);
    size_t one = overlay_stats(overlay).bytes;
    overlay_free(overlay);
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){3 * one, 1 << 30});
    for (char name[] = "a"; *name <= 'd'; ++*name)
        put_order(name, states[*name - 'a']);
    overlay_evict(overlay);
    cr_expect(has(ENTITY_ORDER, 0, "a") && has(ENTITY_ORDER, 0, "b"), "both are open");
    cr_expect_not(has(ENTITY_ORDER, 0, "c"), "the older one of those that have ended");
}

Test(overlay_evict, takes_an_order_in_its_turn_once_it_has_ended)
{
    overlay = overlay_new(PARTITIONS, roomy);
    put_order("a", SAGA_IS_RUNNING);
    size_t one = overlay_stats(overlay).bytes;
    overlay_free(overlay);
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){3 * one, 1 << 30});
    put_order("a", SAGA_IS_RUNNING);
    put_order("b", SAGA_IS_DONE);
    end_order("a");
    put_order("c", SAGA_IS_DONE);
    put_order("d", SAGA_IS_RUNNING);
    overlay_evict(overlay);
    cr_expect_not(has(ENTITY_ORDER, 0, "b"), "ended before a did");
    close_batch(0, 1, 0);
    settle(0, 1, 0);
    put_order("e", SAGA_IS_RUNNING);
    overlay_evict(overlay);
    cr_expect(has(ENTITY_ORDER, 0, "a"), "used since it came to that queue");
    cr_expect_not(has(ENTITY_ORDER, 0, "c"));
    put_order("f", SAGA_IS_DONE);
    overlay_evict(overlay);
    cr_expect_not(has(ENTITY_ORDER, 0, "a"));
    cr_expect(has(ENTITY_ORDER, 0, "d") && has(ENTITY_ORDER, 0, "e") && has(ENTITY_ORDER, 0, "f"));
    overlay_clear(overlay);
    cr_expect_eq(overlay_stats(overlay).bytes, 0);
}

Test(overlay_evict, leaves_an_eighth_to_what_passes)
{
    size_t one = product_bytes("a");
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){8 * one, 1 << 30});
    for (char name[] = "a"; *name <= 'h'; ++*name)
        put_product(name, 0, 0);
    put_payment("p", 0);
    overlay_evict(overlay);
    cr_assert_str_eq(left(0), "bcdefgh");
    cr_assert(has(ENTITY_PAYMENT, 0, "p"));
}

Test(overlay_evict, of_what_passes_goes_on_where_what_lasts_is_not_projected)
{
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    put_payment("p", 0);
    cr_assert_str_eq(left(0), "a");
    cr_assert_not(has(ENTITY_PAYMENT, 0, "p"));
}

/* Puts, gets and evicts at random, and a plain queue beside it: found is what is there. */
Test(overlay_evict, leaves_all_others_to_be_found)
{
    enum { KEYS = 6000, ROOM = 2000, MOVES = 300000 };
    static bool here[KEYS], used[KEYS];
    static size_t queue[MOVES + 100 * KEYS]; /* each round puts each off once at most */
    struct rng rng = rng_from(rng_seed("overlay"));
    size_t one = product_bytes("sku-0000"), count = 0, first = 0, end = 0;
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){ROOM * one, 1 << 30});
    for (uint32_t move = 1; move <= MOVES; move++) {
        char sku[24];
        size_t number = rng_below(&rng, KEYS);
        struct entity_key key = {ENTITY_PRODUCT, (int32_t)(number % PARTITIONS), {0}, {0}};
        key.id = (struct text){sku, (uint32_t)sprintf(sku, "sku-%04zu", number)};
        struct entity *entity = overlay_get(overlay, &key);
        cr_assert_eq(entity != NULL, here[number], "move %u", move);
        if (entity) {
            cr_assert_eq(entity->product.version, (int64_t)number);
            used[number] = true;
        } else {
            struct entity state = {.kind = ENTITY_PRODUCT, .product.version = (int64_t)number};
            cr_assert(overlay_put(overlay, &key, &state, 0));
            here[number] = true;
            queue[end++] = number;
            count++;
        }
        cr_assert_eq(overlay_stats(overlay).entries, count);
        if (move % 3000)
            continue;
        overlay_evict(overlay);
        for (; count > ROOM; first++) {
            size_t oldest = queue[first];
            if (used[oldest])
                queue[end++] = oldest;
            else
                count--;
            here[oldest] = used[oldest];
            used[oldest] = false;
        }
        for (size_t i = 0; i < KEYS; i++) {
            key.partition = (int32_t)(i % PARTITIONS);
            key.id.bytes = (uint32_t)sprintf(sku, "sku-%04zu", i);
            cr_assert_eq(overlay_has(overlay, &key), here[i], "move %u, key %zu", move, i);
        }
    }
    cr_assert_gt(overlay_stats(overlay).evictions, 1000u);
}

Test(overlay_full, is_above_the_hard_limit_while_the_projection_is_behind)
{
    size_t one = product_bytes("a");
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){0, 2 * one});
    put_product("a", 0, 0);
    put_product("b", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    cr_assert(apply_increased("b", 0, 2, 1, OVERLAY_NOW));
    close_batch(0, 1, 0);
    cr_assert_not(overlay_full(overlay));
    put_product("c", 0, 0);
    cr_assert(overlay_full(overlay));
    settle(0, 1, 0);
    overlay_evict(overlay);
    cr_assert_not(overlay_full(overlay));
}

/* A take-over may stop to wait between two events of a transaction that is larger than the limit:
 * no projection can settle a batch whose receipt has not been read yet. */
Test(overlay_full, is_not_for_open_batches_alone)
{
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    put_product("b", 1, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    cr_assert(apply_increased("b", 1, 2, 1, OVERLAY_NOW));
    overlay_evict(overlay);
    cr_assert_not(overlay_full(overlay), "waiting would not help");
    close_batch(0, 1, 0);
    cr_assert(overlay_full(overlay));
    settle(0, 1, 0);
    overlay_evict(overlay);
    cr_assert_not(overlay_full(overlay));
    close_batch(1, 1, 0);
    cr_assert(overlay_full(overlay));
    overlay_clear(overlay);
    cr_assert_not(overlay_full(overlay));
}

Test(overlay_full, is_no_more_once_all_has_left)
{
    overlay = overlay_new(PARTITIONS, (struct overlay_limits){0, 4096});
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100000; i++) {
            char sku[24];
            sprintf(sku, "s-%d", i);
            put_product(sku, 0, 0);
        }
        cr_assert(apply_increased("s-0", 0, 2, 1, OVERLAY_NOW));
        close_batch(0, 1, 0);
        cr_assert(overlay_full(overlay));
        if (round == 0) {
            settle(0, 1, 0);
            overlay_evict(overlay);
        } else {
            overlay_clear(overlay);
        }
        put_product("s-1", 0, 0);
        cr_assert(apply_increased("s-1", 0, 2, 1, OVERLAY_NOW));
        close_batch(0, 2, 0);
        cr_assert_not(overlay_full(overlay), "what is left is no state, and can't be evicted");
        overlay_clear(overlay);
    }
}

Test(overlay_stats, bytes_come_back_to_zero)
{
    overlay = overlay_new(PARTITIONS, none);
    cr_assert_eq(overlay_stats(overlay).bytes, 0u);
    struct stock_line lines[] = {
        {TEXT("s-1"), 1, 1},
        {TEXT("s-2"), 1, 1},
    };
    struct entity_key reservation = key_of(ENTITY_RESERVATION, 0, "order-1", NULL);
    struct entity held = {.kind = ENTITY_RESERVATION,
                          .reservation = {RESERVATION_IS_HELD, lines, 2}};
    struct entity_key order = key_of(ENTITY_ORDER, 0, "order-1", NULL);
    struct entity placed = {.kind = ENTITY_ORDER,
                            .order = {.version = 1, .customer_id = TEXT("anna")}};
    for (int i = 0; i < 2; i++) {
        cr_assert(overlay_put(overlay, &reservation, &held, 0));
        cr_assert(overlay_put(overlay, &order, &placed, 0));
        put_product("a", 0, 0);
        cr_assert_gt(overlay_stats(overlay).bytes, sizeof lines + 3 * sizeof(struct entity));
        if (i == 0)
            overlay_evict(overlay);
        else
            overlay_clear(overlay);
        cr_assert_eq(overlay_stats(overlay).entries, 0u);
        cr_assert_eq(overlay_stats(overlay).bytes, 0u);
    }
}

Test(overlay_stats, after_clear_batches_begin_anew)
{
    overlay = overlay_new(PARTITIONS, none);
    put_product("a", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    close_batch(0, 100, 100);
    overlay_clear(overlay);
    put_product("a", 0, 0);
    cr_assert(apply_increased("a", 0, 2, 1, OVERLAY_NOW));
    close_batch(0, 5, 5);
    settle(0, 5, 5);
    cr_assert_str_eq(left(0), "");
}
