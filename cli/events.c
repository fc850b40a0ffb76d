#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/records.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_run.h"
#include "proto/codec.h"
#include "verify/scan.h"

#define RANGES_MAX   (CONTEXT_COUNT * STREAM_COUNT * PARTITIONS_MAX)
#define ARENA_BLOCK  (256 * 1024)
#define TAIL_EVENTS  10 /* unless --limit says otherwise */
#define TAIL_MARGIN  64 /* offsets before the end that are looked at first */
#define TAIL_MAX     100000
#define INTERRUPT_MS 2000 /* from Ctrl-C to the exit */
#define ALL_TIME     INT64_MIN

/* What `tail` keeps: the latest lines so far. */
struct line {
    int64_t ts_ms, number; /* number: as it came, for equal times */
    char *text;
};

struct events {
    struct session session;
    const struct ol_options *options;
    bool json;
    int64_t since_ms, until_ms; /* ALL_TIME: not given */
    struct topic_name topics[CONTEXT_COUNT * STREAM_COUNT];
    struct scan_range ranges[RANGES_MAX];
    enum context contexts[RANGES_MAX];
    enum stream streams[RANGES_MAX];
    size_t count;
    struct ol_arena arena;
    struct ol_text text;
    int64_t left; /* lines still to print; below 0: no limit */
    int64_t passed;
    struct line *lines; /* tail: a heap with the oldest on top; NULL: print at once */
    size_t line_count, line_max;
};

/* ---- what is asked for ---- */

static enum ol_class read_time(const char *flag, const char *text, int64_t *ret_ms,
                               struct ol_error *reterr)
{
    int64_t at_us;
    *ret_ms = ALL_TIME;
    if (!*text)
        return OL_OK;
    if (!ol_clock_parse(text, strlen(text), &at_us))
        return ol_fail(reterr, OL_USAGE, "--%s: '%s' is no RFC 3339 time, as 2017-01-31T10:00:00Z",
                       flag, text);
    *ret_ms = at_us / 1000 + (at_us % 1000 > 0);
    return OL_OK;
}

/* A full name, or a context: then its events. No --topic: the events of all contexts. */
static bool is_wanted(const struct ol_option_list *wanted, const char *topic, enum context context,
                      enum stream stream)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (strcmp(wanted->items[i], topic) == 0 ||
            (stream == STREAM_EVENTS && strcmp(wanted->items[i], context_name(context)) == 0))
            return true;
    return wanted->count == 0 && stream == STREAM_EVENTS;
}

static enum ol_class check_topics(const struct events *events, struct ol_error *reterr)
{
    const struct ol_option_list *wanted = &events->options->topic;
    for (size_t i = 0; i < wanted->count; i++) {
        bool known = false;
        for (int context = 0; context < CONTEXT_COUNT; context++)
            for (int stream = 0; stream < STREAM_COUNT; stream++)
                known |= strcmp(wanted->items[i], context_name((enum context)context)) == 0 ||
                         strcmp(wanted->items[i],
                                events->topics[context * STREAM_COUNT + stream].text) == 0;
        if (!known)
            return ol_fail(reterr, OL_USAGE,
                           "--topic: '%s' is neither a topic of this installation nor a context",
                           wanted->items[i]);
    }
    return OL_OK;
}

/* Every name that a record's type can have. */
static const char *const type_names[] = {
#define COMMAND(context, kind, name, member) #name,
#define STEP(context, kind, name, member)    #name,
#define EVENT(context, kind, name, member)   #name,
#include "domain/messages.def"
    "CommandRejected", "CommandRepeated", "Receipt"};

static bool is_type(const char *name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (strcmp(type_names[i], name) == 0)
            return true;
    return false;
}

static enum ol_class check_types(const struct ol_option_list *wanted, struct ol_error *reterr)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!is_type(wanted->items[i]))
            return ol_fail(reterr, OL_USAGE,
                           "--type: there is no event, command or step '%s'; it is a message's "
                           "name, such as OrderConfirmed",
                           wanted->items[i]);
    return OL_OK;
}

