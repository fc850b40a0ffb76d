#include "lib/program/ol_options.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ol_options options;
static struct ol_error error;

/* The user's words, split at spaces; "worker" with all that a worker takes. */
static enum ol_class read_words(const char *command, unsigned groups, const char *words)
{
    char copy[4096], *argv[64], *rest = NULL;
    int argc = 0;
    strcpy(copy, words);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return ol_options_init(&options, command, groups, argc, argv, &error);
}

#define OF_WORKER (OL_FOR_KAFKA | OL_FOR_PG | OL_FOR_ROLE | OL_FOR_WORKER | OL_FOR_TOPICS)

static enum ol_class read_worker(const char *words)
{
    char line[4096];
    snprintf(line, sizeof line, "--slot 1 %s", words);
    return read_words("worker", OF_WORKER, line);
}

/* The value of -X name. */
static const char *property(const char *name)
{
    for (size_t i = 0; i < options.kafka_property_count; i++)
        if (strcmp(options.kafka_properties[i].name, name) == 0)
            return options.kafka_properties[i].value;
    return "none";
}

static void release(void)
{
    ol_options_release(&options);
}

static char path[] = "/tmp/orderlog-ini-XXXXXX";

static void write_file(const char *text)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static enum ol_class read_ini(const char *text)
{
    char words[64];
    write_file(text);
    snprintf(words, sizeof words, "--config %s", path);
    enum ol_class class = read_worker(words);
    unlink(path);
    return class;
}

TestSuite(ol_options_init, .fini = release);
TestSuite(ol_options_show, .fini = release);

Test(ol_options_init, gives_defaults_that_lie_within_their_bounds)
{
    cr_assert_eq(read_worker(""), OL_OK, "%s", error.text);
    cr_expect_eq(options.kafka_brokers.count, 1);
    cr_expect_str_eq(options.kafka_brokers.items[0], "127.0.0.1:9092");
    cr_expect_eq(options.partitions, 4);
    cr_expect_eq(options.commands_retention_ms, -1);
    cr_expect_eq(options.batch_output_bytes, 16 << 20);
    cr_expect_eq(options.order_deadline_ms, 900000);
    cr_expect_eq(options.context.count, 3);
    cr_expect_str_eq(options.context.items[2], "payments");
    cr_expect_str_eq(options.log_format, "auto");
    cr_expect_eq(options.slot, 1);
    cr_expect_eq(options.topic.count, 0);
    cr_expect_not(options.help);
    cr_expect_str_eq(options.origins[OL_OPTION_ID_partitions], "default");
    cr_expect_str_eq(options.origins[OL_OPTION_ID_slot], "flag");
}

Test(ol_options_init, takes_flag_over_environment_over_file_over_default)
{
    setenv("ORDERLOG_BATCH_INPUTS", "30", 1);
    setenv("ORDERLOG_PARTITIONS", "3", 1);
    write_file("batch_inputs = 20\npartitions = 2\nmin_insync = 1\ntopic_prefix = shop\n");
    char words[128];
    snprintf(words, sizeof words, "--config %s --batch-inputs=40", path);
    cr_assert_eq(read_worker(words), OL_OK, "%s", error.text);
    unlink(path);
    cr_expect_eq(options.batch_inputs, 40);
    cr_expect_str_eq(options.origins[OL_OPTION_ID_batch_inputs], "flag");
    cr_expect_eq(options.partitions, 3);
    cr_expect_str_eq(options.origins[OL_OPTION_ID_partitions], "ORDERLOG_PARTITIONS");
    cr_expect_str_eq(options.topic_prefix, "shop");
    char origin[64];
    snprintf(origin, sizeof origin, "%s:4", path);
    cr_expect_str_eq(options.origins[OL_OPTION_ID_topic_prefix], origin);
    cr_expect_eq(options.replication_factor, 1);
}

Test(ol_options_init, takes_an_empty_variable_for_an_unset_one)
{
    setenv("ORDERLOG_PARTITIONS", "", 1);
    cr_assert_eq(read_worker(""), OL_OK);
    cr_expect_eq(options.partitions, 4);
}

