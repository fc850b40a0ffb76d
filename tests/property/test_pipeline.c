/*
 * tests/property/test_pipeline.c - the whole pipeline in memory, with everything that may go wrong.
 *
 *   publisher --commands--> [broker] <--events, steps-- owners of partitions, per context
 *                              |                              ^ states
 *                              '-------events-------> projections that lag
 *
 * The workers' cores, overlays, batches and codec are the real ones
 * (tests/support/pipeline_owner.h); time, order, lag, crashes, rebalances and what is published
 * come from a seed. Each world runs until all is read and answered, then the books must balance;
 * what must hold always is checked on the way. ORDERLOG_SEED=<seed> runs one world alone;
 * ORDERLOG_TEST_SEED brings all back.
 */
#include "domain/assert.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/codec.h"
#include "tests/support/pipeline_checks.h"
#include "tests/support/pipeline_message.h"

#if defined __SANITIZE_ADDRESS__
#define WORLDS 64
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WORLDS 64
#endif
#endif
#ifndef WORLDS
#define WORLDS 320
#endif

#define ORDERS        300
#define PRODUCTS_MAX  24
#define CUSTOMERS_MAX 12
#define LINES_MAX     8
#define OWNERS_MAX    3
#define RECENT_MAX    64
#define START_US      INT64_C(1500000000000000)
#define RETIRED_US    INT64_C(1514764800000000) /* 2018-01-01: São Tomé's dobra, STD, ends */
#define MOVES_MAX     2000000
#define CHECKS        6 /* of an owner, per mille of moves */
#define TRACE         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* A command as it was published, to come again. */
struct published {
    enum context context;
    int32_t partition;
    struct bytes wire;
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct ol_arena arena; /* of what is published */
    struct broker broker;
    struct projection projections[CONTEXT_COUNT], truth[CONTEXT_COUNT];
    struct owner owners[CONTEXT_COUNT][OWNERS_MAX];
    size_t owner_count[CONTEXT_COUNT];
    struct pipeline pipeline;
    /* the shop */
    struct text products[PRODUCTS_MAX], customers[CUSTOMERS_MAX], orders[ORDERS];
    struct text payers[ORDERS]; /* of the orders placed so far */
    size_t product_count, customer_count, order_count;
    struct published recent[RECENT_MAX];
    size_t published, commands;
    /* how it goes */
    int64_t pace_us;     /* from one move to the next, on average */
    unsigned crashes;    /* per mille of moves */
    unsigned rebalances; /* per mille */
    unsigned losses;     /* per mille */
    unsigned jumps;      /* per mille: much time passes */
    unsigned projection; /* percent of moves that are a projection's */
    bool plenty;         /* of stock and funds */
    bool retires;        /* the currency of all its trade, on the way */
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return rng_below(&world->rng, bound);
}

static bool chance(struct world *world, unsigned percent)
{
    return rng_chance(&world->rng, percent);
}

/* ---- which world it was, should it end badly ---- */

static uint64_t seed_now;

