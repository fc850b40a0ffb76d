#include "test_pg.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"

/* ---- connection ---- */

/* A loopback socket that listens (and never accepts) or only held its port once. */
static int open_port(bool listens, char dsn[128])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
    if (listens)
        cr_assert(listen(fd, 8) == 0);
    snprintf(dsn, 128, "host=127.0.0.1 port=%d user=u password=sesame dbname=d",
             ntohs(address.sin_port));
    return fd;
}

static enum ol_class try_open(const char *dsn, int connect_timeout_ms, struct ol_error *reterr)
{
    struct ol_pg *db = NULL;
    struct ol_pg_options options = {.dsn = dsn, .connect_timeout_ms = connect_timeout_ms};
    enum ol_class class = ol_pg_open(&options, &db, reterr);
    ol_pg_free(db);
    return class;
}

Test(ol_pg_open, says_unreachable_when_nobody_listens)
{
    char dsn[128], where[64];
    int fd = open_port(false, dsn), port = 0;
    cr_assert_eq(sscanf(dsn, "host=127.0.0.1 port=%d", &port), 1);
    snprintf(where, sizeof where, "127.0.0.1:%d can't be reached: Connection refused", port);
    pg_fails(try_open(dsn, 0, reterr), OL_UNREACHABLE, where);
    close(fd);
}

Test(ol_pg_open, says_unreachable_when_nobody_answers_in_time)
{
    char dsn[128];
    int fd = open_port(true, dsn);
    int64_t begun_us = ol_clock_monotonic_us();
    pg_fails(try_open(dsn, 300, reterr), OL_UNREACHABLE, "doesn't answer within 300 ms");
    cr_assert_lt(ol_clock_monotonic_us() - begun_us, 3000000);
    close(fd);
}

Test(ol_pg_open, never_repeats_the_connection_string)
{
    static const char *const dsns[] = {"host=127.0.0.1 password=open sesame",
                                       "postgresql://u:sesame@[127.0.0.1/d",
                                       "postgresql://u:%zzsesame@127.0.0.1/d", "passwort=sesame"};
    for (size_t i = 0; i < sizeof dsns / sizeof dsns[0]; i++) {
        struct ol_error error = {0};
        cr_assert_eq(try_open(dsns[i], 0, &error), OL_USAGE, "%s", error.text);
        cr_assert(!strstr(error.text, "sesame"), "%s", error.text);
    }
    pg_fails(try_open("host=127.0.0.1 sslmode=perhaps", 0, reterr), OL_USAGE, "sslmode");
}

Test(ol_pg_open, says_fatal_when_the_server_says_no)
{
    char dsn[1024];
    if (strstr(pg_dsn(), "://"))
        cr_skip_test("needs a DSN of the form key=value");
    snprintf(dsn, sizeof dsn, "%s dbname=no_such_database", pg_dsn());
    pg_fails(try_open(dsn, 0, reterr), OL_FATAL, "3D000");
}

