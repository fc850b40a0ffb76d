/* tests/unit/test_domain_product.c - sessions of one product: command, outcome, stock after it. */
#include "domain/product.h"

#include <criterion/criterion.h>
#include <signal.h>

#define NOW_US INT64_C(1798000000000000) /* 2026-12-23 */

struct row {
    enum inventory_command_kind kind;
    int64_t quantity; /* ADD, MODIFY: the price */
    const char *currency;
    enum refusal_code code;
    int64_t version, on_hand;
};

static char long_text[DETAIL_BYTES_MAX + 1];

static struct inventory_command command_of(const struct row *row)
{
    return (struct inventory_command){
        .kind = row->kind,
        .sku = TEXT("sku"),
        .details = {TEXT("Thread"), TEXT("Sewing"), TEXT("B"), row->quantity,
                    text_of(row->currency)},
        .quantity = row->quantity,
        .reason = TEXT("delivery"),
    };
}

/* Decides, folds, and holds the outcome against the row. */
static void play_row(struct product *state, const struct row *row, size_t number)
{
    struct inventory_command command = command_of(row);
    struct inventory_event event = {.version = -1};
    struct product before = *state;
    struct refusal refusal = product_decide(state, &command, NOW_US, &event);
    cr_assert_eq(refusal.code, row->code, "row %zu: %s", number, refusal_name(refusal.code));
    if (refusal.code) {
        cr_assert_eq(event.version, -1, "row %zu", number);
        bool of_currency =
            row->code >= REFUSED_CURRENCY_INVALID && row->code <= REFUSED_CURRENCY_NOT_MONEY;
        cr_assert(
            text_equal(refusal.subject, of_currency ? command.details.currency : command.sku));
        cr_assert_eq(memcmp(&before, state, sizeof before), 0, "row %zu", number);
    } else {
        cr_assert_eq(event.version, before.version + 1);
        product_apply(state, &event);
    }
    cr_assert_eq(state->version, row->version, "row %zu", number);
    cr_assert_eq(state->on_hand, row->on_hand, "row %zu", number);
}

static void play(const struct row *rows, size_t count)
{
    struct product state = {0};
    for (size_t i = 0; i < count; i++)
        play_row(&state, &rows[i], i);
}
#define PLAY(rows) play(rows, sizeof(rows) / sizeof *(rows))

