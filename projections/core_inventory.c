#include <assert.h>

#include "domain/money.h"
#include "projections/core_internal.h"

static const struct text no_text;

/* What a product's own event is called in the table of commands. */
static const char *const kinds[INVENTORY_EVENT_KIND_COUNT] = {
    [PRODUCT_ADDED] = "ADD",        [PRODUCT_MODIFIED] = "MODIFY",  [PRODUCT_DELETED] = "DELETE",
    [STOCK_INCREASED] = "INCREASE", [STOCK_DECREASED] = "DECREASE",
};

/* ---- products -------------------------------------------------------------------------------- */

static struct product_change *product_find(const struct taken *taken, struct text sku)
{
    return (struct product_change *)rowset_find(&taken->projection->aggregates, sku, no_text);
}

static struct product_change *product_add(const struct taken *taken, struct text sku,
                                          enum row_mode mode, int64_t version)
{
    struct projection *projection = taken->projection;
    struct product_change *change = (struct product_change *)rowset_add(
        &projection->aggregates, &projection->arena, sizeof *change, sku, no_text);
    if (!change)
        return NULL;
    change->mode = mode;
    change->partition = taken->partition;
    change->version_before = version - 1;
    projection->second_rows += mode == ROW_INSERT;
    return change;
}

static enum ol_class check_product(const struct product_change *change, struct text sku,
                                   int64_t version, bool adds, struct ol_error *reterr)
{
    if (change)
        return core_check_version("product", sku, change->version, version, reterr);
    if (version < 1 || (version == 1 && !adds))
        return ol_fail(reterr, OL_POISON,
                       "product %.*s begins with another event than ProductAdded", SHOWN(sku));
    return OL_OK;
}

static bool copy_details(struct projection *projection, const struct product_details *details,
                         struct product_change *change)
{
    change->details_changed = true;
    change->details_hash = product_details_hash(details);
    change->details = *details;
    return core_copy(projection, details->name, &change->details.name) &&
           core_copy(projection, details->category, &change->details.category) &&
           core_copy(projection, details->brand, &change->details.brand) &&
           core_copy(projection, details->currency, &change->details.currency);
}

static enum ol_class fold_product(const struct taken *taken, struct product_change *change,
                                  struct ol_error *reterr)
{
    const struct inventory_event *event = &taken->event->inventory;
    change->version = event->version;
    change->event_offset = taken->offset;
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
    if (event->kind != PRODUCT_DELETED && !copy_details(taken->projection, &event->details, change))
        return core_no_memory(reterr);
    return OL_OK;
}

static enum ol_class take_product(const struct taken *taken, struct ol_error *reterr)
{
    const struct inventory_event *event = &taken->event->inventory;
    bool makes = event->kind == PRODUCT_ADDED && event->version == 1;
    struct product_change *change = product_find(taken, event->sku);
    if (event->sku.bytes == 0 || event->quantity < 0)
        return ol_fail(reterr, OL_POISON, "a product's event without SKU or with units below 0");
    enum ol_class class = check_product(change, event->sku, event->version, makes, reterr);
    bool settles = core_settles_command(taken);
    if (!class && settles)
        class = core_check_command(taken, event->sku, reterr);
    struct row_origin origin = {0};
    if (!class && makes)
        class = core_origin(taken, &origin, reterr);
    if (class)
        return class;

    if (!change)
        change = product_add(taken, event->sku, makes ? ROW_INSERT : ROW_UPDATE, event->version);
    if (!change)
        return core_no_memory(reterr);
    if (makes)
        change->origin = origin;
    class = fold_product(taken, change, reterr);
    if (class || makes || !settles)
        return class;
    return core_accept_command(taken, event->sku, kinds[event->kind], event->version,
                               event->quantity ? event->quantity : -1, event->reason, reterr);
}

/* ---- reservations ---------------------------------------------------------------------------- */

/* What the event makes of a reservation, and whether its row is there already: see the cells of
 * domain/stock.c. A refusal of what was released before it came has a code of its own. */
static enum row_mode mode_of(const struct inventory_event *event)
{
    if (event->kind == STOCK_RESERVED)
        return ROW_INSERT;
    if (event->kind == STOCK_REFUSED)
        return event->code == REFUSED_RESERVATION_EXISTS ? ROW_UPDATE : ROW_INSERT;
    return event->line_count ? ROW_UPDATE : ROW_UPSERT;
}

/* The products of all lines: found, or NULL where the batch has not met them. */
static enum ol_class check_lines(const struct taken *taken, struct product_change **ret_changes,
                                 struct ol_error *reterr)
{
    const struct inventory_event *event = &taken->event->inventory;
    if (event->line_count > ORDER_LINES_MAX ||
        (event->kind == STOCK_RESERVED && event->line_count == 0) ||
        (event->kind == STOCK_REFUSED && event->line_count > 0))
        return ol_fail(reterr, OL_POISON, "a group of %zu lines", event->line_count);
    for (size_t i = 0; i < event->line_count; i++) {
        const struct stock_line *line = &event->lines[i];
        ret_changes[i] = product_find(taken, line->sku);
        if (line->sku.bytes == 0 || line->quantity < 1)
            return ol_fail(reterr, OL_POISON, "a line without SKU or without units");
        enum ol_class class =
            check_product(ret_changes[i], line->sku, line->version, false, reterr);
        if (class)
            return class;
    }
    return OL_OK;
}

