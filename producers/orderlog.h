/*
 * orderlog.h - publish orders to an orderlog pipeline and learn what became of them, from C or C++.
 *
 *   orderlog_open -> orderlog_follow -> orderlog_place_order -> orderlog_wait -> orderlog_close
 *
 * Link with -lorderlog (pkg-config: orderlog). Only C types cross this header; structs keep their
 * size and order within a soname.
 *
 * Delivery. A command is in the log, once, when its position or its receipt has come. A publish
 * that failed with ORDERLOG_RETRY may be in the log all the same: publish it again with the same
 * command id, which the pipeline answers with the first outcome and no second effect.
 *
 * Threads. A handle serves one thread at a time; handles do not know each other. Callbacks run on
 * the calling thread, inside orderlog_* calls of the same handle; from a callback call only
 * orderlog_error(). The library starts threads of its own (librdkafka), installs no signal handler,
 * prints nothing, and never ends the process but by abort() on a broken invariant.
 *
 * Text is UTF-8. Ids have 1 to 128 bytes in which everything is seen: no control or hidden
 * character, no blank but the plain space, and that not at either end. A NULL command id asks for a
 * new one, which then can't be repeated after a crash: better derive it from your own key.
 */
#ifndef ORDERLOG_H
#define ORDERLOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORDERLOG_API __attribute__((visibility("default")))

#define ORDERLOG_ID_BYTES 129 /* of a buffer for an id, with the NUL */

struct orderlog;

enum orderlog_result {
    ORDERLOG_OK = 0,
    ORDERLOG_RETRY = 1,       /* not acknowledged: publish again, with the same command id */
    ORDERLOG_INVALID = 2,     /* the arguments can't become a command, or a property is unknown */
    ORDERLOG_NOT_FOUND = 3,   /* no such topic, or no such command was published while following */
    ORDERLOG_TIMEOUT = 4,     /* no outcome yet: orderlog_error() says what for; wait again */
    ORDERLOG_UNREACHABLE = 5, /* no broker answers */
    ORDERLOG_FAILED = 6,      /* anything else; the handle may be closed only */
};

/* Where a record lies. */
struct orderlog_position {
    char topic[128];
    int32_t partition;
    int64_t offset;
};

struct orderlog_line {
    const char *sku;
    int64_t quantity;     /* 1 or more */
    int64_t amount_minor; /* of the whole line, in minor units of the currency: 0 or more */
};

/* "0.1.0" of the library that is running. */
ORDERLOG_API const char *orderlog_version(void);

/*
 * Connects. brokers: "host:port,...". prefix: of the topics; NULL: "orderlog". properties:
 * "name=value" strings up to a NULL; NULL: none. Names are librdkafka's, and
 *   orderlog.timeout.ms=30000   longest wait for an acknowledgement or a server's answer
 *   orderlog.actor=NAME         who asks, as commands will say
 * On failure error (error_bytes of it) has a sentence and *ret_orderlog is untouched.
 */
ORDERLOG_API enum orderlog_result orderlog_open(const char *brokers, const char *prefix,
                                                const char *const *properties,
                                                struct orderlog **ret_orderlog, char *error,
                                                size_t error_bytes);

/* What is not acknowledged may be lost: orderlog_flush() first. Takes NULL. Bounded. */
ORDERLOG_API void orderlog_close(struct orderlog *orderlog);

/* The sentence of the last failure on this handle; "" if there was none. Valid until the next
 * call. */
ORDERLOG_API const char *orderlog_error(const struct orderlog *orderlog);

/* Makes a new command id, a UUIDv7. */
ORDERLOG_API void orderlog_new_id(char ret_id[ORDERLOG_ID_BYTES]);

/*
 * Publishing. With ret_position the call returns when the command is acknowledged. Without (NULL)
 * it returns when the command is queued, and the receipt callback reports the rest; it waits while
 * the queue is full. occurred_at_us: microseconds since 1970 in UTC; INT64_MIN: now.
 * ret_command_id may be NULL; else it gets the id, given or made, before anything is sent.
 */
