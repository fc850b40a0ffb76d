#include "domain/check.h"

#include "lib/base/ol_unseen.h"

bool id_is_clean(struct text id)
{
    if (id.bytes < 1 || id.bytes > ID_BYTES_MAX)
        return false;
    return ol_unseen_find(id.data, id.bytes, NULL) == OL_SEEN;
}

struct refusal check_id(struct text id)
{
    return id_is_clean(id) ? accepted() : refused(REFUSED_ID_INVALID, id);
}
