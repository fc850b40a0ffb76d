#include "lib/base/ol_csv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ol_int.h"
#include "lib/base/ol_text.h"
#include "lib/base/ol_utf8.h"

#define INPUT_BYTES (64 * 1024)
#define END         (-1) /* of the file */
#define BROKEN      (-2) /* read(2) failed; read_errno says why */

struct ol_csv {
    char *path;
    int fd, read_errno;
    int64_t read_bytes, file_bytes;
    uint64_t line, column; /* of the next byte */

    const char *const *names; /* the caller's; NULL before the header is read */
    size_t count;
    size_t place[OL_CSV_COLUMNS_MAX]; /* file's column -> index in names */

    struct ol_csv_field fields[OL_CSV_COLUMNS_MAX];  /* as in the file */
    struct ol_csv_field ordered[OL_CSV_COLUMNS_MAX]; /* as in names */
    size_t field_count;
    size_t record_bytes; /* used of record[] */

    size_t input_at, input_bytes;
    char input[INPUT_BYTES];
    char record[OL_CSV_RECORD_BYTES]; /* unquoted fields, each with a NUL after it */
};

/* ---- opening and closing ---- */

static void begin(struct ol_csv *csv)
{
    csv->read_errno = 0;
    csv->read_bytes = 0;
    csv->line = csv->column = 1;
    csv->names = NULL;
    csv->count = csv->field_count = csv->record_bytes = 0;
    csv->input_at = csv->input_bytes = 0;
}

enum ol_class ol_csv_open(struct ol_csv **ret_csv, const char *path, struct ol_error *reterr)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ol_fail(reterr, errno == ENOENT ? OL_NOT_FOUND : OL_FATAL, "%s: %s", path,
                       strerror(errno));
    struct stat status;
    bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);

    struct ol_csv *csv = malloc(sizeof *csv);
    char *name = strdup(is_stdin ? "stdin" : path);
    if (!csv || !name) {
        free(csv);
        free(name);
        if (!is_stdin)
            close(fd);
        return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    csv->path = name;
    csv->fd = fd;
    csv->file_bytes = is_file ? status.st_size : 0;
    begin(csv);
    *ret_csv = csv;
    return OL_OK;
}

enum ol_class ol_csv_rewind(struct ol_csv *csv, struct ol_error *reterr)
{
    if (lseek(csv->fd, 0, SEEK_SET) < 0)
        return ol_fail(reterr, OL_USAGE,
                       "%s is no file; this list is read twice, so write it to one", csv->path);
    begin(csv);
    return OL_OK;
}

void ol_csv_close(struct ol_csv *csv)
{
    if (!csv)
        return;
    if (csv->fd != STDIN_FILENO)
        close(csv->fd);
    free(csv->path);
    free(csv);
}

int64_t ol_csv_bytes(const struct ol_csv *csv)
{
    return csv->read_bytes - (int64_t)(csv->input_bytes - csv->input_at);
}

int64_t ol_csv_size_bytes(const struct ol_csv *csv)
{
    return csv->file_bytes;
}

/* ---- bytes, with the place they stand at ---- */

/* Reads up to the input's end; 0 at the file's, below 0: failed. */
static ssize_t read_some(struct ol_csv *csv, char *to)
{
    ssize_t got;
    do
        got = read(csv->fd, to, (size_t)(csv->input + INPUT_BYTES - to));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        csv->read_errno = errno;
    else
        csv->read_bytes += got;
    return got;
}

static int refill(struct ol_csv *csv)
{
    ssize_t got = read_some(csv, csv->input);
    if (got < 0)
        return BROKEN;
    csv->input_at = 0;
    csv->input_bytes = (size_t)got;
    return got ? (unsigned char)csv->input[0] : END;
}

static int peek(struct ol_csv *csv)
{
    if (csv->input_at < csv->input_bytes)
        return (unsigned char)csv->input[csv->input_at];
    return refill(csv);
}

/* Goes past the byte that peek() has shown. */
static void skip(struct ol_csv *csv)
{
    assert(csv->input_at < csv->input_bytes);
    if (csv->input[csv->input_at++] == '\n') {
        csv->line++;
        csv->column = 1;
    } else {
        csv->column++;
    }
}

static enum ol_class fail_at(const struct ol_csv *csv, uint64_t line, uint64_t column,
                             struct ol_error *reterr, const char *what)
{
    return ol_fail(reterr, OL_POISON, "%s:%llu:%llu: %s", csv->path, (unsigned long long)line,
                   (unsigned long long)column, what);
}

