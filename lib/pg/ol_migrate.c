#include "lib/pg/ol_migrate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_hash.h"

#define LOCK_KEY      INT64_C(0x6f726465726c6f67) /* "orderlog" */
#define LOCK_RETRY_MS 50
#define SUM_BYTES     OL_MIGRATION_SUM_BYTES

static const char *const state_names[] = {
    [OL_MIGRATION_PENDING] = "pending", [OL_MIGRATION_APPLIED] = "applied",
    [OL_MIGRATION_CHANGED] = "changed", [OL_MIGRATION_UNKNOWN] = "unknown",
    [OL_MIGRATION_NOW] = "now",         [OL_MIGRATION_MOVED] = "moved",
};

#define VERSIONS OL_MIGRATE_SCHEMA ".schema_migrations"
#define SUMS     OL_MIGRATE_SCHEMA ".schema_migration_sums"

/* dbmate writes "create table if not exists", which asks for the right to create even when the
 * table is there; so we look first. */
static const char create_tables[] =
    "CREATE SCHEMA IF NOT EXISTS " OL_MIGRATE_SCHEMA ";"
    "CREATE TABLE IF NOT EXISTS " VERSIONS " (version varchar PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS " SUMS " (version varchar PRIMARY KEY, sum text NOT NULL);";

/* dbmate leaves its table without a word. */
static const char comment_tables[] =
    "COMMENT ON TABLE " VERSIONS " IS 'The changes of the schema that were applied; dbmate''s "
    "table, by --migrations-table=" VERSIONS "';"
    "COMMENT ON COLUMN " VERSIONS ".version IS 'The number that the file''s name begins with.';"
    "COMMENT ON TABLE " SUMS " IS 'XXH3 of the up part of each migration that orderlog applied';"
    "COMMENT ON COLUMN " SUMS ".version IS 'The number that the file''s name begins with.';"
    "COMMENT ON COLUMN " SUMS ".sum IS 'In hex.';";

/*
 * Where the tables were before. A view stays in their place, for what looks there while it is being
 * replaced: programs of the version before, and dbmate without its option. Where we may not make
 * one in public, there is none; where the roles are not there yet, nobody else reads it.
 */
static const char move_tables[] =
    "CREATE SCHEMA IF NOT EXISTS " OL_MIGRATE_SCHEMA ";"
    "ALTER TABLE public.schema_migrations SET SCHEMA " OL_MIGRATE_SCHEMA ";"
    "ALTER TABLE IF EXISTS public.schema_migration_sums SET SCHEMA " OL_MIGRATE_SCHEMA ";"
    "DO $$ BEGIN"
    " CREATE VIEW public.schema_migrations AS SELECT version FROM " VERSIONS ";"
    " BEGIN GRANT SELECT ON public.schema_migrations TO orderlog_projector, orderlog_worker;"
    " EXCEPTION WHEN undefined_object THEN NULL; END;"
    " EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;";

/* Somebody else's versions stand in the same table: that one stays, and we take a copy of ours. */
static const char copy_sums[] =
    "DO $$ BEGIN IF to_regclass('public.schema_migration_sums') IS NOT NULL THEN"
    " INSERT INTO " SUMS " SELECT version, sum FROM public.schema_migration_sums"
    " JOIN " VERSIONS " USING (version); END IF; END $$;";
static const struct ol_pg_statement stmt_copy_versions = {
    .name = "migrate/copy_versions",
    .sql = "INSERT INTO " VERSIONS " SELECT version FROM public.schema_migrations"
           " WHERE version = ANY ($1)",
};

