#include "projections/load.h"

#include <stdlib.h>

#include "lib/base/ol_hash.h"
#include "lib/base/ol_index.h"
#include "projections/load_statements.h"
#include "projections/progress.h"

/*
 * One round trip:  begin | settings | progress | aggregates | commands | claims | commit
 *
 * Statements without keys are left out: see load_statements.h.
 */

struct load {
    struct ol_pg *db;
    enum context context;
    const char *topic;
    int32_t partition_count;

    /* What send() asked for. */
    bool under_way;
    const struct entity_key *keys;
    size_t key_count;
    struct {
        struct ol_pg_array ids, seconds, partitions;
        size_t count;
    } asked[LOAD_QUERY_COUNT];
    size_t capacity;            /* of all that follow */
    uint32_t *indexes;          /* of each key: its row of LOAD_AGGREGATES, or LOAD_CLAIMS */
    uint32_t *commands;         /* of each COMMAND key: its row of LOAD_COMMANDS */
    int32_t *found;             /* of each asked row: the result's row, -1 none; query by query */
    struct text *ids;           /* of each aggregate index */
    struct ol_index aggregates; /* by id: the place in ids */
};

/* ---- making and freeing ---- */

static bool load_grow(struct load *load, size_t count);
static enum ol_class queue_head(struct load *load, struct ol_error *reterr);
static enum ol_class queue_keys(struct load *load, struct ol_error *reterr);
static void sort_out_keys(struct load *load);
static bool read_entities(struct load *load, struct ol_pg_rows *rows, struct ol_arena *arena,
                          struct entity *ret_entities);

