#include "producers/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/program/ol_progress.h"
#include "lib/program/ol_run.h"
#include "producers/import_file.h"
#include "producers/publisher.h"

#define POLL_EVERY     256  /* rows between two looks at the receipts */
#define FLUSH_GRACE_MS 5000 /* beyond the time after which the library gives a record up */
#define ID_ARENA_BYTES 1024
#define LINGER_US      50000 /* large batches: nobody waits for one record. 5 ms: half as fast */

struct import {
    const struct ol_options *options;
    enum import_kind kind;
    const char *path;
    struct import_file *file;
    struct publisher *publisher;
    struct ol_progress progress;
    struct ol_arena arena; /* ids made for one row */
    uint64_t items, rows;  /* published whole; items: rows or baskets */
    uint64_t published, acknowledged;
    const char *refused_text; /* of the first receipt that said no; NULL: none did */
    enum ol_class refused_class;
    int64_t started_us;
};

static void count_receipt(void *context, const struct ol_receipt *receipt)
{
    struct import *import = context;
    if (receipt->class == OL_OK) {
        import->acknowledged++;
    } else if (!import->refused_text) {
        import->refused_text = receipt->text;
        import->refused_class = receipt->class;
    }
}

/* Publishes the commands of one row or basket. */
static enum ol_class publish(struct import *import, struct command *commands, size_t count,
                             struct ol_error *reterr)
{
    ol_arena_clear(&import->arena);
    for (size_t i = 0; i < count; i++) {
        enum ol_class class =
            publisher_complete(import->publisher, &commands[i], &import->arena, reterr);
        if (!class)
            class = publisher_publish(import->publisher, &commands[i], NULL, reterr);
        if (class == OL_POISON)
            return ol_fail_in(reterr, "%s:%" PRIu64, import->path, import_file_line(import->file));
        if (class)
            return class;
        import->published++;
    }
    return OL_OK;
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
    }
    return OL_OK;
}

static void print_summary(const struct import *import)
{
    double seconds = (double)(ol_clock_monotonic_us() - import->started_us) / 1e6;
    const char *kind = import_kind_name(import->kind);
    if (import->options->json) {
        struct ol_text path = {0};
        ol_text_add_json(&path, import->path);
        printf("{\"kind\":\"%s\",\"file\":%s,\"%s\":\"%" PRIu64 "\",\"rows\":\"%" PRIu64
               "\",\"commands\":\"%" PRIu64 "\",\"acknowledged\":\"%" PRIu64
               "\",\"seconds\":%.3f}\n",
               kind, ol_text_string(&path), kind, import->items, import->rows, import->published,
               import->acknowledged, seconds);
        ol_text_release(&path);
        return;
    }
    printf("%s: %" PRIu64 " rows", kind, import->rows);
    if (import->kind == IMPORT_BASKETS)
        printf(", %" PRIu64 " baskets", import->items);
    printf(", %" PRIu64 " commands published, %" PRIu64 " acknowledged, %.1f s (%.0f a second)\n",
           import->published, import->acknowledged, seconds,
           seconds > 0 ? (double)import->acknowledged / seconds : 0);
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

/* The job, with file and publisher open. */
static enum ol_class run_open(struct import *import, struct ol_error *reterr)
{
    struct ol_error flush_error;
    import->started_us = ol_clock_monotonic_us();
    ol_progress_init(&import->progress, import_kind_name(import->kind), 0);
    enum ol_class class = publisher_class(pump(import, reterr));
    enum ol_class flush_class = finish(import, &flush_error);
    ol_progress_finish(&import->progress);
    print_summary(import);
    if (flush_class && (!class || class == OL_UNREACHABLE)) {
        *reterr = flush_error;
        class = flush_class;
    }
    return class ? advise(import, class, reterr) : OL_OK;
}

/* The job, with its memory and connection there. */
static enum ol_class run_connected(struct import *import, const struct ol_kafka_settings *kafka,
                                   struct ol_error *reterr)
{
    OL_AUTO(import_file) struct import_file *file = NULL;
    OL_AUTO(publisher) struct publisher *publisher = NULL;
    enum ol_class class = import_file_open(import->kind, import->path, &file, reterr);
    if (class)
        return class;
    struct publisher_settings settings = publisher_settings_of(import->options, kafka);
    settings.handler = count_receipt;
    settings.handler_context = import;
    class = publisher_open(&settings, (int)import->options->timeout_ms, &publisher, reterr);
    if (class)
        return class;

    class = ol_run_init(import->options->timeout_ms + 2 * FLUSH_GRACE_MS, reterr);
    if (class)
        return class;
    import->file = file;
    import->publisher = publisher;
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
    struct import import = {.options = options, .kind = kind, .path = options->arguments[0]};
    ol_arena_init(&import.arena, ID_ARENA_BYTES, 0);
    class = run_connected(&import, &connection.settings, reterr);
    ol_arena_release(&import.arena);
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
