#include "consumers/dead_letter.h"

#include <stdio.h>
#include <string.h>

static bool is_replaced(const char *name, const struct ol_header *more, size_t more_count)
{
    for (size_t i = 0; i < more_count; i++)
        if (strcmp(name, more[i].name) == 0)
            return true;
    return false;
}

static bool copy_header(const struct ol_header *header, struct ol_arena *arena,
                        struct ol_header *ret_copy)
{
    char *name = ol_arena_copy(arena, header->name, strlen(header->name));
    char *value = header->value ? ol_arena_copy(arena, header->value, header->value_bytes) : NULL;
    *ret_copy = (struct ol_header){name, value, header->value_bytes};
    return name && (value || !header->value);
}

bool dead_letter_headers(const struct ol_message *message, const struct ol_header *more,
                         size_t more_count, struct ol_arena *arena, struct ol_header **ret_headers,
                         size_t *ret_count)
{
    struct ol_header header;
    size_t own = 0;
    while (ol_message_header(message, own, &header))
        own++;
    struct ol_header *headers = ol_arena_alloc(arena, (own + more_count) * sizeof *headers);
    if (!headers)
        return false;

    size_t count = 0;
    for (size_t i = 0; i < own; i++) {
        if (!ol_message_header(message, i, &header) || is_replaced(header.name, more, more_count))
            continue;
        if (!copy_header(&header, arena, &headers[count++]))
            return false;
    }
    for (size_t i = 0; i < more_count; i++)
        if (!copy_header(&more[i], arena, &headers[count++]))
            return false;
    *ret_headers = headers;
    *ret_count = count;
    return true;
}

/* Cut between characters: tools read these as text. */
static struct ol_header text_header(const char *name, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes > DEAD_LETTER_REASON_BYTES)
        bytes = DEAD_LETTER_REASON_BYTES;
    while (bytes > 0 && (value[bytes] & 0xc0) == 0x80)
        bytes--;
    return (struct ol_header){name, value, bytes};
}

bool dead_letter_explain(const struct ol_message *message, const char *topic, int32_t place,
                         const char *code, const char *reason, struct ol_arena *arena,
                         struct ol_header **ret_headers, size_t *ret_count)
{
    char partition[16], offset[24], time[24], place_text[16];
    snprintf(partition, sizeof partition, "%d", message->partition);
    snprintf(offset, sizeof offset, "%lld", (long long)message->offset);
    snprintf(time, sizeof time, "%lld", (long long)message->timestamp_ms);
    snprintf(place_text, sizeof place_text, "%d", place);
    const struct ol_header more[] = {
        text_header("__connect.errors.topic", topic),
        text_header("__connect.errors.partition", partition),
        text_header("__connect.errors.offset", offset),
        text_header("__connect.errors.connector.name", "orderlog"),
        text_header("__connect.errors.stage", "DECODE"),
        text_header("__connect.errors.exception.class.name", code),
        text_header("__connect.errors.exception.message", reason),
        text_header("orderlog-original-timestamp", time),
        text_header("orderlog-original-place", place_text), /* stays the last */
    };
    size_t more_count = sizeof more / sizeof *more - (place == DEAD_LETTER_WHOLE);
    return dead_letter_headers(message, more, more_count, arena, ret_headers, ret_count);
}
