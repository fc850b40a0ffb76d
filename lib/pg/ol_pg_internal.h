/*
 * lib/pg/ol_pg_internal.h - what the files behind ol_pg.h share; nobody else includes it.
 *
 * ol_pg_connect.c (connection, waiting), ol_pg_hosts.c (whom to try), ol_pg.c (parameters, statements, pipeline), ol_pg_rows.c
 * (readers), ol_pg_copy.c, ol_pg_error.c (SQLSTATE -> class), ol_pg_wire.c (encoding).
 * A lost or given-up connection has conn NULL and nothing under way.
 */
#ifndef OL_PG_INTERNAL_H
#define OL_PG_INTERNAL_H

#include <libpq-fe.h>

#include "lib/pg/ol_pg.h"
#include "lib/pg/ol_pg_copy.h"

#define OL_PG_WHERE_BYTES 256
#define OL_PG_GRACE_MS    5000 /* how much longer than the server's timeout we wait */

#define OL_PG_HOST_BYTES    256
#define OL_PG_ADDRESS_BYTES 64
#define OL_PG_CONNECT_MAX_S 86400 /* a longer connect_timeout is not what anybody meant */

/* One place where a server may be. "": as libpq has it. */
struct ol_pg_host {
    char host[OL_PG_HOST_BYTES];       /* as the connection string names it */
    char address[OL_PG_ADDRESS_BYTES]; /* numeric */
    char port[16];
    char unknown[64]; /* why the name has no address; "": it has, or needs none */
};

/* All that a connection string names, in its order; a name once for each of its addresses. */
struct ol_pg_hosts {
    struct ol_pg_host *items;
    size_t count;
    int timeout_ms;       /* for each: connect_timeout; 0: not said */
    bool prefers_standby; /* target_session_attrs=prefer-standby: two rounds */
};

/* Resolves the string, the PG* environment and the service file, and looks the names up. `hosts` is
 * zero-initialised. OL_USAGE: the settings don't go together. Release whatever it returns. */
enum ol_class ol_pg_hosts_find(const char *dsn, struct ol_pg_hosts *hosts, struct ol_error *reterr);
void ol_pg_hosts_release(struct ol_pg_hosts *hosts);
static inline void ol_pg_hosts_auto(struct ol_pg_hosts *hosts)
{
    ol_pg_hosts_release(hosts);
}

/* What this connection knows of a statement or COPY target. */
struct ol_pg_known {
    const char *name, *sql;
    enum { OL_PG_NEW, OL_PG_PREPARING, OL_PG_PREPARED } state;
    bool columns_checked;
    int param_count;
    unsigned param_types[OL_PG_PARAMS_MAX];
};

/* One entry of the pipeline. */
struct ol_pg_step {
    const char *name;
    const struct ol_pg_statement *statement; /* NULL: ol_pg_select */
    struct ol_pg_known *known;               /* NULL: not prepared */
    bool prepares;                           /* a Parse travels before it */
};

struct ol_pg {
    struct pg_conn *conn;
    struct ol_pg_options options; /* its strings are the two below */
    char *dsn, *application_name;
    char where[OL_PG_WHERE_BYTES];
    char sqlstate[6];
    struct ol_pg_known known[OL_PG_PREPARED_MAX];
    size_t known_count;
    struct ol_pg_step steps[OL_PG_PIPELINE_MAX];
    size_t step_count;
    bool sent;                  /* the pipeline's end is marked */
    bool cancelled;             /* what was sent last, by a standby's recovery */
    struct ol_pg_copy *copying; /* NULL: none */
};

/* OL_OK: the connection is there and nothing is under way. Else the failure, told under `name`. */
enum ol_class ol_pg_ready(struct ol_pg *db, const char *name, struct ol_error *reterr);

/* Closes and forgets the connection; after it ol_pg_usable() is false. */
void ol_pg_give_up(struct ol_pg *db);

/* Gives up and says so with libpq's own words; always OL_RETRY. */
enum ol_class ol_pg_lost(struct ol_pg *db, const char *name, struct ol_error *reterr);

/* The entry of `name`, made if it is new. NULL: OL_PG_PREPARED_MAX is reached. */
struct ol_pg_known *ol_pg_know(struct ol_pg *db, const char *name);

/* When a wait has to end (monotonic us): wait_ms from now, 0: the default of the connection. */
int64_t ol_pg_deadline_us(const struct ol_pg *db, int wait_ms);

/* Writes all that libpq holds (reading meanwhile). */
enum ol_class ol_pg_drain_output(struct ol_pg *db, const char *name, int64_t deadline_us,
                                 struct ol_error *reterr);

/* Waits until PQgetResult can't block, then calls it: *ret_result may be NULL, as libpq's. */
enum ol_class ol_pg_next_result(struct ol_pg *db, const char *name, int64_t deadline_us,
                                struct pg_result **ret_result, struct ol_error *reterr);

/* Compares a result's columns with what is expected. */
enum ol_class ol_pg_check_columns(const char *name, const struct pg_result *result,
                                  const struct ol_pg_column *columns, struct ol_error *reterr);

/* OL_FATAL when a column that is OL_PG_NOT_NULL holds a NULL. */
enum ol_class ol_pg_check_nulls(const char *name, const struct pg_result *result,
                                const struct ol_pg_column *columns, struct ol_error *reterr);

/* A failed result as class and sentence; remembers its SQLSTATE. */
enum ol_class ol_pg_fail_result(struct ol_pg *db, const char *name, const struct pg_result *result,
                                struct ol_error *reterr);

/* The first line of libpq's message, without its preamble, into `ret_text`. */
void ol_pg_first_line(const char *message, char *ret_text, size_t size_bytes);

/* Reads "...:  3D000: database ..." (PQERRORS_VERBOSE): the SQLSTATE or "". */
void ol_pg_find_sqlstate(const char *message, char ret_sqlstate[6]);

static inline void ol_pg_result_auto(struct pg_result **result)
{
    PQclear(*result);
}

#endif