static void tell_seed(int signal_number)
{
    char line[96];
    int bytes = snprintf(line, sizeof line, "pipeline: ORDERLOG_SEED=%" PRIu64 " runs this world\n",
                         seed_now);
    (void)!write(STDERR_FILENO, line, (size_t)bytes);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void expect(const char *fault)
{
    if (!fault)
        return;
    cr_assert_fail("ORDERLOG_SEED=%" PRIu64 ": %s", seed_now, fault);
}

/* ---- ids ---- */

static struct text text_in(struct world *world, const char *data, size_t bytes)
{
    return (struct text){ol_arena_copy(&world->arena, data, bytes), (uint32_t)bytes};
}

/* A letter and a number; now and then as long as an id may be, or of odd characters. */
static struct text new_id(struct world *world, const char *letter, size_t number)
{
    char id[ID_BYTES_MAX + 32];
    size_t bytes = (size_t)snprintf(id, sizeof id, "%s%zu", letter, number);
    if (chance(world, 2)) {
        while (bytes < ID_BYTES_MAX)
            id[bytes++] = 'x';
    } else if (chance(world, 4)) {
        bytes += (size_t)snprintf(id + bytes, sizeof id - bytes, "/1/1 \xc5\xbc%%");
    }
    return text_in(world, id, bytes);
}

/* ---- publishing ---- */

static void publish_bytes(struct world *world, enum context context, int32_t partition,
                          struct bytes wire)
{
    struct ol_header headers[2];
    struct ol_record record = {.topic = broker_topic(context, STREAM_COMMANDS),
                               .partition = partition,
                               .key = "key",
                               .key_bytes = 3,
                               .value = wire.data,
                               .value_bytes = wire.size,
                               .headers = headers};
    if (chance(world, 10))
        headers[record.header_count++] = (struct ol_header){"traceparent", TRACE, sizeof TRACE - 1};
    if (chance(world, 1))
        headers[record.header_count++] = (struct ol_header){PASSED_ON_HEADER, "somewhere", 9};
    if (chance(world, 5))
        record.key = NULL, record.key_bytes = 0;
    broker_publish(&world->broker, &record);
    world->recent[world->published++ % RECENT_MAX] = (struct published){context, partition, wire};
    world->commands++;
}

static int32_t any_partition(struct world *world)
{
    return (int32_t)below(world, (uint64_t)world->broker.partitions);
}

static void publish(struct world *world, struct command *command)
{
    struct bytes wire;
    char id[32];
    if (!command->metadata.command_id.data)
        command->metadata.command_id =
            text_in(world, id, (size_t)snprintf(id, sizeof id, "c%zu", world->commands));
    command->metadata.occurred_at_us = chance(world, 50) ? TIME_NONE : world->broker.now_us;
    if (chance(world, 20))
        command->metadata.correlation_id = TEXT("cart-1");
    if (!codec_encode_command(command, &world->arena, &wire))
        abort();
    int32_t partition = partition_of(command_aggregate(command), world->broker.partitions);
    if (chance(world, 3))
        partition = any_partition(world);
    publish_bytes(world, command->context, partition, wire);
}

/* ---- commands of all kinds ---- */

static struct text any_product(struct world *world)
{
    return world->products[below(world, world->product_count)];
}

static struct text any_customer(struct world *world)
{
    return world->customers[below(world, world->customer_count)];
}

/* One of the last, or of those to come. */
static size_t any_order(struct world *world)
{
    size_t first = world->order_count > 40 ? world->order_count - 40 : 0;
    return (first + below(world, 42)) % ORDERS;
}

static int64_t any_amount(struct world *world)
{
    if (chance(world, 1))
        return INT64_MAX - (int64_t)below(world, 3);
    if (chance(world, 1))
        return -1;
    return chance(world, 10) ? 0 : rng_between(&world->rng, 1, 500);
}

static struct text own_currency(const struct world *world)
{
    return world->retires ? TEXT("STD") : TEXT("PLN");
}

static struct text any_currency(struct world *world)
{
    static const char *const others[] = {"EUR", "zloty", "XAU", "DEM"};
    return chance(world, 98) ? own_currency(world) : text_of(others[below(world, 4)]);
}

/* Text that is no text, or no id: the codec's to find, or the domain's. */
static struct text bad_text(struct world *world)
{
    static const char *const bad[] = {"\xff\xfe", "a\nb", ""};
    static const char nul[] = {'a', '\0', 'b'};
    if (chance(world, 25))
        return (struct text){nul, sizeof nul};
    if (chance(world, 30)) {
        size_t bytes = 100 + below(world, 2000);
        char *huge = ol_arena_alloc(&world->arena, bytes);
        memset(huge, 'h', bytes);
        return (struct text){huge, (uint32_t)bytes};
    }
    return text_of(bad[below(world, 3)]);
}

/* Of neighbouring products, so that few SKUs stand there twice. */
static void fill_basket(struct world *world, struct order_command *place)
{
    struct order_line *lines = ol_arena_alloc(&world->arena, LINES_MAX * sizeof *lines);
    size_t most = world->product_count < LINES_MAX ? world->product_count : LINES_MAX;
    size_t first = below(world, world->product_count);
    bool free_of_charge = chance(world, 10);
    place->lines = lines;
    place->line_count = chance(world, 1) ? 0 : 1 + below(world, most);
    for (size_t i = 0; i < place->line_count; i++) {
        struct order_line *line = &lines[i];
        *line = (struct order_line){.sku = world->products[(first + i) % world->product_count]};
        line->quantity = chance(world, 1) ? 0 : rng_between(&world->rng, 1, 4);
        line->amount_minor = free_of_charge ? 0 : any_amount(world);
        if (chance(world, 1))
            line->sku = chance(world, 50) ? any_product(world) : bad_text(world);
    }
}

static void place(struct world *world)
{
    struct command command = {.context = CONTEXT_ORDERS};
    struct order_command *place = &command.order;
    bool again = world->order_count && chance(world, 3);
    size_t number = again ? below(world, world->order_count) : world->order_count;
    *place = (struct order_command){.kind = ORDER_PLACE, .order_id = world->orders[number]};
    place->customer_id = chance(world, 99) ? any_customer(world) : bad_text(world);
    place->currency = any_currency(world);
    fill_basket(world, place);
    if (!again)
        world->payers[world->order_count++] = place->customer_id;
    publish(world, &command);
}

static void cancel(struct world *world)
{
    struct command command = {.context = CONTEXT_ORDERS};
    command.order =
        (struct order_command){.kind = ORDER_CANCEL, .order_id = world->orders[any_order(world)]};
    publish(world, &command);
}

static void tend_product(struct world *world, enum inventory_command_kind kind, struct text sku)
{
    struct command command = {.context = CONTEXT_INVENTORY};
    struct inventory_command *tend = &command.inventory;
    *tend = (struct inventory_command){.kind = kind, .sku = sku, .details.name = TEXT("thing")};
    tend->details.price_minor = (int64_t)below(world, 3);
    tend->details.currency = any_currency(world);
    tend->quantity =
        chance(world, 1) ? INT64_MAX : (int64_t)below(world, world->plenty ? 2000 : 40);
    tend->reason = chance(world, 2) ? bad_text(world) : TEXT("counted");
    publish(world, &command);
}

static void tend_any_product(struct world *world)
{
    static const enum inventory_command_kind kinds[] = {
        STOCK_INCREASE, STOCK_INCREASE, STOCK_INCREASE, STOCK_DECREASE,
        PRODUCT_ADD,    PRODUCT_MODIFY, PRODUCT_DELETE, STOCK_COUNT,
    };
    struct text sku = any_product(world);
    tend_product(world, kinds[below(world, sizeof kinds / sizeof *kinds)], sku);
}

static void tend_account(struct world *world, enum payment_command_kind kind, struct text customer)
{
    struct command command = {.context = CONTEXT_PAYMENTS};
    struct payment_command *tend = &command.payment;
    *tend = (struct payment_command){.kind = kind, .customer_id = customer};
    tend->currency = any_currency(world);
    tend->amount_minor = (int64_t)below(world, world->plenty ? 1000000 : 3000);
    publish(world, &command);
}

static void refund(struct world *world)
{
    struct command command = {.context = CONTEXT_PAYMENTS};
    struct payment_command *refund = &command.payment;
    size_t number = below(world, world->order_count + 1) % ORDERS;
    bool known = world->payers[number].bytes && chance(world, 90);
    *refund = (struct payment_command){.kind = PAYMENT_REFUND, .payment_id = world->orders[number]};
    refund->customer_id = known ? world->payers[number] : any_customer(world);
    refund->amount_minor = (int64_t)below(world, 200);
    if (chance(world, 3))
        refund->payment_id = bad_text(world);
    publish(world, &command);
}

static void tend_any_account(struct world *world)
{
    static const enum payment_command_kind kinds[] = {FUNDS_DEPOSIT, FUNDS_DEPOSIT, FUNDS_DEPOSIT,
                                                      FUNDS_WITHDRAW, ACCOUNT_OPEN};
    struct text customer = any_customer(world);
    if (chance(world, 40))
        refund(world);
    else
        tend_account(world, kinds[below(world, sizeof kinds / sizeof *kinds)], customer);
}

/* ---- what publishers do wrong ---- */

static const struct published *any_published(struct world *world)
{
    size_t count = world->published < RECENT_MAX ? world->published : RECENT_MAX;
    return &world->recent[below(world, count)];
}

/* The whole record once more, perhaps elsewhere. */
static void publish_again(struct world *world)
{
    struct published again = *any_published(world);
    publish_bytes(world, again.context, chance(world, 90) ? again.partition : any_partition(world),
                  again.wire);
}

/* The id of one with the body of another. */
static void reuse_id(struct world *world)
{
    const struct published *old = any_published(world);
    struct command command;
    struct ol_error error;
    if (codec_decode_command(old->context, old->wire, &world->arena, &command, &error) ||
        command.refused.code)
        return;
    if (command.context == CONTEXT_ORDERS)
        command.order.kind = command.order.kind == ORDER_PLACE ? ORDER_CANCEL : ORDER_PLACE;
    else if (command.context == CONTEXT_INVENTORY)
        command.inventory.quantity++;
    else
        command.payment.amount_minor++;
    if (command.context == CONTEXT_ORDERS && command.order.kind == ORDER_PLACE) {
        command.order.customer_id = any_customer(world);
        command.order.currency = own_currency(world);
        fill_basket(world, &command.order);
    }
    publish(world, &command);
}

/* Bytes that are no command, or were one. */
static void publish_garbage(struct world *world)
{
    struct published old = *any_published(world);
    struct bytes wire = {NULL, 0};
    if (old.wire.size && chance(world, 80)) {
        uint8_t *bytes = (uint8_t *)ol_arena_copy(&world->arena, old.wire.data, old.wire.size);
        wire = (struct bytes){bytes, 1 + below(world, old.wire.size)};
        for (size_t i = below(world, 3); i > 0; i--) {
            size_t at = below(world, wire.size);
            bytes[at] ^= (uint8_t)(1 << below(world, 8));
        }
    } else if (chance(world, 50)) {
        wire = (struct bytes){(const uint8_t *)"", 0};
    }
    publish_bytes(world, old.context, any_partition(world), wire);
}

static void publish_something(struct world *world)
{
    unsigned die = (unsigned)below(world, 100);
    if (die < 55)
        place(world);
    else if (die < 62)
        cancel(world);
    else if (die < 75)
        tend_any_product(world);
    else if (die < 88)
        tend_any_account(world);
    else if (die < 95)
        publish_again(world);
    else if (die < 98)
        reuse_id(world);
    else
        publish_garbage(world);
}

/* ---- a world ---- */

/* Every partition of a context to one owner, or to nobody for a while. */
static void rebalance(struct world *world, enum context context)
{
    uint64_t shares[OWNERS_MAX] = {0};
    for (int32_t i = 0; i < world->broker.partitions; i++)
        shares[below(world, world->owner_count[context])] |= UINT64_C(1) << i;
    for (size_t i = 0; i < world->owner_count[context]; i++)
        owner_assign(&world->owners[context][i], shares[i]);
    world->broker.generation[context]++;
}

static void open_owners(struct world *world, enum context context)
{
    static const int64_t skews_us[] = {0, 0, -30000, 30000, 3000000};
    world->owner_count[context] = 1 + below(world, OWNERS_MAX);
    for (size_t i = 0; i < world->owner_count[context]; i++) {
        size_t bytes = chance(world, 50) ? below(world, 40000) : below(world, 400000);
        struct owner_settings settings = {
            .context = context,
            .order_deadline_us = world->pipeline.order_deadline_us,
            .overlay.bytes = bytes,
            .projection_losses = world->losses,
        };
        settings.overlay.bytes_max = bytes + below(world, 100000);
        settings.batch_inputs = 1 + below(world, chance(world, 50) ? 8 : 64);
        settings.clock_skew_us = skews_us[below(world, 5)];
        settings.projection_moves = (unsigned)below(world, 100);
        owner_init(&world->owners[context][i], &settings, &world->broker,
                   &world->projections[context], &world->rng);
    }
    rebalance(world, context);
}

static void open_shop(struct world *world)
{
    world->product_count = 1 + below(world, PRODUCTS_MAX);
    world->customer_count = 1 + below(world, CUSTOMERS_MAX);
    for (size_t i = 0; i < ORDERS; i++)
        world->orders[i] = new_id(world, "o", i);
    for (size_t i = 0; i < world->product_count; i++)
        world->products[i] = new_id(world, "s", i);
    for (size_t i = 0; i < world->customer_count; i++)
        world->customers[i] = new_id(world, "k", i);
    for (size_t i = 0; i < world->product_count; i++) {
        tend_product(world, PRODUCT_ADD, world->products[i]);
        tend_product(world, STOCK_INCREASE, world->products[i]);
    }
    for (size_t i = 0; i < world->customer_count; i++) {
        tend_account(world, ACCOUNT_OPEN, world->customers[i]);
        tend_account(world, FUNDS_DEPOSIT, world->customers[i]);
    }
}

static void begin(struct world *world, uint64_t seed)
{
    static const int64_t deadlines_us[] = {5000, 100000, 5000000, 900000000};
    static const unsigned rates[] = {0, 0, 2, 10};
    seed_now = seed;
    *world = (struct world){.seed = seed, .rng = rng_from(seed)};
    ol_arena_init(&world->arena, 1 << 18, 0);
    broker_init(&world->broker, chance(world, 10) ? 64 : 1 + (int32_t)below(world, 6), START_US);
    world->pace_us = 20 + (int64_t)below(world, 400);
    world->crashes = rates[below(world, 4)];
    world->rebalances = rates[below(world, 4)];
    world->losses = rates[below(world, 4)] / 2;
    world->jumps = rates[below(world, 4)] / 4;
    world->projection = 2 + (unsigned)below(world, 40);
    world->plenty = chance(world, 50);
    world->retires = chance(world, 15);
    if (world->retires)
        world->broker.now_us = RETIRED_US - 1 - (int64_t)below(world, 2000000);
    world->pipeline = (struct pipeline){.broker = &world->broker,
                                        .truth = world->truth,
                                        .order_deadline_us = deadlines_us[below(world, 4)]};
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        projection_init(&world->projections[context], &world->broker, (enum context)context);
        projection_init(&world->truth[context], &world->broker, (enum context)context);
        open_owners(world, (enum context)context);
    }
    open_shop(world);
}

