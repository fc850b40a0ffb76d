#include "lib/kafka/ol_kafka_admin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ol_clock.h"
#include "lib/kafka/ol_kafka_internal.h"
#include "lib/kafka/ol_kafka_reader.h"

#define CLOSE_MS 5000

struct ol_admin {
    struct ol_kafka_settings settings;
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
};

enum ol_class ol_admin_open(const struct ol_kafka_settings *settings, struct ol_admin **ret_admin,
                            struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    struct ol_admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return ol_fail(reterr, OL_FATAL, "no memory for an admin handle");
    admin->settings = *settings;
    rd_kafka_conf_t *conf = ol_kafka_conf(settings, OL_KIND_ADMIN, NULL, 0, reterr);
    if (conf)
        admin->rk = ol_kafka_new(settings, OL_KIND_ADMIN, conf, &admin->voice, reterr);
    if (!admin->rk) {
        free(admin);
        return reterr->class;
    }
    *ret_admin = admin;
    return OL_OK;
}

bool ol_admin_close(struct ol_admin *admin)
{
    if (!admin)
        return true;
    if (!ol_kafka_destroy(admin->rk, admin->voice, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, CLOSE_MS))
        return false;
    free(admin);
    return true;
}

static enum ol_class fail(struct ol_admin *admin, rd_kafka_resp_err_t code, struct ol_error *reterr,
                          const char *what)
{
    rd_kafka_poll(admin->rk, 0); /* the errors' texts come this way */
    return ol_kafka_fail_reach(&admin->settings, admin->voice, code, reterr, what);
}

static enum ol_class fail_memory(struct ol_error *reterr, const char *what)
{
    return ol_fail(reterr, OL_FATAL, "%s: no memory", what);
}

/* ---- one request of the admin protocol: options and a queue in, an event out ---- */

struct call {
    const char *what;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    int timeout_ms;
};

static void call_init(struct call *call, struct ol_admin *admin, rd_kafka_admin_op_t kind,
                      const char *what, int timeout_ms)
{
    *call = (struct call){.what = what, .timeout_ms = timeout_ms};
    call->options = rd_kafka_AdminOptions_new(admin->rk, kind);
    call->queue = rd_kafka_queue_new(admin->rk);
    char words[256];
    rd_kafka_AdminOptions_set_request_timeout(call->options, timeout_ms, words, sizeof words);
}

static enum ol_class call_await(struct call *call, struct ol_admin *admin, struct ol_error *reterr)
{
    call->event = rd_kafka_queue_poll(call->queue, call->timeout_ms + 500);
    if (!call->event)
        return fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, reterr, call->what);
    rd_kafka_resp_err_t code = rd_kafka_event_error(call->event);
    return code ? fail(admin, code, reterr, call->what) : OL_OK;
}

static void call_auto(struct call *call)
{
    if (call->event)
        rd_kafka_event_destroy(call->event);
    rd_kafka_queue_destroy(call->queue);
    rd_kafka_AdminOptions_destroy(call->options);
}

static enum ol_class topic_results(const rd_kafka_topic_result_t **results, size_t count,
                                   rd_kafka_resp_err_t harmless, const char *what,
                                   struct ol_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code && code != harmless)
            return ol_kafka_fail(reterr, code, rd_kafka_topic_result_error_string(results[i]),
                                 "%s %s", what, rd_kafka_topic_result_name(results[i]));
    }
    return OL_OK;
}

/* ---- topics ---- */

enum ol_class ol_admin_cluster_id(struct ol_admin *admin, int timeout_ms, struct ol_arena *arena,
                                  const char **ret_id, struct ol_error *reterr)
{
    char *id = rd_kafka_clusterid(admin->rk, timeout_ms);
    if (!id)
        return fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, reterr, "cluster id");
    char *copy = ol_arena_copy(arena, id, strlen(id));
    rd_kafka_mem_free(admin->rk, id);
    if (!copy)
        return fail_memory(reterr, "cluster id");
    *ret_id = copy;
    return OL_OK;
}

/* The partitions that have a leader: what is being made or deleted does not count yet. False: some
 * have none. */