Test(ol_pg_open, sets_the_session)
{
    OL_AUTO(ol_pg)
    struct ol_pg *db = pg_open_with((struct ol_pg_options){.statement_timeout_ms = 1234,
                                                           .lock_timeout_ms = 2345,
                                                           .idle_in_transaction_timeout_ms = 3456,
                                                           .synchronous_commit_off = true,
                                                           .read_only = true});
    static const char *const settings[][2] = {
        {"statement_timeout", "1234ms"},
        {"lock_timeout", "2345ms"},
        {"idle_in_transaction_session_timeout", "3456ms"},
        {"client_connection_check_interval", "5s"},
        {"TimeZone", "UTC"},
        {"client_encoding", "UTF8"},
        {"synchronous_commit", "off"},
        {"default_transaction_read_only", "on"},
        {"application_name", "orderlog/test"},
        {"jit", "off"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT current_setting('%s')", settings[i][0]);
        cr_expect_str_eq(pg_value(db, sql), settings[i][1], "%s", settings[i][0]);
    }
    pg_fails(ol_pg_script(db, "write", "CREATE TABLE t (a int)", NULL, reterr), OL_FATAL, "25006");
}

/* ---- several hosts ---- */

/* The DSN of the tests with other hosts and ports: "a,b", "1,2". Static. */
static const char *dsn_with(const char *hosts, const char *ports)
{
    static char dsn[1024];
    size_t used = (size_t)snprintf(dsn, sizeof dsn, "host=%s port=%s", hosts, ports);
    PQconninfoOption *options = PQconninfoParse(pg_dsn(), NULL);
    cr_assert(options);
    for (PQconninfoOption *option = options; option->keyword; option++)
        if (option->val && strcmp(option->keyword, "host") && strcmp(option->keyword, "port"))
            used += (size_t)snprintf(dsn + used, sizeof dsn - used, " %s='%s'", option->keyword,
                                     option->val);
    PQconninfoFree(options);
    return dsn;
}

/* "127.0.0.1:5432" into two; static. */
static void split_where(struct ol_pg *db, char host[64], char port[16])
{
    cr_assert_eq(sscanf(ol_pg_where(db), "%63[^:]:%15s", host, port), 2, "%s", ol_pg_where(db));
}

static int port_of(const char *dsn)
{
    int port = 0;
    cr_assert_eq(sscanf(dsn, "host=127.0.0.1 port=%d", &port), 1);
    return port;
}

Test(ol_pg_open, goes_on_to_the_next_host_when_one_hangs)
{
    char hangs[128], hosts[128], ports[64], host[64], port[16];
    int fd = open_port(true, hangs);
    OL_AUTO(ol_pg) struct ol_pg *there = pg_open(), *db = NULL;
    split_where(there, host, port);
    snprintf(hosts, sizeof hosts, "127.0.0.1,%s", host);
    snprintf(ports, sizeof ports, "%d,%s", port_of(hangs), port);
    const struct ol_pg_options options = {.dsn = dsn_with(hosts, ports), .connect_timeout_ms = 300};
    pg_ok(ol_pg_open(&options, &db, reterr));
    cr_assert_str_eq(ol_pg_where(db), ol_pg_where(there));
    close(fd);
}

Test(ol_pg_open, tells_of_each_host_its_own_reason)
{
    char hangs[128], closed[128], ports[64], lines[256];
    int fd = open_port(true, hangs), other = open_port(false, closed);
    snprintf(ports, sizeof ports, "%d,%d", port_of(hangs), port_of(closed));
    snprintf(lines, sizeof lines,
             "PostgreSQL at 127.0.0.1:%d doesn't answer within 300 ms\n"
             "PostgreSQL at 127.0.0.1:%d can't be reached: Connection refused",
             port_of(hangs), port_of(closed));
    pg_fails(try_open(dsn_with("127.0.0.1,127.0.0.1", ports), 300, reterr), OL_UNREACHABLE, lines);
    close(fd);
    close(other);
}

Test(ol_pg_open, gives_each_host_the_time_that_the_connection_string_says)
{
    char hangs[128], dsn[256];
    int fd = open_port(true, hangs);
    snprintf(dsn, sizeof dsn, "%s connect_timeout=2", hangs);
    int64_t begun_us = ol_clock_monotonic_us();
    pg_fails(try_open(dsn, 300, reterr), OL_UNREACHABLE, "doesn't answer within 2000 ms");
    cr_assert_geq(ol_clock_monotonic_us() - begun_us, 1900000);
    close(fd);
}

Test(ol_pg_open, says_so_when_hosts_and_ports_do_not_match)
{
    pg_fails(try_open("host=127.0.0.1,127.0.0.1 port=1,2,3", 300, reterr), OL_USAGE,
             "the PostgreSQL connection string is off: could not match 3 port numbers to 2 hosts");
    pg_fails(try_open("service=none_such", 300, reterr), OL_USAGE,
             "the PostgreSQL connection string is off: ");
}

/* ---- what the role or the database has set ---- */

/* Every one that a login may set; 77 s is nothing that we ask for. */
Test(ol_pg_open, overrules_every_timeout_that_the_server_knows)
{
    char name[64], sql[512];
    OL_AUTO(ol_pg) struct ol_pg *admin = pg_open(), *db = NULL;
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    snprintf(name, sizeof name, "orderlog_timeouts_%d", getpid());
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    pg_script(admin, sql);
    pg_ok(ol_pg_select(admin, "test/timeouts",
                       "SELECT name FROM pg_settings WHERE name LIKE '%timeout%' "
                       "AND context = 'user' ORDER BY 1",
                       NULL, &rows, reterr));
    cr_assert_geq(rows.count, 5);
    for (int row = 0; row < rows.count; row++) {
        snprintf(sql, sizeof sql, "ALTER DATABASE %s SET %s = '77s'", name,
                 ol_pg_string(&rows, row, 0));
        pg_script(admin, sql);
    }
    char host[64], port[16], dsn[1100];
    split_where(admin, host, port);
    snprintf(dsn, sizeof dsn, "%s dbname=%s", dsn_with(host, port), name);
    const struct ol_pg_options options = {.dsn = dsn};
    enum ol_class class = ol_pg_open(&options, &db, NULL);
    snprintf(sql, sizeof sql,
             "SELECT coalesce(string_agg(name, ' '), '') FROM pg_settings "
             "WHERE (name LIKE '%%timeout%%' AND setting IN ('77', '77000')) "
             "OR setting = 'serializable'");
    char left[256] = "not opened";
    if (!class)
        snprintf(left, sizeof left, "%s", pg_value(db, sql));
    ol_pg_free(OL_STEAL(db));
    snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", name);
    pg_script(admin, sql);
    cr_assert_str_eq(left, "");
}

static const struct ol_pg_statement one = {
    .name = "test/one",
    .sql = "SELECT 1::bigint AS one",
    .columns = (const struct ol_pg_column[]){{"one", OL_PG_INT8, OL_PG_NOT_NULL}, {0}},
};

static void terminate(struct ol_pg *other, const char *pid)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%s, 5000)", pid);
    cr_assert_str_eq(pg_value(other, sql), "t");
}

