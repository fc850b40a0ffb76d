#include "tests/support/pipeline_projection.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "proto/codec.h"

#define SLOTS_MIN 1024

void projection_init(struct projection *projection, const struct broker *broker,
                     enum context context)
{
    *projection = (struct projection){.broker = broker, .context = context};
    ol_arena_init(&projection->arena, 1 << 18, 0);
    ol_arena_init(&projection->scratch, 1 << 16, 0);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        projection->progress[i] =
            (struct load_progress){.last_offset = -1, .last_recorded_us = TIME_NONE};
}

void projection_release(struct projection *projection)
{
    ol_arena_release(&projection->arena);
    ol_arena_release(&projection->scratch);
    free(projection->states);
    free(projection->slots);
}

/* ---- the states ---- */

static uint64_t hash_of(const struct entity_key *key)
{
    uint64_t hash = ol_hash(key->id.data, key->id.bytes) * 31 + (uint64_t)key->kind;
    hash = hash * 31 + (uint64_t)key->partition;
    return key->second.bytes ? hash * 31 + ol_hash(key->second.data, key->second.bytes) : hash;
}

static bool same_key(const struct entity_key *a, const struct entity_key *b)
{
    return a->kind == b->kind && a->partition == b->partition && text_equal(a->id, b->id) &&
           text_equal(a->second, b->second);
}

/* Where the key is, or would be. */
static uint32_t *slot_of(const struct projection *projection, const struct entity_key *key,
                         uint64_t hash)
{
    size_t mask = projection->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t place = projection->slots[at];
        if (!place)
            return &projection->slots[at];
        const struct projected *state = &projection->states[place - 1];
        if (state->hash == hash && same_key(&state->key, key))
            return &projection->slots[at];
    }
}

static void grow(struct projection *projection)
{
    if (projection->count == projection->capacity) {
        projection->capacity = projection->capacity ? 2 * projection->capacity : SLOTS_MIN / 2;
        projection->states =
            realloc(projection->states, projection->capacity * sizeof *projection->states);
        domain_assert(projection->states);
    }
    if (2 * (projection->count + 1) <= projection->slot_count)
        return;
    projection->slot_count = projection->slot_count ? 2 * projection->slot_count : SLOTS_MIN;
    free(projection->slots);
    projection->slots = calloc(projection->slot_count, sizeof *projection->slots);
    domain_assert(projection->slots);
    for (size_t i = 0; i < projection->count; i++)
        *slot_of(projection, &projection->states[i].key, projection->states[i].hash) =
            (uint32_t)i + 1;
}

static struct text keep(struct ol_arena *arena, struct text text)
{
    if (text.bytes)
        text.data = ol_arena_copy(arena, text.data, text.bytes);
    domain_assert(!text.bytes || text.data);
    return text;
}

static const struct stock_line *keep_lines(struct ol_arena *arena, const struct stock_line *lines,
                                           size_t count)
{
    struct stock_line *copy = ol_arena_alloc(arena, (count + 1) * sizeof *copy);
    domain_assert(copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = lines[i];
        copy[i].sku = keep(arena, lines[i].sku);
    }
    return copy;
}

/* What a state points to becomes the arena's. */
static void own(struct ol_arena *arena, struct entity *state)
{
    if (state->kind == ENTITY_ORDER)
        state->order.customer_id = keep(arena, state->order.customer_id);
    else if (state->kind == ENTITY_RESERVATION && state->reservation.line_count)
        state->reservation.lines =
            keep_lines(arena, state->reservation.lines, state->reservation.line_count);
}

static struct entity *find_or_add(struct projection *projection, const struct entity_key *key)
{
    grow(projection);
    uint64_t hash = hash_of(key);
    uint32_t *slot = slot_of(projection, key, hash);
    if (!*slot) {
        struct projected *added = &projection->states[projection->count];
        *added = (struct projected){.key = *key, .state = {.kind = key->kind}, .hash = hash};
        added->key.id = keep(&projection->arena, key->id);
        added->key.second = keep(&projection->arena, key->second);
        *slot = (uint32_t)++projection->count;
    }
    return &projection->states[*slot - 1].state;
}

const struct entity *projection_find(const struct projection *projection,
                                     const struct entity_key *key)
{
    if (!projection->slot_count)
        return NULL;
    uint32_t place = *slot_of(projection, key, hash_of(key));
    return place ? &projection->states[place - 1].state : NULL;
}

/* ---- folding ---- */

static bool points_anew(const struct entity *before, const struct entity *after)
{
    if (after->kind == ENTITY_ORDER)
        return before->order.customer_id.data != after->order.customer_id.data;
    return after->kind == ENTITY_RESERVATION &&
           before->reservation.lines != after->reservation.lines;
}

static void fold(struct projection *projection, int32_t partition,
                 const struct event_message *event)
{
    struct entity_key keys[EVENT_ENTITIES_MAX];
    size_t count = event_entities(event, partition, keys, EVENT_ENTITIES_MAX);
    domain_assert(count <= EVENT_ENTITIES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct entity *state = find_or_add(projection, &keys[i]);
        struct entity before = *state;
        entity_apply(state, &keys[i], event);
        if (points_anew(&before, state))
            own(&projection->arena, state);
    }
    if (event->body == EVENT_BODY_RECEIPT) {
        projection->progress[partition].has_receipt = true;
        projection->progress[partition].receipt = event->receipt;
    }
}

