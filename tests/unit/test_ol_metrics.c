#include "lib/base/ol_clock.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/ol_metrics.h"

static char *exposition;

static const char *print(void)
{
    struct ol_text text = {0};
    ol_metrics_print(&text);
    free(exposition);
    exposition = strdup(ol_text_string(&text));
    ol_text_release(&text);
    return exposition;
}

static void release(void)
{
    free(exposition);
}

static bool has_line(const char *line)
{
    const char *at = strstr(print(), line);
    return at && (at == exposition || at[-1] == '\n') && at[strlen(line)] == '\n';
}

TestSuite(ol_metrics_print, .fini = release);
TestSuite(ol_series, .fini = release);

Test(ol_metrics_print, shows_counters_by_their_labels)
{
    struct ol_series *committed = ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "orders", "committed");
    ol_series_add(committed, 2);
    ol_series_add(ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "orders", "aborted"), 1);
    cr_assert_eq(committed, ol_metric(OL_METRIC_KAFKA_TRANSACTIONS, "orders", "committed"));
    cr_assert(
        has_line("orderlog_kafka_transactions_total{context=\"orders\",result=\"committed\"} 2"));
    cr_assert(
        has_line("orderlog_kafka_transactions_total{context=\"orders\",result=\"aborted\"} 1"));
}

Test(ol_metrics_print, shows_seconds_without_rounding)
{
    static const struct {
        int64_t value_us;
        const char *line;
    } rows[] = {
        {0, "orderlog_saga_oldest_age_seconds 0"},
        {1, "orderlog_saga_oldest_age_seconds 0.000001"},
        {-1500000, "orderlog_saga_oldest_age_seconds -1.5"},
        {900000000, "orderlog_saga_oldest_age_seconds 900"},
        {1023400, "orderlog_saga_oldest_age_seconds 1.0234"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ol_series_set(ol_metric(OL_METRIC_SAGA_OLDEST_AGE), rows[i].value_us);
        cr_expect(has_line(rows[i].line), "%s", rows[i].line);
    }
}

Test(ol_metrics_print, cumulates_histogram_buckets)
{
    struct ol_series *times = ol_metric(OL_METRIC_KAFKA_TRANSACTION_TIME, "orders");
    ol_series_observe(times, 1000);     /* on a bound: belongs to it */
    ol_series_observe(times, 1001);     /* the next */
    ol_series_observe(times, 99000000); /* above all */
    cr_expect(
        has_line("orderlog_kafka_transaction_seconds_bucket{context=\"orders\",le=\"0.0005\"} 0"));
    cr_expect(
        has_line("orderlog_kafka_transaction_seconds_bucket{context=\"orders\",le=\"0.001\"} 1"));
    cr_expect(
        has_line("orderlog_kafka_transaction_seconds_bucket{context=\"orders\",le=\"0.0025\"} 2"));
    cr_expect(
        has_line("orderlog_kafka_transaction_seconds_bucket{context=\"orders\",le=\"10\"} 2"));
    cr_expect(
        has_line("orderlog_kafka_transaction_seconds_bucket{context=\"orders\",le=\"+Inf\"} 3"));
    cr_expect(has_line("orderlog_kafka_transaction_seconds_sum{context=\"orders\"} 99.002001"));
    cr_expect(has_line("orderlog_kafka_transaction_seconds_count{context=\"orders\"} 3"));
}

Test(ol_metrics_print, escapes_and_cuts_label_values)
{
    char large[200];
    memset(large, 'x', sizeof large);
    memcpy(large + OL_METRICS_LABEL_BYTES - 1, "\xC3\xBC", 2); /* would be cut in two */
    large[sizeof large - 1] = '\0';
    ol_series_add(ol_metric(OL_METRIC_EVENTS, "a\"b\\c\nd\xff"), 1);
    ol_series_add(ol_metric(OL_METRIC_EVENTS, large), 1);
    cr_expect(has_line("orderlog_events_total{context=\"a\\\"b\\\\c\\nd?\"} 1"));
    const char *cut = strstr(print(), "context=\"xxx");
    cr_assert(cut);
    cr_expect_eq(strcspn(cut + 9, "\""), OL_METRICS_LABEL_BYTES - 1);
}

Test(ol_metrics_print, bounds_the_number_of_series)
{
    char name[32];
    for (int i = 0; i < OL_METRICS_SERIES_MAX + 10; i++) {
        snprintf(name, sizeof name, "context%d", i);
        ol_series_add(ol_metric(OL_METRIC_EVENTS, name), 1);
    }
    cr_assert(has_line("orderlog_events_total{context=\"other\"} 10"));
}

/* What promtool check metrics looks at, for each row and line. */
Test(ol_metrics_print, is_what_a_linter_wants)
{
    ol_metrics_partition(OL_METRIC_LAG_RECORDS, "orderlog.orders.commands.v1", 3);
    ol_series_observe(ol_metric(OL_METRIC_PG_TRANSACTION_TIME, "projector"), 5);
    char name[128] = "", type[32], *rest = NULL, *text = strdup(print());
    cr_assert_eq(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            sscanf(line + 7, "%127s", name);
            cr_expect(isupper(line[8 + strlen(name)]) || isdigit(line[8 + strlen(name)]), "%s",
                      line);
            cr_expect_eq(line[strlen(line) - 1], '.', "a sentence: %s", line);
            cr_expect_eq(strncmp(name, "orderlog_", 9), 0);
            cr_expect_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char typed[128];
            sscanf(line + 7, "%127s %31s", typed, type);
            cr_expect_str_eq(typed, name, "TYPE stands behind its HELP");
            bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
            cr_expect_eq(total, strcmp(type, "counter") == 0, "%s %s", name, type);
            cr_expect_null(strstr(name, "milliseconds"));
        } else {
            cr_expect_eq(strncmp(line, name, strlen(name)), 0, "%s under %s", line, name);
            cr_expect(strchr(line, ' '));
        }
    }
    free(text);
}

