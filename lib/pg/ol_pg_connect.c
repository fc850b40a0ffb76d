#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/pg/ol_pg_internal.h"

#define LEAST_SERVER_VERSION 140000 /* client_connection_check_interval */

/* $6, $7 empty: as the server has it. Every other timeout that role or database may have set, and
 * that this server knows, is switched off: those of later versions too. */
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
           " set_config('default_transaction_isolation', 'read committed', false),"
           " set_config('DateStyle', 'ISO', false),"
           " set_config('jit', 'off', false),"
           " (SELECT count(set_config(name, '0', false)) FROM pg_settings"
           " WHERE name LIKE '%timeout%' AND context = 'user' AND min_val = '0'"
           " AND name NOT IN ('statement_timeout', 'lock_timeout',"
           " 'idle_in_transaction_session_timeout'))",
};

static const struct ol_pg_statement begin_read_committed = {
    .name = "session/begin", .sql = "BEGIN ISOLATION LEVEL READ COMMITTED"};

#define LOOK "SELECT pg_backend_pid(), pg_is_in_recovery()"

/* ---- opening and closing --------------------------------------------------------------------- */

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
        {&to->connect_timeout_ms, 5000},   {&to->statement_timeout_ms, 30000},
        {&to->lock_timeout_ms, 10000},     {&to->idle_in_transaction_timeout_ms, 30000},
        {&to->tcp_user_timeout_ms, 10000},
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
        return ol_fail(
            reterr, OL_USAGE,
            "the PostgreSQL connection string can't be read (not shown: it may hold a "
            "password); write postgresql://user@host:5432/database or host=... dbname=...");
    PQconninfoFree(parsed);
    return OL_OK;
}

/* What stands before dbname yields to the DSN; what stands after it doesn't. libpq leaves out what
 * is "". */
