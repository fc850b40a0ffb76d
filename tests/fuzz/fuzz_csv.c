/*
 * tests/fuzz/fuzz_csv.c - any bytes as a CSV file, whole and in pieces: the same records.
 *
 * The first byte says how large the pieces are and whether the names stand before the bytes
 * already. Records, the places of their fields and the error must not depend on how the file
 * arrives; what is returned is clean UTF-8 with a NUL behind it.
 */
#include "lib/base/ol_csv.h"

#include <string.h>

#include "lib/base/ol_hash.h"
#include "lib/base/ol_text.h"
#include "lib/base/ol_utf8.h"
#include "tests/fuzz/feed.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"a", "b", "c"};
#define NAME_COUNT 3

struct outcome {
    enum ol_class class;
    uint64_t fields; /* of all there were, with their places */
    size_t records;
    int64_t numbers;
    struct ol_error error;
};

static void take_field(const struct ol_csv *csv, const struct ol_csv_field *field,
                       struct outcome *outcome)
{
    struct ol_error error;
    int64_t number;
    fuzz_check(field->text[field->size_bytes] == '\0');
    fuzz_check(strlen(field->text) == field->size_bytes);
    fuzz_check(ol_utf8_check(field->text, field->size_bytes, NULL) == OL_UTF8_OK);
    fuzz_check(field->line >= 1 && field->column >= 1);
    outcome->fields = outcome->fields * 31 + ol_hash(field->text, field->size_bytes) +
                      field->line * 1000003 + field->column;
    if (ol_csv_int(csv, field, -1000, INT64_MAX, &number, &error) == OL_OK) {
        fuzz_check(number >= -1000);
        outcome->numbers ^= number;
    }
}

static void read_all(struct outcome *ret_outcome)
{
    struct ol_csv *csv;
    struct outcome outcome = {0};
    outcome.class = ol_csv_open(&csv, "-", &outcome.error);
    fuzz_check(outcome.class == OL_OK);
    outcome.class = ol_csv_header(csv, names, NAME_COUNT, &outcome.error);
    while (!outcome.class) {
        const struct ol_csv_field *fields;
        outcome.class = ol_csv_next(csv, &fields, &outcome.error);
        if (outcome.class || !fields)
            break;
        outcome.records++;
        for (size_t i = 0; i < NAME_COUNT; i++)
            take_field(csv, &fields[i], &outcome);
    }
    fuzz_check(outcome.class == OL_OK || outcome.class == OL_POISON);
    ol_csv_close(csv);
    *ret_outcome = outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[1 << 16];
    static const char header[] = "b,a,c\n";
    struct fuzz_input input = {data, data + size};
    struct outcome whole, pieces;
    unsigned choice = fuzz_byte(&input);
    size_t head = choice & 128 ? sizeof header - 1 : 0, body = fuzz_left(&input);
    if (body > sizeof file - sizeof header)
        body = sizeof file - sizeof header;
    memcpy(file, header, head);
    if (body)
        memcpy(file + head, input.at, body);
    feed_begin(file, head + body, 0);
    read_all(&whole);
    feed_begin(file, head + body, 1 + (choice & 31));
    read_all(&pieces);
    feed_end();
    fuzz_check(whole.class == pieces.class && whole.records == pieces.records &&
               whole.fields == pieces.fields && whole.numbers == pieces.numbers);
    fuzz_check(!whole.class || strcmp(whole.error.text, pieces.error.text) == 0);
    return 0;
}