Test(ol_options_init, finds_the_file_through_the_environment)
{
    write_file("partitions = 8\n");
    setenv("ORDERLOG_CONFIG", path, 1);
    cr_assert_eq(read_worker(""), OL_OK, "%s", error.text);
    unlink(path);
    cr_expect_eq(options.partitions, 8);
}

Test(ol_options_init, reads_a_secret_from_a_file_without_its_newline)
{
    write_file("dbname=x password=y\n");
    setenv("ORDERLOG_PG_DSN_FILE", path, 1);
    cr_assert_eq(read_worker(""), OL_OK, "%s", error.text);
    cr_expect_str_eq(options.pg_dsn, "dbname=x password=y");
    cr_expect_str_eq(options.origins[OL_OPTION_ID_pg_dsn], "ORDERLOG_PG_DSN_FILE");
    release();
    setenv("ORDERLOG_PG_DSN", "dbname=z", 1);
    cr_assert_eq(read_worker(""), OL_OK);
    cr_expect_str_eq(options.pg_dsn, "dbname=z");
    release();
    unsetenv("ORDERLOG_PG_DSN");
    unlink(path);
    cr_expect_eq(read_worker(""), OL_USAGE);
    cr_expect(strstr(error.text, "ORDERLOG_PG_DSN_FILE"), "%s", error.text);
}

Test(ol_options_init, reads_units)
{
    static const struct {
        const char *words;
        size_t offset;
        int64_t value;
    } rows[] = {
#define ROW(words, field, value) {words, offsetof(struct ol_options, field), value}
        ROW("--order-deadline-ms 5", order_deadline_ms, 5),
        ROW("--order-deadline-ms 5ms", order_deadline_ms, 5),
        ROW("--order-deadline-ms 5s", order_deadline_ms, 5000),
        ROW("--order-deadline-ms 15m", order_deadline_ms, 900000),
        ROW("--order-deadline-ms 2h", order_deadline_ms, 7200000),
        ROW("--commands-retention-ms 7d", commands_retention_ms, 604800000),
        ROW("--commands-retention-ms -1", commands_retention_ms, -1),
        ROW("--batch-output-bytes 65536", batch_output_bytes, 65536),
        ROW("--batch-output-bytes 64KiB", batch_output_bytes, 65536),
        ROW("--batch-output-bytes 2M", batch_output_bytes, 2097152),
        ROW("--metrics-port 65535", metrics_port, 65535),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(read_worker(rows[i].words), OL_OK, "%s: %s", rows[i].words, error.text);
        cr_expect_eq(*(int64_t *)((char *)&options + rows[i].offset), rows[i].value, "%s",
                     rows[i].words);
        release();
    }
}

Test(ol_options_init, takes_a_bare_number_for_seconds_where_the_flag_has_no_unit)
{
    cr_assert_eq(read_words("verify", OL_FOR_VERIFY, "--wait-settled 30"), OL_OK, "%s", error.text);
    cr_expect_eq(options.wait_settled_ms, 30000);
    release();
    cr_assert_eq(read_words("verify", OL_FOR_VERIFY, "--wait-settled 500ms"), OL_OK);
    cr_expect_eq(options.wait_settled_ms, 500);
}

