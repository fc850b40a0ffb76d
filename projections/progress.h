/*
 * projections/progress.h - the rows of projection_progress: read by loads and by the projector.
 *
 * queue -> (other statements of the same snapshot) -> ol_pg_receive -> read. Internal to
 * projections/; what a row means: load.h.
 */
#ifndef PROJECTIONS_PROGRESS_H
#define PROJECTIONS_PROGRESS_H

#include "projections/load.h"

/* What may not change without a look at every row: raise it when the rows' meaning changes. A
 * projector refuses to write over rows of a higher version. */
#define PROJECTOR_VERSION 1

/* Queues the query for all partitions of one events topic. */
enum ol_class progress_queue(struct ol_pg *db, const char *topic, struct ol_error *reterr);

/* Fills partition_count entries, "nothing projected" where there is no row.
 * OL_CONFLICT: a partition beyond the count, or a later projector's row. */
enum ol_class progress_read(const struct ol_pg_rows *rows, struct load_progress *ret_progress,
                            int32_t partition_count, struct ol_error *reterr);

#endif
