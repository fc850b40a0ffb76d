#include "cli/topics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/base/ol_id.h"
#include "lib/program/ol_table.h"
#include "projections/installation.h"

/* ---- what they should be ---- */

static void want(struct topic_wanted *wanted, bool must, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void want(struct topic_wanted *wanted, bool must, const char *name, const char *format, ...)
{
    assert(wanted->setting_count < TOPICS_SETTINGS_MAX);
    struct topic_setting *setting = &wanted->settings[wanted->setting_count++];
    va_list arguments;
    setting->name = name;
    setting->must = must;
    va_start(arguments, format);
    int bytes = vsnprintf(setting->value, sizeof setting->value, format, arguments);
    va_end(arguments);
    assert(bytes > 0 && (size_t)bytes < sizeof setting->value); /* cut, it would be another one */
}

static int64_t retention_ms(const struct ol_options *options, enum stream stream)
{
    if (stream == STREAM_COMMANDS)
        return options->commands_retention_ms;
    return stream == STREAM_STEPS ? options->steps_retention_ms : -1;
}

/* Commands come from anybody, so the broker unpacks them: a small batch of a huge record would
 * otherwise be taken in, and could not be put aside again. */
static void want_topic(const struct ol_options *options, enum context context, enum stream stream,
                       struct topic_wanted *wanted)
{
    *wanted = (struct topic_wanted){
        .name = topic_name(options->topic_prefix, context, stream),
        .partition_count = (int32_t)options->partitions,
        .replication_factor = (int)options->replication_factor,
    };
    for (int i = 0; i < INSTALLATION_SETTINGS; i++)
        want(wanted, true, installation_settings[i].name, "%s", installation_settings[i].value);
    want(wanted, true, "retention.ms", "%" PRId64, retention_ms(options, stream));
    want(wanted, true, "retention.bytes", "-1");
    want(wanted, true, "min.insync.replicas", "%" PRId64, options->min_insync);
    want(wanted, false, "max.message.bytes", "%s",
         stream == STREAM_DEAD_LETTERS ? TOPICS_DEAD_LETTER_BYTES_MAX : TOPICS_MESSAGE_BYTES_MAX);
    want(wanted, false, "unclean.leader.election.enable", "false");
    if (stream == STREAM_COMMANDS)
        want(wanted, false, "compression.type", "uncompressed");
}

void topics_wanted(const struct ol_options *options, struct topic_wanted ret_wanted[TOPICS_COUNT])
{
    for (int context = 0; context < CONTEXT_COUNT; context++)
        for (int stream = 0; stream < STREAM_COUNT; stream++)
            want_topic(options, (enum context)context, (enum stream)stream, ret_wanted++);
}

/* ---- how far they are from it ---- */

static void differ(struct ol_text *text, size_t *count, const char *what, const char *is,
                   const char *wanted)
{
    ol_text_addf(text, "%s%s is %s, wanted %s", text->size_bytes ? "; " : "", what, is, wanted);
    ++*count;
}

static void compare_number(struct ol_text *text, size_t *count, const char *what, int64_t is,
                           int64_t wanted)
{
    char is_text[24], wanted_text[24];
    snprintf(is_text, sizeof is_text, "%" PRId64, is);
    snprintf(wanted_text, sizeof wanted_text, "%" PRId64, wanted);
    if (is != wanted)
        differ(text, count, what, is_text, wanted_text);
}

struct topic_differences topics_compare(const struct topic_wanted *wanted,
                                        const struct topic_there *there, struct ol_text *text)
{
    struct topic_differences found = {0};
    compare_number(text, &found.must, "partitions", there->partition_count,
                   wanted->partition_count);
    compare_number(text, &found.must, "replication factor", there->replication_factor,
                   wanted->replication_factor);
    for (size_t i = 0; i < wanted->setting_count; i++) {
        const struct topic_setting *setting = &wanted->settings[i];
        const char *value = there->values[i] ? there->values[i] : "unknown";
        if (strcmp(value, setting->value) != 0)
            differ(text, setting->must ? &found.must : &found.better, setting->name, value,
                   setting->value);
    }
    return found;
}

/* ---- the plan ---- */

struct plan {
    struct topic_wanted wanted[TOPICS_COUNT];
    struct topic_there there[TOPICS_COUNT];
    size_t missing, different, could_be_better; /* topics */
};

static enum ol_class read_settings(struct session *session, struct plan *plan, size_t index,
                                   struct ol_error *reterr)
{
    const struct topic_wanted *wanted = &plan->wanted[index];
    struct ol_setting settings[TOPICS_SETTINGS_MAX];
    for (size_t i = 0; i < wanted->setting_count; i++)
        settings[i] = (struct ol_setting){.name = wanted->settings[i].name};
    enum ol_class class =
        ol_admin_topic_settings(session->admin, wanted->name.text, settings, wanted->setting_count,
                                session->timeout_ms, &session->arena, reterr);
    for (size_t i = 0; i < wanted->setting_count && !class; i++)
        plan->there[index].values[i] = settings[i].value;
    return class;
}

/* Asks the broker for all topics. */
static enum ol_class read_topics(struct session *session, struct plan *plan,
                                 struct ol_error *reterr)
{
    struct ol_topic_state states[TOPICS_COUNT];
    for (size_t i = 0; i < TOPICS_COUNT; i++)
        states[i] = (struct ol_topic_state){.name = plan->wanted[i].name.text};
    enum ol_class class =
        ol_admin_describe_topics(session->admin, states, TOPICS_COUNT, session->timeout_ms, reterr);
    for (size_t i = 0; i < TOPICS_COUNT && !class; i++) {
        plan->there[i] = (struct topic_there){.partition_count = states[i].partition_count,
                                              .replication_factor = states[i].replication_factor};
        if (states[i].partition_count > 0)
            class = read_settings(session, plan, i, reterr);
    }
    return class;
}

static void count(struct plan *plan)
{
    plan->missing = plan->different = plan->could_be_better = 0;
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        OL_AUTO(ol_text) struct ol_text differences = {0};
        if (plan->there[i].partition_count == 0) {
            plan->missing++;
            continue;
        }
        struct topic_differences found =
            topics_compare(&plan->wanted[i], &plan->there[i], &differences);
        plan->different += found.must > 0;
        plan->could_be_better += found.must == 0 && found.better > 0;
    }
}

