#include "tests/support/exhaustion.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool armed, hit;
    size_t count, fail_at; /* from 1 */
} state;

static bool fails(void)
{
    if (!state.armed || ++state.count != state.fail_at)
        return false;
    state.hit = true;
    return true;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_realloc(memory, bytes);
}

char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
char *__wrap_strdup(const char *string)
{
    return fails() ? NULL : __real_strdup(string);
}

size_t exhaust(bool (*work)(void *self), void *self)
{
    for (size_t n = 1;; n++) {
        state.count = 0;
        state.fail_at = n;
        state.hit = false;
        state.armed = true;
        bool passed = work(self);
        state.armed = false;
        if (!state.hit) {
            cr_assert(passed, "it fails though there is memory");
            return n - 1;
        }
        if (passed)
            fprintf(stderr, "allocation %zu failed and nobody was told\n", n);
        cr_assert(!passed);
    }
}

void exhaust_pause(void)
{
    state.armed = false;
}

void exhaust_resume(void)
{
    state.armed = state.fail_at > 0;
}
