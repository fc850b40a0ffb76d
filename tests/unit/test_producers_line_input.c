#include "producers/line_input.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ol_utf8.h"
#include "lib/program/ol_run.h"

static char path[] = "/tmp/orderlog-lines-XXXXXX";
static struct line_input *input;
static struct ol_error error;
static enum line_state state;
static const char *line;
static size_t bytes;

static void start(void)
{
    cr_assert_eq(ol_run_init(10000, &error), OL_OK);
}

static void release(void)
{
    line_input_close(input);
    input = NULL;
    unlink(path);
    ol_run_release();
}

static void open_bytes(const char *text, size_t count)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, count), (ssize_t)count);
    close(fd);
    cr_assert_eq(line_input_open(path, &input, &error), OL_OK);
}

static void open_text(const char *text)
{
    open_bytes(text, strlen(text));
}

static bool next_is(const char *expected)
{
    cr_assert_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_OK);
    return state == LINE_READY && bytes == strlen(expected) && memcmp(line, expected, bytes) == 0;
}

static bool ends(void)
{
    cr_assert_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_OK);
    return state == LINE_END;
}

TestSuite(line_input, .init = start, .fini = release);

Test(line_input, reads_lines_of_any_end)
{
    open_text("one\ntwo\r\n\nlast");
    cr_assert(next_is("one"));
    cr_assert_eq(line_input_number(input), 1);
    cr_assert(next_is("two"));
    cr_assert(next_is(""));
    cr_assert(next_is("last"));
    cr_assert_eq(line_input_number(input), 4);
    cr_assert(ends());
    cr_assert(ends());
}

Test(line_input, reads_an_empty_file)
{
    open_text("");
    cr_assert(ends());
}

Test(line_input, reads_long_lines)
{
    size_t size = 1000 * 1000;
    char *text = malloc(size + 3);
    memset(text, 'x', size);
    memcpy(text + size, "\ny", 3);
    open_text(text);
    cr_assert_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_OK);
    cr_assert_eq(state, LINE_READY);
    cr_assert_eq(bytes, size);
    cr_assert(next_is("y"));
    cr_assert(ends());
    free(text);
}

Test(line_input, refuses_an_endless_line)
{
    size_t size = LINE_BYTES_MAX + 1000 * 1000;
    char *text = malloc(size + 10);
    memcpy(text, "ok\n", 3);
    memset(text + 3, 'x', size);
    memcpy(text + 3 + size, "\nnext\n", 7);
    open_text(text);
    free(text);
    cr_assert(next_is("ok"));
    cr_assert_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_POISON);
    cr_assert_eq(strncmp(error.text + strlen(path), ":2:1: ", 6), 0, "%s", error.text);
    cr_assert(next_is("next"));
    cr_assert_eq(line_input_number(input), 3);
    cr_assert(ends());
}

Test(line_input, skips_a_byte_order_mark_at_the_start)
{
    open_text("\xef\xbb\xbf"
              "one\r\n\xef\xbb\xbf"
              "two");
    cr_assert(next_is("one"));
    cr_assert(next_is("\xef\xbb\xbf"
                      "two"));
    cr_assert(ends());
}

Test(line_input, skips_a_byte_order_mark_and_nothing_else)
{
    open_text("\xef\xbb\xbf");
    cr_assert(next_is(""));
    cr_assert(ends());
}

/* Whatever is wrong with each line: passing them over would tell it a thousand times. */
Test(line_input, names_a_file_of_wide_characters_and_goes_no_further)
{
    static const struct {
        const char *bytes;
        size_t count;
    } rows[] = {
        {"\xFF\xFE{\0}\0\n\0", 8}, {"\xFE\xFF\0{\0}\0\n", 8}, {"{\0}\0\n\0", 6}, {"\0{\0}\0\n", 6}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_bytes(rows[i].bytes, rows[i].count);
        cr_expect_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_FATAL);
        cr_expect_str_eq(error.text + strlen(path), ":1:1: " OL_UTF8_WIDE, "row %zu", i);
        line_input_close(input);
        unlink(path);
    }
    input = NULL;
}

Test(line_input, tells_wide_characters_however_they_come)
{
    int ends_of[2];
    cr_assert_eq(pipe(ends_of), 0);
    dup2(ends_of[0], STDIN_FILENO);
    cr_assert_eq(line_input_open("-", &input, &error), OL_OK);
    cr_assert_eq(write(ends_of[1], "\n", 1), 1);
    cr_assert_eq(line_input_next(input, 10, &state, &line, &bytes, &error), OL_OK);
    cr_assert_eq(state, LINE_NOT_YET, "it may be half a character");
    cr_assert_eq(write(ends_of[1], "\0{\0", 3), 3);
    cr_assert_eq(line_input_next(input, 10, &state, &line, &bytes, &error), OL_FATAL);
}

Test(line_input, does_not_wait_for_a_pipe)
{
    int ends_of[2];
    cr_assert_eq(pipe(ends_of), 0);
    dup2(ends_of[0], STDIN_FILENO);
    cr_assert_eq(line_input_open("-", &input, &error), OL_OK);
    cr_assert_eq(line_input_next(input, 0, &state, &line, &bytes, &error), OL_OK);
    cr_assert_eq(state, LINE_NOT_YET);
    cr_assert_eq(write(ends_of[1], "half", 4), 4);
    cr_assert_eq(line_input_next(input, 10, &state, &line, &bytes, &error), OL_OK);
    cr_assert_eq(state, LINE_NOT_YET);
    cr_assert_eq(write(ends_of[1], " done\n", 6), 6);
    cr_assert(next_is("half done"));
    close(ends_of[1]);
    cr_assert(ends());
}

Test(line_input, stops_when_asked_to)
{
    int ends_of[2];
    cr_assert_eq(pipe(ends_of), 0);
    dup2(ends_of[0], STDIN_FILENO);
    cr_assert_eq(line_input_open("-", &input, &error), OL_OK);
    ol_run_stop();
    cr_assert_eq(line_input_next(input, -1, &state, &line, &bytes, &error), OL_OK);
    cr_assert_eq(state, LINE_NOT_YET);
}

Test(line_input, names_a_file_that_is_not_there)
{
    cr_assert_eq(line_input_open("/nowhere/x", &input, &error), OL_NOT_FOUND);
}
