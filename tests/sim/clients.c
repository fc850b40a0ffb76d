/* Who publishes: products and wallets first, then orders, cancels and stock taking, each command
 * acknowledged by the log; some again, some with a used id, some on the wrong partition. */
#include "tests/sim/sim.h"

#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "tests/sim/codec.h"

struct clients {
    int64_t commands, orders;
    int64_t next_us;
};

struct publication {
    struct command command;
    bool first;
};

static const struct text nothing;

int64_t clients_made(void)
{
    return world->clients->orders;
}

static struct text name(char prefix, int64_t number)
{
    char digits[24];
    uint32_t at = sizeof digits;
    for (uint64_t rest = (uint64_t)number; rest || at == sizeof digits; rest /= 10)
        digits[--at] = (char)('0' + rest % 10);
    digits[--at] = prefix;
    uint32_t bytes = (uint32_t)sizeof digits - at;
    return (struct text){memcpy(sim_alloc(bytes), digits + at, bytes), bytes};
}

static void publish(void *self, uint64_t argument)
{
    (void)argument;
    struct publication *publication = self;
    if (!broker_is_up()) { /* not acknowledged: again */
        sim_at(world->broker_down_until + sim_delay(100 * MS), publish, self, 0);
        return;
    }
    const struct command *command = &publication->command;
    struct text key = command_aggregate(command);
    int32_t partition = partition_of(key, world->knobs.partitions);
    if (sim_has(FAULT_MISROUTE) && sim_chance(20000))
        partition = (int32_t)sim_below((uint64_t)world->knobs.partitions);
    struct ol_arena arena;
    struct bytes wire;
    ol_arena_init(&arena, 4096, 0);
    domain_assert(sim_encode_command(command, &arena, &wire));
    const struct slot slot = {.kind = SLOT_RECORD,
                              .key = key.data,
                              .key_bytes = key.bytes,
                              .value = sim_copy(wire.data, wire.size),
                              .value_bytes = (uint32_t)wire.size};
    ol_arena_release(&arena);
    check_published(command, publication->first);
    broker_append(broker_part(broker_topic(command->context, STREAM_COMMANDS), partition), &slot);
}

/* A digest as the codec's: equal for equal bodies. */
static uint64_t digest_of(const struct command *command)
{
    uint64_t digest = ol_hash(command_aggregate(command).data, command_aggregate(command).bytes);
    switch (command->context) {
    case CONTEXT_ORDERS:
        digest += (uint64_t)command->order.kind * 31 + command->order.line_count * 7;
        for (size_t i = 0; i < command->order.line_count; i++)
            digest = digest * 31 + (uint64_t)command->order.lines[i].quantity * 1000 +
                     (uint64_t)command->order.lines[i].amount_minor;
        break;
    case CONTEXT_INVENTORY:
        digest += (uint64_t)command->inventory.kind * 31 + (uint64_t)command->inventory.quantity;
        break;
    default:
        digest += (uint64_t)command->payment.kind * 31 + (uint64_t)command->payment.amount_minor;
    }
    return digest | 1;
}

static void send_at(const struct command *command, int64_t at_us, bool first)
{
    struct publication *publication = sim_alloc(sizeof *publication);
    *publication = (struct publication){*command, first};
    publication->command.body_digest = digest_of(command);
    sim_at(at_us, publish, publication, 0);
}

/* The same id with another body. */
static struct command other_body(const struct command *command)
{
    struct command other = *command;
    switch (other.context) {
    case CONTEXT_ORDERS: {
        if (other.order.kind != ORDER_PLACE)
            break;
        struct order_line *lines = sim_alloc(other.order.line_count * sizeof *lines);
        memcpy(lines, other.order.lines, other.order.line_count * sizeof *lines);
        lines[0].quantity++;
        other.order.lines = lines;
        break;
    }
    case CONTEXT_INVENTORY: other.inventory.quantity++; break;
    default: other.payment.amount_minor++;
    }
    return other;
}

