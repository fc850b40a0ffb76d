#include "tests/unit/codec_random.h"

#include <stdlib.h>

/* The first and the last time that a command may claim. */
#define YEAR_1_US    (-62135424000000000LL)
#define YEAR_9999_US 253402127999999999LL

/* ---- values ---- */

static struct text random_text(struct rng *rng, struct ol_arena *arena, size_t most, bool clean)
{
    static const char *const pieces[] = {"a", "0",  "Z", "/",  " ",   "é",
                                         "ß", "漢", "😀", "\t", "\x7f"};
    size_t count = sizeof pieces / sizeof pieces[0] - (clean ? 2 : 0);
    size_t wanted = 1 + rng_below(rng, rng_chance(rng, 90) ? (most < 24 ? most : 24) : most);
    char *data = ol_arena_alloc(arena, wanted);
    size_t used = 0;
    while (used < wanted) {
        const char *piece = pieces[rng_chance(rng, 80) ? rng_below(rng, 4) : rng_below(rng, count)];
        size_t bytes = strlen(piece);
        if (used + bytes > wanted)
            piece = "x", bytes = 1;
        memcpy(data + used, piece, bytes);
        used += bytes;
    }
    if (clean && data[0] == ' ')
        data[0] = 'x';
    if (clean && data[used - 1] == ' ')
        data[used - 1] = 'x';
    return (struct text){data, (uint32_t)used};
}

static int64_t random_number(struct rng *rng, int64_t min, int64_t max)
{
    int64_t values[] = {0, 1, 127, 128, -1, min, max, (int64_t)rng_next(rng)};
    int64_t value = values[rng_below(rng, sizeof values / sizeof values[0])];
    if (value < min || value > max)
        value = max - min > 0 ? min + (int64_t)(rng_next(rng) >> 1) % (max - min) : min;
    return value;
}

static int64_t random_time(struct rng *rng)
{
    int64_t times[] = {0,
                       -1,
                       YEAR_1_US,
                       YEAR_9999_US,
                       1506941793000000,
                       1506941793123456,
                       rng_between(rng, YEAR_1_US, YEAR_9999_US)};
    return times[rng_below(rng, sizeof times / sizeof times[0])];
}

/* ---- messages ---- */

static void fill(struct rng *rng, struct ol_arena *arena, const struct wire_message *message,
                 void *target);

static void fill_lines(struct rng *rng, struct ol_arena *arena, const struct wire_field *field,
                       bool required, char *target)
{
    size_t count = rng_below(rng, 12) + required;
    char *lines = count ? ol_arena_alloc(arena, count * field->message->size) : NULL;
    for (size_t i = 0; i < count; i++) {
        wire_clear(field->message, lines + i * field->message->size);
        fill(rng, arena, field->message, lines + i * field->message->size);
    }
    memcpy(target + field->offset, &lines, sizeof lines);
    memcpy(target + field->count_offset, &count, sizeof count);
}

static void fill_field(struct rng *rng, struct ol_arena *arena, const struct wire_field *field,
                       bool required, char *target)
{
    void *value = target + field->offset;
    bool any = field->min == WIRE_ANY;
    switch ((enum wire_type)field->type) {
    case WIRE_TEXT:
        *(struct text *)value =
            random_text(rng, arena, field->limit == WIRE_NO_LIMIT ? 700 : field->limit,
                        field->flags & WIRE_CLEAN);
        break;
    case WIRE_CODE:
        *(enum refusal_code *)value =
            (enum refusal_code)rng_between(rng, 1, REFUSAL_CODE_COUNT - 1);
        break;
    case WIRE_INT64:
        do
            *(int64_t *)value = random_number(rng, any ? INT64_MIN : field->min, INT64_MAX);
        while (required && *(int64_t *)value == 0);
        break;
    case WIRE_INT32:
        *(int32_t *)value = (int32_t)random_number(rng, any ? INT32_MIN : field->min,
                                                   any ? INT32_MAX : field->limit);
        break;
    case WIRE_ENUM: *(uint32_t *)value = (uint32_t)rng_between(rng, 1, field->limit); break;
    case WIRE_TIME: *(int64_t *)value = random_time(rng); break;
    case WIRE_MESSAGE: fill(rng, arena, field->message, value); break;
    case WIRE_LINES: fill_lines(rng, arena, field, required, target); break;
    case WIRE_TYPE_NONE: abort();
    }
}

