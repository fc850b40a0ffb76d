/*
 * bench/watch.c - what processes use and count while an arm runs, in samples of 50 ms.
 *
 *   bench_watch [OPTION...] NAME=WHAT... [-- COMMAND...]
 *
 * WHAT is PID | PID+ (with all children, ended ones too: a postmaster) | FILE@PORT (a role that
 * starts later: its pid is in FILE, /metrics and /readyz on PORT).
 *
 *   -o FILE           where samples go, one JSON object a line (default: standard output)
 *   -i MS             between two samples (default 50)
 *   -u CONDITION      the work is done once it holds, and all others: 'NAME:SERIES>=N', the sum of
 *                     all series that begin so, or 'NAME:SERIES==NAME:SERIES'
 *   -q MS             ... and no counter has moved for so long (default 1500)
 *   -s MS             exit 1 when no counter has moved for so long and the work is not done
 *                     (default 60000)
 *
 * With a COMMAND it watches until that ends, and takes its exit code over; else until the work is
 * done. Times are of CLOCK_MONOTONIC in microseconds. A sample:
 *   {"t":1,"machine":{"busy":2,"steal":0},"ticks_per_s":100,
 *    "processes":{"worker":{"ticks":5,"rss_kb":9000,"peak_kb":9500}},
 *    "ready":{"worker":1}, "waits":{"projector":"orders is joining the group"},
 *    "counters":{"worker":{"orderlog_events_total{context=\"orders\"}":7}}}
 * A process "watcher" is bench_watch itself. ticks: user and system time of all threads. rss_kb of
 * a tree: what its processes have each for themselves, and the largest shared part once. With a
 * COMMAND the last line tells its own use:
 *   {"command":{"from":1,"to":2,"cpu_us":3,"peak_kb":4,"exit":0}}
 */
#include "lib/base/ol_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ol_error.h"
#include "lib/base/ol_text.h"

#define WATCHED_MAX  16
#define ANSWER_BYTES (1 << 20)
#define MEMORY_EVERY 5 /* samples: reading it costs more than the rest */

struct watched {
    const char *name;
    const char *pid_file; /* NULL: pid is known from the start */
    int pid;              /* 0: not there yet */
    bool tree;
    uint16_t port; /* 0: has no counters */
    bool ready;
    int64_t rss_kb, peak_kb;
};

/* The sum of some series of a role; in a sample without the role, nothing. */
struct sum {
    const struct watched *row; /* NULL: `value` is a number that was given */
    const char *series;
    double value;
};

struct condition {
    struct sum left, right;
    bool equal; /* else: left >= right */
};

struct watch {
    struct watched rows[WATCHED_MAX];
    size_t count;
    struct condition conditions[WATCHED_MAX];
    size_t condition_count;
    FILE *out;
    int64_t interval_us, quiet_us, silent_us;
    char **command; /* NULL: none */
    int command_pid;
    int64_t moved_us;     /* when a counter last moved */
    double sum, last_sum; /* of all counters, in this sample and the one before */
    uint64_t samples;
    char *answer;
};

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "bench_watch: %s%s%s\n", what, *detail ? ": " : "", detail);
    exit(1);
}

static _Noreturn void usage(void)
{
    fputs("usage: bench_watch [-o FILE] [-i MS] [-u CONDITION] [-q MS] [-s MS] NAME=WHAT... "
          "[-- COMMAND...]\n",
          stderr);
    exit(2);
}

/* ---- what the kernel tells ---- */

/* The whole of a small file with a NUL after it; false: there is none. */
static bool read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t used = 0;
    for (ssize_t got = 1; got > 0 && used + 1 < size; used += got > 0 ? (size_t)got : 0)
        got = read(fd, text + used, size - 1 - used);
    close(fd);
    text[used] = 0;
    return used > 0;
}

