/*
 * verify/catch.h - a failed assertion of the domain, caught while verify folds.
 *
 * Everywhere else such an assertion ends the process before it writes. verify writes nothing and
 * folds what somebody else wrote: an event that can't be is what it is looking for.
 */
#ifndef VERIFY_CATCH_H
#define VERIFY_CATCH_H

#include <stdbool.h>

/* Runs function(argument). False: an assertion of the domain failed on the way; *ret_condition is
 * its text (static), and what the function had done by then stays done. Not to be nested. */
bool catch_run(void (*function)(void *argument), void *argument, const char **ret_condition);

/* For domain_assert_failed(): does not return while catch_run() is under way in this thread. */
void catch_assertion(const char *condition);

#endif
