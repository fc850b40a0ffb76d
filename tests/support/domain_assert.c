/* tests/support/domain_assert.c - the domain's assert hook in tests: say it and abort. */
#include "domain/assert.h"

#include <stdio.h>
#include <stdlib.h>

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
