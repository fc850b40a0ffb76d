/*
 * projections/role_gauges.h - what worker and projector show alike, and which server is away.
 *
 * open -> { partition_ends, show_lag | hide; show_sagas } every few seconds -> close.
 * Asks the broker for the ends of partitions and the database for its open sagas, and sets the
 * gauges. Decides nothing: a server that does not answer is a reason not to be ready, and asked
 * again later. One thread; the reasons may be read from any.
 */
#ifndef PROJECTIONS_ROLE_GAUGES_H
#define PROJECTIONS_ROLE_GAUGES_H

#include <stdatomic.h>

#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/http/ol_http.h"
#include "lib/http/ol_lag.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_reader.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_options.h"

struct role_gauges {
    const struct ol_options *options;
    const char *application; /* as the database sees it */
    struct ol_admin *admin;
    struct ol_reader *reader; /* read_committed: its end is the last stable offset */
    struct ol_pg *db;
    struct ol_lag lags[CONTEXT_COUNT][STREAM_COUNT][PARTITIONS_MAX];
    _Atomic bool kafka_away, postgres_away; /* when last asked */
};

/* A partition of a topic, whose name outlives the call. */
struct role_partition {
    enum context context;
    enum stream stream;
    int32_t partition;
    const char *topic;
};

/* Fills zeroed gauges; all arguments outlive them. Failures as ol_reader_open(). */
enum ol_class role_gauges_open(struct role_gauges *gauges, const struct ol_options *options,
                               const char *application, struct ol_admin *admin,
                               const struct ol_kafka_settings *kafka, struct ol_error *reterr);
void role_gauges_close(struct role_gauges *gauges);

/* Last stable offset and high watermark; sets the gauge of what lies between. False: the broker
 * does not answer. */
bool role_gauges_ends(struct role_gauges *gauges, const struct role_partition *of,
                      int64_t *ret_stable, int64_t *ret_high);

/* Notes whether the broker answered in this round. Ask it even where no partition is ours: its
 * absence may be why. */
bool role_gauges_kafka_answers(struct role_gauges *gauges, const char *topic);
void role_gauges_note_kafka(struct role_gauges *gauges, bool answers);

/* By the one rule of ol_lag.h. `position` is read after the end was. */
void role_gauges_show_lag(struct role_gauges *gauges, const struct role_partition *of,
                          int64_t position, int64_t stable_end, int64_t oldest_ms);

/* The partition is not ours (any more). */
void role_gauges_hide(struct role_gauges *gauges, const struct role_partition *of);

/* Open sagas and the oldest one's age; hidden while the database does not answer. */
void role_gauges_show_sagas(struct role_gauges *gauges);

/* The servers that did not answer when they were last asked. From any thread. */
void role_gauges_reasons(struct role_gauges *gauges, struct ol_http_reasons *reasons);

#endif
