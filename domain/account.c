#include "domain/account.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "domain/currency.h"
#include "domain/machines.h"
#include "domain/money.h"
#include "domain/name.h"
#include "lib/guard/protected.h"

/* ---- tables ---- */

/* clang-format off */
static const struct {
    enum ledger_account debit, credit;
} legs[PAYMENT_EVENT_KIND_COUNT] = {
    [FUNDS_DEPOSITED] = {LEDGER_EXTERNAL, LEDGER_WALLET},
    [FUNDS_WITHDRAWN] = {LEDGER_WALLET, LEDGER_EXTERNAL},
    [PAYMENT_AUTHORISED] = {LEDGER_WALLET, LEDGER_HELD},
    [PAYMENT_CAPTURED] = {LEDGER_HELD, LEDGER_REVENUE},
    [PAYMENT_VOIDED] = {LEDGER_HELD, LEDGER_WALLET},
    [PAYMENT_REFUNDED] = {LEDGER_REVENUE, LEDGER_WALLET},
    [PAYMENT_CHARGED] = {LEDGER_WALLET, LEDGER_REVENUE},
    [PAYMENT_REVERSED] = {LEDGER_REVENUE, LEDGER_WALLET},
};

#define SILENT(sentence) {sentence, .nothing_to_say = true}

#define OTHER_ROW SILENT("never: the order is paid by another row of the saga")

const struct payment_cell payment_cells[PAYMENT_STATUS_COUNT][PAYMENT_STEP_KIND_COUNT] = {
    [PAYMENT_IS_NOTHING] = {
        [PAYMENT_AUTHORISE] = {"the wallet holds the amount, or declines it",
                               .yes = PAYMENT_AUTHORISED, .no = PAYMENT_DECLINED},
        [PAYMENT_CAPTURE] = SILENT("there is nothing to capture"),
        [PAYMENT_VOID] = {"the void overtook the authorisation, which will be declined",
                          .yes = PAYMENT_VOIDED},
        [PAYMENT_CHARGE] = {"the amount becomes revenue, or the wallet declines it",
                            .yes = PAYMENT_CHARGED, .no = PAYMENT_DECLINED},
        [PAYMENT_REVERSE] = {"the reversal overtook the charge, which will be declined",
                             .yes = PAYMENT_REVERSED},
    },
    [PAYMENT_IS_AUTHORISED] = {
        [PAYMENT_AUTHORISE] = SILENT("asked twice: it is held already"),
        [PAYMENT_CAPTURE] = {"what is held becomes revenue", .yes = PAYMENT_CAPTURED},
        [PAYMENT_VOID] = {"what is held goes back to the wallet", .yes = PAYMENT_VOIDED},
        [PAYMENT_CHARGE] = OTHER_ROW,
        [PAYMENT_REVERSE] = OTHER_ROW,
    },
    [PAYMENT_IS_DECLINED] = {
        [PAYMENT_AUTHORISE] = SILENT("asked twice: it stays declined"),
        [PAYMENT_CAPTURE] = SILENT("there is nothing to capture"),
        [PAYMENT_VOID] = {"nothing is held: nothing moves, and the payment is closed",
                          .yes = PAYMENT_VOIDED},
        [PAYMENT_CHARGE] = SILENT("asked twice: it stays declined"),
        [PAYMENT_REVERSE] = {"nothing was charged: nothing moves, and the payment is closed",
                             .yes = PAYMENT_REVERSED},
    },
    [PAYMENT_IS_CAPTURED] = {
        [PAYMENT_AUTHORISE] = SILENT("asked twice: it was held, and is revenue by now"),
        [PAYMENT_CAPTURE] = SILENT("captured already"),
        [PAYMENT_VOID] = SILENT("a captured payment is given back by refunds only"),
        [PAYMENT_CHARGE] = OTHER_ROW,
        [PAYMENT_REVERSE] = OTHER_ROW,
    },
    [PAYMENT_IS_VOIDED] = {
        [PAYMENT_AUTHORISE] = {"the void came first: declined, and the payment stays voided",
                               .no = PAYMENT_DECLINED},
        [PAYMENT_CAPTURE] = SILENT("there is nothing to capture any more"),
        [PAYMENT_VOID] = SILENT("voided already"),
        [PAYMENT_CHARGE] = OTHER_ROW,
        [PAYMENT_REVERSE] = OTHER_ROW,
    },
    [PAYMENT_IS_REFUNDED] = {
        [PAYMENT_AUTHORISE] = SILENT("asked twice: it was held, and is refunded by now"),
        [PAYMENT_CAPTURE] = SILENT("captured before it was refunded"),
        [PAYMENT_VOID] = SILENT("a captured payment is given back by refunds only"),
        [PAYMENT_CHARGE] = SILENT("asked twice: it was charged, and is refunded by now"),
        [PAYMENT_REVERSE] = {"all of it was refunded: nothing moves, and the payment is closed",
                             .yes = PAYMENT_REVERSED},
    },
    [PAYMENT_IS_CHARGED] = {
        [PAYMENT_AUTHORISE] = OTHER_ROW,
        [PAYMENT_CAPTURE] = OTHER_ROW,
        [PAYMENT_VOID] = OTHER_ROW,
        [PAYMENT_CHARGE] = SILENT("asked twice: it is charged already"),
        [PAYMENT_REVERSE] = {"what was not refunded goes back to the wallet, whatever became of it",
                             .yes = PAYMENT_REVERSED},
    },
    [PAYMENT_IS_REVERSED] = {
        [PAYMENT_AUTHORISE] = OTHER_ROW,
        [PAYMENT_CAPTURE] = OTHER_ROW,
        [PAYMENT_VOID] = OTHER_ROW,
        [PAYMENT_CHARGE] = {"the reversal came first: declined, and the payment stays reversed",
                            .no = PAYMENT_DECLINED},
        [PAYMENT_REVERSE] = SILENT("reversed already"),
    },
};
#undef OTHER_ROW
#undef SILENT

