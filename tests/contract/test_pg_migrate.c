#include "test_pg.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "lib/pg/ol_migrate.h"

/* A database and a folder of its own for each test. */
struct bench {
    struct ol_pg *admin, *db;
    char database[64], dsn[1024], folder[64];
    char told[1024]; /* "version:state " for each report */
};

static void own_dsn(struct bench *bench)
{
    PQconninfoOption *options = PQconninfoParse(pg_dsn(), NULL);
    cr_assert(options);
    size_t used = 0;
    for (PQconninfoOption *option = options; option->keyword; option++)
        if (option->val && strcmp(option->keyword, "dbname"))
            used += (size_t)snprintf(bench->dsn + used, sizeof bench->dsn - used, "%s='%s' ",
                                     option->keyword, option->val);
    snprintf(bench->dsn + used, sizeof bench->dsn - used, "dbname=%s", bench->database);
    PQconninfoFree(options);
}

static void bench_init(struct bench *bench)
{
    char sql[128];
    *bench = (struct bench){.admin = pg_open()};
    snprintf(bench->database, sizeof bench->database, "orderlog_test_%d", getpid());
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", bench->database);
    pg_script(bench->admin, sql);
    own_dsn(bench);
    bench->db = pg_open_with((struct ol_pg_options){.dsn = bench->dsn});
    strcpy(bench->folder, "/tmp/orderlog_migrate_XXXXXX");
    cr_assert(mkdtemp(bench->folder));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void bench_auto(struct bench *bench)
{
    char sql[128];
    ol_pg_free(bench->db);
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", bench->database);
    ol_pg_script(bench->admin, "test/drop", sql, NULL, NULL);
    ol_pg_free(bench->admin);
    nftw(bench->folder, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
}

static void put_file(struct bench *bench, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    FILE *file = fopen(path, "we");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remember(void *context, const struct ol_migration *migration)
{
    struct bench *bench = context;
    size_t used = strlen(bench->told);
    snprintf(bench->told + used, sizeof bench->told - used, "%s:%s ", migration->version,
             ol_migration_state_name(migration->state));
}

static enum ol_class up(struct bench *bench, struct ol_error *reterr)
{
    bench->told[0] = 0;
    return ol_migrate_up(bench->db, bench->folder, 1000, remember, bench, NULL, reterr);
}

static const char *status(struct bench *bench)
{
    bench->told[0] = 0;
    pg_ok(ol_migrate_status(bench->db, bench->folder, remember, bench, NULL, reterr));
    return bench->told;
}

static const char orders_sql[] = "-- migrate:up\n"
                                 "CREATE TABLE orders (order_id text PRIMARY KEY);\n"
                                 "CREATE TABLE lines (line_no int);\n"
                                 "-- migrate:down\n"
                                 "DROP TABLE orders;\n";

Test(ol_migrate_up, applies_what_is_missing_once)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    put_file(&bench, "002_index.sql",
             "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON lines (line_no);\n"
             "-- migrate:down\n");
    put_file(&bench, "README.md", "not a migration");
    cr_assert_str_eq(status(&bench), "001:pending 002:pending ");
    cr_assert_str_eq(pg_value(bench.db, "SELECT to_regclass('orderlog.schema_migrations') IS NULL"),
                     "t");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "001:now 002:now ");
    cr_assert_str_eq(status(&bench), "001:applied 002:applied ");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "");

    put_file(&bench, "0015_late.sql", "-- migrate:up\n\n-- migrate:down\n");
    int count = 0;
    pg_ok(ol_migrate_up(bench.db, bench.folder, 0, NULL, NULL, &count, reterr));
    cr_assert_eq(count, 1);
    cr_assert_str_eq(pg_value(bench.db, "SELECT string_agg(version, ' ' ORDER BY version) FROM "
                                        "orderlog.schema_migrations"),
                     "001 0015 002");
    cr_assert_str_eq(pg_value(bench.db, "SELECT indisvalid FROM pg_index "
                                        "WHERE indexrelid = 'i'::regclass"),
                     "t");
}

Test(ol_migrate_up, reports_changed_and_unknown_versions)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "002_orders.sql", orders_sql);
    pg_ok(up(&bench, reterr));
    put_file(&bench, "002_orders.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    put_file(&bench, "004_more.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    pg_script(bench.db, "INSERT INTO orderlog.schema_migrations VALUES ('001'), ('003')");
    cr_assert_str_eq(status(&bench), "001:unknown 002:changed 003:unknown 004:pending ");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "001:unknown 003:unknown 002:changed 004:now ");
}

