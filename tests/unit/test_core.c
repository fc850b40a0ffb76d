/*
 * tests/unit/test_core.c - sessions of one context's core: what comes in, and what goes out.
 *
 * How a session is written down: core_session.h. Steps of one bundle: test_core_bundles.c. What
 * ends a batch, and what comes after it: test_core_batch.c.
 */
#include "domain/partition.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "proto/codec.h"
#include "tests/unit/core_session.h"

TestSuite(core_missing, .fini = tear_down);
TestSuite(core_run, .fini = tear_down);

/* ---- which states an input needs ---- */

Test(core_missing, names_each_inputs_states)
{
    static const struct {
        enum context context;
        struct row row;
    } rows[] = {
        {CONTEXT_ORDERS, {"place p o anna s:1:5", "order o command o p"}},
        {CONTEXT_ORDERS, {"cancel c o", "order o command o c"}},
        {CONTEXT_ORDERS, {"reserved o 0", "order o"}},
        {CONTEXT_ORDERS, {"timeout o 5", "order o"}},
        {CONTEXT_INVENTORY, {"add a s", "product s command s a"}},
        {CONTEXT_INVENTORY, {"increase i s 5", "product s command s i"}},
        {CONTEXT_INVENTORY, {"reserve o/1/1 o s:1 r:2", "product r product s"}},
        {CONTEXT_INVENTORY, {"release o/2/1 o", "reservation o"}},
        {CONTEXT_PAYMENTS, {"open x anna", "account anna command anna x"}},
        {CONTEXT_PAYMENTS, {"refund x anna o 5", "account anna payment anna o command anna x"}},
        {CONTEXT_PAYMENTS, {"authorise o/3/1 o anna 5", "account anna"}},
        {CONTEXT_PAYMENTS, {"capture o/4/1 o anna 0", "account anna payment anna o"}},
        {CONTEXT_PAYMENTS, {"void o/4/1 o anna 0", "account anna payment anna o"}},
        {CONTEXT_PAYMENTS, {"unreadable", ""}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].context);
        struct core_input input = read_input(rows[i].row.when, 0);
        cr_assert_str_eq(missing_of(&input, 1), rows[i].row.then, "row %zu", i);
        load_missing(&input, 1);
        cr_assert_str_eq(missing_of(&input, 1), "", "row %zu: once here, nothing is missing", i);
    }
}

Test(core_missing, names_a_state_once_and_in_order)
{
    begin(CONTEXT_ORDERS);
    struct core_input inputs[] = {
        read_input("place p2 o anna s:1:5", 0),
        read_input("reserved n 0", 0),
        read_input("place p1 o anna s:1:5", 0),
        read_input("place p2 o anna s:1:5", 0),
    };
    cr_assert_str_eq(missing_of(inputs, 4), "order n order o command o p1 command o p2");
}

Test(core_missing, names_as_many_states_as_there_are)
{
    enum { MANY = 700 };
    struct core_input inputs[MANY];
    struct entity_key *keys;
    size_t count;
    char line[32];
    begin(CONTEXT_ORDERS);
    for (int i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "cancel c o-%03d", i);
        inputs[i] = read_input(line, 0);
    }
    cr_assert(core_missing(session.core, inputs, MANY, &session.arena, &keys, &count));
    cr_assert_eq(count, 2u * MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "o-%03d", i);
        cr_assert_eq(keys[i].kind, ENTITY_ORDER);
        cr_assert(text_equal(keys[i].id, text_of(line)), "%s", line);
        cr_assert_eq(keys[MANY + i].kind, ENTITY_COMMAND);
        cr_assert(text_equal(keys[MANY + i].id, text_of(line)), "%s", line);
    }
}

Test(core_missing, a_text_fault_needs_the_command_alone)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("place p o anna s:1:5", 0);
    input.command.refused.code = REFUSED_TEXT_NOT_UTF8;
    cr_assert_str_eq(missing_of(&input, 1), "command o p");
}

Test(core_missing, nothing_for_what_is_on_the_wrong_partition)
{
    int32_t elsewhere = (partition_of(TEXT("o"), 4) + 1) % 4;
    begin_with(CONTEXT_ORDERS, 4);
    struct core_input command = read_input("cancel c o", elsewhere);
    struct core_input step = read_input("reserved o 0", elsewhere);
    cr_assert_str_eq(missing_of(&command, 1), "");
    cr_assert_str_eq(missing_of(&step, 1), "");
}

