/*
 * tests/unit/test_domain_account.c - sessions of one wallet and one payment.
 *
 * A row: what comes, and then balance, held, the payment's status and the wallet's version. What is
 * spent follows: what came in less what went out is balance, held and spent.
 */
#include "domain/account.h"

#include <criterion/criterion.h>
#include <signal.h>

#define NOW_US INT64_C(1798000000000000) /* 2026-12-23 */

#define MAX INT64_MAX

struct row {
    int command, step; /* one of the two */
    int64_t amount_minor;
    const char *currency;
    enum refusal_code code;        /* of a command, or of a declined payment */
    enum payment_event_kind event; /* of a step; 0: nothing to say */
    int64_t balance, held;
    enum payment_status status;
    int64_t version;
};

struct purse {
    struct account account;
    struct payment payment;
};

static void fold(struct purse *purse, const struct payment_event *event)
{
    enum ledger_account debit = LEDGER_NOTHING, credit = LEDGER_NOTHING;
    struct account before = purse->account;
    account_apply(&purse->account, event);
    if (event->payment_id.bytes)
        payment_apply(&purse->payment, event);
    bool moved = account_legs(event, &debit, &credit);
    int64_t amount_minor = moved ? event->amount_minor : 0;
    int64_t in = (credit == LEDGER_WALLET ? amount_minor : 0);
    int64_t out = (debit == LEDGER_WALLET ? amount_minor : 0);
    cr_assert_eq(purse->account.balance_minor, before.balance_minor - out + in);
    int64_t to_revenue = (credit == LEDGER_REVENUE ? amount_minor : 0);
    int64_t from_revenue = (debit == LEDGER_REVENUE ? amount_minor : 0);
    cr_assert_eq(purse->account.spent_minor, before.spent_minor + to_revenue - from_revenue);
    cr_assert_eq(moved, event->version != 0 && event->kind != ACCOUNT_OPENED);
}

static void do_command(struct purse *purse, const struct row *row, size_t number)
{
    struct payment_command command = {(enum payment_command_kind)row->command, TEXT("c"),
                                      text_of(row->currency), row->amount_minor, TEXT("p")};
    struct payment_event event = {.version = -1};
    struct refusal refusal =
        account_decide_command(&purse->account, &purse->payment, &command, NOW_US, &event);
    cr_assert_eq(refusal.code, row->code, "row %zu: %s", number, refusal_name(refusal.code));
    if (refusal.code)
        cr_assert_eq(event.version, -1, "row %zu", number);
    else
        fold(purse, &event);
}

static void do_step(struct purse *purse, const struct row *row, size_t number)
{
    struct payment_step step = {(enum payment_step_kind)row->step, TEXT("p"), TEXT("c"),
                                row->amount_minor, text_of(row->currency)};
    struct payment_event event;
    bool decided = account_decide_step(&purse->account, &purse->payment, &step, &event);
    cr_assert_eq(decided ? event.kind : PAYMENT_EVENT_NONE, row->event, "row %zu", number);
    struct order_step reply = payment_reply(&purse->payment, &step, decided ? &event : NULL);
    cr_assert(text_equal(reply.order_id, TEXT("p")));
    static const enum order_step_kind answers[PAYMENT_STEP_KIND_COUNT] = {
        [PAYMENT_AUTHORISE] = ORDER_PAYMENT_AUTHORISED_REPLY,
        [PAYMENT_VOID] = ORDER_PAYMENT_VOIDED_REPLY,
        [PAYMENT_CHARGE] = ORDER_PAYMENT_CHARGED_REPLY,
        [PAYMENT_REVERSE] = ORDER_PAYMENT_REVERSED_REPLY,
    };
    enum order_step_kind wanted = row->code ? ORDER_PAYMENT_DECLINED_REPLY : answers[step.kind];
    cr_assert_eq(reply.kind, wanted, "row %zu", number);
    cr_assert_eq(reply.code, row->code, "row %zu: %s", number, refusal_name(reply.code));
    if (decided)
        fold(purse, &event);
}

