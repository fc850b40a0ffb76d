#include "lib/base/ol_utf8.h"

#include <stdint.h>
#include <string.h>

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The ranges of the Unicode standard's table 3-7: the second byte's bounds shut out overlong
 * forms (E0, F0), surrogates (ED) and what lies above U+10FFFF (F4). */
size_t ol_utf8_length(const char *text, size_t size_bytes)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (size_bytes == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    if (byte[0] < 0xC2 || byte[0] > 0xF4)
        return 0;

    size_t length = byte[0] < 0xE0 ? 2 : byte[0] < 0xF0 ? 3 : 4;
    if (size_bytes < length)
        return 0;
    unsigned char low = byte[0] == 0xE0 ? 0xA0 : byte[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = byte[0] == 0xED ? 0x9F : byte[0] == 0xF4 ? 0x8F : 0xBF;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!continues(byte[i]))
            return 0;
    return length;
}

/* Eight bytes, each 0x01 to 0x7F. Subtracting 1 from each byte borrows into a high bit exactly
 * when one of them is zero, given that none has its own high bit set. */
static bool plain_word(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return !((word | (word - 0x0101010101010101u)) & 0x8080808080808080u);
}

enum ol_utf8 ol_utf8_check(const char *text, size_t size_bytes, size_t *ret_position)
{
    size_t at = 0;
    while (at < size_bytes) {
        if (size_bytes - at >= 8 && plain_word(text + at)) {
            at += 8;
            continue;
        }
        size_t length = ol_utf8_length(text + at, size_bytes - at);
        if (length == 0 || text[at] == '\0') {
            if (ret_position)
                *ret_position = at;
            return length == 0 ? OL_UTF8_BAD : OL_UTF8_HAS_NUL;
        }
        at += length;
    }
    return OL_UTF8_OK;
}

bool ol_utf8_wide(const char *text, size_t size_bytes)
{
    return size_bytes >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 ||
                               memcmp(text, "\xFE\xFF", 2) == 0 || !text[0] != !text[1]);
}
