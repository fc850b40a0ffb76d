/*
 * tests/fuzz/capture.h - COPYs and sets of the projector's writer, taken apart instead of sent.
 *
 * Linked with --wrap=ol_pg_copy_begin,ol_pg_copy_flush,ol_pg_copy_end: a COPY's rows go to a second
 * reading of PostgreSQL's binary format, which knows the table's columns and nothing of how the
 * rows were built. Whatever PostgreSQL would refuse ends the program: a column too few, a length
 * that is not its type's, NULL where none may be, text that is not clean UTF-8, an array that is
 * not whole.
 */
#ifndef FUZZ_CAPTURE_H
#define FUZZ_CAPTURE_H

#include "lib/pg/ol_pg_copy.h"

/* Begins a COPY into `target` without any server. */
void capture_begin(struct ol_pg_copy *copy, const struct ol_pg_copy_target *target);

/* Rows taken apart since the program began. */
extern size_t capture_rows;

/* An array as it would be bound. */
void capture_array(struct ol_pg_array *array);

/* Texts need not be UTF-8: for a target whose texts are any bytes. */
extern bool capture_any_text;

#endif
