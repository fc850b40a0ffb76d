#include "domain/product.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "domain/currency.h"
#include "domain/machines.h"
#include "domain/money.h"

typedef struct refusal product_judge(const struct product *state,
                                     const struct inventory_command *command,
                                     struct inventory_event *ret_event);
static product_judge add, modify, take_off_list, increase, decrease, count;

/* What a command's own fields are checked for, and who judges it against the state. */
/* clang-format off */
static const struct {
    const char *sentence;
    product_judge *judge;
    bool has_details, is_new, has_quantity;
    int64_t quantity_min;
} rules[INVENTORY_COMMAND_KIND_COUNT] = {
    [PRODUCT_ADD] = {"a product that is not in the list enters it, without stock",
                     add, .has_details = true, .is_new = true},
    [PRODUCT_MODIFY] = {"all details are replaced; the currency stays what it was",
                        modify, .has_details = true},
    [PRODUCT_DELETE] = {"a product without units on hand leaves the list; it may be added again",
                        .judge = take_off_list},
    [STOCK_INCREASE] = {"units arrive", increase, .has_quantity = true, .quantity_min = 1},
    [STOCK_DECREASE] = {"units leave; those that orders have reserved stay",
                        decrease, .has_quantity = true, .quantity_min = 1},
    [STOCK_COUNT] = {"somebody counted: the difference to what is on hand arrives or leaves",
                     count, .has_quantity = true},
};
/* clang-format on */

static struct refusal check_command(const struct inventory_command *command, int64_t now_us);
static void assert_sound(const struct product *state);

struct refusal product_decide(const struct product *state, const struct inventory_command *command,
                              int64_t now_us, struct inventory_event *ret_event)
{
    assert_sound(state);
    domain_assert(command->kind < INVENTORY_COMMAND_KIND_COUNT);
    domain_assert(rules[command->kind].judge != NULL);

    struct refusal refusal = check_command(command, now_us);
    if (refusal.code)
        return refusal;
    struct inventory_event event = {.version = state->version + 1, .sku = command->sku};
    refusal = rules[command->kind].judge(state, command, &event);
    if (refusal.code)
        return refusal;
    domain_assert(event.kind != INVENTORY_EVENT_NONE);
    *ret_event = event;
    return refusal;
}

const char *product_rule_sentence(enum inventory_command_kind kind)
{
    domain_assert(kind < INVENTORY_COMMAND_KIND_COUNT && rules[kind].judge != NULL);
    return rules[kind].sentence;
}

void product_apply(struct product *state, const struct inventory_event *event)
{
    domain_assert(event->version == state->version + 1);
    domain_assert(state->listed != (event->kind == PRODUCT_ADDED));
    switch (event->kind) {
    case PRODUCT_ADDED:
        domain_assert(state->on_hand == 0);
        *state = (struct product){.listed = true, .currency = currency_of(event->details.currency)};
        state->details_hash = product_details_hash(&event->details);
        break;
    case PRODUCT_MODIFIED:
        domain_assert(currency_is(state->currency, event->details.currency));
        state->details_hash = product_details_hash(&event->details);
        break;
    case PRODUCT_DELETED:
        domain_assert(state->on_hand == 0);
        state->listed = false;
        break;
    case STOCK_INCREASED:
        domain_assert(event->quantity >= 1);
        domain_assert(event->quantity <= INT64_MAX - state->on_hand);
        state->on_hand += event->quantity;
        break;
    case STOCK_DECREASED:
        domain_assert(event->quantity >= 1);
        domain_assert(event->quantity <= state->on_hand - state->reserved);
        state->on_hand -= event->quantity;
        break;
    default: domain_assert(!"an event of no single product");
    }
    state->version = event->version;
    assert_sound(state);
}

void product_apply_line(struct product *state, enum inventory_event_kind kind,
                        const struct stock_line *line)
{
    domain_assert(kind == STOCK_RESERVED || kind == STOCK_RELEASED);
    domain_assert(line->version == state->version + 1);
    domain_assert(line->quantity >= 1);
    if (kind == STOCK_RESERVED) {
        domain_assert(state->listed);
        domain_assert(line->quantity <= state->on_hand - state->reserved);
        state->reserved += line->quantity;
    } else {
        domain_assert(line->quantity <= state->reserved);
        state->reserved -= line->quantity;
    }
    state->version = line->version;
    assert_sound(state);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Low byte first on every machine. */
static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    return hash_bytes(hash, bytes, sizeof bytes);
}

/* The length goes first, so that "ab", "c" and "a", "bc" differ. */
static uint64_t hash_text(uint64_t hash, struct text text)
{
    return hash_bytes(hash_number(hash, text.bytes), text.data, text.bytes);
}

uint64_t product_details_hash(const struct product_details *details)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = hash_text(hash, details->name);
    hash = hash_text(hash, details->category);
    hash = hash_text(hash, details->brand);
    hash = hash_number(hash, (uint64_t)details->price_minor);
    return hash_text(hash, details->currency);
}

