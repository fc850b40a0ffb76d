#include "test_projection_play.h"

#include "lib/base/ol_hash.h"

const char *play_topic(enum context context)
{
    static struct topic_name topics[CONTEXT_COUNT];
    topics[context] = topic_name("orderlog", context, STREAM_EVENTS);
    return topics[context].text;
}

void play_init(struct play *play, const struct own_database *own, struct history *history,
               enum context context)
{
    *play = (struct play){.history = history, .context = context, .db = own_database_open(own)};
    play->writer = writer_new(play->db, context, play_topic(context));
    row_batch_init(&play->batch, context);
    ol_arena_init(&play->scratch, 1 << 20, 0);
    pg_ok(writer_begin(play->writer, history->settings.partitions, play->progress, reterr));
    for (int32_t i = 0; i < history->settings.partitions; i++) {
        const struct record_list *list = &history->events[context][i];
        while (play->at[i] < list->count &&
               list->records[play->at[i]].offset < play->progress[i].next_offset)
            play->at[i]++;
    }
}

void play_auto(struct play *play)
{
    row_batch_release(&play->batch);
    ol_arena_release(&play->scratch);
    writer_free(play->writer);
    ol_pg_free(play->db);
}

void play_fill(struct play *play, struct rng *rng, size_t count)
{
    int32_t partitions = play->history->settings.partitions;
    const struct record *last[PARTITIONS_MAX] = {0};
    row_batch_clear(&play->batch);
    for (int32_t i = 0; i < partitions; i++)
        row_batch_start(&play->batch, i, &play->progress[i]);
    size_t missed = 0;
    while (play->batch.event_count < count && missed < 64) {
        int32_t partition = (int32_t)rng_below(rng, (uint64_t)partitions);
        const struct record_list *list = &play->history->events[play->context][partition];
        if (play->at[partition] == list->count) {
            missed++;
            continue;
        }
        const struct record *record = &list->records[play->at[partition]++];
        struct event_message event;
        ol_arena_clear(&play->scratch);
        pg_ok(codec_decode_event(play->context, record->value, &play->scratch, &event, reterr));
        pg_ok(row_batch_apply(&play->batch, &event, partition, record->offset, reterr));
        last[partition] = record;
    }
    for (int32_t i = 0; i < partitions; i++)
        if (last[i])
            play->batch.partitions[i].now.last_digest = ol_hash_record(
                last[i]->key.data, last[i]->key.size, last[i]->value.data, last[i]->value.size);
    row_batch_seal(&play->batch);
}

enum ol_class play_write(struct play *play, uint64_t *ret_lost, struct ol_error *reterr)
{
    enum ol_class class = writer_write(play->writer, &play->batch, ret_lost, reterr);
    if (class)
        return class;
    for (int32_t i = 0; i < play->history->settings.partitions; i++)
        play->progress[i] = play->batch.partitions[i].now;
    return OL_OK;
}

bool play_step(struct play *play, struct rng *rng, size_t batch_max)
{
    uint64_t lost;
    play_fill(play, rng, 1 + rng_below(rng, batch_max));
    if (play->batch.event_count == 0)
        return false;
    pg_ok(play_write(play, &lost, reterr));
    return true;
}

void play_all(const struct own_database *own, struct history *history, struct rng *rng,
              size_t batch_max)
{
    for (enum context context = 0; context < CONTEXT_COUNT; context++) {
        OL_AUTO(play) struct play play;
        play_init(&play, own, history, context);
        while (play_step(&play, rng, batch_max))
            ;
    }
}

struct history *play_history(uint64_t seed, int64_t orders)
{
    return history_new(&(struct history_settings){.seed = seed,
                                                  .partitions = 3,
                                                  .orders = orders,
                                                  .customers = 12,
                                                  .products = 60,
                                                  .lines_max = 6,
                                                  .stock = 80,
                                                  .funds = 200000,
                                                  .odd_percent = 35,
                                                  .batch_max = 20});
}

/* ---- compared with the workers ---- */

void play_same_order(const struct order *row, const struct order *state)
{
    cr_assert_eq(row->version, state->version);
    cr_assert_eq(row->status, state->status);
    cr_assert_eq(row->saga_state, state->saga_state);
    cr_assert_eq(row->payment, state->payment);
    cr_assert_eq(row->groups_asked, state->groups_asked);
    cr_assert_eq(row->groups_reserved, state->groups_reserved);
    cr_assert_eq(row->groups_refused, state->groups_refused);
    cr_assert_eq(row->groups_released, state->groups_released);
    cr_assert_eq(row->total_minor, state->total_minor);
    cr_assert_eq(row->deadline_us, state->deadline_us);
    cr_assert_str_eq(row->currency.code, state->currency.code);
    cr_assert(text_equal(row->customer_id, state->customer_id));
}

static void same_reservation(const struct reservation *row, const struct reservation *state)
{
    cr_assert_eq(row->status, state->status);
    cr_assert_eq(row->line_count, state->line_count);
    for (size_t i = 0; i < row->line_count; i++) {
        cr_assert(text_equal(row->lines[i].sku, state->lines[i].sku));
        cr_assert_eq(row->lines[i].quantity, state->lines[i].quantity);
        cr_assert_eq(row->lines[i].version, state->lines[i].version);
    }
}

