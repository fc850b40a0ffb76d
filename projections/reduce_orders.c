#include "projections/reduce_internal.h"

/* ---- checks ---- */

static enum ol_class check_group(int32_t partition, struct ol_error *reterr)
{
    if ((uint32_t)partition < PARTITIONS_MAX)
        return OL_OK;
    return ol_fail(reterr, OL_POISON, "a group of partition %d", partition);
}

static enum ol_class check_event(const struct order_event *event, struct ol_error *reterr)
{
    if (event->order_id.bytes == 0)
        return ol_fail(reterr, OL_POISON, "an order's event without an order id");
    if (!order_status_name(event->status)[0] || !saga_state_name(event->saga_state)[0])
        return ol_fail(reterr, OL_POISON, "it leaves the order in no status that is known here");
    if (event->payment >= ORDER_PAYMENT_COUNT)
        return ol_fail(reterr, OL_POISON, "it leaves the payment in no state that is known here");
    enum ol_class class = OL_OK;
    switch (event->kind) {
    case ORDER_PLACED:
        if (event->payment_row <= PAYMENT_ROW_NONE || event->payment_row >= PAYMENT_ROW_COUNT)
            return ol_fail(reterr, OL_POISON, "an order that is paid in no way that is known here");
        if (event->line_count == 0 || event->line_count > ORDER_LINES_MAX)
            return ol_fail(reterr, OL_POISON, "an order of %zu lines", event->line_count);
        for (size_t i = 0; i < event->line_count && !class; i++)
            class = check_group(event->lines[i].partition, reterr);
        return class;
    case ORDER_STOCK_RESERVED:
    case ORDER_STOCK_RELEASED:
        return event->groups ? OL_OK : ol_fail(reterr, OL_POISON, "it is about no group");
    case ORDER_REJECTED:
        return event->partition < 0 ? OL_OK : check_group(event->partition, reterr);
    case ORDER_CONFIRMED:
    case ORDER_CANCELLED:
    case ORDER_PAYMENT_VOIDED:
    case ORDER_UNDO_OVERDUE:
    case ORDER_PAYMENT_REVERSED:
    case ORDER_PAYMENT_OVERDUE: return OL_OK;
    case ORDER_EVENT_NONE:
    case ORDER_EVENT_KIND_COUNT: break;
    }
    return ol_fail(reterr, OL_POISON, "an order's event of no kind that is known here");
}

/* ---- changes ---- */

static bool copy_order_lines(struct row_batch *batch, const struct order_event *event,
                             struct order_change *change)
{
    size_t bytes = event->line_count * sizeof *event->lines;
    for (size_t i = 0; i < event->line_count; i++)
        bytes += event->lines[i].sku.bytes;
    struct order_line *lines = ol_arena_alloc(&batch->arena, bytes);
    if (!lines)
        return false;
    char *texts = (char *)(lines + event->line_count);
    for (size_t i = 0; i < event->line_count; i++) {
        lines[i] = event->lines[i];
        lines[i].sku.data = memcpy(texts, lines[i].sku.data, lines[i].sku.bytes);
        texts += lines[i].sku.bytes;
        change->groups_asked |= UINT64_C(1) << lines[i].partition;
    }
    change->basket = (struct bought_lines){lines, event->line_count};
    return true;
}

static struct order_change *change_add(const struct reduce_input *input, enum row_mode mode)
{
    struct row_batch *batch = input->batch;
    struct order_change *change =
        (struct order_change *)rowset_add(&batch->aggregates, &batch->arena, sizeof *change,
                                          input->event->order.order_id, (struct text){0});
    if (!change)
        return NULL;
    change->row.mode = mode;
    change->partition = input->partition;
    change->version_before = input->event->order.version - 1;
    change->deadline_us = TIME_NONE;
    change->settled_us = TIME_NONE;
    return change;
}

static enum ol_class add_order(const struct reduce_input *input, struct order_change **ret_change,
                               struct ol_error *reterr)
{
    const struct order_event *event = &input->event->order;
    int64_t occurred_us = input->event->metadata.occurred_at_us;
    struct row_origin origin;
    enum ol_class class = reduce_origin(input, &origin, reterr);
    if (class)
        return class;
    struct order_change *change = change_add(input, ROW_INSERT);
    if (!change || !copy_order_lines(input->batch, event, change) ||
        !reduce_copy(input->batch, event->customer_id, &change->customer_id))
        return reduce_no_memory(reterr);
    input->batch->second_rows++;
    change->origin = origin;
    change->currency = currency_of(event->currency);
    change->total_minor = event->total_minor;
    change->payment_row = event->payment_row;
    change->placed_us = occurred_us == TIME_NONE ? input->event->recorded_at_us : occurred_us;
    *ret_change = change;
    return OL_OK;
}

static uint64_t group_bit(const struct order_event *event)
{
    return event->partition < 0 ? 0 : UINT64_C(1) << event->partition;
}

static enum ol_class fold_order(const struct reduce_input *input, struct order_change *change,
                                struct ol_error *reterr)
{
    const struct order_event *event = &input->event->order;
    change->version = event->version;
    change->event_offset = input->offset;
    change->status = event->status;
    change->saga_state = event->saga_state;
    change->payment = event->payment;
    if (event->saga_state == SAGA_IS_DONE || event->saga_state == SAGA_IS_UNDONE)
        change->settled_us = input->event->recorded_at_us;
    if (event->kind == ORDER_PLACED || event->kind == ORDER_REJECTED ||
        event->kind == ORDER_CANCELLED || event->kind == ORDER_PAYMENT_OVERDUE)
        change->deadline_us = event->deadline_us;
    if (event->kind == ORDER_STOCK_RESERVED)
        change->groups_reserved |= event->groups;
    if (event->kind == ORDER_STOCK_RELEASED)
        change->groups_released |= event->groups;
    if (event->kind == ORDER_REJECTED)
        change->groups_refused |= group_bit(event);
    if (event->kind == ORDER_REJECTED || event->kind == ORDER_CANCELLED) {
        change->reason = event->code;
        if (!reduce_copy(input->batch, event->sku, &change->reason_sku))
            return reduce_no_memory(reterr);
    }
    return OL_OK;
}

enum ol_class reduce_orders(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct order_event *event = &input->event->order;
    struct order_change *change = (struct order_change *)rowset_find(
        &input->batch->aggregates, event->order_id, (struct text){0});
    bool makes = event->kind == ORDER_PLACED, is_outcome = reduce_is_first_outcome(input);
    enum ol_class class = check_event(event, reterr);
    if (class)
        return class;
    if (change || makes) {
        int64_t before = change ? change->version : 0;
        class = reduce_check_version("order", event->order_id, before, event->version, reterr);
    } else if (event->version < 2) {
        class = ol_fail(reterr, OL_POISON, "order %.*s begins with another event than OrderPlaced",
                        SHOWN(event->order_id));
    }
    if (!class && is_outcome)
        class = reduce_check_command(input, event->order_id, reterr);
    if (class)
        return class;

    if (makes) {
        class = add_order(input, &change, reterr);
        if (class)
            return class;
    } else if (!change) {
        change = change_add(input, ROW_UPDATE);
        if (!change)
            return reduce_no_memory(reterr);
    }
    class = fold_order(input, change, reterr);
    if (!class && is_outcome && !makes)
        class = reduce_accept_command(input, event->order_id, event->version, -1, (struct text){0},
                                      reterr);
    return class;
}