static const struct ol_table_column columns[] = {
    {"topic", OL_TABLE_TEXT},     {"state", OL_TABLE_TEXT},          {"partitions", OL_TABLE_SMALL},
    {"replicas", OL_TABLE_SMALL}, {"retention_ms", OL_TABLE_NUMBER}, {"differences", OL_TABLE_TEXT},
};

static const char *wanted_value(const struct topic_wanted *wanted, const char *name)
{
    for (size_t i = 0; i < wanted->setting_count; i++)
        if (strcmp(wanted->settings[i].name, name) == 0)
            return wanted->settings[i].value;
    return NULL;
}

static void add_row(const struct plan *plan, size_t index, const char *missing_is,
                    struct ol_table *table)
{
    const struct topic_wanted *wanted = &plan->wanted[index];
    OL_AUTO(ol_text) struct ol_text differences = {0};
    const char *state = missing_is;
    if (plan->there[index].partition_count > 0)
        state =
            topics_compare(wanted, &plan->there[index], &differences).must ? "differs" : "there";
    ol_table_text(table, wanted->name.text);
    ol_table_text(table, state);
    ol_table_int(table, wanted->partition_count);
    ol_table_int(table, wanted->replication_factor);
    ol_table_text(table, wanted_value(wanted, "retention.ms"));
    ol_table_text(table, differences.size_bytes ? ol_text_string(&differences) : NULL);
}

/* "missing" is called missing_is. */
static enum ol_class print_plan(const struct plan *plan, bool json, const char *missing_is,
                                struct ol_error *reterr)
{
    OL_AUTO(ol_table) struct ol_table table;
    ol_table_init(&table, columns, sizeof columns / sizeof *columns, json);
    for (size_t i = 0; i < TOPICS_COUNT; i++)
        add_row(plan, i, missing_is, &table);
    return ol_table_print(&table, stdout, reterr);
}

/* The first that is not as it should be, and how many there are. */
static enum ol_class refuse(const struct plan *plan, struct ol_error *reterr)
{
    if (!plan->different)
        return ol_fail(reterr, OL_FATAL, "%zu of the topics are still missing", plan->missing);
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        OL_AUTO(ol_text) struct ol_text differences = {0};
        if (plan->there[i].partition_count == 0 ||
            topics_compare(&plan->wanted[i], &plan->there[i], &differences).must == 0)
            continue;
        return ol_fail(reterr, OL_CONFLICT,
                       "%zu of the topics are there and differ, so nothing is made; %s: %s (the "
                       "number of partitions and the timestamp type never change; other settings "
                       "can be altered with Kafka's own tools)",
                       plan->different, plan->wanted[i].name.text, ol_text_string(&differences));
    }
    return OL_OK;
}

