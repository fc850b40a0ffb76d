/*
 * projections/writer_internal.h - what the writer's files share: columns as arrays, counted sets.
 *
 * A set is one UPDATE or upsert over unnest($1, $2, ...): begin (types) -> the arrays, row by row
 * -> queue. Its statement must hit as many rows as it has.
 */
#ifndef PROJECTIONS_WRITER_INTERNAL_H
#define PROJECTIONS_WRITER_INTERNAL_H

#include "projections/tables.h"
#include "projections/writer.h"

#define SET_ARRAYS_MAX 24
#define SETS_MAX       6 /* statements of one context's batch */

struct set {
    const struct ol_pg_statement *statement;
    struct ol_pg_array arrays[SET_ARRAYS_MAX];
    size_t array_count;
    bool with_next; /* each row is hit by this statement or by the next one's */
};

struct writer {
    struct ol_pg *db;
    enum context context;
    char *topic;
    struct ol_pg_copy copy;
    struct set sets[SETS_MAX], progress;
};

/* The set number `index`, emptied. `types` ends with 0. */
struct set *writer_set(struct writer *writer, size_t index, const struct ol_pg_statement *statement,
                       const enum ol_pg_type *types);

/* The sets of repeated commands: the table of commands, else the aggregate's own row. */
void writer_count_sets(struct writer *writer, size_t index, const struct row_batch *batch,
                       const struct ol_pg_statement *commands,
                       const struct ol_pg_statement *aggregates);

/* COPY of the rows that `is_new` (NULL: all) picks; without any, nothing is asked. */
enum ol_class writer_copy_rows(struct writer *writer, enum table table, const struct rowset *rows,
                               bool (*is_new)(const struct keyed_row *row),
                               void (*put)(struct ol_pg_copy *copy, const struct keyed_row *row),
                               struct ol_error *reterr);

/* The same for the context's table of commands. */
enum ol_class writer_copy_commands(struct writer *writer, enum table table,
                                   const struct row_batch *batch, struct ol_error *reterr);

/* Each context: rows that the batch made, then the sets of what it changed. */
enum ol_class write_orders(struct writer *writer, const struct row_batch *batch,
                           struct ol_error *reterr);
void sets_orders(struct writer *writer, const struct row_batch *batch);
enum ol_class write_inventory(struct writer *writer, const struct row_batch *batch,
                              struct ol_error *reterr);
void sets_inventory(struct writer *writer, const struct row_batch *batch);
enum ol_class write_payments(struct writer *writer, const struct row_batch *batch,
                             struct ol_error *reterr);
void sets_payments(struct writer *writer, const struct row_batch *batch);

/* ---- values that may be unset ---- */

static inline void put_text_or_null(struct ol_pg_copy *copy, const char *text, size_t bytes)
{
    if (bytes)
        ol_pg_put_text(copy, text, bytes);
    else
        ol_pg_put_null(copy);
}

static inline void put_name(struct ol_pg_copy *copy, const char *name)
{
    put_text_or_null(copy, name, name ? strlen(name) : 0);
}

static inline void put_us_or_null(struct ol_pg_copy *copy, int64_t unix_us)
{
    if (unix_us == TIME_NONE)
        ol_pg_put_null(copy);
    else
        ol_pg_put_us(copy, unix_us);
}

/* Versions: 0 is none. */
static inline void put_version(struct ol_pg_copy *copy, int64_t version)
{
    if (version)
        ol_pg_put_int64(copy, version);
    else
        ol_pg_put_null(copy);
}

static inline void put_text(struct ol_pg_copy *copy, struct text text)
{
    ol_pg_put_text(copy, text.data, text.bytes);
}

static inline void array_text(struct ol_pg_array *array, struct text text)
{
    ol_pg_array_text(array, text.data, text.bytes);
}

static inline void array_text_or_null(struct ol_pg_array *array, struct text text)
{
    if (text.bytes)
        ol_pg_array_text(array, text.data, text.bytes);
    else
        ol_pg_array_null(array);
}

static inline void array_name(struct ol_pg_array *array, const char *name)
{
    array_text_or_null(array, text_of(name));
}

static inline void array_us_or_null(struct ol_pg_array *array, int64_t unix_us)
{
    if (unix_us == TIME_NONE)
        ol_pg_array_null(array);
    else
        ol_pg_array_us(array, unix_us);
}

static inline void array_version(struct ol_pg_array *array, int64_t version)
{
    if (version)
        ol_pg_array_int64(array, version);
    else
        ol_pg_array_null(array);
}

#endif
