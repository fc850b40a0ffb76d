/*
 * lib/base/ol_csv.h - a CSV file, record by record (RFC 4180).
 *
 * open -> header (names to columns) -> next, next, ... (-> rewind -> header ...) -> close. Streams:
 * memory is one record. Reads quoted fields with "" and line breaks inside, LF and CRLF, a byte
 * order mark, a last line without end. Refuses what other tools guess at: a quote inside an
 * unquoted field, text after a closing quote, a lone CR, a record with more or fewer fields than
 * the header, NUL, bytes that are not UTF-8. Each error names file:line:column (column in bytes,
 * from 1). One thread.
 */
#ifndef OL_CSV_H
#define OL_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/ol_error.h"

#define OL_CSV_COLUMNS_MAX  64
#define OL_CSV_FIELD_BYTES  (64 * 1024)
#define OL_CSV_RECORD_BYTES (256 * 1024)

/* One field of the present record: unquoted, NUL-terminated, valid until the next record. */
struct ol_csv_field {
    const char *text;
    size_t size_bytes;
    uint64_t line, column; /* where it begins */
};

struct ol_csv;

/* path "-" is stdin. OL_NOT_FOUND: no such file; OL_FATAL: it can't be read. */
enum ol_class ol_csv_open(struct ol_csv **ret_csv, const char *path, struct ol_error *reterr);
void ol_csv_close(struct ol_csv *csv);

/* Reads the header and maps columns, in any order, to names[0..count). OL_POISON: the file is
 * empty, a name is missing, appears twice, or is not among the names. */
enum ol_class ol_csv_header(struct ol_csv *csv, const char *const names[], size_t count,
                            struct ol_error *reterr);

/* The next record: *ret_fields points at `count` fields in the order of the names, NULL at the
 * end of the file. Empty lines are skipped. OL_POISON: the file is not as promised above;
 * OL_FATAL: reading failed. After a failure the reader is only good for closing. */
enum ol_class ol_csv_next(struct ol_csv *csv, const struct ol_csv_field **ret_fields,
                          struct ol_error *reterr);

/* From the start again, with the header still to be read. OL_USAGE: it is no file that can be read
 * twice, but a pipe. */
enum ol_class ol_csv_rewind(struct ol_csv *csv, struct ol_error *reterr);

/* Bytes read so far, for progress; and the size of the file, 0 if unknown (a pipe). */
int64_t ol_csv_bytes(const struct ol_csv *csv);
int64_t ol_csv_size_bytes(const struct ol_csv *csv);

/* A decimal integer within min..max: an optional minus, digits, nothing else. `field` is one of
 * the present record's. OL_POISON names file, line, column, the header's name and the text. */
enum ol_class ol_csv_int(const struct ol_csv *csv, const struct ol_csv_field *field, int64_t min,
                         int64_t max, int64_t *ret_value, struct ol_error *reterr);

/* OL_POISON with `file:line:column: name: ` before the sentence, for checks of the caller's. */
enum ol_class ol_csv_fail(const struct ol_csv *csv, const struct ol_csv_field *field,
                          struct ol_error *reterr, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
