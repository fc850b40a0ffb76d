/* Positions pass markers and aborted records, which are no inputs: committed offsets follow
 * them. */
#include "consumers/loop.h"

#include "lib/base/ol_clock.h"
#include "lib/guard/protected.h"

#define EVERY_US INT64_C(100000)

/* How far a source of the partition is read. What is held was read and is not decided: it is no
 * gap. */
static int64_t position_of(struct loop *loop, enum cause_source source, int32_t partition)
{
    struct ol_inbox *inboxes;
    size_t count = ol_consumer_inboxes(loop->consumer, &inboxes);
    int index = source == CAUSE_COMMANDS ? 0 : 1;
    for (size_t i = 0; i < count; i++)
        if (inboxes[i].topic_index == index && inboxes[i].partition == partition)
            return inboxes[i].position;
    return -1;
}

static bool may_close(const struct loop *loop, int32_t partition)
{
    bool ours = (loop->owned & ~loop->halted) >> partition & 1;
    bool held = loop->held.handle && loop->held.partition == partition;
    return ours && !held;
}

/* Commands and steps each by themselves: a partition whose steps never rest may have had no command
 * for longer than commands are kept. What a new owner finds before its first input it closes at
 * once: owners that change often would never come to it. */
static int64_t quiet_position(struct loop *loop, enum cause_source source, int32_t partition,
                              int64_t now_us, bool all)
{
    int64_t last_us = loop->last_input_us[source == CAUSE_STEPS][partition];
    bool quiet = now_us - last_us >= loop->options->close_gap_ms * 1000;
    return quiet || all ? position_of(loop, source, partition) : CORE_NO_GAP;
}

static void close_gap(struct loop *loop, int32_t partition, int64_t now_us, bool all)
{
    int64_t commands = quiet_position(loop, CAUSE_COMMANDS, partition, now_us, all);
    int64_t steps = quiet_position(loop, CAUSE_STEPS, partition, now_us, all);
    if (core_close_gap(loop->core, partition, commands, steps, ol_clock_wall_us()))
        loop->building->closes_gap = true;
}

/* The receipt's marker lies on the events topic and on that of the offsets: it makes no new gap. */
void loop_close_gaps(struct loop *loop, bool all)
{
    int64_t now_us = ol_clock_monotonic_us();
    bool undecided = loop->building->decided < loop->building->count; /* read: no gaps either */
    if (undecided || (!all && now_us - loop->gaps_asked_us < EVERY_US))
        return;
    loop->gaps_asked_us = now_us;
    for (int32_t i = 0; i < loop->partitions; i++)
        if (PROTECTED(gaps_closed) && may_close(loop, i))
            close_gap(loop, i, now_us, all);
}