/* A release names a reservation, and only that names its products. */
static struct stock_line held_lines[] = {
    {TEXT("s"), 2, 3},
    {TEXT("r"), 1, 9},
};

static void know_held(void)
{
    know((struct entity_key){ENTITY_RESERVATION, 0, TEXT("o"), {0}},
         (struct entity){.reservation = {RESERVATION_IS_HELD, held_lines, 2}});
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("s"), {0}},
         (struct entity){.product = {3, true, {"PLN"}, 5, 2, 0}});
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("r"), {0}},
         (struct entity){.product = {9, true, {"PLN"}, 5, 4, 0}});
}

Test(core_missing, a_release_takes_two_rounds)
{
    begin(CONTEXT_INVENTORY);
    know_held();
    struct core_input inputs[] = {
        read_input("release o/4/1 o", 0),
        read_input("release n/4/1 n", 0),
    };
    cr_assert_str_eq(missing_of(inputs, 2), "reservation n reservation o");
    load((struct entity_key[]){{ENTITY_RESERVATION, 0, TEXT("n"), {0}},
                               {ENTITY_RESERVATION, 0, TEXT("o"), {0}}},
         2);
    cr_assert_str_eq(missing_of(inputs, 2), "product r product s");
    cr_assert_eq(load_missing(inputs, 2), 1u);
    run_input(&inputs[0]);
    cr_assert_str_eq(said(), "StockReleased [StockReleasedReply o/4/1/r orders/0]");
    run_input(&inputs[1]);
    cr_assert_str_eq(said(), "StockReleased [StockReleasedReply n/4/1/r orders/0]");
}

Test(core_missing, a_release_behind_its_reserve_in_one_batch_finds_all)
{
    begin(CONTEXT_INVENTORY);
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("s"), {0}},
         (struct entity){.product = {1, true, {"PLN"}, 5, 0, 0}});
    struct core_input inputs[] = {
        read_input("reserve o/1/1 o s:2", 0),
        read_input("release o/2/1 o", 0),
    };
    cr_assert_eq(load_missing(inputs, 2), 1u);
    for (int i = 0; i < 2; i++)
        cr_assert(core_run(session.core, &inputs[i], &session.arena, &session.sink));
    cr_assert(core_answer(session.core, &session.sink));
    cr_assert_str_eq(said(), "StockReserved StockReleased [StockReservedReply o/1/1/r orders/0] "
                             "[StockReleasedReply o/2/1/r orders/0]");
}

/* ---- whole sessions ---- */

Test(core_run, an_order_that_is_confirmed)
{
    begin(CONTEXT_ORDERS);
    WALK({"place p o anna s:2:50", "OrderPlaced [ReserveStock o/1/1 inventory/0]"},
         {"reserved o 0", "OrderStockReserved [ChargePayment o/2/1 payments/0]"},
         {"charged o", "OrderConfirmed"}, {"cancel c o", "no ORDER_IS_CONFIRMED"},
         {"reserved o 0", "-"}, {"timeout o 5", "-"});
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 0u);
}

Test(core_run, an_order_of_nothing_confirms_with_its_last_group)
{
    begin(CONTEXT_ORDERS);
    WALK({"place p o anna s:2:0", "OrderPlaced [ReserveStock o/1/1 inventory/0]"},
         {"reserved o 0", "OrderStockReserved OrderConfirmed"});
    cr_assert_eq(last_event()->cause_index, 1);
}

Test(core_run, a_cancel_undoes_what_was_asked)
{
    begin(CONTEXT_ORDERS);
    WALK({"place p o anna s:2:50", "OrderPlaced [ReserveStock o/1/1 inventory/0]"},
         {"reserved o 0", "OrderStockReserved [ChargePayment o/2/1 payments/0]"},
         {"cancel c o",
          "OrderCancelled [ReleaseStock o/3/1 inventory/0] [ReverseCharge o/3/2 payments/0]"},
         {"charged o", "-"}, {"reversed o", "OrderPaymentReversed"},
         {"released o 0", "OrderStockReleased"}, {"released o 0", "-"});
}

