#include "domain/step_id.h"

#include "domain/assert.h"

#define REPLY       "/r"
#define REPLY_BYTES 2
#define NUMBER_MAX  UINT16_MAX

_Static_assert(STEP_ID_STEM_BYTES_MAX + sizeof "/9223372036854775807/65535" - 1 + REPLY_BYTES <=
                   ID_BYTES_MAX,
               "a stem leaves room for what stands behind it");

static uint32_t put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + first, sizeof digits - first);
    return (uint32_t)(sizeof digits - first);
}

uint32_t step_id_write(struct text stem, struct asker asker, char ret_id[ID_BYTES_MAX])
{
    domain_assert(stem.bytes > 0 && stem.bytes <= STEP_ID_STEM_BYTES_MAX);
    domain_assert(asker.version >= 0 && asker.number >= 0 && asker.number <= NUMBER_MAX);
    memcpy(ret_id, stem.data, stem.bytes);
    uint32_t bytes = stem.bytes;
    ret_id[bytes++] = '/';
    bytes += put_number(ret_id + bytes, (uint64_t)asker.version);
    ret_id[bytes++] = '/';
    return bytes + put_number(ret_id + bytes, (uint64_t)asker.number);
}

/* What goes to orders and was asked for is an answer. */
static bool is_reply(const struct step_message *step)
{
    return step->context == CONTEXT_ORDERS;
}

uint32_t step_id_following(const struct step_message *step, char ret_id[ID_BYTES_MAX])
{
    struct text order = step_order(step);
    if (step->asker.version <= 0 || step->asker.number <= 0 || step->asker.number > NUMBER_MAX ||
        order.bytes == 0 || order.bytes > STEP_ID_STEM_BYTES_MAX)
        return 0;
    uint32_t bytes = step_id_write(order, step->asker, ret_id);
    if (!is_reply(step))
        return bytes;
    memcpy(ret_id + bytes, REPLY, REPLY_BYTES);
    return bytes + REPLY_BYTES;
}

struct text step_id_following_cause(const struct step_message *step, struct text id)
{
    if (!is_reply(step))
        return step->metadata.correlation_id;
    domain_assert(id.bytes > REPLY_BYTES);
    return (struct text){id.data, id.bytes - REPLY_BYTES};
}