static enum ol_class list_ranges(struct events *events, struct ol_error *reterr)
{
    int32_t partitions;
    const char *prefix = events->options->topic_prefix;
    for (int i = 0; i < CONTEXT_COUNT * STREAM_COUNT; i++)
        events->topics[i] =
            topic_name(prefix, (enum context)(i / STREAM_COUNT), (enum stream)(i % STREAM_COUNT));
    enum ol_class class = check_topics(events, reterr);
    if (!class)
        class = session_partitions(&events->session, &partitions, reterr);
    for (int i = 0; i < CONTEXT_COUNT * STREAM_COUNT && !class; i++) {
        enum context context = (enum context)(i / STREAM_COUNT);
        enum stream stream = (enum stream)(i % STREAM_COUNT);
        if (!is_wanted(&events->options->topic, events->topics[i].text, context, stream))
            continue;
        for (int32_t j = 0; j < partitions; j++) {
            events->contexts[events->count] = context;
            events->streams[events->count] = stream;
            events->ranges[events->count++] = (struct scan_range){
                .topic = events->topics[i].text, .partition = j, .from = -1, .until = INT64_MAX};
        }
    }
    return class;
}

/* Where the records of a time begin; past the last record: at the end. */
static enum ol_class find_since(struct events *events, struct ol_error *reterr)
{
    struct ol_offset offsets[RANGES_MAX];
    if (events->since_ms == ALL_TIME)
        return OL_OK;
    for (size_t i = 0; i < events->count; i++)
        offsets[i] = (struct ol_offset){events->ranges[i].topic, events->ranges[i].partition,
                                        events->since_ms};
    enum ol_class class = ol_admin_offsets_for_times(events->session.admin, offsets, events->count,
                                                     events->session.timeout_ms, reterr);
    for (size_t i = 0; i < events->count && !class; i++) {
        int64_t low = 0, high = 0;
        if (offsets[i].offset < 0)
            class =
                ol_admin_watermarks(events->session.admin, offsets[i].topic, offsets[i].partition,
                                    events->session.timeout_ms, &low, &high, reterr);
        events->ranges[i].from = offsets[i].offset < 0 ? high : offsets[i].offset;
    }
    return class;
}

/* ---- one record ---- */

/* Receipts are the workers' accounts, no events of anything: only who asks for them sees them. */
static bool type_is_wanted(const struct ol_option_list *wanted, const char *type)
{
    if (wanted->count == 0 && strcmp(type, "Receipt") == 0)
        return false;
    for (size_t i = 0; i < wanted->count; i++)
        if (strcmp(wanted->items[i], type) == 0)
            return true;
    return wanted->count == 0;
}

static bool is_asked_for(const struct events *events, const struct ol_message *message)
{
    struct text key = {message->key, (uint32_t)message->key_bytes};
    if (*events->options->key && !text_equal(key, text_of(events->options->key)))
        return false;
    return (events->since_ms == ALL_TIME || message->timestamp_ms >= events->since_ms) &&
           (events->until_ms == ALL_TIME || message->timestamp_ms < events->until_ms);
}

static void add_line(struct events *events, size_t range, const struct record_part *part,
                     const char *type)
{
    const struct ol_message *message = &part->message;
    char time[OL_CLOCK_TEXT_BYTES] = "-", where[200], place[16] = "";
    struct ol_text *text = &events->text;
    if (message->timestamp_ms >= 0)
        ol_clock_format(message->timestamp_ms * 1000, time);
    if (part->place != RECORD_WHOLE)
        snprintf(place, sizeof place, "/%d", part->place);
    snprintf(where, sizeof where, "%s[%d]@%" PRId64 "%s", message->topic, message->partition,
             message->offset, place);
    ol_text_addf(text, "%-24s  %-40s  %-22s  ", time, where, *type ? type : "-");
    if (message->key)
        ol_text_add_json_bytes(text, message->key, message->key_bytes);
    else
        ol_text_add_char(text, '-');
    ol_text_add(text, "  ");
    record_add_decoded(text, events->contexts[range], events->streams[range], message);
    ol_text_add_char(text, '\n');
}

