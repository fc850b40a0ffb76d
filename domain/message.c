#include "domain/message.h"

#include "domain/assert.h"
#include "domain/name.h"

/* As large as the longest enum of kinds, none included. */
union kinds {
    char order_commands[ORDER_COMMAND_KIND_COUNT];
    char order_steps[ORDER_STEP_KIND_COUNT];
    char order_events[ORDER_EVENT_KIND_COUNT];
    char inventory_commands[INVENTORY_COMMAND_KIND_COUNT];
    char inventory_steps[INVENTORY_STEP_KIND_COUNT];
    char inventory_events[INVENTORY_EVENT_KIND_COUNT];
    char payment_commands[PAYMENT_COMMAND_KIND_COUNT];
    char payment_steps[PAYMENT_STEP_KIND_COUNT];
    char payment_events[PAYMENT_EVENT_KIND_COUNT];
};
#define KINDS_MAX sizeof(union kinds)

static const char *const context_names[CONTEXT_COUNT] = {
    [CONTEXT_ORDERS] = "orders",
    [CONTEXT_INVENTORY] = "inventory",
    [CONTEXT_PAYMENTS] = "payments",
};

static const char *const outcome_names[] = {
    [OUTCOME_NONE] = "",
    [OUTCOME_ACCEPTED] = "ACCEPTED",
    [OUTCOME_REJECTED] = "REJECTED",
};
#define OUTCOME_COUNT (sizeof outcome_names / sizeof *outcome_names)

static const char *const command_names[CONTEXT_COUNT][KINDS_MAX] = {
#define COMMAND(context, kind, name, member) [CONTEXT_##context][kind] = #name,
#include "domain/messages.def"
};

static const char *const step_names[CONTEXT_COUNT][KINDS_MAX] = {
#define STEP(context, kind, name, member) [CONTEXT_##context][kind] = #name,
#include "domain/messages.def"
};

static const char *const event_names[CONTEXT_COUNT][KINDS_MAX] = {
#define EVENT(context, kind, name, member) [CONTEXT_##context][kind] = #name,
#include "domain/messages.def"
};

static const char *const row_kinds[CONTEXT_COUNT][KINDS_MAX] = {
    [CONTEXT_ORDERS] = {[ORDER_PLACED] = "PLACE", [ORDER_CANCELLED] = "CANCEL"},
    [CONTEXT_INVENTORY] = {[PRODUCT_ADDED] = "ADD",
                           [PRODUCT_MODIFIED] = "MODIFY",
                           [PRODUCT_DELETED] = "DELETE",
                           [STOCK_INCREASED] = "INCREASE",
                           [STOCK_DECREASED] = "DECREASE"},
    [CONTEXT_PAYMENTS] = {[ACCOUNT_OPENED] = "OPEN",
                          [FUNDS_DEPOSITED] = "DEPOSIT",
                          [FUNDS_WITHDRAWN] = "WITHDRAW",
                          [PAYMENT_REFUNDED] = "REFUND"},
};

static const char *const receipt_names[RECEIPT_COUNTS] = {
    [RECEIPT_DECIDED] = "decided",     [RECEIPT_REFUSED] = "refused",
    [RECEIPT_REPEATED] = "repeated",   [RECEIPT_IGNORED] = "ignored",
    [RECEIPT_PASSED_ON] = "passed_on", [RECEIPT_DEAD_LETTERED] = "dead_lettered",
};

const char *context_name(enum context context)
{
    return name_at(context_names, CONTEXT_COUNT, context);
}

struct text command_aggregate(const struct command *command)
{
    switch (command->context) {
    case CONTEXT_ORDERS: return command->order.order_id;
    case CONTEXT_INVENTORY: return command->inventory.sku;
    case CONTEXT_PAYMENTS: return command->payment.customer_id;
    case CONTEXT_COUNT: break;
    }
    domain_assert(!"a command of no context");
    return (struct text){0};
}

struct text step_aggregate(const struct step_message *step)
{
    switch (step->context) {
    case CONTEXT_ORDERS: return step->order.order_id;
    case CONTEXT_INVENTORY: return step->inventory.order_id;
    case CONTEXT_PAYMENTS: return step->payment.customer_id;
    case CONTEXT_COUNT: break;
    }
    domain_assert(!"a step of no context");
    return (struct text){0};
}

const char *receipt_count_name(enum receipt_count count)
{
    return name_at(receipt_names, RECEIPT_COUNTS, count);
}

int64_t receipt_inputs(const struct receipt *receipt)
{
    int64_t inputs = 0;
    for (int i = 0; i < RECEIPT_COUNTS; i++)
        inputs += receipt->counts[i];
    return inputs;
}

const char *command_outcome_name(enum command_outcome outcome)
{
    return name_at(outcome_names, OUTCOME_COUNT, outcome);
}

enum command_outcome command_outcome_by_name(struct text name)
{
    return (enum command_outcome)name_find(outcome_names, OUTCOME_COUNT, name);
}

const char *command_kind_name(const struct command *command)
{
    domain_assert(command->context < CONTEXT_COUNT);
    size_t kind = 0;
    switch (command->context) {
    case CONTEXT_ORDERS: kind = command->order.kind; break;
    case CONTEXT_INVENTORY: kind = command->inventory.kind; break;
    case CONTEXT_PAYMENTS: kind = command->payment.kind; break;
    case CONTEXT_COUNT: domain_assert(!"a command of no context");
    }
    return name_at(command_names[command->context], KINDS_MAX, kind);
}

const char *step_kind_name(const struct step_message *step)
{
    domain_assert(step->context < CONTEXT_COUNT);
    size_t kind = 0;
    switch (step->context) {
    case CONTEXT_ORDERS: kind = step->order.kind; break;
    case CONTEXT_INVENTORY: kind = step->inventory.kind; break;
    case CONTEXT_PAYMENTS: kind = step->payment.kind; break;
    case CONTEXT_COUNT: domain_assert(!"a step of no context");
    }
    return name_at(step_names[step->context], KINDS_MAX, kind);
}

static size_t domain_event_kind(const struct event_message *event)
{
    switch (event->context) {
    case CONTEXT_ORDERS: return event->order.kind;
    case CONTEXT_INVENTORY: return event->inventory.kind;
    case CONTEXT_PAYMENTS: return event->payment.kind;
    case CONTEXT_COUNT: break;
    }
    domain_assert(!"an event of no context");
    return 0;
}

const char *event_kind_name(const struct event_message *event)
{
    domain_assert(event->context < CONTEXT_COUNT);
    switch (event->body) {
    case EVENT_BODY_NONE: break;
    case EVENT_BODY_DOMAIN:
        return name_at(event_names[event->context], KINDS_MAX, domain_event_kind(event));
    case EVENT_BODY_REJECTED: return "CommandRejected";
    case EVENT_BODY_REPEATED: return "CommandRepeated";
    case EVENT_BODY_RECEIPT: return "Receipt";
    }
    return "";
}

const char *command_row_kind(const struct event_message *event)
{
    domain_assert(event->context < CONTEXT_COUNT);
    if (event->body != EVENT_BODY_DOMAIN)
        return "";
    return name_at(row_kinds[event->context], KINDS_MAX, domain_event_kind(event));
}
