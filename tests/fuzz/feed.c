#include "tests/fuzz/feed.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool on;
    const uint8_t *at, *end;
    size_t piece_bytes;
} feed;

void feed_begin(const uint8_t *data, size_t size, size_t piece_bytes)
{
    feed.on = true;
    feed.at = data;
    feed.end = data + size;
    feed.piece_bytes = piece_bytes;
}

void feed_end(void)
{
    feed.on = false;
}

ssize_t __real_read(int fd, void *buffer, size_t bytes);
ssize_t __wrap_read(int fd, void *buffer, size_t bytes);
ssize_t __wrap_read(int fd, void *buffer, size_t bytes)
{
    if (!feed.on || fd != STDIN_FILENO)
        return __real_read(fd, buffer, bytes);
    size_t left = (size_t)(feed.end - feed.at);
    if (bytes > left)
        bytes = left;
    if (feed.piece_bytes && bytes > feed.piece_bytes)
        bytes = feed.piece_bytes;
    if (bytes)
        memcpy(buffer, feed.at, bytes);
    feed.at += bytes;
    return (ssize_t)bytes;
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (!feed.on || fds[0].fd != STDIN_FILENO)
        return __real_poll(fds, count, timeout_ms);
    fds[0].revents = POLLIN;
    return 1;
}

/* With large files it goes by another name. */
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode)
{
    if (!feed.on)
        return __real_fopen64(path, mode);
    /* There is no stream over nothing: an empty line stands for it. */
    static char nothing[] = "\n";
    size_t size = (size_t)(feed.end - feed.at);
    return size ? fmemopen((void *)feed.at, size, "r") : fmemopen(nothing, 1, "r");
}
