/* What topics take of a record, by their real setting. A record above that is refused for ever. */
#include "consumers/loop.h"

#include "lib/program/ol_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_BYTES            1000000 /* larger batches gain nothing */
#define DEAD_LETTER_MORE_BYTES (64 * 1024)

static enum ol_class ask(struct loop *loop, const char *name, struct batch_topic *ret_topic,
                         struct ol_error *reterr)
{
    struct ol_arena arena;
    struct ol_setting setting = {.name = "max.message.bytes"};
    ol_arena_init(&arena, 1024, 0);
    enum ol_class class = ol_admin_topic_settings(loop->admin, name, &setting, 1,
                                                  (int)loop->options->timeout_ms, &arena, reterr);
    if (!class)
        *ret_topic = (struct batch_topic){
            name, setting.value ? (size_t)strtoull(setting.value, NULL, 10) : 0};
    ol_arena_release(&arena);
    return class;
}

static void take_least(struct batch_topic *least, const struct batch_topic *topic)
{
    if (topic->bytes_max && (!least->bytes_max || topic->bytes_max < least->bytes_max))
        *least = *topic;
}

/* A command may be as large as its topic takes, and as a dead letter it has headers more. */
static void warn_of_dead_letters(const struct loop *loop)
{
    const struct batch_topics *topics = &loop->numbers;
    size_t wanted = topics->commands_are.bytes_max + DEAD_LETTER_MORE_BYTES;
    if (topics->dead_letters_are.bytes_max && topics->dead_letters_are.bytes_max < wanted)
        ol_log(OL_LOG_WARN, "worker", "a command may be too large to be put aside",
               ol_kv("topic", topics->dead_letters_are.name),
               ol_kv("max_message_bytes", topics->dead_letters_are.bytes_max),
               ol_kv("wanted", wanted));
}

enum ol_class loop_ask_limits(struct loop *loop, struct ol_error *reterr)
{
    struct batch_topics *topics = &loop->numbers;
    enum ol_class class =
        ask(loop, loop->topics[STREAM_COMMANDS].text, &topics->commands_are, reterr);
    if (!class)
        class =
            ask(loop, loop->topics[STREAM_DEAD_LETTERS].text, &topics->dead_letters_are, reterr);
    struct batch_topic batches = {0}; /* a batch is refused as a record is */
    for (int i = 0; i < CONTEXT_COUNT && !class; i++) {
        struct batch_topic events;
        class = ask(loop, loop->step_topics[i].text, &topics->steps_are[i], reterr);
        if (!class)
            class = ask(loop, loop->event_topics[i].text, &events, reterr);
        if (class)
            break;
        if (i == (int)loop->context)
            topics->events_are = events;
        take_least(&batches, &topics->steps_are[i]);
        take_least(&batches, &events);
    }
    if (class)
        return class;
    topics->least = loop->context == CONTEXT_ORDERS ? batches : topics->events_are;
    take_least(&batches, &topics->commands_are);
    take_least(&batches, &topics->dead_letters_are);
    warn_of_dead_letters(loop);
    bool small = batches.bytes_max && batches.bytes_max < BATCH_BYTES;
    loop->kafka.settings.batch_bytes = small ? batches.bytes_max : BATCH_BYTES;
    return OL_OK;
}

bool loop_note_misfit(struct loop *loop, int32_t partition, enum cause_source source,
                      int64_t offset, struct ol_error *reterr)
{
    const struct batch_misfit *misfit = &loop->building->misfit;
    if (misfit->partition < 0)
        return false;
    struct loop_obstacle *obstacle =
        &loop->obstacles[partition < 0 ? misfit->partition : partition];
    obstacle->source = source ? source : CAUSE_COMMANDS;
    obstacle->offset = source ? offset : INT64_MAX;
    char input[TOPIC_NAME_BYTES_MAX + 64] = "a deadline";
    if (source)
        snprintf(input, sizeof input, "%s partition %d offset %" PRId64,
                 loop->topics[source == CAUSE_COMMANDS ? STREAM_COMMANDS : STREAM_STEPS].text,
                 partition, offset);
    snprintf(obstacle->reason, sizeof obstacle->reason,
             "what follows from %s has %zu bytes, and topic %s takes %zu (max.message.bytes); see "
             "docs/runbook.md",
             input, misfit->bytes, misfit->topic, misfit->bytes_max);
    ol_fail(reterr, OL_VIOLATED, "%s", obstacle->reason);
    return true;
}
