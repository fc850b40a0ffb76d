#include "lib/base/ol_int.h"

#include <stdbool.h>

enum ol_int ol_int_parse(const char *text, size_t size_bytes, int64_t min, int64_t max,
                         int64_t *ret_value)
{
    bool negative = size_bytes > 0 && text[0] == '-';
    size_t at = negative;
    if (at == size_bytes)
        return OL_INT_BAD;

    /* Counted downwards, since int64 reaches one further there. */
    int64_t value = 0;
    bool outside = false;
    for (; at < size_bytes; at++) {
        if (text[at] < '0' || text[at] > '9')
            return OL_INT_BAD;
        outside |= __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_sub_overflow(value, text[at] - '0', &value);
    }
    if (!negative)
        outside |= __builtin_sub_overflow(0, value, &value);
    if (outside || value < min || value > max)
        return OL_INT_OUTSIDE;
    *ret_value = value;
    return OL_INT_OK;
}
