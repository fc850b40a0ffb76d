/*
 * domain/refusal.h - a no, as a value.
 *
 * A refusal is answered and recorded like any outcome; it is not a failure. Pure.
 * Codes and sentences: refusal.def.
 */
#ifndef DOMAIN_REFUSAL_H
#define DOMAIN_REFUSAL_H

#include "domain/text.h"

enum refusal_code {
    ACCEPTED = 0, /* no refusal */
#define REFUSAL(code, sentence) REFUSED_##code,
#include "domain/refusal.def"
#undef REFUSAL
    REFUSAL_CODE_COUNT
};

struct refusal {
    enum refusal_code code;
    int32_t line;        /* 1-based line of the order that it is about; 0: none */
    struct text subject; /* the SKU or id that it is about; lives as long as the input */
};

/* "SKU_TWICE"; "" for ACCEPTED. */
const char *refusal_name(enum refusal_code code);

/* One sentence without a full stop; "" for ACCEPTED. */
const char *refusal_sentence(enum refusal_code code);

/* ACCEPTED when no code has this name. */
enum refusal_code refusal_by_name(struct text name);

#endif