static bool describe_topic(const struct rd_kafka_metadata *metadata, struct ol_topic_state *state)
{
    bool led = true;
    state->partition_count = 0;
    state->replication_factor = 0;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
        if (strcmp(topic->topic, state->name) || topic->err)
            continue;
        for (int j = 0; j < topic->partition_cnt; j++)
            state->partition_count += topic->partitions[j].leader >= 0;
        if (topic->partition_cnt)
            state->replication_factor = topic->partitions[0].replica_cnt;
        led = state->partition_count == topic->partition_cnt;
    }
    return led;
}

/* *ret_leaderless: one of the topics with a partition that has no leader; NULL: none. */
static enum ol_class look_at_topics(struct ol_admin *admin, struct ol_topic_state *topics,
                                    size_t count, int timeout_ms, const char **ret_leaderless,
                                    struct ol_error *reterr)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin->rk, 1, NULL, &metadata, timeout_ms);
    if (code)
        return fail(admin, code, reterr, "describe topics");
    *ret_leaderless = NULL;
    for (size_t i = 0; i < count; i++)
        if (!describe_topic(metadata, &topics[i]))
            *ret_leaderless = topics[i].name;
    rd_kafka_metadata_destroy(metadata);
    return OL_OK;
}

enum ol_class ol_admin_describe_topics(struct ol_admin *admin, struct ol_topic_state *topics,
                                       size_t count, int timeout_ms, struct ol_error *reterr)
{
    const char *leaderless;
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    do {
        enum ol_class class =
            look_at_topics(admin, topics, count, ol_kafka_left_ms(until), &leaderless, reterr);
        if (class || !leaderless)
            return class;
    } while (ol_kafka_ask_again(until));
    return ol_fail(reterr, OL_UNREACHABLE,
                   "topic %s has partitions without a leader: is its broker up?", leaderless);
}

static enum ol_class copy_settings(const rd_kafka_ConfigResource_t *resource,
                                   struct ol_setting *settings, size_t count,
                                   struct ol_arena *arena, struct ol_error *reterr)
{
    size_t entry_count;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resource, &entry_count);
    for (size_t i = 0; i < count; i++) {
        settings[i].value = NULL;
        for (size_t j = 0; j < entry_count; j++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[j]);
            if (!value || strcmp(rd_kafka_ConfigEntry_name(entries[j]), settings[i].name))
                continue;
            settings[i].value = ol_arena_copy(arena, value, strlen(value));
            if (!settings[i].value)
                return fail_memory(reterr, "topic settings");
        }
    }
    return OL_OK;
}

enum ol_class ol_admin_topic_settings(struct ol_admin *admin, const char *topic,
                                      struct ol_setting *settings, size_t count, int timeout_ms,
                                      struct ol_arena *arena, struct ol_error *reterr)
{
    OL_AUTO(call) struct call call;
    call_init(&call, admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, "describe configs", timeout_ms);
    rd_kafka_ConfigResource_t *wanted = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(admin->rk, &wanted, 1, call.options, call.queue);
    rd_kafka_ConfigResource_destroy(wanted);
    enum ol_class class = call_await(&call, admin, reterr);
    if (class)
        return class;
    size_t resource_count;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(call.event), &resource_count);
    if (resource_count != 1)
        return ol_fail(reterr, OL_FATAL, "settings of %s: %zu answers", topic, resource_count);
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[0]);
    if (code)
        return ol_kafka_fail(reterr, code, rd_kafka_ConfigResource_error_string(resources[0]),
                             "settings of %s", topic);
    return copy_settings(resources[0], settings, count, arena, reterr);
}

static rd_kafka_NewTopic_t *new_topic(const struct ol_topic_plan *plan, struct ol_error *reterr)
{
    char words[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        plan->name, plan->partition_count, plan->replication_factor, words, sizeof words);
    if (!topic) {
        ol_fail(reterr, OL_USAGE, "topic %s: %s", plan->name, words);
        return NULL;
    }
    for (size_t i = 0; i < plan->setting_count; i++)
        rd_kafka_NewTopic_set_config(topic, plan->settings[i].name, plan->settings[i].value);
    return topic;
}

