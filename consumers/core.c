#include "consumers/core_internal.h"

#include <stdlib.h>

#include "domain/assert.h"
#include "lib/guard/protected.h"

/*
 * What one input becomes, whatever its context; contexts.c has what differs between them.
 *
 * Nothing here asks anybody: states, offsets and times come with the inputs. So the same
 * inputs give the same events again, under the same ids; that is what a worker lives by which drops
 * all it knows and begins from the log. What is decided here is speculation until its batch is
 * committed: there is no way to take one input back, only core_clear().
 */

/* ---- life ---- */

struct core *core_new(const struct core_settings *settings)
{
    domain_assert(settings->partitions >= 1 && settings->partitions <= PARTITIONS_MAX);
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->settings = *settings;
    core->overlay = overlay_new(settings->partitions, settings->overlay);
    core->deadlines = deadlines_new();
    if (!core->overlay || !core->deadlines) {
        core_free(core);
        return NULL;
    }
    return core;
}

void core_free(struct core *core)
{
    if (!core)
        return;
    overlay_free(core->overlay);
    deadlines_free(core->deadlines);
    replies_release(&core->replies);
    free(core);
}

/* All or nothing: what is in the log and what was only decided can't be told apart any more. */
void core_clear(struct core *core)
{
    overlay_clear(core->overlay); /* protection states_dropped */
    deadlines_clear(core->deadlines);
    replies_clear(&core->replies);
    memset(core->partitions, 0, sizeof core->partitions);
}

struct overlay *core_overlay(struct core *core)
{
    return core->overlay;
}

const struct deadlines *core_deadlines(const struct core *core)
{
    return core->deadlines;
}

/* ---- take-over ---- */

static struct core_partition *owned_partition(struct core *core, int32_t partition)
{
    domain_assert(partition >= 0 && partition < core->settings.partitions);
    domain_assert(core->partitions[partition].owned);
    return &core->partitions[partition];
}

/* The next batch begins where the last one ended. */
static void receipt_open(struct core_partition *partition)
{
    partition->touched = partition->has_gap = false;
    partition->inputs = 0;
    partition->open = (struct receipt){
        .commands_first = partition->last.commands_next,
        .commands_next = partition->last.commands_next,
        .steps_first = partition->last.steps_next,
        .steps_next = partition->last.steps_next,
    };
}

void core_partition_begin(struct core *core, int32_t partition, const struct receipt *receipt)
{
    domain_assert(partition >= 0 && partition < core->settings.partitions);
    domain_assert(!core->partitions[partition].owned);
    static const struct receipt unknown = {
        .commands_first = -1, .commands_next = -1, .steps_first = -1, .steps_next = -1};
    core->partitions[partition] = (struct core_partition){
        .owned = true, .last = receipt ? *receipt : unknown, .recorded_at_us = TIME_NONE};
    receipt_open(&core->partitions[partition]);
}

void core_partition_recorded(struct core *core, int32_t partition, int64_t recorded_at_us)
{
    owned_partition(core, partition)->recorded_at_us = recorded_at_us;
}

/* No receipt tells where a new log's inputs begin, so the committed offsets do. Where there is a
 * receipt, it alone counts: offsets expire. */
void core_partition_bootstrap(struct core *core, int32_t partition, int64_t commands_next,
                              int64_t steps_next)
{
    struct core_partition *own = owned_partition(core, partition);
    domain_assert(own->last.commands_next < 0);
    domain_assert(commands_next >= 0 && steps_next >= 0);
    own->last = (struct receipt){.commands_first = commands_next,
                                 .commands_next = commands_next,
                                 .steps_first = steps_next,
                                 .steps_next = steps_next};
    receipt_open(own);
}

bool core_deadline(struct core *core, int32_t partition, struct text order_id, int64_t deadline_us)
{
    domain_assert(core->settings.context == CONTEXT_ORDERS);
    return deadlines_set(core->deadlines, order_id, partition, deadline_us);
}

const struct receipt *core_receipt(const struct core *core, int32_t partition)
{
    domain_assert(core->partitions[partition].owned);
    return &core->partitions[partition].last;
}

/* After each event of an order: a deadline that outlives its order would be proposed for ever. */
bool core_follow_deadline(struct core *core, const struct order *order, struct text order_id,
                          int32_t partition)
{
    if (order_is_open(order))
        return deadlines_set(core->deadlines, order_id, partition, order->deadline_us);
    deadlines_remove(core->deadlines, order_id);
    return true;
}