Test(ol_pg_reconnect, works_after_the_backend_was_killed)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open(), *other = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_exec(db, &one, NULL, NULL, reterr));
    pg_ok(ol_pg_begin(db, reterr));
    char pid[32];
    snprintf(pid, sizeof pid, "%s", pg_value(db, "SELECT pg_backend_pid()"));
    terminate(other, pid);

    pg_fails(ol_pg_exec(db, &one, NULL, &rows, reterr), OL_RETRY, "test/one: 57P01");
    cr_assert(!ol_pg_usable(db));
    cr_assert(!ol_pg_in_transaction(db));
    pg_fails(ol_pg_exec(db, &one, NULL, &rows, reterr), OL_RETRY, "is lost");
    pg_ok(ol_pg_rollback(db, reterr));
    pg_ok(ol_pg_reconnect(db, reterr));
    pg_ok(ol_pg_exec(db, &one, NULL, &rows, reterr));
    cr_assert_eq(ol_pg_int64(&rows, 0, 0), 1);
}

Test(ol_pg_reconnect, works_after_a_kill_in_the_middle_of_a_pipeline)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open(), *other = pg_open();
    static const struct ol_pg_statement sleep_long = {.name = "test/sleep",
                                                      .sql = "SELECT pg_sleep(30)"};
    char pid[32];
    snprintf(pid, sizeof pid, "%s", pg_value(db, "SELECT pg_backend_pid()"));
    pg_ok(ol_pg_queue(db, &one, NULL, reterr));
    pg_ok(ol_pg_queue(db, &sleep_long, NULL, reterr));
    pg_ok(ol_pg_queue(db, &one, NULL, reterr));
    pg_ok(ol_pg_send(db, reterr));
    terminate(other, pid);
    struct ol_pg_rows rows[3] = {0};
    pg_fails(ol_pg_receive(db, rows, 3, 0, reterr), OL_RETRY, "57P01");
    cr_assert_null(rows[0].result);
    cr_assert(!ol_pg_usable(db));
    pg_ok(ol_pg_reconnect(db, reterr));
    pg_ok(ol_pg_exec(db, &one, NULL, NULL, reterr));
}

/* ---- statements ---- */

static const struct ol_pg_statement scalars = {
    .name = "test/scalars",
    .sql = "SELECT $1 AS a, $2 AS b, $3 AS c, $3 < 0 AS d, $4 AS e, $4::timestamptz AS f, "
           "'BRL'::char(3) AS g, concat_ws(' ', $1, $2, $3) AS h",
    .columns = (const struct ol_pg_column[]){{"a", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"b", OL_PG_INT4, OL_PG_NOT_NULL},
                                             {"c", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"d", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {"e", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"f", OL_PG_TIMESTAMPTZ, OL_PG_NOT_NULL},
                                             {"g", OL_PG_BPCHAR, OL_PG_NOT_NULL},
                                             {"h", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {0}},
};

static bool is_text(struct ol_pg_text text, const char *expected)
{
    return text.bytes == strlen(expected) && !memcmp(text.data, expected, text.bytes);
}

Test(ol_pg_exec, brings_every_scalar_there_and_back)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    static const char at[] = "2017-10-02T10:56:33.123456Z";
    int64_t at_us = 0;
    cr_assert(ol_clock_parse(at, strlen(at), &at_us));
    struct ol_pg_params params = {0};
    ol_pg_param_int64(&params, INT64_MIN);
    ol_pg_param_int32(&params, -70000);
    ol_pg_param_int16(&params, -300);
    ol_pg_param_text(&params, at, strlen(at));
    pg_ok(ol_pg_exec(db, &scalars, &params, &rows, reterr));

    cr_assert_eq(rows.count, 1);
    cr_assert_eq(rows.affected, 1);
    cr_assert_eq(ol_pg_int64(&rows, 0, 0), INT64_MIN);
    cr_assert_eq(ol_pg_int32(&rows, 0, 1), -70000);
    cr_assert_eq(ol_pg_int16(&rows, 0, 2), -300);
    cr_assert(ol_pg_bool(&rows, 0, 3));
    cr_assert(is_text(ol_pg_text(&rows, 0, 4), at));
    cr_assert_eq(ol_pg_us(&rows, 0, 5), at_us);
    cr_assert(is_text(ol_pg_text(&rows, 0, 6), "BRL"));
    cr_assert(is_text(ol_pg_text(&rows, 0, 7), "-9223372036854775808 -70000 -300"));
}

static const struct ol_pg_statement nulls = {
    .name = "test/nulls",
    .sql = "SELECT NULL::bigint AS a, NULL::bool AS b, NULL::timestamptz AS c, NULL::text AS d",
    .columns = (const struct ol_pg_column[]){{"a", OL_PG_INT8, OL_PG_NULLABLE},
                                             {"b", OL_PG_BOOL, OL_PG_NULLABLE},
                                             {"c", OL_PG_TIMESTAMPTZ, OL_PG_NULLABLE},
                                             {"d", OL_PG_TEXT, OL_PG_NULLABLE},
                                             {0}},
};

Test(ol_pg_exec, reads_a_null_as_nothing)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_exec(db, &nulls, NULL, &rows, reterr));
    for (int i = 0; i < 4; i++)
        cr_assert(ol_pg_is_null(&rows, 0, i));
    cr_assert_eq(ol_pg_int64(&rows, 0, 0), 0);
    cr_assert_not(ol_pg_bool(&rows, 0, 1));
    cr_assert_eq(ol_pg_us(&rows, 0, 2), 0);
    cr_assert_null(ol_pg_text(&rows, 0, 3).data);
}

