/* The group coordinator: static members, generations, sessions, the range assignor, and offsets
 * that a transaction may still change. */
#include "tests/sim/sim.h"

#include <string.h>

#define TICK_US      (300 * MS)
#define SESSION_US   (6 * SEC)
#define REBALANCE_US (12 * SEC)

static void tick(void *self, uint64_t argument);

void group_begin(struct group *group, enum context context, bool projector)
{
    *group = (struct group){.context = context, .projector = projector};
    for (int32_t i = 0; i < SIM_PARTITIONS_MAX; i++)
        group->committed[i][0] = group->committed[i][1] = -1;
    sim_at(world->now_us + sim_delay(TICK_US), tick, group, 0);
}

/* ---- rebalancing ---- */

static struct member_id id_of(const struct group *group, const struct member *member)
{
    return (struct member_id){member->id, group->generation, member->slot};
}

static void complete(struct group *group)
{
    int32_t there = 0, row = 0, partitions = world->knobs.partitions;
    for (int i = 0; i < SIM_WORKERS_MAX; i++) {
        struct member *member = &group->members[i];
        if (member->there && !member->joined) {
            sim_say("group %d: member of slot %d is too late", group->context, member->slot);
            member->there = false;
            if (member->client)
                client_lost(member->client, false);
        }
        there += member->there;
    }
    group->generation++;
    group->state = there ? GROUP_STABLE : GROUP_EMPTY;
    count(COUNT_REBALANCES);
    for (int i = 0, next = 0; i < SIM_WORKERS_MAX; i++) {
        struct member *member = &group->members[i];
        if (!member->there)
            continue;
        int32_t share = partitions / there + (row < partitions % there);
        member->parts = ((UINT64_C(1) << share) - 1) << next;
        next += share;
        row++;
        if (member->client)
            client_assigned(member->client, id_of(group, member), member->parts);
    }
}

static void complete_if_joined(struct group *group)
{
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (group->members[i].there && !group->members[i].joined)
            return;
    complete(group);
}

static void prepare(struct group *group)
{
    if (group->state == GROUP_PREPARING)
        return;
    group->state = GROUP_PREPARING;
    group->until_us = world->now_us + REBALANCE_US;
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        group->members[i].joined = false;
}

void group_join(struct group *group, struct ol_consumer *client, uint32_t member_id)
{
    int32_t slot = client_slot(client);
    struct member *member = &group->members[slot % SIM_WORKERS_MAX];
    if (member->there && member_id && member->id != member_id) {
        client_lost(client, true); /* another process has the slot */
        return;
    }
    bool known = member->there;
    bool same = known && member->id == member_id;
    if (known && !same && member->client && member->client != client)
        client_lost(member->client, true);
    member->there = true;
    member->slot = slot;
    member->client = client;
    member->heard_us = world->now_us;
    if (!same)
        member->id = ++world->members_made;
    if (known && !same && group->state == GROUP_STABLE) { /* the slot is back: nothing moves */
        client_assigned(client, id_of(group, member), member->parts);
        return;
    }
    prepare(group);
    member->joined = true;
    complete_if_joined(group);
}

void group_leave(struct group *group, uint32_t member_id)
{
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (group->members[i].there && group->members[i].id == member_id) {
            group->members[i].there = false;
            prepare(group);
            complete_if_joined(group);
        }
}

/* Heartbeats, and what they are answered. */
static void tick(void *self, uint64_t argument)
{
    (void)argument;
    struct group *group = self;
    sim_at(world->now_us + TICK_US, tick, group, 0);
    for (int i = 0; i < SIM_WORKERS_MAX; i++) {
        struct member *member = &group->members[i];
        if (!member->there)
            continue;
        bool heard = broker_is_up() && member->client && client_is_heard(member->client);
        if (heard || !broker_is_up())
            member->heard_us = world->now_us;
        if (heard && group->state == GROUP_PREPARING && !member->joined)
            client_rebalance(member->client);
        if (world->now_us - member->heard_us < SESSION_US)
            continue;
        sim_say("group %d: session of slot %d times out", group->context, member->slot);
        count(COUNT_SESSIONS_LOST);
        member->there = false;
        if (member->client)
            client_lost(member->client, false);
        prepare(group);
        complete_if_joined(group);
    }
    if (group->state == GROUP_PREPARING && world->now_us >= group->until_us)
        complete(group);
}

bool group_take_back(struct group *group, int32_t partition)
{
    int source = group->committed[partition][0] > 0 ? 0 : 1;
    if (group->committed[partition][source] <= 0)
        return false;
    group->committed[partition][source]--;
    return true;
}

/* ---- offsets in a transaction ---- */

static bool is_member(const struct group *group, struct member_id member)
{
    if (group->generation != member.generation)
        return false;
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (group->members[i].there && group->members[i].id == member.id)
            return true;
    return false;
}

/* Another process has the member's slot: the broker names that before it looks at generations. */
static bool is_replaced(const struct group *group, struct member_id member)
{
    const struct member *now = &group->members[member.slot % SIM_WORKERS_MAX];
    return now->there && now->id != member.id;
}

enum broker_answer group_offsets(struct group *group, int32_t writer, int32_t epoch,
                                 struct member_id member, const struct ol_offset *offsets,
                                 size_t offset_count)
{
    struct writer_id *id = &world->writers[writer];
    struct txn *txn = &world->txns[id->txn];
    if (epoch != id->epoch) {
        count(COUNT_EPOCH_FENCED);
        return BROKER_FENCED;
    }
    if (txn->state != TXN_ONGOING || !txn->offsets_added)
        return BROKER_INVALID;
    /* Offsets without a member's name are taken from anybody. */
    if (member.id && !is_member(group, member)) {
        count(COUNT_GENERATION_FENCED);
        return is_replaced(group, member) ? BROKER_FENCED : BROKER_INVALID;
    }
    txn->member = member;
    txn->place = ++group->places;
    for (size_t i = 0; i < offset_count; i++) {
        int32_t partition = offsets[i].partition;
        const struct part *part = broker_part(offsets[i].topic, partition);
        int source = part->stream == STREAM_COMMANDS ? 0 : 1;
        if (!(txn->offset_parts >> partition & 1))
            group->pending[partition]++;
        txn->offset_parts |= UINT64_C(1) << partition;
        txn->offsets[partition][source] = offsets[i].offset;
        txn->has_source[partition][source] = true;
        txn->has_offsets = true;
    }
    return BROKER_OK;
}