static void fill(struct rng *rng, struct ol_arena *arena, const struct wire_message *message,
                 void *target)
{
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *field = &message->fields[i];
        bool required = field->flags & (WIRE_KEY | WIRE_REQUIRED);
        if (required || rng_chance(rng, 75))
            fill_field(rng, arena, field, required, target);
    }
}

static void fill_metadata(struct rng *rng, struct ol_arena *arena, struct metadata *metadata)
{
    wire_clear(&codec_metadata, metadata);
    fill(rng, arena, &codec_metadata, metadata);
}

static void fill_body(struct rng *rng, struct ol_arena *arena, const struct codec_bodies *bodies,
                      uint32_t kind, void *body)
{
    wire_clear(bodies->rows[kind].message, body);
    fill(rng, arena, bodies->rows[kind].message, body);
    memcpy(body, &kind, sizeof kind);
}

struct command random_command(struct rng *rng, struct ol_arena *arena, enum context context,
                              uint32_t kind)
{
    struct command command = {.context = context};
    fill_metadata(rng, arena, &command.metadata);
    fill_body(rng, arena, &codec_contexts[context]->commands, kind, &command.order);
    return command;
}

static struct text joined(struct ol_arena *arena, struct text text, const char *end)
{
    size_t bytes = text.bytes + strlen(end);
    char *data = ol_arena_alloc(arena, bytes);
    memcpy(data, text.data, text.bytes);
    memcpy(data + text.bytes, end, strlen(end));
    return (struct text){data, (uint32_t)bytes};
}

/* As a worker has it: an answer is caused by what its id carries on, another step by what began the
 * chain. */
static void fill_cause_that_follows(struct rng *rng, struct ol_arena *arena,
                                    struct step_message *step)
{
    struct metadata *metadata = &step->metadata;
    if (step->context == CONTEXT_ORDERS && step->asker.version) {
        metadata->causation_id = random_text(rng, arena, ID_BYTES_MAX - 2, true);
        metadata->command_id = joined(arena, metadata->causation_id, "/r");
    } else {
        metadata->causation_id =
            metadata->correlation_id.bytes ? metadata->correlation_id : metadata->command_id;
    }
}

struct step_message random_step(struct rng *rng, struct ol_arena *arena, enum context context,
                                uint32_t kind)
{
    struct step_message step = {
        .context = context,
        .asker = {random_number(rng, 0, INT64_MAX), (int32_t)random_number(rng, 0, UINT16_MAX)}};
    fill_metadata(rng, arena, &step.metadata);
    fill_body(rng, arena, &codec_contexts[context]->steps, kind, &step.order);
    if (step.metadata.causation_id.bytes == 0 || rng_chance(rng, 50))
        fill_cause_that_follows(rng, arena, &step);
    return step;
}

struct event_message random_event(struct rng *rng, struct ol_arena *arena, enum context context,
                                  enum event_body body, uint32_t kind)
{
    struct event_message event = {.context = context, .body = body};
    fill_metadata(rng, arena, &event.metadata);
    fill(rng, arena, &codec_cause, &event);
    event.cause_source = rng_chance(rng, 50) ? CAUSE_COMMANDS : CAUSE_STEPS;
    event.recorded_at_us = random_time(rng);
    event.body_digest = rng_chance(rng, 30) ? 0 : rng_next(rng);
    if (body != EVENT_BODY_DOMAIN) {
        wire_clear(codec_common_events.rows[body].message, &event.receipt);
        fill(rng, arena, codec_common_events.rows[body].message, &event.receipt);
        return event;
    }
    fill_body(rng, arena, &codec_contexts[context]->events, kind, &event.order);
    switch (context) {
    case CONTEXT_ORDERS:
        event.order.version = random_number(rng, 1, INT64_MAX);
        event.order.status = (enum order_status)rng_between(rng, 1, ORDER_STATUS_COUNT - 1);
        event.order.saga_state = (enum saga_state)rng_between(rng, 1, SAGA_STATE_COUNT - 1);
        event.order.payment = (enum order_payment)rng_between(rng, 0, ORDER_PAYMENT_COUNT - 1);
        break;
    case CONTEXT_INVENTORY: event.inventory.version = random_number(rng, 0, INT64_MAX); break;
    case CONTEXT_PAYMENTS: event.payment.version = random_number(rng, 0, INT64_MAX); break;
    case CONTEXT_COUNT: abort();
    }
    return event;
}