/* ---- checks of the command's own fields, from the most basic ---- */

static bool details_fit(const struct product_details *details)
{
    return details->name.bytes <= DETAIL_BYTES_MAX && details->category.bytes <= DETAIL_BYTES_MAX &&
           details->brand.bytes <= DETAIL_BYTES_MAX;
}

static struct refusal check_command(const struct inventory_command *command, int64_t now_us)
{
    struct refusal refusal = check_id(command->sku);
    if (refusal.code)
        return refusal;
    if (rules[command->kind].has_details) {
        const struct product_details *details = &command->details;
        if (!details_fit(details))
            return refused(REFUSED_TEXT_TOO_LONG, command->sku);
        refusal = rules[command->kind].is_new ? currency_check_new(details->currency, now_us)
                                              : currency_check_form(details->currency);
        if (refusal.code)
            return refusal;
        if (details->price_minor < 0)
            return refused(REFUSED_AMOUNT_NEGATIVE, command->sku);
    }
    if (rules[command->kind].has_quantity) {
        if (command->reason.bytes > REASON_BYTES_MAX)
            return refused(REFUSED_TEXT_TOO_LONG, command->sku);
        if (command->quantity < rules[command->kind].quantity_min)
            return refused(rules[command->kind].quantity_min ? REFUSED_QUANTITY_NOT_POSITIVE
                                                             : REFUSED_QUANTITY_NEGATIVE,
                           command->sku);
    }
    return accepted();
}

/* ---- judges: the command against the state ---- */

static struct refusal add(const struct product *state, const struct inventory_command *command,
                          struct inventory_event *ret_event)
{
    if (state->listed)
        return refused(REFUSED_PRODUCT_EXISTS, command->sku);
    ret_event->kind = PRODUCT_ADDED;
    ret_event->details = command->details;
    return accepted();
}

static struct refusal modify(const struct product *state, const struct inventory_command *command,
                             struct inventory_event *ret_event)
{
    if (!state->listed)
        return refused(REFUSED_PRODUCT_UNKNOWN, command->sku);
    if (!currency_is(state->currency, command->details.currency))
        return refused(REFUSED_CURRENCY_MISMATCH, command->sku);
    if (state->details_hash == product_details_hash(&command->details))
        return refused(REFUSED_NOTHING_TO_DO, command->sku);
    ret_event->kind = PRODUCT_MODIFIED;
    ret_event->details = command->details;
    return accepted();
}

static struct refusal take_off_list(const struct product *state,
                                    const struct inventory_command *command,
                                    struct inventory_event *ret_event)
{
    if (!state->listed)
        return refused(REFUSED_PRODUCT_UNKNOWN, command->sku);
    if (state->on_hand > 0)
        return refused(REFUSED_PRODUCT_HAS_STOCK, command->sku);
    ret_event->kind = PRODUCT_DELETED;
    return accepted();
}

static struct refusal increase(const struct product *state, const struct inventory_command *command,
                               struct inventory_event *ret_event)
{
    int64_t on_hand;
    if (!state->listed)
        return refused(REFUSED_PRODUCT_UNKNOWN, command->sku);
    if (!amount_add(state->on_hand, command->quantity, &on_hand))
        return refused(REFUSED_QUANTITY_OVERFLOW, command->sku);
    ret_event->kind = STOCK_INCREASED;
    ret_event->quantity = command->quantity;
    ret_event->reason = command->reason;
    return accepted();
}

static struct refusal decrease(const struct product *state, const struct inventory_command *command,
                               struct inventory_event *ret_event)
{
    if (!state->listed)
        return refused(REFUSED_PRODUCT_UNKNOWN, command->sku);
    if (command->quantity > state->on_hand - state->reserved)
        return refused(REFUSED_STOCK_SHORT, command->sku);
    ret_event->kind = STOCK_DECREASED;
    ret_event->quantity = command->quantity;
    ret_event->reason = command->reason;
    return accepted();
}

/* Only here is the difference certain: a publisher's would be to a number that it read before. */
static struct refusal count(const struct product *state, const struct inventory_command *command,
                            struct inventory_event *ret_event)
{
    if (!state->listed)
        return refused(REFUSED_PRODUCT_UNKNOWN, command->sku);
    if (command->quantity == state->on_hand)
        return refused(REFUSED_NOTHING_TO_DO, command->sku);
    if (command->quantity < state->reserved)
        return refused(REFUSED_STOCK_SHORT, command->sku);
    bool more = command->quantity > state->on_hand;
    ret_event->kind = more ? STOCK_INCREASED : STOCK_DECREASED;
    ret_event->quantity =
        more ? command->quantity - state->on_hand : state->on_hand - command->quantity;
    ret_event->reason = command->reason;
    return accepted();
}

static void assert_sound(const struct product *state)
{
    domain_assert(state->version >= 0);
    domain_assert(0 <= state->reserved);
    domain_assert(state->reserved <= state->on_hand);
    domain_assert(state->listed || state->on_hand == 0);
}
