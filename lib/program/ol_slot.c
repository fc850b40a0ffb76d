#include "lib/program/ol_slot.h"

#include <stdlib.h>
#include <string.h>

#include "lib/pg/ol_pg.h"
#include "lib/program/ol_run.h"

#define TRIES        30
#define TRY_EVERY_MS 100

struct ol_slot {
    struct ol_pg *db;
};

static const struct ol_pg_column slot_columns[] = {{"taken", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}};
static const struct ol_pg_statement slot_take = {
    .name = "slot/take",
    .sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken",
    .columns = slot_columns,
};

static enum ol_class try_take(struct ol_slot *slot, const char *name, bool *ret_taken,
                              struct ol_error *reterr)
{
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    ol_pg_param_text(&params, name, strlen(name));
    enum ol_class class = ol_pg_exec(slot->db, &slot_take, &params, &rows, reterr);
    *ret_taken = !class && rows.count == 1 && ol_pg_bool(&rows, 0, 0);
    return class;
}

enum ol_class ol_slot_take(const char *dsn, const char *name, struct ol_slot **ret_slot,
                           struct ol_error *reterr)
{
    struct ol_slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    const struct ol_pg_options options = {
        .dsn = dsn, .application_name = name, .idle_in_transaction_timeout_ms = OL_PG_NO_TIMEOUT};
    bool taken = false;
    enum ol_class class = ol_pg_open(&options, &slot->db, reterr);
    for (int i = 0; i < TRIES && !class && !taken; i++) {
        class = try_take(slot, name, &taken, reterr);
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

void ol_slot_free(struct ol_slot *slot)
{
    if (!slot)
        return;
    ol_pg_free(slot->db);
    free(slot);
}
