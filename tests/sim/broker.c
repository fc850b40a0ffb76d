/* The broker: logs with transactions, and the transaction coordinator. Weak as the real thing: a
 * commit is decided at one moment, its markers come to each partition at moments of their own, and
 * a request says which epoch it is of, not which transaction. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TXN_TIMEOUT_US (10 * SEC)

static int32_t partitions(void)
{
    return world->knobs.partitions;
}

const char *broker_topic(enum context context, enum stream stream)
{
    static struct topic_name names[CONTEXT_COUNT][STREAM_COUNT];
    if (!names[context][stream].text[0])
        names[context][stream] = topic_name("o", context, stream);
    return names[context][stream].text;
}

/* "o.orders.commands.v1": two letters are enough. */
struct part *broker_part(const char *topic, int32_t partition)
{
    enum context context = topic[2] == 'o'   ? CONTEXT_ORDERS
                           : topic[2] == 'i' ? CONTEXT_INVENTORY
                                             : CONTEXT_PAYMENTS;
    char stream = strchr(topic + 2, '.')[1];
    enum stream which = stream == 'c'   ? STREAM_COMMANDS
                        : stream == 's' ? STREAM_STEPS
                        : stream == 'e' ? STREAM_EVENTS
                                        : STREAM_DEAD_LETTERS;
    assert(partition >= 0 && partition < partitions());
    return &world->parts[context][which][partition];
}

static struct txn *txn_of(uint32_t txn)
{
    return &world->txns[txn];
}

static uint32_t txn_new(int32_t writer, int32_t epoch)
{
    if (world->txn_count == world->txn_capacity) {
        world->txn_capacity = world->txn_capacity ? 2 * world->txn_capacity : 256;
        world->txns = realloc(world->txns, world->txn_capacity * sizeof *world->txns);
        if (!world->txns)
            abort();
    }
    world->txns[world->txn_count] = (struct txn){
        .state = TXN_ONGOING, .writer = writer, .epoch = epoch, .began_us = world->now_us};
    return world->txn_count++;
}

void broker_begin(void)
{
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            for (int32_t k = 0; k < SIM_PARTITIONS_MAX; k++) {
                struct part *part = &world->parts[i][j][k];
                *part = (struct part){
                    .context = (enum context)i, .stream = (enum stream)j, .number = k};
                for (int writer = 0; writer < WRITERS_MAX; writer++)
                    part->open_at[writer] = -1;
            }
    world->txn_count = 0;
    txn_new(-1, 0); /* number 0 is none */
    world->txns[0].state = TXN_OVER;
    world->txns[0].committed = true;
}

bool broker_is_up(void)
{
    return world->now_us >= world->broker_down_until;
}

bool broker_committed(const struct slot *slot)
{
    return slot->kind == SLOT_RECORD && world->txns[slot->txn].committed;
}

/* ---- the logs ---- */

static void wake_reader(void *self, uint64_t argument)
{
    (void)argument;
    struct actor *actor = self;
    if (actor->running && !actor->dead)
        sim_wake(actor->fiber);
}

static void note_stable(struct part *part)
{
    int64_t stable = part->count;
    for (int i = 0; i < WRITERS_MAX; i++)
        if (part->open_at[i] >= 0 && part->open_at[i] < stable)
            stable = part->open_at[i];
    if (stable <= part->stable)
        return;
    part->stable = stable;
    check_stable(part);
    for (uint64_t readers = part->readers; readers; readers &= readers - 1) {
        struct actor *actor = world->actors[__builtin_ctzll(readers)];
        int64_t late = sim_has(FAULT_FETCH) && sim_chance(100000) ? sim_delay(SEC) : 0;
        if (actor->running && !actor->dead)
            sim_at(world->now_us + world->knobs.latency_us / 2 + late, wake_reader, actor, 0);
    }
    part->readers = 0;
}

static void add_chunk(struct part *part)
{
    int64_t count = part->chunk_count++;
    if ((count & (count - 1)) == 0) { /* a power of two: full */
        struct slot **chunks = sim_alloc((count ? 2 * (size_t)count : 1) * sizeof(struct slot *));
        if (count)
            memcpy(chunks, part->chunks, (size_t)count * sizeof(struct slot *));
        part->chunks = chunks;
    }
    part->chunks[count] = sim_alloc(SLOTS_CHUNK * sizeof(struct slot));
}

int64_t broker_append(struct part *part, const struct slot *slot)
{
    if (part->count == part->chunk_count * SLOTS_CHUNK)
        add_chunk(part);
    struct slot *kept = part_slot(part, part->count);
    *kept = *slot;
    kept->at_us = (world->wall_us + world->now_us) / MS * MS;
    sim_trace((uint64_t)slot->kind << 32 | (uint64_t)part->count);
    part->count++;
    if (!slot->txn)
        note_stable(part);
    return part->count - 1;
}

/* ---- markers ---- */

static void end_when_marked(struct txn *txn)
{
    if (--txn->markers_left == 0)
        txn->state = TXN_OVER;
}

