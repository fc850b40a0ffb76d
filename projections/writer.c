#include "projections/writer_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/program/ol_run.h"
#include "projections/progress.h"

/* ---- statements ---- */

/* Rows are found one by one in the primary key's index, in the order of the keys: two writers take
 * row locks in the same order. Planned for each batch, by its size and the table's: a plan kept
 * from when the table was small would go through all of it for each key (docs/traps.md). */
static const char session[] = "SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; "
                              "SET enable_bitmapscan = off; SET enable_hashjoin = off; "
                              "SET enable_mergejoin = off";

static const struct ol_pg_statement progress_make = {
    .name = "progress/make",
    .sql = "INSERT INTO orderlog.projection_progress (topic, partition, projector_version) "
           "SELECT $1, n, $3 FROM generate_series(0, $2 - 1) n "
           "ON CONFLICT (topic, partition) DO NOTHING",
};

static const struct ol_pg_statement progress_set = {
    .name = "progress/set",
    .sql =
        "UPDATE orderlog.projection_progress p SET next_offset = u.next_offset, "
        "last_offset = u.last_offset, last_digest = u.last_digest, "
        "last_recorded_at = u.last_recorded_at, has_receipt = u.has_receipt, "
        "commands_first = u.commands_first, commands_next = u.commands_next, "
        "steps_first = u.steps_first, steps_next = u.steps_next, "
        "last_decided = u.last_decided, last_refused = u.last_refused, "
        "last_repeated = u.last_repeated, last_ignored = u.last_ignored, "
        "last_passed_on = u.last_passed_on, last_dead_lettered = u.last_dead_lettered, "
        "decided = p.decided + u.decided, refused = p.refused + u.refused, "
        "repeated = p.repeated + u.repeated, ignored = p.ignored + u.ignored, "
        "passed_on = p.passed_on + u.passed_on, "
        "dead_lettered = p.dead_lettered + u.dead_lettered, projector_version = $25 "
        "FROM unnest($2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], "
        "$7::timestamptz[], $8::bool[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], "
        "$13::int4[], $14::int4[], $15::int4[], $16::int4[], $17::int4[], $18::int4[], "
        "$19::int8[], $20::int8[], $21::int8[], $22::int8[], $23::int8[], $24::int8[]) "
        "AS u (partition, before, next_offset, last_offset, last_digest, last_recorded_at, "
        "has_receipt, commands_first, commands_next, steps_first, steps_next, last_decided, "
        "last_refused, last_repeated, last_ignored, last_passed_on, last_dead_lettered, decided, "
        "refused, repeated, ignored, passed_on, dead_lettered) "
        "WHERE p.topic = $1 COLLATE \"C\" AND p.partition = u.partition "
        "AND p.next_offset = u.before AND p.projector_version <= $25 RETURNING p.partition",
    .columns = (const struct ol_pg_column[]){{"partition", OL_PG_INT2, OL_PG_NOT_NULL}, {0}},
};

static const enum ol_pg_type progress_types[] = {
    OL_PG_INT2_ARRAY,        OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY,
    OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_BOOL_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY,
    OL_PG_INT8_ARRAY,        OL_PG_INT4_ARRAY, OL_PG_INT4_ARRAY, OL_PG_INT4_ARRAY, OL_PG_INT4_ARRAY,
    OL_PG_INT4_ARRAY,        OL_PG_INT4_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY,
    OL_PG_INT8_ARRAY,        OL_PG_INT8_ARRAY, OL_PG_INT8_ARRAY};

/* ---- sets ---- */

static void set_begin(struct set *set, const struct ol_pg_statement *statement)
{
    set->statement = statement;
    set->with_next = false;
    set->array_count = 0;
}

void writer_set_array(struct set *set, enum ol_pg_type type)
{
    assert(set->array_count < OL_PG_PARAMS_MAX);
    struct ol_pg_array *array = &set->arrays[set->array_count++];
    if (array->type != type) {
        ol_pg_array_release(array);
        ol_pg_array_init(array, type);
    }
    ol_pg_array_clear(array);
}

static void set_release(struct set *set)
{
    for (size_t i = 0; i < OL_PG_PARAMS_MAX; i++)
        ol_pg_array_release(&set->arrays[i]);
}

static void set_params(struct set *set, struct ol_pg_params *params)
{
    for (size_t i = 0; i < set->array_count; i++) {
        assert(set->arrays[i].count == set->arrays[0].count);
        ol_pg_param_array(params, &set->arrays[i]);
    }
}

