#include "projections/installation.h"

#include <stdio.h>
#include <string.h>

#include "projections/schema.h"

#define PING_MS    10000
#define CLUSTER_MS 10000
#define TOPICS_MS  10000

static const struct ol_pg_statement installation_read = {
    .name = "installation/read",
    .sql = "SELECT topic_prefix, partitions, cluster_id FROM orderlog.installation",
    .columns = (const struct ol_pg_column[]){{"topic_prefix", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"partitions", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"cluster_id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {0}},
};

static const struct ol_pg_statement installation_write = {
    .name = "installation/write",
    .sql = "INSERT INTO orderlog.installation (topic_prefix, partitions, cluster_id) "
           "SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM orderlog.installation) "
           "ON CONFLICT DO NOTHING",
};

#define NO_SCHEMA "42P01" /* undefined_table */

static enum ol_class read_row(struct ol_pg *db, struct ol_pg_rows *rows, struct ol_error *reterr)
{
    struct ol_error error;
    enum ol_class class = ol_pg_exec(db, &installation_read, NULL, rows, &error);
    if (class && strcmp(ol_pg_sqlstate(db), NO_SCHEMA) == 0)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "the database at %s has no schema yet; run 'orderlog migrate up'",
                       ol_pg_where(db));
    if (class)
        return ol_fail(reterr, class, "%s", error.text);
    if (rows->count == 0)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "the database at %s belongs to no installation yet; run 'orderlog topics "
                       "apply --execute'",
                       ol_pg_where(db));
    return OL_OK;
}

static enum ol_class compare_row(const struct ol_options *options, const char *cluster_id,
                                 const struct ol_pg_rows *rows, struct ol_error *reterr)
{
    const char *prefix = ol_pg_text(rows, 0, 0).data, *cluster = ol_pg_text(rows, 0, 2).data;
    int partitions = ol_pg_int16(rows, 0, 1);
    if (rows->count > 1)
        return ol_fail(reterr, OL_VIOLATED,
                       "orderlog.installation has %d rows; one database serves one installation",
                       rows->count);
    if (strcmp(prefix, options->topic_prefix) != 0)
        return ol_fail(reterr, OL_VIOLATED,
                       "the database belongs to the topics of prefix '%s', but --topic-prefix says "
                       "'%s'",
                       prefix, options->topic_prefix);
    if (partitions != options->partitions)
        return ol_fail(reterr, OL_VIOLATED,
                       "the installation has %d partitions, but --partitions says %lld; the number "
                       "must never change under a running installation",
                       partitions, (long long)options->partitions);
    if (strcmp(cluster, cluster_id) != 0)
        return ol_fail(reterr, OL_VIOLATED,
                       "the database was filled from the Kafka cluster %s, but this one is %s",
                       cluster, cluster_id);
    return OL_OK;
}

static enum ol_class compare(const struct ol_options *options, struct ol_admin *admin,
                             struct ol_pg *db, bool record, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct ol_pg_params params = {0};
    struct ol_arena arena;
    const char *cluster_id = "";
    ol_arena_init(&arena, 256, 0);
    enum ol_class class = ol_admin_cluster_id(admin, CLUSTER_MS, &arena, &cluster_id, reterr);
    if (!class && record) {
        ol_pg_param_text(&params, options->topic_prefix, strlen(options->topic_prefix));
        ol_pg_param_int16(&params, (int16_t)options->partitions);
        ol_pg_param_text(&params, cluster_id, strlen(cluster_id));
        class = ol_pg_exec(db, &installation_write, &params, NULL, reterr);
    }
    if (!class)
        class = read_row(db, &rows, reterr);
    if (!class)
        class = compare_row(options, cluster_id, &rows, reterr);
    ol_arena_release(&arena);
    return class;
}

enum ol_class installation_compare(const struct ol_options *options, struct ol_admin *admin,
                                   struct ol_pg *db, struct ol_error *reterr)
{
    return compare(options, admin, db, false, reterr);
}

enum ol_class installation_record(const struct ol_options *options, struct ol_admin *admin,
                                  struct ol_pg *db, struct ol_error *reterr)
{
    return compare(options, admin, db, true, reterr);
}

enum ol_class installation_describe_topics(const char *prefix, struct ol_admin *admin,
                                           int timeout_ms, struct installation_topics *ret_topics,
                                           struct ol_error *reterr)
{
    size_t count = 0;
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++, count++) {
            ret_topics->names[count] = topic_name(prefix, (enum context)i, (enum stream)j);
            ret_topics->states[count] =
                (struct ol_topic_state){.name = ret_topics->names[count].text};
        }
    return ol_admin_describe_topics(admin, ret_topics->states, count, timeout_ms, reterr);
}