static const struct ol_pg_statement stmt_lock = {
    .name = "migrate/lock",
    .sql = "SELECT pg_try_advisory_lock($1) AS locked",
    .columns = (const struct ol_pg_column[]){{"locked", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}},
};
static const struct ol_pg_statement stmt_unlock = {
    .name = "migrate/unlock",
    .sql = "SELECT pg_advisory_unlock($1)",
};
/* Each 1: a table, 0: there is none. A view in public is what we left there. */
static const struct ol_pg_statement stmt_tables = {
    .name = "migrate/tables",
    .sql = "SELECT to_regclass('" VERSIONS "') IS NOT NULL AS versions,"
           " to_regclass('" SUMS "') IS NOT NULL AS sums,"
           " EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.schema_migrations')"
           " AND relkind = 'r') AS old_versions,"
           " to_regclass('public.schema_migration_sums') IS NOT NULL AS old_sums",
    .columns = (const struct ol_pg_column[]){{"versions", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"sums", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"old_versions", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"old_sums", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {0}},
};
enum { HAS_VERSIONS, HAS_SUMS, HAS_OLD_VERSIONS, HAS_OLD_SUMS };

/* Of the table in public: how many versions have a file of ours, and how many have not. */
static const struct ol_pg_statement stmt_old = {
    .name = "migrate/old",
    .sql = "SELECT count(*) FILTER (WHERE version = ANY ($1)) AS ours,"
           " count(*) FILTER (WHERE NOT version = ANY ($1)) AS others"
           " FROM public.schema_migrations",
    .columns = (const struct ol_pg_column[]){{"ours", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"others", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {0}},
};

#define APPLIED_COLUMNS                                                                            \
    (const struct ol_pg_column[])                                                                  \
    {                                                                                              \
        {"version", OL_PG_TEXT, OL_PG_NOT_NULL}, {"sum", OL_PG_TEXT, OL_PG_NULLABLE},              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
static const struct ol_pg_statement stmt_applied = {
    .name = "migrate/applied",
    .sql = "SELECT version::text, sum FROM " VERSIONS " LEFT JOIN " SUMS
           " USING (version) ORDER BY version COLLATE \"C\"",
    .columns = APPLIED_COLUMNS,
};
static const struct ol_pg_statement stmt_applied_without_sums = {
    .name = "migrate/applied_without_sums",
    .sql =
        "SELECT version::text, NULL::text AS sum FROM " VERSIONS " ORDER BY version COLLATE \"C\"",
    .columns = APPLIED_COLUMNS,
};
static const struct ol_pg_statement stmt_applied_of_old = {
    .name = "migrate/applied_of_old",
    .sql = "SELECT version::text, sum FROM public.schema_migrations"
           " LEFT JOIN public.schema_migration_sums USING (version)"
           " ORDER BY version COLLATE \"C\"",
    .columns = APPLIED_COLUMNS,
};
static const struct ol_pg_statement stmt_applied_of_old_without_sums = {
    .name = "migrate/applied_of_old_without_sums",
    .sql = "SELECT version::text, NULL::text AS sum FROM public.schema_migrations"
           " ORDER BY version COLLATE \"C\"",
    .columns = APPLIED_COLUMNS,
};
static const struct ol_pg_statement stmt_record = {
    .name = "migrate/record",
    .sql = "INSERT INTO " VERSIONS " (version) VALUES ($1)",
};
static const struct ol_pg_statement stmt_record_sum = {
    .name = "migrate/record_sum",
    .sql = "INSERT INTO " SUMS " (version, sum) VALUES ($1, $2)"
           " ON CONFLICT (version) DO UPDATE SET sum = excluded.sum",
};

const char *ol_migration_state_name(enum ol_migration_state state)
{
    return state_names[state];
}

/* ---- the file format ---- */

bool ol_migration_version(const char *file, char ret_version[OL_MIGRATION_VERSION_BYTES])
{
    size_t digits = strspn(file, "0123456789"), bytes = strlen(file);
    bool is_sql = bytes > 4 && !strcmp(file + bytes - 4, ".sql");
    if (digits == 0 || digits >= OL_MIGRATION_VERSION_BYTES || !is_sql)
        return false;
    memcpy(ret_version, file, digits);
    ret_version[digits] = 0;
    return true;
}

struct line {
    const char *at, *end; /* without the newline */
    int number;
};

static bool next_line(struct line *line, const char *text_end)
{
    const char *at = line->at ? line->end + 1 : line->end;
    if (at >= text_end)
        return false;
    const char *newline = memchr(at, '\n', (size_t)(text_end - at));
    *line = (struct line){at, newline ? newline : text_end, line->number + 1};
    return true;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at))
        at++;
    return at;
}

/* What follows `-- migrate:up` or `-- migrate:down`; NULL when the line is no such thing. */
static const char *directive(const struct line *line, const char *word)
{
    size_t bytes = strlen(word);
    if (line->end - line->at < 2 || memcmp(line->at, "--", 2))
        return NULL;
    const char *at = skip_blanks(line->at + 2, line->end);
    if ((size_t)(line->end - at) < bytes || memcmp(at, word, bytes))
        return NULL;
    at += bytes;
    return at == line->end || isspace((unsigned char)*at) ? at : NULL;
}

/* `-- former sum: 0123456789abcdef` before the up part. */
static void take_former_sum(const struct line *line, struct ol_migration_text *parsed)
{
    const char *at = directive(line, "former sum:");
    if (!at)
        return;
    at = skip_blanks(at, line->end);
    snprintf(parsed->former_sum, sizeof parsed->former_sum, "%.*s", (int)(line->end - at), at);
}

static bool is_statement(const struct line *line)
{
    const char *at = skip_blanks(line->at, line->end);
    return at < line->end && !(line->end - at >= 2 && at[0] == '-' && at[1] == '-');
}

static enum ol_class parse_options(const char *file, const struct line *line, const char *at,
                                   bool *ret_transaction, struct ol_error *reterr)
{
    *ret_transaction = true;
    for (at = skip_blanks(at, line->end); at < line->end; at = skip_blanks(at, line->end)) {
        const char *word = at;
        while (at < line->end && !isspace((unsigned char)*at))
            at++;
        int bytes = (int)(at - word);
        if (bytes == 17 && !memcmp(word, "transaction:false", 17))
            *ret_transaction = false;
        else if (!(bytes == 16 && !memcmp(word, "transaction:true", 16)))
            return ol_fail(reterr, OL_USAGE, "%s:%d: unknown option %.*s (transaction:false?)",
                           file, line->number, bytes, word);
    }
    return OL_OK;
}

enum ol_class ol_migration_parse(const char *file, const char *text, size_t bytes,
                                 struct ol_migration_text *ret_text, struct ol_error *reterr)
{
    const char *end = text + bytes, *up = NULL, *down = NULL, *options;
    struct ol_migration_text parsed = {0};
    struct line line = {.end = text};
    if (memchr(text, 0, bytes))
        return ol_fail(reterr, OL_USAGE, "%s: holds a NUL byte", file);
    while (next_line(&line, end)) {
        if ((options = directive(&line, "migrate:up"))) {
            if (up)
                return ol_fail(reterr, OL_USAGE, "%s:%d: a second -- migrate:up", file,
                               line.number);
            enum ol_class class = parse_options(file, &line, options, &parsed.transaction, reterr);
            if (class != OL_OK)
                return class;
            up = line.end < end ? line.end + 1 : end;
            parsed.up_line = line.number + 1;
        } else if (directive(&line, "migrate:down")) {
            if (!up || down)
                return ol_fail(reterr, OL_USAGE, "%s:%d: %s", file, line.number,
                               up ? "a second -- migrate:down"
                                  : "-- migrate:down before -- migrate:up");
            down = line.at;
        } else if (!up && !is_statement(&line)) {
            take_former_sum(&line, &parsed);
        } else if (!up) {
            return ol_fail(reterr, OL_USAGE, "%s:%d: a statement before -- migrate:up", file,
                           line.number);
        }
    }
    if (!up || !down)
        return ol_fail(reterr, OL_USAGE, "%s:%d: the file ends without %s", file, line.number,
                       up ? "-- migrate:down (dbmate wants one, if empty)" : "-- migrate:up");
    parsed.up_at = (size_t)(up - text);
    parsed.up_bytes = (size_t)(down - up);
    *ret_text = parsed;
    return OL_OK;
}

/* ---- the folder ---- */

struct file {
    char *name, *path;
    char version[OL_MIGRATION_VERSION_BYTES];
    char sum[SUM_BYTES];
    char former_sum[SUM_BYTES]; /* that the same change had before; "": none */
    char *text;                 /* its up part ends with NUL */
    struct ol_migration_text parsed;
};

struct folder {
    struct file *files;
    size_t count;
};

static void folder_auto(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->files[i].name);
        free(folder->files[i].path);
        free(folder->files[i].text);
    }
    free(folder->files);
}

