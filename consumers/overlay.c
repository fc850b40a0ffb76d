#include "consumers/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "domain/order.h"
#include "lib/guard/protected.h"
#include "lib/base/ol_hash.h"

/* Most entities are small compared with an order: an entry is as long as its kind needs, followed
 * by the texts of its key (the id, then the second). */
struct entry {
    struct entry *newer, *older; /* neighbours in its queue */
    int64_t base_offset;
    uint64_t batch; /* of its partition: the one of its last event; 0: as it was loaded */
    void *owned;    /* the texts and lines that entity points to, if they aren't in the projection's
                       batch any more */
    uint32_t owned_bytes;
    uint32_t hash;
    int16_t partition;
    bool used;     /* since eviction came by */
    uint8_t queue; /* enum queue_name */
    uint16_t id_bytes, second_bytes;
    struct entity entity; /* only entity_bytes() of it are here */
};

static char *texts_of(struct entry *entry)
{
    return (char *)&entry->entity + entity_bytes(entry->entity.kind);
}

static size_t bytes_of(enum entity_kind kind, size_t id_bytes, size_t second_bytes)
{
    return offsetof(struct entry, entity) + entity_bytes(kind) + id_bytes + second_bytes;
}

/* One transaction of a partition that the projection may not have seen yet. */
struct closed_batch {
    uint64_t number;
    int64_t commands_next, steps_next;
};

/* The closed batches of one partition, oldest first: a ring that grows. */
struct closed_batches {
    struct closed_batch *ring;
    size_t head, count, capacity;
    uint64_t open;      /* number of the batch that events are being applied to */
    uint64_t projected; /* all up to this number are in the projection */
};

/*
 * The index: open addressing, linear probing, a power of two of slots, at most half of them taken.
 * A slot carries the hash, so that a look-up touches one line of slots and the one entry it is
 * about; with chains through the entries, half of a worker's time went into their cache misses.
 */
struct slot {
    struct entry *entry; /* NULL: free */
    uint32_t hash;
};

#define SLOTS_MIN       1024
#define SLOTS_PER_ENTRY 4 /* at most, as far as it is for what is here */

/* Entries in the order of eviction: as they were put, joined, or had their second chance. */
struct queue {
    struct entry *oldest, *newest;
    size_t bytes;
};

/* Products and accounts are asked for again and again, and an open order for each answer to it; of
 * the others each has had its time. */
enum queue_name { LASTING, PASSING, QUEUE_COUNT };

/* What lasting entries may have of the soft limit at most. */
#define LASTING_EIGHTHS 7

struct overlay {
    struct slot *slots;
    size_t slot_count;
    struct queue queues[QUEUE_COUNT];
    struct overlay_limits limits;
    struct overlay_stats stats;
    int32_t partition_count;
    size_t closed; /* batches in all rings: the projection has not reached them yet */
    struct closed_batches partitions[PARTITIONS_MAX];
};

/* A key with its hash. */
struct hashed_key {
    const struct entity_key *key;
    uint32_t hash;
};

static struct hashed_key hashed(const struct entity_key *key)
{
    domain_assert(key->kind > ENTITY_NONE && key->kind < ENTITY_KIND_COUNT);
    domain_assert(key->id.bytes <= ID_BYTES_MAX && key->second.bytes <= ID_BYTES_MAX);

    uint64_t hash = ol_hash_pair(key->id.data, key->id.bytes, key->second.data, key->second.bytes);
    /* The factor is odd: no two pairs of kind and partition add the same, modulo 2^32 either. */
    hash += (uint64_t)(key->kind << 8 | key->partition) * UINT64_C(0x9e3779b97f4a7c15);
    return (struct hashed_key){key, (uint32_t)hash};
}

/* ---- the index ---- */

/* For an entry with the key's hash. */
static bool is_of(struct entry *entry, const struct entity_key *key)
{
    struct text id = {texts_of(entry), entry->id_bytes};
    struct text second = {id.data + entry->id_bytes, entry->second_bytes};
    if (!text_equal(id, key->id) || !text_equal(second, key->second))
        return false;
    /* With the same texts, another kind or partition makes another hash. */
    domain_assert(entry->entity.kind == key->kind && entry->partition == key->partition);
    return true;
}

static struct slot *slot_of(const struct overlay *overlay, const struct hashed_key *key)
{
    size_t mask = overlay->slot_count - 1;
    for (size_t at = key->hash & mask;; at = (at + 1) & mask) {
        struct slot *slot = &overlay->slots[at];
        if (!slot->entry || (slot->hash == key->hash && is_of(slot->entry, key->key)))
            return slot;
    }
}

static struct entry *find(const struct overlay *overlay, const struct hashed_key *key)
{
    return slot_of(overlay, key)->entry;
}

