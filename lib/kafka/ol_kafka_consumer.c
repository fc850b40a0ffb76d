#include "lib/kafka/ol_kafka_consumer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_internal.h"

#define LEAVE_GROUP 13   /* ApiKey */
#define JOIN_MS     2000 /* a join under way is awaited for so long before leaving */

struct ol_group {
    rd_kafka_consumer_group_metadata_t *metadata;
};

struct ol_consumer {
    struct ol_kafka_settings settings;
    char **topics;
    size_t topic_count;
    char *group_name;
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
    rd_kafka_queue_t *main_queue;
    struct ol_wake wake;

    /* Written by the rebalance callback, which runs inside our own poll. */
    enum ol_consumer_event event;
    struct ol_error callback_error;

    struct ol_assignment assignment;
    bool is_assigned; /* between ASSIGNED and _unassign */
    struct ol_offset *places;
    struct ol_group group;

    struct ol_inbox *inboxes;
    size_t inbox_count;

    atomic_bool left; /* the coordinator has answered our LeaveGroup */
};

/* ---- groups ---- */

const rd_kafka_consumer_group_metadata_t *ol_group_metadata(const struct ol_group *group)
{
    return group->metadata;
}

static rd_kafka_consumer_group_metadata_t *copy_metadata(
    const rd_kafka_consumer_group_metadata_t *metadata)
{
    void *bytes = NULL;
    size_t size = 0;
    rd_kafka_consumer_group_metadata_t *copy = NULL;
    rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(metadata, &bytes, &size);
    if (!error)
        error = rd_kafka_consumer_group_metadata_read(&copy, bytes, size);
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_mem_free(NULL, bytes);
    return copy;
}

struct ol_group *ol_group_copy(const struct ol_group *group)
{
    struct ol_group *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->metadata = copy_metadata(group->metadata);
    if (!copy->metadata) {
        free(copy);
        return NULL;
    }
    return copy;
}

static void group_release(struct ol_group *group)
{
    if (group->metadata)
        rd_kafka_consumer_group_metadata_destroy(group->metadata);
    group->metadata = NULL;
}

void ol_group_free(struct ol_group *group)
{
    if (!group)
        return;
    group_release(group);
    free(group);
}

/* ---- rebalance ---- */

static int32_t topic_index(const struct ol_consumer *consumer, const char *name)
{
    for (size_t i = 0; i < consumer->topic_count; i++)
        if (!strcmp(consumer->topics[i], name))
            return (int32_t)i;
    return -1;
}

static void drop_inboxes(struct ol_consumer *consumer)
{
    for (size_t i = 0; i < consumer->inbox_count; i++)
        ol_inbox_release(&consumer->inboxes[i]);
    free(consumer->inboxes);
    consumer->inboxes = NULL;
    consumer->inbox_count = 0;
}

static void drop_assignment(struct ol_consumer *consumer)
{
    drop_inboxes(consumer);
    group_release(&consumer->group);
    free(consumer->places);
    consumer->places = NULL;
    consumer->assignment.places = NULL;
    consumer->assignment.group = NULL;
    consumer->assignment.count = 0;
    consumer->is_assigned = false;
}

/* Topic by topic in the order subscribed, then by partition. */
static bool keep_places(struct ol_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    size_t count = (size_t)list->cnt;
    struct ol_offset *places = calloc(count ? count : 1, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < count; i++) {
        int32_t index = topic_index(consumer, list->elems[i].topic);
        assert(index >= 0);
        struct ol_offset place = {consumer->topics[index], list->elems[i].partition, -1};
        size_t at = i;
        for (; at > 0; at--) {
            int32_t before = topic_index(consumer, places[at - 1].topic);
            if (before < index || (before == index && places[at - 1].partition < place.partition))
                break;
            places[at] = places[at - 1];
        }
        places[at] = place;
    }
    consumer->places = places;
    consumer->assignment.places = places;
    consumer->assignment.count = count;
    return true;
}

static void on_assigned(struct ol_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    assert(!consumer->is_assigned);
    consumer->group.metadata = rd_kafka_consumer_group_metadata(consumer->rk);
    if (!consumer->group.metadata || !keep_places(consumer, list))
        ol_fail(&consumer->callback_error, OL_FATAL, "no memory for an assignment of %d",
                list->cnt);
    consumer->assignment.serial++;
    consumer->assignment.group = &consumer->group;
    consumer->is_assigned = true;
    consumer->event = OL_CONSUMER_ASSIGNED;

    /* Take it, reading nothing yet: until a callback is answered the library hides all further
     * rebalances from us, and taking over can take seconds. Reading starts with _assign. */
    rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->rk, nothing);
    rd_kafka_topic_partition_list_destroy(nothing);
    if (code)
        ol_kafka_fail(&consumer->callback_error, code, NULL, "answer an assignment");
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct ol_kafka_voice *voice = opaque;
    struct ol_consumer *consumer = voice->owner;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assigned(consumer, list);
    } else if (!consumer->is_assigned) {
        rd_kafka_assign(rk, NULL); /* given back before it was asked for */
    } else {
        bool lost = code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(rk);
        consumer->event = lost ? OL_CONSUMER_LOST : OL_CONSUMER_REVOKED;
    }
}

