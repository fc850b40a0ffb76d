#include "proto/json_numbers.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/ol_int.h"

#define INT64_DIGITS    19
#define SHORT_BYTES     18         /* digits of any sign that fit into 64 bits for certain */
#define EXPONENT_MAX    1000000000 /* far beyond what a text's digits could make up for */
#define NUMBER_BYTES    (1 + INT64_DIGITS)
#define NOT_WHOLE       "0.5"
#define BEYOND          "9e99"
#define BEYOND_NEGATIVE "-9e99"

/* A number's parts, by JSON's grammar. */
struct number {
    bool negative;
    const char *whole, *fraction; /* digits; the fraction's begin behind the point */
    size_t whole_bytes, fraction_bytes, bytes;
    bool plain;       /* without fraction and exponent */
    int64_t exponent; /* no further from 0 than EXPONENT_MAX */
};

static size_t count_digits(const char *text, const char *end)
{
    const char *at = text;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - text);
}

/* False: no exponent, where one begins. */
static bool read_exponent(const char **at, const char *end, int64_t *ret_exponent)
{
    bool negative = *at < end && **at == '-';
    if (*at < end && (**at == '-' || **at == '+'))
        ++*at;
    size_t digits = count_digits(*at, end);
    int64_t exponent = 0;
    for (size_t i = 0; i < digits; i++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + ((*at)[i] - '0');
    *at += digits;
    *ret_exponent = negative ? -exponent : exponent;
    return digits > 0;
}

/* False: it is no number; ret->bytes is what looked like one, at least 1. */
static bool read_number(const char *text, const char *end, struct number *ret)
{
    const char *at = text;
    *ret = (struct number){.plain = true, .bytes = 1, .negative = *at == '-'};
    at += ret->negative;
    ret->whole = at;
    ret->whole_bytes = count_digits(at, end);
    at += ret->whole_bytes;
    bool good = ret->whole_bytes == 1 || (ret->whole_bytes > 1 && *ret->whole != '0');
    if (at < end && *at == '.') {
        ret->plain = false;
        ret->fraction = ++at;
        ret->fraction_bytes = count_digits(at, end);
        at += ret->fraction_bytes;
        good = good && ret->fraction_bytes > 0;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        ret->plain = false;
        at++;
        good = read_exponent(&at, end, &ret->exponent) && good;
    }
    if (at > text)
        ret->bytes = (size_t)(at - text);
    return good;
}

/* The i-th digit of whole part and fraction together. */
static char digit_at(const struct number *number, size_t i)
{
    return i < number->whole_bytes ? number->whole[i] : number->fraction[i - number->whole_bytes];
}

/* The number as an integer's text; ret_text has NUMBER_BYTES. Returns what to write for it. */
static const char *write_out(const struct number *number, char *ret_text, size_t *ret_bytes)
{
    const char *beyond = number->negative ? BEYOND_NEGATIVE : BEYOND;
    size_t first = 0, end = number->whole_bytes + number->fraction_bytes, used = 0;
    while (end > 0 && digit_at(number, end - 1) == '0')
        end--;
    while (first < end && digit_at(number, first) == '0')
        first++;
    /* digits first to end, times ten to the power of `zeros`; the last digit is not 0 */
    int64_t zeros = number->exponent + (int64_t)number->whole_bytes - (int64_t)end;
    if (first == end)
        return *ret_bytes = 1, "0";
    if (zeros < 0)
        return *ret_bytes = strlen(NOT_WHOLE), NOT_WHOLE;
    if ((int64_t)(end - first) + zeros > INT64_DIGITS)
        return *ret_bytes = strlen(beyond), beyond;

    int64_t value;
    if (number->negative)
        ret_text[used++] = '-';
    for (size_t i = first; i < end; i++)
        ret_text[used++] = digit_at(number, i);
    while (zeros-- > 0)
        ret_text[used++] = '0';
    if (ol_int_parse(ret_text, used, INT64_MIN, INT64_MAX, &value) != OL_INT_OK)
        return *ret_bytes = strlen(beyond), beyond;
    *ret_bytes = used;
    return ret_text;
}

/* Goes behind a string; `at` is behind its first quote. */
static const char *skip_string(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at < end ? at + 1 : end;
}

/* Calls back for whatever may have to be written otherwise. */
typedef void number_found(void *context, const char *from, const struct number *number);
static void each_number(const char *json, size_t bytes, number_found *found, void *context)
{
    const char *at = json, *end = json + bytes;
    while (at < end) {
        struct number number;
        if (*at == '"') {
            at = skip_string(at + 1, end);
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            if (read_number(at, end, &number) &&
                (!number.plain || number.whole_bytes > SHORT_BYTES))
                found(context, at, &number);
            at += number.bytes;
        } else {
            at++;
        }
    }
}

static void count_room(void *context, const char *from, const struct number *number)
{
    (void)from;
    (void)number;
    *(size_t *)context += NUMBER_BYTES;
}

struct rewriting {
    const char *rest; /* of the text: not copied yet */
    char *to;
};

static void rewrite(void *context, const char *from, const struct number *number)
{
    struct rewriting *rewriting = context;
    char memory[NUMBER_BYTES];
    size_t before = (size_t)(from - rewriting->rest), bytes;
    const char *text = write_out(number, memory, &bytes);
    memcpy(rewriting->to, rewriting->rest, before);
    memcpy(rewriting->to + before, text, bytes);
    rewriting->to += before + bytes;
    rewriting->rest = from + number->bytes;
}

bool json_numbers(const char *json, size_t bytes, struct ol_arena *arena, const char **ret_json,
                  size_t *ret_bytes)
{
    size_t more = 0;
    each_number(json, bytes, count_room, &more);
    *ret_json = json;
    *ret_bytes = bytes;
    if (more == 0)
        return true;
    char *copy = ol_arena_alloc(arena, bytes + more);
    if (!copy)
        return false;
    struct rewriting rewriting = {.rest = json, .to = copy};
    each_number(json, bytes, rewrite, &rewriting);
    size_t rest = bytes - (size_t)(rewriting.rest - json);
    memcpy(rewriting.to, rewriting.rest, rest);
    *ret_json = copy;
    *ret_bytes = (size_t)(rewriting.to - copy) + rest;
    assert(*ret_bytes <= bytes + more);
    return true;
}