/* clang-format off */
Test(product_decide, plays_the_life_of_a_product)
{
    static const struct row rows[] = {
        {PRODUCT_MODIFY, 5, "PLN", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {PRODUCT_DELETE, 0, "", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {STOCK_INCREASE, 5, "", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {STOCK_DECREASE, 5, "", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {STOCK_COUNT, 5, "", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {PRODUCT_ADD, 5, "PLN", ACCEPTED, 1, 0},
        {PRODUCT_ADD, 5, "PLN", REFUSED_PRODUCT_EXISTS, 1, 0},
        {PRODUCT_MODIFY, 5, "PLN", REFUSED_NOTHING_TO_DO, 1, 0},
        {PRODUCT_MODIFY, 6, "EUR", REFUSED_CURRENCY_MISMATCH, 1, 0},
        {PRODUCT_MODIFY, 6, "PLN", ACCEPTED, 2, 0},
        {PRODUCT_MODIFY, 6, "PLN", REFUSED_NOTHING_TO_DO, 2, 0},
        {STOCK_DECREASE, 1, "", REFUSED_STOCK_SHORT, 2, 0},
        {STOCK_INCREASE, 10, "", ACCEPTED, 3, 10},
        {STOCK_DECREASE, 11, "", REFUSED_STOCK_SHORT, 3, 10},
        {STOCK_DECREASE, 9, "", ACCEPTED, 4, 1},
        {PRODUCT_DELETE, 0, "", REFUSED_PRODUCT_HAS_STOCK, 4, 1},
        {STOCK_COUNT, 1, "", REFUSED_NOTHING_TO_DO, 4, 1},
        {STOCK_INCREASE, INT64_MAX, "", REFUSED_QUANTITY_OVERFLOW, 4, 1},
        {STOCK_INCREASE, INT64_MAX - 1, "", ACCEPTED, 5, INT64_MAX},
        {STOCK_COUNT, 0, "", ACCEPTED, 6, 0},
        {PRODUCT_DELETE, 0, "", ACCEPTED, 7, 0},
        {PRODUCT_DELETE, 0, "", REFUSED_PRODUCT_UNKNOWN, 7, 0},
        {STOCK_INCREASE, 1, "", REFUSED_PRODUCT_UNKNOWN, 7, 0},
        {PRODUCT_ADD, 7, "EUR", ACCEPTED, 8, 0}, /* the currency may be another one now */
        {PRODUCT_MODIFY, 8, "EUR", ACCEPTED, 9, 0},
        {STOCK_COUNT, INT64_MAX, "", ACCEPTED, 10, INT64_MAX},
        {STOCK_COUNT, INT64_MAX, "", REFUSED_NOTHING_TO_DO, 10, INT64_MAX},
        {STOCK_COUNT, 7, "", ACCEPTED, 11, 7},
        {STOCK_DECREASE, 7, "", ACCEPTED, 12, 0},
    };
    PLAY(rows);
}

Test(product_decide, checks_the_commands_own_fields_first)
{
    static const struct row rows[] = {
        {PRODUCT_ADD, -1, "PLN", REFUSED_AMOUNT_NEGATIVE, 0, 0},
        {PRODUCT_ADD, -1, "zloty", REFUSED_CURRENCY_INVALID, 0, 0},
        {PRODUCT_ADD, -1, "ABC", REFUSED_CURRENCY_UNKNOWN, 0, 0},
        {PRODUCT_ADD, -1, "HRK", REFUSED_CURRENCY_RETIRED, 0, 0},
        {PRODUCT_ADD, -1, "XAU", REFUSED_CURRENCY_NOT_MONEY, 0, 0},
        {PRODUCT_MODIFY, 1, "zloty", REFUSED_CURRENCY_INVALID, 0, 0},
        {PRODUCT_MODIFY, 1, "XAU", REFUSED_PRODUCT_UNKNOWN, 0, 0},
        {PRODUCT_MODIFY, -1, "PLN", REFUSED_AMOUNT_NEGATIVE, 0, 0},
        {STOCK_INCREASE, 0, "", REFUSED_QUANTITY_NOT_POSITIVE, 0, 0},
        {STOCK_DECREASE, -5, "", REFUSED_QUANTITY_NOT_POSITIVE, 0, 0},
        {STOCK_COUNT, -1, "", REFUSED_QUANTITY_NEGATIVE, 0, 0},
        {PRODUCT_ADD, 0, "PLN", ACCEPTED, 1, 0},
    };
    PLAY(rows);
}
/* clang-format on */

/* Bulgaria's lev, out of use since February 2026. */
Test(product_decide, keeps_a_product_in_a_currency_that_is_retired)
{
    static const struct row rows[] = {
        {PRODUCT_MODIFY, 8, "BGN", ACCEPTED, 2, 0},
        {PRODUCT_MODIFY, 8, "EUR", REFUSED_CURRENCY_MISMATCH, 2, 0},
        {STOCK_INCREASE, 5, "", ACCEPTED, 3, 5},
        {STOCK_DECREASE, 5, "", ACCEPTED, 4, 0},
        {PRODUCT_DELETE, 0, "", ACCEPTED, 5, 0},
        {PRODUCT_ADD, 8, "BGN", REFUSED_CURRENCY_RETIRED, 5, 0},
        {PRODUCT_ADD, 8, "EUR", ACCEPTED, 6, 0},
    };
    struct product state = {.version = 1, .listed = true, .currency = {"BGN"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        play_row(&state, &rows[i], i);
}

static enum refusal_code judge(const struct inventory_command *command)
{
    struct inventory_event event;
    return product_decide(&(struct product){0}, command, NOW_US, &event).code;
}

Test(product_decide, counts_reserved_units_among_those_on_hand)
{
    static const struct {
        int64_t counted;
        enum refusal_code code;
        enum inventory_event_kind kind;
        int64_t moved;
    } rows[] = {
        {10, REFUSED_NOTHING_TO_DO, 0, 0}, {13, ACCEPTED, STOCK_INCREASED, 3},
        {4, ACCEPTED, STOCK_DECREASED, 6}, {3, REFUSED_STOCK_SHORT, 0, 0},
        {0, REFUSED_STOCK_SHORT, 0, 0},
    };
    const struct product state = {.version = 5, .listed = true, .on_hand = 10, .reserved = 4};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct inventory_event event = {0};
        struct inventory_command command = {.kind = STOCK_COUNT,
                                            .sku = TEXT("sku"),
                                            .quantity = rows[i].counted,
                                            .reason = TEXT("stocktaking")};
        cr_assert_eq(product_decide(&state, &command, NOW_US, &event).code, rows[i].code, "%zu", i);
        cr_expect_eq(event.kind, rows[i].kind, "%zu", i);
        cr_expect_eq(event.quantity, rows[i].moved, "%zu", i);
        cr_expect(rows[i].code || text_equal(event.reason, TEXT("stocktaking")));
    }
}

Test(product_decide, bounds_every_text)
{
    memset(long_text, 'x', sizeof long_text);
    struct text at_most = {long_text, DETAIL_BYTES_MAX}, too_long = {long_text, sizeof long_text};
    struct inventory_command command = {.kind = PRODUCT_ADD, .sku = TEXT("sku")};
    command.details = (struct product_details){at_most, at_most, at_most, 0, TEXT("PLN")};
    cr_assert_eq(judge(&command), ACCEPTED);
    struct text *texts[] = {&command.details.name, &command.details.category,
                            &command.details.brand};
    for (size_t i = 0; i < 3; i++) {
        *texts[i] = too_long;
        cr_assert_eq(judge(&command), REFUSED_TEXT_TOO_LONG);
        *texts[i] = (struct text){0};
        cr_assert_eq(judge(&command), ACCEPTED);
    }
    command = (struct inventory_command){.kind = STOCK_INCREASE, .sku = TEXT("sku"), .quantity = 1};
    command.reason = (struct text){long_text, REASON_BYTES_MAX + 1};
    cr_assert_eq(judge(&command), REFUSED_TEXT_TOO_LONG);
    command.reason.bytes = REASON_BYTES_MAX;
    cr_assert_eq(judge(&command), REFUSED_PRODUCT_UNKNOWN);
    command.sku = (struct text){long_text, ID_BYTES_MAX + 1};
    cr_assert_eq(judge(&command), REFUSED_ID_INVALID);
    command.sku.bytes = ID_BYTES_MAX;
    cr_assert_eq(judge(&command), REFUSED_PRODUCT_UNKNOWN);
}

Test(product_decide, refuses_what_nobody_sees_in_an_id)
{
    static const struct {
        struct text id;
        enum refusal_code code;
    } ids[] = {
        {TEXT("a b"), REFUSED_PRODUCT_UNKNOWN},
        {TEXT(" "), REFUSED_ID_INVALID},
        {TEXT("a "), REFUSED_ID_INVALID},
        {TEXT(""), REFUSED_ID_INVALID},
        {TEXT("a\x1f"), REFUSED_ID_INVALID},
        {TEXT("\x7f"), REFUSED_ID_INVALID},
        {TEXT("a\xc2\x85z"), REFUSED_ID_INVALID},
        {TEXT("\xc2\xa0"), REFUSED_ID_INVALID},
        {TEXT("a\xe2\x80\x8bz"), REFUSED_ID_INVALID},
        {TEXT("\xe2\x82\xac"), REFUSED_PRODUCT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct inventory_command command = {.kind = PRODUCT_DELETE, .sku = ids[i].id};
        cr_assert_eq(judge(&command), ids[i].code, "%zu", i);
    }
}

Test(product_details_hash, tells_every_field_and_border)
{
    static const struct product_details details[] = {
        {TEXT("ab"), TEXT("c"), TEXT("d"), 1, TEXT("PLN")},
        {TEXT("a"), TEXT("bc"), TEXT("d"), 1, TEXT("PLN")},
        {TEXT("ab"), TEXT("cd"), TEXT(""), 1, TEXT("PLN")},
        {TEXT("ab"), TEXT("c"), TEXT("e"), 1, TEXT("PLN")},
        {TEXT("ab"), TEXT("c"), TEXT("d"), 256, TEXT("PLN")},
        {TEXT("ab"), TEXT("c"), TEXT("d"), 1, TEXT("EUR")},
        {{0}, {0}, {0}, 0, {0}},
    };
    size_t count = sizeof details / sizeof *details;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            cr_assert_eq(product_details_hash(&details[i]) == product_details_hash(&details[k]),
                         i == k);
}

/* Stored beside rows, so it may never change. */
Test(product_details_hash, is_the_same_for_ever)
{
    static const struct product_details details = {TEXT("Thread"), TEXT("Sewing"), TEXT("B"), 5,
                                                   TEXT("PLN")};
    cr_assert_eq(product_details_hash(&details), UINT64_C(0x8372f3d87ef702a5));
}

Test(product_apply, stops_at_a_gap_in_the_versions, .signal = SIGABRT)
{
    struct inventory_event event = {.kind = PRODUCT_ADDED, .version = 2};
    product_apply(&(struct product){0}, &event);
}

Test(product_apply_line, keeps_reserved_within_what_is_on_hand)
{
    struct product state = {.version = 3, .listed = true, .on_hand = 5};
    product_apply_line(&state, STOCK_RESERVED, &(struct stock_line){TEXT("s"), 5, 4});
    cr_assert_eq(state.reserved, 5);
    product_apply_line(&state, STOCK_RELEASED, &(struct stock_line){TEXT("s"), 2, 5});
    cr_assert_eq(state.reserved, 3);
    cr_assert_eq(state.on_hand, 5);
    cr_assert_eq(state.version, 5);
}

Test(product_apply_line, stops_at_more_than_is_on_hand, .signal = SIGABRT)
{
    struct product state = {.version = 3, .listed = true, .on_hand = 5, .reserved = 1};
    product_apply_line(&state, STOCK_RESERVED, &(struct stock_line){TEXT("s"), 5, 4});
}

Test(product_apply_line, stops_at_more_than_is_reserved, .signal = SIGABRT)
{
    struct product state = {.version = 3, .listed = true, .on_hand = 5, .reserved = 1};
    product_apply_line(&state, STOCK_RELEASED, &(struct stock_line){TEXT("s"), 2, 4});
}
