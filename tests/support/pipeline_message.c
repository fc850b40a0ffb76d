#include "tests/support/pipeline_message.h"

#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"

struct handle {
    size_t bytes, used; /* of all that follows */
    size_t header_count;
    struct ol_header headers[];
};

static size_t alive;

static void *keep(struct handle *handle, const void *data, size_t bytes)
{
    char *copy = (char *)handle + handle->used;
    domain_assert(handle->used + bytes <= handle->bytes);
    handle->used += bytes;
    return data ? memcpy(copy, data, bytes) : NULL;
}

static size_t bytes_of(const struct ol_message *source, const struct ol_header *headers,
                       size_t header_count)
{
    size_t bytes = sizeof(struct handle) + header_count * sizeof *headers;
    bytes += source->key_bytes + source->value_bytes;
    for (size_t i = 0; i < header_count; i++)
        bytes += strlen(headers[i].name) + 1 + headers[i].value_bytes;
    return bytes;
}

struct ol_message pipeline_message(const struct ol_message *source, const struct ol_header *headers,
                                   size_t header_count)
{
    size_t bytes = bytes_of(source, headers, header_count);
    struct handle *handle = malloc(bytes);
    domain_assert(handle);
    *handle = (struct handle){.bytes = bytes, .header_count = header_count};
    handle->used = sizeof *handle + header_count * sizeof *headers;
    for (size_t i = 0; i < header_count; i++)
        handle->headers[i] = (struct ol_header){
            keep(handle, headers[i].name, strlen(headers[i].name) + 1),
            keep(handle, headers[i].value, headers[i].value_bytes), headers[i].value_bytes};

    struct ol_message message = *source;
    message.key = keep(handle, source->key, source->key_bytes);
    message.value = keep(handle, source->value, source->value_bytes);
    message.handle = handle;
    alive++;
    return message;
}

size_t pipeline_messages_alive(void)
{
    return alive;
}

/* ---- what lib/kafka/ol_kafka.h promises ---- */

void ol_message_release(struct ol_message *message)
{
    struct handle *handle = message->handle;
    if (!handle)
        return;
    memset(handle, 0xdb, handle->bytes);
    free(handle);
    message->handle = NULL;
    alive--;
}

void ol_messages_release(struct ol_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ol_message_release(&messages[i]);
}

bool ol_message_header(const struct ol_message *message, size_t index, struct ol_header *ret_header)
{
    const struct handle *handle = message->handle;
    if (index >= handle->header_count)
        return false;
    *ret_header = handle->headers[index];
    return true;
}

bool ol_message_header_named(const struct ol_message *message, const char *name,
                             struct ol_header *ret_header)
{
    const struct handle *handle = message->handle;
    for (size_t i = handle->header_count; i-- > 0;) {
        if (strcmp(handle->headers[i].name, name) == 0) {
            *ret_header = handle->headers[i];
            return true;
        }
    }
    return false;
}
