/* orderlog_sim: draws a world from each seed, lets it run under faults, then at rest, and says
 * whether every promise held. See --help. */
#include "tests/sim/run.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- protections ---- */

#define SABOTAGE(name, text)                                                                       \
    extern bool sabotaged_##name;                                                                  \
    bool sabotaged_##name;
#include "tests/sim/sabotage.def"
#undef SABOTAGE

/* Marked in the code, but another protection catches the same fault: removing one of these alone
 * proves nothing. */
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

/* ---- runs ---- */

static const char *binary, *sabotage_name;

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
    double began = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t seed = first; seed < options->first + options->seeds; seed += step) {
        if (options->seconds > 0 && seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began > options->seconds)
            break;
        struct knobs knobs = knobs_of(seed, options->orders);
        bool good = world_run(&knobs, false);
        totals->seeds++;
        totals->orders += (uint64_t)knobs.orders;
        totals->events += world_last.events;
        totals->trace += world_last.trace ^ seed * UINT64_C(0x9e3779b97f4a7c15);
        if (options->one)
            printf("seed %llu: trace %016llx, %llu events, %.3f virtual s\n",
                   (unsigned long long)seed, (unsigned long long)world_last.trace,
                   (unsigned long long)world_last.events, (double)world_last.virtual_us / 1e6);
        if (good)
            continue;
        totals->failed++;
        totals->failed_seed = seed;
        if (!options->quiet)
            failure_tell(&knobs, options->shrinks, binary, sabotage_name);
        break;
    }
    totals->seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began;
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

/* Lines "seed orders": each has found a fault of this project once. */
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
        if (world_run(&knobs, false))
            continue;
        failure_tell(&knobs, true, binary, sabotage_name);
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
        "  --seconds N        stop after so much time of a core, each job\n"
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
