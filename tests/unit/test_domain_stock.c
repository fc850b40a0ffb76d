/* tests/unit/test_domain_stock.c - groups of lines on two products: a with 5 units, b with 1. */
#include "domain/stock.h"

#include <criterion/criterion.h>
#include <signal.h>

static const struct product a = {.version = 3, .listed = true, .currency = {"PLN"}, .on_hand = 5};
static const struct product b = {
    .version = 7, .listed = true, .currency = {"PLN"}, .on_hand = 4, .reserved = 3};
static const struct product gone = {.version = 9};
static const struct product euro = {.version = 2, .listed = true, .currency = {"EUR"}};
static const struct product unknown;

static struct stock_decision decision;

static const struct inventory_step release = {
    .kind = STOCK_RELEASE, .order_id = TEXT("o"), .partition = 6};

static struct inventory_step reserve(const struct stock_line *lines, size_t count)
{
    return (struct inventory_step){STOCK_RESERVE, TEXT("o"), 6, TEXT("PLN"), lines, count};
}

/* clang-format off */
static const struct {
    const char *claim;
    struct stock_line lines[2];
    const struct product *products[2];
    enum refusal_code code;
    const char *sku;
} groups[] = {
    {"fits to the last unit", {{TEXT("a"), 5, 0}, {TEXT("b"), 1, 0}}, {&a, &b}, ACCEPTED, ""},
    {"short by one", {{TEXT("a"), 5, 0}, {TEXT("b"), 2, 0}}, {&a, &b}, REFUSED_STOCK_SHORT, "b"},
    {"first line first", {{TEXT("a"), 6, 0}, {TEXT("x"), 1, 0}},
     {&a, &unknown}, REFUSED_STOCK_SHORT, "a"},
    {"unknown", {{TEXT("x"), 1, 0}, {TEXT("a"), 9, 0}},
     {&unknown, &a}, REFUSED_PRODUCT_UNKNOWN, "x"},
    {"out of the list", {{TEXT("a"), 1, 0}, {TEXT("g"), 1, 0}},
     {&a, &gone}, REFUSED_PRODUCT_UNKNOWN, "g"},
    {"currency before stock", {{TEXT("a"), 1, 0}, {TEXT("e"), 1, 0}},
     {&a, &euro}, REFUSED_CURRENCY_MISMATCH, "e"},
    {"all there is", {{TEXT("a"), 1, 0}, {TEXT("b"), INT64_MAX, 0}},
     {&a, &b}, REFUSED_STOCK_SHORT, "b"},
    {"one product in two lines", {{TEXT("a"), 1, 0}, {TEXT("a"), 1, 0}},
     {&a, &a}, REFUSED_SKU_TWICE, "a"},
};
/* clang-format on */

Test(stock_decide_reserve, takes_all_lines_or_none)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct inventory_step step = reserve(groups[i].lines, 2);
        struct reservation state = {0};
        stock_decide_reserve(&state, groups[i].products, &step, &decision);
        const struct inventory_event *event = &decision.event;
        cr_assert(decision.decided);
        cr_assert_eq(event->kind, groups[i].code ? STOCK_REFUSED : STOCK_RESERVED, "%s",
                     groups[i].claim);
        cr_assert_eq(event->code, groups[i].code, "%s", groups[i].claim);
        cr_assert(text_equal(event->sku, text_of(groups[i].sku)), "%s", groups[i].claim);
        cr_assert_eq(event->version, 0);
        cr_assert_eq(event->partition, 6);
        cr_assert_eq(event->line_count, groups[i].code ? 0u : 2u);
        for (size_t k = 0; k < event->line_count; k++) {
            cr_assert(text_equal(event->lines[k].sku, groups[i].lines[k].sku));
            cr_assert_eq(event->lines[k].version, groups[i].products[k]->version + 1);
        }
        struct order_step reply = stock_reply(&state, &step, event);
        cr_assert_eq(reply.kind,
                     groups[i].code ? ORDER_STOCK_REFUSED_REPLY : ORDER_STOCK_RESERVED_REPLY);
        cr_assert_eq(reply.code, groups[i].code);
        cr_assert_eq(reply.groups, groups[i].code ? 0 : UINT64_C(1) << 6);
        cr_assert_eq(reply.partition, groups[i].code ? 6 : 0);
        cr_assert(text_equal(reply.order_id, TEXT("o")));
        cr_assert(text_equal(reply.sku, text_of(groups[i].sku)));
    }
}

/* ---- one reservation: step, event (0: nothing to say), lines, code, status after, reply ---- */

struct row {
    enum inventory_step_kind step;
    enum inventory_event_kind event;
    size_t line_count;
    enum refusal_code code;
    enum reservation_status status;
    enum order_step_kind reply;
};

