/*
 * lib/pg/ol_pg.h - the one door to PostgreSQL: connect, ask, receive.
 *
 * open -> exec, exec ...                              one statement, one round trip
 *      -> queue, queue, send, (other work), receive   several statements, one round trip
 *      -> ol_pg_copy.h                                many rows
 *      -> free
 *
 * A connection belongs to one thread. Statements are rows of the caller's tables (name, SQL,
 * columns), prepared under their name at first use; parameters and results travel in binary.
 * Every wait is bounded: by the server's statement_timeout, and by our own clock five seconds
 * after that, in case the server is stopped or the network gone.
 *
 * After a failure look at the class alone. A lost connection is OL_RETRY; ol_pg_usable() is then
 * false and every call fails the same way until ol_pg_reconnect(). Nothing reconnects by itself:
 * only the caller knows what the lost transaction meant. Tables: sqlstates[] in ol_pg_error.c.
 */
#ifndef OL_PG_H
#define OL_PG_H

#include "lib/base/ol_error.h"
#include "lib/pg/ol_pg_wire.h"

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

#define OL_PG_PARAMS_MAX   32 /* parameters of one statement */
#define OL_PG_PIPELINE_MAX 32 /* statements between two sends */
#define OL_PG_PREPARED_MAX 96 /* statements and COPY targets of one connection */
#define OL_PG_NO_TIMEOUT   (-1)

/* ---- connection ---- */

/* Times in ms: 0 takes the default beside it, OL_PG_NO_TIMEOUT none. Strings are copied. */
struct ol_pg_options {
    const char *dsn;              /* URI or key=value; "" or NULL: libpq's PG* environment */
    const char *application_name; /* in pg_stat_activity, unless the DSN has another */
    int connect_timeout_ms; /* 5,000; for each host of the DSN, unless that has a connect_timeout */
    int statement_timeout_ms;           /* 30,000 */
    int lock_timeout_ms;                /* 10,000 */
    int idle_in_transaction_timeout_ms; /* 30,000 */
    int tcp_user_timeout_ms;            /* 10,000; unless the DSN says so itself */
    bool synchronous_commit_off;        /* projections only, see docs */
    bool read_only;                     /* every transaction, unless it says otherwise */
    bool primary;                       /* refuse a standby: its locks exclude nobody */
    bool pooled; /* a pooler in session mode may stand in between; else it is refused */
};

struct ol_pg;

/*
 * Connects and sets the session: the timeouts above (all others off), read committed, TimeZone UTC,
 * client_encoding UTF8, jit off, client_connection_check_interval (a server whose client is gone
 * stops working for it).
 * Several hosts are tried in their order, each in its own time (names are looked up before).
 *     OL_UNREACHABLE  nobody answers at host:port in time, or the server is starting or stopping; a
 *                     line for each host
 *     OL_RETRY        the server is there but full (53300 and the like)
 *     OL_USAGE        the DSN can't be read (it is never repeated: it may hold a password)
 *     OL_FATAL        the server says no: password, database, too old (14 is the least); or a
 *                     pooler stands in between, noticed before anything is set
 * A standby that is refused is OL_UNREACHABLE: the next host may be the primary.
 */
enum ol_class ol_pg_open(const struct ol_pg_options *options, struct ol_pg **ret_db,
                         struct ol_error *reterr);

/* Closes and connects again with the same options; prepared statements, transaction and session
 * state are gone. Fails as ol_pg_open does; the handle stays good for another try. */
enum ol_class ol_pg_reconnect(struct ol_pg *db, struct ol_error *reterr);

/* Ready for a fresh start, whatever was under way: rolls back an open transaction; connects again
 * when the connection is lost, or results or a COPY are pending (nobody waits for those). */
enum ol_class ol_pg_reset(struct ol_pg *db, struct ol_error *reterr);

void ol_pg_free(struct ol_pg *db);

/* False after the connection was lost. Says what is known; asks nobody. */
bool ol_pg_usable(const struct ol_pg *db);

/* "127.0.0.1:5432" or "/run/postgresql:5432", for messages. Never the password. */
const char *ol_pg_where(const struct ol_pg *db);

/* The SQLSTATE of the last failure that had one, else "". Valid until the next failure. */
const char *ol_pg_sqlstate(const struct ol_pg *db);

/* The last failure was a read that made room for a standby's recovery (40001, 40P01, or with the
 * connection): the whole transaction may be read again, after ol_pg_reset(). */
bool ol_pg_cancelled(const struct ol_pg *db);

