/* orderlog_sim: draws a world from each seed, lets it run under faults, then at rest, and says
 * whether every promise held. See --help. */
#include "tests/sim/sim.h"

#include "consumers/loop.h"
#include "projections/follower.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REST_BOUND_US (300 * SEC) /* of virtual time, from the last fault */

/* ---- protections ---- */

#define SABOTAGE(name, text)                                                                       \
    extern bool sabotaged_##name;                                                                  \
    bool sabotaged_##name;
#include "tests/sim/sabotage.def"
#undef SABOTAGE

/* Marked in the code, but each has a twin that catches what it would: never removed alone. */
#define NOT_ALONE(name)                                                                            \
    extern bool sabotaged_##name;                                                                  \
    bool sabotaged_##name;
NOT_ALONE(replay_known)

static const struct {
    const char *name, *text;
    bool *flag;
} sabotages[] = {
#define SABOTAGE(name, text) {#name, text, &sabotaged_##name},
#include "tests/sim/sabotage.def"
#undef SABOTAGE
};
#define SABOTAGES (sizeof sabotages / sizeof *sabotages)

static const char *const counter_texts[COUNTERS] = {
#define COUNTER(id, text) text,
#include "tests/sim/counters.def"
#undef COUNTER
};

static const char *const fault_names[FAULTS] = {
#define FAULT(id, text) #id,
#include "tests/sim/faults.def"
#undef FAULT
};

/* ---- what a seed draws ---- */

static int64_t draw_log(int64_t low, int64_t high)
{
    int64_t value = low;
    while (value < high && sim_chance(600000))
        value *= 2;
    return value < high ? value + (int64_t)sim_below((uint64_t)value) : high;
}

static void draw_knobs(struct knobs *knobs, uint64_t seed, int32_t orders)
{
    *knobs = (struct knobs){.seed = seed, .orders = orders};
    for (int i = 0; i < FAULTS; i++)
        knobs->faults |= (uint32_t)sim_chance(400000) << i;
    knobs->codec = seed % 64 == 63;
    knobs->partitions = (int32_t)sim_between(1, sim_chance(100000) ? SIM_PARTITIONS_MAX : 3);
    knobs->workers = (int32_t)sim_between(1, 2 + sim_chance(300000));
    knobs->projectors = (int32_t)sim_between(1, 2);
    knobs->products = (int32_t)sim_between(1, 12);
    knobs->customers = (int32_t)sim_between(1, 12);
    knobs->lines_max = (int32_t)sim_between(1, 3);
    knobs->stock = (int32_t)draw_log(10, 4 * orders);
    knobs->batch_inputs = (int32_t)draw_log(20, 400);
    knobs->projector_events = (int32_t)draw_log(100, 20000);
    bool small = sim_chance(300000);
    knobs->overlay_bytes = small ? draw_log(2000, 60000) : 8 << 20;
    knobs->overlay_bytes_max = small ? 16 * knobs->overlay_bytes : 64 << 20;
    knobs->deadline_ms = draw_log(1000, 100000);
    knobs->spread_us = draw_log(100 * MS, 20 * SEC);
    knobs->every_us = draw_log(500 * MS, 16 * SEC);
    knobs->latency_us = draw_log(MS / 2, 8 * MS);
    knobs->drift_ppm = 20000;
    knobs->delay_ppm = draw_log(2000, 60000);
    knobs->lost_ppm = draw_log(2000, 60000);
    knobs->disaster = sim_chance(30000) ? (enum disaster)sim_between(1, DISASTERS - 1) : 0;
    knobs->replayed = sim_chance(100000);
    knobs->faults_us = knobs->spread_us + SEC + (int64_t)sim_below(10 * SEC);
}

/* ---- actors ---- */

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
    options->batch_output_bytes = 1 << 20;
    options->order_deadline_ms = knobs->deadline_ms;
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