static const char *const ledger_names[LEDGER_ACCOUNT_COUNT] = {
    [LEDGER_NOTHING] = "",
    [LEDGER_EXTERNAL] = "external",
    [LEDGER_WALLET] = "wallet",
    [LEDGER_HELD] = "held",
    [LEDGER_REVENUE] = "revenue",
};

static const char *const status_names[PAYMENT_STATUS_COUNT] = {
    [PAYMENT_IS_NOTHING] = "",
    [PAYMENT_IS_AUTHORISED] = "AUTHORISED",
    [PAYMENT_IS_DECLINED] = "DECLINED",
    [PAYMENT_IS_CAPTURED] = "CAPTURED",
    [PAYMENT_IS_VOIDED] = "VOIDED",
    [PAYMENT_IS_REFUNDED] = "REFUNDED",
    [PAYMENT_IS_CHARGED] = "CHARGED",
    [PAYMENT_IS_REVERSED] = "REVERSED",
};
/* clang-format on */

typedef struct refusal account_judge(const struct account *account, const struct payment *payment,
                                     const struct payment_command *command,
                                     struct payment_event *ret_event);
static account_judge open_wallet, deposit, withdraw, refund;

/* What a command's own fields are checked for, and who judges it against the state. */
/* clang-format off */
static const struct {
    const char *sentence;
    account_judge *judge;
    bool is_new, has_currency, has_amount, has_payment;
} rules[PAYMENT_COMMAND_KIND_COUNT] = {
    [ACCOUNT_OPEN] = {"a customer gets one wallet, in one currency, for ever",
                      open_wallet, .is_new = true},
    [FUNDS_DEPOSIT] = {"money enters the wallet; balance, held and spent must fit in 64 bits",
                       deposit, .has_currency = true, .has_amount = true},
    [FUNDS_WITHDRAW] = {"money leaves the wallet; what is held for payments stays",
                        withdraw, .has_currency = true, .has_amount = true},
    [PAYMENT_REFUND] = {"a captured or charged payment goes back, in parts or whole, never more",
                        refund, .has_amount = true, .has_payment = true},
};
/* clang-format on */

