/*
 * tests/unit/test_codec_faults.c - what is wrong is refused or put aside, and never read.
 *
 * The arenas here have blocks of one request each, so that AddressSanitizer sees a read beyond one.
 */
#include "proto/codec_tables.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/codec_random.h"
#include "tests/unit/codec_samples.h"

static struct ol_arena arena;
static struct ol_error error;

static void set_up(void)
{
    ol_arena_init(&arena, 1, 0);
}

static void tear_down(void)
{
    ol_arena_release(&arena);
}

TestSuite(codec_faults, .init = set_up, .fini = tear_down);

static bool encode(const struct sample *sample, struct bytes *ret_wire)
{
    switch (sample->stream) {
    case STREAM_COMMANDS: return codec_encode_command(&sample->command, &arena, ret_wire);
    case STREAM_STEPS: return codec_encode_step(&sample->step, &arena, ret_wire);
    default: return codec_encode_event(&sample->event, &arena, ret_wire);
    }
}

static enum ol_class decode(enum context context, enum stream stream, struct bytes wire,
                            struct sample *ret_sample)
{
    ret_sample->stream = stream;
    switch (stream) {
    case STREAM_COMMANDS:
        return codec_decode_command(context, wire, &arena, &ret_sample->command, &error);
    case STREAM_STEPS: return codec_decode_step(context, wire, &arena, &ret_sample->step, &error);
    default: return codec_decode_event(context, wire, &arena, &ret_sample->event, &error);
    }
}

static enum ol_class decode_again(const struct sample *sample, struct bytes wire,
                                  struct sample *ret_sample)
{
    return decode(sample_context(sample), sample->stream, wire, ret_sample);
}

/* A copy whose lines may be written to: decoded from its own bytes. */
static struct sample copy_of(const struct sample *sample)
{
    struct sample copy;
    struct bytes wire;
    cr_assert(encode(sample, &wire));
    cr_assert_eq(decode_again(sample, wire, &copy), OL_OK, "%s: %s", sample->name, error.text);
    copy.name = sample->name;
    return copy;
}

static const struct sample *sample_of(const char *name, enum context context)
{
    for (size_t i = 0; i < sample_count; i++)
        if (strcmp(samples[i].name, name) == 0 && sample_context(&samples[i]) == context)
            return &samples[i];
    cr_assert_fail("no sample %s", name);
    return NULL;
}

/* ---- every text of every message ---- */

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
    cr_assert_eq(decode_again(sample, wire, &decoded), OL_OK, "%s: %s", place->path, error.text);
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
    cr_assert_eq(decode_again(sample, rest, &again), OL_OK);
    cr_expect_eq(again.command.refused.code, ACCEPTED);
    cr_expect(same_command(command, &again.command));

    /* The same bytes have the same digest. */
    cr_expect_neq(command->body_digest, 0u);
    cr_assert_eq(decode_again(sample, wire, &again), OL_OK);
    cr_expect_eq(command->body_digest, again.command.body_digest);
}

static void expect_poison(const struct sample *sample, const struct place *place,
                          enum damage damage, struct bytes wire)
{
    struct sample decoded;
    char where[32];
    cr_assert_eq(decode_again(sample, wire, &decoded), OL_POISON, "%s: damage %d", place->path,
                 damage);
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
    struct sample sample = copy_of(original);
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
    cr_assert(encode(&sample, &wire));
    if (sample.stream != STREAM_COMMANDS) {
        struct sample decoded;
        bool receipt = sample.stream == STREAM_EVENTS && sample.event.body == EVENT_BODY_RECEIPT;
        bool bad = poisons(field, damage) && !(receipt && damage == EMPTY);
        if (bad && damage != EMPTY)
            expect_poison(&sample, place, damage, wire);
        else
            cr_expect_eq(decode_again(&sample, wire, &decoded), bad ? OL_POISON : OL_OK,
                         "%s of %s: damage %d", place->path, sample.name, damage);
    } else if (place->key) {
        if (damage == EMPTY) /* leaves the field out: the message has no place for it */
            place->path[0] = '\0';
        expect_poison(&sample, place, damage, wire);
    } else {
        expect_refused(&sample, place, expected_refusal(place->name, damage), wire);
    }
}

