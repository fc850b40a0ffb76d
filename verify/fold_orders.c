#include "verify/fold.h"

#include "domain/money.h"

static const struct text no_text;

static void apply(void *state, const void *event)
{
    order_apply(state, event);
}

/* Every line on the partition that its SKU lives on; the total is the lines'. */
static void check_lines(struct fold_input *input)
{
    const struct order_event *event = &input->event->order;
    int64_t total_minor = 0;
    bool fits = true;
    for (size_t i = 0; i < event->line_count; i++) {
        const struct order_line *line = &event->lines[i];
        fits &= amount_add(total_minor, line->amount_minor, &total_minor);
        if (partition_of(line->sku, input->fold->partitions) != line->partition)
            fold_wrong(input, CHECK_EVENTS, "line %zu, %.*s, is not of partition %d", i + 1,
                       (int)line->sku.bytes, line->sku.data, line->partition);
    }
    if (!fits || total_minor != event->total_minor)
        fold_wrong(input, CHECK_EVENTS, "the total is not the sum of the lines");
}

static void make_order(struct fold_input *input, struct row_orders *row,
                       struct row_order_baskets *basket)
{
    const struct event_message *message = input->event;
    const struct order_event *event = &message->order;
    int64_t occurred_us = message->metadata.occurred_at_us;
    check_lines(input);
    fold_check_origin(input, event->order_id);
    row->partition = input->partition;
    row->duplicates = row->conflicts = 0;
    row->command_digest = (int64_t)message->body_digest;
    row->total_minor = event->total_minor;
    row->payment_row = event->payment_row;
    row->placed_at = cell_time(occurred_us == TIME_NONE ? message->recorded_at_us : occurred_us);
    row->recorded_at = cell_time(message->recorded_at_us);
    row->currency = cell_currency(event->currency);
    row->customer_id = cell_text(event->customer_id);
    row->command_id = cell_text(message->metadata.command_id);
    basket->skus = cell_order_skus(event->lines, event->line_count);
    basket->quantities = cell_order_quantities(event->lines, event->line_count);
    basket->amounts = cell_order_amounts(event->lines, event->line_count);
}

static void follow(struct fold_input *input, const struct order *order, struct row_orders *row)
{
    const struct order_event *event = &input->event->order;
    row->payment = order->payment;
    row->version = order->version;
    row->event_offset = input->offset;
    row->groups_asked = (int64_t)order->groups_asked;
    row->groups_reserved = (int64_t)order->groups_reserved;
    row->groups_refused = (int64_t)order->groups_refused;
    row->groups_released = (int64_t)order->groups_released;
    row->deadline = cell_time(order->deadline_us);
    row->status = cell_name(order_status_name(order->status));
    row->saga_state = cell_name(saga_state_name(order->saga_state));
    if (order->saga_state == SAGA_IS_DONE || order->saga_state == SAGA_IS_UNDONE)
        row->settled_at = cell_time(input->event->recorded_at_us);
    if (event->kind == ORDER_REJECTED || event->kind == ORDER_CANCELLED) {
        row->reason = cell_name(refusal_name(event->code));
        row->reason_sku = cell_text_or_null(event->sku);
    }
}

bool fold_order_event(struct fold_input *input)
{
    const struct order_event *event = &input->event->order;
    struct fold_entity *entity =
        fold_get(input->fold, ENTITY_ORDER, input->partition, event->order_id, no_text);
    if (!entity)
        return false;
    struct order *order = fold_state(entity);
    struct row_orders *row = (struct row_orders *)fold_cells(entity);
    fold_check_partition(input, event->order_id);
    if (entity->broken || !fold_check_version(input, entity, order->version, event->version))
        return true;
    if (event->kind == ORDER_PLACED)
        make_order(input, row, (struct row_order_baskets *)fold_row(entity, TABLE_order_baskets));
    if (!fold_guard(input, entity, apply, event))
        return true;
    order->customer_id = no_text; /* the event's, which goes */
    follow(input, order, row);
    if (event->kind == ORDER_PLACED || !fold_is_first_outcome(input))
        return true;
    struct fold_command *command = fold_add_outcome(input, event->order_id);
    if (command)
        command->version = event->version;
    return command != NULL;
}
