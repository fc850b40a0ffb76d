/*
 * tools/machines.c - prints docs/machines.md from the domain's tables.
 *
 *   machines               prints
 *   machines --check FILE  exits 1 when FILE is not what it would print
 */
#include "domain/machines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/assert.h"
#include "domain/message.h"

void domain_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

/* ---- names ---- */

static const char *order_event(enum order_event_kind kind)
{
    return event_kind_name(&(struct event_message){
        .context = CONTEXT_ORDERS, .body = EVENT_BODY_DOMAIN, .order.kind = kind});
}

static const char *stock_event(enum inventory_event_kind kind)
{
    return event_kind_name(&(struct event_message){
        .context = CONTEXT_INVENTORY, .body = EVENT_BODY_DOMAIN, .inventory.kind = kind});
}

static const char *payment_event(enum payment_event_kind kind)
{
    return event_kind_name(&(struct event_message){
        .context = CONTEXT_PAYMENTS, .body = EVENT_BODY_DOMAIN, .payment.kind = kind});
}

static const char *order_step(enum order_step_kind kind)
{
    return step_kind_name(&(struct step_message){.context = CONTEXT_ORDERS, .order.kind = kind});
}

static const char *stock_step(enum inventory_step_kind kind)
{
    return step_kind_name(
        &(struct step_message){.context = CONTEXT_INVENTORY, .inventory.kind = kind});
}

static const char *payment_step(enum payment_step_kind kind)
{
    return step_kind_name(
        &(struct step_message){.context = CONTEXT_PAYMENTS, .payment.kind = kind});
}

/* A step of the part's target, by its number. */
static const char *part_step(const struct checkout_part *part, int kind)
{
    return part->target == STEP_TO_PAYMENTS ? payment_step((enum payment_step_kind)kind)
                                            : stock_step((enum inventory_step_kind)kind);
}

static const char *or_dash(const char *name)
{
    return *name ? name : "-";
}

/* ---- the order ---- */

/* One arrow, or two where it matters whether something is still missing. An event that leaves the
 * state as it is gets none: `from` to `from` says nothing. */
static void print_arrows(FILE *out, const char *from, const char *event, const char *more,
                         const char *last)
{
    bool both = *more && *last && strcmp(more, last) != 0;
    if (*more && strcmp(more, from) != 0)
        fprintf(out, "    %s --> %s: %s%s\n", *from ? from : "[*]", more, event,
                both ? " (answers missing)" : "");
    if (*last && strcmp(last, from) != 0 && (both || !*more))
        fprintf(out, "    %s --> %s: %s%s\n", *from ? from : "[*]", last, event,
                *more ? " (none missing)" : "");
}

static void print_order_status(FILE *out)
{
    fputs("## Order: status\n\n```mermaid\nstateDiagram-v2\n", out);
    for (int from = 0; from < ORDER_STATUS_COUNT; from++)
        for (int event = 1; event < ORDER_EVENT_KIND_COUNT; event++) {
            const struct order_status_cell *cell = &order_status_cells[from][event];
            print_arrows(out, order_status_name((enum order_status)from),
                         order_event((enum order_event_kind)event), order_status_name(cell->more),
                         order_status_name(cell->last));
        }
    fputs("```\n\n", out);
}

static void print_saga_state(FILE *out)
{
    fputs("## Order: saga state\n\n```mermaid\nstateDiagram-v2\n", out);
    for (int from = 0; from < SAGA_STATE_COUNT; from++)
        for (int event = 1; event < ORDER_EVENT_KIND_COUNT; event++) {
            const struct saga_state_cell *cell = &saga_state_cells[from][event];
            print_arrows(out, saga_state_name((enum saga_state)from),
                         order_event((enum order_event_kind)event), saga_state_name(cell->more),
                         saga_state_name(cell->last));
        }
    fputs("    done --> [*]\n    undone --> [*]\n```\n\n", out);
}

/* "OrderCancelled or OrderPaymentOverdue", until the next call. */
static const char *rule_events(enum order_rule rule)
{
    static char words[100];
    const char *other = order_event(order_rule_other_event(rule));
    snprintf(words, sizeof words, "%s%s%s", or_dash(order_event(order_rule_event(rule))),
             *other ? " or " : "", other);
    return words;
}

