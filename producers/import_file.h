/*
 * producers/import_file.h - a CSV file of products, accounts or baskets, as commands.
 *
 * open (-> check) -> next, next, ... -> close. Streams: memory is one row, or one basket, and 80
 * bytes at most for each basket seen, or each key checked.
 *
 *   products.csv  sku,name,category,brand,price_minor,currency,stock
 *                 AddProduct product/<sku>; IncreaseStock stock/<sku> unless stock is 0
 *   accounts.csv  customer_id,currency,funds_minor
 *                 OpenAccount account/<customer_id>; DepositFunds funds/<customer_id> unless 0
 *   baskets.csv   basket_id,customer_id,placed_at,line_no,sku,quantity,amount_minor,currency
 *                 PlaceOrder basket/<basket_id>, order id: the basket's, occurred_at: placed_at
 *
 * Command ids come from the row's own key, so that a file read twice has one effect. What can't be
 * read, or has no key, is an error that names file:line:column. What can be read and is wrong all
 * the same (quantity 0, a SKU twice, an unknown currency) becomes a command: the pipeline refuses
 * it with a code, where everybody can see it. Threads: one.
 */
#ifndef PRODUCERS_IMPORT_FILE_H
#define PRODUCERS_IMPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/message.h"
#include "lib/base/ol_error.h"

enum import_kind { IMPORT_PRODUCTS, IMPORT_ACCOUNTS, IMPORT_BASKETS, IMPORT_KIND_COUNT };

#define IMPORT_COMMANDS_MAX 2 /* of one row or basket */

/* How many baskets are remembered, to notice one whose lines are not together. Beyond these the
 * pipeline still refuses the second part, as COMMAND_ID_REUSED. */
#define IMPORT_BASKETS_SEEN_MAX (1024 * 1024)

struct import_file;

/* path "-" is stdin. OL_NOT_FOUND, OL_FATAL: it can't be read; OL_POISON: the header is not as
 * above (the columns may come in any order). */
enum ol_class import_file_open(enum import_kind kind, const char *path,
                               struct import_file **ret_file, struct ol_error *reterr);
void import_file_close(struct import_file *file);
static inline void import_file_auto(struct import_file **file)
{
    import_file_close(*file);
}

/* Reads the list up to its end, or `limit` rows (0: all), and begins it again: what changes things
 * that are there must not say two things of one. OL_POISON: a key is there twice, both lines are
 * named; or a row can't be read. OL_USAGE: a pipe can't be read twice. */
enum ol_class import_file_check(struct import_file *file, uint64_t limit, struct ol_error *reterr);

/* The commands of the next row or basket, valid until the next call; *ret_count 0 at the end.
 * OL_POISON: a row can't be read; of its basket nothing is returned. After a failure the file is
 * only good for closing. */
enum ol_class import_file_next(struct import_file *file,
                               struct command ret_commands[IMPORT_COMMANDS_MAX], size_t *ret_count,
                               struct ol_error *reterr);

/* true: what failed is a row of a basket that came further up, and was returned without it. */
bool import_file_split(const struct import_file *file);

/* Rows that went into commands so far; the line on which the last row or basket began. */
uint64_t import_file_rows(const struct import_file *file);
uint64_t import_file_line(const struct import_file *file);

/* Bytes read so far, and the file's size; 0: unknown. */
int64_t import_file_bytes(const struct import_file *file);
int64_t import_file_size_bytes(const struct import_file *file);

/* "products", "accounts", "baskets". */
const char *import_kind_name(enum import_kind kind);

#endif
