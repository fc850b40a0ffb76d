/* tests/unit/test_projection_reduce_payments.c - rows of wallets and payments. */
#include <criterion/criterion.h>

#include "tests/unit/reduce_session.h"

static struct event_message payment_event(enum payment_event_kind kind, int64_t version,
                                          int64_t amount_minor)
{
    return (struct event_message){BY_STEP, .payment = {.kind = kind,
                                                       .version = version,
                                                       .customer_id = TEXT("c-1"),
                                                       .currency = TEXT("USD"),
                                                       .payment_id = TEXT("o-1"),
                                                       .amount_minor = amount_minor}};
}

static struct event_message reversed(int64_t version, int64_t amount_minor, int64_t charged_minor)
{
    struct event_message event = payment_event(PAYMENT_REVERSED, version, amount_minor);
    event.payment.charged_minor = charged_minor;
    return event;
}

static struct account_change *account_change(void)
{
    return (struct account_change *)row_of(&batch.aggregates, "c-1", (struct text){0});
}

static struct payment_change *payment_change(void)
{
    return (struct payment_change *)row_of(&batch.claims, "o-1", TEXT("c-1"));
}

Test(reduce_payments, moves_money_between_wallet_and_held, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_AUTHORISED, 5, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 70);
    given(payment_event(PAYMENT_CAPTURED, 6, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 0);
    cr_assert_eq(account_change()->version_before, 4);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CAPTURED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->authorised_version, 5);
    cr_assert_eq(payment_change()->captured_version, 6);
}

Test(reduce_payments, leave_the_wallet_alone_where_nothing_moves, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    struct event_message declined = payment_event(PAYMENT_DECLINED, 0, 70);
    declined.payment.code = REFUSED_FUNDS_SHORT;
    given(declined);
    given(payment_event(PAYMENT_VOIDED, 0, 0));
    cr_assert_eq(batch.aggregates.count, 0);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_VOIDED);
    cr_assert_eq(payment_change()->amount_minor, 0);
    cr_assert_eq(payment_change()->voided_version, 0);
    poison(payment_event(PAYMENT_VOIDED, 3, 0), "moves nothing");
}

Test(reduce_payments, leave_a_voided_payment_as_it_is_when_it_is_asked_for_again, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_AUTHORISED, 3, 70));
    given(payment_event(PAYMENT_VOIDED, 4, 70));
    struct event_message declined = payment_event(PAYMENT_DECLINED, 0, 9);
    declined.payment.code = REFUSED_PAYMENT_EXISTS;
    given(declined);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_VOIDED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->voided_version, 4);
}

Test(reduce_payments, move_money_between_wallet_and_revenue, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_CHARGED, 5, 70));
    cr_assert_eq(account_change()->balance_minor, -70);
    cr_assert_eq(account_change()->held_minor, 0);
    cr_assert_eq(account_change()->spent_minor, 70);
    cr_assert_eq(payment_change()->row.mode, ROW_INSERT);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CHARGED);
    cr_assert_eq(payment_change()->charged_version, 5);
    given(payment_event(PAYMENT_REFUNDED, 6, 30));
    given(reversed(7, 40, 70));
    cr_assert_eq(account_change()->balance_minor, 0);
    cr_assert_eq(account_change()->spent_minor, 0);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->refunded_minor, 30);
    cr_assert_eq(payment_change()->reversed_version, 7);
    cr_assert_neq(payment_change()->reversed_us, TIME_NONE);
}

Test(reduce_payments, know_a_payment_that_was_refunded_whole, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_CHARGED, 5, 70));
    given(payment_event(PAYMENT_REFUNDED, 6, 30));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_CHARGED);
    given(payment_event(PAYMENT_REFUNDED, 7, 40));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REFUNDED);
    given(reversed(0, 0, 70));
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
}

Test(reduce_payments, close_a_charge_of_which_nothing_is_left, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    given(payment_event(PAYMENT_REFUNDED, 6, 70));
    given(reversed(0, 0, 70));
    cr_assert_eq(payment_change()->row.mode, ROW_UPDATE);
    cr_assert_eq(payment_change()->status, PAYMENT_IS_REVERSED);
    cr_assert_eq(payment_change()->amount_minor, 70);
    cr_assert_eq(payment_change()->reversed_version, 0);
    poison(reversed(7, 71, 70), "more comes back than was charged");
}

