/*
 * cli/rights.h - what `migrate up` needs of its login, and the roles and grants that must be there.
 *
 * before -> the changes are applied -> mend
 *
 * Roles belong to the server and not to the database: a dump leaves them out, and a restore goes on
 * without the grants to them. So they are looked at each time, whatever was applied. Who may do what:
 * migrations/README.md.
 */
#ifndef CLI_RIGHTS_H
#define CLI_RIGHTS_H

#include "lib/pg/ol_pg.h"

/* Before the first change: the login may make what is missing, and the database tells what was
 * applied. OL_FATAL: not so; the text holds the statements that somebody else has to run. */
enum ol_class rights_before(struct ol_pg *db, struct ol_error *reterr);

/* Makes the roles and grants that are missing, and says so on stderr. OL_FATAL: it may not; the text
 * holds the statements. */
enum ol_class rights_mend(struct ol_pg *db, struct ol_error *reterr);

/* How many of them are missing. */
enum ol_class rights_missing(struct ol_pg *db, int *ret_count, struct ol_error *reterr);

#endif