static void write_marker(void *self, uint64_t number)
{
    struct part *part = self;
    if (!broker_is_up()) {
        sim_at(world->broker_down_until + sim_delay(world->knobs.latency_us), write_marker, part,
               number);
        return;
    }
    struct txn *txn = txn_of((uint32_t)number);
    int32_t writer = txn->writer;
    const struct slot marker = {.kind = txn->committed ? SLOT_COMMIT : SLOT_ABORT,
                                .txn = (uint32_t)number};
    broker_append(part, &marker);
    if (part->open_txn[writer] == number)
        part->open_at[writer] = -1;
    if (part->epoch[writer] < txn->epoch)
        part->epoch[writer] = txn->epoch;
    end_when_marked(txn_of((uint32_t)number));
    note_stable(part);
}

static struct group *group_of_writer(int32_t writer)
{
    return &world->groups[0][writer / (2 * SIM_WORKERS_MAX)];
}

/* The marker in the topic of offsets. */
static void write_offsets_marker(void *self, uint64_t number)
{
    (void)self;
    if (!broker_is_up()) {
        sim_at(world->broker_down_until + sim_delay(world->knobs.latency_us), write_offsets_marker,
               NULL, number);
        return;
    }
    struct txn *txn = txn_of((uint32_t)number);
    struct group *group = group_of_writer(txn->writer);
    for (int32_t i = 0; i < partitions(); i++) {
        if (!(txn->offset_parts >> i & 1))
            continue;
        group->pending[i]--;
        /* By the place of the record, so that a late marker takes no later offset back. */
        if (!txn->committed || txn->place < group->place[i])
            continue;
        group->place[i] = txn->place;
        for (int j = 0; j < 2; j++) {
            if (!txn->has_source[i][j])
                continue;
            if (txn->offsets[i][j] < group->committed[i][j])
                sim_fail((struct text){0},
                         "P4: committed offsets of %s partition %d went back from %lld to %lld",
                         context_name(group->context), i, (long long)group->committed[i][j],
                         (long long)txn->offsets[i][j]);
            group->committed[i][j] = txn->offsets[i][j];
        }
    }
    end_when_marked(txn);
}

static int64_t marker_delay(void)
{
    if (!sim_has(FAULT_MARKERS) || !sim_chance(300000))
        return sim_delay(world->knobs.latency_us);
    return sim_chance(50000) ? sim_delay(8 * SEC) : sim_delay(sim_chance(500000) ? SEC : 50 * MS);
}

static void decide(uint32_t number, bool commit)
{
    struct txn *txn = txn_of(number);
    txn->state = commit ? TXN_COMMITTING : TXN_ABORTING;
    txn->committed = commit;
    txn->markers_left = 1; /* held until all are under way */
    if (commit)
        check_transaction(txn);
    bool together = !sim_has(FAULT_MARKERS);
    int64_t delay = marker_delay();
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            for (uint64_t bits = txn->parts[i][j]; bits; bits &= bits - 1) {
                struct part *part = &world->parts[i][j][__builtin_ctzll(bits)];
                txn->markers_left++;
                sim_at(world->now_us + (together ? delay : marker_delay()), write_marker, part,
                       number);
            }
    if (txn->offsets_added) {
        txn->markers_left++;
        sim_at(world->now_us + (together ? delay : marker_delay()), write_offsets_marker, NULL,
               number);
    }
    end_when_marked(txn);
    sim_trace((uint64_t)commit << 40 | number);
}

/* ---- the transaction coordinator ---- */

static void time_out(void *self, uint64_t number)
{
    (void)self;
    struct txn *txn = txn_of((uint32_t)number);
    if (txn->state != TXN_ONGOING)
        return;
    if (!broker_is_up()) {
        sim_at(world->broker_down_until + SEC, time_out, NULL, number);
        return;
    }
    count(COUNT_TXN_TIMEOUTS);
    sim_say("broker: transaction %u times out", (unsigned)number);
    txn->epoch = ++world->writers[txn->writer].epoch; /* fences who was asleep */
    decide((uint32_t)number, false);
}

enum broker_answer broker_init_writer(int32_t writer, int32_t *ret_epoch)
{
    struct writer_id *id = &world->writers[writer];
    struct txn *txn = txn_of(id->txn);
    if (txn->state == TXN_ONGOING) {
        count(COUNT_TXN_RESOLVED);
        txn->epoch = ++id->epoch;
        decide(id->txn, false);
        return BROKER_CONCURRENT;
    }
    if (txn->state == TXN_COMMITTING || txn->state == TXN_ABORTING)
        return BROKER_CONCURRENT;
    *ret_epoch = ++id->epoch;
    return BROKER_OK;
}

