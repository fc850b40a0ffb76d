#include "lib/program/ol_lives.h"

#include "lib/base/ol_clock.h"

#define FENCED_WITHIN_US (60 * INT64_C(1000000))
#define LASTED_US        (10 * OL_LIVES_BACK_OFF_MAX_MS * INT64_C(1000))

void ol_lives_begin(struct ol_lives *lives)
{
    lives->began_us = ol_clock_monotonic_us();
}

bool ol_lives_slot_is_taken(struct ol_lives *lives, enum ol_class class)
{
    if (class != OL_CONFLICT)
        return false;
    int64_t now_us = ol_clock_monotonic_us();
    bool taken = lives->fenced_us && now_us - lives->fenced_us < FENCED_WITHIN_US;
    lives->fenced_us = now_us;
    return taken;
}

int64_t ol_lives_back_off_ms(struct ol_lives *lives, bool did_something)
{
    bool lasted = ol_clock_monotonic_us() - lives->began_us > LASTED_US;
    int64_t wait_ms = did_something || lasted ? 0 : lives->back_off_ms;
    if (wait_ms < OL_LIVES_BACK_OFF_MIN_MS)
        wait_ms = OL_LIVES_BACK_OFF_MIN_MS;
    lives->back_off_ms =
        2 * wait_ms < OL_LIVES_BACK_OFF_MAX_MS ? 2 * wait_ms : OL_LIVES_BACK_OFF_MAX_MS;
    return wait_ms;
}
