/* One world: from its knobs to the verdict. */
#include "tests/sim/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_BOUND_US (300 * SEC) /* of virtual time, from the last fault */
#define GAPS_BOUND_US (60 * SEC)  /* from rest to offsets at the ends */

static struct world the_world;
struct world_outcome world_last;

static void begin_world(const struct knobs *knobs)
{
    world->faults_on = knobs->faults_from_us == 0;
    world->now_us = 0;
    world->wall_us = INT64_C(1700000000) * SEC;
    if (knobs->retires)
        world->wall_us = SIM_RETIRED_US - knobs->spread_us / 2;
    memset(world->slot_actor, -1, sizeof world->slot_actor);
    broker_begin();
    store_begin();
    checks_begin();
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        group_begin(&world->groups[0][i], (enum context)i, false);
        group_begin(&world->groups[1][i], (enum context)i, true);
        for (int32_t j = 0; j < world->knobs.workers; j++)
            sim_at((int64_t)sim_below(10 * MS), actor_start, NULL,
                   (uint64_t)actor_place((enum context)i, false, j));
        for (int32_t j = 0; j < world->knobs.projectors; j++)
            sim_at((int64_t)sim_below(10 * MS), actor_start, NULL,
                   (uint64_t)actor_place((enum context)i, true, j));
    }
    clients_begin();
    sim_at(world->knobs.faults_us, faults_heal, NULL, 0);
    sim_at(100 * MS, actors_look_after, NULL, 0);
    if (world->faults_on)
        faults_begin(NULL, 0);
    else
        sim_at(knobs->faults_from_us, faults_begin, NULL, 0);
}

static void kill_all(void)
{
    for (int32_t i = 0; i < world->actor_count; i++)
        if (world->actors[i]->running)
            actor_kill(world->actors[i]);
}

/* ---- disasters: the log or the group's offsets are not what they were (P13) ---- */

static bool strike_part(enum context context, int32_t partition)
{
    switch (world->knobs.disaster) {
    case DISASTER_LOG_CUT: return broker_cut(context, partition);
    case DISASTER_LOG_CHANGED: return broker_change(context, partition);
    case DISASTER_UNREAD_GONE: broker_lose_unread(context, partition); return true;
    case DISASTER_OFFSETS_BACK: return group_take_back(&world->groups[0][context], partition);
    default: return false;
    }
}

/* Somebody looks at what is lost unread, and all start again: the partition goes on. */
static void acknowledge(enum context context, int32_t partition)
{
    struct part *part = &world->parts[context][STREAM_COMMANDS][partition];
    part->acknowledged = part->first;
    kill_all();
    world->halts_expected = false;
    int64_t until_us = world->now_us + REST_BOUND_US;
    while (!check_gaps_closed(world->now_us >= until_us))
        sim_run(world->now_us + 200 * MS);
}

/* Receipts of gaps come when all has come to rest. Nobody rests on a record that nobody has
 * projected. */
static void await_projection(enum context context, int32_t partition)
{
    const struct part *events = &world->parts[context][STREAM_EVENTS][partition];
    int64_t until_us = world->now_us + REST_BOUND_US;
    while (store_next(context, partition) <= part_last_record(events)) {
        if (world->now_us >= until_us) {
            actors_tell();
            sim_fail((struct text){0}, "P7: %s partition %d is not projected",
                     context_name(context), partition);
        }
        sim_run(world->now_us + MS);
    }
}

/* Everybody stops, something is lost, all start again: who rests on it must halt, and nobody
 * else. */
