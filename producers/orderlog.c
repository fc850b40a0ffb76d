#include "producers/orderlog.h"

#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_id.h"
#include "lib/base/ol_text.h"
#include "lib/kafka/ol_kafka_publisher.h"
#include "producers/outcomes.h"
#include "producers/publisher.h"
#include "proto/codec.h"

#ifndef ORDERLOG_VERSION
#define ORDERLOG_VERSION "unknown"
#endif

#define ARENA_BLOCK_BYTES  (64 * 1024)
#define ARENA_BUDGET_BYTES (16 * 1024 * 1024)
#define TIMEOUT_MS         30000
#define TIMEOUT_MAX_MS     86400000
#define FLUSH_GRACE_MS     5000 /* beyond the time after which the library gives a record up */
#define POLL_MS            100
#define ASK_MS             1000 /* before a wait ends: whose transaction may hold it back */

/* A command that is followed: a node of the tree by command id. */
struct followed {
    char *command_id;
    size_t in_flight; /* publishes of this id that can still call back */
    bool acknowledged, answered, settled, forgotten;
    struct orderlog_outcome first, end; /* end: of a placed order, once settled */
};

/* One publish on its way to its receipt. */
struct sent {
    struct orderlog *orderlog;
    struct followed *followed; /* NULL: nobody follows */
    enum context context;
    bool place_order;
    struct orderlog_position *position; /* of a caller who waits; else NULL */
    bool *done;
    enum orderlog_result *result;
    size_t id_bytes, key_bytes;
    char texts[]; /* id, NUL, key */
};

struct orderlog {
    struct ol_kafka_settings kafka;
    char *brokers, *prefix, *actor, *traceparent;
    const char **extra;
    int timeout_ms;
    struct publisher *publisher;
    struct outcomes *outcomes; /* NULL: nobody follows */
    void *followed;            /* tree */
    struct ol_arena arena;     /* one command */
    orderlog_receipt *receipt;
    void *receipt_opaque;
    bool flush_failed;
    bool dead; /* nothing can be said any more about what is followed */
    struct ol_error error;
};

_Noreturn void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "liborderlog: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

const char *orderlog_version(void)
{
    return ORDERLOG_VERSION;
}

const char *orderlog_error(const struct orderlog *orderlog)
{
    return orderlog->error.text;
}

void orderlog_new_id(char ret_id[ORDERLOG_ID_BYTES])
{
    char id[OL_ID_UUID_TEXT_BYTES];
    ol_id_new(id);
    memcpy(ret_id, id, sizeof id);
}

static enum orderlog_result result_of(enum ol_class class)
{
    switch (class) {
    case OL_OK: return ORDERLOG_OK;
    case OL_RETRY: return ORDERLOG_RETRY;
    case OL_POISON:
    case OL_USAGE: return ORDERLOG_INVALID;
    case OL_NOT_FOUND: return ORDERLOG_NOT_FOUND;
    case OL_UNREACHABLE: return ORDERLOG_UNREACHABLE;
    case OL_CONFLICT:
    case OL_FATAL:
    case OL_VIOLATED: break;
    }
    return ORDERLOG_FAILED;
}

/* ---- receipts and outcomes ---- */

static void copy_text(char *to, size_t to_bytes, struct text text)
{
    size_t bytes = text.bytes < to_bytes ? text.bytes : to_bytes - 1;
    while (bytes && bytes < text.bytes && ((unsigned char)text.data[bytes] & 0xC0) == 0x80)
        bytes--; /* a character is cut whole */
    if (bytes)
        memcpy(to, text.data, bytes);
    to[bytes] = 0;
}

static void set_position(struct orderlog_position *position, struct ol_offset place)
{
    *position = (struct orderlog_position){.partition = place.partition, .offset = place.offset};
    copy_text(position->topic, sizeof position->topic, text_of(place.topic));
}

static void followed_free(void *node)
{
    struct followed *followed = node;
    free(followed->command_id);
    free(followed);
}

/* One call less is to come for it. */
static void followed_release(struct followed *followed)
{
    followed->in_flight--;
    if (followed->forgotten && followed->in_flight == 0)
        followed_free(followed);
}

