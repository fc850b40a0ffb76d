/* What lib/kafka/ol_kafka_consumer.h promises, over the model of the broker: a member of a
 * group. */
#include "tests/sim/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard/protected.h"
#include "lib/kafka/ol_kafka_consumer.h"

/* ---- a member of a group ---- */

struct ol_consumer {
    struct actor *actor;
    struct group *group;
    int32_t slot;
    enum stream streams[2];
    size_t stream_count;
    bool closed, joining, expelled, fenced, is_assigned;
    int64_t expelled_until;
    struct member_id member; /* as the group says */
    uint64_t parts;
    enum ol_consumer_event event;
    uint64_t event_serial;
    struct ol_assignment assignment;
    struct ol_group taken; /* in the assign callback */
    struct ol_offset places[2 * SIM_PARTITIONS_MAX];
    struct ol_inbox *inboxes;
    size_t inbox_count;
};

int32_t client_slot(const struct ol_consumer *client)
{
    return client->slot;
}

uint32_t client_member(const struct ol_consumer *client)
{
    return client->member.id;
}

bool client_is_heard(const struct ol_consumer *client)
{
    const struct actor *actor = client->actor;
    return !client->closed && actor->running && !actor->dead &&
           actor->paused_until <= world->now_us;
}

static void join_arrives(void *self, uint64_t argument)
{
    (void)argument;
    struct ol_consumer *client = self;
    if (!broker_is_up()) {
        sim_at(world->broker_down_until + sim_delay(200 * MS), join_arrives, client, 0);
        return;
    }
    client->joining = false;
    if (client_is_heard(client))
        group_join(client->group, client, client->member.id);
    else if (!client->closed && client->actor->running && !client->actor->dead) {
        client->joining = true;
        sim_at(client->actor->paused_until + MS, join_arrives, client, 0);
    }
}

static void join(struct ol_consumer *client)
{
    if (client->joining || client->closed)
        return;
    client->joining = true;
    sim_at(world->now_us + sim_delay(world->knobs.latency_us), join_arrives, client, 0);
}

static void tell(struct ol_consumer *client, enum ol_consumer_event event)
{
    client->event = event;
    sim_wake(client->actor->fiber);
}

/* The answer to a join is on its way; a later one overtakes it. */
static void assigned_arrives(void *self, uint64_t generation)
{
    struct ol_consumer *client = self;
    if (client->closed || client->member.generation != (int32_t)generation || client->expelled ||
        client->is_assigned)
        return;
    client->is_assigned = true;
    client->taken.member = client->member;
    client->assignment = (struct ol_assignment){
        .serial = client->assignment.serial + 1, .places = client->places, .group = &client->taken};
    for (size_t i = 0; i < client->stream_count; i++)
        for (uint64_t bits = client->parts; bits; bits &= bits - 1)
            client->places[client->assignment.count++] =
                (struct ol_offset){broker_topic(client->group->context, client->streams[i]),
                                   __builtin_ctzll(bits), -1};
    tell(client, OL_CONSUMER_ASSIGNED);
}

void client_assigned(struct ol_consumer *client, struct member_id member, uint64_t parts)
{
    client->member = member;
    client->parts = parts;
    sim_at(world->now_us + sim_delay(world->knobs.latency_us), assigned_arrives, client,
           (uint64_t)member.generation);
}

void client_rebalance(struct ol_consumer *client)
{
    if (client->is_assigned && client->event != OL_CONSUMER_REVOKED)
        tell(client, OL_CONSUMER_REVOKED);
    else if (!client->is_assigned)
        join(client);
}

void client_lost(struct ol_consumer *client, bool fenced)
{
    client->fenced |= fenced;
    client->expelled = true;
    client->expelled_until = 0;
}

static void drop_inboxes(struct ol_consumer *client)
{
    free(client->inboxes);
    client->inboxes = NULL;
    client->inbox_count = 0;
}

enum ol_class ol_consumer_open(const struct ol_kafka_settings *settings,
                               const struct ol_consumer_options *options,
                               struct ol_consumer **ret_consumer, struct ol_error *reterr)
{
    (void)settings;
    if (client_is_dead())
        return client_fail_dead(reterr);
    struct ol_consumer *client = memset(sim_alloc(sizeof *client), 0, sizeof *client);
    client->actor = sim_actor();
    client->group = &world->groups[client->actor->projector][client->actor->context];
    client->slot = (int32_t)strtol(strpbrk(options->instance, "0123456789"), NULL, 10);
    client->stream_count = options->topic_count;
    for (size_t i = 0; i < options->topic_count; i++)
        client->streams[i] = broker_part(options->topics[i], 0)->stream;
    join(client);
    *ret_consumer = client;
    return OL_OK;
}

