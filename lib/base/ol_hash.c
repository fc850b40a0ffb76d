#include "lib/base/ol_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t ol_hash(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

uint64_t ol_hash_pair(const void *first, size_t first_bytes, const void *second,
                      size_t second_bytes)
{
    uint64_t hash = XXH3_64bits(first, first_bytes);
    if (second_bytes)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) ^ XXH3_64bits(second, second_bytes);
    return hash;
}

uint64_t ol_hash_record(const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    if (key_bytes)
        XXH3_64bits_update(&state, key, key_bytes);
    if (value_bytes)
        XXH3_64bits_update(&state, value, value_bytes);
    return XXH3_64bits_digest(&state);
}