static enum ol_class fail_here(const struct ol_csv *csv, struct ol_error *reterr, const char *what)
{
    return fail_at(csv, csv->line, csv->column, reterr, what);
}

static enum ol_class fail_reading(const struct ol_csv *csv, struct ol_error *reterr)
{
    return ol_fail(reterr, OL_FATAL, "%s: %s", csv->path, strerror(csv->read_errno));
}

/* ---- fields ---- */

/* Bytes that end a run of ordinary ones, outside and inside quotes. */
static bool is_special(char c)
{
    return c == ',' || c == '\n' || c == '\r' || c == '"' || c == '\0';
}

static bool is_special_quoted(char c)
{
    return c == '"' || c == '\n' || c == '\0';
}

/* Moves the run of ordinary bytes at the input's front, which all stand on one line, into the
 * record. */
static enum ol_class append_run(struct ol_csv *csv, struct ol_csv_field *field,
                                bool (*special)(char c), struct ol_error *reterr)
{
    const char *from = csv->input + csv->input_at, *end = csv->input + csv->input_bytes;
    const char *to = from;
    while (to < end && !special(*to))
        to++;
    size_t bytes = (size_t)(to - from);
    if (bytes > OL_CSV_FIELD_BYTES - field->size_bytes)
        return fail_at(csv, field->line, field->column, reterr, "field is longer than 64 KiB");
    if (bytes >= OL_CSV_RECORD_BYTES - csv->record_bytes)
        return fail_at(csv, field->line, field->column, reterr, "record is longer than 256 KiB");
    memcpy(csv->record + csv->record_bytes, from, bytes);
    csv->record_bytes += bytes;
    field->size_bytes += bytes;
    csv->input_at += bytes;
    csv->column += bytes;
    return OL_OK;
}

/* The same for one byte that is special but belongs to the field. */
static enum ol_class append_byte(struct ol_csv *csv, struct ol_csv_field *field,
                                 struct ol_error *reterr)
{
    if (field->size_bytes == OL_CSV_FIELD_BYTES)
        return fail_at(csv, field->line, field->column, reterr, "field is longer than 64 KiB");
    if (csv->record_bytes + 1 >= OL_CSV_RECORD_BYTES)
        return fail_at(csv, field->line, field->column, reterr, "record is longer than 256 KiB");
    csv->record[csv->record_bytes++] = csv->input[csv->input_at];
    field->size_bytes++;
    skip(csv);
    return OL_OK;
}

/* Stops before the comma or the line's end. */
static enum ol_class read_plain_field(struct ol_csv *csv, struct ol_csv_field *field,
                                      struct ol_error *reterr)
{
    for (;;) {
        int c = peek(csv);
        if (c == BROKEN)
            return fail_reading(csv, reterr);
        if (c == '"')
            return fail_here(csv, reterr, "a quote inside a field that is not quoted");
        if (c == '\0')
            return fail_here(csv, reterr, "a NUL byte");
        if (c == END || is_special((char)c))
            return OL_OK;
        enum ol_class class = append_run(csv, field, is_special, reterr);
        if (class)
            return class;
    }
}

static enum ol_class read_quoted_field(struct ol_csv *csv, struct ol_csv_field *field,
                                       struct ol_error *reterr)
{
    skip(csv);
    for (;;) {
        int c = peek(csv);
        enum ol_class class = OL_OK;
        if (c == BROKEN)
            return fail_reading(csv, reterr);
        if (c == END)
            return fail_at(csv, field->line, field->column, reterr,
                           "this quoted field does not end");
        if (c == '\0')
            return fail_here(csv, reterr, "a NUL byte");
        if (c == '\n') {
            class = append_byte(csv, field, reterr);
        } else if (c == '"') {
            skip(csv);
            if (peek(csv) != '"')
                return OL_OK;
            class = append_byte(csv, field, reterr);
        } else {
            class = append_run(csv, field, is_special_quoted, reterr);
        }
        if (class)
            return class;
    }
}

