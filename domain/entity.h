/*
 * domain/entity.h - one name and one shape for every state that a decision may need.
 *
 * The worker's core says which entities are missing, the projection's rows are loaded as entities,
 * and folds (overlay, verify) keep entities. Pure.
 *
 *   kind         id            second        owned by (context)
 *   ORDER        order id      -             orders
 *   PRODUCT      SKU           -             inventory
 *   RESERVATION  order id      -             inventory (partition = the group's)
 *   ACCOUNT      customer id   -             payments
 *   PAYMENT      customer id   payment id    payments
 *   COMMAND      aggregate id  command id    the aggregate's context
 */
#ifndef DOMAIN_ENTITY_H
#define DOMAIN_ENTITY_H

#include "domain/account.h"
#include "domain/message.h"
#include "domain/order.h"
#include "domain/product.h"
#include "domain/stock.h"

enum entity_kind {
    ENTITY_NONE = 0,
    ENTITY_ORDER,
    ENTITY_PRODUCT,
    ENTITY_RESERVATION,
    ENTITY_ACCOUNT,
    ENTITY_PAYMENT,
    ENTITY_COMMAND,
    ENTITY_KIND_COUNT
};

/* partition: of the context's topics, where the entity's events lie. Texts are borrowed. */
struct entity_key {
    enum entity_kind kind;
    int32_t partition;
    struct text id, second;
};

/* What became of a command id within its aggregate. outcome OUTCOME_NONE: never seen. */
struct command_record {
    enum command_outcome outcome;
    enum refusal_code code;
    uint64_t body_digest;
};

struct entity {
    enum entity_kind kind;
    union {
        struct order order;
        struct product product;
        struct reservation reservation;
        struct account account;
        struct payment payment;
        struct command_record command;
    };
};

/* How much of a struct entity states of the kind need, in bytes from its start: where many are
 * kept, the rest may be left out. A command's record is a fifth of an order. */
size_t entity_bytes(enum entity_kind kind);

/* Copies entity_bytes() of the state: the only way to copy it where the rest may be missing. */
void entity_copy(struct entity *to, const struct entity *from);

/* True when the state says that there is no such thing (version 0, status nothing, no outcome). */
bool entity_is_absent(const struct entity *entity);

/* Which entities an event changes; at most one per line of a group plus three. Fills ret_keys up to
 * `capacity` and returns how many there are. `partition` is the event's own. */
#define EVENT_ENTITIES_MAX (ORDER_LINES_MAX + 3)
size_t event_entities(const struct event_message *event, int32_t partition,
                      struct entity_key *ret_keys, size_t capacity);

/* Folds the event into one of the entities that event_entities() named: `key` says which.
 * entity->kind is key->kind. Cannot refuse. Texts and lines of the state may point into the
 * event. */
void entity_apply(struct entity *entity, const struct entity_key *key,
                  const struct event_message *event);

#endif