static struct refusal check_command(const struct payment_command *command, int64_t now_us);
static int64_t left(const struct payment *payment);
static bool asks_for_money(const struct payment_step *step);
static int64_t step_amount(const struct payment *payment, const struct payment_step *step);
static struct refusal check_funds(const struct account *account, const struct payment_step *step);
static void reply_to_ask(const struct payment *payment, enum payment_step_kind asked,
                         const struct payment_event *event, struct order_step *reply);
static void apply_reversed(struct payment *payment, const struct payment_event *event);
static void post(struct account *account, enum ledger_account ledger, int64_t amount_minor);
static void assert_sound(const struct account *account);

/* ---- exported ---- */

struct refusal account_decide_command(const struct account *account, const struct payment *payment,
                                      const struct payment_command *command, int64_t now_us,
                                      struct payment_event *ret_event)
{
    assert_sound(account);
    domain_assert(command->kind < PAYMENT_COMMAND_KIND_COUNT);
    domain_assert(rules[command->kind].judge != NULL);

    struct refusal refusal = check_command(command, now_us);
    if (refusal.code)
        return refusal;
    struct payment_event event = {.version = account->version + 1,
                                  .customer_id = command->customer_id};
    refusal = rules[command->kind].judge(account, payment, command, &event);
    if (refusal.code)
        return refusal;
    domain_assert(event.kind != PAYMENT_EVENT_NONE);
    *ret_event = event;
    return refusal;
}

const char *account_rule_sentence(enum payment_command_kind kind)
{
    domain_assert(kind < PAYMENT_COMMAND_KIND_COUNT && rules[kind].judge != NULL);
    return rules[kind].sentence;
}

bool account_decide_step(const struct account *account, const struct payment *payment,
                         const struct payment_step *step, struct payment_event *ret_event)
{
    assert_sound(account);
    domain_assert(step->kind < PAYMENT_STEP_KIND_COUNT);
    domain_assert(payment->status < PAYMENT_STATUS_COUNT);
    const struct payment_cell *cell = &payment_cells[payment->status][step->kind];
    domain_assert(cell->nothing_to_say == (!cell->yes && !cell->no));
    if (cell->nothing_to_say)
        return false;

    struct refusal refusal = accepted();
    int64_t amount_minor = step_amount(payment, step);
    if (asks_for_money(step))
        refusal = cell->yes ? check_funds(account, step)
                            : refused(REFUSED_PAYMENT_EXISTS, step->payment_id);
    bool reverses = cell->yes == PAYMENT_REVERSED && payment->status != PAYMENT_IS_DECLINED;
    bool moves = !refusal.code && amount_minor > 0;
    *ret_event = (struct payment_event){.kind = refusal.code ? cell->no : cell->yes,
                                        .version = moves ? account->version + 1 : 0,
                                        .customer_id = step->customer_id,
                                        .payment_id = step->payment_id,
                                        .amount_minor = amount_minor,
                                        .charged_minor = reverses ? payment->amount_minor : 0,
                                        .code = refusal.code};
    domain_assert(ret_event->kind != PAYMENT_EVENT_NONE);
    return true;
}

void account_apply(struct account *account, const struct payment_event *event)
{
    domain_assert(event->kind > PAYMENT_EVENT_NONE && event->kind < PAYMENT_EVENT_KIND_COUNT);
    enum ledger_account debit, credit;
    bool moves = account_legs(event, &debit, &credit);
    if (!moves && event->kind != ACCOUNT_OPENED) {
        domain_assert(event->version == 0);
        return;
    }
    domain_assert(event->version == account->version + 1);
    domain_assert((account->version == 0) == (event->kind == ACCOUNT_OPENED));
    if (event->kind == ACCOUNT_OPENED)
        account->currency = currency_of(event->currency);
    account->version = event->version;
    if (moves) {
        post(account, debit, -event->amount_minor);
        post(account, credit, event->amount_minor);
    }
    assert_sound(account);
}

