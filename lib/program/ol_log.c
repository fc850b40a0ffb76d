#include "lib/program/ol_log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ol_clock.h"
#include "lib/base/ol_text.h"

static const char *const level_names[] = {
    [OL_LOG_DEBUG] = "debug",
    [OL_LOG_INFO] = "info",
    [OL_LOG_WARN] = "warn",
    [OL_LOG_ERROR] = "error",
};

int ol_log_threshold_ = OL_LOG_INFO;
static bool as_json;
static atomic_int log_fd = STDERR_FILENO;

/* systemd sets JOURNAL_STREAM for what it logs, Kubernetes the address of its API. */
static bool is_supervised(void)
{
    return getenv("JOURNAL_STREAM") || getenv("KUBERNETES_SERVICE_HOST");
}

void ol_log_init(const char *level, const char *format)
{
    for (int i = OL_LOG_DEBUG; i <= OL_LOG_ERROR; i++)
        if (strcmp(level, level_names[i]) == 0)
            ol_log_threshold_ = i;
    as_json = strcmp(format, "json") == 0 || (strcmp(format, "auto") == 0 && is_supervised());
}

void ol_log_to(int fd)
{
    log_fd = fd;
}

struct ol_log_field ol_kv_text(const char *key, const char *value)
{
    return (struct ol_log_field){.key = key, .kind = OL_LOG_TEXT, .text = value};
}

struct ol_log_field ol_kv_int(const char *key, int64_t value)
{
    return (struct ol_log_field){.key = key, .kind = OL_LOG_INT, .integer = value};
}

struct ol_log_field ol_kv_unsigned(const char *key, uint64_t value)
{
    return (struct ol_log_field){.key = key, .kind = OL_LOG_UNSIGNED, .natural = value};
}

struct ol_log_field ol_kv_real(const char *key, double value)
{
    return (struct ol_log_field){.key = key, .kind = OL_LOG_REAL, .real = value};
}

struct ol_log_field ol_kv_bool(const char *key, bool value)
{
    return (struct ol_log_field){.key = key, .kind = OL_LOG_BOOL, .boolean = value};
}

static bool is_bare_word(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7F || *c == '"' || *c == '=' || *c == '\\')
            return false;
    return *text != '\0';
}

static void add_text(struct ol_text *line, const char *value)
{
    if (!as_json && value && is_bare_word(value))
        ol_text_add(line, value);
    else
        ol_text_add_json(line, value);
}

static void add_field(struct ol_text *line, const struct ol_log_field *field)
{
    if (line->size_bytes)
        ol_text_add_char(line, as_json ? ',' : ' ');
    if (as_json)
        ol_text_addf(line, "\"%s\":", field->key);
    else
        ol_text_addf(line, "%s=", field->key);

    switch (field->kind) {
    case OL_LOG_TEXT: add_text(line, field->text); break;
    case OL_LOG_INT: ol_text_add_int(line, field->integer); break;
    case OL_LOG_UNSIGNED: ol_text_addf(line, "%llu", (unsigned long long)field->natural); break;
    case OL_LOG_BOOL: ol_text_add(line, field->boolean ? "true" : "false"); break;
    case OL_LOG_REAL:
        /* JSON has no infinity and no NaN. */
        if (__builtin_isfinite(field->real))
            ol_text_addf(line, "%.9g", field->real);
        else
            ol_text_add(line, "null");
        break;
    }
}

/* A field goes in whole or not at all. Returns whether it did. */
static bool try_field(struct ol_text *line, const struct ol_log_field *field)
{
    size_t before = line->size_bytes;
    add_field(line, field);
    if (!line->failed)
        return true;
    line->size_bytes = before;
    line->failed = false;
    return false;
}

/* A logger has nowhere to report its own failure to. */
static void write_line(const char *bytes, size_t size)
{
    int saved_errno = errno;
    ssize_t written;
    do
        written = write(log_fd, bytes, size);
    while (written < 0 && errno == EINTR);
    errno = saved_errno;
}

void ol_log_write(enum ol_log_level level, const char *component, const char *message,
                  const struct ol_log_field fields[])
{
    static const char truncated_json[] = ",\"truncated\":true", truncated[] = " truncated=true";
    static const char opening_json[] = "{", closing_json[] = "}\n";
    enum { RESERVED_BYTES = sizeof truncated_json + sizeof opening_json + sizeof closing_json };

    char memory[OL_LOG_LINE_BYTES], now[OL_CLOCK_TEXT_BYTES];
    assert(level >= OL_LOG_DEBUG && level <= OL_LOG_ERROR && component && message);
    ol_clock_format(ol_clock_wall_us(), now);
    if (as_json)
        memory[0] = '{';
    struct ol_text line =
        ol_text_in(memory + as_json, sizeof memory - (size_t)as_json - RESERVED_BYTES);

    bool complete = try_field(&line, &(struct ol_log_field){.key = "ts", .text = now});
    complete &=
        try_field(&line, &(struct ol_log_field){.key = "level", .text = level_names[level]});
    complete &= try_field(&line, &(struct ol_log_field){.key = "component", .text = component});
    complete &= try_field(&line, &(struct ol_log_field){.key = "msg", .text = message});
    for (; fields->key; fields++)
        complete &= try_field(&line, fields);

    line.capacity_bytes = sizeof memory - (size_t)as_json;
    if (!complete)
        ol_text_add(&line, as_json ? truncated_json : truncated);
    ol_text_add(&line, as_json ? closing_json : "\n");
    assert(!line.failed); /* the reserved bytes are for what came last */
    write_line(memory, line.size_bytes + (size_t)as_json);
}
