#include "proto/descriptors.h"

#include "orderlog/inventory/v1/command.pb-c.h"
#include "orderlog/inventory/v1/event.pb-c.h"
#include "orderlog/inventory/v1/step.pb-c.h"
#include "orderlog/orders/v1/command.pb-c.h"
#include "orderlog/orders/v1/event.pb-c.h"
#include "orderlog/orders/v1/step.pb-c.h"
#include "orderlog/payments/v1/command.pb-c.h"
#include "orderlog/payments/v1/event.pb-c.h"
#include "orderlog/payments/v1/step.pb-c.h"

static const ProtobufCMessageDescriptor *const descriptors[CONTEXT_COUNT][STREAM_DEAD_LETTERS] = {
    [CONTEXT_ORDERS] = {&orderlog__orders__v1__command__descriptor,
                        &orderlog__orders__v1__step__descriptor,
                        &orderlog__orders__v1__event__descriptor},
    [CONTEXT_INVENTORY] = {&orderlog__inventory__v1__command__descriptor,
                           &orderlog__inventory__v1__step__descriptor,
                           &orderlog__inventory__v1__event__descriptor},
    [CONTEXT_PAYMENTS] = {&orderlog__payments__v1__command__descriptor,
                          &orderlog__payments__v1__step__descriptor,
                          &orderlog__payments__v1__event__descriptor},
};

const ProtobufCMessageDescriptor *envelope_descriptor(enum context context, enum stream stream)
{
    return descriptors[context][stream];
}
