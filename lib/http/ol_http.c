#include "lib/http/ol_http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"
#include "lib/http/ol_metrics.h"

#define REST_US INT64_C(100000) /* after a connection that there was no descriptor or memory for */

/* Read the head, write the answer, then read what the peer still sends until it closes: closing
 * with unread bytes would reset the connection under the answer. */
enum stage { FREE, READING, WRITING, LINGERING };

struct connection {
    enum stage stage;
    int fd;
    int64_t deadline_us;
    size_t head_bytes, sent_bytes;
    struct ol_text answer;
    char head[OL_HTTP_HEAD_BYTES];
};

struct ol_http {
    struct ol_http_settings settings;
    int listen_fd, stop_fd;
    uint16_t port;
    int64_t resting_until_us; /* the listener is not looked at; 0: it is */
    pthread_t thread;
    struct connection connections[OL_HTTP_CONNECTIONS_MAX];
};

static void *serve(void *argument);

/* ---- start and stop ---- */

static enum ol_class open_listener(struct ol_http *http, struct ol_error *reterr)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http->settings.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    http->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->listen_fd < 0)
        return ol_fail(reterr, OL_FATAL, "no socket for metrics: %s", strerror(errno));
    setsockopt(http->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(http->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(http->listen_fd, OL_HTTP_CONNECTIONS_MAX) != 0 ||
        getsockname(http->listen_fd, (struct sockaddr *)&address, &address_bytes) != 0)
        return ol_fail(reterr, errno == EADDRINUSE ? OL_CONFLICT : OL_FATAL,
                       "metrics port %u of 127.0.0.1: %s", http->settings.port, strerror(errno));
    http->port = ntohs(address.sin_port);
    return OL_OK;
}

/* The thread takes no signals: they are for the role's main thread. */
static enum ol_class start_thread(struct ol_http *http, struct ol_error *reterr)
{
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int failed = pthread_create(&http->thread, NULL, serve, http);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    if (failed)
        return ol_fail(reterr, OL_FATAL, "no thread for metrics: %s", strerror(failed));
    pthread_setname_np(http->thread, "ol_http");
    return OL_OK;
}

static void free_http(struct ol_http *http)
{
    for (size_t i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++) {
        if (http->connections[i].stage == FREE)
            continue;
        close(http->connections[i].fd);
        ol_text_release(&http->connections[i].answer);
    }
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    if (http->stop_fd >= 0)
        close(http->stop_fd);
    free(http);
}

enum ol_class ol_http_start(struct ol_http **ret_http, const struct ol_http_settings *settings,
                            struct ol_error *reterr)
{
    struct ol_http *http = calloc(1, sizeof *http);
    if (!http)
        return ol_fail(reterr, OL_FATAL, "out of memory");
    http->settings = *settings;
    http->listen_fd = -1;
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum ol_class class = OL_OK;
    if (http->stop_fd < 0)
        class = ol_fail(reterr, OL_FATAL, "no eventfd: %s", strerror(errno));
    if (!class)
        class = open_listener(http, reterr);
    if (!class)
        class = start_thread(http, reterr);
    if (class)
        free_http(http);
    else
        *ret_http = http;
    return class;
}

uint16_t ol_http_port(const struct ol_http *http)
{
    return http->port;
}

void ol_http_stop(struct ol_http *http)
{
    if (!http)
        return;
    ssize_t written = write(http->stop_fd, &(uint64_t){1}, sizeof(uint64_t));
    assert(written == sizeof(uint64_t));
    pthread_join(http->thread, NULL);
    free_http(http);
}

/* ---- answers ---- */

void ol_http_reason(struct ol_http_reasons *reasons, const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (reasons->count++)
        ol_text_add_char(&reasons->text, ',');
    ol_text_add_json(&reasons->text, reason);
}

static void answer(struct connection *connection, bool head_only, int status, const char *phrase,
                   const char *type, const struct ol_text *body)
{
    struct ol_text *out = &connection->answer;
    ol_text_clear(out);
    ol_text_addf(out,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                 "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
                 status, phrase, type, body->size_bytes,
                 status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!head_only)
        ol_text_add_bytes(out, body->bytes, body->size_bytes);
    connection->stage = WRITING;
}

