/*
 * tests/contract/test_projection_db.h - a database of its own for each test, with the project's
 * schema.
 */
#ifndef TEST_PROJECTION_DB_H
#define TEST_PROJECTION_DB_H

#include <libpq-fe.h>
#include <unistd.h>

#include "test_pg.h"
#include "lib/pg/ol_migrate.h"

struct own_database {
    struct ol_pg *admin, *db;
    char name[64], dsn[1024];
};

static inline void own_database_dsn(struct own_database *own)
{
    PQconninfoOption *options = PQconninfoParse(pg_dsn(), NULL);
    cr_assert(options);
    size_t used = 0;
    for (PQconninfoOption *option = options; option->keyword; option++)
        if (option->val && strcmp(option->keyword, "dbname"))
            used += (size_t)snprintf(own->dsn + used, sizeof own->dsn - used, "%s='%s' ",
                                     option->keyword, option->val);
    snprintf(own->dsn + used, sizeof own->dsn - used, "dbname=%s", own->name);
    PQconninfoFree(options);
}

/* Empty, or migrated. */
static inline void own_database_init(struct own_database *own, bool migrated)
{
    char sql[128];
    *own = (struct own_database){.admin = pg_open()};
    snprintf(own->name, sizeof own->name, "orderlog_projection_%d", getpid());
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", own->name);
    pg_script(own->admin, sql);
    own_database_dsn(own);
    own->db = pg_open_with((struct ol_pg_options){.dsn = own->dsn});
    if (migrated)
        pg_ok(ol_migrate_up(own->db, MIGRATIONS, 10000, NULL, NULL, NULL, reterr));
}

static inline struct ol_pg *own_database_open(const struct own_database *own)
{
    return pg_open_with((struct ol_pg_options){.dsn = own->dsn});
}

static inline void own_database_auto(struct own_database *own)
{
    char sql[128];
    ol_pg_free(own->db);
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", own->name);
    ol_pg_script(own->admin, "test/drop", sql, NULL, NULL);
    ol_pg_free(own->admin);
}

#define OWN_DATABASE(name, migrated)                                                               \
    OL_AUTO(own_database) struct own_database name = {0};                                          \
    own_database_init(&(name), migrated)

#endif
