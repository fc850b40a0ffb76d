#include <criterion/criterion.h>

#include <stdio.h>

#include "lib/pg/ol_pg.h"

/* Bytes as hex, in one static line. */
static const char *hex(const void *data, size_t bytes)
{
    static char text[1024];
    const unsigned char *at = data;
    cr_assert(bytes * 2 < sizeof text);
    for (size_t i = 0; i < bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", at[i]);
    text[2 * bytes] = 0;
    return text;
}

static const char *array_hex(struct ol_pg_array *array)
{
    size_t bytes = 0;
    const void *value = ol_pg_array_value(array, &bytes);
    cr_assert(value);
    return hex(value, bytes);
}

Test(ol_pg_write, puts_length_and_big_endian_bytes)
{
    unsigned char bytes[128], *at = ol_pg_write_null(bytes);
    at = ol_pg_write_bool(at, true);
    at = ol_pg_write_int16(at, -2);
    at = ol_pg_write_int32(at, 258);
    at = ol_pg_write_int64(at, INT64_MIN);
    at = ol_pg_write_us(at, OL_PG_EPOCH_US + 1);
    at = ol_pg_write_bytes(at, "ab", 2);
    at = ol_pg_write_bytes(at, NULL, 0);
    cr_assert_str_eq(hex(bytes, (size_t)(at - bytes)), "ffffffff"
                                                       "0000000101"
                                                       "00000002fffe"
                                                       "0000000400000102"
                                                       "000000088000000000000000"
                                                       "000000080000000000000001"
                                                       "000000026162"
                                                       "00000000");
}

Test(ol_pg_write_array, puts_length_and_head_before_the_elements)
{
    unsigned char bytes[128], *elements = bytes + OL_PG_ARRAY_FIELD_BYTES;
    unsigned char *end = ol_pg_write_bytes(elements, "x", 1);
    end = ol_pg_write_array(bytes, ol_pg_write_bytes(end, NULL, 0), OL_PG_TEXT, 2);
    cr_assert_str_eq(hex(bytes, (size_t)(end - bytes)),
                     "0000001d000000010000000000000019000000020000000100000001780000"
                     "0000");
    end = ol_pg_write_array(bytes, elements, OL_PG_INT8, 0);
    cr_assert_str_eq(hex(bytes, (size_t)(end - bytes)), "0000000c000000000000000000000014");
}

Test(ol_pg_buffer, that_would_be_too_large_has_failed_until_it_is_cleared)
{
    struct ol_pg_buffer buffer = {0};
    cr_assert_null(ol_pg_buffer_room(&buffer, 2 * (size_t)OL_PG_VALUE_MAX_BYTES + 1));
    cr_assert(buffer.failed);
    cr_assert_null(ol_pg_buffer_take(&buffer, 1));
    ol_pg_buffer_clear(&buffer);
    cr_assert(ol_pg_buffer_take(&buffer, 1));
    ol_pg_buffer_release(&buffer);
}

Test(ol_pg_us, converts_between_the_epochs_and_saturates)
{
    static const struct {
        int64_t unix_us, wire_us, back_us;
    } rows[] = {
        {0, -OL_PG_EPOCH_US, 0},
        {OL_PG_EPOCH_US, 0, OL_PG_EPOCH_US},
        {INT64_MAX, INT64_MAX, INT64_MAX},
        {INT64_MIN, INT64_MIN, INT64_MIN},
        {INT64_MIN + 1, INT64_MIN, INT64_MIN},
        {INT64_MIN + OL_PG_EPOCH_US, INT64_MIN, INT64_MIN},
        {INT64_MAX - 1, INT64_MAX - 1 - OL_PG_EPOCH_US, INT64_MAX - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(ol_pg_us_to_wire(rows[i].unix_us), rows[i].wire_us, "row %zu", i);
        cr_assert_eq(ol_pg_us_from_wire(rows[i].wire_us), rows[i].back_us, "row %zu", i);
    }
    cr_assert_eq(ol_pg_us_from_wire(INT64_MAX - 1), INT64_MAX);
}

Test(ol_pg_array, encodes_text_with_a_null)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array array;
    ol_pg_array_init(&array, OL_PG_TEXT_ARRAY);
    ol_pg_array_text(&array, "a", 1);
    ol_pg_array_null(&array);
    ol_pg_array_text(&array, "", 0);
    cr_assert_str_eq(array_hex(&array), "00000001" /* dimensions */
                                        "00000001" /* has NULLs */
                                        "00000019" /* text */
                                        "00000003"
                                        "00000001"
                                        "0000000161"
                                        "ffffffff"
                                        "00000000");
}

Test(ol_pg_array, without_elements_has_no_dimension)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array array;
    ol_pg_array_init(&array, OL_PG_INT8_ARRAY);
    cr_assert_str_eq(array_hex(&array), "000000000000000000000014");
}

