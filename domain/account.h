/*
 * domain/account.h - one customer's wallet and the payments made from it, in double entry.
 *
 * command or step -> decide -> event -> account_apply(), payment_apply() -> state. Pure.
 * Every event moves one amount between two of four ledger accounts (account_legs):
 *
 *   external --deposit--> wallet --authorise--> held --capture--> revenue
 *            <-withdraw--        <----void-----
 *                                <---------------refund----------
 *                                ----------------charge--------->
 *                                <--------------reverse----------
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include "domain/orders.h"
#include "domain/payments.h"

enum ledger_account {
    LEDGER_NOTHING = 0,
    LEDGER_EXTERNAL,
    LEDGER_WALLET,
    LEDGER_HELD,
    LEDGER_REVENUE,
    LEDGER_ACCOUNT_COUNT
};

/* All plain values. balance excludes what is held. spent is what the wallet has paid and did not
 * get back: its part of the revenue. All three are 0 or more, and their sum, which is what came in
 * less what went out, fits in 64 bits: so what was held or spent can always come back. */
struct account {
    int64_t version; /* 0: no wallet */
    struct currency currency;
    int64_t balance_minor, held_minor, spent_minor;
};

enum payment_status {
    PAYMENT_IS_NOTHING = 0,
    PAYMENT_IS_AUTHORISED,
    PAYMENT_IS_DECLINED,
    PAYMENT_IS_CAPTURED,
    PAYMENT_IS_VOIDED,   /* also: voided before it was ever authorised */
    PAYMENT_IS_REFUNDED, /* in full; in part it stays CAPTURED or CHARGED */
    PAYMENT_IS_CHARGED,
    PAYMENT_IS_REVERSED, /* also: reversed before it was ever charged */
    PAYMENT_STATUS_COUNT
};

/* All plain values. Keyed by customer and payment id together. */
struct payment {
    enum payment_status status;
    int64_t amount_minor, refunded_minor;
};

/* Judges one command (payment: of PAYMENT_REFUND's payment_id, else ignored; may be NULL then);
 * now_us: its broker time. Either refuses, or accepts and fills *ret_event. */
struct refusal account_decide_command(const struct account *account, const struct payment *payment,
                                      const struct payment_command *command, int64_t now_us,
                                      struct payment_event *ret_event);

/*
 * Judges one step. True: *ret_event is filled. False: nothing to say any more (doubled), nothing
 * changes; the caller still replies by payment_reply().
 * AUTHORISE gives PAYMENT_AUTHORISED, or PAYMENT_DECLINED with ACCOUNT_UNKNOWN, CURRENCY_MISMATCH,
 * FUNDS_SHORT or PAYMENT_EXISTS (voided before it came). So does CHARGE: PAYMENT_CHARGED, or
 * PAYMENT_DECLINED with the same codes (reversed before it came).
 */
bool account_decide_step(const struct account *account, const struct payment *payment,
                         const struct payment_step *step, struct payment_event *ret_event);

/*
 * Fold one event. Cannot refuse. account_apply() asserts the version and that nothing falls below
 * zero; an event of version 0 (PAYMENT_DECLINED, and PAYMENT_VOIDED or PAYMENT_REVERSED of nothing)
 * does not touch the account. payment_apply() is for PAYMENT_*: status and amount become the
 * event's, but for PAYMENT_REFUNDED, which adds to refunded_minor, and PAYMENT_REVERSED, whose
 * amount is what was left.
 */
void account_apply(struct account *account, const struct payment_event *event);
void payment_apply(struct payment *payment, const struct payment_event *event);

/* The reply to a step (kind ORDER_STEP_NONE for CAPTURE, which nobody waits for): from the event it
 * led to, or, where it led to none (NULL), from the payment as it stands. */
struct order_step payment_reply(const struct payment *payment, const struct payment_step *step,
                                const struct payment_event *event);

/* The two legs of an event: `amount_minor` leaves *ret_debit and enters *ret_credit. False: the
 * event moves nothing. */
bool account_legs(const struct payment_event *event, enum ledger_account *ret_debit,
                  enum ledger_account *ret_credit);

/* "external", "wallet", "held", "revenue"; "" for none. */
const char *ledger_account_name(enum ledger_account account);

/* "AUTHORISED", "DECLINED", "CAPTURED", "VOIDED", "REFUNDED", "CHARGED", "REVERSED"; "" for
 * none. */
const char *payment_status_name(enum payment_status status);
enum payment_status payment_status_by_name(struct text name);

#endif