static bool slots_grow(struct overlay *overlay)
{
    size_t count = overlay->slot_count ? 2 * overlay->slot_count : SLOTS_MIN;
    struct slot *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < overlay->slot_count; i++) {
        const struct slot *old = &overlay->slots[i];
        if (!old->entry)
            continue;
        size_t at = old->hash & (count - 1);
        while (slots[at].entry)
            at = (at + 1) & (count - 1);
        slots[at] = *old;
    }
    free(overlay->slots);
    overlay->slots = slots;
    overlay->slot_count = count;
    return true;
}

static bool index_add(struct overlay *overlay, const struct hashed_key *key, struct entry *entry)
{
    if (2 * (overlay->stats.entries + 1) > overlay->slot_count && !slots_grow(overlay))
        return false;
    struct slot *slot = slot_of(overlay, key);
    domain_assert(!slot->entry);
    *slot = (struct slot){entry, key->hash};
    return true;
}

/* Closes the gap: what was probed past the freed slot moves up, so no tombstones are needed. */
static void index_remove(struct overlay *overlay, const struct entry *entry)
{
    size_t mask = overlay->slot_count - 1;
    size_t gap = entry->hash & mask;
    while (overlay->slots[gap].entry != entry)
        gap = (gap + 1) & mask;
    for (size_t at = (gap + 1) & mask; overlay->slots[at].entry; at = (at + 1) & mask) {
        size_t home = overlay->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            overlay->slots[gap] = overlay->slots[at];
            gap = at;
        }
    }
    overlay->slots[gap] = (struct slot){0};
}

/* ---- order of eviction: queues ---- */

static enum queue_name queue_for(const struct entity *entity)
{
    switch (entity->kind) {
    case ENTITY_PRODUCT:
    case ENTITY_ACCOUNT: return LASTING;
    case ENTITY_ORDER: return order_is_open(&entity->order) ? LASTING : PASSING;
    default: return PASSING;
    }
}

static struct queue *queue_of(struct overlay *overlay, const struct entry *entry)
{
    return &overlay->queues[entry->queue];
}

static void queue_append(struct queue *queue, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = queue->newest;
    *(queue->newest ? &queue->newest->newer : &queue->oldest) = entry;
    queue->newest = entry;
}

static void queue_remove(struct queue *queue, struct entry *entry)
{
    *(entry->older ? &entry->older->newer : &queue->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &queue->newest) = entry->older;
}

/* ---- what an entry owns ---- */

/* An entry counts its share of the index. The index itself is not counted: it never shrinks, and
 * bytes that no eviction frees would keep the overlay full for ever. */
static size_t entry_bytes(const struct entry *entry)
{
    return bytes_of(entry->entity.kind, entry->id_bytes, entry->second_bytes) +
           SLOTS_PER_ENTRY * sizeof(struct slot) + entry->owned_bytes;
}

/* The lines of a reservation and their SKUs, in one block: the array, then the texts. */
static bool own_lines(struct entry *entry)
{
    struct reservation *reservation = &entry->entity.reservation;
    if (reservation->line_count == 0 || reservation->lines == entry->owned)
        return true;
    domain_assert(!entry->owned); /* lines are set once */

    size_t bytes = reservation->line_count * sizeof *reservation->lines;
    for (size_t i = 0; i < reservation->line_count; i++)
        bytes += reservation->lines[i].sku.bytes;
    struct stock_line *lines = malloc(bytes);
    if (!lines)
        return false;

    char *texts = (char *)(lines + reservation->line_count);
    for (size_t i = 0; i < reservation->line_count; i++) {
        lines[i] = reservation->lines[i];
        lines[i].sku.data = texts;
        texts = mempcpy(texts, reservation->lines[i].sku.data, lines[i].sku.bytes);
    }
    entry->owned = lines;
    entry->owned_bytes = (uint32_t)bytes;
    reservation->lines = lines;
    return true;
}

static bool own_text(struct entry *entry, struct text *text)
{
    if (text->bytes == 0 || text->data == entry->owned)
        return true;
    domain_assert(!entry->owned); /* an order's customer is set once */

    char *copy = malloc(text->bytes);
    if (!copy)
        return false;
    memcpy(copy, text->data, text->bytes);
    entry->owned = copy;
    entry->owned_bytes = text->bytes;
    text->data = copy;
    return true;
}

/* After a put or an apply the state may point into a batch: the entry gets its own copy of
 * that. */
static bool own(struct entry *entry)
{
    if (entry->entity.kind == ENTITY_ORDER)
        return own_text(entry, &entry->entity.order.customer_id);
    if (entry->entity.kind == ENTITY_RESERVATION)
        return own_lines(entry);
    return true;
}

static void count_bytes(struct overlay *overlay, struct queue *queue, size_t gone, size_t come)
{
    queue->bytes += come - gone;
    overlay->stats.bytes += come - gone;
}