static int is_migration(const struct dirent *entry)
{
    char version[OL_MIGRATION_VERSION_BYTES];
    return ol_migration_version(entry->d_name, version);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void ol_stdio_auto(FILE **file)
{
    if (*file)
        fclose(*file);
}

static enum ol_class read_text(struct file *file, size_t *ret_bytes, struct ol_error *reterr)
{
    struct stat status;
    OL_AUTO(ol_stdio) FILE *stream = fopen(file->path, "re");
    if (!stream || fstat(fileno(stream), &status))
        return ol_fail(reterr, OL_USAGE, "%s: %s", file->path, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size > OL_MIGRATION_MAX_BYTES)
        return ol_fail(reterr, OL_USAGE, "%s: not a file of at most %u bytes", file->path,
                       OL_MIGRATION_MAX_BYTES);
    size_t bytes = (size_t)status.st_size;
    file->text = malloc(bytes + 1);
    if (!file->text)
        return ol_fail(reterr, OL_FATAL, "%s: out of memory", file->path);
    if (fread(file->text, 1, bytes, stream) != bytes)
        return ol_fail(reterr, OL_USAGE, "%s: can't be read whole", file->path);
    file->text[bytes] = 0;
    *ret_bytes = bytes;
    return OL_OK;
}

static enum ol_class read_file(struct file *file, const char *folder, const char *name,
                               struct ol_error *reterr)
{
    size_t bytes = 0;
    ol_migration_version(name, file->version);
    file->name = strdup(name);
    if (!file->name || asprintf(&file->path, "%s/%s", folder, name) < 0) {
        file->path = NULL;
        return ol_fail(reterr, OL_FATAL, "%s: out of memory", name);
    }
    enum ol_class class = read_text(file, &bytes, reterr);
    if (class != OL_OK)
        return class;
    class = ol_migration_parse(file->path, file->text, bytes, &file->parsed, reterr);
    if (class != OL_OK)
        return class;
    const struct ol_migration_text *parsed = &file->parsed;
    unsigned long long sum = ol_hash(file->text + parsed->up_at, parsed->up_bytes);
    snprintf(file->sum, sizeof file->sum, "%016llx", sum);
    snprintf(file->former_sum, sizeof file->former_sum, "%s", parsed->former_sum);
    file->text[parsed->up_at + parsed->up_bytes] = 0;
    return OL_OK;
}

static enum ol_class read_files(struct folder *folder, const char *path, struct dirent **entries,
                                int count, struct ol_error *reterr)
{
    folder->files = calloc((size_t)count, sizeof *folder->files);
    if (!folder->files)
        return ol_fail(reterr, OL_FATAL, "%s: out of memory", path);
    for (int i = 0; i < count; i++) {
        struct file *file = &folder->files[folder->count++];
        enum ol_class class = read_file(file, path, entries[i]->d_name, reterr);
        if (class != OL_OK)
            return class;
        for (struct file *other = folder->files; other < file; other++)
            if (!strcmp(other->version, file->version))
                return ol_fail(reterr, OL_USAGE, "%s: %s has the same version", file->path,
                               other->name);
    }
    return OL_OK;
}

static enum ol_class read_folder(struct folder *folder, const char *path, struct ol_error *reterr)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_migration, by_name);
    enum ol_class class;
    if (count < 0)
        return ol_fail(reterr, OL_USAGE, "the migrations folder %s: %s", path, strerror(errno));
    if (count == 0)
        class = ol_fail(reterr, OL_USAGE, "no migration (<digits>_<name>.sql) in %s", path);
    else
        class = read_files(folder, path, entries, count, reterr);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return class;
}

