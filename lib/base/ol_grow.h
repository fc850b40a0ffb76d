/*
 * lib/base/ol_grow.h - an array that doubles when it is full.
 *
 *     if (!OL_GROW(list->items, list->capacity, list->count + 1, ITEMS_FIRST))
 *         return false;
 *     list->items[list->count++] = item;
 *
 * So the items of a long list are moved once or twice each, however long it becomes. The array is
 * malloc's; its owner frees it.
 */
#ifndef OL_GROW_H
#define OL_GROW_H

#include <stdbool.h>
#include <stddef.h>

/* Room for `count` items in `array`, whose room is `capacity`; `first`: the least that is taken.
 * False: no memory, and all is as before. */
#define OL_GROW(array, capacity, count, first)                                                     \
    ol_grow(&(array), &(capacity), (count), sizeof *(array), (first))

/* array: the address of a pointer to any type. */
bool ol_grow(void *array, size_t *capacity, size_t count, size_t item_bytes, size_t first);

#endif
