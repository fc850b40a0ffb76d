#include "lib/base/ol_error.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} classes[] = {
    [OL_OK] = {"ok", 0},
    [OL_RETRY] = {"retry", 1},
    [OL_CONFLICT] = {"conflict", 4},
    [OL_POISON] = {"poison", 1},
    [OL_FATAL] = {"fatal", 1},
    [OL_USAGE] = {"usage", 2},
    [OL_NOT_FOUND] = {"not_found", 3},
    [OL_UNREACHABLE] = {"unreachable", 5},
    [OL_VIOLATED] = {"violated", 6},
};

__attribute__((format(printf, 4, 0))) static void fill(struct ol_error *reterr, enum ol_class class,
                                                       bool has_lines, const char *format,
                                                       va_list arguments)
{
    if (!reterr)
        return;
    vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
    reterr->class = class;
    reterr->has_lines = has_lines;
}

enum ol_class ol_fail(struct ol_error *reterr, enum ol_class class, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(reterr, class, false, format, arguments);
    va_end(arguments);
    return class;
}

enum ol_class ol_fail_lines(struct ol_error *reterr, enum ol_class class, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(reterr, class, true, format, arguments);
    va_end(arguments);
    return class;
}

enum ol_class ol_fail_in(struct ol_error *reterr, const char *format, ...)
{
    if (!reterr)
        return OL_FATAL;
    char inner[OL_ERROR_TEXT_BYTES];
    memcpy(inner, reterr->text, sizeof inner);

    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof reterr->text)
        snprintf(reterr->text + used, sizeof reterr->text - (size_t)used, ": %s", inner);
    return reterr->class;
}

int ol_exit_code(enum ol_class class)
{
    return classes[class].exit_code;
}

const char *ol_class_name(enum ol_class class)
{
    return classes[class].name;
}