Test(core_run, products_and_groups)
{
    begin(CONTEXT_INVENTORY);
    WALK({"add a s", "ProductAdded"}, {"increase i s 5", "StockIncreased"},
         {"reserve o/1/1 o s:4", "StockReserved [StockReservedReply o/1/1/r orders/0]"},
         {"reserve n/1/1 n s:2", "StockRefused [StockRefusedReply n/1/1/r orders/0]"},
         {"reserve o/1/1 o s:4", "[StockReservedReply o/1/1/r orders/0]"},
         {"release o/3/1 o", "StockReleased [StockReleasedReply o/3/1/r orders/0]"},
         {"release o/3/1 o", "[StockReleasedReply o/3/1/r orders/0]"},
         {"reserve m/1/1 m x:1", "StockRefused [StockRefusedReply m/1/1/r orders/0]"});
}

Test(core_run, wallets_and_payments)
{
    begin(CONTEXT_PAYMENTS);
    WALK({"open x anna", "AccountOpened"}, {"deposit d anna 70", "FundsDeposited"},
         {"authorise o/2/1 o anna 50",
          "PaymentAuthorised [PaymentAuthorisedReply o/2/1/r orders/0]"},
         {"authorise n/2/1 n anna 50", "PaymentDeclined [PaymentDeclinedReply n/2/1/r orders/0]"},
         {"refund r1 anna o 10", "no PAYMENT_NOT_CAPTURED"},
         {"capture o/3/1 o anna 0", "PaymentCaptured"}, {"capture o/3/1 o anna 0", "-"},
         {"refund r2 anna o 10", "PaymentRefunded"}, {"refund r3 anna x 10", "no PAYMENT_UNKNOWN"},
         {"void m/3/1 m anna 0", "PaymentVoided [PaymentVoidedReply m/3/1/r orders/0]"});
}

Test(core_run, charges_and_reversals)
{
    begin(CONTEXT_PAYMENTS);
    WALK({"open x anna", "AccountOpened"}, {"deposit d anna 70", "FundsDeposited"},
         {"charge o/2/1 o anna 50", "PaymentCharged [PaymentChargedReply o/2/1/r orders/0]"},
         {"charge o/2/1 o anna 50", "[PaymentChargedReply o/2/1/r orders/0]"},
         {"charge n/2/1 n anna 50", "PaymentDeclined [PaymentDeclinedReply n/2/1/r orders/0]"},
         {"refund r1 anna o 10", "PaymentRefunded"},
         {"reverse o/3/2 o anna 0", "PaymentReversed [PaymentReversedReply o/3/2/r orders/0]"},
         {"reverse o/3/2 o anna 0", "[PaymentReversedReply o/3/2/r orders/0]"},
         {"refund r2 anna o 10", "no PAYMENT_NOT_CAPTURED"},
         {"reverse m/3/2 m anna 0", "PaymentReversed [PaymentReversedReply m/3/2/r orders/0]"});
}

/* As a release looks its reservation up, a reversal its payment; a charge is new. */
Test(core_missing, a_reversal_looks_its_payment_up)
{
    begin(CONTEXT_PAYMENTS);
    struct core_input inputs[] = {read_input("charge o/2/1 o anna 50", 0),
                                  read_input("reverse p/3/2 p anna 0", 0)};
    cr_assert_eq(load_missing(inputs, 1), 1u);
    cr_assert_eq(load_missing(inputs + 1, 1), 1u);
}

/* ---- commands: once only ---- */

Test(core_run, the_same_command_again_gets_the_first_outcome)
{
    begin(CONTEXT_ORDERS);
    WALK({"place p o anna s:2:50", "OrderPlaced [ReserveStock o/1/1 inventory/0]"},
         {"place p o anna s:2:50", "again ACCEPTED"}, {"place q o anna s:2:50", "no ORDER_EXISTS"},
         {"place q o anna s:2:50", "again ORDER_EXISTS"},
         {"place p o anna s:2:50", "again ACCEPTED"});
    cr_assert_eq(last_event()->repeated.outcome, OUTCOME_ACCEPTED);
    cr_assert(text_equal(last_event()->repeated.aggregate_id, TEXT("o")));
}

Test(core_run, the_first_outcome_is_remembered_by_the_projection_too)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("cancel c o", 0);
    know((struct entity_key){ENTITY_COMMAND, 0, TEXT("o"), TEXT("c")},
         (struct entity){
             .command = {OUTCOME_REJECTED, REFUSED_ORDER_UNKNOWN, input.command.body_digest}});
    run_input(&input);
    cr_assert_str_eq(said(), "again ORDER_UNKNOWN");
}

