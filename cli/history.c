#include "cli/history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/records.h"
#include "domain/currency.h"
#include "domain/money.h"
#include "domain/partition.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_text.h"
#include "proto/codec.h"
#include "verify/scan.h"

#define SLACK_MS     5000 /* between brokers' clocks */
#define RANGES_MAX   (CONTEXT_COUNT * PARTITIONS_MAX)
#define ARENA_BLOCK  (256 * 1024)
#define DETAIL_BYTES 512

struct reading {
    struct session *session;
    struct text order_id;
    struct currency currency;
    const struct history_range *ranges;
    struct history *history;
    struct ol_arena arena;
    bool failed;
};

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        free(history->events[i].detail);
        free(history->events[i].decoded);
    }
    free(history->events);
    *history = (struct history){0};
}

/* ---- in words ---- */

#define SHOWN(text) (int)((text).bytes), (text).data ? (text).data : ""

static void say_reason(enum refusal_code code, struct text sku, struct ol_text *text)
{
    ol_text_addf(text, "; %s%s%.*s", refusal_name(code), sku.bytes ? " " : "", SHOWN(sku));
}

/* "; groups 0, 2" */
static void say_groups(uint64_t groups, struct ol_text *text)
{
    const char *before = groups & (groups - 1) ? "; groups " : "; group ";
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        if (groups >> i & 1) {
            ol_text_addf(text, "%s%d", before, i);
            before = ", ";
        }
}

/* "12.34 USD"; "1234 minor units of ABC", which was taken before there was a table of codes. */
static void say_amount(int64_t amount_minor, struct text currency, struct ol_text *text)
{
    char buffer[AMOUNT_TEXT_BYTES];
    int32_t digits = currency_digits(currency);
    if (digits == CURRENCY_NO_DIGITS)
        ol_text_addf(text, "%" PRId64 " minor units of %.*s", amount_minor, SHOWN(currency));
    else
        ol_text_addf(text, "%s %.*s", amount_print(amount_minor, digits, buffer), SHOWN(currency));
}

static void say_order(const struct order_event *event, struct ol_text *text)
{
    ol_text_addf(text, "%s, %s", order_status_name(event->status),
                 saga_state_name(event->saga_state));
    if (event->kind == ORDER_PLACED) {
        ol_text_addf(text, "; %zu lines, ", event->line_count);
        say_amount(event->total_minor, event->currency, text);
        ol_text_addf(text, ", customer %.*s", SHOWN(event->customer_id));
    }
    if (event->kind == ORDER_STOCK_RESERVED || event->kind == ORDER_STOCK_RELEASED)
        say_groups(event->groups, text);
    if (event->kind == ORDER_REJECTED || event->kind == ORDER_CANCELLED)
        say_reason(event->code, event->sku, text);
}

static void say_inventory(const struct inventory_event *event, struct ol_text *text)
{
    ol_text_addf(text, "group %d", event->partition);
    if (event->kind == STOCK_REFUSED)
        say_reason(event->code, event->sku, text);
    else
        ol_text_addf(text, "; %zu lines", event->line_count);
}

/* An event of a payment names no currency: it is the wallet's, which is the order's. */
static void say_payment(const struct payment_event *event, struct text currency,
                        struct ol_text *text)
{
    say_amount(event->amount_minor, currency, text);
    ol_text_addf(text, " of customer %.*s", SHOWN(event->customer_id));
    if (event->kind == PAYMENT_DECLINED)
        ol_text_addf(text, "; %s", refusal_name(event->code));
}

static void say_event(const struct event_message *event, struct text currency, struct ol_text *text)
{
    if (event->body == EVENT_BODY_REJECTED)
        ol_text_addf(text, "%s: %.*s", refusal_name(event->rejected.code),
                     SHOWN(event->rejected.message));
    else if (event->body == EVENT_BODY_REPEATED)
        ol_text_addf(text, "first %s%s%s", command_outcome_name(event->repeated.outcome),
                     event->repeated.code ? " " : "", refusal_name(event->repeated.code));
    else if (event->context == CONTEXT_ORDERS)
        say_order(&event->order, text);
    else if (event->context == CONTEXT_INVENTORY)
        say_inventory(&event->inventory, text);
    else
        say_payment(&event->payment, currency, text);
}

/* ---- which, and where in the order ---- */

static bool is_about(const struct event_message *event, struct text order_id)
{
    if (event->context != CONTEXT_ORDERS && event->body != EVENT_BODY_DOMAIN)
        return false;
    switch (event->body) {
    case EVENT_BODY_REJECTED: return text_equal(event->rejected.aggregate_id, order_id);
    case EVENT_BODY_REPEATED: return text_equal(event->repeated.aggregate_id, order_id);
    case EVENT_BODY_DOMAIN: break;
    default: return false;
    }
    if (event->context == CONTEXT_ORDERS)
        return text_equal(event->order.order_id, order_id);
    return text_equal(event->context == CONTEXT_INVENTORY ? event->inventory.order_id
                                                          : event->payment.payment_id,
                      order_id);
}

