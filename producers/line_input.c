#include "producers/line_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/assert.h"
#include "lib/base/ol_grow.h"
#include "lib/base/ol_utf8.h"
#include "lib/program/ol_run.h"

#define READ_BYTES (64 * 1024) /* room for one read(2), at least */

struct line_input {
    int fd;
    const char *name; /* the caller's */
    char *bytes;
    size_t capacity, start, end; /* bytes[start..end) is not taken yet */
    size_t searched;             /* of these, so many hold no LF */
    uint64_t number;
    bool looked; /* at what the file begins with */
    bool ended;
    bool dropping; /* until the end of a line that was too long */
};

enum ol_class line_input_open(const char *path, struct line_input **ret_input,
                              struct ol_error *reterr)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ol_fail(reterr, errno == ENOENT ? OL_NOT_FOUND : OL_FATAL, "%s: %s", path,
                       strerror(errno));
    struct line_input *input = calloc(1, sizeof *input);
    char *bytes = malloc(2 * READ_BYTES);
    if (!input || !bytes) {
        free(input);
        free(bytes);
        if (!is_stdin)
            close(fd);
        return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    *input = (struct line_input){
        .fd = fd, .name = is_stdin ? "stdin" : path, .bytes = bytes, .capacity = 2 * READ_BYTES};
    *ret_input = input;
    return OL_OK;
}

void line_input_close(struct line_input *input)
{
    if (!input)
        return;
    if (input->fd != STDIN_FILENO)
        close(input->fd);
    free(input->bytes);
    free(input);
}

uint64_t line_input_number(const struct line_input *input)
{
    return input->number;
}

const char *line_input_name(const struct line_input *input)
{
    return input->name;
}

/* Hands out bytes[start..line_end); the next line begins `skip` bytes after it. */
static void give(struct line_input *input, size_t line_end, size_t skip, const char **ret_line,
                 size_t *ret_bytes)
{
    domain_assert(input->start <= line_end && line_end + skip <= input->end);
    size_t bytes = line_end - input->start;
    *ret_line = input->bytes + input->start;
    if (bytes && (*ret_line)[bytes - 1] == '\r')
        bytes--;
    *ret_bytes = bytes;
    input->start = line_end + skip;
    input->searched = 0;
    input->number++;
}

/* A byte order mark before the first line is not part of it. */
static void skip_byte_order_mark(struct line_input *input, size_t line_end)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (input->number == 0 && line_end - input->start >= sizeof mark - 1 &&
        memcmp(input->bytes + input->start, mark, sizeof mark - 1) == 0)
        input->start += sizeof mark - 1;
}

/* Drops a line that was too long. False: its end is not there yet. */
static bool drop(struct line_input *input)
{
    const char *lf = memchr(input->bytes + input->start, '\n', input->end - input->start);
    input->start = lf ? (size_t)(lf - input->bytes) + 1 : input->end;
    input->searched = 0;
    input->dropping = !lf;
    return lf != NULL;
}

/* A line that is there already. */
static bool next_buffered(struct line_input *input, const char **ret_line, size_t *ret_bytes)
{
    if (!input->looked && !input->ended) /* two bytes tell, however they come */
        return false;
    if (input->dropping && !drop(input))
        return false;
    char *from = input->bytes + input->start + input->searched;
    const char *lf = memchr(from, '\n', input->end - input->start - input->searched);
    if (lf) {
        skip_byte_order_mark(input, (size_t)(lf - input->bytes));
        give(input, (size_t)(lf - input->bytes), 1, ret_line, ret_bytes);
        return true;
    }
    input->searched = input->end - input->start;
    if (!input->ended || input->searched == 0)
        return false;
    skip_byte_order_mark(input, input->end);
    give(input, input->end, 0, ret_line, ret_bytes);
    return true;
}

/* Room for one more read after what is not taken yet. */
static enum ol_class make_room(struct line_input *input, struct ol_error *reterr)
{
    domain_assert(input->start <= input->end && input->end <= input->capacity);
    size_t used = input->end - input->start;
    if (used > LINE_BYTES_MAX) {
        input->dropping = true;
        return ol_fail(reterr, OL_POISON, "%s:%llu:1: the line is longer than %d bytes",
                       input->name, (unsigned long long)++input->number, LINE_BYTES_MAX);
    }
    memmove(input->bytes, input->bytes + input->start, used);
    input->start = 0;
    input->end = used;
    return OL_GROW(input->bytes, input->capacity, used + READ_BYTES, 0)
               ? OL_OK
               : ol_fail(reterr, OL_FATAL, "out of memory");
}

/* Reads once; false: nothing is there within the time, or somebody asked to stop. */
static bool wait_readable(const struct line_input *input, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = input->fd, .events = POLLIN},
                           {.fd = ol_run_fd(), .events = POLLIN}};
    int ready;
    do
        ready = poll(fds, 2, timeout_ms);
    while (ready < 0 && errno == EINTR && !ol_run_stopping());
    return ready > 0 && fds[0].revents && !ol_run_stopping();
}

/* Once its first two bytes are there. */
static bool is_wide(struct line_input *input)
{
    if (input->looked || input->end < 2)
        return false;
    input->looked = true;
    return ol_utf8_wide(input->bytes, input->end);
}

enum ol_class line_input_next(struct line_input *input, int timeout_ms, enum line_state *ret_state,
                              const char **ret_line, size_t *ret_bytes, struct ol_error *reterr)
{
    while (!next_buffered(input, ret_line, ret_bytes)) {
        *ret_state = input->ended ? LINE_END : LINE_NOT_YET;
        if (input->ended || !wait_readable(input, timeout_ms))
            return OL_OK;
        enum ol_class class = make_room(input, reterr);
        if (class)
            return class;
        ssize_t got = read(input->fd, input->bytes + input->end, READ_BYTES);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return ol_fail(reterr, OL_FATAL, "%s: %s", input->name, strerror(errno));
        input->ended = got == 0;
        input->end += got > 0 ? (size_t)got : 0;
        if (is_wide(input))
            return ol_fail(reterr, OL_FATAL, "%s:1:1: " OL_UTF8_WIDE, input->name);
    }
    *ret_state = LINE_READY;
    return OL_OK;
}
