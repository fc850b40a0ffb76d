#include "test_pg.h"

#include <sys/resource.h>

#include "lib/base/ol_clock.h"
#include "lib/pg/ol_pg_copy.h"

static const struct ol_pg_copy_target all_types = {
    .name = "test/copy",
    .table = "t",
    .columns = (const struct ol_pg_column[]){{"id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"a", OL_PG_INT8, OL_PG_NULLABLE},
                                             {"b", OL_PG_INT4, OL_PG_NULLABLE},
                                             {"c", OL_PG_INT2, OL_PG_NULLABLE},
                                             {"d", OL_PG_BOOL, OL_PG_NULLABLE},
                                             {"e", OL_PG_TIMESTAMPTZ, OL_PG_NULLABLE},
                                             {"f", OL_PG_BPCHAR, OL_PG_NULLABLE},
                                             {"g", OL_PG_TEXT_ARRAY, OL_PG_NULLABLE},
                                             {"h", OL_PG_INT8_ARRAY, OL_PG_NULLABLE},
                                             {0}},
};

static const char create_all_types[] =
    "CREATE TEMP TABLE t (id text PRIMARY KEY, a bigint, b integer, c smallint, d boolean,"
    " e timestamptz, f char(3), g text[], h bigint[])";

static const struct ol_pg_copy_target numbers = {
    .name = "test/numbers",
    .table = "n",
    .columns = (const struct ol_pg_column[]){{"n", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"word", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {0}},
};

static struct ol_pg *open_with_n(void)
{
    struct ol_pg *db = pg_open();
    pg_script(db, "CREATE TEMP TABLE n (n bigint PRIMARY KEY, word text NOT NULL)");
    return db;
}

static enum ol_class put_row(struct ol_pg_copy *copy, int64_t n, const char *word, size_t bytes,
                             struct ol_error *reterr)
{
    unsigned char *at = ol_pg_copy_row(copy, 16 + bytes);
    if (at)
        at = ol_pg_write_bytes(ol_pg_write_int64(at, n), word, bytes);
    return ol_pg_copy_row_end(copy, at, reterr);
}

static void put_number(struct ol_pg_copy *copy, int64_t n)
{
    pg_ok(put_row(copy, n, "word", 4, reterr));
}

static unsigned char *write_int64s(unsigned char *at, const int64_t *values, size_t count)
{
    unsigned char *end = at + OL_PG_ARRAY_FIELD_BYTES;
    for (size_t i = 0; i < count; i++)
        end = ol_pg_write_int64(end, values[i]);
    return ol_pg_write_array(at, end, OL_PG_INT8, count);
}

static unsigned char *write_texts(unsigned char *at, const struct ol_pg_text *values, size_t count)
{
    unsigned char *end = at + OL_PG_ARRAY_FIELD_BYTES;
    for (size_t i = 0; i < count; i++)
        end = ol_pg_write_bytes(end, values[i].data, values[i].bytes);
    return ol_pg_write_array(at, end, OL_PG_TEXT, count);
}

Test(ol_pg_copy_end, all_types_arrive)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    pg_script(db, create_all_types);
    pg_ok(ol_pg_copy_begin(&copy, db, &all_types, reterr));
    unsigned char *at = ol_pg_copy_row(&copy, 512);
    at = ol_pg_write_bytes(at, "São", 4);
    at = ol_pg_write_int64(at, INT64_MAX);
    at = ol_pg_write_int32(at, -2);
    at = ol_pg_write_int16(at, -3);
    at = ol_pg_write_bool(at, true);
    at = ol_pg_write_us(at, 1506941793123456);
    at = ol_pg_write_bytes(at, "BRL", 3);
    at = write_texts(at, (const struct ol_pg_text[]){{"x", 1}, {"", 0}}, 2);
    at = write_int64s(at, (const int64_t[]){5, -6}, 2);
    pg_ok(ol_pg_copy_row_end(&copy, at, reterr));
    at = ol_pg_write_bytes(ol_pg_copy_row(&copy, 64), "nulls", 5);
    for (int i = 0; i < 8; i++)
        at = ol_pg_write_null(at);
    pg_ok(ol_pg_copy_row_end(&copy, at, reterr));
    at = ol_pg_write_bytes(ol_pg_copy_row(&copy, 64), "empty", 5);
    for (int i = 0; i < 7; i++)
        at = ol_pg_write_null(at);
    pg_ok(ol_pg_copy_row_end(&copy, write_int64s(at, NULL, 0), reterr));
    pg_fails(ol_pg_begin(db, reterr), OL_FATAL, "begin: COPY test/copy is still under way");
    int64_t rows = 0;
    pg_ok(ol_pg_copy_end(&copy, &rows, reterr));
    cr_assert_eq(rows, 3);
    cr_assert_str_eq(pg_value(db, "SELECT t::text FROM t WHERE id = 'São'"),
                     "(São,9223372036854775807,-2,-3,t,\"2017-10-02 10:56:33.123456+00\",BRL,"
                     "\"{x,\"\"\"\"}\",\"{5,-6}\")");
    cr_assert_str_eq(pg_value(db, "SELECT t::text FROM t WHERE id = 'nulls'"), "(nulls,,,,,,,,)");
    cr_assert_str_eq(pg_value(db, "SELECT t::text FROM t WHERE id = 'empty'"), "(empty,,,,,,,,{})");
}

Test(ol_pg_copy_end, takes_many_chunks_and_none)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_n();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    int64_t rows = -1;
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    pg_ok(ol_pg_copy_end(&copy, &rows, reterr));
    cr_assert_eq(rows, 0);
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    for (int64_t i = 0; i < 300000; i++)
        put_number(&copy, i);
    pg_ok(ol_pg_copy_end(&copy, &rows, reterr));
    cr_assert_eq(rows, 300000);
    cr_assert_leq(copy.buffer.capacity_bytes, 4u * OL_PG_COPY_CHUNK_BYTES);
    cr_assert_str_eq(pg_value(db, "SELECT sum(n) FROM n"), "44999850000");
}