static void follow_receipt(struct sent *sent, struct ol_offset place)
{
    struct orderlog *orderlog = sent->orderlog;
    struct text settle = {0};
    if (sent->place_order)
        settle = (struct text){sent->texts + sent->id_bytes + 1, (uint32_t)sent->key_bytes};
    if (outcomes_expect(orderlog->outcomes, sent->context, place.partition, place.offset, settle,
                        sent->followed, &orderlog->error) == OL_OK)
        sent->followed->acknowledged = true;
    else
        followed_release(sent->followed);
}

static void on_receipt(void *context, const struct ol_receipt *receipt)
{
    struct orderlog *orderlog = context;
    struct sent *sent = receipt->opaque;
    enum orderlog_result result = receipt->class ? ORDERLOG_RETRY : ORDERLOG_OK;
    struct orderlog_position position = {.offset = -1};
    if (receipt->class == OL_OK)
        set_position(&position, receipt->place);
    else
        ol_fail(&orderlog->error, OL_RETRY, "the command %s was not acknowledged: %s", sent->texts,
                receipt->text);
    orderlog->flush_failed |= result != ORDERLOG_OK;

    if (sent->followed && result == ORDERLOG_OK && orderlog->outcomes)
        follow_receipt(sent, receipt->place);
    else if (sent->followed)
        followed_release(sent->followed);
    if (sent->done) {
        *sent->position = position;
        *sent->result = result;
        *sent->done = true;
    } else if (orderlog->receipt) {
        orderlog->receipt(orderlog->receipt_opaque, sent->texts, result, &position, receipt->text);
    }
    free(sent);
}

static void fill_outcome(struct orderlog_outcome *ret, const struct outcome *outcome)
{
    static const enum orderlog_status statuses[] = {
        [OUTCOME_IS_ACCEPTED] = ORDERLOG_ACCEPTED, [OUTCOME_IS_REJECTED] = ORDERLOG_REJECTED,
        [OUTCOME_IS_REPEATED] = ORDERLOG_REPEATED, [OUTCOME_IS_PUT_ASIDE] = ORDERLOG_PUT_ASIDE,
        [OUTCOME_IS_OVERDUE] = ORDERLOG_PUT_ASIDE, /* not reported: giving up is the handle's end */
    };
    *ret = (struct orderlog_outcome){.status = statuses[outcome->kind]};
    if (outcome->kind == OUTCOME_IS_REPEATED)
        ret->first_status =
            outcome->first == OUTCOME_ACCEPTED ? ORDERLOG_ACCEPTED : ORDERLOG_REJECTED;
    copy_text(ret->event, sizeof ret->event, text_of(outcome->event));
    copy_text(ret->code, sizeof ret->code, text_of(refusal_name(outcome->code)));
    struct text message = outcome->message;
    if (message.bytes == 0)
        message = text_of(refusal_sentence(outcome->code));
    copy_text(ret->message, sizeof ret->message, message);
    if (outcome->settled)
        copy_text(ret->order_status, sizeof ret->order_status,
                  text_of(order_status_name(outcome->status)));
    set_position(&ret->position, outcome->place);
}

static void take_outcome(void *context, const struct outcome *outcome)
{
    (void)context;
    struct followed *followed = outcome->opaque;
    if (outcome->kind != OUTCOME_IS_OVERDUE) {
        fill_outcome(&followed->end, outcome);
        if (!outcome->settled)
            followed->first = followed->end;
        followed->answered = true;
        followed->settled = outcome->last;
    }
    if (outcome->last)
        followed_release(followed);
}

/* ---- open and close ---- */

