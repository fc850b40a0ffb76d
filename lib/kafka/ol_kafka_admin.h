/*
 * lib/kafka/ol_kafka_admin.h - topics, configurations, watermarks and group offsets.
 *
 * One read_uncommitted handle, good for all of a role's look-ups: open it once.
 * Threads: any number may call at once. Every call is bounded by its timeout_ms.
 * Answers live in the caller's arena.
 */
#ifndef OL_KAFKA_ADMIN_H
#define OL_KAFKA_ADMIN_H

#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka.h"

struct ol_admin;
struct ol_reader;       /* ol_kafka_reader.h */
struct ol_group_handle; /* asks for one group's offsets */

struct ol_setting {
    const char *name, *value;
};

/* A topic to make. */
struct ol_topic_plan {
    const char *name;
    int32_t partition_count;
    int replication_factor;
    const struct ol_setting *settings; /* e.g. message.timestamp.type = LogAppendTime */
    size_t setting_count;
};

/* A topic as it is. partition_count 0: there is none. */
struct ol_topic_state {
    const char *name;
    int32_t partition_count;
    int replication_factor;
};

/* Someone in a consumer group, and one of its partitions. Group without members: no rows. */
struct ol_group_owner {
    const char *topic;
    int32_t partition;
    const char *client_id, *instance, *host; /* instance: "" if the member is not static */
};

enum ol_class ol_admin_open(const struct ol_kafka_settings *settings, struct ol_admin **ret_admin,
                            struct ol_error *reterr);
/* Bounded (5 s); false: librdkafka hangs, exit soon. Takes NULL. */
bool ol_admin_close(struct ol_admin *admin);

/* "MkU3OEVBNTcwNTJENDM2Qk", in the arena. */
enum ol_class ol_admin_cluster_id(struct ol_admin *admin, int timeout_ms, struct ol_arena *arena,
                                  const char **ret_id, struct ol_error *reterr);

/* Fills partition_count (0: there is no such topic) and replication_factor of each named row. While
 * a broker comes back its partitions have no leader: that is waited for. */
enum ol_class ol_admin_describe_topics(struct ol_admin *admin, struct ol_topic_state *topics,
                                       size_t count, int timeout_ms, struct ol_error *reterr);

/* Fills the value of each named setting of one topic (in the arena; NULL: no such setting). */
enum ol_class ol_admin_topic_settings(struct ol_admin *admin, const char *topic,
                                      struct ol_setting *settings, size_t count, int timeout_ms,
                                      struct ol_arena *arena, struct ol_error *reterr);

/* Makes the topics and waits until their metadata is known. One that is there already is left as it
 * is and is no failure: describe it afterwards. */
enum ol_class ol_admin_create_topics(struct ol_admin *admin, const struct ol_topic_plan *plans,
                                     size_t count, int timeout_ms, struct ol_error *reterr);

/* One that is not there is no failure. */
enum ol_class ol_admin_delete_topics(struct ol_admin *admin, const char *const *topics,
                                     size_t count, int timeout_ms, struct ol_error *reterr);

/* First offset and high watermark (never the last stable offset), asked from the broker, one
 * question each; ret_low NULL: the first offset is not asked. */
enum ol_class ol_admin_watermarks(struct ol_admin *admin, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr);

/* Both ends of a partition: the last stable offset, which `committed`, a read_committed reader,
 * sees, and the high watermark. The stable one is asked first, so that it is not above the
 * other. */
enum ol_class ol_admin_ends(struct ol_admin *admin, struct ol_reader *committed, const char *topic,
                            int32_t partition, int timeout_ms, int64_t *ret_stable,
                            int64_t *ret_high, struct ol_error *reterr);

/* For each place, whose `offset` holds a time in ms: the first offset at or after it; -1: none. */
enum ol_class ol_admin_offsets_for_times(struct ol_admin *admin, struct ol_offset *places,
                                         size_t count, int timeout_ms, struct ol_error *reterr);

/* The group's committed offset of each place; -1: none. For people and gauges: offsets that an open
 * transaction may still commit are not waited for (under load there is always one); whoever goes
 * on from them asks ol_consumer_committed(). *handle is this group's, one owner: NULL is made, and
 * stays for the next question; one that failed is dropped, and in the time that is left another is
 * asked. Close it before the admin. */
enum ol_class ol_admin_group_offsets(struct ol_admin *admin, const char *group,
                                     struct ol_group_handle **handle, struct ol_offset *places,
                                     size_t count, int timeout_ms, struct ol_error *reterr);
/* Bounded (5 s); false: librdkafka hangs, exit soon. Takes NULL. */
bool ol_group_handle_close(struct ol_group_handle *handle);

/* Who owns what; rows in the arena. An unknown group has no rows. */
enum ol_class ol_admin_group_owners(struct ol_admin *admin, const char *group, int timeout_ms,
                                    struct ol_arena *arena, struct ol_group_owner **ret_owners,
                                    size_t *ret_count, struct ol_error *reterr);

/* Does this cluster keep the promises that the pipeline rests on? Makes a scratch topic of that
 * name and tries: commit, abort, read_committed sees just the committed, the last stable offset
 * stands still while a transaction is open and the high watermark does not, an old producer is
 * fenced by a new one with its id, LogAppendTime sticks. Then deletes the topic. OL_VIOLATED says
 * in a sentence which promise is not kept. About a second. */
enum ol_class ol_kafka_smoke(const struct ol_kafka_settings *settings, const char *scratch_topic,
                             int replication_factor, struct ol_error *reterr);

#endif
