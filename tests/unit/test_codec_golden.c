/*
 * tests/unit/test_codec_golden.c - the bytes of schema v1 mean what they meant, for ever.
 *
 * golden/<context>.<stream>.v1: lines of "Message <hex> <JSON>". Lines are added, never changed or
 * removed. ORDERLOG_GOLDEN_PRINT=1 prints those of all samples, for adding.
 */
#include "proto/codec_tables.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"
#include "tests/unit/codec_random.h"
#include "tests/unit/codec_samples.h"

#define LINE_BYTES 8192

struct golden {
    char name[64];
    struct bytes wire;
    const char *json;
    uint8_t bytes[LINE_BYTES / 2];
    char line[LINE_BYTES];
};

typedef void golden_function(enum context context, enum stream stream, const struct golden *golden);

static struct ol_arena arena;
static struct ol_error error;

static void set_up(void)
{
    ol_arena_init(&arena, 65536, 0);
}

static void tear_down(void)
{
    ol_arena_release(&arena);
}

static bool parse_line(struct golden *golden)
{
    char *hex, *json;
    golden->line[strcspn(golden->line, "\n")] = '\0';
    if (!(hex = strchr(golden->line, ' ')) || !(json = strchr(hex + 1, ' ')))
        return false;
    *hex++ = *json++ = '\0';
    snprintf(golden->name, sizeof golden->name, "%s", golden->line);
    golden->json = json;
    golden->wire = (struct bytes){golden->bytes, strlen(hex) / 2};
    for (size_t i = 0; i < golden->wire.size; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return false;
        golden->bytes[i] = (uint8_t)byte;
    }
    return true;
}

static unsigned each_line(enum context context, enum stream stream, golden_function *use)
{
    static struct golden golden;
    char path[1024];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s.%s.v1", GOLDEN_DIR, context_name(context),
             stream_name(stream));
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    while (fgets(golden.line, sizeof golden.line, file)) {
        cr_assert(parse_line(&golden), "%s", path);
        ol_arena_clear(&arena);
        use(context, stream, &golden);
        count++;
    }
    fclose(file);
    return count;
}

static void each_file(golden_function *use)
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = STREAM_COMMANDS; stream <= STREAM_EVENTS; stream++)
            cr_expect_gt(each_line((enum context)context, (enum stream)stream, use), 0u);
}

/* Decodes, and encodes what came out. */
static bool pass_through(enum context context, enum stream stream, struct bytes wire,
                         struct sample *ret_sample, struct bytes *ret_wire)
{
    *ret_sample = (struct sample){.stream = stream};
    return sample_decode(context, stream, wire, &arena, ret_sample, &error) == OL_OK &&
           sample_encode(ret_sample, &arena, ret_wire);
}

static const char *kind_name(const struct sample *sample)
{
    switch (sample->stream) {
    case STREAM_COMMANDS: return command_kind_name(&sample->command);
    case STREAM_STEPS: return step_kind_name(&sample->step);
    default: return event_kind_name(&sample->event);
    }
}

/* The oldest lines too: decoded, named and encoded as when they were written. */
static void decodes_and_encodes(enum context context, enum stream stream,
                                const struct golden *golden)
{
    struct sample sample;
    struct bytes wire;
    cr_assert(pass_through(context, stream, golden->wire, &sample, &wire), "%s: %s", golden->name,
              error.text);
    cr_expect_str_eq(kind_name(&sample), golden->name);
    cr_expect_eq(wire.size, golden->wire.size, "%s", golden->name);
    cr_expect_arr_eq(wire.data, golden->wire.data, golden->wire.size, "%s", golden->name);
}

static void reads_and_writes_json(enum context context, enum stream stream,
                                  const struct golden *golden)
{
    OL_AUTO(ol_text) struct ol_text json = {0};
    struct bytes wire;
    size_t column = 0;
    cr_assert_eq(json_from_wire(context, stream, golden->wire, &json, &error), OL_OK);
    cr_expect_str_eq(ol_text_string(&json), golden->json);
    cr_assert_eq(json_to_wire(context, stream, golden->json, strlen(golden->json), &arena, &wire,
                              &column, &error),
                 OL_OK, "%s: %s", golden->name, error.text);
    cr_expect_eq(wire.size, golden->wire.size, "%s", golden->name);
    cr_expect_arr_eq(wire.data, golden->wire.data, golden->wire.size, "%s", golden->name);
}

TestSuite(codec_golden, .init = set_up, .fini = tear_down);

Test(codec_golden, bytes_decode_and_encode_as_they_did)
{
    each_file(decodes_and_encodes);
}

