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

#include "projections/tables.h"

enum load_query { LOAD_AGGREGATES = 0, LOAD_COMMANDS, LOAD_CLAIMS, LOAD_QUERY_COUNT };

/* What comes back of each: the key's number, then these columns, in this order. Another one is a
 * row here, and is read by its name in load.c: orders_version_loaded. Aggregates begin with the id
 * and the digest of their command. */
#define LOAD_ORDER(X)                                                                              \
    X(orders, command_id)                                                                          \
    X(orders, command_digest)                                                                      \
    X(orders, version)                                                                             \
    X(orders, status)                                                                              \
    X(orders, saga_state)                                                                          \
    X(orders, payment)                                                                             \
    X(orders, payment_row)                                                                         \
    X(orders, groups_asked)                                                                        \
    X(orders, groups_reserved)                                                                     \
    X(orders, groups_refused)                                                                      \
    X(orders, groups_released)                                                                     \
    X(orders, total_minor)                                                                         \
    X(orders, deadline)                                                                            \
    X(orders, currency)                                                                            \
    X(orders, customer_id)
#define LOAD_PRODUCT(X)                                                                            \
    X(products, command_id)                                                                        \
    X(products, command_digest)                                                                    \
    X(stock, version)                                                                              \
    X(products, listed)                                                                            \
    X(products, currency)                                                                          \
    X(stock, on_hand)                                                                              \
    X(stock, reserved)                                                                             \
    X(products, details_hash)
#define LOAD_ACCOUNT(X)                                                                            \
    X(accounts, command_id)                                                                        \
    X(accounts, command_digest)                                                                    \
    X(accounts, version)                                                                           \
    X(accounts, currency)                                                                          \
    X(accounts, balance_minor)                                                                     \
    X(accounts, held_minor)                                                                        \
    X(accounts, spent_minor)
#define LOAD_RESERVATION(X)                                                                        \
    X(reservations, status)                                                                        \
    X(reservations, skus)                                                                          \
    X(reservations, quantities)                                                                    \
    X(reservations, versions)
#define LOAD_PAYMENT(X)                                                                            \
    X(payments, status)                                                                            \
    X(payments, amount_minor)                                                                      \
    X(payments, refunded_minor)

/* The same of all three contexts. */
#define LOAD_COMMAND(X, table)                                                                     \
    X(table, outcome)                                                                              \
    X(table, code)                                                                                 \
    X(table, body_digest)

#define LOADED(table, column) table##_##column##_loaded,
enum { LOAD_ORDINAL = 0, LOAD_COMMAND_ID, LOAD_COMMAND_DIGEST };
enum { order_ordinal, LOAD_ORDER(LOADED) order_loaded_count };
enum { product_ordinal, LOAD_PRODUCT(LOADED) product_loaded_count };
enum { account_ordinal, LOAD_ACCOUNT(LOADED) account_loaded_count };
enum { reservation_ordinal, LOAD_RESERVATION(LOADED) reservation_loaded_count };
enum { payment_ordinal, LOAD_PAYMENT(LOADED) payment_loaded_count };
enum { command_ordinal, LOAD_COMMAND(LOADED, order_commands) command_loaded_count };
#undef LOADED

/* NULL where a context has no such thing. Made at the first call; any thread. */
const struct ol_pg_statement *load_statement(enum context context, enum load_query query);

/* For the transaction that it is asked in. */
extern const struct ol_pg_statement load_settings;

/* $1: partition. Order id and deadline of each saga that runs or undoes. */
extern const struct ol_pg_statement load_deadline_statement;

#endif
