/*
 * cli/history.h - the events about one order, in all contexts, in the order in which they happened.
 *
 * Read from the log between the placing command's time and the last event that the rows know of,
 * partition by partition. Broker times put them in order; where they are equal, who caused whom
 * does: what another context did for version n of the order comes after that version.
 */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "verify/session.h"

/* A partition that may hold events about the order, up to `until` (not included). */
struct history_range {
    enum context context;
    int32_t partition;
    int64_t until;
};

struct history_event {
    int64_t at_ms, number, order_version, version, offset;
    enum context context;
    int32_t partition;
    const char *type;       /* static */
    char *detail, *decoded; /* decoded: JSON */
};

struct history {
    struct history_event *events;
    size_t count, capacity;
};

void history_release(struct history *history);

/* currency: the order's, in which its payment was asked; recorded_at_us: of the placing command. */
enum ol_class history_read(struct session *session, struct text order_id, struct currency currency,
                           int64_t recorded_at_us, const struct history_range *ranges, size_t count,
                           struct history *ret_history, struct ol_error *reterr);

#endif
