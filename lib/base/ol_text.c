#include "lib/base/ol_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_grow.h"
#include "lib/base/ol_unseen.h"
#include "lib/base/ol_utf8.h"

#define FIRST_CAPACITY_BYTES 256

struct ol_text ol_text_in(char *memory, size_t memory_bytes)
{
    if (memory_bytes)
        memory[0] = '\0';
    return (struct ol_text){.bytes = memory, .capacity_bytes = memory_bytes, .borrowed = true};
}

void ol_text_release(struct ol_text *text)
{
    if (!text->borrowed)
        free(text->bytes);
    *text = (struct ol_text){0};
}

void ol_text_clear(struct ol_text *text)
{
    text->size_bytes = 0;
    text->failed = false;
    if (text->bytes)
        text->bytes[0] = '\0';
}

/* Room for `bytes` more and a NUL; doubles, so that n adds cost O(n). */
static bool reserve(struct ol_text *text, size_t bytes)
{
    assert(text->capacity_bytes == 0 ? text->size_bytes == 0
                                     : text->size_bytes < text->capacity_bytes);
    if (text->failed)
        return false;
    if (bytes < text->capacity_bytes - text->size_bytes)
        return true;
    text->failed = true;
    if (text->borrowed || bytes > SIZE_MAX / 4 || text->size_bytes > SIZE_MAX / 4)
        return false;

    text->failed = !OL_GROW(text->bytes, text->capacity_bytes, text->size_bytes + bytes + 1,
                            FIRST_CAPACITY_BYTES);
    return !text->failed;
}

void ol_text_add_bytes(struct ol_text *text, const void *data, size_t bytes)
{
    if (!reserve(text, bytes))
        return;
    if (bytes)
        memcpy(text->bytes + text->size_bytes, data, bytes);
    text->size_bytes += bytes;
    text->bytes[text->size_bytes] = '\0';
}

void ol_text_add(struct ol_text *text, const char *string)
{
    ol_text_add_bytes(text, string, strlen(string));
}

void ol_text_add_char(struct ol_text *text, char c)
{
    ol_text_add_bytes(text, &c, 1);
}

void ol_text_add_int(struct ol_text *text, int64_t value)
{
    char digits[20];
    char *first = digits + sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--first = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--first = '-';
    ol_text_add_bytes(text, first, (size_t)(digits + sizeof digits - first));
}

void ol_text_addf(struct ol_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (bytes < 0)
        text->failed = true;
    else if (reserve(text, (size_t)bytes))
        text->size_bytes +=
            (size_t)vsnprintf(text->bytes + text->size_bytes, (size_t)bytes + 1, format, again);
    va_end(again);
}

/* What a terminal would act on: escapes (C1 begins them too), lines, the direction of writing. */
static bool acts(uint32_t character)
{
    enum ol_unseen kind = ol_unseen_kind(character);
    return kind == OL_UNSEEN_CONTROL || kind == OL_UNSEEN_LAYOUT;
}

void ol_text_add_shown(struct ol_text *text, const void *data, size_t bytes)
{
    for (const char *from = data, *end = from + bytes; from < end;) {
        size_t length = ol_utf8_length(from, (size_t)(end - from));
        if (length == 0 || acts(ol_unseen_character(from, length)))
            ol_text_add(text, "\xEF\xBF\xBD");
        else
            ol_text_add_bytes(text, from, length);
        from += length ? length : 1;
    }
}

/* None of these lies above U+FFFF. */
static void add_json_control(struct ol_text *text, uint32_t c)
{
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c < 32 && short_forms[c])
        ol_text_add_bytes(text, (char[]){'\\', short_forms[c]}, 2);
    else
        ol_text_addf(text, "\\u%04x", (unsigned)c);
}

/* Whether a byte goes into a JSON string as it is; bytes of longer characters are looked at
 * apart. DEL is legal JSON but would act on a terminal. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

void ol_text_add_json_bytes(struct ol_text *text, const void *data, size_t bytes)
{
    const char *from = data, *end = from + bytes;
    ol_text_add_char(text, '"');
    while (from < end) {
        const char *plain = from;
        while (from < end && is_plain((unsigned char)*from))
            from++;
        ol_text_add_bytes(text, plain, (size_t)(from - plain));
        if (from == end)
            break;

        size_t length = ol_utf8_length(from, (size_t)(end - from));
        if (*from == '"' || *from == '\\')
            ol_text_add_bytes(text, (char[]){'\\', *from}, 2);
        else if (length == 0)
            ol_text_add(text, "\xEF\xBF\xBD");
        else if (acts(ol_unseen_character(from, length)))
            add_json_control(text, ol_unseen_character(from, length));
        else
            ol_text_add_bytes(text, from, length);
        from += length ? length : 1;
    }
    ol_text_add_char(text, '"');
}

void ol_text_add_json(struct ol_text *text, const char *string)
{
    if (string)
        ol_text_add_json_bytes(text, string, strlen(string));
    else
        ol_text_add(text, "null");
}

void ol_text_add_json_int(struct ol_text *text, int64_t value)
{
    ol_text_add_char(text, '"');
    ol_text_add_int(text, value);
    ol_text_add_char(text, '"');
}

const char *ol_text_string(const struct ol_text *text)
{
    if (text->failed)
        return NULL;
    return text->bytes ? text->bytes : "";
}
