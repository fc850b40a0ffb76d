#include "verify/scan.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/program/ol_run.h"

#define POLL_MS      200
#define MESSAGES_MAX 512

struct scan {
    struct session *session;
    struct scan_range *ranges;
    size_t count;
    scan_function *each;
    void *context;
    struct ol_progress *progress;
    bool (*idle)(void *context); /* NULL: ends where the log ends */
    struct ol_reader *reader;
    bool stopped;
    struct ol_message *messages; /* MESSAGES_MAX */
};

static bool pass_message(struct scan *scan, const struct ol_message *message)
{
    size_t range = (size_t)message->topic_index;
    assert(range < scan->count); /* the ranges are what was assigned */
    if (message->offset >= scan->ranges[range].until)
        return true;
    return scan->each(scan->context, range, message);
}

/* Marks what has come to its end; returns how many have not. */
static size_t mark_reached(struct scan *scan)
{
    struct ol_inbox *inboxes;
    size_t open = 0;
    ol_reader_inboxes(scan->reader, &inboxes);
    for (size_t i = 0; i < scan->count; i++) {
        struct scan_range *range = &scan->ranges[i];
        if (inboxes[i].ignored)
            continue;
        range->reached = ol_reader_position(scan->reader, i);
        inboxes[i].ignored = range->reached >= range->until || ol_inbox_at_end(&inboxes[i]);
        open += !inboxes[i].ignored;
    }
    return open;
}

/* One poll, which brings *ret_count records. */
static enum ol_class read_some(struct scan *scan, size_t *ret_count, struct ol_error *reterr)
{
    enum ol_class class =
        ol_reader_poll(scan->reader, POLL_MS, scan->messages, MESSAGES_MAX, ret_count, reterr);
    for (size_t i = 0; i < *ret_count && !scan->stopped; i++)
        scan->stopped = !pass_message(scan, &scan->messages[i]);
    ol_messages_release(scan->messages, *ret_count);
    if (scan->progress)
        ol_progress_add(scan->progress, (int64_t)*ret_count);
    return class;
}

static enum ol_class read_all(struct scan *scan, struct ol_error *reterr)
{
    int64_t moved_us = ol_clock_monotonic_us();
    while (mark_reached(scan) && !scan->stopped) {
        size_t count = 0;
        enum ol_class class = read_some(scan, &count, reterr);
        if (class)
            return class;
        if (count)
            moved_us = ol_clock_monotonic_us();
        else if (ol_clock_monotonic_us() - moved_us > (int64_t)scan->session->timeout_ms * 1000)
            return ol_fail(reterr, OL_RETRY, "nothing came from Kafka for %d ms",
                           scan->session->timeout_ms);
    }
    return OL_OK;
}

static enum ol_class follow(struct scan *scan, struct ol_error *reterr)
{
    while (!scan->stopped && !ol_run_stopping()) {
        size_t count = 0;
        enum ol_class class = read_some(scan, &count, reterr);
        if (class)
            return class;
        if (count == 0)
            scan->stopped = !scan->idle(scan->context);
    }
    return OL_OK;
}

static enum ol_class read_ranges(struct scan *scan, struct ol_offset *offsets,
                                 struct ol_error *reterr)
{
    for (size_t i = 0; i < scan->count; i++) {
        const struct scan_range *range = &scan->ranges[i];
        offsets[i] = (struct ol_offset){range->topic, range->partition,
                                        range->from < 0 ? OL_BEGINNING : range->from};
    }
    enum ol_class class = ol_reader_open(&scan->session->kafka.settings, OL_READ_COMMITTED,
                                         scan->count, &scan->reader, reterr);
    if (!class)
        class = ol_reader_assign(scan->reader, offsets, scan->count, reterr);
    if (!class)
        class = scan->idle ? follow(scan, reterr) : read_all(scan, reterr);
    ol_reader_close(scan->reader);
    return class;
}

static enum ol_class run(struct scan scan, struct ol_error *reterr)
{
    struct ol_offset *offsets = calloc(scan.count ? scan.count : 1, sizeof *offsets);
    scan.messages = calloc(MESSAGES_MAX, sizeof *scan.messages);
    enum ol_class class = offsets && scan.messages ? read_ranges(&scan, offsets, reterr)
                                                   : ol_fail(reterr, OL_FATAL, "no memory to read");
    free(scan.messages);
    free(offsets);
    return class;
}

enum ol_class scan_run(struct session *session, struct scan_range *ranges, size_t count,
                       scan_function *each, void *context, struct ol_progress *progress,
                       struct ol_error *reterr)
{
    return run((struct scan){session, ranges, count, each, context, .progress = progress}, reterr);
}

enum ol_class scan_follow(struct session *session, struct scan_range *ranges, size_t count,
                          scan_function *each, bool (*idle)(void *context), void *context,
                          struct ol_error *reterr)
{
    return run((struct scan){session, ranges, count, each, context, .idle = idle}, reterr);
}
