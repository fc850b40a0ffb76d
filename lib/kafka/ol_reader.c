/* What a reader says of its inboxes, whatever fills them. */
#include "lib/kafka/ol_kafka_reader.h"

#include <assert.h>

int64_t ol_reader_position(const struct ol_reader *reader, size_t index)
{
    struct ol_inbox *inboxes;
    size_t count = ol_reader_inboxes(reader, &inboxes);
    assert(index < count);
    return inboxes[index].position;
}

bool ol_reader_at_end(const struct ol_reader *reader)
{
    struct ol_inbox *inboxes;
    size_t count = ol_reader_inboxes(reader, &inboxes);
    for (size_t i = 0; i < count; i++)
        if (!ol_inbox_at_end(&inboxes[i]))
            return false;
    return true;
}
