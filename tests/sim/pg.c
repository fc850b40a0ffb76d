/* PostgreSQL, as projections/load.h, writer.h and write_thread.h and lib/pg/ol_pg.h show it to the
 * shells: snapshots, row locks that a sleeping transaction holds, commits whose answer is lost, and
 * with synchronous_commit off commits that a crash takes back. The rows are changed as the
 * statements of projections/write_*.c change them. */
#include "tests/sim/sim.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_hash.h"
#include "lib/guard/protected.h"
#include "lib/pg/ol_pg.h"
#include "projections/write_thread.h"
#include "tests/sim/codec.h"
#include "tests/sim/table.h"

#define LOCK_TIMEOUT_US (10 * SEC)
#define IDLE_TIMEOUT_US (5 * SEC)
#define FLUSHED_US      (600 * MS) /* what is older survives a crash */

struct undo {
    struct undo *earlier;
    struct table_row *row;
    struct entity before; /* entity_bytes() of it */
};

/* A partition as it was. */
struct part_before {
    struct load_progress progress;
    uint64_t digest;
};

struct pg_commit {
    enum context context;
    int64_t at_us;
    struct undo *undos; /* the last one first */
    struct pg_commit *before;
    uint64_t touched;
    struct part_before claims[]; /* those touched, by number */
};

struct lock {
    uint64_t transaction; /* 0: free */
    struct actor *holder;
};

struct store {
    struct table tables[CONTEXT_COUNT];
    struct load_progress progress[CONTEXT_COUNT][SIM_PARTITIONS_MAX];
    uint64_t digests[CONTEXT_COUNT][SIM_PARTITIONS_MAX];
    struct lock locks[CONTEXT_COUNT][SIM_PARTITIONS_MAX];
    struct pg_commit *last;
    uint64_t transactions, connections_ended;
};

/* ---- the store ---- */

void store_begin(void)
{
    world->store = memset(sim_alloc(sizeof *world->store), 0, sizeof *world->store);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < SIM_PARTITIONS_MAX; j++)
            world->store->progress[i][j] =
                (struct load_progress){.last_offset = -1, .last_recorded_us = TIME_NONE};
}

void store_end(void)
{
    for (int i = 0; i < CONTEXT_COUNT; i++)
        table_release(&world->store->tables[i]);
}

int64_t store_next(enum context context, int32_t partition)
{
    return world->store->progress[context][partition].next_offset;
}

uint64_t store_digest(enum context context, int32_t partition)
{
    return world->store->digests[context][partition];
}

static void end_connections(void)
{
    struct store *store = world->store;
    store->connections_ended++;
    memset(store->locks, 0, sizeof store->locks);
}

/* Rows and digests are as before it. */
static void undo(const struct pg_commit *commit)
{
    for (const struct undo *undo = commit->undos; undo; undo = undo->earlier) {
        entity_copy(&undo->row->entity, &undo->before);
        undo->row->digest = table_digest(undo->row);
    }
    for (uint64_t bits = commit->touched; bits; bits &= bits - 1)
        world->store->digests[commit->context][__builtin_ctzll(bits)] =
            commit->claims[__builtin_ctzll(bits)].digest;
}

void store_lose_last(void)
{
    struct store *store = world->store;
    struct pg_commit *commit = store->last;
    undo(commit);
    for (uint64_t bits = commit->touched; bits; bits &= bits - 1)
        store->progress[commit->context][__builtin_ctzll(bits)] =
            commit->claims[__builtin_ctzll(bits)].progress;
    store->last = commit->before;
}

/* Everything not flushed is as if it had never been. */
void store_crash(void)
{
    struct store *store = world->store;
    bool lost = false;
    while (store->last && store->last->at_us > world->now_us - FLUSHED_US && sim_chance(900000)) {
        store_lose_last();
        lost = true;
    }
    if (lost)
        count(COUNT_PG_CRASHES);
    store->last = NULL; /* recovered: what is there is on disk */
    end_connections();
    sim_say("database crashes%s", lost ? " and loses commits" : "");
}

