#include "lib/kafka/ol_kafka_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kafka/ol_kafka_internal.h"

#define CLOSE_MS 5000

/* The library's plain consumer: no group, so no coordinator and no commits either. */
struct ol_reader {
    struct ol_kafka_settings settings;
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
    struct ol_wake wake;
    struct ol_inbox *inboxes;
    rd_kafka_topic_t **topics; /* of the inboxes */
    char **names;
    size_t count, next_inbox;
};

enum ol_class ol_reader_open(const struct ol_kafka_settings *settings, enum ol_isolation isolation,
                             size_t partition_count, struct ol_reader **ret_reader,
                             struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    struct ol_reader *reader = calloc(1, sizeof *reader);
    if (!reader || !ol_wake_init(&reader->wake)) {
        free(reader);
        return ol_fail(reterr, OL_FATAL, "no memory or file for a reader");
    }
    reader->settings = *settings;
    struct ol_kafka_shares shares;
    struct ol_kafka_value values[OL_KAFKA_SHARES + 1];
    ol_kafka_share(settings, partition_count, &shares, values);
    values[OL_KAFKA_SHARES] = (struct ol_kafka_value){
        "isolation.level", isolation == OL_READ_COMMITTED ? "read_committed" : "read_uncommitted"};
    rd_kafka_conf_t *conf =
        ol_kafka_conf(settings, OL_KIND_READER, values, OL_KAFKA_SHARES + 1, reterr);
    if (conf)
        reader->rk = ol_kafka_new(settings, OL_KIND_READER, conf, &reader->voice, reterr);
    if (!reader->rk) {
        ol_wake_release(&reader->wake);
        free(reader);
        return reterr->class;
    }
    *ret_reader = reader;
    return OL_OK;
}

/* ---- what is read ---- */

static void stop_all(struct ol_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        rd_kafka_consume_stop(reader->topics[i], reader->inboxes[i].partition);
        ol_inbox_release(&reader->inboxes[i]);
        rd_kafka_topic_destroy(reader->topics[i]);
        free(reader->names[i]);
    }
    reader->count = reader->next_inbox = 0;
    free(reader->inboxes);
    free(reader->topics);
    free(reader->names);
    reader->inboxes = NULL;
    reader->topics = NULL;
    reader->names = NULL;
}

static enum ol_class start_one(struct ol_reader *reader, const struct ol_offset *position,
                               struct ol_error *reterr)
{
    size_t row = reader->count;
    char *name = strdup(position->topic);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader->rk, position->topic, NULL);
    struct ol_inbox *inbox = &reader->inboxes[row];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__FAIL;
    if (name && topic &&
        ol_inbox_init(inbox, reader->rk, &reader->wake, name, (int32_t)row, position->partition,
                      position->offset)) {
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (rd_kafka_consume_start(topic, position->partition, position->offset))
            code = rd_kafka_last_error();
    }
    if (code) {
        ol_inbox_release(inbox);
        if (topic)
            rd_kafka_topic_destroy(topic);
        free(name);
        return ol_kafka_fail(reterr, code, NULL, "read %s [%d]", position->topic,
                             position->partition);
    }
    reader->topics[row] = topic;
    reader->names[row] = name;
    reader->count++;
    return OL_OK;
}

enum ol_class ol_reader_assign(struct ol_reader *reader, const struct ol_offset *positions,
                               size_t count, struct ol_error *reterr)
{
    stop_all(reader);
    size_t rows = count ? count : 1;
    reader->inboxes = calloc(rows, sizeof *reader->inboxes);
    reader->topics = calloc(rows, sizeof(rd_kafka_topic_t *));
    reader->names = calloc(rows, sizeof *reader->names);
    if (!reader->inboxes || !reader->topics || !reader->names) {
        stop_all(reader);
        return ol_fail(reterr, OL_FATAL, "no memory to read %zu partitions", count);
    }
    for (size_t i = 0; i < count; i++) {
        assert(positions[i].offset >= OL_BEGINNING);
        enum ol_class class = start_one(reader, &positions[i], reterr);
        if (class) {
            stop_all(reader);
            return class;
        }
    }
    return OL_OK;
}

static void stop_work(void *argument)
{
    stop_all(argument);
}

bool ol_reader_close(struct ol_reader *reader)
{
    if (!reader)
        return true;
    if (!ol_kafka_bounded(stop_work, reader, CLOSE_MS))
        return false;
    if (!ol_kafka_destroy(reader->rk, reader->voice, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
                          CLOSE_MS))
        return false;
    ol_wake_release(&reader->wake);
    free(reader);
    return true;
}

/* ---- reading ---- */

enum ol_class ol_reader_poll(struct ol_reader *reader, int timeout_ms, struct ol_message *messages,
                             size_t max, size_t *ret_count, struct ol_error *reterr)
{
    rd_kafka_poll(reader->rk, 0); /* empties the queue of errors */
    ol_wake_arm(&reader->wake);
    if (!ol_inboxes_have_news(reader->inboxes, reader->count))
        ol_wake_sleep(&reader->wake, -1, timeout_ms);
    return ol_inboxes_take(reader->inboxes, reader->count, &reader->next_inbox, messages, max,
                           ret_count, reterr);
}

size_t ol_reader_inboxes(const struct ol_reader *reader, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = reader->inboxes;
    return reader->count;
}

enum ol_class ol_reader_watermarks(struct ol_reader *reader, const char *topic, int32_t partition,
                                   int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                   struct ol_error *reterr)
{
    return ol_kafka_watermarks(reader->rk, topic, partition, timeout_ms, ret_low, ret_high, reterr);
}