static void end(struct world *world)
{
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        for (size_t i = 0; i < world->owner_count[context]; i++)
            owner_release(&world->owners[context][i]);
        projection_release(&world->projections[context]);
        projection_release(&world->truth[context]);
    }
    broker_release(&world->broker);
    ol_arena_release(&world->arena);
    cr_assert_eq(pipeline_messages_alive(), 0u);
}

/* ---- its life ---- */

static enum context any_context(struct world *world)
{
    return (enum context)below(world, CONTEXT_COUNT);
}

static struct owner *any_owner(struct world *world)
{
    enum context context = any_context(world);
    return &world->owners[context][below(world, world->owner_count[context])];
}

static void move_projection(struct world *world)
{
    struct projection *projection = &world->projections[any_context(world)];
    int32_t partition = any_partition(world);
    projection_advance(projection, partition, 1 + below(world, 100));
}

static void check_owner(struct world *world, const struct owner *owner)
{
    if (!owner_is_between_batches(owner))
        return;
    projection_catch_up(&world->truth[owner->settings.context]);
    expect(check_owned(&world->pipeline, owner));
}

/* What befalls a world beside its work. */
static void trouble(struct world *world)
{
    unsigned die = (unsigned)below(world, 1000), bound = world->crashes;
    enum owner_crash how = (enum owner_crash)below(world, CRASH_KIND_COUNT);
    if (die < bound)
        owner_crash(any_owner(world), how);
    else if (die < (bound += world->rebalances))
        rebalance(world, any_context(world));
    else if (die < (bound += world->losses))
        projection_lose(&world->projections[any_context(world)], &world->rng);
    else if (die < (bound += world->jumps))
        world->broker.now_us += (int64_t)below(world, 10000000);
    else if (die < bound + CHECKS)
        check_owner(world, any_owner(world));
}

