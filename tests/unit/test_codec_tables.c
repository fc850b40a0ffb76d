/*
 * tests/unit/test_codec_tables.c - the codec's tables say what the schema says.
 */
#include "proto/codec_tables.h"

#include <criterion/criterion.h>

#include "proto/descriptors.h"
#include "orderlog/common/v1/metadata.pb-c.h"
#include "orderlog/orders/v1/event.pb-c.h"

static ProtobufCType schema_type(const struct wire_field *field)
{
    switch ((enum wire_type)field->type) {
    case WIRE_TEXT:
    case WIRE_CODE: return PROTOBUF_C_TYPE_STRING;
    case WIRE_INT64: return PROTOBUF_C_TYPE_INT64;
    case WIRE_INT32: return PROTOBUF_C_TYPE_INT32;
    case WIRE_ENUM: return PROTOBUF_C_TYPE_ENUM;
    default: return PROTOBUF_C_TYPE_MESSAGE;
    }
}

/* Of codes, times and lines only the table knows whether none is a value. */
static bool is_needed(const struct wire_message *message, const struct wire_field *field)
{
    bool is_number = field->type == WIRE_INT64 || field->type == WIRE_ENUM;
    if (message == &codec_metadata) /* its id is asked for by the envelopes: a receipt has none */
        return false;
    return field->flags & WIRE_KEY || (is_number && field->min > 0);
}

static void check_message(const struct wire_message *message,
                          const ProtobufCMessageDescriptor *descriptor)
{
    cr_expect_str_eq(message->name, descriptor->short_name);
    cr_assert_eq(message->field_count, descriptor->n_fields, "%s", message->name);
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *ours = &message->fields[i];
        const ProtobufCFieldDescriptor *theirs = &descriptor->fields[i];
        cr_expect_str_eq(ours->name, theirs->name, "%s", message->name);
        cr_expect_eq(ours->tag >> 3, theirs->id, "%s.%s", message->name, ours->name);
        cr_expect_lt(theirs->id, 16u, "%s.%s: a tag of one byte", message->name, ours->name);
        cr_expect_eq(schema_type(ours), theirs->type, "%s.%s", message->name, ours->name);
        cr_expect_eq(ours->type == WIRE_LINES, theirs->label == PROTOBUF_C_LABEL_REPEATED);
        if (ours->type == WIRE_TIME)
            cr_expect_str_eq(((const ProtobufCMessageDescriptor *)theirs->descriptor)->name,
                             "google.protobuf.Timestamp");
        if (is_needed(message, ours))
            cr_expect(ours->flags & WIRE_REQUIRED, "%s.%s may be missing", message->name,
                      ours->name);
        if (ours->message)
            check_message(ours->message, theirs->descriptor);
    }
}

static unsigned check_bodies(const struct codec_bodies *bodies,
                             const ProtobufCMessageDescriptor *envelope)
{
    for (uint32_t kind = 1; kind < bodies->count; kind++) {
        const struct wire_body *body = &bodies->rows[kind];
        if (!body->message)
            continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(envelope, body->number);
        cr_assert(field, "%s", body->name);
        cr_expect_str_eq(body->name, field->name);
        cr_expect(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
        check_message(body->message, field->descriptor);
    }
    return bodies->count - 1;
}

static unsigned members(const ProtobufCMessageDescriptor *envelope)
{
    unsigned count = 0;
    for (unsigned i = 0; i < envelope->n_fields; i++)
        count += (envelope->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    return count;
}

Test(codec_tables, know_every_body_of_every_context)
{
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        enum context context = (enum context)i;
        const struct codec_context *tables = codec_contexts[context];
        const ProtobufCMessageDescriptor *commands = envelope_descriptor(context, STREAM_COMMANDS),
                                         *steps = envelope_descriptor(context, STREAM_STEPS),
                                         *events = envelope_descriptor(context, STREAM_EVENTS);
        cr_expect_str_eq(tables->package, events->package_name);
        cr_expect_eq(check_bodies(&tables->commands, commands), members(commands));
        cr_expect_eq(check_bodies(&tables->steps, steps), members(steps));
        cr_expect_eq(check_bodies(&tables->events, events) + EVENT_BODY_RECEIPT - EVENT_BODY_DOMAIN,
                     members(events));
        check_bodies(&codec_common_events, events);
    }
}

/* Of the longest "field.field[index].field" below a message, with an index of as many digits as a
 * message has bytes. */
static size_t longest_path(const struct wire_message *message)
{
    size_t longest = 0;
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *field = &message->fields[i];
        size_t bytes = strlen(field->name);
        if (field->type == WIRE_LINES)
            bytes += strlen("[262144]");
        if (field->message)
            bytes += 1 + longest_path(field->message);
        if (bytes > longest)
            longest = bytes;
    }
    return longest;
}