/* What somebody else has set otherwise may stay so. */
static void warn(const struct plan *plan)
{
    if (plan->could_be_better)
        fprintf(stderr,
                "%zu topics would be better with other settings; Kafka's own tools can "
                "alter them\n",
                plan->could_be_better);
}

enum ol_class topics_plan_run(const struct ol_options *options, struct ol_error *reterr)
{
    struct plan plan = {0};
    OL_AUTO(session) struct session session;
    topics_wanted(options, plan.wanted);
    enum ol_class class = session_init(&session, options, SESSION_KAFKA, reterr);
    if (class)
        return class;
    class = read_topics(&session, &plan, reterr);
    count(&plan);
    if (!class)
        class = print_plan(&plan, options->json, "missing", reterr);
    if (!class && plan.different)
        return refuse(&plan, reterr);
    warn(&plan);
    if (!class && plan.missing)
        fprintf(stderr, "%zu to be made: 'orderlog topics apply --execute' makes them\n",
                plan.missing);
    return class;
}

/* ---- making them ---- */

static enum ol_class create(struct session *session, const struct plan *plan,
                            struct ol_error *reterr)
{
    struct ol_topic_plan topics[TOPICS_COUNT];
    struct ol_setting settings[TOPICS_COUNT][TOPICS_SETTINGS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        const struct topic_wanted *wanted = &plan->wanted[i];
        if (plan->there[i].partition_count > 0)
            continue;
        for (size_t j = 0; j < wanted->setting_count; j++)
            settings[i][j] =
                (struct ol_setting){wanted->settings[j].name, wanted->settings[j].value};
        topics[count++] = (struct ol_topic_plan){.name = wanted->name.text,
                                                 .partition_count = wanted->partition_count,
                                                 .replication_factor = wanted->replication_factor,
                                                 .settings = settings[i],
                                                 .setting_count = wanted->setting_count};
    }
    if (count == 0)
        return OL_OK;
    return ol_admin_create_topics(session->admin, topics, count, session->timeout_ms, reterr);
}

static enum ol_class smoke(struct session *session, struct ol_error *reterr)
{
    char id[OL_ID_UUID_TEXT_BYTES], topic[TOPIC_NAME_BYTES_MAX + OL_ID_UUID_TEXT_BYTES];
    ol_id_new(id);
    snprintf(topic, sizeof topic, "%s.smoke.%s", session->options->topic_prefix, id);
    enum ol_class class = ol_kafka_smoke(&session->kafka.settings, topic,
                                         (int)session->options->replication_factor, reterr);
    return class ? ol_fail_in(reterr, "nothing is made: the broker failed its check") : OL_OK;
}

/* Makes what is missing, then looks whether all of it came out as wanted. */
static enum ol_class execute(struct session *session, struct plan *plan, struct ol_error *reterr)
{
    const struct ol_options *options = session->options;
    enum ol_class class = smoke(session, reterr);
    if (!class)
        class = create(session, plan, reterr);
    if (!class)
        class = read_topics(session, plan, reterr);
    if (class)
        return class;
    count(plan);
    if (plan->missing || plan->different)
        return refuse(plan, reterr);
    return installation_record(options, session->admin, session->db, reterr);
}

/* What another installation has put into the database is in conflict with these topics. */
static enum ol_class check_installation(struct session *session, struct ol_error *reterr)
{
    enum ol_class class =
        installation_compare(session->options, session->admin, session->db, reterr);
    if (class == OL_VIOLATED)
        return reterr->class = OL_CONFLICT;
    return class;
}

static enum ol_class apply(struct session *session, struct plan *plan, struct ol_error *reterr)
{
    enum ol_class class = check_installation(session, reterr);
    bool is_new = class == OL_NOT_FOUND && !*ol_pg_sqlstate(session->db); /* else: no schema */
    if (class && !is_new)
        return class;
    class = read_topics(session, plan, reterr);
    if (class)
        return class;
    count(plan);
    const struct plan before = *plan;
    class = plan->different ? refuse(plan, reterr) : execute(session, plan, reterr);
    warn(&before);
    return class ? class : print_plan(&before, session->options->json, "made", reterr);
}

enum ol_class topics_apply_run(const struct ol_options *options, struct ol_error *reterr)
{
    if (!options->execute)
        return topics_plan_run(options, reterr);
    struct plan plan = {0};
    OL_AUTO(session) struct session session;
    topics_wanted(options, plan.wanted);
    enum ol_class class =
        session_init(&session, options, SESSION_KAFKA | SESSION_PG_WRITES, reterr);
    return class ? class : apply(&session, &plan, reterr);
}
