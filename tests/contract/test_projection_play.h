/*
 * tests/contract/test_projection_play.h - a history's events on their way into a database of one's
 * own.
 *
 *   play_history -> play_init (one context) -> { play_fill -> play_write } ... -> play_auto
 *                -> play_all (all contexts, to the end) -> play_compare, play_digest
 *
 * The test ends where something fails that should not.
 */
#ifndef TEST_PROJECTION_PLAY_H
#define TEST_PROJECTION_PLAY_H

#include "domain/topic.h"
#include "projections/load.h"
#include "projections/writer.h"
#include "test_projection_db.h"
#include "test_projection_history.h"

/* One context's events on their way into one database. */
struct play {
    struct history *history;
    enum context context;
    struct ol_pg *db;
    struct writer *writer;
    struct row_batch batch;
    struct ol_arena scratch;
    struct load_progress progress[PARTITIONS_MAX];
    size_t at[PARTITIONS_MAX];
};

/* The context's events topic. */
const char *play_topic(enum context context);

/* Workers' events in which much is odd; free with history_free(). */
struct history *play_history(uint64_t seed, int64_t orders);

/* Goes on where the database's progress is, over a connection of its own. */
void play_init(struct play *play, const struct own_database *own, struct history *history,
               enum context context);
void play_auto(struct play *play);

/* A batch of up to `count` events, each of a random partition, sealed. Empty: none are left. */
void play_fill(struct play *play, struct rng *rng, size_t count);
enum ol_class play_write(struct play *play, uint64_t *ret_lost, struct ol_error *reterr);

/* Both, at most `batch_max` events. False: none were left. */
bool play_step(struct play *play, struct rng *rng, size_t batch_max);

/* All that all contexts have left. */
void play_all(const struct own_database *own, struct history *history, struct rng *rng,
              size_t batch_max);

/* Loads all that the context's events are about and compares it with the workers' last states.
 * Returns how many they were. */
size_t play_compare(const struct own_database *own, struct history *history, enum context context);
void play_same_order(const struct order *row, const struct order *state);

/* A digest over all rows of all tables. */
void play_digest(struct ol_pg *db, char ret_digest[1024]);

/* Empties all tables. */
void play_forget(struct ol_pg *db);

#endif
