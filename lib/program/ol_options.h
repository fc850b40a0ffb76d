/*
 * lib/program/ol_options.h - every setting of every command, from one table.
 *
 * A row of ol_options.def makes a field below. A value comes from, first found:
 *   --flag | ORDERLOG_FLAG | the file named by ORDERLOG_FLAG_FILE (secrets) | the INI file
 *   (--config or ORDERLOG_CONFIG) | the default
 * and is checked against the row's bounds wherever it came from. An empty variable is an unset
 * one. The INI file has `name = value` at its top or under [orderlog], librdkafka's properties
 * under [kafka], lines of at most 198 bytes, and comments after # or ;. Roles receive a
 * `const struct ol_options *`; there are no global settings. Once filled it is read-only and may
 * be read from any thread.
 */
#ifndef OL_OPTIONS_H
#define OL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"

/* Which commands take a flag: a command is called with the bits of what it does. */
enum ol_option_group {
    OL_FOR_ALL = 1 << 0, /* every command; added by itself */
    OL_FOR_KAFKA = 1 << 1,
    OL_FOR_PG = 1 << 2,
    OL_FOR_TOPICS = 1 << 3, /* makes or checks topics */
    OL_FOR_PRINT = 1 << 4,  /* prints data: --json */
    OL_FOR_ROLE = 1 << 5,   /* runs until it is stopped */
    OL_FOR_WORKER = 1 << 6,
    OL_FOR_PROJECTOR = 1 << 7,
    OL_FOR_SUBMIT = 1 << 8,
    OL_FOR_PLAN = 1 << 9, /* acts with --execute only */
    OL_FOR_WATCH = 1 << 10,
    OL_FOR_SAGA = 1 << 11,
    OL_FOR_EVENTS = 1 << 12,
    OL_FOR_VERIFY = 1 << 13,
    OL_FOR_IMPORT = 1 << 14,
    OL_FOR_MIGRATE = 1 << 15,
    OL_FOR_LETTERS = 1 << 16,
    OL_TAKES_ARGUMENTS = 1 << 17, /* no option's: words that are none mean something */
    OL_FOR_GAPS = 1 << 18,        /* acknowledges what is lost */
    OL_FOR_PRODUCTS = 1 << 19,    /* changes products that are there */
};
#define OL_FOR_EVERYTHING (~0u) /* config show: takes every flag, needs none */

enum ol_option_trait {
    OL_OPTION_SECRET = 1,    /* masked; may come from a file named by ORDERLOG_X_FILE */
    OL_OPTION_FLAG_ONLY = 2, /* what a person asks of one call: no environment, no INI file */
    OL_OPTION_REQUIRED = 4,  /* the commands that take it need it */
};

#define OL_OPTION_PROPERTIES_MAX 128  /* -X, and [kafka] in the INI file */
#define OL_OPTION_SECRET_BYTES   4096 /* of a file named by ORDERLOG_X_FILE */

struct ol_option_list {
    const char *const *items;
    size_t count;
};

/* One name=value for librdkafka, as it was given. */
struct ol_option_property {
    const char *name, *value;
    const char *origin; /* "flag" or "file.ini:12" */
};

#define OL_OPTION_FIELD_TEXT     const char *
#define OL_OPTION_FIELD_CHOICE   const char *
#define OL_OPTION_FIELD_LIST     struct ol_option_list
#define OL_OPTION_FIELD_INT      int64_t
#define OL_OPTION_FIELD_DURATION int64_t
#define OL_OPTION_FIELD_BYTES    int64_t
#define OL_OPTION_FIELD_BOOL     bool

enum ol_option_id {
#define OL_OPTION(type, field, ...) OL_OPTION_ID_##field,
#include "lib/program/ol_options.def"
#undef OL_OPTION
    OL_OPTION_COUNT
};

struct ol_options {
#define OL_OPTION(type, field, ...) OL_OPTION_FIELD_##type field;
#include "lib/program/ol_options.def"
#undef OL_OPTION

    /* -X name=value and the INI file's [kafka] section. Each name is here once: a flag beats the
     * file, the last of two flags counts; twice in the file is refused. */
    const struct ol_option_property *kafka_properties;
    size_t kafka_property_count;

    /* What is not an option, in order; "-" is one, and so is all that follows "--". */
    const char *const *arguments;
    size_t argument_count;

    /* Where each value came from: "default", "flag", "ORDERLOG_X", "ORDERLOG_X_FILE" or
     * "file.ini:12". */
    const char *origins[OL_OPTION_COUNT];

    struct ol_arena arena; /* holds every text above */
};

/* Reads the words after the command's name. `command` is that name ("worker", "saga list") for
 * error texts, `groups` what it takes. Texts are copied: argv and the environment may change
 * afterwards. OL_USAGE, with a sentence that names the source and, for an unknown name, the
 * nearest known one; *ret_options is then already released. */
enum ol_class ol_options_init(struct ol_options *ret_options, const char *command, unsigned groups,
                              int argc, char *const argv[], struct ol_error *reterr);
void ol_options_release(struct ol_options *options);

/* A pooler in session mode may stand before PostgreSQL. */
static inline bool ol_options_pooled(const struct ol_options *options)
{
    return options->pg_pooler && options->pg_pooler[0] == 's';
}

/* The options of a command for its --help, aligned, wrapped at 80 columns. */
void ol_options_print_help(FILE *out, unsigned groups);

/* `orderlog config show`: name, value, origin of every setting and librdkafka property, secrets
 * masked; a JSON object a line with options->json. */
void ol_options_show(FILE *out, const struct ol_options *options);

/* docs/configuration.md, whole. */
void ol_options_print_markdown(FILE *out);

/* Whether a name=value of librdkafka holds a secret (a password, a key, a token). */
bool ol_options_property_is_secret(const char *name);

#endif