/* ---- what was applied ---- */

/* The row of a version, or -1. */
static int find_applied(const struct ol_pg_rows *applied, const char *version)
{
    for (int row = 0; row < applied->count; row++)
        if (!strcmp(ol_pg_text(applied, row, 0).data, version))
            return row;
    return -1;
}

static bool has_file(const struct folder *folder, const char *version)
{
    for (size_t i = 0; i < folder->count; i++)
        if (!strcmp(folder->files[i].version, version))
            return true;
    return false;
}

/* A version that dbmate applied has no sum, and none is asked for. */
static enum ol_migration_state state_of(const struct file *file, const struct ol_pg_rows *applied)
{
    int row = find_applied(applied, file->version);
    if (row < 0)
        return OL_MIGRATION_PENDING;
    if (ol_pg_is_null(applied, row, 1))
        return OL_MIGRATION_APPLIED;
    const char *sum = ol_pg_text(applied, row, 1).data;
    bool same = !strcmp(sum, file->sum) || !strcmp(sum, file->former_sum);
    return same ? OL_MIGRATION_APPLIED : OL_MIGRATION_CHANGED;
}

struct teller {
    ol_migrate_report *report;
    void *context;
};

static void tell(const struct teller *teller, const char *version, const char *file,
                 enum ol_migration_state state, int64_t duration_ms)
{
    struct ol_migration migration = {
        .version = version, .file = file, .state = state, .duration_ms = duration_ms};
    if (teller->report)
        teller->report(teller->context, &migration);
}

