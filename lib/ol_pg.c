#include "lib/ol_pg.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ol_clock.h"
#include "lib/ol_pg_internal.h"

#define LEAST_SERVER_VERSION 140000 /* client_connection_check_interval */

const struct ol_pg_statement ol_pg_stmt_begin = {.name = "begin", .sql = "BEGIN"};
const struct ol_pg_statement ol_pg_stmt_begin_snapshot = {
    .name = "begin/snapshot", .sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
const struct ol_pg_statement ol_pg_stmt_commit = {.name = "commit", .sql = "COMMIT"};
const struct ol_pg_statement ol_pg_stmt_rollback = {.name = "rollback", .sql = "ROLLBACK"};

/* $6, $7 empty: as the server has it. */
static const struct ol_pg_statement session_set = {
    .name = "session/set",
    .sql = "SELECT set_config('statement_timeout', $1, false),"
           " set_config('lock_timeout', $2, false),"
           " set_config('idle_in_transaction_session_timeout', $3, false),"
           " set_config('client_connection_check_interval', $4, false),"
           " set_config('TimeZone', $5, false),"
           " set_config('synchronous_commit',"
           " coalesce(nullif($6, ''), current_setting('synchronous_commit')), false),"
           " set_config('default_transaction_read_only',"
           " coalesce(nullif($7, ''), current_setting('default_transaction_read_only')), false),"
           " set_config('DateStyle', 'ISO', false),"
           " set_config('jit', 'off', false)",
};

/* ---- opening and closing -------------------------------------------------------------------- */

static void copy_options(struct ol_pg *db, const struct ol_pg_options *from)
{
    struct ol_pg_options *to = &db->options;
    *to = *from;
    to->dsn = db->dsn = strdup(from->dsn ? from->dsn : "");
    to->application_name = db->application_name =
        strdup(from->application_name ? from->application_name : "orderlog");
    const struct {
        int *at, ms;
    } defaults[] = {
        {&to->connect_timeout_ms,             5000 },
        {&to->statement_timeout_ms,           30000},
        {&to->lock_timeout_ms,                10000},
        {&to->idle_in_transaction_timeout_ms, 30000},
        {&to->tcp_user_timeout_ms,            10000},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (*defaults[i].at == 0)
            *defaults[i].at = defaults[i].ms;
}

enum ol_class ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                         struct ol_error *reterr)
{
    OL_AUTO(ol_pg) struct ol_pg *db = calloc(1, sizeof *db);
    if (!db)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    copy_options(db, options);
    if (!db->dsn || !db->application_name)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    enum ol_class class = ol_pg_reconnect(db, reterr);
    if (class == OL_OK)
        *ret_db = OL_STEAL(db);
    return class;
}

void ol_pg_give_up(struct ol_pg *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
    db->copying = NULL;
    db->known_count = db->step_count = 0;
    db->sent = false;
}

void ol_pg_free(struct ol_pg *db)
{
    if (!db)
        return;
    ol_pg_give_up(db);
    free(db->dsn);
    free(db->application_name);
    free(db);
}

/* libpq's complaint would repeat a part of the text, which may be a part of the password. */
static enum ol_class check_dsn(const char *dsn, struct ol_error *reterr)
{
    if (!strchr(dsn, '=') && !strstr(dsn, "://"))
        return OL_OK; /* empty, or the name of a database */
    char *complaint = NULL;
    PQconninfoOption *parsed = PQconninfoParse(dsn, &complaint);
    PQfreemem(complaint);
    if (!parsed)
        return ol_fail(reterr, OL_USAGE,
                       "the PostgreSQL connection string can't be read (not shown: it may hold a "
                       "password); write postgresql://user@host:5432/database or host=... dbname=...");
    PQconninfoFree(parsed);
    return OL_OK;
}

/* What stands before dbname yields to the DSN; what stands behind it doesn't. */
static struct pg_conn *start_connection(const struct ol_pg *db)
{
    char user_timeout[16];
    int user_timeout_ms = db->options.tcp_user_timeout_ms;
    snprintf(user_timeout, sizeof user_timeout, "%d", user_timeout_ms < 0 ? 0 : user_timeout_ms);
    const char *const options[][2] = {
        {"keepalives",                "1"                 },
        {"keepalives_idle",           "10"                },
        {"keepalives_interval",       "5"                 },
        {"keepalives_count",          "3"                 },
        {"tcp_user_timeout",          user_timeout        },
        {"fallback_application_name", db->application_name},
        {"dbname",                    db->dsn             },
        {"client_encoding",           "UTF8"              },
    };
    enum { COUNT = sizeof options / sizeof options[0] };
    const char *keywords[COUNT + 1] = {0}, *values[COUNT + 1] = {0};
    for (int i = 0; i < COUNT; i++) {
        keywords[i] = options[i][0];
        values[i] = options[i][1];
    }
    return PQconnectStartParams(keywords, values, 1);
}

static void no_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* -1: no end. */
static int left_ms(int64_t deadline_us)
{
    if (deadline_us == INT64_MAX)
        return -1;
    int64_t left_us = deadline_us - ol_clock_monotonic_us();
    return left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
}

/* 1 ready, 0 the time is over, -1 the socket is no good. */
static int wait_socket(int fd, short events, int64_t deadline_us)
{
    for (;;) {
        struct pollfd polled = {.fd = fd, .events = events};
        int count = poll(&polled, 1, left_ms(deadline_us));
        if (count >= 0)
            return count;
        if (errno != EINTR)
            return -1;
    }
}

/* False: the time is over, or libpq has failed (its status tells). */
static bool finish_connection(struct pg_conn *conn, int64_t deadline_us)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (wait_socket(PQsocket(conn), events, deadline_us) <= 0)
            return false;
        state = PQconnectPoll(conn);
        if (state == PGRES_POLLING_FAILED)
            return false;
    }
    return state == PGRES_POLLING_OK;
}

