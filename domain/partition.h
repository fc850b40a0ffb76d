/*
 * domain/partition.h - which partition a key lives on.
 *
 * Kafka's murmur2 of the key's bytes, as the Java client and librdkafka's murmur2 partitioner
 * compute it. The partition count is part of the data model: it never changes under a running
 * installation. Pure.
 */
#ifndef DOMAIN_PARTITION_H
#define DOMAIN_PARTITION_H

#include "domain/text.h"

#define PARTITIONS_MAX 64 /* groups of an order are bits of a 64-bit mask */

/* 0 to count - 1. count: 1 to PARTITIONS_MAX. */
int32_t partition_of(struct text key, int32_t count);

/* partition_of() in two halves, for whoever needs the hash as well. */
uint32_t partition_hash(struct text key);
int32_t partition_of_hash(uint32_t hash, int32_t count);

#endif