enum ol_class installation_topic_exists(const struct ol_topic_state *topic, struct ol_error *reterr)
{
    if (topic->partition_count == 0)
        return ol_fail(reterr, OL_NOT_FOUND,
                       "there is no topic %s; run 'orderlog topics apply --execute'", topic->name);
    return OL_OK;
}

const struct installation_setting installation_settings[INSTALLATION_SETTINGS] = {
    {"message.timestamp.type", "LogAppendTime"},
    {"cleanup.policy", "delete"},
};

static enum ol_class check_settings(const char *topic, struct ol_admin *admin,
                                    struct ol_error *reterr)
{
    const struct installation_setting *wanted = installation_settings;
    struct ol_setting settings[INSTALLATION_SETTINGS] = {{0}};
    struct ol_arena arena;
    for (int i = 0; i < INSTALLATION_SETTINGS; i++)
        settings[i].name = wanted[i].name;
    ol_arena_init(&arena, 256, 0);
    enum ol_class class = ol_admin_topic_settings(admin, topic, settings, INSTALLATION_SETTINGS,
                                                  TOPICS_MS, &arena, reterr);
    for (int i = 0; i < INSTALLATION_SETTINGS && !class; i++)
        if (settings[i].value && strcmp(settings[i].value, wanted[i].value) != 0)
            class =
                ol_fail(reterr, OL_VIOLATED,
                        "topic %s has %s=%s, but it must be %s; alter it with Kafka's own tools "
                        "('orderlog topics plan' shows all that differs)",
                        topic, settings[i].name, settings[i].value, wanted[i].value);
    ol_arena_release(&arena);
    return class;
}

/* Equal numbers are what puts an aggregate's commands, steps and events together. */
static enum ol_class check_topics(const struct ol_options *options, struct ol_admin *admin,
                                  struct ol_error *reterr)
{
    struct installation_topics topics;
    enum ol_class class =
        installation_describe_topics(options->topic_prefix, admin, TOPICS_MS, &topics, reterr);
    for (size_t i = 0; i < INSTALLATION_TOPICS && !class; i++) {
        const struct ol_topic_state *topic = &topics.states[i];
        class = installation_topic_exists(topic, reterr);
        if (!class && topic->partition_count != (int32_t)options->partitions)
            class = ol_fail(reterr, OL_VIOLATED,
                            "topic %s has %d partitions, but --partitions says %lld; the number "
                            "must never change under a running installation",
                            topic->name, topic->partition_count, (long long)options->partitions);
        if (!class)
            class = check_settings(topic->name, admin, reterr);
    }
    return class;
}

static enum ol_class check(const struct ol_options *options, struct ol_admin *admin, bool writes,
                           struct ol_error *reterr)
{
    OL_AUTO(ol_pg) struct ol_pg *db = NULL;
    struct ol_pg_options connection = {.dsn = options->pg_dsn,
                                       .application_name = "orderlog-installation",
                                       .read_only = true,
                                       .primary = true,
                                       .pooled = ol_options_pooled(options)};
    enum ol_class class = ol_pg_open(&connection, &db, reterr);
    if (!class)
        class = schema_compare(db, writes, reterr);
    if (!class)
        class = installation_compare(options, admin, db, reterr);
    return class ? class : check_topics(options, admin, reterr);
}

enum ol_class installation_init(struct installation *installation, const char *role,
                                const struct ol_options *options, struct ol_error *reterr)
{
    char client[64], slot[TOPIC_PREFIX_BYTES_MAX + 64];
    snprintf(client, sizeof client, "orderlog-%s-%lld", role, (long long)options->slot);
    snprintf(slot, sizeof slot, "%s.%s.%lld", options->topic_prefix, role,
             (long long)options->slot);
    enum ol_class class = ol_kafka_connection_init(&installation->kafka, options, client, reterr);
    if (!class)
        class = ol_kafka_ping(&installation->kafka.settings, PING_MS, reterr);
    if (!class)
        class = ol_slot_take(options->pg_dsn, ol_options_pooled(options), slot, &installation->slot,
                             reterr);
    if (!class)
        class = ol_admin_open(&installation->kafka.settings, &installation->admin, reterr);
    if (!class)
        class = check(options, installation->admin, strcmp(role, "projector") == 0, reterr);
    /* A server that is just going or coming is away all the same. */
    return class == OL_RETRY ? (reterr->class = OL_UNREACHABLE) : class;
}

void installation_release(struct installation *installation)
{
    ol_admin_close(installation->admin);
    ol_slot_free(installation->slot);
    ol_kafka_connection_release(&installation->kafka);
}
