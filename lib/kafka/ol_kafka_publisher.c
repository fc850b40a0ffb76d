#include "lib/kafka/ol_kafka_publisher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_grow.h"
#include "lib/kafka/ol_kafka_internal.h"

#define CLOSE_MS 5000

struct ol_publisher_handle {
    struct ol_kafka_settings settings;
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
    ol_receipt_handler *handler;
    void *context;
    rd_kafka_topic_t **topics;
    size_t topic_count, topic_capacity;
    size_t pending;
    uint64_t receipts;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct ol_kafka_voice *voice = opaque;
    struct ol_publisher_handle *publisher = voice->owner;
    assert(publisher->pending);
    publisher->pending--;
    publisher->receipts++;
    if (!publisher->handler)
        return;
    struct ol_receipt receipt = {
        .class = ol_kafka_class(message->err),
        .text = message->err ? rd_kafka_err2str(message->err) : "",
        .place = {rd_kafka_topic_name(message->rkt), message->partition, message->offset},
        .opaque = message->_private,
    };
    publisher->handler(publisher->context, &receipt);
}

enum ol_class ol_publisher_open(const struct ol_kafka_settings *settings,
                                ol_receipt_handler *handler, void *context,
                                struct ol_publisher_handle **ret_publisher, struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    struct ol_publisher_handle *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        return ol_fail(reterr, OL_FATAL, "no memory for a publisher");
    publisher->settings = *settings;
    publisher->handler = handler;
    publisher->context = context;
    rd_kafka_conf_t *conf = ol_kafka_conf(settings, OL_KIND_PUBLISHER, NULL, 0, reterr);
    if (conf) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        publisher->rk = ol_kafka_new(settings, OL_KIND_PUBLISHER, conf, &publisher->voice, reterr);
    }
    if (!publisher->rk) {
        free(publisher);
        return reterr->class;
    }
    publisher->voice->owner = publisher;
    *ret_publisher = publisher;
    return OL_OK;
}

bool ol_publisher_close(struct ol_publisher_handle *publisher)
{
    if (!publisher)
        return true;
    rd_kafka_purge(publisher->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int64_t until = ol_clock_monotonic_ms() + CLOSE_MS;
    while (publisher->pending && ol_clock_monotonic_ms() < until)
        rd_kafka_poll(publisher->rk, 100);
    for (size_t i = 0; i < publisher->topic_count; i++)
        rd_kafka_topic_destroy(publisher->topics[i]);
    if (!ol_kafka_destroy(publisher->rk, publisher->voice, 0, CLOSE_MS))
        return false;
    free(publisher->topics);
    free(publisher);
    return true;
}

int32_t ol_publisher_topic(struct ol_publisher_handle *publisher, const char *name)
{
    for (size_t i = 0; i < publisher->topic_count; i++)
        if (!strcmp(rd_kafka_topic_name(publisher->topics[i]), name))
            return (int32_t)i;
    if (!OL_GROW(publisher->topics, publisher->topic_capacity, publisher->topic_count + 1, 8))
        return -1;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(publisher->rk, name, NULL);
    if (!topic)
        return -1;
    publisher->topics[publisher->topic_count] = topic;
    return (int32_t)publisher->topic_count++;
}

enum ol_class ol_publisher_publish(struct ol_publisher_handle *publisher,
                                   const struct ol_record *record, struct ol_error *reterr)
{
    assert(record->topic >= 0 && (size_t)record->topic < publisher->topic_count);
    struct ol_error error = {.class = OL_OK};
    rd_kafka_topic_t *topic = publisher->topics[record->topic];
    int64_t until = 0;
    for (;;) {
        enum ol_class class =
            ol_kafka_produce_one(publisher->rk, topic, RD_KAFKA_MSG_F_COPY, record, &error);
        if (!class) {
            publisher->pending++;
            return OL_OK;
        }
        if (error.class)
            return ol_fail(reterr, error.class, "%s", error.text);
        /* Full: every receipt makes room. */
        int64_t now_ms = ol_clock_monotonic_ms();
        until = until ? until : now_ms + publisher->settings.message_timeout_ms;
        if (now_ms >= until)
            return ol_fail(reterr, OL_RETRY, "the queue of %zu KiB stayed full for %d ms",
                           publisher->settings.send_budget_bytes >> 10,
                           publisher->settings.message_timeout_ms);
        rd_kafka_poll(publisher->rk, (int)(until - now_ms));
    }
}

size_t ol_publisher_poll(struct ol_publisher_handle *publisher, int timeout_ms)
{
    uint64_t before = publisher->receipts;
    rd_kafka_poll(publisher->rk, timeout_ms);
    return publisher->receipts - before;
}

enum ol_class ol_publisher_flush(struct ol_publisher_handle *publisher, int timeout_ms,
                                 struct ol_error *reterr)
{
    rd_kafka_flush(publisher->rk, timeout_ms);
    if (!publisher->pending)
        return OL_OK;
    char words[256];
    ol_kafka_last_words(publisher->voice, words, sizeof words);
    return ol_fail(reterr, OL_RETRY, "%zu records without an answer after %d ms%s%s",
                   publisher->pending, timeout_ms, *words ? ": " : "", words);
}

size_t ol_publisher_pending(const struct ol_publisher_handle *publisher)
{
    return publisher->pending;
}
