#include "lib/program/ol_log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"

/* Lines go into a file without a name; written() reads it from its start. */
static FILE *sink;
static char read_back[1 << 20];

static void log_to_sink(const char *level, const char *format)
{
    sink = tmpfile();
    ol_log_to(fileno(sink));
    ol_log_init(level, format);
}

static const char *written(void)
{
    ssize_t size = pread(fileno(sink), read_back, sizeof read_back - 1, 0);
    read_back[size > 0 ? size : 0] = '\0';
    return read_back;
}

/* The line without its time. */
static const char *behind_time(void)
{
    const char *line = written(), *space = strchr(line, ' ');
    return space ? space + 1 : line;
}

Test(ol_log, writes_logfmt)
{
    log_to_sink("info", "logfmt");
    int32_t partition = 3;
    uint64_t large = UINT64_MAX;
    char topic[] = "orderlog.orders.events.v1";
    ol_log(OL_LOG_INFO, "worker", "partition taken over", ol_kv("topic", topic),
           ol_kv("partition", partition), ol_kv("offset", INT64_MIN), ol_kv("large", large),
           ol_kv("rate", 2.5), ol_kv("lost", (bool)false), ol_kv("none", (const char *)NULL));
    cr_assert_str_eq(behind_time(),
                     "level=info component=worker msg=\"partition taken over\" "
                     "topic=orderlog.orders.events.v1 partition=3 offset=-9223372036854775808 "
                     "large=18446744073709551615 rate=2.5 lost=false none=null\n");
}

Test(ol_log, begins_with_the_time_in_utc)
{
    log_to_sink("info", "logfmt");
    ol_log(OL_LOG_WARN, "worker", "x");
    const char *line = written();
    int64_t at_us;
    cr_assert_eq(strncmp(line, "ts=", 3), 0);
    cr_assert(ol_clock_parse(line + 3, strcspn(line + 3, " "), &at_us));
}

Test(ol_log, escapes_so_that_one_event_is_one_line)
{
    log_to_sink("info", "logfmt");
    ol_log(OL_LOG_ERROR, "x", "y", ol_kv("a", "two\nlines"), ol_kv("b", "say \"hi\""),
           ol_kv("c", "k=v"), ol_kv("d", ""), ol_kv("e", "\x1b[31m"), ol_kv("f", "\xff"));
    cr_assert_str_eq(behind_time(), "level=error component=x msg=y a=\"two\\nlines\" "
                                    "b=\"say \\\"hi\\\"\" c=\"k=v\" d=\"\" e=\"\\u001b[31m\" "
                                    "f=\"\xEF\xBF\xBD\"\n");
}

Test(ol_log, writes_json_that_parses)
{
    log_to_sink("info", "json");
    ol_log(OL_LOG_INFO, "worker", "a \"quoted\"\n message", ol_kv("offset", 7),
           ol_kv("ok", (bool)true), ol_kv("nan", NAN), ol_kv("name", "\xff"));
    json_t *line = json_loads(written(), JSON_REJECT_DUPLICATES, NULL);
    cr_assert(line);
    cr_expect_str_eq(json_string_value(json_object_get(line, "level")), "info");
    cr_expect_str_eq(json_string_value(json_object_get(line, "msg")), "a \"quoted\"\n message");
    cr_expect_eq(json_integer_value(json_object_get(line, "offset")), 7);
    cr_expect(json_is_true(json_object_get(line, "ok")));
    cr_expect(json_is_null(json_object_get(line, "nan")));
    json_decref(line);
}

Test(ol_log, leaves_out_what_is_below_the_level)
{
    log_to_sink("warn", "logfmt");
    int evaluated = 0;
    ol_log(OL_LOG_INFO, "x", "quiet", ol_kv("n", ++evaluated));
    cr_assert_str_eq(written(), "");
    cr_assert_eq(evaluated, 0);
    ol_log(OL_LOG_WARN, "x", "loud", ol_kv("n", ++evaluated));
    cr_assert_eq(evaluated, 1);
    cr_assert(strstr(written(), "msg=loud n=1"));
}

Test(ol_log, is_json_under_a_supervisor_if_auto)
{
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_to_sink("info", "auto");
    ol_log(OL_LOG_INFO, "x", "y");
    cr_assert_eq(written()[0], '{');

    unsetenv("JOURNAL_STREAM");
    unsetenv("KUBERNETES_SERVICE_HOST");
    log_to_sink("info", "auto");
    ol_log(OL_LOG_INFO, "x", "y");
    cr_assert_eq(written()[0], 't');
}

Test(ol_log, says_when_a_field_did_not_fit)
{
    static char large[OL_LOG_LINE_BYTES];
    memset(large, 'x', sizeof large - 1);
    log_to_sink("info", "json");
    ol_log(OL_LOG_INFO, "x", "y", ol_kv("large", large), ol_kv("small", 1));
    json_t *line = json_loads(written(), 0, NULL);
    cr_assert(line);
    cr_expect_null(json_object_get(line, "large"));
    cr_expect_eq(json_integer_value(json_object_get(line, "small")), 1);
    cr_expect(json_is_true(json_object_get(line, "truncated")));
    json_decref(line);
}

Test(ol_log, fills_a_line_to_its_bound_without_passing_it)
{
    static char text[OL_LOG_LINE_BYTES];
    for (size_t size = OL_LOG_LINE_BYTES - 160; size < OL_LOG_LINE_BYTES; size++) {
        memset(text, 'x', size);
        text[size] = '\0';
        log_to_sink("info", "json");
        ol_log(OL_LOG_INFO, "x", "y", ol_kv("text", text), ol_kv("more", text));
        json_t *line = json_loads(written(), 0, NULL);
        cr_assert(line, "%zu", size);
        cr_assert_leq(strlen(read_back), OL_LOG_LINE_BYTES);
        json_decref(line);
        fclose(sink);
    }
}

static void *log_many(void *name)
{
    for (int i = 0; i < 500; i++)
        ol_log(OL_LOG_INFO, name, "one of many", ol_kv("i", i));
    return NULL;
}

Test(ol_log, keeps_lines_of_threads_apart)
{
    static char name[] = "thread";
    log_to_sink("info", "json");
    /* Append, as a log file is opened: each write(2) then finds its own place. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(sink));
    FILE *appending = fopen(path, "a");
    ol_log_to(fileno(appending));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_many, name);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);

    int lines = 0;
    written();
    for (char *line = strtok(read_back, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        json_t *json = json_loads(line, 0, NULL);
        cr_assert(json, "%s", line);
        json_decref(json);
    }
    cr_assert_eq(lines, 2000);
    fclose(appending);
}