static void answer_plain(struct connection *connection, int status, const char *phrase)
{
    char memory[64];
    struct ol_text body = ol_text_in(memory, sizeof memory);
    ol_text_addf(&body, "%d %s\n", status, phrase);
    answer(connection, false, status, phrase, "text/plain; charset=utf-8", &body);
}

static void answer_metrics(struct connection *connection, bool head_only)
{
    struct ol_text body = {0};
    ol_metrics_print(&body);
    if (body.failed)
        answer_plain(connection, 500, "Internal Server Error");
    else
        answer(connection, head_only, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", &body);
    ol_text_release(&body);
}

static void answer_health(struct connection *connection, bool head_only,
                          void (*check)(void *, struct ol_http_reasons *), void *context)
{
    struct ol_http_reasons reasons = {0};
    struct ol_text body = {0};
    if (check)
        check(context, &reasons);
    bool well = reasons.count == 0;
    ol_text_addf(&body, "{\"status\":\"%s\",\"reasons\":[", well ? "ok" : "unavailable");
    ol_text_add_bytes(&body, reasons.text.bytes, reasons.text.size_bytes);
    ol_text_add(&body, "]}\n");
    if (body.failed || reasons.text.failed)
        answer_plain(connection, 500, "Internal Server Error");
    else
        answer(connection, head_only, well ? 200 : 503, well ? "OK" : "Service Unavailable",
               "application/json", &body);
    ol_text_release(&body);
    ol_text_release(&reasons.text);
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

static void route(const struct ol_http *http, struct connection *connection, const char *path,
                  size_t path_bytes, bool known_method, bool head_only)
{
    bool metrics = is_word(path, path_bytes, "/metrics");
    bool live = is_word(path, path_bytes, "/livez");
    bool ready = is_word(path, path_bytes, "/readyz");
    if (!metrics && !live && !ready)
        answer_plain(connection, 404, "Not Found");
    else if (!known_method)
        answer_plain(connection, 405, "Method Not Allowed");
    else if (metrics)
        answer_metrics(connection, head_only);
    else
        answer_health(connection, head_only, live ? http->settings.live : http->settings.ready,
                      http->settings.context);
}

/* METHOD SP /path[?query] SP HTTP/1.x. Headers are not needed and not looked at; a body is read
 * and thrown away after the answer. */
static void answer_request(const struct ol_http *http, struct connection *connection)
{
    const char *line = connection->head;
    size_t line_bytes = (size_t)((char *)memmem(line, connection->head_bytes, "\r\n", 2) - line);
    const char *method_end = memchr(line, ' ', line_bytes);
    const char *path = method_end ? method_end + 1 : line;
    const char *path_end = memchr(path, ' ', line_bytes - (size_t)(path - line));
    const char *version = path_end ? path_end + 1 : NULL;
    size_t version_bytes = version ? line_bytes - (size_t)(version - line) : 0;

    bool version_fits = version && (is_word(version, version_bytes, "HTTP/1.1") ||
                                    is_word(version, version_bytes, "HTTP/1.0"));
    if (!method_end || method_end == line || !version_fits || *path != '/' ||
        memchr(line, '\0', line_bytes)) {
        answer_plain(connection, 400, "Bad Request");
        return;
    }
    size_t method_bytes = (size_t)(method_end - line);
    const char *query = memchr(path, '?', (size_t)(path_end - path));
    bool head_only = is_word(line, method_bytes, "HEAD");
    route(http, connection, path, (size_t)((query ? query : path_end) - path),
          head_only || is_word(line, method_bytes, "GET"), head_only);
}

/* ---- connections ---- */

static void finish(struct connection *connection)
{
    close(connection->fd);
    ol_text_release(&connection->answer);
    connection->stage = FREE;
}

static bool would_block(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static void read_head(const struct ol_http *http, struct connection *connection)
{
    size_t room = OL_HTTP_HEAD_BYTES - connection->head_bytes;
    ssize_t got = recv(connection->fd, connection->head + connection->head_bytes, room, 0);
    if (would_block(got))
        return;
    if (got <= 0) {
        finish(connection);
        return;
    }
    connection->head_bytes += (size_t)got;
    if (memmem(connection->head, connection->head_bytes, "\r\n\r\n", 4))
        answer_request(http, connection);
    else if (connection->head_bytes == OL_HTTP_HEAD_BYTES)
        answer_plain(connection, 431, "Request Header Fields Too Large");
    if (connection->stage == WRITING && connection->answer.failed)
        finish(connection);
}

static void write_answer(struct connection *connection)
{
    struct ol_text *text = &connection->answer;
    ssize_t sent = send(connection->fd, text->bytes + connection->sent_bytes,
                        text->size_bytes - connection->sent_bytes, MSG_NOSIGNAL);
    if (would_block(sent))
        return;
    if (sent < 0) {
        finish(connection);
        return;
    }
    connection->sent_bytes += (size_t)sent;
    if (connection->sent_bytes == text->size_bytes) {
        shutdown(connection->fd, SHUT_WR);
        connection->stage = LINGERING;
    }
}

static void discard_rest(struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->head, OL_HTTP_HEAD_BYTES, 0);
    if (got <= 0 && !would_block(got))
        finish(connection);
}

static void step(const struct ol_http *http, struct connection *connection)
{
    switch (connection->stage) {
    case FREE: break;
    case READING: read_head(http, connection); break;
    case WRITING: write_answer(connection); break;
    case LINGERING: discard_rest(connection); break;
    }
}

/* All places are taken: say so if the socket's buffer has room, which a new one has. */
static void turn_away(int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    ssize_t sent = send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL);
    (void)sent;
    close(fd);
}

/* What can't be accepted stays in the queue and would wake us again at once. */
static void accept_one(struct ol_http *http)
{
    int fd = accept4(http->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            http->resting_until_us = ol_clock_monotonic_us() + REST_US;
        return;
    }
    for (size_t i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];
        if (connection->stage != FREE)
            continue;
        connection->stage = READING;
        connection->fd = fd;
        connection->head_bytes = connection->sent_bytes = 0;
        connection->deadline_us = ol_clock_monotonic_us() + OL_HTTP_DEADLINE_MS * 1000LL;
        return;
    }
    turn_away(fd);
}

