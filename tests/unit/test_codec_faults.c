/*
 * tests/unit/test_codec_faults.c - what is wrong is refused or put aside, and never read.
 */
#include "proto/codec_tables.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/codec_fixture.h"
#include "tests/unit/codec_random.h"
#include "tests/unit/codec_samples.h"

TestSuite(codec_faults, .init = set_up, .fini = tear_down);

/* ---- broken bytes ---- */

Test(codec_faults, a_message_that_is_cut_off_is_poison)
{
    for (size_t i = 0; i < sample_count; i++) {
        struct sample decoded;
        struct bytes wire;
        ol_arena_clear(&arena);
        cr_assert(sample_encode(&samples[i], &arena, &wire));
        for (size_t size = 0; size < wire.size; size++)
            cr_expect_eq(sample_decode_again(&samples[i], (struct bytes){wire.data, size}, &arena,
                                             &decoded, &error),
                         OL_POISON, "%s at %zu", samples[i].name, size);
    }
}

static struct bytes mutate(struct rng *rng, struct bytes wire)
{
    size_t room = wire.size + 16;
    uint8_t *bytes = ol_arena_alloc(&arena, room);
    memcpy(bytes, wire.data, wire.size);
    size_t size = wire.size;
    for (uint64_t i = 0, times = 1 + rng_below(rng, 4); i < times && size > 0; i++) {
        size_t at = rng_below(rng, size);
        switch (rng_below(rng, 4)) {
        case 0: bytes[at] = (uint8_t)rng_next(rng); break;
        case 1: bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8)); break;
        case 2: memmove(bytes + at, bytes + at + 1, --size - at); break;
        default:
            memmove(bytes + at + 1, bytes + at, size++ - at);
            bytes[at] = (uint8_t)rng_next(rng);
            break;
        }
    }
    return (struct bytes){bytes, size};
}

/* Whatever is accepted is whole: it encodes, and comes back the same with the same digest. */
static void expect_whole(const struct sample *sample, const struct sample *decoded)
{
    struct sample again;
    struct bytes wire;
    cr_assert(sample_encode(decoded, &arena, &wire));
    cr_assert_eq(sample_decode_again(sample, wire, &arena, &again, &error), OL_OK, "%s",
                 error.text);
    switch (sample->stream) {
    case STREAM_COMMANDS:
        cr_assert(same_command(&again.command, &decoded->command));
        if (decoded->command.refused.code == ACCEPTED)
            cr_assert_eq(again.command.body_digest, decoded->command.body_digest);
        break;
    case STREAM_STEPS: cr_assert(same_step(&again.step, &decoded->step)); break;
    default: cr_assert(same_event(&again.event, &decoded->event)); break;
    }
}

Test(codec_faults, broken_bytes_are_poison_or_a_whole_message, .timeout = 120)
{
    struct rng rng = rng_from(rng_seed("codec_faults"));
    size_t accepted = 0;
    for (size_t i = 0; i < sample_count; i++)
        for (int round = 0; round < 3000; round++) {
            struct sample decoded;
            struct bytes wire;
            ol_arena_clear(&arena);
            cr_assert(sample_encode(&samples[i], &arena, &wire));
            enum ol_class class =
                sample_decode_again(&samples[i], mutate(&rng, wire), &arena, &decoded, &error);
            cr_assert(class == OL_OK || class == OL_POISON);
            if (class == OL_OK) {
                accepted++;
                expect_whole(&samples[i], &decoded);
            }
        }
    cr_expect_gt(accepted, 1000u);
}

Test(codec_faults, random_bytes_do_no_harm)
{
    struct rng rng = rng_from(rng_seed("codec_faults"));
    for (int round = 0; round < 50000; round++) {
        uint8_t bytes[64];
        struct sample decoded;
        size_t size = rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] =
                rng_chance(&rng, 50) ? (uint8_t)rng_below(&rng, 32) : (uint8_t)rng_next(&rng);
        ol_arena_clear(&arena);
        (void)sample_decode((enum context)rng_below(&rng, CONTEXT_COUNT),
                            (enum stream)rng_below(&rng, 3), (struct bytes){bytes, size}, &arena,
                            &decoded, &error);
    }
}

