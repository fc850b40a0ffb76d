#include "lib/kafka/ol_taint.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/guard/protected.h"

static const struct {
    int16_t api_key;
    bool alone; /* sent one at a time: a second before the first's answer is a retry */
    const char *name;
} requests[OL_TAINT_REQUESTS] = {
    [OL_TAINT_PRODUCE] = {0, false, "Produce"},
    [OL_TAINT_ADD_PARTITIONS] = {24, false, "AddPartitionsToTxn"},
    [OL_TAINT_ADD_OFFSETS] = {25, true, "AddOffsetsToTxn"},
    [OL_TAINT_OFFSETS] = {28, true, "TxnOffsetCommit"},
    [OL_TAINT_END] = {26, true, "EndTxn"},
};

int ol_taint_request_of(int16_t api_key)
{
    for (int i = 0; i < OL_TAINT_REQUESTS; i++)
        if (requests[i].api_key == api_key)
            return i;
    return -1;
}

void ol_taint_set(struct ol_taint *taint, const char *format, ...)
{
    if (taint->tainted)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(taint->reason, sizeof taint->reason, format, arguments);
    va_end(arguments);
    taint->tainted = true;
}

void ol_taint_sent(struct ol_taint *taint, enum ol_taint_request request, const char *peer)
{
    bool again = taint->unanswered[request];
    taint->unanswered[request] = true;
    if (PROTECTED(taint_rule) && again && requests[request].alone)
        ol_taint_set(taint, "%s sent again before its answer (%s)", requests[request].name, peer);
}

void ol_taint_answered(struct ol_taint *taint, enum ol_taint_request request, const char *error,
                       const char *peer)
{
    if (!error)
        taint->unanswered[request] = false;
    if (PROTECTED(taint_rule) && error)
        ol_taint_set(taint, "%s: %s (%s)", requests[request].name, error, peer);
}
