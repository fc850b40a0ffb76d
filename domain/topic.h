/*
 * domain/topic.h - the names of topics and groups.
 *
 * <prefix>.<context>.<stream>.v1: commands in, steps between workers, events out (the truth), and
 * the dead letters. Names are part of the contract with users. Pure.
 */
#ifndef DOMAIN_TOPIC_H
#define DOMAIN_TOPIC_H

#include "domain/message.h"

enum stream { STREAM_COMMANDS = 0, STREAM_STEPS, STREAM_EVENTS, STREAM_DEAD_LETTERS, STREAM_COUNT };

#define TOPIC_PREFIX_BYTES_MAX 100
#define TOPIC_NAME_BYTES_MAX   128 /* with the NUL */

struct topic_name {
    char text[TOPIC_NAME_BYTES_MAX];
};

/* "orderlog.orders.commands.v1". prefix: 1 to TOPIC_PREFIX_BYTES_MAX bytes. */
struct topic_name topic_name(const char *prefix, enum context context, enum stream stream);

/* "orderlog.orders.worker" */
struct topic_name worker_group_name(const char *prefix, enum context context);

/* "orderlog.projector" */
struct topic_name projector_group_name(const char *prefix);

/* "commands", "steps", "events", "dlq". */
const char *stream_name(enum stream stream);

#endif