static enum ol_class fail_connect(struct ol_pg *db, struct ol_error *reterr)
{
    char line[256];
    const char *message = PQerrorMessage(db->conn);
    ol_pg_find_sqlstate(message, db->sqlstate);
    ol_pg_first_line(message, line, sizeof line);

    if (PQstatus(db->conn) != CONNECTION_BAD)
        return ol_fail(reterr, OL_UNREACHABLE, "PostgreSQL at %s doesn't answer within %d ms",
                       db->where, db->options.connect_timeout_ms);
    if (!strncmp(db->sqlstate, "57P", 3))
        return ol_fail(reterr, OL_UNREACHABLE, "PostgreSQL at %s isn't ready: %s", db->where, line);
    if (db->sqlstate[0])
        return ol_fail(reterr, ol_pg_class(db->sqlstate), "PostgreSQL at %s refuses: %s", db->where,
                       line);
    if (PQconnectionNeedsPassword(db->conn))
        return ol_fail(reterr, OL_FATAL, "PostgreSQL at %s wants a password", db->where);
    if (!strncmp(line, "invalid ", strlen("invalid ")))
        return ol_fail(reterr, OL_USAGE, "the PostgreSQL connection string is off: %s", line);
    return ol_fail(reterr, OL_UNREACHABLE, "PostgreSQL at %s can't be reached: %s", db->where,
                   line);
}

static void param_ms(struct ol_pg_params *params, char buffer[16], int ms)
{
    int bytes = snprintf(buffer, 16, "%d", ms < 0 ? 0 : ms);
    ol_pg_param_text(params, buffer, (size_t)bytes);
}

