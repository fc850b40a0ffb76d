/*
 * cli/gap_waiting.h - whose undo or capture is among steps that are lost.
 *
 * What was asked and has no answer heals by its deadline. An undo or a capture is sent once: the
 * rows say who waits for one of that partition, and the steps that are still there whose is not
 * lost.
 */
#ifndef CLI_GAP_WAITING_H
#define CLI_GAP_WAITING_H

#include "domain/topic.h"
#include "verify/scan.h"

struct gap_waiting {
    struct text *ids; /* of orders, rising */
    size_t count;
};

/* kept: what is still there of the context's steps on that partition, of so many. The ids live in
 * the session's arena. */
enum ol_class gap_waiting_find(struct session *session, enum context context, int32_t partitions,
                               struct scan_range kept, struct gap_waiting *ret_waiting,
                               struct ol_error *reterr);

#endif
