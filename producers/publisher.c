#include "producers/publisher.h"

#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_clock.h"
#include "lib/base/ol_id.h"
#include "lib/base/ol_unseen.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "proto/codec.h"

#define ENCODE_BLOCK_BYTES  (64 * 1024)
#define ENCODE_BUDGET_BYTES (8 * 1024 * 1024)

struct published_topic {
    struct topic_name name;
    int32_t number; /* librdkafka's handle, by ol_publisher_topic() */
    int32_t partitions;
};

struct publisher {
    struct publisher_settings settings;
    struct ol_publisher_handle *handle;
    struct published_topic topics[CONTEXT_COUNT];
    struct ol_arena arena; /* one message's encoding */
};

struct publisher_settings publisher_settings_of(const struct ol_options *options,
                                                const struct ol_kafka_settings *kafka)
{
    bool said = strcmp(options->origins[OL_OPTION_ID_partitions], "default") != 0;
    return (struct publisher_settings){
        .kafka = kafka,
        .prefix = options->topic_prefix,
        .partitions = said ? (int32_t)options->partitions : 0,
        .actor = options->actor,
        .traceparent = options->traceparent,
    };
}

static void admin_auto(struct ol_admin **admin)
{
    ol_admin_close(*admin);
}

/* How many partitions each topic has, and whether that is what the user said. */
static enum ol_class describe(struct publisher *publisher, int timeout_ms, struct ol_error *reterr)
{
    OL_AUTO(admin) struct ol_admin *admin = NULL;
    enum ol_class class = ol_admin_open(publisher->settings.kafka, &admin, reterr);
    if (class)
        return class;

    struct ol_topic_state states[CONTEXT_COUNT];
    for (int i = 0; i < CONTEXT_COUNT; i++)
        states[i] = (struct ol_topic_state){.name = publisher->topics[i].name.text};
    class = ol_admin_describe_topics(admin, states, CONTEXT_COUNT, timeout_ms, reterr);
    if (class)
        return class;

    int32_t wanted = publisher->settings.partitions;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        int32_t count = states[i].partition_count;
        if (count > PARTITIONS_MAX)
            return ol_fail(reterr, OL_USAGE,
                           "the topic %s has %d partitions; orderlog takes %d at "
                           "most",
                           states[i].name, count, PARTITIONS_MAX);
        if (wanted && count && count != wanted)
            return ol_fail(reterr, OL_USAGE,
                           "the topic %s has %d partitions, and the setting "
                           "partitions says %d: leave it out, or set it to what `orderlog topics "
                           "plan` shows",
                           states[i].name, count, wanted);
        publisher->topics[i].partitions = count;
    }
    return OL_OK;
}

static enum ol_class open_handle(struct publisher *publisher, int timeout_ms,
                                 struct ol_error *reterr)
{
    const struct publisher_settings *settings = &publisher->settings;
    enum ol_class class = ol_kafka_ping(settings->kafka, timeout_ms, reterr);
    if (!class)
        class = describe(publisher, timeout_ms, reterr);
    if (!class)
        class = ol_publisher_open(settings->kafka, settings->handler, settings->handler_context,
                                  &publisher->handle, reterr);
    if (class)
        return class;
    for (int i = 0; i < CONTEXT_COUNT; i++) {
        struct published_topic *topic = &publisher->topics[i];
        topic->number = ol_publisher_topic(publisher->handle, topic->name.text);
        if (topic->number < 0)
            return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    return OL_OK;
}

enum ol_class publisher_open(const struct publisher_settings *settings, int timeout_ms,
                             struct publisher **ret_publisher, struct ol_error *reterr)
{
    size_t prefix_bytes = strlen(settings->prefix);
    if (prefix_bytes == 0 || prefix_bytes > TOPIC_PREFIX_BYTES_MAX)
        return ol_fail(reterr, OL_USAGE, "a topic prefix has 1 to %d bytes, this one %zu",
                       TOPIC_PREFIX_BYTES_MAX, prefix_bytes);
    OL_AUTO(publisher) struct publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    publisher->settings = *settings;
    ol_arena_init(&publisher->arena, ENCODE_BLOCK_BYTES, ENCODE_BUDGET_BYTES);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        publisher->topics[i].name = topic_name(settings->prefix, (enum context)i, STREAM_COMMANDS);

