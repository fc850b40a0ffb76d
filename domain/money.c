#include "domain/money.h"

#include "domain/assert.h"
#include "domain/currency.h"

const char *amount_print(int64_t amount_minor, int32_t digits, char buffer[AMOUNT_TEXT_BYTES])
{
    domain_assert(digits >= 0 && digits <= CURRENCY_DIGITS_MAX);
    char reversed[AMOUNT_TEXT_BYTES];
    uint64_t left = amount_minor < 0 ? -(uint64_t)amount_minor : (uint64_t)amount_minor;
    size_t count = 0;
    for (int32_t place = 0; place <= digits || left > 0; place++) {
        if (place == digits && digits > 0)
            reversed[count++] = '.';
        reversed[count++] = (char)('0' + left % 10);
        left /= 10;
    }
    if (amount_minor < 0)
        reversed[count++] = '-';
    domain_assert(count < AMOUNT_TEXT_BYTES);
    for (size_t i = 0; i < count; i++)
        buffer[i] = reversed[count - 1 - i];
    buffer[count] = '\0';
    return buffer;
}

/* The digits of a text from *at on, as long as they are digits; how many. */
static uint32_t skip_digits(struct text text, uint32_t *at)
{
    uint32_t first = *at;
    while (*at < text.bytes && text.data[*at] >= '0' && text.data[*at] <= '9')
        (*at)++;
    return *at - first;
}

/* sum = sum * 10 - digit: below zero there is room for INT64_MIN. */
static bool append(int64_t *sum, int digit)
{
    return !__builtin_mul_overflow(*sum, 10, sum) && !__builtin_sub_overflow(*sum, digit, sum);
}

enum amount_read amount_parse(struct text text, int32_t digits, int64_t *ret_minor)
{
    domain_assert(digits >= 0 && digits <= CURRENCY_DIGITS_MAX);
    bool negative = text.bytes > 0 && text.data[0] == '-';
    uint32_t at = negative, behind = 0;
    if (skip_digits(text, &at) == 0)
        return AMOUNT_UNREADABLE;
    bool point = at < text.bytes && text.data[at] == '.';
    at += point;
    if (point)
        behind = skip_digits(text, &at);
    if (at < text.bytes || (point && behind == 0))
        return AMOUNT_UNREADABLE;
    if (behind > (uint32_t)digits)
        return AMOUNT_TOO_EXACT;
    int64_t sum = 0;
    bool fits = true;
    for (uint32_t i = negative; i < text.bytes && fits; i++)
        if (text.data[i] != '.')
            fits = append(&sum, text.data[i] - '0');
    for (; behind < (uint32_t)digits && fits; behind++)
        fits = append(&sum, 0);
    if (!fits || (!negative && sum == INT64_MIN))
        return AMOUNT_TOO_LARGE;
    *ret_minor = negative ? sum : -sum;
    return AMOUNT_READ;
}
