/*
 * domain/name.h - enums and their names, by one table each.
 *
 * Index 0 is 'none' and named "". Pure.
 */
#ifndef DOMAIN_NAME_H
#define DOMAIN_NAME_H

#include <stddef.h>

#include "domain/text.h"

/* "" outside the table and for a cell that nobody filled. */
static inline const char *name_at(const char *const *names, size_t count, size_t index)
{
    return index < count && names[index] ? names[index] : "";
}

/* 0 where no name is equal. */
static inline size_t name_find(const char *const *names, size_t count, struct text name)
{
    for (size_t i = 1; i < count; i++)
        if (text_equal(text_of(names[i]), name))
            return i;
    return 0;
}

#endif
