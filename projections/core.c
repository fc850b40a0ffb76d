#include "projections/core.h"

#include <assert.h>
#include <inttypes.h>

#include "domain/protected.h"
#include "projections/core_internal.h"

#define BLOCK_BYTES (1u << 20)

static const struct text no_text;

/* ---- the batch ------------------------------------------------------------------------------- */

void projection_init(struct projection *projection, enum context context)
{
    assert(context < CONTEXT_COUNT);
    *projection = (struct projection){.context = context};
    ol_arena_init(&projection->arena, BLOCK_BYTES, 0);
}

void projection_release(struct projection *projection)
{
    rowset_release(&projection->aggregates);
    rowset_release(&projection->parts);
    rowset_release(&projection->commands);
    rowset_release(&projection->counts);
    ol_arena_release(&projection->arena);
}

void projection_clear(struct projection *projection)
{
    rowset_clear(&projection->aggregates);
    rowset_clear(&projection->parts);
    rowset_clear(&projection->commands);
    rowset_clear(&projection->counts);
    ol_arena_clear(&projection->arena);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        if (projection->partitions[i].started)
            projection->partitions[i] = (struct projection_partition){0};
    projection->event_count = 0;
    projection->second_rows = 0;
}

void projection_start(struct projection *projection, int32_t partition,
                      const struct load_progress *before)
{
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    struct projection_partition *state = &projection->partitions[partition];
    assert(!state->started);
    *state = (struct projection_partition){.started = true, .before = *before, .now = *before};
}

void projection_seal(struct projection *projection)
{
    rowset_sort(&projection->aggregates);
    rowset_sort(&projection->parts);
    rowset_sort(&projection->commands);
    rowset_sort(&projection->counts);
}

uint64_t projection_lost(const struct projection *projection, uint64_t moved)
{
    uint64_t touched = 0;
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        touched |= (uint64_t)projection->partitions[i].touched << i;
    return PROTECTED(compare_and_set) ? touched & ~moved : 0;
}

size_t projection_row_count(const struct projection *projection)
{
    size_t count = projection->aggregates.count + projection->second_rows +
                   projection->parts.count + projection->commands.count + projection->counts.count;
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        count += projection->partitions[i].touched;
    return count;
}

/* ---- receipts -------------------------------------------------------------------------------- */

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