/* Where a fault is told, the path to it is whole: wire.c asserts it. */
Test(codec_tables, have_paths_that_fit)
{
    _Static_assert(MESSAGE_BYTES_MAX <= 262144, "no more lines than this");
    cr_expect_lt(strlen("metadata.") + longest_path(&codec_metadata), WIRE_PATH_BYTES);
    cr_expect_lt(strlen("cause.") + longest_path(&codec_cause), WIRE_PATH_BYTES);
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        const struct codec_bodies *all[] = {&codec_contexts[i]->commands, &codec_contexts[i]->steps,
                                            &codec_contexts[i]->events, &codec_common_events};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            for (uint32_t kind = 1; kind < all[k]->count; kind++) {
                const struct wire_body *body = &all[k]->rows[kind];
                if (body->message)
                    cr_expect_lt(strlen(body->name) + 1 + longest_path(body->message),
                                 WIRE_PATH_BYTES, "%s", body->name);
            }
    }
}

Test(codec_tables, know_metadata_and_cause)
{
    check_message(&codec_metadata, &orderlog__common__v1__metadata__descriptor);
    check_message(&codec_cause, &orderlog__common__v1__cause__descriptor);
}

Test(codec_tables, name_the_counts_of_a_receipt_as_the_domain_does)
{
    const struct wire_message *receipt = codec_common_events.rows[EVENT_BODY_RECEIPT].message;
    unsigned first = receipt->field_count - RECEIPT_COUNTS;
    for (unsigned i = 0; i < RECEIPT_COUNTS; i++) {
        cr_expect_str_eq(receipt->fields[first + i].name,
                         receipt_count_name((enum receipt_count)i));
        cr_expect_eq(receipt->fields[first + i].offset, offsetof(struct receipt, counts[i]));
    }
}

/* Enums travel as their numbers. */
#define SAME(domain, schema) _Static_assert((int)domain == (int)schema, #domain " is " #schema)
SAME(ORDER_IS_PLACED, ORDERLOG__ORDERS__V1__ORDER_STATUS__ORDER_STATUS_PLACED);
SAME(ORDER_IS_RESERVED, ORDERLOG__ORDERS__V1__ORDER_STATUS__ORDER_STATUS_RESERVED);
SAME(ORDER_IS_CONFIRMED, ORDERLOG__ORDERS__V1__ORDER_STATUS__ORDER_STATUS_CONFIRMED);
SAME(ORDER_IS_REJECTED, ORDERLOG__ORDERS__V1__ORDER_STATUS__ORDER_STATUS_REJECTED);
SAME(ORDER_IS_CANCELLED, ORDERLOG__ORDERS__V1__ORDER_STATUS__ORDER_STATUS_CANCELLED);
SAME(SAGA_IS_RUNNING, ORDERLOG__ORDERS__V1__SAGA_STATE__SAGA_STATE_RUNNING);
SAME(SAGA_IS_UNDOING, ORDERLOG__ORDERS__V1__SAGA_STATE__SAGA_STATE_UNDOING);
SAME(SAGA_IS_DONE, ORDERLOG__ORDERS__V1__SAGA_STATE__SAGA_STATE_DONE);
SAME(SAGA_IS_UNDONE, ORDERLOG__ORDERS__V1__SAGA_STATE__SAGA_STATE_UNDONE);
SAME(SAGA_IS_STUCK, ORDERLOG__ORDERS__V1__SAGA_STATE__SAGA_STATE_STUCK);
SAME(ORDER_PAYMENT_ASKED, ORDERLOG__ORDERS__V1__ORDER_PAYMENT__ORDER_PAYMENT_ASKED);
SAME(ORDER_PAYMENT_AUTHORISED, ORDERLOG__ORDERS__V1__ORDER_PAYMENT__ORDER_PAYMENT_AUTHORISED);
SAME(ORDER_PAYMENT_DECLINED, ORDERLOG__ORDERS__V1__ORDER_PAYMENT__ORDER_PAYMENT_DECLINED);
SAME(ORDER_PAYMENT_ASKED_BACK, ORDERLOG__ORDERS__V1__ORDER_PAYMENT__ORDER_PAYMENT_ASKED_BACK);
SAME(ORDER_PAYMENT_GIVEN_BACK, ORDERLOG__ORDERS__V1__ORDER_PAYMENT__ORDER_PAYMENT_GIVEN_BACK);
SAME(CAUSE_COMMANDS, ORDERLOG__COMMON__V1__CAUSE_SOURCE__CAUSE_SOURCE_COMMANDS);
SAME(CAUSE_STEPS, ORDERLOG__COMMON__V1__CAUSE_SOURCE__CAUSE_SOURCE_STEPS);
SAME(OUTCOME_ACCEPTED, ORDERLOG__COMMON__V1__COMMAND_OUTCOME__COMMAND_OUTCOME_ACCEPTED);
SAME(OUTCOME_REJECTED, ORDERLOG__COMMON__V1__COMMAND_OUTCOME__COMMAND_OUTCOME_REJECTED);

Test(codec_tables, know_every_value_of_every_enum)
{
    cr_expect_eq(orderlog__orders__v1__order_status__descriptor.n_values, ORDER_STATUS_COUNT);
    cr_expect_eq(orderlog__orders__v1__saga_state__descriptor.n_values, SAGA_STATE_COUNT);
    cr_expect_eq(orderlog__orders__v1__order_payment__descriptor.n_values, ORDER_PAYMENT_COUNT);
    cr_expect_eq(orderlog__common__v1__cause_source__descriptor.n_values, CAUSE_STEPS + 1);
    cr_expect_eq(orderlog__common__v1__command_outcome__descriptor.n_values, OUTCOME_REJECTED + 1);
}