Test(ol_migrate_status, accepts_what_dbmate_applied)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    pg_script(bench.db, "CREATE TABLE public.schema_migrations (version varchar(255) PRIMARY KEY);"
                        "INSERT INTO public.schema_migrations VALUES ('001')");
    cr_assert_str_eq(status(&bench), "001:applied ");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, ":moved ");
    cr_assert_str_eq(status(&bench), "001:applied ");
}

/* What an earlier program, or dbmate, made in public. */
static void old_tables(struct bench *bench, const char *versions, bool with_sums)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "CREATE TABLE public.schema_migrations (version varchar(255) PRIMARY KEY);"
             "INSERT INTO public.schema_migrations VALUES %s",
             versions);
    pg_script(bench->db, sql);
    if (with_sums)
        pg_script(bench->db, "CREATE TABLE public.schema_migration_sums (version varchar PRIMARY "
                             "KEY, sum text NOT NULL);"
                             "INSERT INTO public.schema_migration_sums VALUES ('001', 'edited')");
}

Test(ol_migrate_up, moves_what_is_in_public_and_leaves_a_view)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    put_file(&bench, "002_more.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    old_tables(&bench, "('001')", true);
    cr_assert_str_eq(status(&bench), "001:changed 002:pending ");
    cr_assert_str_eq(pg_value(bench.db, "SELECT to_regclass('orderlog.schema_migrations') IS NULL"),
                     "t");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, ":moved 001:changed 002:now ");
    cr_assert_str_eq(status(&bench), "001:changed 002:applied ");
    /* A program of before, and dbmate, read and write there. */
    cr_assert_str_eq(pg_value(bench.db, "SELECT string_agg(version, ' ' ORDER BY version) FROM "
                                        "public.schema_migrations"),
                     "001 002");
    pg_script(bench.db, "INSERT INTO public.schema_migrations (version) VALUES ('003')");
    cr_assert_str_eq(status(&bench), "001:changed 002:applied 003:unknown ");
    cr_assert_str_eq(
        pg_value(bench.db, "SELECT to_regclass('public.schema_migration_sums') IS NULL"), "t");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "003:unknown 001:changed ");
}

Test(ol_migrate_up, leaves_a_table_that_others_use_too)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    old_tables(&bench, "('001'), ('77')", true);
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, ":moved 001:changed ");
    cr_assert_str_eq(pg_value(bench.db, "SELECT string_agg(version, ' ' ORDER BY version) FROM "
                                        "public.schema_migrations"),
                     "001 77");
    cr_assert_str_eq(pg_value(bench.db, "SELECT string_agg(version, ' ' ORDER BY version) FROM "
                                        "orderlog.schema_migrations"),
                     "001");
}

Test(ol_migrate_up, takes_no_notice_of_a_table_that_is_not_ours)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    old_tables(&bench, "('77')", false);
    cr_assert_str_eq(status(&bench), "001:pending ");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "001:now ");
    cr_assert_str_eq(pg_value(bench.db, "SELECT string_agg(version, ' ') FROM "
                                        "public.schema_migrations"),
                     "77");
}

Test(ol_migrate_up, knows_a_change_by_the_sum_that_it_had)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    char text[256];
    put_file(&bench, "001_orders.sql", orders_sql);
    pg_ok(up(&bench, reterr));
    snprintf(text, sizeof text, "-- former sum: %s\n-- migrate:up\nSELECT 1;\n-- migrate:down\n",
             pg_value(bench.db, "SELECT sum FROM orderlog.schema_migration_sums"));
    put_file(&bench, "001_orders.sql", text);
    cr_assert_str_eq(status(&bench), "001:applied ");
    put_file(&bench, "001_orders.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    cr_assert_str_eq(status(&bench), "001:changed ");
}

