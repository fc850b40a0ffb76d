/*
 * lib/program/ol_slot.h - a role's slot: taken by one process at a time, as a courtesy.
 *
 * A session-level advisory lock of PostgreSQL, on a connection of its own. It tells a second
 * process at once that the slot is taken (exit 4). It fences nothing: a lost connection loses the
 * lock until it is taken again; what fences is Kafka's transactional id and generation, and the
 * projector's compare-and-set.
 *
 *   take -> watch, in a thread of its own, until the role stops -> free
 */
#ifndef OL_SLOT_H
#define OL_SLOT_H

#include <stdbool.h>

#include "lib/base/ol_error.h"

struct ol_slot;

/* name: "orderlog.worker.0". Waits a few seconds for a process that is just dying. pooled: as
 * ol_pg_open() has it; a standby is refused. OL_CONFLICT: another process has the slot. Else as
 * ol_pg_open(). */
enum ol_class ol_slot_take(const char *dsn, bool pooled, const char *name,
                           struct ol_slot **ret_slot, struct ol_error *reterr);

/*
 * Proves every second that the lock is still held, and takes it again where the connection was lost
 * (a server that is away is waited for). For ol_run_thread_start(); `slot` is what take returned.
 *     OL_OK        the role was asked to stop
 *     OL_CONFLICT  another process has had the slot for half a minute
 *     OL_FATAL     the connection is there and the lock is not: a pooler, and not in session mode
 */
enum ol_class ol_slot_watch(void *slot, struct ol_error *reterr);

/* Gives the slot back. Takes NULL. */
void ol_slot_free(struct ol_slot *slot);

#endif
