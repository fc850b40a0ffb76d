/*
 * domain/protected.h - marks where a protection stands, so that the simulator can remove it.
 *
 * PROTECTED(name) is true. In the simulator's own build (ORDERLOG_SABOTAGE) it is false while the
 * protection of that name is sabotaged: tests/sim/sabotage.def has a row for each, and each removal
 * must be found. lib/base/ol_protected.h is the same for lib/, which knows no domain.
 */
#ifndef DOMAIN_PROTECTED_H
#define DOMAIN_PROTECTED_H

#ifdef ORDERLOG_SABOTAGE
#include <stdbool.h>
#define PROTECTED(name)                                                                            \
    (!({                                                                                           \
        extern bool sabotaged_##name;                                                              \
        sabotaged_##name;                                                                          \
    }))
#else
#define PROTECTED(name) 1
#endif

#endif
