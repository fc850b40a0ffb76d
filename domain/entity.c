#include "domain/entity.h"

#include <stddef.h>
#include <string.h>

#include "domain/assert.h"

#define BYTES(member)                                                                              \
    (offsetof(struct entity, member) + sizeof(((const struct entity *)NULL)->member))

static const uint8_t kind_bytes[ENTITY_KIND_COUNT] = {
    [ENTITY_ORDER] = BYTES(order),
    [ENTITY_PRODUCT] = BYTES(product),
    [ENTITY_RESERVATION] = BYTES(reservation),
    [ENTITY_ACCOUNT] = BYTES(account),
    [ENTITY_PAYMENT] = BYTES(payment),
    [ENTITY_COMMAND] = BYTES(command),
};
_Static_assert(sizeof(struct entity) <= UINT8_MAX, "the bytes fit");

size_t entity_bytes(enum entity_kind kind)
{
    domain_assert(kind > ENTITY_NONE && kind < ENTITY_KIND_COUNT);
    return kind_bytes[kind];
}

void entity_copy(struct entity *to, const struct entity *from)
{
    memcpy(to, from, entity_bytes(from->kind));
}

bool entity_is_absent(const struct entity *entity)
{
    switch (entity->kind) {
    case ENTITY_ORDER: return entity->order.version == 0;
    case ENTITY_PRODUCT: return entity->product.version == 0;
    case ENTITY_RESERVATION: return entity->reservation.status == RESERVATION_IS_NOTHING;
    case ENTITY_ACCOUNT: return entity->account.version == 0;
    case ENTITY_PAYMENT: return entity->payment.status == PAYMENT_IS_NOTHING;
    case ENTITY_COMMAND: return entity->command.outcome == OUTCOME_NONE;
    case ENTITY_NONE:
    case ENTITY_KIND_COUNT: break;
    }
    domain_assert(!"an entity has a kind");
    return false;
}

/* Collects keys; goes on counting past the capacity, so that the caller can see that it was too
 * small. */
struct keys {
    struct entity_key *keys;
    size_t capacity, count;
    int32_t partition;
};

static void keys_add(struct keys *keys, enum entity_kind kind, struct text id, struct text second)
{
    if (keys->count < keys->capacity)
        keys->keys[keys->count] = (struct entity_key){
            .kind = kind, .partition = keys->partition, .id = id, .second = second};
    keys->count++;
}

static const struct text no_text;

static void inventory_entities(const struct inventory_event *event, struct keys *keys)
{
    switch (event->kind) {
    case STOCK_RESERVED:
    case STOCK_RELEASED:
        for (size_t i = 0; i < event->line_count; i++)
            keys_add(keys, ENTITY_PRODUCT, event->lines[i].sku, no_text);
        keys_add(keys, ENTITY_RESERVATION, event->order_id, no_text);
        break;
    case STOCK_REFUSED: keys_add(keys, ENTITY_RESERVATION, event->order_id, no_text); break;
    default: keys_add(keys, ENTITY_PRODUCT, event->sku, no_text); break;
    }
}

static void payment_entities(const struct payment_event *event, struct keys *keys)
{
    if (event->kind != PAYMENT_DECLINED)
        keys_add(keys, ENTITY_ACCOUNT, event->customer_id, no_text);
    if (event->payment_id.bytes)
        keys_add(keys, ENTITY_PAYMENT, event->customer_id, event->payment_id);
}

static struct text domain_event_aggregate(const struct event_message *event)
{
    switch (event->context) {
    case CONTEXT_ORDERS: return event->order.order_id;
    case CONTEXT_INVENTORY: return event->inventory.sku;
    case CONTEXT_PAYMENTS: return event->payment.customer_id;
    case CONTEXT_COUNT: break;
    }
    domain_assert(!"an event has a context");
    return no_text;
}

/* A command's first event, or its refusal, is its outcome; a command id that was used before has
 * its outcome already. */
static void command_entity(const struct event_message *event, struct keys *keys)
{
    if (event->cause_source != CAUSE_COMMANDS || event->cause_index != 0)
        return;
    if (event->body == EVENT_BODY_DOMAIN)
        keys_add(keys, ENTITY_COMMAND, domain_event_aggregate(event), event->metadata.command_id);
    else if (event->body == EVENT_BODY_REJECTED &&
             event->rejected.code != REFUSED_COMMAND_ID_REUSED)
        keys_add(keys, ENTITY_COMMAND, event->rejected.aggregate_id, event->metadata.command_id);
}

size_t event_entities(const struct event_message *event, int32_t partition,
                      struct entity_key *ret_keys, size_t capacity)
{
    struct keys keys = {.keys = ret_keys, .capacity = capacity, .partition = partition};
    command_entity(event, &keys);
    if (event->body != EVENT_BODY_DOMAIN)
        return keys.count;
    switch (event->context) {
    case CONTEXT_ORDERS: keys_add(&keys, ENTITY_ORDER, event->order.order_id, no_text); break;
    case CONTEXT_INVENTORY: inventory_entities(&event->inventory, &keys); break;
    case CONTEXT_PAYMENTS: payment_entities(&event->payment, &keys); break;
    case CONTEXT_COUNT: domain_assert(!"an event has a context");
    }
    return keys.count;
}

static void product_entity_apply(struct product *product, const struct entity_key *key,
                                 const struct inventory_event *event)
{
    if (event->kind != STOCK_RESERVED && event->kind != STOCK_RELEASED) {
        product_apply(product, event);
        return;
    }
    size_t i = 0;
    while (!text_equal(event->lines[i].sku, key->id)) {
        i++;
        domain_assert(i < event->line_count); /* the event names the product */
    }
    product_apply_line(product, event->kind, &event->lines[i]);
}

static void command_apply(struct command_record *record, const struct event_message *event)
{
    domain_assert(record->outcome == OUTCOME_NONE);
    record->body_digest = event->body_digest;
    record->outcome = OUTCOME_ACCEPTED;
    if (event->body == EVENT_BODY_REJECTED) {
        record->outcome = OUTCOME_REJECTED;
        record->code = event->rejected.code;
    }
}

void entity_apply(struct entity *entity, const struct entity_key *key,
                  const struct event_message *event)
{
    domain_assert(entity->kind == key->kind);
    switch (key->kind) {
    case ENTITY_ORDER: order_apply(&entity->order, &event->order); break;
    case ENTITY_PRODUCT: product_entity_apply(&entity->product, key, &event->inventory); break;
    case ENTITY_RESERVATION: reservation_apply(&entity->reservation, &event->inventory); break;
    case ENTITY_ACCOUNT: account_apply(&entity->account, &event->payment); break;
    case ENTITY_PAYMENT: payment_apply(&entity->payment, &event->payment); break;
    case ENTITY_COMMAND: command_apply(&entity->command, event); break;
    case ENTITY_NONE:
    case ENTITY_KIND_COUNT: domain_assert(!"an entity has a kind");
    }
}