static bool move(struct world *world)
{
    world->broker.now_us += (int64_t)below(world, (uint64_t)(2 * world->pace_us));
    trouble(world);
    if (chance(world, world->projection)) {
        move_projection(world);
        return false;
    }
    return owner_move(any_owner(world));
}

static bool is_at_rest(struct world *world)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (size_t i = 0; i < world->owner_count[context]; i++) {
            const struct owner *owner = &world->owners[context][i];
            if (owner->assigned && !owner_is_idle(owner))
                return false;
        }
    return true;
}

static void live(struct world *world)
{
    unsigned eagerness = 5 + (unsigned)below(world, 40);
    while (world->order_count < ORDERS) {
        if (world->retires && world->order_count == ORDERS * 3 / 4 &&
            world->broker.now_us < RETIRED_US)
            world->broker.now_us = RETIRED_US;
        if (chance(world, eagerness))
            publish_something(world);
        else
            move(world);
    }
    size_t moves = 0;
    while (!is_at_rest(world) && moves < MOVES_MAX)
        for (int i = 0; i < 50; i++, moves++)
            move(world);
    expect(moves < MOVES_MAX ? NULL : "it does not come to rest");
}

static void check_rest(struct world *world, struct pipeline_totals *totals)
{
    for (int context = 0; context < CONTEXT_COUNT; context++) {
        projection_catch_up(&world->truth[context]);
        projection_catch_up(&world->projections[context]);
        for (size_t i = 0; i < world->owner_count[context]; i++)
            check_owner(world, &world->owners[context][i]);
        expect(check_projection(&world->pipeline, &world->projections[context]));
    }
    expect(check_receipts(&world->pipeline));
    expect(check_outcomes(&world->pipeline));
    expect(check_keys(&world->pipeline));
    expect(check_decided_anew(&world->pipeline));
    expect(check_ended(&world->pipeline));
    expect(check_books(&world->pipeline, totals));
}

