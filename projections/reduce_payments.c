#include <assert.h>

#include "domain/money.h"
#include "projections/reduce_internal.h"

static const struct text no_text;

/* ---- accounts ---- */

static struct account_change *account_find(const struct reduce_input *input)
{
    return (struct account_change *)rowset_find(&input->batch->aggregates,
                                                input->event->payment.customer_id, no_text);
}

/* An event of version 0 moves nothing: no account is touched. */
static enum ol_class check_account(const struct reduce_input *input,
                                   const struct account_change *change, struct ol_error *reterr)
{
    const struct payment_event *event = &input->event->payment;
    enum ledger_account debit, credit;
    bool opens = event->kind == ACCOUNT_OPENED;
    if (event->amount_minor < 0)
        return ol_fail(reterr, OL_POISON, "an amount below 0");
    if (!opens && !account_legs(event, &debit, &credit)) {
        if (event->version == 0)
            return OL_OK;
        return ol_fail(reterr, OL_POISON, "it moves nothing, but has a version");
    }
    if (change)
        return reduce_check_version("wallet", event->customer_id, change->version, event->version,
                                    reterr);
    if (event->version < 1 || (event->version == 1) != opens)
        return ol_fail(reterr, OL_POISON,
                       "wallet %.*s begins with another event than AccountOpened",
                       SHOWN(event->customer_id));
    return OL_OK;
}

static bool post_amount(struct account_change *change, enum ledger_account ledger,
                        int64_t amount_minor)
{
    if (ledger == LEDGER_WALLET)
        return amount_add(change->balance_minor, amount_minor, &change->balance_minor);
    if (ledger == LEDGER_HELD)
        return amount_add(change->held_minor, amount_minor, &change->held_minor);
    if (ledger == LEDGER_REVENUE)
        return amount_add(change->spent_minor, amount_minor, &change->spent_minor);
    return true;
}

static enum ol_class fold_account(const struct reduce_input *input, struct account_change *change,
                                  const struct row_origin *origin, struct ol_error *reterr)
{
    const struct payment_event *event = &input->event->payment;
    struct row_batch *batch = input->batch;
    enum ledger_account debit, credit;
    bool opens = event->kind == ACCOUNT_OPENED;
    if (!change) {
        change = (struct account_change *)rowset_add(&batch->aggregates, &batch->arena,
                                                     sizeof *change, event->customer_id, no_text);
        if (!change)
            return reduce_no_memory(reterr);
        change->row.mode = opens ? ROW_INSERT : ROW_UPDATE;
        change->partition = input->partition;
        change->version_before = event->version - 1;
    }
    if (opens) {
        change->origin = *origin;
        change->currency = currency_of(event->currency);
    }
    change->version = event->version;
    change->event_offset = input->offset;
    if (account_legs(event, &debit, &credit) &&
        (!post_amount(change, debit, -event->amount_minor) ||
         !post_amount(change, credit, event->amount_minor)))
        return ol_fail(reterr, OL_FATAL, "the amounts of wallet %.*s do not fit",
                       SHOWN(event->customer_id));
    return OL_OK;
}

/* ---- payments ---- */

/* Whether the row is there already: see the table of domain/account.c. */
static enum row_mode payment_mode(const struct payment_event *event)
{
    switch (event->kind) {
    case PAYMENT_CHARGED:
    case PAYMENT_AUTHORISED: return ROW_INSERT;
    case PAYMENT_DECLINED: return event->code == REFUSED_PAYMENT_EXISTS ? ROW_UPDATE : ROW_INSERT;
    case PAYMENT_VOIDED: return event->amount_minor ? ROW_UPDATE : ROW_UPSERT;
    case PAYMENT_REVERSED: return event->charged_minor ? ROW_UPDATE : ROW_UPSERT;
    default: return ROW_UPDATE;
    }
}

/* The kinds of a payment are the last ones. */
_Static_assert(PAYMENT_REVERSED + 1 == PAYMENT_EVENT_KIND_COUNT, "no kind after them");

static bool is_of_payment(const struct payment_event *event)
{
    return event->kind >= PAYMENT_AUTHORISED;
}

