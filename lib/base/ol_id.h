/*
 * lib/base/ol_id.h - identifiers: new ones, and whether one from outside will do.
 *
 * Ids that follow from an input are derived from it, never made here; these are for commands
 * whose publisher gave none. Safe from any thread, and after fork.
 */
#ifndef OL_ID_H
#define OL_ID_H

#include <stdbool.h>
#include <stddef.h>

#define OL_ID_MAX_BYTES       128
#define OL_ID_UUID_TEXT_BYTES 37 /* 36 characters and their NUL */

/* A UUIDv7 (RFC 9562) in lower case. Within one process each sorts after the one before, also
 * inside a millisecond and when the wall clock steps back. Aborts if the kernel has no
 * randomness to give, which Linux promises not to happen after boot. */
void ol_id_new(char ret_text[OL_ID_UUID_TEXT_BYTES]);

/* 1 to OL_ID_MAX_BYTES bytes of UTF-8 in which everything is seen (ol_unseen.h). */
bool ol_id_clean(const char *text, size_t size_bytes);

#endif
