/*
 * projections/load_statements.h - the SQL of loads, and what comes back.
 *
 *   aggregates  rows by id alone (orders, products with stock, accounts). Each has the id and the
 *               digest of the command that made it, so one probe answers both what the aggregate
 *               is and what became of that command.
 *   commands    all other command ids of an aggregate
 *   claims      reservations, payments: an order's claims on stock and money; they have two keys
 *
 * The first column of each is the key's number in what was asked, from 1. Internal to projections/.
 */
#ifndef PROJECTIONS_LOAD_STATEMENTS_H
#define PROJECTIONS_LOAD_STATEMENTS_H

#include "domain/message.h"
#include "lib/pg/ol_pg.h"

enum load_query { LOAD_AGGREGATES = 0, LOAD_COMMANDS, LOAD_CLAIMS, LOAD_QUERY_COUNT };

/* Columns that all aggregates begin with; then their state. */
enum { LOAD_ORDINAL = 0, LOAD_COMMAND_ID, LOAD_COMMAND_DIGEST, LOAD_STATE };

/* Without SQL where a context has no such thing. */
extern const struct ol_pg_statement load_statements[CONTEXT_COUNT][LOAD_QUERY_COUNT];

/* For the transaction that it is asked in. */
extern const struct ol_pg_statement load_settings;

/* $1: partition. Order id and deadline of each saga that runs or undoes. */
extern const struct ol_pg_statement load_deadline_statement;

#endif
