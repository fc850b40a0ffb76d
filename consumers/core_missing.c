#include "consumers/core_internal.h"

#include <stdlib.h>

#include "domain/assert.h"

/* A growing array in an arena: the smaller arrays stay in it until the arena is cleared. */
static bool keys_add(struct ol_arena *arena, struct entity_key **keys, size_t *count,
                     size_t *capacity, const struct entity_key *key)
{
    if (*count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 256;
        struct entity_key *grown = ol_arena_alloc(arena, larger * sizeof *grown);
        if (!grown)
            return false;
        if (*count)
            memcpy(grown, *keys, *count * sizeof *grown);
        *keys = grown;
        *capacity = larger;
    }
    (*keys)[(*count)++] = *key;
    return true;
}

/* Adds those of the named keys that are not in the overlay. Changes the order of `named`. */
static bool keys_add_missing(const struct core *core, struct ol_arena *arena,
                             struct entity_key *named, size_t named_count, struct entity_key **keys,
                             size_t *count, size_t *capacity)
{
    size_t missing_count = overlay_missing(core->overlay, named, named_count);
    for (size_t i = 0; i < missing_count; i++)
        if (!keys_add(arena, keys, count, capacity, &named[i]))
            return false;
    return true;
}

bool core_missing_for_event(struct core *core, const struct event_message *event, int32_t partition,
                            struct ol_arena *arena, struct entity_key **keys, size_t *count,
                            size_t *capacity)
{
    struct entity_key named[EVENT_ENTITIES_MAX];
    size_t named_count = event_entities(event, partition, named, EVENT_ENTITIES_MAX);
    return keys_add_missing(core, arena, named, named_count, keys, count, capacity);
}

/* Looks up what was named. */
static void look_up_named(struct missing *missing)
{
    if (!keys_add_missing(missing->core, missing->arena, missing->named, missing->named_count,
                          &missing->keys, &missing->count, &missing->capacity))
        missing->failed = true;
    missing->named_count = 0;
}

void missing_add(struct missing *missing, enum entity_kind kind, int32_t partition, struct text id,
                 struct text second)
{
    missing->named[missing->named_count++] =
        (struct entity_key){.kind = kind, .partition = partition, .id = id, .second = second};
    if (missing->named_count == NAMED_AT_ONCE)
        look_up_named(missing);
}

static void missing_for_command(struct missing *missing, const struct core_input *input)
{
    const struct command *command = &input->command;
    struct text aggregate = command_aggregate(command);
    if (partition_of(aggregate, missing->core->settings.partitions) != input->partition)
        return; /* will be passed on */
    missing_add(missing, ENTITY_COMMAND, input->partition, aggregate, command->metadata.command_id);
    if (command->refused.code != ACCEPTED)
        return;
    const struct context_rules *rules = &context_rules[command->context];
    missing_add(missing, rules->aggregate, input->partition, aggregate, no_text);
    if (rules->missing_for_command)
        rules->missing_for_command(missing, input);
}

static void missing_for_step(struct missing *missing, const struct core_input *input)
{
    domain_assert(input->step.context < CONTEXT_COUNT);
    if (!core_step_is_misplaced(missing->core, input))
        context_rules[input->step.context].missing_for_step(missing, input);
}

bool core_missing(struct core *core, const struct core_input *inputs, size_t count,
                  struct ol_arena *arena, struct entity_key **ret_keys, size_t *ret_count)
{
    struct missing missing = {.core = core, .arena = arena};
    for (size_t i = 0; i < count; i++) {
        if (inputs[i].kind == INPUT_COMMAND)
            missing_for_command(&missing, &inputs[i]);
        else if (inputs[i].kind == INPUT_STEP)
            missing_for_step(&missing, &inputs[i]);
    }
    look_up_named(&missing);
    *ret_keys = missing.keys;
    *ret_count = core_keys_unique(missing.keys, missing.count);
    return !missing.failed;
}

static int text_order(struct text a, struct text b)
{
    uint32_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int key_order(const void *left, const void *right)
{
    const struct entity_key *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = text_order(a->id, b->id);
    if (order == 0)
        order = text_order(a->second, b->second);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

size_t core_keys_unique(struct entity_key *keys, size_t count)
{
    if (count < 2)
        return count;
    qsort(keys, count, sizeof *keys, key_order);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (key_order(&keys[kept - 1], &keys[i]) != 0)
            keys[kept++] = keys[i];
    return kept;
}
