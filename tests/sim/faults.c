/* Faults of each family, at moments of the seed, until they stop. What a message or a statement
 * suffers on its way, the models draw themselves. */
#include "tests/sim/run.h"

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

static void (*const fault_events[FAULTS])(void) = {
    [FAULT_CRASH] = fault_crash,         [FAULT_PAUSE] = fault_pause,
    [FAULT_ZOMBIE] = fault_zombie,       [FAULT_REBALANCE] = fault_rebalance,
    [FAULT_BROKER] = fault_broker,       [FAULT_PG_RESTART] = fault_pg_restart,
    [FAULT_PG_CRASH] = fault_pg_restart, [FAULT_CLOCK] = fault_clock,
    [FAULT_TRIM] = fault_trim,
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
