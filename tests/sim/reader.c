/* What ol_kafka_reader.h and ol_kafka_admin.h of lib/kafka/ promise, over the model of the broker. */
#include "tests/sim/client.h"

#include "lib/guard/protected.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_reader.h"

#include <stdlib.h>

/* ---- a reader ---- */

struct ol_reader {
    struct ol_inbox *inboxes;
    size_t count;
};

enum ol_class ol_reader_open(const struct ol_kafka_settings *settings, enum ol_isolation isolation,
                             size_t partition_count, struct ol_reader **ret_reader,
                             struct ol_error *reterr)
{
    (void)settings, (void)isolation, (void)partition_count;
    if (client_is_dead())
        return client_fail_dead(reterr);
    *ret_reader = calloc(1, sizeof **ret_reader);
    return *ret_reader ? OL_OK : ol_fail(reterr, OL_FATAL, "no memory");
}

bool ol_reader_close(struct ol_reader *reader)
{
    if (reader)
        free(reader->inboxes);
    free(reader);
    return true;
}

enum ol_class ol_reader_assign(struct ol_reader *reader, const struct ol_offset *positions,
                               size_t position_count, struct ol_error *reterr)
{
    if (client_is_dead())
        return client_fail_dead(reterr);
    free(reader->inboxes);
    reader->inboxes = malloc((position_count + 1) * sizeof *reader->inboxes);
    if (!reader->inboxes)
        abort();
    reader->count = position_count;
    for (size_t i = 0; i < position_count; i++)
        inbox_init(&reader->inboxes[i], broker_part(positions[i].topic, positions[i].partition),
                   (int32_t)i, positions[i].offset);
    return OL_OK;
}

static size_t read_some(struct ol_reader *reader, struct ol_message *messages, size_t max)
{
    size_t taken = 0;
    for (size_t i = 0; i < reader->count; i++)
        while (taken < max && ol_inbox_take(&reader->inboxes[i], &messages[taken]))
            taken++;
    return taken;
}

enum ol_class ol_reader_poll(struct ol_reader *reader, int timeout_ms, struct ol_message *messages,
                             size_t max, size_t *ret_count, struct ol_error *reterr)
{
    int64_t until_us = world->now_us + timeout_ms * MS;
    sim_sleep(sim_delay(world->knobs.latency_us));
    *ret_count = read_some(reader, messages, max);
    if (!*ret_count && !ol_reader_at_end(reader)) {
        sim_block(until_us);
        *ret_count = read_some(reader, messages, max);
    } else if (!*ret_count) {
        sim_block(until_us);
    }
    if (client_is_dead())
        return client_fail_dead(reterr);
    if (*ret_count > 1)
        count(COUNT_REPLAYED);
    for (size_t i = 0; i < reader->count; i++)
        if (reader->inboxes[i].error.class)
            return ol_fail(reterr, OL_VIOLATED, "%s", reader->inboxes[i].error.text);
    return OL_OK;
}

size_t ol_reader_inboxes(const struct ol_reader *reader, struct ol_inbox **ret_inboxes)
{
    *ret_inboxes = reader->inboxes;
    return reader->count;
}

/* ---- look-ups ---- */

/* Topics take what the worker writes. */
enum ol_class ol_admin_topic_settings(struct ol_admin *admin, const char *topic,
                                      struct ol_setting *settings, size_t setting_count,
                                      int timeout_ms, struct ol_arena *arena,
                                      struct ol_error *reterr)
{
    (void)admin, (void)topic, (void)timeout_ms, (void)arena;
    if (client_is_dead())
        return client_fail_dead(reterr);
    for (size_t i = 0; i < setting_count; i++)
        settings[i].value = "1048588";
    return OL_OK;
}

enum ol_class ol_admin_watermarks(struct ol_admin *admin, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr)
{
    (void)admin;
    int64_t until_us = world->now_us + timeout_ms * MS;
    do {
        sim_sleep(sim_delay(world->knobs.latency_us));
        if (client_is_dead())
            return client_fail_dead(reterr);
        if (world->now_us >= until_us)
            return ol_fail(reterr, OL_RETRY, "the broker is away");
    } while (!broker_is_up());
    const struct part *part = broker_part(topic, partition);
    if (ret_low)
        *ret_low = part->first;
    *ret_high = PROTECTED(high_watermark) ? part->count : part->stable;
    if (part->count > part->stable)
        count(COUNT_STABLE_BELOW_HIGH);
    return OL_OK;
}
