#include <assert.h>

#include "domain/money.h"
#include "projections/reduce_internal.h"

static const struct text no_text;

/* ---- products ---- */

static struct product_change *product_find(const struct reduce_input *input, struct text sku)
{
    return (struct product_change *)rowset_find(&input->batch->aggregates, sku, no_text);
}

static struct product_change *product_add(const struct reduce_input *input, struct text sku,
                                          enum row_mode mode, int64_t version)
{
    struct row_batch *batch = input->batch;
    struct product_change *change = (struct product_change *)rowset_add(
        &batch->aggregates, &batch->arena, sizeof *change, sku, no_text);
    if (!change)
        return NULL;
    change->row.mode = mode;
    change->partition = input->partition;
    change->version_before = version - 1;
    batch->second_rows += mode == ROW_INSERT;
    return change;
}

static enum ol_class check_product(const struct product_change *change, struct text sku,
                                   int64_t version, bool adds, struct ol_error *reterr)
{
    if (change)
        return reduce_check_version("product", sku, change->version, version, reterr);
    if (version < 1 || (version == 1 && !adds))
        return ol_fail(reterr, OL_POISON,
                       "product %.*s begins with another event than ProductAdded", SHOWN(sku));
    return OL_OK;
}

static bool copy_details(struct row_batch *batch, const struct product_details *details,
                         struct product_change *change)
{
    change->details_changed = true;
    change->details_hash = product_details_hash(details);
    change->details = *details;
    return reduce_copy(batch, details->name, &change->details.name) &&
           reduce_copy(batch, details->category, &change->details.category) &&
           reduce_copy(batch, details->brand, &change->details.brand) &&
           reduce_copy(batch, details->currency, &change->details.currency);
}

static enum ol_class fold_product(const struct reduce_input *input, struct product_change *change,
                                  struct ol_error *reterr)
{
    const struct inventory_event *event = &input->event->inventory;
    change->version = event->version;
    change->event_offset = input->offset;
    if (event->kind == STOCK_INCREASED || event->kind == STOCK_DECREASED) {
        int64_t sign = event->kind == STOCK_INCREASED ? 1 : -1;
        if (!amount_add(change->on_hand, sign * event->quantity, &change->on_hand))
            return ol_fail(reterr, OL_FATAL, "the units of %.*s do not fit", SHOWN(event->sku));
        return OL_OK;
    }
    if (event->kind != PRODUCT_MODIFIED) {
        change->listing_changed = true;
        change->listed = event->kind == PRODUCT_ADDED;
    }
    if (event->kind != PRODUCT_DELETED && !copy_details(input->batch, &event->details, change))
        return reduce_no_memory(reterr);
    return OL_OK;
}

static enum ol_class reduce_product(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct inventory_event *event = &input->event->inventory;
    bool makes = event->kind == PRODUCT_ADDED && event->version == 1;
    struct product_change *change = product_find(input, event->sku);
    if (event->sku.bytes == 0 || event->quantity < 0)
        return ol_fail(reterr, OL_POISON, "a product's event without SKU or with units below 0");
    enum ol_class class = check_product(change, event->sku, event->version, makes, reterr);
    bool is_outcome = reduce_is_first_outcome(input);
    if (!class && is_outcome)
        class = reduce_check_command(input, event->sku, reterr);
    struct row_origin origin = {0};
    if (!class && makes)
        class = reduce_origin(input, &origin, reterr);
    if (class)
        return class;

    if (!change)
        change = product_add(input, event->sku, makes ? ROW_INSERT : ROW_UPDATE, event->version);
    if (!change)
        return reduce_no_memory(reterr);
    if (makes)
        change->origin = origin;
    class = fold_product(input, change, reterr);
    if (class || makes || !is_outcome)
        return class;
    return reduce_accept_command(input, event->sku, event->version,
                                 event->quantity ? event->quantity : -1, event->reason, reterr);
}

/* ---- reservations ---- */

/* What the event makes of a reservation, and whether its row is there already: see the table of
 * domain/stock.c. A refusal of what was released before it came has a code of its own. */
static enum row_mode reservation_mode(const struct inventory_event *event)
{
    if (event->kind == STOCK_RESERVED)
        return ROW_INSERT;
    if (event->kind == STOCK_REFUSED)
        return event->code == REFUSED_RESERVATION_EXISTS ? ROW_UPDATE : ROW_INSERT;
    return event->line_count ? ROW_UPDATE : ROW_UPSERT;
}

