/*
 * proto/codec.h - wire bytes <-> the domain's plain structs.
 *
 * The only door to protobuf: nobody outside proto/ sees a generated struct. One file per context
 * (codec_orders.c, codec_inventory.c, codec_payments.c) behind this one header.
 *
 * Decoding: one walk over the wire bytes, by tables (wire.h), which checks structure and every text
 * for UTF-8, NUL and length. All results live in the caller's arena: the wire bytes may go at once.
 * Fields that the schema does not know are stepped over. On any class but OL_OK the result is
 * untouched. Times outside the years 1 to 9999 are refused in a command (occurred_at) and poison in
 * what workers write; what is below a microsecond is cut off.
 * Encoding gives the canonical form: fields in number order, defaults left out.
 * Pure but for the arena; safe from any thread with an arena of its own.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "domain/message.h"
#include "lib/base/ol_arena.h"
#include "lib/base/ol_error.h"

#define MESSAGE_BYTES_MAX (256 * 1024)

/* With a budget of at least this, an empty arena is never too small for one message, whatever its
 * bytes are (256 KiB of empty lines is the worst). An ordinary one takes its own size and some. */
#define CODEC_ARENA_BYTES (16 * 1024 * 1024)

struct bytes {
    const uint8_t *data;
    size_t size;
};

/*
 * Decodes a command. OL_OK: *ret_command is whole, or carries in `refused` the first fault that is
 * to be answered with a refusal. Then metadata holds what is clean (a faulty text is empty), the
 * body its kind and its aggregate id and nothing else, refused.subject the path of the faulty field
 * ("place_order.lines[3].sku") and refused.line its line, if any:
 *   TEXT_NOT_UTF8, TEXT_HAS_NUL  in any text but command id and aggregate id
 *   TEXT_TOO_LONG                actor, reason, correlation and causation id, traceparent: above
 *                                128 bytes; name, category, brand: above 512
 *   ID_INVALID                   what nobody sees in a correlation or causation id
 *   TIME_INVALID                 occurred_at outside the years 1 to 9999, or in their first or last
 *                                two days, or with nanoseconds that are none
 *   MESSAGE_TOO_LARGE            wire.size above MESSAGE_BYTES_MAX (subject empty)
 * Ids of customers, payments and lines, and currencies, are the domain's to judge.
 *
 * body_digest is never 0: XXH3-64 of the body as it stands in the canonical envelope (tag, length,
 * content), so it does not depend on who encoded it; where refused, of these bytes as they came.
 *
 * OL_POISON: no message, an empty oneof, or no clean command id or aggregate id (dead letter);
 * reterr says which, with the field's path and byte position. OL_RETRY: the arena's budget is
 * spent.
 */
enum ol_class codec_decode_command(enum context context, struct bytes wire, struct ol_arena *arena,
                                   struct command *ret_command, struct ol_error *reterr);

/* What one transaction says to one partition: the value of a steps record. Place 0 comes first. */
struct step_bundle {
    int32_t partition;         /* that all of its steps belong on */
    const struct bytes *steps; /* a Step each, as codec_decode_step() takes it */
    size_t count;              /* 1 to BUNDLE_STEPS_MAX */
};

#define BUNDLE_BYTES_MAX   (64 * 1024)
#define BUNDLE_FRAME_BYTES 2 /* at most, beside what its steps take */

/* Decodes the frame alone, so that a step that can't be read takes no other along: the steps' bytes
 * point into `wire`. OL_POISON: cut off, no step or too many, too large, a partition that there
 * can't be. OL_RETRY: the arena's budget is spent. */
enum ol_class codec_decode_bundle(struct bytes wire, struct ol_arena *arena,
                                  struct step_bundle *ret_bundle, struct ol_error *reterr);

/* False: the arena's budget is spent. Whatever the steps' bytes hold. */
bool codec_encode_bundle(const struct step_bundle *bundle, struct ol_arena *arena,
                         struct bytes *ret_wire);

/* What a step of so many bytes takes in a bundle. */
size_t codec_bundled_bytes(size_t step_bytes);

/* Decodes a step of a bundle. A causation_id that it leaves away, since it follows from the rest of
 * it (README.md), is in *ret_step as if it said it. OL_POISON for anything that a worker would not
 * have written. */
enum ol_class codec_decode_step(enum context context, struct bytes wire, struct ol_arena *arena,
                                struct step_message *ret_step, struct ol_error *reterr);

/* Decodes an event. OL_POISON for anything that a worker would not have written: an unclean id, an
 * unknown code, status or kind, a number out of its range, more than 256 lines, and, unless it is a
 * receipt, no command id, recorded_at or cause. */
enum ol_class codec_decode_event(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct event_message *ret_event, struct ol_error *reterr);

/* Encode into the arena. False: the arena's budget is spent. A kind that does not exist is a bug
 * and asserted; `body_digest` and `refused` of a command, and members that its kind does not have,
 * are not written. TIME_NONE is left out. */
bool codec_encode_command(const struct command *command, struct ol_arena *arena,
                          struct bytes *ret_wire);
bool codec_encode_step(const struct step_message *step, struct ol_arena *arena,
                       struct bytes *ret_wire);
/* With a causation_id that follows too: for people to look at. */
bool codec_encode_step_in_full(const struct step_message *step, struct ol_arena *arena,
                               struct bytes *ret_wire);
bool codec_encode_event(const struct event_message *event, struct ol_arena *arena,
                        struct bytes *ret_wire);

#endif
