/*
 * lib/base/ol_utf8.h - is this text what it says it is?
 *
 * protobuf-c does not check strings, and C reads "a\0b" as "a": both are caught here, on the
 * wire bytes, before anything is unpacked. Pure; ASCII goes by eight bytes at a time.
 */
#ifndef OL_UTF8_H
#define OL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

enum ol_utf8 {
    OL_UTF8_OK = 0,
    OL_UTF8_BAD,     /* not UTF-8: overlong, surrogate, above U+10FFFF, cut off, stray byte */
    OL_UTF8_HAS_NUL, /* U+0000, legal in UTF-8 and poison to C */
};

/* Checks all of `size_bytes`. On a fault *ret_position (if not NULL) is the index of the first
 * byte of the first faulty sequence; otherwise it is untouched. */
enum ol_utf8 ol_utf8_check(const char *text, size_t size_bytes, size_t *ret_position);

/* Bytes (1 to 4) of the character that `text` begins with; 0 if no character does. U+0000 is
 * one here. */
size_t ol_utf8_length(const char *text, size_t size_bytes);

/* Does a text file begin as UTF-16 does: with its byte order mark, or with a character of which one
 * of two bytes is NUL? */
bool ol_utf8_wide(const char *text, size_t size_bytes);
#define OL_UTF8_WIDE "the file is UTF-16 (some programs call it Unicode); save it as UTF-8"

#endif
