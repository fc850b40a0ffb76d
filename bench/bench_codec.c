/*
 * bench/bench_codec.c - how many messages a core decodes and encodes.
 *
 * Per message kind, and for the messages of one order of nine lines over three groups, as the
 * pipeline carries them. Beside it what protobuf-c takes to unpack into an arena and to pack,
 * without the text checks and the copies into the domain's structs that would have to follow.
 *
 * Usage: bench_codec [ROUNDS]   (default 300000)
 */
#include "domain/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/codec.h"
#include "proto/descriptors.h"

#define LINES  9
#define GROUPS 3

struct sample {
    const char *name;
    enum stream stream;
    unsigned per_order;
    union {
        struct command command;
        struct step_message step;
        struct event_message event;
    };
    struct bytes wire;
    double decode_ns, encode_ns, unpack_ns, pack_ns;
};

static struct ol_arena arena;

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static bool encode(const struct sample *sample, struct bytes *ret_wire)
{
    switch (sample->stream) {
    case STREAM_COMMANDS: return codec_encode_command(&sample->command, &arena, ret_wire);
    case STREAM_STEPS: return codec_encode_step(&sample->step, &arena, ret_wire);
    case STREAM_EVENTS: return codec_encode_event(&sample->event, &arena, ret_wire);
    default: break;
    }
    return false;
}

static enum context context_of(const struct sample *sample)
{
    return sample->stream == STREAM_COMMANDS ? sample->command.context
           : sample->stream == STREAM_STEPS  ? sample->step.context
                                             : sample->event.context;
}

static enum ol_class decode(const struct sample *sample, struct sample *ret_decoded,
                            struct ol_error *reterr)
{
    enum context context = context_of(sample);
    switch (sample->stream) {
    case STREAM_COMMANDS:
        return codec_decode_command(context, sample->wire, &arena, &ret_decoded->command, reterr);
    case STREAM_STEPS:
        return codec_decode_step(context, sample->wire, &arena, &ret_decoded->step, reterr);
    case STREAM_EVENTS:
        return codec_decode_event(context, sample->wire, &arena, &ret_decoded->event, reterr);
    default: break;
    }
    return OL_FATAL;
}

static void *take(void *data, size_t bytes)
{
    return ol_arena_alloc(data, bytes);
}