Test(ol_pg_copy_end, a_refused_row_refuses_all_and_names_the_row)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_n();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    int64_t rows = -1;
    pg_ok(ol_pg_begin(db, reterr));
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    for (int64_t i = 0; i < 100000; i++)
        put_number(&copy, i == 7 ? 3 : i);
    pg_fails(ol_pg_copy_end(&copy, &rows, reterr), OL_FATAL, "test/numbers: 23505");
    cr_assert_eq(rows, -1);
    cr_assert(ol_pg_usable(db) && ol_pg_in_transaction(db));
    pg_ok(ol_pg_rollback(db, reterr));

    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    put_number(&copy, 1);
    pg_ok(put_row(&copy, 2, "\xff", 1, reterr));
    pg_fails(ol_pg_copy_end(&copy, &rows, reterr), OL_FATAL, "[COPY n, line 2, column word]");

    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    put_number(&copy, 1);
    pg_ok(ol_pg_copy_end(&copy, &rows, reterr));
    cr_assert_str_eq(pg_value(db, "SELECT count(*) FROM n"), "1");
}

Test(ol_pg_copy_abort, leaves_nothing_and_a_usable_connection)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_n();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    pg_ok(ol_pg_copy_abort(&copy, "nothing is under way", reterr));
    for (int64_t count = 1; count < 100000; count *= 50) {
        pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
        for (int64_t i = 0; i < count; i++)
            put_number(&copy, i);
        pg_ok(ol_pg_copy_abort(&copy, "changed my mind", reterr));
        cr_assert_str_eq(pg_value(db, "SELECT count(*) FROM n"), "0");
    }
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    put_number(&copy, 1);
    pg_ok(ol_pg_copy_end(&copy, NULL, reterr));
}

Test(ol_pg_copy_end, a_row_that_could_not_be_built_aborts)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_n();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    pg_ok(put_row(&copy, 1, "x", (size_t)OL_PG_VALUE_MAX_BYTES + 1, reterr));
    pg_fails(ol_pg_copy_end(&copy, NULL, reterr), OL_FATAL, "row 1 is too large");
    cr_assert_str_eq(pg_value(db, "SELECT count(*) FROM n"), "0");
}

Test(ol_pg_copy_begin, says_what_differs_when_the_schema_drifted)
{
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    pg_fails(ol_pg_copy_begin(&copy, db, &numbers, reterr), OL_FATAL, "test/numbers: 42P01");
    pg_script(db, "CREATE TEMP TABLE n (n bigint, word varchar(9))");
    pg_fails(ol_pg_copy_begin(&copy, db, &numbers, reterr), OL_FATAL,
             "test/numbers: column 2 is word another type (type OID 1043), expected word text");
    pg_script(db, "ALTER TABLE n ALTER word TYPE text");
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    pg_ok(ol_pg_copy_end(&copy, NULL, reterr));
    pg_script(db, "DROP TABLE n");
    pg_fails(ol_pg_copy_begin(&copy, db, &numbers, reterr), OL_FATAL, "42P01");
    pg_ok(ol_pg_begin(db, reterr));
    pg_ok(ol_pg_rollback(db, reterr));
}

