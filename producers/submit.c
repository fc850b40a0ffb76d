#include "producers/submit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/program/ol_run.h"
#include "producers/line_input.h"
#include "producers/outcomes.h"
#include "producers/publisher.h"
#include "proto/json.h"

#define ARENA_BLOCK_BYTES  (64 * 1024)
#define ARENA_BUDGET_BYTES (32 * 1024 * 1024)
#define FLUSH_GRACE_MS     5000  /* beyond the time after which the library gives a record up */
#define POLL_EVERY         256   /* lines between two looks at the receipts */
#define POLL_MS            50    /* one look at outcomes while the input may go on */
#define OPEN_TIMEOUT_MS    5000  /* to ask whose transaction holds what has no outcome */
#define OUTCOMES_AHEAD     50000 /* commands without an outcome at which reading pauses */

/* A command on its way. One piece of memory with its texts. */
struct item {
    uint64_t line;
    enum context context;
    bool place_order;
    const char *type; /* static */
    struct ol_offset place, event_place;
    const char *event; /* static; "" until there is one */
    size_t id_bytes, key_bytes;
    char texts[]; /* id, key */
};

struct submit {
    const struct ol_options *options;
    struct publisher *publisher;
    struct outcomes *outcomes; /* NULL: nobody waits */
    const char *brokers;
    struct ol_arena arena; /* one line */
    struct ol_text row;    /* one row of output */
    int64_t moved_us;      /* when the last thing happened that a timeout counts from */
    uint64_t lines, bad_lines;
    uint64_t acknowledged, unacknowledged, rejected, unanswered, unconfirmed;
    enum ol_class failed_class;   /* of the first receipt that said no */
    struct ol_error out_of_order; /* a failure inside a handler; class OL_OK: none */
};

/* ---- rows of output ---- */

/* What stands in a row beside the command itself. */
struct output_row {
    const char *status; /* "PUBLISHED", "ACCEPTED", ... */
    struct ol_offset event_place;
    const char *event;   /* "" none */
    const char *code;    /* "" none */
    struct text message; /* for people */
    const char *first;   /* REPEATED */
    const char *order;   /* order's status, "" none */
};

static struct text item_id(const struct item *item)
{
    return (struct text){item->texts, (uint32_t)item->id_bytes};
}

static struct text item_key(const struct item *item)
{
    return (struct text){item->texts + item->id_bytes, (uint32_t)item->key_bytes};
}

static void add_json_place(struct ol_text *text, struct ol_offset place)
{
    ol_text_add(text, "\"topic\":");
    ol_text_add_json(text, place.topic);
    ol_text_addf(text, ",\"partition\":%d,\"offset\":\"%" PRId64 "\"}", place.partition,
                 place.offset);
}

static void add_json_member(struct ol_text *text, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    ol_text_addf(text, ",\"%s\":", name);
    ol_text_add_json(text, value);
}

static void format_json(struct ol_text *text, const struct item *item, const struct output_row *row)
{
    struct text id = item_id(item), key = item_key(item);
    ol_text_addf(text,
                 "{\"line\":\"%" PRIu64 "\",\"status\":\"%s\",\"context\":\"%s\",\"type\":\"%s\"",
                 item->line, row->status, context_name(item->context), item->type);
    ol_text_add(text, ",\"key\":");
    ol_text_add_json_bytes(text, key.data, key.bytes);
    ol_text_add(text, ",\"command_id\":");
    ol_text_add_json_bytes(text, id.data, id.bytes);
    if (item->place.offset >= 0) {
        ol_text_add(text, ",\"command\":{");
        add_json_place(text, item->place);
    }
    if (row->event_place.offset >= 0) {
        ol_text_addf(text, ",\"event\":{\"type\":\"%s\",", row->event);
        add_json_place(text, row->event_place);
    }
    add_json_member(text, "first", row->first);
    add_json_member(text, "code", row->code);
    if (row->message.bytes) {
        ol_text_add(text, ",\"message\":");
        ol_text_add_json_bytes(text, row->message.data, row->message.bytes);
    }
    add_json_member(text, "order_status", row->order);
    ol_text_add(text, "}\n");
}