static void send(struct command *command, int64_t at_us)
{
    command->metadata.command_id = name('k', world->clients->commands++);
    command->metadata.occurred_at_us = world->wall_us + world->now_us;
    send_at(command, at_us, true);
    if (sim_has(FAULT_DUPLICATE) && sim_chance(60000)) {
        count(COUNT_DUPLICATES);
        send_at(command, at_us + sim_delay(sim_chance(300000) ? 5 * SEC : 20 * MS), false);
    }
    if (sim_has(FAULT_REUSE) && sim_chance(20000) && command->context == CONTEXT_ORDERS &&
        command->order.kind == ORDER_PLACE) {
        struct command other = other_body(command);
        count(COUNT_REUSED);
        send_at(&other, at_us + sim_delay(sim_chance(300000) ? 5 * SEC : 20 * MS), false);
    }
}

static void send_stock(int64_t product, int64_t quantity, int64_t at_us)
{
    struct command command = {.context = CONTEXT_INVENTORY};
    command.inventory = (struct inventory_command){
        .kind = STOCK_INCREASE, .sku = name('s', product), .quantity = quantity};
    send(&command, at_us);
}

/* Whose wallet pays an order: somebody's, always the same. */
struct text sim_currency(void)
{
    return world->knobs.retires ? TEXT("MRO") : TEXT("EUR");
}

static int64_t customer_of(int64_t order)
{
    uint64_t hash = ol_hash(&order, sizeof order) ^ world->knobs.seed;
    return (int64_t)(hash % (uint64_t)world->knobs.customers);
}

static void send_payment(enum payment_command_kind kind, int64_t customer, struct text payment_id,
                         int64_t amount_minor, int64_t at_us)
{
    struct command command = {.context = CONTEXT_PAYMENTS};
    command.payment = (struct payment_command){.kind = kind,
                                               .customer_id = name('c', customer),
                                               .currency = sim_currency(),
                                               .amount_minor = amount_minor,
                                               .payment_id = payment_id};
    send(&command, at_us);
}

static void send_funds(int64_t customer, int64_t amount_minor, int64_t at_us)
{
    send_payment(FUNDS_DEPOSIT, customer, nothing, amount_minor, at_us);
}

/* Part of an order's payment, or all of it, or more. Its customer follows from its number. */
static void send_refund(int64_t order, int64_t at_us)
{
    send_payment(PAYMENT_REFUND, customer_of(order), name('o', order),
                 100 * (1 + (int64_t)sim_below(4)), at_us);
}

/* What a wallet may just be able to hold, and never with what it has spent. */
static void send_fortune(int64_t customer, int64_t at_us)
{
    int64_t spared = (int64_t)sim_below((uint64_t)world->knobs.stock * 500);
    send_funds(customer, INT64_MAX - spared, at_us);
}

static void change_product(int64_t product, int64_t at_us)
{
    static const enum inventory_command_kind kinds[] = {PRODUCT_MODIFY, PRODUCT_DELETE, PRODUCT_ADD,
                                                        STOCK_DECREASE, STOCK_COUNT};
    struct command command = {.context = CONTEXT_INVENTORY};
    command.inventory =
        (struct inventory_command){.kind = kinds[sim_below(sizeof kinds / sizeof *kinds)],
                                   .sku = name('s', product),
                                   .quantity = (int64_t)sim_below((uint64_t)world->knobs.stock),
                                   .details = {.name = TEXT("thing"),
                                               .price_minor = 100 + (int64_t)sim_below(3),
                                               .currency = sim_currency()}};
    send(&command, at_us);
}

static void open_shop(void)
{
    int64_t at_us = world->now_us + MS;
    for (int64_t i = 0; i < world->knobs.products; i++) {
        struct command command = {.context = CONTEXT_INVENTORY};
        command.inventory = (struct inventory_command){
            .kind = PRODUCT_ADD,
            .sku = name('s', i),
            .details = {.name = TEXT("thing"), .price_minor = 100, .currency = sim_currency()}};
        send(&command, at_us);
        send_stock(i, 1 + sim_below((uint64_t)world->knobs.stock), at_us + MS);
    }
    for (int64_t i = 0; i < world->knobs.customers; i++) {
        struct command command = {.context = CONTEXT_PAYMENTS};
        command.payment = (struct payment_command){
            .kind = ACCOUNT_OPEN, .customer_id = name('c', i), .currency = sim_currency()};
        send(&command, at_us);
        send_funds(i, 1 + (int64_t)sim_below((uint64_t)world->knobs.stock * 400), at_us + MS);
    }
}

