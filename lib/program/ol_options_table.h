/*
 * lib/program/ol_options_table.h - ol_options.def as an array, for those who read or print options.
 * Private to lib/program/ol_options*.c; commands see lib/program/ol_options.h only.
 */
#ifndef OL_OPTIONS_TABLE_H
#define OL_OPTIONS_TABLE_H

#include "lib/program/ol_options.h"

enum ol_option_type {
    OL_OPTION_TYPE_TEXT,
    OL_OPTION_TYPE_CHOICE,
    OL_OPTION_TYPE_LIST,
    OL_OPTION_TYPE_INT,
    OL_OPTION_TYPE_DURATION,
    OL_OPTION_TYPE_BYTES,
    OL_OPTION_TYPE_BOOL,
};

#define OL_OPTION_NAME_BYTES 64 /* ORDERLOG_, a flag's name, _FILE */

struct ol_option_row {
    enum ol_option_type type;
    size_t offset; /* of the field in struct ol_options */
    const char *flag, *default_text;
    int64_t min, max;
    unsigned groups, traits;
    const char *value_name, *help;
};

extern const struct ol_option_row ol_option_rows[OL_OPTION_COUNT];

/* "kafka_brokers", the name in the INI file and in `config show`. */
void ol_option_ini_name(const struct ol_option_row *row, char ret_name[OL_OPTION_NAME_BYTES]);

/* "ORDERLOG_KAFKA_BROKERS", and the suffix ("_FILE" or ""). */
void ol_option_env_name(const struct ol_option_row *row, const char *suffix,
                        char ret_name[OL_OPTION_NAME_BYTES]);

#endif
