#include <string.h>

#include "verify/verify_internal.h"

/*
 * A column that is in the database and not in our tables would be written by somebody and compared
 * by nobody. So the catalogue is asked what there is, and what is not compared has to stand here.
 */
static const struct uncompared {
    const char *table, *column;
    const char *why; /* for who reads this */
} uncompared[] = {
    {"projection_progress", "projector_version", "the program's, which the log does not know"},
    {"installation", "topic_prefix", "every start compares it with the options"},
    {"installation", "partitions", "every start compares it with the options and the topics"},
    {"installation", "cluster_id", "every start compares it with the broker's"},
    {"installation", "created_at", "the database's own clock"},
    {"schema_migrations", "version", "every start compares it with the program's"},
    {"schema_migration_sums", "version", "a change of the schema, no event of the log"},
    {"schema_migration_sums", "sum", "'orderlog migrate' compares it with the file"},
};

static const struct ol_pg_statement columns_statement = {
    .name = "verify/columns",
    .sql = "SELECT relname::text, attname::text FROM pg_catalog.pg_attribute "
           "JOIN pg_catalog.pg_class c ON c.oid = attrelid "
           "JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace "
           "WHERE nspname = 'orderlog' AND relkind IN ('r', 'p') AND attnum > 0 "
           "AND NOT attisdropped ORDER BY 1, attnum",
    .columns = (const struct ol_pg_column[]){{"relname", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"attname", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {0}},
};

static bool is_left_out(const char *table, const char *column)
{
    for (size_t i = 0; i < sizeof uncompared / sizeof *uncompared; i++)
        if (strcmp(uncompared[i].table, table) == 0 && strcmp(uncompared[i].column, column) == 0)
            return true;
    return false;
}

static bool is_compared(const char *table, const char *column)
{
    if (strcmp(table, "projection_progress") == 0)
        for (const struct ol_pg_column *own = verify_progress_columns; own->name; own++)
            if (strcmp(own->name, column) == 0)
                return true;
    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (size_t k = 0; k < tables[i].column_count; k++)
            if (strcmp(tables[i].name, table) == 0 &&
                strcmp(tables[i].columns[k].name, column) == 0)
                return true;
    return false;
}

enum ol_class verify_columns(struct verify *verify, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(verify->session->db, &columns_statement, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        const char *table = ol_pg_text(&rows, row, 0).data;
        const char *column = ol_pg_text(&rows, row, 1).data;
        findings_look(&verify->findings, CHECK_COLUMNS);
        if (is_compared(table, column) || is_left_out(table, column))
            continue;
        findings_add(&verify->findings, CHECK_COLUMNS, table,
                     "%s.%s is a column that this program neither compares nor leaves out on "
                     "purpose",
                     table, column);
    }
    return class;
}
