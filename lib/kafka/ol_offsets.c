#include "lib/kafka/ol_offsets.h"

#include "lib/guard/protected.h"

enum ol_class ol_offsets_check(const char *who, const struct ol_offset *offsets, size_t count,
                               struct ol_error *reterr)
{
    if (PROTECTED(empty_offsets) && !count)
        return ol_fail(reterr, OL_USAGE, "%s: a transaction without offsets is not fenced", who);
    for (size_t i = 0; i < count; i++)
        if (offsets[i].offset < 0)
            return ol_fail(reterr, OL_USAGE, "%s: offset %lld for %s [%d] would be passed over",
                           who, (long long)offsets[i].offset, offsets[i].topic,
                           offsets[i].partition);
    return OL_OK;
}
