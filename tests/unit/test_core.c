/*
 * tests/unit/test_core.c - sessions of one context's core: what comes in, and what goes out.
 *
 * How a session is written down: core_session.h.
 */
#include "domain/partition.h"
#include "proto/codec.h"
#include "tests/unit/core_session.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

TestSuite(core_lacks, .fini = tear_down);
TestSuite(core_run, .fini = tear_down);
TestSuite(core_close, .fini = tear_down);
TestSuite(core_propose_timeouts, .fini = tear_down);
TestSuite(core_replay, .fini = tear_down);

/* ---- which states an input needs ---- */

Test(core_lacks, names_each_inputs_states)
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
        cr_assert_str_eq(lacks_of(&input, 1), rows[i].row.then, "row %zu", i);
        load_lacking(&input, 1);
        cr_assert_str_eq(lacks_of(&input, 1), "", "row %zu: once here, nothing lacks", i);
    }
}

Test(core_lacks, names_a_state_once_and_in_order)
{
    begin(CONTEXT_ORDERS);
    struct core_input inputs[] = {
        read_input("place p2 o anna s:1:5", 0),
        read_input("reserved n 0", 0),
        read_input("place p1 o anna s:1:5", 0),
        read_input("place p2 o anna s:1:5", 0),
    };
    cr_assert_str_eq(lacks_of(inputs, 4), "order n order o command o p1 command o p2");
}

Test(core_lacks, names_as_many_states_as_there_are)
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
    cr_assert(core_lacks(session.core, inputs, MANY, &session.arena, &keys, &count));
    cr_assert_eq(count, 2u * MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "o-%03d", i);
        cr_assert_eq(keys[i].kind, ENTITY_ORDER);
        cr_assert(text_equal(keys[i].id, text_of(line)), "%s", line);
        cr_assert_eq(keys[MANY + i].kind, ENTITY_COMMAND);
        cr_assert(text_equal(keys[MANY + i].id, text_of(line)), "%s", line);
    }
}

Test(core_lacks, a_text_fault_needs_the_command_alone)
{
    begin(CONTEXT_ORDERS);
    struct core_input input = read_input("place p o anna s:1:5", 0);
    input.command.refused.code = REFUSED_TEXT_NOT_UTF8;
    cr_assert_str_eq(lacks_of(&input, 1), "command o p");
}

Test(core_lacks, nothing_for_what_is_on_the_wrong_partition)
{
    int32_t elsewhere = (partition_of(TEXT("o"), 4) + 1) % 4;
    begin_with(CONTEXT_ORDERS, 4);
    struct core_input command = read_input("cancel c o", elsewhere);
    struct core_input step = read_input("reserved o 0", elsewhere);
    cr_assert_str_eq(lacks_of(&command, 1), "");
    cr_assert_str_eq(lacks_of(&step, 1), "");
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

Test(core_lacks, a_release_takes_two_rounds)
{
    begin(CONTEXT_INVENTORY);
    know_held();
    struct core_input inputs[] = {
        read_input("release o/4/1 o", 0),
        read_input("release n/4/1 n", 0),
    };
    cr_assert_str_eq(lacks_of(inputs, 2), "reservation n reservation o");
    load((struct entity_key[]){{ENTITY_RESERVATION, 0, TEXT("n"), {0}},
                               {ENTITY_RESERVATION, 0, TEXT("o"), {0}}},
         2);
    cr_assert_str_eq(lacks_of(inputs, 2), "product r product s");
    cr_assert_eq(load_lacking(inputs, 2), 1u);
    run_input(&inputs[0]);
    cr_assert_str_eq(said(), "StockReleased [StockReleasedReply o/4/1/r orders/0]");
    run_input(&inputs[1]);
    cr_assert_str_eq(said(), "StockReleased [StockReleasedReply n/4/1/r orders/0]");
}

Test(core_lacks, a_release_behind_its_reserve_in_one_batch_finds_all)
{
    begin(CONTEXT_INVENTORY);
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("s"), {0}},
         (struct entity){.product = {1, true, {"PLN"}, 5, 0, 0}});
    struct core_input inputs[] = {
        read_input("reserve o/1/1 o s:2", 0),
        read_input("release o/2/1 o", 0),
    };
    cr_assert_eq(load_lacking(inputs, 2), 1u);
    for (int i = 0; i < 2; i++)
        cr_assert(core_run(session.core, &inputs[i], &session.arena, &session.sink));
    cr_assert_str_eq(said(), "StockReserved [StockReservedReply o/1/1/r orders/0] "
                             "StockReleased [StockReleasedReply o/2/1/r orders/0]");
}

