/*
 * lib/program/ol_slot.h - a role's slot: taken by one process at a time, as a courtesy.
 *
 * A session-level advisory lock of PostgreSQL, on a connection of its own. It tells a second
 * process at once that the slot is taken (exit 4). It fences nothing: a lost connection loses the
 * lock and nobody minds; what fences is Kafka's transactional id and generation, and the
 * projector's compare-and-set.
 */
#ifndef OL_SLOT_H
#define OL_SLOT_H

#include "lib/base/ol_error.h"

struct ol_slot;

/* name: "orderlog.worker.0". Waits a few seconds for a process that is just dying.
 * OL_CONFLICT: another process has the slot. Else as ol_pg_open(). */
enum ol_class ol_slot_take(const char *dsn, const char *name, struct ol_slot **ret_slot,
                           struct ol_error *reterr);

/* Gives the slot back. Takes NULL. */
void ol_slot_free(struct ol_slot *slot);

#endif
