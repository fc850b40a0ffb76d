#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ol_clock.h"
#include "lib/program/ol_run.h"
#include "verify/verify_internal.h"

#define LOOK_EVERY_MS 300
#define OPEN_BYTES    900

/* ---- until it is settled ---- */

static enum ol_class look(struct verify *verify, char *open, struct ol_error *reterr)
{
    enum ol_class class = verify_read_progress(verify, reterr);
    return class ? class : verify_open(verify, open, OPEN_BYTES, reterr);
}

/* Waits until nothing is open, outside of the snapshot. */
static enum ol_class wait_settled(struct verify *verify, int64_t until_us, struct ol_error *reterr)
{
    char open[OPEN_BYTES] = "";
    for (;;) {
        enum ol_class class = look(verify, open, reterr);
        if (class || !*open)
            return class;
        if (ol_clock_monotonic_us() >= until_us)
            return ol_fail(reterr, OL_RETRY, "not settled in %" PRId64 " s: %s",
                           verify->session->options->wait_settled_ms / 1000, open);
        struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
}

/* Begins the snapshot. New work may have come in since all was settled: then, as long as
 * there is time, waits again. */
static enum ol_class begin_snapshot(struct verify *verify, struct ol_error *reterr)
{
    struct ol_pg *db = verify->session->db;
    int64_t wait_ms = verify->session->options->wait_settled_ms;
    int64_t until_us = ol_clock_monotonic_us() + wait_ms * 1000;
    char open[OPEN_BYTES] = "";
    for (;;) {
        enum ol_class class = wait_ms ? wait_settled(verify, until_us, reterr) : OL_OK;
        if (!class)
            class = ol_pg_begin_snapshot(db, reterr);
        if (!class)
            class = look(verify, open, reterr);
        if (class)
            return class;
        verify->settled = verify->findings.settled = !*open;
        if (verify->settled)
            return OL_OK;
        if (!wait_ms) {
            fprintf(stderr, "not settled, so only what always holds is checked: %s\n", open);
            return OL_OK;
        }
        class = ol_pg_rollback(db, reterr);
        if (class)
            return class;
    }
}

/* ---- the checks ---- */

static enum ol_class verify_context(struct verify *verify, enum context context,
                                    struct ol_error *reterr)
{
    const char *topic = verify->topics[context][STREAM_EVENTS].text;
    fold_init(&verify->fold, context, topic, verify->partitions, &verify->findings);
    enum ol_class class = verify_log(verify, context, reterr);
    if (!class)
        class = verify_rows(verify, context, reterr);
    if (!class)
        class = verify_sums(verify, context, reterr);
    if (!class && verify->settled)
        class = verify_commands(verify, context, reterr);
    fold_release(&verify->fold);
    return class;
}

static enum ol_class verify_all(struct verify *verify, struct ol_error *reterr)
{
    enum ol_class class = begin_snapshot(verify, reterr);
    if (class)
        return class;
    class = verify_columns(verify, reterr);
    if (class)
        return class;
    fold_init(&verify->demands, CONTEXT_INVENTORY, "", verify->partitions, &verify->findings);
    fold_init(&verify->left, CONTEXT_ORDERS, "", verify->partitions, &verify->findings);
    if (verify->settled)
        class = verify_left(verify, reterr);
    for (int context = 0; context < CONTEXT_COUNT && !class; context++)
        class = verify_context(verify, (enum context)context, reterr);
    fold_release(&verify->left);
    fold_release(&verify->demands);
    return class ? class : ol_pg_rollback(verify->session->db, reterr);
}

static void forget(struct verify *verify)
{
    findings_release(&verify->findings);
    memset(verify->progress, 0, sizeof verify->progress);
    verify->confirmed = verify->paid = (struct verify_total){0};
    verify->settled = false;
}

/* On a standby recovery may cancel what reads for long. */
static enum ol_class verify_until_read(struct verify *verify, struct ol_error *reterr)
{
    int tries = 0;
    enum ol_class class = verify_all(verify, reterr);
    while (session_read_again(verify->session, class, &tries)) {
        fprintf(stderr, "the standby cancelled the reading (%s); again from the beginning\n",
                reterr->text);
        forget(verify);
        class = verify_all(verify, reterr);
    }
    return class;
}

static enum ol_class report(const struct verify *verify, bool json, struct ol_error *reterr)
{
    enum ol_class class = findings_print(&verify->findings, json, reterr);
    if (class)
        return class;
    int64_t wrong = findings_wrong(&verify->findings);
    fprintf(stderr, "checked: what always holds%s%s%s\n",
            verify->settled ? ", and what holds once all is settled" : "",
            *verify->findings.note ? "; " : "", verify->findings.note);
    if (wrong)
        return ol_fail(reterr, OL_VIOLATED, "%" PRId64 " things differ", wrong);
    return OL_OK;
}

enum ol_class verify_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_KAFKA | SESSION_PG_LONG, reterr);
    if (class)
        return class;
    struct verify *verify = calloc(1, sizeof *verify);
    if (!verify)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    verify->session = &session;
    class = session_partitions(&session, &verify->partitions, reterr);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            verify->topics[i][j] =
                topic_name(options->topic_prefix, (enum context)i, (enum stream)j);
    if (!class)
        class = verify_until_read(verify, reterr);
    if (!class)
        class = report(verify, options->json, reterr);
    findings_release(&verify->findings);
    free(verify);
    return class;
}