static const struct ol_pg_statement arrays = {
    .name = "test/arrays",
    .sql = "SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e, $6 AS f, "
           "concat_ws(' ', $1, $2, $3, $4, $5, $6) AS g",
    .columns = (const struct ol_pg_column[]){{"a", OL_PG_INT8_ARRAY, OL_PG_NULLABLE},
                                             {"b", OL_PG_INT4_ARRAY, OL_PG_NULLABLE},
                                             {"c", OL_PG_INT2_ARRAY, OL_PG_NULLABLE},
                                             {"d", OL_PG_BOOL_ARRAY, OL_PG_NULLABLE},
                                             {"e", OL_PG_TIMESTAMPTZ_ARRAY, OL_PG_NULLABLE},
                                             {"f", OL_PG_TEXT_ARRAY, OL_PG_NULLABLE},
                                             {"g", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {0}},
};

struct six {
    struct ol_pg_array array[6];
};

static void six_auto(struct six *six)
{
    for (int i = 0; i < 6; i++)
        ol_pg_array_release(&six->array[i]);
}

static void exec_arrays(struct ol_pg *db, struct six *six, struct ol_pg_rows *rows)
{
    struct ol_pg_params params = {0};
    for (int i = 0; i < 6; i++)
        ol_pg_param_array(&params, &six->array[i]);
    pg_ok(ol_pg_exec(db, &arrays, &params, rows, reterr));
}

Test(ol_pg_elements, brings_arrays_with_nulls_there_and_back)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    OL_AUTO(six) struct six six;
    for (int i = 0; i < 6; i++)
        ol_pg_array_init(&six.array[i], arrays.columns[i].type);
    for (int round = 0; round < 2; round++) {
        ol_pg_array_int64(&six.array[0], INT64_MAX);
        ol_pg_array_int32(&six.array[1], -5);
        ol_pg_array_int16(&six.array[2], 6);
        ol_pg_array_bool(&six.array[3], true);
        ol_pg_array_us(&six.array[4], 0);
        ol_pg_array_text(&six.array[5], "a,\"b", 4);
        for (int i = 0; i < 6; i++)
            ol_pg_array_null(&six.array[i]);
        ol_pg_array_text(&six.array[5], "", 0);
        exec_arrays(db, &six, &rows);
        cr_assert(is_text(ol_pg_text(&rows, 0, 6),
                          "{9223372036854775807,NULL} {-5,NULL} {6,NULL} {t,NULL} "
                          "{\"1970-01-01 00:00:00+00\",NULL} {\"a,\\\"b\",NULL,\"\"}"));

        int64_t int64;
        struct ol_pg_text text;
        struct ol_pg_elements walk = ol_pg_elements(&rows, 0, 0);
        cr_assert(ol_pg_next_int64(&walk, &int64) && int64 == INT64_MAX && !walk.is_null);
        cr_assert(ol_pg_next_int64(&walk, &int64) && int64 == 0 && walk.is_null);
        cr_assert(!ol_pg_next_int64(&walk, &int64));
        walk = ol_pg_elements(&rows, 0, 5);
        cr_assert_eq(walk.left, 3);
        cr_assert(ol_pg_next_text(&walk, &text) && is_text(text, "a,\"b"));
        cr_assert(ol_pg_next_text(&walk, &text) && !text.data);
        cr_assert(ol_pg_next_text(&walk, &text) && text.data && text.bytes == 0);
        cr_assert(!ol_pg_next_text(&walk, &text));
        for (int i = 0; i < 6; i++)
            ol_pg_array_clear(&six.array[i]);
    }
}

