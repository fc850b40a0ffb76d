/*
 * projections/reduce_internal.h - what the reduce files share.
 *
 * Each context's function checks first and changes afterwards, so that OL_POISON leaves the batch
 * as it was.
 */
#ifndef PROJECTIONS_REDUCE_INTERNAL_H
#define PROJECTIONS_REDUCE_INTERNAL_H

#include "projections/reduce.h"

/* For messages: how much there is of an id that is not empty, and the id. */
#define SHOWN(text) (int)((text).bytes), (text).data

/* An event and where it lies. */
struct reduce_input {
    struct row_batch *batch;
    const struct event_message *event;
    int32_t partition;
    int64_t offset;
};

enum ol_class reduce_orders(const struct reduce_input *input, struct ol_error *reterr);
enum ol_class reduce_inventory(const struct reduce_input *input, struct ol_error *reterr);
enum ol_class reduce_payments(const struct reduce_input *input, struct ol_error *reterr);

/* version is before + 1. */
enum ol_class reduce_check_version(const char *what, struct text id, int64_t before,
                                   int64_t version, struct ol_error *reterr);

/* The event is a command's first: its outcome. */
bool reduce_is_first_outcome(const struct reduce_input *input);

/* The event makes an aggregate: it must be the first of a command. Fills the origin. Asked only
 * after the check of the command. */
enum ol_class reduce_origin(const struct reduce_input *input, struct row_origin *ret_origin,
                            struct ol_error *reterr);

/* The event may be a command's, which has no outcome yet in this batch. Asked only where
 * reduce_is_first_outcome(). */
enum ol_class reduce_check_command(const struct reduce_input *input, struct text aggregate,
                                   struct ol_error *reterr);

/* Adds the accepted command's row. moved -1: nothing. Asked only after the check. */
enum ol_class reduce_accept_command(const struct reduce_input *input, struct text aggregate,
                                    int64_t version, int64_t moved, struct text subject,
                                    struct ol_error *reterr);

/* A copy in the batch's arena. False: no memory. */
bool reduce_copy(struct row_batch *batch, struct text text, struct text *ret_copy);
const struct stock_line *reduce_copy_lines(struct row_batch *batch, const struct stock_line *lines,
                                           size_t count);

enum ol_class reduce_no_memory(struct ol_error *reterr);

#endif
