#include "producers/product_history.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "domain/partition.h"
#include "domain/product.h"
#include "domain/topic.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_id.h"
#include "lib/program/ol_run.h"
#include "proto/codec.h"

#define ARENA_BLOCK_BYTES  (64 * 1024)
#define ARENA_BUDGET_BYTES (16 * 1024 * 1024)
#define MESSAGES_MAX       512
#define POLL_MS            100
#define ID_ROOM            (OL_ID_MAX_BYTES + 64)

enum asked { ASKED_DETAILS, ASKED_COUNT, ASKED_KINDS };
static const char *const prefixes[ASKED_KINDS] = {"details", "count"};

/* What import asked last; number 0: nothing yet. ended: the product left the list since. */
struct use {
    uint64_t digest, number;
    bool ended;
};

struct known {
    bool listed;
    uint64_t details_digest;
    int64_t on_hand;
    struct use uses[ASKED_KINDS];
    uint32_t sku_bytes;
    char sku[];
};

struct product_history {
    void *tree;                    /* of struct known, by SKU */
    int64_t taken[PARTITIONS_MAX]; /* commands before it have their outcome; OL_BEGINNING: none */
};

struct product_history *product_history_new(void)
{
    struct product_history *history = calloc(1, sizeof *history);
    for (int i = 0; history && i < PARTITIONS_MAX; i++)
        history->taken[i] = OL_BEGINNING;
    return history;
}

void product_history_free(struct product_history *history)
{
    if (!history)
        return;
    tdestroy(history->tree, free);
    free(history);
}

static int by_sku(const void *left, const void *right)
{
    const struct known *a = left, *b = right;
    int order = memcmp(a->sku, b->sku, a->sku_bytes < b->sku_bytes ? a->sku_bytes : b->sku_bytes);
    return order ? order : (a->sku_bytes > b->sku_bytes) - (a->sku_bytes < b->sku_bytes);
}

static struct known *known_new(struct text sku)
{
    struct known *known = calloc(1, sizeof *known + sku.bytes);
    if (known && sku.bytes)
        memcpy(known->sku, sku.data, sku.bytes);
    if (known)
        known->sku_bytes = sku.bytes;
    return known;
}

/* The product's node, made if there is none. NULL: no memory. */
static struct known *known_of(struct product_history *history, struct text sku)
{
    struct known *known = known_new(sku);
    struct known **place = known ? tsearch(known, &history->tree, by_sku) : NULL;
    if (!place || *place != known)
        free(known);
    return place ? *place : NULL;
}

/* NULL: not known, or (*ret_memory false) no memory to look. */
static const struct known *find(const struct product_history *history, struct text sku,
                                bool *ret_memory)
{
    struct known *wanted = known_new(sku);
    *ret_memory = wanted != NULL;
    struct known **place = wanted ? tfind(wanted, &history->tree, by_sku) : NULL;
    free(wanted);
    return place ? *place : NULL;
}

/* ---- ids ---- */

/* "details/<sku>/0123456789abcdef/12", or as many bytes as it would have. */
static size_t format_id(enum asked asked, const struct known *known, struct use use,
                        char ret_id[ID_ROOM])
{
    int bytes = snprintf(ret_id, ID_ROOM, "%s/%.*s/%016" PRIx64 "/%" PRIu64, prefixes[asked],
                         (int)known->sku_bytes, known->sku, use.digest, use.number);
    return bytes < 0 ? ID_ROOM : (size_t)bytes;
}

/* The use that an id of ours tells of. */
static bool parse_id(enum asked asked, const struct known *known, struct text id,
                     struct use *ret_use)
{
    char text[OL_ID_MAX_BYTES + 1], again[ID_ROOM];
    size_t before = strlen(prefixes[asked]) + 1 + known->sku_bytes + 1;
    if (id.bytes <= before + 17 || id.bytes > OL_ID_MAX_BYTES)
        return false;
    memcpy(text, id.data, id.bytes);
    text[id.bytes] = '\0';
    struct use use = {.digest = strtoull(text + before, NULL, 16),
                      .number = strtoull(text + before + 17, NULL, 10)};
    /* Only what we would write ourselves is ours. */
    if (format_id(asked, known, use, again) != id.bytes || memcmp(again, text, id.bytes) != 0)
        return false;
    *ret_use = use;
    return true;
}

static void note_use(struct known *known, struct text command_id)
{
    struct use use;
    for (int asked = 0; asked < ASKED_KINDS; asked++)
        if (parse_id((enum asked)asked, known, command_id, &use) &&
            use.number >= known->uses[asked].number)
            known->uses[asked] = use;
}

