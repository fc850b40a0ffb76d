/*
 * domain/check.h - what commands of every context are checked for.
 *
 * Pure. A check gives a refusal, or ACCEPTED. Texts are valid UTF-8 without NUL: the codec has seen
 * to that.
 */
#ifndef DOMAIN_CHECK_H
#define DOMAIN_CHECK_H

#include "domain/refusal.h"

static inline struct refusal refused(enum refusal_code code, struct text subject)
{
    return (struct refusal){.code = code, .subject = subject};
}

static inline struct refusal accepted(void)
{
    return (struct refusal){.code = ACCEPTED};
}

/* True for 1 to ID_BYTES_MAX bytes in which everything is seen: lib/base/ol_unseen.h, the one table
 * of what is not. */
bool id_is_clean(struct text id);

/* ID_INVALID, with the id as its subject. */
struct refusal check_id(struct text id);

#endif
