/* tests/fuzz/fuzz_command.c - any bytes as the envelope of a command: see envelope.h. */
#include "tests/fuzz/envelope.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    envelope_check(STREAM_COMMANDS, data, size);
    return 0;
}

#ifdef FUZZ_WITH_MUTATOR
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return envelope_mutate(STREAM_COMMANDS, data, size, size_max, seed);
}
#endif
