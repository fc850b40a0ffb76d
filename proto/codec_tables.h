/*
 * proto/codec_tables.h - what the three contexts' codecs give to the common one. Private to proto/.
 *
 * A context's bodies decode into one struct of the domain each (struct order_command, ...), whose
 * first member is its kind; the arrays are indexed by it.
 */
#ifndef PROTO_CODEC_TABLES_H
#define PROTO_CODEC_TABLES_H

#include "proto/codec.h"
#include "proto/wire.h"

#include "domain/message.h"

struct codec_bodies {
    const struct wire_body *rows; /* rows[0] is empty */
    uint32_t count;               /* row 0 included */
};

struct codec_context {
    const char *package; /* "orderlog.orders.v1" */
    struct codec_bodies commands, steps, events;
};

/* The first number of each envelope's bodies; the others follow, in the order of messages.def. */
#define CODEC_COMMANDS_FIRST 2
#define CODEC_STEPS_FIRST    10
#define CODEC_EVENTS_FIRST   10

/* The row of one kind of messages.def; its fields are the array of the member's name. */
#define CODEC_BODY(first, kind, name_, member, structure)                                          \
    [kind] = {(first) + (kind)-1, #member,                                                         \
              &(const struct wire_message)WIRE_MESSAGE_OF(#name_, structure, member)},

#define CODEC_BODIES(rows_)                                                                        \
    {                                                                                              \
        .rows = rows_, .count = sizeof rows_ / sizeof rows_[0]                                     \
    }

extern const struct codec_context codec_orders, codec_inventory, codec_payments;
extern const struct codec_context *const codec_contexts[CONTEXT_COUNT];

/* Of all contexts: orderlog.common.v1, relative to struct metadata and struct event_message; and
 * the bodies of events of every context, indexed by enum event_body. */
extern const struct wire_message codec_metadata, codec_cause;
extern const struct codec_bodies codec_common_events;

/* As codec_decode_command(), for a command in the making: its id may be missing, and errors name no
 * byte, since nobody has seen the bytes. */
enum ol_class codec_decode_draft(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct command *ret_command, struct ol_error *reterr);

#endif
