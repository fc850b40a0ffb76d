#include "cli/scan.h"

#include <stdlib.h>

#include "lib/ol_clock.h"
#include "lib/ol_kafka_reader.h"

#define POLL_MS      200
#define MESSAGES_MAX 512

struct scan {
    struct session *session;
    struct scan_place *places;
    size_t count;
    scan_take *take;
    void *context;
    struct ol_progress *progress;
    struct ol_reader *reader;
    bool stopped;
    struct ol_message messages[MESSAGES_MAX];
};

static bool take_message(struct scan *scan, const struct ol_message *message)
{
    size_t place = (size_t)message->topic_index;
    if (message->offset >= scan->places[place].until)
        return true;
    return scan->take(scan->context, place, message);
}

/* Marks what has come to its end; returns how many have not. */
static size_t settle(struct scan *scan)
{
    struct ol_inbox *inboxes;
    size_t open = 0;
    ol_reader_inboxes(scan->reader, &inboxes);
    for (size_t i = 0; i < scan->count; i++) {
        struct scan_place *place = &scan->places[i];
        if (inboxes[i].ignored)
            continue;
        place->reached = ol_reader_position(scan->reader, i);
        inboxes[i].ignored = place->reached >= place->until || ol_inbox_at_end(&inboxes[i]);
        open += !inboxes[i].ignored;
    }
    return open;
}

static enum ol_class read_all(struct scan *scan, struct ol_error *reterr)
{
    int64_t moved_us = ol_clock_monotonic_us();
    while (settle(scan) && !scan->stopped) {
        size_t count = 0;
        enum ol_class class = ol_reader_poll(scan->reader, POLL_MS, scan->messages, MESSAGES_MAX,
                                             &count, reterr);
        for (size_t i = 0; i < count && !scan->stopped; i++)
            scan->stopped = !take_message(scan, &scan->messages[i]);
        ol_messages_release(scan->messages, count);
        if (class)
            return class;
        if (scan->progress)
            ol_progress_add(scan->progress, (int64_t)count);
        if (count)
            moved_us = ol_clock_monotonic_us();
        else if (ol_clock_monotonic_us() - moved_us > (int64_t)scan->session->timeout_ms * 1000)
            return ol_fail(reterr, OL_RETRY, "nothing came from Kafka for %d ms",
                           scan->session->timeout_ms);
    }
    return OL_OK;
}

enum ol_class scan_run(struct session *session, struct scan_place *places, size_t count,
                       scan_take *take, void *context, struct ol_progress *progress,
                       struct ol_error *reterr)
{
    struct scan *scan = calloc(1, sizeof *scan);
    struct ol_offset *offsets = calloc(count ? count : 1, sizeof *offsets);
    enum ol_class class = scan && offsets ? OL_OK : ol_fail(reterr, OL_FATAL, "no memory to read");
    if (!class) {
        *scan = (struct scan){.session = session,
                              .places = places,
                              .count = count,
                              .take = take,
                              .context = context,
                              .progress = progress};
        for (size_t i = 0; i < count; i++)
            offsets[i] = (struct ol_offset){places[i].topic, places[i].partition,
                                            places[i].from < 0 ? OL_BEGINNING : places[i].from};
        class = ol_reader_open(&session->kafka.settings, OL_READ_COMMITTED, count, &scan->reader,
                               reterr);
    }
    if (!class)
        class = ol_reader_assign(scan->reader, offsets, count, reterr);
    if (!class)
        class = read_all(scan, reterr);
    if (scan)
        ol_reader_close(scan->reader);
    free(offsets);
    free(scan);
    return class;
}
