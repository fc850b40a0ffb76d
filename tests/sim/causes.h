/*
 * tests/sim/causes.h - the input whose event asked, as all who name it tell it.
 *
 * An order's event says which input it is the outcome of; each question that follows from it says
 * which input caused it. Either may become readable first.
 */
#ifndef SIM_CAUSES_H
#define SIM_CAUSES_H

#include "domain/text.h"

struct causes {
    struct causes_slot *slots;
    size_t slot_count, count;
};

/* False: of this version of the order somebody has told another cause. */
bool causes_agree(struct causes *causes, struct text order, int64_t version, struct text cause);

void causes_release(struct causes *causes);

#endif