Test(core_run, an_id_with_another_body_is_refused_and_the_first_outcome_stays)
{
    begin(CONTEXT_INVENTORY);
    WALK({"add a s", "ProductAdded"}, {"increase i s 5", "StockIncreased"},
         {"increase i s 6", "no COMMAND_ID_REUSED"}, {"increase i s 6", "no COMMAND_ID_REUSED"},
         {"increase i s 5", "again ACCEPTED"}, {"add i t", "ProductAdded"});
}

Test(core_run, a_refused_text_is_answered_and_remembered)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("place p o anna s:1:5", 0);
    input.command.refused = (struct refusal){
        .code = REFUSED_TEXT_HAS_NUL, .line = 1, .subject = TEXT("place_order.lines[0].sku")};
    run_input(&input);
    cr_assert_str_eq(said(), "no TEXT_HAS_NUL");
    input.offset++;
    run_input(&input);
    cr_assert_str_eq(said(), "again TEXT_HAS_NUL");
}

/* ---- what is in the wrong place ---- */

Test(core_run, a_misrouted_command_is_passed_on_once_and_then_put_aside)
{
    int32_t right = partition_of(TEXT("o"), 4), wrong = (right + 1) % 4;
    char expected[16];
    begin_with(CONTEXT_ORDERS, 4);
    snprintf(expected, sizeof expected, "pass %d", right);
    run_on("cancel c o", wrong);
    cr_assert_str_eq(said(), expected);
    struct core_input again = read_input("cancel c o", wrong);
    again.passed_on = true;
    run_input(&again);
    cr_assert_str_eq(said(), "dead MISROUTED_TWICE");
    again = read_input("cancel c o", right);
    again.passed_on = true;
    run_input(&again);
    cr_assert_str_eq(said(), "no ORDER_UNKNOWN");
}

Test(core_run, a_misrouted_command_that_is_too_large_is_put_aside)
{
    begin_with(CONTEXT_ORDERS, 4);
    struct core_input input = read_input("cancel c o", (partition_of(TEXT("o"), 4) + 1) % 4);
    input.command.refused.code = REFUSED_MESSAGE_TOO_LARGE;
    run_input(&input);
    cr_assert_str_eq(said(), "dead MISROUTED_TOO_LARGE");
    close_batch();
    cr_assert_eq(session.total.counts[RECEIPT_DEAD_LETTERED], 1);
    cr_assert_eq(session.total.counts[RECEIPT_PASSED_ON], 0);
}

Test(core_run, a_misrouted_command_that_fills_its_topic_is_put_aside)
{
    begin_with(CONTEXT_ORDERS, 4);
    struct core_input input = read_input("cancel c o", (partition_of(TEXT("o"), 4) + 1) % 4);
    input.fills_topic = true;
    run_input(&input);
    cr_assert_str_eq(said(), "dead MISROUTED_TOO_LARGE");
}

Test(core_run, a_command_that_would_outgrow_a_topic_is_put_aside_unless_it_is_refused)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("place p o anna s:1:5", 0);
    input.outgrows = "why";
    run_input(&input);
    cr_assert_str_eq(said(), "dead OUTGROWS_TOPIC");
    input.command.refused.code = REFUSED_ORDER_EMPTY_BASKET;
    input.offset++;
    run_input(&input);
    cr_assert_str_eq(said(), "no ORDER_EMPTY_BASKET");
    close_batch();
    cr_assert_eq(session.total.counts[RECEIPT_DEAD_LETTERED], 1);
    cr_assert_eq(session.total.counts[RECEIPT_REFUSED], 1);
}

Test(core_run, a_misplaced_step_is_put_aside)
{
    int32_t wrong = (partition_of(TEXT("o"), 4) + 1) % 4;
    begin_with(CONTEXT_ORDERS, 4);
    run_on("reserved o 0", wrong);
    cr_assert_str_eq(said(), "dead STEP_MISPLACED");

    begin_with(CONTEXT_PAYMENTS, 4);
    wrong = (partition_of(TEXT("anna"), 4) + 1) % 4;
    run_on("void o/2/1 o anna 0", wrong);
    cr_assert_str_eq(said(), "dead STEP_MISPLACED");

    begin_with(CONTEXT_INVENTORY, 4);
    struct core_input input = read_input("release o/2/1 o", 2);
    input.step.inventory.partition = 3; /* the group's partition counts, not the order's */
    run_input(&input);
    cr_assert_str_eq(said(), "dead STEP_MISPLACED");
}

