/*
 * proto/codec.h - wire bytes <-> the domain's plain structs.
 *
 * The only door to protobuf: nobody outside proto/ sees a generated struct. One file per context
 * (codec_orders.c, codec_inventory.c, codec_payments.c) behind this one header.
 *
 * Decoding: every text is checked on the wire bytes before anything is unpacked, since protobuf-c
 * checks no UTF-8 and its strings end at the first NUL. All results live in the caller's arena.
 * Encoding gives the canonical form: fields in number order, defaults left out.
 * Pure but for the arena; safe from any thread with an arena of its own.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "domain/message.h"
#include "lib/ol_arena.h"
#include "lib/ol_error.h"

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_BYTES_MAX (256 * 1024)

struct bytes {
    const uint8_t *data;
    size_t size;
};

/*
 * Decodes a command. OL_OK: *ret_command is whole, or carries in `refused` the first fault that is
 * to be answered with a refusal (bad text in a field that is no id, too long, too large): then only
 * context, metadata and the ids are meant to be read.
 * OL_POISON: no message, an empty oneof, or no clean command id or aggregate id (dead letter);
 * reterr says which, with the field's path and byte position. OL_RETRY: the arena's budget is spent.
 */
enum ol_class codec_decode_command(enum context context, struct bytes wire, struct ol_arena *arena,
                                   struct command *ret_command, struct ol_error *reterr);

/* Decodes a step. OL_POISON for anything that a worker would not have written. */
enum ol_class codec_decode_step(enum context context, struct bytes wire, struct ol_arena *arena,
                                struct step_message *ret_step, struct ol_error *reterr);

/* Decodes an event. OL_POISON for anything that a worker would not have written. */
enum ol_class codec_decode_event(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct event_message *ret_event, struct ol_error *reterr);

/* Encode into the arena. False: the arena's budget is spent. */
bool codec_encode_command(const struct command *command, struct ol_arena *arena,
                          struct bytes *ret_wire);
bool codec_encode_step(const struct step_message *step, struct ol_arena *arena,
                       struct bytes *ret_wire);
bool codec_encode_event(const struct event_message *event, struct ol_arena *arena,
                        struct bytes *ret_wire);

#endif