static void print_order_rules(FILE *out)
{
    fputs("## Order: what a step leads to, by the saga's state\n\n| step |", out);
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
        fprintf(out, " %s |", saga ? saga_state_name((enum saga_state)saga) : "(no order)");
    fputs("\n| --- |", out);
    for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
        fputs(" --- |", out);
    for (int kind = 1; kind < ORDER_STEP_KIND_COUNT; kind++) {
        fprintf(out, "\n| %s |", order_step((enum order_step_kind)kind));
        for (int saga = 0; saga < SAGA_STATE_COUNT; saga++)
            fprintf(out, " %s |", rule_events(order_rules[saga][kind]));
    }
    fputs("\n\n`-` has nothing to say any more: doubled or late. A named event is said only if the "
          "group or the payment is\nstill waited for, or the deadline is the saga's and has "
          "come.\n\n",
          out);
}

static void print_order_rule_sentences(FILE *out)
{
    fputs("| event | in words |\n| --- | --- |\n", out);
    for (int rule = ORDER_RULE_IGNORE; rule < ORDER_RULE_COUNT; rule++)
        fprintf(out, "| %s | %s |\n", rule_events((enum order_rule)rule),
                order_rule_sentence((enum order_rule)rule));
    fputs("\n", out);
}

static void print_cancel_rules(FILE *out)
{
    fputs("## Order: what a cancel is answered\n\n"
          "| status | answer | in words |\n| --- | --- | --- |\n",
          out);
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        enum refusal_code code = order_cancel_rule((enum order_status)status);
        fprintf(out, "| %s | %s | %s |\n",
                status ? order_status_name((enum order_status)status) : "(no order)",
                code ? refusal_name(code) : order_event(ORDER_CANCELLED),
                code ? refusal_sentence(code) : "all that was asked is undone");
    }
    fputs("\n", out);
}

/* ---- the saga ---- */

static void print_checkout(FILE *out)
{
    static const char *const actions[CHECKOUT_ACTION_COUNT] = {"", "ask", "undo", "complete"};
    static const char *const rows[PAYMENT_ROW_COUNT] = {
        "all", [PAYMENT_ROW_CHARGE] = "charged", [PAYMENT_ROW_AUTHORISE] = "authorised"};
    fputs("## Checkout: the saga's parts\n\n"
          "| part | of orders that are | ask | done | failed | undo | undone | complete |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
          out);
    for (size_t i = 0; i < CHECKOUT_PART_COUNT; i++) {
        const struct checkout_part *part = &checkout_parts[i];
        fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", part->name, rows[part->row],
                part_step(part, part->ask), order_step(part->done), order_step(part->failed),
                part_step(part, part->undo), order_step(part->undone),
                or_dash(part_step(part, part->complete)));
    }
    fputs("\n| after | part | of orders that are | action | in words |\n"
          "| --- | --- | --- | --- | --- |\n",
          out);
    for (size_t i = 0; i < CHECKOUT_MOVE_COUNT; i++)
        fprintf(out, "| %s | %s | %s | %s | %s |\n", order_event(checkout_moves[i].event),
                checkout_parts[checkout_moves[i].part].name,
                rows[checkout_parts[checkout_moves[i].part].row], actions[checkout_moves[i].action],
                checkout_moves[i].sentence);
    fputs("\n", out);
}

/* ---- those who answer ---- */

static void print_reservation(FILE *out)
{
    fputs("## Reservation: what a step leads to\n\n| status | ReserveStock | ReleaseStock |\n"
          "| --- | --- | --- |\n",
          out);
    for (int status = 0; status < RESERVATION_STATUS_COUNT; status++) {
        fprintf(out, "| %s |",
                status ? reservation_status_name((enum reservation_status)status) : "(none)");
        for (int kind = 1; kind < INVENTORY_STEP_KIND_COUNT; kind++) {
            const struct stock_cell *cell = &stock_cells[status][kind];
            fprintf(out, " %s%s%s |", cell->nothing_to_say ? "-" : stock_event(cell->yes),
                    cell->yes && cell->no ? " or " : "", stock_event(cell->no));
        }
        fputs("\n", out);
    }
    fputs("\n| status | step | in words |\n| --- | --- | --- |\n", out);
    for (int status = 0; status < RESERVATION_STATUS_COUNT; status++)
        for (int kind = 1; kind < INVENTORY_STEP_KIND_COUNT; kind++)
            fprintf(out, "| %s | %s | %s |\n",
                    status ? reservation_status_name((enum reservation_status)status) : "(none)",
                    stock_step((enum inventory_step_kind)kind), stock_cells[status][kind].sentence);
    fputs("\n", out);
}