Test(core_run, what_can_not_be_read_is_put_aside)
{
    begin(CONTEXT_PAYMENTS);
    run("unreadable");
    cr_assert_str_eq(said(), "dead UNREADABLE");
    struct core_input step = read_input("unreadable", 0);
    step.source = CAUSE_STEPS;
    step.offset = session.offsets[0][1]++;
    session.offsets[0][0]--;
    run_input(&step);
    cr_assert_str_eq(said(), "dead UNREADABLE");
    close_batch();
    cr_assert_eq(session.total.counts[RECEIPT_DEAD_LETTERED], 2);
    cr_assert_eq(last_event()->receipt.commands_next, 1);
    cr_assert_eq(last_event()->receipt.steps_next, 1);
}

/* ---- the sentences of refusals ---- */

static const char *message_of(const struct core_input *input)
{
    run_input(input);
    said();
    cr_assert_eq(last_event()->body, EVENT_BODY_REJECTED);
    struct text message = last_event()->rejected.message;
    return ol_arena_copy(&session.arena, message.data, message.bytes);
}

Test(core_run, a_refusal_says_the_line_and_what_it_is_about)
{
    static const struct row rows[] = {
        {"place p1 o anna s:1:5 t:0:5", "line 2 (t): a quantity must be 1 or more"},
        {"place p2 o anna s:1:5 t:1:5 s:1:5",
         "line 3 (s): a SKU may stand in one line of an order only; add up the quantities"},
        {"place p3 o anna :1:5",
         "line 1: an id is empty, longer than 128 bytes, or holds what nobody sees"},
        {"cancel c o", "o: there is no order with this id"},
    };
    begin(CONTEXT_ORDERS);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct core_input input = read_input(rows[i].when, 0);
        cr_assert_str_eq(message_of(&input), rows[i].then);
    }
    run("cancel c2 o");
    struct core_input reused = read_input("place c2 o anna s:1:5", 0);
    cr_assert_str_eq(message_of(&reused),
                     "the command id was used before with another body; use a new id");
}

Test(core_run, a_refusal_cuts_a_long_subject_between_characters)
{
    enum { HUGE_BYTES = 200000 };
    begin(CONTEXT_ORDERS);
    char *huge = ol_arena_alloc(&session.arena, HUGE_BYTES + 1);
    for (size_t shift = 0; shift < 2; shift++) {
        /* two bytes a character, so that a cut in the middle of one would show */
        memset(huge, 'x', shift);
        for (size_t i = shift; i + 1 < HUGE_BYTES; i += 2)
            memcpy(huge + i, "\xc3\xa9", 2);
        struct order_line line = {{huge, HUGE_BYTES - (uint32_t)(HUGE_BYTES - shift) % 2}, 1, 5, 0};
        struct core_input input = read_input(shift ? "place p1 o anna" : "place p2 o anna", 0);
        input.command.order.lines = &line;
        input.command.order.line_count = 1;
        const char *message = message_of(&input);
        cr_assert_lt(strlen(message), 300u);
        cr_assert(strstr(message, "...): an id is empty"), "%s", message);

        struct bytes wire;
        struct event_message decoded;
        struct ol_error error;
        cr_assert(codec_encode_event(last_event(), &session.arena, &wire));
        cr_assert_eq(codec_decode_event(CONTEXT_ORDERS, wire, &session.arena, &decoded, &error),
                     OL_OK, "%s", error.text);
    }
    struct core_input input = read_input("place p3 o anna s:1:5", 0);
    input.command.order.customer_id = (struct text){huge, 129};
    cr_assert(strstr(message_of(&input), "...: an id is empty"));
}

Test(core_run, a_refund_of_an_unclean_payment_id_is_refused)
{
    char id[ID_BYTES_MAX + 2];
    memset(id, 'p', sizeof id);
    begin(CONTEXT_PAYMENTS);
    for (uint32_t bytes = 0; bytes <= sizeof id; bytes += ID_BYTES_MAX + 1) {
        struct core_input input = read_input(bytes ? "refund x anna o 5" : "refund y anna o 5", 0);
        input.command.payment.payment_id = (struct text){id, bytes};
        cr_assert_str_eq(missing_of(&input, 1),
                         bytes ? "command anna x" : "account anna command anna y");
        run_input(&input);
        cr_assert_str_eq(said(), "no ID_INVALID");
    }
}