/* The class of a SQLSTATE (five characters; NULL or "": OL_FATAL). */
enum ol_class ol_pg_class(const char *sqlstate);

/* ---- parameters ---- */

/*
 * The parameters $1, $2 ... in order. Zero-initialise, then add. Owns no memory: texts and
 * arrays must live until exec or queue has returned (libpq copies them there). The
 * types travel with the statement: a call with other types than the first is OL_FATAL.
 */
struct ol_pg_params {
    int count;
    bool failed; /* an array had failed: exec and queue refuse with OL_FATAL */
    unsigned types[OL_PG_PARAMS_MAX];
    int lengths[OL_PG_PARAMS_MAX];
    const char *values[OL_PG_PARAMS_MAX];
    unsigned char scalars[OL_PG_PARAMS_MAX][8];
};

void ol_pg_param_int64(struct ol_pg_params *params, int64_t value);
void ol_pg_param_int32(struct ol_pg_params *params, int32_t value);
void ol_pg_param_int16(struct ol_pg_params *params, int16_t value);
void ol_pg_param_text(struct ol_pg_params *params, const char *text, size_t bytes);
void ol_pg_param_array(struct ol_pg_params *params, struct ol_pg_array *array);

/* ---- statements and their rows ---- */

enum ol_pg_null { OL_PG_NOT_NULL, OL_PG_NULLABLE };

/* What we expect of a result's column, or of a column that COPY fills. */
struct ol_pg_column {
    const char *name;
    enum ol_pg_type type;
    enum ol_pg_null null;
};

/* A row of a caller's table, at file scope: the connection remembers its name and SQL. (Inside a
 * function a compound literal for the columns would live too short.) */
struct ol_pg_statement {
    const char *name; /* "stock/load": in errors, in the log, on the server */
    const char *sql;
    const struct ol_pg_column *columns; /* ends with {0}; NULL when no rows come back */
};

/* BEGIN, COMMIT and their like, to be queued with others in one round trip. */
extern const struct ol_pg_statement ol_pg_stmt_begin;
extern const struct ol_pg_statement ol_pg_stmt_begin_snapshot; /* repeatable read, read only */
extern const struct ol_pg_statement ol_pg_stmt_commit;
extern const struct ol_pg_statement ol_pg_stmt_rollback;

/* The rows of one statement. Zero-initialise; texts and bytes in it live until release. */
struct ol_pg_rows {
    struct pg_result *result;
    const struct ol_pg_statement *statement; /* NULL for ol_pg_select */
    int count;                               /* rows that came back */
    int64_t affected; /* the command tag's number: rows written, or returned */
};

void ol_pg_rows_release(struct ol_pg_rows *rows);

/*
 * Runs one statement (prepared at its first use on this connection) and waits for it.
 * params NULL: none. ret_rows NULL: rows are dropped; else it is released first and refilled.
 * Count, names and types of the columns are compared with statement->columns once per connection,
 * NULLs in OL_PG_NOT_NULL columns every time: a mismatch is OL_FATAL and names the column.
 * Failures: the class of the SQLSTATE; the text reads
 *     stock/add: 23505 duplicate key value ... (Key (sku)=(A) already exists.)
 * What a standby's recovery cancelled is read again, a few times, anew connected if need be: on
 * connections that are read_only and outside a transaction. Inside one see ol_pg_cancelled().
 */
enum ol_class ol_pg_exec(struct ol_pg *db, const struct ol_pg_statement *statement,
                         const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                         struct ol_error *reterr);

/* ---- several statements in one round trip ---- */

/*
 * queue ... -> send -> (other work) -> receive. Without a BEGIN among them, all statements
 * of one send are one transaction. Until receive has returned, nothing else may use the
 * connection (OL_FATAL). COPY can't be queued.
 */

/* Adds a statement (at most OL_PG_PIPELINE_MAX). Doesn't wait, keeps nothing of params. OL_FATAL
 * adds nothing and leaves what was queued before. */
enum ol_class ol_pg_queue(struct ol_pg *db, const struct ol_pg_statement *statement,
                          const struct ol_pg_params *params, struct ol_error *reterr);

/* Ends the round and writes what the socket takes now. Doesn't wait. */
enum ol_class ol_pg_send(struct ol_pg *db, struct ol_error *reterr);

/* How many results the next receive will bring. */
size_t ol_pg_queued(const struct ol_pg *db);