static enum ol_class send_topics(struct ol_admin *admin, rd_kafka_NewTopic_t **topics, size_t count,
                                 int timeout_ms, struct ol_error *reterr)
{
    OL_AUTO(call) struct call call;
    call_init(&call, admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, "create topics", timeout_ms);
    char words[256];
    rd_kafka_AdminOptions_set_operation_timeout(call.options, timeout_ms, words, sizeof words);
    rd_kafka_CreateTopics(admin->rk, topics, count, call.options, call.queue);
    enum ol_class class = call_await(&call, admin, reterr);
    if (class)
        return class;
    size_t result_count;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(call.event), &result_count);
    return topic_results(results, result_count, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
                         "create topic", reterr);
}

/* The library has no way to wait for metadata: ask, with growing pauses. */
static enum ol_class await_topic(struct ol_admin *admin, const char *name, bool wanted,
                                 int64_t until, struct ol_error *reterr)
{
    const char *leaderless;
    for (long pause_ms = 5;; pause_ms = pause_ms < 200 ? pause_ms * 2 : 200) {
        struct ol_topic_state state = {.name = name};
        int64_t left_ms = until - ol_clock_monotonic_ms();
        if (left_ms <= 0)
            return ol_fail(reterr, OL_RETRY, "topic %s is not %s yet", name,
                           wanted ? "there" : "gone");
        enum ol_class class = look_at_topics(admin, &state, 1, (int)left_ms, &leaderless, reterr);
        if (class || (!leaderless && (state.partition_count > 0) == wanted))
            return class;
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
    }
}

enum ol_class ol_admin_create_topics(struct ol_admin *admin, const struct ol_topic_plan *plans,
                                     size_t count, int timeout_ms, struct ol_error *reterr)
{
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    rd_kafka_NewTopic_t **topics = calloc(count ? count : 1, sizeof(rd_kafka_NewTopic_t *));
    if (!topics)
        return fail_memory(reterr, "create topics");
    enum ol_class class = OL_OK;
    size_t made = 0;
    for (; made < count && !class; made += !class) {
        topics[made] = new_topic(&plans[made], reterr);
        class = topics[made] ? OL_OK : OL_USAGE;
    }
    if (!class && count)
        class = send_topics(admin, topics, count, timeout_ms, reterr);
    rd_kafka_NewTopic_destroy_array(topics, made);
    free(topics);
    for (size_t i = 0; i < count && !class; i++)
        class = await_topic(admin, plans[i].name, true, until, reterr);
    return class;
}

enum ol_class ol_admin_delete_topics(struct ol_admin *admin, const char *const *topics,
                                     size_t count, int timeout_ms, struct ol_error *reterr)
{
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    if (!count)
        return OL_OK;
    rd_kafka_DeleteTopic_t **rows = calloc(count, sizeof(rd_kafka_DeleteTopic_t *));
    if (!rows)
        return fail_memory(reterr, "delete topics");
    for (size_t i = 0; i < count; i++)
        rows[i] = rd_kafka_DeleteTopic_new(topics[i]);
    OL_AUTO(call) struct call call;
    call_init(&call, admin, RD_KAFKA_ADMIN_OP_DELETETOPICS, "delete topics", timeout_ms);
    rd_kafka_DeleteTopics(admin->rk, rows, count, call.options, call.queue);
    rd_kafka_DeleteTopic_destroy_array(rows, count);
    free(rows);
    enum ol_class class = call_await(&call, admin, reterr);
    if (class)
        return class;
    size_t result_count;
    const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(call.event), &result_count);
    class = topic_results(results, result_count, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                          "delete topic", reterr);
    for (size_t i = 0; i < count && !class; i++)
        class = await_topic(admin, topics[i], false, until, reterr);
    return class;
}

/* ---- places in the log ---- */

