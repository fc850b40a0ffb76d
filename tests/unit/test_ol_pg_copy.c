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

static const struct ol_pg_copy_target target = {
    .name = "t/copy",
    .table = "t",
    .columns = (const struct ol_pg_column[]){{"id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"n", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"a", OL_PG_TEXT, OL_PG_NULLABLE},
                                             {"b", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {"c", OL_PG_TEXT_ARRAY, OL_PG_NOT_NULL},
                                             {"d", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
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

Test(ol_pg_copy_row, is_the_field_count_and_the_fields)
{
    struct ol_pg_copy copy = begun(&target, 6);
    unsigned char *at = ol_pg_copy_row(&copy, 256), *end;
    at = ol_pg_write_bytes(at, "xy", 2);
    at = ol_pg_write_int64(at, 1);
    at = ol_pg_write_null(at);
    end = ol_pg_write_int64(at + OL_PG_ARRAY_FIELD_BYTES, 1);
    at = ol_pg_write_array(at, ol_pg_write_int64(end, 2), OL_PG_INT8, 2);
    end = ol_pg_write_bytes(at + OL_PG_ARRAY_FIELD_BYTES, "a", 1);
    at = ol_pg_write_array(at, ol_pg_write_bytes(end, "", 0), OL_PG_TEXT, 2);
    at = ol_pg_write_array(at, at + OL_PG_ARRAY_FIELD_BYTES, OL_PG_INT8, 0);
    cr_assert_eq(ol_pg_copy_row_end(&copy, at, NULL), OL_OK);
    cr_assert_eq(copy.row_count, 1);
    cr_assert_str_eq(written(&copy), "0006"
                                     "000000027879"
                                     "000000080000000000000001"
                                     "ffffffff" INT8S_1_2 TEXTS_A_EMPTY INT8S_EMPTY);
}

Test(ol_pg_copy_row, has_no_room_after_one_that_is_too_large)
{
    struct ol_pg_copy copy = begun(&target, 6);
    cr_assert_null(ol_pg_copy_row(&copy, (size_t)OL_PG_VALUE_MAX_BYTES + 1));
    cr_assert_eq(ol_pg_copy_row_end(&copy, NULL, NULL), OL_OK, "the end says it");
    cr_assert(copy.buffer.failed);
    cr_assert_null(ol_pg_copy_row(&copy, 1));
    ol_pg_buffer_release(&copy.buffer);
}

Test(ol_pg_copy_row_end, refuses_more_than_the_buffer_has, .signal = SIGABRT)
{
    struct ol_pg_copy copy = begun(&target, 6);
    (void)ol_pg_copy_row(&copy, 8);
    (void)ol_pg_copy_row_end(&copy, copy.buffer.data + copy.buffer.capacity_bytes + 1, NULL);
}