/* ---- what is there ---- */

static void fold(struct known *known, const struct inventory_event *event)
{
    switch (event->kind) {
    case PRODUCT_ADDED:
    case PRODUCT_MODIFIED:
        known->listed = true;
        known->details_digest = product_details_hash(&event->details);
        break;
    case PRODUCT_DELETED:
        known->listed = false;
        for (int asked = 0; asked < ASKED_KINDS; asked++)
            known->uses[asked].ended = true;
        break;
    case STOCK_INCREASED: known->on_hand += event->quantity; break;
    case STOCK_DECREASED: known->on_hand -= event->quantity; break;
    default: break;
    }
}

bool product_history_event(struct product_history *history, const struct event_message *event)
{
    bool domain = event->body == EVENT_BODY_DOMAIN;
    struct text sku = {0};
    if (event->cause_source == CAUSE_COMMANDS && domain)
        sku = event->inventory.sku;
    else if (event->body == EVENT_BODY_REJECTED)
        sku = event->rejected.aggregate_id;
    if (sku.bytes == 0)
        return true; /* a receipt, a repeat, or what an order did */
    struct known *known = known_of(history, sku);
    if (!known)
        return false;
    note_use(known, event->metadata.command_id);
    if (domain)
        fold(known, &event->inventory);
    return true;
}

bool product_history_command(struct product_history *history, const struct command *command)
{
    const struct inventory_command *asked = &command->inventory;
    struct known *known = known_of(history, asked->sku);
    if (!known)
        return false;
    note_use(known, command->metadata.command_id);
    struct inventory_event event = {.details = asked->details, .quantity = asked->quantity};
    switch (asked->kind) {
    case PRODUCT_ADD: event.kind = PRODUCT_ADDED; break;
    case PRODUCT_MODIFY: event.kind = PRODUCT_MODIFIED; break;
    case PRODUCT_DELETE: event.kind = PRODUCT_DELETED; break;
    case STOCK_INCREASE: event.kind = STOCK_INCREASED; break;
    case STOCK_DECREASE: event.kind = STOCK_DECREASED; break;
    case STOCK_COUNT: known->on_hand = asked->quantity; break;
    case INVENTORY_COMMAND_NONE:
    case INVENTORY_COMMAND_KIND_COUNT: break;
    }
    fold(known, &event);
    return true;
}

/* ---- a row ---- */

static enum ol_class set_id(struct command *command, enum asked asked, const struct known *known,
                            uint64_t digest, struct ol_arena *arena, struct ol_error *reterr)
{
    char id[ID_ROOM];
    struct use use = known->uses[asked];
    use.number += use.number == 0 || use.digest != digest || use.ended;
    use.digest = digest;
    size_t bytes = format_id(asked, known, use, id);
    if (bytes > OL_ID_MAX_BYTES)
        return ol_fail(reterr, OL_POISON,
                       "the SKU is too long for a change: its command's id would have %zu bytes, "
                       "and %d are the most",
                       bytes, OL_ID_MAX_BYTES);
    const char *copy = ol_arena_copy(arena, id, bytes);
    if (!copy)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    command->metadata.command_id = (struct text){copy, (uint32_t)bytes};
    return OL_OK;
}

enum ol_class product_history_rewrite(const struct product_history *history,
                                      struct command *commands, size_t *count,
                                      struct ol_arena *arena, struct ol_error *reterr)
{
    domain_assert(*count >= 1 && commands[0].inventory.kind == PRODUCT_ADD);
    domain_assert(*count == 1 || commands[1].inventory.kind == STOCK_INCREASE);
    struct command add = commands[0];
    int64_t stock = *count > 1 ? commands[1].inventory.quantity : 0;
    bool memory;
    const struct known *known = find(history, add.inventory.sku, &memory);
    if (!memory)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    if (!known)
        return OL_OK;

    enum ol_class class = OL_OK;
    uint64_t details = product_details_hash(&add.inventory.details);
    *count = 0;
    if (!known->listed || details != known->details_digest) {
        struct command *described = &commands[(*count)++];
        *described = add;
        described->inventory.kind = known->listed ? PRODUCT_MODIFY : PRODUCT_ADD;
        class = set_id(described, ASKED_DETAILS, known, details, arena, reterr);
    }
    if (!class && stock != known->on_hand) {
        struct command *counted = &commands[(*count)++];
        *counted = add;
        counted->inventory = (struct inventory_command){.kind = STOCK_COUNT,
                                                        .sku = add.inventory.sku,
                                                        .quantity = stock,
                                                        .reason = TEXT("import")};
        class = set_id(counted, ASKED_COUNT, known, (uint64_t)stock, arena, reterr);
    }
    return class;
}