enum ol_class ol_admin_watermarks(struct ol_admin *admin, const char *topic, int32_t partition,
                                  int timeout_ms, int64_t *ret_low, int64_t *ret_high,
                                  struct ol_error *reterr)
{
    return ol_kafka_watermarks(admin->rk, topic, partition, timeout_ms, ret_low, ret_high, reterr);
}

enum ol_class ol_admin_ends(struct ol_admin *admin, struct ol_reader *committed, const char *topic,
                            int32_t partition, int timeout_ms, int64_t *ret_stable,
                            int64_t *ret_high, struct ol_error *reterr)
{
    int64_t stable;
    enum ol_class class =
        ol_reader_watermarks(committed, topic, partition, timeout_ms, NULL, &stable, reterr);
    if (!class)
        class = ol_admin_watermarks(admin, topic, partition, timeout_ms, NULL, ret_high, reterr);
    if (!class)
        *ret_stable = stable;
    return class;
}

enum ol_class ol_admin_offsets_for_times(struct ol_admin *admin, struct ol_offset *places,
                                         size_t count, int timeout_ms, struct ol_error *reterr)
{
    rd_kafka_topic_partition_list_t *list = ol_kafka_list(places, count);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(admin->rk, list, timeout_ms);
    enum ol_class class = code ? fail(admin, code, reterr, "offsets for times")
                               : ol_kafka_list_read(list, places, count, "offset", reterr);
    rd_kafka_topic_partition_list_destroy(list);
    return class;
}

/* ---- groups ---- */

/* The broker is about to have the group: it has just started. */
static bool coordinator_comes(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
}

/* A handle of its own for each group: the admin protocol's ListConsumerGroupOffsets of librdkafka
 * 2.0.2 ends the process where the coordinator answers with an error (docs/traps.md). Offsets that
 * a transaction may still change are not waited for, because the handle reads uncommitted. */
struct ol_group_handle {
    rd_kafka_t *rk;
    struct ol_kafka_voice *voice;
};

static enum ol_class open_group(struct ol_admin *admin, const char *group,
                                struct ol_group_handle **ret_handle, struct ol_error *reterr)
{
    const struct ol_kafka_value name = {"group.id", group};
    struct ol_group_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return fail_memory(reterr, "group offsets");
    rd_kafka_conf_t *conf = ol_kafka_conf(&admin->settings, OL_KIND_ADMIN, &name, 1, reterr);
    if (conf)
        handle->rk = ol_kafka_new(&admin->settings, OL_KIND_ADMIN, conf, &handle->voice, reterr);
    if (!handle->rk) {
        free(handle);
        return reterr->class;
    }
    *ret_handle = handle;
    return OL_OK;
}

bool ol_group_handle_close(struct ol_group_handle *handle)
{
    if (!handle)
        return true;
    if (!ol_kafka_destroy(handle->rk, handle->voice, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
                          CLOSE_MS))
        return false;
    free(handle);
    return true;
}

static enum ol_class ask_group(struct ol_admin *admin, struct ol_group_handle *handle,
                               struct ol_offset *places, size_t count, int64_t until,
                               struct ol_error *reterr)
{
    rd_kafka_topic_partition_list_t *list = ol_kafka_list(places, count);
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_committed(handle->rk, list, ol_kafka_left_ms(until));
    } while (coordinator_comes(code) && ol_kafka_ask_again(until));
    rd_kafka_poll(handle->rk, 0); /* the errors' texts come this way */
    enum ol_class class =
        code ? ol_kafka_fail_reach(&admin->settings, handle->voice, code, reterr, "group offsets")
             : ol_kafka_list_read(list, places, count, "committed offset", reterr);
    rd_kafka_topic_partition_list_destroy(list);
    return class;
}

enum ol_class ol_admin_group_offsets(struct ol_admin *admin, const char *group,
                                     struct ol_group_handle **handle, struct ol_offset *places,
                                     size_t count, int timeout_ms, struct ol_error *reterr)
{
    struct ol_error unwanted;
    reterr = reterr ? reterr : &unwanted;
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    enum ol_class class;
    bool kept;
    do {
        kept = *handle;
        class = kept ? OL_OK : open_group(admin, group, handle, reterr);
        if (!class)
            class = ask_group(admin, *handle, places, count, until, reterr);
        if (class) {
            ol_group_handle_close(*handle);
            *handle = NULL;
        }
    } while (class && kept && ol_clock_monotonic_ms() < until);
    return class;
}