static enum ol_class set_session(struct ol_pg *db, struct ol_error *reterr)
{
    const struct ol_pg_options *options = &db->options;
    const char *commit = options->synchronous_commit_off ? "off" : "";
    const char *read_only = options->read_only ? "on" : "";
    char ms[4][16];
    struct ol_pg_params params = {0};
    param_ms(&params, ms[0], options->statement_timeout_ms);
    param_ms(&params, ms[1], options->lock_timeout_ms);
    param_ms(&params, ms[2], options->idle_in_transaction_timeout_ms);
    param_ms(&params, ms[3], OL_PG_GRACE_MS);
    ol_pg_param_text(&params, "UTC", 3);
    ol_pg_param_text(&params, commit, strlen(commit));
    ol_pg_param_text(&params, read_only, strlen(read_only));
    return ol_pg_exec(db, &session_set, &params, NULL, reterr);
}

static enum ol_class connect_now(struct ol_pg *db, struct ol_error *reterr)
{
    int64_t deadline_us = ol_pg_deadline_us(db, db->options.connect_timeout_ms);
    db->conn = start_connection(db);
    if (!db->conn)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    PQsetNoticeProcessor(db->conn, no_notice, NULL);
    PQsetErrorVerbosity(db->conn, PQERRORS_VERBOSE); /* so that fail_connect sees the SQLSTATE */
    bool connected = finish_connection(db->conn, deadline_us);

    const char *host = PQhost(db->conn), *port = PQport(db->conn);
    snprintf(db->where, sizeof db->where, "%s:%s", host && *host ? host : "the default socket",
             port && *port ? port : "5432");
    if (!connected)
        return fail_connect(db, reterr);
    PQsetErrorVerbosity(db->conn, PQERRORS_DEFAULT);
    if (PQserverVersion(db->conn) < LEAST_SERVER_VERSION)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL at %s is version %d; 14 is the least",
                       db->where, PQserverVersion(db->conn) / 10000);
    if (PQsetnonblocking(db->conn, 1))
        return ol_pg_lost(db, "connect", reterr);
    return set_session(db, reterr);
}

enum ol_class ol_pg_reconnect(struct ol_pg *db, struct ol_error *reterr)
{
    ol_pg_give_up(db);
    enum ol_class class = check_dsn(db->dsn, reterr);
    if (class == OL_OK)
        class = connect_now(db, reterr);
    if (class != OL_OK)
        ol_pg_give_up(db);
    return class;
}

