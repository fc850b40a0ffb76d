#include <inttypes.h>
#include <stdio.h>

#include "proto/codec.h"
#include "verify/scan.h"
#include "verify/verify_internal.h"

#define ARENA_BLOCK_BYTES (256 * 1024)

/* One context's log on its way into the fold. */
struct reading {
    struct verify *verify;
    enum context context;
    struct ol_arena arena; /* one event */
    bool failed;           /* no memory */
};

static void unreadable(struct reading *reading, const struct ol_message *message, const char *why)
{
    char where[200];
    snprintf(where, sizeof where, "%s[%d]@%" PRId64, message->topic, message->partition,
             message->offset);
    findings_look(&reading->verify->findings, CHECK_EVENTS);
    findings_add(&reading->verify->findings, CHECK_EVENTS, where, "%s", why);
}

static bool fold_record(void *context, size_t range, const struct ol_message *message)
{
    (void)range;
    struct reading *reading = context;
    struct bytes wire = {message->value, message->value_bytes};
    struct text key = {message->key, (uint32_t)message->key_bytes};
    struct event_message event;
    struct ol_error error;
    ol_arena_clear(&reading->arena);
    enum ol_class class =
        codec_decode_event(reading->context, wire, &reading->arena, &event, &error);
    if (class == OL_POISON) {
        unreadable(reading, message, error.text);
        return true;
    }
    reading->failed =
        class || !fold_event(&reading->verify->fold, message->partition, message->offset, key,
                             ol_message_digest(message), &event);
    return !reading->failed;
}

/* The events up to the progress rows; partitions without any are left out. */
static size_t list_ranges(const struct verify *verify, enum context context,
                          struct scan_range *ranges, int64_t *ret_total)
{
    size_t count = 0;
    *ret_total = 0;
    for (int32_t i = 0; i < verify->partitions; i++) {
        int64_t until = verify->progress[context][i].next_offset;
        if (until == 0)
            continue;
        ranges[count++] = (struct scan_range){.topic = verify->topics[context][STREAM_EVENTS].text,
                                              .partition = i,
                                              .from = -1,
                                              .until = until};
        *ret_total += until;
    }
    return count;
}

/* ---- the progress rows ---- */

static void differs(struct verify *verify, const char *where, const char *what, int64_t row,
                    int64_t log)
{
    if (row != log)
        findings_add(&verify->findings, CHECK_PROGRESS, where,
                     "%s is %" PRId64 ", the log says %" PRId64, what, row, log);
}

static void compare_receipt(struct verify *verify, const char *where, const struct receipt *row,
                            const struct receipt *log)
{
    differs(verify, where, "commands_first", row->commands_first, log->commands_first);
    differs(verify, where, "commands_next", row->commands_next, log->commands_next);
    differs(verify, where, "steps_first", row->steps_first, log->steps_first);
    differs(verify, where, "steps_next", row->steps_next, log->steps_next);
    for (int i = 0; i < RECEIPT_COUNTS; i++) {
        char last[40];
        snprintf(last, sizeof last, "last_%s", receipt_count_name((enum receipt_count)i));
        differs(verify, where, last, row->counts[i], log->counts[i]);
    }
}

static void compare_progress(struct verify *verify, enum context context, int32_t partition)
{
    const struct verify_progress *row = &verify->progress[context][partition];
    const struct fold_partition *log = &verify->fold.logs[partition];
    char where[200];
    if (!row->there)
        return;
    snprintf(where, sizeof where, "projection_progress/%s[%d]",
             verify->topics[context][STREAM_EVENTS].text, partition);
    findings_look(&verify->findings, CHECK_PROGRESS);
    differs(verify, where, "last_offset", row->last_offset, log->last_offset);
    differs(verify, where, "last_digest", row->last_digest, (int64_t)log->last_digest);
    differs(verify, where, "last_recorded_at (us)", row->last_recorded_us, log->last_recorded_us);
    differs(verify, where, "has_receipt", row->has_receipt, log->has_receipt);
    compare_receipt(verify, where, &row->last, &log->last);
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        differs(verify, where, receipt_count_name((enum receipt_count)i), row->totals[i],
                log->totals[i]);
}

/* ---- reading ---- */

/* Events are kept for ever: without their beginning nothing can be folded. */
static enum ol_class check_beginning(struct verify *verify, const struct scan_range *ranges,
                                     size_t count, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    for (size_t i = 0; i < count && !class; i++) {
        int64_t low = 0, high = 0;
        char where[200];
        class = ol_admin_watermarks(verify->session->admin, ranges[i].topic, ranges[i].partition,
                                    verify->session->timeout_ms, &low, &high, reterr);
        snprintf(where, sizeof where, "%s[%d]", ranges[i].topic, ranges[i].partition);
        if (!class && low > 0)
            findings_add(&verify->findings, CHECK_EVENTS, where,
                         "the log begins at offset %" PRId64 ": the events before are gone", low);
    }
    return class;
}

static void check_reached(struct verify *verify, const struct scan_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char where[200];
        if (ranges[i].reached >= ranges[i].until)
            continue;
        snprintf(where, sizeof where, "%s[%d]", ranges[i].topic, ranges[i].partition);
        findings_add(&verify->findings, CHECK_PROGRESS, where,
                     "the rows are those of offset %" PRId64 ", but the log ends at %" PRId64,
                     ranges[i].until, ranges[i].reached);
    }
}

enum ol_class verify_log(struct verify *verify, enum context context, struct ol_error *reterr)
{
    struct scan_range ranges[PARTITIONS_MAX];
    struct reading reading = {.verify = verify, .context = context};
    struct ol_progress progress;
    char name[40];
    int64_t total;
    size_t count = list_ranges(verify, context, ranges, &total);
    snprintf(name, sizeof name, "%s events", context_name(context));
    ol_progress_init(&progress, name, total);
    ol_arena_init(&reading.arena, ARENA_BLOCK_BYTES, CODEC_ARENA_BYTES);
    enum ol_class class = check_beginning(verify, ranges, count, reterr);
    if (!class && count)
        class = scan_run(verify->session, ranges, count, fold_record, &reading, &progress, reterr);
    if (!class && reading.failed)
        class = ol_fail(reterr, OL_FATAL, "no memory to fold");
    ol_arena_release(&reading.arena);
    if (class)
        return class;
    ol_progress_finish(&progress);
    check_reached(verify, ranges, count);
    for (int32_t i = 0; i < verify->partitions; i++)
        compare_progress(verify, context, i);
    return OL_OK;
}
