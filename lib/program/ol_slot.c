#include "lib/program/ol_slot.h"

#include "lib/base/ol_clock.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

#include <stdlib.h>
#include <string.h>

#define TRIES        30
#define TRY_EVERY_MS 100

#define PROVE_EVERY_MS 1000
#define STATEMENT_MS   5000
#define PATIENCE_US    (30 * INT64_C(1000000)) /* a server may notice late that we lost it */

struct ol_slot {
    struct ol_pg *db;
    char *name;
    int64_t lost_us; /* since when the lock is not ours, monotonic; 0: it is */
};

static const struct ol_pg_column slot_columns[] = {{"taken", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}};
static const struct ol_pg_statement slot_take = {
    .name = "slot/take",
    .sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken",
    .columns = slot_columns,
};

/* Of the session's own locks. Not prepared: that would stay behind in a pool. */
static const char slot_held[] =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND pid = pg_backend_pid() AND database = (SELECT oid FROM pg_database "
    "WHERE datname = current_database()) AND objsubid = 1 "
    "AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0))";

static enum ol_class try_take(struct ol_slot *slot, bool *ret_taken, struct ol_error *reterr)
{
    const char *name = slot->name;
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    ol_pg_param_text(&params, name, strlen(name));
    enum ol_class class = ol_pg_exec(slot->db, &slot_take, &params, &rows, reterr);
    *ret_taken = !class && rows.count == 1 && ol_pg_bool(&rows, 0, 0);
    return class;
}

enum ol_class ol_slot_take(const char *dsn, bool pooled, const char *name,
                           struct ol_slot **ret_slot, struct ol_error *reterr)
{
    struct ol_slot *slot = calloc(1, sizeof *slot);
    if (!slot || !(slot->name = strdup(name))) {
        ol_slot_free(slot);
        return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    const struct ol_pg_options options = {.dsn = dsn,
                                          .application_name = name,
                                          .statement_timeout_ms = STATEMENT_MS,
                                          .idle_in_transaction_timeout_ms = OL_PG_NO_TIMEOUT,
                                          .primary = true,
                                          .pooled = pooled};
    bool taken = false;
    enum ol_class class = ol_pg_open(&options, &slot->db, reterr);
    for (int i = 0; i < TRIES && !class && !taken; i++) {
        class = try_take(slot, &taken, reterr);
        if (!class && !taken && ol_run_sleep(TRY_EVERY_MS))
            break;
    }
    if (!class && !taken)
        class = ol_fail(reterr, OL_CONFLICT,
                        "slot %s is taken by another process; give this one another --slot", name);
    if (class) {
        ol_slot_free(slot);
        return class;
    }
    *ret_slot = slot;
    return OL_OK;
}

/* A server that can't be asked now has proved nothing: OL_OK. */
static enum ol_class prove(struct ol_slot *slot, struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    ol_pg_param_text(&params, slot->name, strlen(slot->name));
    if (ol_pg_select(slot->db, "slot/held", slot_held, &params, &rows, NULL) ||
        !strcmp(ol_pg_string(&rows, 0, 0), "t"))
        return OL_OK;
    return ol_fail(
        reterr, OL_FATAL,
        "slot %s: PostgreSQL at %s has lost its lock, though not the connection: a pooler "
        "stands in between that is not in session mode",
        slot->name, ol_pg_where(slot->db));
}

static enum ol_class take_again(struct ol_slot *slot, struct ol_error *reterr)
{
    bool taken = false;
    int64_t now_us = ol_clock_monotonic_us();
    if (!slot->lost_us) {
        slot->lost_us = now_us;
        ol_log(OL_LOG_WARN, "slot", "its connection was lost", ol_kv("slot", slot->name));
    }
    if ((!ol_pg_usable(slot->db) && ol_pg_reconnect(slot->db, NULL)) ||
        try_take(slot, &taken, NULL))
        return OL_OK;
    if (taken) {
        slot->lost_us = 0;
        ol_log(OL_LOG_INFO, "slot", "taken again", ol_kv("slot", slot->name));
    } else if (now_us - slot->lost_us > PATIENCE_US) {
        return ol_fail(reterr, OL_CONFLICT, "slot %s was taken by another process", slot->name);
    }
    return OL_OK;
}

enum ol_class ol_slot_watch(void *slot_taken, struct ol_error *reterr)
{
    struct ol_slot *slot = slot_taken;
    enum ol_class class = OL_OK;
    while (!class && !ol_run_sleep(PROVE_EVERY_MS)) {
        bool ours = ol_pg_usable(slot->db) && !slot->lost_us;
        class = ours ? prove(slot, reterr) : take_again(slot, reterr);
    }
    return class;
}

void ol_slot_free(struct ol_slot *slot)
{
    if (!slot)
        return;
    ol_pg_free(slot->db);
    free(slot->name);
    free(slot);
}