static void strike(void)
{
    enum context context = (enum context)sim_below(CONTEXT_COUNT);
    int32_t partition = (int32_t)sim_below((uint64_t)world->knobs.partitions);
    await_projection(context, partition);
    kill_all();
    if (!strike_part(context, partition))
        return;
    sim_say("disaster %d strikes %s partition %d", world->knobs.disaster, context_name(context),
            partition);
    count(COUNT_DISASTERS);
    world->halts_expected = true;
    bool both =
        world->knobs.disaster == DISASTER_LOG_CUT || world->knobs.disaster == DISASTER_LOG_CHANGED;
    for (int i = 0; i < 150; i++) {
        sim_run(world->now_us + 400 * MS);
        if (world->halted[0] && (world->halted[1] || !both)) {
            if (world->knobs.disaster == DISASTER_UNREAD_GONE)
                acknowledge(context, partition);
            return;
        }
    }
    actors_tell();
    sim_fail((struct text){0}, "P13: disaster %d of %s partition %d: the %s did not halt",
             world->knobs.disaster, context_name(context), partition,
             world->halted[0] ? "projector" : "worker");
}

/* Offsets come to the ends of drained partitions, and then nobody needs what lies before. */
static void lose_what_was_read(void)
{
    int64_t until_us = world->now_us + GAPS_BOUND_US;
    while (!check_gaps_closed(world->now_us >= until_us))
        sim_run(world->now_us + 200 * MS);
    kill_all();
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int32_t j = 0; j < world->knobs.partitions; j++)
            for (int k = STREAM_COMMANDS; k <= STREAM_STEPS; k++)
                broker_trim((enum context)i, (enum stream)k, j, world->parts[i][k][j].count);
    count(COUNT_TRIMMED_WHOLE);
    for (until_us = world->now_us + REST_BOUND_US; !actors_work();) {
        if (world->now_us >= until_us) {
            actors_tell();
            sim_fail((struct text){0},
                     "P13: nobody takes over where inputs that were read are gone");
        }
        sim_run(world->now_us + 200 * MS);
    }
}

static void live(void)
{
    begin_world(&world->knobs);
    sim_run(world->knobs.faults_us);
    int64_t until_us = world->now_us + REST_BOUND_US;
    while (!check_at_rest(false)) {
        if (world->now_us >= until_us) {
            actors_tell();
            check_at_rest(true);
        }
        sim_run(world->now_us + 200 * MS);
    }
    check_rest();
    if (world->knobs.replayed)
        store_replay();
    if (world->knobs.trimmed)
        lose_what_was_read();
    if (world->knobs.disaster)
        strike();
}

static void end_world(void)
{
    for (int32_t i = 0; i < world->actor_count; i++) {
        struct actor *actor = world->actors[i];
        if (!actor->running)
            continue;
        if (!world->failed) { /* else its state may be anything: it is left */
            actor->dead = true;
            sim_unwind(actor->fiber);
        }
        free(actor->loop);
        free(actor->follower);
        actor->running = false;
    }
    for (struct fiber *fiber = world->fibers; fiber; fiber = fiber->next)
        sim_fiber_free(fiber);
    store_end();
    checks_end();
    free(world->heap);
    free(world->txns);
    world_last.trace = world->trace;
    world_last.events = world->events_run;
    world_last.virtual_us = world->now_us;
    sim_memory_reset();
}

/* False: a promise is broken; the_world.failure says which. */
bool world_run(const struct knobs *knobs, bool timeline)
{
    memset(&the_world, 0, sizeof the_world);
    world = &the_world;
    world->knobs = *knobs;
    world->random = knobs->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (!_setjmp(world->verdict))
        live();
    bool good = !world->failed;
    if (!good && timeline) {
        printf("  timeline of %s:\n", world->aggregate[0] ? world->aggregate : "the last records");
        timeline_tell(world->aggregate);
    }
    if (knobs->codec && good)
        count(COUNT_CODEC_SEEDS);
    end_world();
    return good;
}

struct knobs knobs_of(uint64_t seed, int32_t orders)
{
    struct knobs knobs;
    world = &the_world;
    world->random = seed ^ UINT64_C(0x5eed);
    knobs_draw(&knobs, seed, orders);
    return knobs;
}
