#include "verify/fold.h"

static const struct text no_text;

/* What a product's own event is called in the table of commands. */
static const char *const kinds[INVENTORY_EVENT_KIND_COUNT] = {
    [PRODUCT_ADDED] = "ADD",        [PRODUCT_MODIFIED] = "MODIFY",  [PRODUCT_DELETED] = "DELETE",
    [STOCK_INCREASED] = "INCREASE", [STOCK_DECREASED] = "DECREASE",
};

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

static void follow_stock(struct fold_turn *turn, struct fold_entity *entity)
{
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    struct row_stock *row = (struct row_stock *)fold_row(entity, ROW_TABLE_stock);
    row->partition = turn->partition;
    row->on_hand = product->on_hand;
    row->reserved = product->reserved;
    row->version = product->version;
    row->event_offset = turn->offset;
}

static void follow_details(struct fold_turn *turn, struct row_products *row)
{
    const struct product_details *details = &turn->event->inventory.details;
    row->price_minor = details->price_minor;
    row->details_hash = (int64_t)product_details_hash(details);
    row->currency = cell_currency(details->currency);
    row->name = cell_text(details->name);
    row->category = cell_text(details->category);
    row->brand = cell_text(details->brand);
}

static void originate(struct fold_turn *turn, struct row_products *row)
{
    fold_check_origin(turn, turn->event->inventory.sku);
    row->partition = turn->partition;
    row->duplicates = row->conflicts = 0;
    row->command_digest = (int64_t)turn->event->body_digest;
    row->recorded_at = cell_time(turn->event->recorded_at_us);
    row->command_id = cell_text(turn->event->metadata.command_id);
}

static bool settle(struct fold_turn *turn)
{
    const struct inventory_event *event = &turn->event->inventory;
    struct fold_command *row = fold_settle(turn, event->sku, kinds[event->kind]);
    if (!row)
        return false;
    row->version = event->version;
    if (event->quantity)
        row->moved = event->quantity;
    row->subject = cell_text_or_null(event->reason);
    return true;
}

static bool product_event(struct fold_turn *turn)
{
    const struct inventory_event *event = &turn->event->inventory;
    struct fold_entity *entity =
        fold_get(turn->fold, ENTITY_PRODUCT, turn->partition, event->sku, no_text);
    if (!entity)
        return false;
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    struct row_products *row = (struct row_products *)fold_row(entity, ROW_TABLE_products);
    fold_check_place(turn, event->sku);
    if (entity->broken || !fold_check_version(turn, entity, product->version, event->version) ||
        !fold_guard(turn, entity, apply_own, event))
        return true;
    if (event->version == 1)
        originate(turn, row);
    follow_stock(turn, entity);
    row->listed = product->listed;
    if (event->kind == PRODUCT_ADDED || event->kind == PRODUCT_MODIFIED)
        follow_details(turn, row);
    turn->fold->movements[event->kind]++;
    turn->fold->moved_units[event->kind] += (uint64_t)event->quantity;
    return event->version == 1 || !fold_settles(turn) || settle(turn);
}

/* ---- reservations ---- */

static void apply_group(void *state, const void *event)
{
    reservation_apply(state, event);
}

static bool line_event(struct fold_turn *turn, const struct stock_line *stock_line)
{
    struct fold_entity *entity =
        fold_get(turn->fold, ENTITY_PRODUCT, turn->partition, stock_line->sku, no_text);
    if (!entity)
        return false;
    const struct product *product = &((struct fold_product *)fold_state(entity))->product;
    enum inventory_event_kind kind = turn->event->inventory.kind;
    struct line line = {kind, stock_line};
    fold_check_place(turn, stock_line->sku);
    if (entity->broken ||
        !fold_check_version(turn, entity, product->version, stock_line->version) ||
        !fold_guard(turn, entity, apply_line, &line))
        return true;
    follow_stock(turn, entity);
    turn->fold->movements[kind]++;
    turn->fold->moved_units[kind] += (uint64_t)stock_line->quantity;
    return true;
}

/* What is released is what was held. */
static void check_released(struct fold_turn *turn, const struct row_reservations *row)
{
    const struct inventory_event *event = &turn->event->inventory;
    if (row->skus != cell_skus(event->lines, event->line_count) ||
        row->quantities != cell_quantities(event->lines, event->line_count))
        fold_wrong(turn, CHECK_EVENTS, "it gives back other lines than order %.*s holds",
                   (int)event->order_id.bytes, event->order_id.data);
}

static void follow_group(struct fold_turn *turn, struct row_reservations *row)
{
    const struct inventory_event *event = &turn->event->inventory;
    int64_t now = cell_time(turn->event->recorded_at_us);
    row->event_offset = turn->offset;
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
    check_released(turn, row);
    row->released_versions = cell_versions(event->lines, event->line_count);
}

static bool group_event(struct fold_turn *turn)
{
    const struct inventory_event *event = &turn->event->inventory;
    int16_t partition = (int16_t)turn->partition;
    struct fold_entity *entity = fold_get(turn->fold, ENTITY_RESERVATION, turn->partition,
                                          event->order_id, fold_partition_key(&partition));
    if (!entity)
        return false;
    struct reservation *reservation = fold_state(entity);
    struct row_reservations *row = (struct row_reservations *)fold_cells(entity);
    if (event->partition != turn->partition)
        fold_wrong(turn, CHECK_EVENTS, "it is about a group of partition %d", event->partition);
    for (size_t i = 0; i < event->line_count; i++)
        if (!line_event(turn, &event->lines[i]))
            return false;
    if (entity->broken || !fold_guard(turn, entity, apply_group, event))
        return true;
    reservation->lines = NULL; /* the event's, which goes */
    follow_group(turn, row);
    row->status = cell_name(reservation_status_name(reservation->status));
    return true;
}

bool fold_inventory_event(struct fold_turn *turn)
{
    switch (turn->event->inventory.kind) {
    case STOCK_RESERVED:
    case STOCK_REFUSED:
    case STOCK_RELEASED: return group_event(turn);
    default: return product_event(turn);
    }
}
