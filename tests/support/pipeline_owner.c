#include "tests/support/pipeline_owner.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "proto/codec.h"
#include "tests/support/pipeline_message.h"

#define RUN_MAX      64 /* of one inbox at a time, as in the shell */
#define TIMEOUTS_MAX 500

static bool chance(struct owner *owner, unsigned percent)
{
    return rng_chance(owner->rng, percent);
}

/* What can't fail here but by a fault of ours or for want of memory. */
static void must(bool good, const char *what)
{
    if (!good)
        domain_assert_failed(what, __FILE__, __LINE__);
}

/* In the domain's place: orders on all rows of the saga. */
enum payment_row order_payment_row(struct text order_id)
{
    return partition_hash(order_id) >> 8 & 1 ? PAYMENT_ROW_CHARGE : PAYMENT_ROW_AUTHORISE;
}

/* ---- life ---- */

struct batch_topics owner_topics(enum context context)
{
    struct batch_topics topics = {
        .commands = broker_topic(context, STREAM_COMMANDS),
        .events = broker_topic(context, STREAM_EVENTS),
        .dead_letters = broker_topic(context, STREAM_DEAD_LETTERS),
        .input_names = {broker_topic_name(context, STREAM_COMMANDS),
                        broker_topic_name(context, STREAM_STEPS)},
    };
    for (int i = 0; i < CONTEXT_COUNT; i++)
        topics.steps[i] = broker_topic((enum context)i, STREAM_STEPS);
    return topics;
}

void owner_init(struct owner *owner, const struct owner_settings *settings, struct broker *broker,
                struct projection *projection, struct rng *rng)
{
    *owner = (struct owner){.settings = *settings,
                            .broker = broker,
                            .projection = projection,
                            .rng = rng,
                            .topics = owner_topics(settings->context)};
    const struct core_settings core = {.context = settings->context,
                                       .partitions = broker->partitions,
                                       .order_deadline_us = settings->order_deadline_us,
                                       .overlay = settings->overlay};
    const struct batch_limits limits = {settings->batch_inputs, 1 << 20};
    owner->core = core_new(&core);
    must(owner->core, "memory for a core");
    for (int i = 0; i < 2; i++)
        must(batch_init(&owner->batches[i], settings->context, limits, &owner->topics),
             "memory for a batch");
    owner->building = &owner->batches[0];
}

void owner_release(struct owner *owner)
{
    for (int i = 0; i < 2; i++)
        batch_release(&owner->batches[i]);
    core_free(owner->core);
}

void owner_assign(struct owner *owner, uint64_t partitions)
{
    owner->assigned = partitions;
}

/* All state goes; nothing of the old life survives. */
static void forget(struct owner *owner)
{
    owner->counts.evictions += overlay_stats(core_overlay(owner->core)).evictions;
    core_clear(owner->core);
    batch_clear(&owner->batches[0]);
    batch_clear(&owner->batches[1]);
    owner->building = &owner->batches[0];
    owner->committing = NULL;
    owner->running = false;
    owner->owned = 0;
    owner->inbox_count = owner->next_inbox = 0;
}

/* ---- loading.c ---- */

static bool finish_commit(struct owner *owner);

/* What another process did before a load looks. */
static void let_projection_move(struct owner *owner)
{
    if (rng_below(owner->rng, 1000) < owner->settings.projection_losses)
        projection_lose(owner->projection, owner->rng);
    if (!chance(owner, owner->settings.projection_moves))
        return;
    int32_t partition = (int32_t)rng_below(owner->rng, (uint64_t)owner->broker->partitions);
    projection_advance(owner->projection, partition, rng_below(owner->rng, 20));
}

/* Is the projection at events that we don't know of? They may be of our own batch, if its commit is
 * under way: then that comes first. Otherwise the partition has another owner, and its rows don't
 * fit what we hold: an owner that was asleep decides on, and is fenced only at its commit. */
static bool is_outrun(struct owner *owner, int32_t partition)
{
    int64_t projected = owner->projection->progress[partition].next_offset;
    if (projected > owner->events_end[partition] && owner->committing && !finish_commit(owner))
        return true;
    return projected > owner->events_end[partition];
}