static enum ol_class read_field(struct ol_csv *csv, struct ol_error *reterr)
{
    struct ol_csv_field *field = &csv->fields[csv->field_count];
    if (csv->field_count == OL_CSV_COLUMNS_MAX)
        return fail_here(csv, reterr, "more than 64 fields");
    *field = (struct ol_csv_field){
        .text = csv->record + csv->record_bytes, .line = csv->line, .column = csv->column};
    enum ol_class class = peek(csv) == '"' ? read_quoted_field(csv, field, reterr)
                                           : read_plain_field(csv, field, reterr);
    if (class)
        return class;
    csv->record[csv->record_bytes++] = '\0'; /* the checks above kept a byte for it */
    csv->field_count++;
    if (ol_utf8_check(field->text, field->size_bytes, NULL) != OL_UTF8_OK)
        return fail_at(csv, field->line, field->column, reterr, "this field is not UTF-8");
    return OL_OK;
}

/* ---- records ---- */

/* What other programs put between columns. */
static const char *separator_name(int c)
{
    switch (c) {
    case ';': return "semicolons";
    case '\t': return "tabs";
    case '|': return "bars";
    default: return NULL;
    }
}

static enum ol_class fail_separator(const struct ol_csv *csv, int c, struct ol_error *reterr)
{
    char what[128];
    snprintf(what, sizeof what,
             "the columns are separated by %s; save the file with commas between them",
             separator_name(c));
    return fail_at(csv, csv->fields[0].line, 1, reterr, what);
}

/* Takes what stands after a field. *ret_last: it was the record's last one. */
static enum ol_class read_separator(struct ol_csv *csv, bool *ret_last, struct ol_error *reterr)
{
    int c = peek(csv);
    *ret_last = c != ',';
    if (c == END)
        return OL_OK;
    if (c == BROKEN)
        return fail_reading(csv, reterr);
    if (c == '\r') {
        skip(csv);
        c = peek(csv);
        if (c != '\n')
            return fail_here(csv, reterr, "a carriage return without a line feed");
    }
    if (!csv->names && separator_name(c)) /* "sku";"name" */
        return fail_separator(csv, c, reterr);
    if (c != ',' && c != '\n')
        return fail_here(csv, reterr, "text behind the closing quote");
    skip(csv);
    return OL_OK;
}

static bool is_empty_line(const struct ol_csv *csv)
{
    /* A quoted empty field ("") begins before the byte that the reader stands at. */
    const struct ol_csv_field *field = &csv->fields[0];
    return csv->field_count == 1 && field->size_bytes == 0 && csv->column == field->column;
}

/* Reads one record into csv->fields; *ret_more false at the end of the file. */
static enum ol_class read_record(struct ol_csv *csv, bool *ret_more, struct ol_error *reterr)
{
    bool empty = true;
    while (empty) {
        csv->field_count = csv->record_bytes = 0;
        int c = peek(csv);
        if (c == BROKEN)
            return fail_reading(csv, reterr);
        *ret_more = c != END;
        if (c == END)
            return OL_OK;
        for (bool last = false; !last;) {
            enum ol_class class = read_field(csv, reterr);
            empty = is_empty_line(csv);
            if (!class)
                class = read_separator(csv, &last, reterr);
            if (class)
                return class;
            empty = empty && last;
        }
    }
    return OL_OK;
}

/* A pipe may bring its first bytes one by one; no header is shorter than three. */
static void read_first_bytes(struct ol_csv *csv)
{
    while (csv->input_bytes < 3) {
        ssize_t got = read_some(csv, csv->input + csv->input_bytes);
        if (got <= 0)
            return;
        csv->input_bytes += (size_t)got;
    }
}

static void skip_byte_order_mark(struct ol_csv *csv)
{
    if (csv->input_bytes >= 3 && memcmp(csv->input, "\xEF\xBB\xBF", 3) == 0)
        csv->input_at = 3;
}

/* The separator that the header has instead of commas; 0: none. */
static int other_separator(const struct ol_csv *csv)
{
    const char *at = csv->fields[0].text;
    while (csv->field_count == 1 && *at)
        if (separator_name(*at++))
            return at[-1];
    return 0;
}

/* The names for an error text: a, b, c. */
static const char *list_names(struct ol_text *out, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        ol_text_addf(out, "%s%s", i ? ", " : "", names[i]);
    return out->failed ? "?" : ol_text_string(out);
}