Test(codec_faults, every_text_of_every_message_is_looked_at)
{
    size_t count = 0;
    for (size_t i = 0; i < sample_count; i++) {
        struct sample sample = copy_of(&samples[i]);
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

Test(codec_faults, a_poisoned_id_counts_more_than_an_earlier_refusal)
{
    struct sample sample = copy_of(sample_of("CancelOrder", CONTEXT_ORDERS)), decoded;
    struct bytes wire;
    sample.command.metadata.actor = damaged(NOT_UTF8);
    sample.command.order.order_id = damaged(CONTROL);
    cr_assert(encode(&sample, &wire));
    cr_expect_eq(decode_again(&sample, wire, &decoded), OL_POISON);
}

Test(codec_faults, the_first_of_two_faults_is_told)
{
    struct sample sample = copy_of(sample_of("PlaceOrder", CONTEXT_ORDERS)), decoded;
    struct bytes wire;
    ((struct order_line *)sample.command.order.lines)[1].sku = damaged(HAS_NUL);
    sample.command.metadata.actor = damaged(NOT_UTF8);
    cr_assert(encode(&sample, &wire));
    cr_assert_eq(decode_again(&sample, wire, &decoded), OL_OK);
    cr_expect_eq(decoded.command.refused.code, REFUSED_TEXT_NOT_UTF8);
    cr_expect(text_equal(decoded.command.refused.subject, TEXT("metadata.actor")));
    cr_expect_eq(decoded.command.refused.line, 0);
}

/* ---- broken bytes ---- */

Test(codec_faults, a_message_that_is_cut_off_is_poison)
{
    for (size_t i = 0; i < sample_count; i++) {
        struct sample decoded;
        struct bytes wire;
        ol_arena_clear(&arena);
        cr_assert(encode(&samples[i], &wire));
        for (size_t size = 0; size < wire.size; size++)
            cr_expect_eq(decode_again(&samples[i], (struct bytes){wire.data, size}, &decoded),
                         OL_POISON, "%s at %zu", samples[i].name, size);
    }
}

static struct bytes mutate(struct rng *rng, struct bytes wire)
{
    size_t room = wire.size + 16;
    uint8_t *bytes = ol_arena_alloc(&arena, room);
    memcpy(bytes, wire.data, wire.size);
    size_t size = wire.size;
    for (uint64_t i = 0, times = 1 + rng_below(rng, 4); i < times && size > 0; i++) {
        size_t at = rng_below(rng, size);
        switch (rng_below(rng, 4)) {
        case 0: bytes[at] = (uint8_t)rng_next(rng); break;
        case 1: bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8)); break;
        case 2: memmove(bytes + at, bytes + at + 1, --size - at); break;
        default:
            memmove(bytes + at + 1, bytes + at, size++ - at);
            bytes[at] = (uint8_t)rng_next(rng);
            break;
        }
    }
    return (struct bytes){bytes, size};
}

/* Whatever is accepted is whole: it encodes, and comes back the same with the same digest. */
static void expect_whole(const struct sample *sample, const struct sample *decoded)
{
    struct sample again;
    struct bytes wire;
    cr_assert(encode(decoded, &wire));
    cr_assert_eq(decode_again(sample, wire, &again), OL_OK, "%s", error.text);
    switch (sample->stream) {
    case STREAM_COMMANDS:
        cr_assert(same_command(&again.command, &decoded->command));
        if (decoded->command.refused.code == ACCEPTED)
            cr_assert_eq(again.command.body_digest, decoded->command.body_digest);
        break;
    case STREAM_STEPS: cr_assert(same_step(&again.step, &decoded->step)); break;
    default: cr_assert(same_event(&again.event, &decoded->event)); break;
    }
}

