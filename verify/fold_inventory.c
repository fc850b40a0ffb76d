#include "verify/fold.h"

static const struct text no_text;

/* ---- products ---- */

static void apply_own(void *state, const void *event)
{
    product_apply(&((struct fold_product *)state)->product, event);
}

/* One line of a group. */
struct line {
    enum inventory_event_kind kind;
    const struct stock_line *line;
};

static void apply_line(void *state, const void *argument)
{
    const struct line *line = argument;
    product_apply_line(&((struct fold_product *)state)->product, line->kind, line->line);
}

static void follow_stock(struct fold_input *input, struct fold_entity *entity)
{
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    struct row_stock *row = (struct row_stock *)fold_row(entity, TABLE_stock);
    row->partition = input->partition;
    row->on_hand = product->on_hand;
    row->reserved = product->reserved;
    row->version = product->version;
    row->event_offset = input->offset;
}

static void follow_details(struct fold_input *input, struct row_products *row)
{
    const struct product_details *details = &input->event->inventory.details;
    row->price_minor = details->price_minor;
    row->details_hash = (int64_t)product_details_hash(details);
    row->currency = cell_currency(details->currency);
    row->name = cell_text(details->name);
    row->category = cell_text(details->category);
    row->brand = cell_text(details->brand);
}

static void make_product(struct fold_input *input, struct row_products *row)
{
    fold_check_origin(input, input->event->inventory.sku);
    row->partition = input->partition;
    row->duplicates = row->conflicts = 0;
    row->command_digest = (int64_t)input->event->body_digest;
    row->recorded_at = cell_time(input->event->recorded_at_us);
    row->command_id = cell_text(input->event->metadata.command_id);
}

static bool add_outcome(struct fold_input *input)
{
    const struct inventory_event *event = &input->event->inventory;
    struct fold_command *row = fold_add_outcome(input, event->sku);
    if (!row)
        return false;
    row->version = event->version;
    if (event->quantity)
        row->moved = event->quantity;
    row->subject = cell_text_or_null(event->reason);
    return true;
}

static bool product_event(struct fold_input *input)
{
    const struct inventory_event *event = &input->event->inventory;
    struct fold_entity *entity =
        fold_get(input->fold, ENTITY_PRODUCT, input->partition, event->sku, no_text);
    if (!entity)
        return false;
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    struct row_products *row = (struct row_products *)fold_row(entity, TABLE_products);
    fold_check_partition(input, event->sku);
    if (entity->broken || !fold_check_version(input, entity, product->version, event->version) ||
        !fold_guard(input, entity, apply_own, event))
        return true;
    if (event->version == 1)
        make_product(input, row);
    follow_stock(input, entity);
    row->listed = product->listed;
    if (event->kind == PRODUCT_ADDED || event->kind == PRODUCT_MODIFIED)
        follow_details(input, row);
    input->fold->movements[event->kind]++;
    input->fold->moved_units[event->kind] += (uint64_t)event->quantity;
    return event->version == 1 || !fold_is_first_outcome(input) || add_outcome(input);
}

/* ---- reservations ---- */

static void apply_group(void *state, const void *event)
{
    reservation_apply(state, event);
}

static bool line_event(struct fold_input *input, const struct stock_line *stock_line)
{
    struct fold_entity *entity =
        fold_get(input->fold, ENTITY_PRODUCT, input->partition, stock_line->sku, no_text);
    if (!entity)
        return false;
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    enum inventory_event_kind kind = input->event->inventory.kind;
    struct line line = {kind, stock_line};
    fold_check_partition(input, stock_line->sku);
    if (entity->broken ||
        !fold_check_version(input, entity, product->version, stock_line->version) ||
        !fold_guard(input, entity, apply_line, &line))
        return true;
    follow_stock(input, entity);
    input->fold->movements[kind]++;
    input->fold->moved_units[kind] += (uint64_t)stock_line->quantity;
    return true;
}

/* What is released is what was held. */
static void check_released(struct fold_input *input, const struct row_reservations *row)
{
    const struct inventory_event *event = &input->event->inventory;
    if (row->skus != cell_skus(event->lines, event->line_count) ||
        row->quantities != cell_quantities(event->lines, event->line_count))
        fold_wrong(input, CHECK_EVENTS, "it gives back other lines than order %.*s holds",
                   (int)event->order_id.bytes, event->order_id.data);
}

static void follow_group(struct fold_input *input, struct row_reservations *row)
{
    const struct inventory_event *event = &input->event->inventory;
    int64_t now = cell_time(input->event->recorded_at_us);
    row->event_offset = input->offset;
    if (row->recorded_at == ROW_NULL) {
        bool held = event->kind == STOCK_RESERVED;
        row->recorded_at = now;
        row->skus = cell_skus(event->lines, held ? event->line_count : 0);
        row->quantities = cell_quantities(event->lines, held ? event->line_count : 0);
        row->versions = cell_versions(event->lines, held ? event->line_count : 0);
    }
    if (event->kind == STOCK_REFUSED) {
        row->reason = cell_name(refusal_name(event->code));
        row->reason_sku = cell_text_or_null(event->sku);
    }
    if (event->kind != STOCK_RELEASED)
        return;
    row->released_at = now;
    if (event->line_count == 0)
        return;
    check_released(input, row);
    row->released_versions = cell_versions(event->lines, event->line_count);
}

static bool group_event(struct fold_input *input)
{
    const struct inventory_event *event = &input->event->inventory;
    int16_t partition = (int16_t)input->partition;
    struct fold_entity *entity = fold_get(input->fold, ENTITY_RESERVATION, input->partition,
                                          event->order_id, fold_partition_key(&partition));
    if (!entity)
        return false;
    struct reservation *reservation = fold_state(entity);
    struct row_reservations *row = (struct row_reservations *)fold_cells(entity);
    if (event->partition != input->partition)
        fold_wrong(input, CHECK_EVENTS, "it is about a group of partition %d", event->partition);
    for (size_t i = 0; i < event->line_count; i++)
        if (!line_event(input, &event->lines[i]))
            return false;
    if (entity->broken || !fold_guard(input, entity, apply_group, event))
        return true;
    reservation->lines = NULL; /* the event's, which goes */
    follow_group(input, row);
    row->status = cell_name(reservation_status_name(reservation->status));
    return true;
}

bool fold_inventory_event(struct fold_input *input)
{
    switch (input->event->inventory.kind) {
    case STOCK_RESERVED:
    case STOCK_REFUSED:
    case STOCK_RELEASED: return group_event(input);
    default: return product_event(input);
    }
}