/* False: it went back, so that the rows we built on are gone, or it has outrun us. */
static bool note_progress(struct owner *owner)
{
    for (int32_t i = 0; i < owner->broker->partitions; i++) {
        const struct load_progress *progress = &owner->projection->progress[i];
        if (!(owner->owned >> i & 1))
            continue;
        bool went_back = progress->next_offset < owner->projected[i];
        owner->counts.went_back += went_back;
        if (went_back)
            return false;
        if (is_outrun(owner, i)) {
            owner->counts.outrun++;
            return false;
        }
        owner->projected[i] = progress->next_offset;
        overlay_projected(core_overlay(owner->core), i,
                          progress->has_receipt ? &progress->receipt : NULL);
    }
    return true;
}

static bool load(struct owner *owner, const struct entity_key *keys, size_t count,
                 struct ol_arena *arena)
{
    let_projection_move(owner);
    if (!note_progress(owner))
        return false;
    struct entity *states = ol_arena_alloc(arena, (count + 1) * sizeof *states);
    must(states, "memory for a load");
    projection_load(owner->projection, keys, count, arena, states);
    for (size_t i = 0; i < count; i++)
        must(core_put(owner->core, &keys[i], &states[i],
                      owner->projection->progress[keys[i].partition].next_offset),
             "memory for a state");
    return true;
}

/* ---- takeover.c ---- */

static const struct broker_partition *events_of(const struct owner *owner, int32_t partition)
{
    return broker_partition(owner->broker, owner->settings.context, STREAM_EVENTS, partition);
}

static void begin_partitions(struct owner *owner)
{
    for (int32_t i = 0; i < owner->broker->partitions; i++) {
        if (!(owner->owned >> i & 1))
            continue;
        const struct load_progress *progress = &owner->projection->progress[i];
        core_partition_begin(owner->core, i, progress->has_receipt ? &progress->receipt : NULL);
    }
}

/* A snapshot of its own: it must not be of before the one that the replay begins at. */
static bool begin_deadlines(struct owner *owner)
{
    const struct projection *projection = owner->projection;
    if (owner->settings.context != CONTEXT_ORDERS)
        return true;
    let_projection_move(owner);
    if (!note_progress(owner))
        return false;
    for (size_t i = 0; i < projection->count; i++) {
        const struct entity_key *key = &projection->states[i].key;
        const struct entity *state = &projection->states[i].state;
        if (key->kind == ENTITY_ORDER && owner->owned >> key->partition & 1 &&
            order_is_open(&state->order))
            must(core_deadline(owner->core, key->partition, key->id, state->order.deadline_us),
                 "memory for a deadline");
    }
    return true;
}

#define CHUNK_MAX 40

/* One chunk of a partition's events: decode, load what it names, fold. */
static bool replay_chunk(struct owner *owner, int32_t partition, int64_t *position, int64_t end)
{
    const struct broker_partition *log = events_of(owner, partition);
    struct ol_arena *arena = &owner->building->arena;
    struct event_message events[CHUNK_MAX];
    int64_t offsets[CHUNK_MAX];
    struct entity_key *keys = NULL;
    size_t count = 0, key_count = 0, capacity = 0, most = 1 + rng_below(owner->rng, CHUNK_MAX);
    struct ol_error error;
    ol_arena_clear(arena);
    for (; count < most; *position = offsets[count++] + 1) {
        int64_t offset = broker_next(log, *position, end);
        if (offset == end) {
            *position = end;
            break;
        }
        struct bytes wire = {log->slots[offset].value, log->slots[offset].value_bytes};
        offsets[count] = offset;
        if (codec_decode_event(owner->settings.context, wire, arena, &events[count], &error))
            must(false, error.text);
        must(core_missing_for_event(owner->core, &events[count], partition, arena, &keys,
                                    &key_count, &capacity),
             "memory for keys");
    }
    key_count = core_keys_unique(keys, key_count);
    if (key_count && !load(owner, keys, key_count, arena))
        return false;
    for (size_t i = 0; i < count; i++)
        if (core_replay(owner->core, &events[i], partition, offsets[i], &error))
            must(false, error.text);
    return true;
}

/* The states ahead of the projection must fit; if they don't, it has to catch up first. */
static bool wait_for_room(struct owner *owner)
{
    struct overlay *overlay = core_overlay(owner->core);
    for (;;) {
        overlay_evict(overlay);
        if (!overlay_full(overlay))
            return true;
        owner->counts.full++;
        for (int32_t i = 0; i < owner->broker->partitions; i++)
            projection_advance(owner->projection, i, 1 + rng_below(owner->rng, 20));
        if (!load(owner, NULL, 0, &owner->building->arena))
            return false;
    }
}