/* ---- life ---- */

static rd_kafka_resp_err_t on_response_received(rd_kafka_t *rk, int socket, const char *broker,
                                                int32_t broker_id, int16_t key, int16_t version,
                                                int32_t correlation, size_t size, int64_t rtt_us,
                                                rd_kafka_resp_err_t code, void *opaque)
{
    (void)rk, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation;
    (void)size, (void)rtt_us;
    struct ol_consumer *consumer = opaque;
    if (key == LEAVE_GROUP && code != RD_KAFKA_RESP_ERR__DESTROY) {
        atomic_store(&consumer->left, true);
        ol_wake_signal(&consumer->wake);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *words, size_t words_bytes)
{
    (void)conf, (void)words, (void)words_bytes;
    return rd_kafka_interceptor_add_on_response_received(rk, "orderlog", on_response_received,
                                                         opaque);
}

static void consumer_free(struct ol_consumer *consumer)
{
    for (size_t i = 0; i < consumer->topic_count; i++)
        free(consumer->topics[i]);
    free(consumer->topics);
    free(consumer->group_name);
    ol_wake_release(&consumer->wake);
    free(consumer);
}

static bool copy_names(struct ol_consumer *consumer, const struct ol_consumer_options *options)
{
    consumer->group_name = strdup(options->group);
    consumer->topics = calloc(options->topic_count, sizeof *consumer->topics);
    if (!consumer->topics || !consumer->group_name)
        return false;
    for (; consumer->topic_count < options->topic_count; consumer->topic_count++) {
        char *name = strdup(options->topics[consumer->topic_count]);
        if (!name)
            return false;
        consumer->topics[consumer->topic_count] = name;
    }
    return true;
}

static enum ol_class make_handle(struct ol_consumer *consumer,
                                 const struct ol_consumer_options *options, struct ol_error *reterr)
{
    struct ol_kafka_shares shares;
    struct ol_kafka_value values[OL_KAFKA_SHARES + 2];
    ol_kafka_share(&consumer->settings, options->partition_count, &shares, values);
    values[OL_KAFKA_SHARES] = (struct ol_kafka_value){"group.id", options->group};
    values[OL_KAFKA_SHARES + 1] = (struct ol_kafka_value){"group.instance.id", options->instance};
    rd_kafka_conf_t *conf =
        ol_kafka_conf(&consumer->settings, OL_KIND_CONSUMER, values, OL_KAFKA_SHARES + 2, reterr);
    if (!conf)
        return reterr->class;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_interceptor_add_on_new(conf, "orderlog", on_new, consumer);
    consumer->rk =
        ol_kafka_new(&consumer->settings, OL_KIND_CONSUMER, conf, &consumer->voice, reterr);
    if (!consumer->rk)
        return reterr->class;
    consumer->voice->owner = consumer;
    rd_kafka_poll_set_consumer(consumer->rk);
    consumer->main_queue = rd_kafka_queue_get_consumer(consumer->rk);
    ol_wake_watch(&consumer->wake, consumer->main_queue);
    return OL_OK;
}

static enum ol_class subscribe(struct ol_consumer *consumer, struct ol_error *reterr)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)consumer->topic_count);
    for (size_t i = 0; i < consumer->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? ol_kafka_fail(reterr, code, NULL, "subscribe as %s", consumer->group_name)
                : OL_OK;
}

enum ol_class ol_consumer_open(const struct ol_kafka_settings *settings,
                               const struct ol_consumer_options *options,
                               struct ol_consumer **ret_consumer, struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    assert(options->instance && *options->instance && options->topic_count);
    struct ol_consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        return ol_fail(reterr, OL_FATAL, "no memory for a member of %s", options->group);
    consumer->settings = *settings;
    if (!ol_wake_init(&consumer->wake) || !copy_names(consumer, options)) {
        consumer_free(consumer);
        return ol_fail(reterr, OL_FATAL, "no memory or file for a member of %s", options->group);
    }
    enum ol_class class = make_handle(consumer, options, reterr);
    if (!class)
        class = subscribe(consumer, reterr);
    if (class) {
        ol_consumer_abandon(consumer, OL_KAFKA_STARTUP_MS);
        return class;
    }
    *ret_consumer = consumer;
    return OL_OK;
}

