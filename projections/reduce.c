#include "projections/reduce.h"

#include <assert.h>
#include <inttypes.h>

#include "projections/reduce_internal.h"

#define BLOCK_BYTES (1u << 20)

static const struct text no_text;

/* ---- the batch ---- */

void row_batch_init(struct row_batch *batch, enum context context)
{
    assert(context < CONTEXT_COUNT);
    *batch = (struct row_batch){.context = context};
    ol_arena_init(&batch->arena, BLOCK_BYTES, 0);
}

void row_batch_release(struct row_batch *batch)
{
    rowset_release(&batch->aggregates);
    rowset_release(&batch->claims);
    rowset_release(&batch->commands);
    rowset_release(&batch->counts);
    ol_arena_release(&batch->arena);
}

void row_batch_clear(struct row_batch *batch)
{
    rowset_clear(&batch->aggregates);
    rowset_clear(&batch->claims);
    rowset_clear(&batch->commands);
    rowset_clear(&batch->counts);
    ol_arena_clear(&batch->arena);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        if (batch->partitions[i].started)
            batch->partitions[i] = (struct row_batch_partition){0};
    batch->event_count = 0;
    batch->second_rows = 0;
}

void row_batch_start(struct row_batch *batch, int32_t partition, const struct load_progress *before)
{
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    struct row_batch_partition *state = &batch->partitions[partition];
    assert(!state->started);
    *state = (struct row_batch_partition){.started = true, .before = *before, .now = *before};
}

void row_batch_seal(struct row_batch *batch)
{
    rowset_sort(&batch->aggregates);
    rowset_sort(&batch->claims);
    rowset_sort(&batch->commands);
    rowset_sort(&batch->counts);
}

uint64_t row_batch_lost(const struct row_batch *batch, uint64_t moved)
{
    uint64_t touched = 0;
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        touched |= (uint64_t)batch->partitions[i].touched << i;
    return touched & ~moved;
}

size_t row_batch_row_count(const struct row_batch *batch)
{
    size_t count = batch->aggregates.count + batch->second_rows + batch->claims.count +
                   batch->commands.count + batch->counts.count;
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        count += batch->partitions[i].touched;
    return count;
}

/* ---- receipts ---- */

static enum ol_class check_link(const char *what, bool has_before, int64_t before_next,
                                int64_t first, int64_t next, struct ol_error *reterr)
{
    if (has_before && first != before_next)
        return ol_fail(reterr, OL_POISON,
                       "the receipt's %s begin at %" PRId64
                       ", but the one before ended at %" PRId64,
                       what, first, before_next);
    if (first < 0 || next < first)
        return ol_fail(reterr, OL_POISON, "the receipt's %s go from %" PRId64 " to %" PRId64, what,
                       first, next);
    return OL_OK;
}

static enum ol_class add_receipt(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct receipt *receipt = &input->event->receipt;
    struct row_batch_partition *state = &input->batch->partitions[input->partition];
    const struct receipt *last = &state->now.receipt;
    bool has_last = state->now.has_receipt;
    enum ol_class class = check_link("commands", has_last, last->commands_next,
                                     receipt->commands_first, receipt->commands_next, reterr);
    if (!class)
        class = check_link("steps", has_last, last->steps_next, receipt->steps_first,
                           receipt->steps_next, reterr);
    if (class)
        return class;
    state->now.has_receipt = true;
    state->now.receipt = *receipt;
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        state->totals[i] += receipt->counts[i];
    return OL_OK;
}

/* ---- commands ---- */

bool reduce_is_first_outcome(const struct reduce_input *input)
{
    return input->event->cause_source == CAUSE_COMMANDS && input->event->cause_index == 0;
}

enum ol_class reduce_origin(const struct reduce_input *input, struct row_origin *ret_origin,
                            struct ol_error *reterr)
{
    const struct event_message *event = input->event;
    if (!reduce_is_first_outcome(input))
        return ol_fail(reterr, OL_POISON, "it makes something new, but no command is its cause");
    assert(event->metadata.command_id.bytes > 0); /* reduce_check_command() has seen to it */
    *ret_origin =
        (struct row_origin){.digest = event->body_digest, .recorded_us = event->recorded_at_us};
    if (!reduce_copy(input->batch, event->metadata.command_id, &ret_origin->command_id))
        return reduce_no_memory(reterr);
    return OL_OK;
}

