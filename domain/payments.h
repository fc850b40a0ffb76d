/*
 * domain/payments.h - the messages of the payments context, as plain structs.
 *
 * All text belongs to whoever made the message (a batch's arena); a message is read, never kept.
 * Wire form and meaning of each field: proto/orderlog/payments/v1.
 */
#ifndef DOMAIN_PAYMENTS_H
#define DOMAIN_PAYMENTS_H

#include "domain/refusal.h"
#include "domain/text.h"

/* ---- commands ---- */

enum payment_command_kind {
    PAYMENT_COMMAND_NONE = 0,
#define COMMAND_PAYMENTS(kind, name, member) kind,
#include "domain/messages.def"
    PAYMENT_COMMAND_KIND_COUNT
};

struct payment_command {
    enum payment_command_kind kind;
    struct text customer_id;
    struct text currency;   /* OPEN, DEPOSIT, WITHDRAW */
    int64_t amount_minor;   /* DEPOSIT, WITHDRAW, REFUND */
    struct text payment_id; /* REFUND */
};

/* ---- steps ---- */

enum payment_step_kind {
    PAYMENT_STEP_NONE = 0,
#define STEP_PAYMENTS(kind, name, member) kind,
#include "domain/messages.def"
    PAYMENT_STEP_KIND_COUNT
};

struct payment_step {
    enum payment_step_kind kind;
    struct text payment_id; /* = the order's id */
    struct text customer_id;
    int64_t amount_minor; /* CHARGE, AUTHORISE */
    struct text currency; /* CHARGE, AUTHORISE */
};

/* ---- events ---- */

enum payment_event_kind {
    PAYMENT_EVENT_NONE = 0,
#define EVENT_PAYMENTS(kind, name, member) kind,
#include "domain/messages.def"
    PAYMENT_EVENT_KIND_COUNT
};

struct payment_event {
    enum payment_event_kind kind;
    int64_t version; /* of the wallet after this event; 0 where nothing moved: PAYMENT_DECLINED,
                      * PAYMENT_VOIDED where nothing was held, PAYMENT_REVERSED where nothing was
                      * left */
    struct text customer_id;
    struct text currency;   /* ACCOUNT_OPENED */
    struct text payment_id; /* PAYMENT_* */
    int64_t amount_minor;   /* FUNDS_*, PAYMENT_*; VOIDED: 0 where nothing was held */
    int64_t charged_minor;  /* PAYMENT_REVERSED: what was charged; 0 where nothing was */
    enum refusal_code code; /* PAYMENT_DECLINED */
};

#endif
