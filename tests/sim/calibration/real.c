/* calibration_real: plays each scenario against the servers that ORDERLOG_KAFKA_BROKERS and
 * ORDERLOG_PG_DSN name, and prints a line "scenario: outcome" for each. Topics, group and database
 * are its own and gone in the end. Exit: 0 all were played, 1 not, 2 no servers. */
#include "tests/sim/calibration/stage.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domain/assert.h"
#include "lib/kafka/ol_kafka_admin.h"
#include "lib/kafka/ol_kafka_consumer.h"
#include "lib/kafka/ol_kafka_producer.h"
#include "lib/pg/ol_migrate.h"

#define SETUP_MS 30000

static struct ol_kafka_settings settings;
static struct ol_admin *admin;
static struct ol_pg *server;
static char database[64], dsn[1024], prefix[64];
static int play_number;

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

static void must(const char *what, enum ol_class class, const struct ol_error *error)
{
    if (!class)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, ol_class_name(class), error->text);
    exit(1);
}

/* ---- the stage ---- */

struct ol_kafka_settings stage_settings(struct stage *stage)
{
    (void)stage;
    return settings;
}

static struct topic_name topics[CONTEXT_COUNT][STREAM_COUNT];

const char *stage_topic(struct stage *stage, enum context context, enum stream stream)
{
    (void)stage;
    return topics[context][stream].text;
}

const char *stage_group(struct stage *stage)
{
    (void)stage;
    return prefix;
}

const char *stage_id(struct stage *stage, char which)
{
    static char ids[2][80];
    char *id = ids[which - 'a'];
    (void)stage;
    snprintf(id, sizeof ids[0], "%s-%c", prefix, which);
    return id;
}

struct ol_admin *stage_admin(struct stage *stage)
{
    (void)stage;
    return admin;
}

const char *stage_customer(struct stage *stage)
{
    (void)stage;
    return prefix;
}

struct ol_pg *stage_database(struct stage *stage)
{
    const struct ol_pg_options options = {.dsn = dsn, .application_name = "calibration"};
    struct ol_pg *db = NULL;
    return ol_pg_open(&options, &db, &stage->error) ? NULL : db;
}

static void run_sql(const char *name, const char *sql)
{
    struct ol_error error = {0};
    must(name, ol_pg_script(server, name, sql, NULL, &error), &error);
}

/* Scenarios that cut have one connection. `wait_ms` 0: the server has been told, no more. */
static void cut_all(int wait_ms)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT pg_terminate_backend(pid, %d) FROM pg_stat_activity WHERE datname = '%s'",
             wait_ms, database);
    run_sql("calibration/cut", sql);
}

void stage_disconnect(struct stage *stage, struct ol_pg *db)
{
    (void)stage, (void)db;
    cut_all(5000);
}

void stage_disconnect_soon(struct stage *stage, struct ol_pg *db)
{
    (void)stage, (void)db;
    cut_all(0);
}

void stage_go_back(struct stage *stage, int64_t next_offset)
{
    char sql[512];
    struct ol_error error = {0};
    struct ol_pg *db = stage_database(stage);
    snprintf(sql, sizeof sql,
             "UPDATE orderlog.projection_progress SET next_offset = %lld "
             "WHERE topic = '%s' AND partition = 0",
             (long long)next_offset, topics[CONTEXT_PAYMENTS][STREAM_EVENTS].text);
    must("go back", ol_pg_script(db, "calibration/back", sql, NULL, &error), &error);
    ol_pg_free(db);
}

/* ---- servers ---- */

