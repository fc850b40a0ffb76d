/*
 * tests/support/exhaustion.h - the n-th allocation fails, for every n.
 *
 * Linked with --wrap=malloc,calloc,realloc,strdup, so that all that the program's own code asks for
 * is counted; what shared libraries ask for is not, Criterion's for one.
 */
#ifndef SUPPORT_EXHAUSTION_H
#define SUPPORT_EXHAUSTION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Calls work(self) with the first allocation failing, then with the second, ... until it passes
 * without one having failed; returns how many failed. `work` begins from nothing, gives everything
 * back (AddressSanitizer sees whether it does) and returns true when all went well; it must not
 * when an allocation failed, and then asserts by itself that the failure was told as promised.
 */
size_t exhaust(bool (*work)(void *self), void *self);

/* Between these, nothing is counted and nothing fails: for what the test itself needs. */
void exhaust_pause(void);
void exhaust_resume(void);

#endif
