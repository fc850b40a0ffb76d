/*
 * projections/load.h - rows of the projection -> states a decider works on.
 *
 * The one door through which consumers/ may look at projections/. A load is one snapshot
 * (REPEATABLE READ, READ ONLY): the states, and how far the projection had come, as one truth: a
 * loaded state has folded every event of its partition below that partition's next_offset.
 *
 * send() does not wait for the server, so that a worker can commit a Kafka transaction meanwhile;
 * receive() collects. One load may be under way per struct load. One thread.
 */
#ifndef PROJECTIONS_LOAD_H
#define PROJECTIONS_LOAD_H

#include "domain/entity.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"
#include "lib/pg/ol_pg.h"

/* How far the projection of one events partition has come. */
struct load_progress {
    int64_t next_offset;      /* 0: nothing projected yet */
    int64_t last_offset;      /* of the last event projected; -1: none */
    uint64_t last_digest;     /* XXH3-64 of that event's key and value bytes */
    int64_t last_recorded_us; /* that event's recorded_at; TIME_NONE: none */
    bool has_receipt;
    struct receipt receipt; /* the last one projected */
};

struct load;

/* `topic` is the context's events topic (its name keys projection_progress). Borrows `db`.
 * partition_count: 1 to PARTITIONS_MAX. NULL: out of memory. */
struct load *load_new(struct ol_pg *db, enum context context, const char *topic,
                      int32_t partition_count);
void load_free(struct load *load);

/* Asks for `count` keys (any kinds of the context) and for the progress of all partitions. The keys
 * and their texts must stay until receive() has returned. */
enum ol_class load_send(struct load *load, const struct entity_key *keys, size_t count,
                        struct ol_error *reterr);

/* Waits (at most timeout_ms) for what send() asked. ret_entities[i] is the state of keys[i], absent
 * where there is no row; texts and lines live in the arena. ret_progress has partition_count
 * entries. OL_RETRY: the connection is gone or too slow, ask again after a reconnect. */
enum ol_class load_receive(struct load *load, int timeout_ms, struct ol_arena *arena,
                           struct entity *ret_entities, struct load_progress *ret_progress,
                           struct ol_error *reterr);

/* An order whose saga is open: what the owner of a partition needs for its deadlines. */
struct load_deadline {
    struct text order_id;
    int64_t deadline_us;
};

/* All open sagas (running or undoing) of one partition, in any order, and the progress that they
 * were read at, of all partitions (room for partition_count). Blocks; arena owns the result. */
enum ol_class load_deadlines(struct load *load, int32_t partition, struct ol_arena *arena,
                             struct load_deadline **ret_deadlines, size_t *ret_count,
                             struct load_progress *ret_progress, struct ol_error *reterr);

/* Has somebody acknowledged that the inputs [from, to) of a partition are lost, or more than those?
 * Blocks. */
enum ol_class load_gap(struct load *load, const char *topic, int32_t partition, int64_t from,
                       int64_t to, bool *ret_acknowledged, struct ol_error *reterr);

#endif