ORDERLOG_API enum orderlog_result orderlog_place_order(
    struct orderlog *orderlog, const char *command_id, const char *order_id,
    const char *customer_id, const char *currency, const struct orderlog_line *lines,
    size_t line_count, int64_t occurred_at_us, char ret_command_id[ORDERLOG_ID_BYTES],
    struct orderlog_position *ret_position);

ORDERLOG_API enum orderlog_result orderlog_cancel_order(struct orderlog *orderlog,
                                                        const char *command_id,
                                                        const char *order_id,
                                                        char ret_command_id[ORDERLOG_ID_BYTES],
                                                        struct orderlog_position *ret_position);

/* Any command that you have encoded yourself from proto/orderlog/<context>/v1/command.proto, with a
 * command id. context: "orders", "inventory" or "payments". It is checked, and sent as it is. */
ORDERLOG_API enum orderlog_result orderlog_publish(struct orderlog *orderlog, const char *context,
                                                   const void *command, size_t command_bytes,
                                                   struct orderlog_position *ret_position);

/* W3C trace context to send with what is published from now on; NULL: none. Copied. Workers do
 * not pass on what is longer than 128 bytes or not clean UTF-8. */
ORDERLOG_API enum orderlog_result orderlog_set_traceparent(struct orderlog *orderlog,
                                                           const char *traceparent);

/* How a command fared; text says why it failed. The pointers live during the call. */
typedef void orderlog_receipt(void *opaque, const char *command_id, enum orderlog_result result,
                              const struct orderlog_position *position, const char *text);
ORDERLOG_API void orderlog_on_receipt(struct orderlog *orderlog, orderlog_receipt *receipt,
                                      void *opaque);

/* Serves receipts, waiting up to timeout_ms for the first one. */
ORDERLOG_API void orderlog_poll(struct orderlog *orderlog, int timeout_ms);

/* Waits for every receipt. ORDERLOG_RETRY: at least one since the last flush was a failure, or did
 * not come. */
ORDERLOG_API enum orderlog_result orderlog_flush(struct orderlog *orderlog);

/*
 * Outcomes. orderlog_follow() notes where the events end now; what is published afterwards can be
 * waited for. A second call starts from there and forgets the commands before. An outcome is kept
 * until orderlog_forget(), so a process that publishes for long forgets what it has dealt with.
 */
ORDERLOG_API enum orderlog_result orderlog_follow(struct orderlog *orderlog);

enum orderlog_status {
    ORDERLOG_ACCEPTED = 1,  /* it had events; `event` is the first */
    ORDERLOG_REJECTED = 2,  /* refused; code and message say why */
    ORDERLOG_REPEATED = 3,  /* the id was known: first_status and code are of its first time */
    ORDERLOG_PUT_ASIDE = 4, /* a dead letter: an operator has to look */
};

struct orderlog_outcome {
    enum orderlog_status status;
    enum orderlog_status first_status; /* REPEATED: ACCEPTED or REJECTED */
    char event[64];                    /* "OrderPlaced" */
    char code[64];                     /* "SKU_TWICE"; "" where nothing is refused */
    char message[256];                 /* a sentence for people */
    char order_status[24]; /* "CONFIRMED", "REJECTED", "CANCELLED"; orderlog_wait_order */
    struct orderlog_position position; /* of that event */
};

/* The outcome of the last command published with this id. timeout_ms 0 looks only, -1 waits for
 * ever. ORDERLOG_NOT_FOUND: none was published since orderlog_follow(), or it was not
 * acknowledged. */
ORDERLOG_API enum orderlog_result orderlog_wait(struct orderlog *orderlog, const char *command_id,
                                                int timeout_ms,
                                                struct orderlog_outcome *ret_outcome);

/* The same for a placed order, until it is confirmed, rejected or cancelled: order_status, and code
 * for why it is not confirmed. A command that is not accepted ends the wait with its own
 * outcome. */
ORDERLOG_API enum orderlog_result orderlog_wait_order(struct orderlog *orderlog,
                                                      const char *command_id, int timeout_ms,
                                                      struct orderlog_outcome *ret_outcome);

ORDERLOG_API void orderlog_forget(struct orderlog *orderlog, const char *command_id);

#ifdef __cplusplus
}
#endif

#endif
