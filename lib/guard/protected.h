/*
 * lib/guard/protected.h - marks where a protection stands, so that the simulator can remove it.
 *
 *   if (PROTECTED(went_back) && next_offset < before)
 *       return ...;
 *
 * PROTECTED(name) is 1 in the product. In the simulator's build (ORDERLOG_SABOTAGE) it is 0 while
 * the protection of that name is removed: tests/sim/sabotage.def has a row for each, and each
 * removal must be found. One form is allowed, which tools/check_layers keeps: the mark stands first
 * and `&&` follows, so that without the protection the code is what it would be had nobody written
 * the guard. What needs another value instead is a function that the simulator links its own of.
 */
#ifndef LIB_GUARD_PROTECTED_H
#define LIB_GUARD_PROTECTED_H

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