static void give(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

static void check(bool good, const char *name, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_codec: %s: %s\n", name, what);
    exit(1);
}

typedef void round_function(struct sample *sample);

static struct sample decoded;
static ProtobufCMessage *unpacked;
static ProtobufCAllocator allocator = {take, give, &arena};

static void encode_once(struct sample *sample)
{
    struct bytes wire;
    check(encode(sample, &wire) && wire.size == sample->wire.size, sample->name, "does not encode");
}

static void decode_once(struct sample *sample)
{
    struct ol_error error = {0};
    check(decode(sample, &decoded, &error) == OL_OK, sample->name, error.text);
}

static void unpack_once(struct sample *sample)
{
    unpacked = protobuf_c_message_unpack(envelope_descriptor(context_of(sample), sample->stream),
                                         &allocator, sample->wire.size, sample->wire.data);
    check(unpacked, sample->name, "does not unpack");
}

static void pack_once(struct sample *sample)
{
    uint8_t *buffer = malloc(protobuf_c_message_get_packed_size(unpacked));
    check(buffer && protobuf_c_message_pack(unpacked, buffer) == sample->wire.size, sample->name,
          "does not pack");
    free(buffer);
}

/* Nanoseconds for one round: the fastest of ten slices, for a machine that others use too. */
static double fastest(round_function *once, struct sample *sample, bool clear, size_t rounds)
{
    double best = 0;
    for (size_t slice = 0; slice < 10; slice++) {
        double start = now_ns();
        for (size_t i = 0; i < rounds / 10; i++) {
            if (clear)
                ol_arena_clear(&arena);
            once(sample);
        }
        double took = (now_ns() - start) / (double)(rounds / 10);
        if (slice == 0 || took < best)
            best = took;
    }
    return best;
}

static void measure(struct sample *sample, size_t rounds)
{
    struct bytes wire;
    check(encode(sample, &wire), sample->name, "does not encode");
    uint8_t *copy = malloc(wire.size);
    check(copy, sample->name, "no memory");
    memcpy(copy, wire.data, wire.size);
    sample->wire = (struct bytes){copy, wire.size};

    sample->encode_ns = fastest(encode_once, sample, true, rounds);
    sample->decode_ns = fastest(decode_once, sample, true, rounds);
    sample->unpack_ns = fastest(unpack_once, sample, true, rounds);
    sample->pack_ns = fastest(pack_once, sample, false, rounds);
    free(copy);
}

#define BEGAN    "basket/31198570044"
#define QUESTION "31198570044/1/2"
#define REPLY    QUESTION "/r"
#define METADATA(id, cause)                                                                        \
    {                                                                                              \
        .command_id = TEXT(id), .correlation_id = TEXT(BEGAN), .causation_id = TEXT(cause),        \
        .actor = TEXT("import"), .occurred_at_us = 1506941793123456                                \
    }
/* As workers write them: their causes follow, but the charge's. */
#define STEP(name_, times, context_, id, cause, ...)                                               \
    {                                                                                              \
        .name = name_, .stream = STREAM_STEPS, .per_order = times, .step = {                       \
            .context = context_,                                                                   \
            .metadata = METADATA(id, cause),                                                       \
            .asker = {1, 2},                                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define EVENT(name_, times, context_, ...)                                                         \
    {                                                                                              \
        .name = name_, .stream = STREAM_EVENTS, .per_order = times, .event = {                     \
            .context = context_,                                                                   \
            .metadata = METADATA(QUESTION, ""),                                                    \
            .recorded_at_us = 1700000000123000,                                                    \
            .cause_source = CAUSE_STEPS,                                                           \
            .cause_offset = 123456,                                                                \
            .body = EVENT_BODY_DOMAIN,                                                             \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define ORDER_ID TEXT("31198570044")
#define CUSTOMER TEXT("c1234567")

static struct order_line lines[LINES];
static struct stock_line stock_lines[LINES / GROUPS];

static struct sample samples[] = {
    {.name = "PlaceOrder",
     .stream = STREAM_COMMANDS,
     .per_order = 1,
     .command = {.context = CONTEXT_ORDERS,
                 .metadata = METADATA(BEGAN, ""),
                 .order = {.kind = ORDER_PLACE,
                           .order_id = ORDER_ID,
                           .customer_id = CUSTOMER,
                           .currency = TEXT("EUR"),
                           .lines = lines,
                           .line_count = LINES}}},
    EVENT("OrderPlaced", 1, CONTEXT_ORDERS, .body_digest = 0x123456789abcdef,
          .order = {.kind = ORDER_PLACED,
                    .order_id = ORDER_ID,
                    .version = 1,
                    .status = ORDER_IS_PLACED,
                    .saga_state = SAGA_IS_RUNNING,
                    .customer_id = CUSTOMER,
                    .currency = TEXT("EUR"),
                    .lines = lines,
                    .line_count = LINES,
                    .total_minor = 123456,
                    .payment_row = PAYMENT_ROW_CHARGE,
                    .deadline_us = 1700000900123000}),
    STEP("ReserveStock", GROUPS, CONTEXT_INVENTORY, QUESTION, BEGAN,
         .inventory = {.kind = STOCK_RESERVE,
                       .order_id = ORDER_ID,
                       .partition = 3,
                       .currency = TEXT("EUR"),
                       .lines = stock_lines,
                       .line_count = LINES / GROUPS}),
    EVENT("StockReserved", GROUPS, CONTEXT_INVENTORY,
          .inventory = {.kind = STOCK_RESERVED,
                        .order_id = ORDER_ID,
                        .partition = 3,
                        .lines = stock_lines,
                        .line_count = LINES / GROUPS}),
    STEP("StockReservedReply", GROUPS, CONTEXT_ORDERS, REPLY, QUESTION,
         .order = {.kind = ORDER_STOCK_RESERVED_REPLY, .order_id = ORDER_ID, .groups = 8}),
    EVENT("OrderStockReserved", GROUPS, CONTEXT_ORDERS,
          .order = {.kind = ORDER_STOCK_RESERVED,
                    .order_id = ORDER_ID,
                    .version = 2,
                    .status = ORDER_IS_PLACED,
                    .saga_state = SAGA_IS_RUNNING,
                    .payment = ORDER_PAYMENT_ASKED,
                    .groups = 8}),
    STEP("ChargePayment", 1, CONTEXT_PAYMENTS, QUESTION, REPLY,
         .payment = {.kind = PAYMENT_CHARGE,
                     .payment_id = ORDER_ID,
                     .customer_id = CUSTOMER,
                     .amount_minor = 123456,
                     .currency = TEXT("EUR")}),
    EVENT("PaymentCharged", 1, CONTEXT_PAYMENTS,
          .payment = {.kind = PAYMENT_CHARGED,
                      .version = 7,
                      .payment_id = ORDER_ID,
                      .customer_id = CUSTOMER,
                      .amount_minor = 123456}),
    STEP("PaymentChargedReply", 1, CONTEXT_ORDERS, REPLY, QUESTION,
         .order = {.kind = ORDER_PAYMENT_CHARGED_REPLY, .order_id = ORDER_ID}),
    EVENT("OrderConfirmed", 1, CONTEXT_ORDERS,
          .order = {.kind = ORDER_CONFIRMED,
                    .order_id = ORDER_ID,
                    .version = 5,
                    .status = ORDER_IS_CONFIRMED,
                    .saga_state = SAGA_IS_DONE,
                    .payment = ORDER_PAYMENT_CHARGED}),
};

static void print_row(const char *name, double bytes, const struct sample *sum, double count)
{
    printf("%-24s %6.0f  %9.0f %9.0f  %9.0f %9.0f\n", name, bytes, 1e9 * count / sum->decode_ns,
           1e9 * count / sum->encode_ns, 1e9 * count / sum->unpack_ns, 1e9 * count / sum->pack_ns);
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000;
    struct sample total = {0};
    double messages = 0, bytes = 0;
    if (rounds < 10)
        return 2;
    for (size_t i = 0; i < LINES; i++)
        lines[i] = (struct order_line){TEXT("00012345"), (int64_t)i + 1, 199 * (int64_t)i + 1,
                                       (int32_t)i % GROUPS};
    for (size_t i = 0; i < LINES / GROUPS; i++)
        stock_lines[i] = (struct stock_line){TEXT("00012345"), (int64_t)i + 1, 12345};
    ol_arena_init(&arena, 65536, 0);

    printf("a second, one core:              decodes   encodes  protobuf-c: unpacks  packs\n");
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct sample *sample = &samples[i];
        measure(sample, rounds);
        print_row(sample->name, (double)sample->wire.size, sample, 1);
        messages += sample->per_order;
        bytes += sample->per_order * (double)sample->wire.size;
        total.decode_ns += sample->per_order * sample->decode_ns;
        total.encode_ns += sample->per_order * sample->encode_ns;
        total.unpack_ns += sample->per_order * sample->unpack_ns;
        total.pack_ns += sample->per_order * sample->pack_ns;
    }
    print_row("one order's messages", bytes, &total, messages);
    printf("one order: decode %.1f us, encode %.1f us; protobuf-c %.1f and %.1f us\n",
           total.decode_ns / 1e3, total.encode_ns / 1e3, total.unpack_ns / 1e3,
           total.pack_ns / 1e3);
    ol_arena_release(&arena);
    return 0;
}