Test(codec_faults, broken_bytes_are_poison_or_a_whole_message, .timeout = 120)
{
    struct rng rng = rng_from(rng_seed("codec_faults"));
    size_t accepted = 0;
    for (size_t i = 0; i < sample_count; i++)
        for (int round = 0; round < 3000; round++) {
            struct sample decoded;
            struct bytes wire;
            ol_arena_clear(&arena);
            cr_assert(encode(&samples[i], &wire));
            enum ol_class class = decode_again(&samples[i], mutate(&rng, wire), &decoded);
            cr_assert(class == OL_OK || class == OL_POISON);
            if (class == OL_OK) {
                accepted++;
                expect_whole(&samples[i], &decoded);
            }
        }
    cr_expect_gt(accepted, 1000u);
}

Test(codec_faults, random_bytes_do_no_harm)
{
    struct rng rng = rng_from(rng_seed("codec_faults"));
    for (int round = 0; round < 50000; round++) {
        uint8_t bytes[64];
        struct sample decoded;
        size_t size = rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] =
                rng_chance(&rng, 50) ? (uint8_t)rng_below(&rng, 32) : (uint8_t)rng_next(&rng);
        ol_arena_clear(&arena);
        (void)decode((enum context)rng_below(&rng, CONTEXT_COUNT), (enum stream)rng_below(&rng, 3),
                     (struct bytes){bytes, size}, &decoded);
    }
}

/* metadata { command_id: "c" } place_order { order_id: "o" } */
#define META                                                                                       \
    "\x0a\x03\x0a\x01"                                                                             \
    "c"
#define ORDER                                                                                      \
    "\x12\x03\x0a\x01"                                                                             \
    "o"

static enum ol_class decode_order(const char *bytes, size_t size, struct command *ret_command)
{
    return codec_decode_command(CONTEXT_ORDERS, (struct bytes){(const uint8_t *)bytes, size},
                                &arena, ret_command, &error);
}

Test(codec_faults, structure)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
        enum ol_class class;
    } rows[] = {
#define ROW(what, bytes, class) {what, bytes, sizeof bytes - 1, class}
        ROW("whole", META ORDER, OL_OK),
        ROW("nothing", "", OL_POISON),
        ROW("no body", META, OL_POISON),
        ROW("no metadata", ORDER, OL_POISON),
        ROW("no command id", "\x0a\x00" ORDER, OL_POISON),
        ROW("no order id", META "\x12\x00", OL_POISON),
        ROW("a body of another context",
            META "\x22\x03\x0a\x01"
                 "o",
            OL_POISON),
        ROW("metadata as a number", "\x08\x01" META ORDER, OL_POISON),
        ROW("a body as a number", META "\x10\x01" ORDER, OL_POISON),
        ROW("an id as a number", META "\x12\x02\x08\x01", OL_POISON),
        ROW("field 0", "\x00" META ORDER, OL_POISON),
        ROW("a length beyond the end",
            META "\x12\x04\x0a\x01"
                 "o",
            OL_POISON),
        ROW("a length beyond its message",
            META "\x12\x03\x0a\x02"
                 "o",
            OL_POISON),
        ROW("a number without an end",
            META ORDER "\x48\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", OL_POISON),
        ROW("a group", META ORDER "\x4b\x4c", OL_POISON),
        /* 16 bytes, as much as its place in the arena: what reads on is seen */
        ROW("a line cut off behind its tag",
            META "\x12\x09\x0a\x04"
                 "oooo\x22\x00\x22",
            OL_POISON),
        ROW("unknown: a number", META ORDER "\x48\x07", OL_OK),
        ROW("unknown: bytes", META ORDER "\x4a\x02zz", OL_OK),
        ROW("unknown: 32 bits",
            META ORDER "\x4d"
                       "abcd",
            OL_OK),
        ROW("unknown: 64 bits",
            META ORDER "\x49"
                       "abcdefgh",
            OL_OK),
        ROW("unknown: cut off",
            META ORDER "\x4d"
                       "abc",
            OL_POISON),
        ROW("unknown: in metadata",
            "\x0a\x05\x0a\x01"
            "c\x48\x07" ORDER,
            OL_OK),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command;
        cr_expect_eq(decode_order(rows[i].bytes, rows[i].size, &command), rows[i].class, "%s",
                     rows[i].what);
    }
}