/* It is there: core_missing() has named all that an input may need, and the shell has loaded it. An
 * absent state taken for a new one would decide as if nothing had ever happened. */
struct entity *core_get(struct core *core, enum entity_kind kind, int32_t partition, struct text id,
                        struct text second)
{
    struct entity_key key = {.kind = kind, .partition = partition, .id = id, .second = second};
    struct entity *entity = overlay_get(core->overlay, &key);
    domain_assert(entity);
    return entity;
}

static enum ol_class replay_receipt(struct core *core, const struct receipt *receipt,
                                    int32_t number, int64_t offset, struct ol_error *reterr)
{
    struct core_partition *partition = owned_partition(core, number);
    /* The projection may have been ahead of where the reading began. */
    if (PROTECTED(replay_known) && receipt->commands_next <= partition->last.commands_next &&
        receipt->steps_next <= partition->last.steps_next)
        return OL_OK;
    /* Receipts chain without a gap. Offsets of events could not show a lost transaction: markers
     * and aborted records leave holes, too. */
    bool known = partition->last.commands_next >= 0;
    if (known && (receipt->commands_first != partition->last.commands_next ||
                  receipt->steps_first != partition->last.steps_next))
        return ol_fail(reterr, OL_VIOLATED,
                       "the receipt at offset %lld of %s events partition %d does not follow the "
                       "one before (commands %lld after %lld, steps %lld after %lld): a "
                       "transaction is missing or doubled",
                       (long long)offset, context_name(core->settings.context), number,
                       (long long)receipt->commands_first, (long long)partition->last.commands_next,
                       (long long)receipt->steps_first, (long long)partition->last.steps_next);
    partition->last = *receipt;
    receipt_open(partition);
    if (!overlay_batch_close(core->overlay, number, receipt))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    return OL_OK;
}

enum ol_class core_replay(struct core *core, const struct event_message *event, int32_t partition,
                          int64_t offset, struct ol_error *reterr)
{
    owned_partition(core, partition)->recorded_at_us = event->recorded_at_us;
    if (event->body == EVENT_BODY_RECEIPT)
        return replay_receipt(core, &event->receipt, partition, offset, reterr);
    if (!overlay_apply(core->overlay, event, partition, offset))
        return ol_fail(reterr, OL_FATAL, "out of memory");
    if (core->settings.context == CONTEXT_ORDERS && event->body == EVENT_BODY_DOMAIN) {
        struct text order_id = event->order.order_id;
        const struct entity *order = core_get(core, ENTITY_ORDER, partition, order_id, no_text);
        if (!core_follow_deadline(core, &order->order, order_id, partition))
            return ol_fail(reterr, OL_FATAL, "out of memory");
    }
    return OL_OK;
}

/* ---- a batch ---- */

bool core_put(struct core *core, const struct entity_key *key, const struct entity *state,
              int64_t base_offset)
{
    return overlay_put(core->overlay, key, state, base_offset) != NULL;
}

bool core_step_is_misplaced(const struct core *core, const struct core_input *input)
{
    if (input->misplaced)
        return true;
    if (input->step.context == CONTEXT_INVENTORY)
        return input->step.inventory.partition != input->partition;
    return partition_of(step_aggregate(&input->step), core->settings.partitions) !=
           input->partition;
}

/* A command on the wrong partition is passed on once; wrong again it is a dead letter. Else workers
 * that count partitions differently would send it to and fro for ever. */
static bool pass_on(struct input_run *run, int32_t partition)
{
    if (run->input->passed_on) {
        input_run_count(run, RECEIPT_DEAD_LETTERED);
        return run->sink->dead_letter(run->sink->self, run->input, "MISROUTED_TWICE",
                                      "the command was passed on once and is on the wrong "
                                      "partition again; was the partition count changed?");
    }
    if (run->input->command.refused.code == REFUSED_MESSAGE_TOO_LARGE || run->input->fills_topic) {
        input_run_count(run, RECEIPT_DEAD_LETTERED);
        return run->sink->dead_letter(run->sink->self, run->input, "MISROUTED_TOO_LARGE",
                                      "the command is on the wrong partition and too large to be "
                                      "passed on: a header would be added that says from where");
    }
    input_run_count(run, RECEIPT_PASSED_ON);
    return run->sink->pass_on(run->sink->self, partition, run->input);
}

