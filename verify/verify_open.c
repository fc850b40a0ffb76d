#include <stdarg.h>
#include <stdio.h>
#include <inttypes.h>
#include <string.h>

#include "verify/tail.h"
#include "verify/verify_internal.h"

#define TAILS_MAX (CONTEXT_COUNT * 3 * PARTITIONS_MAX)

/* ---- progress rows ---- */

const struct ol_pg_column verify_progress_columns[] = {
    {"topic", OL_PG_TEXT, OL_PG_NOT_NULL},
    {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
    {"next_offset", OL_PG_INT8, OL_PG_NOT_NULL},
    {"last_offset", OL_PG_INT8, OL_PG_NOT_NULL},
    {"last_digest", OL_PG_INT8, OL_PG_NOT_NULL},
    {"last_recorded_at", OL_PG_TIMESTAMPTZ, OL_PG_NULLABLE},
    {"has_receipt", OL_PG_BOOL, OL_PG_NOT_NULL},
    {"commands_first", OL_PG_INT8, OL_PG_NOT_NULL},
    {"commands_next", OL_PG_INT8, OL_PG_NOT_NULL},
    {"steps_first", OL_PG_INT8, OL_PG_NOT_NULL},
    {"steps_next", OL_PG_INT8, OL_PG_NOT_NULL},
    {"last_decided", OL_PG_INT4, OL_PG_NOT_NULL},
    {"last_refused", OL_PG_INT4, OL_PG_NOT_NULL},
    {"last_repeated", OL_PG_INT4, OL_PG_NOT_NULL},
    {"last_ignored", OL_PG_INT4, OL_PG_NOT_NULL},
    {"last_passed_on", OL_PG_INT4, OL_PG_NOT_NULL},
    {"last_dead_lettered", OL_PG_INT4, OL_PG_NOT_NULL},
    {"decided", OL_PG_INT8, OL_PG_NOT_NULL},
    {"refused", OL_PG_INT8, OL_PG_NOT_NULL},
    {"repeated", OL_PG_INT8, OL_PG_NOT_NULL},
    {"ignored", OL_PG_INT8, OL_PG_NOT_NULL},
    {"passed_on", OL_PG_INT8, OL_PG_NOT_NULL},
    {"dead_lettered", OL_PG_INT8, OL_PG_NOT_NULL},
    {0},
};

static const struct ol_pg_statement progress_statement = {
    .name = "verify/progress",
    .sql =
        "SELECT topic, partition, next_offset, last_offset, last_digest, last_recorded_at, "
        "has_receipt, commands_first, commands_next, steps_first, steps_next, last_decided, "
        "last_refused, last_repeated, last_ignored, last_passed_on, last_dead_lettered, decided, "
        "refused, repeated, ignored, passed_on, dead_lettered "
        "FROM orderlog.projection_progress ORDER BY topic, partition",
    .columns = verify_progress_columns,
};

static void read_row(const struct ol_pg_rows *rows, int row, struct verify_progress *progress)
{
    struct receipt *last = &progress->last;
    *progress = (struct verify_progress){
        .there = true,
        .next_offset = ol_pg_int64(rows, row, 2),
        .last_offset = ol_pg_int64(rows, row, 3),
        .last_digest = ol_pg_int64(rows, row, 4),
        .last_recorded_us = ol_pg_is_null(rows, row, 5) ? TIME_NONE : ol_pg_us(rows, row, 5),
        .has_receipt = ol_pg_bool(rows, row, 6),
    };
    *last = (struct receipt){.commands_first = ol_pg_int64(rows, row, 7),
                             .commands_next = ol_pg_int64(rows, row, 8),
                             .steps_first = ol_pg_int64(rows, row, 9),
                             .steps_next = ol_pg_int64(rows, row, 10)};
    for (int i = 0; i < RECEIPT_COUNTS; i++) {
        last->counts[i] = ol_pg_int32(rows, row, 11 + i);
        progress->totals[i] = ol_pg_int64(rows, row, 11 + RECEIPT_COUNTS + i);
    }
}

/* Where a row belongs; NULL: it is about no partition of this installation. */
static struct verify_progress *progress_of(struct verify *verify, const char *topic, int partition)
{
    if (partition < 0 || partition >= verify->partitions)
        return NULL;
    for (int context = 0; context < CONTEXT_COUNT; context++)
        if (strcmp(topic, verify->topics[context][STREAM_EVENTS].text) == 0)
            return &verify->progress[context][partition];
    return NULL;
}

enum ol_class verify_read_progress(struct verify *verify, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(verify->session->db, &progress_statement, NULL, &rows, reterr);
    memset(verify->progress, 0, sizeof verify->progress);
    for (int row = 0; row < rows.count && !class; row++) {
        const char *topic = ol_pg_text(&rows, row, 0).data;
        int partition = ol_pg_int16(&rows, row, 1);
        struct verify_progress *progress = progress_of(verify, topic, partition);
        if (!progress)
            return ol_fail(
                reterr, OL_VIOLATED,
                "projection_progress has a row for %s [%d], which is no events partition "
                "of this installation",
                topic, partition);
        read_row(&rows, row, progress);
    }
    return class;
}

/* ---- what is open ---- */

static const struct ol_pg_statement sagas_statement = {
    .name = "verify/sagas",
    .sql = "SELECT saga_state, count(*) FROM orderlog.orders "
           "WHERE saga_state IN ('running', 'undoing', 'stuck') AND NOT (saga_state = 'stuck' AND "
           "order_id IN (SELECT unnest(left_stuck) FROM orderlog.acknowledged_gaps)) "
           "GROUP BY saga_state ORDER BY 1",
    .columns = (const struct ol_pg_column[]){{"saga_state", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"count", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {0}},
};

static void say(struct ol_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct ol_text *text, const char *format, ...)
{
    char words[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    ol_text_addf(text, "%s%s", text->size_bytes ? ", " : "", words);
}

static enum ol_class say_sagas(struct verify *verify, struct ol_text *text, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(verify->session->db, &sagas_statement, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++)
        say(text, "%" PRId64 " sagas %s", ol_pg_int64(&rows, row, 1),
            ol_pg_text(&rows, row, 0).data);
    return class;
}

static size_t list_tails(const struct verify *verify, struct tail *tails)
{
    static const enum stream streams[] = {STREAM_COMMANDS, STREAM_STEPS, STREAM_EVENTS};
    size_t count = 0;
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
            for (int32_t partition = 0; partition < verify->partitions; partition++) {
                const struct verify_progress *progress = &verify->progress[context][partition];
                const int64_t positions[] = {progress->last.commands_next,
                                             progress->last.steps_next, progress->next_offset};
                tails[count++] = (struct tail){.topic = verify->topics[context][streams[i]].text,
                                               .partition = partition,
                                               .position = positions[i]};
            }
    return count;
}

/* Neighbours of one topic are said together. */
static void say_tails(const struct tail *tails, size_t count, struct ol_text *text)
{
    for (size_t i = 0; i < count;) {
        const char *topic = tails[i].topic;
        int64_t lag = 0, unstable = 0;
        for (; i < count && tails[i].topic == topic; i++) {
            lag += tail_lag(&tails[i]);
            unstable += tails[i].next < 0 && tails[i].stable < tails[i].high;
        }
        if (lag)
            say(text, "%" PRId64 " records to take in %s", lag, topic);
        if (unstable)
            say(text, "an open transaction in %s", topic);
    }
}

enum ol_class verify_open(struct verify *verify, char *buffer, size_t buffer_bytes,
                          struct ol_error *reterr)
{
    static struct tail tails[TAILS_MAX];
    struct ol_text text = ol_text_in(buffer, buffer_bytes);
    buffer[0] = '\0';
    enum ol_class class = say_sagas(verify, &text, reterr);
    if (class)
        return class;
    size_t count = list_tails(verify, tails);
    class = tail_read(verify->session, tails, count, reterr);
    if (!class)
        say_tails(tails, count, &text);
    return class;
}
