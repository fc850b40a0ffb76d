/*
 * lib/base/ol_unseen.h - what nobody sees in a text, by one table (ol_unseen.def).
 *
 * Two ids that look alike must be one id, so none may hold such a character, nor begin or end with
 * a blank: ol_unseen_find(). What a terminal would act on is shown as something else: ol_text.h.
 * Header only and pure: it is the one door that the domain has into lib/, so that its check and
 * everybody else's can't come apart. Texts are valid UTF-8; in others nothing is read beyond the
 * end.
 */
#ifndef OL_UNSEEN_H
#define OL_UNSEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is said of an id that is not one: "the SKU must be 1 to 128 bytes of " OL_UNSEEN_RULE. */
#define OL_UNSEEN_RULE                                                                             \
    "UTF-8 without control characters, hidden characters and blanks other than the plain space, "  \
    "which must not stand at either end"

enum ol_unseen {
    OL_SEEN = 0,
    OL_UNSEEN_CONTROL,
    OL_UNSEEN_LAYOUT,
    OL_UNSEEN_BLANK,
    OL_UNSEEN_HIDDEN,
    OL_UNSEEN_EDGE, /* a plain space at either end */
};

static inline enum ol_unseen ol_unseen_kind(uint32_t character)
{
    static const struct {
        uint32_t first, last;
        enum ol_unseen kind;
    } ranges[] = {
#define UNSEEN(first, last, kind) {first, last, OL_UNSEEN_##kind},
#include "lib/base/ol_unseen.def"
#undef UNSEEN
    };
    if (character >= 0x20 && character < 0x7F)
        return OL_SEEN;
    size_t i = 0, count = sizeof ranges / sizeof ranges[0];
    while (i < count && ranges[i].last < character)
        i++;
    return i < count && ranges[i].first <= character ? ranges[i].kind : OL_SEEN;
}

/* The character that `text` begins with, which has `bytes`; one that is cut off is itself by
 * its first byte. */
static inline uint32_t ol_unseen_character(const char *text, size_t bytes)
{
    const unsigned char *byte = (const unsigned char *)text;
    switch (bytes) {
    case 2: return (byte[0] & 0x1Fu) << 6 | (byte[1] & 0x3Fu);
    case 3: return (byte[0] & 0x0Fu) << 12 | (byte[1] & 0x3Fu) << 6 | (byte[2] & 0x3Fu);
    case 4:
        return (byte[0] & 0x07u) << 18 | (byte[1] & 0x3Fu) << 12 | (byte[2] & 0x3Fu) << 6 |
               (byte[3] & 0x3Fu);
    default: return byte[0];
    }
}

/* The first thing in an id that nobody sees, and in which byte it begins; OL_SEEN: nothing, then
 * *ret_position (which may be NULL) is untouched. */
static inline enum ol_unseen ol_unseen_find(const char *text, size_t size_bytes,
                                            size_t *ret_position)
{
    enum ol_unseen found = OL_SEEN;
    size_t at = 0;
    while (at < size_bytes) {
        unsigned char byte = (unsigned char)text[at];
        size_t bytes = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        bool edge = byte == ' ' && (at == 0 || at + 1 == size_bytes);
        if (bytes > size_bytes - at)
            bytes = 1;
        found = edge ? OL_UNSEEN_EDGE : ol_unseen_kind(ol_unseen_character(text + at, bytes));
        if (found)
            break;
        at += bytes;
    }
    if (found && ret_position)
        *ret_position = at;
    return found;
}

#endif
