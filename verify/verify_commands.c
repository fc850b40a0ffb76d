#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ol_grow.h"
#include "proto/codec.h"
#include "verify/headers.h"
#include "verify/scan.h"
#include "verify/verify_internal.h"

#define ARENA_BLOCK_BYTES (256 * 1024)

/* A record of the commands topic that no event names: passed on or put aside, or a fault. */
struct orphan {
    int32_t partition;
    int64_t offset;
    int explained;
};

/* Commands and the causes of events, side by side, each partition by itself. */
struct matching {
    struct verify *verify;
    enum context context;
    struct ol_arena arena; /* one command */
    size_t next_cause[PARTITIONS_MAX];
    struct orphan *orphans; /* as the records came: in a partition, rising */
    size_t orphan_count, orphan_capacity;
    bool failed; /* no memory */
};

static const char *topic_of(const struct matching *matching)
{
    return matching->verify->topics[matching->context][STREAM_COMMANDS].text;
}

__attribute__((format(printf, 4, 5))) static void wrong(struct matching *matching,
                                                        int32_t partition, int64_t offset,
                                                        const char *format, ...)
{
    char where[200], what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(where, sizeof where, "%s[%d]@%" PRId64, topic_of(matching), partition, offset);
    findings_add(&matching->verify->findings, CHECK_COMMANDS, where, "%s", what);
}

/* ---- records and causes ---- */

static bool orphan_add(struct matching *matching, int32_t partition, int64_t offset)
{
    if (!OL_GROW(matching->orphans, matching->orphan_capacity, matching->orphan_count + 1, 256))
        return false;
    matching->orphans[matching->orphan_count++] = (struct orphan){partition, offset, 0};
    return true;
}

/* The causes below `offset` that no record stood at. */
static void pass_causes(struct matching *matching, int32_t partition, int64_t offset)
{
    const struct fold_partition *log = &matching->verify->fold.logs[partition];
    size_t *next = &matching->next_cause[partition];
    for (; *next < log->cause_count && log->causes[*next].offset < offset; ++*next)
        wrong(matching, partition, log->causes[*next].offset,
              "an event names it as its cause, but there is no such command");
}

/* The event's aggregate and command id are the command's own. */
static bool check_same(struct matching *matching, const struct ol_message *message,
                       const struct fold_cause *cause)
{
    struct bytes wire = {message->value, message->value_bytes};
    struct command command;
    struct ol_error error;
    ol_arena_clear(&matching->arena);
    enum ol_class class =
        codec_decode_command(matching->context, wire, &matching->arena, &command, &error);
    if (class && class != OL_POISON)
        return false;
    if (class == OL_POISON)
        wrong(matching, message->partition, message->offset, "it has an outcome, but %s",
              error.text);
    else if (fold_command_digest(command_aggregate(&command), command.metadata.command_id) !=
             cause->digest)
        wrong(matching, message->partition, message->offset,
              "its outcome is that of another command or aggregate");
    return true;
}

static bool match_record(void *context, size_t index, const struct ol_message *message)
{
    struct matching *matching = context;
    const struct fold_partition *log = &matching->verify->fold.logs[message->partition];
    size_t *next = &matching->next_cause[message->partition];
    (void)index;
    findings_look(&matching->verify->findings, CHECK_COMMANDS);
    pass_causes(matching, message->partition, message->offset);
    bool has_outcome = *next < log->cause_count && log->causes[*next].offset == message->offset;
    bool ok = has_outcome ? check_same(matching, message, &log->causes[(*next)++])
                          : orphan_add(matching, message->partition, message->offset);
    matching->failed = !ok;
    return ok;
}

/* ---- what was passed on or put aside ---- */

