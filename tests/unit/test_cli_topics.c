#include "cli/topics.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct ol_options options_of(void)
{
    return (struct ol_options){.topic_prefix = "shop",
                               .partitions = 4,
                               .replication_factor = 3,
                               .min_insync = 2,
                               .commands_retention_ms = 1000,
                               .steps_retention_ms = 2000};
}

static const char *value_of(const struct topic_wanted *wanted, const char *name)
{
    for (size_t i = 0; i < wanted->setting_count; i++)
        if (strcmp(wanted->settings[i].name, name) == 0)
            return wanted->settings[i].value;
    return "";
}

/* As it would be right after it was made. */
static struct topic_there there_as(const struct topic_wanted *wanted)
{
    struct topic_there there = {.partition_count = wanted->partition_count,
                                .replication_factor = wanted->replication_factor};
    for (size_t i = 0; i < wanted->setting_count; i++)
        there.values[i] = wanted->settings[i].value;
    return there;
}

Test(topics_wanted, are_four_streams_of_three_contexts)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    topics_wanted(&options, wanted);
    cr_assert_str_eq(wanted[0].name.text, "shop.orders.commands.v1");
    cr_assert_str_eq(wanted[TOPICS_COUNT - 1].name.text, "shop.payments.dlq.v1");
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        cr_assert_eq(wanted[i].partition_count, 4);
        cr_assert_eq(wanted[i].replication_factor, 3);
        cr_assert_str_eq(value_of(&wanted[i], "message.timestamp.type"), "LogAppendTime");
        cr_assert_str_eq(value_of(&wanted[i], "cleanup.policy"), "delete");
        cr_assert_str_eq(value_of(&wanted[i], "min.insync.replicas"), "2");
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(wanted[i].name.text, wanted[j].name.text);
    }
}

Test(topics_wanted, keep_events_and_dead_letters_for_ever)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    topics_wanted(&options, wanted);
    cr_assert_str_eq(value_of(&wanted[STREAM_COMMANDS], "retention.ms"), "1000");
    cr_assert_str_eq(value_of(&wanted[STREAM_STEPS], "retention.ms"), "2000");
    cr_assert_str_eq(value_of(&wanted[STREAM_EVENTS], "retention.ms"), "-1");
    cr_assert_str_eq(value_of(&wanted[STREAM_DEAD_LETTERS], "retention.ms"), "-1");
}

Test(topics_wanted, let_a_dead_letter_be_larger_than_what_it_was)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    topics_wanted(&options, wanted);
    long command = atol(value_of(&wanted[STREAM_COMMANDS], "max.message.bytes"));
    long letter = atol(value_of(&wanted[STREAM_DEAD_LETTERS], "max.message.bytes"));
    cr_assert_gt(command, 256 * 1024);
    cr_assert_gt(letter, command + 64 * 1024);
}

Test(topics_compare, finds_nothing_in_a_topic_as_wanted)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    struct ol_text text = {0};
    topics_wanted(&options, wanted);
    for (size_t i = 0; i < TOPICS_COUNT; i++) {
        struct topic_there there = there_as(&wanted[i]);
        struct topic_differences found = topics_compare(&wanted[i], &there, &text);
        cr_assert_eq(found.must + found.better, 0);
    }
    cr_assert_eq(text.size_bytes, 0);
}

Test(topics_compare, names_each_difference)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    struct ol_text text = {0};
    topics_wanted(&options, wanted);
    struct topic_there there = there_as(&wanted[0]);
    there.partition_count = 3;
    there.values[0] = "CreateTime";
    there.values[1] = NULL;
    struct topic_differences found = topics_compare(&wanted[0], &there, &text);
    cr_assert_eq(found.must, 3);
    cr_assert_eq(found.better, 0);
    cr_assert_str_eq(ol_text_string(&text),
                     "partitions is 3, wanted 4; message.timestamp.type is CreateTime, wanted "
                     "LogAppendTime; cleanup.policy is unknown, wanted delete");
    ol_text_release(&text);
}

Test(topics_compare, lets_pass_what_would_only_be_better)
{
    struct topic_wanted wanted[TOPICS_COUNT];
    struct ol_options options = options_of();
    struct ol_text text = {0};
    topics_wanted(&options, wanted);
    struct topic_there there = there_as(&wanted[STREAM_COMMANDS]);
    for (size_t i = 0; i < wanted->setting_count; i++)
        if (strcmp(wanted->settings[i].name, "compression.type") == 0)
            there.values[i] = "producer";
    struct topic_differences found = topics_compare(&wanted[STREAM_COMMANDS], &there, &text);
    cr_assert_eq(found.must, 0);
    cr_assert_eq(found.better, 1);
    cr_assert_str_eq(ol_text_string(&text), "compression.type is producer, wanted uncompressed");
    ol_text_release(&text);
}
