#include "verify/session.h"

#include <string.h>

#include "lib/base/ol_id.h"
#include "lib/base/ol_unseen.h"
#include "projections/installation.h"

#define ARENA_BLOCK_BYTES (64 * 1024)
#define PING_MS           5000
#define READ_TRIES        5

static enum ol_class open_kafka(struct session *session, struct ol_error *reterr)
{
    enum ol_class class =
        ol_kafka_connection_init(&session->kafka, session->options, "orderlog-cli", reterr);
    if (class)
        return class;
    session->has_kafka = true;
    int ping_ms = session->timeout_ms < PING_MS ? session->timeout_ms : PING_MS;
    class = ol_kafka_ping(&session->kafka.settings, ping_ms, reterr);
    return class ? class : ol_admin_open(&session->kafka.settings, &session->admin, reterr);
}

static enum ol_class open_pg(struct session *session, unsigned needs, struct ol_error *reterr)
{
    bool limited = needs & SESSION_PG;
    const struct ol_pg_options options = {
        .dsn = session->options->pg_dsn,
        .application_name = "orderlog-cli",
        .statement_timeout_ms = limited ? session->timeout_ms : OL_PG_NO_TIMEOUT,
        .idle_in_transaction_timeout_ms = limited ? 0 : OL_PG_NO_TIMEOUT,
        .read_only = !(needs & SESSION_PG_WRITES),
        .primary = needs & SESSION_PG_WRITES,
        .pooled = ol_options_pooled(session->options),
    };
    return ol_pg_open(&options, &session->db, reterr);
}

static const struct ol_pg_statement schema_statement = {
    .name = "session/schema",
    .sql = "SELECT to_regclass('orderlog.orders') IS NOT NULL AS there",
    .columns = (const struct ol_pg_column[]){{"there", OL_PG_BOOL, OL_PG_NOT_NULL}, {0}},
};

static enum ol_class check_schema(struct session *session, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(session->db, &schema_statement, NULL, &rows, reterr);
    if (!class && !ol_pg_bool(&rows, 0, 0))
        return ol_fail(reterr, OL_NOT_FOUND,
                       "the database at %s has no schema yet; run 'orderlog migrate up'",
                       ol_pg_where(session->db));
    return class;
}

static enum ol_class check_id(const char *id, struct ol_error *reterr)
{
    if (ol_id_clean(id, strlen(id)))
        return OL_OK;
    return ol_fail(reterr, OL_USAGE, "an id has 1 to %d bytes of " OL_UNSEEN_RULE, OL_ID_MAX_BYTES);
}

enum ol_class session_init(struct session *ret_session, const struct ol_options *options,
                           unsigned needs, struct ol_error *reterr)
{
    struct session *session = ret_session;
    *session = (struct session){.options = options, .timeout_ms = (int)options->timeout_ms};
    ol_arena_init(&session->arena, ARENA_BLOCK_BYTES, 0);
    enum ol_class class = OL_OK;
    if (needs & SESSION_ID)
        class = check_id(options->arguments[0], reterr);
    if (!class && needs & SESSION_KAFKA)
        class = open_kafka(session, reterr);
    if (!class && needs & (SESSION_PG | SESSION_PG_LONG | SESSION_PG_WRITES | SESSION_PG_ANY))
        class = open_pg(session, needs, reterr);
    if (!class && needs & (SESSION_PG | SESSION_PG_LONG))
        class = check_schema(session, reterr);
    if (class)
        session_release(session);
    return class;
}

void session_release(struct session *session)
{
    ol_pg_free(session->db);
    ol_admin_close(session->admin);
    if (session->has_kafka)
        ol_kafka_connection_release(&session->kafka);
    ol_arena_release(&session->arena);
    *session = (struct session){0};
}

bool session_read_again(struct session *session, enum ol_class class, int *tries)
{
    if (class != OL_RETRY || !ol_pg_cancelled(session->db) || ++*tries >= READ_TRIES)
        return false;
    return ol_pg_reset(session->db, NULL) == OL_OK;
}

enum ol_class session_partitions(struct session *session, int32_t *ret_partitions,
                                 struct ol_error *reterr)
{
    struct installation_topics all;
    const struct ol_topic_state *topics = all.states;
    enum ol_class class = installation_describe_topics(
        session->options->topic_prefix, session->admin, session->timeout_ms, &all, reterr);
    if (class)
        return class;
    for (size_t i = 0; i < INSTALLATION_TOPICS; i++) {
        class = installation_topic_exists(&topics[i], reterr);
        if (class)
            return class;
        if (topics[i].partition_count != topics[0].partition_count)
            return ol_fail(reterr, OL_VIOLATED, "topic %s has %d partitions, but %s has %d",
                           topics[i].name, topics[i].partition_count, topics[0].name,
                           topics[0].partition_count);
    }
    if (topics[0].partition_count > PARTITIONS_MAX)
        return ol_fail(reterr, OL_VIOLATED, "topic %s has %d partitions, more than %d",
                       topics[0].name, topics[0].partition_count, PARTITIONS_MAX);
    *ret_partitions = topics[0].partition_count;
    return OL_OK;
}