static const struct ol_pg_statement odd = {
    .name = "test/odd",
    .sql = "SELECT '{}'::bigint[] AS a, NULL::text[] AS b, '{{1,2},{3,4}}'::bigint[] AS c",
    .columns = (const struct ol_pg_column[]){{"a", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {"b", OL_PG_TEXT_ARRAY, OL_PG_NULLABLE},
                                             {"c", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {0}},
};

Test(ol_pg_elements, reads_empty_null_and_nested_arrays)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_exec(db, &odd, NULL, &rows, reterr));
    cr_assert_eq(ol_pg_elements(&rows, 0, 0).left, 0);
    cr_assert_eq(ol_pg_elements(&rows, 0, 1).left, 0);
    struct ol_pg_elements nested = ol_pg_elements(&rows, 0, 2);
    int64_t sum = 0, value;
    while (ol_pg_next_int64(&nested, &value))
        sum = sum * 10 + value;
    cr_assert_eq(sum, 1234);
}

Test(ol_pg_param_array, feeds_unnest)
{
    static const struct ol_pg_statement insert = {
        .name = "test/insert",
        .sql = "INSERT INTO t SELECT * FROM unnest($1, $2) ON CONFLICT (k) DO UPDATE"
               " SET v = excluded.v"};
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    pg_script(db, "CREATE TEMP TABLE t (k text PRIMARY KEY, v bigint)");
    OL_AUTO(ol_pg_array) struct ol_pg_array keys, values;
    ol_pg_array_init(&keys, OL_PG_TEXT_ARRAY);
    ol_pg_array_init(&values, OL_PG_INT8_ARRAY);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 10000; i++) {
            char key[16];
            ol_pg_array_text(&keys, key, (size_t)snprintf(key, sizeof key, "k%d", i));
            ol_pg_array_int64(&values, i * round);
        }
        OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
        struct ol_pg_params params = {0};
        ol_pg_param_array(&params, &keys);
        ol_pg_param_array(&params, &values);
        pg_ok(ol_pg_exec(db, &insert, &params, &rows, reterr));
        cr_assert_eq(rows.affected, 10000);
        ol_pg_array_clear(&keys);
        ol_pg_array_clear(&values);
    }
    cr_assert_str_eq(pg_value(db, "SELECT sum(v) FROM t"), "99990000");
}

Test(ol_pg_exec, says_what_differs_when_the_schema_drifted)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    static const struct ol_pg_column expected[] = {
        {"sku", OL_PG_TEXT, OL_PG_NOT_NULL}, {"on_hand", OL_PG_INT8, OL_PG_NOT_NULL}, {0}};
    static const struct {
        struct ol_pg_statement statement;
        const char *words;
    } drifts[] = {
        {{"d/1", "SELECT 'a' AS sku, 1 AS on_hand", expected},
         "d/1: column 2 is on_hand integer (type OID 23), expected on_hand bigint"},
        {{"d/2", "SELECT 'a' AS sku, 1::int8 AS reserved", expected}, "column 2 is reserved"},
        {{"d/3", "SELECT 'a' AS sku", expected}, "d/3: 1 columns, expected 2"},
        {{"d/4", "SELECT 'a' AS sku, 1::int8 AS on_hand, 2", expected}, "3 columns, expected 2"},
        {{"d/5", "SELECT 'a' AS sku, 1::numeric AS on_hand", expected},
         "another type (type OID 1700)"},
        {{"d/6", "SELECT 'a' AS sku, NULL::int8 AS on_hand", expected},
         "d/6: column on_hand is NULL in row 1"},
    };
    for (size_t i = 0; i < sizeof drifts / sizeof drifts[0]; i++) {
        for (int again = 0; again < 2; again++)
            pg_fails(ol_pg_exec(db, &drifts[i].statement, NULL, &rows, reterr), OL_FATAL,
                     drifts[i].words);
        cr_assert_null(rows.result);
    }
    pg_ok(ol_pg_exec(db, &one, NULL, NULL, reterr));
}

Test(ol_pg_exec, reports_sqlstate_message_detail_and_name)
{
    static const struct ol_pg_statement twice = {.name = "test/twice",
                                                 .sql = "INSERT INTO t VALUES ('A'), ('A')"};
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    pg_script(db, "CREATE TEMP TABLE t (sku text PRIMARY KEY)");
    pg_fails(ol_pg_exec(db, &twice, NULL, NULL, reterr), OL_FATAL,
             "test/twice: 23505 duplicate key value violates unique constraint \"t_pkey\" "
             "(Key (sku)=(A) already exists.)");
    cr_assert_str_eq(ol_pg_sqlstate(db), "23505");
}

