#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>

#include "lib/pg/ol_pg_copy.h"

/* The row builders need no server: a COPY that has begun is a target and a buffer. */
static struct ol_pg_copy begun(const struct ol_pg_copy_target *target, size_t column_count)
{
    static int somebody;
    return (struct ol_pg_copy){
        .db = (struct ol_pg *)&somebody, .target = target, .column_count = column_count};
}

static const char *written(struct ol_pg_copy *copy)
{
    static char text[1024];
    cr_assert(copy->buffer.used_bytes * 2 < sizeof text);
    for (size_t i = 0; i < copy->buffer.used_bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", copy->buffer.data[i]);
    text[2 * copy->buffer.used_bytes] = 0;
    ol_pg_buffer_release(&copy->buffer);
    return text;
}

static const struct ol_pg_copy_target scalars = {
    .name = "t/copy",
    .table = "t",
    .columns = (const struct ol_pg_column[]){{"id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"a", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"b", OL_PG_INT4, OL_PG_NOT_NULL},
                                             {"c", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"d", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"e", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
                                             {"f", OL_PG_BPCHAR, OL_PG_NOT_NULL},
                                             {"g", OL_PG_TEXT, OL_PG_NULLABLE},
                                             {0}},
};

Test(ol_pg_copy_row, is_the_field_count_and_the_fields)
{
    struct ol_pg_copy copy = begun(&scalars, 8);
    ol_pg_copy_row(&copy);
    ol_pg_put_text(&copy, "xy", 2);
    ol_pg_put_int64(&copy, 1);
    ol_pg_put_int32(&copy, 2);
    ol_pg_put_int16(&copy, 3);
    ol_pg_put_bool(&copy, false);
    ol_pg_put_us(&copy, OL_PG_EPOCH_US);
    ol_pg_put_bpchar(&copy, "BRL", 3);
    ol_pg_put_null(&copy);
    cr_assert_eq(ol_pg_copy_row_end(&copy, NULL), OL_OK);
    cr_assert_eq(copy.row_count, 1);
    cr_assert_str_eq(written(&copy), "0008"
                                     "000000027879"
                                     "000000080000000000000001"
                                     "0000000400000002"
                                     "000000020003"
                                     "0000000100"
                                     "000000080000000000000000"
                                     "0000000342524c"
                                     "ffffffff");
}

static const struct ol_pg_copy_target arrays = {
    .name = "t/copy",
    .table = "t",
    .columns = (const struct ol_pg_column[]){{"a", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {"b", OL_PG_TEXT_ARRAY, OL_PG_NOT_NULL},
                                             {"c", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {0}},
};

#define INT8S_1_2                                                                                  \
    "0000002c" /* bytes of the field */                                                            \
    "0000000100000000000000140000000200000001"                                                     \
    "000000080000000000000001000000080000000000000002"
#define TEXTS_A_EMPTY                                                                              \
    "0000001d"                                                                                     \
    "0000000100000000000000190000000200000001"                                                     \
    "000000016100000000"
#define INT8S_EMPTY "0000000c000000000000000000000014"

Test(ol_pg_put_array, is_the_head_and_the_elements)
{
    struct ol_pg_copy copy = begun(&arrays, 3);
    ol_pg_copy_row(&copy);
    ol_pg_put_array_begin(&copy, OL_PG_INT8_ARRAY);
    ol_pg_element_int64(&copy, 1);
    ol_pg_element_int64(&copy, 2);
    ol_pg_put_array_end(&copy);
    ol_pg_put_array_begin(&copy, OL_PG_TEXT_ARRAY);
    ol_pg_element_text(&copy, "a", 1);
    ol_pg_element_text(&copy, "", 0);
    ol_pg_put_array_end(&copy);
    ol_pg_put_array_begin(&copy, OL_PG_INT8_ARRAY);
    ol_pg_put_array_end(&copy);
    cr_assert_eq(ol_pg_copy_row_end(&copy, NULL), OL_OK);
    cr_assert_str_eq(written(&copy), "0003" INT8S_1_2 TEXTS_A_EMPTY INT8S_EMPTY);
}

Test(ol_pg_put, refuses_a_field_of_another_type, .signal = SIGABRT)
{
    struct ol_pg_copy copy = begun(&scalars, 8);
    ol_pg_copy_row(&copy);
    ol_pg_put_int64(&copy, 1); /* the first column is text */
}

Test(ol_pg_put_null, refuses_a_column_that_is_not_nullable, .signal = SIGABRT)
{
    struct ol_pg_copy copy = begun(&scalars, 8);
    ol_pg_copy_row(&copy);
    ol_pg_put_null(&copy);
}

Test(ol_pg_copy_row_end, refuses_a_row_that_is_too_short, .signal = SIGABRT)
{
    struct ol_pg_copy copy = begun(&scalars, 8);
    ol_pg_copy_row(&copy);
    ol_pg_put_text(&copy, "x", 1);
    ol_pg_copy_row_end(&copy, NULL);
}