static char *copy_text(struct ol_arena *arena, const char *text)
{
    return ol_arena_copy(arena, text ? text : "", text ? strlen(text) : 0);
}

static size_t count_owned(const rd_kafka_ConsumerGroupDescription_t *group)
{
    size_t rows = 0;
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(group); i++)
        rows += (size_t)rd_kafka_MemberAssignment_partitions(
                    rd_kafka_MemberDescription_assignment(
                        rd_kafka_ConsumerGroupDescription_member(group, i)))
                    ->cnt;
    return rows;
}

static bool copy_owner(const rd_kafka_MemberDescription_t *member, struct ol_arena *arena,
                       struct ol_group_owner *rows, size_t *row)
{
    struct ol_group_owner owner = {
        .client_id = copy_text(arena, rd_kafka_MemberDescription_client_id(member)),
        .instance = copy_text(arena, rd_kafka_MemberDescription_group_instance_id(member)),
        .host = copy_text(arena, rd_kafka_MemberDescription_host(member)),
    };
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(member));
    for (int i = 0; i < list->cnt; i++) {
        owner.topic = copy_text(arena, list->elems[i].topic);
        owner.partition = list->elems[i].partition;
        if (!owner.topic || !owner.client_id || !owner.instance || !owner.host)
            return false;
        rows[(*row)++] = owner;
    }
    return true;
}

static enum ol_class copy_owners(const rd_kafka_ConsumerGroupDescription_t *group,
                                 struct ol_arena *arena, struct ol_group_owner **ret_owners,
                                 size_t *ret_count, struct ol_error *reterr)
{
    size_t count = 0, wanted = count_owned(group);
    struct ol_group_owner *rows = ol_arena_alloc(arena, (wanted + 1) * sizeof *rows);
    if (!rows)
        return fail_memory(reterr, "group owners");
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(group); i++)
        if (!copy_owner(rd_kafka_ConsumerGroupDescription_member(group, i), arena, rows, &count))
            return fail_memory(reterr, "group owners");
    *ret_owners = rows;
    *ret_count = count;
    return OL_OK;
}

static enum ol_class ask_group_owners(struct ol_admin *admin, const char *group, int timeout_ms,
                                      struct ol_arena *arena, struct ol_group_owner **ret_owners,
                                      size_t *ret_count, rd_kafka_resp_err_t *ret_code,
                                      struct ol_error *reterr)
{
    OL_AUTO(call) struct call call;
    call_init(&call, admin, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, "describe group", timeout_ms);
    rd_kafka_DescribeConsumerGroups(admin->rk, &group, 1, call.options, call.queue);
    enum ol_class class = call_await(&call, admin, reterr);
    if (class)
        return class;
    size_t group_count;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(call.event), &group_count);
    if (group_count != 1)
        return ol_fail(reterr, OL_FATAL, "group %s: %zu answers", group, group_count);
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
    *ret_code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (*ret_code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
        *ret_count = 0;
        *ret_owners = NULL;
        return OL_OK;
    }
    if (error)
        return ol_kafka_fail(reterr, *ret_code, rd_kafka_error_string(error), "group %s", group);
    return copy_owners(groups[0], arena, ret_owners, ret_count, reterr);
}

enum ol_class ol_admin_group_owners(struct ol_admin *admin, const char *group, int timeout_ms,
                                    struct ol_arena *arena, struct ol_group_owner **ret_owners,
                                    size_t *ret_count, struct ol_error *reterr)
{
    int64_t until = ol_clock_monotonic_ms() + timeout_ms;
    rd_kafka_resp_err_t code;
    enum ol_class class;
    do {
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
        class = ask_group_owners(admin, group, ol_kafka_left_ms(until), arena, ret_owners,
                                 ret_count, &code, reterr);
    } while (coordinator_comes(code) && ol_kafka_ask_again(until));
    return class;
}