/* ---- the latest few ---- */

static bool is_older(const struct line *a, const struct line *b)
{
    return a->ts_ms != b->ts_ms ? a->ts_ms < b->ts_ms : a->number < b->number;
}

static int line_order(const void *left, const void *right)
{
    return is_older(left, right) ? -1 : 1;
}

static void sift_down(struct events *events)
{
    struct line *lines = events->lines;
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < events->line_count && is_older(&lines[child + 1], &lines[child]))
            child++;
        if (child >= events->line_count || !is_older(&lines[child], &lines[at]))
            return;
        struct line swapped = lines[at];
        lines[at] = lines[child];
        lines[child] = swapped;
        at = child;
    }
}

static void sift_up(struct events *events)
{
    struct line *lines = events->lines;
    for (size_t at = events->line_count - 1; at > 0 && is_older(&lines[at], &lines[(at - 1) / 2]);
         at = (at - 1) / 2) {
        struct line swapped = lines[at];
        lines[at] = lines[(at - 1) / 2];
        lines[(at - 1) / 2] = swapped;
    }
}

/* Keeps the line if it is among the latest. */
static bool keep_line(struct events *events, int64_t ts_ms)
{
    struct line line = {ts_ms, events->passed, NULL};
    bool full = events->line_count == events->line_max;
    if (full && is_older(&line, &events->lines[0]))
        return true;
    line.text = strdup(ol_text_string(&events->text));
    if (!line.text)
        return false;
    if (full) {
        free(events->lines[0].text);
        events->lines[0] = line;
        sift_down(events);
    } else {
        events->lines[events->line_count++] = line;
        sift_up(events);
    }
    return true;
}

static void forget_lines(struct events *events)
{
    for (size_t i = 0; i < events->line_count; i++)
        free(events->lines[i].text);
    events->line_count = 0;
}

static void print_lines(struct events *events)
{
    qsort(events->lines, events->line_count, sizeof *events->lines, line_order);
    for (size_t i = 0; i < events->line_count; i++)
        fputs(events->lines[i].text, stdout);
}

/* ---- reading ---- */

static bool show_part(struct events *events, size_t range, const struct record_part *part)
{
    const struct ol_message *message = &part->message;
    if (!is_asked_for(events, message))
        return true;
    const char *type =
        record_type(events->contexts[range], events->streams[range], message, &events->arena);
    if (!type_is_wanted(&events->options->type, type))
        return true;
    ol_text_clear(&events->text);
    if (events->json)
        record_add_json(&events->text, events->contexts[range], events->streams[range], part, type);
    else
        add_line(events, range, part, type);
    if (events->text.failed)
        return false;
    events->passed++;
    if (events->lines)
        return keep_line(events, message->timestamp_ms);
    fwrite(events->text.bytes, 1, events->text.size_bytes, stdout);
    return !ferror(stdout) && --events->left != 0;
}

static bool show_record(void *context, size_t range, const struct ol_message *message)
{
    struct events *events = context;
    size_t count;
    ol_arena_clear(&events->arena);
    const struct record_part *parts = record_parts(events->contexts[range], events->streams[range],
                                                   message, &events->arena, &count);
    for (size_t i = 0; parts && i < count; i++)
        if (!show_part(events, range, &parts[i]))
            return false;
    return parts;
}

static bool idle(void *context)
{
    const struct events *events = context;
    fflush(stdout);
    return !ferror(stdout) &&
           (events->until_ms == ALL_TIME || ol_clock_wall_us() / 1000 <= events->until_ms + 1000);
}

