/*
 * tests/fuzz/fuzz.h - what all targets share: libFuzzer's door, a check, and bytes as choices.
 *
 * A target takes any bytes and returns 0; what must hold is a fuzz_check(), which is never compiled
 * out. Targets keep their memory from one input to the next, but no other trace of it: an input
 * alone must do what it did among others. Built twice: by clang with libFuzzer (run), and by any
 * compiler with replay.c, which feeds in the files of corpus/ and regressions/.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* clang's library has it; a target may call it from its own mutator. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

#define fuzz_check(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* An input on its way through: what is taken is gone, and behind the end all bytes are 0. */
struct fuzz_input {
    const uint8_t *at, *end;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* 0 to bound - 1; bound: 1 to 256. */
static inline unsigned fuzz_below(struct fuzz_input *input, unsigned bound)
{
    return fuzz_byte(input) % bound;
}

static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes)
{
    uint64_t number = 0;
    while (bytes--)
        number = number << 8 | fuzz_byte(input);
    return number;
}

static inline size_t fuzz_left(const struct fuzz_input *input)
{
    return (size_t)(input->end - input->at);
}

#endif