static int32_t place_of(enum context context, bool projector, int32_t slot)
{
    return ((int32_t)projector * CONTEXT_COUNT + (int32_t)context) * SIM_WORKERS_MAX + slot;
}

static void start_actor(void *self, uint64_t place);

/* When an actor has ended by itself, or was killed, its slot is started anew. */
static void bury(struct actor *actor)
{
    if (!actor->running)
        return;
    actor->running = false;
    free(actor->loop);
    free(actor->follower);
    actor->loop = NULL;
    actor->follower = NULL;
    int32_t place = place_of(actor->context, actor->projector, actor->slot);
    if (world->slot_actor[place] == actor->number) {
        world->slot_actor[place] = -1;
        int64_t after_us =
            sim_has(FAULT_CRASH) && sim_chance(100000) ? sim_delay(15 * SEC) : sim_delay(200 * MS);
        sim_at(world->now_us + after_us, start_actor, NULL, (uint64_t)place);
    }
}

static void kill_actor(struct actor *actor)
{
    actor->dead = true;
    actor->paused_until = 0;
    sim_unwind(actor->fiber);
    bury(actor);
}

/* Looks after those who ended, or died inside a port. */
static void look_after(void *self, uint64_t argument)
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
    sim_at(world->now_us + 100 * MS, look_after, NULL, 0);
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

static void start_actor(void *self, uint64_t place)
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

static struct actor *any_actor(void)
{
    struct actor *actor =
        world->actor_count ? world->actors[sim_below((uint64_t)world->actor_count)] : NULL;
    return actor && actor->running && !actor->dead && actor->fiber->begun ? actor : NULL;
}

/* ---- faults ---- */

static void fault_crash(void)
{
    struct actor *actor = any_actor();
    if (!actor)
        return;
    count(COUNT_CRASHES);
    sim_say("actor %d (%s %s) is killed", actor->number, context_name(actor->context),
            actor->projector ? "projector" : "worker");
    kill_actor(actor);
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
    struct actor *actor = any_actor();
    if (actor && actor->paused_until <= world->now_us)
        pause_actor(actor);
}

static void fault_zombie(void)
{
    struct actor *actor = any_actor();
    if (!actor || actor->paused_until > world->now_us)
        return;
    pause_actor(actor);
    count(COUNT_ZOMBIES);
    start_actor(actor, (uint64_t)place_of(actor->context, actor->projector, actor->slot));
}

/* Somebody leaves for good, and comes back. */
static void fault_rebalance(void)
{
    struct actor *actor = any_actor();
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
    struct actor *actor = any_actor();
    if (actor)
        actor->wall_offset_us = sim_between(-60 * SEC, 60 * SEC);
}

static void (*const fault_events[FAULTS])(void) = {
    [FAULT_CRASH] = fault_crash,         [FAULT_PAUSE] = fault_pause,
    [FAULT_ZOMBIE] = fault_zombie,       [FAULT_REBALANCE] = fault_rebalance,
    [FAULT_BROKER] = fault_broker,       [FAULT_PG_RESTART] = fault_pg_restart,
    [FAULT_PG_CRASH] = fault_pg_restart, [FAULT_CLOCK] = fault_clock,
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

static void begin_faults(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    world->faults_on = true;
    for (int i = 0; i < FAULTS; i++)
        if (fault_events[i] && world->knobs.faults >> i & 1)
            sim_at(world->now_us + (int64_t)sim_below((uint64_t)(2 * world->knobs.every_us)),
                   happen, NULL, (uint64_t)i);
}

/* Faults stop: whoever sleeps wakes, clocks are set, the servers are up. */
static void heal(void *self, uint64_t argument)
{
    (void)self, (void)argument;
    sim_say("faults stop");
    world->faults_on = false;
    for (int32_t i = 0; i < world->actor_count; i++)
        world->actors[i]->wall_offset_us = 0;
}

/* ---- one world ---- */

static uint64_t last_trace, last_events;
static int64_t last_virtual_us;

static void begin_world(const struct knobs *knobs)
{
    world->faults_on = knobs->faults_from_us == 0;
    world->now_us = 0;
    world->wall_us = INT64_C(1700000000) * SEC;
    memset(world->slot_actor, -1, sizeof world->slot_actor);
    broker_begin();
    store_begin();
    checks_begin();
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        group_begin(&world->groups[0][i], (enum context)i, false);
        group_begin(&world->groups[1][i], (enum context)i, true);
        for (int32_t j = 0; j < world->knobs.workers; j++)
            sim_at((int64_t)sim_below(10 * MS), start_actor, NULL,
                   (uint64_t)place_of((enum context)i, false, j));
        for (int32_t j = 0; j < world->knobs.projectors; j++)
            sim_at((int64_t)sim_below(10 * MS), start_actor, NULL,
                   (uint64_t)place_of((enum context)i, true, j));
    }
    clients_begin();
    sim_at(world->knobs.faults_us, heal, NULL, 0);
    sim_at(100 * MS, look_after, NULL, 0);
    if (world->faults_on)
        begin_faults(NULL, 0);
    else
        sim_at(knobs->faults_from_us, begin_faults, NULL, 0);
}

