/* proto/codec.h for the shells: on most seeds a record's value is the decoded struct itself, so
 * that time goes into decisions; on one seed in 64 it is the real bytes. */
#include "proto/codec.h"

#include <string.h>

#include "domain/assert.h"
#include "lib/base/ol_hash.h"
#include "tests/sim/codec.h"
#include "tests/sim/sim.h"

static void keep_text(struct text *text)
{
    text->data = sim_copy(text->data, text->bytes);
}

static void keep_metadata(struct metadata *metadata)
{
    keep_text(&metadata->command_id);
    keep_text(&metadata->correlation_id);
    keep_text(&metadata->causation_id);
    keep_text(&metadata->actor);
    keep_text(&metadata->traceparent);
}

static const struct order_line *keep_order_lines(const struct order_line *lines, size_t line_count)
{
    struct order_line *kept = sim_copy(lines, line_count * sizeof *lines);
    for (size_t i = 0; i < line_count; i++)
        keep_text(&kept[i].sku);
    return kept;
}

static const struct stock_line *keep_stock_lines(const struct stock_line *lines, size_t line_count)
{
    struct stock_line *kept = sim_copy(lines, line_count * sizeof *lines);
    for (size_t i = 0; i < line_count; i++)
        keep_text(&kept[i].sku);
    return kept;
}

static void keep_details(struct product_details *details)
{
    keep_text(&details->name);
    keep_text(&details->category);
    keep_text(&details->brand);
    keep_text(&details->currency);
}

static void keep_order_event(struct order_event *event)
{
    keep_text(&event->order_id);
    keep_text(&event->customer_id);
    keep_text(&event->currency);
    keep_text(&event->sku);
    event->lines = keep_order_lines(event->lines, event->line_count);
}

static void keep_inventory_event(struct inventory_event *event)
{
    keep_text(&event->sku);
    keep_details(&event->details);
    keep_text(&event->reason);
    keep_text(&event->order_id);
    event->lines = keep_stock_lines(event->lines, event->line_count);
}

static void keep_payment_event(struct payment_event *event)
{
    keep_text(&event->customer_id);
    keep_text(&event->currency);
    keep_text(&event->payment_id);
}

static void keep_event(struct event_message *event)
{
    keep_metadata(&event->metadata);
    switch (event->body) {
    case EVENT_BODY_REJECTED:
        keep_text(&event->rejected.aggregate_id);
        keep_text(&event->rejected.message);
        return;
    case EVENT_BODY_REPEATED: keep_text(&event->repeated.aggregate_id); return;
    case EVENT_BODY_DOMAIN: break;
    default: return;
    }
    switch (event->context) {
    case CONTEXT_ORDERS: keep_order_event(&event->order); break;
    case CONTEXT_INVENTORY: keep_inventory_event(&event->inventory); break;
    default: keep_payment_event(&event->payment); break;
    }
}

static void keep_step(struct step_message *step)
{
    keep_metadata(&step->metadata);
    switch (step->context) {
    case CONTEXT_ORDERS:
        keep_text(&step->order.order_id);
        keep_text(&step->order.sku);
        break;
    case CONTEXT_INVENTORY:
        keep_text(&step->inventory.order_id);
        keep_text(&step->inventory.currency);
        step->inventory.lines = keep_stock_lines(step->inventory.lines, step->inventory.line_count);
        break;
    default:
        keep_text(&step->payment.payment_id);
        keep_text(&step->payment.customer_id);
        keep_text(&step->payment.currency);
    }
}

/* ---- what the shells call ---- */

bool sim_encode_event(const struct event_message *event, struct ol_arena *arena,
                      struct bytes *ret_wire)
{
    if (world->knobs.codec)
        return codec_encode_event(event, arena, ret_wire);
    struct event_message *kept = sim_alloc(sizeof *kept);
    *kept = *event;
    keep_event(kept);
    *ret_wire = (struct bytes){(const uint8_t *)kept, sizeof *kept};
    return true;
}

bool sim_encode_step(const struct step_message *step, struct ol_arena *arena,
                     struct bytes *ret_wire)
{
    if (world->knobs.codec)
        return codec_encode_step(step, arena, ret_wire);
    struct step_message *kept = sim_alloc(sizeof *kept);
    *kept = *step;
    keep_step(kept);
    *ret_wire = (struct bytes){(const uint8_t *)kept, sizeof *kept};
    return true;
}

bool sim_encode_bundle(const struct step_bundle *bundle, struct ol_arena *arena,
                       struct bytes *ret_wire)
{
    if (world->knobs.codec)
        return codec_encode_bundle(bundle, arena, ret_wire);
    struct step_bundle *kept = sim_copy(bundle, sizeof *bundle);
    kept->steps = sim_copy(bundle->steps, bundle->count * sizeof *bundle->steps);
    *ret_wire = (struct bytes){(const uint8_t *)kept, sizeof *kept};
    return true;
}

bool sim_encode_command(const struct command *command, struct ol_arena *arena,
                        struct bytes *ret_wire)
{
    if (world->knobs.codec)
        return codec_encode_command(command, arena, ret_wire);
    /* The clients' commands and their texts are the world's already. */
    *ret_wire = (struct bytes){sim_copy(command, sizeof *command), sizeof *command};
    return true;
}

enum ol_class sim_decode_command(enum context context, struct bytes wire, struct ol_arena *arena,
                                 struct command *ret_command, struct ol_error *reterr)
{
    if (world->knobs.codec)
        return codec_decode_command(context, wire, arena, ret_command, reterr);
    memcpy(ret_command, wire.data, sizeof *ret_command);
    return OL_OK;
}

enum ol_class sim_decode_bundle(struct bytes wire, struct ol_arena *arena,
                                struct step_bundle *ret_bundle, struct ol_error *reterr)
{
    if (world->knobs.codec)
        return codec_decode_bundle(wire, arena, ret_bundle, reterr);
    memcpy(ret_bundle, wire.data, sizeof *ret_bundle);
    return OL_OK;
}

enum ol_class sim_decode_step(enum context context, struct bytes wire, struct ol_arena *arena,
                              struct step_message *ret_step, struct ol_error *reterr)
{
    if (world->knobs.codec)
        return codec_decode_step(context, wire, arena, ret_step, reterr);
    if (wire.size != sizeof *ret_step)
        return ol_fail(reterr, OL_POISON, "no step");
    memcpy(ret_step, wire.data, sizeof *ret_step);
    return OL_OK;
}

enum ol_class sim_decode_event(enum context context, struct bytes wire, struct ol_arena *arena,
                               struct event_message *ret_event, struct ol_error *reterr)
{
    if (world->knobs.codec)
        return codec_decode_event(context, wire, arena, ret_event, reterr);
    memcpy(ret_event, wire.data, sizeof *ret_event);
    return OL_OK;
}

/* ---- what the checkers read with it ---- */

struct step_bundle sim_bundle_in(const struct slot *slot, struct ol_arena *arena)
{
    struct step_bundle bundle;
    struct ol_error error;
    struct bytes wire = {slot->value, slot->value_bytes};
    if (sim_decode_bundle(wire, arena, &bundle, &error))
        sim_fail((struct text){0}, "a bundle that can't be read: %s", error.text);
    return bundle;
}

struct text sim_order_of(const struct step_message *step)
{
    return step->context == CONTEXT_PAYMENTS ? step->payment.payment_id : step_aggregate(step);
}
