#include "lib/kafka/ol_kafka_options.h"

#include <string.h>

#include "lib/base/ol_text.h"
#include "lib/program/ol_log.h"

#define ARENA_BLOCK_BYTES (8 * 1024)

/* The library's own lines are for those who look for them: failures come back as sentences. */
static void log_line(void *opaque, int level, const char *text)
{
    (void)opaque;
    ol_log(OL_LOG_DEBUG, "kafka", "librdkafka", ol_kv("severity", level), ol_kv("text", text));
}

/* "a:1,b:2" in the arena; NULL: no memory. */
static const char *join(struct ol_arena *arena, const struct ol_option_list *list)
{
    struct ol_text text = {0};
    for (size_t i = 0; i < list->count; i++)
        ol_text_addf(&text, "%s%s", i ? "," : "", list->items[i]);
    const char *joined = NULL;
    if (ol_text_string(&text))
        joined = ol_arena_copy(arena, ol_text_string(&text), text.size_bytes);
    ol_text_release(&text);
    return joined;
}

/* "name=value" rows of the -X options, in the arena; false: no memory. */
static bool copy_properties(struct ol_kafka_connection *connection,
                            const struct ol_options *options)
{
    size_t count = options->kafka_property_count;
    const char **extra = ol_arena_zalloc(&connection->arena, (count + 1) * sizeof *extra);
    if (!extra)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct ol_option_property *property = &options->kafka_properties[i];
        size_t name_bytes = strlen(property->name), value_bytes = strlen(property->value);
        char *row = ol_arena_zalloc(&connection->arena, name_bytes + value_bytes + 2);
        if (!row)
            return false;
        memcpy(row, property->name, name_bytes);
        row[name_bytes] = '=';
        memcpy(row + name_bytes + 1, property->value, value_bytes);
        extra[i] = row;
    }
    connection->settings.extra = extra;
    connection->settings.extra_count = count;
    return true;
}

/* One property after the other, so that one of the INI file is named with its place. */
static enum ol_class check(const struct ol_kafka_connection *connection,
                           const struct ol_options *options, struct ol_error *reterr)
{
    struct ol_kafka_settings settings = connection->settings;
    settings.extra_count = 0;
    enum ol_class class = ol_kafka_check(&settings, reterr);
    while (!class && settings.extra_count < options->kafka_property_count) {
        const char *origin = options->kafka_properties[settings.extra_count++].origin;
        class = ol_kafka_check(&settings, reterr);
        if (class && strcmp(origin, "flag") != 0)
            ol_fail_in(reterr, "%s", origin);
    }
    return class;
}

enum ol_class ol_kafka_connection_init(struct ol_kafka_connection *ret_connection,
                                       const struct ol_options *options, const char *client_id,
                                       struct ol_error *reterr)
{
    struct ol_kafka_connection *connection = ret_connection;
    ol_arena_init(&connection->arena, ARENA_BLOCK_BYTES, 0);
    const char *brokers = join(&connection->arena, &options->kafka_brokers);
    const char *id = ol_arena_copy(&connection->arena, client_id, strlen(client_id));
    if (brokers && id)
        connection->settings = ol_kafka_defaults(brokers, id);
    if (!brokers || !id || !copy_properties(connection, options)) {
        ol_arena_release(&connection->arena);
        return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    connection->settings.transaction_timeout_ms = (int)options->transaction_timeout_ms;
    connection->settings.session_timeout_ms = (int)options->session_timeout_ms;
    connection->settings.log = log_line;

    enum ol_class class = check(connection, options, reterr);
    if (class)
        ol_arena_release(&connection->arena);
    return class;
}

void ol_kafka_connection_release(struct ol_kafka_connection *connection)
{
    ol_arena_release(&connection->arena);
}
