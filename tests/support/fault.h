/*
 * tests/support/fault.h - a fault that is planted must trip an assertion, and that very one.
 *
 * What can't happen can't be brought about from outside. So a test includes a source, breaks what
 * it holds, and calls the function whose assertion should see that.
 */
#ifndef SUPPORT_FAULT_H
#define SUPPORT_FAULT_H

#include <stddef.h>

struct fault {
    void (*plant)(void);
    const char *asserted; /* a piece of the condition */
    const char *name;
};

#define FAULT(plant, asserted)                                                                     \
    {                                                                                              \
        plant, asserted, #plant                                                                    \
    }

/* Runs each in a process of its own, with a copy of all that the test has set up. */
void faults_trip(const struct fault *faults, size_t count);

#define FAULTS_TRIP(faults) faults_trip(faults, sizeof(faults) / sizeof *(faults))

#endif