/* metadata { command_id: "c" } place_order { order_id: "o" } */
#define META                                                                                       \
    "\x0a\x03\x0a\x01"                                                                             \
    "c"
#define ORDER                                                                                      \
    "\x12\x03\x0a\x01"                                                                             \
    "o"

static enum ol_class decode_order(const char *bytes, size_t size, struct command *ret_command)
{
    return codec_decode_command(CONTEXT_ORDERS, (struct bytes){(const uint8_t *)bytes, size},
                                &arena, ret_command, &error);
}

Test(codec_faults, structure)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
        enum ol_class class;
    } rows[] = {
#define ROW(what, bytes, class) {what, bytes, sizeof bytes - 1, class}
        ROW("whole", META ORDER, OL_OK),
        ROW("nothing", "", OL_POISON),
        ROW("no body", META, OL_POISON),
        ROW("no metadata", ORDER, OL_POISON),
        ROW("no command id", "\x0a\x00" ORDER, OL_POISON),
        ROW("no order id", META "\x12\x00", OL_POISON),
        ROW("a body of another context",
            META "\x22\x03\x0a\x01"
                 "o",
            OL_POISON),
        ROW("metadata as a number", "\x08\x01" META ORDER, OL_POISON),
        ROW("a body as a number", META "\x10\x01" ORDER, OL_POISON),
        ROW("an id as a number", META "\x12\x02\x08\x01", OL_POISON),
        ROW("field 0", "\x00" META ORDER, OL_POISON),
        ROW("a length beyond the end",
            META "\x12\x04\x0a\x01"
                 "o",
            OL_POISON),
        ROW("a length beyond its message",
            META "\x12\x03\x0a\x02"
                 "o",
            OL_POISON),
        ROW("a number without an end",
            META ORDER "\x48\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", OL_POISON),
        ROW("a group", META ORDER "\x4b\x4c", OL_POISON),
        /* 16 bytes, as much as its place in the arena: what reads on is seen */
        ROW("a line cut off behind its tag",
            META "\x12\x09\x0a\x04"
                 "oooo\x22\x00\x22",
            OL_POISON),
        ROW("unknown: a number", META ORDER "\x48\x07", OL_OK),
        ROW("unknown: bytes", META ORDER "\x4a\x02zz", OL_OK),
        ROW("unknown: 32 bits",
            META ORDER "\x4d"
                       "abcd",
            OL_OK),
        ROW("unknown: 64 bits",
            META ORDER "\x49"
                       "abcdefgh",
            OL_OK),
        ROW("unknown: cut off",
            META ORDER "\x4d"
                       "abc",
            OL_POISON),
        ROW("unknown: in metadata",
            "\x0a\x05\x0a\x01"
            "c\x48\x07" ORDER,
            OL_OK),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command;
        cr_expect_eq(decode_order(rows[i].bytes, rows[i].size, &command), rows[i].class, "%s",
                     rows[i].what);
    }
}

/* ---- times ---- */

