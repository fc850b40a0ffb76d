#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/rights.h"
#include "lib/pg/ol_migrate.h"
#include "lib/program/ol_table.h"
#include "verify/session.h"

#define LOCK_WAIT_MS 60000 /* for somebody else who migrates */

#ifndef ORDERLOG_MIGRATIONS
#define ORDERLOG_MIGRATIONS "/usr/local/share/orderlog/migrations"
#endif

static const struct ol_table_column columns[] = {
    {"version", OL_TABLE_TEXT},
    {"state", OL_TABLE_TEXT},
    {"duration_ms", OL_TABLE_NUMBER},
    {"file", OL_TABLE_TEXT},
};

/* As the option says; else where `install` puts them, else here: run from a source tree. */
static const char *folder_of(const struct ol_options *options)
{
    struct stat status;
    if (*options->migrations)
        return options->migrations;
    return stat(ORDERLOG_MIGRATIONS, &status) == 0 ? ORDERLOG_MIGRATIONS : "migrations";
}

struct listing {
    struct ol_table table;
    int pending;
    int rights;           /* roles and grants that are missing */
    int changed, unknown; /* applied; the file was changed since, or there is none */
};

static void report(void *context, const struct ol_migration *migration)
{
    struct listing *listing = context;
    struct ol_table *table = &listing->table;
    if (migration->state == OL_MIGRATION_MOVED) {
        fprintf(stderr,
                "schema_migrations was in the schema public; orderlog and dbmate have it in %s now "
                "(dbmate by --migrations-table=%s)\n",
                migration->file, migration->file);
        return;
    }
    listing->changed += migration->state == OL_MIGRATION_CHANGED;
    listing->unknown += migration->state == OL_MIGRATION_UNKNOWN;
    ol_table_text(table, migration->version);
    ol_table_text(table, ol_migration_state_name(migration->state));
    if (migration->state == OL_MIGRATION_NOW)
        ol_table_int(table, migration->duration_ms);
    else
        ol_table_null(table);
    ol_table_text(table, *migration->file ? migration->file : NULL);
}

static void say_state(const struct listing *listing, int applied_now)
{
    if (listing->rights)
        fprintf(stderr,
                "%d roles and grants are missing, as after a restore; run 'orderlog migrate up'\n",
                listing->rights);
    if (listing->changed)
        fprintf(stderr, "%d applied before, and changed since\n", listing->changed);
    if (listing->unknown)
        fprintf(stderr,
                "%d applied without a file here; a newer orderlog may have migrated this "
                "database\n",
                listing->unknown);
    if (listing->pending)
        fprintf(stderr, "%d pending; run 'orderlog migrate up'\n", listing->pending);
    else if (!listing->changed && !listing->unknown && !listing->rights && !applied_now)
        fprintf(stderr, "the schema is up to date\n");
}

enum ol_class migrate_up_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_PG_WRITES, reterr);
    if (!class)
        class = rights_before(session.db, reterr);
    if (class)
        return class;
    struct listing listing = {0};
    struct ol_error unprinted;
    int count = 0;
    ol_table_init(&listing.table, columns, sizeof columns / sizeof *columns, options->json);
    class = ol_migrate_up(session.db, folder_of(options), LOCK_WAIT_MS, report, &listing, &count,
                          reterr);
    enum ol_class printed = ol_table_print(&listing.table, stdout, class ? &unprinted : reterr);
    ol_table_release(&listing.table);
    if (!class)
        class = rights_mend(session.db, reterr);
    if (class)
        return class;
    say_state(&listing, count);
    return printed;
}

enum ol_class migrate_status_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_PG_ANY, reterr);
    if (class)
        return class;
    struct listing listing = {0};
    ol_table_init(&listing.table, columns, sizeof columns / sizeof *columns, options->json);
    class = ol_migrate_status(session.db, folder_of(options), report, &listing, &listing.pending,
                              reterr);
    if (!class)
        class = rights_missing(session.db, &listing.rights, reterr);
    if (!class)
        class = ol_table_print(&listing.table, stdout, reterr);
    if (!class)
        say_state(&listing, 0);
    ol_table_release(&listing.table);
    return class;
}