static void add_place(struct ol_text *text, struct ol_offset place)
{
    ol_text_addf(text, " %s[%d]@%" PRId64, place.topic, place.partition, place.offset);
}

static void format_text(struct ol_text *text, const struct item *item, const struct output_row *row)
{
    struct text id = item_id(item), key = item_key(item);
    ol_text_addf(text, "%-9s  line %" PRIu64 "  %s ", row->status, item->line, item->type);
    ol_text_add_bytes(text, key.data, key.bytes);
    ol_text_add(text, "  command ");
    ol_text_add_bytes(text, id.data, id.bytes);
    if (item->place.offset >= 0) {
        ol_text_add(text, "  at");
        add_place(text, item->place);
    }
    if (row->event_place.offset >= 0) {
        ol_text_addf(text, "  %s", row->event);
        add_place(text, row->event_place);
    }
    if (row->first && *row->first)
        ol_text_addf(text, "  first %s", row->first);
    if (row->order && *row->order)
        ol_text_addf(text, "  order %s", row->order);
    if (row->code && *row->code)
        ol_text_addf(text, "  %s", row->code);
    if (row->message.bytes) {
        ol_text_add(text, row->code && *row->code ? ": " : "  ");
        ol_text_add_shown(text, row->message.data, row->message.bytes);
    }
    ol_text_add_char(text, '\n');
}

static void print_row(struct submit *submit, const struct item *item, const struct output_row *row)
{
    ol_text_clear(&submit->row);
    (submit->options->json ? format_json : format_text)(&submit->row, item, row);
    if (!submit->row.failed)
        fwrite(submit->row.bytes, 1, submit->row.size_bytes, stdout);
}

/* ---- what comes back ---- */

static const struct ol_offset nowhere = {.offset = -1};

/* One record is acknowledged, or is not. Gives the item on to the outcomes, or prints and frees. */
static void on_receipt(void *context, const struct ol_receipt *receipt)
{
    struct submit *submit = context;
    struct item *item = receipt->opaque;
    domain_assert(item->place.offset < 0); /* one receipt each */
    submit->moved_us = ol_clock_monotonic_us();
    if (receipt->class) {
        submit->unacknowledged++;
        if (!submit->failed_class)
            submit->failed_class = receipt->class;
        item->place = nowhere;
        print_row(submit, item,
                  &(struct output_row){.status = "FAILED",
                                       .event_place = nowhere,
                                       .message = text_of(receipt->text)});
        free(item);
        return;
    }
    submit->acknowledged++;
    item->place = receipt->place;
    if (submit->outcomes) {
        struct text settle = {0};
        if (submit->options->settled && item->place_order)
            settle = item_key(item);
        if (outcomes_expect(submit->outcomes, item->context, item->place.partition,
                            item->place.offset, settle, item, &submit->out_of_order) == OL_OK)
            return;
    }
    print_row(submit, item, &(struct output_row){.status = "PUBLISHED", .event_place = nowhere});
    free(item);
}

/* Counts what is not as the user wished. */
static void count_outcome(struct submit *submit, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_IS_ACCEPTED:
        submit->unconfirmed += outcome->settled && outcome->status != ORDER_IS_CONFIRMED;
        break;
    case OUTCOME_IS_REJECTED: submit->rejected++; break;
    case OUTCOME_IS_REPEATED: submit->rejected += outcome->first != OUTCOME_ACCEPTED; break;
    case OUTCOME_IS_PUT_ASIDE: submit->unanswered++; break;
    case OUTCOME_IS_OVERDUE:
        submit->unconfirmed += outcome->settled;
        submit->unanswered += !outcome->settled;
        break;
    }
}

