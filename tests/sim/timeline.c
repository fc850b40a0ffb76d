/* What has happened to an aggregate, for who looks at a seed that failed. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/codec.h"

#define LAST_TOLD 6

/* Of what names a customer's payment, the order counts too. */
static bool step_names(const struct part *part, struct bytes wire, struct text id,
                       struct ol_arena *arena, const char **ret_kind)
{
    struct step_message step;
    struct ol_error error;
    *ret_kind = "?";
    if (sim_decode_step(part->context, wire, arena, &step, &error))
        return !id.bytes;
    *ret_kind = step_kind_name(&step);
    return !id.bytes || text_equal(step_aggregate(&step), id) ||
           text_equal(sim_order_of(&step), id);
}

/* Of a bundle, the first step that names it; place -1: none, or no bundle. */
static int32_t place_of(const struct part *part, const struct slot *slot, struct text id,
                        const char **ret_kind)
{
    struct ol_arena arena;
    if (part->stream != STREAM_STEPS)
        return -1;
    ol_arena_init(&arena, 4096, 0);
    struct step_bundle bundle = sim_bundle_in(slot, &arena);
    int32_t place = 0;
    while ((size_t)place < bundle.count &&
           !step_names(part, bundle.steps[place], id, &arena, ret_kind))
        place++;
    ol_arena_release(&arena);
    return (size_t)place < bundle.count ? place : -1;
}

static bool names(const struct part *part, const struct slot *slot, struct text id)
{
    const char *kind;
    if (part->stream == STREAM_STEPS)
        return place_of(part, slot, id, &kind) >= 0;
    return !id.bytes || (slot->key_bytes == id.bytes && memcmp(slot->key, id.data, id.bytes) == 0);
}

static void tell_slot(const struct part *part, int64_t offset, struct text id)
{
    const struct slot *slot = part_slot(part, offset);
    struct ol_arena arena;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    struct event_message event;
    struct command command;
    const char *kind = "?";
    int32_t place = place_of(part, slot, id, &kind);
    ol_arena_init(&arena, 4096, 0);
    if (part->stream == STREAM_EVENTS &&
        !sim_decode_event(part->context, wire, &arena, &event, &error))
        kind = event_kind_name(&event);
    else if (part->stream == STREAM_COMMANDS &&
             !sim_decode_command(part->context, wire, &arena, &command, &error))
        kind = command_kind_name(&command);
    printf("    %12.6f  %-9s %-8s %d/%-5lld %-3d %-22s txn %u %s\n",
           (double)(slot->at_us - world->wall_us) / 1e6, context_name(part->context),
           stream_name(part->stream), part->number, (long long)offset, place, kind, slot->txn,
           slot->txn == 0                                ? ""
           : world->txns[slot->txn].state == TXN_ONGOING ? "open"
           : world->txns[slot->txn].committed            ? "committed"
                                                         : "aborted");
    ol_arena_release(&arena);
}

/* All records about it, in the order of the broker's time; of nothing in particular: the last of
 * each partition. */
void timeline_tell(const char *aggregate)
{
    const struct text id = text_of(aggregate);
    int64_t next[CONTEXT_COUNT][STREAM_COUNT][SIM_PARTITIONS_MAX] = {0};
    for (int i = 0; i < CONTEXT_COUNT && !id.bytes; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            for (int32_t k = 0; k < world->knobs.partitions; k++)
                next[i][j][k] = world->parts[i][j][k].count > LAST_TOLD
                                    ? world->parts[i][j][k].count - LAST_TOLD
                                    : 0;
    for (int told = 0; told < 60; told++) {
        struct part *first = NULL;
        int64_t first_us = INT64_MAX;
        for (int i = 0; i < CONTEXT_COUNT; i++)
            for (int j = 0; j < STREAM_DEAD_LETTERS; j++)
                for (int32_t k = 0; k < world->knobs.partitions; k++) {
                    struct part *part = &world->parts[i][j][k];
                    int64_t *at = &next[i][j][k];
                    while (*at < part->count && (part_slot(part, *at)->kind != SLOT_RECORD ||
                                                 !names(part, part_slot(part, *at), id)))
                        ++*at;
                    if (*at < part->count && part_slot(part, *at)->at_us < first_us) {
                        first = part;
                        first_us = part_slot(part, *at)->at_us;
                    }
                }
        if (!first)
            return;
        tell_slot(first, next[first->context][first->stream][first->number]++, id);
    }
}
