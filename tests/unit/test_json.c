/*
 * tests/unit/test_json.c - the JSON mapping of messages, and what is said about a wrong line.
 *
 * Whole messages of every kind: test_codec_golden.c and test_codec.c.
 */
#include "proto/json.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/descriptors.h"

static struct ol_arena arena;
static struct ol_error error;
static size_t column;

static void set_up(void)
{
    ol_arena_init(&arena, 1, 0);
}

static void tear_down(void)
{
    ol_arena_release(&arena);
}

TestSuite(json, .init = set_up, .fini = tear_down);

static enum ol_class decode(const char *json, struct command *ret_command)
{
    column = 1;
    error = (struct ol_error){0};
    return json_decode_command(json, strlen(json), &arena, ret_command, &column, &error);
}

static struct command decoded(const char *json)
{
    struct command command = {0};
    cr_assert_eq(decode(json, &command), OL_OK, "%s: %s", json, error.text);
    return command;
}

/* ---- reading ---- */

Test(json, reads_a_command_of_each_context)
{
    struct command order = decoded("{\"metadata\":{\"commandId\":\"c1\"},\"placeOrder\":{"
                                   "\"orderId\":\"o1\",\"customerId\":\"é\",\"currency\":\"EUR\","
                                   "\"lines\":[{\"sku\":\"a\",\"quantity\":\"3\"},{}]}}");
    cr_expect_eq(order.context, CONTEXT_ORDERS);
    cr_expect_eq(order.order.kind, ORDER_PLACE);
    cr_expect(text_equal(order.metadata.command_id, TEXT("c1")));
    cr_expect(text_equal(order.order.customer_id, TEXT("é")));
    cr_expect_eq(order.order.line_count, 2u);
    cr_expect_eq(order.order.lines[0].quantity, 3);
    cr_expect_neq(order.body_digest, 0u);

    struct command product =
        decoded("{\"addProduct\":{\"sku\":\"s\",\"details\":{\"name\":\"n\"}}}");
    cr_expect_eq(product.context, CONTEXT_INVENTORY);
    cr_expect(text_equal(product.inventory.details.name, TEXT("n")));

    struct command funds = decoded("{\"depositFunds\":{\"customerId\":\"c\",\"amountMinor\":7}}");
    cr_expect_eq(funds.context, CONTEXT_PAYMENTS);
    cr_expect_eq(funds.payment.amount_minor, 7);
}

Test(json, leaves_a_missing_command_id_to_the_publisher)
{
    struct command command = decoded("{\"cancelOrder\":{\"orderId\":\"o\"}}");
    cr_expect_eq(command.metadata.command_id.bytes, 0u);
    cr_expect_eq(command.metadata.occurred_at_us, TIME_NONE);
}

Test(json, takes_both_spellings_and_null_for_absent)
{
    struct command command =
        decoded("{\"metadata\":null,\"place_order\":{\"order_id\":\"o\",\"customer_id\":\"c\","
                "\"currency\":null,\"lines\":[]},\"cancelOrder\":null}");
    cr_expect_eq(command.order.kind, ORDER_PLACE);
    cr_expect(text_equal(command.order.customer_id, TEXT("c")));
}