static void tell_actors(void)
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

/* ---- disasters: the log or the group's offsets are not what they were (P13) ---- */

static bool strike_part(enum context context, int32_t partition)
{
    switch (world->knobs.disaster) {
    case DISASTER_LOG_CUT: return broker_cut(context, partition);
    case DISASTER_LOG_CHANGED: return broker_change(context, partition);
    case DISASTER_OFFSETS_BACK: return group_take_back(&world->groups[0][context], partition);
    default: return false;
    }
}

/* Everybody stops, something is lost, all start again: who rests on it must halt, and nobody else. */
static void strike(void)
{
    enum context context = (enum context)sim_below(CONTEXT_COUNT);
    int32_t partition = (int32_t)sim_below((uint64_t)world->knobs.partitions);
    for (int32_t i = 0; i < world->actor_count; i++)
        if (world->actors[i]->running)
            kill_actor(world->actors[i]);
    if (!strike_part(context, partition))
        return;
    sim_say("disaster %d strikes %s partition %d", world->knobs.disaster, context_name(context),
            partition);
    count(COUNT_DISASTERS);
    world->halts_expected = true;
    bool both = world->knobs.disaster != DISASTER_OFFSETS_BACK;
    for (int i = 0; i < 150; i++) {
        sim_run(world->now_us + 400 * MS);
        if (world->halted[0] && (world->halted[1] || !both))
            return;
    }
    tell_actors();
    sim_fail((struct text){0}, "P13: disaster %d of %s partition %d: the %s did not halt",
             world->knobs.disaster, context_name(context), partition,
             world->halted[0] ? "projector" : "worker");
}

static void live(void)
{
    begin_world(&world->knobs);
    sim_run(world->knobs.faults_us);
    int64_t until_us = world->now_us + REST_BOUND_US;
    while (!check_at_rest(false)) {
        if (world->now_us >= until_us) {
            tell_actors();
            check_at_rest(true);
        }
        sim_run(world->now_us + 200 * MS);
    }
    check_rest();
    if (world->knobs.replayed)
        store_replay();
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
    last_trace = world->trace;
    last_events = world->events_run;
    last_virtual_us = world->now_us;
    sim_memory_reset();
}

static struct world the_world;

/* False: a promise is broken; the_world.failure says which. */
static bool run_knobs(const struct knobs *knobs, bool timeline)
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
        check_timeline(world->aggregate);
    }
    if (knobs->codec && good)
        count(COUNT_CODEC_SEEDS);
    end_world();
    return good;
}

static struct knobs knobs_of(uint64_t seed, int32_t orders)
{
    struct knobs knobs;
    world = &the_world;
    world->random = seed ^ UINT64_C(0x5eed);
    draw_knobs(&knobs, seed, orders);
    return knobs;
}

