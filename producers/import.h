/*
 * producers/import.h - `orderlog import products|accounts|baskets FILE.csv`.
 *
 * file -> commands (import_file.h) -> publisher -> all acknowledged -> summary. Memory does not
 * grow with the file. Ends at the first row that can't be read, at --limit, at Ctrl-C: what came
 * before is flushed, and running it again is safe, for the pipeline answers a command id that it
 * knows with its first outcome. Progress on stderr, the summary on stdout.
 * With --wait (by itself at a terminal and with --json) the outcomes are counted: accepted,
 * repeated, refused by code; the first refusals are told by line.
 * Each returns OL_OK only if every command was acknowledged, none was refused as far as it waited,
 * and the file was read to its end (or limit).
 */
#ifndef PRODUCERS_IMPORT_H
#define PRODUCERS_IMPORT_H

#include "lib/base/ol_error.h"
#include "lib/program/ol_options.h"

enum ol_class import_products_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class import_accounts_run(const struct ol_options *options, struct ol_error *reterr);
enum ol_class import_baskets_run(const struct ol_options *options, struct ol_error *reterr);

#endif
