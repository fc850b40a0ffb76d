#include "tests/sim/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_hash.h"
#include "tests/sim/sim.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t hash_of(const struct entity_key *key)
{
    uint64_t hash = ol_hash(key->id.data, key->id.bytes);
    if (key->second.bytes)
        hash = mix(hash + ol_hash(key->second.data, key->second.bytes));
    return mix(hash + (uint64_t)key->kind * 64 + (uint64_t)key->partition);
}

/* Mostly it is one text: what is the world's is not copied. */
static bool same_text(struct text a, struct text b)
{
    return a.data == b.data ? a.bytes == b.bytes : text_equal(a, b);
}

static bool same_key(const struct entity_key *a, const struct entity_key *b)
{
    return a->kind == b->kind && a->partition == b->partition && same_text(a->id, b->id) &&
           same_text(a->second, b->second);
}

/* The index: by the hash's lower half, so that a table of 2^32 slots is the largest. */
static struct table_slot *slot_of(const struct table *table, const struct entity_key *key,
                                  uint64_t hash)
{
    size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct table_slot *slot = &table->slots[at];
        if (!slot->place ||
            (slot->hash == hash >> 32 && same_key(&table->rows[slot->place - 1]->key, key)))
            return slot;
    }
}

static void grow_rows(struct table *table)
{
    table->capacity = table->capacity ? 2 * table->capacity : 512;
    table->rows = realloc(table->rows, table->capacity * sizeof(struct table_row *));
    if (!table->rows)
        abort();
}

static void grow_slots(struct table *table)
{
    table->slot_count = table->slot_count ? 2 * table->slot_count : 1024;
    free(table->slots);
    table->slots = calloc(table->slot_count, sizeof *table->slots);
    if (!table->slots)
        abort();
    for (size_t i = 0; i < table->count; i++) {
        const struct table_row *row = table->rows[i];
        *slot_of(table, &row->key, row->hash) =
            (struct table_slot){(uint32_t)i + 1, (uint32_t)(row->hash >> 32)};
    }
}

struct table_row *table_find(const struct table *table, const struct entity_key *key)
{
    if (!table->slot_count)
        return NULL;
    uint32_t place = slot_of(table, key, hash_of(key))->place;
    return place ? table->rows[place - 1] : NULL;
}

static struct table_row *row_new(const struct entity_key *key, uint64_t hash)
{
    size_t bytes = offsetof(struct table_row, entity) + entity_bytes(key->kind);
    struct table_row *row = memset(sim_alloc(bytes), 0, bytes);
    row->key = *key;
    row->key.id = sim_text(key->id);
    row->key.second = sim_text(key->second);
    row->hash = hash;
    row->entity.kind = key->kind;
    return row;
}

struct table_row *table_row(struct table *table, const struct entity_key *key)
{
    if (table->count == table->capacity)
        grow_rows(table);
    if (2 * (table->count + 1) > table->slot_count)
        grow_slots(table);
    uint64_t hash = hash_of(key);
    struct table_slot *slot = slot_of(table, key, hash);
    if (!slot->place) {
        table->rows[table->count++] = row_new(key, hash);
        *slot = (struct table_slot){(uint32_t)table->count, (uint32_t)(hash >> 32)};
    }
    return table->rows[slot->place - 1];
}

void table_release(struct table *table)
{
    free(table->rows);
    free(table->slots);
    *table = (struct table){0};
}

/* ---- digests ---- */

static uint64_t add(uint64_t digest, uint64_t value)
{
    return mix(digest + value);
}

static uint64_t add_order(uint64_t digest, const struct order *order)
{
    digest = add(digest, (uint64_t)order->version << 24 | (uint64_t)order->status << 16 |
                             (uint64_t)order->saga_state << 8 | (uint64_t)order->payment);
    digest = add(digest, order->groups_asked << 32 | order->groups_reserved << 20 |
                             order->groups_refused << 10 | order->groups_released);
    digest = add(digest, (uint64_t)order->total_minor << 2 | (uint64_t)order->payment_row);
    return order_is_open(order) ? add(digest, (uint64_t)order->deadline_us) : digest;
}

static uint64_t add_reservation(uint64_t digest, const struct reservation *reservation)
{
    digest = add(digest, (uint64_t)reservation->status);
    if (reservation->status != RESERVATION_IS_HELD)
        return digest;
    for (size_t i = 0; i < reservation->line_count; i++)
        digest = add(add(digest, (uint64_t)reservation->lines[i].quantity),
                     ol_hash(reservation->lines[i].sku.data, reservation->lines[i].sku.bytes));
    return digest;
}

uint64_t table_digest(const struct table_row *row)
{
    const struct entity *entity = &row->entity;
    if (entity_is_absent(entity))
        return 0;
    uint64_t digest = row->hash;
    switch (entity->kind) {
    case ENTITY_ORDER: return add_order(digest, &entity->order);
    case ENTITY_PRODUCT:
        digest = add(digest, (uint64_t)entity->product.version << 1 | entity->product.listed);
        digest = add(digest, (uint64_t)entity->product.on_hand);
        return add(add(digest, (uint64_t)entity->product.reserved), entity->product.details_hash);
    case ENTITY_RESERVATION: return add_reservation(digest, &entity->reservation);
    case ENTITY_ACCOUNT:
        digest = add(digest, (uint64_t)entity->account.version);
        digest = add(digest, (uint64_t)entity->account.balance_minor);
        digest = add(digest, (uint64_t)entity->account.spent_minor);
        return add(digest, (uint64_t)entity->account.held_minor);
    case ENTITY_PAYMENT:
        digest = add(digest, (uint64_t)entity->payment.status);
        digest = add(digest, (uint64_t)entity->payment.amount_minor);
        return add(digest, (uint64_t)entity->payment.refunded_minor);
    case ENTITY_COMMAND:
        digest =
            add(digest, (uint64_t)entity->command.outcome << 32 | (uint64_t)entity->command.code);
        return add(digest, entity->command.body_digest);
    default: abort();
    }
}