static void on_outcome(void *context, const struct outcome *outcome)
{
    static const char *const statuses[] = {
        [OUTCOME_IS_ACCEPTED] = "ACCEPTED", [OUTCOME_IS_REJECTED] = "REJECTED",
        [OUTCOME_IS_REPEATED] = "REPEATED", [OUTCOME_IS_PUT_ASIDE] = "PUT_ASIDE",
        [OUTCOME_IS_OVERDUE] = "OVERDUE",
    };
    struct submit *submit = context;
    struct item *item = outcome->opaque;
    OL_AUTO(ol_text) struct ol_text overdue = {0};
    if (outcome->kind != OUTCOME_IS_OVERDUE)
        submit->moved_us = ol_clock_monotonic_us();
    if (!outcome->settled) {
        item->event = outcome->event;
        item->event_place = outcome->place;
    }
    if (!outcome->last)
        return;
    domain_assert(item->place.offset >= 0); /* acknowledged before it is answered */
    count_outcome(submit, outcome);
    struct output_row row = {
        .status = outcome->settled ? "ACCEPTED" : statuses[outcome->kind],
        .event = item->event,
        .event_place = item->event_place,
        .code = refusal_name(outcome->code),
        .message = outcome->message,
        .first = outcome->kind == OUTCOME_IS_REPEATED ? command_outcome_name(outcome->first) : "",
        .order = outcome->settled ? order_status_name(outcome->status) : "",
    };
    if (outcome->kind == OUTCOME_IS_PUT_ASIDE)
        row.message = TEXT("a worker put it aside; look at `orderlog dlq list`");
    if (outcome->kind == OUTCOME_IS_OVERDUE) {
        outcome_tell_overdue(outcome, submit->brokers, &overdue);
        row.message = text_of(ol_text_string(&overdue));
    }
    print_row(submit, item, &row);
    free(item);
}

/* ---- lines ---- */

static struct item *item_new(const struct command *command, uint64_t line)
{
    struct text id = command->metadata.command_id, key = command_aggregate(command);
    struct item *item = malloc(sizeof *item + id.bytes + key.bytes);
    if (!item)
        return NULL;
    *item = (struct item){
        .line = line,
        .context = command->context,
        .place_order = command->context == CONTEXT_ORDERS && command->order.kind == ORDER_PLACE,
        .type = command_kind_name(command),
        .place = nowhere,
        .event_place = nowhere,
        .event = "",
        .id_bytes = id.bytes,
        .key_bytes = key.bytes,
    };
    memcpy(item->texts, id.data, id.bytes);
    memcpy(item->texts + id.bytes, key.data, key.bytes);
    return item;
}

/* One line to its topic. OL_POISON: it is not a command; the error names its place. */
static enum ol_class publish_line(struct submit *submit, const struct line_input *input,
                                  const char *line, size_t bytes, struct ol_error *reterr)
{
    uint64_t number = line_input_number(input);
    ol_arena_clear(&submit->arena);
    struct command command;
    size_t column = 1;
    enum ol_class class =
        json_decode_command(line, bytes, &submit->arena, &command, &column, reterr);
    if (class == OL_RETRY) /* the budget of one line is spent */
        class = ol_fail(reterr, OL_POISON, "the command is far larger than a message may be");
    if (!class)
        class = publisher_complete(submit->publisher, &command, &submit->arena, reterr);
    if (class == OL_OK) {
        struct item *item = item_new(&command, number);
        if (!item)
            return ol_fail(reterr, OL_FATAL, "out of memory");
        class = publisher_publish(submit->publisher, &command, item, reterr);
        if (class)
            free(item);
    }
    if (class == OL_POISON)
        return ol_fail_in(reterr, "%s:%" PRIu64 ":%zu", line_input_name(input), number, column);
    return class;
}

static bool is_blank(const char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t')
            return false;
    return true;
}

static bool is_overdue(const struct submit *submit)
{
    return ol_clock_monotonic_us() - submit->moved_us >= submit->options->wait_timeout_ms * 1000;
}

/* Every receipt in, then one look at the outcomes. Brokers that are away for a while are waited
 * for, as outcomes are. */