Test(ol_pg_exec, refuses_other_parameter_types_than_at_first)
{
    static const struct ol_pg_statement echo = {.name = "test/echo", .sql = "SELECT $1"};
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    struct ol_pg_params params = {0};
    ol_pg_param_int64(&params, 1);
    pg_ok(ol_pg_exec(db, &echo, &params, NULL, reterr));
    params = (struct ol_pg_params){0};
    ol_pg_param_text(&params, "a", 1);
    pg_fails(ol_pg_exec(db, &echo, &params, NULL, reterr), OL_FATAL,
             "test/echo: parameter $1 was bigint, now it is text");
    pg_fails(ol_pg_exec(db, &echo, NULL, NULL, reterr), OL_FATAL, "prepared with 1 parameters");
    params = (struct ol_pg_params){0};
    ol_pg_param_int64(&params, 2);
    pg_ok(ol_pg_exec(db, &echo, &params, NULL, reterr));
}

static const struct ol_pg_statement sleep_long = {.name = "test/sleep",
                                                  .sql = "SELECT pg_sleep(30)"};

Test(ol_pg_exec, a_statement_timeout_is_retry)
{
    OL_AUTO(ol_pg)
    struct ol_pg *db = pg_open_with((struct ol_pg_options){.statement_timeout_ms = 100});
    pg_fails(ol_pg_exec(db, &sleep_long, NULL, NULL, reterr), OL_RETRY, "test/sleep: 57014");
    cr_assert(ol_pg_usable(db));
    pg_ok(ol_pg_exec(db, &one, NULL, NULL, reterr));
}

static const struct ol_pg_statement lock_row = {.name = "test/lock",
                                                .sql = "UPDATE orderlog_test_lock SET n = n + 1"};

Test(ol_pg_exec, a_lock_timeout_and_a_stale_snapshot_are_retry)
{
    OL_AUTO(ol_pg) struct ol_pg *first = pg_open();
    OL_AUTO(ol_pg)
    struct ol_pg *second = pg_open_with((struct ol_pg_options){.lock_timeout_ms = 50});
    pg_script(first, "DROP TABLE IF EXISTS orderlog_test_lock");
    pg_script(first, "CREATE TABLE orderlog_test_lock AS SELECT 1 AS n");
    pg_ok(ol_pg_begin(first, reterr));
    pg_ok(ol_pg_exec(first, &lock_row, NULL, NULL, reterr));
    pg_script(second, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT n FROM orderlog_test_lock");
    pg_script(second, "SAVEPOINT s");
    pg_fails(ol_pg_exec(second, &lock_row, NULL, NULL, reterr), OL_RETRY, "55P03");
    pg_script(second, "ROLLBACK TO s");
    pg_ok(ol_pg_commit(first, reterr));
    pg_fails(ol_pg_exec(second, &lock_row, NULL, NULL, reterr), OL_RETRY, "40001");
    pg_ok(ol_pg_rollback(second, reterr));
    pg_script(first, "DROP TABLE orderlog_test_lock");
}

/* ---- pipeline ---- */

static const struct ol_pg_statement add = {.name = "test/add", .sql = "INSERT INTO t VALUES ($1)"};
static const struct ol_pg_statement count_rows = {
    .name = "test/count",
    .sql = "SELECT count(*) AS n FROM t",
    .columns = (const struct ol_pg_column[]){{"n", OL_PG_INT8, OL_PG_NOT_NULL}, {0}},
};

static void queue_add(struct ol_pg *db, int64_t value)
{
    struct ol_pg_params params = {0};
    ol_pg_param_int64(&params, value);
    pg_ok(ol_pg_queue(db, &add, &params, reterr));
}

static int64_t rows_of_t(struct ol_pg *db)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_exec(db, &count_rows, NULL, &rows, reterr));
    return ol_pg_int64(&rows, 0, 0);
}

static struct ol_pg *open_with_t(void)
{
    struct ol_pg *db = pg_open();
    pg_script(db, "CREATE TEMP TABLE t (n bigint PRIMARY KEY)");
    return db;
}

Test(ol_pg_receive, brings_the_results_in_order)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_t();
    struct ol_pg_rows rows[5] = {0};
    for (int round = 1; round <= 3; round++) {
        pg_ok(ol_pg_queue(db, &ol_pg_stmt_begin, NULL, reterr));
        queue_add(db, round * 10);
        queue_add(db, round * 10 + 1);
        pg_ok(ol_pg_queue(db, &count_rows, NULL, reterr));
        pg_ok(ol_pg_queue(db, &ol_pg_stmt_commit, NULL, reterr));
        cr_assert_eq(ol_pg_queued(db), 5);
        pg_ok(ol_pg_send(db, reterr));
        pg_fails(ol_pg_exec(db, &one, NULL, NULL, reterr), OL_FATAL, "still to be received");
        pg_fails(ol_pg_queue(db, &one, NULL, reterr), OL_FATAL, "still to be received");
        pg_ok(ol_pg_receive(db, rows, 5, 0, reterr));
        cr_assert_eq(ol_pg_queued(db), 0);
        cr_assert_eq(rows[1].affected, 1);
        cr_assert_eq(ol_pg_int64(&rows[3], 0, 0), round * 2);
        cr_assert(!ol_pg_in_transaction(db));
    }
    for (int i = 0; i < 5; i++)
        ol_pg_rows_release(&rows[i]);
    pg_ok(ol_pg_receive(db, NULL, 0, 0, reterr));
}

