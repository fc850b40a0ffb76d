/*
 * lib/http/ol_http.h - the small responder of a role: /metrics, /livez, /readyz on 127.0.0.1.
 *
 * start -> a thread of its own answers -> stop. It serves Prometheus, a supervisor and a person
 * with curl, not the public: GET and HEAD, HTTP/1.0 and 1.1, one request a connection, a bounded
 * head, a bounded number of connections, and a deadline over the whole request that no slow
 * sender can stretch. What is over a bound is answered (431, 503) or cut off.
 */
#ifndef OL_HTTP_H
#define OL_HTTP_H

#include <stdint.h>

#include "lib/base/ol_error.h"
#include "lib/base/ol_text.h"

#define OL_HTTP_HEAD_BYTES      8192 /* request line and headers; more is 431 */
#define OL_HTTP_CONNECTIONS_MAX 16   /* at once; one more is answered 503 and closed */
#define OL_HTTP_DEADLINE_MS     5000 /* from accept to the last byte of the answer */

struct ol_http;

/* Reasons why a role is not live or not ready; none means that it is. */
struct ol_http_reasons {
    struct ol_text text; /* JSON strings with commas between */
    int count;
};
void ol_http_reason(struct ol_http_reasons *reasons, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Callbacks run on the responder's thread and must return soon; NULL means always well. */
struct ol_http_settings {
    uint16_t port; /* 0: any free one */
    void (*live)(void *context, struct ol_http_reasons *reasons);
    void (*ready)(void *context, struct ol_http_reasons *reasons);
    void *context;
};

/* OL_CONFLICT: the port is taken. OL_FATAL: no socket, memory or thread. */
enum ol_class ol_http_start(struct ol_http **ret_http, const struct ol_http_settings *settings,
                            struct ol_error *reterr);

/* The port it listens on. */
uint16_t ol_http_port(const struct ol_http *http);

/* Cuts off open connections and joins the thread; no callback runs after it. Takes NULL. */
void ol_http_stop(struct ol_http *http);

#endif