/* The order's version that it follows from. */
static int64_t asking_version(const struct event_message *event)
{
    if (event->context != CONTEXT_ORDERS)
        return event->asker.version ? event->asker.version : INT64_MAX;
    return event->body == EVENT_BODY_DOMAIN ? event->order.version : INT64_MAX;
}

static int64_t version_of(const struct event_message *event)
{
    if (event->body != EVENT_BODY_DOMAIN)
        return 0;
    if (event->context == CONTEXT_ORDERS)
        return event->order.version;
    return event->context == CONTEXT_INVENTORY ? event->inventory.version : event->payment.version;
}

static int event_order(const void *left, const void *right)
{
    const struct history_event *a = left, *b = right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    if (a->order_version != b->order_version)
        return a->order_version < b->order_version ? -1 : 1;
    if ((a->context == CONTEXT_ORDERS) != (b->context == CONTEXT_ORDERS))
        return a->context == CONTEXT_ORDERS ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* ---- reading ---- */

static bool add_event(struct reading *reading, const struct ol_message *message,
                      const struct event_message *event)
{
    struct history *history = reading->history;
    if (!OL_GROW(history->events, history->capacity, history->count + 1, 64))
        return false;
    char detail[DETAIL_BYTES];
    struct ol_text words = ol_text_in(detail, sizeof detail);
    OL_AUTO(ol_text) struct ol_text decoded = {0};
    detail[0] = '\0';
    say_event(event, (struct text){reading->currency.code, 3}, &words);
    record_add_decoded(&decoded, event->context, STREAM_EVENTS, message);
    history->events[history->count] = (struct history_event){
        .at_ms = message->timestamp_ms,
        .number = (int64_t)history->count,
        .order_version = asking_version(event),
        .version = version_of(event),
        .offset = message->offset,
        .context = event->context,
        .partition = message->partition,
        .type = event_kind_name(event),
        .detail = strdup(detail),
        .decoded = strdup(decoded.failed ? "null" : ol_text_string(&decoded)),
    };
    const struct history_event *added = &history->events[history->count++];
    return added->detail && added->decoded;
}

static bool read_record(void *context, size_t range, const struct ol_message *message)
{
    struct reading *reading = context;
    assert(!reading->failed); /* it ended the reading */
    enum context of = reading->ranges[range].context;
    struct text key = {message->key, (uint32_t)message->key_bytes};
    struct bytes wire = {message->value, message->value_bytes};
    struct event_message event;
    struct ol_error error;
    if (of != CONTEXT_PAYMENTS && !text_equal(key, reading->order_id))
        return true;
    ol_arena_clear(&reading->arena);
    if (codec_decode_event(of, wire, &reading->arena, &event, &error) ||
        !is_about(&event, reading->order_id))
        return true;
    reading->failed = !add_event(reading, message, &event);
    return !reading->failed;
}

/* Reading begins at the first record from the command's time on. */
static enum ol_class find_start(struct session *session, struct scan_range *ranges, size_t count,
                                int64_t at_ms, struct ol_error *reterr)
{
    struct ol_offset offsets[RANGES_MAX];
    for (size_t i = 0; i < count; i++)
        offsets[i] = (struct ol_offset){ranges[i].topic, ranges[i].partition, at_ms};
    enum ol_class class =
        ol_admin_offsets_for_times(session->admin, offsets, count, session->timeout_ms, reterr);
    for (size_t i = 0; i < count && !class; i++)
        ranges[i].from = offsets[i].offset < 0 ? ranges[i].until : offsets[i].offset;
    return class;
}

enum ol_class history_read(struct session *session, struct text order_id, struct currency currency,
                           int64_t recorded_at_us, const struct history_range *ranges, size_t count,
                           struct history *ret_history, struct ol_error *reterr)
{
    struct scan_range scanned[RANGES_MAX];
    struct topic_name topics[CONTEXT_COUNT];
    struct reading reading = {.session = session,
                              .order_id = order_id,
                              .currency = currency,
                              .ranges = ranges,
                              .history = ret_history};
    for (int i = 0; i < CONTEXT_COUNT; i++)
        topics[i] = topic_name(session->options->topic_prefix, (enum context)i, STREAM_EVENTS);
    for (size_t i = 0; i < count; i++)
        scanned[i] = (struct scan_range){.topic = topics[ranges[i].context].text,
                                         .partition = ranges[i].partition,
                                         .until = ranges[i].until};
    *ret_history = (struct history){0};
    ol_arena_init(&reading.arena, ARENA_BLOCK, CODEC_ARENA_BYTES);
    int32_t partitions;
    enum ol_class class = session_partitions(session, &partitions, reterr); /* are they there? */
    if (!class)
        class = find_start(session, scanned, count, recorded_at_us / 1000 - SLACK_MS, reterr);
    if (!class)
        class = scan_run(session, scanned, count, read_record, &reading, NULL, reterr);
    if (!class && reading.failed)
        class = ol_fail(reterr, OL_FATAL, "no memory for the history");
    ol_arena_release(&reading.arena);
    qsort(ret_history->events, ret_history->count,
          ret_history->count ? sizeof *ret_history->events : 1, event_order);
    return class;
}
