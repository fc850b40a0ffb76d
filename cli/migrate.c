#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/session.h"
#include "cli/table.h"
#include "lib/ol_migrate.h"

#define LOCK_WAIT_MS 60000 /* for somebody else who migrates */

#ifndef ORDERLOG_MIGRATIONS
#define ORDERLOG_MIGRATIONS "/usr/local/share/orderlog/migrations"
#endif

static const struct table_column columns[] = {
    {"version", TABLE_TEXT},
    {"state", TABLE_TEXT},
    {"duration_ms", TABLE_NUMBER},
    {"file", TABLE_TEXT},
};

/* As the option says; else where `install` puts them, else here: run from a source tree. */
static const char *folder_of(const struct ol_options *options)
{
    struct stat status;
    if (*options->migrations)
        return options->migrations;
    return stat(ORDERLOG_MIGRATIONS, &status) == 0 ? ORDERLOG_MIGRATIONS : "migrations";
}

struct reporting {
    struct table *table;
    int unknown; /* versions without a file */
};

static void report(void *context, const struct ol_migration *migration)
{
    struct reporting *reporting = context;
    struct table *table = reporting->table;
    reporting->unknown += migration->state == OL_MIGRATION_UNKNOWN;
    table_text(table, migration->version);
    table_text(table, ol_migration_state_name(migration->state));
    if (migration->state == OL_MIGRATION_NOW)
        table_int(table, migration->duration_ms);
    else
        table_null(table);
    table_text(table, *migration->file ? migration->file : NULL);
}

static void tell_unknown(const struct reporting *reporting)
{
    if (reporting->unknown)
        fprintf(stderr,
                "%d applied without a file here; a newer orderlog may have migrated this "
                "database\n",
                reporting->unknown);
}

enum ol_class migrate_up_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_PG_WRITES, reterr);
    if (class)
        return class;
    OL_AUTO(table) struct table table;
    struct reporting reporting = {.table = &table};
    struct ol_error unprinted;
    int count = 0;
    table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    class = ol_migrate_up(session.db, folder_of(options), LOCK_WAIT_MS, report, &reporting, &count,
                          reterr);
    enum ol_class printed = table_print(&table, stdout, class ? &unprinted : reterr);
    if (class)
        return class;
    tell_unknown(&reporting);
    if (count == 0 && !reporting.unknown)
        fprintf(stderr, "the schema is up to date\n");
    return printed;
}

enum ol_class migrate_status_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_PG_WRITES, reterr);
    if (class)
        return class;
    OL_AUTO(table) struct table table;
    struct reporting reporting = {.table = &table};
    int pending = 0;
    table_init(&table, columns, sizeof columns / sizeof *columns, options->json);
    class = ol_migrate_status(session.db, folder_of(options), report, &reporting, &pending, reterr);
    if (!class)
        class = table_print(&table, stdout, reterr);
    if (class)
        return class;
    tell_unknown(&reporting);
    if (pending)
        fprintf(stderr, "%d pending; run 'orderlog migrate up'\n", pending);
    else if (!reporting.unknown)
        fprintf(stderr, "the schema is up to date\n");
    return class;
}
