/*
 * lib/pg/ol_migrate.h - numbered SQL files, each applied once, in dbmate's format.
 *
 * folder/20260101120000_orders.sql:
 *     -- migrate:up [transaction:false]
 *     CREATE TABLE ...;
 *     -- migrate:down
 *     DROP TABLE ...;
 *
 * read the folder -> advisory lock -> compare with orderlog.schema_migrations(version) -> apply
 * what is missing, in the order of the file names, one transaction each -> unlock.
 * dbmate itself can be run on the same folder and database, by
 * --migrations-table=orderlog.schema_migrations: in our schema, so that a dump of it takes the table
 * along, and nobody needs rights in public. A table that an earlier program or dbmate made in public
 * is moved (see move_tables). Beside dbmate's table we keep
 * orderlog.schema_migration_sums(version, sum): a hash of each `up` part that we applied, so that a
 * file edited afterwards is noticed; a line `-- former sum: HEX` before the up part says that the
 * change is the same as one of that hash. Down parts must be there, and are never run here.
 *
 * `transaction:false` is for what can't run in a transaction (CREATE INDEX CONCURRENTLY): then
 * the up part must be that one statement, for PostgreSQL runs several as one transaction.
 */
#ifndef OL_MIGRATE_H
#define OL_MIGRATE_H

#include "lib/pg/ol_pg.h"

#define OL_MIGRATION_MAX_BYTES     (4u << 20) /* one file */
#define OL_MIGRATION_VERSION_BYTES 32         /* digits of a version, NUL included */
#define OL_MIGRATION_SUM_BYTES     17         /* 64 bits in hex, and NUL */
#define OL_MIGRATE_SCHEMA          "orderlog" /* whose tables tell what was applied */

enum ol_migration_state {
    OL_MIGRATION_PENDING = 1, /* a file, not applied */
    OL_MIGRATION_APPLIED,
    OL_MIGRATION_CHANGED, /* applied, and its up part was edited since */
    OL_MIGRATION_UNKNOWN, /* applied, but there is no such file */
    OL_MIGRATION_NOW,     /* applied by this call of ol_migrate_up */
    OL_MIGRATION_MOVED,   /* no version: the table was in public, `file` is its name now */
};

/* One line for people; pointers live during the call of the reporter only. */
struct ol_migration {
    const char *version; /* the leading digits of the file's name */
    const char *file;    /* its name without the folder; "" when UNKNOWN */
    enum ol_migration_state state;
    int64_t duration_ms; /* NOW */
};

typedef void ol_migrate_report(void *context, const struct ol_migration *migration);

/* "pending", "applied", "changed", "unknown", "now", "moved" */
const char *ol_migration_state_name(enum ol_migration_state state);

/*
 * Applies the pending files, reports CHANGED and UNKNOWN versions and each one applied NOW.
 * *ret_count (may be NULL): how many were applied. report NULL: nobody is told.
 * Every file is read and parsed before the first is applied.
 * `db` must not be in a transaction; give it a long statement timeout. A second caller waits up
 * to wait_ms for the first.
 *     OL_CONFLICT  the lock wasn't free within wait_ms
 *     OL_USAGE     a folder or file can't be read or isn't in dbmate's format (file:line)
 *     OL_FATAL     the server refused a statement (file:line, SQLSTATE); earlier files stay
 *     others       as ol_pg_exec
 */
enum ol_class ol_migrate_up(struct ol_pg *db, const char *folder, int wait_ms,
                            ol_migrate_report *report, void *context, int *ret_count,
                            struct ol_error *reterr);

/* Reports every version, in order, and changes nothing. *ret_pending (may be NULL): how many
 * are PENDING. Failures as ol_migrate_up. */
enum ol_class ol_migrate_status(struct ol_pg *db, const char *folder, ol_migrate_report *report,
                                void *context, int *ret_pending, struct ol_error *reterr);

/* ---- the file format, pure ------------------------------------------------------------------- */

/* Where the up part stands in a file's text. */
struct ol_migration_text {
    size_t up_at, up_bytes; /* after its directive line, up to the down directive or the end */
    int up_line;            /* number of the first line of the up part, from 1 */
    bool transaction;       /* false: transaction:false */
    char former_sum[OL_MIGRATION_SUM_BYTES]; /* "": none is named */
};

/* `file` is for errors (OL_USAGE, "file:line: ..."). */
enum ol_class ol_migration_parse(const char *file, const char *text, size_t bytes,
                                 struct ol_migration_text *ret_text, struct ol_error *reterr);

/* The leading digits of a file name that ends in .sql, into ret_version; false: no migration. */
bool ol_migration_version(const char *file, char ret_version[OL_MIGRATION_VERSION_BYTES]);

#endif
