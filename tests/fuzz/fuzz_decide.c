/*
 * tests/fuzz/fuzz_decide.c - decode -> decide -> encode, and what was written folds to what is
 * held.
 *
 * After a history (history.h) a second core replays its events from the log, as a take-over does:
 * receipts chain, and every state is the one that the first core held. In no state is there less
 * than nothing, nor more held than there is.
 */
#include "tests/fuzz/history.h"
#include "tests/support/pipeline_projection.h"

static void check_state(const struct entity *state)
{
    if (state->kind == ENTITY_PRODUCT)
        fuzz_check(state->product.reserved >= 0 &&
                   state->product.on_hand >= state->product.reserved);
    if (state->kind == ENTITY_ACCOUNT)
        fuzz_check(state->account.balance_minor >= 0 && state->account.held_minor >= 0);
    if (state->kind == ENTITY_PAYMENT)
        fuzz_check(state->payment.refunded_minor >= 0 &&
                   state->payment.refunded_minor <= state->payment.amount_minor);
}

static void compare(struct core *told, struct core *replayed, const struct history_event *event)
{
    struct entity_key keys[EVENT_ENTITIES_MAX];
    size_t count = event_entities(&event->event, event->partition, keys, EVENT_ENTITIES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct entity *first = overlay_get(core_overlay(told), &keys[i]);
        fuzz_check(first);
        check_state(first);
        const struct entity *second = overlay_get(core_overlay(replayed), &keys[i]);
        fuzz_check(second && projection_same(first, second));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct history history;
    struct fuzz_input input = {data, data + size};
    history_run(&history, &input);

    struct core *replayed = history_core(history.context, history.partitions, true);
    for (int32_t i = 0; i < history.partitions; i++)
        core_partition_begin(replayed, i, NULL);
    history_put_absent(replayed, &history);
    for (size_t i = 0; i < history.event_count; i++) {
        const struct history_event *event = &history.events[i];
        struct ol_error error;
        fuzz_check(core_replay(replayed, &event->event, event->partition, event->offset, &error) ==
                   OL_OK);
    }
    for (size_t i = 0; i < history.event_count; i++)
        compare(history.core, replayed, &history.events[i]);
    return 0;
}
