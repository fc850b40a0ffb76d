#include "tests/fuzz/capture.h"

#include "lib/base/ol_utf8.h"
#include "tests/fuzz/fuzz.h"

size_t capture_rows;
bool capture_any_text;

static uint32_t number(struct fuzz_input *bytes, unsigned count)
{
    fuzz_check(fuzz_left(bytes) >= count);
    return (uint32_t)fuzz_number(bytes, count);
}

static struct fuzz_input take(struct fuzz_input *bytes, uint32_t count)
{
    fuzz_check(count <= fuzz_left(bytes));
    struct fuzz_input taken = {bytes->at, bytes->at + count};
    bytes->at += count;
    return taken;
}

static void check_text(struct fuzz_input value)
{
    if (!capture_any_text)
        fuzz_check(ol_utf8_check((const char *)value.at, fuzz_left(&value), NULL) == OL_UTF8_OK);
}

static void check_array(struct fuzz_input value, enum ol_pg_type element);

static void check_value(struct fuzz_input value, enum ol_pg_type type)
{
    size_t size = fuzz_left(&value);
    switch (type) {
    case OL_PG_BOOL: fuzz_check(size == 1 && *value.at <= 1); break;
    case OL_PG_INT2: fuzz_check(size == 2); break;
    case OL_PG_INT4: fuzz_check(size == 4); break;
    case OL_PG_INT8:
    case OL_PG_TIMESTAMPTZ: fuzz_check(size == 8); break;
    case OL_PG_BYTEA: break;
    case OL_PG_TEXT:
    case OL_PG_BPCHAR: check_text(value); break;
    default: check_array(value, ol_pg_element_type(type)); break;
    }
}

static void check_array(struct fuzz_input value, enum ol_pg_type element)
{
    uint32_t dimensions = number(&value, 4), has_null = number(&value, 4);
    bool found_null = false;
    fuzz_check(element && dimensions <= 1 && has_null <= 1);
    fuzz_check(number(&value, 4) == element);
    if (dimensions) {
        uint32_t count = number(&value, 4);
        fuzz_check(count > 0 && number(&value, 4) == 1);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t size = number(&value, 4);
            if (size == UINT32_MAX)
                found_null = true;
            else
                check_value(take(&value, size), element);
        }
    }
    fuzz_check(fuzz_left(&value) == 0 && found_null == has_null);
}

static void check_row(struct fuzz_input *bytes, const struct ol_pg_copy_target *target,
                      size_t columns)
{
    fuzz_check(number(bytes, 2) == columns);
    for (size_t i = 0; i < columns; i++) {
        uint32_t size = number(bytes, 4);
        if (size == UINT32_MAX)
            fuzz_check(target->columns[i].null == OL_PG_NULLABLE);
        else
            check_value(take(bytes, size), target->columns[i].type);
    }
    capture_rows++;
}

static void check_rows(struct ol_pg_copy *copy)
{
    fuzz_check(!copy->buffer.failed);
    struct fuzz_input bytes = {copy->buffer.data, copy->buffer.data + copy->buffer.used_bytes};
    while (fuzz_left(&bytes))
        check_row(&bytes, copy->target, copy->column_count);
    ol_pg_buffer_clear(&copy->buffer);
}

void capture_begin(struct ol_pg_copy *copy, const struct ol_pg_copy_target *target)
{
    static char nowhere; /* a connection that nobody looks into */
    *copy = (struct ol_pg_copy){
        .db = (struct ol_pg *)&nowhere, .target = target, .buffer = copy->buffer};
    while (target->columns[copy->column_count].name)
        copy->column_count++;
    ol_pg_buffer_clear(&copy->buffer);
}

enum ol_class __wrap_ol_pg_copy_begin(struct ol_pg_copy *copy, struct ol_pg *db,
                                      const struct ol_pg_copy_target *target,
                                      struct ol_error *reterr);
enum ol_class __wrap_ol_pg_copy_begin(struct ol_pg_copy *copy, struct ol_pg *db,
                                      const struct ol_pg_copy_target *target,
                                      struct ol_error *reterr)
{
    (void)db;
    (void)reterr;
    fuzz_check(!copy->db);
    capture_begin(copy, target);
    return OL_OK;
}

enum ol_class __wrap_ol_pg_copy_flush(struct ol_pg_copy *copy, struct ol_error *reterr);
enum ol_class __wrap_ol_pg_copy_flush(struct ol_pg_copy *copy, struct ol_error *reterr)
{
    (void)reterr;
    check_rows(copy);
    return OL_OK;
}

enum ol_class __wrap_ol_pg_copy_end(struct ol_pg_copy *copy, int64_t *ret_rows,
                                    struct ol_error *reterr);
enum ol_class __wrap_ol_pg_copy_end(struct ol_pg_copy *copy, int64_t *ret_rows,
                                    struct ol_error *reterr)
{
    (void)reterr;
    check_rows(copy);
    if (ret_rows)
        *ret_rows = copy->row_count;
    copy->db = NULL;
    return OL_OK;
}

void capture_array(struct ol_pg_array *array)
{
    size_t size;
    const uint8_t *data = ol_pg_array_value(array, &size);
    fuzz_check(data);
    check_array((struct fuzz_input){data, data + size}, ol_pg_element_type(array->type));
}
