/*
 * tests/sim/calibration/stage.h - where a scenario plays: before the models, or before the servers.
 *
 *   scenarios.c (against the production headers) + model.c -> what the models allow, over seeds
 *                                                + real.c  -> what the servers did
 *
 * A scenario says in a few words what it saw: the class of each call, what a reader found, where
 * offsets and rows stand. It awaits conditions, never a time, and ends at its first call that fails
 * where success was the condition for the rest. One thread.
 */
#ifndef CALIBRATION_STAGE_H
#define CALIBRATION_STAGE_H

#include "domain/topic.h"
#include "lib/base/ol_error.h"
#include "lib/kafka/ol_kafka.h"
#include "lib/pg/ol_pg.h"

#define STAGE_PARTITIONS 2
#define STAGE_WAIT_MS    40000 /* for a condition; past it the scenario says that it never came */

struct ol_admin;
struct stage;

struct scenario {
    const char *name;
    void (*play)(struct stage *stage);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* ---- what both sides of the stage share (scenarios.c) ---- */

#define STAGE_HANDLES 4

/* What a scenario has opened: closed when it is over. */
struct stage {
    char outcome[1024];
    struct ol_producer *producers[STAGE_HANDLES];
    struct ol_consumer *consumers[STAGE_HANDLES];
    struct ol_group *groups[STAGE_HANDLES];
    struct ol_reader *reader;
    struct ol_pg *databases[STAGE_HANDLES];
    struct writer *writers[STAGE_HANDLES];
    struct write_thread *threads[STAGE_HANDLES];
    struct row_batch *batches[STAGE_HANDLES];
    struct load *load;
    const char *name;      /* of the scenario */
    struct ol_error error; /* the last one; people read it */
};

/* Plays it, closes what it opened, leaves what it said in stage->outcome. */
void stage_play(struct stage *stage, const struct scenario *scenario);

/* ---- what each side provides (model.c, real.c) ---- */

/* The scenario's own: names stay valid as long as the stage. */
struct ol_kafka_settings stage_settings(struct stage *stage);
const char *stage_topic(struct stage *stage, enum context context, enum stream stream);
const char *stage_group(struct stage *stage);
const char *stage_id(struct stage *stage, char which); /* transactional id 'a' or 'b' */
struct ol_admin *stage_admin(struct stage *stage);
const char *stage_customer(struct stage *stage); /* an account that nobody else uses */

/* A connection of its own; NULL: the scenario can't go on. */
struct ol_pg *stage_database(struct stage *stage);

/* The server ends the connection; when it returns, it has. */
void stage_disconnect(struct stage *stage, struct ol_pg *db);

/* The same while its statement runs: nobody knows how far it has come. */
void stage_disconnect_soon(struct stage *stage, struct ol_pg *db);

/* The progress of the payments' partition 0 is what it was one commit before, at `next_offset`. */
void stage_go_back(struct stage *stage, int64_t next_offset);

#endif