/* The origin of the aggregate, where the batch made it by this very command. */
static struct row_origin *made_by(const struct row_batch *batch, struct text aggregate,
                                  struct text command)
{
    struct keyed_row *row = rowset_find(&batch->aggregates, aggregate, no_text);
    struct row_origin *origin = NULL;
    if (!row || row->mode != ROW_INSERT)
        return NULL;
    switch (batch->context) {
    case CONTEXT_ORDERS: origin = &((struct order_change *)row)->origin; break;
    case CONTEXT_INVENTORY: origin = &((struct product_change *)row)->origin; break;
    case CONTEXT_PAYMENTS: origin = &((struct account_change *)row)->origin; break;
    case CONTEXT_COUNT: assert(!"a batch has a context");
    }
    return text_equal(origin->command_id, command) ? origin : NULL;
}

enum ol_class reduce_check_command(const struct reduce_input *input, struct text aggregate,
                                   struct ol_error *reterr)
{
    struct text command = input->event->metadata.command_id;
    if (command.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a command caused it, but the command has no id");
    if (input->event->body == EVENT_BODY_DOMAIN && !*command_row_kind(input->event))
        return ol_fail(reterr, OL_POISON, "a command can't be its cause");
    if (rowset_find(&input->batch->commands, aggregate, command) ||
        made_by(input->batch, aggregate, command))
        return ol_fail(reterr, OL_POISON, "the command %.*s of %.*s has an outcome already",
                       SHOWN(command), SHOWN(aggregate));
    return OL_OK;
}

static struct command_change *command_add(const struct reduce_input *input, struct text aggregate)
{
    const struct event_message *event = input->event;
    struct row_batch *batch = input->batch;
    struct command_change *change = (struct command_change *)rowset_add(
        &batch->commands, &batch->arena, sizeof *change, aggregate, event->metadata.command_id);
    if (!change)
        return NULL;
    change->row.mode = ROW_INSERT;
    change->partition = input->partition;
    change->event_offset = input->offset;
    change->moved = -1;
    change->origin = (struct row_origin){.command_id = change->row.second,
                                         .digest = event->body_digest,
                                         .recorded_us = event->recorded_at_us};
    return change;
}

enum ol_class reduce_accept_command(const struct reduce_input *input, struct text aggregate,
                                    int64_t version, int64_t moved, struct text subject,
                                    struct ol_error *reterr)
{
    struct command_change *change = command_add(input, aggregate);
    if (!change || !reduce_copy(input->batch, subject, &change->subject))
        return reduce_no_memory(reterr);
    change->kind = command_row_kind(input->event);
    change->version = version;
    change->moved = moved;
    return OL_OK;
}

/* Where the batch counts repeats of this command: its new row, or a row of its own for it. */
static bool find_counters(const struct reduce_input *input, struct text aggregate,
                          int32_t **ret_duplicates, int32_t **ret_conflicts)
{
    struct row_batch *batch = input->batch;
    struct text command = input->event->metadata.command_id;
    struct row_origin *origin = made_by(batch, aggregate, command);
    struct keyed_row *row = rowset_find(&batch->commands, aggregate, command);
    if (!origin && row)
        origin = &((struct command_change *)row)->origin;
    if (origin) {
        *ret_duplicates = &origin->duplicates;
        *ret_conflicts = &origin->conflicts;
        return true;
    }
    row = rowset_find(&batch->counts, aggregate, command);
    if (!row)
        row = rowset_add(&batch->counts, &batch->arena, sizeof(struct command_count), aggregate,
                         command);
    struct command_count *count = (struct command_count *)row;
    if (!count)
        return false;
    *ret_duplicates = &count->duplicates;
    *ret_conflicts = &count->conflicts;
    return true;
}

static enum ol_class count_repeat(const struct reduce_input *input, struct text aggregate,
                                  bool is_conflict, struct ol_error *reterr)
{
    int32_t *duplicates, *conflicts;
    if (!find_counters(input, aggregate, &duplicates, &conflicts))
        return reduce_no_memory(reterr);
    int32_t *counter = is_conflict ? conflicts : duplicates;
    if (*counter < INT32_MAX)
        ++*counter;
    return OL_OK;
}

static enum ol_class add_rejected(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct event_message *event = input->event;
    struct text aggregate = event->rejected.aggregate_id;
    if (event->rejected.code == REFUSED_COMMAND_ID_REUSED)
        return count_repeat(input, aggregate, true, reterr);
    enum ol_class class = reduce_check_command(input, aggregate, reterr);
    if (class)
        return class;
    struct command_change *change = command_add(input, aggregate);
    if (!change || !reduce_copy(input->batch, event->rejected.message, &change->message))
        return reduce_no_memory(reterr);
    change->code = event->rejected.code;
    return OL_OK;
}

/* ---- applying ---- */

static enum ol_class reduce_domain(const struct reduce_input *input, struct ol_error *reterr)
{
    switch (input->batch->context) {
    case CONTEXT_ORDERS: return reduce_orders(input, reterr);
    case CONTEXT_INVENTORY: return reduce_inventory(input, reterr);
    case CONTEXT_PAYMENTS: return reduce_payments(input, reterr);
    case CONTEXT_COUNT: break;
    }
    assert(!"a batch has a context");
    return OL_FATAL;
}

static enum ol_class reduce_body(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct event_message *event = input->event;
    switch (event->body) {
    case EVENT_BODY_DOMAIN: return reduce_domain(input, reterr);
    case EVENT_BODY_REJECTED:
        if (event->rejected.code == ACCEPTED)
            return ol_fail(reterr, OL_POISON, "a refusal without a code that is known here");
        return add_rejected(input, reterr);
    case EVENT_BODY_REPEATED:
        return count_repeat(input, event->repeated.aggregate_id, false, reterr);
    case EVENT_BODY_RECEIPT: return add_receipt(input, reterr);
    case EVENT_BODY_NONE: break;
    }
    return ol_fail(reterr, OL_POISON, "an event of no kind that is known here");
}

enum ol_class row_batch_apply(struct row_batch *batch, const struct event_message *event,
                              int32_t partition, int64_t offset, struct ol_error *reterr)
{
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    assert(event->context == batch->context);
    struct row_batch_partition *state = &batch->partitions[partition];
    assert(state->started);
    if (offset < state->now.next_offset)
        return ol_fail(reterr, OL_POISON, "offset %" PRId64 " came after %" PRId64, offset,
                       state->now.next_offset - 1);
    if (event->recorded_at_us == TIME_NONE)
        return ol_fail(reterr, OL_POISON, "it does not say when it was recorded");

    struct reduce_input input = {batch, event, partition, offset};
    enum ol_class class = reduce_body(&input, reterr);
    if (class)
        return class;
    state->touched = true;
    state->now.next_offset = offset + 1;
    state->now.last_offset = offset;
    state->now.last_recorded_us = event->recorded_at_us;
    batch->event_count++;
    return OL_OK;
}

/* ---- shared ---- */

enum ol_class reduce_check_version(const char *what, struct text id, int64_t before,
                                   int64_t version, struct ol_error *reterr)
{
    if (version == before + 1)
        return OL_OK;
    return ol_fail(reterr, OL_POISON, "version %" PRId64 " of %s %.*s follows version %" PRId64,
                   version, what, SHOWN(id), before);
}

bool reduce_copy(struct row_batch *batch, struct text text, struct text *ret_copy)
{
    *ret_copy = (struct text){0};
    if (text.bytes == 0)
        return true;
    const char *data = ol_arena_copy(&batch->arena, text.data, text.bytes);
    *ret_copy = (struct text){data, text.bytes};
    return data != NULL;
}

/* Array and texts in one piece. */
const struct stock_line *reduce_copy_lines(struct row_batch *batch, const struct stock_line *lines,
                                           size_t count)
{
    size_t bytes = count * sizeof *lines;
    for (size_t i = 0; i < count; i++)
        bytes += lines[i].sku.bytes;
    struct stock_line *copy = ol_arena_alloc(&batch->arena, bytes);
    if (!copy)
        return NULL;
    char *texts = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = lines[i];
        copy[i].sku.data = memcpy(texts, lines[i].sku.data, lines[i].sku.bytes);
        texts += lines[i].sku.bytes;
    }
    return copy;
}

enum ol_class reduce_no_memory(struct ol_error *reterr)
{
    return ol_fail(reterr, OL_FATAL, "no memory for the batch's rows");
}

struct text reservation_key(int32_t partition)
{
#define KEYS(n)                                                                                    \
    {0, n}, {0, n + 1}, {0, n + 2},                                                                \
    {                                                                                              \
        0, n + 3                                                                                   \
    }
#define KEYS16(n) KEYS(n), KEYS(n + 4), KEYS(n + 8), KEYS(n + 12)
    static const char keys[][2] = {KEYS16(0), KEYS16(16), KEYS16(32), KEYS16(48)};
    _Static_assert(sizeof keys / sizeof *keys == PARTITIONS_MAX, "a key for each partition");
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    return (struct text){keys[partition], 2};
}