Test(codec_faults, a_claimed_time_that_no_zone_could_show_is_refused)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
        int64_t at_us; /* TIME_REFUSED: not one */
    } rows[] = {
#define TIME_REFUSED           INT64_MAX
#define ROW(what, time, at_us) {what, "\x0a" time ORDER, sizeof("\x0a" time ORDER) - 1, at_us}
        ROW("absent",
            "\x03\x0a\x01"
            "c",
            TIME_NONE),
        ROW("1970",
            "\x05\x0a\x01"
            "c\x2a\x00",
            0),
        ROW("a microsecond",
            "\x08\x0a\x01"
            "c\x2a\x03\x10\xe8\x07",
            1),
        ROW("less is cut off",
            "\x08\x0a\x01"
            "c\x2a\x03\x10\xe7\x07",
            0),
        ROW("a second of nanos",
            "\x0b\x0a\x01"
            "c\x2a\x06\x10\x80\x94\xeb\xdc\x03",
            TIME_REFUSED),
        ROW("nanos below zero",
            "\x10\x0a\x01"
            "c\x2a\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the last second of 9999",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\xff\x82\xd1\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the last second two days before its end",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\xff\xbc\xc6\xff\xaf\x07",
            253402127999000000),
        ROW("the next second",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\x80\xbd\xc6\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the year 10000",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\x80\x83\xd1\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the first second of 1",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the first second two days behind its beginning",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\x80\xd8\xc2\xc3\x98\xfe\xff\xff\xff\x01",
            -62135424000000000),
        ROW("the second before",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\xff\xd7\xc2\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the year 0",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\xff\x91\xb8\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command;
        cr_assert_eq(decode_order(rows[i].bytes, rows[i].size, &command), OL_OK, "%s: %s",
                     rows[i].what, error.text);
        bool refused = rows[i].at_us == TIME_REFUSED;
        cr_expect_eq(command.metadata.occurred_at_us, refused ? TIME_NONE : rows[i].at_us, "%s",
                     rows[i].what);
        cr_expect_eq(command.refused.code, refused ? REFUSED_TIME_INVALID : ACCEPTED, "%s",
                     rows[i].what);
        cr_expect(!refused || text_equal(command.refused.subject, TEXT("metadata.occurred_at")));
    }
}

/* ---- what a worker would not have written ---- */

static void no_version(struct sample *sample)
{
    sample->event.order.version = 0;
}
static void no_status(struct sample *sample)
{
    sample->event.order.status = ORDER_IS_NOTHING;
}
static void status_unknown(struct sample *sample)
{
    sample->event.order.status = ORDER_STATUS_COUNT;
}
static void saga_unknown(struct sample *sample)
{
    sample->event.order.saga_state = SAGA_STATE_COUNT;
}
static void payment_unknown(struct sample *sample)
{
    sample->event.order.payment = ORDER_PAYMENT_COUNT;
}
static void no_cause(struct sample *sample)
{
    sample->event.cause_source = CAUSE_NONE;
}
static void cause_unknown(struct sample *sample)
{
    sample->event.cause_source = CAUSE_STEPS + 1;
}
static void offset_negative(struct sample *sample)
{
    sample->event.cause_offset = -1;
}
static void place_too_large(struct sample *sample)
{
    sample->event.cause_place = BUNDLE_STEPS_MAX;
}
static void asker_negative(struct sample *sample)
{
    sample->event.asker.version = -1;
}
static void no_recorded_at(struct sample *sample)
{
    sample->event.recorded_at_us = TIME_NONE;
}
static void no_lines(struct sample *sample)
{
    sample->event.order.line_count = 0;
}
static void no_deadline(struct sample *sample)
{
    sample->event.order.deadline_us = TIME_NONE;
}
static void no_code(struct sample *sample)
{
    sample->event.order.code = ACCEPTED;
}
static void no_groups(struct sample *sample)
{
    sample->event.order.groups = 0;
}
static void group_64(struct sample *sample)
{
    sample->event.order.partition = 64;
}
static void group_below(struct sample *sample)
{
    sample->event.order.partition = -2;
}
static void group_negative(struct sample *sample)
{
    sample->event.order.partition = -1;
}
static void group_very_negative(struct sample *sample)
{
    sample->event.order.partition = -2;
}
static void quantity_none(struct sample *sample)
{
    ((struct order_line *)sample->event.order.lines)[1].quantity = 0;
}
static void amount_negative(struct sample *sample)
{
    ((struct order_line *)sample->event.order.lines)[1].amount_minor = -1;
}
static void too_many_lines(struct sample *sample)
{
    struct order_line *lines = ol_arena_alloc(&arena, (ORDER_LINES_MAX + 1) * sizeof *lines);
    for (size_t i = 0; i <= ORDER_LINES_MAX; i++)
        lines[i] = sample->event.order.lines[0];
    sample->event.order.lines = lines;
    sample->event.order.line_count = ORDER_LINES_MAX + 1;
}
static void nothing(struct sample *sample)
{
    (void)sample;
}

