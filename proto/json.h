/*
 * proto/json.h - messages as JSON, by protobuf's JSON mapping (ProtoJSON).
 *
 *   JSON --json_to_wire()--> wire bytes --json_from_wire()--> JSON
 *
 * Both walk the descriptors that protoc-c generates, so a new field needs nothing here.
 * Names are lowerCamelCase; 64-bit integers are strings; enums go by name; timestamps are RFC 3339
 * in UTC. Reading also takes the .proto's own names, integers as strings or as numbers of any
 * spelling (1e18, 7.0: exactly, see json_numbers.h), enums by number, null for absent. Beyond the
 * mapping: fields that the schema does not know are refused.
 * Pure but for the arena and jansson's own memory; safe from any thread. A program that reads JSON
 * here has jansson's allocator set, once, as it starts (see json_read.c).
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "domain/topic.h"
#include "lib/base/ol_text.h"
#include "proto/codec.h"

/*
 * One Command from `bytes` of JSON: {"metadata": {...}, "placeOrder": {...}}. The name of the
 * oneof's member gives the context. metadata.command_id may be missing (empty in *ret_command):
 * whoever publishes makes one. All texts live in the arena.
 * OL_POISON: no JSON, no command, an unclean id, or what the codec would refuse (TEXT_TOO_LONG,
 * MESSAGE_TOO_LARGE); reterr says where by the field's path, with the name that was probably meant.
 * *ret_column: where the JSON itself is broken (from 1); untouched where it is not.
 * OL_RETRY: the arena's budget is spent, or no memory.
 */
enum ol_class json_decode_command(const char *json, size_t bytes, struct ol_arena *arena,
                                  struct command *ret_command, size_t *ret_column,
                                  struct ol_error *reterr);

/* The canonical wire form of any envelope (stream: commands, steps, events), schema-checked only.
 * Classes and *ret_column as above. */
enum ol_class json_to_wire(enum context context, enum stream stream, const char *json, size_t bytes,
                           struct ol_arena *arena, struct bytes *ret_wire, size_t *ret_column,
                           struct ol_error *reterr);

/*
 * Adds one message as a JSON object on one line, defaults left out, fields in the schema's order.
 * It may be a faulty one (dead letters): bytes that are not UTF-8 become U+FFFD, a time beyond the
 * years 1 to 9999 an object of seconds and nanos, an unknown enum value its number; fields that the
 * schema does not know are left out; of a field that comes twice the last is shown.
 * OL_POISON: not protobuf, or a field of another kind; *text is as before.
 */
enum ol_class json_from_wire(enum context context, enum stream stream, struct bytes wire,
                             struct ol_text *text, struct ol_error *reterr);

#endif
