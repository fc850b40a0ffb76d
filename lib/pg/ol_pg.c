#include "lib/pg/ol_pg.h"

#include <stdlib.h>
#include <string.h>

#include "lib/pg/ol_pg_internal.h"

#define READ_TRIES 5 /* of a read that a standby's recovery cancels */

const struct ol_pg_statement ol_pg_stmt_begin = {.name = "begin", .sql = "BEGIN"};
const struct ol_pg_statement ol_pg_stmt_begin_snapshot = {
    .name = "begin/snapshot", .sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
const struct ol_pg_statement ol_pg_stmt_commit = {.name = "commit", .sql = "COMMIT"};
const struct ol_pg_statement ol_pg_stmt_rollback = {.name = "rollback", .sql = "ROLLBACK"};

/* ---- parameters ---- */

static unsigned char *add_scalar(struct ol_pg_params *params, enum ol_pg_type type, int bytes)
{
    assert(params->count < OL_PG_PARAMS_MAX);
    int i = params->count++;
    params->types[i] = type;
    params->lengths[i] = bytes;
    params->values[i] = NULL; /* a scalar: the params may be copied, so the address is taken late */
    return params->scalars[i];
}

static void add_pointer(struct ol_pg_params *params, enum ol_pg_type type, const void *data,
                        size_t bytes)
{
    assert(params->count < OL_PG_PARAMS_MAX);
    int i = params->count++;
    if (bytes > OL_PG_VALUE_MAX_BYTES)
        params->failed = true;
    params->types[i] = type;
    params->lengths[i] = (int)bytes;
    params->values[i] = data ? data : "";
}

void ol_pg_param_int64(struct ol_pg_params *params, int64_t value)
{
    ol_pg_store64(add_scalar(params, OL_PG_INT8, 8), (uint64_t)value);
}

void ol_pg_param_int32(struct ol_pg_params *params, int32_t value)
{
    ol_pg_store32(add_scalar(params, OL_PG_INT4, 4), (uint32_t)value);
}

void ol_pg_param_int16(struct ol_pg_params *params, int16_t value)
{
    ol_pg_store16(add_scalar(params, OL_PG_INT2, 2), (uint16_t)value);
}

void ol_pg_param_text(struct ol_pg_params *params, const char *text, size_t bytes)
{
    add_pointer(params, OL_PG_TEXT, text, bytes);
}

void ol_pg_param_array(struct ol_pg_params *params, struct ol_pg_array *array)
{
    size_t bytes = 0;
    const void *value = ol_pg_array_value(array, &bytes);
    if (!value)
        params->failed = true;
    add_pointer(params, array->type, value, bytes);
}

/* The three arrays as libpq wants them. */
struct bound {
    int count;
    const char *values[OL_PG_PARAMS_MAX];
    const int *lengths;
    int formats[OL_PG_PARAMS_MAX];
    const unsigned *types;
};

static void bind_params(const struct ol_pg_params *params, struct bound *ret_bound)
{
    ret_bound->count = params ? params->count : 0;
    ret_bound->lengths = params ? params->lengths : NULL;
    ret_bound->types = params ? params->types : NULL;
    for (int i = 0; i < ret_bound->count; i++) {
        const char *scalar = (const char *)params->scalars[i];
        ret_bound->values[i] = params->values[i] ? params->values[i] : scalar;
        ret_bound->formats[i] = 1;
    }
}

/* ---- statements and the pipeline ---- */

static enum ol_class check_types(struct ol_pg_known *known, const struct bound *bound,
                                 struct ol_error *reterr)
{
    if (known->state == OL_PG_NEW) {
        known->param_count = bound->count;
        for (int i = 0; i < bound->count; i++)
            known->param_types[i] = bound->types[i];
        return OL_OK;
    }
    if (known->param_count != bound->count)
        return ol_fail(reterr, OL_FATAL, "%s: prepared with %d parameters, called with %d",
                       known->name, known->param_count, bound->count);
    for (int i = 0; i < bound->count; i++)
        if (known->param_types[i] != bound->types[i])
            return ol_fail(reterr, OL_FATAL, "%s: parameter $%d was %s, now it is %s", known->name,
                           i + 1, ol_pg_type_name(known->param_types[i]),
                           ol_pg_type_name(bound->types[i]));
    return OL_OK;
}

static enum ol_class queue_ready(struct ol_pg *db, const char *name,
                                 const struct ol_pg_params *params, struct ol_error *reterr)
{
    if (!ol_pg_usable(db) || db->copying)
        return ol_pg_ready(db, name, reterr);
    if (db->sent)
        return ol_fail(reterr, OL_FATAL, "%s: the results of %s are still to be received", name,
                       db->steps[0].name);
    if (db->step_count == OL_PG_PIPELINE_MAX)
        return ol_fail(reterr, OL_FATAL, "%s: %d statements are queued already", name,
                       OL_PG_PIPELINE_MAX);
    if (params && params->failed)
        return ol_fail(reterr, OL_FATAL, "%s: a parameter is too large, or memory ran out", name);
    return OL_OK;
}

static enum ol_class enter_pipeline(struct ol_pg *db, const char *name, struct ol_error *reterr)
{
    return PQenterPipelineMode(db->conn) ? OL_OK : ol_pg_lost(db, name, reterr);
}

enum ol_class ol_pg_queue(struct ol_pg *db, const struct ol_pg_statement *statement,
                          const struct ol_pg_params *params, struct ol_error *reterr)
{
    enum ol_class class = queue_ready(db, statement->name, params, reterr);
    if (class != OL_OK)
        return class;
    struct ol_pg_known *known = ol_pg_know(db, statement->name);
    if (!known)
        return ol_fail(reterr, OL_FATAL, "%s: more than %d statements on one connection",
                       statement->name, OL_PG_PREPARED_MAX);
    assert(known->state == OL_PG_NEW || !strcmp(known->sql, statement->sql));
    known->sql = statement->sql;
    struct bound bound;
    bind_params(params, &bound);
    class = check_types(known, &bound, reterr);
    if (class != OL_OK)
        return class;
    class = enter_pipeline(db, statement->name, reterr);
    if (class != OL_OK)
        return class;

    bool prepares = known->state == OL_PG_NEW;
    if (prepares &&
        !PQsendPrepare(db->conn, statement->name, statement->sql, bound.count, bound.types))
        return ol_pg_lost(db, statement->name, reterr);
    if (prepares)
        known->state = OL_PG_PREPARING;
    if (!PQsendQueryPrepared(db->conn, statement->name, bound.count, bound.values, bound.lengths,
                             bound.formats, 1))
        return ol_pg_lost(db, statement->name, reterr);
    db->steps[db->step_count++] = (struct ol_pg_step){
        .name = statement->name, .statement = statement, .known = known, .prepares = prepares};
    return OL_OK;
}

enum ol_class ol_pg_send(struct ol_pg *db, struct ol_error *reterr)
{
    if (db->step_count == 0 || db->sent)
        return OL_OK;
    if (!PQpipelineSync(db->conn)) /* flushes too */
        return ol_pg_lost(db, db->steps[0].name, reterr);
    db->sent = true;
    db->cancelled = false;
    return OL_OK;
}

size_t ol_pg_queued(const struct ol_pg *db)
{
    return db->step_count;
}

/* A COMMIT of an aborted transaction succeeds and says ROLLBACK. */
static bool commit_was_refused(const struct ol_pg_step *step, struct pg_result *result)
{
    return step->statement == &ol_pg_stmt_commit && !strcmp(PQcmdStatus(result), "ROLLBACK");
}

static enum ol_class check_rows(struct ol_pg_step *step, struct pg_result *result,
                                struct ol_error *reterr)
{
    const struct ol_pg_column *columns = step->statement ? step->statement->columns : NULL;
    if (!columns)
        return OL_OK;
    if (!step->known->columns_checked) {
        enum ol_class class = ol_pg_check_columns(step->name, result, columns, reterr);
        if (class != OL_OK)
            return class;
        step->known->columns_checked = true;
    }
    return ol_pg_check_nulls(step->name, result, columns, reterr);
}

/* Judges one result and, if all is well, moves it into *ret_rows. */
static enum ol_class judge_result(struct ol_pg *db, struct ol_pg_step *step,
                                  struct pg_result **result, struct ol_pg_rows *ret_rows,
                                  struct ol_error *reterr)
{
    switch (PQresultStatus(*result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK: break;
    case PGRES_FATAL_ERROR: return ol_pg_fail_result(db, step->name, *result, reterr);
    case PGRES_PIPELINE_ABORTED:
        return ol_fail(reterr, OL_FATAL, "%s: not run, an earlier statement failed", step->name);
    case PGRES_EMPTY_QUERY: return ol_fail(reterr, OL_FATAL, "%s: an empty query", step->name);
    default:
        ol_pg_give_up(db); /* its data can't be waited for */
        return ol_fail(reterr, OL_FATAL, "%s: COPY to or from the client can't be run here",
                       step->name);
    }
    if (commit_was_refused(step, *result))
        return ol_fail(reterr, OL_FATAL, "commit: the transaction was aborted before");
    enum ol_class class = check_rows(step, *result, reterr);
    if (class != OL_OK || !ret_rows)
        return class;
    *ret_rows = (struct ol_pg_rows){.statement = step->statement,
                                    .count = PQntuples(*result),
                                    .affected = strtoll(PQcmdTuples(*result), NULL, 10)};
    ret_rows->result = OL_STEAL(*result);
    return OL_OK;
}

/* One command's answer: its result and the NULL after it. */
static enum ol_class collect_answer(struct ol_pg *db, struct ol_pg_step *step,
                                    struct ol_pg_rows *ret_rows, int64_t deadline_us,
                                    struct ol_error *reterr)
{
    OL_AUTO(ol_pg_result) struct pg_result *result = NULL, *behind = NULL;
    enum ol_class class = ol_pg_next_result(db, step->name, deadline_us, &result, reterr);
    if (class != OL_OK)
        return class;
    if (!result)
        return ol_pg_lost(db, step->name, reterr);
    class = judge_result(db, step, &result, ret_rows, reterr);
    if (!db->conn)
        return class;
    enum ol_class end =
        ol_pg_next_result(db, step->name, deadline_us, &behind, class == OL_OK ? reterr : NULL);
    return class != OL_OK ? class : end;
}

static enum ol_class collect_step(struct ol_pg *db, struct ol_pg_step *step,
                                  struct ol_pg_rows *ret_rows, int64_t deadline_us,
                                  struct ol_error *reterr)
{
    enum ol_class prepared = OL_OK;
    if (step->prepares) {
        struct ol_pg_step parse = {.name = step->name};
        prepared = collect_answer(db, &parse, NULL, deadline_us, reterr);
        if (!db->conn)
            return prepared;
        step->known->state = prepared == OL_OK ? OL_PG_PREPARED : OL_PG_NEW;
    }
    enum ol_class class =
        collect_answer(db, step, ret_rows, deadline_us, prepared == OL_OK ? reterr : NULL);
    return prepared != OL_OK ? prepared : class;
}

static enum ol_class leave_pipeline(struct ol_pg *db, int64_t deadline_us, struct ol_error *reterr)
{
    const char *name = db->steps[db->step_count - 1].name;
    OL_AUTO(ol_pg_result) struct pg_result *result = NULL;
    enum ol_class class = ol_pg_next_result(db, name, deadline_us, &result, reterr);
    if (class != OL_OK)
        return class;
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC || !PQexitPipelineMode(db->conn))
        return ol_pg_lost(db, name, reterr);
    db->step_count = 0;
    db->sent = false;
    return OL_OK;
}

/* Goes on after a failure, to the end of the pipeline; the first failure is the one reported. */
static enum ol_class collect(struct ol_pg *db, struct ol_pg_rows *ret_rows, int wait_ms,
                             struct ol_error *reterr)
{
    enum ol_class failed = OL_OK, class;
    int64_t end_us = wait_ms > 0 ? ol_pg_deadline_us(db, wait_ms) : 0;
    for (size_t i = 0, count = db->step_count; i <= count; i++) {
        int64_t deadline_us = end_us ? end_us : ol_pg_deadline_us(db, 0);
        struct ol_error *first = failed == OL_OK ? reterr : NULL;
        class = i == count ? leave_pipeline(db, deadline_us, first)
                           : collect_step(db, &db->steps[i], ret_rows ? &ret_rows[i] : NULL,
                                          deadline_us, first);
        if (failed == OL_OK)
            failed = class;
        if (!db->conn)
            break;
    }
    return failed;
}

enum ol_class ol_pg_receive(struct ol_pg *db, struct ol_pg_rows *ret_rows, size_t count,
                            int wait_ms, struct ol_error *reterr)
{
    if (!ol_pg_usable(db) || db->copying)
        return ol_pg_ready(db, "receive", reterr);
    assert(!ret_rows || count == db->step_count);
    for (size_t i = 0; ret_rows && i < count; i++)
        ol_pg_rows_release(&ret_rows[i]);
    if (db->step_count == 0)
        return OL_OK;
    enum ol_class class = ol_pg_send(db, reterr);
    if (class == OL_OK)
        class = collect(db, ret_rows, wait_ms, reterr);
    for (size_t i = 0; class != OL_OK && ret_rows && i < count; i++)
        ol_pg_rows_release(&ret_rows[i]);
    return class;
}

static enum ol_class exec_once(struct ol_pg *db, const struct ol_pg_statement *statement,
                               const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                               struct ol_error *reterr)
{
    enum ol_class class = ol_pg_ready(db, statement->name, reterr);
    if (class == OL_OK)
        class = ol_pg_queue(db, statement, params, reterr);
    return class == OL_OK ? ol_pg_receive(db, ret_rows, 1, 0, reterr) : class;
}

static enum ol_class select_once(struct ol_pg *db, const char *name, const char *sql,
                                 const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                                 struct ol_error *reterr)
{
    enum ol_class class = ol_pg_ready(db, name, reterr);
    if (class != OL_OK)
        return class;
    class = queue_ready(db, name, params, reterr);
    if (class != OL_OK)
        return class;
    class = enter_pipeline(db, name, reterr);
    if (class != OL_OK)
        return class;
    struct bound bound;
    bind_params(params, &bound);
    if (!PQsendQueryParams(db->conn, sql, bound.count, bound.types, bound.values, bound.lengths,
                           bound.formats, 0))
        return ol_pg_lost(db, name, reterr);
    db->steps[db->step_count++] = (struct ol_pg_step){.name = name};
    return ol_pg_receive(db, ret_rows, 1, 0, reterr);
}

/* May the statement that failed in `class` be read again? Then the connection is ready for it. */
static bool ready_again(struct ol_pg *db, enum ol_class class, int *tries)
{
    if (class != OL_RETRY || !ol_pg_cancelled(db) || ++*tries >= READ_TRIES)
        return false;
    return ol_pg_usable(db) || ol_pg_reconnect(db, NULL) == OL_OK;
}

enum ol_class ol_pg_exec(struct ol_pg *db, const struct ol_pg_statement *statement,
                         const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                         struct ol_error *reterr)
{
    bool alone = db->options.read_only && !ol_pg_in_transaction(db);
    int tries = 0;
    enum ol_class class;
    do {
        class = exec_once(db, statement, params, ret_rows, reterr);
    } while (alone && ready_again(db, class, &tries));
    return class;
}

enum ol_class ol_pg_select(struct ol_pg *db, const char *name, const char *sql,
                           const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                           struct ol_error *reterr)
{
    bool alone = db->options.read_only && !ol_pg_in_transaction(db);
    int tries = 0;
    enum ol_class class;
    do {
        class = select_once(db, name, sql, params, ret_rows, reterr);
    } while (alone && ready_again(db, class, &tries));
    return class;
}

enum ol_class ol_pg_script(struct ol_pg *db, const char *name, const char *sql,
                           struct ol_pg_place *ret_place, struct ol_error *reterr)
{
    enum ol_class failed = ol_pg_ready(db, name, reterr);
    if (failed != OL_OK)
        return failed;
    if (!PQsendQuery(db->conn, sql))
        return ol_pg_lost(db, name, reterr);
    for (int done = 0;; done++) {
        OL_AUTO(ol_pg_result) struct pg_result *result = NULL;
        enum ol_class class =
            ol_pg_next_result(db, name, ol_pg_deadline_us(db, 0), &result, failed ? NULL : reterr);
        if (class != OL_OK || !result)
            return failed != OL_OK ? failed : class;
        if (PQresultStatus(result) == PGRES_EMPTY_QUERY)
            continue;
        struct ol_pg_step step = {.name = name};
        class = judge_result(db, &step, &result, NULL, failed ? NULL : reterr);
        if (class != OL_OK && failed == OL_OK) {
            const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
            if (ret_place)
                *ret_place = (struct ol_pg_place){
                    .position = position ? strtoul(position, NULL, 10) : 0, .statement = done + 1};
            failed = class;
        }
        if (!db->conn)
            return failed;
    }
}

/* ---- transactions ---- */

enum ol_class ol_pg_begin(struct ol_pg *db, struct ol_error *reterr)
{
    return ol_pg_exec(db, &ol_pg_stmt_begin, NULL, NULL, reterr);
}

enum ol_class ol_pg_begin_snapshot(struct ol_pg *db, struct ol_error *reterr)
{
    return ol_pg_exec(db, &ol_pg_stmt_begin_snapshot, NULL, NULL, reterr);
}

enum ol_class ol_pg_commit(struct ol_pg *db, struct ol_error *reterr)
{
    return ol_pg_exec(db, &ol_pg_stmt_commit, NULL, NULL, reterr);
}

enum ol_class ol_pg_rollback(struct ol_pg *db, struct ol_error *reterr)
{
    if (!ol_pg_usable(db) || (!ol_pg_in_transaction(db) && !db->step_count && !db->copying))
        return OL_OK;
    return ol_pg_exec(db, &ol_pg_stmt_rollback, NULL, NULL, reterr);
}

bool ol_pg_in_transaction(const struct ol_pg *db)
{
    return db->conn && PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}
