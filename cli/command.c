#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/program/ol_table.h"
#include "verify/session.h"

static const struct ol_table_column columns[] = {
    {"context", OL_TABLE_TEXT},       {"aggregate_id", OL_TABLE_TEXT},
    {"outcome", OL_TABLE_TEXT},       {"code", OL_TABLE_TEXT},
    {"duplicates", OL_TABLE_NUMBER},  {"conflicts", OL_TABLE_NUMBER},
    {"conflict_code", OL_TABLE_TEXT}, {"order_status", OL_TABLE_TEXT},
    {"order_reason", OL_TABLE_TEXT},  {"recorded_at", OL_TABLE_TEXT},
    {"message", OL_TABLE_TEXT},
};

#define ISO "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"

/* Whoever used the id again with another body was answered COMMAND_ID_REUSED: a conflict. */
static const char sql[] =
    "SELECT c.context, c.aggregate_id, c.outcome, c.code, c.duplicates, c.conflicts, "
    "CASE WHEN c.conflicts > 0 THEN 'COMMAND_ID_REUSED' END, o.status, o.reason, "
    "to_char(c.recorded_at AT TIME ZONE 'UTC', " ISO "), c.message "
    "FROM orderlog.commands c "
    "LEFT JOIN orderlog.orders o ON c.context = 'orders' AND o.order_id = c.aggregate_id "
    "WHERE c.command_id = $1 COLLATE \"C\" ORDER BY c.recorded_at, c.context, c.aggregate_id";

enum ol_class command_show_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_ID | SESSION_PG, reterr);
    if (class)
        return class;
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    const char *id = options->arguments[0];
    ol_pg_param_text(&params, id, strlen(id));
    class = ol_pg_select(session.db, "command/show", sql, &params, &rows, reterr);
    if (class)
        return class;
    if (rows.count == 0)
        return ol_fail(
            reterr, OL_NOT_FOUND,
            "no aggregate has an outcome for a command with the id '%s'; a moment ago it "
            "may not have been decided yet ('orderlog lag'), or it could not be read "
            "('orderlog dlq list')",
            id);
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    ol_table_rows(&table, &rows);
    return ol_table_print(&table, stdout, reterr);
}