static bool replay(struct owner *owner, int32_t partition, int64_t from)
{
    int64_t end =
        (int64_t)broker_partition(owner->broker, owner->settings.context, STREAM_EVENTS, partition)
            ->count;
    for (int64_t position = from; position < end;)
        if (!replay_chunk(owner, partition, &position, end) || !wait_for_room(owner))
            return false;
    return true;
}

/* Receipts and committed offsets are two accounts of the same. */
static void check_receipt(struct owner *owner, int32_t partition)
{
    const struct receipt *receipt = core_receipt(owner->core, partition);
    const int64_t *committed = owner->broker->committed[owner->settings.context][partition];
    if (receipt->commands_next < 0) {
        domain_assert(committed[0] < 0 && committed[1] < 0);
        core_partition_bootstrap(owner->core, partition, 0, 0);
        return;
    }
    domain_assert(receipt->commands_next == committed[0]);
    domain_assert(receipt->steps_next == committed[1]);
}

static void start_reading(struct owner *owner)
{
    for (int source = CAUSE_COMMANDS; source <= CAUSE_STEPS; source++)
        for (int32_t i = 0; i < owner->broker->partitions; i++) {
            if (!(owner->owned >> i & 1))
                continue;
            const struct receipt *receipt = core_receipt(owner->core, i);
            int64_t next = source == CAUSE_COMMANDS ? receipt->commands_next : receipt->steps_next;
            owner->inboxes[owner->inbox_count++] =
                (struct owner_inbox){(enum cause_source)source, i, next, next};
        }
}

static bool take_over(struct owner *owner)
{
    forget(owner);
    owner->counts.takeovers++;
    owner->generation = owner->broker->generation[owner->settings.context];
    owner->owned = owner->assigned;
    memset(owner->projected, 0, sizeof owner->projected);
    for (int32_t i = 0; i < owner->broker->partitions; i++)
        owner->events_end[i] = (int64_t)events_of(owner, i)->count;
    if (!load(owner, NULL, 0, &owner->building->arena))
        return false;
    begin_partitions(owner);
    int64_t from[PARTITIONS_MAX];
    memcpy(from, owner->projected, sizeof from);
    if (!begin_deadlines(owner))
        return false;
    for (int32_t i = 0; i < owner->broker->partitions; i++)
        if (owner->owned >> i & 1 && !replay(owner, i, from[i]))
            return false;
    for (int32_t i = 0; i < owner->broker->partitions; i++)
        if (owner->owned >> i & 1)
            check_receipt(owner, i);
    start_reading(owner);
    ol_arena_clear(&owner->building->arena);
    owner->running = true;
    return true;
}

/* ---- loop.c: taking inputs ---- */

static const struct broker_partition *inbox_log(const struct owner *owner,
                                                const struct owner_inbox *inbox)
{
    return broker_partition(owner->broker, owner->settings.context,
                            inbox->source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS,
                            inbox->partition);
}

/* The offset of its oldest message; -1: none has arrived. */
static int64_t inbox_head(const struct owner *owner, const struct owner_inbox *inbox)
{
    int64_t offset = broker_next(inbox_log(owner, inbox), inbox->position, inbox->fetched);
    return offset < inbox->fetched ? offset : -1;
}

/* Some more arrives. */
static void fetch(struct owner *owner)
{
    for (size_t i = 0; i < owner->inbox_count; i++) {
        struct owner_inbox *inbox = &owner->inboxes[i];
        int64_t end = (int64_t)inbox_log(owner, inbox)->count;
        if (chance(owner, 30))
            continue;
        inbox->fetched += (int64_t)rng_below(owner->rng, 60);
        if (inbox->fetched > end || chance(owner, 50))
            inbox->fetched = end;
    }
}

struct ol_message owner_message(const struct broker *broker, enum context context,
                                enum cause_source source, int32_t partition, int64_t offset)
{
    enum stream stream = source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS;
    const struct broker_slot *slot =
        &broker_partition(broker, context, stream, partition)->slots[offset];
    const struct ol_message source_message = {.topic = broker_topic_name(context, stream),
                                              .partition = partition,
                                              .offset = offset,
                                              .timestamp_ms = slot->at_ms,
                                              .key = slot->key,
                                              .value = slot->value,
                                              .key_bytes = slot->key_bytes,
                                              .value_bytes = slot->value_bytes};
    return pipeline_message(&source_message, slot->headers, slot->header_count);
}

