#include "cli/gap_waiting.h"

#include "domain/order.h"
#include "proto/codec.h"

#define ARENA_BLOCK_BYTES (64 * 1024)

struct candidates {
    struct gap_waiting *waiting;
    enum context context;
    struct ol_arena arena; /* one bundle */
    bool failed;           /* no memory */
};

/* ---- who waits, by the rows ---- */

enum { ORDER_ID, CUSTOMER_ID, PARTITION, GROUPS, PAYMENT };

/* Groups and a payment that were asked to be undone and have not answered; or a payment that is to
 * be captured, and there nobody waits for an answer. */
static const struct ol_pg_statement orders_read = {
    .name = "gaps/orders",
    .sql = "SELECT o.order_id, o.customer_id, o.partition,"
           " CASE WHEN o.status <> 'CONFIRMED'"
           " THEN groups_asked & ~groups_refused & ~groups_released ELSE 0 END AS groups,"
           " o.payment IN (2, 4) AS payment FROM orderlog.orders o"
           " LEFT JOIN orderlog.payments p ON p.payment_id = o.order_id"
           " WHERE saga_state IN ('undoing', 'stuck')"
           " OR (o.payment = 2 AND captured_version IS NULL)"
           " ORDER BY 1",
    .columns = (const struct ol_pg_column[]){{"order_id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"customer_id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"partition", OL_PG_INT2, OL_PG_NOT_NULL},
                                             {"groups", OL_PG_INT8, OL_PG_NOT_NULL},
                                             {"payment", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {0}},
};
_Static_assert(ORDER_PAYMENT_AUTHORISED == 2 && ORDER_PAYMENT_ASKED_BACK == 4,
               "as the statement has them");

static bool waits(const struct ol_pg_rows *rows, int row, enum context context, int32_t partition,
                  int32_t partitions)
{
    struct ol_pg_text customer = ol_pg_text(rows, row, CUSTOMER_ID);
    struct text key = {customer.data, (uint32_t)customer.bytes};
    switch (context) {
    case CONTEXT_ORDERS: return ol_pg_int16(rows, row, PARTITION) == partition;
    case CONTEXT_INVENTORY: return (uint64_t)ol_pg_int64(rows, row, GROUPS) >> partition & 1;
    default: return ol_pg_bool(rows, row, PAYMENT) && partition_of(key, partitions) == partition;
    }
}

static enum ol_class take_rows(struct session *session, const struct ol_pg_rows *rows,
                               enum context context, int32_t partition, int32_t partitions,
                               struct gap_waiting *waiting, struct ol_error *reterr)
{
    waiting->ids =
        ol_arena_alloc(&session->arena, ((size_t)rows->count + 1) * sizeof *waiting->ids);
    for (int row = 0; row < rows->count && waiting->ids; row++) {
        struct ol_pg_text id = ol_pg_text(rows, row, ORDER_ID);
        if (!waits(rows, row, context, partition, partitions))
            continue;
        const char *copy = ol_arena_copy(&session->arena, id.data, id.bytes);
        if (!copy)
            return ol_fail(reterr, OL_FATAL, "out of memory");
        waiting->ids[waiting->count++] = (struct text){copy, (uint32_t)id.bytes};
    }
    return waiting->ids ? OL_OK : ol_fail(reterr, OL_FATAL, "out of memory");
}

/* ---- whose step is still there ---- */

/* Whom it undoes or captures for; none: an ask, an answer. */
static struct text undone_by(const struct step_message *step)
{
    if (step->context == CONTEXT_INVENTORY && step->inventory.kind == STOCK_RELEASE)
        return step->inventory.order_id;
    if (step->context == CONTEXT_PAYMENTS && step->payment.kind != PAYMENT_CHARGE &&
        step->payment.kind != PAYMENT_AUTHORISE)
        return step->payment.payment_id;
    return (struct text){0};
}

static void strike_out(struct gap_waiting *waiting, struct text id)
{
    for (size_t i = 0; i < waiting->count; i++)
        if (text_equal(waiting->ids[i], id)) {
            waiting->count--;
            memmove(&waiting->ids[i], &waiting->ids[i + 1],
                    (waiting->count - i) * sizeof *waiting->ids);
            return;
        }
}

/* What can't be read is nobody's undo. False: no memory. */
static bool take_step(struct candidates *candidates, struct bytes wire)
{
    struct step_message step;
    struct ol_error error;
    enum ol_class class =
        codec_decode_step(candidates->context, wire, &candidates->arena, &step, &error);
    if (!class)
        strike_out(candidates->waiting, undone_by(&step));
    return !class || class == OL_POISON;
}

static bool take_bundle(void *context, size_t range, const struct ol_message *message)
{
    struct candidates *candidates = context;
    struct bytes wire = {message->value, message->value_bytes};
    struct step_bundle bundle = {.count = 0};
    struct ol_error error;
    (void)range;
    ol_arena_clear(&candidates->arena);
    enum ol_class class = codec_decode_bundle(wire, &candidates->arena, &bundle, &error);
    candidates->failed = class && class != OL_POISON;
    for (size_t i = 0; i < bundle.count && !candidates->failed; i++)
        candidates->failed = !take_step(candidates, bundle.steps[i]);
    return !candidates->failed && candidates->waiting->count > 0;
}

enum ol_class gap_waiting_find(struct session *session, enum context context, int32_t partitions,
                               struct scan_range kept, struct gap_waiting *ret_waiting,
                               struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    struct candidates candidates = {.waiting = ret_waiting, .context = context};
    *ret_waiting = (struct gap_waiting){0};
    enum ol_class class = ol_pg_exec(session->db, &orders_read, NULL, &rows, reterr);
    if (!class)
        class = take_rows(session, &rows, context, kept.partition, partitions, ret_waiting, reterr);
    if (class || ret_waiting->count == 0 || kept.from >= kept.until)
        return class;
    ol_arena_init(&candidates.arena, ARENA_BLOCK_BYTES, CODEC_ARENA_BYTES);
    class = scan_run(session, &kept, 1, take_bundle, &candidates, NULL, reterr);
    ol_arena_release(&candidates.arena);
    if (!class && candidates.failed)
        class = ol_fail(reterr, OL_FATAL, "out of memory");
    return class;
}
