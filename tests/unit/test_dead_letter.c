/*
 * tests/unit/test_dead_letter.c - the headers of a record that was put aside.
 */
#include "consumers/dead_letter.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pipeline_message.h"

static struct ol_arena arena;
static struct ol_message message;
static struct ol_header *headers;
static size_t count;

static void set_up(void)
{
    ol_arena_init(&arena, 4096, 0);
}

static void tear_down(void)
{
    ol_message_release(&message);
    ol_arena_release(&arena);
    cr_assert_eq(pipeline_messages_alive(), 0u);
}

TestSuite(dead_letter_headers, .init = set_up, .fini = tear_down);
TestSuite(dead_letter_explain, .init = set_up, .fini = tear_down);

static void make(const struct ol_header *own, size_t own_count)
{
    struct ol_message source = {
        .topic = "orders", .partition = 3, .offset = 12, .timestamp_ms = 99};
    ol_message_release(&message);
    message = pipeline_message(&source, own, own_count);
}

/* "name=value name=value", null as ~ */
static const char *words(void)
{
    static char text[4096];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const struct ol_header *header = &headers[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%.*s", i ? " " : "",
                                 header->name, header->value ? (int)header->value_bytes : 1,
                                 header->value ? (const char *)header->value : "~");
        cr_assert_lt(used, sizeof text);
    }
    return text;
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        name, value, sizeof value - 1                                                              \
    }

Test(dead_letter_headers, keeps_its_own_in_order_and_replaces_those_named_again)
{
    const struct ol_header own[] = {
        HEADER("b", "1"), {"null", NULL, 0}, HEADER("mark", "old"),   HEADER("a", "2"),
        HEADER("b", "3"), HEADER("", "4"),   HEADER("mark", "older"), HEADER("Mark", "x"),
    };
    const struct ol_header more[] = {HEADER("mark", "new")};
    make(own, sizeof own / sizeof *own);
    cr_assert(dead_letter_headers(&message, more, 1, &arena, &headers, &count));
    cr_assert_str_eq(words(), "b=1 null=~ a=2 b=3 =4 Mark=x mark=new");
}

Test(dead_letter_headers, keeps_bytes_as_they_are)
{
    const struct ol_header own[] = {{"bytes", "\0\xff\n", 3}, {"empty", "", 0}};
    make(own, 2);
    cr_assert(dead_letter_headers(&message, NULL, 0, &arena, &headers, &count));
    cr_assert_eq(count, 2u);
    cr_assert_eq(headers[0].value_bytes, 3u);
    cr_assert_arr_eq(headers[0].value, "\0\xff\n", 3);
    cr_assert_not_null(headers[1].value);
    cr_assert_eq(headers[1].value_bytes, 0u);
}

Test(dead_letter_headers, outlive_the_message)
{
    char value[] = "before";
    const struct ol_header own[] = {HEADER("own", "value")};
    const struct ol_header more[] = {{"more", value, 6}};
    make(own, 1);
    cr_assert(dead_letter_headers(&message, more, 1, &arena, &headers, &count));
    ol_message_release(&message);
    memset(value, 'x', sizeof value);
    cr_assert_str_eq(words(), "own=value more=before");
}

Test(dead_letter_explain, says_where_from_and_why)
{
    const struct ol_header own[] = {HEADER("traceparent", "00-1-2-3")};
    make(own, 1);
    cr_assert(dead_letter_explain(&message, "orderlog.orders.commands.v1", DEAD_LETTER_WHOLE,
                                  "UNREADABLE", "the record has no value", &arena, &headers,
                                  &count));
    cr_assert_str_eq(words(), "traceparent=00-1-2-3"
                              " __connect.errors.topic=orderlog.orders.commands.v1"
                              " __connect.errors.partition=3"
                              " __connect.errors.offset=12"
                              " __connect.errors.connector.name=orderlog"
                              " __connect.errors.stage=DECODE"
                              " __connect.errors.exception.class.name=UNREADABLE"
                              " __connect.errors.exception.message=the record has no value"
                              " orderlog-original-timestamp=99");
}

Test(dead_letter_explain, says_which_step_of_its_record_it_was)
{
    make(NULL, 0);
    cr_assert(dead_letter_explain(&message, "orderlog.orders.steps.v1", 0, "UNREADABLE", "r",
                                  &arena, &headers, &count));
    cr_assert(strstr(words(), "__connect.errors.offset=12"));
    cr_assert(strstr(words(), " orderlog-original-place=0"));
}

Test(dead_letter_explain, a_second_time_replaces_the_first)
{
    make(NULL, 0);
    cr_assert(
        dead_letter_explain(&message, "first", 4, "A", "first reason", &arena, &headers, &count));
    size_t before = count;
    make(headers, count);
    cr_assert(dead_letter_explain(&message, "second", 5, "B", "again", &arena, &headers, &count));
    cr_assert_eq(count, before);
    cr_assert(strstr(words(), "errors.topic=second"));
    cr_assert(strstr(words(), "exception.message=again"));
    cr_assert(strstr(words(), "orderlog-original-place=5"));
    cr_assert_null(strstr(words(), "first"));
}

Test(dead_letter_explain, cuts_the_reason_between_characters)
{
    char reason[1000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(reason, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof reason; i += 3)
            memcpy(reason + i, "\xe2\x82\xac", 4);
        make(NULL, 0);
        cr_assert(dead_letter_explain(&message, "t", DEAD_LETTER_WHOLE, "C", reason, &arena,
                                      &headers, &count));
        const struct ol_header *cut = &headers[count - 2];
        cr_assert_str_eq(cut->name, "__connect.errors.exception.message");
        cr_assert_leq(cut->value_bytes, (size_t)DEAD_LETTER_REASON_BYTES);
        cr_assert_gt(cut->value_bytes, DEAD_LETTER_REASON_BYTES - 3u);
        cr_assert_eq((cut->value_bytes - shift) % 3, 0u, "after %zu bytes", cut->value_bytes);
    }
}

Test(dead_letter_explain, fails_when_the_arena_is_spent)
{
    const struct ol_header own[] = {HEADER("own", "value")};
    make(own, 1);
    for (size_t budget = 16; budget < 1024; budget += 16) {
        struct ol_arena small;
        ol_arena_init(&small, 4096, budget);
        headers = NULL;
        count = 77;
        bool fits = dead_letter_explain(&message, "t", 1, "C", "r", &small, &headers, &count);
        cr_assert_eq(fits, headers != NULL);
        cr_assert_eq(fits, count == 10);
        cr_assert(budget > 200 || !fits);
        cr_assert(budget < 900 || fits);
        ol_arena_release(&small);
    }
}