/* What a request finds: the open transaction of its epoch, perhaps a later one than it meant. */
static enum broker_answer find_open(int32_t writer, int32_t epoch, bool begin)
{
    struct writer_id *id = &world->writers[writer];
    if (epoch != id->epoch) {
        count(COUNT_EPOCH_FENCED);
        return BROKER_FENCED;
    }
    switch (txn_of(id->txn)->state) {
    case TXN_ONGOING: return BROKER_OK;
    case TXN_COMMITTING:
    case TXN_ABORTING: return BROKER_CONCURRENT;
    default: break;
    }
    if (!begin)
        return BROKER_INVALID;
    id->txn = txn_new(writer, epoch);
    sim_at(world->now_us + TXN_TIMEOUT_US, time_out, NULL, id->txn);
    return BROKER_OK;
}

enum broker_answer broker_add_partitions(int32_t writer, int32_t epoch,
                                         uint64_t parts[CONTEXT_COUNT][STREAM_COUNT])
{
    enum broker_answer answer = find_open(writer, epoch, true);
    if (answer == BROKER_CONCURRENT)
        count(COUNT_CONCURRENT);
    struct txn *txn = txn_of(world->writers[writer].txn);
    for (int i = 0; i < CONTEXT_COUNT && !answer; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            txn->parts[i][j] |= parts[i][j];
    return answer;
}

enum broker_answer broker_add_offsets(int32_t writer, int32_t epoch)
{
    enum broker_answer answer = find_open(writer, epoch, true);
    if (!answer)
        txn_of(world->writers[writer].txn)->offsets_added = true;
    return answer;
}

enum broker_answer broker_end(int32_t writer, int32_t epoch, bool commit)
{
    struct writer_id *id = &world->writers[writer];
    struct txn *txn = txn_of(id->txn);
    if (epoch == id->epoch && id->txn && txn->state > TXN_ONGOING && txn->epoch == epoch)
        return txn->committed == commit ? BROKER_OK : BROKER_INVALID; /* again */
    enum broker_answer answer = find_open(writer, epoch, false);
    if (!answer)
        decide(id->txn, commit);
    return answer;
}

enum broker_answer broker_produce(int32_t writer, int32_t epoch, struct part *part,
                                  int32_t sequence, const struct slot *records, size_t count_)
{
    enum broker_answer answer = find_open(writer, epoch, false);
    uint32_t number = world->writers[writer].txn;
    struct txn *txn = txn_of(number);
    if (answer)
        return answer == BROKER_CONCURRENT ? BROKER_INVALID : answer;
    if (!(txn->parts[part->context][part->stream] >> part->number & 1))
        return BROKER_INVALID;
    if (part->epoch[writer] > epoch)
        return BROKER_FENCED;
    if (part->epoch[writer] < epoch) {
        part->epoch[writer] = epoch;
        part->sequence[writer] = 0;
    }
    if (sequence < part->sequence[writer])
        return BROKER_OK; /* a copy */
    if (sequence > part->sequence[writer])
        return BROKER_INVALID;
    part->sequence[writer] += (int32_t)count_;
    if (part->open_at[writer] < 0) {
        part->open_at[writer] = part->count;
        part->open_txn[writer] = number;
    }
    txn->written[part->context][part->stream] |= UINT64_C(1) << part->number;
    for (size_t i = 0; i < count_; i++) {
        struct slot slot = records[i];
        slot.txn = number;
        broker_append(part, &slot);
    }
    return BROKER_OK;
}

int64_t part_last_record(const struct part *part)
{
    int64_t last = part->count - 1;
    while (last >= 0 && !broker_committed(part_slot(part, last)))
        last--;
    return last;
}

bool broker_cut(enum context context, int32_t partition)
{
    struct part *part = &world->parts[context][STREAM_EVENTS][partition];
    int64_t last = part_last_record(part);
    if (last < 0)
        return false;
    part->count = part->stable = last;
    return true;
}

bool broker_change(enum context context, int32_t partition)
{
    struct part *part = &world->parts[context][STREAM_EVENTS][partition];
    int64_t last = part_last_record(part);
    if (last < 0)
        return false;
    struct slot *slot = part_slot(part, last);
    unsigned char *value = sim_alloc(slot->value_bytes);
    memcpy(value, slot->value, slot->value_bytes);
    value[slot->value_bytes - 1] ^= 1;
    slot->value = value;
    return true;
}

void broker_trim(enum context context, enum stream stream, int32_t partition, int64_t first)
{
    struct part *part = &world->parts[context][stream][partition];
    if (first > part->first)
        count(COUNT_TRIMMED);
    if (first > part->first)
        part->first = first;
}

void broker_lose_unread(enum context context, int32_t partition)
{
    struct part *part = &world->parts[context][STREAM_COMMANDS][partition];
    const struct slot slot = {.kind = SLOT_RECORD, .value = "", .value_bytes = 0};
    broker_append(part, &slot);
    part->first = part->count;
}

void broker_restart(int64_t down_us)
{
    count(COUNT_BROKER_RESTARTS);
    sim_say("broker: down for %.3f s", (double)down_us / 1e6);
    world->broker_down_until = world->now_us + down_us;
}
