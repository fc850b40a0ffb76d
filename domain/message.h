/*
 * domain/message.h - what wraps every message: metadata, cause, outcome, receipt.
 *
 * One struct for the inputs of all contexts and one for their events, so that the cores can carry
 * them through without knowing the context. Texts belong to the batch that the message is part of.
 * Wire form: proto/orderlog/common/v1 and the envelopes of each context.
 */
#ifndef DOMAIN_MESSAGE_H
#define DOMAIN_MESSAGE_H

#include "domain/inventory.h"
#include "domain/orders.h"
#include "domain/payments.h"

enum context { CONTEXT_ORDERS = 0, CONTEXT_INVENTORY, CONTEXT_PAYMENTS, CONTEXT_COUNT };

/* "orders", "inventory", "payments". */
const char *context_name(enum context context);

struct metadata {
    struct text command_id, correlation_id, causation_id, actor;
    int64_t occurred_at_us; /* INT64_MIN: not given */
    int64_t expected_version;
    struct text traceparent; /* W3C trace context, carried through */
};

#define TIME_NONE INT64_MIN

struct command {
    enum context context;
    struct metadata metadata;
    uint64_t body_digest;   /* XXH3-64 of the body in its canonical encoding */
    struct refusal refused; /* a fault of the text or size that the codec found; ACCEPTED: none */
    union {
        struct order_command order;
        struct inventory_command inventory;
        struct payment_command payment;
    };
};

/* The aggregate that a command names: order id, SKU or customer id. */
struct text command_aggregate(const struct command *command);

/* The event of an order that asked for a step: the order's version after it, and which of its steps
 * that was, from 1 on. A reply echoes its question's. Zero: nobody asked (a command, a timeout). */
struct asker {
    int64_t version;
    int32_t number;
};

/* Steps that one record of a steps topic may hold. */
#define BUNDLE_STEPS_MAX 256

struct step_message {
    enum context context; /* whose steps topic */
    struct metadata metadata;
    struct asker asker;
    union {
        struct order_step order;
        struct inventory_step inventory;
        struct payment_step payment;
    };
};

/* The aggregate that a step names: order id (orders and inventory), customer id (payments). */
struct text step_aggregate(const struct step_message *step);

enum cause_source {
    CAUSE_NONE = 0,
    CAUSE_COMMANDS,
    CAUSE_STEPS,
};

enum command_outcome {
    OUTCOME_NONE = 0,
    OUTCOME_ACCEPTED,
    OUTCOME_REJECTED,
};

/* What became of an input, as receipts count it. */
enum receipt_count {
    RECEIPT_DECIDED = 0,
    RECEIPT_REFUSED,
    RECEIPT_REPEATED,
    RECEIPT_IGNORED,
    RECEIPT_PASSED_ON,
    RECEIPT_DEAD_LETTERED,
    RECEIPT_COUNTS
};

/* One transaction's account of what it took from one partition; see proto Receipt. */
struct receipt {
    int64_t commands_first, commands_next, steps_first, steps_next;
    int32_t counts[RECEIPT_COUNTS];
};

/* "decided", "passed_on" and so on: the fields of the proto message, the columns of the tables. */
const char *receipt_count_name(enum receipt_count count);

/* All that it counts: how many inputs it took. */
int64_t receipt_inputs(const struct receipt *receipt);

enum event_body {
    EVENT_BODY_NONE = 0,
    EVENT_BODY_DOMAIN,   /* an aggregate's event, or a refused/declined step: the union says */
    EVENT_BODY_REJECTED, /* CommandRejected */
    EVENT_BODY_REPEATED, /* CommandRepeated */
    EVENT_BODY_RECEIPT,
};

struct event_message {
    enum context context;
    struct metadata metadata;
    int64_t recorded_at_us;
    enum cause_source cause_source;
    int64_t cause_offset;
    int32_t cause_place; /* of a step: in the bundle at that offset */
    int32_t cause_index;
    struct asker asker;   /* as the causing step says; of the order that the body names */
    uint64_t body_digest; /* of the causing command; 0 where a step caused it */
    enum event_body body;
    union {
        struct order_event order;
        struct inventory_event inventory;
        struct payment_event payment;
        struct { /* REJECTED */
            struct text aggregate_id, message;
            enum refusal_code code;
        } rejected;
        struct { /* REPEATED */
            struct text aggregate_id;
            enum command_outcome outcome;
            enum refusal_code code;
        } repeated;
        struct receipt receipt;
    };
};

/* "ACCEPTED", "REJECTED"; "" for none. */
const char *command_outcome_name(enum command_outcome outcome);
enum command_outcome command_outcome_by_name(struct text name);

/* The names of message kinds as their proto messages are called ("PlaceOrder", "StockReserved",
 * "CommandRejected", ...), for logs, metrics and the command line; "" for none. */
const char *command_kind_name(const struct command *command);
const char *step_kind_name(const struct step_message *step);
const char *event_kind_name(const struct event_message *event);

/* What the command did whose outcome the event is, as the tables of commands call it ("CANCEL",
 * "INCREASE", ...); "" for an event that no accepted command has. */
const char *command_row_kind(const struct event_message *event);

#endif