Test(ol_options_init, refuses_with_a_sentence_that_names_the_source)
{
    /* clang-format off */
    static const struct {
        const char *words, *error;
    } rows[] = {
        {"--partitions 65", "--partitions: 65 is outside 1 to 64"},
        {"--partitions 0", "--partitions: 0 is outside 1 to 64"},
        {"--partitions x", "--partitions: 'x' is not a whole number"},
        {"--partitions 4k", "--partitions: '4k' is not a whole number"},
        {"--partitions 99999999999999999999",
         "--partitions: 99999999999999999999 is outside 1 to 64"},
        {"--order-deadline-ms 1w",
         "--order-deadline-ms: '1w' is not a duration such as 500ms, 30s, 15m, 2h, 7d"},
        {"--order-deadline-ms 9223372036854775807d",
         "--order-deadline-ms: 9223372036854775807d is outside 1 to 31536000000 ms"},
        {"--order-deadline-ms -1", "--order-deadline-ms: -1 is outside 1 to 31536000000 ms"},
        {"--batch-output-bytes 1m",
         "--batch-output-bytes: '1m' is not a size such as 4096, 64KiB, 1MiB"},
        {"--log-level loud", "--log-level: 'loud' is not one of debug|info|warn|error"},
        {"--log-level debug|info", "--log-level: 'debug|info' is not one of debug|info|warn|error"},
        {"--context orders,,payments", "--context: an item is empty"},
        {"--context orders,", "--context: an item is empty"},
        {"--context=", "--context: must have at least 1 items"},
        {"--topic-prefix=", "--topic-prefix: 0 bytes; must have 1 to 100"},
        {"--partitions", "--partitions needs a value: N"},
        {"--partitions --slot 1", "--partitions needs a value: N"},
        {"--wait", "orderlog worker takes no --wait"},
        {"--partitons 4", "orderlog worker has no option --partitons; did you mean --partitions?"},
        {"--colour", "orderlog worker has no option --colour"},
        {"--no-partitions",
         "orderlog worker has no option --no-partitions; did you mean --partitions?"},
        {"-z", "orderlog worker has no option -z"},
        {"-X linger", "-X needs name=value"},
        {"-X =5", "-X needs name=value"},
        {"-X", "-X needs name=value"},
        {"--help=maybe", "--help: 'maybe' is neither true nor false"},
        {"--no-help=true", "--no-help takes no value"},
        {"--min-insync 2", "--min-insync (2) is above --replication-factor (1)"},
        {"--overlay-bytes 1GiB",
         "--overlay-bytes (1073741824) is above --overlay-bytes-max (33554432)"},
        {"--config /nonexistent.ini", "--config: /nonexistent.ini: No such file or directory"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(read_worker(rows[i].words), OL_USAGE, "%s", rows[i].words);
        cr_expect_str_eq(error.text, rows[i].error);
    }
}

Test(ol_options_init, says_where_an_argument_with_a_dash_stands)
{
    static const struct {
        const char *words, *error;
    } rows[] = {
        {"-1", "orderlog order show has no option -1; what begins with a dash and is none stands "
               "behind --: orderlog order show -- -1"},
        {"--1", "orderlog order show has no option --1; what begins with a dash and is none stands "
                "behind --: orderlog order show -- --1"},
        {"--jsn", "orderlog order show has no option --jsn; did you mean --json?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(read_words("order show", OL_FOR_PRINT | OL_TAKES_ARGUMENTS, rows[i].words),
                     OL_USAGE);
        cr_expect_str_eq(error.text, rows[i].error);
    }
    cr_expect_eq(read_words("order show", OL_FOR_PRINT | OL_TAKES_ARGUMENTS, "-- -1"), OL_OK);
    cr_expect_str_eq(options.arguments[0], "-1");
}

Test(ol_options_init, names_the_variable_whose_value_is_off)
{
    setenv("ORDERLOG_PARTITIONS", "many", 1);
    cr_expect_eq(read_worker(""), OL_USAGE);
    cr_expect_str_eq(error.text, "ORDERLOG_PARTITIONS: 'many' is not a whole number");
}

Test(ol_options_init, wants_what_is_required)
{
    cr_expect_eq(read_words("worker", OF_WORKER, ""), OL_USAGE);
    cr_expect(strstr(error.text, "orderlog worker needs --slot N"), "%s", error.text);
    cr_expect_eq(read_words("worker", OF_WORKER, "--help"), OL_OK);
    release();
    cr_expect_eq(read_words("lag", OL_FOR_KAFKA, ""), OL_OK);
    release();
    cr_expect_eq(read_words("config show", OL_FOR_EVERYTHING, ""), OL_OK);
}

Test(ol_options_init, keeps_arguments_in_order)
{
    cr_assert_eq(read_words("submit", OL_FOR_SUBMIT | OL_FOR_KAFKA, "a - --wait b -- --wait -X"),
                 OL_OK, "%s", error.text);
    static const char *const expected[] = {"a", "-", "b", "--wait", "-X"};
    cr_assert_eq(options.argument_count, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(options.arguments[i], expected[i]);
    cr_expect(options.wait);
}

Test(ol_options_init, lets_the_last_of_two_flags_count)
{
    cr_assert_eq(read_worker("--partitions 2 --partitions 3 --context a --context b,c"), OL_OK);
    cr_expect_eq(options.partitions, 3);
    cr_expect_eq(options.context.count, 2);
    cr_expect_str_eq(options.context.items[0], "b");
}

Test(ol_options_init, trims_list_items)
{
    setenv("ORDERLOG_CONTEXT", " orders , payments ", 1);
    cr_assert_eq(read_worker(""), OL_OK, "%s", error.text);
    cr_expect_eq(options.context.count, 2);
    cr_expect_str_eq(options.context.items[0], "orders");
    cr_expect_str_eq(options.context.items[1], "payments");
}

Test(ol_options_init, collects_librdkafka_properties)
{
    write_file("[kafka]\nlinger.ms = 7\nacks = all\n[orderlog]\npartitions = 6\n");
    char words[128];
    snprintf(words, sizeof words, "-X linger.ms=5 -Xdebug=a=b --config %s -X linger.ms=6", path);
    cr_assert_eq(read_worker(words), OL_OK, "%s", error.text);
    unlink(path);
    cr_expect_eq(options.kafka_property_count, 3);
    cr_expect_str_eq(property("linger.ms"), "6");
    cr_expect_str_eq(property("debug"), "a=b");
    cr_expect_str_eq(property("acks"), "all");
    cr_expect_eq(options.partitions, 6);
}

Test(ol_options_init, refuses_a_property_without_a_name)
{
    write_file("[kafka]\n= 8\n");
    char words[128];
    snprintf(words, sizeof words, "--config %s", path);
    cr_expect_eq(read_worker(words), OL_USAGE);
    cr_expect(strstr(error.text, ":2: no name before the value"), "%s", error.text);
    unlink(path);
}

Test(ol_options_init, bounds_librdkafka_properties)
{
    static char texts[OL_OPTION_PROPERTIES_MAX + 1][32];
    char *argv[OL_OPTION_PROPERTIES_MAX + 1];
    for (int i = 0; i <= OL_OPTION_PROPERTIES_MAX; i++) {
        sprintf(texts[i], "-Xname%d=x", i);
        argv[i] = texts[i];
    }
    cr_expect_eq(
        ol_options_init(&options, "lag", OL_FOR_KAFKA, OL_OPTION_PROPERTIES_MAX, argv, &error),
        OL_OK);
    release();
    cr_expect_eq(
        ol_options_init(&options, "lag", OL_FOR_KAFKA, OL_OPTION_PROPERTIES_MAX + 1, argv, &error),
        OL_USAGE);
    cr_expect_eq(ol_options_init(&options, "config", 0, 1, argv, &error), OL_USAGE);
}

Test(ol_options_init, refuses_a_bad_file_with_its_line)
{
    char large[512] = "partitions = 4\ntopic_prefix = ";
    memset(large + strlen(large), 'x', 300);
    /* clang-format off */
    const struct {
        const char *text, *error;
    } rows[] = {
        {"partitions = 4\npartitons = 5\n",
         ":2: there is no setting partitons; did you mean partitions"},
        {"wait = true\n", ":1: this can only be given as a flag: --wait"},
        {"config = x\n", ":1: this can only be given as a flag: --config"},
        {"partitions = 4\n\npartitions = 5\n", ":3: for the second time: partitions"},
        {"[kafka]\nlinger.ms = 7\nlinger.ms = 8\n", ":3: for the second time: linger.ms"},
        {"partitions = 99\n", ":1: partitions: 99 is outside 1 to 64"},
        {"# fine\npartitions\n", ":2: neither [section] nor name = value"},
        {"[postgres]\nx = y\n", ":2: there is no section postgres"},
        {large, ":2: longer than 198 bytes"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(read_ini(rows[i].text), OL_USAGE, "%.40s", rows[i].text);
        cr_expect(strncmp(error.text, path, strlen(path)) == 0);
        cr_expect(strncmp(error.text + strlen(path), rows[i].error, strlen(rows[i].error)) == 0,
                  "%s", error.text);
    }
}

static char *printed;

static json_t *find_setting(const char *name)
{
    json_t *found = NULL;
    char *copy = strdup(printed), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *row = json_loads(line, 0, NULL);
        cr_assert(row, "%s", line);
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            found = json_incref(row);
        json_decref(row);
    }
    free(copy);
    cr_assert(found, "%s", name);
    return found;
}

static void show(bool json)
{
    size_t size;
    setenv("ORDERLOG_PG_DSN", "dbname=x password=opensesame", 1);
    cr_assert_eq(read_words("config show", OL_FOR_EVERYTHING,
                            "--partitions 8 -X sasl.password=opensesame -X linger.ms=5"),
                 OL_OK, "%s", error.text);
    options.json = json;
    FILE *out = open_memstream(&printed, &size);
    ol_options_show(out, &options);
    fclose(out);
}

Test(ol_options_show, masks_secrets_and_names_origins)
{
    show(false);
    cr_expect_null(strstr(printed, "opensesame"));
    cr_expect(strstr(printed, "kafka.sasl.password"));
    cr_expect(strstr(printed, "ORDERLOG_PG_DSN"));
    cr_expect(strstr(printed, "127.0.0.1:9092"));
    cr_expect_null(strstr(printed, "\nwait "));
    free(printed);
}

Test(ol_options_show, prints_a_json_object_a_line)
{
    show(true);
    cr_expect_null(strstr(printed, "opensesame"));
    json_t *partitions = find_setting("partitions"), *context = find_setting("context");
    json_t *slot = find_setting("slot"), *linger = find_setting("kafka.linger.ms");
    cr_expect_str_eq(json_string_value(json_object_get(partitions, "value")), "8");
    cr_expect_str_eq(json_string_value(json_object_get(partitions, "origin")), "flag");
    cr_expect_eq(json_array_size(json_object_get(context, "value")), 3);
    cr_expect(json_is_null(json_object_get(slot, "value")));
    cr_expect_str_eq(json_string_value(json_object_get(linger, "value")), "5");
    json_decref(partitions);
    json_decref(context);
    json_decref(slot);
    json_decref(linger);
    free(printed);
}

static char *print_help(unsigned groups)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ol_options_print_help(out, groups);
    fclose(out);
    return text;
}

Test(ol_options_print_help, shows_what_the_command_takes_within_80_columns)
{
    char *text = print_help(OL_FOR_KAFKA | OL_FOR_SUBMIT), *rest = NULL;
    cr_expect(strstr(text, "--kafka-brokers HOST:PORT,..."));
    cr_expect(strstr(text, "127.0.0.1:9092)"));
    cr_expect(strstr(text, "--wait "));
    cr_expect(strstr(text, "-X NAME=VALUE"));
    cr_expect_null(strstr(text, "--slot"));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        cr_expect_leq(strlen(line), 80, "%s", line);
    free(text);
}

Test(ol_options_print_markdown, has_a_row_for_every_option)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ol_options_print_markdown(out);
    fclose(out);
    static const char *const flags[] = {
#define OL_OPTION(type, field, flag, ...) "| `--" flag "` |",
#include "lib/program/ol_options.def"
#undef OL_OPTION
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        cr_expect(strstr(text, flags[i]), "%s", flags[i]);
    cr_expect(strstr(text, "`ORDERLOG_PG_DSN`, `ORDERLOG_PG_DSN_FILE`"));
    free(text);
}

Test(ol_options_property_is_secret, knows_librdkafkas_secrets)
{
    cr_expect(ol_options_property_is_secret("sasl.password"));
    cr_expect(ol_options_property_is_secret("ssl.key.password"));
    cr_expect(ol_options_property_is_secret("ssl.key.pem"));
    cr_expect(ol_options_property_is_secret("sasl.oauthbearer.client.secret"));
    cr_expect_not(ol_options_property_is_secret("linger.ms"));
    cr_expect_not(ol_options_property_is_secret("ssl.ca.location"));
}