/* ---- times ---- */

Test(codec_faults, a_claimed_time_that_no_zone_could_show_is_refused)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
        int64_t at_us; /* TIME_REFUSED: not one */
    } rows[] = {
#define TIME_REFUSED           INT64_MAX
#define ROW(what, time, at_us) {what, "\x0a" time ORDER, sizeof("\x0a" time ORDER) - 1, at_us}
        ROW("absent",
            "\x03\x0a\x01"
            "c",
            TIME_NONE),
        ROW("1970",
            "\x05\x0a\x01"
            "c\x2a\x00",
            0),
        ROW("a microsecond",
            "\x08\x0a\x01"
            "c\x2a\x03\x10\xe8\x07",
            1),
        ROW("less is cut off",
            "\x08\x0a\x01"
            "c\x2a\x03\x10\xe7\x07",
            0),
        ROW("a second of nanos",
            "\x0b\x0a\x01"
            "c\x2a\x06\x10\x80\x94\xeb\xdc\x03",
            TIME_REFUSED),
        ROW("nanos below zero",
            "\x10\x0a\x01"
            "c\x2a\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the last second of 9999",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\xff\x82\xd1\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the last second two days before its end",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\xff\xbc\xc6\xff\xaf\x07",
            253402127999000000),
        ROW("the next second",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\x80\xbd\xc6\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the year 10000",
            "\x0c\x0a\x01"
            "c\x2a\x07\x08\x80\x83\xd1\xff\xaf\x07",
            TIME_REFUSED),
        ROW("the first second of 1",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the first second two days behind its beginning",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\x80\xd8\xc2\xc3\x98\xfe\xff\xff\xff\x01",
            -62135424000000000),
        ROW("the second before",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\xff\xd7\xc2\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
        ROW("the year 0",
            "\x10\x0a\x01"
            "c\x2a\x0b\x08\xff\x91\xb8\xc3\x98\xfe\xff\xff\xff\x01",
            TIME_REFUSED),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command command;
        cr_assert_eq(decode_order(rows[i].bytes, rows[i].size, &command), OL_OK, "%s: %s",
                     rows[i].what, error.text);
        bool refused = rows[i].at_us == TIME_REFUSED;
        cr_expect_eq(command.metadata.occurred_at_us, refused ? TIME_NONE : rows[i].at_us, "%s",
                     rows[i].what);
        cr_expect_eq(command.refused.code, refused ? REFUSED_TIME_INVALID : ACCEPTED, "%s",
                     rows[i].what);
        cr_expect(!refused || text_equal(command.refused.subject, TEXT("metadata.occurred_at")));
    }
}

/* ---- what a worker would not have written ---- */