/* ---- failures ---- */

static void print_faults(uint32_t faults)
{
    for (int i = 0; i < FAULTS; i++)
        if (faults >> i & 1)
            printf(" %s", fault_names[i]);
}

/* The span of time in which there are faults, by halves: the later goes first. */
static void shrink_span(struct knobs *knobs)
{
    while (knobs->faults_us - knobs->faults_from_us > 50 * MS) {
        int64_t middle_us = knobs->faults_from_us + (knobs->faults_us - knobs->faults_from_us) / 2;
        struct knobs less = *knobs;
        less.faults_us = middle_us;
        if (run_knobs(&less, false)) {
            less = *knobs;
            less.faults_from_us = middle_us;
            if (run_knobs(&less, false))
                return;
        }
        *knobs = less;
    }
}

/* Drops fault families, then actors, then orders, then the time of faults, as long as it still
 * fails. */
static struct knobs shrink(struct knobs knobs)
{
    uint64_t kept[COUNTERS];
    memcpy(kept, counters, sizeof kept);
    for (int i = 0; i < FAULTS; i++) {
        struct knobs less = knobs;
        less.faults &= ~(UINT32_C(1) << i);
        if (less.faults != knobs.faults && !run_knobs(&less, false))
            knobs = less;
    }
    struct knobs less = knobs;
    less.workers = less.projectors = 1;
    if (!run_knobs(&less, false))
        knobs = less;
    less = knobs;
    less.partitions = 1;
    if (!run_knobs(&less, false))
        knobs = less;
    for (less = knobs; less.orders > 1;) {
        less.orders /= 2;
        if (run_knobs(&less, false))
            break;
        knobs = less;
    }
    shrink_span(&knobs);
    memcpy(counters, kept, sizeof kept);
    return knobs;
}

static const char *binary, *sabotage_name;

static void tell_failure(const struct knobs *knobs, bool shrinks)
{
    printf("VIOLATION seed %llu after %.3f s: %s\n", (unsigned long long)knobs->seed,
           (double)last_virtual_us / 1e6, the_world.failure);
    struct knobs small = shrinks ? shrink(*knobs) : *knobs;
    printf("  shrunk to: orders %d, partitions %d, workers %d, projectors %d, faults:",
           small.orders, small.partitions, small.workers, small.projectors);
    print_faults(small.faults);
    printf(" (from %.3f s to %.3f s)\n", (double)small.faults_from_us / 1e6,
           (double)small.faults_us / 1e6);
    if (!run_knobs(&small, true))
        printf("  there: %s\n", the_world.failure);
    printf("  repeat: %s --seed %llu --orders %d%s%s --trace\n", binary,
           (unsigned long long)knobs->seed, knobs->orders, sabotage_name ? " --sabotage " : "",
           sabotage_name ? sabotage_name : "");
    fflush(stdout);
}

/* ---- runs ---- */

struct options {
    uint64_t first, seeds;
    int32_t orders, jobs;
    double seconds;
    bool one, all_counters, quiet, shrinks;
};

struct totals {
    uint64_t seeds, orders, events, failed, trace;
    double seconds;
    uint64_t failed_seed;
    uint64_t counters[COUNTERS];
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_seeds(const struct options *options, uint64_t first, uint64_t step,
                      struct totals *totals)
{
    double began = seconds_of(CLOCK_MONOTONIC), began_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t seed = first; seed < options->first + options->seeds; seed += step) {
        if (options->seconds > 0 && seconds_of(CLOCK_MONOTONIC) - began > options->seconds)
            break;
        struct knobs knobs = knobs_of(seed, options->orders);
        bool good = run_knobs(&knobs, false);
        totals->seeds++;
        totals->orders += (uint64_t)knobs.orders;
        totals->events += last_events;
        totals->trace += last_trace ^ seed * UINT64_C(0x9e3779b97f4a7c15);
        if (options->one)
            printf("seed %llu: trace %016llx, %llu events, %.3f virtual s\n",
                   (unsigned long long)seed, (unsigned long long)last_trace,
                   (unsigned long long)last_events, (double)last_virtual_us / 1e6);
        if (good)
            continue;
        totals->failed++;
        totals->failed_seed = seed;
        if (!options->quiet)
            tell_failure(&knobs, options->shrinks);
        break;
    }
    totals->seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began_cpu;
    memcpy(totals->counters, counters, sizeof counters);
}

