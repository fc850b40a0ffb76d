/* Protections that are a value and no guard. The deciders of the simulator call these instead of
 * the functions that they are named after (see meson.build); each does the same until its
 * protection is removed. Those of the models (high_watermark, compare_and_set, ...) stand in the
 * models. */
#include "consumers/core_internal.h"
#include "lib/guard/protected.h"
#include "tests/sim/sim.h"

struct text sim_id_of_step(struct ol_arena *arena, struct text stem, int64_t version,
                           size_t number);
int64_t sim_input_next_offset(const struct core_input *input);
uint64_t sim_order_groups_to_release(const struct order *state);
enum payment_row sim_order_payment_row(struct text order_id);
void sim_overlay_clear(struct overlay *overlay);

/* An id that is new whenever the step is decided. */
struct text sim_id_of_step(struct ol_arena *arena, struct text stem, int64_t version, size_t number)
{
    static int64_t made;
    return id_of_step(arena, stem, PROTECTED(derived_ids) ? version : ++made, number);
}

/* The input itself once more. */
int64_t sim_input_next_offset(const struct core_input *input)
{
    return input_next_offset(input) - !PROTECTED(offset_plus_one);
}

/* Only those that have answered. */
uint64_t sim_order_groups_to_release(const struct order *state)
{
    uint64_t groups = order_groups_to_release(state);
    return PROTECTED(undo_unanswered) ? groups : groups & state->groups_reserved;
}

/* No protection: every run has orders on all rows of the saga. */
enum payment_row sim_order_payment_row(struct text order_id)
{
    return partition_hash(order_id) >> 8 & 1 ? PAYMENT_ROW_CHARGE : PAYMENT_ROW_AUTHORISE;
}

void sim_overlay_clear(struct overlay *overlay)
{
    if (PROTECTED(states_dropped))
        overlay_clear(overlay);
}