/* ---- rows ---- */

struct writing {
    struct pg_commit *commit;
    const struct row_batch *batch;
    enum context context;
    bool violated;
};

static struct table_row *change(struct writing *writing, const struct entity_key *key)
{
    struct table_row *row = table_row(&world->store->tables[writing->context], key);
    struct undo *undo = sim_alloc(offsetof(struct undo, before) + entity_bytes(key->kind));
    undo->earlier = writing->commit->undos;
    undo->row = row;
    entity_copy(&undo->before, &row->entity);
    writing->commit->undos = undo;
    return row;
}

static void changed(struct writing *writing, struct table_row *row)
{
    uint64_t before = row->digest;
    row->digest = table_digest(row);
    world->store->digests[writing->context][row->key.partition] += row->digest - before;
}

static void write_command(struct writing *writing, int32_t partition, struct text aggregate,
                          const struct row_origin *origin, enum refusal_code code)
{
    const struct entity_key key = {ENTITY_COMMAND, partition, aggregate, origin->command_id};
    struct table_row *row = change(writing, &key);
    writing->violated |= row->entity.command.outcome != OUTCOME_NONE;
    row->entity.command = (struct command_record){
        .outcome = code ? OUTCOME_REJECTED : OUTCOME_ACCEPTED,
        .code = code,
        .body_digest = origin->digest,
    };
    changed(writing, row);
}

static void write_order(struct writing *writing, const struct order_change *order)
{
    const struct entity_key key = {ENTITY_ORDER, order->partition, order->row.id, {0}};
    struct table_row *row = change(writing, &key);
    struct order *state = &row->entity.order;
    if (order->row.mode == ROW_INSERT) {
        writing->violated |= state->version != 0;
        *state = (struct order){.total_minor = order->total_minor,
                                .payment_row = order->payment_row,
                                .currency = order->currency,
                                .customer_id = sim_text(order->customer_id),
                                .groups_asked = order->groups_asked};
    } else {
        writing->violated |= state->version != order->version_before;
    }
    state->version = order->version;
    state->status = order->status;
    state->saga_state = order->saga_state;
    if (PROTECTED(payment_told))
        state->payment = order->payment;
    state->groups_reserved |= order->groups_reserved;
    state->groups_refused |= order->groups_refused;
    state->groups_released |= order->groups_released;
    if (order->deadline_us != TIME_NONE)
        state->deadline_us = order->deadline_us;
    changed(writing, row);
    if (order->row.mode == ROW_INSERT)
        write_command(writing, order->partition, order->row.id, &order->origin, ACCEPTED);
}

static void write_product(struct writing *writing, const struct product_change *product)
{
    const struct entity_key key = {ENTITY_PRODUCT, product->partition, product->row.id, {0}};
    struct table_row *row = change(writing, &key);
    struct product *state = &row->entity.product;
    writing->violated |=
        state->version != (product->row.mode == ROW_INSERT ? 0 : product->version_before);
    state->version = product->version;
    state->on_hand += product->on_hand;
    state->reserved += product->reserved;
    if (product->listing_changed)
        state->listed = product->listed;
    if (product->details_changed) {
        state->details_hash = product->details_hash;
        state->currency = currency_of(product->details.currency);
    }
    changed(writing, row);
    if (product->row.mode == ROW_INSERT)
        write_command(writing, product->partition, product->row.id, &product->origin, ACCEPTED);
}

static void write_reservation(struct writing *writing, const struct reservation_change *change_)
{
    const struct entity_key key = {ENTITY_RESERVATION, change_->partition, change_->row.id, {0}};
    struct table_row *row = change(writing, &key);
    struct reservation *state = &row->entity.reservation;
    if (change_->row.mode != ROW_UPSERT)
        writing->violated |=
            (state->status == RESERVATION_IS_NOTHING) != (change_->row.mode == ROW_INSERT);
    state->status = change_->status;
    if (change_->held.lines) {
        struct stock_line *lines = sim_alloc(change_->held.count * sizeof *lines);
        for (size_t i = 0; i < change_->held.count; i++) {
            lines[i] = change_->held.lines[i];
            lines[i].sku = sim_text(lines[i].sku);
        }
        state->lines = lines;
        state->line_count = change_->held.count;
    }
    changed(writing, row);
}

