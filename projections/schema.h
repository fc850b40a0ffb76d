/*
 * projections/schema.h - is the database the one that this program was written for?
 *
 * The program knows the changes in migrations/ by their versions; a role compares them with those
 * that were applied before it does anything else, so that it never works on tables that are not yet
 * what it expects. tests/contract/test_migrations.c compares them with the folder.
 */
#ifndef PROJECTIONS_SCHEMA_H
#define PROJECTIONS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/ol_error.h"
#include "lib/pg/ol_pg.h"

/* Those that the program needs, oldest first; as many as *ret_count. */
const char *const *schema_versions(size_t *ret_count);

/* All changes are applied; writes: and the login may write the rows. Newer ones are logged: rolling
 * out a program, its schema comes first. OL_NOT_FOUND: some are missing. Rights that are missing
 * are what ol_pg_exec makes of them. The text says what to do. Others as ol_pg_exec. */
enum ol_class schema_compare(struct ol_pg *db, bool writes, struct ol_error *reterr);

#endif