/* ---- what follows from an input ---- */

Test(core_run, an_event_names_its_input)
{
    begin(CONTEXT_ORDERS);
    run("cancel c0 o");
    session.now_us = START_US + 77;
    struct core_input input = read_input("place p o anna s:1:5", 0);
    input.command.metadata.actor = TEXT("me");
    input.command.metadata.occurred_at_us = 5;
    input.command.metadata.causation_id = TEXT("click-1");
    run_input(&input);
    const struct event_message *event = last_event();
    cr_assert_eq(event->recorded_at_us, START_US + 77);
    cr_assert_eq(event->cause_source, CAUSE_COMMANDS);
    cr_assert_eq(event->cause_offset, 1);
    cr_assert_eq(event->cause_index, 0);
    cr_assert_eq(event->body_digest, input.command.body_digest);
    cr_assert_eq(event->metadata.occurred_at_us, 5);
    cr_assert(text_equal(event->metadata.command_id, TEXT("p")));
    cr_assert(text_equal(event->metadata.actor, TEXT("me")));
    cr_assert_eq(event->metadata.causation_id.bytes, 0u);
    cr_assert_eq(event->order.deadline_us, START_US + 77 + DEADLINE_US);

    run("reserved o 0");
    cr_assert_eq(last_event()->cause_source, CAUSE_STEPS);
    cr_assert_eq(last_event()->body_digest, 0u);
}

static void expect_asker(struct asker asker, int64_t version, int32_t number)
{
    cr_assert_eq(asker.version, version);
    cr_assert_eq(asker.number, number);
}

Test(core_run, what_a_step_causes_names_the_event_that_asked)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    expect_asker(last_event()->asker, 0, 0);
    expect_asker(last_step()->asker, 1, 1);
    struct core_input reply = read_input("reserved o 0", 0);
    reply.step.asker = (struct asker){1, 1};
    run_input(&reply);
    expect_asker(last_event()->asker, 1, 1);
    expect_asker(last_step()->asker, 2, 1);

    begin(CONTEXT_INVENTORY);
    struct core_input asked = read_input("reserve o/1/2 o s:1", 0);
    asked.step.asker = (struct asker){1, 2};
    run_input(&asked);
    expect_asker(last_event()->asker, 1, 2);
    cr_assert_eq(last_step()->context, CONTEXT_ORDERS);
    expect_asker(last_step()->asker, 1, 2);
}

Test(core_run, a_step_names_its_cause_and_who_began)
{
    /* given a command with and without a correlation id; then what the step carries */
    static const struct {
        const char *correlation, *then;
    } rows[] = {
        {"", "p"},
        {"cart-7", "cart-7"},
    };
    for (size_t i = 0; i < 2; i++) {
        begin(CONTEXT_ORDERS);
        struct core_input input = read_input("place p o anna s:1:5", 0);
        input.command.metadata.correlation_id = text_of(rows[i].correlation);
        input.command.metadata.traceparent = TEXT("00-1");
        run_input(&input);
        const struct metadata *metadata = &last_step()->metadata;
        cr_assert(text_equal(metadata->command_id, TEXT("o/1/1")));
        cr_assert(text_equal(metadata->causation_id, TEXT("p")));
        cr_assert(text_equal(metadata->correlation_id, text_of(rows[i].then)));
        cr_assert(text_equal(metadata->traceparent, TEXT("00-1")));
        cr_assert(text_equal(last_event()->metadata.traceparent, TEXT("00-1")));
        cr_assert_eq(metadata->occurred_at_us, TIME_NONE);
    }
    begin(CONTEXT_INVENTORY);
    run("release o/2/1 o");
    const struct metadata *reply = &last_step()->metadata;
    cr_assert(text_equal(reply->command_id, TEXT("o/2/1/r")));
    cr_assert(text_equal(reply->causation_id, TEXT("o/2/1")));
    cr_assert(text_equal(reply->correlation_id, TEXT("corr")));
}

/* The core's step, through the codec; what it holds must come back whole. */
static struct step_message over_the_wire(const struct step_message *step)
{
    struct bytes wire;
    struct step_message back = {.context = CONTEXT_COUNT};
    struct ol_error error;
    cr_assert(codec_encode_step(step, &session.arena, &wire));
    cr_assert_eq(codec_decode_step(step->context, wire, &session.wire, &back, &error), OL_OK, "%s",
                 error.text);
    cr_assert(text_equal(back.metadata.command_id, step->metadata.command_id));
    cr_assert(text_equal(back.metadata.causation_id, step->metadata.causation_id));
    return back;
}