static enum ol_class map_column(struct ol_csv *csv, const char *const names[], size_t count,
                                size_t column, bool seen[], struct ol_error *reterr)
{
    const struct ol_csv_field *field = &csv->fields[column];
    char what[512];
    size_t at = 0;
    while (at < count && strcmp(names[at], field->text) != 0)
        at++;
    if (at == count && field->size_bytes == 0)
        return fail_at(csv, field->line, field->column, reterr,
                       column + 1 == csv->field_count
                           ? "a column without a name; is there a comma behind the last one?"
                           : "a column without a name");
    if (at == count) {
        char memory[400];
        struct ol_text list = ol_text_in(memory, sizeof memory);
        snprintf(what, sizeof what, "unknown column '%.60s'; expected %s", field->text,
                 list_names(&list, names, count));
        return fail_at(csv, field->line, field->column, reterr, what);
    }
    if (seen[at]) {
        snprintf(what, sizeof what, "column '%.60s' is here twice", field->text);
        return fail_at(csv, field->line, field->column, reterr, what);
    }
    seen[at] = true;
    csv->place[column] = at;
    return OL_OK;
}

enum ol_class ol_csv_header(struct ol_csv *csv, const char *const names[], size_t count,
                            struct ol_error *reterr)
{
    assert(!csv->names && count > 0 && count <= OL_CSV_COLUMNS_MAX);
    bool seen[OL_CSV_COLUMNS_MAX] = {false}, more = false;
    read_first_bytes(csv);
    if (ol_utf8_wide(csv->input, csv->input_bytes))
        return fail_here(csv, reterr, OL_UTF8_WIDE);
    skip_byte_order_mark(csv);
    enum ol_class class = read_record(csv, &more, reterr);
    if (class)
        return class;
    if (!more)
        return fail_here(csv, reterr, "the file is empty; a header row must name the columns");
    if (other_separator(csv))
        return fail_separator(csv, other_separator(csv), reterr);

    for (size_t column = 0; column < csv->field_count; column++) {
        class = map_column(csv, names, count, column, seen, reterr);
        if (class)
            return class;
    }
    for (size_t i = 0; i < count; i++) {
        char what[128];
        snprintf(what, sizeof what, "column '%.60s' is missing from the header", names[i]);
        if (!seen[i])
            return fail_at(csv, csv->fields[0].line, 1, reterr, what);
    }
    csv->names = names;
    csv->count = count;
    return OL_OK;
}

enum ol_class ol_csv_next(struct ol_csv *csv, const struct ol_csv_field **ret_fields,
                          struct ol_error *reterr)
{
    assert(csv->names);
    bool more = false;
    enum ol_class class = read_record(csv, &more, reterr);
    if (class)
        return class;
    if (!more) {
        *ret_fields = NULL;
        return OL_OK;
    }
    if (csv->field_count != csv->count) {
        char what[128];
        bool comma =
            csv->field_count == csv->count + 1 && csv->fields[csv->field_count - 1].size_bytes == 0;
        snprintf(what, sizeof what, "this record has %zu fields, the header %zu%s",
                 csv->field_count, csv->count,
                 comma ? "; is there a comma behind the last one?" : "");
        return fail_at(csv, csv->fields[0].line, 1, reterr, what);
    }
    for (size_t column = 0; column < csv->count; column++)
        csv->ordered[csv->place[column]] = csv->fields[column];
    *ret_fields = csv->ordered;
    return OL_OK;
}

/* ---- values ---- */

enum ol_class ol_csv_fail(const struct ol_csv *csv, const struct ol_csv_field *field,
                          struct ol_error *reterr, const char *format, ...)
{
    char why[OL_ERROR_TEXT_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    assert(field >= csv->ordered && field < csv->ordered + csv->count);
    return ol_fail(reterr, OL_POISON, "%s:%llu:%llu: %s: %s", csv->path,
                   (unsigned long long)field->line, (unsigned long long)field->column,
                   csv->names[field - csv->ordered], why);
}

enum ol_class ol_csv_int(const struct ol_csv *csv, const struct ol_csv_field *field, int64_t min,
                         int64_t max, int64_t *ret_value, struct ol_error *reterr)
{
    switch (ol_int_parse(field->text, field->size_bytes, min, max, ret_value)) {
    case OL_INT_OK: return OL_OK;
    case OL_INT_OUTSIDE:
        return ol_csv_fail(csv, field, reterr, "%.60s is outside %lld to %lld", field->text,
                           (long long)min, (long long)max);
    case OL_INT_BAD: break;
    }
    return ol_csv_fail(csv, field, reterr, "'%.60s' is not a whole number", field->text);
}