static struct pg_conn *start_connection(const struct ol_pg *db, const struct ol_pg_host *host,
                                        const char *attributes)
{
    char user_timeout[16];
    int user_timeout_ms = db->options.tcp_user_timeout_ms;
    snprintf(user_timeout, sizeof user_timeout, "%d", user_timeout_ms < 0 ? 0 : user_timeout_ms);
    const char *const options[][2] = {
        {"keepalives", "1"},
        {"keepalives_idle", "10"},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", user_timeout},
        {"fallback_application_name", db->application_name},
        {"dbname", db->dsn},
        {"client_encoding", "UTF8"},
        {"host", host->host},
        {"hostaddr", host->address},
        {"port", host->port},
        {"target_session_attrs", attributes},
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
    while (fd >= 0) {
        struct pollfd polled = {.fd = fd, .events = events};
        int count = poll(&polled, 1, left_ms(deadline_us));
        if (count >= 0)
            return count;
        if (errno != EINTR)
            break;
    }
    return -1;
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

static enum ol_class fail_connect(struct ol_pg *db, int timeout_ms, struct ol_error *reterr)
{
    char line[256];
    const char *message = PQerrorMessage(db->conn);
    ol_pg_find_sqlstate(message, db->sqlstate);
    ol_pg_first_line(message, line, sizeof line);

    if (PQstatus(db->conn) != CONNECTION_BAD)
        return ol_fail(reterr, OL_UNREACHABLE, "PostgreSQL at %s doesn't answer within %d ms",
                       db->where, timeout_ms);
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
    /* A standby refuses any snapshot under a default of serializable (0A000). */
    enum ol_class class = ol_pg_queue(db, &begin_read_committed, NULL, reterr);
    if (!class)
        class = ol_pg_queue(db, &session_set, &params, reterr);
    if (!class)
        class = ol_pg_queue(db, &ol_pg_stmt_commit, NULL, reterr);
    return class ? class : ol_pg_receive(db, NULL, 0, 0, reterr);
}

/* Sends a text of statements; the rows of the one that has some into *ret_result. */
static enum ol_class ask(struct ol_pg *db, const char *sql, int64_t deadline_us,
                         struct pg_result **ret_result, struct ol_error *reterr)
{
    static const char name[] = "session/look";
    struct pg_result *result = NULL;
    enum ol_class failed = OL_OK, class;
    if (!PQsendQuery(db->conn, sql))
        return ol_pg_lost(db, name, reterr);
    while (!(class = ol_pg_next_result(db, name, deadline_us, &result, failed ? NULL : reterr)) &&
           result) {
        if (PQresultStatus(result) == PGRES_TUPLES_OK && !*ret_result) {
            *ret_result = OL_STEAL(result);
            continue;
        }
        if (PQresultStatus(result) == PGRES_FATAL_ERROR && !failed)
            failed = ol_pg_fail_result(db, name, result, reterr);
        PQclear(OL_STEAL(result));
    }
    if (!failed && !class && !*ret_result)
        return ol_pg_lost(db, name, reterr);
    return failed ? failed : class;
}

/* The first words on a connection, before anything is set: a pooler that gives each transaction
 * another connection would leave our settings with somebody else's. It has process numbers of its
 * own; what only passes bytes on has the server's. */
static enum ol_class look_around(struct ol_pg *db, int64_t deadline_us, int timeout_ms,
                                 struct ol_error *reterr)
{
    OL_AUTO(ol_pg_result) struct pg_result *result = NULL;
    enum ol_class class = ask(db, LOOK, deadline_us, &result, reterr);
    if (class == OL_FATAL && !strcmp(db->sqlstate, "0A000"))
        class = ask(db, "BEGIN ISOLATION LEVEL READ COMMITTED;" LOOK ";COMMIT", deadline_us,
                    &result, reterr);
    if (class && ol_clock_monotonic_us() >= deadline_us)
        return ol_fail(reterr, OL_UNREACHABLE,
                       "PostgreSQL at %s takes connections, but doesn't answer within %d ms",
                       db->where, timeout_ms);
    if (class)
        return class;
    int pid = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    if (pid != PQbackendPID(db->conn) && !db->options.pooled)
        return ol_fail(reterr, OL_FATAL,
                       "PostgreSQL at %s stands behind a pooler, which may give each transaction "
                       "another connection: connect directly, or to a pool in session mode with "
                       "--pg-pooler=session",
                       db->where);
    if (db->options.primary && *PQgetvalue(result, 0, 1) == 't')
        return ol_fail(reterr, OL_UNREACHABLE,
                       "PostgreSQL at %s is a standby, and this is for the primary alone",
                       db->where);
    return OL_OK;
}

/* The address only where the name alone doesn't tell. */
static void name_place(struct ol_pg *db, const struct ol_pg_host *host, bool several)
{
    const char *name = host->host[0] ? host->host : host->address;
    bool both = several && host->address[0] && strcmp(host->host, host->address);
    snprintf(db->where, sizeof db->where, "%s%s%s%s:%s", *name ? name : "the default socket",
             both ? " (" : "", both ? host->address : "", both ? ")" : "", host->port);
}

static enum ol_class connect_to(struct ol_pg *db, const struct ol_pg_host *host,
                                const char *attributes, int timeout_ms, struct ol_error *reterr)
{
    int64_t deadline_us = ol_pg_deadline_us(db, timeout_ms);
    if (host->unknown[0])
        return ol_fail(reterr, OL_UNREACHABLE, "PostgreSQL at %s can't be reached: %s", db->where,
                       host->unknown);
    db->conn = start_connection(db, host, attributes);
    if (!db->conn)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL: out of memory");
    PQsetNoticeProcessor(db->conn, no_notice, NULL);
    PQsetErrorVerbosity(db->conn, PQERRORS_VERBOSE); /* so that fail_connect sees the SQLSTATE */
    if (!finish_connection(db->conn, deadline_us))
        return fail_connect(db, timeout_ms, reterr);
    PQsetErrorVerbosity(db->conn, PQERRORS_DEFAULT);
    if (PQserverVersion(db->conn) < LEAST_SERVER_VERSION)
        return ol_fail(reterr, OL_FATAL, "PostgreSQL at %s is version %d; 14 is the least",
                       db->where, PQserverVersion(db->conn) / 10000);
    if (PQsetnonblocking(db->conn, 1))
        return ol_pg_lost(db, "connect", reterr);
    return look_around(db, deadline_us, timeout_ms, reterr);
}

/* One after the other, each in its time, until one will do; a line for each that won't. A server that
 * says no to who we are is asked once: its word is for all of them. */
static enum ol_class try_hosts(struct ol_pg *db, const struct ol_pg_hosts *hosts,
                               const char *attributes, struct ol_error *reterr)
{
    int timeout_ms = hosts->timeout_ms ? hosts->timeout_ms : db->options.connect_timeout_ms;
    struct ol_error all = {0};
    size_t used = 0;
    for (size_t i = 0; i < hosts->count; i++) {
        struct ol_error error = {0};
        ol_pg_give_up(db);
        name_place(db, &hosts->items[i], hosts->count > 1);
        all.class = connect_to(db, &hosts->items[i], attributes, timeout_ms, &error);
        if (!all.class)
            return OL_OK;
        if (used < sizeof all.text)
            used += (size_t)snprintf(all.text + used, sizeof all.text - used, "%s%s",
                                     used ? "\n" : "", error.text);
        if (all.class != OL_UNREACHABLE && all.class != OL_RETRY)
            break;
    }
    if (reterr)
        *reterr = all;
    return all.class;
}

static enum ol_class connect_now(struct ol_pg *db, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_hosts) struct ol_pg_hosts hosts = {0};
    enum ol_class class = ol_pg_hosts_find(db->dsn, &hosts, reterr);
    if (class)
        return class;
    class = try_hosts(db, &hosts, hosts.prefers_standby ? "standby" : "", reterr);
    if (hosts.prefers_standby && (class == OL_UNREACHABLE || class == OL_RETRY))
        class = try_hosts(db, &hosts, "any", reterr);
    return class ? class : set_session(db, reterr);
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

enum ol_class ol_pg_reset(struct ol_pg *db, struct ol_error *reterr)
{
    bool clean = ol_pg_usable(db) && !db->copying && !db->step_count;
    if (clean && ol_pg_rollback(db, NULL) == OL_OK)
        return OL_OK;
    return ol_pg_reconnect(db, reterr);
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

/* ---- waiting --------------------------------------------------------------------------------- */

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

/* Sleeps once, until the socket has something for us (or room, while we hold output). */
static enum ol_class wait_for_server(struct ol_pg *db, const char *name, bool output,
                                     int64_t deadline_us, struct ol_error *reterr)
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
        enum ol_class class = wait_for_server(db, name, true, deadline_us, reterr);
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
        if (!PQisBusy(db->conn)) /* flushing may have read the rest */
            break;
        enum ol_class class = wait_for_server(db, name, held == 1, deadline_us, reterr);
        if (class != OL_OK)
            return class;
    }
    *ret_result = PQgetResult(db->conn);
    return OL_OK;
}
