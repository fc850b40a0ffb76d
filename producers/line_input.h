/*
 * producers/line_input.h - a text file or a pipe, line by line, without waiting longer than asked.
 *
 * open -> next, next, ... -> close. A pipe whose writer pauses answers LINE_NOT_YET, so that the
 * reader can do something else meanwhile. Lines end with LF or CRLF; the last may lack it. A byte
 * order mark at the start is skipped. Memory is one line. Threads: one.
 */
#ifndef PRODUCERS_LINE_INPUT_H
#define PRODUCERS_LINE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/ol_error.h"

#define LINE_BYTES_MAX                                                                             \
    (4 * 1024 * 1024) /* the largest command, written as wastefully as JSON can */

enum line_state {
    LINE_READY,
    LINE_NOT_YET, /* nothing whole came in time, or somebody asked the process to stop */
    LINE_END,
};

struct line_input;

/* path "-" is stdin. OL_NOT_FOUND: no such file; OL_FATAL: it can't be read. */
enum ol_class line_input_open(const char *path, struct line_input **ret_input,
                              struct ol_error *reterr);
void line_input_close(struct line_input *input);
static inline void line_input_auto(struct line_input **input)
{
    line_input_close(*input);
}

/* LINE_READY: *ret_line has *ret_bytes bytes without its end and no NUL after them, valid until
 * the next call. Waits up to timeout_ms (-1: for ever) and while ol_run_stopping() is false.
 * OL_POISON: a line is longer than LINE_BYTES_MAX, the next call goes on after it; OL_FATAL:
 * reading failed, or the file is UTF-16. */
enum ol_class line_input_next(struct line_input *input, int timeout_ms, enum line_state *ret_state,
                              const char **ret_line, size_t *ret_bytes, struct ol_error *reterr);

/* Number of the last line, from 1; and the name for messages: the path, or "stdin". */
uint64_t line_input_number(const struct line_input *input);
const char *line_input_name(const struct line_input *input);

#endif
