/*
 * consumers/replies.h - answers to orders that wait for the end of their batch: equal ones are one.
 *
 * add, add ... -> (taken one by one) -> clear. An order asks several groups at once, and most
 * answer in one transaction: they become one step with all their groups, which is one input there
 * and one event. Pure but for malloc; one thread. Texts stay the batch's.
 */
#ifndef CONSUMERS_REPLIES_H
#define CONSUMERS_REPLIES_H

#include <stdbool.h>

#include "domain/message.h"
#include "lib/base/ol_index.h"

struct replies {
    struct step_message *items; /* in the order of the first of each */
    size_t count, capacity;
    struct ol_index index; /* by order and kind: the place in items */
};

void replies_release(struct replies *replies);
void replies_clear(struct replies *replies);

/* Stock answered, and equal answers may be one. */
bool replies_may_wait(const struct order_step *answer);

/* One more: its groups go to the one that waits for the same order with the same answer, or it
 * waits itself. False: out of memory. */
bool replies_add(struct replies *replies, const struct step_message *reply);

#endif