static enum ol_class check_payment(const struct reduce_input *input,
                                   const struct payment_change *change, struct ol_error *reterr)
{
    const struct payment_event *event = &input->event->payment;
    if (event->payment_id.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a payment's event without a payment id");
    if (event->kind == PAYMENT_DECLINED && event->code == ACCEPTED)
        return ol_fail(reterr, OL_POISON, "a refusal without a code that is known here");
    if (event->kind != PAYMENT_VOIDED && event->kind != PAYMENT_DECLINED &&
        event->kind != PAYMENT_REVERSED && event->amount_minor == 0)
        return ol_fail(reterr, OL_POISON, "a payment of nothing");
    if (event->kind == PAYMENT_REVERSED && event->amount_minor > event->charged_minor)
        return ol_fail(reterr, OL_POISON, "more comes back than was charged");
    if (change && payment_mode(event) == ROW_INSERT)
        return ol_fail(reterr, OL_POISON, "payment %.*s was asked for already",
                       SHOWN(event->payment_id));
    return OL_OK;
}

static struct payment_change *payment_add(const struct reduce_input *input)
{
    const struct payment_event *event = &input->event->payment;
    struct row_batch *batch = input->batch;
    struct payment_change *change = (struct payment_change *)rowset_add(
        &batch->claims, &batch->arena, sizeof *change, event->payment_id, event->customer_id);
    if (!change)
        return NULL;
    change->row.mode = payment_mode(event);
    change->partition = input->partition;
    change->customer_id = change->row.second;
    change->recorded_us = input->event->recorded_at_us;
    change->amount_minor = -1;
    change->captured_us = TIME_NONE;
    change->voided_us = TIME_NONE;
    change->reversed_us = TIME_NONE;
    return change;
}

static enum ol_class fold_payment(const struct reduce_input *input, struct payment_change *change,
                                  struct ol_error *reterr)
{
    const struct payment_event *event = &input->event->payment;
    if (!change)
        change = payment_add(input);
    if (!change)
        return reduce_no_memory(reterr);
    change->event_offset = input->offset;
    switch (event->kind) {
    case PAYMENT_AUTHORISED:
        change->status = PAYMENT_IS_AUTHORISED;
        change->amount_minor = event->amount_minor;
        change->authorised_version = event->version;
        break;
    case PAYMENT_DECLINED:
        change->reason = event->code;
        if (event->code == REFUSED_PAYMENT_EXISTS)
            break; /* it was voided or reversed, and stays so */
        change->status = PAYMENT_IS_DECLINED;
        change->amount_minor = event->amount_minor;
        break;
    case PAYMENT_CAPTURED:
        change->status = PAYMENT_IS_CAPTURED;
        change->captured_version = event->version;
        change->captured_us = input->event->recorded_at_us;
        break;
    case PAYMENT_VOIDED:
        change->status = PAYMENT_IS_VOIDED;
        change->amount_minor = event->amount_minor;
        change->voided_version = event->version;
        change->voided_us = input->event->recorded_at_us;
        break;
    case PAYMENT_REFUNDED:
        if (!amount_add(change->refunded_minor, event->amount_minor, &change->refunded_minor))
            return ol_fail(reterr, OL_FATAL, "the refunds of %.*s do not fit",
                           SHOWN(event->payment_id));
        if (change->row.mode == ROW_INSERT && change->refunded_minor == change->amount_minor)
            change->status = PAYMENT_IS_REFUNDED;
        break;
    case PAYMENT_CHARGED:
        change->status = PAYMENT_IS_CHARGED;
        change->amount_minor = event->amount_minor;
        change->charged_version = event->version;
        break;
    case PAYMENT_REVERSED:
        change->status = PAYMENT_IS_REVERSED;
        change->amount_minor = event->charged_minor;
        change->reversed_version = event->version;
        change->reversed_us = input->event->recorded_at_us;
        break;
    default: assert(!"an event of a payment");
    }
    return OL_OK;
}

enum ol_class reduce_payments(const struct reduce_input *input, struct ol_error *reterr)
{
    const struct payment_event *event = &input->event->payment;
    if (event->kind == PAYMENT_EVENT_NONE || event->kind >= PAYMENT_EVENT_KIND_COUNT)
        return ol_fail(reterr, OL_POISON, "an event of payments of no kind that is known here");
    if (event->customer_id.bytes == 0)
        return ol_fail(reterr, OL_POISON, "a wallet's event without a customer id");
    struct account_change *account = account_find(input);
    struct payment_change *payment = NULL;
    if (is_of_payment(event))
        payment = (struct payment_change *)rowset_find(&input->batch->claims, event->payment_id,
                                                       event->customer_id);
    bool opens = event->kind == ACCOUNT_OPENED, is_outcome = reduce_is_first_outcome(input);
    struct row_origin origin = {0};
    enum ol_class class = check_account(input, account, reterr);
    if (!class && is_of_payment(event))
        class = check_payment(input, payment, reterr);
    if (!class && is_outcome)
        class = reduce_check_command(input, event->customer_id, reterr);
    if (!class && opens)
        class = reduce_origin(input, &origin, reterr);
    if (class)
        return class;

    if (event->version > 0)
        class = fold_account(input, account, &origin, reterr);
    if (!class && is_of_payment(event))
        class = fold_payment(input, payment, reterr);
    if (!class && is_outcome && !opens)
        class = reduce_accept_command(input, event->customer_id, event->version,
                                      event->amount_minor, event->payment_id, reterr);
    return class;
}
