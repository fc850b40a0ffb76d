#include "producers/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domain/assert.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/program/ol_progress.h"
#include "lib/program/ol_run.h"
#include "producers/import_file.h"
#include "producers/outcomes.h"
#include "producers/product_history.h"
#include "producers/publisher.h"
#include "producers/tally.h"

#define POLL_EVERY      256  /* rows between two looks at the receipts */
#define FLUSH_GRACE_MS  5000 /* beyond the time after which the library gives a record up */
#define ID_ARENA_BYTES  1024
#define POLL_MS         50    /* one look at the outcomes */
#define OUTCOMES_AHEAD  50000 /* commands without an outcome at which reading pauses */
#define OPEN_TIMEOUT_MS 5000  /* to ask whose transaction holds what has no outcome */
#define SHOWN_MAX       5     /* refusals that are told one by one */
#define LINGER_US       50000 /* large batches: nobody waits for one record. 5 ms: half as fast */

struct import {
    const struct ol_options *options;
    enum import_kind kind;
    const char *path, *brokers;
    struct import_file *file;
    struct publisher *publisher;
    struct product_history *history; /* --update; else NULL */
    struct outcomes *outcomes;       /* NULL: nobody waits */
    struct ol_progress progress;
    struct ol_arena arena; /* ids made for one row */
    uint64_t items, rows;  /* published whole; items: rows or baskets */
    uint64_t published, acknowledged;
    const char *refused_text; /* of the first receipt that said no; NULL: none did */
    enum ol_class refused_class;
    struct tally tally;
    struct ol_text shown; /* the first refusals, a line each */
    size_t shown_count;
    struct ol_text held;          /* the first open transaction that holds commands back */
    struct ol_error out_of_order; /* a failure inside a handler; class OL_OK: none */
    int64_t moved_us;             /* when the last thing happened that a timeout counts from */
    int64_t started_us, published_us;
};

/* Which context the commands of a file go to. */
static const enum context contexts[IMPORT_KIND_COUNT] = {
    [IMPORT_PRODUCTS] = CONTEXT_INVENTORY,
    [IMPORT_ACCOUNTS] = CONTEXT_PAYMENTS,
    [IMPORT_BASKETS] = CONTEXT_ORDERS,
};

/* The opaque of a record is the line on which its row or basket began. */
static void count_receipt(void *context, const struct ol_receipt *receipt)
{
    struct import *import = context;
    import->moved_us = ol_clock_monotonic_us();
    if (receipt->class == OL_OK) {
        domain_assert(import->acknowledged < import->published); /* one receipt each */
        import->acknowledged++;
        if (import->outcomes)
            outcomes_expect(import->outcomes, contexts[import->kind], receipt->place.partition,
                            receipt->place.offset, (struct text){0}, receipt->opaque,
                            &import->out_of_order);
    } else if (!import->refused_text) {
        import->refused_text = receipt->text;
        import->refused_class = receipt->class;
    }
}

static void take_outcome(void *context, const struct outcome *outcome)
{
    struct import *import = context;
    if (outcome->kind != OUTCOME_IS_OVERDUE)
        import->moved_us = ol_clock_monotonic_us();
    tally_add(&import->tally, outcome);
    if (outcome->kind == OUTCOME_IS_OVERDUE && outcome->open.offset >= 0 &&
        import->held.size_bytes == 0)
        ol_kafka_tell_open(&import->held, import->brokers, &outcome->open);
    if (!tally_refuses(outcome) || import->shown_count++ >= SHOWN_MAX)
        return;
    ol_text_addf(&import->shown, "  %s:%" PRIuPTR ": %s: ", import->path,
                 (uintptr_t)outcome->opaque, refusal_name(outcome->code));
    if (outcome->message.bytes)
        ol_text_add_shown(&import->shown, outcome->message.data, outcome->message.bytes);
    else
        ol_text_add(&import->shown, refusal_sentence(outcome->code));
    ol_text_add_char(&import->shown, '\n');
}

/* Every receipt in, then one look at the outcomes. Brokers that are away for a while are waited
 * for, as outcomes are. */
static enum ol_class settle_some(struct import *import, struct ol_error *reterr)
{
    const struct ol_options *options = import->options;
    enum ol_class class =
        publisher_flush(import->publisher, (int)options->timeout_ms + FLUSH_GRACE_MS, reterr);
    if (!class)
        class = outcomes_poll(import->outcomes, POLL_MS, reterr);
    if ((class == OL_RETRY || class == OL_UNREACHABLE) &&
        ol_clock_monotonic_us() - import->moved_us < options->wait_timeout_ms * 1000) {
        ol_run_sleep(POLL_MS);
        class = OL_OK;
    }
    if (!class && import->out_of_order.class) {
        *reterr = import->out_of_order;
        class = reterr->class;
    }
    return class;
}

