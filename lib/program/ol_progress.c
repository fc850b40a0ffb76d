#include "lib/program/ol_progress.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"

#define REDRAW_US     100000  /* on a terminal */
#define PLAIN_LINE_US 5000000 /* elsewhere */
#define RATE_SPAN_US  1000000 /* a rate is taken over at least this */
#define RATE_WEIGHT   0.3     /* of the newest span; the rest is history */
#define LOOK_US       20000   /* between two looks at the clock, roughly */
#define SKIP_MAX      64      /* adds without a look, so that a job that slows down is noticed */

#define CLEAR_TO_END "\033[K"
#define BOLD         "\033[1m"
#define PLAIN        "\033[0m"

void ol_progress_init(struct ol_progress *progress, const char *name, int64_t total)
{
    assert(name && total >= 0);
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    int64_t now_us = ol_clock_monotonic_us();
    bool dumb = !term || !*term || term[0] == 'd'; /* TERM=dumb: no cursor to move */
    bool terminal = isatty(STDERR_FILENO) && !dumb;
    *progress = (struct ol_progress){
        .name = name,
        .total = total,
        .fd = STDERR_FILENO,
        .started_us = now_us,
        .drawn_us = now_us,
        .rate_us = now_us,
        .skip = 1,
        .terminal = terminal,
        .color = terminal && !(no_color && *no_color),
    };
}

/* 1234567 as 1,234,567. */
static void add_grouped(struct ol_text *line, int64_t value)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)value);
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0 && digits[i - 1] != '-')
            ol_text_add_char(line, ',');
        ol_text_add_char(line, digits[i]);
    }
}

/* 9 s, 3 min 05 s, 2 h 07 min. */
static void add_span(struct ol_text *line, int64_t seconds)
{
    if (seconds < 60)
        ol_text_addf(line, "%d s", (int)seconds);
    else if (seconds < 3600)
        ol_text_addf(line, "%d min %02d s", (int)(seconds / 60), (int)(seconds % 60));
    else
        ol_text_addf(line, "%lld h %02d min", (long long)(seconds / 3600),
                     (int)(seconds / 60 % 60));
}

static int percent_of(const struct ol_progress *progress)
{
    if (progress->done >= progress->total)
        return 100;
    return (int)((double)progress->done * 100 / (double)progress->total);
}

static void write_line(struct ol_progress *progress, struct ol_text *line, bool last)
{
    struct ol_text out = {0};
    if (progress->terminal)
        ol_text_addf(&out, "\r%s" CLEAR_TO_END "%s", ol_text_string(line), last ? "\n" : "");
    else
        ol_text_addf(&out, "%s\n", ol_text_string(line));
    if (!out.failed) {
        ssize_t written = write(progress->fd, out.bytes, out.size_bytes);
        (void)written;
    }
    ol_text_release(&out);
}

static void draw(struct ol_progress *progress, int64_t now_us)
{
    char memory[256];
    struct ol_text line = ol_text_in(memory, sizeof memory);
    ol_text_addf(&line, "%s%.60s%s  ", progress->color ? BOLD : "", progress->name,
                 progress->color ? PLAIN : "");
    if (progress->total)
        ol_text_addf(&line, "%d %%  ", percent_of(progress));
    add_grouped(&line, progress->done);
    if (progress->total) {
        ol_text_add(&line, " of ");
        add_grouped(&line, progress->total);
    }
    if (progress->rate > 0) {
        ol_text_add(&line, "  ");
        add_grouped(&line, (int64_t)(progress->rate + 0.5));
        ol_text_add(&line, "/s");
    }
    if (progress->rate > 0 && progress->total > progress->done) {
        double left = (double)(progress->total - progress->done) / progress->rate;
        ol_text_add(&line, "  ");
        add_span(&line, left < 1e9 ? (int64_t)(left + 0.5) : 1000000000);
        ol_text_add(&line, " left");
    }
    write_line(progress, &line, false);
    progress->drawn_us = now_us;
}

/* The first span is taken as it is; later ones move the rate by their weight. */
static void update_rate(struct ol_progress *progress, int64_t now_us)
{
    int64_t span_us = now_us - progress->rate_us;
    if (span_us < RATE_SPAN_US)
        return;
    double newest = (double)(progress->done - progress->rate_done) * 1e6 / (double)span_us;
    progress->rate =
        progress->rate > 0 ? progress->rate * (1 - RATE_WEIGHT) + newest * RATE_WEIGHT : newest;
    progress->rate_us = now_us;
    progress->rate_done = progress->done;
}

static void look(struct ol_progress *progress, int64_t now_us)
{
    update_rate(progress, now_us);
    if (now_us - progress->drawn_us >= (progress->terminal ? REDRAW_US : PLAIN_LINE_US))
        draw(progress, now_us);
}

/* Adapts how many adds pass between two looks to how fast they come. */
void ol_progress_add(struct ol_progress *progress, int64_t count)
{
    assert(count >= 0);
    progress->done += count;
    if (++progress->skipped < progress->skip)
        return;
    int64_t now_us = ol_clock_monotonic_us();
    int64_t since_us = now_us - progress->looked_us;
    if (since_us < LOOK_US / 2 && progress->skip < SKIP_MAX)
        progress->skip *= 2;
    else if (since_us > LOOK_US)
        progress->skip = progress->skip > 1 ? progress->skip / 2 : 1;
    progress->skipped = 0;
    progress->looked_us = now_us;
    look(progress, now_us);
}

void ol_progress_set(struct ol_progress *progress, int64_t done)
{
    progress->done = done;
    look(progress, ol_clock_monotonic_us());
}

void ol_progress_finish(struct ol_progress *progress)
{
    int64_t span_us = ol_clock_monotonic_us() - progress->started_us;
    char memory[256];
    struct ol_text line = ol_text_in(memory, sizeof memory);
    ol_text_addf(&line, "%s%.60s%s  ", progress->color ? BOLD : "", progress->name,
                 progress->color ? PLAIN : "");
    add_grouped(&line, progress->done);
    if (progress->total && progress->done != progress->total) {
        ol_text_add(&line, " of ");
        add_grouped(&line, progress->total);
    }
    ol_text_addf(&line, " in %.1f s", (double)span_us / 1e6);
    if (span_us > 0) {
        ol_text_add(&line, "  ");
        add_grouped(&line, (int64_t)((double)progress->done * 1e6 / (double)span_us));
        ol_text_add(&line, "/s");
    }
    write_line(progress, &line, true);
}
