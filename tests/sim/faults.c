/* Faults of each family, at moments of the seed, until they stop. What a message or a statement
 * suffers on its way, the models draw themselves. */
#include "tests/sim/run.h"

#include <string.h>

#include "domain/assert.h"
#include "tests/sim/codec.h"

static void fault_crash(void)
{
    struct actor *actor = actors_any();
    if (!actor)
        return;
    count(COUNT_CRASHES);
    sim_say("actor %d (%s %s) is killed", actor->number, context_name(actor->context),
            actor->projector ? "projector" : "worker");
    actor_kill(actor);
}

static int64_t draw_pause(void)
{
    return sim_chance(500000) ? sim_delay(2 * SEC) : sim_delay(15 * SEC);
}

static void pause_actor(struct actor *actor)
{
    actor->paused_until = world->now_us + draw_pause();
    count(COUNT_PAUSES);
    sim_say("actor %d (%s %s) sleeps until %.3f", actor->number, context_name(actor->context),
            actor->projector ? "projector" : "worker", (double)actor->paused_until / 1e6);
}

static void fault_pause(void)
{
    struct actor *actor = actors_any();
    if (actor && actor->paused_until <= world->now_us)
        pause_actor(actor);
}

static void fault_zombie(void)
{
    struct actor *actor = actors_any();
    if (!actor || actor->paused_until > world->now_us)
        return;
    pause_actor(actor);
    count(COUNT_ZOMBIES);
    actor_start(actor, (uint64_t)actor_place(actor->context, actor->projector, actor->slot));
}

/* Somebody leaves for good, and comes back. */
static void fault_rebalance(void)
{
    struct actor *actor = actors_any();
    if (!actor)
        return;
    sim_say("actor %d (%s %s) is asked to stop", actor->number, context_name(actor->context),
            actor->projector ? "projector" : "worker");
    actor->stop = true;
    sim_wake(actor->fiber);
}

static void fault_broker(void)
{
    broker_restart(sim_delay(sim_chance(200000) ? 8 * SEC : 500 * MS));
}

static void fault_pg_restart(void)
{
    sim_say("database restarts");
    store_crash();
    world->pg_down_until = world->now_us + sim_delay(sim_chance(200000) ? 5 * SEC : 300 * MS);
}

static void fault_clock(void)
{
    struct actor *actor = actors_any();
    if (actor)
        actor->wall_offset_us = sim_between(-60 * SEC, 60 * SEC);
}

/* What is read may go at any moment. */
static void fault_trim(void)
{
    enum context context = (enum context)sim_below(CONTEXT_COUNT);
    int32_t partition = (int32_t)sim_below((uint64_t)world->knobs.partitions);
    const int64_t *committed = world->groups[0][context].committed[partition];
    for (int i = 0; i < 2; i++)
        broker_trim(context, i == 0 ? STREAM_COMMANDS : STREAM_STEPS, partition, committed[i]);
}

static struct slot copy_with_bad_step(const struct slot *slot)
{
    static const uint8_t bad_step[BAD_STEP_BYTES] = {0xff};
    struct bytes steps[BUNDLE_STEPS_MAX], wire = {slot->value, slot->value_bytes};
    struct step_bundle bundle;
    struct ol_arena arena;
    struct ol_error error;
    struct slot copy = *slot;
    ol_arena_init(&arena, 4096, 0);
    domain_assert(!sim_decode_bundle(wire, &arena, &bundle, &error));
    size_t count = bundle.count < BUNDLE_STEPS_MAX ? bundle.count : BUNDLE_STEPS_MAX - 1;
    size_t middle = count / 2;
    memcpy(steps, bundle.steps, middle * sizeof *steps);
    steps[middle] = (struct bytes){bad_step, sizeof bad_step};
    memcpy(steps + middle + 1, bundle.steps + middle, (count - middle) * sizeof *steps);
    bundle = (struct step_bundle){bundle.partition, steps, count + 1};
    domain_assert(sim_encode_bundle(&bundle, &arena, &wire));
    copy.value = sim_copy(wire.data, wire.size);
    copy.value_bytes = (uint32_t)wire.size;
    ol_arena_release(&arena);
    return copy;
}

/* Somebody publishes a bundle again that was read, some time: with a header, as dead letters have,
 * and perhaps with a step in its middle that can't be read. */
static void fault_redrive(void)
{
    static const struct ol_header mark = {"orderlog-original-place", "0", 1};
    enum context context = (enum context)sim_below(CONTEXT_COUNT);
    int32_t partition = (int32_t)sim_below((uint64_t)world->knobs.partitions);
    struct part *part = &world->parts[context][STREAM_STEPS][partition];
    int64_t there = part->stable - part->first;
    if (there <= 0)
        return;
    const struct slot *slot = part_slot(part, part->first + (int64_t)sim_below((uint64_t)there));
    if (!broker_committed(slot))
        return;
    struct slot copy = sim_chance(500000) ? copy_with_bad_step(slot) : *slot;
    copy.txn = 0;
    copy.headers = &mark;
    copy.header_count = 1;
    count(COUNT_REDRIVEN);
    broker_append(part, &copy);
}

static void (*const fault_events[FAULTS])(void) = {
    [FAULT_CRASH] = fault_crash,         [FAULT_PAUSE] = fault_pause,
    [FAULT_ZOMBIE] = fault_zombie,       [FAULT_REBALANCE] = fault_rebalance,
    [FAULT_BROKER] = fault_broker,       [FAULT_PG_RESTART] = fault_pg_restart,
    [FAULT_PG_CRASH] = fault_pg_restart, [FAULT_CLOCK] = fault_clock,
    [FAULT_TRIM] = fault_trim,           [FAULT_REDRIVE] = fault_redrive,
};

static void happen(void *self, uint64_t fault)
{
    (void)self;
    if (!sim_has((enum fault)fault))
        return;
    fault_events[fault]();
    sim_at(world->now_us + 1 + (int64_t)sim_below((uint64_t)(2 * world->knobs.every_us)), happen,
           NULL, fault);
}

void faults_begin(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    world->faults_on = true;
    for (int i = 0; i < FAULTS; i++)
        if (fault_events[i] && world->knobs.faults >> i & 1)
            sim_at(world->now_us + (int64_t)sim_below((uint64_t)(2 * world->knobs.every_us)),
                   happen, NULL, (uint64_t)i);
}

/* Faults stop: whoever sleeps wakes, clocks are set, the servers are up. */
void faults_heal(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    sim_say("faults stop");
    world->faults_on = false;
    for (int32_t i = 0; i < world->actor_count; i++)
        world->actors[i]->wall_offset_us = 0;
}
