#include "verify/fold.h"

static const struct text no_text;

/* ---- accounts ---- */

static void apply_account(void *state, const void *event)
{
    account_apply(&((struct fold_account *)state)->account, event);
}

static void originate(struct fold_turn *turn, struct row_accounts *row)
{
    fold_check_origin(turn, turn->event->payment.customer_id);
    row->partition = turn->partition;
    row->duplicates = row->conflicts = 0;
    row->command_digest = (int64_t)turn->event->body_digest;
    row->recorded_at = cell_time(turn->event->recorded_at_us);
    row->currency = cell_currency(turn->event->payment.currency);
    row->command_id = cell_text(turn->event->metadata.command_id);
}

static void count_legs(struct fold *fold, const struct payment_event *event)
{
    enum ledger_account debit, credit;
    if (!account_legs(event, &debit, &credit))
        return;
    fold->ledger_debit[debit] += (uint64_t)event->amount_minor;
    fold->ledger_credit[credit] += (uint64_t)event->amount_minor;
}

static bool account_event(struct fold_turn *turn)
{
    const struct payment_event *event = &turn->event->payment;
    struct fold_entity *entity =
        fold_get(turn->fold, ENTITY_ACCOUNT, turn->partition, event->customer_id, no_text);
    if (!entity)
        return false;
    const struct account *account = &((struct fold_account *)fold_state(entity))->account;
    struct row_accounts *row = (struct row_accounts *)fold_cells(entity);
    if (entity->broken || !fold_check_version(turn, entity, account->version, event->version) ||
        !fold_guard(turn, entity, apply_account, event))
        return true;
    if (event->kind == ACCOUNT_OPENED)
        originate(turn, row);
    row->balance_minor = account->balance_minor;
    row->held_minor = account->held_minor;
    row->version = account->version;
    row->event_offset = turn->offset;
    count_legs(turn->fold, event);
    return true;
}

/* ---- payments ---- */

static void apply_payment(void *state, const void *event)
{
    payment_apply(state, event);
}

static void follow(struct fold_turn *turn, const struct payment *payment, struct row_payments *row)
{
    const struct payment_event *event = &turn->event->payment;
    int64_t now = cell_time(turn->event->recorded_at_us);
    int64_t version = event->version ? event->version : ROW_NULL;
    if (row->recorded_at == ROW_NULL)
        row->recorded_at = now;
    row->partition = turn->partition;
    row->amount_minor = payment->amount_minor;
    row->refunded_minor = payment->refunded_minor;
    row->event_offset = turn->offset;
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
}

static bool payment_event(struct fold_turn *turn)
{
    const struct payment_event *event = &turn->event->payment;
    struct fold_entity *entity = fold_get(turn->fold, ENTITY_PAYMENT, turn->partition,
                                          event->payment_id, event->customer_id);
    if (!entity)
        return false;
    if (!entity->broken && fold_guard(turn, entity, apply_payment, event))
        follow(turn, fold_state(entity), (struct row_payments *)fold_cells(entity));
    return true;
}

/* ---- commands ---- */

static bool settle(struct fold_turn *turn)
{
    static const char *const kinds[PAYMENT_EVENT_KIND_COUNT] = {
        [FUNDS_DEPOSITED] = "DEPOSIT",
        [FUNDS_WITHDRAWN] = "WITHDRAW",
        [PAYMENT_REFUNDED] = "REFUND",
    };
    const struct payment_event *event = &turn->event->payment;
    if (!kinds[event->kind]) {
        fold_wrong(turn, CHECK_EVENTS, "a command can't be its cause");
        return true;
    }
    struct fold_command *row = fold_settle(turn, event->customer_id, kinds[event->kind]);
    if (!row)
        return false;
    row->version = event->version;
    row->moved = event->amount_minor;
    row->subject = cell_text_or_null(event->payment_id);
    return true;
}

/* An event of version 0 moves nothing: the wallet does not see it. */
bool fold_payment_event(struct fold_turn *turn)
{
    const struct payment_event *event = &turn->event->payment;
    fold_check_place(turn, event->customer_id);
    if (event->version == 0 && (event->kind == PAYMENT_DECLINED || event->amount_minor == 0))
        return payment_event(turn);
    if (!account_event(turn) || (event->payment_id.bytes && !payment_event(turn)))
        return false;
    return event->kind == ACCOUNT_OPENED || !fold_settles(turn) || settle(turn);
}