static void make_database(void)
{
    struct ol_error error = {0};
    char sql[128];
    const struct ol_pg_options options = {.dsn = getenv("ORDERLOG_PG_DSN"),
                                          .application_name = "calibration"};
    must("database", ol_pg_open(&options, &server, &error), &error);
    snprintf(database, sizeof database, "orderlog_calibration_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", database);
    run_sql("calibration/create", sql);
    PQconninfoOption *words = PQconninfoParse(options.dsn, NULL);
    size_t used = 0;
    for (PQconninfoOption *word = words; word && word->keyword; word++)
        if (word->val && strcmp(word->keyword, "dbname") != 0)
            used += (size_t)snprintf(dsn + used, sizeof dsn - used, "%s='%s' ", word->keyword,
                                     word->val);
    PQconninfoFree(words);
    snprintf(dsn + used, sizeof dsn - used, "dbname=%s", database);
    const struct ol_pg_options own = {.dsn = dsn, .application_name = "calibration"};
    struct ol_pg *db = NULL;
    must("database", ol_pg_open(&own, &db, &error), &error);
    must("migrations", ol_migrate_up(db, MIGRATIONS, 10000, NULL, NULL, NULL, &error), &error);
    ol_pg_free(db);
}

static void drop_database(void)
{
    char sql[128];
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    run_sql("calibration/drop", sql);
    ol_pg_free(server);
}

#define TOPICS_USED 3
static const enum stream used_streams[TOPICS_USED] = {STREAM_COMMANDS, STREAM_STEPS, STREAM_EVENTS};

static void name_play(void)
{
    snprintf(prefix, sizeof prefix, "calibration-%d-%lld-%d", (int)getpid(), (long long)time(NULL),
             ++play_number);
    for (int i = 0; i < CONTEXT_COUNT; i++)
        for (int j = 0; j < STREAM_COUNT; j++)
            topics[i][j] = topic_name(prefix, (enum context)i, (enum stream)j);
}

static void make_topics(void)
{
    struct ol_error error = {0};
    const struct ol_setting values[] = {{"message.timestamp.type", "LogAppendTime"},
                                        {"retention.ms", "-1"}};
    struct ol_topic_plan plans[TOPICS_USED];
    for (int i = 0; i < TOPICS_USED; i++)
        plans[i] = (struct ol_topic_plan){topics[CONTEXT_ORDERS][used_streams[i]].text,
                                          STAGE_PARTITIONS, 1, values, 2};
    must("topics", ol_admin_create_topics(admin, plans, TOPICS_USED, SETUP_MS, &error), &error);
}

static void delete_topics(void)
{
    struct ol_error error = {0};
    const char *names[TOPICS_USED];
    for (int i = 0; i < TOPICS_USED; i++)
        names[i] = topics[CONTEXT_ORDERS][used_streams[i]].text;
    must("topics", ol_admin_delete_topics(admin, names, TOPICS_USED, SETUP_MS, &error), &error);
}

static void play(const struct scenario *scenario)
{
    static struct stage stage;
    name_play();
    make_topics();
    stage_play(&stage, scenario);
    delete_topics();
    printf("%s: %s\n", scenario->name, stage.outcome);
    if (stage.error.class)
        printf("  last error %s: %s\n", ol_class_name(stage.error.class), stage.error.text);
    fflush(stdout);
}

/* calibration_real [TIMES] [SCENARIO...] */
int main(int argc, char **argv)
{
    const char *brokers = getenv("ORDERLOG_KAFKA_BROKERS");
    struct ol_error error = {0};
    if (!brokers || !getenv("ORDERLOG_PG_DSN")) {
        fprintf(stderr, "no servers: ORDERLOG_KAFKA_BROKERS and ORDERLOG_PG_DSN name them\n");
        return 2;
    }
    settings = ol_kafka_defaults(brokers, "calibration");
    must("broker", ol_admin_open(&settings, &admin, &error), &error);
    make_database();
    int times = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 0; i < times; i++)
        for (size_t j = 0; j < scenario_count; j++) {
            bool wanted = argc <= 2;
            for (int k = 2; k < argc; k++)
                wanted |= strcmp(argv[k], scenarios[j].name) == 0;
            if (wanted)
                play(&scenarios[j]);
        }
    drop_database();
    ol_admin_close(admin);
    return 0;
}
