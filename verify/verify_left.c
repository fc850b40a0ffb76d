#include <stdio.h>

#include "verify/verify_internal.h"

/* Orders that somebody has said would stay as they are, and do: an undoing or a capture of which
 * a step was lost. */
static const struct ol_pg_statement left_statement = {
    .name = "verify/left",
    .sql = "SELECT o.order_id, o.status = 'CONFIRMED' AS confirmed FROM orderlog.orders o"
           " LEFT JOIN orderlog.payments p ON p.payment_id = o.order_id"
           " WHERE o.order_id IN (SELECT unnest(left_stuck) FROM orderlog.acknowledged_gaps)"
           " AND (saga_state = 'stuck'"
           " OR (o.status = 'CONFIRMED' AND payment = 2 AND captured_version IS NULL))"
           " ORDER BY 1",
    .columns = (const struct ol_pg_column[]){{"order_id", OL_PG_TEXT, OL_PG_NOT_NULL},
                                             {"confirmed", OL_PG_BOOL, OL_PG_NOT_NULL},
                                             {0}},
};

_Static_assert(ORDER_PAYMENT_AUTHORISED == 2, "as the statement has it");

static bool take(struct verify *verify, struct text id, bool confirmed)
{
    struct fold_entity *entity = fold_get(&verify->left, ENTITY_ORDER, 0, id, (struct text){0});
    if (!entity)
        return false;
    struct order *order = fold_state(entity);
    order->status = confirmed ? ORDER_IS_CONFIRMED : ORDER_IS_REJECTED;
    char where[200];
    snprintf(where, sizeof where, "orders/%.*s", (int)id.bytes, id.data);
    findings_look(&verify->findings, CHECK_LEFT_STUCK);
    findings_add(&verify->findings, CHECK_LEFT_STUCK, where,
                 confirmed ? "its capture was lost, and that was acknowledged"
                           : "a step of its undoing was lost, and that was acknowledged");
    return true;
}

enum ol_class verify_left(struct verify *verify, struct ol_error *reterr)
{
    OL_AUTO(ol_pg_rows) struct ol_pg_rows rows = {0};
    enum ol_class class = ol_pg_exec(verify->session->db, &left_statement, NULL, &rows, reterr);
    for (int row = 0; row < rows.count && !class; row++) {
        struct ol_pg_text id = ol_pg_text(&rows, row, 0);
        if (!take(verify, (struct text){id.data, (uint32_t)id.bytes}, ol_pg_bool(&rows, row, 1)))
            class = ol_fail(reterr, OL_FATAL, "no memory to fold");
    }
    return class;
}

enum order_status verify_left_as(const struct verify *verify, struct text order_id)
{
    struct fold_entity *entity = fold_find(&verify->left, ENTITY_ORDER, order_id, (struct text){0});
    return entity ? ((const struct order *)fold_state(entity))->status : ORDER_IS_NOTHING;
}