/* One "name=value": ours, or librdkafka's. */
static enum ol_class take_property(struct orderlog *orderlog, const char *property, size_t *extra,
                                   struct ol_error *reterr)
{
    static const char timeout[] = "orderlog.timeout.ms=", actor[] = "orderlog.actor=";
    if (strncmp(property, timeout, sizeof timeout - 1) == 0) {
        char *end;
        long value = strtol(property + sizeof timeout - 1, &end, 10);
        if (*end || value < 1 || value > TIMEOUT_MAX_MS)
            return ol_fail(reterr, OL_USAGE, "%s: a number from 1 to %d is wanted", property,
                           TIMEOUT_MAX_MS);
        orderlog->timeout_ms = (int)value;
    } else if (strncmp(property, actor, sizeof actor - 1) == 0) {
        free(orderlog->actor);
        orderlog->actor = strdup(property + sizeof actor - 1);
        if (!orderlog->actor)
            return ol_fail(reterr, OL_FATAL, "out of memory");
    } else if (strncmp(property, "orderlog.", strlen("orderlog.")) == 0) {
        return ol_fail(reterr, OL_USAGE, "%s: there is no such property", property);
    } else {
        orderlog->extra[(*extra)++] = strdup(property);
        if (!orderlog->extra[*extra - 1])
            return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    return OL_OK;
}

static enum ol_class take_settings(struct orderlog *orderlog, const char *brokers,
                                   const char *prefix, const char *const *properties,
                                   struct ol_error *reterr)
{
    size_t count = 0, extra = 0;
    while (properties && properties[count])
        count++;
    orderlog->timeout_ms = TIMEOUT_MS;
    orderlog->brokers = strdup(brokers);
    orderlog->prefix = strdup(prefix ? prefix : "orderlog");
    orderlog->extra = calloc(count + 1, sizeof *orderlog->extra);
    if (!orderlog->brokers || !orderlog->prefix || !orderlog->extra)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        enum ol_class class = take_property(orderlog, properties[i], &extra, reterr);
        if (class)
            return class;
    }
    orderlog->kafka = ol_kafka_defaults(orderlog->brokers, "orderlog-client");
    orderlog->kafka.extra = orderlog->extra;
    orderlog->kafka.extra_count = extra;
    orderlog->kafka.message_timeout_ms = orderlog->timeout_ms;
    return ol_kafka_check(&orderlog->kafka, reterr);
}

static enum ol_class open_publisher(struct orderlog *orderlog, struct ol_error *reterr)
{
    struct publisher_settings settings = {
        .kafka = &orderlog->kafka,
        .prefix = orderlog->prefix,
        .actor = orderlog->actor,
        .handler = on_receipt,
        .handler_context = orderlog,
    };
    return publisher_open(&settings, orderlog->timeout_ms, &orderlog->publisher, reterr);
}

enum orderlog_result orderlog_open(const char *brokers, const char *prefix,
                                   const char *const *properties, struct orderlog **ret_orderlog,
                                   char *error, size_t error_bytes)
{
    char unwanted[1];
    if (!error || error_bytes == 0) {
        error = unwanted;
        error_bytes = sizeof unwanted;
    }
    struct orderlog *orderlog = calloc(1, sizeof *orderlog);
    if (!orderlog) {
        copy_text(error, error_bytes, TEXT("out of memory"));
        return ORDERLOG_FAILED;
    }
    ol_arena_init(&orderlog->arena, ARENA_BLOCK_BYTES, ARENA_BUDGET_BYTES);
    struct ol_error *failure = &orderlog->error;
    enum ol_class class = take_settings(orderlog, brokers, prefix, properties, failure);
    if (!class)
        class = open_publisher(orderlog, failure);
    if (class) {
        copy_text(error, error_bytes, text_of(failure->text));
        orderlog_close(orderlog);
        return result_of(publisher_class(class));
    }
    *ret_orderlog = orderlog;
    return ORDERLOG_OK;
}

/* Nothing calls back for what was followed any more. */
static void unfollow(struct orderlog *orderlog)
{
    if (orderlog->outcomes)
        outcomes_give_up(orderlog->outcomes);
    outcomes_close(orderlog->outcomes);
    orderlog->outcomes = NULL;
    tdestroy(orderlog->followed, followed_free);
    orderlog->followed = NULL;
    orderlog->dead = false;
}

void orderlog_close(struct orderlog *orderlog)
{
    if (!orderlog)
        return;
    publisher_close(orderlog->publisher); /* the last receipts come here */
    unfollow(orderlog);
    for (size_t i = 0; orderlog->extra && orderlog->extra[i]; i++)
        free((char *)orderlog->extra[i]);
    free(orderlog->extra);
    free(orderlog->brokers);
    free(orderlog->prefix);
    free(orderlog->actor);
    free(orderlog->traceparent);
    ol_arena_release(&orderlog->arena);
    free(orderlog);
}