struct set *writer_set(struct writer *writer, const struct ol_pg_statement *statement)
{
    assert(writer->set_count < SETS_MAX);
    struct set *set = &writer->sets[writer->set_count++];
    set_begin(set, statement);
    return set;
}

/* ---- making ---- */

struct writer *writer_new(struct ol_pg *db, enum context context, const char *topic)
{
    struct writer *writer = calloc(1, sizeof *writer);
    char *copy = strdup(topic);
    if (!writer || !copy) {
        free(writer);
        free(copy);
        return NULL;
    }
    writer->db = db;
    writer->context = context;
    writer->topic = copy;
    return writer;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    ol_pg_copy_release(&writer->copy);
    for (size_t i = 0; i < SETS_MAX; i++)
        set_release(&writer->sets[i]);
    set_release(&writer->progress);
    free(writer->topic);
    free(writer);
}

enum ol_class writer_begin(struct writer *writer, int32_t partition_count,
                           struct load_progress *ret_progress, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, writer->topic, strlen(writer->topic));
    ol_pg_param_int32(&params, partition_count);
    ol_pg_param_int16(&params, PROJECTOR_VERSION);
    enum ol_class class = ol_pg_script(writer->db, "session", session, NULL, reterr);
    if (!class)
        class = ol_pg_exec(writer->db, &progress_make, &params, NULL, reterr);
    return class ? class : writer_progress(writer, partition_count, ret_progress, reterr);
}

enum ol_class writer_progress(struct writer *writer, int32_t partition_count,
                              struct load_progress *ret_progress, struct ol_error *reterr)
{
    enum ol_class class = progress_queue(writer->db, writer->topic, reterr);
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    if (!class)
        class = ol_pg_receive(writer->db, &rows, 1, 0, reterr);
    if (!class)
        class = progress_read(&rows, ret_progress, partition_count, reterr);
    return class;
}

/* ---- writing ---- */

static void put_time(struct ol_pg_array *array, int64_t unix_us)
{
    if (unix_us == TIME_NONE)
        ol_pg_array_null(array);
    else
        ol_pg_array_us(array, unix_us);
}

static void put_progress(struct set *set, int32_t partition,
                         const struct row_batch_partition *state)
{
    struct ol_pg_array *array = set->arrays;
    const struct receipt *receipt = &state->now.receipt;
    ol_pg_array_int16(array++, (int16_t)partition);
    ol_pg_array_int64(array++, state->before.next_offset);
    ol_pg_array_int64(array++, state->now.next_offset);
    ol_pg_array_int64(array++, state->now.last_offset);
    ol_pg_array_int64(array++, (int64_t)state->now.last_digest);
    put_time(array++, state->now.last_recorded_us);
    ol_pg_array_bool(array++, state->now.has_receipt);
    ol_pg_array_int64(array++, receipt->commands_first);
    ol_pg_array_int64(array++, receipt->commands_next);
    ol_pg_array_int64(array++, receipt->steps_first);
    ol_pg_array_int64(array++, receipt->steps_next);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        ol_pg_array_int32(array++, receipt->counts[i]);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        ol_pg_array_int64(array++, state->totals[i]);
}

/* BEGIN and the fence in one round trip. *ret_lost: partitions that are not where we left them. */
static enum ol_class set_progress(struct writer *writer, const struct row_batch *batch,
                                  uint64_t *ret_lost, struct ol_error *reterr)
{
    uint64_t moved = 0;
    set_begin(&writer->progress, &progress_set);
    for (size_t i = 0; i < sizeof progress_types / sizeof *progress_types; i++)
        writer_set_array(&writer->progress, progress_types[i]);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        if (batch->partitions[i].touched)
            put_progress(&writer->progress, i, &batch->partitions[i]);
    }
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, writer->topic, strlen(writer->topic));
    set_params(&writer->progress, &params);
    ol_pg_param_int16(&params, PROJECTOR_VERSION);
    enum ol_class class = ol_pg_queue(writer->db, &ol_pg_stmt_begin, NULL, reterr);
    if (!class)
        class = ol_pg_queue(writer->db, &progress_set, &params, reterr);
    struct ol_pg_rows rows[2] = {0};
    if (!class)
        class = ol_pg_receive(writer->db, rows, 2, 0, reterr);
    if (class)
        return class;
    for (int row = 0; row < rows[1].count; row++)
        moved |= UINT64_C(1) << ol_pg_int16(&rows[1], row, 0);
    ol_pg_rows_release(&rows[0]);
    ol_pg_rows_release(&rows[1]);
    *ret_lost = row_batch_lost(batch, moved);
    if (*ret_lost)
        return ol_fail(reterr, OL_CONFLICT,
                       "%d partitions of %s were projected by somebody else meanwhile",
                       __builtin_popcountll(*ret_lost), writer->topic);
    return OL_OK;
}

