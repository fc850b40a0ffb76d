/*
 * tests/sim/client.h - what the models of producers, consumers and readers share.
 *
 * producer.c, consumer.c, inbox.c and reader.c keep the promises of lib/kafka/ol_kafka_*.h over the
 * model of the broker (broker.c, group.c). The calls of a dead actor have no effect.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "lib/kafka/ol_inbox.h"
#include "tests/sim/sim.h"

struct ol_group {
    struct member_id member;
};

static inline bool client_is_dead(void)
{
    const struct actor *actor = sim_actor();
    return actor && actor->dead;
}

static inline enum ol_class client_fail_dead(struct ol_error *reterr)
{
    return ol_fail(reterr, OL_FATAL, "the process is dead");
}

/* The memory may hold anything. */
void inbox_init(struct ol_inbox *inbox, struct part *part, int32_t topic_index, int64_t position);
/* Is there something to take, or an error to look at? */
bool inbox_has_records(const struct ol_inbox *inbox);
/* Whoever runs is woken by the partition's next record. */
void inbox_await(const struct ol_inbox *inbox);

#endif
