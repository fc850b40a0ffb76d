/*
 * verify/session.h - the servers that one command needs, opened and closed together.
 *
 * init -> ask -> release. A server that is away is one sentence (OL_UNREACHABLE).
 */
#ifndef VERIFY_SESSION_H
#define VERIFY_SESSION_H

#include "domain/partition.h"
#include "domain/topic.h"
#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_options.h"
#include "lib/pg/ol_pg.h"
#include "lib/program/ol_options.h"

enum session_needs {
    SESSION_KAFKA = 1,
    SESSION_PG = 2,        /* reads only; OL_NOT_FOUND where there is no schema yet */
    SESSION_PG_LONG = 4,   /* instead: the same without time limits, for long snapshots */
    SESSION_PG_WRITES = 8, /* instead: no time limits, for migrations and the like; no standby */
    SESSION_PG_ANY = 32,   /* instead: reads only, as SESSION_PG_LONG, with or without a schema */
    SESSION_ID = 16,       /* the first argument is an id: OL_USAGE if it can't be one */
};

struct session {
    const struct ol_options *options;
    struct ol_kafka_connection kafka;
    struct ol_admin *admin; /* NULL unless SESSION_KAFKA */
    struct ol_pg *db;       /* NULL unless SESSION_PG */
    struct ol_arena arena;  /* answers that live as long as the session */
    int timeout_ms;
    bool has_kafka;
};

/* On failure there is nothing to release. */
enum ol_class session_init(struct session *ret_session, const struct ol_options *options,
                           unsigned needs, struct ol_error *reterr);
void session_release(struct session *session);
static inline void session_auto(struct session *session)
{
    session_release(session);
}

/* A transaction that failed in `class` because a standby's recovery cancelled it may be read again
 * from its beginning: then the connection is ready for that. *tries begins at 0. */
bool session_read_again(struct session *session, enum ol_class class, int *tries);

/* How many partitions the installation's topics have, and whether they are all there.
 * OL_NOT_FOUND: a topic is missing. OL_VIOLATED: the topics differ in number. */
enum ol_class session_partitions(struct session *session, int32_t *ret_partitions,
                                 struct ol_error *reterr);

#endif
