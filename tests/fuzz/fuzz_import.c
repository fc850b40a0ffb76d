/*
 * tests/fuzz/fuzz_import.c - any bytes as a file of products, accounts or baskets.
 *
 * The first byte is the kind. What the file gives is a command: it encodes, and decodes to the same
 * with a digest, or carries a refusal, or has no clean key (then the publisher says so).
 */
#include "producers/import_file.h"

#include <string.h>

#include "proto/codec.h"
#include "tests/fuzz/feed.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/codec_random.h"

static struct ol_arena arena;

static void check_command(const struct command *command)
{
    struct bytes wire;
    struct command again;
    struct ol_error error;
    fuzz_check(codec_encode_command(command, &arena, &wire));
    enum ol_class class = codec_decode_command(command->context, wire, &arena, &again, &error);
    fuzz_check(class == OL_OK || class == OL_POISON);
    if (!class && again.refused.code == ACCEPTED)
        fuzz_check(same_command(command, &again) && again.body_digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const headers[IMPORT_KIND_COUNT] = {
        [IMPORT_PRODUCTS] = "sku,name,category,brand,price_minor,currency,stock\n",
        [IMPORT_ACCOUNTS] = "customer_id,currency,funds_minor\n",
        [IMPORT_BASKETS] =
            "basket_id,customer_id,placed_at,line_no,sku,quantity,amount_minor,currency\n",
    };
    static uint8_t bytes[1 << 16];
    struct fuzz_input input = {data, data + size};
    enum import_kind kind = fuzz_below(&input, IMPORT_KIND_COUNT);
    size_t head = strlen(headers[kind]), body = fuzz_left(&input);
    if (body > sizeof bytes - head)
        body = sizeof bytes - head;
    memcpy(bytes, headers[kind], head);
    if (body)
        memcpy(bytes + head, input.at, body);
    if (!arena.block_bytes)
        ol_arena_init(&arena, 1 << 16, 0);
    ol_arena_clear(&arena);

    struct import_file *file;
    struct ol_error error;
    struct command commands[IMPORT_COMMANDS_MAX];
    size_t count = 1;
    feed_begin(bytes, head + body, 0);
    enum ol_class class = import_file_open(kind, "-", &file, &error);
    fuzz_check(class == OL_OK);
    while (!class && count) {
        class = import_file_next(file, commands, &count, &error);
        fuzz_check(class || count <= IMPORT_COMMANDS_MAX);
        for (size_t i = 0; !class && i < count; i++)
            check_command(&commands[i]);
    }
    fuzz_check(class == OL_OK || (class == OL_POISON && error.text[0]));
    import_file_close(file);
    feed_end();
    return 0;
}