static void play_row(struct reservation *state, const struct row *row, int64_t quantity,
                     size_t number)
{
    static struct stock_line kept[1];
    const struct stock_line line = {TEXT("a"), quantity, 0};
    const struct product *products[] = {&a};
    struct inventory_step step = row->step == STOCK_RESERVE ? reserve(&line, 1) : release;
    struct reservation before = *state;
    if (row->step == STOCK_RESERVE)
        stock_decide_reserve(state, products, &step, &decision);
    else
        stock_decide_release(state, products, &step, &decision);
    const struct inventory_event *event = decision.decided ? &decision.event : NULL;
    cr_assert_eq(event ? event->kind : INVENTORY_EVENT_NONE, row->event, "row %zu", number);
    struct order_step reply = stock_reply(state, &step, event);
    cr_assert_eq(reply.kind, row->reply, "row %zu", number);
    cr_assert_eq(reply.code, row->code, "row %zu", number);
    if (event) {
        cr_assert_eq(event->line_count, row->line_count, "row %zu", number);
        if (event->line_count)
            kept[0] = event->lines[0];
        struct inventory_event stored = *event;
        stored.lines = event->line_count ? kept : NULL;
        reservation_apply(state, &stored);
    } else {
        cr_assert_eq(memcmp(&before, state, sizeof before), 0);
    }
    cr_assert_eq(state->status, row->status, "row %zu", number);
}

static void play(const struct row *rows, size_t count, int64_t quantity)
{
    struct reservation state = {0};
    for (size_t i = 0; i < count; i++)
        play_row(&state, &rows[i], quantity, i);
}
#define PLAY(rows, quantity) play(rows, sizeof(rows) / sizeof *(rows), quantity)

/* clang-format off */
#define HELD     RESERVATION_IS_HELD
#define REFUSED  RESERVATION_IS_REFUSED
#define RELEASED RESERVATION_IS_RELEASED
#define EXISTS   REFUSED_RESERVATION_EXISTS
#define SHORT    REFUSED_STOCK_SHORT
#define YES      ORDER_STOCK_RESERVED_REPLY
#define NO       ORDER_STOCK_REFUSED_REPLY
#define BACK     ORDER_STOCK_RELEASED_REPLY

Test(reservation, is_held_and_given_back_once)
{
    static const struct row rows[] = {
        {STOCK_RESERVE, STOCK_RESERVED, 1, 0, HELD, YES},
        {STOCK_RESERVE, 0, 0, 0, HELD, YES},
        {STOCK_RELEASE, STOCK_RELEASED, 1, 0, RELEASED, BACK},
        {STOCK_RELEASE, 0, 0, 0, RELEASED, BACK},
    };
    PLAY(rows, 5);
}

Test(reservation, that_is_released_before_it_comes_is_never_held)
{
    static const struct row rows[] = {
        {STOCK_RELEASE, STOCK_RELEASED, 0, 0, RELEASED, BACK},
        {STOCK_RESERVE, STOCK_REFUSED, 0, EXISTS, REFUSED, NO},
        {STOCK_RESERVE, 0, 0, EXISTS, REFUSED, NO},
    };
    PLAY(rows, 5);
}

Test(reservation, that_is_refused_stays_refused_and_releases_nothing)
{
    static const struct row rows[] = {
        {STOCK_RESERVE, STOCK_REFUSED, 0, SHORT, REFUSED, NO},
        {STOCK_RESERVE, 0, 0, EXISTS, REFUSED, NO},
        {STOCK_RELEASE, STOCK_RELEASED, 0, 0, RELEASED, BACK},
        {STOCK_RELEASE, 0, 0, 0, RELEASED, BACK},
    };
    PLAY(rows, 6);
}
/* clang-format on */

Test(stock_decide_release, gives_back_the_held_lines_with_their_products_next_versions)
{
    const struct stock_line held[] = {{TEXT("a"), 2, 1}, {TEXT("b"), 3, 5}};
    const struct product *products[] = {&a, &b};
    struct reservation state = {RESERVATION_IS_HELD, held, 2};
    stock_decide_release(&state, products, &release, &decision);
    cr_assert_eq(decision.event.line_count, 2u);
    cr_assert_eq(decision.event.lines[0].quantity, 2);
    cr_assert_eq(decision.event.lines[0].version, a.version + 1);
    cr_assert_eq(decision.event.lines[1].version, b.version + 1);
}

Test(reservation_apply, stops_at_an_event_of_a_product, .signal = SIGABRT)
{
    reservation_apply(&(struct reservation){0}, &(struct inventory_event){.kind = PRODUCT_ADDED});
}
