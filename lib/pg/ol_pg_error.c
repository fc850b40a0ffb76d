#include "lib/pg/ol_pg_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What a loop does about a SQLSTATE. The first row that begins the code decides, so the exact
 * codes stand before their class; whatever is not here is OL_FATAL: 22 and 23 (the data don't fit
 * the schema: nobody may skip an event), 28 and 3D (who and where), 42 (the SQL is wrong), XX. */
static const struct {
    const char *prefix;
    enum ol_class class;
} sqlstates[] = {
    {"25P03", OL_RETRY}, /* idle_in_transaction_session_timeout */
    {"40001", OL_RETRY}, /* serialization_failure; a read that a standby's recovery cancelled */
    {"40003", OL_RETRY}, /* statement_completion_unknown */
    {"40P01", OL_RETRY}, /* deadlock_detected: the transaction again */
    {"55006", OL_RETRY}, /* object_in_use */
    {"55P03", OL_RETRY}, /* lock_not_available: lock_timeout */
    {"57014", OL_RETRY}, /* query_canceled: statement_timeout */
    {"57P01", OL_RETRY}, /* admin_shutdown, pg_terminate_backend */
    {"57P02", OL_RETRY}, /* crash_shutdown */
    {"57P03", OL_RETRY}, /* cannot_connect_now: starting, stopping, recovering */
    {"57P05", OL_RETRY}, /* idle_session_timeout */
    {"58030", OL_RETRY}, /* io_error */
    {"08", OL_RETRY},    /* connection_exception */
    {"53", OL_RETRY},    /* insufficient_resources: disk, memory, connections */
};

enum ol_class ol_pg_class(const char *sqlstate)
{
    for (size_t i = 0; sqlstate && i < sizeof sqlstates / sizeof sqlstates[0]; i++)
        if (!strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)))
            return sqlstates[i].class;
    return OL_FATAL;
}

bool ol_pg_cancelled(const struct ol_pg *db)
{
    return db->cancelled;
}

enum ol_class ol_pg_fail_result(struct ol_pg *db, const char *name, const struct pg_result *result,
                                struct ol_error *reterr)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);

    snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate ? sqlstate : "");
    /* It may take the connection along: then its loss is told after it. */
    if (!strcmp(db->sqlstate, "40001") || !strcmp(db->sqlstate, "40P01"))
        db->cancelled = true;
    if (!sqlstate) { /* libpq's own: as a rule the connection went away */
        char line[256];
        ol_pg_first_line(PQresultErrorMessage(result), line, sizeof line);
        return ol_fail(reterr, PQstatus(db->conn) == CONNECTION_BAD ? OL_RETRY : OL_FATAL,
                       "%s: PostgreSQL at %s: %s", name, db->where, line);
    }
    /* A statement that we prepared is not there, or there before: another server connection. */
    bool strange = db->options.pooled && (!strcmp(sqlstate, "26000") || !strcmp(sqlstate, "42P05"));
    enum ol_class class =
        ol_fail(reterr, ol_pg_class(sqlstate), "%s: %s %s%s%s%s%s%s%s%s", name, sqlstate,
                primary ? primary : "", detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
                context ? " [" : "", context ? context : "", context ? "]" : "",
                strange ? "; the pooler is not in session mode" : "");
    if (reterr)
        for (char *c = reterr->text; *c; c++)
            if (*c == '\n')
                *c = ' ';
    return class;
}

/* connection to server at "127.0.0.1", port 1 failed: Connection refused\n\tIs the server ... */
void ol_pg_first_line(const char *message, char *ret_text, size_t size_bytes)
{
    static const char preamble[] = "connection to server", verdict[] = " failed: ";
    const char *failed = strstr(message, verdict);
    if (failed && !strncmp(message, preamble, strlen(preamble)))
        message = failed + strlen(verdict);
    size_t bytes = strcspn(message, "\n");
    if (bytes)
        snprintf(ret_text, size_bytes, "%.*s", (int)bytes, message);
    else
        snprintf(ret_text, size_bytes, "no reason given");
}

static bool looks_like_sqlstate(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]))
            return false;
    return text[5] == ':';
}

void ol_pg_find_sqlstate(const char *message, char ret_sqlstate[6])
{
    ret_sqlstate[0] = 0;
    for (const char *at = message; (at = strstr(at, ":  ")); at++)
        if (looks_like_sqlstate(at + 3)) {
            snprintf(ret_sqlstate, 6, "%.5s", at + 3);
            return;
        }
}