/* An order that ends has had its time; one that is placed stays until then. */
static void queue_change(struct overlay *overlay, struct entry *entry)
{
    enum queue_name name = queue_for(&entry->entity);
    if (name == entry->queue)
        return;
    struct queue *from = queue_of(overlay, entry), *to = &overlay->queues[name];
    queue_remove(from, entry);
    from->bytes -= entry_bytes(entry);
    entry->queue = name;
    queue_append(to, entry);
    to->bytes += entry_bytes(entry);
}

static void remove_oldest(struct overlay *overlay, struct queue *queue)
{
    struct entry *entry = queue->oldest;
    queue_remove(queue, entry);
    index_remove(overlay, entry);
    overlay->stats.entries--;
    count_bytes(overlay, queue, entry_bytes(entry), 0);
    free(entry->owned);
    free(entry);
}

/* ---- exported ---- */

struct overlay *overlay_new(int32_t partition_count, struct overlay_limits limits)
{
    domain_assert(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    domain_assert(limits.bytes <= limits.bytes_max);
    struct overlay *overlay = calloc(1, sizeof *overlay);
    if (!overlay)
        return NULL;
    overlay->limits = limits;
    overlay->partition_count = partition_count;
    if (!slots_grow(overlay)) {
        free(overlay);
        return NULL;
    }
    for (int32_t i = 0; i < partition_count; i++)
        overlay->partitions[i].open = 1;
    return overlay;
}

void overlay_clear(struct overlay *overlay)
{
    for (int i = 0; i < QUEUE_COUNT; i++)
        while (overlay->queues[i].oldest)
            remove_oldest(overlay, &overlay->queues[i]);
    for (int32_t i = 0; i < overlay->partition_count; i++) {
        free(overlay->partitions[i].ring);
        overlay->partitions[i] = (struct closed_batches){.open = 1};
    }
    overlay->closed = 0;
    domain_assert(overlay->stats.entries == 0 && overlay->stats.bytes == 0);
}

void overlay_free(struct overlay *overlay)
{
    if (!overlay)
        return;
    overlay_clear(overlay);
    free(overlay->slots);
    free(overlay);
}

struct entity *overlay_get(struct overlay *overlay, const struct entity_key *key)
{
    const struct hashed_key sought = hashed(key);
    struct entry *entry = find(overlay, &sought);
    if (!entry) {
        overlay->stats.misses++;
        return NULL;
    }
    overlay->stats.hits++;
    entry->used = true;
    return &entry->entity;
}

bool overlay_has(const struct overlay *overlay, const struct entity_key *key)
{
    const struct hashed_key sought = hashed(key);
    return find(overlay, &sought) != NULL;
}

#define AT_ONCE 16 /* keys: enough to overlap their misses, few enough for the first cache */

size_t overlay_missing(const struct overlay *overlay, struct entity_key *keys, size_t count)
{
    struct hashed_key sought[AT_ONCE];
    size_t mask = overlay->slot_count - 1, kept = 0;
    for (size_t first = 0; first < count; first += AT_ONCE) {
        size_t some = count - first < AT_ONCE ? count - first : AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            sought[i] = hashed(&keys[first + i]);
            __builtin_prefetch(&overlay->slots[sought[i].hash & mask]);
        }
        for (size_t i = 0; i < some; i++) {
            const struct entry *entry = overlay->slots[sought[i].hash & mask].entry;
            if (entry)
                __builtin_prefetch(&entry->entity.kind);
        }
        for (size_t i = 0; i < some; i++)
            if (!find(overlay, &sought[i]))
                keys[kept++] = keys[first + i];
    }
    return kept;
}

static struct entity *put_hashed(struct overlay *overlay, const struct hashed_key *key,
                                 const struct entity *state, int64_t base_offset)
{
    const struct text *id = &key->key->id, *second = &key->key->second;
    int32_t partition = key->key->partition;
    domain_assert(partition >= 0 && partition < overlay->partition_count);
    struct entry *entry = malloc(bytes_of(state->kind, id->bytes, second->bytes));
    if (!entry)
        return NULL;
    memset(entry, 0, offsetof(struct entry, entity));
    entry->base_offset = base_offset;
    entry->hash = key->hash;
    entry->partition = (int16_t)partition;
    entry->id_bytes = (uint16_t)id->bytes;
    entry->second_bytes = (uint16_t)second->bytes;
    entity_copy(&entry->entity, state);
    char *texts = mempcpy(texts_of(entry), id->bytes ? id->data : "", id->bytes);
    if (second->bytes)
        memcpy(texts, second->data, second->bytes);
    if (!own(entry) || !index_add(overlay, key, entry)) {
        free(entry->owned);
        free(entry);
        return NULL;
    }
    entry->queue = queue_for(&entry->entity);
    queue_append(queue_of(overlay, entry), entry);
    overlay->stats.entries++;
    count_bytes(overlay, queue_of(overlay, entry), 0, entry_bytes(entry));
    return &entry->entity;
}

