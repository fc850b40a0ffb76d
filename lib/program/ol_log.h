/*
 * lib/program/ol_log.h - one line on stderr for each thing worth telling.
 *
 *   ol_log(OL_LOG_INFO, "worker", "partition taken over",
 *          ol_kv("topic", topic), ol_kv("partition", partition), ol_kv("records", count));
 *   ts=2026-11-22T10:00:00.123456Z level=info component=worker msg="partition taken over" ...
 *
 * Loops log once, where the decision falls; lib/ returns errors and keeps quiet. The message is
 * a constant; what varies goes into fields. Never log a secret or a whole message body.
 * Safe from any thread: a line is one write(2) of at most OL_LOG_LINE_BYTES. Fields that do not
 * fit are left out and the line says truncated=true.
 */
#ifndef OL_LOG_H
#define OL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum ol_log_level { OL_LOG_DEBUG, OL_LOG_INFO, OL_LOG_WARN, OL_LOG_ERROR };

#define OL_LOG_LINE_BYTES 4096 /* PIPE_BUF: lines of several processes on one pipe don't mix */

/* level: debug|info|warn|error; format: auto|logfmt|json (both checked by the options table).
 * auto is JSON under a supervisor (systemd, Kubernetes) and logfmt otherwise. Call it once,
 * before other threads start; before that, lines are logfmt from level info up. */
void ol_log_init(const char *level, const char *format);

/* Where lines go; the default is stderr. For tests. */
void ol_log_to(int fd);

extern int ol_log_threshold_; /* read by the macro only */

struct ol_log_field {
    const char *key; /* snake_case, without unit tricks: wait_ms, offset, topic */
    enum { OL_LOG_TEXT, OL_LOG_INT, OL_LOG_UNSIGNED, OL_LOG_REAL, OL_LOG_BOOL } kind;
    union {
        const char *text; /* NULL is written as null; borrowed until ol_log returns */
        int64_t integer;
        uint64_t natural;
        double real;
        bool boolean;
    };
};

/* The fields are evaluated only if the level is on. */
#define ol_log(level, component, message, ...)                                                     \
    do {                                                                                           \
        if ((int)(level) >= ol_log_threshold_) {                                                   \
            const struct ol_log_field fields_[] = {__VA_ARGS__ __VA_OPT__(, ){0}};                 \
            ol_log_write(level, component, message, fields_);                                      \
        }                                                                                          \
    } while (0)

/* A field of any integer, floating, bool or string type; anything else does not compile. In C17
 * true, false and comparisons are int: cast them to bool, or they read 1 and 0. */
#define ol_kv(key, value)                                                                          \
    _Generic((value),                                                                              \
        char *: ol_kv_text,                                                                        \
        const char *: ol_kv_text,                                                                  \
        bool: ol_kv_bool,                                                                          \
        float: ol_kv_real,                                                                         \
        double: ol_kv_real,                                                                        \
        unsigned: ol_kv_unsigned,                                                                  \
        unsigned long: ol_kv_unsigned,                                                             \
        unsigned long long: ol_kv_unsigned,                                                        \
        default: ol_kv_int)(key, value)

struct ol_log_field ol_kv_text(const char *key, const char *value);
struct ol_log_field ol_kv_int(const char *key, int64_t value);
struct ol_log_field ol_kv_unsigned(const char *key, uint64_t value);
struct ol_log_field ol_kv_real(const char *key, double value);
struct ol_log_field ol_kv_bool(const char *key, bool value);

/* What the macro calls; fields end with one whose key is NULL. */
void ol_log_write(enum ol_log_level level, const char *component, const char *message,
                  const struct ol_log_field fields[]);

#endif