static bool awaits_more_than(const struct import *import, size_t count)
{
    return import->outcomes && outcomes_pending(import->outcomes) > count && !ol_run_stopping();
}

/* Publishes the commands of one row or basket. */
static enum ol_class publish(struct import *import, struct command *commands, size_t count,
                             struct ol_error *reterr)
{
    ol_arena_clear(&import->arena);
    enum ol_class class = OL_OK;
    if (import->history)
        class = product_history_rewrite(import->history, commands, &count, &import->arena, reterr);
    for (size_t i = 0; i < count && !class; i++) {
        class = publisher_complete(import->publisher, &commands[i], &import->arena, reterr);
        if (!class)
            class = publisher_publish(import->publisher, &commands[i],
                                      (void *)(uintptr_t)import_file_line(import->file), reterr);
        import->published += !class;
        if (!class && import->history && !product_history_command(import->history, &commands[i]))
            class = ol_fail(reterr, OL_FATAL, "out of memory");
    }
    if (class == OL_POISON)
        return ol_fail_in(reterr, "%s:%" PRIu64, import->path, import_file_line(import->file));
    return class;
}

/* The number of items is not known before the end: the bytes say how far it is. */
static void show_progress(struct import *import)
{
    int64_t size = import_file_size_bytes(import->file), read = import_file_bytes(import->file);
    if (size > 0 && read > 0)
        import->progress.total = (int64_t)((double)import->items * (double)size / (double)read);
    ol_progress_add(&import->progress, 1);
}