/*
 * The order of the questions is part of the contract:
 *   the right partition?   only there lies the record of what the command did before
 *   seen before?           then its first outcome again, even where it would be refused today
 *   refused by its form?   recorded, so that it is refused again
 *   does what follows fit? asked last, since nothing follows from those above
 */
static bool run_command(struct input_run *run)
{
    const struct command *command = &run->input->command;
    struct core *core = run->core;
    struct text aggregate = command_aggregate(command);
    int32_t partition = partition_of(aggregate, core->settings.partitions);
    if (PROTECTED(routing) && partition != run->input->partition)
        return pass_on(run, partition);

    const struct command_record *first =
        &core_get(core, ENTITY_COMMAND, partition, aggregate, command->metadata.command_id)
             ->command;
    bool seen = PROTECTED(dedupe) && first->outcome != OUTCOME_NONE;
    bool reused = PROTECTED(id_reuse) && first->body_digest != command->body_digest;
    if (seen && reused)
        return input_run_reject(run, command, &(struct refusal){.code = REFUSED_COMMAND_ID_REUSED});
    if (seen)
        return input_run_repeat(run, command, first);
    if (command->refused.code != ACCEPTED)
        return input_run_reject(run, command, &command->refused);
    if (run->input->outgrows) {
        input_run_count(run, RECEIPT_DEAD_LETTERED);
        return run->sink->dead_letter(run->sink->self, run->input, "OUTGROWS_TOPIC",
                                      run->input->outgrows);
    }
    return context_rules[core->settings.context].command(run, command);
}

/* A step has no record of its own: the aggregate's state tells what it did before, and one that
 * comes again is answered from there and changes nothing. */
static bool run_step(struct input_run *run)
{
    if (core_step_is_misplaced(run->core, run->input)) {
        input_run_count(run, RECEIPT_DEAD_LETTERED);
        return run->sink->dead_letter(run->sink->self, run->input, "STEP_MISPLACED",
                                      "the step does not belong on this partition; only workers "
                                      "may write to the steps topic");
    }
    return context_rules[run->core->settings.context].step(run, &run->input->step);
}

/* The open receipt now reaches past this input. Before anything is decided, so that it is counted
 * whatever becomes of it: an input that no receipt covers would be a loss to the next owner. */
static void advance_receipt(struct core *core, const struct core_input *input)
{
    struct core_partition *partition = owned_partition(core, input->partition);
    int64_t *next = input->source == CAUSE_COMMANDS ? &partition->open.commands_next
                                                    : &partition->open.steps_next;
    domain_assert(input->source == CAUSE_COMMANDS || input->source == CAUSE_STEPS);
    domain_assert(input->place == 0 ? input->offset >= *next
                                    : input->offset == partition->place.offset &&
                                          input->place == partition->place.number + 1);
    *next = input_next_offset(input);
    if (input->source == CAUSE_STEPS)
        partition->place = (struct core_place){input->offset, input->place};
    partition->touched = true;
    partition->inputs++;
    partition->recorded_at_us = input->at_us;
}

bool core_run(struct core *core, const struct core_input *input, struct ol_arena *arena,
              const struct core_sink *sink)
{
    static const struct metadata no_metadata = {.occurred_at_us = TIME_NONE};
    struct input_run run = {
        .core = core, .input = input, .metadata = &no_metadata, .sink = sink, .arena = arena};
    advance_receipt(core, input);
    switch (input->kind) {
    case INPUT_COMMAND:
        domain_assert(input->command.context == core->settings.context);
        run.metadata = &input->command.metadata;
        return run_command(&run);
    case INPUT_STEP:
        domain_assert(input->step.context == core->settings.context);
        run.metadata = &input->step.metadata;
        return run_step(&run);
    case INPUT_UNREADABLE:
        input_run_count(&run, RECEIPT_DEAD_LETTERED);
        return sink->dead_letter(sink->self, input, "UNREADABLE", input->reason);
    case INPUT_NONE: break;
    }
    domain_assert(!"an input has a kind");
    return false;
}

static bool propose_timeout(const struct deadline *deadline, struct ol_arena *arena,
                            const struct core_sink *sink)
{
    struct text id = id_of_timeout(arena, deadline->order_id, deadline->deadline_us);
    const struct step_message step = {
        .context = CONTEXT_ORDERS,
        .metadata = {.command_id = id, .causation_id = id, .occurred_at_us = TIME_NONE},
        .order = {.kind = ORDER_TIMEOUT,
                  .order_id = deadline->order_id,
                  .deadline_us = deadline->deadline_us},
    };
    return id.data && sink->step(sink->self, deadline->partition, &step);
}