/* User and system time of a process, of its ended children too. False: it is gone. */
static bool read_ticks(int pid, bool children, int64_t *ret_ticks)
{
    char path[64], text[1024];
    int64_t of[4];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_file(path, text, sizeof text))
        return false;
    const char *behind_name = strrchr(text, ')'); /* fields 3 ... follow; 14 to 17 are wanted */
    if (!behind_name || sscanf(behind_name + 1,
                               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
                               " %" SCNd64 " %" SCNd64,
                               &of[0], &of[1], &of[2], &of[3]) != 4)
        return false;
    *ret_ticks = of[0] + of[1] + (children ? of[2] + of[3] : 0);
    return true;
}

static int64_t field_kb(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static size_t read_children(int pid, int *ret_pids, size_t max)
{
    char path[80], text[8192];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if (!read_file(path, text, sizeof text))
        return 0;
    char *at = text;
    for (char *end; count < max; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at)
            break;
        ret_pids[count++] = (int)child;
    }
    return count;
}

/* A tree's shared memory is counted once: each process shows what it has touched of it. */
static void read_memory(struct watched *row, const int *pids, size_t count)
{
    int64_t own_kb = 0, shared_kb = 0, peak_kb = 0;
    for (size_t i = 0; i < count; i++) {
        char path[64], text[4096];
        snprintf(path, sizeof path, "/proc/%d/status", pids[i]);
        if (!read_file(path, text, sizeof text))
            continue;
        if (!row->tree) {
            row->rss_kb = field_kb(text, "VmRSS:");
            row->peak_kb = field_kb(text, "VmHWM:");
            return;
        }
        int64_t shared = field_kb(text, "RssShmem:");
        own_kb += field_kb(text, "RssAnon:");
        shared_kb = shared > shared_kb ? shared : shared_kb;
    }
    row->rss_kb = own_kb + shared_kb;
    peak_kb = row->rss_kb;
    row->peak_kb = peak_kb > row->peak_kb ? peak_kb : row->peak_kb;
}

/* Its ticks, and now and then its memory. */
static int64_t look_at(struct watched *row, bool memory)
{
    int pids[1024] = {row->pid};
    size_t count = 1;
    if (row->tree)
        count += read_children(row->pid, pids + 1, sizeof pids / sizeof *pids - 1);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t ticks;
        if (read_ticks(pids[i], row->tree, &ticks))
            sum += ticks;
        else if (i == 0)
            fail(row->name, "the process has ended");
    }
    if (memory || row->rss_kb == 0)
        read_memory(row, pids, count);
    return sum;
}

static void add_machine(struct ol_text *line)
{
    char text[4096];
    int64_t user, nice, system, irq, softirq, steal;
    if (!read_file("/proc/stat", text, sizeof text) ||
        sscanf(text,
               "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %*d %*d %" SCNd64 " %" SCNd64 " %" SCNd64,
               &user, &nice, &system, &irq, &softirq, &steal) != 6)
        fail("/proc/stat", "can't be read");
    ol_text_addf(line, "\"machine\":{\"busy\":%" PRId64 ",\"steal\":%" PRId64 "}",
                 user + nice + system + irq + softirq, steal);
}

/* ---- what roles tell ---- */

/* GET; the status, 0: nobody answers. watch->answer holds head and body. */
static int http_get(struct watch *watch, uint16_t port, const char *path)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 2};
    char request[128];
    int status = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, (size_t)size, MSG_NOSIGNAL) == size) {
        size_t used = 0;
        for (ssize_t got = 1; got > 0 && used + 1 < ANSWER_BYTES; used += got > 0 ? (size_t)got : 0)
            got = recv(fd, watch->answer + used, ANSWER_BYTES - 1 - used, 0);
        watch->answer[used] = 0;
        if (sscanf(watch->answer, "HTTP/%*s %d", &status) != 1)
            status = 0;
    }
    close(fd);
    return status;
}

