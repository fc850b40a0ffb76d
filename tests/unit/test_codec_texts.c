/*
 * tests/unit/test_codec_texts.c - each text of each message, damaged in each way: refused or
 * poison.
 */
#include "proto/codec_tables.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/codec_fixture.h"
#include "tests/unit/codec_random.h"
#include "tests/unit/codec_samples.h"

TestSuite(codec_texts, .init = set_up, .fini = tear_down);

struct place {
    struct text *text;
    const char *name;
    char path[128];
    bool key;     /* a command's id or its aggregate's */
    int32_t line; /* 1-based; 0: none */
};

#define PLACES_MAX 32

struct places {
    struct place all[PLACES_MAX];
    size_t count;
};

static void find_texts(const struct wire_message *message, void *base, const char *path, bool body,
                       int32_t line, struct places *places)
{
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *field = &message->fields[i];
        char *value = (char *)base + field->offset, inner[100];
        snprintf(inner, sizeof inner, "%s.%s", path, field->name);
        if (field->type == WIRE_TEXT) {
            struct place *place = &places->all[places->count++];
            cr_assert_leq(places->count, PLACES_MAX);
            *place = (struct place){.text = (struct text *)value,
                                    .name = field->name,
                                    .key = i == 0 && line == 0 && body,
                                    .line = line};
            snprintf(place->path, sizeof place->path, "%s", inner);
        } else if (field->type == WIRE_MESSAGE) {
            find_texts(field->message, value, inner, false, 0, places);
        } else if (field->type == WIRE_LINES) {
            size_t count;
            char *lines;
            memcpy(&count, (char *)base + field->count_offset, sizeof count);
            memcpy(&lines, value, sizeof lines);
            for (size_t k = 0; k < count; k++) {
                char element[120];
                snprintf(element, sizeof element, "%s[%zu]", inner, k);
                find_texts(field->message, lines + k * field->message->size, element, body,
                           (int32_t)k + 1, places);
            }
        }
    }
}

static const struct wire_body *body_of(const struct sample *sample, void **ret_base)
{
    const struct codec_context *tables = codec_contexts[sample_context(sample)];
    struct sample *writable = (struct sample *)sample;
    const struct codec_bodies *bodies = &tables->events;
    *ret_base = &writable->event.order;
    if (sample->stream == STREAM_COMMANDS) {
        bodies = &tables->commands;
        *ret_base = &writable->command.order;
    } else if (sample->stream == STREAM_STEPS) {
        bodies = &tables->steps;
        *ret_base = &writable->step.order;
    } else if (sample->event.body != EVENT_BODY_DOMAIN) {
        return &codec_common_events.rows[sample->event.body];
    }
    uint32_t kind;
    memcpy(&kind, *ret_base, sizeof kind);
    return &bodies->rows[kind];
}

static void find_all(struct sample *sample, struct places *places)
{
    void *base;
    const struct wire_body *body = body_of(sample, &base);
    struct metadata *metadata = sample->stream == STREAM_COMMANDS ? &sample->command.metadata
                                : sample->stream == STREAM_STEPS  ? &sample->step.metadata
                                                                  : &sample->event.metadata;
    places->count = 0;
    find_texts(&codec_metadata, metadata, "metadata", true, 0, places);
    find_texts(body->message, base, body->name, true, 0, places);
}

enum damage {
    NOT_UTF8,
    HAS_NUL,
    CONTROL,
    CONTROL_C1,
    HIDDEN,
    BLANK_BEFORE,
    BLANK_BEHIND,
    EMPTY,
    ABOVE_128,
    ABOVE_512,
    DAMAGE_COUNT
};

