/*
 * lib/base/ol_text.h - text that grows: output lines, JSON, expositions.
 *
 * {0} -> add, add, add -> ol_text_string() -> clear (memory kept) or release.
 * Adding cannot fail visibly: when memory runs out the text is marked failed, keeps what it
 * had, and takes nothing more, so a writer checks once, at its end. One owner, one thread.
 */
#ifndef OL_TEXT_H
#define OL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Invariant: bytes is NULL, or bytes[size_bytes] is a NUL inside capacity_bytes. */
struct ol_text {
    char *bytes;
    size_t size_bytes, capacity_bytes;
    bool failed;   /* memory ran out; stays so until clear or release */
    bool borrowed; /* the memory is the caller's and does not grow */
};

/* A text in the caller's memory, for lines with a bound: full counts as failed. */
struct ol_text ol_text_in(char *memory, size_t memory_bytes);

void ol_text_release(struct ol_text *text);
void ol_text_clear(struct ol_text *text);
static inline void ol_text_auto(struct ol_text *text)
{
    ol_text_release(text);
}

void ol_text_add(struct ol_text *text, const char *string);
void ol_text_add_bytes(struct ol_text *text, const void *data, size_t bytes);
void ol_text_add_char(struct ol_text *text, char c);
void ol_text_add_int(struct ol_text *text, int64_t value);
void ol_text_addf(struct ol_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As a terminal may have it: what it would act on (controls, also of lines and direction), or a
 * byte that is not UTF-8, becomes U+FFFD. */
void ol_text_add_shown(struct ol_text *text, const void *data, size_t bytes);

/* A JSON string with its quotes. What a terminal would act on is escaped; bytes that are not UTF-8
 * become U+FFFD, one for each byte. A NULL string is written as null. */
void ol_text_add_json(struct ol_text *text, const char *string);
void ol_text_add_json_bytes(struct ol_text *text, const void *data, size_t bytes);

/* A 64-bit integer as a JSON string ("123"): readers that keep numbers as doubles lose none. */
void ol_text_add_json_int(struct ol_text *text, int64_t value);

/* What was added, NUL-terminated, "" for nothing; NULL if it failed. Valid until the next add. */
const char *ol_text_string(const struct ol_text *text);

#endif