/* From one inbox, until there are `max` inputs more. False: the batch has no more room. */
static bool take_from(struct owner *owner, struct owner_inbox *inbox, size_t max)
{
    size_t before = owner->building->count;
    while (owner->building->count - before < max) {
        if (batch_full(owner->building))
            return false;
        int64_t offset = inbox_head(owner, inbox);
        if (offset < 0)
            return true;
        struct ol_message message = owner_message(owner->broker, owner->settings.context,
                                                  inbox->source, inbox->partition, offset);
        must(batch_take(owner->building, &message, inbox->source, owner->broker->partitions),
             "room for a message");
        inbox->position = offset + 1;
    }
    return true;
}

static bool take_in_turns(struct owner *owner, enum cause_source source)
{
    for (bool taken = true; taken;) {
        taken = false;
        for (size_t i = 0; i < owner->inbox_count; i++) {
            struct owner_inbox *inbox =
                &owner->inboxes[(owner->next_inbox + i) % owner->inbox_count];
            if (inbox->source != source || inbox_head(owner, inbox) < 0)
                continue;
            if (!take_from(owner, inbox, RUN_MAX)) {
                owner->next_inbox += i + 1;
                return false;
            }
            taken = true;
        }
    }
    return true;
}

/* The inbox whose oldest message is the oldest of all, by the broker's time. */
static struct owner_inbox *oldest_inbox(struct owner *owner)
{
    struct owner_inbox *oldest = NULL;
    int64_t oldest_ms = INT64_MAX;
    for (size_t i = 0; i < owner->inbox_count; i++) {
        struct owner_inbox *inbox = &owner->inboxes[i];
        int64_t offset = inbox_head(owner, inbox);
        if (offset < 0)
            continue;
        int64_t at_ms = inbox_log(owner, inbox)->slots[offset].at_ms;
        if (at_ms < oldest_ms) {
            oldest_ms = at_ms;
            oldest = inbox;
        }
    }
    return oldest;
}

static void take_inputs(struct owner *owner)
{
    if (owner->settings.context == CONTEXT_ORDERS) {
        if (take_in_turns(owner, CAUSE_STEPS))
            take_in_turns(owner, CAUSE_COMMANDS);
        return;
    }
    for (struct owner_inbox *inbox; (inbox = oldest_inbox(owner));)
        if (!take_from(owner, inbox, 1))
            return;
}

/* ---- loop.c: deciding ---- */

static bool decide(struct owner *owner)
{
    struct batch *batch = owner->building;
    struct entity_key *keys;
    size_t count;
    for (;;) {
        must(core_missing(owner->core, batch->inputs + batch->decided,
                          batch->count - batch->decided, &batch->arena, &keys, &count),
             "memory for keys");
        if (!count)
            break;
        if (!load(owner, keys, count, &batch->arena))
            return false;
    }
    const struct core_sink sink = batch_sink(batch);
    for (; batch->decided < batch->count; batch->decided++) {
        const struct core_input *input = &batch->inputs[batch->decided];
        must(core_run(owner->core, input, &batch->arena, &sink), "memory for a batch");
    }
    return true;
}

/* Partitions whose steps are all taken. */
static uint64_t caught_up(const struct owner *owner)
{
    uint64_t partitions = 0;
    for (size_t i = 0; i < owner->inbox_count; i++) {
        const struct owner_inbox *inbox = &owner->inboxes[i];
        int64_t end = (int64_t)inbox_log(owner, inbox)->count;
        if (inbox->source == CAUSE_STEPS && inbox->fetched == end && inbox_head(owner, inbox) < 0)
            partitions |= UINT64_C(1) << inbox->partition;
    }
    return partitions;
}

static void propose_timeouts(struct owner *owner)
{
    struct batch *batch = owner->building;
    const struct core_sink sink = batch_sink(batch);
    size_t proposed;
    if (owner->settings.context != CONTEXT_ORDERS)
        return;
    must(core_propose_timeouts(owner->core, owner->broker->now_us + owner->settings.clock_skew_us,
                               caught_up(owner), TIMEOUTS_MAX, &batch->arena, &sink, &proposed),
         "memory for timeouts");
    owner->counts.timeouts += proposed;
}

/* False: the projection went back. */
static bool make_room(struct owner *owner, bool *ret_full)
{
    struct overlay *overlay = core_overlay(owner->core);
    overlay_evict(overlay);
    bool good = true;
    if (overlay_stats(overlay).bytes > owner->settings.overlay.bytes) {
        good = load(owner, NULL, 0, &owner->building->arena);
        overlay_evict(overlay);
    }
    *ret_full = overlay_full(overlay);
    owner->counts.full += *ret_full;
    return good;
}

