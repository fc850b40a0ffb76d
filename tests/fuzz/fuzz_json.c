/*
 * tests/fuzz/fuzz_json.c - any bytes as lines of JSON commands: read, printed, read again.
 *
 * The first byte says in which pieces the lines arrive; they must be the bytes between the LFs
 * whatever it is. A command that is read is written to wire bytes, printed as JSON and read again:
 * the same command, and printed again the same text.
 */
#include "lib/base/ol_utf8.h"

#include <string.h>

#include "producers/line_input.h"
#include "proto/json.h"
#include "tests/fuzz/feed.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/codec_random.h"

static struct ol_arena arena;

/* Commands without an id print, and read, without one. */
static void check_command(const struct command *command)
{
    OL_AUTO(ol_text) struct ol_text text = {0};
    OL_AUTO(ol_text) struct ol_text text_again = {0};
    struct bytes wire, wire_again;
    struct command again;
    struct ol_error error;
    size_t column;
    fuzz_check(codec_encode_command(command, &arena, &wire));
    fuzz_check(json_from_wire(command->context, STREAM_COMMANDS, wire, &text, &error) == OL_OK);
    const char *json = ol_text_string(&text);
    fuzz_check(json && ol_utf8_check(json, strlen(json), NULL) == OL_UTF8_OK &&
               !strchr(json, '\n'));
    fuzz_check(json_decode_command(json, strlen(json), &arena, &again, &column, &error) == OL_OK);
    fuzz_check(same_command(command, &again));
    fuzz_check(json_to_wire(command->context, STREAM_COMMANDS, json, strlen(json), &arena,
                            &wire_again, &column, &error) == OL_OK);
    fuzz_check(wire.size == wire_again.size && memcmp(wire.data, wire_again.data, wire.size) == 0);
    fuzz_check(json_from_wire(again.context, STREAM_COMMANDS, wire_again, &text_again, &error) ==
               OL_OK);
    fuzz_check(strcmp(json, ol_text_string(&text_again)) == 0);
}

static void check_line(const char *line, size_t bytes)
{
    struct command command;
    struct ol_error error = {0};
    size_t column = SIZE_MAX;
    /* Exactly as long, so that a byte behind it would be seen. */
    char *copy = malloc(bytes + !bytes);
    fuzz_check(copy);
    memcpy(copy, line, bytes);
    enum ol_class class = json_decode_command(copy, bytes, &arena, &command, &column, &error);
    free(copy);
    fuzz_check(class == OL_OK || (class == OL_POISON && error.text[0]));
    fuzz_check(column == SIZE_MAX || (class == OL_POISON && column >= 1));
    if (class)
        return;
    check_command(&command);
}

/* The next line of the bytes, as simply as can be. */
static bool next_line(struct fuzz_input *input, bool first, const char **ret_line,
                      size_t *ret_bytes)
{
    if (!fuzz_left(input))
        return false;
    if (first && fuzz_left(input) >= 3 && memcmp(input->at, "\xef\xbb\xbf", 3) == 0)
        input->at += 3;
    const uint8_t *lf = memchr(input->at, '\n', fuzz_left(input));
    size_t bytes = (size_t)((lf ? lf : input->end) - input->at);
    *ret_line = (const char *)input->at;
    *ret_bytes = bytes && input->at[bytes - 1] == '\r' ? bytes - 1 : bytes;
    input->at += bytes + (lf != NULL);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    unsigned choice = fuzz_byte(&input);
    struct line_input *lines;
    struct ol_error error;
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    feed_begin(input.at, fuzz_left(&input), choice & 31);
    fuzz_check(line_input_open("-", &lines, &error) == OL_OK);
    bool wide = ol_utf8_wide((const char *)input.at, fuzz_left(&input));
    for (bool first = true;; first = false) {
        enum line_state state;
        const char *line = NULL, *wanted = NULL;
        size_t bytes = 0, wanted_bytes = 0;
        enum ol_class class = line_input_next(lines, -1, &state, &line, &bytes, &error);
        fuzz_check(class == (wide ? OL_FATAL : OL_OK));
        if (wide)
            break;
        bool there = next_line(&input, first, &wanted, &wanted_bytes);
        fuzz_check(state == (there ? LINE_READY : LINE_END));
        if (!there)
            break;
        fuzz_check(bytes == wanted_bytes && memcmp(line, wanted, bytes) == 0);
        ol_arena_clear(&arena);
        check_line(line, bytes);
    }
    line_input_close(lines);
    feed_end();
    return 0;
}