static enum ol_class flush_and_poll(struct submit *submit, int wait_ms, struct ol_error *reterr)
{
    enum ol_class class = publisher_flush(
        submit->publisher, (int)submit->options->timeout_ms + FLUSH_GRACE_MS, reterr);
    if (!class && submit->outcomes) {
        class = outcomes_poll(submit->outcomes, wait_ms, reterr);
        if ((class == OL_RETRY || class == OL_UNREACHABLE) && !is_overdue(submit)) {
            ol_run_sleep(wait_ms);
            class = OL_OK;
        }
    }
    if (!class && submit->out_of_order.class) {
        *reterr = submit->out_of_order;
        class = reterr->class;
    }
    fflush(stdout);
    return class;
}

static bool is_busy(const struct submit *submit)
{
    return publisher_pending(submit->publisher) ||
           (submit->outcomes && outcomes_pending(submit->outcomes));
}

/* A bad line is reported at once when the reading goes on. */
static enum ol_class pass_over(struct submit *submit, enum ol_class class,
                               const struct ol_error *error)
{
    if (class != OL_POISON || !submit->options->keep_going)
        return class;
    submit->bad_lines++;
    fprintf(stderr, "orderlog submit: %s\n", error->text);
    return OL_OK;
}

/* Reads and publishes to the end of the input, a bad line, a failure or a signal. */
static enum ol_class pump(struct submit *submit, struct line_input *input, struct ol_error *reterr)
{
    while (!ol_run_stopping()) {
        enum line_state state;
        const char *line;
        size_t bytes;
        int timeout_ms = is_busy(submit) ? 0 : -1;
        enum ol_class class = line_input_next(input, timeout_ms, &state, &line, &bytes, reterr);
        submit->lines += class == OL_POISON; /* too long to be looked at */
        class = pass_over(submit, class, reterr);
        if (class || state == LINE_END)
            return class;
        if (state == LINE_NOT_YET) {
            class = flush_and_poll(submit, POLL_MS, reterr);
        } else if (!is_blank(line, bytes)) {
            submit->lines++;
            class = publish_line(submit, input, line, bytes, reterr);
            class = pass_over(submit, class, reterr);
            if (submit->lines % POLL_EVERY == 0)
                publisher_poll(submit->publisher, 0);
        }
        while (!class && submit->outcomes && outcomes_pending(submit->outcomes) > OUTCOMES_AHEAD &&
               !ol_run_stopping())
            class = flush_and_poll(submit, POLL_MS, reterr);
        if (class)
            return class;
    }
    return ol_fail(reterr, OL_FATAL, "interrupted");
}

/* Until every outcome is there, nothing came for --wait-timeout, or a signal. */
static enum ol_class await(struct submit *submit, struct ol_error *reterr)
{
    submit->moved_us = ol_clock_monotonic_us();
    enum ol_class class = flush_and_poll(submit, 0, reterr);
    while (!class && submit->outcomes && outcomes_pending(submit->outcomes) && !ol_run_stopping() &&
           ol_clock_monotonic_us() - submit->moved_us < submit->options->wait_timeout_ms * 1000)
        class = flush_and_poll(submit, POLL_MS, reterr);
    if (submit->outcomes && outcomes_pending(submit->outcomes))
        outcomes_find_open(submit->outcomes, OPEN_TIMEOUT_MS);
    if (submit->outcomes)
        outcomes_give_up(submit->outcomes);
    submit->outcomes = NULL; /* whatever is acknowledged from here on is printed as published */
    fflush(stdout);
    return class;
}

/* ---- the end ---- */

/* The sentence of a call that went through and did not bring what was wished; OL_OK: it did. */
static enum ol_class judge(const struct submit *submit, struct ol_error *reterr)
{
    const struct {
        uint64_t count;
        const char *what;
    } faults[] = {
        {submit->bad_lines, "lines are no commands"},
        {submit->unacknowledged, "commands were not acknowledged"},
        {submit->rejected, "commands were rejected"},
        {submit->unanswered, "commands have no outcome"},
        {submit->unconfirmed, "orders are not confirmed"},
    };
    char text[OL_ERROR_TEXT_BYTES];
    struct ol_text line = ol_text_in(text, sizeof text);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i].count)
            ol_text_addf(&line, "%s%" PRIu64 " %s", line.size_bytes ? ", " : "", faults[i].count,
                         faults[i].what);
    if (line.size_bytes == 0)
        return OL_OK;
    enum ol_class class = submit->unacknowledged ? publisher_class(submit->failed_class) : OL_FATAL;
    return ol_fail(reterr, class, "of %" PRIu64 " lines: %s", submit->lines, ol_text_string(&line));
}

