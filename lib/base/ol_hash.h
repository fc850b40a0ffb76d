/*
 * lib/base/ol_hash.h - the one door to xxHash: digests of bytes, for tables and for fingerprints.
 *
 * XXH3-64, seed 0: stable across machines and releases, so a digest may be stored. Not a
 * cryptographic hash. Pure.
 */
#ifndef OL_HASH_H
#define OL_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t ol_hash(const void *data, size_t bytes);

/* Of a key of two parts; with an empty second one, that of the first alone. */
uint64_t ol_hash_pair(const void *first, size_t first_bytes, const void *second,
                      size_t second_bytes);

/* The digest of one record: its key's bytes, then its value's (either may be empty). */
uint64_t ol_hash_record(const void *key, size_t key_bytes, const void *value, size_t value_bytes);

#endif