Test(codec_golden, bytes_have_the_json_that_they_had)
{
    each_file(reads_and_writes_json);
}

/* ---- the samples ---- */

static const struct sample *wanted;
static bool found;

static void finds_sample(enum context context, enum stream stream, const struct golden *golden)
{
    struct sample decoded;
    struct bytes wire;
    if (strcmp(golden->name, wanted->name) != 0)
        return;
    cr_assert(pass_through(context, stream, golden->wire, &decoded, &wire));
    found = found || (stream == STREAM_COMMANDS ? same_command(&decoded.command, &wanted->command)
                      : stream == STREAM_STEPS  ? same_step(&decoded.step, &wanted->step)
                                                : same_event(&decoded.event, &wanted->event));
}

Test(codec_golden, every_sample_has_its_line)
{
    for (size_t i = 0; i < sample_count; i++) {
        struct bytes wire;
        wanted = &samples[i];
        found = false;
        cr_assert(sample_encode(wanted, &arena, &wire));
        each_line(sample_context(wanted), wanted->stream, finds_sample);
        cr_expect(found, "%s of %s", wanted->name, context_name(sample_context(wanted)));
    }
}

Test(codec_golden, every_kind_has_a_sample)
{
    size_t kinds = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        kinds += codec_contexts[i]->commands.count - 1 + codec_contexts[i]->steps.count - 1 +
                 codec_contexts[i]->events.count - 1 + EVENT_BODY_RECEIPT - EVENT_BODY_DOMAIN;
    cr_expect_eq(sample_count, kinds);
    for (size_t i = 0; i < sample_count; i++)
        cr_expect_str_eq(kind_name(&samples[i]), samples[i].name);
}

/* Digests stand in events and tell a repeated command from a reused id: they may never change. */
Test(codec_golden, commands_have_the_digests_that_they_had)
{
    static const struct {
        const char *name;
        uint64_t digest;
    } rows[] = {
        {"PlaceOrder", UINT64_C(0x91c1e044b491a1a2)},
        {"CancelOrder", UINT64_C(0x5e1e17777dd85ece)},
        {"AddProduct", UINT64_C(0xd01b56d02faf2176)},
        {"ModifyProduct", UINT64_C(0x0d922aeea22f44b6)},
        {"DeleteProduct", UINT64_C(0xe801eb15c916be80)},
        {"IncreaseStock", UINT64_C(0xc6e538cdd5d65e3d)},
        {"DecreaseStock", UINT64_C(0xc02080149f43adf4)},
        {"CountStock", UINT64_C(0x4a14e011fd25d48e)},
        {"OpenAccount", UINT64_C(0x0b177583270f0115)},
        {"DepositFunds", UINT64_C(0x53c536398eba8099)},
        {"WithdrawFunds", UINT64_C(0xcc78dfc7a1c2536e)},
        {"RefundPayment", UINT64_C(0x1f0bd256e93bc9f0)},
    };
    size_t seen = 0;
    for (size_t i = 0; i < sample_count; i++) {
        struct sample decoded;
        struct bytes wire, again;
        if (samples[i].stream != STREAM_COMMANDS)
            continue;
        cr_assert(sample_encode(&samples[i], &arena, &wire));
        cr_assert(
            pass_through(sample_context(&samples[i]), STREAM_COMMANDS, wire, &decoded, &again));
        cr_assert_lt(seen, sizeof rows / sizeof rows[0]);
        cr_expect_str_eq(rows[seen].name, samples[i].name);
        cr_expect_eq(rows[seen].digest, decoded.command.body_digest, "%s: 0x%016" PRIx64,
                     samples[i].name, decoded.command.body_digest);
        seen++;
    }
    cr_expect_eq(seen, sizeof rows / sizeof rows[0]);
}

Test(golden_print, of_all_samples, .init = set_up, .fini = tear_down)
{
    if (!getenv("ORDERLOG_GOLDEN_PRINT"))
        return;
    for (size_t i = 0; i < sample_count; i++) {
        OL_AUTO(ol_text) struct ol_text json = {0};
        struct bytes wire;
        enum context context = sample_context(&samples[i]);
        cr_assert(sample_encode(&samples[i], &arena, &wire));
        cr_assert_eq(json_from_wire(context, samples[i].stream, wire, &json, &error), OL_OK);
        printf("%s.%s.v1: %s ", context_name(context), stream_name(samples[i].stream),
               samples[i].name);
        for (size_t byte = 0; byte < wire.size; byte++)
            printf("%02x", wire.data[byte]);
        printf(" %s\n", ol_text_string(&json));
    }
}