Test(ol_pg_copy_row_end, a_killed_backend_is_retry)
{
    OL_AUTO(ol_pg) struct ol_pg *db = open_with_n(), *other = pg_open();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%s, 5000)",
             pg_value(db, "SELECT pg_backend_pid()"));
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    cr_assert_str_eq(pg_value(other, sql), "t");
    enum ol_class class = OL_OK;
    for (int64_t i = 0; class == OL_OK && i < 1000000; i++)
        class = put_row(&copy, i, "word", 4, NULL);
    if (class == OL_OK)
        class = ol_pg_copy_end(&copy, NULL, NULL);
    cr_assert_eq(class, OL_RETRY);
    cr_assert(!ol_pg_usable(db));
    ol_pg_copy_abort(&copy, "lost", NULL);
    pg_ok(ol_pg_reconnect(db, reterr));
    pg_script(db, "CREATE TEMP TABLE n (n bigint PRIMARY KEY, word text NOT NULL)");
    pg_ok(ol_pg_copy_begin(&copy, db, &numbers, reterr));
    put_number(&copy, 1);
    pg_ok(ol_pg_copy_end(&copy, NULL, reterr));
}

/* ---- speed: ORDERLOG_PG_BENCH=1, figures on stderr, nothing asserted ---- */

static const struct ol_pg_copy_target orders = {
    .name = "bench/orders",
    .table = "orderlog_test_orders",
    .columns = (const struct ol_pg_column[]){{"order_id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"skus", OL_PG_TEXT_ARRAY, OL_PG_NOT_NULL},
                                             {"quantities", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {"amounts", OL_PG_INT8_ARRAY, OL_PG_NOT_NULL},
                                             {0}},
};

enum { ORDERS = 155518, LINES = 10 };

static void put_order(struct ol_pg_copy *copy, int n)
{
    static const struct ol_pg_text skus[LINES] = {
        {"85123A", 6}, {"71053", 5}, {"84406B", 6}, {"84029G", 6}, {"84029E", 6},
        {"22752", 5},  {"21730", 5}, {"22633", 5},  {"22632", 5},  {"84879", 5}};
    static int64_t numbers_of_lines[LINES] = {6, 6, 8, 6, 6, 2, 6, 6, 6, 32};
    char id[16];
    for (int i = 10, rest = n; i >= 0; i--, rest /= 10)
        id[i] = (char)('0' + rest % 10);
    unsigned char *at = ol_pg_write_bytes(ol_pg_copy_row(copy, 512), id, 11);
    at = write_texts(at, skus, LINES);
    at = write_int64s(at, numbers_of_lines, LINES);
    at = write_int64s(at, numbers_of_lines, LINES);
    pg_ok(ol_pg_copy_row_end(copy, at, reterr));
}

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

Test(ol_pg_copy, bench_the_year_as_order_rows, .timeout = 120)
{
    if (!getenv("ORDERLOG_PG_BENCH"))
        cr_skip_test("ORDERLOG_PG_BENCH is not set");
    OL_AUTO(ol_pg) struct ol_pg *db = pg_open();
    OL_AUTO(ol_pg_copy) struct ol_pg_copy copy = {0};
    for (int round = 0; round < 3; round++) {
        pg_script(db, "DROP TABLE IF EXISTS orderlog_test_orders");
        pg_script(db,
                  "CREATE TABLE orderlog_test_orders (order_id text PRIMARY KEY, skus text[] NOT "
                  "NULL, quantities bigint[] NOT NULL, amounts bigint[] NOT NULL)");
        double cpu = cpu_s();
        int64_t begun_us = ol_clock_monotonic_us(), rows = 0;
        pg_ok(ol_pg_begin(db, reterr));
        pg_ok(ol_pg_copy_begin(&copy, db, &orders, reterr));
        for (int i = 0; i < ORDERS; i++)
            put_order(&copy, i);
        pg_ok(ol_pg_copy_end(&copy, &rows, reterr));
        pg_ok(ol_pg_commit(db, reterr));
        double seconds = (double)(ol_clock_monotonic_us() - begun_us) / 1e6;
        fprintf(stderr, "COPY: %lld rows in %.3f s: %.0f rows/s; client CPU %.3f s\n",
                (long long)rows, seconds, (double)rows / seconds, cpu_s() - cpu);
    }
    pg_script(db, "DROP TABLE orderlog_test_orders");
}
