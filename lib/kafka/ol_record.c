/* How much of a topic's room a record takes, and what tells it from others. Pure. */
#include "lib/kafka/ol_kafka_producer.h"

#include <string.h>

#include "lib/base/ol_hash.h"

#define BATCH_BYTES  61 /* of Kafka's record batch, version 2, before its records */
#define RECORD_BYTES 36 /* of a record's lengths, counts and differences, at most */
#define HEADER_BYTES 10 /* of a header's lengths, at most */

size_t ol_headers_bytes(const struct ol_header *headers, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += HEADER_BYTES + strlen(headers[i].name) + headers[i].value_bytes;
    return bytes;
}

size_t ol_record_bytes(const struct ol_record *record)
{
    return BATCH_BYTES + RECORD_BYTES + record->key_bytes + record->value_bytes +
           ol_headers_bytes(record->headers, record->header_count);
}

uint64_t ol_message_digest(const struct ol_message *message)
{
    return ol_hash_record(message->key, message->key_bytes, message->value, message->value_bytes);
}
