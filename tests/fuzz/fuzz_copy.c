/*
 * tests/fuzz/fuzz_copy.c - any table, any values: the rows of a COPY are what PostgreSQL reads.
 *
 * Bytes choose the columns and the values. The rows are taken apart by a second reading of the
 * format (capture.h), and every byte of them must be the one that a plain writer, here, puts there.
 */
#include "tests/fuzz/capture.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

#define COLUMNS_MAX     8
#define ROWS_MAX        16
#define ELEMENTS_MAX    8
#define TEXT_BYTES_MAX  39
#define FIELD_BYTES_MAX (OL_PG_ARRAY_FIELD_BYTES + ELEMENTS_MAX * (4 + TEXT_BYTES_MAX))

static uint8_t plain[1 << 20];
static size_t plain_bytes;

static void put(uint64_t number, unsigned bytes)
{
    while (bytes--)
        plain[plain_bytes++] = (uint8_t)(number >> (8 * bytes));
}

static void put_bytes(const void *data, size_t bytes)
{
    put(bytes, 4);
    if (bytes)
        memcpy(plain + plain_bytes, data, bytes);
    plain_bytes += bytes;
}

static struct ol_pg_text choose_text(struct fuzz_input *input)
{
    size_t bytes = fuzz_byte(input) % (TEXT_BYTES_MAX + 1);
    if (bytes > fuzz_left(input))
        bytes = fuzz_left(input);
    struct ol_pg_text text = {(const char *)input->at, bytes};
    input->at += bytes;
    return text;
}

/* PostgreSQL counts from 2000, and both ends are infinite. */
static int64_t plain_us(int64_t unix_us)
{
    if (unix_us == INT64_MAX)
        return INT64_MAX;
    __int128 since_2000 = (__int128)unix_us - INT64_C(946684800000000);
    return since_2000 < INT64_MIN ? INT64_MIN : (int64_t)since_2000;
}

static unsigned char *put_scalar(unsigned char *at, enum ol_pg_type type, struct fuzz_input *input)
{
    int64_t number = (int64_t)fuzz_number(input, 8);
    struct ol_pg_text text;
    switch (type) {
    case OL_PG_BOOL:
        put(1, 4);
        put(number & 1, 1);
        return ol_pg_write_bool(at, number & 1);
    case OL_PG_INT2:
        put(2, 4);
        put((uint64_t)number, 2);
        return ol_pg_write_int16(at, (int16_t)number);
    case OL_PG_INT4:
        put(4, 4);
        put((uint64_t)number, 4);
        return ol_pg_write_int32(at, (int32_t)number);
    case OL_PG_INT8:
        put(8, 4);
        put((uint64_t)number, 8);
        return ol_pg_write_int64(at, number);
    case OL_PG_TIMESTAMPTZ:
        put(8, 4);
        put((uint64_t)plain_us(number), 8);
        return ol_pg_write_us(at, number);
    default:
        text = choose_text(input);
        put_bytes(text.data, text.bytes);
        return ol_pg_write_bytes(at, text.data, text.bytes);
    }
}

static unsigned char *put_element(unsigned char *at, enum ol_pg_type type, struct fuzz_input *input)
{
    int64_t number = (int64_t)fuzz_number(input, 2);
    if (type == OL_PG_INT8) {
        put(8, 4);
        put((uint64_t)number, 8);
        return ol_pg_write_int64(at, number);
    }
    struct ol_pg_text text = choose_text(input);
    put_bytes(text.data, text.bytes);
    return ol_pg_write_bytes(at, text.data, text.bytes);
}

/* Length and head are known afterwards. */
static unsigned char *put_array(unsigned char *at, enum ol_pg_type element,
                                struct fuzz_input *input)
{
    size_t begin = plain_bytes, count = fuzz_byte(input) % (ELEMENTS_MAX + 1);
    unsigned char *elements_end = at + OL_PG_ARRAY_FIELD_BYTES;
    plain_bytes += 4 + (count ? 20 : 12);
    for (size_t i = 0; i < count; i++)
        elements_end = put_element(elements_end, element, input);
    size_t end = plain_bytes;
    plain_bytes = begin;
    put(end - begin - 4, 4);
    put(count > 0, 4);
    put(0, 4); /* no NULL among them */
    put(element, 4);
    if (count) {
        put(count, 4);
        put(1, 4);
    }
    plain_bytes = end;
    return ol_pg_write_array(at, elements_end, element, count);
}

static void put_row(struct ol_pg_copy *copy, struct fuzz_input *input)
{
    unsigned char *at = ol_pg_copy_row(copy, copy->column_count * FIELD_BYTES_MAX);
    fuzz_check(at);
    put(copy->column_count, 2);
    for (size_t i = 0; i < copy->column_count; i++) {
        const struct ol_pg_column *column = &copy->target->columns[i];
        if (column->null == OL_PG_NULLABLE && fuzz_byte(input) % 4 == 0) {
            at = ol_pg_write_null(at);
            put(UINT32_MAX, 4);
        } else if (ol_pg_element_type(column->type)) {
            at = put_array(at, ol_pg_element_type(column->type), input);
        } else {
            at = put_scalar(at, column->type, input);
        }
    }
    struct ol_error error;
    fuzz_check(ol_pg_copy_row_end(copy, at, &error) == OL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum ol_pg_type types[] = {OL_PG_BOOL,        OL_PG_INT8,       OL_PG_INT2,
                                            OL_PG_INT4,        OL_PG_TEXT,       OL_PG_BPCHAR,
                                            OL_PG_TIMESTAMPTZ, OL_PG_TEXT_ARRAY, OL_PG_INT8_ARRAY};
    static struct ol_pg_copy copy;
    struct ol_pg_column columns[COLUMNS_MAX + 1] = {0};
    struct fuzz_input input = {data, data + size};
    size_t count = 1 + fuzz_below(&input, COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        unsigned choice = fuzz_byte(&input);
        columns[i] = (struct ol_pg_column){"column", types[choice % (sizeof types / sizeof *types)],
                                           choice & 128 ? OL_PG_NULLABLE : OL_PG_NOT_NULL};
    }
    const struct ol_pg_copy_target target = {"fuzz/copy", "fuzz", columns};
    capture_any_text = true;
    capture_begin(&copy, &target);
    plain_bytes = 0;
    int64_t rows = 0;
    for (; rows < ROWS_MAX && fuzz_left(&input); rows++)
        put_row(&copy, &input);
    fuzz_check(copy.buffer.used_bytes == plain_bytes);
    fuzz_check(plain_bytes == 0 || memcmp(copy.buffer.data, plain, plain_bytes) == 0);
    size_t before = capture_rows;
    struct ol_error error;
    fuzz_check(ol_pg_copy_end(&copy, NULL, &error) == OL_OK);
    fuzz_check(capture_rows - before == (size_t)rows);
    return 0;
}