/* ---- whole sessions ---- */

Test(core_run, an_order_that_is_confirmed)
{
    begin(CONTEXT_ORDERS);
    WALK({"place p o anna s:2:50", "OrderPlaced [ReserveStock o/1/1 inventory/0]"},
         {"reserved o 0", "OrderStockReserved [AuthorisePayment o/2/1 payments/0]"},
         {"authorised o", "OrderConfirmed [CapturePayment o/3/1 payments/0]"},
         {"cancel c o", "no ORDER_IS_CONFIRMED"}, {"reserved o 0", "-"}, {"timeout o 5", "-"});
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
         {"reserved o 0", "OrderStockReserved [AuthorisePayment o/2/1 payments/0]"},
         {"cancel c o",
          "OrderCancelled [ReleaseStock o/3/1 inventory/0] [VoidPayment o/3/2 payments/0]"},
         {"authorised o", "-"}, {"voided o", "OrderPaymentVoided"},
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
    cr_assert_eq(session.total.dead_lettered, 1);
    cr_assert_eq(session.total.passed_on, 0);
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
    cr_assert_eq(session.total.dead_lettered, 2);
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
         "line 1: an id is empty, longer than 128 bytes, or holds control characters"},
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
        cr_assert_str_eq(lacks_of(&input, 1),
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
        load_lacking(&input, 1);
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

/* ---- receipts ---- */

/* Of four partitions, where these two orders live. */
#define A partition_of(TEXT("a"), 4)
#define C partition_of(TEXT("c"), 4)

Test(core_close, a_receipt_says_from_where_to_where_and_what_became_of_it)
{
    begin(CONTEXT_ORDERS);
    session.offsets[0][0] = 3; /* 0 to 2: markers */
    run("place p o anna s:1:5");
    run("place p o anna s:1:5");
    run("cancel c x");
    run("reserved o 0");
    run("reserved o 0");
    run("unreadable");
    cr_assert_eq(close_batch(), 1u);
    const struct event_message *event = last_event();
    cr_assert_eq(event->body, EVENT_BODY_RECEIPT);
    cr_assert_eq(event->metadata.command_id.bytes, 0u);
    cr_assert_eq(event->recorded_at_us, START_US);
    struct receipt expected = {
        0, 7, 0, 2, .decided = 2, .refused = 1, .repeated = 1, .ignored = 1, .dead_lettered = 1};
    cr_assert_eq(memcmp(&event->receipt, &expected, sizeof expected), 0);
    cr_assert_eq(memcmp(core_receipt(session.core, 0), &expected, sizeof expected), 0);
    cr_assert_eq(session.closed[0].partition, 0);
    cr_assert_eq(session.closed[0].commands_next, 7);
    cr_assert_eq(session.closed[0].steps_next, 2);
    cr_assert_eq(session.total.decided, 2);
    cr_assert_eq(session.total.dead_lettered, 1);
}

Test(core_close, receipts_chain)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    close_batch();
    session.offsets[0][0] += 5; /* markers between */
    run("cancel c o");
    run("released o 0");
    close_batch();
    struct receipt expected = {1, 7, 0, 1, .decided = 2};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
    run("released o 0");
    close_batch();
    expected = (struct receipt){7, 7, 1, 2, .ignored = 1};
    cr_assert_eq(memcmp(&last_event()->receipt, &expected, sizeof expected), 0);
}

