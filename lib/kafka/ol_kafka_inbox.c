#include "lib/kafka/ol_inbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/kafka/ol_kafka_internal.h"

/* One refill keeps about this much out of the library's own limit. */
#define REFILL_BYTES (256 << 10)

/* ---- waking up ---- */

bool ol_wake_init(struct ol_wake *wake)
{
    atomic_init(&wake->signalled, false);
    atomic_init(&wake->called, false);
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wake->fd >= 0;
}

void ol_wake_release(struct ol_wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

void ol_wake_signal(struct ol_wake *wake)
{
    if (atomic_exchange(&wake->signalled, true))
        return;
    uint64_t one = 1;
    while (write(wake->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void ol_wake_call(struct ol_wake *wake)
{
    atomic_store(&wake->called, true);
    ol_wake_signal(wake);
}

/* Called with the queue locked, when its length goes from 0 to 1. */
static void on_filled(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    ol_wake_signal(opaque);
}

/* The callback, not rd_kafka_queue_io_event_enable(): that one stays silent until somebody reads
 * the queue again, so an entry that the library purged by itself would swallow the next wake-up. */
void ol_wake_watch(struct ol_wake *wake, rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, on_filled, wake);
}

void ol_wake_unwatch(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
}

/* Order matters: what is put in a queue after the store below signals again; what was put there
 * before is seen by the caller's look at the queues. */
void ol_wake_arm(struct ol_wake *wake)
{
    uint64_t count;
    while (read(wake->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    atomic_store(&wake->signalled, false);
}

void ol_wake_sleep(struct ol_wake *wake, int fd, int timeout_ms)
{
    struct pollfd files[2] = {{.fd = wake->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (!atomic_exchange(&wake->called, false))
        poll(files, fd >= 0 ? 2 : 1, timeout_ms);
    atomic_store(&wake->called, false);
}

/* ---- one inbox ---- */

bool ol_inbox_init(struct ol_inbox *inbox, rd_kafka_t *rk, struct ol_wake *wake, const char *topic,
                   int32_t topic_index, int32_t partition, int64_t position)
{
    ol_inbox_clear(inbox, topic, topic_index, partition, position);
    inbox->voice = rd_kafka_opaque(rk);
    inbox->queue = rd_kafka_queue_get_partition(rk, topic, partition);
    if (!inbox->queue)
        return false;
    /* An explicit forward (even to nowhere) keeps the start of fetching from forwarding the queue
     * to the handle's. */
    rd_kafka_queue_forward(inbox->queue, NULL);
    ol_wake_watch(wake, inbox->queue);
    return true;
}

void ol_inbox_release(struct ol_inbox *inbox)
{
    for (; inbox->count; inbox->count--)
        ol_message_release(&inbox->slots[inbox->head++]);
    if (inbox->queue) {
        ol_wake_unwatch(inbox->queue);
        rd_kafka_queue_destroy(inbox->queue);
    }
    inbox->queue = NULL;
}

static void inbox_keep(struct ol_inbox *inbox, rd_kafka_message_t *message)
{
    assert(message->partition == inbox->partition);
    rd_kafka_timestamp_type_t type;
    struct ol_message *slot = ol_inbox_keep(inbox, message->offset);
    slot->timestamp_ms = rd_kafka_message_timestamp(message, &type);
    slot->key = message->key;
    slot->value = message->payload;
    slot->key_bytes = message->key_len;
    slot->value_bytes = message->len;
    slot->handle = message;
}

static void inbox_note(struct ol_inbox *inbox, rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        inbox->end = message->offset;
    } else if (ol_kafka_class(message->err) != OL_RETRY && !inbox->error.class) {
        /* The first: what the library says after a broken batch is about what it took for the
         * next. */
        ol_kafka_fail(&inbox->error, message->err, rd_kafka_message_errstr(message), "%s [%d]",
                      inbox->topic, inbox->partition);
    }
    rd_kafka_message_destroy(message);
}

/* Large messages come a few at a time, so that the slots don't become a second prefetch. */
static size_t inbox_room(const struct ol_inbox *inbox, size_t waiting)
{
    size_t room = inbox->refill_bytes ? REFILL_BYTES / inbox->refill_bytes + 1 : OL_INBOX_SLOTS;
    if (room > OL_INBOX_SLOTS)
        room = OL_INBOX_SLOTS;
    return waiting < room ? waiting : room;
}

void ol_inbox_refill(struct ol_inbox *inbox)
{
    rd_kafka_message_t *messages[OL_INBOX_SLOTS];
    size_t room = inbox_room(inbox, rd_kafka_queue_length(inbox->queue));
    if (!room)
        return;
    /* Some of a partition's errors come as messages, some by the error callback, on this thread. */
    struct ol_kafka_voice *voice = inbox->voice;
    voice->reading = inbox;
    ssize_t count = rd_kafka_consume_batch_queue(inbox->queue, 0, messages, room);
    voice->reading = NULL;
    size_t bytes = 0;
    for (ssize_t i = 0; i < count; i++) {
        if (messages[i]->err) {
            inbox_note(inbox, messages[i]);
            continue;
        }
        bytes += messages[i]->len;
        inbox_keep(inbox, messages[i]);
    }
    if (inbox->count)
        inbox->refill_bytes = bytes / inbox->count;
}

bool ol_inbox_has_more(const struct ol_inbox *inbox)
{
    return rd_kafka_queue_length(inbox->queue) > 0;
}