enum orderlog_result orderlog_set_traceparent(struct orderlog *orderlog, const char *traceparent)
{
    char *copy = traceparent ? strdup(traceparent) : NULL;
    if (traceparent && !copy)
        return result_of(ol_fail(&orderlog->error, OL_FATAL, "out of memory"));
    free(orderlog->traceparent);
    orderlog->traceparent = copy;
    return ORDERLOG_OK;
}

void orderlog_on_receipt(struct orderlog *orderlog, orderlog_receipt *receipt, void *opaque)
{
    orderlog->receipt = receipt;
    orderlog->receipt_opaque = opaque;
}

/* ---- following ---- */

enum orderlog_result orderlog_follow(struct orderlog *orderlog)
{
    orderlog_flush(orderlog); /* receipts that are still out belong to the time before */
    unfollow(orderlog);
    int32_t partitions[CONTEXT_COUNT];
    for (int i = 0; i < CONTEXT_COUNT; i++)
        partitions[i] = publisher_partitions(orderlog->publisher, (enum context)i);
    return result_of(outcomes_open(&orderlog->kafka, orderlog->prefix, partitions,
                                   orderlog->timeout_ms, take_outcome, orderlog,
                                   &orderlog->outcomes, &orderlog->error));
}

static int by_command_id(const void *left, const void *right)
{
    return strcmp(((const struct followed *)left)->command_id,
                  ((const struct followed *)right)->command_id);
}

static struct followed *find_followed(struct orderlog *orderlog, const char *command_id)
{
    const struct followed wanted = {.command_id = (char *)command_id};
    struct followed **place = tfind(&wanted, &orderlog->followed, by_command_id);
    return place ? *place : NULL;
}

/* The node of this id, made if there is none. NULL: no memory. */
static struct followed *make_followed(struct orderlog *orderlog, struct text command_id)
{
    struct followed *followed = calloc(1, sizeof *followed);
    char *copy = strndup(command_id.data, command_id.bytes);
    if (!followed || !copy) {
        free(followed);
        free(copy);
        return NULL;
    }
    followed->command_id = copy;
    struct followed **place = tsearch(followed, &orderlog->followed, by_command_id);
    if (!place || *place != followed) {
        followed_free(followed);
        return place ? *place : NULL;
    }
    return followed;
}

void orderlog_forget(struct orderlog *orderlog, const char *command_id)
{
    struct followed *followed = find_followed(orderlog, command_id);
    if (!followed)
        return;
    tdelete(followed, &orderlog->followed, by_command_id);
    followed->forgotten = true;
    if (followed->in_flight == 0)
        followed_free(followed);
}

/* ---- publishing ---- */

/* What the receipt will need; NULL: no memory. */
static struct sent *make_sent(struct orderlog *orderlog, const struct command *command)
{
    struct text id = command->metadata.command_id, key = command_aggregate(command);
    struct sent *sent = calloc(1, sizeof *sent + id.bytes + 1 + key.bytes);
    if (!sent)
        return NULL;
    sent->orderlog = orderlog;
    sent->context = command->context;
    sent->place_order = command->context == CONTEXT_ORDERS && command->order.kind == ORDER_PLACE;
    sent->id_bytes = id.bytes;
    sent->key_bytes = key.bytes;
    memcpy(sent->texts, id.data, id.bytes);
    memcpy(sent->texts + id.bytes + 1, key.data, key.bytes);
    if (!orderlog->outcomes)
        return sent;
    sent->followed = make_followed(orderlog, id);
    if (!sent->followed) {
        free(sent);
        return NULL;
    }
    return sent;
}

/* Queues the record; from then on its receipt owns `sent`. */
static enum ol_class queue(struct orderlog *orderlog, const struct command *command,
                           struct bytes wire, struct sent *sent)
{
    struct followed *followed = sent->followed;
    if (followed) {
        followed->in_flight++;
        followed->acknowledged = followed->answered = followed->settled = false;
    }
    enum ol_class class = publisher_publish_encoded(
        orderlog->publisher, command->context, command_aggregate(command), wire.data, wire.size,
        orderlog->traceparent, sent, &orderlog->error);
    if (class) {
        if (followed)
            followed_release(followed);
        free(sent);
    }
    return class;
}

