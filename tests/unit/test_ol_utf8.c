#include "lib/base/ol_utf8.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

static const struct {
    const char *text;
    size_t size_bytes;
    enum ol_utf8 fault;
    size_t position;
} rows[] = {
#define ROW(text, fault, position)                                                                 \
    {                                                                                              \
        text, sizeof text - 1, fault, position                                                     \
    }
    ROW("", OL_UTF8_OK, 0),
    ROW("basket/31198570044", OL_UTF8_OK, 0),
    ROW("Gem\xC3\xBCse \xE2\x82\xAC \xF0\x9F\x8D\x85", OL_UTF8_OK, 0),
    ROW("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", OL_UTF8_OK, 0), /* the edges */
    ROW("a\0b", OL_UTF8_HAS_NUL, 1),
    ROW("12345678\0", OL_UTF8_HAS_NUL, 8),
    ROW("1234567\0009", OL_UTF8_HAS_NUL, 7),
    ROW("12345678\x80", OL_UTF8_BAD, 8),     /* stray continuation */
    ROW("\xC0\x80", OL_UTF8_BAD, 0),         /* overlong NUL */
    ROW("ab\xC1\xBF", OL_UTF8_BAD, 2),       /* overlong, 2 bytes */
    ROW("\xE0\x9F\xBF", OL_UTF8_BAD, 0),     /* overlong, 3 bytes */
    ROW("\xF0\x8F\xBF\xBF", OL_UTF8_BAD, 0), /* overlong, 4 bytes */
    ROW("\xED\xA0\x80", OL_UTF8_BAD, 0),     /* surrogate */
    ROW("\xF4\x90\x80\x80", OL_UTF8_BAD, 0), /* above U+10FFFF */
    ROW("\xF5\x80\x80\x80", OL_UTF8_BAD, 0),
    ROW("\xFF", OL_UTF8_BAD, 0),
    ROW("euro \xE2\x82", OL_UTF8_BAD, 5), /* cut off */
    ROW("\xE2\x82x", OL_UTF8_BAD, 0),
#undef ROW
};

Test(ol_utf8_check, names_the_first_fault_and_its_position)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t position = 999;
        cr_expect_eq(ol_utf8_check(rows[i].text, rows[i].size_bytes, &position), rows[i].fault,
                     "row %zu", i);
        cr_expect_eq(position, rows[i].fault ? rows[i].position : 999, "row %zu", i);
    }
}

/* The decoder as the standard words it, slow and apart from the tables of the one under test. */
static bool decodes(const unsigned char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t length = 0;
        if (text[at] < 0x80)
            length = 1;
        else if (text[at] >> 5 == 6)
            length = 2;
        else if (text[at] >> 4 == 14)
            length = 3;
        else if (text[at] >> 3 == 30)
            length = 4;
        if (length == 0 || at + length > size || text[at] == 0)
            return false;
        uint32_t point = length == 1 ? text[at] : text[at] & (0xFFu >> (length + 1));
        for (size_t i = 1; i < length; i++) {
            if (text[at + i] >> 6 != 2)
                return false;
            point = point << 6 | (text[at + i] & 63);
        }
        if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
            return false;
        at += length;
    }
    return true;
}

Test(ol_utf8_check, agrees_with_a_plain_decoder_on_all_short_sequences)
{
    /* Leading ASCII moves the sequence over the eight-byte steps. */
    static const unsigned char bytes[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                          0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
                                          0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF, 'a'};
    enum { N = sizeof bytes };
    for (size_t lead = 0; lead < 9; lead += 4)
        for (int i = 0; i < N * N * N * N; i++) {
            unsigned char text[16];
            memset(text, 'x', sizeof text);
            text[lead] = bytes[i % N];
            text[lead + 1] = bytes[i / N % N];
            text[lead + 2] = bytes[i / N / N % N];
            text[lead + 3] = bytes[i / N / N / N];
            bool well = ol_utf8_check((char *)text, sizeof text, NULL) == OL_UTF8_OK;
            if (well != decodes(text, sizeof text))
                cr_assert_fail("lead %zu, %02x %02x %02x %02x", lead, text[lead], text[lead + 1],
                               text[lead + 2], text[lead + 3]);
        }
}