Test(reduce_payments, know_whether_a_payment_has_a_row, .fini = done)
{
    static const struct {
        enum payment_event_kind kind;
        int64_t version, amount_minor;
        enum refusal_code code;
        enum row_mode mode;
    } cases[] = {
        {PAYMENT_AUTHORISED, 3, 9, ACCEPTED, ROW_INSERT},
        {PAYMENT_DECLINED, 0, 9, REFUSED_FUNDS_SHORT, ROW_INSERT},
        {PAYMENT_DECLINED, 0, 9, REFUSED_PAYMENT_EXISTS, ROW_UPDATE},
        {PAYMENT_CAPTURED, 3, 9, ACCEPTED, ROW_UPDATE},
        {PAYMENT_VOIDED, 3, 9, ACCEPTED, ROW_UPDATE},
        {PAYMENT_VOIDED, 0, 0, ACCEPTED, ROW_UPSERT},
        {PAYMENT_CHARGED, 3, 9, ACCEPTED, ROW_INSERT},
        {PAYMENT_REVERSED, 0, 0, ACCEPTED, ROW_UPSERT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(CONTEXT_PAYMENTS);
        struct event_message event =
            payment_event(cases[i].kind, cases[i].version, cases[i].amount_minor);
        event.payment.code = cases[i].code;
        given(event);
        cr_assert_eq(payment_change()->row.mode, cases[i].mode, "case %zu", i);
        if (i + 1 < sizeof cases / sizeof *cases)
            done();
    }
}

Test(reduce_payments, refuse_what_can_not_follow, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    poison(payment_event(PAYMENT_AUTHORISED, 1, 5), "begins with another event");
    given(payment_event(PAYMENT_AUTHORISED, 4, 5));
    poison(payment_event(PAYMENT_CAPTURED, 6, 5), "version 6 of wallet c-1 follows version 4");
    poison(payment_event(PAYMENT_AUTHORISED, 5, 5), "asked for already");
    poison(payment_event(PAYMENT_CAPTURED, 5, -5), "below 0");
    struct event_message opened = payment_event(ACCOUNT_OPENED, 1, 0);
    opened.payment.customer_id = TEXT("c-2");
    poison(opened, "no command is its cause");
}

Test(reduce_payments, refuse_what_is_no_event, .fini = done)
{
    struct event_message without = payment_event(PAYMENT_AUTHORISED, 4, 5);
    start(CONTEXT_PAYMENTS);
    poison(payment_event(PAYMENT_EVENT_NONE, 4, 5), "no kind");
    poison(payment_event(PAYMENT_EVENT_KIND_COUNT, 4, 5), "no kind");
    poison(payment_event(PAYMENT_CAPTURED, 0, 5), "begins with another event");
    poison(payment_event(PAYMENT_DECLINED, 0, 5), "without a code");
    poison(payment_event(PAYMENT_CAPTURED, 0, 0), "a payment of nothing");
    without.payment.payment_id = TEXT("");
    poison(without, "without a payment id");
    without = payment_event(PAYMENT_AUTHORISED, 4, 5);
    without.cause_source = CAUSE_COMMANDS;
    poison(without, "a command can't be its cause");
    without.payment.customer_id = TEXT("");
    poison(without, "without a customer id");
}

Test(reduce_payments, stop_where_amounts_do_not_fit, .fini = done)
{
    static const struct {
        enum payment_event_kind kinds[4];
        const char *words;
    } cases[] = {
        {{FUNDS_DEPOSITED, FUNDS_DEPOSITED}, "the amounts of wallet c-1 do not fit"},
        {{FUNDS_WITHDRAWN, FUNDS_WITHDRAWN}, "the amounts of wallet c-1 do not fit"},
        {{PAYMENT_REFUNDED, FUNDS_WITHDRAWN, PAYMENT_CAPTURED, PAYMENT_REFUNDED},
         "the refunds of o-1 do not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t last = cases[i].kinds[3] ? 3 : 1; /* the one that is too much */
        if (i)
            done();
        start(CONTEXT_PAYMENTS);
        for (size_t k = 0; k < last; k++)
            given(payment_event(cases[i].kinds[k], 5 + (int64_t)k, INT64_MAX));
        fatal(payment_event(cases[i].kinds[last], 5 + (int64_t)last, INT64_MAX), cases[i].words);
    }
}

Test(reduce_payments, keep_what_a_command_moved_beside_the_wallet, .fini = done)
{
    start(CONTEXT_PAYMENTS);
    struct event_message event = {BY_COMMAND("open/c-1"), .payment = {.kind = ACCOUNT_OPENED,
                                                                      .version = 1,
                                                                      .customer_id = TEXT("c-1"),
                                                                      .currency = TEXT("USD")}};
    given(event);
    event.metadata.command_id = TEXT("pay-in");
    event.payment = (struct payment_event){
        .kind = FUNDS_DEPOSITED, .version = 2, .customer_id = TEXT("c-1"), .amount_minor = 40};
    given(event);
    cr_assert_eq(account_change()->row.mode, ROW_INSERT);
    cr_assert_eq(account_change()->balance_minor, 40);
    const struct command_change *command =
        (struct command_change *)row_of(&batch.commands, "c-1", TEXT("pay-in"));
    cr_assert_str_eq(command->kind, "DEPOSIT");
    cr_assert_eq(command->moved, 40);
    event.metadata.command_id = TEXT("pay-out");
    event.payment.kind = FUNDS_WITHDRAWN;
    event.payment.version = 3;
    given(event);
    command = (struct command_change *)row_of(&batch.commands, "c-1", TEXT("pay-out"));
    cr_assert_str_eq(command->kind, "WITHDRAW");
    event.metadata.command_id = TEXT("give-back");
    event.payment.kind = PAYMENT_REFUNDED;
    event.payment.version = 4;
    event.payment.payment_id = TEXT("o-1");
    given(event);
    command = (struct command_change *)row_of(&batch.commands, "c-1", TEXT("give-back"));
    cr_assert_str_eq(command->kind, "REFUND");
    cr_assert(text_equal(command->subject, TEXT("o-1")));
}
