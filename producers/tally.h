/*
 * producers/tally.h - what became of many commands, counted.
 *
 * tally_add() for each outcome, then one line for people or one JSON object. Pure but for the text.
 */
#ifndef PRODUCERS_TALLY_H
#define PRODUCERS_TALLY_H

#include "lib/base/ol_text.h"
#include "producers/outcomes.h"

struct tally {
    uint64_t accepted;
    uint64_t repeated;                    /* the id was there, with the same body, and accepted */
    uint64_t refused[REFUSAL_CODE_COUNT]; /* also: repeats of what was refused the first time */
    uint64_t put_aside;                   /* dead letters */
    uint64_t unanswered;
};

/* Of a command that is not to be settled: one outcome each. */
void tally_add(struct tally *tally, const struct outcome *outcome);

/* The outcome is a refusal, now or the first time. */
bool tally_refuses(const struct outcome *outcome);

/* All that were counted. */
uint64_t tally_sum(const struct tally *tally);

/* Accepted, now or before, all of them. */
bool tally_good(const struct tally *tally);

/* "3 accepted, 1 repeated, 2 refused (COMMAND_ID_REUSED 2)"; dead letters and what has no outcome
 * only where there are some. */
void tally_text(const struct tally *tally, struct ol_text *text);

/* {"accepted":"3","repeated":"1","refused":{"COMMAND_ID_REUSED":"2"},"put_aside":"0",
 * "unanswered":"0"} */
void tally_json(const struct tally *tally, struct ol_text *text);

#endif
