/* orderlog topics acknowledge-gap: inputs that are gone before a worker took them. Writes a row, no
 * record: the partition's owner reads it at its take-over, and goes on behind the gap. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/gap_waiting.h"
#include "lib/base/ol_text.h"
#include "lib/program/ol_table.h"
#include "verify/session.h"

#define GAPS_MAX (CONTEXT_COUNT * 2 * PARTITIONS_MAX)

struct gap {
    const char *topic;
    enum context context;
    bool steps;
    int32_t partition;
    int64_t from, to; /* the first that nobody took; where the partition begins */
    bool acknowledged;
    struct gap_waiting waiting; /* of steps */
};

struct gaps {
    struct session session;
    int32_t partitions;
    struct topic_name topics[CONTEXT_COUNT][2], groups[CONTEXT_COUNT];
    struct gap rows[GAPS_MAX];
    size_t count;
};

/* ---- finding them ---- */

static const struct ol_pg_statement receipt_read = {
    .name = "gaps/receipt",
    .sql = "SELECT commands_next, steps_next FROM orderlog.projection_progress"
           " WHERE topic = $1 COLLATE \"C\" AND partition = $2 AND has_receipt",
    .columns = (const struct ol_pg_column[]){{"commands_next", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"steps_next", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {0}},
};

static const struct ol_pg_statement acknowledged_read = {
    .name = "gaps/acknowledged",
    .sql = "SELECT EXISTS (SELECT FROM orderlog.acknowledged_gaps WHERE topic = $1 COLLATE \"C\""
           " AND partition = $2 AND from_offset = $3 AND to_offset >= $4) AS acknowledged",
    .columns = (const struct ol_pg_column[]){{"acknowledged", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}},
};

static const struct ol_pg_statement gap_write = {
    .name = "gaps/write",
    .sql = "INSERT INTO orderlog.acknowledged_gaps"
           " (topic, partition, from_offset, to_offset, left_stuck) VALUES ($1, $2, $3, $4, $5)"
           " ON CONFLICT DO NOTHING",
};

static void add_params(struct ol_pg_params *params, const struct gap *gap)
{
    ol_pg_param_text(params, gap->topic, strlen(gap->topic));
    ol_pg_param_int16(params, (int16_t)gap->partition);
    ol_pg_param_int64(params, gap->from);
    ol_pg_param_int64(params, gap->to);
}

static enum ol_class look_at_rows(struct gaps *gaps, struct gap *gap, int64_t high,
                                  struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    add_params(&params, gap);
    enum ol_class class = ol_pg_exec(gaps->session.db, &acknowledged_read, &params, &rows, reterr);
    if (class)
        return class;
    gap->acknowledged = ol_pg_bool(&rows, 0, 0);
    struct scan_range kept = {
        .topic = gap->topic, .partition = gap->partition, .from = gap->to, .until = high};
    return gap->steps ? gap_waiting_find(&gaps->session, gap->context, gaps->partitions, kept,
                                         &gap->waiting, reterr)
                      : OL_OK;
}

/* How far a partition's commands and steps are taken: by the receipts, which the group's offsets
 * equal. */
static enum ol_class ask_taken(struct gaps *gaps, enum context context, int32_t partition,
                               const struct ol_offset committed[2], int64_t ret_next[2],
                               struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    struct topic_name events =
        topic_name(gaps->session.options->topic_prefix, context, STREAM_EVENTS);
    ol_pg_param_text(&params, events.text, strlen(events.text));
    ol_pg_param_int16(&params, (int16_t)partition);
    enum ol_class class = ol_pg_exec(gaps->session.db, &receipt_read, &params, &rows, reterr);
    if (class)
        return class;
    for (int i = 0; i < 2; i++) {
        int64_t receipt = rows.count ? ol_pg_int64(&rows, 0, i) : 0;
        ret_next[i] = committed[i].offset > receipt ? committed[i].offset : receipt;
    }
    return OL_OK;
}

static enum ol_class find_in(struct gaps *gaps, enum context context, int32_t partition,
                             const struct ol_offset committed[2], struct ol_error *reterr)
{
    int64_t next[2];
    enum ol_class class = ask_taken(gaps, context, partition, committed, next, reterr);
    for (int i = 0; i < 2 && !class; i++) {
        struct gap gap = {.topic = gaps->topics[context][i].text,
                          .context = context,
                          .steps = i == 1,
                          .partition = partition,
                          .from = next[i]};
        int64_t high;
        class = ol_admin_watermarks(gaps->session.admin, gap.topic, partition,
                                    gaps->session.timeout_ms, &gap.to, &high, reterr);
        if (class || gap.to <= gap.from)
            continue;
        class = look_at_rows(gaps, &gap, high, reterr);
        gaps->rows[gaps->count++] = gap;
    }
    return class;
}

static enum ol_class find_of(struct gaps *gaps, enum context context, struct ol_error *reterr)
{
    struct ol_offset committed[2 * PARTITIONS_MAX];
    struct ol_group_handle *handle = NULL;
    for (int32_t i = 0; i < gaps->partitions; i++)
        for (int j = 0; j < 2; j++)
            committed[2 * i + j] = (struct ol_offset){gaps->topics[context][j].text, i, -1};
    enum ol_class class =
        ol_admin_group_offsets(gaps->session.admin, gaps->groups[context].text, &handle, committed,
                               2 * (size_t)gaps->partitions, gaps->session.timeout_ms, reterr);
    ol_group_handle_close(handle);
    for (int32_t i = 0; i < gaps->partitions && !class; i++)
        class = find_in(gaps, context, i, &committed[2 * i], reterr);
    return class;
}

static enum ol_class find(struct gaps *gaps, struct ol_error *reterr)
{
    const char *prefix = gaps->session.options->topic_prefix;
    enum ol_class class = session_partitions(&gaps->session, &gaps->partitions, reterr);
    for (int i = 0; i < CONTEXT_COUNT && !class; i++) {
        gaps->topics[i][0] = topic_name(prefix, (enum context)i, STREAM_COMMANDS);
        gaps->topics[i][1] = topic_name(prefix, (enum context)i, STREAM_STEPS);
        gaps->groups[i] = worker_group_name(prefix, (enum context)i);
        class = find_of(gaps, (enum context)i, reterr);
    }
    return class;
}

/* ---- telling and writing ---- */

static const struct ol_table_column columns[] = {
    {"topic", OL_TABLE_TEXT},          {"partition", OL_TABLE_SMALL},
    {"taken_to", OL_TABLE_NUMBER},     {"begins_at", OL_TABLE_NUMBER},
    {"lost_at_most", OL_TABLE_NUMBER}, {"state", OL_TABLE_TEXT},
    {"waiting", OL_TABLE_TEXT},
};

/* Ids with commas. */
static void add_waiting(struct ol_table *table, const struct gap_waiting *waiting)
{
    OL_AUTO(ol_text) struct ol_text text = {0};
    for (size_t i = 0; i < waiting->count; i++) {
        ol_text_add(&text, i ? "," : "");
        ol_text_add_bytes(&text, waiting->ids[i].data, waiting->ids[i].bytes);
    }
    ol_table_text(table, waiting->count ? ol_text_string(&text) : NULL);
}

static enum ol_class print(const struct gaps *gaps, const char *unacknowledged,
                           struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, gaps->session.options->json);
    for (size_t i = 0; i < gaps->count; i++) {
        const struct gap *gap = &gaps->rows[i];
        ol_table_text(&table, gap->topic);
        ol_table_int(&table, gap->partition);
        ol_table_int(&table, gap->from);
        ol_table_int(&table, gap->to);
        ol_table_int(&table, gap->to - gap->from);
        ol_table_text(&table, gap->acknowledged ? "acknowledged before" : unacknowledged);
        add_waiting(&table, &gap->waiting);
    }
    return ol_table_print(&table, stdout, reterr);
}

