#include "domain/partition.h"

#include "domain/assert.h"

/* MurmurHash2 with Kafka's seed; words are read as little endian on every machine. */
#define MURMUR_SEED     0x9747b28cu
#define MURMUR_MULTIPLY 0x5bd1e995u
#define MURMUR_SHIFT    24

static uint32_t word_at(const unsigned char *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

static uint32_t mix_tail(uint32_t hash, const unsigned char *tail, uint32_t bytes)
{
    domain_assert(bytes < 4);
    if (bytes == 0)
        return hash;
    for (uint32_t i = 0; i < bytes; i++)
        hash ^= (uint32_t)tail[i] << 8 * i;
    return hash * MURMUR_MULTIPLY;
}

uint32_t partition_hash(struct text key)
{
    const unsigned char *data = (const unsigned char *)key.data;
    uint32_t words = key.bytes / 4;
    uint32_t hash = MURMUR_SEED ^ key.bytes;

    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = word_at(data + 4 * i) * MURMUR_MULTIPLY;
        word = (word ^ word >> MURMUR_SHIFT) * MURMUR_MULTIPLY;
        hash = hash * MURMUR_MULTIPLY ^ word;
    }
    hash = mix_tail(hash, key.bytes ? data + 4 * words : data, key.bytes % 4);
    hash = (hash ^ hash >> 13) * MURMUR_MULTIPLY;
    return hash ^ hash >> 15;
}

int32_t partition_of_hash(uint32_t hash, int32_t count)
{
    domain_assert(count >= 1);
    domain_assert(count <= PARTITIONS_MAX);
    return (int32_t)((hash & 0x7fffffffu) % (uint32_t)count);
}

int32_t partition_of(struct text key, int32_t count)
{
    return partition_of_hash(partition_hash(key), count);
}