void payment_apply(struct payment *payment, const struct payment_event *event)
{
    enum payment_status before = payment->status;
    switch (event->kind) {
    case PAYMENT_AUTHORISED:
        domain_assert(before == PAYMENT_IS_NOTHING);
        *payment = (struct payment){PAYMENT_IS_AUTHORISED, event->amount_minor, 0};
        return;
    case PAYMENT_DECLINED:
        domain_assert(before == PAYMENT_IS_NOTHING || before == PAYMENT_IS_VOIDED ||
                      before == PAYMENT_IS_REVERSED);
        if (before != PAYMENT_IS_NOTHING)
            return; /* it stays so, with what was taken and given back */
        *payment = (struct payment){PAYMENT_IS_DECLINED, event->amount_minor, 0};
        return;
    case PAYMENT_CAPTURED:
        domain_assert(before == PAYMENT_IS_AUTHORISED);
        domain_assert(event->amount_minor == payment->amount_minor);
        payment->status = PAYMENT_IS_CAPTURED;
        return;
    case PAYMENT_VOIDED:
        domain_assert(before == PAYMENT_IS_AUTHORISED ? event->amount_minor == payment->amount_minor
                                                      : event->amount_minor == 0);
        *payment = (struct payment){PAYMENT_IS_VOIDED, event->amount_minor, 0};
        return;
    case PAYMENT_REFUNDED:
        domain_assert(before == PAYMENT_IS_CAPTURED || before == PAYMENT_IS_CHARGED);
        domain_assert(event->amount_minor >= 1);
        domain_assert(event->amount_minor <= left(payment));
        payment->refunded_minor += event->amount_minor;
        if (payment->refunded_minor == payment->amount_minor)
            payment->status = PAYMENT_IS_REFUNDED;
        return;
    case PAYMENT_CHARGED:
        domain_assert(before == PAYMENT_IS_NOTHING);
        *payment = (struct payment){PAYMENT_IS_CHARGED, event->amount_minor, 0};
        return;
    case PAYMENT_REVERSED: apply_reversed(payment, event); return;
    default: domain_assert(!"an event of no payment");
    }
}

struct order_step payment_reply(const struct payment *payment, const struct payment_step *step,
                                const struct payment_event *event)
{
    struct order_step reply = {.order_id = step->payment_id};
    switch (step->kind) {
    case PAYMENT_CHARGE:
    case PAYMENT_AUTHORISE: reply_to_ask(payment, step->kind, event, &reply); break;
    case PAYMENT_CAPTURE: break;
    case PAYMENT_VOID: reply.kind = ORDER_PAYMENT_VOIDED_REPLY; break;
    case PAYMENT_REVERSE: reply.kind = ORDER_PAYMENT_REVERSED_REPLY; break;
    case PAYMENT_STEP_NONE:
    case PAYMENT_STEP_KIND_COUNT: domain_assert(!"a step of no kind");
    }
    return reply;
}

bool account_legs(const struct payment_event *event, enum ledger_account *ret_debit,
                  enum ledger_account *ret_credit)
{
    domain_assert(event->kind < PAYMENT_EVENT_KIND_COUNT);
    if (legs[event->kind].debit == LEDGER_NOTHING || event->amount_minor == 0)
        return false;
    domain_assert(event->amount_minor > 0);
    *ret_debit = legs[event->kind].debit;
    *ret_credit = legs[event->kind].credit;
    return true;
}

const char *ledger_account_name(enum ledger_account account)
{
    return name_at(ledger_names, LEDGER_ACCOUNT_COUNT, account);
}

const char *payment_status_name(enum payment_status status)
{
    return name_at(status_names, PAYMENT_STATUS_COUNT, status);
}

enum payment_status payment_status_by_name(struct text name)
{
    return (enum payment_status)name_find(status_names, PAYMENT_STATUS_COUNT, name);
}

/* ---- commands ---- */

/* What was taken and did not come back. */
static int64_t left(const struct payment *payment)
{
    return payment->amount_minor - payment->refunded_minor;
}