Test(ol_migrate_up, names_file_and_line_and_leaves_nothing_of_a_broken_file)
{
    static const struct {
        const char *up, *words;
    } rows[] = {
        {"CREATE TABLE a (x int);\n\nSELECT nothing;\n", "/002_broken.sql:4: 42703"},
        {"SELECT 'é';\nSELECT 1;\nSELEC 2;\n", "/002_broken.sql:4: 42601"},
        {"CREATE TABLE a (x int); /* ; */\n-- ;\nSELECT ';', $x$;$x$, \";\".n FROM (SELECT 1 AS n) "
         "\";\";\n\n  CREATE TABLE a (y int);\n",
         "/002_broken.sql:6: 42P07"},
        {"CREATE TABLE a (x int NOT NULL);\nSELECT E'\\';';\nINSERT INTO a\nVALUES (NULL);\n",
         "/002_broken.sql:4: 23502"},
        {"CREATE TABLE a (x int);\nCOMMIT;\n", "/002_broken.sql: ends the transaction"},
        {"COPY orders FROM STDIN;\n", "COPY to or from the client"},
    };
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "-- migrate:up\n%s-- migrate:down\n", rows[i].up);
        put_file(&bench, "002_broken.sql", text);
        pg_fails(up(&bench, reterr), OL_FATAL, rows[i].words);
        if (!ol_pg_usable(bench.db))
            pg_ok(ol_pg_reconnect(bench.db, reterr));
        cr_assert(!ol_pg_in_transaction(bench.db));
        cr_assert_str_eq(status(&bench), "001:applied 002:pending ");
        pg_script(bench.db, "DROP TABLE IF EXISTS a");
    }
    put_file(&bench, "002_broken.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "002:now ");
}

Test(ol_migrate_up, reads_every_file_before_it_applies_one)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    pg_fails(up(&bench, reterr), OL_USAGE, "no migration");
    put_file(&bench, "001_orders.sql", orders_sql);
    put_file(&bench, "002_headless.sql", "CREATE TABLE a (x int);\n");
    pg_fails(up(&bench, reterr), OL_USAGE, "/002_headless.sql:1: a statement before -- migrate:up");
    put_file(&bench, "002_headless.sql", orders_sql);
    put_file(&bench, "002_twin.sql", orders_sql);
    pg_fails(up(&bench, reterr), OL_USAGE, "002_headless.sql has the same version");
    cr_assert_str_eq(pg_value(bench.db, "SELECT to_regclass('orders') IS NULL"), "t");
    pg_fails(ol_migrate_up(bench.db, "/no/such/folder", 0, NULL, NULL, NULL, reterr), OL_USAGE,
             "the migrations folder /no/such/folder: No such file or directory");
}

Test(ol_migrate_up, waits_for_another_and_says_so)
{
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    put_file(&bench, "001_orders.sql", orders_sql);
    OL_AUTO(ol_pg)
    struct ol_pg *other = pg_open_with((struct ol_pg_options){.dsn = bench.dsn});
    pg_script(other, "SELECT pg_advisory_lock(8030591472429199207)");
    pg_fails(ol_migrate_up(bench.db, bench.folder, 120, NULL, NULL, NULL, reterr), OL_CONFLICT,
             "another migration is running");
    ol_pg_free(OL_STEAL(other));
    pg_ok(ol_migrate_up(bench.db, bench.folder, 10000, NULL, NULL, NULL, reterr));
    cr_assert_str_eq(pg_value(bench.db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                        " AND pid = pg_backend_pid()"),
                     "0");
}

/* ---- dbmate itself, where it is installed: ORDERLOG_DBMATE names its binary ------------------- */

static void dbmate(struct bench *bench, const char *verb, char *ret_said, size_t size)
{
    char command[2048];
    snprintf(command, sizeof command,
             "%s --url 'postgres://%s@%s/%s?sslmode=disable' --migrations-dir %s"
             " --no-dump-schema %s 2>&1",
             getenv("ORDERLOG_DBMATE"), pg_value(bench->db, "SELECT current_user"),
             ol_pg_where(bench->db), bench->database, bench->folder, verb);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe);
    ret_said[fread(ret_said, 1, size - 1, pipe)] = 0;
    cr_assert_eq(pclose(pipe), 0, "%s: %s", command, ret_said);
}

Test(ol_migrate_up, takes_turns_with_dbmate)
{
    if (!getenv("ORDERLOG_DBMATE"))
        cr_skip_test("ORDERLOG_DBMATE is not set");
    OL_AUTO(bench) struct bench bench;
    bench_init(&bench);
    char said[2048];
    put_file(&bench, "001_orders.sql", orders_sql);
    dbmate(&bench, "up", said, sizeof said);
    cr_assert_str_eq(status(&bench), "001:applied ");

    put_file(&bench, "002_more.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    put_file(&bench, "003_index.sql",
             "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON lines (line_no);\n"
             "-- migrate:down\n");
    pg_ok(up(&bench, reterr));
    cr_assert_str_eq(bench.told, "002:now 003:now ");
    dbmate(&bench, "status", said, sizeof said);
    cr_assert(strstr(said, "Applied: 3") && strstr(said, "Pending: 0"), "%s", said);

    put_file(&bench, "004_last.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    dbmate(&bench, "up", said, sizeof said);
    cr_assert_str_eq(status(&bench), "001:applied 002:applied 003:applied 004:applied ");
}