struct load *load_new(struct ol_pg *db, enum context context, const char *topic,
                      int32_t partition_count)
{
    assert(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    struct load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    *load = (struct load){
        .db = db, .context = context, .topic = topic, .partition_count = partition_count};
    for (size_t query = 0; query < LOAD_QUERY_COUNT; query++) {
        ol_pg_array_init(&load->asked[query].ids, OL_PG_TEXT_ARRAY);
        ol_pg_array_init(&load->asked[query].seconds, OL_PG_TEXT_ARRAY);
        ol_pg_array_init(&load->asked[query].partitions, OL_PG_INT2_ARRAY);
    }
    return load;
}

void load_free(struct load *load)
{
    if (!load)
        return;
    for (size_t query = 0; query < LOAD_QUERY_COUNT; query++) {
        ol_pg_array_release(&load->asked[query].ids);
        ol_pg_array_release(&load->asked[query].seconds);
        ol_pg_array_release(&load->asked[query].partitions);
    }
    free(load->indexes);
    free(load->commands);
    free(load->found);
    free(load->ids);
    ol_index_release(&load->aggregates);
    free(load);
}

/* ---- sending ---- */

enum ol_class load_send(struct load *load, const struct entity_key *keys, size_t count,
                        struct ol_error *reterr)
{
    assert(!load->under_way);
    if (!load_grow(load, count))
        return ol_fail(reterr, OL_FATAL, "load: no memory for %zu keys", count);
    load->keys = keys;
    load->key_count = count;
    sort_out_keys(load);

    enum ol_class class = queue_head(load, reterr);
    if (!class)
        class = queue_keys(load, reterr);
    if (!class)
        class = ol_pg_queue(load->db, &ol_pg_stmt_commit, NULL, reterr);
    if (!class)
        class = ol_pg_send(load->db, reterr);
    load->under_way = class == OL_OK;
    return class;
}

static bool load_grow(struct load *load, size_t count)
{
    if (count <= load->capacity && load->capacity)
        return true;
    size_t capacity = 256;
    while (capacity < count)
        capacity *= 2;
    free(load->indexes);
    free(load->commands);
    free(load->found);
    free(load->ids);
    load->indexes = calloc(capacity, sizeof *load->indexes);
    load->commands = calloc(capacity, sizeof *load->commands);
    load->found = calloc(LOAD_QUERY_COUNT * capacity, sizeof *load->found);
    load->ids = calloc(capacity, sizeof *load->ids);
    bool ok = load->indexes && load->commands && load->found && load->ids &&
              ol_index_reserve(&load->aggregates, capacity);
    load->capacity = ok ? capacity : 0;
    return ok;
}

/* The index of an aggregate's id among those that are asked for; asks for it if it is new. */
static uint32_t aggregate_index(struct load *load, struct text id)
{
    uint64_t hash = ol_hash(id.data, id.bytes);
    for (struct ol_index_walk walk = ol_index_walk(&load->aggregates, hash); ol_index_next(&walk);)
        if (text_equal(load->ids[walk.number], id))
            return walk.number;
    uint32_t index = (uint32_t)load->asked[LOAD_AGGREGATES].count++;
    ol_pg_array_text(&load->asked[LOAD_AGGREGATES].ids, id.data, id.bytes);
    load->ids[index] = id;
    bool put = ol_index_put(&load->aggregates, hash, index);
    assert(put); /* load_grow() has made the room */
    return index;
}

static void sort_out_keys(struct load *load)
{
    for (size_t query = 0; query < LOAD_QUERY_COUNT; query++) {
        load->asked[query].count = 0;
        ol_pg_array_clear(&load->asked[query].ids);
        ol_pg_array_clear(&load->asked[query].seconds);
        ol_pg_array_clear(&load->asked[query].partitions);
    }
    ol_index_clear(&load->aggregates);

    for (size_t i = 0; i < load->key_count; i++) {
        const struct entity_key *key = &load->keys[i];
        if (key->kind != ENTITY_RESERVATION && key->kind != ENTITY_PAYMENT) {
            load->indexes[i] = aggregate_index(load, key->id);
            if (key->kind != ENTITY_COMMAND)
                continue;
            load->commands[i] = (uint32_t)load->asked[LOAD_COMMANDS].count++;
            ol_pg_array_text(&load->asked[LOAD_COMMANDS].ids, key->id.data, key->id.bytes);
            ol_pg_array_text(&load->asked[LOAD_COMMANDS].seconds, key->second.data,
                             key->second.bytes);
            continue;
        }
        load->indexes[i] = (uint32_t)load->asked[LOAD_CLAIMS].count++;
        ol_pg_array_text(&load->asked[LOAD_CLAIMS].ids, key->id.data, key->id.bytes);
        if (key->kind == ENTITY_RESERVATION)
            ol_pg_array_int16(&load->asked[LOAD_CLAIMS].partitions, (int16_t)key->partition);
        else
            ol_pg_array_text(&load->asked[LOAD_CLAIMS].seconds, key->second.data,
                             key->second.bytes);
    }
}

static enum ol_class queue_head(struct load *load, struct ol_error *reterr)
{
    enum ol_class class = ol_pg_queue(load->db, &ol_pg_stmt_begin_snapshot, NULL, reterr);
    if (!class)
        class = ol_pg_queue(load->db, &load_settings, NULL, reterr);
    if (!class)
        class = progress_queue(load->db, load->topic, reterr);
    return class;
}

static enum ol_class queue_keys(struct load *load, struct ol_error *reterr)
{
    for (size_t query = 0; query < LOAD_QUERY_COUNT; query++) {
        if (load->asked[query].count == 0)
            continue;
        const struct ol_pg_statement *statement =
            load_statement(load->context, (enum load_query)query);
        assert(statement); /* orders have no claims */
        struct ol_pg_params params = {0};
        ol_pg_param_array(&params, &load->asked[query].ids);
        if (load->asked[query].seconds.count)
            ol_pg_param_array(&params, &load->asked[query].seconds);
        if (load->asked[query].partitions.count)
            ol_pg_param_array(&params, &load->asked[query].partitions);
        enum ol_class class = ol_pg_queue(load->db, statement, &params, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

/* ---- receiving ---- */

/* A transaction that failed half way is ended, so that the connection is good for the next load. */
static enum ol_class receive_rows(struct load *load, int timeout_ms, struct ol_pg_rows *rows,
                                  size_t count, struct ol_error *reterr)
{
    enum ol_class class = ol_pg_receive(load->db, rows, count, timeout_ms, reterr);
    if (class && ol_pg_usable(load->db))
        (void)ol_pg_rollback(load->db, NULL);
    return class;
}

#define HEAD_COUNT 3 /* begin, settings, progress */
#define ROWS_MAX   (HEAD_COUNT + LOAD_QUERY_COUNT + 1)

static void release_rows(struct ol_pg_rows *rows)
{
    for (size_t i = 0; i < ROWS_MAX; i++)
        ol_pg_rows_release(&rows[i]);
}

enum ol_class load_receive(struct load *load, int timeout_ms, struct ol_arena *arena,
                           struct entity *ret_entities, struct load_progress *ret_progress,
                           struct ol_error *reterr)
{
    assert(load->under_way);
    load->under_way = false;
    struct ol_pg_rows rows[ROWS_MAX] = {0};
    size_t count = ol_pg_queued(load->db);
    assert(count <= ROWS_MAX);
    enum ol_class class = receive_rows(load, timeout_ms, rows, count, reterr);
    if (class)
        return class;
    class = progress_read(&rows[HEAD_COUNT - 1], ret_progress, load->partition_count, reterr);
    if (!class && !read_entities(load, rows + HEAD_COUNT, arena, ret_entities))
        class = ol_fail(reterr, OL_RETRY, "load: the arena's budget is spent");
    release_rows(rows);
    return class;
}

static struct text copy_text(struct ol_arena *arena, struct ol_pg_text text, bool *ok)
{
    char *copy = ol_arena_copy(arena, text.data, text.bytes);
    *ok = *ok && copy;
    return (struct text){copy, (uint32_t)text.bytes};
}

static struct text text_of_pg(struct ol_pg_text text)
{
    return (struct text){text.data, (uint32_t)text.bytes};
}

static bool read_order(const struct ol_pg_rows *rows, int row, struct ol_arena *arena,
                       struct order *ret_order)
{
    bool ok = true;
    ret_order->version = ol_pg_int64(rows, row, orders_version_loaded);
    ret_order->status =
        order_status_by_name(text_of_pg(ol_pg_text(rows, row, orders_status_loaded)));
    ret_order->saga_state =
        saga_state_by_name(text_of_pg(ol_pg_text(rows, row, orders_saga_state_loaded)));
    ret_order->payment = (enum order_payment)ol_pg_int16(rows, row, orders_payment_loaded);
    ret_order->payment_row = (enum payment_row)ol_pg_int16(rows, row, orders_payment_row_loaded);
    ret_order->groups_asked = (uint64_t)ol_pg_int64(rows, row, orders_groups_asked_loaded);
    ret_order->groups_reserved = (uint64_t)ol_pg_int64(rows, row, orders_groups_reserved_loaded);
    ret_order->groups_refused = (uint64_t)ol_pg_int64(rows, row, orders_groups_refused_loaded);
    ret_order->groups_released = (uint64_t)ol_pg_int64(rows, row, orders_groups_released_loaded);
    ret_order->total_minor = ol_pg_int64(rows, row, orders_total_minor_loaded);
    ret_order->deadline_us = ol_pg_us(rows, row, orders_deadline_loaded);
    ret_order->currency = currency_of(text_of_pg(ol_pg_text(rows, row, orders_currency_loaded)));
    ret_order->customer_id =
        copy_text(arena, ol_pg_text(rows, row, orders_customer_id_loaded), &ok);
    return ok;
}

static void read_product(const struct ol_pg_rows *rows, int row, struct product *ret_product)
{
    ret_product->version = ol_pg_int64(rows, row, stock_version_loaded);
    ret_product->listed = ol_pg_bool(rows, row, products_listed_loaded);
    ret_product->currency =
        currency_of(text_of_pg(ol_pg_text(rows, row, products_currency_loaded)));
    ret_product->on_hand = ol_pg_int64(rows, row, stock_on_hand_loaded);
    ret_product->reserved = ol_pg_int64(rows, row, stock_reserved_loaded);
    ret_product->details_hash = (uint64_t)ol_pg_int64(rows, row, products_details_hash_loaded);
}

static void read_account(const struct ol_pg_rows *rows, int row, struct account *ret_account)
{
    ret_account->version = ol_pg_int64(rows, row, accounts_version_loaded);
    ret_account->currency =
        currency_of(text_of_pg(ol_pg_text(rows, row, accounts_currency_loaded)));
    ret_account->balance_minor = ol_pg_int64(rows, row, accounts_balance_minor_loaded);
    ret_account->held_minor = ol_pg_int64(rows, row, accounts_held_minor_loaded);
    ret_account->spent_minor = ol_pg_int64(rows, row, accounts_spent_minor_loaded);
}

static void read_payment(const struct ol_pg_rows *rows, int row, struct payment *ret_payment)
{
    ret_payment->status =
        payment_status_by_name(text_of_pg(ol_pg_text(rows, row, payments_status_loaded)));
    ret_payment->amount_minor = ol_pg_int64(rows, row, payments_amount_minor_loaded);
    ret_payment->refunded_minor = ol_pg_int64(rows, row, payments_refunded_minor_loaded);
}

static bool read_reservation(const struct ol_pg_rows *rows, int row, struct ol_arena *arena,
                             struct reservation *ret_reservation)
{
    bool ok = true;
    ret_reservation->status =
        reservation_status_by_name(text_of_pg(ol_pg_text(rows, row, reservations_status_loaded)));
    struct ol_pg_elements skus = ol_pg_elements(rows, row, reservations_skus_loaded);
    struct ol_pg_elements quantities = ol_pg_elements(rows, row, reservations_quantities_loaded);
    struct ol_pg_elements versions = ol_pg_elements(rows, row, reservations_versions_loaded);
    size_t count = (size_t)skus.left;
    struct stock_line *lines = ol_arena_zalloc(arena, count * sizeof *lines);
    if (!lines)
        return false;
    struct ol_pg_text sku;
    for (size_t i = 0; i < count && ok && ol_pg_next_text(&skus, &sku); i++) {
        lines[i].sku = copy_text(arena, sku, &ok);
        (void)ol_pg_next_int64(&quantities, &lines[i].quantity);
        (void)ol_pg_next_int64(&versions, &lines[i].version);
    }
    ret_reservation->lines = lines;
    ret_reservation->line_count = count;
    return ok;
}

/* The aggregate's own first command, else what the table of commands says. */
static void read_command(const struct ol_pg_rows *aggregates, int aggregate,
                         const struct ol_pg_rows *commands, int command,
                         const struct entity_key *key, struct command_record *ret_command)
{
    if (aggregate >= 0 &&
        text_equal(text_of_pg(ol_pg_text(aggregates, aggregate, LOAD_COMMAND_ID)), key->second)) {
        ret_command->outcome = OUTCOME_ACCEPTED;
        ret_command->body_digest =
            (uint64_t)ol_pg_int64(aggregates, aggregate, LOAD_COMMAND_DIGEST);
    } else if (command >= 0) {
        ret_command->outcome = command_outcome_by_name(
            text_of_pg(ol_pg_text(commands, command, order_commands_outcome_loaded)));
        ret_command->code =
            refusal_by_name(text_of_pg(ol_pg_text(commands, command, order_commands_code_loaded)));
        ret_command->body_digest =
            (uint64_t)ol_pg_int64(commands, command, order_commands_body_digest_loaded);
    }
}

static bool read_entities(struct load *load, struct ol_pg_rows *rows, struct ol_arena *arena,
                          struct entity *ret_entities)
{
    const struct ol_pg_rows *results[LOAD_QUERY_COUNT] = {0};
    int32_t *found[LOAD_QUERY_COUNT];
    for (size_t query = 0; query < LOAD_QUERY_COUNT; query++) {
        found[query] = load->found + query * load->capacity;
        if (load->asked[query].count == 0)
            continue;
        memset(found[query], 0xff, load->asked[query].count * sizeof **found);
        results[query] = rows++;
        for (int row = 0; row < results[query]->count; row++)
            found[query][ol_pg_int64(results[query], row, LOAD_ORDINAL) - 1] = row;
    }

    for (size_t i = 0; i < load->key_count; i++) {
        const struct entity_key *key = &load->keys[i];
        struct entity *entity = &ret_entities[i];
        memset(entity, 0, sizeof *entity);
        entity->kind = key->kind;
        bool is_part = key->kind == ENTITY_RESERVATION || key->kind == ENTITY_PAYMENT;
        enum load_query query = is_part ? LOAD_CLAIMS : LOAD_AGGREGATES;
        int row = found[query][load->indexes[i]];
        if (key->kind == ENTITY_COMMAND) {
            read_command(results[LOAD_AGGREGATES], row, results[LOAD_COMMANDS],
                         found[LOAD_COMMANDS][load->commands[i]], key, &entity->command);
            continue;
        }
        if (row < 0)
            continue;
        bool ok = true;
        switch (key->kind) {
        case ENTITY_ORDER: ok = read_order(results[query], row, arena, &entity->order); break;
        case ENTITY_PRODUCT: read_product(results[query], row, &entity->product); break;
        case ENTITY_RESERVATION:
            ok = read_reservation(results[query], row, arena, &entity->reservation);
            break;
        case ENTITY_ACCOUNT: read_account(results[query], row, &entity->account); break;
        case ENTITY_PAYMENT: read_payment(results[query], row, &entity->payment); break;
        case ENTITY_COMMAND:
        case ENTITY_NONE:
        case ENTITY_KIND_COUNT: assert(!"a key has a kind");
        }
        if (!ok)
            return false;
    }
    return true;
}

/* ---- deadlines ---- */

enum ol_class load_deadlines(struct load *load, int32_t partition, struct ol_arena *arena,
                             struct load_deadline **ret_deadlines, size_t *ret_count,
                             struct load_progress *ret_progress, struct ol_error *reterr)
{
    assert(!load->under_way && load->context == CONTEXT_ORDERS);
    struct ol_pg_params params = {0};
    ol_pg_param_int16(&params, (int16_t)partition);
    enum ol_class class = queue_head(load, reterr);
    if (!class)
        class = ol_pg_queue(load->db, &load_deadline_statement, &params, reterr);
    if (!class)
        class = ol_pg_queue(load->db, &ol_pg_stmt_commit, NULL, reterr);
    struct ol_pg_rows rows[ROWS_MAX] = {0};
    if (!class)
        class = receive_rows(load, 0, rows, ol_pg_queued(load->db), reterr);
    if (!class)
        class = progress_read(&rows[HEAD_COUNT - 1], ret_progress, load->partition_count, reterr);
    if (class) {
        release_rows(rows);
        return class;
    }

    const struct ol_pg_rows *found = &rows[HEAD_COUNT];
    size_t count = (size_t)found->count;
    struct load_deadline *list = ol_arena_zalloc(arena, count * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        list[i].order_id = copy_text(arena, ol_pg_text(found, (int)i, 0), &ok);
        list[i].deadline_us = ol_pg_us(found, (int)i, 1);
    }
    release_rows(rows);
    if (!ok)
        return ol_fail(reterr, OL_RETRY, "load/deadlines: the arena's budget is spent");
    *ret_deadlines = list;
    *ret_count = count;
    return OL_OK;
}

static const struct ol_pg_statement gap_read = {
    .name = "load/gap",
    .sql = "SELECT EXISTS (SELECT FROM orderlog.acknowledged_gaps"
           " WHERE topic = $1 COLLATE \"C\" AND partition = $2 AND from_offset = $3"
           " AND to_offset >= $4) AS acknowledged",
    .columns = (const struct ol_pg_column[]){{"acknowledged", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}},
};

enum ol_class load_gap(struct load *load, const char *topic, int32_t partition, int64_t from,
                       int64_t to, bool *ret_acknowledged, struct ol_error *reterr)
{
    assert(!load->under_way);
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, topic, strlen(topic));
    ol_pg_param_int16(&params, (int16_t)partition);
    ol_pg_param_int64(&params, from);
    ol_pg_param_int64(&params, to);
    enum ol_class class = ol_pg_exec(load->db, &gap_read, &params, &rows, reterr);
    if (!class)
        *ret_acknowledged = ol_pg_bool(&rows, 0, 0);
    return class;
}