/* ---- the test ---- */

struct tally {
    struct pipeline_totals totals;
    struct owner_counts counts;
    uint64_t transactions, aborts;
};

static void count_owner(struct owner_counts *counts, const struct owner *owner)
{
    counts->takeovers += owner->counts.takeovers;
    counts->timeouts += owner->counts.timeouts;
    counts->fenced += owner->counts.fenced;
    counts->went_back += owner->counts.went_back;
    counts->outrun += owner->counts.outrun;
    counts->full += owner->counts.full;
    counts->evictions +=
        owner->counts.evictions + overlay_stats(core_overlay(owner->core)).evictions;
}

static void run_world(uint64_t seed, struct tally *tally)
{
    struct world *world = malloc(sizeof *world);
    cr_assert_not_null(world);
    begin(world, seed);
    live(world);
    check_rest(world, &tally->totals);
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (size_t i = 0; i < world->owner_count[context]; i++)
            count_owner(&tally->counts, &world->owners[context][i]);
    tally->transactions += world->broker.transactions;
    tally->aborts += world->broker.aborts;
    end(world);
    free(world);
}

static void print_tally(const struct tally *tally, double seconds)
{
    const struct pipeline_totals *totals = &tally->totals;
    fprintf(
        stderr,
        "pipeline: %" PRIu64 " orders in %.1f s, %.0f/s: %" PRIu64 " confirmed, %" PRIu64
        " rejected, %" PRIu64 " cancelled (%" PRIu64 " expired), %" PRIu64 " once stuck\n"
        "pipeline: %" PRIu64 " commands: %" PRIu64 " refused, %" PRIu64 " repeated, %" PRIu64
        " with a reused id, %" PRIu64 " passed on, %" PRIu64 " dead letters; %" PRIu64 " events\n"
        "pipeline: %" PRIu64 " transactions, %" PRIu64 " aborted (%" PRIu64 " fenced), %" PRIu64
        " take-overs, %" PRIu64 " timeouts proposed, %" PRIu64 " evictions, %" PRIu64
        " waits for room, %" PRIu64 " losses met, %" PRIu64 " times outrun\n",
        totals->orders, seconds, (double)totals->orders / seconds, totals->confirmed,
        totals->rejected, totals->cancelled, totals->expired, totals->stuck, totals->commands,
        totals->refused, totals->repeated, totals->reused, totals->passed_on, totals->dead_letters,
        totals->events, tally->transactions, tally->aborts, tally->counts.fenced,
        tally->counts.takeovers, tally->counts.timeouts, tally->counts.evictions,
        tally->counts.full, tally->counts.went_back, tally->counts.outrun);
}

