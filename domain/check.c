#include "domain/check.h"

bool id_is_clean(struct text id)
{
    if (id.bytes < 1 || id.bytes > ID_BYTES_MAX)
        return false;
    unsigned char before = 0;
    for (uint32_t i = 0; i < id.bytes; i++) {
        unsigned char byte = (unsigned char)id.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return false;
        if (before == 0xc2 && byte < 0xa0) /* U+0080 to U+009F */
            return false;
        before = byte;
    }
    return true;
}

struct refusal check_id(struct text id)
{
    return id_is_clean(id) ? accepted() : refused(REFUSED_ID_INVALID, id);
}
