/*
 * lib/kafka/ol_kafka_internal.h - what the files of the wrapper share; nobody else includes it.
 */
#ifndef OL_KAFKA_INTERNAL_H
#define OL_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/kafka/ol_inbox.h"
#include "lib/kafka/ol_kafka.h"
#include "lib/kafka/ol_kafka_producer.h"

/* Which of the settings' rows apply to a handle. */
enum ol_kafka_kind {
    OL_KIND_PRODUCER = 1,  /* transactional */
    OL_KIND_PUBLISHER = 2, /* idempotent */
    OL_KIND_CONSUMER = 4,  /* member of a group */
    OL_KIND_READER = 8,
    OL_KIND_ADMIN = 16,
};

/* The last words of the library's error callback: the cause behind a timeout. Opaque of every
 * rd_kafka_t, and lives as long as that. */
struct ol_kafka_voice {
    ol_kafka_log *log;
    void *log_opaque;
    pthread_mutex_t lock;
    char last_error[256];
    void *owner;              /* who opened the handle, for its callbacks */
    struct ol_inbox *reading; /* errors called back now are this partition's */
};

/* Unblocks a poll() when librdkafka puts something in a queue. Lives as long as the queues. */
struct ol_wake {
    int fd;
    atomic_bool signalled;
    atomic_bool called; /* by a person, not a queue: kept until the next sleep */
};

/* ol_kafka.c */

/* One more value for a new handle, over the table and under the user's extras. */
struct ol_kafka_value {
    const char *name, *text;
};

/* The configuration of one handle; rd_kafka_conf_destroy() it unless rd_kafka_new() took it.
 * NULL: OL_USAGE for the user's extras, OL_FATAL for our own. */
rd_kafka_conf_t *ol_kafka_conf(const struct ol_kafka_settings *settings, enum ol_kafka_kind kind,
                               const struct ol_kafka_value *values, size_t value_count,
                               struct ol_error *reterr);

/* Makes the handle from `conf` (taken either way) and gives it a voice, to be freed after it. */
rd_kafka_t *ol_kafka_new(const struct ol_kafka_settings *settings, enum ol_kafka_kind kind,
                         rd_kafka_conf_t *conf, struct ol_kafka_voice **ret_voice,
                         struct ol_error *reterr);

/* Destroys handle and voice on a thread of its own. False: it takes longer than timeout_ms; both
 * are left to that thread, which frees them if it ever ends. Takes NULL. */
bool ol_kafka_destroy(rd_kafka_t *rk, struct ol_kafka_voice *voice, int flags, int timeout_ms);

/* Runs `work` on a thread of its own. False: not done in time; it goes on, so what `argument`
 * points to must stay for ever. */
bool ol_kafka_bounded(void (*work)(void *argument), void *argument, int timeout_ms);

enum ol_class ol_kafka_class(rd_kafka_resp_err_t code);

/* "what: the library's words (NAME)", with the code's class. */
enum ol_class ol_kafka_fail(struct ol_error *reterr, rd_kafka_resp_err_t code, const char *words,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for an error object, which is destroyed. A fatal one has its root cause's class. */
enum ol_class ol_kafka_fail_error(rd_kafka_t *rk, rd_kafka_error_t *error, struct ol_error *reterr,
                                  const char *what);

/* Copies the last words of the library ("" if none) to text. */
void ol_kafka_last_words(struct ol_kafka_voice *voice, char *text, size_t bytes);

/* timeout or transport -> OL_UNREACHABLE naming the brokers, else ol_kafka_fail(). */
enum ol_class ol_kafka_fail_reach(const struct ol_kafka_settings *settings,
                                  struct ol_kafka_voice *voice, rd_kafka_resp_err_t code,
                                  struct ol_error *reterr, const char *what);

/* What is left until then, by the monotonic clock, at least 1 ms: for a call's timeout. */
int ol_kafka_left_ms(int64_t until_ms);

/* For questions to a broker that is coming: waits a moment and is true, until the time is over. */
bool ol_kafka_ask_again(int64_t until_ms);

/* A list for the library; offsets included. NULL: no memory. */
rd_kafka_topic_partition_list_t *ol_kafka_list(const struct ol_offset *places, size_t count);

/* Writes the list's offsets back to the places that it was made from; -1 for none. The first
 * partition's error ends it. */
enum ol_class ol_kafka_list_read(const rd_kafka_topic_partition_list_t *list,
                                 struct ol_offset *places, size_t count, const char *what,
                                 struct ol_error *reterr);

/* A leader that is being elected is waited for. ret_low NULL: not asked. */
enum ol_class ol_kafka_watermarks(rd_kafka_t *rk, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr);

/* Per-partition shares of settings->fetch_budget_bytes, as values for ol_kafka_conf(). */
#define OL_KAFKA_SHARES 2
struct ol_kafka_shares {
    char queued_kbytes[24], fetch_bytes[24];
};
void ol_kafka_share(const struct ol_kafka_settings *settings, size_t partition_count,
                    struct ol_kafka_shares *shares, struct ol_kafka_value *ret_values);

/* ol_kafka_inbox.c */

bool ol_wake_init(struct ol_wake *wake);
void ol_wake_release(struct ol_wake *wake);
void ol_wake_signal(struct ol_wake *wake); /* any thread */
void ol_wake_call(struct ol_wake *wake);   /* any thread; not lost if nobody sleeps yet */
void ol_wake_watch(struct ol_wake *wake, rd_kafka_queue_t *queue);
void ol_wake_unwatch(rd_kafka_queue_t *queue);

/* Call before looking at the queues, then sleep only if they were empty. */
void ol_wake_arm(struct ol_wake *wake);
/* Sleeps until signalled or called, `fd` (-1: none) is readable, or the time is over. */
void ol_wake_sleep(struct ol_wake *wake, int fd, int timeout_ms);

/* Takes the partition's own queue, cut loose from the handle's, before fetching starts. */
bool ol_inbox_init(struct ol_inbox *inbox, rd_kafka_t *rk, struct ol_wake *wake, const char *topic,
                   int32_t topic_index, int32_t partition, int64_t position);
void ol_inbox_release(struct ol_inbox *inbox);

/* ol_kafka_consumer.c */
const rd_kafka_consumer_group_metadata_t *ol_group_metadata(const struct ol_group *group);

/* ol_kafka_producer.c */
enum ol_class ol_kafka_produce_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, int flags,
                                   const struct ol_record *record, struct ol_error *reterr);

#endif
