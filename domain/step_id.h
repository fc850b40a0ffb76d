/*
 * domain/step_id.h - the ids that follow from the rest of a step, which then need not stand in it.
 *
 *   asked by an order's event   order / version / number        31198570044/2/1
 *   the answer to that          the same with "/r" behind it    31198570044/2/1/r
 *
 * Its cause follows too: a question's is what began the chain, an answer's is the question. A step
 * whose ids are others states them. Wire form: Metadata in proto/orderlog/common/v1. Pure.
 */
#ifndef DOMAIN_STEP_ID_H
#define DOMAIN_STEP_ID_H

#include "domain/message.h"

/* Of an order's id, in the ids that are made from it: leaves room for "/version/number/r". */
#define STEP_ID_STEM_BYTES_MAX 100

/* Writes "stem/version/number" and returns its length. stem: at most STEP_ID_STEM_BYTES_MAX;
 * asker: version 0 or more, number 0 to 65,535. */
uint32_t step_id_write(struct text stem, struct asker asker, char ret_id[ID_BYTES_MAX]);

/* The id that follows from its order, its asker and its context. Returns its length; 0: none
 * follows, because nobody asked, or the order's id is longer than a stem. */
uint32_t step_id_following(const struct step_message *step, char ret_id[ID_BYTES_MAX]);

/* The cause that follows beside `id`, which followed. Part of the step's or of the id's text. */
struct text step_id_following_cause(const struct step_message *step, struct text id);

#endif
