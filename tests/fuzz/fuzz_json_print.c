/*
 * tests/fuzz/fuzz_json_print.c - any bytes as an envelope, printed as JSON whatever is wrong in
 * them.
 *
 * The first byte is the context and the stream. What prints is one line of JSON in UTF-8; what does
 * not leaves the text as it was. What the codec accepts always prints, and what was printed is read
 * back as a message that the codec accepts too.
 */
#include "lib/base/ol_utf8.h"

#include <string.h>

#include "proto/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/codec_random.h"

static struct ol_arena arena;

static bool accepted(enum context context, enum stream stream, struct bytes wire)
{
    struct command command;
    struct step_message step;
    struct event_message event;
    struct ol_error error;
    switch (stream) {
    case STREAM_COMMANDS:
        return codec_decode_command(context, wire, &arena, &command, &error) == OL_OK &&
               command.refused.code == ACCEPTED;
    case STREAM_STEPS: return codec_decode_step(context, wire, &arena, &step, &error) == OL_OK;
    default: return codec_decode_event(context, wire, &arena, &event, &error) == OL_OK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OL_AUTO(ol_text) struct ol_text text = {0};
    struct fuzz_input input = {data, data + size};
    unsigned choice = fuzz_byte(&input);
    enum context context = choice % CONTEXT_COUNT;
    enum stream stream = choice / CONTEXT_COUNT % STREAM_DEAD_LETTERS;
    struct bytes wire = {input.at, fuzz_left(&input)}, again;
    struct ol_error error = {0};
    size_t column;
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    ol_arena_clear(&arena);
    bool good = accepted(context, stream, wire);
    ol_text_add(&text, ">");
    enum ol_class class = json_from_wire(context, stream, wire, &text, &error);
    const char *json = ol_text_string(&text);
    fuzz_check(json && json[0] == '>');
    fuzz_check(class == OL_OK || (class == OL_POISON && !json[1] && error.text[0]));
    fuzz_check(!good || class == OL_OK);
    if (class)
        return 0;
    json++;
    fuzz_check(ol_utf8_check(json, strlen(json), NULL) == OL_UTF8_OK && !strchr(json, '\n'));
    class = json_to_wire(context, stream, json, strlen(json), &arena, &again, &column, &error);
    fuzz_check(class == OL_OK || class == OL_POISON);
    /* A time beyond all years is none in a command, is printed as it came, and is no JSON time. */
    if (good && !strstr(json, "\"occurredAt\":{"))
        fuzz_check(class == OL_OK && accepted(context, stream, again));
    return 0;
}