static void no_version(struct sample *sample)
{
    sample->event.order.version = 0;
}
static void no_status(struct sample *sample)
{
    sample->event.order.status = ORDER_IS_NOTHING;
}
static void status_unknown(struct sample *sample)
{
    sample->event.order.status = ORDER_STATUS_COUNT;
}
static void saga_unknown(struct sample *sample)
{
    sample->event.order.saga_state = SAGA_STATE_COUNT;
}
static void no_cause(struct sample *sample)
{
    sample->event.cause_source = CAUSE_NONE;
}
static void cause_unknown(struct sample *sample)
{
    sample->event.cause_source = CAUSE_STEPS + 1;
}
static void offset_negative(struct sample *sample)
{
    sample->event.cause_offset = -1;
}
static void no_recorded_at(struct sample *sample)
{
    sample->event.recorded_at_us = TIME_NONE;
}
static void no_lines(struct sample *sample)
{
    sample->event.order.line_count = 0;
}
static void no_deadline(struct sample *sample)
{
    sample->event.order.deadline_us = TIME_NONE;
}
static void no_code(struct sample *sample)
{
    sample->event.order.code = ACCEPTED;
}
static void group_64(struct sample *sample)
{
    sample->event.order.partition = 64;
}
static void group_negative(struct sample *sample)
{
    sample->event.order.partition = -1;
}
static void group_very_negative(struct sample *sample)
{
    sample->event.order.partition = -2;
}
static void quantity_none(struct sample *sample)
{
    ((struct order_line *)sample->event.order.lines)[1].quantity = 0;
}
static void amount_negative(struct sample *sample)
{
    ((struct order_line *)sample->event.order.lines)[1].amount_minor = -1;
}
static void too_many_lines(struct sample *sample)
{
    struct order_line *lines = ol_arena_alloc(&arena, (ORDER_LINES_MAX + 1) * sizeof *lines);
    for (size_t i = 0; i <= ORDER_LINES_MAX; i++)
        lines[i] = sample->event.order.lines[0];
    sample->event.order.lines = lines;
    sample->event.order.line_count = ORDER_LINES_MAX + 1;
}
static void nothing(struct sample *sample)
{
    (void)sample;
}

Test(codec_faults, events_that_no_worker_writes_are_poison)
{
    static const struct {
        const char *what, *message;
        void (*change)(struct sample *sample);
        enum ol_class class;
    } rows[] = {
        {"untouched", "OrderPlaced", nothing, OL_OK},
        {"no version", "OrderPlaced", no_version, OL_POISON},
        {"no status", "OrderConfirmed", no_status, OL_POISON},
        {"a status that does not exist", "OrderConfirmed", status_unknown, OL_POISON},
        {"a saga state that does not exist", "OrderConfirmed", saga_unknown, OL_POISON},
        {"no cause", "OrderConfirmed", no_cause, OL_POISON},
        {"a cause that does not exist", "OrderConfirmed", cause_unknown, OL_POISON},
        {"an offset below zero", "OrderConfirmed", offset_negative, OL_POISON},
        {"no time", "OrderConfirmed", no_recorded_at, OL_POISON},
        {"no lines", "OrderPlaced", no_lines, OL_POISON},
        {"257 lines", "OrderPlaced", too_many_lines, OL_POISON},
        {"a quantity of 0", "OrderPlaced", quantity_none, OL_POISON},
        {"an amount below 0", "OrderPlaced", amount_negative, OL_POISON},
        {"no deadline", "OrderPlaced", no_deadline, OL_POISON},
        {"no deadline", "OrderRejected", no_deadline, OL_POISON},
        {"no code", "OrderRejected", no_code, OL_POISON},
        {"group -1: the payment", "OrderRejected", group_negative, OL_OK},
        {"group -2", "OrderRejected", group_very_negative, OL_POISON},
        {"group -1", "OrderStockReserved", group_negative, OL_POISON},
        {"group 64", "OrderStockReserved", group_64, OL_POISON},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample = copy_of(sample_of(rows[i].message, CONTEXT_ORDERS)), decoded;
        struct bytes wire;
        rows[i].change(&sample);
        cr_assert(encode(&sample, &wire));
        cr_expect_eq(decode_again(&sample, wire, &decoded), rows[i].class, "%s: %s: %s",
                     rows[i].message, rows[i].what, error.text);
    }
}

