/* The report of a violation: what it shrinks to, a timeline, and the command that repeats it. */
#include "tests/sim/run.h"

#include <stdio.h>
#include <string.h>

static const char *const fault_names[FAULTS] = {
#define FAULT(id, text) #id,
#include "tests/sim/faults.def"
#undef FAULT
};

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
        if (world_run(&less, false)) {
            less = *knobs;
            less.faults_from_us = middle_us;
            if (world_run(&less, false))
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
        if (less.faults != knobs.faults && !world_run(&less, false))
            knobs = less;
    }
    struct knobs less = knobs;
    less.workers = less.projectors = 1;
    if (!world_run(&less, false))
        knobs = less;
    less = knobs;
    less.partitions = 1;
    if (!world_run(&less, false))
        knobs = less;
    for (less = knobs; less.orders > 1;) {
        less.orders /= 2;
        if (world_run(&less, false))
            break;
        knobs = less;
    }
    shrink_span(&knobs);
    memcpy(counters, kept, sizeof kept);
    return knobs;
}

void failure_tell(const struct knobs *knobs, bool shrinks, const char *binary, const char *sabotage)
{
    printf("VIOLATION seed %llu after %.3f s: %s\n", (unsigned long long)knobs->seed,
           (double)world_last.virtual_us / 1e6, world->failure);
    struct knobs small = shrinks ? shrink(*knobs) : *knobs;
    printf("  shrunk to: orders %d, partitions %d, workers %d, projectors %d, faults:",
           small.orders, small.partitions, small.workers, small.projectors);
    print_faults(small.faults);
    printf(" (from %.3f s to %.3f s)\n", (double)small.faults_from_us / 1e6,
           (double)small.faults_us / 1e6);
    if (!world_run(&small, true))
        printf("  there: %s\n", world->failure);
    printf("  repeat: %s --seed %llu --orders %d%s%s --trace\n", binary,
           (unsigned long long)knobs->seed, knobs->orders, sabotage ? " --sabotage " : "",
           sabotage ? sabotage : "");
    fflush(stdout);
}