static void send_order(int64_t number, int64_t at_us)
{
    size_t line_count = 1 + sim_below((uint64_t)world->knobs.lines_max);
    struct order_line *lines = sim_alloc(line_count * sizeof *lines);
    int64_t first = (int64_t)sim_below((uint64_t)world->knobs.products);
    if (line_count > (size_t)world->knobs.products)
        line_count = (size_t)world->knobs.products;
    for (size_t i = 0; i < line_count; i++) {
        int64_t product = (first + (int64_t)i) % world->knobs.products;
        int64_t quantity = 1 + (int64_t)sim_below(3);
        lines[i] = (struct order_line){.sku = name('s', product),
                                       .quantity = quantity,
                                       .amount_minor = sim_chance(50000) ? 0 : 100 * quantity};
    }
    struct command command = {.context = CONTEXT_ORDERS};
    struct text order_id = name('o', number);
    command.order = (struct order_command){.kind = ORDER_PLACE,
                                           .order_id = order_id,
                                           .customer_id = name('c', customer_of(number)),
                                           .currency = sim_currency(),
                                           .lines = lines,
                                           .line_count = line_count};
    send(&command, at_us);
    int64_t on_its_way_us = 40 * world->knobs.latency_us;
    if (sim_chance(50000))
        send_refund(number, at_us + (int64_t)sim_below((uint64_t)world->knobs.spread_us + 5 * SEC));
    if (!sim_chance(80000))
        return;
    command = (struct command){.context = CONTEXT_ORDERS};
    command.order = (struct order_command){.kind = ORDER_CANCEL, .order_id = order_id};
    send(&command, at_us + (int64_t)sim_below((uint64_t)on_its_way_us));
    for (int refunds = 0; refunds < 3 && sim_chance(700000); refunds++)
        send_refund(number, at_us + (int64_t)sim_below((uint64_t)(2 * on_its_way_us)));
}

/* Orders come in bursts; what is sold out is filled up now and then. */
static void go_on(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    struct clients *clients = world->clients;
    int64_t left = world->knobs.orders - clients->orders;
    int64_t burst = 1 + (int64_t)sim_below(1 + (uint64_t)world->knobs.orders / 8);
    for (int64_t i = 0; i < burst && i < left; i++)
        send_order(clients->orders++, world->now_us + (int64_t)sim_below(20 * MS));
    if (sim_chance(300000))
        send_stock((int64_t)sim_below((uint64_t)world->knobs.products),
                   1 + (int64_t)sim_below((uint64_t)world->knobs.stock), world->now_us);
    if (sim_chance(300000))
        send_funds((int64_t)sim_below((uint64_t)world->knobs.customers),
                   1 + (int64_t)sim_below((uint64_t)world->knobs.stock * 400), world->now_us);
    if (sim_chance(200000))
        send_payment(FUNDS_WITHDRAW, (int64_t)sim_below((uint64_t)world->knobs.customers), nothing,
                     1 + (int64_t)sim_below((uint64_t)world->knobs.stock * 100), world->now_us);
    if (sim_chance(100000))
        send_fortune((int64_t)sim_below((uint64_t)world->knobs.customers), world->now_us);
    if (sim_chance(200000))
        change_product((int64_t)sim_below((uint64_t)world->knobs.products), world->now_us);
    if (clients->orders < world->knobs.orders)
        sim_at(world->now_us + (int64_t)sim_below((uint64_t)world->knobs.spread_us / 8 + 1), go_on,
               NULL, 0);
}

void clients_begin(void)
{
    world->clients = memset(sim_alloc(sizeof *world->clients), 0, sizeof *world->clients);
    open_shop();
    sim_at(world->now_us + 20 * MS, go_on, NULL, 0);
}