static void play(const struct row *rows, size_t count)
{
    struct purse purse = {0};
    for (size_t i = 0; i < count; i++) {
        struct purse before = purse;
        if (rows[i].command)
            do_command(&purse, &rows[i], i);
        else
            do_step(&purse, &rows[i], i);
        if ((rows[i].command && rows[i].code) || (rows[i].step && !rows[i].event))
            cr_assert_eq(memcmp(&before, &purse, sizeof purse), 0, "row %zu", i);
        cr_assert_eq(purse.account.balance_minor, rows[i].balance, "row %zu", i);
        cr_assert_eq(purse.account.held_minor, rows[i].held, "row %zu", i);
        cr_assert_eq(purse.payment.status, rows[i].status, "row %zu", i);
        cr_assert_eq(purse.account.version, rows[i].version, "row %zu", i);
    }
}
#define PLAY(rows) play(rows, sizeof(rows) / sizeof *(rows))

/* clang-format off */
#define OPEN      ACCOUNT_OPEN, 0, 0
#define DEPOSIT   FUNDS_DEPOSIT, 0
#define WITHDRAW  FUNDS_WITHDRAW, 0
#define REFUND    PAYMENT_REFUND, 0
#define AUTHORISE 0, PAYMENT_AUTHORISE
#define CAPTURE   0, PAYMENT_CAPTURE, 0, ""
#define VOID      0, PAYMENT_VOID, 0, ""
#define CHARGE    0, PAYMENT_CHARGE
#define REVERSE   0, PAYMENT_REVERSE, 0, ""
#define NONE      PAYMENT_IS_NOTHING

Test(account, opens_pays_in_and_pays_out)
{
    static const struct row rows[] = {
        {DEPOSIT, 5, "PLN", REFUSED_ACCOUNT_UNKNOWN, 0, 0, 0, NONE, 0},
        {WITHDRAW, 5, "PLN", REFUSED_ACCOUNT_UNKNOWN, 0, 0, 0, NONE, 0},
        {REFUND, 5, "", REFUSED_ACCOUNT_UNKNOWN, 0, 0, 0, NONE, 0},
        {OPEN, "pln", REFUSED_CURRENCY_INVALID, 0, 0, 0, NONE, 0},
        {OPEN, "ABC", REFUSED_CURRENCY_UNKNOWN, 0, 0, 0, NONE, 0},
        {OPEN, "BGN", REFUSED_CURRENCY_RETIRED, 0, 0, 0, NONE, 0},
        {OPEN, "XAU", REFUSED_CURRENCY_NOT_MONEY, 0, 0, 0, NONE, 0},
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {OPEN, "PLN", REFUSED_ACCOUNT_EXISTS, 0, 0, 0, NONE, 1},
        {DEPOSIT, 0, "PLN", REFUSED_AMOUNT_NOT_POSITIVE, 0, 0, 0, NONE, 1},
        {DEPOSIT, 5, "", REFUSED_CURRENCY_INVALID, 0, 0, 0, NONE, 1},
        {DEPOSIT, 5, "EUR", REFUSED_CURRENCY_MISMATCH, 0, 0, 0, NONE, 1},
        {DEPOSIT, 5, "PLN", ACCEPTED, 0, 5, 0, NONE, 2},
        {WITHDRAW, 6, "PLN", REFUSED_FUNDS_SHORT, 0, 5, 0, NONE, 2},
        {WITHDRAW, 5, "EUR", REFUSED_CURRENCY_MISMATCH, 0, 5, 0, NONE, 2},
        {WITHDRAW, 5, "PL", REFUSED_CURRENCY_INVALID, 0, 5, 0, NONE, 2},
        {WITHDRAW, -5, "PLN", REFUSED_AMOUNT_NOT_POSITIVE, 0, 5, 0, NONE, 2},
        {WITHDRAW, 4, "PLN", ACCEPTED, 0, 1, 0, NONE, 3},
        {DEPOSIT, MAX, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 1, 0, NONE, 3},
        {DEPOSIT, MAX - 1, "PLN", ACCEPTED, 0, MAX, 0, NONE, 4},
    };
    PLAY(rows);
}