Test(pipeline, keeps_its_promises_whatever_happens, .timeout = 600)
{
    const char *one = getenv("ORDERLOG_SEED");
    struct tally tally = {.transactions = 0};
    struct timespec before, after;
    signal(SIGABRT, tell_seed);
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (one) {
        run_world(strtoull(one, NULL, 0), &tally);
    } else {
        struct rng seeds = rng_from(rng_seed("pipeline"));
        for (size_t i = 0; i < WORLDS; i++)
            run_world(rng_next(&seeds), &tally);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    print_tally(&tally, (double)(after.tv_sec - before.tv_sec) +
                            (double)(after.tv_nsec - before.tv_nsec) / 1e9);
    if (one)
        return;
    cr_expect_gt(tally.totals.confirmed, tally.totals.orders / 20);
    cr_expect_gt(tally.totals.rejected, tally.totals.orders / 20);
    cr_expect_gt(tally.totals.cancelled, tally.totals.orders / 20);
    cr_expect_gt(tally.totals.retired, 0u);
    cr_expect_gt(tally.totals.expired, 0u);
    cr_expect_gt(tally.totals.stuck, 0u);
    cr_expect_gt(tally.totals.passed_on, 0u);
    cr_expect_gt(tally.counts.fenced, 0u);
    cr_expect_gt(tally.counts.went_back, 0u);
    cr_expect_gt(tally.counts.outrun, 0u);
    cr_expect_gt(tally.counts.evictions, 0u);
}
