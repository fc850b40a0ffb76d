#include "domain/stock.h"

#include "domain/assert.h"
#include "domain/check.h"
#include "domain/machines.h"
#include "domain/name.h"
#include "domain/partition.h"
#include "lib/guard/protected.h"

/* clang-format off */
#define SILENT(sentence) {sentence, .nothing_to_say = true}

const struct stock_cell stock_cells[RESERVATION_STATUS_COUNT][INVENTORY_STEP_KIND_COUNT] = {
    [RESERVATION_IS_NOTHING] = {
        [STOCK_RESERVE] = {"all lines of the group are reserved, or none and the group is refused",
                           .yes = STOCK_RESERVED, .no = STOCK_REFUSED},
        [STOCK_RELEASE] = {"the release overtook the reserve step, which will be refused",
                           .yes = STOCK_RELEASED},
    },
    [RESERVATION_IS_HELD] = {
        [STOCK_RESERVE] = SILENT("asked twice: it is held already"),
        [STOCK_RELEASE] = {"the units of all lines are available again", .yes = STOCK_RELEASED},
    },
    [RESERVATION_IS_REFUSED] = {
        [STOCK_RESERVE] = SILENT("asked twice: it stays refused"),
        [STOCK_RELEASE] = {"nothing is held: no units move, and the reservation is closed",
                           .yes = STOCK_RELEASED},
    },
    [RESERVATION_IS_RELEASED] = {
        [STOCK_RESERVE] = {"the release came first: refused, and no units move",
                           .no = STOCK_REFUSED},
        [STOCK_RELEASE] = SILENT("released already"),
    },
};
/* clang-format on */
#undef SILENT

static const enum reservation_status status_after[INVENTORY_EVENT_KIND_COUNT] = {
    [STOCK_RESERVED] = RESERVATION_IS_HELD,
    [STOCK_REFUSED] = RESERVATION_IS_REFUSED,
    [STOCK_RELEASED] = RESERVATION_IS_RELEASED,
};

/* clang-format off */
static const char *const status_names[RESERVATION_STATUS_COUNT] = {
    [RESERVATION_IS_NOTHING] = "",
    [RESERVATION_IS_HELD] = "HELD",
    [RESERVATION_IS_REFUSED] = "REFUSED",
    [RESERVATION_IS_RELEASED] = "RELEASED",
};
/* clang-format on */

static const struct stock_cell *cell_of(const struct reservation *state,
                                        const struct inventory_step *step);
static struct refusal check_lines(const struct product *const *products,
                                  const struct inventory_step *step);
static void copy_lines(struct stock_decision *ret_decision, const struct product *const *products,
                       const struct stock_line *lines, size_t count);

/* An event about a whole group. */
static struct inventory_event event_of(enum inventory_event_kind kind,
                                       const struct inventory_step *step)
{
    return (struct inventory_event){
        .kind = kind, .order_id = step->order_id, .partition = step->partition};
}

void stock_decide_reserve(const struct reservation *state, const struct product *const *products,
                          const struct inventory_step *step, struct stock_decision *ret_decision)
{
    domain_assert(step->kind == STOCK_RESERVE);
    domain_assert(step->line_count >= 1 && step->line_count <= ORDER_LINES_MAX);
    const struct stock_cell *cell = cell_of(state, step);
    ret_decision->decided = !cell->nothing_to_say;
    if (cell->nothing_to_say)
        return;

    struct refusal refusal = cell->yes ? check_lines(products, step)
                                       : refused(REFUSED_RESERVATION_EXISTS, step->lines[0].sku);
    ret_decision->event = event_of(refusal.code ? cell->no : cell->yes, step);
    if (refusal.code) {
        ret_decision->event.code = refusal.code;
        ret_decision->event.sku = refusal.subject;
    } else {
        copy_lines(ret_decision, products, step->lines, step->line_count);
    }
}

void stock_decide_release(const struct reservation *state, const struct product *const *products,
                          const struct inventory_step *step, struct stock_decision *ret_decision)
{
    domain_assert(step->kind == STOCK_RELEASE);
    const struct stock_cell *cell = cell_of(state, step);
    ret_decision->decided = !cell->nothing_to_say;
    if (cell->nothing_to_say)
        return;

    domain_assert(cell->yes != INVENTORY_EVENT_NONE);
    ret_decision->event = event_of(cell->yes, step);
    if (state->status == RESERVATION_IS_HELD)
        copy_lines(ret_decision, products, state->lines, state->line_count);
}