/* Ends what is over its deadline, and the listener's rest. Returns the time until the next in
 * milliseconds, -1 for none. */
static int expire(struct ol_http *http)
{
    int64_t now_us = ol_clock_monotonic_us(), next_us = INT64_MAX;
    if (http->resting_until_us > now_us)
        next_us = http->resting_until_us;
    else
        http->resting_until_us = 0;
    for (size_t i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];
        if (connection->stage == FREE)
            continue;
        if (connection->deadline_us <= now_us)
            finish(connection);
        else if (connection->deadline_us < next_us)
            next_us = connection->deadline_us;
    }
    return next_us == INT64_MAX ? -1 : (int)((next_us - now_us) / 1000 + 1);
}

/* places: stop, listener, then one for each connection; poll skips negative descriptors. */
static void *serve(void *argument)
{
    struct ol_http *http = argument;
    struct pollfd places[2 + OL_HTTP_CONNECTIONS_MAX];
    for (;;) {
        int wait_ms = expire(http);
        places[0] = (struct pollfd){.fd = http->stop_fd, .events = POLLIN};
        places[1] =
            (struct pollfd){.fd = http->resting_until_us ? -1 : http->listen_fd, .events = POLLIN};
        for (size_t i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++) {
            const struct connection *connection = &http->connections[i];
            places[2 + i] = (struct pollfd){
                .fd = connection->stage == FREE ? -1 : connection->fd,
                .events = connection->stage == WRITING ? POLLOUT : POLLIN,
            };
        }
        if (poll(places, sizeof places / sizeof places[0], wait_ms) < 0)
            continue;
        if (places[0].revents)
            return NULL;
        for (size_t i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++)
            if (places[2 + i].revents)
                step(http, &http->connections[i]);
        if (places[1].revents)
            accept_one(http);
    }
}
