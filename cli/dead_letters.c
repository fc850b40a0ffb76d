#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/records.h"
#include "lib/base/ol_clock.h"
#include "lib/program/ol_table.h"
#include "proto/codec.h"
#include "verify/headers.h"
#include "verify/scan.h"

#define CAUSES_MAX    1000
#define REASON_BYTES  600
#define SHOWN_BYTES   256 /* of a value, in text */
#define ARENA_BLOCK   (256 * 1024)
#define LETTERS_SHOWN 100 /* unless --limit says otherwise */

/* Letters of one cause: the same code from the same topic. */
struct cause {
    char topic[TOPIC_NAME_BYTES_MAX]; /* where they came from */
    char code[64];
    char reason[REASON_BYTES]; /* of the first */
    int64_t count, first_ms, last_ms;
    struct headers_origin first;
};

struct letters {
    struct session *session;
    struct ol_arena arena;
    struct ol_text text;
    struct cause *causes;
    size_t cause_count;
    int64_t left; /* letters still to be shown */
    bool shown, others;
};

/* ---- all letters ---- */

/* ---- topic names dead letter topics, or contexts. ---- */
static bool is_named(const char *name, enum context context, const char *topic)
{
    return strcmp(name, topic) == 0 || strcmp(name, context_name(context)) == 0;
}

/* No --topic: all. */
static bool is_wanted(const struct ol_options *options, enum context context, const char *topic)
{
    for (size_t i = 0; i < options->topic.count; i++)
        if (is_named(options->topic.items[i], context, topic))
            return true;
    return options->topic.count == 0;
}

static enum ol_class check_topics(const struct ol_options *options, const struct topic_name *topics,
                                  struct ol_error *reterr)
{
    for (size_t i = 0; i < options->topic.count; i++) {
        bool known = false;
        for (int j = 0; j < CONTEXT_COUNT; j++)
            known |= is_named(options->topic.items[i], (enum context)j, topics[j].text);
        if (!known)
            return ol_fail(reterr, OL_USAGE,
                           "--topic: '%s' is neither a dead letter topic nor a context",
                           options->topic.items[i]);
    }
    return OL_OK;
}

static enum ol_class read_letters(struct letters *letters, scan_function *each,
                                  struct ol_error *reterr)
{
    struct session *session = letters->session;
    struct topic_name topics[CONTEXT_COUNT];
    struct scan_range ranges[CONTEXT_COUNT * PARTITIONS_MAX];
    int32_t partitions = 0;
    size_t count = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        topics[i] =
            topic_name(session->options->topic_prefix, (enum context)i, STREAM_DEAD_LETTERS);
    enum ol_class class = check_topics(session->options, topics, reterr);
    if (!class)
        class = session_partitions(session, &partitions, reterr);
    for (int i = 0; i < CONTEXT_COUNT && !class; i++)
        for (int32_t j = 0; j < partitions; j++)
            if (is_wanted(session->options, (enum context)i, topics[i].text))
                ranges[count++] = (struct scan_range){
                    .topic = topics[i].text, .partition = j, .from = -1, .until = INT64_MAX};
    return class ? class : scan_run(session, ranges, count, each, letters, NULL, reterr);
}

static enum ol_class run_letters(const struct ol_options *options, scan_function *each,
                                 enum ol_class (*end)(struct letters *letters,
                                                      struct ol_error *reterr),
                                 struct ol_error *reterr)
{
    OL_AUTO(session) struct session session;
    enum ol_class class = session_init(&session, options, SESSION_KAFKA, reterr);
    if (class)
        return class;
    struct letters letters = {.session = &session,
                              .left = options->limit ? options->limit : LETTERS_SHOWN};
    ol_arena_init(&letters.arena, ARENA_BLOCK, CODEC_ARENA_BYTES);
    letters.causes = calloc(CAUSES_MAX, sizeof *letters.causes);
    class = letters.causes ? read_letters(&letters, each, reterr)
                           : ol_fail(reterr, OL_FATAL, "out of memory");
    if (!class)
        class = end(&letters, reterr);
    ol_arena_release(&letters.arena);
    ol_text_release(&letters.text);
    free(letters.causes);
    return class;
}

/* ---- grouped ---- */

static struct cause *cause_of(struct letters *letters, const char *topic, const char *code)
{
    for (size_t i = 0; i < letters->cause_count; i++)
        if (strcmp(letters->causes[i].topic, topic) == 0 &&
            strcmp(letters->causes[i].code, code) == 0)
            return &letters->causes[i];
    if (letters->cause_count == CAUSES_MAX)
        return NULL;
    struct cause *cause = &letters->causes[letters->cause_count++];
    snprintf(cause->topic, sizeof cause->topic, "%s", topic);
    snprintf(cause->code, sizeof cause->code, "%s", code);
    return cause;
}

static bool count_letter(void *context, size_t range, const struct ol_message *message)
{
    struct letters *letters = context;
    char topic[TOPIC_NAME_BYTES_MAX], code[64];
    (void)range;
    headers_text(message, HEADERS_CONNECT "topic", topic, sizeof topic);
    headers_text(message, HEADERS_CONNECT "exception.class.name", code, sizeof code);
    struct cause *cause = cause_of(letters, topic, code);
    if (!cause) {
        letters->others = true;
        return true;
    }
    if (cause->count++ == 0) {
        headers_text(message, HEADERS_CONNECT "exception.message", cause->reason,
                     sizeof cause->reason);
        cause->first_ms = message->timestamp_ms;
    }
    if (message->timestamp_ms > cause->last_ms)
        cause->last_ms = message->timestamp_ms;
    if (message->timestamp_ms < cause->first_ms)
        cause->first_ms = message->timestamp_ms;
    return true;
}