static void write_account(struct writing *writing, const struct account_change *account)
{
    const struct entity_key key = {ENTITY_ACCOUNT, account->partition, account->row.id, {0}};
    struct table_row *row = change(writing, &key);
    struct account *state = &row->entity.account;
    writing->violated |=
        state->version != (account->row.mode == ROW_INSERT ? 0 : account->version_before);
    if (account->row.mode == ROW_INSERT)
        state->currency = account->currency;
    state->version = account->version;
    state->balance_minor += account->balance_minor;
    state->held_minor += account->held_minor;
    state->spent_minor += account->spent_minor;
    changed(writing, row);
    if (account->row.mode == ROW_INSERT)
        write_command(writing, account->partition, account->row.id, &account->origin, ACCEPTED);
}

static void write_payment(struct writing *writing, const struct payment_change *payment)
{
    const struct entity_key key = {ENTITY_PAYMENT, payment->partition, payment->customer_id,
                                   payment->row.id};
    struct table_row *row = change(writing, &key);
    struct payment *state = &row->entity.payment;
    if (payment->row.mode != ROW_UPSERT)
        writing->violated |=
            (state->status == PAYMENT_IS_NOTHING) != (payment->row.mode == ROW_INSERT);
    if (payment->status)
        state->status = payment->status;
    if (payment->amount_minor >= 0)
        state->amount_minor = payment->amount_minor;
    state->refunded_minor += payment->refunded_minor;
    if (payment->refunded_minor && state->refunded_minor == state->amount_minor &&
        payment->status != PAYMENT_IS_REVERSED)
        state->status = PAYMENT_IS_REFUNDED;
    changed(writing, row);
}

static void write_rows(struct writing *writing)
{
    const struct row_batch *batch = writing->batch;
    for (size_t i = 0; i < batch->aggregates.count; i++) {
        const struct keyed_row *row = batch->aggregates.rows[i];
        switch (writing->context) {
        case CONTEXT_ORDERS: write_order(writing, (const struct order_change *)row); break;
        case CONTEXT_INVENTORY: write_product(writing, (const struct product_change *)row); break;
        default: write_account(writing, (const struct account_change *)row);
        }
    }
    for (size_t i = 0; i < batch->claims.count; i++) {
        const struct keyed_row *row = batch->claims.rows[i];
        if (writing->context == CONTEXT_INVENTORY)
            write_reservation(writing, (const struct reservation_change *)row);
        else
            write_payment(writing, (const struct payment_change *)row);
    }
    for (size_t i = 0; i < batch->commands.count; i++) {
        const struct command_change *command =
            (const struct command_change *)batch->commands.rows[i];
        write_command(writing, command->partition, command->row.id, &command->origin,
                      command->code);
    }
}

/* ---- connections ---- */

struct ol_pg {
    uint64_t connections_ended; /* as of the connect */
    bool lost;
};

static bool is_up(void)
{
    return world->now_us >= world->pg_down_until;
}

bool ol_pg_usable(const struct ol_pg *db)
{
    return !db->lost && db->connections_ended == world->store->connections_ended && is_up();
}

enum ol_class ol_pg_reconnect(struct ol_pg *db, struct ol_error *reterr)
{
    sim_sleep(sim_delay(world->knobs.latency_us));
    if (sim_actor()->dead)
        return ol_fail(reterr, OL_FATAL, "the process is dead");
    if (!is_up())
        return ol_fail(reterr, OL_UNREACHABLE, "the database is away");
    *db = (struct ol_pg){.connections_ended = world->store->connections_ended};
    return OL_OK;
}