struct entity *overlay_put(struct overlay *overlay, const struct entity_key *key,
                           const struct entity *state, int64_t base_offset)
{
    domain_assert(state->kind == key->kind);
    const struct hashed_key sought = hashed(key);
    domain_assert(!find(overlay, &sought));
    return put_hashed(overlay, &sought, state, base_offset);
}

struct entity *overlay_get_or_absent(struct overlay *overlay, const struct entity_key *key)
{
    const struct hashed_key sought = hashed(key);
    struct entry *entry = find(overlay, &sought);
    if (entry) {
        entry->used = true;
        return &entry->entity;
    }
    struct entity absent = {.kind = key->kind};
    return put_hashed(overlay, &sought, &absent, 0);
}

bool overlay_apply(struct overlay *overlay, const struct event_message *event, int32_t partition,
                   int64_t offset)
{
    struct entity_key keys[EVENT_ENTITIES_MAX];
    size_t count = event_entities(event, partition, keys, EVENT_ENTITIES_MAX);
    domain_assert(count <= EVENT_ENTITIES_MAX);

    for (size_t i = 0; i < count; i++) {
        const struct hashed_key sought = hashed(&keys[i]);
        struct entry *entry = find(overlay, &sought);
        domain_assert(entry);
        if (PROTECTED(base_offset) && offset < entry->base_offset)
            continue;
        entity_apply(&entry->entity, &keys[i], event);
        entry->batch = overlay->partitions[partition].open;
        entry->used = true;
        uint32_t before = entry->owned_bytes;
        bool owned = own(entry);
        count_bytes(overlay, queue_of(overlay, entry), before, entry->owned_bytes);
        queue_change(overlay, entry);
        if (!owned)
            return false;
    }
    return true;
}

static bool batches_grow(struct closed_batches *batches)
{
    size_t capacity = batches->capacity ? 2 * batches->capacity : 64;
    struct closed_batch *ring = malloc(capacity * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < batches->count; i++)
        ring[i] = batches->ring[(batches->head + i) % batches->capacity];
    free(batches->ring);
    batches->ring = ring;
    batches->head = 0;
    batches->capacity = capacity;
    return true;
}

bool overlay_batch_close(struct overlay *overlay, int32_t partition, const struct receipt *receipt)
{
    domain_assert(partition >= 0 && partition < overlay->partition_count);
    struct closed_batches *batches = &overlay->partitions[partition];
    if (batches->count == batches->capacity && !batches_grow(batches))
        return false;
    batches->ring[(batches->head + batches->count++) % batches->capacity] = (struct closed_batch){
        .number = batches->open++,
        .commands_next = receipt->commands_next,
        .steps_next = receipt->steps_next,
    };
    overlay->closed++;
    return true;
}

void overlay_projected(struct overlay *overlay, int32_t partition, const struct receipt *receipt)
{
    domain_assert(partition >= 0 && partition < overlay->partition_count);
    struct closed_batches *batches = &overlay->partitions[partition];
    while (receipt && batches->count) {
        const struct closed_batch *oldest = &batches->ring[batches->head];
        if (oldest->commands_next > receipt->commands_next ||
            oldest->steps_next > receipt->steps_next)
            break;
        domain_assert(oldest->number > batches->projected);
        batches->projected = oldest->number;
        batches->head = (batches->head + 1) % batches->capacity;
        batches->count--;
        overlay->closed--;
    }
}

/* Down to the limit, or to what the queue may keep. Each entry is put off once at most: then its
 * mark is gone. So this ends: bytes are only those of entries. */
static void evict_from(struct overlay *overlay, struct queue *queue, size_t kept_bytes)
{
    while (overlay->stats.bytes > overlay->limits.bytes && queue->bytes > kept_bytes) {
        struct entry *entry = queue->oldest;
        if (entry->used) {
            entry->used = false;
            queue_remove(queue, entry);
            queue_append(queue, entry);
            continue;
        }
        if (PROTECTED(settled) && entry->batch > overlay->partitions[entry->partition].projected)
            break;
        remove_oldest(overlay, queue);
        overlay->stats.evictions++;
    }
}

void overlay_evict(struct overlay *overlay)
{
    evict_from(overlay, &overlay->queues[LASTING], overlay->limits.bytes / 8 * LASTING_EIGHTHS);
    evict_from(overlay, &overlay->queues[PASSING], 0);
}

bool overlay_full(const struct overlay *overlay)
{
    return overlay->stats.bytes > overlay->limits.bytes_max && overlay->closed > 0;
}

struct overlay_stats overlay_stats(const struct overlay *overlay)
{
    return overlay->stats;
}