/* Applied versions without a file, from *row on, up to `version` (NULL: all). */
static void tell_unknown(const struct teller *teller, const struct folder *folder,
                         const struct ol_pg_rows *applied, int *row, const char *version)
{
    for (; *row < applied->count; ++*row) {
        const char *applied_version = ol_pg_text(applied, *row, 0).data;
        if (version && strcmp(applied_version, version) > 0)
            return;
        if (!has_file(folder, applied_version))
            tell(teller, applied_version, "", OL_MIGRATION_UNKNOWN, 0);
    }
}

/* The table in public: *ret_ours, *ret_others versions in it with and without a file here. */
static enum ol_class look_at_old(struct ol_pg *db, const struct folder *folder, int64_t *ret_ours,
                                 int64_t *ret_others, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    OL_AUTO(ol_pg_array) struct ol_pg_array versions;
    struct ol_pg_params params = {0};
    ol_pg_array_init(&versions, OL_PG_TEXT_ARRAY);
    for (size_t i = 0; i < folder->count; i++)
        ol_pg_array_text(&versions, folder->files[i].version, strlen(folder->files[i].version));
    ol_pg_param_array(&params, &versions);
    enum ol_class class = ol_pg_exec(db, &stmt_old, &params, &rows, reterr);
    if (class != OL_OK)
        return class;
    *ret_ours = ol_pg_int64(&rows, 0, 0);
    *ret_others = ol_pg_int64(&rows, 0, 1);
    return OL_OK;
}

static enum ol_class load_applied(struct ol_pg *db, const struct folder *folder,
                                  struct ol_pg_rows *ret_applied, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows tables = {0};
    int64_t ours = 0, others;
    const struct ol_pg_statement *statement = NULL;
    enum ol_class class = ol_pg_exec(db, &stmt_tables, NULL, &tables, reterr);
    if (class != OL_OK)
        return class;
    if (ol_pg_bool(&tables, 0, HAS_VERSIONS))
        statement = ol_pg_bool(&tables, 0, HAS_SUMS) ? &stmt_applied : &stmt_applied_without_sums;
    else if (ol_pg_bool(&tables, 0, HAS_OLD_VERSIONS))
        class = look_at_old(db, folder, &ours, &others, reterr);
    if (ours)
        statement = ol_pg_bool(&tables, 0, HAS_OLD_SUMS) ? &stmt_applied_of_old
                                                         : &stmt_applied_of_old_without_sums;
    if (class != OL_OK || !statement) /* no table: nothing was applied */
        return class;
    return ol_pg_exec(db, statement, NULL, ret_applied, reterr);
}

static enum ol_class copy_tables(struct ol_pg *db, const struct folder *folder,
                                 struct ol_error *reterr)
{
    OL_AUTO(ol_pg_array) struct ol_pg_array versions;
    struct ol_pg_params params = {0};
    ol_pg_array_init(&versions, OL_PG_TEXT_ARRAY);
    for (size_t i = 0; i < folder->count; i++)
        ol_pg_array_text(&versions, folder->files[i].version, strlen(folder->files[i].version));
    ol_pg_param_array(&params, &versions);
    enum ol_class class = ol_pg_script(db, "migrate/create_tables", create_tables, NULL, reterr);
    if (class == OL_OK)
        class = ol_pg_exec(db, &stmt_copy_versions, &params, NULL, reterr);
    return class == OL_OK ? ol_pg_script(db, "migrate/copy_sums", copy_sums, NULL, reterr) : class;
}

/* In one transaction. *ret_moved: they were in public before. */
static enum ol_class make_tables(struct ol_pg *db, const struct folder *folder,
                                 const struct ol_pg_rows *tables, bool *ret_moved,
                                 struct ol_error *reterr)
{
    int64_t ours = 0, others = 0;
    bool has_old = !ol_pg_bool(tables, 0, HAS_VERSIONS) && ol_pg_bool(tables, 0, HAS_OLD_VERSIONS);
    enum ol_class class = has_old ? look_at_old(db, folder, &ours, &others, reterr) : OL_OK;
    *ret_moved = ours > 0;
    if (class == OL_OK)
        class = ol_pg_begin(db, reterr);
    if (class == OL_OK && ours > 0)
        class = others ? copy_tables(db, folder, reterr)
                       : ol_pg_script(db, "migrate/move_tables", move_tables, NULL, reterr);
    if (class == OL_OK)
        class = ol_pg_script(db, "migrate/create_tables", create_tables, NULL, reterr);
    if (class == OL_OK)
        class = ol_pg_script(db, "migrate/comment_tables", comment_tables, NULL, reterr);
    if (class == OL_OK)
        class = ol_pg_commit(db, reterr);
    if (class != OL_OK)
        (void)ol_pg_rollback(db, NULL);
    return class;
}

