/*
 * lib/base/ol_protected.h - marks where a protection stands, so that the simulator can remove it.
 *
 * As domain/protected.h, for lib/, which includes nothing of the domain.
 */
#ifndef OL_PROTECTED_H
#define OL_PROTECTED_H

#ifdef ORDERLOG_SABOTAGE
#include <stdbool.h>
#define OL_PROTECTED(name)                                                                         \
    (!({                                                                                           \
        extern bool sabotaged_##name;                                                              \
        sabotaged_##name;                                                                          \
    }))
#else
#define OL_PROTECTED(name) 1
#endif

#endif
