/*
 * tests/fuzz/envelope.h - any bytes as one envelope: what decodes is whole, or it is poison.
 *
 * The first byte is the context, the rest the wire bytes. Of what decodes: it encodes, its
 * canonical bytes decode to the same and encode to the same; protobuf-c, where it takes the bytes
 * too, reads the same message out of them.
 */
#ifndef FUZZ_ENVELOPE_H
#define FUZZ_ENVELOPE_H

#include "domain/topic.h"

void envelope_check(enum stream stream, const uint8_t *data, size_t size);

/* Now and then a message made anew, else libFuzzer's own mutation. */
size_t envelope_mutate(enum stream stream, uint8_t *data, size_t size, size_t size_max,
                       unsigned seed);

#endif