    enum ol_class class = open_handle(publisher, timeout_ms, reterr);
    if (class)
        return class;
    *ret_publisher = OL_STEAL(publisher);
    return OL_OK;
}

void publisher_close(struct publisher *publisher)
{
    if (!publisher)
        return;
    ol_publisher_close(publisher->handle);
    ol_arena_release(&publisher->arena);
    free(publisher);
}

enum ol_class publisher_complete(const struct publisher *publisher, struct command *command,
                                 struct ol_arena *arena, struct ol_error *reterr)
{
    struct metadata *metadata = &command->metadata;
    if (metadata->command_id.bytes == 0) {
        char id[OL_ID_UUID_TEXT_BYTES];
        ol_id_new(id);
        const char *copy = ol_arena_copy(arena, id, strlen(id));
        if (!copy)
            return ol_fail(reterr, OL_FATAL, "out of memory");
        metadata->command_id = text_of(copy);
    }
    if (metadata->actor.bytes == 0)
        metadata->actor = text_of(publisher->settings.actor);
    if (metadata->occurred_at_us == TIME_NONE)
        metadata->occurred_at_us = ol_clock_wall_us();
    return OL_OK;
}

enum ol_class publisher_check(const struct command *command, struct ol_error *reterr)
{
    const struct text *id = &command->metadata.command_id;
    struct text key = command_aggregate(command);
    if (!ol_id_clean(id->data, id->bytes))
        return ol_fail(reterr, OL_POISON, "the command id must be 1 to %d bytes of " OL_UNSEEN_RULE,
                       ID_BYTES_MAX);
    if (!ol_id_clean(key.data, key.bytes))
        return ol_fail(reterr, OL_POISON, "the %s must be 1 to %d bytes of " OL_UNSEEN_RULE,
                       command->context == CONTEXT_ORDERS      ? "order id"
                       : command->context == CONTEXT_INVENTORY ? "SKU"
                                                               : "customer id",
                       ID_BYTES_MAX);
    return OL_OK;
}

enum ol_class publisher_publish(struct publisher *publisher, const struct command *command,
                                void *opaque, struct ol_error *reterr)
{
    enum ol_class class = publisher_check(command, reterr);
    if (class)
        return class;
    ol_arena_clear(&publisher->arena);
    struct bytes wire;
    if (!codec_encode_command(command, &publisher->arena, &wire))
        return ol_fail(reterr, OL_POISON, "the command is far larger than %d bytes",
                       MESSAGE_BYTES_MAX);
    return publisher_publish_encoded(publisher, command->context, command_aggregate(command),
                                     wire.data, wire.size, publisher->settings.traceparent, opaque,
                                     reterr);
}

enum ol_class publisher_publish_encoded(struct publisher *publisher, enum context context,
                                        struct text key, const void *value, size_t value_bytes,
                                        const char *traceparent, void *opaque,
                                        struct ol_error *reterr)
{
    const struct published_topic *topic = &publisher->topics[context];
    if (topic->partitions == 0)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "there is no topic %s: make the topics with `orderlog "
                       "topics apply --execute`, or name their prefix",
                       topic->name.text);
    if (value_bytes > MESSAGE_BYTES_MAX)
        return ol_fail(reterr, OL_POISON,
                       "the command is %zu bytes, more than the %d that a "
                       "message may have",
                       value_bytes, MESSAGE_BYTES_MAX);

    domain_assert(topic->number >= 0 && topic->partitions <= PARTITIONS_MAX); /* as opened */
    struct ol_header header = {.name = "traceparent", .value = traceparent};
    header.value_bytes = traceparent ? strlen(traceparent) : 0;
    struct ol_record record = {
        .topic = topic->number,
        .partition = partition_of(key, topic->partitions),
        .key = key.data,
        .key_bytes = key.bytes,
        .value = value,
        .value_bytes = value_bytes,
        .headers = &header,
        .header_count = header.value_bytes ? 1 : 0,
        .opaque = opaque,
    };
    return ol_publisher_publish(publisher->handle, &record, reterr);
}

size_t publisher_poll(struct publisher *publisher, int timeout_ms)
{
    return ol_publisher_poll(publisher->handle, timeout_ms);
}

enum ol_class publisher_flush(struct publisher *publisher, int timeout_ms, struct ol_error *reterr)
{
    return ol_publisher_flush(publisher->handle, timeout_ms, reterr);
}

size_t publisher_pending(const struct publisher *publisher)
{
    return ol_publisher_pending(publisher->handle);
}

int32_t publisher_partitions(const struct publisher *publisher, enum context context)
{
    return publisher->topics[context].partitions;
}

enum ol_class publisher_class(enum ol_class class)
{
    return class == OL_RETRY ? OL_UNREACHABLE : class;
}