void reservation_apply(struct reservation *state, const struct inventory_event *event)
{
    domain_assert(event->kind < INVENTORY_EVENT_KIND_COUNT);
    domain_assert(status_after[event->kind] != RESERVATION_IS_NOTHING);
    enum reservation_status before = state->status;

    state->status = status_after[event->kind];
    if (event->kind == STOCK_RESERVED) {
        domain_assert(before == RESERVATION_IS_NOTHING);
        domain_assert(event->line_count >= 1);
        state->lines = event->lines;
        state->line_count = event->line_count;
    } else if (event->kind == STOCK_REFUSED) {
        domain_assert(before == RESERVATION_IS_NOTHING || before == RESERVATION_IS_RELEASED);
        domain_assert(event->code != ACCEPTED);
    } else {
        domain_assert(before != RESERVATION_IS_RELEASED);
        domain_assert(event->line_count == (before == RESERVATION_IS_HELD ? state->line_count : 0));
    }
}

/* A held reservation stays held until it is released, and a refused one stays refused. So the
 * reservation alone knows the answer to a step that comes twice, all but the refusal's code. */
struct order_step stock_reply(const struct reservation *state, const struct inventory_step *step,
                              const struct inventory_event *event)
{
    struct order_step reply = {.order_id = step->order_id};
    domain_assert(step->partition >= 0 && step->partition < PARTITIONS_MAX);
    if (step->kind == STOCK_RELEASE) {
        domain_assert(!event || event->kind == STOCK_RELEASED);
        reply.kind = ORDER_STOCK_RELEASED_REPLY;
        reply.groups = UINT64_C(1) << step->partition;
        return reply;
    }
    domain_assert(step->kind == STOCK_RESERVE);
    enum reservation_status status = event ? status_after[event->kind] : state->status;
    if (status == RESERVATION_IS_HELD) {
        reply.kind = ORDER_STOCK_RESERVED_REPLY;
        reply.groups = UINT64_C(1) << step->partition;
        return reply;
    }
    domain_assert(status == RESERVATION_IS_REFUSED);
    reply.kind = ORDER_STOCK_REFUSED_REPLY;
    reply.partition = step->partition;
    reply.code = event ? event->code : REFUSED_RESERVATION_EXISTS;
    reply.sku = event ? event->sku : (struct text){0};
    return reply;
}

const char *reservation_status_name(enum reservation_status status)
{
    return name_at(status_names, RESERVATION_STATUS_COUNT, status);
}

enum reservation_status reservation_status_by_name(struct text name)
{
    return (enum reservation_status)name_find(status_names, RESERVATION_STATUS_COUNT, name);
}

static const struct stock_cell *cell_of(const struct reservation *state,
                                        const struct inventory_step *step)
{
    domain_assert(state->status < RESERVATION_STATUS_COUNT);
    domain_assert(step->kind < INVENTORY_STEP_KIND_COUNT);
    domain_assert(step->partition >= 0 && step->partition < PARTITIONS_MAX);
    const struct stock_cell *cell = &stock_cells[state->status][step->kind];
    domain_assert(cell->nothing_to_say == (!cell->yes && !cell->no));
    return cell;
}

/* True when an earlier line names the same product. Our own steps never do that; a foreign one
 * might, and both lines would then share one state. */
static bool stands_before(const struct product *const *products, size_t line)
{
    for (size_t i = 0; i < line; i++)
        if (products[i] == products[line])
            return true;
    return false;
}

/* The first line that fails; in one line, from the most basic. */
static struct refusal check_lines(const struct product *const *products,
                                  const struct inventory_step *step)
{
    for (size_t i = 0; i < step->line_count; i++) {
        const struct stock_line *line = &step->lines[i];
        const struct product *product = products[i];
        domain_assert(line->quantity >= 1);
        domain_assert(product->reserved <= product->on_hand);
        if (stands_before(products, i))
            return refused(REFUSED_SKU_TWICE, line->sku);
        if (!product->listed)
            return refused(REFUSED_PRODUCT_UNKNOWN, line->sku);
        if (!currency_is(product->currency, step->currency))
            return refused(REFUSED_CURRENCY_MISMATCH, line->sku);
        if (PROTECTED(stock_short) && line->quantity > product->on_hand - product->reserved)
            return refused(REFUSED_STOCK_SHORT, line->sku);
    }
    return accepted();
}

/* Copies lines into the decision, each with its product's next version. */
static void copy_lines(struct stock_decision *ret_decision, const struct product *const *products,
                       const struct stock_line *lines, size_t count)
{
    domain_assert(count >= 1);
    domain_assert(count <= ORDER_LINES_MAX);
    for (size_t i = 0; i < count; i++) {
        ret_decision->lines[i] = lines[i];
        ret_decision->lines[i].version = products[i]->version + 1;
    }
    ret_decision->event.lines = ret_decision->lines;
    ret_decision->event.line_count = count;
}