/* ---- reading ---- */

static enum ol_class take_event(struct product_history *history, struct bytes wire,
                                int32_t partition, struct ol_arena *arena, struct ol_error *reterr)
{
    struct event_message event;
    enum ol_class class = codec_decode_event(CONTEXT_INVENTORY, wire, arena, &event, reterr);
    if (class)
        return class;
    if (event.body == EVENT_BODY_RECEIPT && event.receipt.commands_next > history->taken[partition])
        history->taken[partition] = event.receipt.commands_next;
    return product_history_event(history, &event) ? OL_OK
                                                  : ol_fail(reterr, OL_FATAL, "out of memory");
}

/* What can't be read will be a dead letter, and what lies elsewhere is passed on: both are no
 * change of a product yet. */
static enum ol_class take_command(struct product_history *history, struct bytes wire,
                                  struct ol_arena *arena, struct ol_error *reterr)
{
    struct command command;
    struct ol_error unreadable;
    enum ol_class class =
        codec_decode_command(CONTEXT_INVENTORY, wire, arena, &command, &unreadable);
    if (class == OL_POISON || (!class && command.refused.code != ACCEPTED))
        return OL_OK;
    if (class || !product_history_command(history, &command))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    return OL_OK;
}

static enum ol_class take(struct product_history *history, enum stream stream,
                          const struct ol_message *message, struct ol_arena *arena,
                          struct ol_error *reterr)
{
    struct bytes wire = {message->value, message->value_bytes};
    ol_arena_clear(arena);
    if (stream == STREAM_EVENTS)
        return take_event(history, wire, message->partition, arena, reterr);
    return take_command(history, wire, arena, reterr);
}

/* One topic, from the positions to the ends that it has by then. */
static enum ol_class read_topic(struct product_history *history, struct ol_reader *reader,
                                enum stream stream, const char *prefix, int32_t partitions,
                                int timeout_ms, struct ol_arena *arena, struct ol_error *reterr)
{
    struct topic_name topic = topic_name(prefix, CONTEXT_INVENTORY, stream);
    struct ol_offset positions[PARTITIONS_MAX];
    for (int32_t p = 0; p < partitions; p++)
        positions[p] = (struct ol_offset){
            topic.text, p, stream == STREAM_EVENTS ? OL_BEGINNING : history->taken[p]};
    enum ol_class class = ol_reader_assign(reader, positions, (size_t)partitions, reterr);
    int64_t moved_us = ol_clock_monotonic_us();
    while (!class && !ol_reader_at_end(reader)) {
        struct ol_message messages[MESSAGES_MAX];
        size_t count = 0;
        if (ol_run_stopping())
            return ol_fail(reterr, OL_FATAL, "interrupted");
        class = ol_reader_poll(reader, POLL_MS, messages, MESSAGES_MAX, &count, reterr);
        for (size_t i = 0; i < count && !class; i++)
            class = take(history, stream, &messages[i], arena, reterr);
        ol_messages_release(messages, count);
        if (count)
            moved_us = ol_clock_monotonic_us();
        else if (!class && ol_clock_monotonic_us() - moved_us > (int64_t)timeout_ms * 1000)
            class = ol_fail(reterr, OL_UNREACHABLE, "Kafka gives nothing of %s", topic.text);
    }
    return class ? ol_fail_in(reterr, "%s", topic.text) : OL_OK;
}

enum ol_class product_history_read(struct product_history *history,
                                   const struct ol_kafka_settings *kafka, const char *prefix,
                                   int32_t partitions, int timeout_ms, struct ol_error *reterr)
{
    struct ol_reader *reader = NULL;
    struct ol_arena arena;
    enum ol_class class =
        ol_reader_open(kafka, OL_READ_COMMITTED, (size_t)partitions + 1, &reader, reterr);
    if (class)
        return class;
    ol_arena_init(&arena, ARENA_BLOCK_BYTES, ARENA_BUDGET_BYTES);
    class =
        read_topic(history, reader, STREAM_EVENTS, prefix, partitions, timeout_ms, &arena, reterr);
    if (!class)
        class = read_topic(history, reader, STREAM_COMMANDS, prefix, partitions, timeout_ms, &arena,
                           reterr);
    ol_arena_release(&arena);
    ol_reader_close(reader);
    return class;
}
