/*
 * tests/unit/test_codec_step_ids.c - a step says of its ids what does not follow from the rest.
 */
#include "proto/codec.h"

#include <criterion/criterion.h>

#include "orderlog/common/v1/metadata.pb-c.h"
#include "proto/descriptors.h"
#include "tests/unit/codec_fixture.h"
#include "tests/unit/codec_random.h"

TestSuite(codec_step_ids, .init = set_up, .fini = tear_down);

#define LONG_ORDER                                                                                 \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"  \
    "1234567890"

struct row {
    const char *what;
    enum context context;
    const char *order, *id, *correlation, *cause; /* of the step */
    struct asker asker;
    const char *said_id, *said_cause; /* what stands on the wire */
};

static const struct row rows[] = {
    {"a question that began the chain", CONTEXT_INVENTORY, "o", "o/1/2", "p", "p", {1, 2}, "", ""},
    {"a question later in the chain",
     CONTEXT_PAYMENTS,
     "o",
     "o/2/1",
     "p",
     "o/1/2/r",
     {2, 1},
     "",
     "o/1/2/r"},
    {"a question without a chain", CONTEXT_PAYMENTS, "o", "o/2/1", "", "", {2, 1}, "", ""},
    {"a question whose cause is not told",
     CONTEXT_INVENTORY,
     "o",
     "o/1/2",
     "p",
     "",
     {1, 2},
     "o/1/2",
     ""},
    {"an answer", CONTEXT_ORDERS, "o", "o/1/2/r", "p", "o/1/2", {1, 2}, "", ""},
    {"an answer of another cause",
     CONTEXT_ORDERS,
     "o",
     "o/1/2/r",
     "p",
     "o/1/3",
     {1, 2},
     "",
     "o/1/3"},
    {"an answer whose cause is not told",
     CONTEXT_ORDERS,
     "o",
     "o/1/2/r",
     "p",
     "",
     {1, 2},
     "o/1/2/r",
     ""},
    {"somebody else's id", CONTEXT_ORDERS, "o", "x", "p", "o/1/2", {1, 2}, "x", "o/1/2"},
    {"the id of another version", CONTEXT_INVENTORY, "o", "o/2/2", "p", "p", {1, 2}, "o/2/2", "p"},
    {"a question with an answer's id",
     CONTEXT_INVENTORY,
     "o",
     "o/1/2/r",
     "p",
     "p",
     {1, 2},
     "o/1/2/r",
     "p"},
    {"nobody asked", CONTEXT_ORDERS, "o", "o/t/5", "", "", {0, 0}, "o/t/5", ""},
    {"an order's id that leaves no room",
     CONTEXT_INVENTORY,
     LONG_ORDER,
     LONG_ORDER "/1/2",
     "p",
     "p",
     {1, 2},
     LONG_ORDER "/1/2",
     "p"},
};
#define ROWS (sizeof rows / sizeof *rows)

static struct step_message step_of(const struct row *row)
{
    static const struct stock_line line = {TEXT("s"), 1, 0};
    struct step_message step = {.context = row->context,
                                .metadata = {.command_id = text_of(row->id),
                                             .correlation_id = text_of(row->correlation),
                                             .causation_id = text_of(row->cause),
                                             .occurred_at_us = TIME_NONE},
                                .asker = row->asker};
    switch (row->context) {
    case CONTEXT_ORDERS:
        step.order = (struct order_step){.kind = ORDER_PAYMENT_CHARGED_REPLY,
                                         .order_id = text_of(row->order)};
        break;
    case CONTEXT_INVENTORY:
        step.inventory = (struct inventory_step){.kind = STOCK_RESERVE,
                                                 .order_id = text_of(row->order),
                                                 .lines = &line,
                                                 .line_count = 1,
                                                 .currency = TEXT("EUR")};
        break;
    default:
        step.payment = (struct payment_step){.kind = PAYMENT_CAPTURE,
                                             .payment_id = text_of(row->order),
                                             .customer_id = TEXT("anna")};
    }
    return step;
}

static struct bytes encode(const struct step_message *step)
{
    struct bytes wire;
    cr_assert(codec_encode_step(step, &arena, &wire));
    return wire;
}

/* As a reader sees it who knows no rule: protobuf-c, by the descriptors. */
static void expect_said(const struct row *row, struct bytes wire)
{
    const ProtobufCMessageDescriptor *descriptor = envelope_descriptor(row->context, STREAM_STEPS);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptor, "metadata");
    ProtobufCMessage *step = protobuf_c_message_unpack(descriptor, NULL, wire.size, wire.data);
    cr_assert(step);
    const Orderlog__Common__V1__Metadata none = ORDERLOG__COMMON__V1__METADATA__INIT, *said;
    memcpy(&said, (char *)step + field->offset, sizeof said);
    said = said ? said : &none;
    cr_expect_str_eq(said->command_id, row->said_id, "%s: %s", row->what, said->command_id);
    cr_expect_str_eq(said->causation_id, row->said_cause, "%s: %s", row->what, said->causation_id);
    cr_expect_str_eq(said->correlation_id, row->correlation, "%s", row->what);
    protobuf_c_message_free_unpacked(step, NULL);
}

Test(codec_step_ids, what_follows_is_left_away)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct step_message step = step_of(&rows[i]);
        expect_said(&rows[i], encode(&step));
    }
}

Test(codec_step_ids, what_was_left_away_comes_back)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct step_message step = step_of(&rows[i]), back;
        cr_assert_eq(codec_decode_step(step.context, encode(&step), &arena, &back, &error), OL_OK,
                     "%s: %s", rows[i].what, error.text);
        cr_expect(same_step(&step, &back), "%s", rows[i].what);
    }
}

Test(codec_step_ids, written_out_they_all_stand_there_and_mean_the_same)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct row whole = rows[i];
        struct step_message step = step_of(&rows[i]), back;
        struct bytes wire;
        whole.said_id = whole.id;
        whole.said_cause = whole.cause;
        cr_assert(codec_encode_step_in_full(&step, &arena, &wire));
        expect_said(&whole, wire);
        cr_assert_eq(codec_decode_step(step.context, wire, &arena, &back, &error), OL_OK);
        cr_expect(same_step(&step, &back), "%s", rows[i].what);
    }
}

Test(codec_step_ids, a_step_without_an_id_that_follows_from_nothing_is_poison)
{
    static const struct row none = {.what = "nobody asked", .order = "o", .id = "", .cause = ""};
    struct step_message step = step_of(&none), back;
    cr_expect_eq(codec_decode_step(CONTEXT_ORDERS, encode(&step), &arena, &back, &error),
                 OL_POISON);
    cr_expect(strstr(error.text, "metadata.command_id: missing"), "%s", error.text);
}

Test(codec_step_ids, no_memory_for_them_is_no_poison)
{
    struct step_message step = step_of(&rows[0]), back;
    struct bytes wire = encode(&step);
    size_t budget = 1;
    for (enum ol_class class = OL_RETRY; class; budget++) {
        struct ol_arena small;
        ol_arena_init(&small, 1, budget);
        class = codec_decode_step(step.context, wire, &small, &back, &error);
        cr_assert(class == OL_OK || class == OL_RETRY, "%zu: %s", budget, error.text);
        ol_arena_release(&small);
    }
    cr_expect_gt(budget, wire.size);
}
