#include "domain/orders.h"

#include "domain/name.h"

/* clang-format off */
static const char *const status_names[ORDER_STATUS_COUNT] = {
    [ORDER_IS_NOTHING] = "",
    [ORDER_IS_PLACED] = "PLACED",
    [ORDER_IS_RESERVED] = "RESERVED",
    [ORDER_IS_CONFIRMED] = "CONFIRMED",
    [ORDER_IS_REJECTED] = "REJECTED",
    [ORDER_IS_CANCELLED] = "CANCELLED",
};

static const char *const saga_names[SAGA_STATE_COUNT] = {
    [SAGA_IS_NOTHING] = "",
    [SAGA_IS_RUNNING] = "running",
    [SAGA_IS_UNDOING] = "undoing",
    [SAGA_IS_DONE] = "done",
    [SAGA_IS_UNDONE] = "undone",
    [SAGA_IS_STUCK] = "stuck",
};
/* clang-format on */

const char *order_status_name(enum order_status status)
{
    return name_at(status_names, ORDER_STATUS_COUNT, status);
}

enum order_status order_status_by_name(struct text name)
{
    return (enum order_status)name_find(status_names, ORDER_STATUS_COUNT, name);
}

const char *saga_state_name(enum saga_state state)
{
    return name_at(saga_names, SAGA_STATE_COUNT, state);
}

enum saga_state saga_state_by_name(struct text name)
{
    return (enum saga_state)name_find(saga_names, SAGA_STATE_COUNT, name);
}