/* Sends what is encoded, and waits for the receipt if the caller wants the position. */
static enum orderlog_result send_wire(struct orderlog *orderlog, const struct command *command,
                                      struct bytes wire, struct orderlog_position *ret_position)
{
    struct sent *sent = make_sent(orderlog, command);
    if (!sent)
        return result_of(ol_fail(&orderlog->error, OL_FATAL, "out of memory"));
    struct orderlog_position position;
    bool done = false;
    enum orderlog_result result = ORDERLOG_OK;
    if (ret_position) {
        sent->position = &position;
        sent->done = &done;
        sent->result = &result;
    }
    enum ol_class class = queue(orderlog, command, wire, sent);
    if (class || !ret_position)
        return result_of(class);
    while (!done) /* the library gives every record a receipt within its message timeout */
        publisher_poll(orderlog->publisher, POLL_MS);
    if (result == ORDERLOG_OK)
        *ret_position = position;
    return result;
}

/* A command that was built here: defaults, id, wire form. */
static enum orderlog_result publish_built(struct orderlog *orderlog, struct command *command,
                                          char *ret_command_id,
                                          struct orderlog_position *ret_position)
{
    struct ol_error *error = &orderlog->error;
    enum ol_class class = publisher_complete(orderlog->publisher, command, &orderlog->arena, error);
    if (class)
        return result_of(class);
    struct text id = command->metadata.command_id;
    if (ret_command_id)
        copy_text(ret_command_id, ORDERLOG_ID_BYTES, id);
    class = publisher_check(command, error);
    struct bytes wire;
    if (!class && !codec_encode_command(command, &orderlog->arena, &wire))
        class = ol_fail(error, OL_POISON, "the command is far larger than a message may be");
    if (class)
        return result_of(class);
    return send_wire(orderlog, command, wire, ret_position);
}

enum orderlog_result orderlog_place_order(struct orderlog *orderlog, const char *command_id,
                                          const char *order_id, const char *customer_id,
                                          const char *currency, const struct orderlog_line *lines,
                                          size_t line_count, int64_t occurred_at_us,
                                          char ret_command_id[ORDERLOG_ID_BYTES],
                                          struct orderlog_position *ret_position)
{
    ol_arena_clear(&orderlog->arena);
    struct order_line *copies = NULL;
    if (line_count <= MESSAGE_BYTES_MAX) /* more can't fit in a message */
        copies = ol_arena_zalloc(&orderlog->arena, (line_count + 1) * sizeof *copies);
    if (!copies)
        return result_of(
            ol_fail(&orderlog->error, OL_POISON, "%zu lines are too many", line_count));
    for (size_t i = 0; i < line_count; i++)
        copies[i] = (struct order_line){.sku = text_of(lines[i].sku),
                                        .quantity = lines[i].quantity,
                                        .amount_minor = lines[i].amount_minor};
    struct command command = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = text_of(command_id), .occurred_at_us = occurred_at_us},
        .order = {.kind = ORDER_PLACE,
                  .order_id = text_of(order_id),
                  .customer_id = text_of(customer_id),
                  .currency = text_of(currency),
                  .lines = copies,
                  .line_count = line_count},
    };
    return publish_built(orderlog, &command, ret_command_id, ret_position);
}

enum orderlog_result orderlog_cancel_order(struct orderlog *orderlog, const char *command_id,
                                           const char *order_id,
                                           char ret_command_id[ORDERLOG_ID_BYTES],
                                           struct orderlog_position *ret_position)
{
    ol_arena_clear(&orderlog->arena);
    struct command command = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = text_of(command_id), .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_CANCEL, .order_id = text_of(order_id)},
    };
    return publish_built(orderlog, &command, ret_command_id, ret_position);
}

enum orderlog_result orderlog_publish(struct orderlog *orderlog, const char *context,
                                      const void *command, size_t command_bytes,
                                      struct orderlog_position *ret_position)
{
    int which = 0;
    while (which < CONTEXT_COUNT && strcmp(context_name((enum context)which), context) != 0)
        which++;
    if (which == CONTEXT_COUNT)
        return result_of(
            ol_fail(&orderlog->error, OL_USAGE, "there is no context \"%s\"", context));
    ol_arena_clear(&orderlog->arena);
    struct command decoded;
    struct bytes wire = {command, command_bytes};
    enum ol_class class = codec_decode_command((enum context)which, wire, &orderlog->arena,
                                               &decoded, &orderlog->error);
    if (class)
        return result_of(class == OL_RETRY ? OL_POISON : class);
    return send_wire(orderlog, &decoded, wire, ret_position);
}

