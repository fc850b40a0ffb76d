/*
 * tests/unit/test_codec_step_cause.c - a step says its cause where it does not follow otherwise
 */
#include "proto/codec.h"

#include <criterion/criterion.h>

#include "orderlog/common/v1/metadata.pb-c.h"
#include "proto/descriptors.h"
#include "tests/unit/codec_fixture.h"
#include "tests/unit/codec_random.h"

TestSuite(codec_step_cause, .init = set_up, .fini = tear_down);

struct row {
    const char *what;
    enum context context;
    const char *id, *correlation, *cause; /* of the step */
    int64_t asking_version;
    const char *said; /* the cause on the wire */
};

static const struct row rows[] = {
    {"a question that began the chain", CONTEXT_INVENTORY, "o/1/2", "p", "p", 1, ""},
    {"a question later in the chain", CONTEXT_PAYMENTS, "o/2/1", "p", "o/1/2/r", 2, "o/1/2/r"},
    {"a question without a chain", CONTEXT_PAYMENTS, "o/2/1", "", "o/2/1", 2, ""},
    {"a question with an answer's id", CONTEXT_INVENTORY, "o/1/2/r", "p", "o/1/2", 1, "o/1/2"},
    {"an answer", CONTEXT_ORDERS, "o/1/2/r", "p", "o/1/2", 1, ""},
    {"an answer of another cause", CONTEXT_ORDERS, "o/1/2/r", "p", "o/1/3", 1, "o/1/3"},
    {"an answer that what began the chain caused", CONTEXT_ORDERS, "o/1/2/r", "p", "p", 1, "p"},
    {"an answer to somebody else", CONTEXT_ORDERS, "x/r", "p", "x", 1, ""},
    {"an answer whose id carries nothing on", CONTEXT_ORDERS, "o/1/2", "p", "o/1/2", 1, "o/1/2"},
    {"one whose id is the end only", CONTEXT_ORDERS, "/r", "p", "p", 1, "p"},
    {"one of which no cause is told", CONTEXT_ORDERS, "x", "p", "", 1, ""},
    {"nobody asked", CONTEXT_ORDERS, "o/t/5", "", "o/t/5", 0, ""},
    {"nobody asked, and another began the chain", CONTEXT_ORDERS, "o/t/5", "p", "p", 0, ""},
    {"nobody asked, and the id has the end", CONTEXT_ORDERS, "x/r", "p", "x", 0, "x"},
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
                                .asker = {row->asking_version, 2}};
    switch (row->context) {
    case CONTEXT_ORDERS:
        step.order =
            (struct order_step){.kind = ORDER_PAYMENT_CHARGED_REPLY, .order_id = TEXT("o")};
        break;
    case CONTEXT_INVENTORY:
        step.inventory = (struct inventory_step){.kind = STOCK_RESERVE,
                                                 .order_id = TEXT("o"),
                                                 .lines = &line,
                                                 .line_count = 1,
                                                 .currency = TEXT("EUR")};
        break;
    default:
        step.payment = (struct payment_step){
            .kind = PAYMENT_CAPTURE, .payment_id = TEXT("o"), .customer_id = TEXT("anna")};
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
    cr_expect_str_eq(said->command_id, row->id, "%s: %s", row->what, said->command_id);
    cr_expect_str_eq(said->causation_id, row->said, "%s: %s", row->what, said->causation_id);
    cr_expect_str_eq(said->correlation_id, row->correlation, "%s", row->what);
    protobuf_c_message_free_unpacked(step, NULL);
}

Test(codec_step_cause, what_follows_is_left_away)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct step_message step = step_of(&rows[i]);
        expect_said(&rows[i], encode(&step));
    }
}

Test(codec_step_cause, what_was_left_away_comes_back)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct step_message step = step_of(&rows[i]), back;
        cr_assert_eq(codec_decode_step(step.context, encode(&step), &arena, &back, &error), OL_OK,
                     "%s: %s", rows[i].what, error.text);
        cr_expect(same_step(&step, &back), "%s", rows[i].what);
    }
}

Test(codec_step_cause, written_out_it_stands_there_and_means_the_same)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct row whole = rows[i];
        struct step_message step = step_of(&rows[i]), back;
        struct bytes wire;
        whole.said = whole.cause;
        cr_assert(codec_encode_step_in_full(&step, &arena, &wire));
        expect_said(&whole, wire);
        cr_assert_eq(codec_decode_step(step.context, wire, &arena, &back, &error), OL_OK);
        cr_expect(same_step(&step, &back), "%s", rows[i].what);
    }
}

/* It can't say that nothing caused it where something follows. */
Test(codec_step_cause, what_is_not_told_follows)
{
    static const struct row untold[] = {
        {"a question", CONTEXT_INVENTORY, "o/1/2", "p", "", 1, ""},
        {"an answer", CONTEXT_ORDERS, "o/1/2/r", "p", "", 1, ""},
        {"a timeout", CONTEXT_ORDERS, "o/t/5", "", "", 0, ""},
    };
    static const char *const causes[] = {"p", "o/1/2", "o/t/5"};
    for (size_t i = 0; i < sizeof untold / sizeof *untold; i++) {
        struct step_message step = step_of(&untold[i]), back;
        cr_assert_eq(codec_decode_step(step.context, encode(&step), &arena, &back, &error), OL_OK);
        cr_expect(text_equal(back.metadata.causation_id, text_of(causes[i])), "%s", untold[i].what);
    }
}

Test(codec_step_cause, a_step_without_an_id_is_poison)
{
    static const struct row none = {"no id", CONTEXT_INVENTORY, "", "p", "p", 1, "p"};
    struct step_message step = step_of(&none), back;
    cr_expect_eq(codec_decode_step(step.context, encode(&step), &arena, &back, &error), OL_POISON);
    cr_expect(strstr(error.text, "metadata.command_id: missing"), "%s", error.text);
}
