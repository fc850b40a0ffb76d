/*
 * projections/writer.h - one sealed batch -> one PostgreSQL transaction.
 *
 *   BEGIN, compare and set projection_progress | COPY new rows | UPDATE older ones | COMMIT
 *
 * The first statement is the fence: it fails where another projector has written the partition,
 * and its row locks make a second writer wait. Every later statement must hit exactly the rows that
 * the batch says; otherwise nothing is written. Rows go in as sets, sorted by key.
 * Borrows the connection; one thread. Statements: table_sql.h.
 */
#ifndef PROJECTIONS_WRITER_H
#define PROJECTIONS_WRITER_H

#include "lib/pg/ol_pg.h"
#include "projections/reduce.h"

struct writer;

/* `topic`: the context's events topic; copied. NULL: no memory. */
struct writer *writer_new(struct ol_pg *db, enum context context, const char *topic);
void writer_free(struct writer *writer);

/*
 * After every (re)connect: sets the session, makes the progress rows of `partition_count` partitions
 * where there are none, and reads them all. ret_progress has partition_count entries.
 * OL_CONFLICT: another partition count, or a later projector's rows. Else as ol_pg_exec().
 */
enum ol_class writer_begin(struct writer *writer, int32_t partition_count,
                           struct load_progress *ret_progress, struct ol_error *reterr);

/* Where the rows are now, of all partitions, as writer_begin() says it; for an owner that has nothing
 * to write: a database that lost its last commits in a crash says so only when it is asked. */
enum ol_class writer_progress(struct writer *writer, int32_t partition_count,
                              struct load_progress *ret_progress, struct ol_error *reterr);

/*
 * Writes the batch. The batch stays as it is; clear it afterwards.
 *     OL_OK        it is in the database
 *     OL_CONFLICT  somebody else has written some of its partitions (bits of *ret_lost): nothing is
 *                  written, read the progress again
 *     OL_VIOLATED  the database does not hold what the events build on; nothing is written
 *     OL_RETRY     nothing is written; or, when the connection is lost, perhaps all: only
 *                  projection_progress tells
 *     OL_FATAL     as ol_pg_exec(); nothing is written
 */
enum ol_class writer_write(struct writer *writer, struct row_batch *batch, uint64_t *ret_lost,
                           struct ol_error *reterr);

#endif
