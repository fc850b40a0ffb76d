/*
 * producers/product_history.h - the products that are there, for an import that changes them.
 *
 *   events from their beginning, then the commands that no worker has taken yet
 *        -> of each SKU: details, units on hand, and what import asked of it last
 *        -> a row of the list becomes the commands that it takes, or none
 *
 * A command's id holds the row, its content and the number of this use:
 * details/<sku>/<digest>/<number>, count/<sku>/<digest>/<number>. The number rises when the content
 * is another one than at the last use, so that prices A, B, A are three commands, and a list that
 * is imported twice is one. What is on hand is counted, not added to: the product takes the
 * difference to what it has when it decides (CountStock). Memory: about 200 bytes a product.
 * Threads: one.
 */
#ifndef PRODUCERS_PRODUCT_HISTORY_H
#define PRODUCERS_PRODUCT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "domain/message.h"
#include "lib/base/ol_arena.h"
#include "lib/kafka/ol_kafka_reader.h"

struct product_history;

/* Empty: no product is known. NULL: no memory. */
struct product_history *product_history_new(void);
void product_history_free(struct product_history *history);
static inline void product_history_auto(struct product_history **history)
{
    product_history_free(*history);
}

/* Takes one event of the inventory, in the order of its partition. False: no memory. */
bool product_history_event(struct product_history *history, const struct event_message *event);

/* Takes one command that has no outcome yet, as if it were accepted, also what was just published.
 * False: no memory. */
bool product_history_command(struct product_history *history, const struct command *command);

/*
 * commands[0..*count) are a row's, as import_file.h makes them: AddProduct and perhaps
 * IncreaseStock. Where the product is known they become ModifyProduct (AddProduct, if it has left
 * the list) and CountStock, each only if it would change something; *count 0: nothing would. New
 * ids are the arena's.
 * OL_POISON: an id would be too long. OL_FATAL: no memory.
 */
enum ol_class product_history_rewrite(const struct product_history *history,
                                      struct command *commands, size_t *count,
                                      struct ol_arena *arena, struct ol_error *reterr);

/* Reads events and commands of `partitions` partitions to their ends. */
enum ol_class product_history_read(struct product_history *history,
                                   const struct ol_kafka_settings *kafka, const char *prefix,
                                   int32_t partitions, int timeout_ms, struct ol_error *reterr);

#endif