enum ol_class ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                         struct ol_error *reterr)
{
    (void)options;
    struct ol_pg *db = memset(sim_alloc(sizeof *db), 0, sizeof *db);
    enum ol_class class = ol_pg_reconnect(db, reterr);
    if (!class)
        *ret_db = db;
    return class;
}

void store_disconnect(struct ol_pg *db)
{
    db->lost = true;
}

void ol_pg_free(struct ol_pg *db)
{
    (void)db;
}

static enum ol_class lose(struct ol_pg *db, struct ol_error *reterr)
{
    db->lost = true;
    return ol_fail(reterr, OL_RETRY, "the connection is lost");
}

static enum ol_class check_connection(struct ol_pg *db, struct ol_error *reterr)
{
    if (sim_actor()->dead)
        return ol_fail(reterr, OL_FATAL, "the process is dead");
    if (!ol_pg_usable(db) || (sim_has(FAULT_PG_LOST) && sim_chance(3000)))
        return lose(db, reterr);
    return OL_OK;
}

/* ---- loads ---- */

struct load {
    struct ol_pg *db;
    enum context context;
    int32_t partitions;
    const struct entity_key *keys;
    size_t count;
    struct entity *early; /* the snapshot, if it was taken at once; NULL: it is taken late */
    struct load_progress progress[SIM_PARTITIONS_MAX];
};

struct load *load_new(struct ol_pg *db, enum context context, const char *topic,
                      int32_t partition_count)
{
    (void)topic;
    struct load *load = sim_alloc(sizeof *load);
    *load = (struct load){.db = db, .context = context, .partitions = partition_count};
    return load;
}

void load_free(struct load *load)
{
    (void)load;
}

static void read_progress(const struct load *load, struct load_progress *ret_progress)
{
    memcpy(ret_progress, world->store->progress[load->context],
           (size_t)load->partitions * sizeof *ret_progress);
}

static void read_snapshot(const struct load *load, struct entity *ret_entities,
                          struct load_progress *ret_progress)
{
    for (size_t i = 0; i < load->count; i++) {
        const struct table_row *row =
            table_find(&world->store->tables[load->context], &load->keys[i]);
        ret_entities[i] = (struct entity){.kind = load->keys[i].kind};
        if (row)
            entity_copy(&ret_entities[i], &row->entity);
    }
    read_progress(load, ret_progress);
}

/* The server takes the snapshot when it has read the question, which may be before or after what
 * the asker does next. */
enum ol_class load_send(struct load *load, const struct entity_key *keys, size_t key_count,
                        struct ol_error *reterr)
{
    load->keys = keys;
    load->count = key_count;
    load->early = NULL;
    enum ol_class class = check_connection(load->db, reterr);
    if (!class && sim_chance(300000)) {
        load->early = sim_alloc((key_count + 1) * sizeof *load->early);
        read_snapshot(load, load->early, load->progress);
    }
    return class;
}

enum ol_class load_receive(struct load *load, int timeout_ms, struct ol_arena *arena,
                           struct entity *ret_entities, struct load_progress *ret_progress,
                           struct ol_error *reterr)
{
    (void)timeout_ms, (void)arena;
    sim_sleep(sim_delay(world->knobs.latency_us));
    enum ol_class class = check_connection(load->db, reterr);
    if (class)
        return class;
    if (load->early) {
        memcpy(ret_entities, load->early, load->count * sizeof *ret_entities);
        memcpy(ret_progress, load->progress, (size_t)load->partitions * sizeof *ret_progress);
    } else {
        read_snapshot(load, ret_entities, ret_progress);
    }
    if (sim_has(FAULT_DELAY) && sim_chance(20000)) /* an old snapshot comes late */
        sim_sleep(sim_delay(SEC));
    return check_connection(load->db, reterr);
}

enum ol_class load_gap(struct load *load, const char *topic, int32_t partition, int64_t from,
                       int64_t to, bool *ret_acknowledged, struct ol_error *reterr)
{
    (void)from;
    sim_sleep(sim_delay(world->knobs.latency_us));
    enum ol_class class = check_connection(load->db, reterr);
    *ret_acknowledged = broker_part(topic, partition)->acknowledged >= to;
    return class;
}