static struct text damaged(enum damage damage)
{
    static char x[513];
    memset(x, 'x', sizeof x);
    const struct text texts[DAMAGE_COUNT] = {
        [NOT_UTF8] = TEXT("ab\xffz"),
        [HAS_NUL] = TEXT("ab\0z"),
        [CONTROL] = TEXT("ab\nz"),
        [CONTROL_C1] = TEXT("ab\xc2\x85z"),
        [HIDDEN] = TEXT("ab\xe2\x80\x8bz"),
        [BLANK_BEFORE] = TEXT(" abc"),
        [BLANK_BEHIND] = TEXT("abcdefghi "),
        [EMPTY] = TEXT(""),
        [ABOVE_128] = {x, 129},
        [ABOVE_512] = {x, 513},
    };
    return texts[damage];
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* The rules of codec.h, said a second time. */
static enum refusal_code expected_refusal(const char *name, enum damage damage)
{
    static const char *const references[] = {"correlation_id", "causation_id", NULL};
    static const char *const shorts[] = {"correlation_id", "causation_id", "actor",
                                         "traceparent",    "reason",       NULL};
    static const char *const details[] = {"name", "category", "brand", NULL};
    switch (damage) {
    case NOT_UTF8: return REFUSED_TEXT_NOT_UTF8;
    case HAS_NUL: return REFUSED_TEXT_HAS_NUL;
    case CONTROL:
    case CONTROL_C1:
    case HIDDEN:
    case BLANK_BEFORE:
    case BLANK_BEHIND: return is_one_of(name, references) ? REFUSED_ID_INVALID : ACCEPTED;
    case ABOVE_128: return is_one_of(name, shorts) ? REFUSED_TEXT_TOO_LONG : ACCEPTED;
    case ABOVE_512:
        return is_one_of(name, shorts) || is_one_of(name, details) ? REFUSED_TEXT_TOO_LONG
                                                                   : ACCEPTED;
    default: return ACCEPTED;
    }
}

static void expect_refused(const struct sample *sample, const struct place *place,
                           enum refusal_code code, struct bytes wire)
{
    struct sample decoded, again;
    const struct command *command = &decoded.command;
    cr_assert_eq(sample_decode_again(sample, wire, &arena, &decoded, &error), OL_OK, "%s: %s",
                 place->path, error.text);
    cr_expect_eq(command->refused.code, code, "%s", place->path);
    if (code == ACCEPTED) {
        cr_expect(same_command(command, &sample->command));
        return;
    }
    cr_expect(text_equal(command->refused.subject, text_of(place->path)), "%s", place->path);
    cr_expect_eq(command->refused.line, place->line);
    cr_expect(text_equal(command->metadata.command_id, sample->command.metadata.command_id));
    cr_expect(text_equal(command_aggregate(command), command_aggregate(&sample->command)));

    /* What is left is clean: an answer that carries it decodes. */
    struct bytes rest;
    cr_assert(codec_encode_command(command, &arena, &rest));
    cr_assert_eq(sample_decode_again(sample, rest, &arena, &again, &error), OL_OK);
    cr_expect_eq(again.command.refused.code, ACCEPTED);
    cr_expect(same_command(command, &again.command));