/* A member that the group has dropped learns of it by its next heartbeat. */
enum ol_class ol_consumer_poll(struct ol_consumer *client, enum ol_consumer_event *ret_event,
                               struct ol_error *reterr)
{
    *ret_event = OL_CONSUMER_NOTHING;
    if (client_is_dead())
        return client_fail_dead(reterr);
    if (client->expelled && !client->expelled_until)
        client->expelled_until = world->now_us + (int64_t)sim_below(300 * MS);
    if (client->expelled && world->now_us >= client->expelled_until) {
        if (client->fenced)
            return ol_fail(reterr, OL_CONFLICT, "the slot is taken by another process");
        *ret_event = OL_CONSUMER_LOST;
        return OL_OK;
    }
    *ret_event = client->event;
    client->event = OL_CONSUMER_NOTHING;
    return OL_OK;
}

static bool has_news(const struct ol_consumer *client)
{
    if (client->event || client_is_dead())
        return true;
    for (size_t i = 0; i < client->inbox_count; i++) {
        if (client->inboxes[i].ignored)
            continue;
        if (inbox_has_records(&client->inboxes[i]))
            return true;
        inbox_await(&client->inboxes[i]);
    }
    return false;
}

bool ol_consumer_wait(struct ol_consumer *client, int fd, int timeout_ms)
{
    (void)fd;
    int64_t until_us = world->now_us + timeout_ms * MS;
    if (client->expelled && client->expelled_until > world->now_us &&
        client->expelled_until < until_us)
        until_us = client->expelled_until;
    /* What waits at the last look is taken in the next turn, after what a fetch takes. */
    if (has_news(client))
        until_us = world->now_us + world->knobs.latency_us / 4;
    sim_block(until_us);
    return true;
}

void ol_consumer_wake(struct ol_consumer *client)
{
    if (!client->closed)
        sim_wake(client->actor->fiber);
}

const struct ol_assignment *ol_consumer_assignment(const struct ol_consumer *client)
{
    return client->is_assigned ? &client->assignment : NULL;
}

bool ol_consumer_assignment_is_aligned(const struct ol_consumer *client)
{
    (void)client;
    return true;
}

enum ol_class ol_consumer_assign(struct ol_consumer *client, const struct ol_offset *positions,
                                 size_t position_count, struct ol_error *reterr)
{
    if (client_is_dead())
        return client_fail_dead(reterr);
    drop_inboxes(client);
    assert(position_count == client->assignment.count);
    client->inboxes = malloc((position_count + 1) * sizeof *client->inboxes);
    if (!client->inboxes)
        abort();
    for (size_t i = 0; i < position_count; i++)
        inbox_init(&client->inboxes[i], broker_part(positions[i].topic, positions[i].partition),
                   (int32_t)(i / (position_count / client->stream_count)), positions[i].offset);
    client->inbox_count = position_count;
    return OL_OK;
}

enum ol_class ol_consumer_unassign(struct ol_consumer *client, struct ol_error *reterr)
{
    (void)reterr;
    drop_inboxes(client);
    client->is_assigned = false;
    if (!client_is_dead())
        join(client);
    return OL_OK;
}

size_t ol_consumer_inboxes(struct ol_consumer *client, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = client->inboxes;
    return client->inbox_count;
}

static bool is_stable(const struct group *group, const struct ol_offset *places, size_t place_count)
{
    for (size_t i = 0; i < place_count; i++)
        if (group->pending[places[i].partition])
            return !PROTECTED(stable_offsets);
    return true;
}

enum ol_class ol_consumer_committed(struct ol_consumer *client, struct ol_offset *places,
                                    size_t place_count, int timeout_ms, struct ol_error *reterr)
{
    int64_t until_us = world->now_us + timeout_ms * MS;
    bool waited = false;
    for (;;) {
        sim_sleep(sim_delay(world->knobs.latency_us));
        if (client_is_dead())
            return client_fail_dead(reterr);
        if (broker_is_up() && is_stable(client->group, places, place_count))
            break;
        if (world->now_us >= until_us)
            return ol_fail(reterr, OL_RETRY, "no stable offsets in time");
        if (broker_is_up() && !waited)
            count(COUNT_UNSTABLE_OFFSETS);
        waited |= broker_is_up();
        sim_sleep(100 * MS);
    }
    for (size_t i = 0; i < place_count; i++) {
        int source = broker_part(places[i].topic, 0)->stream == STREAM_COMMANDS ? 0 : 1;
        places[i].offset = client->group->committed[places[i].partition][source];
    }
    sim_sleep(sim_delay(world->knobs.latency_us));
    return OL_OK;
}

void ol_consumer_note_offsets(struct ol_consumer *client, const struct ol_offset *positions,
                              size_t position_count)
{
    (void)client, (void)positions, (void)position_count;
}

static bool close_client(struct ol_consumer *client)
{
    drop_inboxes(client);
    client->closed = true;
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (client->group->members[i].client == client)
            client->group->members[i].client = NULL;
    return true;
}

bool ol_consumer_leave(struct ol_consumer *client, int timeout_ms)
{
    (void)timeout_ms;
    if (!client)
        return true;
    if (!client_is_dead())
        group_leave(client->group, client->member.id);
    return close_client(client);
}

bool ol_consumer_abandon(struct ol_consumer *client, int timeout_ms)
{
    (void)timeout_ms;
    return !client || close_client(client);
}