enum ol_class load_deadlines(struct load *load, int32_t partition, struct ol_arena *arena,
                             struct load_deadline **ret_deadlines, size_t *ret_count,
                             struct load_progress *ret_progress, struct ol_error *reterr)
{
    sim_sleep(sim_delay(world->knobs.latency_us));
    enum ol_class class = check_connection(load->db, reterr);
    if (class)
        return class;
    const struct table *table = &world->store->tables[load->context];
    struct load_deadline *deadlines = ol_arena_alloc(arena, (table->count + 1) * sizeof *deadlines);
    size_t found = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct table_row *row = table->rows[i];
        if (row->key.kind == ENTITY_ORDER && row->key.partition == partition &&
            order_is_open(&row->entity.order))
            deadlines[found++] = (struct load_deadline){row->key.id, row->entity.order.deadline_us};
    }
    *ret_deadlines = deadlines;
    *ret_count = found;
    read_progress(load, ret_progress);
    return OL_OK;
}

/* ---- the writer ---- */

struct writer {
    struct ol_pg *db;
    enum context context;
};

struct writer *writer_new(struct ol_pg *db, enum context context, const char *topic)
{
    (void)topic;
    struct writer *writer = sim_alloc(sizeof *writer);
    *writer = (struct writer){db, context};
    return writer;
}

void writer_free(struct writer *writer)
{
    (void)writer;
}

enum ol_class writer_begin(struct writer *writer, int32_t partition_count,
                           struct load_progress *ret_progress, struct ol_error *reterr)
{
    sim_sleep(sim_delay(world->knobs.latency_us));
    enum ol_class class = check_connection(writer->db, reterr);
    if (!class)
        memcpy(ret_progress, world->store->progress[writer->context],
               (size_t)partition_count * sizeof *ret_progress);
    return class;
}

enum ol_class writer_progress(struct writer *writer, int32_t partition_count,
                              struct load_progress *ret_progress, struct ol_error *reterr)
{
    return writer_begin(writer, partition_count, ret_progress, reterr);
}

static void unlock(enum context context, uint64_t transaction)
{
    for (int i = 0; i < SIM_PARTITIONS_MAX; i++)
        if (world->store->locks[context][i].transaction == transaction)
            world->store->locks[context][i].transaction = 0;
}

/* The server ends a transaction whose client sleeps, or is gone. */
static void end_idle(void *self, uint64_t transaction)
{
    (void)self;
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int i = 0; i < SIM_PARTITIONS_MAX; i++)
            if (world->store->locks[context][i].transaction == transaction) {
                count(COUNT_LOCK_BROKEN);
                unlock((enum context)context, transaction);
            }
}

/* Is the transaction still open, as far as the server is concerned? */
static bool has_locks(const struct writer *writer, uint64_t claims, uint64_t transaction)
{
    for (; claims; claims &= claims - 1)
        if (world->store->locks[writer->context][__builtin_ctzll(claims)].transaction !=
            transaction)
            return false;
    return true;
}

/* In the order of the rows; whoever waits sees what the holder has committed. */
static enum ol_class lock_all(struct writer *writer, uint64_t claims, uint64_t transaction,
                              struct ol_error *reterr)
{
    int64_t until_us = world->now_us + LOCK_TIMEOUT_US;
    bool waited = false;
    sim_at(world->now_us + IDLE_TIMEOUT_US, end_idle, NULL, transaction);
    for (; claims; claims &= claims - 1) {
        struct lock *lock = &world->store->locks[writer->context][__builtin_ctzll(claims)];
        while (lock->transaction) {
            if (!waited)
                count(COUNT_LOCK_WAITS);
            waited = true;
            sim_sleep(sim_delay(20 * MS));
            enum ol_class class = check_connection(writer->db, reterr);
            if (!class && world->now_us > until_us)
                class = ol_fail(reterr, OL_RETRY, "lock timeout");
            if (class)
                return class;
        }
        *lock = (struct lock){transaction, sim_actor()};
    }
    return OL_OK;
}