static void add_totals(struct totals *sum, const struct totals *totals)
{
    sum->seeds += totals->seeds;
    sum->orders += totals->orders;
    sum->events += totals->events;
    sum->failed += totals->failed;
    sum->trace += totals->trace;
    if (totals->failed)
        sum->failed_seed = totals->failed_seed;
    sum->seconds += totals->seconds;
    for (int i = 0; i < COUNTERS; i++)
        sum->counters[i] += totals->counters[i];
}

/* Each core its own seeds, nothing shared but the results. */
static void run_jobs(const struct options *options, struct totals *sum)
{
    size_t bytes = (size_t)options->jobs * sizeof(struct totals);
    struct totals *shared =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    fflush(stdout);
    for (int32_t i = 0; i < options->jobs; i++) {
        pid_t child = fork();
        if (child == 0) {
            run_seeds(options, options->first + (uint64_t)i, (uint64_t)options->jobs, &shared[i]);
            fflush(stdout);
            _exit(0);
        }
    }
    for (int32_t i = 0; i < options->jobs; i++) {
        int status;
        wait(&status);
        sum->failed += !WIFEXITED(status) || WEXITSTATUS(status);
    }
    for (int32_t i = 0; i < options->jobs; i++)
        add_totals(sum, &shared[i]);
    munmap(shared, bytes);
}

static bool print_totals(const struct options *options, const struct totals *totals)
{
    bool rare = true;
    if (!options->quiet)
        for (int i = 0; i < COUNTERS; i++)
            printf("  %10llu  %s\n", (unsigned long long)totals->counters[i], counter_texts[i]);
    for (int i = 0; i < COUNTERS && options->all_counters; i++) {
        if (totals->counters[i])
            continue;
        printf("NEVER: %s\n", counter_texts[i]);
        rare = false;
    }
    double speed = totals->seconds > 0 ? (double)totals->orders / totals->seconds : 0;
    printf("sim: %llu seeds, %llu orders, %llu events, %.1f s of cores, %.0f orders/s/core, "
           "%llu failed, trace %016llx\n",
           (unsigned long long)totals->seeds, (unsigned long long)totals->orders,
           (unsigned long long)totals->events, totals->seconds, speed,
           (unsigned long long)totals->failed, (unsigned long long)totals->trace);
    return rare;
}

/* Lines "seed orders": each ran into a fault of ours once. */
static bool run_regressions(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    char line[256];
    bool good = true;
    int ran = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned long long seed;
        int orders;
        if (line[0] == '#' || sscanf(line, "%llu %d", &seed, &orders) != 2)
            continue;
        struct knobs knobs = knobs_of(seed, orders);
        ran++;
        if (run_knobs(&knobs, false))
            continue;
        tell_failure(&knobs, true);
        good = false;
    }
    fclose(file);
    printf("sim: %d regressions\n", ran);
    return good;
}

static void list_sabotages(void)
{
    for (size_t i = 0; i < SABOTAGES; i++)
        printf("%-20s %s\n", sabotages[i].name, sabotages[i].text);
}

static bool set_sabotage(const char *name)
{
    for (size_t i = 0; i < SABOTAGES; i++)
        if (strcmp(sabotages[i].name, name) == 0) {
            *sabotages[i].flag = true;
            sabotage_name = sabotages[i].name;
            return true;
        }
    fprintf(stderr, "no protection is called %s; see --list-sabotage\n", name);
    return false;
}

