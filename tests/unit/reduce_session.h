/*
 * tests/unit/reduce_session.h - one batch of one context on one partition, and events for it. Its
 * verbs are short, so that a test reads as a session.
 */
#ifndef UNIT_REDUCE_SESSION_H
#define UNIT_REDUCE_SESSION_H

#include "projections/reduce.h"

/* From offset 100 on; now is second 50. */
#define PARTITION 3
#define NOW_US    INT64_C(50000000)

extern struct row_batch batch;
extern int64_t next_offset;

void start(enum context context);
void done(void);

/* The next event. */
void given(struct event_message event);

/* It is refused for this reason, and nothing has changed. */
void poison(struct event_message event, const char *words);

/* The batch is spoilt, for this reason. */
void fatal(struct event_message event, const char *words);

/* A row that must be there. */
struct keyed_row *row_of(const struct rowset *set, const char *id, struct text second);

/* What a command's event carries. */
#define BY_COMMAND(id)                                                                             \
    .metadata = {.command_id = TEXT(id), .occurred_at_us = TIME_NONE},                             \
    .cause_source = CAUSE_COMMANDS, .body_digest = 77
#define BY_STEP .metadata = {.command_id = TEXT("o-1/1/0")}, .cause_source = CAUSE_STEPS

#endif