/* ---- equality ---- */

static bool same_lines(const struct wire_field *field, const char *a, const char *b)
{
    const char *a_lines, *b_lines;
    size_t a_count, b_count;
    memcpy(&a_lines, a + field->offset, sizeof a_lines);
    memcpy(&b_lines, b + field->offset, sizeof b_lines);
    memcpy(&a_count, a + field->count_offset, sizeof a_count);
    memcpy(&b_count, b + field->count_offset, sizeof b_count);
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (!same_fields(field->message, a_lines + i * field->message->size,
                         b_lines + i * field->message->size))
            return false;
    return true;
}

bool same_fields(const struct wire_message *message, const void *a, const void *b)
{
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *field = &message->fields[i];
        const char *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
        bool same = false;
        switch ((enum wire_type)field->type) {
        case WIRE_TEXT: same = text_equal(*(const struct text *)x, *(const struct text *)y); break;
        case WIRE_INT64:
        case WIRE_TIME: same = *(const int64_t *)x == *(const int64_t *)y; break;
        case WIRE_CODE:
        case WIRE_INT32:
        case WIRE_ENUM: same = *(const uint32_t *)x == *(const uint32_t *)y; break;
        case WIRE_MESSAGE: same = same_fields(field->message, x, y); break;
        case WIRE_LINES: same = same_lines(field, a, b); break;
        case WIRE_TYPE_NONE: abort();
        }
        if (!same)
            return false;
    }
    return true;
}

static bool same_body(const struct codec_bodies *bodies, const void *a, const void *b)
{
    uint32_t a_kind, b_kind;
    memcpy(&a_kind, a, sizeof a_kind);
    memcpy(&b_kind, b, sizeof b_kind);
    return a_kind == b_kind && same_fields(bodies->rows[a_kind].message, a, b);
}

bool same_command(const struct command *a, const struct command *b)
{
    return a->context == b->context && same_fields(&codec_metadata, &a->metadata, &b->metadata) &&
           same_body(&codec_contexts[a->context]->commands, &a->order, &b->order);
}

bool same_step(const struct step_message *a, const struct step_message *b)
{
    return a->context == b->context && a->asker.version == b->asker.version &&
           a->asker.number == b->asker.number &&
           same_fields(&codec_metadata, &a->metadata, &b->metadata) &&
           same_body(&codec_contexts[a->context]->steps, &a->order, &b->order);
}

static bool same_head(const struct event_message *a, const struct event_message *b)
{
    switch (a->context) {
    case CONTEXT_ORDERS:
        return a->order.version == b->order.version && a->order.status == b->order.status &&
               a->order.saga_state == b->order.saga_state && a->order.payment == b->order.payment;
    case CONTEXT_INVENTORY: return a->inventory.version == b->inventory.version;
    case CONTEXT_PAYMENTS: return a->payment.version == b->payment.version;
    case CONTEXT_COUNT: break;
    }
    return false;
}

bool same_event(const struct event_message *a, const struct event_message *b)
{
    if (a->context != b->context || a->body != b->body || a->body_digest != b->body_digest ||
        a->recorded_at_us != b->recorded_at_us || !same_fields(&codec_cause, a, b) ||
        !same_fields(&codec_metadata, &a->metadata, &b->metadata))
        return false;
    if (a->body != EVENT_BODY_DOMAIN)
        return same_fields(codec_common_events.rows[a->body].message, &a->receipt, &b->receipt);
    return same_head(a, b) && same_body(&codec_contexts[a->context]->events, &a->order, &b->order);
}