static enum ol_class check_reservation(const struct taken *taken,
                                       const struct reservation_change *change,
                                       struct ol_error *reterr)
{
    const struct inventory_event *event = &taken->event->inventory;
    if (event->order_id.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a group without an order id");
    if (event->partition != taken->partition)
        return ol_fail(reterr, OL_POISON, "a group of partition %d of order %.*s", event->partition,
                       SHOWN(event->order_id));
    if (event->kind == STOCK_REFUSED && event->code == ACCEPTED)
        return ol_fail(reterr, OL_POISON, "a refusal without a code that is known here");
    if (change && mode_of(event) == ROW_INSERT)
        return ol_fail(reterr, OL_POISON, "the group of order %.*s was judged already",
                       SHOWN(event->order_id));
    return OL_OK;
}

static struct reservation_change *reservation_add(const struct taken *taken)
{
    const struct inventory_event *event = &taken->event->inventory;
    struct projection *projection = taken->projection;
    struct reservation_change *change = (struct reservation_change *)rowset_add(
        &projection->parts, &projection->arena, sizeof *change, event->order_id,
        reservation_key(taken->partition));
    if (!change)
        return NULL;
    change->mode = mode_of(event);
    change->partition = taken->partition;
    change->recorded_us = taken->event->recorded_at_us;
    change->released_us = TIME_NONE;
    return change;
}

static bool fold_reservation(const struct taken *taken, struct reservation_change *change)
{
    const struct inventory_event *event = &taken->event->inventory;
    struct projection *projection = taken->projection;
    const struct stock_line *lines = NULL;
    change->event_offset = taken->offset;
    if (event->line_count) {
        lines = core_copy_lines(projection, event->lines, event->line_count);
        if (!lines)
            return false;
    }
    switch (event->kind) {
    case STOCK_RESERVED:
        change->status = RESERVATION_IS_HELD;
        change->lines = lines;
        change->line_count = event->line_count;
        return true;
    case STOCK_REFUSED:
        change->status = RESERVATION_IS_REFUSED;
        change->reason = event->code;
        return core_copy(projection, event->sku, &change->reason_sku);
    default:
        change->status = RESERVATION_IS_RELEASED;
        change->released_us = taken->event->recorded_at_us;
        if (lines) {
            change->released = lines;
            change->released_count = event->line_count;
        }
        return true;
    }
}

static enum ol_class fold_lines(const struct taken *taken, struct product_change **changes,
                                struct ol_error *reterr)
{
    const struct inventory_event *event = &taken->event->inventory;
    for (size_t i = 0; i < event->line_count; i++) {
        const struct stock_line *line = &event->lines[i];
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): check_lines() has set each */
        struct product_change *change = changes[i];
        if (!change)
            change = product_add(taken, line->sku, ROW_UPDATE, line->version);
        if (!change)
            return core_no_memory(reterr);
        change->version = line->version;
        change->event_offset = taken->offset;
        int64_t sign = event->kind == STOCK_RESERVED ? 1 : -1;
        if (!amount_add(change->reserved, sign * line->quantity, &change->reserved))
            return ol_fail(reterr, OL_FATAL, "the units of %.*s do not fit", SHOWN(line->sku));
    }
    return OL_OK;
}

static enum ol_class take_group(const struct taken *taken, struct ol_error *reterr)
{
    struct product_change *changes[ORDER_LINES_MAX];
    const struct inventory_event *event = &taken->event->inventory;
    struct reservation_change *change = (struct reservation_change *)rowset_find(
        &taken->projection->parts, event->order_id, reservation_key(taken->partition));
    enum ol_class class = check_reservation(taken, change, reterr);
    if (!class)
        class = check_lines(taken, changes, reterr);
    if (class)
        return class;
    if (!change)
        change = reservation_add(taken);
    if (!change || !fold_reservation(taken, change))
        return core_no_memory(reterr);
    return fold_lines(taken, changes, reterr);
}

enum ol_class core_inventory(const struct taken *taken, struct ol_error *reterr)
{
    switch (taken->event->inventory.kind) {
    case PRODUCT_ADDED:
    case PRODUCT_MODIFIED:
    case PRODUCT_DELETED:
    case STOCK_INCREASED:
    case STOCK_DECREASED: return take_product(taken, reterr);
    case STOCK_RESERVED:
    case STOCK_REFUSED:
    case STOCK_RELEASED: return take_group(taken, reterr);
    case INVENTORY_EVENT_NONE:
    case INVENTORY_EVENT_KIND_COUNT: break;
    }
    return ol_fail(reterr, OL_POISON, "an event of inventory of no kind that is known here");
}
