#include "projections/schema.h"

#include <string.h>

#include "lib/program/ol_log.h"

static const char *const needed[] = {
    "20261122000001", "20261122000002", "20261122000003", "20261123000001", "20261123000002",
    "20261130000001", "20261130000002", "20261201000001", "20261201000003",
};
#define NEEDED (sizeof needed / sizeof *needed)

#define NO_TABLE  "42P01"
#define NO_RIGHTS "42501"

static const struct ol_pg_statement versions_read = {
    .name = "schema/versions",
    .sql =
        "SELECT version::text COLLATE \"C\" AS version FROM orderlog.schema_migrations ORDER BY 1",
    .columns = (const struct ol_pg_column[]){{"version", OL_PG_TEXT, OL_PG_NOT_NULL}, {0}},
};

/* The projector's rights are granted as one; this table is written in each of its transactions. */
static const struct ol_pg_statement rights_read = {
    .name = "schema/rights",
    .sql = "SELECT current_user::text AS login,"
           " has_table_privilege('orderlog.projection_progress', 'INSERT')"
           " AND has_table_privilege('orderlog.projection_progress', 'UPDATE') AS writes",
    .columns = (const struct ol_pg_column[]){{"login", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"writes", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {0}},
};

const char *const *schema_versions(size_t *ret_count)
{
    *ret_count = NEEDED;
    return needed;
}

static enum ol_class read_versions(struct ol_pg *db, bool writes, struct ol_pg_rows *rows,
                                   struct ol_error *reterr)
{
    struct ol_error error;
    enum ol_class class = ol_pg_exec(db, &versions_read, NULL, rows, &error);
    if (class && strcmp(ol_pg_sqlstate(db), NO_TABLE) == 0)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "the database at %s has no schema yet; run 'orderlog migrate up'",
                       ol_pg_where(db));
    if (class && strcmp(ol_pg_sqlstate(db), NO_RIGHTS) == 0)
        return ol_fail(reterr, class,
                       "the database at %s: %s; grant the login the role orderlog_%s (it may read "
                       "that once 'orderlog migrate up' has run)",
                       ol_pg_where(db), error.text, writes ? "projector" : "worker");
    if (class)
        *reterr = error;
    return class;
}

static bool is_applied(const struct ol_pg_rows *applied, const char *version)
{
    for (int row = 0; row < applied->count; row++)
        if (strcmp(ol_pg_text(applied, row, 0).data, version) == 0)
            return true;
    return false;
}

static enum ol_class compare_versions(struct ol_pg *db, const struct ol_pg_rows *applied,
                                      struct ol_error *reterr)
{
    const char *newest = applied->count ? ol_pg_text(applied, applied->count - 1, 0).data : "";
    const char *missing = NULL;
    size_t count = 0;
    for (size_t i = 0; i < NEEDED; i++) {
        bool there = is_applied(applied, needed[i]);
        count += there;
        if (!there && !missing)
            missing = needed[i];
    }
    if (missing)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "the database at %s has %zu of the %zu changes of the schema that this "
                       "program needs, %s is missing; run 'orderlog migrate up'",
                       ol_pg_where(db), count, NEEDED, missing);
    /* Roles go on while a newer program takes over from them, crashes included. */
    if (strcmp(newest, needed[NEEDED - 1]) > 0)
        ol_log(OL_LOG_WARN, "schema", "a newer orderlog has migrated the database",
               ol_kv("database", ol_pg_where(db)), ol_kv("newest", newest),
               ol_kv("known", needed[NEEDED - 1]));
    return OL_OK;
}

static enum ol_class compare_rights(struct ol_pg *db, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(db, &rights_read, NULL, &rows, reterr);
    if (!class && !ol_pg_bool(&rows, 0, 1))
        class = ol_fail(reterr, OL_FATAL,
                        "the login %s may not write the rows of the database at %s; grant it the "
                        "role orderlog_projector",
                        ol_pg_text(&rows, 0, 0).data, ol_pg_where(db));
    return class;
}

enum ol_class schema_compare(struct ol_pg *db, bool writes, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows applied = {0};
    enum ol_class class = read_versions(db, writes, &applied, reterr);
    if (!class)
        class = compare_versions(db, &applied, reterr);
    return class || !writes ? class : compare_rights(db, reterr);
}