static struct refusal check_command(const struct payment_command *command, int64_t now_us)
{
    struct refusal refusal = check_id(command->customer_id);
    if (!refusal.code && rules[command->kind].has_payment)
        refusal = check_id(command->payment_id);
    if (refusal.code)
        return refusal;
    if (rules[command->kind].is_new)
        refusal = currency_check_new(command->currency, now_us);
    else if (rules[command->kind].has_currency)
        refusal = currency_check_form(command->currency);
    if (refusal.code)
        return refusal;
    if (rules[command->kind].has_amount && command->amount_minor < 1)
        return refused(REFUSED_AMOUNT_NOT_POSITIVE, command->customer_id);
    return accepted();
}

/* True when balance, held, spent and `amount_minor` together fit into 64 bits, so that a void, a
 * reversal or a refund can always give back what was taken. */
static bool has_room(const struct account *account, int64_t amount_minor)
{
    int64_t sum_minor = amount_minor;
    if (PROTECTED(spent_counted) && !amount_add(sum_minor, account->spent_minor, &sum_minor))
        return false;
    return amount_add(sum_minor, account->held_minor, &sum_minor) &&
           amount_add(sum_minor, account->balance_minor, &sum_minor);
}

static struct refusal open_wallet(const struct account *account, const struct payment *payment,
                                  const struct payment_command *command,
                                  struct payment_event *ret_event)
{
    (void)payment;
    if (account->version != 0)
        return refused(REFUSED_ACCOUNT_EXISTS, command->customer_id);
    ret_event->kind = ACCOUNT_OPENED;
    ret_event->currency = command->currency;
    return accepted();
}

static struct refusal deposit(const struct account *account, const struct payment *payment,
                              const struct payment_command *command,
                              struct payment_event *ret_event)
{
    (void)payment;
    if (account->version == 0)
        return refused(REFUSED_ACCOUNT_UNKNOWN, command->customer_id);
    if (!currency_is(account->currency, command->currency))
        return refused(REFUSED_CURRENCY_MISMATCH, command->customer_id);
    if (!has_room(account, command->amount_minor))
        return refused(REFUSED_AMOUNT_OVERFLOW, command->customer_id);
    ret_event->kind = FUNDS_DEPOSITED;
    ret_event->amount_minor = command->amount_minor;
    return accepted();
}

static struct refusal withdraw(const struct account *account, const struct payment *payment,
                               const struct payment_command *command,
                               struct payment_event *ret_event)
{
    (void)payment;
    if (account->version == 0)
        return refused(REFUSED_ACCOUNT_UNKNOWN, command->customer_id);
    if (!currency_is(account->currency, command->currency))
        return refused(REFUSED_CURRENCY_MISMATCH, command->customer_id);
    if (command->amount_minor > account->balance_minor)
        return refused(REFUSED_FUNDS_SHORT, command->customer_id);
    ret_event->kind = FUNDS_WITHDRAWN;
    ret_event->amount_minor = command->amount_minor;
    return accepted();
}

static struct refusal refund(const struct account *account, const struct payment *payment,
                             const struct payment_command *command, struct payment_event *ret_event)
{
    domain_assert(payment != NULL);
    if (account->version == 0)
        return refused(REFUSED_ACCOUNT_UNKNOWN, command->customer_id);
    if (payment->status == PAYMENT_IS_NOTHING)
        return refused(REFUSED_PAYMENT_UNKNOWN, command->payment_id);
    if (payment->status != PAYMENT_IS_CAPTURED && payment->status != PAYMENT_IS_CHARGED &&
        payment->status != PAYMENT_IS_REFUNDED)
        return refused(REFUSED_PAYMENT_NOT_CAPTURED, command->payment_id);
    if (command->amount_minor > left(payment))
        return refused(REFUSED_REFUND_TOO_LARGE, command->payment_id);
    ret_event->kind = PAYMENT_REFUNDED;
    ret_event->payment_id = command->payment_id;
    ret_event->amount_minor = command->amount_minor;
    return accepted();
}

/* ---- steps ---- */

static bool asks_for_money(const struct payment_step *step)
{
    return step->kind == PAYMENT_CHARGE || step->kind == PAYMENT_AUTHORISE;
}