/* Ready or not, and what it waits for: only until it is ready. */
static void add_readiness(struct watch *watch, struct watched *row, struct ol_text *ready,
                          struct ol_text *waits)
{
    if (!row->ready) {
        int status = http_get(watch, row->port, "/readyz");
        row->ready = status == 200;
        if (status && status != 200) {
            const char *body = strstr(watch->answer, "\r\n\r\n");
            ol_text_addf(waits, "%s\"%s\":", waits->size_bytes ? "," : "", row->name);
            ol_text_add_json(waits, body ? body + 4 : "");
        }
    }
    ol_text_addf(ready, "%s\"%s\":%d", ready->size_bytes ? "," : "", row->name, row->ready);
}

static void add_to(struct sum *sum, const struct watched *row, const char *line, double value)
{
    if (sum->row == row && strncmp(line, sum->series, strlen(sum->series)) == 0)
        sum->value += value;
}

static void forget_sums(struct watch *watch, const struct watched *row)
{
    for (size_t i = 0; i < watch->condition_count; i++) {
        struct condition *condition = &watch->conditions[i];
        if (condition->left.row == row)
            condition->left.value = 0;
        if (condition->right.row == row)
            condition->right.value = 0;
    }
}

/* One line of the exposition, if it is a counter that counts or the overlay's size. */
static void add_series(struct watch *watch, struct watched *row, struct ol_text *out,
                       const char *line, size_t size)
{
    const char *space = memrchr(line, ' ', size);
    size_t name_bytes = strcspn(line, "{ ");
    if (!space || line[0] == '#' || name_bytes < 6)
        return;
    bool counter = memcmp(line + name_bytes - 6, "_total", 6) == 0;
    bool overlay = strncmp(line, "orderlog_overlay_", 17) == 0;
    double value = strtod(space + 1, NULL);
    if ((!counter && !overlay) || value == 0)
        return;
    if (counter)
        watch->sum += value;
    for (size_t i = 0; i < watch->condition_count; i++) {
        add_to(&watch->conditions[i].left, row, line, value);
        add_to(&watch->conditions[i].right, row, line, value);
    }
    ol_text_add(out, out->size_bytes ? "," : "");
    ol_text_add_json_bytes(out, line, (size_t)(space - line));
    ol_text_addf(out, ":%.9g", value);
}

static void add_counters(struct watch *watch, struct watched *row, struct ol_text *counters)
{
    OL_AUTO(ol_text) struct ol_text series = {0};
    if (http_get(watch, row->port, "/metrics") != 200)
        return;
    forget_sums(watch, row);
    const char *line = strstr(watch->answer, "\r\n\r\n");
    line = line ? line + 4 : "";
    while (*line) {
        size_t size = strcspn(line, "\n");
        add_series(watch, row, &series, line, size);
        line += size + (line[size] == '\n');
    }
    ol_text_addf(counters, "%s\"%s\":{", counters->size_bytes ? "," : "", row->name);
    ol_text_add_bytes(counters, series.bytes, series.size_bytes);
    ol_text_add_char(counters, '}');
}

/* ---- a sample ---- */

static void find_pid(struct watched *row)
{
    char text[64];
    if (!row->pid && row->pid_file && read_file(row->pid_file, text, sizeof text))
        row->pid = atoi(text);
}

static void put_line(struct watch *watch, const struct ol_text *line)
{
    const char *text = ol_text_string(line);
    if (!text || fputs(text, watch->out) < 0 || fflush(watch->out) != 0)
        fail("a sample can't be written", strerror(errno));
}