Test(ol_pg_receive, reports_the_first_failure_and_keeps_the_connection)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_t();
    static const struct ol_pg_statement broken = {.name = "test/broken",
                                                  .sql = "SELECT nothing FROM nowhere"};
    struct ol_pg_rows rows[4] = {0};
    for (int round = 0; round < 2; round++) {
        queue_add(db, 1);
        pg_ok(ol_pg_queue(db, &broken, NULL, reterr));
        pg_ok(ol_pg_queue(db, &count_rows, NULL, reterr)); /* its Parse is skipped too */
        pg_ok(ol_pg_queue(db, &broken, NULL, reterr));
        pg_ok(ol_pg_send(db, reterr));
        pg_fails(ol_pg_receive(db, rows, 4, 0, reterr), OL_FATAL, "test/broken: 42P01");
        for (int i = 0; i < 4; i++)
            cr_assert_null(rows[i].result);
        cr_assert(ol_pg_usable(db));
        cr_assert(!ol_pg_in_transaction(db));
    }
    cr_assert_eq(rows_of_t(db), 0, "the statements of one send are one transaction");
}

Test(ol_pg_receive, leaves_an_open_transaction_to_be_rolled_back)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_t();
    pg_ok(ol_pg_queue(db, &ol_pg_stmt_begin, NULL, reterr));
    queue_add(db, 1);
    queue_add(db, 1);
    queue_add(db, 2);
    pg_fails(ol_pg_receive(db, NULL, 0, 0, reterr), OL_FATAL, "test/add: 23505");
    cr_assert(ol_pg_in_transaction(db));
    pg_fails(ol_pg_exec(db, &one, NULL, NULL, reterr), OL_FATAL, "25P02");
    pg_fails(ol_pg_commit(db, reterr), OL_FATAL, "commit: the transaction was aborted before");
    pg_ok(ol_pg_rollback(db, reterr));
    pg_ok(ol_pg_begin(db, reterr));
    pg_fails(ol_pg_exec(db, &sleep_long, &(struct ol_pg_params){.failed = true}, NULL, reterr),
             OL_FATAL, "too large");
    pg_ok(ol_pg_rollback(db, reterr));
    cr_assert(!ol_pg_in_transaction(db));
    cr_assert_eq(rows_of_t(db), 0);
}

/* The server reads on only once somebody else lets go, which is after the sending: who waited for
 * it would get its lock timeout. */
Test(ol_pg_send, does_not_wait_for_the_server, .timeout = 60)
{
    static const struct ol_pg_statement held = {
        .name = "test/held", .sql = "SELECT $1, pg_advisory_xact_lock(hashtext('test/held'))"};
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open(), *holder = pg_open();
    pg_ok(ol_pg_begin(holder, reterr));
    pg_script(holder, "SELECT pg_advisory_xact_lock(hashtext('test/held'))");
    size_t bytes = 16u << 20; /* more than the socket's buffers take, there and back */
    char *text = malloc(bytes);
    cr_assert(text);
    memset(text, 'x', bytes);
    struct ol_pg_params params = {0};
    ol_pg_param_text(&params, text, bytes);
    pg_ok(ol_pg_queue(db, &held, &params, reterr));
    pg_ok(ol_pg_queue(db, &held, &params, reterr));
    memset(text, 'y', bytes); /* nothing of params is kept */
    pg_ok(ol_pg_send(db, reterr));
    pg_ok(ol_pg_rollback(holder, reterr));
    struct ol_pg_rows rows[2] = {0};
    pg_ok(ol_pg_receive(db, rows, 2, 0, reterr));
    cr_assert_eq(rows[1].count, 1);
    ol_pg_rows_release(&rows[0]);
    ol_pg_rows_release(&rows[1]);
    free(text);
}

