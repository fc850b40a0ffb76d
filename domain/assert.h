/*
 * domain/assert.h - what must be true, in release builds too.
 *
 * A failed assertion is a bug of ours, never a user's doing: the process stops before it writes
 * anything that follows from it. domain_assert_failed() is the domain's only door to the outside;
 * whoever links the domain provides it (it must not return).
 */
#ifndef DOMAIN_ASSERT_H
#define DOMAIN_ASSERT_H

_Noreturn void domain_assert_failed(const char *condition, const char *file, int line);

#define domain_assert(condition)                                                                   \
    ((condition) ? (void)0 : domain_assert_failed(#condition, __FILE__, __LINE__))

#endif