static void sample(struct watch *watch)
{
    OL_AUTO(ol_text) struct ol_text line = {0}, processes = {0}, ready = {0}, waits = {0};
    OL_AUTO(ol_text) struct ol_text counters = {0};
    int64_t now_us = ol_clock_monotonic_us();
    bool memory = watch->samples++ % MEMORY_EVERY == 0;
    watch->sum = 0;
    ol_text_addf(&line, "{\"t\":%" PRId64 ",\"ticks_per_s\":%ld,", now_us, sysconf(_SC_CLK_TCK));
    add_machine(&line);
    for (size_t i = 0; i < watch->count; i++) {
        struct watched *row = &watch->rows[i];
        find_pid(row);
        if (!row->pid)
            continue;
        int64_t ticks = look_at(row, memory);
        ol_text_addf(&processes,
                     "%s\"%s\":{\"ticks\":%" PRId64 ",\"rss_kb\":%" PRId64 ",\"peak_kb\":%" PRId64
                     "}",
                     processes.size_bytes ? "," : "", row->name, ticks, row->rss_kb, row->peak_kb);
        if (row->port) {
            add_readiness(watch, row, &ready, &waits);
            add_counters(watch, row, &counters);
        }
    }
    ol_text_addf(&line, ",\"processes\":{%s},\"ready\":{%s},\"waits\":{%s},\"counters\":{",
                 processes.size_bytes ? ol_text_string(&processes) : "",
                 ready.size_bytes ? ol_text_string(&ready) : "",
                 waits.size_bytes ? ol_text_string(&waits) : "");
    ol_text_add_bytes(&line, counters.bytes, counters.size_bytes);
    ol_text_add(&line, "}}\n");
    put_line(watch, &line);
    if (watch->sum != watch->last_sum || !watch->moved_us)
        watch->moved_us = now_us;
    watch->last_sum = watch->sum;
}

static bool work_done(const struct watch *watch)
{
    for (size_t i = 0; i < watch->condition_count; i++) {
        const struct condition *condition = &watch->conditions[i];
        double left = condition->left.value, right = condition->right.value;
        if (condition->equal ? left != right : left < right)
            return false;
    }
    return watch->samples && ol_clock_monotonic_us() - watch->moved_us >= watch->quiet_us;
}

