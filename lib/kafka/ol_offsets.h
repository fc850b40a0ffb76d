/*
 * lib/kafka/ol_offsets.h - offsets that a transaction takes along.
 *
 * Pure. The library accepts an empty list, and passes over a negative offset, in silence: such a
 * transaction is not fenced by the group's generation.
 */
#ifndef OL_OFFSETS_H
#define OL_OFFSETS_H

#include "lib/kafka/ol_kafka.h"

/* OL_USAGE: the list fences nothing; `who` begins the sentence. */
enum ol_class ol_offsets_check(const char *who, const struct ol_offset *offsets, size_t count,
                               struct ol_error *reterr);

#endif
