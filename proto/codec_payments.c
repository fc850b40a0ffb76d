/*
 * proto/codec_payments.c - the messages of orderlog.payments.v1, as tables.
 */
#include "proto/codec_tables.h"

_Static_assert(offsetof(struct payment_command, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct payment_step, kind) == 0, "the kind comes first");
_Static_assert(offsetof(struct payment_event, kind) == 0, "the kind comes first");

/* ---- commands ---- */

#define COMMAND_OF_WALLET FIELD_KEY(1, struct payment_command, customer_id)
#define COMMAND_OF_FUNDS                                                                           \
    COMMAND_OF_WALLET, FIELD_INT64(2, struct payment_command, amount_minor),                       \
        FIELD_ID(3, struct payment_command, currency)

static const struct wire_field open_account[] = {
    COMMAND_OF_WALLET,
    FIELD_ID(2, struct payment_command, currency),
};
static const struct wire_field deposit_funds[] = {COMMAND_OF_FUNDS};
static const struct wire_field withdraw_funds[] = {COMMAND_OF_FUNDS};
static const struct wire_field refund_payment[] = {
    COMMAND_OF_WALLET,
    FIELD_ID(2, struct payment_command, payment_id),
    FIELD_INT64(3, struct payment_command, amount_minor),
};

static const struct wire_body commands[] = {
#define COMMAND_PAYMENTS(kind, name, member)                                                       \
    CODEC_BODY(CODEC_COMMANDS_FIRST, kind, name, member, struct payment_command)
#include "domain/messages.def"
};

/* ---- steps ---- */

#define STEP_OF_PAYMENT                                                                            \
    FIELD_KEY(1, struct payment_step, payment_id), FIELD_KEY(2, struct payment_step, customer_id)

static const struct wire_field authorise_payment[] = {
    STEP_OF_PAYMENT,
    FIELD_INT64_MIN(3, struct payment_step, amount_minor, 1),
    FIELD_KEY(4, struct payment_step, currency),
};
static const struct wire_field capture_payment[] = {STEP_OF_PAYMENT};
static const struct wire_field void_payment[] = {STEP_OF_PAYMENT};
static const struct wire_field charge_payment[] = {
    STEP_OF_PAYMENT,
    FIELD_INT64_MIN(3, struct payment_step, amount_minor, 1),
    FIELD_KEY(4, struct payment_step, currency),
};
static const struct wire_field reverse_charge[] = {STEP_OF_PAYMENT};

static const struct wire_body steps[] = {
#define STEP_PAYMENTS(kind, name, member)                                                          \
    CODEC_BODY(CODEC_STEPS_FIRST, kind, name, member, struct payment_step)
#include "domain/messages.def"
};

/* ---- events ---- */

#define EVENT_OF_FUNDS                                                                             \
    FIELD_KEY(1, struct payment_event, customer_id),                                               \
        FIELD_INT64_MIN(2, struct payment_event, amount_minor, 1)
#define EVENT_OF_PAYMENT                                                                           \
    FIELD_KEY(1, struct payment_event, payment_id),                                                \
        FIELD_KEY(2, struct payment_event, customer_id),                                           \
        FIELD_INT64_MIN(3, struct payment_event, amount_minor, 0)

static const struct wire_field account_opened[] = {
    FIELD_KEY(1, struct payment_event, customer_id),
    FIELD_KEY(2, struct payment_event, currency),
};
static const struct wire_field funds_deposited[] = {EVENT_OF_FUNDS};
static const struct wire_field funds_withdrawn[] = {EVENT_OF_FUNDS};
static const struct wire_field payment_authorised[] = {EVENT_OF_PAYMENT};
static const struct wire_field payment_declined[] = {
    EVENT_OF_PAYMENT,
    FIELD_CODE(4, struct payment_event, code),
};
static const struct wire_field payment_captured[] = {EVENT_OF_PAYMENT};
static const struct wire_field payment_voided[] = {EVENT_OF_PAYMENT};
static const struct wire_field payment_refunded[] = {EVENT_OF_PAYMENT};
static const struct wire_field payment_charged[] = {EVENT_OF_PAYMENT};
static const struct wire_field payment_reversed[] = {
    EVENT_OF_PAYMENT,
    FIELD_INT64_MIN(4, struct payment_event, charged_minor, 0),
};

static const struct wire_body events[] = {
#define EVENT_PAYMENTS(kind, name, member)                                                         \
    CODEC_BODY(CODEC_EVENTS_FIRST, kind, name, member, struct payment_event)
#include "domain/messages.def"
};

const struct codec_context codec_payments = {
    .package = "orderlog.payments.v1",
    .commands = CODEC_BODIES(commands),
    .steps = CODEC_BODIES(steps),
    .events = CODEC_BODIES(events),
};