static void sleep_until(int64_t until_us)
{
    struct timespec at = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* ---- with and without a command ---- */

static int watch_work(struct watch *watch)
{
    int64_t next_us = ol_clock_monotonic_us();
    while (!work_done(watch)) {
        sample(watch);
        if (ol_clock_monotonic_us() - watch->moved_us > watch->silent_us)
            fail("no counter has moved for too long, and the work is not done", "");
        next_us += watch->interval_us;
        sleep_until(next_us);
    }
    return 0;
}

static int spawn(char **command)
{
    int pid = fork();
    if (pid < 0)
        fail("fork", strerror(errno));
    if (pid == 0) {
        execvp(command[0], command);
        fprintf(stderr, "bench_watch: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    return pid;
}

static int watch_command(struct watch *watch)
{
    OL_AUTO(ol_text) struct ol_text line = {0};
    struct rusage use;
    int status;
    sample(watch);
    int64_t from_us = ol_clock_monotonic_us(), next_us = from_us;
    watch->command_pid = spawn(watch->command);
    /* Its end is noticed within a millisecond; samples stay as far apart as they are. */
    while (wait4(watch->command_pid, &status, WNOHANG, &use) == 0) {
        sleep_until(ol_clock_monotonic_us() + 1000);
        if (ol_clock_monotonic_us() < next_us + watch->interval_us)
            continue;
        next_us += watch->interval_us;
        sample(watch);
    }
    int64_t to_us = ol_clock_monotonic_us();
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    sample(watch);
    getrusage(RUSAGE_CHILDREN, &use); /* its own children too, as far as it has waited for them */
    int64_t cpu_us = (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * INT64_C(1000000) +
                     use.ru_utime.tv_usec + use.ru_stime.tv_usec;
    ol_text_addf(&line,
                 "{\"command\":{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"cpu_us\":%" PRId64
                 ",\"peak_kb\":%ld,\"exit\":%d}}\n",
                 from_us, to_us, cpu_us, use.ru_maxrss, code);
    put_line(watch, &line);
    return code;
}

/* A signal ends us and what we started. */
static struct watch *the_watch;
static void on_signal(int number)
{
    if (the_watch->command_pid)
        kill(the_watch->command_pid, SIGTERM);
    _exit(128 + number);
}

/* ---- arguments ---- */

static struct watched *row_of(struct watch *watch, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strlen(watch->rows[i].name) == name_bytes &&
            memcmp(watch->rows[i].name, name, name_bytes) == 0)
            return &watch->rows[i];
    return NULL;
}

/* NAME=PID, NAME=PID+, NAME=FILE@PORT */
static void add_row(struct watch *watch, char *word)
{
    char *what = strchr(word, '=');
    if (!what || watch->count == WATCHED_MAX)
        usage();
    *what++ = 0;
    struct watched *row = &watch->rows[watch->count++];
    char *at = strrchr(what, '@');
    row->name = word;
    if (at) {
        *at = 0;
        row->pid_file = what;
        row->port = (uint16_t)atoi(at + 1);
    } else {
        row->pid = atoi(what);
        row->tree = what[strlen(what) - 1] == '+';
        if (row->pid <= 0)
            usage();
    }
}

/* NAME:SERIES, ended by a NUL */
static void read_sum(struct watch *watch, const char *word, struct sum *ret_sum)
{
    const char *colon = strchr(word, ':');
    if (!colon || !(ret_sum->row = row_of(watch, word, (size_t)(colon - word))))
        usage();
    ret_sum->series = colon + 1;
}

/* NAME:SERIES>=N or NAME:SERIES==NAME:SERIES */
static void add_condition(struct watch *watch, char *word)
{
    struct condition *condition = &watch->conditions[watch->condition_count++];
    char *least = strstr(word, ">="), *equal = strstr(word, "==");
    if (!least == !equal)
        usage();
    condition->equal = equal != NULL;
    *(equal ? equal : least) = 0;
    read_sum(watch, word, &condition->left);
    if (equal)
        read_sum(watch, equal + 2, &condition->right);
    else
        condition->right.value = strtod(least + 2, NULL);
}

static void read_arguments(struct watch *watch, int argc, char **argv)
{
    char *conditions[WATCHED_MAX];
    size_t condition_count = 0;
    int option;
    while ((option = getopt(argc, argv, "+o:i:u:q:s:")) != -1) {
        switch (option) {
        case 'o':
            watch->out = fopen(optarg, "we");
            if (!watch->out)
                fail(optarg, strerror(errno));
            break;
        case 'i': watch->interval_us = strtoll(optarg, NULL, 10) * 1000; break;
        case 'q': watch->quiet_us = strtoll(optarg, NULL, 10) * 1000; break;
        case 's': watch->silent_us = strtoll(optarg, NULL, 10) * 1000; break;
        case 'u':
            if (condition_count == WATCHED_MAX)
                usage();
            conditions[condition_count++] = optarg;
            break;
        default: usage();
        }
    }
    for (; optind < argc && strcmp(argv[optind], "--") != 0; optind++)
        add_row(watch, argv[optind]);
    if (optind < argc - 1)
        watch->command = argv + optind + 1;
    for (size_t i = 0; i < condition_count; i++)
        add_condition(watch, conditions[i]);
    if (watch->count == 0 || watch->interval_us <= 0 || (!watch->command && !condition_count))
        usage();
    if (watch->count < WATCHED_MAX) /* what the watching itself takes */
        watch->rows[watch->count++] = (struct watched){.name = "watcher", .pid = getpid()};
}

int main(int argc, char **argv)
{
    static struct watch watch = {.interval_us = 50000, .quiet_us = 1500000, .silent_us = 60000000};
    watch.out = stdout;
    watch.answer = malloc(ANSWER_BYTES);
    if (!watch.answer)
        fail("out of memory", "");
    read_arguments(&watch, argc, argv);
    the_watch = &watch;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    int code = watch.command ? watch_command(&watch) : watch_work(&watch);
    free(watch.answer);
    return code;
}