static enum ol_class ensure_tables(struct ol_pg *db, const struct folder *folder,
                                   const struct teller *teller, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows tables = {0};
    bool moved = false;
    enum ol_class class = ol_pg_exec(db, &stmt_tables, NULL, &tables, reterr);
    if (class != OL_OK ||
        (ol_pg_bool(&tables, 0, HAS_VERSIONS) && ol_pg_bool(&tables, 0, HAS_SUMS)))
        return class;
    class = make_tables(db, folder, &tables, &moved, reterr);
    if (class == OL_OK && moved)
        tell(teller, "", VERSIONS, OL_MIGRATION_MOVED, 0);
    return class;
}

/* ---- applying ---- */

static enum ol_class record(struct ol_pg *db, const struct file *file, struct ol_error *reterr)
{
    struct ol_pg_params version = {0}, both = {0};
    ol_pg_param_text(&version, file->version, strlen(file->version));
    ol_pg_param_text(&both, file->version, strlen(file->version));
    ol_pg_param_text(&both, file->sum, strlen(file->sum));
    enum ol_class class = ol_pg_queue(db, &stmt_record, &version, reterr);
    if (class == OL_OK)
        class = ol_pg_queue(db, &stmt_record_sum, &both, reterr);
    return class == OL_OK ? ol_pg_receive(db, NULL, 0, 0, reterr) : class;
}

/* The line of the file that holds character `position` of the up part, from 1. */
static int line_of(const struct ol_migration_text *text, const char *up, size_t position)
{
    int line = text->up_line;
    for (const char *at = up; *at && position > 1; at++) {
        line += *at == '\n';
        position -= ((unsigned char)at[1] & 0xc0) != 0x80; /* the next byte begins a character */
    }
    return line;
}

/* The server names a position for some errors only; for the others we know which statement it
 * was. */
static enum ol_class run_script(struct ol_pg *db, const struct file *file, struct ol_error *reterr)
{
    struct ol_pg_place place = {0};
    struct ol_error refused;
    const char *up = file->text + file->parsed.up_at;
    enum ol_class class = ol_pg_script(db, file->path, up, &place, &refused);
    if (class == OL_OK)
        return OL_OK;
    size_t prefix = strlen(file->path) + strlen(": ");
    const char *what = strlen(refused.text) > prefix ? refused.text + prefix : refused.text;
    if (place.position)
        return ol_fail(reterr, class, "%s:%d: %s", file->path,
                       line_of(&file->parsed, up, place.position), what);
    if (place.statement)
        return ol_fail(reterr, class, "%s: statement %d: %s", file->path, place.statement, what);
    return ol_fail(reterr, class, "%s: %s", file->path, what); /* the connection is lost */
}

static enum ol_class apply_in_transaction(struct ol_pg *db, const struct file *file,
                                          struct ol_error *reterr)
{
    enum ol_class class = ol_pg_begin(db, reterr);
    if (class != OL_OK)
        return class;
    class = run_script(db, file, reterr);
    if (class != OL_OK)
        return class;
    if (!ol_pg_in_transaction(db))
        return ol_fail(reterr, OL_FATAL,
                       "%s: ends the transaction that it runs in, and isn't recorded; leave COMMIT "
                       "and ROLLBACK out",
                       file->path);
    class = record(db, file, reterr);
    if (class != OL_OK)
        return class;
    return ol_pg_commit(db, reterr);
}

static enum ol_class apply_alone(struct ol_pg *db, const struct file *file, struct ol_error *reterr)
{
    enum ol_class class = run_script(db, file, reterr);
    return class == OL_OK ? record(db, file, reterr) : class;
}