static enum ol_class compare(const struct writer *writer, const struct row_batch *batch,
                             uint64_t touched, uint64_t *ret_lost, struct ol_error *reterr)
{
    uint64_t moved = 0;
    for (uint64_t bits = touched; bits; bits &= bits - 1) {
        int32_t i = __builtin_ctzll(bits);
        if (world->store->progress[writer->context][i].next_offset ==
            batch->partitions[i].before.next_offset)
            moved |= UINT64_C(1) << i;
    }
    *ret_lost = PROTECTED(compare_and_set) ? row_batch_lost(batch, moved) : 0;
    if (!*ret_lost)
        return OL_OK;
    count(COUNT_CAS_LOST);
    return ol_fail(reterr, OL_CONFLICT, "projected by somebody else meanwhile");
}

static enum ol_class commit(struct writer *writer, const struct row_batch *batch, uint64_t touched,
                            struct ol_error *reterr)
{
    struct store *store = world->store;
    struct pg_commit *done =
        sim_alloc(sizeof *done + (size_t)world->knobs.partitions * sizeof *done->claims);
    struct writing writing = {done, batch, writer->context, false};
    *done =
        (struct pg_commit){.context = writer->context, .at_us = world->now_us, .touched = touched};
    for (uint64_t bits = touched; bits; bits &= bits - 1) {
        int32_t i = __builtin_ctzll(bits);
        done->claims[i] = (struct part_before){store->progress[writer->context][i],
                                               store->digests[writer->context][i]};
    }
    write_rows(&writing);
    if (writing.violated) {
        undo(done);
        return ol_fail(reterr, OL_VIOLATED, "rows are not as the events build on");
    }
    for (uint64_t bits = touched; bits; bits &= bits - 1) {
        int32_t i = __builtin_ctzll(bits);
        store->progress[writer->context][i] = batch->partitions[i].now;
        check_projected(writer->context, i, batch->partitions[i].now.next_offset);
    }
    done->before = store->last;
    store->last = done;
    sim_trace(touched << 8 | (uint64_t)writer->context);
    return OL_OK;
}

/* One batch of a partition's events from `offset` on; returns where it ends. */
static int64_t replay_batch(struct writer *writer, struct row_batch *batch, const struct part *part,
                            int64_t offset, size_t most)
{
    struct ol_error error;
    struct ol_arena arena;
    ol_arena_init(&arena, 1 << 16, 0);
    row_batch_clear(batch);
    row_batch_start(batch, part->number, &world->store->progress[part->context][part->number]);
    while (offset < part->count && batch->event_count < most) {
        const struct slot *slot = part_slot(part, offset++);
        struct bytes wire = {slot->value, slot->value_bytes};
        struct event_message event;
        if (!broker_committed(slot))
            continue;
        if (sim_decode_event(part->context, wire, &arena, &event, &error) ||
            row_batch_apply(batch, &event, part->number, offset - 1, &error))
            sim_fail((struct text){0}, "P17: the log can't be projected anew: %s", error.text);
    }
    row_batch_seal(batch);
    if (batch->event_count && commit(writer, batch, UINT64_C(1) << part->number, &error))
        sim_fail((struct text){0}, "P17: the log gives other rows anew: %s", error.text);
    ol_arena_release(&arena);
    return offset;
}

void store_replay(void)
{
    struct store *kept = world->store;
    count(COUNT_REPLAYS);
    store_begin();
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        struct writer writer = {.context = (enum context)i};
        struct row_batch *batch = calloc(1, sizeof *batch);
        row_batch_init(batch, (enum context)i);
        size_t most = 1 + sim_below(sim_chance(300000) ? 3 : 300);
        for (int32_t j = 0; j < world->knobs.partitions; j++) {
            const struct part *part = &world->parts[i][STREAM_EVENTS][j];
            for (int64_t offset = 0; offset < part->count;)
                offset = replay_batch(&writer, batch, part, offset, most);
        }
        row_batch_release(batch);
        free(batch);
    }
    store_end();
    world->store = kept;
}

