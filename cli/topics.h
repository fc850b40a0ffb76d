/*
 * cli/topics.h - what the topics should be, and how far they are from it.
 *
 * wanted (from the options) + there (from the broker) -> topics_compare() -> differences.
 * The comparison is pure.
 */
#ifndef CLI_TOPICS_H
#define CLI_TOPICS_H

#include "lib/base/ol_text.h"
#include "verify/session.h"

#define TOPICS_COUNT         (CONTEXT_COUNT * STREAM_COUNT)
#define TOPICS_SETTINGS_MAX  8
#define TOPICS_SETTING_BYTES 24

/* Batches of stock publishers (1,000,000 bytes) must fit, and with them every message of up to
 * 256 KiB: larger ones than that are refused by the worker, with a code. */
#define TOPICS_MESSAGE_BYTES_MAX     "1048588"
#define TOPICS_DEAD_LETTER_BYTES_MAX "4194304" /* what fits there fits here, headers and all */

/* One topic as it should be. */
struct topic_wanted {
    struct topic_name name;
    int32_t partition_count;
    int replication_factor;
    size_t setting_count;
    struct topic_setting {
        const char *name;
        char value[TOPICS_SETTING_BYTES];
        bool must; /* the promises rest on it, or somebody asked for it; else it is only better */
    } settings[TOPICS_SETTINGS_MAX];
};

/* All twelve. */
void topics_wanted(const struct ol_options *options, struct topic_wanted ret_wanted[TOPICS_COUNT]);

/* The same topic as it is. partition_count 0: there is none. values[i] is that of
 * wanted->settings[i]; NULL: no such setting. */
struct topic_there {
    int32_t partition_count;
    int replication_factor;
    const char *values[TOPICS_SETTINGS_MAX];
};

/* How many differences there are: must: the topic will not do; better: it will. */
struct topic_differences {
    size_t must, better;
};

/* Adds "partitions is 3, wanted 4; ..." to `text`. */
struct topic_differences topics_compare(const struct topic_wanted *wanted,
                                        const struct topic_there *there, struct ol_text *text);

#endif
