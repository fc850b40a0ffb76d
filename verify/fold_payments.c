#include "verify/fold.h"

#include <stdlib.h>

static const struct text no_text;

/* ---- accounts ---- */

static void apply_account(void *state, const void *event)
{
    account_apply(&((struct fold_account *)state)->account, event);
}

static void make_account(struct fold_input *input, struct row_accounts *row)
{
    fold_check_origin(input, input->event->payment.customer_id);
    row->partition = input->partition;
    row->duplicates = row->conflicts = 0;
    row->command_digest = (int64_t)input->event->body_digest;
    row->recorded_at = cell_time(input->event->recorded_at_us);
    row->currency = cell_currency(input->event->payment.currency);
    row->command_id = cell_text(input->event->metadata.command_id);
}

struct fold_ledger *fold_ledger(struct fold *fold, struct currency currency)
{
    for (size_t i = 0; i < fold->ledger_count; i++)
        if (currency_is(fold->ledgers[i].currency, (struct text){currency.code, 3}))
            return &fold->ledgers[i];
    struct fold_ledger *ledgers =
        realloc(fold->ledgers, (fold->ledger_count + 1) * sizeof *ledgers);
    if (!ledgers) {
        fold->failed = true;
        return NULL;
    }
    fold->ledgers = ledgers;
    ledgers[fold->ledger_count] = (struct fold_ledger){.currency = currency};
    return &ledgers[fold->ledger_count++];
}

static bool count_legs(struct fold *fold, struct currency currency,
                       const struct payment_event *event)
{
    enum ledger_account debit, credit;
    if (!account_legs(event, &debit, &credit))
        return true;
    struct fold_ledger *ledger = fold_ledger(fold, currency);
    if (!ledger)
        return false;
    ledger->debit[debit] += (uint64_t)event->amount_minor;
    ledger->credit[credit] += (uint64_t)event->amount_minor;
    return true;
}

static bool account_event(struct fold_input *input)
{
    const struct payment_event *event = &input->event->payment;
    struct fold_entity *entity =
        fold_get(input->fold, ENTITY_ACCOUNT, input->partition, event->customer_id, no_text);
    if (!entity)
        return false;
    const struct account *account = &((struct fold_account *)fold_state(entity))->account;
    struct row_accounts *row = (struct row_accounts *)fold_cells(entity);
    if (entity->broken || !fold_check_version(input, entity, account->version, event->version) ||
        !fold_guard(input, entity, apply_account, event))
        return true;
    if (event->kind == ACCOUNT_OPENED)
        make_account(input, row);
    row->balance_minor = account->balance_minor;
    row->held_minor = account->held_minor;
    row->spent_minor = account->spent_minor;
    row->version = account->version;
    row->event_offset = input->offset;
    return count_legs(input->fold, account->currency, event);
}

/* ---- payments ---- */

static void apply_payment(void *state, const void *event)
{
    payment_apply(state, event);
}

static void follow(struct fold_input *input, const struct payment *payment,
                   struct row_payments *row)
{
    const struct payment_event *event = &input->event->payment;
    int64_t now = cell_time(input->event->recorded_at_us);
    int64_t version = event->version ? event->version : ROW_NULL;
    if (row->recorded_at == ROW_NULL)
        row->recorded_at = now;
    row->partition = input->partition;
    row->amount_minor = payment->amount_minor;
    row->refunded_minor = payment->refunded_minor;
    row->event_offset = input->offset;
    row->status = cell_name(payment_status_name(payment->status));
    row->order_id = cell_text(event->payment_id);
    if (event->kind == PAYMENT_AUTHORISED)
        row->authorised_version = version;
    if (event->kind == PAYMENT_DECLINED)
        row->reason = cell_name(refusal_name(event->code));
    if (event->kind == PAYMENT_CAPTURED) {
        row->captured_version = version;
        row->captured_at = now;
    }
    if (event->kind == PAYMENT_VOIDED) {
        row->voided_version = version;
        row->voided_at = now;
    }
    if (event->kind == PAYMENT_CHARGED)
        row->charged_version = version;
    if (event->kind == PAYMENT_REVERSED) {
        row->reversed_version = version;
        row->reversed_at = now;
    }
}

static bool payment_event(struct fold_input *input)
{
    const struct payment_event *event = &input->event->payment;
    struct fold_entity *entity = fold_get(input->fold, ENTITY_PAYMENT, input->partition,
                                          event->payment_id, event->customer_id);
    if (!entity)
        return false;
    if (!entity->broken && fold_guard(input, entity, apply_payment, event))
        follow(input, fold_state(entity), (struct row_payments *)fold_cells(entity));
    return true;
}

/* ---- commands ---- */

static bool add_outcome(struct fold_input *input)
{
    const struct payment_event *event = &input->event->payment;
    struct fold_command *row = fold_add_outcome(input, event->customer_id);
    if (!row)
        return false;
    row->version = event->version;
    row->moved = event->amount_minor;
    row->subject = cell_text_or_null(event->payment_id);
    return true;
}

/* An event of version 0 moves nothing: the wallet does not see it. */
bool fold_payment_event(struct fold_input *input)
{
    const struct payment_event *event = &input->event->payment;
    fold_check_partition(input, event->customer_id);
    if (event->version == 0 && (event->kind == PAYMENT_DECLINED || event->amount_minor == 0))
        return payment_event(input);
    if (!account_event(input) || (event->payment_id.bytes && !payment_event(input)))
        return false;
    return event->kind == ACCOUNT_OPENED || !fold_is_first_outcome(input) || add_outcome(input);
}
