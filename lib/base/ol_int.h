/*
 * lib/base/ol_int.h - an integer from text that somebody else wrote.
 *
 * strtoll skips spaces, takes a plus, stops at rubbish and needs errno; this does none of it.
 */
#ifndef OL_INT_H
#define OL_INT_H

#include <stddef.h>
#include <stdint.h>

enum ol_int {
    OL_INT_OK = 0,
    OL_INT_BAD,     /* not an optional minus and decimal digits, all of the text */
    OL_INT_OUTSIDE, /* a number, but below min or above max, or beyond int64 */
};

/* *ret_value is untouched unless the answer is OL_INT_OK. */
enum ol_int ol_int_parse(const char *text, size_t size_bytes, int64_t min, int64_t max,
                         int64_t *ret_value);

#endif