static enum ol_class follow_events(struct events *events, struct ol_error *reterr)
{
    enum ol_class class = ol_run_init(INTERRUPT_MS, reterr);
    if (class)
        return class;
    class = scan_follow(&events->session, events->ranges, events->count, show_record, idle, events,
                        reterr);
    ol_run_drained();
    ol_run_release();
    return class;
}

static enum ol_class export_events(struct events *events, struct ol_error *reterr)
{
    enum ol_class class = find_since(events, reterr);
    if (class)
        return class;
    if (events->options->follow)
        return follow_events(events, reterr);
    return scan_run(&events->session, events->ranges, events->count, show_record, events, NULL,
                    reterr);
}

/* Each partition from `margin` offsets before its end; true when that is before its beginning. */
static enum ol_class step_back(struct events *events, int64_t margin, bool *ret_all,
                               struct ol_error *reterr)
{
    *ret_all = true;
    for (size_t i = 0; i < events->count; i++) {
        struct scan_range *range = &events->ranges[i];
        int64_t low, high;
        enum ol_class class =
            ol_admin_watermarks(events->session.admin, range->topic, range->partition,
                                events->session.timeout_ms, &low, &high, reterr);
        if (class)
            return class;
        bool all = high - low <= margin;
        range->from = all ? low : high - margin;
        *ret_all &= all;
    }
    return OL_OK;
}

/* Markers, and what the filters drop, take offsets too: goes further back until there is enough. */
static enum ol_class tail_events(struct events *events, struct ol_error *reterr)
{
    bool all = false;
    enum ol_class class = OL_OK;
    if (events->left > TAIL_MAX)
        return ol_fail(reterr, OL_USAGE, "--limit: tail shows at most %d; see events export",
                       TAIL_MAX);
    events->line_max = events->left > 0 ? (size_t)events->left : TAIL_EVENTS;
    events->lines = calloc(events->line_max, sizeof *events->lines);
    if (!events->lines)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    for (int64_t margin = TAIL_MARGIN + (int64_t)events->line_max; !class && !all; margin *= 8) {
        forget_lines(events);
        events->passed = 0;
        class = step_back(events, margin, &all, reterr);
        if (!class)
            class = scan_run(&events->session, events->ranges, events->count, show_record, events,
                             NULL, reterr);
        all |= events->line_count == events->line_max;
    }
    if (!class)
        print_lines(events);
    forget_lines(events);
    free(events->lines);
    events->lines = NULL;
    events->left = -1;
    for (size_t i = 0; i < events->count; i++)
        events->ranges[i].from = events->ranges[i].reached;
    return !class && events->options->follow ? follow_events(events, reterr) : class;
}

static enum ol_class begin_events(struct events *events, struct ol_error *reterr)
{
    const struct ol_options *options = events->options;
    enum ol_class class = read_time("since", options->since, &events->since_ms, reterr);
    if (!class)
        class = read_time("until", options->until, &events->until_ms, reterr);
    if (!class)
        class = check_types(&options->type, reterr);
    if (!class)
        class = session_init(&events->session, options, SESSION_KAFKA, reterr);
    return class ? class : list_ranges(events, reterr);
}

static enum ol_class run_events(const struct ol_options *options, bool json,
                                enum ol_class (*read)(struct events *events,
                                                      struct ol_error *reterr),
                                struct ol_error *reterr)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    events->options = options;
    events->json = json;
    events->left = options->limit ? options->limit : -1;
    ol_arena_init(&events->arena, ARENA_BLOCK, CODEC_ARENA_BYTES);
    enum ol_class class = begin_events(events, reterr);
    if (!class)
        class = read(events, reterr);
    if (!class && events->passed == 0)
        fprintf(stderr, "no events\n");
    session_release(&events->session);
    ol_arena_release(&events->arena);
    ol_text_release(&events->text);
    free(events);
    return class;
}

enum ol_class events_tail_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run_events(options, options->json, tail_events, reterr);
}

enum ol_class events_export_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run_events(options, true, export_events, reterr);
}