static void same_entity(const struct entity *row, const struct entity *state)
{
    cr_assert_eq(row->kind, state->kind);
    switch (row->kind) {
    case ENTITY_ORDER: play_same_order(&row->order, &state->order); break;
    case ENTITY_RESERVATION: same_reservation(&row->reservation, &state->reservation); break;
    case ENTITY_PRODUCT:
        cr_assert_eq(row->product.version, state->product.version);
        cr_assert_eq(row->product.listed, state->product.listed);
        cr_assert_str_eq(row->product.currency.code, state->product.currency.code);
        cr_assert_eq(row->product.on_hand, state->product.on_hand);
        cr_assert_eq(row->product.reserved, state->product.reserved);
        cr_assert_eq(row->product.details_hash, state->product.details_hash);
        break;
    case ENTITY_ACCOUNT:
        cr_assert_eq(row->account.version, state->account.version);
        cr_assert_str_eq(row->account.currency.code, state->account.currency.code);
        cr_assert_eq(row->account.balance_minor, state->account.balance_minor);
        cr_assert_eq(row->account.held_minor, state->account.held_minor);
        break;
    case ENTITY_PAYMENT:
        cr_assert_eq(row->payment.status, state->payment.status);
        cr_assert_eq(row->payment.amount_minor, state->payment.amount_minor);
        cr_assert_eq(row->payment.refunded_minor, state->payment.refunded_minor);
        break;
    case ENTITY_COMMAND:
        cr_assert_eq(row->command.outcome, state->command.outcome);
        cr_assert_eq(row->command.code, state->command.code);
        cr_assert_eq(row->command.body_digest, state->command.body_digest);
        break;
    default: cr_assert_fail("an entity of kind %d", row->kind);
    }
}

/* What one event is about, loaded and compared with the workers' last states. Some keys come several
 * times in one load: that must not matter. */
struct comparison {
    struct history *history;
    enum context context;
    struct load *load;
    struct ol_arena arena;
    struct entity_key keys[4096];
    size_t count, compared;
};

static void compare(struct comparison *comparison)
{
    static struct entity entities[4096];
    struct load_progress progress[PARTITIONS_MAX];
    struct ol_arena *arena = &comparison->arena;
    pg_ok(load_send(comparison->load, comparison->keys, comparison->count, reterr));
    pg_ok(load_receive(comparison->load, 10000, arena, entities, progress, reterr));
    for (size_t i = 0; i < comparison->count; i++) {
        const struct entity *state =
            history_state(comparison->history, comparison->context, &comparison->keys[i]);
        cr_assert_not_null(state, "%.*s", (int)comparison->keys[i].id.bytes,
                           comparison->keys[i].id.data);
        same_entity(&entities[i], state);
    }
    comparison->compared += comparison->count;
    comparison->count = 0;
    ol_arena_clear(arena);
}

size_t play_compare(const struct own_database *own, struct history *history, enum context context)
{
    static struct comparison comparison;
    OL_AUTO(ol_pg) struct ol_pg *db = own_database_open(own);
    int32_t partitions = history->settings.partitions;
    comparison = (struct comparison){.history = history, .context = context};
    comparison.load = load_new(db, context, play_topic(context), partitions);
    ol_arena_init(&comparison.arena, 1 << 20, 0);
    for (int32_t partition = 0; partition < partitions; partition++) {
        const struct record_list *list = &history->events[context][partition];
        for (size_t i = 0; i < list->count; i++) {
            struct event_message event;
            struct entity_key *keys = comparison.keys + comparison.count;
            pg_ok(codec_decode_event(context, list->records[i].value, &comparison.arena, &event,
                                     reterr));
            comparison.count += event_entities(&event, partition, keys, EVENT_ENTITIES_MAX);
            if (comparison.count + EVENT_ENTITIES_MAX > 4096)
                compare(&comparison);
        }
    }
    compare(&comparison);
    load_free(comparison.load);
    ol_arena_release(&comparison.arena);
    return comparison.compared;
}

/* ---- all rows ---- */

void play_digest(struct ol_pg *db, char ret_digest[1024])
{
    size_t used = 0;
#define TABLE(context, table, ...)                                                                 \
    used += (size_t)snprintf(ret_digest + used, 1024 - used, #table " %s\n",                       \
                             pg_value(db, "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) " \
                                          "FROM orderlog." #table " t"));
#define COLUMN(...)
#define END(table)
#include "projections/tables.def"
    snprintf(ret_digest + used, 1024 - used, "progress %s\n",
             pg_value(db, "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) "
                          "FROM orderlog.projection_progress t"));
}

void play_forget(struct ol_pg *db)
{
    pg_script(db, "TRUNCATE orderlog.projection_progress, "
#define TABLE(context, table, ...) "orderlog." #table ", "
#define COLUMN(...)
#define END(table)
#include "projections/tables.def"
                  "orderlog.installation");
}