Test(json, reads_integers_as_numbers_or_as_strings)
{
    static const struct {
        const char *json;
        int64_t value;
        bool good;
    } rows[] = {
        {"7", 7, true},
        {"\"7\"", 7, true},
        {"-7", -7, true},
        {"\"-9223372036854775808\"", INT64_MIN, true},
        {"9223372036854775807", INT64_MAX, true},
        {"1e3", 1000, true},
        {"2.0", 2, true},
        {"9007199254740993.0", 9007199254740993, true},
        {"9007199254740993e0", 9007199254740993, true},
        {"900719925474099.3E+1", 9007199254740993, true},
        {"90071992547409930e-1", 9007199254740993, true},
        {"1e18", 1000000000000000000, true},
        {"-1.0e18", -1000000000000000000, true},
        {"9223372036854775807.000", INT64_MAX, true},
        {"-9.223372036854775808e18", INT64_MIN, true},
        {"0.000e-99", 0, true},
        {"0e999999999999", 0, true},
        {"10000000000000000000e-1", 1000000000000000000, true},
        {"9223372036854775808", 0, false},
        {"-9223372036854775809.0", 0, false},
        {"1e19", 0, false},
        {"1e400", 0, false},
        {"1e-400", 0, false},
        {"0.99999999999999999999", 0, false},
        {"1.0000000000000000000001", 0, false},
        {"4503599627370497.5", 0, false},
        {"1e99999999999999999999", 0, false},
        {"2.5", 0, false},
        {"1e300", 0, false},
        {"\"9223372036854775808\"", 0, false},
        {"\"7 \"", 0, false},
        {"\"\"", 0, false},
        {"true", 0, false},
        {"[7]", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[200];
        struct command command;
        snprintf(json, sizeof json, "{\"increaseStock\":{\"sku\":\"s\",\"quantity\":%s}}",
                 rows[i].json);
        cr_expect_eq(decode(json, &command), rows[i].good ? OL_OK : OL_POISON, "%s", rows[i].json);
        if (rows[i].good)
            cr_expect_eq(command.inventory.quantity, rows[i].value, "%s", rows[i].json);
        else
            cr_expect(strstr(error.text, "increaseStock.quantity: "), "%s", error.text);
    }
}

Test(json, reads_times)
{
    static const struct {
        const char *text;
        int64_t at_us;
        bool good;
    } rows[] = {
        {"2017-10-02T10:56:33Z", 1506941793000000, true},
        {"2017-10-02T10:56:33.12Z", 1506941793120000, true},
        {"2017-10-02T10:56:33.123456789Z", 1506941793123456, true},
        {"2017-10-02T12:56:33+02:00", 1506941793000000, true},
        {"0001-01-03T00:00:00Z", -62135424000000000, true},
        {"9999-12-29T23:59:59.999999Z", 253402127999999999, true},
        {"0001-01-02T23:59:59Z", 0, false},
        {"0001-01-01T00:00:00Z", 0, false},
        {"9999-12-30T00:00:00Z", 0, false},
        {"9999-12-31T23:59:59Z", 0, false},
        {"2017-10-02T10:56:33", 0, false},
        {"2017-02-29T10:56:33Z", 0, false},
        {"yesterday", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[200];
        struct command command;
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"occurredAt\":\"%s\"},\"cancelOrder\":{\"orderId\":\"o\"}}",
                 rows[i].text);
        cr_expect_eq(decode(json, &command), rows[i].good ? OL_OK : OL_POISON, "%s", rows[i].text);
        if (rows[i].good)
            cr_expect_eq(command.metadata.occurred_at_us, rows[i].at_us, "%s", rows[i].text);
    }
}

Test(json, says_what_is_wrong_and_where)
{
    static const struct {
        const char *json, *text;
        size_t column;
    } rows[] = {
        {"", "not JSON", 1},
        {"{\"cancelOrder\":}", "not JSON", 16},
        {"{\"a\":1e18,\"b\":}", "not JSON", 15},
        {"{\"a\":1e18,\"b\":01}", "not JSON", 15},
        {"{\"a\":-}", "not JSON", 6},
        {"{\"a\":1.}", "not JSON", 7},
        {"{\"increaseStock\":{\"sku\":\"s\",\"quantity\":2.5}}",
         "increaseStock.quantity: must be a whole number", 1},
        {"{\"depositFunds\":{\"amountMinor\":1.005}}",
         "depositFunds.amountMinor: must be whole minor units", 1},
        {"{\"placeOrder\":{\"lines\":[{\"amountMinor\":\"1.005\"}]}}",
         "placeOrder.lines[0].amountMinor: must be whole minor units", 1},
        {"{\"addProduct\":{\"details\":{\"priceMinor\":\"many\"}}}",
         "addProduct.details.priceMinor: must be a whole number, or a string of digits", 1},
        {"{\"depositFunds\":{\"amountMinor\":1.5e19}}", "depositFunds.amountMinor: out of range",
         1},
        {"{\"increaseStock\":{\"sku\":\"s\",\"quantity\":\"2.5\"}}",
         "increaseStock.quantity: must be a whole number, or a string of digits", 1},
        {"{\"increaseStock\":{\"sku\":\"s\",\"quantity\":1e19}}",
         "increaseStock.quantity: out of range", 1},
        {"{\"cancelOrder\":{\"orderId\":7.0}}", "cancelOrder.orderId: must be a string", 1},
        {"{\"cancelOrder\":{\"orderId\":\"o\",\"orderId\":\"p\"}}", "duplicate", 39},
        {"{\"cancelOrder\":{\"orderId\":\"o\\u0000\"}}", "a text holds a NUL byte", 35},
        {"{\"cancelOrder\":{\"orderId\":\"\xff\"}}", "not JSON", 27},
        {"[]", "must be an object", 1},
        {"{}", "names no command", 1},
        {"{\"metadata\":{}}", "names no command", 1},
        {"{\"cancelOder\":{}}", "cancelOder: no such field; did you mean cancelOrder?", 1},
        {"{\"addprod\":{}}", "addprod: no such field; did you mean addProduct?", 1},
        {"{\"frobnicate\":{}}", "frobnicate: no such field", 1},
        {"{\"cancelOrder\":{\"oderId\":\"o\"}}",
         "cancelOrder.oderId: no such field; did you mean orderId?", 1},
        {"{\"cancelOrder\":{\"orderId\":\"o\"},\"metdata\":{}}",
         "metdata: no such field; did you mean metadata?", 1},
        {"{\"cancelOrder\":{\"orderId\":\"o\",\"order_id\":\"o\"}}", "given twice", 1},
        {"{\"cancelOrder\":{\"orderId\":\"o\"},\"placeOrder\":{\"orderId\":\"o\"}}", "only one", 1},
        {"{\"cancelOrder\":{\"orderId\":\"o\"},\"addProduct\":{\"sku\":\"o\"}}", "more than one",
         1},
        {"{\"cancelOrder\":{\"orderId\":7}}", "cancelOrder.orderId: must be a string", 1},
        {"{\"cancelOrder\":7}", "cancelOrder: must be an object", 1},
        {"{\"placeOrder\":{\"orderId\":\"o\",\"lines\":{}}}", "placeOrder.lines: must be an array",
         1},
        {"{\"placeOrder\":{\"orderId\":\"o\",\"lines\":[{},{\"quantity\":\"x\"}]}}",
         "placeOrder.lines[1].quantity: must be", 1},
        {"{\"cancelOrder\":{}}", "cancel_order.order_id: missing", 1},
        {"{\"cancelOrder\":{\"orderId\":\"a\\nb\"}}",
         "cancel_order.order_id: an id holds a control", 1},
        {"{\"cancelOrder\":{\"orderId\":\"a\\u200bb\"}}",
         "cancel_order.order_id: an id holds a hidden character", 1},
        {"{\"cancelOrder\":{\"orderId\":\"a\\u00a0b\"}}",
         "cancel_order.order_id: an id holds a blank", 1},
        {"{\"cancelOrder\":{\"orderId\":\"ab \"}}",
         "cancel_order.order_id: an id begins or ends with a blank", 1},
        {"{\"metadata\":{\"commandId\":\"a\\tb\"},\"cancelOrder\":{\"orderId\":\"o\"}}",
         "metadata.command_id: an id holds a control character", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command = {.context = CONTEXT_COUNT};
        cr_expect_eq(decode(rows[i].json, &command), OL_POISON, "%s", rows[i].json);
        cr_expect_eq(error.class, OL_POISON);
        cr_expect(strstr(error.text, rows[i].text), "%s: %s", rows[i].json, error.text);
        cr_expect(!strstr(error.text, "at byte"), "%s", error.text);
        cr_expect_eq(column, rows[i].column, "%s: %zu", rows[i].json, column);
        cr_expect_eq(command.context, CONTEXT_COUNT);
    }
}

/* What the codec would refuse is told to who wrote the line, before it is published. */
Test(json, says_what_would_be_refused)
{
    char json[400], actor[130];
    struct command command;
    memset(actor, 'x', 129);
    actor[129] = '\0';
    snprintf(json, sizeof json,
             "{\"metadata\":{\"actor\":\"%s\"},\"cancelOrder\":{\"orderId\":\"o\"}}", actor);
    cr_expect_eq(decode(json, &command), OL_POISON);
    cr_expect_str_eq(error.text, "metadata.actor: a text is longer than its field allows");
}

Test(json, says_when_a_command_is_too_large)
{
    size_t size = MESSAGE_BYTES_MAX + 100;
    char *json = ol_arena_alloc(&arena, size + 200);
    struct command command;
    int head = sprintf(json, "{\"placeOrder\":{\"orderId\":\"o\",\"currency\":\"");
    memset(json + head, 'x', size);
    strcpy(json + (size_t)head + size, "\"}}");
    cr_expect_eq(decode(json, &command), OL_POISON);
    cr_expect(strstr(error.text, "256 KiB"), "%s", error.text);
}

Test(json, says_when_the_budget_is_spent)
{
    const char *json = "{\"cancelOrder\":{\"orderId\":\"o\"}}";
    for (size_t budget = 16; budget < 256; budget += 16) {
        struct ol_arena small;
        struct command command;
        ol_arena_init(&small, 64, budget);
        enum ol_class class =
            json_decode_command(json, strlen(json), &small, &command, &column, &error);
        cr_expect(class == OL_OK || class == OL_RETRY);
        ol_arena_release(&small);
    }
}

/* ---- writing ---- */

static const char *written(enum context context, enum stream stream, const char *bytes, size_t size)
{
    static struct ol_text text;
    ol_text_clear(&text);
    enum ol_class class = json_from_wire(
        context, stream, (struct bytes){(const uint8_t *)bytes, size}, &text, &error);
    cr_assert_eq(class, OL_OK, "%s", error.text);
    return ol_text_string(&text);
}
#define WRITTEN(context, stream, bytes) written(context, stream, bytes, sizeof bytes - 1)

Test(json, shows_faulty_messages_as_far_as_they_go)
{
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_COMMANDS, ""), "{}");
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_COMMANDS, "\x1a\x00"), "{\"cancelOrder\":{}}");
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_COMMANDS,
                             "\x1a\x05\x0a\x03"
                             "a\xff"
                             "b"),
                     "{\"cancelOrder\":{\"orderId\":\"a\xef\xbf\xbd"
                     "b\"}}");
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_COMMANDS,
                             "\x1a\x05\x0a\x03"
                             "a\x00"
                             "b"),
                     "{\"cancelOrder\":{\"orderId\":\"a\\u0000b\"}}");
    /* unknown fields, a field twice, both members of the oneof */
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_COMMANDS,
                             "\x12\x03\x0a\x01"
                             "n\x48\x07\x1a\x06\x0a\x01"
                             "a\x0a\x01"
                             "b"),
                     "{\"cancelOrder\":{\"orderId\":\"b\"}}");
    /* an unknown enum value */
    cr_expect_str_eq(WRITTEN(CONTEXT_ORDERS, STREAM_EVENTS, "\x30\x63"), "{\"status\":99}");
}

