/*
 * projections/core_internal.h - what the core's files share.
 *
 * Each context's function checks first and changes afterwards, so that OL_POISON leaves the batch
 * as it was.
 */
#ifndef PROJECTIONS_CORE_INTERNAL_H
#define PROJECTIONS_CORE_INTERNAL_H

#include "projections/core.h"

/* For messages: how much there is of an id that is not empty, and the id. */
#define SHOWN(text) (int)((text).bytes), (text).data

/* An event and where it lies. */
struct taken {
    struct projection *projection;
    const struct event_message *event;
    int32_t partition;
    int64_t offset;
};

enum ol_class core_orders(const struct taken *taken, struct ol_error *reterr);
enum ol_class core_inventory(const struct taken *taken, struct ol_error *reterr);
enum ol_class core_payments(const struct taken *taken, struct ol_error *reterr);

/* version is before + 1. */
enum ol_class core_check_version(const char *what, struct text id, int64_t before, int64_t version,
                                 struct ol_error *reterr);

/* The event is a command's first: its outcome. */
bool core_settles_command(const struct taken *taken);

/* The event makes an aggregate: it must be the first of a command. Fills the origin. Asked only after
 * the check of the command. */
enum ol_class core_origin(const struct taken *taken, struct row_origin *ret_origin,
                          struct ol_error *reterr);

/* The event's command has no outcome yet in this batch. Asked only where core_settles_command(). */
enum ol_class core_check_command(const struct taken *taken, struct text aggregate,
                                 struct ol_error *reterr);

/* Adds the accepted command's row. moved -1: nothing. Asked only after the check. */
enum ol_class core_accept_command(const struct taken *taken, struct text aggregate,
                                  const char *kind, int64_t version, int64_t moved,
                                  struct text subject, struct ol_error *reterr);

/* A copy in the batch's arena. False: no memory. */
bool core_copy(struct projection *projection, struct text text, struct text *ret_copy);
const struct stock_line *core_copy_lines(struct projection *projection,
                                         const struct stock_line *lines, size_t count);

enum ol_class core_no_memory(struct ol_error *reterr);

#endif