/* From the file to the publisher, until the end, the limit, a fault or a signal. */
static enum ol_class pump(struct import *import, struct ol_error *reterr)
{
    uint64_t limit = (uint64_t)import->options->limit;
    struct command commands[IMPORT_COMMANDS_MAX];
    size_t count;
    while (!import->refused_text && (!limit || import->items < limit)) {
        if (ol_run_stopping())
            return ol_fail(reterr, OL_FATAL, "interrupted");
        enum ol_class class = import_file_next(import->file, commands, &count, reterr);
        if (class || count == 0)
            return class;
        class = publish(import, commands, count, reterr);
        if (class)
            return class;
        import->items++;
        import->rows = import_file_rows(import->file);
        show_progress(import);
        if (import->items % POLL_EVERY == 0)
            publisher_poll(import->publisher, 0);
        while (!class && awaits_more_than(import, OUTCOMES_AHEAD))
            class = settle_some(import, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

static void print_summary(const struct import *import)
{
    double seconds = (double)(import->published_us - import->started_us) / 1e6;
    OL_AUTO(ol_text) struct ol_text outcomes = {0};
    (import->options->json ? tally_json : tally_text)(&import->tally, &outcomes);
    const char *kind = import_kind_name(import->kind);
    if (import->options->json) {
        struct ol_text path = {0};
        ol_text_add_json(&path, import->path);
        printf("{\"kind\":\"%s\",\"file\":%s,\"%s\":\"%" PRIu64 "\",\"rows\":\"%" PRIu64
               "\",\"commands\":\"%" PRIu64 "\",\"acknowledged\":\"%" PRIu64
               "\",\"seconds\":%.3f%s%s}\n",
               kind, ol_text_string(&path), kind, import->items, import->rows, import->published,
               import->acknowledged, seconds, import->outcomes ? ",\"outcomes\":" : "",
               import->outcomes ? ol_text_string(&outcomes) : "");
        ol_text_release(&path);
        return;
    }
    printf("%s: %" PRIu64 " rows", kind, import->rows);
    if (import->kind == IMPORT_BASKETS)
        printf(", %" PRIu64 " baskets", import->items);
    printf(", %" PRIu64 " commands published, %" PRIu64 " acknowledged, %.1f s (%.0f a second)\n",
           import->published, import->acknowledged, seconds,
           seconds > 0 ? (double)import->acknowledged / seconds : 0);
    if (import->outcomes)
        printf("outcomes: %s\n", ol_text_string(&outcomes));
}

/* The first refusals, by place; they come in the order of the partitions, not of the file. */
static void show_refusals(const struct import *import)
{
    if (import->shown.size_bytes)
        fputs(ol_text_string(&import->shown), stderr);
    if (import->held.size_bytes)
        fprintf(stderr, "  %s\n", ol_text_string(&import->held));
    if (import->shown_count > SHOWN_MAX)
        fprintf(stderr, "  and %zu more\n", import->shown_count - SHOWN_MAX);
}

/* What became of the row that can't be read, and what is to be done about it. */
static const char *advice(const struct import *import, enum ol_class class)
{
    if (class != OL_POISON)
        return "";
    if (import_file_split(import->file))
        return ". The basket's lines from further up are among them, and an order does not grow: "
               "give the others a basket_id of their own";
    return ". Nothing of this row or basket was published: correct it";
}

/* What is to be done after a failure, added to its own sentence. */
static enum ol_class advise(const struct import *import, enum ol_class class,
                            struct ol_error *reterr)
{
    if (import->acknowledged == 0 && class != OL_POISON)
        return class;
    char cause[OL_ERROR_TEXT_BYTES];
    memcpy(cause, reterr->text, sizeof cause);
    return ol_fail(reterr, class,
                   "%s; %" PRIu64 " commands before it are in the log%s. Run it "
                   "again from the start: what is there already has no second effect",
                   cause, import->acknowledged, advice(import, class));
}

/* Everything published has its receipt; and was it a yes? */
static enum ol_class finish(struct import *import, struct ol_error *reterr)
{
    int timeout_ms = (int)import->options->timeout_ms + FLUSH_GRACE_MS;
    enum ol_class class = publisher_flush(import->publisher, timeout_ms, reterr);
    if (class)
        return publisher_class(class);
    if (import->acknowledged == import->published)
        return OL_OK;
    return ol_fail(reterr, publisher_class(import->refused_class),
                   "%" PRIu64 " of %" PRIu64 " commands were not acknowledged (%s)",
                   import->published - import->acknowledged, import->published,
                   import->refused_text ? import->refused_text : "no reason given");
}

/* Until every outcome is there, nothing came for --wait-timeout, or a signal. */
static enum ol_class await(struct import *import, struct ol_error *reterr)
{
    enum ol_class class = OL_OK;
    if (!import->outcomes)
        return OL_OK;
    ol_progress_init(&import->progress, "outcomes", (int64_t)import->acknowledged);
    import->moved_us = ol_clock_monotonic_us();
    while (!class && awaits_more_than(import, 0) &&
           ol_clock_monotonic_us() - import->moved_us < import->options->wait_timeout_ms * 1000) {
        class = settle_some(import, reterr);
        ol_progress_set(&import->progress, (int64_t)tally_sum(&import->tally));
    }
    if (outcomes_pending(import->outcomes))
        outcomes_find_open(import->outcomes, OPEN_TIMEOUT_MS);
    outcomes_give_up(import->outcomes);
    ol_progress_finish(&import->progress);
    return class;
}

/* Published whole, and was all of it accepted? */
static enum ol_class judge(const struct import *import, struct ol_error *reterr)
{
    if (!import->outcomes)
        return OL_OK;
    domain_assert(tally_sum(&import->tally) == import->acknowledged); /* one outcome each */
    if (tally_good(&import->tally))
        return OL_OK;
    OL_AUTO(ol_text) struct ol_text outcomes = {0};
    tally_text(&import->tally, &outcomes);
    const char *advice = "";
    if (import->tally.refused[REFUSED_COMMAND_ID_REUSED])
        advice = import->kind == IMPORT_PRODUCTS
                     ? ". COMMAND_ID_REUSED: such a row was imported before with other content; "
                       "--update changes what is there"
                     : ". COMMAND_ID_REUSED: such a row was imported before with other content; "
                       "change what is there with commands of your own (`orderlog submit`)";
    else if (import->held.size_bytes)
        advice = ". They are acknowledged, and no worker may read them yet";
    else if (import->tally.unanswered)
        advice = ". Is a worker running? Run it again: what is there already has no second effect";
    return ol_fail(reterr, OL_FATAL, "of %" PRIu64 " commands %s%s", import->published,
                   ol_text_string(&outcomes), advice);
}

/* The job, with file and publisher open. */
static enum ol_class run_open(struct import *import, struct ol_error *reterr)
{
    struct ol_error flush_error, wait_error;
    import->started_us = ol_clock_monotonic_us();
    ol_progress_init(&import->progress, import_kind_name(import->kind), 0);
    enum ol_class class = publisher_class(pump(import, reterr));
    enum ol_class flush_class = finish(import, &flush_error);
    ol_progress_finish(&import->progress);
    import->published_us = ol_clock_monotonic_us();
    enum ol_class wait_class = await(import, &wait_error);
    print_summary(import);
    fflush(stdout);
    show_refusals(import);
    if (flush_class && (!class || class == OL_UNREACHABLE)) {
        *reterr = flush_error;
        class = flush_class;
    }
    if (!class && wait_class) {
        *reterr = wait_error;
        class = publisher_class(wait_class);
    }
    return class ? advise(import, class, reterr) : judge(import, reterr);
}

/* Whoever looks on wants to know what became of it; a script says so. */
static bool wants_outcomes(const struct ol_options *options)
{
    bool said = strcmp(options->origins[OL_OPTION_ID_wait], "default") != 0;
    return said ? options->wait : options->json || isatty(STDOUT_FILENO);
}

static enum ol_class open_outcomes(struct import *import, const struct ol_kafka_settings *kafka,
                                   const struct publisher *publisher,
                                   struct outcomes **ret_outcomes, struct ol_error *reterr)
{
    enum context context = contexts[import->kind];
    int32_t partitions[CONTEXT_COUNT] = {0};
    partitions[context] = publisher_partitions(publisher, context);
    return outcomes_open(kafka, import->options->topic_prefix, partitions,
                         (int)import->options->timeout_ms, take_outcome, import, ret_outcomes,
                         reterr);
}

/* What is there, for --update. */
static enum ol_class read_history(struct import *import, const struct ol_kafka_settings *kafka,
                                  struct ol_error *reterr)
{
    if (!import->options->update)
        return OL_OK;
    if (!import->history)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    return product_history_read(import->history, kafka, import->options->topic_prefix,
                                publisher_partitions(import->publisher, CONTEXT_INVENTORY),
                                (int)import->options->timeout_ms, reterr);
}

/* A list that changes what is there is right as a whole, or does nothing. */
static enum ol_class check_list(const struct import *import, struct import_file *file,
                                struct ol_error *reterr)
{
    if (!import->options->update)
        return OL_OK;
    char cause[OL_ERROR_TEXT_BYTES];
    enum ol_class class = import_file_check(file, (uint64_t)import->options->limit, reterr);
    if (class != OL_POISON)
        return class;
    memcpy(cause, reterr->text, sizeof cause);
    return ol_fail(reterr, class, "%s; nothing of the list was published", cause);
}

/* The job, with its memory and connection there. */
static enum ol_class run_connected(struct import *import, const struct ol_kafka_settings *kafka,
                                   struct ol_error *reterr)
{
    OL_AUTO(import_file) struct import_file *file = NULL;
    OL_AUTO(product_history)
    struct product_history *history = import->options->update ? product_history_new() : NULL;
    OL_AUTO(outcomes) struct outcomes *outcomes = NULL;
    OL_AUTO(publisher) struct publisher *publisher = NULL;
    enum ol_class class = import_file_open(import->kind, import->path, &file, reterr);
    if (!class)
        class = check_list(import, file, reterr);
    if (class)
        return class;
    struct publisher_settings settings = publisher_settings_of(import->options, kafka);
    settings.handler = count_receipt;
    settings.handler_context = import;
    class = publisher_open(&settings, (int)import->options->timeout_ms, &publisher, reterr);
    if (!class && wants_outcomes(import->options))
        class = open_outcomes(import, kafka, publisher, &outcomes, reterr);
    if (!class)
        class = ol_run_init(import->options->timeout_ms + 2 * FLUSH_GRACE_MS, reterr);
    if (class)
        return class;
    import->file = file;
    import->publisher = publisher;
    import->outcomes = outcomes;
    import->history = history;
    class = read_history(import, kafka, reterr);
    if (!class)
        class = run_open(import, reterr);
    ol_run_release();
    return class;
}

static enum ol_class run(enum import_kind kind, const struct ol_options *options,
                         struct ol_error *reterr)
{
    OL_AUTO(ol_kafka_connection) struct ol_kafka_connection connection;
    enum ol_class class = ol_kafka_connection_init(&connection, options, "orderlog-import", reterr);
    if (class)
        return class;
    connection.settings.message_timeout_ms = (int)options->timeout_ms;
    connection.settings.linger_us = LINGER_US;
    struct import import = {.options = options,
                            .kind = kind,
                            .path = options->arguments[0],
                            .brokers = connection.settings.brokers};
    ol_arena_init(&import.arena, ID_ARENA_BYTES, 0);
    class = run_connected(&import, &connection.settings, reterr);
    ol_arena_release(&import.arena);
    ol_text_release(&import.shown);
    ol_text_release(&import.held);
    return class;
}

enum ol_class import_products_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run(IMPORT_PRODUCTS, options, reterr);
}

enum ol_class import_accounts_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run(IMPORT_ACCOUNTS, options, reterr);
}

enum ol_class import_baskets_run(const struct ol_options *options, struct ol_error *reterr)
{
    return run(IMPORT_BASKETS, options, reterr);
}