void orderlog_poll(struct orderlog *orderlog, int timeout_ms)
{
    publisher_poll(orderlog->publisher, timeout_ms);
}

enum orderlog_result orderlog_flush(struct orderlog *orderlog)
{
    enum ol_class class = publisher_flush(orderlog->publisher,
                                          orderlog->timeout_ms + FLUSH_GRACE_MS, &orderlog->error);
    bool failed = orderlog->flush_failed;
    orderlog->flush_failed = false;
    return class || failed ? ORDERLOG_RETRY : ORDERLOG_OK;
}

/* ---- waiting ---- */

static bool is_there(const struct followed *followed, bool until_settled)
{
    return until_settled ? followed->settled : followed->answered;
}

/* What the command still waits for. */
static enum orderlog_result time_out(struct orderlog *orderlog, const struct followed *followed,
                                     int timeout_ms)
{
    struct outcome outcome = {.settled = true, .open.offset = -1};
    char memory[OL_ERROR_TEXT_BYTES];
    struct ol_text text = ol_text_in(memory, sizeof memory);
    outcomes_overdue(orderlog->outcomes, followed, &outcome);
    outcome_tell_overdue(&outcome, orderlog->brokers, &text);
    ol_fail(&orderlog->error, OL_RETRY, "no outcome of the command %s within %d ms: %s",
            followed->command_id, timeout_ms, ol_text_string(&text));
    return ORDERLOG_TIMEOUT;
}

static enum orderlog_result wait_for(struct orderlog *orderlog, const char *command_id,
                                     int timeout_ms, bool until_settled,
                                     struct orderlog_outcome *ret_outcome)
{
    if (publisher_pending(orderlog->publisher))
        orderlog_flush(orderlog); /* a place has to be known before its outcome is read */
    struct followed *followed = find_followed(orderlog, command_id);
    if (!followed || !followed->acknowledged)
        return result_of(ol_fail(&orderlog->error, OL_NOT_FOUND,
                                 "no command %s was published and "
                                 "acknowledged since orderlog_follow()",
                                 command_id));
    int64_t until_us = ol_clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    int64_t ask_ms = timeout_ms / 4 < ASK_MS ? timeout_ms / 4 : ASK_MS; /* within the time */
    while (!is_there(followed, until_settled)) {
        int64_t left_ms = timeout_ms < 0 ? POLL_MS : (until_us - ol_clock_monotonic_us()) / 1000;
        if (orderlog->dead)
            return result_of(ol_fail(&orderlog->error, OL_FATAL,
                                     "the events could not be read: "
                                     "call orderlog_follow() anew"));
        if (timeout_ms > 0 && left_ms > 0 && left_ms <= ask_ms) {
            outcomes_find_open(orderlog->outcomes, (int)left_ms);
            ask_ms = 0;
        }
        enum ol_class class = outcomes_poll(orderlog->outcomes,
                                            left_ms < 0         ? 0
                                            : left_ms < POLL_MS ? (int)left_ms
                                                                : POLL_MS,
                                            &orderlog->error);
        orderlog->dead = class && class != OL_RETRY && class != OL_UNREACHABLE;
        if (orderlog->dead)
            return result_of(class);
        if (left_ms <= 0 && !is_there(followed, until_settled))
            return time_out(orderlog, followed, timeout_ms);
    }
    *ret_outcome = until_settled ? followed->end : followed->first;
    return ORDERLOG_OK;
}

enum orderlog_result orderlog_wait(struct orderlog *orderlog, const char *command_id,
                                   int timeout_ms, struct orderlog_outcome *ret_outcome)
{
    return wait_for(orderlog, command_id, timeout_ms, false, ret_outcome);
}

enum orderlog_result orderlog_wait_order(struct orderlog *orderlog, const char *command_id,
                                         int timeout_ms, struct orderlog_outcome *ret_outcome)
{
    return wait_for(orderlog, command_id, timeout_ms, true, ret_outcome);
}
