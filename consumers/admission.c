#include "consumers/admission.h"

#include "domain/assert.h"

size_t admission_room(struct admission *admission, size_t open, size_t open_max, int64_t now_us)
{
    domain_assert(open_max > 0 && now_us > 0);
    if (open < open_max) {
        admission->held_since_us = 0;
        return open_max - open;
    }
    if (admission->held_since_us == 0)
        admission->held_since_us = now_us;
    if (now_us - admission->held_since_us < ADMISSION_HELD_US)
        return 0;
    admission->held_since_us = now_us;
    return ADMISSION_TRICKLE;
}