Test(json, writes_times_with_as_many_digits_as_they_need)
{
#define TIME(bytes) WRITTEN(CONTEXT_ORDERS, STREAM_EVENTS, "\x12" bytes)
    cr_expect_str_eq(TIME("\x00"), "{\"recordedAt\":\"1970-01-01T00:00:00Z\"}");
    cr_expect_str_eq(TIME("\x05\x10\x80\xda\xc4\x09"),
                     "{\"recordedAt\":\"1970-01-01T00:00:00.020Z\"}");
    cr_expect_str_eq(TIME("\x03\x10\xe8\x07"), "{\"recordedAt\":\"1970-01-01T00:00:00.000001Z\"}");
    cr_expect_str_eq(TIME("\x02\x10\x01"), "{\"recordedAt\":\"1970-01-01T00:00:00.000000001Z\"}");
    cr_expect_str_eq(TIME("\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01"),
                     "{\"recordedAt\":\"1969-12-31T23:59:59.000000001Z\"}");
    cr_expect_str_eq(TIME("\x07\x08\x80\x83\xd1\xff\xaf\x07"),
                     "{\"recordedAt\":{\"seconds\":\"253402300800\",\"nanos\":0}}");
}

Test(json, leaves_the_text_as_it_was_when_the_bytes_are_no_message)
{
    OL_AUTO(ol_text) struct ol_text text = {0};
    struct bytes wire = {(const uint8_t *)"\x1a\x05\x0a\x09"
                                          "abc",
                         7};
    ol_text_add(&text, "before");
    cr_expect_eq(json_from_wire(CONTEXT_ORDERS, STREAM_COMMANDS, wire, &text, &error), OL_POISON);
    cr_expect_str_eq(ol_text_string(&text), "before");
    cr_expect(strstr(error.text, "cancel_order"), "%s", error.text);
    wire = (struct bytes){(const uint8_t *)"\x18\x05", 2};
    cr_expect_eq(json_from_wire(CONTEXT_ORDERS, STREAM_COMMANDS, wire, &text, &error), OL_POISON);
}

/* ---- the schema ---- */

static void check_types(const ProtobufCMessageDescriptor *descriptor)
{
    cr_expect_leq(descriptor->n_fields, 32u, "%s", descriptor->name);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        cr_expect_lt(strlen(field->name), 64u);
        switch (field->type) {
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_INT32:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_ENUM: break;
        case PROTOBUF_C_TYPE_MESSAGE: check_types(field->descriptor); break;
        default: cr_expect(false, "%s.%s", descriptor->name, field->name);
        }
    }
}

Test(json, knows_every_type_that_the_schema_uses)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = STREAM_COMMANDS; stream <= STREAM_EVENTS; stream++)
            check_types(envelope_descriptor((enum context)context, (enum stream)stream));
}