static void print_payment(FILE *out)
{
    fputs("## Payment: what a step leads to\n\n"
          "| status |",
          out);
    for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++)
        fprintf(out, " %s |", payment_step((enum payment_step_kind)kind));
    fputs("\n| --- |", out);
    for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++)
        fputs(" --- |", out);
    fputs("\n", out);
    for (int status = 0; status < PAYMENT_STATUS_COUNT; status++) {
        fprintf(out, "| %s |",
                status ? payment_status_name((enum payment_status)status) : "(none)");
        for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++) {
            const struct payment_cell *cell = &payment_cells[status][kind];
            fprintf(out, " %s%s%s |", cell->nothing_to_say ? "-" : payment_event(cell->yes),
                    cell->yes && cell->no ? " or " : "", payment_event(cell->no));
        }
        fputs("\n", out);
    }
    fputs("\n`-` changes nothing; the reply comes from the state as it stands.\n\n"
          "| status | step | in words |\n| --- | --- | --- |\n",
          out);
    for (int status = 0; status < PAYMENT_STATUS_COUNT; status++)
        for (int kind = 1; kind < PAYMENT_STEP_KIND_COUNT; kind++)
            fprintf(out, "| %s | %s | %s |\n",
                    status ? payment_status_name((enum payment_status)status) : "(none)",
                    payment_step((enum payment_step_kind)kind),
                    payment_cells[status][kind].sentence);
    fputs("\n", out);
}

/* ---- commands ---- */

static void print_command_rules(FILE *out)
{
    fputs("## Product and wallet: what an accepted command does\n\n"
          "| command | in words |\n| --- | --- |\n",
          out);
    for (int kind = 1; kind < INVENTORY_COMMAND_KIND_COUNT; kind++) {
        struct command command = {.context = CONTEXT_INVENTORY};
        command.inventory.kind = (enum inventory_command_kind)kind;
        fprintf(out, "| %s | %s |\n", command_kind_name(&command),
                product_rule_sentence(command.inventory.kind));
    }
    for (int kind = 1; kind < PAYMENT_COMMAND_KIND_COUNT; kind++) {
        struct command command = {.context = CONTEXT_PAYMENTS};
        command.payment.kind = (enum payment_command_kind)kind;
        fprintf(out, "| %s | %s |\n", command_kind_name(&command),
                account_rule_sentence(command.payment.kind));
    }
    fputs("\n", out);
}

static void print_ledger(FILE *out)
{
    fputs("## Ledger: what moves where\n\n| event | from | to |\n| --- | --- | --- |\n", out);
    for (int kind = 1; kind < PAYMENT_EVENT_KIND_COUNT; kind++) {
        enum ledger_account debit = LEDGER_NOTHING, credit = LEDGER_NOTHING;
        struct payment_event event = {.kind = (enum payment_event_kind)kind, .amount_minor = 1};
        account_legs(&event, &debit, &credit);
        fprintf(out, "| %s | %s | %s |\n", payment_event(event.kind),
                or_dash(ledger_account_name(debit)), or_dash(ledger_account_name(credit)));
    }
}

static void print_all(FILE *out)
{
    fputs(
        "# The state machines\n\n"
        "Printed by `tools/machines` from the tables in `domain/`; a test fails when this page is "
        "stale. The rules\nbehind them: [order.md](order.md). An event that leaves a state as it "
        "is "
        "has no arrow.\n\n",
        out);
    print_order_status(out);
    print_saga_state(out);
    print_order_rules(out);
    print_order_rule_sentences(out);
    print_cancel_rules(out);
    print_checkout(out);
    print_reservation(out);
    print_payment(out);
    print_command_rules(out);
    print_ledger(out);
}

static int check(const char *path)
{
    char *wanted = NULL;
    size_t wanted_bytes = 0;
    FILE *memory = open_memstream(&wanted, &wanted_bytes);
    if (!memory)
        return 1;
    print_all(memory);
    fclose(memory);

    FILE *file = fopen(path, "r");
    char *found = malloc(wanted_bytes + 1);
    size_t bytes = file && found ? fread(found, 1, wanted_bytes + 1, file) : 0;
    bool fresh = found && bytes == wanted_bytes && memcmp(found, wanted, bytes) == 0;
    if (file)
        fclose(file);
    free(found);
    free(wanted);
    if (!fresh)
        fprintf(stderr, "%s is stale: print it anew with tools/machines\n", path);
    return fresh ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check(argv[2]);
    if (argc != 1) {
        fputs("usage: machines [--check FILE]\n", stderr);
        return 2;
    }
    print_all(stdout);
    return 0;
}