static int cause_order(const void *left, const void *right)
{
    const struct cause *a = left, *b = right;
    return (a->count < b->count) - (a->count > b->count);
}

static const struct ol_table_column cause_columns[] = {
    {"cause", OL_TABLE_TEXT},    {"letters", OL_TABLE_NUMBER}, {"from_topic", OL_TABLE_TEXT},
    {"first_at", OL_TABLE_TEXT}, {"last_at", OL_TABLE_TEXT},   {"first_reason", OL_TABLE_TEXT},
};

static enum ol_class print_causes(struct letters *letters, struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, cause_columns, sizeof cause_columns / sizeof *cause_columns,
                  letters->session->options->json);
    if (letters->cause_count)
        qsort(letters->causes, letters->cause_count, sizeof *letters->causes, cause_order);
    for (size_t i = 0; i < letters->cause_count; i++) {
        const struct cause *cause = &letters->causes[i];
        ol_table_text(&table, *cause->code ? cause->code : NULL);
        ol_table_int(&table, cause->count);
        ol_table_text(&table, *cause->topic ? cause->topic : NULL);
        ol_table_time(&table, cause->first_ms * 1000);
        ol_table_time(&table, cause->last_ms * 1000);
        ol_table_text(&table, *cause->reason ? cause->reason : NULL);
    }
    if (letters->cause_count == 0)
        fprintf(stderr, "no dead letters\n");
    if (letters->others)
        fprintf(stderr, "more than %d causes; the others are left out\n", CAUSES_MAX);
    return ol_table_print(&table, stdout, reterr);
}

enum ol_class dlq_list_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run_letters(options, count_letter, print_causes, reterr);
}

/* ---- one by one ---- */

static void add_header_line(struct ol_text *text, const struct ol_message *message,
                            const char *name, const char *label)
{
    char value[REASON_BYTES];
    headers_text(message, name, value, sizeof value);
    if (!*value)
        return;
    ol_text_addf(text, "  %-9s ", label);
    ol_text_add_json(text, value); /* it may hold what a terminal acts on */
    ol_text_add_char(text, '\n');
}

static void add_key(struct ol_text *text, const struct ol_message *message)
{
    if (message->key) {
        ol_text_add(text, "  key       ");
        ol_text_add_json_bytes(text, message->key, message->key_bytes);
        ol_text_add_char(text, '\n');
    }
}

static void add_value(struct ol_text *text, enum context context, const struct ol_message *message)
{
    size_t shown = message->value_bytes < SHOWN_BYTES ? message->value_bytes : SHOWN_BYTES;
    if (!message->value) {
        ol_text_add(text, "  value     none\n");
        return;
    }
    ol_text_addf(text, "  value     %zu bytes: ", message->value_bytes);
    record_add_base64(text, message->value, shown);
    ol_text_add(text, shown < message->value_bytes ? "...\n  decoded   " : "\n  decoded   ");
    record_add_decoded(text, context, STREAM_DEAD_LETTERS, message);
    ol_text_add_char(text, '\n');
}

static void add_letter(struct ol_text *text, enum context context, const struct ol_message *message)
{
    char time[OL_CLOCK_TEXT_BYTES];
    struct headers_origin origin;
    ol_clock_format(message->timestamp_ms * 1000, time);
    ol_text_addf(text, "%s[%d]@%" PRId64 "  %s\n", message->topic, message->partition,
                 message->offset, time);
    if (headers_dead_letter(message, &origin))
        ol_text_addf(text, "  from      %s[%d]@%" PRId64 "\n", origin.topic, origin.partition,
                     origin.offset);
    add_header_line(text, message, "orderlog-original-place", "place");
    add_header_line(text, message, HEADERS_CONNECT "exception.class.name", "cause");
    add_header_line(text, message, HEADERS_CONNECT "exception.message", "reason");
    add_key(text, message);
    add_value(text, context, message);
}

static bool show_letter(void *argument, size_t range, const struct ol_message *message)
{
    struct letters *letters = argument;
    const struct ol_options *options = letters->session->options;
    enum context context = CONTEXT_ORDERS;
    enum stream stream = STREAM_DEAD_LETTERS;
    (void)range;
    if (*options->key && !text_equal((struct text){message->key, (uint32_t)message->key_bytes},
                                     text_of(options->key)))
        return true;
    if (letters->left-- == 0) {
        letters->others = true;
        return false;
    }
    letters->shown = true;
    ol_arena_clear(&letters->arena);
    ol_text_clear(&letters->text);
    record_topic(options->topic_prefix, message->topic, &context, &stream);
    if (options->json)
        record_add_json(&letters->text, context, stream,
                        &(struct record_part){*message, RECORD_WHOLE},
                        record_type(context, stream, message, &letters->arena));
    else
        add_letter(&letters->text, context, message);
    if (!letters->text.failed)
        fwrite(letters->text.bytes, 1, letters->text.size_bytes, stdout);
    return !ferror(stdout);
}

static enum ol_class end_shown(struct letters *letters, struct ol_error *reterr)
{
    (void)reterr;
    if (!letters->shown)
        fprintf(stderr, "no dead letters\n");
    if (letters->others)
        fprintf(stderr, "there are more; --limit N shows them\n");
    return OL_OK;
}

enum ol_class dlq_show_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run_letters(options, show_letter, end_shown, reterr);
}