static void usage(FILE *out)
{
    fputs(
        "orderlog_sim: the whole pipeline in one process, under faults, from a seed\n\n"
        "  --seed N           one seed; prints its trace hash\n"
        "  --first N          the first of many (1)\n"
        "  --seeds N          how many (100)\n"
        "  --orders N         in each seed (500)\n"
        "  --jobs N           processes, each with its own seeds (1)\n"
        "  --seconds N        stop after so long\n"
        "  --sabotage NAME    without this protection: a violation must be found\n"
        "  --list-sabotage    the protections\n"
        "  --regressions FILE run the seeds of the file\n"
        "  --counters         fail when a rare state never occurred\n"
        "  --trace            tell what happens\n"
        "  --quiet            figures in one line only\n\n"
        "Exit: 0 all promises held, 1 one was broken (with --sabotage: 0 found, 1 not), 2 usage.\n",
        out);
}

enum {
    OPTION_SEED = 256,
    OPTION_FIRST,
    OPTION_SEEDS,
    OPTION_ORDERS,
    OPTION_JOBS,
    OPTION_SECONDS,
    OPTION_SABOTAGE,
    OPTION_LIST,
    OPTION_REGRESSIONS,
    OPTION_COUNTERS,
    OPTION_TRACE,
    OPTION_QUIET,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"seed", required_argument, NULL, OPTION_SEED},
    {"first", required_argument, NULL, OPTION_FIRST},
    {"seeds", required_argument, NULL, OPTION_SEEDS},
    {"orders", required_argument, NULL, OPTION_ORDERS},
    {"jobs", required_argument, NULL, OPTION_JOBS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"sabotage", required_argument, NULL, OPTION_SABOTAGE},
    {"list-sabotage", no_argument, NULL, OPTION_LIST},
    {"regressions", required_argument, NULL, OPTION_REGRESSIONS},
    {"counters", no_argument, NULL, OPTION_COUNTERS},
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    struct options options = {.first = 1, .seeds = 100, .orders = 500, .jobs = 1, .shrinks = true};
    const char *regressions = NULL;
    binary = argv[0];
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case OPTION_SEED:
            options.first = strtoull(optarg, NULL, 0);
            options.seeds = 1;
            options.one = true;
            break;
        case OPTION_FIRST: options.first = strtoull(optarg, NULL, 0); break;
        case OPTION_SEEDS: options.seeds = strtoull(optarg, NULL, 0); break;
        case OPTION_ORDERS: options.orders = atoi(optarg); break;
        case OPTION_JOBS: options.jobs = atoi(optarg); break;
        case OPTION_SECONDS: options.seconds = atof(optarg); break;
        case OPTION_SABOTAGE:
            if (!set_sabotage(optarg))
                return 2;
            break;
        case OPTION_LIST: list_sabotages(); return 0;
        case OPTION_REGRESSIONS: regressions = optarg; break;
        case OPTION_COUNTERS: options.all_counters = true; break;
        case OPTION_TRACE: tracing = true; break;
        case OPTION_QUIET: options.quiet = true; break;
        case OPTION_HELP: usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (optind < argc || options.orders < 1 || options.jobs < 1) {
        usage(stderr);
        return 2;
    }
    if (tracing)
        options.shrinks = false;
    if (regressions)
        return run_regressions(regressions) ? 0 : 1;
    struct totals totals = {0};
    if (options.jobs == 1)
        run_seeds(&options, options.first, 1, &totals);
    else
        run_jobs(&options, &totals);
    bool rare = print_totals(&options, &totals);
    if (sabotage_name) {
        printf("%s: %s\n", sabotage_name, totals.failed ? "found" : "NOT FOUND");
        return totals.failed ? 0 : 1;
    }
    return totals.failed || !rare ? 1 : 0;
}