Test(ol_pg_array, is_ready_again_after_clear)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array array;
    ol_pg_array_init(&array, OL_PG_INT2_ARRAY);
    ol_pg_array_null(&array);
    ol_pg_array_int16(&array, 1);
    ol_pg_array_clear(&array);
    ol_pg_array_int16(&array, 258);
    cr_assert_str_eq(array_hex(&array), "00000001000000000000001500000001"
                                        "00000001000000020102");
}

Test(ol_pg_array, encodes_every_element_type)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array int64s, int32s, bools, times;
    ol_pg_array_init(&int64s, OL_PG_INT8_ARRAY);
    ol_pg_array_int64(&int64s, -1);
    cr_assert_str_eq(array_hex(&int64s), "0000000100000000000000140000000100000001"
                                         "00000008ffffffffffffffff");
    ol_pg_array_init(&int32s, OL_PG_INT4_ARRAY);
    ol_pg_array_int32(&int32s, 7);
    cr_assert_str_eq(array_hex(&int32s), "0000000100000000000000170000000100000001"
                                         "0000000400000007");
    ol_pg_array_init(&bools, OL_PG_BOOL_ARRAY);
    ol_pg_array_bool(&bools, true);
    cr_assert_str_eq(array_hex(&bools), "0000000100000000000000100000000100000001"
                                        "0000000101");
    ol_pg_array_init(&times, OL_PG_TIMESTAMPTZ_ARRAY);
    ol_pg_array_us(&times, OL_PG_EPOCH_US);
    cr_assert_str_eq(array_hex(&times), "0000000100000000000004a00000000100000001"
                                        "000000080000000000000000");
}

Test(ol_pg_array, grows_past_its_first_memory)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array array;
    ol_pg_array_init(&array, OL_PG_INT8_ARRAY);
    for (int64_t i = 0; i < 100000; i++)
        ol_pg_array_int64(&array, i);
    size_t bytes = 0;
    const unsigned char *value = ol_pg_array_value(&array, &bytes);
    cr_assert_eq(bytes, OL_PG_ARRAY_HEAD_BYTES + 100000u * 12);
    cr_assert_eq(ol_pg_fetch32(value + 12), 100000u);
    cr_assert_eq(ol_pg_fetch64(value + bytes - 8), 99999u);
}

Test(ol_pg_type_name, knows_what_the_enum_has)
{
    cr_assert_str_eq(ol_pg_type_name(OL_PG_TIMESTAMPTZ_ARRAY), "timestamptz[]");
    cr_assert_str_eq(ol_pg_type_name(OL_PG_BPCHAR), "char(n)");
    cr_assert_str_eq(ol_pg_type_name(114), "another type");
    cr_assert_eq(ol_pg_element_type(OL_PG_TEXT_ARRAY), OL_PG_TEXT);
    cr_assert_eq(ol_pg_element_type(OL_PG_TEXT), 0);
}

Test(ol_pg_class, maps_a_sqlstate_by_one_table)
{
    static const struct {
        const char *sqlstate;
        enum ol_class class;
    } rows[] = {
        {"40001", OL_RETRY}, {"40P01", OL_RETRY}, {"55P03", OL_RETRY}, {"57014", OL_RETRY},
        {"57P01", OL_RETRY}, {"57P02", OL_RETRY}, {"57P03", OL_RETRY}, {"25P03", OL_RETRY},
        {"08006", OL_RETRY}, {"53100", OL_RETRY}, {"53300", OL_RETRY}, {"23505", OL_FATAL},
        {"22P03", OL_FATAL}, {"42P01", OL_FATAL}, {"28P01", OL_FATAL}, {"3D000", OL_FATAL},
        {"XX000", OL_FATAL}, {"", OL_FATAL},      {NULL, OL_FATAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(ol_pg_class(rows[i].sqlstate), rows[i].class, "%s", rows[i].sqlstate);
}
