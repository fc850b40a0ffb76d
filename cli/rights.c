#include "cli/rights.h"

#include <stdio.h>

#include "lib/base/ol_text.h"

#define ROLES "ARRAY['orderlog_owner', 'orderlog_projector', 'orderlog_worker', 'orderlog_analyst']"
#define SHOWN 8 /* statements in one message */

/* Of the login: its name, the database's, may it make schemas (or are they there), roles? And has the
 * database rows of ours, but no word of what was applied? */
static const struct ol_pg_statement login_read = {
    .name = "rights/login",
    .sql = "SELECT quote_ident(current_user) AS login, quote_ident(current_database()) AS database,"
           " has_database_privilege(current_database(), 'CREATE')"
           " OR (to_regnamespace('orderlog') IS NOT NULL"
           " AND to_regnamespace('analytics') IS NOT NULL) AS makes_schemas,"
           " rolsuper OR rolcreaterole AS makes_roles,"
           " to_regclass('orderlog.installation') IS NOT NULL"
           " AND to_regclass('orderlog.schema_migrations') IS NULL"
           " AND to_regclass('public.schema_migrations') IS NULL AS unknown"
           " FROM pg_roles WHERE rolname = current_user",
    .columns = (const struct ol_pg_column[]){{"login", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"database", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"makes_schemas", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"makes_roles", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"unknown", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {0}},
};
enum { LOGIN, DATABASE, MAKES_SCHEMAS, MAKES_ROLES, UNKNOWN };

static const struct ol_pg_column statement_columns[] = {{"statement", OL_PG_TEXT, OL_PG_NOT_NULL},
                                                        {0}};

static const struct ol_pg_statement roles_missing = {
    .name = "rights/roles",
    .sql = "SELECT format('CREATE ROLE %I NOLOGIN', wanted) AS statement"
           " FROM unnest(" ROLES ") WITH ORDINALITY w (wanted, n)"
           " WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) ORDER BY n",
    .columns = statement_columns,
};

/* Only of roles and schemas that are there. What was applied is nobody's to write but the owner's. */
static const struct ol_pg_statement grants_missing = {
    .name = "rights/grants",
    .sql =
        "WITH wanted (role, schema, privileges) AS (VALUES"
        " ('orderlog_owner', 'orderlog', '{SELECT}'::text[]),"
        " ('orderlog_owner', 'analytics', '{SELECT}'),"
        " ('orderlog_projector', 'orderlog', '{SELECT,INSERT,UPDATE}'),"
        " ('orderlog_worker', 'orderlog', '{SELECT}'),"
        " ('orderlog_analyst', 'analytics', '{SELECT}')),"
        " known AS (SELECT r.oid AS role_oid, w.role, n.oid AS schema_oid, w.schema, w.privileges"
        " FROM wanted w JOIN pg_roles r ON r.rolname = w.role"
        " JOIN pg_namespace n ON n.nspname = w.schema)"
        "SELECT statement FROM ("
        "SELECT 0 AS place, format('GRANT USAGE ON SCHEMA %I TO %I', schema, role) AS statement"
        " FROM known WHERE NOT has_schema_privilege(role_oid, schema_oid, 'USAGE')"
        " UNION ALL "
        "SELECT 1, format('GRANT %s ON %I.%I TO %I', string_agg(p, ', '), schema, relname, role)"
        " FROM known JOIN pg_class c ON relnamespace = schema_oid, unnest(privileges) p"
        " WHERE relkind IN ('r', 'p', 'v', 'm') AND (p = 'SELECT'"
        " OR (relkind IN ('r', 'p') AND relname NOT LIKE 'schema\\_migration%'))"
        " AND NOT has_table_privilege(role_oid, c.oid, p) GROUP BY schema, relname, role"
        ") g ORDER BY place, statement",
    .columns = statement_columns,
};

/* "\n  A;\n  B;" of at most SHOWN rows. */
static void add_statements(struct ol_text *text, const struct ol_pg_rows *rows)
{
    for (int row = 0; row < rows->count && row < SHOWN; row++)
        ol_text_addf(text, "\n  %s;", ol_pg_text(rows, row, 0).data);
    if (rows->count > SHOWN)
        ol_text_addf(text, "\n  and %d more", rows->count - SHOWN);
}

static enum ol_class roles_are_lacking(struct ol_pg *db, const struct ol_pg_rows *login,
                                       struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows roles = {0};
    OL_AUTO(ol_text) struct ol_text statements = {0};
    enum ol_class class = ol_pg_exec(db, &roles_missing, NULL, &roles, reterr);
    if (class || roles.count == 0 || ol_pg_bool(login, 0, MAKES_ROLES))
        return class;
    add_statements(&statements, &roles);
    return ol_fail(
        reterr, OL_FATAL,
        "the login %s may not make roles, and these are missing; let an administrator of "
        "the server run this, then 'orderlog migrate up' again (it makes the grants to "
        "them):%s\nand later, for the logins of the roles: GRANT orderlog_worker TO ..., "
        "orderlog_projector TO ..., orderlog_analyst TO ...",
        ol_pg_text(login, 0, LOGIN).data, ol_text_string(&statements));
}

enum ol_class rights_before(struct ol_pg *db, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows login = {0};
    enum ol_class class = ol_pg_exec(db, &login_read, NULL, &login, reterr);
    if (class)
        return class;
    if (ol_pg_bool(&login, 0, UNKNOWN))
        return ol_fail(
            reterr, OL_FATAL,
            "the tables of the schema orderlog are there, but not schema_migrations, which "
            "says how old they are: a dump of an earlier version leaves it out; bring it "
            "from where the tables come from:\n"
            "  pg_dump -t public.schema_migrations -t public.schema_migration_sums ... | "
            "psql ...\nor drop the schemas orderlog and analytics: the log fills them anew");
    if (!ol_pg_bool(&login, 0, MAKES_SCHEMAS))
        return ol_fail(
            reterr, OL_FATAL,
            "the login %s may not make schemas in this database; let its owner run this, "
            "then 'orderlog migrate up' again:\n  GRANT CREATE ON DATABASE %s TO %s;",
            ol_pg_text(&login, 0, LOGIN).data, ol_pg_text(&login, 0, DATABASE).data,
            ol_pg_text(&login, 0, LOGIN).data);
    return roles_are_lacking(db, &login, reterr);
}

/* One transaction each: what we may not do leaves the others done. */
static enum ol_class run_all(struct ol_pg *db, const struct ol_pg_statement *missing,
                             struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(db, missing, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        class = ol_pg_script(db, missing->name, ol_pg_text(&rows, row, 0).data, NULL, reterr);
        if (class == OL_FATAL && ol_pg_usable(db))
            class = OL_OK; /* told in the end */
    }
    return class;
}

static enum ol_class read_missing(struct ol_pg *db, struct ol_pg_rows *roles,
                                  struct ol_pg_rows *grants, struct ol_error *reterr)
{
    enum ol_class class = ol_pg_exec(db, &roles_missing, NULL, roles, reterr);
    return class ? class : ol_pg_exec(db, &grants_missing, NULL, grants, reterr);
}

enum ol_class rights_missing(struct ol_pg *db, int *ret_count, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows roles = {0}, grants = {0};
    enum ol_class class = read_missing(db, &roles, &grants, reterr);
    *ret_count = class ? 0 : roles.count + grants.count;
    return class;
}

enum ol_class rights_mend(struct ol_pg *db, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows roles = {0}, grants = {0};
    OL_AUTO(ol_text) struct ol_text statements = {0};
    int before = 0;
    enum ol_class class = rights_missing(db, &before, reterr);
    if (class || before == 0)
        return class;
    class = run_all(db, &roles_missing, reterr);
    if (!class)
        class = run_all(db, &grants_missing, reterr);
    if (!class)
        class = read_missing(db, &roles, &grants, reterr);
    if (class)
        return class;
    if (roles.count + grants.count == 0) {
        fprintf(stderr,
                "roles or grants were missing (a restore leaves them out), and are there now\n");
        return OL_OK;
    }
    add_statements(&statements, roles.count ? &roles : &grants);
    return ol_fail(reterr, OL_FATAL,
                   "%d roles and %d grants are missing, and this login may not make them; let %s "
                   "run this, then 'orderlog migrate up' again:%s",
                   roles.count, grants.count,
                   roles.count ? "an administrator of the server" : "the tables' owner",
                   ol_text_string(&statements));
}
