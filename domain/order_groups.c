#include "domain/order.h"

/* Apart from order.c, so that the simulator can link its own variant: see lib/guard/README.md. */

uint64_t order_groups_unanswered(const struct order *state)
{
    return state->groups_asked & ~state->groups_reserved & ~state->groups_refused;
}

/* Protection undo_unanswered: a group that was asked and has not answered may hold stock, too. */
uint64_t order_groups_to_release(const struct order *state)
{
    return state->groups_asked & ~state->groups_refused & ~state->groups_released;
}