/* Our clock only proposes: the step that comes of it is an input as any other, and is judged by the
 * broker's time. A deadline is put off and not removed, since the batch with its step may fail. */
bool core_propose_timeouts(struct core *core, int64_t now_us, uint64_t partitions, size_t max,
                           struct ol_arena *arena, const struct core_sink *sink, size_t *ret_count)
{
    *ret_count = 0;
    for (size_t looked_at = 0; looked_at < max; looked_at++) {
        const struct deadline *first = deadlines_first(core->deadlines);
        if (!first || first->due_us > now_us)
            break;
        bool caught_up = partitions >> first->partition & 1;
        if (caught_up && !propose_timeout(first, arena, sink))
            return false;
        /* A transaction without offsets would not be fenced: its partition says where it is. */
        if (PROTECTED(empty_offsets) && caught_up)
            owned_partition(core, first->partition)->touched = true;
        *ret_count += caught_up;
        deadlines_put_off_first(core->deadlines,
                                now_us + (caught_up ? TIMEOUT_PROPOSAL_US : TIMEOUT_RETRY_US));
    }
    return true;
}

/* Behind the last input lie markers and aborted records. An offset that stays before them shows a
 * lag that is none, and is lost once retention has taken the input. */
bool core_close_gap(struct core *core, int32_t number, int64_t commands_next, int64_t steps_next,
                    int64_t now_us)
{
    struct core_partition *partition = owned_partition(core, number);
    struct receipt *open = &partition->open;
    if (commands_next == CORE_NO_GAP)
        commands_next = open->commands_next;
    if (steps_next == CORE_NO_GAP)
        steps_next = open->steps_next;
    domain_assert(commands_next >= open->commands_next && steps_next >= open->steps_next);
    if (commands_next == open->commands_next && steps_next == open->steps_next)
        return false;
    open->commands_next = commands_next;
    open->steps_next = steps_next;
    partition->touched = partition->has_gap = true;
    if (partition->recorded_at_us == TIME_NONE)
        partition->recorded_at_us = now_us;
    return true;
}

/* Answers to an order wait for the end of the batch, where equal ones have become one: the order
 * then takes one input for all groups of a partition, and not one for each. */
bool core_answer(struct core *core, const struct core_sink *sink)
{
    for (size_t i = 0; i < core->replies.count; i++) {
        const struct step_message *reply = &core->replies.items[i];
        int32_t partition = partition_of(reply->order.order_id, core->settings.partitions);
        if (!sink->step(sink->self, partition, reply))
            return false;
    }
    replies_clear(&core->replies);
    return true;
}

static void receipt_add(struct receipt *total, const struct receipt *receipt)
{
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        total->counts[i] += receipt->counts[i];
}

static bool write_receipt(struct core *core, int32_t number, const struct core_sink *sink)
{
    struct core_partition *partition = &core->partitions[number];
    struct event_message event = {
        .context = core->settings.context,
        .metadata = {.occurred_at_us = TIME_NONE},
        .recorded_at_us = partition->recorded_at_us,
        .body = EVENT_BODY_RECEIPT,
        .receipt = partition->open,
    };
    /* From here on the next batch builds on it, committed or not; see core_clear(). */
    partition->last = partition->open;
    return overlay_batch_close(core->overlay, number, &partition->open) &&
           sink->event(sink->self, number, no_text, &event);
}

bool core_close(struct core *core, const struct core_sink *sink, struct core_offset *ret_offsets,
                size_t *ret_count, struct receipt *ret_total)
{
    domain_assert(core->replies.count == 0); /* an answer that is left would never be sent */
    *ret_count = 0;
    *ret_total = (struct receipt){0};
    for (int32_t i = 0; i < core->settings.partitions; i++) {
        struct core_partition *partition = &core->partitions[i];
        if (!partition->owned || !partition->touched)
            continue;
        /* Timeouts alone take no input: they need an offset, and there is nothing to say of it. */
        if (partition->inputs || partition->has_gap) {
            receipt_add(ret_total, &partition->open);
            if (!write_receipt(core, i, sink))
                return false;
        }
        ret_offsets[(*ret_count)++] =
            (struct core_offset){i, partition->last.commands_next, partition->last.steps_next};
        receipt_open(partition);
    }
    return true;
}