Test(core_close, is_for_partitions_that_had_inputs)
{
    begin_with(CONTEXT_ORDERS, 4);
    cr_assert_neq(A, C);
    cr_assert_eq(close_batch(), 0u);
    cr_assert_eq(session.event_count, 0u);
    run_on("cancel c a", A);
    run_on("cancel c c", C);
    run_on("cancel d c", C);
    cr_assert_eq(close_batch(), 2u);
    cr_assert_eq(session.event_count, 5u);
    cr_assert_eq(core_receipt(session.core, A)->commands_next, 1);
    cr_assert_eq(core_receipt(session.core, C)->commands_next, 2);
    cr_assert_eq(session.total.refused, 3);
    cr_assert_eq(close_batch(), 0u);
}

Test(core_close, is_for_partitions_that_are_owned)
{
    begin_with(CONTEXT_ORDERS, 4);
    core_clear(session.core);
    core_partition_begin(session.core, C, NULL);
    core_partition_bootstrap(session.core, C, 0, 0);
    run_on("cancel c c", C);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.closed[0].partition, C);
    cr_assert_eq(session.total.refused, 1);
}

Test(core_close, a_passed_on_command_counts_where_it_was_taken)
{
    int32_t wrong = (partition_of(TEXT("o"), 4) + 1) % 4;
    begin_with(CONTEXT_ORDERS, 4);
    run_on("cancel c o", wrong);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.closed[0].partition, wrong);
    cr_assert_eq(session.total.passed_on, 1);
}

/* ---- timeouts ---- */

static size_t propose(int64_t now_us, uint64_t partitions, size_t max)
{
    size_t count;
    cr_assert(core_propose_timeouts(session.core, now_us, partitions, max, &session.arena,
                                    &session.sink, &count));
    return count;
}

#define DUE_US (START_US + DEADLINE_US)

Test(core_propose_timeouts, proposes_what_is_due_and_puts_it_off)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    said();
    cr_assert_eq(propose(DUE_US - 1, 1, 10), 0u);
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
    cr_assert_str_eq(said(), "[OrderTimeout o/t/61000000 orders/0]");
    cr_assert_eq(last_step()->order.deadline_us, DUE_US);
    cr_assert_eq(propose(DUE_US + TIMEOUT_PROPOSAL_US - 1, 1, 10), 0u);
    cr_assert_eq(propose(DUE_US + TIMEOUT_PROPOSAL_US, 1, 10), 1u, "should it have got lost");
}

Test(core_propose_timeouts, writes_offsets_and_no_receipt)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    close_batch();
    size_t events = session.event_count;
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
    cr_assert_eq(close_batch(), 1u);
    cr_assert_eq(session.event_count, events);
    cr_assert_eq(session.closed[0].commands_next, 1);
    cr_assert_eq(session.closed[0].steps_next, 0);
    cr_assert_eq(session.total.decided, 0);
    cr_assert_eq(close_batch(), 0u);
}

Test(core_propose_timeouts, only_where_all_steps_are_taken)
{
    begin_with(CONTEXT_ORDERS, 4);
    run_on("place p a anna s:1:5", A);
    run_on("place p c anna s:1:5", C);
    cr_assert_eq(propose(DUE_US, UINT64_C(1) << C, 10), 1u);
    cr_assert(text_equal(last_step()->order.order_id, TEXT("c")));
    cr_assert_eq(propose(DUE_US, UINT64_C(1) << A, 10), 0u, "a busy partition waits a while");
    cr_assert_eq(propose(DUE_US + TIMEOUT_RETRY_US, UINT64_C(1) << A, 10), 1u);
    cr_assert(text_equal(last_step()->order.order_id, TEXT("a")));
}

