/*
 * tests/sim/codec.h - proto/codec.h's functions, over structs or bytes as the seed says.
 *
 * The shells are compiled with -Dcodec_encode_event=sim_encode_event and so on (meson.build).
 */
#ifndef SIM_CODEC_H
#define SIM_CODEC_H

#include "proto/codec.h"

bool sim_encode_event(const struct event_message *event, struct ol_arena *arena,
                      struct bytes *ret_wire);
bool sim_encode_step(const struct step_message *step, struct ol_arena *arena,
                     struct bytes *ret_wire);
bool sim_encode_bundle(const struct step_bundle *bundle, struct ol_arena *arena,
                       struct bytes *ret_wire);
bool sim_encode_command(const struct command *command, struct ol_arena *arena,
                        struct bytes *ret_wire);
enum ol_class sim_decode_command(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct command *ret_command, struct ol_error *reterr);
enum ol_class sim_decode_bundle(struct bytes wire, struct ol_arena *arena,
                                struct step_bundle *ret_bundle, struct ol_error *reterr);
enum ol_class sim_decode_step(enum context context, struct bytes wire, struct ol_arena *arena,
                              struct step_message *ret_step, struct ol_error *reterr);
enum ol_class sim_decode_event(enum context context, struct bytes wire, struct ol_arena *arena,
                               struct event_message *ret_event, struct ol_error *reterr);

/* The bundle of a record, which must be one. */
struct slot;
struct step_bundle sim_bundle_in(const struct slot *slot, struct ol_arena *arena);

/* The order of whose saga the step is. */
struct text sim_order_of(const struct step_message *step);

#endif
