/*
 * tests/contract/test_pg.h - what the tests of ol_pg and ol_migrate share.
 *
 * They run against the server that ORDERLOG_PG_DSN names, and are skipped without it.
 */
#ifndef TEST_PG_H
#define TEST_PG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pg/ol_pg.h"

static inline const char *pg_dsn(void)
{
    const char *dsn = getenv("ORDERLOG_PG_DSN");
    if (!dsn || !*dsn)
        cr_skip_test("ORDERLOG_PG_DSN is not set: no PostgreSQL to test against");
    return dsn;
}

static inline struct ol_pg *pg_open_with(struct ol_pg_options options)
{
    struct ol_pg *db = NULL;
    struct ol_error error = {0};
    if (!options.dsn)
        options.dsn = pg_dsn();
    options.application_name = "orderlog/test";
    cr_assert_eq(ol_pg_open(&options, &db, &error), OL_OK, "%s", error.text);
    return db;
}

static inline struct ol_pg *pg_open(void)
{
    return pg_open_with((struct ol_pg_options){0});
}

#define pg_ok(call)                                                                                \
    do {                                                                                           \
        struct ol_error error = {0};                                                               \
        struct ol_error *reterr = &error;                                                          \
        enum ol_class class_ = (call);                                                             \
        cr_assert_eq(class_, OL_OK, "%s: %s", #call, error.text);                                  \
    } while (0)

/* The call fails with this class, and its text contains `words`. */
#define pg_fails(call, expected, words)                                                            \
    do {                                                                                           \
        struct ol_error error = {0};                                                               \
        struct ol_error *reterr = &error;                                                          \
        enum ol_class class_ = (call);                                                             \
        cr_assert_eq(class_, expected, "%s: %s: %s", #call, ol_class_name(class_), error.text);    \
        cr_assert_eq(error.class, expected);                                                       \
        cr_assert(strstr(error.text, words), "%s", error.text);                                    \
    } while (0)

static inline void pg_script(struct ol_pg *db, const char *sql)
{
    pg_ok(ol_pg_script(db, "test", sql, NULL, reterr));
}

/* The first field of a query, as text; static. */
static inline const char *pg_value(struct ol_pg *db, const char *sql)
{
    static char value[256];
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    pg_ok(ol_pg_select(db, "test/value", sql, NULL, &rows, reterr));
    cr_assert(rows.count > 0, "%s: no row", sql);
    snprintf(value, sizeof value, "%s", ol_pg_string(&rows, 0, 0));
    return value;
}

#endif