Test(core_propose_timeouts, at_most_so_many_at_once)
{
    begin(CONTEXT_ORDERS);
    for (int i = 0; i < 10; i++) {
        char line[64];
        snprintf(line, sizeof line, "place p o-%d anna s:1:5", i);
        run(line);
    }
    cr_assert_eq(propose(DUE_US, 1, 4), 4u);
    cr_assert_eq(propose(DUE_US, 1, 4), 4u);
    cr_assert_eq(propose(DUE_US, 1, 4), 2u);
    cr_assert_eq(propose(DUE_US, 1, 4), 0u);
}

Test(core_propose_timeouts, fails_when_the_sink_does_and_proposes_again)
{
    size_t count;
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    session.full = true;
    cr_assert_not(
        core_propose_timeouts(session.core, DUE_US, 1, 10, &session.arena, &session.sink, &count));
    cr_assert_eq(count, 0u);
    session.full = false;
    cr_assert_eq(propose(DUE_US, 1, 10), 1u);
}

Test(core_propose_timeouts, follows_the_saga)
{
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    run("timeout o 61000000");
    cr_assert_eq(deadlines_first(core_deadlines(session.core))->deadline_us, DUE_US,
                 "not due yet by the broker's time");
    said();
    session.now_us = DUE_US;
    run("timeout o 61000000");
    cr_assert_str_eq(said(), "OrderCancelled [ReleaseStock o/2/1 inventory/0]");
    cr_assert_eq(deadlines_first(core_deadlines(session.core))->deadline_us, DUE_US + DEADLINE_US,
                 "the undo has a deadline of its own");
    run("released o 0");
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 0u);
}

/* ---- taking over ---- */

/* ends: where it takes commands from and to, then steps. */
static enum ol_class replay_receipt(const int64_t ends[4], struct ol_error *reterr)
{
    struct event_message event = {.context = session.settings.context,
                                  .body = EVENT_BODY_RECEIPT,
                                  .receipt = {.commands_first = ends[0],
                                              .commands_next = ends[1],
                                              .steps_first = ends[2],
                                              .steps_next = ends[3]}};
    return core_replay(session.core, &event, 0, 0, reterr);
}

Test(core_replay, receipts_must_chain)
{
    static const struct receipt projected = {3, 5, 2, 2, .decided = 2};
    static const struct {
        const struct receipt *known;
        int64_t receipt[4];
        enum ol_class class;
    } rows[] = {
        {&projected, {5, 9, 2, 4}, OL_OK},
        {&projected, {4, 9, 2, 4}, OL_VIOLATED},
        {&projected, {6, 9, 2, 4}, OL_VIOLATED},
        {&projected, {5, 9, 1, 4}, OL_VIOLATED},
        {&projected, {3, 5, 2, 2}, OL_OK}, /* known already */
        {NULL, {7, 9, 8, 10}, OL_OK},      /* the first counts whatever it says */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ol_error error = {0};
        begin(CONTEXT_ORDERS);
        core_clear(session.core);
        core_partition_begin(session.core, 0, rows[i].known);
        cr_assert_eq(core_receipt(session.core, 0)->commands_next, rows[i].known ? 5 : -1);
        cr_assert_eq(replay_receipt(rows[i].receipt, &error), rows[i].class, "row %zu", i);
        int64_t next = rows[i].class == OL_OK ? rows[i].receipt[1] : 5;
        cr_assert_eq(core_receipt(session.core, 0)->commands_next, next, "row %zu", i);
        if (rows[i].class)
            cr_assert(strstr(error.text, "missing or doubled"), "%s", error.text);
    }
}

Test(core_replay, the_next_batch_goes_on_where_the_log_ends)
{
    struct ol_error error;
    begin(CONTEXT_ORDERS);
    core_clear(session.core);
    core_partition_begin(session.core, 0, NULL);
    cr_assert_eq(replay_receipt((int64_t[]){0, 9, 0, 4}, &error), OL_OK);
    session.offsets[0][0] = 10;
    run("cancel c o");
    close_batch();
    cr_assert_eq(last_event()->receipt.commands_first, 9);
    cr_assert_eq(last_event()->receipt.commands_next, 11);
    cr_assert_eq(last_event()->receipt.steps_first, 4);
    cr_assert_eq(last_event()->receipt.steps_next, 4);
}