Test(payment, is_held_captured_and_refunded)
{
    static const struct row rows[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {REFUND, 1, "", REFUSED_PAYMENT_UNKNOWN, 0, 100, 0, NONE, 2},
        {AUTHORISE, 80, "PLN", ACCEPTED, PAYMENT_AUTHORISED, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {AUTHORISE, 80, "PLN", ACCEPTED, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {REFUND, 1, "", REFUSED_PAYMENT_NOT_CAPTURED, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {WITHDRAW, 21, "PLN", REFUSED_FUNDS_SHORT, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {DEPOSIT, MAX - 99, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {DEPOSIT, MAX, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {CAPTURE, ACCEPTED, PAYMENT_CAPTURED, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {CAPTURE, ACCEPTED, 0, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {AUTHORISE, 80, "PLN", ACCEPTED, 0, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {VOID, ACCEPTED, 0, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {REFUND, 0, "", REFUSED_AMOUNT_NOT_POSITIVE, 0, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {REFUND, 81, "", REFUSED_REFUND_TOO_LARGE, 0, 20, 0, PAYMENT_IS_CAPTURED, 4},
        {REFUND, 30, "", ACCEPTED, 0, 50, 0, PAYMENT_IS_CAPTURED, 5},
        {REFUND, 51, "", REFUSED_REFUND_TOO_LARGE, 0, 50, 0, PAYMENT_IS_CAPTURED, 5},
        {DEPOSIT, MAX - 99, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 50, 0, PAYMENT_IS_CAPTURED, 5},
        {DEPOSIT, MAX - 100, "PLN", ACCEPTED, 0, MAX - 50, 0, PAYMENT_IS_CAPTURED, 6},
        {WITHDRAW, MAX - 50, "PLN", ACCEPTED, 0, 0, 0, PAYMENT_IS_CAPTURED, 7},
        {REFUND, 50, "", ACCEPTED, 0, 50, 0, PAYMENT_IS_REFUNDED, 8},
        {REFUND, 1, "", REFUSED_REFUND_TOO_LARGE, 0, 50, 0, PAYMENT_IS_REFUNDED, 8},
        {VOID, ACCEPTED, 0, 50, 0, PAYMENT_IS_REFUNDED, 8},
        {CAPTURE, ACCEPTED, 0, 50, 0, PAYMENT_IS_REFUNDED, 8},
        {AUTHORISE, 80, "PLN", ACCEPTED, 0, 50, 0, PAYMENT_IS_REFUNDED, 8},
    };
    PLAY(rows);
}

Test(payment, is_charged_and_reversed)
{
    static const struct row rows[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {CHARGE, 80, "PLN", ACCEPTED, PAYMENT_CHARGED, 20, 0, PAYMENT_IS_CHARGED, 3},
        {CHARGE, 80, "PLN", ACCEPTED, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {WITHDRAW, 21, "PLN", REFUSED_FUNDS_SHORT, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, 100, 0, PAYMENT_IS_REVERSED, 4},
        {REVERSE, ACCEPTED, 0, 100, 0, PAYMENT_IS_REVERSED, 4},
        {REFUND, 1, "", REFUSED_PAYMENT_NOT_CAPTURED, 0, 100, 0, PAYMENT_IS_REVERSED, 4},
        {CHARGE, 80, "PLN", REFUSED_PAYMENT_EXISTS,
         PAYMENT_DECLINED, 100, 0, PAYMENT_IS_REVERSED, 4},
    };
    PLAY(rows);
}

/* Whatever came in between: more would not fit, so that what was spent can come back. */
Test(payment, that_is_reversed_always_fits_into_the_wallet)
{
    static const struct row rows[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {CHARGE, 80, "PLN", ACCEPTED, PAYMENT_CHARGED, 20, 0, PAYMENT_IS_CHARGED, 3},
        {DEPOSIT, MAX - 20, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {DEPOSIT, MAX - 99, "PLN", REFUSED_AMOUNT_OVERFLOW, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {DEPOSIT, MAX - 100, "PLN", ACCEPTED, 0, MAX - 80, 0, PAYMENT_IS_CHARGED, 4},
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, MAX, 0, PAYMENT_IS_REVERSED, 5},
    };
    PLAY(rows);
}

Test(payment, gives_back_by_its_reversal_what_refunds_have_left)
{
    static const struct row part[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {CHARGE, 80, "PLN", ACCEPTED, PAYMENT_CHARGED, 20, 0, PAYMENT_IS_CHARGED, 3},
        {REFUND, 81, "", REFUSED_REFUND_TOO_LARGE, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {REFUND, 30, "", ACCEPTED, 0, 50, 0, PAYMENT_IS_CHARGED, 4},
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, 100, 0, PAYMENT_IS_REVERSED, 5},
    };
    static const struct row whole[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {CHARGE, 80, "PLN", ACCEPTED, PAYMENT_CHARGED, 20, 0, PAYMENT_IS_CHARGED, 3},
        {REFUND, 80, "", ACCEPTED, 0, 100, 0, PAYMENT_IS_REFUNDED, 4},
        {CHARGE, 80, "PLN", ACCEPTED, 0, 100, 0, PAYMENT_IS_REFUNDED, 4},
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, 100, 0, PAYMENT_IS_REVERSED, 4},
        {REVERSE, ACCEPTED, 0, 100, 0, PAYMENT_IS_REVERSED, 4},
    };
    PLAY(part);
    PLAY(whole);
}

Test(payment, that_is_reversed_before_it_comes_is_never_charged)
{
    static const struct row rows[] = {
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, 0, 0, PAYMENT_IS_REVERSED, 0},
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, PAYMENT_IS_REVERSED, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, PAYMENT_IS_REVERSED, 2},
        {CHARGE, 100, "PLN", REFUSED_PAYMENT_EXISTS,
         PAYMENT_DECLINED, 100, 0, PAYMENT_IS_REVERSED, 2},
    };
    PLAY(rows);
}

/* Never asked so: an order is paid by one row of the saga. */
Test(payment, is_not_moved_by_steps_of_another_row_of_the_saga)
{
    static const struct row held[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {AUTHORISE, 80, "PLN", ACCEPTED, PAYMENT_AUTHORISED, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {CHARGE, 80, "PLN", REFUSED_PAYMENT_EXISTS, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
        {REVERSE, ACCEPTED, 0, 20, 80, PAYMENT_IS_AUTHORISED, 3},
    };
    static const struct row charged[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {CHARGE, 80, "PLN", ACCEPTED, PAYMENT_CHARGED, 20, 0, PAYMENT_IS_CHARGED, 3},
        {AUTHORISE, 80, "PLN", REFUSED_PAYMENT_EXISTS, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {CAPTURE, ACCEPTED, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
        {VOID, ACCEPTED, 0, 20, 0, PAYMENT_IS_CHARGED, 3},
    };
    PLAY(held);
    PLAY(charged);
}

Test(payment, is_voided_and_never_held_again)
{
    static const struct row rows[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, NONE, 2},
        {AUTHORISE, 100, "PLN", ACCEPTED, PAYMENT_AUTHORISED, 0, 100, PAYMENT_IS_AUTHORISED, 3},
        {VOID, ACCEPTED, PAYMENT_VOIDED, 100, 0, PAYMENT_IS_VOIDED, 4},
        {VOID, ACCEPTED, 0, 100, 0, PAYMENT_IS_VOIDED, 4},
        {CAPTURE, ACCEPTED, 0, 100, 0, PAYMENT_IS_VOIDED, 4},
        {REFUND, 1, "", REFUSED_PAYMENT_NOT_CAPTURED, 0, 100, 0, PAYMENT_IS_VOIDED, 4},
        {AUTHORISE, 100, "PLN", REFUSED_PAYMENT_EXISTS,
         PAYMENT_DECLINED, 100, 0, PAYMENT_IS_VOIDED, 4},
    };
    PLAY(rows);
}

Test(payment, that_is_voided_before_it_comes_is_never_held)
{
    static const struct row rows[] = {
        {VOID, ACCEPTED, PAYMENT_VOIDED, 0, 0, PAYMENT_IS_VOIDED, 0},
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, PAYMENT_IS_VOIDED, 1},
        {DEPOSIT, 100, "PLN", ACCEPTED, 0, 100, 0, PAYMENT_IS_VOIDED, 2},
        {AUTHORISE, 100, "PLN", REFUSED_PAYMENT_EXISTS,
         PAYMENT_DECLINED, 100, 0, PAYMENT_IS_VOIDED, 2},
        {AUTHORISE, 100, "PLN", REFUSED_PAYMENT_EXISTS,
         PAYMENT_DECLINED, 100, 0, PAYMENT_IS_VOIDED, 2},
        {VOID, ACCEPTED, 0, 100, 0, PAYMENT_IS_VOIDED, 2},
    };
    PLAY(rows);
}

Test(payment, is_declined_with_the_most_basic_reason)
{
    static const struct row unknown[] = {
        {AUTHORISE, 1, "PLN", REFUSED_ACCOUNT_UNKNOWN,
         PAYMENT_DECLINED, 0, 0, PAYMENT_IS_DECLINED, 0},
        {CAPTURE, ACCEPTED, 0, 0, 0, PAYMENT_IS_DECLINED, 0},
        {VOID, ACCEPTED, PAYMENT_VOIDED, 0, 0, PAYMENT_IS_VOIDED, 0},
    };
    static const struct row mismatch[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {AUTHORISE, 1, "EUR", REFUSED_CURRENCY_MISMATCH,
         PAYMENT_DECLINED, 0, 0, PAYMENT_IS_DECLINED, 1},
    };
    static const struct row short_of[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 9, "PLN", ACCEPTED, 0, 9, 0, NONE, 2},
        {AUTHORISE, 10, "PLN", REFUSED_FUNDS_SHORT, PAYMENT_DECLINED, 9, 0, PAYMENT_IS_DECLINED, 2},
        {AUTHORISE, 10, "PLN", REFUSED_PAYMENT_EXISTS, 0, 9, 0, PAYMENT_IS_DECLINED, 2},
    };
    static const struct row charge_unknown[] = {
        {CHARGE, 1, "PLN", REFUSED_ACCOUNT_UNKNOWN, PAYMENT_DECLINED, 0, 0, PAYMENT_IS_DECLINED, 0},
        {REVERSE, ACCEPTED, PAYMENT_REVERSED, 0, 0, PAYMENT_IS_REVERSED, 0},
    };
    static const struct row charge_short[] = {
        {OPEN, "PLN", ACCEPTED, 0, 0, 0, NONE, 1},
        {DEPOSIT, 9, "PLN", ACCEPTED, 0, 9, 0, NONE, 2},
        {CHARGE, 10, "PLN", REFUSED_FUNDS_SHORT, PAYMENT_DECLINED, 9, 0, PAYMENT_IS_DECLINED, 2},
        {CHARGE, 10, "PLN", REFUSED_PAYMENT_EXISTS, 0, 9, 0, PAYMENT_IS_DECLINED, 2},
    };
    PLAY(charge_unknown);
    PLAY(charge_short);
    PLAY(unknown);
    PLAY(mismatch);
    PLAY(short_of);
}
/* clang-format on */

Test(account_decide_command, needs_no_payment_but_for_a_refund)
{
    struct payment_command command = {ACCOUNT_OPEN, TEXT("c"), TEXT("PLN"), 0, {0}};
    struct payment_event event;
    cr_assert_eq(account_decide_command(&(struct account){0}, NULL, &command, NOW_US, &event).code,
                 ACCEPTED);
    command.customer_id = (struct text){0};
    cr_assert_eq(account_decide_command(&(struct account){0}, NULL, &command, NOW_US, &event).code,
                 REFUSED_ID_INVALID);
    command = (struct payment_command){PAYMENT_REFUND, TEXT("c"), {0}, 5, TEXT("\x01")};
    cr_assert_eq(account_decide_command(&(struct account){0}, NULL, &command, NOW_US, &event).code,
                 REFUSED_ID_INVALID);
}

Test(account_legs, are_there_for_whatever_moves)
{
    static const struct {
        enum payment_event_kind kind;
        enum ledger_account debit, credit;
    } moves[] = {
        {FUNDS_DEPOSITED, LEDGER_EXTERNAL, LEDGER_WALLET},
        {FUNDS_WITHDRAWN, LEDGER_WALLET, LEDGER_EXTERNAL},
        {PAYMENT_AUTHORISED, LEDGER_WALLET, LEDGER_HELD},
        {PAYMENT_CAPTURED, LEDGER_HELD, LEDGER_REVENUE},
        {PAYMENT_VOIDED, LEDGER_HELD, LEDGER_WALLET},
        {PAYMENT_REFUNDED, LEDGER_REVENUE, LEDGER_WALLET},
        {PAYMENT_CHARGED, LEDGER_WALLET, LEDGER_REVENUE},
        {PAYMENT_REVERSED, LEDGER_REVENUE, LEDGER_WALLET},
    };
    enum ledger_account debit, credit;
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        struct payment_event event = {.kind = moves[i].kind, .amount_minor = 7};
        cr_assert(account_legs(&event, &debit, &credit));
        cr_assert_eq(debit, moves[i].debit);
        cr_assert_eq(credit, moves[i].credit);
    }
    cr_assert_not(account_legs(&(struct payment_event){.kind = ACCOUNT_OPENED}, &debit, &credit));
    cr_assert_not(account_legs(&(struct payment_event){.kind = PAYMENT_VOIDED}, &debit, &credit));
    cr_assert_not(account_legs(&(struct payment_event){.kind = PAYMENT_REVERSED}, &debit, &credit));
    cr_assert_not(account_legs(&(struct payment_event){.kind = PAYMENT_DECLINED, .amount_minor = 5},
                               &debit, &credit));
}

Test(account_apply, stops_at_a_gap_in_the_versions, .signal = SIGABRT)
{
    account_apply(
        &(struct account){.version = 1},
        &(struct payment_event){.kind = FUNDS_DEPOSITED, .version = 3, .amount_minor = 1});
}

Test(account_apply, stops_below_zero, .signal = SIGABRT)
{
    account_apply(
        &(struct account){.version = 1},
        &(struct payment_event){.kind = FUNDS_WITHDRAWN, .version = 2, .amount_minor = 1});
}

Test(payment_apply, stops_at_a_capture_of_another_amount, .signal = SIGABRT)
{
    payment_apply(&(struct payment){PAYMENT_IS_AUTHORISED, 5, 0},
                  &(struct payment_event){.kind = PAYMENT_CAPTURED, .amount_minor = 6});
}

Test(payment_apply, stops_at_a_reversal_of_another_amount, .signal = SIGABRT)
{
    payment_apply(
        &(struct payment){PAYMENT_IS_CHARGED, 5, 1},
        &(struct payment_event){.kind = PAYMENT_REVERSED, .amount_minor = 5, .charged_minor = 5});
}