static enum ol_class apply(struct ol_pg *db, const struct file *file, const struct teller *teller,
                           struct ol_error *reterr)
{
    int64_t begun_us = ol_clock_monotonic_us();
    enum ol_class class = file->parsed.transaction ? apply_in_transaction(db, file, reterr)
                                                   : apply_alone(db, file, reterr);
    if (class != OL_OK) {
        (void)ol_pg_rollback(db, NULL);
        return class;
    }
    int64_t duration_ms = (ol_clock_monotonic_us() - begun_us) / 1000;
    tell(teller, file->version, file->name, OL_MIGRATION_NOW, duration_ms);
    return OL_OK;
}

static enum ol_class apply_pending(struct ol_pg *db, const struct folder *folder,
                                   const struct teller *teller, int *count, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows applied = {0};
    enum ol_class class = ensure_tables(db, folder, teller, reterr);
    if (class != OL_OK)
        return class;
    class = load_applied(db, folder, &applied, reterr);
    if (class != OL_OK)
        return class;
    int row = 0;
    tell_unknown(teller, folder, &applied, &row, NULL);
    for (size_t i = 0; i < folder->count; i++)
        if (state_of(&folder->files[i], &applied) == OL_MIGRATION_CHANGED)
            tell(teller, folder->files[i].version, folder->files[i].name, OL_MIGRATION_CHANGED, 0);
    for (size_t i = 0; class == OL_OK && i < folder->count; i++) {
        if (state_of(&folder->files[i], &applied) != OL_MIGRATION_PENDING)
            continue;
        class = apply(db, &folder->files[i], teller, reterr);
        *count += class == OL_OK;
    }
    return class;
}

/* Tries again and again instead of waiting in the server: a waiting session holds a snapshot, and
 * CREATE INDEX CONCURRENTLY of the one before us would wait for that. */
static enum ol_class take_lock(struct ol_pg *db, int wait_ms, struct ol_error *reterr)
{
    struct ol_pg_params key = {0};
    ol_pg_param_int64(&key, LOCK_KEY);
    int64_t deadline_us = ol_clock_monotonic_us() + (int64_t)wait_ms * 1000;
    for (;;) {
        OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
        enum ol_class class = ol_pg_exec(db, &stmt_lock, &key, &rows, reterr);
        if (class != OL_OK || ol_pg_bool(&rows, 0, 0))
            return class;
        if (ol_clock_monotonic_us() >= deadline_us)
            return ol_fail(reterr, OL_CONFLICT,
                           "another migration is running at %s (waited %d ms); try again later",
                           ol_pg_where(db), wait_ms);
        poll(NULL, 0, LOCK_RETRY_MS);
    }
}

enum ol_class ol_migrate_up(struct ol_pg *db, const char *folder_path, int wait_ms,
                            ol_migrate_report *report, void *context, int *ret_count,
                            struct ol_error *reterr)
{
    OL_AUTO(folder) struct folder folder = {0};
    struct teller teller = {report, context};
    int count = 0;
    assert(!ol_pg_in_transaction(db));
    enum ol_class class = read_folder(&folder, folder_path, reterr);
    if (class != OL_OK)
        return class;
    class = take_lock(db, wait_ms, reterr);
    if (class != OL_OK)
        return class;
    class = apply_pending(db, &folder, &teller, &count, reterr);
    struct ol_pg_params key = {0};
    ol_pg_param_int64(&key, LOCK_KEY);
    (void)ol_pg_exec(db, &stmt_unlock, &key, NULL, NULL); /* lost: the server has unlocked */
    if (ret_count)
        *ret_count = count;
    return class;
}

enum ol_class ol_migrate_status(struct ol_pg *db, const char *folder_path,
                                ol_migrate_report *report, void *context, int *ret_pending,
                                struct ol_error *reterr)
{
    OL_AUTO(folder) struct folder folder = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows applied = {0};
    struct teller teller = {report, context};
    enum ol_class class = read_folder(&folder, folder_path, reterr);
    if (class != OL_OK)
        return class;
    class = load_applied(db, &folder, &applied, reterr);
    if (class != OL_OK)
        return class;
    int row = 0, pending = 0;
    for (size_t i = 0; i < folder.count; i++) {
        const struct file *file = &folder.files[i];
        enum ol_migration_state state = state_of(file, &applied);
        tell_unknown(&teller, &folder, &applied, &row, file->version);
        tell(&teller, file->version, file->name, state, 0);
        pending += state == OL_MIGRATION_PENDING;
    }
    tell_unknown(&teller, &folder, &applied, &row, NULL);
    if (ret_pending)
        *ret_pending = pending;
    return OL_OK;
}
