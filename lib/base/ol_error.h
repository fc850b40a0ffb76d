/*
 * lib/base/ol_error.h - what went wrong, and what the caller's loop does about it.
 *
 * A failure has a class; the class alone tells a loop what to do next. Codes of
 * Kafka, SQLSTATE and the like are mapped to a class once, in their wrapper.
 * A refusal (a value of the domain) is not a failure and never travels here.
 */
#ifndef OL_ERROR_H
#define OL_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum ol_class {
    OL_OK = 0,
    OL_RETRY,       /* back off, do the same again */
    OL_CONFLICT,    /* reload, decide again; or: somebody else has it (exit 4) */
    OL_POISON,      /* this input can never work: dead letter, go on */
    OL_FATAL,       /* stop, be restarted */
    OL_USAGE,       /* the user's words are off (exit 2) */
    OL_NOT_FOUND,   /* exit 3 */
    OL_UNREACHABLE, /* a server can't be reached (exit 5) */
    OL_VIOLATED,    /* an invariant does not hold (exit 6) */
};

#define OL_ERROR_TEXT_BYTES 1024

/* One failure. `text` is one sentence: what was wrong, where, what to do. */
struct ol_error {
    enum ol_class class;
    bool has_lines; /* its newlines are ours and are printed so; else they are somebody's data */
    char text[OL_ERROR_TEXT_BYTES];
};

/* Fills *reterr (if not NULL) and returns `class`, so that a failing function ends in
 * `return ol_fail(reterr, OL_RETRY, "...", ...)`. Truncates at the buffer's end. */
enum ol_class ol_fail(struct ol_error *reterr, enum ol_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As ol_fail(), for a text of several lines; what is put into it must not have newlines of its
 * own. */
enum ol_class ol_fail_lines(struct ol_error *reterr, enum ol_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts `prefix: ` before the text that is there; returns the error's class. */
enum ol_class ol_fail_in(struct ol_error *reterr, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The process exit code of a class: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict,
 * 5 unreachable, 6 violated (the table of the contract). */
int ol_exit_code(enum ol_class class);

/* "retry", "conflict", ... for logs and metrics labels. */
const char *ol_class_name(enum ol_class class);

/* Ownership by the cleanup attribute: OL_AUTO(ol_file) FILE *f = ... runs ol_file_auto(&f).
 * OL_STEAL(p) hands p on and leaves NULL behind. */
#define OL_AUTO(kind) __attribute__((cleanup(kind##_auto)))
#define OL_STEAL(pointer)                                                                          \
    ({                                                                                             \
        __typeof__(pointer) stolen_ = (pointer);                                                   \
        (pointer) = NULL;                                                                          \
        stolen_;                                                                                   \
    })

#endif