static void event_over_the_wire(const struct event_message *event)
{
    struct bytes wire;
    struct event_message back;
    struct ol_error error;
    cr_assert(codec_encode_event(event, &session.arena, &wire));
    cr_assert_eq(codec_decode_event(event->context, wire, &session.arena, &back, &error), OL_OK,
                 "%s", error.text);
    cr_assert(text_equal(back.metadata.command_id, event->metadata.command_id));
}

static void check_derived_ids(const char *order_id)
{
    char line[600];
    begin(CONTEXT_ORDERS);
    snprintf(line, sizeof line, "place %s %s anna s:1:5", order_id, order_id);
    run(line);
    event_over_the_wire(last_event());
    struct step_message reserve = over_the_wire(last_step());

    begin(CONTEXT_INVENTORY);
    struct core_input input = read_input("release x x", 0);
    input.step = reserve;
    run_input(&input);
    event_over_the_wire(last_event());
    struct step_message refused = over_the_wire(last_step());

    begin(CONTEXT_ORDERS);
    run(line);
    input = read_input("released x 0", 0);
    input.step = refused;
    run_input(&input);
    event_over_the_wire(last_event());
    said();

    begin(CONTEXT_ORDERS);
    run(line);
    size_t proposed;
    cr_assert(core_propose_timeouts(session.core, START_US + DEADLINE_US, 1, 1, &session.arena,
                                    &session.sink, &proposed));
    input.step = over_the_wire(last_step());
    session.now_us = input.at_us = START_US + DEADLINE_US;
    input.offset = 0;
    run_input(&input);
    event_over_the_wire(last_event());
    over_the_wire(last_step());
}

Test(core_run, derived_ids_survive_the_wire_however_long_the_orders_is)
{
    for (size_t bytes = 1; bytes <= ID_BYTES_MAX; bytes++) {
        char order_id[ID_BYTES_MAX + 1] = "";
        for (size_t i = 0; i + 2 <= bytes; i += 2)
            memcpy(order_id + i, "\xc3\xb8", 2);
        memset(order_id + bytes / 2 * 2, 'o', bytes % 2);
        check_derived_ids(order_id);
    }
}

Test(core_run, derived_ids_of_long_orders_differ)
{
    char line[2][300];
    struct text ids[2];
    begin(CONTEXT_ORDERS);
    for (int i = 0; i < 2; i++) {
        snprintf(line[i], sizeof line[i], "place p %0127d%d anna s:1:5", 0, i);
        run(line[i]);
        ids[i] = last_step()->metadata.command_id;
        cr_assert_leq(ids[i].bytes + 2, ID_BYTES_MAX);
    }
    cr_assert_not(text_equal(ids[0], ids[1]));
}

Test(core_run, the_steps_of_an_order_of_many_groups_are_numbered)
{
    char line[256], expected[32];
    int used = snprintf(line, sizeof line, "place p o anna");
    begin_with(CONTEXT_ORDERS, 64);
    for (int i = 0; i < 20; i++)
        used += snprintf(line + used, sizeof line - (size_t)used, " s%d:1:5", i);
    run_on(line, partition_of(TEXT("o"), 64));
    cr_assert_geq(session.step_count, 10u);
    snprintf(expected, sizeof expected, "o/1/%zu", session.step_count);
    cr_assert(text_equal(last_step()->metadata.command_id, text_of(expected)));
}

Test(core_run, fails_when_the_sink_does)
{
    static const struct {
        enum context context;
        const char *when;
    } rows[] = {
        {CONTEXT_ORDERS, "place p o anna s:1:5"}, {CONTEXT_ORDERS, "cancel c o"},
        {CONTEXT_ORDERS, "unreadable"},           {CONTEXT_INVENTORY, "release o/2/1 o"},
        {CONTEXT_PAYMENTS, "open x anna"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].context);
        struct core_input input = read_input(rows[i].when, 0);
        load_missing(&input, 1);
        session.full = true;
        cr_assert_not(core_run(session.core, &input, &session.arena, &session.sink), "row %zu", i);
    }
}

Test(core_run, asserts_that_offsets_rise, .signal = SIGABRT)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("cancel c o", 0);
    run_input(&input);
    run_input(&input);
}
