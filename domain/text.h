/*
 * domain/text.h - a piece of text that somebody else owns.
 *
 * Ids and names travel as (pointer, bytes): no copy, no terminator needed, and no NUL inside (the
 * codec has checked that, as it has checked UTF-8). Empty is bytes == 0; data may then be NULL.
 */
#ifndef DOMAIN_TEXT_H
#define DOMAIN_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ID_BYTES_MAX     128 /* ids: 1 to 128 bytes (contract) */
#define DETAIL_BYTES_MAX 512 /* names, categories, brands */
#define REASON_BYTES_MAX 128 /* why a movement was made, for people */

struct text {
    const char *data;
    uint32_t bytes;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})

static inline bool text_equal(struct text a, struct text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

static inline struct text text_of(const char *string)
{
    return (struct text){string, string ? (uint32_t)strlen(string) : 0};
}

/* A currency as a state holds it: three letters and a NUL. */
struct currency {
    char code[4];
};

static inline struct currency currency_of(struct text text)
{
    struct currency currency = {{0}};
    if (text.bytes == 3)
        memcpy(currency.code, text.data, 3);
    return currency;
}

static inline bool currency_is(struct currency currency, struct text text)
{
    return text.bytes == 3 && memcmp(currency.code, text.data, 3) == 0;
}

/* Three capital letters (the shape of ISO 4217; whether the code is in use is not checked). */
static inline bool currency_valid(struct text text)
{
    if (text.bytes != 3)
        return false;
    for (uint32_t i = 0; i < 3; i++)
        if (text.data[i] < 'A' || text.data[i] > 'Z')
            return false;
    return true;
}

#endif
