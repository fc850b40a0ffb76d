#include "domain/order.h"

/* Apart from order.c, so that tests can run orders on the other rows too. Nothing waits between a
 * wallet's payment and the confirmation: every order is charged. */
enum payment_row order_payment_row(struct text order_id)
{
    (void)order_id;
    return PAYMENT_ROW_CHARGE;
}
