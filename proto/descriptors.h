/*
 * proto/descriptors.h - the envelopes of all topics, as protoc-c describes them.
 *
 * For what walks messages without knowing them: JSON (json.c) and the tests that hold the codec's
 * tables against the schema. Private to proto/ and its tests.
 */
#ifndef PROTO_DESCRIPTORS_H
#define PROTO_DESCRIPTORS_H

#include <protobuf-c/protobuf-c.h>

#include "domain/message.h"
#include "domain/topic.h"

/* "orderlog.orders.v1.Command" and so on. stream: commands, steps or events. */
const ProtobufCMessageDescriptor *envelope_descriptor(enum context context, enum stream stream);

#endif
