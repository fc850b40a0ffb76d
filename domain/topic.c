#include "domain/topic.h"

#include <stddef.h>

#include "domain/assert.h"

const char *stream_name(enum stream stream)
{
    static const char *const names[STREAM_COUNT] = {
        [STREAM_COMMANDS] = "commands",
        [STREAM_STEPS] = "steps",
        [STREAM_EVENTS] = "events",
        [STREAM_DEAD_LETTERS] = "dlq",
    };
    domain_assert(stream < STREAM_COUNT);
    return names[stream];
}

/* The parts with dots between them. */
static struct topic_name join(const char *const parts[], size_t count)
{
    struct topic_name name = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(parts[i]);
        domain_assert(used + bytes + 2 <= sizeof name.text);
        if (i)
            name.text[used++] = '.';
        memcpy(name.text + used, parts[i], bytes);
        used += bytes;
    }
    return name;
}

struct topic_name topic_name(const char *prefix, enum context context, enum stream stream)
{
    const char *parts[] = {prefix, context_name(context), stream_name(stream), "v1"};
    return join(parts, sizeof parts / sizeof *parts);
}

struct topic_name worker_group_name(const char *prefix, enum context context)
{
    const char *parts[] = {prefix, context_name(context), "worker"};
    return join(parts, sizeof parts / sizeof *parts);
}

struct topic_name projector_group_name(const char *prefix)
{
    const char *parts[] = {prefix, "projector"};
    return join(parts, sizeof parts / sizeof *parts);
}