Test(codec_faults, events_that_no_worker_writes_are_poison)
{
    static const struct {
        const char *what, *message;
        void (*change)(struct sample *sample);
        enum ol_class class;
    } rows[] = {
        {"untouched", "OrderPlaced", nothing, OL_OK},
        {"no version", "OrderPlaced", no_version, OL_POISON},
        {"no status", "OrderConfirmed", no_status, OL_POISON},
        {"a status that does not exist", "OrderConfirmed", status_unknown, OL_POISON},
        {"a saga state that does not exist", "OrderConfirmed", saga_unknown, OL_POISON},
        {"a payment that does not exist", "OrderConfirmed", payment_unknown, OL_POISON},
        {"no cause", "OrderConfirmed", no_cause, OL_POISON},
        {"a cause that does not exist", "OrderConfirmed", cause_unknown, OL_POISON},
        {"an offset below zero", "OrderConfirmed", offset_negative, OL_POISON},
        {"a place that no bundle has", "OrderConfirmed", place_too_large, OL_POISON},
        {"an asker below 0", "OrderConfirmed", asker_negative, OL_POISON},
        {"no time", "OrderConfirmed", no_recorded_at, OL_POISON},
        {"no lines", "OrderPlaced", no_lines, OL_POISON},
        {"257 lines", "OrderPlaced", too_many_lines, OL_POISON},
        {"a quantity of 0", "OrderPlaced", quantity_none, OL_POISON},
        {"an amount below 0", "OrderPlaced", amount_negative, OL_POISON},
        {"no deadline", "OrderPlaced", no_deadline, OL_POISON},
        {"no deadline", "OrderRejected", no_deadline, OL_POISON},
        {"no code", "OrderRejected", no_code, OL_POISON},
        {"group -1: the payment", "OrderRejected", group_negative, OL_OK},
        {"group -2", "OrderRejected", group_very_negative, OL_POISON},
        {"no group", "OrderStockReserved", no_groups, OL_POISON},
        {"group -2", "OrderRejected", group_below, OL_POISON},
        {"group 64", "OrderRejected", group_64, OL_POISON},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample = sample_copy(sample_named(rows[i].message, CONTEXT_ORDERS), &arena),
                      decoded;
        struct bytes wire;
        rows[i].change(&sample);
        cr_assert(sample_encode(&sample, &arena, &wire));
        cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error), rows[i].class,
                     "%s: %s: %s", rows[i].message, rows[i].what, error.text);
    }
}

Test(codec_faults, a_version_that_no_state_has_is_poison)
{
    static const char *const names[] = {"OrderConfirmed", "StockReserved", "PaymentCaptured"};
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        struct sample sample = sample_copy(sample_named(names[i], (enum context)i), &arena),
                      decoded;
        int64_t *version = i == CONTEXT_ORDERS      ? &sample.event.order.version
                           : i == CONTEXT_INVENTORY ? &sample.event.inventory.version
                                                    : &sample.event.payment.version;
        struct bytes wire;
        *version = INT64_MAX;
        cr_assert(sample_encode(&sample, &arena, &wire));
        cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error), OL_OK, "%s: %s",
                     names[i], error.text);
        *version = INT64_MIN; /* one more, as it travels */
        cr_assert(sample_encode(&sample, &arena, &wire));
        cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error), OL_POISON, "%s",
                     names[i]);
    }
}