static bool fill(struct owner *owner)
{
    bool full;
    if (!make_room(owner, &full))
        return false;
    if (full || batch_full(owner->building))
        return true;
    fetch(owner);
    take_inputs(owner);
    if (!decide(owner))
        return false;
    propose_timeouts(owner);
    return true;
}

/* ---- loop.c: committing ---- */

static void start_commit(struct owner *owner)
{
    struct batch *batch = owner->building;
    const struct core_sink sink = batch_sink(batch);
    must(core_answer(owner->core, &sink) &&
             core_close(owner->core, &sink, batch->offsets, &batch->offset_count, &batch->total) &&
             batch_close(batch),
         "memory for receipts");
    owner->committing = batch;
    owner->building = batch == &owner->batches[0] ? &owner->batches[1] : &owner->batches[0];
    owner->building->limits.inputs = 1 + rng_below(owner->rng, owner->settings.batch_inputs);
}

static struct broker_transaction transaction_of(const struct owner *owner)
{
    const struct batch *batch = owner->committing;
    return (struct broker_transaction){.context = owner->settings.context,
                                       .generation = owner->generation,
                                       .records = batch->records,
                                       .record_count = batch->record_count,
                                       .offsets = batch->offsets,
                                       .offset_count = batch->offset_count,
                                       .inputs = batch->inputs,
                                       .input_count = batch->decided};
}

/* Its events, and a marker: nobody else may write there. */
static void note_events_end(struct owner *owner, const struct batch *batch)
{
    uint64_t marked = 0;
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct ol_record *record = &batch->records[i];
        if (record->topic != owner->topics.events)
            continue;
        owner->events_end[record->partition] += 1 + !(marked >> record->partition & 1);
        marked |= UINT64_C(1) << record->partition;
    }
}

/* False: fenced. */
static bool finish_commit(struct owner *owner)
{
    const struct broker_transaction transaction = transaction_of(owner);
    if (!broker_commit(owner->broker, &transaction)) {
        owner->counts.fenced++;
        return false;
    }
    note_events_end(owner, owner->committing);
    owner->counts.batches++;
    owner->counts.inputs += owner->committing->decided;
    batch_clear(owner->committing);
    owner->committing = NULL;
    return true;
}

static bool has_news(const struct owner *owner)
{
    return owner->generation != owner->broker->generation[owner->settings.context];
}

/* Fills, and starts or finishes a commit, by chance. False: from scratch. */
static bool fill_and_commit(struct owner *owner)
{
    if (!fill(owner))
        return false;
    if (owner->committing)
        return chance(owner, 40) || finish_commit(owner);
    if (!batch_empty(owner->building) && !chance(owner, 20))
        start_commit(owner);
    return true;
}

bool owner_move(struct owner *owner)
{
    if (!owner->running && !owner->assigned)
        return false;
    if (!owner->running) {
        if (!take_over(owner))
            forget(owner);
        return true;
    }
    /* The group's news come late to some, who are fenced then. */
    if (has_news(owner) && chance(owner, 30)) {
        if (owner->committing)
            finish_commit(owner);
        forget(owner);
        return true;
    }
    if (owner_is_idle(owner) && !has_news(owner) && !chance(owner, 20))
        return false;
    if (!fill_and_commit(owner))
        forget(owner);
    return true;
}

void owner_crash(struct owner *owner, enum owner_crash how)
{
    if (owner->committing && how == CRASH_COMMITTED) {
        finish_commit(owner);
    } else if (owner->committing && how == CRASH_ABORTED) {
        const struct broker_transaction transaction = transaction_of(owner);
        broker_abort(owner->broker, &transaction,
                     rng_below(owner->rng, transaction.record_count + 1));
    }
    forget(owner);
}

bool owner_is_between_batches(const struct owner *owner)
{
    return owner->running && !has_news(owner) && !owner->committing &&
           owner->building->count == 0 && batch_empty(owner->building);
}

bool owner_is_idle(const struct owner *owner)
{
    if (!owner_is_between_batches(owner))
        return false;
    for (size_t i = 0; i < owner->inbox_count; i++) {
        const struct owner_inbox *inbox = &owner->inboxes[i];
        int64_t end = (int64_t)inbox_log(owner, inbox)->count;
        if (broker_next(inbox_log(owner, inbox), inbox->position, end) < end)
            return false;
    }
    return true;
}