static int orphan_order(const void *left, const void *right)
{
    const struct orphan *a = left, *b = right;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void explain(struct matching *matching, const struct headers_origin *origin)
{
    struct orphan key = {origin->partition, origin->offset, 0};
    if (!matching->orphan_count || strcmp(origin->topic, topic_of(matching)) != 0)
        return;
    struct orphan *orphan = bsearch(&key, matching->orphans, matching->orphan_count,
                                    sizeof *matching->orphans, orphan_order);
    if (orphan)
        orphan->explained++;
}

static bool explain_record(void *context, size_t index, const struct ol_message *message)
{
    struct matching *matching = context;
    struct headers_origin origin;
    bool is_command = index < (size_t)matching->verify->partitions;
    /* A dead letter that was passed on before still has that header too. */
    if (is_command ? headers_passed_on(message, &origin) : headers_dead_letter(message, &origin))
        explain(matching, &origin);
    return true;
}

/* Looks through the records that were passed on, and through the dead letters. */
static enum ol_class explain_orphans(struct matching *matching, const struct scan_range *commands,
                                     struct ol_error *reterr)
{
    struct verify *verify = matching->verify;
    struct scan_range ranges[2 * PARTITIONS_MAX];
    size_t count = (size_t)verify->partitions;
    qsort(matching->orphans, matching->orphan_count, sizeof *matching->orphans, orphan_order);
    for (size_t i = 0; i < count; i++) {
        ranges[i] = commands[i];
        ranges[count + i] = (struct scan_range){
            .topic = verify->topics[matching->context][STREAM_DEAD_LETTERS].text,
            .partition = (int32_t)i,
            .from = -1,
            .until = INT64_MAX,
        };
    }
    enum ol_class class =
        scan_run(verify->session, ranges, 2 * count, explain_record, matching, NULL, reterr);
    for (size_t i = 0; i < matching->orphan_count && !class; i++) {
        const struct orphan *orphan = &matching->orphans[i];
        if (orphan->explained == 0)
            wrong(matching, orphan->partition, orphan->offset,
                  "it has no outcome, and was neither passed on nor put aside");
        else if (orphan->explained > 1)
            wrong(matching, orphan->partition, orphan->offset,
                  "it was passed on or put aside %d times", orphan->explained);
    }
    return class;
}

/* ---- the context ---- */

/* From where the topic still has its records; retention may have taken the older ones. */
static enum ol_class find_start(struct matching *matching, struct scan_range *range,
                                struct ol_error *reterr)
{
    struct session *session = matching->verify->session;
    const struct fold_partition *log = &matching->verify->fold.logs[range->partition];
    size_t *next = &matching->next_cause[range->partition];
    int64_t high;
    enum ol_class class = ol_admin_watermarks(session->admin, range->topic, range->partition,
                                              session->timeout_ms, &range->from, &high, reterr);
    if (class || range->from == 0)
        return class;
    while (*next < log->cause_count && log->causes[*next].offset < range->from)
        ++*next;
    char *note = matching->verify->findings.note;
    size_t used = strlen(note);
    snprintf(note + used, sizeof matching->verify->findings.note - used,
             "%s%s[%d] is kept from offset %" PRId64 " on only", used ? ", " : "", range->topic,
             range->partition, range->from);
    return OL_OK;
}

static enum ol_class match(struct matching *matching, struct ol_error *reterr)
{
    struct verify *verify = matching->verify;
    struct scan_range ranges[PARTITIONS_MAX];
    size_t count = (size_t)verify->partitions;
    for (size_t i = 0; i < count; i++) {
        ranges[i] = (struct scan_range){
            .topic = topic_of(matching),
            .partition = (int32_t)i,
            .until = verify->progress[matching->context][i].last.commands_next,
        };
        enum ol_class class = find_start(matching, &ranges[i], reterr);
        if (class)
            return class;
    }
    struct ol_progress progress;
    char name[40];
    snprintf(name, sizeof name, "%s commands", context_name(matching->context));
    ol_progress_init(&progress, name, 0);
    enum ol_class class =
        scan_run(verify->session, ranges, count, match_record, matching, &progress, reterr);
    if (!class && matching->failed)
        class = ol_fail(reterr, OL_FATAL, "no memory for the commands");
    if (class)
        return class;
    ol_progress_finish(&progress);
    for (size_t i = 0; i < count; i++)
        pass_causes(matching, (int32_t)i, INT64_MAX);
    return matching->orphan_count ? explain_orphans(matching, ranges, reterr) : OL_OK;
}

enum ol_class verify_commands(struct verify *verify, enum context context, struct ol_error *reterr)
{
    struct matching *matching = calloc(1, sizeof *matching);
    if (!matching)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    matching->verify = verify;
    matching->context = context;
    ol_arena_init(&matching->arena, ARENA_BLOCK_BYTES, CODEC_ARENA_BYTES);
    enum ol_class class = match(matching, reterr);
    ol_arena_release(&matching->arena);
    free(matching->orphans);
    free(matching);
    return class;
}