Test(ol_pg_receive, gives_the_connection_up_when_the_time_is_over)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    pg_ok(ol_pg_queue(db, &sleep_long, NULL, reterr));
    pg_ok(ol_pg_send(db, reterr));
    int64_t begun_us = ol_clock_monotonic_us();
    pg_fails(ol_pg_receive(db, NULL, 0, 100, reterr), OL_RETRY, "doesn't answer in time");
    cr_assert_lt(ol_clock_monotonic_us() - begun_us, 5000000);
    cr_assert(!ol_pg_usable(db));
    cr_assert_eq(ol_pg_queued(db), 0);
    pg_fails(ol_pg_receive(db, NULL, 0, 100, reterr), OL_RETRY, "is lost");
    pg_ok(ol_pg_send(db, reterr));
    pg_ok(ol_pg_reconnect(db, reterr));
    pg_ok(ol_pg_exec(db, &one, NULL, NULL, reterr));
}

Test(ol_pg_reset, makes_a_fresh_start_of_whatever_was_under_way)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    char pid[32];
    snprintf(pid, sizeof pid, "%s", pg_value(db, "SELECT pg_backend_pid()"));
    pg_ok(ol_pg_reset(db, reterr));
    pg_ok(ol_pg_begin(db, reterr));
    pg_ok(ol_pg_reset(db, reterr));
    cr_assert(!ol_pg_in_transaction(db));
    cr_assert_str_eq(pg_value(db, "SELECT pg_backend_pid()"), pid, "the same connection");
    pg_ok(ol_pg_queue(db, &sleep_long, NULL, reterr));
    pg_ok(ol_pg_send(db, reterr));
    pg_ok(ol_pg_reset(db, reterr));
    cr_assert_str_neq(pg_value(db, "SELECT pg_backend_pid()"), pid);
}

Test(ol_pg_queue, refuses_more_than_its_limit)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    for (int i = 0; i < OL_PG_PIPELINE_MAX; i++)
        pg_ok(ol_pg_queue(db, &one, NULL, reterr));
    pg_fails(ol_pg_queue(db, &one, NULL, reterr), OL_FATAL, "queued already");
    pg_ok(ol_pg_receive(db, NULL, 0, 0, reterr));
}

/* ---- transactions and text ---- */

Test(ol_pg_begin_snapshot, sees_one_moment)
{
    OL_AUTO(ol_pg) struct ol_pg *reader = pg_open(), *writer = pg_open();
    pg_script(writer, "DROP TABLE IF EXISTS orderlog_test_moment");
    pg_script(writer, "CREATE TABLE orderlog_test_moment (n bigint)");
    pg_ok(ol_pg_begin_snapshot(reader, reterr));
    static const char count[] = "SELECT count(*) FROM orderlog_test_moment";
    cr_assert_str_eq(pg_value(reader, count), "0");
    pg_script(writer, "INSERT INTO orderlog_test_moment VALUES (1)");
    cr_assert_str_eq(pg_value(reader, count), "0");
    pg_fails(
        ol_pg_script(reader, "write", "INSERT INTO orderlog_test_moment VALUES (2)", NULL, reterr),
        OL_FATAL, "25006");
    pg_ok(ol_pg_rollback(reader, reterr));
    cr_assert_str_eq(pg_value(reader, count), "1");
    pg_script(writer, "DROP TABLE orderlog_test_moment");
}

Test(ol_pg_select, brings_text)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    ol_pg_param_int64(&params, 2);
    pg_ok(ol_pg_select(db, "test/text",
                       "SELECT n AS number, NULL AS nothing, now() > 'epoch' AS later"
                       " FROM generate_series(1, $1) AS n",
                       &params, &rows, reterr));
    cr_assert_eq(rows.count, 2);
    cr_assert_eq(ol_pg_column_count(&rows), 3);
    cr_assert_str_eq(ol_pg_string(&rows, 1, 0), "2");
    cr_assert_str_eq(ol_pg_string(&rows, 0, 1), "");
    cr_assert(ol_pg_is_null(&rows, 0, 1));
    cr_assert_str_eq(ol_pg_string(&rows, 0, 2), "t");
    pg_fails(ol_pg_select(db, "test/text", "SELECT 1 +", NULL, &rows, reterr), OL_FATAL,
             "test/text: 42601");
}

Test(ol_pg_script, says_which_statement_failed)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    struct ol_pg_place place = {0};
    pg_fails(ol_pg_script(db, "s", "SELECT 1; SELECT 1/0; SELECT 2", &place, reterr), OL_FATAL,
             "s: 22012");
    cr_assert_eq(place.statement, 2);
    cr_assert_eq(place.position, 0);
    pg_fails(ol_pg_script(db, "s", "SELECT 1; SELECT nothing", &place, reterr), OL_FATAL, "42703");
    cr_assert_eq(place.statement, 2);
    cr_assert_eq(place.position, 18);
    pg_script(db, " -- nothing at all\n");
    pg_fails(ol_pg_script(db, "s", "COPY (SELECT 1) TO STDOUT", NULL, reterr), OL_FATAL,
             "s: COPY to or from the client can't be run here");
    cr_assert(!ol_pg_usable(db));
}
