/*
 * tests/fuzz/large.c - the last large block that was freed, kept for the next malloc of its size.
 *
 * A reader's buffers of 128 KiB and more would be mapped and unmapped for every input, which is
 * most of what such a target does. Linked with --wrap=malloc,free. While a block is kept, and
 * behind its end, AddressSanitizer reports every access, as it does for its own.
 */
#include "tests/fuzz/fuzz.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes)   ((void)(memory), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)(memory), (void)(bytes))
#endif

#define LARGE_BYTES (100 * 1024)
#define KEPT_MAX    4

static struct {
    void *memory;
    size_t bytes;
    bool used;
} kept[KEPT_MAX];

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    if (bytes < LARGE_BYTES)
        return __real_malloc(bytes);
    for (int i = 0; i < KEPT_MAX; i++) {
        if (kept[i].used || (kept[i].memory && kept[i].bytes != bytes))
            continue;
        if (!kept[i].memory)
            kept[i].memory = __real_malloc(bytes);
        if (!kept[i].memory)
            return NULL;
        kept[i].bytes = bytes;
        kept[i].used = true;
        ASAN_UNPOISON_MEMORY_REGION(kept[i].memory, bytes);
        return kept[i].memory;
    }
    return __real_malloc(bytes);
}

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
    for (int i = 0; memory && i < KEPT_MAX; i++) {
        if (kept[i].memory != memory)
            continue;
        fuzz_check(kept[i].used);
        kept[i].used = false;
        ASAN_POISON_MEMORY_REGION(memory, kept[i].bytes);
        return;
    }
    __real_free(memory);
}
