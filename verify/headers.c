#include "verify/headers.h"

#include <string.h>

#include "domain/partition.h"
#include "lib/base/ol_int.h"

void headers_text(const struct ol_message *message, const char *name, char *buffer,
                  size_t buffer_bytes)
{
    struct ol_header header;
    size_t bytes = 0;
    if (ol_message_header_named(message, name, &header) && header.value)
        bytes = header.value_bytes < buffer_bytes ? header.value_bytes : buffer_bytes - 1;
    if (bytes)
        memcpy(buffer, header.value, bytes);
    buffer[bytes] = '\0';
}

static bool read_position(const char *partition, size_t partition_bytes, const char *offset,
                          struct headers_origin *origin)
{
    int64_t number;
    if (ol_int_parse(partition, partition_bytes, 0, PARTITIONS_MAX - 1, &number))
        return false;
    origin->partition = (int32_t)number;
    return ol_int_parse(offset, strlen(offset), 0, INT64_MAX, &origin->offset) == OL_INT_OK;
}

bool headers_passed_on(const struct ol_message *message, struct headers_origin *ret_origin)
{
    char text[TOPIC_NAME_BYTES_MAX + 40];
    headers_text(message, HEADERS_PASSED_ON, text, sizeof text);
    char *offset = strrchr(text, '/');
    if (!offset)
        return false;
    *offset++ = '\0';
    char *partition = strrchr(text, '/');
    if (!partition || partition - text >= (ptrdiff_t)sizeof ret_origin->topic)
        return false;
    *partition++ = '\0';
    memcpy(ret_origin->topic, text, strlen(text) + 1);
    return read_position(partition, strlen(partition), offset, ret_origin);
}

bool headers_dead_letter(const struct ol_message *message, struct headers_origin *ret_origin)
{
    char partition[16], offset[24];
    headers_text(message, HEADERS_CONNECT "topic", ret_origin->topic, sizeof ret_origin->topic);
    headers_text(message, HEADERS_CONNECT "partition", partition, sizeof partition);
    headers_text(message, HEADERS_CONNECT "offset", offset, sizeof offset);
    return *ret_origin->topic && read_position(partition, strlen(partition), offset, ret_origin);
}