/* Steps that are lost may be undos and captures: nobody asks for those again. */
static enum ol_class check_steps(const struct gaps *gaps, struct ol_error *reterr)
{
    for (size_t i = 0; i < gaps->count; i++)
        if (gaps->rows[i].steps && !gaps->rows[i].acknowledged &&
            !gaps->session.options->leave_stuck)
            return ol_fail(reterr, OL_CONFLICT,
                           "steps of %s partition %d are lost, undos and captures may be among "
                           "them; --leave-stuck acknowledges that those orders stay as they are",
                           gaps->rows[i].topic, gaps->rows[i].partition);
    return OL_OK;
}

static enum ol_class write(struct gaps *gaps, const struct gap *gap, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    OL_AUTO(ol_pg_array) struct ol_pg_array ids;
    ol_pg_array_init(&ids, OL_PG_TEXT_ARRAY);
    for (size_t i = 0; i < gap->waiting.count; i++)
        ol_pg_array_text(&ids, gap->waiting.ids[i].data, gap->waiting.ids[i].bytes);
    add_params(&params, gap);
    ol_pg_param_array(&params, &ids);
    return ol_pg_exec(gaps->session.db, &gap_write, &params, &rows, reterr);
}

static enum ol_class acknowledge(struct gaps *gaps, struct ol_error *reterr)
{
    const struct ol_options *options = gaps->session.options;
    enum ol_class class = find(gaps, reterr);
    if (!class && options->execute)
        class = check_steps(gaps, reterr);
    for (size_t i = 0; i < gaps->count && !class && options->execute; i++)
        if (!gaps->rows[i].acknowledged)
            class = write(gaps, &gaps->rows[i], reterr);
    if (class)
        return class;
    class = print(gaps, options->execute ? "acknowledged" : "lost", reterr);
    if (class || options->json)
        return class;
    if (!gaps->count)
        fputs("nothing is lost\n", stderr);
    else if (options->execute)
        fputs("restart the workers: their partitions go on behind the gaps\n", stderr);
    else
        fputs("'--execute' acknowledges what is lost; nothing brings it back\n", stderr);
    return OL_OK;
}

enum ol_class topics_acknowledge_gap_run(const struct ol_options *options, struct ol_error *reterr)
{
    struct gaps *gaps = calloc(1, sizeof *gaps);
    if (!gaps)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    unsigned needs = SESSION_KAFKA | (options->execute ? SESSION_PG_WRITES : SESSION_PG);
    enum ol_class class = session_init(&gaps->session, options, needs, reterr);
    if (!class) {
        class = acknowledge(gaps, reterr);
        session_release(&gaps->session);
    }
    free(gaps);
    return class;
}