static void fold_record(struct projection *projection, int32_t partition,
                        const struct broker_slot *slot)
{
    struct event_message event;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    ol_arena_clear(&projection->scratch);
    enum ol_class class =
        codec_decode_event(projection->context, wire, &projection->scratch, &event, &error);
    if (class)
        domain_assert_failed(error.text, __FILE__, __LINE__);
    fold(projection, partition, &event);
    projection->events++;
}

size_t projection_advance(struct projection *projection, int32_t partition, size_t records)
{
    const struct broker_partition *log =
        broker_partition(projection->broker, projection->context, STREAM_EVENTS, partition);
    struct load_progress *progress = &projection->progress[partition];
    int64_t end = (int64_t)log->count;
    size_t folded = 0;
    for (; folded < records; folded++) {
        int64_t offset = broker_next(log, progress->next_offset, end);
        if (offset == end)
            break;
        fold_record(projection, partition, &log->slots[offset]);
        progress->last_offset = offset;
        progress->next_offset = offset + 1;
    }
    return folded;
}

void projection_catch_up(struct projection *projection)
{
    for (int32_t i = 0; i < projection->broker->partitions; i++)
        projection_advance(projection, i, SIZE_MAX);
}

void projection_lose(struct projection *projection, struct rng *rng)
{
    const struct broker *broker = projection->broker;
    enum context context = projection->context;
    int64_t to[PARTITIONS_MAX];
    for (int32_t i = 0; i < broker->partitions; i++) {
        to[i] = projection->progress[i].next_offset;
        if (rng_chance(rng, 50))
            to[i] = (int64_t)rng_below(rng, (uint64_t)to[i] + 1);
    }
    projection_release(projection);
    projection_init(projection, broker, context);
    for (int32_t i = 0; i < broker->partitions; i++)
        while (projection->progress[i].next_offset < to[i] && projection_advance(projection, i, 1))
            ;
}

/* ---- loading ---- */

void projection_load(const struct projection *projection, const struct entity_key *keys,
                     size_t count, struct ol_arena *arena, struct entity *ret_states)
{
    for (size_t i = 0; i < count; i++) {
        const struct entity *found = projection_find(projection, &keys[i]);
        ret_states[i] = (struct entity){.kind = keys[i].kind};
        if (!found)
            continue;
        ret_states[i] = *found;
        own(arena, &ret_states[i]);
    }
}

static bool same_order(const struct order *a, const struct order *b)
{
    return a->version == b->version && a->status == b->status && a->saga_state == b->saga_state &&
           a->payment == b->payment && a->payment_row == b->payment_row &&
           a->groups_asked == b->groups_asked && a->groups_reserved == b->groups_reserved &&
           a->groups_refused == b->groups_refused && a->groups_released == b->groups_released &&
           a->total_minor == b->total_minor && a->deadline_us == b->deadline_us &&
           memcmp(&a->currency, &b->currency, sizeof a->currency) == 0 &&
           text_equal(a->customer_id, b->customer_id);
}

static bool same_product(const struct product *a, const struct product *b)
{
    return a->version == b->version && a->listed == b->listed &&
           memcmp(&a->currency, &b->currency, sizeof a->currency) == 0 &&
           a->on_hand == b->on_hand && a->reserved == b->reserved &&
           a->details_hash == b->details_hash;
}

static bool same_reservation(const struct reservation *a, const struct reservation *b)
{
    if (a->status != b->status || a->line_count != b->line_count)
        return false;
    for (size_t i = 0; i < a->line_count; i++)
        if (!text_equal(a->lines[i].sku, b->lines[i].sku) ||
            a->lines[i].quantity != b->lines[i].quantity ||
            a->lines[i].version != b->lines[i].version)
            return false;
    return true;
}

static bool same_account(const struct account *a, const struct account *b)
{
    return a->version == b->version &&
           memcmp(&a->currency, &b->currency, sizeof a->currency) == 0 &&
           a->balance_minor == b->balance_minor && a->held_minor == b->held_minor &&
           a->spent_minor == b->spent_minor;
}

bool projection_same(const struct entity *a, const struct entity *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ENTITY_ORDER: return same_order(&a->order, &b->order);
    case ENTITY_PRODUCT: return same_product(&a->product, &b->product);
    case ENTITY_RESERVATION: return same_reservation(&a->reservation, &b->reservation);
    case ENTITY_ACCOUNT: return same_account(&a->account, &b->account);
    case ENTITY_PAYMENT:
        return a->payment.status == b->payment.status &&
               a->payment.amount_minor == b->payment.amount_minor &&
               a->payment.refunded_minor == b->payment.refunded_minor;
    case ENTITY_COMMAND:
        return a->command.outcome == b->command.outcome && a->command.code == b->command.code &&
               a->command.body_digest == b->command.body_digest;
    case ENTITY_NONE:
    case ENTITY_KIND_COUNT: break;
    }
    domain_assert(!"a state has a kind");
    return false;
}
