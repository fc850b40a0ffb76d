/*
 * proto/codec_payments.c - the messages of orderlog.payments.v1, as tables.
 */
#include "proto/codec_tables.h"

_Static_assert(offsetof(struct payment_command, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct payment_step, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct payment_event, kind) == 0, "the kind comes first");

/* ---- commands ---- */

static const struct wire_field open_account_fields[] = {
    FIELD_KEY(1, struct payment_command, customer_id),
    FIELD_ID(2, struct payment_command, currency),
};
static const struct wire_message open_account =
    WIRE_MESSAGE_OF("OpenAccount", struct payment_command, open_account_fields, .required = 1);

static const struct wire_field command_funds_fields[] = {
    FIELD_KEY(1, struct payment_command, customer_id),
    FIELD_INT64(2, struct payment_command, amount_minor),
    FIELD_ID(3, struct payment_command, currency),
};
static const struct wire_message deposit_funds =
    WIRE_MESSAGE_OF("DepositFunds", struct payment_command, command_funds_fields, .required = 1);
static const struct wire_message withdraw_funds =
    WIRE_MESSAGE_OF("WithdrawFunds", struct payment_command, command_funds_fields, .required = 1);

static const struct wire_field refund_payment_fields[] = {
    FIELD_KEY(1, struct payment_command, customer_id),
    FIELD_ID(2, struct payment_command, payment_id),
    FIELD_INT64(3, struct payment_command, amount_minor),
};
static const struct wire_message refund_payment =
    WIRE_MESSAGE_OF("RefundPayment", struct payment_command, refund_payment_fields, .required = 1);

static const struct wire_body commands[] = {
    [ACCOUNT_OPEN] = {2, "open_account", &open_account},
    [FUNDS_DEPOSIT] = {3, "deposit_funds", &deposit_funds},
    [FUNDS_WITHDRAW] = {4, "withdraw_funds", &withdraw_funds},
    [PAYMENT_REFUND] = {5, "refund_payment", &refund_payment},
};

/* ---- steps ---- */

static const struct wire_field authorise_payment_fields[] = {
    FIELD_KEY(1, struct payment_step, payment_id),
    FIELD_KEY(2, struct payment_step, customer_id),
    FIELD_INT64_MIN(3, struct payment_step, amount_minor, 1),
    FIELD_KEY(4, struct payment_step, currency),
};
static const struct wire_message authorise_payment = WIRE_MESSAGE_OF(
    "AuthorisePayment", struct payment_step, authorise_payment_fields, .required = 1 | 2 | 4 | 8);

static const struct wire_field step_payment_fields[] = {
    FIELD_KEY(1, struct payment_step, payment_id),
    FIELD_KEY(2, struct payment_step, customer_id),
};
static const struct wire_message capture_payment =
    WIRE_MESSAGE_OF("CapturePayment", struct payment_step, step_payment_fields, .required = 1 | 2);
static const struct wire_message void_payment =
    WIRE_MESSAGE_OF("VoidPayment", struct payment_step, step_payment_fields, .required = 1 | 2);

static const struct wire_body steps[] = {
    [PAYMENT_AUTHORISE] = {2, "authorise_payment", &authorise_payment},
    [PAYMENT_CAPTURE] = {3, "capture_payment", &capture_payment},
    [PAYMENT_VOID] = {4, "void_payment", &void_payment},
};

/* ---- events ---- */

static const struct wire_field account_opened_fields[] = {
    FIELD_KEY(1, struct payment_event, customer_id),
    FIELD_KEY(2, struct payment_event, currency),
};
static const struct wire_message account_opened = WIRE_MESSAGE_OF(
    "AccountOpened", struct payment_event, account_opened_fields, .required = 1 | 2);

static const struct wire_field event_funds_fields[] = {
    FIELD_KEY(1, struct payment_event, customer_id),
    FIELD_INT64_MIN(2, struct payment_event, amount_minor, 1),
};
static const struct wire_message funds_deposited =
    WIRE_MESSAGE_OF("FundsDeposited", struct payment_event, event_funds_fields, .required = 1 | 2);
static const struct wire_message funds_withdrawn =
    WIRE_MESSAGE_OF("FundsWithdrawn", struct payment_event, event_funds_fields, .required = 1 | 2);

static const struct wire_field event_payment_fields[] = {
    FIELD_KEY(1, struct payment_event, payment_id),
    FIELD_KEY(2, struct payment_event, customer_id),
    FIELD_INT64_MIN(3, struct payment_event, amount_minor, 0),
};
static const struct wire_message payment_authorised = WIRE_MESSAGE_OF(
    "PaymentAuthorised", struct payment_event, event_payment_fields, .required = 1 | 2);
static const struct wire_message payment_captured = WIRE_MESSAGE_OF(
    "PaymentCaptured", struct payment_event, event_payment_fields, .required = 1 | 2);
static const struct wire_message payment_voided =
    WIRE_MESSAGE_OF("PaymentVoided", struct payment_event, event_payment_fields, .required = 1 | 2);
static const struct wire_message payment_refunded = WIRE_MESSAGE_OF(
    "PaymentRefunded", struct payment_event, event_payment_fields, .required = 1 | 2);

static const struct wire_field payment_declined_fields[] = {
    FIELD_KEY(1, struct payment_event, payment_id),
    FIELD_KEY(2, struct payment_event, customer_id),
    FIELD_INT64_MIN(3, struct payment_event, amount_minor, 0),
    FIELD_CODE(4, struct payment_event, code),
};
static const struct wire_message payment_declined = WIRE_MESSAGE_OF(
    "PaymentDeclined", struct payment_event, payment_declined_fields, .required = 1 | 2 | 8);

static const struct wire_body events[] = {
    [ACCOUNT_OPENED] = {10, "account_opened", &account_opened},
    [FUNDS_DEPOSITED] = {11, "funds_deposited", &funds_deposited},
    [FUNDS_WITHDRAWN] = {12, "funds_withdrawn", &funds_withdrawn},
    [PAYMENT_AUTHORISED] = {13, "payment_authorised", &payment_authorised},
    [PAYMENT_DECLINED] = {14, "payment_declined", &payment_declined},
    [PAYMENT_CAPTURED] = {15, "payment_captured", &payment_captured},
    [PAYMENT_VOIDED] = {16, "payment_voided", &payment_voided},
    [PAYMENT_REFUNDED] = {17, "payment_refunded", &payment_refunded},
};
_Static_assert(sizeof events / sizeof events[0] == PAYMENT_EVENT_KIND_COUNT, "a row for each kind");

const struct codec_context codec_payments = {
    .package = "orderlog.payments.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