enum ol_class writer_write(struct writer *writer, struct row_batch *batch, uint64_t *ret_lost,
                           struct ol_error *reterr)
{
    uint64_t touched = 0, transaction = ++world->store->transactions;
    for (int32_t i = 0; i < SIM_PARTITIONS_MAX; i++)
        touched |= (uint64_t)batch->partitions[i].touched << i;
    *ret_lost = 0;
    sim_sleep(sim_delay(world->knobs.latency_us));
    enum ol_class class = check_connection(writer->db, reterr);
    if (!class)
        class = lock_all(writer, touched, transaction, reterr);
    if (!class)
        class = compare(writer, batch, touched, ret_lost, reterr);
    if (!class) {
        sim_sleep(sim_delay(world->knobs.latency_us));
        class = check_connection(writer->db, reterr);
    }
    if (!class && !has_locks(writer, touched, transaction))
        class = lose(writer->db, reterr);
    if (!class)
        class = commit(writer, batch, touched, reterr);
    unlock(writer->context, transaction);
    if (class)
        return class;
    sim_sleep(sim_delay(world->knobs.latency_us));
    class = check_connection(writer->db, reterr);
    if (class)
        count(COUNT_PG_UNKNOWN);
    return class;
}

/* ---- the thread that writes ---- */

struct write_thread {
    struct writer *writer;
    void (*done)(void *context);
    void *context;
    struct actor *actor;
    struct fiber *fiber;
    struct row_batch *batch;
    bool under_way, has_outcome, stopping;
    struct write_outcome outcome;
};

static void write_main(void *argument)
{
    struct write_thread *thread = argument;
    while (!thread->stopping) {
        if (!thread->under_way) {
            sim_block(SIM_NEVER);
            continue;
        }
        row_batch_seal(thread->batch);
        thread->outcome = (struct write_outcome){.class = OL_OK};
        thread->outcome.class = writer_write(thread->writer, thread->batch, &thread->outcome.lost,
                                             &thread->outcome.error);
        thread->under_way = false;
        thread->has_outcome = true;
        thread->done(thread->context);
    }
}

struct write_thread *write_thread_start(struct writer *writer, void (*done)(void *context),
                                        void *context)
{
    struct write_thread *thread = memset(sim_alloc(sizeof *thread), 0, sizeof *thread);
    thread->writer = writer;
    thread->done = done;
    thread->context = context;
    thread->actor = sim_actor();
    thread->fiber = sim_fiber(write_main, thread, thread->actor);
    thread->fiber->blocked = true;
    return thread;
}

void write_thread_stop(struct write_thread *thread)
{
    if (!thread)
        return;
    while (thread->under_way && !thread->actor->dead)
        sim_block(world->now_us + 100 * MS);
    thread->stopping = true;
    sim_wake(thread->fiber);
}

void write_thread_submit(struct write_thread *thread, struct row_batch *batch)
{
    thread->batch = batch;
    thread->under_way = true;
    thread->has_outcome = false;
    sim_wake(thread->fiber);
}

struct row_batch *write_thread_batch(const struct write_thread *thread)
{
    return thread ? thread->batch : NULL;
}

bool write_thread_outcome(struct write_thread *thread, int wait_ms,
                          struct write_outcome *ret_outcome)
{
    int64_t until_us = world->now_us + wait_ms * MS;
    while (thread->batch && !thread->has_outcome && world->now_us < until_us &&
           !thread->actor->dead)
        sim_block(until_us);
    if (thread->actor->dead) {
        *ret_outcome = (struct write_outcome){.class = OL_FATAL, .error.class = OL_FATAL};
        thread->batch = NULL;
        return true;
    }
    if (!thread->has_outcome)
        return false;
    *ret_outcome = thread->outcome;
    thread->batch = NULL;
    thread->has_outcome = false;
    return true;
}
