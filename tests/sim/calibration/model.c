/* calibration_model: plays each scenario over the simulator's models, without and with faults, from
 * many seeds: what comes out is what the models allow. Compares it with what the servers did. */
#include "tests/sim/calibration/stage.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define VIRTUAL_US (1000 * SEC) /* in which each scenario ends */

/* ---- protections: one may be removed, to see that the comparison notices ---- */

#define SABOTAGE(name, text)                                                                       \
    extern bool sabotaged_##name;                                                                  \
    bool sabotaged_##name;
#include "tests/sim/sabotage.def"
#undef SABOTAGE
extern bool sabotaged_replay_known;
bool sabotaged_replay_known;

static const struct {
    const char *name;
    bool *flag;
} sabotages[] = {
#define SABOTAGE(name, text) {#name, &sabotaged_##name},
#include "tests/sim/sabotage.def"
#undef SABOTAGE
};

/* ---- the checker: a scenario's records are words, and its outcome is what is looked at ---- */

void check_stable(struct part *part)
{
    (void)part;
}

void check_transaction(const struct txn *txn)
{
    (void)txn;
}

void check_projected(enum context context, int32_t partition, int64_t next_offset)
{
    (void)context, (void)partition, (void)next_offset;
}

void check_halted(const struct actor *actor, int64_t partition, const char *reason)
{
    (void)actor, (void)partition, (void)reason;
}

/* ---- the stage ---- */

struct ol_kafka_settings stage_settings(struct stage *stage)
{
    (void)stage;
    return (struct ol_kafka_settings){0};
}

const char *stage_topic(struct stage *stage, enum context context, enum stream stream)
{
    (void)stage;
    return broker_topic(context, stream);
}

const char *stage_group(struct stage *stage)
{
    (void)stage;
    return "group";
}

const char *stage_id(struct stage *stage, char which)
{
    (void)stage;
    return which == 'a' ? "id-a" : "id-b";
}

struct ol_admin *stage_admin(struct stage *stage)
{
    (void)stage;
    return NULL;
}

const char *stage_customer(struct stage *stage)
{
    (void)stage;
    return "customer";
}

struct ol_pg *stage_database(struct stage *stage)
{
    struct ol_pg *db = NULL;
    return ol_pg_open(NULL, &db, &stage->error) ? NULL : db;
}

void stage_disconnect(struct stage *stage, struct ol_pg *db)
{
    (void)stage;
    store_disconnect(db);
}

void stage_disconnect_soon(struct stage *stage, struct ol_pg *db)
{
    sim_sleep((int64_t)sim_below((uint64_t)(6 * world->knobs.latency_us)));
    stage_disconnect(stage, db);
}

void stage_go_back(struct stage *stage, int64_t next_offset)
{
    (void)stage;
    store_lose_last();
    if (store_next(CONTEXT_PAYMENTS, 0) != next_offset)
        sim_fail((struct text){0}, "the database went back to another place");
}

/* ---- one play ---- */

static struct world the_world;
static struct stage the_stage;

static void play(void *scenario)
{
    stage_play(&the_stage, scenario);
}

static struct actor *make_actor(void)
{
    struct actor *actor = memset(sim_alloc(sizeof *actor), 0, sizeof *actor);
    actor->running = true;
    world->actors[world->actor_count++] = actor;
    return actor;
}

static void live(const struct scenario *scenario)
{
    broker_begin();
    store_begin();
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < 2; j++)
            group_begin(&world->groups[j][i], (enum context)i, j);
    struct actor *actor = make_actor();
    actor->fiber = sim_fiber(play, (void *)scenario, actor);
    actor->fiber->blocked = true;
    sim_wake(actor->fiber);
    while (!actor->fiber->done && world->now_us < VIRTUAL_US)
        sim_run(world->now_us + SEC);
    if (!actor->fiber->done)
        sim_fail((struct text){0}, "it does not end: %s", the_stage.outcome);
}

static void draw_knobs(struct knobs *knobs, bool faults)
{
    static const enum fault ours[] = {FAULT_DELAY, FAULT_LOST_ANSWER, FAULT_MARKERS,
                                      FAULT_SPLIT, FAULT_FETCH,       FAULT_PG_LOST};
    knobs->partitions = STAGE_PARTITIONS;
    knobs->latency_us = sim_between(MS / 2, 8 * MS);
    knobs->delay_ppm = sim_between(2000, 60000);
    knobs->lost_ppm = sim_between(2000, 60000);
    for (size_t i = 0; i < sizeof ours / sizeof *ours && faults; i++)
        knobs->faults |= (uint32_t)sim_chance(400000) << ours[i];
}

/* What it came to is in the_stage.outcome. */
static void play_seed(const struct scenario *scenario, uint64_t seed, bool faults)
{
    memset(&the_world, 0, sizeof the_world);
    world = &the_world;
    world->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    world->wall_us = INT64_C(1700000000) * SEC;
    world->faults_on = true;
    draw_knobs(&world->knobs, faults);
    if (!_setjmp(world->verdict))
        live(scenario);
    if (world->failed) {
        printf("FAILED %s, seed %llu: %s\n", scenario->name, (unsigned long long)seed,
               world->failure);
        exit(1);
    }
    for (struct fiber *fiber = world->fibers; fiber; fiber = fiber->next)
        sim_fiber_free(fiber);
    store_end();
    free(world->heap);
    free(world->txns);
    sim_memory_reset();
}