/* Decides, then takes over with another core: through the log alone. */
Test(core_replay, brings_states_and_deadlines_back)
{
    struct ol_error error;
    struct entity_key *keys = NULL;
    size_t key_count = 0, capacity = 0;
    begin(CONTEXT_ORDERS);
    run("place p o anna s:1:5");
    run("place p n anna s:1:0");
    run("reserved n 0");
    run("cancel c x");
    close_batch();
    struct event_message log[KEPT_MAX];
    size_t count = session.event_count;
    memcpy(log, session.events, sizeof log);

    core_clear(session.core);
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 0u);
    core_partition_begin(session.core, 0, NULL);
    cr_assert(core_deadline(session.core, 0, TEXT("n"), DUE_US)); /* as the projection knew it */
    for (size_t i = 0; i < count; i++)
        cr_assert(core_lacks_for_event(session.core, &log[i], 0, &session.arena, &keys, &key_count,
                                       &capacity));
    key_count = core_keys_unique(keys, key_count);
    cr_assert_eq(key_count, 5u, "two orders, three commands");
    load(keys, key_count);
    for (size_t i = 0; i < count; i++)
        cr_assert(core_lacks_for_event(session.core, &log[i], 0, &session.arena, &keys, &key_count,
                                       &capacity));
    cr_assert_eq(key_count, 5u, "once here, nothing lacks");
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(core_replay(session.core, &log[i], 0, (int64_t)i, &error), OL_OK);
    cr_assert_eq(deadlines_count(core_deadlines(session.core)), 1u);
    cr_assert(text_equal(deadlines_first(core_deadlines(session.core))->order_id, TEXT("o")));
    said();
    WALK({"place p o anna s:1:5", "again ACCEPTED"},
         {"reserved o 0", "OrderStockReserved [AuthorisePayment o/2/1 payments/0]"},
         {"cancel c x", "again ORDER_UNKNOWN"}, {"cancel c n", "no ORDER_IS_CONFIRMED"});
}

Test(core_replay, passes_over_what_the_loaded_states_have_folded)
{
    struct ol_error error;
    begin(CONTEXT_INVENTORY);
    run("add a s");
    run("increase i s 5");
    run("increase j s 2");
    struct event_message log[KEPT_MAX];
    memcpy(log, session.events, sizeof log);

    core_clear(session.core);
    core_partition_begin(session.core, 0, NULL);
    session.next_offset = 2; /* the projection has come to the second increase */
    know((struct entity_key){ENTITY_PRODUCT, 0, TEXT("s"), {0}},
         (struct entity){.product = {2, true, {"PLN"}, 5, 0, 0}});
    know((struct entity_key){ENTITY_COMMAND, 0, TEXT("s"), TEXT("i")},
         (struct entity){.command = {OUTCOME_ACCEPTED, ACCEPTED, 1}});
    load((struct entity_key[]){{ENTITY_PRODUCT, 0, TEXT("s"), {0}},
                               {ENTITY_COMMAND, 0, TEXT("s"), TEXT("i")},
                               {ENTITY_COMMAND, 0, TEXT("s"), TEXT("j")}},
         3);
    for (size_t i = 1; i < 3; i++)
        cr_assert_eq(core_replay(session.core, &log[i], 0, (int64_t)i, &error), OL_OK);
    struct entity_key key = {ENTITY_PRODUCT, 0, TEXT("s"), {0}};
    cr_assert_eq(overlay_get(core_overlay(session.core), &key)->product.on_hand, 7);
    cr_assert_eq(overlay_get(core_overlay(session.core), &key)->product.version, 3);
}
