/*
 * tests/support/pipeline_checks.h - what must hold of a pipeline, told from its log.
 *
 * Each check reads what the broker holds and folds it anew; none trusts a core's own account. NULL:
 * it holds. Else a sentence that says what does not, valid until the next check.
 *
 * _states.c: what owners and projections hold, and the sums over them; _log.c: receipts, outcomes
 * and keys of the records; _anew.c: the same inputs decided again.
 */
#ifndef SUPPORT_PIPELINE_CHECKS_H
#define SUPPORT_PIPELINE_CHECKS_H

#include "tests/support/pipeline_owner.h"

struct pipeline {
    const struct broker *broker;
    const struct projection *truth; /* of each context: the fold of its whole log */
    int64_t order_deadline_us;
};

/* ---- at any moment ---- */

/* What the owner holds of its partitions is what the log says: states, and the deadlines of open
 * orders. The owner is settled. */
const char *check_owned(const struct pipeline *pipeline, const struct owner *owner);

/* A projection that has caught up, whichever way it went, is the fold of the log. */
const char *check_projection(const struct pipeline *pipeline, const struct projection *projection);

/* Receipts of every partition chain from the first, their ends are the committed offsets, and their
 * counts are what became of the records that they span. */
const char *check_receipts(const struct pipeline *pipeline);

/* Every input has one outcome at most: events of a row, or one dead letter, or passed on once; and
 * a command that was taken has exactly one. A command id has one first outcome, and later ones
 * repeat it. Causes of a partition's events rise, so nothing was decided twice. */
const char *check_outcomes(const struct pipeline *pipeline);

/* What workers wrote to commands and steps has the id that it is about as its key, and lies where
 * that belongs. */
const char *check_keys(const struct pipeline *pipeline);

/*
 * Another core for each context, which never crashed, lagged or evicted, is given the same inputs
 * in the same order, one by one: it writes the same events byte for byte, and the same steps, dead
 * letters and commands passed on. So batches, crashes and replays change nothing. And what it
 * decides without an event leaves every state as it was.
 */
const char *check_decided_anew(const struct pipeline *pipeline);

/* ---- once all is read and answered ---- */

/* All inputs are taken, and every order has come to an end. */
const char *check_ended(const struct pipeline *pipeline);

struct pipeline_totals {
    uint64_t orders, confirmed, rejected, cancelled, expired, stuck;
    uint64_t retired; /* refused for their currency, which was taken before */
    uint64_t events, commands, refused, repeated, reused, dead_letters, passed_on;
};

/* On hand = what commands brought and took; reserved = lines of confirmed orders; held = 0;
 * captured or charged = their totals; deposits - withdrawals = wallets + revenue. Adds to
 * *totals. */
const char *check_books(const struct pipeline *pipeline, struct pipeline_totals *totals);

#endif