/* ---- what is allowed ---- */

#define OUTCOMES_MAX 4096

struct allowed {
    char *outcomes[OUTCOMES_MAX];
    uint64_t seen[OUTCOMES_MAX];
    size_t count, quiet; /* the first of them without faults */
};

static void note(struct allowed *allowed, const char *outcome)
{
    size_t i = 0;
    while (i < allowed->count && strcmp(allowed->outcomes[i], outcome) != 0)
        i++;
    if (i == OUTCOMES_MAX) {
        printf("more than %d outcomes\n", OUTCOMES_MAX);
        exit(1);
    }
    if (i == allowed->count)
        allowed->outcomes[allowed->count++] = strdup(outcome);
    allowed->seen[i]++;
}

static void gather(struct allowed *allowed, const struct scenario *scenario, uint64_t seeds,
                   bool quiet_only)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        play_seed(scenario, seed, false);
        note(allowed, the_stage.outcome);
    }
    allowed->quiet = allowed->count;
    for (uint64_t seed = 1; seed <= seeds && !quiet_only; seed++) {
        play_seed(scenario, seed, true);
        note(allowed, the_stage.outcome);
    }
}

static void release(struct allowed *allowed)
{
    for (size_t i = 0; i < allowed->count; i++)
        free(allowed->outcomes[i]);
}

static void print_outcomes(const struct allowed *allowed, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        printf("    %6llu  %s\n", (unsigned long long)allowed->seen[i], allowed->outcomes[i]);
}

/* ---- comparing ---- */

static const struct scenario *scenario_of(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

static bool compare(const struct scenario *scenario, const struct allowed *allowed,
                    const char *outcome)
{
    for (size_t i = 0; i < allowed->count; i++)
        if (strcmp(allowed->outcomes[i], outcome) == 0) {
            printf("ok - %s: %s (%s, %zu + %zu outcomes allowed)\n", scenario->name, outcome,
                   i < allowed->quiet ? "without faults" : "with faults only", allowed->quiet,
                   allowed->count - allowed->quiet);
            return true;
        }
    printf("not ok - %s: the servers did\n            %s\n  the model allows, without faults\n",
           scenario->name, outcome);
    print_outcomes(allowed, 0, allowed->quiet);
    printf("  and with faults\n");
    print_outcomes(allowed, allowed->quiet, allowed->count);
    return false;
}

/* Lines "scenario: outcome"; each scenario must be among them. */
static bool compare_file(const char *path, uint64_t seeds, bool quiet_only)
{
    static char line[2048];
    static struct allowed all[64];
    bool good = true;
    FILE *file = fopen(path, "r");
    if (!file || scenario_count > sizeof all / sizeof *all) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    while (fgets(line, sizeof line, file)) {
        char *outcome = strstr(line, ": ");
        line[strcspn(line, "\n")] = 0;
        if (!outcome)
            continue;
        *outcome = 0;
        const struct scenario *scenario = scenario_of(line);
        if (!scenario)
            continue;
        struct allowed *allowed = &all[scenario - scenarios];
        if (!allowed->count)
            gather(allowed, scenario, seeds, quiet_only);
        good &= compare(scenario, allowed, outcome + 2);
    }
    fclose(file);
    for (size_t i = 0; i < scenario_count; i++) {
        if (!all[i].count) {
            printf("not ok - %s: the servers never played it\n", scenarios[i].name);
            good = false;
        }
        release(&all[i]);
    }
    return good;
}

static void print_all(uint64_t seeds, bool quiet_only)
{
    for (size_t i = 0; i < scenario_count; i++) {
        static struct allowed allowed;
        allowed = (struct allowed){0};
        gather(&allowed, &scenarios[i], seeds, quiet_only);
        printf("%s\n", scenarios[i].name);
        print_outcomes(&allowed, 0, allowed.quiet);
        if (!quiet_only)
            printf("  with faults\n");
        print_outcomes(&allowed, allowed.quiet, allowed.count);
        release(&allowed);
    }
}

static bool set_sabotage(const char *name)
{
    for (size_t i = 0; i < sizeof sabotages / sizeof *sabotages; i++)
        if (strcmp(sabotages[i].name, name) == 0)
            return *sabotages[i].flag = true;
    return false;
}

static void usage(FILE *out)
{
    fputs("calibration_model [FILE]: is what the servers did (FILE, from calibration_real) among\n"
          "what the simulator's models allow? Without FILE: what they allow.\n\n"
          "  --seeds N        without faults, and as many with (400)\n"
          "  --quiet          without faults only\n"
          "  --sabotage NAME  the models without this protection\n\n"
          "Exit: 0 yes, 1 no, 2 usage.\n",
          out);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"seeds", required_argument, NULL, 's'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"sabotage", required_argument, NULL, 'S'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    uint64_t seeds = 400;
    bool quiet_only = false;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == 's' && (seeds = strtoull(optarg, NULL, 0)) > 0)
            continue;
        if (option == 'S' && set_sabotage(optarg))
            continue;
        if (option == 'q') {
            quiet_only = true;
            continue;
        }
        usage(option == 'h' ? stdout : stderr);
        return option == 'h' ? 0 : 2;
    }
    if (optind == argc) {
        print_all(seeds, quiet_only);
        return 0;
    }
    return compare_file(argv[optind], seeds, quiet_only) ? 0 : 1;
}