/* 0 would be a claim: a role that does not look at sagas has not found that there are none. */
Test(ol_metrics_print, shows_a_gauge_without_labels_once_it_is_known)
{
    cr_assert_not(has_line("orderlog_sagas_open 0"));
    ol_series_set(ol_metric(OL_METRIC_SAGAS_OPEN), 0);
    cr_assert(has_line("orderlog_sagas_open 0"));
}

Test(ol_metrics_process, says_which_program_runs_since_when)
{
    ol_metrics_process("0.1.0", "worker", "2.0.2");
    cr_expect(
        has_line("orderlog_build_info{version=\"0.1.0\",role=\"worker\",librdkafka=\"2.0.2\"} 1"));
    int64_t since_us = ol_clock_wall_us() - ol_series_value(ol_metric(OL_METRIC_START_TIME));
    cr_expect(since_us >= 0 && since_us < 60000000);
}

Test(ol_series, hides_and_comes_back_with_the_next_value)
{
    struct ol_series *lag =
        ol_metrics_partition(OL_METRIC_LAG_RECORDS, "orderlog.orders.commands.v1", 3);
    const char *line =
        "orderlog_lag_records{topic=\"orderlog.orders.commands.v1\",partition=\"3\"} 5";
    ol_series_set(lag, 5);
    cr_assert(has_line(line));
    ol_series_hide(lag);
    cr_assert_not(has_line(line));
    ol_series_set(lag, 5);
    cr_assert(has_line(line));
}

static void *count_up(void *series)
{
    for (int i = 0; i < 100000; i++)
        ol_series_add(series, 1);
    return NULL;
}

Test(ol_series, loses_no_update_of_threads)
{
    struct ol_series *events = ol_metric(OL_METRIC_EVENTS, "orders");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_up, events);
    for (int i = 0; i < 20; i++)
        print();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(ol_series_value(events), 400000);
}
