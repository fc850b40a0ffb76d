#include "lib/base/ol_grow.h"

#include <stdlib.h>
#include <string.h>

bool ol_grow(void *array, size_t *capacity, size_t count, size_t item_bytes, size_t first)
{
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : first, bytes;
    if (wanted < count)
        wanted = count;
    if (__builtin_mul_overflow(wanted, item_bytes, &bytes))
        return false;
    void *items; /* copied, since a pointer to a type is no pointer to void */
    memcpy(&items, array, sizeof items);
    void *grown = realloc(items, bytes);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}
