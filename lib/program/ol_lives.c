#include "lib/program/ol_lives.h"

#include <assert.h>

#include "lib/base/ol_clock.h"
#include "lib/program/ol_log.h"
#include "lib/program/ol_run.h"

#define FENCED_WITHIN_US (60 * INT64_C(1000000))
#define LASTED_US        (10 * OL_LIVES_BACK_OFF_MAX_MS * INT64_C(1000))

/* What one life leaves for the next. */
struct past {
    int64_t began_us;
    int64_t fenced_us;   /* when one last ended in OL_CONFLICT; 0: none has */
    int64_t back_off_ms; /* before the next but one; 0: there was none yet */
};

static bool slot_is_taken(struct past *past, enum ol_class class)
{
    if (class != OL_CONFLICT)
        return false;
    int64_t now_us = ol_clock_monotonic_us();
    bool taken = past->fenced_us && now_us - past->fenced_us < FENCED_WITHIN_US;
    past->fenced_us = now_us;
    return taken;
}

/* Twice as long each time, from the least on again after a life that got something done, or
 * lasted. */
static int64_t back_off_ms(struct past *past, bool did_something)
{
    bool lasted = ol_clock_monotonic_us() - past->began_us > LASTED_US;
    int64_t wait_ms = did_something || lasted ? 0 : past->back_off_ms;
    if (wait_ms < OL_LIVES_BACK_OFF_MIN_MS)
        wait_ms = OL_LIVES_BACK_OFF_MIN_MS;
    past->back_off_ms =
        2 * wait_ms < OL_LIVES_BACK_OFF_MAX_MS ? 2 * wait_ms : OL_LIVES_BACK_OFF_MAX_MS;
    return wait_ms;
}

enum ol_class ol_lives_run(const struct ol_lives *lives, void *loop, struct ol_error *reterr)
{
    struct past past = {0};
    for (;;) {
        past.began_us = ol_clock_monotonic_us();
        enum ol_class class = lives->live(loop, reterr);
        bool stopping = ol_run_stopping();
        assert(class || stopping); /* else a loop ended that nobody had asked to */
        /* A life that failed while stopping left work behind: its place is kept for who comes. */
        bool clean = lives->close(loop, stopping && !class);
        if (stopping)
            return OL_OK;
        if (!clean)
            return ol_fail(reterr, OL_FATAL, "a Kafka handle hangs while closing");
        if (slot_is_taken(&past, class))
            return ol_fail_in(reterr, "slot %lld is taken by another process",
                              (long long)lives->slot);
        bool did_something = lives->restart(loop, class, reterr->text);
        ol_log(OL_LOG_WARN, lives->role, "starting from scratch", ol_kv("context", lives->context),
               ol_kv("class", ol_class_name(class)), ol_kv("error", reterr->text));
        if (ol_run_sleep(back_off_ms(&past, did_something)))
            return OL_OK;
    }
}