static enum ol_class take_receipt(const struct taken *taken, struct ol_error *reterr)
{
    const struct receipt *receipt = &taken->event->receipt;
    struct projection_partition *state = &taken->projection->partitions[taken->partition];
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
    state->totals.decided += receipt->decided;
    state->totals.refused += receipt->refused;
    state->totals.repeated += receipt->repeated;
    state->totals.ignored += receipt->ignored;
    state->totals.passed_on += receipt->passed_on;
    state->totals.dead_lettered += receipt->dead_lettered;
    return OL_OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

bool core_settles_command(const struct taken *taken)
{
    return taken->event->cause_source == CAUSE_COMMANDS && taken->event->cause_index == 0;
}

enum ol_class core_origin(const struct taken *taken, struct row_origin *ret_origin,
                          struct ol_error *reterr)
{
    const struct event_message *event = taken->event;
    if (!core_settles_command(taken))
        return ol_fail(reterr, OL_POISON, "it makes something new, but no command is its cause");
    assert(event->metadata.command_id.bytes > 0); /* core_check_command() has seen to it */
    *ret_origin =
        (struct row_origin){.digest = event->body_digest, .recorded_us = event->recorded_at_us};
    if (!core_copy(taken->projection, event->metadata.command_id, &ret_origin->command_id))
        return core_no_memory(reterr);
    return OL_OK;
}

/* The origin of the aggregate, where the batch made it by this very command. */
static struct row_origin *made_by(const struct projection *projection, struct text aggregate,
                                  struct text command)
{
    struct row *row = rowset_find(&projection->aggregates, aggregate, no_text);
    struct row_origin *origin = NULL;
    enum row_mode mode = ROW_UPDATE;
    if (!row)
        return NULL;
    switch (projection->context) {
    case CONTEXT_ORDERS:
        origin = &((struct order_change *)row)->origin;
        mode = ((struct order_change *)row)->mode;
        break;
    case CONTEXT_INVENTORY:
        origin = &((struct product_change *)row)->origin;
        mode = ((struct product_change *)row)->mode;
        break;
    case CONTEXT_PAYMENTS:
        origin = &((struct account_change *)row)->origin;
        mode = ((struct account_change *)row)->mode;
        break;
    case CONTEXT_COUNT: assert(!"a projection has a context");
    }
    return mode == ROW_INSERT && text_equal(origin->command_id, command) ? origin : NULL;
}

enum ol_class core_check_command(const struct taken *taken, struct text aggregate,
                                 struct ol_error *reterr)
{
    struct text command = taken->event->metadata.command_id;
    if (command.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a command caused it, but the command has no id");
    if (rowset_find(&taken->projection->commands, aggregate, command) ||
        made_by(taken->projection, aggregate, command))
        return ol_fail(reterr, OL_POISON, "the command %.*s of %.*s has an outcome already",
                       SHOWN(command), SHOWN(aggregate));
    return OL_OK;
}

static struct command_change *command_add(const struct taken *taken, struct text aggregate)
{
    const struct event_message *event = taken->event;
    struct projection *projection = taken->projection;
    struct command_change *change =
        (struct command_change *)rowset_add(&projection->commands, &projection->arena,
                                            sizeof *change, aggregate, event->metadata.command_id);
    if (!change)
        return NULL;
    change->partition = taken->partition;
    change->event_offset = taken->offset;
    change->moved = -1;
    change->origin = (struct row_origin){.command_id = change->row.second,
                                         .digest = event->body_digest,
                                         .recorded_us = event->recorded_at_us};
    return change;
}

enum ol_class core_accept_command(const struct taken *taken, struct text aggregate,
                                  const char *kind, int64_t version, int64_t moved,
                                  struct text subject, struct ol_error *reterr)
{
    struct command_change *change = command_add(taken, aggregate);
    if (!change || !core_copy(taken->projection, subject, &change->subject))
        return core_no_memory(reterr);
    change->kind = kind;
    change->version = version;
    change->moved = moved;
    return OL_OK;
}

/* Where the batch counts repeats of this command: its new row, or a row of its own for it. */
static bool counters(const struct taken *taken, struct text aggregate, int32_t **ret_duplicates,
                     int32_t **ret_conflicts)
{
    struct projection *projection = taken->projection;
    struct text command = taken->event->metadata.command_id;
    struct row_origin *origin = made_by(projection, aggregate, command);
    struct row *row = rowset_find(&projection->commands, aggregate, command);
    if (!origin && row)
        origin = &((struct command_change *)row)->origin;
    if (origin) {
        *ret_duplicates = &origin->duplicates;
        *ret_conflicts = &origin->conflicts;
        return true;
    }
    row = rowset_find(&projection->counts, aggregate, command);
    if (!row)
        row = rowset_add(&projection->counts, &projection->arena, sizeof(struct command_count),
                         aggregate, command);
    struct command_count *count = (struct command_count *)row;
    if (!count)
        return false;
    *ret_duplicates = &count->duplicates;
    *ret_conflicts = &count->conflicts;
    return true;
}

static enum ol_class take_repeated(const struct taken *taken, struct text aggregate,
                                   bool is_conflict, struct ol_error *reterr)
{
    int32_t *duplicates, *conflicts;
    if (!counters(taken, aggregate, &duplicates, &conflicts))
        return core_no_memory(reterr);
    int32_t *counter = is_conflict ? conflicts : duplicates;
    if (*counter < INT32_MAX)
        ++*counter;
    return OL_OK;
}

static enum ol_class take_rejected(const struct taken *taken, struct ol_error *reterr)
{
    const struct event_message *event = taken->event;
    struct text aggregate = event->rejected.aggregate_id;
    if (event->rejected.code == REFUSED_COMMAND_ID_REUSED)
        return take_repeated(taken, aggregate, true, reterr);
    enum ol_class class = core_check_command(taken, aggregate, reterr);
    if (class)
        return class;
    struct command_change *change = command_add(taken, aggregate);
    if (!change || !core_copy(taken->projection, event->rejected.message, &change->message))
        return core_no_memory(reterr);
    change->code = event->rejected.code;
    return OL_OK;
}

/* ---- applying -------------------------------------------------------------------------------- */

static enum ol_class take_domain(const struct taken *taken, struct ol_error *reterr)
{
    switch (taken->projection->context) {
    case CONTEXT_ORDERS: return core_orders(taken, reterr);
    case CONTEXT_INVENTORY: return core_inventory(taken, reterr);
    case CONTEXT_PAYMENTS: return core_payments(taken, reterr);
    case CONTEXT_COUNT: break;
    }
    assert(!"a projection has a context");
    return OL_FATAL;
}

static enum ol_class take(const struct taken *taken, struct ol_error *reterr)
{
    const struct event_message *event = taken->event;
    switch (event->body) {
    case EVENT_BODY_DOMAIN: return take_domain(taken, reterr);
    case EVENT_BODY_REJECTED:
        if (event->rejected.code == ACCEPTED)
            return ol_fail(reterr, OL_POISON, "a refusal without a code that is known here");
        return take_rejected(taken, reterr);
    case EVENT_BODY_REPEATED:
        return take_repeated(taken, event->repeated.aggregate_id, false, reterr);
    case EVENT_BODY_RECEIPT: return take_receipt(taken, reterr);
    case EVENT_BODY_NONE: break;
    }
    return ol_fail(reterr, OL_POISON, "an event of no kind that is known here");
}

enum ol_class projection_apply(struct projection *projection, const struct event_message *event,
                               int32_t partition, int64_t offset, struct ol_error *reterr)
{
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    assert(event->context == projection->context);
    struct projection_partition *state = &projection->partitions[partition];
    assert(state->started);
    if (offset < state->now.next_offset)
        return ol_fail(reterr, OL_POISON, "offset %" PRId64 " came after %" PRId64, offset,
                       state->now.next_offset - 1);
    if (event->recorded_at_us == TIME_NONE)
        return ol_fail(reterr, OL_POISON, "it does not say when it was recorded");

    struct taken taken = {projection, event, partition, offset};
    enum ol_class class = take(&taken, reterr);
    if (class)
        return class;
    state->touched = true;
    state->now.next_offset = offset + 1;
    state->now.last_offset = offset;
    state->now.last_recorded_us = event->recorded_at_us;
    projection->event_count++;
    return OL_OK;
}

/* ---- shared ---------------------------------------------------------------------------------- */

enum ol_class core_check_version(const char *what, struct text id, int64_t before, int64_t version,
                                 struct ol_error *reterr)
{
    if (version == before + 1)
        return OL_OK;
    return ol_fail(reterr, OL_POISON, "version %" PRId64 " of %s %.*s follows version %" PRId64,
                   version, what, SHOWN(id), before);
}

bool core_copy(struct projection *projection, struct text text, struct text *ret_copy)
{
    *ret_copy = (struct text){0};
    if (text.bytes == 0)
        return true;
    const char *data = ol_arena_copy(&projection->arena, text.data, text.bytes);
    *ret_copy = (struct text){data, text.bytes};
    return data != NULL;
}

/* Array and texts in one piece. */
const struct stock_line *core_copy_lines(struct projection *projection,
                                         const struct stock_line *lines, size_t count)
{
    size_t bytes = count * sizeof *lines;
    for (size_t i = 0; i < count; i++)
        bytes += lines[i].sku.bytes;
    struct stock_line *copy = ol_arena_alloc(&projection->arena, bytes);
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

enum ol_class core_no_memory(struct ol_error *reterr)
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