/* ---- polling ---- */

static enum ol_class fail_message(struct ol_consumer *consumer, rd_kafka_message_t *message,
                                  struct ol_error *reterr)
{
    char words[512];
    rd_kafka_resp_err_t code = message->err;
    assert(code); /* records come to the inboxes: one that came here would be lost */
    snprintf(words, sizeof words, "%s", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t cause = rd_kafka_fatal_error(consumer->rk, words, sizeof words);
        code = cause ? cause : code;
    }
    return ol_kafka_fail(reterr, code, words, "group %s", consumer->group_name);
}

/* The library says a fatal error once, at the queue; ask as well, so that it is never missed. */
static enum ol_class fail_if_fatal(struct ol_consumer *consumer, struct ol_error *reterr)
{
    char words[512];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(consumer->rk, words, sizeof words);
    return code ? ol_kafka_fail(reterr, code, words, "group %s", consumer->group_name) : OL_OK;
}

enum ol_class ol_consumer_poll(struct ol_consumer *consumer, enum ol_consumer_event *ret_event,
                               struct ol_error *reterr)
{
    /* One call may run two callbacks, an assignment and its revocation: the later one holds. */
    consumer->event = OL_CONSUMER_NOTHING;
    consumer->callback_error.class = OL_OK;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->rk, 0);
    *ret_event = consumer->event;
    if (message)
        return fail_message(consumer, message, reterr);
    if (consumer->callback_error.class)
        return ol_fail(reterr, consumer->callback_error.class, "group %s: %s", consumer->group_name,
                       consumer->callback_error.text);
    return fail_if_fatal(consumer, reterr);
}

static bool has_news(struct ol_consumer *consumer)
{
    return rd_kafka_queue_length(consumer->main_queue) > 0 ||
           ol_inboxes_have_news(consumer->inboxes, consumer->inbox_count);
}

bool ol_consumer_wait(struct ol_consumer *consumer, int fd, int timeout_ms)
{
    ol_wake_arm(&consumer->wake);
    if (has_news(consumer))
        return true;
    ol_wake_sleep(&consumer->wake, fd, timeout_ms);
    return has_news(consumer);
}

void ol_consumer_wake(struct ol_consumer *consumer)
{
    ol_wake_call(&consumer->wake);
}

/* ---- assignment ---- */

const struct ol_assignment *ol_consumer_assignment(const struct ol_consumer *consumer)
{
    return consumer->is_assigned ? &consumer->assignment : NULL;
}

bool ol_consumer_assignment_is_aligned(const struct ol_consumer *consumer)
{
    size_t rows = consumer->assignment.count / consumer->topic_count;
    if (rows * consumer->topic_count != consumer->assignment.count)
        return false;
    for (size_t i = 0; i < consumer->assignment.count; i++)
        if (consumer->places[i].topic != consumer->topics[i / rows] ||
            consumer->places[i].partition != consumer->places[i % rows].partition)
            return false;
    return true;
}

static bool same_places(const struct ol_assignment *assignment, const struct ol_offset *positions,
                        size_t count)
{
    if (count != assignment->count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (positions[i].partition != assignment->places[i].partition ||
            strcmp(positions[i].topic, assignment->places[i].topic))
            return false;
    return true;
}

static enum ol_class make_inboxes(struct ol_consumer *consumer, const struct ol_offset *positions,
                                  struct ol_error *reterr)
{
    size_t count = consumer->assignment.count;
    consumer->inboxes = calloc(count ? count : 1, sizeof *consumer->inboxes);
    if (!consumer->inboxes)
        return ol_fail(reterr, OL_FATAL, "no memory for %zu inboxes", count);
    for (; consumer->inbox_count < count; consumer->inbox_count++) {
        const struct ol_offset *place = &consumer->places[consumer->inbox_count];
        if (!ol_inbox_init(&consumer->inboxes[consumer->inbox_count], consumer->rk, &consumer->wake,
                           place->topic, topic_index(consumer, place->topic), place->partition,
                           positions[consumer->inbox_count].offset))
            return ol_fail(reterr, OL_FATAL, "no queue for %s [%d]", place->topic,
                           place->partition);
    }
    return OL_OK;
}

enum ol_class ol_consumer_assign(struct ol_consumer *consumer, const struct ol_offset *positions,
                                 size_t count, struct ol_error *reterr)
{
    assert(consumer->is_assigned && !consumer->inboxes);
    assert(same_places(&consumer->assignment, positions, count));
    for (size_t i = 0; i < count; i++)
        assert(positions[i].offset >= 0);
    enum ol_class class = make_inboxes(consumer, positions, reterr);
    if (class) {
        drop_inboxes(consumer);
        return class;
    }
    rd_kafka_topic_partition_list_t *list = ol_kafka_list(positions, count);
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? ol_kafka_fail(reterr, code, NULL, "assign in %s", consumer->group_name) : OL_OK;
}

enum ol_class ol_consumer_unassign(struct ol_consumer *consumer, struct ol_error *reterr)
{
    drop_assignment(consumer);
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->rk, NULL);
    return code ? ol_kafka_fail(reterr, code, NULL, "unassign in %s", consumer->group_name) : OL_OK;
}

