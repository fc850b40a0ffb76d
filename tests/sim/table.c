#include "tests/sim/table.h"

#include "lib/ol_hash.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

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

static bool same_key(const struct entity_key *a, const struct entity_key *b)
{
    return a->kind == b->kind && a->partition == b->partition && text_equal(a->id, b->id) &&
           text_equal(a->second, b->second);
}

static uint32_t *slot_of(const struct table *table, const struct entity_key *key, uint64_t hash)
{
    size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t place = table->slots[at];
        if (!place)
            return &table->slots[at];
        const struct table_row *row = table->rows[place - 1];
        if (row->hash == hash && same_key(&row->key, key))
            return &table->slots[at];
    }
}

static void grow(struct table *table)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 256;
        table->rows = realloc(table->rows, table->capacity * sizeof(struct table_row *));
        if (!table->rows)
            abort();
    }
    if (2 * (table->count + 1) <= table->slot_count)
        return;
    table->slot_count = table->slot_count ? 2 * table->slot_count : 512;
    free(table->slots);
    table->slots = calloc(table->slot_count, sizeof *table->slots);
    if (!table->slots)
        abort();
    for (size_t i = 0; i < table->count; i++)
        *slot_of(table, &table->rows[i]->key, table->rows[i]->hash) = (uint32_t)i + 1;
}

struct table_row *table_find(const struct table *table, const struct entity_key *key)
{
    if (!table->slot_count)
        return NULL;
    uint32_t place = *slot_of(table, key, hash_of(key));
    return place ? table->rows[place - 1] : NULL;
}

struct table_row *table_row(struct table *table, const struct entity_key *key)
{
    grow(table);
    uint64_t hash = hash_of(key);
    uint32_t *slot = slot_of(table, key, hash);
    if (!*slot) {
        struct table_row *row = sim_alloc(sizeof *row);
        *row = (struct table_row){.key = *key, .entity = {.kind = key->kind}, .hash = hash};
        row->key.id = sim_text(key->id);
        row->key.second = sim_text(key->second);
        table->rows[table->count++] = row;
        *slot = (uint32_t)table->count;
    }
    return table->rows[*slot - 1];
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
    digest = add(digest, (uint64_t)order->total_minor);
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

uint64_t entity_digest(const struct table_row *row, const struct entity *entity)
{
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