/* The products of all lines: found, or NULL where the batch has not met them. */
static enum ol_class check_lines(const struct reduce_input *input,
                                 struct product_change **ret_changes, struct ol_error *reterr)
{
    const struct inventory_event *event = &input->event->inventory;
    if (event->line_count > ORDER_LINES_MAX ||
        (event->kind == STOCK_RESERVED && event->line_count == 0) ||
        (event->kind == STOCK_REFUSED && event->line_count > 0))
        return ol_fail(reterr, OL_POISON, "a group of %zu lines", event->line_count);
    for (size_t i = 0; i < event->line_count; i++) {
        const struct stock_line *line = &event->lines[i];
        ret_changes[i] = product_find(input, line->sku);
        if (line->sku.bytes == 0 || line->quantity < 1)
            return ol_fail(reterr, OL_POISON, "a line without SKU or without units");
        enum ol_class class =
            check_product(ret_changes[i], line->sku, line->version, false, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

static enum ol_class check_reservation(const struct reduce_input *input,
                                       const struct reservation_change *change,
                                       struct ol_error *reterr)
{
    const struct inventory_event *event = &input->event->inventory;
    if (event->order_id.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a group without an order id");
    if (event->partition != input->partition)
        return ol_fail(reterr, OL_POISON, "a group of partition %d of order %.*s", event->partition,
                       SHOWN(event->order_id));
    if (event->kind == STOCK_REFUSED && event->code == ACCEPTED)
        return ol_fail(reterr, OL_POISON, "a refusal without a code that is known here");
    if (change && reservation_mode(event) == ROW_INSERT)
        return ol_fail(reterr, OL_POISON, "the group of order %.*s was judged already",
                       SHOWN(event->order_id));
    return OL_OK;
}

static struct reservation_change *reservation_add(const struct reduce_input *input)
{
    const struct inventory_event *event = &input->event->inventory;
    struct row_batch *batch = input->batch;
    struct reservation_change *change =
        (struct reservation_change *)rowset_add(&batch->claims, &batch->arena, sizeof *change,
                                                event->order_id, reservation_key(input->partition));
    if (!change)
        return NULL;
    change->row.mode = reservation_mode(event);
    change->partition = input->partition;
    change->recorded_us = input->event->recorded_at_us;
    change->released_us = TIME_NONE;
    return change;
}

static bool fold_reservation(const struct reduce_input *input, struct reservation_change *change)
{
    const struct inventory_event *event = &input->event->inventory;
    struct row_batch *batch = input->batch;
    const struct stock_line *lines = NULL;
    change->event_offset = input->offset;
    if (event->line_count) {
        lines = reduce_copy_lines(batch, event->lines, event->line_count);
        if (!lines)
            return false;
    }
    switch (event->kind) {
    case STOCK_RESERVED:
        change->status = RESERVATION_IS_HELD;
        change->held = (struct held_lines){lines, event->line_count};
        return true;
    case STOCK_REFUSED:
        change->status = RESERVATION_IS_REFUSED;
        change->reason = event->code;
        return reduce_copy(batch, event->sku, &change->reason_sku);
    default:
        change->status = RESERVATION_IS_RELEASED;
        change->released_us = input->event->recorded_at_us;
        if (lines)
            change->released = (struct held_lines){lines, event->line_count};
        return true;
    }
}

static enum ol_class fold_lines(const struct reduce_input *input, struct product_change **changes,
                                struct ol_error *reterr)
{
    const struct inventory_event *event = &input->event->inventory;
    for (size_t i = 0; i < event->line_count; i++) {
        const struct stock_line *line = &event->lines[i];
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): check_lines() has set each */
        struct product_change *change = changes[i];
        if (!change)
            change = product_add(input, line->sku, ROW_UPDATE, line->version);
        if (!change)
            return reduce_no_memory(reterr);
        change->version = line->version;
        change->event_offset = input->offset;
        int64_t sign = event->kind == STOCK_RESERVED ? 1 : -1;
        if (!amount_add(change->reserved, sign * line->quantity, &change->reserved))
            return ol_fail(reterr, OL_FATAL, "the units of %.*s do not fit", SHOWN(line->sku));
    }
    return OL_OK;
}

static enum ol_class reduce_group(const struct reduce_input *input, struct ol_error *reterr)
{
    struct product_change *changes[ORDER_LINES_MAX];
    const struct inventory_event *event = &input->event->inventory;
    struct reservation_change *change = (struct reservation_change *)rowset_find(
        &input->batch->claims, event->order_id, reservation_key(input->partition));
    enum ol_class class = check_reservation(input, change, reterr);
    if (!class)
        class = check_lines(input, changes, reterr);
    if (class)
        return class;
    if (!change)
        change = reservation_add(input);
    if (!change || !fold_reservation(input, change))
        return reduce_no_memory(reterr);
    return fold_lines(input, changes, reterr);
}

enum ol_class reduce_inventory(const struct reduce_input *input, struct ol_error *reterr)
{
    switch (input->event->inventory.kind) {
    case PRODUCT_ADDED:
    case PRODUCT_MODIFIED:
    case PRODUCT_DELETED:
    case STOCK_INCREASED:
    case STOCK_DECREASED: return reduce_product(input, reterr);
    case STOCK_RESERVED:
    case STOCK_REFUSED:
    case STOCK_RELEASED: return reduce_group(input, reterr);
    case INVENTORY_EVENT_NONE:
    case INVENTORY_EVENT_KIND_COUNT: break;
    }
    return ol_fail(reterr, OL_POISON, "an event of inventory of no kind that is known here");
}