Test(codec_step, refuses_an_asker_out_of_its_range)
{
    static const struct asker wrong[] = {{-1, 1}, {1, -1}, {1, UINT16_MAX + 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct step_message step = {
            .context = CONTEXT_INVENTORY,
            .metadata = {.command_id = TEXT("o/1/1"), .occurred_at_us = TIME_NONE},
            .asker = wrong[i],
            .inventory = {.kind = STOCK_RELEASE, .order_id = TEXT("o")}};
        struct step_message decoded;
        struct bytes wire;
        cr_assert(codec_encode_step(&step, &arena, &wire));
        cr_assert_eq(codec_decode_step(CONTEXT_INVENTORY, wire, &arena, &decoded, &error),
                     OL_POISON);
        cr_assert(strstr(error.text, "asking_"), "%s", error.text);
    }
}

/* The decision asserts that there is an amount: such a step would end every worker that meets
 * it. */
Test(codec_faults, an_authorisation_of_nothing_is_poison)
{
    struct sample sample = sample_copy(sample_named("AuthorisePayment", CONTEXT_PAYMENTS), &arena),
                  decoded;
    struct bytes wire;
    for (int64_t amount_minor = -1; amount_minor <= 1; amount_minor++) {
        sample.step.payment.amount_minor = amount_minor;
        cr_assert(sample_encode(&sample, &arena, &wire));
        cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error),
                     amount_minor > 0 ? OL_OK : OL_POISON);
    }
}

Test(codec_faults, an_unknown_code_is_poison)
{
    struct sample decoded;
    struct bytes wire;
    const struct sample *sample = sample_named("OrderRejected", CONTEXT_ORDERS);
    cr_assert(sample_encode(sample, &arena, &wire));
    uint8_t *code = memmem(wire.data, wire.size, "STOCK_SHORT", 11);
    memcpy(code, "STOCK_SHARK", 11);
    cr_expect_eq(sample_decode_again(sample, wire, &arena, &decoded, &error), OL_POISON);
    cr_expect(strstr(error.text, "order_rejected.code: an unknown code"), "%s", error.text);
}

Test(codec_faults, a_refusal_is_no_aggregates_event)
{
    static const struct {
        const char *what;
        uint8_t field[2];
    } rows[] = {{"version", {0x20, 0x01}},
                {"status", {0x30, 0x01}},
                {"saga state", {0x38, 0x01}},
                {"payment", {0x40, 0x01}}};
    struct sample decoded;
    struct bytes wire;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        const struct sample *sample = sample_named("CommandRejected", (enum context)i);
        for (size_t k = 0; k < (i == CONTEXT_ORDERS ? 4 : 1); k++) {
            cr_assert(sample_encode(sample, &arena, &wire));
            uint8_t *longer = ol_arena_alloc(&arena, wire.size + sizeof rows[k].field);
            memcpy(longer, wire.data, wire.size);
            memcpy(longer + wire.size, rows[k].field, sizeof rows[k].field);
            wire = (struct bytes){longer, wire.size + sizeof rows[k].field};
            cr_expect_eq(sample_decode_again(sample, wire, &arena, &decoded, &error), OL_POISON,
                         "%s", rows[k].what);
            cr_expect(strstr(error.text, "do not fit the body"), "%s", error.text);
        }
    }
}

/* ---- drafts ---- */

/* A draft comes from a person's text: its bytes are nobody's, and the id may still be to come. */
Test(codec_faults, a_draft_needs_no_id_and_has_no_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum ol_class class;
        const char *text;
    } rows[] = {
#define ROW(bytes, class, text) {bytes, sizeof bytes - 1, class, text}
        ROW(META ORDER, OL_OK, NULL),
        ROW(ORDER, OL_OK, NULL),
        ROW(META, OL_POISON, "body: missing"),
        ROW(ORDER "\x12\x02\x0a\x00", OL_POISON, "place_order.order_id: an id is empty"),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct command command;
        const struct bytes wire = {(const uint8_t *)rows[i].bytes, rows[i].size};
        cr_assert_eq(codec_decode_draft(CONTEXT_ORDERS, wire, &arena, &command, &error),
                     rows[i].class, "row %zu", i);
        if (rows[i].class)
            cr_expect_str_eq(error.text, rows[i].text);
        else
            cr_expect(text_equal(command.order.order_id, TEXT("o")));
    }
}
