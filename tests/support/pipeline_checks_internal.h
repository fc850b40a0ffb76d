/*
 * tests/support/pipeline_checks_internal.h - how the checks read the log, and say what is wrong.
 */
#ifndef SUPPORT_PIPELINE_CHECKS_INTERNAL_H
#define SUPPORT_PIPELINE_CHECKS_INTERNAL_H

#include "proto/codec.h"
#include "tests/support/pipeline_checks.h"

/* The sentence of a check, one for all: an argument may be the one before. */
const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define TEXT_ARGS(text) (int)(text).bytes, (text).bytes ? (text).data : ""

enum stream stream_of(enum cause_source source);

/* An event in its place; arena: the caller's. */
struct event_message decode_event(const struct broker_slot *slot, enum context context,
                                  struct ol_arena *arena);

/* False: it can't be read. */
bool decode_command(const struct broker_slot *slot, enum context context, struct ol_arena *arena,
                    struct command *ret_command);

/* Every committed record of a partition, in turn. */
#define FOR_RECORDS(offset, log)                                                                   \
    for (int64_t offset = broker_next(log, 0, (int64_t)(log)->count);                              \
         offset < (int64_t)(log)->count;                                                           \
         offset = broker_next(log, offset + 1, (int64_t)(log)->count))

/* The frame of a steps record. */
struct step_bundle decode_bundle(const struct broker_slot *slot, struct ol_arena *arena);

/* Committed records from `from` to before `end`. */
int64_t count_records(const struct broker_partition *log, int64_t from, int64_t end);

bool same_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

#endif
