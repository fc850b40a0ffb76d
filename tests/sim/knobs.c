/* What a seed draws. */
#include "tests/sim/run.h"

static int64_t draw_log(int64_t low, int64_t high)
{
    int64_t value = low;
    while (value < high && sim_chance(600000))
        value *= 2;
    return value < high ? value + (int64_t)sim_below((uint64_t)value) : high;
}

void knobs_draw(struct knobs *knobs, uint64_t seed, int32_t orders)
{
    *knobs = (struct knobs){.seed = seed, .orders = orders};
    for (int i = 0; i < FAULTS; i++)
        knobs->faults |= (uint32_t)sim_chance(400000) << i;
    knobs->codec = seed % 64 == 63;
    knobs->retires = seed % 16 == 15;
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
    knobs->disaster = sim_chance(60000) ? (enum disaster)sim_between(1, DISASTERS - 1) : 0;
    knobs->replayed = sim_chance(100000);
    knobs->trimmed = sim_chance(100000);
    knobs->close_gap_ms = draw_log(10, 10000);
    knobs->orders_open_max = (int32_t)draw_log(5, 2000);
    knobs->faults_us = knobs->spread_us + SEC + (int64_t)sim_below(10 * SEC);
}