    /* The same bytes have the same digest. */
    cr_expect_neq(command->body_digest, 0u);
    cr_assert_eq(sample_decode_again(sample, wire, &arena, &again, &error), OL_OK);
    cr_expect_eq(command->body_digest, again.command.body_digest);
}

static void expect_poison(const struct sample *sample, const struct place *place,
                          enum damage damage, struct bytes wire)
{
    struct sample decoded;
    char where[32];
    cr_assert_eq(sample_decode_again(sample, wire, &arena, &decoded, &error), OL_POISON,
                 "%s: damage %d", place->path, damage);
    cr_expect_eq(error.class, OL_POISON);
    cr_expect(strstr(error.text, place->path), "%s: %s", place->path, error.text);
    if (damage == NOT_UTF8) {
        const uint8_t *bad = memmem(wire.data, wire.size, "ab\xffz", 4);
        snprintf(where, sizeof where, "at byte %zu", (size_t)(bad + 2 - wire.data));
        cr_expect(strstr(error.text, where), "%s: %s", where, error.text);
    }
}

/* In steps and events: poison where it is no clean text, or no clean id and has to be one. */
static bool poisons(const struct wire_field *field, enum damage damage)
{
    switch (damage) {
    case NOT_UTF8:
    case HAS_NUL: return true;
    case CONTROL:
    case CONTROL_C1: return field->flags & WIRE_CLEAN;
    case HIDDEN:
    case BLANK_BEFORE:
    case BLANK_BEHIND: return false; /* a log from before has such ids, and stays readable */
    case EMPTY: return field->flags & WIRE_KEY;
    case ABOVE_128: return field->limit < 129;
    case ABOVE_512: return field->limit < 513;
    case DAMAGE_COUNT: break;
    }
    return false;
}

static const struct wire_field *find_field(const struct wire_message *message, const char *name)
{
    for (unsigned i = 0; i < message->field_count; i++) {
        const struct wire_field *field = &message->fields[i];
        if (field->type == WIRE_TEXT && strcmp(field->name, name) == 0)
            return field;
    }
    for (unsigned i = 0; i < message->field_count; i++)
        if (message->fields[i].message) {
            const struct wire_field *field = find_field(message->fields[i].message, name);
            if (field)
                return field;
        }
    return NULL;
}

static void damage_text(const struct sample *original, size_t index, enum damage damage)
{
    struct sample sample = sample_copy(original, &arena);
    struct places places;
    struct bytes wire;
    find_all(&sample, &places);
    struct place *place = &places.all[index];
    void *base;
    const struct wire_field *field =
        strncmp(place->path, "metadata", 8) == 0
            ? find_field(&codec_metadata, place->name)
            : find_field(body_of(&sample, &base)->message, place->name);
    *place->text = damaged(damage);
    cr_assert(sample_encode(&sample, &arena, &wire));
    if (sample.stream != STREAM_COMMANDS) {
        struct sample decoded;
        bool receipt = sample.stream == STREAM_EVENTS && sample.event.body == EVENT_BODY_RECEIPT;
        bool bad = poisons(field, damage) && !(receipt && damage == EMPTY);
        if (bad && damage != EMPTY)
            expect_poison(&sample, place, damage, wire);
        else
            cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error),
                         bad ? OL_POISON : OL_OK, "%s of %s: damage %d", place->path, sample.name,
                         damage);
    } else if (place->key) {
        if (damage == EMPTY) /* leaves the field out: the message has no place for it */
            place->path[0] = '\0';
        expect_poison(&sample, place, damage, wire);
    } else {
        expect_refused(&sample, place, expected_refusal(place->name, damage), wire);
    }
}

Test(codec_texts, every_text_of_every_message_is_looked_at)
{
    size_t count = 0;
    for (size_t i = 0; i < sample_count; i++) {
        struct sample sample = sample_copy(&samples[i], &arena);
        struct places places;
        find_all(&sample, &places);
        for (size_t k = 0; k < places.count; k++)
            for (int damage = 0; damage < DAMAGE_COUNT; damage++, count++) {
                ol_arena_clear(&arena);
                damage_text(&samples[i], k, (enum damage)damage);
            }
    }
    cr_expect_gt(count, 1500u);
}

Test(codec_texts, a_poisoned_id_counts_more_than_an_earlier_refusal)
{
    struct sample sample = sample_copy(sample_named("CancelOrder", CONTEXT_ORDERS), &arena),
                  decoded;
    struct bytes wire;
    sample.command.metadata.actor = damaged(NOT_UTF8);
    sample.command.order.order_id = damaged(CONTROL);
    cr_assert(sample_encode(&sample, &arena, &wire));
    cr_expect_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error), OL_POISON);
}

Test(codec_texts, the_first_of_two_faults_is_told)
{
    struct sample sample = sample_copy(sample_named("PlaceOrder", CONTEXT_ORDERS), &arena), decoded;
    struct bytes wire;
    ((struct order_line *)sample.command.order.lines)[1].sku = damaged(HAS_NUL);
    sample.command.metadata.actor = damaged(NOT_UTF8);
    cr_assert(sample_encode(&sample, &arena, &wire));
    cr_assert_eq(sample_decode_again(&sample, wire, &arena, &decoded, &error), OL_OK);
    cr_expect_eq(decoded.command.refused.code, REFUSED_TEXT_NOT_UTF8);
    cr_expect(text_equal(decoded.command.refused.subject, TEXT("metadata.actor")));
    cr_expect_eq(decoded.command.refused.line, 0);
}