/*
 * Waits for all results, in the order of the queue; sends first if that wasn't done. ret_rows has
 * room for `count` = ol_pg_queued() of them (zero-initialised or used before; NULL: rows are
 * dropped). wait_ms is for all of them together; 0 takes the default, statement timeout + 5 s for
 * each. On failure ret_rows holds nothing and the first statement that failed is reported; the
 * connection stays usable, but a transaction that was open is aborted: ol_pg_rollback().
 * When the time is over the connection is given up (OL_RETRY, not usable).
 */
enum ol_class ol_pg_receive(struct ol_pg *db, struct ol_pg_rows *ret_rows, size_t count,
                            int wait_ms, struct ol_error *reterr);

/* ---- transactions ---- */

enum ol_class ol_pg_begin(struct ol_pg *db, struct ol_error *reterr);

/* Repeatable read, read only: every statement until commit sees one moment. */
enum ol_class ol_pg_begin_snapshot(struct ol_pg *db, struct ol_error *reterr);

/* OL_RETRY with an unusable connection: the outcome is unknown; reconnect and look. A transaction
 * that was aborted already can't be committed: OL_FATAL (PostgreSQL itself says ROLLBACK and no
 * error). */
enum ol_class ol_pg_commit(struct ol_pg *db, struct ol_error *reterr);

/* Ends a transaction, aborted or not. OL_OK also when there is none to end, and when the
 * connection is lost (the server ends it). */
enum ol_class ol_pg_rollback(struct ol_pg *db, struct ol_error *reterr);

bool ol_pg_in_transaction(const struct ol_pg *db);

/* ---- reading rows (binary results of exec and receive) ---- */

/* row < rows->count, column within statement->columns and of that type: asserted. A NULL reads as
 * 0, false, {NULL, 0} or an empty array. */
bool ol_pg_is_null(const struct ol_pg_rows *rows, int row, int column);
int64_t ol_pg_int64(const struct ol_pg_rows *rows, int row, int column);
int32_t ol_pg_int32(const struct ol_pg_rows *rows, int row, int column);
int16_t ol_pg_int16(const struct ol_pg_rows *rows, int row, int column);
bool ol_pg_bool(const struct ol_pg_rows *rows, int row, int column);
int64_t ol_pg_us(const struct ol_pg_rows *rows, int row, int column); /* timestamptz, unix us */

/* Text and char(n), NUL after it all the same. Lives until ol_pg_rows_release(). */
struct ol_pg_text ol_pg_text(const struct ol_pg_rows *rows, int row, int column);

/* Walks an array's elements; lives as long as the rows. */
struct ol_pg_elements {
    const unsigned char *at, *end;
    enum ol_pg_type type; /* of an element */
    int32_t left;         /* elements not yet read */
    bool is_null;         /* the element just read was NULL */
};

struct ol_pg_elements ol_pg_elements(const struct ol_pg_rows *rows, int row, int column);

/* The next element into *ret_value (0 or {NULL, 0} for NULL); false at the end. */
bool ol_pg_next_int64(struct ol_pg_elements *elements, int64_t *ret_value);
bool ol_pg_next_text(struct ol_pg_elements *elements, struct ol_pg_text *ret_value);

/* ---- for command-line tools: text in, text out ---- */

/* One query, not prepared, results as PostgreSQL prints them. `name` is for errors. */
enum ol_class ol_pg_select(struct ol_pg *db, const char *name, const char *sql,
                           const struct ol_pg_params *params, struct ol_pg_rows *ret_rows,
                           struct ol_error *reterr);

/* Of ol_pg_select's rows. "" for NULL (see ol_pg_is_null); lives until release. */
const char *ol_pg_string(const struct ol_pg_rows *rows, int row, int column);
int ol_pg_column_count(const struct ol_pg_rows *rows);

/* Where a script failed. */
struct ol_pg_place {
    size_t position; /* in the script, in characters from 1; 0: the server didn't say */
    int statement;   /* which statement it was, from 1 */
};

/* Runs a text of one or many statements (simple protocol, no parameters), drops the rows. Without
 * BEGIN in it or around it, it is one transaction. ret_place (may be NULL) is set on failure. */
enum ol_class ol_pg_script(struct ol_pg *db, const char *name, const char *sql,
                           struct ol_pg_place *ret_place, struct ol_error *reterr);

/* ---- OL_AUTO ---- */

/* OL_AUTO(ol_pg) struct ol_pg *db = NULL;   OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
 * OL_AUTO(ol_pg_array) struct ol_pg_array skus;  (after init) */
static inline void ol_pg_auto(struct ol_pg **db)
{
    ol_pg_free(*db);
}

static inline void ol_pg_rows_auto(struct ol_pg_rows *rows)
{
    ol_pg_rows_release(rows);
}

#endif
