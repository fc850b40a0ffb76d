#include "lib/base/ol_nearest.h"

#include <stdint.h>
#include <string.h>

#define LETTERS_MAX 48 /* longer words are far from all others */

static size_t least(size_t left, size_t right)
{
    return left < right ? left : right;
}

/* distances[i][j]: from the first i letters of one word to the first j of the other. */
static size_t distance_of(const char *left, const char *right)
{
    size_t distances[LETTERS_MAX + 1][LETTERS_MAX + 1];
    size_t left_size = strlen(left), right_size = strlen(right);
    if (left_size > LETTERS_MAX || right_size > LETTERS_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= left_size; i++)
        distances[i][0] = i;
    for (size_t j = 0; j <= right_size; j++)
        distances[0][j] = j;
    for (size_t i = 1; i <= left_size; i++)
        for (size_t j = 1; j <= right_size; j++) {
            size_t best = distances[i - 1][j - 1] + (left[i - 1] != right[j - 1]);
            best = least(best, distances[i - 1][j] + 1);
            best = least(best, distances[i][j - 1] + 1);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                best = least(best, distances[i - 2][j - 2] + 1);
            distances[i][j] = best;
        }
    return distances[left_size][right_size];
}

struct ol_nearest ol_nearest_to(const char *typed)
{
    return (struct ol_nearest){.typed = typed, .distance = strlen(typed) / 3 + 2};
}

bool ol_nearest_is(struct ol_nearest *nearest, const char *word)
{
    size_t distance = distance_of(nearest->typed, word);
    if (distance >= nearest->distance)
        return false;
    nearest->distance = distance;
    return true;
}