Test(codec_faults, a_version_that_no_state_has_is_poison)
{
    static const char *const names[] = {"OrderConfirmed", "StockReserved", "PaymentCaptured"};
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        struct sample sample = copy_of(sample_of(names[i], (enum context)i)), decoded;
        int64_t *version = i == CONTEXT_ORDERS      ? &sample.event.order.version
                           : i == CONTEXT_INVENTORY ? &sample.event.inventory.version
                                                    : &sample.event.payment.version;
        struct bytes wire;
        *version = INT64_MAX;
        cr_assert(encode(&sample, &wire));
        cr_expect_eq(decode_again(&sample, wire, &decoded), OL_OK, "%s: %s", names[i], error.text);
        *version = INT64_MIN; /* one more, as it travels */
        cr_assert(encode(&sample, &wire));
        cr_expect_eq(decode_again(&sample, wire, &decoded), OL_POISON, "%s", names[i]);
    }
}

/* The decision asserts that there is an amount: such a step would end every worker that meets
 * it. */
Test(codec_faults, an_authorisation_of_nothing_is_poison)
{
    struct sample sample = copy_of(sample_of("AuthorisePayment", CONTEXT_PAYMENTS)), decoded;
    struct bytes wire;
    for (int64_t amount_minor = -1; amount_minor <= 1; amount_minor++) {
        sample.step.payment.amount_minor = amount_minor;
        cr_assert(encode(&sample, &wire));
        cr_expect_eq(decode_again(&sample, wire, &decoded), amount_minor > 0 ? OL_OK : OL_POISON);
    }
}

Test(codec_faults, an_unknown_code_is_poison)
{
    struct sample decoded;
    struct bytes wire;
    const struct sample *sample = sample_of("OrderRejected", CONTEXT_ORDERS);
    cr_assert(encode(sample, &wire));
    uint8_t *code = memmem(wire.data, wire.size, "STOCK_SHORT", 11);
    memcpy(code, "STOCK_SHARK", 11);
    cr_expect_eq(decode_again(sample, wire, &decoded), OL_POISON);
    cr_expect(strstr(error.text, "order_rejected.code: an unknown code"), "%s", error.text);
}

Test(codec_faults, a_refusal_is_no_aggregates_event)
{
    static const struct {
        const char *what;
        uint8_t field[2];
    } rows[] = {{"version", {0x20, 0x01}}, {"status", {0x30, 0x01}}, {"saga state", {0x38, 0x01}}};
    struct sample decoded;
    struct bytes wire;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        const struct sample *sample = sample_of("CommandRejected", (enum context)i);
        for (size_t k = 0; k < (i == CONTEXT_ORDERS ? 3 : 1); k++) {
            cr_assert(encode(sample, &wire));
            uint8_t *longer = ol_arena_alloc(&arena, wire.size + sizeof rows[k].field);
            memcpy(longer, wire.data, wire.size);
            memcpy(longer + wire.size, rows[k].field, sizeof rows[k].field);
            wire = (struct bytes){longer, wire.size + sizeof rows[k].field};
            cr_expect_eq(decode_again(sample, wire, &decoded), OL_POISON, "%s", rows[k].what);
            cr_expect(strstr(error.text, "do not fit the body"), "%s", error.text);
        }
    }
}

/* ---- drafts ---- */

/* A draft comes from a person's text: its bytes are nobody's, and the id may still be to come. */
Test(codec_faults, a_draft_needs_no_id_and_has_no_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum ol_class class;
        const char *text;
    } rows[] = {
#define ROW(bytes, class, text) {bytes, sizeof bytes - 1, class, text}
        ROW(META ORDER, OL_OK, NULL),
        ROW(ORDER, OL_OK, NULL),
        ROW(META, OL_POISON, "body: missing"),
        ROW(ORDER "\x12\x02\x0a\x00", OL_POISON, "place_order.order_id: an id is empty"),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct command command;
        const struct bytes wire = {(const uint8_t *)rows[i].bytes, rows[i].size};
        cr_assert_eq(codec_decode_draft(CONTEXT_ORDERS, wire, &arena, &command, &error),
                     rows[i].class, "row %zu", i);
        if (rows[i].class)
            cr_expect_str_eq(error.text, rows[i].text);
        else
            cr_expect(text_equal(command.order.order_id, TEXT("o")));
    }
}
