/*
 * lib/base/ol_nearest.h - which of some words somebody meant, who typed another one.
 *
 *     struct ol_nearest nearest = ol_nearest_to(typed);
 *     for (each word)
 *         if (ol_nearest_is(&nearest, word))
 *             meant = word;
 *
 * Near is what a third of the letters, put in, taken out, replaced or swapped with a neighbour,
 * makes of it. Pure.
 */
#ifndef OL_NEAREST_H
#define OL_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

struct ol_nearest {
    const char *typed;
    size_t distance; /* of the nearest word so far; before the first one: too far */
};

/* `typed` outlives it. */
struct ol_nearest ol_nearest_to(const char *typed);

/* Is this word near enough, and nearer than all before? */
bool ol_nearest_is(struct ol_nearest *nearest, const char *word);

#endif