/* What was done before a failure, added to its own sentence. */
static enum ol_class advise(const struct submit *submit, enum ol_class class,
                            struct ol_error *reterr)
{
    if (submit->acknowledged == 0 && class != OL_POISON)
        return publisher_class(class);
    char cause[OL_ERROR_TEXT_BYTES];
    memcpy(cause, reterr->text, sizeof cause);
    return ol_fail(reterr, publisher_class(class),
                   "%s; %" PRIu64 " commands before it are in the log%s", cause,
                   submit->acknowledged,
                   class == OL_POISON ? ". Correct this line and go on from it: nothing of it or "
                                        "after it was published"
                                      : "");
}

static enum ol_class run_open(struct submit *submit, struct line_input *input,
                              struct ol_error *reterr)
{
    struct ol_error wait_error = {.class = OL_OK};
    enum ol_class class = pump(submit, input, reterr);
    enum ol_class wait_class = await(submit, &wait_error);
    if (!class && wait_class) {
        *reterr = wait_error;
        class = wait_class;
    }
    return class ? advise(submit, class, reterr) : judge(submit, reterr);
}

static enum ol_class open_outcomes(struct submit *submit, const struct ol_kafka_settings *kafka,
                                   struct outcomes **ret_outcomes, struct ol_error *reterr)
{
    int32_t partitions[CONTEXT_COUNT];
    for (int i = 0; i < CONTEXT_COUNT; i++)
        partitions[i] = publisher_partitions(submit->publisher, (enum context)i);
    return outcomes_open(kafka, submit->options->topic_prefix, partitions,
                         (int)submit->options->timeout_ms, on_outcome, submit, ret_outcomes,
                         reterr);
}

static enum ol_class run_connected(struct submit *submit, const struct ol_kafka_settings *kafka,
                                   struct ol_error *reterr)
{
    const struct ol_options *options = submit->options;
    OL_AUTO(line_input) struct line_input *input = NULL;
    OL_AUTO(outcomes) struct outcomes *outcomes = NULL;
    OL_AUTO(publisher) struct publisher *publisher = NULL;
    const char *path = options->argument_count ? options->arguments[0] : "-";
    enum ol_class class = line_input_open(path, &input, reterr);
    if (class)
        return class;

    struct publisher_settings settings = publisher_settings_of(options, kafka);
    settings.handler = on_receipt;
    settings.handler_context = submit;
    class = publisher_open(&settings, (int)options->timeout_ms, &publisher, reterr);
    if (class)
        return class;
    submit->publisher = publisher;
    if (options->wait || options->settled)
        class = open_outcomes(submit, kafka, &outcomes, reterr);
    if (!class)
        class = ol_run_init(options->timeout_ms + 2 * FLUSH_GRACE_MS, reterr);
    if (class)
        return class;
    submit->outcomes = outcomes;
    class = run_open(submit, input, reterr);
    ol_run_release();
    return class;
}

enum ol_class submit_run(const struct ol_options *options, struct ol_error *reterr)
{
    OL_AUTO(ol_kafka_connection) struct ol_kafka_connection connection;
    enum ol_class class = ol_kafka_connection_init(&connection, options, "orderlog-submit", reterr);
    if (class)
        return class;
    connection.settings.message_timeout_ms = (int)options->timeout_ms;
    struct submit submit = {.options = options, .brokers = connection.settings.brokers};
    ol_arena_init(&submit.arena, ARENA_BLOCK_BYTES, ARENA_BUDGET_BYTES);
    class = run_connected(&submit, &connection.settings, reterr);
    ol_arena_release(&submit.arena);
    ol_text_release(&submit.row);
    return class;
}
