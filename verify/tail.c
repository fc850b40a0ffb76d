#include "verify/tail.h"

#include <stdlib.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_reader.h"

#define POLL_MS       200
#define FETCH_BYTES   (2 << 20) /* only the first record counts */
#define FETCH_WAIT_MS 10

static int64_t start_of(const struct tail *tail)
{
    return tail->position > tail->low ? tail->position : tail->low;
}

int64_t tail_lag(const struct tail *tail)
{
    if (tail->next < 0)
        return 0;
    int64_t lag = tail->stable - tail->next;
    return lag > 0 ? lag : 1;
}

bool tail_is_held(const struct tail *tail)
{
    return tail->next < 0 && tail->stable < tail->high;
}

bool tail_is_drained(const struct tail *tail)
{
    return tail->next < 0 && tail->stable >= tail->high;
}

static enum ol_class read_watermarks(struct session *session, struct tail *tail,
                                     struct ol_error *reterr)
{
    enum ol_class class = ol_admin_watermarks(session->admin, tail->topic, tail->partition,
                                              session->timeout_ms, &tail->low, &tail->high, reterr);
    tail->stable = tail->high;
    tail->next = tail->next_ms = -1;
    return class;
}

/* Notes what an inbox shows. True: it is known what comes after the position. */
static bool look(struct ol_inbox *inbox, struct tail *tail)
{
    const struct ol_message *message = ol_inbox_peek(inbox);
    if (message) {
        tail->next = message->offset;
        tail->next_ms = message->timestamp_ms;
        return true;
    }
    if (!ol_inbox_at_end(inbox))
        return false;
    tail->stable = inbox->end;
    return true;
}

/* Reads until every one of the `count` positions knows its next record or its end. */
static enum ol_class read_on(struct session *session, struct ol_reader *reader, struct tail **tails,
                             size_t count, struct ol_error *reterr)
{
    int64_t until_us = ol_clock_monotonic_us() + (int64_t)session->timeout_ms * 1000;
    struct ol_inbox *inboxes;
    ol_reader_inboxes(reader, &inboxes);
    for (size_t left = count; left > 0;) {
        struct ol_message none;
        size_t taken;
        enum ol_class class = ol_reader_poll(reader, POLL_MS, &none, 0, &taken, reterr);
        if (class)
            return class;
        for (size_t i = 0; i < count; i++) {
            if (inboxes[i].ignored || !look(&inboxes[i], tails[i]))
                continue;
            inboxes[i].ignored = true;
            left--;
        }
        if (left && ol_clock_monotonic_us() > until_us)
            return ol_fail(reterr, OL_RETRY,
                           "the ends of %zu partitions could not be read in %d ms", left,
                           session->timeout_ms);
    }
    return OL_OK;
}

static enum ol_class look_ahead(struct session *session, struct tail **tails,
                                struct ol_offset *offsets, size_t count, struct ol_error *reterr)
{
    struct ol_reader *reader = NULL;
    struct ol_kafka_settings settings = session->kafka.settings;
    settings.fetch_budget_bytes = FETCH_BYTES;
    settings.fetch_wait_ms = FETCH_WAIT_MS;
    for (size_t i = 0; i < count; i++)
        offsets[i] = (struct ol_offset){tails[i]->topic, tails[i]->partition, start_of(tails[i])};
    enum ol_class class = ol_reader_open(&settings, OL_READ_COMMITTED, count, &reader, reterr);
    if (!class)
        class = ol_reader_assign(reader, offsets, count, reterr);
    if (!class)
        class = read_on(session, reader, tails, count, reterr);
    ol_reader_close(reader);
    return class;
}

enum ol_class tail_read(struct session *session, struct tail *tails, size_t count,
                        struct ol_error *reterr)
{
    struct tail **unread = calloc(count ? count : 1, sizeof *unread);
    struct ol_offset *offsets = calloc(count ? count : 1, sizeof *offsets);
    size_t unread_count = 0;
    enum ol_class class =
        unread && offsets ? OL_OK : ol_fail(reterr, OL_FATAL, "no memory for %zu positions", count);
    for (size_t i = 0; i < count && !class; i++) {
        class = read_watermarks(session, &tails[i], reterr);
        if (!class && start_of(&tails[i]) < tails[i].high)
            unread[unread_count++] = &tails[i];
    }
    if (!class && unread_count)
        class = look_ahead(session, unread, offsets, unread_count, reterr);
    free(unread);
    free(offsets);
    return class;
}
