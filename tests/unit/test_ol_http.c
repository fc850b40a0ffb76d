#include "lib/http/ol_http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"

static atomic_bool rebalancing;

static void check_ready(void *context, struct ol_http_reasons *reasons)
{
    (void)context;
    if (rebalancing) {
        ol_http_reason(reasons, "partition %d is \"moving\"", 3);
        ol_http_reason(reasons, "database away");
    }
}

static struct ol_http *http;

static void start(void)
{
    struct ol_http_settings settings = {.ready = check_ready};
    cr_assert_eq(ol_http_start(&http, &settings, NULL), OL_OK);
}

static void stop(void)
{
    ol_http_stop(http);
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ol_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* All until the peer closes. */
static size_t read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(fd, buffer + used, size - 1 - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    buffer[used] = '\0';
    return used;
}

static char reply[1 << 20];

static const char *ask_bytes(const char *request, size_t bytes)
{
    int fd = dial();
    cr_assert_eq(send(fd, request, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
    read_all(fd, reply, sizeof reply);
    close(fd);
    return reply;
}

static const char *ask(const char *request)
{
    return ask_bytes(request, strlen(request));
}

static const char *body(void)
{
    const char *end = strstr(reply, "\r\n\r\n");
    return end ? end + 4 : "";
}

TestSuite(ol_http, .init = start, .fini = stop, .timeout = 20);

Test(ol_http, serves_metrics)
{
    ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect_eq(strncmp(reply, "HTTP/1.1 200 OK\r\n", 17), 0);
    cr_expect(strstr(reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    cr_expect_eq(strncmp(body(), "# HELP orderlog_", 16), 0);
    cr_expect_eq(strtoul(strstr(reply, "Content-Length: ") + 16, NULL, 10), strlen(body()));
}

Test(ol_http, says_that_it_lives_when_nobody_checks)
{
    ask("GET /livez HTTP/1.0\r\n\r\n");
    cr_expect(strstr(reply, " 200 OK"));
    cr_expect_str_eq(body(), "{\"status\":\"ok\",\"reasons\":[]}\n");
}

Test(ol_http, gives_reasons_for_not_being_ready)
{
    rebalancing = true;
    ask("GET /readyz?verbose HTTP/1.1\r\n\r\n");
    cr_expect(strstr(reply, " 503 Service Unavailable"));
    cr_expect(strstr(reply, "Content-Type: application/json"));
    cr_expect_str_eq(body(), "{\"status\":\"unavailable\",\"reasons\":"
                             "[\"partition 3 is \\\"moving\\\"\",\"database away\"]}\n");
    rebalancing = false;
    ask("GET /readyz HTTP/1.1\r\n\r\n");
    cr_expect(strstr(reply, " 200 OK"));
}

Test(ol_http, answers_head_without_a_body)
{
    ask("HEAD /metrics HTTP/1.1\r\n\r\n");
    cr_expect(strstr(reply, " 200 OK"));
    cr_expect_str_eq(body(), "");
}

Test(ol_http, refuses_what_it_does_not_know)
{
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", " 404 "},
        {"GET /metricsx HTTP/1.1\r\n\r\n", " 404 "},
        {"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", " 405 "},
        {"get /metrics HTTP/1.1\r\n\r\n", " 405 "},
        {"GET /metrics\r\n\r\n", " 400 "},
        {"GET /metrics HTTP/2.0\r\n\r\n", " 400 "},
        {"GET /metrics  HTTP/1.1\r\n\r\n", " 400 "},
        {"GET  /metrics HTTP/1.1\r\n\r\n", " 400 "},
        {"GET http://x/metrics HTTP/1.1\r\n\r\n", " 400 "},
        {" /metrics HTTP/1.1\r\n\r\n", " 400 "},
        {"\r\n\r\n", " 400 "},
        {"\r\nGET /metrics HTTP/1.1\r\n\r\n", " 400 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(strstr(ask(rows[i].request), rows[i].status), "%s -> %.40s", rows[i].request,
                  reply);
    static const char with_nul[] = "GET /met\0rics HTTP/1.1\r\n\r\n";
    cr_expect(strstr(ask_bytes(with_nul, sizeof with_nul - 1), " 400 "));
    ask("DELETE /livez HTTP/1.1\r\n\r\n");
    cr_expect(strstr(reply, "Allow: GET, HEAD\r\n"));
}

Test(ol_http, refuses_a_head_above_its_bound)
{
    char request[OL_HTTP_HEAD_BYTES + 1000];
    memset(request, 'x', sizeof request);
    memcpy(request, "GET /metrics HTTP/1.1\r\nX: ", 26);
    ask_bytes(request, sizeof request);
    cr_expect(strstr(reply, " 431 "));

    memcpy(request + OL_HTTP_HEAD_BYTES - 4, "\r\n\r\n", 4);
    ask_bytes(request, OL_HTTP_HEAD_BYTES);
    cr_expect(strstr(reply, " 200 "));
}

Test(ol_http, takes_a_request_that_comes_in_pieces)
{
    int fd = dial();
    const char *request = "GET /livez HTTP/1.1\r\n\r\n";
    for (size_t i = 0; i < strlen(request); i++) {
        send(fd, request + i, 1, MSG_NOSIGNAL);
        usleep(1000);
    }
    read_all(fd, reply, sizeof reply);
    close(fd);
    cr_expect(strstr(reply, " 200 OK"));
}

Test(ol_http, cuts_off_who_is_too_slow)
{
    int64_t before_us = ol_clock_monotonic_us();
    int fd = dial();
    send(fd, "GET ", 4, MSG_NOSIGNAL);
    cr_expect_eq(read_all(fd, reply, sizeof reply), 0);
    int64_t waited_ms = (ol_clock_monotonic_us() - before_us) / 1000;
    close(fd);
    cr_expect(waited_ms >= OL_HTTP_DEADLINE_MS - 100 && waited_ms < OL_HTTP_DEADLINE_MS + 3000);
}

/* Who is turned away is told before it has asked: what it sends may come too late. */
static bool lives(void)
{
    static const char request[] = "GET /livez HTTP/1.1\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    read_all(fd, reply, sizeof reply);
    close(fd);
    return strstr(reply, " 200 OK");
}

Test(ol_http, turns_away_the_one_too_many_and_recovers, .timeout = 60)
{
    int idle[OL_HTTP_CONNECTIONS_MAX];
    for (int i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++)
        idle[i] = dial();
    int fd = dial();
    read_all(fd, reply, sizeof reply);
    close(fd);
    cr_expect(strstr(reply, " 503 "));
    for (int i = 0; i < OL_HTTP_CONNECTIONS_MAX; i++)
        close(idle[i]);
    while (!lives()) /* until it has seen that they left */
        ;
}

/* The first look after a connection that there was no descriptor for: is the listener left alone,
 * and for how long? */
int __wrap_poll(struct pollfd *files, nfds_t count, int timeout_ms);
int __real_poll(struct pollfd *files, nfds_t count, int timeout_ms);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags);

static _Thread_local bool refused, told;
static sem_t looked;
static int rest_ms;
static bool left_alone;

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags)
{
    int accepted = __real_accept4(fd, address, bytes, flags);
    refused = accepted < 0 && errno == EMFILE;
    return accepted;
}

int __wrap_poll(struct pollfd *files, nfds_t count, int timeout_ms)
{
    if (refused && !told) {
        told = true;
        left_alone = files[1].fd < 0;
        rest_ms = timeout_ms;
        sem_post(&looked);
    }
    return __real_poll(files, count, timeout_ms);
}

/* The connection that can't be accepted stays in the queue, and keeps the listener readable. */
Test(ol_http, sleeps_while_there_is_no_descriptor)
{
    struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};
    int taken[64], count = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    while ((taken[count] = dup(fd)) >= 0)
        count++;
    cr_assert_gt(count, 0);
    sem_init(&looked, 0, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ol_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    sem_wait(&looked);
    cr_expect(left_alone);
    cr_expect(rest_ms > 0 && rest_ms <= 101, "%d ms", rest_ms);
    for (int i = 0; i < count; i++)
        close(taken[i]);
    static const char request[] = "GET /livez HTTP/1.1\r\n\r\n";
    cr_assert_eq(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)sizeof request - 1);
    read_all(fd, reply, sizeof reply);
    close(fd);
    cr_expect(strstr(reply, " 200 OK"));
}

Test(ol_http, serves_many_in_turn)
{
    for (int i = 0; i < 200; i++)
        cr_assert(strstr(ask("GET /livez HTTP/1.1\r\n\r\n"), " 200 OK"));
}

Test(ol_http_start, says_that_a_port_is_taken)
{
    struct ol_http *second;
    struct ol_error error;
    start();
    struct ol_http_settings settings = {.port = ol_http_port(http)};
    cr_expect_eq(ol_http_start(&second, &settings, &error), OL_CONFLICT);
    cr_expect(strstr(error.text, "in use"), "%s", error.text);
    stop();
}

Test(ol_http_stop, cuts_off_open_connections)
{
    start();
    int fd = dial();
    send(fd, "GET ", 4, MSG_NOSIGNAL);
    stop();
    cr_expect_eq(read_all(fd, reply, sizeof reply), 0);
    close(fd);
    ol_http_stop(NULL);
}
