#include "lib/program/ol_progress.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char lines[1 << 16];

static const char *written(FILE *sink)
{
    ssize_t size = pread(fileno(sink), lines, sizeof lines - 1, 0);
    lines[size > 0 ? size : 0] = '\0';
    return lines;
}

static struct ol_progress progress_into(FILE *sink, int64_t total)
{
    struct ol_progress progress;
    ol_progress_init(&progress, "baskets", total);
    progress.fd = fileno(sink);
    progress.terminal = progress.color = false;
    return progress;
}

Test(ol_progress_add, stays_quiet_on_a_short_job_that_is_not_watched)
{
    FILE *sink = tmpfile();
    struct ol_progress progress = progress_into(sink, 1000);
    for (int i = 0; i < 1000; i++)
        ol_progress_add(&progress, 1);
    cr_assert_str_eq(written(sink), "");
    ol_progress_finish(&progress);
    cr_assert_eq(strncmp(written(sink), "baskets  1,000 in 0.0 s", 23), 0, "%s", lines);
    cr_assert_eq(lines[strlen(lines) - 1], '\n');
}

/* Time is moved by moving the moments that the struct remembers. */
Test(ol_progress_set, shows_percent_rate_and_time_left)
{
    FILE *sink = tmpfile();
    struct ol_progress progress = progress_into(sink, 155518);
    progress.drawn_us -= 10000000;
    progress.rate_us -= 10000000;
    ol_progress_set(&progress, 77759);
    cr_assert_str_eq(written(sink), "baskets  50 %  77,759 of 155,518  7,776/s  10 s left\n");
}

Test(ol_progress_set, does_without_percent_when_the_total_is_unknown)
{
    FILE *sink = tmpfile();
    struct ol_progress progress = progress_into(sink, 0);
    progress.drawn_us -= 10000000;
    progress.rate_us -= INT64_C(1000000000000); /* so long that the test's own time is nothing */
    ol_progress_set(&progress, 123456000000);
    cr_assert_str_eq(written(sink), "baskets  123,456,000,000  123,456/s\n");
}

Test(ol_progress_set, never_says_100_percent_too_early)
{
    FILE *sink = tmpfile();
    struct ol_progress progress = progress_into(sink, 100000);
    progress.drawn_us -= 10000000;
    ol_progress_set(&progress, 99999);
    cr_assert(strstr(written(sink), "99 %"));
}

Test(ol_progress_set, redraws_one_line_on_a_terminal)
{
    FILE *sink = tmpfile();
    struct ol_progress progress = progress_into(sink, 100);
    progress.terminal = true;
    for (int i = 1; i <= 2; i++) {
        progress.drawn_us -= 10000000;
        ol_progress_set(&progress, i);
    }
    cr_assert_str_eq(written(sink), "\rbaskets  1 %  1 of 100\033[K\rbaskets  2 %  2 of 100\033[K");
    ol_progress_finish(&progress);
    cr_assert_eq(written(sink)[strlen(lines) - 1], '\n');
}

Test(ol_progress_init, heeds_no_color)
{
    struct ol_progress progress;
    setenv("NO_COLOR", "1", 1);
    ol_progress_init(&progress, "x", 0);
    cr_assert_not(progress.color);
}