/* A set without rows is not asked. */
static bool set_is_used(const struct set *set)
{
    return set->arrays[0].count > 0;
}

/* The key of a set's only row, for the message; with several rows the count alone does not say
 * which one is missing. */
static struct text only_key(const struct set *set)
{
    const struct ol_pg_array *ids = &set->arrays[0];
    const unsigned char *at = ids->buffer.data + OL_PG_ARRAY_HEAD_BYTES;
    if (ids->count != 1)
        return (struct text){0};
    return (struct text){(const char *)at + 4, ol_pg_fetch32(at)};
}

static enum ol_class check_hits(const struct writer *writer, const struct ol_pg_rows *rows,
                                struct ol_error *reterr)
{
    int64_t hits = 0;
    for (size_t i = 0; i < writer->set_count; i++) {
        const struct set *set = &writer->sets[i];
        if (!set_is_used(set))
            continue;
        hits += rows++->affected;
        if (set->with_next)
            continue;
        struct text key = only_key(set);
        if (hits != set->arrays[0].count)
            return ol_fail(reterr, OL_VIOLATED,
                           "%s: only %" PRId64 " of %d rows are there with the version that the "
                           "events build on%s%.*s",
                           set->statement->name, hits, set->arrays[0].count,
                           key.bytes ? "; missing: " : "", (int)key.bytes,
                           key.data ? key.data : "");
        hits = 0;
    }
    return OL_OK;
}

/* All of them in one round trip. */
static enum ol_class write_sets(struct writer *writer, struct ol_error *reterr)
{
    struct ol_pg_rows rows[SETS_MAX] = {0};
    size_t count = 0;
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < writer->set_count && !class; i++) {
        if (!set_is_used(&writer->sets[i]))
            continue;
        struct ol_pg_params params = {0};
        set_params(&writer->sets[i], &params);
        class = ol_pg_queue(writer->db, writer->sets[i].statement, &params, reterr);
        count++;
    }
    if (class || count == 0)
        return class;
    class = ol_pg_receive(writer->db, rows, count, 0, reterr);
    if (!class)
        class = check_hits(writer, rows, reterr);
    for (size_t i = 0; i < count; i++)
        ol_pg_rows_release(&rows[i]);
    return class;
}

/* SQLSTATE classes 22 (data) and 23 (constraints) are treated like a row count that does not match:
 * the batch holds an event that cannot be applied. */
static enum ol_class class_of(const struct writer *writer, enum ol_class class,
                              struct ol_error *reterr)
{
    const char *sqlstate = ol_pg_sqlstate(writer->db);
    if (class != OL_FATAL || !ol_pg_usable(writer->db) ||
        (strncmp(sqlstate, "22", 2) && strncmp(sqlstate, "23", 2)))
        return class;
    if (reterr)
        reterr->class = OL_VIOLATED;
    return OL_VIOLATED;
}

enum ol_class writer_write(struct writer *writer, struct row_batch *batch, uint64_t *ret_lost,
                           struct ol_error *reterr)
{
    assert(batch->context == writer->context && batch->event_count > 0);
    *ret_lost = 0;
    enum ol_class class = set_progress(writer, batch, ret_lost, reterr);
    if (!class) {
        fill_sets(writer, batch);
        class = write_new_rows(writer, batch, reterr);
    }
    if (!class)
        class = write_sets(writer, reterr);
    if (class) {
        class = class_of(writer, class, reterr);
        (void)ol_pg_copy_abort(&writer->copy, "the batch failed", NULL);
        if (ol_pg_usable(writer->db))
            (void)ol_pg_rollback(writer->db, NULL);
        return class;
    }
    ol_kill_point("projector-written");
    class = ol_pg_commit(writer->db, reterr);
    ol_kill_point("projector-committed");
    return class;
}