/* ---- records and offsets ---- */

size_t ol_consumer_inboxes(struct ol_consumer *consumer, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = consumer->inboxes;
    return consumer->inbox_count;
}

enum ol_class ol_consumer_committed(struct ol_consumer *consumer, struct ol_offset *places,
                                    size_t count, int timeout_ms, struct ol_error *reterr)
{
    rd_kafka_topic_partition_list_t *list = ol_kafka_list(places, count);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->rk, list, timeout_ms);
    enum ol_class class =
        code ? ol_kafka_fail(reterr, code, NULL, "committed offsets of %s", consumer->group_name)
             : ol_kafka_list_read(list, places, count, "committed offset", reterr);
    rd_kafka_topic_partition_list_destroy(list);
    return class;
}

void ol_consumer_note_offsets(struct ol_consumer *consumer, const struct ol_offset *positions,
                              size_t count)
{
    if (!count)
        return;
    rd_kafka_topic_partition_list_t *list = ol_kafka_list(positions, count);
    rd_kafka_commit(consumer->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- the end ---- */

static bool close_handle(struct ol_consumer *consumer, int flags, int timeout_ms)
{
    drop_assignment(consumer);
    if (consumer->main_queue) {
        ol_wake_unwatch(consumer->main_queue);
        rd_kafka_queue_destroy(consumer->main_queue);
        consumer->main_queue = NULL;
    }
    if (!ol_kafka_destroy(consumer->rk, consumer->voice, flags, timeout_ms))
        return false; /* its thread still calls our interceptor: keep the struct */
    consumer_free(consumer);
    return true;
}

static bool is_member(struct ol_consumer *consumer)
{
    char *id = rd_kafka_memberid(consumer->rk);
    bool is = id && *id;
    if (id)
        rd_kafka_mem_free(consumer->rk, id);
    return is;
}

/* Nobody works on an assignment any more. False: the time is over, or the handle is of no more
 * use. */
static bool serve_end(struct ol_consumer *consumer, int64_t until, const atomic_bool *awaited)
{
    struct ol_error ignored;
    enum ol_consumer_event event;
    enum ol_class class = ol_consumer_poll(consumer, &event, &ignored);
    if (event != OL_CONSUMER_NOTHING)
        ol_consumer_unassign(consumer, &ignored);
    int64_t left_ms = until - ol_clock_monotonic_ms();
    if (left_ms <= 0 || (class && class != OL_RETRY))
        return false;
    ol_wake_arm(&consumer->wake);
    if (!(awaited && atomic_load(awaited)) && !rd_kafka_queue_length(consumer->main_queue))
        ol_wake_sleep(&consumer->wake, -1, (int)left_ms);
    return true;
}

/* A join under way makes a member although the library has unsubscribed meanwhile, and then sends
 * no LeaveGroup for it. So its end is awaited, for a while: the coordinator may be away. */
static void await_joined(struct ol_consumer *consumer, int64_t until)
{
    while (!is_member(consumer) && serve_end(consumer, until, NULL))
        ;
}

/* Serves events until the coordinator has answered the LeaveGroup that follows unsubscribe. Closing
 * earlier would not send one for a static member. */
static bool await_left(struct ol_consumer *consumer, int64_t until)
{
    while (is_member(consumer) && !atomic_load(&consumer->left))
        if (!serve_end(consumer, until, &consumer->left))
            return false;
    return true;
}

bool ol_consumer_leave(struct ol_consumer *consumer, int timeout_ms)
{
    if (!consumer)
        return true;
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    drop_inboxes(consumer);
    await_joined(consumer, until - timeout_ms + (timeout_ms < JOIN_MS ? timeout_ms : JOIN_MS));
    bool left = !rd_kafka_unsubscribe(consumer->rk) && await_left(consumer, until);
    int64_t left_ms = until - ol_clock_monotonic_ms();
    return close_handle(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
                        left_ms > 500 ? (int)left_ms : 500) &&
           left;
}

bool ol_consumer_abandon(struct ol_consumer *consumer, int timeout_ms)
{
    return !consumer || close_handle(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, timeout_ms);
}
