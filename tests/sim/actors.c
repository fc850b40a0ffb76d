/* The lives of the actors: a loop starts, ends by itself or is killed, and its slot starts
 * again. */
#include "tests/sim/run.h"

#include <stdlib.h>
#include <string.h>

#include "consumers/loop.h"
#include "projections/follower.h"

static struct ol_options actor_options[SIM_ACTORS_MAX];

static void fill_options(struct ol_options *options, const struct actor *actor)
{
    const struct knobs *knobs = &world->knobs;
    memset(options, 0, sizeof *options);
    options->topic_prefix = "o";
    options->partitions = knobs->partitions;
    options->slot = actor->slot;
    options->timeout_ms = 30000;
    options->pg_dsn = "";
    options->batch_inputs = knobs->batch_inputs;
    options->orders_open_max = knobs->orders_open_max;
    options->batch_output_bytes = 1 << 20;
    options->order_deadline_ms = knobs->deadline_ms;
    options->close_gap_ms = knobs->close_gap_ms;
    options->overlay_bytes = knobs->overlay_bytes;
    options->overlay_bytes_max = knobs->overlay_bytes_max;
    options->projector_batch_events = knobs->projector_events;
    options->projector_commit_sync = "off";
}

static void run_actor(void *argument)
{
    struct actor *actor = argument;
    struct ol_options *options = &actor_options[actor->number];
    struct ol_error error = {0};
    if (actor->projector) {
        if (!follower_init(actor->follower, options, actor->context, &error))
            follower_run(actor->follower, &error);
        follower_release(actor->follower);
    } else {
        if (!loop_init(actor->loop, options, actor->context, NULL, &error))
            loop_run(actor->loop, &error);
        loop_release(actor->loop);
    }
    sim_say("actor %d ends%s%s", actor->number, error.text[0] ? ": " : "", error.text);
}

int32_t actor_place(enum context context, bool projector, int32_t slot)
{
    return ((int32_t)projector * CONTEXT_COUNT + (int32_t)context) * SIM_WORKERS_MAX + slot;
}

/* When an actor has ended by itself, or was killed, its slot is started again. */
static void bury(struct actor *actor)
{
    if (!actor->running)
        return;
    actor->running = false;
    free(actor->loop);
    free(actor->follower);
    actor->loop = NULL;
    actor->follower = NULL;
    int32_t place = actor_place(actor->context, actor->projector, actor->slot);
    if (world->slot_actor[place] == actor->number) {
        world->slot_actor[place] = -1;
        int64_t after_us =
            sim_has(FAULT_CRASH) && sim_chance(100000) ? sim_delay(15 * SEC) : sim_delay(200 * MS);
        sim_at(world->now_us + after_us, actor_start, NULL, (uint64_t)place);
    }
}

void actor_kill(struct actor *actor)
{
    actor->dead = true;
    actor->paused_until = 0;
    sim_unwind(actor->fiber);
    bury(actor);
}

/* Looks after those who ended, or died inside a port. */
void actors_look_after(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    for (int32_t i = 0; i < world->actor_count; i++) {
        struct actor *actor = world->actors[i];
        if (!actor->running)
            continue;
        if (actor->dead && !actor->fiber->done)
            sim_unwind(actor->fiber);
        if (actor->fiber->done)
            bury(actor);
    }
    sim_at(world->now_us + 100 * MS, actors_look_after, NULL, 0);
}

static void begin_fiber(void *self, uint64_t argument)
{
    (void)argument;
    struct actor *actor = self;
    actor->fiber->blocked = true;
    sim_wake(actor->fiber);
}

static int32_t free_number(void)
{
    int32_t number = 0;
    while (number < world->actor_count && world->actors[number]->running)
        number++;
    if (number == world->actor_count && number < SIM_ACTORS_MAX)
        world->actor_count++;
    return number < world->actor_count ? number : -1;
}

void actor_start(void *self, uint64_t place)
{
    bool anew = self != NULL; /* although somebody is there */
    if (world->slot_actor[place] >= 0 && !anew)
        return;
    int32_t number = free_number();
    if (number < 0)
        return;
    struct actor *actor = world->actors[number] = sim_alloc(sizeof *actor);
    *actor = (struct actor){.number = number,
                            .slot = (int32_t)(place % SIM_WORKERS_MAX),
                            .context = (enum context)(place / SIM_WORKERS_MAX % CONTEXT_COUNT),
                            .projector = place >= (uint64_t)CONTEXT_COUNT * SIM_WORKERS_MAX,
                            .running = true};
    if (sim_has(FAULT_CLOCK)) {
        actor->drift_ppm = sim_between(-world->knobs.drift_ppm, world->knobs.drift_ppm);
        actor->wall_offset_us = sim_chance(300000) ? sim_between(-60 * SEC, 60 * SEC) : 0;
    }
    world->slot_actor[place] = actor->number;
    if (actor->projector)
        actor->follower = malloc(sizeof *actor->follower); /* large, and cleared by its init */
    else
        actor->loop = calloc(1, sizeof *actor->loop);
    fill_options(&actor_options[actor->number], actor);
    actor->fiber = sim_fiber(run_actor, actor, actor);
    begin_fiber(actor, 0);
}

struct actor *actors_any(void)
{
    struct actor *actor =
        world->actor_count ? world->actors[sim_below((uint64_t)world->actor_count)] : NULL;
    return actor && actor->running && !actor->dead && actor->fiber->begun ? actor : NULL;
}

/* Every slot of a worker is in its group and at work. */
bool actors_work(void)
{
    int32_t working = 0;
    for (int32_t i = 0; i < world->actor_count; i++) {
        const struct actor *actor = world->actors[i];
        if (actor->running && actor->fiber->begun && !actor->projector)
            working += atomic_load(&actor->loop->status) == LOOP_IS_RUNNING;
    }
    return working == CONTEXT_COUNT * world->knobs.workers;
}

void actors_tell(void)
{
    for (int32_t i = 0; i < world->actor_count; i++) {
        const struct actor *actor = world->actors[i];
        if (actor->running && actor->fiber->begun)
            sim_say("actor %d: %s %s %d, status %d, dead %d, blocked %d, signalled %d, until %.3f",
                    actor->number, context_name(actor->context),
                    actor->projector ? "projector" : "worker", actor->slot,
                    actor->projector ? actor->follower->status : actor->loop->status, actor->dead,
                    actor->fiber->blocked, actor->fiber->signalled,
                    (double)actor->paused_until / 1e6);
    }
}