/* What the step moves, where it is not refused. A reversal gives back what refunds have left. */
static int64_t step_amount(const struct payment *payment, const struct payment_step *step)
{
    int64_t amount_minor = 0;
    if (asks_for_money(step))
        return step->amount_minor;
    if (payment->status == PAYMENT_IS_AUTHORISED || payment->status == PAYMENT_IS_CHARGED)
        amount_minor = payment->amount_minor;
    if (PROTECTED(refunds_counted) && payment->status == PAYMENT_IS_CHARGED)
        amount_minor -= payment->refunded_minor;
    return amount_minor;
}

static struct refusal check_funds(const struct account *account, const struct payment_step *step)
{
    domain_assert(step->amount_minor >= 1);
    if (account->version == 0)
        return refused(REFUSED_ACCOUNT_UNKNOWN, step->customer_id);
    if (!currency_is(account->currency, step->currency))
        return refused(REFUSED_CURRENCY_MISMATCH, step->customer_id);
    if (step->amount_minor > account->balance_minor)
        return refused(REFUSED_FUNDS_SHORT, step->customer_id);
    return accepted();
}

/* What is there already and was not taken by such a step stands in its way. */
static void reply_to_ask(const struct payment *payment, enum payment_step_kind asked,
                         const struct payment_event *event, struct order_step *reply)
{
    static const bool taken[PAYMENT_STATUS_COUNT][PAYMENT_STEP_KIND_COUNT] = {
        [PAYMENT_IS_AUTHORISED] = {[PAYMENT_AUTHORISE] = true},
        [PAYMENT_IS_CAPTURED] = {[PAYMENT_AUTHORISE] = true},
        [PAYMENT_IS_REFUNDED] = {[PAYMENT_AUTHORISE] = true, [PAYMENT_CHARGE] = true},
        [PAYMENT_IS_CHARGED] = {[PAYMENT_CHARGE] = true},
    };
    domain_assert(event || payment->status != PAYMENT_IS_NOTHING);
    bool done = event ? event->kind != PAYMENT_DECLINED : taken[payment->status][asked];
    reply->kind = ORDER_PAYMENT_DECLINED_REPLY;
    if (done)
        reply->kind =
            asked == PAYMENT_CHARGE ? ORDER_PAYMENT_CHARGED_REPLY : ORDER_PAYMENT_AUTHORISED_REPLY;
    else
        reply->code = event ? event->code : REFUSED_PAYMENT_EXISTS;
}

/* ---- folding ---- */

static void apply_reversed(struct payment *payment, const struct payment_event *event)
{
    bool charged = payment->status == PAYMENT_IS_CHARGED || payment->status == PAYMENT_IS_REFUNDED;
    domain_assert(charged || payment->status == PAYMENT_IS_NOTHING ||
                  payment->status == PAYMENT_IS_DECLINED);
    domain_assert(event->charged_minor == (charged ? payment->amount_minor : 0));
    domain_assert(event->amount_minor == (charged ? left(payment) : 0));
    payment->status = PAYMENT_IS_REVERSED;
    payment->amount_minor = event->charged_minor;
}

/* External is nobody's wallet, and what is spent of one is its part of the revenue. */
static void post(struct account *account, enum ledger_account ledger, int64_t amount_minor)
{
    domain_assert(ledger > LEDGER_NOTHING && ledger < LEDGER_ACCOUNT_COUNT);
    bool fits = true;
    if (ledger == LEDGER_WALLET)
        fits = amount_add(account->balance_minor, amount_minor, &account->balance_minor);
    if (ledger == LEDGER_HELD)
        fits = amount_add(account->held_minor, amount_minor, &account->held_minor);
    if (ledger == LEDGER_REVENUE)
        fits = amount_add(account->spent_minor, amount_minor, &account->spent_minor);
    domain_assert(fits);
}

static void assert_sound(const struct account *account)
{
    domain_assert(account->version >= 0);
    domain_assert(account->balance_minor >= 0);
    domain_assert(account->held_minor >= 0);
    domain_assert(account->spent_minor >= 0);
    domain_assert(has_room(account, 0));
    domain_assert(account->version > 0 ||
                  (account->balance_minor | account->held_minor | account->spent_minor) == 0);
}