bool ol_pg_usable(const struct ol_pg *db)
{
    return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

const char *ol_pg_where(const struct ol_pg *db)
{
    return db->where;
}

const char *ol_pg_sqlstate(const struct ol_pg *db)
{
    return db->sqlstate;
}

enum ol_class ol_pg_ready(struct ol_pg *db, const char *name, struct ol_error *reterr)
{
    if (!ol_pg_usable(db))
        return ol_fail(reterr, OL_RETRY, "%s: the connection to PostgreSQL at %s is lost", name,
                       db->where);
    if (db->copying)
        return ol_fail(reterr, OL_FATAL, "%s: COPY %s is still under way", name,
                       db->copying->target->name);
    if (db->step_count)
        return ol_fail(reterr, OL_FATAL, "%s: the results of %s are still to be received", name,
                       db->steps[0].name);
    return OL_OK;
}

enum ol_class ol_pg_lost(struct ol_pg *db, const char *name, struct ol_error *reterr)
{
    char line[256];
    ol_pg_first_line(PQerrorMessage(db->conn), line, sizeof line);
    db->sqlstate[0] = 0;
    ol_pg_give_up(db);
    return ol_fail(reterr, OL_RETRY, "%s: lost the connection to PostgreSQL at %s: %s", name,
                   db->where, line);
}

struct ol_pg_known *ol_pg_know(struct ol_pg *db, const char *name)
{
    for (size_t i = 0; i < db->known_count; i++)
        if (db->known[i].name == name || !strcmp(db->known[i].name, name))
            return &db->known[i];
    if (db->known_count == OL_PG_PREPARED_MAX)
        return NULL;
    struct ol_pg_known *known = &db->known[db->known_count++];
    *known = (struct ol_pg_known){.name = name};
    return known;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

int64_t ol_pg_deadline_us(const struct ol_pg *db, int wait_ms)
{
    if (wait_ms == 0 && db->options.statement_timeout_ms > 0)
        wait_ms = db->options.statement_timeout_ms + OL_PG_GRACE_MS;
    return wait_ms <= 0 ? INT64_MAX : ol_clock_monotonic_us() + (int64_t)wait_ms * 1000;
}

static enum ol_class out_of_time(struct ol_pg *db, const char *name, struct ol_error *reterr)
{
    db->sqlstate[0] = 0;
    ol_pg_give_up(db);
    return ol_fail(reterr, OL_RETRY,
                   "%s: PostgreSQL at %s doesn't answer in time; the connection is given up", name,
                   db->where);
}

/* One turn: sleep until the socket has something for us (or room, while we hold output). */
static enum ol_class turn(struct ol_pg *db, const char *name, bool output, int64_t deadline_us,
                          struct ol_error *reterr)
{
    int ready = wait_socket(PQsocket(db->conn), output ? POLLIN | POLLOUT : POLLIN, deadline_us);
    if (ready == 0)
        return out_of_time(db, name, reterr);
    if (ready < 0 || !PQconsumeInput(db->conn))
        return ol_pg_lost(db, name, reterr);
    return OL_OK;
}

enum ol_class ol_pg_drain_output(struct ol_pg *db, const char *name, int64_t deadline_us,
                                 struct ol_error *reterr)
{
    int held;
    while ((held = PQflush(db->conn)) == 1) {
        enum ol_class class = turn(db, name, true, deadline_us, reterr);
        if (class != OL_OK)
            return class;
    }
    return held < 0 ? ol_pg_lost(db, name, reterr) : OL_OK;
}

enum ol_class ol_pg_next_result(struct ol_pg *db, const char *name, int64_t deadline_us,
                                struct pg_result **ret_result, struct ol_error *reterr)
{
    while (PQisBusy(db->conn)) {
        int held = PQflush(db->conn);
        if (held < 0)
            return ol_pg_lost(db, name, reterr);
        if (held == 0 && !PQisBusy(db->conn))
            break;
        enum ol_class class = turn(db, name, held == 1, deadline_us, reterr);
        if (class != OL_OK)
            return class;
    }
    *ret_result = PQgetResult(db->conn);
    return OL_OK;
}

/* ---- parameters -------------------------------------------------------------------------------- */

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

void ol_pg_param_bool(struct ol_pg_params *params, bool value)
{
    *add_scalar(params, OL_PG_BOOL, 1) = value;
}

void ol_pg_param_us(struct ol_pg_params *params, int64_t unix_us)
{
    ol_pg_store64(add_scalar(params, OL_PG_TIMESTAMPTZ, 8), (uint64_t)ol_pg_us_to_wire(unix_us));
}

void ol_pg_param_text(struct ol_pg_params *params, const char *text, size_t bytes)
{
    add_pointer(params, OL_PG_TEXT, text, bytes);
}

void ol_pg_param_bytea(struct ol_pg_params *params, const void *data, size_t bytes)
{
    add_pointer(params, OL_PG_BYTEA, data, bytes);
}

void ol_pg_param_array(struct ol_pg_params *params, struct ol_pg_array *array)
{
    size_t bytes = 0;
    const void *value = ol_pg_array_value(array, &bytes);
    if (!value)
        params->failed = true;
    add_pointer(params, array->type, value, bytes);
}

void ol_pg_param_null(struct ol_pg_params *params, enum ol_pg_type type)
{
    (void)add_scalar(params, type, -1);
}

/* The three arrays as libpq wants them. */
struct bound {
    int count;
    const char *values[OL_PG_PARAMS_MAX];
    const int *lengths;
    int formats[OL_PG_PARAMS_MAX];
    const unsigned *types;
};

static void bind(const struct ol_pg_params *params, struct bound *ret_bound)
{
    ret_bound->count = params ? params->count : 0;
    ret_bound->lengths = params ? params->lengths : NULL;
    ret_bound->types = params ? params->types : NULL;
    for (int i = 0; i < ret_bound->count; i++) {
        bool is_scalar = !params->values[i], is_null = params->lengths[i] < 0;
        const char *scalar = is_null ? NULL : (const char *)params->scalars[i];
        ret_bound->values[i] = is_scalar ? scalar : params->values[i];
        ret_bound->formats[i] = 1;
    }
}

/* ---- statements and the pipeline ------------------------------------------------------------------ */

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
    struct bound bound;
    bind(params, &bound);
    if ((class = check_types(known, &bound, reterr)) != OL_OK ||
        (class = enter_pipeline(db, statement->name, reterr)) != OL_OK)
        return class;

    bool prepares = known->state == OL_PG_NEW;
    if (prepares && !PQsendPrepare(db->conn, statement->name, statement->sql, bound.count,
                                   bound.types))
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
    return OL_OK;
}

enum ol_class ol_pg_flush(struct ol_pg *db, struct ol_error *reterr)
{
    if (db->step_count == 0)
        return OL_OK;
    /* Reading matters too: a server that can't write its answers stops reading our questions. */
    if (PQflush(db->conn) < 0 || !PQconsumeInput(db->conn))
        return ol_pg_lost(db, db->steps[0].name, reterr);
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
static enum ol_class take_result(struct ol_pg *db, struct ol_pg_step *step,
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
        ol_pg_give_up(db); /* COPY and the like: nothing that could be waited for here */
        return ol_fail(reterr, OL_FATAL, "%s: not a statement for exec or queue", step->name);
    }
    if (commit_was_refused(step, *result))
        return ol_fail(reterr, OL_FATAL, "commit: the transaction was aborted before");
    enum ol_class class = check_rows(step, *result, reterr);
    if (class != OL_OK || !ret_rows)
        return class;
    *ret_rows = (struct ol_pg_rows){.statement = step->statement,
                                    .count = PQntuples(*result),
                                    .affected = strtoll(PQcmdTuples(*result), NULL, 10),
                                    .result = OL_STEAL(*result)};
    return OL_OK;
}

/* One command's answer: its result and the NULL behind it. */
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
    class = take_result(db, step, &result, ret_rows, reterr);
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

enum ol_class ol_pg_exec(struct ol_pg *db, const struct ol_pg_statement *statement,
                         const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                         struct ol_error *reterr)
{
    enum ol_class class = ol_pg_ready(db, statement->name, reterr);
    if (class == OL_OK)
        class = ol_pg_queue(db, statement, params, reterr);
    return class == OL_OK ? ol_pg_receive(db, ret_rows, 1, 0, reterr) : class;
}

enum ol_class ol_pg_select(struct ol_pg *db, const char *name, const char *sql,
                           const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                           struct ol_error *reterr)
{
    enum ol_class class = ol_pg_ready(db, name, reterr);
    if (class != OL_OK || (class = queue_ready(db, name, params, reterr)) != OL_OK ||
        (class = enter_pipeline(db, name, reterr)) != OL_OK)
        return class;
    struct bound bound;
    bind(params, &bound);
    if (!PQsendQueryParams(db->conn, sql, bound.count, bound.types, bound.values, bound.lengths,
                           bound.formats, 0))
        return ol_pg_lost(db, name, reterr);
    db->steps[db->step_count++] = (struct ol_pg_step){.name = name};
    return ol_pg_receive(db, ret_rows, 1, 0, reterr);
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
        struct ol_pg_step step = {.name = name};
        class = take_result(db, &step, &result, NULL, failed ? NULL : reterr);
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

/* ---- transactions ------------------------------------------------------------------------------- */

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
