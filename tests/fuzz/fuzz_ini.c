/*
 * tests/fuzz/fuzz_ini.c - any bytes as the INI file: settings within their bounds, or a sentence.
 *
 * Whatever is accepted is within its row's bounds and says that it came from the file or is the
 * default, and reading it once more gives the same.
 */
#include "lib/program/ol_options_table.h"

#include <string.h>

#include "tests/fuzz/feed.h"
#include "tests/fuzz/fuzz.h"

static void check_number(const struct ol_option_row *row, const struct ol_options *options)
{
    int64_t value;
    if (row->type != OL_OPTION_TYPE_INT && row->type != OL_OPTION_TYPE_DURATION &&
        row->type != OL_OPTION_TYPE_BYTES)
        return;
    memcpy(&value, (const char *)options + row->offset, sizeof value);
    fuzz_check(value >= row->min && value <= row->max);
}

static enum ol_class read_file(const struct fuzz_input *input, struct ol_options *ret_options,
                               struct ol_error *reterr)
{
    static char flag[] = "--config", path[] = "x.ini";
    char *const words[] = {flag, path, NULL};
    feed_begin(input->at, fuzz_left(input), 0);
    enum ol_class class =
        ol_options_init(ret_options, "config show", OL_FOR_EVERYTHING, 2, words, reterr);
    feed_end();
    return class;
}

static void compare(const struct ol_options *a, const struct ol_options *b)
{
    for (size_t id = 0; id < OL_OPTION_COUNT; id++) {
        const struct ol_option_row *row = &ol_option_rows[id];
        fuzz_check(strcmp(a->origins[id], b->origins[id]) == 0);
        fuzz_check(strcmp(a->origins[id], "default") == 0 || id == OL_OPTION_ID_config ||
                   strncmp(a->origins[id], "x.ini:", 6) == 0);
        check_number(row, a);
    }
    fuzz_check(a->kafka_property_count == b->kafka_property_count);
    fuzz_check(a->kafka_property_count <= OL_OPTION_PROPERTIES_MAX);
    for (size_t i = 0; i < a->kafka_property_count; i++) {
        const struct ol_option_property *property = &a->kafka_properties[i];
        fuzz_check(property->name[0]);
        fuzz_check(strcmp(property->name, b->kafka_properties[i].name) == 0);
        fuzz_check(strcmp(property->value, b->kafka_properties[i].value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_input input = {data, data + size};
    struct ol_options options, again;
    static bool begun;
    if (!begun)
        clearenv(); /* the caller's own settings are no part of the input */
    begun = true;
    struct ol_error error = {0};
    enum ol_class class = read_file(&input, &options, &error);
    fuzz_check(class == OL_OK || (class == OL_USAGE && error.text[0]));
    if (class)
        return 0;
    fuzz_check(read_file(&input, &again, &error) == OL_OK);
    compare(&options, &again);
    ol_options_release(&again);
    ol_options_release(&options);
    return 0;
}
